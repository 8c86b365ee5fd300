/* Attention on GPUs whose warps multiply matrices: 64 queries of a head are a block's, 16 of them a
 * warp's, of which 4 threads share a row (gpu_attention.c numbers keys and columns so).
 *
 *   split m by 64 -> m.0 m.1 guard;  split m.1 by 16 -> m.w m.2 exact
 *   split m.2 by 16 -> m.i m.3 exact;  split m.3 by 8 -> m.h m.g exact
 *   for h thread { for m.0 thread { for m.w block { for m.g block { for lane block {
 *     stage factor 0 of %scores over m.1 d
 *     for j {
 *       stage factor 1 of %scores over u lane pair d; stage factor 1 of %o over k w lane side
 *       for d.0 unroll { for m.i mma { for m.h mma { for u mma { for pair mma { for d.1 mma {
 *         do %scores } } } } } }
 *       ... maxima, exponentials, their sum, exponentials as factors, all in registers ...
 *       for k.0 unroll { for m.i mma { for m.h mma { for w mma { for side mma { for k.1 mma {
 *         do %o } } } } } }
 *     }
 *     for m.i unroll { for m.h unroll { for w unroll { for side unroll { do %y } } } } } } } } }
 *
 * Rows of copies are 16 bytes longer, against bank conflicts. */
#include "ir/mma.h"
#include "passes/kernel/gpu_attention.h"
#include "passes/kernel/schedule_gpu_attention.h"

enum { QUERIES = 64, PAD = 8, MOST_WIDTH = 128 };

typedef struct Blocking {
    int keys, ahead; /* of a block; rounds that keys and values are copied ahead */
} Blocking;

static const Blocking blockings[] = {{64, 1}, {32, 1}, {32, 0}, {16, 0}};

/* The first for which there is room; NULL: none. */
static const Blocking *blocking_of(int64_t depth, int64_t width) {
    depth = (depth + 15) / 16 * 16;
    for (int i = 0; i < LEN(blockings) && width <= MOST_WIDTH; i++) {
        const Blocking *b = &blockings[i];
        int64_t keys = b->keys * (b->ahead + 1) * (depth + width + 2 * PAD);
        if (2 * (keys + QUERIES * (depth + PAD)) <= GPU_TILE_SHARED) return b;
    }
    return NULL;
}

int gpu_attention_block(int64_t depth, int64_t width) {
    const Blocking *b = blocking_of(depth, width);
    return b ? b->keys : 0;
}

typedef struct Matrices {
    Flash *f;
    const Stmt *scores;
    Var *tile, *half; /* of a thread's rows */
} Matrices;

static void nest_threads(Matrices *m) {
    Flash *f = m->f;
    Sched *s = f->s;
    Var *outer, *warp, *rest, *lane;
    Nest *at = NULL;
    how_split(s, f->row[f->n_rows - 1], QUERIES, TAIL_GUARD, &outer, &f->own);
    how_split(s, f->own, MMA_ROWS, TAIL_EXACT, &warp, &rest);
    how_split(s, rest, MMA_ROWS, TAIL_EXACT, &m->tile, &rest);
    how_split(s, rest, MMA_LANE_ROWS, TAIL_EXACT, &m->half, &lane);
    for (int i = 0; i < f->n_rows - 1; i++) at = nest_loop(s, at, f->row[i], BIND_THREAD);
    at = nest_loop(s, at, outer, BIND_THREAD);
    at = nest_loop(s, at, warp, BIND_BLOCK);
    at = nest_loop(s, at, lane, BIND_BLOCK);
    f->inside = nest_loop(s, at, f->lane, BIND_BLOCK);
}

/* ---- copies ---- */
/* Of the factor that has v; dimension `wide` is `more` longer. */
static void add_copy(Matrices *m, Nest *at, const Stmt *st, const Var *v, int ahead, Var **region,
                     int n, int wide, int more) {
    Stage g = {.stmt = (Stmt *)(uintptr_t)st, .region = region, .n_region = n, .ahead = ahead};
    Expr *dims[4];
    g.factor = !expr_uses_var(st->value->arg[0], v);
    for (int i = 0; i < n; i++) dims[i] = region[i]->extent;
    dims[wide] = expr_addi(m->f->s->ctx, dims[wide], more);
    gpu_tile_stage(m->f->s, at, g, dims, NULL);
}

