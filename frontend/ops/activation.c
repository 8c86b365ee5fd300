/* Activation functions, and the softmax family. */
#include "frontend/ops.h"

ONNX_OP(Relu, 1) {
    ATTRS("consumed_inputs:I<6");
    Value *x = need(n, 0, T_SIGNED);
    return give(n, 0, bin(n, SOP_max, x, num(n, x, 0)));
}

/* x where x >= 0, else `below`. */
static Value *negative_part(OnnxNode *n, Value *x, Value *below) {
    return sel(n, bin(n, SOP_ge, x, num(n, x, 0)), x, below);
}

ONNX_OP(LeakyRelu, 1) {
    ATTRS("alpha:f consumed_inputs:I<6");
    Value *x = need(n, 0, T_FLOAT);
    double alpha = attr_float(n, "alpha", (double)0.01f);
    return give(n, 0, negative_part(n, x, bin(n, SOP_mul, x, flt(n, x, alpha))));
}

/* Before opset 7 a slope of rank 1 stands for the channels. */
ONNX_OP(PRelu, 1) {
    ATTRS("consumed_inputs:I<6");
    Value *x = need(n, 0, T_NUM), *slope = need(n, 1, T_NUM);
    if (!x || !slope || !same_dtype(n, 0, 1)) return false;
    bool channels = n->opset < 7 && slope->type.rank == 1 && !expr_is(slope->type.dims[0], 1);
    if (channels) slope = per_channel(n, slope, x->type.rank);
    return give(n, 0, negative_part(n, x, bin(n, SOP_mul, x, slope)));
}

ONNX_OP(Elu, 1) {
    ATTRS("alpha:f consumed_inputs:I<6");
    Value *x = need(n, 0, T_FLOAT);
    Value *below = bin(n, SOP_mul, un(n, SOP_expm1, x), flt(n, x, attr_float(n, "alpha", 1)));
    return give(n, 0, negative_part(n, x, below));
}

ONNX_OP(Selu, 1) {
    ATTRS("alpha:f gamma:f consumed_inputs:I<6");
    bool old = n->opset < 6;
    double alpha = attr_float(n, "alpha", old ? (double)1.6732f : 1.67326319217681884765625);
    double gamma = attr_float(n, "gamma", old ? (double)1.0507f : 1.05070102214813232421875);
    Value *x = need(n, 0, T_FLOAT);
    Value *y = negative_part(n, x, bin(n, SOP_mul, un(n, SOP_expm1, x), flt(n, x, alpha)));
    return give(n, 0, bin(n, SOP_mul, y, flt(n, x, gamma)));
}

ONNX_OP(Celu, 12) {
    ATTRS("alpha:f");
    Value *x = need(n, 0, T_FLOAT), *alpha = flt(n, x, attr_float(n, "alpha", 1));
    Value *below = bin(n, SOP_mul, alpha, un(n, SOP_expm1, bin(n, SOP_div, x, alpha)));
    Value *zero = num(n, x, 0);
    return give(n, 0, bin(n, SOP_add, bin(n, SOP_max, zero, x), bin(n, SOP_min, zero, below)));
}

/* max(0, min(1, alpha * x + beta)) */
static Value *hard_sigmoid(OnnxNode *n, Value *x, double alpha, double beta) {
    Value *line = bin(n, SOP_add, bin(n, SOP_mul, x, flt(n, x, alpha)), flt(n, x, beta));
    return bin(n, SOP_max, bin(n, SOP_min, line, num(n, x, 1)), num(n, x, 0));
}

ONNX_OP(HardSigmoid, 1) {
    ATTRS("alpha:f beta:f consumed_inputs:I<6");
    Value *x = need(n, 0, T_FLOAT);
    double alpha = attr_float(n, "alpha", (double)0.2f), beta = attr_float(n, "beta", 0.5);
    return give(n, 0, hard_sigmoid(n, x, alpha, beta));
}

ONNX_OP(HardSwish, 14) {
    ATTRS("");
    Value *x = need(n, 0, T_FLOAT);
    return give(n, 0, bin(n, SOP_mul, x, hard_sigmoid(n, x, 1.0 / 6, 0.5)));
}

/* log(1 + exp(x)), without overflow: max(x, 0) + log1p(exp(-|x|)) */
static Value *softplus(OnnxNode *n, Value *x) {
    Value *tail = un(n, SOP_log1p, un(n, SOP_exp, un(n, SOP_neg, un(n, SOP_abs, x))));
    return bin(n, SOP_add, bin(n, SOP_max, x, num(n, x, 0)), tail);
}

ONNX_OP(Softplus, 1) {
    ATTRS("");
    return give(n, 0, softplus(n, need(n, 0, T_FLOAT)));
}

ONNX_OP(Mish, 18) {
    ATTRS("");
    Value *x = need(n, 0, T_FLOAT);
    return give(n, 0, bin(n, SOP_mul, x, un(n, SOP_tanh, softplus(n, x))));
}

ONNX_OP(Softsign, 1) {
    ATTRS("");
    Value *x = need(n, 0, T_FLOAT);
    return give(n, 0, bin(n, SOP_div, x, bin(n, SOP_add, num(n, x, 1), un(n, SOP_abs, x))));
}

