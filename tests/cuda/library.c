/* Uses compiled models for GPUs as a library, against tests/cuda/driver: digits, nonzero, pick,
 * branches.
 *
 *   library IMAGES.npy LOGITS.bin    everything
 *   library missing                  where there is no driver */
#include "branches.h"
#include "caller.h"
#include "digits.h"
#include "nonzero.h"
#include "pick.h"

#include <math.h>
#include <pthread.h>

static void *new_stream(void) {
    void *stream = NULL;
    EXPECT(!cu.stream(&stream, 1));
    return stream;
}

#define SAYS(name, code, what)                                                                     \
    do {                                                                                           \
        char text_[600];                                                                           \
        int code_ = (code);                                                                        \
        name##_explain(code_, text_, sizeof text_);                                                \
        if (!code_ || !strstr(text_, what)) {                                                      \
            fprintf(stderr, "%s:%d: %d is %s\n", __FILE__, __LINE__, code_, text_);                \
            failures++;                                                                            \
        }                                                                                          \
    } while (0)

/* ---- digits: images to logits ---- */
enum { IMAGES = 20, IMAGE = 64, CLASSES = 10, ROUNDS = 6 };
static float images[IMAGES * IMAGE], expected[IMAGES * CLASSES];
static digits_ctx digits;
static void *primary;

static int is_right(const float *logits, int n) {
    for (int i = 0; i < n * CLASSES; i++)
        if (fabsf(logits[i] - expected[i]) > 1e-3f) return 0;
    return 1;
}

/* From the host's memory and back. */
static int run_host(digits_ctx *ctx, int n) {
    digits_dims dims = {n};
    float logits[IMAGES * CLASSES] = {0};
    digits_inputs in = {images};
    digits_outputs out = {logits, 0};
    size_t bytes = digits_arena_bytes(&dims, 1);
    void *arena = aligned_alloc(digits_ARENA_ALIGN, (bytes + 63) / 64 * 64);
    int code = digits_run(ctx, &in, &out, &dims, arena, bytes);
    free(arena);
    return code ? code : is_right(logits, n) ? 0 : -1;
}

/* What a run on a stream needs in the GPU's memory. */
typedef struct {
    int n;
    uint64_t images, logits, arena;
    size_t bytes;
    void *stream;
} There;

static There there(int n) {
    digits_dims dims = {n};
    There t = {.n = n, .bytes = digits_device_arena_bytes(&dims), .stream = new_stream()};
    EXPECT(t.bytes && t.stream);
    t.images = device_memory(sizeof images);
    t.logits = device_memory(sizeof expected);
    t.arena = device_memory(t.bytes);
    EXPECT(!cu.to_device(t.images, images, sizeof(float) * IMAGE * (size_t)n));
    return t;
}

static int queue(digits_ctx *ctx, const There *t) {
    digits_dims dims = {t->n};
    digits_inputs in = {address(t->images)};
    digits_outputs out = {address(t->logits), 0};
    int code = digits_run_device(ctx, &in, &out, &dims, address(t->arena), t->bytes, t->stream);
    if (ONNXCC_KIND(code) == ONNXCC_E_ARENA) EXPECT(out.arena_needed > t->bytes);
    return code;
}

/* The results of a run that has ended; they are wiped out. */
static int has_arrived(const There *t) {
    float logits[IMAGES * CLASSES];
    static const float none[IMAGES * CLASSES];
    size_t bytes = sizeof(float) * CLASSES * (size_t)t->n;
    EXPECT(!cu.to_host(logits, t->logits, bytes) && !cu.to_device(t->logits, none, bytes));
    return is_right(logits, t->n);
}

static void test_streams(digits_ctx *ctx) {
    There all[] = {there(20), there(3), there(0)};
    for (int round = 0; round < ROUNDS; round++) { /* from the third on they are replayed */
        for (int i = 0; i < 3; i++) EXPECT(!queue(ctx, &all[i]));
        EXPECT(cu.query(all[0].stream)); /* nobody has waited for it */
        for (int i = 0; i < 3; i++) EXPECT(!cu.wait(all[i].stream));
        for (int i = 0; i < 3; i++) EXPECT(has_arrived(&all[i]));
        EXPECT(!digits_status(ctx));
    }
}

static void test_refusals(void) {
    There good = there(5), t = good;
    t.images += 4;
    EXPECT(ONNXCC_KIND(queue(&digits, &t)) == ONNXCC_E_ALIGN);
    SAYS(digits, queue(&digits, &t), "input \"images\" must be aligned to 16 bytes");
    t = good, t.logits += 8;
    SAYS(digits, queue(&digits, &t), "output \"logits\" must be aligned to 16 bytes");
    t = good, t.images = (uint64_t)(uintptr_t)aligned_alloc(64, sizeof images);
    SAYS(digits, queue(&digits, &t), "input \"images\" of a run on the GPU must lie in the GPU's");
    free(address(t.images));
    t = good, t.arena += 16;
    SAYS(digits, queue(&digits, &t), "the arena must be aligned to 64 bytes");
    t = good, t.bytes -= 64;
    SAYS(digits, queue(&digits, &t), "the arena is too small");
    t = good, t.arena = t.bytes = 0;
    EXPECT(ONNXCC_KIND(queue(&digits, &t)) == ONNXCC_E_ARENA);
    t = good, t.n = -1;
    SAYS(digits, queue(&digits, &t), "dimension \"N\"");
    EXPECT(!queue(&digits, &good) && !cu.wait(good.stream) && has_arrived(&good));
}

