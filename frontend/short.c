/* Shorthands that operators are written in (ops.h). NULL stands for a failure that was reported. */
#include "frontend/import.h"

Expr *ix(OnnxNode *n, int64_t v) {
    return expr_int(n->ctx, v);
}

Value *flt(OnnxNode *n, const Value *like, double v) {
    return like ? graph_const_f(n->g, like->type.dtype, v) : NULL;
}

Value *num(OnnxNode *n, const Value *like, int64_t v) {
    if (!like) return NULL;
    DType t = like->type.dtype;
    return dtype_is_float(t) ? graph_const_f(n->g, t, (double)v) : graph_const_i(n->g, t, v);
}

Value *un(OnnxNode *n, ScalarOp op, Value *a) {
    return a ? build_unary(n->g, op, a) : NULL;
}

Value *bin(OnnxNode *n, ScalarOp op, Value *a, Value *b) {
    return a && b ? build_binary(n->g, op, a, b) : NULL;
}

Value *sel(OnnxNode *n, Value *c, Value *a, Value *b) {
    return c && a && b ? build_select(n->g, c, a, b) : NULL;
}

Value *cast_to(OnnxNode *n, Value *v, DType t) {
    return !v || v->type.dtype == t ? v : build_cast(n->g, v, t);
}

/* Do the dims stay as they are? */
static bool same_dims(const Value *v, Expr *const *dims, int rank) {
    if (v->type.rank != rank) return false;
    for (int i = 0; i < rank; i++)
        if (v->type.dims[i] != dims[i]) return false;
    return true;
}

Value *reshape_to(OnnxNode *n, Value *v, Expr *const *dims, int rank) {
    if (!v || same_dims(v, dims, rank)) return v;
    return build_reshape(n->g, v, dims, rank);
}

Value *unsqueeze(OnnxNode *n, Value *v, int axis) {
    Expr *dims[MAX_RANK + 1];
    if (!v) return NULL;
    if (v->type.rank == MAX_RANK) return bad(n, "rank would exceed %d", MAX_RANK), NULL;
    for (int i = 0; i <= v->type.rank; i++)
        dims[i] = i < axis ? v->type.dims[i] : i == axis ? ix(n, 1) : v->type.dims[i - 1];
    return reshape_to(n, v, dims, v->type.rank + 1);
}

Value *per_channel(OnnxNode *n, Value *v, int rank) {
    Expr *dims[MAX_RANK];
    if (!v) return NULL;
    if (v->type.rank != 1) return bad(n, "a list with one element per channel is expected"), NULL;
    if (rank < 3) return v;
    dims[0] = v->type.dims[0];
    for (int i = 1; i < rank - 1; i++) dims[i] = ix(n, 1);
    return reshape_to(n, v, dims, rank - 1);
}

Value *transpose_to(OnnxNode *n, Value *v, const int64_t *perm) {
    bool same = true;
    for (int i = 0; v && i < v->type.rank; i++) same = same && perm[i] == i;
    return !v || same ? v : build_transpose(n->g, v, perm);
}

Value *constant_of(OnnxNode *n, const TensorProto *t) {
    Const *data;
    Type type;
    if (!tensor_read(n->import->model, &n->loc, t, &data, &type)) return NULL;
    return graph_const(n->g, NULL, data, &type);
}

Value *sparse_constant(OnnxNode *n, const char *attribute) {
    Const *data;
    Type type;
    if (!sparse_read(n->import->model, &n->loc, attr_sparse(n, attribute), &data, &type))
        return NULL;
    return graph_const(n->g, NULL, data, &type);
}

Expr *at_least(OnnxNode *n, Expr *e, int64_t least) {
    return expr_max(n->ctx, e, ix(n, least));
}

Expr *real(OnnxNode *n, DType t, double v) {
    return expr_const_flt(n->ctx, t, v);
}
