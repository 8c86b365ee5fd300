/* float8, float4 and integers below 8 bits: every code, and conversions from numbers at, between
 * and beside all codes. What is expected follows from the definition of the formats alone: the
 * value of a code from its fields, the nearest code by search. Two roads must give it: the
 * interpreter on narrow types, and what pass `carriers` makes of the same kernels.
 *
 * Prints each failure; exits with 0 where there is none. */
#include "ir/lex.h"
#include "ir/scalar_eval.h"
#include "passes/passes.h"

#include <math.h>

enum { MAX_NUMBERS = 4096 };
static int failures, checks;

static void fail(const char *what, const char *road, DType t, double from, double got,
                 double want) {
    if (++failures < 40)
        printf("%s (%s) %s: %.17g gives %.17g, not %.17g\n", what, road, dtype_name(t), from, got,
               want);
}

/* ---- the formats, as ONNX writes them down ---- */

typedef struct Row {
    DType type;
    int exp, mant, bias;
    double max;
    bool has_inf, uz, saturates;
} Row;

static const Row rows[] = {
    {DT_F8E4M3FN, 4, 3, 7, 448, false, false, false},
    {DT_F8E4M3FNUZ, 4, 3, 8, 240, false, true, false},
    {DT_F8E5M2, 5, 2, 15, 57344, true, false, false},
    {DT_F8E5M2FNUZ, 5, 2, 16, 57344, false, true, false},
    {DT_F4E2M1, 2, 1, 1, 6, false, false, true},
};

static double value_of(const Row *r, int code) {
    int top = 1 << (r->exp + r->mant), size = code % top, sign = code / top;
    int e = size >> r->mant, m = size % (1 << r->mant);
    if (r->uz && sign && !size) return NAN;
    if (r->has_inf && e == (1 << r->exp) - 1) return m ? NAN : sign ? -INFINITY : INFINITY;
    double v =
        e ? ldexp(1 + ldexp(m, -r->mant), e - r->bias) : ldexp(ldexp(m, -r->mant), 1 - r->bias);
    if (v > r->max) return NAN;
    return sign ? -v : v;
}

/* The nearest finite value, of two the one with the even code; beyond, as without a limit the next
 * value would have been taken. */
static double nearest(const Row *r, double x) {
    double best = NAN, distance = INFINITY, unit = 0;
    int even = 0, top = 1 << (r->exp + r->mant);
    if (x != x) return r->type == DT_F4E2M1 ? -0.0 : NAN;
    for (int c = 0; c < top; c++) {
        double v = value_of(r, c), d = fabs(v - fmin(fabs(x), 2 * r->max));
        if (v == r->max) unit = v - value_of(r, c - 1), even = c % 2 == 0;
        if (v != v || isinf(v) || d > distance || (d == distance && c % 2)) continue;
        best = v, distance = d;
    }
    double edge = r->max + unit / 2; /* where the next value would begin */
    bool over = fabs(x) > edge || (fabs(x) == edge && !even);
    if (over && !r->saturates) best = r->has_inf ? INFINITY : NAN;
    return r->uz && best == 0 ? 0 : copysign(best, x);
}

/* The smallest power of two that is not less, between 2^-127 and 2^127. */
static double power(double x) {
    double v = 0x1p-127;
    if (x != x) return NAN;
    while (v < fabs((float)x) && v < 0x1p127) v *= 2;
    return v;
}

/* ---- numbers to convert: all values, the middles, and their neighbours ---- */

static int around(double v, double *out) {
    int n = 0;
    float f = (float)v;
    out[n++] = v;
    out[n++] = nextafterf(f, INFINITY);
    out[n++] = nextafterf(f, -INFINITY);
    out[n++] = nextafter(v, INFINITY); /* these two are lost in f32, and count in f64 */
    out[n++] = nextafter(v, -INFINITY);
    return n;
}

static int numbers_of(const Row *r, double *out) {
    int n = around(0, out);
    for (int c = 0; c < 1 << (1 + r->exp + r->mant); c++) {
        double v = value_of(r, c), next = value_of(r, c + 1);
        if (v != v || isinf(v)) continue;
        n += around(v, out + n);
        if (next == next && !isinf(next)) n += around((v + next) / 2, out + n);
    }
    n += around(r->max * (1 + ldexp(1, -r->mant - 2)), out + n);
    n += around(-r->max * 1.0625, out + n);
    double rest[] = {1e30,      -1e30, 1e-30, -1e-30, 1e-42, INFINITY,
                     -INFINITY, NAN,   -0.0,  1e300,  1e-300};
    for (int i = 0; i < LEN(rest); i++) out[n++] = rest[i];
    CHECK(n <= MAX_NUMBERS);
    return n;
}

