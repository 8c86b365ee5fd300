/* --trace: the kernels of one warm run, for chrome://tracing and ui.perfetto.dev. */
#include "host.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct event {
    int kernel;
    double start, end;
};
static struct {
    struct event *at;
    int n, cap;
} events;

static int on_kernel(void *user, int kernel, int end) {
    (void)user;
    double now = host_ms();
    if (end) {
        for (int i = events.n; i-- > 0;)
            if (events.at[i].kernel == kernel && events.at[i].end < 0) {
                events.at[i].end = now;
                break;
            }
        return 0;
    }
    if (events.n == events.cap) {
        events.cap = events.cap ? 2 * events.cap : 1024;
        if (!(events.at = realloc(events.at, (size_t)events.cap * sizeof *events.at)))
            host_refuse("out of memory");
    }
    events.at[events.n++] = (struct event){kernel, now, -1};
    return 0;
}

enum { ON_HOST = 1, ON_DEVICE }; /* rows of the picture */

static void write_event(FILE *f, int row, const char *name, const char *origin, double start,
                        double length) {
    fprintf(f, "{\"name\": ");
    host_json(f, name);
    fprintf(f,
            ", \"cat\": \"kernel\", \"ph\": \"X\", \"pid\": 1, \"tid\": %d, \"ts\": %.3f, "
            "\"dur\": %.3f",
            row, start * 1e3, length * 1e3);
    if (origin) {
        fprintf(f, ", \"args\": {\"origin\": ");
        host_json(f, origin);
        fputc('}', f);
    }
    fputc('}', f);
}

/* What the device did, by its own clock, from its first step on. */
static void write_device(FILE *f, const struct host_session *s) {
    const struct onnxcc_model *m = s->model;
    double begin, end;
    int step;
    for (int i = 0; m->device && m->device->traced(session_device(s), i, &step, &begin, &end);
         i++) {
        fprintf(f, ",\n");
        write_event(f, ON_DEVICE, m->kernels[step].name, m->kernels[step].origin, begin,
                    end - begin);
    }
}

/* The session was opened with the hook below. */
void host_trace(struct host_session *s) {
    const struct onnxcc_model *m = s->model;
    session_run(s); /* warm up */
    events.n = 0;
    if (m->device) m->device->trace(session_device(s), 1);
    double start = host_ms();
    session_run(s);
    double total = host_ms() - start;
    FILE *f = fopen(s->args->trace, "w");
    if (!f) host_refuse("%s: %s", host_quote(s->args->trace), strerror(errno));
    fprintf(f, "{\"displayTimeUnit\": \"ms\", \"traceEvents\": [\n");
    write_event(f, ON_HOST, m->name, NULL, 0, total);
    for (int i = 0; i < events.n; i++) {
        const struct event *e = &events.at[i];
        fprintf(f, ",\n");
        write_event(f, ON_HOST, m->kernels[e->kernel].name, m->kernels[e->kernel].origin,
                    e->start - start, e->end - e->start);
    }
    write_device(f, s);
    fprintf(f, "\n]}\n");
    bool bad = ferror(f);
    if (fclose(f) || bad)
        host_refuse("%s: cannot be written: %s", host_quote(s->args->trace), strerror(errno));
    printf("%s: %d kernel%s in %.4g ms written to %s\n", host_quote(m->name), events.n,
           events.n == 1 ? "" : "s", total, host_quote(s->args->trace));
}

int (*const host_trace_hook)(void *, int, int) = on_kernel;
