/* Products of matrices by groups of four warps; both factors lie in shared memory. On sm_90a they
 * are wgmma, on their way until they are waited for; elsewhere each warp multiplies its part by
 * mma.sync at once. Pasted behind runtime/tiles.h.
 *
 * A factor is made of matrices of 8 pieces of 16 bytes, 128 neighbouring bytes: 8 rows (columns of
 * a right factor) of steps where `along` is true, as it must be but for elements of 16 bits; else 8
 * steps of 8 rows. `side` is the distance of two matrices that are neighbours along
 * the rows, `step` along the steps.
 *
 * Or it lies as a tensor map has left it (A_ROW, B_ROW > 0): in rows of so many bytes, of steps
 * where `along` is true; of rows of the factor where it is not, then those of the next so many
 * bytes of these lie behind all steps. Bits 4.. of an address are those of the element's place
 * there, with bits 7.. added without carry (swizzle).
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
    __shared__ __align__(1024) unsigned char shared_bytes[n];                                      \
    onnxcc_emu::use_shared(shared_bytes)
#else
#define SHARED_BYTES(n) extern __shared__ __align__(1024) unsigned char shared_bytes[]
#endif

typedef struct GroupFactor {
    const void *at;
    int side, step; /* in pieces */
} GroupFactor;
OPS const char *group_piece(GroupFactor f, int n) {
    return (const char *)f.at + 16 * n;
}

/* Where matrix (i, k) begins, i along the side; in pieces. */
template <int ROW, bool ALONG, int PIECES> OPS int group_matrix(GroupFactor f, int i, int k) {
    const int each = ROW ? ROW / 16 : 1; /* of the row's matrices */
    if (ROW && !ALONG) return i / each * (PIECES * ROW / 2) + i % each + k * f.step;
    return i * f.side + k * f.step;
}

#if GROUPS_LATER
#if defined(ONNXCC_CUDA_EMU)
OPS unsigned shared_address(const void *p) {
    return onnxcc_emu::shared_address(p);
}
#endif
/* A matrix descriptor: address; from one matrix to the next along the steps (leading) and along
 * the side (stride). Of rows of steps: stride from 8 of them to the next 8. Of rows of the side:
 * leading from its columns to the next, stride from 8 steps to the next. Bits 62 and 63: no
 * swizzle, in rows of 128, 64 or 32 bytes. */
template <int ROW, bool ALONG, int PIECES>
OPS uint64_t group_descriptor(GroupFactor f, int i, int k) {
    const char *at = group_piece(f, group_matrix<ROW, ALONG, PIECES>(f, i, k));
    uint64_t address = (shared_address(at) & 0x3ffff) >> 4;
    uint64_t swizzle = ROW == 128 ? 1 : ROW == 64 ? 2 : ROW == 32 ? 3 : 0;
    int leading = !ROW ? f.step : ALONG ? 1 : PIECES * ROW / 2;
    int stride = ROW && !ALONG ? f.step : f.side;
    return address | (uint64_t)leading << 16 | (uint64_t)stride << 32 | swizzle << 62;
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
#define GROUP_SUM(c, j)                                                                            \
    "+" c(s[2 * (j) * COLUMN]), "+" c(s[(2 * (j) + 1) * COLUMN]), "+" c(t[2 * (j) * COLUMN]),      \
        "+" c(t[(2 * (j) + 1) * COLUMN])
#define GROUP_SUMS_16(c, j)                                                                        \
    GROUP_SUM(c, j), GROUP_SUM(c, j + 1), GROUP_SUM(c, j + 2), GROUP_SUM(c, j + 3)
#define GROUP_SUMS_32(c, j) GROUP_SUMS_16(c, j), GROUP_SUMS_16(c, j + 4)
#define GROUP_SUMS_64(c, j) GROUP_SUMS_32(c, j), GROUP_SUMS_32(c, j + 8)
/* What stands behind the factors: that sums are added to; that nothing is negated; which factors
 * are turned. */
#define GROUP_INTS(a_turned, b_turned) ", 1"
#define GROUP_FLOATS(a_turned, b_turned) ", 1, 1, 1"
#define GROUP_TURNED(a_turned, b_turned) ", 1, 1, 1, " a_turned ", " b_turned
/* 64 rows, `columns` columns, 32 bytes of steps; s: rows g, t: rows g + 8; n: values of a thread */
#define GROUP_WGMMA(name, T, letter, shape, more, columns, n, a_place, b_place)                    \
    template <int COLUMN, int A_TURNED, int B_TURNED>                                              \
    OPS void group_wgmma_##name##_##columns(T *s, T *t, uint64_t a, uint64_t b) {                  \
        asm volatile("wgmma.mma_async.sync.aligned.m64n" #columns shape                            \
                     " {" GROUP_TEXT_##n "}, " a_place ", " b_place more ";"                       \
                     : GROUP_SUMS_##n(letter, 0)                                                   \
                     : "l"(a), "l"(b), "n"(A_TURNED), "n"(B_TURNED));                              \
    }
