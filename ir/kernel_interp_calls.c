/* The runtime functions that a program may call, written plainly. Arguments are as in
 * runtime/core. */
#include "ir/kernel_interp.h"

typedef struct CallRun {
    Interp *in;
    Buffer *buf[8]; /* inputs, then outputs */
    int64_t arg[4 + MAX_RANK];
    DType type; /* of the first input */
} CallRun;

static ScalarValue element(const CallRun *c, int64_t i) {
    return scalar_load(c->type, (const char *)c->buf[0]->data + (size_t)i * dtype_bytes(c->type));
}

static bool is_zero(const CallRun *c, int64_t i) {
    return scalar_double(c->type, element(c, i)) == 0;
}

/* nonzero_count: dtype, elements */
static bool nonzero_count(CallRun *c) {
    int64_t count = 0;
    for (int64_t i = 0; i < c->arg[1]; i++) count += !is_zero(c, i);
    memcpy(c->buf[1]->data, &count, 8);
    return true;
}

/* nonzero_fill: dtype, count, rank, dims... */
static bool nonzero_fill(CallRun *c) {
    int64_t n = 1, at = 0, *y = c->buf[1]->data, count = c->arg[1], rank = c->arg[2];
    for (int d = 0; d < rank; d++) n *= c->arg[3 + d];
    for (int64_t i = 0; i < n && at < count; i++) {
        if (is_zero(c, i)) continue;
        int64_t rest = i;
        for (int64_t d = rank; d-- > 0;) {
            y[d * count + at] = rest % c->arg[3 + d];
            rest /= c->arg[3 + d];
        }
        at++;
    }
    return true;
}

/* ---- sort and topk: dtype, outer, n, inner, [k,] largest ---- */

typedef struct Line {
    const CallRun *call;
    int64_t first, step, n;
    bool largest;
} Line;

/* Does element i of the line come before element j? NaN is above everything; ties: the lower
 * index. */
static bool before(const Line *l, int64_t i, int64_t j) {
    const CallRun *c = l->call;
    ScalarValue a = element(c, l->first + i * l->step), b = element(c, l->first + j * l->step);
    ScalarValue less[2] = {a, b}, more[2] = {b, a}, one[1] = {a}, other[1] = {b};
    bool a_nan = false, b_nan = false;
    if (dtype_is_float(c->type)) {
        a_nan = scalar_eval(SOP_isnan, c->type, DT_BOOL, one).i;
        b_nan = scalar_eval(SOP_isnan, c->type, DT_BOOL, other).i;
    }
    bool lower = !a_nan && (b_nan || scalar_eval(SOP_lt, c->type, DT_BOOL, less).i);
    bool higher = !b_nan && (a_nan || scalar_eval(SOP_lt, c->type, DT_BOOL, more).i);
    if (lower || higher) return l->largest ? higher : lower;
    return i < j;
}

static void merge_sort(const Line *l, int64_t *at, int64_t *spare, int64_t n) {
    if (n < 2) return;
    int64_t half = n / 2, i = 0, j = half, k = 0;
    merge_sort(l, at, spare, half);
    merge_sort(l, at + half, spare, n - half);
    while (i < half && j < n) spare[k++] = before(l, at[j], at[i]) ? at[j++] : at[i++];
    while (i < half) spare[k++] = at[i++];
    while (j < n) spare[k++] = at[j++];
    memcpy(at, spare, (size_t)n * sizeof *at);
}

static void sort_line(CallRun *c, const Line *l, int64_t *at, int64_t k, int64_t to) {
    size_t bytes = dtype_bytes(c->type);
    for (int64_t i = 0; i < l->n; i++) at[i] = i;
    merge_sort(l, at, at + l->n, l->n);
    for (int64_t i = 0; i < k; i++) {
        int64_t from = l->first + at[i] * l->step, into = to + i * l->step;
        memcpy((char *)c->buf[1]->data + (size_t)into * bytes,
               (const char *)c->buf[0]->data + (size_t)from * bytes, bytes);
        ((int64_t *)c->buf[2]->data)[into] = at[i];
    }
}

static bool sort(CallRun *c, bool all) {
    int64_t outer = c->arg[1], n = c->arg[2], inner = c->arg[3], k = all ? n : c->arg[4];
    if (k < 0 || k > n)
        return interp_fail(c->in, "topk wants %lld of %lld", (long long)k, (long long)n);
    Arena *scratch = arena_new();
    int64_t *at = NEW_ARRAY(scratch, int64_t, 2 * n + 1);
    for (int64_t o = 0; o < outer; o++)
        for (int64_t j = 0; j < inner; j++) {
            Line l = {c, o * n * inner + j, inner, n, c->arg[all ? 4 : 5] != 0};
            sort_line(c, &l, at, k, o * k * inner + j);
        }
    arena_free(scratch);
    return true;
}

bool interp_call(Interp *in, const Item *it) {
    CallRun c = {.in = in};
    if (it->n_in + it->n_out > 8 || it->n_args > LEN(c.arg) || !it->n_in)
        return interp_fail(in, "call of %s", it->call);
    for (int i = 0; i < it->n_in + it->n_out; i++) {
        Tensor *t = i < it->n_in ? it->in[i] : it->out[i - it->n_in];
        if (!(c.buf[i] = interp_buffer(in, t))) return false;
    }
    for (int i = 0; i < it->n_args; i++)
        if (!interp_index(in, it->args[i], &c.arg[i])) return false;
    c.type = it->in[0]->dtype;
    if (!strcmp(it->call, "nonzero_count")) return nonzero_count(&c);
    if (!strcmp(it->call, "nonzero_fill")) return nonzero_fill(&c);
    if (!strcmp(it->call, "topk")) return sort(&c, false);
    if (!strcmp(it->call, "sort")) return sort(&c, true);
    return interp_fail(in, "%s cannot be interpreted", it->call);
}
