/* Operators that work element by element: arithmetic, comparisons, logic, bits. */
#include "frontend/ops.h"

/* Before opset 7 two shapes had to be equal, or `broadcast` aligned the second one at `axis` of the
 * first. */
#define LEGACY "axis:i<7 broadcast:i<7 consumed_inputs:I<6"

static Value *align_legacy(OnnxNode *n, Value *a, Value *b) {
    if (n->opset >= 7 || !attr_int(n, "broadcast", 0) || !attr_has(n, "axis")) return b;
    int axis, rank = a->type.rank;
    Expr *dims[MAX_RANK];
    if (!axis_in(n, attr_int(n, "axis", 0), rank, &axis)) return NULL;
    if (axis + b->type.rank > rank) return bad(n, "axis %d leaves no room for input 1", axis), NULL;
    for (int i = 0; i < rank - axis; i++) dims[i] = i < b->type.rank ? b->type.dims[i] : ix(n, 1);
    return reshape_to(n, b, dims, rank - axis);
}

static bool binary(OnnxNode *n, ScalarOp op, int types) {
    Value *a = need(n, 0, types), *b = need(n, 1, types);
    if (!a || !b || !want_inputs(n, 2, 2) || !same_dtype(n, 0, 1)) return false;
    return give(n, 0, bin(n, op, a, align_legacy(n, a, b)));
}

static bool unary(OnnxNode *n, ScalarOp op, int types) {
    return want_inputs(n, 1, 1) && give(n, 0, un(n, op, need(n, 0, types)));
}

