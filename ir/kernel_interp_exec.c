/* Runs column instructions. What is frequent has a loop of its own; the rest asks scalar_eval,
 * which is the definition. */
#include "ir/kernel_interp.h"

#include <math.h>

#define EACH(expression)                                                                           \
    do {                                                                                           \
        for (int i = 0; i < n; i++) r[i] = (ScalarValue){expression};                              \
        return true;                                                                               \
    } while (0)

static bool run_f32(ScalarOp op, ScalarValue *r, const ScalarValue *a, const ScalarValue *b,
                    const ScalarValue *c, int n) {
    switch (op) {
    case SOP_add:
        EACH(.f = a[i].f + b[i].f);
    case SOP_sub:
        EACH(.f = a[i].f - b[i].f);
    case SOP_mul:
        EACH(.f = a[i].f * b[i].f);
    case SOP_div:
        EACH(.f = a[i].f / b[i].f);
    case SOP_neg:
        EACH(.f = -a[i].f);
    case SOP_abs:
        EACH(.f = fabsf(a[i].f));
    case SOP_fma:
        EACH(.f = fmaf(a[i].f, b[i].f, c[i].f));
    case SOP_sqrt:
        EACH(.f = sqrtf(a[i].f));
    case SOP_lt:
        EACH(.i = a[i].f < b[i].f);
    case SOP_le:
        EACH(.i = a[i].f <= b[i].f);
    case SOP_gt:
        EACH(.i = a[i].f > b[i].f);
    case SOP_ge:
        EACH(.i = a[i].f >= b[i].f);
    case SOP_max:
        EACH(.f = a[i].f != a[i].f || !(a[i].f <= b[i].f || b[i].f != b[i].f) ? a[i].f : b[i].f);
    case SOP_min:
        EACH(.f = a[i].f != a[i].f || a[i].f < b[i].f ? a[i].f : b[i].f);
    default:
        return false;
    }
}

static bool run_index(ScalarOp op, ScalarValue *r, const ScalarValue *a, const ScalarValue *b,
                      int n) {
    switch (op) {
    case SOP_add:
        EACH(.i = (int64_t)(a[i].u + b[i].u));
    case SOP_sub:
        EACH(.i = (int64_t)(a[i].u - b[i].u));
    case SOP_mul:
        EACH(.i = (int64_t)(a[i].u * b[i].u));
    case SOP_min:
        EACH(.i = a[i].i < b[i].i ? a[i].i : b[i].i);
    case SOP_max:
        EACH(.i = a[i].i > b[i].i ? a[i].i : b[i].i);
    case SOP_eq:
        EACH(.i = a[i].i == b[i].i);
    case SOP_ne:
        EACH(.i = a[i].i != b[i].i);
    case SOP_lt:
        EACH(.i = a[i].i < b[i].i);
    case SOP_le:
        EACH(.i = a[i].i <= b[i].i);
    case SOP_gt:
        EACH(.i = a[i].i > b[i].i);
    case SOP_ge:
        EACH(.i = a[i].i >= b[i].i);
    default:
        return false;
    }
}

static bool run_bool(ScalarOp op, ScalarValue *r, const ScalarValue *a, const ScalarValue *b,
                     int n) {
    switch (op) {
    case SOP_and:
        EACH(.i = a[i].i & b[i].i);
    case SOP_or:
        EACH(.i = a[i].i | b[i].i);
    case SOP_not:
        EACH(.i = !a[i].i);
    default:
        return false;
    }
}

/* Division by the same positive number in all lanes, as most divisions of subscripts are. */
static bool run_divide(ScalarOp op, ScalarValue *r, const ScalarValue *a, const ScalarValue *b,
                       int n) {
    if (op != SOP_floordiv && op != SOP_mod) return false;
    int64_t d = b[0].i;
    for (int i = 0; i < n; i++)
        if (b[i].i != d || a[i].i < 0) return false;
    if (d <= 0) return false;
    if (op == SOP_mod) EACH(.i = a[i].i % d);
    EACH(.i = a[i].i / d);
}

static bool run_fast(const Code *c, ScalarValue *r, const ScalarValue *const *v, int n) {
    const ScalarValue *a = v[0], *b = v[1];
    if (c->op == SOP_select) EACH(.u = (a[i].i ? b[i] : v[2][i]).u);
    if (c->type == DT_F32 && scalar_info[c->op].rule != SR_CAST)
        return run_f32(c->op, r, a, b, v[2], n);
    if (c->type == DT_INDEX || c->type == DT_I64)
        return run_index(c->op, r, a, b, n) || run_divide(c->op, r, a, b, n);
    return c->type == DT_BOOL && run_bool(c->op, r, a, b, n);
}

