/* GPUs: constants of a product with few rows that lie along another axis than the reduction are
 * stored along it. */
#include "passes/kernel/schedule.h"

typedef struct Turn {
    Program *program;
    Var *v;
} Turn;

/* v itself, or v / 32 of a scale that 32 neighbours share; from where a part of them begins */
static bool runs_along(const Expr *e, const Var *v) {
    bool part = e->kind == E_OP && e->op == SOP_floordiv && e->arg[1]->kind == E_INT;
    int uses = 0;
    if (e->kind != E_SUM) return e == v->self || (part && runs_along(e->arg[0], v));
    for (int i = 0; i < e->n; i++)
        if (expr_uses_var(e->arg[i], v)) uses += runs_along(e->arg[i], v) ? 1 : 2;
    return uses == 1;
}

static bool is_across(const Expr *load, const Var *v, int *dim) {
    const Tensor *t = load->tensor;
    int uses = 0;
    if (t->space != SP_CONST || t->layout || t->rank < 2) return false;
    for (int i = 0; i < t->rank; i++) {
        if (!expr_uses_var(load->arg[i], v)) continue;
        uses++;
        *dim = runs_along(load->arg[i], v) ? i : -1;
    }
    return uses == 1 && *dim >= 0 && *dim + 1 < t->rank;
}

/* The constant with that axis last. */
static Tensor *turned(Program *p, const Tensor *t, int dim) {
    Ctx *c = p->ctx;
    Tensor *copy = NEW(c->perm, Tensor);
    int perm[MAX_RANK], n = 0;
    *copy = *t;
    copy->name = program_name(p, arena_printf(c->perm, "%s.rows", t->name));
    for (int i = 0; i < t->rank; i++)
        if (i != dim) perm[n++] = i;
    perm[n] = dim;
    copy->layout = layout_perm(c, perm, t->rank);
    vec_push(c->perm, &p->consts, copy);
    return copy;
}

static Expr *turn_load(void *user, Expr *e) {
    Turn *t = user;
    int dim = -1;
    if (e->kind != E_LOAD || !is_across(e, t->v, &dim)) return e;
    Tensor *known = NULL;
    for (int i = 0; i < t->program->consts.n; i++) {
        Tensor *k = t->program->consts.at[i];
        bool same = k->data == e->tensor->data && k->layout && k->packed == e->tensor->packed;
        if (same && k->layout->n == k->rank && k->layout->at[k->rank - 1].dim == dim &&
            !k->layout->at[k->rank - 1].mod)
            known = k;
    }
    if (!known) known = turned(t->program, e->tensor, dim);
    return expr_load(t->program->ctx, known, e->arg, e->n);
}

/* Weights of a product with few rows are stored along the reduction. */
void gpu_rows_turn(Program *p, Stmt *s) {
    bool product = s->kind == ST_REDUCE && s->op == RED_SUM && s->value->kind == E_OP &&
                   s->value->op == SOP_mul;
    Turn t = {p, s->n_red == 1 ? s->red[0] : NULL};
    if (product && t.v) s->value = expr_rewrite(p->ctx, s->value, turn_load, &t);
}
