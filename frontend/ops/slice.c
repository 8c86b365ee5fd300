/* Parts of tensors: Slice, Split, Concat, Pad. */
#include "frontend/ops.h"

#include <math.h>

/* ---- slice ---- */

/* A bound as numpy reads it: negative ones count from the end, huge ones (the way to say "all") are
 * the far end. */
static Expr *bound(OnnxNode *n, Expr *e, Expr *dim, Expr *lowest, Expr *highest) {
    Ctx *ctx = n->ctx;
    int64_t v;
    if (expr_is_int(e, &v)) {
        if (v >= INT32_MAX) return highest;
        if (v <= -INT32_MAX) return lowest;
        return v < 0 ? expr_addi(ctx, dim, v) : e;
    }
    if (expr_prove_ge0(ctx, e)) return e;
    Expr *negative = expr_op2(ctx, SOP_lt, e, ix(n, 0));
    return expr_op3(ctx, SOP_select, negative, expr_add(ctx, e, dim), e);
}

/* Start and length of one axis. A start behind its end needs no clamping: the slice is empty. */
static void slice_axis(OnnxNode *n, Expr *dim, Expr *start, Expr *end, int64_t step, Expr **from,
                       Expr **len) {
    Ctx *ctx = n->ctx;
    if (step > 0) {
        *from = at_least(n, bound(n, start, dim, ix(n, 0), dim), 0);
        Expr *to = expr_min(ctx, bound(n, end, dim, ix(n, 0), dim), dim);
        *len = expr_ceildiv(ctx, at_least(n, expr_sub(ctx, to, *from), 0), ix(n, step));
    } else {
        Expr *last = expr_addi(ctx, dim, -1), *before = ix(n, -1);
        *from = expr_min(ctx, at_least(n, bound(n, start, dim, before, last), 0), last);
        Expr *to = at_least(n, bound(n, end, dim, before, dim), -1);
        *len = expr_ceildiv(ctx, at_least(n, expr_sub(ctx, *from, to), 0), ix(n, -step));
    }
}

/* Starts or ends that only the run knows are kept small, so that no sum with them overflows. */
static bool keep_small(OnnxNode *n, int k) {
    int64_t count;
    Value *v = has(n, k) ? n->in[k] : NULL;
    Expr *e;
    bool late = false;
    if (!v || v->type.rank != 1 || !expr_is_int(v->type.dims[0], &count)) return true;
    for (int64_t i = 0; i < MIN(count, MAX_RANK); i++) late |= !value_known(v, i, &e);
    if (!late || !need(n, k, T_S)) return true;
    v = bin(n, SOP_min, bin(n, SOP_max, v, num(n, v, -INT32_MAX)), num(n, v, INT32_MAX));
    for (int64_t i = 0; v && i < MIN(count, MAX_RANK); i++)
        if (!value_cell(n->g, v, i, -INT32_MAX, INT32_MAX)) return false;
    n->in[k] = v;
    return v != NULL;
}

typedef struct SliceArgs {
    Expr *starts[MAX_RANK], *ends[MAX_RANK];
    int64_t axes[MAX_RANK], steps[MAX_RANK];
    int n;
} SliceArgs;

static bool slice_args(OnnxNode *n, int rank, SliceArgs *a) {
    bool old = n->opset < 10;
    int n_ends, n_axes, n_steps = -1;
    if (!old && (!keep_small(n, 1) || !keep_small(n, 2))) return false;
    if (!cells_arg(n, old ? "starts" : NULL, old ? -1 : 1, a->starts, MAX_RANK, &a->n, INT64_MIN) ||
        !cells_arg(n, old ? "ends" : NULL, old ? -1 : 2, a->ends, MAX_RANK, &n_ends, INT64_MIN) ||
        !ints_arg(n, old ? "axes" : NULL, old ? -1 : 3, a->axes, MAX_RANK, &n_axes) ||
        (!old && !ints_arg(n, NULL, 4, a->steps, MAX_RANK, &n_steps)))
        return false;
    if (a->n < 0 || n_ends != a->n || (n_axes >= 0 && n_axes != a->n) ||
        (n_steps >= 0 && n_steps != a->n))
        return bad(n, "starts, ends, axes and steps differ in length");
    if (n_axes < 0 && a->n > rank) return bad(n, "%d starts are given for rank %d", a->n, rank);
    for (int i = 0; i < a->n; i++) {
        if (n_axes < 0) a->axes[i] = i;
        if (n_steps < 0) a->steps[i] = 1;
        if (a->steps[i] == 0) return bad(n, "a step is 0");
        a->steps[i] = MAX(-INT32_MAX, MIN(a->steps[i], INT32_MAX));
    }
    return true;
}

