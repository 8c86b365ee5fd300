/* What --fp=fast permits, and nothing else does: the two roundings of a product and a sum become
 * one, and a division becomes a product with a reciprocal.
 *
 *   %a[i] * %b[i] + %c[i]     ->  fma(%a[i], %b[i], %c[i])
 *   %x[i] / 3.0               ->  %x[i] * 0.33333334
 *   %e[i, j] / %s[i]          ->  %e[i, j] * (1.0 / %s[i])       one division for all j
 *
 * Requires: numerics (a sum of products must still look like one). Keeps: everything but float
 * expressions. */
#include "passes/passes.h"

typedef struct Fast {
    Ctx *ctx;
    const Stmt *stmt;
    bool changed;
} Fast;

static bool is_op(const Expr *e, ScalarOp op) {
    return e->kind == E_OP && e->op == op;
}

/* a*b + c, c + a*b, a*b - c, c - a*b; NULL: nothing of the kind. */
static Expr *fuse_product(Ctx *c, Expr *e) {
    bool minus = e->op == SOP_sub;
    if (e->op != SOP_add && !minus) return NULL;
    int k = is_op(e->arg[0], SOP_mul) ? 0 : 1;
    Expr *product = e->arg[k], *other = e->arg[1 - k];
    if (!is_op(product, SOP_mul)) return NULL;
    Expr *a = product->arg[0];
    if (minus && k == 0) other = expr_op1(c, SOP_neg, other);
    if (minus && k == 1) a = expr_op1(c, SOP_neg, a);
    return expr_op3(c, SOP_fma, a, product->arg[1], other);
}

/* Is there a variable of the statement that e uses and d does not? Then 1/d serves many e. */
static bool varies_more(const Stmt *s, const Expr *e, const Expr *d) {
    for (int i = 0; i < s->n_dom + s->n_red; i++) {
        const Var *v = i < s->n_dom ? s->dom[i] : s->red[i - s->n_dom];
        if (expr_uses_var(d, v)) continue;
        if (expr_uses_var(e, v)) return true;
    }
    return false;
}

static Expr *multiply(const Fast *f, Expr *e) {
    Expr *x = e->arg[0], *d = e->arg[1];
    if (e->op != SOP_div) return NULL;
    if (d->kind != E_FLT && !varies_more(f->stmt, x, d)) return NULL;
    Expr *one = expr_const_flt(f->ctx, e->type, 1);
    if (d->kind != E_FLT) return expr_op2(f->ctx, SOP_mul, x, expr_op2(f->ctx, SOP_div, one, d));
    Expr *inverse = expr_const_flt(f->ctx, e->type, 1 / d->f);
    return d->f != 0 ? expr_op2(f->ctx, SOP_mul, x, inverse) : NULL;
}

static Expr *rewrite(void *user, Expr *e) {
    Fast *f = user;
    if (e->kind != E_OP || (e->type != DT_F32 && e->type != DT_F64)) return e;
    Expr *better = multiply(f, e);
    if (!better) better = fuse_product(f->ctx, e);
    f->changed |= better != NULL;
    return better ? better : e;
}

static void visit(void *user, Block *b, Item *it) {
    (void)b;
    Fast *f = user;
    if (it->kind != ITEM_KERNEL) return;
    for (int i = 0; i < it->kernel->stmts.n; i++) {
        Stmt *s = it->kernel->stmts.at[i];
        f->stmt = s;
        s->value = expr_rewrite(f->ctx, s->value, rewrite, f);
    }
}

PASS(fast_math, KERNELS, "with --fp=fast: fused multiply-adds, products with reciprocals")
bool pass_fast_math(Program *p, const Options *opt) {
    Fast f = {.ctx = p->ctx};
    if (opt->fp == FP_FAST) program_each_item(p, visit, &f);
    return f.changed;
}
