/* From the command line to the result: the pipeline of one invocation, model by model, down to the
 * level asked for. */
#define _DEFAULT_SOURCE 1
#include "frontend/cli.h"
#include "ir/decisions.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct Unit { /* one model on its way */
    const char *path, *entry;
    Model *model;
    Graph *graph;
    Program *program;
    Plan *plan;
    const Loops **loops; /* one per processor */
} Unit;

typedef struct Job {
    Cli *cli;
    Ctx *ctx;
    Processors cpus;
    Options options;
    Unit *unit;
    int n;
    Entry *entries; /* what the generators get */
    EmitOptions emit;
    Decisions *decisions; /* that are read; NULL: none */
    Str dump;             /* those that are written */
    Map *dumped;
} Job;

/* ---- names ---- */

/* "build/libdigits.a" and "models/digits.onnx" give "digits", as a C identifier. */
static const char *base_name(Arena *arena, const char *path) {
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    if (!strncmp(name, "lib", 3) && strchr(name, '.')) name += 3;
    size_t n = strcspn(name, ".");
    char *out = arena_printf(arena, "_%.*s", (int)n, name);
    for (char *p = out; *p; p++) {
        bool ok = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9');
        if (!ok) *p = '_';
    }
    return n && (out[1] < '0' || out[1] > '9') ? out + 1 : n ? out : "model";
}

static bool is_text(int emit) {
    return emit >= EMIT_GRAPH || emit == EMIT_LLVM || emit == EMIT_C || emit == EMIT_CUDA;
}

static const char *output_name(const Cli *cli) {
    const char *base = base_name(cli->ctx->perm, cli->models.list.at[0]), *format = "a.out";
    if (cli->output) return cli->output;
    switch (cli->emit) {
    case EMIT_OBJ:
        format = "%s.o";
        break;
    case EMIT_STATICLIB:
        format = "lib%s.a";
        break;
    case EMIT_SHAREDLIB:
        format = "lib%s.so";
        break;
    case EMIT_CUBIN:
        format = "%s.cubin";
        break;
    case EMIT_PTX:
    case EMIT_ASM:
        return "/dev/stdout";
    default:
        return format;
    }
    const char *after = strstr(format, "%s");
    return arena_printf(cli->ctx->perm, "%.*s%s%s", (int)(after - format), format, base, after + 2);
}

static bool name_entries(Job *j) {
    const Cli *cli = j->cli;
    int given = cli->entries.list.n;
    if (given && given != j->n)
        return diag_error(j->ctx, NULL, "%d entries are named for %d models", given, j->n);
    for (int i = 0; i < j->n; i++) {
        bool library = cli->output && cli->emit != EMIT_EXE && j->n == 1;
        const char *from = given     ? cli->entries.list.at[i]
                           : library ? cli->output
                                     : j->unit[i].path;
        j->unit[i].entry = given ? from : base_name(j->ctx->perm, from);
        if (given && strcmp(base_name(j->ctx->perm, from), from))
            return diag_error(j->ctx, NULL, "entry \"%s\" is not a C identifier",
                              diag_name(j->ctx, from));
        for (int k = 0; k < i; k++)
            if (!strcmp(j->unit[k].entry, j->unit[i].entry))
                return diag_error(j->ctx, NULL,
                                  "two models are called %s; --entry=NAME,... tells them apart",
                                  j->unit[i].entry);
    }
    return true;
}

/* ---- levels ---- */

static bool import(Job *j, Unit *u) {
    ImportOptions o = {.dims = j->cli->dims.list.at,
                       .n_dims = j->cli->dims.list.n,
                       .keep = j->cli->keep.list.at,
                       .n_keep = j->cli->keep.list.n};
    u->model = model_open(j->ctx, u->path);
    u->graph = u->model ? model_import(u->model, &o) : NULL;
    if (u->graph) u->graph->name = arena_str(j->ctx->perm, u->entry);
    return u->graph != NULL;
}

static void say_dimensions(Graph *g) {
    Str s = str_new(g->ctx->perm);
    rdp_report(&s, g);
    fprintf(stderr, "onnxcc: %s", str_c(&s));
}

/* The schedules: chosen by the compiler, then those of --decisions. */
static bool schedule(Job *j, Unit *u) {
    if (!run_kernel_passes(u->program, &j->options)) return false;
    if (j->decisions && !decisions_apply(j->decisions, u->program)) return false;
    return true;
}

