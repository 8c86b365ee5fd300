/* Softmax, RMS norm, layer norm and their scale and bias. */
#include "passes/graph/patterns.h"
#include "passes/graph/view.h"

/* ---- pieces ---- */

static Node *reduction(const Value *v, const char *kind) {
    Node *n = def_of(v, OP_reduce);
    return n && !strcmp(node_str(n, "kind", ""), kind) && node_int(n, "keepdims", 0) ? n : NULL;
}

/* The number of elements that a reduction takes together; 0: not known. */
static int64_t reduced_elements(const Node *n) {
    const int64_t *axes = NULL;
    int64_t product = 1, dim;
    for (int i = 0, count = node_ints(n, "axes", &axes); i < count; i++) {
        if (!expr_is_int(n->in[0]->type.dims[axes[i]], &dim)) return 0;
        product *= dim;
    }
    return product;
}

/* mean over some axes, also as a sum that is divided by their size */
static Node *mean_of(const Value *v) {
    Node *n = reduction(v, "mean");
    Value *x, *c;
    double by;
    if (n || !v->def || !with_const(v->def, &x, &c) || !const_scalar(c, &by)) return n;
    Node *sum = reduction(x, "sum");
    if (!sum) return NULL;
    double size = (double)reduced_elements(sum);
    if (v->def->op == scalar(SOP_div)) return by == size ? sum : NULL;
    return v->def->op == scalar(SOP_mul) && size > 0 && (float)by == (float)(1 / size) ? sum : NULL;
}

static bool is_square_of(const Value *v, const Value *x) {
    Node *n = v->def;
    if (!n || !op_is_scalar(n->op)) return false;
    if (n->op == scalar(SOP_mul)) return n->in[0] == x && n->in[1] == x;
    return n->op == scalar(SOP_pow) && n->in[0] == x && const_is(n->in[1], 2);
}

/* The value under `1 / sqrt(.)`, which n multiplies or divides x with; *x: the other operand. */
static Value *under_root(Node *n, int k, Value **x) {
    Value *r = n->in[k];
    *x = n->in[1 - k];
    Node *d = r->def;
    if (!d || !op_is_scalar(d->op)) return NULL;
    if (n->op == scalar(SOP_div)) return k == 1 && d->op == scalar(SOP_sqrt) ? d->in[0] : NULL;
    if (n->op != scalar(SOP_mul)) return NULL;
    if (d->op == scalar(SOP_pow)) return const_is(d->in[1], -0.5) ? d->in[0] : NULL;
    Value *root = d->op == scalar(SOP_rcp) ? d->in[0] : NULL;
    if (d->op == scalar(SOP_div) && const_is(d->in[0], 1)) root = d->in[1];
    Node *s = root ? def_of(root, scalar(SOP_sqrt)) : NULL;
    return s ? s->in[0] : NULL;
}

/* v = mean(square) + eps: the mean's node */
static Node *mean_plus_eps(const Value *v, double *eps) {
    Value *x, *c;
    if (!v->def || v->def->op != scalar(SOP_add) || !with_const(v->def, &x, &c)) return NULL;
    return const_scalar(c, eps) && *eps >= 0 ? mean_of(x) : NULL;
}

/* Low precision: the parts would round after every step, the norm only once. */
static bool may_round_less(const Graph *g, const Value *v) {
    return v->type.dtype == DT_F32 || v->type.dtype == DT_F64 || !g->strict;
}

static bool same_axes(const Node *a, const Node *b) {
    const int64_t *p = NULL, *q = NULL;
    int n = node_ints(a, "axes", &p);
    return n == node_ints(b, "axes", &q) && (n == 0 || !memcmp(p, q, sizeof *p * (size_t)n));
}

static Value *norm_over(Graph *g, Value *x, const Node *mean, double eps, bool center) {
    const int64_t *axes = NULL;
    int n = node_ints(mean, "axes", &axes);
    return build_norm(g, x, NULL, NULL, axes, n, eps, center);
}

/* ---- rules ---- */

Value *rule_rms_norm(Graph *g, Node *n) {
    if ((n->op != scalar(SOP_mul) && n->op != scalar(SOP_div)) || g->strict) return NULL;
    for (int k = 0; k < 2; k++) {
        double eps;
        Value *x, *inner = under_root(n, k, &x);
        Node *mean = inner ? mean_plus_eps(inner, &eps) : NULL;
        if (!mean || !is_square_of(mean->in[0], x) || !may_round_less(g, x)) continue;
        return type_equal(g->ctx, &x->type, &n->out[0]->type) ? norm_over(g, x, mean, eps, false)
                                                              : NULL;
    }
    return NULL;
}

Value *rule_layer_norm(Graph *g, Node *n) {
    if (n->op != OP_norm || node_int(n, "center", 1)) return NULL;
    Node *off = def_of(n->in[0], scalar(SOP_sub)); /* rule_rms_norm took the rest of it */
    Node *mean = off ? mean_of(off->in[1]) : NULL;
    if (!mean || mean->in[0] != off->in[0] || !same_axes(mean, n)) return NULL;
    Node *m = node_draft(g, OP_norm, n->in, n->n_in, 1);
    m->in[0] = mean->in[0];
    node_set_ints(g, m, "axes", node_attr(n, "axes")->ints, node_attr(n, "axes")->n);
    node_set_flt(g, m, "eps", node_flt(n, "eps", 0));
    return node_finish(g, m) ? m->out[0] : NULL;
}

