/* Element types of at most 8 bits that no processor computes with: what carries them, and the codes
 * of their floats (ONNX, "Float stored in 8 bits" and "Float stored in 4 bits"; f8e8m0: OCP
 * Microscaling Formats). */
#include "ir/dtype.h"

#include <math.h>

bool dtype_is_narrow(DType t) {
    return dtype_carrier(t) != t;
}

DType dtype_carrier(DType t) {
    switch (t) {
    case DT_F8E4M3FN: case DT_F8E4M3FNUZ: case DT_F8E5M2: case DT_F8E5M2FNUZ: case DT_F8E8M0:
    case DT_F4E2M1: case DT_U4: case DT_U2:
        return DT_U8;
    case DT_I4: case DT_I2:
        return DT_I8;
    default:
        return t;
    }
}

const FloatFormat *dtype_format(DType t) {
    static const FloatFormat e4m3fn = {4, 3, 7, 0x7e, 0, 0x7f, 0x7f, false},
                             e4m3fnuz = {4, 3, 8, 0x7f, 0, 0x80, 0x80, true},
                             e5m2 = {5, 2, 15, 0x7b, 0x7c, 0x7c, 0x7e, false},
                             e5m2fnuz = {5, 2, 16, 0x7f, 0, 0x80, 0x80, true},
                             /* It has no NaN; one becomes -0, as in ONNX's own test data. */
                             e2m1 = {2, 1, 1, 7, 0, 7, 8, false};
    switch (t) {
    case DT_F8E4M3FN: return &e4m3fn;
    case DT_F8E4M3FNUZ: return &e4m3fnuz;
    case DT_F8E5M2: return &e5m2;
    case DT_F8E5M2FNUZ: return &e5m2fnuz;
    case DT_F4E2M1: return &e2m1;
    default: return NULL;
    }
}

/* The exponent of the least power of two that is not below |v|, biased; 255 is NaN. */
static uint8_t power_from(float v) {
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    bits &= 0x7fffffff;
    if (bits > 0x7f800000) return 255;
    if (bits <= 0x400000) return 0; /* 2^-127 and below */
    uint32_t up = (bits + 0x7fffff) >> 23;
    return (uint8_t)MIN(up, 254);
}

uint8_t narrow_from_f64(DType t, double v) {
    const FloatFormat *f = dtype_format(t);
    if (!f) return power_from((float)v);
    unsigned sign = signbit(v) ? 1u << (f->exp + f->mant) : 0, code = f->over;
    double size = fabs(v);
    if (size != size) return (uint8_t)(f->nan | (f->nan < sign ? sign : 0));
    if (size > 0 && size <= 0x1p64) {
        int e = MAX(ilogb(size), 1 - f->bias);
        /* A carry out of the fraction moves into the exponent, which is what rounding up means. */
        double n = rint(ldexp(size, f->mant - e)) + ldexp(e + f->bias - 1, f->mant);
        code = n > f->max ? f->over : (unsigned)n;
    } else if (size == 0) {
        code = 0;
    }
    if (f->uz && (code == 0 || code > f->max)) return (uint8_t)code;
    return (uint8_t)(code | sign);
}

float narrow_to_f32(DType t, uint8_t code) {
    const FloatFormat *f = dtype_format(t);
    if (!f) return code == 255 ? NAN : ldexpf(1, code - 127);
    unsigned sign = code >> (f->exp + f->mant) & 1, size = code & ((1u << (f->exp + f->mant)) - 1);
    int e = (int)(size >> f->mant);
    float fraction = (float)(size & ((1u << f->mant) - 1)), one = (float)(1 << f->mant),
          v = ldexpf(e ? one + fraction : fraction, MAX(e, 1) - f->bias - f->mant);
    if (size > f->max) v = size == f->inf ? INFINITY : NAN;
    if (f->uz && sign && !size) return NAN;
    return sign ? -v : v;
}