static bool to_loops(Job *j, Unit *u) {
    u->loops = NEW_ARRAY(j->ctx->perm, const Loops *, j->cpus.n);
    u->plan->scratch = u->plan->device_scratch = expr_int(j->ctx, 0);
    u->plan->scratch_streams = 0;
    for (int i = 0; i < j->cpus.n; i++) {
        Loops *l = lower_to_loops(u->plan, &j->options, j->cpus.machine[i]);
        if (!l) return false;
        if (j->options.torture) torture_loops(l, "lower_to_loops");
        u->loops[i] = l;
    }
    return true;
}

/* Brings one model down to the level that is asked for. */
static bool lower(Job *j, Unit *u) {
    int emit = j->cli->emit;
    j->ctx->file = u->path;
    if (j->cli->verbose) fprintf(stderr, "onnxcc: compiling %s\n", u->path);
    if (!import(j, u)) return false;
    u->graph->strict = j->options.fp == FP_STRICT;
    if (!run_graph_passes(u->graph, &j->options)) return false;
    if (j->cli->verbose) say_dimensions(u->graph);
    if (emit == EMIT_GRAPH) return true;
    u->program = lower_graph(u->graph, &j->options);
    if (!u->program) return false;
    if (j->options.torture) torture_program(u->program, "lower");
    if (!schedule(j, u)) return false;
    if (emit == EMIT_KERNELS) return true;
    u->plan = make_plan(u->program, &j->options);
    if (!u->plan) return false;
    if (j->options.torture) torture_plan(u->plan, "plan");
    if (emit == EMIT_PLAN) return true;
    return to_loops(j, u);
}

/* ---- schedules again, where a GPU cannot take the code ---- */
static bool revise_once(Job *j, Revisions **r, const Excesses *e, bool *again) {
    for (int i = 0; i < e->list.n; i++) {
        const Excess *x = &e->list.at[i];
        revisions_excess(r[x->entry], x->kernel, x->bytes, x->why);
    }
    *again = false;
    for (int i = 0; i < j->n; i++) {
        if (!revisions_next(r[i])) continue;
        if (!to_loops(j, &j->unit[i])) return false;
        j->entries[i].versions = j->unit[i].loops;
        *again = true;
    }
    return true;
}

/* CUDA C is text, and needs no GPU's compiler unless a GPU is named. */
static bool is_for_gpu(const Job *j) {
    if (j->emit.kind == EMIT_C) return false;
    if (j->emit.kind == EMIT_CUDA) return j->emit.n_gpu_arch > 0;
    return j->emit.device == ON_CUDA || j->emit.kind == EMIT_CUBIN;
}

static bool revise(Job *j) {
    Revisions **r = NEW_ARRAY(j->ctx->perm, Revisions *, j->n);
    bool ok = is_for_gpu(j);
    for (int i = 0; i < j->n; i++) r[i] = revisions_new(j->unit[i].program, &j->options);
    if (!ok) return true;
    for (bool again = true; again && ok;) {
        Excesses e;
        ok = codegen_excess(j->ctx, j->entries, j->n, &j->emit, &e) &&
             revise_once(j, r, &e, &again);
    }
    return ok;
}

/* ---- what the generators get ---- */
static EmitOptions emit_options(const Job *j) {
    const Cli *cli = j->cli;
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    return (EmitOptions){.kind = (EmitKind)cli->emit,
                         .output = output_name(cli),
                         .header = cli->header,
                         .triple = j->cpus.triple,
                         .cpu = j->cpus.cpu,
                         .features = j->cpus.features,
                         .weights = cli->weights,
                         .linker = cli->linker,
                         .sysroot = cli->sysroot,
                         .gpu_arch = cli->gpu_arch.list.at,
                         .n_gpu_arch = cli->gpu_arch.list.n,
                         .jobs = cli->jobs ? cli->jobs : (int)MAX(1, MIN(processors, 64)),
                         .debug = cli->debug,
                         .link_static = cli->link_static,
                         .bare_metal = j->cpus.bare_metal,
                         .verbose = cli->verbose,
                         .no_cache = cli->no_cache,
                         .device = (Device)cli->device,
                         .results = map_new(j->ctx->perm)};
}

static bool ready_to_emit(Job *j) {
    j->emit = emit_options(j);
    j->entries = NEW_ARRAY(j->ctx->perm, Entry, j->n);
    for (int i = 0; i < j->n; i++)
        j->entries[i] = (Entry){j->unit[i].entry, j->unit[i].loops, j->cpus.n, j->unit[i].plan};
    return revise(j);
}

/* ---- results ---- */

