/* One reduction in a register tile, and what follows it on the tile: contractions, convolutions of
 * every kind, pooling and reductions over outer axes.
 *
 *   lanes   the domain variable along which the result and one operand (the panel) are
 *           contiguous; constant panels are stored in blocks of the tile's width at compile time
 *   rows    domain variables that the panel lacks, as one collapsed variable: every panel load
 *           serves all rows of the tile
 *   batch   the other domain variables, loops around
 *
 * The tile's size minimises a count of cycles from multiply-adds, loads and latency (Goto & van de
 * Geijn 2008, with the A operand read in place). Rows whose number is known are peeled, others are
 * clamped; lanes are masked. */
#include "passes/kernel/schedule_tile.h"

/* ---- what kind of kernel ---- */
static bool is_epilogue(const Stmt *m, const Stmt *sum) {
    if (m->kind != ST_MAP || m->n_dom != sum->n_dom) return false;
    for (int i = 0; i < m->n_dom; i++)
        if (!stmt_has_dom(sum, m->dom[i])) return false;
    return true;
}

static bool matches(Tile *t) {
    Kernel *k = t->s->kernel;
    t->sum = k->stmts.at[0];
    t->first_map = 1;
    if (t->sum->kind != ST_REDUCE || t->sum->op == RED_ARGMAX || t->sum->op == RED_ARGMIN)
        return false;
    if (t->sum->out->space != SP_TEMP || t->sum->recipe.lanes > 1 || k->stmts.n < 2) return false;
    const Stmt *second = k->stmts.at[1];
    if (second->kind == ST_REDUCE && second->value->kind == E_LOAD &&
        second->value->tensor == t->sum->out)
        t->total = k->stmts.at[t->first_map++];
    for (int i = t->first_map; i < k->stmts.n; i++)
        if (!is_epilogue(k->stmts.at[i], t->sum)) return false;
    stmt_loads(t->sum, &t->loads);
    return t->loads.n > 0 && t->loads.n < LEN(t->loads.at);
}

/* ---- operands ---- */
bool tile_load_uses(const Expr *load, const Var *v) {
    for (int i = 0; i < load->n; i++)
        if (expr_uses_var(load->arg[i], v)) return true;
    return false;
}

bool tile_packable(Ctx *c, const Expr *load, Var *v) {
    int found = 0;
    if (load->tensor->space != SP_CONST) return false;
    for (int i = 0; i < load->n; i++) {
        Expr *coef, *rest;
        if (!expr_uses_var(load->arg[i], v)) continue;
        if (!expr_linear_in(c, load->arg[i], v, &coef, &rest) || !expr_is(coef, 1)) return false;
        found++;
    }
    return found == 1;
}

static void find_guard(void *user, const Expr *e) {
    *(bool *)user |= e->kind == E_GUARD;
}

bool tile_has_guard(const Tile *t) {
    bool found = false;
    expr_visit(t->sum->value, find_guard, &found);
    return found;
}

static int lane_score(Tile *t, Var *v) {
    Kernel *k = t->s->kernel;
    Ctx *c = t->s->ctx;
    int score = 0;
    for (int i = 0; i < t->loads.n; i++) {
        const Expr *l = t->loads.at[i];
        if (!tile_load_uses(l, v)) continue;
        score += tile_packable(c, l, v) || load_stride(c, l, v) == 1 ? 2 : -6;
    }
    for (int i = t->first_map; i < k->stmts.n; i++) {
        int64_t stride =
            k->stmts.at[i]->out->space == SP_TEMP ? 0 : store_stride(c, k->stmts.at[i], v);
        score += stride == 1 ? 4 : stride == 0 ? 0 : -1;
    }
    return extent_or(v->extent, 64) < 4 ? score - 4 : score;
}

static bool choose_lanes(Tile *t) {
    int best = 0;
    for (int i = 0; i < t->sum->n_dom; i++) {
        int score = lane_score(t, t->sum->dom[i]);
        if (score > best) best = score, t->lanes = t->sum->dom[i];
    }
    return t->lanes != NULL;
}

/* Is there a load that moves with the lanes but not with v? Then rows along v share it. */
static bool shares_panel(const Tile *t, const Var *v) {
    for (int i = 0; i < t->loads.n; i++)
        if (tile_load_uses(t->loads.at[i], t->lanes) && !tile_load_uses(t->loads.at[i], v))
            return true;
    return false;
}

