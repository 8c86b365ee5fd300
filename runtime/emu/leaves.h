/* What the functions of runtime/tiles.h do in the emulation: copies that arrive when they are
 * waited for, and products of matrices of a warp. */
#ifndef ONNXCC_RUNTIME_EMU_LEAVES_H
#define ONNXCC_RUNTIME_EMU_LEAVES_H

namespace onnxcc_emu {

inline void look(uintptr_t at, size_t bytes, bool writes, void *code);
inline void note_copy(const Copy *c) {
#if defined(ONNXCC_EMU_LOOKS)
    if (c->from) look((uintptr_t)c->from, c->bytes, false, __builtin_return_address(0));
    look((uintptr_t)c->to, c->bytes, true, __builtin_return_address(0));
#else
    (void)c;
#endif
}
/* May write from now on until it is waited for. */
inline void copy_later(void *to, const void *from, unsigned bytes) {
    Thread *t = machine->current;
    if (t->n_copies == t->room) {
        t->room = t->room ? 2 * t->room : 16;
        t->copies = (Copy *)realloc(t->copies, t->room * sizeof *t->copies);
        if (!t->copies) abort();
    }
    t->copies[t->n_copies] = Copy{to, from, bytes, t->groups};
    note_copy(&t->copies[t->n_copies++]);
}
inline void copies_commit() {
    machine->current->groups++;
}
inline void copies_wait(unsigned open) {
    Thread *t = machine->current;
    unsigned n = 0;
    for (unsigned i = 0; i < t->n_copies; i++) {
        Copy c = t->copies[i];
        if (c.group + open >= t->groups) {
            t->copies[n++] = c;
            continue;
        }
        if (c.from) memcpy(c.to, c.from, c.bytes);
        else memset(c.to, 0, c.bytes);
#if defined(ONNXCC_EMU_RACES)
        note_copy(&c);
#endif
        t->unfenced = true;
    }
    t->n_copies = n;
}

template <typename T> struct Products { /* what a lane holds of a sum, and of both factors */
    T sum[4];
    uint32_t a[4], b[2];
};
/* A warp's, with n elements in a register: rows and steps are those of runtime/tiles.h. */
template <typename T, int n, T (*left)(uint32_t, int), T (*right)(uint32_t, int), T (*add)(T, T, T)>
void add_products(const void *const *in, void *const *out) {
    T a[16][8 * n], b[8][8 * n];
    for (int l = 0; l < WARP; l++) {
        const Products<T> *p = (const Products<T> *)in[l];
        for (int r = 0; r < 4; r++)
            for (int i = 0; i < n; i++) {
                a[l / 4 + r % 2 * 8][(l % 4 + r / 2 * 4) * n + i] = left(p->a[r], i);
                if (r < 2) b[l / 4][(l % 4 + r * 4) * n + i] = right(p->b[r], i);
            }
    }
    for (int l = 0; l < WARP; l++) {
        Products<T> *p = (Products<T> *)out[l];
        for (int i = 0; i < 4; i++) {
            const T *row = a[l / 4 + i / 2 * 8], *column = b[l % 4 * 2 + i % 2];
            for (int k = 0; k < 8 * n; k++) p->sum[i] = add(p->sum[i], row[k], column[k]);
        }
    }
}

} // namespace onnxcc_emu

#endif
