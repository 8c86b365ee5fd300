/* CUDA C on a CPU, for tests: included in front of kernels by a C++ compiler (-include), it lets
 * the very text that NVRTC gets run on any machine.
 *
 * A block runs on one OS thread (several OS threads may run launches at once); its CUDA threads are
 * fibers. A fiber runs until it ends or waits: at __syncthreads for all threads of the block that
 * have not ended, at a warp operation for the lanes of its mask. Where none can go on, the kernel
 * is wrong, and the program says so. The order of threads and blocks changes with
 * ONNXCC_EMU_SEED=n (0: in order), so that a race shows.
 *
 * Not here: textures, dynamic shared memory, cooperative groups, inline PTX. */
#ifndef ONNXCC_RUNTIME_EMU_CUDA_EMU_H
#define ONNXCC_RUNTIME_EMU_CUDA_EMU_H

#define ONNXCC_CUDA_EMU 1
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if !defined(__x86_64__) && !defined(__aarch64__)
#include <ucontext.h>
#endif

#define __global__ __attribute__((noinline, visibility("hidden")))
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline, unused))
#define __launch_bounds__(...)
#define __constant__
#define __align__(n) __attribute__((aligned(n)))
#define __shared__ static thread_local /* one block at a time on an OS thread */

namespace onnxcc_emu {

struct Dim {
    unsigned x, y, z;
};
enum State { READY, AT_BLOCK, AT_WARP, ENDED };
enum { WARP = 32, STACK = 256 << 10, MAX_THREADS = 1024 };

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

struct Thread {
    Context context;
    Dim index;
    State state;
    bool started;
    unsigned mask;           /* AT_WARP: the lanes that take part */
    unsigned char value[16]; /* what it gives to the others */
    char *stack;
};
struct Machine { /* of one OS thread */
    Context scheduler;
    Thread thread[MAX_THREADS];
    Thread *current;
    int n;
    char *spare[MAX_THREADS];
    int n_spare;
    uint64_t random;
    Dim block, block_dim, grid_dim;
    void (*kernel)(void *);
    void *arguments;
};
static thread_local Machine *machine;

inline void wait(State state) {
    Machine *m = machine;
    m->current->state = state;
    onnxcc_emu_switch(&m->current->context, &m->scheduler);
}
inline void thread_entry() {
    Machine *m = machine;
    m->kernel(m->arguments);
    wait(ENDED);
    abort();
}

/* ---- scheduling ---- */
inline uint64_t next_random(Machine *m) {
    m->random = m->random * 6364136223846793005u + 1442695040888963407u;
    return m->random >> 33;
}
inline void run_thread(Machine *m, Thread *t) {
    if (!t->started) {
        t->started = true;
        t->stack = m->n_spare ? m->spare[--m->n_spare] : (char *)aligned_alloc(64, STACK);
        prepare(&t->context, t->stack, thread_entry);
    }
    m->current = t;
    onnxcc_emu_switch(&m->scheduler, &t->context);
    if (t->state == ENDED) m->spare[m->n_spare++] = t->stack;
}
/* All lanes of t's mask that have not ended wait there, too. */
inline bool warp_is_complete(Machine *m, const Thread *t) {
    int first = (int)(t - m->thread) / WARP * WARP;
    for (int lane = 0; lane < WARP && first + lane < m->n; lane++) {
        const Thread *o = &m->thread[first + lane];
        if ((t->mask >> lane & 1) && o->state != ENDED && o->state != AT_WARP) return false;
    }
    return true;
}
inline bool release_warps(Machine *m) {
    bool any = false;
    static thread_local bool complete[MAX_THREADS];
    for (int i = 0; i < m->n; i++)
        complete[i] = m->thread[i].state == AT_WARP && warp_is_complete(m, &m->thread[i]);
    for (int i = 0; i < m->n; i++)
        if (complete[i]) m->thread[i].state = READY, any = true;
    return any;
}
inline bool release_block(Machine *m) {
    int waiting = 0, ended = 0;
    for (int i = 0; i < m->n; i++)
        waiting += m->thread[i].state == AT_BLOCK, ended += m->thread[i].state == ENDED;
    if (!waiting || waiting + ended < m->n) return false;
    for (int i = 0; i < m->n; i++)
        if (m->thread[i].state == AT_BLOCK) m->thread[i].state = READY;
    return true;
}
inline void run_block(Machine *m) {
    for (int i = 0; i < m->n; i++) m->thread[i].state = READY, m->thread[i].started = false;
    for (;;) {
        int start = m->random ? (int)(next_random(m) % (unsigned)m->n) : 0, ended = 0;
        bool backwards = m->random && next_random(m) % 2;
        for (int k = 0; k < m->n; k++) {
            Thread *t = &m->thread[(start + (backwards ? m->n - k : k)) % m->n];
            if (t->state == READY) run_thread(m, t);
            ended += t->state == ENDED;
        }
        if (ended == m->n) return;
        if (!release_warps(m) && !release_block(m)) {
            fprintf(stderr, "cuda_emu: threads of block %u wait for each other\n", m->block.x);
            abort();
        }
    }
}

template <typename Call> void call_kernel(void *f) {
    (*(Call *)f)();
}

/* kernel<<<blocks, threads>>>: returns when all is done. */
template <typename Call> void launch(unsigned blocks, unsigned threads, Call call) {
    if (!machine) machine = (Machine *)calloc(1, sizeof *machine);
    Machine *m = machine;
    const char *seed = getenv("ONNXCC_EMU_SEED");
    if (seed && !m->random) m->random = strtoull(seed, 0, 10) * 0x9e3779b97f4a7c15u;
    m->n = (int)threads;
    m->block_dim = Dim{threads, 1, 1};
    m->grid_dim = Dim{blocks, 1, 1};
    m->kernel = call_kernel<Call>;
    m->arguments = &call;
    for (unsigned i = 0; i < threads; i++) m->thread[i].index = Dim{i, 0, 0};
    unsigned first = m->random && blocks ? (unsigned)(next_random(m) % blocks) : 0;
    for (unsigned b = 0; b < blocks; b++) {
        m->block = Dim{(first + b) % blocks, 0, 0};
        run_block(m);
    }
}

/* ---- warp operations: everyone gives a value, then everyone may look ---- */
inline int lane() {
    return (int)(machine->current - machine->thread) % WARP;
}
template <typename T> T exchange(unsigned mask, T v, int from) {
    Thread *own = machine->current, *warp = own - lane();
    memcpy(own->value, &v, sizeof v);
    own->mask = mask;
    wait(AT_WARP);
    T got = v;
    bool there = from >= 0 && from < WARP && warp + from < machine->thread + machine->n &&
                 (mask >> from & 1);
    if (there) memcpy(&got, warp[from].value, sizeof got);
    wait(AT_WARP); /* nobody gives the next value before all have looked */
    return got;
}
inline unsigned ballot(unsigned mask, bool vote) {
    Thread *own = machine->current, *warp = own - lane();
    unsigned votes = 0;
    own->value[0] = vote;
    own->mask = mask;
    wait(AT_WARP);
    for (int i = 0; i < WARP && warp + i < machine->thread + machine->n; i++)
        if ((mask >> i & 1) && warp[i].state != ENDED && warp[i].value[0]) votes |= 1u << i;
    wait(AT_WARP);
    return votes;
}

} // namespace onnxcc_emu

