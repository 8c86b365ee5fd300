/* The executable: one function, from the command line to the exit code. */
#include "host.h"

#include <stdlib.h>
#include <string.h>

/* The beginning of each output. */
void host_print_outputs(struct host_session *s) {
    enum { FIRST = 10 };
    for (int k = 0; k < s->model->n_outputs; k++) {
        struct host_tensor t = session_output(s, k);
        int64_t n = host_elements(&t);
        printf("%s : %s =", host_quote(t.name), host_type_text(t.dtype, t.rank, t.dims));
        for (int64_t i = 0; i < n && i < FIRST; i++) {
            putchar(' ');
            host_print_at(stdout, t.data, t.dtype, i);
        }
        printf("%s\n", n > FIRST ? " ..." : "");
    }
}

static void read_inputs(struct host_session *s) {
    for (int i = 0; i < s->args->n_inputs; i++) {
        const struct host_pair *p = &s->args->inputs[i];
        session_input(s, host_find(s->model->inputs, s->model->n_inputs, "input", p->name),
                      p->value);
    }
}

static void write_outputs(struct host_session *s) {
    for (int i = 0; i < s->args->n_outputs; i++) {
        const struct host_pair *p = &s->args->outputs[i];
        int k = host_find(s->model->outputs, s->model->n_outputs, "output", p->name);
        struct host_tensor t = session_output(s, k);
        host_write_tensor(p->value, &t);
    }
}

static int run(struct host_session *s) {
    if (s->args->info) {
        read_inputs(s);
        host_info(s);
        return 0;
    }
    for (int i = 0; i < s->args->n_outputs; i++) /* a wrong name is found before the work is done */
        host_find(s->model->outputs, s->model->n_outputs, "output", s->args->outputs[i].name);
    if (s->args->trace) s->config.hook = host_trace_hook;
    session_open(s);
    if (s->args->check) return host_check(s);
    read_inputs(s);
    session_ready(s);
    if (s->args->bench) host_bench(s);
    else if (s->args->trace) host_trace(s);
    else session_run(s);
    if (!s->args->bench && !s->args->trace && !s->args->n_outputs) host_print_outputs(s);
    write_outputs(s);
    return 0;
}

int onnxcc_host_main(int argc, char **argv, const struct onnxcc_model *const *models,
                     int n_models) {
    static struct host_args args; /* the program's only ones */
    static struct host_session s;
    if (argc > 0) {
        const char *slash = strrchr(argv[0], '/');
        host_program = slash ? slash + 1 : argv[0];
    }
    session_new(&s, host_args_read(&args, argc, argv, models, n_models), &args);
    int code = run(&s);
    if (fflush(stdout) || ferror(stdout)) host_refuse("standard output cannot be written");
    return code;
}
