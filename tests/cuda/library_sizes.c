/* A compiled model for GPUs whose sizes the data decides (tests/run/models/found.onnx: rows of a
 * table, where x is not 0), on the caller's stream, against tests/cuda/driver.
 *
 *   library_sizes DIR      data sets of the model, test_data_set_0 and 1 */
#include "caller.h"
#include "found.h"

#include <math.h>

static void to_host(void *to, const void *from, size_t bytes) {
    EXPECT(!cu.to_host(to, (uintptr_t)from, bytes));
}

/* ---- data sets ---- */
enum { MOST = 8, WIDTH = 16, OUT = 8 };
static struct set {
    int64_t n, count;
    float x[MOST], table[MOST * WIDTH], y[MOST * OUT], sum[OUT];
} sets[2];

/* The last bytes of a tensor's file are its elements. */
static size_t read_tensor(const char *folder, int set, const char *name, float *to, size_t most) {
    char path[600], bytes[4096];
    snprintf(path, sizeof path, "%s/test_data_set_%d/%s.pb", folder, set, name);
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(bytes, 1, sizeof bytes, f) : 0, elements = most;
    if (f) fclose(f);
    while (elements && elements * sizeof *to > n) elements--;
    memcpy(to, bytes + n - elements * sizeof *to, elements * sizeof *to);
    return elements;
}

static void read_sets(const char *folder) {
    static const int64_t n[2] = {7, 5}, count[2] = {4, 5};
    for (int i = 0; i < 2; i++) {
        struct set *s = &sets[i];
        s->n = n[i], s->count = count[i];
        EXPECT(read_tensor(folder, i, "input_0", s->x, (size_t)s->n) == (size_t)s->n);
        EXPECT(read_tensor(folder, i, "input_1", s->table, (size_t)s->n * WIDTH));
        EXPECT(read_tensor(folder, i, "output_0", s->y, (size_t)s->count * OUT));
        EXPECT(read_tensor(folder, i, "output_1", s->sum, OUT) == OUT);
    }
}

static int is_near(const float *a, const float *b, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        if (!(fabsf(a[i] - b[i]) <= 1e-5f)) return 0;
    return 1;
}

/* ---- runs ---- */
static struct place {
    float *x, *table, *y, *sum;
    void *arena, *stream;
    size_t arena_bytes;
} at;
static found_ctx ctx;

static int run(const struct set *s, found_outputs *out) {
    found_inputs in = {.x = at.x, .table = at.table};
    found_dims dims = {.N = s->n};
    size_t bytes = sizeof(float) * (size_t)s->n;
    EXPECT(!cu.to_device((uintptr_t)at.x, s->x, bytes));
    EXPECT(!cu.to_device((uintptr_t)at.table, s->table, bytes * WIDTH));
    int code = found_run_device(&ctx, &in, out, &dims, at.arena, at.arena_bytes, at.stream);
    EXPECT(!cu.wait(at.stream));
    return code;
}

/* Results are where `out` says, on the GPU. */
static int is_right(const struct set *s, const found_outputs *out) {
    float y[MOST * OUT], sum[OUT];
    if (out->y.shape[0] != s->count || out->y.shape[1] != OUT) return 0;
    to_host(y, out->y.data, sizeof(float) * (size_t)s->count * OUT);
    to_host(sum, out->sum, sizeof sum);
    return is_near(y, s->y, s->count * OUT) && is_near(sum, s->sum, OUT);
}

/* What the plan knows before the run is not enough: the code says how much is for all that the run
 * has found so far. */
static void test_arena(void) {
    found_dims dims = {.N = MOST};
    found_outputs out = {.y = {.data = at.y, .capacity = MOST * OUT}, .sum = at.sum};
    at.arena_bytes = found_device_arena_bytes(&dims);
    at.arena = address(device_memory(1 << 16));
    int code, short_of = 0;
    while ((code = run(&sets[1], &out)) != 0 && short_of++ < 4) {
        EXPECT(ONNXCC_KIND(code) == ONNXCC_E_ARENA);
        EXPECT(out.arena_needed > at.arena_bytes && out.arena_needed <= 1 << 16);
        at.arena_bytes = out.arena_needed;
    }
    EXPECT(!code && short_of && is_right(&sets[1], &out));
    at.arena_bytes = 1 << 16;
}

