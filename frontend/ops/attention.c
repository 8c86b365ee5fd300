/* Attention and rotary position embedding. */
#include "frontend/ops.h"

#include <math.h>

typedef struct Heads { /* what Attention works on: [batch, heads, length, size] each */
    Value *q, *k, *v, *mask;
    Expr *past;        /* length of the cache in front, NULL: none */
    bool flat, causal; /* inputs of rank 3; the causal mask of equal ends */
    double scale, softcap;
    Value *root; /* of the scale where only the run knows the heads' size; NULL: see `scale` */
} Heads;

/* [batch, length, heads * size] as [batch, heads, length, size] */
static Value *split_heads(OnnxNode *n, Value *x, int64_t heads) {
    int64_t size;
    if (heads < 1 || (expr_is_int(x->type.dims[2], &size) && size % heads))
        return bad(n, "%lld heads do not divide the hidden size", (long long)heads), NULL;
    Expr *each = expr_floordiv(n->ctx, x->type.dims[2], ix(n, heads));
    Expr *apart[] = {x->type.dims[0], x->type.dims[1], ix(n, heads), each};
    return transpose_to(n, reshape_to(n, x, apart, 4), (int64_t[]){0, 2, 1, 3});
}

static Value *with_past(OnnxNode *n, int k, Value *x, Expr **past) {
    if (!x || !has(n, k)) return x;
    Value *old = need(n, k, T_FLOAT), *parts[] = {old, x};
    if (!old || !want_rank(n, k, 4, 4) || !same_dtype(n, 0, k)) return NULL;
    *past = old->type.dims[2];
    return build_concat(n->g, parts, 2, 2);
}

Value *size_power(OnnxNode *n, Expr *size, double power, DType t) {
    int64_t known;
    if (expr_is_int(size, &known))
        return graph_const_f(n->g, t, pow((double)MAX(1, known), power));
    Value *v = cast_to(n, graph_cells(n->g, DT_I64, &size, 1, 0), DT_F64);
    return cast_to(n, bin(n, SOP_pow, v, flt(n, v, power)), t);
}

/* The scale 1/sqrt(size): a number where the heads' size is known, else its root as a tensor. */
static bool default_scale(OnnxNode *n, Heads *h) {
    Expr *size = h->q->type.dims[3];
    int64_t known;
    h->scale = 1;
    if (expr_is_int(size, &known)) return h->scale = 1 / sqrt((double)MAX(1, known)), true;
    return (h->root = size_power(n, size, -0.25, h->q->type.dtype)) != NULL;
}

static bool read_heads(OnnxNode *n, Heads *h) {
    for (int i = 0; i < 3; i++)
        if (!need(n, i, T_FLOAT) || !want_rank(n, i, 3, 4) || !same_dtype(n, 0, i)) return false;
    h->flat = n->in[0]->type.rank == 3;
    int64_t q = attr_int(n, "q_num_heads", 0), kv = attr_int(n, "kv_num_heads", 0);
    h->q = h->flat ? split_heads(n, n->in[0], q) : n->in[0];
    h->k = n->in[1]->type.rank == 3 ? split_heads(n, n->in[1], kv) : n->in[1];
    h->v = n->in[2]->type.rank == 3 ? split_heads(n, n->in[2], kv) : n->in[2];
    if (!h->q) return false;
    bool equal = h->k && h->k->type.dims[2] == h->q->type.dims[2];
    h->k = with_past(n, 4, h->k, &h->past);
    h->v = with_past(n, 5, h->v, &h->past);
    if (!h->k || !h->v) return false;
    h->scale = attr_float(n, "scale", 0);
    if (!attr_has(n, "scale") && !default_scale(n, h)) return false;
    h->softcap = attr_float(n, "softcap", 0);
    h->causal = attr_int(n, "is_causal", 0) && equal;
    return true;
}

/* ---- masks ---- */

