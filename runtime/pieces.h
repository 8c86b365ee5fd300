/* Neighbours in memory that a thread of a GPU moves at once, 16 bytes at a time: f32x4 and its kin.
 * An address is a multiple of the piece's bytes, or of 16. Pasted behind runtime/ops.h. */
#ifndef ONNXCC_RUNTIME_PIECES_H
#define ONNXCC_RUNTIME_PIECES_H

#if defined(ONNXCC_EMU_TRAFFIC)
#define OPS_MOVE(to, from) onnxcc_emu::move_piece(to, from, sizeof *(to))
#define OPS_ALIGNED(n)
#elif defined(ONNXCC_CUDA_EMU)
#define OPS_MOVE(to, from) memcpy(to, from, sizeof *(to))
#define OPS_ALIGNED(n)
#else
#define OPS_MOVE(to, from) *(to) = *(from)
#define OPS_ALIGNED(n) __align__((n) < 16 ? (n) : 16)
#endif
#define OPS_PIECE(T, t, n)                                                                         \
    typedef struct OPS_ALIGNED(sizeof(T) * n) t##x##n {                                            \
        T at[n];                                                                                   \
    } t##x##n;                                                                                     \
    OPS t##x##n load_##t##x##n(const T *from) {                                                    \
        t##x##n v;                                                                                 \
        OPS_MOVE(&v, (const t##x##n *)from);                                                       \
        return v;                                                                                  \
    }                                                                                              \
    OPS void store_##t##x##n(T *to, t##x##n v) {                                                   \
        OPS_MOVE((t##x##n *)to, &v);                                                               \
    }
#define OPS_PIECES(T, t)                                                                           \
    OPS_PIECE(T, t, 2)                                                                             \
    OPS_PIECE(T, t, 4)                                                                             \
    OPS_PIECE(T, t, 8)                                                                             \
    OPS_PIECE(T, t, 16)
OPS_PIECES(int8_t, i8)
OPS_PIECES(int16_t, i16)
OPS_PIECES(int32_t, i32)
OPS_PIECES(int64_t, i64)
OPS_PIECES(uint8_t, u8)
OPS_PIECES(uint16_t, u16)
OPS_PIECES(uint32_t, u32)
OPS_PIECES(uint64_t, u64)
OPS_PIECES(float, f32)
OPS_PIECES(double, f64)

#endif
