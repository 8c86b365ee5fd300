/* Elements picked by indices that are data: the Gather and Scatter families, OneHot, NonZero, TopK.
 */
#include "frontend/ops.h"

static Expr *load_at(OnnxNode *n, const Node *c, int param, Expr *const *at, int rank) {
    return expr_load(n->ctx, c->params[param], at, rank);
}

/* ---- gather ---- */

/* Are the indices known, and start + i * step? */
static bool progression(OnnxNode *n, Value *indices, Expr **start, int64_t *step, int64_t *count) {
    Expr *first, *e;
    int64_t a, b;
    if (indices->type.rank > 1 || !type_static(&indices->type, count) || *count < 1) return false;
    if (!value_known(indices, 0, &first)) return false;
    *start = first;
    *step = 1;
    for (int64_t i = 1; i < *count; i++) {
        if (!value_known(indices, i, &e)) return false;
        Expr *difference = expr_sub(n->ctx, e, i == 1 ? first : *start);
        if (!expr_is_int(difference, &b) || b > INT32_MAX || b < -INT32_MAX) return false;
        if (i == 1) *step = a = b;
        else if (b != i * a) return false;
    }
    return *step != 0;
}

/* The gather as a slice; NULL where it is none (*failed tells a reported error). */
static Value *gather_slice(OnnxNode *n, Value *x, Value *indices, int axis, bool *failed) {
    Expr *start, *starts[MAX_RANK], *dims[MAX_RANK], *dim = x->type.dims[axis];
    int64_t step, count, steps[MAX_RANK], first, size, last;
    if (!progression(n, indices, &start, &step, &count) || !expr_is_int(start, &first)) return NULL;
    if (first > INT32_MAX || first < -INT32_MAX || count > INT32_MAX) return NULL;
    if (first < 0) start = expr_addi(n->ctx, dim, first);
    if (first < 0 && first + (count - 1) * step >= 0) return NULL;
    if (first >= 0 && first + (count - 1) * step < 0) return NULL;
    last = first + (count - 1) * step;
    int64_t least = first < 0 ? -MIN(first, last) : MAX(first, last) + 1;
    if (!demand_size(n, dim, least)) {
        if (!expr_is_int(dim, &size)) return NULL;
        *failed = true;
        return bad(n, "index is out of range for an axis of %lld", (long long)size), NULL;
    }
    for (int i = 0; i < x->type.rank; i++) {
        starts[i] = i == axis ? start : ix(n, 0);
        dims[i] = i == axis ? ix(n, count) : x->type.dims[i];
        steps[i] = i == axis ? step : 1;
    }
    Value *y = build_slice(n->g, x, starts, steps, dims);
    *failed = !y;
    if (!y || indices->type.rank == 1) return y;
    memmove(dims + axis, dims + axis + 1, sizeof *dims * (size_t)(x->type.rank - axis - 1));
    return reshape_to(n, y, dims, x->type.rank - 1);
}

Value *gather(OnnxNode *n, Value *x, Value *indices, int axis) {
    bool failed = false;
    Value *view = gather_slice(n, x, indices, axis, &failed), *in[] = {x, indices};
    if (view || failed) return view;
    int rank = x->type.rank, more = indices->type.rank, out = rank - 1 + more;
    Expr *dims[MAX_RANK], *at[MAX_RANK];
    if (out > MAX_RANK) return bad(n, "rank would exceed %d", MAX_RANK), NULL;
    for (int i = 0; i < out; i++)
        dims[i] = i < axis          ? x->type.dims[i]
                  : i < axis + more ? indices->type.dims[i - axis]
                                    : x->type.dims[i - more + 1];
    Node *c = build_compute_begin(n->g, in, 2, x->type.dtype, dims, out);
    for (int i = 0; i < more; i++) at[i] = c->vars[axis + i]->self;
    Expr *picked = build_gather_index(n->g, load_at(n, c, 1, at, more), x->type.dims[axis]);
    for (int i = 0; i < rank; i++)
        at[i] = i < axis ? c->vars[i]->self : i == axis ? picked : c->vars[i + more - 1]->self;
    return build_compute_end(n->g, c, load_at(n, c, 0, at, rank));
}

static Value *need_indices(OnnxNode *n, int k) {
    Value *v = need(n, k, T_S);
    if (!v || v->type.dtype == DT_I64 || v->type.dtype == DT_I32) return v;
    return bad(n, "input %d must be int32 or int64", k), NULL;
}

