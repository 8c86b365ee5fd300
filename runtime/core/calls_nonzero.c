/* NonZero and its kind: count first, then, once the output has its size, fill. */
#include "core.h"

/* Where an element is zero: all bits but the sign of types that have a negative zero. */
static uint64_t zero_mask(int dtype) {
    bool has_minus_zero =
        dtype == 1 || dtype == 10 || dtype == 11 || dtype == 16 || dtype == 17 || dtype == 19;
    int bits = 8 * core_dtype_bytes(dtype);
    uint64_t all = bits == 64 ? ~(uint64_t)0 : ((uint64_t)1 << bits) - 1;
    return has_minus_zero ? all >> 1 : all;
}

static uint64_t load(const char *x, int bytes, int64_t i) {
    switch (bytes) {
    case 1:
        return ((const uint8_t *)x)[i];
    case 2:
        return ((const uint16_t *)x)[i];
    case 4:
        return ((const uint32_t *)x)[i];
    default:
        return ((const uint64_t *)x)[i];
    }
}

/* bufs: x, int64 count. args: dtype, elements. */
int onnxcc_call_nonzero_count(struct onnxcc_frame *f, void *const *bufs, const int64_t *args) {
    (void)f;
    int bytes = core_dtype_bytes((int)args[0]);
    uint64_t mask = zero_mask((int)args[0]);
    int64_t count = 0;
    for (int64_t i = 0; i < args[1]; i++) count += (load(bufs[0], bytes, i) & mask) != 0;
    *(int64_t *)bufs[1] = count;
    return ONNXCC_OK;
}

/* bufs: x, int64 y[rank][count]. args: dtype, count, rank, dims... Row-major order; never writes
 * beyond count. */
int onnxcc_call_nonzero_fill(struct onnxcc_frame *f, void *const *bufs, const int64_t *args) {
    (void)f;
    int bytes = core_dtype_bytes((int)args[0]), rank = (int)args[2];
    uint64_t mask = zero_mask((int)args[0]);
    int64_t *y = bufs[1], n = 1, at = 0, count = args[1];
    const int64_t *dims = args + 3;
    for (int d = 0; d < rank; d++) n *= dims[d];
    for (int64_t i = 0; i < n && at < count; i++) {
        if (!(load(bufs[0], bytes, i) & mask)) continue;
        int64_t rest = i;
        for (int d = rank - 1; d >= 0; d--) {
            y[d * count + at] = rest % dims[d];
            rest /= dims[d];
        }
        at++;
    }
    return ONNXCC_OK;
}
