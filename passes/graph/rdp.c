/* Rank and Dimension Propagation (SoD2): every dimension as well known as can be without running
 * the model.
 *
 * Forward is graph_infer, which also computes the cells of shape tensors. Backward: operations that
 * demand equal sizes make their operands' dimensions equal (rdp_backward.c); a symbol that is found
 * equal to something gives way to it everywhere. Both are repeated until nothing changes; each
 * round removes a symbol, so it ends. What stands in a branch or loop is not demanded: it may never
 * run. Requires and keeps types. */
#include "passes/graph/rdp.h"

static void report_conflict(Rdp *r, const Node *n, Expr *a, Expr *b) {
    Loc loc = node_loc(r->g, n);
    Str s = str_new(r->g->ctx->perm);
    str_add(&s, "dimensions ");
    expr_print(&s, a);
    str_add(&s, " and ");
    expr_print(&s, b);
    diag_error(r->g->ctx, &loc, "%s must be equal, but cannot be", str_c(&s));
}

void rdp_equal(Rdp *r, const Node *n, Expr *a, Expr *b) {
    Ctx *ctx = r->g->ctx;
    a = expr_resolve(ctx, a);
    b = expr_resolve(ctx, b);
    if (a == b) return;
    if (!expr_unify(ctx, a, b)) {
        report_conflict(r, n, a, b);
        return;
    }
    r->changed |= expr_resolve(ctx, a) != a || expr_resolve(ctx, b) != b;
}

/* A symbol that was given to an element which is known after all. */
static void backward_bind(Rdp *r, const Node *n) {
    const Value *v = n->in[0];
    int64_t index = node_int(n, "index", 0);
    const Sym *s = graph_find_sym(r->g, node_str(n, "sym", ""));
    bool known = s && v->cells && index < v->n_cells && v->cells[index];
    if (known && v->cells[index] != s->self) rdp_equal(r, n, s->self, v->cells[index]);
}

/* So with a number of rounds that was left to the run. */
static void backward_loop(Rdp *r, const Node *n) {
    const Sym *s = graph_find_sym(r->g, node_str(n, "sym", ""));
    Expr *rounds = loop_rounds(r->g->ctx, n);
    if (s && rounds) rdp_equal(r, n, s->self, rounds);
}

static bool backward(Rdp *r) {
    r->changed = false;
    for (Node *n = r->g->body->first; n; n = n->next) {
        if (n->op == OP_bind) backward_bind(r, n);
        else if (n->op == OP_loop) backward_loop(r, n);
        else rdp_backward(r, n);
    }
    return r->changed;
}

/* A bind of a symbol that gave way says nothing any more. */
static void drop_bind(void *user, Node *n) {
    Graph *g = user;
    const Sym *s = n->op == OP_bind ? graph_find_sym(g, node_str(n, "sym", "")) : NULL;
    if (s && s->merged) node_remove(n);
}

static void drop_merged(Graph *g) {
    int kept = 0;
    graph_each(g, drop_bind, g);
    for (int i = 0; i < g->syms.n; i++)
        if (!g->syms.at[i]->merged) g->syms.at[kept++] = g->syms.at[i];
    g->syms.n = kept;
}

PASS(rdp, GRAPH, "propagates ranks, dimensions and values of shape tensors to a fixpoint")
bool pass_rdp(Graph *g) {
    Rdp r = {.g = g};
    bool any = false;
    int errors = diag_errors(g->ctx);
    while (backward(&r) && diag_errors(g->ctx) == errors) {
        any = true;
        if (!graph_infer_again(g)) break;
    }
    if (any) drop_merged(g);
    return any;
}