Value *rule_softmax(Graph *g, Node *n) {
    if (n->op != scalar(SOP_div) || !may_round_less(g, n->out[0])) return NULL;
    Node *e = def_of(n->in[0], scalar(SOP_exp)), *sum = reduction(n->in[1], "sum");
    if (!e || !sum || sum->in[0] != n->in[0]) return NULL;
    Node *off = def_of(e->in[0], scalar(SOP_sub)), *max = off ? reduction(off->in[1], "max") : NULL;
    if (!max || max->in[0] != off->in[0] || !same_axes(max, sum)) return NULL;
    const int64_t *axes = NULL;
    if (node_ints(sum, "axes", &axes) != 1) return NULL;
    return build_softmax(g, off->in[0], (int)axes[0], false);
}

/* ---- scale and bias ---- */

/* The constant `c`, broadcast to the view's result, with its axes split into the view's atoms. NULL
 * where that is not possible. */
static Value *by_atoms(Graph *g, Value *c, const View *v) {
    Expr *shape[MAX_RANK];
    int skip = v->type.rank - c->type.rank, at = 0;
    if (skip < 0 || v->n_to > MAX_RANK) return NULL;
    for (int i = 0; i < v->type.rank; i++) {
        bool wide = i >= skip && !expr_is(c->type.dims[i - skip], 1);
        for (int k = 0; k < v->count[i]; k++, at++)
            shape[at] = wide ? v->extent[v->to[at]] : expr_int(g->ctx, 1);
    }
    return build_reshape(g, c, shape, v->n_to);
}

/* Only reshapes: the atoms keep their order. */
static bool keeps_order(const View *v) {
    for (int i = 0; i < v->n_to; i++)
        if (i >= v->n_from || v->from[i] != v->to[i] || v->added[v->to[i]]) return false;
    return v->n_to == v->n_from;
}

/* The norm's axes, in atoms: those into which they were split. Axes of size 1 have none. */
static int atom_axes(const Node *norm, const View *v, int64_t *out) {
    const int64_t *axes = NULL;
    const Type *x = &norm->out[0]->type;
    int count = node_ints(norm, "axes", &axes), n = 0, at = 0;
    for (int i = 0; i < x->rank; i++) {
        bool normed = false;
        for (int k = 0; k < count; k++) normed |= axes[k] == i;
        if (expr_is(x->dims[i], 1)) continue;
        /* the atoms whose product is this axis */
        int64_t want, have = 1;
        bool fixed = expr_is_int(x->dims[i], &want);
        do {
            int64_t extent = 0;
            if (at >= v->n_from) return -1;
            bool whole = v->extent[v->from[at]] == x->dims[i];
            if (!whole && (!fixed || !expr_is_int(v->extent[v->from[at]], &extent))) return -1;
            if (normed) out[n++] = at;
            at++;
            if (whole) break;
            have *= extent;
        } while (have < want);
        if (fixed && have != 1 && have != want) return -1;
    }
    return n;
}

static Value *with_affine(Graph *g, Node *norm, const View *v, Value *scale, Value *bias) {
    int64_t axes[MAX_RANK];
    Expr *shape[MAX_RANK];
    int n = atom_axes(norm, v, axes);
    if (n < 0 || v->n_to > MAX_RANK) return NULL;
    for (int i = 0; i < v->n_to; i++) shape[i] = v->extent[v->to[i]];
    Value *x = build_reshape(g, norm->in[0], shape, v->n_to);
    Value *y = build_norm(g, x, scale, bias, axes, n, node_flt(norm, "eps", 0),
                          node_int(norm, "center", 1));
    return build_reshape(g, y, v->type.dims, v->type.rank);
}

/* Nothing between norm and constant: the axes stay as they are. */
static Value *direct_affine(Graph *g, Node *norm, Value *scale, Value *bias) {
    const int64_t *axes = NULL;
    int n = node_ints(norm, "axes", &axes);
    return build_norm(g, norm->in[0], scale, bias, axes, n, node_flt(norm, "eps", 0),
                      node_int(norm, "center", 1));
}

static Value *drop_neutral(Graph *g, Node *n) {
    bool one = n->n_in > 1 && const_is(n->in[1], 1), zero = n->n_in > 2 && const_is(n->in[2], 0);
    if (n->n_in == 2 ? !one : !zero) return NULL;
    if (n->n_in == 2) return direct_affine(g, n, NULL, NULL);
    return direct_affine(g, n, one ? NULL : n->in[1], NULL);
}

Value *rule_norm_affine(Graph *g, Node *n) {
    Value *x, *c;
    bool factor = n->op == scalar(SOP_mul);
    if (n->op == OP_norm) return g->strict ? NULL : drop_neutral(g, n);
    if ((!factor && n->op != scalar(SOP_add)) || !with_const(n, &x, &c)) return NULL;
    if (!used_once(x) || !type_equal(g->ctx, &x->type, &n->out[0]->type)) return NULL;
    View v = view_of(g, x);
    Node *norm = def_of(v.source, OP_norm);
    if (!norm || (factor ? norm->n_in > 1 : norm->n_in > 2) || !may_round_less(g, x)) return NULL;
    if (!v.nodes && c->type.rank <= x->type.rank) {
        if (factor) return direct_affine(g, norm, c, NULL);
        Value *scale = norm->n_in > 1 ? norm->in[1] : scalar_like(g, x, 1);
        return direct_affine(g, norm, scale, c);
    }
    if (!keeps_order(&v) || norm->n_in > 2) return NULL;
    Value *parts = by_atoms(g, c, &v);
    if (!parts) return NULL;
    if (factor) return with_affine(g, norm, &v, parts, NULL);
    Value *scale = norm->n_in > 1 ? norm->in[1] : scalar_like(g, x, 1);
    /* the scale is laid out for the norm's own axes: it fits only where those are the atoms already
     */
    if (norm->n_in > 1 && norm->out[0]->type.rank != v.n_to) return NULL;
    return with_affine(g, norm, &v, scale, parts);
}
