/* Dimensions: from the given inputs, from --dim, or a default; and all that must agree. */
#include "host.h"

#include "../core/core.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

int64_t shapes_axis(const struct host_session *s, const struct onnxcc_axis *a) {
    return a->size >= 0 ? a->size : s->syms[a->slot];
}

/* "f32[N,3]", as the model says it; valid for a few calls. */
static const char *wanted(const struct onnxcc_tensor *t) {
    static char ring[2][512];
    static int turn;
    char *buf = ring[turn++ % 2];
    size_t n = (size_t)sprintf(buf, "%s[", host_dtype_name(t->dtype));
    for (int i = 0; i < t->rank && n < sizeof ring[0] - 8; i++)
        n += (size_t)snprintf(buf + n, sizeof ring[0] - 4 - n, "%s%s", i ? "," : "",
                              host_quote(t->axes[i].text));
    if (n > sizeof ring[0] - 4) n = sizeof ring[0] - 4;
    strcpy(buf + n, "]");
    return buf;
}

/* Where a dimension's value came from: ` (input "x" axis 0)`. */
static const char *origin(const struct host_session *s, int d) {
    static char buf[640];
    if (s->from[d] >= 0)
        snprintf(buf, sizeof buf, " (input \"%s\" axis %d)",
                 host_quote(s->model->inputs[s->from[d]].name), s->from_axis[d]);
    else snprintf(buf, sizeof buf, "%s", s->from[d] == FROM_ARGS ? " (--dim)" : "");
    return buf;
}

static const char *bounds(const struct onnxcc_dim *d) {
    static char buf[96];
    if (d->hi == INT64_MAX) snprintf(buf, sizeof buf, "at least %" PRId64, d->lo);
    else snprintf(buf, sizeof buf, "in %" PRId64 "..%" PRId64, d->lo, d->hi);
    return buf;
}

/* `what` says where v comes from: "--dim", or `input "x" axis 0`. */
static void set_dim(struct host_session *s, int d, int64_t v, int from, int axis,
                    const char *what) {
    const struct onnxcc_dim *dim = &s->model->dims[d];
    const char *name = host_quote(dim->name);
    if (v < dim->lo || v > dim->hi)
        host_refuse("%s is %" PRId64 ", but dimension \"%s\" must be %s", what, v, name,
                    bounds(dim));
    if (s->from[d] != FROM_NONE && s->dims[d] != v)
        host_refuse("%s is %" PRId64 ", but dimension \"%s\" is %" PRId64 "%s", what, v, name,
                    s->dims[d], origin(s, d));
    if (s->from[d] != FROM_NONE) return;
    s->dims[d] = v;
    s->from[d] = from;
    s->from_axis[d] = axis;
}

void shapes_from_args(struct host_session *s) {
    const struct onnxcc_model *m = s->model;
    for (int i = 0; i < s->args->n_dims; i++) {
        const struct host_pair *p = &s->args->dims[i];
        char *end, what[600];
        int d = 0;
        while (d < m->n_dims && strcmp(m->dims[d].name, p->name)) d++;
        if (d == m->n_dims)
            host_refuse("--dim: the model has no dimension \"%s\" (--info lists them)",
                        host_quote(p->name));
        errno = 0;
        long long v = strtoll(p->value, &end, 10);
        if (end == p->value || *end || errno)
            host_refuse("--dim %s: \"%s\" is not an integer", host_quote(p->name),
                        host_quote(p->value));
        snprintf(what, sizeof what, "--dim %s", host_quote(p->name));
        set_dim(s, d, v, FROM_ARGS, 0, what);
    }
}

void shapes_of_input(struct host_session *s, int k) {
    const struct onnxcc_tensor *t = &s->model->inputs[k];
    const struct host_tensor *in = &s->in[k];
    const char *name = host_quote(t->name);
    if (in->rank < 0) return; /* raw bytes: shapes_finish compares the sizes */
    if (in->dtype != t->dtype || in->rank != t->rank)
        host_refuse("input \"%s\" must be %s, but %s holds %s (%s)", name, wanted(t),
                    host_quote(s->source[k]), host_type_text(in->dtype, in->rank, in->dims),
                    in->dtype != t->dtype ? "another type" : "another rank");
    for (int i = 0; i < t->rank; i++) {
        const struct onnxcc_axis *a = &t->axes[i];
        char what[600];
        snprintf(what, sizeof what, "input \"%s\" axis %d", name, i);
        if (a->size >= 0 && a->size != in->dims[i])
            host_refuse("%s is %" PRId64 ", but must be %" PRId64
                        ": %s holds %s, the model wants %s",
                        what, in->dims[i], a->size, host_quote(s->source[k]),
                        host_type_text(in->dtype, in->rank, in->dims), wanted(t));
        if (a->size < 0 && a->slot < s->model->n_dims)
            set_dim(s, (int)a->slot, in->dims[i], k, i, what);
    }
}

