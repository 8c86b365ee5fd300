/* Resize and Upsample: scales, sizes and modes of every version. */
#include "frontend/ops/resize.h"

#include <math.h>

static bool is(const char *a, const char *b) {
    return !strcmp(a, b);
}

static bool known_floats(OnnxNode *n, int k, double *out, int max, int *count) {
    Value *v = need(n, k, T_FLOAT);
    if (!v || !want_rank(n, k, 1, 1)) return false;
    if (!v->data || v->data->missing)
        return bad(n, "value of input %d must be known when compiling", k);
    if (v->data->elements > max) return bad(n, "input %d has too many elements", k);
    *count = (int)v->data->elements;
    for (int i = 0; i < *count; i++) out[i] = const_get(v->data, i);
    return true;
}

static bool fits(double size) {
    return size >= 0 && size < (double)((int64_t)1 << 48);
}

/* floor(dim * scale), exactly: floats are fractions over powers of two. */
static Expr *scaled(OnnxNode *n, Expr *dim, double scale) {
    int shift = 0;
    while (scale != floor(scale) && shift < 30) scale *= 2, shift++;
    if (scale != floor(scale) || scale >= (double)((int64_t)1 << 30)) return NULL;
    Expr *times = expr_muli(n->ctx, dim, (int64_t)scale);
    return expr_floordiv(n->ctx, times, ix(n, (int64_t)1 << shift));
}

static bool set_scale(Resize *r, int axis, double scale) {
    Axis *a = &r->axis[axis];
    int64_t size;
    if (!(scale > 0) || scale > 1e9) return bad(r->n, "scale %g is out of range", scale);
    a->scale = scale;
    a->by_scale = true;
    a->resized = scale != 1 || r->crop;
    if (!a->resized) return true;
    if (expr_is_int(a->in, &size) && !fits((double)size * scale))
        return bad(r->n, "scale %g is out of range", scale);
    if (expr_is_int(a->in, &size)) a->out = ix(r->n, (int64_t)floor((double)size * scale));
    else if (scale == floor(scale)) a->out = expr_muli(r->n->ctx, a->in, (int64_t)scale);
    else if (1 / scale == floor(1 / scale))
        a->out = expr_floordiv(r->n->ctx, a->in, ix(r->n, (int64_t)(1 / scale)));
    else a->out = scaled(r->n, a->in, scale);
    return a->out || bad(r->n, "scale %g of a symbolic dimension is not supported", scale);
}

static void set_size(Resize *r, int axis, Expr *out) {
    Axis *a = &r->axis[axis];
    int64_t from, to;
    a->out = out;
    a->resized = out != a->in || r->crop;
    if (expr_is_int(a->in, &from) && expr_is_int(out, &to) && from > 0)
        a->scale = (double)to / (double)from;
}

/* Sizes that follow from scales which only the run knows: floor(in * scale + rounding). */
static bool late_sizes(Resize *r, Value *scales, const int64_t *axes, int count, double rounding) {
    OnnxNode *n = r->n;
    Expr *in[MAX_RANK] = {0};
    for (int i = 0; i < count; i++) in[i] = r->axis[axes[i]].in;
    Value *have = cast_to(n, graph_cells(n->g, DT_I64, in, count, 1), DT_F64);
    Value *size = bin(n, SOP_mul, have, cast_to(n, scales, DT_F64));
    size = bin(n, SOP_add, size, flt(n, size, rounding));
    size = cast_to(n, un(n, SOP_floor, size), DT_I64);
    r->scales = cast_to(n, scales, DT_F32);
    for (int i = 0; size && i < count; i++) {
        Axis *a = &r->axis[axes[i]];
        if (!(a->out = value_cell(n->g, size, i, 0, INT64_MAX))) return false;
        a->scale = 0;
        a->late = i + 1;
        a->resized = true;
    }
    return size && r->scales;
}

static bool late_scales(Resize *r, int k, const int64_t *axes, int count) {
    Value *scales = need(r->n, k, T_FLOAT);
    if (!scales || !want_rank(r->n, k, 1, 1)) return false;
    if (!demand_equal(r->n, scales->type.dims[0], count))
        return bad(r->n, "input %d must have %d elements, one for each axis", k, count);
    for (int i = 0; i < count; i++) r->axis[axes[i]].by_scale = true;
    return late_sizes(r, scales, axes, count, 0);
}

