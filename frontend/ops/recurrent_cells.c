/* The cells of RNN, GRU and LSTM: one step each, as the standard's equations have it (recurrent.h).
 */
#include "frontend/ops/recurrent.h"

Value *rnn_part(Rnn *r, Value *v, int axis, int gate) {
    OnnxNode *n = r->n;
    return v ? build_slice_axis(n->g, v, axis, expr_muli(n->ctx, r->hidden, gate), r->hidden)
             : NULL;
}

static Value *clipped(Rnn *r, Value *x) {
    OnnxNode *n = r->n;
    if (!r->has_clip) return x;
    return bin(n, SOP_min, bin(n, SOP_max, x, flt(n, x, -r->clip)), flt(n, x, r->clip));
}

static Value *affine(OnnxNode *n, Value *x, double alpha, double beta) {
    return bin(n, SOP_add, bin(n, SOP_mul, x, flt(n, x, alpha)), flt(n, x, beta));
}

Value *rnn_activate(Rnn *r, int which, Value *x) {
    OnnxNode *n = r->n;
    const Activation *a = &r->act[which];
    const char *f = a->name;
    x = clipped(r, x);
    Value *zero = num(n, x, 0), *one = num(n, x, 1);
    if (!x) return NULL;
    if (!strcmp(f, "Sigmoid")) return un(n, SOP_sigmoid, x);
    if (!strcmp(f, "Tanh")) return un(n, SOP_tanh, x);
    if (!strcmp(f, "Relu")) return bin(n, SOP_max, x, zero);
    if (!strcmp(f, "Affine")) return affine(n, x, a->alpha, a->beta);
    if (!strcmp(f, "HardSigmoid"))
        return bin(n, SOP_max, zero, bin(n, SOP_min, one, affine(n, x, a->alpha, a->beta)));
    if (!strcmp(f, "ScaledTanh"))
        return bin(n, SOP_mul, flt(n, x, a->alpha),
                   un(n, SOP_tanh, bin(n, SOP_mul, x, flt(n, x, a->beta))));
    Value *positive = bin(n, SOP_ge, x, zero), *size = un(n, SOP_abs, x);
    if (!strcmp(f, "LeakyRelu"))
        return sel(n, positive, x, bin(n, SOP_mul, x, flt(n, x, a->alpha)));
    if (!strcmp(f, "ThresholdedRelu"))
        return sel(n, bin(n, SOP_ge, x, flt(n, x, a->alpha)), x, zero);
    if (!strcmp(f, "Elu"))
        return sel(n, positive, x, bin(n, SOP_mul, un(n, SOP_expm1, x), flt(n, x, a->alpha)));
    if (!strcmp(f, "Softsign")) return bin(n, SOP_div, x, bin(n, SOP_add, one, size));
    if (!strcmp(f, "Softplus")) {
        Value *tail = un(n, SOP_log1p, un(n, SOP_exp, un(n, SOP_neg, size)));
        return bin(n, SOP_add, bin(n, SOP_max, x, zero), tail);
    }
    return bad(n, "activation \"%s\" is unknown", diag_name(n->ctx, f)), NULL;
}

static Value *times_recurrent(Rnn *r, Value *h, Value *weights, Value *bias) {
    return h && weights ? build_contract(r->n->g, h, weights, bias, "bh,gh->bg") : NULL;
}

/* h = f(x + h R') */
bool rnn_step(Rnn *r, Value *x, Value *h, Value *c, Value **new_h, Value **new_c) {
    (void)c, (void)new_c;
    *new_h = rnn_activate(r, 0, bin(r->n, SOP_add, x, times_recurrent(r, h, r->recurrent, NULL)));
    return *new_h != NULL;
}

/* Adds the peephole term P[gate] . c */
static Value *peep(Rnn *r, Value *gate, Value *c, int which) {
    OnnxNode *n = r->n;
    if (!r->peephole) return gate;
    return bin(n, SOP_add, gate, bin(n, SOP_mul, rnn_part(r, r->peephole, 0, which), c));
}

/* Gates i o f c; peepholes i o f. */
bool lstm_step(Rnn *r, Value *x, Value *h, Value *c, Value **new_h, Value **new_c) {
    OnnxNode *n = r->n;
    Value *all = bin(n, SOP_add, x, times_recurrent(r, h, r->recurrent, NULL));
    Value *i = rnn_activate(r, 0, peep(r, rnn_part(r, all, 1, 0), c, 0)), *f;
    if (attr_int(n, "input_forget", 0)) f = bin(n, SOP_sub, num(n, i, 1), i);
    else f = rnn_activate(r, 0, peep(r, rnn_part(r, all, 1, 2), c, 2));
    Value *candidate = rnn_activate(r, 1, rnn_part(r, all, 1, 3));
    *new_c = bin(n, SOP_add, bin(n, SOP_mul, f, c), bin(n, SOP_mul, i, candidate));
    Value *o = rnn_activate(r, 0, peep(r, rnn_part(r, all, 1, 1), *new_c, 1));
    *new_h = bin(n, SOP_mul, o, rnn_activate(r, 2, *new_c));
    return *new_h != NULL;
}

/* The candidate's recurrent part: r . (h Rh' + b) with linear_before_reset, else (r . h) Rh' + b.
 */
static Value *gru_candidate(Rnn *r, Value *h, Value *reset) {
    OnnxNode *n = r->n;
    Value *weights = rnn_part(r, r->recurrent, 0, 2), *bias = rnn_part(r, r->recurrent_bias, 0, 2);
    if (r->recurrent_bias && !bias) return NULL;
    if (attr_int(n, "linear_before_reset", 0))
        return bin(n, SOP_mul, reset, times_recurrent(r, h, weights, bias));
    return times_recurrent(r, bin(n, SOP_mul, reset, h), weights, bias);
}

/* Gates z r h. */
bool gru_step(Rnn *r, Value *x, Value *h, Value *c, Value **new_h, Value **new_c) {
    (void)c, (void)new_c;
    OnnxNode *n = r->n;
    Expr *two = expr_muli(n->ctx, r->hidden, 2), *zero = ix(n, 0);
    Value *weights = build_slice_axis(n->g, r->recurrent, 0, zero, two);
    Value *bias =
        r->recurrent_bias ? build_slice_axis(n->g, r->recurrent_bias, 0, zero, two) : NULL;
    Value *head = build_slice_axis(n->g, x, 1, zero, two);
    Value *gates = bin(n, SOP_add, head, times_recurrent(r, h, weights, bias));
    Value *z = rnn_activate(r, 0, rnn_part(r, gates, 1, 0)),
          *reset = rnn_activate(r, 0, rnn_part(r, gates, 1, 1));
    Value *candidate =
        rnn_activate(r, 1, bin(n, SOP_add, rnn_part(r, x, 1, 2), gru_candidate(r, h, reset)));
    Value *keep = bin(n, SOP_mul, z, h),
          *fresh = bin(n, SOP_mul, bin(n, SOP_sub, num(n, z, 1), z), candidate);
    *new_h = bin(n, SOP_add, fresh, keep);
    return *new_h != NULL;
}