/* A step that only the run knows; the program checks that it is not 0. */
static Expr *late_step(OnnxNode *n, Value *steps, int i) {
    Ctx *c = n->ctx;
    /* the size first: once the step has a symbol, its size would need none, and nothing to check */
    Expr *size = value_cell(n->g, un(n, SOP_abs, steps), i, 1, INT32_MAX),
         *step = value_cell(n->g, steps, i, -INT32_MAX, INT32_MAX);
    if (!step || !size) return NULL;
    Expr *negative = expr_op2(c, SOP_lt, step, ix(n, 0));
    return expr_op3(c, SOP_select, negative, expr_muli(c, size, -1), size);
}

/* Start and length of one axis for a step of either sign. */
static void late_bounds(OnnxNode *n, Expr *dim, Expr *start, Expr *end, Expr *step, Expr **from,
                        Expr **len) {
    Ctx *c = n->ctx;
    int64_t known;
    if (expr_is_int(step, &known)) {
        slice_axis(n, dim, start, end, known, from, len);
        return;
    }
    Expr *back = expr_op2(c, SOP_lt, step, ix(n, 0)), *up, *n_up, *down, *n_down;
    slice_axis(n, dim, start, end, 1, &up, &n_up);
    slice_axis(n, dim, start, end, -1, &down, &n_down);
    *from = expr_op3(c, SOP_select, back, down, up);
    Expr *all = expr_op3(c, SOP_select, back, n_down, n_up), *minus = expr_muli(c, step, -1);
    *len = expr_ceildiv(c, all, at_least(n, expr_op3(c, SOP_select, back, minus, step), 1));
}

typedef struct LateSlice {
    Expr *start[MAX_RANK], *end[MAX_RANK], *step[MAX_RANK];
    LateAxes axes;
} LateSlice;

static bool late_slice_args(OnnxNode *n, int rank, LateSlice *s) {
    int n_starts, n_ends;
    if (!keep_small(n, 1) || !keep_small(n, 2)) return false;
    if (!input_cells(n, 1, s->start, MAX_RANK, &n_starts, INT64_MIN) ||
        !input_cells(n, 2, s->end, MAX_RANK, &n_ends, INT64_MIN))
        return false;
    s->axes.n = n_starts;
    for (int i = 0; i < n_starts; i++) s->axes.at[i] = ix(n, i);
    if (has(n, 3) && !late_axes(n, 3, rank, &s->axes)) return false;
    Value *steps = maybe(n, 4, T_S);
    if (has(n, 4) && (!steps || !want_rank(n, 4, 1, 1))) return false;
    if (n_ends != n_starts || s->axes.n != n_starts ||
        (steps && !demand_equal(n, steps->type.dims[0], n_starts)))
        return bad(n, "starts, ends, axes and steps differ in length");
    if (n_starts > rank) return bad(n, "%d starts are given for rank %d", n_starts, rank);
    for (int i = 0; i < n_starts; i++) {
        int64_t known;
        bool is_known = steps && value_known(steps, i, &s->step[i]) &&
                        expr_is_int(s->step[i], &known);
        if (is_known && known == 0) return bad(n, "a step is 0");
        if (!steps) s->step[i] = ix(n, 1);
        else if (!is_known) s->step[i] = late_step(n, steps, i);
        if (!s->step[i]) return false;
    }
    return true;
}

