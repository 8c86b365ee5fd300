/* Expands exp, tanh, erf and their kind into basic operations, in front of every executor: the
 * interpreter, the CPU, portable C and CUDA then compute the same.
 *
 *   tanh(%x[i])  ->  t = expm1(2|x|), t / (t + 2) with the sign of x, and expm1 into a polynomial
 *
 * f16 and bf16 are computed in f32 and rounded once. exp(x - max(x)), as softmax has it, is
 * known not to be positive and gets a shorter form. The bounds are in docs/numerics.md,
 * tests/unit_math.c measures them. Requires: nothing. Keeps: everything but the expressions. */
#include "passes/kernel/lower_math.h"

/* ---- the vocabulary ---- */

Expr *m_num(Math *m, double v) {
    return expr_const_flt(m->ctx, m->type, v);
}

Expr *m_int(Math *m, int64_t v) {
    return expr_const_int(m->ctx, m->bits, v);
}

Expr *m_add(Math *m, Expr *a, Expr *b) {
    return expr_op2(m->ctx, SOP_add, a, b);
}

Expr *m_sub(Math *m, Expr *a, Expr *b) {
    return expr_op2(m->ctx, SOP_sub, a, b);
}

Expr *m_mul(Math *m, Expr *a, Expr *b) {
    return expr_op2(m->ctx, SOP_mul, a, b);
}

Expr *m_div(Math *m, Expr *a, Expr *b) {
    return expr_op2(m->ctx, SOP_div, a, b);
}

Expr *m_fma(Math *m, Expr *a, Expr *b, Expr *c) {
    return expr_op3(m->ctx, SOP_fma, a, b, c);
}

Expr *m_neg(Math *m, Expr *a) {
    return expr_op1(m->ctx, SOP_neg, a);
}

Expr *m_abs(Math *m, Expr *a) {
    return expr_op1(m->ctx, SOP_abs, a);
}

Expr *m_sqrt(Math *m, Expr *a) {
    return expr_op1(m->ctx, SOP_sqrt, a);
}

Expr *m_lt(Math *m, Expr *a, Expr *b) {
    return expr_op2(m->ctx, SOP_lt, a, b);
}

Expr *m_eq(Math *m, Expr *a, Expr *b) {
    return expr_op2(m->ctx, SOP_eq, a, b);
}

Expr *m_select(Math *m, Expr *c, Expr *a, Expr *b) {
    return expr_op3(m->ctx, SOP_select, c, a, b);
}

Expr *m_at_most(Math *m, Expr *x, double limit) {
    Expr *l = m_num(m, limit);
    return m_select(m, m_lt(m, l, x), l, x);
}

Expr *m_at_least(Math *m, Expr *x, double limit) {
    Expr *l = m_num(m, limit);
    return m_select(m, expr_op2(m->ctx, SOP_gt, l, x), l, x);
}

Expr *m_to_bits(Math *m, Expr *x) {
    return expr_bits(m->ctx, m->bits, x);
}

Expr *m_of_bits(Math *m, Expr *x) {
    return expr_bits(m->ctx, m->type, x);
}

Expr *m_copysign(Math *m, Expr *size, Expr *sign) {
    Expr *top = m_int(m, math_is_f32(m) ? INT32_MIN : INT64_MIN);
    Expr *bit = expr_op2(m->ctx, SOP_and, m_to_bits(m, sign), top);
    return m_of_bits(m, expr_op2(m->ctx, SOP_or, m_to_bits(m, size), bit));
}

Expr *m_poly(Math *m, Expr *x, const double *coef, int n) {
    Expr *sum = m_num(m, coef[n - 1]);
    for (int i = n - 1; i-- > 0;) sum = m_fma(m, sum, x, m_num(m, coef[i]));
    return sum;
}

/* ---- one operation ---- */

static Expr *unary(Math *m, ScalarOp op, Expr *x) {
    switch (op) {
    case SOP_exp:
        return math_exp(m, x);
    case SOP_log:
        return math_log(m, x);
    case SOP_log1p:
        return math_log1p(m, x);
    case SOP_expm1:
        return math_expm1(m, x);
    case SOP_tanh:
        return math_tanh(m, x);
    case SOP_erf:
        return math_erf(m, x);
    case SOP_sigmoid:
        return math_sigmoid(m, x);
    case SOP_sin:
        return math_sin(m, x);
    case SOP_cos:
        return math_cos(m, x);
    case SOP_tan:
        return math_tan(m, x);
    case SOP_asin:
        return math_asin(m, x);
    case SOP_acos:
        return math_acos(m, x);
    case SOP_atan:
        return math_atan(m, x);
    case SOP_sinh:
        return math_sinh(m, x);
    case SOP_cosh:
        return math_cosh(m, x);
    case SOP_asinh:
        return math_asinh(m, x);
    case SOP_acosh:
        return math_acosh(m, x);
    case SOP_atanh:
        return math_atanh(m, x);
    default:
        BUG("%s has no expansion", scalar_info[op].name);
    }
}

