/* Rows on GPUs (gpu_rows.c gave them their form): `lanes` threads work on a row. Short
 * rows share a block of 128 threads.
 *
 *   split n by 2 -> n.0 n.1 guard
 *   split r by 256 -> r.0 r.1 mask;  split r.1 by 4 -> r.1.0 r.1.1 exact
 *   for n.0 thread { for n.1 block { for r.1.0 block {
 *     for r.0 { for r.1.1 unroll { do %s } }
 *     for r.0 { for r.1.1 unroll { do %y } } } } }
 *
 * Each thread adds up its part; then the parts are combined (loops: combine). What a row has one of
 * is computed by all its threads. */
#include "passes/kernel/schedule.h"

enum { BLOCK = 128 };

typedef struct Rows {
    Sched *s;
    Recipe recipe;
    Var *q; /* along the row */
    Var *shared[MAX_RANK];
    int n_shared;
    Var *round, *lane, *run; /* parts of q; run: NULL where each thread takes one element */
    bool keeps; /* some elements are in registers: their subscripts must be known */
    Nest *inside;
} Rows;

static bool find_rows(Rows *r) {
    Kernel *k = r->s->kernel;
    for (int i = 0; i < k->stmts.n; i++) {
        const Stmt *s = k->stmts.at[i];
        if (s->kind != ST_REDUCE) continue;
        if (s->recipe.lanes < 2 || s->n_red == 0) return false;
        Var *q = s->red[s->n_red - 1];
        if (r->q &&
            (r->q != q || r->recipe.lanes != s->recipe.lanes || r->recipe.runs != s->recipe.runs))
            return false;
        if (!r->q) {
            for (int d = 0; d < s->n_dom; d++) r->shared[r->n_shared++] = s->dom[d];
        }
        r->q = q;
        r->recipe = s->recipe;
    }
    return r->q != NULL;
}

/* Elements of a row that its threads keep in registers. */
static bool is_row(const Rows *r, const Stmt *s) {
    return s->kind == ST_MAP && s->out->space == SP_TEMP && s->n_dom > r->n_shared;
}

static bool keeps_rows(const Rows *r) {
    for (int i = 0; i < r->s->kernel->stmts.n; i++)
        if (is_row(r, r->s->kernel->stmts.at[i])) return true;
    return false;
}

/* Maps iterate what rows share, and possibly the row. */
static bool fits(const Rows *r) {
    Kernel *k = r->s->kernel;
    for (int i = 0; i < k->stmts.n; i++) {
        const Stmt *s = k->stmts.at[i];
        if (s->kind == ST_SCAN || s->kind == ST_SCATTER) return false;
        for (int d = 0; d < r->n_shared; d++)
            if (!stmt_has_dom(s, r->shared[d])) return false;
        if (is_row(r, s) && s->n_dom != r->n_shared + 1) return false;
        if (s->kind == ST_MAP && s->n_dom > r->n_shared && !stmt_has_dom(s, r->q)) return false;
        if (s->kind == ST_REDUCE && s->n_dom != r->n_shared) return false;
    }
    return true;
}

static void nest_blocks(Rows *r) {
    int64_t rows = BLOCK / r->recipe.lanes;
    Nest *at = NULL;
    Var *outer = NULL, *inner = NULL;
    if (rows > 1 && r->n_shared) {
        Var *all = how_collapse(r->s, r->shared, r->n_shared);
        how_split(r->s, all, rows, TAIL_GUARD, &outer, &inner);
        r->shared[0] = outer;
        r->n_shared = 1;
    }
    for (int i = 0; i < r->n_shared; i++) at = nest_loop(r->s, at, r->shared[i], BIND_THREAD);
    if (inner) at = nest_loop(r->s, at, inner, BIND_BLOCK);
    r->inside = nest_loop(r->s, at, r->lane, BIND_BLOCK);
}

static void split_row(Rows *r) {
    int runs = MAX(r->recipe.runs, 1);
    Var *rest;
    how_split(r->s, r->q, (int64_t)r->recipe.lanes * runs, TAIL_MASK, &r->round, &rest);
    r->lane = rest;
    if (runs > 1) how_split(r->s, rest, runs, TAIL_EXACT, &r->lane, &r->run);
}

static bool is_own(const Rows *r, const Var *v) {
    for (int i = 0; i < r->n_shared; i++)
        if (r->shared[i] == v) return false;
    return true;
}

static void nest_statement(Rows *r, const Rows *before, Stmt *st) {
    Nest *at = r->inside;
    for (int i = 0; i < st->n_dom; i++)
        if (st->dom[i] != r->q && is_own(before, st->dom[i]))
            at = nest_loop(r->s, at, st->dom[i], BIND_SERIAL);
    for (int i = 0; i < st->n_red; i++)
        if (st->red[i] != r->q) at = nest_loop(r->s, at, st->red[i], BIND_SERIAL);
    if (st->kind == ST_REDUCE || stmt_has_dom(st, r->q)) {
        at = nest_loop(r->s, at, r->round, r->keeps ? BIND_UNROLL : BIND_SERIAL);
        if (r->run) at = nest_loop(r->s, at, r->run, BIND_UNROLL);
    }
    nest_stmt(r->s, at, st);
}

bool schedule_gpu_rows(Sched *s) {
    Rows r = {.s = s};
    if (!schedule_is_gpu(s) || !find_rows(&r) || !fits(&r)) return false;
    r.keeps = keeps_rows(&r);
    Rows before = r;
    split_row(&r);
    nest_blocks(&r);
    for (int i = 0; i < s->kernel->stmts.n; i++) {
        Stmt *st = s->kernel->stmts.at[i];
        if (st->out && st->out->space == SP_TEMP) how_home(s, st->out, SP_REG);
        if (st->out2 && st->out2->space == SP_TEMP) how_home(s, st->out2, SP_REG);
        nest_statement(&r, &before, st);
    }
    return true;
}
