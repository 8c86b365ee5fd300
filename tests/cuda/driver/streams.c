/* What is queued on streams, and when it happens. */
#define _GNU_SOURCE
#include "driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

Stream streams[MAX_STREAMS];
int n_streams = 1;
static int launched, device_error;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

unsigned pick(unsigned n) {
    static uint64_t state;
    if (!state) state = 0x9e3779b97f4a7c15u * (uint64_t)(setting("FAKE_CUDA_SEED", 1) + 1);
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return (unsigned)(state >> 33) % n;
}

/* ---- queues ---- */
Stream *stream_of(void *stream) {
    return stream ? stream : &streams[0];
}

static void push(Queue *q, Op op) {
    if (q->n == q->cap) q->at = realloc(q->at, sizeof op * (size_t)(q->cap = 2 * q->cap + 16));
    q->at[q->n++] = op;
}

static Op *head(Stream *s) {
    return s->queue.from < s->queue.n ? &s->queue.at[s->queue.from] : NULL;
}

static void pop(Stream *s) {
    if (++s->queue.from == s->queue.n) s->queue.from = s->queue.n = 0;
}

int queue_op(void *stream, Op op) {
    Stream *s = stream_of(stream);
    if (!current_context()) return NO_CONTEXT;
    if (s->context && s->context != current_context()) return BAD_HANDLE;
    if (device_error) return device_error;
    if (s->capture) return capture_op(s, op);
    push(&s->queue, op);
    return OK;
}

/* ---- what happens ---- */
static void run_kernel(const Op *op) {
    void *args[1024];
    for (int i = 0; i < op->n; i++) args[i] = &op->args[i];
    for (int i = 0; i < op->n_maps; i++) args[op->n + i] = (char *)op->maps + i * MAP_BYTES;
    if (++launched == setting("FAKE_CUDA_FAULT", 0)) device_error = ILLEGAL_ADDRESS;
    if (!device_error) op->run(op->blocks, op->threads, args);
}

void perform(const Op *op) {
    if (op->kind == KERNEL) run_kernel(op);
    else memcpy(op->to, op->from, op->bytes);
}

static bool is_ready(Stream *s) {
    const Op *op = head(s);
    return op && (op->kind != WAIT || *op->done);
}

static void step(Stream *s) {
    Op *op = head(s);
    bool done = true;
    if (op->kind == RECORD) *op->done = true, op->event->ms = now();
    else if (op->kind == GRAPH) done = perform_node(op);
    else if (op->kind != WAIT) perform(op);
    if (done) pop(s);
}

/* Streams have ranks, which change now and then: one may be left behind for long. */
static Stream *next(void) {
    static unsigned rank[MAX_STREAMS];
    Stream *best = NULL;
    for (int i = 0; i < n_streams; i++) {
        if (!rank[i] || pick(8 * (unsigned)n_streams) == 0) rank[i] = 1 + pick(1000);
        if (!is_ready(&streams[i])) continue;
        if (!best || rank[i] > rank[best - streams]) best = &streams[i];
    }
    if (best) return best;
    fprintf(stderr, "fake driver: every stream waits for another one\n");
    abort();
}

int drain(Stream *target) {
    open_memory(true);
    while (head(target) && !device_error) step(next());
    open_memory(false);
    if (device_error) target->queue.from = target->queue.n = 0;
    return device_error;
}

/* ---- streams ---- */
int cuStreamCreate(void **stream, unsigned flags) {
    ALONE;
    if (!current_context() || n_streams == MAX_STREAMS) return NO_CONTEXT;
    streams[n_streams] = (Stream){.context = current_context()};
    *stream = &streams[n_streams++];
    return flags <= 1 ? OK : INVALID;
}
int cuStreamDestroy_v2(void *stream) {
    ALONE;
    return drain(stream_of(stream));
}
int cuStreamSynchronize(void *stream) {
    ALONE;
    if (!current_context()) return NO_CONTEXT;
    return stream_of(stream)->capture ? NO_CAPTURE : drain(stream_of(stream));
}
int cuStreamQuery(void *stream) {
    ALONE;
    return device_error ? device_error : head(stream_of(stream)) ? NOT_READY : OK;
}

/* ---- events ---- */
int cuEventCreate(void **event, unsigned flags) {
    enum { UNTIMED = 2 };
    Event *e = calloc(1, sizeof *e);
    e->untimed = flags & UNTIMED;
    *event = e;
    return flags & ~(unsigned)UNTIMED ? INVALID : OK;
}
int cuEventDestroy_v2(void *event) {
    free(event);
    return OK;
}
int cuEventRecord(void *event, void *stream) {
    ALONE;
    Event *e = event;
    Stream *s = stream_of(stream);
    e->capture = s->capture;
    if (s->capture) return capture_record(s, e), OK;
    bool *done = calloc(1, sizeof *done); /* whoever waits for this record keeps it */
    int code = queue_op(stream, (Op){.kind = RECORD, .event = e, .done = done});
    if (!code) e->newest = done;
    return code;
}
int cuStreamWaitEvent(void *stream, void *event, unsigned flags) {
    ALONE;
    Event *e = event;
    Stream *s = stream_of(stream);
    static int waits;
    if (flags) return INVALID;
    if (++waits == setting("FAKE_CUDA_FORGET", 0)) return OK;
    if (e->capture || s->capture) return capture_wait(s, e);
    if (!e->newest) return OK;
    return queue_op(stream, (Op){.kind = WAIT, .done = e->newest});
}
int cuEventElapsedTime(float *ms, void *from, void *to) {
    ALONE;
    const Event *a = from, *b = to;
    *ms = (float)(b->ms - a->ms);
    return a->untimed || b->untimed ? BAD_HANDLE : a->ms && b->ms ? OK : NOT_READY;
}
