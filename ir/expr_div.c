/* floordiv and mod with constant and symbolic divisors, and their inverse: x / b * b + x % b is x.
 *
 * The numerator is split into a multiple of the divisor and a rest. A rest within [0, divisor) is
 * gone; else common factors cancel where what they do not divide is too small to matter, nested
 * divisions become one, and moduli drop out. What is left is an atom that no rule applies to. */
#include "ir/expr_internal.h"

enum { MAX_STEPS = 16, MAX_TRIED = 8 };

static bool nonneg(Ctx *ctx, Expr *e) {
    return expr_range_of(ctx, e).lo >= 0 || expr_prove_ge0(ctx, e);
}

static bool within(Ctx *ctx, Expr *e, Expr *n) {
    return nonneg(ctx, e) && expr_prove_lt(ctx, e, n);
}

/* ---- a = q * b + r ---- */

/* By a polynomial: long division by its leading term. False: it does not end soon. */
static bool divide_long(Ctx *ctx, Expr *a, Expr *b, Expr **q, Expr **r) {
    Term lead = term_of(ctx, b->arg[0]);
    *q = expr_int(ctx, 0);
    *r = a;
    for (int step = 0; step < MAX_STEPS; step++) {
        Expr *part = NULL;
        for (int i = 0; i < ((*r)->kind == E_SUM ? (*r)->n : 1) && !part; i++) {
            Term t = term_of(ctx, (*r)->kind == E_SUM ? (*r)->arg[i] : *r);
            Expr *m = t.k == INT64_MIN || t.k % lead.k ? NULL : mono_div(ctx, t.m, lead.m);
            if (m && t.k) part = term_expr(ctx, m, t.k / lead.k);
        }
        if (!part) return true;
        *q = expr_add(ctx, *q, part);
        *r = expr_sub(ctx, *r, expr_mul(ctx, part, b));
    }
    return false;
}

/* By a single term k * m; coefficients are reduced, too (5*i / 4 is i + i / 4), keeping their
 * sign. */
static void divide_term(Ctx *ctx, Expr *a, Term b, Expr **q, Expr **r) {
    Poly pq, pr;
    poly_init(&pq, ctx);
    poly_init(&pr, ctx);
    if (a->kind == E_SUM || a->kind == E_INT) {
        bool constant = b.m->kind == E_INT;
        int64_t up = constant ? int_floordiv(a->i, b.k) : 0;
        poly_const(&pq, up);
        poly_const(&pr, constant ? int_mod(a->i, b.k) : a->i);
    }
    for (int i = 0; i < (a->kind == E_SUM ? a->n : a->kind != E_INT); i++) {
        Term t = term_of(ctx, a->kind == E_SUM ? a->arg[i] : a);
        Expr *m = mono_div(ctx, t.m, b.m);
        int64_t up = m ? t.k / b.k : 0;
        if (up) poly_term(&pq, m, up);
        if (t.k - up * b.k) poly_term(&pr, t.m, t.k - up * b.k);
    }
    *q = poly_done(&pq);
    *r = poly_done(&pr);
}

static void divide(Ctx *ctx, Expr *a, Expr *b, Expr **q, Expr **r) {
    bool done = true;
    if (b->kind == E_SUM) done = divide_long(ctx, a, b, q, r);
    else divide_term(ctx, a, term_of(ctx, b), q, r);
    if (done && *q && *r) return;
    *q = expr_int(ctx, 0);
    *r = a;
}

/* a / b where b divides every term of a; else NULL. */
static Expr *exact(Ctx *ctx, Expr *a, Expr *b) {
    Expr *q, *r;
    divide(ctx, a, b, &q, &r);
    return expr_is(r, 0) ? q : NULL;
}

/* ---- common factors ---- */

typedef struct Cancel {
    Expr *g, *x, *rest, *b; /* numerator = g * x + rest, divisor = g * b */
} Cancel;

