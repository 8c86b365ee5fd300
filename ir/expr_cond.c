/* Conditions: comparisons of index expressions, and `and`, `or`, `not` on bool.
 *
 * Normal form of an inequality. It is brought to P - Q + c >= 0, where P and Q are sums of terms
 * with positive coefficients, all divided by their greatest common divisor. Without Q it is written
 * P >= -c, otherwise Q + max(-c-1, 0) < P + max(c+1, 0): `i < N`, `h + r >= 1`, `h + r < H + 1`.
 * So there are only lt and ge (of a constant). Equations are P == Q, the leading term positive, the
 * constant on the side where it is. Chains of `and` and of `or` lean left, sorted, without
 * repetition; of bounds of one expression only the narrowest stays. */
#include "ir/expr_internal.h"
#include "ir/scalar_eval.h"

enum { MAX_CONDITIONS = 64 };

static Expr *truth(Ctx *ctx, bool value) {
    return expr_const_int(ctx, DT_BOOL, value);
}

static Expr *make(Ctx *ctx, ScalarOp op, Expr *a, Expr *b) {
    return expr_raw(ctx, op, DT_BOOL, (Expr *[]){a, b}, 2);
}

/* The sum e as p - q + c, divided by the common divisor of its coefficients: *g. */
static bool sides(Ctx *ctx, Expr *e, Poly *p, Poly *q, int64_t *c, int64_t *g) {
    bool sum = e->kind == E_SUM;
    poly_init(p, ctx);
    poly_init(q, ctx);
    *c = sum ? e->i : 0;
    *g = 0;
    for (int i = 0; i < (sum ? e->n : 1); i++)
        *g = int_gcd(*g, term_of(ctx, sum ? e->arg[i] : e).k);
    for (int i = 0; i < (sum ? e->n : 1); i++) {
        Term t = term_of(ctx, sum ? e->arg[i] : e);
        if (t.k == INT64_MIN) return false;
        poly_term(t.k > 0 ? p : q, t.m, (t.k > 0 ? t.k : -t.k) / *g);
    }
    return *c > INT64_MIN + 2;
}

Expr *cond_ge0(Ctx *ctx, Expr *e) {
    Poly p, q;
    int64_t c, g;
    if (expr_prove_ge0(ctx, e)) return truth(ctx, true);
    if (expr_prove_ge0(ctx, expr_addi(ctx, expr_negate(ctx, e), -1))) return truth(ctx, false);
    if (!sides(ctx, e, &p, &q, &c, &g)) return make(ctx, SOP_ge, e, expr_int(ctx, 0));
    c = int_floordiv(c, g);
    if (q.n == 0) return make(ctx, SOP_ge, poly_done(&p), expr_int(ctx, -c));
    poly_const(&q, MAX(-c - 1, 0));
    poly_const(&p, MAX(c + 1, 0));
    return make(ctx, SOP_lt, poly_done(&q), poly_done(&p));
}

Expr *cond_eq0(Ctx *ctx, Expr *e) {
    Poly p, q;
    int64_t c, g;
    if (e->kind == E_INT) return truth(ctx, e->i == 0);
    Expr *above = expr_addi(ctx, e, -1), *below = expr_addi(ctx, expr_negate(ctx, e), -1);
    if (expr_prove_ge0(ctx, above) || expr_prove_ge0(ctx, below)) return truth(ctx, false);
    Range r = expr_range_of(ctx, e);
    if (r.lo == 0 && r.hi == 0) return truth(ctx, true);
    if (term_of(ctx, e->kind == E_SUM ? e->arg[0] : e).k < 0) e = expr_negate(ctx, e);
    if (!sides(ctx, e, &p, &q, &c, &g)) return make(ctx, SOP_eq, e, expr_int(ctx, 0));
    if (c % g) return truth(ctx, false);
    c /= g;
    poly_const(&q, q.n == 0 ? -c : MAX(-c, 0));
    poly_const(&p, q.n == 0 ? 0 : MAX(c, 0));
    return make(ctx, SOP_eq, poly_done(&p), poly_done(&q));
}

Expr *cond_compare(Ctx *ctx, ScalarOp op, Expr *a, Expr *b) {
    switch (op) {
    case SOP_lt: return cond_ge0(ctx, expr_addi(ctx, expr_sub(ctx, b, a), -1));
    case SOP_le: return cond_ge0(ctx, expr_sub(ctx, b, a));
    case SOP_gt: return cond_ge0(ctx, expr_addi(ctx, expr_sub(ctx, a, b), -1));
    case SOP_ge: return cond_ge0(ctx, expr_sub(ctx, a, b));
    case SOP_eq: return cond_eq0(ctx, expr_sub(ctx, a, b));
    case SOP_ne: return cond_op(ctx, SOP_not, cond_eq0(ctx, expr_sub(ctx, a, b)), NULL);
    default: BUG("%s is no comparison", scalar_info[op].name);
    }
}

/* ---- and, or, not ---- */

static bool on_index(const Expr *e) {
    return e->kind == E_OP && e->n == 2 && e->arg[0]->type == DT_INDEX;
}

