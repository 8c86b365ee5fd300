/* Matrix products. */
#include "frontend/ops.h"

/* Squeezes dimension `axis` (of size 1). */
static Value *drop_axis(OnnxNode *n, Value *v, int axis) {
    Expr *dims[MAX_RANK];
    for (int i = 0, k = 0; v && i < v->type.rank; i++)
        if (i != axis) dims[k++] = v->type.dims[i];
    return v ? reshape_to(n, v, dims, v->type.rank - 1) : NULL;
}

/* One operand of a batched product: its letters, and the tensor without the dimensions that
 * broadcast. */
typedef struct Operand {
    Value *v;
    char spec[MAX_RANK + 1];
} Operand;

/* Batch dimension `letter` of the result, from the right end of both: where one operand has 1 and
 * the other has not, the former loses the dimension; where that is not known, both are expanded. */
static bool batch_axis(OnnxNode *n, Operand *a, int at_a, Operand *b, int at_b, Expr **expand_a,
                       Expr **expand_b) {
    Expr *da = a->v->type.dims[at_a], *db = b->v->type.dims[at_b], *out;
    *expand_a = *expand_b = NULL;
    if (da == db || expr_is(da, 1) || expr_is(db, 1)) return true;
    if (!broadcast_dims(n->ctx, da, db, &out)) {
        Str s = str_new(n->ctx->perm);
        type_print(&s, &a->v->type);
        str_add(&s, " and ");
        type_print(&s, &b->v->type);
        return bad(n, "batch dimensions of %s do not broadcast", str_c(&s));
    }
    if (out != da) *expand_a = out;
    if (out != db) *expand_b = out;
    return true;
}

Value *expand_axis(OnnxNode *n, Value *v, int axis, Expr *dim) {
    Expr *dims[MAX_RANK];
    if (v->type.dims[axis] == dim) return v;
    memcpy(dims, v->type.dims, sizeof dims);
    dims[axis] = dim;
    return build_expand(n->g, v, dims, v->type.rank);
}

/* Brings the common batch dimensions of both operands together. */
static bool match_batch(OnnxNode *n, Operand *a, Operand *b) {
    int common = MIN(a->v->type.rank, b->v->type.rank) - 2;
    for (int i = 1; i <= common; i++) {
        Expr *to_a, *to_b;
        int at_a = a->v->type.rank - 2 - i, at_b = b->v->type.rank - 2 - i;
        if (!batch_axis(n, a, at_a, b, at_b, &to_a, &to_b)) return false;
        if (to_a && !(a->v = expand_axis(n, a->v, at_a, to_a))) return false;
        if (to_b && !(b->v = expand_axis(n, b->v, at_b, to_b))) return false;
    }
    return true;
}

/* Letters: batch axes a, b, ... counted from the left of the longer operand, then `tail`.
 * Dimensions of 1 whose partner is larger disappear from the operand. */
static bool spell(OnnxNode *n, Operand *o, const Value *other, int batch, const char *tail) {
    int rank = o->v->type.rank, k = 0;
    for (int i = 0, axis = 0; i < rank - 2; i++) {
        int letter = batch - (rank - 2) + i, partner = other->type.rank - 2 - (rank - 2 - i);
        Expr *dim = o->v->type.dims[axis];
        bool gone = partner >= 0 && expr_is(dim, 1) && !expr_is(other->type.dims[partner], 1);
        if (gone && !(o->v = drop_axis(n, o->v, axis))) return false;
        if (gone) continue;
        o->spec[k++] = (char)('a' + letter);
        axis++;
    }
    memcpy(o->spec + k, tail, strlen(tail) + 1);
    return true;
}

/* a [..., m, k] times b [..., k, n], batch dimensions broadcast. */
static Value *batched_product(OnnxNode *n, Value *va, Value *vb) {
    Operand a = {.v = va}, b = {.v = vb};
    if (!match_batch(n, &a, &b)) return NULL;
    va = a.v, vb = b.v;
    int batch = MAX(va->type.rank, vb->type.rank) - 2;
    char spec[4 * MAX_RANK + 8];
    if (!spell(n, &a, vb, batch, "yz") || !spell(n, &b, va, batch, "zx")) return NULL;
    int at = snprintf(spec, sizeof spec, "%s,%s->", a.spec, b.spec);
    for (int i = 0; i < batch; i++) spec[at++] = (char)('a' + i);
    memcpy(spec + at, "yx", 3);
    return build_contract(n->g, a.v, b.v, NULL, spec);
}

/* numpy's matmul: a vector is a row on the left and a column on the right. */
Value *matmul(OnnxNode *n, Value *a, Value *b) {
    if (!a || !b) return NULL;
    if (!a->type.rank || !b->type.rank) return bad(n, "a scalar cannot be multiplied"), NULL;
    bool row = a->type.rank == 1, column = b->type.rank == 1;
    if (row) a = unsqueeze(n, a, 0);
    if (column) b = unsqueeze(n, b, 1);
    Value *y = a && b ? batched_product(n, a, b) : NULL;
    if (column) y = drop_axis(n, y, y ? y->type.rank - 1 : 0);
    if (row) y = drop_axis(n, y, y ? y->type.rank - (column ? 1 : 2) : 0);
    return y;
}

ONNX_OP(MatMul, 1) {
    ATTRS("");
    Value *a = need(n, 0, T_NUM), *b = need(n, 1, T_NUM);
    return a && b && same_dtype(n, 0, 1) && give(n, 0, matmul(n, a, b));
}

static Value *scaled(OnnxNode *n, Value *v, double by) {
    bool exact = dtype_is_float(v->type.dtype);
    return by == 1 ? v : bin(n, SOP_mul, v, exact ? flt(n, v, by) : num(n, v, (int64_t)by));
}

ONNX_OP(Gemm, 1) {
    ATTRS("alpha:f beta:f transA:i transB:i broadcast:i<7");
    Value *a = need(n, 0, T_NUM), *b = need(n, 1, T_NUM), *c = maybe(n, 2, T_NUM);
    if (!a || !b || (!c && has(n, 2)) || !same_dtype(n, 0, 1) || !same_dtype(n, 0, 2)) return false;
    if (!want_rank(n, 0, 2, 2) || !want_rank(n, 1, 2, 2)) return false;
    double alpha = attr_float(n, "alpha", 1), beta = attr_float(n, "beta", 1);
    const char *left = attr_int(n, "transA", 0) ? "km" : "mk",
               *right = attr_int(n, "transB", 0) ? "nk" : "kn";
    const char *spec = arena_printf(n->ctx->perm, "%s,%s->mn", left, right);
    if (beta == 0) c = NULL;
    if (c && !(c = scaled(n, c, beta))) return false;
    if (alpha == 1) return give(n, 0, build_contract(n->g, a, b, c, spec));
    Value *y = build_contract(n->g, a, b, NULL, spec);
    y = y ? scaled(n, y, alpha) : NULL;
    return give(n, 0, c ? bin(n, SOP_add, y, c) : y);
}
