/* Derivatives of the graph's operations (gradient.h). */
#include "frontend/ops/gradient.h"

Value *gradient_unbroadcast(OnnxNode *n, Value *g, const Value *like) {
    int64_t axes[MAX_RANK];
    int count = 0;
    if (!g) return NULL;
    int lead = g->type.rank - like->type.rank;
    for (int i = 0; i < g->type.rank; i++) {
        Expr *dim = i < lead ? NULL : like->type.dims[i - lead];
        if (dim == g->type.dims[i]) continue;
        if (dim && !expr_is(dim, 1))
            return bad(n, "a derivative needs to know whether a dimension is broadcast"), NULL;
        axes[count++] = i;
    }
    if (count) g = build_reduce(n->g, g, "sum", axes, count, false);
    return reshape_to(n, g, like->type.dims, like->type.rank);
}

/* ---- pointwise ---- */

static Value *mul(OnnxNode *n, Value *a, Value *b) {
    return bin(n, SOP_mul, a, b);
}

/* g / sqrt(c0 + c2 a^2) */
static Value *over_root(OnnxNode *n, Value *g, Value *a, double c0, double c2) {
    Value *under = bin(n, SOP_add, flt(n, a, c0), mul(n, flt(n, a, c2), mul(n, a, a)));
    return bin(n, SOP_div, g, un(n, SOP_sqrt, under));
}

/* g (c0 + c2 v^2) */
static Value *by_square(OnnxNode *n, Value *g, Value *v, double c0, double c2) {
    Value *factor = bin(n, SOP_add, flt(n, v, c0), mul(n, flt(n, v, c2), mul(n, v, v)));
    return mul(n, g, factor);
}

/* g times the derivative at a, where y is the result; NULL with *known false: no rule. */
static Value *unary_rule(OnnxNode *n, ScalarOp op, Value *g, Value *a, Value *y, bool *known) {
    Value *one = num(n, a, 1);
    switch (op) {
    case SOP_neg:
        return un(n, SOP_neg, g);
    case SOP_abs:
        return mul(n, g, un(n, SOP_sign, a));
    case SOP_sqrt:
        return bin(n, SOP_div, mul(n, g, flt(n, a, 0.5)), y);
    case SOP_rcp:
        return un(n, SOP_neg, mul(n, g, mul(n, y, y)));
    case SOP_exp:
        return mul(n, g, y);
    case SOP_expm1:
        return mul(n, g, bin(n, SOP_add, y, one));
    case SOP_log:
        return bin(n, SOP_div, g, a);
    case SOP_log1p:
        return bin(n, SOP_div, g, bin(n, SOP_add, one, a));
    case SOP_tanh:
        return by_square(n, g, y, 1, -1);
    case SOP_tan:
        return by_square(n, g, y, 1, 1);
    case SOP_sigmoid:
        return mul(n, g, mul(n, y, bin(n, SOP_sub, one, y)));
    case SOP_sin:
        return mul(n, g, un(n, SOP_cos, a));
    case SOP_cos:
        return un(n, SOP_neg, mul(n, g, un(n, SOP_sin, a)));
    case SOP_sinh:
        return mul(n, g, un(n, SOP_cosh, a));
    case SOP_cosh:
        return mul(n, g, un(n, SOP_sinh, a));
    case SOP_asin:
        return over_root(n, g, a, 1, -1);
    case SOP_acos:
        return un(n, SOP_neg, over_root(n, g, a, 1, -1));
    case SOP_asinh:
        return over_root(n, g, a, 1, 1);
    case SOP_acosh:
        return over_root(n, g, a, -1, 1);
    case SOP_atan:
        return bin(n, SOP_div, g, by_square(n, one, a, 1, 1));
    case SOP_atanh:
        return bin(n, SOP_div, g, by_square(n, one, a, 1, -1));
    case SOP_erf:
        g = mul(n, g, flt(n, a, 1.1283791670955126)); /* 2 / sqrt(pi) */
        return mul(n, g, un(n, SOP_exp, un(n, SOP_neg, mul(n, a, a))));
    case SOP_floor:
    case SOP_ceil:
    case SOP_trunc:
    case SOP_round:
    case SOP_sign:
        return mul(n, g, num(n, a, 0));
    case SOP_cast:
        return cast_to(n, g, a->type.dtype);
    default:
        return *known = false, NULL;
    }
}

