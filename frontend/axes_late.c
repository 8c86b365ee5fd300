/* Axes whose numbers only the run knows (ops.h). How many they are is known, so all ranks are;
 * sizes become choices: `select(axes_0 == 1, 1, N)`. The program checks the numbers when it reads
 * them. */
#include "frontend/import.h"

bool is_late(OnnxNode *n, int k) {
    int64_t count = 1, v;
    Expr *e;
    if (!has(n, k)) return false;
    const Type *t = &n->in[k]->type;
    if (t->rank == 1 && !expr_is_int(t->dims[0], &count)) return false;
    for (int64_t i = 0; i < count; i++)
        if (!value_known(n->in[k], i, &e) || !expr_is_int(e, &v)) return true;
    return false;
}

bool late_axes(OnnxNode *n, int k, int rank, LateAxes *a) {
    Value *v = need(n, k, T_S);
    int64_t count = 1;
    if (!v || !want_rank(n, k, 0, 1)) return false;
    if (v->type.rank && !expr_is_int(v->type.dims[0], &count))
        return bad(n, "length of input %d must be known when compiling", k);
    if (count > rank) return bad(n, "%lld axes for rank %d", (long long)count, rank);
    a->n = (int)count;
    for (int i = 0; i < a->n; i++) {
        Expr *e = value_cell(n->g, v, i, -rank, rank - 1);
        if (!e) return false;
        Expr *negative = expr_op2(n->ctx, SOP_lt, e, ix(n, 0));
        a->at[i] = expr_op3(n->ctx, SOP_select, negative, expr_addi(n->ctx, e, rank), e);
    }
    return true;
}

Expr *late_pick(OnnxNode *n, const LateAxes *a, int axis, Expr *const *of, Expr *otherwise) {
    for (int i = a->n - 1; i >= 0; i--) {
        Expr *here = expr_op2(n->ctx, SOP_eq, a->at[i], ix(n, axis));
        otherwise = expr_op3(n->ctx, SOP_select, here, of[i], otherwise);
    }
    return otherwise;
}

Expr *late_choose(OnnxNode *n, const LateAxes *a, int axis, Expr *yes, Expr *no) {
    Expr *of[MAX_RANK];
    for (int i = 0; i < a->n; i++) of[i] = yes;
    return late_pick(n, a, axis, of, no);
}

/* How many of the axes in front of `axis` are not among them. */
static Expr *others_before(OnnxNode *n, const LateAxes *a, int axis) {
    Expr *sum = ix(n, 0);
    for (int i = 0; i < axis; i++)
        sum = expr_add(n->ctx, sum, late_choose(n, a, i, ix(n, 0), ix(n, 1)));
    return sum;
}

void late_rest(OnnxNode *n, const LateAxes *a, const Type *t, Expr **dims) {
    Ctx *c = n->ctx;
    for (int k = 0; k < t->rank - a->n; k++) {
        Expr *size = ix(n, 1);
        for (int i = t->rank - 1; i >= 0; i--) {
            Expr *here = expr_op2(c, SOP_eq, others_before(n, a, i), ix(n, k));
            Expr *taken = expr_op3(c, SOP_select, here, t->dims[i], size);
            size = late_choose(n, a, i, size, taken);
        }
        dims[k] = size;
    }
}

void late_insert(OnnxNode *n, const LateAxes *a, const Type *t, Expr **dims) {
    Ctx *c = n->ctx;
    for (int i = 0; i < t->rank + a->n; i++) {
        Expr *from = others_before(n, a, i), *size = ix(n, 1);
        for (int k = MIN(i, t->rank - 1); k >= 0; k--) {
            Expr *here = expr_op2(c, SOP_eq, from, ix(n, k));
            size = expr_op3(c, SOP_select, here, t->dims[k], size);
        }
        dims[i] = late_choose(n, a, i, ix(n, 1), size);
    }
}

/* The axes' elements in their order of memory are numbered by the last variable. */
Value *late_gather(OnnxNode *n, const LateAxes *a, Value *x) {
    Expr *dims[MAX_RANK + 1], *extent[MAX_RANK], *at[MAX_RANK], *stride = ix(n, 1);
    int rank = x->type.rank;
    Ctx *c = n->ctx;
    if (rank == MAX_RANK) return bad(n, "rank would exceed %d", MAX_RANK), NULL;
    for (int i = 0; i < rank; i++) {
        Expr *size = x->type.dims[i];
        extent[i] = late_choose(n, a, i, size, ix(n, 1));
        dims[i] = late_choose(n, a, i, ix(n, 1), size);
    }
    dims[rank] = expr_product(c, extent, rank);
    Node *y = build_compute_begin(n->g, &x, 1, x->type.dtype, dims, rank + 1);
    for (int i = rank - 1; i >= 0; i--) {
        Expr *inner = expr_mod(c, expr_floordiv(c, y->vars[rank]->self, stride), extent[i]);
        at[i] = expr_add(c, y->vars[i]->self, inner);
        stride = expr_mul(c, stride, extent[i]);
    }
    return build_compute_end(n->g, y, expr_load(c, y->params[0], at, rank));
}

void late_split(OnnxNode *n, const LateAxes *a, Expr *const *sizes, int rank, Expr **dims) {
    Ctx *c = n->ctx;
    Expr *one = ix(n, 1), *at = a->at[0];
    for (int k = 0; k < 3; k++) dims[k] = one;
    for (int i = 0; i < rank; i++) {
        Expr *here = ix(n, i), *in_front = expr_op2(c, SOP_lt, here, at),
             *behind = expr_op2(c, SOP_lt, at, here);
        dims[0] = expr_mul(c, dims[0], expr_op3(c, SOP_select, in_front, sizes[i], one));
        dims[1] = expr_mul(c, dims[1], late_choose(n, a, i, sizes[i], one));
        dims[2] = expr_mul(c, dims[2], expr_op3(c, SOP_select, behind, sizes[i], one));
    }
}
