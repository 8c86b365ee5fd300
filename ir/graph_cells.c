/* Cells: the elements of small integer tensors as index expressions (SoD2's V-map), computed
 * together with the types.
 *
 * A bool cell is 0, 1 or select(condition, 1, 0). Integer arithmetic is taken as exact: sizes that
 * overflow are caught where they are bound. An element that cannot be expressed is NULL. */
#include "ir/graph_infer.h"
#include "ir/kernel.h"

static Expr *to_condition(Ctx *ctx, Expr *cell) {
    int64_t v;
    if (expr_is_int(cell, &v)) return expr_const_int(ctx, DT_BOOL, v != 0);
    bool wrapped = cell->kind == E_OP && cell->op == SOP_select && expr_is(cell->arg[1], 1) &&
                   expr_is(cell->arg[2], 0);
    return wrapped ? cell->arg[0] : expr_op2(ctx, SOP_ne, cell, expr_int(ctx, 0));
}

static Expr *from_condition(Ctx *ctx, Expr *condition) {
    int64_t v;
    if (expr_is_int(condition, &v)) return expr_int(ctx, v != 0);
    return expr_op3(ctx, SOP_select, condition, expr_int(ctx, 1), expr_int(ctx, 0));
}

/* Division toward zero is floor division where nothing is negative. */
static Expr *divide(Ctx *ctx, Expr *a, Expr *b) {
    int64_t x, y;
    if (expr_is_int(a, &x) && expr_is_int(b, &y))
        return y == 0 ? expr_int(ctx, 0) : y == -1 ? expr_muli(ctx, a, -1) : expr_int(ctx, x / y);
    if (!expr_prove_ge0(ctx, a) || !expr_prove_ge0(ctx, expr_addi(ctx, b, -1))) return NULL;
    return expr_floordiv(ctx, a, b);
}

static Expr *absolute(Ctx *ctx, Expr *a) {
    return expr_max(ctx, a, expr_muli(ctx, a, -1));
}

/* Does a cell keep its value in this type? */
static bool fits(Ctx *ctx, DType t, Expr *e) {
    int64_t lo, hi;
    if (t == DT_I64 || t == DT_INDEX || (t == DT_I32 && !expr_is_int(e, NULL))) return true;
    bool known = expr_range(ctx, e, &lo, &hi);
    int bits = dtype_bits(t);
    if (t == DT_U64) return known && lo >= 0;
    if (!known) return false;
    if (dtype_is_unsigned(t)) return lo >= 0 && hi < (int64_t)1 << bits;
    return lo >= -((int64_t)1 << (bits - 1)) && hi < (int64_t)1 << (bits - 1);
}

static Expr *cast_cell(Ctx *ctx, DType to, Expr *a) {
    if (to == DT_BOOL) return from_condition(ctx, to_condition(ctx, a));
    if (!dtype_is_int(to)) return NULL;
    return fits(ctx, to, a) ? a : NULL;
}

static Expr *logic(Ctx *ctx, ScalarOp op, Expr *const *a, int n) {
    Expr *c[2];
    for (int i = 0; i < n; i++) c[i] = to_condition(ctx, a[i]);
    return from_condition(ctx, n == 1 ? expr_op1(ctx, op, c[0]) : expr_op2(ctx, op, c[0], c[1]));
}

