/* Result types where execution may decide, or where regions or the caller declare them. */
#include "ir/graph_infer.h"

static bool integral(DType t) {
    return t == DT_I64 || t == DT_I32;
}

bool infer_scatter(Graph *g, Node *n) {
    const Type *data = &n->in[0]->type, *index = &n->in[1]->type, *updates = &n->in[2]->type;
    if (!infer_one_of(g, n, "mode", "nd|elements") ||
        !infer_one_of(g, n, "reduction", "none|add|mul|max|min"))
        return false;
    if (!integral(index->dtype))
        return infer_fail(g, n, "indices are %s", dtype_name(index->dtype));
    if (data->dtype != updates->dtype)
        return infer_fail(g, n, "element types %s and %s differ", dtype_name(data->dtype),
                          dtype_name(updates->dtype));
    bool elements = !strcmp(node_str(n, "mode", ""), "elements");
    if (elements &&
        (!infer_axis(g, n, data->rank) || index->rank != data->rank || updates->rank != data->rank))
        return infer_fail(g, n, "ranks of data, indices and updates do not fit");
    if (!elements && index->rank < 1) return infer_fail(g, n, "indices have rank 0");
    n->out[0]->type = *data;
    return true;
}

bool infer_sort(Graph *g, Node *n) {
    Type t = n->in[0]->type;
    Expr *const *k = NULL;
    if (!infer_axis(g, n, t.rank) || !infer_count(g, n, "k", node_exprs(n, "k", &k), 1))
        return false;
    t.dims[node_int(n, "axis", 0)] = k[0];
    n->out[0]->type = t;
    t.dtype = DT_I64;
    n->out[1]->type = t;
    return true;
}

/* The symbol that attribute `sym` names; made where it is new. */
static Expr *named_sym(Graph *g, Node *n) {
    const char *name = node_str(n, "sym", "");
    Sym *s = graph_find_sym(g, name);
    if (!s) s = graph_sym(g, SYM_VALUE, name, 0, INT64_MAX);
    if (strcmp(s->name, name)) node_set_str(g, n, "sym", s->name);
    return expr_resolve(g->ctx, expr_sym(g->ctx, s));
}

/* What attribute `is` says that a number must be; NULL: nothing. */
static Expr *required(const Node *n) {
    Expr *const *is;
    return node_exprs(n, "is", &is) ? is[0] : NULL;
}

static void set_cell(Graph *g, Value *v, int64_t i, int64_t n, Expr *e) {
    if (n > MAX_CELLS || i >= n) return;
    if (!v->cells) {
        v->cells = NEW_ARRAY(g->ctx->perm, Expr *, n + 1);
        v->n_cells = (int)n;
    }
    if (!v->cells[i]) v->cells[i] = e;
}

bool infer_compact(Graph *g, Node *n) {
    Expr *count = named_sym(g, n);
    if (count->kind == E_SYM) count->sym->counted = true;
    Expr *dims[] = {expr_int(g->ctx, n->in[0]->type.rank), count};
    infer_set(n, 0, DT_I64, dims, 2);
    infer_set(n, 1, DT_I64, NULL, 0);
    set_cell(g, n->out[1], 0, 1, count);
    return true;
}

bool infer_bind(Graph *g, Node *n) {
    Value *v = n->in[0];
    int64_t elements, index = node_int(n, "index", 0);
    if (!dtype_is_int(v->type.dtype) && v->type.dtype != DT_BOOL)
        return infer_fail(g, n, "bind reads integers, not %s", dtype_name(v->type.dtype));
    if (index < 0) return infer_fail(g, n, "index is %lld", (long long)index);
    if (!node_attr(n, "sym") == !node_attr(n, "is"))
        return infer_fail(g, n, "bind needs one of sym and is");
    Expr *e = required(n) ? required(n) : named_sym(g, n);
    if (!type_static(&v->type, &elements)) return true;
    if (index >= elements)
        return infer_fail(g, n, "index %lld is outside 0..%lld", (long long)index,
                          (long long)elements - 1);
    set_cell(g, v, index, elements, e);
    return true;
}

