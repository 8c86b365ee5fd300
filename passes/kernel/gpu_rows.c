/* GPUs: kernels of rows (softmax, norms, reductions along neighbours, products with few rows) get
 * the form in which the threads of a block, or some lanes of a warp, work on a row together.
 *
 *   %s[n<N] = sum[r<768] exp(%x[n, r] - %m[n])          by f32 lanes 64 runs 4
 *   %y[n<N, r<768] = exp(%x[n, r] - %m[n]) / %s[n]
 *
 * The elements of a row have one variable in all statements; axes that lie next to each other in
 * every access become one. `lanes` is the number of threads of a row, `runs` how many neighbours
 * each of them takes at once. Both depend on the row's length and element types alone.
 *
 * Requires: layouts are known. Keeps: what is computed, but for the order of sums, which it
 * sets. */
#include "passes/kernel/schedule.h"

enum { MOST_LANES = 512, LEAST_LANES = 8, ROUNDS = 4, SHORT_ROW = 16, RUN_BYTES = 16 };

typedef struct Rows {
    Program *program;
    Ctx *ctx;
    Kernel *kernel;
    Var *shared[MAX_RANK]; /* what all statements iterate */
    int n_shared;
    Var *axis[MAX_RANK]; /* of a row, outermost first: those of the first reduction */
    int n_axes;
} Rows;

/* ---- axes of extent 1 ---- */
static void substitute(Ctx *c, Stmt *s, const Subst *sub) {
    for (int i = 0; s->index && i < stmt_target(s)->rank; i++)
        s->index[i] = expr_subst(c, s->index[i], sub);
    s->value = expr_subst(c, s->value, sub);
}

static void own_index(Ctx *c, Stmt *s) {
    if (s->index) return;
    Expr **index = NEW_ARRAY(c->perm, Expr *, s->n_dom + 1);
    for (int i = 0; i < s->n_dom; i++) index[i] = s->dom[i]->self;
    s->index = index;
}

static int without(Var **list, int n, const Var *v) {
    int out = 0;
    for (int i = 0; i < n; i++)
        if (list[i] != v) list[out++] = list[i];
    return out;
}

static bool is_of_others(const Kernel *k, const Stmt *s, const Var *v) {
    for (int i = 0; i < k->stmts.n; i++)
        if (k->stmts.at[i] != s && stmt_has_dom(k->stmts.at[i], v)) return true;
    return false;
}

/* A map to memory does not need variables of its own that only ever are 0. */
static void drop_ones(Ctx *c, const Kernel *k, Stmt *s) {
    if (s->kind != ST_MAP || s->out->space == SP_TEMP) return;
    for (int i = s->n_dom - 1; i >= 0; i--) {
        Var *v = s->dom[i];
        if (!expr_is(v->extent, 1) || is_of_others(k, s, v)) continue;
        Expr *zero = expr_int(c, 0);
        own_index(c, s);
        substitute(c, s, &(Subst){&v, &zero, 1});
        Var **dom = NEW_ARRAY(c->perm, Var *, s->n_dom + 1);
        memcpy(dom, s->dom, sizeof(Var *) * (size_t)s->n_dom);
        s->n_dom = without(dom, s->n_dom, v);
        s->dom = dom;
    }
}

/* ---- does the kernel consist of rows? ---- */
static bool in_all(const Kernel *k, const Var *v) {
    for (int i = 0; i < k->stmts.n; i++)
        if (!stmt_has_dom(k->stmts.at[i], v)) return false;
    return true;
}

static bool is_shared(const Rows *r, const Var *v) {
    for (int i = 0; i < r->n_shared; i++)
        if (r->shared[i] == v) return true;
    return false;
}

/* The variables of a statement's row, outermost first; -1: too many. */
static int row_vars(const Rows *r, const Stmt *s, Var **at) {
    int n = 0;
    if (s->kind == ST_REDUCE) {
        for (int i = 0; i < s->n_red; i++) at[n++] = s->red[i];
        return n;
    }
    for (int i = 0; i < s->n_dom; i++)
        if (!is_shared(r, s->dom[i])) at[n++] = s->dom[i];
    return n;
}

