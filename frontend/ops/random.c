/* Random operators: RandomUniform, RandomNormal and their likes, Bernoulli, Multinomial, Dropout
 * (random.h says how). */
#include "frontend/ops/random.h"

#include "frontend/calls.h"
#include "frontend/import.h"

#include <math.h>

/* ---- keys ---- */

static uint64_t hash_text(uint64_t h, const char *s) {
    for (; *s; s++) h = (h ^ (uint8_t)*s) * 0x100000001b3;
    return h;
}

static Value *key_constant(OnnxNode *n, uint64_t key) {
    Type t = {.dtype = DT_U64};
    uint64_t *data = arena_copy(n->ctx->perm, &key, sizeof key);
    return graph_const(n->g, NULL, const_new(n->ctx, DT_U64, 1, data), &t);
}

Value *random_key(OnnxNode *n) {
    if (attr_has(n, "seed")) {
        float seed = (float)attr_float(n, "seed", 0); /* of Dropout an int */
        uint32_t bits;
        memcpy(&bits, &seed, sizeof bits);
        return key_constant(n, bits + (uint64_t)attr_int(n, "seed", 0));
    }
    Node *call = node_draft(n->g, OP_call, NULL, 0, 1);
    call->out[0]->type = (Type){.dtype = DT_U64};
    node_set_str(n->g, call, "name", "seed");
    if (!node_finish(n->g, call)) return NULL;
    uint64_t h = hash_text(0xcbf29ce484222325, n->loc.node);
    for (int i = 0; i < n->n_out; i++) h = hash_text(h, n->proto->output[i]);
    return bin(n, SOP_xor, call->out[0], key_constant(n, h));
}

/* ---- Philox 4x32-10, on u32 ---- */

static Expr *u32(OnnxNode *n, uint32_t v) {
    return expr_const_int(n->ctx, DT_U32, v);
}

/* The high and low halves of factor * x. */
static void wide_product(OnnxNode *n, uint32_t factor, Expr *x, Expr **hi, Expr **lo) {
    Ctx *ctx = n->ctx;
    Expr *product = E2(mul, expr_cast(ctx, DT_U64, x), expr_const_int(ctx, DT_U64, factor));
    *lo = expr_cast(ctx, DT_U32, product);
    *hi = expr_cast(ctx, DT_U32, E2(shr, product, expr_const_int(ctx, DT_U64, 32)));
}

/* Four random words for element `index`. */
static void philox(OnnxNode *n, Expr *key, Expr *index, Expr **word) {
    Ctx *ctx = n->ctx;
    Expr *shift = expr_const_int(ctx, DT_U64, 32), *at = expr_cast(ctx, DT_U64, index);
    Expr *k[] = {expr_cast(ctx, DT_U32, key), expr_cast(ctx, DT_U32, E2(shr, key, shift))};
    word[0] = expr_cast(ctx, DT_U32, at);
    word[1] = expr_cast(ctx, DT_U32, E2(shr, at, shift));
    word[2] = word[3] = u32(n, 0);
    for (int round = 0; round < 10; round++) {
        Expr *hi[2], *lo[2];
        wide_product(n, 0xD2511F53, word[0], &hi[0], &lo[0]);
        wide_product(n, 0xCD9E8D57, word[2], &hi[1], &lo[1]);
        word[0] = E2(xor, E2(xor, hi[1], word[1]), k[0]);
        word[2] = E2(xor, E2(xor, hi[0], word[3]), k[1]);
        word[1] = lo[1];
        word[3] = lo[0];
        k[0] = E2(add, k[0], u32(n, 0x9E3779B9));
        k[1] = E2(add, k[1], u32(n, 0xBB67AE85));
    }
}