/* The largest single term that divides b. */
static Term content(Ctx *ctx, Expr *b) {
    if (b->kind != E_SUM) return term_of(ctx, b);
    Term all = term_of(ctx, b->arg[0]);
    all.k = int_gcd(all.k, b->i);
    for (int i = 1; i < b->n; i++) {
        Term t = term_of(ctx, b->arg[i]);
        all = (Term){mono_gcd(ctx, all.m, t.m), int_gcd(all.k, t.k)};
    }
    if (b->i) all.m = expr_int(ctx, 1);
    return all;
}

static bool cancel_by(Ctx *ctx, Expr *r, Expr *b, Term g, Cancel *out) {
    Poly x, rest;
    poly_init(&x, ctx);
    poly_init(&rest, ctx);
    bool constant = g.m->kind == E_INT;
    int64_t c = r->kind == E_SUM ? r->i : 0, up = constant ? int_floordiv(c, g.k) : 0;
    poly_const(&x, up);
    poly_const(&rest, constant ? int_mod(c, g.k) : c);
    for (int i = 0; i < (r->kind == E_SUM ? r->n : 1); i++) {
        Term t = term_of(ctx, r->kind == E_SUM ? r->arg[i] : r);
        Expr *m = t.k % g.k ? NULL : mono_div(ctx, t.m, g.m);
        poly_term(m ? &x : &rest, m ? m : t.m, m ? t.k / g.k : t.k);
    }
    out->g = term_expr(ctx, g.m, g.k);
    out->x = poly_done(&x);
    out->rest = poly_done(&rest);
    out->b = exact(ctx, b, out->g);
    if (!out->x || !out->rest || !out->b) return false;
    return expr_is(out->rest, 0) || (nonneg(ctx, out->b) && within(ctx, out->rest, out->g));
}

static bool cancel(Ctx *ctx, Expr *r, Expr *b, Cancel *out) {
    Term all = content(ctx, b), tried[MAX_TRIED];
    int n = 0;
    for (int i = 0; i < (r->kind == E_SUM ? r->n : 1); i++) {
        Term t = term_of(ctx, r->kind == E_SUM ? r->arg[i] : r);
        Term g = {mono_gcd(ctx, t.m, all.m), int_gcd(t.k, all.k)};
        bool again = g.k == 1 && g.m->kind == E_INT;
        for (int j = 0; j < n; j++) again |= tried[j].m == g.m && tried[j].k == g.k;
        if (again || n == MAX_TRIED) continue;
        tried[n++] = g;
        if (cancel_by(ctx, r, b, g, out)) return true;
    }
    return false;
}

/* ---- division ---- */

/* r as one atom of operation op, plus a constant; NULL: it is something else. */
static Expr *single(Expr *r, ScalarOp op, int64_t *c) {
    Expr *x = r->kind == E_SUM && r->n == 1 ? r->arg[0] : r;
    *c = r->kind == E_SUM ? r->i : 0;
    return is_op(x, op) ? x : NULL;
}

/* The quotient where the range of r leaves one only. */
static bool constant_quotient(Ctx *ctx, Expr *r, Expr *b, int64_t *q) {
    Range x = expr_range_of(ctx, r);
    if (b->kind != E_INT || x.lo == INT64_MIN || x.hi == INT64_MAX) return false;
    *q = int_floordiv(x.lo, b->i);
    return *q == int_floordiv(x.hi, b->i);
}

/* -b <= r < 0? */
static bool just_below(Ctx *ctx, Expr *r, Expr *b) {
    Expr *up = expr_addi(ctx, expr_negate(ctx, r), -1);
    return nonneg(ctx, up) && expr_prove_ge0(ctx, expr_add(ctx, r, b));
}

