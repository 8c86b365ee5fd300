/* The thread pool: workers that spin for a moment, then sleep.
 *
 * Every worker has a mailbox on its own cache lines. Posting a job is one store per worker that
 * takes part, waiting for it one load each; only workers that went to sleep cost a system call.
 * run() waits for every worker it posted to, so a mailbox is never written twice without being
 * read. A busy pool (a second thread calls run) works on the caller. */
#include "host.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { LINE = 128, MAX_POOL = 1024, SPIN_NS = 100000 };

struct worker {
    _Alignas(LINE) _Atomic uint32_t posted; /* a new value: there is a job */
    _Atomic uint32_t asleep;
    _Alignas(LINE) _Atomic uint32_t done; /* the last value of `posted` that was worked off */
    struct team *team;
    pthread_t thread;
    int index;
};
struct team {
    struct onnxcc_pool pool; /* first: what callers see */
    atomic_flag busy;
    void (*pin)(int);
    size_t bytes; /* of this mapping */
    _Alignas(LINE) void (*job)(void *, int);
    void *arg;
    int n, parts; /* jobs, and threads that share them; parts 0: end */
    struct worker workers[];
};

static void pause_cpu(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* One turn of a loop that waits. After a while it also offers the CPU: the other side may want the
 * same one, because there are more threads than CPUs or the system has put both there. */
static void spin(int turn) {
    pause_cpu();
    if (turn >= 128 && turn % 32 == 0) sched_yield();
}

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void futex(_Atomic uint32_t *at, int op, uint32_t value) {
    syscall(SYS_futex, at, op | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
}

/* Waits until `posted` differs from `seen`: spins, then sleeps. */
static uint32_t await_post(struct worker *w, uint32_t seen) {
    uint32_t now;
    int64_t start = 0;
    for (int i = 0;; i++) {
        if ((now = atomic_load_explicit(&w->posted, memory_order_acquire)) != seen) return now;
        spin(i);
        if (i % 64 == 63) {
            int64_t t = now_ns();
            start = start ? start : t;
            if (t - start > SPIN_NS) break;
        }
    }
    atomic_store(&w->asleep, 1);
    while ((now = atomic_load(&w->posted)) == seen) futex(&w->posted, FUTEX_WAIT, seen);
    atomic_store(&w->asleep, 0);
    return now;
}

static void await_done(struct worker *w, uint32_t value) {
    for (int i = 0; atomic_load_explicit(&w->done, memory_order_acquire) != value; i++) spin(i);
}

static void work(const struct team *t, int part) {
    for (int i = part; i < t->n; i += t->parts) t->job(t->arg, i);
}

static void *worker_main(void *arg) {
    struct worker *w = arg;
    if (w->team->pin) w->team->pin(w->index + 1);
    for (uint32_t seen = 0;;) {
        seen = await_post(w, seen);
        if (!w->team->parts) return NULL;
        work(w->team, w->index + 1);
        atomic_store_explicit(&w->done, seen, memory_order_release);
    }
}

static void post(struct worker *w) {
    uint32_t value = atomic_load_explicit(&w->posted, memory_order_relaxed) + 1;
    atomic_store(
        &w->posted,
        value); /* sequentially consistent, as is the load: a sleeper is seen, or sees the post */
    if (atomic_load(&w->asleep)) futex(&w->posted, FUTEX_WAKE, 1);
}

static void pool_run(struct onnxcc_pool *pool, void (*job)(void *, int), void *arg, int n) {
    struct team *t = (struct team *)pool;
    if (n < 2 || pool->threads < 2 ||
        atomic_flag_test_and_set_explicit(&t->busy, memory_order_acquire)) {
        for (int i = 0; i < n; i++) job(arg, i);
        return;
    }
    t->job = job;
    t->arg = arg;
    t->n = n;
    t->parts = n < pool->threads ? n : pool->threads;
    for (int i = 0; i + 1 < t->parts; i++) post(&t->workers[i]);
    work(t, 0);
    for (int i = 0; i + 1 < t->parts; i++)
        await_done(&t->workers[i],
                   atomic_load_explicit(&t->workers[i].posted, memory_order_relaxed));
    atomic_flag_clear_explicit(&t->busy, memory_order_release);
}

/* NULL where no memory is left. Where the system gives fewer threads, the pool has fewer. Worker i
 * calls pin(i + 1). */
struct onnxcc_pool *host_pool_new(int threads, void (*pin)(int)) {
    threads = threads < 1 ? 1 : threads > MAX_POOL ? MAX_POOL : threads;
    size_t bytes = sizeof(struct team) + (size_t)threads * sizeof(struct worker);
    struct team *t = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (t == MAP_FAILED) return NULL;
    t->pool.run = pool_run;
    t->pool.threads = 1;
    t->pin = pin;
    t->bytes = bytes;
    t->parts = 1;
    for (int i = 0; i + 1 < threads; i++) {
        struct worker *w = &t->workers[i];
        w->team = t;
        w->index = i;
        if (pthread_create(&w->thread, NULL, worker_main, w)) break;
        t->pool.threads = i + 2;
    }
    return &t->pool;
}

struct onnxcc_pool *onnxcc_host_pool_new(int threads) {
    return host_pool_new(threads, NULL);
}

void onnxcc_host_pool_free(struct onnxcc_pool *pool) {
    struct team *t = (struct team *)pool;
    if (!t) return;
    t->parts = 0;
    for (int i = 0; i + 1 < pool->threads; i++) post(&t->workers[i]);
    for (int i = 0; i + 1 < pool->threads; i++) pthread_join(t->workers[i].thread, NULL);
    munmap(t, t->bytes);
}