/* Slices whose axes or steps only the run knows: every axis may be any of them. */
static bool late_slice(OnnxNode *n, Value *x) {
    Ctx *c = n->ctx;
    LateSlice s;
    Expr *from[MAX_RANK], *len[MAX_RANK], *step[MAX_RANK], *at[MAX_RANK];
    if (!late_slice_args(n, x->type.rank, &s)) return false;
    for (int i = 0; i < x->type.rank; i++) {
        Expr *first[MAX_RANK], *count[MAX_RANK], *dim = x->type.dims[i];
        for (int k = 0; k < s.axes.n; k++)
            late_bounds(n, dim, s.start[k], s.end[k], s.step[k], &first[k], &count[k]);
        from[i] = late_pick(n, &s.axes, i, first, ix(n, 0));
        len[i] = late_pick(n, &s.axes, i, count, dim);
        step[i] = late_pick(n, &s.axes, i, s.step, ix(n, 1));
    }
    Node *y = build_compute_begin(n->g, &x, 1, x->type.dtype, len, x->type.rank);
    for (int i = 0; i < x->type.rank; i++)
        at[i] = expr_add(c, from[i], expr_mul(c, y->vars[i]->self, step[i]));
    return give(n, 0, build_compute_end(n->g, y, expr_load(c, y->params[0], at, x->type.rank)));
}

ONNX_OP(Slice, 1) {
    ATTRS("starts:I!<10 ends:I!<10 axes:I<10");
    Value *x = need(n, 0, T_ANY);
    SliceArgs a;
    if (x && n->opset >= 10 && (is_late(n, 3) || is_late(n, 4))) return late_slice(n, x);
    if (!x || !slice_args(n, x->type.rank, &a)) return false;
    Expr *from[MAX_RANK], *len[MAX_RANK];
    int64_t steps[MAX_RANK], once[MAX_RANK];
    for (int i = 0; i < x->type.rank; i++) {
        from[i] = ix(n, 0);
        len[i] = x->type.dims[i];
        steps[i] = 1;
    }
    if (!axes_in(n, a.axes, a.n, x->type.rank, once)) return false;
    for (int i = 0; i < a.n; i++) {
        int axis = (int)(a.axes[i] < 0 ? a.axes[i] + x->type.rank : a.axes[i]);
        slice_axis(n, x->type.dims[axis], a.starts[i], a.ends[i], a.steps[i], &from[axis],
                   &len[axis]);
        steps[axis] = a.steps[i];
    }
    return give(n, 0, build_slice(n->g, x, from, steps, len));
}

/* ---- split and concat ---- */

/* Equal parts; the last one smaller where they do not come out even (opset 18 on). */
static bool even_parts(OnnxNode *n, Expr *dim, int parts, Expr **sizes) {
    int64_t size;
    bool known = expr_is_int(dim, &size);
    if (known && size % parts && n->opset < 18)
        return bad(n, "%lld elements cannot be split into %d equal parts", (long long)size, parts);
    Expr *part = expr_ceildiv(n->ctx, dim, ix(n, parts));
    for (int i = 0; i < parts; i++) sizes[i] = part;
    Expr *before = expr_muli(n->ctx, part, parts - 1);
    sizes[parts - 1] = at_least(n, expr_sub(n->ctx, dim, before), 0);
    if (n->opset >= 18) return demand_true(n, E2(le, before, dim), "there are too many parts");
    Expr *rest = expr_mod(n->ctx, dim, ix(n, parts));
    return demand_true(n, E2(eq, rest, ix(n, 0)), "the axis has no equal parts");
}

static bool split_sizes(OnnxNode *n, Expr *dim, Expr **sizes) {
    int count = -1;
    bool input = n->opset >= 13 || n->opset < 2;
    const int64_t *list;
    if (attr_int(n, "num_outputs", n->n_out) != n->n_out)
        return bad(n, "attribute \"num_outputs\" does not fit the %d outputs", n->n_out);
    if (!input || attr_has(n, "split")) {
        count = attr_ints(n, "split", &list);
        for (int i = 0; i < MIN(count, n->n_out); i++) sizes[i] = ix(n, list[i]);
    } else if (has(n, 1) && !input_cells(n, 1, sizes, n->n_out, &count, 0)) {
        return false;
    }
    if (count < 0) return even_parts(n, dim, n->n_out, sizes);
    if (count != n->n_out) return bad(n, "%d sizes are given for %d outputs", count, n->n_out);
    int64_t have, sum = 0, size;
    for (int i = 0; i < count; i++) {
        if (!expr_is_int(sizes[i], &size)) return true;
        if (size < 0 || __builtin_add_overflow(sum, size, &sum))
            return bad(n, "a size is out of range");
    }
    if (expr_is_int(dim, &have) && have != sum)
        return bad(n, "sizes sum up to %lld, not %lld", (long long)sum, (long long)have);
    return demand_equal(n, dim, sum) ||
           demand_true(n, E2(eq, dim, ix(n, sum)), "the sizes must sum up to that of the axis");
}