/* The share of operand k of two. */
static Value *binary_rule(OnnxNode *n, ScalarOp op, Value *g, Value *const *in, Value *y, int k,
                          bool *known) {
    Value *a = in[0], *b = in[1];
    switch (op) {
    case SOP_add:
        return g;
    case SOP_sub:
        return k ? un(n, SOP_neg, g) : g;
    case SOP_mul:
        return mul(n, g, in[!k]);
    case SOP_div:
        g = bin(n, SOP_div, g, b);
        return k ? un(n, SOP_neg, mul(n, g, y)) : g;
    case SOP_pow:
        if (k) return mul(n, g, mul(n, y, un(n, SOP_log, a)));
        return mul(n, g, mul(n, b, bin(n, SOP_pow, a, bin(n, SOP_sub, b, num(n, b, 1)))));
    case SOP_min:
    case SOP_max: { /* of equal operands the first one */
        Value *first = bin(n, op == SOP_max ? SOP_ge : SOP_le, a, b), *zero = num(n, g, 0);
        return k ? sel(n, first, zero, g) : sel(n, first, g, zero);
    }
    default:
        return *known = false, NULL;
    }
}

static Value *ternary_rule(OnnxNode *n, ScalarOp op, Value *g, Value *const *in, int k,
                           bool *known) {
    if (op == SOP_fma) return k == 2 ? g : mul(n, g, in[!k]);
    if (op != SOP_select || !k) return *known = false, NULL;
    Value *zero = num(n, g, 0);
    return k == 1 ? sel(n, in[0], g, zero) : sel(n, in[0], zero, g);
}

static Value *scalar_rule(OnnxNode *n, const Node *of, Value *g, int k, bool *known) {
    ScalarOp op = op_scalar(of->op);
    Value *y = of->out[0], *v;
    if (of->n_in == 1) v = unary_rule(n, op, g, of->in[0], y, known);
    else if (of->n_in == 2) v = binary_rule(n, op, g, of->in, y, k, known);
    else v = ternary_rule(n, op, g, of->in, k, known);
    return gradient_unbroadcast(n, v, of->in[k]);
}

/* ---- contractions and reductions ---- */

/* Of x, w -> y: g with the other operand. A letter that only this operand has was summed over. */
static Value *contract_rule(OnnxNode *n, const Node *of, Value *g, int k) {
    Spec s;
    if (k == 2) return gradient_unbroadcast(n, g, of->in[2]);
    if (!contract_spec(node_str(of, "spec", ""), &s)) return NULL;
    const char *mine = k ? s.b : s.a, *other = k ? s.a : s.b;
    char kept[MAX_RANK + 1];
    Expr *dims[MAX_RANK];
    int rank = 0, all = (int)strlen(mine);
    for (int i = 0; i < all; i++) {
        bool there = strchr(other, mine[i]) || strchr(s.y, mine[i]);
        if (there) kept[rank++] = mine[i];
        dims[i] = there ? of->in[k]->type.dims[i] : ix(n, 1);
    }
    kept[rank] = 0;
    const char *spec = arena_printf(n->ctx->perm, "%s,%s->%s", s.y, other, kept);
    Value *v = build_contract(n->g, g, of->in[!k], NULL, spec);
    v = reshape_to(n, v, dims, all);
    return v ? build_expand(n->g, v, of->in[k]->type.dims, all) : NULL;
}

/* v (a result of the reduction) with its axes back, as 1. */
static Value *with_axes(OnnxNode *n, const Node *of, Value *v) {
    const int64_t *axes;
    int count = node_ints(of, "axes", &axes);
    const Type *x = &of->in[0]->type;
    Expr *dims[MAX_RANK];
    for (int i = 0; i < x->rank; i++) dims[i] = x->dims[i];
    for (int i = 0; i < count; i++) dims[axes[i]] = ix(n, 1);
    return reshape_to(n, v, dims, x->rank);
}

/* The extreme elements share the gradient equally. */
static Value *reduce_rule(OnnxNode *n, const Node *of, Value *g, bool *known) {
    const char *kind = node_str(of, "kind", "");
    Value *x = of->in[0], *y = with_axes(n, of, of->out[0]);
    const int64_t *axes;
    int count = node_ints(of, "axes", &axes);
    g = with_axes(n, of, g);
    if (!strcmp(kind, "max") || !strcmp(kind, "min")) {
        Value *here = cast_to(n, bin(n, SOP_eq, x, y), x->type.dtype);
        Value *ties = here ? build_reduce(n->g, here, "sum", axes, count, true) : NULL;
        return mul(n, here, bin(n, SOP_div, g, ties));
    }
    if (strcmp(kind, "sum") && strcmp(kind, "mean")) return *known = false, NULL;
    if (!strcmp(kind, "mean")) {
        Expr *size = ix(n, 1);
        for (int i = 0; i < count; i++) size = expr_mul(n->ctx, size, x->type.dims[axes[i]]);
        Node *c = build_compute_begin(n->g, NULL, 0, x->type.dtype, NULL, 0);
        Value *total = build_compute_end(n->g, c, expr_cast(n->ctx, x->type.dtype, size));
        g = bin(n, SOP_div, g, total);
    }
    return g ? build_expand(n->g, g, x->type.dims, x->type.rank) : NULL;
}

