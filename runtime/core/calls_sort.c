/* TopK and sorting along one axis. Elements compare by a 64-bit key that is monotone in their
 * value, then by index: a total order, so a heap gives exactly what a stable sort gives. As in
 * NumPy NaN is above everything (so it comes first among the largest); among equals the lower index
 * comes first, in both directions. */
#include "core.h"
#include "sort_key.h"

struct item {
    uint64_t key;
    int64_t index;
};
_Static_assert(sizeof(struct item) == 16, "callers reserve 16 bytes for each item");

/* a comes after b in the output (keys are inverted for descending order, so this is always
 * ascending). */
static bool after(const struct item *a, const struct item *b) {
    return a->key != b->key ? a->key > b->key : a->index > b->index;
}

/* Restores the heap (latest on top) of n items below i. */
static void sift(struct item *h, int64_t n, int64_t i) {
    struct item moving = h[i];
    for (int64_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && after(&h[child + 1], &h[child])) child++;
        if (!after(&h[child], &moving)) break;
        h[i] = h[child];
    }
    h[i] = moving;
}

static void heapify(struct item *h, int64_t n) {
    for (int64_t i = n / 2; i-- > 0;) sift(h, n, i);
}

static void sort_heap(struct item *h, int64_t n) {
    while (n > 1) {
        struct item last = h[0];
        h[0] = h[--n];
        h[n] = last;
        sift(h, n, 0);
    }
}

struct lines { /* x[outer][n][inner] to y[outer][k][inner] */
    int dtype;
    int64_t outer, n, inner, k;
    uint64_t flip; /* all ones: largest first */
};

/* The first k of one line, in order. `x` begins at the line's first element; its elements lie
 * `inner` apart. */
static void select_line(const struct lines *l, const void *x, struct item *heap) {
    for (int64_t i = 0; i < l->n; i++) {
        struct item it = {sort_key(x, l->dtype, i * l->inner) ^ l->flip, i};
        if (i < l->k) {
            heap[i] = it;
            if (i == l->k - 1) heapify(heap, l->k);
        } else if (l->k && after(&heap[0], &it)) {
            heap[0] = it;
            sift(heap, l->k, 0);
        }
    }
    sort_heap(heap, l->k);
}

static void run_lines(const struct lines *l, const char *x, char *values, int64_t *indices,
                      struct item *heap) {
    int bytes = core_dtype_bytes(l->dtype);
    for (int64_t o = 0; o < l->outer; o++) {
        for (int64_t j = 0; j < l->inner; j++) {
            const char *line = x + (o * l->n * l->inner + j) * bytes;
            select_line(l, line, heap);
            for (int64_t i = 0; i < l->k; i++) {
                int64_t to = (o * l->k + i) * l->inner + j;
                if (values)
                    memcpy(values + to * bytes, line + heap[i].index * l->inner * bytes,
                           (size_t)bytes);
                if (indices) indices[to] = heap[i].index;
            }
        }
    }
}

/* bufs: x, values or NULL, int64 indices or NULL, scratch (16 * k bytes). args: dtype, outer, n,
 * inner, k, largest. A fault where k is not in 0..n. Always sorted. */
int onnxcc_call_topk(struct onnxcc_frame *f, void *const *bufs, const int64_t *args) {
    (void)f;
    struct lines l = {(int)args[0], args[1], args[2], args[3], args[4], args[5] ? ~(uint64_t)0 : 0};
    if (l.k < 0 || l.k > l.n) return ONNXCC_FAULT_HERE;
    run_lines(&l, bufs[0], bufs[1], bufs[2], bufs[3]);
    return ONNXCC_OK;
}

/* bufs: x, values or NULL, int64 indices or NULL, scratch (16 * n bytes). args: dtype, outer, n,
 * inner, descending. */
int onnxcc_call_sort(struct onnxcc_frame *f, void *const *bufs, const int64_t *args) {
    (void)f;
    struct lines l = {(int)args[0], args[1], args[2], args[3], args[2], args[4] ? ~(uint64_t)0 : 0};
    run_lines(&l, bufs[0], bufs[1], bufs[2], bufs[3]);
    return ONNXCC_OK;
}
