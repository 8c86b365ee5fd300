/* The mathematical functions of a compiled program against libm, over all f32 values.
 *
 *   functions STEP FIRST FMA    every STEP-th value from FIRST on; FMA: 1 where the code uses it
 *
 * Prints the largest error of each function; exit code 1 where one is beyond its bound
 * (tests/math_bounds.def). */
#include "functions.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/ulps.h"

enum { BATCH = 1 << 13 };

typedef struct {
    double ulps;
    float x, y;
} Worst;

static float x[BATCH], y[BATCH];

/* Pow's second argument is a number up to 8, up to 80, or a whole one: the batch decides. */
static void fill(uint64_t first, uint64_t step, unsigned batch) {
    uint64_t r = first * 2 + 1;
    for (int i = 0; i < BATCH; i++) {
        uint64_t u = first + step * (uint64_t)i;
        uint32_t bits = u >> 32 ? 0 : (uint32_t)u;
        memcpy(&x[i], &bits, 4);
        r = r * 6364136223846793005u + 1442695040888963407u;
        float unit = (float)(r >> 40) / 8388608.0f - 1;
        y[i] = batch % 3 == 2 ? roundf(16 * unit) : unit * (batch % 3 ? 80.0f : 8.0f);
    }
}

/* double suffices: its error is below 1e-8 units of f32's last place. */
#define F(name) name
#define BOUND(name, value, ...)                                                                    \
    static double want_##name(double x) {                                                          \
        return value;                                                                              \
    }
#include "tests/math_bounds.def"

typedef struct {
    const char *name;
    double (*want)(double x);
    double bound, bound64, limit, limit_plain, limit64;
} Function;
#define BOUND(name, value, ...) static const Function name##_f = {#name, want_##name, __VA_ARGS__};
#include "tests/math_bounds.def"

static void measure(const Function *f, const float *got, int fma, Worst *w) {
    double limit = fma ? f->limit : f->limit_plain;
    for (int i = 0; i < BATCH; i++) {
        if (fabsf(x[i]) > limit && !isinf(x[i])) continue;
        double u = ulps32(got[i], f->want(x[i]));
        if (u > w->ulps) *w = (Worst){u, x[i], 0};
    }
}

static void measure_pow(const float *got, Worst *w) {
    for (int i = 0; i < BATCH; i++) {
        double u = ulps32(got[i], pow(x[i], y[i]));
        if (u > w->ulps) *w = (Worst){u, x[i], y[i]};
    }
}

static int report(const char *name, const Worst *w, double bound) {
    printf("%-8s %6.3f ulp at %.9g", name, w->ulps, w->x);
    if (w->y != 0) printf(", %.9g", w->y);
    printf(w->ulps > bound ? ": more than %g\n" : "\n", bound);
    return w->ulps > bound;
}

/* What the model has of math_bounds.def, by the names of its outputs. */
#define FUNCTIONS(DO)                                                                              \
    DO(exp) DO(log) DO(tanh) DO(erf) DO(sigmoid) DO(sin) DO(cos) DO(tan) DO(asin) DO(acos)         \
    DO(atan) DO(sinh) DO(cosh) DO(asinh) DO(acosh) DO(atanh)
enum {
#define NUMBER(name) F_##name,
    FUNCTIONS(NUMBER) F_pow,
    F_COUNT
};

static float results[F_COUNT][BATCH];
static _Alignas(functions_ARENA_ALIGN) char arena[functions_ARENA_BYTES + 1];

static void run(functions_ctx *model) {
    functions_inputs in = {x, y};
    functions_outputs out = {.arena_needed = 0};
#define PLACE(name) out.name##_x = results[F_##name];
    FUNCTIONS(PLACE) PLACE(pow)
    functions_dims dims = {BATCH};
    int code = functions_run(model, &in, &out, &dims, arena, functions_ARENA_BYTES);
    if (code) printf("run: error code %d\n", code), exit(1);
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    uint64_t step = strtoull(argv[1], NULL, 10), end = (uint64_t)1 << 32;
    int fma = atoi(argv[3]), failures = 0;
    functions_ctx model;
    if (!step || functions_open(&model, NULL)) return 2;
    static Worst worst[F_COUNT];
    unsigned batch = 0;
    for (uint64_t u = strtoull(argv[2], NULL, 10); u < end; u += step * BATCH) {
        fill(u, step, batch++);
        run(&model);
#define MEASURE(name) measure(&name##_f, results[F_##name], fma, &worst[F_##name]);
        FUNCTIONS(MEASURE)
        measure_pow(results[F_pow], &worst[F_pow]);
    }
#define REPORT(name) failures += report(#name, &worst[F_##name], name##_f.bound + !fma);
    FUNCTIONS(REPORT)
    failures += report("pow", &worst[F_pow], 2 + !fma);
    return failures != 0;
}
