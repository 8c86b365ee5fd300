/* The scalar operations of kernels as C functions: pasted in front of kernels in portable C (C99)
 * and in CUDA C, where one text serves NVRTC, nvcc and the emulation on a CPU.
 *
 * Names are OPERATION_TYPE; the types are those of tensors. f16 and bf16 are computed as float and
 * rounded once (round_f16). No C library: integers wrap, x / 0 is 0, floats to integers saturate.
 *
 * fma rounds once where the processor has such an instruction; elsewhere it is a multiplication
 * and an addition. Nothing else is ever contracted: compile with -std=c99 or -ffp-contract=off
 * (nvcc and NVRTC: --fmad=false), and never with -ffast-math. */
#ifndef ONNXCC_RUNTIME_OPS_H
#define ONNXCC_RUNTIME_OPS_H

#if defined(__CUDACC_RTC__) /* NVRTC has no headers */
typedef signed char int8_t;
typedef short int16_t;
typedef int int32_t;
typedef long long int64_t;
typedef unsigned char uint8_t;
typedef unsigned short uint16_t;
typedef unsigned uint32_t;
typedef unsigned long long uint64_t;
#else
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#endif

#if defined(__CUDACC__) || defined(__CUDACC_RTC__) || defined(ONNXCC_CUDA_EMU)
#define OPS static __device__ __forceinline__
#if defined(__CUDACC__) || defined(__CUDACC_RTC__)
#pragma nv_diag_suppress 177 /* functions that this program does not use */
#endif
#define OPS_GPU 1
#elif defined(__GNUC__)
#define OPS static inline __attribute__((unused))
#define OPS_GPU 0
#else
#define OPS static inline
#define OPS_GPU 0
#endif
#define OPS_PRAGMA(text) _Pragma(#text)
#if defined(__GNUC__) || defined(__CUDACC_RTC__)
#define RESTRICT __restrict__
#else
#define RESTRICT
#endif
#if defined(__CUDACC__) || defined(__CUDACC_RTC__)
#define UNROLL(n) OPS_PRAGMA(unroll n)
#elif defined(__GNUC__) && !defined(__clang__) && !defined(ONNXCC_CUDA_EMU)
#define UNROLL(n) OPS_PRAGMA(GCC unroll n)
#else
#define UNROLL(n)
#endif
#if OPS_GPU /* this thread in the grid, and how many there are */
OPS int grid_thread(void) {
    return (int)(blockIdx.x * blockDim.x + threadIdx.x);
}
OPS int grid_threads(void) {
    return (int)(gridDim.x * blockDim.x);
}
#endif
#if defined(__clang__) && !OPS_GPU
#pragma STDC FP_CONTRACT OFF
#endif
#if defined(__GNUC__) && !defined(__clang__) && !OPS_GPU
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized" /* of elements that no loop reads */
#endif

/* ---- bits ---- */
OPS uint32_t bits_of_f32(float v) {
    union {
        float f;
        uint32_t u;
    } x;
    x.f = v;
    return x.u;
}
OPS float f32_of_bits(uint32_t v) {
    union {
        uint32_t u;
        float f;
    } x;
    x.u = v;
    return x.f;
}
OPS uint64_t bits_of_f64(double v) {
    union {
        double f;
        uint64_t u;
    } x;
    x.f = v;
    return x.u;
}
OPS double f64_of_bits(uint64_t v) {
    union {
        uint64_t u;
        double f;
    } x;
    x.u = v;
    return x.f;
}

