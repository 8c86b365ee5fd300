/* Checks the how of a kernel: every statement has exactly one place; the loops around it are,
 * once splits and collapses are undone, the statement's variables, each completely; no loop
 * stands in itself; temps have one home, reductions at most one recipe of the how's own; copies of
 * factors stand in front of what reads them. */
#include "ir/kernel_verify.h"

enum { MOST_AHEAD = 3, MOST_BEHIND = 1 };

typedef struct Check {
    Verify *v;
    const Kernel *kernel;
    const How *how;
    Nest *path[64]; /* loops around the place looked at */
    int depth;
    const Stage *stage; /* that is looked at: its loops count as loops around */
} Check;

static bool on_path(const Check *c, const Var *v) {
    for (int i = 0; c->stage && i < c->stage->n_region; i++)
        if (c->stage->region[i] == v) return true;
    for (int i = 0; i < c->depth; i++)
        if (c->path[i]->var == v) return true;
    return false;
}

/* Is every value of v met by the loops of the path: itself, its two parts, or what it was
 * collapsed into? */
static bool covered(const Check *c, const Var *v) {
    if (on_path(c, v)) return true;
    for (int i = 0; i < c->how->splits.n; i++) {
        const Split *s = &c->how->splits.at[i];
        if (s->var == v) return covered(c, s->outer) && covered(c, s->inner);
    }
    for (int i = 0; i < c->how->collapses.n; i++)
        for (int j = 0; j < c->how->collapses.at[i].n; j++)
            if (c->how->collapses.at[i].from[j] == v)
                return covered(c, c->how->collapses.at[i].into);
    return false;
}

bool how_comes_from(const How *h, const Var *loop, const Var *v) {
    if (loop == v) return true;
    for (int i = 0; i < h->splits.n; i++) {
        const Split *s = &h->splits.at[i];
        if ((s->outer == loop || s->inner == loop) && how_comes_from(h, s->var, v)) return true;
    }
    for (int i = 0; i < h->collapses.n; i++)
        for (int j = 0; h->collapses.at[i].into == loop && j < h->collapses.at[i].n; j++)
            if (how_comes_from(h, h->collapses.at[i].from[j], v)) return true;
    return false;
}

static Var *stmt_var(const Stmt *s, int i) {
    return i < s->n_dom ? s->dom[i] : s->red[i - s->n_dom];
}

static void check_place(Check *c, const Nest *n) {
    const Stmt *s = n->stmt;
    for (int i = 0; i < s->n_dom + s->n_red; i++)
        if (!covered(c, stmt_var(s, i)))
            verify_fail(c->v, n, "no loop around iterates %s", stmt_var(s, i)->name);
    for (int d = 0; d < c->depth; d++) {
        bool own = false;
        for (int i = 0; i < s->n_dom + s->n_red; i++)
            own |= how_comes_from(c->how, c->path[d]->var, stmt_var(s, i));
        if (!own && c->path[d]->bind != BIND_BLOCK) /* one thread of them writes the result */
            verify_fail(c->v, n, "the loop over %s would repeat the statement",
                        c->path[d]->var->name);
    }
}

static int count_places(const Nest *n, const Stmt *s) {
    int count = n->kind == NEST_STMT && n->stmt == s;
    for (int i = 0; i < n->n_child; i++) count += count_places(n->child[i], s);
    return count;
}

/* ---- copies of factors ---- */
static bool has_place(const Nest *n, const Stmt *s) {
    bool found = n->kind == NEST_STMT && n->stmt == s;
    for (int i = 0; i < n->n_child; i++) found |= has_place(n->child[i], s);
    return found;
}

static bool is_product_sum(const Stmt *s) {
    return s->kind == ST_REDUCE && s->op == RED_SUM && s->value->kind == E_OP &&
           s->value->op == SOP_mul;
}

static void check_region(Check *c, const Nest *n) {
    const Stage *g = n->stage;
    int64_t extent, room;
    if (g->copy->rank != g->n_region || g->copy->space != SP_SHARED)
        verify_fail(c->v, n, "%%%s is no shared copy of its region", g->copy->name);
    for (int i = 0; i < g->n_region && i < g->copy->rank; i++) {
        const Var *v = g->region[i];
        for (int d = 0; d < c->depth; d++)
            if (c->path[d]->var == v && c->path[d]->bind != BIND_BLOCK)
                verify_fail(c->v, n, "the copy stands inside the loop over %s", v->name);
        if (!expr_is_int(v->extent, &extent) || !expr_is_int(g->copy->dims[i], &room) ||
            room < extent)
            verify_fail(c->v, n, "%%%s has no room for %s", g->copy->name, v->name);
    }
}

