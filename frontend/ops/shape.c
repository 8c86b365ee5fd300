/* Shapes: reading them, and operators that only give a tensor another one. */
#include "frontend/ops.h"

ONNX_OP(Shape, 1) {
    ATTRS("start:i@15 end:i@15");
    Value *x = need(n, 0, T_ANY);
    if (!x) return false;
    int64_t rank = x->type.rank, start = attr_int(n, "start", 0), end = attr_int(n, "end", rank);
    if (start < 0) start += rank;
    if (end < 0) end += rank;
    start = MAX(0, MIN(start, rank));
    end = MAX(start, MIN(end, rank));
    if (start == end) return give(n, 0, graph_const_ints(n->g, &rank, 0));
    return give(n, 0, graph_cells(n->g, DT_I64, x->type.dims + start, (int)(end - start), 1));
}

ONNX_OP(Size, 1) {
    ATTRS("");
    Value *x = need(n, 0, T_ANY);
    if (!x) return false;
    Expr *size = type_elements(n->ctx, &x->type);
    return give(n, 0, graph_cells(n->g, DT_I64, &size, 1, 0));
}

/* ---- reshape ---- */

/* The dimension that -1 stands for: dims that occur on both sides cancel, which also holds where
 * they are zero. */
static Expr *left_over(OnnxNode *n, const Type *x, Expr *const *dims, int rank, int hole) {
    Expr *over[MAX_RANK], *under[MAX_RANK];
    int n_over = x->rank, n_under = 0;
    memcpy(over, x->dims, sizeof over);
    for (int i = 0; i < rank; i++) {
        int k = 0;
        if (i == hole) continue;
        while (k < n_over && over[k] != dims[i]) k++;
        if (k < n_over) over[k] = over[--n_over];
        else under[n_under++] = dims[i];
    }
    Expr *a = expr_product(n->ctx, over, n_over), *b = expr_product(n->ctx, under, n_under);
    int64_t whole, part;
    if (expr_is_int(a, &whole) && expr_is_int(b, &part) &&
        (part == 0 ? whole != 0 : whole % part != 0)) {
        bad(n, "%lld elements cannot be divided by %lld", (long long)whole, (long long)part);
        return NULL;
    }
    return expr_is(b, 0) ? ix(n, 0) : expr_floordiv(n->ctx, a, b);
}

static bool resolve_target(OnnxNode *n, const Type *x, Expr **dims, int rank) {
    int hole = -1;
    bool keep_zero = attr_int(n, "allowzero", 0);
    for (int i = 0; i < rank; i++) {
        int64_t v = 1;
        if (!expr_is_int(dims[i], &v)) continue;
        if (v < -1) return bad(n, "shape has a dimension of %lld", (long long)v);
        if (v == 0 && !keep_zero) {
            if (i >= x->rank) return bad(n, "shape copies dimension %d, which the input lacks", i);
            dims[i] = x->dims[i];
        }
        if (v == -1 && hole >= 0) return bad(n, "shape leaves more than one dimension open");
        if (v == -1) hole = i;
    }
    if (hole < 0) return true;
    return (dims[hole] = left_over(n, x, dims, rank, hole)) != NULL;
}

/* A target that only the run knows: 0 and -1 are replaced by the program before its elements become
 * dimensions. */
static Value *resolve_at_run(OnnxNode *n, Value *x, Value *shape) {
    int64_t count;
    Expr *copied[MAX_RANK];
    shape = cast_to(n, shape, DT_I64);
    if (!shape || !expr_is_int(shape->type.dims[0], &count)) return shape;
    for (int i = 0; i < count; i++) copied[i] = i < x->type.rank ? x->type.dims[i] : ix(n, 0);
    if (!attr_int(n, "allowzero", 0) && count > 0) {
        Value *dims = graph_cells(n->g, DT_I64, copied, (int)count, 1);
        shape = sel(n, bin(n, SOP_eq, shape, num(n, shape, 0)), dims, shape);
    }
    Expr *elements = type_elements(n->ctx, &x->type);
    Value *all = graph_cells(n->g, DT_I64, &elements, 1, 0), *open = num(n, shape, -1);
    Value *rest = shape ? build_reduce(n->g, shape, "prod", (int64_t[]){0}, 1, false) : NULL;
    Value *missing = bin(n, SOP_div, all, un(n, SOP_neg, rest));
    return sel(n, bin(n, SOP_eq, shape, open), missing, shape);
}

