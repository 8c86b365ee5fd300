/* The order of all passes, level by level. */
#include <time.h>

#include "passes/passes.h"

typedef struct Run { /* one pass over one object */
    const Options *opt;
    const char *name;
    Ctx *ctx;
    clock_t start;
} Run;

bool compiles_for_gpu(const Options *opt) {
    return opt->n_machines && !strcmp(opt->machine[0]->family, "cuda");
}

static void begin(Run *r, const char *name) {
    r->name = name;
    r->start = clock();
}

static bool wants_dump(const Options *o, const char *name) {
    return o->dump && o->dump_after &&
           (!strcmp(o->dump_after, name) || !strcmp(o->dump_after, "all"));
}

static void finish(Run *r, bool changed, const char *text) {
    if (r->opt->time_passes)
        fprintf(stderr, "%8.1f ms  %s%s\n", 1e3 * (double)(clock() - r->start) / CLOCKS_PER_SEC,
                r->name, changed ? "" : " (unchanged)");
    if (text)
        fprintf(r->opt->dump, "# after %s%s\n%s", r->name, changed ? "" : " (unchanged)", text);
}

/* ---- graph ---- */
static bool after_graph(Run *r, Graph *g, bool changed) {
    Str text = str_new(g->ctx->perm);
    bool dump = wants_dump(r->opt, r->name);
    if (dump) graph_print(&text, g);
    finish(r, changed, dump ? str_c(&text) : NULL);
    if (r->opt->verify_each && !graph_verify(g, r->name)) BUG("pass %s broke the graph", r->name);
    if (r->opt->torture) torture_graph(g, r->name);
    return changed;
}

#define GRAPH(pass, ...)                                                                           \
    (begin(&r, #pass), again |= after_graph(&r, g, pass_##pass(g, ##__VA_ARGS__)))

bool run_graph_passes(Graph *g, const Options *opt) {
    static const int rounds[] = {0, 1, 4, 16}; /* by -O */
    Run r = {.opt = opt, .ctx = g->ctx};
    bool again = false;
    GRAPH(dce);
    GRAPH(rdp);
    GRAPH(demands);
    if (opt->level == 0) return diag_errors(g->ctx) == 0;
    if (opt->level > 1) GRAPH(quantized, opt); /* before fold makes floats of weights */
    GRAPH(fold, opt);
    GRAPH(cse);
    for (int round = 0; round < rounds[opt->level]; round++) {
        again = false;
        GRAPH(algebra);
        /* before merge_contracts: attention wants its three products apart */
        if (opt->level > 1) GRAPH(patterns);
        GRAPH(fold, opt);
        GRAPH(cse);
        GRAPH(dce);
        if (!again) break;
    }
    if (opt->level == 1) return diag_errors(g->ctx) == 0;
    GRAPH(merge_contracts);
    GRAPH(algebra);
    GRAPH(fold, opt);
    GRAPH(cse);
    GRAPH(dce);
    return diag_errors(g->ctx) == 0;
}

/* ---- kernels ---- */
static bool after_kernels(Run *r, Program *p, bool changed) {
    Str text = str_new(p->ctx->perm);
    bool dump = wants_dump(r->opt, r->name);
    if (dump) program_print(&text, p);
    finish(r, changed, dump ? str_c(&text) : NULL);
    if (r->opt->verify_each && !program_verify(p, r->name))
        BUG("pass %s broke the kernels", r->name);
    if (r->opt->torture) torture_program(p, r->name);
    return changed;
}

#define KERNELS(pass, ...) (begin(&r, #pass), after_kernels(&r, p, pass_##pass(p, ##__VA_ARGS__)))

bool run_kernel_passes(Program *p, const Options *opt) {
    Run r = {.opt = opt, .ctx = p->ctx};
    KERNELS(carriers); /* first: no later pass and no generator knows the narrow types */
    if (diag_errors(p->ctx)) return false;
    if (opt->level > 0) {
        KERNELS(concats); /* before fuse: producers then write their part themselves */
        KERNELS(fuse, opt);
        KERNELS(scatters); /* after fuse: what computes the first values has moved into them */
    }
    KERNELS(precision, opt); /* after fuse: what is left is stored; before layout: sizes count */
    if (opt->level > 1) {
        /* after fuse: views are gone, what is left are the tensors that will be stored */
        KERNELS(layout);
        if (!compiles_for_gpu(opt)) KERNELS(turn); /* tiles of a GPU are turned on their way */
    }
    if (opt->host) KERNELS(placement, opt);          /* kernels are final from here on */
    if (opt->level > 1) KERNELS(gpu_integers, opt);  /* before gpu_rows: it makes sums of rows */
    if (opt->level > 1) KERNELS(gpu_keys, opt);      /* parts of attention are attention */
    if (opt->level > 1) KERNELS(gpu_attention, opt); /* before gpu_rows: it has rows of keys */
    /* after layout: what lies next to each other; before gpu_rows, which has recipes for both */
    if (opt->level > 1) KERNELS(gpu_split, opt);
    if (opt->level > 1) KERNELS(gpu_rows, opt);
    if (opt->level > 1) KERNELS(gpu_turns, opt);
    KERNELS(numerics, opt);  /* before lower_math: sums of products are still visible as such */
    KERNELS(fast_math, opt); /* before lower_math: its expansions depend on every rounding */
    KERNELS(lower_math, opt);
    if (opt->level > 1) KERNELS(order, opt);
    /* after order; before inplace: nothing shares storage with the other side */
    if (opt->host) KERNELS(copies, opt);
    /* after layout and order: what dies where, and which elements lie where */
    if (opt->level > 0) KERNELS(inplace);
    if (opt->level > 0) KERNELS(streams, opt); /* after inplace: what shares storage */
    KERNELS(schedule, opt);
    return diag_errors(p->ctx) == 0;
}
