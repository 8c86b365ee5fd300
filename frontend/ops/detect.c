/* Detection: NonMaxSuppression, RoiAlign, MaxRoiPool. */
#include "frontend/ops.h"

/* ---- non-maximum suppression ---- */

/* Input k, one f32, as a scalar; `otherwise` where it is absent. */
static Value *threshold(OnnxNode *n, int k, double otherwise) {
    if (!has(n, k)) return graph_const_f(n->g, DT_F32, otherwise);
    Value *v = need(n, k, T_FLOAT);
    return cast_to(n, reshape_to(n, v, NULL, 0), DT_F32);
}

static bool sorted_scores(OnnxNode *n, Value *scores, Value **out) {
    Node *s = node_draft(n->g, OP_sort, &scores, 1, 2);
    node_set_int(n->g, s, "axis", 2);
    node_set_int(n->g, s, "largest", 1);
    node_set_exprs(n->g, s, "k", &scores->type.dims[2], 1);
    if (!node_finish(n->g, s)) return false;
    out[0] = s->out[0];
    out[1] = s->out[1];
    return true;
}

ONNX_OP(NonMaxSuppression, 10) {
    ATTRS("center_point_box:i");
    Value *boxes = need(n, 0, T_FLOAT), *scores = need(n, 1, T_FLOAT), *in[5];
    Expr *most = ix(n, 0);
    Ctx *ctx = n->ctx;
    if (!boxes || !scores || !want_rank(n, 0, 3, 3) || !want_rank(n, 1, 3, 3)) return false;
    if (boxes->type.dtype != DT_F32 || scores->type.dtype != DT_F32)
        return bad(n, "boxes and scores must be f32");
    if (!demand_equal(n, boxes->type.dims[2], 4)) return bad(n, "a box has four coordinates");
    Expr *const *b = boxes->type.dims, *const *s = scores->type.dims;
    if (!demand_true(n, expr_and(ctx, E2(eq, b[0], s[0]), E2(eq, b[1], s[2])),
                     "boxes and scores differ in number"))
        return false;
    if (has(n, 2) && !input_cell(n, 2, &most, INT64_MIN)) return false;
    in[0] = boxes;
    in[3] = threshold(n, 3, 0);
    in[4] = threshold(n, 4, -1.0 / 0.0);
    if (!in[3] || !in[4] || !sorted_scores(n, scores, in + 1)) return false;
    Expr *const *d = scores->type.dims, *per_class = expr_min(ctx, at_least(n, most, 0), d[2]);
    Expr *rows[] = {expr_mul(ctx, expr_mul(ctx, d[0], d[1]), per_class), ix(n, 3)};
    Expr *args[] = {d[0], d[1], d[2], per_class, ix(n, attr_int(n, "center_point_box", 0) != 0)};
    Node *call = node_draft(n->g, OP_call, in, 5, 2);
    call->out[0]->type = type_make(DT_I64, rows, 2);
    call->out[1]->type = type_make(DT_I64, NULL, 0);
    node_set_str(n->g, call, "name", "nms");
    node_set_exprs(n->g, call, "args", args, 5);
    if (!node_finish(n->g, call)) return false;
    Expr *count = value_cell(n->g, call->out[1], 0, 0, INT64_MAX);
    return count && give(n, 0, build_slice_axis(n->g, call->out[0], 0, ix(n, 0), count));
}

/* ---- regions of interest ---- */

typedef struct Roi { /* expressions inside a comprehension over [region, channel, y, x, ...] */
    OnnxNode *n;
    Node *c;
    Expr *region;
    DType t;
} Roi;

static Expr *load2(Roi *r, int param, Expr *a, Expr *b) {
    Expr *at[] = {a, b};
    return expr_load(r->n->ctx, r->c->params[param], at, 2);
}

static Expr *as(Roi *r, Expr *index) {
    return expr_cast(r->n->ctx, r->t, index);
}

typedef struct Span { /* the bins of a region along one axis */
    Expr *begin, *bin;
} Span;