#define threadIdx (onnxcc_emu::machine->current->index)
#define blockIdx (onnxcc_emu::machine->block)
#define blockDim (onnxcc_emu::machine->block_dim)
#define gridDim (onnxcc_emu::machine->grid_dim)
#define ONNXCC_LAUNCH(kernel, blocks, threads, ...)                                                \
    onnxcc_emu::launch((blocks), (threads), [&] { kernel(__VA_ARGS__); })

static inline void __syncthreads() {
    onnxcc_emu::wait(onnxcc_emu::AT_BLOCK);
}
static inline void __syncwarp(unsigned mask = ~0u) {
    onnxcc_emu::ballot(mask, true);
}
static inline void __threadfence() {
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}
static inline void __threadfence_block() {
}
template <typename T> T __shfl_sync(unsigned mask, T v, int from, int width = 32) {
    int lane = onnxcc_emu::lane(), base = lane / width * width;
    return onnxcc_emu::exchange(mask, v, base + from % width);
}
template <typename T> T __shfl_up_sync(unsigned mask, T v, unsigned by, int width = 32) {
    int lane = onnxcc_emu::lane(), from = lane - (int)by;
    return onnxcc_emu::exchange(mask, v, from < lane / width * width ? lane : from);
}
template <typename T> T __shfl_down_sync(unsigned mask, T v, unsigned by, int width = 32) {
    int lane = onnxcc_emu::lane(), from = lane + (int)by;
    return onnxcc_emu::exchange(mask, v, from >= lane / width * width + width ? lane : from);
}
template <typename T> T __shfl_xor_sync(unsigned mask, T v, int by, int width = 32) {
    int lane = onnxcc_emu::lane(), from = lane ^ by;
    return onnxcc_emu::exchange(mask, v, from / width > lane / width ? lane : from);
}
static inline unsigned __ballot_sync(unsigned mask, int vote) {
    return onnxcc_emu::ballot(mask, vote != 0);
}
static inline int __any_sync(unsigned mask, int vote) {
    return onnxcc_emu::ballot(mask, vote != 0) != 0;
}
static inline int __all_sync(unsigned mask, int vote) {
    return onnxcc_emu::ballot(mask, vote == 0) == 0;
}

/* ---- atomics: blocks may run on several OS threads ---- */
template <typename T, typename F> T onnxcc_emu_atomic(T *at, F next) {
    T old, now;
    __atomic_load(at, &old, __ATOMIC_RELAXED);
    do now = next(old);
    while (!__atomic_compare_exchange(at, &old, &now, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
    return old;
}
template <typename T> T atomicAdd(T *at, T v) {
    return onnxcc_emu_atomic(at, [=](T a) { return (T)(a + v); });
}
template <typename T> T atomicMax(T *at, T v) {
    return onnxcc_emu_atomic(at, [=](T a) { return a > v ? a : v; });
}
template <typename T> T atomicMin(T *at, T v) {
    return onnxcc_emu_atomic(at, [=](T a) { return a < v ? a : v; });
}
template <typename T> T atomicExch(T *at, T v) {
    return onnxcc_emu_atomic(at, [=](T) { return v; });
}
template <typename T> T atomicCAS(T *at, T old, T v) {
    return onnxcc_emu_atomic(at, [=](T a) { return a == old ? v : a; });
}

#endif