static Expr *divide_rest(Ctx *ctx, Expr *r, Expr *b) {
    int64_t c;
    Cancel k;
    if (expr_is(r, 0) || within(ctx, r, b)) return expr_int(ctx, 0);
    if (constant_quotient(ctx, r, b, &c)) return expr_int(ctx, c);
    if (just_below(ctx, r, b)) return expr_int(ctx, -1);
    if (r->kind != E_INT && cancel(ctx, r, b, &k)) return expr_floordiv(ctx, k.x, k.b);
    Expr *inner = single(r, SOP_floordiv, &c);
    if (inner && nonneg(ctx, b)) {
        Expr *y = inner->arg[1];
        return expr_floordiv(ctx, expr_add(ctx, inner->arg[0], expr_muli(ctx, y, c)),
                             expr_mul(ctx, y, b));
    }
    inner = single(r, SOP_mod, &c);
    Expr *m = inner && c == 0 ? exact(ctx, inner->arg[1], b) : NULL;
    if (m && nonneg(ctx, m) && nonneg(ctx, b))
        return expr_mod(ctx, expr_floordiv(ctx, inner->arg[0], b), m);
    return expr_raw(ctx, SOP_floordiv, DT_INDEX, (Expr *[]){r, b}, 2);
}

static bool negative_term(Ctx *ctx, Expr *b) {
    return b->kind != E_SUM && term_of(ctx, b).k < 0 && term_of(ctx, b).k != INT64_MIN;
}

Expr *expr_floordiv(Ctx *ctx, Expr *a, Expr *b) {
    Expr *q, *r, *done;
    CHECK(a->type == DT_INDEX && b->type == DT_INDEX);
    if (expr_is(b, 1) || expr_is(a, 0)) return a;
    if (expr_is(b, 0)) return b;
    if (a == b) return expr_int(ctx, 1);
    if (negative_term(ctx, b)) return expr_floordiv(ctx, expr_negate(ctx, a), expr_negate(ctx, b));
    if (a->kind == E_INT && b->kind == E_INT) return expr_int(ctx, int_floordiv(a->i, b->i));
    if (expr_op_cached(ctx, SOP_floordiv, a, b, &done)) return done;
    if (within(ctx, a, b)) return expr_op_remember(ctx, SOP_floordiv, a, b, expr_int(ctx, 0));
    divide(ctx, a, b, &q, &r);
    done = expr_add(ctx, q, divide_rest(ctx, r, b));
    return expr_op_remember(ctx, SOP_floordiv, a, b, done);
}

Expr *expr_ceildiv(Ctx *ctx, Expr *a, Expr *b) {
    return expr_floordiv(ctx, expr_addi(ctx, expr_add(ctx, a, b), -1), b);
}

/* ---- modulus ---- */

/* r without the moduli that b divides: (x % m + y) % b is (x + y) % b. */
static Expr *drop_mod(Ctx *ctx, Expr *r, Expr *b) {
    for (int i = 0; i < (r->kind == E_SUM ? r->n : 1); i++) {
        Expr *x = r->kind == E_SUM ? r->arg[i] : r;
        if (is_op(x, SOP_mod) && exact(ctx, x->arg[1], b))
            return expr_add(ctx, expr_sub(ctx, r, x), x->arg[0]);
    }
    return NULL;
}

static Expr *mod_rest(Ctx *ctx, Expr *r, Expr *b) {
    int64_t c;
    Cancel k;
    if (expr_is(r, 0) || within(ctx, r, b)) return r;
    if (constant_quotient(ctx, r, b, &c)) return expr_sub(ctx, r, expr_muli(ctx, b, c));
    if (just_below(ctx, r, b)) return expr_add(ctx, r, b);
    if (r->kind != E_INT && cancel(ctx, r, b, &k))
        return expr_add(ctx, expr_mul(ctx, k.g, expr_mod(ctx, k.x, k.b)), k.rest);
    Expr *less = drop_mod(ctx, r, b);
    if (less) return expr_mod(ctx, less, b);
    return expr_raw(ctx, SOP_mod, DT_INDEX, (Expr *[]){r, b}, 2);
}

Expr *expr_mod(Ctx *ctx, Expr *a, Expr *b) {
    Expr *q, *r, *done;
    CHECK(a->type == DT_INDEX && b->type == DT_INDEX);
    if (expr_is(b, 1) || expr_is(b, 0) || a == b) return expr_int(ctx, 0);
    if (expr_is(a, 0)) return a;
    if (negative_term(ctx, b))
        return expr_negate(ctx, expr_mod(ctx, expr_negate(ctx, a), expr_negate(ctx, b)));
    if (a->kind == E_INT && b->kind == E_INT)
        return expr_int(ctx, int_mod(a->i, b->i));
    if (expr_op_cached(ctx, SOP_mod, a, b, &done)) return done;
    if (within(ctx, a, b)) return expr_op_remember(ctx, SOP_mod, a, b, a);
    divide(ctx, a, b, &q, &r);
    return expr_op_remember(ctx, SOP_mod, a, b, mod_rest(ctx, r, b));
}