/* axis 0: y (columns 1 and 3 of the regions), 1: x. */
static Span align_span(Roi *r, int axis, int64_t bins) {
    OnnxNode *n = r->n;
    bool half =
        n->opset >= 16 && !attr_is(n, "coordinate_transformation_mode", "output_half_pixel");
    Expr *scale = real(n, r->t, attr_float(n, "spatial_scale", 1)),
         *zero = real(n, r->t, half ? 0.5 : 0);
    Expr *lo = E2(sub, E2(mul, load2(r, 1, r->region, ix(n, axis ? 0 : 1)), scale), zero);
    Expr *hi = E2(sub, E2(mul, load2(r, 1, r->region, ix(n, axis ? 2 : 3)), scale), zero);
    Expr *size = E2(sub, hi, lo);
    if (!half) size = E2(max, size, real(n, r->t, 1));
    return (Span){lo, E2(div, size, real(n, r->t, (double)bins))};
}

typedef struct Tap {
    Expr *lo, *hi, *weight, *inside; /* subscripts, weight of hi, and whether the point counts */
} Tap;

/* Bilinear interpolation at point p: outside -1..size it is 0, at the border it is the border. */
static Tap tap(Roi *r, Expr *p, Expr *size) {
    OnnxNode *n = r->n;
    Ctx *ctx = n->ctx;
    Expr *last = expr_addi(ctx, size, -1), *zero = real(n, r->t, 0);
    Tap t;
    t.inside = E2(and, E2(ge, p, real(n, r->t, -1)), E2(le, p, as(r, size)));
    p = E2(min, E2(max, p, zero), as(r, last));
    Expr *low = E1(floor, p);
    t.lo = expr_max(ctx, expr_min(ctx, expr_cast(ctx, DT_INDEX, low), last), ix(n, 0));
    t.hi = expr_min(ctx, expr_addi(ctx, t.lo, 1), last);
    t.weight = E2(sub, p, low);
    return t;
}

/* The four neighbours of the point, weighted: added up, or (max mode) the largest. */
static Expr *interpolate(Roi *r, Expr *batch, Expr *channel, const Tap *y, const Tap *x, bool max) {
    OnnxNode *n = r->n;
    Expr *sum = NULL, *one = real(n, r->t, 1);
    for (int i = 0; i < 4; i++) {
        Expr *at[] = {batch, channel, i & 2 ? y->hi : y->lo, i & 1 ? x->hi : x->lo};
        Expr *wy = i & 2 ? y->weight : E2(sub, one, y->weight);
        Expr *wx = i & 1 ? x->weight : E2(sub, one, x->weight);
        Expr *v = expr_cast(n->ctx, r->t, expr_load(n->ctx, r->c->params[0], at, 4));
        Expr *term = E2(mul, E2(mul, wy, wx), v);
        sum = !sum ? term : max ? E2(max, sum, term) : E2(add, sum, term);
    }
    return E3(select, E2(and, y->inside, x->inside), sum, real(n, r->t, 0));
}

typedef struct AlignSizes {
    int64_t rows, columns, ratio; /* ratio 0: as many samples per bin as it has elements */
    Expr *most[2];                /* samples per bin along each axis, at most */
} AlignSizes;

/* Samples of a bin along one axis, as an index expression of data, at least 1. */
static Expr *samples(Roi *r, const AlignSizes *a, Expr *bin) {
    OnnxNode *n = r->n;
    if (a->ratio > 0) return ix(n, a->ratio);
    Expr *count = expr_cast(n->ctx, DT_INDEX, E1(ceil, bin));
    return expr_max(n->ctx, count, ix(n, 0));
}

/* Sample i of bin b. */
static Expr *point(Roi *r, const Span *s, Expr *b, Expr *i, Expr *count) {
    OnnxNode *n = r->n;
    Expr *step = E2(div, s->bin, as(r, expr_max(n->ctx, count, ix(n, 1))));
    Expr *at = E2(mul, E2(add, as(r, i), real(n, r->t, 0.5)), step);
    return E2(add, E2(add, s->begin, E2(mul, as(r, b), s->bin)), at);
}

