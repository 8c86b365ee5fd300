/* Scalar operations have the values that scalar_ops.def promises, in the corners above all.
 *
 * Prints each failure; exits with 0 where there is none. */
#include "ir/scalar_eval.h"

#include <math.h>

static int failures, checks;

static void expect(bool ok, const char *what, int line) {
    checks++;
    if (ok) return;
    failures++;
    printf("unit_scalar.c:%d: failed: %s\n", line, what);
}
#define EXPECT(cond) expect(cond, #cond, __LINE__)

static int64_t on_int(ScalarOp op, DType t, int64_t a, int64_t b) {
    ScalarValue v[] = {{.i = a}, {.i = b}, {0}};
    return scalar_eval(op, t, t, v).i;
}

static float on_float(ScalarOp op, DType t, float a, float b) {
    ScalarValue v[] = {{.f = a}, {.f = b}, {0}};
    return scalar_eval(op, t, t, v).f;
}

static int64_t to_int(DType t, float a) {
    return scalar_cast(DT_F32, t, (ScalarValue){.f = a}).i;
}

static void test_division(void) {
    EXPECT(on_int(SOP_div, DT_I32, -7, 2) == -3 && on_int(SOP_floordiv, DT_I32, -7, 2) == -4);
    EXPECT(on_int(SOP_rem, DT_I32, -7, 2) == -1 && on_int(SOP_mod, DT_I32, -7, 2) == 1);
    EXPECT(on_int(SOP_mod, DT_I32, 7, -2) == -1 && on_int(SOP_rem, DT_I32, 7, -2) == 1);
    for (ScalarOp op = SOP_div; op <= SOP_rem; op++)
        EXPECT(on_int(op, DT_I64, 5, 0) == 0 && on_int(op, DT_U8, 5, 0) == 0);
    EXPECT(on_int(SOP_div, DT_I64, INT64_MIN, -1) == INT64_MIN);
    EXPECT(on_int(SOP_floordiv, DT_I32, INT32_MIN, -1) == INT32_MIN);
    EXPECT(on_int(SOP_rem, DT_I64, INT64_MIN, -1) == 0);
    EXPECT((uint64_t)on_int(SOP_div, DT_U64, -1, 2) == UINT64_MAX / 2);
    EXPECT(on_float(SOP_rem, DT_F32, -7, 2) == -1);
}

static void test_integers(void) {
    EXPECT(on_int(SOP_add, DT_I8, 127, 1) == -128 && on_int(SOP_add, DT_U8, 255, 1) == 0);
    EXPECT(on_int(SOP_neg, DT_U8, 1, 0) == 255 && on_int(SOP_abs, DT_I8, -128, 0) == -128);
    EXPECT(on_int(SOP_not, DT_BOOL, 1, 0) == 0 && on_int(SOP_not, DT_U8, 1, 0) == 254);
    EXPECT(on_int(SOP_shl, DT_U8, 1, 8) == 0 && on_int(SOP_shl, DT_U8, 3, 7) == 128);
    EXPECT(on_int(SOP_shr, DT_I32, -8, 1) == -4 && on_int(SOP_shr, DT_I32, -8, -1) == 0);
    EXPECT(on_int(SOP_max, DT_U64, -1, 1) == -1 && on_int(SOP_max, DT_I64, -1, 1) == 1);
    EXPECT(on_int(SOP_lt, DT_U64, -1, 1) == 0 && on_int(SOP_lt, DT_I64, -1, 1) == 1);
    EXPECT(on_int(SOP_pow, DT_I32, -2, 5) == -32 && on_int(SOP_pow, DT_I32, 2, -1) == 0);
    EXPECT(on_int(SOP_pow, DT_I32, -1, -3) == -1 && on_int(SOP_pow, DT_I32, 3, 0) == 1);
    EXPECT(on_int(SOP_sign, DT_I8, -5, 0) == -1 && on_int(SOP_sign, DT_U8, 200, 0) == 1);
}

