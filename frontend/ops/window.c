/* Windows over spatial axes (window.h). */
#include "frontend/ops/window.h"

Expr *window_reach(OnnxNode *n, const Window *w, int i) {
    Expr *size = w->late[i] ? w->late[i] : ix(n, w->kernel[i]);
    return expr_addi(n->ctx, expr_muli(n->ctx, expr_addi(n->ctx, size, -1), w->dilations[i]), 1);
}

static bool window_list(OnnxNode *n, const char *name, int rank, int64_t *out) {
    int count;
    if (!ints_arg(n, name, -1, out, MAX_RANK, &count)) return false;
    for (int i = 0; count < 0 && i < rank; i++) out[i] = 1;
    if (count >= 0 && count != rank)
        return bad(n, "attribute \"%s\" has %d elements, %d expected", name, count, rank);
    for (int i = 0; i < rank; i++)
        if (out[i] < 1 || out[i] > INT32_MAX)
            return bad(n, "attribute \"%s\" has an element of %lld", name, (long long)out[i]);
    return true;
}

/* SAME: the output is ceil(size / stride) long; the odd element of padding stands behind (UPPER) or
 * in front. */
static void same_pads(OnnxNode *n, Window *w, bool upper) {
    Ctx *ctx = n->ctx;
    for (int i = 0; i < w->rank; i++) {
        Expr *size = n->in[0]->type.dims[2 + i], *stride = ix(n, w->strides[i]);
        Expr *steps = expr_addi(ctx, expr_ceildiv(ctx, size, stride), -1);
        Expr *covered = expr_add(ctx, expr_mul(ctx, steps, stride), window_reach(n, w, i));
        Expr *total = at_least(n, expr_sub(ctx, covered, size), 0),
             *less = expr_floordiv(ctx, total, ix(n, 2));
        Expr *more = expr_sub(ctx, total, less);
        w->lo[i] = upper ? less : more;
        w->hi[i] = upper ? more : less;
    }
}

bool window_read(OnnxNode *n, Window *w) {
    int64_t pads[2 * MAX_RANK];
    int count;
    if (!window_list(n, "strides", w->rank, w->strides)) return false;
    if (!window_list(n, "dilations", w->rank, w->dilations)) return false;
    if (!ints_arg(n, "pads", -1, pads, 2 * MAX_RANK, &count)) return false;
    if (count >= 0 && count != 2 * w->rank)
        return bad(n, "attribute \"pads\" has %d elements, %d expected", count, 2 * w->rank);
    bool upper = attr_is(n, "auto_pad", "SAME_UPPER"), lower = attr_is(n, "auto_pad", "SAME_LOWER");
    bool none = count < 0 || attr_is(n, "auto_pad", "VALID");
    for (int i = 0; i < w->rank; i++) {
        int64_t reach;
        if (__builtin_mul_overflow(w->kernel[i] - 1, w->dilations[i], &reach) || reach > INT32_MAX)
            return bad(n, "kernel and dilations are too large");
        for (int k = 0; !none && k < 2; k++)
            if (pads[i + k * w->rank] < -INT32_MAX || pads[i + k * w->rank] > INT32_MAX)
                return bad(n, "pads are too large");
        w->lo[i] = ix(n, none ? 0 : pads[i]);
        w->hi[i] = ix(n, none ? 0 : pads[i + w->rank]);
    }
    if (upper || lower) same_pads(n, w, upper);
    return true;
}

bool window_known(const Window *w) {
    int64_t v;
    for (int i = 0; i < w->rank; i++)
        if (!expr_is_int(w->lo[i], &v) || v < 0 || !expr_is_int(w->hi[i], &v) || v < 0)
            return false;
    return true;
}

Value *window_pads(OnnxNode *n, Window *w, Value *x, double value, int64_t *pads) {
    Expr *lo[MAX_RANK], *hi[MAX_RANK];
    bool known = window_known(w);
    lo[0] = lo[1] = hi[0] = hi[1] = ix(n, 0);
    for (int i = 0; i < w->rank; i++) {
        lo[2 + i] = w->lo[i];
        hi[2 + i] = w->hi[i];
        if (!known) w->lo[i] = w->hi[i] = ix(n, 0);
        expr_is_int(w->lo[i], &pads[i]);
        expr_is_int(w->hi[i], &pads[w->rank + i]);
    }
    return known ? x : build_pad(n->g, x, lo, hi, "constant", value);
}

void window_attrs(OnnxNode *n, Node *node, const Window *w, const int64_t *pads) {
    node_set_ints(n->g, node, "strides", w->strides, w->rank);
    node_set_ints(n->g, node, "dilations", w->dilations, w->rank);
    node_set_ints(n->g, node, "pads", pads, 2 * w->rank);
}
