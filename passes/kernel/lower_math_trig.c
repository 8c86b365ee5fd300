/* sin, cos, tan and their inverses.
 *
 * x = q pi/2 + r with |r| <= pi/4, computed in f64. For f32, r is right to the last bit for all x,
 * with and without fma; for f64 for |x| up to 2^50 (with fma; 2^20 without). Beyond, results lie in
 * -1..1 and mean nothing. */
#include "passes/kernel/lower_math.h"

#include <math.h>

/* sin r = r + r^3 S(r^2); cos r = 1 - r^2/2 + r^4 C(r^2) */
static const double sin32[] = {-0.16666655242443085, 0.008332188241183758, -0.0001951801823452115};
static const double cos32[] = {0.04166664555668831, -0.00138873013202101, 2.443066841806285e-5};
static const double sin64[] = {
    -0.16666666666666666,    0.008333333333333331,  -0.00019841269841264968, 2.755731921926441e-06,
    -2.5052106206531682e-08, 1.605852751943773e-10, -7.586455940017973e-13};
static const double cos64[] = {
    0.041666666666666664,   -0.0013888888888888887,  2.4801587301584594e-05, -2.755731922136126e-07,
    2.0876755776671767e-09, -1.1470458608341428e-11, 4.745737811425911e-14};
/* asin z = z + z^3 A(z^2) up to 1/2; atan likewise up to 1 */
static const double asin32[] = {0.16666659712791443,  0.07500520348548889,  0.044513922184705734,
                                0.031832631677389145, 0.014345431700348854, 0.037646349519491196};
static const double asin64[] = {0.16666666666666669,  0.07499999999998389,  0.04464285714644605,
                                0.0303819441312372,   0.022372173243832207, 0.017352385393480947,
                                0.013971325328728771, 0.011478047472510145, 0.010330370295404406,
                                0.005424230839804001, 0.017493569476248205, -0.014999855783811349,
                                0.02886097438799853};
static const double atan32[] = {
    -0.33333298563957214,  0.1999852955341339,   -0.14264015853405,
    0.10950880497694016,   -0.08399306237697601, 0.05788138881325722,
    -0.031096985563635826, 0.010868685320019722, -0.0017828206764534116};
static const double atan64[] = {
    -0.3333333333333333,    0.1999999999999992,   -0.14285714285701234,   0.11111111110268297,
    -0.0909090906193528,    0.07692307078827029,  -0.06666657934573768,   0.05882264416776449,
    -0.052624922290256754,  0.04758080083637821,  -0.043306538430670664,  0.03938687540798632,
    -0.035271331066871296,  0.030330719265790507, -0.024191345810140718,  0.01718398172211335,
    -0.010412153260359241,  0.005140912856746939, -0.0019612554271685326, 0.0005376839297396244,
    -9.371186345052626e-05, 7.767624330289919e-06};
static const double half_pi = 1.5707963267948966;

/* 2/pi, 28 bits for each number: the first is worth itself, the next ones 2^-28 as much each. What
 * is multiplied with the 24 bits of an f32 is exact. (M. Payne and R. Hanek, SIGNUM 18, 1983.) */
enum { F32_DIGITS = 24, TURN_BITS = 28, TURN_PARTS = 4, TURN_RANGES = 4 };
static const double turns[TURN_PARTS + TURN_RANGES - 1] = {
    0.6366197615861893, 2.8941078931093216, 1.1640038043260574, 1.488759234547615,
    0.866224005818367, 2.161523088812828, 0.263919934630394,
};
/* Added to a number and subtracted again: it is rounded to a whole one, or to a multiple of 4 */
static const double whole = 6755399441055744.0, fours = 27021597764222976.0;

typedef struct Angle {
    Expr *q;     /* of the type `bits`: the quadrant in its two low bits */
    Expr *s, *c; /* sine and cosine of the rest */
} Angle;

/* The rest of x, an f32 as f64; *q: the quadrant in its low bits. Range i has whole multiples of
 * 2^(28 i), of which the first i numbers of 2/pi only make whole circles. */
static Expr *rest_of_f32(Math *d, Expr *x, Expr **q) {
    Expr *h = x, *part[TURN_PARTS], *size = m_abs(d, x);
    for (int j = 0; j < TURN_PARTS; j++) part[j] = m_num(d, ldexp(turns[j], -TURN_BITS * j));
    for (int i = 1; i < TURN_RANGES; i++) {
        Expr *near = m_lt(d, size, m_num(d, ldexp(1, TURN_BITS * i + F32_DIGITS - 1)));
        h = m_select(d, near, h, m_mul(d, x, m_num(d, ldexp(1, -TURN_BITS * i))));
        for (int j = 0; j < TURN_PARTS; j++) {
            Expr *next = m_num(d, ldexp(turns[i + j], -TURN_BITS * j));
            part[j] = m_select(d, near, part[j], next);
        }
    }
    for (int j = 0; j < TURN_PARTS; j++) part[j] = m_mul(d, h, part[j]);
    Expr *circles = m_sub(d, m_add(d, part[0], m_num(d, fours)), m_num(d, fours));
    Expr *first = m_sub(d, part[0], circles);
    Expr *t = m_add(d, m_add(d, first, part[1]), m_num(d, whole));
    Expr *r = m_sub(d, first, m_sub(d, t, m_num(d, whole)));
    for (int j = 1; j < TURN_PARTS; j++) r = m_add(d, r, part[j]);
    *q = m_to_bits(d, t);
    return m_mul(d, r, m_num(d, half_pi));
}

