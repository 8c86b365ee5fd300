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

static bool is_position(const Stmt *s) {
    return s->op == RED_ARGMAX || s->op == RED_ARGMIN;
}

/* Of positions, not the last of equals: what is behind the end would be one. */
static bool is_cuttable(const Stmt *s, bool strict) {
    bool temps = false, joins = s->op == RED_SUM || s->op == RED_PROD;
    if (s->kind != ST_REDUCE || s->decay || s->recipe.acc != DT_NONE || s->n_red == 0) return false;
    if (s->n_dom + 1 > MAX_RANK || s->last || (is_position(s) && (s->n_red > 1 || !s->out2)))
        return false;
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
        if (stmt_target(s)->space == SP_TEMP && s->index) return false;
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

static void make_part(const GpuSplit *p, Stmt *s) {
    Ctx *c = p->ctx;
    Var *dom[MAX_RANK];
    Expr *dims[MAX_RANK];
    order_parts(p, s, dom);
    int n = s->n_dom + 1;
    for (int i = 0; i < n; i++) dims[i] = dom[i]->extent;
    const char *name = stmt_target(s)->name;
    s->value = part_value(p, s);
    s->out =
        program_tensor(p->program, arena_printf(c->perm, "%s.part", name), s->value->type, dims, n);
    if (s->out2)
        s->out2 = program_tensor(p->program, arena_printf(c->perm, "%s.part.at", name),
                                 s->out2->dtype, dims, n);
    s->index = NULL;
    s->dom = arena_copy(c->perm, dom, sizeof(Var *) * (size_t)n);
    s->n_dom = n;
    s->red = arena_copy(c->perm, s->red, sizeof(Var *) * (size_t)s->n_red);
    s->red[p->axis] = p->inside;
}

static Expr *load_part(const GpuSplit *p, Tensor *t, const Stmt *by, Expr *part) {
    Expr *index[MAX_RANK];
    for (int i = 0; i < by->n_dom; i++) index[i] = by->dom[i] == p->part ? part : by->dom[i]->self;
    return expr_load(p->ctx, t, index, by->n_dom);
}

static void join_parts(const GpuSplit *p, Stmt *s, const Stmt *by) {
    s->value = load_part(p, by->out, by, p->part->self);
    s->red = arena_copy(p->ctx->perm, &p->part, sizeof(Var *));
    s->n_red = 1;
}

/* The position in the part that has the best element; the join itself finds which that is. */
static void join_positions(const GpuSplit *p, Kernel *own, int at, const Stmt *by) {
    Ctx *c = p->ctx;
    Stmt *s = own->stmts.at[at];
    Expr *dims[MAX_RANK], *index[MAX_RANK];
    if (!s->out2) return;
    for (int i = 0; i < s->n_dom; i++) dims[i] = s->dom[i]->extent, index[i] = s->dom[i]->self;
    char *name = arena_printf(c->perm, "%s.which", s->out2->name);
    Tensor *which = program_temp(p->program, name, s->out2->dtype, dims, s->n_dom);
    Expr *part = expr_cast(c, DT_INDEX, expr_load(c, which, index, s->n_dom));
    part = expr_bound(c, part, p->part->extent);
    Expr *first = expr_cast(c, s->out2->dtype, expr_mul(c, part, p->chunk));
    Expr *value = expr_op2(c, SOP_add, first, load_part(p, by->out2, by, part));
    Stmt *map = stmt_new(c, ST_MAP, s->out2, s->dom, s->n_dom, value);
    map->index = s->index;
    s->out2 = which;
    if (!s->out || s->out->space == SP_TEMP) s->index = NULL;
    kernel_insert(c, own, at + 1, map);
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
static void make_vars(GpuSplit *p) {
    Ctx *c = p->ctx;
    const Var *v = p->kernel->stmts.at[0]->red[p->axis];
    char *name = arena_printf(c->perm, "%s.in", v->name);
    p->part = gpu_fresh_var(c, p->kernel, "part", p->parts);
    p->inside = gpu_fresh_var(c, p->kernel, name, p->chunk);
}

static void cut(GpuSplit *p, Block *b, int at) {
    const Item *it = b->items.at[at];
    Kernel *k = p->kernel, *rest = NULL;
    Kernel *own = gpu_kernel_beside(p->program, b, at + 1, it, "join");
    Arena *perm = p->ctx->perm;
    make_vars(p);
    for (int i = 0; i < p->n_own; i++)
        vec_push(perm, &own->stmts, arena_copy(perm, k->stmts.at[i], sizeof(Stmt)));
    if (p->n_own < k->stmts.n) rest = gpu_kernel_beside(p->program, b, at + 2, it, "rest");
    for (int i = p->n_own; i < k->stmts.n; i++) vec_push(perm, &rest->stmts, k->stmts.at[i]);
    for (int i = p->n_front - 1; i >= 0; i--) {
        make_part(p, k->stmts.at[i]);
        join_parts(p, own->stmts.at[i], k->stmts.at[i]);
        join_positions(p, own, i, k->stmts.at[i]);
    }
    k->stmts.n = p->n_front;
    for (int i = 0, n = own->stmts.n; rest && i < n; i++) {
        const Stmt *s = own->stmts.at[i];
        if (s->out && s->out->space == SP_TEMP) keep_temp(p, own, s, rest);
    }
}

static int cut_long(Program *p, const Options *opt, Block *b, int at) {
    GpuSplit s = {.program = p, .ctx = p->ctx, .kernel = b->items.at[at]->kernel};
    if (!find_split(&s, opt->fp == FP_STRICT) || !gpu_split_pays(&s)) return -1;
    cut(&s, b, at);
    return at;
}

PASS(gpu_split, KERNELS, "GPUs: long reductions with few results become partial ones and their sum")
bool pass_gpu_split(Program *p, const Options *opt) {
    return cut_gpu_kernels(p, opt, cut_long);
}
