/* Rules that turn moving data into reading it elsewhere. */
#include "passes/graph/algebra.h"

/* ---- space to depth ---- */

typedef struct Grid { /* slices of one value that take every s-th element of some axes */
    Value *source;
    int axis, parts;
    Expr *shape[MAX_RANK];                    /* of each slice */
    int64_t step[MAX_RANK], weight[MAX_RANK]; /* part k starts at (k / weight) % step */
} Grid;

/* Part k of the concat: the axes' steps are those of the grid, the starts go to `start`. */
static bool grid_part(Graph *g, Grid *d, const Value *v, int k, int64_t *start) {
    const Node *s = def_of(v, OP_slice);
    Expr *const *starts = NULL, *const *shape = NULL;
    const int64_t *steps = NULL;
    if (!s) return false;
    int rank = node_exprs(s, "starts", &starts);
    node_exprs(s, "shape", &shape);
    node_ints(s, "steps", &steps);
    if (k == 0) d->source = s->in[0];
    for (int i = 0; i < rank; i++) {
        if (k == 0) {
            d->step[i] = steps[i];
            d->shape[i] = shape[i];
        }
        bool regular = steps[i] >= 1 && steps[i] == d->step[i] && shape[i] == d->shape[i];
        if (!regular || !expr_is_int(starts[i], &start[i]) || start[i] < 0 || start[i] >= steps[i])
            return false;
        Expr *all = expr_muli(g->ctx, shape[i], steps[i]);
        if (!expr_prove_eq(g->ctx, all, d->source->type.dims[i])) return false;
    }
    return s->in[0] == d->source && steps[d->axis] == 1;
}

/* The weight of an axis is the first part that starts at 1 on it and at 0 on all others. */
static bool grid_of(Graph *g, Node *n, Grid *d) {
    int64_t start[16][MAX_RANK], product = 1;
    int rank = n->out[0]->type.rank;
    *d = (Grid){.axis = (int)node_int(n, "axis", 0), .parts = n->n_in};
    if (n->n_in < 2 || n->n_in > LEN(start)) return false;
    for (int k = 0; k < n->n_in; k++)
        if (!grid_part(g, d, n->in[k], k, start[k])) return false;
    for (int i = 0; i < rank; i++) {
        product *= d->step[i];
        if (product > n->n_in) return false;
        for (int k = 0; k < n->n_in && d->step[i] > 1 && !d->weight[i]; k++) {
            int64_t sum = 0;
            for (int j = 0; j < rank; j++) sum += start[k][j];
            if (sum == 1 && start[k][i] == 1) d->weight[i] = k;
        }
        if (d->step[i] > 1 && !d->weight[i]) return false;
    }
    for (int k = 0; k < n->n_in; k++)
        for (int i = 0; i < rank; i++)
            if (d->step[i] > 1 && start[k][i] != k / d->weight[i] % d->step[i]) return false;
    return product == n->n_in;
}

/* Slices x[a::2], x[b::2] ... side by side are a reshape, a transpose and a reshape. */
Value *rule_space_to_depth(Graph *g, Node *n) {
    Grid d;
    if (n->op != OP_concat || !grid_of(g, n, &d)) return NULL;
    Expr *shape[2 * MAX_RANK];
    int64_t perm[2 * MAX_RANK], inner[MAX_RANK];
    int rank = n->out[0]->type.rank, at = 0, place[MAX_RANK], to = 0, n_inner = 0;
    for (int i = 0; i < rank; i++) {
        place[i] = at;
        shape[at++] = d.shape[i];
        if (d.step[i] > 1) shape[at++] = expr_int(g->ctx, d.step[i]);
    }
    if (at > MAX_RANK) return NULL;
    for (int k = d.parts; k > 0; k--) /* larger weights are further out */
        for (int i = 0; i < rank; i++)
            if (d.step[i] > 1 && d.weight[i] == k) inner[n_inner++] = place[i] + 1;
    for (int i = 0; i < rank; i++) {
        for (int k = 0; i == d.axis && k < n_inner; k++) perm[to++] = inner[k];
        perm[to++] = place[i];
    }
    Value *apart = build_reshape(g, d.source, shape, at);
    return build_reshape(g, build_transpose(g, apart, perm), n->out[0]->type.dims, rank);
}

/* ---- sums behind a view of a product ---- */

enum { MAX_CHAIN = 16 };

