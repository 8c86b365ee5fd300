/* Losses of classifiers: negative log likelihood and softmax cross entropy. */
#include "frontend/ops.h"

/* One value per target: table[target] (a list), or x[n, target, d...]. Targets that are ignored
 * give 0. */
static Value *pick(OnnxNode *n, Value *x, Value *target, bool list) {
    Value *in[] = {x, target};
    Ctx *ctx = n->ctx;
    int rank = target->type.rank;
    Expr *at[MAX_RANK], *from[MAX_RANK];
    Node *c = build_compute_begin(n->g, in, 2, x->type.dtype, target->type.dims, rank);
    for (int i = 0; i < rank; i++) at[i] = c->vars[i]->self;
    Expr *class = expr_load(ctx, c->params[1], at, rank),
         *zero = expr_const_flt(ctx, x->type.dtype, 0);
    Expr *index = build_gather_index(n->g, class, x->type.dims[list ? 0 : 1]);
    from[0] = list ? index : at[0];
    from[1] = index;
    for (int i = 1; i < rank; i++) from[i + 1] = at[i];
    Expr *value = expr_load(ctx, c->params[0], from, list ? 1 : rank + 1);
    if (attr_has(n, "ignore_index")) {
        Expr *ignored = expr_const_int(ctx, target->type.dtype, attr_int(n, "ignore_index", 0));
        value = expr_guard(ctx, expr_op2(ctx, SOP_ne, class, ignored), value, zero);
    }
    return build_compute_end(n->g, c, value);
}

static Value *total(OnnxNode *n, Value *v, const char *kind) {
    int64_t axes[MAX_RANK];
    for (int i = 0; v && i < v->type.rank; i++) axes[i] = i;
    return v ? build_reduce(n->g, v, kind, axes, v->type.rank, false) : NULL;
}

/* The weight of every target: of its class, or 1; 0 where it is ignored. NULL with *plain: all
 * are 1. */
static Value *target_weights(OnnxNode *n, Value *log_prob, Value *target, bool *plain) {
    *plain = !has(n, 2) && !attr_has(n, "ignore_index");
    if (*plain) return NULL;
    Value *table = has(n, 2) ? need(n, 2, T_FLOAT) : NULL;
    if (has(n, 2) && (!table || !want_rank(n, 2, 1, 1))) return NULL;
    if (!table) {
        Expr *classes[] = {log_prob->type.dims[1]};
        table = build_expand(n->g, flt(n, log_prob, 1), classes, 1);
    }
    return table ? pick(n, table, target, true) : NULL;
}

static Value *likelihood_loss(OnnxNode *n, Value *log_prob, Value *target) {
    if (!log_prob || !target) return NULL;
    if (log_prob->type.rank < 2 || target->type.rank != log_prob->type.rank - 1)
        return bad(n, "ranks of input and target do not fit"), NULL;
    for (int i = 0; i < target->type.rank; i++) {
        Expr *same = E2(eq, log_prob->type.dims[i + (i > 0)], target->type.dims[i]);
        if (!demand_true(n, same, "sizes of input and target differ")) return NULL;
    }
    bool plain;
    Value *loss = un(n, SOP_neg, pick(n, log_prob, target, false));
    Value *weight = target_weights(n, log_prob, target, &plain);
    if (!loss || (!plain && !weight)) return NULL;
    if (weight) loss = bin(n, SOP_mul, loss, weight);
    if (attr_is(n, "reduction", "none")) return loss;
    if (attr_is(n, "reduction", "sum")) return total(n, loss, "sum");
    if (!weight) return total(n, loss, "mean");
    return bin(n, SOP_div, total(n, loss, "sum"), total(n, weight, "sum"));
}

ONNX_OP(NegativeLogLikelihoodLoss, 12) {
    ATTRS("ignore_index:i reduction:s(none|sum|mean)");
    return give(n, 0, likelihood_loss(n, need(n, 0, T_FLOAT), need(n, 1, T_S)));
}

ONNX_OP(SoftmaxCrossEntropyLoss, 12) {
    ATTRS("ignore_index:i reduction:s(none|sum|mean)");
    Value *scores = need(n, 0, T_FLOAT), *labels = need(n, 1, T_S);
    if (!scores || !labels || !want_rank(n, 0, 2, MAX_RANK)) return false;
    Value *log_prob = build_softmax(n->g, scores, 1, true);
    give(n, 1, log_prob);
    return give(n, 0, likelihood_loss(n, log_prob, labels));
}
