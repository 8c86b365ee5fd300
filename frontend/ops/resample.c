/* Resampling: a comprehension whose body reads one, two or four taps per resized axis (resize.h).
 */
#include "frontend/ops/resize.h"

#include <math.h>

enum { MAX_TAPS = 4 };

typedef struct Taps {                         /* of one axis, at the output position at hand */
    Expr *index[MAX_TAPS], *weight[MAX_TAPS]; /* weight NULL: 1 */
    Expr *inside;                             /* tf_crop_and_resize: bool */
    int n;
} Taps;

/* ---- small f32 arithmetic ---- */

static Expr *f32(Resize *r, double v) {
    return expr_const_flt(r->n->ctx, DT_F32, v);
}

static Expr *to_f32(Resize *r, Expr *e) {
    return expr_cast(r->n->ctx, DT_F32, e);
}

static Expr *op(Resize *r, ScalarOp o, Expr *a, Expr *b) {
    return expr_op2(r->n->ctx, o, a, b);
}

/* Element i of a list that only the run knows. */
static Expr *listed(Resize *r, Value *list, int i) {
    Expr *at = ix(r->n, i);
    for (int k = 0; k < r->body->n_in; k++)
        if (r->body->in[k] == list)
            return to_f32(r, expr_load(r->n->ctx, r->body->params[k], &at, 1));
    BUG("a list is no input of the comprehension");
}

/* ---- coordinates ---- */

static bool is(const char *a, const char *b) {
    return !strcmp(a, b);
}

static Expr *scale_of(Resize *r, const Axis *a) {
    if (a->late) return listed(r, r->scales, a->late - 1);
    return a->scale != 0 ? f32(r, a->scale) : op(r, SOP_div, to_f32(r, a->out), to_f32(r, a->in));
}

/* (in - 1) / (out - 1), and 0 where out is 1. A given scale stands for an output size that need not
 * be whole. */
static Expr *corner_step(Resize *r, const Axis *a) {
    Ctx *ctx = r->n->ctx;
    int64_t size;
    double steps_given = a->by_scale && expr_is_int(a->in, &size) ? (double)size * a->scale - 1 : 0;
    if (steps_given > 0) return f32(r, (double)(size - 1) / steps_given);
    Expr *steps = to_f32(r, expr_max(ctx, expr_addi(ctx, a->out, -1), ix(r->n, 1)));
    if (a->late && a->by_scale) {
        Expr *whole = op(r, SOP_mul, to_f32(r, a->in), scale_of(r, a)),
             *less = op(r, SOP_sub, whole, f32(r, 1));
        steps = expr_op3(ctx, SOP_select, op(r, SOP_gt, less, f32(r, 0)), less, steps);
    }
    return op(r, SOP_div, to_f32(r, expr_addi(ctx, a->in, -1)), steps);
}

static Expr *crop_coordinate(Resize *r, const Axis *a, Expr *x) {
    Ctx *ctx = r->n->ctx;
    Expr *last = to_f32(r, expr_addi(ctx, a->in, -1)), *step = corner_step(r, a);
    Expr *start = r->roi ? listed(r, r->roi, a->from) : f32(r, a->start),
         *end = r->roi ? listed(r, r->roi, a->to) : f32(r, a->end),
         *size = r->roi ? op(r, SOP_sub, end, start) : f32(r, a->end - a->start),
         *middle = r->roi ? op(r, SOP_mul, f32(r, 0.5), op(r, SOP_add, start, end))
                          : f32(r, 0.5 * (a->start + a->end));
    Expr *from = op(r, SOP_mul, start, last);
    Expr *many =
        op(r, SOP_add, from, op(r, SOP_mul, x, op(r, SOP_mul, size, step)));
    Expr *one = op(r, SOP_mul, middle, last);
    return expr_op3(ctx, SOP_select, expr_op2(ctx, SOP_gt, a->out, ix(r->n, 1)), many, one);
}

static Expr *symmetric_offset(Resize *r, const Axis *a) {
    Expr *full = op(r, SOP_mul, to_f32(r, a->in), scale_of(r, a));
    Expr *rest = op(r, SOP_sub, f32(r, 1), op(r, SOP_div, to_f32(r, a->out), full));
    return op(r, SOP_mul, op(r, SOP_div, to_f32(r, a->in), f32(r, 2)), rest);
}

