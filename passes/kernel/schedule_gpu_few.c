/* Sums of products on GPUs with so few rows that what counts is to read the other factor once, at
 * the speed of memory: a version for few of a symbolic number of rows.
 *
 *   split n by 4 -> n.0 n.1 guard                    # a thread has all rows
 *   split o by 32 -> o.0 o.1 exact                   # of the columns of a block
 *   split o.1 by 4 -> o.t o.e exact                  # some, 16 bytes
 *   split k by 64 -> k.0 k.1 mask
 *   split k.1 by 4 -> k.l k.r exact                  # lanes share the reduction
 *   by %s f32 lanes 16 runs 4
 *   for n.0 thread { for o.0 thread { for k.l block { for o.t block {
 *     for k.0 { for k.r unroll { for n.1 unroll { for o.e vector { do %s } } } }
 *     for n.1 unroll { for o.e unroll { do %y } }
 *   } } } }
 *
 * The factor stays as it is stored for the version for any number of rows. Neighbouring threads
 * read neighbours in memory:
 *
 *   [k, o], panels [o/64, k, o%64]    threads of a row side by side, lanes behind
 *   [o/128, k/32, o/8%16, k%32, o%8]  the steps of a piece of columns follow it, and so do lanes
 *   [o, k]                            lanes side by side, each with 16 bytes of steps
 *   [o/128, k/64, k/16%4, o%128, k%16]  columns side by side, lanes behind, likewise
 *
 * Each thread has several loads under way; there are as many lanes as make threads for all of a
 * GPU. */
#include "passes/kernel/gpu_cost.h"
#include "passes/kernel/schedule_gpu_tile.h"

enum {
    PIECE_BYTES = 16,
    PIECE = 8,  /* elements that a thread takes at once, at most */
    LINE = 128, /* bytes: a line of the cache, and its quarter */
    SECTOR = 32,
    UNDER_WAY = 64, /* bytes that a thread waits for */
    MOST_AGAIN = 8,
    WARP = 32,
    BLOCK = 128, /* threads, at least */
    MOST_THREADS = 512,
    BUSY = 512, /* threads that keep a processor busy */
    ROUNDS = 2,
    LEAST_STEPS = 64,
    ASSUMED_STEPS = 1024,
    ASSUMED_COLUMNS = 512
};

typedef struct Few {
    GpuTile t;
    Sched *s;
    Side *rows, *columns;
    const Expr *load;           /* of what is large */
    int bits;                   /* of its elements */
    int64_t steps;              /* so many neighbours are steps; 0: they are columns */
    bool padded;                /* columns, to whole blocks of them */
    int64_t width;              /* columns that are neighbours */
    bool side_by_side;          /* lanes are; else columns */
    int64_t each, threads;      /* columns of a thread, threads with other columns */
    int64_t lanes, runs, again; /* again: rounds whose loads are under way together */
} Few;

/* ---- how the factor lies in memory ---- */
/* So many elements are neighbours when v goes up by one. */
static int64_t neighbours(Ctx *c, const Expr *load, Var *v) {
    const Tensor *t = load->tensor;
    LayoutDim last = {t->rank - 1, 1, 0};
    Expr *coef, *rest;
    if (t->layout) last = t->layout->at[t->layout->n - 1];
    if (t->rank == 0 || last.div != 1) return 0;
    if (!expr_linear_in(c, load->arg[last.dim], v, &coef, &rest) || !expr_is(coef, 1)) return 0;
    return last.mod ? last.mod : INT64_MAX;
}

static Var *last_column(const Few *f) {
    return f->columns->vars[f->columns->n - 1];
}

static Var *last_step(const Few *f) {
    return f->t.red[f->t.n_red - 1];
}

/* Does each step have elements of its own? Scales of blocks do not. */
static bool moves_with(Ctx *c, const Expr *load, Var *v) {
    bool moves = false;
    for (int i = 0; i < load->n; i++) {
        Expr *coef, *rest;
        if (!expr_uses_var(load->arg[i], v)) continue;
        if (!expr_linear_in(c, load->arg[i], v, &coef, &rest)) return false;
        moves = true;
    }
    return moves;
}

