/* Schedules against meaning: each graph is lowered and interpreted as it is; then it is fused, laid
 * out, scheduled for machines, planned and applied, and its loops are interpreted in the arena that
 * the plan gives, with the parallel iterations in shuffled order. Both must agree, at sizes around
 * the tiles' edges. Nothing here depends on the machine that runs the test.
 *
 *   unit_schedule [NAME | FILE.ir] ...
 *
 * A file holds graphs or programs, separated by lines of dashes or by `# test` lines. A line `#
 * sizes: 1 5, 2 14` gives the values of the symbols, in order, for each run; without it they are
 * about 3. A text with a how for the machine cuda runs for that one alone. Inputs are
 * uniform in -1..1; integers count 0, 1, 2, 0, ... Programs with calls or control flow are left
 * out. */
#include <math.h>
#include <stdlib.h>

#include "ir/lex.h"
#include "ir/scalar_eval.h"
#include "passes/passes.h"
#include "runtime/core/place.h"

enum { MAX_SIZES = 12, MAX_SYMS = 4, MAX_STORED = 512 };

typedef struct Case {
    const char *name, *text;
    int64_t sizes[MAX_SIZES][MAX_SYMS]; /* values of the symbols, in order; ends with -1 */
} Case;

#define NONE                                                                                       \
    {                                                                                              \
        {0, 0}, {                                                                                  \
            -1                                                                                     \
        }                                                                                          \
    }
