/* Reductions over axes, argmax and argmin, cumulative sums. */
#include "frontend/ops.h"

/* The reduced axes: an attribute before opset `moved`, then input 1; none means all. *noop: nothing
 * is to be reduced. */
static bool reduced_axes(OnnxNode *n, const Value *x, int moved, int64_t *axes, int *count,
                         bool *noop) {
    int64_t given[MAX_RANK];
    bool old = n->opset < moved;
    *noop = false;
    if (!ints_arg(n, old ? "axes" : NULL, old ? -1 : 1, given, MAX_RANK, count)) return false;
    if (*count > 0) return axes_in(n, given, *count, x->type.rank, axes);
    *noop = !old && attr_int(n, "noop_with_empty_axes", 0);
    *count = x->type.rank;
    for (int i = 0; i < x->type.rank; i++) axes[i] = i;
    return true;
}

typedef struct Reduction {
    int64_t axes[MAX_RANK];
    int n_axes;
    bool keep, noop;
    Expr *dims[MAX_RANK]; /* late axes: of the result */
    int rank;             /* of those; -1: the axes are known */
} Reduction;

/* Axes that only the run knows are made one axis at the end. */
static Value *gather_late(OnnxNode *n, Value *x, Reduction *r) {
    LateAxes late;
    int rank = x->type.rank;
    if (!late_axes(n, 1, rank, &late)) return NULL;
    if (!r->keep) late_rest(n, &late, &x->type, r->dims);
    for (int i = 0; r->keep && i < rank; i++)
        r->dims[i] = late_choose(n, &late, i, ix(n, 1), x->type.dims[i]);
    r->rank = r->keep ? rank : rank - late.n;
    r->keep = r->noop = false;
    r->axes[0] = rank;
    r->n_axes = 1;
    return late_gather(n, &late, x);
}

static Value *open_reduction(OnnxNode *n, int moved, int types, Reduction *r) {
    Value *x = need(n, 0, types);
    r->keep = attr_int(n, "keepdims", 1) != 0;
    r->rank = -1;
    if (x && n->opset >= moved && is_late(n, 1)) return gather_late(n, x, r);
    return x && reduced_axes(n, x, moved, r->axes, &r->n_axes, &r->noop) ? x : NULL;
}

static Value *reduce(OnnxNode *n, Value *x, const char *kind, const Reduction *r) {
    if (!x || r->noop || !r->n_axes) return x;
    Value *y = build_reduce(n->g, x, kind, r->axes, r->n_axes, r->keep);
    return r->rank < 0 || r->keep ? y : reshape_to(n, y, r->dims, r->rank);
}

static bool plain(OnnxNode *n, const char *kind, int moved, int types) {
    Reduction r;
    Value *x = open_reduction(n, moved, types, &r);
    return give(n, 0, reduce(n, x, kind, &r));
}

#define REDUCE_ATTRS "axes:I<18 keepdims:i noop_with_empty_axes:i@18"

ONNX_OP(ReduceSum, 1) {
    ATTRS("axes:I<13 keepdims:i noop_with_empty_axes:i@13");
    return plain(n, "sum", 13, T_NUM);
}

ONNX_OP(ReduceMean, 1) {
    ATTRS(REDUCE_ATTRS);
    return plain(n, "mean", 18, T_NUM);
}

ONNX_OP(ReduceMax, 1) {
    ATTRS(REDUCE_ATTRS);
    return plain(n, "max", 18, T_PLAIN);
}

ONNX_OP(ReduceMin, 1) {
    ATTRS(REDUCE_ATTRS);
    return plain(n, "min", 18, T_PLAIN);
}

ONNX_OP(ReduceProd, 1) {
    ATTRS(REDUCE_ATTRS);
    return plain(n, "prod", 18, T_NUM);
}

ONNX_OP(ReduceL1, 1) {
    ATTRS(REDUCE_ATTRS);
    Reduction r;
    Value *x = open_reduction(n, 18, T_NUM, &r);
    return give(n, 0, reduce(n, un(n, SOP_abs, x), "sum", &r));
}

/* Roots and logarithms of integers are taken in f64, and cut off. */
static Value *in_floats(OnnxNode *n, Value *x) {
    return x && !dtype_is_float(x->type.dtype) ? cast_to(n, x, DT_F64) : x;
}

static bool give_like(OnnxNode *n, Value *y, const Value *x) {
    return x && give(n, 0, cast_to(n, y, x->type.dtype));
}

