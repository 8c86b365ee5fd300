/* Measures the functions that passes/kernel/lower_math.c expands against libm in double (long
 * double for f64), in units in the last place, and holds them to the bounds that
 * docs/numerics.md states.
 *
 *   unit_math         a sample of about 200,000 values for each function; what the tests run
 *   unit_math 64      every 64th f32 (about ten minutes)
 *
 * The expanded expressions are run by the interpreter, as they are and with every fma as a product
 * and a sum: so targets without fma compute them. */
#include "passes/kernel/lower_math.h"
#include "ir/scalar_eval.h"

#include <math.h>
#include <stdlib.h>

#include "tests/ulps.h"

static int failures;

/* ---- running an expression over many inputs ---- */

typedef struct Function {
    Ctx *ctx;
    Program *program;
    Arena *arena;
    int n_in;
    DType type;
    int64_t n;
} Function;

static Expr *split_fma(void *user, Expr *e) {
    if (e->kind != E_OP || e->op != SOP_fma) return e;
    return expr_op2(user, SOP_add, expr_op2(user, SOP_mul, e->arg[0], e->arg[1]), e->arg[2]);
}

static Function open_function(ScalarOp op, DType t, int64_t n, int n_in, bool fma) {
    Ctx *ctx = ctx_new();
    Function f = {ctx, program_new(ctx, "f"), NULL, n_in, t, n};
    Expr *dim = expr_int(ctx, n), *arg[2];
    Var *i = var_new(ctx, "i", dim);
    for (int k = 0; k < n_in; k++) {
        Tensor *x = tensor_new(ctx, k ? "y" : "x", t, &dim, 1, SP_INPUT);
        vec_push(ctx->perm, &f.program->inputs, x);
        arg[k] = expr_load(ctx, x, &i->self, 1);
    }
    Tensor *z = tensor_new(ctx, "z", t, &dim, 1, SP_OUTPUT);
    vec_push(ctx->perm, &f.program->outputs, z);
    Kernel *k = kernel_new(f.program, "f");
    Math m = {ctx, DT_F32, DT_I32};
    Expr *value = op == SOP_COUNT ? math_exp_down(&m, arg[0], false)
                                  : lower_math_expr(ctx, expr_op(ctx, op, arg));
    if (!fma) value = expr_rewrite(ctx, value, split_fma, ctx);
    vec_push(ctx->perm, &k->stmts, stmt_new(ctx, ST_MAP, z, &i, 1, value));
    item_kernel(f.program, f.program->body, k);
    return f;
}

/* The result lives until the next run. */
static const void *run(Function *f, const void *x, const void *y) {
    Buffer in[2] = {{.dims = {f->n}, .data = (void *)(uintptr_t)x},
                    {.dims = {f->n}, .data = (void *)(uintptr_t)y}};
    Buffer out[1];
    if (f->arena) arena_free(f->arena);
    f->arena = arena_new();
    if (!program_interp(f->program, in, out, NULL, 0, f->arena)) exit(1);
    return out[0].data;
}

static void close_function(Function *f) {
    if (f->arena) arena_free(f->arena);
    ctx_free(f->ctx);
}

/* ---- what is right ---- */

static long double reference(ScalarOp op, long double x, long double y) {
    switch (op) {
#define F(name) name##l
#define BOUND(name, value, ...) \
    case SOP_##name: \
        return value;
#include "tests/math_bounds.def"
#undef F
    default:
        return powl(x, y);
    }
}

static double ulps64(double got, long double want) {
    double near = (double)want;
    if (isnan(got) || isnan(near)) return isnan(got) && isnan(near) ? 0 : 1e30;
    if (got == near || isinf(near)) return got == near ? 0 : 1e30;
    double unit = nextafter(fabs(near), INFINITY) - fabs(near);
    return (double)(fabsl((long double)got - want) / unit);
}

typedef struct Bound {
    ScalarOp op;
    double ulps32, ulps64;
    double limit32, limit_plain, limit64; /* arguments up to this size: f32, without fma, f64 */
} Bound;
static const Bound bounds[] = {
#define BOUND(name, value, ...) {SOP_##name, __VA_ARGS__},
#include "tests/math_bounds.def"
};

/* ---- f32, one argument ---- */

enum { BATCH = 1 << 14 };

typedef struct Worst {
    double ulps, x;
} Worst;

