/* Fourier transforms: DFT, STFT; and MelWeightMatrix.
 *
 * A transform of known length runs in stages (fourier_stages.c). A length with a large prime factor
 * is a convolution with a chirp (Bluestein 1970), by transforms of a power of 2. Constants are
 * computed in f64. A length that only the run knows is left to the runtime
 * (core/calls_fourier.c). */
#include "frontend/ops/fourier.h"

#include "frontend/calls.h"

enum { LARGE_PRIME = 61 };

/* ---- lengths with large prime factors ---- */

/* x * w for complex x [a, n, b, 1 or 2] and constants w[count] along the second axis. */
static Value *times_vector(Fourier *f, Value *x, const double *w, int64_t count) {
    OnnxNode *n = f->n;
    int64_t parts = 2;
    if (!x) return NULL;
    expr_is_int(x->type.dims[3], &parts);
    double *v = NEW_ARRAY(n->ctx->perm, double, count *parts * 2 + 1);
    for (int64_t i = 0, at = 0; i < count; i++)
        for (int64_t c = 0; c < parts; c++)
            for (int d = 0; d < 2; d++)
                v[at++] = c == d ? w[2 * i] : c ? -w[2 * i + 1] : w[2 * i + 1];
    Expr *dims[] = {ix(n, count), ix(n, parts), ix(n, 2)};
    return build_contract(n->g, x, fourier_constant(f, v, count * parts * 2, dims, 3), NULL,
                          "anbc,ncd->anbd");
}

/* x [a, len, b, parts] cut, or filled with zeros, to the length. */
static Value *fit_length(OnnxNode *n, Value *x, Expr *length) {
    Ctx *ctx = n->ctx;
    if (!x || x->type.dims[1] == length) return x;
    Expr *dims[4], *at[4], *old = x->type.dims[1];
    for (int i = 0; i < 4; i++) dims[i] = i == 1 ? length : x->type.dims[i];
    Node *c = build_compute_begin(n->g, &x, 1, x->type.dtype, dims, 4);
    for (int i = 0; i < 4; i++) at[i] = c->vars[i]->self;
    Expr *there = expr_load(ctx, c->params[0], at, 4);
    return build_compute_end(
        n->g, c, expr_guard(ctx, expr_in_range(ctx, at[1], old), there, real(n, x->type.dtype, 0)));
}

/* The transform of length `size` (a power of 2) of the complex list v, in place; plain recursion,
 * for constants. */
static void transform_constants(double *v, double *spare, int64_t size) {
    if (size < 2) return;
    int64_t half = size / 2;
    for (int64_t i = 0; i < half; i++) {
        memcpy(spare + 2 * i, v + 4 * i, 16);
        memcpy(spare + 2 * (half + i), v + 4 * i + 2, 16);
    }
    memcpy(v, spare, (size_t)size * 16);
    transform_constants(v, spare, half);
    transform_constants(v + size, spare, half);
    for (int64_t k = 0; k < half; k++) {
        double w[2], *even = v + 2 * k, *odd = v + 2 * (half + k);
        fourier_root(false, k, size, w);
        double re = odd[0] * w[0] - odd[1] * w[1], im = odd[0] * w[1] + odd[1] * w[0];
        odd[0] = even[0] - re, odd[1] = even[1] - im;
        even[0] += re, even[1] += im;
    }
}

/* With c[k] = exp(-pi i k^2 / n): X[k] = c[k] sum_j (x[j] c[j]) conj(c[k - j]). */
static Value *bluestein(Fourier *f, Value *x, int64_t n) {
    OnnxNode *node = f->n;
    int64_t size = 1;
    while (size < 2 * n - 1) size *= 2;
    Arena *perm = node->ctx->perm;
    double *chirp = NEW_ARRAY(perm, double, 2 * n), *kernel = NEW_ARRAY(perm, double, 2 * size);
    for (int64_t k = 0; k < n; k++) {
        fourier_root(f->inverse, (int64_t)((__int128)k * k % (2 * n)), 2 * n, chirp + 2 * k);
        for (int side = 0; side < 2; side++) {
            double *to = kernel + 2 * (side && k ? size - k : k);
            to[0] = chirp[2 * k], to[1] = -chirp[2 * k + 1];
        }
    }
    transform_constants(kernel, NEW_ARRAY(perm, double, 2 * size), size);
    for (int64_t i = 0; i < 2 * size; i++) kernel[i] /= (double)size;
    Fourier there = *f, back = *f;
    there.inverse = false;
    back.inverse = true;
    x = fit_length(node, times_vector(f, x, chirp, n), ix(node, size));
    x = times_vector(f, fourier_stages(&there, x, f->a, size, f->b), kernel, size);
    x = fit_length(node, fourier_stages(&back, x, f->a, size, f->b), ix(node, n));
    return times_vector(f, x, chirp, n);
}

