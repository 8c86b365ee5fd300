/* The runtime functions that a program may call, written plainly. Arguments are as in
 * runtime/core. */
#include "ir/kernel_interp.h"
#include "runtime/abi.h"

enum { MAX_SHARED_ARENA = 1 << 30 };

typedef struct CallRun {
    Interp *in;
    Buffer **buf; /* inputs, then outputs */
    int64_t *arg;
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

/* ---- strings and sequences: the programs' own functions ---- */

static const struct {
    const char *name;
    int (*call)(struct onnxcc_frame *, void *const *bufs, const int64_t *args);
} shared[] = {
#define C(name) {#name, onnxcc_call_##name},
#include "runtime/shared.def"
#undef C
};

/* Such a function takes the room for its results from an arena; where that is too small it is
 * called again with a larger one. */
static bool call_shared(Interp *in, int which, void *const *bufs, const int64_t *args) {
    static const struct onnxcc_model model = {.slot_arena = 0};
    for (int64_t bytes = 1 << 16; bytes <= MAX_SHARED_ARENA; bytes *= 4) {
        int64_t top = 0;
        struct onnxcc_frame f = {.model = &model, .syms = &top};
        char *room = arena_alloc(in->arena, (size_t)bytes + ONNXCC_ALIGN);
        f.arena = room + (ONNXCC_ALIGN - (uintptr_t)room % ONNXCC_ALIGN) % ONNXCC_ALIGN;
        f.arena_bytes = bytes;
        int code = shared[which].call(&f, bufs, args);
        if (!code) return true;
        if (ONNXCC_KIND(code) == ONNXCC_E_FAULT) return !(in->fault = true);
        if (ONNXCC_KIND(code) != ONNXCC_E_ARENA) break;
    }
    return interp_fail(in, "%s failed", shared[which].name);
}

/* The elements of an operand where such a function may read them: constants lie in the model's
 * file, at any address. */
static void *aligned_data(Interp *in, const Buffer *b) {
    size_t bytes = dtype_bytes(b->tensor->dtype);
    if ((uintptr_t)b->data % MIN(bytes, (size_t)8) == 0) return b->data;
    for (int i = 0; i < b->tensor->rank; i++) bytes *= (size_t)b->dims[i];
    return arena_copy(in->arena, b->data, bytes);
}

typedef bool Call(CallRun *);
static bool topk(CallRun *c) {
    return sort(c, false);
}
static bool sort_all(CallRun *c) {
    return sort(c, true);
}

static const struct {
    const char *name;
    Call *call;
} own[] = {{"nonzero_count", nonzero_count},
           {"nonzero_fill", nonzero_fill},
           {"topk", topk},
           {"sort", sort_all}};

bool interp_call(Interp *in, const Item *it) {
    int n = it->n_in + it->n_out;
    CallRun c = {.in = in};
    c.buf = NEW_ARRAY(in->arena, Buffer *, n + 1);
    c.arg = NEW_ARRAY(in->arena, int64_t, it->n_args + 1);
    void **bufs = NEW_ARRAY(in->arena, void *, n + 1);
    for (int i = 0; i < n; i++) {
        Tensor *t = i < it->n_in ? it->in[i] : it->out[i - it->n_in];
        if (!(c.buf[i] = interp_buffer(in, t))) return false;
        bufs[i] = i < it->n_in ? aligned_data(in, c.buf[i]) : c.buf[i]->data;
    }
    for (int i = 0; i < it->n_args; i++)
        if (!interp_index(in, it->args[i], &c.arg[i])) return false;
    if (it->n_in) c.type = it->in[0]->dtype;
    for (int i = 0; i < LEN(own); i++)
        if (!strcmp(it->call, own[i].name)) return own[i].call(&c);
    for (int i = 0; i < LEN(shared); i++)
        if (!strcmp(it->call, shared[i].name)) return call_shared(in, i, bufs, c.arg);
    return interp_fail(in, "%s cannot be interpreted", it->call);
}
