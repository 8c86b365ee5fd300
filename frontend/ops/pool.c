/* Pooling. */
#include "frontend/ops/window.h"

#include <math.h>

static bool pool_kernel(OnnxNode *n, Window *w) {
    int count;
    if (!want_rank(n, 0, 3, MAX_RANK) ||
        !ints_arg(n, "kernel_shape", -1, w->kernel, MAX_RANK, &count))
        return false;
    w->rank = n->in[0]->type.rank - 2;
    if (count != w->rank)
        return bad(n, "attribute \"kernel_shape\" has %d elements, %d expected", count, w->rank);
    for (int i = 0; i < w->rank; i++)
        if (w->kernel[i] < 1 || w->kernel[i] > INT32_MAX)
            return bad(n, "kernel size is %lld", (long long)w->kernel[i]);
    return true;
}

/* The number of windows: rounded up with ceil_mode, but every window starts inside the input or its
 * front padding. */
static Expr *windows(OnnxNode *n, const Window *w, int i) {
    Ctx *ctx = n->ctx;
    Expr *size = expr_add(ctx, n->in[0]->type.dims[2 + i], w->lo[i]),
         *stride = ix(n, w->strides[i]);
    Expr *room = expr_sub(ctx, expr_add(ctx, size, w->hi[i]), window_reach(n, w, i));
    if (!attr_int(n, "ceil_mode", 0)) return expr_addi(ctx, expr_floordiv(ctx, room, stride), 1);
    Expr *up = expr_addi(ctx, expr_ceildiv(ctx, room, stride), 1);
    Expr *starts = expr_addi(ctx, expr_floordiv(ctx, expr_addi(ctx, size, -1), stride), 1);
    return expr_min(ctx, up, starts);
}

/* `value` stands outside of x. */
static Value *pool_node(OnnxNode *n, Window *w, Value *x, double value, const char *kind,
                        Expr *const *out) {
    int64_t pads[2 * MAX_RANK];
    x = window_pads(n, w, x, value, pads);
    if (!x) return NULL;
    Node *p = node_draft(n->g, OP_pool, &x, 1, 1);
    node_set_str(n->g, p, "kind", kind);
    node_set_ints(n->g, p, "kernel", w->kernel, w->rank);
    window_attrs(n, p, w, pads);
    node_set_exprs(n->g, p, "shape", out, w->rank);
    return node_finish(n->g, p) ? p->out[0] : NULL;
}

/* How many of the window's elements lie inside the input: [1, 1, out...] in type t. */
static Value *counts_inside(OnnxNode *n, const Window *w, Expr *const *out, DType t) {
    Ctx *ctx = n->ctx;
    Expr *zero = ix(n, 0), *dims[MAX_RANK] = {ix(n, 1), ix(n, 1)}, *all = NULL;
    for (int i = 0; i < w->rank; i++) dims[2 + i] = out[i];
    Node *c = build_compute_begin(n->g, NULL, 0, t, dims, 2 + w->rank);
    for (int i = 0; i < w->rank; i++) {
        Expr *step = ix(n, w->dilations[i]), *size = n->in[0]->type.dims[2 + i];
        Expr *start = expr_sub(ctx, expr_muli(ctx, c->vars[2 + i]->self, w->strides[i]), w->lo[i]);
        Expr *first = expr_ceildiv(ctx, expr_sub(ctx, zero, start), step);
        Expr *end = expr_ceildiv(ctx, expr_sub(ctx, size, start), step);
        end = expr_min(ctx, ix(n, w->kernel[i]), end);
        Expr *count = expr_sub(ctx, end, expr_max(ctx, zero, first));
        count = expr_cast(ctx, t, expr_max(ctx, zero, count));
        all = all ? E2(mul, all, count) : count;
    }
    return build_compute_end(n->g, c, all);
}

/* An average where the padding is symbolic: zeros around the input, and a count of its own. */
static Value *average_late(OnnxNode *n, Window *w, Value *x, Expr *const *out) {
    DType t = x->type.dtype, work = t == DT_F64 ? DT_F64 : DT_F32;
    Value *count = counts_inside(n, w, out, work);
    Value *sum = pool_node(n, w, cast_to(n, x, work), 0, "sum", out);
    return cast_to(n, bin(n, SOP_div, sum, count), t);
}

static Value *pool(OnnxNode *n, Value *x, const char *kind) {
    Window w = {0};
    Expr *out[MAX_RANK];
    if (!x || !pool_kernel(n, &w) || !window_read(n, &w)) return NULL;
    for (int i = 0; i < w.rank; i++) out[i] = windows(n, &w, i);
    if (!strcmp(kind, "avg") && !window_known(&w)) return average_late(n, &w, x, out);
    return pool_node(n, &w, x, !strcmp(kind, "max") ? -INFINITY : 0, kind, out);
}

