/* What has an instruction of its own on a GPU, as functions: copies to shared memory that arrive
 * later (cp.async), and products of matrices by a warp (ldmatrix, mma.sync). Each has a plain twin
 * for older GPUs and for the emulation. Pasted behind runtime/ops.h.
 *
 * Fragments: of a left factor of 16 rows x 16 steps, thread 4*g + t of a warp holds rows g and g+8
 * at steps 2*t and 2*t + 1, and both at those 8 further, two elements in a register; of a right one
 * of 16 steps x 8 columns, column g at those steps. Of the sum of 16 x 8, rows g and g + 8 of
 * columns 2*t and 2*t + 1. */
#ifndef ONNXCC_RUNTIME_TILES_H
#define ONNXCC_RUNTIME_TILES_H

#if defined(__CUDA_ARCH__)
#define TILES_PTX (__CUDA_ARCH__ >= 800)
#else
#define TILES_PTX 0
#endif

/* ---- copies that arrive later: 4, 8 or 16 bytes, zeros where they are not there ---- */
#if TILES_PTX
OPS unsigned shared_address(const void *p) {
    return (unsigned)__cvta_generic_to_shared(p);
}
#define TILES_COPY(n, cache)                                                                       \
    OPS void copy_later_##n(void *to, const void *from, bool there) {                              \
        asm volatile("cp.async." cache ".shared.global [%0], [%1], " #n                            \
                     ", %2;" ::"r"(shared_address(to)),                                            \
                     "l"(from), "r"(there ? n : 0)                                                 \
                     : "memory");                                                                  \
    }
TILES_COPY(4, "ca")
TILES_COPY(8, "ca")
TILES_COPY(16, "cg")
OPS void copies_commit(void) {
    asm volatile("cp.async.commit_group;" ::: "memory");
}
/* Until all groups but the last n have arrived. */
OPS void copies_wait(int n) {
    if (n == 0) asm volatile("cp.async.wait_group 0;" ::: "memory");
    else if (n == 1) asm volatile("cp.async.wait_group 1;" ::: "memory");
    else asm volatile("cp.async.wait_group 2;" ::: "memory");
}
#elif defined(ONNXCC_CUDA_EMU)
#define TILES_COPY(n)                                                                              \
    OPS void copy_later_##n(void *to, const void *from, bool there) {                              \
        onnxcc_emu::copy_later(to, there ? from : 0, n);                                           \
    }
TILES_COPY(4)
TILES_COPY(8)
TILES_COPY(16)
OPS void copies_commit(void) {
    onnxcc_emu::copies_commit();
}
OPS void copies_wait(int n) {
    onnxcc_emu::copies_wait(n);
}
#else
#define TILES_COPY(n, words)                                                                       \
    OPS void copy_later_##n(void *to, const void *from, bool there) {                              \
        for (int i = 0; i < words; i++)                                                            \
            ((uint32_t *)to)[i] = there ? ((const uint32_t *)from)[i] : 0;                         \
    }
TILES_COPY(4, 1)
TILES_COPY(8, 2)
TILES_COPY(16, 4)
OPS void copies_commit(void) {
}
OPS void copies_wait(int n) {
    (void)n;
}
#endif

