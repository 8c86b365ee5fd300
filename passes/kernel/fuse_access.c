/* Substituting definitions into loads, and turning an access map round. */
#include "passes/kernel/fuse.h"

Expr *stmt_inline(Ctx *ctx, const Stmt *d, Expr *const *index) {
    Subst s = {d->dom, (Expr **)index, d->n_dom};
    return expr_subst(ctx, d->value, &s);
}

typedef struct Replace {
    Ctx *ctx;
    Tensor *of;
    const Stmt *d;
} Replace;

static Expr *replace_load(void *user, Expr *e) {
    Replace *r = user;
    return e->kind == E_LOAD && e->tensor == r->of ? stmt_inline(r->ctx, r->d, e->arg) : e;
}

Expr *expr_replace_loads(Ctx *ctx, Expr *e, Tensor *of, const Stmt *d) {
    if (!expr_uses_tensor(e, of)) return e;
    Replace r = {ctx, of, d};
    return expr_rewrite(ctx, e, replace_load, &r);
}

/* ---- inversion ---- */
typedef struct Solve {
    Ctx *ctx;
    const Stmt *c, *d;
    Expr **solved; /* per variable of c */
} Solve;

static bool set(Solve *s, int v, Expr *by) {
    if (s->solved[v]) return false;
    s->solved[v] = by;
    return true;
}

/* index[i] is a variable of c. */
static bool solve_plain(Solve *s, Expr *e, Var *by) {
    for (int v = 0; v < s->c->n_dom; v++) {
        if (s->c->dom[v]->self != e) continue;
        return expr_prove_eq(s->ctx, s->c->dom[v]->extent, by->extent) && set(s, v, by->self);
    }
    return false;
}

/* index[i..j] are the digits of one variable: v = (.. (d_i * e_{i+1} + d_{i+1}) ..). The number of
 * them that are used, or 0. */
static int solve_split(Solve *s, Expr *const *index, int i) {
    for (int v = 0; v < s->c->n_dom; v++) {
        Var *var = s->c->dom[v];
        if (!expr_uses_var(index[i], var)) continue;
        Expr *extent = s->d->dom[i]->extent, *whole = s->d->dom[i]->self;
        int end = i + 1;
        while (end < s->d->n_dom && !expr_prove_eq(s->ctx, extent, var->extent)) {
            extent = expr_mul(s->ctx, extent, s->d->dom[end]->extent);
            whole = expr_add(s->ctx, expr_mul(s->ctx, whole, s->d->dom[end]->extent),
                             s->d->dom[end]->self);
            end++;
        }
        if (!expr_prove_eq(s->ctx, extent, var->extent)) return 0;
        Expr *inner = expr_int(s->ctx, 1);
        for (int k = end - 1; k >= i; k--) { /* the digits must be exactly these */
            Expr *digit = expr_floordiv(s->ctx, var->self, inner);
            if (k > i) digit = expr_mod(s->ctx, digit, s->d->dom[k]->extent);
            if (digit != index[k]) return 0;
            inner = expr_mul(s->ctx, inner, s->d->dom[k]->extent);
        }
        return set(s, v, whole) ? end - i : 0;
    }
    return 0;
}

/* index[i] puts several variables of c together, in row-major order: they are the digits of d's
 * variable. */
static bool solve_merge(Solve *s, Expr *e, Var *by) {
    Expr *stride = expr_int(s->ctx, 1), *rest = e;
    int order[MAX_RANK], n = 0;
    while (n < s->c->n_dom && !expr_prove_eq(s->ctx, stride, by->extent)) {
        int found = -1;
        for (int v = 0; v < s->c->n_dom && found < 0; v++) {
            Expr *coef, *other;
            if (!expr_uses_var(rest, s->c->dom[v]) ||
                !expr_linear_in(s->ctx, rest, s->c->dom[v], &coef, &other))
                continue;
            if (coef != stride) continue;
            found = v;
            rest = other;
        }
        if (found < 0) return false;
        order[n++] = found;
        stride = expr_mul(s->ctx, stride, s->c->dom[found]->extent);
    }
    if (!expr_is(rest, 0) || !expr_prove_eq(s->ctx, stride, by->extent)) return false;
    Expr *inner = expr_int(s->ctx, 1);
    for (int k = 0; k < n; k++) {
        Var *v = s->c->dom[order[k]];
        Expr *digit = expr_floordiv(s->ctx, by->self, inner);
        if (k + 1 < n) digit = expr_mod(s->ctx, digit, v->extent);
        if (!set(s, order[k], digit)) return false;
        inner = expr_mul(s->ctx, inner, v->extent);
    }
    return true;
}

bool invert_access(Ctx *ctx, const Stmt *c, Expr *const *index, const Stmt *d, Expr **solved) {
    Solve s = {ctx, c, d, solved};
    for (int i = 0; i < c->n_dom; i++) solved[i] = NULL;
    for (int i = 0; i < d->n_dom;) {
        if (expr_is(index[i], 0) && expr_is(d->dom[i]->extent, 1)) {
            i++;
            continue;
        }
        if (solve_plain(&s, index[i], d->dom[i])) {
            i++;
            continue;
        }
        int digits = solve_split(&s, index, i);
        if (digits == 0 && !solve_merge(&s, index[i], d->dom[i])) return false;
        i += MAX(digits, 1);
    }
    for (int i = 0; i < c->n_dom; i++) {
        if (solved[i]) continue;
        if (!expr_is(c->dom[i]->extent, 1)) return false;
        solved[i] = expr_int(ctx, 0);
    }
    return true;
}
