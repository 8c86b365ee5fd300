/* Constant operands of tiles are stored as panels: blocks of the tile's width, in the order of the
 * reduction. */
#include "passes/kernel/schedule_tile.h"

enum { WARP = 32 };

static Tensor *clone_const(Tile *t, Tensor *of) {
    Tensor *copy = NEW(t->s->ctx->perm, Tensor);
    *copy = *of;
    copy->name = arena_printf(t->s->ctx->perm, "%s.p%d", of->name, t->s->program->consts.n);
    copy->layout = NULL;
    vec_push(t->s->ctx->perm, &t->s->program->consts, copy);
    return copy;
}

typedef struct Swap { Ctx *ctx; Tensor *old, *by; } Swap;

static Expr *swap_tensor(void *user, Expr *e) {
    Swap *w = user;
    return e->kind == E_LOAD && e->tensor == w->old ? expr_load(w->ctx, w->by, e->arg, e->n) : e;
}

/* Which subscript runs along a reduction variable; that of a part of the reduction (v + part*n)
 * begins elsewhere. -1: none does. */
static int dim_of(Ctx *c, const Expr *load, Var *v) {
    Expr *coef, *rest;
    for (int i = 0; i < load->n; i++)
        if (expr_uses_var(load->arg[i], v) && expr_linear_in(c, load->arg[i], v, &coef, &rest) &&
            expr_is(coef, 1))
            return i;
    return -1;
}

static int lane_dim(const Expr *load, const Var *v) {
    for (int i = 0; i < load->n; i++)
        if (expr_uses_var(load->arg[i], v)) return i;
    BUG("no subscript uses %s", v->name);
}

static void add_dim(Layout *l, int dim, int64_t div, int64_t mod) {
    l->at[l->n++] = (LayoutDim){dim, div, mod};
}

/* What lies behind [others, lanes / nr, outer reduction order, steps / deep]: pieces of the lanes,
 * or of the steps. */
static void add_deep(const Tile *t, Layout *l, int lane, int steps) {
    int pieces = t->along ? steps : lane, rows = t->along ? lane : steps;
    add_dim(l, pieces, t->piece, (t->along ? t->deep : t->nr) / t->piece);
    add_dim(l, rows, 1, t->along ? t->nr : t->deep);
    add_dim(l, pieces, 1, t->piece);
}

/* Do steps begin at whole blocks? */
static bool begins_at_block(const Tile *t, const Expr *index, Var *v) {
    Expr *first = expr_sub(t->s->ctx, (Expr *)(uintptr_t)index, v->self);
    return expr_is(expr_mod(t->s->ctx, first, expr_int(t->s->ctx, t->deep)), 0);
}

/* Layout [others, lanes / nr, reduction order, lanes % nr]; not in blocks where the lanes share
 * their subscript (groups), or where threads of a warp have neighbouring ones. Along the reduction:
 * [others, lanes, reduction order]. Deep: in blocks, as add_deep has it. NULL where
 * reduction variables share a subscript, or one has none of its own. */
static Layout *panel_layout(Tile *t, const Expr *load) {
    Layout *l = NEW(t->s->ctx->perm, Layout);
    bool used[MAX_RANK] = {false};
    Var *last = t->red[t->sum->n_red - 1];
    int lane = lane_dim(load, t->lanes), steps = dim_of(t->s->ctx, load, last);
    bool warp = schedule_is_gpu(t->s) && t->nr < WARP;
    bool blocks = load->arg[lane] == t->lanes->self && !warp;
    bool deep = blocks && t->deep && steps >= 0 && begins_at_block(t, load->arg[steps], last);
    used[lane] = true;
    for (int i = 0; i < t->sum->n_red; i++) {
        int d = dim_of(t->s->ctx, load, t->red[i]);
        if (d < 0 ? tile_load_uses(load, t->red[i]) : used[d]) return NULL;
        if (d >= 0) used[d] = true;
    }
    for (int d = 0; d < load->n; d++)
        if (!used[d]) add_dim(l, d, 1, 0);
    if (l->n + load->n + 2 >= MAX_RANK) return NULL;
    blocks &= deep || !t->along;
    if (blocks || t->along) add_dim(l, lane, blocks ? t->nr : 1, 0);
    for (int i = 0; i < t->sum->n_red; i++) {
        int d = dim_of(t->s->ctx, load, t->red[i]);
        if (d >= 0) add_dim(l, d, deep && d == steps ? t->deep : 1, 0);
    }
    if (deep) add_deep(t, l, lane, steps);
    else if (!t->along) add_dim(l, lane, 1, blocks ? t->nr : 0);
    return l;
}

/* A layout that another version of the code has chosen serves where its blocks are whole tiles. */
static bool is_compatible(const Tile *t, const Tensor *c, const Layout *want) {
    if (!c->layout || c->layout->n != want->n) return false;
    for (int i = 0; i < want->n; i++) {
        const LayoutDim *a = &c->layout->at[i], *b = &want->at[i];
        if (a->dim != b->dim || (b->div == t->nr ? a->div % t->nr : a->div != b->div)) return false;
        if (b->mod ? !a->mod || a->mod % t->nr : a->mod) return false;
    }
    return true;
}

static Layout *wanted(Tile *t, const Expr *load) {
    bool packable = tile_load_uses(load, t->lanes) && tile_packable(t->s->ctx, load, t->lanes);
    return packable ? panel_layout(t, load) : NULL;
}

bool tile_packs(Tile *t, const Expr *load) {
    return wanted(t, load) != NULL;
}

void tile_pack_panels(Tile *t) {
    for (int i = 0; i < t->loads.n; i++) {
        const Expr *l = t->loads.at[i];
        Layout *want = wanted(t, l);
        if (!want || is_compatible(t, l->tensor, want)) continue;
        Tensor *c = clone_const(t, l->tensor);
        c->layout = want;
        Swap w = {t->s->ctx, l->tensor, c};
        t->sum->value = expr_rewrite(t->s->ctx, t->sum->value, swap_tensor, &w);
    }
    stmt_loads(t->sum, &t->loads);
}

int64_t tile_fixed_block(const Tile *t) {
    for (int i = 0; t->total && i < t->loads.n; i++) {
        const Expr *l = t->loads.at[i];
        if (!l->tensor->layout || !tile_load_uses(l, t->lanes) ||
            !tile_packable(t->s->ctx, l, t->lanes))
            continue;
        const LayoutDim *last = &l->tensor->layout->at[l->tensor->layout->n - 1];
        if (last->mod) return last->mod;
    }
    return 0;
}
