/* Tensors made from positions: Range, Trilu, ReverseSequence, TensorScatter, window functions. */
#include "frontend/ops.h"

/* start + i * delta, small floats in f32 */
static Value *ramp(OnnxNode *n, Expr *count) {
    Value *in[] = {reshape_to(n, n->in[0], NULL, 0), reshape_to(n, n->in[2], NULL, 0)};
    Ctx *ctx = n->ctx;
    if (!in[0] || !in[1]) return NULL;
    DType t = in[0]->type.dtype, work = t == DT_F16 || t == DT_BF16 ? DT_F32 : t;
    Node *c = build_compute_begin(n->g, in, 2, t, &count, 1);
    Expr *start = expr_cast(ctx, work, expr_load(ctx, c->params[0], NULL, 0));
    Expr *delta = expr_cast(ctx, work, expr_load(ctx, c->params[1], NULL, 0));
    Expr *step = expr_op2(ctx, SOP_mul, expr_cast(ctx, work, c->vars[0]->self), delta);
    return build_compute_end(n->g, c, expr_cast(ctx, t, expr_op2(ctx, SOP_add, start, step)));
}

/* The value of a scalar as an index expression, where it is an integer that shapes decide; looks
 * through casts to float, which exporters put in front of Range. */
static bool whole_number(OnnxNode *n, Value *v, Expr **out) {
    while (v->def && v->def->op == (Op)(OP_SCALAR + SOP_cast) && !dtype_is_int(v->type.dtype))
        v = v->def->in[0];
    if (dtype_is_int(v->type.dtype)) return value_known(v, 0, out);
    if (!v->data || v->data->elements != 1) return false;
    double x = const_get(v->data, 0);
    if (!(x > -1e6 && x < 1e6) || x != (double)(int64_t)x) return false;
    return *out = ix(n, (int64_t)x), true;
}

/* How many elements, as an index expression; NULL where that is not known. */
static Expr *count_from_cells(OnnxNode *n) {
    Expr *start, *limit, *delta;
    int64_t step;
    if (!whole_number(n, n->in[0], &start) || !whole_number(n, n->in[1], &limit)) return NULL;
    if (!whole_number(n, n->in[2], &delta) || !expr_is_int(delta, &step) || step == 0 ||
        step == INT64_MIN)
        return NULL;
    Expr *room = step > 0 ? expr_sub(n->ctx, limit, start) : expr_sub(n->ctx, start, limit);
    return expr_ceildiv(n->ctx, at_least(n, room, 0), ix(n, step > 0 ? step : -step));
}

/* The count is computed by the program: max(ceil((limit - start) / delta), 0). */
static Expr *count_at_run(OnnxNode *n) {
    DType t = n->in[0]->type.dtype, work = t == DT_F32 || t == DT_F64 ? t : DT_F64;
    Value *start = cast_to(n, n->in[0], work), *limit = cast_to(n, n->in[1], work),
          *delta = cast_to(n, n->in[2], work);
    Value *rounds = un(n, SOP_ceil, bin(n, SOP_div, bin(n, SOP_sub, limit, start), delta));
    Value *count = cast_to(n, bin(n, SOP_max, rounds, num(n, rounds, 0)), DT_I64);
    return count ? value_cell(n->g, count, 0, 0, INT64_MAX) : NULL;
}

static bool count_from_constants(OnnxNode *n, Expr **count) {
    double v[3];
    for (int i = 0; i < 3; i++) {
        if (!n->in[i]->data || n->in[i]->data->elements != 1) return false;
        v[i] = const_get(n->in[i]->data, 0);
    }
    double rounds = (v[1] - v[0]) / v[2];
    if (!(rounds < 1e15)) return false;
    int64_t whole = rounds > 0 ? (int64_t)rounds : 0;
    *count = ix(n, whole + ((double)whole < rounds));
    return true;
}

ONNX_OP(Range, 11) {
    ATTRS("stash_type:i@27");
    for (int i = 0; i < 3; i++)
        if (!need(n, i, T_NUM) || !want_rank(n, i, 0, 1) || !same_dtype(n, 0, i)) return false;
    Expr *count = count_from_cells(n);
    double delta;
    if (n->in[2]->data && (!known_float(n, 2, &delta) || delta == 0)) return bad(n, "delta is 0");
    if (!count && !count_from_constants(n, &count)) count = count_at_run(n);
    return count && give(n, 0, ramp(n, count));
}

ONNX_OP(Trilu, 14) {
    ATTRS("upper:i");
    Value *x = need(n, 0, T_PLAIN);
    Expr *k = ix(n, 0), *at[MAX_RANK];
    if (!x || !want_rank(n, 0, 2, MAX_RANK) || (has(n, 1) && !input_cell(n, 1, &k, INT64_MIN)))
        return false;
    if (!small_cells(n, &k, 1)) return false;
    Ctx *ctx = n->ctx;
    int rank = x->type.rank;
    DType t = x->type.dtype;
    Node *c = build_compute_begin(n->g, &x, 1, t, x->type.dims, rank);
    for (int i = 0; i < rank; i++) at[i] = c->vars[i]->self;
    Expr *diagonal = expr_add(ctx, at[rank - 2], k),
         *value = expr_load(ctx, c->params[0], at, rank);
    bool upper = attr_int(n, "upper", 1) != 0;
    Expr *kept = expr_op2(ctx, upper ? SOP_ge : SOP_le, at[rank - 1], diagonal);
    Expr *zero = dtype_is_float(t) ? expr_const_flt(ctx, t, 0) : expr_const_int(ctx, t, 0);
    return give(n, 0, build_compute_end(n->g, c, expr_op3(ctx, SOP_select, kept, value, zero)));
}