bool infer_check(Graph *g, Node *n) {
    Expr *const *sizes;
    Fit fit;
    if (!node_fit(n, &fit)) return infer_fail(g, n, "no such fit: %s", node_str(n, "fit", ""));
    return infer_count(g, n, "sizes", node_exprs(n, "sizes", &sizes), 2);
}

static bool declared(Graph *g, Node *n) {
    for (int k = 0; k < n->n_out; k++) {
        if (n->out[k]->type.dtype == DT_NONE)
            return infer_fail(g, n, "%s needs declared result types", op_info(n->op)->name);
        type_resolve(g->ctx, &n->out[k]->type);
    }
    return true;
}

bool infer_call(Graph *g, Node *n) {
    return declared(g, n);
}

bool infer_state(Graph *g, Node *n) {
    return declared(g, n);
}

/* ---- control flow ---- */

static bool counts(Graph *g, Node *n, int region, int args, int results) {
    const Region *r = n->region[region];
    if (r->n_args == args && r->n_results == results) return true;
    return infer_fail(g, n, "region %d has %d arguments and %d results, not %d and %d", region,
                      r->n_args, r->n_results, args, results);
}

/* One type for a value that comes from a or from b: where a dimension differs, only execution knows
 * it. */
static bool join(Graph *g, Node *n, int k, const Type *a, const Type *b) {
    Type old = n->out[k]->type, *out = &n->out[k]->type;
    if (a->dtype != b->dtype || a->rank != b->rank)
        return infer_fail(g, n, "result %d differs in type or rank between its sources", k);
    *out = *a;
    for (int i = 0; i < a->rank; i++)
        if (a->dims[i] != b->dims[i] && !expr_prove_eq(g->ctx, a->dims[i], b->dims[i]))
            out->dims[i] = infer_value_dim(g, &old, i, "joined");
    return true;
}

bool infer_if(Graph *g, Node *n) {
    const Type *c = &n->in[0]->type;
    if (c->dtype != DT_BOOL)
        return infer_fail(g, n, "the condition is %s, not bool", dtype_name(c->dtype));
    if (n->n_regions != 2) return infer_fail(g, n, "if has %d regions", n->n_regions);
    if (!counts(g, n, 0, 0, n->n_out) || !counts(g, n, 1, 0, n->n_out)) return false;
    for (int k = 0; k < n->n_out; k++)
        if (!join(g, n, k, &n->region[0]->results[k]->type, &n->region[1]->results[k]->type))
            return false;
    return true;
}

static bool same_kind(const Type *a, const Type *b) {
    return a->dtype == b->dtype && a->rank == b->rank;
}

static const char *type_text(Graph *g, const Type *t) {
    Str s = str_new(g->ctx->perm);
    type_print(&s, t);
    return str_c(&s);
}

static const char *dim_text(Graph *g, const Expr *e) {
    Str s = str_new(g->ctx->perm);
    expr_print(&s, e);
    return str_c(&s);
}

/* A carried value: the region's argument must stand for the first value and for the result of each
 * round. A dimension of the argument that is that of the first value stays: where a round's result
 * may have another one the run checks it. Any other is a symbol of its own, which changes. */
static bool carried(Graph *g, Node *n, int k, const Type *first, const Type *arg,
                    const Type *result) {
    if (!same_kind(first, arg) || !same_kind(result, arg))
        return infer_fail(g, n, "carried value %d changes its type or rank, from %s to %s", k,
                          type_text(g, first), type_text(g, result));
    Type old = n->out[k]->type, *out = &n->out[k]->type;
    *out = *first;
    for (int i = 0; i < arg->rank; i++) {
        bool stays = expr_prove_eq(g->ctx, first->dims[i], arg->dims[i]);
        if (stays && !dims_differ(g->ctx, result->dims[i], arg->dims[i])) continue;
        if (stays || arg->dims[i]->kind != E_SYM || arg->dims[i]->sym->kind != SYM_VALUE)
            return infer_fail(g, n,
                              "axis %d of carried value %d changes from %s to %s, but the region "
                              "takes it as fixed",
                              i, k, dim_text(g, first->dims[i]), dim_text(g, result->dims[i]));
        out->dims[i] = infer_value_dim(g, &old, i, "carried");
    }
    return true;
}

