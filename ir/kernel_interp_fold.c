/* How a reduction or a scan comes to its result: partial results of lanes and blocks, best
 * elements, sums of products with one rounding. */
#include "ir/kernel_interp.h"

#include <math.h>

ScalarValue fold_join(const Fold *f, ScalarValue a, ScalarValue b) {
    ScalarValue args[2] = {a, b};
    if (f->type == DT_F32 && f->op == SOP_add) return (ScalarValue){.f = a.f + b.f};
    return scalar_eval(f->op, f->type, f->type, args);
}

static ScalarOp fold_op(Reduce op) {
    static const ScalarOp ops[] = {SOP_add, SOP_mul, SOP_max, SOP_min,
                                   SOP_max, SOP_min, SOP_or,  SOP_and};
    return op == RED_SET ? SOP_add : ops[op];
}

void fold_open(Interp *in, const Stmt *s, Fold *f) {
    DType out = s->out ? s->out->dtype : s->value->type;
    f->stmt = s;
    f->type = s->recipe.acc != DT_NONE ? s->recipe.acc
              : s->kind == ST_REDUCE   ? s->value->type
                                       : out;
    f->op = fold_op(s->op);
    f->identity = scalar_of_expr(reduce_identity(in->ctx, s->op, f->type));
    f->lanes = MAX(s->recipe.lanes, 1);
    f->part = NEW_ARRAY(in->scratch, ScalarValue, f->lanes);
}

void fold_reset(Fold *f) {
    for (int i = 0; i < f->lanes; i++) f->part[i] = f->identity;
    f->total = f->identity;
    f->any = false;
    f->best = 0;
}

/* The partial results as a balanced tree: the upper half is added to the lower until one is
 * left. */
ScalarValue fold_tree(Fold *f) {
    int n = f->lanes;
    while (n > 1) {
        int half = (n + 1) / 2;
        for (int i = 0; i + half < n; i++) f->part[i] = fold_join(f, f->part[i], f->part[i + half]);
        n = half;
    }
    return f->part[0];
}

void fold_block(Fold *f) {
    f->total = fold_join(f, f->total, fold_tree(f));
    for (int i = 0; i < f->lanes; i++) f->part[i] = f->identity;
}

/* NaN is better than anything else, in both directions. */
static bool is_better(const Fold *f, ScalarValue v) {
    ScalarValue args[2] = {v, f->total};
    bool max = f->stmt->op == RED_ARGMAX, fresh = false, old = false;
    ScalarOp better = f->stmt->last ? (max ? SOP_ge : SOP_le) : max ? SOP_gt : SOP_lt;
    if (dtype_is_float(f->type)) {
        fresh = scalar_eval(SOP_isnan, f->type, DT_BOOL, &args[0]).i;
        old = scalar_eval(SOP_isnan, f->type, DT_BOOL, &args[1]).i;
    }
    if (fresh || old) return fresh && (!old || f->stmt->last);
    return scalar_eval(better, f->type, DT_BOOL, args).i;
}

void fold_best(Fold *f, ScalarValue v, int64_t position) {
    if (f->any && !is_better(f, v)) return;
    f->any = true;
    f->total = v;
    f->best = position;
}

ScalarValue fold_product(const Fold *f, ScalarValue x, ScalarValue y, ScalarValue sum) {
    ScalarValue args[3] = {x, y, sum};
    if (f->type == DT_F32) return (ScalarValue){.f = fmaf(x.f, y.f, sum.f)};
    return scalar_eval(SOP_fma, f->type, f->type, args);
}
