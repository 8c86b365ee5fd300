/* The executable's command line. */
#include "host.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "options:\n"
    "  --input NAME=FILE    an input from .npy, .pb or .bin (raw); others are made up\n"
    "  --output NAME=FILE   writes an output\n"
    "  --dim NAME=N         a dimension that no given input fixes\n"
    "  --seed N             for made-up inputs and random operators (default 0)\n"
    "  --check DIR          runs DIR/input_*.pb and compares with DIR/output_*.pb; also a folder "
    "of such folders\n"
    "  --rtol X, --atol X   tolerances of --check for floats (default 1e-3, 1e-7)\n"
    "  --bench [--runs N]   times runs\n"
    "  --trace FILE.json    one run as a Chrome/Perfetto trace\n"
    "  --info               inputs, outputs, dimensions, memory, kernels\n"
    "  --json               with --bench and --info: one JSON object\n"
    "  --threads N          default: the CPUs this process may use\n"
    "  --pin                binds each thread to a CPU\n"
    "  --weights FILE       where the weights file is, for a program compiled with --weights=file\n"
    "exit: 0 done, 1 refused or failed, 3 --check found a difference\n";

static void print_help(const struct onnxcc_model *const *models, int n) {
    printf("usage: %s %s[options]\n", host_program, n > 1 ? "ENTRY " : "");
    for (int i = 0; n > 1 && i < n; i++)
        printf("%s%s", i ? ", " : "entries: ", host_quote(models[i]->name));
    printf("%s%s", n > 1 ? "\n" : "", help);
    exit(0);
}

/* The value of an option `--name VALUE` or `--name=VALUE` at argv[*i]; NULL: another option. */
static const char *option(const char *name, char **argv, int argc, int *i) {
    size_t n = strlen(name);
    if (strncmp(argv[*i], name, n)) return NULL;
    if (argv[*i][n] == '=') return argv[*i] + n + 1;
    if (argv[*i][n]) return NULL;
    if (*i + 1 >= argc) host_refuse("%s needs a value", name);
    return argv[++*i];
}

static long long integer(const char *name, const char *text, long long lo, long long hi) {
    char *end;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    if (end == text || *end || errno || v < lo || v > hi)
        host_refuse("%s: \"%s\" is not an integer in %lld..%lld", name, host_quote(text), lo, hi);
    return v;
}

static double tolerance(const char *name, const char *text) {
    char *end;
    double v = strtod(text, &end);
    if (end == text || *end || !(v >= 0))
        host_refuse("%s: \"%s\" is not a number >= 0", name, host_quote(text));
    return v;
}

static struct host_pair pair(const char *name, const char *text) {
    const char *eq = strchr(text, '=');
    if (!eq || eq == text)
        host_refuse("%s: \"%s\" is not of the form NAME=VALUE", name, host_quote(text));
    char *left = host_alloc((size_t)(eq - text) + 1);
    memcpy(left, text, (size_t)(eq - text));
    return (struct host_pair){left, eq + 1};
}

/* Options with a value; false: argv[*i] is none of them. */
static bool read_valued(struct host_args *a, char **argv, int argc, int *i) {
    const char *v;
    if ((v = option("--input", argv, argc, i))) a->inputs[a->n_inputs++] = pair("--input", v);
    else if ((v = option("--output", argv, argc, i)))
        a->outputs[a->n_outputs++] = pair("--output", v);
    else if ((v = option("--dim", argv, argc, i))) a->dims[a->n_dims++] = pair("--dim", v);
    else if ((v = option("--check", argv, argc, i))) a->check = v;
    else if ((v = option("--trace", argv, argc, i))) a->trace = v;
    else if ((v = option("--weights", argv, argc, i))) a->weights = v;
    else if ((v = option("--runs", argv, argc, i))) a->runs = (int)integer("--runs", v, 1, 1000000);
    else if ((v = option("--threads", argv, argc, i)))
        a->threads = (int)integer("--threads", v, 1, 1024);
    else if ((v = option("--seed", argv, argc, i)))
        a->seed = (uint64_t)integer("--seed", v, 0, INT64_MAX);
    else if ((v = option("--rtol", argv, argc, i))) a->rtol = tolerance("--rtol", v);
    else if ((v = option("--atol", argv, argc, i))) a->atol = tolerance("--atol", v);
    else return false;
    return true;
}

static const struct onnxcc_model *entry(int argc, char **argv,
                                        const struct onnxcc_model *const *models, int n) {
    char list[1024] = "";
    for (int i = 0; i < n; i++) {
        if (n == 1 || (argc > 1 && !strcmp(argv[1], models[i]->name))) return models[i];
        size_t k = strlen(list);
        snprintf(list + k, sizeof list - k, "%s%s", i ? ", " : "", models[i]->name);
    }
    host_refuse("the first argument must name an entry: %s", list);
}

/* What does not go together. */
static void check_args(const struct host_args *a) {
    int modes = (a->check != NULL) + (a->trace != NULL) + a->bench + a->info;
    if (modes > 1) host_refuse("--check, --bench, --trace and --info do not go together");
    if (a->json && !a->bench && !a->info) host_refuse("--json goes with --bench or --info");
    if (a->runs && !a->bench) host_refuse("--runs goes with --bench");
    if (a->check && (a->n_inputs || a->n_outputs))
        host_refuse("--check takes inputs and outputs from its folder");
}

const struct onnxcc_model *host_args_read(struct host_args *a, int argc, char **argv,
                                          const struct onnxcc_model *const *models, int n) {
    *a = (struct host_args){.rtol = 1e-3, .atol = 1e-7};
    a->inputs = host_alloc(3 * (size_t)(argc + 1) * sizeof *a->inputs);
    a->outputs = a->inputs + argc + 1;
    a->dims = a->outputs + argc + 1;
    for (int i = 1; i < argc; i++)
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) print_help(models, n);
    const struct onnxcc_model *m = entry(argc, argv, models, n);
    for (int i = n > 1 ? 2 : 1; i < argc; i++) {
        if (!strcmp(argv[i], "--bench")) a->bench = true;
        else if (!strcmp(argv[i], "--info")) a->info = true;
        else if (!strcmp(argv[i], "--json")) a->json = true;
        else if (!strcmp(argv[i], "--pin")) a->pin = true;
        else if (!read_valued(a, argv, argc, &i))
            host_refuse("unknown option \"%s\" (--help lists all)", host_quote(argv[i]));
    }
    check_args(a);
    return m;
}
