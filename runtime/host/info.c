/* --info: what the program is. */
#include "host.h"

#include <inttypes.h>

static void json_tensors(const char *key, const struct onnxcc_tensor *t, int n) {
    printf("\"%s\": [", key);
    for (int i = 0; i < n; i++) {
        printf("%s{\"name\": ", i ? ", " : "");
        host_json(stdout, t[i].name);
        printf(", \"dtype\": \"%s\", \"shape\": [", host_dtype_name(t[i].dtype));
        for (int d = 0; d < t[i].rank; d++) {
            printf("%s", d ? ", " : "");
            if (t[i].axes[d].size >= 0) printf("%" PRId64, t[i].axes[d].size);
            else host_json(stdout, t[i].axes[d].text);
        }
        printf("]}");
    }
    printf("], ");
}

static void json_dims(const struct host_session *s) {
    printf("\"dims\": [");
    for (int d = 0; d < s->model->n_dims; d++) {
        const struct onnxcc_dim *dim = &s->model->dims[d];
        printf("%s{\"name\": ", d ? ", " : "");
        host_json(stdout, dim->name);
        printf(", \"lo\": %" PRId64 ", \"hi\": ", dim->lo);
        if (dim->hi == INT64_MAX) printf("null");
        else printf("%" PRId64, dim->hi);
        printf(", \"value\": %" PRId64 "}", s->dims[d]);
    }
    printf("], ");
}

static void json_info(const struct host_session *s) {
    const struct onnxcc_model *m = s->model;
    printf("{\"name\": ");
    host_json(stdout, m->name);
    printf(", ");
    json_tensors("inputs", m->inputs, m->n_inputs);
    json_tensors("outputs", m->outputs, m->n_outputs);
    json_dims(s);
    printf("\"threads\": %d, \"arena_bytes\": %" PRId64 ", \"weights_bytes\": %" PRId64
           ", \"target\": ",
           s->threads, s->arena_bytes, m->weights_bytes);
    host_json(stdout, m->target);
    printf(", \"cpus\": [");
    for (int i = 0; i < m->n_versions; i++) {
        printf("%s", i ? ", " : "");
        host_json(stdout, m->versions[i].cpu);
    }
    printf("], \"kernels\": [");
    for (int i = 0; i < m->n_kernels; i++) {
        printf("%s{\"name\": ", i ? ", " : "");
        host_json(stdout, m->kernels[i].name);
        printf(", \"origin\": ");
        host_json(stdout, m->kernels[i].origin);
        printf("}");
    }
    printf("]");
    if (m->image) info_cuda_json(m->image);
    printf("}\n");
}

static void print_tensors(const char *what, const struct onnxcc_tensor *t, int n) {
    for (int i = 0; i < n; i++) {
        printf("%-8s %s : %s", i ? "" : what, host_quote(t[i].name), host_dtype_name(t[i].dtype));
        printf(t[i].dtype == ONNXCC_SEQUENCE ? "\n" : "[");
        if (t[i].dtype == ONNXCC_SEQUENCE) continue;
        for (int d = 0; d < t[i].rank; d++)
            printf("%s%s", d ? "," : "", host_quote(t[i].axes[d].text));
        printf("]\n");
    }
}

static void print_dims(const struct host_session *s) {
    for (int d = 0; d < s->model->n_dims; d++) {
        const struct onnxcc_dim *dim = &s->model->dims[d];
        printf("%-8s %s : %" PRId64 "..", d ? "" : "dims", host_quote(dim->name), dim->lo);
        if (dim->hi != INT64_MAX) printf("%" PRId64, dim->hi);
        printf("\n");
    }
}

void host_info(struct host_session *s) {
    const struct onnxcc_model *m = s->model;
    shapes_finish(s);
    if (s->args->json) {
        json_info(s);
        return;
    }
    printf("%-8s %s\n", "model", host_quote(m->name));
    print_tensors("inputs", m->inputs, m->n_inputs);
    print_tensors("outputs", m->outputs, m->n_outputs);
    print_dims(s);
    printf("%-8s %" PRId64 " bytes (%d thread%s", "arena", s->arena_bytes, s->threads,
           s->threads > 1 ? "s" : "");
    for (int d = 0; d < m->n_dims; d++)
        printf(", %s = %" PRId64, host_quote(m->dims[d].name), s->dims[d]);
    printf(")\n%-8s %" PRId64 " bytes\n%-8s %s (", "weights", m->weights_bytes, "target",
           host_quote(m->target));
    for (int i = 0; i < m->n_versions; i++)
        printf("%s%s", i ? ", " : "", host_quote(m->versions[i].cpu));
    printf(")\n%-8s %d\n", "kernels", m->n_kernels);
    for (int i = 0; i < m->n_kernels; i++)
        printf("  %-40s %s\n", host_quote(m->kernels[i].name), host_quote(m->kernels[i].origin));
    if (m->image) info_cuda(m->image);
}
