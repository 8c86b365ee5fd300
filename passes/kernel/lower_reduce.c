/* Reductions and what is made of them: reduce, softmax, norm, cumulate.
 *
 *   mean      s = sum x; y = s / n
 *   softmax   m = max x; s = sum exp(x - m); y = exp(x - m) / s            log: x - m - log(s)
 *   norm      s = sum x; mu = s / n; v = sum (x - mu)^2; r = 1 / sqrt(v / n + eps);
 *             y = (x - mu) * r * scale + bias
 *
 * The variable of an axis is another one in every statement that runs over it. */
#include "passes/kernel/lower.h"

typedef struct Axes {
    int rank;
    bool reduced[MAX_RANK];
    Expr **dims;         /* of the input */
    Var *kept[MAX_RANK]; /* variables of the other axes, in order */
    int n_kept;
    Var *var[MAX_RANK]; /* by axis: those just made by axes_vars, or kept ones */
    Var *red[MAX_RANK];
    int n_red;
} Axes;

static void axes_open(Lower *l, Axes *a, Value *x, const int64_t *axes, int n) {
    static const char *const names[] = {"i", "j", "k", "l", "m", "p", "q", "u",
                                        "v", "x", "y", "z", "a", "b", "c", "d"};
    a->rank = x->type.rank;
    a->dims = x->type.dims;
    for (int i = 0; i < n; i++) a->reduced[axes[i]] = true;
    for (int i = 0; i < a->rank; i++)
        if (!a->reduced[i]) a->kept[a->n_kept++] = a->var[i] = lower_var(l, names[i], a->dims[i]);
}

/* Fresh variables for the reduced axes: in `var` and `red`. */
static void axes_vars(Lower *l, Axes *a) {
    static const char *const names[] = {"r", "s", "t", "w", "e", "f", "g", "h"};
    a->n_red = 0;
    for (int i = 0; i < a->rank; i++)
        if (a->reduced[i]) {
            a->var[i] = lower_var(l, names[a->n_red % LEN(names)], a->dims[i]);
            a->red[a->n_red++] = a->var[i];
        }
}

static Expr *axes_load(Lower *l, const Axes *a, Value *x) {
    Expr *index[MAX_RANK];
    lower_indices(a->var, a->rank, index);
    return lower_load(l, x, index);
}

/* How many elements are reduced, as a number of type t. */
static Expr *axes_count(Lower *l, const Axes *a, DType t) {
    Expr *count = expr_int(l->ctx, 1);
    int64_t n;
    for (int i = 0; i < a->rank; i++)
        if (a->reduced[i]) count = expr_mul(l->ctx, count, a->dims[i]);
    return expr_is_int(count, &n) ? lower_number(l, t, (double)n) : expr_cast(l->ctx, t, count);
}

/* A statement that reduces into a temp over the kept axes; returns the load of it. */
static Expr *reduce_temp(Lower *l, Axes *a, const char *role, Reduce op, Expr *value) {
    Tensor *t = lower_temp(l, role, value->type, a->kept, a->n_kept);
    lower_reduce(l, op, t, a->kept, a->n_kept, a->red, a->n_red, value);
    return lower_at(l, t, a->kept, a->n_kept);
}

static Expr *map_temp(Lower *l, Axes *a, const char *role, Expr *value) {
    Tensor *t = lower_temp(l, role, value->type, a->kept, a->n_kept);
    lower_map(l, t, a->kept, a->n_kept, value);
    return lower_at(l, t, a->kept, a->n_kept);
}

/* ---- reduce ---- */

static int reduce_by_name(const char *name) {
    for (int i = 0; i <= RED_ALL; i++)
        if (!strcmp(name, reduce_names[i])) return i;
    return RED_SUM; /* mean */
}

/* The variables of the result: those of the kept axes, and of axes of extent 1 where dims are
 * kept. */
static int result_vars(Lower *l, const Axes *a, bool keepdims, Var **dom) {
    int n = 0;
    for (int i = 0; i < a->rank; i++) {
        if (!a->reduced[i]) dom[n++] = a->var[i];
        else if (keepdims) dom[n++] = lower_var(l, "o", expr_int(l->ctx, 1));
    }
    return n;
}

static void lower_position(Lower *l, Axes *a, Reduce op, Var **dom, int n_dom, Expr *value) {
    Tensor *best = lower_temp(l, "best", value->type, dom, n_dom);
    Stmt *s = lower_reduce(l, op, best, dom, n_dom, a->red, a->n_red, value);
    s->out2 = lower_out(l, 0);
    s->last = node_int(l->node, "last", 0) != 0;
}

bool lower_op_reduce(Lower *l) {
    Node *n = l->node;
    const char *kind = node_str(n, "kind", "");
    const int64_t *list = NULL;
    int n_axes = node_ints(n, "axes", &list);
    Reduce op = (Reduce)reduce_by_name(kind);
    Tensor *out = lower_out(l, 0);
    Var *dom[MAX_RANK];
    Axes a = {0};
    lower_kernel(l, kind);
    axes_open(l, &a, n->in[0], list, n_axes);
    axes_vars(l, &a);
    int n_dom = result_vars(l, &a, node_int(n, "keepdims", 0) != 0, dom);
    Expr *value = axes_load(l, &a, n->in[0]);
    if (op == RED_ARGMAX || op == RED_ARGMIN) {
        lower_position(l, &a, op, dom, n_dom, value);
        return true;
    }
    bool mean = !strcmp(kind, "mean");
    if (op == RED_SUM || op == RED_PROD) value = lower_acc(l, value);
    if (!a.n_red) {
        lower_map(l, out, dom, n_dom, value);
    } else if (!mean && value->type == out->dtype) {
        lower_reduce(l, op, out, dom, n_dom, a.red, a.n_red, value);
    } else {
        Expr *sum = reduce_temp(l, &a, "sum", op, value);
        if (mean) sum = expr_op2(l->ctx, SOP_div, sum, axes_count(l, &a, sum->type));
        lower_map(l, out, dom, n_dom, sum);
    }
    return true;
}