static bool same_axes(const Rows *r, const Stmt *s) {
    Var *own[MAX_RANK];
    int n = row_vars(r, s, own);
    if (s->kind == ST_REDUCE && s->n_dom != r->n_shared) return false;
    if (s->kind == ST_MAP && n == 0) return true;
    if (n != r->n_axes) return false;
    for (int i = 0; i < n; i++)
        if (own[i]->extent != r->axis[i]->extent) return false;
    return true;
}

static bool has_form(Rows *r) {
    Kernel *k = r->kernel;
    const Stmt *first = NULL;
    for (int i = 0; i < k->stmts.n; i++) {
        const Stmt *s = k->stmts.at[i];
        if (s->kind != ST_MAP && s->kind != ST_REDUCE) return false;
        if (s->kind == ST_REDUCE && !first) first = s;
    }
    if (!first || first->n_red == 0) return false;
    for (int i = 0; i < first->n_dom; i++)
        if (in_all(k, first->dom[i])) r->shared[r->n_shared++] = first->dom[i];
    for (int i = 0; i < first->n_red; i++) r->axis[r->n_axes++] = first->red[i];
    for (int i = 0; i < k->stmts.n; i++)
        if (!same_axes(r, k->stmts.at[i])) return false;
    return true;
}

/* ---- is it worth the threads? ---- */
static bool is_long(const Rows *r) {
    int64_t n = 1;
    for (int i = 0; i < r->n_axes; i++) n *= extent_or(r->axis[i]->extent, SHORT_ROW);
    return n >= SHORT_ROW;
}

/* Is axis i that of neighbours in all reductions, and nobody else's? */
static bool is_near_axis(const Rows *r, int i) {
    bool near = true;
    Var *own[MAX_RANK];
    for (int k = 0; k < r->kernel->stmts.n; k++) {
        const Stmt *s = r->kernel->stmts.at[k];
        if (s->kind == ST_REDUCE) near &= gpu_is_near(r->ctx, s, s->red[i]);
        else if (row_vars(r, s, own)) return false;
    }
    return near;
}

static void move_to_end(Var **list, int at, int last) {
    Var *v = list[at];
    for (; at < last; at++) list[at] = list[at + 1];
    list[last] = v;
}

/* Sums only: the axis along which neighbours lie becomes the innermost one (the channels of a
 * group, in an image that has them last). */
static void order_axes(Rows *r) {
    int last = r->n_axes - 1, at = last;
    while (at >= 0 && !is_near_axis(r, at)) at--;
    if (at < 0 || at == last) return;
    for (int k = 0; k < r->kernel->stmts.n; k++) {
        Stmt *s = r->kernel->stmts.at[k];
        if (s->kind != ST_REDUCE) continue;
        s->red = arena_copy(r->ctx->perm, s->red, sizeof(Var *) * (size_t)s->n_red);
        move_to_end(s->red, at, last);
    }
    move_to_end(r->axis, at, last);
}

static bool is_rows(Rows *r) {
    bool near = false;
    order_axes(r);
    for (int i = 0; i < r->kernel->stmts.n; i++) {
        Stmt *s = r->kernel->stmts.at[i];
        if (s->kind != ST_REDUCE) continue;
        if (s->recipe.acc != DT_NONE || s->recipe.lanes || gpu_is_tile(r->ctx, s)) return false;
        if ((s->op == RED_ARGMAX || s->op == RED_ARGMIN) && s->n_red != 1) return false;
        gpu_rows_turn(r->program, s);
        near |= gpu_is_near(r->ctx, s, s->red[s->n_red - 1]);
    }
    return near && is_long(r);
}

/* ---- one variable for all ---- */
static void rename_axes(Rows *r, Stmt *s) {
    Var *own[MAX_RANK];
    Expr *by[MAX_RANK];
    int n = row_vars(r, s, own);
    if (n == 0) return;
    for (int i = 0; i < n; i++) by[i] = r->axis[i]->self;
    substitute(r->ctx, s, &(Subst){own, by, n});
    Var **list = NEW_ARRAY(r->ctx->perm, Var *, MAX_RANK);
    int count = s->kind == ST_REDUCE ? s->n_red : s->n_dom;
    Var **old = s->kind == ST_REDUCE ? s->red : s->dom;
    for (int i = 0; i < count; i++) {
        list[i] = old[i];
        for (int k = 0; k < n; k++)
            if (old[i] == own[k]) list[i] = r->axis[k];
    }
    if (s->kind == ST_REDUCE) s->red = list;
    else s->dom = list;
}

