/* Making expressions equal: symbols are merged into others, as in union-find; expr_resolve follows.
 *
 * Which symbol gives way: one that needs a tensor to be known (VALUE) before a DERIVED one before
 * an INPUT, the younger before the older. What is known about a symbol's bounds passes on to the
 * one that it is merged into; a contradiction of bounds means that the two are different. */
#include "ir/expr_internal.h"

typedef struct Occurs {
    Ctx *ctx;
    const Sym *what;
    bool found, foreign; /* foreign: holds variables or loads */
    bool late;           /* holds what the run knows later than the symbol */
    int fuel;
} Occurs;

static void occurs_in(void *user, const Expr *e) {
    Occurs *o = user;
    o->foreign |= e->kind == E_VAR || e->kind == E_LOAD;
    if (e->kind != E_SYM) return;
    o->found |= e->sym == o->what;
    if (e->sym->kind == SYM_VALUE)
        o->late |= o->what->kind == SYM_INPUT ||
                   (o->what->kind == SYM_VALUE && e->sym->self->id > o->what->self->id);
    if (e->sym->kind != SYM_DERIVED || !e->sym->def || o->found || --o->fuel < 0) return;
    expr_visit(expr_resolve(o->ctx, e->sym->def), occurs_in, o);
}

/* May e stand for s? Not where an operation counts s, nor where e depends on s, on what has no
 * meaning outside a kernel, or on what the run knows later: a dimension of an input is given before
 * all values, an older value before a younger one. */
static bool can_merge(Ctx *ctx, Sym *s, Expr *e) {
    if (s->counted) return false;
    Occurs o = {.ctx = ctx, .what = s, .fuel = 64};
    expr_visit(e, occurs_in, &o);
    return !o.found && !o.foreign && o.fuel >= 0 && !o.late;
}

bool sym_narrow(Ctx *ctx, Sym *s, int64_t lo, int64_t hi) {
    if (lo > s->hi || hi < s->lo || lo > hi) return false;
    ctx->exprs->merges += lo > s->lo || hi < s->hi;
    ctx->exprs->epoch += lo > s->lo || hi < s->hi;
    s->lo = MAX(lo, s->lo);
    s->hi = MIN(hi, s->hi);
    return true;
}

/* lo <= k * t + c <= hi, for k = 1 or -1: narrows t. False: nothing is left. */
static bool narrow(Ctx *ctx, Sym *t, int64_t k, int64_t c, int64_t lo, int64_t hi) {
    Wide least = lo == INT64_MIN ? INT64_MIN : (Wide)lo - c;
    Wide most = hi == INT64_MAX ? INT64_MAX : (Wide)hi - c;
    if (k < 0) {
        Wide x = lo == INT64_MIN ? INT64_MAX : -least;
        least = hi == INT64_MAX ? INT64_MIN : -most;
        most = x;
    }
    if (least > INT64_MAX || most < INT64_MIN) return false;
    return sym_narrow(ctx, t, (int64_t)MAX(least, INT64_MIN), (int64_t)MIN(most, INT64_MAX));
}

static bool merge(Ctx *ctx, Sym *s, Expr *e) {
    Range r = expr_range_of(ctx, e);
    if (r.hi < s->lo || r.lo > s->hi) return false;
    Expr *x = e->kind == E_SUM && e->n == 1 ? e->arg[0] : e;
    Term t = term_of(ctx, x);
    int64_t c = e->kind == E_SUM ? e->i : 0;
    bool linear = t.m->kind == E_SYM && (t.k == 1 || t.k == -1);
    if (linear && !narrow(ctx, t.m->sym, t.k, c, s->lo, s->hi)) return false;
    s->merged = e;
    ctx->exprs->merges++;
    ctx->exprs->epoch++;
    return true;
}

/* The symbol of a bare symbol, or of a symbol plus a constant. Equations without one, like
 * N + M == 5, say too little to be worth a rewriting of either symbol. */
static Sym *near(Expr *e) {
    if (e->kind == E_SUM && e->n == 1) e = e->arg[0];
    return e->kind == E_SYM ? e->sym : NULL;
}

/* Does s give way more readily than t? */
static bool sooner(const Sym *s, const Sym *t) {
    if (!s || !t) return s != NULL;
    return s->kind != t->kind ? s->kind > t->kind : s->self->id > t->self->id;
}

/* k * s + c == 0, nothing else. */
static bool solve_constant(Ctx *ctx, Expr *d, bool *ok) {
    Term t = term_of(ctx, d->kind == E_SUM ? d->arg[0] : d);
    int64_t c = d->kind == E_SUM ? d->i : 0;
    if ((d->kind == E_SUM && d->n != 1) || t.m->kind != E_SYM || c == INT64_MIN ||
        t.m->sym->counted)
        return false;
    *ok = c % t.k == 0 && merge(ctx, t.m->sym, expr_int(ctx, -c / t.k));
    return true;
}

/* a == b by merging a's symbol: a is s + c, so s is b - c. False: it cannot give way. */
static bool merge_near(Ctx *ctx, Expr *a, Expr *b, bool *ok) {
    Sym *s = near(a);
    if (!s) return false;
    Expr *by = expr_sub(ctx, b, expr_sub(ctx, a, s->self));
    if (!can_merge(ctx, s, by)) return false;
    *ok = merge(ctx, s, by);
    return true;
}

/* The common divisor of all coefficients of e, its constant included where `constant`. */
static int64_t content(Ctx *ctx, Expr *e, bool constant) {
    int64_t g = constant && (e->kind == E_SUM || e->kind == E_INT) ? int_gcd(e->i, 0) : 0;
    for (int i = 0; i < (e->kind == E_SUM ? e->n : e->kind != E_INT); i++)
        g = int_gcd(g, term_of(ctx, e->kind == E_SUM ? e->arg[i] : e).k);
    return g;
}

bool expr_unify(Ctx *ctx, Expr *a, Expr *b) {
    bool ok;
    CHECK(a->type == DT_INDEX && b->type == DT_INDEX);
    a = expr_resolve(ctx, a);
    b = expr_resolve(ctx, b);
    Expr *d = expr_sub(ctx, a, b);
    if (d->kind == E_INT) return d->i == 0;
    if (d->kind == E_SUM && d->i % content(ctx, d, false)) return false;
    int64_t g = int_gcd(content(ctx, a, true), content(ctx, b, true));
    if (g > 1) return expr_unify(ctx, expr_floordiv(ctx, a, expr_int(ctx, g)),
                                 expr_floordiv(ctx, b, expr_int(ctx, g)));
    if (expr_prove_ge0(ctx, expr_addi(ctx, d, -1))) return false;
    if (expr_prove_ge0(ctx, expr_addi(ctx, expr_negate(ctx, d), -1))) return false;
    if (solve_constant(ctx, d, &ok)) return ok;
    bool a_first = sooner(near(a), near(b));
    if (merge_near(ctx, a_first ? a : b, a_first ? b : a, &ok)) return ok;
    if (merge_near(ctx, a_first ? b : a, a_first ? a : b, &ok)) return ok;
    return true;
}
