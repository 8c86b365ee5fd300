/* Fibers for the emulation of CUDA: functions that can stop and go on, each with its stack. */
#ifndef ONNXCC_RUNTIME_EMU_FIBERS_H
#define ONNXCC_RUNTIME_EMU_FIBERS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#if !defined(__x86_64__) && !defined(__aarch64__)
#include <ucontext.h>
#endif

namespace onnxcc_emu {

enum { STACK = 256 << 10, GUARD = 64 << 10 };

/* ---- fibers: a switch saves what a call must keep ---- */
#if defined(__x86_64__)
typedef void *Context;
__asm__(".pushsection .text\n.type onnxcc_emu_switch,@function\nonnxcc_emu_switch:\n"
        "pushq %rbp\npushq %rbx\npushq %r12\npushq %r13\npushq %r14\npushq %r15\n"
        "movq %rsp,(%rdi)\nmovq (%rsi),%rsp\n"
        "popq %r15\npopq %r14\npopq %r13\npopq %r12\npopq %rbx\npopq %rbp\nret\n.popsection\n");
extern "C" void onnxcc_emu_switch(Context *save, Context *load);
inline void prepare(Context *c, char *stack, void (*entry)()) {
    void **top = (void **)(stack + STACK) - 10;
    memset((void *)top, 0, 10 * sizeof *top);
    top[6] = (void *)entry; /* returned to; the stack is then as after a call */
    *c = top;
}
#elif defined(__aarch64__)
struct Context {
    void *sp;
};
__asm__(".pushsection .text\n.type onnxcc_emu_switch,%function\nonnxcc_emu_switch:\n"
        "sub sp,sp,#160\nstp x19,x20,[sp]\nstp x21,x22,[sp,#16]\nstp x23,x24,[sp,#32]\n"
        "stp x25,x26,[sp,#48]\nstp x27,x28,[sp,#64]\nstp x29,x30,[sp,#80]\nstp d8,d9,[sp,#96]\n"
        "stp d10,d11,[sp,#112]\nstp d12,d13,[sp,#128]\nstp d14,d15,[sp,#144]\n"
        "mov x9,sp\nstr x9,[x0]\nldr x9,[x1]\nmov sp,x9\n"
        "ldp x19,x20,[sp]\nldp x21,x22,[sp,#16]\nldp x23,x24,[sp,#32]\nldp x25,x26,[sp,#48]\n"
        "ldp x27,x28,[sp,#64]\nldp x29,x30,[sp,#80]\nldp d8,d9,[sp,#96]\nldp d10,d11,[sp,#112]\n"
        "ldp d12,d13,[sp,#128]\nldp d14,d15,[sp,#144]\nadd sp,sp,#160\nret\n.popsection\n");
extern "C" void onnxcc_emu_switch(Context *save, Context *load);
inline void prepare(Context *c, char *stack, void (*entry)()) {
    void **frame = (void **)(stack + STACK) - 20;
    memset((void *)frame, 0, 20 * sizeof *frame);
    frame[11] = (void *)entry;
    c->sp = frame;
}
#else
typedef ucontext_t Context;
inline void onnxcc_emu_switch(Context *save, Context *load) {
    swapcontext(save, load);
}
inline void prepare(Context *c, char *stack, void (*entry)()) {
    getcontext(c);
    c->uc_stack.ss_sp = stack;
    c->uc_stack.ss_size = STACK;
    c->uc_link = 0;
    makecontext(c, entry, 0);
}
#endif

struct Fiber {
    Context context;
    Fiber *next; /* in a list */
};
/* Stacks for n fibers, each above a page without access. */
inline char *stacks_new(int n) {
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void *at = mmap(0, (size_t)n * (GUARD + STACK), PROT_READ | PROT_WRITE, flags, -1, 0);
    if (at != MAP_FAILED) return (char *)at;
    fprintf(stderr, "cuda_emu: no memory for the threads of a block\n");
    abort();
}
inline void stacks_free(char *stacks, int n) {
    munmap(stacks, (size_t)n * (GUARD + STACK));
}
/* Fiber i, which begins with `entry` when it is switched to for the first time. */
inline void fiber_begin(Fiber *f, char *stacks, int i, void (*entry)()) {
    char *at = stacks + (size_t)i * (GUARD + STACK);
    mprotect(at, GUARD, PROT_NONE);
    prepare(&f->context, at + GUARD, entry);
}

} // namespace onnxcc_emu

#endif