ONNX_OP(ReverseSequence, 10) {
    ATTRS("batch_axis:i time_axis:i");
    Value *x = need(n, 0, T_PLAIN | T_C), *lens = need(n, 1, T_S);
    int batch, time;
    if (!x || !lens || !want_rank(n, 0, 2, MAX_RANK) || !want_rank(n, 1, 1, 1)) return false;
    int rank = x->type.rank;
    if (!axis_in(n, attr_int(n, "batch_axis", 1), rank, &batch) ||
        !axis_in(n, attr_int(n, "time_axis", 0), rank, &time))
        return false;
    Ctx *ctx = n->ctx;
    Node *c = build_compute_begin(n->g, n->in, 2, x->type.dtype, x->type.dims, rank);
    Expr *at[MAX_RANK];
    for (int i = 0; i < rank; i++) at[i] = c->vars[i]->self;
    Expr *len = expr_cast(ctx, DT_INDEX, expr_load(ctx, c->params[1], &at[batch], 1)),
         *t = at[time];
    Expr *mirrored = expr_bound(ctx, expr_addi(ctx, expr_sub(ctx, len, t), -1), x->type.dims[time]);
    Expr *there = expr_load(ctx, c->params[0], at, rank);
    at[time] = mirrored;
    Expr *turned = expr_load(ctx, c->params[0], at, rank);
    return give(
        n, 0,
        build_compute_end(n->g, c, expr_guard(ctx, expr_op2(ctx, SOP_lt, t, len), turned, there)));
}

/* A stretch of every sample is replaced; it begins where write_indices says, and may wrap around.
 */
ONNX_OP(TensorScatter, 24) {
    ATTRS("axis:i mode:s(linear|circular)");
    Value *past = need(n, 0, T_MOVED | T_C), *update = need(n, 1, T_MOVED | T_C),
          *start = maybe(n, 2, T_S);
    int axis, rank;
    Ctx *ctx = n->ctx;
    if (!past || !update || (has(n, 2) && !start) || !same_dtype(n, 0, 1)) return false;
    rank = past->type.rank;
    if (!want_rank(n, 1, rank, rank) || !axis_in(n, attr_int(n, "axis", -2), rank, &axis))
        return false;
    for (int i = 0; i < rank; i++)
        if (i != axis && !demand_true(n, E2(eq, past->type.dims[i], update->type.dims[i]),
                                      "sizes of the cache and of the update differ"))
            return false;
    Value *in[] = {past, update, start};
    Node *c = build_compute_begin(n->g, in, start ? 3 : 2, past->type.dtype, past->type.dims, rank);
    Expr *at[MAX_RANK];
    for (int i = 0; i < rank; i++) at[i] = c->vars[i]->self;
    Expr *old = expr_load(ctx, c->params[0], at, rank), *from = at[axis];
    if (start) {
        Expr *first = expr_cast(ctx, DT_INDEX, expr_load(ctx, c->params[2], &at[0], 1));
        from = expr_sub(ctx, from, first);
    }
    if (attr_is(n, "mode", "circular")) from = expr_mod(ctx, from, past->type.dims[axis]);
    Expr *inside = expr_in_range(ctx, from, update->type.dims[axis]);
    at[axis] = from;
    Expr *fresh = expr_load(ctx, c->params[1], at, rank);
    return give(n, 0, build_compute_end(n->g, c, expr_guard(ctx, inside, fresh, old)));
}

/* a - b cos(2 pi i / N) + c cos(4 pi i / N), N one less where the window is not periodic */
static bool window_function(OnnxNode *n, double a, double b, double c) {
    Ctx *ctx = n->ctx;
    Expr *size;
    DType t = dtype_from_onnx(attr_int(n, "output_datatype", 1));
    if (!dtype_is_float(t) && !dtype_is_int(t)) return bad(n, "output type is not supported");
    if (!input_cell(n, 0, &size, 0)) return false;
    Node *w = build_compute_begin(n->g, NULL, 0, t, &size, 1);
    Expr *steps = attr_int(n, "periodic", 1) ? size : expr_addi(ctx, size, -1);
    Expr *turn = expr_const_flt(ctx, DT_F32, 6.283185307179586);
    Expr *angle = expr_op2(ctx, SOP_mul, expr_cast(ctx, DT_F32, w->vars[0]->self), turn);
    angle = expr_op2(ctx, SOP_div, angle, expr_cast(ctx, DT_F32, at_least(n, steps, 1)));
    Expr *one = expr_op1(ctx, SOP_cos, angle);
    Expr *two = expr_op1(ctx, SOP_cos, expr_op2(ctx, SOP_add, angle, angle));
    Expr *y = expr_op2(ctx, SOP_mul, one, expr_const_flt(ctx, DT_F32, b));
    y = expr_op2(ctx, SOP_sub, expr_const_flt(ctx, DT_F32, a), y);
    if (c != 0)
        y = expr_op2(ctx, SOP_add, y, expr_op2(ctx, SOP_mul, two, expr_const_flt(ctx, DT_F32, c)));
    return give(n, 0, build_compute_end(n->g, w, expr_cast(ctx, t, y)));
}

ONNX_OP(HannWindow, 17) {
    ATTRS("output_datatype:i periodic:i");
    return window_function(n, 0.5, 0.5, 0);
}

ONNX_OP(HammingWindow, 17) {
    ATTRS("output_datatype:i periodic:i");
    return window_function(n, 25.0 / 46, 1 - 25.0 / 46, 0);
}

ONNX_OP(BlackmanWindow, 17) {
    ATTRS("output_datatype:i periodic:i");
    return window_function(n, 0.42, 0.5, 0.08);
}
