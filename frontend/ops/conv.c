/* Convolutions. */
#include "frontend/ops/conv.h"

/* The weights alone say how large the kernel is, and not before the run. */
static bool kernel_late(OnnxNode *n, Window *w) {
    for (int i = 0; i < w->rank; i++) {
        w->late[i] = n->in[1]->type.dims[2 + i];
        w->kernel[i] = 1;
    }
    return true;
}

/* Checks input and weights, and takes the kernel's size from the weights. */
static bool conv_kernel(OnnxNode *n, Window *w) {
    if (!same_dtype(n, 0, 1) || !same_dtype(n, 0, 2) || !want_rank(n, 0, 3, MAX_RANK)) return false;
    int rank = n->in[0]->type.rank, count;
    int64_t given[MAX_RANK];
    if (!want_rank(n, 1, rank, rank) || !ints_arg(n, "kernel_shape", -1, given, MAX_RANK, &count))
        return false;
    w->rank = rank - 2;
    if (count >= 0 && count != w->rank)
        return bad(n, "attribute \"kernel_shape\" has %d elements, %d expected", count, w->rank);
    for (int i = 0; i < w->rank; i++) {
        Expr *size = n->in[1]->type.dims[2 + i];
        if (count >= 0) w->kernel[i] = given[i];
        else if (!expr_is_int(size, &w->kernel[i])) return kernel_late(n, w);
        if (w->kernel[i] < 1 || w->kernel[i] > INT32_MAX)
            return bad(n, "kernel size is %lld", (long long)w->kernel[i]);
        if (!demand_equal(n, size, w->kernel[i])) {
            Str s = str_new(n->ctx->perm);
            expr_print(&s, size);
            return bad(n, "attribute \"kernel_shape\" says %lld, the weights %s",
                       (long long)w->kernel[i], str_c(&s));
        }
    }
    return true;
}

static bool group_of(OnnxNode *n, int64_t *group) {
    int64_t channels;
    *group = attr_int(n, "group", 1);
    if (*group < 1) return bad(n, "attribute \"group\" is %lld", (long long)*group);
    if (expr_is_int(n->in[0]->type.dims[1], &channels) && channels % *group)
        return bad(n, "group %lld does not divide %lld input channels", (long long)*group,
                   (long long)channels);
    return true;
}

Value *conv(OnnxNode *n, Value *x, Value *weights, Value *bias) {
    Window w = {0};
    int64_t pads[2 * MAX_RANK], group;
    if (!conv_kernel(n, &w) || !group_of(n, &group) || !window_read(n, &w)) return NULL;
    if (w.late[0]) return conv_late(n, &w, x, weights, bias, group);
    x = window_pads(n, &w, x, 0, pads);
    if (!x) return NULL;
    Value *in[] = {x, weights, bias};
    Node *c = node_draft(n->g, OP_conv, in, bias ? 3 : 2, 1);
    window_attrs(n, c, &w, pads);
    node_set_int(n->g, c, "group", group);
    return node_finish(n->g, c) ? c->out[0] : NULL;
}

ONNX_OP(Conv, 1) {
    ATTRS(WINDOW_ATTRS "dilations:I group:i kernel_shape:I");
    Value *x = need(n, 0, T_FLOAT), *w = need(n, 1, T_FLOAT), *bias = maybe(n, 2, T_FLOAT);
    return x && w && (bias || !has(n, 2)) && give(n, 0, conv(n, x, w, bias));
}

/* ---- transposed ---- */