/* ---- the inverse ---- */

static Expr *quotient_of(Ctx *ctx, Expr *mod) {
    Node *x = node_of(mod);
    if (!x->quotient) x->quotient = expr_floordiv(ctx, mod->arg[0], mod->arg[1]);
    return x->quotient;
}

static int find_term(const Poly *p, Term t) {
    for (int i = 0; i < p->n; i++)
        if (p->t[i].m == t.m && p->t[i].k == t.k) return i;
    return -1;
}

/* The sum without terms i and those of `gone`, plus `more`. */
static Expr *replace(Ctx *ctx, const Poly *p, int i, Expr *gone, Expr *more) {
    Poly next;
    poly_init(&next, ctx);
    poly_const(&next, p->c);
    for (int j = 0; j < p->n; j++)
        if (j != i) poly_term(&next, p->t[j].m, p->t[j].k);
    poly_add(&next, gone, -1);
    poly_add(&next, more, 1);
    return poly_done(&next);
}

/* Term i is k * (x % b). With k * b * (x / b) in the sum, too, both are k * x. */
static Expr *join_quotient(Ctx *ctx, const Poly *p, int i, Expr *k, Expr *mod) {
    Expr *q = quotient_of(ctx, mod);
    Expr *t = expr_mul(ctx, expr_mul(ctx, k, mod->arg[1]), q);
    if (q->kind == E_INT || is_op(t, SOP_mul)) return NULL;
    for (int j = 0; j < (t->kind == E_SUM ? t->n : 1); j++)
        if (find_term(p, term_of(ctx, t->kind == E_SUM ? t->arg[j] : t)) < 0) return NULL;
    return replace(ctx, p, i, t, expr_mul(ctx, k, mod->arg[0]));
}

/* With k * b * ((x / b) % c) in the sum, both are k * (x % (b * c)). */
static Expr *join_modulus(Ctx *ctx, const Poly *p, int i, Expr *k, Expr *mod) {
    Expr *q = quotient_of(ctx, mod), *scale = expr_mul(ctx, k, mod->arg[1]);
    for (int j = 0; j < p->n; j++) {
        Expr *m = p->t[j].m, *const *f = m->kind == E_PROD ? m->arg : &m;
        for (int n = 0; n < node_of(m)->degree && j != i; n++) {
            if (!is_op(f[n], SOP_mod) || f[n]->arg[0] != q) continue;
            if (term_expr(ctx, mono_div(ctx, m, f[n]), p->t[j].k) != scale) continue;
            Expr *whole = expr_mod(ctx, mod->arg[0], expr_mul(ctx, mod->arg[1], f[n]->arg[1]));
            return replace(ctx, p, i, term_expr(ctx, m, p->t[j].k), expr_mul(ctx, k, whole));
        }
    }
    return NULL;
}

Expr *expr_recombine(Ctx *ctx, Poly *p) {
    int candidates = 0;
    for (int i = 0; i < p->n; i++) candidates += (node_of(p->t[i].m)->flags & EF_DIVMOD) != 0;
    for (int i = 0; i < p->n && candidates > 1; i++) {
        Expr *m = p->t[i].m, *const *f = m->kind == E_PROD ? m->arg : &m;
        for (int n = 0; n < node_of(m)->degree; n++) {
            if (!is_op(f[n], SOP_mod)) continue;
            Expr *k = term_expr(ctx, mono_div(ctx, m, f[n]), p->t[i].k);
            Expr *e = join_quotient(ctx, p, i, k, f[n]);
            if (!e) e = join_modulus(ctx, p, i, k, f[n]);
            if (e) return e;
        }
    }
    return NULL;
}
