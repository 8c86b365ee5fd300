/* The plan: places of buffers never overlap and waste little; the order of kernels never needs more
 * than the given one, nor does storage that is shared. Lifetimes, segments and text by example. */
#include "ir/lex.h"
#include "passes/passes.h"
#include "runtime/core/place.h"

#include <stdlib.h>

enum { MAX_BUFFERS = 200 };

static int failures;
static uint32_t state = 1;

static uint32_t random_below(uint32_t n) {
    state = state * 1664525u + 1013904223u;
    return (state >> 8) % n;
}

static void fail(const char *what, int n) {
    failures++;
    printf("%s, case %d\n", what, n);
}

/* ---- places ---- */
typedef struct Lives {
    struct onnxcc_live at[MAX_BUFFERS];
    int n;
} Lives;

static void add(Lives *l, int64_t bytes, int64_t first, int64_t last) {
    if (l->n < MAX_BUFFERS)
        l->at[l->n++] = (struct onnxcc_live){(bytes + 63) / 64 * 64, first, last};
}

/* A network in steps of one kernel: results die where the next one is made, but for residuals over
 * a few steps and long connections from the first half to the second, as in a U-Net. Sizes fall and
 * rise in powers of two. */
static void network(Lives *l) {
    int steps = 10 + (int)random_below(60);
    bool unet = random_below(3) == 0;
    int64_t base = 64 * (1 + random_below(4000));
    l->n = 0;
    for (int i = 0; i < steps; i++) {
        int depth = MIN(i, steps - 1 - i) * 6 / steps;
        int64_t bytes = unet ? base >> depth : base >> (i * 4 / steps);
        int last = i + 1;
        if (random_below(4) == 0) last += 1 + (int)random_below(3);
        if (unet && i < steps / 2 && random_below(3) == 0) last = steps - 1 - i;
        if (random_below(5) == 0) bytes *= 4; /* expanded, and read at once */
        add(l, bytes, i, MAX(MIN(last, steps), i));
        if (random_below(6) == 0) add(l, bytes / 2, i, i); /* scratch of a call */
    }
}

static void anything(Lives *l) {
    l->n = (int)random_below(MAX_BUFFERS);
    for (int i = 0; i < l->n; i++) {
        int64_t first = random_below(50);
        l->at[i] = (struct onnxcc_live){64 * random_below(1000), first, first + random_below(20)};
    }
}

static int64_t largest_set(const Lives *l) {
    int64_t most = 0;
    for (int step = 0; step < 100; step++) {
        int64_t sum = 0;
        for (int i = 0; i < l->n; i++)
            if (l->at[i].first <= step && step <= l->at[i].last) sum += l->at[i].bytes;
        most = MAX(most, sum);
    }
    return most;
}

static bool in_order(const Lives *l, const int64_t *offset, int64_t base, int64_t end) {
    for (int i = 0; i < l->n; i++) {
        const struct onnxcc_live *a = &l->at[i];
        if (offset[i] < base || offset[i] + a->bytes > end || (offset[i] - base) % 64) return false;
        for (int k = 0; k < i; k++) {
            const struct onnxcc_live *b = &l->at[k];
            if (a->first > b->last || b->first > a->last) continue;
            if (offset[i] < offset[k] + b->bytes && offset[k] < offset[i] + a->bytes) return false;
        }
    }
    return true;
}

static void check_places(void) {
    enum { CASES = 200 };
    Ctx *ctx = ctx_new();
    static Lives l;
    static int64_t offset[MAX_BUFFERS], work[2 * MAX_BUFFERS];
    double sum = 0, worst = 0;
    for (int i = 0; i < 2 * CASES; i++) {
        int64_t base = 64 * (i % 5);
        if (i < CASES) network(&l);
        else anything(&l);
        int64_t end = onnxcc_place(l.at, l.n, base, offset, work), most = largest_set(&l);
        if (!in_order(&l, offset, base, end)) fail("buffers overlap", i);
        if (end - base < most) fail("the arena is too small", i);
        if (i >= CASES || most == 0) continue;
        sum += (double)(end - base) / (double)most;
        int64_t searched = place_search(ctx, l.at, l.n, most, offset);
        if (!in_order(&l, offset, 0, searched)) fail("searched buffers overlap", i);
        if (searched < most || searched > end - base) fail("the search made it larger", i);
        worst = MAX(worst, (double)searched / (double)most);
    }
    printf("arena / largest live set of networks: mean %.3f, searched at worst %.3f\n",
           sum / CASES, worst);
    if (sum / CASES > 1.10 || worst > 1.10) fail("the arena is too large", 0);
    ctx_free(ctx);
}

