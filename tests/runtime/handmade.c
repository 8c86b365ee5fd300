/* A model written by hand, as the compiler would describe one: the runtime without a compiler.
 *
 *   inputs   x : f32[N,3]   ids : i64[N] in 0..4   pick : bool[2*N]
 *   outputs  y : f32[N,3] = 2 x + w[ids], w the weights (5 floats)
 *            hits : i64[1,?] = NonZero(pick)
 *   N in 1..64; fault: an id outside of 0..4; constraint: N is not 13 */
#include "../../runtime/abi.h"

#include <stdlib.h>

enum { N, TWO_N, ARENA, SCRATCH, HITS, SLOTS };

static const _Alignas(64) float weights[5] = {0, 1, 2, 3, 4};

static void kernel_y(const struct onnxcc_kargs *a, int64_t lo, int64_t hi, char *scratch) {
    const float *x = a->bufs[0];
    const int64_t *ids = a->bufs[1];
    const float *w = (const float *)a->frame->weights;
    float *y = a->bufs[2];
    scratch[0] = 1; /* scratch exists, for each thread its own */
    for (int64_t i = lo; i < hi; i++) {
        int64_t id = ids[i];
        if (id < 0 || id > 4) {
            if (!a->frame->fault) a->frame->fault = ONNXCC_CODE(ONNXCC_E_FAULT, 0, 0);
            id = 0;
        }
        for (int64_t j = 0; j < 3; j++) y[3 * i + j] = 2 * x[3 * i + j] + w[id];
    }
}

static int run(struct onnxcc_frame *f) {
    void *bufs[3] = {(void *)(uintptr_t)f->in[0], (void *)(uintptr_t)f->in[1], f->out[0]};
    onnxcc_launch(f, 0, kernel_y, bufs, f->syms[N], 0, 64);
    int64_t *count = (int64_t *)f->arena, count_args[] = {9, f->syms[TWO_N]};
    void *count_bufs[] = {(void *)(uintptr_t)f->in[2], count};
    int code = onnxcc_call_nonzero_count(f, count_bufs, count_args);
    f->syms[HITS] = *count;
    if (code || (code = onnxcc_arena_fit(f, 64 + 8 * f->syms[HITS]))) return code;
    void *hits = onnxcc_out_place(f, 1, f->arena + 64);
    int64_t fill_args[] = {9, f->syms[HITS], 1, f->syms[TWO_N]};
    void *fill_bufs[] = {(void *)(uintptr_t)f->in[2], hits};
    return f->fault ? f->fault : onnxcc_call_nonzero_fill(f, fill_bufs, fill_args);
}

static int bind(int64_t *syms) {
    if (syms[N] == 13) return ONNXCC_CODE(ONNXCC_E_CONSTRAINT, 0, 0);
    syms[TWO_N] = 2 * syms[N];
    syms[ARENA] = 64;
    syms[SCRATCH] = 64;
    syms[HITS] = 0;
    return 0;
}

static const struct onnxcc_axis x_axes[] = {{-1, N, "N"}, {3, -1, "3"}};
static const struct onnxcc_axis pick_axes[] = {{-1, TWO_N, "2*N"}};
static const struct onnxcc_axis hits_axes[] = {{1, -1, "1"}, {-1, HITS, "?"}};
static const struct onnxcc_tensor inputs[] = {
    {"x", 1, 2, 0, 0, x_axes, 0, 0, -1},
    {"ids", 7, 1, 0, ONNXCC_T_RANGE, x_axes, 0, 4, -1},
    {"pick", 9, 1, 0, 0, pick_axes, 0, 0, -1},
};
static const struct onnxcc_tensor outputs[] = {
    {"y", 1, 2, 0, 0, x_axes, 0, 0, -1},
    {"hits", 7, 2, 0, ONNXCC_T_UNKNOWN, hits_axes, 0, 0, -1},
};
static const struct onnxcc_dim dims[] = {{"N", 1, 64}};
static const struct onnxcc_kernel kernels[] = {{"k0_gather_add", "Gather_0 Add_1"}};
static const struct onnxcc_site sites[] = {
    {"\"Gather_0\" (Gather)", "an index is outside of 0..4"}};
static const char *const constraints[] = {"input \"x\" axis 0 must not be 13"};
static const struct onnxcc_version versions[] = {{"impossible", "nonsense,avx2", run},
                                                 {"x86-64", "", run}};
static const struct onnxcc_version no_versions[] = {{"the-future", "warp-drive", run}};

#define MODEL(the_name, the_versions, n, the_weights, the_file)                                    \
    {                                                                                              \
        .abi = ONNXCC_ABI, .flags = ONNXCC_M_GROWS, .n_inputs = 3, .n_outputs = 2, .n_dims = 1,    \
        .n_syms = SLOTS, .n_kernels = 1, .n_sites = 1, .n_versions = n, .n_constraints = 1,        \
        .slot_arena = ARENA, .slot_scratch = SCRATCH, .signature = 42,                             \
        .weights_bytes = sizeof weights, .weights_hash = 99, .name = the_name,                     \
        .target = "x86_64-unknown-linux-gnu", .inputs = inputs, .outputs = outputs, .dims = dims,  \
        .kernels = kernels, .sites = sites, .constraints = constraints, .versions = the_versions,  \
        .bind = bind, .weights = the_weights, .weights_file = the_file, .host = &onnxcc_host       \
    }

const struct onnxcc_model handmade_model = MODEL("handmade", versions, 2, weights, NULL);
static const struct onnxcc_model future_model = MODEL("future", no_versions, 1, weights, NULL);
static const struct onnxcc_model filed_model = MODEL("filed", versions, 2, NULL, "w.weights");

#ifndef HANDMADE_LIBRARY
int main(int argc, char **argv) {
    const struct onnxcc_model *const models[] = {&handmade_model, &future_model, &filed_model};
    return onnxcc_host_main(argc, argv, models, HANDMADE_ENTRIES);
}
#endif
