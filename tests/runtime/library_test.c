/* The functions behind NAME_open, NAME_run, ...: the handmade model as a library. */
#define HANDMADE_LIBRARY
#include "handmade.c"

#include "test.h"

#include <pthread.h>

struct outputs {
    float *y;
    struct {
        int64_t *data;
        size_t capacity;
        int64_t shape[2];
    } hits;
    size_t arena_needed;
};
struct inputs {
    const float *x;
    const int64_t *ids;
    const uint8_t *pick;
};
typedef uint64_t context[ONNXCC_CTX_WORDS];

static const struct onnxcc_model *const m = &handmade_model;
static const float x[6] = {1, 2, 3, 4, 5, 6};
static const int64_t ids[2] = {1, 4};
static const uint8_t pick[4] = {0, 1, 0, 7};
static const struct inputs in = {x, ids, pick};
static const int64_t two = 2;
static _Alignas(64) char arena[4096];

static const char *sentence(int code) {
    static char buf[256];
    EXPECT(onnxcc_core_explain(m, code, buf, sizeof buf) == (int)strlen(buf));
    return buf;
}

static void test_open(void) {
    context ctx;
    struct onnxcc_config config = {.size = sizeof config};
    EXPECT(!onnxcc_core_open(m, ctx, NULL, 42));
    EXPECT(onnxcc_core_open(m, NULL, NULL, 42) == ONNXCC_E_CONTEXT);
    EXPECT(onnxcc_core_open(m, ctx, NULL, 43) == ONNXCC_E_SIGNATURE);
    EXPECT(strstr(sentence(ONNXCC_E_SIGNATURE), "another model"));
    EXPECT(onnxcc_core_run(m, ctx, &in, NULL, &two, arena, 4096) == ONNXCC_E_CONTEXT);
    EXPECT(!onnxcc_core_open(m, ctx, &config, 42));
    config.size = 0;
    EXPECT(onnxcc_core_open(m, ctx, &config, 42) == ONNXCC_E_ABI);
    struct {
        struct onnxcc_config known;
        void *later;
    } longer = {{.size = sizeof longer}, NULL};
    EXPECT(!onnxcc_core_open(m, ctx, &longer.known, 42)); /* a newer header: the rest is zero */
    longer.later = &longer;
    EXPECT(onnxcc_core_open(m, ctx, &longer.known, 42) == ONNXCC_E_ABI);
    config.size = offsetof(struct onnxcc_config, pool); /* an older header */
    EXPECT(!onnxcc_core_open(m, ctx, &config, 42));
    onnxcc_core_close(m, ctx);
    onnxcc_core_close(m, ctx);
    EXPECT(onnxcc_core_open(&future_model, ctx, NULL, 42) == ONNXCC_E_CPU);
    EXPECT(onnxcc_core_open(&filed_model, ctx, NULL, 42) == ONNXCC_CODE(ONNXCC_E_WEIGHTS, 4, 0));
}

static void test_sizes(void) {
    int64_t syms[SLOTS], n = 2;
    EXPECT(onnxcc_core_arena_bytes(m, &n, 1, syms) == 64 + 64 + 64);
    EXPECT(onnxcc_core_arena_bytes(m, &n, 3, syms) == 64 + 64 + 3 * 64);
    EXPECT(onnxcc_core_arena_bytes(m, &n, -1, syms) == 64 + 64 + 64);
    EXPECT(onnxcc_core_arena_bytes(m, NULL, 1, syms) == 0);
    n = 0;
    EXPECT(onnxcc_core_arena_bytes(m, &n, 1, syms) == 0);
    n = 13;
    EXPECT(onnxcc_core_arena_bytes(m, &n, 1, syms) == 0);
}

static void test_run(void) {
    context ctx;
    float y[6];
    int64_t hits[2];
    struct outputs out = {.y = y, .hits = {hits, 2, {0}}};
    EXPECT(!onnxcc_core_open(m, ctx, NULL, 42));
    EXPECT(!onnxcc_core_run(m, ctx, &in, &out, &two, arena, sizeof arena));
    EXPECT(y[0] == 3 && y[5] == 16 && hits[0] == 1 && hits[1] == 3);
    EXPECT(out.hits.shape[0] == 1 && out.hits.shape[1] == 2 && out.hits.data == hits);
    out.hits.data = NULL;
    EXPECT(!onnxcc_core_run(m, ctx, &in, &out, &two, arena, sizeof arena));
    EXPECT((char *)out.hits.data > arena && (char *)out.hits.data < arena + sizeof arena);
    EXPECT(out.hits.data[1] == 3);
    out.hits.data = hits;
    out.hits.capacity = 1;
    out.hits.shape[1] = hits[0] = 77;
    int code = onnxcc_core_run(m, ctx, &in, &out, &two, arena, sizeof arena);
    EXPECT(code == ONNXCC_CODE(ONNXCC_E_CAPACITY, 1, 0));
    EXPECT(out.hits.shape[1] == 2 && hits[0] == 77);
    EXPECT(!strcmp(sentence(code), "output \"hits\" has more elements than its capacity"));
}

