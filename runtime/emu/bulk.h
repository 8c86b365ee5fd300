/* What the functions of runtime/bulk.h do in the emulation: copies arrive when the first thread
 * waits for them. */
#ifndef ONNXCC_RUNTIME_EMU_BULK_H
#define ONNXCC_RUNTIME_EMU_BULK_H

namespace onnxcc_emu {

inline BulkBarrier *bulk_begin(int n, int each) {
    if (n > BULK_BARRIERS_MOST || each > BULK_EACH_MOST)
        wrong("more barriers of copies than there are");
    for (int i = 0; i < n; i++) machine->bulk[i].each = (unsigned)each;
    return machine->bulk;
}

/* ---- boxes ---- */
inline unsigned box_elements(const Box *b) {
    unsigned n = 1;
    for (int d = 0; d < b->dims; d++) n *= (unsigned)b->size[d];
    return n;
}
/* 0: outside of the tensor */
inline const char *box_source(const Box *b, unsigned element) {
    const char *from = b->from;
    for (int d = 0; d < b->dims; d++) {
        int64_t at = b->at[d] + (int)(element % (unsigned)b->size[d]);
        if (at < 0 || at >= b->extent[d]) return 0;
        from += at * b->stride[d] * b->bytes;
        element /= (unsigned)b->size[d];
    }
    return from;
}
/* Bits 4.. of the address, with bits 7.. added without carry. */
inline char *box_place(const Box *b, unsigned element) {
    uintptr_t at = (uintptr_t)b->to + element * (unsigned)b->bytes;
    return (char *)(at ^ (at >> 3 & (uintptr_t)(b->size[0] * b->bytes - 16)));
}
/* A launch by a driver has a map that says the same. */
inline void check_map(const Box *b, const void *map) {
    EmuMap m;
    memcpy(&m, map, sizeof m);
    if (m.magic != EMU_MAP_MAGIC) return;
    bool same = m.address == (uintptr_t)b->from && m.dims == (unsigned)b->dims &&
                m.bytes == (unsigned)b->bytes && m.row == (unsigned)(b->size[0] * b->bytes);
    for (int d = 0; d < b->dims && same; d++) {
        same = m.extent[d] == (uint64_t)b->extent[d] && m.size[d] == (unsigned)b->size[d];
        if (d) same = same && m.stride[d - 1] == (uint64_t)(b->stride[d] * b->bytes);
    }
    if (!same) wrong("a tensor map is not that of the tensor");
}

/* ---- sending and waiting ---- */
/* In the name of the thread that sent it. */
inline void note_bulk(const BulkCopy *c) {
#if defined(ONNXCC_EMU_LOOKS)
#if defined(ONNXCC_EMU_TRAFFIC)
    unsigned each = (unsigned)c->box.size[0]; /* a row is read at once */
#else
    unsigned each = 1;
#endif
    void *code = __builtin_return_address(0);
    Thread *own = machine->current;
    machine->current = &machine->thread[c->thread];
    if (c->from) look((uintptr_t)c->from, c->bytes, false, code);
    for (unsigned i = 0; !c->from && i < box_elements(&c->box); i += each) {
        const char *from = box_source(&c->box, i);
        if (from) look((uintptr_t)from, (unsigned)c->box.bytes * each, false, code);
    }
    look((uintptr_t)c->to, c->bytes, true, code);
    machine->current = own;
#else
    (void)c;
#endif
}
inline void send_bulk(BulkCopy c, BulkBarrier *b) {
    if (b->n == b->each) wrong("a copy is sent before those in front of it have arrived");
    c.thread = machine->current->index.x;
    note_bulk(&c);
    b->sent[b->n++] = c;
}
inline void bulk_copy(void *to, const void *from, unsigned bytes, BulkBarrier *b) {
    if ((uintptr_t)to % 16 || (uintptr_t)from % 16 || bytes % 16)
        wrong("a copy of bytes that are no whole pieces of 16");
    send_bulk(BulkCopy{to, from, bytes, 0, Box()}, b);
}
inline void box_copy(Box box, const void *map, BulkBarrier *b) {
    bool aligned = (uintptr_t)box.from % 16 == 0;
    for (int d = 1; d < box.dims; d++) aligned = aligned && box.stride[d] * box.bytes % 16 == 0;
    if (!aligned || box.stride[0] != 1) wrong("a tensor that no tensor map describes");
    if ((uintptr_t)box.to % (uintptr_t)(8 * box.size[0] * box.bytes))
        wrong("a box that does not begin at 8 whole rows");
    check_map(&box, map);
    send_bulk(BulkCopy{box.to, 0, box_elements(&box) * (unsigned)box.bytes, 0, box}, b);
}
inline void arrive_bulk(const BulkCopy *c) {
    if (c->from) memcpy(c->to, c->from, c->bytes);
    for (unsigned i = 0; !c->from && i < box_elements(&c->box); i++) {
        const char *from = box_source(&c->box, i);
        char *to = box_place(&c->box, i);
        if (from) memcpy(to, from, (unsigned)c->box.bytes);
        else memset(to, 0, (unsigned)c->box.bytes);
    }
#if defined(ONNXCC_EMU_RACES)
    note_bulk(c);
#endif
}
/* Until an odd (phase 0) or even number of times all have arrived. Others run until they are sent.
 */
inline void bulk_wait(BulkBarrier *b, unsigned phase) {
    Machine *m = machine;
    for (int i = 0; (b->arrived & 1) == phase && b->n < b->each; i++) {
        Thread *own = m->current;
        if (i > 100000) wrong("waits for a copy that nobody sends");
        own->fiber = m->fiber;
        make_ready(m, own);
        wait(m);
    }
    if ((b->arrived & 1) != phase) return;
    for (unsigned i = 0; i < b->n; i++) arrive_bulk(&b->sent[i]);
    b->n = 0;
    b->arrived++;
}

} // namespace onnxcc_emu

#endif
