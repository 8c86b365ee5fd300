/* log and what is made of it: log1p, asinh, acosh, atanh.
 *
 * x = 2^e m with m near 1; log x = e ln2 + log m. In f32 log m = f - f^2/2 + f^3 P(f) with f =
 * m - 1; in f64 log m = 2s + s^3 R(s^2) with s = f / (2 + f). */
#include "passes/kernel/lower_math.h"

static const double log32[] = {0.3333333134651184,  -0.2500082552433014, 0.20001250505447388,
                               -0.1662319004535675, 0.14201176166534424, -0.13161464035511017,
                               0.1276620775461197,  -0.07636449486017227};
static const double log64[] = {0.6666666666666666,  0.40000000000000885, 0.28571428570799784,
                               0.22222222392581045, 0.18181795547521137, 0.15386244737621665,
                               0.13268638369266825, 0.13088034850927555};
static const double infinity = 1.0 / 0.0;

typedef struct Parts {
    Expr *e, *m; /* the exponent as a number; the rest, sqrt(1/2) to sqrt(2) */
} Parts;

static Parts take_apart(Math *m, Expr *x) {
    bool f32 = math_is_f32(m);
    int mantissa = f32 ? 23 : 52;
    int64_t low = f32 ? 0x3f3504f3 : 0x3fe6a09e667f3bcd; /* sqrt(1/2) */
    double least = f32 ? 1.1754943508222875e-38 : 2.2250738585072014e-308;
    Expr *tiny = m_lt(m, x, m_num(m, least));
    Expr *normal =
        m_select(m, tiny, m_mul(m, x, m_num(m, f32 ? 8388608.0 : 4503599627370496.0)), x);
    Expr *above = m_sub(m, m_to_bits(m, normal), m_int(m, low));
    Expr *e = expr_op2(m->ctx, SOP_shr, above, m_int(m, mantissa));
    Expr *rest = expr_op2(m->ctx, SOP_and, above, m_int(m, ((int64_t)1 << mantissa) - 1));
    Expr *back = m_select(m, tiny, m_num(m, mantissa), m_num(m, 0));
    Parts p = {m_sub(m, expr_cast(m->ctx, m->type, e), back), NULL};
    p.m = m_of_bits(m, m_add(m, rest, m_int(m, low)));
    return p;
}

/* e ln2 + log(1 + f) + c, for a small correction c. */
static Expr *join(Math *m, Expr *e, Expr *f, Expr *c) {
    if (!math_is_f32(m)) {
        Expr *s = m_div(m, f, m_add(m, f, m_num(m, 2))), *z = m_mul(m, s, s);
        Expr *half = m_mul(m, m_mul(m, f, f), m_num(m, 0.5));
        Expr *r = m_mul(m, M_POLY(m, z, log64), z); /* (log m - 2s) / s */
        /* log m = f - half + s (half + r): 2s = f - s f, and s f = half - s half. */
        Expr *tail =
            m_fma(m, s, m_add(m, half, r), m_fma(m, e, m_num(m, 1.9082149292705877e-10), c));
        return m_fma(m, e, m_num(m, 0.6931471803691238), m_sub(m, f, m_sub(m, half, tail)));
    }
    Expr *z = m_mul(m, f, f);
    Expr *tail = m_fma(m, e, m_num(m, -2.12194440e-4), c);
    tail = m_fma(m, m_mul(m, z, f), M_POLY(m, f, log32), tail);
    tail = m_fma(m, z, m_num(m, -0.5), tail);
    return m_fma(m, e, m_num(m, 0.693359375), m_add(m, f, tail));
}

/* At 0, below 0, at infinity and NaN. */
static Expr *log_ends(Math *m, Expr *x, Expr *value) {
    Expr *zero = m_num(m, 0), *nan = m_num(m, 0.0 / 0.0);
    Expr *low = m_select(m, m_eq(m, x, zero), m_num(m, -infinity), nan);
    value = m_select(m, m_lt(m, zero, x), value, low);
    return m_select(m, m_eq(m, x, m_num(m, infinity)), x, value);
}

/* a + b, and what that loses, added to *rest; |a| >= |b| or a is 0. */
static Expr *add_exactly(Math *m, Expr *a, Expr *b, Expr **rest) {
    Expr *sum = m_add(m, a, b);
    *rest = m_add(m, *rest, m_sub(m, b, m_sub(m, sum, a)));
    return sum;
}

