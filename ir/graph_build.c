/* Shorthands for importers and passes. What changes nothing makes no node: the operand is returned.
 */
#include "ir/graph.h"
#include "ir/kernel.h"

static Value *finish(Graph *g, Node *n) {
    return node_finish(g, n) ? n->out[0] : NULL;
}

Value *build_unary(Graph *g, ScalarOp op, Value *x) {
    return finish(g, node_draft(g, (Op)(OP_SCALAR + op), &x, 1, 1));
}

Value *build_binary(Graph *g, ScalarOp op, Value *a, Value *b) {
    Value *in[] = {a, b};
    return finish(g, node_draft(g, (Op)(OP_SCALAR + op), in, 2, 1));
}

Value *build_select(Graph *g, Value *c, Value *a, Value *b) {
    Value *in[] = {c, a, b};
    return finish(g, node_draft(g, (Op)(OP_SCALAR + SOP_select), in, 3, 1));
}

Value *build_cast(Graph *g, Value *x, DType to) {
    if (x->type.dtype == to) return x;
    Node *n = node_draft(g, (Op)(OP_SCALAR + SOP_cast), &x, 1, 1);
    node_set_str(g, n, "to", dtype_name(to));
    return finish(g, n);
}

Value *build_transpose(Graph *g, Value *x, const int64_t *perm) {
    bool same = true;
    for (int i = 0; i < x->type.rank; i++) same &= perm[i] == i;
    if (same) return x;
    Node *n = node_draft(g, OP_transpose, &x, 1, 1);
    node_set_ints(g, n, "perm", perm, x->type.rank);
    return finish(g, n);
}

static bool has_shape(Graph *g, const Value *x, Expr *const *shape, int rank) {
    if (rank > MAX_RANK) return false;
    Type to = type_make(x->type.dtype, shape, rank);
    return type_equal(g->ctx, &x->type, &to);
}

static Value *shaped(Graph *g, Op op, Value *x, Expr *const *shape, int rank) {
    if (has_shape(g, x, shape, rank)) return x;
    Node *n = node_draft(g, op, &x, 1, 1);
    node_set_exprs(g, n, "shape", shape, rank);
    return finish(g, n);
}

Value *build_reshape(Graph *g, Value *x, Expr *const *shape, int rank) {
    return shaped(g, OP_reshape, x, shape, rank);
}

Value *build_expand(Graph *g, Value *x, Expr *const *shape, int rank) {
    return shaped(g, OP_expand, x, shape, rank);
}

Value *build_slice(Graph *g, Value *x, Expr *const *starts, const int64_t *steps,
                   Expr *const *shape) {
    bool whole = has_shape(g, x, shape, x->type.rank);
    for (int i = 0; i < x->type.rank; i++) whole &= steps[i] == 1 && expr_is(starts[i], 0);
    if (whole) return x;
    Node *n = node_draft(g, OP_slice, &x, 1, 1);
    node_set_exprs(g, n, "starts", starts, x->type.rank);
    node_set_ints(g, n, "steps", steps, x->type.rank);
    node_set_exprs(g, n, "shape", shape, x->type.rank);
    return finish(g, n);
}

Value *build_slice_axis(Graph *g, Value *x, int axis, Expr *start, Expr *len) {
    Expr *starts[MAX_RANK], *shape[MAX_RANK];
    int64_t steps[MAX_RANK];
    for (int i = 0; i < x->type.rank; i++) {
        starts[i] = i == axis ? start : expr_int(g->ctx, 0);
        shape[i] = i == axis ? len : x->type.dims[i];
        steps[i] = 1;
    }
    return build_slice(g, x, starts, steps, shape);
}

Value *build_concat(Graph *g, Value *const *in, int n_in, int axis) {
    if (n_in == 1) return in[0];
    Node *n = node_draft(g, OP_concat, in, n_in, 1);
    node_set_int(g, n, "axis", axis);
    return finish(g, n);
}

Value *build_pad(Graph *g, Value *x, Expr *const *lo, Expr *const *hi, const char *mode,
                 double value) {
    bool none = true;
    for (int i = 0; i < x->type.rank; i++) none &= expr_is(lo[i], 0) && expr_is(hi[i], 0);
    if (none) return x;
    Node *n = node_draft(g, OP_pad, &x, 1, 1);
    node_set_exprs(g, n, "lo", lo, x->type.rank);
    node_set_exprs(g, n, "hi", hi, x->type.rank);
    node_set_str(g, n, "mode", mode);
    node_set_flt(g, n, "value", value);
    return finish(g, n);
}

Value *build_reduce(Graph *g, Value *x, const char *kind, const int64_t *axes, int n_axes,
                    bool keepdims) {
    Node *n = node_draft(g, OP_reduce, &x, 1, 1);
    node_set_str(g, n, "kind", kind);
    node_set_ints(g, n, "axes", axes, n_axes);
    node_set_int(g, n, "keepdims", keepdims);
    return finish(g, n);
}

Value *build_contract(Graph *g, Value *x, Value *w, Value *bias, const char *spec) {
    Value *in[] = {x, w, bias};
    Node *n = node_draft(g, OP_contract, in, bias ? 3 : 2, 1);
    node_set_str(g, n, "spec", spec);
    return finish(g, n);
}