/* Queries once, keys and values in each round of the loop over blocks, which is returned. */
static Nest *copy_factors(Matrices *m) {
    const Flash *f = m->f;
    const Stmt *s = m->scores, *o = f->o;
    Var *d = s->red[0], *k = o->red[1], *u = s->dom[f->n_rows + 1], *pair = s->dom[f->n_rows + 3];
    Var *w = o->dom[f->n_rows], *side = o->dom[f->n_rows + 2];
    Var *queries[] = {f->own, d}, *at[] = {u, f->lane, pair, d}, *values[] = {k, w, f->lane, side};
    int ahead = blocking_of(extent_or(d->extent, 0), 8 * extent_or(w->extent, 0))->ahead;
    add_copy(m, f->inside, s, f->row[f->n_rows - 1], 0, queries, 2, 1, PAD);
    Nest *keys = nest_loop(f->s, f->inside, f->j, BIND_SERIAL);
    add_copy(m, keys, s, pair, ahead, at, 4, 3, PAD);
    add_copy(m, keys, o, side, ahead, values, 4, 1, 1);
    return keys;
}

/* ---- the nest ---- */
static Nest *rows(Matrices *m, Nest *at, Bind bind) {
    return nest_loop(m->f->s, nest_loop(m->f->s, at, m->tile, bind), m->half, bind);
}

/* A chain of matrices along this variable. */
static void nest_product(Matrices *m, Nest *at, Stmt *st, Var *along) {
    Sched *s = m->f->s;
    Var *outer, *steps;
    how_split(s, along, mma_steps(DT_F16), TAIL_EXACT, &outer, &steps);
    at = rows(m, nest_loop(s, at, outer, BIND_UNROLL), BIND_MMA);
    for (int i = 0; i < st->n_dom; i++)
        if (!gpu_attention_is_outside(m->f, st->dom[i]))
            at = nest_loop(s, at, st->dom[i], BIND_MMA);
    nest_stmt(s, nest_loop(s, at, steps, BIND_MMA), st);
}

static void nest_own(Matrices *m, Nest *at, Stmt *st) {
    at = rows(m, at, BIND_UNROLL);
    for (int i = 0; i < st->n_dom; i++)
        if (!gpu_attention_is_outside(m->f, st->dom[i]))
            at = nest_loop(m->f->s, at, st->dom[i], BIND_UNROLL);
    for (int i = 0; i < st->n_red; i++)
        if (!gpu_attention_is_outside(m->f, st->red[i]))
            at = nest_loop(m->f->s, at, st->red[i], BIND_UNROLL);
    nest_stmt(m->f->s, at, st);
}

/* The other factor of the second product is what a temp holds of the exponentials. */
static bool has_form(const Flash *f) {
    const Expr *v = f->o->value;
    for (int i = 0; i < 2; i++)
        if (dtype_bytes(gpu_tile_type(v->arg[i])) != 2) return false;
    return f->sum->recipe.lanes == MMA_LANE_COLUMNS;
}

bool schedule_gpu_attention_mma(Flash *f) {
    Sched *s = f->s;
    Matrices m = {.f = f, .scores = s->kernel->stmts.at[0]};
    if (!has_form(f)) return false;
    nest_threads(&m);
    Nest *keys = copy_factors(&m);
    for (int i = 0; i < s->kernel->stmts.n; i++) {
        Stmt *st = s->kernel->stmts.at[i];
        Nest *at = gpu_attention_in_blocks(f, st) ? keys : f->inside;
        if (st->out->space == SP_TEMP) how_home(s, st->out, SP_REG);
        if (st->out2) how_home(s, st->out2, SP_REG);
        if (st == m.scores) nest_product(&m, at, st, st->red[0]);
        else if (st == f->o) nest_product(&m, at, st, st->red[1]);
        else nest_own(&m, at, st);
    }
    return true;
}