/* ---- fragments; rows: steps are neighbours, steps: rows (columns of a right factor) are ---- */
OPS int warp_lane(void) {
    return (int)threadIdx.x % 32;
}
#if TILES_PTX
OPS void load_left_rows(uint32_t *to, const uint16_t *from, int stride) {
    int l = warp_lane();
    from += (l % 16) * stride + l / 16 * 8;
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(shared_address(from))
                 : "memory");
}
OPS void load_left_steps(uint32_t *to, const uint16_t *from, int stride) {
    int l = warp_lane();
    from += (l % 8 + l / 16 * 8) * stride + l / 8 % 2 * 8;
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(shared_address(from))
                 : "memory");
}
OPS void load_right_rows(uint32_t *to, const uint16_t *from, int stride) {
    int l = warp_lane();
    from += l % 8 * stride + l / 8 % 2 * 8;
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
                 : "=r"(to[0]), "=r"(to[1])
                 : "r"(shared_address(from))
                 : "memory");
}
OPS void load_right_steps(uint32_t *to, const uint16_t *from, int stride) {
    from += warp_lane() % 16 * stride;
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
                 : "=r"(to[0]), "=r"(to[1])
                 : "r"(shared_address(from))
                 : "memory");
}
#else
OPS uint32_t two_elements(uint16_t low, uint16_t high) {
    return low | (uint32_t)high << 16;
}
OPS void load_left(uint32_t *to, const uint16_t *from, int row, int step) {
    from += warp_lane() / 4 * row + warp_lane() % 4 * 2 * step;
    for (int i = 0; i < 4; i++) {
        const uint16_t *at = from + i % 2 * 8 * row + i / 2 * 8 * step;
        to[i] = two_elements(at[0], at[step]);
    }
}
OPS void load_right(uint32_t *to, const uint16_t *from, int row, int step) {
    from += warp_lane() / 4 * row + warp_lane() % 4 * 2 * step;
    for (int i = 0; i < 2; i++) to[i] = two_elements(from[i * 8 * step], from[(i * 8 + 1) * step]);
}
OPS void load_left_rows(uint32_t *to, const uint16_t *from, int stride) {
    load_left(to, from, stride, 1);
}
OPS void load_left_steps(uint32_t *to, const uint16_t *from, int stride) {
    load_left(to, from, 1, stride);
}
OPS void load_right_rows(uint32_t *to, const uint16_t *from, int stride) {
    load_right(to, from, stride, 1);
}
OPS void load_right_steps(uint32_t *to, const uint16_t *from, int stride) {
    load_right(to, from, 1, stride);
}
#endif

/* ---- products: the sum of a row and the next column, of the row 8 below and the next ---- */
#if TILES_PTX
#define TILES_PRODUCTS(t)                                                                          \
    OPS void add_products_##t(float *s0, float *s1, float *s2, float *s3, const uint32_t *a,       \
                              const uint32_t *b) {                                                 \
        asm volatile("mma.sync.aligned.m16n8k16.row.col.f32." #t "." #t                            \
                     ".f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"        \
                     : "+f"(*s0), "+f"(*s1), "+f"(*s2), "+f"(*s3)                                  \
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));          \
    }
#elif defined(ONNXCC_CUDA_EMU)
#define TILES_PRODUCTS(t)                                                                          \
    OPS void add_products_##t(float *s0, float *s1, float *s2, float *s3, const uint32_t *a,       \
                              const uint32_t *b) {                                                 \
        onnxcc_emu::Products p = {{*s0, *s1, *s2, *s3}, {a[0], a[1], a[2], a[3]}, {b[0], b[1]}};   \
        onnxcc_emu::together(~0u, onnxcc_emu::add_products<f32_of_##t>, &p, &p);                   \
        *s0 = p.sum[0], *s1 = p.sum[1], *s2 = p.sum[2], *s3 = p.sum[3];                            \
    }
#else
/* Every lane asks those that hold its two rows and its two columns, steps 2*k and 2*k + 1. */
#define TILES_PRODUCTS(t)                                                                          \
    OPS float add_two_##t(float s, uint32_t a, uint32_t b) {                                       \
        s += f32_of_##t((uint16_t)a) * f32_of_##t((uint16_t)b);                                    \
        return s + f32_of_##t((uint16_t)(a >> 16)) * f32_of_##t((uint16_t)(b >> 16));              \
    }                                                                                              \
    OPS void add_products_##t(float *s0, float *s1, float *s2, float *s3, const uint32_t *a,       \
                              const uint32_t *b) {                                                 \
        int l = warp_lane(), row = l / 4 * 4, column = l % 4 * 8;                                  \
        for (int k = 0; k < 8; k++) {                                                              \
            int half = k / 4, from = k % 4;                                                        \
            uint32_t a0 = __shfl_sync(~0u, a[2 * half], row + from);                               \
            uint32_t a1 = __shfl_sync(~0u, a[2 * half + 1], row + from);                           \
            uint32_t b0 = __shfl_sync(~0u, b[half], column + from);                                \
            uint32_t b1 = __shfl_sync(~0u, b[half], column + 4 + from);                            \
            *s0 = add_two_##t(*s0, a0, b0), *s1 = add_two_##t(*s1, a0, b1);                        \
            *s2 = add_two_##t(*s2, a1, b0), *s3 = add_two_##t(*s3, a1, b1);                        \
        }                                                                                          \
    }
#endif
TILES_PRODUCTS(f16)
TILES_PRODUCTS(bf16)

#endif