/* ---- 16-bit floats: one sign bit, 15 - mant exponent bits, mant fraction bits ---- */
#if defined(__CUDA_ARCH__)
OPS float f32_of_f16(uint16_t h) {
    float v;
    asm("cvt.f32.f16 %0, %1;" : "=f"(v) : "h"(h));
    return v;
}
OPS uint16_t f16_of_f32(float v) {
    uint16_t h;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h) : "f"(v));
    return h;
}
#else
OPS float f32_of_f16(uint16_t h) {
    uint32_t body = (uint32_t)(h & 0x7fff) << 13, sign = (uint32_t)(h & 0x8000) << 16;
    if (body >= 0x7c00u << 13) return f32_of_bits(sign | 0x7f800000u | body);
    return f32_of_bits(sign |
                       bits_of_f32(f32_of_bits(body) * 5192296858534827628530496329220096.0f));
}
OPS uint16_t f16_of_f32(float v) {
    uint32_t u = bits_of_f32(v), sign = u >> 16 & 0x8000, a = u & 0x7fffffff;
    if (a > 0x7f800000) return (uint16_t)(sign | 0x7e00 | (a >> 13 & 0x1ff));
    if (a >= 0x47800000) return (uint16_t)(sign | 0x7c00);
    if (a < 0x38800000) /* adding 0.5 aligns the fraction, the adder rounds */
        return (uint16_t)(sign | (bits_of_f32(f32_of_bits(a) + 0.5f) - 0x3f000000));
    return (uint16_t)(sign | (a + 0xc8000fffu + (a >> 13 & 1)) >> 13);
}
#endif
OPS float f32_of_bf16(uint16_t v) {
    return f32_of_bits((uint32_t)v << 16);
}
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
OPS uint16_t bf16_of_f32(float v) {
    uint16_t h;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(h) : "f"(v));
    return h;
}
#else
OPS uint16_t bf16_of_f32(float v) {
    uint32_t u = bits_of_f32(v);
    return (uint16_t)((v != v ? u | 0x400000 : u + 0x7fff + (u >> 16 & 1)) >> 16);
}
#endif
/* one rounding, not two */
OPS uint16_t half_of_f64(double v, int mant) {
    uint64_t bits = bits_of_f64(v), frac = bits & 0xfffffffffffff;
    int exp = (int)(bits >> 52 & 0x7ff), top = (1 << (15 - mant)) - 1, e = exp - 1023 + (top >> 1);
    uint32_t sign = (uint32_t)(bits >> 63) << 15, inf = (uint32_t)top << mant;
    int shift = 52 - mant + (e < 1 ? 1 - e : 0);
    if (exp == 0x7ff && frac)
        return (uint16_t)(sign | inf | 1u << (mant - 1) | frac >> (52 - mant));
    if (exp == 0x7ff || e >= top) return (uint16_t)(sign | inf);
    if (exp == 0 || shift > 54) return (uint16_t)sign;
    frac |= 0x10000000000000;
    uint64_t half = (uint64_t)1 << (shift - 1), low = frac & (2 * half - 1), r = frac >> shift;
    r += (low > half || (low == half && (r & 1))) + ((uint64_t)(e < 1 ? 0 : e - 1) << mant);
    return (uint16_t)(sign | (r > inf ? inf : r));
}
OPS float round_f16(float v) {
    return f32_of_f16(f16_of_f32(v));
}
OPS float round_bf16(float v) {
    return f32_of_bf16(bf16_of_f32(v));
}

/* ---- float operations that the CPU may have ---- */
#if defined(__CUDA_ARCH__) || defined(ONNXCC_CUDA_EMU)
#define OPS_FMAF(a, b, c) fmaf(a, b, c)
#define OPS_FMA(a, b, c) fma(a, b, c)
#else
#if defined(__FP_FAST_FMAF) || defined(__FMA__) || defined(__ARM_FEATURE_FMA)
#define OPS_FMAF(a, b, c) __builtin_fmaf(a, b, c)
#else
#define OPS_FMAF(a, b, c) ((a) * (b) + (c))
#endif
#if defined(__FP_FAST_FMA) || defined(__FMA__) || defined(__aarch64__)
#define OPS_FMA(a, b, c) __builtin_fma(a, b, c)
#else
#define OPS_FMA(a, b, c) ((a) * (b) + (c))
#endif
#endif