static void choose_rows(Tile *t) {
    for (int i = 0; i < t->sum->n_dom; i++) {
        Var *v = t->sum->dom[i];
        if (v == t->lanes || (t->total && stmt_has_red(t->total, v))) continue;
        if (shares_panel(t, v) && !expr_is(v->extent, 1)) t->rows[t->n_rows++] = v;
        else t->batch[t->n_batch++] = v;
    }
}

/* Largest stride of the row operand first, so that the innermost loop walks along memory. */
static void order_reduction(Tile *t) {
    int64_t stride[MAX_RANK];
    for (int i = 0; i < t->sum->n_red; i++) {
        Var *v = t->sum->red[i];
        int64_t own = 0;
        for (int k = 0; k < t->loads.n; k++) {
            const Expr *l = t->loads.at[k];
            bool panel = tile_load_uses(l, t->lanes) && tile_packable(t->s->ctx, l, t->lanes);
            if (!panel) own = MAX(own, load_stride(t->s->ctx, l, v));
        }
        int at = i;
        for (; at > 0 && stride[at - 1] < own; at--)
            t->red[at] = t->red[at - 1], stride[at] = stride[at - 1];
        t->red[at] = v, stride[at] = own;
    }
}

/* ---- the tile's size ---- */
typedef struct Shape { double m, n; int vec, regs; bool exact_m; } Shape;

/* Per element of the reduction; the panel comes from L2, which overlaps with the multiply-adds only
 * in part. */
static double tile_cycles(double mr, double nv) {
    double fma = mr * nv / 2, load = (mr + nv) / 2;
    return MAX(MAX(fma, load), 4.0) + 0.3 + nv;
}

static double cover_cycles(const Shape *s, int mr, int nv) {
    double whole = (double)((int64_t)s->m / mr), rest = s->m - whole * mr;
    double rows = whole * tile_cycles(mr, nv);
    if (rest > 0) rows += tile_cycles(s->exact_m ? rest : mr, nv);
    double panels = (double)(((int64_t)s->n + nv * s->vec - 1) / (nv * s->vec));
    return rows * panels;
}

/* A GPU first of all wants threads: windows of few products (depthwise) leave a thread little. */
static int64_t most_of_tile(const Tile *t) {
    enum { THREADS = 65536, ASSUMED = 64 };
    double all = 1;
    if (!schedule_is_gpu(t->s)) return INT64_MAX;
    for (int i = 0; i < t->sum->n_dom; i++)
        all *= (double)extent_or(t->sum->dom[i]->extent, ASSUMED);
    return (int64_t)MAX(all / THREADS, 1);
}

static void choose_tile(Tile *t) {
    const Machine *m = t->s->machine;
    if (t->s->few_lanes) {
        t->mr = 1;
        t->nr = t->s->few_lanes;
        return;
    }
    int64_t rows = 1;
    bool known = true, clear = true;
    for (int i = 0; i < t->n_rows; i++) {
        int64_t e = extent_or(t->rows[i]->extent, 0);
        known &= e > 0;
        rows *= e > 0 ? e : 64;
    }
    Shape s = {(double)rows, (double)extent_or(t->lanes->extent, 256),
               MAX(1, m->vector_bytes / (int)dtype_bytes(t->sum->out->dtype)), m->vector_regs,
               known};
    double best = 0;
    int64_t fixed = tile_fixed_block(t), most = most_of_tile(t);
    /* guards over rows that only the run knows: the address of each row is chosen anew every time,
     * and accumulators must not be spilled for it */
    int spare = (m->masks ? 1 : 2) + (tile_has_guard(t) && !known ? m->vector_regs / 4 : 0);
    for (int nv = 1; nv <= 8; nv++)
        for (int mr = 1; mr <= MIN(14, rows); mr++) {
            if (mr * nv + nv + spare > s.regs || (nv > 4 && mr > 1)) continue;
            if (fixed && fixed % ((int64_t)nv * s.vec)) continue;
            if (mr * (int64_t)nv * s.vec > most && mr * nv > 1) continue;
            double cost = cover_cycles(&s, mr, nv);
            if (clear || cost < best * 0.999)
                best = cost, t->mr = mr, t->nr = (int64_t)nv * s.vec, clear = false;
        }
    CHECK(!clear);
}

bool schedule_tile(Sched *s) {
    Tile t = {.s = s};
    if (!matches(&t) || !choose_lanes(&t)) return false;
    choose_rows(&t);
    order_reduction(&t);
    choose_tile(&t);
    tile_pack_panels(&t);
    tile_block_reduction(&t);
    tile_build_nest(&t);
    if (t.p && !expr_is_int(t.p->extent, NULL)) s->rows = t.p->extent;
    if (s->rows && t.mr > 1) s->few_lanes = t.nr;
    return true;
}