/* ---- symbols that only a region knows ---- */

static bool is_sym(const Expr *e, const Sym *s) {
    return e->kind == E_SYM && e->sym == s;
}

static bool type_mentions(const Type *t, int axis, const Sym *s) {
    return axis < t->rank && is_sym(t->dims[axis], s);
}

/* Does dimension `axis` of t begin with this symbol: those that it comes from have another? */
static bool begins(const Type *t, int axis, const Sym *s, const Type *a, int axis_a,
                   const Type *b) {
    if (!type_mentions(t, axis, s)) return false;
    return !type_mentions(a, axis_a, s) || (b && !type_mentions(b, axis, s));
}

static bool begins_in_loop(const Node *n, const Sym *s, int first, int n_carried, int skip) {
    const Region *r = n->region[0];
    for (int k = 0; k < n->n_out; k++)
        for (int i = 0; i < n->out[k]->type.rank; i++) {
            const Type *t = &n->out[k]->type, *from = &r->results[skip + k]->type;
            int axis = k < n_carried || skip ? 0 : (int)attr_item(n, "out_axes", k - n_carried, 0);
            bool own = k < n_carried ? begins(t, i, s, &n->in[first + k]->type, i, NULL)
                                     : i != axis && begins(t, i, s, from, i - (i > axis), NULL);
            if (own) return true;
        }
    for (int k = 0; k < n_carried; k++)
        for (int i = 0; i < r->args[first + k]->type.rank; i++)
            if (begins(&r->args[first + k]->type, i, s, &n->in[first + k]->type, i, NULL))
                return true;
    return false;
}

bool node_makes_sym(const Node *n, const Sym *s) {
    const char *name = node_str(n, "sym", NULL);
    if (name && !strcmp(name, s->name)) return true;
    if (n->op == OP_loop) return begins_in_loop(n, s, 2, n->n_in - 2, 1);
    if (n->op == OP_scan) return begins_in_loop(n, s, 0, (int)node_int(n, "n_carried", 0), 0);
    for (int k = 0; n->op == OP_if && k < n->n_out; k++)
        for (int i = 0; i < n->out[k]->type.rank; i++)
            if (begins(&n->out[k]->type, i, s, &n->region[0]->results[k]->type, i,
                       &n->region[1]->results[k]->type))
                return true;
    return false;
}

typedef struct Inner {
    const Node *loop;
    bool found;
} Inner;

static void find_inner(void *user, const Expr *e) {
    Inner *in = user;
    if (e->kind != E_SYM || e->sym->kind != SYM_VALUE || in->found) return;
    in->found = node_makes_sym(in->loop, e->sym);
    for (const Node *m = in->loop->region[0]->first; m && !in->found; m = m->next)
        in->found = node_makes_sym(m, e->sym);
}

/* Is it known behind the loop, or only inside? */
static bool is_inner(const Node *n, const Expr *e) {
    Inner in = {n, false};
    expr_visit(e, find_inner, &in);
    return in.found;
}

/* A result that gets an element `t` per round, along the axis. */
static void collected(Graph *g, Node *n, int k, const Type *t, int axis, Expr *count) {
    Type old = n->out[k]->type, *out = &n->out[k]->type;
    Type inner = {.dtype = t->dtype, .rank = t->rank + 1};
    for (int i = 0; i <= t->rank; i++)
        inner.dims[i] = i == axis ? count : t->dims[i - (i > axis)];
    *out = (Type){.dtype = t->dtype};
    for (int i = 0; i <= t->rank; i++)
        if (i != axis && is_inner(n, inner.dims[i]))
            inner.dims[i] = infer_value_dim(g, &old, i, "collected");
    *out = inner;
}

