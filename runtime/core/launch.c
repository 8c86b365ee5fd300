/* One kernel over its index range: cut into equal parts, one per thread. The parts depend on the
 * number of threads alone, and kernels compute each item independently of the cut, so the bits do
 * not. */
#include "core.h"

/* A thread gets at least this many scalar operations, or waking it costs more than it brings. */
enum { GRAIN_OPS = 16384 };

struct launch {
    onnxcc_kernel_fn fn;
    const struct onnxcc_kargs *args;
    int64_t total;
    int parts;
    char *scratch;
    int64_t stride;
};

static void run_part(void *arg, int i) {
    const struct launch *l = arg;
    int64_t each = l->total / l->parts, rest = l->total % l->parts;
    int64_t lo = each * i + (i < rest ? i : rest);
    l->fn(l->args, lo, lo + each + (i < rest), l->scratch + i * l->stride);
}

/* How many parts are worth it. */
static int parts_of(const struct onnxcc_frame *f, int64_t total, int64_t item_ops) {
    int64_t parts = f->pool ? f->threads : 1;
    if (parts > total) parts = total;
    if (item_ops > 0 && item_ops < GRAIN_OPS) {
        int64_t grain = GRAIN_OPS / item_ops;
        if (total / grain < parts) parts = total / grain;
    }
    return parts < 1 ? 1 : (int)parts;
}

static bool stopped(struct onnxcc_frame *f) {
    return ONNXCC_KIND(__atomic_load_n(&f->fault, __ATOMIC_RELAXED)) == ONNXCC_E_STOPPED;
}

bool core_step_begins(struct onnxcc_frame *f, int step) {
    if (!f->hook) return true;
    if (stopped(f)) return false;
    if (!f->hook(f->user, step, 0)) return true;
    f->fault = ONNXCC_CODE(ONNXCC_E_STOPPED, step, 0); /* also over an earlier fault */
    return false;
}

void core_step_ends(struct onnxcc_frame *f, int step) {
    if (f->hook && f->hook(f->user, step, 1)) f->fault = ONNXCC_CODE(ONNXCC_E_STOPPED, step, 0);
}

void onnxcc_launch(struct onnxcc_frame *f, int kernel, onnxcc_kernel_fn fn, void *const *bufs,
                   int64_t total, int64_t item_ops, int64_t scratch_bytes) {
    (void)scratch_bytes; /* at most frame->scratch_stride: bind took the maximum */
    if (!core_step_begins(f, kernel)) return;
    if (total > 0) {
        struct onnxcc_kargs args = {bufs, f->syms, f};
        struct launch l = {
            fn, &args, total, parts_of(f, total, item_ops), f->scratch, f->scratch_stride};
        if (l.parts == 1) run_part(&l, 0);
        else f->pool->run(f->pool, run_part, &l, l.parts);
    }
    core_step_ends(f, kernel);
}
