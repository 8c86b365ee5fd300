/* Index expressions other than sums, products and divisions: min, max, select, bound, and the other
 * scalar operations on operands of type index. */
#include "ir/expr_internal.h"
#include "ir/scalar_eval.h"

enum { MAX_OPERANDS = 8 }; /* longer chains of min or max are not compared pairwise */

/* ---- min and max ---- */

/* Is it sure that `op` never takes b where it can take a? */
static bool dominates(Ctx *ctx, ScalarOp op, Expr *a, Expr *b) {
    return expr_prove_ge0(ctx, op == SOP_min ? expr_sub(ctx, b, a) : expr_sub(ctx, a, b));
}

/* Stops counting beyond MAX_OPERANDS. */
static int count_operands(const Expr *e, ScalarOp op) {
    if (!is_op(e, op)) return 1;
    int n = count_operands(e->arg[0], op);
    return n > MAX_OPERANDS ? n : n + count_operands(e->arg[1], op);
}

static void operands(Expr *e, ScalarOp op, Expr **list, int *n) {
    if (is_op(e, op)) {
        operands(e->arg[0], op, list, n);
        operands(e->arg[1], op, list, n);
    } else {
        list[(*n)++] = e;
    }
}

/* Adds x, in order, unless another operand makes it superfluous; drops those that x does so to. */
static void add_operand(Ctx *ctx, ScalarOp op, Expr **list, int *n, Expr *x) {
    int kept = 0;
    for (int i = 0; i < *n; i++)
        if (dominates(ctx, op, list[i], x)) return;
    for (int i = 0; i < *n; i++)
        if (!dominates(ctx, op, x, list[i])) list[kept++] = list[i];
    int at = kept++;
    for (; at > 0 && expr_cmp(list[at - 1], x) > 0; at--) list[at] = list[at - 1];
    list[at] = x;
    *n = kept;
}

static Expr *min_max(Ctx *ctx, ScalarOp op, Expr *a, Expr *b) {
    Expr *all[MAX_OPERANDS], *kept[MAX_OPERANDS] = {NULL}, *done;
    int n_all = 0, n = 0;
    CHECK(a->type == DT_INDEX && b->type == DT_INDEX);
    if (a == b) return a;
    if (expr_op_cached(ctx, op, a, b, &done)) return done;
    if (count_operands(a, op) + count_operands(b, op) > MAX_OPERANDS) {
        bool swap = expr_cmp(a, b) > 0;
        return expr_raw(ctx, op, DT_INDEX, (Expr *[]){swap ? b : a, swap ? a : b}, 2);
    }
    operands(a, op, all, &n_all);
    operands(b, op, all, &n_all);
    for (int i = 0; i < n_all; i++) add_operand(ctx, op, kept, &n, all[i]);
    done = kept[0];
    for (int i = 1; i < n; i++)
        done = expr_raw(ctx, op, DT_INDEX, (Expr *[]){done, kept[i]}, 2);
    return expr_op_remember(ctx, op, a, b, done);
}

Expr *expr_min(Ctx *ctx, Expr *a, Expr *b) {
    return min_max(ctx, SOP_min, a, b);
}

Expr *expr_max(Ctx *ctx, Expr *a, Expr *b) {
    return min_max(ctx, SOP_max, a, b);
}

/* ---- bounds ---- */

Expr *expr_bound(Ctx *ctx, Expr *e, Expr *n) {
    CHECK(e->type == DT_INDEX && n->type == DT_INDEX);
    if (expr_prove_ge0(ctx, e) && expr_prove_lt(ctx, e, n)) return e;
    Expr *arg[] = {e, n};
    if (e->kind == E_BOUND && e->arg[1] == n) return e;
    Expr draft = {.kind = E_BOUND, .type = DT_INDEX, .n = 2, .arg = arg};
    return expr_intern(ctx, &draft);
}

Expr *expr_in_range(Ctx *ctx, Expr *e, Expr *n) {
    return expr_and(ctx, cond_ge0(ctx, e), cond_compare(ctx, SOP_lt, e, n));
}