static Expr *rest_of_f64(Math *d, Expr *x, Expr **q) {
    Expr *t = m_fma(d, x, m_num(d, 0.6366197723675814), m_num(d, whole));
    Expr *n = m_sub(d, t, m_num(d, whole));
    Expr *r = m_fma(d, n, m_num(d, -1.5707963267341256), x); /* 33 bits: exact up to 2^20 */
    r = m_fma(d, n, m_num(d, -6.077100506303966e-11), r);
    *q = m_to_bits(d, t);
    return m_fma(d, n, m_num(d, -2.0222662487959506e-21), r);
}

static Angle reduce(Math *m, Expr *x) {
    Math d = {m->ctx, DT_F64, DT_I64};
    bool f32 = math_is_f32(m);
    Expr *q, *r = f32 ? rest_of_f32(&d, expr_cast(m->ctx, DT_F64, x), &q) : rest_of_f64(&d, x, &q);
    Angle a = {.q = expr_cast(m->ctx, m->bits, q)};
    r = expr_cast(m->ctx, m->type, m_at_least(&d, m_at_most(&d, r, 1), -1));
    Expr *z = m_mul(m, r, r), *one = m_num(m, 1);
    Expr *s = f32 ? M_POLY(m, z, sin32) : M_POLY(m, z, sin64);
    Expr *c = f32 ? M_POLY(m, z, cos32) : M_POLY(m, z, cos64);
    a.s = m_fma(m, m_mul(m, z, r), s, r);
    a.c = m_add(m, m_fma(m, m_mul(m, z, z), c, m_mul(m, z, m_num(m, -0.5))), one);
    return a;
}

static Expr *bit_of(Math *m, Expr *q, int bit) {
    return expr_op2(m->ctx, SOP_and, q, m_int(m, (int64_t)1 << bit));
}

/* Sine of the angle, `quarters` quadrants on. */
static Expr *sine(Math *m, const Angle *a, int quarters) {
    Expr *q = quarters ? m_add(m, a->q, m_int(m, quarters)) : a->q;
    Expr *swap = m_eq(m, bit_of(m, q, 0), m_int(m, 0));
    Expr *value = m_select(m, swap, a->s, a->c);
    int up = math_is_f32(m) ? 30 : 62;
    Expr *sign = expr_op2(m->ctx, SOP_shl, bit_of(m, q, 1), m_int(m, up));
    return m_of_bits(m, expr_op2(m->ctx, SOP_xor, m_to_bits(m, value), sign));
}

Expr *math_sin(Math *m, Expr *x) {
    Angle a = reduce(m, x);
    return sine(m, &a, 0);
}

Expr *math_cos(Math *m, Expr *x) {
    Angle a = reduce(m, x);
    return sine(m, &a, 1);
}

Expr *math_tan(Math *m, Expr *x) {
    Angle a = reduce(m, x);
    return m_div(m, sine(m, &a, 0), sine(m, &a, 1));
}

/* ---- inverses ---- */

/* For 0 <= z <= 1/4, s its root: asin s. */
static Expr *asin_near(Math *m, Expr *s, Expr *z) {
    Expr *p = math_is_f32(m) ? M_POLY(m, z, asin32) : M_POLY(m, z, asin64);
    return m_fma(m, m_mul(m, s, z), p, s);
}

/* asin s with s = |x|, or with s = sqrt((1 - |x|) / 2) where |x| > 1/2; *far tells. */
static Expr *asin_part(Math *m, Expr *x, Expr **far) {
    Expr *a = m_abs(m, x), *half = m_num(m, 0.5);
    *far = m_lt(m, half, a);
    Expr *rest = m_mul(m, m_sub(m, m_num(m, 1), a), half);
    Expr *z = m_select(m, *far, rest, m_mul(m, a, a));
    return asin_near(m, m_select(m, *far, m_sqrt(m, rest), a), z);
}

/* pi/2 - 2 asin sqrt((1 - |x|) / 2), the low half of pi/2 first. */
Expr *math_asin(Math *m, Expr *x) {
    Expr *far, *y = asin_part(m, x, &far);
    double low = math_is_f32(m) ? half_pi - (double)(float)half_pi : 6.123233995736766e-17;
    Expr *twice = m_fma(m, y, m_num(m, -2), m_num(m, low));
    return m_copysign(m, m_select(m, far, m_add(m, m_num(m, half_pi), twice), y), x);
}

/* |x| <= 1/2: pi/2 - asin x; above: 2 asin sqrt(..), from pi where x < 0. */
Expr *math_acos(Math *m, Expr *x) {
    Expr *far, *y = asin_part(m, x, &far);
    double low = math_is_f32(m) ? half_pi - (double)(float)half_pi : 6.123233995736766e-17;
    Expr *negative = m_lt(m, x, m_num(m, 0)), *twice = m_add(m, y, y);
    Expr *back = m_add(m, m_num(m, 2 * half_pi), m_sub(m, m_num(m, 2 * low), twice));
    Expr *signed_y = m_copysign(m, y, x);
    Expr *near = m_add(m, m_num(m, half_pi), m_sub(m, m_num(m, low), signed_y));
    return m_select(m, far, m_select(m, negative, back, twice), near);
}

/* Above 1: pi/2 - atan(1 / |x|). */
Expr *math_atan(Math *m, Expr *x) {
    Expr *a = m_abs(m, x), *one = m_num(m, 1), *far = m_lt(m, one, a);
    Expr *s = m_select(m, far, m_div(m, one, a), a), *z = m_mul(m, s, s);
    double low = math_is_f32(m) ? half_pi - (double)(float)half_pi : 6.123233995736766e-17;
    Expr *p = math_is_f32(m) ? M_POLY(m, z, atan32) : M_POLY(m, z, atan64);
    Expr *y = m_fma(m, m_mul(m, s, z), p, s);
    Expr *back = m_add(m, m_num(m, half_pi), m_sub(m, m_num(m, low), y));
    return m_copysign(m, m_select(m, far, back, y), x);
}
