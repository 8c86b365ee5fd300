/* Result types of contractions, convolutions, pooling, reductions and what is made of them. */
#include "ir/graph_infer.h"

/* ---- contract ---- */

static const char *take_letters(const char *p, char *out, int *n) {
    *n = 0;
    while ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z')) {
        if (*n == MAX_RANK || memchr(out, *p, (size_t)*n)) return NULL;
        out[(*n)++] = *p++;
    }
    out[*n] = 0;
    return p;
}

bool contract_spec(const char *text, Spec *s) {
    const char *p = take_letters(text, s->a, &s->na);
    if (!p || *p++ != ',') return false;
    p = take_letters(p, s->b, &s->nb);
    if (!p || *p++ != '-' || *p++ != '>') return false;
    p = take_letters(p, s->y, &s->ny);
    if (!p || *p) return false;
    for (int i = 0; i < s->ny; i++)
        if (!strchr(s->a, s->y[i]) && !strchr(s->b, s->y[i])) return false;
    return true;
}

bool infer_contract(Graph *g, Node *n) {
    const Type *x = &n->in[0]->type, *w = &n->in[1]->type;
    Spec s;
    const char *text = node_str(n, "spec", "");
    if (!contract_spec(text, &s))
        return infer_fail(g, n, "\"%s\" is not a contraction of two operands", text);
    if (x->rank != s.na || w->rank != s.nb)
        return infer_fail(g, n, "\"%s\" does not fit ranks %d and %d", text, x->rank, w->rank);
    if (x->dtype != w->dtype)
        return infer_fail(g, n, "element types %s and %s differ", dtype_name(x->dtype),
                          dtype_name(w->dtype));
    for (int i = 0; i < s.na; i++) {
        const char *at = strchr(s.b, s.a[i]);
        if (at && dims_differ(g->ctx, x->dims[i], w->dims[at - s.b]))
            return infer_fail(g, n, "axis %c has two sizes", s.a[i]);
    }
    Expr *dims[MAX_RANK];
    for (int i = 0; i < s.ny; i++) {
        const char *a = strchr(s.a, s.y[i]), *b = strchr(s.b, s.y[i]);
        dims[i] = a ? x->dims[a - s.a] : w->dims[b - s.b];
        if (a && b && expr_is_int(w->dims[b - s.b], NULL)) dims[i] = w->dims[b - s.b];
    }
    infer_set(n, 0, x->dtype, dims, s.ny);
    return infer_bias(g, n, n->n_in > 2 ? n->in[2] : NULL, &n->out[0]->type);
}

/* ---- windows ---- */

static bool window_attrs(Graph *g, Node *n, int spatial) {
    static const char *const names[] = {"strides", "dilations", "pads"};
    for (int k = 0; k < 3; k++) {
        const int64_t *v = NULL;
        int count = node_ints(n, names[k], &v);
        if (count && !infer_count(g, n, names[k], count, k == 2 ? 2 * spatial : spatial))
            return false;
        for (int i = 0; i < count; i++)
            if (v[i] < (k != 2) || v[i] > INT32_MAX)
                return infer_fail(g, n, "%s: %lld is out of range", names[k], (long long)v[i]);
    }
    return true;
}

static bool conv_operands(Graph *g, Node *n, int64_t *group) {
    const Type *x = &n->in[0]->type, *w = &n->in[1]->type;
    *group = node_int(n, "group", 1);
    if (x->rank < 3 || w->rank != x->rank)
        return infer_fail(g, n, "ranks %d and %d are not those of a convolution", x->rank, w->rank);
    if (x->dtype != w->dtype)
        return infer_fail(g, n, "element types %s and %s differ", dtype_name(x->dtype),
                          dtype_name(w->dtype));
    if (*group < 1) return infer_fail(g, n, "group is %lld", (long long)*group);
    return window_attrs(g, n, x->rank - 2);
}

static bool conv_bias(Graph *g, Node *n, Expr *channels) {
    Type want = type_make(n->in[0]->type.dtype, &channels, 1);
    const Value *bias = n->n_in > 2 ? n->in[2] : NULL;
    if (bias && bias->type.rank != 1)
        return infer_fail(g, n, "the bias has rank %d", bias->type.rank);
    return infer_bias(g, n, bias, &want);
}

