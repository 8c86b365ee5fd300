/* Runs the tests in a file of kernels or graphs; parts are separated by lines of dashes.
 *
 *   program ...   is parsed and verified, and prints as it stands (comments aside)
 *   graph ...     is lowered and verified; what it prints parses to the same; then it is
 *   interpreted.
 *                 Results are pairs: what was computed, and a constant that it must equal within
 *                 1e-5. Inputs count up from 0 (floats: by quarters); symbols take their lower
 *                 bound, but at least 1 unless a line `# at N = 0` says so.
 *   # error: TEXT in a part: it must be refused, with this among the messages. */
#include "passes/passes.h"
#include "ir/lex.h"
#include "ir/scalar_eval.h"

#include <math.h>
#include <stdlib.h>

typedef struct Part {
    Ctx *ctx;
    const char *file;
    const char *text;
    int number;
    Str log;
} Part;

static int failures;

static void fail(const Part *p, const char *what, const char *text) {
    failures++;
    printf("%s, part %d: %s\n%s\n", p->file, p->number, what, text);
}

/* ---- what a part expects ---- */

static const char *after(const char *text, const char *mark, Arena *a) {
    const char *at = strstr(text, mark);
    if (!at) return NULL;
    at += strlen(mark);
    return arena_strn(a, at, strcspn(at, "\n"));
}

static void check_errors(Part *p) {
    static const char mark[] = "# error: ";
    const char *log = str_c(&p->log);
    for (const char *at = p->text; (at = strstr(at, mark)); at++) {
        const char *want = after(at, mark, p->ctx->perm);
        if (!strstr(log, want)) fail(p, arena_printf(p->ctx->perm, "no message \"%s\"", want), log);
    }
}

static bool expects_errors(const Part *p) {
    return strstr(p->text, "# error: ") != NULL;
}

/* The text without comments and blank lines. */
static const char *bare(Arena *a, const char *text) {
    Str s = str_new(a);
    while (*text) {
        size_t line = strcspn(text, "\n"), n = 0;
        bool quoted = false;
        while (n < line && (quoted || text[n] != '#')) quoted ^= text[n++] == '"';
        while (n > 0 && text[n - 1] == ' ') n--;
        if (n) {
            str_addn(&s, text, n);
            str_char(&s, '\n');
        }
        text += line + (text[line] == '\n');
    }
    return str_c(&s);
}

/* ---- programs ---- */

static const char *print(Ctx *ctx, const Program *p) {
    Str s = str_new(ctx->perm);
    program_print(&s, p);
    return str_c(&s);
}

static void check_reparse(Part *p, const char *text) {
    Lexer *x = lex_open(p->ctx, "printed", text, strlen(text));
    Program *again = program_parse(p->ctx, x);
    if (!again) fail(p, "does not parse again", text);
    else if (strcmp(print(p->ctx, again), text)) fail(p, "prints in another way", text);
}

static void test_program(Part *p, Lexer *x) {
    Program *g = program_parse(p->ctx, x);
    bool ok = g && program_verify(g, "in the test");
    if (expects_errors(p)) {
        if (ok) fail(p, "was accepted", p->text);
        check_errors(p);
        return;
    }
    if (!ok) {
        fail(p, "was refused", str_c(&p->log));
        return;
    }
    const char *text = print(p->ctx, g);
    if (strcmp(text, bare(p->ctx->perm, p->text))) fail(p, "prints as", text);
}

/* ---- graphs ---- */

static SymValue *choose_syms(Part *p, Program *g, int *n) {
    SymValue *list = NEW_ARRAY(p->ctx->perm, SymValue, g->syms.n + 1);
    *n = 0;
    for (int i = 0; i < g->syms.n; i++) {
        Sym *y = g->syms.at[i];
        if (y->kind != SYM_INPUT) continue;
        const char *mark = arena_printf(p->ctx->perm, "# at %s = ", y->name);
        const char *said = after(p->text, mark, p->ctx->perm);
        int64_t v = said ? strtoll(said, NULL, 10) : y->lo < 1 ? 1 : y->lo;
        list[(*n)++] = (SymValue){y, v};
    }
    return list;
}

static int64_t dim_value(const Expr *e, const SymValue *syms, int n) {
    int64_t v = 0;
    if (expr_is_int(e, &v)) return v;
    for (int i = 0; i < n; i++)
        if (e == syms[i].sym->self) return syms[i].value;
    printf("an input dimension is neither a number nor a symbol\n");
    exit(1);
}