/* Reads the target of Reshape from input 1. */
static bool target_cells(OnnxNode *n, Value *x, Expr **dims, int *rank) {
    Value *shape = need(n, 1, T_S);
    int64_t count = 0;
    Expr *e;
    bool known = true;
    if (!shape || !want_rank(n, 1, 1, 1)) return false;
    if (expr_is_int(shape->type.dims[0], &count) && count > MAX_RANK)
        return bad(n, "rank would exceed %d", MAX_RANK);
    for (int64_t i = 0; i < count; i++) known = known && value_known(shape, i, &e);
    if (known) return input_cells(n, 1, dims, MAX_RANK, rank, 0);
    shape = resolve_at_run(n, x, shape);
    for (int i = 0; shape && i < count; i++)
        if (!(dims[i] = value_cell(n->g, shape, i, 0, INT64_MAX))) return false;
    return *rank = (int)count, shape != NULL;
}

ONNX_OP(Reshape, 1) {
    ATTRS("shape:I<5 consumed_inputs:I<5 allowzero:i@14");
    Value *x = need(n, 0, T_ANY);
    Expr *dims[MAX_RANK];
    int rank;
    if (!x) return false;
    if (n->opset >= 5 ? !target_cells(n, x, dims, &rank)
                      : !cells_arg(n, "shape", -1, dims, MAX_RANK, &rank, 0))
        return false;
    if (rank < 0) return bad(n, "shape is missing");
    return resolve_target(n, &x->type, dims, rank) && give(n, 0, reshape_to(n, x, dims, rank));
}

ONNX_OP(Flatten, 1) {
    ATTRS("axis:i");
    Value *x = need(n, 0, T_ANY);
    if (!x) return false;
    int64_t axis = attr_int(n, "axis", 1), rank = x->type.rank;
    if (axis < -rank || axis > rank)
        return bad(n, "axis %lld is out of range for rank %lld", (long long)axis, (long long)rank);
    if (axis < 0) axis += rank;
    Expr *dims[] = {expr_product(n->ctx, x->type.dims, (int)axis),
                    expr_product(n->ctx, x->type.dims + axis, (int)(rank - axis))};
    return give(n, 0, reshape_to(n, x, dims, 2));
}

/* The axes of Squeeze and Unsqueeze: an attribute before opset 13, then an input. */
static bool axes_arg(OnnxNode *n, int64_t *axes, int *count) {
    bool old = n->opset < 13;
    return ints_arg(n, old ? "axes" : NULL, old ? -1 : 1, axes, MAX_RANK, count);
}

/* x with those dimensions, where `removed`, the product of the sizes that go, must be 1: any other
 * is a fault of the run. */
static Value *squeezed(OnnxNode *n, Value *x, Expr *removed, Expr *const *dims, int rank) {
    Ctx *c = n->ctx;
    Expr *flat = expr_bound(c, expr_addi(c, removed, -1), ix(n, 1)), *at[MAX_RANK];
    if (expr_is(flat, 0)) return reshape_to(n, x, dims, rank);
    Node *y = build_compute_begin(n->g, &x, 1, x->type.dtype, dims, rank);
    Expr *stride = ix(n, 1);
    for (int i = rank - 1; i >= 0; i--) {
        flat = expr_add(c, flat, expr_mul(c, y->vars[i]->self, stride));
        stride = expr_mul(c, stride, dims[i]);
    }
    stride = ix(n, 1);
    for (int i = x->type.rank - 1; i >= 0; i--) {
        Expr *size = at_least(n, x->type.dims[i], 1); /* 0 is a fault, not a divisor */
        at[i] = expr_mod(c, expr_floordiv(c, flat, stride), size);
        stride = expr_mul(c, stride, size);
    }
    return build_compute_end(n->g, y, expr_load(c, y->params[0], at, x->type.rank));
}

/* Squeeze (insert: Unsqueeze) by axes that only the run knows. */
static bool squeeze_late(OnnxNode *n, Value *x, bool insert) {
    Expr *dims[MAX_RANK];
    LateAxes late;
    int64_t count = 1;
    if (n->in[1]->type.rank == 1) expr_is_int(n->in[1]->type.dims[0], &count);
    int64_t rank = x->type.rank + (insert ? count : -count);
    if (rank > MAX_RANK) return bad(n, "rank would exceed %d", MAX_RANK);
    if (!late_axes(n, 1, insert ? (int)rank : x->type.rank, &late)) return false;
    if (insert) late_insert(n, &late, &x->type, dims);
    else late_rest(n, &late, &x->type, dims);
    if (insert) return give(n, 0, reshape_to(n, x, dims, (int)rank));
    Expr *removed = ix(n, 1);
    for (int i = 0; i < x->type.rank; i++) {
        Expr *size = late_choose(n, &late, i, x->type.dims[i], ix(n, 1));
        removed = expr_mul(n->ctx, removed, size);
    }
    return give(n, 0, squeezed(n, x, removed, dims, (int)rank));
}

