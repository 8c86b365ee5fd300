/* Tracing chains of views into atoms. */
#include "passes/graph/view.h"

enum { MAX_CHAIN = 32 };

/* a / b where that is exact; NULL where it is not, or not known to be. */
static Expr *exact_quotient(Ctx *ctx, Expr *a, Expr *b) {
    int64_t x, y;
    if (expr_is_int(a, &x) && expr_is_int(b, &y))
        return y > 0 && x % y == 0 ? expr_int(ctx, x / y) : NULL;
    if (expr_is_int(a, NULL)) return NULL;
    Expr *q = expr_floordiv(ctx, a, b);
    if (expr_mul(ctx, q, b) == a) return q;
    if (a->kind != E_PROD) return NULL;
    for (int i = 0; i < a->n; i++) { /* one factor of a product: exact for every value but 0 */
        if (a->arg[i] != b) continue;
        Expr *rest = expr_int(ctx, a->i);
        for (int k = 0; k < a->n; k++)
            if (k != i) rest = expr_mul(ctx, rest, a->arg[k]);
        return rest;
    }
    return NULL;
}

static int new_atom(View *v, Expr *extent, bool added) {
    v->extent[v->n_atoms] = extent;
    v->added[v->n_atoms] = added;
    return v->n_atoms++;
}

static void insert_after(int *list, int *n, int atom, int fresh) {
    for (int i = 0; i < *n; i++) {
        if (list[i] != atom) continue;
        memmove(&list[i + 2], &list[i + 1], sizeof(int) * (size_t)(*n - i - 1));
        list[i + 1] = fresh;
        (*n)++;
        return;
    }
}

/* The atom keeps its outer part; its inner part is a new atom behind it. */
static void split_atom(View *v, int atom, Expr *outer, Expr *inner) {
    int fresh = new_atom(v, inner, v->added[atom]);
    v->extent[atom] = outer;
    insert_after(v->from, &v->n_from, atom, fresh);
    insert_after(v->to, &v->n_to, atom, fresh);
}

/* ---- one node ---- */

static bool step_transpose(View *v, const Node *n) {
    const int64_t *perm = NULL;
    int rank = node_ints(n, "perm", &perm), start[MAX_RANK], old[MAX_ATOMS], old_count[MAX_RANK],
        at = 0;
    memcpy(old, v->to, sizeof old);
    memcpy(old_count, v->count, sizeof old_count);
    for (int i = 0, sum = 0; i < rank; sum += old_count[i++]) start[i] = sum;
    for (int i = 0; i < rank; i++) {
        v->count[i] = old_count[perm[i]];
        for (int k = 0; k < v->count[i]; k++) v->to[at++] = old[start[perm[i]] + k];
    }
    return true;
}

/* Takes atoms from position *at on until their product is `need`; splits the last one where it is
 * too large. */
static bool take(Ctx *ctx, View *v, Expr *need, int *at, int *count) {
    for (*count = 0; !expr_is(need, 1); (*count)++, (*at)++) {
        if (*at >= v->n_to || v->n_atoms + 1 >= MAX_ATOMS) return false;
        int atom = v->to[*at];
        Expr *have = v->extent[atom],
             *rest = have == need ? expr_int(ctx, 1) : exact_quotient(ctx, need, have);
        if (rest) {
            need = rest;
            continue;
        }
        rest = exact_quotient(ctx, have, need);
        if (!rest) return false;
        split_atom(v, atom, need, rest);
        need = expr_int(ctx, 1);
    }
    return true;
}

static bool step_reshape(Ctx *ctx, View *v, const Node *n) {
    const Type *y = &n->out[0]->type;
    int at = 0;
    for (int i = 0; i < y->rank; i++)
        if (!take(ctx, v, y->dims[i], &at, &v->count[i])) return false;
    return at == v->n_to;
}

static bool step_expand(View *v, const Node *n) {
    const Type *x = &n->in[0]->type, *y = &n->out[0]->type;
    int to[MAX_ATOMS], count[MAX_RANK], at = 0, from = 0, skip = y->rank - x->rank;
    for (int i = 0; i < y->rank; i++) {
        bool unit = i < skip || expr_is(x->dims[i - skip], 1),
             grows = unit && !expr_is(y->dims[i], 1);
        if (!unit && x->dims[i - skip] != y->dims[i]) return false;
        if (v->n_atoms + 1 >= MAX_ATOMS || at >= MAX_ATOMS - 1) return false;
        count[i] = grows ? 1 : unit ? 0 : v->count[i - skip];
        if (grows) to[at++] = new_atom(v, y->dims[i], true);
        for (int k = 0; !grows && k < count[i]; k++) to[at++] = v->to[from++];
    }
    memcpy(v->to, to, sizeof to);
    memcpy(v->count, count, sizeof count);
    v->n_to = at;
    return true;
}

