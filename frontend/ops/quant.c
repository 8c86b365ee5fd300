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

static Value *clamp(OnnxNode *n, Value *x, double lo, double hi) {
    if (!x) return NULL;
    Value *least = dtype_is_float(x->type.dtype) ? flt(n, x, lo) : num(n, x, (int64_t)lo),
          *most = dtype_is_float(x->type.dtype) ? flt(n, x, hi) : num(n, x, (int64_t)hi);
    return bin(n, SOP_max, bin(n, SOP_min, x, most), least);
}

/* Whole numbers plus a zero point (may be NULL), clamped to the range of an integer type of at most
 * 16 bits. The sum is one of integers: f16 has not all of u16. */
static Value *to_integer(OnnxNode *n, Value *x, Value *zero, DType t) {
    bool is_signed = dtype_is_signed(t);
    double hi = (double)(((int64_t)1 << (dtype_bits(t) - is_signed)) - 1),
           lo = is_signed ? -hi - 1 : 0;
    if (!x) return NULL;
    if (zero) {
        x = clamp(n, cast_to(n, x, x->type.dtype == DT_F64 ? DT_F64 : DT_F32), -131072, 131072);
        x = bin(n, SOP_add, cast_to(n, x, DT_I32), cast_to(n, zero, DT_I32));
    }
    return cast_to(n, clamp(n, x, lo, hi), t);
}

static bool read_axis(OnnxNode *n, const Value *x, int k, int64_t otherwise, int *axis) {
    *axis = 0;
    if (!x->type.rank || !has(n, k) || n->in[k]->type.rank == 0) return true;
    bool one = n->in[k]->type.rank == 1 && expr_is(n->in[k]->type.dims[0], 1);
    int64_t given = attr_int(n, "axis", otherwise);
    if (one && (given >= x->type.rank || given < -x->type.rank)) return true;
    return axis_in(n, given, x->type.rank, axis);
}

/* x / scale plus the zero point, rounded and limited to the range of t. */
static Value *quantize(OnnxNode *n, Value *x, Value *scale, Value *zero, DType t, bool saturate) {
    Value *q = bin(n, SOP_div, x, scale);
    if (!dtype_is_float(t)) return to_integer(n, un(n, SOP_round, q), zero, t);
    if (zero) q = bin(n, SOP_add, q, cast_to(n, zero, q ? q->type.dtype : DT_F32));
    return cast_as_onnx(n, q, t, saturate, "up");
}

static bool is_quantized(DType t) {
    return t == DT_I8 || t == DT_U8 || t == DT_I16 || t == DT_U16 ||
           (dtype_is_narrow(t) && t != DT_F8E8M0);
}

/* The type that `output_dtype` (or `precision`) asks for; DT_NONE after an error. */
static DType type_attr(OnnxNode *n, const char *name, DType otherwise) {
    int64_t code = attr_int(n, name, 0);
    DType t = code ? dtype_from_onnx(code) : otherwise;
    if (t == DT_NONE) bad(n, "attribute \"%s\" asks for an unknown element type", name);
    return t;
}

/* What x / scale is computed in: the scale's type says it; powers of two leave that open. */
static DType division_type(OnnxNode *n, const Value *x, const Value *scale) {
    DType s = scale->type.dtype,
          t = s == DT_I32 ? DT_F64 : s != DT_F8E8M0 ? s : x->type.dtype == DT_F64 ? DT_F64 : DT_F32;
    t = type_attr(n, "precision", t);
    if (t == DT_NONE || (dtype_is_float(t) && !dtype_is_narrow(t))) return t;
    bad(n, "attribute \"precision\" asks for %s", dtype_name(t));
    return DT_NONE;
}

