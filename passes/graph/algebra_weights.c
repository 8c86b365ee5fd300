/* Rules that move per-channel constants into constant weights and biases, and pads into windows. */
#include "passes/graph/algebra.h"

#include <math.h>

/* Is `c`, broadcast to `rank` axes, 1 wide on every axis that the mask does not allow? */
static bool varies_only(const Value *c, int rank, unsigned allowed) {
    int skip = rank - c->type.rank;
    for (int i = 0; i < c->type.rank; i++)
        if (!expr_is(c->type.dims[i], 1) && !(allowed >> (skip + i) & 1)) return false;
    return skip >= 0;
}

/* The constant with all axes of the result written out. */
static Value *full_rank(Graph *g, Value *c, int rank) {
    Expr *shape[MAX_RANK];
    int skip = rank - c->type.rank;
    for (int i = 0; i < rank; i++)
        shape[i] = i < skip ? expr_int(g->ctx, 1) : c->type.dims[i - skip];
    return build_reshape(g, c, shape, rank);
}

/* ---- conv: the channel is axis 1 of the result and axis 0 of the weights (conv_transpose: only
 * without groups) ---- */

static Value *per_channel(Graph *g, Value *c, int result_rank) {
    Value *full = full_rank(g, c, result_rank);
    return build_reshape(g, full, &full->type.dims[1], 1);
}

static Value *along_axis(Graph *g, Value *vector, int axis, int rank) {
    Expr *shape[MAX_RANK];
    for (int i = 0; i < rank; i++)
        shape[i] = i == axis ? vector->type.dims[0] : expr_int(g->ctx, 1);
    return build_reshape(g, vector, shape, rank);
}

static Value *new_conv(Graph *g, Node *conv, Value *w, Value *bias) {
    Value *in[] = {conv->in[0], w, bias};
    Node *m = node_draft(g, conv->op, in, bias ? 3 : 2, 1);
    m->attr = conv->attr;
    m->n_attr = conv->n_attr;
    if (!node_finish(g, m)) BUG("a convolution with other weights does not fit");
    return m->out[0];
}

static Value *bias_of(const Node *n) {
    return n->n_in > 2 ? n->in[2] : NULL;
}

static Value *scale_conv(Graph *g, Node *conv, Value *c) {
    int rank = conv->out[0]->type.rank, axis = conv->op == OP_conv ? 0 : 1;
    if (conv->op == OP_conv_transpose && node_int(conv, "group", 1) != 1) return NULL;
    if (!is_const(conv->in[1]) || (bias_of(conv) && !is_const(bias_of(conv))) ||
        !varies_only(c, rank, 2))
        return NULL;
    Value *s = per_channel(g, c, rank), *bias = bias_of(conv);
    Value *w = build_binary(g, SOP_mul, conv->in[1], along_axis(g, s, axis, rank));
    return new_conv(g, conv, w, bias ? build_binary(g, SOP_mul, bias, s) : NULL);
}

static Value *shift_conv(Graph *g, Node *conv, Value *c) {
    int rank = conv->out[0]->type.rank;
    Expr *channels = conv->out[0]->type.dims[1];
    if ((bias_of(conv) && !is_const(bias_of(conv))) || !varies_only(c, rank, 2)) return NULL;
    Value *shift = per_channel(g, c, rank), *bias = bias_of(conv);
    if (bias) shift = build_binary(g, SOP_add, bias, shift);
    return new_conv(g, conv, conv->in[1], build_expand(g, shift, &channels, 1));
}

/* ---- contract: an axis of the result that only the constant operand has ---- */

static unsigned weight_axes(const Spec *s) {
    unsigned mask = 0;
    for (int i = 0; i < s->ny; i++)
        if (strchr(s->b, s->y[i]) && !strchr(s->a, s->y[i])) mask |= 1u << i;
    return mask;
}

static Value *scale_contract(Graph *g, Node *n, Value *c) {
    Spec s;
    Value *bias = bias_of(n);
    if (!contract_spec(node_str(n, "spec", ""), &s) || !is_const(n->in[1]) ||
        (bias && !is_const(bias)))
        return NULL;
    if (!varies_only(c, s.ny, weight_axes(&s))) return NULL;
    Value *full = full_rank(g, c, s.ny);
    int64_t perm[MAX_RANK];
    int used = 0;
    Expr *shape[MAX_RANK];
    bool in_order = true;
    for (int i = 0; i < s.nb; i++) {
        const char *at = strchr(s.y, s.b[i]);
        perm[i] = at ? at - s.y : -1;
        shape[i] = at ? full->type.dims[perm[i]] : expr_int(g->ctx, 1);
        in_order &= !at || perm[i] >= used;
        if (at) used = (int)perm[i];
    }
    if (!in_order) return NULL;
    Value *w = build_binary(g, SOP_mul, n->in[1], build_reshape(g, full, shape, s.nb));
    return build_contract(g, n->in[0], w, bias ? build_binary(g, SOP_mul, bias, c) : NULL,
                          node_str(n, "spec", ""));
}