static const Case cases[] = {
    {"conv_chain",
     "graph g(%x : f32[1,3,10,11]) -> (%y : f32[1,20,5,6]) {\n"
     "  const %w : f32[20,3,3,3] = rand(1)\n  const %b : f32[20] = rand(2)\n"
     "  const %v : f32[20,20,1,1] = rand(3)\n  const %zero : f32[] = 0.0\n"
     "  %a : f32[1,20,10,11] = conv %x, %w, %b {pads=[1,1,1,1]}\n"
     "  %r : f32[1,20,10,11] = max %a, %zero\n  %c : f32[1,20,10,11] = conv %r, %v\n"
     "  %s : f32[1,20,10,11] = add %c, %r\n"
     "  %y : f32[1,20,5,6] = pool %s {kind=\"max\", kernel=[3,3], strides=[2,2], pads=[1,1,1,1], "
     "shape=[5,6]}\n"
     "  return %y\n}\n",
     NONE},
    {"conv_batch",
     "graph g(%x : f32[N,2,6,T]) -> (%y : f32[N,5,6,T]) where N in 0..64, T in 1..64 {\n"
     "  const %w : f32[5,2,3,3] = rand(1)\n  const %v : f32[5,5,3,3] = rand(3)\n"
     "  %a : f32[N,5,6,T] = conv %x, %w {pads=[1,1,1,1]}\n"
     "  %y : f32[N,5,6,T] = conv %a, %v {pads=[1,1,1,1]}\n  return %y\n}\n",
     {{0, 3}, {1, 1}, {1, 5}, {2, 7}, {3, 8}, {-1}}},
    {"groups",
     "graph g(%x : f32[2,24,7,9]) -> (%y : f32[2,24]) {\n"
     "  const %w : f32[24,1,3,3] = rand(1)\n  const %v : f32[24,6,3,3] = rand(3)\n"
     "  %a : f32[2,24,7,9] = conv %x, %w {pads=[1,1,1,1], group=24}\n"
     "  %c : f32[2,24,4,5] = conv %a, %v {pads=[1,1,1,1], strides=[2,2], group=4}\n"
     "  %y : f32[2,24] = reduce %c {kind=\"mean\", axes=[2,3]}\n  return %y\n}\n",
     NONE},
    {"contract",
     "graph g(%x : f32[N,T,40]) -> (%y : f32[N,T,13]) where N in 0..64, T in 0..512 {\n"
     "  const %w : f32[40,36] = rand(1)\n  const %b : f32[36] = rand(2)\n  const %v : f32[36,13] = "
     "rand(3)\n"
     "  %a : f32[N,T,36] = contract %x, %w {spec=\"bmk,kn->bmn\"}\n  %c : f32[N,T,36] = add %a, "
     "%b\n"
     "  %n : f32[N,T,36] = norm %c {axes=[2], eps=1e-05, center=1}\n  %m : f32[N,T,36] = add %n, "
     "%c\n"
     "  %y : f32[N,T,13] = contract %m, %v {spec=\"bmk,kn->bmn\"}\n  return %y\n}\n",
     {{0, 5}, {1, 1}, {1, 13}, {1, 14}, {1, 15}, {3, 9}, {2, 14}, {-1}}},
    {"attention",
     "graph g(%x : f32[N,T,48]) -> (%y : f32[N,T,16]) where N in 0..64, T in 1..512 {\n"
     "  %r : f32[N,T,3,2,8] = reshape %x {shape=[N,T,3,2,8]}\n"
     "  %t : f32[3,N,2,T,8] = transpose %r {perm=[2,0,3,1,4]}\n"
     "  %q0 : f32[1,N,2,T,8] = slice %t {starts=[0,0,0,0,0], steps=[1,1,1,1,1], "
     "shape=[1,N,2,T,8]}\n"
     "  %k0 : f32[1,N,2,T,8] = slice %t {starts=[1,0,0,0,0], steps=[1,1,1,1,1], "
     "shape=[1,N,2,T,8]}\n"
     "  %v0 : f32[1,N,2,T,8] = slice %t {starts=[2,0,0,0,0], steps=[1,1,1,1,1], "
     "shape=[1,N,2,T,8]}\n"
     "  %q : f32[N,2,T,8] = reshape %q0 {shape=[N,2,T,8]}\n  %k : f32[N,2,T,8] = reshape %k0 "
     "{shape=[N,2,T,8]}\n"
     "  %v : f32[N,2,T,8] = reshape %v0 {shape=[N,2,T,8]}\n"
     "  %o : f32[N,2,T,8] = attention %q, %k, %v {scale=0.3, causal=1}\n"
     "  %p : f32[N,T,2,8] = transpose %o {perm=[0,2,1,3]}\n  %y : f32[N,T,16] = reshape %p "
     "{shape=[N,T,16]}\n"
     "  return %y\n}\n",
     {{0, 3}, {1, 1}, {1, 11}, {2, 12}, {1, 13}, {1, 33}, {-1}}},
    {"softmax_concat",
     "graph g(%x : f32[N,T]) -> (%y : f32[N,T + 3]) where N in 0..64, T in 1..512 {\n"
     "  const %c : f32[1,3] = rand(5)\n  %e : f32[N,3] = expand %c {shape=[N,3]}\n"
     "  %s : f32[N,T] = softmax %x {axis=1}\n  %t : f32[N,T] = mul %s, %x\n"
     "  %y : f32[N,T + 3] = concat %t, %e {axis=1}\n  return %y\n}\n",
     {{0, 3}, {1, 1}, {2, 31}, {3, 32}, {1, 33}, {2, 65}, {-1}}},
    {"scan_arg",
     "graph g(%x : f32[N,T]) -> (%y : f32[N,T], %z : i64[N]) where N in 0..64, T in 1..512 {\n"
     "  %y : f32[N,T] = cumulate %x {kind=\"sum\", axis=1, exclusive=1, reverse=1}\n"
     "  %z : i64[N] = reduce %x {kind=\"argmax\", axes=[1]}\n  return %y, %z\n}\n",
     {{0, 3}, {1, 1}, {3, 17}, {2, 40}, {-1}}},
};

static int failures, checks;

/* ---- values ---- */
static uint32_t state = 12345;

static double next_random(void) {
    state = state * 1664525u + 1013904223u;
    return (double)(state >> 8) / 8388608.0 - 1.0;
}

typedef struct Env {
    SymValue syms[16];
    int n;
    Ctx *ctx;
} Env;

static int64_t sym_value(void *user, const Sym *s) {
    const Env *e = user;
    for (int i = 0; i < e->n; i++)
        if (!strcmp(e->syms[i].sym->name, s->name)) return e->syms[i].value;
    BUG("symbol %s has no value", s->name);
}

