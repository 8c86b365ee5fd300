/* Graphs: what is queued on streams while they are captured, and what waits for what. */
#define _GNU_SOURCE
#include "driver.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct Node {
    Op op;
    Set after;
} Node;
struct Capture {
    Node *at;
    int n, cap;
};

/* ---- capturing ---- */
static int join(Set *to, const Set *from) {
    for (int i = 0; i < from->n; i++) {
        bool there = false;
        for (int k = 0; k < to->n; k++) there |= to->at[k] == from->at[i];
        if (there) continue;
        if (to->n == MAX_DEPENDENCIES) return NO_MEMORY;
        to->at[to->n++] = from->at[i];
    }
    return OK;
}

int capture_op(Stream *s, Op op) {
    Capture *c = s->capture;
    if (c->n == c->cap) c->at = realloc(c->at, sizeof *c->at * (size_t)(c->cap = 2 * c->cap + 16));
    c->at[c->n] = (Node){op, s->last};
    s->last = (Set){{c->n++}, 1};
    return OK;
}

void capture_record(Stream *s, Event *e) {
    e->set = s->last;
}

/* A stream that waits for a captured one is captured from then on, too. */
int capture_wait(Stream *s, const Event *e) {
    if (!e->capture || (s->capture && s->capture != e->capture)) return NO_CAPTURE;
    if (!s->capture) s->last = (Set){.n = 0};
    s->capture = e->capture;
    return join(&s->last, &e->set);
}

/* Does everything end in what the first stream waits for? */
static bool all_joined(const Capture *c, const Set *last) {
    bool *reached = calloc((size_t)c->n + 1, sizeof *reached), all = true;
    for (int i = 0; i < last->n; i++) reached[last->at[i]] = true;
    for (int i = c->n - 1; i >= 0; i--) {
        all &= reached[i];
        for (int k = 0; k < c->at[i].after.n && reached[i]; k++)
            reached[c->at[i].after.at[k]] = true;
    }
    free(reached);
    return all;
}

/* ---- running ---- */
static bool is_ready(const Capture *c, const bool *done, int i) {
    for (int k = 0; k < c->at[i].after.n; k++)
        if (!done[c->at[i].after.at[k]]) return false;
    return !done[i];
}

bool perform_node(Op *op) {
    const Capture *c = op->graph;
    unsigned n = 0;
    int next = -1, left = 0;
    for (int i = 0; i < c->n; i++) {
        left += !op->done[i];
        if (is_ready(c, op->done, i) && pick(++n) == 0) next = i;
    }
    if (next < 0) return true;
    perform(&c->at[next].op);
    op->done[next] = true;
    if (left == 1) free(op->done);
    return left == 1;
}

#if !defined(FAKE_CUDA_OLD)
int cuStreamBeginCapture_v2(void *stream, int mode) {
    ALONE;
    Stream *s = stream_of(stream);
    if (!current_context() || mode > 2 || !stream || s->capture) return INVALID;
    s->capture = calloc(1, sizeof *s->capture);
    s->last = (Set){.n = 0};
    return OK;
}
int cuStreamEndCapture(void *stream, void **graph) {
    ALONE;
    Capture *c = stream_of(stream)->capture;
    *graph = NULL;
    if (!c) return INVALID;
    for (int i = 0; i < n_streams; i++)
        if (streams[i].capture == c) streams[i].capture = NULL;
    if (!all_joined(c, &stream_of(stream)->last)) return UNJOINED;
    *graph = c;
    return OK;
}
int cuStreamIsCapturing(void *stream, int *status) {
    ALONE;
    *status = stream_of(stream)->capture != NULL;
    return OK;
}
int cuGraphInstantiateWithFlags(void **exec, void *graph, unsigned long long flags) {
    *exec = graph; /* lives as long as the process */
    return flags ? INVALID : OK;
}
int cuGraphLaunch(void *exec, void *stream) {
    ALONE;
    const Capture *c = exec;
    if (setting("FAKE_CUDA_SAY", 0)) fprintf(stderr, "fake driver: a graph of %d\n", c->n);
    bool *done = calloc((size_t)c->n + 1, sizeof *done);
    return queue_op(stream, (Op){.kind = GRAPH, .graph = c, .done = done});
}
int cuGraphDestroy(void *graph) {
    (void)graph;
    return OK;
}
int cuGraphExecDestroy(void *exec) {
    (void)exec;
    return OK;
}
#endif