ONNX_OP(QuantizeLinear, 10) {
    ATTRS("axis:i@13 saturate:i@19 block_size:i@21 output_dtype:i@21 precision:i@23");
    Value *x = need(n, 0, T_F | T_S), *scale = need(n, 1, T_F | T_S | T_N),
          *zero = maybe(n, 2, T_INT | T_N);
    int axis;
    if (!x || !scale || (has(n, 2) && !zero) || !read_axis(n, x, 1, 1, &axis)) return false;
    DType t = type_attr(n, "output_dtype", zero ? zero->type.dtype : DT_U8),
          work = division_type(n, x, scale);
    if (t == DT_NONE || work == DT_NONE) return false;
    if (!is_quantized(t)) return bad(n, "%s is no type to quantize to", dtype_name(t));
    if (zero && zero->type.dtype != t)
        return bad(n, "the zero point is %s and attribute \"output_dtype\" asks for %s",
                   dtype_name(zero->type.dtype), dtype_name(t));
    int64_t block = attr_int(n, "block_size", 0);
    scale = spread(n, cast_to(n, scale, work), &x->type, axis, block);
    if (zero && !(zero = spread(n, zero, &x->type, axis, block))) return false;
    bool saturate = attr_int(n, "saturate", 1);
    return give(n, 0, quantize(n, cast_to(n, x, work), scale, zero, t, saturate));
}

/* (x - zero point) * scale in f32, which holds the difference exactly, and one rounding more. */
ONNX_OP(DequantizeLinear, 10) {
    ATTRS("axis:i@13 block_size:i@21 output_dtype:i@23");
    Value *x = need(n, 0, T_INT | T_N), *scale = need(n, 1, T_FLOAT | T_N),
          *zero = maybe(n, 2, T_INT | T_N);
    int axis;
    if (!x || !scale || (has(n, 2) && !zero) || !same_dtype(n, 0, 2) ||
        !read_axis(n, x, 1, 1, &axis))
        return false;
    int64_t block = attr_int(n, "block_size", 0);
    DType t = type_attr(n, "output_dtype", scale->type.dtype);
    if (t == DT_NONE) return false;
    if (!dtype_is_float(t) || dtype_is_narrow(t))
        return bad(n, "the output would be %s: attribute \"output_dtype\" must name a float type",
                   dtype_name(t));
    DType work = t == DT_F64 || scale->type.dtype == DT_F64 ? DT_F64 : DT_F32,
          exact = dtype_is_float(x->type.dtype) ? work : DT_I32;
    Value *y = cast_to(n, x, exact);
    if (zero) y = bin(n, SOP_sub, y, cast_to(n, spread(n, zero, &x->type, axis, block), exact));
    scale = spread(n, cast_to(n, scale, work), &x->type, axis, block);
    return give(n, 0, cast_to(n, bin(n, SOP_mul, cast_to(n, y, work), scale), t));
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
    Value *range = bin(n, SOP_sub, hi, lo), *flat = bin(n, SOP_eq, range, zero);
    Value *scale = sel(n, flat, num(n, x, 1), bin(n, SOP_div, range, flt(n, x, 255)));
    Value *point = un(n, SOP_round, bin(n, SOP_div, bin(n, SOP_sub, zero, lo), scale));
    point = to_integer(n, point, NULL, DT_U8);
    return give(n, 1, scale) && give(n, 2, point) &&
           give(n, 0, quantize(n, x, scale, point, DT_U8, true));
}

/* ---- products of quantized numbers ---- */

static bool is_one(const Value *v) {
    return v->type.rank == 0 || (v->type.rank == 1 && expr_is(v->type.dims[0], 1));
}

/* Input k minus its zero point (input z), exactly: in i32, floats in f32. rows: a list of zero
 * points belongs to the rows of a matrix. */
static Value *centred(OnnxNode *n, int k, int z, bool rows) {
    Value *x = need(n, k, T_INT | T_N);
    DType wide = x && dtype_is_float(x->type.dtype) ? DT_F32 : DT_I32;
    x = cast_to(n, x, wide);
    if (!x || !has(n, z)) return x;
    Value *zero = cast_to(n, need(n, z, T_INT | T_N), wide);
    if (!zero || !same_dtype(n, k, z)) return NULL;
    if (is_one(zero)) zero = reshape_to(n, zero, NULL, 0);
    else if (zero->type.rank == 1 && rows) zero = unsqueeze(n, zero, 1);
    return bin(n, SOP_sub, x, zero);
}

/* A scale in f32; a list of them belongs to the rows of a matrix, or to its columns. */
static Value *scale_of(OnnxNode *n, int k, bool rows) {
    Value *s = cast_to(n, need(n, k, T_FLOAT), DT_F32);
    if (!s || s->type.rank != 1) return s;
    return is_one(s) ? reshape_to(n, s, NULL, 0) : rows ? unsqueeze(n, s, 1) : s;
}

