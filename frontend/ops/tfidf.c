/* TfIdfVectorizer: how often each n-gram of a pool occurs in each row. Strings become their places
 * among the words of the pool. */
#include "frontend/calls.h"

typedef struct Pool {
    OnnxNode *n;
    const int64_t *starts, *outputs, *items; /* of n-grams of each length; of each n-gram; all */
    int lengths, grams, elements;
    int64_t least, most, skips, width; /* lengths of n-grams; of the result */
    Value *x;                          /* i64[batch, length] */
} Pool;

static bool check_pool(Pool *p) {
    OnnxNode *n = p->n;
    p->lengths = attr_ints(n, "ngram_counts", &p->starts);
    p->grams = attr_ints(n, "ngram_indexes", &p->outputs);
    p->least = attr_int(n, "min_gram_length", 1);
    p->most = attr_int(n, "max_gram_length", 1);
    p->skips = attr_int(n, "max_skip_count", 0);
    if (p->least < 1 || p->least > p->most || p->most > 64 || p->skips < 0 || p->skips > INT32_MAX)
        return bad(n, "the lengths of n-grams, or max_skip_count, do not fit");
    for (int i = 0; i < p->lengths; i++)
        if (p->starts[i] < (i ? p->starts[i - 1] : 0) || p->starts[i] > p->elements)
            return bad(n, "attribute \"ngram_counts\" does not fit the pool");
    for (int i = 0; i < p->grams; i++) {
        if (p->outputs[i] < 0 || p->outputs[i] > INT32_MAX)
            return bad(n, "attribute \"ngram_indexes\" has an element of %lld",
                       (long long)p->outputs[i]);
        p->width = MAX(p->width, p->outputs[i] + 1);
    }
    return true;
}

/* The pool's items and the input as integers. */
static bool read_items(Pool *p, Value *x) {
    OnnxNode *n = p->n;
    if (x->type.dtype != DT_STR) {
        p->elements = attr_ints(n, "pool_int64s", &p->items);
        p->x = cast_to(n, x, DT_I64);
        return p->elements >= 0 || bad(n, "attribute \"pool_int64s\" is missing");
    }
    p->elements = attr_strings(n, "pool_strings");
    if (p->elements < 0) return bad(n, "attribute \"pool_strings\" is missing");
    const char **words = NEW_ARRAY(n->ctx->perm, const char *, p->elements + 1);
    int64_t *places = NEW_ARRAY(n->ctx->perm, int64_t, p->elements + 1);
    for (int i = 0; i < p->elements; i++) words[i] = attr_string_at(n, "pool_strings", i);
    p->x = string_places(n, x, const_strings(n->ctx, words, p->elements), places);
    p->items = places;
    return p->x != NULL;
}

static Value *table(OnnxNode *n, const int64_t *v, int64_t rows, int64_t columns) {
    int64_t count = rows * columns;
    int64_t *copy = NEW_ARRAY(n->ctx->perm, int64_t, count + 1);
    for (int64_t i = 0; i < count; i++) copy[i] = v[i];
    Expr *dims[] = {ix(n, rows), ix(n, columns)};
    Type t = type_make(DT_I64, dims, 2);
    return graph_const(n->g, NULL, const_new(n->ctx, DT_I64, count, copy), &t);
}

/* How often each of `count` n-grams of `length` items occurs: f32[batch, count]. Element j of one
 * that begins at t stands at t + j (skip + 1); single items are not counted once per skip. */
static Value *count_grams(Pool *p, const int64_t *items, int64_t count, int64_t length) {
    OnnxNode *n = p->n;
    Ctx *ctx = n->ctx;
    Value *in[] = {p->x, table(n, items, count, length)};
    Expr *size = p->x->type.dims[1], *yes = expr_const_int(ctx, DT_BOOL, 1), *match = yes, *last;
    Expr *dims[] = {p->x->type.dims[0], ix(n, count), ix(n, length > 1 ? p->skips + 1 : 1), size};
    Node *c = build_compute_begin(n->g, in, 2, DT_F32, dims, 4);
    Expr *step = expr_addi(ctx, c->vars[2]->self, 1);
    for (int64_t j = 0; j < length; j++) {
        last = expr_add(ctx, c->vars[3]->self, expr_muli(ctx, step, j));
        Expr *inner = expr_min(ctx, last, expr_addi(ctx, size, -1));
        Expr *at[] = {c->vars[0]->self, inner}, *of[] = {c->vars[1]->self, ix(n, j)};
        match = expr_and(
            ctx, match,
            E2(eq, expr_load(ctx, c->params[0], at, 2), expr_load(ctx, c->params[1], of, 2)));
    }
    match = expr_and(ctx, match, E2(lt, last, size));
    Value *each = build_compute_end(n->g, c, expr_cast(ctx, DT_F32, match));
    return each ? build_reduce(n->g, each, "sum", (int64_t[]){2, 3}, 2, false) : NULL;
}

