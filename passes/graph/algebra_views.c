/* Rules about views. */
#include "passes/graph/algebra.h"

static Value *transpose_of(Graph *g, Node *n) {
    const int64_t *outer = NULL, *inner = NULL;
    int rank = node_ints(n, "perm", &outer);
    Node *m = def_of(n->in[0], OP_transpose);
    bool same = true;
    for (int i = 0; i < rank; i++) same &= outer[i] == i;
    if (same) return n->in[0];
    if (!m) return NULL;
    int64_t perm[MAX_RANK];
    node_ints(m, "perm", &inner);
    for (int i = 0; i < rank; i++) perm[i] = inner[outer[i]];
    return build_transpose(g, m->in[0], perm);
}

static Value *reshape_of(Graph *g, Node *n) {
    Node *m = def_of(n->in[0], OP_reshape);
    if (type_equal(g->ctx, &n->in[0]->type, &n->out[0]->type)) return n->in[0];
    return m ? build_reshape(g, m->in[0], n->out[0]->type.dims, n->out[0]->type.rank) : NULL;
}

static Value *expand_of(Graph *g, Node *n) {
    Node *m = def_of(n->in[0], OP_expand);
    if (type_equal(g->ctx, &n->in[0]->type, &n->out[0]->type)) return n->in[0];
    return m ? build_expand(g, m->in[0], n->out[0]->type.dims, n->out[0]->type.rank) : NULL;
}

typedef struct Slice {
    Expr *const *starts, *const *shape;
    const int64_t *steps;
    int rank;
} Slice;

static Slice slice_attrs(const Node *n) {
    Slice s = {0};
    s.rank = node_exprs(n, "starts", &s.starts);
    node_exprs(n, "shape", &s.shape);
    node_ints(n, "steps", &s.steps);
    return s;
}

static bool whole_axis(Graph *g, const Slice *s, const Value *x, int i) {
    return s->steps[i] == 1 && expr_is(s->starts[i], 0) &&
           expr_prove_eq(g->ctx, s->shape[i], x->type.dims[i]);
}

static Value *slice_of(Graph *g, Node *n) {
    Node *m = def_of(n->in[0], OP_slice);
    Slice s = slice_attrs(n);
    bool whole = true;
    for (int i = 0; i < s.rank; i++) whole &= whole_axis(g, &s, n->in[0], i);
    if (whole) return n->in[0];
    if (!m) return NULL;
    Slice t = slice_attrs(m);
    Expr *starts[MAX_RANK];
    int64_t steps[MAX_RANK];
    for (int i = 0; i < s.rank; i++) {
        starts[i] = expr_add(g->ctx, t.starts[i], expr_muli(g->ctx, s.starts[i], t.steps[i]));
        if (__builtin_mul_overflow(s.steps[i], t.steps[i], &steps[i])) return NULL;
    }
    return build_slice(g, m->in[0], starts, steps, s.shape);
}

typedef struct Pad {
    Expr *const *lo, *const *hi;
    int rank;
} Pad;

static Pad pad_attrs(const Node *n) {
    Pad p = {0};
    p.rank = node_exprs(n, "lo", &p.lo);
    node_exprs(n, "hi", &p.hi);
    return p;
}

static bool constant_pad(const Node *n) {
    return !strcmp(node_str(n, "mode", ""), "constant");
}

static bool all_ge0(Graph *g, const Pad *p) {
    bool ok = true;
    for (int i = 0; i < p->rank; i++)
        ok &= expr_prove_ge0(g->ctx, p->lo[i]) && expr_prove_ge0(g->ctx, p->hi[i]);
    return ok;
}

static Value *pad_of(Graph *g, Node *n) {
    Pad p = pad_attrs(n);
    bool none = true;
    for (int i = 0; i < p.rank; i++) none &= expr_is(p.lo[i], 0) && expr_is(p.hi[i], 0);
    if (none) return n->in[0];
    Node *m = def_of(n->in[0], OP_pad);
    if (!m || !constant_pad(n) || !constant_pad(m) ||
        node_flt(n, "value", 0) != node_flt(m, "value", 0))
        return NULL;
    Pad q = pad_attrs(m);
    if (!all_ge0(g, &p) || !all_ge0(g, &q)) return NULL;
    Expr *lo[MAX_RANK], *hi[MAX_RANK];
    for (int i = 0; i < p.rank; i++) {
        lo[i] = expr_add(g->ctx, p.lo[i], q.lo[i]);
        hi[i] = expr_add(g->ctx, p.hi[i], q.hi[i]);
    }
    return build_pad(g, m->in[0], lo, hi, "constant", node_flt(n, "value", 0));
}

Value *rule_view(Graph *g, Node *n) {
    switch (n->op) {
    case OP_transpose: return transpose_of(g, n);
    case OP_reshape: return reshape_of(g, n);
    case OP_expand: return expand_of(g, n);
    case OP_slice: return slice_of(g, n);
    case OP_pad: return pad_of(g, n);
    default: return NULL;
    }
}

/* ---- slices and concats ---- */

