/* Convolutions: sums of products through affine windows.
 *
 *   conv            y[n, o, h, w] = sum[c, r, s] x[n, c, h*S + r*D - P, ...] * w[o, c, r, s]
 *   conv_transpose  y[n, o, h, w] = sum[c, r, s] x[n, c, (h + P - r*D) / S, ...] * w[c, o, r,
 *   s] where S divides
 *
 * Positions outside the input count as zero, by a guard that stands only where they can occur.
 * With groups the output channel is g*O + o over two variables; a group of one channel on a
 * side has no variable for it. */
#include "passes/kernel/lower.h"

typedef struct Conv {
    int spatial;
    bool transposed;
    int64_t groups;
    Expr *in_channels, *out_channels;  /* of one group */
    Var *n, *g, *o, *c, *at[MAX_RANK]; /* at: output positions; o, c, g may be NULL */
    Expr *tap[MAX_RANK]; /* kernel positions: a variable, or 0 where there is one only */
    Var *dom[MAX_RANK], *red[MAX_RANK];
    int n_dom, n_red;
} Conv;

static const char *const at_names[] = {"d", "h", "w"}, *const tap_names[] = {"q", "r", "s"};

static void conv_vars(Lower *l, Conv *k, const Tensor *out) {
    const Type *w = &l->node->in[1]->type;
    Expr *groups = expr_int(l->ctx, k->groups);
    k->dom[k->n_dom++] = k->n = lower_var(l, "n", out->dims[0]);
    bool many = !expr_is(k->out_channels, 1) || k->groups == 1;
    if (k->groups > 1) k->dom[k->n_dom++] = k->g = lower_var(l, many ? "g" : "o", groups);
    if (many) k->dom[k->n_dom++] = k->o = lower_var(l, "o", k->out_channels);
    if (!expr_is(k->in_channels, 1)) k->red[k->n_red++] = k->c = lower_var(l, "c", k->in_channels);
    for (int i = 0; i < k->spatial; i++) {
        int name = k->spatial > 3 ? MIN(i, 2) : i + 3 - MAX(k->spatial, 2);
        k->dom[k->n_dom++] = k->at[i] = lower_var(l, at_names[name], out->dims[2 + i]);
        k->tap[i] = expr_int(l->ctx, 0);
        if (expr_is(w->dims[2 + i], 1)) continue;
        k->red[k->n_red] = lower_var(l, tap_names[name], w->dims[2 + i]);
        k->tap[i] = k->red[k->n_red++]->self;
    }
}

/* g * size + v, where g and v may be absent. */
static Expr *channel(Lower *l, const Var *g, Expr *size, const Var *v) {
    Expr *e = v ? v->self : expr_int(l->ctx, 0);
    return g ? expr_add(l->ctx, expr_mul(l->ctx, g->self, size), e) : e;
}

/* Where the input is read along one axis; *inside gets what must hold. */
static Expr *position(Lower *l, const Conv *k, int i, Expr **inside) {
    Ctx *c = l->ctx;
    const Node *n = l->node;
    Expr *size = n->in[0]->type.dims[2 + i], *at = k->at[i]->self;
    int64_t stride = lower_item(n, "strides", i, 1), pad = lower_item(n, "pads", i, 0);
    Expr *tap = expr_muli(c, k->tap[i], lower_item(n, "dilations", i, 1));
    if (!k->transposed) {
        Expr *p = expr_addi(c, expr_add(c, expr_muli(c, at, stride), tap), -pad);
        *inside = expr_and(c, *inside, expr_in_range(c, p, size));
        return p;
    }
    Expr *p = expr_sub(c, expr_addi(c, at, pad), tap), *s = expr_int(c, stride);
    Expr *whole = expr_op2(c, SOP_eq, expr_mod(c, p, s), expr_int(c, 0));
    *inside = expr_and(c, *inside, whole);
    p = expr_floordiv(c, p, s);
    *inside = expr_and(c, *inside, expr_in_range(c, p, size));
    return p;
}

static Expr *input(Lower *l, const Conv *k) {
    Value *x = l->node->in[0];
    Expr *index[MAX_RANK] = {k->n->self, channel(l, k->g, k->in_channels, k->c)};
    Expr *inside = expr_const_int(l->ctx, DT_BOOL, 1);
    for (int i = 0; i < k->spatial; i++) index[2 + i] = position(l, k, i, &inside);
    Expr *load = lower_load(l, x, index);
    return lower_acc(l, expr_guard(l->ctx, inside, load, lower_number(l, load->type, 0)));
}

static Expr *weight(Lower *l, const Conv *k) {
    Expr *index[MAX_RANK];
    Expr *in = k->c ? k->c->self : expr_int(l->ctx, 0),
         *out = k->o ? k->o->self : expr_int(l->ctx, 0);
    index[0] = k->transposed ? channel(l, k->g, k->in_channels, k->c)
                             : channel(l, k->g, k->out_channels, k->o);
    index[1] = k->transposed ? out : in;
    for (int i = 0; i < k->spatial; i++) index[2 + i] = k->tap[i];
    return lower_acc(l, lower_load(l, l->node->in[1], index));
}

/* Subscripts of the output: only with two variables for its channel are they not the domain. */
static void set_subscripts(Lower *l, const Conv *k, Stmt *s) {
    Expr *index[MAX_RANK] = {k->n->self, channel(l, k->g, k->out_channels, k->o)};
    for (int i = 0; i < k->spatial; i++) index[2 + i] = k->at[i]->self;
    stmt_set_index(l->ctx, s, index);
}

static bool lower_window(Lower *l, Conv *k, const char *hint) {
    Node *n = l->node;
    Tensor *out = lower_out(l, 0);
    k->spatial = out->rank - 2;
    lower_kernel(l, hint);
    conv_vars(l, k, out);
    Expr *value = expr_op2(l->ctx, SOP_mul, input(l, k), weight(l, k));
    Value *bias = n->n_in > 2 ? n->in[2] : NULL;
    if (k->n_red && !bias && value->type == out->dtype) {
        set_subscripts(l, k,
                       lower_reduce(l, RED_SUM, out, k->dom, k->n_dom, k->red, k->n_red, value));
        return true;
    }
    if (k->n_red) {
        Tensor *sum = lower_temp(l, "sum", value->type, k->dom, k->n_dom);
        lower_reduce(l, RED_SUM, sum, k->dom, k->n_dom, k->red, k->n_red, value);
        value = lower_at(l, sum, k->dom, k->n_dom);
    }
    if (bias) {
        Expr *at = channel(l, k->g, k->out_channels, k->o);
        value = expr_op2(l->ctx, SOP_add, value, lower_acc(l, lower_load(l, bias, &at)));
    }
    set_subscripts(l, k, lower_map(l, out, k->dom, k->n_dom, value));
    return true;
}

bool lower_op_conv(Lower *l) {
    Conv k = {.groups = node_int(l->node, "group", 1)};
    const Type *w = &l->node->in[1]->type;
    k.in_channels = w->dims[1];
    k.out_channels = expr_floordiv(l->ctx, w->dims[0], expr_int(l->ctx, k.groups));
    return lower_window(l, &k, "conv");
}

bool lower_op_conv_transpose(Lower *l) {
    Conv k = {.groups = node_int(l->node, "group", 1), .transposed = true};
    const Type *w = &l->node->in[1]->type;
    k.in_channels = expr_floordiv(l->ctx, w->dims[0], expr_int(l->ctx, k.groups));
    k.out_channels = w->dims[1];
    return lower_window(l, &k, "conv_transpose");
}
