/* pow: small constant exponents by multiplication, integers by squaring, the rest as
 * exp(y log |x|), computed in f64, with the sign and the special cases of C. */
#include "passes/kernel/lower_math.h"

#include <math.h>

/* ---- constant exponents ---- */

static Expr *times(Ctx *ctx, Expr *a, Expr *b) {
    return expr_op2(ctx, SOP_mul, a, b);
}

static Expr *whole_power(Ctx *ctx, Expr *x, int n) {
    if (n == 1) return x;
    Expr *half = whole_power(ctx, x, n / 2), *square = times(ctx, half, half);
    return n % 2 ? times(ctx, square, x) : square;
}

Expr *math_pow_const(Ctx *ctx, Expr *x, double y) {
    double a = y < 0 ? -y : y;
    int twice = (int)(2 * (a > 16 ? 0 : a));
    if (y == 0) return expr_const_flt(ctx, x->type, 1);
    if (a > (x->type == DT_F64 ? 15 : 4) || (double)twice != 2 * a || (twice % 2 && a > 1.5))
        return NULL;
    Expr *value = twice > 1 ? whole_power(ctx, x, twice / 2) : NULL;
    Expr *root = twice % 2 ? expr_op1(ctx, SOP_sqrt, x) : NULL;
    if (value && root) value = times(ctx, value, root);
    if (!value) value = root;
    return y < 0 ? expr_op1(ctx, SOP_rcp, value) : value;
}

/* ---- integers ---- */

static Expr *negative_power(Ctx *ctx, Expr *x, Expr *odd) {
    DType t = x->type;
    Expr *zero = expr_const_int(ctx, t, 0), *one = expr_const_int(ctx, t, 1);
    Expr *minus = expr_const_int(ctx, t, -1);
    Expr *of_minus = expr_op3(ctx, SOP_select, odd, minus, one);
    Expr *other = expr_op3(ctx, SOP_select, expr_op2(ctx, SOP_eq, x, minus), of_minus, zero);
    return expr_op3(ctx, SOP_select, expr_op2(ctx, SOP_eq, x, one), one, other);
}

/* Bit by bit of the exponent; wraps as multiplication does. A negative exponent gives the integer
 * part of the quotient. */
Expr *math_pow_int(Ctx *ctx, Expr *x, Expr *y) {
    DType t = x->type;
    int64_t n;
    Expr *base = x, *zero = expr_const_int(ctx, t, 0), *one = expr_const_int(ctx, t, 1);
    if (expr_is_int(y, &n) && n >= 0 && n <= 8) return n ? whole_power(ctx, x, (int)n) : one;
    Expr *result = one, *odd = NULL;
    int bits = dtype_bits(t) - dtype_is_signed(t);
    for (int i = 0; i < bits; i++) {
        Expr *bit = expr_op2(ctx, SOP_and, y, expr_const_int(ctx, t, (int64_t)((uint64_t)1 << i)));
        Expr *set = expr_op2(ctx, SOP_ne, bit, zero);
        if (!i) odd = set;
        result = expr_op3(ctx, SOP_select, set, times(ctx, result, x), result);
        if (i + 1 < bits) x = times(ctx, x, x);
    }
    if (!dtype_is_signed(t)) return result;
    Expr *negative = expr_op2(ctx, SOP_lt, y, zero);
    return expr_op3(ctx, SOP_select, negative, negative_power(ctx, base, odd), result);
}

/* ---- floats ---- */

typedef struct Power {
    Math *m;
    Expr *x, *y, *whole, *odd; /* whole: y is an integer; odd: and an odd one */
} Power;

static Expr *both(Math *m, Expr *a, Expr *b) {
    return expr_op2(m->ctx, SOP_and, a, b);
}

static Expr *boolean(Math *m, bool v) {
    return expr_const_int(m->ctx, DT_BOOL, v);
}

