/* The layout of every tensor in the arena: SmartMem's rule (ASPLOS 2024, section 4.3). What a
 * consumer reduces over is laid contiguous; a producer writes in that layout. Votes are collected
 * from all statements that touch a tensor, and maps hand the winner on to tensors without votes.
 * Inputs and outputs stay row-major. */
#include "passes/passes.h"

enum { MAX_VOTES = 8 };
typedef struct Vote {
    int dims[MAX_RANK], n, weight;
} Vote; /* dims that go last, in this order */
typedef struct Votes {
    Vote at[MAX_VOTES];
    int n;
} Votes;
typedef struct LayoutRun {
    Program *p;
    Ctx *ctx;
    bool changed;
    bool spread;
} LayoutRun;

static Votes *votes_of(LayoutRun *run, Tensor *t) {
    if (!t->aux) t->aux = NEW(run->ctx->perm, Votes);
    return t->aux;
}

static void vote(LayoutRun *run, Tensor *t, const Vote *v) {
    if (t->space != SP_ARENA || t->rank < 2 || v->n == 0) return;
    Votes *all = votes_of(run, t);
    for (int i = 0; i < all->n; i++) {
        Vote *o = &all->at[i];
        if (o->n != v->n || memcmp(o->dims, v->dims, sizeof(int) * (size_t)v->n)) continue;
        o->weight += v->weight;
        return;
    }
    if (all->n < MAX_VOTES) all->at[all->n++] = *v;
}

/* ---- consumers ---- */
static bool uses_any(const Expr *e, Var *const *vars, int n) {
    for (int i = 0; i < n; i++)
        if (expr_uses_var(e, vars[i])) return true;
    return false;
}

/* Subscripts that move with the reduction variable alone (or as the inner digit of a merge), coarse
 * digits first. */
static Vote reduction_vote(Ctx *c, const Stmt *s, const Expr *load, Var *red) {
    Vote v = {.n = 0};
    for (int d = 0; d < load->n; d++) {
        Expr *coef, *rest, *e = load->arg[d];
        if (!expr_uses_var(e, red)) continue;
        if (uses_any(e, s->dom, s->n_dom)) {
            if (!expr_linear_in(c, e, red, &coef, &rest) || !expr_is(coef, 1))
                return (Vote){.n = 0};
            bool merge = false; /* rest is a multiple of red's extent: blocks of neighbours */
            for (int i = 0; i < s->n_dom; i++) {
                Expr *k, *r;
                merge |= expr_linear_in(c, rest, s->dom[i], &k, &r) && k == red->extent;
            }
            if (!merge) return (Vote){.n = 0};
        }
        v.dims[v.n++] = d;
    }
    return v;
}

/* A window: the last axis that the statement's element fixes. */
static Vote window_vote(const Stmt *s, const Expr *load) {
    Vote v = {.n = 0};
    for (int d = 0; d < load->n; d++)
        for (int i = 0; i < s->n_dom; i++)
            if (load->arg[d] == s->dom[i]->self && !expr_is(s->dom[i]->extent, 1))
                v.dims[0] = d, v.n = 1;
    return v;
}

typedef struct LoadVotes {
    LayoutRun *run;
    const Stmt *s;
    bool product;
} LoadVotes;

static void vote_load(void *user, const Expr *e) {
    LoadVotes *l = user;
    if (e->kind != E_LOAD || e->tensor->space != SP_ARENA) return;
    Vote v = {.n = 0};
    int n_red = 0;
    for (int i = 0; i < l->s->n_red; i++) n_red += !expr_is(l->s->red[i]->extent, 1);
    /* several axes at once: lanes along what stays */
    if (!l->product && n_red > 1) v = window_vote(l->s, e);
    for (int i = l->s->n_red - 1; i >= 0 && v.n == 0; i--)
        if (!expr_is(l->s->red[i]->extent, 1))
            v = reduction_vote(l->run->ctx, l->s, e, l->s->red[i]);
    if (v.n == 0) v = window_vote(l->s, e);
    v.weight = l->product ? 4 : 2;
    vote(l->run, e->tensor, &v);
}

/* ---- producers ---- */
typedef struct PanelVar {
    const Stmt *s;
    Var *v;
} PanelVar;

static void find_panel(void *user, const Expr *e) {
    PanelVar *p = user;
    if (e->kind != E_LOAD || e->tensor->space != SP_CONST) return;
    for (int i = 0; i < p->s->n_dom; i++)
        for (int d = 0; d < e->n; d++)
            if (expr_uses_var(e->arg[d], p->s->dom[i]) && !expr_is(p->s->dom[i]->extent, 1))
                p->v = p->s->dom[i];
}

/* The axis along which the constant operand moves becomes lanes. */
static void vote_store(LayoutRun *run, const Kernel *k, const Stmt *sum) {
    PanelVar p = {sum, NULL};
    expr_visit(sum->value, find_panel, &p);
    if (!p.v) return;
    for (int i = 0; i < k->stmts.n; i++) {
        const Stmt *s = k->stmts.at[i];
        if (!s->out || s->out->space != SP_ARENA) continue;
        for (int d = 0; d < s->out->rank; d++) {
            const Expr *e = s->index ? s->index[d] : s->dom[d]->self;
            Vote v = {.dims = {d}, .n = 1, .weight = 3};
            if (expr_uses_var(e, p.v)) vote(run, s->out, &v);
        }
    }
}

