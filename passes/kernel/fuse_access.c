/* Substituting definitions into loads, and turning an access map round. */
#include "passes/kernel/fuse.h"
#include "passes/kernel/schedule.h"

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

/* The variable of vars whose coefficient in *rest is `stride`, which leaves *rest; -1: none. */
static int next_digit(Ctx *ctx, Var *const *vars, int n, Expr *stride, Expr **rest) {
    for (int v = 0; v < n; v++) {
        Expr *coef, *other;
        if (!expr_uses_var(*rest, vars[v])) continue;
        if (!expr_linear_in(ctx, *rest, vars[v], &coef, &other) || coef != stride) continue;
        *rest = other;
        return v;
    }
    return -1;
}

/* e puts variables of vars together, in row-major order: they are the digits of `by`, and
 * digit[v] tells which; NULL for a variable that e lacks. */
static bool merged_digits(Ctx *ctx, Expr *e, Var *const *vars, int n, Var *by, Expr **digit) {
    Expr *stride = expr_int(ctx, 1), *rest = e;
    for (int v = 0; v < n; v++) digit[v] = NULL;
    while (!expr_prove_eq(ctx, stride, by->extent)) {
        int v = next_digit(ctx, vars, n, stride, &rest);
        if (v < 0) return false;
        digit[v] = expr_floordiv(ctx, by->self, stride);
        stride = expr_mul(ctx, stride, vars[v]->extent);
        if (!expr_prove_eq(ctx, stride, by->extent))
            digit[v] = expr_mod(ctx, digit[v], vars[v]->extent);
    }
    return expr_is(rest, 0);
}

static bool solve_merge(Solve *s, Expr *e, Var *by) {
    Expr *digit[MAX_RANK];
    if (!merged_digits(s->ctx, e, s->c->dom, s->c->n_dom, by, digit)) return false;
    for (int v = 0; v < s->c->n_dom; v++)
        if (digit[v] && !set(s, v, digit[v])) return false;
    return true;
}

/* ---- shuffles: one variable whose digits change places ---- */
typedef struct Cut {
    const Var *v;
    int64_t at; /* v / at or v % at occurs; 0: neither */
} Cut;

static void find_cut(void *user, const Expr *e) {
    Cut *c = user;
    int64_t at;
    if (e->kind != E_OP || (e->op != SOP_floordiv && e->op != SOP_mod) || e->type != DT_INDEX)
        return;
    if (e->arg[0] == c->v->self && expr_is_int(e->arg[1], &at)) c->at = at;
}

/* e rearranges the digits of a single variable of c (o / 4 + (o % 4)*28, as channel shuffles
 * do). */
static bool solve_shuffle(Solve *s, Expr *e, Var *by) {
    for (int v = 0; v < s->c->n_dom; v++) {
        Var *var = s->c->dom[v];
        int64_t extent;
        Cut cut = {var, 0};
        if (!expr_uses_var(e, var) || !expr_is_int(var->extent, &extent)) continue;
        expr_visit(e, find_cut, &cut);
        if (cut.at < 1 || extent % cut.at) return false;
        Expr *size = expr_int(s->ctx, cut.at), *digit[2];
        Var *part[2] = {var_new(s->ctx, "hi", expr_int(s->ctx, extent / cut.at)),
                        var_new(s->ctx, "lo", size)};
        Expr *whole = expr_add(s->ctx, expr_mul(s->ctx, part[0]->self, size), part[1]->self);
        Subst sub = {&var, &whole, 1};
        e = expr_subst(s->ctx, e, &sub);
        if (!merged_digits(s->ctx, e, part, 2, by, digit) || !digit[0] || !digit[1]) return false;
        return set(s, v, expr_add(s->ctx, expr_mul(s->ctx, digit[0], size), digit[1]));
    }
    return false;
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
        if (digits == 0 && !solve_merge(&s, index[i], d->dom[i]) &&
            !solve_shuffle(&s, index[i], d->dom[i]))
            return false;
        i += MAX(digits, 1);
    }
    for (int i = 0; i < c->n_dom; i++) {
        if (solved[i]) continue;
        if (!expr_is(c->dom[i]->extent, 1)) return false;
        solved[i] = expr_int(ctx, 0);
    }
    return true;
}

/* ---- lanes ---- */
static bool shares_subscript(const Expr *load, const Var *v, Var *const *others, int n) {
    for (int i = 0; i < load->n; i++)
        for (int r = 0; expr_uses_var(load->arg[i], v) && r < n; r++)
            if (expr_uses_var(load->arg[i], others[r])) return true;
    return false;
}

/* Does every load move with v linearly, and in no subscript where one of the others does? */
static bool is_straight(Ctx *ctx, const Loads *loads, Var *v, Var *const *others, int n) {
    int64_t extent;
    if (expr_is_int(v->extent, &extent) && extent < 4) return false;
    for (int i = 0; i < loads->n; i++) {
        const Expr *load = loads->at[i];
        if (shares_subscript(load, v, others, n)) return false;
        for (int k = 0; k < load->n; k++) {
            Expr *coef, *rest;
            if (expr_uses_var(load->arg[k], v) &&
                !expr_linear_in(ctx, load->arg[k], v, &coef, &rest))
                return false;
        }
    }
    return true;
}

bool stmt_has_lanes(Ctx *ctx, const Stmt *s) {
    Loads loads;
    stmt_loads(s, &loads);
    for (int d = 0; d < s->n_dom; d++)
        if (is_straight(ctx, &loads, s->dom[d], s->red, s->n_red)) return true;
    for (int r = 0; r < s->n_red; r++)
        if (is_straight(ctx, &loads, s->red[r], s->dom, s->n_dom)) return true;
    return false;
}

/* ---- what is read in few bytes ---- */
bool widens_bytes(const Stmt *s) {
    const Expr *e = s->value;
    if (s->kind != ST_MAP || s->out->dtype != DT_I32) return false;
    if (e->kind == E_OP && e->op == SOP_sub && expr_cost(e->arg[1]) == 0) e = e->arg[0];
    if (e->kind != E_OP || e->op != SOP_cast) return false;
    e = e->arg[0];
    return e->kind == E_LOAD && (e->type == DT_I8 || e->type == DT_U8) && !e->tensor->packed;
}

typedef struct Sources {
    int bits; /* of the narrowest constant */
    bool others;
} Sources;

static void note_source(void *user, const Expr *e) {
    Sources *s = user;
    if (e->kind != E_LOAD) return;
    s->others |= e->tensor->space != SP_CONST;
    s->bits = MIN(s->bits, e->tensor->packed ? e->tensor->packed : dtype_bits(e->type));
}

bool widens_constants(const Stmt *s) {
    Sources from = {INT32_MAX, false};
    expr_visit(s->value, note_source, &from);
    return !from.others && 2 * (int64_t)from.bits <= dtype_bits(s->out->dtype);
}
