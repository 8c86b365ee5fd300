/* Det: elimination with partial pivoting, one step per round of a loop. */
#include "frontend/ops.h"

typedef struct Step { /* inside a round: matrices [batch, size, size], column k */
    OnnxNode *n;
    Expr *batch, *size;
    DType t;
} Step;

static Expr *load3(OnnxNode *n, const Node *c, int param, Expr *b, Expr *i, Expr *j) {
    Expr *at[] = {b, i, j};
    return expr_load(n->ctx, c->params[param], at, 3);
}

/* The counter as a subscript below the size. */
static Expr *counter(Step *s, const Node *c, int param) {
    OnnxNode *n = s->n;
    Expr *k = expr_cast(n->ctx, DT_INDEX, expr_load(n->ctx, c->params[param], NULL, 0));
    return expr_bound(n->ctx, k, s->size);
}

/* The row, from k on, with the largest element of column k: i64[batch]. */
static Value *pivot_row(Step *s, Value *a, Value *k) {
    OnnxNode *n = s->n;
    Value *in[] = {a, k};
    Expr *dims[] = {s->batch, s->size};
    Node *c = build_compute_begin(n->g, in, 2, s->t, dims, 2);
    Expr *row = c->vars[1]->self, *column = counter(s, c, 1);
    Expr *size = E1(abs, load3(n, c, 0, c->vars[0]->self, row, column));
    Value *v = build_compute_end(n->g, c, E3(select, E2(ge, row, column), size, real(n, s->t, -1)));
    return v ? build_reduce(n->g, v, "argmax", (int64_t[]){1}, 1, false) : NULL;
}

static Value *swap_rows(Step *s, Value *a, Value *k, Value *pivot) {
    OnnxNode *n = s->n;
    Value *in[] = {a, k, pivot};
    Expr *dims[] = {s->batch, s->size, s->size};
    Node *c = build_compute_begin(n->g, in, 3, s->t, dims, 3);
    Expr *b = c->vars[0]->self, *row = c->vars[1]->self, *here = counter(s, c, 1);
    Expr *there = expr_cast(n->ctx, DT_INDEX, expr_load(n->ctx, c->params[2], &b, 1));
    there = expr_bound(n->ctx, there, s->size);
    Expr *from = E3(select, E2(eq, row, here), there, E3(select, E2(eq, row, there), here, row));
    return build_compute_end(n->g, c, load3(n, c, 0, b, from, c->vars[2]->self));
}

/* Rows below k less a multiple of row k, so that column k becomes 0 there. */
static Value *eliminate(Step *s, Value *a, Value *k) {
    OnnxNode *n = s->n;
    Value *in[] = {a, k};
    Expr *dims[] = {s->batch, s->size, s->size};
    Node *c = build_compute_begin(n->g, in, 2, s->t, dims, 3);
    Expr *b = c->vars[0]->self, *i = c->vars[1]->self, *j = c->vars[2]->self;
    Expr *at = counter(s, c, 1), *pivot = load3(n, c, 0, b, at, at), *zero = real(n, s->t, 0);
    Expr *old = load3(n, c, 0, b, i, j);
    Expr *factor = E2(div, load3(n, c, 0, b, i, at), pivot);
    factor = E3(select, E2(eq, pivot, zero), zero, factor);
    Expr *fresh = E2(sub, old, E2(mul, factor, load3(n, c, 0, b, at, j)));
    return build_compute_end(n->g, c, E3(select, E2(gt, i, at), fresh, old));
}

/* det times the pivot, with the sign of the exchange. */
static Value *grow(Step *s, Value *a, Value *k, Value *pivot, Value *det) {
    OnnxNode *n = s->n;
    Value *in[] = {a, k, pivot, det};
    Node *c = build_compute_begin(n->g, in, 4, s->t, &s->batch, 1);
    Expr *b = c->vars[0]->self, *at = counter(s, c, 1);
    Expr *row = expr_cast(n->ctx, DT_INDEX, expr_load(n->ctx, c->params[2], &b, 1));
    Expr *value = load3(n, c, 0, b, at, at);
    value = E3(select, E2(eq, row, at), value, E1(neg, value));
    return build_compute_end(n->g, c, E2(mul, expr_load(n->ctx, c->params[3], &b, 1), value));
}

static bool fill_round(Step *s, Region *region, Value *k, Value *a, Value *det) {
    OnnxNode *n = s->n;
    Value *pivot = pivot_row(s, a, k);
    a = pivot ? swap_rows(s, a, k, pivot) : NULL;
    det = a ? grow(s, a, k, pivot, det) : NULL;
    a = det ? eliminate(s, a, k) : NULL;
    if (!a) return false;
    region_result(n->g, region, graph_const_i(n->g, DT_BOOL, 1));
    region_result(n->g, region, a);
    region_result(n->g, region, det);
    return true;
}

/* a [batch, size, size] to [batch]. */
static Value *determinant(Step *s, Value *a) {
    OnnxNode *n = s->n;
    Graph *g = n->g;
    Value *one = build_expand(g, graph_const_f(g, s->t, 1), &s->batch, 1);
    Value *in[] = {graph_cells(g, DT_I64, &s->size, 1, 0), NULL, a, one}, *arg[4];
    if (!in[0] || !one) return NULL;
    Node *loop = node_draft(g, OP_loop, in, 4, 2);
    Region *region = region_new(g, loop), *outside = g->at;
    Type types[] = {{.dtype = DT_I64}, {.dtype = DT_BOOL}, a->type, one->type};
    static const char *const names[] = {"k", "cond", "a", "det"};
    for (int i = 0; i < 4; i++) arg[i] = region_arg(g, region, names[i], &types[i]);
    g->at = region;
    bool ok = fill_round(s, region, arg[0], arg[2], arg[3]);
    g->at = outside;
    return ok && node_finish(g, loop) ? loop->out[1] : NULL;
}

ONNX_OP(Det, 11) {
    ATTRS("");
    Value *x = need(n, 0, T_FLOAT);
    if (!x || !want_rank(n, 0, 2, MAX_RANK)) return false;
    int lead = x->type.rank - 2;
    Expr *const *d = x->type.dims;
    int64_t rows, columns;
    if (expr_is_int(d[lead], &rows) && expr_is_int(d[lead + 1], &columns) && rows != columns)
        return bad(n, "a matrix of %lld rows and %lld columns has no determinant", (long long)rows,
                   (long long)columns);
    DType t = x->type.dtype;
    Step s = {n, expr_product(n->ctx, d, lead), d[lead], t == DT_F64 ? DT_F64 : DT_F32};
    Expr *flat[] = {s.batch, d[lead], d[lead]};
    Value *a = reshape_to(n, cast_to(n, x, s.t), flat, 3);
    Value *det = a ? determinant(&s, a) : NULL;
    return give(n, 0, cast_to(n, reshape_to(n, det, d, lead), t));
}