static void run_op(const Code *c, Column *regs, int n) {
    const ScalarValue *v[3];
    for (int k = 0; k < 3; k++) v[k] = regs[c->arg[k < c->n ? k : 0]];
    if (run_fast(c, regs[c->to], v, n)) return;
    for (int i = 0; i < n; i++) {
        ScalarValue args[3] = {v[0][i], v[1][i], v[2][i]};
        regs[c->to][i] = scalar_eval(c->op, c->type, c->result, args);
    }
}

static void run_linear(const Code *c, Column *regs, int n) {
    ScalarValue *r = regs[c->to];
    for (int i = 0; i < n; i++) r[i].i = c->value.i;
    for (int k = 0; k < c->n; k++) {
        const ScalarValue *a = regs[c->arg[k]];
        uint64_t f = (uint64_t)c->factor[k];
        for (int i = 0; i < n; i++) r[i].u += f * a[i].u;
    }
}

/* ---- memory ---- */

static bool report_outside(Columns *p, const Code *c, Column *regs, int lane) {
    Str at = str_new(p->in->scratch);
    for (int d = 0; d < c->n; d++)
        str_fmt(&at, d ? ", %lld" : "%lld", (long long)regs[c->arg[d]][lane].i);
    return interp_fail(p->in, "subscript [%s] is outside of %s", str_c(&at),
                       c->buffer->tensor->name);
}

/* Row-major offsets of n lanes; false where a lane that counts is outside. */
static bool offsets(Columns *p, const Code *c, Column *regs, int n, int64_t *offset) {
    const ScalarValue *mask = c->mask < 0 ? NULL : regs[c->mask];
    for (int i = 0; i < n; i++) offset[i] = 0;
    for (int d = 0; d < c->n; d++) {
        const ScalarValue *at = regs[c->arg[d]];
        int64_t dim = c->buffer->dims[d];
        int outside = -1;
        for (int i = 0; i < n; i++) {
            offset[i] = (int64_t)((uint64_t)offset[i] * (uint64_t)dim + at[i].u);
            if (at[i].u >= (uint64_t)dim && (!mask || mask[i].i)) outside = i;
        }
        if (outside >= 0) return report_outside(p, c, regs, outside);
    }
    return true;
}

/* Constants lie in the model's file, at any address. */
#define GATHER(T, field)                                                                           \
    do {                                                                                           \
        for (int i = 0; i < n; i++) {                                                              \
            T v = 0;                                                                               \
            if (!mask || mask[i].i) memcpy(&v, from + (size_t)offset[i] * sizeof v, sizeof v);     \
            r[i].field = v;                                                                        \
        }                                                                                          \
        return;                                                                                    \
    } while (0)

static void gather(const Code *c, const int64_t *offset, const ScalarValue *mask, ScalarValue *r,
                   int n) {
    size_t bytes = dtype_bytes(c->type);
    const char *from = c->buffer->data;
    if (c->type == DT_F32) GATHER(float, f);
    if (c->type == DT_F64) GATHER(double, d);
    if (c->type == DT_I64) GATHER(int64_t, i);
    for (int i = 0; i < n; i++) {
        bool counts = !mask || mask[i].i;
        r[i] = counts ? scalar_load(c->type, from + (size_t)offset[i] * bytes) : (ScalarValue){0};
    }
}

static bool run_load(Columns *p, const Code *c, Column *regs, int n) {
    int64_t offset[LANES];
    if (!offsets(p, c, regs, n, offset)) return false;
    ScalarValue *r = regs[c->to];
    if (c->type == DT_NONE)
        for (int i = 0; i < n; i++) r[i].i = offset[i];
    else gather(c, offset, c->mask < 0 ? NULL : regs[c->mask], r, n);
    return true;
}

static void run_bound(Columns *p, const Code *c, Column *regs, int n) {
    const ScalarValue *e = regs[c->arg[0]], *limit = regs[c->arg[1]];
    for (int i = 0; i < n; i++) {
        int64_t last = limit[i].i - 1, v = e[i].i < 0 ? 0 : e[i].i > last ? last : e[i].i;
        if (v != e[i].i && (c->mask < 0 || regs[c->mask][i].i)) p->in->fault = true;
        regs[c->to][i].i = v;
    }
}

bool code_run(Columns *p, Column *regs, int n) {
    for (int k = 0; k < p->code.n; k++) {
        const Code *c = &p->code.at[k];
        switch (c->kind) {
        case CODE_CONST: /* written once, by the first run on all lanes */
        case CODE_VAR:
            break;
        case CODE_OP:
            run_op(c, regs, n);
            break;
        case CODE_LINEAR:
            run_linear(c, regs, n);
            break;
        case CODE_BOUND:
            run_bound(p, c, regs, n);
            break;
        case CODE_LOAD:
            if (!run_load(p, c, regs, n)) return false;
        }
    }
    return true;
}
