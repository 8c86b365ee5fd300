/* Codes of narrow types as expressions of integers and f32: what ir/dtype_narrow.c computes, for
 * every executor, without branches. */
#include "passes/kernel/carriers.h"

static Expr *i32(Ctx *c, int64_t v) {
    return expr_const_int(c, DT_I32, v);
}

static Expr *f32(Ctx *c, double v) {
    return expr_const_flt(c, DT_F32, v);
}

static Expr *op(Ctx *c, ScalarOp o, Expr *a, int64_t b) {
    return expr_op2(c, o, a, i32(c, b));
}

static Expr *pick(Ctx *c, Expr *cond, Expr *a, Expr *b) {
    return expr_op3(c, SOP_select, cond, a, b);
}

static int64_t bits_of(float v) {
    int32_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

enum { F32_INF = 0x7f800000, F32_MIN = 0x400000 /* 2^-127 */ };

/* 2^e */
static float power(int e) {
    return narrow_to_f32(DT_F8E8M0, (uint8_t)(e + 127));
}

/* ---- decoding ---- */

static Expr *power_to_f32(Ctx *c, Expr *u) {
    Expr *bits = op(c, SOP_shl, u, 23);
    bits = pick(c, op(c, SOP_eq, u, 0), i32(c, F32_MIN), bits);
    return expr_bits(c, DT_F32, pick(c, op(c, SOP_eq, u, 255), i32(c, 0x7fc00000), bits));
}

Expr *code_to_f32(Ctx *c, DType t, Expr *code) {
    const FloatFormat *f = dtype_format(t);
    Expr *u = expr_cast(c, DT_I32, code);
    if (!f) return power_to_f32(c, u);
    int width = f->exp + f->mant;
    int64_t mask = ((int64_t)1 << width) - 1;
    Expr *size = op(c, SOP_and, u, mask),
         *sign = op(c, SOP_shl, op(c, SOP_and, u, mask + 1), 31 - width);
    Expr *normal =
        op(c, SOP_add, op(c, SOP_shl, size, 23 - f->mant), (int64_t)(127 - f->bias) << 23);
    Expr *small =
        expr_op2(c, SOP_mul, expr_cast(c, DT_F32, size), f32(c, power(1 - f->bias - f->mant)));
    Expr *v = pick(c, op(c, SOP_lt, size, 1 << f->mant), expr_bits(c, DT_I32, small), normal);
    Expr *nan = i32(c, 0x7fc00000), *over = nan;
    if (f->inf) over = pick(c, op(c, SOP_eq, size, f->inf), i32(c, F32_INF), nan);
    if (f->max < mask) v = pick(c, op(c, SOP_gt, size, f->max), over, v);
    if (f->uz) v = pick(c, op(c, SOP_eq, u, mask + 1), nan, v);
    return expr_bits(c, DT_F32, expr_op2(c, SOP_or, v, sign));
}

/* ---- encoding ---- */

static Expr *code_of_power(Ctx *c, Expr *size) {
    Expr *up = op(c, SOP_shr, op(c, SOP_add, size, 0x7fffff), 23);
    up = pick(c, op(c, SOP_gt, up, 254), i32(c, 254), up);
    up = pick(c, op(c, SOP_le, size, F32_MIN), i32(c, 0), up);
    return pick(c, op(c, SOP_gt, size, F32_INF), i32(c, 255), up);
}

/* The code of a magnitude, given by its bits in f32, without limit above. Normal numbers round as
 * integers; below them adding a large number rounds to the unit of the subnormals. */
static Expr *rounded(Ctx *c, const FloatFormat *f, Expr *size) {
    int shift = 23 - f->mant;
    Expr *odd = op(c, SOP_and, op(c, SOP_shr, size, shift), 1);
    Expr *n = expr_op2(c, SOP_add, op(c, SOP_add, size, (1 << (shift - 1)) - 1), odd);
    n = op(c, SOP_sub, op(c, SOP_shr, n, shift), (int64_t)(127 - f->bias) << f->mant);
    float large = power(24 - f->bias - f->mant);
    Expr *sum = expr_op2(c, SOP_add, expr_bits(c, DT_F32, size), f32(c, large));
    Expr *small = op(c, SOP_sub, expr_bits(c, DT_I32, sum), bits_of(large));
    return pick(c, op(c, SOP_lt, size, bits_of(power(1 - f->bias))), small, n);
}

Expr *code_of_f32(Ctx *c, DType t, Expr *x) {
    const FloatFormat *f = dtype_format(t);
    Expr *bits = expr_bits(c, DT_I32, x), *size = op(c, SOP_and, bits, 0x7fffffff);
    if (!f) return expr_cast(c, DT_U8, code_of_power(c, size));
    int width = f->exp + f->mant;
    int64_t top = (int64_t)1 << width;
    Expr *sign = op(c, SOP_and, op(c, SOP_shr, bits, 31 - width), top);
    Expr *code = rounded(c, f, size);
    code = pick(c, op(c, SOP_gt, code, f->max), i32(c, f->over), code);
    Expr *whole = expr_op2(c, SOP_or, code, sign);
    if (f->uz) whole = pick(c, op(c, SOP_eq, code, 0), code, whole);
    Expr *nan = i32(c, f->nan);
    if (f->nan < top) nan = expr_op2(c, SOP_or, nan, sign);
    return expr_cast(c, DT_U8, pick(c, op(c, SOP_gt, size, F32_INF), nan, whole));
}

Expr *f32_to_odd(Ctx *c, Expr *x) {
    Expr *near = expr_cast(c, DT_F32, x), *back = expr_cast(c, DT_F64, near),
         *bits = expr_bits(c, DT_I32, near);
    Expr *beyond = expr_op2(c, SOP_gt, expr_op1(c, SOP_abs, back), expr_op1(c, SOP_abs, x));
    Expr *cut = op(c, SOP_or, pick(c, beyond, op(c, SOP_sub, bits, 1), bits), 1);
    return expr_bits(c, DT_F32, pick(c, expr_op2(c, SOP_eq, back, x), bits, cut));
}

/* ---- bits ---- */

Expr *bits_of_carrier(Ctx *c, DType t, Expr *carrier) {
    Expr *byte = expr_bits(c, DT_U8, carrier);
    if (dtype_bits(t) == 8) return byte;
    return expr_op2(c, SOP_and, byte, expr_const_int(c, DT_U8, (1 << dtype_bits(t)) - 1));
}

Expr *carrier_of_bits(Ctx *c, DType t, Expr *byte) {
    int unused = 8 - dtype_bits(t);
    if (dtype_carrier(t) == DT_U8) return bits_of_carrier(c, t, byte);
    Expr *n = expr_const_int(c, DT_I8, unused), *v = expr_bits(c, DT_I8, byte);
    return unused ? expr_op2(c, SOP_shr, expr_op2(c, SOP_shl, v, n), n) : v;
}
