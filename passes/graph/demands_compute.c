/* What a compute demands: subscripts that count upwards stay inside of what they are used on.
 *
 *   %y[i<N] = %x[i, 2*i + 1]     ->     N <= M, 2*N <= K
 *
 * Loads in a select run as well; what stands in a guard may be left out, and other subscripts are
 * limited where they are made. */
#include "passes/graph/rdp.h"

typedef struct Walk {
    Rdp *r;
    Node *node;
} Walk;

/* One more than the largest value of a subscript; NULL: it is not of this kind. Where another
 * variable has no values, nothing is read. */
static Expr *end_of(const Walk *w, Expr *e) {
    Ctx *c = w->r->g->ctx;
    Expr *last = e;
    if (expr_has_load(e)) return NULL;
    for (int i = 0; i < w->node->out[0]->type.rank; i++) {
        Var *v = w->node->vars[i];
        Expr *coef, *rest;
        int64_t step;
        if (!expr_linear_in(c, last, v, &coef, &rest)) return NULL;
        if (!expr_is_int(coef, &step) || step < 0) return NULL;
        last = expr_subst1(c, last, v, expr_addi(c, v->extent, -1));
    }
    Expr *end = expr_addi(c, last, 1);
    for (int i = 0; i < w->node->out[0]->type.rank; i++) {
        Expr *n = w->node->vars[i]->extent, *zero = expr_int(c, 0);
        if (!expr_uses_var(e, w->node->vars[i]) && !expr_prove_ge0(c, expr_addi(c, n, -1)))
            end = expr_op3(c, SOP_select, expr_op2(c, SOP_eq, n, zero), zero, end);
    }
    return end;
}

static void look_at_load(void *user, const Expr *e) {
    const Walk *w = user;
    for (int i = 0; e->kind == E_LOAD && i < e->n; i++) {
        Expr *end = end_of(w, e->arg[i]);
        if (end) w->r->demand(w->r, w->node, end, e->tensor->dims[i], FIT_AT_MOST);
    }
}

void demands_of_compute(Rdp *r, Node *n) {
    Walk w = {r, n};
    expr_visit_unguarded(n->body, look_at_load, &w);
}