static void look_at_exponent(Power *p) {
    Math *m = p->m;
    if (p->y->kind == E_FLT) {
        bool whole = floor(p->y->f) == p->y->f;
        p->whole = boolean(m, whole);
        p->odd = boolean(m, whole && floor(p->y->f / 2) != p->y->f / 2);
        return;
    }
    Expr *half = m_mul(m, p->y, m_num(m, 0.5));
    p->whole = m_eq(m, expr_op1(m->ctx, SOP_floor, p->y), p->y);
    Expr *even = m_eq(m, expr_op1(m->ctx, SOP_floor, half), half);
    p->odd = both(m, p->whole, expr_op1(m->ctx, SOP_not, even));
}

/* 1 to any power, anything to the power 0, and -1 to an infinite one. */
static Expr *is_one(Power *p) {
    Math *m = p->m;
    Expr *one = m_num(m, 1);
    if (p->y->kind == E_FLT && !isinf(p->y->f)) return m_eq(m, p->x, one);
    Expr *infinite = m_eq(m, m_abs(m, p->y), m_num(m, 1.0 / 0.0));
    Expr *minus = both(m, m_eq(m, p->x, m_num(m, -1)), infinite);
    Expr *plain = expr_op2(m->ctx, SOP_or, m_eq(m, p->x, one), m_eq(m, p->y, m_num(m, 0)));
    return expr_op2(m->ctx, SOP_or, plain, minus);
}

/* e^(y log a): the product has a rest, too, e^(t + u) = e^t (1 + u). */
static Expr *power(Math *d, Expr *a, Expr *y) {
    Expr *rest, *log = math_log_twice(d, a, &rest), *t = m_mul(d, y, log);
    Expr *u = m_fma(d, y, rest, m_fma(d, y, log, m_neg(d, t)));
    Expr *e = math_exp(d, t), *inside = m_lt(d, m_abs(d, t), m_num(d, 700));
    return m_select(d, inside, m_fma(d, e, u, e), e);
}

/* Exponents that are whole and at most 15: by multiplication, exact where the result is. */
static Expr *small_power(Math *m, Expr *x, Expr *y, Expr *otherwise) {
    Expr *n = expr_cast(m->ctx, m->bits, m_at_most(m, m_abs(m, y), 15)), *value = m_num(m, 1);
    Expr *square = x, *one = value;
    for (int i = 0; i < 4; i++) {
        Expr *bit = expr_op2(m->ctx, SOP_and, n, m_int(m, (int64_t)1 << i));
        Expr *set = expr_op2(m->ctx, SOP_ne, bit, m_int(m, 0));
        value = m_select(m, set, m_mul(m, value, square), value);
        square = m_mul(m, square, square);
    }
    value = m_select(m, m_lt(m, y, m_num(m, 0)), m_div(m, one, value), value);
    Expr *whole = m_eq(m, expr_cast(m->ctx, m->type, n), m_abs(m, y));
    return m_select(m, whole, value, otherwise);
}

Expr *math_pow(Math *m, Expr *x, Expr *y) {
    Power p = {.m = m, .x = x, .y = y};
    Math d = {m->ctx, DT_F64, DT_I64};
    look_at_exponent(&p);
    Expr *a = expr_cast(m->ctx, DT_F64, m_abs(m, x)), *wide = expr_cast(m->ctx, DT_F64, y);
    Expr *plain = math_is_f32(m) ? math_exp(&d, m_mul(&d, wide, math_log(&d, a))) : NULL;
    Expr *size = expr_cast(m->ctx, m->type, plain ? plain : power(&d, a, wide));
    Expr *value = m_select(m, p.odd, m_copysign(m, size, x), size);
    Expr *finite = m_lt(m, m_num(m, -1.0 / 0.0), x);
    Expr *negative = both(m, m_lt(m, x, m_num(m, 0)), finite);
    Expr *bad = both(m, negative, expr_op1(m->ctx, SOP_not, p.whole));
    value = m_select(m, bad, m_num(m, 0.0 / 0.0), value);
    if (!math_is_f32(m) && y->kind != E_FLT) value = small_power(m, x, y, value);
    return m_select(m, is_one(&p), m_num(m, 1), value);
}
