/* Checks the how of a kernel: every statement has exactly one place; the loops around it are,
 * once splits and collapses are undone, the statement's variables, each completely; no loop
 * stands in itself; temps have one home. */
#include "ir/kernel_verify.h"

typedef struct Check {
    Verify *v;
    const Kernel *kernel;
    const How *how;
    Nest *path[64]; /* loops around the place looked at */
    int depth;
} Check;

static bool on_path(const Check *c, const Var *v) {
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

static void check_nest(Check *c, Nest *n) {
    if (n->kind == NEST_STMT) check_place(c, n);
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

void verify_how(Verify *v, const Kernel *k, const How *h) {
    Check c = {.v = v, .kernel = k, .how = h};
    check_splits(&c);
    check_homes(&c);
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