static int64_t largest_prime(int64_t n) {
    int64_t best = 1;
    for (int64_t p = 2; p * p <= n; p++)
        while (n % p == 0) best = p, n /= p;
    return MAX(best, n);
}

/* x [a, n, b, parts] with two parts: an absent second one is 0. */
static Value *both_parts(OnnxNode *n, Value *x, Expr *parts) {
    Ctx *ctx = n->ctx;
    Expr *at[4];
    if (!x || expr_is(parts, 2)) return x;
    Expr *dims[] = {x->type.dims[0], x->type.dims[1], x->type.dims[2], ix(n, 2)};
    Node *c = build_compute_begin(n->g, &x, 1, x->type.dtype, dims, 4);
    for (int i = 0; i < 4; i++) at[i] = c->vars[i]->self;
    Expr *part = expr_load(ctx, c->params[0], at, 4), *zero = real(n, x->type.dtype, 0);
    return build_compute_end(n->g, c, expr_guard(ctx, E2(lt, at[3], parts), part, zero));
}

/* One part is real, two are complex. Where only the run knows which, it has two from here on. */
static Value *known_parts(OnnxNode *n, Value *x) {
    Expr *parts = x ? x->type.dims[3] : NULL;
    if (!x || expr_is(parts, 1) || expr_is(parts, 2)) return x;
    Expr *sound = E2(or, E2(eq, parts, ix(n, 1)), E2(eq, parts, ix(n, 2)));
    const char *rule = "the last dimension must be 1 (real) or 2 (complex)";
    if (!demand_that(n, sound, rule)) return bad(n, "%s", rule), NULL;
    return both_parts(n, x, parts);
}

/* ---- lengths of the run ---- */

/* x [a, n, b, 2] by a function of the runtime. `wide`: a real signal, which f64 transforms. */
static Value *runtime_transform(Fourier *f, Value *x, Expr *length, Expr *wide) {
    OnnxNode *n = f->n;
    Expr *dims[] = {f->a, length, f->b, ix(n, 2)}, *room = expr_muli(n->ctx, length, 6);
    Type types[] = {type_make(f->t, dims, 4), type_make(DT_F64, &room, 1)};
    RunCall c = {.n = n, .name = "fourier"};
    call_in(&c, x);
    call_int(&c, dtype_onnx(f->t));
    for (int i = 0; i < 3; i++) call_arg(&c, dims[i]);
    call_int(&c, f->inverse);
    call_arg(&c, wide);
    Node *node = call_results(&c, types, 2);
    return node ? node->out[0] : NULL;
}

/* x [a, length, b, 1 or 2] to [a, length, b, 2]; the inverse divides by the length. */
static Value *transform(Fourier *f, Value *x, Expr *length, Expr *wide) {
    OnnxNode *n = f->n;
    int64_t known;
    Value *y;
    if (!x) return NULL;
    if (!expr_is_int(length, &known))
        y = runtime_transform(f, both_parts(n, x, x->type.dims[3]), length, wide);
    else if (known < 1) return bad(n, "a transform needs at least one element"), NULL;
    else if (known > LARGE_PRIME && largest_prime(known) > LARGE_PRIME) y = bluestein(f, x, known);
    else y = fourier_stages(f, x, f->a, known, f->b);
    if (!f->inverse || !y) return y;
    Node *c = build_compute_begin(n->g, NULL, 0, f->t, NULL, 0);
    Expr *count = expr_cast(n->ctx, f->t, at_least(n, length, 1));
    return bin(n, SOP_mul, y, build_compute_end(n->g, c, E2(div, real(n, f->t, 1), count)));
}

