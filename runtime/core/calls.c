/* What the runtime operators share: the widths of element types; and the caller's seed. */
#include "core.h"

int core_dtype_bytes(int dtype) {
    switch (dtype) {
    case 2:
    case 3:
    case 9:
    case 17:
    case 18:
    case 19:
    case 20:
    case 24: /* u8 i8 bool, float8 kinds */
        return 1;
    case 4:
    case 5:
    case 10:
    case 16: /* u16 i16 f16 bf16 */
        return 2;
    case 1:
    case 6:
    case 12: /* f32 i32 u32 */
        return 4;
    case 7:
    case 11:
    case 13: /* i64 f64 u64 */
        return 8;
    case 8: /* str */
        return (int)sizeof(struct onnxcc_string);
    default:
        return 0;
    }
}

/* bufs: uint64 seed. */
int onnxcc_call_seed(struct onnxcc_frame *f, void *const *bufs, const int64_t *args) {
    (void)args;
    *(uint64_t *)bufs[0] = f->seed;
    return ONNXCC_OK;
}
