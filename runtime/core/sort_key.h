/* What elements are sorted by, on CPUs and GPUs: a number that is monotone in their value. NaN is
 * above everything, -0 equals 0. */
#ifndef ONNXCC_RUNTIME_SORT_KEY_H
#define ONNXCC_RUNTIME_SORT_KEY_H

#if defined(OPS_GPU) && OPS_GPU
#define SORT_KEY __device__ __forceinline__
#else
#define SORT_KEY inline
#include <stdint.h>
#endif

static SORT_KEY uint64_t float_key(uint64_t u, int bits, uint64_t inf) {
    uint64_t sign = (uint64_t)1 << (bits - 1), size = u & (sign - 1);
    if (size > inf) return ~(uint64_t)0;
    return u & sign ? sign - size : sign + size; /* both zeros: sign */
}

/* The key of element i of type dtype. */
static SORT_KEY uint64_t sort_key(const void *x, int dtype, int64_t i) {
    const uint64_t top = (uint64_t)1 << 63;
    switch (dtype) {
    case 1:
        return float_key(((const uint32_t *)x)[i], 32, 0x7f800000);
    case 10:
        return float_key(((const uint16_t *)x)[i], 16, 0x7c00);
    case 11:
        return float_key(((const uint64_t *)x)[i], 64, 0x7ff0000000000000);
    case 16:
        return float_key(((const uint16_t *)x)[i], 16, 0x7f80);
    case 2:
        return ((const uint8_t *)x)[i];
    case 3:
        return (uint64_t)(int64_t)((const int8_t *)x)[i] ^ top;
    case 4:
        return ((const uint16_t *)x)[i];
    case 5:
        return (uint64_t)(int64_t)((const int16_t *)x)[i] ^ top;
    case 6:
        return (uint64_t)(int64_t)((const int32_t *)x)[i] ^ top;
    case 7:
        return (uint64_t)((const int64_t *)x)[i] ^ top;
    case 9:
        return ((const uint8_t *)x)[i] != 0;
    case 12:
        return ((const uint32_t *)x)[i];
    case 13:
        return ((const uint64_t *)x)[i];
    default:
        return 0;
    }
}

#endif
