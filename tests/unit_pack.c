/* Constants in their stored layouts: every layout against the definition, element by element;
 * and how fast. */
#include "codegen/weights.h"

#include <stdlib.h>
#include <time.h>

static int failures;
static uint64_t state = 7;
static uint64_t next_random(void) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return state >> 20;
}

typedef struct Out {
    char *at;
    size_t n;
} Out;

static void collect(void *user, const void *data, size_t bytes) {
    Out *o = user;
    memcpy(o->at + o->n, data, bytes);
    o->n += bytes;
}

/* Where element index[] lies: (index[dim] / div) % mod for each entry. */
static int64_t offset_of(const Tensor *t, const int64_t *dims, const int64_t *index) {
    int64_t at = 0;
    for (int k = 0; k < t->layout->n; k++) {
        const LayoutDim *d = &t->layout->at[k];
        int64_t extent = d->mod ? d->mod : (dims[d->dim] + d->div - 1) / d->div;
        int64_t c = index[d->dim] / d->div;
        at = at * extent + (d->mod ? c % d->mod : c);
    }
    return at;
}

static void check(Ctx *ctx, DType dtype, int rank, const int64_t *dims, const Layout *layout) {
    size_t elem = dtype_bytes(dtype);
    int64_t elements = 1, stored = 1, index[MAX_RANK] = {0};
    Expr *e[MAX_RANK];
    for (int i = 0; i < rank; i++) e[i] = expr_int(ctx, dims[i]), elements *= dims[i];
    Tensor *t = tensor_new(ctx, "w", dtype, e, rank, SP_CONST);
    t->layout = arena_copy(ctx->perm, layout, sizeof *layout);
    CHECK(expr_is_int(tensor_elements(ctx, t), &stored));
    char *data = malloc((size_t)elements * elem + 1), *want = calloc((size_t)stored + 1, elem);
    for (size_t i = 0; i < (size_t)elements * elem; i++) data[i] = (char)next_random();
    for (int64_t i = 0; i < elements; i++) {
        memcpy(want + (size_t)offset_of(t, dims, index) * elem, data + (size_t)i * elem, elem);
        for (int d = rank - 1; d >= 0 && ++index[d] == dims[d]; d--) index[d] = 0;
    }
    Out out = {calloc((size_t)stored + 1, elem), 0};
    pack_const(ctx, t, const_new(ctx, dtype, elements, data), collect, &out);
    if (out.n != (size_t)stored * elem || memcmp(out.at, want, out.n)) {
        Str s = str_new(ctx->perm);
        for (int k = 0; k < layout->n; k++)
            str_fmt(&s, " %d/%lld%%%lld", layout->at[k].dim, (long long)layout->at[k].div,
                    (long long)layout->at[k].mod);
        printf("FAIL %s [%lld,%lld,..] layout%s\n", dtype_name(dtype), (long long)dims[0],
               (long long)(rank > 1 ? dims[1] : 0), str_c(&s));
        failures++;
    }
    free(data), free(want), free(out.at);
}

/* The packed bytes against what is stored without packing. */
static void check_packed(Ctx *ctx, int bits, int64_t rows, int64_t columns, Layout *layout) {
    Expr *e[2] = {expr_int(ctx, rows), expr_int(ctx, columns)};
    Tensor *t = tensor_new(ctx, "w", DT_U8, e, 2, SP_CONST);
    int64_t n = rows * columns, stored;
    t->layout = layout;
    CHECK(expr_is_int(tensor_elements(ctx, t), &stored));
    char *data = malloc((size_t)n);
    for (int64_t i = 0; i < n; i++) data[i] = (char)next_random();
    Const *c = const_new(ctx, DT_U8, n, data);
    Out wide = {calloc((size_t)stored, 1), 0}, narrow = {calloc((size_t)stored + 1, 1), 0};
    pack_const(ctx, t, c, collect, &wide);
    t->packed = bits;
    pack_const(ctx, t, c, collect, &narrow);
    bool ok = narrow.n == ((size_t)stored * (size_t)bits + 7) / 8;
    for (int64_t i = 0; i < stored; i++) {
        int at = (int)(i * bits % 8), got = (unsigned char)narrow.at[i * bits / 8] >> at;
        ok &= ((got ^ wide.at[i]) & ((1 << bits) - 1)) == 0;
    }
    if (!ok) printf("FAIL packed %d [%lld,%lld]\n", bits, (long long)rows, (long long)columns);
    failures += !ok;
    free(data), free(wide.at), free(narrow.at);
}

