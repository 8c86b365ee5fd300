/* Sampling at positions that are data: GridSample, AffineGrid. */
#include "frontend/ops.h"

typedef struct Sampler {
    OnnxNode *n;
    Node *c;
    int space;    /* spatial dimensions */
    Expr **sizes; /* of them */
    bool zeros, border, reflect, align;
} Sampler;

static Expr *op(Sampler *s, ScalarOp o, Expr *a, Expr *b) {
    return expr_op2(s->n->ctx, o, a, b);
}

static Expr *f32(Sampler *s, double v) {
    return expr_const_flt(s->n->ctx, DT_F32, v);
}

static Expr *to_f32(Sampler *s, Expr *e) {
    return expr_cast(s->n->ctx, DT_F32, e);
}

/* -1..1 to element positions. */
static Expr *unnormalize(Sampler *s, Expr *g, Expr *size) {
    Expr *len = to_f32(s, size), *one = f32(s, 1);
    Expr *shifted = op(s, SOP_add, g, one);
    if (s->align)
        return op(s, SOP_mul, op(s, SOP_div, shifted, f32(s, 2)), op(s, SOP_sub, len, one));
    return op(s, SOP_div, op(s, SOP_sub, op(s, SOP_mul, shifted, len), one), f32(s, 2));
}

/* Mirrors x into lo..hi, as often as needed. */
static Expr *reflect(Sampler *s, Expr *x, Expr *lo, Expr *hi) {
    Ctx *ctx = s->n->ctx;
    Expr *range = op(s, SOP_sub, hi, lo);
    Expr *away = expr_op1(ctx, SOP_abs, op(s, SOP_sub, x, lo));
    Expr *safe = op(s, SOP_max, range, f32(s, 1e-30)), *turns = op(s, SOP_div, away, safe);
    turns = expr_op1(ctx, SOP_floor, turns);
    Expr *rest = op(s, SOP_sub, away, op(s, SOP_mul, turns, range));
    Expr *half = op(s, SOP_div, turns, f32(s, 2));
    Expr *even = op(s, SOP_eq, half, expr_op1(ctx, SOP_floor, half));
    Expr *there = op(s, SOP_add, lo, rest), *back = op(s, SOP_sub, hi, rest);
    return expr_op3(ctx, SOP_select, even, there, back);
}

static Expr *reflect_index(Sampler *s, Expr *x, Expr *size) {
    Expr *len = to_f32(s, size), *lo = f32(s, s->align ? 0 : -0.5);
    return reflect(s, x, lo, op(s, SOP_sub, len, f32(s, s->align ? 1 : 0.5)));
}

/* Positions beyond the outer elements become theirs. Within half an element of them cubic
 * interpolation keeps the position; to other modes that is the same. */
static Expr *clamp(Sampler *s, Expr *x, Expr *size) {
    Expr *zero = f32(s, 0), *last = to_f32(s, expr_addi(s->n->ctx, size, -1));
    Expr *inner = op(s, SOP_min, op(s, SOP_max, x, zero), last);
    Expr *margin = f32(s, s->align ? 0 : 0.5), *away = op(s, SOP_sub, x, inner);
    Expr *near = op(s, SOP_le, expr_op1(s->n->ctx, SOP_abs, away), margin);
    return expr_op3(s->n->ctx, SOP_select, near, x, inner);
}

/* A whole position (as f32) to a subscript; *inside is ANDed with whether it needs no padding. */
static Expr *subscript(Sampler *s, Expr *x, Expr *size, Expr **inside) {
    Ctx *ctx = s->n->ctx;
    if (s->reflect) x = reflect_index(s, x, size);
    Expr *i = expr_cast(ctx, DT_INDEX, x);
    if (s->zeros) *inside = expr_and(ctx, *inside, expr_in_range(ctx, i, size));
    return expr_min(ctx, expr_max(ctx, i, ix(s->n, 0)), expr_addi(ctx, size, -1));
}