/* ---- the chain ---- */

static bool scale_of(Graph *g, const Node *n, double *scale) {
    Value *x, *c;
    double v;
    bool divides = n->op == scalar(SOP_div);
    if ((n->op != scalar(SOP_mul) && !divides) || !with_const(n, &x, &c) || !const_scalar(c, &v))
        return false;
    if (!type_equal(g->ctx, &x->type, &n->out[0]->type)) return false;
    *scale = divides ? 1 / v : v;
    return true;
}

static Value *operand_of_view(Graph *g, const Value *v, bool scaled) {
    Node *n = v->def;
    double scale;
    Value *x, *c;
    if (!n) return NULL;
    if (n->op == OP_transpose || n->op == OP_reshape || n->op == OP_expand) return n->in[0];
    if (!scaled || !scale_of(g, n, &scale)) return NULL;
    return with_const(n, &x, &c) ? x : NULL;
}

static void start(View *v, Value *source) {
    *v = (View){.source = source, .scale = 1, .type = source->type};
    for (int i = 0; i < source->type.rank; i++) {
        v->count[i] = expr_is(source->type.dims[i], 1) ? 0 : 1;
        if (v->count[i])
            v->from[v->n_from++] = v->to[v->n_to++] = new_atom(v, source->type.dims[i], false);
    }
}

static bool step(Graph *g, View *v, const Node *n) {
    double scale;
    bool ok = true;
    switch (n->op) {
    case OP_transpose: ok = step_transpose(v, n); break;
    case OP_reshape: ok = step_reshape(g->ctx, v, n); break;
    case OP_expand: ok = step_expand(v, n); break;
    default: ok = scale_of(g, n, &scale); v->scale *= scale;
    }
    v->type = n->out[0]->type;
    v->nodes++;
    return ok;
}

static View trace(Graph *g, Value *value, bool scaled) {
    Value *chain[MAX_CHAIN + 1] = {value};
    int n = 0;
    for (Value *x; n < MAX_CHAIN && (x = operand_of_view(g, chain[n], scaled)); n++)
        chain[n + 1] = x;
    View v;
    for (int first = n;;) {
        start(&v, chain[first]);
        int i = first - 1;
        while (i >= 0 && step(g, &v, chain[i]->def)) i--;
        if (i < 0) return v;
        first = i; /* what this node does is not understood: its result is the source */
    }
}

View view_of(Graph *g, Value *v) {
    return trace(g, v, false);
}

View view_of_scaled(Graph *g, Value *v) {
    return trace(g, v, true);
}

/* ---- added atoms ---- */

static int first_of(const View *v, int axis) {
    int at = 0;
    for (int i = 0; i < axis; i++) at += v->count[i];
    return at;
}

Expr *view_real_extent(Graph *g, const View *v, int axis) {
    Expr *e = expr_int(g->ctx, 1);
    for (int i = 0, at = first_of(v, axis); i < v->count[axis]; i++)
        if (!v->added[v->to[at + i]]) e = expr_mul(g->ctx, e, v->extent[v->to[at + i]]);
    return e;
}

bool view_axis_added(const View *v, int axis, bool innermost) {
    bool any = false;
    for (int i = 0, at = first_of(v, axis); i < v->count[axis]; i++) {
        bool added = v->added[v->to[at + i]];
        if (any && !added && innermost) return false;
        any |= added;
    }
    return any;
}

void view_drop_added(Graph *g, View *v) {
    int kept = 0, at = 0;
    for (int i = 0; i < v->type.rank; i++) v->type.dims[i] = view_real_extent(g, v, i);
    for (int i = 0; i < v->type.rank; i++) {
        int count = v->count[i];
        v->count[i] = 0;
        for (int k = 0; k < count; k++, at++) {
            if (v->added[v->to[at]]) continue;
            v->to[kept++] = v->to[at];
            v->count[i]++;
        }
    }
    v->n_to = kept;
}
