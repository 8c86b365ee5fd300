/* Elements of at most 8 bits: their codes in memory, and the values of float8 and float4 (ONNX,
 * "Float stored in 8 bits"). */
#include "codes.h"

#include <math.h>

unsigned code_at(const void *p, int bits, int64_t i) {
    int each = 8 / bits;
    return ((const uint8_t *)p)[i / each] >> (i % each * bits) & ((1u << bits) - 1);
}

void set_code(void *p, int bits, int64_t i, unsigned code) {
    int each = 8 / bits, shift = (int)(i % each) * bits;
    uint8_t *at = (uint8_t *)p + i / each, mask = (uint8_t)(((1u << bits) - 1) << shift);
    *at = (uint8_t)((*at & ~mask) | (code << shift & mask));
}

/* The floats below 16 bits: exponent bits, fraction bits, bias. Without infinities and with one NaN
 * instead of -0 (uz), with NaNs alone in the last code (fn), or as IEEE 754 has it. */
static const struct format {
    int exponent, fraction, bias;
    enum { IEEE, FN, UZ, FINITE } kind;
} formats[] = {
    [F8E4M3FN] = {4, 3, 7, FN},    [F8E4M3FNUZ] = {4, 3, 8, UZ}, [F8E5M2] = {5, 2, 15, IEEE},
    [F8E5M2FNUZ] = {5, 2, 16, UZ}, [F4E2M1] = {2, 1, 1, FINITE},
};

double code_value(int dtype, unsigned code) {
    if (dtype == F8E8M0) return code == 255 ? NAN : ldexp(1, (int)code - 127);
    const struct format *f = &formats[dtype];
    unsigned sign = code >> (f->exponent + f->fraction), one = 1u << f->fraction,
             size = code & ((1u << (f->exponent + f->fraction)) - 1),
             last = (1u << (f->exponent + f->fraction)) - one; /* the greatest exponent */
    int e = (int)(size >> f->fraction);
    double v = ldexp(e ? one + size % one : size, (e ? e : 1) - f->bias - f->fraction);
    if (f->kind == IEEE && size >= last) v = size == last ? INFINITY : NAN;
    if ((f->kind == FN && size == last + one - 1) || (f->kind == UZ && sign && !size)) v = NAN;
    return sign ? -v : v;
}

/* The nearest code, by search: made-up inputs need it alone. */
unsigned code_of(int dtype, double v) {
    unsigned best = 0, n = 1u << host_dtype_bits(dtype);
    double least = INFINITY;
    for (unsigned c = 0; c < n; c++) {
        double distance = fabs(code_value(dtype, c) - v);
        if (distance < least) least = distance, best = c;
    }
    return best;
}