static int64_t no_var(void *user, const Var *v) {
    (void)user, (void)v;
    return 0;
}

static int64_t eval(const Env *env, const Expr *e) {
    ExprEnv x = {no_var, sym_value, (void *)env};
    int64_t v = -1;
    if (!expr_eval_index(e, &x, &v)) BUG("cannot evaluate a size");
    return v;
}

static Env env_of(Ctx *ctx, const Program *p, const int64_t *size) {
    Env env = {.ctx = ctx};
    for (int i = 0; i < p->syms.n; i++) {
        Sym *s = p->syms.at[i];
        if (s->kind != SYM_INPUT && s->kind != SYM_DERIVED) BUG("no values are expected");
        CHECK(env.n < LEN(env.syms));
        int64_t v = s->kind == SYM_DERIVED ? eval(&env, s->def)
                    : size[i] < 0          ? MAX(s->lo, MIN(s->hi, 3))
                                           : size[i];
        env.syms[env.n++] = (SymValue){s, v};
    }
    return env;
}

static Buffer buffer_of(const Env *env, Tensor *t) {
    Buffer b = {.tensor = t};
    int64_t n = 1;
    for (int i = 0; i < t->rank; i++) n *= b.dims[i] = eval(env, t->dims[i]);
    b.data = arena_alloc(env->ctx->perm, (size_t)(n + 1) * dtype_bytes(t->dtype));
    return b;
}

static int64_t elements(const Buffer *b) {
    int64_t n = 1;
    for (int i = 0; i < b->tensor->rank; i++) n *= b->dims[i];
    return n;
}

static void *element(const Buffer *b, int64_t i) {
    return (char *)b->data + (size_t)i * dtype_bytes(b->tensor->dtype);
}

static void fill(const Buffer *b) {
    DType t = b->tensor->dtype;
    for (int64_t i = 0; i < elements(b); i++) {
        double v = dtype_is_float(t) ? next_random() : (double)(i % 3);
        scalar_store(t, element(b, i), scalar_cast(DT_F64, t, (ScalarValue){.d = v}));
    }
}

/* ---- physical buffers ---- */
typedef struct Store {
    const Env *env;
    const Plan *plan;
    char *arena;
    int64_t *offset; /* of the plan's buffers */
    Tensor *at[MAX_STORED];
    void *data[MAX_STORED];
    int64_t size[MAX_STORED];
    int n;
} Store;

static void *poisoned(Ctx *ctx, int64_t bytes) { /* nothing may depend on what memory holds */
    return memset(arena_alloc(ctx->perm, (size_t)bytes), 0x7f, (size_t)bytes);
}

static void place(Store *s, Ctx *ctx) {
    int n = s->plan->buffers.n;
    struct onnxcc_live *live = NEW_ARRAY(ctx->perm, struct onnxcc_live, n + 1);
    int64_t *work = NEW_ARRAY(ctx->perm, int64_t, 2 * n + 1), end;
    s->offset = NEW_ARRAY(ctx->perm, int64_t, n + 1);
    for (int i = 0; i < n; i++) {
        const PlanBuffer *b = &s->plan->buffers.at[i];
        live[i] = (struct onnxcc_live){eval(s->env, b->bytes), b->first, b->last};
    }
    end = onnxcc_place(live, n, 0, s->offset, work);
    for (int i = 0; i < n && s->plan->arena >= 0; i++)
        if (s->plan->buffers.at[i].offset != s->offset[i]) BUG("the plan has another place");
    s->arena = poisoned(ctx, end + 64);
}

static char *place_of(const Store *s, const Tensor *t) {
    for (int i = 0; i < s->plan->buffers.n; i++)
        if (s->plan->buffers.at[i].tensor == t) return s->arena + s->offset[i];
    return NULL;
}

static int64_t offset_at(const Env *env, const Tensor *t, const int64_t *index) {
    Expr *e[MAX_RANK];
    for (int i = 0; i < t->rank; i++) e[i] = expr_int(env->ctx, index[i]);
    return eval(env, tensor_offset(env->ctx, t, e));
}

