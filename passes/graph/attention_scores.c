/* From the softmax's operand back to the contract of q and k: factors, masks and axes of size 1 on
 * the way. */
#include "passes/graph/attention.h"

enum { MAX_DEPTH = 12 };

typedef struct Peel {
    Graph *g;
    Scores *s;
    int rank_s;
} Peel;

static bool peel(Peel *p, Value *v, int depth);

static Mask *new_mask(Peel *p, const Value *v) {
    Mask *m = &p->s->mask[p->s->n_masks++];
    *m = (Mask){.scale = p->s->scale, .rank = v->type.rank};
    memcpy(m->axis_of, p->s->axis_of, sizeof m->axis_of);
    return m;
}

/* add: one operand leads to the contract, the other is a mask */
static bool peel_add(Peel *p, Node *n, int depth) {
    for (int k = 0; k < 2; k++) {
        Scores saved = *p->s;
        if (p->s->n_masks < MAX_MASKS && type_equal(p->g->ctx, &n->in[k]->type, &n->out[0]->type)) {
            new_mask(p, n->out[0])->value = n->in[1 - k];
            if (peel(p, n->in[k], depth + 1)) return true;
        }
        *p->s = saved;
    }
    return false;
}

/* A score that is replaced by a large negative number. Its exponential is 0 beside any score that
 * is not: adding the number to the score is the same, and keeps a row that is replaced as a whole
 * as it was, nearly uniform. */
static bool is_large_negative(const Value *v, double *c) {
    return const_scalar(v, c) && *c <= -1e4;
}

static bool peel_select(Peel *p, Node *n, int depth) {
    for (int k = 1; k <= 2; k++) {
        double c;
        Value *score = n->in[k], *other = n->in[3 - k];
        if (!is_large_negative(other, &c) || p->s->n_masks == MAX_MASKS) continue;
        if (!type_equal(p->g->ctx, &score->type, &n->out[0]->type)) continue;
        Mask *m = new_mask(p, n->out[0]);
        m->value = other;
        m->keep = n->in[0];
        m->inverted = k == 2;
        return peel(p, score, depth + 1);
    }
    return false;
}

/* A reshape that only adds or drops axes of size 1. */
static bool peel_reshape(Peel *p, Node *n, int depth) {
    const Type *x = &n->in[0]->type, *y = &n->out[0]->type;
    int map[MAX_RANK], at = 0;
    for (int i = 0; i < y->rank; i++) {
        map[i] = -1;
        if (expr_is(y->dims[i], 1)) continue;
        while (at < x->rank && expr_is(x->dims[at], 1)) at++;
        if (at == x->rank || !expr_prove_eq(p->g->ctx, x->dims[at], y->dims[i])) return false;
        map[i] = at++;
    }
    for (; at < x->rank; at++)
        if (!expr_is(x->dims[at], 1)) return false;
    for (int i = 0; i < p->rank_s; i++)
        if (p->s->axis_of[i] >= 0) p->s->axis_of[i] = map[p->s->axis_of[i]];
    return peel(p, n->in[0], depth + 1);
}

static bool peel_scale(Peel *p, Node *n, int depth) {
    Value *x, *c;
    double v;
    if (!with_const(n, &x, &c) || !const_scalar(c, &v) || v == 0) return false;
    if (!type_equal(p->g->ctx, &x->type, &n->out[0]->type)) return false;
    p->s->scale *= n->op == scalar(SOP_div) ? 1 / v : v;
    return peel(p, x, depth + 1);
}

static bool end_at_contract(Peel *p, Node *n) {
    Value *bias = n->n_in > 2 ? n->in[2] : NULL;
    if (bias && p->s->n_masks == MAX_MASKS) return false;
    if (bias) new_mask(p, n->out[0])->value = bias;
    p->s->contract = n;
    return true;
}

static bool peel(Peel *p, Value *v, int depth) {
    Node *n = v->def;
    if (!n || depth > MAX_DEPTH || !used_once(v)) return false;
    if (n->op == OP_contract) return end_at_contract(p, n);
    if (n->op == OP_reshape) return peel_reshape(p, n, depth);
    if (n->op == scalar(SOP_add)) return peel_add(p, n, depth);
    if (n->op == scalar(SOP_select)) return peel_select(p, n, depth);
    if (n->op == scalar(SOP_mul) || n->op == scalar(SOP_div)) return peel_scale(p, n, depth);
    return false;
}

bool find_scores(Graph *g, Value *v, Scores *s) {
    *s = (Scores){.scale = 1};
    Peel p = {g, s, v->type.rank};
    for (int i = 0; i < v->type.rank; i++) s->axis_of[i] = i;
    return peel(&p, v, 0);
}
