/* Normalisations. */
#include "frontend/ops.h"

/* ---- batch ---- */

/* A statistic over all axes but the channels', in f32 for small floats: [C], or [C, ...] where the
 * axes are not spatial. */
static Value *channel_mean(OnnxNode *n, Value *x, bool spatial) {
    int64_t axes[MAX_RANK];
    int count = 0;
    if (!x) return NULL;
    for (int i = 0; i < x->type.rank; i++)
        if (i == 0 || (i > 1 && spatial)) axes[count++] = i;
    return build_reduce(n->g, x, "mean", axes, count, false);
}

/* old * momentum + fresh * (1 - momentum), in the type of `old` */
static Value *running(OnnxNode *n, Value *old, Value *fresh) {
    double momentum = attr_float(n, "momentum", (double)0.9f);
    if (!old || !fresh) return NULL;
    Value *kept = bin(n, SOP_mul, cast_to(n, old, fresh->type.dtype), flt(n, fresh, momentum));
    Value *new = bin(n, SOP_mul, fresh, flt(n, fresh, 1 - momentum));
    return cast_to(n, bin(n, SOP_add, kept, new), old->type.dtype);
}

/* In training: v[3], v[4] become this batch's mean and variance, the outputs the running ones. */
static bool batch_statistics(OnnxNode *n, Value **v, bool spatial) {
    Value *x = cast_to(n, v[0], v[0]->type.dtype == DT_F64 ? DT_F64 : DT_F32);
    Value *mean = channel_mean(n, x, spatial);
    Value *off = bin(n, SOP_sub, x, spatial ? per_channel(n, mean, v[0]->type.rank) : mean);
    Value *variance = channel_mean(n, bin(n, SOP_mul, off, off), spatial);
    for (int i = 1; i < n->n_out; i++) {
        Value *fresh = i % 2 ? mean : variance, *old = v[i % 2 ? 3 : 4];
        if (!give(n, i, i < 3 ? running(n, old, fresh) : cast_to(n, fresh, old->type.dtype)))
            return false;
    }
    v[3] = mean;
    v[4] = variance;
    return mean && variance;
}

/* Before opset 14 the number of outputs tells; before 7 also an attribute. */
static bool is_training(OnnxNode *n) {
    if (n->opset >= 14) return attr_int(n, "training_mode", 0) != 0;
    if (n->opset < 7 && attr_int(n, "is_test", 0)) return false;
    for (int i = 1; i < n->n_out; i++)
        if (wants(n, i)) return true;
    return false;
}

/* The statistics are applied as one factor and one offset per channel. */
ONNX_OP(BatchNormalization, 1) {
    ATTRS("epsilon:f momentum:f is_test:i<7 consumed_inputs:I<6 spatial:i<9 training_mode:i@14");
    Value *v[5];
    for (int i = 0; i < 5; i++)
        if (!(v[i] = need(n, i, T_FLOAT))) return false;
    bool spatial = attr_int(n, "spatial", 1) != 0;
    int rank = v[0]->type.rank;
    for (int i = 1; i < 5; i++)
        if (spatial && !want_rank(n, i, 1, 1)) return false;
    if (is_training(n) && (!want_rank(n, 0, 2, MAX_RANK) || !batch_statistics(n, v, spatial)))
        return false;
    for (int i = 1; i < 5; i++)
        v[i] = cast_to(n, spatial ? per_channel(n, v[i], rank) : v[i], v[0]->type.dtype);
    Value *spread = un(
        n, SOP_sqrt, bin(n, SOP_add, v[4], flt(n, v[4], attr_float(n, "epsilon", (double)1e-5f))));
    Value *factor = bin(n, SOP_div, v[1], spread);
    Value *offset = bin(n, SOP_sub, v[2], bin(n, SOP_mul, v[3], factor));
    return give(n, 0, bin(n, SOP_add, bin(n, SOP_mul, v[0], factor), offset));
}

/* ---- norms over axes of one sample ---- */

static Value *scale_and_shift(OnnxNode *n, Value *y, Value *scale, Value *bias) {
    if (scale) y = bin(n, SOP_mul, y, scale);
    return bias ? bin(n, SOP_add, y, bias) : y;
}

/* Normalises in f32 where stash_type asks for it, and casts back before scale and bias, as the
 * standard's body does. */
static Value *stashed_norm(OnnxNode *n, Value *x, Value *scale, Value *bias, const int64_t *axes,
                           int n_axes, double eps, bool center) {
    DType t = x->type.dtype, stash = attr_int(n, "stash_type", 1) == 1 ? DT_F32 : t;
    if (t == DT_F64) stash = t;
    if (stash == t) return build_norm(n->g, x, scale, bias, axes, n_axes, eps, center);
    Value *wide = cast_to(n, x, stash);
    Value *y = wide ? build_norm(n->g, wide, NULL, NULL, axes, n_axes, eps, center) : NULL;
    return scale_and_shift(n, cast_to(n, y, t), scale, bias);
}

