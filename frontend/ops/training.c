/* Optimisers of ai.onnx.preview.training: one step for several tensors. */
#include "frontend/ops.h"

typedef struct Optimiser { /* inputs: rate, step, then `kinds` lists of `count` tensors each */
    OnnxNode *n;
    Value *rate, *step;
    int count, kinds;
} Optimiser;

/* A scalar; models also give tensors of one element. */
static Value *one_element(OnnxNode *n, int k, int types) {
    return reshape_to(n, need(n, k, types), NULL, 0);
}

/* kinds: tensors, gradients, then states of the optimiser, which are outputs, too. */
static bool open_optimiser(OnnxNode *n, Optimiser *o, int kinds) {
    *o = (Optimiser){n, one_element(n, 0, T_FLOAT), one_element(n, 1, T_INT), 0, kinds};
    if (!o->rate || !o->step) return false;
    o->count = (n->n_in - 2) / kinds;
    if ((n->n_in - 2) % kinds || n->n_out != o->count * (kinds - 1))
        return bad(n, "%d inputs and %d outputs do not make tensors with %d states", n->n_in,
                   n->n_out, kinds - 2);
    return true;
}

/* Tensor i of list `kind`, which must be like tensor i of the first list. */
static Value *listed(Optimiser *o, int kind, int i) {
    int k = 2 + kind * o->count + i;
    return same_dtype(o->n, 2 + i, k) ? need(o->n, k, T_FLOAT) : NULL;
}

/* The gradient, plus the tensor times norm_coefficient. */
static Value *regularised(Optimiser *o, int i) {
    OnnxNode *n = o->n;
    Value *x = listed(o, 0, i), *g = listed(o, 1, i);
    double by = attr_float(n, "norm_coefficient", 0);
    return by == 0 || !x ? g : bin(n, SOP_add, bin(n, SOP_mul, flt(n, x, by), x), g);
}

/* by * x */
static Value *times(OnnxNode *n, double by, Value *x) {
    return bin(n, SOP_mul, flt(n, x, by), x);
}

/* a where the step is above 0, else b */
static Value *later(Optimiser *o, Value *a, Value *b) {
    OnnxNode *n = o->n;
    return sel(n, bin(n, SOP_gt, o->step, num(n, o->step, 0)), a, b);
}

ONNX_OP_OF(training, Adagrad, 1) {
    ATTRS("decay_factor:f epsilon:f norm_coefficient:f");
    Optimiser o;
    if (!open_optimiser(n, &o, 3)) return false;
    Value *step = cast_to(n, o.step, o.rate->type.dtype), *one = num(n, o.rate, 1);
    Value *decay = bin(n, SOP_add, one, times(n, attr_float(n, "decay_factor", 0), step));
    Value *rate = bin(n, SOP_div, o.rate, decay);
    for (int i = 0; i < o.count; i++) {
        Value *x = listed(&o, 0, i), *h = listed(&o, 2, i), *g = regularised(&o, i);
        h = bin(n, SOP_add, h, bin(n, SOP_mul, g, g));
        Value *size = un(n, SOP_sqrt, h);
        size = bin(n, SOP_add, size, flt(n, size, attr_float(n, "epsilon", (double)1e-6f)));
        g = bin(n, SOP_div, bin(n, SOP_mul, cast_to(n, rate, x ? x->type.dtype : DT_F32), g), size);
        if (!give(n, i, bin(n, SOP_sub, x, g)) || !give(n, o.count + i, h)) return false;
    }
    return true;
}

ONNX_OP_OF(training, Momentum, 1) {
    ATTRS("alpha:f! beta:f! mode:s(standard|nesterov)! norm_coefficient:f!");
    Optimiser o;
    if (!open_optimiser(n, &o, 3)) return false;
    double alpha = attr_float(n, "alpha", 0);
    Value *beta = later(&o, flt(n, o.rate, attr_float(n, "beta", 0)), num(n, o.rate, 1));
    for (int i = 0; i < o.count; i++) {
        Value *x = listed(&o, 0, i), *v = listed(&o, 2, i), *g = regularised(&o, i);
        if (!x) return false;
        DType t = x->type.dtype;
        v = bin(n, SOP_add, times(n, alpha, v), bin(n, SOP_mul, cast_to(n, beta, t), g));
        Value *way = attr_is(n, "mode", "nesterov") ? bin(n, SOP_add, g, times(n, alpha, v)) : v;
        way = bin(n, SOP_mul, cast_to(n, o.rate, t), way);
        if (!give(n, i, bin(n, SOP_sub, x, way)) || !give(n, o.count + i, v)) return false;
    }
    return true;
}

/* rate sqrt(1 - beta^step) / (1 - alpha^step), or the rate itself at step 0. */
static Value *adam_rate(Optimiser *o, double alpha, double beta) {
    OnnxNode *n = o->n;
    Value *step = cast_to(n, o->step, o->rate->type.dtype), *one = num(n, o->rate, 1);
    Value *first = bin(n, SOP_sub, one, bin(n, SOP_pow, flt(n, one, alpha), step));
    Value *second = bin(n, SOP_sub, one, bin(n, SOP_pow, flt(n, one, beta), step));
    Value *scale = bin(n, SOP_div, un(n, SOP_sqrt, second), first);
    return later(o, bin(n, SOP_mul, o->rate, scale), o->rate);
}

ONNX_OP_OF(training, Adam, 1) {
    ATTRS("alpha:f beta:f epsilon:f norm_coefficient:f norm_coefficient_post:f");
    Optimiser o;
    if (!open_optimiser(n, &o, 4)) return false;
    double alpha = attr_float(n, "alpha", (double)0.9f),
           beta = attr_float(n, "beta", (double)0.999f);
    double kept = 1 - attr_float(n, "norm_coefficient_post", 0);
    Value *rate = adam_rate(&o, alpha, beta);
    for (int i = 0; i < o.count; i++) {
        Value *x = listed(&o, 0, i), *v = listed(&o, 2, i), *h = listed(&o, 3, i);
        Value *g = regularised(&o, i);
        if (!x) return false;
        v = bin(n, SOP_add, times(n, alpha, v), times(n, 1 - alpha, g));
        h = bin(n, SOP_add, times(n, beta, h), times(n, 1 - beta, bin(n, SOP_mul, g, g)));
        Value *size = un(n, SOP_sqrt, h);
        size = bin(n, SOP_add, size, flt(n, size, attr_float(n, "epsilon", (double)1e-6f)));
        Value *way = bin(n, SOP_mul, cast_to(n, rate, x->type.dtype), bin(n, SOP_div, v, size));
        x = bin(n, SOP_sub, x, way);
        if (kept != 1) x = times(n, kept, x);
        if (!give(n, i, x) || !give(n, o.count + i, v) || !give(n, 2 * o.count + i, h))
            return false;
    }
    return true;
}
