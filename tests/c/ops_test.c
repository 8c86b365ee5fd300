/* The scalar operations of generated C (runtime/ops.h) against the reference (ir/scalar_eval.h):
 * every operation on every type, over edge values and pseudo-random ones, bit for bit. */
#include "ir/scalar_eval.h"
#include "runtime/ops.h"

#include <math.h>

static int failures, checks;

static uint64_t state = 1;
static uint64_t next_random(void) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return state >> 11;
}

static const double special[] = {
    0,          -0.0,         1,      -1,        0.5,
    -0.5,       1.5,          2.5,    -2.5,      127,
    128,        -129,         255,    256,       32767,
    32768,      -32769,       65504,  65520,     65535.5,
    2147483647, 2147483648.0, -3e9,   4.3e9,     9e18,
    1e19,       2e19,         -1e19,  1e-40,     6e-8,
    2.9e-8,     1e38,         -3e38,  8388607.5, 4503599627370495.5,
    1e300,      -1e300,       5e-324, INFINITY,  -INFINITY,
    NAN,
};
static const int64_t edges[] = {0,     1,         -1,        2,          7,         8,
                                31,    32,        63,        64,         100,       -100,
                                127,   128,       -128,      255,        32767,     -32768,
                                65535, INT32_MAX, INT32_MIN, UINT32_MAX, INT64_MAX, INT64_MIN};

static ScalarValue value(DType t, int i) {
    bool more = i >= (dtype_is_float(t) ? LEN(special) : LEN(edges));
    uint64_t r = next_random();
    if (!dtype_is_float(t))
        return (ScalarValue){.i = scalar_wrap(t, more ? (int64_t)(r * 3) >> (r % 61) : edges[i])};
    double any = ((double)(int64_t)(r % 2000001) - 1e6) / (r & 64 ? 1e6 : 3e2);
    return scalar_cast(DT_F64, t, (ScalarValue){.d = more ? any : special[i]});
}

static bool same(DType t, ScalarValue a, ScalarValue b) {
    if (!dtype_is_float(t)) return a.i == b.i;
    double x = scalar_double(t, a), y = scalar_double(t, b);
    return (isnan(x) && isnan(y)) || (x == y && !signbit(x) == !signbit(y));
}

static void check(const char *what, DType t, DType result, const ScalarValue *v, ScalarValue want,
                  ScalarValue got) {
    checks++;
    if (same(result, want, got)) return;
    if (failures++ > 20) return;
    printf("FAIL %s_%s(%.17g, %.17g): %.17g instead of %.17g\n", what, dtype_name(t),
           scalar_double(t, v[0]), scalar_double(t, v[1]), scalar_double(result, got),
           scalar_double(result, want));
}

/* Where the C value of type t lies in a ScalarValue. */
#define IN_f32(v) (v).f
#define IN_f64(v) (v).d
#define IN_i8(v) (int8_t)(v).i
#define IN_i16(v) (int16_t)(v).i
#define IN_i32(v) (int32_t)(v).i
#define IN_i64(v) (v).i
#define IN_u8(v) (uint8_t)(v).u
#define IN_u16(v) (uint16_t)(v).u
#define IN_u32(v) (uint32_t)(v).u
#define IN_u64(v) (v).u
#define OUT_f32(x)                                                                                 \
    (ScalarValue) {                                                                                \
        .f = x                                                                                     \
    }
#define OUT_f64(x)                                                                                 \
    (ScalarValue) {                                                                                \
        .d = x                                                                                     \
    }
#define OUT_INT(x)                                                                                 \
    (ScalarValue) {                                                                                \
        .i = (int64_t)(x)                                                                          \
    }
#define OUT_i8 OUT_INT
#define OUT_i16 OUT_INT
#define OUT_i32 OUT_INT
#define OUT_i64 OUT_INT
#define OUT_u8 OUT_INT
#define OUT_u16 OUT_INT
#define OUT_u32 OUT_INT
#define OUT_u64 OUT_INT

