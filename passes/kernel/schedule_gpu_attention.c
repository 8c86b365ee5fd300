/* Attention on GPUs (gpu_attention.c gave it its form): a block has the rows of one head, a thread
 * some of them and every eighth key or column; keys come block by block.
 *
 *   split m by 64 -> m.0 m.1 guard;  split m.1 by 16 -> m.1.0 m.1.1 exact
 *   for h thread { for m.0 thread { for m.1.1 block { for lane block {
 *     for j {
 *       for d { for m.1.0 unroll { for u unroll { do %scores } } }
 *       ... maxima, exponentials, their sum ...
 *       for k { for m.1.0 unroll { for w unroll { do %o } } }
 *     }
 *     for m.1.0 unroll { for w unroll { do %y } } } } } }
 *
 * Where there are few queries, rows of several heads share a block. */
#include "passes/kernel/schedule.h"

enum { THREADS = 128, ROWS = 4, FEW = 4, MOST_SUMS = 64 };

typedef struct Flash {
    Sched *s;
    const Stmt *best, *sum, *o;
    Var *j, *lane;
    Var *row[MAX_RANK]; /* of the best, without j */
    int n_rows;
    Var *each; /* rows of a thread; NULL: one */
    Nest *inside;
} Flash;

static bool find(Flash *f) {
    Kernel *k = f->s->kernel;
    for (int i = 0; i < k->stmts.n; i++) {
        const Stmt *s = k->stmts.at[i];
        if (s->kind == ST_SCATTER) return false;
        if (s->kind == ST_SCAN && s->out2) f->best = s;
        if (s->decay && s->recipe.lanes > 1) f->sum = s;
        if (s->decay && s->recipe.lanes <= 1) f->o = s;
    }
    if (!f->best || !f->sum || !f->o) return false;
    f->j = f->best->dom[f->best->axis];
    f->lane = f->sum->red[f->sum->n_red - 1];
    for (int i = 0; i < f->best->n_dom; i++)
        if (f->best->dom[i] != f->j) f->row[f->n_rows++] = f->best->dom[i];
    return true;
}

static void nest_threads(Flash *f) {
    Sched *s = f->s;
    int64_t rows = THREADS / f->sum->recipe.lanes;
    int64_t sums = extent_or(f->o->dom[f->o->n_dom - 2]->extent, MOST_SUMS);
    int64_t queries = extent_or(f->row[f->n_rows - 1]->extent, rows * ROWS);
    int64_t each = queries <= rows ? 1 : MAX(1, MIN(ROWS, MOST_SUMS / sums));
    Var *outer, *inner, *first = NULL;
    int n = f->n_rows - 1;
    Var *q = f->row[n];
    if (queries <= FEW) q = how_collapse(s, f->row, f->n_rows), n = 0;
    how_split(s, q, rows * each, TAIL_GUARD, &outer, &inner);
    if (each > 1) how_split(s, inner, rows, TAIL_EXACT, &first, &inner);
    f->each = first;
    Nest *at = NULL;
    for (int i = 0; i < n; i++) at = nest_loop(s, at, f->row[i], BIND_THREAD);
    at = nest_loop(s, at, outer, BIND_THREAD);
    at = nest_loop(s, at, inner, BIND_BLOCK);
    f->inside = nest_loop(s, at, f->lane, BIND_BLOCK);
}

static bool is_outside(const Flash *f, const Var *v) {
    for (int i = 0; i < f->n_rows; i++)
        if (f->row[i] == v) return true;
    return v == f->j || v == f->lane;
}

/* Long sums outside, then the rows of the thread, then its keys or columns; a reduction along these
 * has none outside. */
static void nest_statement(Flash *f, Nest *at, Stmt *st) {
    bool inner_sum = st->kind == ST_REDUCE && stmt_has_red(st, f->lane);
    for (int i = 0; i < st->n_red && !inner_sum; i++)
        if (!is_outside(f, st->red[i])) at = nest_loop(f->s, at, st->red[i], BIND_SERIAL);
    if (f->each) at = nest_loop(f->s, at, f->each, BIND_UNROLL);
    for (int i = 0; i < st->n_dom; i++)
        if (!is_outside(f, st->dom[i])) at = nest_loop(f->s, at, st->dom[i], BIND_UNROLL);
    for (int i = 0; i < st->n_red && inner_sum; i++)
        if (!is_outside(f, st->red[i])) at = nest_loop(f->s, at, st->red[i], BIND_UNROLL);
    nest_stmt(f->s, at, st);
}

static bool in_blocks(const Flash *f, const Stmt *s) {
    return stmt_has_dom(s, f->j) || stmt_has_red(s, f->j);
}

bool schedule_gpu_attention(Sched *s) {
    Flash f = {.s = s};
    if (!schedule_is_gpu(s) || !find(&f)) return false;
    nest_threads(&f);
    Nest *keys = nest_loop(s, f.inside, f.j, BIND_SERIAL);
    for (int i = 0; i < s->kernel->stmts.n; i++) {
        Stmt *st = s->kernel->stmts.at[i];
        bool shared = expr_uses_tensor(f.o->value, st->out);
        if (st->out->space == SP_TEMP) how_home(s, st->out, shared ? SP_SHARED : SP_REG);
        if (st->out2) how_home(s, st->out2, SP_REG);
        nest_statement(&f, in_blocks(&f, st) ? keys : f.inside, st);
    }
    return true;
}