static void pack(const Env *env, const Tensor *t, char *to) {
    int64_t dims[MAX_RANK], index[MAX_RANK] = {0}, n = 1;
    size_t bytes = dtype_bytes(t->dtype);
    const char *from = const_bytes(env->ctx, t->data);
    int each = t->packed ? 8 / t->packed : 1;
    memset(to, 0, (size_t)eval(env, tensor_elements(env->ctx, t)) * bytes);
    for (int i = 0; i < t->rank; i++) n *= dims[i] = eval(env, t->dims[i]);
    for (int64_t k = 0; k < n; k++) {
        int64_t at = offset_at(env, t, index);
        if (t->packed)
            to[at / each] |= (char)((from[k] & ((1 << t->packed) - 1)) << (at % each * t->packed));
        else memcpy(to + (size_t)at * bytes, from + (size_t)k * bytes, bytes);
        for (int d = t->rank - 1; d >= 0 && ++index[d] == dims[d]; d--) index[d] = 0;
    }
}

static int slot(Store *s, Tensor *t) {
    while (t->alias) t = t->alias;
    for (int i = 0; i < s->n; i++)
        if (s->at[i] == t) return i;
    CHECK(s->n < MAX_STORED);
    Ctx *ctx = s->env->ctx;
    int64_t n = eval(s->env, tensor_elements(ctx, t));
    s->at[s->n] = t;
    s->size[s->n] = n;
    s->data[s->n] = place_of(s, t);
    if (!s->data[s->n]) s->data[s->n] = poisoned(ctx, (n + 1) * (int64_t)dtype_bytes(t->dtype));
    if (t->space == SP_CONST) pack(s->env, t, s->data[s->n]);
    return s->n++;
}

static bool run_launch(LStmt *c, Store *s, uint64_t seed) {
    void *data[64];
    int64_t size[64];
    CHECK(c->n_args <= LEN(data));
    for (int k = 0; k < c->n_args; k++) {
        int at = slot(s, c->args[k]);
        data[k] = s->data[at];
        size[k] = s->size[at];
    }
    return lfunc_interp(s->env->ctx, c->func, data, size, s->env->syms, s->env->n, seed);
}

static bool run_body(const LBody *b, Store *s, uint64_t seed) {
    for (int i = 0; i < b->at.n; i++) {
        LStmt *c = b->at.at[i];
        if (c->kind == L_IF) {
            if (!run_body(eval(s->env, c->cond) ? &c->body : &c->other, s, seed)) return false;
            continue;
        }
        /* one memory, and one thing after the other */
        if (c->kind == L_STREAM || (c->kind == L_COPY && c->args[0] == c->args[1])) continue;
        if (c->kind != L_LAUNCH) BUG("only launches are expected");
        if (!run_launch(c, s, seed)) return false;
    }
    return true;
}

/* ---- comparing ---- */
/* Another order of sums, and where they are rounded to 11 or 8 bits, a unit of these. */
static double slack_of(DType t, double x) {
    if (t == DT_F16) return 2e-4 + 1e-3 * fabs(x);
    if (t == DT_BF16) return 1e-3 + 8e-3 * fabs(x);
    return dtype_is_float(t) ? 2e-5 + 2e-4 * fabs(x) : 0;
}

static bool close_enough(const Buffer *a, const void *got) {
    Buffer b = *a;
    DType t = a->tensor->dtype;
    b.data = (void *)got;
    for (int64_t i = 0; i < elements(a); i++) {
        double x = scalar_double(t, scalar_load(t, element(a, i)));
        double y = scalar_double(t, scalar_load(t, element(&b, i)));
        if (x == y || fabs(x - y) <= slack_of(t, x) || (isnan(x) && isnan(y))) continue;
        printf("    element %lld of %s: %g, meant %g\n", (long long)i, a->tensor->name, y, x);
        return false;
    }
    return true;
}

typedef struct Setting {
    int n;
    const char *machine[2];
} Setting;
static const Setting settings[] = {
    {1, {"x86-64-v4"}},
    {1, {"x86-64-v3"}},
    {1, {"aarch64"}},
    {1, {"generic"}},
    {1, {"cortex-m4"}},
    {1, {"cuda"}},
    {2, {"x86-64-v4", "x86-64-v3"}},
};

