/* Unique: rows in ascending order by a stable sort, and one group per run of equal rows. */
#include "frontend/ops.h"

typedef struct Rows { /* the elements, or the slices along an axis: [count, size] */
    OnnxNode *n;
    Value *x, *order; /* order: i64[count], positions in ascending order */
    Expr *count, *size;
} Rows;

/* The values of a vector in order, and where they were. */
static bool sort_vector(OnnxNode *n, Value *v, Value **values, Value **positions) {
    Node *s = v ? node_draft(n->g, OP_sort, &v, 1, 2) : NULL;
    if (!s) return false;
    node_set_int(n->g, s, "axis", 0);
    node_set_exprs(n->g, s, "k", &v->type.dims[0], 1);
    if (!node_finish(n->g, s)) return false;
    *values = s->out[0];
    *positions = s->out[1];
    return true;
}

/* v[at[i]] */
static Value *pick(OnnxNode *n, Value *v, Value *at) {
    return v && at ? gather(n, v, at, 0) : NULL;
}

static Value *counting(OnnxNode *n, Expr *count) {
    Node *c = build_compute_begin(n->g, NULL, 0, DT_I64, &count, 1);
    return build_compute_end(n->g, c, expr_cast(n->ctx, DT_I64, c->vars[0]->self));
}

/* Round i: a stable sort by column size - 1 - i, of the rows as they lie in `order`. */
static bool sort_round(Rows *r, Region *region, Value *i, Value *order) {
    OnnxNode *n = r->n;
    Ctx *ctx = n->ctx;
    Value *in[] = {r->x, order, i}, *values, *by;
    Node *c = build_compute_begin(n->g, in, 3, r->x->type.dtype, &r->count, 1);
    Expr *row = expr_cast(ctx, DT_INDEX, expr_load(ctx, c->params[1], &c->vars[0]->self, 1));
    Expr *round = expr_cast(ctx, DT_INDEX, expr_load(ctx, c->params[2], NULL, 0));
    Expr *column = expr_addi(ctx, expr_sub(ctx, r->size, round), -1);
    Expr *at[] = {expr_bound(ctx, row, r->count), expr_bound(ctx, column, r->size)};
    Value *keys = build_compute_end(n->g, c, expr_load(ctx, c->params[0], at, 2));
    if (!sort_vector(n, keys, &values, &by) || !(order = pick(n, order, by))) return false;
    region_result(n->g, region, graph_const_i(n->g, DT_BOOL, 1));
    region_result(n->g, region, order);
    return true;
}

/* Ascending, column 0 first: stable sorts by each column, the last one first. */
static Value *sorted_rows(Rows *r) {
    OnnxNode *n = r->n;
    Graph *g = n->g;
    Value *values, *order;
    if (expr_is(r->size, 1)) {
        Value *flat = reshape_to(n, r->x, &r->count, 1);
        return sort_vector(n, flat, &values, &order) ? order : NULL;
    }
    Value *in[] = {graph_cells(g, DT_I64, &r->size, 1, 0), NULL, counting(n, r->count)};
    if (!in[0] || !in[2]) return NULL;
    Node *loop = node_draft(g, OP_loop, in, 3, 1);
    Region *region = region_new(g, loop), *outside = g->at;
    Type counter = {.dtype = DT_I64}, flag = {.dtype = DT_BOOL};
    Value *i = region_arg(g, region, "i", &counter);
    region_arg(g, region, "cond", &flag);
    order = region_arg(g, region, "order", &in[2]->type);
    g->at = region;
    bool ok = sort_round(r, region, i, order);
    g->at = outside;
    return ok && node_finish(g, loop) ? loop->out[0] : NULL;
}

/* first[i]: does sorted row i differ from the one before it? NaN is equal to NaN. */
static Value *group_starts(Rows *r) {
    OnnxNode *n = r->n;
    Ctx *ctx = n->ctx;
    Value *in[] = {r->x, r->order};
    Expr *dims[] = {r->count, r->size}, *side[2];
    Node *c = build_compute_begin(n->g, in, 2, DT_BOOL, dims, 2);
    Expr *i = c->vars[0]->self, *before = expr_max(ctx, expr_addi(ctx, i, -1), ix(n, 0));
    for (int k = 0; k < 2; k++) {
        Expr *row = expr_load(ctx, c->params[1], k ? &before : &i, 1);
        Expr *at[] = {expr_bound(ctx, expr_cast(ctx, DT_INDEX, row), r->count), c->vars[1]->self};
        side[k] = expr_load(ctx, c->params[0], at, 2);
    }
    Expr *differ = E2(ne, side[0], side[1]);
    if (dtype_is_float(r->x->type.dtype)) {
        Expr *nan = E2(and, E2(ne, side[0], side[0]), E2(ne, side[1], side[1]));
        differ = E2(and, differ, E1(not, nan));
    }
    Value *each = build_compute_end(n->g, c, differ);
    Value *any = each ? build_reduce(n->g, each, "any", (int64_t[]){1}, 1, false) : NULL;
    Node *f = build_compute_begin(n->g, NULL, 0, DT_BOOL, &r->count, 1);
    Value *first = build_compute_end(n->g, f, E2(eq, f->vars[0]->self, ix(n, 0)));
    return bin(n, SOP_or, any, first);
}

