/* reshape: both shapes are cut into groups of equal product, so that dimensions that stay copy
 * straight through; within a group the position is joined to one number and taken apart again. */
#include "passes/kernel/lower.h"

typedef struct Shapes {
    Ctx *ctx;
    Expr *const *from, *const *to; /* dims of the input and of the output */
    int n_from, n_to;
    Expr *const *at; /* variables of the output */
    Expr **index;    /* of the input: the result */
} Shapes;

/* Do the dims before, or those from there on, have equal products? Then what follows is
 * independent of what precedes. */
static bool is_cut(const Shapes *s, int f, int t) {
    Expr *a = expr_product(s->ctx, s->from, f), *b = expr_product(s->ctx, s->to, t);
    if (expr_prove_eq(s->ctx, a, b)) return true;
    a = expr_product(s->ctx, s->from + f, s->n_from - f);
    b = expr_product(s->ctx, s->to + t, s->n_to - t);
    return expr_prove_eq(s->ctx, a, b);
}

/* Input dims f0..f1 hold what output dims t0..t1 hold. */
static void map_group(const Shapes *s, int f0, int f1, int t0, int t1) {
    Ctx *c = s->ctx;
    Expr *linear = expr_int(c, 0), *inner = expr_int(c, 1);
    int first = f0;
    for (int t = t0; t < t1; t++) linear = expr_add(c, expr_mul(c, linear, s->to[t]), s->at[t]);
    while (first < f1 && expr_is(s->from[first], 1)) first++;
    for (int f = f1; f-- > f0;) {
        if (expr_is(s->from[f], 1)) {
            s->index[f] = expr_int(c, 0);
            continue;
        }
        Expr *e = expr_floordiv(c, linear, inner);
        s->index[f] = f == first ? e : expr_mod(c, e, s->from[f]);
        inner = expr_mul(c, inner, s->from[f]);
    }
}

/* The smallest group that begins at (f0, t0): fewest dims together. */
static void next_cut(const Shapes *s, int f0, int t0, int *f1, int *t1) {
    for (int sum = 1; sum <= s->n_from - f0 + s->n_to - t0; sum++)
        for (int f = MIN(sum, s->n_from - f0); f >= 0 && sum - f <= s->n_to - t0; f--) {
            *f1 = f0 + f;
            *t1 = t0 + sum - f;
            if (is_cut(s, *f1, *t1)) return;
        }
    *f1 = s->n_from;
    *t1 = s->n_to;
}

bool lower_op_reshape(Lower *l) {
    Value *x = l->node->in[0];
    Tensor *out = lower_out(l, 0);
    Var *vars[MAX_RANK];
    Expr *at[MAX_RANK], *index[MAX_RANK];
    lower_kernel(l, "reshape");
    lower_vars(l, out->dims, out->rank, vars);
    lower_indices(vars, out->rank, at);
    Shapes s = {l->ctx, x->type.dims, out->dims, x->type.rank, out->rank, at, index};
    for (int f = 0, t = 0, f1, t1; f < s.n_from || t < s.n_to; f = f1, t = t1) {
        next_cut(&s, f, t, &f1, &t1);
        map_group(&s, f, f1, t, t1);
    }
    lower_map(l, out, vars, out->rank, lower_load(l, x, index));
    return true;
}