static Buffer count_up(Part *p, Tensor *t, const SymValue *syms, int n) {
    Buffer b = {.tensor = t};
    int64_t elements = 1;
    for (int i = 0; i < t->rank; i++) {
        b.dims[i] = dim_value(t->dims[i], syms, n);
        elements *= b.dims[i];
    }
    b.data = arena_alloc(p->ctx->perm, dtype_bytes(t->dtype) * (size_t)elements + 8);
    for (int64_t i = 0; i < elements; i++) {
        double v = dtype_is_float(t->dtype) ? (double)i / 4 : (double)i;
        ScalarValue x = scalar_cast(DT_F64, t->dtype, (ScalarValue){.d = v});
        scalar_store(t->dtype, (char *)b.data + (size_t)i * dtype_bytes(t->dtype), x);
    }
    return b;
}

static double element(const Buffer *b, int64_t i) {
    DType t = b->tensor->dtype;
    return scalar_double(t, scalar_load(t, (char *)b->data + (size_t)i * dtype_bytes(t)));
}

static void compare(Part *p, const Buffer *got, const Buffer *want) {
    int64_t n = 1;
    bool same = got->tensor->rank == want->tensor->rank;
    for (int i = 0; i < got->tensor->rank; i++) {
        same &= got->dims[i] == want->dims[i];
        n *= got->dims[i];
    }
    if (!same) fail(p, "another shape", got->tensor->name);
    double slack = dtype_bits(got->tensor->dtype) == 16 ? 1e-3 : 1e-5;
    for (int64_t i = 0; same && i < n; i++) {
        double a = element(got, i), b = element(want, i);
        bool equal = a == b || (a != a && b != b) || fabs(a - b) <= slack * (1 + fabs(b));
        if (equal) continue;
        fail(p,
             arena_printf(p->ctx->perm, "element %lld of %s is %.9g, not %.9g", (long long)i,
                          got->tensor->name, a, b),
             "");
        return;
    }
}

static void run_program(Part *p, Program *g) {
    int n;
    SymValue *syms = choose_syms(p, g, &n);
    Buffer *in = NEW_ARRAY(p->ctx->perm, Buffer, g->inputs.n + 1);
    Buffer *out = NEW_ARRAY(p->ctx->perm, Buffer, g->outputs.n + 1);
    for (int i = 0; i < g->inputs.n; i++) in[i] = count_up(p, g->inputs.at[i], syms, n);
    if (!program_interp(g, in, out, syms, n, p->ctx->perm)) {
        if (!expects_errors(p)) fail(p, "does not run", str_c(&p->log));
        return;
    }
    for (int i = 0; i + 1 < g->outputs.n; i += 2) compare(p, &out[i], &out[i + 1]);
}

/* With numerics and expanded mathematics the results stay what they are. */
static void run_rewritten(Part *p, Program *g) {
    Options o = {.level = 2, .fp = FP_DEFAULT};
    pass_numerics(g, &o);
    pass_lower_math(g, &o);
    if (!program_verify(g, "after lower_math")) fail(p, "wrong after lower_math", str_c(&p->log));
    check_reparse(p, print(p->ctx, g));
    run_program(p, g);
}

static void test_graph(Part *p, Lexer *x) {
    Graph *g = graph_parse(p->ctx, x);
    Program *k = g ? lower_graph(g, NULL) : NULL;
    if (!k) {
        if (!expects_errors(p)) fail(p, "was refused", str_c(&p->log));
        check_errors(p);
        return;
    }
    const char *text = print(p->ctx, k);
    int before = failures;
    if (!program_verify(k, "after lower")) fail(p, "wrong after lower", str_c(&p->log));
    check_reparse(p, text);
    run_program(p, k);
    if (expects_errors(p)) check_errors(p);
    else run_rewritten(p, k);
    if (failures > before) printf("%s\n", text);
}

static void test_part(const char *file, int number, const char *text) {
    Ctx *ctx = ctx_new();
    Part p = {.ctx = ctx, .file = file, .number = number, .text = text};
    p.log = str_new(ctx->perm);
    ctx->capture = &p.log;
    Lexer *x = lex_open(ctx, file, text, strlen(text));
    if (lex_at_word(x, "program")) test_program(&p, x);
    else test_graph(&p, x);
    ctx_free(ctx);
}

int main(int argc, char **argv) {
    for (int f = 1; f < argc; f++) {
        Arena *a = arena_new();
        FILE *in = fopen(argv[f], "rb");
        if (!in) return 1;
        char *text = arena_alloc(a, 1 << 20);
        text[fread(text, 1, (1 << 20) - 1, in)] = 0;
        fclose(in);
        int number = 0;
        for (char *end; *text; text = end) {
            end = strstr(text, "\n---");
            if (end) *end = 0;
            test_part(argv[f], ++number, text);
            end = end ? end + 1 + strcspn(end + 1, "\n") : text + strlen(text);
        }
        printf("%s: %d parts\n", argv[f], number);
        arena_free(a);
    }
    return failures != 0;
}
