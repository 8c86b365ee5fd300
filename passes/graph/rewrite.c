/* The engine of the rewriting passes. */
#include "passes/graph/rewrite.h"

enum { MAX_ROUNDS = 64 }; /* per node: rules that undo each other end here */

/* Who used `old` uses `by`; the node that goes uses nothing any more. */
static void move_users(Graph *g, const Node *gone, const Value *old, Value *by) {
    if (!old->aux) return;
    Users *to = NEW(g->ctx->perm, Users);
    const Users *of_old = users_of(old), *of_by = users_of(by);
    to->is_result = of_old->is_result || of_by->is_result;
    for (int i = 0; i < of_old->n; i++) vec_push(g->ctx->perm, to, of_old->at[i]);
    for (int i = 0; i < of_by->n; i++)
        if (of_by->at[i] != gone) vec_push(g->ctx->perm, to, of_by->at[i]);
    by->aux = to;
}

void rewrite_node(Graph *g, Node *n, Value *by) {
    Value *old = n->out[0];
    graph_replace(g, old, by);
    move_users(g, n, old, by);
    bool fresh = by->def && by->def->mark == -1;
    if (fresh) {
        by->name = old->name;
        by->def->mark = 0;
    }
    if (n->linked) node_remove(n);
}

static Value *apply(Graph *g, Node *n, Rule rule) {
    g->before = n;
    g->at = n->parent;
    g->origin = n->origin;
    Node *prev = n->prev;
    Value *by = rule(g, n);
    g->before = NULL;
    if (!by || by == n->out[0]) return NULL;
    bool made_here = by->def && by->def->parent == n->parent && by->def->linked &&
                     by->def->next == n && by->def != prev;
    if (made_here) by->def->mark = -1;
    CHECK(type_equal(g->ctx, &by->type, &n->out[0]->type));
    return by;
}

typedef struct Rewrite {
    Graph *g;
    const Rule *rules;
    int n_rules;
    bool changed;
} Rewrite;

static void visit(void *user, Node *n) {
    Rewrite *w = user;
    for (int round = 0, i = 0; i < w->n_rules && round < MAX_ROUNDS; i++) {
        Value *by = apply(w->g, n, w->rules[i]);
        if (!by) continue;
        Node *next = by->def && by->def->mark == -1 ? by->def : NULL;
        rewrite_node(w->g, n, by);
        w->changed = true;
        if (!next) return;
        n = next;
        i = -1;
        round++;
    }
}

bool rewrite_graph(Graph *g, const Rule *rules, int n_rules) {
    Rewrite w = {g, rules, n_rules, false};
    Origin origin = g->origin;
    graph_each(g, visit, &w);
    g->origin = origin;
    g->at = g->body;
    if (w.changed) pass_dce(g); /* what is dead would count as a user */
    return w.changed;
}

/* ---- users ---- */

static const Users nobody;

static Users *users_slot(Graph *g, Value *v) {
    if (!v->aux) v->aux = NEW(g->ctx->perm, Users);
    return v->aux;
}

static void clear_node(void *user, Node *n) {
    (void)user;
    for (int i = 0; i < n->n_in; i++)
        if (n->in[i]) n->in[i]->aux = NULL;
    for (int i = 0; i < n->n_out; i++) n->out[i]->aux = NULL;
    for (int k = 0; k < n->n_regions; k++) {
        for (int i = 0; i < n->region[k]->n_args; i++) n->region[k]->args[i]->aux = NULL;
        for (int i = 0; i < n->region[k]->n_results; i++) n->region[k]->results[i]->aux = NULL;
    }
}

static void add_results(Graph *g, const Region *r) {
    for (int i = 0; i < r->n_results; i++) users_slot(g, r->results[i])->is_result = true;
}

static void add_node(void *user, Node *n) {
    Graph *g = user;
    for (int i = 0; i < n->n_in; i++)
        if (n->in[i]) vec_push(g->ctx->perm, users_slot(g, n->in[i]), n);
    for (int k = 0; k < n->n_regions; k++) add_results(g, n->region[k]);
}

void users_build(Graph *g) {
    for (int i = 0; i < g->consts.n; i++) g->consts.at[i]->aux = NULL;
    for (int i = 0; i < g->body->n_args; i++) g->body->args[i]->aux = NULL;
    for (int i = 0; i < g->body->n_results; i++) g->body->results[i]->aux = NULL;
    graph_each(g, clear_node, NULL);
    graph_each(g, add_node, g);
    add_results(g, g->body);
}

const Users *users_of(const Value *v) {
    return v->aux ? v->aux : &nobody;
}

bool used_once(const Value *v) {
    const Users *u = users_of(v);
    return u->n == 1 && !u->is_result;
}

/* ---- what is it? ---- */

Node *def_of(const Value *v, Op op) {
    return v && v->def && v->def->op == op ? v->def : NULL;
}

bool is_const(const Value *v) {
    return v && v->data && !v->data->missing;
}

bool const_scalar(const Value *v, double *out) {
    if (!is_const(v) || v->data->elements < 1 || dtype_class(v->type.dtype) == DC_X) return false;
    *out = const_get(v->data, 0);
    if (!v->data->data) return true;
    if (v->data->elements > 4096) return false;
    for (int64_t i = 1; i < v->data->elements; i++) {
        double x = const_get(v->data, i);
        if (memcmp(&x, out, sizeof x)) return false;
    }
    return true;
}

bool const_is(const Value *v, double want) {
    double x;
    return const_scalar(v, &x) && !memcmp(&x, &want, sizeof x); /* -0.0 is not 0.0 */
}

Value *other_operand(const Node *n, const Value *one) {
    if (n->n_in < 2) return NULL;
    return n->in[0] == one ? n->in[1] : n->in[1] == one ? n->in[0] : NULL;
}

bool with_const(const Node *n, Value **x, Value **c) {
    if (!op_is_scalar(n->op) || n->n_in != 2) return false;
    if (is_const(n->in[1])) {
        *x = n->in[0];
        *c = n->in[1];
        return true;
    }
    if (!(scalar_info[op_scalar(n->op)].flags & SF_COMM) || !is_const(n->in[0])) return false;
    *x = n->in[1];
    *c = n->in[0];
    return true;
}

bool same_shape(Graph *g, const Value *a, const Value *b) {
    Type t = a->type;
    t.dtype = b->type.dtype;
    return type_equal(g->ctx, &t, &b->type);
}

Value *scalar_like(Graph *g, const Value *v, double x) {
    DType t = v->type.dtype;
    return dtype_is_float(t) ? graph_const_f(g, t, x) : graph_const_i(g, t, (int64_t)x);
}
