/* Dead code: what no result needs, and no dimension that a needed node mentions.
 *
 * A bind lives as long as something that lives mentions its symbol; what ends the run where it does
 * not hold, as long as what it stands in. Constants and symbols that
 * nothing mentions leave the graph's lists. Requires nothing; keeps everything. */
#include "passes/graph/rewrite.h"

typedef struct Dce {
    Graph *g;
    Map *makers; /* symbol -> the node that gives it its value */
    Map *used;   /* symbols that live nodes mention */
    bool changed;
} Dce;

/* Dimensions that a branch or loop decides. */
static void note_dims(Dce *d, Node *n, const Type *t) {
    for (int i = 0; i < t->rank; i++) {
        const Expr *e = t->dims[i];
        if (e->kind != E_SYM || e->sym->kind != SYM_VALUE || !node_makes_sym(n, e->sym)) continue;
        if (!map_get_int(d->makers, (uint64_t)(uintptr_t)e->sym))
            map_set_int(d->makers, (uint64_t)(uintptr_t)e->sym, n);
    }
}

static void note_maker(void *user, Node *n) {
    Dce *d = user;
    n->mark = 0;
    const char *name = node_str(n, "sym", NULL);
    Sym *s = name ? graph_find_sym(d->g, name) : NULL;
    if (s) map_set_int(d->makers, (uint64_t)(uintptr_t)s, n);
    for (int i = 0; n->n_regions && i < n->n_out; i++) note_dims(d, n, &n->out[i]->type);
    for (int i = 0; n->n_regions && i < n->region[0]->n_args; i++)
        note_dims(d, n, &n->region[0]->args[i]->type);
}

static void keep_node(Dce *d, Node *n);

static void keep_value(Dce *d, Value *v);

static void keep_sym(void *user, const Expr *e) {
    Dce *d = user;
    if (e->kind != E_SYM) return;
    if (map_get_int(d->used, (uint64_t)(uintptr_t)e->sym)) return;
    map_set_int(d->used, (uint64_t)(uintptr_t)e->sym, e->sym);
    Node *maker = map_get_int(d->makers, (uint64_t)(uintptr_t)e->sym);
    if (maker) keep_node(d, maker);
    if (e->sym->def) expr_visit(e->sym->def, keep_sym, d);
}

static void keep_type(Dce *d, const Type *t) {
    for (int i = 0; i < t->rank; i++) expr_visit(t->dims[i], keep_sym, d);
}

static void keep_value(Dce *d, Value *v) {
    if (!v || v->mark) return;
    v->mark = 1;
    keep_type(d, &v->type);
    if (v->def) keep_node(d, v->def);
}

/* What ends the run where something does not hold. */
static bool is_demand(const Node *n) {
    return n->op == OP_check || (n->op == OP_bind && node_attr(n, "is"));
}

static void keep_region(Dce *d, Region *r) {
    for (Node *n = r->first; n; n = n->next)
        if (is_demand(n)) keep_node(d, n);
    for (int i = 0; i < r->n_args; i++) keep_type(d, &r->args[i]->type);
    for (int i = 0; i < r->n_results; i++) keep_value(d, r->results[i]);
}

/* Depth is bounded by turning a chain of definitions into a work list. */
static void keep_node(Dce *d, Node *n) {
    VEC(Node *) work = {0};
    if (n->mark) return;
    n->mark = 1;
    vec_push(d->g->ctx->perm, &work, n);
    while (work.n) {
        Node *m = work.at[--work.n];
        for (int i = 0; i < m->n_out; i++) keep_type(d, &m->out[i]->type);
        for (int i = 0; i < m->n_attr; i++)
            for (int k = 0; m->attr[i].kind == AT_EXPRS && k < m->attr[i].n; k++)
                expr_visit(m->attr[i].exprs[k], keep_sym, d);
        if (m->body) expr_visit(m->body, keep_sym, d);
        for (int i = 0; i < m->n_regions; i++) keep_region(d, m->region[i]);
        for (int i = 0; i < m->n_in; i++) {
            Value *v = m->in[i];
            if (!v || v->mark) continue;
            v->mark = 1;
            if (!v->def || v->def->mark) continue;
            v->def->mark = 1;
            vec_push(d->g->ctx->perm, &work, v->def);
        }
        Node *owner = m->parent->owner;
        if (owner) keep_node(d, owner);
    }
}

static void sweep_region(Dce *d, Region *r) {
    for (Node *n = r->first, *next; n; n = next) {
        next = n->next;
        for (int i = 0; n->mark && i < n->n_regions; i++) sweep_region(d, n->region[i]);
        if (n->mark) continue;
        node_remove(n);
        d->changed = true;
    }
}

static void clear_marks(Graph *g) {
    graph_count_uses(g); /* touches every value's mark */
}

static void clear_value_marks(void *user, Node *n) {
    (void)user;
    for (int i = 0; i < n->n_in; i++)
        if (n->in[i]) n->in[i]->mark = 0;
    for (int i = 0; i < n->n_out; i++) n->out[i]->mark = 0;
    for (int k = 0; k < n->n_regions; k++) {
        for (int i = 0; i < n->region[k]->n_results; i++) n->region[k]->results[i]->mark = 0;
        for (int i = 0; i < n->region[k]->n_args; i++) n->region[k]->args[i]->mark = 0;
    }
}

static void sweep_lists(Dce *d) {
    Graph *g = d->g;
    int kept = 0;
    clear_marks(g);
    for (int i = 0; i < g->consts.n; i++)
        if (g->consts.at[i]->mark) g->consts.at[kept++] = g->consts.at[i];
    d->changed |= kept != g->consts.n;
    g->consts.n = kept;
    kept = 0;
    for (int i = 0; i < g->syms.n; i++) {
        Sym *s = g->syms.at[i];
        if (s->kind == SYM_INPUT || map_get_int(d->used, (uint64_t)(uintptr_t)s))
            g->syms.at[kept++] = s;
    }
    g->syms.n = kept;
}

PASS(dce, GRAPH, "removes nodes, constants and symbols that no result needs")
bool pass_dce(Graph *g) {
    Dce d = {.g = g, .makers = map_new(g->ctx->perm), .used = map_new(g->ctx->perm)};
    graph_each(g, note_maker, &d);
    graph_each(g, clear_value_marks, NULL);
    for (int i = 0; i < g->body->n_args; i++) {
        g->body->args[i]->mark = 0;
        keep_type(&d, &g->body->args[i]->type);
    }
    for (int i = 0; i < g->body->n_results; i++) g->body->results[i]->mark = 0;
    keep_region(&d, g->body);
    sweep_region(&d, g->body);
    sweep_lists(&d);
    return d.changed;
}
