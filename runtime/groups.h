/* Products of matrices by groups of four warps; both factors lie in shared memory. On sm_90a they
 * are wgmma, on their way until they are waited for; elsewhere each warp multiplies its part by
 * mma.sync at once. Pasted behind runtime/tiles.h.
 *
 * A factor is made of matrices of 8 x 8 elements, 128 neighbouring bytes each: 8 rows (columns of a
 * right factor) of 8 steps where `along` is true, 8 steps of 8 rows where it is not. `side` is the
 * distance of two matrices that are neighbours along the rows, `step` along the steps.
 *
 * Warp w of a group has rows 16*w..16*w + 15 of every 64. Thread 4*g + t of it holds of each 16 x 8
 * of the sum what runtime/tiles.h says: row g + 8*h of the 16, column 2*t + e of the 8; they are
 * s[(row / 64 * 2 + h) * ROW + (column / 8 * 2 + e) * COLUMN]. */
#ifndef ONNXCC_RUNTIME_GROUPS_H
#define ONNXCC_RUNTIME_GROUPS_H

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define GROUPS_PTX 1
#define GROUPS_LATER 1
#elif defined(ONNXCC_CUDA_EMU) && !defined(ONNXCC_EMU_WARPS)
#define GROUPS_PTX 0
#define GROUPS_LATER 1
#else
#define GROUPS_PTX 0
#define GROUPS_LATER 0
#endif

/* ---- shared memory of a size that the launch says ---- */
#if defined(ONNXCC_CUDA_EMU)
#define SHARED_BYTES(n)                                                                            \
    __shared__ __align__(128) unsigned char shared_bytes[n];                                       \
    onnxcc_emu::use_shared(shared_bytes)
#else
#define SHARED_BYTES(n) extern __shared__ __align__(128) unsigned char shared_bytes[]
#endif

typedef struct GroupFactor {
    const uint16_t *at;
    int side, step; /* in elements */
} GroupFactor;

#if GROUPS_LATER
#if defined(ONNXCC_CUDA_EMU)
OPS unsigned shared_address(const void *p) {
    return onnxcc_emu::shared_address(p);
}
#endif
enum { GROUP_PIECE = 8 /* elements of 16 bytes, the unit of descriptors */ };
/* A matrix descriptor: address, from one matrix of 8 x 8 to the next along the steps (leading) and
 * along the side (stride); no swizzle. */
OPS uint64_t group_descriptor(const uint16_t *at, GroupFactor f) {
    uint64_t address = (shared_address(at) & 0x3ffff) >> 4;
    return address | (uint64_t)(f.step / GROUP_PIECE) << 16 |
           (uint64_t)(f.side / GROUP_PIECE) << 32;
}
#endif

#if GROUPS_PTX
#define GROUP_8(a, b, c, d, e, f, g, h)                                                            \
    "%" #a ", %" #b ", %" #c ", %" #d ", %" #e ", %" #f ", %" #g ", %" #h
#define GROUP_TEXT_32                                                                              \
    GROUP_8(0, 1, 2, 3, 4, 5, 6, 7)                                                                \
    ", " GROUP_8(8, 9, 10, 11, 12, 13, 14, 15) ", " GROUP_8(16, 17, 18, 19, 20, 21, 22, 23) ", "   \
    GROUP_8(24, 25, 26, 27, 28, 29, 30, 31)
#define GROUP_TEXT_64                                                                              \
    GROUP_TEXT_32 ", " GROUP_8(32, 33, 34, 35, 36, 37, 38, 39) ", "                                \
    GROUP_8(40, 41, 42, 43, 44, 45, 46, 47) ", " GROUP_8(48, 49, 50, 51, 52, 53, 54, 55) ", "      \
    GROUP_8(56, 57, 58, 59, 60, 61, 62, 63)
