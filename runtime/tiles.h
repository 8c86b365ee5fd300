/* What has an instruction of its own on a GPU, as functions: copies to shared memory that arrive
 * later (cp.async), and products of matrices by a warp (ldmatrix, mma.sync). Each has a plain twin
 * for older GPUs and for the emulation. Pasted behind runtime/ops.h.
 *
 * Fragments: of a left factor of 16 rows x 32 bytes of steps, thread 4*g + t of a warp holds rows g
 * and g + 8 at bytes 4*t to 4*t + 3, and both at those 16 further; of a right one of 8 columns,
 * column g at those bytes. Of the sum of 16 x 8, rows g and g + 8 of columns 2*t and 2*t + 1. */
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

/* Where they are not there, elements of that value are, at once. */
#define TILES_FILL(n)                                                                              \
    template <typename T, typename Value>                                                          \
    OPS void copy_or_fill_##n(T *to, const T *from, bool there, Value value) {                     \
        if (there) copy_later_##n(to, from, true);                                                 \
        else                                                                                       \
            for (int i = 0; i < n / (int)sizeof(T); i++) to[i] = (T)value;                         \
    }
TILES_FILL(4)
TILES_FILL(8)
TILES_FILL(16)

/* ---- fragments; rows: steps are neighbours, steps: rows (columns of a right factor) are ---- */
OPS int warp_lane(void) {
    return (int)threadIdx.x % 32;
}
/* Elements that are no neighbours, one by one. */
template <typename T> OPS uint32_t gather_register(const T *from, int step) {
    const int bits = 8 * (int)sizeof(T);
    uint32_t r = 0;
    for (int i = 0; i < 32 / bits; i++)
        r |= ((uint32_t)from[i * step] & ~0u >> (32 - bits)) << bits * i;
    return r;
}
template <typename T> OPS const T *lane_register(const T *from, int row, int step) {
    return from + warp_lane() / 4 * row + warp_lane() % 4 * (4 / (int)sizeof(T)) * step;
}
template <typename T> OPS void gather_left(uint32_t *to, const T *from, int row, int step) {
    from = lane_register(from, row, step);
    for (int i = 0; i < 4; i++)
        to[i] =
            gather_register(from + i % 2 * 8 * row + i / 2 * (16 / (int)sizeof(T)) * step, step);
}
template <typename T> OPS void gather_right(uint32_t *to, const T *from, int row, int step) {
    from = lane_register(from, row, step);
    for (int i = 0; i < 2; i++)
        to[i] = gather_register(from + i * (16 / (int)sizeof(T)) * step, step);
}
#if TILES_PTX
template <typename T> OPS void load_left_rows(uint32_t *to, const T *from, int stride) {
    int l = warp_lane();
    from += (l % 16) * stride + l / 16 * (16 / (int)sizeof(T));
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(shared_address(from))
                 : "memory");
}
template <typename T> OPS void load_right_rows(uint32_t *to, const T *from, int stride) {
    int l = warp_lane();
    from += l % 8 * stride + l / 8 % 2 * (16 / (int)sizeof(T));
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
                 : "=r"(to[0]), "=r"(to[1])
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
OPS void load_right_steps(uint32_t *to, const uint16_t *from, int stride) {
    from += warp_lane() % 16 * stride;
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
                 : "=r"(to[0]), "=r"(to[1])
                 : "r"(shared_address(from))
                 : "memory");
}
#else
template <typename T> OPS void load_left_rows(uint32_t *to, const T *from, int stride) {
    gather_left(to, from, stride, 1);
}
template <typename T> OPS void load_right_rows(uint32_t *to, const T *from, int stride) {
    gather_right(to, from, stride, 1);
}
#endif
/* Where ldmatrix does not turn: it does so with elements of 16 bits alone. */
template <typename T> OPS void load_left_steps(uint32_t *to, const T *from, int stride) {
    gather_left(to, from, 1, stride);
}
template <typename T> OPS void load_right_steps(uint32_t *to, const T *from, int stride) {
    gather_right(to, from, 1, stride);
}

/* Of f32, tf32: without the last 13 bits, rounded to nearest, ties away from zero. */
OPS uint32_t tf32_of(uint32_t r) {
#if TILES_PTX
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(r) : "f"(f32_of_bits(r)));
    return r;
#else
    uint32_t size = r & 0x7fffffff;
    if (size > 0x7f800000) return 0x7fffffff;
    return size == 0x7f800000 ? r : (r + 0x1000) & ~0x1fffu;
#endif
}
#define TILES_TF32(load, n)                                                                        \
    OPS void load(uint32_t *to, const float *from, int stride) {                                   \
        load(to, (const uint32_t *)from, stride);                                                  \
        for (int i = 0; i < n; i++) to[i] = tf32_of(to[i]);                                        \
    }
TILES_TF32(load_left_rows, 4)
TILES_TF32(load_left_steps, 4)
TILES_TF32(load_right_rows, 2)
TILES_TF32(load_right_steps, 2)

