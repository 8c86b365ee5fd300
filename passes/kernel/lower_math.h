/* Shared by lower_math*.c: expressions of one float type, written shortly.
 *
 * Everything is branch-free: what differs by range is computed on both sides and selected. A
 * product that must be exact is exact without fma, too, so that targets that have none keep
 * the bounds of docs/numerics.md but for the last bits. Constants are given as double and
 * rounded to the type. */
#ifndef ONNXCC_PASSES_LOWER_MATH_H
#define ONNXCC_PASSES_LOWER_MATH_H

#include "passes/passes.h"

typedef struct Math {
    Ctx *ctx;
    DType type, bits; /* f32 and i32, or f64 and i64 */
} Math;
static inline bool math_is_f32(const Math *m) {
    return m->type == DT_F32;
}

/* ---- lower_math.c: the vocabulary ---- */
Expr *m_num(Math *, double);
Expr *m_int(Math *, int64_t); /* of the type `bits` */
Expr *m_add(Math *, Expr *, Expr *);
Expr *m_sub(Math *, Expr *, Expr *);
Expr *m_mul(Math *, Expr *, Expr *);
Expr *m_div(Math *, Expr *, Expr *);
Expr *m_fma(Math *, Expr *a, Expr *b, Expr *c);
Expr *m_neg(Math *, Expr *);
Expr *m_abs(Math *, Expr *);
Expr *m_sqrt(Math *, Expr *);
Expr *m_lt(Math *, Expr *, Expr *);
Expr *m_eq(Math *, Expr *, Expr *);
Expr *m_select(Math *, Expr *c, Expr *a, Expr *b);
Expr *m_at_most(Math *, Expr *x, double limit); /* one instruction; NaN stays */
Expr *m_at_least(Math *, Expr *x, double limit);
Expr *m_to_bits(Math *, Expr *);
Expr *m_of_bits(Math *, Expr *);
Expr *m_copysign(Math *, Expr *size, Expr *sign);         /* size must not be negative */
Expr *m_poly(Math *, Expr *x, const double *coef, int n); /* coef[0] + coef[1] x + ... */
#define M_POLY(m, x, array) m_poly(m, x, array, LEN(array))

/* ---- lower_math_exp.c ---- */
Expr *math_exp(Math *, Expr *x);
/* For x <= 0 (or NaN), with less work; not exact: a few more last bits are lost as x falls. */
Expr *math_exp_down(Math *, Expr *x, bool exact);
Expr *math_half_exp(Math *, Expr *x); /* exp(x) / 2, finite where that is */
Expr *math_expm1(Math *, Expr *x);
Expr *math_tanh(Math *, Expr *x);
Expr *math_sigmoid(Math *, Expr *x);
Expr *math_sinh(Math *, Expr *x);
Expr *math_cosh(Math *, Expr *x);

/* ---- lower_math_erf.c ---- */
Expr *math_erf(Math *, Expr *x);

/* ---- lower_math_log.c ---- */
Expr *math_log(Math *, Expr *x);
Expr *math_log_twice(Math *, Expr *x, Expr **rest); /* f64: the sum of two numbers */
Expr *math_log1p(Math *, Expr *x);
Expr *math_asinh(Math *, Expr *x);
Expr *math_acosh(Math *, Expr *x);
Expr *math_atanh(Math *, Expr *x);

/* ---- lower_math_trig.c ---- */
Expr *math_sin(Math *, Expr *x);
Expr *math_cos(Math *, Expr *x);
Expr *math_tan(Math *, Expr *x);
Expr *math_asin(Math *, Expr *x);
Expr *math_acos(Math *, Expr *x);
Expr *math_atan(Math *, Expr *x);

/* ---- lower_math_pow.c ---- */
Expr *math_pow(Math *, Expr *x, Expr *y);
Expr *math_pow_const(Ctx *, Expr *x, double y); /* NULL: not one of the simple exponents */
Expr *math_pow_int(Ctx *, Expr *x, Expr *y);

#endif
