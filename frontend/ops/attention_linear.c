/* Attention with a recurrent state of fixed size (LinearAttention), and attention with sub-graphs
 * for scores and probabilities (FlexAttention). */
#include "frontend/ops.h"

#include <math.h>

/* ---- linear attention ---- */

typedef struct Linear { /* sizes: [batch, length, ...] of packed inputs, unpacked per head */
    OnnxNode *n;
    int64_t q_heads, kv_heads;
    Expr *batch, *length, *key_size, *value_size;
    bool gated, delta;
    Value *scale;
} Linear;

/* Input k [batch, length, heads * size] in f32 as [batch, length, heads..., size]. */
static Value *unpack(Linear *l, int k, Expr *const *tail, int n_tail) {
    OnnxNode *n = l->n;
    Expr *dims[5] = {l->batch, l->length};
    for (int i = 0; i < n_tail; i++) dims[2 + i] = tail[i];
    return reshape_to(n, cast_to(n, n->in[k], DT_F32), dims, 2 + n_tail);
}

static bool read_sizes(Linear *l) {
    OnnxNode *n = l->n;
    int64_t known;
    Expr *hidden, *values;
    for (int i = 0; i < 3; i++)
        if (!need(n, i, T_FLOAT) || !want_rank(n, i, 3, 3) || !same_dtype(n, 0, i)) return false;
    if (l->q_heads < 1 || l->kv_heads < 1 || l->q_heads % l->kv_heads)
        return bad(n, "%lld query heads are no multiple of %lld key heads", (long long)l->q_heads,
                   (long long)l->kv_heads);
    hidden = n->in[0]->type.dims[2];
    values = n->in[2]->type.dims[2];
    if ((expr_is_int(hidden, &known) && known % l->q_heads) ||
        (expr_is_int(values, &known) && known % l->kv_heads))
        return bad(n, "the heads do not divide the hidden sizes");
    l->batch = n->in[0]->type.dims[0];
    l->length = n->in[0]->type.dims[1];
    l->key_size = expr_floordiv(n->ctx, hidden, ix(n, l->q_heads));
    l->value_size = expr_floordiv(n->ctx, values, ix(n, l->kv_heads));
    double scale = attr_float(n, "scale", 0);
    l->scale =
        scale != 0 ? graph_const_f(n->g, DT_F32, scale) : size_power(n, l->key_size, -0.5, DT_F32);
    return l->scale != NULL;
}

/* The gate (input 4) and the rate (input 5) must be there exactly where the rule uses them. */
static bool read_rule(Linear *l) {
    OnnxNode *n = l->n;
    const char *rule = attr_string(n, "update_rule", "gated_delta");
    bool used[] = {!strncmp(rule, "gated", 5), strstr(rule, "delta") != NULL};
    for (int i = 0; i < 2; i++) {
        if (used[i] != has(n, 4 + i))
            return bad(n, "update rule %s %s input %d", rule, used[i] ? "needs" : "has no", 4 + i);
        if (used[i] && (!need(n, 4 + i, T_FLOAT) || !want_rank(n, 4 + i, 3, 3))) return false;
    }
    l->gated = used[0];
    l->delta = used[1];
    return true;
}

/* Input k [batch, length, heads * size] as [batch, length, heads, size]. Its last axis may have
 * `few` elements, each for `each` of the result; what only the run knows is decided there. */
static Value *spread(Linear *l, int k, Expr *size, Expr *each, Expr *few, const char *rule) {
    OnnxNode *n = l->n;
    Ctx *ctx = n->ctx;
    Expr *last = n->in[k]->type.dims[2], *heads = ix(n, l->kv_heads);
    Expr *is_few = E2(eq, last, few), *is_all = E2(eq, last, expr_mul(ctx, heads, size));
    if (!demand_that(n, E2(or, is_few, is_all), rule)) return bad(n, "%s", rule), NULL;
    Value *x = unpack(l, k, &last, 1);
    Expr *dims[] = {l->batch, l->length, heads, size}, *at[4];
    if (!x) return NULL;
    Node *c = build_compute_begin(n->g, &x, 1, DT_F32, dims, 4);
    for (int i = 0; i < 4; i++) at[i] = c->vars[i]->self;
    Expr *flat = expr_add(ctx, expr_mul(ctx, at[2], size), at[3]);
    at[2] = E3(select, is_few, expr_floordiv(ctx, flat, each), flat);
    at[2] = expr_bound(ctx, at[2], last);
    return build_compute_end(n->g, c, expr_load(ctx, c->params[0], at, 3));
}

