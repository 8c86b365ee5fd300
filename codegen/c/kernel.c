/* Kernel functions. In C: the signature of onnxcc_kernel_fn (runtime/abi.h). In CUDA: buffers,
 * symbols and what else it needs are parameters, so that the text can be read and launched by
 * itself. */
#include "codegen/c/gen.h"

/* ---- questions ---- */
enum { SMALL_MAX = 1 << 30 };

typedef struct Look {
    Ctx *ctx;
    const Tensor *tensor;
    bool loads, stores, bounds, large;
} Look;

static int64_t saturate(int64_t a, int64_t b, bool product) {
    if (a >= SMALL_MAX || b >= SMALL_MAX) return product && (a == 0 || b == 0) ? 0 : SMALL_MAX;
    return MIN(product ? a * b : a + b, SMALL_MAX);
}

static int64_t magnitude(int64_t v) {
    return v < -SMALL_MAX || v > SMALL_MAX ? SMALL_MAX : v < 0 ? -v : v;
}

/* The largest absolute value of e and of everything that is computed on the way. */
static int64_t largest(Ctx *ctx, const Expr *e) {
    int64_t lo, hi, n = magnitude(e->i);
    if (e->kind == E_INT) return n;
    if (e->kind == E_SUM || e->kind == E_PROD) {
        for (int i = 0; i < e->n; i++) n = saturate(n, largest(ctx, e->arg[i]), e->kind == E_PROD);
        return n;
    }
    expr_range(ctx, (Expr *)(uintptr_t)e, &lo, &hi);
    return MAX(magnitude(lo), magnitude(hi));
}

static void look_at_node(void *user, const Expr *e) {
    Look *k = user;
    if (e->kind == E_LOAD && e->tensor == k->tensor) k->loads = true;
    if (e->kind == E_BOUND) k->bounds = true;
    if (k->ctx && e->type == DT_INDEX && largest(k->ctx, e) >= SMALL_MAX) k->large = true;
}

static void look_at_expr(void *user, Expr *e) {
    expr_visit(e, look_at_node, user);
}

static void look_at_stmt(void *user, LStmt *l) {
    Look *k = user;
    bool is_range =
        l->kind == L_FOR && l->bind == BIND_THREAD; /* lo..hi: within the parallel space */
    if (!is_range) lstmt_each_expr(l, look_at_expr, k);
    if (l->kind == L_STORE && l->tensor == k->tensor) k->stores = true;
    for (int i = 0; l->kind == L_CALL && i < l->n_args; i++)
        if (l->args[i] == k->tensor) k->loads = k->stores = true;
    bool copies = l->kind == L_ASYNC || l->kind == L_BULK || l->kind == L_BOX;
    if (copies && l->args[0] == k->tensor) k->loads = true;
}

static Look look(Ctx *ctx, const LFunc *f, const Tensor *t) {
    Look k = {.ctx = ctx, .tensor = t};
    lbody_each(&f->body, look_at_stmt, &k);
    return k;
}

bool c_kernel_small(Ctx *ctx, const LFunc *f) {
    return !look(ctx, f, NULL).large && largest(ctx, f->parallel) < SMALL_MAX;
}

int c_kernel_threads(const LFunc *f) {
    int64_t n = lfunc_threads(f);
    return n ? (int)n : CUDA_BLOCK;
}

bool c_kernel_faults(const LFunc *f) {
    return look(NULL, f, NULL).bounds;
}

bool c_kernel_touches(const LFunc *f, const Tensor *t, bool *stores) {
    Look k = look(NULL, f, t);
    *stores = k.stores;
    return k.loads || k.stores;
}

/* ---- text ---- */
static void comment(Printer *p, const LFunc *f) {
    Str s = str_new(p->arena), from = str_new(p->arena);
    c_origin(&from, f->origin, f->n_origin);
    str_fmt(&s, "/* %s", f->name);
    if (from.n) str_add(&s, ": ");
    c_comment(&s, str_c(&from));
    c_line(p, "%s */", str_c(&s));
}

static const char *type_comment(Printer *p, const Tensor *t) {
    Str dims = str_new(p->arena), s = str_new(p->arena);
    for (int i = 0; i < t->rank; i++) {
        if (i) str_char(&dims, ',');
        expr_print(&dims, t->dims[i]);
    }
    str_fmt(&s, "%s[", dtype_name(t->dtype));
    c_comment(&s, str_c(&dims));
    str_add(&s, "]");
    return str_c(&s);
}

static const char *restrict_of(const KernelText *k, int i) {
    return k->may_alias && k->may_alias[i] ? "" : "RESTRICT ";
}

static void c_head(Printer *p, const LFunc *f, const KernelText *k) {
    c_line(
        p,
        "static void %s(const struct onnxcc_kargs *call, int64_t lo, int64_t hi, char *scratch) {",
        k->symbol);
    level_open(p);
    for (int i = 0; i < f->params.n; i++) {
        const Tensor *t = f->params.at[i];
        bool stores;
        if (!c_kernel_touches(f, t, &stores)) continue;
        const char *type = c_memory_type(t->dtype), *constant = stores ? "" : "const ";
        c_line(p, "%s%s *%s%s = (%s%s *)call->bufs[%d]; /* %s */", constant, type,
               restrict_of(k, i), name_find(p, t), constant, type, i, type_comment(p, t));
    }
    for (int i = 0; i < p->syms.n; i++)
        c_line(p, "const %s %s = call->syms[%d];", c_value_type(p, DT_INDEX),
               name_find(p, p->syms.at[i]), p->syms.at[i]->slot);
    if (p->faults) c_line(p, "int32_t fault = 0;");
}

