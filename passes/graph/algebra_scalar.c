/* Rules about pointwise operations. */
#include "passes/graph/algebra.h"

#include <math.h>
#include <stdlib.h>

static bool neutral(ScalarOp op, DType t, const Value *c, bool right) {
    double v;
    if (!const_scalar(c, &v)) return false;
    bool negative_zero = v == 0 && signbit(v), zero = v == 0;
    switch (op) {
    case SOP_add: return dtype_is_float(t) ? negative_zero : zero; /* -0.0 + 0.0 is 0.0 */
    case SOP_sub: return right && (dtype_is_float(t) ? zero && !negative_zero : zero);
    case SOP_mul: return v == 1;
    case SOP_div:
    case SOP_pow: return right && v == 1;
    case SOP_or:
    case SOP_xor: return zero;
    case SOP_and: return t == DT_BOOL && v == 1;
    default: return false;
    }
}

Value *rule_identity(Graph *g, Node *n) {
    if (!op_is_scalar(n->op)) return NULL;
    ScalarOp op = op_scalar(n->op);
    Value *x = n->in[0], *y = n->out[0], *c;
    bool twice = (op == SOP_neg || op == SOP_not) && def_of(x, n->op);
    if (twice) return x->def->in[0];
    bool idempotent = op == SOP_min || op == SOP_max || op == SOP_and || op == SOP_or;
    if (idempotent && n->in[0] == n->in[1]) return x;
    bool repeated = (op == SOP_floor || op == SOP_ceil || op == SOP_trunc || op == SOP_round ||
                     op == SOP_abs) &&
                    def_of(x, n->op);
    if (repeated) return x;
    if (!with_const(n, &x, &c) || !neutral(op, x->type.dtype, c, n->in[1] == c)) return NULL;
    return type_equal(g->ctx, &x->type, &y->type) ? x : NULL;
}

/* pow is accurate to about one unit in the last place; so are x*x and 1/x. x*x*x has two roundings.
 */
Value *rule_power(Graph *g, Node *n) {
    double e;
    if (n->op != scalar(SOP_pow) || !const_scalar(n->in[1], &e) ||
        !same_shape(g, n->in[0], n->out[0]))
        return NULL;
    Value *x = n->in[0];
    if (!dtype_is_float(x->type.dtype)) return NULL;
    if (e == 2) return build_binary(g, SOP_mul, x, x);
    if (e == -1) return build_binary(g, SOP_div, scalar_like(g, x, 1), x);
    if (g->strict) return NULL;
    if (e == 3) return build_binary(g, SOP_mul, build_binary(g, SOP_mul, x, x), x);
    return NULL;
}

static bool exact_reciprocals(const Value *c) {
    if (!is_const(c) || !dtype_is_float(c->type.dtype)) return false;
    int64_t n = c->data->data ? c->data->elements : 1;
    if (n > 4096) return false;
    for (int64_t i = 0; i < n; i++) {
        int exponent;
        double v = const_get(c->data, i);
        int limit = c->type.dtype == DT_F16 ? 14 : 126;
        if (fabs(frexp(v, &exponent)) != 0.5 || abs(exponent - 1) > limit) return false;
    }
    return true;
}

Value *rule_divide(Graph *g, Node *n) {
    if (n->op != scalar(SOP_div) || !exact_reciprocals(n->in[1])) return NULL;
    Value *inverse = build_binary(g, SOP_div, scalar_like(g, n->in[1], 1), n->in[1]);
    return build_binary(g, SOP_mul, n->in[0], inverse);
}

/* ---- casts ---- */