/* The decay as [batch, length, heads, key size or 1]. */
static Value *read_decay(Linear *l) {
    OnnxNode *n = l->n;
    Expr *heads = ix(n, l->kv_heads), *one[] = {heads, ix(n, 1)};
    if (n->in[4]->type.dims[2] == heads) return unpack(l, 4, one, 2);
    return spread(l, 4, l->key_size, l->key_size, heads,
                  "the decay must have one element per head, or one per key element");
}

/* The update rate as [batch, length, heads or 1, 1]. */
static Value *read_rate(Linear *l) {
    OnnxNode *n = l->n;
    Expr *one = ix(n, 1), *ones[] = {one, one};
    if (expr_is(n->in[5]->type.dims[2], 1)) return unpack(l, 5, ones, 2);
    return spread(l, 5, one, ix(n, l->kv_heads), one,
                  "the update rate must have one element per head, or one");
}

static Value *first_state(Linear *l) {
    OnnxNode *n = l->n;
    Expr *dims[] = {l->batch, ix(n, l->kv_heads), l->key_size, l->value_size};
    if (!has(n, 3)) return build_expand(n->g, graph_const_f(n->g, DT_F32, 0), dims, 4);
    if (!need(n, 3, T_FLOAT) || !want_rank(n, 3, 4, 4)) return NULL;
    return cast_to(n, n->in[3], DT_F32);
}

/* One token: state' = decay state + k (x) v', output = scale q state'; with the delta rule v' is
 * rate (v - state' k). Arguments: state, q [b,h,g,k], k [b,h,k], v [b,h,v], decay, rate. */
static bool token(Linear *l, Region *region, Value *const *arg) {
    OnnxNode *n = l->n;
    Value *state = arg[0], *v = arg[3];
    int at = 4;
    if (l->gated) state = bin(n, SOP_mul, state, unsqueeze(n, un(n, SOP_exp, arg[at++]), 3));
    if (l->delta && state) {
        Value *known = build_contract(n->g, state, arg[2], NULL, "bhkv,bhk->bhv");
        v = bin(n, SOP_mul, arg[at], bin(n, SOP_sub, v, known));
    }
    Value *write = bin(n, SOP_mul, unsqueeze(n, arg[2], 3), unsqueeze(n, v, 2));
    state = bin(n, SOP_add, state, write);
    Value *y = state ? build_contract(n->g, arg[1], state, NULL, "bhgk,bhkv->bhgv") : NULL;
    y = bin(n, SOP_mul, l->scale, y);
    if (!y) return false;
    region_result(n->g, region, state);
    region_result(n->g, region, y);
    return true;
}

static Node *recurrence(Linear *l, Value *const *in, int n_in) {
    OnnxNode *n = l->n;
    Graph *g = n->g;
    Value *args[6];
    Node *scan = node_draft(g, OP_scan, in, n_in, 2);
    Region *region = region_new(g, scan), *outside = g->at;
    for (int i = 0; i < n_in; i++) {
        Type t = in[i]->type;
        if (i) {
            memmove(t.dims + 1, t.dims + 2, sizeof *t.dims * (size_t)(t.rank - 2));
            t.rank--;
        }
        args[i] = region_arg(g, region, i ? "token" : "state", &t);
    }
    g->at = region;
    bool ok = token(l, region, args);
    g->at = outside;
    if (!ok) return NULL;
    int64_t ones[] = {1, 1, 1, 1, 1}, zeros[5] = {0};
    node_set_int(g, scan, "n_carried", 1);
    node_set_ints(g, scan, "axes", ones, n_in - 1);
    node_set_ints(g, scan, "reverse", zeros, n_in - 1);
    node_set_ints(g, scan, "out_axes", ones, 1);
    node_set_ints(g, scan, "out_reverse", zeros, 1);
    return node_finish(g, scan) ? scan : NULL;
}