/* The whole spectrum of a real signal: element k beyond the middle is the conjugate of
 * length - k. */
static Value *mirror_spectrum(OnnxNode *n, Value *x, Expr *length) {
    Ctx *ctx = n->ctx;
    Expr *half = expr_addi(ctx, expr_floordiv(ctx, length, ix(n, 2)), 1);
    x = fit_length(n, x, half);
    if (!x) return NULL;
    Expr *dims[] = {x->type.dims[0], length, x->type.dims[2], x->type.dims[3]}, *at[4];
    Node *c = build_compute_begin(n->g, &x, 1, x->type.dtype, dims, 4);
    for (int i = 0; i < 4; i++) at[i] = c->vars[i]->self;
    Expr *k = at[1], *front = E2(lt, k, half);
    at[1] = E3(select, front, k, expr_sub(ctx, length, k));
    Expr *x_at = expr_load(ctx, c->params[0], at, 4);
    Expr *turned = E3(select, E2(eq, at[3], ix(n, 1)), E1(neg, x_at), x_at);
    return build_compute_end(n->g, c, E3(select, front, x_at, turned));
}

static Value *keep(OnnxNode *n, Value *x, int axis, Expr *count) {
    return x ? build_slice_axis(n->g, x, axis, ix(n, 0), count) : NULL;
}

/* x [..., axis, ..., 1 or 2], of any rank, transformed along the axis. */
static Value *dft(OnnxNode *n, Value *x, int axis, Expr *length, bool inverse, bool onesided) {
    Ctx *ctx = n->ctx;
    int last = x->type.rank - 1;
    DType t = x->type.dtype;
    Expr *dims[MAX_RANK], *const *d = x->type.dims;
    Fourier f = {n, t == DT_F64 ? DT_F64 : DT_F32, expr_product(ctx, d, axis),
                 expr_product(ctx, d + axis + 1, last - axis - 1), inverse};
    Expr *four[] = {f.a, d[axis], f.b, d[last]};
    for (int i = 0; i <= last; i++) dims[i] = d[i];
    Value *y = known_parts(n, reshape_to(n, cast_to(n, x, f.t), four, 4));
    bool real_signal = inverse && onesided;
    y = real_signal ? mirror_spectrum(n, y, length) : fit_length(n, y, length);
    y = transform(&f, y, length, E3(select, E2(eq, d[last], ix(n, 1)), ix(n, 1), ix(n, 0)));
    dims[axis] = length;
    dims[last] = ix(n, 2);
    if (real_signal) y = keep(n, y, 3, dims[last] = ix(n, 1));
    else if (onesided)
        y = keep(n, y, 1, dims[axis] = expr_addi(ctx, expr_floordiv(ctx, length, ix(n, 2)), 1));
    return cast_to(n, reshape_to(n, y, dims, last + 1), t);
}

/* Along an axis that only the run knows: the axes in front of it and behind it become one each. */
static Value *late_dft(OnnxNode *n, Value *x, bool inverse, bool onesided) {
    int last = x->type.rank - 1;
    Value *axis = need(n, 2, T_S);
    Expr *dims[MAX_RANK], *four[4];
    LateAxes late = {.n = 1};
    if (!axis || !want_rank(n, 2, 0, 1)) return NULL;
    /* checked when it is read: 0 to last - 1, or negative from the end */
    Value *wrapped = bin(n, SOP_add, axis, num(n, axis, last + 1));
    axis = sel(n, bin(n, SOP_lt, axis, num(n, axis, 0)), wrapped, axis);
    if (!axis || !(late.at[0] = value_cell(n->g, axis, 0, 0, last - 1))) return NULL;
    late_split(n, &late, x->type.dims, last, four);
    four[3] = x->type.dims[last];
    Expr *length = four[1];
    if (inverse && onesided) length = expr_muli(n->ctx, expr_addi(n->ctx, length, -1), 2);
    if (has(n, 1) && !input_cell(n, 1, &length, 1)) return NULL;
    Value *y = dft(n, reshape_to(n, x, four, 4), 1, length, inverse, onesided);
    if (!y) return NULL;
    for (int i = 0; i < last; i++)
        dims[i] = late_choose(n, &late, i, y->type.dims[1], x->type.dims[i]);
    dims[last] = y->type.dims[3];
    return reshape_to(n, y, dims, last + 1);
}