/* log m as twice s + s^3 R(s^2), s = f / (2 + f) in two numbers. */
Expr *math_log_twice(Math *m, Expr *x, Expr **rest) {
    Parts p = take_apart(m, x);
    Expr *f = m_sub(m, p.m, m_num(m, 1)), *d = m_add(m, f, m_num(m, 2));
    Expr *lost = m_sub(m, f, m_sub(m, d, m_num(m, 2)));
    Expr *s = m_div(m, f, d), *z = m_mul(m, s, s);
    Expr *more = m_fma(m, m_neg(m, s), lost, m_fma(m, m_neg(m, s), d, f));
    more = m_mul(m, m_num(m, 2), m_div(m, more, d));
    Expr *low = m_fma(m, m_mul(m, z, s), M_POLY(m, z, log64), more);
    low = m_fma(m, p.e, m_num(m, 1.9082149292705877e-10), low);
    Expr *high = m_mul(m, p.e, m_num(m, 0.6931471803691238)), *zero = m_num(m, 0);
    Expr *tail = zero;
    high = add_exactly(m, high, m_add(m, s, s), &tail);
    high = add_exactly(m, high, low, &tail);
    *rest = tail;
    return log_ends(m, x, high);
}

Expr *math_log(Math *m, Expr *x) {
    Parts p = take_apart(m, x);
    Expr *f = m_sub(m, p.m, m_num(m, 1));
    return log_ends(m, x, join(m, p.e, f, m_num(m, 0)));
}

/* log u with u = 1 + x, and what u lost, (x - (u - 1)) / u. */
Expr *math_log1p(Math *m, Expr *x) {
    Expr *one = m_num(m, 1), *u = m_add(m, one, x);
    Parts p = take_apart(m, u);
    Expr *lost = m_sub(m, x, m_sub(m, u, one));
    Expr *big = m_lt(m, m_num(m, 1e6), x); /* then u - 1 loses nothing that matters */
    Expr *c = m_select(m, big, m_num(m, 0), m_div(m, lost, u));
    Expr *value = log_ends(m, u, join(m, p.e, m_sub(m, p.m, one), c));
    Expr *tiny = m_lt(m, m_abs(m, x), m_num(m, math_is_f32(m) ? 1e-8 : 1e-17));
    return m_select(m, tiny, x, value);
}

/* log1p(a + a^2 / (1 + sqrt(a^2 + 1))); for large a log a + ln 2. */
Expr *math_asinh(Math *m, Expr *x) {
    double limit = math_is_f32(m) ? 1e9 : 1e17;
    Expr *a = m_abs(m, x), *one = m_num(m, 1), *big = m_lt(m, m_num(m, limit), a);
    Expr *near = m_at_most(m, a, limit), *z = m_mul(m, near, near);
    Expr *root = m_sqrt(m, m_add(m, z, one));
    Expr *small = m_add(m, near, m_div(m, z, m_add(m, one, root)));
    Expr *sum = math_log1p(m, m_select(m, big, a, small));
    Expr *more = m_select(m, big, m_num(m, 0.6931471805599453), m_num(m, 0));
    return m_copysign(m, m_add(m, sum, more), x);
}

/* log1p(t + sqrt(2t + t^2)) with t = x - 1; for large x log x + ln 2. */
Expr *math_acosh(Math *m, Expr *x) {
    double limit = math_is_f32(m) ? 1e9 : 1e17;
    Expr *one = m_num(m, 1), *big = m_lt(m, m_num(m, limit), x);
    Expr *t = m_sub(m, m_at_most(m, x, limit), one);
    Expr *root = m_sqrt(m, m_fma(m, t, t, m_add(m, t, t)));
    Expr *sum = math_log1p(m, m_select(m, big, x, m_add(m, t, root)));
    Expr *more = m_select(m, big, m_num(m, 0.6931471805599453), m_num(m, 0));
    return m_select(m, m_lt(m, x, one), m_num(m, 0.0 / 0.0), m_add(m, sum, more));
}

/* log1p(2a / (1 - a)) / 2 */
Expr *math_atanh(Math *m, Expr *x) {
    Expr *a = m_abs(m, x), *one = m_num(m, 1);
    Expr *ratio = m_div(m, m_add(m, a, a), m_sub(m, one, a));
    Expr *value = m_mul(m, m_num(m, 0.5), math_log1p(m, ratio));
    return m_select(m, m_lt(m, one, a), m_num(m, 0.0 / 0.0), m_copysign(m, value, x));
}
