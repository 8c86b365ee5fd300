/* CUDA C on a CPU, for tests: included in front of kernels by a C++ compiler (-include), it lets
 * the very text that NVRTC gets run on any machine.
 *
 * A block runs on one OS thread; its CUDA threads share fibers. A fiber runs one thread after the
 * other: only a thread that waits keeps it, so that a kernel without barriers and warp operations
 * is a plain loop. Threads wait at __syncthreads for all of the block that have not ended, at a
 * warp operation for the lanes of its mask that have not. Where none can go on, the kernel is
 * wrong, and the program says so.
 *
 *   ONNXCC_EMU_SEED=n      another order of threads and blocks for every n (0: in order), so that a
 *                          race shows
 *   ONNXCC_EMU_THREADS=n   so many OS threads share the blocks of a launch (default 1)
 *
 * Compiled with -DONNXCC_EMU_RACES (races.h) it reports accesses that nothing orders, with
 * -DONNXCC_EMU_TRAFFIC (traffic.h) what warps ask of memory; with -DONNXCC_EMU_PLAIN_SHARED shared
 * memory is ordinary memory, which AddressSanitizer watches. All three allow one OS thread.
 *
 * Copies to shared memory that arrive later (runtime/tiles.h) do so when they are waited for, and
 * count as accesses both then and when they are sent; so do products (runtime/groups.h), and
 * -DONNXCC_EMU_WARPS has these computed by warps at once, as GPUs before sm_90a do.
 *
 * Not here: textures, cooperative groups, inline PTX. */
#ifndef ONNXCC_RUNTIME_EMU_CUDA_EMU_H
#define ONNXCC_RUNTIME_EMU_CUDA_EMU_H

#define ONNXCC_CUDA_EMU 1
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define __global__ __attribute__((noinline, visibility("hidden")))
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline, unused))
#define __align__(n) __attribute__((aligned(n)))
#define __launch_bounds__(...)
#define __constant__
#if defined(ONNXCC_EMU_RACES) || defined(ONNXCC_EMU_TRAFFIC)
#define ONNXCC_EMU_LOOKS
#pragma clang attribute push(__attribute__((disable_sanitizer_instrumentation)), \
                             apply_to = function)
#define __shared__ static __attribute__((section("onnxcc_shared")))
#elif defined(ONNXCC_EMU_PLAIN_SHARED)
#define __shared__ static
#else
#define __shared__ static thread_local /* one block at a time on an OS thread */
#endif
#include "fibers.h"