Value *build_softmax(Graph *g, Value *x, int axis, bool log) {
    Node *n = node_draft(g, OP_softmax, &x, 1, 1);
    node_set_int(g, n, "axis", axis);
    node_set_int(g, n, "log", log);
    return finish(g, n);
}

Value *build_norm(Graph *g, Value *x, Value *scale, Value *bias, const int64_t *axes, int n_axes,
                  double eps, bool center) {
    Value *in[] = {x, scale, bias};
    Node *n = node_draft(g, OP_norm, in, bias ? 3 : scale ? 2 : 1, 1);
    node_set_ints(g, n, "axes", axes, n_axes);
    node_set_flt(g, n, "eps", eps);
    node_set_int(g, n, "center", center);
    return finish(g, n);
}

/* ---- comprehensions ---- */

Node *build_compute_begin(Graph *g, Value *const *in, int n_in, DType dtype, Expr *const *shape,
                          int rank) {
    Ctx *ctx = g->ctx;
    Node *n = node_draft(g, OP_compute, in, n_in, 1);
    CHECK(rank <= MAX_RANK);
    n->out[0]->type = type_make(dtype, shape, rank);
    n->vars = NEW_ARRAY(ctx->perm, Var *, rank + 1);
    for (int i = 0; i < rank; i++)
        n->vars[i] = var_new(ctx, arena_printf(ctx->perm, "d%d", i), shape[i]);
    n->params = NEW_ARRAY(ctx->perm, Tensor *, n_in + 1);
    for (int i = 0; i < n_in; i++) {
        const Type *t = &in[i]->type;
        n->params[i] =
            tensor_new(ctx, arena_printf(ctx->perm, "x%d", i), t->dtype, t->dims, t->rank, SP_TEMP);
    }
    return n;
}

Value *build_compute_end(Graph *g, Node *n, Expr *body) {
    n->body = body;
    return finish(g, n);
}

static bool all_ints(Expr *const *cells, int n) {
    for (int i = 0; i < n; i++)
        if (!expr_is_int(cells[i], NULL)) return false;
    return true;
}

static Value *const_cells(Graph *g, DType dtype, Expr *const *cells, int n, const Type *type) {
    size_t bytes = dtype_bytes(dtype);
    char *data = arena_alloc(g->ctx->perm, bytes * (size_t)n + 1);
    for (int i = 0; i < n; i++)
        memcpy(data + (size_t)i * bytes, const_new_int(g->ctx, dtype, cells[i]->i)->data, bytes);
    return graph_const(g, NULL, const_new(g->ctx, dtype, n, data), type);
}

Value *graph_cells(Graph *g, DType dtype, Expr *const *cells, int n, int rank) {
    Ctx *ctx = g->ctx;
    Expr *shape = expr_int(ctx, n);
    CHECK(rank <= 1 && (rank == 1 || n == 1));
    Type type = type_make(dtype, &shape, rank);
    if (all_ints(cells, n)) return const_cells(g, dtype, cells, n, &type);
    Node *c = build_compute_begin(g, NULL, 0, dtype, &shape, rank);
    Expr *body = expr_cast(ctx, dtype, cells[n - 1]);
    for (int i = n - 2; i >= 0; i--) {
        Expr *here = expr_op2(ctx, SOP_eq, c->vars[0]->self, expr_int(ctx, i));
        body = expr_op3(ctx, SOP_select, here, expr_cast(ctx, dtype, cells[i]), body);
    }
    return build_compute_end(g, c, body);
}

/* ---- values as dimensions ---- */

bool value_known(Value *v, int64_t index, Expr **out) {
    if (!v->cells || index < 0 || index >= v->n_cells || !v->cells[index]) return false;
    *out = v->cells[index];
    return true;
}

/* Right after the value, so that every use of the symbol lies behind it, wherever in the regions.
 */
static bool place_bind(Graph *g, Node *bind, Value *v) {
    Region *at = g->at, *home = v->def ? v->def->parent : v->home;
    Node *where = v->def ? v->def->next : home ? home->first : NULL;
    if (home) g->at = home;
    bool ok = node_finish_at(g, bind, where);
    g->at = at;
    return ok;
}

Expr *value_cell(Graph *g, Value *v, int64_t index, int64_t lo, int64_t hi) {
    Expr *known;
    if (value_known(v, index, &known)) return known;
    if (v->data && !v->data->missing && index >= 0 && index < v->data->elements)
        return expr_int(g->ctx, const_get_int(v->data, index));
    const char *name = arena_printf(g->ctx->perm, "%s_%lld", v->name, (long long)index);
    Sym *s = graph_sym(g, SYM_VALUE, name, lo, hi);
    Node *bind = node_draft(g, OP_bind, &v, 1, 0);
    node_set_str(g, bind, "sym", s->name);
    node_set_int(g, bind, "index", index);
    return place_bind(g, bind, v) ? expr_sym(g->ctx, s) : NULL;
}

Expr *build_gather_index(Graph *g, Expr *i, Expr *extent) {
    Ctx *ctx = g->ctx;
    if (i->type != DT_INDEX) i = expr_cast(ctx, DT_INDEX, i);
    if (!expr_prove_ge0(ctx, i)) {
        Expr *negative = expr_op2(ctx, SOP_lt, i, expr_int(ctx, 0));
        i = expr_op3(ctx, SOP_select, negative, expr_add(ctx, i, extent), i);
    }
    return expr_bound(ctx, i, extent);
}