static void measure32(Function *f, const Bound *b, double limit, const float *x, Worst *w) {
    const float *z = run(f, x, NULL);
    for (int i = 0; i < BATCH; i++) {
        if (fabsf(x[i]) > limit && !isinf(x[i])) continue;
        double u = ulps32(z[i], reference(b->op, x[i], 0));
        if (u > w->ulps) *w = (Worst){u, x[i]};
    }
}

static float of_bits(uint32_t u) {
    float f;
    memcpy(&f, &u, 4);
    return f;
}

/* Every `step`-th float, and a dense sample of -20..20. */
static void test32(const Bound *b, uint32_t step, bool fma) {
    Function f = open_function(b->op, DT_F32, BATCH, 1, fma);
    double limit = fma ? b->limit32 : b->limit_plain;
    Worst w = {0, 0};
    float x[BATCH];
    uint64_t u = 0;
    while (u < (uint64_t)1 << 32) {
        for (int i = 0; i < BATCH; i++, u += step)
            x[i] = of_bits(u < (uint64_t)1 << 32 ? (uint32_t)u : 0);
        measure32(&f, b, limit, x, &w);
    }
    for (int k = 0; k < 8; k++) {
        for (int i = 0; i < BATCH; i++)
            x[i] = (float)((double)(k * BATCH + i) / (8 * BATCH) * 40 - 20);
        measure32(&f, b, limit, x, &w);
    }
    static const float ends[] = {0.0f,  -0.0f,  INFINITY, -INFINITY, NAN,     1.0f,
                                 -1.0f, 1e-45f, -1e-45f,  88.72f,    -87.33f, 3.4e38f};
    for (int i = 0; i < BATCH; i++) x[i] = ends[i % LEN(ends)];
    measure32(&f, b, limit, x, &w);
    const char *how = fma ? "" : "  without fma";
    printf("%-8s f32 %6.3f ulp at %.9g%s\n", scalar_info[b->op].name, w.ulps, w.x, how);
    if (w.ulps > b->ulps32 + (fma ? 0 : 1)) failures++;
    close_function(&f);
}

/* The exponential of softmax: arguments are not positive, SOP_COUNT stands for it. */
static void test_exp_down(double least, double bound) {
    Function f = open_function(SOP_COUNT, DT_F32, BATCH, 1, true);
    float x[BATCH];
    Worst w = {0, 0};
    for (int i = 0; i < BATCH; i++) x[i] = (float)(least * i / BATCH);
    x[1] = -INFINITY;
    x[2] = NAN;
    const float *z = run(&f, x, NULL);
    for (int i = 0; i < BATCH; i++) {
        double u = ulps32(z[i], expl(x[i]));
        if (u > w.ulps) w = (Worst){u, x[i]};
    }
    printf("softmax's exp from %g: %.3f ulp at %.9g\n", least, w.ulps, w.x);
    if (w.ulps > bound) failures++;
    close_function(&f);
}

/* ---- f64 ---- */

static void test64(const Bound *b) {
    Function f = open_function(b->op, DT_F64, BATCH, 1, true);
    static double x[BATCH];
    Worst w = {0, 0};
    for (int k = 0; k < 16; k++) {
        for (int i = 0; i < BATCH; i++) {
            uint64_t r = hash_mix((uint64_t)k, (uint64_t)i);
            double unit = (double)(r >> 11) / 4503599627370496.0 - 1;
            x[i] = k < 4    ? unit * 20
                   : k < 8  ? unit
                   : k < 12 ? unit * 720
                            : ldexp(unit, (int)(r % 200) - 100);
        }
        const double *z = run(&f, x, NULL);
        for (int i = 0; i < BATCH; i++) {
            if (fabs(x[i]) > b->limit64) continue;
            double u = ulps64(z[i], reference(b->op, x[i], 0));
            if (u > w.ulps) w = (Worst){u, x[i]};
        }
    }
    printf("%-8s f64 %6.3f ulp at %.17g\n", scalar_info[b->op].name, w.ulps, w.x);
    if (w.ulps > b->ulps64) failures++;
    close_function(&f);
}

/* ---- pow ---- */