/* Outputs 1 and 2 of LayerNormalization: mean, and 1 / sqrt(variance + eps), in the stash type. */
static bool norm_statistics(OnnxNode *n, Value *x, const int64_t *axes, int n_axes, double eps) {
    if (!wants(n, 1) && !wants(n, 2)) return true;
    x = cast_to(n, x, x->type.dtype == DT_F64 ? DT_F64 : DT_F32);
    Value *mean = x ? build_reduce(n->g, x, "mean", axes, n_axes, true) : NULL;
    Value *off = bin(n, SOP_sub, x, mean), *square = bin(n, SOP_mul, off, off);
    Value *variance = square ? build_reduce(n->g, square, "mean", axes, n_axes, true) : NULL;
    Value *spread = un(n, SOP_sqrt, bin(n, SOP_add, variance, flt(n, variance, eps)));
    return give(n, 1, mean) && give(n, 2, un(n, SOP_rcp, spread));
}

static bool norm_from_axis(OnnxNode *n, bool center) {
    Value *x = need(n, 0, T_FLOAT), *scale = need(n, 1, T_FLOAT),
          *bias = center ? maybe(n, 2, T_FLOAT) : NULL;
    int axis, n_axes = 0;
    int64_t axes[MAX_RANK];
    double eps = attr_float(n, "epsilon", (double)1e-5f);
    if (!x || !scale || (center && !bias && has(n, 2))) return false;
    if (!axis_in(n, attr_int(n, "axis", -1), x->type.rank, &axis)) return false;
    for (int i = axis; i < x->type.rank; i++) axes[n_axes++] = i;
    Value *y = stashed_norm(n, x, scale, bias, axes, n_axes, eps, center);
    return give(n, 0, y) && (!center || norm_statistics(n, x, axes, n_axes, eps));
}

ONNX_OP(LayerNormalization, 17) {
    ATTRS("axis:i epsilon:f stash_type:i");
    return same_dtype(n, 0, 1) && same_dtype(n, 0, 2) && norm_from_axis(n, true);
}

ONNX_OP(RMSNormalization, 23) {
    ATTRS("axis:i epsilon:f stash_type:i");
    return norm_from_axis(n, false);
}

ONNX_OP(InstanceNormalization, 1) {
    ATTRS("epsilon:f consumed_inputs:I<6");
    Value *x = need(n, 0, T_FLOAT), *scale = need(n, 1, T_FLOAT), *bias = need(n, 2, T_FLOAT);
    int64_t axes[MAX_RANK];
    if (!x || !scale || !bias || !want_rank(n, 0, 3, MAX_RANK)) return false;
    int rank = x->type.rank;
    for (int i = 2; i < rank; i++) axes[i - 2] = i;
    scale = cast_to(n, per_channel(n, scale, rank), x->type.dtype);
    bias = cast_to(n, per_channel(n, bias, rank), x->type.dtype);
    if (!scale || !bias) return false;
    double eps = attr_float(n, "epsilon", (double)1e-5f);
    return give(n, 0, build_norm(n->g, x, scale, bias, axes, rank - 2, eps, true));
}

/* [N, C, ...] as [N, groups, C / groups, ...]; the rest of the work is a norm over all axes from 2
 * on. */
static Value *grouped_norm(OnnxNode *n, Value *x, int64_t groups) {
    Expr *dims[MAX_RANK];
    int64_t axes[MAX_RANK], channels;
    int rank = x->type.rank;
    if (rank == MAX_RANK) return bad(n, "rank is too high"), NULL;
    if (groups < 1 || (expr_is_int(x->type.dims[1], &channels) && channels % groups))
        return bad(n, "%lld groups do not divide the channels", (long long)groups), NULL;
    dims[0] = x->type.dims[0];
    dims[1] = ix(n, groups);
    dims[2] = expr_floordiv(n->ctx, x->type.dims[1], dims[1]);
    for (int i = 2; i < rank; i++) dims[i + 1] = x->type.dims[i];
    for (int i = 2; i <= rank; i++) axes[i - 2] = i;
    Value *apart = reshape_to(n, x, dims, rank + 1);
    double eps = attr_float(n, "epsilon", (double)1e-5f);
    return apart ? stashed_norm(n, apart, NULL, NULL, axes, rank - 1, eps, true) : NULL;
}

ONNX_OP(GroupNormalization, 21) {
    ATTRS("epsilon:f num_groups:i! stash_type:i");
    Value *x = need(n, 0, T_FLOAT), *scale = need(n, 1, T_FLOAT), *bias = need(n, 2, T_FLOAT);
    if (!x || !scale || !bias || !want_rank(n, 0, 3, MAX_RANK)) return false;
    Value *y = grouped_norm(n, x, attr_int(n, "num_groups", 1));
    y = reshape_to(n, y, x->type.dims, x->type.rank);
    int rank = x->type.rank;
    return give(n, 0,
                y ? scale_and_shift(n, y, per_channel(n, scale, rank), per_channel(n, bias, rank))
                  : NULL);
}

