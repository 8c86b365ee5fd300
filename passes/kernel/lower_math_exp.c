/* exp and what is made of it: expm1, tanh, sigmoid, sinh, cosh.
 *
 * x = n ln2 + r with |r| <= ln2/2; e^x = 2^n e^r, e^r by a polynomial. n comes from adding a
 * number so large that only integers are left; the low bits of the sum then are n plus what
 * was added, which, moved up to the exponent, is the power of two itself. */
#include "passes/kernel/lower_math.h"

/* e^r = 1 + r + r^2 (c0 + c1 r + ...) */
static const double exp32[] = {0.4999999403953552, 0.1666652113199234, 0.04166826605796814,
                               0.008368677459657192, 0.001382073387503624};
static const double expm32[] = {0.5, 0.1666654497385025, 0.04166640341281891, 0.008366405963897705,
                                0.0013940657954663038};
static const double exp64[] = {0.5,
                               0.16666666666666669,
                               0.04166666666662399,
                               0.008333333333330051,
                               0.0013888888917281794,
                               0.00019841269863105968,
                               2.480152119021773e-05,
                               2.7557268378684192e-06,
                               2.7620138719733994e-07,
                               2.5100424157005067e-08};
static const double log2_e = 1.4426950408889634;

typedef struct Reduced {
    Expr *n; /* an integer */
    Expr *r;
    Expr *k; /* its low bits are n + bias */
} Reduced;

/* parts: how many pieces of ln 2 are taken off; 1 is enough where |x| is small or precision is not
 * needed. n times the first piece is exact. */
static Reduced reduce(Math *m, Expr *x, int64_t bias, int parts) {
    bool f32 = math_is_f32(m);
    double shift = (f32 ? 12582912.0 : 6755399441055744.0) + (double)bias;
    double hi = f32 ? 0.693359375 : 0.6931471803691238,
           lo = f32 ? -2.12194440e-4 : 1.9082149292705877e-10;
    Expr *t = m_fma(m, x, m_num(m, log2_e), m_num(m, shift));
    Reduced r = {.n = m_sub(m, t, m_num(m, shift)), .k = m_to_bits(m, t)};
    if (parts == 1) hi = 0.6931471805599453;
    r.r = m_fma(m, r.n, m_num(m, -hi), x);
    if (parts > 1) r.r = m_fma(m, r.n, m_num(m, -lo), r.r);
    return r;
}

static Expr *exp_poly(Math *m, Expr *r) {
    Expr *q = math_is_f32(m) ? M_POLY(m, r, exp32) : M_POLY(m, r, exp64);
    Expr *one = m_num(m, 1);
    return m_fma(m, m_fma(m, q, r, one), r, one);
}

static Expr *shift_left(Math *m, Expr *k) {
    return expr_op2(m->ctx, SOP_shl, k, m_int(m, math_is_f32(m) ? 23 : 52));
}

/* 2^(k - 2 bias of the exponent) e^r, in two steps: neither overflows before the result does. */
static Expr *scale_twice(Math *m, Expr *p, Expr *k) {
    Expr *half = expr_op2(m->ctx, SOP_shr, k, m_int(m, 1));
    Expr *rest = m_sub(m, k, half);
    p = m_mul(m, p, m_of_bits(m, shift_left(m, half)));
    return m_mul(m, p, m_of_bits(m, shift_left(m, rest)));
}

/* e^x * 2^more */
static Expr *scaled_exp(Math *m, Expr *x, int more) {
    bool f32 = math_is_f32(m);
    x = m_at_least(m, m_at_most(m, x, f32 ? 90 : 711), f32 ? -105 : -747);
    Reduced r = reduce(m, x, (f32 ? 254 : 2046) + more, 2);
    return scale_twice(m, exp_poly(m, r.r), r.k);
}

Expr *math_exp(Math *m, Expr *x) {
    return scaled_exp(m, x, 0);
}

Expr *math_half_exp(Math *m, Expr *x) {
    return scaled_exp(m, x, -1);
}

/* n is in -150..0, so that 2^(n + 64) is a normal number. */
Expr *math_exp_down(Math *m, Expr *x, bool exact) {
    if (!math_is_f32(m)) return math_exp(m, x);
    Reduced r = reduce(m, m_at_least(m, x, -104), 64 + 127, exact ? 2 : 1);
    Expr *p = m_mul(m, exp_poly(m, r.r), m_of_bits(m, shift_left(m, r.k)));
    return m_mul(m, p, m_num(m, 5.421010862427522e-20));
}

/* 2 (2^(n-1) p + (2^(n-1) - 1/2)) with p = e^r - 1: exact where n is 0, infinite where the
 * result is. */
Expr *math_expm1(Math *m, Expr *x) {
    bool f32 = math_is_f32(m);
    Expr *limited = m_at_least(m, m_at_most(m, x, f32 ? 89 : 710), f32 ? -20 : -40);
    Reduced r = reduce(m, limited, (f32 ? 127 : 1023) - 1, 2);
    Expr *q = f32 ? M_POLY(m, r.r, expm32) : M_POLY(m, r.r, exp64);
    Expr *p = m_fma(m, m_mul(m, r.r, r.r), q, r.r);
    Expr *s = m_of_bits(m, shift_left(m, r.k));
    Expr *half = m_fma(m, s, p, m_sub(m, s, m_num(m, 0.5)));
    return m_add(m, half, half);
}

/* t / (t + 2) with t = e^2|x| - 1 */
Expr *math_tanh(Math *m, Expr *x) {
    Expr *a = m_at_most(m, m_abs(m, x), 20);
    Expr *t = math_expm1(m, m_add(m, a, a));
    return m_copysign(m, m_div(m, t, m_add(m, t, m_num(m, 2))), x);
}

/* 1 / (1 + e) or e / (1 + e) with e = e^-|x|: nothing overflows, small results stay exact. */
Expr *math_sigmoid(Math *m, Expr *x) {
    Expr *e = math_exp_down(m, m_neg(m, m_abs(m, x)), true), *one = m_num(m, 1);
    Expr *top = m_select(m, m_lt(m, x, m_num(m, 0)), e, one);
    return m_div(m, top, m_add(m, one, e));
}

/* E + 1 / 4E with E = e^|x| / 2 */
Expr *math_cosh(Math *m, Expr *x) {
    Expr *e = math_half_exp(m, m_abs(m, x));
    return m_add(m, e, m_div(m, m_num(m, 0.25), e));
}

Expr *math_sinh(Math *m, Expr *x) {
    static const double c32[] = {0.1666666716337204, 0.008333311416208744, 0.00019842635083477944,
                                 2.7839255380968098e-6};
    static const double c64[] = {0.16666666666666666,    0.008333333333333333,
                                 0.00019841269841269773, 2.755731922404034e-06,
                                 2.505210836405804e-08,  1.6059048396350562e-10,
                                 7.646625361656657e-13,  2.8445264169895285e-15};
    Expr *a = m_abs(m, x), *e = math_half_exp(m, a);
    Expr *large = m_sub(m, e, m_div(m, m_num(m, 0.25), e));
    Expr *near = m_at_most(m, a, 1), *z = m_mul(m, near, near);
    Expr *q = math_is_f32(m) ? M_POLY(m, z, c32) : M_POLY(m, z, c64);
    Expr *small = m_fma(m, m_mul(m, near, z), q, near);
    return m_copysign(m, m_select(m, m_lt(m, m_num(m, 1), a), large, small), x);
}