/* keep[m, n] = n <= m + past: the causal mask where queries and new keys differ in number. */
static Value *causal_mask(OnnxNode *n, const Heads *h) {
    Expr *dims[] = {h->q->type.dims[2], h->k->type.dims[2]};
    Node *c = build_compute_begin(n->g, NULL, 0, DT_BOOL, dims, 2);
    Expr *last = h->past ? expr_add(n->ctx, c->vars[0]->self, h->past) : c->vars[0]->self;
    return build_compute_end(n->g, c, expr_op2(n->ctx, SOP_le, c->vars[1]->self, last));
}

/* keep[b, 0, 0, n] = n < lengths[b] */
static Value *padding_mask(OnnxNode *n, const Heads *h) {
    Value *lengths = need(n, 6, T_S);
    if (!lengths || !want_rank(n, 6, 1, 1)) return NULL;
    Expr *dims[] = {h->q->type.dims[0], ix(n, 1), ix(n, 1), h->k->type.dims[2]};
    Node *c = build_compute_begin(n->g, &lengths, 1, DT_BOOL, dims, 4);
    Expr *length =
        expr_cast(n->ctx, DT_INDEX, expr_load(n->ctx, c->params[0], &c->vars[0]->self, 1));
    return build_compute_end(n->g, c, expr_op2(n->ctx, SOP_lt, c->vars[3]->self, length));
}

/* A given mask may be shorter than the keys: what it lacks is masked out. */
static Value *given_mask(OnnxNode *n, const Heads *h) {
    Value *m = need(n, 3, T_FLOAT | T_B);
    Expr *lo[MAX_RANK], *hi[MAX_RANK];
    if (!m || !want_rank(n, 3, 2, 4)) return NULL;
    bool keep = m->type.dtype == DT_BOOL;
    if (!keep && !same_dtype(n, 0, 3)) return NULL;
    int last = m->type.rank - 1;
    for (int i = 0; i <= last; i++) lo[i] = hi[i] = ix(n, 0);
    if (m->type.dims[last] != h->k->type.dims[2] && !expr_is(m->type.dims[last], 1))
        hi[last] = at_least(n, expr_sub(n->ctx, h->k->type.dims[2], m->type.dims[last]), 0);
    return build_pad(n->g, m, lo, hi, "constant", keep ? 0 : -INFINITY);
}

/* What both masks let through; a float mask is added. */
static Value *combine(OnnxNode *n, Value *mask, Value *keep) {
    if (!mask || !keep) return NULL;
    if (mask->type.dtype == DT_BOOL) return bin(n, SOP_and, mask, keep);
    return sel(n, keep, mask, flt(n, mask, -INFINITY));
}

static bool read_mask(OnnxNode *n, Heads *h) {
    bool causal = attr_int(n, "is_causal", 0) && !h->causal;
    if (has(n, 3) && !(h->mask = given_mask(n, h))) return false;
    if (causal) {
        Value *m = causal_mask(n, h);
        if (!(h->mask = h->mask ? combine(n, h->mask, m) : m)) return false;
    }
    if (has(n, 6)) {
        Value *m = padding_mask(n, h);
        if (!(h->mask = h->mask ? combine(n, h->mask, m) : m)) return false;
    }
    return true;
}

/* ---- the two ways ---- */

static Value *fused(OnnxNode *n, const Heads *h) {
    Value *q = h->root ? bin(n, SOP_mul, h->q, h->root) : h->q,
          *k = h->root ? bin(n, SOP_mul, h->k, h->root) : h->k, *in[] = {q, k, h->v, h->mask};
    if (!q || !k) return NULL;
    Node *a = node_draft(n->g, OP_attention, in, h->mask ? 4 : 3, 1);
    node_set_flt(n->g, a, "scale", h->scale);
    node_set_flt(n->g, a, "softcap", h->softcap);
    node_set_int(n->g, a, "causal", h->causal);
    return node_finish(n->g, a) ? a->out[0] : NULL;
}

static bool heads_fit(OnnxNode *n, const Heads *h) {
    Expr *q = h->q->type.dims[1], *k = h->k->type.dims[1], *v = h->v->type.dims[1];
    Expr *whole = expr_op2(n->ctx, SOP_eq, expr_mul(n->ctx, expr_floordiv(n->ctx, q, k), k), q);
    Expr *same = expr_op2(n->ctx, SOP_eq, k, v);
    return demand_true(n, same, "numbers of key and value heads differ") &&
           demand_true(n, whole, "the number of key heads does not divide that of query heads");
}