/* digit by digit, two bits of the operand for one of the root, then rounded to nearest */
OPS double sqrt_by_digits(double v) {
    uint64_t bits = bits_of_f64(v), m = bits & 0xfffffffffffff, q = 0, r = 0;
    int exp = (int)(bits >> 52 & 0x7ff);
    if (v == 0 || v != v || v > 1.7976931348623157e308) return v;
    if (v < 0) return f64_of_bits(0x7ff8000000000000);
    if (exp) m |= 0x10000000000000;
    else
        for (exp = 1; !(m >> 52); exp--) m <<= 1;
    exp -= 1023;
    if (exp & 1) m <<= 1, exp--;
    for (int i = 26; i > -28; i--) { /* 54 bits: the last one rounds */
        r = r << 2 | (i >= 0 ? m >> 2 * i & 3 : 0);
        q <<= 1;
        if (r > 2 * q) r -= 2 * q + 1, q++;
    }
    q = (q >> 1) +
        (q & 1); /* never halfway: a root that ends in this bit would have an odd square */
    return f64_of_bits(((uint64_t)(exp / 2 + 1022) << 52) + q);
}
#if defined(__CUDA_ARCH__)
OPS float sqrt_f32(float a) {
    return __fsqrt_rn(a);
}
OPS double sqrt_f64(double a) {
    return __dsqrt_rn(a);
}
#elif defined(__SSE2__)
#include <emmintrin.h>
OPS float sqrt_f32(float a) {
    return _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(a)));
}
OPS double sqrt_f64(double a) {
    return _mm_cvtsd_f64(_mm_sqrt_pd(_mm_set_sd(a)));
}
#elif defined(__aarch64__)
OPS float sqrt_f32(float a) {
    __asm__("fsqrt %s0, %s0" : "+w"(a));
    return a;
}
OPS double sqrt_f64(double a) {
    __asm__("fsqrt %d0, %d0" : "+w"(a));
    return a;
}
#elif defined(__arm__) && defined(__ARM_FP) && (__ARM_FP & 4)
OPS float sqrt_f32(float a) {
    __asm__("vsqrt.f32 %0, %0" : "+t"(a));
    return a;
}
OPS double sqrt_f64(double a) {
    return sqrt_by_digits(a);
}
#else
OPS float sqrt_f32(float a) {
    return (float)sqrt_by_digits(a);
}
OPS double sqrt_f64(double a) {
    return sqrt_by_digits(a);
}
#endif

/* ---- exact everywhere: remainder with the sign of x ---- */
OPS double rem_f64(double x, double y) {
    double r = x < 0 ? -x : x, b = y < 0 ? -y : y, inf = f64_of_bits(0x7ff0000000000000);
    if (!(r < inf) || !(b > 0)) return f64_of_bits(0x7ff8000000000000);
    if (b == inf) return x;
    double t = b;
    while (t + t <= r) t += t;
    do {
        if (r >= t) r -= t;
        t *= 0.5;
    } while (t >= b);
    return f64_of_bits(bits_of_f64(r) | (bits_of_f64(x) & 0x8000000000000000));
}
OPS float rem_f32(float x, float y) {
    return (float)rem_f64(x, y);
}

