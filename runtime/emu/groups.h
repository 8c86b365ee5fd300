/* What the functions of runtime/groups.h do in the emulation. Products of matrices (wgmma) are
 * added up when they are waited for: what is overwritten before shows, and a sum that is read
 * before. Matrices are found as their descriptors say. */
#ifndef ONNXCC_RUNTIME_EMU_GROUPS_H
#define ONNXCC_RUNTIME_EMU_GROUPS_H

namespace onnxcc_emu {

enum { SHARED_BEGIN = 1024, SHARED_MOST = 1 << 18, PIECE = 16, WGMMA_BYTES = 32 };

inline void wrong(const char *what) {
    fprintf(stderr, "cuda_emu: thread %u of block %u: %s\n", machine->current->index.x,
            machine->block.x, what);
    abort();
}
inline void use_shared(unsigned char *shared) {
    machine->shared = shared;
}
/* As far as the launch's shared memory has a place in the block's. */
inline unsigned shared_address(const void *p) {
    long at = (const unsigned char *)p - machine->shared;
    if (!machine->shared || at < 0 || at >= SHARED_MOST - SHARED_BEGIN)
        wrong("a matrix that does not lie in the launch's shared memory");
    return (unsigned)at + SHARED_BEGIN;
}

/* ---- descriptors: bits 0-13 address, 16-29 leading and 32-45 stride offset in units of 16 bytes,
 * 62-63 swizzle: none, in rows of 128, 64, 32 bytes ---- */
inline unsigned field(uint64_t d, int at) {
    return (unsigned)(d >> at & 0x3fff) << 4;
}
/* Element (i, k), i along the side, of so many bytes. Matrices of 8 rows of 16 bytes: rows are
 * neighbours along the side, what is in them along the steps; turned, the other way round (of 16
 * bits). The leading offset is that of matrices along the steps, the stride offset is along the
 * side. */
inline unsigned plain_place(uint64_t d, bool turned, int size, int i, int k) {
    int n = PIECE / size, first = turned ? k % n : i % 8, second = turned ? i % 8 : k % n;
    unsigned at = field(d, 0) + (unsigned)(i / 8) * field(d, 32) + (unsigned)(k / n) * field(d, 16);
    return at + (unsigned)(first * PIECE + second * size);
}
/* Rows of the steps, 8 of them a stride apart from the next 8; turned, rows of the side, whose next
 * columns are a leading offset further, and the next 8 steps a stride. */
inline unsigned row_place(uint64_t d, unsigned row, bool turned, int size, int i, int k) {
    unsigned along = (unsigned)((turned ? i : k) * size), across = (unsigned)(turned ? k : i);
    unsigned at = field(d, 0) + across / 8 * field(d, 32) + across % 8 * row;
    if (!turned && field(d, 0) % row + along >= row) wrong("steps behind the end of their row");
    at += turned ? along / row * field(d, 16) + along % row : along;
    return at ^ (at >> 3 & (row - 16));
}
inline const unsigned char *element(uint64_t d, bool turned, int size, int i, int k) {
    static const unsigned rows[] = {0, 128, 64, 32};
    unsigned row = rows[d >> 62];
    unsigned at = row ? row_place(d, row, turned, size, i, k) : plain_place(d, turned, size, i, k);
    if (d >> 46 & 0xffff) wrong("a matrix descriptor with an offset of its base");
    if (turned && size != 2) wrong("a matrix that wgmma does not turn");
    return machine->shared + at - SHARED_BEGIN;
}

/* ---- products ---- */
inline int row_of_thread(const Thread *t, int half) {
    unsigned i = t->index.x;
    return (int)(i / WARP % 4 * 16 + i % WARP / 4) + half * 8;
}
/* The whole group reads: of what a warp reads each lane looks at a part. */
inline void note_wgmma(const Wgmma *w) {
#if defined(ONNXCC_EMU_RACES)
    void *code = __builtin_return_address(0);
    const Thread *t = machine->current;
    int size = w->size;
    for (int k = 0; k < WGMMA_BYTES / size; k++) {
        for (int h = 0; h < 2; h++)
            look((uintptr_t)element(w->a, w->a_turned, size, row_of_thread(t, h), k),
                 (size_t)size, false, code);
        for (int j = (int)(t->index.x % WARP); j < w->columns; j += WARP)
            look((uintptr_t)element(w->b, w->b_turned, size, j, k), (size_t)size, false, code);
    }
#else
    (void)w;
#endif
}
/* Its bits, the first ones of a register. */
inline uint32_t register_of(const unsigned char *from, int size) {
    uint32_t r = 0;
    memcpy(&r, from, (size_t)size);
    return r;
}
/* This thread's part: rows g and g + 8 of its warp's, columns 2*t and 2*t + 1 of every 8. */
template <typename T, int SIZE, T (*left)(uint32_t, int), T (*right)(uint32_t, int),
          T (*add)(T, T, T)>
void add_wgmma(const Thread *own, const Wgmma *w) {
    enum { STEPS = WGMMA_BYTES / SIZE };
    T a[2][STEPS];
    for (int h = 0; h < 2; h++)
        for (int k = 0; k < STEPS; k++) {
            int row = row_of_thread(own, h);
            a[h][k] = left(register_of(element(w->a, w->a_turned, SIZE, row, k), SIZE), 0);
        }
    for (int i = 0; i < w->columns / 4; i++)
        for (int k = 0; k < STEPS; k++) {
            int column = i / 2 * 8 + (int)(own->index.x % 4) * 2 + i % 2;
            T b = right(register_of(element(w->b, w->b_turned, SIZE, column, k), SIZE), 0);
            for (int h = 0; h < 2; h++) {
                T *sum = (T *)w->sum[h] + i * w->column;
                *sum = add(*sum, a[h][k], b);
            }
        }
}
inline void wgmma(const Wgmma &what) {
    Machine *m = machine;
    Thread *own = m->current;
    for (int i = 0; i < m->n; i++)
        if (m->thread[i].unfenced) wrong("products read copies that no fence has made visible");
    if (own->n_products == own->products_room) {
        own->products_room = own->products_room ? 2 * own->products_room : 16;
        own->products = (Wgmma *)realloc(own->products, own->products_room * sizeof(Wgmma));
        if (!own->products) abort();
    }
    Wgmma *w = &own->products[own->n_products++];
    *w = what;
    w->group = own->product_groups;
    note_wgmma(w);
}
inline void wgmma_commit() {
    machine->current->product_groups++;
}
inline void wgmma_wait(unsigned open) {
    Thread *own = machine->current;
    unsigned n = 0;
    for (unsigned i = 0; i < own->n_products; i++) {
        Wgmma w = own->products[i];
        if (w.group + open >= own->product_groups) {
            own->products[n++] = w;
            continue;
        }
        note_wgmma(&w);
        w.add(own, &w);
    }
    own->n_products = n;
    own->unfenced = false;
}

/* ---- ldmatrix: lane 8*i + r has the address of row r of matrix i; lane 4*g + t gets of each what
 * is at columns 2*t and 2*t + 1 of row g; turned, at rows 2*t and 2*t + 1 of column g ---- */
template <bool TURNED> void load_matrices(const void *const *in, void *const *out) {
    for (int l = 0; l < WARP; l++)
        for (int i = 0; i < 4; i++) {
            int g = l / 4, t = l % 4 * 2;
            uint16_t two[2];
            for (int e = 0; e < 2; e++) {
                const uint16_t *row = (const uint16_t *)in[8 * i + (TURNED ? t + e : g)];
                two[e] = row[TURNED ? g : t + e];
            }
            ((uint32_t *)out[l])[i] = two[0] | (uint32_t)two[1] << 16;
        }
}

} // namespace onnxcc_emu

#endif