Expr *expr_and(Ctx *ctx, Expr *a, Expr *b) {
    return cond_op(ctx, SOP_and, a, b);
}

/* ---- the other operations ---- */

static Expr *raw(Ctx *ctx, ScalarOp op, Expr *const *arg) {
    return expr_raw(ctx, op, DT_INDEX, arg, scalar_info[op].arity);
}

static Expr *fold(Ctx *ctx, ScalarOp op, Expr *const *arg) {
    ScalarValue v[3];
    for (int i = 0; i < scalar_info[op].arity; i++) {
        if (arg[i]->kind != E_INT) return NULL;
        v[i].i = arg[i]->i;
    }
    return expr_int(ctx, scalar_eval(op, DT_INDEX, DT_INDEX, v).i);
}

/* div and rem round towards zero: the same as floordiv and mod where nothing is negative. */
static Expr *truncating(Ctx *ctx, ScalarOp op, Expr *const *arg) {
    bool plain = expr_prove_ge0(ctx, arg[0]) && expr_prove_ge0(ctx, arg[1]);
    if (!plain) return raw(ctx, op, arg);
    return op == SOP_div ? expr_floordiv(ctx, arg[0], arg[1]) : expr_mod(ctx, arg[0], arg[1]);
}

static Expr *sign(Ctx *ctx, Expr *const *arg) {
    Range r = expr_range_of(ctx, arg[0]);
    if (r.lo > 0) return expr_int(ctx, 1);
    if (r.hi < 0) return expr_int(ctx, -1);
    return r.lo == 0 && r.hi == 0 ? arg[0] : raw(ctx, SOP_sign, arg);
}

static Expr *shift(Ctx *ctx, ScalarOp op, Expr *const *arg) {
    int64_t n;
    if (!expr_is_int(arg[1], &n) || n < 0 || n > 62) return raw(ctx, op, arg);
    Expr *power = expr_int(ctx, (int64_t)1 << n);
    return op == SOP_shl ? expr_mul(ctx, arg[0], power) : expr_floordiv(ctx, arg[0], power);
}

static Expr *select_index(Ctx *ctx, Expr *const *arg) {
    Expr *a = arg[1], *b = arg[2]; /* select(c, x + 1, x + 3): what is common stays outside */
    Expr *difference = expr_sub(ctx, a, b);
    if (!expr_is_int(difference, NULL) || expr_is(b, 0) || a->kind == E_INT)
        return raw(ctx, SOP_select, arg);
    Expr *choice = raw(ctx, SOP_select, (Expr *[]){arg[0], difference, expr_int(ctx, 0)});
    return expr_add(ctx, b, choice);
}

Expr *index_op(Ctx *ctx, ScalarOp op, Expr *const *arg) {
    if (scalar_info[op].rule == SR_CMP) return cond_compare(ctx, op, arg[0], arg[1]);
    Expr *folded = op == SOP_select ? NULL : fold(ctx, op, arg);
    if (folded) return folded;
    switch (op) {
    case SOP_add: return expr_add(ctx, arg[0], arg[1]);
    case SOP_sub: return expr_sub(ctx, arg[0], arg[1]);
    case SOP_mul: return expr_mul(ctx, arg[0], arg[1]);
    case SOP_floordiv: return expr_floordiv(ctx, arg[0], arg[1]);
    case SOP_mod: return expr_mod(ctx, arg[0], arg[1]);
    case SOP_min: case SOP_max: return min_max(ctx, op, arg[0], arg[1]);
    case SOP_neg: return expr_negate(ctx, arg[0]);
    case SOP_abs: return expr_max(ctx, arg[0], expr_negate(ctx, arg[0]));
    case SOP_div: case SOP_rem: return truncating(ctx, op, arg);
    case SOP_sign: return sign(ctx, arg);
    case SOP_shl: case SOP_shr: return shift(ctx, op, arg);
    case SOP_select: return select_index(ctx, arg);
    default: return raw(ctx, op, arg);
    }
}
