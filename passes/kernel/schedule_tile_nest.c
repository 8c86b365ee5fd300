/* The loops of a register tile: which operand is walked outside, how long reductions are cut. */
#include <stdlib.h>

#include "passes/kernel/schedule_tile.h"

static double bytes_of(const Tile *t, bool panel) {
    double most = 0;
    for (int i = 0; i < t->loads.n; i++) {
        const Expr *l = t->loads.at[i];
        if (tile_load_uses(l, t->lanes) != panel) continue;
        double n = (double)dtype_bytes(l->type);
        for (int d = 0; d < l->tensor->rank; d++) n *= (double)extent_or(l->tensor->dims[d], 128);
        most = MAX(most, n);
    }
    return most;
}

/* Panels outside where walking over all rows again for each panel moves fewer bytes than the other
 * way round; on GPUs inside: neighbouring threads read neighbours. */
static bool panels_outside(const Tile *t) {
    if (schedule_is_gpu(t->s)) return false;
    double rows = t->p ? (double)extent_or(t->p->extent, 128) : 1,
           lanes = (double)extent_or(t->lanes->extent, 256);
    double a = bytes_of(t, false), b = bytes_of(t, true), l2 = t->s->machine->l2 * 0.6;
    double rows_outside = b * (rows / (double)t->mr) * (b <= l2 ? 0.25 : 1);
    double panels = a * (lanes / (double)t->nr) * (a <= l2 ? 0.25 : 1);
    return panels <= rows_outside;
}

static Nest *reduction_loops(Tile *t, Nest *parent) {
    int budget = tile_has_guard(t) ? 1 : 8; /* copies of the tile's body */
    int n = t->sum->n_red;
    Bind bind[MAX_RANK];
    for (int i = n - 1; i >= 0; i--) {
        int64_t e = extent_or(t->red[i]->extent, INT64_MAX);
        bind[i] = e <= budget || e == 1 ? BIND_UNROLL : BIND_SERIAL;
        budget = bind[i] == BIND_UNROLL ? budget / (int)MAX(e, 1) : 0;
    }
    for (int i = 0; i < n; i++) {
        Var *v = t->red[i], *outer, *inner;
        bool split = i == n - 1 && bind[i] == BIND_SERIAL &&
                     expr_is(expr_mod(t->s->ctx, v->extent, expr_int(t->s->ctx, 4)), 0);
        if (split) {
            how_split(t->s, v, 4, TAIL_EXACT, &outer, &inner);
            parent = nest_loop(t->s, parent, outer, BIND_SERIAL);
            parent = nest_loop(t->s, parent, inner, BIND_UNROLL);
        } else {
            parent = nest_loop(t->s, parent, v, bind[i]);
        }
    }
    return parent;
}

static Nest *tile_loops(Tile *t, Nest *parent) {
    if (t->p_in) parent = nest_loop(t->s, parent, t->p_in, BIND_UNROLL);
    return nest_loop(t->s, parent, t->n_in, BIND_VECTOR);
}

/* ---- reductions in blocks ---- */
enum { LONG = 1024, BLOCK = 512 };

/* The divisor of n nearest to BLOCK that is a multiple of 4; 0: none is near. */
static int64_t block_of(int64_t n) {
    int64_t best = 0;
    for (int64_t b = BLOCK / 2; b <= BLOCK * 3 / 2; b += 4)
        if (n % b == 0 && (!best || llabs(b - BLOCK) < llabs(best - BLOCK))) best = b;
    return best;
}

/* The best machine decides for all: the statements are theirs, too, and those that have a how must
 * stay as they are. */
static bool wants_blocks(const Tile *t, int64_t *block) {
    int64_t k, rows = 1, lanes;
    if (t->s->strict || t->s->kernel->hows.n > 0) return false;
    if (t->total || t->sum->op != RED_SUM || t->sum->n_red != 1 ||
        !expr_is_int(t->sum->red[0]->extent, &k))
        return false;
    for (int i = 0; i < t->n_rows; i++)
        if (!expr_is_int(t->rows[i]->extent, NULL)) return false;
        else rows *= extent_or(t->rows[i]->extent, 1);
    if (k < LONG || rows < 3 * t->mr || !expr_is_int(t->lanes->extent, &lanes) || lanes % t->nr ||
        lanes / t->nr < 4)
        return false;
    *block = block_of(k);
    return *block > 0 && *block < k;
}

/* sum[m,n] = sum[k] f(k)   becomes   part[m,n,b] = sum[k in block b] f(k),
 *                                    sum[m,n] = sum[b] part[m,n,b] */