#define GROUP_SUM(j)                                                                               \
    "+f"(s[2 * (j) * COLUMN]), "+f"(s[(2 * (j) + 1) * COLUMN]), "+f"(t[2 * (j) * COLUMN]),         \
        "+f"(t[(2 * (j) + 1) * COLUMN])
#define GROUP_SUMS_16(j) GROUP_SUM(j), GROUP_SUM(j + 1), GROUP_SUM(j + 2), GROUP_SUM(j + 3)
#define GROUP_SUMS_32(j) GROUP_SUMS_16(j), GROUP_SUMS_16(j + 4)
#define GROUP_SUMS_64(j) GROUP_SUMS_32(j), GROUP_SUMS_32(j + 8)
/* 64 rows, `columns` columns, 16 steps; s: rows g, t: rows g + 8; n: values of a thread */
#define GROUP_WGMMA(type, columns, n, a_place, b_place, a_turned, b_turned)                        \
    template <int COLUMN, int A_TURNED, int B_TURNED>                                              \
    OPS void group_wgmma_##type##_##columns(float *s, float *t, uint64_t a, uint64_t b) {          \
        asm volatile("wgmma.mma_async.sync.aligned.m64n" #columns "k16.f32." #type "." #type       \
                     " {" GROUP_TEXT_##n "}, " a_place ", " b_place ", 1, 1, 1, " a_turned         \
                     ", " b_turned ";"                                                             \
                     : GROUP_SUMS_##n(0)                                                           \
                     : "l"(a), "l"(b), "n"(A_TURNED), "n"(B_TURNED));                              \
    }
#define GROUP_LATER(type)                                                                          \
    GROUP_WGMMA(type, 64, 32, "%32", "%33", "%34", "%35")                                          \
    GROUP_WGMMA(type, 128, 64, "%64", "%65", "%66", "%67")
OPS void group_begin(void) {
    asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}
OPS void group_commit(void) {
    asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}
/* Until all products but the last `open` are done. Copies that have arrived for this thread can be
 * read by products behind the next barrier. */
OPS void group_wait(int open) {
    if (open == 0) asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory");
    else asm volatile("wgmma.wait_group.sync.aligned 1;" ::: "memory");
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}
/* No use of a sum moves in front of the wait. */
template <int VALUES> OPS void group_sums(float *s) {
    UNROLL(VALUES)
    for (int i = 0; i < VALUES; i++) asm volatile("" : "+f"(s[i])::"memory");
}
#elif GROUPS_LATER
#define GROUP_WGMMA(type, columns)                                                                 \
    template <int COLUMN, int A_TURNED, int B_TURNED>                                              \
    OPS void group_wgmma_##type##_##columns(float *s, float *t, uint64_t a, uint64_t b) {          \
        onnxcc_emu::wgmma(f32_of_##type, columns, COLUMN, A_TURNED, B_TURNED, s, t, a, b);         \
    }
#define GROUP_LATER(type) GROUP_WGMMA(type, 64) GROUP_WGMMA(type, 128)
OPS void group_begin(void) {
}
OPS void group_commit(void) {
    onnxcc_emu::wgmma_commit();
}
OPS void group_wait(int open) {
    onnxcc_emu::wgmma_wait((unsigned)open);
}
template <int VALUES> OPS void group_sums(float *) {
}
#else
OPS void group_wait(int) {
}
template <int VALUES> OPS void group_sums(float *) {
}
#endif

