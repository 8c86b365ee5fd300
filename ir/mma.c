/* Which element types a warp of a GPU multiplies as matrices. */
#include "ir/mma.h"

static bool is_byte(DType t) {
    return t == DT_I8 || t == DT_U8;
}

DType mma_sum(DType left, DType right) {
    if (left == right && (left == DT_F16 || left == DT_BF16)) return DT_F32;
    if (left == DT_F32 && right == DT_F32) return DT_F32;
    return is_byte(left) && is_byte(right) ? DT_I32 : DT_NONE;
}

uint32_t mma_tf32(uint32_t bits) {
    uint32_t rest = bits & 0x7fffffff;
    if (rest > 0x7f800000) return 0x7fffffff;
    return rest == 0x7f800000 ? bits : (bits + 0x1000) & ~0x1fffu;
}

uint32_t mma_tf32_cut(uint32_t bits) {
    return bits & ~0x1fffu;
}

int mma_steps(DType t) {
    return MMA_STEP_BYTES / (int)dtype_bytes(t);
}
