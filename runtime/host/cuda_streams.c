/* Streams beside the run's own one, for kernels that need not wait for each other. They run between
 * a fork and a join; before and behind, everything is on the run's stream. */
#include "cuda_state.h"

#include <stdlib.h>
#include <string.h>

static void note(struct onnxcc_frame *f, int code) {
    code = cuda_check(f->device, code, "ordering its streams");
    if (code) onnxcc_fault(f, code);
}

CuStream cuda_now(const struct onnxcc_frame *f) {
    const struct cuda *c = f->device;
    return c->now ? c->side[c->now] : f->stream;
}

void cuda_streams_begin(struct onnxcc_frame *f, bool serial) {
    struct cuda *c = f->device;
    c->now = 0;
    c->busy = 0;
    c->serial = serial || c->one_stream;
}

/* ---- what is made when it is needed ---- */
static CuEvent event_of(struct onnxcc_frame *f, int n) {
    struct cuda *c = f->device;
    if (n >= c->cap_event_of) {
        int cap = n + 16;
        CuEvent *at = realloc(c->event_of, (size_t)cap * sizeof *at);
        if (!at) return NULL;
        memset(at + c->cap_event_of, 0, (size_t)(cap - c->cap_event_of) * sizeof *at);
        c->event_of = at;
        c->cap_event_of = cap;
    }
    if (!c->event_of[n]) note(f, c->d.event_create(&c->event_of[n], CU_EVENT_UNTIMED));
    return c->event_of[n];
}

/* 0 where the driver has no more. */
static int use(struct onnxcc_frame *f, int n) {
    struct cuda *c = f->device;
    if (!n || c->side[n]) return n;
    note(f, c->d.stream_create(&c->side[n], 1 /* beside the default one */));
    return c->side[n] ? n : 0;
}

void cuda_streams_close(struct cuda *c) {
    for (int i = 0; i < c->cap_event_of; i++)
        if (c->event_of[i]) c->d.event_destroy(c->event_of[i]);
    for (int i = 1; i < CUDA_STREAMS; i++)
        if (c->side[i]) c->d.stream_destroy(c->side[i]);
}

/* ---- what a run asks for: events 0.. are the join's, those of the plan stand behind ---- */
static void record(struct onnxcc_frame *f, int event, CuStream stream) {
    struct cuda *c = f->device;
    CuEvent e = event_of(f, event);
    if (e) note(f, c->d.event_record(e, stream));
}

static void wait_for(struct onnxcc_frame *f, int event, CuStream stream) {
    struct cuda *c = f->device;
    CuEvent e = event_of(f, event);
    if (e) note(f, c->d.stream_wait_event(stream, e, 0));
}

void cuda_join(struct onnxcc_frame *f) {
    struct cuda *c = f->device;
    for (int i = 1; i < CUDA_STREAMS; i++) {
        if (!(c->busy >> i & 1)) continue;
        record(f, i, c->side[i]);
        wait_for(f, i, f->stream);
    }
    c->now = 0;
    c->busy = 0;
}

void cuda_stream(struct onnxcc_frame *f, int act, int n) {
    struct cuda *c = f->device;
    if (c->serial) return;
    switch ((enum onnxcc_stream)act) {
    case ONNXCC_STREAM_FORK:
        record(f, CUDA_STREAMS, f->stream);
        return;
    case ONNXCC_STREAM_USE:
        c->now = use(f, n);
        if (c->now) c->busy |= 1u << c->now;
        return;
    case ONNXCC_STREAM_WAIT:
        wait_for(f, CUDA_STREAMS + n, cuda_now(f));
        return;
    case ONNXCC_STREAM_EVENT:
        record(f, CUDA_STREAMS + n, cuda_now(f));
        return;
    case ONNXCC_STREAM_JOIN:
        cuda_join(f);
        return;
    }
}
