/* Axes, and inputs whose values shape other tensors (ops.h). */
#include "frontend/import.h"

bool axis_in(OnnxNode *n, int64_t axis, int rank, int *out) {
    if (axis < -rank || axis >= rank)
        return bad(n, "axis %lld is out of range for rank %d", (long long)axis, rank);
    *out = (int)(axis < 0 ? axis + rank : axis);
    return true;
}

bool axes_in(OnnxNode *n, const int64_t *axes, int count, int rank, int64_t *out) {
    bool taken[MAX_RANK] = {0};
    for (int i = 0; i < count; i++) {
        int axis = 0;
        if (!axis_in(n, axes[i], rank, &axis)) return false;
        if (taken[axis]) return bad(n, "axis %lld is given twice", (long long)axes[i]);
        taken[axis] = true;
    }
    for (int i = 0, k = 0; i < rank; i++)
        if (taken[i]) out[k++] = i;
    return true;
}

/* How many elements a rank 0 or 1 input has; reports where that is not known now, or more than max.
 */
static bool list_length(OnnxNode *n, int k, int max, int *count) {
    Value *v = need(n, k, T_INT);
    int64_t len = 1;
    if (!v || !want_rank(n, k, 0, 1)) return false;
    if (v->type.rank && !expr_is_int(v->type.dims[0], &len))
        return bad(n, "length of input %d, %s, must be known when compiling", k,
                   shown(n->ctx, n->proto->input[k]));
    if (len > max)
        return bad(n, "input %d has %lld elements, at most %d expected", k, (long long)len, max);
    *count = (int)len;
    return true;
}

static bool not_known(OnnxNode *n, int k) {
    return bad(n, "value of input %d, %s, must be known when compiling", k,
               shown(n->ctx, n->proto->input[k]));
}

bool known_ints(OnnxNode *n, int k, int64_t *out, int max, int *count) {
    if (!list_length(n, k, max, count)) return false;
    for (int i = 0; i < *count; i++) {
        Expr *e;
        if (!value_known(n->in[k], i, &e) || !expr_is_int(e, &out[i])) return not_known(n, k);
    }
    return true;
}

bool known_int(OnnxNode *n, int k, int64_t *out) {
    int count;
    if (!known_ints(n, k, out, 1, &count)) return false;
    return count == 1 || bad(n, "input %d must have one element", k);
}

bool known_float(OnnxNode *n, int k, double *out) {
    Value *v = need(n, k, T_PLAIN);
    if (!v) return false;
    if (!v->data) return not_known(n, k);
    if (v->data->elements != 1) return bad(n, "input %d must have one element", k);
    *out = const_get(v->data, 0);
    return true;
}

bool ints_arg(OnnxNode *n, const char *name, int k, int64_t *out, int max, int *count) {
    const int64_t *list;
    *count = name ? attr_ints(n, name, &list) : -1;
    if (*count < 0) return k < 0 || !has(n, k) || known_ints(n, k, out, max, count);
    if (*count > max)
        return bad(n, "attribute \"%s\" has %d elements, at most %d expected", name, *count, max);
    for (int i = 0; i < *count; i++) out[i] = list[i];
    return true;
}

static bool too_large(OnnxNode *n, int64_t v) {
    return bad(n, "size %lld is too large", (long long)v);
}

bool small_cells(OnnxNode *n, Expr *const *cells, int count) {
    int64_t v;
    for (int i = 0; i < count; i++)
        if (expr_is_int(cells[i], &v) && (v > MAX_DIM || v < -MAX_DIM)) return too_large(n, v);
    return true;
}

bool input_cells(OnnxNode *n, int k, Expr **out, int max, int *count, int64_t lo) {
    if (!list_length(n, k, max, count)) return false;
    for (int i = 0; i < *count; i++) {
        int64_t v;
        if (!(out[i] = value_cell(n->g, n->in[k], i, lo, INT64_MAX))) return false;
        if (lo > INT64_MIN && expr_is_int(out[i], &v) && v > MAX_DIM) return too_large(n, v);
    }
    return true;
}

bool cells_arg(OnnxNode *n, const char *name, int k, Expr **out, int max, int *count, int64_t lo) {
    int64_t list[MAX_RANK * 4];
    CHECK(max <= LEN(list));
    bool by_attribute = name && attr_has(n, name);
    if (!by_attribute && (k < 0 || !has(n, k))) return *count = -1, true;
    if (!by_attribute) return input_cells(n, k, out, max, count, lo);
    if (!ints_arg(n, name, -1, list, max, count)) return false;
    for (int i = 0; i < *count; i++) out[i] = ix(n, list[i]);
    return lo == INT64_MIN || small_cells(n, out, *count);
}

bool input_cell(OnnxNode *n, int k, Expr **out, int64_t lo) {
    int count;
    if (!input_cells(n, k, out, 1, &count, lo)) return false;
    return count == 1 || bad(n, "input %d must have one element", k);
}

bool demand_equal(OnnxNode *n, Expr *dim, int64_t size) {
    int64_t known;
    if (expr_is_int(dim, &known)) return known == size;
    if (n->g->at != n->g->body || !exact_bound(n->ctx, dim, size)) return false;
    return n->import->narrowed = true;
}

bool demand_that(OnnxNode *n, Expr *cond, const char *text) {
    Graph *g = n->g;
    if (expr_is_int(cond, NULL)) return expr_is(cond, 1);
    if (g->at != g->body || expr_has_value_sym(cond)) return false;
    for (int i = 0; i < g->requires.n; i++)
        if (g->requires.at[i].cond == cond) return true;
    char *said = arena_printf(n->ctx->perm, "node \"%s\" (%s): %s", n->loc.node, n->loc.op, text);
    vec_push(n->ctx->perm, &g->requires, ((Require){cond, said}));
    return true;
}

bool demand_true(OnnxNode *n, Expr *cond, const char *text) {
    return demand_that(n, cond, text) || !expr_is_int(cond, NULL) || bad(n, "%s", text);
}

bool demand_size(OnnxNode *n, Expr *dim, int64_t least) {
    int64_t lo, hi;
    if (expr_range(n->ctx, dim, &lo, &hi) && lo >= least) return true;
    if (n->g->at != n->g->body || !at_least_bound(n->ctx, dim, least)) return false;
    return n->import->narrowed = true;
}