static bool loads_merge(const Rows *r, const Stmt *s, Var *a, Var *b) {
    Loads loads;
    stmt_loads(s, &loads);
    if (loads.n == LEN(loads.at)) return false;
    for (int l = 0; l < loads.n; l++) {
        const Expr *e = loads.at[l];
        if (e->tensor->space == SP_TEMP) {
            if (load_stride(r->ctx, e, a) || load_stride(r->ctx, e, b)) return false;
            continue;
        }
        if (!schedule_merges(r->ctx, tensor_offset(r->ctx, e->tensor, e->arg), a, b)) return false;
    }
    return s->kind == ST_REDUCE || s->out->space != SP_TEMP ||
           (!stmt_has_dom(s, a) && !stmt_has_dom(s, b));
}

/* The last two axes as one, where every statement's large operands run through both. */
static bool may_merge(const Rows *r) {
    bool some = false;
    Var *a = r->axis[r->n_axes - 2], *b = r->axis[r->n_axes - 1];
    for (int i = 0; i < r->kernel->stmts.n; i++) {
        const Stmt *s = r->kernel->stmts.at[i];
        if (s->kind != ST_REDUCE) continue;
        if (!loads_merge(r, s, a, b)) return false;
        some = true;
    }
    for (int i = 0; i < r->kernel->stmts.n; i++) {
        const Stmt *s = r->kernel->stmts.at[i];
        if (s->kind == ST_MAP && s->out->space == SP_TEMP && stmt_has_dom(s, b)) return false;
    }
    return some;
}

static void replace_pair(Rows *r, Stmt *s, Var *a, Var *b, Var *q) {
    Var *old[2] = {a, b};
    Expr *by[2] = {expr_floordiv(r->ctx, q->self, b->extent), expr_mod(r->ctx, q->self, b->extent)};
    bool reduce = s->kind == ST_REDUCE;
    if (!reduce && !stmt_has_dom(s, a)) return;
    if (!reduce) own_index(r->ctx, s);
    substitute(r->ctx, s, &(Subst){old, by, 2});
    Var **list = NEW_ARRAY(r->ctx->perm, Var *, MAX_RANK);
    int n = reduce ? s->n_red : s->n_dom;
    memcpy(list, reduce ? s->red : s->dom, sizeof(Var *) * (size_t)n);
    n = without(list, n, a);
    for (int i = 0; i < n; i++)
        if (list[i] == b) list[i] = q;
    if (reduce) s->red = list, s->n_red = n;
    else s->dom = list, s->n_dom = n;
}

static void merge_axes(Rows *r) {
    while (r->n_axes > 1 && may_merge(r)) {
        Var *a = r->axis[r->n_axes - 2], *b = r->axis[r->n_axes - 1];
        Var *q = var_new(r->ctx, arena_printf(r->ctx->perm, "%s_%s", a->name, b->name),
                         expr_mul(r->ctx, a->extent, b->extent));
        for (int i = 0; i < r->kernel->stmts.n; i++)
            replace_pair(r, r->kernel->stmts.at[i], a, b, q);
        r->axis[--r->n_axes - 1] = q;
    }
}

/* ---- how many threads, how many elements at once ---- */
typedef struct Widest {
    Ctx *ctx;
    Var *v;
    int bytes; /* of an element that a row has next to each other; 0: none */
} Widest;

static void widen(void *user, const Expr *e) {
    Widest *w = user;
    if (e->kind != E_LOAD || e->tensor->space == SP_TEMP) return;
    if (load_stride(w->ctx, e, w->v) == 1)
        w->bytes = MAX(w->bytes, e->tensor->packed ? 1 : (int)dtype_bytes(e->type));
}

static int runs_of(const Rows *r, Var *q) {
    Widest w = {.ctx = r->ctx, .v = q};
    for (int i = 0; i < r->kernel->stmts.n; i++)
        expr_visit(r->kernel->stmts.at[i]->value, widen, &w);
    int runs = w.bytes ? MIN(RUN_BYTES / w.bytes, 8) : 1;
    while (runs > 1 && !expr_is(expr_mod(r->ctx, q->extent, expr_int(r->ctx, runs)), 0)) runs /= 2;
    return runs;
}

