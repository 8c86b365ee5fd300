/* Positions in sorted lists, for maps from keys to values. */
#include "core.h"

/* Bytes as numbers, then the shorter one first: as the compiler sorts (frontend/ops/label.c). */
static int compare_strings(const struct onnxcc_string *a, const struct onnxcc_string *b) {
    size_t n = a->size < b->size ? a->size : b->size;
    for (size_t i = 0; i < n; i++)
        if (a->data[i] != b->data[i])
            return (unsigned char)a->data[i] < (unsigned char)b->data[i] ? -1 : 1;
    return a->size < b->size ? -1 : a->size > b->size;
}

/* bufs: x, sorted list, int64 y. args: elements, length of the list. y is the length where x is not
 * in the list. */
int onnxcc_call_str_find(struct onnxcc_frame *f, void *const *bufs, const int64_t *args) {
    const struct onnxcc_string *x = bufs[0], *list = bufs[1];
    int64_t *y = bufs[2];
    (void)f;
    for (int64_t i = 0; i < args[0]; i++) {
        int64_t lo = 0, hi = args[1];
        while (lo < hi) {
            int64_t half = lo + (hi - lo) / 2;
            if (compare_strings(&list[half], &x[i]) < 0) lo = half + 1;
            else hi = half;
        }
        bool there = lo < args[1] && !compare_strings(&list[lo], &x[i]);
        y[i] = there ? lo : args[1];
    }
    return ONNXCC_OK;
}

/* The same for int64. */
int onnxcc_call_int_find(struct onnxcc_frame *f, void *const *bufs, const int64_t *args) {
    const int64_t *x = bufs[0], *list = bufs[1];
    int64_t *y = bufs[2];
    (void)f;
    for (int64_t i = 0; i < args[0]; i++) {
        int64_t lo = 0, hi = args[1];
        while (lo < hi) {
            int64_t half = lo + (hi - lo) / 2;
            if (list[half] < x[i]) lo = half + 1;
            else hi = half;
        }
        y[i] = lo < args[1] && list[lo] == x[i] ? lo : args[1];
    }
    return ONNXCC_OK;
}