#define GROUP_LATER(name, left, right, size, T, letter, shape, more)                               \
    GROUP_WGMMA(name, T, letter, shape, more("%34", "%35"), 64, 32, "%32", "%33")                  \
    GROUP_WGMMA(name, T, letter, shape, more("%66", "%67"), 128, 64, "%64", "%65")
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
template <int VALUES> OPS void group_sums(int32_t *s) {
    UNROLL(VALUES)
    for (int i = 0; i < VALUES; i++) asm volatile("" : "+r"(s[i])::"memory");
}
#elif GROUPS_LATER
#define GROUP_WGMMA(name, left, right, size, T, columns)                                           \
    template <int COLUMN, int A_TURNED, int B_TURNED>                                              \
    OPS void group_wgmma_##name##_##columns(T *s, T *t, uint64_t a, uint64_t b) {                  \
        onnxcc_emu::wgmma({onnxcc_emu::add_wgmma<T, size, left, right, add_product>, {s, t}, a, b, \
                           size, columns, COLUMN, A_TURNED, B_TURNED, 0});                         \
    }
#define GROUP_LATER(name, left, right, size, T, letter, shape, more)                               \
    GROUP_WGMMA(name, left, right, size, T, 64) GROUP_WGMMA(name, left, right, size, T, 128)
OPS void group_begin(void) {
}
OPS void group_commit(void) {
    onnxcc_emu::wgmma_commit();
}
OPS void group_wait(int open) {
    onnxcc_emu::wgmma_wait((unsigned)open);
}
template <int VALUES, typename T> OPS void group_sums(T *) {
}
#else
OPS void group_wait(int) {
}
template <int VALUES, typename T> OPS void group_sums(T *) {
}
#endif

/* name; for the emulation, elements of both and their bytes; the sum's type and PTX's letter for
 * it; which bits of four bytes count; what PTX calls the instruction, and says of it. PIECES: of a
 * row */
