/* erf: near 0 x + x P(x^2); further out 1 - erfc, and erfc as an exponential. */
#include "passes/kernel/lower_math.h"

/* Above 475/512 erfc a = e^(a Q(a) - a). */
static Expr *erf32(Math *m, Expr *x) {
    static const double near[] = {1.28379166e-1,  -3.76125336e-1, 1.12819925e-1,
                                  -2.67681349e-2, 4.99119423e-3,  -5.96761703e-4};
    static const double far[] = {-1.28717512e-1, -6.34846687e-1, -1.06777877e-1, 2.42546219e-2,
                                 -3.88396438e-3, 3.83197126e-4,  -1.72853470e-5};
    Expr *a = m_abs(m, x), *z = m_mul(m, x, x);
    Expr *power = m_fma(m, M_POLY(m, a, far), a, m_neg(m, a));
    Expr *large = m_sub(m, m_num(m, 1), math_exp_down(m, power, false));
    Expr *small = m_fma(m, M_POLY(m, z, near), x, x);
    return m_select(m, m_lt(m, m_num(m, 475.0 / 512), a), m_copysign(m, large, x), small);
}

/* Above 1 erfc a = e^(-a^2) H((a - 5/2) / (a + 5/2)). */
static Expr *erf64(Math *m, Expr *x) {
    static const double near[] = {
        0.1283791670955126,     -0.37612638903183754,    0.11283791670955126,
        -0.026866170645131218,  0.005223977625441674,    -0.0008548327023403001,
        0.00012055332978879483, -1.4925650236967501e-05, 1.6462110782018636e-06,
        -1.636576864883207e-07, 1.4806027146128752e-08,  -1.2277734486795524e-09,
        9.323723518153027e-11,  -6.1967364287877e-12,    2.8067128195611264e-13};
    static const double far[] = {
        0.21080636406114356,     -0.3717367339489732,     0.251713193217456,
        -0.12503305237885554,    0.0399225390747838,      -0.0039937011641469865,
        -0.002642365927759658,   0.0008759154019168855,   0.00022837955896605415,
        -0.00012887649615317198, -3.4172229273553035e-05, 1.8609712314617464e-05,
        7.48480117852628e-06,    -2.2842173094341345e-06, -1.5625258507743158e-06,
        8.134380709229634e-08};
    Expr *a = m_at_most(m, m_abs(m, x), 6), *k = m_num(m, 2.5), *z = m_mul(m, a, a);
    Expr *t = m_div(m, m_sub(m, a, k), m_add(m, a, k));
    Expr *erfc = m_mul(m, math_exp(m, m_neg(m, z)), M_POLY(m, t, far));
    Expr *large = m_copysign(m, m_sub(m, m_num(m, 1), erfc), x);
    Expr *one = m_num(m, 1), *inside = m_at_most(m, m_mul(m, x, x), 1);
    Expr *small = m_fma(m, M_POLY(m, inside, near), x, x);
    return m_select(m, m_lt(m, one, a), large, small);
}

Expr *math_erf(Math *m, Expr *x) {
    return math_is_f32(m) ? erf32(m, x) : erf64(m, x);
}