/* The case as kernels, one for each node. */
static Program *program_of(Ctx *ctx, const Case *c, const Options *opt) {
    Lexer *x = lex_open(ctx, c->name, c->text, strlen(c->text));
    if (lex_at_word(x, "program")) {
        Program *p = program_parse(ctx, x);
        if (!p || !program_verify(p, "in the test")) BUG("%s: does not parse", c->name);
        return p;
    }
    Graph *g = graph_parse(ctx, x);
    if (!g || !graph_verify(g, "in the test")) BUG("%s: does not parse", c->name);
    return lower_graph(g, opt);
}

/* Runs the code for one machine on the inputs; are the results what was meant? */
static bool run_code(Plan *plan, const Options *opt, const Machine *m, const Env *env,
                     const Buffer *in, const Buffer *meant) {
    Program *p = plan->program;
    Loops *l = lower_to_loops(plan, opt, m);
    Store *s = NEW(env->ctx->perm, Store);
    *s = (Store){.env = env, .plan = plan};
    place(s, env->ctx);
    for (int i = 0; i < p->inputs.n; i++) {
        size_t bytes = (size_t)elements(&in[i]) * dtype_bytes(in[i].tensor->dtype);
        memcpy(s->data[slot(s, p->inputs.at[i])], in[i].data, bytes);
    }
    if (!loops_verify(l, "after lowering") || !run_body(&l->run->body, s, 7)) return false;
    for (int i = 0; i < p->outputs.n; i++)
        if (!close_enough(&meant[i], s->data[slot(s, p->outputs.at[i])])) return false;
    return true;
}

/* ---- other schedules for GPUs ---- */
typedef struct Revising {
    Revisions *r;
    int64_t excess;
} Revising;

static void blame(void *user, Block *b, Item *it) {
    const Revising *r = user;
    (void)b;
    if (it->kind == ITEM_KERNEL) revisions_excess(r->r, it->kernel, r->excess, "in the test");
}

static int count_revised(const Program *p) {
    int n = 0;
    for (int i = 0; i < p->body->items.n; i++)
        if (p->body->items.at[i]->kind == ITEM_KERNEL)
            n += p->body->items.at[i]->kernel->note != NULL;
    return n;
}

/* As if a GPU's compiler found fault with every kernel, and more with each schedule that follows:
 * all are right, and the first one is left in the end. */
static bool run_revisions(Plan *plan, const Options *opt, const Env *env, const Buffer *in,
                          const Buffer *meant) {
    Revising r = {revisions_new(plan->program, opt), 100};
    bool ok = true;
    for (int round = 0; ok; round++, r.excess++) {
        program_each_item(plan->program, blame, &r);
        if (!revisions_next(r.r)) break;
        CHECK(round < 20);
        checks++;
        plan->scratch = expr_int(env->ctx, 0);
        ok = run_code(plan, opt, opt->machine[0], env, in, meant);
    }
    if (ok && count_revised(plan->program)) {
        printf("    a worse schedule was kept\n");
        return false;
    }
    return ok;
}

static void check_size(const Case *c, const Setting *set, int level, const int64_t *size) {
    Ctx *ctx = ctx_new();
    const Machine *m[2] = {NULL, NULL};
    for (int i = 0; i < set->n; i++) m[i] = machine_by_name(set->machine[i]);
    Options opt = {.level = level,
                   .fp = FP_DEFAULT,
                   .machine = m,
                   .n_machines = set->n,
                   .verify_each = true};
    Program *what = program_of(ctx, c, &opt), *p = program_of(ctx, c, &opt);
    if (!what || !p || !run_kernel_passes(p, &opt)) BUG("%s: no code", c->name);
    pass_carriers(what); /* the same inputs and outputs as p; tests/unit_narrow.c checks the pass */
    Env own = env_of(ctx, what, size), env = env_of(ctx, p, size);
    Buffer in[8], meant[8];
    CHECK(p->inputs.n <= LEN(in) && p->outputs.n <= LEN(meant));
    for (int i = 0; i < what->inputs.n; i++) {
        in[i] = buffer_of(&own, what->inputs.at[i]);
        fill(&in[i]);
    }
    for (int i = 0; i < what->outputs.n; i++) meant[i] = buffer_of(&own, what->outputs.at[i]);
    if (!program_interp(what, in, meant, own.syms, own.n, ctx->perm))
        BUG("%s: no meaning", c->name);
    Plan *plan = make_plan(p, &opt);
    bool ok = plan_verify(plan, "in the test");
    for (int i = 0; ok && i < set->n; i++) {
        checks++;
        ok = run_code(plan, &opt, m[i], &env, in, meant) &&
             (strcmp(m[i]->name, "cuda") ||
              run_revisions(plan, &opt, &env, in, meant));
        if (ok) continue;
        failures++;
        printf("%s: wrong for %s of %d at level %d, sizes", c->name, set->machine[i], set->n,
               level);
        for (int k = 0; k < env.n; k++)
            printf(" %s=%lld", env.syms[k].sym->name, (long long)env.syms[k].value);
        printf("\n");
    }
    ctx_free(ctx);
}