ONNX_OP(Split, 1) {
    ATTRS("axis:i split:I<13 num_outputs:i@18");
    Value *x = need(n, 0, T_ANY);
    int axis;
    if (!x || !axis_in(n, attr_int(n, "axis", 0), x->type.rank, &axis)) return false;
    if (n->n_out < 1) return bad(n, "there are no outputs");
    Expr **sizes = NEW_ARRAY(n->ctx->perm, Expr *, n->n_out), *start = ix(n, 0);
    if (!split_sizes(n, x->type.dims[axis], sizes)) return false;
    for (int i = 0; i < n->n_out; i++) {
        if (wants(n, i) && !give(n, i, build_slice_axis(n->g, x, axis, start, sizes[i])))
            return false;
        start = expr_add(n->ctx, start, sizes[i]);
    }
    return true;
}

ONNX_OP(Concat, 1) {
    ATTRS("axis:i<4 axis:i!@4");
    Value *first = need(n, 0, T_ANY);
    int axis;
    if (!first || !axis_in(n, attr_int(n, "axis", 1), first->type.rank, &axis)) return false;
    for (int i = 1; i < n->n_in; i++)
        if (!need(n, i, T_ANY) || !same_dtype(n, 0, i)) return false;
    return give(n, 0, build_concat(n->g, n->in, n->n_in, axis));
}

/* ---- pad ---- */

/* Begins and ends where only the run knows the axes. */
static bool late_pads(OnnxNode *n, int rank, Expr **lo, Expr **hi) {
    Expr *pads[2 * MAX_RANK];
    LateAxes axes;
    int count;
    if (!input_cells(n, 1, pads, 2 * MAX_RANK, &count, INT64_MIN)) return false;
    if (!late_axes(n, 3, rank, &axes) || !small_cells(n, pads, count)) return false;
    if (count != 2 * axes.n) return bad(n, "%d pads are given for %d axes", count, axes.n);
    for (int i = 0; i < rank; i++) {
        lo[i] = late_pick(n, &axes, i, pads, ix(n, 0));
        hi[i] = late_pick(n, &axes, i, pads + axes.n, ix(n, 0));
    }
    return true;
}

/* Is it one that a double does not hold? */
static bool is_long(const Value *v) {
    bool wide = v->type.dtype == DT_I64 || v->type.dtype == DT_U64;
    return wide && v->data && v->data->elements == 1 && fabs(const_get(v->data, 0)) >= 0x1p53;
}

/* Padding by a number that only the run knows, or by such a long one. */
static Value *late_fill(OnnxNode *n, Value *x, Expr *const *lo, Expr *const *hi) {
    Value *fill = need(n, 2, T_PLAIN), *one = graph_const_i(n->g, DT_BOOL, 1);
    if (!fill || !same_dtype(n, 0, 2) || !want_rank(n, 2, 0, 1)) return NULL;
    if (fill->type.rank && !expr_is(fill->type.dims[0], 1))
        return bad(n, "input 2 must have one element"), NULL;
    Value *mask = build_expand(n->g, one, x->type.dims, x->type.rank);
    mask = mask ? build_pad(n->g, mask, lo, hi, "constant", 0) : NULL;
    Value *padded = mask ? build_pad(n->g, x, lo, hi, "constant", 0) : NULL;
    return sel(n, mask, padded, reshape_to(n, fill, NULL, 0));
}

/* Begins and ends of all axes, or of those that input 3 lists. */
static bool pad_amounts(OnnxNode *n, int rank, Expr **lo, Expr **hi) {
    const char *name = n->opset < 2 ? "paddings" : n->opset < 11 ? "pads" : NULL;
    Expr *pads[2 * MAX_RANK];
    int64_t axes[MAX_RANK], once[MAX_RANK];
    int count, n_axes = -1;
    if (n->opset >= 18 && is_late(n, 3)) return late_pads(n, rank, lo, hi);
    if (!cells_arg(n, name, name ? -1 : 1, pads, 2 * MAX_RANK, &count, INT64_MIN)) return false;
    if (n->opset >= 18 && !ints_arg(n, NULL, 3, axes, MAX_RANK, &n_axes)) return false;
    for (int i = 0; i < rank; i++) lo[i] = hi[i] = ix(n, 0);
    if (n_axes < 0)
        for (n_axes = 0; n_axes < rank; n_axes++) axes[n_axes] = n_axes;
    if (!axes_in(n, axes, n_axes, rank, once)) return false;
    if (!small_cells(n, pads, MAX(count, 0))) return false;
    if (count != 2 * n_axes) return bad(n, "%d pads are given for %d axes", MAX(count, 0), n_axes);
    for (int i = 0; i < n_axes; i++) {
        int axis = (int)(axes[i] < 0 ? axes[i] + rank : axes[i]);
        lo[axis] = pads[i];
        hi[axis] = pads[n_axes + i];
    }
    return true;
}