#define BINARY(op, t)                                                                              \
    check(#op, T, T, v, scalar_eval(SOP_##op, T, T, v),                                            \
          OUT_##t(op##_##t(IN_##t(v[0]), IN_##t(v[1]))))
#define UNARY(op, t)                                                                               \
    check(#op, T, T, v, scalar_eval(SOP_##op, T, T, v), OUT_##t(op##_##t(IN_##t(v[0]))))
#define TO(to, from)                                                                               \
    check(#to "_of", T, DT_OF_##to, v, scalar_cast(T, DT_OF_##to, v[0]),                           \
          OUT_INT(to##_of_##from(IN_##from(v[0]))))
#define EACH(t, BODY)                                                                              \
    static void check_##t(void) {                                                                  \
        const DType T = DT_OF_##t;                                                                 \
        for (int i = 0; i < 200; i++) {                                                            \
            for (int k = 0; k < 60; k++) {                                                         \
                ScalarValue v[3] = {value(T, i), value(T, k), value(T, 100)};                      \
                BODY                                                                               \
            }                                                                                      \
        }                                                                                          \
    }
#define INTEGERS(t)                                                                                \
    EACH(t, BINARY(add, t); BINARY(sub, t); BINARY(mul, t); BINARY(div, t); BINARY(floordiv, t);   \
         BINARY(mod, t); BINARY(rem, t); BINARY(min, t); BINARY(max, t); BINARY(shl, t);           \
         BINARY(shr, t); UNARY(neg, t); UNARY(abs, t); UNARY(sign, t); UNARY(not, t);)
#define FLOATS(t)                                                                                  \
    EACH(t, BINARY(min, t); BINARY(max, t); BINARY(rem, t); UNARY(abs, t); UNARY(sign, t);         \
         UNARY(floor, t); UNARY(ceil, t); UNARY(trunc, t); UNARY(round, t); UNARY(sqrt, t);        \
         TO(i8, t); TO(i16, t); TO(i32, t); TO(i64, t); TO(u8, t); TO(u16, t); TO(u32, t);         \
         TO(u64, t); check("isinf", T, DT_BOOL, v, scalar_eval(SOP_isinf, T, DT_BOOL, v),          \
                           OUT_INT(isinf_##t(IN_##t(v[0]))));)
INTEGERS(i8)
INTEGERS(i16)
INTEGERS(i32)
INTEGERS(i64)
INTEGERS(u8)
INTEGERS(u16)
INTEGERS(u32)
INTEGERS(u64)
FLOATS(f32)
FLOATS(f64)

static void check_halves(void) {
    for (uint32_t h = 0; h < 65536; h++) {
        ScalarValue v[2] = {{.u = h}, {.u = 0}};
        check("f32_of", DT_F16, DT_F32, v, OUT_f32(f16_to_f32((uint16_t)h)),
              OUT_f32(f32_of_f16((uint16_t)h)));
        check("f32_of", DT_BF16, DT_F32, v, OUT_f32(bf16_to_f32((uint16_t)h)),
              OUT_f32(f32_of_bf16((uint16_t)h)));
    }
    for (int i = 0; i < 2000000; i++) {
        uint64_t r = next_random() ^ next_random() << 40;
        float f = f32_of_bits((uint32_t)r);
        double d = i % 3 ? f : f64_of_bits(r << 3 ^ r >> 7);
        ScalarValue v[2] = {{.f = f}, {.f = 0}}, w[2] = {{.d = d}, {.d = 0}};
        check("f16_of", DT_F32, DT_U16, v, OUT_INT(f16_from_f32(f)), OUT_INT(f16_of_f32(f)));
        check("bf16_of", DT_F32, DT_U16, v, OUT_INT(bf16_from_f32(f)), OUT_INT(bf16_of_f32(f)));
        check("f16_of", DT_F64, DT_U16, w, OUT_INT(f16_from_f64(d)), OUT_INT(half_of_f64(d, 10)));
        check("bf16_of", DT_F64, DT_U16, w, OUT_INT(bf16_from_f64(d)), OUT_INT(half_of_f64(d, 7)));
        check("sqrt_digits", DT_F64, DT_F64, w, OUT_f64(sqrt(d)), OUT_f64(sqrt_by_digits(d)));
        check("sqrt_digits", DT_F32, DT_F32, v, OUT_f32(sqrtf(f)),
              OUT_f32((float)sqrt_by_digits(f)));
    }
}

int main(void) {
    check_i8(), check_i16(), check_i32(), check_i64();
    check_u8(), check_u16(), check_u32(), check_u64();
    check_f32(), check_f64();
    check_halves();
    printf("%d checks, %d failures\n", checks, failures);
    return failures > 0;
}