/* A rotation as rule_rotate makes it, x[(d + shift) % extent] on one axis: the axis, or -1. */
static int rotation(Graph *g, const Node *n, Expr **shift) {
    Ctx *ctx = g->ctx;
    int axis = -1, rank = n->out[0]->type.rank;
    if (n->op != OP_compute || n->n_in != 1 || n->body->kind != E_LOAD || n->body->n != rank)
        return -1;
    for (int i = 0; i < rank; i++) {
        Expr *at = n->body->arg[i], *d = n->vars[i]->self;
        if (at == d) continue;
        bool turned = axis < 0 && at->kind == E_OP && at->op == SOP_mod &&
                      at->arg[1] == n->out[0]->type.dims[i];
        if (!turned) return -1;
        *shift = expr_sub(ctx, at->arg[0], d);
        if (expr_uses_var(*shift, n->vars[i])) return -1;
        axis = i;
    }
    return axis;
}

static Value *rotated(Graph *g, Value *x, int axis, Expr *shift) {
    Ctx *ctx = g->ctx;
    Expr *index[MAX_RANK];
    int rank = x->type.rank;
    Node *c = build_compute_begin(g, &x, 1, x->type.dtype, x->type.dims, rank);
    for (int i = 0; i < rank; i++) index[i] = c->vars[i]->self;
    index[axis] = expr_mod(ctx, expr_add(ctx, index[axis], shift), x->type.dims[axis]);
    return build_compute_end(g, c, expr_load(ctx, c->params[0], index, rank));
}

static Value *undone(Graph *g, const Node *n, Value *y) {
    const int64_t *perm = NULL;
    int64_t back[MAX_RANK];
    const Type *x = &n->in[0]->type;
    if (n->op == OP_reshape) return build_reshape(g, y, x->dims, x->rank);
    if (n->op == OP_transpose) {
        node_ints(n, "perm", &perm);
        for (int i = 0; i < x->rank; i++) back[perm[i]] = i;
        return build_transpose(g, y, back);
    }
    Expr *shift = NULL;
    int axis = rotation(g, n, &shift);
    return rotated(g, y, axis, expr_sub(g->ctx, x->dims[axis], shift));
}

static Value *done_again(Graph *g, const Node *n, Value *x) {
    const int64_t *perm = NULL;
    const Type *y = &n->out[0]->type;
    if (n->op == OP_reshape) return build_reshape(g, x, y->dims, y->rank);
    if (n->op == OP_transpose) return node_ints(n, "perm", &perm), build_transpose(g, x, perm);
    Expr *shift = NULL;
    int axis = rotation(g, n, &shift);
    return rotated(g, x, axis, shift);
}

static bool keeps_rows(const Node *n) {
    const Type *x = &n->in[0]->type, *y = &n->out[0]->type;
    const int64_t *perm = NULL;
    if (n->op == OP_reshape)
        return x->rank && y->rank && x->dims[x->rank - 1] == y->dims[y->rank - 1];
    if (n->op != OP_transpose) return true;
    return node_ints(n, "perm", &perm) == x->rank && perm[x->rank - 1] == x->rank - 1;
}

/* The views between a product that nothing else reads and v, v's own definition first. All keep
 * rows of the last axis as they are. 0: that is not what v is, or only reshapes lie between. */
static int row_views(Graph *g, Value *v, Node **chain, Value **product) {
    bool moves = false;
    for (int n = 0; n < MAX_CHAIN && v->def && used_once(v); n++, v = v->def->in[0]) {
        Expr *shift;
        Node *d = v->def;
        *product = v;
        if (d->op == OP_contract) return moves ? n : 0;
        bool turns = rotation(g, d, &shift) >= 0 && rotation(g, d, &shift) < v->type.rank - 1;
        if (d->op != OP_reshape && d->op != OP_transpose && !turns) return 0;
        if (!keeps_rows(d)) return 0;
        moves |= d->op != OP_reshape;
        chain[n] = d;
    }
    return 0;
}

/* x + view(contract) = view(view^-1(x) + contract): the sum joins the product, and the rest is
 * again a view. */
Value *rule_sum_before_view(Graph *g, Node *n) {
    if (n->op != scalar(SOP_add)) return NULL;
    for (int k = 0; k < 2; k++) {
        Node *chain[MAX_CHAIN];
        Value *product = NULL, *x = n->in[1 - k];
        if (def_of(x, OP_contract) && used_once(x)) continue; /* it stands there already */
        if (!type_equal(g->ctx, &x->type, &n->out[0]->type)) continue;
        if (!type_equal(g->ctx, &n->in[k]->type, &n->out[0]->type)) continue;
        int count = row_views(g, n->in[k], chain, &product);
        if (!count) continue;
        for (int i = 0; i < count; i++) x = undone(g, chain[i], x);
        Value *y = build_binary(g, SOP_add, x, product);
        for (int i = count - 1; i >= 0; i--) y = done_again(g, chain[i], y);
        return y;
    }
    return NULL;
}