static int powers(double *out) {
    int n = 0;
    for (int e = -130; e < 128; e += 3) {
        n += around(ldexp(1, e), out + n);
        n += around(ldexp(1.5, e), out + n);
    }
    double rest[] = {0, NAN, 0x1.fffffep127, 0x1p-126, 0x1.8p-127, 0x1p-127};
    for (int i = 0; i < LEN(rest); i++) out[n++] = rest[i];
    return n;
}

/* ---- one conversion on both roads ---- */

static Program *program_of(Ctx *ctx, DType from, DType to) {
    const char *text =
        arena_printf(ctx->perm,
                     "program p(%%x : %s[N]) -> (%%y : %s[N]) where N in 0..65536 {\n"
                     "  kernel k {\n    %%y[i<N] = cast(%s, %%x[i])\n  }\n}\n",
                     dtype_name(from), dtype_name(to), dtype_name(to));
    Program *p = program_parse(ctx, lex_open(ctx, "text", text, strlen(text)));
    CHECK(p && program_verify(p, "as parsed"));
    return p;
}

/* in: a byte or more for each element; the result likewise, unpacked where it was packed. */
static const void *run(Ctx *ctx, Program *p, const void *in, int64_t n, DType from, DType to) {
    Buffer x = {.tensor = p->inputs.at[0], .dims = {n}, .data = (void *)(uintptr_t)in}, y;
    Tensor *result = p->outputs.at[0];
    SymValue size = {p->syms.at[0], n};
    int bits = dtype_bits(from), each = 8 / MIN(bits, 8);
    if (x.tensor->outer && bits < 8) {
        unsigned char *packed = arena_alloc(ctx->perm, (size_t)n + 1);
        for (int64_t i = 0; i < n; i++)
            packed[i / each] |= (unsigned char)((((const unsigned char *)in)[i] & ((1 << bits) - 1))
                                                << (i % each * bits));
        x.data = packed;
        x.dims[0] = (n + each - 1) / each;
    }
    CHECK(program_interp(p, &x, &y, &size, 1, ctx->perm));
    bits = dtype_bits(to);
    if (!result->outer || bits >= 8) return y.data;
    each = 8 / bits;
    CHECK(y.dims[0] == (n + each - 1) / each);
    char *wide = arena_alloc(ctx->perm, (size_t)n + 1);
    DType sign = dtype_is_signed(to) ? to : bits == 4 ? DT_U4 : DT_U2;
    for (int64_t i = 0; i < n; i++) {
        int code = ((unsigned char *)y.data)[i / each] >> (i % each * bits);
        memcpy(&wide[i], const_new_int(ctx, sign, scalar_wrap(sign, code))->data, 1);
    }
    return wide;
}

static bool same(double a, double b) {
    return (a != a && b != b) || (a == b && signbit(a) == signbit(b));
}

static void check_road(Ctx *ctx, Program *p, const char *road, const Const *in, const double *want,
                       DType to) {
    DType from = in->dtype;
    Const out = {.dtype = to, .elements = in->elements};
    out.data = run(ctx, p, in->data, in->elements, from, to);
    for (int64_t i = 0; i < in->elements; i++) {
        double got = const_get(&out, i);
        checks++;
        if (!same(got, want[i])) fail(dtype_name(from), road, to, const_get(in, i), got, want[i]);
    }
}

static void check(Ctx *ctx, const Const *in, const double *want, DType to) {
    check_road(ctx, program_of(ctx, in->dtype, to), "interpreter", in, want, to);
    Program *p = program_of(ctx, in->dtype, to);
    CHECK(pass_carriers(p) && program_verify(p, "after carriers"));
    check_road(ctx, p, "carriers", in, want, to);
}

static Const *constants(Ctx *ctx, DType t, const double *v, int n) {
    size_t bytes = dtype_bytes(t);
    char *data = arena_alloc(ctx->perm, bytes * (size_t)n + 1);
    for (int i = 0; i < n; i++) {
        const Const *c =
            dtype_is_float(t) ? const_new_flt(ctx, t, v[i]) : const_new_int(ctx, t, (int64_t)v[i]);
        memcpy(data + (size_t)i * bytes, c->data, bytes);
    }
    return const_new(ctx, t, n, data);
}

/* ---- floats ---- */

static void check_codes(Ctx *ctx, const Row *r) {
    static const DType to[] = {DT_F32, DT_F64, DT_F16};
    int n = 1 << (1 + r->exp + r->mant);
    unsigned char codes[256];
    double want[256];
    for (int c = 0; c < n; c++) codes[c] = (unsigned char)c, want[c] = value_of(r, c);
    for (int i = 0; i < LEN(to); i++) check(ctx, const_new(ctx, r->type, n, codes), want, to[i]);
}

