/* Copies of constants that are stored in the order of the copy (stage ... bulk): a round's part of
 * the factor is one piece of memory, which the threads of the block send together.
 *
 *   bulk %s.b[(k.0 % 4)*4096] = %w[k.0*4096 + ...] by 4096 at k.0 % 4 of 4
 *
 * What such a constant lacks of a whole tile it is padded with: no element is guarded. */
#include "passes/kernel/apply.h"

static Expr *load_of(Apply *a, Expr *e) {
    while (e->kind == E_OP && e->op == SOP_cast) e = e->arg[0];
    if (e->kind != E_LOAD || e->tensor->space != SP_CONST)
        BUG("kernel %s: a copy in bulk of no constant", a->kernel->name);
    return e;
}

static Expr *without(Apply *a, Expr *e, Var *const *vars, int n) {
    for (int i = 0; i < n; i++) e = expr_subst1(a->ctx, e, vars[i], expr_int(a->ctx, 0));
    return e;
}

static Expr *number_of(Apply *a, const StageBox *box, Expr *round) {
    return expr_mod(a->ctx, round, expr_int(a->ctx, apply_stage_copies(box->stage)));
}

void apply_bulk(Apply *a, const StageBox *box, Expr *round, LBody *body) {
    Ctx *c = a->ctx;
    const Stage *g = box->stage;
    Var *fresh[MAX_RANK], *loop = var_new(c, box->loop->var->name, box->loop->var->extent);
    int n = a->bound.n, n_guarded = a->guarded.n;
    apply_bind(a, box->loop->var, loop->self);
    for (int i = 0; i < g->n_region; i++) {
        fresh[i] = var_new(c, g->region[i]->name, g->region[i]->extent);
        apply_bind(a, g->region[i], fresh[i]->self);
    }
    a->guarded.n = 0;
    Stmt part = apply_stage_part(a, g);
    Expr *load = load_of(a, apply_loads(a, &part, part.value, false));
    Expr *to = apply_stage_offset(a, box), *from = load->arg[0];
    a->bound.n = n, a->guarded.n = n_guarded;
    Expr *apart = expr_sub(c, from, to);
    if (without(a, apart, fresh, g->n_region) != apart)
        BUG("kernel %s: %%%s is not stored in the order of its copy", a->kernel->name,
            load->tensor->name);
    LStmt *l = lstmt_new(c, L_BULK);
    lleaf_operands(c, l);
    l->tensor = box->buffer, l->args[0] = load->tensor;
    l->index = expr_subst1(c, without(a, to, fresh, g->n_region), loop, round);
    l->iargs[0] = expr_subst1(c, without(a, from, fresh, g->n_region), loop, round);
    l->iargs[1] = number_of(a, box, round);
    l->hi = tensor_elements(c, g->copy);
    l->width = apply_stage_copies(g);
    lbody_add(c, body, l);
}

void apply_bulk_wait(Apply *a, const StageBox *box, LBody *body) {
    LStmt *l = lstmt_new(a->ctx, L_BULK_WAIT);
    l->lo = number_of(a, box, apply_value(a, box->loop->var));
    l->width = apply_stage_copies(box->stage);
    lbody_add(a->ctx, body, l);
}