static void find_load(void *user, const Expr *e) {
    Few *f = user;
    Ctx *c = f->s->ctx;
    if (e->kind != E_LOAD || e->tensor->space == SP_TEMP || f->load) return;
    if (moves_with(c, e, last_column(f)) && moves_with(c, e, last_step(f))) f->load = e;
}

static bool look_at_memory(Few *f) {
    Ctx *c = f->s->ctx;
    expr_visit(f->t.sum->value->arg[f->columns->factor], find_load, f);
    if (!f->load) return false;
    f->bits =
        f->load->tensor->packed ? f->load->tensor->packed : 8 * (int)dtype_bytes(f->load->type);
    f->width = neighbours(c, f->load, last_column(f));
    f->steps = f->width ? 0 : neighbours(c, f->load, last_step(f));
    return f->width > 1 || f->steps > 1;
}

/* ---- who does what ---- */
static bool divides(Ctx *c, const Expr *e, int64_t by) {
    return expr_is(expr_mod(c, (Expr *)(uintptr_t)e, expr_int(c, by)), 0);
}

static int64_t pieces_of(const Few *f) {
    int64_t n = extent_or(f->columns->extent, ASSUMED_COLUMNS);
    for (int i = 0; i < f->t.n_batch; i++) n *= extent_or(f->t.batch[i]->extent, 1);
    return gpu_ceil_div(n, f->each);
}

/* Threads with other columns read a line together, as far as the factor has that; only sectors
 * where a GPU had too few blocks. */
static void choose_columns(Few *f) {
    int64_t each = f->each * f->bits * (f->steps ? f->runs : 1); /* bits */
    int64_t most = LINE * 8 / each, least = SECTOR * 8 / each;
    if (!f->steps) most = MIN(most, f->width / f->each);
    bool any = f->padded || f->each == 1;
    while (2 * f->threads <= most &&
           (any || divides(f->s->ctx, f->columns->extent, 2 * f->threads * f->each)))
        f->threads *= 2;
    while (f->threads > MAX(least, 1) && pieces_of(f) / f->threads < GPU_PROCESSORS)
        f->threads /= 2;
}

/* As many as make threads for all of a GPU, but each shall have some rounds. */
static void choose_lanes(Few *f) {
    int64_t steps = extent_or(last_step(f)->extent, ASSUMED_STEPS) / (f->runs * f->again);
    int64_t least = f->side_by_side ? (f->steps ? LINE / PIECE_BYTES : WARP) : 2;
    f->lanes = MAX(least, f->side_by_side ? 1 : BLOCK / f->threads);
    while (f->lanes > least && f->lanes > steps && f->lanes * f->threads > WARP) f->lanes /= 2;
    while (2 * f->lanes * f->threads <= MOST_THREADS && 2 * f->lanes * ROUNDS <= steps &&
           pieces_of(f) * f->lanes < (int64_t)GPU_PROCESSORS * BUSY)
        f->lanes *= 2;
    while (f->side_by_side && f->threads * f->lanes < BLOCK) f->threads *= 2;
}

static void choose(Few *f) {
    Ctx *c = f->s->ctx;
    int64_t most = f->s->most_rows > 1 && !f->steps ? PIECE / 2 : PIECE;
    if (f->steps && f->steps < INT64_MAX) most = f->steps;
    int64_t each = MIN(most, PIECE_BYTES * 8 / f->bits), bytes = MAX(each * f->bits / 8, 1);
    const Expr *along = f->steps ? last_step(f)->extent : f->columns->extent;
    each = MIN(each, f->steps ? f->steps : f->width);
    f->padded = f->load->tensor->layout && f->width && f->width != INT64_MAX;
    while (each > 1 && !f->padded && !divides(c, along, each)) each /= 2;
    f->each = f->steps ? 1 : each;
    f->runs = f->steps ? each : 1;
    f->side_by_side = f->steps ? f->steps == INT64_MAX : f->width <= f->each;
    f->threads = 1;
    f->again = MAX(MIN(UNDER_WAY / bytes, MOST_AGAIN) >> f->s->revision, 1);
    if (!f->side_by_side && f->width > PIECE && !f->steps) f->runs = f->again, f->again = 1;
    if (!f->side_by_side) choose_columns(f);
    choose_lanes(f);
}

/* ---- loops ---- */
typedef struct Parts {
    Var *row_block, *row, *column_block, *column, *each; /* row, column, each: NULL: only one */
    Var *round, *again, *lane, *run;                     /* again, run: likewise */
} Parts;