static void check_rounding(Ctx *ctx, const Row *r) {
    static const DType from[] = {DT_F32, DT_F64, DT_F16, DT_BF16, DT_I32, DT_U8, DT_I64};
    double *v = NEW_ARRAY(ctx->perm, double, MAX_NUMBERS),
           *want = NEW_ARRAY(ctx->perm, double, MAX_NUMBERS);
    int n = numbers_of(r, v);
    for (int i = 0; i < LEN(from); i++) {
        int used = 0;
        double *some = NEW_ARRAY(ctx->perm, double, MAX_NUMBERS);
        for (int k = 0; k < n; k++)
            if (dtype_is_float(from[i]) || fabs(v[k]) < 1e9) some[used++] = v[k];
        Const *in = constants(ctx, from[i], some, used);
        for (int k = 0; k < used; k++) want[k] = nearest(r, const_get(in, k));
        check(ctx, in, want, r->type);
    }
}

static void check_powers(Ctx *ctx) {
    unsigned char codes[256];
    double want[MAX_NUMBERS], v[MAX_NUMBERS];
    for (int c = 0; c < 256; c++)
        codes[c] = (unsigned char)c, want[c] = c == 255 ? NAN : ldexp(1, c - 127);
    check(ctx, const_new(ctx, DT_F8E8M0, 256, codes), want, DT_F32);
    static const DType from[] = {DT_F32, DT_F64};
    int n = powers(v);
    for (int i = 0; i < LEN(from); i++) {
        Const *in = constants(ctx, from[i], v, n);
        for (int k = 0; k < n; k++) want[k] = power(const_get(in, k));
        check(ctx, in, want, DT_F8E8M0);
    }
}

/* ---- integers: two's complement; integers wrap, floats are cut off and limited ---- */

static double wrapped(DType t, double v) {
    int n = 1 << dtype_bits(t), w = (int)((int64_t)v & (n - 1));
    return dtype_is_signed(t) && w >= n / 2 ? w - n : w;
}

static double limited(DType t, double v) {
    int n = 1 << dtype_bits(t), lo = dtype_is_signed(t) ? -n / 2 : 0, hi = lo + n - 1;
    return v != v ? 0 : v <= lo ? lo : v >= hi ? hi : trunc(v) + 0.0;
}

static void check_integers(Ctx *ctx, DType t) {
    static const DType ints[] = {DT_I8, DT_I32, DT_I64, DT_U8}, floats[] = {DT_F32, DT_F64, DT_F16};
    static const double odd[] = {NAN,   INFINITY, -INFINITY, 0.5,  -0.5, 0.99,
                                 -0.99, 2.5,      7.5,       -8.5, 1e20};
    double v[64], want[64];
    int n = 0, codes = 1 << dtype_bits(t);
    for (int i = -20; i < 20; i++) v[n++] = i;
    for (int i = 0; i < LEN(ints); i++) {
        Const *in = constants(ctx, ints[i], v, n);
        for (int k = 0; k < n; k++) want[k] = wrapped(t, const_get(in, k));
        check(ctx, in, want, t);
    }
    for (int i = 0; i < LEN(odd); i++) v[n++] = odd[i];
    for (int i = 0; i < LEN(floats); i++) {
        Const *in = constants(ctx, floats[i], v, n);
        for (int k = 0; k < n; k++) want[k] = limited(t, const_get(in, k));
        check(ctx, in, want, t);
    }
    for (int c = 0; c < codes; c++) v[c] = want[c] = wrapped(t, c);
    check(ctx, constants(ctx, t, v, codes - 1), want, DT_F32); /* an odd number of them */
    check(ctx, constants(ctx, t, v, codes), want, DT_I64);
    for (int c = 0; c < codes; c++) want[c] = wrapped(DT_U8, v[c]);
    check(ctx, constants(ctx, t, v, codes), want, DT_U8);
}

int main(void) {
    static const DType ints[] = {DT_I4, DT_U4, DT_I2, DT_U2};
    Ctx *ctx = ctx_new();
    for (int i = 0; i < LEN(rows); i++) {
        check_codes(ctx, &rows[i]);
        check_rounding(ctx, &rows[i]);
    }
    check_powers(ctx);
    for (int i = 0; i < LEN(ints); i++) check_integers(ctx, ints[i]);
    printf("%d checks, %d failures\n", checks, failures);
    ctx_free(ctx);
    return failures || !checks;
}