/* sum * (a * b / y), rounded and limited to the type of the zero point, which is added. */
static Value *requantize(OnnxNode *n, Value *sum, Value *a, Value *b, Value *y, Value *zero) {
    if (!zero) return NULL;
    DType t = zero->type.dtype;
    Value *factor = bin(n, SOP_div, bin(n, SOP_mul, a, b), y),
          *real = bin(n, SOP_mul, cast_to(n, sum, DT_F32), factor);
    if (!dtype_is_float(t)) return to_integer(n, un(n, SOP_round, real), zero, t);
    return cast_as_onnx(n, bin(n, SOP_add, real, cast_to(n, zero, DT_F32)), t, true, "up");
}

ONNX_OP(MatMulInteger, 10) {
    ATTRS("");
    return give(n, 0, matmul(n, centred(n, 0, 2, true), centred(n, 1, 3, false)));
}

ONNX_OP(QLinearMatMul, 10) {
    ATTRS("");
    Value *zero = need(n, 7, T_INT | T_N), *a = scale_of(n, 1, true), *b = scale_of(n, 4, false),
          *y = scale_of(n, 6, true);
    if (!zero || !a || !b || !y) return false;
    if (!is_quantized(zero->type.dtype))
        return bad(n, "%s is no type to quantize to", dtype_name(zero->type.dtype));
    if (zero->type.rank == 1)
        zero = is_one(zero) ? reshape_to(n, zero, NULL, 0) : unsqueeze(n, zero, 1);
    Value *sum = matmul(n, centred(n, 0, 2, true), centred(n, 3, 5, false));
    return give(n, 0, requantize(n, sum, a, b, y, zero));
}

/* The convolution of inputs x and w minus their zero points (x + 2 and w + 2 for QLinearConv). The
 * padding must be the zero point: so the input is centred first and padded with 0. */
static Value *centred_conv(OnnxNode *n, Value *x, int w, int zero, Value *bias) {
    Value *wide = cast_to(n, need(n, w, T_INT), DT_I32), *z = NULL;
    if (!x || !wide) return NULL;
    if (has(n, zero)) {
        z = cast_to(n, need(n, zero, T_INT), DT_I32);
        if (!z || !same_dtype(n, w, zero)) return NULL;
        z = is_one(z) ? reshape_to(n, z, NULL, 0) : per_channel(n, z, wide->type.rank + 1);
        if (!(wide = bin(n, SOP_sub, wide, z))) return NULL;
    }
    n->in[0] = x; /* as the checks of a convolution report on inputs 0 to 2 */
    n->in[1] = wide;
    if (bias) n->in[2] = bias;
    n->n_in = bias ? 3 : 2;
    return conv(n, x, wide, bias);
}

#define QUANTIZED_CONV_ATTRS                                                                       \
    "auto_pad:s(NOTSET|SAME_UPPER|SAME_LOWER|VALID) dilations:I group:i kernel_shape:I "           \
    "pads:I strides:I"

ONNX_OP(ConvInteger, 10) {
    ATTRS(QUANTIZED_CONV_ATTRS);
    return want_inputs(n, 2, 4) && give(n, 0, centred_conv(n, centred(n, 0, 2, false), 1, 3, NULL));
}

/* Scale and zero point of the weights may be lists: one for each output channel. */
ONNX_OP(QLinearConv, 10) {
    ATTRS(QUANTIZED_CONV_ATTRS);
    if (!want_inputs(n, 8, 9)) return false;
    Value *x = centred(n, 0, 2, false), *a = scale_of(n, 1, false), *b = scale_of(n, 4, false),
          *y = scale_of(n, 6, false), *zero = need(n, 7, T_INT), *bias = maybe(n, 8, T_S);
    if (!x || !a || !b || !y || !zero || (has(n, 8) && !bias)) return false;
    if (b->type.rank == 1) b = per_channel(n, b, x->type.rank);
    zero = is_one(zero) ? reshape_to(n, zero, NULL, 0) : zero;
    return give(n, 0, requantize(n, centred_conv(n, x, 3, 5, bias), a, b, y, zero));
}
