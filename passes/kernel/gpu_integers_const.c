/* Constants of integer products: kept in 8 bits, and summed up when the model is compiled. */
#include "passes/kernel/gpu_integers.h"

typedef struct Range {
    int64_t lo, hi;
} Range;

static bool is_known(const Tensor *t) {
    return t->space == SP_CONST && t->data && !t->data->missing && !t->packed && !t->layout;
}

static Range range_of(const Const *c) {
    int64_t first = const_get_int(c, 0);
    Range r = {first, first};
    for (int64_t i = 0; c->data && i < c->elements; i++) {
        int64_t v = const_get_int(c, i);
        r.lo = MIN(r.lo, v), r.hi = MAX(r.hi, v);
    }
    return r;
}

static Tensor *add_const(Program *p, const char *name, Const *data, Expr *const *dims, int rank) {
    Tensor *t = tensor_new(p->ctx, program_name(p, name), data->dtype, dims, rank, SP_CONST);
    t->data = data;
    vec_push(p->ctx->perm, &p->consts, t);
    return t;
}

/* The constant plus `by`, in a type of 8 bits. */
static Tensor *shifted(Program *p, const Tensor *t, int64_t by, DType to) {
    const Const *c = t->data;
    int64_t n = c->data ? c->elements : 1;
    uint8_t *data = arena_alloc(p->ctx->perm, (size_t)n + 1);
    for (int64_t i = 0; i < n; i++) data[i] = (uint8_t)(const_get_int(c, i) + by);
    Const *made =
        c->data ? const_new(p->ctx, to, n, data) : const_splat(p->ctx, to, c->elements, data);
    return add_const(p, arena_printf(p->ctx->perm, "%s.bytes", t->name), made, t->dims, t->rank);
}

static bool fits(Range r, int64_t by, DType *t) {
    *t = r.lo + by < 0 ? DT_I8 : DT_U8;
    return r.hi + by <= (*t == DT_I8 ? 127 : 255) && r.lo + by >= -128;
}

bool bytes_of_const(Program *p, Expr *load, Expr *zero, Bytes *b) {
    const Tensor *t = load->tensor;
    DType to;
    bool narrow = dtype_bytes(t->dtype) == 1;
    if (!is_known(t) || t->data->elements == 0) return false;
    if (zero->kind != E_INT || (narrow && zero->i == 0)) {
        *b = (Bytes){NULL, load, zero};
        return narrow;
    }
    Range r = range_of(t->data);
    int64_t by = -zero->i;
    if (!fits(r, by, &to)) by = narrow ? 0 : -r.lo;
    if (!fits(r, by, &to)) return false;
    Tensor *made = by || !narrow ? shifted(p, t, by, to) : load->tensor;
    *b = (Bytes){NULL, expr_load(p->ctx, made, load->arg, load->n),
                 expr_const_int(p->ctx, DT_I32, zero->i + by)};
    return true;
}

/* ---- sums ---- */
typedef struct Walk { /* over the elements that variables lead to */
    int64_t extent[2 * MAX_RANK], step[2 * MAX_RANK];
    int n;
} Walk;

static bool add_loop(Ctx *c, Walk *w, Expr **offset, Var *v) {
    Expr *coef, *rest;
    int64_t step = 0;
    if (!expr_is_int(v->extent, &w->extent[w->n])) return false;
    if (expr_uses_var(*offset, v)) {
        if (!expr_linear_in(c, *offset, v, &coef, &rest) || !expr_is_int(coef, &step)) return false;
        *offset = rest;
    }
    w->step[w->n++] = step;
    return true;
}

static int64_t sum_up(const Const *c, const Walk *w, int loop, int64_t at) {
    if (loop == w->n) return const_get_int(c, at);
    int64_t sum = 0;
    for (int64_t i = 0; i < w->extent[loop]; i++)
        sum += sum_up(c, w, loop + 1, at + i * w->step[loop]);
    return sum;
}

/* Element number i of the walk's first loops. */
static int64_t place_of(const Walk *w, int n_dom, int64_t i, int64_t at) {
    for (int k = n_dom - 1; k >= 0; k--) {
        at += i % w->extent[k] * w->step[k];
        i /= w->extent[k];
    }
    return at;
}

Tensor *bytes_const_sums(Program *p, const Expr *load, Var *const *dom, int n_dom, Var *const *red,
                         int n_red) {
    Ctx *c = p->ctx;
    Walk w = {.n = 0};
    Expr *offset = tensor_offset(c, load->tensor, load->arg), *dims[MAX_RANK];
    int64_t n = 1, first;
    if (!is_known(load->tensor)) return NULL;
    for (int i = 0; i < n_dom; i++) {
        if (!add_loop(c, &w, &offset, dom[i])) return NULL;
        n *= w.extent[i];
        dims[i] = dom[i]->extent;
    }
    for (int i = 0; i < n_red; i++)
        if (!add_loop(c, &w, &offset, red[i])) return NULL;
    if (!expr_is_int(offset, &first)) return NULL;
    int32_t *data = NEW_ARRAY(c->perm, int32_t, n + 1);
    for (int64_t i = 0; i < n; i++)
        data[i] = (int32_t)sum_up(load->tensor->data, &w, n_dom, place_of(&w, n_dom, i, first));
    return add_const(p, arena_printf(c->perm, "%s.sums", load->tensor->name),
                     const_new(c, DT_I32, n, data), dims, n_dom);
}
