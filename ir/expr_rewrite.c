/* Rewriting: rebuilding expressions bottom-up through the constructors, each shared node once. */
#include "ir/expr_internal.h"

enum { FEW = 8 };

typedef struct Rewrite {
    Ctx *ctx;
    Memo *done;
    Expr *(*leaf)(struct Rewrite *, Expr *); /* NULL: leaves stay */
    ExprFn fn;                               /* NULL: nothing beyond rebuilding */
    const void *user;
    uint64_t vars; /* what holds neither one of these variables ... */
    uint8_t flags; /* ... nor one of these flags is left alone */
    bool fresh;    /* rebuilds even where no operand changed */
} Rewrite;

static Expr *rewrite(Rewrite *w, Expr *e);

static Expr *rewrite_args(Rewrite *w, Expr *e) {
    Expr *few[FEW], **arg = e->n <= FEW ? few : NEW_ARRAY(w->ctx->perm, Expr *, e->n);
    bool changed = w->fresh;
    for (int i = 0; i < e->n; i++) {
        arg[i] = rewrite(w, e->arg[i]);
        changed |= arg[i] != e->arg[i];
    }
    return changed ? expr_rebuild(w->ctx, e, arg) : e;
}

static Expr *rewrite(Rewrite *w, Expr *e) {
    const Node *x = node_of(e);
    if (!(x->vars & w->vars) && !(x->flags & w->flags)) return e;
    if (e->n == 0) return w->leaf ? w->leaf(w, e) : e;
    Expr *r = memo_get(w->done, e);
    if (r) return r;
    r = rewrite_args(w, e);
    memo_set(w->ctx->exprs, w->done, e, r);
    return r;
}

static Expr *run(Rewrite *w, Expr *e) {
    w->done = memo_open(w->ctx->exprs);
    Expr *r = rewrite(w, e);
    memo_close(w->ctx->exprs);
    return r;
}

/* ---- substitution ---- */

static Expr *subst_leaf(Rewrite *w, Expr *e) {
    const Subst *s = w->user;
    for (int i = 0; i < s->n && e->kind == E_VAR; i++)
        if (s->var[i] == e->var) return s->by[i];
    return e;
}

Expr *expr_subst(Ctx *ctx, Expr *e, const Subst *s) {
    Rewrite w = {.ctx = ctx, .leaf = subst_leaf, .user = s};
    for (int i = 0; i < s->n; i++) {
        CHECK(s->by[i]->type == DT_INDEX);
        w.vars |= node_of(s->var[i]->self)->vars;
    }
    return run(&w, e);
}

Expr *expr_subst1(Ctx *ctx, Expr *e, Var *v, Expr *by) {
    return expr_subst(ctx, e, &(Subst){&v, &by, 1});
}

/* ---- symbols found equal to something ---- */

static Expr *resolve_leaf(Rewrite *w, Expr *e) {
    if (e->kind != E_SYM || !e->sym->merged) return e;
    e->sym->merged = expr_resolve(w->ctx, e->sym->merged);
    return e->sym->merged;
}

Expr *expr_resolve(Ctx *ctx, Expr *e) {
    if (ctx->exprs->merges == 0) return e; /* of symbols, or of what is known about them */
    Rewrite w = {.ctx = ctx, .leaf = resolve_leaf, .flags = EF_SYM, .fresh = true};
    return run(&w, e);
}

/* ---- any rewriting ---- */

typedef struct Each {
    Ctx *ctx;
    Memo *done;
    ExprFn fn;
    void *user;
} Each;

static Expr *each(Each *w, Expr *e) {
    Expr *few[FEW], **arg = e->n <= FEW ? few : NEW_ARRAY(w->ctx->perm, Expr *, e->n);
    Expr *r = memo_get(w->done, e);
    if (r) return r;
    bool changed = false;
    for (int i = 0; i < e->n; i++) {
        arg[i] = each(w, e->arg[i]);
        changed |= arg[i] != e->arg[i];
    }
    r = w->fn(w->user, changed ? expr_rebuild(w->ctx, e, arg) : e);
    memo_set(w->ctx->exprs, w->done, e, r);
    return r;
}

Expr *expr_rewrite(Ctx *ctx, Expr *e, ExprFn fn, void *user) {
    Each w = {ctx, memo_open(ctx->exprs), fn, user};
    Expr *r = each(&w, e);
    memo_close(ctx->exprs);
    return r;
}

typedef struct Replace {
    const Expr *part;
    Expr *by;
} Replace;

static Expr *replace(void *user, Expr *e) {
    const Replace *r = user;
    return e == r->part ? r->by : e;
}

Expr *expr_replace(Ctx *ctx, Expr *e, const Expr *part, Expr *by) {
    Replace r = {part, by};
    return expr_rewrite(ctx, e, replace, &r);
}

/* ---- linearity ---- */

bool expr_linear_in(Ctx *ctx, Expr *e, Var *v, Expr **coef, Expr **rest) {
    Poly q, r;
    CHECK(e->type == DT_INDEX);
    poly_init(&q, ctx);
    poly_init(&r, ctx);
    int n = e->kind == E_SUM ? e->n : 1;
    if (e->kind == E_SUM) poly_const(&r, e->i);
    for (int i = 0; i < n; i++) {
        Term t = term_of(ctx, e->kind == E_SUM ? e->arg[i] : e);
        Expr *m = mono_div(ctx, t.m, v->self);
        if (expr_uses_var(m ? m : t.m, v)) return false;
        poly_term(m ? &q : &r, m ? m : t.m, t.k);
    }
    *coef = poly_done(&q);
    *rest = poly_done(&r);
    return *coef && *rest;
}