Value *rule_slice_concat(Graph *g, Node *n) {
    Ctx *ctx = g->ctx;
    if (n->op != OP_slice || !def_of(n->in[0], OP_concat)) return NULL;
    Node *c = n->in[0]->def;
    Slice s = slice_attrs(n);
    int axis = (int)node_int(c, "axis", 0);
    if (s.steps[axis] < 1) return NULL;
    Expr *last = expr_add(ctx, s.starts[axis],
                          expr_muli(ctx, expr_addi(ctx, s.shape[axis], -1), s.steps[axis]));
    Expr *from = expr_int(ctx, 0);
    for (int k = 0; k < c->n_in; k++) {
        Expr *to = expr_add(ctx, from, c->in[k]->type.dims[axis]);
        bool inside = expr_prove_ge0(ctx, expr_sub(ctx, s.starts[axis], from)) &&
                      expr_prove_lt(ctx, last, to);
        if (!inside) {
            from = to;
            continue;
        }
        Expr *starts[MAX_RANK];
        for (int i = 0; i < s.rank; i++) starts[i] = s.starts[i];
        starts[axis] = expr_sub(ctx, s.starts[axis], from);
        return build_slice(g, c->in[k], starts, s.steps, s.shape);
    }
    return NULL;
}

static Value *flattened(Graph *g, Node *n, int axis) {
    VEC(Value *) parts = {0};
    bool changed = false;
    for (int k = 0; k < n->n_in; k++) {
        Node *m = def_of(n->in[k], OP_concat);
        bool nested = m && node_int(m, "axis", 0) == axis,
             empty = expr_is(n->in[k]->type.dims[axis], 0);
        changed |= nested || empty;
        if (empty) continue;
        if (!nested) vec_push(g->ctx->perm, &parts, n->in[k]);
        for (int i = 0; nested && i < m->n_in; i++) vec_push(g->ctx->perm, &parts, m->in[i]);
    }
    if (!changed || !parts.n) return NULL;
    /* what was left out may have been what gave the other sizes their names */
    for (int i = 0; i < parts.at[0]->type.rank; i++)
        if (i != axis && !expr_prove_eq(g->ctx, parts.at[0]->type.dims[i], n->out[0]->type.dims[i]))
            return NULL;
    return build_concat(g, parts.at, parts.n, axis);
}

/* Does slice b go on where slice a ends, both of the same value and whole off the axis? */
static bool follows(Graph *g, Node *a, Node *b, int axis) {
    if (!a || !b || a->in[0] != b->in[0]) return false;
    Slice s = slice_attrs(a), t = slice_attrs(b);
    for (int i = 0; i < s.rank; i++) {
        if (s.steps[i] != 1 || t.steps[i] != 1) return false;
        if (i == axis) continue;
        if (!expr_prove_eq(g->ctx, s.starts[i], t.starts[i]) ||
            !expr_prove_eq(g->ctx, s.shape[i], t.shape[i]))
            return false;
    }
    return expr_prove_eq(g->ctx, t.starts[axis], expr_add(g->ctx, s.starts[axis], s.shape[axis]));
}

static Value *rejoined(Graph *g, Node *n, int axis) {
    VEC(Value *) parts = {0};
    for (int k = 0; k < n->n_in; k++) {
        Value *before = parts.n ? parts.at[parts.n - 1] : NULL;
        Node *a = def_of(before, OP_slice), *b = def_of(n->in[k], OP_slice);
        if (!follows(g, a, b, axis)) {
            vec_push(g->ctx->perm, &parts, n->in[k]);
            continue;
        }
        Slice s = slice_attrs(a), t = slice_attrs(b);
        Expr *shape[MAX_RANK];
        for (int i = 0; i < s.rank; i++) shape[i] = s.shape[i];
        shape[axis] = expr_add(g->ctx, shape[axis], t.shape[axis]);
        parts.at[parts.n - 1] = build_slice(g, a->in[0], s.starts, s.steps, shape);
    }
    return parts.n < n->n_in ? build_concat(g, parts.at, parts.n, axis) : NULL;
}

Value *rule_concat(Graph *g, Node *n) {
    if (n->op != OP_concat) return NULL;
    int axis = (int)node_int(n, "axis", 0);
    if (n->n_in == 1) return n->in[0];
    Value *flat = flattened(g, n, axis);
    return flat ? flat : rejoined(g, n, axis);
}

/* ---- expands in front of what broadcasts anyway ---- */

/* Does another operand give the result its size wherever operand k only gets it by its expand? */
static bool others_cover(Graph *g, Node *n, int k, const Type *inner) {
    const Type *y = &n->out[0]->type;
    for (int i = 0; i < y->rank; i++) {
        int at = i - (y->rank - inner->rank);
        if (expr_is(y->dims[i], 1) || (at >= 0 && inner->dims[at] == y->dims[i])) continue;
        bool covered = false;
        for (int j = 0; j < n->n_in; j++) {
            const Type *t = &n->in[j]->type;
            int from = i - (y->rank - t->rank);
            covered |= j != k && from >= 0 && expr_prove_eq(g->ctx, t->dims[from], y->dims[i]);
        }
        if (!covered) return false;
    }
    return true;
}

static bool broadcasts(const Node *n, int k) {
    if (op_is_scalar(n->op)) return true;
    return (n->op == OP_contract && k == 2) || (n->op == OP_norm && k > 0) ||
           (n->op == OP_attention && k == 3);
}

Value *rule_expand_operand(Graph *g, Node *n) {
    for (int k = 0; k < n->n_in; k++) {
        Node *e = def_of(n->in[k], OP_expand);
        if (!e || !broadcasts(n, k)) continue;
        if (op_is_scalar(n->op) && !others_cover(g, n, k, &e->in[0]->type)) continue;
        Node *m = node_draft(g, n->op, n->in, n->n_in, 1);
        m->in[k] = e->in[0];
        m->attr = n->attr;
        m->n_attr = n->n_attr;
        if (!node_finish(g, m)) BUG("an operand without its expand does not fit");
        if (type_equal(g->ctx, &m->out[0]->type, &n->out[0]->type)) return m->out[0];
        node_remove(m);
    }
    return NULL;
}
