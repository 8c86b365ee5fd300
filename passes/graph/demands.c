/* What must be checked when a program runs: sizes that meet, and that rdp could not make the same,
 * are equal; in a broadcast one of them may be 1, and subscripts stay inside (demands_compute.c).
 *
 *   %s : f32[select(N == 1, M, N)] = add %x, %y     ->     require N == M | N == 1 | M == 1 "..."
 *
 * That is a matter of the dimensions alone where the node always runs. Where it may not run, or a
 * size follows from the data, the check stands in front of the node:
 *
 *   %y : f32[1,4] = contract %positions, %w     ->     check {fit="equal", sizes=[k,3]}
 *
 * Comes behind rdp, and before other rewrites, which may take the node away. Requires types; keeps
 * everything. */
#include "passes/graph/rdp.h"

/* `dimension N (input "x" axis 0)`, or what it is made of; a number as it is */
static void say_dim(Str *s, const Graph *g, const Expr *e) {
    bool number = expr_is_int(e, NULL);
    str_add(s, number ? "" : "dimension ");
    expr_print(s, e);
    if (number) return;
    for (int k = 0; k < g->body->n_args; k++)
        for (int i = 0; i < g->body->args[k]->type.rank; i++) {
            if (g->body->args[k]->type.dims[i] != e) continue;
            str_add(s, " (input ");
            str_quote(s, g->body->args[k]->name);
            str_fmt(s, " axis %d)", i);
            return;
        }
}

static char *sentence(Rdp *r, const Node *n, const Expr *a, const Expr *b, Fit fit) {
    static const char *const must[] = {" must be equal", " must be equal, or the first of them 1",
                                       " must be equal, or one of them 1"};
    Str s = str_new(r->g->ctx->perm);
    if (n->origin.node) {
        str_add(&s, "node ");
        str_quote(&s, n->origin.node);
        if (n->origin.op) str_fmt(&s, " (%s)", n->origin.op);
        str_add(&s, ": ");
    }
    say_dim(&s, r->g, a);
    str_add(&s, fit == FIT_AT_MOST ? " must be at most " : " and ");
    say_dim(&s, r->g, b);
    if (fit != FIT_AT_MOST) str_add(&s, must[fit]);
    return arena_str(r->g->ctx->perm, str_c(&s));
}

static void add_require(Rdp *r, const Node *n, Expr *a, Expr *b, Fit fit) {
    Require require = {sizes_fit(r->g->ctx, a, b, fit), sentence(r, n, a, b, fit)};
    for (int i = 0; i < r->g->requires.n; i++)
        if (r->g->requires.at[i].cond == require.cond) return;
    vec_push(r->g->ctx->perm, &r->g->requires, require);
    r->changed = true;
}

static bool is_check_of(const Node *n, Expr *const *sizes, Fit fit) {
    Expr *const *old;
    return n->op == OP_check && node_exprs(n, "sizes", &old) && old[0] == sizes[0] &&
           old[1] == sizes[1] && !strcmp(node_str(n, "fit", ""), fit_names[fit]);
}

static void add_check(Rdp *r, Node *n, Expr *a, Expr *b, Fit fit) {
    Expr *sizes[] = {a, b};
    for (const Node *old = n->prev; old && old->op == OP_check; old = old->prev)
        if (is_check_of(old, sizes, fit)) return;
    Node *check = node_draft(r->g, OP_check, NULL, 0, 0);
    node_set_exprs(r->g, check, "sizes", sizes, 2);
    node_set_str(r->g, check, "fit", fit_names[fit]);
    check->origin = n->origin;
    node_finish_before(r->g, check, n);
    r->changed = true;
}

static void demand(Rdp *r, Node *n, Expr *a, Expr *b, Fit fit) {
    Ctx *c = r->g->ctx;
    if (expr_prove_eq(c, a, b) || expr_is(sizes_fit(c, a, b, fit), 1)) return;
    if (fit == FIT_AT_MOST && expr_prove_ge0(c, expr_sub(c, b, a))) return;
    bool always = n->parent == r->g->body && !expr_has_value_sym(a) && !expr_has_value_sym(b);
    if (always) add_require(r, n, a, b, fit);
    else add_check(r, n, a, b, fit);
}

static void demands_of(void *user, Node *n) {
    rdp_backward(user, n);
    if (n->op == OP_compute) demands_of_compute(user, n);
}

PASS(demands, GRAPH, "notes what sizes that meet must be")
bool pass_demands(Graph *g) {
    Rdp r = {.g = g, .demand = demand};
    graph_each(g, demands_of, &r);
    return r.changed;
}
