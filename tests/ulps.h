/* Distance in units of the last place of the right result. Needs <math.h>. */
#ifndef ONNXCC_TESTS_ULPS_H
#define ONNXCC_TESTS_ULPS_H

/* 1e30: the wrong kind of number. Where the right result rounds to infinity, the largest finite
 * number of its sign is one unit away. */
static inline double ulps32(float got, long double want) {
    float near = (float)want, most = 3.40282347e38f;
    if (isnan(got) || isnan(near)) return isnan(got) && isnan(near) ? 0 : 1e30;
    if (isinf(near) && isinf(got)) return got == near ? 0 : 1e30;
    if (isinf(near)) return fabsf(got) == most && (got > 0) == (want > 0) ? 1 : 1e30;
    float unit = nextafterf(fabsf(near), INFINITY) - fabsf(near);
    if (isinf(unit)) unit = most - nextafterf(most, 0);
    if (isinf(got)) got = copysignf(most, got);
    return (double)(fabsl((long double)got - want) / unit);
}

#endif
