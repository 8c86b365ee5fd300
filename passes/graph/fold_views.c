/* Folding of views: their elements are moved, or not even that. */
#include "passes/graph/fold.h"

Const *fold_uniform(Ctx *ctx, Const *c) {
    size_t bytes = dtype_bytes(c->dtype);
    if (!c->data || c->elements <= 16 || c->dtype == DT_STR) return c;
    const char *p = c->data;
    if (memcmp(p, p + bytes, bytes * (size_t)(c->elements - 1))) return c;
    return const_splat(ctx, c->dtype, c->elements, p);
}

/* A box of elements to copy: extents, and strides in elements on either side. */
typedef struct Box {
    int rank;
    int64_t extent[MAX_RANK], from[MAX_RANK], to[MAX_RANK];
} Box;

static void copy_box(const Box *b, int axis, const char *from, char *to, size_t bytes) {
    if (axis == b->rank) {
        memcpy(to, from, bytes);
        return;
    }
    bool run = axis == b->rank - 1 && b->from[axis] == 1 && b->to[axis] == 1;
    if (run) {
        memcpy(to, from, bytes * (size_t)b->extent[axis]);
        return;
    }
    int64_t width = (int64_t)bytes;
    for (int64_t i = 0; i < b->extent[axis]; i++)
        copy_box(b, axis + 1, from + i * b->from[axis] * width, to + i * b->to[axis] * width,
                 bytes);
}

static void row_major(const Type *t, int64_t *extent, int64_t *stride) {
    int64_t step = 1;
    for (int i = t->rank - 1; i >= 0; i--) {
        expr_is_int(t->dims[i], &extent[i]);
        stride[i] = step;
        step *= extent[i];
    }
}

static char *room(Graph *g, const Node *n, int64_t *elements) {
    type_static(&n->out[0]->type, elements);
    return arena_alloc(g->ctx->perm, dtype_bytes(n->out[0]->type.dtype) * (size_t)*elements + 1);
}

static Const *copied(Graph *g, const Node *n, const Box *b, int64_t first) {
    int64_t elements;
    char *data = room(g, n, &elements);
    size_t bytes = dtype_bytes(n->out[0]->type.dtype);
    const char *from = const_bytes(g->ctx, n->in[0]->data);
    if (elements) copy_box(b, 0, from + first * (int64_t)bytes, data, bytes);
    return const_new(g->ctx, n->out[0]->type.dtype, elements, data);
}

static Const *transposed(Graph *g, const Node *n) {
    int64_t extent[MAX_RANK], stride[MAX_RANK];
    Box b = {.rank = n->out[0]->type.rank};
    row_major(&n->in[0]->type, extent, stride);
    row_major(&n->out[0]->type, b.extent, b.to);
    const int64_t *perm = NULL;
    node_ints(n, "perm", &perm);
    for (int i = 0; i < b.rank; i++) b.from[i] = stride[perm[i]];
    return copied(g, n, &b, 0);
}

static Const *sliced(Graph *g, const Node *n) {
    int64_t extent[MAX_RANK], stride[MAX_RANK], first = 0, start;
    Box b = {.rank = n->out[0]->type.rank};
    row_major(&n->in[0]->type, extent, stride);
    row_major(&n->out[0]->type, b.extent, b.to);
    Expr *const *starts = NULL;
    const int64_t *steps = NULL;
    node_exprs(n, "starts", &starts);
    node_ints(n, "steps", &steps);
    for (int i = 0; i < b.rank; i++) {
        if (!expr_is_int(starts[i], &start)) return NULL;
        first += start * stride[i];
        b.from[i] = steps[i] * stride[i];
    }
    return copied(g, n, &b, first);
}

static Const *expanded(Graph *g, const Node *n) {
    int64_t extent[MAX_RANK], stride[MAX_RANK];
    const Type *x = &n->in[0]->type;
    Box b = {.rank = n->out[0]->type.rank};
    row_major(x, extent, stride);
    row_major(&n->out[0]->type, b.extent, b.to);
    for (int i = 0; i < b.rank; i++) {
        int at = i - (b.rank - x->rank);
        b.from[i] = at < 0 || extent[at] == 1 ? 0 : stride[at];
    }
    return copied(g, n, &b, 0);
}

static Const *concatenated(Graph *g, const Node *n) {
    int64_t axis = node_int(n, "axis", 0), elements, to_extent[MAX_RANK], to[MAX_RANK], at = 0;
    char *data = room(g, n, &elements);
    size_t bytes = dtype_bytes(n->out[0]->type.dtype);
    row_major(&n->out[0]->type, to_extent, to);
    for (int k = 0; k < n->n_in; k++) {
        Box b = {.rank = n->out[0]->type.rank};
        int64_t part;
        row_major(&n->in[k]->type, b.extent, b.from);
        memcpy(b.to, to, sizeof to);
        type_static(&n->in[k]->type, &part);
        if (part)
            copy_box(&b, 0, const_bytes(g->ctx, n->in[k]->data),
                     data + at * to[axis] * (int64_t)bytes, bytes);
        at += b.extent[axis];
    }
    return const_new(g->ctx, n->out[0]->type.dtype, elements, data);
}

static bool same_splat(const Node *n) {
    const Const *first = n->in[0]->data;
    for (int k = 0; k < n->n_in; k++) {
        const Const *c = n->in[k]->data;
        if (c->data && c->elements != 1) return false;
        if (memcmp(c->data ? c->data : c->splat, first->data ? first->data : first->splat,
                   dtype_bytes(c->dtype)))
            return false;
    }
    return true;
}

Const *fold_view(Graph *g, Node *n, bool may_copy, int64_t max_expand) {
    int64_t elements;
    Const *c = n->n_in ? n->in[0]->data : NULL;
    bool moves =
        n->op == OP_transpose || n->op == OP_slice || n->op == OP_expand || n->op == OP_concat;
    if ((!moves && n->op != OP_reshape) || n->out[0]->type.dtype == DT_STR) return NULL;
    if (!type_static(&n->out[0]->type, &elements)) return NULL;
    if (elements > 0 && same_splat(n))
        return const_splat(g->ctx, c->dtype, elements, c->data ? c->data : c->splat);
    if (n->op == OP_reshape) return const_new(g->ctx, c->dtype, elements, c->data);
    if (!may_copy) return NULL;
    switch (n->op) {
    case OP_transpose: return transposed(g, n);
    case OP_slice: return sliced(g, n);
    case OP_concat: return concatenated(g, n);
    default: return elements <= max_expand ? expanded(g, n) : NULL;
    }
}