/* Key or value heads as often as there are query heads. */
static Value *repeat_heads(OnnxNode *n, const Heads *h, Value *x) {
    Expr *const *d = x->type.dims, *heads = h->q->type.dims[1];
    if (d[1] == heads) return x;
    Expr *times = expr_floordiv(n->ctx, heads, d[1]);
    Expr *wide[] = {d[0], d[1], times, d[2], d[3]}, *merged[] = {d[0], heads, d[2], d[3]};
    Value *apart = unsqueeze(n, x, 2);
    apart = apart ? build_expand(n->g, apart, wide, 5) : NULL;
    return reshape_to(n, apart, merged, 4);
}

/* Step by step, because the scores (of stage 0 to 3) are an output, too. */
static Value *stepwise(OnnxNode *n, const Heads *h) {
    Value *k = repeat_heads(n, h, h->k), *v = repeat_heads(n, h, h->v), *stage[4];
    Value *root = h->root ? h->root : flt(n, h->q, sqrt(h->scale)),
          *q = bin(n, SOP_mul, h->q, root);
    k = bin(n, SOP_mul, k, root);
    Value *s = q && k ? build_contract(n->g, q, k, NULL, "bhmd,bhnd->bhmn") : NULL;
    stage[0] = s;
    if (h->softcap > 0) {
        Value *cap = flt(n, s, h->softcap);
        s = bin(n, SOP_mul, un(n, SOP_tanh, bin(n, SOP_div, s, cap)), cap);
    }
    stage[1] = s;
    Value *mask = h->causal ? causal_mask(n, h) : h->mask;
    if (h->causal && h->mask) mask = combine(n, h->mask, mask);
    if (mask && mask->type.dtype == DT_BOOL) s = sel(n, mask, s, flt(n, s, -INFINITY));
    else if (mask) s = bin(n, SOP_add, s, mask);
    stage[2] = s;
    s = s ? build_softmax(n->g, s, 3, false) : NULL;
    stage[3] = s;
    int64_t which = attr_int(n, "qk_matmul_output_mode", 0);
    if (which < 0 || which > 3)
        return bad(n, "attribute \"qk_matmul_output_mode\" is %lld", (long long)which), NULL;
    if (!give(n, 3, stage[which])) return NULL;
    return s && v ? build_contract(n->g, s, v, NULL, "bhmn,bhne->bhme") : NULL;
}

ONNX_OP(Attention, 23) {
    ATTRS("is_causal:i kv_num_heads:i q_num_heads:i qk_matmul_output_mode:i scale:f softcap:f "
          "softmax_precision:i");
    Heads h = {0};
    if (!read_heads(n, &h) || !heads_fit(n, &h) || !read_mask(n, &h)) return false;
    Value *y = wants(n, 3) ? stepwise(n, &h) : fused(n, &h);
    if (y && h.flat) {
        Expr *dims[] = {y->type.dims[0], y->type.dims[2],
                        expr_mul(n->ctx, y->type.dims[1], y->type.dims[3])};
        y = reshape_to(n, transpose_to(n, y, (int64_t[]){0, 2, 1, 3}), dims, 3);
    }
    give(n, 1, h.k);
    give(n, 2, h.v);
    return give(n, 0, y);
}

/* ---- rotary embedding ---- */

/* The rows of a cache that the positions pick: [batch, length, 1, half]. */
static Value *cache_rows(OnnxNode *n, int k) {
    Value *cache = need(n, k, T_FLOAT);
    if (!cache || !same_dtype(n, 0, k) || !want_rank(n, k, has(n, 3) ? 2 : 3, has(n, 3) ? 2 : 3))
        return NULL;
    if (has(n, 3)) {
        Value *positions = need(n, 3, T_S);
        if (!positions || !want_rank(n, 3, 2, 2)) return NULL;
        cache = gather(n, cache, positions, 0);
    }
    return unsqueeze(n, cache, 2);
}

