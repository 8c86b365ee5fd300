/* GPUs: a long reduction with few results becomes two kernels, so that all processors have work:
 * one of partial results, and one that joins them in a fixed order and does what follows.
 *
 *   %s[m<32, n<64] = sum[k<4096] %x[m, k] * %w[k, n]
 *   %y[m<32, n<64] = max(%s[m, n], 0.0)
 *
 *   %s.part[part<16, m<32, n<64] =
 *       sum[k.in<256] %x[m, part*256 + k.in] * %w[part*256 + k.in, n]
 *
 *   %s[m<32, n<64] = sum[part<16] %s.part[part, m, n]
 *   %y[m<32, n<64] = max(%s[m, n], 0.0)
 *
 * A third kernel has what runs over more than the results (the rows of a softmax), and may be cut
 * in turn. Parts may be shorter at the end, and of an extent that only the run knows there may be
 * empty ones. No atomics: every run adds in the same order, which the recipes of both kernels and
 * the length of a part say. With --fp=strict sums of floats stay as they are.
 *
 * Requires: kernels and layouts are final, reductions have no recipe. Keeps: what is computed, but
 * for the order of sums. */
#include "passes/kernel/gpu_split.h"

/* ---- does the kernel have the form? ---- */
static void find_temp(void *user, const Expr *e) {
    *(bool *)user |= e->kind == E_LOAD && e->tensor->space == SP_TEMP;
}

static bool is_cuttable(const Stmt *s, bool strict) {
    bool temps = false, joins = s->op == RED_SUM || s->op == RED_PROD;
    if (s->kind != ST_REDUCE || s->decay || s->recipe.acc != DT_NONE || s->n_red == 0) return false;
    if (s->op == RED_ARGMAX || s->op == RED_ARGMIN || s->n_dom + 1 > MAX_RANK) return false;
    expr_visit(s->value, find_temp, &temps);
    return !temps && !(strict && joins && dtype_is_float(s->value->type));
}

static bool same_box(const Stmt *a, const Stmt *b) {
    if (a->n_dom != b->n_dom || a->n_red != b->n_red) return false;
    for (int i = 0; i < a->n_dom; i++)
        if (!stmt_has_dom(b, a->dom[i])) return false;
    for (int i = 0; i < a->n_red; i++)
        if (a->red[i]->extent != b->red[i]->extent) return false;
    return true;
}

/* A map of what a result is made into, element by element. */
static bool is_own(const Stmt *m, const Stmt *first) {
    if (m->kind != ST_MAP) return false;
    for (int i = 0; i < m->n_dom; i++)
        if (!stmt_has_dom(first, m->dom[i]) && !expr_is(m->dom[i]->extent, 1)) return false;
    return true;
}

static bool find_split(GpuSplit *p, bool strict) {
    const Kernel *k = p->kernel;
    const Stmt *first = k->stmts.at[0];
    int i = 0;
    while (i < k->stmts.n && is_cuttable(k->stmts.at[i], strict) && same_box(first, k->stmts.at[i]))
        i++;
    p->n_front = i;
    while (i < k->stmts.n && is_own(k->stmts.at[i], first)) i++;
    p->n_own = i;
    for (i = 0; i < p->n_own; i++) {
        const Stmt *s = k->stmts.at[i];
        if (s->out->space == SP_TEMP && s->index) return false;
    }
    return p->n_front > 0;
}

/* ---- partial results ---- */
static Expr *guarded(Ctx *c, Expr *inside, Expr *e, Reduce op) {
    return expr_guard(c, inside, e, reduce_identity(c, op, e->type));
}

/* What a part adds up; elements behind the end count as what changes nothing. */
static Expr *part_value(const GpuSplit *p, const Stmt *s) {
    Ctx *c = p->ctx;
    Var *v = s->red[p->axis];
    Expr *at = expr_add(c, expr_mul(c, p->part->self, p->chunk), p->inside->self);
    Expr *inside = expr_in_range(c, at, v->extent), *value = expr_subst1(c, s->value, v, at);
    if (!gpu_is_product(s)) return guarded(c, inside, value, s->op);
    return expr_op2(c, SOP_mul, guarded(c, inside, value->arg[0], RED_SUM),
                    guarded(c, inside, value->arg[1], RED_SUM));
}

/* Partial results lie as what is made of the results does: threads that are neighbours there meet
 * neighbours here. */
static void order_parts(const GpuSplit *p, const Stmt *s, Var **dom) {
    const Stmt *last = p->kernel->stmts.at[p->n_own - 1];
    Var **own = p->rows ? dom : dom + 1;
    for (int i = 0; i < s->n_dom; i++) own[i] = s->dom[i];
    if (!p->rows && last->n_dom == s->n_dom && last->out->space != SP_TEMP &&
        schedule_order_by_store(p->ctx, last, own) != s->n_dom)
        BUG("a variable is not stored along");
    dom[p->rows ? s->n_dom : 0] = p->part;
}

