/* --precision=f32, f16, bf16: of which type the tensors between kernels and the float constants
 * are. Arithmetic inside kernels is in f32 then: sums, softmax, norms and functions lose nothing.
 *
 *   tensor %t : f32[N,64]
 *       %t[n<N, o<64] = max(%a[n, o] + %b[o], 0.0)
 *   tensor %t : f16[N,64]
 *       %t[n<N, o<64] = cast(f16, max(%a[n, o] + cast(f32, %b[o]), 0.0))
 *
 * As the model says stay: inputs and outputs; what comparisons, conversions to integers, subscripts
 * and runtime functions depend on. Not below f32 are: sums that a kernel leaves to another one,
 * running sums, what loops carry, what may lie beyond the range, what is made of positions
 * (precision_find.c). An input that is a factor of a sum of products is converted once.
 *
 * Requires: fusion is done: what lies between kernels is known. Keeps: everything but float
 * types. */
#include "passes/kernel/precision.h"

#include "passes/kernel/accumulate.h"
#include "passes/kernel/carriers.h"

/* ---- tensors ---- */

static DType type_for(const Precision *y, const Tensor *t) {
    if (!precision_is_float(t->dtype)) return t->dtype;
    if ((t->mark & P_EXACT) && (y->to != DT_F32 || t->dtype == DT_F64)) return t->dtype;
    if (t->space == SP_TEMP || (t->mark & (P_WIDE | P_LARGE))) return DT_F32;
    return y->to;
}

static Const *converted(Ctx *ctx, const Const *c, DType to) {
    size_t bytes = dtype_bytes(to);
    int64_t n = c->data ? c->elements : 1;
    char *data = arena_alloc(ctx->perm, bytes * (size_t)n + 1);
    for (int64_t i = 0; i < n; i++) {
        double v = const_get(c, i);
        float single = (float)v;
        uint16_t half = to == DT_F16 ? f16_from_f64(v) : bf16_from_f64(v);
        if (to == DT_F32) memcpy(data + 4 * i, &single, 4);
        else memcpy(data + 2 * i, &half, 2);
    }
    return c->data ? const_new(ctx, to, c->elements, data)
                   : const_splat(ctx, to, c->elements, data);
}

static void retype(Precision *y, Tensor *t) {
    DType to = t ? type_for(y, t) : DT_NONE;
    uint64_t key = (uint64_t)(uintptr_t)t;
    if (!t || to == t->dtype || map_get_int(y->was, key)) return;
    map_set_int(y->was, key, arena_copy(y->ctx->perm, &t->dtype, sizeof(DType)));
    t->dtype = to;
    if (t->data) t->data = converted(y->ctx, t->data, to);
}

static void retype_temps(void *user, Block *b, Item *it) {
    (void)b;
    for (int i = 0; it->kind == ITEM_KERNEL && i < it->kernel->stmts.n; i++) {
        Tensor *t = it->kernel->stmts.at[i]->out;
        if (t && t->space == SP_TEMP) retype(user, t);
    }
}

/* ---- statements ---- */

static void rewrite_stmt(Precision *y, Kernel *k, int at) {
    Stmt *s = k->stmts.at[at];
    bool exact = s->out && (s->out->mark & P_EXACT);
    for (int d = 0; s->index && d < stmt_target(s)->rank; d++)
        s->index[d] = precision_exact(y, s->index[d]);
    bool same = exact && s->value->type == s->out->dtype;
    s->value = same ? precision_exact(y, s->value) : precision_value(y, s->value);
    if (!s->out || s->value->type == s->out->dtype) return;
    if (s->kind != ST_REDUCE) s->value = expr_cast(y->ctx, s->out->dtype, s->value);
    else reduce_into_temp(y->program, k, at, s->value->type);
}

static void rewrite_item(void *user, Block *b, Item *it) {
    (void)b;
    for (int i = 0; it->kind == ITEM_KERNEL && i < it->kernel->stmts.n; i++)
        rewrite_stmt(user, it->kernel, i);
}

/* ---- inputs that are factors ---- */

typedef struct Factors {
    Precision *y;
    Map *copy; /* by input */
    int n;
} Factors;

/* A kernel in front of all others that converts. */
static Tensor *converted_input(Factors *f, Tensor *x) {
    Ctx *c = f->y->ctx;
    Program *p = f->y->program;
    Tensor *t = map_get_int(f->copy, (uint64_t)(uintptr_t)x);
    Var *vars[MAX_RANK];
    Expr *at[MAX_RANK];
    if (t) return t;
    for (int i = 0; i < x->rank; i++) {
        vars[i] = carriers_var(p, "i", i, x->dims[i]);
        at[i] = vars[i]->self;
    }
    t = program_tensor(p, arena_printf(c->perm, "%s.%s", x->name, dtype_name(f->y->to)), f->y->to,
                       x->dims, x->rank);
    Kernel *k = kernel_new(p, "convert");
    Expr *value = expr_cast(c, f->y->to, expr_load(c, x, at, x->rank));
    vec_push(c->perm, &k->stmts, stmt_new(c, ST_MAP, t, vars, x->rank, value));
    item_kernel(p, p->body, k);
    Item **items = p->body->items.at, *last = items[p->body->items.n - 1];
    memmove(items + 1, items, sizeof *items * (size_t)(p->body->items.n - 1));
    items[0] = last;
    map_set_int(f->copy, (uint64_t)(uintptr_t)x, t);
    f->n++;
    return t;
}

static Expr *operand(Factors *f, Expr *e) {
    Ctx *c = f->y->ctx;
    if (e->kind == E_GUARD) return expr_guard(c, e->arg[0], operand(f, e->arg[1]), e->arg[2]);
    bool plain = e->kind == E_LOAD && e->tensor->space == SP_INPUT && e->type == DT_F32;
    if (!plain || (e->tensor->mark & P_EXACT)) return e;
    return expr_cast(c, DT_F32, expr_load(c, converted_input(f, e->tensor), e->arg, e->n));
}

static void convert_factors(Factors *f, Block *b) {
    for (int i = 0; i < b->items.n; i++) {
        Item *it = b->items.at[i];
        int before = f->n;
        for (int k = 0; k < 2; k++)
            if (it->block[k]) convert_factors(f, it->block[k]);
        for (int k = 0; it->kind == ITEM_KERNEL && k < it->kernel->stmts.n; k++) {
            Stmt *s = it->kernel->stmts.at[k];
            if (!precision_is_product(s)) continue;
            Expr *x = operand(f, s->value->arg[0]), *w = operand(f, s->value->arg[1]);
            s->value = expr_op2(f->y->ctx, SOP_mul, x, w);
        }
        if (b == f->y->program->body) i += f->n - before; /* new ones stand in front */
    }
}

PASS(precision, KERNELS, "float tensors between kernels as --precision says")
bool pass_precision(Program *p, const Options *opt) {
    Precision y = {p->ctx, p, opt->precision, map_new(p->ctx->perm)};
    if (y.to == DT_NONE) return false;
    precision_find(&y);
    for (int i = 0; i < p->consts.n; i++) retype(&y, p->consts.at[i]);
    for (int i = 0; i < p->tensors.n; i++) retype(&y, p->tensors.at[i]);
    program_each_item(p, retype_temps, &y);
    program_each_item(p, rewrite_item, &y);
    Factors f = {.y = &y, .copy = map_new(p->ctx->perm)};
    if (y.to != DT_F32) convert_factors(&f, p->body);
    return true;
}
