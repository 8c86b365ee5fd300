/* GPUs: products of numbers that were quantized to 8 bits are products of integers; scales come
 * behind them.
 *
 *   contract (mul (cast f32 %a), %s), (mul (cast f32 %b), %t)
 *     ->   mul (cast f32 (contract %a, %b)), (mul %s, %t)
 *
 * where %a and %b are bytes minus zero points, in i32, and what is added up has one scale. The sum
 * is then exact, and rounded once. Runs before fold, which would make floats of constant weights.
 * Requires nothing; keeps everything; leaves dead nodes. */
#include "passes/graph/rewrite.h"

enum { MOST_STEPS = INT32_MAX / (255 * 255) }; /* no sum of them overflows */

typedef struct Quantized {
    Value *whole; /* i32: a byte, minus a zero point */
    Value *scale;
} Quantized;

static bool is_byte(const Value *v) {
    return v->type.dtype == DT_I8 || v->type.dtype == DT_U8;
}

static bool is_wide_byte(const Value *v) {
    Node *cast = def_of(v, scalar(SOP_cast));
    return cast && v->type.dtype == DT_I32 && is_byte(cast->in[0]);
}

static bool find_quantized(Value *v, Quantized *q) {
    Node *mul = def_of(v, scalar(SOP_mul));
    Node *cast = mul ? def_of(mul->in[0], scalar(SOP_cast)) : NULL;
    if (!cast || v->type.dtype != DT_F32) return false;
    *q = (Quantized){cast->in[0], mul->in[1]};
    Node *sub = def_of(q->whole, scalar(SOP_sub));
    if (q->scale->type.rank > q->whole->type.rank) return false;
    return is_wide_byte(q->whole) || (sub && is_wide_byte(sub->in[0]) && is_wide_byte(sub->in[1]));
}

static Value *with_scales(Graph *g, Value *sum, Value *s, Value *t, Value *bias) {
    Value *real = build_cast(g, sum, DT_F32), *scale = build_binary(g, SOP_mul, s, t);
    Value *y = build_binary(g, SOP_mul, real, scale);
    return bias ? build_binary(g, SOP_add, y, bias) : y;
}

/* ---- contract ---- */
/* The scale of an operand, which has these letters, over the axes of the result; NULL: it belongs
 * to steps of the sum, or its axes have another order there. */
static Value *scale_at(Graph *g, Value *scale, const char *letters, const Spec *spec) {
    Expr *shape[MAX_RANK];
    int skip = (int)strlen(letters) - scale->type.rank, last = -1;
    for (int i = 0; i < spec->ny; i++) shape[i] = expr_int(g->ctx, 1);
    for (int i = 0; i < scale->type.rank; i++) {
        if (expr_is(scale->type.dims[i], 1)) continue;
        const char *at = strchr(spec->y, letters[skip + i]);
        if (!at || at - spec->y <= last) return NULL;
        last = (int)(at - spec->y);
        shape[last] = scale->type.dims[i];
    }
    return build_reshape(g, scale, shape, spec->ny);
}

static int64_t steps_of(const Type *x, const char *letters, const Spec *spec) {
    int64_t steps = 1, n;
    for (int i = 0; letters[i]; i++) {
        if (strchr(spec->y, letters[i])) continue;
        if (!expr_is_int(x->dims[i], &n) || n > MOST_STEPS) return INT32_MAX;
        steps = MIN(steps * n, INT32_MAX);
    }
    return steps;
}

static Value *rule_contract(Graph *g, Node *n) {
    Quantized a, b;
    Spec spec;
    if (n->op != OP_contract || !find_quantized(n->in[0], &a) || !find_quantized(n->in[1], &b))
        return NULL;
    if (!contract_spec(node_str(n, "spec", ""), &spec) ||
        steps_of(&n->in[0]->type, spec.a, &spec) > MOST_STEPS)
        return NULL;
    Value *s = scale_at(g, a.scale, spec.a, &spec), *t = scale_at(g, b.scale, spec.b, &spec);
    if (!s || !t) return NULL;
    Value *sum = build_contract(g, a.whole, b.whole, NULL, node_str(n, "spec", ""));
    return with_scales(g, sum, s, t, n->n_in > 2 ? n->in[2] : NULL);
}

/* ---- conv ---- */
static bool is_one(const Value *v) {
    for (int i = 0; i < v->type.rank; i++)
        if (!expr_is(v->type.dims[i], 1)) return false;
    return true;
}

/* A value for each output channel, or one for all. */
static Value *per_channel(Graph *g, Value *v, int axis, int rank) {
    Expr *shape[MAX_RANK];
    for (int i = 0; i < rank; i++) shape[i] = expr_int(g->ctx, 1);
    for (int i = 0; i < v->type.rank; i++)
        if (i != axis && !expr_is(v->type.dims[i], 1)) return NULL;
    if (!is_one(v)) shape[1] = v->type.dims[axis];
    return build_reshape(g, v, shape, rank);
}

static bool has_steps(const Type *w) {
    int64_t steps = 1, n;
    for (int i = 1; i < w->rank; i++) {
        if (!expr_is_int(w->dims[i], &n) || n > MOST_STEPS) return false;
        steps *= n;
    }
    return steps <= MOST_STEPS && !expr_is(w->dims[1], 1); /* more than one channel */
}

static Value *rule_conv(Graph *g, Node *n) {
    Quantized a, b;
    if (n->op != OP_conv || !find_quantized(n->in[0], &a) || !find_quantized(n->in[1], &b))
        return NULL;
    int rank = n->out[0]->type.rank, axis = b.scale->type.rank - rank; /* of the channel */
    if (!is_one(a.scale) || !has_steps(&n->in[1]->type)) return NULL;
    Value *t = per_channel(g, b.scale, axis, rank), *s = per_channel(g, a.scale, 0, rank),
          *bias = n->n_in > 2 && n->in[2] ? per_channel(g, n->in[2], 0, rank) : NULL;
    if (!t) return NULL;
    Value *in[] = {a.whole, b.whole};
    Node *m = node_draft(g, OP_conv, in, 2, 1);
    m->attr = n->attr, m->n_attr = n->n_attr;
    if (!node_finish(g, m)) BUG("a convolution of integers does not fit");
    return with_scales(g, m->out[0], s, t, bias);
}

PASS(quantized, GRAPH, "GPUs: products of quantized numbers are those of integers")
bool pass_quantized(Graph *g, const Options *opt) {
    static const Rule rules[] = {rule_contract, rule_conv};
    if (!compiles_for_gpu(opt) || g->strict) return false;
    users_build(g);
    return rewrite_graph(g, rules, LEN(rules));
}
