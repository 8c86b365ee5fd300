/* Constants: payloads that stay where they are, splats, elements as numbers, and values made of
 * them. */
#include "ir/graph.h"

enum { MAX_CELLS = 64 };

Const *const_new(Ctx *ctx, DType dtype, int64_t elements, const void *data) {
    Const *c = NEW(ctx->perm, Const);
    c->dtype = dtype;
    c->elements = elements;
    c->data = data ? data : "";
    return c;
}

Const *const_splat(Ctx *ctx, DType dtype, int64_t elements, const void *element) {
    Const *c = NEW(ctx->perm, Const);
    c->dtype = dtype;
    c->elements = elements;
    memcpy(c->splat, element, dtype_bytes(dtype));
    return c;
}

static const char *element(const Const *c, int64_t i) {
    return c->data ? (const char *)c->data + (size_t)i * dtype_bytes(c->dtype)
                   : (const char *)c->splat;
}

StrElement const_string(const Const *c, int64_t i) {
    StrElement e;
    memcpy(&e, element(c, i), sizeof e);
    return e;
}

Const *const_strings(Ctx *ctx, const char *const *at, int n) {
    StrElement *e = NEW_ARRAY(ctx->perm, StrElement, n + 1);
    for (int i = 0; i < n; i++) e[i] = (StrElement){at[i], strlen(at[i])};
    return const_new(ctx, DT_STR, n, e);
}

Const *const_packed_strings(Ctx *ctx, const Const *c) {
    int64_t at = 16 * c->elements, total = at;
    for (int64_t i = 0; i < c->elements; i++) total += (int64_t)const_string(c, i).size;
    char *bytes = arena_alloc(ctx->perm, (size_t)total + 1);
    for (int64_t i = 0; i < c->elements; i++) {
        StrElement e = const_string(c, i);
        int64_t place[2] = {at, (int64_t)e.size};
        memcpy(bytes + 16 * i, place, sizeof place);
        if (e.size) memcpy(bytes + at, e.data, e.size);
        at += place[1];
    }
    return const_new(ctx, DT_U8, total, bytes);
}

/* Of strings the characters count, not where they lie. */
static uint64_t hash_strings(const Const *c, uint64_t h) {
    for (int64_t i = 0; i < (c->data ? c->elements : 1); i++) {
        StrElement e = const_string(c, i);
        h = hash_bytes(e.data, e.size, hash_mix(h, (uint64_t)e.size));
    }
    return c->data ? h : h + 1;
}

static bool same_strings(const Const *a, const Const *b) {
    for (int64_t i = 0; i < (a->data ? a->elements : 1); i++) {
        StrElement x = const_string(a, i), y = const_string(b, i);
        if (x.size != y.size || (x.size && memcmp(x.data, y.data, x.size))) return false;
    }
    return true;
}

uint64_t const_hash(Const *c) {
    if (c->hash) return c->hash;
    size_t bytes = dtype_bytes(c->dtype);
    uint64_t h = hash_mix((uint64_t)c->dtype, (uint64_t)c->elements);
    if (c->dtype == DT_STR) h = hash_strings(c, h);
    else if (c->data) h = hash_bytes(c->data, bytes * (size_t)c->elements, h);
    else h = hash_bytes(c->splat, bytes, h + 1);
    c->hash = h ? h : 1;
    return c->hash;
}

static double load_flt(DType t, const char *p) {
    uint16_t half;
    float single;
    double value = 0;
    switch (t) {
    case DT_F16: memcpy(&half, p, 2); return f16_to_f32(half);
    case DT_BF16: memcpy(&half, p, 2); return bf16_to_f32(half);
    case DT_F32: memcpy(&single, p, 4); return single;
    case DT_F64: memcpy(&value, p, 8); return value;
    default: return dtype_is_narrow(t) ? narrow_to_f32(t, (uint8_t)*p) : 0;
    }
}

static int64_t load_int(DType t, const char *p) {
    uint64_t u = 0;
    size_t bytes = dtype_bytes(t);
    if (bytes > 8) return 0;
    for (size_t i = 0; i < bytes; i++) u |= (uint64_t)(unsigned char)p[i] << (8 * i);
    if (dtype_is_signed(t) && bytes < 8) {
        uint64_t sign = (uint64_t)1 << (8 * bytes - 1);
        u = (u ^ sign) - sign;
    }
    return (int64_t)u;
}

double const_get(const Const *c, int64_t i) {
    const char *p = element(c, i);
    if (dtype_is_float(c->dtype)) return load_flt(c->dtype, p);
    int64_t v = load_int(c->dtype, p);
    return c->dtype == DT_U64 ? (double)(uint64_t)v : (double)v;
}

int64_t const_get_int(const Const *c, int64_t i) {
    const char *p = element(c, i);
    return dtype_is_float(c->dtype) ? (int64_t)load_flt(c->dtype, p) : load_int(c->dtype, p);
}

