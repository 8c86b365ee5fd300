/* onnxcc-opt: reads the textual IR of any level, verifies it, runs the named passes, and prints it
 * (usage below). */
#define _DEFAULT_SOURCE 1
#include "frontend/cli.h"
#include "ir/lex.h"

#include <errno.h>
#include <stdlib.h>

typedef struct Object { /* the IR at hand */
    Level level;
    void *at;
} Object;

/* ---- blobs ---- */

typedef struct Blobs { /* payloads by hash; `rest` is what is left of the .blobs file, in order of
                          first appearance */
    Map *known;
    const char *rest;
    size_t size;
    Model *model; /* that they were taken from; NULL: none */
} Blobs;

static const void *find_blob(void *user, uint64_t hash, uint64_t bytes) {
    Blobs *b = user;
    const void *known = map_get_int(b->known, hash);
    if (known || bytes > b->size) return known;
    known = b->rest;
    map_set_int(b->known, hash, (void *)(uintptr_t)known);
    b->rest += bytes;
    b->size -= bytes;
    return known;
}

/* All constants of a model become known; it stays open as long as they are needed. */
static bool add_model(Ctx *ctx, Blobs *b, const char *path) {
    const char *file = ctx->file;
    ctx->file = path;
    b->model = model_open(ctx, path);
    Graph *g = b->model ? model_import(b->model, NULL) : NULL;
    for (int i = 0; g && i < g->consts.n; i++) {
        Const *c = g->consts.at[i]->data;
        map_set_int(b->known, const_hash(c), (void *)(uintptr_t)const_bytes(ctx, c));
    }
    ctx->file = file;
    return g != NULL;
}

static void add_file(Ctx *ctx, Blobs *b, const char *path) {
    const char *blobs = arena_printf(ctx->perm, "%s.blobs", path);
    FILE *f = fopen(blobs, "rb");
    if (!f) return;
    fclose(f);
    b->rest = read_text(ctx, blobs, &b->size);
}

/* ---- levels ---- */

/* A plan begins with its program. */
static void parse_program(Ctx *ctx, Lexer *x, Blobs *blobs, Object *o) {
    Program *p = program_parse_blobs(ctx, x, find_blob, blobs);
    *o = (Object){LEVEL_KERNELS, p};
    if (p && lex_at_word(x, "plan")) *o = (Object){LEVEL_PLAN, plan_parse_rest(ctx, x, p)};
}

static bool parse_object(Ctx *ctx, Lexer *x, Blobs *blobs, Object *o) {
    if (lex_at_word(x, "graph"))
        *o = (Object){LEVEL_GRAPH, graph_parse_blobs(ctx, x, find_blob, blobs)};
    else if (lex_at_word(x, "program")) parse_program(ctx, x, blobs, o);
    else if (lex_at_word(x, "loops")) *o = (Object){LEVEL_LOOPS, loops_parse(ctx, x)};
    else return lex_error(x, "expected graph, program or loops");
    return o->at != NULL;
}

static bool verify(const Object *o, const char *when) {
    switch (o->level) {
    case LEVEL_GRAPH: return graph_verify(o->at, when);
    case LEVEL_KERNELS: return program_verify(o->at, when);
    case LEVEL_PLAN: return plan_verify(o->at, when);
    default: return loops_verify(o->at, when);
    }
}

static void print(Str *s, const Object *o) {
    switch (o->level) {
    case LEVEL_GRAPH: graph_print(s, o->at); break;
    case LEVEL_KERNELS: program_print(s, o->at); break;
    case LEVEL_PLAN: plan_print(s, o->at); break;
    default: loops_print(s, o->at);
    }
}

static void torture(const Object *o, const char *after) {
    switch (o->level) {
    case LEVEL_GRAPH: torture_graph(o->at, after); break;
    case LEVEL_KERNELS: torture_program(o->at, after); break;
    case LEVEL_PLAN: torture_plan(o->at, after); break;
    default: torture_loops(o->at, after);
    }
}

/* Runs one pass; false after a diagnostic. */
static bool run_pass(Ctx *ctx, Object *o, const char *name, const Options *options) {
    static const char *const levels[] = {"graphs", "kernels", "plans", "loops"};
    Level level;
    bool (*fn)(void *, const Options *);
    int before = diag_errors(ctx);
    if (!pass_by_name(name, &level, &fn))
        return diag_error(ctx, NULL, "there is no pass \"%s\"", diag_name(ctx, name));
    if (level != o->level)
        return diag_error(ctx, NULL, "pass %s works on %s, not on %s", name, levels[level],
                          levels[o->level]);
    fn(o->at, options);
    if (options->torture) torture(o, name);
    return diag_errors(ctx) == before && verify(o, name);
}

