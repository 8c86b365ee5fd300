/* Contracts of one value with several constant weights become one contract with the weights side by
 * side:
 *
 *   %q = contract %x, %wq     %k = contract %x, %wk       ->   %y = contract %x, (concat %wq, %wk)
 *                                                               %q = slice %y   %k = slice %y
 *
 * The left operand is read and packed once, and one large product runs better than three small
 * ones. Only neighbours are merged, so that no result has to wait long in memory. The concat of the
 * weights is left to fold. Requires nothing; keeps everything; leaves dead nodes. */
#include "passes/graph/rewrite.h"

enum { MAX_GROUP = 16, MAX_DISTANCE = 48 };

typedef struct Member {
    Node *node;
    Spec spec;
    int axis_w, axis_y; /* where the axis along which weights differ lies in the weights and in the
                           result */
    Value *bias;        /* NULL, or it varies along that axis alone */
} Member;

/* Is the bias 1 wide on all axes of the result but one? */
static bool bias_along(const Value *bias, int rank, int axis) {
    int skip = rank - bias->type.rank;
    for (int i = 0; i < bias->type.rank; i++)
        if (skip + i != axis && !expr_is(bias->type.dims[i], 1)) return false;
    return true;
}

static bool member_of(Node *n, Member *m) {
    *m = (Member){.node = n, .axis_w = -1};
    if (n->op != OP_contract || !is_const(n->in[1]) || n->in[0]->data) return false;
    if (!contract_spec(node_str(n, "spec", ""), &m->spec)) return false;
    const Spec *s = &m->spec;
    for (int i = 0; i < s->nb; i++) {
        if (strchr(s->a, s->b[i])) continue;
        if (m->axis_w >= 0) return false;
        m->axis_w = i;
    }
    if (m->axis_w < 0) return false;
    m->axis_y = (int)(strchr(s->y, s->b[m->axis_w]) - s->y);
    m->bias = n->n_in > 2 ? n->in[2] : NULL;
    return !m->bias || (is_const(m->bias) && bias_along(m->bias, s->ny, m->axis_y));
}

static bool fits(Graph *g, const Member *a, const Member *b) {
    if (a->node->in[0] != b->node->in[0] ||
        strcmp(node_str(a->node, "spec", ""), node_str(b->node, "spec", "")))
        return false;
    const Type *p = &a->node->in[1]->type, *q = &b->node->in[1]->type;
    for (int i = 0; i < p->rank; i++)
        if (i != a->axis_w && !expr_prove_eq(g->ctx, p->dims[i], q->dims[i])) return false;
    return true;
}

/* The bias as a vector along the axis; zeros where there is none. */
static Value *bias_vector(Graph *g, const Member *m) {
    Expr *size = m->node->in[1]->type.dims[m->axis_w];
    Value *b = m->bias ? m->bias : scalar_like(g, m->node->in[1], 0);
    Expr *count = type_elements(g->ctx, &b->type);
    return build_expand(g, build_reshape(g, b, &count, 1), &size, 1);
}

static Value *all_biases(Graph *g, const Member *m, int n) {
    Value *part[MAX_GROUP];
    bool any = false;
    for (int i = 0; i < n; i++) any |= m[i].bias != NULL;
    if (!any) return NULL;
    for (int i = 0; i < n; i++) part[i] = bias_vector(g, &m[i]);
    Value *all = build_concat(g, part, n, 0);
    Expr *shape[MAX_RANK];
    for (int i = 0; i < m->spec.ny; i++)
        shape[i] = i == m->axis_y ? all->type.dims[0] : expr_int(g->ctx, 1);
    return build_reshape(g, all, shape + m->axis_y, m->spec.ny - m->axis_y);
}

static void merge(Graph *g, const Member *m, int n) {
    Value *part[MAX_GROUP], *slice[MAX_GROUP];
    g->before = m->node;
    g->at = m->node->parent;
    g->origin = m->node->origin;
    for (int i = 0; i < n; i++) part[i] = m[i].node->in[1];
    Value *w = build_concat(g, part, n, m->axis_w);
    Value *y =
        build_contract(g, m->node->in[0], w, all_biases(g, m, n), node_str(m->node, "spec", ""));
    Expr *from = expr_int(g->ctx, 0);
    for (int i = 0; i < n; i++) {
        Expr *size = part[i]->type.dims[m->axis_w];
        g->origin = m[i].node->origin;
        slice[i] = build_slice_axis(g, y, m->axis_y, from, size);
        from = expr_add(g->ctx, from, size);
    }
    g->before = NULL;
    for (int i = 0; i < n; i++) {
        slice[i]->def->mark = -1; /* made here: takes over the name */
        rewrite_node(g, m[i].node, slice[i]);
    }
}

static bool merge_from(Graph *g, Node *first) {
    Member m[MAX_GROUP];
    int n = 1, distance = 0;
    if (!member_of(first, &m[0])) return false;
    for (Node *k = first->next; k && n < MAX_GROUP && distance < MAX_DISTANCE;
         k = k->next, distance++)
        if (member_of(k, &m[n]) && fits(g, &m[0], &m[n])) n++;
    if (n < 2) return false;
    merge(g, m, n);
    return true;
}

static bool merge_region(Graph *g, Region *r) {
    bool changed = false;
    for (Node *n = r->first, *next; n; n = next) {
        for (int i = 0; i < n->n_regions; i++) changed |= merge_region(g, n->region[i]);
        Node *prev = n->prev;
        bool merged = merge_from(g, n);
        changed |= merged;
        next = merged ? (prev ? prev->next : r->first) : n->next;
    }
    return changed;
}

PASS(merge_contracts, GRAPH, "one contract for several of the same value with constant weights")
bool pass_merge_contracts(Graph *g) {
    Origin origin = g->origin;
    bool changed = merge_region(g, g->body);
    g->origin = origin;
    g->at = g->body;
    return changed;
}