/* Output sizes, and the padding that leads to them. */
static bool transposed_shape(OnnxNode *n, Window *w, Expr **out) {
    int64_t more[MAX_RANK], shape[MAX_RANK];
    int n_more, n_shape;
    if (!ints_arg(n, "output_padding", -1, more, MAX_RANK, &n_more)) return false;
    if (!ints_arg(n, "output_shape", -1, shape, MAX_RANK, &n_shape)) return false;
    if ((n_more >= 0 && n_more != w->rank) ||
        (n_shape >= 0 && n_shape != w->rank && n_shape != w->rank + 2))
        return bad(n, "attributes \"output_padding\" and \"output_shape\" need %d elements",
                   w->rank);
    for (int i = 0; i < w->rank; i++) {
        bool fits = (n_more < 0 || (more[i] >= 0 && more[i] < INT32_MAX)) &&
                    (n_shape < 0 || (shape[i] >= 0 && shape[i] < INT32_MAX));
        if (!fits)
            return bad(n, "attributes \"output_padding\" and \"output_shape\" are out of range");
    }
    bool upper = attr_is(n, "auto_pad", "SAME_UPPER"),
         same = upper || attr_is(n, "auto_pad", "SAME_LOWER");
    for (int i = 0; i < w->rank; i++) {
        Expr *size = n->in[0]->type.dims[2 + i];
        Expr *extra = expr_addi(n->ctx, window_reach(n, w, i), n_more >= 0 ? more[i] : 0);
        Expr *steps = expr_muli(n->ctx, expr_addi(n->ctx, size, -1), w->strides[i]),
             *full = expr_add(n->ctx, steps, extra);
        if (n_shape < 0 && !same) {
            out[i] = expr_sub(n->ctx, expr_sub(n->ctx, full, w->lo[i]), w->hi[i]);
            continue;
        }
        out[i] = n_shape >= 0 ? ix(n, shape[n_shape - w->rank + i])
                              : expr_muli(n->ctx, size, w->strides[i]);
        Expr *total = at_least(n, expr_sub(n->ctx, full, out[i]), 0);
        Expr *less = expr_floordiv(n->ctx, total, ix(n, 2));
        w->lo[i] = upper ? less : expr_sub(n->ctx, total, less);
        w->hi[i] = expr_sub(n->ctx, total, w->lo[i]);
    }
    return true;
}

ONNX_OP(ConvTranspose, 1) {
    ATTRS(WINDOW_ATTRS "dilations:I group:i kernel_shape:I output_padding:I output_shape:I");
    Value *x = need(n, 0, T_FLOAT), *weights = need(n, 1, T_FLOAT), *bias = maybe(n, 2, T_FLOAT);
    Window w = {0};
    Expr *out[MAX_RANK];
    int64_t pads[2 * MAX_RANK], group;
    if (!x || !weights || (!bias && has(n, 2)) || !conv_kernel(n, &w) || !group_of(n, &group))
        return false;
    if (!window_read(n, &w) || !transposed_shape(n, &w, out)) return false;
    bool late = w.late[0] != NULL;
    for (int i = 0; i < w.rank; i++)
        late |= !expr_is_int(w.lo[i], &pads[i]) || !expr_is_int(w.hi[i], &pads[w.rank + i]);
    if (late) return give(n, 0, conv_transpose_late(n, &w, x, weights, bias, group, out));
    Value *in[] = {x, weights, bias};
    Node *c = node_draft(n->g, OP_conv_transpose, in, bias ? 3 : 2, 1);
    window_attrs(n, c, &w, pads);
    node_set_int(n->g, c, "group", group);
    node_set_exprs(n->g, c, "shape", out, w.rank);
    return node_finish(n->g, c) && give(n, 0, c->out[0]);
}

/* ---- causal, with the last positions of the run before in front ---- */

static Value *causal_conv(OnnxNode *n, Value *all, Value *weights, Value *bias, Expr *length) {
    Value *in[] = {all, weights, bias};
    int64_t channels;
    if (!expr_is_int(weights->type.dims[2], NULL) || !expr_is_int(weights->type.dims[0], &channels))
        return conv_causal_late(n, all, weights, bias, length);
    Node *c = node_draft(n->g, OP_conv, in, bias ? 3 : 2, 1);
    node_set_int(n->g, c, "group", channels);
    return node_finish(n->g, c) ? c->out[0] : NULL;
}

ONNX_OP(CausalConvWithState, 27) {
    ATTRS("activation:s(none|silu|swish)");
    Value *x = need(n, 0, T_FLOAT), *weights = need(n, 1, T_FLOAT), *bias = maybe(n, 2, T_FLOAT);
    if (!x || !weights || (!bias && has(n, 2)) || !same_dtype(n, 0, 1)) return false;
    if (!want_rank(n, 0, 3, 3) || !want_rank(n, 1, 3, 3)) return false;
    Expr *rest = expr_addi(n->ctx, weights->type.dims[2], -1),
         *dims[] = {x->type.dims[0], x->type.dims[1], rest};
    Value *past = has(n, 3) ? need(n, 3, T_FLOAT) : build_expand(n->g, num(n, x, 0), dims, 3);
    Value *parts[] = {past, x}, *all = past ? build_concat(n->g, parts, 2, 2) : NULL;
    if (!all) return false;
    Value *y = causal_conv(n, all, weights, bias, x->type.dims[2]);
    if (attr_has(n, "activation") && !attr_is(n, "activation", "none")) {
        Value *wide = cast_to(n, y, DT_F32);
        y = cast_to(n, bin(n, SOP_mul, wide, un(n, SOP_sigmoid, wide)), x->type.dtype);
    }
    give(n, 1, build_slice_axis(n->g, all, 2, x->type.dims[2], rest));
    return give(n, 0, y);
}