/* One element of a pointwise operation of operand type `t`. */
static Expr *cell_op(Ctx *ctx, ScalarOp op, DType t, Expr *const *a) {
    if (op == SOP_select && a[0]) {
        int64_t which;
        if (expr_is_int(a[0], &which)) return a[which ? 1 : 2];
    }
    for (int i = 0; i < scalar_info[op].arity; i++)
        if (!a[i]) return NULL;
    switch (op) {
    case SOP_add: return expr_add(ctx, a[0], a[1]);
    case SOP_sub: return expr_sub(ctx, a[0], a[1]);
    case SOP_mul: return expr_mul(ctx, a[0], a[1]);
    case SOP_neg: return expr_muli(ctx, a[0], -1);
    case SOP_abs: return absolute(ctx, a[0]);
    case SOP_min: return expr_min(ctx, a[0], a[1]);
    case SOP_max: return expr_max(ctx, a[0], a[1]);
    case SOP_div: return divide(ctx, a[0], a[1]);
    case SOP_floordiv: return expr_is(a[1], 0) ? expr_int(ctx, 0) : expr_floordiv(ctx, a[0], a[1]);
    case SOP_mod: return expr_is(a[1], 0) ? expr_int(ctx, 0) : expr_mod(ctx, a[0], a[1]);
    case SOP_rem: {
        Expr *q = divide(ctx, a[0], a[1]);
        return q ? expr_sub(ctx, a[0], expr_mul(ctx, q, a[1])) : NULL;
    }
    case SOP_eq:
    case SOP_ne:
    case SOP_lt:
    case SOP_le:
    case SOP_gt:
    case SOP_ge: return from_condition(ctx, expr_op2(ctx, op, a[0], a[1]));
    case SOP_and:
    case SOP_or:
    case SOP_xor: return t == DT_BOOL ? logic(ctx, op, a, 2) : NULL;
    case SOP_not: return t == DT_BOOL ? logic(ctx, op, a, 1) : NULL;
    case SOP_select: return expr_op3(ctx, SOP_select, to_condition(ctx, a[0]), a[1], a[2]);
    default: return NULL;
    }
}

/* ---- the elements of a comprehension ---- */

static Expr *cell_of(Graph *g, Node *n, const Expr *e);

static Expr *loaded(Graph *g, Node *n, const Expr *e) {
    for (int k = 0; k < n->n_in; k++) {
        if (n->params[k] != e->tensor || !n->in[k]->cells) continue;
        int64_t flat = 0;
        for (int i = 0; i < e->n; i++) {
            int64_t at, dim;
            Expr *index = cell_of(g, n, e->arg[i]);
            if (!index || !expr_is_int(index, &at) || !expr_is_int(n->in[k]->type.dims[i], &dim))
                return NULL;
            if (at < 0 || at >= dim) return NULL;
            flat = flat * dim + at;
        }
        return n->in[k]->cells[flat];
    }
    return NULL;
}

static Expr *folded(Graph *g, Node *n, const Expr *e) {
    Expr *total = expr_int(g->ctx, e->i);
    for (int i = 0; i < e->n; i++) {
        Expr *term = cell_of(g, n, e->arg[i]);
        if (!term) return NULL;
        total = e->kind == E_SUM ? expr_add(g->ctx, total, term) : expr_mul(g->ctx, total, term);
    }
    return total;
}

/* The value of an element expression as an index expression; NULL where it has none. */
static Expr *cell_of(Graph *g, Node *n, const Expr *e) {
    Ctx *ctx = g->ctx;
    if (e->type == DT_INDEX && !expr_has_load(e)) return (Expr *)e;
    Expr *arg[3] = {NULL};
    if (e->kind == E_INT) return expr_int(ctx, e->i);
    if (e->kind == E_LOAD) return loaded(g, n, e);
    if (e->kind == E_SUM || e->kind == E_PROD) return folded(g, n, e);
    if (e->kind == E_FLT || e->n > 3) return NULL;
    for (int i = 0; i < e->n; i++) arg[i] = cell_of(g, n, e->arg[i]);
    if (e->kind == E_BOUND) return arg[0] && arg[1] ? expr_bound(ctx, arg[0], arg[1]) : NULL;
    if (e->kind == E_GUARD) return cell_op(ctx, SOP_select, e->type, arg);
    if (e->kind != E_OP) return NULL;
    if (e->op == SOP_cast) return arg[0] ? cast_cell(ctx, e->type, arg[0]) : NULL;
    return cell_op(ctx, e->op, e->arg[0]->type, arg);
}

static Expr *computed(Graph *g, Node *n, const int64_t *at) {
    Expr *by[MAX_RANK];
    int rank = n->out[0]->type.rank;
    for (int i = 0; i < rank; i++) by[i] = expr_int(g->ctx, at[i]);
    Subst s = {n->vars, by, rank};
    return cell_of(g, n, expr_subst(g->ctx, n->body, &s));
}

