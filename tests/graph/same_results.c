/* Runs the graphs of `# test opt(passes)` before and after their passes, and compares what they
 * compute: same_results FILE.
 *
 * Both are lowered and interpreted on the same inputs: floats uniform in -1..1 and bools, seeded by
 * the input's name; integers 1, 2, 3, 1 .... A dimension is 3 where its bounds allow. `# not run:
 * WHY` in a test leaves it out. */
#include "ir/lex.h"
#include "passes/passes.h"

#include <math.h>
#include <stdlib.h>

typedef struct Side { /* one of the two */
    Ctx *ctx;
    Str log;
    Graph *graph;
    Program *program;
    Buffer *out;
} Side;

static int failures, runs;
static const char *file;

static void fail(int number, const char *what, const char *text) {
    failures++;
    printf("%s: test %d: %s\n%s\n", file, number, what, text);
}

static bool start(Side *s, const char *text) {
    s->ctx = ctx_new();
    s->log = str_new(s->ctx->perm);
    s->ctx->capture = &s->log;
    s->graph = graph_parse(s->ctx, lex_open(s->ctx, file, text, strlen(text)));
    return s->graph != NULL;
}

static bool run_passes(Side *s, char *names) {
    s->graph->strict = strstr(names, " --fp=strict") != NULL;
    for (char *name = strtok(names, ", "); name; name = strtok(NULL, ", ")) {
        Level level;
        bool (*fn)(void *, const Options *);
        if (*name == '-') continue; /* an option */
        if (!pass_by_name(name, &level, &fn) || level != LEVEL_GRAPH) return false;
        fn(s->graph, &(Options){0});
    }
    return diag_errors(s->ctx) == 0 && graph_verify(s->graph, "after the passes");
}

static SymValue *choose_syms(Side *s, int *n) {
    SymValue *list = NEW_ARRAY(s->ctx->perm, SymValue, s->program->syms.n + 1);
    *n = 0;
    for (int i = 0; i < s->program->syms.n; i++) {
        Sym *y = s->program->syms.at[i];
        if (y->kind == SYM_INPUT && !y->merged)
            list[(*n)++] = (SymValue){y, MAX(y->lo, MIN(y->hi, 3))};
    }
    return list;
}

typedef struct Env {
    const SymValue *syms;
    int n;
} Env;

static int64_t sym_value(void *user, const Sym *y) {
    const Env *e = user;
    for (int i = 0; i < e->n; i++)
        if (e->syms[i].sym == y) return e->syms[i].value;
    return 0;
}

static Buffer make_input(Side *s, Tensor *t, const SymValue *syms, int n) {
    Env env = {syms, n};
    ExprEnv at = {.sym = sym_value, .user = &env};
    Buffer b = {.tensor = t};
    int64_t elements = 1;
    for (int i = 0; i < t->rank; i++) {
        CHECK(expr_eval_index(t->dims[i], &at, &b.dims[i]));
        elements *= b.dims[i];
    }
    uint64_t seed = hash_bytes(t->name, strlen(t->name), 1);
    size_t bytes = dtype_bytes(t->dtype);
    Const *c = const_random(s->ctx, t->dtype, elements, seed);
    b.data = arena_copy(s->ctx->perm, c->data, bytes * (size_t)elements);
    for (int64_t i = 0; dtype_is_int(t->dtype) && i < elements; i++) /* 1, 2, 3, 1, ... */
        memcpy((char *)b.data + (size_t)i * bytes, const_new_int(s->ctx, t->dtype, 1 + i % 3)->data,
               bytes);
    return b;
}

static bool run(Side *s) {
    int n;
    s->program = lower_graph(s->graph, NULL);
    if (!s->program) return false;
    SymValue *syms = choose_syms(s, &n);
    Buffer *in = NEW_ARRAY(s->ctx->perm, Buffer, s->program->inputs.n + 1);
    s->out = NEW_ARRAY(s->ctx->perm, Buffer, s->program->outputs.n + 1);
    for (int i = 0; i < s->program->inputs.n; i++)
        in[i] = make_input(s, s->program->inputs.at[i], syms, n);
    return program_interp(s->program, in, s->out, syms, n, s->ctx->perm);
}

static void compare(int number, const Buffer *a, const Buffer *b) {
    int64_t n = 1;
    for (int i = 0; i < a->tensor->rank; i++) n *= a->dims[i];
    bool same = a->tensor->rank == b->tensor->rank;
    for (int i = 0; same && i < a->tensor->rank; i++) same = a->dims[i] == b->dims[i];
    if (!same) {
        fail(number, "another shape", a->tensor->name);
        return;
    }
    Const x = {.dtype = a->tensor->dtype, .elements = n, .data = a->data};
    Const y = {.dtype = b->tensor->dtype, .elements = n, .data = b->data};
    for (int64_t i = 0; i < n; i++) {
        double p = const_get(&x, i), q = const_get(&y, i);
        if (p == q || (p != p && q != q) || fabs(p - q) <= 1e-5 * (1 + fabs(p))) continue;
        printf("element %lld of %s: %.9g before, %.9g after\n", (long long)i, a->tensor->name, p,
               q);
        fail(number, "another result", "");
        return;
    }
}

static const char *print(Side *s) {
    Str text = str_new(s->ctx->perm);
    graph_print(&text, s->graph);
    return str_c(&text);
}

static void test(int number, const char *text) {
    static const char head[] = "# test opt(";
    char passes[256] = "";
    if (strncmp(text, head, strlen(head)) || strstr(text, "# error:") || strstr(text, "# not run:"))
        return;
    memcpy(passes, text + strlen(head), MIN(strcspn(text + strlen(head), ")"), sizeof passes - 1));
    Side a = {0}, b = {0};
    int before = failures;
    bool ok = start(&a, text) && start(&b, text) && run_passes(&b, passes);
    if (!ok) fail(number, "does not pass", b.ctx ? str_c(&b.log) : str_c(&a.log));
    else if (!run(&a)) fail(number, "does not run before the passes", str_c(&a.log));
    else if (!run(&b)) fail(number, "does not run after the passes", str_c(&b.log));
    else
        for (int i = 0; i < a.program->outputs.n; i++) compare(number, &a.out[i], &b.out[i]);
    if (failures > before && ok) printf("%s", print(&b));
    runs++;
    ctx_free(a.ctx);
    if (b.ctx) ctx_free(b.ctx);
}

int main(int argc, char **argv) {
    if (argc != 2) return fputs("usage: same_results FILE\n", stderr), 2;
    FILE *in = fopen(file = argv[1], "rb");
    if (!in) return perror(argv[1]), 1;
    static char text[1 << 20];
    text[fread(text, 1, sizeof text - 1, in)] = 0;
    fclose(in);
    int number = 0;
    for (char *at = strstr(text, "# test "), *next; at; at = next) {
        next = strstr(at + 1, "\n# test ");
        if (next) *next++ = 0;
        test(++number, at);
    }
    printf("%s: %d graphs, %d failures\n", file, runs, failures);
    return failures != 0;
}