bool infer_conv(Graph *g, Node *n) {
    Ctx *ctx = g->ctx;
    const Type *x = &n->in[0]->type, *w = &n->in[1]->type;
    int64_t group, out_channels;
    if (!conv_operands(g, n, &group)) return false;
    if (dims_differ(ctx, x->dims[1], expr_muli(ctx, w->dims[1], group)))
        return infer_fail(g, n, "input channels do not fit the weights");
    if (expr_is_int(w->dims[0], &out_channels) && out_channels % group)
        return infer_fail(g, n, "group %lld does not divide %lld output channels", (long long)group,
                          (long long)out_channels);
    Expr *dims[MAX_RANK] = {x->dims[0], w->dims[0]};
    int spatial = x->rank - 2;
    for (int i = 0; i < spatial; i++) {
        int64_t pads = attr_item(n, "pads", i, 0) + attr_item(n, "pads", spatial + i, 0);
        Expr *window =
            expr_muli(ctx, expr_addi(ctx, w->dims[2 + i], -1), attr_item(n, "dilations", i, 1));
        Expr *room = expr_addi(ctx, expr_sub(ctx, x->dims[2 + i], window), pads - 1);
        Expr *stride = expr_int(ctx, attr_item(n, "strides", i, 1));
        dims[2 + i] = expr_addi(ctx, expr_floordiv(ctx, room, stride), 1);
    }
    infer_set(n, 0, x->dtype, dims, x->rank);
    return conv_bias(g, n, w->dims[0]);
}

static bool spatial_shape(Graph *g, Node *n, Expr **dims) {
    Expr *const *shape = NULL;
    int spatial = n->in[0]->type.rank - 2;
    if (!infer_count(g, n, "shape", node_exprs(n, "shape", &shape), spatial)) return false;
    for (int i = 0; i < spatial; i++) dims[2 + i] = shape[i];
    return true;
}

bool infer_conv_transpose(Graph *g, Node *n) {
    const Type *x = &n->in[0]->type, *w = &n->in[1]->type;
    int64_t group;
    if (!conv_operands(g, n, &group)) return false;
    if (dims_differ(g->ctx, x->dims[1], w->dims[0]))
        return infer_fail(g, n, "input channels do not fit the weights");
    Expr *dims[MAX_RANK] = {x->dims[0], expr_muli(g->ctx, w->dims[1], group)};
    if (!spatial_shape(g, n, dims)) return false;
    infer_set(n, 0, x->dtype, dims, x->rank);
    return conv_bias(g, n, dims[1]);
}

bool infer_pool(Graph *g, Node *n) {
    const Type *x = &n->in[0]->type;
    const int64_t *kernel = NULL;
    if (!infer_one_of(g, n, "kind", "max|sum|avg|avg_pad|l2")) return false;
    if (x->rank < 3) return infer_fail(g, n, "rank %d is not that of a pooling", x->rank);
    int count = node_ints(n, "kernel", &kernel);
    if (!infer_count(g, n, "kernel", count, x->rank - 2) || !window_attrs(g, n, x->rank - 2))
        return false;
    for (int i = 0; i < count; i++)
        if (kernel[i] < 1)
            return infer_fail(g, n, "kernel: %lld is out of range", (long long)kernel[i]);
    Expr *dims[MAX_RANK] = {x->dims[0], x->dims[1]};
    if (!spatial_shape(g, n, dims)) return false;
    infer_set(n, 0, x->dtype, dims, x->rank);
    return true;
}

/* ---- reductions ---- */

