/* Uses two compiled models as a library: digits and pair. Also C++.
 *
 * Arenas lie between pages that nobody may touch, and end where they end; while a run is on, calls
 * of malloc and its kin are counted. */
#include "digits.h"
#include "pair.h"
/* twice does no harm */
#include "digits.h"
#include "pair.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int failures;
#define EXPECT(cond)                                                                               \
    ((cond) ? (void)0                                                                              \
            : (void)(failures++, fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond)))

/* ---- who allocates ---- */
static volatile int running, allocations;
#ifdef __cplusplus
extern "C" {
#endif
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *malloc(size_t n) {
    allocations += running;
    return __libc_malloc(n);
}
void *calloc(size_t n, size_t each) {
    allocations += running;
    return __libc_calloc(n, each);
}
void *realloc(void *p, size_t n) {
    allocations += running;
    return __libc_realloc(p, n);
}
#ifdef __cplusplus
}
#endif

/* ---- memory that ends where it ends ---- */
typedef struct {
    char *base, *at;
    size_t span;
} Fenced;

static Fenced fenced(size_t bytes, int at_end) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), inner = (bytes + page - 1) / page * page;
    Fenced f;
    f.span = inner + 2 * page;
    f.base = (char *)mmap(NULL, f.span, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (f.base == (char *)MAP_FAILED) exit(1);
    if (inner && mprotect(f.base + page, inner, PROT_READ | PROT_WRITE)) exit(1);
    f.at = f.base + page + (at_end ? inner - bytes : 0);
    if (inner) memset(f.base + page, 0xa5, inner);
    return f;
}

static void release(Fenced f) {
    munmap(f.base, f.span);
}

/* ---- digits ---- */
enum { MOST = 40, IMAGE = 64, CLASSES = 10 };
static float images[MOST * IMAGE], expected[MOST * CLASSES];
static digits_ctx digits;

static int run_digits(digits_ctx *ctx, int n, float *out, void *arena, size_t bytes) {
    digits_dims dims;
    digits_inputs in;
    digits_outputs outputs;
    dims.N = n;
    in.images = images;
    outputs.logits = out;
    return digits_run(ctx, &in, &outputs, &dims, arena, bytes);
}

static size_t digits_need(int n, int threads) {
    digits_dims dims;
    dims.N = n;
    return digits_arena_bytes(&dims, threads);
}

static void test_sizes(void) {
    size_t last = 0, last_threads = 0;
    for (int n = 0; n <= 300; n++) {
        size_t bytes = digits_need(n, 1);
        EXPECT(bytes && bytes >= last);
        last = bytes;
    }
    for (int t = 1; t <= 9; t++) {
        size_t bytes = digits_need(7, t);
        EXPECT(bytes >= last_threads);
        last_threads = bytes;
    }
    EXPECT(!digits_need(-1, 1));
    for (int n = 1; n <= 7; n++)
        for (int m = 1; m <= 9; m++) {
            pair_dims a, b;
            a.N = n, a.K = m, a.M = 5;
            b.N = n, b.K = m + 1, b.M = 5;
            EXPECT(pair_arena_bytes(&a, 1) <= pair_arena_bytes(&b, 1));
            b.N = n + 1, b.K = m;
            EXPECT(pair_arena_bytes(&a, 1) <= pair_arena_bytes(&b, 1));
        }
}

/* Every size, the arena flush with the page behind it, then with the one before it; a byte less is
 * refused before anything is written. */
static void test_fences(void) {
    for (int n = 0; n <= MOST; n += n < 9 ? 1 : 31)
        for (int at_end = 0; at_end < 2; at_end++) {
            size_t bytes = digits_need(n, 1);
            Fenced arena = fenced(bytes, at_end);
            Fenced out = fenced((size_t)n * CLASSES * sizeof(float), at_end);
            running = 1;
            EXPECT(!run_digits(&digits, n, (float *)(void *)out.at, arena.at, bytes));
            running = 0;
            for (int i = 0; i < n * CLASSES; i++)
                EXPECT(fabsf(((float *)(void *)out.at)[i] - expected[i]) <= 1e-3f);
            release(out);
            release(arena);
        }
    EXPECT(!allocations);
    size_t bytes = digits_need(5, 1);
    Fenced arena = fenced(bytes, 0);
    digits_dims dims;
    digits_inputs in;
    digits_outputs out;
    float logits[5 * CLASSES] = {0};
    dims.N = 5, in.images = images, out.logits = logits, out.arena_needed = 0;
    int code = digits_run(&digits, &in, &out, &dims, arena.at, bytes - 1);
    EXPECT(ONNXCC_KIND(code) == ONNXCC_E_ARENA && out.arena_needed == bytes && logits[0] == 0);
    out.arena_needed = 0;
    EXPECT(ONNXCC_KIND(digits_run(&digits, &in, &out, &dims, arena.at, 1)) == ONNXCC_E_ARENA);
    EXPECT(ONNXCC_KIND(digits_run(&digits, &in, &out, &dims, NULL, 0)) == ONNXCC_E_ARENA);
    EXPECT(ONNXCC_KIND(digits_run(&digits, &in, &out, &dims, arena.at + 1, bytes - 1)) != 0);
    release(arena);
}

/* ---- threads ---- */
typedef struct {
    pthread_t thread;
    int n, bad;
} Worker;

static void *work(void *user) {
    Worker *w = (Worker *)user;
    size_t bytes = digits_need(w->n, 1);
    Fenced arena = fenced(bytes, 1);
    float out[MOST * CLASSES];
    for (int i = 0; i < 200; i++) {
        w->bad += run_digits(&digits, w->n, out, arena.at, bytes) != 0;
        for (int k = 0; k < w->n * CLASSES; k++) w->bad += fabsf(out[k] - expected[k]) > 1e-3f;
    }
    release(arena);
    return NULL;
}

