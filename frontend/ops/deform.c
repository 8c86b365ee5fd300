/* Convolution at positions that are data (DeformConv), and its columns put back (Col2Im). */
#include "frontend/ops/window.h"

/* ---- Col2Im ---- */

typedef struct Columns { /* of blocks that slide over an image */
    int rank;
    Expr *image[MAX_RANK], *block[MAX_RANK], *blocks[MAX_RANK];
    int64_t strides[MAX_RANK], dilations[MAX_RANK], pads[2 * MAX_RANK];
} Columns;

/* An attribute with one element per axis (or two), at least `least`; `otherwise` where absent. */
static bool list_attr(OnnxNode *n, const char *name, int count, int64_t otherwise, int64_t least,
                      int64_t *out) {
    int given;
    if (!ints_arg(n, name, -1, out, count, &given)) return false;
    for (int i = 0; given < 0 && i < count; i++) out[i] = otherwise;
    if (given >= 0 && given != count)
        return bad(n, "attribute \"%s\" has %d elements, %d expected", name, given, count);
    for (int i = 0; i < count; i++)
        if (out[i] < least || out[i] > INT32_MAX)
            return bad(n, "attribute \"%s\" has an element of %lld", name, (long long)out[i]);
    return true;
}

static bool read_columns(OnnxNode *n, Columns *k) {
    Ctx *ctx = n->ctx;
    int count;
    if (!input_cells(n, 1, k->image, (MAX_RANK - 2) / 2, &k->rank, 0) ||
        !input_cells(n, 2, k->block, (MAX_RANK - 2) / 2, &count, 0))
        return false;
    if (count != k->rank || !count) return bad(n, "image_shape and block_shape differ in length");
    if (!list_attr(n, "strides", count, 1, 1, k->strides) ||
        !list_attr(n, "dilations", count, 1, 1, k->dilations) ||
        !list_attr(n, "pads", 2 * count, 0, 0, k->pads))
        return false;
    for (int i = 0; i < count; i++) {
        Expr *room = expr_addi(ctx, k->image[i], k->pads[i] + k->pads[count + i] - 1);
        Expr *reach = expr_muli(ctx, expr_addi(ctx, k->block[i], -1), k->dilations[i]);
        Expr *steps = expr_floordiv(ctx, expr_sub(ctx, room, reach), ix(n, k->strides[i]));
        k->blocks[i] = at_least(n, expr_addi(ctx, steps, 1), 0);
    }
    return true;
}

/* [batch, channel, image..., block...]: what element `block` of the one block that covers the pixel
 * there contributes. */
static Value *contributions(OnnxNode *n, const Columns *k, Expr *channels) {
    Ctx *ctx = n->ctx;
    Value *x = n->in[0];
    Expr *dims[MAX_RANK] = {x->type.dims[0], channels}, *v[MAX_RANK] = {0};
    Expr *inside = expr_const_int(ctx, DT_BOOL, 1), *row, *column = ix(n, 0);
    int rank = k->rank;
    for (int i = 0; i < rank; i++) {
        dims[2 + i] = k->image[i];
        dims[2 + rank + i] = k->block[i];
    }
    Node *c = build_compute_begin(n->g, &x, 1, x->type.dtype, dims, 2 + 2 * rank);
    for (int i = 0; i < 2 + 2 * rank; i++) v[i] = c->vars[i]->self;
    row = v[1];
    for (int i = 0; i < rank; i++) {
        Expr *at = expr_sub(ctx, expr_addi(ctx, v[2 + i], k->pads[i]),
                            expr_muli(ctx, v[2 + rank + i], k->dilations[i]));
        Expr *stride = ix(n, k->strides[i]), *step = expr_floordiv(ctx, at, stride);
        inside = expr_and(ctx, inside, E2(eq, expr_mod(ctx, at, stride), ix(n, 0)));
        inside = expr_and(ctx, inside, expr_in_range(ctx, step, k->blocks[i]));
        row = expr_add(ctx, expr_mul(ctx, row, k->block[i]), v[2 + rank + i]);
        column = expr_add(ctx, expr_mul(ctx, column, k->blocks[i]), step);
    }
    DType t = x->type.dtype;
    Expr *at[] = {v[0], expr_bound(ctx, row, x->type.dims[1]),
                  expr_bound(ctx, column, x->type.dims[2])};
    Expr *zero = dtype_is_float(t) ? real(n, t, 0) : expr_const_int(ctx, t, 0);
    Expr *there = expr_load(ctx, c->params[0], at, 3);
    return build_compute_end(n->g, c, expr_guard(ctx, inside, there, zero));
}

