/* --bench: one run, then at least 20 runs and half a second, or as many as --runs says. */
#include "host.h"

#include <inttypes.h>
#include <stdlib.h>

enum { LEAST_RUNS = 20 };
static const double LEAST_MS = 500;

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double middle(double *ms, int n) {
    qsort(ms, (size_t)n, sizeof(double), ascending);
    return n % 2 ? ms[n / 2] : (ms[n / 2 - 1] + ms[n / 2]) / 2;
}

static double timed_run(struct host_session *s) {
    double start = host_ms();
    session_run(s);
    return host_ms() - start;
}

struct samples {
    double *ms, first, median, least, total;
    int n;
};

static struct samples measure(struct host_session *s) {
    int cap = s->args->runs ? s->args->runs : 1024;
    struct samples r = {.ms = host_alloc((size_t)cap * sizeof(double)), .first = timed_run(s)};
    while (s->args->runs ? r.n < s->args->runs : r.n < LEAST_RUNS || r.total < LEAST_MS) {
        if (r.n == cap && !(r.ms = realloc(r.ms, (size_t)(cap *= 2) * sizeof(double))))
            host_refuse("out of memory");
        r.total += r.ms[r.n++] = timed_run(s);
    }
    r.median = middle(r.ms, r.n);
    r.least = r.ms[0];
    free(r.ms);
    r.ms = NULL;
    return r;
}

/* Milliseconds of n runs on a device, queued one behind the other. */
static double timed_row(struct host_session *s, int n) {
    const struct onnxcc_device *d = s->model->device;
    double start = host_ms();
    d->stay(session_device(s), true);
    for (int i = 0; i < n; i++) session_run(s);
    int code = d->stay(session_device(s), false);
    if (code) session_explain(s, code);
    return host_ms() - start;
}

/* Of one run where inputs and outputs lie on the device: the median of rows of about 50 ms. */
static double measure_there(struct host_session *s) {
    enum { ROWS = 7, MOST = 1000 };
    double ms[ROWS], about = timed_row(s, 2) / 2 + 1e-6;
    int n = about > 50 ? 1 : about * MOST < 50 ? MOST : (int)(50 / about);
    for (int i = 0; i < ROWS; i++) ms[i] = timed_row(s, n) / n;
    return middle(ms, ROWS);
}

static void say_device(struct host_session *s) {
    struct onnxcc_device_use u;
    if (!s->model->device) return;
    double ms = measure_there(s);
    s->model->device->use(session_device(s), &u);
    if (!s->args->json) {
        printf("on the device: %.4g ms for a run between tensors there\n", ms);
        printf("%s: weights %.3f MB, arena %.3f MB, inputs and outputs %.3f MB, at most %.3f MB; "
               "%" PRId64 " runs replayed\n",
               u.name, (double)u.weights / 1e6, (double)u.arena / 1e6, (double)u.staging / 1e6,
               (double)u.most / 1e6, u.replays);
        return;
    }
    printf(", \"device\": ");
    host_json(stdout, u.name);
    printf(", \"ms_device\": %.6f", ms);
    printf(", \"device_arena_bytes\": %" PRId64 ", \"device_peak_bytes\": %" PRId64
           ", \"replays\": %" PRId64,
           u.arena, u.most, u.replays);
}

void host_bench(struct host_session *s) {
    struct samples r = measure(s);
    const struct onnxcc_model *m = s->model;
    int64_t rss = host_peak_rss();
    if (!s->args->json) {
        printf("%s: %d runs, %d thread%s: median %.4g ms, least %.4g ms, first %.4g ms\n",
               host_quote(m->name), r.n, s->threads, s->threads > 1 ? "s" : "", r.median, r.least,
               r.first);
        printf("memory: arena %.3f MB, weights %.3f MB, peak of the process %.3f MB\n",
               (double)s->arena_bytes / 1e6, (double)m->weights_bytes / 1e6, (double)rss / 1e6);
        say_device(s);
        return;
    }
    printf("{\"name\": ");
    host_json(stdout, m->name);
    printf(", \"threads\": %d, \"runs\": %d, \"ms_first\": %.6f, \"ms_median\": %.6f, \"ms_min\": "
           "%.6f, "
           "\"arena_bytes\": %" PRId64 ", \"weights_bytes\": %" PRId64
           ", \"peak_rss_bytes\": %" PRId64,
           s->threads, r.n, r.first, r.median, r.least, s->arena_bytes, m->weights_bytes, rss);
    say_device(s);
    printf(", \"made_up\": [");
    for (int k = 0, n = 0; k < m->n_inputs; k++) {
        if (s->source[k]) continue;
        printf("%s", n++ ? ", " : "");
        host_json(stdout, m->inputs[k].name);
    }
    printf("]}\n");
}