/* A raw file with one unknown dimension, which stands there once: its size tells. */
static void learn_from_raw(struct host_session *s, int k) {
    const struct onnxcc_tensor *t = &s->model->inputs[k];
    int64_t bits = host_dtype_bits(t->dtype), open = -1;
    int axis = -1;
    for (int i = 0; i < t->rank; i++) {
        const struct onnxcc_axis *a = &t->axes[i];
        if (a->size < 0 && (a->slot >= s->model->n_dims || s->from[a->slot] == FROM_NONE)) {
            if (axis >= 0 || a->slot >= s->model->n_dims) return;
            open = a->slot;
            axis = i;
        } else {
            int64_t v = a->size >= 0 ? a->size : s->dims[a->slot];
            if (v && bits > ((int64_t)1 << 59) / v) return;
            bits *= v;
        }
    }
    char what[600];
    snprintf(what, sizeof what, "input \"%s\" axis %d", host_quote(t->name), axis);
    /* Where several sizes have so many bytes, --dim must tell. */
    if (axis >= 0 && bits % 8 == 0 && bits > 0 && s->in[k].bytes % (bits / 8) == 0)
        set_dim(s, (int)open, s->in[k].bytes / (bits / 8), k, axis, what);
}

static void defaults(struct host_session *s) {
    const struct onnxcc_model *m = s->model;
    for (int k = 0; k < m->n_inputs; k++)
        if (s->in[k].data && s->in[k].rank < 0) learn_from_raw(s, k);
    for (int d = 0; d < m->n_dims; d++) {
        if (s->from[d] != FROM_NONE) continue;
        s->dims[d] = m->dims[d].lo > 1 || m->dims[d].hi < 1 ? m->dims[d].lo : 1;
        s->from[d] = FROM_DEFAULT;
        if (!s->args->json && !s->args->info)
            host_note("dimension \"%s\" is %" PRId64 " (--dim changes it)",
                      host_quote(m->dims[d].name), s->dims[d]);
    }
}

/* Shapes of all inputs, now that every slot is known. */
static void settle_input(struct host_session *s, int k) {
    const struct onnxcc_tensor *t = &s->model->inputs[k];
    struct host_tensor *in = &s->in[k];
    bool raw = in->data && in->rank < 0;
    for (int i = 0; i < t->rank; i++) {
        int64_t v = shapes_axis(s, &t->axes[i]);
        if (in->data && !raw && in->dims[i] != v)
            host_refuse("input \"%s\" axis %d is %" PRId64 ", but %s is %" PRId64,
                        host_quote(t->name), i, in->dims[i], host_quote(t->axes[i].text), v);
        in->dims[i] = v;
    }
    in->rank = t->rank;
    in->dtype = t->dtype;
    int64_t bytes = host_bytes(t->dtype, host_elements(in));
    if (bytes < 0)
        host_refuse("input \"%s\" is too large: %s", host_quote(t->name),
                    host_type_text(in->dtype, in->rank, in->dims));
    if (raw && in->bytes != bytes)
        host_refuse("input \"%s\": %s has %" PRId64 " bytes, but %s has %" PRId64,
                    host_quote(t->name), host_quote(s->source[k]), in->bytes,
                    host_type_text(in->dtype, in->rank, in->dims), bytes);
    in->bytes = bytes;
}

void shapes_finish(struct host_session *s) {
    const struct onnxcc_model *m = s->model;
    defaults(s);
    memcpy(s->syms, s->dims, (size_t)m->n_dims * sizeof *s->dims);
    int code = m->bind(s->syms);
    if (code) session_explain(s, code);
    for (int k = 0; k < m->n_inputs; k++) settle_input(s, k);
    int64_t *scratch = host_alloc((size_t)m->n_syms * sizeof *scratch);
    s->arena_bytes = (int64_t)onnxcc_core_arena_bytes(m, s->dims, s->threads, scratch);
    free(scratch);
    if (!s->arena_bytes) session_explain(s, ONNXCC_E_OVERFLOW);
}
