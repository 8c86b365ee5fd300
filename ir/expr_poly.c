/* Polynomials: monomials, sums under construction, and the arithmetic of index expressions that
 * needs no more than that. */
#include "ir/expr_internal.h"

#include <stdlib.h>

enum { MAX_PRODUCT = 512 }; /* a product of sums with more terms is left as it is */

int64_t int_gcd(int64_t a, int64_t b) {
    uint64_t x = a < 0 ? 0 - (uint64_t)a : (uint64_t)a, y = b < 0 ? 0 - (uint64_t)b : (uint64_t)b;
    while (y) {
        uint64_t r = x % y;
        x = y;
        y = r;
    }
    return x > INT64_MAX ? 1 : (int64_t)x;
}

int64_t int_floordiv(int64_t a, int64_t b) {
    int64_t q = a / b;
    return q - (a % b != 0 && (a % b < 0) != (b < 0));
}

int64_t int_mod(int64_t a, int64_t b) {
    return a % b + (a % b < 0 ? b : 0);
}

/* ---- monomials ---- */

static int factors(Expr *const *m, Expr *const **at) {
    *at = (*m)->kind == E_PROD ? (*m)->arg : m;
    return (*m)->kind == E_PROD ? (*m)->n : (*m)->kind != E_INT;
}

static Expr *mono_make(Ctx *ctx, Expr **factor, int n) {
    if (n == 0) return expr_int(ctx, 1);
    if (n == 1) return factor[0];
    Expr draft = {.kind = E_PROD, .type = DT_INDEX, .i = 1, .n = n, .arg = factor};
    return expr_intern(ctx, &draft);
}

static Expr **room(Ctx *ctx, Expr **buf, int have, int want) {
    return want <= have ? buf : NEW_ARRAY(ctx->perm, Expr *, want);
}

Expr *mono_mul(Ctx *ctx, Expr *a, Expr *b) {
    Expr *const *x, *const *y, *buf[32];
    int nx = factors(&a, &x), ny = factors(&b, &y), i = 0, j = 0, n = 0;
    if (nx == 0) return b;
    if (ny == 0) return a;
    Expr **out = room(ctx, buf, LEN(buf), nx + ny);
    while (i < nx || j < ny)
        out[n++] = j == ny || (i < nx && expr_cmp(x[i], y[j]) <= 0) ? x[i++] : y[j++];
    return mono_make(ctx, out, n);
}

Expr *mono_div(Ctx *ctx, Expr *m, Expr *d) {
    Expr *const *x, *const *y, *buf[32];
    int nx = factors(&m, &x), ny = factors(&d, &y), j = 0, n = 0;
    if (ny == 0) return m;
    if (ny > nx) return NULL;
    Expr **out = room(ctx, buf, LEN(buf), nx);
    for (int i = 0; i < nx; i++) {
        if (j < ny && x[i] == y[j]) j++;
        else out[n++] = x[i];
    }
    return j == ny ? mono_make(ctx, out, n) : NULL;
}

Expr *mono_gcd(Ctx *ctx, Expr *a, Expr *b) {
    Expr *const *x, *const *y, *buf[32];
    int nx = factors(&a, &x), ny = factors(&b, &y), i = 0, j = 0, n = 0;
    Expr **out = room(ctx, buf, LEN(buf), MIN(nx, ny));
    while (i < nx && j < ny) {
        int c = expr_cmp(x[i], y[j]);
        if (c == 0) out[n++] = x[i];
        i += c <= 0;
        j += c >= 0;
    }
    return mono_make(ctx, out, n);
}

Term term_of(Ctx *ctx, Expr *e) {
    if (e->kind == E_INT) return (Term){expr_int(ctx, 1), e->i};
    if (e->kind == E_PROD && e->i != 1) return (Term){node_of(e)->mono, e->i};
    return (Term){e, 1};
}

Expr *term_expr(Ctx *ctx, Expr *m, int64_t k) {
    Expr *const *x;
    int n = factors(&m, &x);
    if (k == 0 || n == 0) return expr_int(ctx, k);
    if (k == 1) return m;
    Expr draft = {.kind = E_PROD, .type = DT_INDEX, .i = k, .n = n, .arg = (Expr **)(uintptr_t)x};
    Expr *e = expr_intern(ctx, &draft);
    node_of(e)->mono = m;
    return e;
}

/* ---- sums under construction ---- */

void poly_init(Poly *p, Ctx *ctx) {
    p->ctx = ctx;
    p->c = 0;
    p->t = p->buf;
    p->n = 0;
    p->cap = LEN(p->buf);
    p->overflow = false;
}

void poly_const(Poly *p, int64_t k) {
    p->overflow |= __builtin_add_overflow(p->c, k, &p->c);
}

void poly_term(Poly *p, Expr *m, int64_t k) {
    if (m->kind == E_INT) {
        poly_const(p, k);
        return;
    }
    if (p->n == p->cap) {
        Term *bigger = NEW_ARRAY(p->ctx->perm, Term, p->cap * 2);
        memcpy(bigger, p->t, sizeof(Term) * (size_t)p->n);
        p->t = bigger;
        p->cap *= 2;
    }
    p->t[p->n++] = (Term){m, k};
}

void poly_add(Poly *p, Expr *e, int64_t k) {
    int64_t c = 0;
    if (e->kind == E_INT || e->kind == E_SUM) {
        p->overflow |= __builtin_mul_overflow(e->i, k, &c);
        poly_const(p, c);
        for (int i = 0; i < e->n; i++) poly_add(p, e->arg[i], k);
        return;
    }
    Term t = term_of(p->ctx, e);
    p->overflow |= __builtin_mul_overflow(t.k, k, &c);
    poly_term(p, t.m, c);
}