static void test_results(void) {
    found_outputs out = {.y = {.data = at.y, .capacity = MOST * OUT}, .sum = at.sum};
    for (int i = 0; i < 6; i++) EXPECT(!run(&sets[i % 2], &out) && is_right(&sets[i % 2], &out));
    /* the same dimensions, another size */
    struct set fewer = sets[0];
    memset(fewer.x, 0, sizeof fewer.x);
    fewer.count = 0;
    memset(fewer.sum, 0, sizeof fewer.sum);
    EXPECT(!run(&fewer, &out) && is_right(&fewer, &out));
    EXPECT(!run(&sets[0], &out) && is_right(&sets[0], &out));
    EXPECT(out.y.data == at.y);
}

/* Less room than there are results; none given; on the wrong side. */
static void test_room(void) {
    static float here[MOST * OUT];
    found_outputs small = {.y = {.data = at.y, .capacity = 3 * OUT}, .sum = at.sum};
    int code = run(&sets[0], &small);
    EXPECT(ONNXCC_KIND(code) == ONNXCC_E_CAPACITY && ONNXCC_INDEX(code) == 0);
    EXPECT(small.y.shape[0] == 4 && small.y.shape[1] == OUT && small.y.data == at.y);
    for (int i = 0; i < 2; i++) {
        found_outputs none = {.y = {.data = NULL}, .sum = at.sum};
        EXPECT(!run(&sets[i], &none) && is_right(&sets[i], &none));
        const char *data = (const char *)none.y.data, *arena = at.arena;
        EXPECT(data >= arena && data < arena + at.arena_bytes);
    }
    found_outputs wrong = {.y = {.data = here, .capacity = MOST * OUT}, .sum = at.sum};
    char text[400];
    code = run(&sets[0], &wrong);
    found_explain(code, text, sizeof text);
    EXPECT(code && strstr(text, "output \"y\" of a run on the GPU must lie in the GPU's memory"));
    found_outputs odd = {.y = {.data = at.y + 1, .capacity = MOST * OUT}, .sum = at.sum};
    EXPECT(ONNXCC_KIND(run(&sets[0], &odd)) == ONNXCC_E_ALIGN);
}

/* The host must look: a stream that is recorded is refused, and can be used afterwards. */
static void test_capture(void) {
    found_inputs in = {.x = at.x, .table = at.table};
    found_dims dims = {.N = sets[0].n};
    found_outputs out = {.y = {.data = at.y, .capacity = MOST * OUT}, .sum = at.sum};
    void *graph = NULL;
    char text[400];
    EXPECT(!cu.begin(at.stream, 0));
    int code = found_run_device(&ctx, &in, &out, &dims, at.arena, at.arena_bytes, at.stream);
    found_explain(code, text, sizeof text);
    EXPECT(code && strstr(text, "its stream cannot be captured"));
    EXPECT(!cu.end(at.stream, &graph));
    EXPECT(!run(&sets[0], &out) && is_right(&sets[0], &out));
}

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    void *primary;
    open_driver();
    EXPECT(!cu.retain(&primary, 0) && !cu.push(primary));
    read_sets(argv[1]);
    EXPECT(!found_open(&ctx, NULL) && !cu.stream(&at.stream, 1));
    at.x = address(device_memory(sizeof(float) * MOST));
    at.table = address(device_memory(sizeof(float) * MOST * WIDTH));
    at.y = address(device_memory(sizeof(float) * MOST * OUT));
    at.sum = address(device_memory(sizeof(float) * OUT));
    test_arena();
    test_results();
    test_room();
    test_capture();
    EXPECT(!found_status(&ctx));
    found_close(&ctx);
    return failures != 0;
}