static void test_floats(void) {
    EXPECT(isnan(on_float(SOP_max, DT_F32, NAN, 1)) && isnan(on_float(SOP_min, DT_F32, 1, NAN)));
    EXPECT(isnan(on_float(SOP_sign, DT_F32, NAN, 0)) && on_float(SOP_sign, DT_F32, -3, 0) == -1);
    EXPECT(on_float(SOP_round, DT_F32, 2.5f, 0) == 2);
    EXPECT(on_float(SOP_round, DT_F32, -1.5f, 0) == -2);
    EXPECT(on_float(SOP_add, DT_F16, 2048, 1) == 2048); /* rounded to f16, ties to even */
    EXPECT(on_float(SOP_add, DT_BF16, 256, 1) == 256);
    EXPECT(isinf(on_float(SOP_mul, DT_F16, 65504, 2)));
    EXPECT(on_float(SOP_pow, DT_F32, 2, 0.5f) == sqrtf(2));
    ScalarValue v[] = {{.f = NAN}, {.f = NAN}}, d[] = {{.d = 1e300}, {.d = 1e300}};
    EXPECT(!scalar_eval(SOP_eq, DT_F32, DT_BOOL, v).i && scalar_eval(SOP_ne, DT_F32, DT_BOOL, v).i);
    EXPECT(!scalar_eval(SOP_le, DT_F32, DT_BOOL, v).i);
    EXPECT(scalar_eval(SOP_isnan, DT_F32, DT_BOOL, v).i);
    EXPECT(isinf(scalar_eval(SOP_mul, DT_F64, DT_F64, d).d));
    ScalarValue fma[] = {{.f = 1 + 0x1p-12f}, {.f = 1 + 0x1p-12f}, {.f = -1}};
    EXPECT(scalar_eval(SOP_fma, DT_F32, DT_F32, fma).f == 0x1p-11f + 0x1p-24f);
}

static void test_casts(void) {
    EXPECT(to_int(DT_I8, 300) == 127 && to_int(DT_I8, -300) == -128 && to_int(DT_I8, NAN) == 0);
    EXPECT(to_int(DT_U8, -1) == 0 && to_int(DT_U8, 255.9f) == 255 && to_int(DT_U8, 256) == 255);
    EXPECT(to_int(DT_I64, 1e30f) == INT64_MAX && to_int(DT_I64, -1e30f) == INT64_MIN);
    EXPECT((uint64_t)to_int(DT_U64, 1e30f) == UINT64_MAX && to_int(DT_U64, NAN) == 0);
    EXPECT(to_int(DT_I32, -1.9f) == -1 && to_int(DT_BOOL, 0.1f) == 1 && to_int(DT_BOOL, NAN) == 1);
    EXPECT(scalar_cast(DT_I64, DT_I8, (ScalarValue){.i = 200}).i == -56);
    EXPECT(scalar_cast(DT_I64, DT_BOOL, (ScalarValue){.i = 256}).i == 1);
    EXPECT(scalar_cast(DT_U64, DT_F32, (ScalarValue){.u = UINT64_MAX}).f == 0x1p64f);
    EXPECT(scalar_cast(DT_F64, DT_F16, (ScalarValue){.d = 0.1}).f == 0.099975586f);
    ScalarValue one = {.f = 1}, bits = {.i = 0x3f800000};
    EXPECT(scalar_eval(SOP_bits, DT_F32, DT_I32, &one).i == 0x3f800000);
    EXPECT(scalar_eval(SOP_bits, DT_U32, DT_F32, &bits).f == 1);
    uint8_t bytes[8] = {0};
    scalar_store(DT_F16, bytes, (ScalarValue){.f = -2});
    EXPECT(bytes[1] == 0xc0 && scalar_load(DT_F16, bytes).f == -2);
    scalar_store(DT_I16, bytes, (ScalarValue){.i = -2});
    EXPECT(scalar_load(DT_I16, bytes).i == -2 && scalar_load(DT_U16, bytes).i == 65534);
}

static void test_table(void) {
    for (int op = 0; op < SOP_COUNT; op++) EXPECT(scalar_by_name(scalar_info[op].name) == op);
    EXPECT(scalar_by_name("no such") == -1);
    EXPECT(!strcmp(scalar_info[SOP_div].meaning, "OP_DIV(a, b)"));
}

int main(void) {
    test_division();
    test_integers();
    test_floats();
    test_casts();
    test_table();
    printf("%d checks, %d failures\n", checks, failures);
    return failures != 0;
}
