/* Constant folding: nodes whose operands are constants, values whose cells are all integers, and
 * branches whose condition is constant.
 *
 * Views are moved here (fold_views.c); everything else is evaluated by eval_node, at most 1e7
 * operations a node. The model may not grow by more than 16 MB in one pass; a result that is one
 * value all over becomes a splat, which has no size. For GPUs large constants are not converted to
 * wider types: weights of 4 bits are read as such. Types are inferred again at the end: a constant
 * trip count or a branch that is taken says what a dimension is. */
#include "passes/graph/fold.h"

enum { MAX_OPS = 10000000, MAX_GROWTH = 16 << 20, SMALL = 1 << 16 };

typedef struct Fold {
    Graph *g;
    bool narrow; /* large constants stay as narrow as they are: their readers convert them */
    int64_t growth;
    bool changed;
} Fold;

static bool may_evaluate(const Node *n) {
    if (n->n_regions || n->n_out < 1) return false;
    if (n->op == OP_bind || n->op == OP_call || n->op == OP_state || n->op == OP_compact)
        return false;
    if (n->n_in == 0 && n->op != OP_compute) return false;
    for (int i = 0; i < n->n_in; i++)
        if (n->in[i] && !is_const(n->in[i])) return false;
    return true;
}

static void find_sym(void *user, const Expr *e) {
    if (e->kind == E_SYM) *(bool *)user = true;
}

static bool mentions_symbols(const Node *n) {
    bool found = false;
    if (n->body) expr_visit(n->body, find_sym, &found);
    for (int i = 0; i < n->n_attr; i++)
        for (int k = 0; n->attr[i].kind == AT_EXPRS && k < n->attr[i].n; k++)
            expr_visit(n->attr[i].exprs[k], find_sym, &found);
    return found;
}

static int64_t elements_of(const Value *v) {
    int64_t n;
    return type_static(&v->type, &n) ? n : INT64_MAX;
}

static int64_t bytes_of(const Value *v) {
    int64_t n = elements_of(v), bytes;
    return __builtin_mul_overflow(n, (int64_t)dtype_bytes(v->type.dtype), &bytes) ? INT64_MAX
                                                                                  : bytes;
}

/* An upper bound that is good enough to stop what takes long. */
static int64_t cost(const Node *n) {
    double ops = (double)elements_of(n->out[0]);
    for (int i = 0; i < n->n_in; i++) {
        if (!n->in[i]) continue;
        double in = (double)elements_of(n->in[i]);
        if (n->op == OP_contract && i < 2) ops *= in > 0 ? in : 1;
        else ops = MAX(ops, in);
    }
    if (n->op == OP_contract) ops = sqrt(ops); /* (mn)(mk)(kn) = (mkn)^2 */
    if (n->op == OP_conv || n->op == OP_conv_transpose) {
        int64_t channels = 1;
        expr_is_int(n->in[1]->type.dims[0], &channels);
        ops *= (double)elements_of(n->in[1]) / (double)MAX(channels, 1);
    }
    return ops < 1e15 ? (int64_t)ops : INT64_MAX;
}

static void replace(Fold *f, Node *n, int k, Const *c) {
    Graph *g = f->g;
    Value *old = n->out[k], *v = graph_const(g, old->name, fold_uniform(g->ctx, c), &old->type);
    graph_replace(g, old, v);
    f->changed = true;
}

static void replace_all(Fold *f, Node *n, Const **c) {
    for (int k = 0; k < n->n_out; k++) replace(f, n, k, c[k]);
    node_remove(n);
}

/* Does it make a large constant of one with half the bits or less: convert it to a wider type, or
 * repeat its elements, as scales are repeated? */
static bool widens(const Node *n) {
    const Value *out = n->out[0], *in = n->n_in ? n->in[0] : NULL;
    int64_t elements = elements_of(out);
    if (!in || elements <= SMALL) return false;
    if (n->op == OP_compute && n->body && n->body->kind == E_LOAD)
        return elements_of(in) <= elements / 2;
    return elements_of(in) == elements &&
           2 * dtype_bits(in->type.dtype) <= dtype_bits(out->type.dtype);
}

static bool fold_constants(Fold *f, Node *n) {
    if (!may_evaluate(n) || mentions_symbols(n)) return false;
    if (f->narrow && widens(n)) return false;
    int64_t growth = 0, elements = 0;
    for (int k = 0; k < n->n_out; k++) {
        int64_t bytes = bytes_of(n->out[k]);
        if (bytes == INT64_MAX) return false;
        growth += bytes;
        elements += elements_of(n->out[k]);
    }
    for (int i = 0; i < n->n_in; i++)
        growth -= n->in[i] && n->in[i]->data->data ? bytes_of(n->in[i]) : 0;
    Const *view = fold_view(f->g, n, f->growth + growth <= MAX_GROWTH, SMALL);
    Const **out = NEW_ARRAY(f->g->ctx->perm, Const *, n->n_out);
    if (view) {
        out[0] = view;
        if (!view->data) growth = 0;
    } else if (f->growth + growth > MAX_GROWTH || cost(n) > MAX_OPS) {
        return false;
    } else if (n->op == OP_expand && elements > SMALL) {
        return false;
    } else if (!eval_node(f->g, n, out)) {
        return false;
    }
    if (growth > 0) f->growth += growth;
    replace_all(f, n, out);
    return true;
}

static bool fold_cells(Fold *f, Node *n) {
    if (n->n_out != 1 || n->n_regions || n->op == OP_call || !n->out[0]->cells) return false;
    Value *v = n->out[0];
    size_t bytes = dtype_bytes(v->type.dtype);
    char *data = arena_alloc(f->g->ctx->perm, bytes * (size_t)v->n_cells + 1);
    for (int i = 0; i < v->n_cells; i++) {
        int64_t x;
        if (!v->cells[i] || !expr_is_int(v->cells[i], &x)) return false;
        memcpy(data + (size_t)i * bytes, const_new_int(f->g->ctx, v->type.dtype, x)->data, bytes);
    }
    Const *c = const_new(f->g->ctx, v->type.dtype, v->n_cells, data);
    replace_all(f, n, &c);
    return true;
}

static bool fold_branch(Fold *f, Node *n) {
    Expr *cell;
    if (n->op != OP_if || !value_known(n->in[0], 0, &cell) || !expr_is_int(cell, NULL))
        return false;
    Region *r = n->region[expr_is(cell, 0) ? 1 : 0];
    while (r->first) node_move_before(r->first, n);
    for (int k = 0; k < n->n_out; k++) {
        const Type *joined = &n->out[k]->type, *taken = &r->results[k]->type;
        for (int i = 0; i < taken->rank; i++)
            expr_unify(f->g->ctx, joined->dims[i], taken->dims[i]);
        graph_replace(f->g, n->out[k], r->results[k]);
    }
    node_remove(n);
    f->changed = true;
    return true;
}

static void fold_node(void *user, Node *n) {
    Fold *f = user;
    if (!fold_branch(f, n) && !fold_cells(f, n)) fold_constants(f, n);
}

PASS(fold, GRAPH, "evaluates nodes with constant operands and takes constant branches")
bool pass_fold(Graph *g, const Options *opt) {
    Fold f = {.g = g, .narrow = compiles_for_gpu(opt)};
    graph_each(g, fold_node, &f);
    /* dimensions that only the run would have told may be known now */
    if (f.changed && !pass_rdp(g)) graph_infer_again(g);
    return f.changed;
}
