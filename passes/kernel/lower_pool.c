/* pool: a reduction over a window; averages divide by the number of elements inside. */
#include "passes/kernel/lower.h"

typedef struct Pool {
    int spatial;
    Var *dom[MAX_RANK], *red[MAX_RANK];
    int n_red;
    Expr *inside; /* what must hold for the position to be read */
} Pool;

static const char *const at_names[] = {"d", "h", "w"}, *const tap_names[] = {"q", "r", "s"};

static Expr *pool_input(Lower *l, Pool *k, Expr *outside) {
    Ctx *c = l->ctx;
    const Node *n = l->node;
    const Type *x = &n->in[0]->type;
    Expr *index[MAX_RANK] = {k->dom[0]->self, k->dom[1]->self};
    k->inside = expr_const_int(c, DT_BOOL, 1);
    for (int i = 0; i < k->spatial; i++) {
        int64_t size = lower_item(n, "kernel", i, 1);
        int name = k->spatial > 3 ? MIN(i, 2) : i + 3 - MAX(k->spatial, 2);
        Expr *tap = expr_int(c, 0);
        if (size != 1) {
            k->red[k->n_red] = lower_var(l, tap_names[name], expr_int(c, size));
            tap = k->red[k->n_red++]->self;
        }
        Expr *p = expr_muli(c, k->dom[2 + i]->self, lower_item(n, "strides", i, 1));
        p = expr_add(c, p, expr_muli(c, tap, lower_item(n, "dilations", i, 1)));
        index[2 + i] = expr_addi(c, p, -lower_item(n, "pads", i, 0));
        k->inside = expr_and(c, k->inside, expr_in_range(c, index[2 + i], x->dims[2 + i]));
    }
    return expr_guard(c, k->inside, lower_load(l, n->in[0], index), outside);
}

static void pool_dom(Lower *l, Pool *k, const Tensor *out) {
    k->spatial = out->rank - 2;
    k->dom[0] = lower_var(l, "n", out->dims[0]);
    k->dom[1] = lower_var(l, "c", out->dims[1]);
    for (int i = 0; i < k->spatial; i++) {
        int name = k->spatial > 3 ? MIN(i, 2) : i + 3 - MAX(k->spatial, 2);
        k->dom[2 + i] = lower_var(l, at_names[name], out->dims[2 + i]);
    }
}

/* How many of the window's positions along one axis lie in 0..size-1, the first being `start`. */
static Expr *taps_inside(Lower *l, int axis, Expr *start, Expr *size) {
    Ctx *c = l->ctx;
    Expr *zero = expr_int(c, 0), *kernel = expr_int(c, lower_item(l->node, "kernel", axis, 1));
    Expr *dilation = expr_int(c, lower_item(l->node, "dilations", axis, 1));
    Expr *end = expr_min(c, kernel, expr_ceildiv(c, expr_sub(c, size, start), dilation));
    Expr *first = expr_max(c, zero, expr_ceildiv(c, expr_sub(c, zero, start), dilation));
    return expr_max(c, zero, expr_sub(c, end, first));
}

/* The number of elements inside the window as a number of type t; padded: the frame counts as
 * inside. */
static Expr *window_count(Lower *l, const Pool *k, DType t, bool padded) {
    Ctx *c = l->ctx;
    const Node *n = l->node;
    Expr *count = NULL;
    int64_t fixed = 1, taps;
    for (int i = 0; i < k->spatial; i++) {
        int64_t lo = lower_item(n, "pads", i, 0), hi = lower_item(n, "pads", k->spatial + i, 0);
        Expr *start = expr_muli(c, k->dom[2 + i]->self, lower_item(n, "strides", i, 1));
        Expr *size = n->in[0]->type.dims[2 + i];
        if (padded) size = expr_addi(c, size, lo + hi);
        else start = expr_addi(c, start, -lo);
        Expr *inside = taps_inside(l, i, start, size);
        if (expr_is_int(inside, &taps)) fixed *= taps;
        else
            count = count ? expr_op2(c, SOP_mul, count, expr_cast(c, t, inside))
                          : expr_cast(c, t, inside);
    }
    if (count && fixed == 1) return count;
    Expr *number = lower_number(l, t, (double)fixed);
    return count ? expr_op2(c, SOP_mul, count, number) : number;
}

static Expr *finish_pool(Lower *l, const Pool *k, const char *kind, Expr *sum) {
    if (!strcmp(kind, "l2")) return expr_op1(l->ctx, SOP_sqrt, sum);
    if (strncmp(kind, "avg", 3)) return sum;
    return expr_op2(l->ctx, SOP_div, sum, window_count(l, k, sum->type, !strcmp(kind, "avg_pad")));
}

bool lower_op_pool(Lower *l) {
    const char *kind = node_str(l->node, "kind", "");
    Tensor *out = lower_out(l, 0);
    Pool k = {0};
    lower_kernel(l, "pool");
    pool_dom(l, &k, out);
    if (!strcmp(kind, "max")) {
        Expr *value = pool_input(l, &k, reduce_identity(l->ctx, RED_MAX, out->dtype));
        lower_reduce(l, RED_MAX, out, k.dom, out->rank, k.red, k.n_red, value);
        return true;
    }
    Expr *value = lower_acc(l, pool_input(l, &k, lower_number(l, out->dtype, 0)));
    if (!strcmp(kind, "l2")) value = expr_op2(l->ctx, SOP_mul, value, value);
    if (!strcmp(kind, "sum") && value->type == out->dtype) {
        lower_reduce(l, RED_SUM, out, k.dom, out->rank, k.red, k.n_red, value);
        return true;
    }
    Tensor *sum = lower_temp(l, "sum", value->type, k.dom, out->rank);
    lower_reduce(l, RED_SUM, sum, k.dom, out->rank, k.red, k.n_red, value);
    lower_map(l, out, k.dom, out->rank,
              finish_pool(l, &k, kind, lower_at(l, sum, k.dom, out->rank)));
    return true;
}
