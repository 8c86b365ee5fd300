/* What the functions of runtime/tiles.h do in the emulation: copies that arrive when they are
 * waited for, and products of matrices of a warp. */
#ifndef ONNXCC_RUNTIME_EMU_LEAVES_H
#define ONNXCC_RUNTIME_EMU_LEAVES_H

namespace onnxcc_emu {

inline void look(uintptr_t at, size_t bytes, bool writes, void *code);
inline void note_copy(const Copy *c) {
#if defined(ONNXCC_EMU_RACES)
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
        note_copy(&c);
    }
    t->n_copies = n;
}

struct Products { /* what a lane holds of a sum, and of both factors */
    float sum[4];
    uint32_t a[4], b[2];
};
/* A warp's: row and step of a fragment's element are those of runtime/tiles.h. */
template <float (*value)(uint16_t)> void add_products(const void *const *in, void *const *out) {
    float a[16][16], b[8][16];
    for (int l = 0; l < WARP; l++) {
        const Products *p = (const Products *)in[l];
        for (int i = 0; i < 8; i++) {
            int step = l % 4 * 2 + i / 4 * 8 + i % 2;
            a[l / 4 + i / 2 % 2 * 8][step] = value((uint16_t)(p->a[i / 2] >> i % 2 * 16));
            if (i < 4)
                b[l / 4][l % 4 * 2 + i / 2 * 8 + i % 2] =
                    value((uint16_t)(p->b[i / 2] >> i % 2 * 16));
        }
    }
    for (int l = 0; l < WARP; l++) {
        Products *p = (Products *)out[l];
        for (int i = 0; i < 4; i++) {
            const float *row = a[l / 4 + i / 2 * 8], *column = b[l % 4 * 2 + i % 2];
            for (int k = 0; k < 16; k++) p->sum[i] += row[k] * column[k];
        }
    }
}

} // namespace onnxcc_emu

#endif