/* ---- random programs ---- */
/* Maps, row maxima and broadcasts over earlier results. Results that nothing reads are added up. */
static Program *random_program(Ctx *ctx) {
    Program *p = program_new(ctx, "random");
    int n = 3 + (int)random_below(40), rows[64];
    Tensor *t[64];
    for (int i = 0; i < n; i++) {
        rows[i] = i == 0 || random_below(3) ? 1 << random_below(8) : rows[i - 1];
        Expr *dims[] = {expr_int(ctx, rows[i])};
        t[i] = i == 0 ? tensor_new(ctx, "x", DT_F32, dims, 1, SP_INPUT)
                      : program_tensor(p, "t", DT_F32, dims, 1);
        if (i == 0) {
            vec_push(ctx->perm, &p->inputs, t[0]);
            continue;
        }
        Var *v = var_new(ctx, "i", dims[0]);
        Expr *value = expr_const_flt(ctx, DT_F32, i);
        for (int reads = 1 + (int)random_below(3); reads > 0; reads--) {
            int back = 1 + (int)random_below(random_below(2) ? 2 : 12), of = MAX(0, i - back);
            Expr *at = expr_mod(ctx, v->self, expr_int(ctx, rows[of]));
            value = expr_op2(ctx, SOP_add, value, expr_load(ctx, t[of], &at, 1));
        }
        Kernel *k = kernel_new(p, "map");
        vec_push(ctx->perm, &k->stmts, stmt_new(ctx, ST_MAP, t[i], &v, 1, value));
        item_kernel(p, p->body, k);
    }
    t[n - 1]->space = SP_OUTPUT;
    for (int i = 0; i < p->tensors.n; i++)
        if (p->tensors.at[i] == t[n - 1]) p->tensors.n = i;
    vec_push(ctx->perm, &p->outputs, t[n - 1]);
    return p;
}

static int64_t needed(Program *p) {
    Options opt = {.level = 2, .fp = FP_DEFAULT};
    Plan *plan = make_plan(p, &opt);
    if (!plan_verify(plan, "in the test")) failures++;
    return plan->live_max;
}

static float result(Program *p) {
    float x[128];
    Ctx *ctx = p->ctx;
    Buffer in = {.tensor = p->inputs.at[0], .data = x}, out = {.tensor = p->outputs.at[0]};
    CHECK(expr_is_int(p->inputs.at[0]->dims[0], &in.dims[0]));
    for (int i = 0; i < LEN(x); i++) x[i] = (float)(i % 7);
    if (!program_interp(p, &in, &out, NULL, 0, ctx->perm)) BUG("does not run");
    return ((float *)out.data)[0];
}

static void check_orders(void) {
    double sum = 0;
    int shared = 0;
    for (int i = 0; i < 200; i++) {
        Ctx *ctx = ctx_new();
        Program *p = random_program(ctx);
        int64_t before = needed(p);
        float meant = result(p);
        pass_order(p, &(Options){.level = 2});
        if (!program_verify(p, "after order")) fail("order broke the program", i);
        int64_t after = needed(p);
        if (after > before) fail("order needs more memory", i);
        shared += pass_inplace(p);
        if (!program_verify(p, "after inplace")) fail("inplace broke the program", i);
        int64_t in_place = needed(p);
        if (in_place > after) fail("shared storage needs more memory", i);
        if (result(p) != meant) fail("another result", i);
        sum += before ? (double)in_place / (double)before : 1;
        ctx_free(ctx);
    }
    printf("live set after order and inplace: %.3f of what it was\n", sum / 200);
    if (!shared) fail("nothing is shared", 0);
}

