/* Numbers to strings and back, as programs do it: digits, corners, and that what is printed reads
 * back as the same number.
 *
 * Prints each failure; exits with 0 where there is none. */
#include "ir/base.h"
#include "runtime/abi.h"

#include <math.h>
#include <stdlib.h>

static int failures, checks;
static char room[1 << 16];

static void expect(bool ok, const char *what, const char *got) {
    checks++;
    if (ok) return;
    failures++;
    printf("unit_numbers.c: failed: %s, got %s\n", what, got);
}

static struct onnxcc_frame frame(void) {
    static const struct onnxcc_model model = {.slot_arena = 0};
    static int64_t top;
    uintptr_t at = ((uintptr_t)room + ONNXCC_ALIGN - 1) / ONNXCC_ALIGN * ONNXCC_ALIGN;
    return (struct onnxcc_frame){
        .model = &model, .syms = &top, .arena = (char *)at, .arena_bytes = 1 << 15};
}

/* The text of v as a float of `bits` and smallest exponent `lowest`. */
static const char *text_of(double v, int64_t bits, int64_t lowest) {
    static char text[64];
    struct onnxcc_string y;
    struct onnxcc_frame f = frame();
    int code = onnxcc_call_str_of_float(&f, (void *[]){&v, &y}, (int64_t[]){1, bits, lowest});
    if (code || y.size >= sizeof text) return "?";
    memcpy(text, y.data, y.size);
    text[y.size] = 0;
    return text;
}

static bool read(const char *text, bool odd, double *v) {
    struct onnxcc_string x = {text, strlen(text)};
    struct onnxcc_frame f = frame();
    return !onnxcc_call_str_to_float(&f, (void *[]){&x, v}, (int64_t[]){1, odd});
}

static void prints(double v, const char *want) {
    const char *got = text_of(v, 53, -1074);
    expect(!strcmp(got, want), want, got);
}

static void prints_f32(float v, const char *want) {
    const char *got = text_of(v, 24, -149);
    expect(!strcmp(got, want), want, got);
}

static void reads(const char *text, double want) {
    double got = 0;
    bool ok = read(text, false, &got);
    expect(ok && (got == want || (isnan(got) && isnan(want))), text, text_of(got, 53, -1074));
}

static void refuses(const char *text) {
    double got;
    expect(!read(text, false, &got), text, "a number");
}

static void test_printing(void) {
    prints(0, "0.0"), prints(-0.0, "-0.0"), prints(1, "1.0"), prints(-2.5, "-2.5");
    prints(0.1, "0.1"), prints(1.0 / 3, "0.3333333333333333"), prints(0.0001, "0.0001");
    prints(0.00001, "1e-05"), prints(1e15, "1000000000000000.0"), prints(1e16, "1e+16");
    prints(1e22, "1e+22"), prints(1e23, "1e+23"), prints(5e-324, "5e-324");
    prints(1.7976931348623157e308, "1.7976931348623157e+308");
    prints(2.2250738585072014e-308, "2.2250738585072014e-308");
    prints(9007199254740993.0, "9007199254740992.0"),
        prints(1743829569681555.25, "1743829569681555.2");
    prints(NAN, "NaN"), prints(INFINITY, "INF"), prints(-INFINITY, "-INF");
    prints_f32(0.1f, "0.1"), prints_f32(0.47892547f, "0.47892547"), prints_f32(1e-45f, "1e-45");
    prints_f32(3.4028235e38f, "3.4028235e+38"), prints_f32(16777216, "16777216.0");
    const char *got = text_of(0.0078125, 11, -24); /* f16 */
    expect(!strcmp(got, "0.007812"), "0.007812", got);
}

static void test_reading(void) {
    reads("12", 12), reads(" -1.5e3\n", -1500), reads("+.5", 0.5), reads("5.", 5);
    reads("1e400", INFINITY), reads("1e-400", 0), reads("nan", NAN), reads("-Inf", -INFINITY);
    reads("INFINITY", INFINITY), reads("9007199254740993", 9007199254740992.0);
    reads("9007199254740993.0000000000000000000000000000000001", 9007199254740994.0);
    reads("2.4703282292062327208e-324", 0), reads("2.4703282292062328e-324", 5e-324);
    reads("1.7976931348623158e308", 1.7976931348623157e308);
    refuses(""), refuses("x"), refuses("1x"), refuses("1e"), refuses("--1"), refuses("."),
        refuses("1 2");
}

static void test_there_and_back(void) {
    uint64_t state = 1;
    for (int i = 0; i < 20000; i++) {
        state = hash_mix(state, (uint64_t)i);
        double v, back;
        float single, again;
        uint32_t low = (uint32_t)state;
        memcpy(&v, &state, 8);
        memcpy(&single, &low, 4);
        if (isnan(v) || isnan(single)) continue;
        const char *text = text_of(v, 53, -1074);
        expect(read(text, false, &back) && back == v && strtod(text, NULL) == v, "f64", text);
        text = text_of(single, 24, -149);
        bool ok = read(text, true, &back);
        again = (float)back;
        expect(ok && again == single, "f32", text);
    }
}

static void test_integers(void) {
    int64_t v[] = {0, INT64_MIN, INT64_MAX, -1}, back[4];
    static const char *const want[] = {"0", "-9223372036854775808", "9223372036854775807", "-1"};
    struct onnxcc_string y[4], over = {"18446744073709551616", 20};
    struct onnxcc_frame f = frame();
    onnxcc_call_str_of_int(&f, (void *[]){v, y}, (int64_t[]){4, 1});
    for (int i = 0; i < 4; i++)
        expect(y[i].size == strlen(want[i]) && !memcmp(y[i].data, want[i], y[i].size), want[i],
               "?");
    expect(!onnxcc_call_str_to_int(&f, (void *[]){y, back}, (int64_t[]){4}), "back", "a fault");
    expect(!memcmp(v, back, sizeof v), "the same integers", "others");
    expect(onnxcc_call_str_to_int(&f, (void *[]){&over, back}, (int64_t[]){1}), "a fault", "none");
}

int main(void) {
    test_printing();
    test_reading();
    test_there_and_back();
    test_integers();
    printf("%d checks, %d failures\n", checks, failures);
    return failures != 0;
}