/* Pairs of x turned by the angle: halves side by side, or every other element. */
static Value *rotate(OnnxNode *n, Value *x, Value *cos, Value *sin, Expr *h, bool interleaved) {
    Expr *const *d = x->type.dims, *one = ix(n, 1);
    Expr *pairs[] = {d[0], d[1], d[2], h, ix(n, 2)}, *flat[] = {d[0], d[1], d[2], h};
    Value *a, *b, *parts[2];
    if (interleaved) {
        Value *apart = reshape_to(n, x, pairs, 5);
        if (!apart) return NULL;
        a = reshape_to(n, build_slice_axis(n->g, apart, 4, ix(n, 0), one), flat, 4);
        b = reshape_to(n, build_slice_axis(n->g, apart, 4, one, one), flat, 4);
    } else {
        a = build_slice_axis(n->g, x, 3, ix(n, 0), h);
        b = build_slice_axis(n->g, x, 3, h, h);
    }
    parts[0] = bin(n, SOP_sub, bin(n, SOP_mul, cos, a), bin(n, SOP_mul, sin, b));
    parts[1] = bin(n, SOP_add, bin(n, SOP_mul, sin, a), bin(n, SOP_mul, cos, b));
    if (!parts[0] || !parts[1]) return NULL;
    if (!interleaved) return build_concat(n->g, parts, 2, 3);
    for (int i = 0; i < 2; i++)
        if (!(parts[i] = unsqueeze(n, parts[i], 4))) return NULL;
    return reshape_to(n, build_concat(n->g, parts, 2, 4), d, 4);
}

/* x [batch, length, heads, size]: the first `turned` elements are rotated, the rest stays. */
static Value *rotate_front(OnnxNode *n, Value *x, Expr *turned) {
    Expr *size = x->type.dims[3];
    int64_t known, all;
    if (expr_is_int(turned, &known) && (known % 2 || (expr_is_int(size, &all) && known > all)))
        return bad(n, "attribute \"rotary_embedding_dim\" does not fit"), NULL;
    Value *cos = cache_rows(n, 1), *sin = cos ? cache_rows(n, 2) : NULL, *parts[2];
    if (!cos || !sin) return NULL;
    Value *front = build_slice_axis(n->g, x, 3, ix(n, 0), turned);
    Expr *half = expr_floordiv(n->ctx, turned, ix(n, 2)), *zero = ix(n, 0);
    const char *rule = "rows of the caches are shorter than half of what is turned";
    if (!demand_true(n, E2(le, half, cos->type.dims[3]), rule) ||
        !demand_true(n, E2(le, half, sin->type.dims[3]), rule))
        return NULL;
    cos = build_slice_axis(n->g, cos, 3, zero, half);
    sin = build_slice_axis(n->g, sin, 3, zero, half);
    if (!front || !cos || !sin) return NULL;
    parts[0] = rotate(n, front, cos, sin, half, attr_int(n, "interleaved", 0) != 0);
    if (turned == size) return parts[0];
    parts[1] = build_slice_axis(n->g, x, 3, turned, expr_sub(n->ctx, size, turned));
    return parts[0] && parts[1] ? build_concat(n->g, parts, 2, 3) : NULL;
}

ONNX_OP(RotaryEmbedding, 23) {
    ATTRS("interleaved:i num_heads:i rotary_embedding_dim:i");
    Value *x = need(n, 0, T_FLOAT);
    static const int64_t swap[] = {0, 2, 1, 3};
    if (!x || !want_rank(n, 0, 3, 4)) return false;
    bool flat = x->type.rank == 3;
    Value *y = flat ? split_heads(n, x, attr_int(n, "num_heads", 0)) : x;
    y = transpose_to(n, y, swap);
    int64_t turned = attr_int(n, "rotary_embedding_dim", 0);
    if (!y) return false;
    y = rotate_front(n, y, turned > 0 ? ix(n, turned) : y->type.dims[3]);
    return give(n, 0, flat ? reshape_to(n, y, x->type.dims, 3) : transpose_to(n, y, swap));
}