/* Input subscript of axis i at window position `at`, offset `k` in the window. */
static Expr *window_subscript(OnnxNode *n, const Window *w, int i, Expr *at, Expr *k) {
    Expr *from = expr_sub(n->ctx, expr_muli(n->ctx, at, w->strides[i]), w->lo[i]);
    return expr_add(n->ctx, from, expr_muli(n->ctx, k, w->dilations[i]));
}

/* Splits the linear offset in a window into one per axis. */
static void window_offsets(OnnxNode *n, const Window *w, Expr *k, Expr **out) {
    for (int i = w->rank - 1; i >= 0; i--) {
        Expr *size = ix(n, w->kernel[i]);
        out[i] = i ? expr_mod(n->ctx, k, size) : k;
        k = expr_floordiv(n->ctx, k, size);
    }
}

/* All windows side by side: [N, C, out..., elements of a window], -inf (or the least integer)
 * outside. */
static Value *unfold(OnnxNode *n, const Window *w, Value *x, Expr *const *out) {
    Ctx *ctx = n->ctx;
    int64_t size = 1;
    int rank = w->rank + 3;
    Expr *dims[MAX_RANK + 1], *at[MAX_RANK], *offset[MAX_RANK];
    Expr *inside = expr_const_int(ctx, DT_BOOL, 1);
    DType t = x->type.dtype;
    for (int i = 0; i < w->rank; i++) size *= w->kernel[i];
    if (rank > MAX_RANK) return bad(n, "rank is too high"), NULL;
    for (int i = 0; i < rank - 1; i++) dims[i] = i < 2 ? x->type.dims[i] : out[i - 2];
    dims[rank - 1] = ix(n, size);
    Node *c = build_compute_begin(n->g, &x, 1, t, dims, rank);
    window_offsets(n, w, c->vars[rank - 1]->self, offset);
    at[0] = c->vars[0]->self;
    at[1] = c->vars[1]->self;
    for (int i = 0; i < w->rank; i++) {
        at[2 + i] = window_subscript(n, w, i, c->vars[2 + i]->self, offset[i]);
        inside = expr_and(ctx, inside, expr_in_range(ctx, at[2 + i], x->type.dims[2 + i]));
    }
    int64_t least = dtype_is_unsigned(t) ? 0 : INT64_MIN >> (64 - dtype_bits(t));
    Expr *none =
        dtype_is_float(t) ? expr_const_flt(ctx, t, -INFINITY) : expr_const_int(ctx, t, least);
    Expr *value = expr_load(ctx, c->params[0], at, rank - 1);
    return build_compute_end(n->g, c, expr_guard(ctx, inside, value, none));
}

/* Output 1 of MaxPool: where in the flat input the maximum of each window is. */
static Value *max_positions(OnnxNode *n, Value *x) {
    Window w = {0};
    Ctx *ctx = n->ctx;
    Expr *out[MAX_RANK], *offset[MAX_RANK], *at[MAX_RANK];
    if (!pool_kernel(n, &w) || !window_read(n, &w)) return NULL;
    for (int i = 0; i < w.rank; i++) out[i] = windows(n, &w, i);
    /* what pads must be less than any element */
    Value *all = unfold(n, &w, dtype_bytes(x->type.dtype) == 1 ? cast_to(n, x, DT_I16) : x, out);
    int rank = w.rank + 2;
    Value *best = all ? build_reduce(n->g, all, "argmax", (int64_t[]){rank}, 1, false) : NULL;
    if (!best) return NULL;
    Node *c = build_compute_begin(n->g, &best, 1, DT_I64, best->type.dims, rank);
    for (int i = 0; i < rank; i++) at[i] = c->vars[i]->self;
    Expr *k = expr_cast(ctx, DT_INDEX, expr_load(ctx, c->params[0], at, rank));
    window_offsets(n, &w, k, offset);
    Expr *flat = expr_add(ctx, expr_mul(ctx, at[0], x->type.dims[1]), at[1]);
    bool by_column = attr_int(n, "storage_order", 0) != 0;
    for (int i = 0; i < w.rank; i++) flat = expr_mul(ctx, flat, x->type.dims[2 + i]);
    Expr *inner = ix(n, 0);
    for (int j = 0; j < w.rank; j++) {
        int i = by_column ? w.rank - 1 - j : j;
        Expr *here = window_subscript(n, &w, i, at[2 + i], offset[i]);
        inner = expr_add(ctx, expr_mul(ctx, inner, x->type.dims[2 + i]), here);
    }
    return build_compute_end(n->g, c, expr_cast(ctx, DT_I64, expr_add(ctx, flat, inner)));
}

ONNX_OP(MaxPool, 1) {
    ATTRS(WINDOW_ATTRS "kernel_shape:I! storage_order:i@8 ceil_mode:i@10 dilations:I@10");
    Value *x = need(n, 0, T_NUM);
    if (x && wants(n, 1) && !give(n, 1, max_positions(n, x))) return false;
    return give(n, 0, pool(n, x, "max"));
}

