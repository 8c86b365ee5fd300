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

/* The lowest piece that lies at `least` or above and has not been moved; -1: none. */
static int64_t lowest(const int64_t *offset, const int64_t *bytes, int64_t n, int64_t least) {
    int64_t best = -1;
    for (int64_t i = 0; i < n; i++)
        if (bytes[i] && offset[i] >= least && (best < 0 || offset[i] < offset[best])) best = i;
    return best;
}

/* Those above `from` first, from below: none gets in the way of those that follow. Then those below
 * it, which nothing has overwritten. A piece without bytes can lie anywhere. */
int onnxcc_arena_keep(struct onnxcc_frame *f, int64_t n, const int64_t *bytes, int64_t from,
                      int64_t *offset, int64_t *end) {
    int64_t top = from, i;
    for (i = 0; i < n; i++) top += bytes[i];
    int code = onnxcc_arena_fit(f, top);
    if (code) return code;
    int64_t at = from;
    while ((i = lowest(offset, bytes, n, at)) >= 0) {
        memmove(f->arena + at, f->arena + offset[i], (size_t)bytes[i]);
        offset[i] = at;
        at += bytes[i];
    }
    for (i = 0; i < n; i++) {
        if (offset[i] >= from) continue;
        memcpy(f->arena + at, f->arena + offset[i], (size_t)bytes[i]);
        offset[i] = at;
        at += bytes[i];
    }
    *end = top;
    return ONNXCC_OK;
}
