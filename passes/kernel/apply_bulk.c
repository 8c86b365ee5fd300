/* Copies of constants that are stored in the order of the copy (stage ... bulk): a round's part of
 * the factor is one piece of memory, which the threads of the block send together.
 *
 *   bulk %s.b[(k.0 % 4)*4096] = %w[k.0*4096 + ...] by 4096 at k.0 % 4 of 4
 *
 * What such a constant lacks of a whole tile it is padded with: no element is guarded. */
#include "passes/kernel/apply.h"

static Expr *load_of(Apply *a, Expr *e) {
    e = expr_unconverted(e);
    if (e->kind != E_LOAD || e->tensor->space != SP_CONST)
        BUG("kernel %s: a copy in bulk of no constant", a->kernel->name);
    return e;
}

static Expr *without(Apply *a, Expr *e, Var *const *vars, int n) {
    for (int i = 0; i < n; i++) e = expr_subst1(a->ctx, e, vars[i], expr_int(a->ctx, 0));
    return e;
}

/* Copies of a round that have the same number. */
static int copies_of(Apply *a, const Nest *loop) {
    ApplyMap m;
    int n = 0;
    for (int i = 0; i < a->stages.n; i++) {
        const StageBox *b = &a->stages.at[i];
        if (b->loop != loop) continue;
        n += b->stage->bulk;
        if (b->stage->box && apply_find_map(a, b->stage, b->buffer->dtype, &m)) n += m.boxes;
    }
    return n;
}

void apply_bulk_number(Apply *a, const StageBox *box, Expr *round, LStmt *l) {
    l->width = apply_stage_copies(box->stage), l->each = copies_of(a, box->loop);
    l->iargs[1] = expr_mod(a->ctx, round, expr_int(a->ctx, l->width));
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
    Stmt part = apply_stage_part(a, g, g->copy->dtype);
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
    l->hi = tensor_elements(c, g->copy);
    apply_bulk_number(a, box, round, l);
    lbody_add(c, body, l);
}

void apply_bulk_wait(Apply *a, const Nest *loop, LBody *body) {
    LStmt *l = lstmt_new(a->ctx, L_BULK_WAIT);
    l->each = copies_of(a, loop);
    for (int i = 0; i < a->stages.n; i++)
        if (a->stages.at[i].loop == loop) l->width = apply_stage_copies(a->stages.at[i].stage);
    l->lo = expr_mod(a->ctx, apply_value(a, loop->var), expr_int(a->ctx, l->width));
    if (l->each) lbody_add(a->ctx, body, l);
}