/* [region, channel, rows, columns, samples of y, samples of x]; beyond a bin's samples `none`. */
static Value *sampled(OnnxNode *n, const AlignSizes *a, bool max) {
    Value *x = n->in[0], *rois = n->in[1], *in[] = {x, cast_to(n, rois, DT_F32), n->in[2]};
    Ctx *ctx = n->ctx;
    Expr *dims[] = {rois->type.dims[0], x->type.dims[1], ix(n, a->rows),
                    ix(n, a->columns),  a->most[0],      a->most[1]};
    if (!in[1]) return NULL;
    Roi r = {n, build_compute_begin(n->g, in, 3, DT_F32, dims, 6), NULL, DT_F32};
    Expr *v[6], *count[2];
    for (int i = 0; i < 6; i++) v[i] = r.c->vars[i]->self;
    r.region = v[0];
    Span y = align_span(&r, 0, a->rows), w = align_span(&r, 1, a->columns);
    count[0] = samples(&r, a, y.bin);
    count[1] = samples(&r, a, w.bin);
    Expr *batch = expr_cast(ctx, DT_INDEX, expr_load(ctx, r.c->params[2], &v[0], 1));
    batch = expr_bound(ctx, batch, x->type.dims[0]);
    Tap ty = tap(&r, point(&r, &y, v[2], v[4], count[0]), x->type.dims[2]);
    Tap tx = tap(&r, point(&r, &w, v[3], v[5], count[1]), x->type.dims[3]);
    Expr *value = interpolate(&r, batch, v[1], &ty, &tx, max);
    if (!max) {
        Expr *all = as(&r, expr_max(ctx, expr_mul(ctx, count[0], count[1]), ix(n, 1)));
        value = E2(div, value, all);
    }
    Expr *there = E2(and, E2(lt, v[4], count[0]), E2(lt, v[5], count[1]));
    Expr *empty = E2(eq, expr_mul(ctx, count[0], count[1]), ix(n, 0)), *zero = real(n, DT_F32, 0);
    Expr *none = max ? E3(select, empty, zero, real(n, DT_F32, -1.0 / 0.0)) : zero;
    return build_compute_end(n->g, r.c, E3(select, there, value, none));
}

/* How many samples the largest bin needs along an axis: found from the regions. */
static Expr *most_samples(OnnxNode *n, const AlignSizes *a, int axis) {
    Value *rois = cast_to(n, n->in[1], DT_F32);
    Expr *dims[] = {n->in[1]->type.dims[0]};
    if (a->ratio > 0) return ix(n, a->ratio);
    if (!rois) return NULL;
    Roi r = {n, NULL, NULL, DT_F32};
    Value *in[] = {rois, rois};
    r.c = build_compute_begin(n->g, in, 2, DT_I64, dims, 1);
    r.region = r.c->vars[0]->self;
    Span s = align_span(&r, axis, axis ? a->columns : a->rows);
    Value *each = build_compute_end(n->g, r.c, expr_cast(n->ctx, DT_I64, E1(ceil, s.bin)));
    Value *top = each ? build_reduce(n->g, each, "max", (int64_t[]){0}, 1, false) : NULL;
    top = bin(n, SOP_max, top, graph_const_i(n->g, DT_I64, 1));
    return top ? value_cell(n->g, top, 0, 1, INT64_MAX) : NULL;
}

ONNX_OP(RoiAlign, 10) {
    ATTRS("coordinate_transformation_mode:s(half_pixel|output_half_pixel)@16 mode:s(avg|max) "
          "output_height:i output_width:i sampling_ratio:i spatial_scale:f");
    Value *x = need(n, 0, T_FLOAT), *rois = need(n, 1, T_FLOAT), *batches = need(n, 2, T_S);
    AlignSizes a = {attr_int(n, "output_height", 1),
                    attr_int(n, "output_width", 1),
                    attr_int(n, "sampling_ratio", 0),
                    {0}};
    if (!x || !rois || !batches || !same_dtype(n, 0, 1) || !want_rank(n, 0, 4, 4)) return false;
    if (!want_rank(n, 1, 2, 2) || !want_rank(n, 2, 1, 1)) return false;
    if (!demand_equal(n, rois->type.dims[1], 4)) return bad(n, "a region has four coordinates");
    Expr *same = expr_op2(n->ctx, SOP_eq, rois->type.dims[0], batches->type.dims[0]);
    if (!demand_true(n, same, "numbers of regions and of batch indices differ")) return false;
    if (a.rows < 1 || a.columns < 1 || a.rows > INT32_MAX || a.columns > INT32_MAX)
        return bad(n, "output_height and output_width must be positive");
    if (a.ratio < 0 || a.ratio > INT32_MAX) return bad(n, "sampling_ratio must not be negative");
    for (int i = 0; i < 2; i++)
        if (!(a.most[i] = most_samples(n, &a, i))) return false;
    bool max = attr_is(n, "mode", "max");
    Value *all = sampled(n, &a, max);
    Value *y =
        all ? build_reduce(n->g, all, max ? "max" : "sum", (int64_t[]){4, 5}, 2, false) : NULL;
    return give(n, 0, cast_to(n, y, x->type.dtype));
}