ONNX_OP(Gather, 1) {
    ATTRS("axis:i");
    Value *x = need(n, 0, T_ANY), *indices = need_indices(n, 1);
    int axis;
    if (!x || !indices || !axis_in(n, attr_int(n, "axis", 0), x->type.rank, &axis)) return false;
    return give(n, 0, gather(n, x, indices, axis));
}

ONNX_OP(GatherElements, 11) {
    ATTRS("axis:i");
    Value *x = need(n, 0, T_ANY), *indices = need_indices(n, 1);
    int axis, rank;
    if (!x || !indices || !axis_in(n, attr_int(n, "axis", 0), rank = x->type.rank, &axis))
        return false;
    if (!want_rank(n, 1, rank, rank)) return false;
    for (int i = 0; i < rank; i++) {
        Expr *within = E2(le, indices->type.dims[i], x->type.dims[i]);
        if (i != axis && !demand_true(n, within, "the indices exceed the data beside the axis"))
            return false;
    }
    Node *c = build_compute_begin(n->g, n->in, 2, x->type.dtype, indices->type.dims, rank);
    Expr *at[MAX_RANK];
    for (int i = 0; i < rank; i++) at[i] = c->vars[i]->self;
    at[axis] = build_gather_index(n->g, load_at(n, c, 1, at, rank), x->type.dims[axis]);
    return give(n, 0, build_compute_end(n->g, c, load_at(n, c, 0, at, rank)));
}

/* How many coordinates an index has; where the indices do not say it, `most` less the rank of the
 * result, where the model declares that. */
static bool coordinates(OnnxNode *n, const Value *indices, int64_t most, int64_t *depth) {
    Expr *last = indices->type.dims[indices->type.rank - 1];
    int rank;
    if (expr_is_int(last, depth)) return true;
    if (!declared_rank(n, 0, &rank))
        return bad(n, "the last dimension of the indices or the rank of the output must be known");
    *depth = most - rank;
    return (*depth > 0 && demand_equal(n, last, *depth)) ||
           bad(n, "the indices do not fit the rank that the output is declared with");
}

ONNX_OP(GatherND, 11) {
    ATTRS("batch_dims:i@12");
    Value *x = need(n, 0, T_ANY), *indices = need_indices(n, 1);
    if (!x || !indices || !want_rank(n, 0, 1, MAX_RANK) || !want_rank(n, 1, 1, MAX_RANK))
        return false;
    int64_t depth, batch = attr_int(n, "batch_dims", 0);
    int rank = x->type.rank, lead = indices->type.rank - 1;
    if (batch < 0 || batch > rank)
        return bad(n, "attribute \"batch_dims\" is %lld", (long long)batch);
    if (!coordinates(n, indices, rank + lead - batch, &depth)) return false;
    if (batch > lead || depth < 1 || batch + depth > rank)
        return bad(n, "shapes of data and indices do not fit");
    for (int i = 0; i < batch; i++) {
        Expr *same = E2(eq, x->type.dims[i], indices->type.dims[i]);
        if (!demand_true(n, same, "batch sizes of data and indices differ")) return false;
    }
    int rest = rank - (int)(batch + depth), out = lead + rest;
    Expr *dims[MAX_RANK], *at[MAX_RANK], *from[MAX_RANK];
    if (out > MAX_RANK) return bad(n, "rank would exceed %d", MAX_RANK);
    for (int i = 0; i < out; i++)
        dims[i] = i < lead ? indices->type.dims[i] : x->type.dims[rank - out + i];
    Node *c = build_compute_begin(n->g, n->in, 2, x->type.dtype, dims, out);
    for (int i = 0; i < lead; i++) at[i] = c->vars[i]->self;
    for (int i = 0; i < rank; i++) {
        int k = i - (int)batch;
        if (k < 0) from[i] = c->vars[i]->self;
        else if (k >= depth) from[i] = c->vars[out - rank + i]->self;
        else {
            at[lead] = ix(n, k);
            from[i] = build_gather_index(n->g, load_at(n, c, 1, at, lead + 1), x->type.dims[i]);
        }
    }
    return give(n, 0, build_compute_end(n->g, c, load_at(n, c, 0, from, rank)));
}

/* ---- scatter ---- */

static bool never_negative(const Value *v) {
    if (!v->data || v->data->missing) return false;
    for (int64_t i = 0; i < v->data->elements; i++)
        if (const_get_int(v->data, i) < 0) return false;
    return true;
}

/* Indices with negative ones counted from the end. nd: the last axis of the indices runs over axes
 * of the data. */