/* Puts the elements back where MaxPool found them, zeros elsewhere. */
ONNX_OP(MaxUnpool, 9) {
    ATTRS("kernel_shape:I! pads:I strides:I");
    Value *x = need(n, 0, T_FLOAT), *positions = need(n, 1, T_S);
    Window w = {0};
    Expr *inner[MAX_RANK], *outer[MAX_RANK], *lo[MAX_RANK], *hi[MAX_RANK], *one = ix(n, 1);
    int count = -1;
    if (!x || !positions || !pool_kernel(n, &w) || !window_read(n, &w)) return false;
    if (has(n, 2) && !input_cells(n, 2, outer, MAX_RANK, &count, 0)) return false;
    for (int i = 0; i < x->type.rank; i++) {
        inner[i] = x->type.dims[i];
        lo[i] = ix(n, 0);
        if (i < 2) continue;
        Expr *size = expr_muli(n->ctx, expr_sub(n->ctx, inner[i], one), w.strides[i - 2]);
        size = expr_addi(n->ctx, size, w.kernel[i - 2]);
        inner[i] = expr_sub(n->ctx, size, expr_add(n->ctx, w.lo[i - 2], w.hi[i - 2]));
    }
    if (count >= 0 && count != x->type.rank) return bad(n, "output_shape has %d elements", count);
    for (int i = 0; i < x->type.rank; i++)
        hi[i] = count < 0 ? lo[i] : expr_sub(n->ctx, outer[i], inner[i]);
    Expr *all = expr_product(n->ctx, inner, x->type.rank), *some = type_elements(n->ctx, &x->type);
    Value *zeros = build_expand(n->g, num(n, x, 0), &all, 1);
    Value *in[] = {zeros, reshape_to(n, positions, &some, 1), reshape_to(n, x, &some, 1)};
    if (!in[0] || !in[1] || !in[2]) return false;
    Node *s = node_draft(n->g, OP_scatter, in, 3, 1);
    node_set_str(n->g, s, "mode", "elements");
    node_set_str(n->g, s, "reduction", "none");
    if (!node_finish(n->g, s)) return false;
    Value *y = reshape_to(n, s->out[0], inner, x->type.rank);
    return y && give(n, 0, build_pad(n->g, y, lo, hi, "constant", 0));
}

ONNX_OP(AveragePool, 1) {
    ATTRS(WINDOW_ATTRS "kernel_shape:I! count_include_pad:i@7 ceil_mode:i@10 dilations:I@19");
    return give(
        n, 0,
        pool(n, need(n, 0, T_FLOAT), attr_int(n, "count_include_pad", 0) ? "avg_pad" : "avg"));
}

/* (sum |x|^p)^(1/p) */
static Value *power(OnnxNode *n, Value *x, double p) {
    return p == 1 ? x : bin(n, SOP_pow, x, flt(n, x, p));
}

ONNX_OP(LpPool, 1) {
    ATTRS(WINDOW_ATTRS "kernel_shape:I<2 kernel_shape:I!@2 p:f<2 p:i@2 ceil_mode:i@18"
                       " dilations:I@18");
    double p = n->opset < 2 ? attr_float(n, "p", 2) : (double)attr_int(n, "p", 2);
    Value *x = need(n, 0, T_FLOAT);
    if (p == 2) return give(n, 0, pool(n, x, "l2"));
    return give(n, 0, power(n, pool(n, power(n, un(n, SOP_abs, x), p), "sum"), 1 / p));
}

/* ---- over all space ---- */

static Value *over_space(OnnxNode *n, Value *x, const char *kind) {
    int64_t axes[MAX_RANK];
    if (!x || !want_rank(n, 0, 3, MAX_RANK)) return NULL;
    for (int i = 2; i < x->type.rank; i++) axes[i - 2] = i;
    return build_reduce(n->g, x, kind, axes, x->type.rank - 2, true);
}

ONNX_OP(GlobalAveragePool, 1) {
    ATTRS("");
    return give(n, 0, over_space(n, need(n, 0, T_FLOAT), "mean"));
}

ONNX_OP(GlobalMaxPool, 1) {
    ATTRS("");
    return give(n, 0, over_space(n, need(n, 0, T_FLOAT), "max"));
}

ONNX_OP(GlobalLpPool, 1) {
    ATTRS("p:f<2 p:i@2");
    double p = n->opset < 2 ? attr_float(n, "p", 2) : (double)attr_int(n, "p", 2);
    Value *x = need(n, 0, T_FLOAT);
    return give(n, 0, power(n, over_space(n, power(n, un(n, SOP_abs, x), p), "sum"), 1 / p));
}