typedef struct Tool { /* the command line */
    Cli cli;
    Words passes;
    const char *model;
} Tool;

/* Several entries or processors give several texts. */
static bool transform_all(Ctx *ctx, const Tool *t, Lexer *x, Blobs *blobs, const Options *options,
                          Str *s) {
    do {
        Object o = {0};
        if (!parse_object(ctx, x, blobs, &o) || !verify(&o, "parsing")) return false;
        if (o.level == LEVEL_GRAPH) ((Graph *)o.at)->strict = options->fp == FP_STRICT;
        for (int i = 0; i < t->passes.list.n; i++)
            if (!run_pass(ctx, &o, t->passes.list.at[i], options)) return false;
        print(s, &o);
    } while (!lex_at(x, TOK_END));
    return lex_ok(x);
}

static int transform(Tool *t, const char *path) {
    Ctx *ctx = t->cli.ctx;
    ctx->quiet = t->cli.quiet;
    Processors cpus;
    Blobs blobs = {.known = map_new(ctx->perm)};
    size_t n;
    char *text = read_text(ctx, path, &n);
    if (!text || !processors_pick(&t->cli, &cpus)) return 1;
    Options options = {.level = t->cli.level,
                       .fp = (FpMode)t->cli.fp,
                       .precision = (DType)t->cli.precision,
                       .machine = cpus.machine,
                       .n_machines = cpus.n,
                       .host = cpus.host,
                       .one_memory = t->cli.device == ON_CUDA_EMU,
                       .static_only = cpus.bare_metal,
                       .torture = t->cli.torture,
                       .dump = stdout};
    bool ok = !t->model || add_model(ctx, &blobs, t->model);
    if (ok) add_file(ctx, &blobs, path);
    Str s = str_new(ctx->perm);
    ok = ok && transform_all(ctx, t, lex_open(ctx, path, text, n), &blobs, &options, &s);
    model_close(blobs.model);
    return ok ? write_text(ctx, t->cli.output, str_c(&s), s.n) : 1;
}

static void split_words(Ctx *ctx, Words *w, const char *list) {
    while (*list) {
        size_t n = strcspn(list, ",");
        if (n) vec_push(ctx->perm, &w->list, arena_strn(ctx->perm, list, n));
        list += n + (list[n] == ',');
    }
}

/* Takes this program's own options out of argv, and gives the rest to the parser of onnxcc. */
static bool parse(Tool *t, int argc, char **argv) {
    int kept = 0;
    for (int i = 0; i < argc; i++) {
        if (!strncmp(argv[i], "--passes=", 9)) split_words(t->cli.ctx, &t->passes, argv[i] + 9);
        else if (!strncmp(argv[i], "--model=", 8)) t->model = argv[i] + 8;
        else argv[kept++] = argv[i];
    }
    return cli_parse(&t->cli, kept, argv);
}

static int run(Tool *t, int argc, char **argv) {
    static const char usage[] =
        "onnxcc-opt FILE [--passes=a,b,c] [--model=MODEL.onnx] [-O2] [-mcpu=NAME] [-o FILE]\n"
        "reads the text of a graph, program, plan or loops (- is standard input), verifies it,\n"
        "runs the named passes, and prints it; payloads of blobs come from the model, or from\n"
        "FILE.blobs in order of appearance\n";
    if (!parse(t, argc, argv)) return 1;
    if (t->cli.help || t->cli.help_all) return fputs(usage, stdout), 0;
    if (t->cli.version) return printf("onnxcc-opt %s\n", cli_version()), 0;
    if (t->cli.models.list.n != 1)
        return diag_error(t->cli.ctx, NULL, "one file is expected; onnxcc-opt --help says how"), 1;
    return transform(t, t->cli.models.list.at[0]);
}

static void end_fatally(int exit_code, const char *message) {
    fflush(stdout);
    fprintf(stderr, "%s\n", message);
    _Exit(exit_code);
}

int main(int argc, char **argv) {
    base_set_fatal(end_fatally);
    Tool tool = {.cli = {.ctx = ctx_new()}};
    int code = run(&tool, argc, argv);
    ctx_free(tool.cli.ctx);
    return code;
}