static void check_stage(Check *c, Nest *n) {
    Stage *g = n->stage;
    Nest *around = c->depth ? c->path[c->depth - 1] : NULL;
    bool blocks = false, behind = false, read = false;
    for (int i = 0; i < c->depth; i++) blocks |= c->path[i]->bind == BIND_BLOCK;
    for (int i = 0; around && i < around->n_child; i++) {
        read |= behind && has_place(around->child[i], g->stmt);
        behind |= around->child[i] == n;
    }
    if (!blocks) verify_fail(c->v, n, "there are no block loops around the copy");
    bool once = around && around->bind == BIND_BLOCK && !g->ahead;
    if (around && around->bind != BIND_SERIAL && !once)
        verify_fail(c->v, n, "the copy does not stand in a serial loop");
    for (int i = 0; around && around->child[i] != n; i++)
        if (around->child[i]->kind != NEST_STAGE || around->child[i]->stage->ahead != g->ahead ||
            around->child[i]->stage->behind != g->behind)
            verify_fail(c->v, n, "the copies of a loop do not stand first, as far ahead");
    if (g->ahead < 0 || g->ahead > MOST_AHEAD)
        verify_fail(c->v, n, "at most %d rounds ahead", MOST_AHEAD);
    if (g->behind < 0 || g->behind > MIN(g->ahead, MOST_BEHIND))
        verify_fail(c->v, n, "at most %d rounds behind, and no more than ahead", MOST_BEHIND);
    if ((g->bulk || g->box) && !g->ahead)
        verify_fail(c->v, n, "it is sent in the round that reads it");
    for (int i = 0; g->box && around && i < around->n_child; i++)
        if (has_place(around->child[i], g->stmt) && around->child[i]->bind != BIND_GROUP)
            verify_fail(c->v, n, "a box is read by products of groups of warps alone");
    if (!read) verify_fail(c->v, n, "nothing behind the copy reads it");
    check_region(c, n);
    if (!is_product_sum(g->stmt) || g->factor < 0 || g->factor > 1) {
        verify_fail(c->v, n, "%%%s adds up no such factor", stmt_target(g->stmt)->name);
        return;
    }
    c->stage = g;
    for (int i = 0; i < g->stmt->n_dom + g->stmt->n_red; i++) {
        const Var *v = stmt_var(g->stmt, i);
        if (expr_uses_var(g->stmt->value->arg[g->factor], v) && !covered(c, v))
            verify_fail(c->v, n, "no loop around iterates %s", v->name);
    }
    c->stage = NULL;
}

static void check_nest(Check *c, Nest *n) {
    if (n->kind == NEST_STMT) check_place(c, n);
    if (n->kind == NEST_STAGE) check_stage(c, n);
    if (n->kind != NEST_LOOP) return;
    if (on_path(c, n->var)) verify_fail(c->v, n, "the loop over %s stands in itself", n->var->name);
    if (c->depth == LEN(c->path)) {
        verify_fail(c->v, n, "loops nest deeper than %d", LEN(c->path));
        return;
    }
    c->path[c->depth++] = n;
    for (int i = 0; i < n->n_child; i++) check_nest(c, n->child[i]);
    c->depth--;
}

static void check_splits(Check *c) {
    for (int i = 0; i < c->how->splits.n; i++) {
        const Split *s = &c->how->splits.at[i];
        Expr *factor = expr_int(c->v->ctx, MAX(s->factor, 1));
        if (s->factor < 1) verify_fail(c->v, c->how, "split of %s by less than 1", s->var->name);
        bool divides = expr_is(expr_mod(c->v->ctx, s->var->extent, factor), 0);
        if (s->tail == TAIL_EXACT && !divides)
            verify_fail(c->v, c->how, "%lld does not divide the extent of %s", (long long)s->factor,
                        s->var->name);
        for (int j = 0; j < i; j++)
            if (c->how->splits.at[j].var == s->var)
                verify_fail(c->v, c->how, "%s is split twice", s->var->name);
    }
}

static void check_homes(Check *c) {
    for (int i = 0; i < c->how->homes.n; i++) {
        const Home *h = &c->how->homes.at[i];
        if (h->temp->space != SP_TEMP) verify_fail(c->v, c->how, "%%%s is no temp", h->temp->name);
        if (h->space < SP_REG) verify_fail(c->v, c->how, "%%%s cannot live there", h->temp->name);
        for (int j = 0; j < i; j++)
            if (c->how->homes.at[j].temp == h->temp)
                verify_fail(c->v, c->how, "%%%s has two homes", h->temp->name);
    }
}

/* They are made of the same type as the statement's: only the order is another one. */
static void check_own(Check *c) {
    for (int i = 0; i < c->how->own.n; i++) {
        const Own *own = &c->how->own.at[i];
        const char *name = stmt_target(own->stmt)->name;
        if (own->stmt->kind != ST_REDUCE || own->recipe.acc != own->stmt->recipe.acc)
            verify_fail(c->v, c->how, "%%%s does not accumulate in %s", name,
                        dtype_name(own->recipe.acc));
        for (int j = 0; j < i; j++)
            if (c->how->own.at[j].stmt == own->stmt)
                verify_fail(c->v, c->how, "%%%s has two recipes", name);
    }
}

void verify_how(Verify *v, const Kernel *k, const How *h) {
    Check c = {.v = v, .kernel = k, .how = h};
    check_splits(&c);
    check_homes(&c);
    check_own(&c);
    for (int i = 0; i < h->n_top; i++) check_nest(&c, h->top[i]);
    for (int i = 0; i < k->stmts.n; i++) {
        int places = 0;
        for (int j = 0; j < h->n_top; j++) places += count_places(h->top[j], k->stmts.at[i]);
        if (places != 1)
            verify_fail(v, h, "statement %d (%%%s) has %d places", i,
                        stmt_target(k->stmts.at[i])->name, places);
    }
    if (!v->found.n) verify_order(v, k, h);
}
