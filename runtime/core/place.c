/* Where buffers lie in the arena, from their sizes and lifetimes: largest first, each at the lowest
 * place that is free of all placed buffers alive at the same time. The compiler uses the same
 * function where sizes are known (ir/plan.h); programs call it when dimensions are bound. */
#include "place.h"

/* Indices by falling size, equal sizes in order: a heap sort would not keep that, and n is a few
 * hundred. */
static void sort_by_size(const struct onnxcc_live *item, int64_t n, int64_t *order) {
    for (int64_t i = 0; i < n; i++) {
        int64_t at = i;
        for (; at > 0 && item[order[at - 1]].bytes < item[i].bytes; at--) order[at] = order[at - 1];
        order[at] = i;
    }
}

int64_t onnxcc_place(const struct onnxcc_live *item, int64_t n, int64_t base, int64_t *offset,
                     int64_t *work) {
    sort_by_size(item, n, work);
    return onnxcc_place_ordered(item, n, base, work, offset, work + n);
}

int64_t onnxcc_place_ordered(const struct onnxcc_live *item, int64_t n, int64_t base,
                             const int64_t *order, int64_t *offset, int64_t *placed) {
    int64_t top = base;
    for (int64_t k = 0; k < n; k++) {
        const struct onnxcc_live *b = &item[order[k]];
        int64_t at = base, where = 0;
        for (int64_t i = 0; i < k; i++) {
            const struct onnxcc_live *o = &item[placed[i]];
            if (o->first > b->last || b->first > o->last) continue;
            if (offset[placed[i]] >= at + b->bytes) break;
            if (offset[placed[i]] + o->bytes > at) at = offset[placed[i]] + o->bytes;
        }
        offset[order[k]] = at;
        while (where < k && offset[placed[where]] <= at) where++;
        for (int64_t i = k; i > where; i--) placed[i] = placed[i - 1];
        placed[where] = order[k];
        if (at + b->bytes > top) top = at + b->bytes;
    }
    return top;
}