static Value *shift_contract(Graph *g, Node *n, Value *c) {
    Value *bias = bias_of(n);
    if (bias && !is_const(bias)) return NULL;
    if (!type_equal(g->ctx, &n->out[0]->type, &n->out[0]->type)) return NULL;
    if (bias) c = build_binary(g, SOP_add, bias, c);
    return build_contract(g, n->in[0], n->in[1], c, node_str(n, "spec", ""));
}

/* ---- the rules ---- */

/* The product or window operation behind x, if nothing else reads it. */
static Node *weighted(Value *x) {
    if (!x->def || !used_once(x)) return NULL;
    Op op = x->def->op;
    return op == OP_conv || op == OP_conv_transpose || op == OP_contract ? x->def : NULL;
}

static bool splat_or_small(const Value *c) {
    return c->data->elements <= 1 << 20;
}

Value *rule_weight_scale(Graph *g, Node *n) {
    Value *x, *c;
    bool divides = n->op == scalar(SOP_div);
    if ((n->op != scalar(SOP_mul) && !divides) || !with_const(n, &x, &c) || g->strict) return NULL;
    Node *m = weighted(x);
    if (!m || !splat_or_small(c) || !type_equal(g->ctx, &x->type, &n->out[0]->type)) return NULL;
    if (divides) c = build_binary(g, SOP_div, scalar_like(g, c, 1), c);
    Value *by = m->op == OP_contract ? scale_contract(g, m, c) : scale_conv(g, m, c);
    return by;
}

Value *rule_weight_bias(Graph *g, Node *n) {
    Value *x, *c;
    bool subtracts = n->op == scalar(SOP_sub);
    if ((n->op != scalar(SOP_add) && !subtracts) || !with_const(n, &x, &c)) return NULL;
    Node *m = weighted(x);
    if (!m || !splat_or_small(c) || !type_equal(g->ctx, &x->type, &n->out[0]->type)) return NULL;
    if (g->strict && m->n_in > 2) return NULL;
    if (subtracts) c = build_unary(g, SOP_neg, c);
    return m->op == OP_contract ? shift_contract(g, m, c) : shift_conv(g, m, c);
}

/* ---- pads ---- */

static bool spatial_ints(const Node *pad, int64_t *pads) {
    Expr *const *lo = NULL, *const *hi = NULL;
    int rank = node_exprs(pad, "lo", &lo), spatial = rank - 2;
    node_exprs(pad, "hi", &hi);
    for (int i = 0; i < rank; i++) {
        int64_t a, b;
        if (!expr_is_int(lo[i], &a) || !expr_is_int(hi[i], &b) || a < 0 || b < 0) return false;
        if (i < 2 && (a || b)) return false;
        if (i < 2) continue;
        pads[i - 2] = a;
        pads[spatial + i - 2] = b;
    }
    return true;
}

static bool has_pads(const Node *n) {
    const int64_t *pads = NULL;
    for (int i = 0, count = node_ints(n, "pads", &pads); i < count; i++)
        if (pads[i]) return true;
    return false;
}

/* What the padded elements must be worth for this window to take them itself; its kind may change
 * by it. */
static bool pool_takes(const Node *pool, double value, const char **kind) {
    *kind = node_str(pool, "kind", "");
    if (!strcmp(*kind, "max")) return value == -INFINITY;
    if (value != 0) return false;
    if (!strcmp(*kind, "sum") || !strcmp(*kind, "l2")) return true;
    if (has_pads(pool)) return false; /* avg: which elements count would change */
    *kind = "avg_pad";
    return true;
}

Value *rule_pad_window(Graph *g, Node *n) {
    if (n->op != OP_conv && n->op != OP_pool) return NULL;
    Node *pad = def_of(n->in[0], OP_pad);
    int64_t pads[2 * MAX_RANK] = {0};
    if (!pad || strcmp(node_str(pad, "mode", ""), "constant") || !spatial_ints(pad, pads))
        return NULL;
    const char *kind = NULL;
    double value = node_flt(pad, "value", 0);
    if (n->op == OP_conv ? value != 0 : !pool_takes(n, value, &kind)) return NULL;
    Node *m = node_draft(g, n->op, n->in, n->n_in, 1);
    m->in[0] = pad->in[0];
    m->attr = n->attr;
    m->n_attr = n->n_attr;
    int spatial = n->out[0]->type.rank - 2;
    const int64_t *old = NULL;
    if (node_ints(n, "pads", &old))
        for (int i = 0; i < 2 * spatial; i++) pads[i] += old[i];
    m->attr = arena_copy(g->ctx->perm, n->attr, sizeof *n->attr * (size_t)n->n_attr);
    node_set_ints(g, m, "pads", pads, 2 * spatial);
    if (kind) node_set_str(g, m, "kind", kind);
    return node_finish(g, m) ? m->out[0] : NULL;
}
