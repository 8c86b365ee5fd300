/* The importer against ONNX's own test data, on the reference interpreter: no code is generated.
 *
 *   interp_check [-O0|-O2] [-v] [-q] [--bake] [--least N] [--tolerance FILE] DIR...
 *
 * --tolerance FILE: lines with the name of a model's folder and its absolute tolerance.
 *
 * --bake makes small integer inputs constants: shapes, axes and the like, which models have as
 initializers.

 * Each DIR holds model.onnx and folders test_data_set_*, or such folders; the outputs are compared
 as the ONNX backend tests do (rtol
 * 1e-3, atol 1e-7). One line per model: PASS, FAIL or REFUSED (the compiler said why); the last
 line counts. The exit
 * code is 1 where anything failed, or fewer than N passed; refusals are listed but do not count.
 -q: failures only. */
#include "frontend/frontend.h"
#include "frontend/model.h"
#include "frontend/wire.h"
#include "passes/passes.h"
#include "tests/onnx/files.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PASSED, FAILED, REFUSED, N_RESULTS };
static const char *const result_names[] = {"PASS", "FAIL", "REFUSED"};

static int level = 2;
static bool verbose, bake, brief;
static const char *tolerances;
static double tolerance = 1e-7;
static int counts[N_RESULTS];
static size_t n_defaults; /* initializers that the model has, before any are baked */

/* ---- baking ---- */

static bool is_small_list(const Type *t, int64_t elements) {
    return t->rank <= 1 && elements <= 16;
}

/* Makes input k of the model an initializer with the test's data. References into the test's file
 * are moved. */
static void bake_input(Ctx *ctx, Model *m, const char *path, int k) {
    Model *t = open_tensor(ctx, path);
    Onnx__GraphProto *g = m->proto->graph;
    Const *c;
    Type type;
    if (!t || !tensor_read(t, NULL, t->proto->graph->initializer[0], &c, &type)) return;
    if (!is_small_list(&type, c->elements)) return;
    Onnx__TensorProto *tensor = t->proto->graph->initializer[0], **list;
    if (tensor->has_raw_data) {
        RawRef ref;
        memcpy(&ref, tensor->raw_data.data, sizeof ref);
        ref.offset += (uint64_t)(uintptr_t)t->file.data - (uint64_t)(uintptr_t)m->file.data;
        memcpy(tensor->raw_data.data, &ref, sizeof ref);
    }
    tensor->name = g->input[k]->name;
    list = NEW_ARRAY(ctx->perm, Onnx__TensorProto *, g->n_initializer + 1);
    for (size_t i = 0; i < g->n_initializer; i++) list[i] = g->initializer[i];
    list[g->n_initializer++] = tensor;
    g->initializer = list;
}

/* Does the model itself bring a value of the input? */
static bool has_default(const Onnx__GraphProto *g, const char *name) {
    for (size_t i = 0; i < n_defaults; i++)
        if (!strcmp(g->initializer[i]->name, name)) return true;
    return false;
}

static void bake_inputs(Ctx *ctx, Model *m, const char *dir) {
    const Onnx__GraphProto *g = m->proto->graph;
    for (int k = 0, at = 0; k < (int)g->n_input; k++) {
        const Onnx__TypeProto *t = g->input[k]->type;
        if (has_default(g, g->input[k]->name)) continue;
        char *path = arena_printf(ctx->perm, "%s/test_data_set_0/input_%d.pb", dir, at++);
        if (!t || t->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE) continue;
        if (access(path, R_OK) == 0) bake_input(ctx, m, path, k);
    }
}

/* ---- comparison ---- */

static bool same_element(DType t, const void *a, const void *b, double *x, double *y) {
    Const ca = {.dtype = t, .elements = 1, .data = a}, cb = {.dtype = t, .elements = 1, .data = b};
    *x = const_get(&ca, 0);
    *y = const_get(&cb, 0);
    if (t == DT_STR) {
        const struct onnxcc_string *s = a, *w = b;
        return s->size == w->size && (!s->size || !memcmp(s->data, w->data, s->size));
    }
    if (isinf(tolerance)) return true;
    if (!dtype_is_float(t)) return !memcmp(a, b, dtype_bytes(t));
    if (isnan(*x) || isnan(*y)) return isnan(*x) && isnan(*y);
    return *x == *y || fabs(*x - *y) <= tolerance + 1e-3 * fabs(*y);
}

