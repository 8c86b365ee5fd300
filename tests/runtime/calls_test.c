/* The runtime operators against plain loops, and whether lists of CPU features are understood. */
#include "../../runtime/core/core.h"

#include "test.h"

#include <math.h>

static void test_nonzero(void) {
    float x[6] = {0, 1, -0.0f, NAN, -2, 0};
    int64_t count = -1, y[6];
    onnxcc_call_nonzero_count(NULL, (void *[]){x, &count}, (int64_t[]){1, 6});
    EXPECT(count == 3);
    onnxcc_call_nonzero_fill(NULL, (void *[]){x, y}, (int64_t[]){1, 3, 2, 2, 3});
    const int64_t want[6] = {0, 1, 1, 1, 0, 1};
    EXPECT(!memcmp(y, want, sizeof want));
    uint8_t b[3] = {0, 0, 0};
    onnxcc_call_nonzero_count(NULL, (void *[]){b, &count}, (int64_t[]){9, 3});
    EXPECT(count == 0);
    uint16_t h[3] = {0x8000, 1, 0x3c00}; /* -0, a denormal, 1 */
    onnxcc_call_nonzero_count(NULL, (void *[]){h, &count}, (int64_t[]){10, 3});
    EXPECT(count == 2);
    int16_t i[2] = {-32768, 0};
    onnxcc_call_nonzero_count(NULL, (void *[]){i, &count}, (int64_t[]){5, 2});
    EXPECT(count == 1);
}

static void test_topk(void) {
    char scratch[160];
    float x[8] = {3, NAN, 1, 3, -0.0f, 0, -INFINITY, 3}, v[8];
    int64_t at[8];
    EXPECT(
        !onnxcc_call_topk(NULL, (void *[]){x, v, at, scratch}, (int64_t[]){1, 1, 8, 1, 4, 1}));
    EXPECT(v[0] != v[0] && v[1] == 3 && at[0] == 1 && at[1] == 0 && at[2] == 3 && at[3] == 7);
    EXPECT(
        !onnxcc_call_topk(NULL, (void *[]){x, v, at, scratch}, (int64_t[]){1, 1, 8, 1, 4, 0}));
    EXPECT(v[0] == -INFINITY && at[1] == 4 && at[2] == 5 && at[3] == 2);
    EXPECT(onnxcc_call_topk(NULL, (void *[]){x, v, at, scratch},
                            (int64_t[]){1, 1, 8, 1, 9, 0}) == ONNXCC_FAULT_HERE);
    EXPECT(
        !onnxcc_call_topk(NULL, (void *[]){x, v, at, scratch}, (int64_t[]){1, 1, 8, 1, 0, 0}));
}

/* Every type, along an inner axis, against a stable insertion sort by value. */
static void test_sort(int dtype, int bytes, int flip) {
    enum { N = 9, INNER = 2 };
    unsigned char x[N * INNER * 8], v[sizeof x];
    char scratch[16 * N];
    int64_t at[N * INNER];
    for (size_t i = 0; i < sizeof x; i++) x[i] = (unsigned char)((i / 2 * 2654435761u) >> 13);
    for (int i = 0; i < bytes; i++) x[i] = x[4 * INNER * bytes + i]; /* equal ones */
    EXPECT(!onnxcc_call_sort(NULL, (void *[]){x, v, at, scratch},
                             (int64_t[]){dtype, 1, N, INNER, flip}));
    for (int i = 0; i < N * INNER; i++)
        EXPECT(!memcmp(v + i * bytes, x + (at[i] * INNER + i % INNER) * bytes, (size_t)bytes));
    for (int i = INNER; i < N * INNER; i++) {
        int64_t a = at[i - INNER], b = at[i];
        const void *p = v + (i - INNER) * bytes, *q = v + i * bytes;
        int64_t s = 0, t = 0;
        memcpy(&s, p, (size_t)bytes);
        memcpy(&t, q, (size_t)bytes);
        bool is_signed = dtype == 3 || dtype == 5 || dtype == 6 || dtype == 7;
        int shift = 64 - 8 * bytes;
        if (is_signed)
            s = (int64_t)((uint64_t)s << shift) >> shift,
            t = (int64_t)((uint64_t)t << shift) >> shift;
        bool less = is_signed ? s < t : (uint64_t)s < (uint64_t)t;
        EXPECT(s == t ? a < b : less != flip);
    }
}

static void test_cpu(void) {
    char buf[64] = "";
    struct text missing = {buf, sizeof buf, 0};
    EXPECT(core_cpu_fits(NULL, NULL) && core_cpu_fits("", NULL) && core_cpu_fits("-warp,,", NULL));
#if defined(__x86_64__)
    EXPECT(core_cpu_fits("x86-64,sse2,+mmx,-avx512f", NULL));
    EXPECT(!core_cpu_fits("sse2,warp,+drive,wa", &missing) && !strcmp(buf, "warp, drive, wa"));
    EXPECT(core_cpu_fits("x86-64-v3", NULL) ==
           core_cpu_fits("x86-64-v2,avx2,bmi,bmi2,f16c,fma,lzcnt,movbe", NULL));
    EXPECT(core_cpu_fits("haswell", NULL) == core_cpu_fits("x86-64-v3", NULL));
    EXPECT(!core_cpu_fits("graniterapids,nonsense", NULL));
    EXPECT(core_cpu_fits("avx2", NULL) == !!__builtin_cpu_supports("avx2"));
    EXPECT(core_cpu_fits("avx512bw", NULL) == !!__builtin_cpu_supports("avx512bw"));
    EXPECT(core_cpu_fits("fma", NULL) == !!__builtin_cpu_supports("fma"));
    EXPECT(core_cpu_fits("avx512vnni", NULL) == !!__builtin_cpu_supports("avx512vnni"));
#endif
    (void)missing;
}

int main(void) {
    test_nonzero();
    test_topk();
    static const int types[][2] = {{2, 1}, {3, 1}, {4, 2},  {5, 2},
                                   {6, 4}, {7, 8}, {12, 4}, {13, 8}};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        for (int flip = 0; flip < 2; flip++) test_sort(types[i][0], types[i][1], flip);
    test_cpu();
    if (failures) fprintf(stderr, "%d failed\n", failures);
    return failures != 0;
}