static Value *wrap_indices(OnnxNode *n, Value *v, const Type *data, int axis, bool nd) {
    if (never_negative(v)) return v;
    int64_t depth = 1;
    Ctx *ctx = n->ctx;
    DType t = v->type.dtype;
    int rank = v->type.rank;
    if (nd && !expr_is_int(v->type.dims[rank - 1], &depth))
        return bad(n, "last dimension of the indices must be known"), NULL;
    Node *c = build_compute_begin(n->g, &v, 1, t, v->type.dims, rank);
    Expr *at[MAX_RANK], *dim = data->dims[nd ? 0 : axis];
    for (int i = 0; i < rank; i++) at[i] = c->vars[i]->self;
    for (int64_t k = 1; k < depth; k++) {
        Expr *here = expr_op2(ctx, SOP_eq, c->vars[rank - 1]->self, ix(n, k));
        dim = expr_op3(ctx, SOP_select, here, data->dims[k], dim);
    }
    Expr *i = load_at(n, c, 0, at, rank),
         *wrapped = expr_op2(ctx, SOP_add, i, expr_cast(ctx, t, dim));
    Expr *negative = expr_op2(ctx, SOP_lt, i, expr_const_int(ctx, t, 0));
    return build_compute_end(n->g, c, expr_op3(ctx, SOP_select, negative, wrapped, i));
}

/* Updates are as large as the indices; with tuples, as these and what each of them chooses. */
static bool updates_fit(OnnxNode *n, bool nd) {
    const Type *x = &n->in[0]->type, *at = &n->in[1]->type, *y = &n->in[2]->type;
    int lead = nd ? at->rank - 1 : at->rank, depth = lead + x->rank - y->rank;
    for (int i = 0; i < y->rank; i++) {
        bool chosen = i >= lead;
        if (chosen && (!nd || depth < 0)) return true; /* reported later */
        Expr *size = chosen ? x->dims[depth + i - lead] : at->dims[i];
        if (!demand_true(n, E2(eq, y->dims[i], size), "sizes of indices and updates do not fit"))
            return false;
    }
    return true;
}

static bool scatter(OnnxNode *n, bool nd, int axis) {
    Value *x = n->in[0], *updates = need(n, 2, T_PLAIN);
    if (!updates || !same_dtype(n, 0, 2) || !updates_fit(n, nd)) return false;
    Value *indices = wrap_indices(n, n->in[1], &x->type, axis, nd), *in[] = {x, indices, updates};
    if (!indices) return false;
    Node *s = node_draft(n->g, OP_scatter, in, 3, 1);
    node_set_str(n->g, s, "mode", nd ? "nd" : "elements");
    node_set_int(n->g, s, "axis", axis);
    node_set_str(n->g, s, "reduction", attr_string(n, "reduction", "none"));
    return node_finish(n->g, s) && give(n, 0, s->out[0]);
}

static bool scatter_elements(OnnxNode *n) {
    Value *x = need(n, 0, T_PLAIN), *indices = need_indices(n, 1);
    int axis;
    if (!x || !indices || !axis_in(n, attr_int(n, "axis", 0), x->type.rank, &axis)) return false;
    return want_rank(n, 1, x->type.rank, x->type.rank) && scatter(n, false, axis);
}

ONNX_OP(Scatter, 9) {
    ATTRS("axis:i");
    return scatter_elements(n);
}

ONNX_OP(ScatterElements, 11) {
    ATTRS("axis:i reduction:s(none|add|mul)@16<18 reduction:s(none|add|mul|max|min)@18");
    return scatter_elements(n);
}

ONNX_OP(ScatterND, 11) {
    ATTRS("reduction:s(none|add|mul)@16<18 reduction:s(none|add|mul|max|min)@18");
    Value *x = need(n, 0, T_PLAIN), *indices = need_indices(n, 1);
    Value *updates = need(n, 2, T_PLAIN);
    if (!x || !indices || !updates) return false;
    if (!want_rank(n, 0, 1, MAX_RANK) || !want_rank(n, 1, 1, MAX_RANK)) return false;
    Expr *last = indices->type.dims[indices->type.rank - 1];
    int64_t depth;
    if (expr_is_int(last, &depth) && depth > x->type.rank)
        return bad(n, "indices have %lld coordinates for rank %d", (long long)depth, x->type.rank);
    depth = indices->type.rank - 1 + x->type.rank - updates->type.rank;
    if (depth < 0 || !demand_equal(n, last, depth))
        return bad(n, "the ranks of indices and updates do not fit together");
    return scatter(n, true, 0);
}

/* ---- one-hot, non-zero, compress, top-k ---- */