ONNX_OP(Col2Im, 18) {
    ATTRS("dilations:I pads:I strides:I");
    Value *x = need(n, 0, T_NUM);
    Columns k = {0};
    int64_t axes[MAX_RANK], rows, elements;
    if (!x || !want_rank(n, 0, 3, 3) || !read_columns(n, &k)) return false;
    Expr *block = expr_product(n->ctx, k.block, k.rank);
    if (expr_is_int(x->type.dims[1], &rows) && expr_is_int(block, &elements) &&
        (elements < 1 || rows % elements))
        return bad(n, "%lld rows are no multiple of a block of %lld", (long long)rows,
                   (long long)elements);
    Value *all = contributions(n, &k, expr_floordiv(n->ctx, x->type.dims[1], block));
    for (int i = 0; i < k.rank; i++) axes[i] = 2 + k.rank + i;
    return all && give(n, 0, build_reduce(n->g, all, "sum", axes, k.rank, false));
}

/* ---- DeformConv ---- */

typedef struct Deform {
    OnnxNode *n;
    Window w;
    int64_t group, offset_group;
    Expr *kernel[MAX_RANK], *size, *out[MAX_RANK]; /* size: all elements of the kernel */
} Deform;

/* The attribute says how large the kernel is, or else the weights do; those may know it only in the
 * run. */
static bool deform_kernel(Deform *d) {
    OnnxNode *n = d->n;
    int64_t given[MAX_RANK];
    int count, space = d->w.rank;
    if (!ints_arg(n, "kernel_shape", -1, given, MAX_RANK, &count)) return false;
    if (count >= 0 && count != space)
        return bad(n, "attribute \"kernel_shape\" has %d elements, %d expected", count, space);
    for (int i = 0; i < space; i++) {
        Expr *size = n->in[1]->type.dims[2 + i];
        if (count >= 0 && !demand_equal(n, size, given[i]))
            return bad(n, "attribute \"kernel_shape\" does not fit the weights");
        d->kernel[i] = count >= 0 ? ix(n, given[i]) : size;
        d->w.kernel[i] = 1;
        if (!expr_is_int(d->kernel[i], &d->w.kernel[i])) d->w.late[i] = d->kernel[i];
        else if (d->w.kernel[i] < 1) return bad(n, "the kernel must not be empty");
    }
    d->size = expr_product(n->ctx, d->kernel, space);
    return true;
}

static bool read_deform(Deform *d) {
    OnnxNode *n = d->n;
    Ctx *ctx = n->ctx;
    Value *x = n->in[0], *offset = n->in[2];
    int space = d->w.rank = x->type.rank - 2;
    if (!want_rank(n, 1, space + 2, space + 2) || !want_rank(n, 2, space + 2, space + 2) ||
        !deform_kernel(d))
        return false;
    for (int i = 0; i < space; i++) d->out[i] = offset->type.dims[2 + i];
    if (!demand_true(n, E2(eq, offset->type.dims[0], x->type.dims[0]),
                     "there must be offsets for each sample"))
        return false;
    int64_t parts[] = {d->group = attr_int(n, "group", 1),
                       d->offset_group = attr_int(n, "offset_group", 1)};
    for (int i = 0; i < 2; i++) {
        const char *rule = "group and offset_group must divide the channels";
        if (parts[i] < 1) return bad(n, "%s", rule);
        Expr *rest = expr_mod(ctx, x->type.dims[1], ix(n, parts[i]));
        if (!demand_that(n, E2(eq, rest, ix(n, 0)), rule)) return bad(n, "%s", rule);
    }
    Expr *channels = expr_muli(ctx, expr_muli(ctx, d->size, d->offset_group), space);
    const char *rule = "the offsets need a channel per group, kernel element and axis";
    if (!demand_that(n, E2(eq, offset->type.dims[1], channels), rule)) return bad(n, "%s", rule);
    return window_read(n, &d->w);
}

/* Position of kernel element k (flat) along axis i. */
static Expr *kernel_position(Deform *d, Expr *k, int i) {
    OnnxNode *n = d->n;
    Expr *behind = expr_product(n->ctx, d->kernel + i + 1, d->w.rank - i - 1);
    return expr_mod(n->ctx, expr_floordiv(n->ctx, k, behind), d->kernel[i]);
}