/* The inner part; *v becomes the outer one. */
static Var *split_off(Sched *s, Var **v, int64_t factor, Tail tail) {
    Var *inner = NULL;
    if (factor > 1) how_split(s, *v, factor, tail, v, &inner);
    return inner;
}

static void split_all(Few *f, Parts *p) {
    Sched *s = f->s;
    p->row_block = how_collapse(s, f->rows->vars, f->rows->n);
    p->row = split_off(s, &p->row_block, s->most_rows, TAIL_GUARD);
    p->column_block = how_collapse(s, f->columns->vars, f->columns->n);
    p->column = split_off(s, &p->column_block, f->threads * f->each, TAIL_GUARD);
    p->each = p->column;
    if (f->threads > 1) p->each = split_off(s, &p->column, f->each, TAIL_EXACT);
    else p->column = NULL;
    Var *rest;
    how_split(s, last_step(f), f->lanes * f->runs * f->again, TAIL_MASK, &p->round, &rest);
    p->again = NULL, p->lane = rest;
    if (f->again > 1) how_split(s, rest, f->lanes * f->runs, TAIL_EXACT, &p->again, &p->lane);
    p->run = split_off(s, &p->lane, f->runs, TAIL_EXACT);
}

static Nest *own_loops(Few *f, const Parts *p, Nest *at, Bind bind) {
    if (p->row) at = nest_loop(f->s, at, p->row, BIND_UNROLL);
    return p->each ? nest_loop(f->s, at, p->each, bind) : at;
}

static void nest_sum(Few *f, const Parts *p, Nest *at) {
    Sched *s = f->s;
    Recipe r = {f->t.sum->recipe.acc, (int)f->lanes, (int)f->runs, 0};
    how_by(s, f->t.sum, r);
    how_home(s, f->t.sum->out, SP_REG);
    for (int i = 0; i + 1 < f->t.n_red; i++) at = nest_loop(s, at, f->t.red[i], BIND_SERIAL);
    at = nest_loop(s, at, p->round, BIND_SERIAL);
    if (p->again) at = nest_loop(s, at, p->again, BIND_UNROLL);
    if (p->run && !f->steps) at = nest_loop(s, at, p->run, BIND_UNROLL);
    at = own_loops(f, p, at, BIND_VECTOR); /* the padding of constants is read, too */
    if (p->run && f->steps) at = nest_loop(s, at, p->run, BIND_UNROLL);
    nest_stmt(s, at, f->t.sum);
}

static void nest_all(Few *f, const Parts *p) {
    Sched *s = f->s;
    Nest *at = NULL;
    for (int i = 0; i < f->t.n_batch; i++) at = nest_loop(s, at, f->t.batch[i], BIND_THREAD);
    at = nest_loop(s, at, p->row_block, BIND_THREAD);
    at = nest_loop(s, at, p->column_block, BIND_THREAD);
    if (!f->side_by_side) at = nest_loop(s, at, p->lane, BIND_BLOCK);
    if (p->column) at = nest_loop(s, at, p->column, BIND_BLOCK);
    if (f->side_by_side) at = nest_loop(s, at, p->lane, BIND_BLOCK);
    nest_sum(f, p, at);
    at = own_loops(f, p, at, BIND_UNROLL);
    for (int i = 1; i < s->kernel->stmts.n; i++) {
        Stmt *m = s->kernel->stmts.at[i];
        if (m->out->space == SP_TEMP) how_home(s, m->out, SP_REG);
        nest_stmt(s, at, m);
    }
}

bool schedule_gpu_few(Sched *s) {
    Few f = {.s = s};
    Parts p = {0};
    if (!gpu_tile_find(&f.t, s)) return false;
    f.rows = &f.t.side[f.t.side[0].extent != s->rows];
    f.columns = &f.t.side[f.t.side[0].extent == s->rows];
    int64_t steps = extent_or(last_step(&f)->extent, LEAST_STEPS);
    if (f.columns->extent == s->rows || steps < LEAST_STEPS || !look_at_memory(&f)) return false;
    if (last_step(&f) != f.t.sum->red[f.t.sum->n_red - 1]) return false;
    choose(&f);
    split_all(&f, &p);
    nest_all(&f, &p);
    return true;
}
