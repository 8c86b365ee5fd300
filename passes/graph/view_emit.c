/* The shortest chain of views: at most a reshape, a transpose and a reshape. Of two equally short
 * ones, the one that ends with the transpose: a contract takes that into its letters. */
#include "passes/graph/view.h"

typedef struct Moves {
    int rank;                /* of the transposed value */
    Expr *before[MAX_ATOMS]; /* its shape before */
    int64_t perm[MAX_ATOMS];
    bool first, moves, last; /* which of the three nodes are needed */
} Moves;

static int nodes_of(const Moves *p) {
    return p->first + p->moves + p->last;
}

static int position(const View *v, int atom) {
    for (int i = 0; i < v->n_from; i++)
        if (v->from[i] == atom) return i;
    return -1;
}

static bool shape_is(Expr *const *shape, int rank, const Type *t) {
    if (rank != t->rank) return false;
    for (int i = 0; i < rank; i++)
        if (shape[i] != t->dims[i]) return false;
    return true;
}

static void complete(const View *v, Moves *p) {
    Expr *after[MAX_ATOMS];
    p->moves = false;
    for (int i = 0; i < p->rank; i++) {
        after[i] = p->before[p->perm[i]];
        p->moves |= p->perm[i] != i;
    }
    p->first = !shape_is(p->before, p->rank, &v->source->type);
    p->last = !shape_is(after, p->rank, &v->type);
    if (!p->moves) p->last = p->first = false;
    if (!p->moves) p->last = !shape_is(v->source->type.dims, v->source->type.rank, &v->type);
}

/* Blocks of atoms that are neighbours, in order, on both sides: at least this is always possible.
 */
static Moves plan_runs(Graph *g, const View *v) {
    Moves p = {0};
    int start[MAX_ATOMS];
    Expr *extent[MAX_ATOMS];
    for (int i = 0; i < v->n_to; i++) {
        int at = position(v, v->to[i]);
        bool goes_on = i && at == position(v, v->to[i - 1]) + 1;
        if (goes_on) {
            extent[p.rank - 1] = expr_mul(g->ctx, extent[p.rank - 1], v->extent[v->to[i]]);
            continue;
        }
        start[p.rank] = at;
        extent[p.rank++] = v->extent[v->to[i]];
    }
    for (int i = 0; i < p.rank; i++) {
        int before = 0;
        for (int k = 0; k < p.rank; k++) before += start[k] < start[i];
        p.perm[i] = before;
        p.before[before] = extent[i];
    }
    complete(v, &p);
    return p;
}

/* Reshape, then a transpose that gives the result: every axis of the result is a block of the
 * source. Axes of size 1 come first, or where a transpose of the source itself has them. */
static bool plan_result_axes(const View *v, Moves *p) {
    int rank = v->type.rank, start[MAX_RANK], at = 0;
    *p = (Moves){.rank = rank};
    for (int i = 0; i < rank; at += v->count[i++]) {
        start[i] = v->count[i] ? position(v, v->to[at]) : -1;
        for (int k = 1; k < v->count[i]; k++)
            if (position(v, v->to[at + k]) != start[i] + k) return false;
    }
    for (int i = 0; i < rank; i++) {
        int before = 0;
        for (int k = 0; k < rank; k++)
            before += start[k] < start[i] || (start[k] == start[i] && k < i);
        p->perm[i] = before;
        p->before[before] = v->type.dims[i];
    }
    complete(v, p);
    return true;
}

/* A transpose of the source alone: axes are moved whole, those of size 1 in their order. */
static bool plan_source_axes(const View *v, Moves *p) {
    const Type *x = &v->source->type;
    int rank = v->type.rank, at = 0, unit = 0;
    if (x->rank != rank) return false;
    *p = (Moves){.rank = rank};
    int taken = 0, axis_of[MAX_ATOMS] = {0}, size[MAX_RANK] = {0};
    for (int i = 0; i < rank; i++) { /* the atoms of each axis of the source, by product */
        p->before[i] = x->dims[i];
        if (expr_is(x->dims[i], 1)) continue;
        if (taken >= v->n_from || v->extent[v->from[taken]] != x->dims[i]) return false;
        axis_of[taken++] = i;
        size[i] = 1;
    }
    if (taken != v->n_from) return false;
    for (int i = 0; i < rank; i++) {
        if (v->count[i] > 1) return false;
        if (v->count[i]) {
            p->perm[i] = axis_of[position(v, v->to[at++])];
            continue;
        }
        while (unit < rank && size[unit]) unit++;
        if (unit == rank) return false;
        p->perm[i] = unit++;
    }
    complete(v, p);
    return true;
}

static Moves plan_best(Graph *g, const View *v) {
    Moves best = plan_runs(g, v), other;
    if (plan_result_axes(v, &other) && nodes_of(&other) <= nodes_of(&best)) best = other;
    if (plan_source_axes(v, &other) && nodes_of(&other) < nodes_of(&best)) best = other;
    return best;
}

Value *view_emit(Graph *g, const View *v) {
    Moves m = plan_best(g, v);
    Value *x = v->source;
    CHECK(m.rank <= MAX_RANK || !m.moves);
    if (m.moves) x = build_transpose(g, build_reshape(g, x, m.before, m.rank), m.perm);
    return build_reshape(g, x, v->type.dims, v->type.rank);
}

Value *rule_view_chain(Graph *g, Node *n) {
    if (n->op != OP_transpose && n->op != OP_reshape) return NULL;
    View v = view_of(g, n->out[0]);
    for (int i = 0; i < v.type.rank; i++)
        if (view_axis_added(&v, i, false)) return NULL;
    Moves m = plan_best(g, &v);
    if (v.nodes < 2 || m.rank > MAX_RANK) return NULL;
    bool turned = nodes_of(&m) == v.nodes && n->op == OP_reshape && m.moves && !m.last;
    return nodes_of(&m) < v.nodes || turned ? view_emit(g, &v) : NULL;
}