ONNX_OP(Squeeze, 1) {
    ATTRS("axes:I<13");
    Value *x = need(n, 0, T_ANY);
    int64_t axes[MAX_RANK], sorted[MAX_RANK];
    Expr *dims[MAX_RANK];
    int count, rank = 0;
    Expr *removed = ix(n, 1);
    if (x && n->opset >= 13 && is_late(n, 1)) return squeeze_late(n, x, false);
    if (!x || !axes_arg(n, axes, &count)) return false;
    if (count > 0 && !axes_in(n, axes, count, x->type.rank, sorted)) return false;
    for (int i = 0, k = 0; i < x->type.rank; i++) {
        Expr *dim = x->type.dims[i];
        bool named = count > 0 && k < count && sorted[k] == i;
        k += named;
        if (named && expr_is_int(dim, NULL) && !expr_is(dim, 1))
            return bad(n, "axis %d is not 1", i);
        if (named && !demand_equal(n, dim, 1)) removed = expr_mul(n->ctx, removed, dim);
        if (!named && !(count < 0 && expr_is(dim, 1))) dims[rank++] = dim;
    }
    return give(n, 0, squeezed(n, x, removed, dims, rank));
}

ONNX_OP(Unsqueeze, 1) {
    ATTRS("axes:I!<13");
    Value *x = need(n, 0, T_ANY);
    int64_t axes[MAX_RANK], sorted[MAX_RANK];
    Expr *dims[MAX_RANK];
    int count;
    if (x && n->opset >= 13 && is_late(n, 1)) return squeeze_late(n, x, true);
    if (!x || !axes_arg(n, axes, &count)) return false;
    if (count < 0) return bad(n, "axes are missing");
    int rank = x->type.rank + count;
    if (rank > MAX_RANK) return bad(n, "rank would exceed %d", MAX_RANK);
    if (!axes_in(n, axes, count, rank, sorted)) return false;
    for (int i = 0, k = 0; i < rank; i++) {
        bool fresh = k < count && sorted[k] == i;
        dims[i] = fresh ? ix(n, 1) : x->type.dims[i - k];
        k += fresh;
    }
    return give(n, 0, reshape_to(n, x, dims, rank));
}

ONNX_OP(Transpose, 1) {
    ATTRS("perm:I");
    Value *x = need(n, 0, T_ANY);
    int64_t perm[MAX_RANK], sorted[MAX_RANK];
    int count;
    if (!x || !ints_arg(n, "perm", -1, perm, MAX_RANK, &count)) return false;
    for (int i = 0; count < 0 && i < x->type.rank; i++) perm[i] = x->type.rank - 1 - i;
    if (count >= 0 && count != x->type.rank)
        return bad(n, "attribute \"perm\" has %d elements for rank %d", count, x->type.rank);
    if (count >= 0 && !axes_in(n, perm, count, x->type.rank, sorted)) return false;
    for (int i = 0; i < x->type.rank; i++) perm[i] += perm[i] < 0 ? x->type.rank : 0;
    return give(n, 0, transpose_to(n, x, perm));
}

/* ---- repetition ---- */

ONNX_OP(Expand, 8) {
    ATTRS("");
    Value *x = need(n, 0, T_ANY);
    Expr *want[MAX_RANK], *dims[MAX_RANK];
    int count;
    if (!x || !input_cells(n, 1, want, MAX_RANK, &count, 0)) return false;
    int rank = MAX(count, x->type.rank);
    for (int i = 0; i < rank; i++) {
        int k = i - (rank - x->type.rank), w = i - (rank - count);
        Expr *have = k >= 0 ? x->type.dims[k] : ix(n, 1), *asked = w >= 0 ? want[w] : ix(n, 1);
        if (!broadcast_dims(n->ctx, have, asked, &dims[i])) {
            Str s = str_new(n->ctx->perm);
            type_print(&s, &x->type);
            return bad(n, "%s does not broadcast to the shape that is asked for (axis %d)",
                       str_c(&s), i);
        }
    }
    return give(n, 0, build_expand(n->g, x, dims, rank));
}