static Expr *expand(Ctx *ctx, Expr *e) {
    DType t = e->type, in = t == DT_F64 ? DT_F64 : DT_F32;
    Math m = {ctx, in, in == DT_F64 ? DT_I64 : DT_I32};
    if (!dtype_is_float(t)) return math_pow_int(ctx, e->arg[0], e->arg[1]);
    if (e->op == SOP_pow && e->arg[1]->kind == E_FLT) {
        Expr *simple = math_pow_const(ctx, e->arg[0], e->arg[1]->f);
        if (simple) return simple;
    }
    Expr *x = expr_cast(ctx, in, e->arg[0]);
    if (e->op != SOP_pow) return expr_cast(ctx, t, unary(&m, e->op, x));
    return expr_cast(ctx, t, math_pow(&m, x, expr_cast(ctx, in, e->arg[1])));
}

static bool is_math(const Expr *e) {
    return e->kind == E_OP && (scalar_info[e->op].flags & SF_MATH);
}

static Expr *expand_node(void *user, Expr *e) {
    return is_math(e) ? expand(user, e) : e;
}

Expr *lower_math_expr(Ctx *ctx, Expr *e) {
    return expr_rewrite(ctx, e, expand_node, ctx);
}

/* ---- exponents that cannot be positive ---- */

typedef struct Where {
    Ctx *ctx;
    const Kernel *kernel;
    int at;      /* the statement looked at */
    bool strict; /* no shorter forms */
} Where;

static Stmt *definition(const Where *w, const Tensor *t) {
    for (int i = w->at; i-- > 0;)
        if (w->kernel->stmts.at[i]->out == t) return w->kernel->stmts.at[i];
    return NULL;
}

/* Is x one of the values whose maximum s takes, at the element of s that `load` reads? Some
 * variable of the statement stands for each reduction variable; there is one at most in
 * practice. */
static bool among(const Where *w, Expr *x, const Expr *load, const Stmt *s) {
    const Stmt *here = w->kernel->stmts.at[w->at];
    Var *from[MAX_RANK + 1];
    Expr *to[MAX_RANK + 1];
    if (s->index || s->n_red != 1 || load->n != s->n_dom) return false;
    for (int i = 0; i < s->n_dom; i++) from[i] = s->dom[i], to[i] = load->arg[i];
    from[s->n_dom] = s->red[0];
    for (int i = 0; i < here->n_dom + here->n_red; i++) {
        Var *v = i < here->n_dom ? here->dom[i] : here->red[i - here->n_dom];
        to[s->n_dom] = v->self;
        if (expr_subst(w->ctx, s->value, &(Subst){from, to, s->n_dom + 1}) == x) return true;
    }
    return false;
}

/* x - m, where m was computed as the maximum over such x. */
static bool is_below_max(const Where *w, const Expr *e) {
    if (e->kind != E_OP || e->op != SOP_sub || e->arg[1]->kind != E_LOAD) return false;
    const Stmt *s = definition(w, e->arg[1]->tensor);
    bool max = s && s->kind == ST_REDUCE && s->op == RED_MAX;
    return max && among(w, e->arg[0], e->arg[1], s);
}

/* min(x, 0) and its kind */
static bool is_cut(const Expr *e) {
    bool min = e->kind == E_OP && e->op == SOP_min;
    for (int i = 0; min && i < 2; i++)
        if (e->arg[i]->kind == E_FLT && e->arg[i]->f <= 0) return true;
    return false;
}

static Expr *expand_down(void *user, Expr *e) {
    Where *w = user;
    Math m = {w->ctx, DT_F32, DT_I32};
    bool exp = e->kind == E_OP && e->op == SOP_exp && e->type == DT_F32 && !w->strict;
    if (exp && is_cut(e->arg[0])) return math_exp_down(&m, e->arg[0], true);
    return exp && is_below_max(w, e->arg[0]) ? math_exp_down(&m, e->arg[0], false) : e;
}

/* ---- the pass ---- */

static void note_math(void *user, const Expr *e) {
    *(bool *)user |= is_math(e);
}

static bool lower_stmt(Where *w, Stmt *s) {
    bool any = false;
    int rank = s->index ? stmt_target(s)->rank : 0;
    expr_visit(s->value, note_math, &any);
    for (int i = 0; i < rank; i++) expr_visit(s->index[i], note_math, &any);
    if (!any) return false;
    s->value = lower_math_expr(w->ctx, expr_rewrite(w->ctx, s->value, expand_down, w));
    for (int i = 0; i < rank; i++) s->index[i] = lower_math_expr(w->ctx, s->index[i]);
    return true;
}

typedef struct LowerMath {
    Ctx *ctx;
    bool strict, changed;
} LowerMath;

/* Backwards, so that the maxima that later statements refer to still look as they did. */
static void visit(void *user, Block *b, Item *it) {
    (void)b;
    LowerMath *l = user;
    if (it->kind != ITEM_KERNEL) return;
    Where w = {l->ctx, it->kernel, 0, l->strict};
    for (w.at = it->kernel->stmts.n; w.at-- > 0;)
        l->changed |= lower_stmt(&w, it->kernel->stmts.at[w.at]);
}

PASS(lower_math, KERNELS, "transcendental functions to polynomials")
bool pass_lower_math(Program *p, const Options *opt) {
    LowerMath l = {.ctx = p->ctx, .strict = opt->fp == FP_STRICT};
    program_each_item(p, visit, &l);
    return l.changed;
}
