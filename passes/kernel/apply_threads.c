/* Statements among the threads of a block: whose loops they share, and how their results come
 * together. */
#include "passes/kernel/apply.h"

bool apply_has_threads(const Apply *a) {
    Nest *n = a->how->n_top == 1 ? a->how->top[0] : NULL;
    while (n && n->kind == NEST_LOOP && n->bind == BIND_THREAD && n->n_child == 1) n = n->child[0];
    return n && n->kind == NEST_LOOP && n->bind == BIND_BLOCK;
}

static bool leads_to(const Nest *n, const Stmt *s) {
    if (n->kind == NEST_STMT) return n->stmt == s;
    for (int i = 0; i < n->n_child; i++)
        if (leads_to(n->child[i], s)) return true;
    return false;
}

static bool is_part_of(Apply *a, Var *const *of, int n, Var *loop) {
    for (int i = 0; i < n; i++)
        if (apply_is_part(a, of[i], loop)) return true;
    return false;
}

typedef enum Role { SUMS, REPEATS } Role;

/* The block loops around s that share its sum, or that would repeat it, outermost first. */
static int block_loops(Apply *a, const Stmt *s, Role role, Var **out) {
    int n = 0, count = a->how->n_top;
    Nest **list = a->how->top;
    while (count) {
        Nest *next = NULL;
        for (int i = 0; i < count; i++)
            if (leads_to(list[i], s)) next = list[i];
        if (!next || next->kind != NEST_LOOP) break;
        bool red = s->kind == ST_REDUCE && is_part_of(a, s->red, s->n_red, next->var);
        bool dom = is_part_of(a, s->dom, s->n_dom, next->var);
        bool wanted = role == SUMS ? red : !red && !dom;
        if (next->bind == BIND_BLOCK && wanted) out[n++] = next->var;
        list = next->child;
        count = next->n_child;
    }
    return n;
}

bool apply_shares_sum(Apply *a, const Stmt *s) {
    Var *loops[MAX_RANK];
    return s->kind == ST_REDUCE && block_loops(a, s, SUMS, loops) > 0;
}

bool apply_combine(Apply *a, Stmt *s, Expr *offset, Expr *position, LBody *body) {
    Var *loops[MAX_RANK];
    int n = block_loops(a, s, SUMS, loops);
    for (int i = 0; i < n; i++) {
        LStmt *l = lstmt_new(a->ctx, L_COMBINE);
        l->red = s->op;
        l->last = s->last;
        l->var = loops[i];
        l->tensor = apply_box(a, s->out)->buffer;
        l->index = offset;
        if (s->out2) {
            l->args = NEW_ARRAY(a->ctx->perm, Tensor *, 1);
            l->iargs = NEW_ARRAY(a->ctx->perm, Expr *, 1);
            l->n_args = l->n_iargs = 1;
            l->args[0] = apply_box(a, s->out2)->buffer;
            l->iargs[0] = position;
        }
        lbody_add(a->ctx, body, l);
    }
    return n > 0;
}

static bool is_private(Apply *a, const Tensor *t) {
    Box *box = t ? apply_box(a, t) : NULL;
    return !t || (box && (box->buffer->space == SP_REG || box->buffer->space == SP_STACK));
}

LBody *apply_once(Apply *a, const Stmt *s, LBody *body) {
    Var *loops[MAX_RANK];
    int n = is_private(a, s->out) && is_private(a, s->out2) ? 0 : block_loops(a, s, REPEATS, loops);
    Expr *first = NULL, *zero = expr_int(a->ctx, 0);
    for (int i = 0; i < n; i++) {
        Expr *own = expr_op2(a->ctx, SOP_eq, apply_value(a, loops[i]), zero);
        first = first ? expr_and(a->ctx, first, own) : own;
    }
    if (!first || expr_is(first, 1)) return body;
    LStmt *l = lstmt_new(a->ctx, L_IF);
    l->cond = first;
    lbody_add(a->ctx, body, l);
    return &l->body;
}