/* keep_aspect where a size is not known: the scale, as often as there are axes. */
static bool late_aspect(Resize *r, const int64_t *axes, int count, bool larger) {
    OnnxNode *n = r->n;
    Expr *in[MAX_RANK], *out[MAX_RANK], *all = ix(n, count);
    for (int i = 0; i < count; i++) {
        in[i] = r->axis[axes[i]].in;
        out[i] = r->axis[axes[i]].out;
    }
    Value *from = cast_to(n, graph_cells(n->g, DT_I64, in, count, 1), DT_F64),
          *to = cast_to(n, graph_cells(n->g, DT_I64, out, count, 1), DT_F64),
          *scale = bin(n, SOP_div, to, from);
    if (!scale) return false;
    scale = build_reduce(n->g, scale, larger ? "max" : "min", (int64_t[]){0}, 1, true);
    scale = scale ? build_expand(n->g, scale, &all, 1) : NULL;
    return scale && late_sizes(r, scale, axes, count, 0.5);
}

/* One scale for all axes, such that no size is exceeded (not_larger) or fallen short of
 * (not_smaller). */
static bool keep_aspect(Resize *r, const int64_t *axes, int count, bool larger) {
    double scale = 0;
    for (int i = 0; i < count; i++) {
        const Axis *a = &r->axis[axes[i]];
        if (a->scale == 0 && a->resized) return late_aspect(r, axes, count, larger);
        double s = a->resized ? a->scale : 1;
        if (i == 0 || (larger ? s > scale : s < scale)) scale = s;
    }
    for (int i = 0; i < count; i++) {
        Axis *a = &r->axis[axes[i]];
        int64_t size;
        if (!expr_is_int(a->in, &size)) continue;
        if (!fits((double)size * scale)) return bad(r->n, "scale %g is out of range", scale);
        a->out = ix(r->n, (int64_t)floor((double)size * scale + 0.5));
        a->scale = scale;
        a->resized = scale != 1;
    }
    return true;
}

/* The axes that scales, sizes and roi speak of. */
static bool resize_axes(Resize *r, int64_t *axes, int *count) {
    if (!ints_arg(r->n, "axes", -1, axes, MAX_RANK, count)) return false;
    for (int i = 0; *count < 0 && i < r->rank; i++) axes[i] = i;
    if (*count < 0) *count = r->rank;
    for (int i = 0; i < *count; i++) {
        int axis;
        if (!axis_in(r->n, axes[i], r->rank, &axis)) return false;
        axes[i] = axis;
    }
    return true;
}

static bool read_roi(Resize *r, const int64_t *axes, int count) {
    double roi[2 * MAX_RANK];
    int n_roi;
    if (!r->crop) return true;
    if (has(r->n, 1) && !r->n->in[1]->data) {
        if (!(r->roi = need(r->n, 1, T_FLOAT)) || !want_rank(r->n, 1, 1, 1)) return false;
        if (!demand_equal(r->n, r->roi->type.dims[0], 2 * count))
            return bad(r->n, "roi must have %d elements", 2 * count);
        for (int i = 0; i < count; i++) {
            r->axis[axes[i]].from = i;
            r->axis[axes[i]].to = count + i;
        }
        return true;
    }
    if (!known_floats(r->n, 1, roi, 2 * MAX_RANK, &n_roi)) return false;
    if (n_roi != 2 * count) return bad(r->n, "roi has %d elements, %d expected", n_roi, 2 * count);
    for (int i = 0; i < count; i++) {
        r->axis[axes[i]].start = roi[i];
        r->axis[axes[i]].end = roi[count + i];
    }
    return true;
}

static bool apply_scales(Resize *r, const double *scales, int n_scales, const int64_t *axes,
                         int count) {
    if (n_scales != count) return bad(r->n, "%d scales are given for %d axes", n_scales, count);
    for (int i = 0; i < count; i++)
        if (!set_scale(r, (int)axes[i], scales[i])) return false;
    return true;
}