/* Below `big` (2^23, 2^52) adding and subtracting it rounds to an integer, ties to even. */
#define OPS_FLOAT(T, t, U, bits, of_bits, sign, big, FMA)                                          \
    OPS T fma_##t(T a, T b, T c) {                                                                 \
        return FMA(a, b, c);                                                                       \
    }                                                                                              \
    OPS T min_##t(T a, T b) {                                                                      \
        return a != a ? a : b != b ? b : a < b ? a : b;                                            \
    }                                                                                              \
    OPS T max_##t(T a, T b) {                                                                      \
        return a != a ? a : b != b ? b : a > b ? a : b;                                            \
    }                                                                                              \
    OPS T abs_##t(T a) {                                                                           \
        return of_bits(bits(a) & ~(sign));                                                         \
    }                                                                                              \
    OPS T sign_##t(T a) {                                                                          \
        return a > 0 ? (T)1 : a < 0 ? (T)-1 : a != a ? a : (T)0;                                   \
    }                                                                                              \
    OPS T with_sign_##t(T a, T s) {                                                                \
        return of_bits((bits(a) & ~(sign)) | (bits(s) & (sign)));                                  \
    }                                                                                              \
    OPS T round_##t(T a) {                                                                         \
        T size = abs_##t(a);                                                                       \
        return size < big ? with_sign_##t((size + big) - big, a) : a;                              \
    }                                                                                              \
    OPS T trunc_##t(T a) {                                                                         \
        T size = abs_##t(a), r = (size + big) - big;                                               \
        return size < big ? with_sign_##t(r > size ? r - 1 : r, a) : a;                            \
    }                                                                                              \
    OPS T floor_##t(T a) {                                                                         \
        T r = round_##t(a);                                                                        \
        return with_sign_##t(r > a ? r - 1 : r, a);                                                \
    }                                                                                              \
    OPS T ceil_##t(T a) {                                                                          \
        T r = round_##t(a);                                                                        \
        return with_sign_##t(r < a ? r + 1 : r, a);                                                \
    }                                                                                              \
    OPS bool isnan_##t(T a) {                                                                      \
        return a != a;                                                                             \
    }                                                                                              \
    OPS bool isinf_##t(T a) {                                                                      \
        return a == a && a - a != 0;                                                               \
    }
OPS_FLOAT(float, f32, uint32_t, bits_of_f32, f32_of_bits, 0x80000000u, 8388608.0f, OPS_FMAF)
OPS_FLOAT(double, f64, uint64_t, bits_of_f64, f64_of_bits, (uint64_t)1 << 63, 4503599627370496.0,
          OPS_FMA)

/* ---- integers: T computed in the unsigned type U, at least 32 bits wide ---- */
#define OPS_ANY(T, t, U, bits)                                                                     \
    OPS T add_##t(T a, T b) {                                                                      \
        return (T)((U)a + (U)b);                                                                   \
    }                                                                                              \
    OPS T sub_##t(T a, T b) {                                                                      \
        return (T)((U)a - (U)b);                                                                   \
    }                                                                                              \
    OPS T mul_##t(T a, T b) {                                                                      \
        return (T)((U)a * (U)b);                                                                   \
    }                                                                                              \
    OPS T neg_##t(T a) {                                                                           \
        return (T)(0 - (U)a);                                                                      \
    }                                                                                              \
    OPS T not_##t(T a) {                                                                           \
        return (T) ~(U)a;                                                                          \
    }                                                                                              \
    OPS T min_##t(T a, T b) {                                                                      \
        return a < b ? a : b;                                                                      \
    }                                                                                              \
    OPS T max_##t(T a, T b) {                                                                      \
        return a < b ? b : a;                                                                      \
    }                                                                                              \
    OPS T shl_##t(T a, T b) {                                                                      \
        return (U)b < bits ? (T)((U)a << (U)b) : (T)0;                                             \
    }                                                                                              \
    OPS T shr_##t(T a, T b) {                                                                      \
        return (U)b < bits ? (T)(a >> b) : (T)0;                                                   \
    }
#define OPS_SIGNED(T, t, U, bits)                                                                  \
    OPS_ANY(T, t, U, bits)                                                                         \
    OPS T div_##t(T a, T b) {                                                                      \
        return b == 0 ? (T)0 : b == -1 ? neg_##t(a) : (T)(a / b);                                  \
    }                                                                                              \
    OPS T rem_##t(T a, T b) {                                                                      \
        return b == 0 || b == -1 ? (T)0 : (T)(a % b);                                              \
    }                                                                                              \
    OPS T floordiv_##t(T a, T b) {                                                                 \
        T r = rem_##t(a, b);                                                                       \
        return (T)(div_##t(a, b) - (r != 0 && (r < 0) != (b < 0)));                                \
    }                                                                                              \
    OPS T mod_##t(T a, T b) {                                                                      \
        T r = rem_##t(a, b);                                                                       \
        return r != 0 && (r < 0) != (b < 0) ? (T)(r + b) : r;                                      \
    }                                                                                              \
    OPS T abs_##t(T a) {                                                                           \
        return a < 0 ? neg_##t(a) : a;                                                             \
    }                                                                                              \
    OPS T sign_##t(T a) {                                                                          \
        return (T)((a > 0) - (a < 0));                                                             \
    }