static void test_threads(void) {
    Worker w[2] = {{0, 3, 0}, {0, 20, 0}};
    for (int i = 0; i < 2; i++) EXPECT(!pthread_create(&w[i].thread, NULL, work, &w[i]));
    for (int i = 0; i < 2; i++) pthread_join(w[i].thread, NULL);
    EXPECT(!w[0].bad && !w[1].bad);
}

static int hooks;
static int count_hook(void *user, int kernel, int end) {
    (void)kernel, (void)end;
    ++*(int *)user;
    return 0;
}
static int stop_hook(void *user, int kernel, int end) {
    (void)user, (void)end;
    return kernel == 1;
}

/* A pool gives the same bits; hooks see every kernel and can stop. */
static void test_pool(void) {
    digits_config config;
    digits_ctx ctx;
    static float alone[MOST * CLASSES], together[MOST * CLASSES];
    memset(&config, 0, sizeof config);
    config.size = sizeof config;
    config.pool = digits_pool_new(3);
    config.hook = count_hook;
    config.user = &hooks;
    EXPECT(config.pool && config.pool->threads == 3);
    EXPECT(!digits_open(&ctx, &config));
    size_t bytes = digits_need(MOST, 3);
    Fenced arena = fenced(bytes, 1);
    running = 1;
    EXPECT(!run_digits(&digits, MOST, alone, arena.at, bytes));
    EXPECT(!run_digits(&ctx, MOST, together, arena.at, bytes));
    running = 0;
    EXPECT(!memcmp(alone, together, sizeof alone) && hooks > 0 && hooks % 2 == 0 && !allocations);
    digits_close(&ctx);
    config.hook = stop_hook;
    EXPECT(!digits_open(&ctx, &config));
    int code = run_digits(&ctx, MOST, together, arena.at, bytes);
    EXPECT(ONNXCC_KIND(code) == ONNXCC_E_STOPPED);
    digits_close(&ctx);
    digits_pool_free(config.pool);
    release(arena);
}

/* ---- pair, bounded dimensions: N in 1..8 ---- */
static int said(int code, const char *what) {
    char text[300];
    pair_explain(code, text, sizeof text);
    if (strstr(text, what)) return 1;
    fprintf(stderr, "%d: %s\n", code, text);
    return 0;
}

static void test_pair(void) {
    static float a[8 * 3], b[3 * 2] = {1, 0, 0, 1, 1, 1}, y[8 * 2], s[8];
    pair_ctx ctx;
    pair_dims dims;
    pair_inputs in;
    pair_outputs out;
    for (int i = 0; i < 24; i++) a[i] = (float)i;
    EXPECT(!pair_open(&ctx, NULL));
    dims.N = 8, dims.K = 3, dims.M = 2;
    in.a = a, in.b = b, out.y = y, out.s = s;
    size_t bytes = pair_arena_bytes(&dims, 1);
    Fenced arena = fenced(bytes, 1);
    EXPECT(!pair_run(&ctx, &in, &out, &dims, arena.at, bytes));
    EXPECT(s[0] == 5 && s[1] == 17 && fabsf(y[0] + y[1] - 1) < 1e-6f);
    in.b = NULL;
    EXPECT(said(pair_run(&ctx, &in, &out, &dims, arena.at, bytes), "input \"b\""));
    in.b = b, out.s = NULL;
    EXPECT(said(pair_run(&ctx, &in, &out, &dims, arena.at, bytes), "output \"s\""));
    out.s = s, dims.N = 9;
    EXPECT(said(pair_run(&ctx, &in, &out, &dims, arena.at, bytes), "\"N\" must be in 1..8"));
    EXPECT(!pair_arena_bytes(&dims, 1));
    dims.N = 8, dims.K = -1;
    EXPECT(said(pair_run(&ctx, &in, &out, &dims, arena.at, bytes), "\"K\""));
    dims.K = INT64_MAX;
    EXPECT(pair_run(&ctx, &in, &out, &dims, arena.at, bytes) == ONNXCC_E_OVERFLOW);
    EXPECT(!pair_arena_bytes(&dims, 1));
    EXPECT(pair_open_signed(&ctx, NULL, digits_SIGNATURE) == ONNXCC_E_SIGNATURE);
    EXPECT(ONNXCC_KIND(pair_run(&ctx, &in, &out, &dims, arena.at, bytes)) == ONNXCC_E_CONTEXT);
    EXPECT(said(ONNXCC_E_SIGNATURE, "header"));
    char small[8];
    EXPECT(pair_explain(ONNXCC_E_ARENA, small, sizeof small) > 8 && strlen(small) == 7);
    release(arena);
}

int main(int argc, char **argv) {
    FILE *f = argc == 3 ? fopen(argv[1], "rb") : NULL, *g = argc == 3 ? fopen(argv[2], "rb") : NULL;
    if (!f || !g) return 2;
    for (int i = 0; i < 2; i++) { /* 20 images, twice */
        if (fseek(f, 128, SEEK_SET) || fread(images + i * 20 * IMAGE, 4, 20 * IMAGE, f) == 0)
            return 2;
        rewind(g);
        if (fread(expected + i * 20 * CLASSES, 4, 20 * CLASSES, g) == 0) return 2;
    }
    fclose(f);
    fclose(g);
    EXPECT(!digits_open(&digits, NULL));
    test_sizes();
    test_fences();
    test_threads();
    test_pool();
    test_pair();
    digits_close(&digits);
    return failures != 0;
}
