/* Halves of a value in exchanged order, as torch.roll, window shifts and rotary embeddings make
 * them:
 *
 *   concat (neg %x[32..64]), %x[0..32] {axis=3}   ->   compute %x {body=select(d3 < 32, -x[(d3 +
 * 32) % 64], x[(d3 + 32) % 64])}
 *
 * The result is an index map that fuses with what reads it; nothing is moved. */
#include "passes/graph/patterns.h"

typedef struct Half {
    Value *source;
    Expr *start, *length;
    bool negated;
} Half;

static bool half_of(Graph *g, Value *v, int axis, Half *h) {
    Node *neg = def_of(v, scalar(SOP_neg)), *s = def_of(neg ? neg->in[0] : v, OP_slice);
    Expr *const *starts = NULL, *const *shape = NULL;
    const int64_t *steps = NULL;
    if (!s) return false;
    int rank = node_exprs(s, "starts", &starts);
    node_exprs(s, "shape", &shape);
    node_ints(s, "steps", &steps);
    for (int i = 0; i < rank; i++) {
        if (steps[i] != 1) return false;
        if (i != axis &&
            (!expr_is(starts[i], 0) || !expr_prove_eq(g->ctx, shape[i], s->in[0]->type.dims[i])))
            return false;
    }
    *h = (Half){s->in[0], starts[axis], shape[axis], neg != NULL};
    return true;
}

Value *rule_rotate(Graph *g, Node *n) {
    Ctx *ctx = g->ctx;
    Half a, b;
    if (n->op != OP_concat || n->n_in != 2) return NULL;
    int axis = (int)node_int(n, "axis", 0);
    if (!half_of(g, n->in[0], axis, &a) || !half_of(g, n->in[1], axis, &b) || a.source != b.source)
        return NULL;
    Value *x = a.source;
    Expr *dim = x->type.dims[axis];
    bool turns = expr_is(b.start, 0) && expr_prove_eq(ctx, a.start, b.length) &&
                 expr_prove_eq(ctx, expr_add(ctx, a.length, b.length), dim);
    if (!turns) return NULL;
    Node *c = build_compute_begin(g, &x, 1, x->type.dtype, n->out[0]->type.dims, x->type.rank);
    Expr *index[MAX_RANK];
    for (int i = 0; i < x->type.rank; i++) index[i] = c->vars[i]->self;
    index[axis] = expr_mod(ctx, expr_add(ctx, index[axis], a.start), dim);
    Expr *load = expr_load(ctx, c->params[0], index, x->type.rank), *body = load;
    if (a.negated != b.negated) {
        Expr *first = expr_op2(ctx, SOP_lt, c->vars[axis]->self, a.length),
             *minus = expr_op1(ctx, SOP_neg, load);
        body = expr_op3(ctx, SOP_select, first, a.negated ? minus : load, a.negated ? load : minus);
    } else if (a.negated) {
        body = expr_op1(ctx, SOP_neg, load);
    }
    return build_compute_end(g, c, body);
}