ONNX_OP(OneHot, 9) {
    ATTRS("axis:i");
    Value *indices = need(n, 0, T_NUM), *values = need(n, 2, T_PLAIN);
    Ctx *ctx = n->ctx;
    Expr *depth, *dims[MAX_RANK], *at[MAX_RANK];
    Value *size = cast_to(n, need(n, 1, T_NUM), DT_I64);
    if (!indices || !values || !size || !want_rank(n, 2, 1, 1) || !want_rank(n, 1, 0, 1))
        return false;
    if (size->type.rank && !expr_is(size->type.dims[0], 1))
        return bad(n, "input 1 must have one element");
    if (!(depth = value_cell(n->g, size, 0, 0, INT64_MAX))) return false;
    int axis, rank = indices->type.rank + 1;
    if (rank > MAX_RANK) return bad(n, "rank would exceed %d", MAX_RANK);
    if (!axis_in(n, attr_int(n, "axis", -1), rank, &axis)) return false;
    Value *in[] = {cast_to(n, indices, DT_I64), values};
    for (int i = 0; i < rank; i++) dims[i] = i == axis ? depth : indices->type.dims[i - (i > axis)];
    if (!in[0]) return false;
    Node *c = build_compute_begin(n->g, in, 2, values->type.dtype, dims, rank);
    for (int i = 0; i < rank - 1; i++) at[i] = c->vars[i + (i >= axis)]->self;
    Expr *picked = expr_cast(ctx, DT_INDEX, load_at(n, c, 0, at, rank - 1)), *zero = ix(n, 0),
         *one = ix(n, 1);
    Expr *negative = expr_op2(ctx, SOP_lt, picked, zero);
    picked = expr_op3(ctx, SOP_select, negative, expr_add(ctx, picked, depth), picked);
    Expr *here = expr_op2(ctx, SOP_eq, picked, c->vars[axis]->self);
    Expr *on = load_at(n, c, 1, &one, 1), *off = load_at(n, c, 1, &zero, 1);
    return give(n, 0, build_compute_end(n->g, c, expr_op3(ctx, SOP_select, here, on, off)));
}

static Value *positions(OnnxNode *n, Value *x) {
    Node *c = node_draft(n->g, OP_compact, &x, 1, 2);
    const char *base = arena_printf(n->ctx->perm, "%s_count", x->name);
    node_set_str(n->g, c, "sym", graph_sym(n->g, SYM_VALUE, base, 0, INT64_MAX)->name);
    return node_finish(n->g, c) ? c->out[0] : NULL;
}

ONNX_OP(NonZero, 9) {
    ATTRS("");
    Value *x = need(n, 0, T_PLAIN);
    return x && give(n, 0, positions(n, x->type.rank ? x : unsqueeze(n, x, 0)));
}

ONNX_OP(Compress, 9) {
    ATTRS("axis:i");
    Value *x = need(n, 0, T_PLAIN | T_C), *keep = need(n, 1, T_B);
    int axis = 0;
    if (!x || !keep || !want_rank(n, 1, 1, 1)) return false;
    if (attr_has(n, "axis")) {
        if (!axis_in(n, attr_int(n, "axis", 0), x->type.rank, &axis)) return false;
    } else {
        Expr *flat = type_elements(n->ctx, &x->type);
        x = reshape_to(n, x, &flat, 1);
    }
    Value *at = positions(n, keep);
    if (!x || !at) return false;
    at = reshape_to(n, at, at->type.dims + 1, 1);
    return at && give(n, 0, gather(n, x, at, axis));
}

ONNX_OP(TopK, 1) {
    ATTRS("axis:i k:i!<10 largest:i@11 sorted:i@11");
    Value *x = need(n, 0, T_NUM);
    Expr *k = NULL;
    int axis;
    if (!x || !axis_in(n, attr_int(n, "axis", -1), x->type.rank, &axis)) return false;
    if (n->opset < 10) k = ix(n, MAX(0, MIN(attr_int(n, "k", 0), INT32_MAX)));
    else if (!input_cell(n, 1, &k, 0)) return false;
    if (expr_prove_lt(n->ctx, x->type.dims[axis], k)) return bad(n, "k is larger than the axis");
    Node *s = node_draft(n->g, OP_sort, &x, 1, 2);
    node_set_int(n->g, s, "axis", axis);
    node_set_int(n->g, s, "largest", attr_int(n, "largest", 1) != 0);
    node_set_exprs(n->g, s, "k", &k, 1);
    return node_finish(n->g, s) && give(n, 0, s->out[0]) && give(n, 1, s->out[1]);
}