static void print_level(const Job *j, const Unit *u, Str *s) {
    switch (j->cli->emit) {
    case EMIT_GRAPH:
        graph_print(s, u->graph);
        break;
    case EMIT_KERNELS:
        program_print(s, u->program);
        break;
    case EMIT_PLAN:
        plan_print(s, u->plan);
        break;
    default:
        for (int i = 0; i < j->cpus.n; i++) loops_print(s, u->loops[i]);
    }
}

static int emit_levels(Job *j) {
    Str s = str_new(j->ctx->perm);
    for (int i = 0; i < j->n; i++) print_level(j, &j->unit[i], &s);
    return write_text(j->ctx, j->cli->output, str_c(&s), s.n);
}

static int emit_source(Job *j) {
    const EmitOptions *o = &j->emit;
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    if (!f) die("onnxcc: out of memory");
    int code = j->cli->emit == EMIT_LLVM ? codegen_emit_llvm_text(j->ctx, j->entries, j->n, o, f)
               : j->cli->emit == EMIT_C  ? codegen_emit_c(j->ctx, j->entries, j->n, o, f)
                                         : codegen_emit_cuda(j->ctx, j->entries, j->n, o, f);
    fclose(f);
    if (!code) code = write_text(j->ctx, j->cli->output, text, size);
    free(text);
    return code;
}

/* ---- the whole ---- */

static const char *last_level(int emit) {
    return emit == EMIT_GRAPH     ? "graph"
           : emit == EMIT_KERNELS ? "kernels"
           : emit == EMIT_PLAN    ? "plan"
                                  : "loops";
}

static bool check_dump(Ctx *ctx, const char *name) {
    Level level;
    bool (*fn)(void *, const Options *);
    return !name || !strcmp(name, "all") || pass_by_name(name, &level, &fn) ||
           diag_error(ctx, NULL, "--dump-after: there is no pass \"%s\"; --print-passes lists them",
                      diag_name(ctx, name));
}

static bool open_job(Job *j) {
    const Cli *cli = j->cli;
    if (!check_dump(j->ctx, cli->dump_after)) return false;
    if (!processors_pick(cli, &j->cpus)) return false;
    if (cli->emit == EMIT_EXE && j->cpus.bare_metal)
        return diag_error(
            j->ctx, NULL,
            "a bare-metal target has no executables; --emit=staticlib makes a library");
    j->options = (Options){.level = cli->level,
                           .fp = (FpMode)cli->fp,
                           .precision = (DType)cli->precision,
                           .machine = j->cpus.machine,
                           .n_machines = j->cpus.n,
                           .host = j->cpus.host,
                           .one_memory = cli->device == ON_CUDA_EMU,
                           .static_only = j->cpus.bare_metal,
                           .verify_each = cli->verify_each,
                           .time_passes = cli->time_passes,
                           .torture = cli->torture,
                           .dump_after = cli->dump_after,
                           .dump = stdout,
                           .stop_after = last_level(cli->emit)};
    j->n = cli->models.list.n;
    j->unit = NEW_ARRAY(j->ctx->perm, Unit, j->n);
    for (int i = 0; i < j->n; i++) j->unit[i].path = cli->models.list.at[i];
    return name_entries(j);
}

static bool open_decisions(Job *j) {
    size_t n;
    const char *path = j->cli->decisions, *text = path ? read_text(j->ctx, path, &n) : NULL;
    j->dump = str_new(j->ctx->perm);
    j->dumped = map_new(j->ctx->perm);
    if (text) j->decisions = decisions_open(j->ctx, path, text, n);
    return !path || text;
}

static bool close_decisions(Job *j) {
    const char *path = j->cli->dump_decisions;
    for (int i = 0; i < j->n && path; i++)
        decisions_print(&j->dump, j->unit[i].program, j->dumped);
    if (j->decisions) decisions_warn_unused(j->decisions);
    return !path || !write_text(j->ctx, path, str_c(&j->dump), j->dump.n);
}

int compile(Cli *cli) {
    Job j = {.cli = cli, .ctx = cli->ctx};
    int code = 1;
    bool ok = open_job(&j) && open_decisions(&j);
    for (int i = 0; i < j.n && ok; i++) ok = lower(&j, &j.unit[i]);
    ok = ok && (cli->emit >= EMIT_GRAPH || ready_to_emit(&j)) && close_decisions(&j);
    if (ok)
        code = cli->emit >= EMIT_GRAPH ? emit_levels(&j)
               : is_text(cli->emit)    ? emit_source(&j)
                                       : codegen_emit(j.ctx, j.entries, j.n, &j.emit);
    for (int i = 0; i < j.n; i++) model_close(j.unit[i].model);
    return code;
}