/* y (g - sum(g y)); of the logarithm g - exp(y) sum(g). */
static Value *softmax_rule(OnnxNode *n, const Node *of, Value *g) {
    int64_t axis = node_int(of, "axis", 0);
    Value *y = of->out[0];
    bool log = node_int(of, "log", 0) != 0;
    Value *weighted = log ? g : mul(n, g, y);
    Value *sum = weighted ? build_reduce(n->g, weighted, "sum", &axis, 1, true) : NULL;
    if (log) return bin(n, SOP_sub, g, mul(n, un(n, SOP_exp, y), sum));
    return mul(n, y, bin(n, SOP_sub, g, sum));
}

/* ---- views ---- */

static Value *transpose_rule(OnnxNode *n, const Node *of, Value *g) {
    const int64_t *perm;
    int64_t back[MAX_RANK];
    int rank = node_ints(of, "perm", &perm);
    for (int i = 0; i < rank; i++) back[perm[i]] = i;
    return transpose_to(n, g, back);
}

/* Where nothing was read the gradient is 0. */
static Value *slice_rule(OnnxNode *n, const Node *of, Value *g, bool *known) {
    const Type *x = &of->in[0]->type;
    const int64_t *steps;
    Expr *const *starts, *lo[MAX_RANK], *hi[MAX_RANK];
    node_ints(of, "steps", &steps);
    node_exprs(of, "starts", &starts);
    for (int i = 0; i < x->rank; i++) {
        if (steps[i] != 1) return *known = false, NULL;
        lo[i] = starts[i];
        hi[i] = expr_sub(n->ctx, x->dims[i], expr_add(n->ctx, starts[i], g->type.dims[i]));
    }
    return build_pad(n->g, g, lo, hi, "constant", 0);
}

static Value *concat_rule(OnnxNode *n, const Node *of, Value *g, int k) {
    int axis = (int)node_int(of, "axis", 0);
    Expr *start = ix(n, 0);
    for (int i = 0; i < k; i++) start = expr_add(n->ctx, start, of->in[i]->type.dims[axis]);
    return build_slice_axis(n->g, g, axis, start, of->in[k]->type.dims[axis]);
}

static Value *pad_rule(OnnxNode *n, const Node *of, Value *g, bool *known) {
    const Type *x = &of->in[0]->type;
    int64_t steps[MAX_RANK];
    Expr *const *lo;
    if (strcmp(node_str(of, "mode", ""), "constant")) return *known = false, NULL;
    node_exprs(of, "lo", &lo);
    for (int i = 0; i < x->rank; i++) {
        if (!expr_prove_ge0(n->ctx, lo[i])) return *known = false, NULL;
        steps[i] = 1;
    }
    return build_slice(n->g, g, lo, steps, x->dims);
}

static Value *share_of(OnnxNode *n, const Node *of, Value *g, int k, bool *known) {
    if (op_is_scalar(of->op)) return scalar_rule(n, of, g, k, known);
    const Type *x = &of->in[k]->type;
    switch (of->op) {
    case OP_contract:
        return contract_rule(n, of, g, k);
    case OP_reduce:
        return reduce_rule(n, of, g, known);
    case OP_softmax:
        return softmax_rule(n, of, g);
    case OP_transpose:
        return transpose_rule(n, of, g);
    case OP_reshape:
        return reshape_to(n, g, x->dims, x->rank);
    case OP_expand:
        return gradient_unbroadcast(n, g, of->in[0]);
    case OP_slice:
        return slice_rule(n, of, g, known);
    case OP_concat:
        return concat_rule(n, of, g, k);
    case OP_pad:
        return pad_rule(n, of, g, known);
    default:
        return *known = false, NULL;
    }
}

bool gradient_rule(OnnxNode *n, const Node *of, Value *g, const bool *want, Value **out) {
    for (int k = 0; k < of->n_in; k++) {
        bool known = true;
        if (!want[k]) continue;
        out[k] = share_of(n, of, g, k, &known);
        if (!known)
            return bad(n, "no derivative of %s (node %s) is known", op_info(of->op)->name,
                       diag_name(n->ctx, of->origin.node));
        if (!out[k]) return false;
    }
    return true;
}
