/* Attention on GPUs (gpu_attention.c gave it its form): a block has the rows of one head, a thread
 * some of them and every eighth key or column; keys come block by block.
 *
 *   split m by 64 -> m.0 m.1 guard;  split m.1 by 16 -> m.1.0 m.1.1 exact
 *   split d by 16 -> d.0 d.1 exact;  split k by 16 -> k.0 k.1 exact
 *   for h thread { for m.0 thread { for m.1.1 block { for lane block {
 *     for j {
 *       for d.0 {
 *         stage factor 0 of %scores over m.1 d.1; stage factor 1 of %scores over u lane d.1
 *         for d.1 { for m.1.0 unroll { for u unroll { do %scores } } }
 *       }
 *       ... maxima, exponentials, their sum ...
 *       for k.0 {
 *         stage factor 1 of %o over k.1 w lane ...
 *         for k.1 { for m.1.0 unroll { for w unroll { do %o } } }
 *       }
 *     }
 *     for m.1.0 unroll { for w unroll { do %y } } } } } }
 *
 * Where there are few queries, rows of several heads share a block, and nothing is copied. */
#include "passes/kernel/schedule_gpu_attention.h"

enum { THREADS = 128, ROWS = 4, FEW = 4, MOST_SUMS = 64, STEP = 16, MOST_COPIES = 36 << 10 };

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
    Var *outer, *inner;
    int n = f->n_rows - 1;
    Var *q = f->row[n];
    f->few = queries <= FEW;
    if (f->few) q = how_collapse(s, f->row, f->n_rows), n = 0;
    how_split(s, q, rows * each, TAIL_GUARD, &outer, &f->own);
    inner = f->own;
    if (each > 1) how_split(s, inner, rows, TAIL_EXACT, &f->each, &inner);
    Nest *at = NULL;
    for (int i = 0; i < n; i++) at = nest_loop(s, at, f->row[i], BIND_THREAD);
    at = nest_loop(s, at, outer, BIND_THREAD);
    at = nest_loop(s, at, inner, BIND_BLOCK);
    f->inside = nest_loop(s, at, f->lane, BIND_BLOCK);
}

bool gpu_attention_is_outside(const Flash *f, const Var *v) {
    for (int i = 0; i < f->n_rows; i++)
        if (f->row[i] == v) return true;
    return v == f->j || v == f->lane;
}

/* ---- copies in shared memory ---- */
/* A copy over these variables, of which dimension `wide` is `more` longer, in this physical order
 * (NULL: as they are), where there is room left. */
static void add_copy(Flash *f, Nest *at, Stage g, int wide, int more, const int *order) {
    Expr *dims[3];
    DType type = gpu_tile_type(g.stmt->value->arg[g.factor]);
    int64_t bytes = (int64_t)dtype_bytes(type) * (g.ahead + 1);
    for (int i = 0; i < g.n_region; i++) {
        dims[i] = g.region[i]->extent;
        if (i == wide) dims[i] = expr_addi(f->s->ctx, dims[i], more);
        bytes *= extent_or(dims[i], MOST_COPIES);
    }
    if (f->copies + bytes > MOST_COPIES) return;
    f->copies += bytes;
    gpu_tile_stage(f->s, at, g, dims, order);
}

/* Is the factor the same for all rows of a block? */
static bool is_common(const Flash *f, const Expr *factor) {
    return expr_uses_var(factor, f->j) && !expr_uses_var(factor, f->row[f->n_rows - 1]);
}

/* Queries and keys, for some steps of their product: queries in rows that are 4 longer, so that
 * rows begin in different banks; keys turned, so that lanes meet neighbours. */
static void copy_factors(Flash *f, Nest *at, Stmt *st, Var *step) {
    bool scores = stmt_has_dom(st, f->j);
    for (int i = 0; i < 2; i++) {
        const Expr *factor = st->value->arg[i];
        Stage g = {.stmt = st, .factor = i, .ahead = 1};
        if (is_common(f, factor)) {
            Var *far = st->dom[st->n_dom - 2];
            Var *keys[] = {far, f->lane, step}, *values[] = {step, far, f->lane};
            g.region = scores ? keys : values, g.n_region = 3;
            add_copy(f, at, g, scores ? 0 : -1, 1, scores ? (const int[]){2, 0, 1} : NULL);
        } else if (scores && !expr_uses_var(factor, f->j) && !expr_uses_var(factor, f->lane)) {
            Var *queries[] = {f->own, step};
            g.region = queries, g.n_region = 2;
            add_copy(f, at, g, 1, 4, NULL);
        }
    }
}