static Expr *negation(Ctx *ctx, Expr *e) {
    if (e->kind == E_INT) return truth(ctx, !e->i);
    if (is_op(e, SOP_not)) return e->arg[0];
    if (on_index(e) && is_op(e, SOP_lt)) return cond_compare(ctx, SOP_ge, e->arg[0], e->arg[1]);
    if (on_index(e) && is_op(e, SOP_ge)) return cond_compare(ctx, SOP_lt, e->arg[0], e->arg[1]);
    if (on_index(e) && is_op(e, SOP_eq)) return make(ctx, SOP_ne, e->arg[0], e->arg[1]);
    if (on_index(e) && is_op(e, SOP_ne)) return make(ctx, SOP_eq, e->arg[0], e->arg[1]);
    return expr_raw(ctx, SOP_not, DT_BOOL, &e, 1);
}

/* a == !b, without a look at inequalities? */
static bool opposite(const Expr *a, const Expr *b) {
    if (is_op(a, SOP_not) || is_op(b, SOP_not))
        return is_op(a, SOP_not) ? a->arg[0] == b : b->arg[0] == a;
    if (!is_op(a, SOP_eq) && !is_op(a, SOP_ne)) return false;
    return is_op(b, a->op == SOP_eq ? SOP_ne : SOP_eq) && on_index(a) && on_index(b) &&
           a->arg[0] == b->arg[0] && a->arg[1] == b->arg[1];
}

/* An inequality as what + c >= 0, `what` without a constant. */
static bool inequality(Ctx *ctx, Expr *e, Expr **what, int64_t *c) {
    bool lt = is_op(e, SOP_lt), ge = is_op(e, SOP_ge);
    if (!(lt || ge) || !on_index(e)) return false;
    Expr *d = ge ? expr_sub(ctx, e->arg[0], e->arg[1]) : expr_sub(ctx, e->arg[1], e->arg[0]);
    *c = (d->kind == E_SUM ? d->i : 0) - lt;
    *what = d->kind == E_SUM ? expr_addi(ctx, d, -d->i) : d;
    return true;
}

typedef enum Verdict { KEEP_BOTH, KEEP_OLD, KEEP_NEW, DECIDED } Verdict;

/* How `old op x` simplifies. DECIDED: to false for and, to true for or. */
static Verdict relate(Ctx *ctx, ScalarOp op, Expr *old, Expr *x) {
    Expr *p, *q;
    int64_t c, d;
    if (old == x) return KEEP_OLD;
    if (opposite(old, x)) return DECIDED;
    if (node_of(old)->vars != node_of(x)->vars) return KEEP_BOTH;
    if (!inequality(ctx, old, &p, &c) || !inequality(ctx, x, &q, &d)) return KEEP_BOTH;
    if (p == q) return (c <= d) == (op == SOP_and) ? KEEP_OLD : KEEP_NEW;
    if (expr_negate(ctx, p) != q) return KEEP_BOTH;
    if (op == SOP_and) return c + d < 0 ? DECIDED : KEEP_BOTH;
    return c + d >= -1 ? DECIDED : KEEP_BOTH;
}

typedef struct Chain {
    Ctx *ctx;
    ScalarOp op;
    Expr *at[MAX_CONDITIONS];
    int n;
    bool decided, full;
} Chain;

static void chain_add(Chain *s, Expr *x) {
    int kept = 0;
    if (s->full) return;
    if (is_op(x, s->op) && x->type == DT_BOOL) {
        chain_add(s, x->arg[0]);
        chain_add(s, x->arg[1]);
        return;
    }
    for (int i = 0; i < s->n; i++) {
        Verdict v = relate(s->ctx, s->op, s->at[i], x);
        s->decided |= v == DECIDED;
        if (v == KEEP_OLD) return;
    }
    for (int i = 0; i < s->n; i++)
        if (relate(s->ctx, s->op, s->at[i], x) != KEEP_NEW) s->at[kept++] = s->at[i];
    s->full |= kept == MAX_CONDITIONS;
    if (s->full) return;
    int at = kept;
    for (; at > 0 && expr_cmp(s->at[at - 1], x) > 0; at--) s->at[at] = s->at[at - 1];
    s->at[at] = x;
    s->n = kept + 1;
}

Expr *cond_op(Ctx *ctx, ScalarOp op, Expr *a, Expr *b) {
    Expr *done;
    CHECK(a->type == DT_BOOL && (!b || b->type == DT_BOOL));
    if (op == SOP_not) return negation(ctx, a);
    bool neutral = op == SOP_and;
    if (a->kind == E_INT) return a->i == neutral ? b : a;
    if (b->kind == E_INT) return b->i == neutral ? a : b;
    if (a == b) return a;
    if (expr_op_cached(ctx, op, a, b, &done)) return done;
    Chain s = {.ctx = ctx, .op = op};
    chain_add(&s, a);
    chain_add(&s, b);
    if (s.full) return make(ctx, op, a, b);
    if (s.decided) return truth(ctx, !neutral);
    done = s.at[0];
    for (int i = 1; i < s.n; i++) done = make(ctx, op, done, s.at[i]);
    return expr_op_remember(ctx, op, a, b, done);
}