/* The caller records a run, and replays it. */
static void test_capture(void) {
    There t = there(11);
    void *graph = NULL, *exec = NULL;
    EXPECT(!cu.begin(t.stream, 0) && !queue(&digits, &t) && !cu.end(t.stream, &graph));
    EXPECT(!cu.wait(t.stream) && !has_arrived(&t));
    EXPECT(!cu.instantiate(&exec, graph, 0));
    for (int i = 0; i < 3; i++) {
        EXPECT(!cu.launch(exec, t.stream) && !cu.wait(t.stream) && has_arrived(&t));
        EXPECT(!queue(&digits, &t) && !cu.wait(t.stream) && has_arrived(&t));
    }
}

/* ---- branches: runs on two streams of the caller share the model's own ones ---- */
enum { N = 2, H = 5, X = N * 4 * H * 9, Z = N * 24, Y = N * 10, P = N * 16 };
typedef struct {
    float x[X], z[Z], y[Y], p[P];
    uint64_t x_at, z_at, y_at, p_at, arena;
    void *stream;
} Branches;

static void expect_branches(branches_ctx *ctx, Branches *b, int seed) {
    branches_dims dims = {.N = N, .H = H};
    branches_inputs in = {.x = b->x, .z = b->z};
    branches_outputs out = {.y = b->y, .p = b->p};
    static _Alignas(64) char arena[1 << 16];
    for (int i = 0; i < X; i++) b->x[i] = (float)((i * 7 + seed) % 13) / 13;
    for (int i = 0; i < Z; i++) b->z[i] = (float)((i * 5 + seed) % 11) / 11;
    EXPECT(!branches_run(ctx, &in, &out, &dims, arena, sizeof arena));
    b->x_at = device_memory(sizeof b->x), b->z_at = device_memory(sizeof b->z);
    b->y_at = device_memory(sizeof b->y), b->p_at = device_memory(sizeof b->p);
    b->arena = device_memory(branches_device_arena_bytes(&dims));
    b->stream = new_stream();
    EXPECT(!cu.to_device(b->x_at, b->x, sizeof b->x) && !cu.to_device(b->z_at, b->z, sizeof b->z));
}

static int queue_branches(branches_ctx *ctx, const Branches *b) {
    branches_dims dims = {.N = N, .H = H};
    branches_inputs in = {.x = address(b->x_at), .z = address(b->z_at)};
    branches_outputs out = {.y = address(b->y_at), .p = address(b->p_at)};
    return branches_run_device(ctx, &in, &out, &dims, address(b->arena),
                               branches_device_arena_bytes(&dims), b->stream);
}

static void test_branches(void) {
    branches_ctx ctx;
    static Branches all[2];
    EXPECT(!branches_open(&ctx, NULL));
    for (int i = 0; i < 2; i++) expect_branches(&ctx, &all[i], i);
    for (int round = 0; round < ROUNDS; round++) {
        float y[Y], p[P];
        for (int k = 0; k < 4; k++) EXPECT(!queue_branches(&ctx, &all[k % 2]));
        for (int i = 1; i >= 0; i--) {
            EXPECT(!cu.wait(all[i].stream));
            EXPECT(!cu.to_host(y, all[i].y_at, sizeof y) && !memcmp(y, all[i].y, sizeof y));
            EXPECT(!cu.to_host(p, all[i].p_at, sizeof p) && !memcmp(p, all[i].p, sizeof p));
            EXPECT(!cu.to_device(all[i].y_at, all[i].x, sizeof y));
        }
    }
    EXPECT(!branches_status(&ctx));
    branches_close(&ctx);
}

/* ---- threads share an open model ---- */
typedef struct {
    pthread_t thread;
    int host, n, bad;
} Worker;

static void *work(void *user) {
    Worker *w = user;
    EXPECT(!cu.push(primary));
    There t = there(w->n);
    for (int i = 0; i < 20; i++) {
        if (w->host) {
            w->bad += run_host(&digits, w->n) != 0;
            continue;
        }
        w->bad += queue(&digits, &t) != 0;
        w->bad += cu.wait(t.stream) != 0 || !has_arrived(&t);
    }
    return NULL;
}

static void test_threads(void) {
    Worker w[] = {{.host = 0, .n = 20}, {.host = 0, .n = 7}, {.host = 1, .n = 4}};
    for (int i = 0; i < 3; i++) EXPECT(!pthread_create(&w[i].thread, NULL, work, &w[i]));
    for (int i = 0; i < 3; i++) pthread_join(w[i].thread, NULL);
    for (int i = 0; i < 3; i++) EXPECT(!w[i].bad);
    EXPECT(!digits_status(&digits));
}

/* A context of the caller's that is current is the one that is used: the driver refuses streams of
 * another one. */