ONNX_OP(DFT, 17) {
    ATTRS("axis:i<20 inverse:i onesided:i");
    Value *x = need(n, 0, T_FLOAT);
    int64_t which = attr_int(n, "axis", 1);
    int axis;
    if (!x || !want_rank(n, 0, 2, MAX_RANK)) return false;
    bool inverse = attr_int(n, "inverse", 0) != 0, onesided = attr_int(n, "onesided", 0) != 0;
    if (onesided && !demand_equal(n, x->type.dims[x->type.rank - 1], inverse ? 2 : 1))
        return bad(n, "a one-sided transform takes %s input", inverse ? "complex" : "real");
    if (n->opset >= 20) which = -2;
    if (n->opset >= 20 && is_late(n, 2)) return give(n, 0, late_dft(n, x, inverse, onesided));
    if (n->opset >= 20 && has(n, 2) && !known_int(n, 2, &which)) return false;
    if (!axis_in(n, which, x->type.rank, &axis)) return false;
    if (axis == x->type.rank - 1) return bad(n, "the last axis holds the complex numbers");
    Expr *length = x->type.dims[axis];
    if (inverse && onesided) length = expr_muli(n->ctx, expr_addi(n->ctx, length, -1), 2);
    if (has(n, 1) && !input_cell(n, 1, &length, 1)) return false;
    return give(n, 0, dft(n, x, axis, length, inverse, onesided));
}

/* ---- short-time transform ---- */

/* [batch, frame, length, parts]: x at frame * step, under the window; beyond either, 0. */
static Value *frames(OnnxNode *n, Expr *count, Expr *step, Expr *length) {
    Ctx *ctx = n->ctx;
    Value *x = n->in[0], *in[] = {x, has(n, 2) ? n->in[2] : NULL};
    Expr *dims[] = {x->type.dims[0], count, length, x->type.dims[2]}, *v[4];
    Node *c = build_compute_begin(n->g, in, in[1] ? 2 : 1, x->type.dtype, dims, 4);
    for (int i = 0; i < 4; i++) v[i] = c->vars[i]->self;
    Expr *at[] = {v[0], expr_add(ctx, expr_mul(ctx, v[1], step), v[2]), v[3]};
    Expr *inside = expr_in_range(ctx, at[1], x->type.dims[1]),
         *y = expr_load(ctx, c->params[0], at, 3);
    if (in[1]) {
        inside = expr_and(ctx, inside, expr_in_range(ctx, v[2], in[1]->type.dims[0]));
        y = E2(mul, y, expr_load(ctx, c->params[1], &v[2], 1));
    }
    return build_compute_end(n->g, c, expr_guard(ctx, inside, y, real(n, x->type.dtype, 0)));
}

ONNX_OP(STFT, 17) {
    ATTRS("onesided:i");
    Value *x = need(n, 0, T_FLOAT);
    Expr *step, *length;
    if (!x || !want_rank(n, 0, 2, 3) || !input_cell(n, 1, &step, 1)) return false;
    if (x->type.rank == 2 && !(x = n->in[0] = unsqueeze(n, x, 2))) return false;
    if (has(n, 2) && (!need(n, 2, T_FLOAT) || !want_rank(n, 2, 1, 1) || !same_dtype(n, 0, 2)))
        return false;
    length = has(n, 2) ? n->in[2]->type.dims[0] : x->type.dims[1];
    if (has(n, 3) && !input_cell(n, 3, &length, 1)) return false;
    /* of complex numbers there is no one-sided spectrum */
    bool onesided = attr_int(n, "onesided", 1) && demand_equal(n, x->type.dims[2], 1);
    Expr *room = expr_floordiv(n->ctx, expr_sub(n->ctx, x->type.dims[1], length), step);
    Value *cut = frames(n, at_least(n, expr_addi(n->ctx, room, 1), 0), step, length);
    return cut && give(n, 0, dft(n, cut, 2, length, false, onesided));
}