/* The bilinear value at the position; taps outside the picture count as 0. */
static Expr *tap_sum(Deform *d, const Node *c, Expr **at, Expr *const *low, Expr *const *part,
                     int axis) {
    OnnxNode *n = d->n;
    Ctx *ctx = n->ctx;
    if (axis == d->w.rank)
        return expr_cast(ctx, DT_F32, expr_load(ctx, c->params[0], at, 2 + axis));
    Expr *size = n->in[0]->type.dims[2 + axis], *sum = NULL, *zero = real(n, DT_F32, 0);
    for (int k = 0; k < 2; k++) {
        Expr *i = expr_addi(ctx, low[axis], k);
        Expr *weight = k ? part[axis] : E2(sub, real(n, DT_F32, 1), part[axis]);
        weight = E3(select, expr_in_range(ctx, i, size), weight, zero);
        at[2 + axis] = expr_max(ctx, expr_min(ctx, i, expr_addi(ctx, size, -1)), ix(n, 0));
        Expr *term = E2(mul, weight, tap_sum(d, c, at, low, part, axis + 1));
        sum = sum ? E2(add, sum, term) : term;
    }
    return sum;
}

/* [batch, channel, kernel element, output...] of x, at the shifted positions, times the mask. */
static Value *deformed_columns(Deform *d) {
    OnnxNode *n = d->n;
    Ctx *ctx = n->ctx;
    Value *x = n->in[0], *in[] = {x, n->in[2], has(n, 4) ? n->in[4] : NULL};
    int space = d->w.rank, rank = 3 + space;
    Expr *dims[MAX_RANK] = {x->type.dims[0], x->type.dims[1], d->size}, *v[MAX_RANK];
    Expr *at[MAX_RANK], *from[MAX_RANK], *low[MAX_RANK], *part[MAX_RANK];
    for (int i = 0; i < space; i++) dims[3 + i] = d->out[i];
    Node *c = build_compute_begin(n->g, in, in[2] ? 3 : 2, DT_F32, dims, rank);
    for (int i = 0; i < rank; i++) v[i] = c->vars[i]->self;
    Expr *per = expr_floordiv(ctx, x->type.dims[1], ix(n, d->offset_group));
    Expr *slot = expr_add(ctx, expr_mul(ctx, expr_floordiv(ctx, v[1], per), d->size), v[2]);
    from[0] = at[0] = v[0];
    at[1] = v[1];
    for (int i = 0; i < space; i++) from[2 + i] = v[3 + i];
    for (int i = 0; i < space; i++) {
        Expr *grid = expr_sub(ctx, expr_muli(ctx, v[3 + i], d->w.strides[i]), d->w.lo[i]);
        Expr *hole = expr_muli(ctx, kernel_position(d, v[2], i), d->w.dilations[i]);
        from[1] = expr_addi(ctx, expr_muli(ctx, slot, space), i);
        Expr *shift = expr_cast(ctx, DT_F32, expr_load(ctx, c->params[1], from, 2 + space));
        Expr *p = E2(add, expr_cast(ctx, DT_F32, expr_add(ctx, grid, hole)), shift);
        Expr *whole = E1(floor, p);
        low[i] = expr_cast(ctx, DT_INDEX, whole);
        part[i] = E2(sub, p, whole);
    }
    Expr *y = tap_sum(d, c, at, low, part, 0);
    from[1] = slot;
    if (in[2])
        y = E2(mul, y, expr_cast(ctx, DT_F32, expr_load(ctx, c->params[2], from, 2 + space)));
    return build_compute_end(n->g, c, y);
}

ONNX_OP(DeformConv, 19) {
    ATTRS("dilations:I group:i kernel_shape:I offset_group:i pads:I strides:I");
    Deform d = {.n = n};
    Ctx *ctx = n->ctx;
    for (int i = 0; i < 5; i++)
        if ((i < 3 || has(n, i)) && (!need(n, i, T_FLOAT) || !same_dtype(n, 0, i))) return false;
    if (!want_rank(n, 0, 3, 8) || !read_deform(&d)) return false;
    Value *x = deformed_columns(&d), *w = cast_to(n, n->in[1], DT_F32);
    Expr *const *wd = n->in[1]->type.dims, *places = expr_product(ctx, d.out, d.w.rank);
    Expr *g = ix(n, d.group), *size = d.size, *batch = n->in[0]->type.dims[0];
    Expr *apart[] = {batch, g, wd[1], size, places};
    Expr *weights[] = {g, expr_floordiv(ctx, wd[0], g), wd[1], size};
    Expr *dims[MAX_RANK] = {batch, wd[0]};
    for (int i = 0; i < d.w.rank; i++) dims[2 + i] = d.out[i];
    x = reshape_to(n, x, apart, 5);
    w = reshape_to(n, w, weights, 4);
    Value *y = x && w ? build_contract(n->g, x, w, NULL, "ngckp,gock->ngop") : NULL;
    y = cast_to(n, reshape_to(n, y, dims, 2 + d.w.rank), n->in[0]->type.dtype);
    if (!has(n, 3)) return give(n, 0, y);
    return want_rank(n, 3, 1, 1) &&
           give(n, 0, bin(n, SOP_add, y, per_channel(n, n->in[3], 2 + d.w.rank)));
}