/* Where output position `var` lies in the input. */
static Expr *coordinate(Resize *r, const Axis *a, Expr *var) {
    Ctx *ctx = r->n->ctx;
    Expr *x = to_f32(r, var), *half = f32(r, 0.5);
    if (is(r->coordinates, "align_corners")) return op(r, SOP_mul, x, corner_step(r, a));
    if (is(r->coordinates, "asymmetric")) return op(r, SOP_div, x, scale_of(r, a));
    if (r->crop) return crop_coordinate(r, a, x);
    Expr *centre = op(r, SOP_div, op(r, SOP_add, x, half), scale_of(r, a));
    if (is(r->coordinates, "tf_half_pixel_for_nn")) return centre;
    Expr *c = op(r, SOP_sub, centre, half);
    if (is(r->coordinates, "half_pixel_symmetric"))
        return op(r, SOP_add, symmetric_offset(r, a), c);
    if (is(r->coordinates, "pytorch_half_pixel"))
        return expr_op3(ctx, SOP_select, expr_op2(ctx, SOP_gt, a->out, ix(r->n, 1)), c, f32(r, 0));
    return c;
}

/* ---- taps ---- */

static Expr *clamped(Resize *r, const Axis *a, Expr *index) {
    Ctx *ctx = r->n->ctx;
    return expr_min(ctx, expr_max(ctx, index, ix(r->n, 0)), expr_addi(ctx, a->in, -1));
}

static Expr *whole(Resize *r, Expr *x) {
    return expr_cast(r->n->ctx, DT_INDEX, x);
}

/* Whole factors with the usual roundings are plain division. */
static bool by_division(const Resize *r, const Axis *a) {
    bool round = is(r->rounding, "round_prefer_floor") || is(r->rounding, "round_prefer_ceil");
    bool fits = (is(r->coordinates, "half_pixel") && round) ||
                (is(r->coordinates, "asymmetric") && is(r->rounding, "floor"));
    return fits && a->scale >= 1 && a->scale == floor(a->scale) && a->scale < 1e6;
}

static void nearest(Resize *r, const Axis *a, Expr *var, Expr *x, Taps *t) {
    Ctx *ctx = r->n->ctx;
    Expr *half = f32(r, 0.5);
    t->n = 1;
    if (by_division(r, a)) {
        t->index[0] = clamped(r, a, expr_floordiv(ctx, var, ix(r->n, (int64_t)a->scale)));
        return;
    }
    if (is(r->rounding, "round_prefer_floor")) x = expr_op1(ctx, SOP_ceil, op(r, SOP_sub, x, half));
    else if (is(r->rounding, "round_prefer_ceil"))
        x = expr_op1(ctx, SOP_floor, op(r, SOP_add, x, half));
    else x = expr_op1(ctx, is(r->rounding, "ceil") ? SOP_ceil : SOP_floor, x);
    t->index[0] = clamped(r, a, whole(r, x));
}

static void linear(Resize *r, const Axis *a, Expr *x, Taps *t) {
    Ctx *ctx = r->n->ctx;
    Expr *low = expr_op1(ctx, SOP_floor, x), *at = whole(r, low), *part = op(r, SOP_sub, x, low);
    t->n = 2;
    t->index[0] = clamped(r, a, at);
    t->index[1] = clamped(r, a, expr_addi(ctx, at, 1));
    t->weight[0] = op(r, SOP_sub, f32(r, 1), part);
    t->weight[1] = part;
}

/* The cubic kernel at distance s: near (|s| <= 1) or far (1 < |s| < 2). */
static Expr *cubic_weight(Resize *r, Expr *s, bool is_near) {
    double a = r->cubic_a;
    Expr *y = f32(r, is_near ? a + 2 : a);
    double coefficients[2][3] = {{-5 * a, 8 * a, -4 * a}, {-(a + 3), 0, 1}};
    for (int i = 0; i < 3; i++)
        y = op(r, SOP_add, op(r, SOP_mul, y, s), f32(r, coefficients[is_near][i]));
    return y;
}

static void cubic(Resize *r, const Axis *a, Expr *x, Taps *t) {
    Ctx *ctx = r->n->ctx;
    Expr *low = expr_op1(ctx, SOP_floor, x), *at = whole(r, low), *part = op(r, SOP_sub, x, low),
         *sum = NULL;
    t->n = 4;
    for (int i = 0; i < 4; i++) {
        Expr *distance =
            i < 2 ? op(r, SOP_add, part, f32(r, 1 - i)) : op(r, SOP_sub, f32(r, i - 1), part);
        Expr *index = expr_addi(ctx, at, i - 1);
        t->index[i] = clamped(r, a, index);
        t->weight[i] = cubic_weight(r, distance, i == 1 || i == 2);
        if (!r->exclude_outside) continue;
        t->weight[i] =
            expr_op3(ctx, SOP_select, expr_in_range(ctx, index, a->in), t->weight[i], f32(r, 0));
        sum = sum ? op(r, SOP_add, sum, t->weight[i]) : t->weight[i];
    }
    for (int i = 0; r->exclude_outside && i < 4; i++)
        t->weight[i] = op(r, SOP_div, t->weight[i], sum);
}