/* Words to [0, 1): 24 bits for f32, 53 for f64. */
static Expr *unit(OnnxNode *n, DType t, Expr *high, Expr *low) {
    Ctx *ctx = n->ctx;
    if (t != DT_F64) {
        Expr *bits = expr_cast(ctx, DT_F32, E2(shr, high, u32(n, 8)));
        return E2(mul, bits, real(n, DT_F32, ldexp(1, -24)));
    }
    Expr *top = expr_cast(ctx, DT_F64, E2(shr, high, u32(n, 5)));
    Expr *bottom = expr_cast(ctx, DT_F64, E2(shr, low, u32(n, 6)));
    Expr *all = E2(add, E2(mul, top, real(n, DT_F64, ldexp(1, 26))), bottom);
    return E2(mul, all, real(n, DT_F64, ldexp(1, -53)));
}

/* Begins an element-wise computation; *u, *v: two independent uniform numbers. */
static Node *draw(OnnxNode *n, Value *key, DType t, Expr *const *dims, int rank, Expr **u,
                  Expr **v) {
    Ctx *ctx = n->ctx;
    Node *c = build_compute_begin(n->g, &key, 1, t, dims, rank);
    Expr *index = ix(n, 0), *word[4];
    for (int i = 0; i < rank; i++)
        index = expr_add(ctx, expr_mul(ctx, index, dims[i]), c->vars[i]->self);
    philox(n, expr_load(ctx, c->params[0], NULL, 0), index, word);
    *u = unit(n, t, word[0], word[1]);
    *v = unit(n, t, word[2], word[3]);
    return c;
}

Value *random_uniform(OnnxNode *n, Value *key, DType t, Expr *const *dims, int rank) {
    Expr *u, *v;
    if (!key) return NULL;
    Node *c = draw(n, key, t, dims, rank, &u, &v);
    return build_compute_end(n->g, c, u);
}

/* sqrt(-2 log(1 - u)) cos(2 pi v) (Box and Muller 1958) */
Value *random_normal(OnnxNode *n, Value *key, DType t, Expr *const *dims, int rank) {
    Expr *u, *v;
    if (!key) return NULL;
    Node *c = draw(n, key, t, dims, rank, &u, &v);
    Expr *radius = E1(sqrt, E2(mul, real(n, t, -2), E1(log, E2(sub, real(n, t, 1), u))));
    Expr *angle = E2(mul, v, real(n, t, 6.283185307179586));
    return build_compute_end(n->g, c, E2(mul, radius, E1(cos, angle)));
}

/* ---- NumPy's numbers ---- */

/* For a seed the official tests expect NumPy's RandomState(seed).uniform(): f64 of the given shape,
 * in row-major order. */
static Value *seeded_uniform(OnnxNode *n, int64_t seed, Expr *const *dims, int rank) {
    Expr *count = expr_product(n->ctx, dims, rank), *room = ix(n, 625);
    Type types[] = {type_make(DT_F64, &count, 1), type_make(DT_U32, &room, 1)};
    RunCall c = {.n = n, .name = "twister"};
    call_int(&c, seed & 0xffffffff);
    call_arg(&c, count);
    Node *node = call_results(&c, types, 2);
    return node ? reshape_to(n, node->out[0], dims, rank) : NULL;
}

/* ---- distributions ---- */

/* Attribute "dtype", or `otherwise`; must be a float type. */
static DType float_type(OnnxNode *n, DType otherwise) {
    DType t = attr_has(n, "dtype") ? dtype_from_onnx(attr_int(n, "dtype", 0)) : otherwise;
    if (dtype_is_float(t)) return t;
    return bad(n, "random numbers are floats; attribute \"dtype\" asks for another type"), DT_NONE;
}

static DType work_type(DType t) {
    return t == DT_F64 ? DT_F64 : DT_F32;
}

/* offset + scale * x, as type t */
static Value *placed(OnnxNode *n, Value *x, double scale, double offset, DType t) {
    x = bin(n, SOP_mul, x, flt(n, x, scale));
    return cast_to(n, bin(n, SOP_add, x, flt(n, x, offset)), t);
}