/* ---- the nest ---- */

/* The loop along a product of queries and keys, or of their exponentials and the values. */
static Nest *product_loop(Flash *f, Nest *at, Stmt *st, Var *along) {
    Var *outer, *step;
    int64_t n;
    if (f->few || !expr_is_int(along->extent, &n) || n < 2)
        return nest_loop(f->s, at, along, BIND_SERIAL);
    how_split(f->s, along, MIN(n, STEP), TAIL_GUARD, &outer, &step);
    at = nest_loop(f->s, at, outer, BIND_SERIAL);
    copy_factors(f, at, st, step);
    return nest_loop(f->s, at, step, BIND_SERIAL);
}

static bool is_scores(const Flash *f, const Stmt *st) {
    return st->kind == ST_REDUCE && st->n_red == 1 && st->value->kind == E_OP &&
           st->value->op == SOP_mul && stmt_has_dom(st, f->j) && stmt_has_dom(st, f->lane);
}

/* Few queries: each thread has a key of its own, and reads 16 bytes of it at once. The steps of
 * that; NULL: the loop stays whole. */
static Var *piece_of_key(Flash *f, Nest **at, const Stmt *st) {
    enum { PIECE_BYTES = 16 };
    if (!f->few || !is_scores(f, st)) return NULL;
    Var *d = st->red[0], *rounds, *step = NULL;
    int64_t n, piece = PIECE_BYTES;
    for (int i = 0; i < 2; i++)
        piece = MIN(piece, PIECE_BYTES / (int64_t)dtype_bytes(gpu_tile_type(st->value->arg[i])));
    if (!expr_is_int(d->extent, &n) || n % piece || piece < 2) return NULL;
    how_split(f->s, d, piece, TAIL_EXACT, &rounds, &step);
    *at = nest_loop(f->s, *at, rounds, BIND_SERIAL);
    return step;
}

/* Long sums outside, then the rows of the thread, then its keys or columns; a reduction along these
 * has none outside. */
static void nest_statement(Flash *f, Nest *at, Stmt *st) {
    bool inner_sum = st->kind == ST_REDUCE && stmt_has_red(st, f->lane);
    Var *piece = piece_of_key(f, &at, st);
    for (int i = 0; i < st->n_red && !inner_sum && !piece; i++)
        if (!gpu_attention_is_outside(f, st->red[i])) {
            bool last = i == st->n_red - 1 && st->n_red <= 2;
            at = last ? product_loop(f, at, st, st->red[i])
                      : nest_loop(f->s, at, st->red[i], BIND_SERIAL);
        }
    if (f->each) at = nest_loop(f->s, at, f->each, BIND_UNROLL);
    for (int i = 0; i < st->n_dom; i++)
        if (!gpu_attention_is_outside(f, st->dom[i]))
            at = nest_loop(f->s, at, st->dom[i], BIND_UNROLL);
    for (int i = 0; i < st->n_red && inner_sum; i++)
        if (!gpu_attention_is_outside(f, st->red[i]))
            at = nest_loop(f->s, at, st->red[i], BIND_UNROLL);
    if (piece) at = nest_loop(f->s, at, piece, BIND_UNROLL);
    nest_stmt(f->s, at, st);
}

bool gpu_attention_in_blocks(const Flash *f, const Stmt *s) {
    return stmt_has_dom(s, f->j) || stmt_has_red(s, f->j);
}

bool schedule_gpu_attention(Sched *s) {
    Flash f = {.s = s};
    if (!schedule_is_gpu(s) || !find(&f)) return false;
    if (schedule_gpu_attention_mma(&f)) return true;
    nest_threads(&f);
    Nest *keys = nest_loop(s, f.inside, f.j, BIND_SERIAL);
    for (int i = 0; i < s->kernel->stmts.n; i++) {
        Stmt *st = s->kernel->stmts.at[i];
        bool shared = expr_uses_tensor(f.o->value, st->out);
        if (st->out->space == SP_TEMP) how_home(s, st->out, shared ? SP_SHARED : SP_REG);
        if (st->out2) how_home(s, st->out2, SP_REG);
        nest_statement(&f, gpu_attention_in_blocks(&f, st) ? keys : f.inside, st);
    }
    return true;
}