enum { FOR_FACTORS = 32 }; /* what warps load of the factors of a group's products */

static void add_registers(void *user, LStmt *l) {
    int64_t n, *words = user;
    if (l->kind == L_PRODUCTS) *words += FOR_FACTORS;
    if (l->kind == L_BUFFER && l->tensor->space == SP_REG && expr_is_int(l->hi, &n))
        *words += n * (int64_t)MAX(dtype_bytes(l->tensor->dtype) / 4, 1);
}

/* How many blocks that work together a processor of a GPU shall have room for: 512 threads, or as
 * many as there are registers for what they hold and OTHERS more. */
static int64_t blocks_at_once(const LFunc *f) {
    enum { REGISTERS = 65536, MOST = 512, OTHERS = 64 };
    int64_t words = OTHERS, threads = lfunc_threads(f);
    lbody_each(&f->body, add_registers, &words);
    return threads ? MAX(MIN(MOST, REGISTERS / words) / threads, 1) : 1;
}

static void cuda_head(Printer *p, const LFunc *f, const KernelText *k) {
    Str s = str_new(p->arena);
    for (int i = 0; i < f->params.n; i++) {
        const Tensor *t = f->params.at[i];
        bool stores;
        if (!c_kernel_touches(f, t, &stores)) continue;
        str_fmt(&s, "%s%s *%s%s, /* %s */\n    ", stores ? "" : "const ", c_memory_type(t->dtype),
                restrict_of(k, i), name_find(p, t), type_comment(p, t));
    }
    const char *index = c_value_type(p, DT_INDEX);
    for (int i = 0; i < p->syms.n; i++) str_fmt(&s, "%s %s, ", index, name_find(p, p->syms.at[i]));
    if (p->faults) str_add(&s, "int32_t *fault_out, ");
    if (p->scratch) str_add(&s, "char *scratch, int64_t scratch_stride, ");
    str_fmt(&s, "%s lo, %s hi", index, index);
    for (int i = 0; c_kernel_map(f, i); i++)
        str_fmt(&s, ",\n    const __grid_constant__ TensorMap map%d", i);
    c_line(p, "extern \"C\" __global__ void __launch_bounds__(%d, %lld) %s(\n    %s)\n{",
           c_kernel_threads(f), (long long)blocks_at_once(f), k->symbol, str_c(&s));
    level_open(p);
    if (p->faults) c_line(p, "int32_t fault = 0;");
    c_shared_head(p);
    if (p->scratch)
        c_line(p, "scratch += scratch_stride * %s;", p->blocks ? "blockIdx.x" : "grid_thread()");
}

static void fault_exit(Printer *p) {
    if (p->faults && p->dialect == DIALECT_C)
        c_line(p, "if (fault) onnxcc_fault(call->frame, ONNXCC_FAULT_HERE);");
    if (p->faults && p->dialect == DIALECT_CUDA) c_line(p, "if (fault) atomicExch(fault_out, 1);");
}

static void begin(Printer *p, const LFunc *f) {
    p->small = c_kernel_small(p->ctx, f);
    p->blocks = lfunc_threads(f) > 0;
    vec_push(p->arena, &p->tops, ((CName){f->lo, "lo", 0}));
    vec_push(p->arena, &p->tops, ((CName){f->hi, "hi", 0}));
    for (int i = 0; i < f->params.n; i++) name_top(p, f->params.at[i], f->params.at[i]->name);
    level_open(p); /* the file */
}

static void tell(const Printer *p, KernelNeeds *needs) {
    *needs = (KernelNeeds){
        .faults = p->faults, .scratch = p->scratch, .blocks = p->blocks, .small = p->small};
    needs->n_syms = p->syms.n;
    needs->syms = NEW_ARRAY(p->ctx->perm, Sym *, p->syms.n + 1);
    for (int i = 0; i < p->syms.n; i++) needs->syms[i] = p->syms.at[i];
}

/* The body first: it tells what stands at the head. */
void c_kernel(Ctx *ctx, Str *out, const LFunc *f, Dialect dialect, const KernelText *k,
              KernelNeeds *needs) {
    Arena *arena = arena_new();
    Printer p = {.ctx = ctx, .arena = arena, .dialect = dialect, .func = f};
    Str body, head, all;
    begin(&p, f);
    level_open(&p);
    c_body(&p, &f->body);
    fault_exit(&p);
    level_close(&p, &body);
    comment(&p, f);
    if (dialect == DIALECT_C) c_head(&p, f, k);
    else cuda_head(&p, f, k);
    level_add(&p, &body);
    level_close(&p, &head);
    level_add(&p, &head);
    c_line(&p, "}");
    level_close(&p, &all);
    str_addn(out, all.at, all.n);
    if (needs) tell(&p, needs);
    arena_free(arena);
}
