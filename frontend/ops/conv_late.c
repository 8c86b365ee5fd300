/* Convolutions as comprehensions: an axis for each axis of the kernel, then a sum (conv.h). Slower
 * than the operation `conv`, whose kernel is a list of numbers, but of any size. */
#include "frontend/ops/conv.h"

typedef struct Late {
    OnnxNode *n;
    const Window *w;
    Node *c; /* variables: batch, result channel, space, channel of the group, kernel */
    int space;
} Late;

static Expr *var(const Late *l, int i) {
    return l->c->vars[i]->self;
}

static Expr *kernel_var(const Late *l, int i) {
    return var(l, 3 + l->space + i);
}

/* 16-bit floats are added up in f32. */
static DType sum_type(DType t) {
    return t == DT_F16 || t == DT_BF16 ? DT_F32 : t;
}

static void open_sum(Late *l, Value *x, Value *weights, Expr *channels, Expr *each,
                     Expr *const *out) {
    Value *in[] = {x, weights};
    Expr *dims[MAX_RANK] = {x->type.dims[0], channels};
    for (int i = 0; i < l->space; i++) {
        dims[2 + i] = out[i];
        dims[3 + l->space + i] = weights->type.dims[2 + i];
    }
    dims[2 + l->space] = each;
    l->c = build_compute_begin(l->n->g, in, 2, sum_type(x->type.dtype), dims, 3 + 2 * l->space);
}

static Expr *product(const Late *l, Expr *const *at, Expr *const *by) {
    Ctx *c = l->n->ctx;
    int rank = 2 + l->space;
    DType t = sum_type(l->c->in[0]->type.dtype);
    return expr_op2(c, SOP_mul, expr_cast(c, t, expr_load(c, l->c->params[0], at, rank)),
                    expr_cast(c, t, expr_load(c, l->c->params[1], by, rank)));
}

static Value *close_sum(Late *l, Expr *body, Value *bias) {
    OnnxNode *n = l->n;
    DType t = l->c->in[0]->type.dtype;
    int64_t axes[MAX_RANK];
    for (int i = 0; i <= l->space; i++) axes[i] = 2 + l->space + i;
    Value *y = build_compute_end(n->g, l->c, body);
    y = y ? build_reduce(n->g, y, "sum", axes, l->space + 1, false) : NULL;
    Value *more = y && bias ? per_channel(n, bias, 2 + l->space) : NULL;
    if (y && bias) y = bin(n, SOP_add, y, cast_to(n, more, sum_type(t)));
    return cast_to(n, y, t);
}

static bool fits_rank(OnnxNode *n, int space) {
    return 3 + 2 * space <= MAX_RANK ||
           bad(n, "%d spatial axes are too many for a kernel of unknown size", space);
}

Value *conv_late(OnnxNode *n, const Window *w, Value *x, Value *weights, Value *bias,
                 int64_t group) {
    Late l = {.n = n, .w = w, .space = w->rank};
    Ctx *c = n->ctx;
    Expr *lo[MAX_RANK], *hi[MAX_RANK], *out[MAX_RANK], *at[MAX_RANK], *by[MAX_RANK];
    if (!fits_rank(n, l.space)) return NULL;
    for (int i = 0; i < 2; i++) lo[i] = hi[i] = ix(n, 0);
    for (int i = 0; i < l.space; i++) lo[2 + i] = w->lo[i], hi[2 + i] = w->hi[i];
    x = build_pad(n->g, x, lo, hi, "constant", 0);
    if (!x) return NULL;
    for (int i = 0; i < l.space; i++) {
        Expr *room = expr_sub(c, x->type.dims[2 + i], window_reach(n, w, i));
        out[i] = expr_addi(c, expr_floordiv(c, room, ix(n, w->strides[i])), 1);
    }
    Expr *channels = weights->type.dims[0], *each = weights->type.dims[1];
    open_sum(&l, x, weights, channels, each, out);
    Expr *part = expr_floordiv(c, var(&l, 1), expr_floordiv(c, channels, ix(n, group))),
         *channel = var(&l, 2 + l.space);
    at[0] = var(&l, 0), by[0] = var(&l, 1), by[1] = channel;
    at[1] = group == 1 ? channel : expr_add(c, expr_mul(c, part, each), channel);
    for (int i = 0; i < l.space; i++) {
        Expr *k = by[2 + i] = kernel_var(&l, i);
        at[2 + i] = expr_add(c, expr_muli(c, var(&l, 2 + i), w->strides[i]),
                             expr_muli(c, k, w->dilations[i]));
    }
    return close_sum(&l, product(&l, at, by), bias);
}

Value *conv_transpose_late(OnnxNode *n, const Window *w, Value *x, Value *weights, Value *bias,
                           int64_t group, Expr *const *out) {
    Late l = {.n = n, .w = w, .space = w->rank};
    Ctx *c = n->ctx;
    Expr *at[MAX_RANK], *by[MAX_RANK], *here = expr_const_int(c, DT_BOOL, 1);
    if (!fits_rank(n, l.space)) return NULL;
    Expr *mine = weights->type.dims[1], *each = expr_floordiv(c, x->type.dims[1], ix(n, group));
    open_sum(&l, x, weights, expr_muli(c, mine, group), each, out);
    Expr *part = expr_floordiv(c, var(&l, 1), mine), *channel = var(&l, 2 + l.space);
    at[0] = var(&l, 0);
    at[1] = by[0] = group == 1 ? channel : expr_add(c, expr_mul(c, part, each), channel);
    by[1] = expr_sub(c, var(&l, 1), expr_mul(c, part, mine));
    for (int i = 0; i < l.space; i++) {
        Expr *k = by[2 + i] = kernel_var(&l, i), *size = x->type.dims[2 + i],
             *stride = ix(n, w->strides[i]);
        Expr *q = expr_sub(c, expr_add(c, var(&l, 2 + i), w->lo[i]),
                           expr_muli(c, k, w->dilations[i]));
        Expr *from = expr_floordiv(c, q, stride);
        here = expr_and(c, here, expr_op2(c, SOP_eq, expr_mod(c, q, stride), ix(n, 0)));
        here = expr_and(c, here, expr_in_range(c, from, size));
        at[2 + i] = expr_min(c, at_least(n, from, 0), expr_addi(c, size, -1));
    }
    DType t = sum_type(x->type.dtype);
    Expr *none = dtype_is_float(t) ? expr_const_flt(c, t, 0) : expr_const_int(c, t, 0);
    return close_sum(&l, expr_op3(c, SOP_select, here, product(&l, at, by), none), bias);
}

Value *conv_causal_late(OnnxNode *n, Value *x, Value *weights, Value *bias, Expr *length) {
    const Window w = {.rank = 1};
    Late l = {.n = n, .w = &w, .space = 1};
    open_sum(&l, x, weights, x->type.dims[1], ix(n, 1), &length);
    Expr *at[] = {var(&l, 0), var(&l, 1), expr_add(n->ctx, var(&l, 2), kernel_var(&l, 0))},
         *by[] = {var(&l, 1), ix(n, 0), kernel_var(&l, 0)};
    return close_sum(&l, product(&l, at, by), bias);
}
