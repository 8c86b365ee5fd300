/* An opened model with its inputs and outputs in memory, ready to run. */
#include "host.h"

#include "../core/core.h"

#include <stdlib.h>
#include <string.h>

void session_explain(const struct host_session *s, int code) {
    char text[1024];
    onnxcc_core_explain(s->model, code, text, sizeof text);
    host_refuse("%s", text);
}

int host_find(const struct onnxcc_tensor *t, int n, const char *what, const char *name) {
    char list[1024] = "";
    for (int i = 0; i < n; i++) {
        if (!strcmp(t[i].name, name)) return i;
        size_t k = strlen(list);
        snprintf(list + k, sizeof list - k, "%s%s", i ? ", " : "", host_quote(t[i].name));
    }
    host_refuse("the model has no %s \"%s\"; it has: %s", what, host_quote(name),
                *list ? list : "none");
}

void session_new(struct host_session *s, const struct onnxcc_model *m,
                 const struct host_args *args) {
    memset(s, 0, sizeof *s);
    s->model = m;
    s->args = args;
    s->threads = m->device ? 1 : args->threads ? args->threads : host_cpus();
    s->in = host_alloc((size_t)m->n_inputs * sizeof *s->in);
    s->source = host_alloc((size_t)m->n_inputs * sizeof *s->source);
    s->in_ptr = host_alloc((size_t)m->n_inputs * sizeof *s->in_ptr);
    s->in_mem = host_alloc((size_t)m->n_inputs * sizeof *s->in_mem);
    s->out_mem = host_alloc((size_t)m->n_outputs * sizeof *s->out_mem);
    s->dims = host_alloc((size_t)m->n_dims * sizeof *s->dims);
    s->syms = host_alloc((size_t)m->n_syms * sizeof *s->syms);
    s->from = host_alloc((size_t)m->n_dims * sizeof *s->from);
    s->from_axis = host_alloc((size_t)m->n_dims * sizeof *s->from_axis);
    s->outputs = host_alloc(core_outputs_bytes(m));
    session_clear(s);
}

void session_open(struct host_session *s) {
    if (s->args->pin) host_pin(0);
    if (s->threads > 1) {
        s->config.pool = host_pool_new(s->threads, s->args->pin ? host_pin : NULL);
        s->threads = s->config.pool ? s->config.pool->threads : 1;
    }
    s->config.size = sizeof s->config;
    s->config.weights_path = s->args->weights;
    s->config.seed = s->args->seed;
    int code = onnxcc_core_open(s->model, s->ctx, &s->config, s->model->signature);
    if (code) session_explain(s, code);
}

void session_clear(struct host_session *s) {
    for (int k = 0; k < s->model->n_inputs; k++) {
        host_memory_free(&s->in_mem[k]);
        memset(&s->in[k], 0, sizeof s->in[k]);
        free(s->source[k]);
        s->source[k] = NULL;
    }
    for (int k = 0; k < s->model->n_outputs; k++) host_memory_free(&s->out_mem[k]);
    host_memory_free(&s->arena);
    for (int d = 0; d < s->model->n_dims; d++) s->from[d] = FROM_NONE;
    shapes_from_args(s);
}

void session_input(struct host_session *s, int k, const char *path) {
    if (s->source[k])
        host_refuse("input \"%s\" is given twice", host_quote(s->model->inputs[k].name));
    s->source[k] = strdup(path);
    s->in[k] = host_read_tensor(path, s->model->inputs[k].dtype);
    shapes_of_input(s, k);
}

/* Memory for a tensor, guarded on both sides. In a check the guard begins right behind the last
 * element. */
static void *place(const struct host_session *s, struct host_memory *m, int64_t bytes) {
    *m = host_memory_new(s->args->check ? (size_t)bytes : (size_t)ONNXCC_ROUND(bytes));
    return m->at;
}

static void ready_input(struct host_session *s, int k) {
    struct host_tensor *in = &s->in[k];
    void *given = in->data;
    in->data = place(s, &s->in_mem[k], in->bytes);
    s->in_ptr[k] = in->data;
    if (given) {
        memcpy(in->data, given, (size_t)in->bytes);
        free(given);
        free((void *)(uintptr_t)in->name);
        in->name = NULL;
        return;
    }
    fill_input(s, k);
    if (!s->args->json)
        host_note("input \"%s\" is made up: %s, seed %llu", host_quote(s->model->inputs[k].name),
                  host_type_text(in->dtype, in->rank, in->dims), (unsigned long long)s->args->seed);
}

static void ready_output(struct host_session *s, int k) {
    const struct onnxcc_tensor *t = &s->model->outputs[k];
    if ((t->flags & ONNXCC_T_UNKNOWN) || t->dtype == ONNXCC_SEQUENCE) return;
    int64_t n = 1;
    for (int i = 0; i < t->rank; i++) n *= shapes_axis(s, &t->axes[i]);
    *core_output(s->model, s->outputs, k).data = place(s, &s->out_mem[k], host_bytes(t->dtype, n));
}

void session_ready(struct host_session *s) {
    const struct onnxcc_model *m = s->model;
    shapes_finish(s);
    for (int k = 0; k < m->n_inputs; k++) ready_input(s, k);
    for (int k = 0; k < m->n_outputs; k++) ready_output(s, k);
    bool grows = m->flags & ONNXCC_M_GROWS;
    s->arena = grows ? host_memory_reserve() : host_memory_new((size_t)s->arena_bytes);
}

void *session_device(const struct host_session *s) {
    return ((const struct core_ctx *)(const void *)s->ctx)->device;
}

void session_run(struct host_session *s) {
    const struct onnxcc_model *m = s->model;
    for (int k = 0; k < m->n_outputs; k++)
        if (m->outputs[k].flags & ONNXCC_T_UNKNOWN)
            *core_output(m, s->outputs, k).data = NULL; /* it comes to lie in the arena */
    int code =
        onnxcc_core_run(m, s->ctx, s->in_ptr, s->outputs, s->dims, s->arena.at, s->arena.bytes);
    if (code) session_explain(s, code);
}

struct host_tensor session_output(struct host_session *s, int k) {
    const struct onnxcc_tensor *t = &s->model->outputs[k];
    struct core_out out = core_output(s->model, s->outputs, k);
    void *data = out.sequence ? (void *)out.sequence : *out.data;
    struct host_tensor r = {.dtype = t->dtype, .rank = t->rank, .data = data, .name = t->name};
    for (int i = 0; i < t->rank; i++)
        r.dims[i] = out.shape ? out.shape[i] : shapes_axis(s, &t->axes[i]);
    r.bytes = host_bytes(r.dtype, host_elements(&r));
    return r;
}