ONNX_OP(LinearAttention, 27) {
    ATTRS("chunk_size:i kv_num_heads:i! q_num_heads:i! scale:f "
          "update_rule:s(linear|gated|delta|gated_delta)");
    Linear l = {n, .q_heads = attr_int(n, "q_num_heads", 0),
                .kv_heads = attr_int(n, "kv_num_heads", 0)};
    if (!read_sizes(&l) || !read_rule(&l)) return false;
    Expr *heads = ix(n, l.kv_heads), *group = ix(n, l.q_heads / l.kv_heads);
    Expr *q[] = {heads, group, l.key_size}, *k[] = {heads, l.key_size},
         *v[] = {heads, l.value_size};
    Value *in[6] = {first_state(&l), unpack(&l, 0, q, 3), unpack(&l, 1, k, 2), unpack(&l, 2, v, 2)};
    int n_in = 4;
    if (l.gated) in[n_in++] = read_decay(&l);
    if (l.delta) in[n_in++] = read_rate(&l);
    for (int i = 0; i < n_in; i++)
        if (!in[i]) return false;
    Node *scan = recurrence(&l, in, n_in);
    if (!scan) return false;
    DType t = n->in[0]->type.dtype, state = has(n, 3) ? n->in[3]->type.dtype : t;
    Expr *flat[] = {l.batch, l.length, expr_mul(n->ctx, ix(n, l.q_heads), l.value_size)};
    if (wants(n, 1) && !give(n, 1, cast_to(n, scan->out[0], state))) return false;
    return give(n, 0, cast_to(n, reshape_to(n, scan->out[1], flat, 3), t));
}

/* ---- flexible attention ---- */

/* What the sub-graph makes of x, of the same type; x itself where there is none. */
static Value *modified(OnnxNode *n, const char *attribute, Value *x) {
    const struct Onnx__GraphProto *body = attr_graph(n, attribute);
    Value *y;
    if (!x || !body) return x;
    if (!build_subgraph(n, body, NULL, &x, 1, &y, 1)) return NULL;
    if (y->type.dtype == x->type.dtype && y->type.rank == x->type.rank) return y;
    return bad(n, "attribute \"%s\" changes type or rank", attribute), NULL;
}

/* [batch, heads, length, size] with each head as often as `group` says. */
static Value *repeated(OnnxNode *n, Value *x, Expr *heads) {
    Expr *const *d = x->type.dims, *group = expr_floordiv(n->ctx, heads, d[1]);
    if (d[1] == heads) return x;
    Expr *wide[] = {d[0], d[1], group, d[2], d[3]}, *merged[] = {d[0], heads, d[2], d[3]};
    Value *apart = unsqueeze(n, x, 2);
    return reshape_to(n, apart ? build_expand(n->g, apart, wide, 5) : NULL, merged, 4);
}

static DType softmax_type(OnnxNode *n, DType in) {
    if (!attr_has(n, "softmax_precision")) return in == DT_F64 ? DT_F64 : DT_F32;
    DType t = dtype_from_onnx(attr_int(n, "softmax_precision", 1));
    if (dtype_is_float(t)) return t;
    return bad(n, "attribute \"softmax_precision\" is no float type"), DT_NONE;
}

ONNX_OP_OF(preview, FlexAttention, 1) {
    ATTRS("prob_mod:g scale:f score_mod:g softmax_precision:i");
    int64_t heads, groups;
    for (int i = 0; i < 3; i++)
        if (!need(n, i, T_FLOAT) || !want_rank(n, i, 4, 4) || !same_dtype(n, 0, i)) return false;
    Value *q = n->in[0], *k = n->in[1], *v = n->in[2];
    DType work = softmax_type(n, q->type.dtype);
    if (work == DT_NONE) return false;
    if (expr_is_int(q->type.dims[1], &heads) && expr_is_int(k->type.dims[1], &groups) &&
        (groups < 1 || heads % groups))
        return bad(n, "%lld query heads are no multiple of %lld key heads", (long long)heads,
                   (long long)groups);
    double scale = attr_float(n, "scale", 1);
    Value *root = attr_has(n, "scale") ? flt(n, q, sqrt((double)(float)scale))
                                       : size_power(n, q->type.dims[3], -0.25, q->type.dtype);
    k = repeated(n, k, q->type.dims[1]);
    v = repeated(n, v, q->type.dims[1]);
    q = bin(n, SOP_mul, q, root);
    k = bin(n, SOP_mul, k, root);
    Value *s = q && k ? build_contract(n->g, q, k, NULL, "bhmd,bhnd->bhmn") : NULL;
    s = modified(n, "score_mod", cast_to(n, s, work));
    s = s ? modified(n, "prob_mod", build_softmax(n->g, s, 3, false)) : NULL;
    v = cast_to(n, v, work);
    Value *y = s && v ? build_contract(n->g, s, v, NULL, "bhmn,bhne->bhme") : NULL;
    return give(n, 0, cast_to(n, y, n->in[2]->type.dtype));
}