#if GROUPS_LATER
#define GROUP_PRODUCTS(type)                                                                       \
    GROUP_LATER(type)                                                                              \
    template <int ROWS, int COLUMNS, int STEPS, bool A_ALONG, bool B_ALONG, int ROW, int COLUMN>   \
    OPS void group_products_##type(float *s, GroupFactor a, GroupFactor b) {                       \
        group_begin();                                                                             \
        UNROLL(STEPS / 16)                                                                         \
        for (int k = 0; k < STEPS / 8; k += 2) {                                                   \
            uint64_t right = group_descriptor(b.at + k * b.step, b);                               \
            UNROLL(ROWS / 64)                                                                      \
            for (int m = 0; m < ROWS / 64; m++) {                                                  \
                uint64_t left = group_descriptor(a.at + k * a.step + m * 8 * a.side, a);           \
                float *u = s + m * 2 * ROW, *v = u + ROW;                                          \
                if (COLUMNS == 64)                                                                 \
                    group_wgmma_##type##_64<COLUMN, !A_ALONG, !B_ALONG>(u, v, left, right);        \
                else                                                                               \
                    group_wgmma_##type##_128<COLUMN, !A_ALONG, !B_ALONG>(u, v, left, right);       \
            }                                                                                      \
        }                                                                                          \
        group_commit();                                                                            \
    }
#else
#if TILES_PTX
#define GROUP_LDMATRIX(kind)                                                                       \
    asm volatile("ldmatrix.sync.aligned.m8n8.x4" kind ".shared.b16 {%0, %1, %2, %3}, [%4];"        \
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])                              \
                 : "r"(shared_address(row))                                                        \
                 : "memory")
#define GROUP_ROWS 1
#elif defined(ONNXCC_CUDA_EMU)
#define GROUP_LDMATRIX(kind)                                                                       \
    onnxcc_emu::together(~0u, onnxcc_emu::load_matrices<sizeof kind != 1>, row, to)
#define GROUP_ROWS 1
#else
#define GROUP_ROWS 0
#endif
/* Four matrices of 8 x 8: two along `first`, then those that are `second` further. */
template <bool TURNED>
OPS void group_load(uint32_t *to, const uint16_t *at, int first, int second) {
    int l = warp_lane();
#if GROUP_ROWS
    const uint16_t *row = at + l / 8 % 2 * first + l / 16 * second + l % 8 * 8;
    if (TURNED) GROUP_LDMATRIX(".trans");
    else GROUP_LDMATRIX("");
#else
    for (int i = 0; i < 4; i++) {
        const uint16_t *m = at + i % 2 * first + i / 2 * second;
        m += TURNED ? l % 4 * 16 + l / 4 : l / 4 * 8 + l % 4 * 2;
        to[i] = two_elements(m[0], m[TURNED ? 8 : 1]);
    }
#endif
}
#define GROUP_PRODUCTS(type)                                                                       \
    template <int ROWS, int COLUMNS, int STEPS, bool A_ALONG, bool B_ALONG, int ROW, int COLUMN>   \
    OPS void group_products_##type(float *s, GroupFactor a, GroupFactor b) {                       \
        a.at += (int)threadIdx.x / 32 % 4 * 2 * a.side;                                            \
        UNROLL(1)                                                                                  \
        for (int k = 0; k < STEPS / 8; k += 2) {                                                   \
            uint32_t left[ROWS / 64][4], right[4];                                                 \
            UNROLL(ROWS / 64)                                                                      \
            for (int m = 0; m < ROWS / 64; m++)                                                    \
                group_load<!A_ALONG>(left[m], a.at + k * a.step + m * 8 * a.side, a.side, a.step); \
            UNROLL(COLUMNS / 16)                                                                   \
            for (int j = 0; j < COLUMNS / 8; j += 2) {                                             \
                group_load<!B_ALONG>(right, b.at + k * b.step + j * b.side, b.step, b.side);       \
                UNROLL(ROWS / 64)                                                                  \
                for (int m = 0; m < ROWS / 64; m++) {                                              \
                    float *u = s + m * 2 * ROW + 2 * j * COLUMN, *v = u + ROW;                     \
                    add_products_##type(u, u + COLUMN, v, v + COLUMN, left[m], right);             \
                    add_products_##type(u + 2 * COLUMN, u + 3 * COLUMN, v + 2 * COLUMN,            \
                                        v + 3 * COLUMN, left[m], right + 2);                       \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
    }
#endif
GROUP_PRODUCTS(f16)
GROUP_PRODUCTS(bf16)

#endif