static bool always_true(const Value *v) {
    return !v || (v->n_cells == 1 && v->cells[0] && expr_is(v->cells[0], 1));
}

Expr *loop_rounds(Ctx *ctx, const Node *n) {
    Expr *trip = NULL;
    bool counted = n->in[0] && always_true(n->in[1]) &&
                   (!n->region[0]->n_results || always_true(n->region[0]->results[0]) ||
                    n->region[0]->results[0] == n->region[0]->args[1]);
    bool known = counted && value_known(n->in[0], 0, &trip);
    return known ? expr_max(ctx, trip, expr_int(ctx, 0)) : NULL;
}

static Expr *rounds(Graph *g, Node *n) {
    Expr *known = loop_rounds(g->ctx, n);
    if (known) return known;
    if (required(n)) return required(n);
    if (!node_attr(n, "sym"))
        node_set_str(g, n, "sym", graph_sym(g, SYM_VALUE, "rounds", 0, INT64_MAX)->name);
    return named_sym(g, n);
}

bool infer_loop(Graph *g, Node *n) {
    int n_carried = n->n_in - 2;
    if (n->n_regions != 1) return infer_fail(g, n, "loop has %d regions", n->n_regions);
    if (!counts(g, n, 0, n_carried + 2, n->n_out + 1)) return false;
    const Region *r = n->region[0];
    for (int k = 0; k < n_carried; k++)
        if (!carried(g, n, k, &n->in[2 + k]->type, &r->args[2 + k]->type, &r->results[1 + k]->type))
            return false;
    if (n->n_out == n_carried) return true;
    Expr *count = rounds(g, n);
    for (int k = n_carried; k < n->n_out; k++) {
        const Type *t = &r->results[1 + k]->type;
        if (t->rank == MAX_RANK)
            return infer_fail(g, n, "rank %d is above %d", t->rank + 1, MAX_RANK);
        collected(g, n, k, t, 0, count);
    }
    return true;
}

static bool scan_element(Graph *g, Node *n, int k, int64_t axis, const Type *seq, const Type *arg) {
    if (axis < 0 || axis >= seq->rank || arg->rank != seq->rank - 1 || arg->dtype != seq->dtype)
        return infer_fail(g, n, "sequence %d does not fit the region", k);
    for (int i = 0; i < arg->rank; i++)
        if (dims_differ(g->ctx, arg->dims[i], seq->dims[i + (i >= axis)]))
            return infer_fail(g, n, "sequence %d does not fit the region", k);
    return true;
}

bool infer_scan(Graph *g, Node *n) {
    int n_carried = (int)node_int(n, "n_carried", 0);
    if (n->n_regions != 1) return infer_fail(g, n, "scan has %d regions", n->n_regions);
    if (n_carried < 0 || n_carried >= n->n_in || n_carried > n->n_out)
        return infer_fail(g, n, "n_carried is %d", n_carried);
    if (!counts(g, n, 0, n->n_in, n->n_out)) return false;
    const Region *r = n->region[0];
    for (int k = 0; k < n_carried; k++)
        if (!carried(g, n, k, &n->in[k]->type, &r->args[k]->type, &r->results[k]->type))
            return false;
    for (int k = n_carried; k < n->n_in; k++)
        if (!scan_element(g, n, k - n_carried, attr_item(n, "axes", k - n_carried, 0),
                          &n->in[k]->type, &r->args[k]->type))
            return false;
    Expr *count = n->in[n_carried]->type.dims[attr_item(n, "axes", 0, 0)];
    for (int k = n_carried; k < n->n_out; k++) {
        const Type *t = &r->results[k]->type;
        int64_t axis = attr_item(n, "out_axes", k - n_carried, 0);
        if (t->rank == MAX_RANK || axis < 0 || axis > t->rank)
            return infer_fail(g, n, "out_axes: %lld is out of range", (long long)axis);
        collected(g, n, k, t, (int)axis, count);
    }
    return true;
}
