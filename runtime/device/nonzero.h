/* NonZero and its kind: tiles count their elements, one block adds up the counts, tiles write.
 *
 * args of all: dtype, bytes of an element, elements. `counts` has an element for each tile, and
 * `shared` one for each thread. */
#ifndef ONNXCC_RUNTIME_DEVICE_NONZERO_H
#define ONNXCC_RUNTIME_DEVICE_NONZERO_H

enum { NONZERO_EACH = 8 }; /* elements of a thread, neighbours */

/* -0 is zero, NaN is not. */
OPS bool nonzero_is(const void *x, int dtype, int64_t bytes, int64_t i) {
    bool has_minus_zero =
        dtype == 1 || dtype == 10 || dtype == 11 || dtype == 16 || dtype == 17 || dtype == 19;
    uint64_t sign = has_minus_zero ? (uint64_t)1 << (8 * bytes - 1) : 0;
    switch (bytes) {
    case 1:
        return (((const uint8_t *)x)[i] & ~sign) != 0;
    case 2:
        return (((const uint16_t *)x)[i] & ~sign) != 0;
    case 4:
        return (((const uint32_t *)x)[i] & ~sign) != 0;
    default:
        return (((const uint64_t *)x)[i] & ~sign) != 0;
    }
}

/* A bit for each of this thread's elements that is not zero. */
OPS unsigned nonzero_bits(const void *x, const int64_t *args, int64_t from) {
    unsigned bits = 0;
    UNROLL(8)
    for (int i = 0; i < NONZERO_EACH; i++)
        if (from + i < args[2] && nonzero_is(x, (int)args[0], args[1], from + i)) bits |= 1u << i;
    return bits;
}

OPS int64_t nonzero_sum(unsigned bits) {
    int64_t n = 0;
    for (; bits; bits &= bits - 1) n++;
    return n;
}

OPS void nonzero_tiles(int64_t item, const void *x, void *out, uint8_t *counts, uint64_t *shared,
                       const int64_t *args) {
    int64_t from = (item * (int64_t)blockDim.x + threadIdx.x) * NONZERO_EACH, total;
    (void)out;
    sum_before(nonzero_sum(nonzero_bits(x, args, from)), &total, shared);
    if (threadIdx.x == 0) ((int64_t *)counts)[item] = total;
}

/* Counts become the sums of those in front of them; one block. More args: tiles, whether *out is
 * to be the sum of all. */
OPS void nonzero_total(int64_t item, const void *x, int64_t *out, uint8_t *counts,
                       uint64_t *shared, const int64_t *args) {
    int64_t sum = 0, n = args[3], *sums = (int64_t *)counts;
    (void)item, (void)x;
    for (int64_t from = 0; from < n; from += blockDim.x) {
        int64_t at = from + threadIdx.x, own = at < n ? sums[at] : 0, total;
        int64_t before = sum_before(own, &total, shared);
        if (at < n) sums[at] = sum + before;
        sum += total;
    }
    if (args[4] && threadIdx.x == 0) *out = sum;
}

/* y[rank][count], in row-major order of x, nothing beyond count. More args: count, rank,
 * dimensions. */
OPS void nonzero_fill(int64_t item, const void *x, int64_t *y, uint8_t *counts, uint64_t *shared,
                      const int64_t *args) {
    int64_t from = (item * (int64_t)blockDim.x + threadIdx.x) * NONZERO_EACH, total;
    unsigned bits = nonzero_bits(x, args, from);
    int64_t at = sum_before(nonzero_sum(bits), &total, shared), count = args[3];
    at += ((const int64_t *)counts)[item];
    for (int i = 0; i < NONZERO_EACH; i++) {
        int64_t rest = from + i;
        if (!(bits >> i & 1) || at >= count) continue;
        for (int64_t d = args[4] - 1; d >= 0; d--) {
            y[d * count + at] = rest % args[5 + d];
            rest /= args[5 + d];
        }
        at++;
    }
}

#endif