ONNX_OP(ThresholdedRelu, 10) {
    ATTRS("alpha:f");
    Value *x = need(n, 0, T_FLOAT), *alpha = flt(n, x, attr_float(n, "alpha", 1));
    return give(n, 0, sel(n, bin(n, SOP_gt, x, alpha), x, num(n, x, 0)));
}

ONNX_OP(Swish, 24) {
    ATTRS("alpha:f");
    Value *x = need(n, 0, T_FLOAT), *scaled = x;
    double alpha = attr_float(n, "alpha", 1);
    if (alpha != 1) scaled = bin(n, SOP_mul, x, flt(n, x, alpha));
    return give(n, 0, bin(n, SOP_mul, x, un(n, SOP_sigmoid, scaled)));
}

ONNX_OP(Shrink, 9) {
    ATTRS("bias:f lambd:f");
    Value *x = need(n, 0, T_NUM);
    double bias = attr_float(n, "bias", 0), lambda = attr_float(n, "lambd", 0.5);
    if (!x) return false;
    DType t = x->type.dtype, work = dtype_is_float(t) ? t : DT_F64;
    x = cast_to(n, x, work);
    Value *b = flt(n, x, bias), *above = bin(n, SOP_gt, x, flt(n, x, lambda));
    Value *below = bin(n, SOP_lt, x, flt(n, x, -lambda));
    Value *y = sel(n, above, bin(n, SOP_sub, x, b), num(n, x, 0));
    return give(n, 0, cast_to(n, sel(n, below, bin(n, SOP_add, x, b), y), t));
}

/* x / 2 * (1 + phi), as in the function body of the standard. */
static Value *gelu_of(OnnxNode *n, Value *x, Value *phi) {
    Value *half = bin(n, SOP_mul, flt(n, x, 0.5), x);
    return bin(n, SOP_mul, half, bin(n, SOP_add, num(n, x, 1), phi));
}

ONNX_OP(Gelu, 20) {
    ATTRS("approximate:s(none|tanh)");
    Value *x = need(n, 0, T_FLOAT);
    if (!attr_is(n, "approximate", "tanh")) {
        Value *root = flt(n, x, 1.4142135623730951);
        return give(n, 0, gelu_of(n, x, un(n, SOP_erf, bin(n, SOP_div, x, root))));
    }
    Value *cube = bin(n, SOP_mul, bin(n, SOP_mul, x, x), x);
    Value *inner = bin(n, SOP_add, x, bin(n, SOP_mul, flt(n, x, 0.044715), cube));
    Value *scaled = bin(n, SOP_mul, flt(n, x, 0.7978845608028654), inner);
    return give(n, 0, gelu_of(n, x, un(n, SOP_tanh, scaled)));
}

/* ---- softmax ---- */

/* Before opset 13 everything from `axis` on counts as one dimension: the tensor as a matrix. */
static Value *as_matrix(OnnxNode *n, Value *x, int axis) {
    Expr *dims[] = {expr_product(n->ctx, x->type.dims, axis),
                    expr_product(n->ctx, x->type.dims + axis, x->type.rank - axis)};
    return reshape_to(n, x, dims, 2);
}

typedef Value *AxisFn(OnnxNode *, Value *, int axis);

static bool along_axis(OnnxNode *n, AxisFn *fn) {
    Value *x = need(n, 0, T_FLOAT);
    int axis;
    if (!x || !axis_in(n, attr_int(n, "axis", n->opset < 13 ? 1 : -1), x->type.rank, &axis))
        return false;
    if (n->opset >= 13 || axis == x->type.rank - 1) return give(n, 0, fn(n, x, axis));
    Value *matrix = as_matrix(n, x, axis), *y = matrix ? fn(n, matrix, 1) : NULL;
    return give(n, 0, reshape_to(n, y, x->type.dims, x->type.rank));
}

static Value *softmax(OnnxNode *n, Value *x, int axis) {
    return build_softmax(n->g, x, axis, false);
}

static Value *log_softmax(OnnxNode *n, Value *x, int axis) {
    return build_softmax(n->g, x, axis, true);
}

/* 1 at the first maximum along the axis, 0 elsewhere. */
static Value *hardmax(OnnxNode *n, Value *x, int axis) {
    Value *best = build_reduce(n->g, x, "argmax", (int64_t[]){axis}, 1, true);
    if (!best) return NULL;
    Node *c = build_compute_begin(n->g, &best, 1, x->type.dtype, x->type.dims, x->type.rank);
    Expr *at[MAX_RANK];
    for (int i = 0; i < x->type.rank; i++) at[i] = i == axis ? ix(n, 0) : c->vars[i]->self;
    Expr *where = expr_load(n->ctx, c->params[0], at, x->type.rank);
    Expr *here = expr_op2(n->ctx, SOP_eq, expr_cast(n->ctx, DT_I64, c->vars[axis]->self), where);
    return build_compute_end(n->g, c, expr_cast(n->ctx, x->type.dtype, here));
}

ONNX_OP(Softmax, 1) {
    ATTRS("axis:i");
    return along_axis(n, softmax);
}

ONNX_OP(LogSoftmax, 1) {
    ATTRS("axis:i");
    return along_axis(n, log_softmax);
}

ONNX_OP(Hardmax, 1) {
    ATTRS("axis:i");
    return along_axis(n, hardmax);
}