static bool read_target(Resize *r, int scales_at, int sizes_at) {
    OnnxNode *n = r->n;
    int64_t axes[MAX_RANK];
    double scales[MAX_RANK];
    Expr *sizes[MAX_RANK];
    int count, given;
    if (!resize_axes(r, axes, &count) || !read_roi(r, axes, count)) return false;
    bool empty = has(n, scales_at) && n->in[scales_at]->type.rank == 1 &&
                 expr_is(n->in[scales_at]->type.dims[0], 0);
    if (!has(n, sizes_at) || (has(n, scales_at) && !empty)) {
        if (has(n, scales_at) && !n->in[scales_at]->data)
            return late_scales(r, scales_at, axes, count);
        return known_floats(n, scales_at, scales, MAX_RANK, &given) &&
               apply_scales(r, scales, given, axes, count);
    }
    if (!input_cells(n, sizes_at, sizes, MAX_RANK, &given, 0)) return false;
    if (given != count) return bad(n, "%d sizes are given for %d axes", given, count);
    for (int i = 0; i < count; i++) set_size(r, (int)axes[i], sizes[i]);
    if (attr_is(n, "keep_aspect_ratio_policy", "not_larger"))
        return keep_aspect(r, axes, count, false);
    if (attr_is(n, "keep_aspect_ratio_policy", "not_smaller"))
        return keep_aspect(r, axes, count, true);
    return true;
}

static Value *resize_open(OnnxNode *n, Resize *r) {
    Value *x = need(n, 0, T_PLAIN);
    *r = (Resize){.n = n,
                  .mode = attr_string(n, "mode", "nearest"),
                  .coordinates = "asymmetric",
                  .rounding = "floor"};
    r->rank = x ? x->type.rank : 0;
    for (int i = 0; i < r->rank; i++) r->axis[i].in = r->axis[i].out = x->type.dims[i];
    return x;
}

ONNX_OP(Resize, 11) {
    ATTRS("antialias:i@18 axes:I@18 "
          "coordinate_transformation_mode:s(half_pixel|half_pixel_symmetric|pytorch_half_pixel|"
          "align_corners|asymmetric|tf_half_pixel_for_nn|tf_crop_and_resize) cubic_coeff_a:f "
          "exclude_outside:i"
          " extrapolation_value:f keep_aspect_ratio_policy:s(stretch|not_larger|not_smaller)@18"
          " mode:s(nearest|linear|cubic) "
          "nearest_mode:s(round_prefer_floor|round_prefer_ceil|floor|ceil)");
    Resize r;
    Value *x = resize_open(n, &r);
    r.coordinates = attr_string(n, "coordinate_transformation_mode", "half_pixel");
    r.rounding = attr_string(n, "nearest_mode", "round_prefer_floor");
    r.cubic_a = attr_float(n, "cubic_coeff_a", -0.75);
    r.outside = attr_float(n, "extrapolation_value", 0);
    r.exclude_outside = attr_int(n, "exclude_outside", 0) != 0;
    r.crop = is(r.coordinates, "tf_crop_and_resize");
    bool smooth = attr_int(n, "antialias", 0) != 0;
    if (smooth && (r.crop || is(r.mode, "nearest")))
        return bad(n, "antialiasing needs mode linear or cubic, and no region");
    if (!x || !read_target(&r, 2, 3)) return false;
    return give(n, 0, smooth ? resample_smooth(&r, x) : resample(&r, x));
}

ONNX_OP(Resize, 10) {
    ATTRS("mode:s(nearest|linear)");
    Resize r;
    Value *x = resize_open(n, &r);
    return x && read_target(&r, 1, INT32_MAX) && give(n, 0, resample(&r, x));
}

ONNX_OP(Upsample, 7) {
    ATTRS("mode:s(nearest|linear) scales:F!<9");
    Resize r;
    Value *x = resize_open(n, &r);
    if (!x || n->opset >= 9)
        return x && read_target(&r, 1, INT32_MAX) && give(n, 0, resample(&r, x));
    const float *list;
    double scales[MAX_RANK];
    int64_t axes[MAX_RANK];
    int given = attr_floats(n, "scales", &list), count = r.rank;
    for (int i = 0; i < MIN(given, MAX_RANK); i++) scales[i] = (double)list[i];
    for (int i = 0; i < count; i++) axes[i] = i;
    return apply_scales(&r, scales, given, axes, count) && give(n, 0, resample(&r, x));
}

ONNX_OP(Upsample, 1) {
    ATTRS("mode:s(nearest|bilinear) height_scale:f! width_scale:f!");
    Resize r;
    Value *x = resize_open(n, &r);
    if (!x || !want_rank(n, 0, 4, 4)) return false;
    if (is(r.mode, "bilinear")) r.mode = "linear";
    double scales[] = {1, 1, attr_float(n, "height_scale", 1), attr_float(n, "width_scale", 1)};
    int64_t axes[] = {0, 1, 2, 3};
    return apply_scales(&r, scales, 4, axes, 4) && give(n, 0, resample(&r, x));
}
