/* GPUs: transposes and other changes of layout go through tiles in shared memory, so that both
 * sides move neighbours. A map that stores along k and loads along j gets a temp for the elements
 * of a tile, and variables for tiles and for the rows and columns in one:
 *
 *   %y[n<N, j<96, k<64] = %x[n, k, j] * 2.0
 *
 *   [n<N, j.t<3, k.t<2, row<32, column<32]
 *       %x.tile[n, j.t, k.t, column, (column + row) % 32] = %x[n, k.t*32 + row, j.t*32 + column]
 *   [n<N, j.t<3, k.t<2, row<32, column<32]
 *       %y[n, j.t*32 + row, k.t*32 + column] =
 *           %x.tile[n, j.t, k.t, row, (column + row) % 32] * 2.0
 *
 * Rows of a tile are turned round by their number: threads that work together meet different banks.
 * Both extents must be whole numbers of tiles. Requires: layouts are known. */
#include "passes/kernel/schedule.h"

enum { TILE = 32, SMALL_TILE = 16, MOST_LOADS = 2 };

typedef struct Turns {
    Program *program;
    Ctx *ctx;
    Kernel *kernel;
    Stmt *stmt;
    Var *j, *k; /* along which it loads, along which it stores */
    const Expr *load[MOST_LOADS];
    int n_loads, tile;
    Var *dom[MAX_RANK];
    int n_others, n_dom;
    Var *j_tile, *k_tile, *row, *column;
} Turns;

/* ---- is it one? ---- */
static Var *stored_along(Turns *t) {
    for (int i = 0; i < t->stmt->n_dom; i++) {
        Var *v = t->stmt->dom[i];
        if (!expr_is(v->extent, 1) && store_stride(t->ctx, t->stmt, v) == 1) return v;
    }
    return NULL;
}

static Var *loaded_along(const Turns *t, const Expr *load) {
    for (int i = 0; i < t->stmt->n_dom; i++) {
        Var *v = t->stmt->dom[i];
        if (v != t->k && !expr_is(v->extent, 1) && load_stride(t->ctx, load, v) == 1) return v;
    }
    return NULL;
}

/* Does it load along another variable than it stores, and far apart along the latter? */
static bool is_across(const Turns *t, const Expr *load) {
    int64_t stride = load_stride(t->ctx, load, t->k);
    return stride != 0 && stride != 1 && loaded_along(t, load);
}

typedef struct Find {
    Turns *turns;
    bool odd; /* something that must not be computed for other elements, or by other threads */
} Find;

static void find_load(void *user, const Expr *e) {
    Find *f = user;
    Turns *t = f->turns;
    f->odd |= e->kind == E_GUARD || e->kind == E_BOUND;
    if (e->kind != E_LOAD || !is_across(t, e)) return;
    Var *v = loaded_along(t, e);
    f->odd |= (t->j && t->j != v) || t->n_loads == MOST_LOADS;
    t->j = v;
    for (int i = 0; i < t->n_loads; i++)
        if (t->load[i] == e) return;
    if (t->n_loads < MOST_LOADS) t->load[t->n_loads++] = e;
}

static bool divides(const Turns *t, int tile) {
    Expr *n = expr_int(t->ctx, tile);
    return expr_is(expr_mod(t->ctx, t->j->extent, n), 0) &&
           expr_is(expr_mod(t->ctx, t->k->extent, n), 0);
}

static bool find_turns(Turns *t) {
    Find f = {t, false};
    if (t->kernel->stmts.n != 1 || t->stmt->kind != ST_MAP || !(t->k = stored_along(t)))
        return false;
    expr_visit(t->stmt->value, find_load, &f);
    if (!t->n_loads || f.odd || t->stmt->n_dom + 2 > MAX_RANK) return false;
    t->tile = divides(t, TILE) ? TILE : divides(t, SMALL_TILE) ? SMALL_TILE : 0;
    return t->tile != 0;
}

/* ---- variables ---- */
static Var *fresh(Turns *t, const char *base, Expr *extent) {
    return gpu_fresh_var(t->ctx, t->kernel, base, extent);
}