static int lanes_of(const Rows *r, Var *q, int runs) {
    int64_t each = extent_or(q->extent, 1024) / (runs * ROUNDS), lanes = LEAST_LANES;
    while (lanes < each && lanes < MOST_LANES) lanes *= 2;
    return r->n_shared ? (int)lanes : (int)MAX(lanes, 32);
}

/* ---- results that every lane keeps for itself ---- */
static void give_position(Rows *r, int at) {
    Kernel *k = r->kernel;
    Stmt *s = k->stmts.at[at];
    Ctx *c = r->ctx;
    Expr *dims[MAX_RANK], *index[MAX_RANK];
    if (s->kind != ST_REDUCE || !s->out2 || s->out2->space == SP_TEMP) return;
    for (int i = 0; i < s->n_dom; i++) dims[i] = s->dom[i]->extent, index[i] = s->dom[i]->self;
    char *name = arena_printf(c->perm, "%s.at", s->out2->name);
    Tensor *t = program_temp(r->program, name, s->out2->dtype, dims, s->n_dom);
    Stmt *map = stmt_new(c, ST_MAP, s->out2, s->dom, s->n_dom, expr_load(c, t, index, s->n_dom));
    map->index = s->index;
    s->out2 = t;
    if (!s->out || s->out->space == SP_TEMP) s->index = NULL;
    kernel_insert(c, k, at + 1, map);
}

/* ---- a kernel that is left to others stays as it was ---- */
typedef struct Saved {
    Stmt *stmts;
    int n_consts;
} Saved;

static Saved save(const Program *p, const Kernel *k) {
    Saved s = {NEW_ARRAY(p->ctx->perm, Stmt, k->stmts.n + 1), p->consts.n};
    for (int i = 0; i < k->stmts.n; i++) {
        const Stmt *of = k->stmts.at[i];
        int rank = of->index ? stmt_target(of)->rank : 0;
        s.stmts[i] = *of;
        if (!of->index) continue;
        s.stmts[i].index = NEW_ARRAY(p->ctx->perm, Expr *, rank + 1);
        memcpy(s.stmts[i].index, of->index, sizeof(Expr *) * (size_t)rank);
    }
    return s;
}

static void restore(Program *p, Kernel *k, const Saved *s) {
    for (int i = 0; i < k->stmts.n; i++) *k->stmts.at[i] = s->stmts[i];
    p->consts.n = s->n_consts;
}

static bool make_rows(Program *p, Kernel *k) {
    Rows r = {.program = p, .ctx = p->ctx, .kernel = k};
    Saved saved = save(p, k);
    for (int i = 0; i < k->stmts.n; i++) drop_ones(p->ctx, k, k->stmts.at[i]);
    if (!has_form(&r) || !is_rows(&r)) {
        restore(p, k, &saved);
        return false;
    }
    for (int i = 0; i < k->stmts.n; i++) rename_axes(&r, k->stmts.at[i]);
    merge_axes(&r);
    Var *q = r.axis[r.n_axes - 1];
    int runs = runs_of(&r, q), lanes = lanes_of(&r, q, runs);
    for (int i = k->stmts.n - 1; i >= 0; i--) give_position(&r, i);
    for (int i = 0; i < k->stmts.n; i++) {
        Stmt *s = k->stmts.at[i];
        if (s->kind == ST_REDUCE) s->recipe = (Recipe){s->value->type, lanes, runs, 0};
    }
    if (r.n_axes == 1)
        gpu_rows_keep(p, k, r.shared, r.n_shared, q, (Recipe){.lanes = lanes, .runs = runs});
    return true;
}

static bool share_rows(Program *p, Kernel *k) {
    return gpu_scan_recipe(p->ctx, k) || make_rows(p, k);
}

PASS(gpu_rows, KERNELS, "GPUs: threads of a block share the rows of softmax, norms and reductions")
bool pass_gpu_rows(Program *p, const Options *opt) {
    return change_gpu_kernels(p, opt, share_rows);
}