static void test_contexts(void) {
    void *own = NULL, *popped;
    digits_ctx in_own, in_primary;
    digits_config config = {.size = sizeof config};
    There before = there(6); /* in the primary one */
    EXPECT(!cu.create(&own, 0, 0) && own != primary);
    EXPECT(!digits_open(&in_own, NULL));
    config.context = primary;
    EXPECT(!digits_open(&in_primary, &config));
    test_streams(&in_own);
    EXPECT(!run_host(&in_own, 9) && !run_host(&in_primary, 9));
    There t = there(6);
    SAYS(digits, queue(&in_primary, &t), "(CUDA_ERROR, 400)");
    EXPECT(queue(&in_own, &before) && !queue(&in_primary, &before) && !cu.wait(before.stream));
    digits_close(&in_primary);
    digits_close(&in_own);
    EXPECT(!cu.pop(&popped) && popped == own);
    config.context = NULL, config.device = 7;
    SAYS(digits, digits_open(&in_own, &config), "there is no GPU 7, but 1 of them");
}

/* ---- sizes that the data decides ---- */
static void test_nonzero(void) {
    static const float x[12] = {0, 1, 0, 2, 0, 0, 3, 0, 0, 0, 0, 4};
    nonzero_ctx ctx;
    nonzero_dims dims = {.N = 3, .M = 4};
    nonzero_inputs in = {.x = x};
    nonzero_outputs out = {.arena_needed = 0};
    static _Alignas(64) char arena[1 << 16];
    EXPECT(!nonzero_open(&ctx, NULL));
    EXPECT(!nonzero_run(&ctx, &in, &out, &dims, arena, sizeof arena));
    EXPECT(out.where.shape[0] == 2 && out.where.shape[1] == 4 && out.what.shape[0] == 4);
    for (int i = 0; i < 4; i++) EXPECT(out.what.data[i] == (float)(i + 1));
    float few[3];
    nonzero_outputs small = {.what = {.data = few, .capacity = 3}};
    int code = nonzero_run(&ctx, &in, &small, &dims, arena, sizeof arena);
    EXPECT(ONNXCC_KIND(code) == ONNXCC_E_CAPACITY && small.what.shape[0] == 4);
    nonzero_close(&ctx);
}

/* ---- a subscript that is wrong shows once the stream has been waited for ---- */
static void test_faults(void) {
    enum { IDS = 2, COLUMNS = 4 };
    static const float shift[COLUMNS];
    static const int64_t ids[2][IDS] = {{1, 9}, {1, 99}}; /* of 10 */
    pick_ctx ctx;
    pick_dims dims = {IDS};
    uint64_t ids_at = device_memory(sizeof ids[0]), shift_at = device_memory(sizeof shift),
             y_at = device_memory(sizeof(float) * IDS * COLUMNS);
    pick_inputs in = {.ids = address(ids_at), .shift = address(shift_at)};
    pick_outputs out = {.y = address(y_at)};
    EXPECT(!pick_open(&ctx, NULL));
    size_t bytes = pick_device_arena_bytes(&dims);
    uint64_t arena = device_memory(bytes);
    void *stream = new_stream();
    EXPECT(!cu.to_device(shift_at, shift, sizeof shift));
    for (int i = 0; i < 4; i++) {
        EXPECT(!cu.to_device(ids_at, ids[i % 2], sizeof ids[0]));
        EXPECT(!pick_run_device(&ctx, &in, &out, &dims, address(arena), bytes, stream));
        EXPECT(!cu.wait(stream));
        if (i % 2) SAYS(pick, pick_status(&ctx), "an index is out of range");
        EXPECT(!pick_status(&ctx));
    }
    pick_close(&ctx);
}

static int read_file(const char *path, long from, void *to, size_t bytes) {
    FILE *f = fopen(path, "rb");
    int ok = f && !fseek(f, from, SEEK_SET) && fread(to, 1, bytes, f) == bytes;
    if (f) fclose(f);
    return ok;
}

int main(int argc, char **argv) {
    if (argc == 2) {
        int code = digits_open(&digits, NULL);
        EXPECT(ONNXCC_KIND(code) == ONNXCC_E_DEVICE && ONNXCC_INDEX(code) == 0);
        SAYS(digits, code, "libcuda.so.1 was not found: install NVIDIA's driver");
        EXPECT(ONNXCC_KIND(run_host(&digits, 1)) == ONNXCC_E_CONTEXT);
        return failures != 0;
    }
    if (argc != 3 || !read_file(argv[1], 128, images, sizeof images) ||
        !read_file(argv[2], 0, expected, sizeof expected))
        return 2;
    open_driver();
    EXPECT(!digits_open(&digits, NULL)); /* no context is current */
    EXPECT(!run_host(&digits, 20) && !run_host(&digits, 3) && !run_host(&digits, 20));
    EXPECT(!cu.retain(&primary, 0) && !cu.push(primary));
    test_streams(&digits);
    test_refusals();
    test_capture();
    test_branches();
    test_threads();
    test_contexts();
    test_nonzero();
    test_faults();
    digits_close(&digits);
    return failures != 0;
}
