/* The arena while a run goes on: what the plan places, from below; room that runtime functions take
 * as they go, from above. The latter is not given back before the end of the run, so that strings
 * and items outlive the round of a loop that made them. */
#include "core.h"

static int want(struct onnxcc_frame *f, int64_t bytes) {
    if (bytes < 0 || bytes > CORE_MAX_BYTES) return ONNXCC_E_OVERFLOW;
    f->arena_needed = bytes;
    return ONNXCC_E_ARENA;
}

int onnxcc_arena_fit(struct onnxcc_frame *f, int64_t bytes) {
    if (bytes >= 0 && bytes <= f->arena_bytes - f->taken) return ONNXCC_OK;
    return bytes > CORE_MAX_BYTES ? ONNXCC_E_OVERFLOW : want(f, bytes + f->taken);
}

int core_bump(struct onnxcc_frame *f, int64_t bytes, void **out) {
    int64_t placed = f->syms[f->model->slot_arena],
            end = f->arena_bytes - f->arena_bytes % ONNXCC_ALIGN;
    if (bytes < 0 || bytes > CORE_MAX_BYTES) return ONNXCC_E_OVERFLOW;
    int64_t taken = f->taken + ONNXCC_ROUND(bytes);
    if (placed > end - taken) return want(f, placed + taken + ONNXCC_ALIGN);
    f->taken = taken;
    *out = f->arena + end - taken;
    return ONNXCC_OK;
}