namespace onnxcc_emu {

struct Dim {
    unsigned x, y, z;
};
enum State { READY, AT_BLOCK, AT_WARP, ENDED };
enum { WARP = 32, MAX_THREADS = 1024, MAX_WORKERS = 64 };

/* What a warp does together: gets what every lane gives (NULL: it does not take part, or has
 * ended) and where each lane wants the result. */
typedef void (*Together)(const void *const *in, void *const *out);

struct Copy { /* that arrives when it is waited for */
    void *to;
    const void *from; /* 0: zeros */
    unsigned bytes, group;
};
struct Thread;
struct Wgmma { /* products that are added up when they are waited for (runtime/groups.h) */
    void (*add)(const Thread *, const Wgmma *);
    void *sum[2];  /* of two rows; `column` apart */
    uint64_t a, b; /* matrix descriptors */
    int size, columns, column; /* size: of an element */
    bool a_turned, b_turned;
    unsigned group;
};
struct Box { /* of a tensor; dimensions innermost first, distances in elements */
    void *to;
    const char *from;
    int bytes, dims; /* of an element */
    int64_t at[5], extent[5], stride[5];
    int size[5];
};
enum { BULK_BARRIERS_MOST = 8, BULK_EACH_MOST = 16 };
struct BulkCopy {
    void *to;
    const void *from; /* 0: the box */
    unsigned bytes, thread; /* which thread sent it */
    Box box;
};
struct BulkBarrier { /* of copies that one thread sends for all (runtime/bulk.h) */
    BulkCopy sent[BULK_EACH_MOST];
    unsigned n, each, arrived; /* how often as many as it waits for have arrived */
};
struct Thread {
    Dim index;
    State state;
    Fiber *fiber;  /* that it keeps while it waits */
    unsigned mask; /* AT_WARP: the lanes that take part, in what, with what */
    Together what;
    const void *in;
    void *out;
    Copy *copies; /* on their way */
    unsigned n_copies, room, groups;
    Wgmma *products;
    unsigned n_products, products_room, product_groups;
    bool unfenced; /* copies have arrived that products cannot see yet */
};
struct Machine { /* of one OS thread */
    Thread *current;
    Thread thread[MAX_THREADS];
    Dim block, block_dim, grid_dim;
    unsigned char *shared; /* whose size the launch says */
    BulkBarrier bulk[BULK_BARRIERS_MOST];
    Context scheduler;
    Fiber *fiber, *spare;
    Fiber fibers[MAX_THREADS + 1];
    int n_fibers;
    char *stacks;
    int n, started, ended, at_block;
    int order[MAX_THREADS];
    Thread *ready[MAX_THREADS]; /* a ring: threads that may go on */
    unsigned first_ready, n_ready;
    unsigned lanes_ended[MAX_THREADS / WARP], lanes_waiting[MAX_THREADS / WARP];
    /* How often threads have met, counted over all blocks; when launch and block began. */
    unsigned barriers, warp_steps[MAX_THREADS / WARP], launch_began, block_began;
    uint64_t random;
    void (*kernel)(void *);
    void *arguments;
};
inline thread_local Machine *machine; /* one for all objects of a program */

inline uint64_t next_random(Machine *m) {
    m->random = m->random * 6364136223846793005u + 1442695040888963407u;
    return m->random >> 33;
}

/* ---- who goes on ---- */
inline void make_ready(Machine *m, Thread *t) {
    t->state = READY;
    unsigned last = m->n_ready++;
    m->ready[(m->first_ready + last) % MAX_THREADS] = t;
    if (!m->random) return;
    unsigned other = (unsigned)(next_random(m) % m->n_ready);
    Thread **swapped = &m->ready[(m->first_ready + other) % MAX_THREADS];
    m->ready[(m->first_ready + last) % MAX_THREADS] = *swapped;
    *swapped = t;
}
inline void release_block(Machine *m) {
    if (!m->at_block || m->at_block + m->ended < m->n) return;
    m->at_block = 0;
    m->barriers++;
    for (int i = 0; i < m->n; i++)
        if (m->thread[i].state == AT_BLOCK) make_ready(m, &m->thread[i]);
}
/* The lanes of a mask do their operation as soon as all that have not ended wait in it. */
inline void release_warp(Machine *m, int warp, unsigned mask, Together what) {
    const void *in[WARP];
    void *out[WARP];
    Thread *lane = &m->thread[warp * WARP];
    if (!(m->lanes_waiting[warp] & mask)) return; /* done already */
    for (int i = 0; i < WARP; i++) {
        bool there = mask >> i & 1 && !(m->lanes_ended[warp] >> i & 1);
        bool waits = there && m->lanes_waiting[warp] >> i & 1 && lane[i].mask == mask &&
                     lane[i].what == what;
        if (there && !waits) return;
        in[i] = there ? lane[i].in : 0;
        out[i] = there ? lane[i].out : 0;
    }
    if (what) what(in, out);
    m->warp_steps[warp]++;
    for (int i = 0; i < WARP; i++)
        if (mask >> i & 1 && !(m->lanes_ended[warp] >> i & 1)) make_ready(m, &lane[i]);
    m->lanes_waiting[warp] &= ~mask;
}
inline void fiber_main();
/* The fiber that goes on: that of a thread that may, else one for threads that have not begun. */
inline Fiber *next_fiber(Machine *m) {
    bool fresh = m->started < m->n;
    if (m->n_ready && !(fresh && m->random && next_random(m) % 2)) {
        Thread *t = m->ready[m->first_ready];
        m->first_ready = (m->first_ready + 1) % MAX_THREADS;
        m->n_ready--;
        m->current = t;
        return t->fiber;
    }
    if (!fresh) return 0;
    Fiber *f = m->spare;
    if (f) m->spare = f->next;
    else f = &m->fibers[m->n_fibers], fiber_begin(f, m->stacks, m->n_fibers++, fiber_main);
    return f;
}
inline void go_to(Machine *m, Fiber *to, Context *from) {
    m->fiber = to;
    onnxcc_emu_switch(from, &to->context);
}
inline void stuck(const Machine *m) {
    fprintf(stderr, "cuda_emu: threads of block %u wait for each other\n", m->block.x);
    abort();
}

/* ---- threads ---- */
/* The current thread waits; what it waits for may have come already. */
inline void wait(Machine *m) {
    Thread *own = m->current;
    Fiber *from = own->fiber = m->fiber, *to = next_fiber(m);
    if (!to) stuck(m);
    if (to != from) go_to(m, to, &from->context);
    m->current = own;
}
inline void end_thread(Machine *m, Thread *t) {
    int index = (int)(t - m->thread), warp = index / WARP;
    unsigned waiting = m->lanes_waiting[warp];
    t->state = ENDED;
    m->ended++;
    m->lanes_ended[warp] |= 1u << index % WARP;
    for (int i = 0; waiting && i < WARP; i++)
        if (m->lanes_waiting[warp] >> i & 1)
            release_warp(m, warp, m->thread[warp * WARP + i].mask, m->thread[warp * WARP + i].what);
    release_block(m);
}
inline void fiber_main() {
    for (;;) {
        Machine *m = machine;
        while (m->started < m->n && !(m->random && m->n_ready && next_random(m) % 2)) {
            m->current = &m->thread[m->order[m->started++]];
            m->kernel(m->arguments);
            m = machine;
            end_thread(m, m->current);
        }
        Fiber *own = m->fiber;
        if (m->ended == m->n) { /* the block is done */
            own->next = m->spare, m->spare = own;
            onnxcc_emu_switch(&own->context, &m->scheduler);
            continue;
        }
        Fiber *to = next_fiber(m);
        if (!to) stuck(m);
        own->next = m->spare, m->spare = own;
        go_to(m, to, &own->context);
    }
}
inline void begin_block(Machine *m) {
    m->started = m->ended = m->at_block = 0;
    for (BulkBarrier &b : m->bulk) b.n = b.each = b.arrived = 0;
    m->first_ready = m->n_ready = 0;
    m->block_began = ++m->barriers;
    for (int w = 0; w * WARP < m->n; w++) m->lanes_ended[w] = m->lanes_waiting[w] = 0;
    if (m->n % WARP) m->lanes_ended[m->n / WARP] = ~0u << m->n % WARP; /* that do not exist */
    for (int i = 0; i < m->n; i++) m->thread[i].state = READY, m->order[i] = i;
    for (int i = m->n - 1; m->random && i > 0; i--) {
        int other = (int)(next_random(m) % (unsigned)(i + 1)), t = m->order[i];
        m->order[i] = m->order[other], m->order[other] = t;
    }
}
#if defined(ONNXCC_EMU_TRAFFIC)
inline void traffic_block_ends();
#endif
inline void run_block(Machine *m) {
    begin_block(m);
    if (m->n) go_to(m, next_fiber(m), &m->scheduler);
#if defined(ONNXCC_EMU_TRAFFIC)
    traffic_block_ends();
#endif
}

/* ---- launches ---- */
struct Launch {
    unsigned blocks, threads, next, shift;
    uint64_t random;
    void (*kernel)(void *);
    void *arguments;
};
inline Machine *machine_new(uint64_t random) {
    Machine *m = (Machine *)calloc(1, sizeof *m);
    if (!m) abort();
    m->random = random;
    m->stacks = stacks_new(MAX_THREADS + 1);
    return m;
}
inline void machine_free(Machine *m) {
    stacks_free(m->stacks, MAX_THREADS + 1);
    for (int i = 0; i < MAX_THREADS; i++) free(m->thread[i].copies), free(m->thread[i].products);
    free(m);
}
inline void run_blocks(Launch *l) {
    Machine *m = machine;
    m->n = (int)l->threads;
    m->block_dim = Dim{l->threads, 1, 1};
    m->grid_dim = Dim{l->blocks, 1, 1};
    m->kernel = l->kernel;
    m->arguments = l->arguments;
    m->launch_began = m->barriers + 1;
    for (unsigned i = 0; i < l->threads; i++) m->thread[i].index = Dim{i, 0, 0};
    for (unsigned b; (b = __atomic_fetch_add(&l->next, 1, __ATOMIC_RELAXED)) < l->blocks;) {
        m->block = Dim{(unsigned)((b + (uint64_t)l->shift) % l->blocks), 0, 0};
        run_block(m);
    }
}
inline void *run_worker(void *launch) {
    machine = machine_new(((Launch *)launch)->random);
    run_blocks((Launch *)launch);
    machine_free(machine);
    return 0;
}
inline int setting(const char *name, int most) {
    const char *text = getenv(name);
    int n = text ? atoi(text) : 1;
    return n < 1 ? 1 : n > most ? most : n;
}
inline void share_blocks(Launch *l) {
    int wanted = setting("ONNXCC_EMU_THREADS", MAX_WORKERS);
    pthread_t worker[MAX_WORKERS];
    int n = 0;
    while (n + 1 < wanted && n + 1 < (int)l->blocks &&
           !pthread_create(&worker[n], 0, run_worker, l))
        n++;
    run_blocks(l);
    while (n) pthread_join(worker[--n], 0);
}

template <typename Call> void call_kernel(void *f) {
    (*(Call *)f)();
}
/* kernel<<<blocks, threads>>>: returns when all is done. */
template <typename Call> void launch(unsigned blocks, unsigned threads, Call call) {
    const char *seed = getenv("ONNXCC_EMU_SEED");
    if (!machine) machine = machine_new(0);
    if (threads > MAX_THREADS) {
        fprintf(stderr, "cuda_emu: %u threads in a block\n", threads);
        abort();
    }
    if (seed && !machine->random) machine->random = strtoull(seed, 0, 10) * 0x9e3779b97f4a7c15u;
    Launch l = {blocks, threads, 0, 0, 0, call_kernel<Call>, &call};
    if (machine->random && blocks) l.shift = (unsigned)(next_random(machine) % blocks);
    l.random = machine->random;
#if defined(ONNXCC_EMU_LOOKS) || defined(ONNXCC_EMU_PLAIN_SHARED)
    run_blocks(&l);
#else
    share_blocks(&l);
#endif
}

/* ---- meeting ---- */
inline int lane() {
    return (int)(machine->current - machine->thread) % WARP;
}
/* All lanes of the mask meet; the last one does `what` for all. */
inline void together(unsigned mask, Together what, const void *in, void *out) {
    Machine *m = machine;
    Thread *own = m->current;
    int warp = (int)(own - m->thread) / WARP;
    own->mask = mask;
    own->what = what;
    own->in = in;
    own->out = out;
    own->state = AT_WARP;
    own->fiber = m->fiber;
    m->lanes_waiting[warp] |= 1u << lane();
    release_warp(m, warp, mask, what);
    wait(m);
}
inline void at_barrier() {
    Machine *m = machine;
    m->current->state = AT_BLOCK;
    m->current->fiber = m->fiber;
    m->at_block++;
    release_block(m);
    wait(m);
}

template <typename T> struct Given {
    T value;
    int from; /* the lane whose value it wants */
};
template <typename T> void exchange_all(const void *const *in, void *const *out) {
    for (int i = 0; i < WARP; i++) {
        const Given<T> *own = (const Given<T> *)in[i];
        if (!own) continue;
        bool there = own->from >= 0 && own->from < WARP && in[own->from];
        *(T *)out[i] = there ? ((const Given<T> *)in[own->from])->value : own->value;
    }
}
template <typename T> T exchange(unsigned mask, T v, int from) {
    Given<T> given = {v, from};
    T got = v;
    together(mask, exchange_all<T>, &given, &got);
    return got;
}
inline void count_votes(const void *const *in, void *const *out) {
    unsigned votes = 0;
    for (int i = 0; i < WARP; i++)
        if (in[i] && *(const bool *)in[i]) votes |= 1u << i;
    for (int i = 0; i < WARP; i++)
        if (in[i]) *(unsigned *)out[i] = votes;
}
inline unsigned ballot(unsigned mask, bool vote) {
    unsigned votes = 0;
    together(mask, count_votes, &vote, &votes);
    return votes;
}

} // namespace onnxcc_emu