static Tensor *make_part(const GpuSplit *p, Stmt *s) {
    Ctx *c = p->ctx;
    Var *dom[MAX_RANK];
    Expr *dims[MAX_RANK];
    order_parts(p, s, dom);
    int n = s->n_dom + 1;
    for (int i = 0; i < n; i++) dims[i] = dom[i]->extent;
    char *name = arena_printf(c->perm, "%s.part", s->out->name);
    s->value = part_value(p, s);
    s->out = program_tensor(p->program, name, s->value->type, dims, n);
    s->index = NULL;
    s->dom = arena_copy(c->perm, dom, sizeof(Var *) * (size_t)n);
    s->n_dom = n;
    s->red = arena_copy(c->perm, s->red, sizeof(Var *) * (size_t)s->n_red);
    s->red[p->axis] = p->inside;
    return s->out;
}

static void join_parts(const GpuSplit *p, Stmt *s, Tensor *part, const Stmt *by) {
    Expr *index[MAX_RANK];
    for (int i = 0; i < by->n_dom; i++) index[i] = by->dom[i]->self;
    s->value = expr_load(p->ctx, part, index, by->n_dom);
    s->red = arena_copy(p->ctx->perm, &p->part, sizeof(Var *));
    s->n_red = 1;
}

/* ---- what the third kernel needs of the second ---- */
typedef struct Swap {
    Ctx *ctx;
    Tensor *from, *to;
} Swap;

static Expr *swap_load(void *user, Expr *e) {
    Swap *w = user;
    if (e->kind != E_LOAD || e->tensor != w->from) return e;
    return expr_load(w->ctx, w->to, e->arg, e->n);
}

static void keep_temp(const GpuSplit *p, Kernel *own, const Stmt *s, Kernel *rest) {
    Ctx *c = p->ctx;
    bool needed = false;
    for (int i = 0; i < rest->stmts.n; i++)
        needed |= expr_uses_tensor(rest->stmts.at[i]->value, s->out);
    if (!needed) return;
    Expr *index[MAX_RANK];
    char *name = arena_printf(c->perm, "%s.kept", s->out->name);
    Tensor *kept = program_tensor(p->program, name, s->out->dtype, s->out->dims, s->out->rank);
    for (int i = 0; i < s->n_dom; i++) index[i] = s->dom[i]->self;
    Expr *value = expr_load(c, s->out, index, s->n_dom);
    kernel_insert(c, own, own->stmts.n, stmt_new(c, ST_MAP, kept, s->dom, s->n_dom, value));
    for (int i = 0; i < rest->stmts.n; i++) {
        Swap w = {c, s->out, kept};
        rest->stmts.at[i]->value = expr_rewrite(c, rest->stmts.at[i]->value, swap_load, &w);
    }
}

/* ---- kernels ---- */
static Kernel *new_kernel(const GpuSplit *p, Block *b, int at, const char *hint) {
    Kernel *k = kernel_new(p->program, hint);
    k->origin = p->kernel->origin, k->n_origin = p->kernel->n_origin;
    item_insert(p->program, b, at, k)->device = b->items.at[at - 1]->device;
    return k;
}

static void make_vars(GpuSplit *p) {
    Ctx *c = p->ctx;
    const Var *v = p->kernel->stmts.at[0]->red[p->axis];
    char *name = arena_printf(c->perm, "%s.in", v->name);
    p->part = gpu_fresh_var(c, p->kernel, "part", p->parts);
    p->inside = gpu_fresh_var(c, p->kernel, name, p->chunk);
}

static void cut(GpuSplit *p, Block *b, int at) {
    Kernel *k = p->kernel, *own = new_kernel(p, b, at + 1, "join"), *rest = NULL;
    Arena *perm = p->ctx->perm;
    make_vars(p);
    for (int i = 0; i < p->n_own; i++)
        vec_push(perm, &own->stmts, arena_copy(perm, k->stmts.at[i], sizeof(Stmt)));
    if (p->n_own < k->stmts.n) rest = new_kernel(p, b, at + 2, "rest");
    for (int i = p->n_own; i < k->stmts.n; i++) vec_push(perm, &rest->stmts, k->stmts.at[i]);
    for (int i = 0; i < p->n_front; i++) {
        Tensor *part = make_part(p, k->stmts.at[i]);
        join_parts(p, own->stmts.at[i], part, k->stmts.at[i]);
    }
    k->stmts.n = p->n_front;
    for (int i = 0; rest && i < p->n_own; i++)
        if (own->stmts.at[i]->out->space == SP_TEMP) keep_temp(p, own, own->stmts.at[i], rest);
}

static bool cut_block(Program *p, const Options *opt, Block *b) {
    bool changed = false;
    for (int i = 0; b && i < b->items.n; i++) {
        Item *it = b->items.at[i];
        changed |= cut_block(p, opt, it->block[0]);
        changed |= cut_block(p, opt, it->block[1]);
        if (!runs_on_gpu(opt, it)) continue;
        GpuSplit s = {.program = p, .ctx = p->ctx, .kernel = it->kernel};
        if (!find_split(&s, opt->fp == FP_STRICT) || !gpu_split_pays(&s)) continue;
        cut(&s, b, i);
        changed = true;
    }
    return changed;
}

PASS(gpu_split, KERNELS, "GPUs: long reductions with few results become partial ones and their sum")
bool pass_gpu_split(Program *p, const Options *opt) {
    return cut_block(p, opt, p->body);
}