static void test_pow(void) {
    static const float ends[] = {0.0f, -0.0f, 1,        -1,        2,   -2,     3,       -3,
                                 0.5f, -0.5f, INFINITY, -INFINITY, NAN, 1e-40f, 3.4e38f, 1e10f};
    static float x[BATCH], y[BATCH];
    Function f = open_function(SOP_pow, DT_F32, BATCH, 2, true);
    Worst w = {0, 0};
    for (int k = 0; k < 9; k++) {
        for (int i = 0; i < BATCH; i++) {
            uint64_t r = hash_mix((uint64_t)k, (uint64_t)i);
            double u = (double)(r >> 40) / 16777216.0, v = (double)(r & 0xffffff) / 8388608.0 - 1;
            x[i] =
                k == 0 ? ends[i % 16] : (float)ldexp(u + 0.5, k % 3 ? (int)(r >> 30 & 31) - 16 : 0);
            y[i] = k == 0   ? ends[i / 16 % 16]
                   : k == 3 ? roundf((float)(10 * v))
                            : (float)(k % 2 ? 8 * v : 80 * v);
            if (k == 3 && i % 2) x[i] = -x[i];
        }
        const float *z = run(&f, x, y);
        for (int i = 0; i < BATCH; i++) {
            double u = ulps32(z[i], (long double)pow(x[i], y[i]));
            if (u > w.ulps) w = (Worst){u, x[i]};
            if (u > 2 && failures++ < 20)
                printf("pow(%g, %g) = %.9g, not %.9g\n", x[i], y[i], z[i], pow(x[i], y[i]));
        }
    }
    printf("pow      f32 %6.3f ulp at %.9g\n", w.ulps, w.x);
    close_function(&f);
}

static void test_pow64(void) {
    static double x[BATCH], y[BATCH];
    Function f = open_function(SOP_pow, DT_F64, BATCH, 2, true);
    Worst w = {0, 0};
    for (int k = 0; k < 6; k++) {
        for (int i = 0; i < BATCH; i++) {
            uint64_t r = hash_mix((uint64_t)k, (uint64_t)i);
            double u = (double)(r >> 40) / 16777216.0, v = (double)(r & 0xffffff) / 8388608.0 - 1;
            x[i] = k == 0 ? i % 40 - 20 : ldexp(u + 0.5, k % 3 ? (int)(r >> 30 & 31) - 16 : 0);
            y[i] = k == 0 ? i / 40 % 40 - 20 : k % 2 ? 20 * v : 60 * v;
        }
        const double *z = run(&f, x, y);
        for (int i = 0; i < BATCH; i++) {
            double ulps = ulps64(z[i], powl(x[i], y[i]));
            if (ulps > w.ulps) w = (Worst){ulps, x[i]};
            bool exact = k == 0 && y[i] >= 0 && y[i] <= 11;
            bool wrong = exact && z[i] != (double)powl(x[i], y[i]);
            if ((wrong || ulps > 3) && failures++ < 20)
                printf("pow(%.17g, %.17g) = %.17g\n", x[i], y[i], z[i]);
        }
    }
    printf("pow      f64 %6.3f ulp at %.17g\n", w.ulps, w.x);
    close_function(&f);
}

static void test_pow_int(void) {
    static int64_t x[BATCH], y[BATCH];
    Function f = open_function(SOP_pow, DT_I64, BATCH, 2, true);
    for (int i = 0; i < BATCH; i++) x[i] = i % 23 - 11, y[i] = i / 23 % 80 - 8;
    const int64_t *z = run(&f, x, y);
    for (int i = 0; i < BATCH; i++) {
        ScalarValue args[2] = {{.i = x[i]}, {.i = y[i]}};
        if (z[i] != scalar_eval(SOP_pow, DT_I64, DT_I64, args).i && failures++ < 20)
            printf("pow(%lld, %lld) = %lld\n", (long long)x[i], (long long)y[i], (long long)z[i]);
    }
    close_function(&f);
}

int main(int argc, char **argv) {
    long step = argc > 1 ? atol(argv[1]) : 65521;
    for (int i = 0; i < LEN(bounds) && step > 0; i++) {
        test32(&bounds[i], (uint32_t)step, true);
        test32(&bounds[i], (uint32_t)step, false);
        test64(&bounds[i]);
    }
    test_exp_down(-10, 2);
    test_exp_down(-87, 5);
    test_exp_down(-120, 5);
    test_pow();
    test_pow64();
    test_pow_int();
    printf("%d failures\n", failures);
    return failures != 0;
}