/* What begins and ends below 0 cut off; what is left of them is padding. */
static Value *cut(OnnxNode *n, Value *x, Expr **lo, Expr **hi) {
    Expr *from[MAX_RANK], *len[MAX_RANK];
    int64_t steps[MAX_RANK];
    bool any = false;
    for (int i = 0; i < x->type.rank; i++) {
        Expr *begin = at_least(n, lo[i], 0), *end = at_least(n, hi[i], 0);
        any |= begin != lo[i] || end != hi[i];
        steps[i] = 1;
        from[i] = expr_sub(n->ctx, begin, lo[i]);
        Expr *less = expr_add(n->ctx, from[i], expr_sub(n->ctx, end, hi[i]));
        len[i] = expr_sub(n->ctx, x->type.dims[i], less);
        lo[i] = begin;
        hi[i] = end;
    }
    return any ? build_slice(n->g, x, from, steps, len) : x;
}

ONNX_OP(Pad, 1) {
    ATTRS("paddings:I!<2 pads:I!@2<11 value:f<11 mode:s(constant|reflect|edge)<19"
          " mode:s(constant|reflect|edge|wrap)@19");
    Value *x = need(n, 0, T_MOVED);
    Expr *lo[MAX_RANK], *hi[MAX_RANK];
    double value = attr_float(n, "value", 0);
    if (!x || !pad_amounts(n, x->type.rank, lo, hi)) return false;
    const char *mode = attr_string(n, "mode", "constant");
    bool constant = !strcmp(mode, "constant");
    if (!strcmp(mode, "wrap") && !(x = cut(n, x, lo, hi))) return false;
    if (constant && n->opset >= 11 && has(n, 2) && (!n->in[2]->data || is_long(n->in[2])))
        return give(n, 0, late_fill(n, x, lo, hi));
    if (constant && n->opset >= 11 && has(n, 2) &&
        (!same_dtype(n, 0, 2) || !known_float(n, 2, &value)))
        return false;
    return give(n, 0, build_pad(n->g, x, lo, hi, mode, constant ? value : 0));
}

/* Cuts or pads the middle of some axes to a given size; the odd element is cut or added behind. */
ONNX_OP(CenterCropPad, 18) {
    ATTRS("axes:I");
    Value *x = need(n, 0, T_PLAIN);
    Expr *want[MAX_RANK], *lo[MAX_RANK], *hi[MAX_RANK];
    int64_t axes[MAX_RANK];
    int count, n_axes, axis;
    if (!x || !input_cells(n, 1, want, MAX_RANK, &count, 0)) return false;
    if (!ints_arg(n, "axes", -1, axes, MAX_RANK, &n_axes)) return false;
    if (count != (n_axes < 0 ? x->type.rank : n_axes)) return bad(n, "%d sizes are given", count);
    for (int i = 0; i < x->type.rank; i++) lo[i] = hi[i] = ix(n, 0);
    for (int i = 0; i < count; i++) {
        if (!axis_in(n, n_axes < 0 ? i : axes[i], x->type.rank, &axis)) return false;
        Expr *more = expr_sub(n->ctx, want[i], x->type.dims[axis]), *two = ix(n, 2);
        Expr *less = expr_muli(n->ctx, more, -1);
        Expr *padded = expr_floordiv(n->ctx, at_least(n, more, 0), two);
        Expr *cut = expr_floordiv(n->ctx, at_least(n, less, 0), two);
        lo[axis] = expr_sub(n->ctx, padded, cut);
        hi[axis] = expr_sub(n->ctx, more, lo[axis]);
    }
    return give(n, 0, build_pad(n->g, x, lo, hi, "constant", 0));
}