#define OPS_UNSIGNED(T, t, U, bits)                                                                \
    OPS_ANY(T, t, U, bits)                                                                         \
    OPS T div_##t(T a, T b) {                                                                      \
        return b == 0 ? (T)0 : (T)(a / b);                                                         \
    }                                                                                              \
    OPS T rem_##t(T a, T b) {                                                                      \
        return b == 0 ? (T)0 : (T)(a % b);                                                         \
    }                                                                                              \
    OPS T floordiv_##t(T a, T b) {                                                                 \
        return div_##t(a, b);                                                                      \
    }                                                                                              \
    OPS T mod_##t(T a, T b) {                                                                      \
        return rem_##t(a, b);                                                                      \
    }                                                                                              \
    OPS T abs_##t(T a) {                                                                           \
        return a;                                                                                  \
    }                                                                                              \
    OPS T sign_##t(T a) {                                                                          \
        return (T)(a != 0);                                                                        \
    }
OPS_SIGNED(int8_t, i8, uint32_t, 8)
OPS_SIGNED(int16_t, i16, uint32_t, 16)
OPS_SIGNED(int32_t, i32, uint32_t, 32)
OPS_SIGNED(int64_t, i64, uint64_t, 64)
OPS_UNSIGNED(uint8_t, u8, uint32_t, 8)
OPS_UNSIGNED(uint16_t, u16, uint32_t, 16)
OPS_UNSIGNED(uint32_t, u32, uint32_t, 32)
OPS_UNSIGNED(uint64_t, u64, uint64_t, 64)

/* ---- floats to integers: toward zero, saturating, NaN gives 0 ---- */
#define OPS_TO_SIGNED(T, t, low, end)                                                              \
    OPS T t##_of_f64(double v) {                                                                   \
        return v != v ? (T)0 : v <= (double)(low) ? (T)(low) : v >= end ? (T)(-1 - (low)) : (T)v;  \
    }                                                                                              \
    OPS T t##_of_f32(float v) {                                                                    \
        return t##_of_f64(v);                                                                      \
    }
#define OPS_TO_UNSIGNED(T, t, end)                                                                 \
    OPS T t##_of_f64(double v) {                                                                   \
        return !(v > 0) ? (T)0 : v >= end ? (T)-1 : (T)v;                                          \
    }                                                                                              \
    OPS T t##_of_f32(float v) {                                                                    \
        return t##_of_f64(v);                                                                      \
    }
OPS_TO_SIGNED(int8_t, i8, -128, 127.0)
OPS_TO_SIGNED(int16_t, i16, -32768, 32767.0)
OPS_TO_SIGNED(int32_t, i32, -2147483647 - 1, 2147483647.0)
OPS_TO_SIGNED(int64_t, i64, -9223372036854775807 - 1, 9223372036854775808.0)
OPS_TO_UNSIGNED(uint8_t, u8, 255.0)
OPS_TO_UNSIGNED(uint16_t, u16, 65535.0)
OPS_TO_UNSIGNED(uint32_t, u32, 4294967295.0)
OPS_TO_UNSIGNED(uint64_t, u64, 18446744073709551616.0)

/* ---- subscripts from data: the nearest that exists; *fault becomes 1 where it had to move ---- */
OPS int64_t bound_index(int64_t i, int64_t n, int32_t *fault) {
    if (i >= 0 && i < n) return i;
    *fault = 1;
    return i < 0 || n <= 0 ? 0 : n - 1;
}

#endif