/* Opset 18: one scale and bias per group. */
ONNX_OP(GroupNormalization, 18) {
    ATTRS("epsilon:f num_groups:i!");
    Value *x = need(n, 0, T_FLOAT), *scale = need(n, 1, T_FLOAT), *bias = need(n, 2, T_FLOAT);
    if (!x || !scale || !bias || !want_rank(n, 0, 3, MAX_RANK)) return false;
    Value *y = grouped_norm(n, x, attr_int(n, "num_groups", 1));
    int rank = x->type.rank + 1;
    y = y ? scale_and_shift(n, y, per_channel(n, scale, rank), per_channel(n, bias, rank)) : NULL;
    return give(n, 0, reshape_to(n, y, x->type.dims, x->type.rank));
}

/* ---- others ---- */

/* x / (bias + alpha / size * sum of squares of `size` neighbouring channels)^beta. The sum is a
 * pool over channels. */
ONNX_OP(LRN, 1) {
    ATTRS("alpha:f beta:f bias:f size:i!");
    Value *x = need(n, 0, T_FLOAT);
    int64_t size = attr_int(n, "size", 1);
    if (!x || !want_rank(n, 0, 3, MAX_RANK)) return false;
    if (size < 1 || size > INT32_MAX) return bad(n, "attribute \"size\" is %lld", (long long)size);
    Expr *const *d = x->type.dims, *space = expr_product(n->ctx, d + 2, x->type.rank - 2);
    Expr *flat[] = {d[0], ix(n, 1), d[1], space}, *out[] = {d[1], space};
    Value *square = reshape_to(n, bin(n, SOP_mul, x, x), flat, 4);
    if (!square) return false;
    Node *p = node_draft(n->g, OP_pool, &square, 1, 1);
    node_set_str(n->g, p, "kind", "sum");
    node_set_ints(n->g, p, "kernel", (int64_t[]){size, 1}, 2);
    node_set_ints(n->g, p, "pads", (int64_t[]){(size - 1) / 2, 0, size / 2, 0}, 4);
    node_set_exprs(n->g, p, "shape", out, 2);
    if (!node_finish(n->g, p)) return false;
    Value *sum = reshape_to(n, p->out[0], d, x->type.rank);
    double alpha = attr_float(n, "alpha", (double)1e-4f) / (double)size;
    Value *base = bin(n, SOP_add, flt(n, x, attr_float(n, "bias", 1)),
                      bin(n, SOP_mul, flt(n, x, alpha), sum));
    return give(n, 0,
                bin(n, SOP_div, x, bin(n, SOP_pow, base, flt(n, x, attr_float(n, "beta", 0.75)))));
}

/* x / |x|_p along an axis; 0 where the norm is 0. */
ONNX_OP(LpNormalization, 1) {
    ATTRS("axis:i p:i");
    Value *x = need(n, 0, T_FLOAT);
    int64_t p = attr_int(n, "p", 2);
    int axis;
    if (!x || !axis_in(n, attr_int(n, "axis", -1), x->type.rank, &axis)) return false;
    if (p != 1 && p != 2) return bad(n, "attribute \"p\" is %lld, not 1 or 2", (long long)p);
    Value *parts = p == 1 ? un(n, SOP_abs, x) : bin(n, SOP_mul, x, x);
    Value *sum = parts ? build_reduce(n->g, parts, "sum", (int64_t[]){axis}, 1, true) : NULL;
    Value *norm = p == 1 ? sum : un(n, SOP_sqrt, sum), *zero = num(n, x, 0);
    return give(n, 0, sel(n, bin(n, SOP_eq, norm, zero), zero, bin(n, SOP_div, x, norm)));
}

/* (x - mean) / (sqrt(mean((x - mean)^2)) + 1e-9). The standard's body has mean(x^2) - mean^2, which
 * is nothing but rounding errors where elements are nearly equal. */
ONNX_OP(MeanVarianceNormalization, 9) {
    ATTRS("axes:I");
    Value *original = need(n, 0, T_FLOAT), *x = original;
    int64_t given[MAX_RANK] = {0, 2, 3}, axes[MAX_RANK];
    int count;
    if (!x || !ints_arg(n, "axes", -1, given, MAX_RANK, &count)) return false;
    if (count < 0) count = 3;
    if (!axes_in(n, given, count, x->type.rank, axes)) return false;
    x = cast_to(n, x, x->type.dtype == DT_F64 ? DT_F64 : DT_F32);
    Value *mean = build_reduce(n->g, x, "mean", axes, count, true);
    Value *away = bin(n, SOP_sub, x, mean);
    Value *square = bin(n, SOP_mul, away, away);
    Value *variance = square ? build_reduce(n->g, square, "mean", axes, count, true) : NULL;
    Value *spread = bin(n, SOP_add, un(n, SOP_sqrt, variance), flt(n, x, 1e-9));
    Value *y = bin(n, SOP_div, away, spread);
    return give(n, 0, cast_to(n, y, original->type.dtype));
}