static void axis_taps(Resize *r, const Axis *a, Expr *var, Taps *t) {
    Ctx *ctx = r->n->ctx;
    *t = (Taps){.n = 1, .index = {var}};
    if (!a->resized) return;
    Expr *x = coordinate(r, a, var);
    if (is(r->mode, "nearest")) nearest(r, a, var, x, t);
    else if (is(r->mode, "cubic")) cubic(r, a, x, t);
    else linear(r, a, x, t);
    Expr *last = to_f32(r, expr_addi(ctx, a->in, -1));
    if (r->crop) t->inside = expr_and(ctx, op(r, SOP_ge, x, f32(r, 0)), op(r, SOP_le, x, last));
}

/* The weighted sum over the taps of axes i and up; at[] holds the subscripts of the axes before. */
static Expr *sum_taps(Resize *r, const Node *c, const Taps *taps, int i, Expr **at) {
    if (i == r->rank) {
        Expr *x = expr_load(r->n->ctx, c->params[0], at, r->rank);
        return is(r->mode, "nearest") ? x : to_f32(r, x);
    }
    Expr *sum = NULL;
    for (int k = 0; k < taps[i].n; k++) {
        at[i] = taps[i].index[k];
        Expr *term = sum_taps(r, c, taps, i + 1, at);
        if (taps[i].weight[k]) term = op(r, SOP_mul, taps[i].weight[k], term);
        sum = sum ? op(r, SOP_add, sum, term) : term;
    }
    return sum;
}

Value *resample(Resize *r, Value *x) {
    OnnxNode *n = r->n;
    Expr *dims[MAX_RANK], *at[MAX_RANK], *inside = NULL;
    Taps taps[MAX_RANK];
    DType t = x->type.dtype;
    bool any = false;
    for (int i = 0; i < r->rank; i++) {
        dims[i] = r->axis[i].out;
        any = any || r->axis[i].resized;
    }
    if (!any) return x;
    Value *in[3] = {x};
    int n_in = 1;
    if (r->scales) in[n_in++] = r->scales;
    if (r->roi) in[n_in++] = r->roi;
    Node *c = r->body = build_compute_begin(n->g, in, n_in, t, dims, r->rank);
    for (int i = 0; i < r->rank; i++) {
        axis_taps(r, &r->axis[i], c->vars[i]->self, &taps[i]);
        if (taps[i].inside)
            inside = inside ? expr_and(n->ctx, inside, taps[i].inside) : taps[i].inside;
    }
    Expr *y = expr_cast(n->ctx, t, sum_taps(r, c, taps, 0, at));
    if (inside) {
        Expr *other = dtype_is_float(t) ? expr_const_flt(n->ctx, t, r->outside)
                                        : expr_const_int(n->ctx, t, (int64_t)r->outside);
        y = expr_op3(n->ctx, SOP_select, inside, y, other);
    }
    return build_compute_end(n->g, c, y);
}

/* ---- antialiasing ---- */

/* How many elements on each side a filter reaches that shrinking stretches. */
static Expr *filter_reach(Resize *r, const Axis *a) {
    OnnxNode *n = r->n;
    Ctx *ctx = n->ctx;
    int64_t q = is(r->mode, "cubic") ? 2 : 1;
    if (a->scale != 0) return ix(n, (int64_t)ceil((double)q / fmin(a->scale, 1)));
    if (!a->late)
        return at_least(n, expr_ceildiv(ctx, expr_muli(ctx, a->in, q), at_least(n, a->out, 1)), q);
    Value *least = bin(n, SOP_min, r->scales, flt(n, r->scales, 1));
    Value *many = bin(n, SOP_div, flt(n, r->scales, (double)q), least);
    many = cast_to(n, un(n, SOP_ceil, many), DT_I64);
    return many ? value_cell(n->g, many, a->late - 1, q, INT32_MAX) : NULL;
}

/* Opens a comprehension over x, y (or NULL) and the scales that only the run knows. */
static void open_lists(Resize *r, Value *x, Value *y, Expr *const *dims, int rank) {
    Value *in[3];
    int n_in = 0;
    if (x) in[n_in++] = x;
    if (y) in[n_in++] = y;
    if (r->scales) in[n_in++] = r->scales;
    r->body = build_compute_begin(r->n->g, in, n_in, DT_F32, dims, rank);
}