#include "leaves.h"
#include "groups.h"
#include "map.h"
#include "bulk.h"
#if defined(ONNXCC_EMU_RACES)
#include "races.h"
#elif defined(ONNXCC_EMU_TRAFFIC)
#include "traffic.h"
#endif

#define threadIdx (onnxcc_emu::machine->current->index)
#define blockIdx (onnxcc_emu::machine->block)
#define blockDim (onnxcc_emu::machine->block_dim)
#define gridDim (onnxcc_emu::machine->grid_dim)
#define __grid_constant__
#if defined(ONNXCC_EMU_TRAFFIC)
#define ONNXCC_LAUNCH(kernel, blocks, threads, ...)                                                \
    (onnxcc_emu::traffic_begin(#kernel),                                                           \
     onnxcc_emu::launch((blocks), (threads), [&] { kernel(__VA_ARGS__); }))
#else
#define ONNXCC_LAUNCH(kernel, blocks, threads, ...)                                                \
    onnxcc_emu::launch((blocks), (threads), [&] { kernel(__VA_ARGS__); })
#endif

static inline void __syncthreads() {
    onnxcc_emu::at_barrier();
}
static inline void __syncwarp(unsigned mask = ~0u) {
    onnxcc_emu::together(mask, 0, 0, 0);
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
#if defined(ONNXCC_EMU_LOOKS)
#pragma clang attribute pop
#endif

#endif
