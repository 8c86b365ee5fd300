/* Runs that are replayed: where everything happens on the device and follows from the dimensions,
 * the second run with the same dimensions and addresses is recorded (a CUDA graph), and later ones
 * are one launch. */
#include "cuda_state.h"

#include <stdlib.h>
#include <string.h>

/* What a recorded run depends on: addresses and dimensions. */
static void make_key(const struct onnxcc_frame *f, int64_t *key) {
    const struct onnxcc_model *m = f->model;
    int n = 0;
    key[n++] = (int64_t)(intptr_t)f->device_arena;
    key[n++] = (int64_t)(intptr_t)f->device_weights;
    key[n++] = f->syms[m->slot_device_arena < 0 ? 0 : m->slot_device_arena];
    for (int i = 0; i < m->n_dims; i++) key[n++] = f->syms[i];
    for (int k = 0; k < m->n_inputs; k++)
        key[n++] = m->inputs[k].flags & ONNXCC_T_DEVICE ? (int64_t)(intptr_t)f->in[k] : 0;
    for (int k = 0; k < m->n_outputs; k++) key[n++] = (int64_t)(intptr_t)f->out[k];
}

static void forget(struct cuda *c, struct cuda_replay *r) {
    if (r->exec) c->d.exec_destroy(r->exec);
    free(r->key);
    *r = (struct cuda_replay){0};
}

void cuda_replay_close(struct cuda *c) {
    for (int i = 0; i < CUDA_REPLAYS; i++) forget(c, &c->replay[i]);
}

/* The place of this run; a new one, instead of the one that was not used the longest, is left
 * without a record. NULL: no memory. */
static struct cuda_replay *place_of(struct cuda *c, const int64_t *key, bool *known) {
    size_t bytes = (size_t)c->n_key * sizeof *key;
    struct cuda_replay *oldest = &c->replay[0];
    for (int i = 0; i < CUDA_REPLAYS; i++) {
        struct cuda_replay *r = &c->replay[i];
        if ((*known = r->key && !memcmp(r->key, key, bytes))) return r;
        if (r->used < oldest->used) oldest = r;
    }
    forget(c, oldest);
    oldest->key = malloc(bytes);
    if (oldest->key) memcpy(oldest->key, key, bytes);
    return oldest->key ? oldest : NULL;
}

/* Nothing runs meanwhile; a driver that refuses is not asked again. */
static void record(struct onnxcc_frame *f, int (*run)(struct onnxcc_frame *),
                   struct cuda_replay *r) {
    enum { RELAXED = 2 };
    struct cuda *c = f->device;
    void *stream = f->stream;
    CuGraph graph = NULL;
    r->refused = true;
    if (c->d.capture_begin(c->stream, RELAXED)) return;
    f->stream = c->stream;
    c->recording = true;
    cuda_streams_begin(f, false);
    int code = run(f), fault = f->fault;
    cuda_join(f);
    c->recording = false;
    f->stream = stream;
    f->fault = 0;
    if (c->d.capture_end(c->stream, &graph) || !graph) return;
    if (!code && !fault && !c->d.graph_instantiate(&r->exec, graph, 0)) r->refused = false;
    c->d.graph_destroy(graph);
}

CuExec cuda_recorded(struct onnxcc_frame *f, int (*run)(struct onnxcc_frame *)) {
    struct cuda *c = f->device;
    bool known;
    if (!c->replays_allowed || !c->d.capture_begin || !(f->model->flags & ONNXCC_M_REPLAY))
        return NULL;
    make_key(f, c->key);
    struct cuda_replay *r = place_of(c, c->key, &known);
    if (!r) return NULL;
    r->used = c->runs;
    if (known && !r->exec && !r->refused) record(f, run, r);
    c->replays += r->exec != NULL;
    return r->exec;
}