/* ---- the elements of a register, and what is added up ---- */
OPS float element_f16(uint32_t r, int i) {
    return f32_of_f16((uint16_t)(r >> 16 * i));
}
OPS float element_bf16(uint32_t r, int i) {
    return f32_of_bf16((uint16_t)(r >> 16 * i));
}
OPS float element_f32(uint32_t r, int i) {
    (void)i;
    return f32_of_bits(r);
}
OPS int32_t element_u8(uint32_t r, int i) {
    return (uint8_t)(r >> 8 * i);
}
OPS int32_t element_i8(uint32_t r, int i) {
    return (int8_t)(r >> 8 * i);
}
OPS float add_product(float sum, float a, float b) {
    return sum + a * b;
}
OPS int32_t add_product(int32_t sum, int32_t a, int32_t b) {
    return (int32_t)((uint32_t)sum + (uint32_t)(a * b));
}

/* ---- products: the sum of a row and the next column, of the row 8 below and the next ----
 * name, left and right elements, so many in a register; the sum's type and PTX's letter for it;
 * what PTX calls the instruction */
#if TILES_PTX
#define TILES_PRODUCTS(name, left, right, n, T, letter, shape)                                     \
    OPS void add_products_##name(T *s0, T *s1, T *s2, T *s3, const uint32_t *a,                    \
                                 const uint32_t *b) {                                              \
        asm volatile("mma.sync.aligned." shape                                                     \
                     " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"            \
                     : "+" letter(*s0), "+" letter(*s1), "+" letter(*s2), "+" letter(*s3)          \
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));          \
    }
#elif defined(ONNXCC_CUDA_EMU)
#define TILES_PRODUCTS(name, left, right, n, T, letter, shape)                                     \
    OPS void add_products_##name(T *s0, T *s1, T *s2, T *s3, const uint32_t *a,                    \
                                 const uint32_t *b) {                                              \
        onnxcc_emu::Products<T> p = {                                                              \
            {*s0, *s1, *s2, *s3}, {a[0], a[1], a[2], a[3]}, {b[0], b[1]}};                         \
        onnxcc_emu::together(                                                                      \
            ~0u, onnxcc_emu::add_products<T, n, element_##left, element_##right, add_product>, &p, \
            &p);                                                                                   \
        *s0 = p.sum[0], *s1 = p.sum[1], *s2 = p.sum[2], *s3 = p.sum[3];                            \
    }
#else
/* The products of two registers: floats one by one, four bytes by one instruction. */
#define TILES_FLOATS(name, n)                                                                      \
    OPS float add_register_##name(float s, uint32_t a, uint32_t b) {                               \
        for (int i = 0; i < n; i++)                                                                \
            s = add_product(s, element_##name(a, i), element_##name(b, i));                        \
        return s;                                                                                  \
    }
#define TILES_BYTES(name, left, right)                                                             \
    OPS int32_t add_register_##name(int32_t s, uint32_t a, uint32_t b) {                           \
        asm("dp4a." left "." right " %0, %1, %2, %0;" : "+r"(s) : "r"(a), "r"(b));                 \
        return s;                                                                                  \
    }
TILES_FLOATS(f16, 2)
TILES_FLOATS(bf16, 2)
TILES_FLOATS(f32, 1)
TILES_BYTES(u8, "u32", "u32")
TILES_BYTES(i8, "s32", "s32")
TILES_BYTES(u8_i8, "u32", "s32")
TILES_BYTES(i8_u8, "s32", "u32")
/* Every lane asks those that hold its two rows and its two columns, a register after the other. */
#define TILES_PRODUCTS(name, left, right, n, T, letter, shape)                                     \
    OPS void add_products_##name(T *s0, T *s1, T *s2, T *s3, const uint32_t *a,                    \
                                 const uint32_t *b) {                                              \
        int l = warp_lane(), row = l / 4 * 4, column = l % 4 * 8;                                  \
        for (int k = 0; k < 8; k++) {                                                              \
            int half = k / 4, from = k % 4;                                                        \
            uint32_t a0 = __shfl_sync(~0u, a[2 * half], row + from);                               \
            uint32_t a1 = __shfl_sync(~0u, a[2 * half + 1], row + from);                           \
            uint32_t b0 = __shfl_sync(~0u, b[half], column + from);                                \
            uint32_t b1 = __shfl_sync(~0u, b[half], column + 4 + from);                            \
            *s0 = add_register_##name(*s0, a0, b0), *s1 = add_register_##name(*s1, a0, b1);        \
            *s2 = add_register_##name(*s2, a1, b0), *s3 = add_register_##name(*s3, a1, b1);        \
        }                                                                                          \
    }
#endif
TILES_PRODUCTS(f16, f16, f16, 2, float, "f", "m16n8k16.row.col.f32.f16.f16.f32")
TILES_PRODUCTS(bf16, bf16, bf16, 2, float, "f", "m16n8k16.row.col.f32.bf16.bf16.f32")
TILES_PRODUCTS(f32, f32, f32, 1, float, "f", "m16n8k8.row.col.f32.tf32.tf32.f32")
TILES_PRODUCTS(u8, u8, u8, 4, int32_t, "r", "m16n8k32.row.col.s32.u8.u8.s32")
TILES_PRODUCTS(i8, i8, i8, 4, int32_t, "r", "m16n8k32.row.col.s32.s8.s8.s32")
TILES_PRODUCTS(u8_i8, u8, i8, 4, int32_t, "r", "m16n8k32.row.col.s32.u8.s8.s32")
TILES_PRODUCTS(i8_u8, i8, u8, 4, int32_t, "r", "m16n8k32.row.col.s32.s8.u8.s32")

#endif
