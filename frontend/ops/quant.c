/* Quantization: linear scales, and integer products. */
#include "frontend/ops.h"

/* A scale or zero point made to broadcast: one value, one per element of `axis`, or one per block
 * along it. */
static Value *spread(OnnxNode *n, Value *v, const Type *x, int axis, int64_t block) {
    if (!v) return NULL;
    Expr *dims[MAX_RANK];
    int rank = v->type.rank;
    if (rank == 0 || (rank == 1 && expr_is(v->type.dims[0], 1) && !block))
        return reshape_to(n, v, NULL, 0);
    if (rank == 1 && !block) {
        for (int i = 0; i < x->rank - axis; i++) dims[i] = i ? ix(n, 1) : v->type.dims[0];
        return reshape_to(n, v, dims, x->rank - axis);
    }
    if (rank != x->rank) return bad(n, "scale or zero point has rank %d", rank), NULL;
    Expr *at[MAX_RANK];
    Node *c = build_compute_begin(n->g, &v, 1, v->type.dtype, x->dims, rank);
    for (int i = 0; i < rank; i++) at[i] = c->vars[i]->self;
    at[axis] = expr_floordiv(n->ctx, at[axis], ix(n, MAX(1, block)));
    return build_compute_end(n->g, c, expr_load(n->ctx, c->params[0], at, rank));
}

/* round(x) clamped to the range of an integer type */
static Value *to_integer(OnnxNode *n, Value *x, DType t) {
    int bits = dtype_bits(t);
    bool is_signed = dtype_is_signed(t);
    double hi = (double)(((int64_t)1 << (bits - is_signed)) - 1), lo = is_signed ? -hi - 1 : 0;
    x = bin(n, SOP_max, bin(n, SOP_min, x, flt(n, x, hi)), flt(n, x, lo));
    return cast_to(n, x, t);
}

static bool read_axis(OnnxNode *n, const Value *x, int k, int64_t otherwise, int *axis) {
    *axis = 0;
    if (!x->type.rank || !has(n, k) || n->in[k]->type.rank == 0) return true;
    bool one = n->in[k]->type.rank == 1 && expr_is(n->in[k]->type.dims[0], 1);
    int64_t given = attr_int(n, "axis", otherwise);
    if (one && (given >= x->type.rank || given < -x->type.rank)) return true;
    return axis_in(n, given, x->type.rank, axis);
}

/* round(x / scale) + zero point, clamped */
static Value *quantize(OnnxNode *n, Value *x, Value *scale, Value *zero, DType t) {
    Value *q = un(n, SOP_round, bin(n, SOP_div, x, scale));
    if (zero) q = bin(n, SOP_add, q, cast_to(n, zero, q ? q->type.dtype : DT_F32));
    return q ? to_integer(n, q, t) : NULL;
}

ONNX_OP(QuantizeLinear, 10) {
    ATTRS("axis:i@13 saturate:i@19 block_size:i@21 output_dtype:i@21 precision:i@23");
    Value *x = need(n, 0, T_F | T_S), *scale = need(n, 1, T_FLOAT), *zero = maybe(n, 2, T_INT);
    int axis;
    if (!x || !scale || (has(n, 2) && !zero) || !read_axis(n, x, 1, 1, &axis)) return false;
    int64_t code = attr_int(n, "output_dtype", 0), block = attr_int(n, "block_size", 0);
    DType t = zero ? zero->type.dtype : code ? dtype_from_onnx(code) : DT_U8;
    if (!dtype_is_int(t) || dtype_bits(t) > 16) return bad(n, "output type is not supported");
    DType work = scale->type.dtype;
    scale = spread(n, scale, &x->type, axis, block);
    if (zero && !(zero = spread(n, zero, &x->type, axis, block))) return false;
    return give(n, 0, quantize(n, cast_to(n, x, work), scale, zero, t));
}

ONNX_OP(DequantizeLinear, 10) {
    ATTRS("axis:i@13 block_size:i@21 output_dtype:i@23");
    Value *x = need(n, 0, T_INT), *scale = need(n, 1, T_FLOAT), *zero = maybe(n, 2, T_INT);
    int axis;
    if (!x || !scale || (has(n, 2) && !zero) || !same_dtype(n, 0, 2) ||
        !read_axis(n, x, 1, 1, &axis))
        return false;
    int64_t block = attr_int(n, "block_size", 0), code = attr_int(n, "output_dtype", 0);
    DType t = code ? dtype_from_onnx(code) : scale->type.dtype;
    if (!dtype_is_float(t)) return bad(n, "output type is not supported");
    Value *y = cast_to(n, x, DT_I32);
    if (zero) y = bin(n, SOP_sub, y, cast_to(n, spread(n, zero, &x->type, axis, block), DT_I32));
    y = cast_to(n, y, scale->type.dtype);
    return give(n, 0, cast_to(n, bin(n, SOP_mul, y, spread(n, scale, &x->type, axis, block)), t));
}