/* ---- softmax ---- */

bool lower_op_softmax(Lower *l) {
    Ctx *c = l->ctx;
    Node *n = l->node;
    int64_t axis = node_int(n, "axis", 0);
    bool log = node_int(n, "log", 0) != 0;
    Tensor *out = lower_out(l, 0);
    Axes a = {0};
    lower_kernel(l, "softmax");
    axes_open(l, &a, n->in[0], &axis, 1);
    axes_vars(l, &a);
    Expr *max = reduce_temp(l, &a, "max", RED_MAX, lower_acc(l, axes_load(l, &a, n->in[0])));
    axes_vars(l, &a);
    Expr *shifted = expr_op2(c, SOP_sub, lower_acc(l, axes_load(l, &a, n->in[0])), max);
    Expr *sum = reduce_temp(l, &a, "sum", RED_SUM, expr_op1(c, SOP_exp, shifted));
    if (log) sum = map_temp(l, &a, "log", expr_op1(c, SOP_log, sum));
    axes_vars(l, &a);
    shifted = expr_op2(c, SOP_sub, lower_acc(l, axes_load(l, &a, n->in[0])), max);
    Expr *value = log ? expr_op2(c, SOP_sub, shifted, sum)
                      : expr_op2(c, SOP_div, expr_op1(c, SOP_exp, shifted), sum);
    lower_map(l, out, a.var, a.rank, value);
    return true;
}

/* ---- norm ---- */

static Expr *centred(Lower *l, Axes *a, Expr *mean) {
    Expr *x = lower_acc(l, axes_load(l, a, l->node->in[0]));
    return mean ? expr_op2(l->ctx, SOP_sub, x, mean) : x;
}

static Expr *affine(Lower *l, const Axes *a, Expr *value, Value *scale, Value *bias) {
    Expr *index[MAX_RANK];
    lower_indices(a->var, a->rank, index);
    if (scale)
        value =
            expr_op2(l->ctx, SOP_mul, value, lower_acc(l, lower_bcast(l, scale, index, a->rank)));
    if (bias)
        value =
            expr_op2(l->ctx, SOP_add, value, lower_acc(l, lower_bcast(l, bias, index, a->rank)));
    return value;
}

bool lower_op_norm(Lower *l) {
    Ctx *c = l->ctx;
    Node *n = l->node;
    const int64_t *list = NULL;
    int n_axes = node_ints(n, "axes", &list);
    Tensor *out = lower_out(l, 0);
    Axes a = {0};
    Expr *mean = NULL;
    lower_kernel(l, "norm");
    axes_open(l, &a, n->in[0], list, n_axes);
    DType t = lower_acc_type(out->dtype);
    Expr *count = axes_count(l, &a, t);
    if (node_int(n, "center", 1)) {
        axes_vars(l, &a);
        Expr *sum = reduce_temp(l, &a, "sum", RED_SUM, centred(l, &a, NULL));
        mean = map_temp(l, &a, "mean", expr_op2(c, SOP_div, sum, count));
    }
    axes_vars(l, &a);
    Expr *d = centred(l, &a, mean);
    Expr *squares = reduce_temp(l, &a, "squares", RED_SUM, expr_op2(c, SOP_mul, d, d));
    Expr *eps = lower_number(l, t, node_flt(n, "eps", 0));
    Expr *variance = expr_op2(c, SOP_add, expr_op2(c, SOP_div, squares, count), eps);
    Expr *r = map_temp(l, &a, "rstd", expr_op1(c, SOP_rcp, expr_op1(c, SOP_sqrt, variance)));
    axes_vars(l, &a);
    Expr *value = expr_op2(c, SOP_mul, centred(l, &a, mean), r);
    value = affine(l, &a, value, n->n_in > 1 ? n->in[1] : NULL, n->n_in > 2 ? n->in[2] : NULL);
    lower_map(l, out, a.var, a.rank, value);
    return true;
}

/* ---- cumulate ---- */

static Stmt *scan(Lower *l, Tensor *out, Var **vars, int rank, Expr *value) {
    const Node *n = l->node;
    Stmt *s = lower_map(l, out, vars, rank, value);
    s->kind = ST_SCAN;
    s->op = !strcmp(node_str(n, "kind", ""), "prod") ? RED_PROD : RED_SUM;
    s->axis = (int)node_int(n, "axis", 0);
    s->exclusive = node_int(n, "exclusive", 0) != 0;
    s->reverse = node_int(n, "reverse", 0) != 0;
    return s;
}

bool lower_op_cumulate(Lower *l) {
    Tensor *out = lower_out(l, 0);
    Var *vars[MAX_RANK];
    Expr *index[MAX_RANK];
    lower_kernel(l, "cumulate");
    lower_vars(l, out->dims, out->rank, vars);
    lower_indices(vars, out->rank, index);
    Expr *value = lower_acc(l, lower_load(l, l->node->in[0], index));
    if (value->type == out->dtype) {
        scan(l, out, vars, out->rank, value);
        return true;
    }
    Tensor *t = lower_temp(l, "sum", value->type, vars, out->rank);
    scan(l, t, vars, out->rank, value);
    lower_map(l, out, vars, out->rank, lower_at(l, t, vars, out->rank));
    return true;
}