/* ---- MaxRoiPool ---- */

/* The elements of bin b along one axis: begin..end-1, inside the picture. */
static void pool_span(Roi *r, int axis, int64_t bins, Expr *b, Expr *size, Expr **begin,
                      Expr **end) {
    OnnxNode *n = r->n;
    Ctx *ctx = n->ctx;
    Expr *scale = real(n, r->t, attr_float(n, "spatial_scale", 1)), *edge[2];
    for (int i = 0; i < 2; i++) {
        Expr *at = E2(mul, load2(r, 1, r->region, ix(n, (axis ? 1 : 2) + 2 * i)), scale);
        edge[i] = E1(floor, E2(add, at, real(n, r->t, 0.5)));
    }
    Expr *length = E2(max, E2(add, E2(sub, edge[1], edge[0]), real(n, r->t, 1)), real(n, r->t, 1));
    Expr *step = E2(div, length, real(n, r->t, (double)bins)), *bound[2];
    bound[0] = E1(floor, E2(mul, as(r, b), step));
    bound[1] = E1(ceil, E2(mul, as(r, expr_addi(ctx, b, 1)), step));
    for (int i = 0; i < 2; i++) {
        Expr *at = expr_cast(ctx, DT_INDEX, E2(add, bound[i], edge[0]));
        *(i ? end : begin) = expr_max(ctx, expr_min(ctx, at, size), ix(n, 0));
    }
}

ONNX_OP(MaxRoiPool, 1) {
    ATTRS("pooled_shape:I! spatial_scale:f");
    Value *x = need(n, 0, T_FLOAT), *rois = need(n, 1, T_FLOAT);
    int64_t shape[2];
    int count;
    Ctx *ctx = n->ctx;
    if (!x || !rois || !same_dtype(n, 0, 1) || !want_rank(n, 0, 4, 4) || !want_rank(n, 1, 2, 2))
        return false;
    if (!demand_equal(n, rois->type.dims[1], 5))
        return bad(n, "a region is a batch and four coordinates");
    if (!ints_arg(n, "pooled_shape", -1, shape, 2, &count)) return false;
    if (count != 2 || shape[0] < 1 || shape[1] < 1 || MAX(shape[0], shape[1]) > INT32_MAX)
        return bad(n, "attribute \"pooled_shape\" must be two positive numbers");
    Value *in[] = {x, cast_to(n, rois, DT_F32)};
    Expr *const *d = x->type.dims;
    Expr *dims[] = {rois->type.dims[0], d[1], ix(n, shape[0]), ix(n, shape[1]), d[2], d[3]};
    if (!in[1]) return false;
    Roi r = {n, build_compute_begin(n->g, in, 2, x->type.dtype, dims, 6), NULL, DT_F32};
    Expr *v[6], *inside = expr_const_int(ctx, DT_BOOL, 1);
    for (int i = 0; i < 6; i++) v[i] = r.c->vars[i]->self;
    r.region = v[0];
    for (int i = 0; i < 2; i++) {
        Expr *begin, *end;
        pool_span(&r, i ? 1 : 0, shape[i], v[2 + i], d[2 + i], &begin, &end);
        inside = E2(and, inside, E2(and, E2(ge, v[4 + i], begin), E2(lt, v[4 + i], end)));
    }
    Expr *batch = expr_cast(ctx, DT_INDEX, load2(&r, 1, v[0], ix(n, 0)));
    Expr *at[] = {expr_bound(ctx, batch, d[0]), v[1], v[4], v[5]};
    Expr *there = expr_load(ctx, r.c->params[0], at, 4);
    Expr *none = real(n, x->type.dtype, -1.0 / 0.0);
    Value *all = build_compute_end(n->g, r.c, E3(select, inside, there, none));
    Value *y = all ? build_reduce(n->g, all, "max", (int64_t[]){4, 5}, 2, false) : NULL;
    Value *empty = y ? bin(n, SOP_eq, y, flt(n, y, -1.0 / 0.0)) : NULL;
    return give(n, 0, sel(n, empty, num(n, y, 0), y));
}
