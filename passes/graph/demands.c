/* What must be checked when a program runs: sizes that meet, and that rdp could not make the same,
 * are equal; in a broadcast one of them may be 1.
 *
 *   %s : f32[select(N == 1, M, N)] = add %x, %y     ->     require N == M | N == 1 | M == 1 "..."
 *
 * That is a matter of the dimensions alone where the node always runs. Where it may not run, or a
 * size follows from the data, the check stands in front of the node:
 *
 *   %y : f32[1,4] = contract %positions, %w     ->     check {equal=[k,3]}
 *
 * Comes behind rdp, and before other rewrites, which may take the node away. Requires types; keeps
 * everything. */
#include "passes/graph/rdp.h"

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

static char *sentence(Rdp *r, const Node *n, const Expr *a, const Expr *b, OrOne or_one) {
    static const char *const exceptions[] = {"", ", or the first of them 1", ", or one of them 1"};
    Str s = str_new(r->g->ctx->perm);
    if (n->origin.node) {
        str_add(&s, "node ");
        str_quote(&s, n->origin.node);
        if (n->origin.op) str_fmt(&s, " (%s)", n->origin.op);
        str_add(&s, ": ");
    }
    say_dim(&s, r->g, a);
    str_add(&s, " and ");
    say_dim(&s, r->g, b);
    str_add(&s, " must be equal");
    str_add(&s, exceptions[or_one]);
    return arena_str(r->g->ctx->perm, str_c(&s));
}

static void add_require(Rdp *r, const Node *n, Expr *a, Expr *b, OrOne or_one) {
    Require require = {sizes_fit(r->g->ctx, a, b, or_one), sentence(r, n, a, b, or_one)};
    for (int i = 0; i < r->g->requires.n; i++)
        if (r->g->requires.at[i].cond == require.cond) return;
    vec_push(r->g->ctx->perm, &r->g->requires, require);
    r->changed = true;
}

static bool is_check_of(const Node *n, Expr *const *sizes, OrOne or_one) {
    Expr *const *old;
    return n->op == OP_check && node_exprs(n, "equal", &old) && old[0] == sizes[0] &&
           old[1] == sizes[1] && node_int(n, "or_one", 0) == (int64_t)or_one;
}

static void add_check(Rdp *r, Node *n, Expr *a, Expr *b, OrOne or_one) {
    Expr *sizes[] = {a, b};
    for (const Node *old = n->prev; old && old->op == OP_check; old = old->prev)
        if (is_check_of(old, sizes, or_one)) return;
    Node *check = node_draft(r->g, OP_check, NULL, 0, 0);
    node_set_exprs(r->g, check, "equal", sizes, 2);
    node_set_int(r->g, check, "or_one", or_one);
    check->origin = n->origin;
    node_finish_before(r->g, check, n);
    r->changed = true;
}

static void demand(Rdp *r, Node *n, Expr *a, Expr *b, OrOne or_one) {
    Ctx *c = r->g->ctx;
    if (expr_prove_eq(c, a, b) || (or_one && expr_is(a, 1))) return;
    if (or_one == EITHER_MAY_BE_ONE && expr_is(b, 1)) return;
    if (expr_is(sizes_fit(c, a, b, or_one), 1)) return;
    bool always = n->parent == r->g->body && !expr_has_value_sym(a) && !expr_has_value_sym(b);
    if (always) add_require(r, n, a, b, or_one);
    else add_check(r, n, a, b, or_one);
}

static void demands_of(void *user, Node *n) {
    rdp_backward(user, n);
}

PASS(demands, GRAPH, "notes what sizes that meet must be")
bool pass_demands(Graph *g) {
    Rdp r = {.g = g, .demand = demand};
    graph_each(g, demands_of, &r);
    return r.changed;
}
