/* Nodes: drafts, attributes, linking into regions, replacing, walking. */
#include "ir/graph.h"

Node *node_draft(Graph *g, Op op, Value *const *in, int n_in, int n_out) {
    Arena *perm = g->ctx->perm;
    Node *n = NEW(perm, Node);
    n->op = op;
    n->n_in = n_in;
    n->n_out = n_out;
    n->in = NEW_ARRAY(perm, Value *, n_in + 1);
    n->out = NEW_ARRAY(perm, Value *, n_out + 1);
    for (int i = 0; i < n_in; i++) n->in[i] = in[i];
    for (int i = 0; i < n_out; i++) {
        n->out[i] = NEW(perm, Value);
        n->out[i]->def = n;
    }
    n->origin = g->origin;
    return n;
}

/* ---- attributes: kept sorted by name ---- */

static Attr *find_attr(const Node *n, const char *name) {
    for (int i = 0; i < n->n_attr; i++)
        if (!strcmp(n->attr[i].name, name)) return &n->attr[i];
    return NULL;
}

void node_drop_attr(Node *n, const char *name) {
    Attr *a = find_attr(n, name);
    if (!a) return;
    int at = (int)(a - n->attr);
    memmove(a, a + 1, sizeof *a * (size_t)(n->n_attr - at - 1));
    n->n_attr--;
}

static Attr *set_attr(Graph *g, Node *n, const char *name, AttrKind kind, int count) {
    Attr *a = find_attr(n, name);
    if (!a) {
        Attr *more = NEW_ARRAY(g->ctx->perm, Attr, n->n_attr + 1);
        int at = 0;
        while (at < n->n_attr && strcmp(n->attr[at].name, name) < 0) at++;
        if (at) memcpy(more, n->attr, sizeof *a * (size_t)at);
        if (at < n->n_attr)
            memcpy(more + at + 1, n->attr + at, sizeof *a * (size_t)(n->n_attr - at));
        n->attr = more;
        n->n_attr++;
        a = &more[at];
    }
    *a = (Attr){.name = arena_str(g->ctx->perm, name), .kind = kind, .n = count};
    return a;
}

void node_set_int(Graph *g, Node *n, const char *name, int64_t v) {
    set_attr(g, n, name, AT_INT, 1)->i = v;
}

void node_set_flt(Graph *g, Node *n, const char *name, double v) {
    set_attr(g, n, name, AT_FLT, 1)->f = v;
}

void node_set_str(Graph *g, Node *n, const char *name, const char *v) {
    set_attr(g, n, name, AT_STR, 1)->s = arena_str(g->ctx->perm, v);
}

void node_set_ints(Graph *g, Node *n, const char *name, const int64_t *v, int count) {
    int64_t *copy = NEW_ARRAY(g->ctx->perm, int64_t, count + 1);
    for (int i = 0; i < count; i++) copy[i] = v[i];
    set_attr(g, n, name, AT_INTS, count)->ints = copy;
}

void node_set_flts(Graph *g, Node *n, const char *name, const double *v, int count) {
    double *copy = NEW_ARRAY(g->ctx->perm, double, count + 1);
    for (int i = 0; i < count; i++) copy[i] = v[i];
    set_attr(g, n, name, AT_FLTS, count)->flts = copy;
}

void node_set_exprs(Graph *g, Node *n, const char *name, Expr *const *v, int count) {
    Expr **copy = NEW_ARRAY(g->ctx->perm, Expr *, count + 1);
    for (int i = 0; i < count; i++) copy[i] = v[i];
    set_attr(g, n, name, AT_EXPRS, count)->exprs = copy;
}

const Attr *node_attr(const Node *n, const char *name) {
    return find_attr(n, name);
}

int64_t node_int(const Node *n, const char *name, int64_t otherwise) {
    const Attr *a = find_attr(n, name);
    return a && a->kind == AT_INT ? a->i : otherwise;
}

double node_flt(const Node *n, const char *name, double otherwise) {
    const Attr *a = find_attr(n, name);
    return a && a->kind == AT_FLT ? a->f : otherwise;
}

const char *node_str(const Node *n, const char *name, const char *otherwise) {
    const Attr *a = find_attr(n, name);
    return a && a->kind == AT_STR ? a->s : otherwise;
}

int node_ints(const Node *n, const char *name, const int64_t **out) {
    const Attr *a = find_attr(n, name);
    if (!a || a->kind != AT_INTS) return 0;
    *out = a->ints;
    return a->n;
}

int node_exprs(const Node *n, const char *name, Expr *const **out) {
    const Attr *a = find_attr(n, name);
    if (!a || a->kind != AT_EXPRS) return 0;
    *out = a->exprs;
    return a->n;
}

