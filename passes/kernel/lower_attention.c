/* attention: scores, softmax and weighted sum, as statements of one kernel.
 *
 *   s[b,h,m,n] = sum[d] q * k;  t = s * scale, capped, + mask
 *   x[b,h,m] = max t;  p = exp(t - x);  z = sum p
 *   o[b,h,m,e] = sum[n] p * v;  y = o / z
 *
 * With safe=1 a row without keys (all are masked by -inf: z is NaN) gives 0. Heads of k and v are
 * shared by neighbouring heads of q where there are fewer. */
#include "passes/kernel/lower.h"

typedef struct Attention {
    Var *b, *h, *m;
    Expr *group; /* heads of q for each head of k */
    Expr *m_len, *n_len;
    Tensor *p;
    DType acc;
} Attention;

static Expr *load4(Lower *l, Value *v, Expr *a, Expr *b, Expr *c, Expr *d) {
    Expr *index[] = {a, b, c, d};
    return lower_acc(l, lower_load(l, v, index));
}

static Expr *kv_head(Lower *l, const Attention *a) {
    return expr_floordiv(l->ctx, a->h->self, a->group);
}

/* s[b,h,m,n]; the load of it at n. */
static Expr *scores(Lower *l, Attention *a, Var *n) {
    Var *dom[] = {a->b, a->h, a->m, n};
    Var *d = lower_var(l, "d", l->node->in[0]->type.dims[3]);
    Expr *q = load4(l, l->node->in[0], a->b->self, a->h->self, a->m->self, d->self);
    Expr *k = load4(l, l->node->in[1], a->b->self, kv_head(l, a), n->self, d->self);
    Tensor *s = lower_temp(l, "scores", a->acc, dom, 4);
    lower_reduce(l, RED_SUM, s, dom, 4, &d, 1, expr_op2(l->ctx, SOP_mul, q, k));
    return lower_at(l, s, dom, 4);
}

static Expr *masked(Lower *l, const Attention *a, Expr *s, Var *n) {
    Ctx *c = l->ctx;
    Value *mask = l->node->n_in > 3 ? l->node->in[3] : NULL;
    Expr *nothing = expr_const_flt(c, a->acc, -1.0 / 0.0);
    if (mask) {
        Expr *index[] = {a->b->self, a->h->self, a->m->self, n->self};
        Expr *x = lower_bcast(l, mask, index, 4);
        if (x->type == DT_BOOL) s = expr_op3(c, SOP_select, x, s, nothing);
        else s = expr_op2(c, SOP_add, s, expr_cast(c, a->acc, x));
    }
    if (!node_int(l->node, "causal", 0)) return s;
    Expr *last = expr_add(c, a->m->self, expr_sub(c, a->n_len, a->m_len));
    return expr_op3(c, SOP_select, expr_op2(c, SOP_le, n->self, last), s, nothing);
}

static Expr *scaled(Lower *l, const Attention *a, Expr *s) {
    Ctx *c = l->ctx;
    s = expr_op2(c, SOP_mul, s, expr_const_flt(c, a->acc, node_flt(l->node, "scale", 1)));
    double cap = node_flt(l->node, "softcap", 0);
    if (cap == 0) return s;
    Expr *limit = expr_const_flt(c, a->acc, cap);
    return expr_op2(c, SOP_mul, limit, expr_op1(c, SOP_tanh, expr_op2(c, SOP_div, s, limit)));
}

/* A reduction over n of what `t` holds at it; the load of the result. */
static Expr *over_keys(Lower *l, Attention *a, const char *role, Reduce op, Tensor *t) {
    Var *n = lower_var(l, "n", a->n_len);
    Var *at[] = {a->b, a->h, a->m, n};
    Tensor *out = lower_temp(l, role, a->acc, at, 3);
    lower_reduce(l, op, out, at, 3, &n, 1, lower_at(l, t, at, 4));
    return lower_at(l, out, at, 3);
}

/* The probabilities, not yet divided by their sum; returns the load of the sum. */
static Expr *probabilities(Lower *l, Attention *a) {
    Ctx *c = l->ctx;
    Var *n = lower_var(l, "n", a->n_len);
    Var *at[] = {a->b, a->h, a->m, n};
    Expr *s = masked(l, a, scaled(l, a, scores(l, a, n)), n);
    Tensor *t = lower_temp(l, "masked", a->acc, at, 4);
    lower_map(l, t, at, 4, s);
    Expr *max = over_keys(l, a, "max", RED_MAX, t);
    at[3] = lower_var(l, "n", a->n_len);
    a->p = lower_temp(l, "p", a->acc, at, 4);
    lower_map(l, a->p, at, 4,
              expr_op1(c, SOP_exp, expr_op2(c, SOP_sub, lower_at(l, t, at, 4), max)));
    return over_keys(l, a, "sum", RED_SUM, a->p);
}

/* o / sum; 0 where the sum is NaN and the node says safe. */
static Expr *quotient(Lower *l, Expr *o, Expr *sum) {
    Ctx *c = l->ctx;
    Expr *y = expr_op2(c, SOP_div, o, sum);
    if (!node_int(l->node, "safe", 0)) return y;
    return expr_op3(c, SOP_select, expr_op1(c, SOP_isnan, sum), expr_const_flt(c, y->type, 0), y);
}

bool lower_op_attention(Lower *l) {
    Ctx *c = l->ctx;
    Value *q = l->node->in[0], *k = l->node->in[1], *v = l->node->in[2];
    Tensor *out = lower_out(l, 0);
    Attention a = {
        .m_len = q->type.dims[2], .n_len = k->type.dims[2], .acc = lower_acc_type(out->dtype)};
    lower_kernel(l, "attention");
    a.group = expr_floordiv(c, q->type.dims[1], k->type.dims[1]);
    a.b = lower_var(l, "b", q->type.dims[0]);
    a.h = lower_var(l, "h", q->type.dims[1]);
    a.m = lower_var(l, "m", a.m_len);
    Expr *sum = probabilities(l, &a);
    Var *n = lower_var(l, "n", a.n_len), *e = lower_var(l, "e", v->type.dims[3]);
    Var *dom[] = {a.b, a.h, a.m, e}, *at[] = {a.b, a.h, a.m, n};
    Tensor *o = lower_temp(l, "o", a.acc, dom, 4);
    Expr *value = load4(l, v, a.b->self, kv_head(l, &a), n->self, e->self);
    lower_reduce(l, RED_SUM, o, dom, 4, &n, 1,
                 expr_op2(c, SOP_mul, lower_at(l, a.p, at, 4), value));
    lower_map(l, out, dom, 4, quotient(l, lower_at(l, o, dom, 4), sum));
    return true;
}