/* Counts of all n-grams to their places in the result: f32[batch, width]. */
static Value *place_counts(Pool *p, Value *counts) {
    OnnxNode *n = p->n;
    int64_t *from = NEW_ARRAY(n->ctx->perm, int64_t, p->width + 1);
    for (int64_t i = 0; i < p->width; i++) from[i] = -1;
    for (int i = 0; i < p->grams; i++) {
        if (from[p->outputs[i]] >= 0)
            return bad(n, "two n-grams have the index %lld", (long long)p->outputs[i]), NULL;
        from[p->outputs[i]] = i;
    }
    Value *in[] = {counts, table(n, from, 1, p->width)};
    Expr *dims[] = {counts->type.dims[0], ix(n, p->width)};
    Node *c = build_compute_begin(n->g, in, 2, DT_F32, dims, 2);
    Expr *row[] = {ix(n, 0), c->vars[1]->self};
    Expr *at = expr_cast(n->ctx, DT_INDEX, expr_load(n->ctx, c->params[1], row, 2));
    Expr *inside = expr_in_range(n->ctx, at, counts->type.dims[1]);
    Expr *of[] = {c->vars[0]->self, at};
    Expr *there = expr_load(n->ctx, c->params[0], of, 2);
    return build_compute_end(n->g, c, expr_guard(n->ctx, inside, there, real(n, DT_F32, 0)));
}

/* Counts of the n-grams in the order of the pool; lengths that are not asked for count 0. */
static Value *all_counts(Pool *p) {
    OnnxNode *n = p->n;
    Value *parts[65];
    int n_parts = 0;
    int64_t seen = 0;
    for (int i = 0; i < MIN(p->lengths, 64); i++) {
        int64_t end = i + 1 < p->lengths ? p->starts[i + 1] : p->elements, length = i + 1;
        int64_t count = (end - p->starts[i]) / length;
        if ((end - p->starts[i]) % length)
            return bad(n, "attribute \"ngram_counts\" does not fit the pool"), NULL;
        Expr *dims[] = {p->x->type.dims[0], ix(n, count)};
        bool asked = length >= p->least && length <= p->most;
        if (!count) continue;
        Value *part = asked ? count_grams(p, p->items + p->starts[i], count, length)
                            : build_expand(n->g, graph_const_f(n->g, DT_F32, 0), dims, 2);
        if (!(parts[n_parts++] = part)) return NULL;
        seen += count;
    }
    if (seen != p->grams || !seen)
        return bad(n, "the pool has %lld n-grams, \"ngram_indexes\" %d elements", (long long)seen,
                   p->grams),
               NULL;
    return build_concat(n->g, parts, n_parts, 1);
}

/* Counts by the weights of their n-grams, which stand in the order of the pool. */
static Value *weighted(Pool *p, Value *counts) {
    OnnxNode *n = p->n;
    const char *mode = attr_string(n, "mode", "TF");
    const float *w;
    int given = attr_floats(n, "weights", &w);
    Value *zero = num(n, counts, 0), *one = num(n, counts, 1), *weights = one;
    if (!strcmp(mode, "TF")) return counts;
    if (given >= 0 && given != p->grams)
        return bad(n, "%d weights are given for %d n-grams", given, p->grams), NULL;
    if (given >= 0) {
        float *copy = arena_copy(n->ctx->perm, w, sizeof *w * (size_t)given);
        Expr *dims[] = {ix(n, given)};
        Type t = type_make(DT_F32, dims, 1);
        weights = graph_const(n->g, NULL, const_new(n->ctx, DT_F32, given, copy), &t);
    }
    if (!strcmp(mode, "IDF")) counts = sel(n, bin(n, SOP_gt, counts, zero), one, zero);
    return bin(n, SOP_mul, counts, weights);
}

ONNX_OP(TfIdfVectorizer, 9) {
    ATTRS("max_gram_length:i! max_skip_count:i! min_gram_length:i! mode:s(TF|IDF|TFIDF)! "
          "ngram_counts:I! ngram_indexes:I! pool_int64s:I pool_strings:S weights:F");
    Pool p = {.n = n};
    Value *x = need(n, 0, T_S | T_STR);
    if (!x || !want_rank(n, 0, 1, 2)) return false;
    bool flat = x->type.rank == 1;
    if (!(x = flat ? unsqueeze(n, x, 0) : x) || !read_items(&p, x) || !check_pool(&p)) return false;
    Value *counts = p.x ? all_counts(&p) : NULL;
    counts = counts ? weighted(&p, counts) : NULL;
    Value *y = counts ? place_counts(&p, counts) : NULL;
    return give(n, 0, flat && y ? reshape_to(n, y, y->type.dims + 1, 1) : y);
}
