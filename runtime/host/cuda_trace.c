/* When steps of a run began and ended on the GPU: an event of its stream on either side. */
#include "cuda_state.h"

#include <stdlib.h>

void cuda_trace(void *state, int on) {
    ((struct cuda *)state)->tracing = on;
}

void cuda_trace_close(struct cuda *c) {
    for (int i = 0; i < c->cap_events; i++) {
        if (c->event[i].begin) c->d.event_destroy(c->event[i].begin);
        if (c->event[i].end) c->d.event_destroy(c->event[i].end);
    }
}

static bool more_room(struct cuda *c) {
    int cap = c->cap_events ? 2 * c->cap_events : 256;
    struct cuda_event *at = realloc(c->event, (size_t)cap * sizeof *at);
    if (!at) return false;
    for (int i = c->cap_events; i < cap; i++) at[i] = (struct cuda_event){0};
    c->event = at;
    c->cap_events = cap;
    return true;
}

int cuda_trace_begin(struct onnxcc_frame *f, int step) {
    struct cuda *c = f->device;
    if (!c->tracing || (c->n_events == c->cap_events && !more_room(c))) return -1;
    struct cuda_event *e = &c->event[c->n_events];
    if (!e->begin && c->d.event_create(&e->begin, 0)) return -1;
    if (!e->end && c->d.event_create(&e->end, 0)) return -1;
    if (c->d.event_record(e->begin, cuda_now(f))) return -1;
    e->step = step;
    return c->n_events++;
}

void cuda_trace_end(struct onnxcc_frame *f, int event) {
    struct cuda *c = f->device;
    if (event >= 0) c->d.event_record(c->event[event].end, cuda_now(f));
}

int cuda_traced(void *state, int i, int *step, double *begin, double *end) {
    struct cuda *c = state;
    float from = 0, length = 0;
    if (i >= c->n_events || cuda_enter(c)) return 0;
    const struct cuda_event *e = &c->event[i];
    bool ok = !c->d.event_ms(&from, c->event[0].begin, e->begin) &&
              !c->d.event_ms(&length, e->begin, e->end);
    cuda_leave(c);
    *step = e->step;
    *begin = from;
    *end = (double)from + length;
    return ok;
}