void tile_block_reduction(Tile *t) {
    Ctx *c = t->s->ctx;
    Kernel *k = t->s->kernel;
    Stmt *s = t->sum;
    int64_t block;
    if (!wants_blocks(t, &block)) return;
    Var *old = s->red[0], *b = var_new(c, arena_printf(c->perm, "%s_b", old->name),
                                       expr_floordiv(c, old->extent, expr_int(c, block)));
    Var *in = var_new(c, arena_printf(c->perm, "%s_i", old->name), expr_int(c, block));
    Var **dom = NEW_ARRAY(c->perm, Var *, s->n_dom + 1);
    Expr *dims[MAX_RANK], *index[MAX_RANK];
    for (int i = 0; i <= s->n_dom; i++) {
        dom[i] = i < s->n_dom ? s->dom[i] : b;
        dims[i] = dom[i]->extent, index[i] = dom[i]->self;
    }
    char *name = arena_printf(c->perm, "%s.part", s->out->name);
    Tensor *part = program_temp(t->s->program, name, s->out->dtype, dims, s->n_dom + 1);
    Stmt *total =
        stmt_new(c, ST_REDUCE, s->out, s->dom, s->n_dom, expr_load(c, part, index, s->n_dom + 1));
    total->red = NEW_ARRAY(c->perm, Var *, 1);
    total->red[0] = b, total->n_red = 1;
    total->op = RED_SUM;
    total->recipe = s->recipe;
    s->value = expr_subst1(c, s->value, old, expr_add(c, expr_muli(c, b->self, block), in->self));
    s->out = part;
    s->dom = dom;
    s->n_dom++;
    s->red = NEW_ARRAY(c->perm, Var *, 1);
    s->red[0] = t->red[0] = in;
    kernel_insert(c, k, 1, t->total = total);
    t->first_map = 2;
    stmt_loads(s, &t->loads);
}

/* The most panels, up to 4, that a group of them may have so that groups divide their number. */
static int64_t group_of(int64_t panels) {
    for (int64_t g = 4; g > 1; g--)
        if (panels % g == 0 && panels / g >= 2) return g;
    return 1;
}

static void nest_maps(Tile *t, Nest *at) {
    Nest *after = tile_loops(t, at);
    for (int i = t->first_map; i < t->s->kernel->stmts.n; i++) {
        Stmt *m = t->s->kernel->stmts.at[i];
        if (m->out->space == SP_TEMP) how_home(t->s, m->out, SP_REG);
        nest_stmt(t->s, after, m);
    }
}

/* Groups of panels in parallel; in each, blocks of the reduction outside, so that a block of the
 * rows' operand stays in the cache while all panels of the group pass over it (Goto & van de
 * Geijn's order). The totals wait in the thread's scratch. */
static bool nest_blocks(Tile *t, Nest *at) {
    Sched *s = t->s;
    int64_t panels;
    if (!t->total || !t->p || s->few_lanes || !expr_is_int(t->n_out->extent, &panels)) return false;
    Var *group, *member;
    how_split(s, t->n_out, group_of(panels), TAIL_EXACT, &group, &member);
    at = nest_loop(s, at, group, BIND_THREAD);
    Nest *block = nest_loop(s, at, t->total->red[0], BIND_SERIAL);
    Nest *inner = nest_loop(s, nest_loop(s, block, member, BIND_SERIAL), t->p_out, BIND_SERIAL);
    nest_stmt(s, tile_loops(t, reduction_loops(t, inner)), t->sum);
    nest_stmt(s, tile_loops(t, inner), t->total);
    nest_maps(t, nest_loop(s, nest_loop(s, at, member, BIND_SERIAL), t->p_out, BIND_SERIAL));
    return true;
}

void tile_build_nest(Tile *t) {
    Sched *s = t->s;
    Nest *at = NULL;
    for (int i = 0; i < t->n_batch; i++) at = nest_loop(s, at, t->batch[i], BIND_THREAD);
    t->p = t->n_rows ? how_collapse(s, t->rows, t->n_rows) : NULL;
    int64_t m;
    if (t->p)
        how_split(s, t->p, t->mr, expr_is_int(t->p->extent, &m) ? TAIL_PEEL : TAIL_MASK, &t->p_out,
                  &t->p_in);
    how_split(s, t->lanes, t->nr, TAIL_MASK, &t->n_out, &t->n_in);
    how_home(s, t->sum->out, SP_REG);
    if (nest_blocks(t, at)) return;
    bool panels = panels_outside(t);
    if (panels) at = nest_loop(s, at, t->n_out, BIND_THREAD);
    if (t->p) at = nest_loop(s, at, t->p_out, BIND_THREAD);
    if (!panels) at = nest_loop(s, at, t->n_out, BIND_THREAD);
    Nest *sum = at;
    if (t->total) {
        how_home(s, t->total->out, SP_REG);
        sum = nest_loop(s, at, t->total->red[0], BIND_SERIAL);
    }
    nest_stmt(s, tile_loops(t, reduction_loops(t, sum)), t->sum);
    if (t->total) nest_stmt(s, tile_loops(t, sum), t->total);
    nest_maps(t, at);
}