typedef struct Groups {
    Value *starts, *indices, *inverse, *counts; /* starts: in the sorted order */
    Expr *count;
} Groups;

/* starts[i + 1] - starts[i], the last up to the number of rows. */
static Value *group_sizes(Rows *r, const Groups *g) {
    OnnxNode *n = r->n;
    Ctx *ctx = n->ctx;
    Value *starts = g->starts;
    Node *c = build_compute_begin(n->g, &starts, 1, DT_I64, &g->count, 1);
    Expr *i = c->vars[0]->self, *next = expr_addi(ctx, i, 1);
    Expr *end = expr_cast(ctx, DT_I64, r->count), *inner = E2(lt, next, g->count);
    Expr *at = expr_min(ctx, next, expr_addi(ctx, g->count, -1));
    Expr *to = E3(select, inner, expr_load(ctx, c->params[0], &at, 1), end);
    return build_compute_end(n->g, c, E2(sub, to, expr_load(ctx, c->params[0], &i, 1)));
}

/* y with y[to[i]] = v[i]; `to` is a permutation. */
static Value *put(OnnxNode *n, Value *to, Value *v) {
    if (!to || !v) return NULL;
    Value *zeros = build_expand(n->g, num(n, v, 0), v->type.dims, 1), *in[] = {zeros, to, v};
    Node *s = node_draft(n->g, OP_scatter, in, 3, 1);
    node_set_str(n->g, s, "mode", "elements");
    node_set_str(n->g, s, "reduction", "none");
    return node_finish(n->g, s) ? s->out[0] : NULL;
}

static bool find_groups(Rows *r, Groups *g) {
    OnnxNode *n = r->n;
    Value *first = group_starts(r), *ones = cast_to(n, first, DT_I64);
    if (!ones) return false;
    Node *c = node_draft(n->g, OP_compact, &first, 1, 2);
    const char *base = arena_printf(n->ctx->perm, "%s_count", r->order->name);
    node_set_str(n->g, c, "sym", graph_sym(n->g, SYM_VALUE, base, 0, INT64_MAX)->name);
    Node *sum = node_draft(n->g, OP_cumulate, &ones, 1, 1);
    node_set_str(n->g, sum, "kind", "sum");
    node_set_int(n->g, sum, "axis", 0);
    if (!node_finish(n->g, c) || !node_finish(n->g, sum)) return false;
    g->count = c->out[0]->type.dims[1];
    g->starts = reshape_to(n, c->out[0], &g->count, 1);
    g->indices = pick(n, r->order, g->starts);
    g->inverse = put(n, r->order, bin(n, SOP_sub, sum->out[0], num(n, sum->out[0], 1)));
    g->counts = g->starts ? group_sizes(r, g) : NULL;
    return g->indices && g->inverse && g->counts;
}

/* From ascending order to that of first occurrence. */
static bool order_by_occurrence(OnnxNode *n, Groups *g) {
    Value *order;
    if (!sort_vector(n, g->indices, &g->indices, &order)) return false;
    Value *rank = put(n, order, counting(n, g->count));
    g->inverse = pick(n, rank, g->inverse);
    g->counts = pick(n, g->counts, order);
    return g->inverse && g->counts;
}

/* x as rows: its elements, or slices along the axis. */
static bool make_rows(Rows *r, Value *x, int axis) {
    OnnxNode *n = r->n;
    int64_t perm[MAX_RANK];
    if (axis < 0) {
        r->count = type_elements(n->ctx, &x->type);
        r->size = ix(n, 1);
    } else {
        perm[0] = axis;
        for (int i = 1; i < x->type.rank; i++) perm[i] = i - (i <= axis);
        x = transpose_to(n, x, perm);
        if (!x) return false;
        r->count = x->type.dims[0];
        r->size = expr_product(n->ctx, x->type.dims + 1, x->type.rank - 1);
    }
    Expr *dims[] = {r->count, r->size};
    r->x = reshape_to(n, x, dims, 2);
    return r->x && (r->order = sorted_rows(r));
}

ONNX_OP(Unique, 11) {
    ATTRS("axis:i sorted:i");
    Value *x = need(n, 0, T_PLAIN);
    Rows r = {n, NULL, NULL, NULL, NULL};
    Groups g = {0};
    int axis = -1;
    if (!x) return false;
    if (attr_has(n, "axis") && !axis_in(n, attr_int(n, "axis", 0), x->type.rank, &axis))
        return false;
    if (!make_rows(&r, x, axis) || !find_groups(&r, &g)) return false;
    if (!attr_int(n, "sorted", 1) && !order_by_occurrence(n, &g)) return false;
    if (axis < 0) x = reshape_to(n, x, &r.count, 1);
    give(n, 1, g.indices);
    give(n, 2, g.inverse);
    give(n, 3, g.counts);
    return x && give(n, 0, gather(n, x, g.indices, MAX(axis, 0)));
}