/* ---- where an element comes from ---- */

static void unflatten(const Type *t, int64_t flat, int64_t *at) {
    for (int i = t->rank - 1; i >= 0; i--) {
        int64_t dim;
        expr_is_int(t->dims[i], &dim);
        at[i] = flat % dim;
        flat /= dim;
    }
}

static Expr *cell_at(const Value *v, const int64_t *at) {
    int64_t flat = 0;
    if (!v->cells) return NULL;
    for (int i = 0; i < v->type.rank; i++) {
        int64_t dim = 0;
        if (!expr_is_int(v->type.dims[i], &dim) || at[i] < 0 || at[i] >= dim) return NULL;
        flat = flat * dim + at[i];
    }
    return flat < v->n_cells ? v->cells[flat] : NULL;
}

static Expr *broadcast_cell(const Value *v, int rank, const int64_t *at) {
    int64_t from[MAX_RANK];
    for (int i = 0; i < v->type.rank; i++)
        from[i] = expr_is(v->type.dims[i], 1) ? 0 : at[rank - v->type.rank + i];
    return cell_at(v, from);
}

static Expr *pointwise_cell(Graph *g, Node *n, const int64_t *at) {
    Expr *arg[3] = {NULL};
    int rank = n->out[0]->type.rank;
    for (int k = 0; k < n->n_in; k++) arg[k] = broadcast_cell(n->in[k], rank, at);
    ScalarOp op = op_scalar(n->op);
    if (op == SOP_bits) return NULL;
    if (op == SOP_cast) return arg[0] ? cast_cell(g->ctx, n->out[0]->type.dtype, arg[0]) : NULL;
    DType t = n->in[op == SOP_select ? 1 : 0]->type.dtype;
    if (!dtype_is_int(t) && t != DT_BOOL) return NULL;
    Expr *e = cell_op(g->ctx, op, t, arg);
    return e && n->out[0]->type.dtype != DT_BOOL && !fits(g->ctx, n->out[0]->type.dtype, e) ? NULL
                                                                                            : e;
}

static Expr *sliced_cell(Node *n, const int64_t *at) {
    int64_t from[MAX_RANK];
    Expr *const *starts = NULL;
    int rank = node_exprs(n, "starts", &starts);
    for (int i = 0; i < rank; i++) {
        if (!expr_is_int(starts[i], &from[i])) return NULL;
        from[i] += at[i] * attr_item(n, "steps", i, 1);
    }
    return cell_at(n->in[0], from);
}

static Expr *padded_cell(Graph *g, Node *n, const int64_t *at) {
    int64_t from[MAX_RANK], dim;
    Expr *const *lo = NULL;
    int rank = node_exprs(n, "lo", &lo);
    bool inside = true;
    for (int i = 0; i < rank; i++) {
        if (!expr_is_int(lo[i], &from[i]) || !expr_is_int(n->in[0]->type.dims[i], &dim))
            return NULL;
        from[i] = at[i] - from[i];
        inside &= from[i] >= 0 && from[i] < dim;
    }
    if (inside) return cell_at(n->in[0], from);
    return strcmp(node_str(n, "mode", ""), "constant")
               ? NULL
               : expr_int(g->ctx, (int64_t)node_flt(n, "value", 0));
}

static Expr *concat_cell(Node *n, const int64_t *at) {
    int64_t from[MAX_RANK], axis = node_int(n, "axis", 0);
    memcpy(from, at, sizeof from);
    for (int k = 0; k < n->n_in; k++) {
        int64_t dim;
        if (!expr_is_int(n->in[k]->type.dims[axis], &dim)) return NULL;
        if (from[axis] < dim) return cell_at(n->in[k], from);
        from[axis] -= dim;
    }
    return NULL;
}