/* The input element of tap k at output position o. */
static Expr *tap_index(Resize *r, const Axis *a, Expr *o, Expr *k, Expr *reach) {
    Ctx *ctx = r->n->ctx;
    Expr *low = whole(r, expr_op1(ctx, SOP_floor, coordinate(r, a, o)));
    return expr_sub(ctx, expr_add(ctx, low, expr_addi(ctx, k, 1)), reach);
}

/* The filter's weights: [output, taps], which do not add up to 1. */
static Value *filter_weights(Resize *r, const Axis *a, Expr *reach, Expr *taps) {
    Ctx *ctx = r->n->ctx;
    Expr *dims[] = {a->out, taps}, *one = f32(r, 1), *zero = f32(r, 0);
    open_lists(r, NULL, NULL, dims, 2);
    Expr *o = r->body->vars[0]->self, *at = tap_index(r, a, o, r->body->vars[1]->self, reach);
    Expr *far = expr_op1(ctx, SOP_abs, op(r, SOP_sub, to_f32(r, at), coordinate(r, a, o)));
    Expr *scale = scale_of(r, a),
         *s = op(r, SOP_mul, far, expr_op3(ctx, SOP_select, op(r, SOP_lt, scale, one), scale, one)),
         *w = op(r, SOP_sub, one, s);
    if (is(r->mode, "cubic")) {
        Expr *outer = expr_op3(ctx, SOP_select, op(r, SOP_lt, s, f32(r, 2)),
                               cubic_weight(r, s, false), zero);
        w = expr_op3(ctx, SOP_select, op(r, SOP_le, s, one), cubic_weight(r, s, true), outer);
    } else {
        w = expr_op3(ctx, SOP_select, op(r, SOP_gt, w, zero), w, zero);
    }
    if (r->exclude_outside)
        w = expr_op3(ctx, SOP_select, expr_in_range(ctx, at, a->in), w, zero);
    return build_compute_end(r->n->g, r->body, w);
}

/* One axis: the weighted mean of the taps, which are an axis of their own at the end. */
static Value *smooth_axis(Resize *r, Value *x, int i) {
    OnnxNode *n = r->n;
    const Axis *a = &r->axis[i];
    Ctx *ctx = n->ctx;
    Expr *reach = filter_reach(r, a), *dims[MAX_RANK + 1], *at[MAX_RANK], *flat[MAX_RANK];
    if (!reach) return NULL;
    Expr *taps = expr_muli(ctx, reach, 2);
    Value *w = filter_weights(r, a, reach, taps);
    if (!w) return NULL;
    for (int d = 0; d < r->rank; d++) {
        dims[d] = d == i ? a->out : x->type.dims[d];
        flat[d] = d == i ? a->out : ix(n, 1);
    }
    dims[r->rank] = taps;
    open_lists(r, x, w, dims, r->rank + 1);
    Expr *k = r->body->vars[r->rank]->self, *o = r->body->vars[i]->self, *of[] = {o, k};
    for (int d = 0; d < r->rank; d++) at[d] = r->body->vars[d]->self;
    at[i] = clamped(r, a, tap_index(r, a, o, k, reach));
    Expr *value = to_f32(r, expr_load(ctx, r->body->params[0], at, r->rank));
    Expr *weight = expr_load(ctx, r->body->params[1], of, 2);
    Value *y = build_compute_end(n->g, r->body, op(r, SOP_mul, value, weight));
    y = y ? build_reduce(n->g, y, "sum", (int64_t[]){r->rank}, 1, false) : NULL;
    w = build_reduce(n->g, w, "sum", (int64_t[]){1}, 1, false);
    return w ? bin(n, SOP_div, y, reshape_to(n, w, flat, r->rank)) : NULL;
}

/* Half a unit further from 0, so that the conversion to an integer rounds. */
static Value *half_away(OnnxNode *n, Value *x) {
    if (!x) return NULL;
    Value *below = bin(n, SOP_lt, x, num(n, x, 0)), *half = flt(n, x, 0.5);
    return sel(n, below, bin(n, SOP_sub, x, half), bin(n, SOP_add, x, half));
}

Value *resample_smooth(Resize *r, Value *x) {
    DType t = x->type.dtype;
    if (r->rank == MAX_RANK) return bad(r->n, "antialiasing at rank %d", r->rank), NULL;
    for (int i = 0; i < r->rank && x; i++)
        if (r->axis[i].resized) x = smooth_axis(r, x, i);
    if (!dtype_is_float(t) && x && x->type.dtype != t) x = half_away(r->n, x);
    return cast_to(r->n, x, t);
}