ONNX_OP(ReduceL2, 1) {
    ATTRS(REDUCE_ATTRS);
    Reduction r;
    Value *given = open_reduction(n, 18, T_NUM, &r), *x = in_floats(n, given);
    return give_like(n, un(n, SOP_sqrt, reduce(n, bin(n, SOP_mul, x, x), "sum", &r)), given);
}

ONNX_OP(ReduceSumSquare, 1) {
    ATTRS(REDUCE_ATTRS);
    Reduction r;
    Value *x = open_reduction(n, 18, T_NUM, &r);
    return give(n, 0, reduce(n, bin(n, SOP_mul, x, x), "sum", &r));
}

ONNX_OP(ReduceLogSum, 1) {
    ATTRS(REDUCE_ATTRS);
    Reduction r;
    Value *given = open_reduction(n, 18, T_NUM, &r), *x = in_floats(n, given);
    return give_like(n, un(n, SOP_log, reduce(n, x, "sum", &r)), given);
}

/* log(sum(exp(x - m))) + m with m = max(x), or 0 where that is infinite. */
ONNX_OP(ReduceLogSumExp, 1) {
    ATTRS(REDUCE_ATTRS);
    Reduction r, kept;
    Value *given = open_reduction(n, 18, T_NUM, &r), *x = in_floats(n, given);
    if (!x || r.noop) return give(n, 0, given);
    kept = r;
    kept.keep = true;
    Value *top = reduce(n, x, "max", &kept), *zero = num(n, x, 0);
    top = sel(n, un(n, SOP_isinf, top), zero, top);
    Value *sum = reduce(n, un(n, SOP_exp, bin(n, SOP_sub, x, top)), "sum", &r);
    Value *flat = sum ? reshape_to(n, top, sum->type.dims, sum->type.rank) : NULL;
    return give_like(n, bin(n, SOP_add, un(n, SOP_log, sum), flat), given);
}

static bool arg_reduce(OnnxNode *n, const char *kind) {
    Value *x = need(n, 0, T_NUM);
    int axis;
    if (!x || !axis_in(n, attr_int(n, "axis", 0), x->type.rank, &axis)) return false;
    Node *r = node_draft(n->g, OP_reduce, &x, 1, 1);
    node_set_str(n->g, r, "kind", kind);
    node_set_ints(n->g, r, "axes", &(int64_t){axis}, 1);
    node_set_int(n->g, r, "keepdims", attr_int(n, "keepdims", 1) != 0);
    node_set_int(n->g, r, "last", attr_int(n, "select_last_index", 0) != 0);
    return node_finish(n->g, r) && give(n, 0, r->out[0]);
}

ONNX_OP(ArgMax, 1) {
    ATTRS("axis:i keepdims:i select_last_index:i@12");
    return arg_reduce(n, "argmax");
}

ONNX_OP(ArgMin, 1) {
    ATTRS("axis:i keepdims:i select_last_index:i@12");
    return arg_reduce(n, "argmin");
}

/* The input of a cumulation along an axis that only the run knows: [before, size, behind]. */
static Value *three_axes(OnnxNode *n, Value *x, int *axis) {
    LateAxes late;
    if (!late_axes(n, 1, x->type.rank, &late)) return NULL;
    if (late.n != 1) return bad(n, "input 1 must have one element"), NULL;
    Expr *dims[3];
    late_split(n, &late, x->type.dims, x->type.rank, dims);
    *axis = 1;
    return reshape_to(n, x, dims, LEN(dims));
}

static bool cumulate(OnnxNode *n, const char *kind) {
    Value *whole = need(n, 0, T_NUM), *x = whole;
    int64_t which;
    int axis;
    if (!x) return false;
    if (is_late(n, 1)) x = three_axes(n, x, &axis);
    else if (!known_int(n, 1, &which) || !axis_in(n, which, x->type.rank, &axis)) return false;
    if (!x) return false;
    Node *c = node_draft(n->g, OP_cumulate, &x, 1, 1);
    node_set_str(n->g, c, "kind", kind);
    node_set_int(n->g, c, "axis", axis);
    node_set_int(n->g, c, "exclusive", attr_int(n, "exclusive", 0) != 0);
    node_set_int(n->g, c, "reverse", attr_int(n, "reverse", 0) != 0);
    return node_finish(n->g, c) &&
           give(n, 0, reshape_to(n, c->out[0], whole->type.dims, whole->type.rank));
}

ONNX_OP(CumSum, 11) {
    ATTRS("exclusive:i reverse:i");
    return cumulate(n, "sum");
}

ONNX_OP(CumProd, 26) {
    ATTRS("exclusive:i reverse:i");
    return cumulate(n, "prod");
}