/* ---- mel filters ---- */

static Value *scalar_f64(OnnxNode *n, int k) {
    return cast_to(n, reshape_to(n, need(n, k, T_NUM), NULL, 0), DT_F64);
}

/* 2595 log10(1 + hertz / 700) */
static Value *mel(OnnxNode *n, Value *hertz) {
    Value *x = bin(n, SOP_add, num(n, hertz, 1), bin(n, SOP_div, hertz, flt(n, hertz, 700)));
    return bin(n, SOP_mul, flt(n, x, 2595 / log(10)), un(n, SOP_log, x));
}

/* The bins of the spectrum where the bands begin, culminate and end: i64[bands + 2]. */
static Value *mel_edges(OnnxNode *n, Expr *bands) {
    Ctx *ctx = n->ctx;
    Value *length = scalar_f64(n, 1), *rate = scalar_f64(n, 2), *low = mel(n, scalar_f64(n, 3)),
          *high = mel(n, scalar_f64(n, 4));
    Expr *count = expr_addi(ctx, bands, 2);
    if (!length || !rate || !low || !high) return NULL;
    Node *c = build_compute_begin(n->g, NULL, 0, DT_F64, &count, 1);
    Value *i = build_compute_end(n->g, c, expr_cast(ctx, DT_F64, c->vars[0]->self));
    Node *s = build_compute_begin(n->g, NULL, 0, DT_F64, NULL, 0);
    Value *steps = build_compute_end(n->g, s, expr_cast(ctx, DT_F64, count));
    Value *step = bin(n, SOP_div, bin(n, SOP_sub, high, low), steps);
    Value *at = bin(n, SOP_add, bin(n, SOP_mul, i, step), low);
    Value *power = un(n, SOP_exp, bin(n, SOP_mul, at, flt(n, at, log(10) / 2595)));
    Value *hertz = bin(n, SOP_mul, flt(n, power, 700), bin(n, SOP_sub, power, num(n, power, 1)));
    Value *scaled = bin(n, SOP_mul, bin(n, SOP_add, length, num(n, length, 1)), hertz);
    return cast_to(n, un(n, SOP_floor, bin(n, SOP_div, scaled, rate)), DT_I64);
}

ONNX_OP(MelWeightMatrix, 17) {
    ATTRS("output_datatype:i");
    Ctx *ctx = n->ctx;
    Expr *bands, *length;
    DType t = dtype_from_onnx(attr_int(n, "output_datatype", 1));
    if (!dtype_is_float(t) && !dtype_is_int(t)) return bad(n, "output type is not supported");
    if (!input_cell(n, 0, &bands, 0) || !input_cell(n, 1, &length, 0)) return false;
    Value *edges = mel_edges(n, bands);
    if (!edges) return false;
    Expr *dims[] = {expr_addi(ctx, expr_floordiv(ctx, length, ix(n, 2)), 1), bands}, *edge[3];
    Node *c = build_compute_begin(n->g, &edges, 1, t, dims, 2);
    Expr *j = expr_cast(ctx, DT_I64, c->vars[0]->self);
    for (int i = 0; i < 3; i++) {
        Expr *at = expr_addi(ctx, c->vars[1]->self, i);
        edge[i] = expr_load(ctx, c->params[0], &at, 1);
    }
    Expr *up = E2(div, expr_cast(ctx, DT_F32, E2(sub, j, edge[0])),
                  expr_cast(ctx, DT_F32, E2(sub, edge[1], edge[0])));
    Expr *down = E2(div, expr_cast(ctx, DT_F32, E2(sub, edge[2], j)),
                    expr_cast(ctx, DT_F32, E2(sub, edge[2], edge[1])));
    Expr *outside = E2(or, E2(lt, j, edge[0]), E2(ge, j, edge[2]));
    Expr *side = E3(select, E2(lt, j, edge[1]), up, down);
    Expr *y = E3(select, E2(eq, j, edge[1]), real(n, DT_F32, 1),
                 E3(select, outside, real(n, DT_F32, 0), side));
    return give(n, 0, build_compute_end(n->g, c, expr_cast(ctx, t, y)));
}
