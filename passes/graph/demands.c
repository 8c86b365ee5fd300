/* What a program must check when its dimensions are given: two dimensions that meet in a broadcast
 * and could be of any size are equal, or one of them is 1.
 *
 *   %s : f32[select(N == 1, M, N)] = add %x, %y     ->     require N == M | N == 1 | M == 1 "..."
 *
 * Only nodes that always run demand it, and only dimensions that are known before the run. Comes
 * before other rewrites, which may take the node away. Requires types; keeps everything. */
#include "passes/graph/rewrite.h"

typedef struct Demands {
    Graph *g;
    const Node *node;
    bool changed;
} Demands;

/* `dimension N (input "x" axis 0)`, or what it is made of */
static void say_dim(Str *s, const Graph *g, const Expr *e) {
    str_add(s, "dimension ");
    expr_print(s, e);
    for (int k = 0; k < g->body->n_args; k++)
        for (int i = 0; i < g->body->args[k]->type.rank; i++) {
            if (g->body->args[k]->type.dims[i] != e) continue;
            str_add(s, " (input ");
            str_quote(s, g->body->args[k]->name);
            str_fmt(s, " axis %d)", i);
            return;
        }
}

static char *sentence(const Demands *d, const Expr *a, const Expr *b) {
    Str s = str_new(d->g->ctx->perm);
    if (d->node->origin.node) {
        str_add(&s, "node ");
        str_quote(&s, d->node->origin.node);
        if (d->node->origin.op) str_fmt(&s, " (%s)", d->node->origin.op);
        str_add(&s, ": ");
    }
    say_dim(&s, d->g, a);
    str_add(&s, " and ");
    say_dim(&s, d->g, b);
    str_add(&s, " must be equal, or one of them 1");
    return arena_str(d->g->ctx->perm, str_c(&s));
}

static void demand(Demands *d, Expr *a, Expr *b) {
    Ctx *c = d->g->ctx;
    Expr *one = expr_int(c, 1);
    if (expr_has_value_sym(a) || expr_has_value_sym(b)) return;
    Expr *equal = expr_op2(c, SOP_eq, a, b);
    Expr *cond = expr_op2(c, SOP_or, equal, expr_op2(c, SOP_eq, a, one));
    cond = expr_op2(c, SOP_or, cond, expr_op2(c, SOP_eq, b, one));
    if (expr_is_int(cond, NULL)) return;
    for (int i = 0; i < d->g->requires.n; i++)
        if (d->g->requires.at[i].cond == cond) return;
    Require r = {cond, sentence(d, a, b)};
    vec_push(c->perm, &d->g->requires, r);
    d->changed = true;
}

/* The same walk over the operands as that of type inference. */
static void demand_node(Demands *d, const Node *n) {
    Ctx *c = d->g->ctx;
    Type out = {0};
    d->node = n;
    for (int k = 0; k < n->n_in; k++) {
        const Type *t = &n->in[k]->type;
        int old = out.rank, rank = MAX(old, t->rank);
        for (int i = rank - 1; i >= 0; i--) {
            int from = i - (rank - old), at = i - (rank - t->rank);
            Expr *have = from >= 0 ? out.dims[from] : expr_int(c, 1);
            Expr *more = at >= 0 ? t->dims[at] : expr_int(c, 1);
            if (!broadcast_dims(c, have, more, &out.dims[i])) return;
            if (!expr_is(have, 1) && !expr_is(more, 1)) demand(d, have, more);
        }
        out.rank = rank;
    }
}

PASS(demands, GRAPH, "notes what dimensions that meet in a broadcast must be")
bool pass_demands(Graph *g) {
    Demands d = {.g = g};
    for (const Node *n = g->body->first; n; n = n->next)
        if (op_is_scalar(n->op)) demand_node(&d, n);
    return d.changed;
}
