/* Result types of the views: transpose, reshape, expand, slice, pad, concat. */
#include "ir/graph_infer.h"
#include "ir/kernel.h"

bool infer_transpose(Graph *g, Node *n) {
    const Type *x = &n->in[0]->type;
    const int64_t *perm;
    int count = node_ints(n, "perm", &perm);
    if (!infer_count(g, n, "perm", count, x->rank)) return false;
    if (!infer_axes(g, n, "perm", perm, count, x->rank)) return false;
    Expr *dims[MAX_RANK];
    for (int i = 0; i < count; i++) dims[i] = x->dims[perm[i]];
    infer_set(n, 0, x->dtype, dims, count);
    return true;
}

static bool fail_shape(Graph *g, Node *n, const char *text, Expr *const *shape, int rank) {
    Type to = type_make(n->in[0]->type.dtype, shape, rank);
    Str s = str_new(g->ctx->perm);
    type_print(&s, &n->in[0]->type);
    str_fmt(&s, " %s ", text);
    type_print(&s, &to);
    return infer_fail(g, n, "%s", str_c(&s));
}

static bool shape_attr(Graph *g, Node *n, Expr *const **shape, int *rank) {
    *rank = node_exprs(n, "shape", shape);
    return *rank <= MAX_RANK || infer_fail(g, n, "rank %d is above %d", *rank, MAX_RANK);
}

bool infer_reshape(Graph *g, Node *n) {
    Expr *const *shape = NULL;
    int rank;
    if (!shape_attr(g, n, &shape, &rank)) return false;
    Expr *have = type_elements(g->ctx, &n->in[0]->type), *want = expr_product(g->ctx, shape, rank);
    if (dims_differ(g->ctx, have, want))
        return fail_shape(g, n, "does not have as many elements as", shape, rank);
    infer_set(n, 0, n->in[0]->type.dtype, shape, rank);
    return true;
}

bool infer_expand(Graph *g, Node *n) {
    const Type *x = &n->in[0]->type;
    Expr *const *shape = NULL;
    int rank;
    if (!shape_attr(g, n, &shape, &rank)) return false;
    bool fits = x->rank <= rank;
    for (int i = 0; fits && i < x->rank; i++)
        fits =
            expr_is(x->dims[i], 1) || !dims_differ(g->ctx, x->dims[i], shape[rank - x->rank + i]);
    if (!fits) return fail_shape(g, n, "does not broadcast to", shape, rank);
    infer_set(n, 0, x->dtype, shape, rank);
    return true;
}

static bool slice_inside(Graph *g, Node *n, int axis, Expr *start, int64_t step, Expr *len) {
    int64_t dim, from, count;
    Expr *whole = n->in[0]->type.dims[axis];
    if (!expr_is_int(whole, &dim) || !expr_is_int(start, &from) || !expr_is_int(len, &count) ||
        count == 0)
        return true;
    int64_t last;
    bool overflow =
        __builtin_mul_overflow(count - 1, step, &last) || __builtin_add_overflow(from, last, &last);
    if (count > 0 && !overflow && from >= 0 && from < dim && last >= 0 && last < dim) return true;
    return infer_fail(g, n, "axis %d: %lld elements from %lld by %lld are not inside 0..%lld", axis,
                      (long long)count, (long long)from, (long long)step, (long long)dim - 1);
}

bool infer_slice(Graph *g, Node *n) {
    const Type *x = &n->in[0]->type;
    Expr *const *starts = NULL, *const *shape = NULL;
    const int64_t *steps = NULL;
    if (!infer_count(g, n, "starts", node_exprs(n, "starts", &starts), x->rank)) return false;
    if (!infer_count(g, n, "shape", node_exprs(n, "shape", &shape), x->rank)) return false;
    if (!infer_count(g, n, "steps", node_ints(n, "steps", &steps), x->rank)) return false;
    for (int i = 0; i < x->rank; i++)
        if (!slice_inside(g, n, i, starts[i], steps[i], shape[i])) return false;
    infer_set(n, 0, x->dtype, shape, x->rank);
    return true;
}

bool infer_pad(Graph *g, Node *n) {
    const Type *x = &n->in[0]->type;
    Expr *const *lo = NULL, *const *hi = NULL;
    if (!infer_one_of(g, n, "mode", "constant|reflect|edge|wrap")) return false;
    if (!infer_count(g, n, "lo", node_exprs(n, "lo", &lo), x->rank)) return false;
    if (!infer_count(g, n, "hi", node_exprs(n, "hi", &hi), x->rank)) return false;
    Expr *dims[MAX_RANK];
    for (int i = 0; i < x->rank; i++)
        dims[i] = expr_add(g->ctx, expr_add(g->ctx, x->dims[i], lo[i]), hi[i]);
    infer_set(n, 0, x->dtype, dims, x->rank);
    return true;
}

bool infer_concat(Graph *g, Node *n) {
    Type out = n->in[0]->type;
    if (!infer_axis(g, n, out.rank)) return false;
    int axis = (int)node_int(n, "axis", 0);
    for (int k = 1; k < n->n_in; k++) {
        const Type *t = &n->in[k]->type;
        if (t->dtype != out.dtype)
            return infer_fail(g, n, "element types %s and %s differ", dtype_name(out.dtype),
                              dtype_name(t->dtype));
        if (t->rank != out.rank)
            return infer_fail(g, n, "ranks %d and %d differ", out.rank, t->rank);
        for (int i = 0; i < out.rank; i++) {
            if (i == axis) out.dims[i] = expr_add(g->ctx, out.dims[i], t->dims[i]);
            else if (dims_differ(g->ctx, out.dims[i], t->dims[i]))
                return infer_fail(g, n, "axis %d differs between input 0 and %d", i, k);
            else if (expr_is_int(t->dims[i], NULL)) out.dims[i] = t->dims[i];
        }
    }
    n->out[0]->type = out;
    return true;
}

bool infer_compute(Graph *g, Node *n) {
    Ctx *ctx = g->ctx;
    Type out = n->out[0]->type;
    if (!n->body || out.rank > MAX_RANK) return infer_fail(g, n, "compute has no body");
    n->body = expr_resolve(ctx, n->body);
    if (n->body->type != out.dtype)
        return infer_fail(g, n, "the body is %s, the result %s", dtype_name(n->body->type),
                          dtype_name(out.dtype));
    for (int i = 0; i < out.rank; i++) {
        n->vars[i]->extent = expr_resolve(ctx, n->vars[i]->extent);
        out.dims[i] = n->vars[i]->extent;
    }
    for (int k = 0; k < n->n_in; k++)
        for (int i = 0; n->in[k] && i < n->in[k]->type.rank; i++)
            n->params[k]->dims[i] = n->in[k]->type.dims[i];
    n->out[0]->type = out;
    return true;
}