Const *const_new_flt(Ctx *ctx, DType t, double v) {
    char *p = arena_alloc(ctx->perm, 8);
    float single = (float)v;
    uint16_t half = dtype_is_narrow(t) ? narrow_from_f64(t, v)
                    : t == DT_BF16     ? bf16_from_f64(v)
                                       : f16_from_f64(v);
    if (t == DT_F64) memcpy(p, &v, 8);
    else if (t == DT_F32) memcpy(p, &single, 4);
    else memcpy(p, &half, dtype_bytes(t));
    return const_new(ctx, t, 1, p);
}

static void store_int(DType t, char *p, int64_t v) {
    for (size_t i = 0; i < dtype_bytes(t); i++) p[i] = (char)((uint64_t)v >> (8 * i));
}

Const *const_new_int(Ctx *ctx, DType t, int64_t v) {
    char *p = arena_alloc(ctx->perm, 8);
    store_int(t, p, t == DT_BOOL ? v != 0 : v);
    return const_new(ctx, t, 1, p);
}

/* Floats uniform in -1..1; integers in -8..7, or 0..15 where unsigned; bool 0 or 1. */
Const *const_random(Ctx *ctx, DType t, int64_t elements, uint64_t seed) {
    size_t bytes = dtype_bytes(t);
    char *p = arena_alloc(ctx->perm, bytes * (size_t)elements + 1);
    for (int64_t i = 0; i < elements; i++) {
        uint64_t r = hash_mix(seed, (uint64_t)i);
        double unit = (double)(r >> 11) / 4503599627370496.0 - 1;
        if (dtype_is_float(t))
            memcpy(p + (size_t)i * bytes, const_new_flt(ctx, t, unit)->data, bytes);
        else
            store_int(t, p + (size_t)i * bytes,
                      t == DT_BOOL ? (int64_t)(r & 1)
                                   : (int64_t)(r & 15) - (dtype_is_signed(t) ? 8 : 0));
    }
    Const *c = const_new(ctx, t, elements, p);
    c->random = true;
    c->seed = seed;
    return c;
}

bool const_same(const Const *a, const Const *b) {
    if (a == b) return true;
    if (a->dtype != b->dtype || a->elements != b->elements || !a->data != !b->data) return false;
    if (a->missing || b->missing) return a->missing && b->missing && a->hash == b->hash;
    if (const_hash((Const *)a) != const_hash((Const *)b)) return false;
    size_t bytes = dtype_bytes(a->dtype);
    if (a->dtype == DT_STR) return same_strings(a, b);
    if (!a->data) return !memcmp(a->splat, b->splat, bytes);
    return a->data == b->data || !memcmp(a->data, b->data, bytes * (size_t)a->elements);
}

const void *const_bytes(Ctx *ctx, const Const *c) {
    if (c->missing) return NULL;
    if (c->data) return c->data;
    size_t bytes = dtype_bytes(c->dtype);
    char *p = arena_alloc(ctx->perm, bytes * (size_t)c->elements + 1);
    for (int64_t i = 0; i < c->elements; i++) memcpy(p + (size_t)i * bytes, c->splat, bytes);
    return p;
}

/* ---- constant values ---- */

static void fill_cells(Graph *g, Value *v) {
    const Const *c = v->data;
    bool counts = dtype_is_int(c->dtype) || c->dtype == DT_BOOL;
    if (!counts || c->missing || c->elements > MAX_CELLS) return;
    v->n_cells = (int)c->elements;
    v->cells = NEW_ARRAY(g->ctx->perm, Expr *, v->n_cells + 1);
    for (int i = 0; i < v->n_cells; i++) v->cells[i] = expr_int(g->ctx, const_get_int(c, i));
}

Value *graph_const(Graph *g, const char *name, Const *c, const Type *t) {
    Value *v = NEW(g->ctx->perm, Value);
    v->name = graph_name(g, name ? name : "c");
    v->type = *t;
    v->data = c;
    fill_cells(g, v);
    vec_push(g->ctx->perm, &g->consts, v);
    return v;
}

Value *graph_const_f(Graph *g, DType t, double v) {
    Type type = {.dtype = t};
    return graph_const(g, NULL, const_new_flt(g->ctx, t, v), &type);
}

Value *graph_const_i(Graph *g, DType t, int64_t v) {
    Type type = {.dtype = t};
    return graph_const(g, NULL, const_new_int(g->ctx, t, v), &type);
}

Value *graph_const_ints(Graph *g, const int64_t *v, int n) {
    Type type = {.dtype = DT_I64, .rank = 1, .dims = {expr_int(g->ctx, n)}};
    char *p = arena_alloc(g->ctx->perm, 8 * (size_t)n + 8);
    for (int i = 0; i < n; i++) store_int(DT_I64, p + 8 * i, v[i]);
    return graph_const(g, NULL, const_new(g->ctx, DT_I64, n, p), &type);
}