/* A tensor in memory. */
typedef struct Array {
    DType dtype;
    int rank;
    const int64_t *dims;
    const void *data;
} Array;

static bool compare_arrays(const char *dir, int k, Array got, const Const *want, const Type *type) {
    int64_t bad = 0, first = -1;
    double x, y, gx = 0, gy = 0;
    bool shape = got.rank == type->rank && got.dtype == type->dtype;
    for (int i = 0; shape && i < got.rank; i++) shape = expr_is(type->dims[i], got.dims[i]);
    if (!shape) {
        printf("%s: output %d has another type or shape\n", dir, k);
        return false;
    }
    size_t unit = dtype_bytes(want->dtype);
    for (int64_t i = 0; i < want->elements; i++) {
        const char *a = (const char *)got.data + (size_t)i * unit,
                   *b = (const char *)want->data + (size_t)i * unit;
        if (same_element(want->dtype, a, b, &x, &y)) continue;
        if (!bad++) first = i, gx = x, gy = y;
    }
    if (bad)
        printf("%s: output %d: %lld of %lld elements differ, the first is %lld: %g, expected %g\n",
               dir, k, (long long)bad, (long long)want->elements, (long long)first, gx, gy);
    return !bad;
}

/* Items one by one; nothing is not the same as an empty sequence. */
static bool compare_items(const char *dir, int k, const struct onnxcc_sequence *got,
                          const ItemFile *want) {
    bool ok = (int64_t)got->count == want->count && !got->items == want->nothing;
    if (!ok) printf("%s: output %d has %zu items, expected %lld\n", dir, k, got->count,
                    (long long)want->count);
    for (int64_t i = 0; ok && i < want->count; i++) {
        const struct onnxcc_item *it = &got->items[i];
        Array a = {dtype_from_onnx(it->dtype), it->rank, it->shape, it->data};
        ok = compare_arrays(dir, k, a, want->at[i].data, &want->at[i].type);
    }
    return ok;
}

/* false: the file cannot be read; else *same. */
static bool compare(Ctx *ctx, const char *dir, int k, const Buffer *got, const char *path,
                    bool *same) {
    const Tensor *t = got->tensor;
    ItemFile list;
    Const *c;
    Type type;
    if (t->dtype == DT_SEQ) {
        if (!read_items(ctx, path, &list)) return false;
        *same = compare_items(dir, k, got->data, &list) && *same;
        return true;
    }
    if (!read_tensor(ctx, path, &c, &type)) return false;
    Array a = {t->dtype, t->rank, got->dims, got->data};
    *same = compare_arrays(dir, k, a, c, &type) && *same;
    return true;
}

/* ---- one model ---- */

static bool exists(const char *path) {
    return access(path, R_OK) == 0;
}

/* The position of a program's input among those that the test data have. */
static int position(const Model *m, const Tensor *t) {
    const Onnx__GraphProto *g = m->proto->graph;
    int at = 0;
    for (size_t i = 0; i < g->n_input; i++) {
        if (!strcmp(g->input[i]->name, t->name)) return at;
        at += !has_default(g, g->input[i]->name);
    }
    return -1;
}

/* The program's input from a file. */
static bool read_input(Ctx *ctx, const char *path, Tensor *t, Buffer *in) {
    Const *c;
    Type type;
    *in = (Buffer){.tensor = t};
    if (t->dtype == DT_SEQ) {
        ItemFile list;
        if (!read_items(ctx, path, &list)) return false;
        in->data = items_in_memory(ctx, &list);
        return true;
    }
    if (!read_tensor(ctx, path, &c, &type)) return false;
    in->data = (void *)(uintptr_t)const_bytes(ctx, c);
    for (int d = 0; d < type.rank; d++) expr_is_int(type.dims[d], &in->dims[d]);
    return true;
}

static int run_set(Ctx *ctx, const Model *m, Program *p, const char *dir, const char *set) {
    Buffer *in = NEW_ARRAY(ctx->perm, Buffer, p->inputs.n + 1),
           *out = NEW_ARRAY(ctx->perm, Buffer, p->outputs.n + 1);
    for (int i = 0; i < p->inputs.n; i++) {
        int at = position(m, p->inputs.at[i]);
        char *path = arena_printf(ctx->perm, "%s/%s/input_%d.pb", dir, set, at);
        if (!read_input(ctx, path, p->inputs.at[i], &in[i])) return REFUSED;
    }
    for (int i = 0; i < p->outputs.n; i++) out[i].tensor = p->outputs.at[i];
    if (!program_interp(p, in, out, NULL, 0, ctx->perm)) return FAILED;
    bool ok = true;
    for (int i = 0; i < p->outputs.n; i++) {
        char *path = arena_printf(ctx->perm, "%s/%s/output_%d.pb", dir, set, i);
        if (!exists(path)) continue;
        if (!compare(ctx, dir, i, &out[i], path, &ok)) return REFUSED;
    }
    return ok ? PASSED : FAILED;
}