bool infer_reduce(Graph *g, Node *n) {
    const Type *x = &n->in[0]->type;
    const int64_t *axes = NULL;
    int count = node_ints(n, "axes", &axes);
    const char *kind = node_str(n, "kind", "");
    if (!infer_one_of(g, n, "kind", "sum|mean|prod|max|min|argmax|argmin|any|all")) return false;
    if (!infer_axes(g, n, "axes", axes, count, x->rank)) return false;
    bool logical = !strcmp(kind, "any") || !strcmp(kind, "all"),
         position = !strncmp(kind, "arg", 3);
    if (logical != (x->dtype == DT_BOOL) && !(x->dtype == DT_BOOL && (kind[0] == 'm' || position)))
        return infer_fail(g, n, "%s is not defined on %s", kind, dtype_name(x->dtype));
    if (position && count != 1) return infer_fail(g, n, "%s reduces %d axes", kind, count);
    Expr *dims[MAX_RANK];
    int rank = 0;
    for (int i = 0; i < x->rank; i++) {
        bool reduced = false;
        for (int k = 0; k < count; k++) reduced |= axes[k] == i;
        if (!reduced) dims[rank++] = x->dims[i];
        else if (node_int(n, "keepdims", 0)) dims[rank++] = expr_int(g->ctx, 1);
    }
    infer_set(n, 0, position ? DT_I64 : x->dtype, dims, rank);
    return true;
}

static bool need_float(Graph *g, Node *n) {
    DType t = n->in[0]->type.dtype;
    return dtype_is_float(t) ||
           infer_fail(g, n, "%s is not defined on %s", op_info(n->op)->name, dtype_name(t));
}

bool infer_softmax(Graph *g, Node *n) {
    n->out[0]->type = n->in[0]->type;
    return need_float(g, n) && infer_axis(g, n, n->in[0]->type.rank);
}

bool infer_norm(Graph *g, Node *n) {
    const Type *x = &n->in[0]->type;
    const int64_t *axes = NULL;
    int count = node_ints(n, "axes", &axes);
    n->out[0]->type = *x;
    if (!need_float(g, n) || !infer_axes(g, n, "axes", axes, count, x->rank)) return false;
    return infer_bias(g, n, n->n_in > 1 ? n->in[1] : NULL, x) &&
           infer_bias(g, n, n->n_in > 2 ? n->in[2] : NULL, x);
}

static bool attention_mask(Graph *g, Node *n, Type scores) {
    const Value *mask = n->n_in > 3 ? n->in[3] : NULL;
    if (mask && mask->type.dtype == DT_BOOL) scores.dtype = DT_BOOL;
    return infer_bias(g, n, mask, &scores);
}

bool infer_attention(Graph *g, Node *n) {
    Ctx *ctx = g->ctx;
    const Type *q = &n->in[0]->type, *k = &n->in[1]->type, *v = &n->in[2]->type;
    int64_t heads, groups;
    if (q->rank != 4 || k->rank != 4 || v->rank != 4)
        return infer_fail(g, n, "q, k and v must have rank 4");
    if (!need_float(g, n)) return false;
    if (k->dtype != q->dtype || v->dtype != q->dtype)
        return infer_fail(g, n, "q, k and v differ in element type");
    bool fits =
        !dims_differ(ctx, q->dims[0], k->dims[0]) && !dims_differ(ctx, q->dims[0], v->dims[0]) &&
        !dims_differ(ctx, k->dims[1], v->dims[1]) && !dims_differ(ctx, k->dims[2], v->dims[2]) &&
        !dims_differ(ctx, q->dims[3], k->dims[3]);
    if (!fits) return infer_fail(g, n, "the shapes of q, k and v do not fit");
    if (expr_is_int(q->dims[1], &heads) && expr_is_int(k->dims[1], &groups) &&
        (groups < 1 || heads % groups))
        return infer_fail(g, n, "%lld groups do not divide %lld heads", (long long)groups,
                          (long long)heads);
    Expr *scores[] = {q->dims[0], q->dims[1], q->dims[2], k->dims[2]};
    Expr *dims[] = {q->dims[0], q->dims[1], q->dims[2], v->dims[3]};
    infer_set(n, 0, q->dtype, dims, 4);
    return attention_mask(g, n, type_make(q->dtype, scores, 4));
}

bool infer_cumulate(Graph *g, Node *n) {
    n->out[0]->type = n->in[0]->type;
    return infer_one_of(g, n, "kind", "sum|prod") && infer_axis(g, n, n->in[0]->type.rank);
}
