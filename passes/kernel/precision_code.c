/* Expressions under --precision: float arithmetic in f32, whatever type the model gave it. What
 * decides something (a comparison, a conversion to an integer, a subscript) keeps its types. */
#include "passes/kernel/precision.h"

/* ---- exact ---- */

static Expr *follow_load(void *user, Expr *e) {
    Precision *y = user;
    if (e->kind != E_LOAD) return e;
    DType *was = map_get_int(y->was, (uint64_t)(uintptr_t)e->tensor);
    if (!was) return e;
    return expr_cast(y->ctx, *was, expr_load(y->ctx, e->tensor, e->arg, e->n));
}

Expr *precision_exact(Precision *y, Expr *e) {
    return expr_rewrite(y->ctx, e, follow_load, y);
}

/* ---- in f32 ---- */

typedef struct Arith {
    Precision *y;
    Map *known; /* by expression: its rewritten form */
} Arith;

static Expr *arith(Arith *a, Expr *e);

static Expr *to_f32(Ctx *c, Expr *e) {
    return precision_is_float(e->type) ? expr_cast(c, DT_F32, e) : e;
}

static Expr *load(Arith *a, Expr *e) {
    Expr *at[MAX_RANK];
    for (int i = 0; i < e->n; i++) at[i] = precision_exact(a->y, e->arg[i]);
    return to_f32(a->y->ctx, expr_load(a->y->ctx, e->tensor, at, e->n));
}

/* Wider types do not change a decision for the worse: f16 and bf16 become f32. */
static bool stays_exact(const Arith *a, const Expr *e) {
    bool widens = e->arg[0]->type == DT_F16 || e->arg[0]->type == DT_BF16;
    return e->op == SOP_bits || (precision_decides(e) && !(a->y->to == DT_F32 && widens));
}

static Expr *operation(Arith *a, Expr *e) {
    Ctx *c = a->y->ctx;
    Expr *arg[3];
    if (stays_exact(a, e)) return to_f32(c, precision_exact(a->y, e));
    for (int i = 0; i < e->n; i++) arg[i] = arith(a, e->arg[i]);
    if (e->op == SOP_cast)
        return expr_cast(c, precision_is_float(e->type) ? DT_F32 : e->type, arg[0]);
    return expr_op(c, e->op, arg);
}

static Expr *fresh(Arith *a, Expr *e) {
    Ctx *c = a->y->ctx;
    switch (e->kind) {
    case E_FLT:
        return precision_is_float(e->type) ? expr_const_flt(c, DT_F32, e->f) : e;
    case E_LOAD:
        return load(a, e);
    case E_GUARD:
        return expr_guard(c, precision_exact(a->y, e->arg[0]), arith(a, e->arg[1]),
                          arith(a, e->arg[2]));
    case E_OP:
        return operation(a, e);
    default:
        return precision_exact(a->y, e);
    }
}

static Expr *arith(Arith *a, Expr *e) {
    Expr *known = map_get_int(a->known, (uint64_t)(uintptr_t)e);
    if (known) return known;
    known = fresh(a, e);
    map_set_int(a->known, (uint64_t)(uintptr_t)e, known);
    return known;
}

Expr *precision_value(Precision *y, Expr *e) {
    Arith a = {y, map_new(y->ctx->perm)};
    return arith(&a, e);
}