/* Views only: every repeated axis gets a dimension in front, which is expanded and merged again. */
static Value *tile(OnnxNode *n, Value *x, Expr *const *repeats) {
    Expr *apart[MAX_RANK], *wide[MAX_RANK], *merged[MAX_RANK];
    int rank = 0;
    for (int i = 0; i < x->type.rank; i++) {
        Expr *dim = x->type.dims[i];
        merged[i] = expr_mul(n->ctx, dim, repeats[i]);
        if (!expr_is(repeats[i], 1)) {
            if (rank > MAX_RANK - 2) return bad(n, "rank is too high to be tiled"), NULL;
            apart[rank] = ix(n, 1);
            wide[rank++] = repeats[i];
        }
        if (rank == MAX_RANK) return bad(n, "rank is too high to be tiled"), NULL;
        apart[rank] = wide[rank] = dim;
        rank++;
    }
    Value *y = reshape_to(n, x, apart, rank);
    y = y ? build_expand(n->g, y, wide, rank) : NULL;
    return reshape_to(n, y, merged, x->type.rank);
}

ONNX_OP(Tile, 6) {
    ATTRS("");
    Value *x = need(n, 0, T_ANY);
    Expr *repeats[MAX_RANK];
    int count;
    if (!x || !input_cells(n, 1, repeats, MAX_RANK, &count, 0)) return false;
    if (count != x->type.rank)
        return bad(n, "%d repeats are given for rank %d", count, x->type.rank);
    return give(n, 0, tile(n, x, repeats));
}

ONNX_OP(Tile, 1) {
    ATTRS("");
    Value *x = need(n, 0, T_ANY);
    Expr *repeats[MAX_RANK], *times;
    int64_t which;
    int axis;
    if (!x || !input_cell(n, 1, &times, 0) || !known_int(n, 2, &which) ||
        !axis_in(n, which, x->type.rank, &axis))
        return false;
    for (int i = 0; i < x->type.rank; i++) repeats[i] = i == axis ? times : ix(n, 1);
    return give(n, 0, tile(n, x, repeats));
}

/* ---- depth and space ---- */

static bool block_size(OnnxNode *n, int64_t *size) {
    *size = attr_int(n, "blocksize", 0);
    return (*size > 0 && *size < 1 << 16) ||
           bad(n, "attribute \"blocksize\" is %lld", (long long)*size);
}

ONNX_OP(DepthToSpace, 1) {
    ATTRS("blocksize:i! mode:s(DCR|CRD)@11");
    Value *x = need(n, 0, T_PLAIN | T_C);
    int64_t b, channels;
    if (!x || !want_rank(n, 0, 4, 4) || !block_size(n, &b)) return false;
    Expr *const *d = x->type.dims, *block = ix(n, b);
    if (expr_is_int(d[1], &channels) && channels % (b * b))
        return bad(n, "channels are not a multiple of the squared block size");
    Expr *depth = expr_floordiv(n->ctx, d[1], ix(n, b * b));
    Expr *dcr[] = {d[0], block, block, depth, d[2], d[3]},
         *crd[] = {d[0], depth, block, block, d[2], d[3]};
    bool by_depth = !attr_is(n, "mode", "CRD");
    Value *y = reshape_to(n, x, by_depth ? dcr : crd, 6);
    y = transpose_to(n, y,
                     by_depth ? (int64_t[]){0, 3, 4, 1, 5, 2} : (int64_t[]){0, 1, 4, 2, 5, 3});
    Expr *out[] = {d[0], depth, expr_muli(n->ctx, d[2], b), expr_muli(n->ctx, d[3], b)};
    return give(n, 0, reshape_to(n, y, out, 4));
}

ONNX_OP(SpaceToDepth, 1) {
    ATTRS("blocksize:i! mode:s(DCR|CRD)@28");
    Value *x = need(n, 0, T_PLAIN | T_C);
    int64_t b;
    if (!x || !want_rank(n, 0, 4, 4) || !block_size(n, &b)) return false;
    Expr *const *d = x->type.dims, *block = ix(n, b);
    Expr *h = expr_floordiv(n->ctx, d[2], block), *w = expr_floordiv(n->ctx, d[3], block);
    Expr *apart[] = {d[0], d[1], h, block, w, block},
         *out[] = {d[0], expr_muli(n->ctx, d[1], b * b), h, w};
    Value *y = transpose_to(n, reshape_to(n, x, apart, 6), (int64_t[]){0, 3, 5, 1, 2, 4});
    return give(n, 0, reshape_to(n, y, out, 4));
}