static int compare_terms(const void *a, const void *b) {
    return expr_cmp(((const Term *)a)->m, ((const Term *)b)->m);
}

static void sort(Term *t, int n) {
    if (n > 24) {
        qsort(t, (size_t)n, sizeof *t, compare_terms);
        return;
    }
    for (int i = 1; i < n; i++) {
        Term x = t[i];
        int j = i;
        for (; j > 0 && expr_cmp(t[j - 1].m, x.m) > 0; j--) t[j] = t[j - 1];
        t[j] = x;
    }
}

void poly_collect(Poly *p) {
    sort(p->t, p->n);
    int n = 0;
    for (int i = 0; i < p->n; i++) {
        Term x = p->t[i];
        if (n && p->t[n - 1].m == x.m)
            p->overflow |= __builtin_add_overflow(p->t[n - 1].k, x.k, &p->t[n - 1].k);
        else p->t[n++] = x;
        n -= p->t[n - 1].k == 0 && (i + 1 == p->n || p->t[i + 1].m != x.m);
    }
    p->n = n;
}

Expr *poly_done(Poly *p) {
    Expr *buf[32];
    poly_collect(p);
    if (p->overflow) return NULL;
    if (p->n == 0) return expr_int(p->ctx, p->c);
    if (p->n == 1 && p->c == 0) return term_expr(p->ctx, p->t[0].m, p->t[0].k);
    Expr *whole = expr_recombine(p->ctx, p);
    if (whole) return whole;
    Expr **arg = room(p->ctx, buf, LEN(buf), p->n);
    for (int i = 0; i < p->n; i++) arg[i] = term_expr(p->ctx, p->t[i].m, p->t[i].k);
    Expr draft = {.kind = E_SUM, .type = DT_INDEX, .i = p->c, .n = p->n, .arg = arg};
    return expr_intern(p->ctx, &draft);
}

/* ---- arithmetic ---- */

/* What overflows 64 bits stays as it is written, operands sorted. */
static Expr *opaque(Ctx *ctx, ScalarOp op, Expr *a, Expr *b) {
    bool swap = op != SOP_sub && expr_cmp(a, b) > 0;
    Expr *arg[] = {swap ? b : a, swap ? a : b};
    return expr_raw(ctx, op, DT_INDEX, arg, 2);
}

static Expr *add_scaled(Ctx *ctx, ScalarOp op, Expr *a, Expr *b, int64_t k) {
    CHECK(a->type == DT_INDEX && b->type == DT_INDEX);
    if (expr_is(b, 0)) return a;
    if (expr_is(a, 0) && k == 1) return b;
    if (a == b && k == -1) return expr_int(ctx, 0);
    Poly p;
    poly_init(&p, ctx);
    poly_add(&p, a, 1);
    poly_add(&p, b, k);
    Expr *e = poly_done(&p);
    return e ? e : opaque(ctx, op, a, b);
}

Expr *expr_add(Ctx *ctx, Expr *a, Expr *b) {
    return add_scaled(ctx, SOP_add, a, b, 1);
}

Expr *expr_sub(Ctx *ctx, Expr *a, Expr *b) {
    return add_scaled(ctx, SOP_sub, a, b, -1);
}

Expr *expr_addi(Ctx *ctx, Expr *a, int64_t i) {
    return i ? expr_add(ctx, a, expr_int(ctx, i)) : a;
}

Expr *expr_muli(Ctx *ctx, Expr *a, int64_t i) {
    return expr_mul(ctx, a, expr_int(ctx, i));
}

Expr *expr_negate(Ctx *ctx, Expr *e) {
    return expr_muli(ctx, e, -1);
}

static void multiply(Poly *p, Expr *a, Expr *b) {
    int na = a->kind == E_SUM ? a->n + 1 : 1, nb = b->kind == E_SUM ? b->n + 1 : 1;
    for (int i = 0; i < na; i++) {
        Term x = {expr_int(p->ctx, 1), a->i};
        if (a->kind != E_SUM || i < a->n) x = term_of(p->ctx, na == 1 ? a : a->arg[i]);
        for (int j = 0; j < nb; j++) {
            Term y = {expr_int(p->ctx, 1), b->i};
            int64_t k;
            if (b->kind != E_SUM || j < b->n) y = term_of(p->ctx, nb == 1 ? b : b->arg[j]);
            p->overflow |= __builtin_mul_overflow(x.k, y.k, &k);
            if (k && !p->overflow) poly_term(p, mono_mul(p->ctx, x.m, y.m), k);
        }
    }
}

Expr *expr_mul(Ctx *ctx, Expr *a, Expr *b) {
    CHECK(a->type == DT_INDEX && b->type == DT_INDEX);
    if (expr_is(a, 1) || expr_is(b, 0)) return b;
    if (expr_is(b, 1) || expr_is(a, 0)) return a;
    Poly p;
    poly_init(&p, ctx);
    if ((int64_t)(a->kind == E_SUM ? a->n : 1) * (b->kind == E_SUM ? b->n : 1) > MAX_PRODUCT)
        return opaque(ctx, SOP_mul, a, b);
    multiply(&p, a, b);
    Expr *e = poly_done(&p);
    return e ? e : opaque(ctx, SOP_mul, a, b);
}

Expr *expr_product(Ctx *ctx, Expr *const *e, int n) {
    Expr *product = expr_int(ctx, 1);
    for (int i = 0; i < n; i++) product = expr_mul(ctx, product, e[i]);
    return product;
}
