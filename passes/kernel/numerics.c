/* Gives every reduction its numeric recipe: how partial results are kept and joined. It reads the
 * dimensions of the kernel alone, so the same model gives the same bits for any number of threads
 * and any slicing; the schedule must do exactly what the recipe says.
 *
 *   sums of products   by T                   one chain, a fused multiply-add for each element
 *   other sums         by T lanes 32          where the innermost variable runs over neighbours in
 *                                             memory and is long: as accurate, and fit for vectors
 *   all others         by T                   one chain
 *
 * Requires: fusion and layouts are done. Keeps: everything but recipes and the order of reduction
 * variables (the one that runs over neighbours comes last). */
#include "passes/passes.h"

enum { LANE_BYTES = 128, LONG = 64 };

/* ---- is a variable the fast one of an access? ---- */

typedef struct Access {
    Ctx *ctx;
    Var *var;
    int near, far; /* loads in which it moves by one element, or by more */
} Access;

static bool moves_by_one(Ctx *c, const Expr *load, Var *v) {
    Expr *coef, *rest;
    const Tensor *t = load->tensor;
    if (t->space == SP_TEMP) return t->rank && load->arg[t->rank - 1] == v->self;
    Expr *offset = tensor_offset(c, t, load->arg);
    return expr_linear_in(c, offset, v, &coef, &rest) && expr_is(coef, 1);
}

static void note_load(void *user, const Expr *e) {
    Access *a = user;
    bool uses = false;
    if (e->kind != E_LOAD) return;
    for (int i = 0; i < e->n; i++) uses |= expr_uses_var(e->arg[i], a->var);
    if (!uses) return;
    if (moves_by_one(a->ctx, e, a->var)) a->near++;
    else a->far++;
}

static bool is_fast(Ctx *c, const Stmt *s, Var *v) {
    Access a = {.ctx = c, .var = v};
    expr_visit(s->value, note_load, &a);
    return a.near > 0 && a.far == 0;
}

static bool is_long(const Var *v) {
    int64_t n;
    return !expr_is_int(v->extent, &n) || n >= LONG;
}

/* ---- recipes ---- */

/* A product of two different things, as in contractions; a square is not one. */
static bool is_product(const Expr *e) {
    return e->kind == E_OP && e->op == SOP_mul && e->arg[0] != e->arg[1];
}

/* The reduction variable that runs over neighbours comes last; false where none does. */
static bool bring_fast_last(Ctx *c, Stmt *s) {
    for (int i = s->n_red; i-- > 0;) {
        Var *v = s->red[i];
        if (!is_long(v) || !is_fast(c, s, v)) continue;
        for (; i + 1 < s->n_red; i++) s->red[i] = s->red[i + 1];
        s->red[i] = v;
        return true;
    }
    return false;
}

static bool set_recipe(Ctx *c, Stmt *s) {
    if (s->kind != ST_REDUCE || s->recipe.acc != DT_NONE) return false;
    DType t = s->value->type;
    bool joins = s->op == RED_SUM || s->op == RED_PROD;
    s->recipe.acc = t;
    if (joins && !is_product(s->value) && bring_fast_last(c, s))
        s->recipe.lanes = LANE_BYTES / (int)dtype_bytes(t);
    return true;
}

typedef struct Numerics {
    Ctx *ctx;
    bool changed;
} Numerics;

static void visit(void *user, Block *b, Item *it) {
    (void)b;
    Numerics *n = user;
    if (it->kind != ITEM_KERNEL) return;
    Kernel *k = it->kernel;
    for (int i = 0; i < k->stmts.n; i++) n->changed |= set_recipe(n->ctx, k->stmts.at[i]);
}

PASS(numerics, KERNELS, "how every reduction accumulates")
bool pass_numerics(Program *p, const Options *options) {
    (void)options;
    Numerics n = {.ctx = p->ctx};
    program_each_item(p, visit, &n);
    return n.changed;
}
