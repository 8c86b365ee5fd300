/* Constant operands of tiles are stored as panels: blocks of the tile's width, in the order of the
 * reduction. */
#include "passes/kernel/schedule_tile.h"

enum { WARP = 32, PIECE = 8 };

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

static int dim_of(const Expr *load, const Var *v) {
    for (int i = 0; i < load->n; i++)
        if (load->arg[i] == v->self) return i;
    return -1;
}

static int lane_dim(const Expr *load, const Var *v) {
    for (int i = 0; i < load->n; i++)
        if (expr_uses_var(load->arg[i], v)) return i;
    BUG("no subscript uses %s", v->name);
}

/* Layout [others, lanes / nr, reduction order, lanes % nr]; not in blocks where the lanes share
 * their subscript (groups), or where threads of a warp have neighbouring ones. Along the reduction:
 * [others, lanes, reduction order]. Deep: [others, lanes / nr, outer reduction order, steps / deep,
 * lanes / 8, steps % deep, lanes % 8]. NULL where a reduction variable shares its subscript. */
static Layout *panel_layout(Tile *t, const Expr *load) {
    Layout *l = NEW(t->s->ctx->perm, Layout);
    bool used[MAX_RANK] = {false};
    int lane = lane_dim(load, t->lanes);
    bool warp = schedule_is_gpu(t->s) && t->nr < WARP;
    bool blocks = load->arg[lane] == t->lanes->self && !warp && !t->along;
    int steps = dim_of(load, t->red[t->sum->n_red - 1]);
    bool deep = blocks && t->deep && steps >= 0;
    used[lane] = true;
    for (int i = 0; i < t->sum->n_red; i++) {
        int d = dim_of(load, t->red[i]);
        if (d < 0 && tile_load_uses(load, t->red[i])) return NULL;
        if (d >= 0) used[d] = true;
    }
    for (int d = 0; d < load->n; d++)
        if (!used[d]) l->at[l->n++] = (LayoutDim){d, 1, 0};
    if (l->n + load->n + 2 >= MAX_RANK) return NULL;
    if (blocks) l->at[l->n++] = (LayoutDim){lane, t->nr, 0};
    if (t->along) l->at[l->n++] = (LayoutDim){lane, 1, 0};
    for (int i = 0; i < t->sum->n_red; i++) {
        int d = dim_of(load, t->red[i]);
        if (d >= 0) l->at[l->n++] = (LayoutDim){d, deep && d == steps ? t->deep : 1, 0};
    }
    if (deep) {
        l->at[l->n++] = (LayoutDim){lane, PIECE, t->nr / PIECE};
        l->at[l->n++] = (LayoutDim){steps, 1, t->deep};
        l->at[l->n++] = (LayoutDim){lane, 1, PIECE};
    } else if (!t->along) {
        l->at[l->n++] = (LayoutDim){lane, 1, blocks ? t->nr : 0};
    }
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

void tile_pack_panels(Tile *t) {
    for (int i = 0; i < t->loads.n; i++) {
        const Expr *l = t->loads.at[i];
        if (!tile_load_uses(l, t->lanes) || !tile_packable(t->s->ctx, l, t->lanes)) continue;
        Layout *want = panel_layout(t, l);
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