/* Positions and weights of the taps along one axis; how many. */
static int axis_taps(Sampler *s, const char *mode, Expr *x, Expr **at, Expr **weight) {
    Ctx *ctx = s->n->ctx;
    if (!strcmp(mode, "nearest")) {
        at[0] = expr_op1(ctx, SOP_round, x);
        weight[0] = NULL;
        return 1;
    }
    Expr *low = expr_op1(ctx, SOP_floor, x), *t = op(s, SOP_sub, x, low);
    if (!strcmp(mode, "linear")) {
        at[0] = low;
        at[1] = op(s, SOP_add, low, f32(s, 1));
        weight[0] = op(s, SOP_sub, f32(s, 1), t);
        weight[1] = t;
        return 2;
    }
    static const double near[] = {1.25, -2.25, 0, 1}, far[] = {-0.75, 3.75, -6, 3}; /* a = -0.75 */
    for (int i = 0; i < 4; i++) {
        Expr *d = i < 2 ? op(s, SOP_add, t, f32(s, 1 - i)) : op(s, SOP_sub, f32(s, i - 1), t);
        const double *k = i == 1 || i == 2 ? near : far;
        weight[i] = f32(s, k[0]);
        for (int j = 1; j < 4; j++)
            weight[i] = op(s, SOP_add, op(s, SOP_mul, weight[i], d), f32(s, k[j]));
        at[i] = op(s, SOP_add, low, f32(s, i - 1));
    }
    return 4;
}

typedef struct Taps {
    Expr *at[4], *weight[4];
    int n;
} Taps;

/* The weighted sum over the taps of axes i and up. */
static Expr *sum_taps(Sampler *s, const Taps *taps, int i, Expr **at, Expr *inside) {
    Ctx *ctx = s->n->ctx;
    if (i == s->space) {
        Expr *x = to_f32(s, expr_load(ctx, s->c->params[0], at, s->space + 2));
        return expr_op3(ctx, SOP_select, inside, x, f32(s, 0));
    }
    Expr *sum = NULL;
    for (int k = 0; k < taps[i].n; k++) {
        Expr *here = inside;
        at[2 + i] = subscript(s, taps[i].at[k], s->sizes[i], &here);
        Expr *term = sum_taps(s, taps, i + 1, at, here);
        if (taps[i].weight[k]) term = op(s, SOP_mul, taps[i].weight[k], term);
        sum = sum ? op(s, SOP_add, sum, term) : term;
    }
    return sum;
}

/* The mode under the name it has had since opset 20. */
static const char *sample_mode(OnnxNode *n) {
    const char *mode = attr_string(n, "mode", "linear");
    if (!strcmp(mode, "bilinear")) return "linear";
    return !strcmp(mode, "bicubic") ? "cubic" : mode;
}

static Value *sample(OnnxNode *n, Value *x, Value *grid) {
    Ctx *ctx = n->ctx;
    Value *in[] = {x, cast_to(n, grid, DT_F32)};
    Expr *dims[MAX_RANK], *at[MAX_RANK], *index[MAX_RANK];
    Taps taps[MAX_RANK];
    int rank = x->type.rank, space = rank - 2;
    if (!in[1]) return NULL;
    for (int i = 0; i < rank; i++) dims[i] = i < 2 ? x->type.dims[i] : grid->type.dims[i - 1];
    Sampler s = {.n = n, .space = space, .sizes = x->type.dims + 2};
    s.reflect = attr_is(n, "padding_mode", "reflection");
    s.border = attr_is(n, "padding_mode", "border");
    s.zeros = !s.reflect && !s.border;
    s.align = attr_int(n, "align_corners", 0) != 0;
    s.c = build_compute_begin(n->g, in, 2, x->type.dtype, dims, rank);
    at[0] = s.c->vars[0]->self;
    for (int i = 0; i < space; i++) at[1 + i] = s.c->vars[2 + i]->self;
    for (int i = 0; i < space; i++) { /* the grid's last axis counts from the innermost one */
        at[rank - 1] = ix(n, space - 1 - i);
        Expr *g = expr_load(ctx, s.c->params[1], at, rank);
        Expr *pos = unnormalize(&s, g, s.sizes[i]);
        if (s.border) {
            pos = clamp(&s, pos, s.sizes[i]);
        } else if (s.reflect) {
            pos = reflect_index(&s, pos, s.sizes[i]);
        }
        taps[i].n = axis_taps(&s, sample_mode(n), pos, taps[i].at, taps[i].weight);
    }
    index[0] = s.c->vars[0]->self;
    index[1] = s.c->vars[1]->self;
    Expr *yes = expr_const_int(ctx, DT_BOOL, 1), *y = sum_taps(&s, taps, 0, index, yes);
    return build_compute_end(n->g, s.c, expr_cast(ctx, x->type.dtype, y));
}