static void vote_kernel(void *user, Block *b, Item *it) {
    LayoutRun *run = user;
    (void)b;
    if (it->kind != ITEM_KERNEL) return;
    for (int i = 0; i < it->kernel->stmts.n; i++) {
        const Stmt *s = it->kernel->stmts.at[i];
        if (s->kind != ST_REDUCE) continue;
        LoadVotes l = {run, s,
                       s->op == RED_SUM && s->value->kind == E_OP && s->value->op == SOP_mul};
        expr_visit(s->value, vote_load, &l);
        if (l.product) vote_store(run, it->kernel, s);
    }
}

/* ---- maps hand layouts on ---- */
static const Vote *winner(const Tensor *t) {
    const Votes *all = t->space == SP_ARENA ? t->aux : NULL;
    const Vote *best = NULL;
    for (int i = 0; all && i < all->n; i++)
        if (!best || all->at[i].weight > best->weight) best = &all->at[i];
    return best;
}

/* Translates a suffix of axes of one tensor into axes of another through variables that stand alone
 * in both. */
static bool translate(const Vote *v, Expr *const *from, int n_from, Expr *const *to, int n_to,
                      Vote *out) {
    *out = (Vote){.n = 0, .weight = 1};
    for (int i = 0; i < v->n; i++) {
        if (v->dims[i] >= n_from || from[v->dims[i]]->kind != E_VAR) return false;
        int at = -1;
        for (int d = 0; d < n_to; d++)
            if (to[d] == from[v->dims[i]]) at = d;
        if (at < 0) return false;
        out->dims[out->n++] = at;
    }
    return true;
}

typedef struct Spread {
    LayoutRun *run;
    Tensor *out;
    Expr **index;
} Spread;

static void spread_load(void *user, const Expr *e) {
    Spread *s = user;
    Vote v;
    if (e->kind != E_LOAD) return;
    const Vote *in = winner(e->tensor), *out = winner(s->out);
    bool in_open = e->tensor->space == SP_ARENA && e->tensor->rank > 1 && !in;
    bool out_open = s->out->space == SP_ARENA && s->out->rank > 1 && !out;
    if (out && in_open && translate(out, s->index, s->out->rank, e->arg, e->n, &v)) {
        vote(s->run, e->tensor, &v);
        s->run->spread = true;
    } else if (in && out_open && translate(in, e->arg, e->n, s->index, s->out->rank, &v)) {
        vote(s->run, s->out, &v);
        s->run->spread = true;
    }
}

static void spread_kernel(void *user, Block *b, Item *it) {
    LayoutRun *run = user;
    (void)b;
    if (it->kind != ITEM_KERNEL) return;
    for (int i = 0; i < it->kernel->stmts.n; i++) {
        const Stmt *s = it->kernel->stmts.at[i];
        if (s->kind != ST_MAP || !s->out) continue;
        Expr *index[MAX_RANK];
        for (int d = 0; d < s->out->rank; d++) index[d] = s->index ? s->index[d] : s->dom[d]->self;
        Spread sp = {run, s->out, index};
        expr_visit(s->value, spread_load, &sp);
    }
}

/* ---- the result ---- */
static void set_layout(LayoutRun *run, Tensor *t) {
    const Vote *v = winner(t);
    if (!v || t->alias || t->state) return;
    int perm[MAX_RANK], n = 0;
    for (int d = 0; d < t->rank; d++) {
        bool last = false;
        for (int i = 0; i < v->n; i++) last |= v->dims[i] == d;
        if (!last) perm[n++] = d;
    }
    for (int i = 0; i < v->n; i++) perm[n++] = v->dims[i];
    t->layout = layout_perm(run->ctx, perm, t->rank);
    run->changed |= t->layout != NULL;
}

/* Tensors that runtime functions and loops pass around stay row-major. */
static void keep_plain(void *user, Block *b, Item *it) {
    (void)user, (void)b;
    if (it->kind == ITEM_KERNEL) return;
    for (int i = 0; i < it->n_in; i++)
        if (it->in[i]) it->in[i]->aux = NULL;
    for (int i = 0; i < it->n_out; i++) it->out[i]->aux = NULL;
    for (int i = 0; it->next && i < it->n_out; i++) it->next[i]->aux = NULL;
}

PASS(layout, KERNELS, "which axis of every tensor is contiguous")
bool pass_layout(Program *p) {
    LayoutRun run = {p, p->ctx, false, true};
    for (int i = 0; i < p->tensors.n; i++) p->tensors.at[i]->aux = NULL;
    for (int i = 0; i < p->inputs.n; i++) p->inputs.at[i]->aux = NULL;
    for (int i = 0; i < p->outputs.n; i++) p->outputs.at[i]->aux = NULL;
    for (int i = 0; i < p->consts.n; i++) p->consts.at[i]->aux = NULL;
    program_each_item(p, vote_kernel, &run);
    for (int round = 0; round < 8 && run.spread; round++) {
        run.spread = false;
        program_each_item(p, spread_kernel, &run);
    }
    program_each_item(p, keep_plain, &run);
    for (int i = 0; i < p->tensors.n; i++) set_layout(&run, p->tensors.at[i]);
    return run.changed;
}