static bool fill_uniform(OnnxNode *n, DType t, Expr *const *dims, int rank) {
    double low = attr_float(n, "low", 0), high = attr_float(n, "high", 1);
    if (t == DT_NONE) return false;
    Value *u = random_uniform(n, random_key(n), work_type(t), dims, rank);
    return give(n, 0, placed(n, u, high - low, low, t));
}

static bool fill_normal(OnnxNode *n, DType t, Expr *const *dims, int rank) {
    if (t == DT_NONE) return false;
    Value *z = random_normal(n, random_key(n), work_type(t), dims, rank);
    return give(n, 0, placed(n, z, attr_float(n, "scale", 1), attr_float(n, "mean", 0), t));
}

static bool asked_shape(OnnxNode *n, Expr **dims, int *rank) {
    if (!cells_arg(n, "shape", -1, dims, MAX_RANK, rank, 0)) return false;
    for (int i = 0; i < *rank; i++)
        if (!expr_prove_ge0(n->ctx, dims[i])) return bad(n, "a dimension is negative");
    return true;
}

ONNX_OP(RandomUniform, 1) {
    ATTRS("dtype:i high:f low:f seed:f shape:I!");
    Expr *dims[MAX_RANK];
    int rank;
    return asked_shape(n, dims, &rank) && fill_uniform(n, float_type(n, DT_F32), dims, rank);
}

ONNX_OP(RandomNormal, 1) {
    ATTRS("dtype:i mean:f scale:f seed:f shape:I!");
    Expr *dims[MAX_RANK];
    int rank;
    return asked_shape(n, dims, &rank) && fill_normal(n, float_type(n, DT_F32), dims, rank);
}

ONNX_OP(RandomUniformLike, 1) {
    ATTRS("dtype:i high:f low:f seed:f");
    Value *x = need(n, 0, T_ANY);
    return x && fill_uniform(n, float_type(n, x->type.dtype), x->type.dims, x->type.rank);
}

ONNX_OP(RandomNormalLike, 1) {
    ATTRS("dtype:i mean:f scale:f seed:f");
    Value *x = need(n, 0, T_ANY);
    return x && fill_normal(n, float_type(n, x->type.dtype), x->type.dims, x->type.rank);
}

ONNX_OP(Bernoulli, 15) {
    ATTRS("dtype:i seed:f");
    Value *p = need(n, 0, T_FLOAT);
    if (!p) return false;
    DType t = attr_has(n, "dtype") ? dtype_from_onnx(attr_int(n, "dtype", 0)) : p->type.dtype;
    if (t == DT_NONE) return bad(n, "attribute \"dtype\" asks for a type that is not supported");
    DType work = work_type(p->type.dtype);
    Value *u = random_uniform(n, random_key(n), work, p->type.dims, p->type.rank);
    return give(n, 0, cast_to(n, bin(n, SOP_gt, cast_to(n, p, work), u), t));
}

/* Class k of sample u: as many as there are cumulative probabilities (but the last) below u. */
ONNX_OP(Multinomial, 7) {
    ATTRS("dtype:i sample_size:i seed:f");
    Value *x = need(n, 0, T_FLOAT);
    DType t = dtype_from_onnx(attr_int(n, "dtype", 6));
    int64_t samples = attr_int(n, "sample_size", 1);
    Ctx *ctx = n->ctx;
    if (!x || !want_rank(n, 0, 2, 2)) return false;
    if (t != DT_I32 && t != DT_I64) return bad(n, "attribute \"dtype\" must be int32 or int64");
    if (samples < 0 || samples > INT32_MAX) return bad(n, "attribute \"sample_size\" does not fit");
    Expr *classes = x->type.dims[1], *dims[] = {x->type.dims[0], ix(n, samples), classes};
    Value *u = random_uniform(n, random_key(n), DT_F32, dims, 2);
    x = build_softmax(n->g, cast_to(n, x, DT_F32), 1, false);
    Node *sum = x ? node_draft(n->g, OP_cumulate, &x, 1, 1) : NULL;
    if (!sum || !u) return false;
    node_set_str(n->g, sum, "kind", "sum");
    node_set_int(n->g, sum, "axis", 1);
    if (!node_finish(n->g, sum)) return false;
    Value *in[] = {u, sum->out[0]};
    Node *c = build_compute_begin(n->g, in, 2, t, dims, 3);
    Expr *v[] = {c->vars[0]->self, c->vars[1]->self}, *w[] = {v[0], c->vars[2]->self};
    Expr *passed = E2(le, expr_load(ctx, c->params[1], w, 2), expr_load(ctx, c->params[0], v, 2));
    passed = E2(and, passed, E2(lt, w[1], expr_addi(ctx, classes, -1)));
    Value *each = build_compute_end(n->g, c, expr_cast(ctx, t, passed));
    return each && give(n, 0, build_reduce(n->g, each, "sum", (int64_t[]){2}, 1, false));
}