#if GROUPS_LATER
#define GROUP_PRODUCTS(name, left, right, size, T, letter, bits, shape, more)                      \
    GROUP_LATER(name, left, right, size, T, letter, shape, more)                                   \
    template <int ROWS, int COLUMNS, int PIECES, bool A_ALONG, bool B_ALONG, int A_ROW, int B_ROW, \
              int ROW, int COLUMN>                                                                 \
    OPS void group_products_##name(T *s, GroupFactor a, GroupFactor b) {                           \
        group_begin();                                                                             \
        UNROLL(PIECES / 2)                                                                         \
        for (int k = 0; k < PIECES; k += 2) {                                                      \
            uint64_t right_at = group_descriptor<B_ROW, B_ALONG, PIECES>(b, 0, k);                 \
            UNROLL(ROWS / 64)                                                                      \
            for (int m = 0; m < ROWS / 64; m++) {                                                  \
                uint64_t left_at = group_descriptor<A_ROW, A_ALONG, PIECES>(a, m * 8, k);          \
                T *u = s + m * 2 * ROW, *v = u + ROW;                                              \
                if (COLUMNS == 64)                                                                 \
                    group_wgmma_##name##_64<COLUMN, !A_ALONG, !B_ALONG>(u, v, left_at, right_at);  \
                else                                                                               \
                    group_wgmma_##name##_128<COLUMN, !A_ALONG, !B_ALONG>(u, v, left_at, right_at); \
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
/* The piece that stands in the place of this one. */
template <int ROW> OPS const char *group_place(const char *at) {
    uint64_t place = (uint64_t)at;
    return ROW ? (const char *)(place ^ (place >> 3 & (ROW - 16))) : at;
}
/* Four matrices of 8 pieces: two along `first`, then those that are `second` further. */
template <bool TURNED, int ROW, uint32_t BITS>
OPS void group_load(uint32_t *to, const char *at, int first, int second) {
    int l = warp_lane();
    const int far = ROW ? ROW : 16; /* from one of the 8 rows of a matrix to the next */
#if GROUP_ROWS
    const char *row =
        group_place<ROW>(at + 16 * (l / 8 % 2 * first + l / 16 * second) + l % 8 * far);
    if (TURNED) GROUP_LDMATRIX(".trans");
    else GROUP_LDMATRIX("");
#else
    for (int i = 0; i < 4; i++) {
        const char *m = at + 16 * (i % 2 * first + i / 2 * second);
        m += TURNED ? l % 4 * 2 * far + l / 4 * 2 : l / 4 * far + l % 4 * 4;
        to[i] = two_elements(*(const uint16_t *)group_place<ROW>(m),
                             *(const uint16_t *)group_place<ROW>(m + (TURNED ? far : 2)));
    }
#endif
    for (int i = 0; i < 4; i++) to[i] &= BITS;
}
#define GROUP_PRODUCTS(name, left, right, size, T, letter, bits, shape, more)                      \
    template <int ROWS, int COLUMNS, int PIECES, bool A_ALONG, bool B_ALONG, int A_ROW, int B_ROW, \
              int ROW, int COLUMN>                                                                 \
    OPS void group_products_##name(T *s, GroupFactor a, GroupFactor b) {                           \
        a.at = group_piece(a, (int)threadIdx.x / 32 % 4 * 2 * a.side);                             \
        UNROLL(1)                                                                                  \
        for (int k = 0; k < PIECES; k += 2) {                                                      \
            uint32_t rows[ROWS / 64][4], columns[4];                                               \
            UNROLL(ROWS / 64)                                                                      \
            for (int m = 0; m < ROWS / 64; m++)                                                    \
                group_load<!A_ALONG, A_ROW, bits>(                                                 \
                    rows[m], group_piece(a, group_matrix<A_ROW, A_ALONG, PIECES>(a, m * 8, k)),    \
                    a.side, a.step);                                                               \
            UNROLL(COLUMNS / 16)                                                                   \
            for (int j = 0; j < COLUMNS / 8; j += 2) {                                             \
                group_load<!B_ALONG, B_ROW, bits>(                                                 \
                    columns, group_piece(b, group_matrix<B_ROW, B_ALONG, PIECES>(b, j, k)),        \
                    b.step, b.side);                                                               \
                UNROLL(ROWS / 64)                                                                  \
                for (int m = 0; m < ROWS / 64; m++) {                                              \
                    T *u = s + m * 2 * ROW + 2 * j * COLUMN, *v = u + ROW;                         \
                    add_products_##name(u, u + COLUMN, v, v + COLUMN, rows[m], columns);           \
                    add_products_##name(u + 2 * COLUMN, u + 3 * COLUMN, v + 2 * COLUMN,            \
                                        v + 3 * COLUMN, rows[m], columns + 2);                     \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
    }
#endif
#define GROUP_OF_16(name)                                                                          \
    GROUP_PRODUCTS(name, element_##name, element_##name, 2, float, "f", ~0u,                       \
                   "k16.f32." #name "." #name, GROUP_TURNED)
GROUP_OF_16(f16)
GROUP_OF_16(bf16)
#define GROUP_OF_8(name, left, right, types)                                                       \
    GROUP_PRODUCTS(name, element_##left, element_##right, 1, int32_t, "r", ~0u, "k32.s32." types,  \
                   GROUP_INTS)
GROUP_OF_8(u8, u8, u8, "u8.u8")
GROUP_OF_8(i8, i8, i8, "s8.s8")
GROUP_OF_8(u8_i8, u8, i8, "u8.s8")
GROUP_OF_8(i8_u8, i8, u8, "s8.u8")
enum : uint32_t { TF32_BITS = ~0x1fffu }; /* of an f32, what tf32 has */
OPS float element_tf32(uint32_t r, int i) {
    return element_f32(r & TF32_BITS, i);
}
GROUP_PRODUCTS(f32, element_tf32, element_tf32, 4, float, "f", TF32_BITS, "k8.f32.tf32.tf32",
               GROUP_FLOATS)

#endif