static void drop_defaults(Node *n) {
    for (int i = n->n_attr - 1; i >= 0; i--) {
        const Attr *a = &n->attr[i];
        const AttrInfo *info = attr_info(n->op, a->name);
        if (!info || info->required) continue;
        bool is_default = (a->kind == AT_INT && a->i == info->otherwise) ||
                          (a->kind == AT_FLT && a->f == info->otherwise);
        if (is_default) node_drop_attr(n, a->name);
    }
}

/* ---- linking ---- */

static void link_before(Region *r, Node *n, Node *where) {
    CHECK(!n->linked);
    n->parent = r;
    n->next = where;
    n->prev = where ? where->prev : r->last;
    if (n->prev) n->prev->next = n;
    else r->first = n;
    if (where) where->prev = n;
    else r->last = n;
    n->linked = true;
}

bool node_finish_at(Graph *g, Node *n, Node *where) {
    drop_defaults(n);
    if (!graph_infer(g, n)) return false;
    for (int i = 0; i < n->n_out; i++)
        if (!n->out[i]->name) n->out[i]->name = graph_name(g, op_info(n->op)->name);
    link_before(where ? where->parent : g->at, n, where);
    return true;
}

bool node_finish(Graph *g, Node *n) {
    return node_finish_at(g, n, g->before);
}

void node_finish_before(Graph *g, Node *n, Node *where) {
    if (!node_finish_at(g, n, where)) BUG("a pass made a wrong %s node", op_info(n->op)->name);
}

void node_remove(Node *n) {
    CHECK(n->linked);
    if (n->prev) n->prev->next = n->next;
    else n->parent->first = n->next;
    if (n->next) n->next->prev = n->prev;
    else n->parent->last = n->prev;
    n->linked = false;
    n->prev = n->next = NULL;
}

void node_move_before(Node *n, Node *where) {
    node_remove(n);
    link_before(where->parent, n, where);
}

/* ---- walking ---- */

static void each(Region *r, void (*fn)(void *, Node *), void *user) {
    for (Node *n = r->first, *next; n; n = next) {
        next = n->next;
        int n_regions = n->n_regions;
        Region *region[2] = {n->region[0], n->region[1]};
        fn(user, n);
        for (int i = 0; i < n_regions; i++) each(region[i], fn, user);
    }
}

void graph_each(Graph *g, void (*fn)(void *user, Node *), void *user) {
    each(g->body, fn, user);
}

typedef struct Swap {
    Value *old, *by;
} Swap;

static void swap_results(Region *r, const Swap *s) {
    for (int i = 0; i < r->n_results; i++)
        if (r->results[i] == s->old) r->results[i] = s->by;
}

static void swap_in_node(void *user, Node *n) {
    const Swap *s = user;
    for (int i = 0; i < n->n_in; i++)
        if (n->in[i] == s->old) n->in[i] = s->by;
    for (int i = 0; i < n->n_regions; i++) swap_results(n->region[i], s);
}

void graph_replace(Graph *g, Value *old, Value *by) {
    Swap s = {old, by};
    graph_each(g, swap_in_node, &s);
    swap_results(g->body, &s);
}

static void count_results(const Region *r) {
    for (int i = 0; i < r->n_results; i++) r->results[i]->mark++;
}

static void clear_in_node(void *user, Node *n) {
    (void)user;
    for (int i = 0; i < n->n_in; i++)
        if (n->in[i]) n->in[i]->mark = 0;
    for (int i = 0; i < n->n_out; i++) n->out[i]->mark = 0;
    for (int k = 0; k < n->n_regions; k++) {
        for (int i = 0; i < n->region[k]->n_args; i++) n->region[k]->args[i]->mark = 0;
        for (int i = 0; i < n->region[k]->n_results; i++) n->region[k]->results[i]->mark = 0;
    }
}

static void count_in_node(void *user, Node *n) {
    (void)user;
    for (int i = 0; i < n->n_in; i++)
        if (n->in[i]) n->in[i]->mark++;
    for (int k = 0; k < n->n_regions; k++) count_results(n->region[k]);
}

void graph_count_uses(Graph *g) {
    for (int i = 0; i < g->consts.n; i++) g->consts.at[i]->mark = 0;
    for (int i = 0; i < g->body->n_args; i++) g->body->args[i]->mark = 0;
    graph_each(g, clear_in_node, NULL);
    graph_each(g, count_in_node, NULL);
    count_results(g->body);
}

int value_uses(Graph *g, Value *v) {
    graph_count_uses(g);
    return v->mark;
}