/* Does every value of `from` exist in `to`? */
static bool holds_all(DType to, DType from) {
    if (to == from || from == DT_BOOL) return true;
    int bits = dtype_bits(from);
    if (dtype_is_float(from)) {
        if (!dtype_is_float(to)) return false;
        return to == DT_F64 || (to == DT_F32 && from != DT_F64);
    }
    if (dtype_is_float(to)) {
        int mantissa = to == DT_F64 ? 53 : to == DT_F32 ? 24 : to == DT_F16 ? 11 : 8;
        return bits <= mantissa;
    }
    if (!dtype_is_int(to) || !dtype_is_int(from)) return false;
    if (dtype_is_unsigned(from))
        return dtype_bits(to) > bits || (dtype_is_unsigned(to) && dtype_bits(to) == bits);
    return dtype_is_signed(to) && dtype_bits(to) >= bits;
}

Value *rule_cast(Graph *g, Node *n) {
    if (n->op != scalar(SOP_cast)) return NULL;
    Value *x = n->in[0];
    DType to = n->out[0]->type.dtype;
    if (x->type.dtype == to) return x;
    Node *inner = def_of(x, n->op);
    if (!inner || !holds_all(x->type.dtype, inner->in[0]->type.dtype)) return NULL;
    return build_cast(g, inner->in[0], to);
}

Value *rule_select(Graph *g, Node *n) {
    double c;
    if (n->op != scalar(SOP_select)) return NULL;
    Value *pick = n->in[1] == n->in[2] ? n->in[1] : NULL;
    if (!pick && const_scalar(n->in[0], &c)) pick = n->in[c ? 1 : 2];
    if (!pick) return NULL;
    if (same_shape(g, pick, n->out[0])) return pick;
    return build_expand(g, pick, n->out[0]->type.dims, n->out[0]->type.rank);
}

/* ---- chains with constants ---- */

static bool single(const Value *v) {
    return used_once(v);
}

/* x + c or x - c, as x and a constant to add; the constant may be a node that fold will evaluate.
 */
static bool sum_with_const(Graph *g, Node *n, Value **x, Value **c, bool build) {
    if (!n || (n->op != scalar(SOP_add) && n->op != scalar(SOP_sub)) || !with_const(n, x, c))
        return false;
    if (build && n->op == scalar(SOP_sub)) *c = build_unary(g, SOP_neg, *c);
    return true;
}

static bool keeps_shape(Graph *g, Value *x, Value *y) {
    return type_equal(g->ctx, &x->type, &y->type);
}

/* Floats: the result moves by a rounding or two of the constants, which are summed once and for
 * all. */
Value *rule_constants(Graph *g, Node *n) {
    Value *x, *c, *x0, *c0, *x1, *c1;
    if (!op_is_scalar(n->op) || n->n_in != 2 || !with_const(n, &x, &c) || !x->def || !single(x))
        return NULL;
    if (!dtype_is_float(x->type.dtype) || g->strict) return NULL;
    Node *m = x->def;
    bool adds = n->op == scalar(SOP_add) || n->op == scalar(SOP_sub);
    if (n->op == scalar(SOP_mul) && m->op == scalar(SOP_mul) && with_const(m, &x0, &c0)) {
        if (!keeps_shape(g, x, n->out[0])) return NULL;
        return build_binary(g, SOP_mul, x0, build_binary(g, SOP_mul, c0, c));
    }
    if (!adds || !keeps_shape(g, x, n->out[0])) return NULL;
    if (sum_with_const(g, m, &x0, &c0, false)) {
        sum_with_const(g, m, &x0, &c0, true);
        sum_with_const(g, n, &x, &c, true);
        return build_binary(g, SOP_add, x0, build_binary(g, SOP_add, c0, c));
    }
    if (m->op != scalar(SOP_mul) || !with_const(m, &x0, &c0) || !x0->def || !single(x0))
        return NULL;
    if (!sum_with_const(g, x0->def, &x1, &c1, false) || !keeps_shape(g, x0, x)) return NULL;
    sum_with_const(g, x0->def, &x1, &c1, true);
    sum_with_const(g, n, &x, &c, true);
    Value *term = build_binary(g, SOP_add, build_binary(g, SOP_mul, c1, c0), c);
    return build_binary(g, SOP_add, build_binary(g, SOP_mul, x1, c0), term);
}
