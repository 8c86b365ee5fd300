/* TopK and sorting along one axis. Elements compare by a 64-bit key that is monotone in their
 * value, then by index: a total order, so a heap gives exactly what a stable sort gives. As in
 * NumPy NaN is above everything (so it comes first among the largest) and -0 equals 0; among equals
 * the lower index comes first, in both directions. */
#include "core.h"

struct item {
    uint64_t key;
    int64_t index;
};
_Static_assert(sizeof(struct item) == 16, "callers reserve 16 bytes for each item");

static uint64_t float_key(uint64_t u, int bits, uint64_t inf) {
    uint64_t sign = (uint64_t)1 << (bits - 1), size = u & (sign - 1);
    if (size > inf) return ~(uint64_t)0;
    return u & sign ? sign - size : sign + size; /* both zeros: sign */
}

/* The key of element i of type dtype. */
static uint64_t key_of(const void *x, int dtype, int64_t i) {
    const uint64_t top = (uint64_t)1 << 63;
    switch (dtype) {
    case 1:
        return float_key(((const uint32_t *)x)[i], 32, 0x7f800000);
    case 10:
        return float_key(((const uint16_t *)x)[i], 16, 0x7c00);
    case 11:
        return float_key(((const uint64_t *)x)[i], 64, 0x7ff0000000000000);
    case 16:
        return float_key(((const uint16_t *)x)[i], 16, 0x7f80);
    case 2:
        return ((const uint8_t *)x)[i];
    case 3:
        return (uint64_t)(int64_t)((const int8_t *)x)[i] ^ top;
    case 4:
        return ((const uint16_t *)x)[i];
    case 5:
        return (uint64_t)(int64_t)((const int16_t *)x)[i] ^ top;
    case 6:
        return (uint64_t)(int64_t)((const int32_t *)x)[i] ^ top;
    case 7:
        return (uint64_t)((const int64_t *)x)[i] ^ top;
    case 9:
        return ((const uint8_t *)x)[i] != 0;
    case 12:
        return ((const uint32_t *)x)[i];
    case 13:
        return ((const uint64_t *)x)[i];
    default:
        return 0;
    }
}

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
        struct item it = {key_of(x, l->dtype, i * l->inner) ^ l->flip, i};
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
