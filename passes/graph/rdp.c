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

/* Where a size cannot be 1, broadcasting demands equality. */
static void make_equal(Rdp *r, Node *n, Expr *a, Expr *b, Fit fit) {
    Ctx *ctx = r->g->ctx;
    a = expr_resolve(ctx, a);
    b = expr_resolve(ctx, b);
    if (a == b || fit == FIT_AT_MOST || (fit != FIT_EQUAL && !at_least_two(ctx, a))) return;
    if (fit == FIT_ONE && !at_least_two(ctx, b)) return;
    if (!expr_unify(ctx, a, b)) {
        report_conflict(r, n, a, b);
        return;
    }
    r->changed |= expr_resolve(ctx, a) != a || expr_resolve(ctx, b) != b;
}

/* A symbol that was given to an element which is known after all. */
static void backward_bind(Rdp *r, Node *n) {
    const Value *v = n->in[0];
    int64_t index = node_int(n, "index", 0);
    const Sym *s = graph_find_sym(r->g, node_str(n, "sym", ""));
    bool known = s && v->cells && index < v->n_cells && v->cells[index];
    if (!known || v->cells[index] == s->self) return;
    if (!s->merged) map_set_int(r->proven, (uint64_t)(uintptr_t)n, n);
    make_equal(r, n, s->self, v->cells[index], FIT_EQUAL);
}

/* So with a number of rounds that was left to the run. */
static void backward_loop(Rdp *r, Node *n) {
    const Sym *s = graph_find_sym(r->g, node_str(n, "sym", ""));
    Expr *rounds = loop_rounds(r->g->ctx, n);
    if (s && rounds) make_equal(r, n, s->self, rounds, FIT_EQUAL);
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

/* Where a symbol gave way, what it was has to be so when the model runs; a bind whose element is
 * known says nothing any more. */
static void settle(void *user, Node *n) {
    Rdp *r = user;
    const char *name = node_str(n, "sym", NULL);
    const Sym *s = name ? graph_find_sym(r->g, name) : NULL;
    if (!s || !s->merged) return;
    Expr *is = expr_resolve(r->g->ctx, s->merged);
    node_drop_attr(n, "sym");
    if (n->op == OP_bind && map_get_int(r->proven, (uint64_t)(uintptr_t)n)) node_remove(n);
    else if (n->op == OP_bind || !loop_rounds(r->g->ctx, n)) node_set_exprs(r->g, n, "is", &is, 1);
}

static void drop_merged(Rdp *r) {
    Graph *g = r->g;
    int kept = 0;
    graph_each(g, settle, r);
    for (int i = 0; i < g->syms.n; i++)
        if (!g->syms.at[i]->merged) g->syms.at[kept++] = g->syms.at[i];
    g->syms.n = kept;
}

PASS(rdp, GRAPH, "propagates ranks, dimensions and values of shape tensors to a fixpoint")
bool pass_rdp(Graph *g) {
    Rdp r = {.g = g, .demand = make_equal, .proven = map_new(g->ctx->perm)};
    bool any = false;
    int errors = diag_errors(g->ctx);
    while (backward(&r) && diag_errors(g->ctx) == errors) {
        any = true;
        if (!graph_infer_again(g)) break;
    }
    if (any) drop_merged(&r);
    return any;
}