static Var *tiles_of(Turns *t, const Var *v) {
    return fresh(t, arena_printf(t->ctx->perm, "%s.t", v->name),
                 expr_floordiv(t->ctx, v->extent, expr_int(t->ctx, t->tile)));
}

static void make_vars(Turns *t) {
    Expr *n = expr_int(t->ctx, t->tile);
    for (int i = 0; i < t->stmt->n_dom; i++) {
        Var *v = t->stmt->dom[i];
        if (v != t->j && v != t->k) t->dom[t->n_dom++] = v;
    }
    t->n_others = t->n_dom;
    t->dom[t->n_dom++] = t->j_tile = tiles_of(t, t->j);
    t->dom[t->n_dom++] = t->k_tile = tiles_of(t, t->k);
    t->dom[t->n_dom++] = t->row = fresh(t, "row", n);
    t->dom[t->n_dom++] = t->column = fresh(t, "column", n);
}

/* e with j and k in terms of tiles: the rows of a tile lie along j, or along k. */
static Expr *in_tiles(const Turns *t, Expr *e, bool rows_along_j) {
    Ctx *c = t->ctx;
    Var *from[] = {t->j, t->k}, *inside[] = {t->row, t->column};
    Expr *tile[] = {t->j_tile->self, t->k_tile->self}, *by[2];
    for (int i = 0; i < 2; i++)
        by[i] = expr_add(c, expr_muli(c, tile[i], t->tile), inside[rows_along_j ? i : 1 - i]->self);
    return expr_subst(c, e, &(Subst){from, by, 2});
}

/* ---- statements ---- */
static void element_index(const Turns *t, bool rows_along_j, Expr **index) {
    Expr *n = expr_int(t->ctx, t->tile);
    for (int i = 0; i < t->n_others; i++) index[i] = t->dom[i]->self;
    index[t->n_others] = t->j_tile->self;
    index[t->n_others + 1] = t->k_tile->self;
    index[t->n_others + 2] = (rows_along_j ? t->row : t->column)->self;
    index[t->n_others + 3] = expr_mod(t->ctx, expr_add(t->ctx, t->row->self, t->column->self), n);
}

static Tensor *make_tile(Turns *t, const Expr *load, int at) {
    Expr *dims[MAX_RANK], *index[MAX_RANK];
    for (int i = 0; i < t->n_dom; i++) dims[i] = t->dom[i]->extent;
    char *name = arena_printf(t->ctx->perm, "%s.tile", load->tensor->name);
    Tensor *tile = program_temp(t->program, name, load->type, dims, t->n_dom);
    Expr *value = in_tiles(t, (Expr *)(uintptr_t)load, false);
    Stmt *s = stmt_new(t->ctx, ST_MAP, tile, t->dom, t->n_dom, value);
    element_index(t, false, index);
    stmt_set_index(t->ctx, s, index);
    kernel_insert(t->ctx, t->kernel, at, s);
    return tile;
}

static bool make_turns(Program *p, Kernel *k) {
    Turns t = {.program = p, .ctx = p->ctx, .kernel = k, .stmt = k->stmts.at[0]};
    Expr *index[MAX_RANK], *own[MAX_RANK];
    if (!find_turns(&t)) return false;
    make_vars(&t);
    Stmt *s = t.stmt;
    Expr *value = s->value;
    element_index(&t, true, own);
    for (int i = 0; i < t.n_loads; i++) {
        Expr *by = expr_load(t.ctx, make_tile(&t, t.load[i], i), own, t.n_dom);
        value = expr_replace(t.ctx, value, t.load[i], by);
    }
    for (int i = 0; i < s->out->rank; i++) index[i] = in_tiles(&t, stmt_index(s, i), true);
    s->value = in_tiles(&t, value, true);
    s->dom = arena_copy(t.ctx->perm, t.dom, sizeof(Var *) * (size_t)t.n_dom);
    s->n_dom = t.n_dom;
    stmt_set_index(t.ctx, s, index);
    return true;
}

PASS(gpu_turns, KERNELS, "GPUs: changes of layout go through tiles in shared memory")
bool pass_gpu_turns(Program *p, const Options *opt) {
    return change_gpu_kernels(p, opt, make_turns);
}