/* ---- dropout ---- */

/* An input of one element as a scalar of type f32; NULL: absent. */
static Value *scalar_input(OnnxNode *n, int k, int types) {
    Value *v = maybe(n, k, types);
    return v ? cast_to(n, reshape_to(n, v, NULL, 0), v->type.dtype == DT_BOOL ? DT_BOOL : DT_F32)
             : NULL;
}

/* Is the model in training? NULL: never; a constant true before opset 12. *failed: reported. */
static Value *training(OnnxNode *n, bool *failed) {
    if (n->opset < 7) return attr_int(n, "is_test", 0) ? NULL : graph_const_i(n->g, DT_BOOL, 1);
    if (n->opset < 12 || !has(n, 2)) return NULL;
    Value *t = scalar_input(n, 2, T_B);
    Expr *known;
    *failed = !t;
    if (t && value_known(t, 0, &known) && expr_is(known, 0)) return NULL;
    return t;
}

/* In training each element is 0 with probability `ratio`, else divided by 1 - ratio. */
static bool drop(OnnxNode *n, Value *x, Value *on, DType mask_type) {
    Value *ratio = n->opset < 12 ? graph_const_f(n->g, DT_F32, attr_float(n, "ratio", 0.5))
                   : has(n, 1)   ? scalar_input(n, 1, T_FLOAT)
                                 : graph_const_f(n->g, DT_F32, 0.5);
    bool seeded = attr_has(n, "seed");
    Value *u = seeded ? seeded_uniform(n, attr_int(n, "seed", 0), x->type.dims, x->type.rank)
                      : random_uniform(n, random_key(n), DT_F32, x->type.dims, x->type.rank);
    Value *limit = seeded ? cast_to(n, ratio, DT_F64) : ratio;
    Value *keep = bin(n, SOP_ge, u, limit), *one = num(n, ratio, 1);
    Value *scale = bin(n, SOP_div, one, bin(n, SOP_sub, one, ratio));
    keep = bin(n, SOP_or, keep, un(n, SOP_not, on));
    scale = sel(n, on, scale, one);
    DType t = x->type.dtype, work = work_type(t);
    Value *y = bin(n, SOP_mul, cast_to(n, x, work), cast_to(n, scale, work));
    y = sel(n, keep, y, num(n, y, 0));
    if (wants(n, 1) && !give(n, 1, cast_to(n, keep, mask_type))) return false;
    return give(n, 0, cast_to(n, y, t));
}

ONNX_OP(Dropout, 1) {
    ATTRS("ratio:f<12 seed:i@12 is_test:i<7 consumed_inputs:I<6");
    Value *x = need(n, 0, T_FLOAT);
    bool failed = false;
    if (!x) return false;
    DType mask = n->opset < 10 ? x->type.dtype : DT_BOOL;
    Value *on = training(n, &failed);
    if (on || failed) return on && drop(n, x, on, mask);
    if (wants(n, 1)) {
        Value *one = cast_to(n, graph_const_i(n->g, DT_BOOL, 1), mask);
        if (!one || !give(n, 1, build_expand(n->g, one, x->type.dims, x->type.rank))) return false;
    }
    return give(n, 0, x);
}