/* Scale and zero point from the range of x, which always includes 0. */
ONNX_OP(DynamicQuantizeLinear, 11) {
    ATTRS("");
    Value *x = need(n, 0, T_FLOAT), *zero = num(n, x, 0);
    int64_t axes[MAX_RANK];
    if (!x) return false;
    for (int i = 0; i < x->type.rank; i++) axes[i] = i;
    Value *hi = build_reduce(n->g, x, "max", axes, x->type.rank, false),
          *lo = build_reduce(n->g, x, "min", axes, x->type.rank, false);
    hi = bin(n, SOP_max, hi, zero);
    lo = bin(n, SOP_min, lo, zero);
    Value *scale = bin(n, SOP_div, bin(n, SOP_sub, hi, lo), flt(n, x, 255));
    Value *point = un(n, SOP_round, bin(n, SOP_div, bin(n, SOP_sub, zero, lo), scale));
    point = point ? to_integer(n, point, DT_U8) : NULL;
    return give(n, 1, scale) && give(n, 2, point) &&
           give(n, 0, quantize(n, x, scale, point, DT_U8));
}

/* ---- integer products ---- */

/* Input k as i32 minus its zero point (input z). rows: a list of zero points belongs to the rows of
 * a matrix. */
static Value *centred(OnnxNode *n, int k, int z, bool rows) {
    Value *x = cast_to(n, need(n, k, T_INT), DT_I32);
    if (!x || !has(n, z)) return x;
    Value *zero = cast_to(n, need(n, z, T_INT), DT_I32);
    if (!zero) return NULL;
    bool one = zero->type.rank == 1 && expr_is(zero->type.dims[0], 1);
    if (one) zero = reshape_to(n, zero, NULL, 0);
    else if (zero->type.rank == 1 && rows) zero = unsqueeze(n, zero, 1);
    return bin(n, SOP_sub, x, zero);
}

ONNX_OP(MatMulInteger, 10) {
    ATTRS("");
    return give(n, 0, matmul(n, centred(n, 0, 2, true), centred(n, 1, 3, false)));
}

ONNX_OP(QLinearMatMul, 10) {
    ATTRS("");
    Value *scale[3], *zero = need(n, 7, T_INT);
    static const int at[] = {1, 4, 6};
    for (int i = 0; i < 3; i++) {
        scale[i] = need(n, at[i], T_FLOAT);
        if (!scale[i]) return false;
        if (scale[i]->type.rank == 1 && expr_is(scale[i]->type.dims[0], 1))
            scale[i] = reshape_to(n, scale[i], NULL, 0);
        else if (scale[i]->type.rank == 1 && i != 1) scale[i] = unsqueeze(n, scale[i], 1);
    }
    if (!zero) return false;
    DType t = zero->type.dtype;
    if (zero->type.rank == 1)
        zero =
            expr_is(zero->type.dims[0], 1) ? reshape_to(n, zero, NULL, 0) : unsqueeze(n, zero, 1);
    Value *sum = cast_to(n, matmul(n, centred(n, 0, 2, true), centred(n, 3, 5, false)), DT_F32);
    for (int i = 0; i < 3; i++) scale[i] = cast_to(n, scale[i], DT_F32);
    Value *factor = bin(n, SOP_div, bin(n, SOP_mul, scale[0], scale[1]), scale[2]),
          *real = bin(n, SOP_mul, sum, factor);
    Value *q = bin(n, SOP_add, un(n, SOP_round, real), cast_to(n, zero, DT_F32));
    return give(n, 0, q ? to_integer(n, q, t) : NULL);
}

/* Padding must be the zero point, so the input is centred first and padded with 0 as i32. */
ONNX_OP(ConvInteger, 10) {
    ATTRS("auto_pad:s(NOTSET|SAME_UPPER|SAME_LOWER|VALID) dilations:I group:i kernel_shape:I "
          "pads:I strides:I");
    Value *x = centred(n, 0, 2, false), *w = NULL;
    if (!x) return false;
    if (has(n, 3) && n->in[3]->type.rank == 1 && !expr_is(n->in[3]->type.dims[0], 1)) {
        Value *zero = cast_to(n, n->in[3], DT_I32), *wide = cast_to(n, need(n, 1, T_INT), DT_I32);
        zero = zero && wide ? per_channel(n, zero, wide->type.rank + 1) : NULL;
        w = bin(n, SOP_sub, wide, zero);
    } else {
        w = centred(n, 1, 3, false);
    }
    if (!w) return false;
    n->in[0] = x;
    n->in[1] = w;
    n->n_in = 2;
    return give(n, 0, conv(n, x, w, NULL));
}
