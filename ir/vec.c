/* Growing arrays inside an arena; see VEC in base.h.
 *
 * The array pointer is read and written by memcpy, because its real type is known to the caller
 * only. */
#include "ir/base.h"

void vec_grow(Arena *arena, void **at, int n, int *cap, size_t elem) {
    if (n < *cap) return;
    if (n > INT32_MAX / 2) die("onnxcc: a list of more than 2^30 elements");
    int bigger = MAX(8, 2 * n);
    void *old, *fresh = arena_alloc(arena, elem * (size_t)bigger);
    memcpy(&old, at, sizeof old);
    if (n) memcpy(fresh, old, elem * (size_t)n);
    memcpy(at, &fresh, sizeof fresh);
    *cap = bigger;
}