ONNX_OP(GridSample, 16) {
    ATTRS("align_corners:i mode:s(bilinear|nearest|bicubic)<20 mode:s(linear|nearest|cubic)@20"
          " padding_mode:s(zeros|border|reflection)");
    Value *x = need(n, 0, T_FLOAT), *grid = need(n, 1, T_FLOAT);
    if (!x || !grid || !want_rank(n, 0, 3, MAX_RANK)) return false;
    if (!want_rank(n, 1, x->type.rank, x->type.rank)) return false;
    if (!demand_equal(n, grid->type.dims[x->type.rank - 1], x->type.rank - 2))
        return bad(n, "last dimension of the grid is not the number of spatial dimensions");
    Expr *same = E2(eq, x->type.dims[0], grid->type.dims[0]);
    if (!demand_true(n, same, "data and grid differ in batch size")) return false;
    return give(n, 0, sample(n, x, grid));
}

/* ---- affine grids ---- */

/* Coordinate of position v along an axis: -1..1 with aligned corners, else the centres of equal
 * cells. */
static Expr *affine_coordinate(OnnxNode *n, Expr *v, Expr *size, bool align) {
    Ctx *ctx = n->ctx;
    Expr *x = expr_cast(ctx, DT_F32, v), *len = expr_cast(ctx, DT_F32, size);
    Expr *one = expr_const_flt(ctx, DT_F32, 1), *two = expr_const_flt(ctx, DT_F32, 2);
    Expr *steps = align ? expr_op2(ctx, SOP_max, expr_op2(ctx, SOP_sub, len, one), one) : len;
    Expr *at = expr_op2(ctx, SOP_mul, x, two);
    if (!align) at = expr_op2(ctx, SOP_add, at, one);
    return expr_op2(ctx, SOP_sub, expr_op2(ctx, SOP_div, at, steps), one);
}

ONNX_OP(AffineGrid, 20) {
    ATTRS("align_corners:i");
    Value *theta = need(n, 0, T_FLOAT);
    Expr *size[MAX_RANK], *dims[MAX_RANK], *sum = NULL;
    int count;
    Ctx *ctx = n->ctx;
    if (!theta || !want_rank(n, 0, 3, 3) || !input_cells(n, 1, size, 5, &count, 0)) return false;
    if (count != 4 && count != 5) return bad(n, "size has %d elements, 4 or 5 expected", count);
    int space = count - 2;
    const char *rule = "theta has a matrix of two rows and three columns per sample, or of 3 and 4";
    Expr *const *t = theta->type.dims, *fits = E2(eq, t[0], size[0]);
    fits = expr_and(ctx, fits, E2(eq, t[1], ix(n, space)));
    fits = expr_and(ctx, fits, E2(eq, t[2], ix(n, space + 1)));
    if (!demand_true(n, fits, rule)) return false;
    dims[0] = size[0];
    for (int i = 0; i < space; i++) dims[1 + i] = size[2 + i];
    dims[1 + space] = ix(n, space);
    DType dtype = theta->type.dtype;
    Node *c = build_compute_begin(n->g, &theta, 1, dtype, dims, space + 2);
    for (int k = 0; k <= space; k++) {
        Expr *at[] = {c->vars[0]->self, c->vars[1 + space]->self, ix(n, k)};
        Expr *term = expr_cast(ctx, DT_F32, expr_load(ctx, c->params[0], at, 3));
        int axis = space - 1 - k; /* x comes first, and is the innermost axis */
        bool align = attr_int(n, "align_corners", 0) != 0;
        if (k < space)
            term = expr_op2(ctx, SOP_mul, term,
                            affine_coordinate(n, c->vars[1 + axis]->self, size[2 + axis], align));
        sum = sum ? expr_op2(ctx, SOP_add, sum, term) : term;
    }
    return give(n, 0, build_compute_end(n->g, c, expr_cast(ctx, dtype, sum)));
}