static void check_case(const Case *c) {
    bool cuda = strstr(c->text, "how \"cuda\"") != NULL;
    for (int m = 0; m < LEN(settings); m++) {
        if (cuda && strcmp(settings[m].machine[0], "cuda")) continue;
        for (int level = 0; level <= 2; level += 2)
            for (int s = 0; s == 0 || (s < MAX_SIZES && c->sizes[s][0] >= 0); s++)
                check_size(c, &settings[m], level, c->sizes[s]);
    }
}

/* ---- files ---- */
static void read_sizes(const char *text, Case *c) {
    int n = 0, k = 0;
    char *end;
    for (int i = 0; i < MAX_SIZES * MAX_SYMS; i++) c->sizes[i / MAX_SYMS][i % MAX_SYMS] = -1;
    text = strstr(text, "# sizes:");
    if (!text) return;
    for (text += strlen("# sizes:"); *text && *text != '\n'; text = end) {
        int64_t v = strtoll(text, &end, 10);
        CHECK(end > text && k < MAX_SYMS && n < MAX_SIZES - 1);
        c->sizes[n][k++] = v;
        if (*end == ',') n++, k = 0, end++;
    }
}

/* Where the next part of a file begins. */
static char *next_part(char *text) {
    char *dashes = strstr(text, "\n---"), *test = strstr(text, "\n# test ");
    if (dashes && (!test || dashes < test)) return dashes;
    return test ? test : text + strlen(text);
}

static void check_part(Arena *a, char *text) {
    char *graph = strstr(text, "graph "), *program = strstr(text, "program ");
    while (program && program > text && program[-1] != '\n')
        program = strstr(program + 1, "program ");
    while (graph && graph > text && graph[-1] != '\n') graph = strstr(graph + 1, "graph ");
    if (!graph && !program) return;
    if (program && (strstr(program, "\n  call ") || strstr(program, "\n  loop "))) return;
    char *name = strchr(graph ? graph : program, ' ') + 1;
    Case c = {.name = arena_strn(a, name, strcspn(name, "(")), .text = graph ? graph : program};
    read_sizes(text, &c);
    check_case(&c);
}

static void check_file(const char *path) {
    Arena *a = arena_new();
    FILE *f = fopen(path, "rb");
    if (!f) BUG("cannot open %s", path);
    char *text = arena_alloc(a, 1 << 20);
    text[fread(text, 1, (1 << 20) - 1, f)] = 0;
    fclose(f);
    for (char *end; *text; text = end) {
        end = next_part(text);
        if (*end) *end++ = 0;
        check_part(a, text);
    }
    arena_free(a);
}

int main(int argc, char **argv) {
    for (int i = 0; i < LEN(cases); i++)
        for (int k = MIN(1, argc - 1); k < argc; k++)
            if (argc == 1 || !strcmp(argv[k], cases[i].name)) check_case(&cases[i]);
    for (int k = 1; k < argc; k++)
        if (strstr(argv[k], ".ir")) check_file(argv[k]);
    printf("%d checks, %d failures\n", checks, failures);
    return failures || !checks;
}