static int run_sets(Ctx *ctx, const Model *m, Program *p, const char *dir) {
    int result = PASSED;
    for (int k = 0; k < 100; k++) {
        char *set = arena_printf(ctx->perm, "test_data_set_%d", k);
        if (!exists(arena_printf(ctx->perm, "%s/%s", dir, set))) break;
        int one = run_set(ctx, m, p, dir, set);
        if (one != PASSED) result = one;
    }
    return result;
}

static int run_opened(Ctx *ctx, Model *m, const char *dir) {
    Options options = {.level = level, .fp = FP_DEFAULT, .verify_each = true};
    n_defaults = m->proto->graph->n_initializer;
    if (bake) bake_inputs(ctx, m, dir);
    Graph *g = model_import(m, NULL);
    if (!g) return REFUSED;
    if (!run_graph_passes(g, &options)) return FAILED;
    if (verbose) {
        Str s = str_new(ctx->perm);
        graph_print(&s, g);
        puts(str_c(&s));
    }
    Program *p = lower_graph(g, &options);
    return p ? run_sets(ctx, m, p, dir) : REFUSED;
}

static int run_model(const char *dir) {
    Ctx *ctx = ctx_new();
    if (brief) ctx->log = NULL;
    ctx->file = arena_printf(ctx->perm, "%s/model.onnx", dir);
    Model *m = model_open(ctx, ctx->file);
    int result = m ? run_opened(ctx, m, dir) : REFUSED;
    files_close();
    model_close(m);
    ctx_free(ctx);
    return result;
}

/* In a child, so that a crash is one model's failure, and so is what a sanitizer finds. */
static int run_guarded(const char *dir) {
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        alarm(1200);
        exit(run_model(dir));
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) < N_RESULTS ? WEXITSTATUS(status) : FAILED;
}

static int hides(const struct dirent *e) {
    return e->d_name[0] != '.';
}

/* The tolerance that the list has for the model in this folder. */
static double tolerance_of(const char *dir) {
    const char *name = strrchr(dir, '/') ? strrchr(dir, '/') + 1 : dir;
    FILE *f = tolerances ? fopen(tolerances, "r") : NULL;
    char line[256], model[128];
    double found = 1e-7, v;
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "%127s %lf", model, &v) == 2 && !strcmp(model, name)) found = v;
    if (f) fclose(f);
    return found;
}

static void run_dir(const char *dir) {
    char path[4096];
    struct dirent **list;
    snprintf(path, sizeof path, "%s/model.onnx", dir);
    if (exists(path)) {
        tolerance = tolerance_of(dir);
        int result = run_guarded(dir);
        counts[result]++;
        if (!brief || result == FAILED) printf("%s %s\n", result_names[result], dir);
        return;
    }
    int n = scandir(dir, &list, hides, alphasort);
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, list[i]->d_name);
        if (list[i]->d_type == DT_DIR) run_dir(path);
        free(list[i]);
    }
    if (n >= 0) free(list);
}

int main(int argc, char **argv) {
    int least = 0;
    for (int i = 1; i < argc; i++) {
        if (!strncmp(argv[i], "-O", 2)) level = atoi(argv[i] + 2);
        else if (!strcmp(argv[i], "-v")) verbose = true;
        else if (!strcmp(argv[i], "-q")) brief = true;
        else if (!strcmp(argv[i], "--bake")) bake = true;
        else if (!strcmp(argv[i], "--tolerance") && i + 1 < argc) tolerances = argv[++i];
        else if (!strcmp(argv[i], "--least") && i + 1 < argc) least = atoi(argv[++i]);
        else run_dir(argv[i]);
    }
    printf("%d passed, %d failed, %d refused\n", counts[PASSED], counts[FAILED], counts[REFUSED]);
    return counts[FAILED] != 0 || counts[PASSED] < least;
}