/* ---- by example ---- */
static const struct {
    const char *name, *text, *plan;
} examples[] = {
    {"places",
     "program p(%x : f32[64]) -> (%y : f32[64]) {\n"
     "  tensor %a : f32[64]\n  tensor %b : f32[32]\n  tensor %c : f32[64]\n"
     "  kernel k0 {\n    %a[i<64] = exp(%x[i])\n  }\n"
     "  kernel k1 {\n    %b[i<32] = %a[i*2]\n  }\n"
     "  kernel k2 {\n    %c[i<64] = %b[i / 2]\n  }\n"
     "  kernel k3 {\n    %y[i<64] = %c[i] + %b[i / 2]\n  }\n}\n",
     "plan steps 4 arena 384 live 384 {\n"
     "  buffer %a live 0..1 at 0  # 256 bytes\n"
     "  buffer %b live 1..3 at 256  # 128 bytes\n"
     "  buffer %c live 2..3 at 0  # 256 bytes\n}\n"},
    {"aliases share one buffer, which lives as long as any of them",
     "program p(%x : f32[5]) -> (%y : f32[5]) {\n"
     "  tensor %a : f32[5]\n  tensor %b : f32[5] alias %a\n  tensor %c : f32[5] alias %b\n"
     "  kernel k0 {\n    %a[i<5] = exp(%x[i])\n  }\n"
     "  kernel k1 {\n    %b[i<5] = -%a[i]\n  }\n"
     "  kernel k2 {\n    %c[i<5] = -%b[i]\n  }\n"
     "  kernel k3 {\n    %y[i<5] = -%c[i]\n  }\n}\n",
     "plan steps 4 arena 64 live 64 {\n  buffer %a live 0..3 at 0  # 64 bytes\n}\n"},
    {"sizes with symbols are found at run time; layouts may pad",
     "program p(%x : f32[N,5]) -> (%y : f32[N,5]) where N in 0.. {\n"
     "  tensor %a : f32[N,5]\n  tensor %b : f32[N,5] layout [0,1/4,1%4]\n"
     "  kernel k0 {\n    %a[i<N, j<5] = exp(%x[i, j])\n  }\n"
     "  kernel k1 {\n    %b[i<N, j<5] = -%a[i, 4 - j]\n  }\n"
     "  kernel k2 {\n    %y[i<N, j<5] = -%b[i, j]\n  }\n}\n",
     "plan steps 3 {\n"
     "  buffer %a live 0..1  # ((N*5 + 15) / 16)*64 bytes\n"
     "  buffer %b live 1..2  # ((N + 1) / 2)*64 bytes\n}\n"},
    {"what a loop reads from outside outlives it; so does what it carries",
     "program p(%x : f32[4]) -> (%y : f32[4]) where value step in 0.. {\n"
     "  tensor %k : f32[4]\n  tensor %a : f32[4]\n  tensor %b : f32[4]\n  tensor %t : f32[4]\n"
     "  kernel k0 {\n    %k[i<4] = exp(%x[i])\n  }\n"
     "  kernel k1 {\n    %a[i<4] = %x[i]\n  }\n"
     "  loop step < 3 carry (%a = %b) {\n"
     "    kernel k2 {\n      %t[i<4] = %a[i] + %k[i]\n    }\n"
     "    kernel k3 {\n      %b[i<4] = %t[3 - i]\n    }\n  }\n"
     "  kernel k4 {\n    %y[i<4] = %a[i]\n  }\n}\n",
     "plan steps 7 arena 256 live 256 {\n"
     "  buffer %k live 0..5 at 0  # 64 bytes\n"
     "  buffer %a live 1..6 at 64  # 64 bytes\n"
     "  buffer %b live 1..6 at 128  # 64 bytes\n"
     "  buffer %t live 3..4 at 192  # 64 bytes\n}\n"},
    {"scratch of a call lives for its step; state has no buffer",
     "program p(%x : f32[4,6]) -> (%v : f32[4,6], %i : i64[4,6]) {\n"
     "  tensor %t : f32[4,6]\n  tensor %room : u8[100]\n  tensor %s : f32[4] state\n"
     "  kernel k0 {\n    %t[i<4, j<6] = exp(%x[i, j])\n  }\n"
     "  call sort(%t) -> (%v, %i) scratch %room args (4, 6, 0, 6) loc \"Sort\" Sort.1\n}\n",
     "plan steps 2 arena 256 live 256 {\n"
     "  buffer %t live 0..1 at 0  # 128 bytes\n"
     "  buffer %room live 1..1 at 128  # 128 bytes\n}\n"},
};

static const char *print_plan(Ctx *ctx, const Plan *plan) {
    Str s = str_new(ctx->perm);
    plan_print(&s, plan);
    return str_c(&s);
}

static void check_examples(void) {
    for (int i = 0; i < LEN(examples); i++) {
        Ctx *ctx = ctx_new();
        Options opt = {.level = 2, .fp = FP_DEFAULT};
        const char *text = examples[i].text;
        Program *p = program_parse(ctx, lex_open(ctx, examples[i].name, text, strlen(text)));
        if (!p || !program_verify(p, "in the test")) BUG("%s: does not parse", examples[i].name);
        text = print_plan(ctx, make_plan(p, &opt));
        const char *plan = strstr(text, "\nplan ");
        if (!plan || strcmp(plan + 1, examples[i].plan)) {
            fail(examples[i].name, i);
            printf("%s", text);
        }
        Plan *again = plan_parse(ctx, lex_open(ctx, "printed", text, strlen(text)));
        if (!again || strcmp(print_plan(ctx, again), text)) fail("prints in another way", i);
        ctx_free(ctx);
    }
}