#define BINARY(op, types)                                                                          \
    {                                                                                              \
        ATTRS(LEGACY);                                                                             \
        return binary(n, SOP_##op, types);                                                         \
    }
#define UNARY(op, types)                                                                           \
    {                                                                                              \
        ATTRS("consumed_inputs:I<6");                                                              \
        return unary(n, SOP_##op, types);                                                          \
    }

/* clang-format off */
ONNX_OP(Add, 1) BINARY(add, T_NUM)
ONNX_OP(Sub, 1) BINARY(sub, T_NUM)
ONNX_OP(Mul, 1) BINARY(mul, T_NUM)
ONNX_OP(Div, 1) BINARY(div, T_NUM)
ONNX_OP(Greater, 1) BINARY(gt, T_NUM)
ONNX_OP(Less, 1) BINARY(lt, T_NUM)
ONNX_OP(GreaterOrEqual, 12) BINARY(ge, T_NUM)
ONNX_OP(LessOrEqual, 12) BINARY(le, T_NUM)
ONNX_OP(And, 1) BINARY(and, T_B)
ONNX_OP(Or, 1) BINARY(or, T_B)
ONNX_OP(Xor, 1) BINARY(xor, T_B)
ONNX_OP(BitwiseAnd, 18) BINARY(and, T_INT)
ONNX_OP(BitwiseOr, 18) BINARY(or, T_INT)
ONNX_OP(BitwiseXor, 18) BINARY(xor, T_INT)
ONNX_OP(BitwiseNot, 18) UNARY(not, T_INT)
ONNX_OP(Not, 1) UNARY(not, T_B)
ONNX_OP(Abs, 1) UNARY(abs, T_NUM)
ONNX_OP(Neg, 1) UNARY(neg, T_SIGNED)
ONNX_OP(Sign, 9) UNARY(sign, T_NUM)
ONNX_OP(Floor, 1) UNARY(floor, T_FLOAT)
ONNX_OP(Ceil, 1) UNARY(ceil, T_FLOAT)
ONNX_OP(Round, 11) UNARY(round, T_FLOAT)
ONNX_OP(Sqrt, 1) UNARY(sqrt, T_FLOAT)
ONNX_OP(Reciprocal, 1) UNARY(rcp, T_FLOAT)
ONNX_OP(Exp, 1) UNARY(exp, T_FLOAT)
ONNX_OP(Log, 1) UNARY(log, T_FLOAT)
ONNX_OP(Sin, 7) UNARY(sin, T_FLOAT)
ONNX_OP(Cos, 7) UNARY(cos, T_FLOAT)
ONNX_OP(Tan, 7) UNARY(tan, T_FLOAT)
ONNX_OP(Asin, 7) UNARY(asin, T_FLOAT)
ONNX_OP(Acos, 7) UNARY(acos, T_FLOAT)
ONNX_OP(Atan, 7) UNARY(atan, T_FLOAT)
ONNX_OP(Sinh, 9) UNARY(sinh, T_FLOAT)
ONNX_OP(Cosh, 9) UNARY(cosh, T_FLOAT)
ONNX_OP(Asinh, 9) UNARY(asinh, T_FLOAT)
ONNX_OP(Acosh, 9) UNARY(acosh, T_FLOAT)
ONNX_OP(Atanh, 9) UNARY(atanh, T_FLOAT)
ONNX_OP(Tanh, 1) UNARY(tanh, T_FLOAT)
ONNX_OP(Sigmoid, 1) UNARY(sigmoid, T_FLOAT)
ONNX_OP(IsNaN, 9) UNARY(isnan, T_FLOAT | T_N)

ONNX_OP(IsInf, 10) {
    ATTRS("detect_negative:i detect_positive:i");
    Value *x = need(n, 0, T_FLOAT | T_N), *inf = un(n, SOP_isinf, x), *zero = num(n, x, 0);
    bool below = attr_int(n, "detect_negative", 1), above = attr_int(n, "detect_positive", 1);
    if (!below && !above) return give(n, 0, bin(n, SOP_ne, inf, inf));
    if (below && above) return give(n, 0, inf);
    return give(n, 0, bin(n, SOP_and, inf, bin(n, above ? SOP_gt : SOP_lt, x, zero)));
}
/* clang-format on */

/* The result has the base's type; another type of exponent is converted, integers go through f64.
 */
ONNX_OP(Pow, 1) {
    ATTRS("axis:i<7 broadcast:i<7");
    Value *a = need(n, 0, T_NUM), *b = need(n, 1, T_NUM);
    if (!a || !b || (n->opset < 12 && !same_dtype(n, 0, 1))) return false;
    DType result = a->type.dtype, work = dtype_is_float(result) ? result : DT_F64;
    b = align_legacy(n, a, b);
    bool square = b && b->data && b->data->elements == 1 && const_get(b->data, 0) == 2;
    if (square && b->type.rank <= a->type.rank) return give(n, 0, bin(n, SOP_mul, a, a));
    Value *y = bin(n, SOP_pow, cast_to(n, a, work), cast_to(n, b, work));
    return give(n, 0, cast_to(n, y, result));
}

/* Of integers: taken in f64, and cut off. */
ONNX_OP(Erf, 9) {
    ATTRS("");
    Value *x = need(n, 0, T_NUM);
    DType t = x ? x->type.dtype : DT_F32;
    Value *y = un(n, SOP_erf, cast_to(n, x, dtype_is_float(t) ? t : DT_F64));
    return give(n, 0, cast_to(n, y, t));
}

ONNX_OP(Mod, 10) {
    ATTRS("fmod:i");
    bool fmod = attr_int(n, "fmod", 0);
    return binary(n, fmod ? SOP_rem : SOP_mod, fmod ? T_NUM : T_INT);
}

ONNX_OP(BitShift, 11) {
    ATTRS("direction:s(LEFT|RIGHT)!");
    return binary(n, attr_is(n, "direction", "LEFT") ? SOP_shl : SOP_shr, T_U);
}

/* Any number of inputs, combined from left to right. */
static Value *variadic(OnnxNode *n, ScalarOp op, int types) {
    Value *y = need(n, 0, types);
    for (int i = 1; i < n->n_in && y; i++) {
        Value *next = need(n, i, types);
        if (!next || !same_dtype(n, 0, i)) return NULL;
        y = bin(n, op, y, next);
    }
    return y;
}

ONNX_OP(Min, 1) {
    ATTRS("consumed_inputs:I<6");
    return give(n, 0, variadic(n, SOP_min, T_NUM));
}

ONNX_OP(Max, 1) {
    ATTRS("consumed_inputs:I<6");
    return give(n, 0, variadic(n, SOP_max, T_NUM));
}

ONNX_OP(Sum, 1) {
    ATTRS("consumed_inputs:I<6");
    return give(n, 0, variadic(n, SOP_add, T_FLOAT));
}

ONNX_OP(Mean, 1) {
    ATTRS("consumed_inputs:I<6");
    Value *sum = variadic(n, SOP_add, T_FLOAT);
    return give(n, 0, n->n_in == 1 ? sum : bin(n, SOP_div, sum, flt(n, sum, n->n_in)));
}

ONNX_OP(Where, 9) {
    ATTRS("");
    Value *c = need(n, 0, T_B), *a = need(n, 1, T_ANY), *b = need(n, 2, T_ANY);
    if (!c || !a || !b || !same_dtype(n, 1, 2)) return false;
    return give(n, 0, sel(n, c, a, b));
}

ONNX_OP(Equal, 1) {
    ATTRS(LEGACY);
    Value *a = need(n, 0, T_PLAIN | T_STR), *b = need(n, 1, T_PLAIN | T_STR);
    if (!a || !b) return false;
    if (a->type.dtype != DT_STR) return binary(n, SOP_eq, T_PLAIN);
    return same_dtype(n, 0, 1) && give(n, 0, equal_strings(n, a, b));
}

/* A bound of Clip: attribute before opset 11, input from then on. *ok is lowered after an error. */
static Value *clip_bound(OnnxNode *n, const Value *x, const char *name, int k, bool *ok) {
    if (n->opset < 11) return attr_has(n, name) ? flt(n, x, attr_float(n, name, 0)) : NULL;
    if (!has(n, k)) return NULL;
    Value *v = maybe(n, k, T_NUM);
    *ok = *ok && v && want_rank(n, k, 0, 1) && same_dtype(n, 0, k);
    return *ok ? v : NULL;
}

ONNX_OP(Clip, 1) {
    ATTRS("max:f<11 min:f<11 consumed_inputs:I<6");
    bool ok = true;
    Value *x = need(n, 0, T_NUM);
    Value *lo = x ? clip_bound(n, x, "min", 1, &ok) : NULL,
          *hi = x ? clip_bound(n, x, "max", 2, &ok) : NULL;
    if (!x || !ok) return false;
    if (lo) x = bin(n, SOP_max, x, lo);
    if (hi) x = bin(n, SOP_min, x, hi);
    return give(n, 0, x);
}
