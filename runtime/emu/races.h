/* Races of the kernels that run in the emulation: accesses to the same byte by two threads of a
 * launch, one of them a write, that no barrier orders; and reads of shared memory that no thread of
 * the block has written.
 *
 * Time is counted by barriers: two threads of a block are ordered where one lies between their
 * accesses, two lanes of a warp also where they have met in between. Blocks are never ordered. */
#ifndef ONNXCC_RUNTIME_EMU_RACES_H
#define ONNXCC_RUNTIME_EMU_RACES_H

#include "looks.h"

namespace onnxcc_emu {

struct Access {
    unsigned block, thread, time, step;
};
struct Cell { /* of a byte: who wrote it last, and two of those who read it since */
    Access write, read[2];
};
enum { PAGE = 1 << 10, PAGES = 1 << 20, ROOTS = 1 << 18 };

inline Cell *cell_of(uintptr_t at) {
    static Cell ***root; /* no C++ library is linked that would guard its first value */
    if (!root) root = (Cell ***)calloc(ROOTS, sizeof *root);
    uintptr_t page = at / PAGE;
    Cell ***table = &root[page / PAGES % ROOTS];
    if (!*table) *table = (Cell **)calloc(PAGES, sizeof **table);
    Cell **cells = &(*table)[page % PAGES];
    if (!*cells) *cells = (Cell *)calloc(PAGE, sizeof **cells);
    return &(*cells)[at % PAGE];
}
inline bool ordered(const Machine *m, const Access *was, const Access *now) {
    if (was->time < m->launch_began || (was->block == now->block && was->thread == now->thread))
        return true;
    if (was->block != now->block) return false;
    bool warp = was->thread / WARP == now->thread / WARP;
    return was->time != now->time || (warp && was->step != now->step);
}
inline void report(const char *did, const char *had, const Access *now, const Access *was,
                   uintptr_t at, void *code) {
    extern char __executable_start[] __attribute__((weak));
    fprintf(stderr, "cuda_emu: race: thread %u of block %u %s ", now->thread, now->block, did);
    if (was) fprintf(stderr, "what thread %u of block %u %s, ", was->thread, was->block, had);
    else fprintf(stderr, "shared memory that no thread of the block has written, ");
    fprintf(stderr, "at %p; code at 0x%zx (addr2line -fi -e PROGRAM)\n", (void *)at,
            (size_t)((char *)code - __executable_start));
    abort();
}
inline void look(uintptr_t at, size_t bytes, bool writes, void *code) {
    Machine *m = machine;
    if (!m || !m->current || m->ended == m->n || is_local(m, at)) return;
    unsigned thread = (unsigned)(m->current - m->thread);
    Access now = {m->block.x, thread, m->barriers, m->warp_steps[thread / WARP]};
    for (; bytes; bytes--, at++) {
        Cell *c = cell_of(at);
        if (is_shared(at)) {
            bool fresh = c->write.time < m->block_began;
            if (fresh && !writes) report("reads", 0, &now, 0, at, code);
            if (fresh) *c = (Cell){now, {}}; /* of an earlier block */
        }
        if (!ordered(m, &c->write, &now))
            report(writes ? "writes" : "reads", "wrote", &now, &c->write, at, code);
        for (int i = 0; writes && i < 2; i++)
            if (!ordered(m, &c->read[i], &now))
                report("writes", "read", &now, &c->read[i], at, code);
        if (writes) {
            c->write = now;
        } else if (c->read[0].block != now.block || c->read[0].thread != now.thread) {
            c->read[1] = c->read[0];
            c->read[0] = now;
        } else {
            c->read[0] = now;
        }
    }
}

} // namespace onnxcc_emu

#endif