/* ---- places that are found at run time ---- */
static const struct {
    const char *name, *text, *bind, *run;
} symbolic[] = {
    {"when dimensions are bound",
     "program p(%x : f32[N]) -> (%y : f32[N]) where N in 0.. {\n"
     "  tensor %a : f32[N]\n  tensor %b : f32[N]\n"
     "  kernel k0 {\n    %a[i<N] = exp(%x[i])\n  }\n"
     "  kernel k1 {\n    %b[i<N] = -%a[N - 1 - i]\n  }\n"
     "  kernel k2 {\n    %y[i<N] = -%b[i]\n  }\n}\n",
     "    place (%a, %b; ((N + 15) / 16)*64, 0, 1, ((N + 15) / 16)*64, 1, 2) from 0 id 0\n", ""},
    {"when a value is known, above the others",
     "program p(%x : f32[N]) -> (%y : i64[1,n]) where N in 1..64, value n in 0..64 {\n"
     "  tensor %count : i64[]\n  tensor %where : i64[1,n]\n  tensor %room : u8[N*16]\n"
     "  call nonzero_count(%x) -> (%count) args (1, N) loc \"Count\" NonZero.13\n"
     "  bind n = %count[0] loc \"Count\" NonZero.13\n"
     "  call nonzero_fill(%x) -> (%where) scratch %room args (1, n, 1, N)\n"
     "  kernel k0 {\n    %y[i<1, j<n] = -%where[i, j]\n  }\n}\n",
     "    place (%count, %room; 64, 0, 1, ((N + 3) / 4)*64, 2, 2) from 0 id 0\n",
     "    bind n = %count[0] id 1\n"
     "    place (%where; ((n + 7) / 8)*64, 2, 3) from 0 id 2\n"},
    {"when the last of several values is known, whatever the order of their declarations",
     "program p(%x : i64[2]) -> (%y : f32[n]) where value m in 0..64, value n in 0..64 {\n"
     "  tensor %a : i64[2]\n  tensor %b : f32[m,n]\n"
     "  kernel k0 {\n    %a[i<2] = %x[i] + 1:i64\n  }\n"
     "  bind n = %a[0] loc \"n\" Range.11\n  bind m = %a[1] loc \"m\" Range.11\n"
     "  kernel k1 {\n    %b[i<m, j<n] = cast(f32, %x[0])\n  }\n"
     "  kernel k2 {\n    %y[j<n] = max[i<m] %b[i, j]\n  }\n}\n",
     "    place (%a; 64, 0, 2) from 0 id 0\n",
     "    bind n = %a[0] id 1\n    bind m = %a[1] id 2\n"
     "    place (%b; ((m*n + 15) / 16)*64, 3, 4) from 0 id 2\n"},
};

static const char *function_text(const char *loops, const char *head) {
    const char *at = strstr(loops, head);
    return at ? at : "";
}

static void check_symbolic(void) {
    const Machine *machine[] = {machine_by_name("generic")};
    Options opt = {
        .level = 2, .fp = FP_DEFAULT, .machine = machine, .n_machines = 1};
    for (int i = 0; i < LEN(symbolic); i++) {
        Ctx *ctx = ctx_new();
        const char *text = symbolic[i].text;
        Program *p = program_parse(ctx, lex_open(ctx, symbolic[i].name, text, strlen(text)));
        if (!p || !program_verify(p, "in the test")) BUG("%s: does not parse", symbolic[i].name);
        pass_lower_math(p, &opt);
        pass_schedule(p, &opt);
        Str s = str_new(ctx->perm);
        loops_print(&s, lower_to_loops(make_plan(p, &opt), &opt, machine[0]));
        const char *bind = function_text(str_c(&s), "func bind"),
                   *run = function_text(bind, "func run");
        if (!strstr(bind, symbolic[i].bind) || !strstr(run, symbolic[i].run)) {
            fail(symbolic[i].name, i);
            printf("%s", str_c(&s));
        }
        ctx_free(ctx);
    }
}

int main(void) {
    check_symbolic();
    check_places();
    check_orders();
    check_examples();
    printf("%d failures\n", failures);
    return failures != 0;
}