static void test_errors(void) {
    context ctx;
    float y[6];
    struct outputs out = {.y = y};
    struct inputs bad = in;
    int64_t wild[2] = {1, -1}, n = 13;
    EXPECT(!onnxcc_core_open(m, ctx, NULL, 42));
    EXPECT(onnxcc_core_run(m, ctx, &in, &out, &two, arena, 16) == ONNXCC_E_ARENA);
    EXPECT(out.arena_needed == 64);
    EXPECT(onnxcc_core_run(m, ctx, &in, &out, &two, arena, 64) == ONNXCC_E_ARENA);
    EXPECT(out.arena_needed == 192);
    EXPECT(onnxcc_core_run(m, ctx, &in, &out, &two, arena, 192) == ONNXCC_E_ARENA); /* it grows */
    EXPECT(out.arena_needed == 192 + 16);
    EXPECT(!onnxcc_core_run(m, ctx, &in, &out, &two, arena, 192 + 16));
    EXPECT(onnxcc_core_run(m, ctx, &in, &out, &two, arena + 8, 1024) == ONNXCC_E_ALIGN);
    EXPECT(onnxcc_core_run(m, ctx, &in, &out, &two, NULL, 1024) == ONNXCC_E_ARENA);
    EXPECT(onnxcc_core_run(m, ctx, &in, NULL, &two, arena, 1024) ==
           ONNXCC_CODE(ONNXCC_E_OUTPUT, 0, 0));
    EXPECT(onnxcc_core_run(m, ctx, &in, &out, &n, arena, 1024) ==
           ONNXCC_CODE(ONNXCC_E_CONSTRAINT, 0, 0));
    n = 100;
    int code = onnxcc_core_run(m, ctx, &in, &out, &n, arena, 1024);
    EXPECT(!strcmp(sentence(code), "dimension \"N\" must be in 1..64"));
    bad.ids = NULL;
    code = onnxcc_core_run(m, ctx, &bad, &out, &two, arena, 1024);
    EXPECT(!strcmp(sentence(code), "input \"ids\" is NULL"));
    bad.ids = wild;
    code = onnxcc_core_run(m, ctx, &bad, &out, &two, arena, 1024);
    EXPECT(!strcmp(sentence(code), "node \"Gather_0\" (Gather): an index is outside of 0..4"));
    char small[8];
    EXPECT(onnxcc_core_explain(m, code, small, sizeof small) > 8 && !strcmp(small, "node \"G"));
    EXPECT(onnxcc_core_explain(m, code, NULL, 0) > 8);
    EXPECT(!strcmp(sentence(9999999), "unknown error code 9999999"));
    EXPECT(!strcmp(sentence(-1), "unknown error code -1"));
}

static int stop_at_start(void *user, int kernel, int end) {
    *(int *)user += 1;
    return !end && kernel == 0;
}

static void test_hook(void) {
    context ctx;
    float y[6] = {0};
    int calls = 0;
    struct outputs out = {.y = y};
    struct onnxcc_config config = {.size = sizeof config, .hook = stop_at_start, .user = &calls};
    EXPECT(!onnxcc_core_open(m, ctx, &config, 42));
    int code = onnxcc_core_run(m, ctx, &in, &out, &two, arena, sizeof arena);
    EXPECT(code == ONNXCC_CODE(ONNXCC_E_STOPPED, 0, 0) && calls == 1 && y[0] == 0);
    EXPECT(strstr(sentence(code), "\"k0_gather_add\""));
}

/* Many runs of one open model from several threads over one pool: who finds it busy works alone. */
static context shared;
static void *run_often(void *arg) {
    enum { ROWS = 64 };
    char *mine = aligned_alloc(64, 4096);
    float big[3 * ROWS], y[3 * ROWS];
    int64_t index[ROWS], n = ROWS;
    uint8_t flags[2 * ROWS] = {0};
    for (int i = 0; i < ROWS; i++) index[i] = i % 5;
    for (int i = 0; i < 3 * ROWS; i++) big[i] = (float)i + (float)(intptr_t)arg;
    for (int round = 0; round < 2000; round++) {
        struct inputs i = {big, index, flags};
        struct outputs o = {.y = y};
        memset(y, 0, sizeof y);
        if (onnxcc_core_run(m, shared, &i, &o, &n, mine, 4096)) return arg ? arg : mine;
        for (int k = 0; k < 3 * ROWS; k++)
            if (y[k] != 2 * big[k] + (float)(k / 3 % 5)) return mine;
    }
    free(mine);
    return NULL;
}

static void test_threads(void) {
    struct onnxcc_config config = {.size = sizeof config, .pool = onnxcc_host_pool_new(4)};
    pthread_t thread[3];
    EXPECT(config.pool && config.pool->threads == 4);
    EXPECT(!onnxcc_core_open(m, shared, &config, 42));
    for (intptr_t i = 0; i < 3; i++) pthread_create(&thread[i], NULL, run_often, (void *)i);
    for (int i = 0; i < 3; i++) {
        void *bad = NULL;
        pthread_join(thread[i], &bad);
        EXPECT(!bad);
    }
    usleep(2000); /* the workers fall asleep, and must wake */
    EXPECT(!run_often(NULL));
    onnxcc_core_close(m, shared);
    onnxcc_host_pool_free(config.pool);
    onnxcc_host_pool_free(NULL);
}

int main(void) {
    test_open();
    test_sizes();
    test_run();
    test_errors();
    test_hook();
    test_threads();
    if (failures) fprintf(stderr, "%d failed\n", failures);
    return failures != 0;
}