static Expr *moved_cell(Graph *g, Node *n, const int64_t *at, int64_t flat) {
    int64_t from[MAX_RANK];
    const Value *x = n->in[0];
    switch (n->op) {
    case OP_reshape: return x->cells && flat < x->n_cells ? x->cells[flat] : NULL;
    case OP_expand: return broadcast_cell(x, n->out[0]->type.rank, at);
    case OP_slice: return sliced_cell(n, at);
    case OP_pad: return padded_cell(g, n, at);
    case OP_concat: return concat_cell(n, at);
    default: break;
    }
    for (int i = 0; i < x->type.rank; i++) from[attr_item(n, "perm", i, i)] = at[i];
    return cell_at(x, from);
}

/* ---- reductions ---- */

static int reduce_op(const char *kind) {
    if (!strcmp(kind, "sum")) return SOP_add;
    if (!strcmp(kind, "prod")) return SOP_mul;
    if (!strcmp(kind, "max") || !strcmp(kind, "any")) return SOP_max;
    if (!strcmp(kind, "min") || !strcmp(kind, "all")) return SOP_min;
    return -1;
}

/* Reduces the input's elements that agree with `at` off the reduced axes (cumulate: up to `at` on
 * its axis). */
static Expr *reduced_cell(Graph *g, Node *n, const int64_t *at) {
    const Value *x = n->in[0];
    const int64_t *axes = NULL;
    int op = reduce_op(node_str(n, "kind", "")), count = node_ints(n, "axes", &axes),
        rank = x->type.rank;
    Expr *total = NULL;
    if (op < 0) return NULL;
    for (int64_t flat = 0; flat < x->n_cells; flat++) {
        int64_t from[MAX_RANK];
        bool mine = true;
        unflatten(&x->type, flat, from);
        for (int i = 0, k = 0; i < rank; i++) {
            bool reduced = false;
            for (int j = 0; j < count; j++) reduced |= axes[j] == i;
            if (!reduced) mine &= from[i] == at[k++];
            else k += node_int(n, "keepdims", 0) != 0;
        }
        if (!mine) continue;
        Expr *pair[] = {total, x->cells[flat]};
        total = !x->cells[flat] ? NULL
                : total         ? cell_op(g->ctx, (ScalarOp)op, x->type.dtype, pair)
                                : x->cells[flat];
        if (!total) return NULL;
    }
    if (!total && (op == SOP_add || op == SOP_mul)) total = expr_int(g->ctx, op == SOP_mul);
    return total;
}

static Expr *cell(Graph *g, Node *n, const int64_t *at, int64_t flat) {
    if (op_is_scalar(n->op)) return pointwise_cell(g, n, at);
    switch (n->op) {
    case OP_compute: return computed(g, n, at);
    case OP_reduce: return reduced_cell(g, n, at);
    case OP_reshape:
    case OP_expand:
    case OP_slice:
    case OP_pad:
    case OP_concat:
    case OP_transpose: return moved_cell(g, n, at, flat);
    default: return NULL;
    }
}

static bool operands_have_cells(const Node *n) {
    for (int i = 0; i < n->n_in; i++)
        if (!n->in[i] || !n->in[i]->cells) return false;
    return true;
}

void infer_cells(Graph *g, Node *n) {
    int64_t elements;
    if (n->n_out != 1 || n->n_regions || !operands_have_cells(n)) return;
    Value *y = n->out[0];
    bool counts = dtype_is_int(y->type.dtype) || y->type.dtype == DT_BOOL;
    if (!counts || !type_static(&y->type, &elements) || elements > MAX_CELLS || elements < 0)
        return;
    Expr **cells = NEW_ARRAY(g->ctx->perm, Expr *, elements + 1);
    bool any = elements == 0;
    for (int64_t i = 0; i < elements; i++) {
        int64_t at[MAX_RANK] = {0};
        unflatten(&y->type, i, at);
        cells[i] = cell(g, n, at, i);
        if (!cells[i] && y->cells && i < y->n_cells && y->cells[i])
            cells[i] = expr_resolve(g->ctx, y->cells[i]);
        any |= cells[i] != NULL;
    }
    if (!any) return;
    y->cells = cells;
    y->n_cells = (int)elements;
}