static void ignore(void *user, const void *data, size_t bytes) {
    *(size_t *)user += bytes + (((const char *)data)[0] == 1);
}

static void time_layout(Ctx *ctx, const char *name, int64_t n, const Layout *layout) {
    Expr *e[2] = {expr_int(ctx, n), expr_int(ctx, n)};
    Tensor *t = tensor_new(ctx, "w", DT_F32, e, 2, SP_CONST);
    t->layout = arena_copy(ctx->perm, layout, sizeof *layout);
    float *data = malloc((size_t)(n * n) * 4);
    for (int64_t i = 0; i < n * n; i++) data[i] = (float)i;
    struct timespec a, b;
    size_t bytes = 0;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
    pack_const(ctx, t, const_new(ctx, DT_F32, n * n, data), ignore, &bytes);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
    double s = (double)(b.tv_sec - a.tv_sec) + 1e-9 * (double)(b.tv_nsec - a.tv_nsec);
    printf("%-10s %lld x %lld: %.2f GB/s\n", name, (long long)n, (long long)n,
           4e-9 * (double)(n * n) / s);
    free(data);
}

int main(void) {
    Ctx *ctx = ctx_new();
    static const Layout layouts[] = {
        {2, {{1, 1, 0}, {0, 1, 0}}},
        {3, {{0, 32, 0}, {1, 1, 0}, {0, 1, 32}}},
        {3, {{0, 1, 0}, {1, 4, 0}, {1, 1, 4}}},
        {4, {{0, 16, 0}, {1, 4, 0}, {0, 1, 16}, {1, 1, 4}}},
        {4, {{1, 1, 4}, {0, 1, 16}, {1, 4, 0}, {0, 16, 0}}},
        {4, {{1, 16, 0}, {0, 8, 0}, {1, 1, 16}, {0, 1, 8}}},
        {2, {{0, 1, 0}, {1, 1, 0}}},
    };
    static const DType types[] = {DT_U8, DT_F16, DT_F32, DT_F64, DT_I64};
    for (int l = 0; l < LEN(layouts); l++)
        for (int i = 0; i < 12; i++) {
            int64_t dims[2] = {1 + (int64_t)(next_random() % 70),
                               1 + (int64_t)(next_random() % 70)};
            check(ctx, types[i % LEN(types)], 2, dims, &layouts[l]);
        }
    static const Layout conv[] = {
        {4, {{0, 1, 0}, {2, 1, 0}, {3, 1, 0}, {1, 1, 0}}},
        {5, {{0, 32, 0}, {2, 1, 0}, {3, 1, 0}, {1, 1, 0}, {0, 1, 32}}},
        {6, {{0, 16, 0}, {1, 16, 0}, {2, 1, 0}, {3, 1, 0}, {1, 1, 16}, {0, 1, 16}}},
        {4, {{3, 1, 0}, {2, 1, 0}, {1, 1, 0}, {0, 1, 0}}},
    };
    for (int l = 0; l < LEN(conv); l++)
        for (int i = 0; i < 6; i++) {
            int64_t dims[4] = {1 + (int64_t)(next_random() % 50), 1 + (int64_t)(next_random() % 20),
                               1 + (int64_t)(next_random() % 4), 3};
            check(ctx, types[i % LEN(types)], 4, dims, &conv[l]);
        }
    for (int bits = 2; bits <= 4; bits += 2)
        for (int i = 0; i < 3; i++) {
            Layout blocks = layouts[1];
            check_packed(ctx, bits, 70 + i, 93, i ? &blocks : NULL);
            check_packed(ctx, bits, 1, 1 + i, NULL);
        }
    time_layout(ctx, "transposed", 2048, &layouts[0]);
    time_layout(ctx, "blocked", 2048, &layouts[1]);
    time_layout(ctx, "inner", 2048, &layouts[2]);
    ctx_free(ctx);
    return failures != 0;
}
