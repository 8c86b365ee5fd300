/* What the functions of runtime/bulk.h do in the emulation: a copy arrives when the first thread
 * waits for it. */
#ifndef ONNXCC_RUNTIME_EMU_BULK_H
#define ONNXCC_RUNTIME_EMU_BULK_H

namespace onnxcc_emu {

inline BulkBarrier *bulk_begin(int n) {
    if (n > BULK_BARRIERS_MOST) wrong("more barriers of copies than there are");
    return machine->bulk;
}
/* In the name of the thread that sent it. */
inline void note_bulk(const BulkBarrier *b) {
#if defined(ONNXCC_EMU_RACES)
    Thread *own = machine->current;
    machine->current = &machine->thread[b->thread];
    look((uintptr_t)b->from, b->bytes, false, __builtin_return_address(0));
    look((uintptr_t)b->to, b->bytes, true, __builtin_return_address(0));
    machine->current = own;
#else
    (void)b;
#endif
}
inline void bulk_copy(void *to, const void *from, unsigned bytes, BulkBarrier *b) {
    if ((uintptr_t)to % 16 || (uintptr_t)from % 16 || bytes % 16)
        wrong("a copy of bytes that are no whole pieces of 16");
    if (b->to) wrong("a copy is sent before the one in front of it has arrived");
    b->to = to, b->from = from, b->bytes = bytes;
    b->thread = machine->current->index.x;
    note_bulk(b);
}
/* Until an odd (phase 0) or even number of copies has arrived. Others run until one is sent. */
inline void bulk_wait(BulkBarrier *b, unsigned phase) {
    Machine *m = machine;
    for (int i = 0; (b->arrived & 1) == phase && !b->to; i++) {
        Thread *own = m->current;
        if (i > 100000) wrong("waits for a copy that nobody sends");
        own->fiber = m->fiber;
        make_ready(m, own);
        wait(m);
    }
    if ((b->arrived & 1) != phase) return;
    memcpy(b->to, b->from, b->bytes);
    note_bulk(b);
    b->to = 0;
    b->arrived++;
}

} // namespace onnxcc_emu

#endif
