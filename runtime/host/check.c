/* --check: test sets as in the ONNX backend tests. */
#include "host.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* DIR/input_3.pb, or NULL where it does not exist. */
static char *member(const char *dir, const char *kind, int k) {
    char name[32];
    snprintf(name, sizeof name, "%s_%d.pb", kind, k);
    char *path = host_join(dir, name);
    if (!access(path, F_OK)) return path;
    free(path);
    return NULL;
}

/* Highest number of input_*.pb or output_*.pb in a folder, plus one. */
static int count(const char *dir, const char *kind) {
    DIR *d = opendir(dir);
    int n = 0, k, end;
    if (!d) host_refuse("--check: %s cannot be read", host_quote(dir));
    for (struct dirent *e; (e = readdir(d));) {
        char format[32];
        snprintf(format, sizeof format, "%s_%%d.pb%%n", kind);
        end = 0;
        if (sscanf(e->d_name, format, &k, &end) == 1 && end && !e->d_name[end] && k >= n) n = k + 1;
    }
    closedir(d);
    return n;
}

/* One set; false: a difference. */
static bool check_set(struct host_session *s, const char *dir) {
    const struct onnxcc_model *m = s->model;
    bool equal = true;
    if (count(dir, "input") > m->n_inputs || count(dir, "output") > m->n_outputs)
        host_refuse("--check: %s has more inputs or outputs than the model (%d and %d)",
                    host_quote(dir), m->n_inputs, m->n_outputs);
    session_clear(s);
    for (int k = 0; k < m->n_inputs; k++) {
        char *path = member(dir, "input", k);
        if (path) session_input(s, k, path);
        free(path);
    }
    session_ready(s);
    session_run(s);
    for (int k = 0; k < m->n_outputs; k++) {
        char *path = member(dir, "output", k), what[600];
        if (!path) continue;
        struct host_tensor want = host_read_tensor(path, m->outputs[k].dtype),
                           got = session_output(s, k);
        snprintf(what, sizeof what, "%s: output \"%s\"", host_quote(dir),
                 host_quote(m->outputs[k].name));
        equal &= host_compare(s->args, what, &got, &want);
        host_tensor_free(&want);
        free(path);
    }
    return equal;
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The folders that hold outputs: DIR itself, else those in it. */
static int find_sets(const char *dir, char ***sets) {
    int n = 0, cap = 16;
    *sets = host_alloc((size_t)cap * sizeof **sets);
    if (count(dir, "output")) {
        (*sets)[0] = strdup(dir);
        return 1;
    }
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (e->d_name[0] == '.') continue;
        char *path = host_join(dir, e->d_name);
        DIR *inner = opendir(path);
        if (inner) closedir(inner);
        if (!inner || !count(path, "output")) {
            free(path);
            continue;
        }
        if (n == cap && !(*sets = realloc(*sets, (size_t)(cap *= 2) * sizeof **sets)))
            host_refuse("out of memory");
        (*sets)[n++] = path;
    }
    if (d) closedir(d);
    qsort(*sets, (size_t)n, sizeof **sets, by_name);
    return n;
}

/* The exit code: 0, or 3 where a set differs. */
int host_check(struct host_session *s) {
    char **sets;
    int n = find_sets(s->args->check, &sets), failed = 0;
    if (!n)
        host_refuse("--check: nothing to compare: %s has no output_*.pb, and no folder in it has",
                    host_quote(s->args->check));
    for (int i = 0; i < n; i++) {
        failed += !check_set(s, sets[i]);
        free(sets[i]);
    }
    free(sets);
    printf("check: %d passed, %d failed\n", n - failed, failed);
    return failed ? 3 : 0;
}
