/* Operations whose subscripts are computed: compute and scatter. */
#include "passes/kernel/lower.h"

/* ---- compute ---- */

/* Loads from placeholders become loads of the inputs. */
static Expr *real_load(void *user, Expr *e) {
    Lower *l = user;
    if (e->kind != E_LOAD) return e;
    for (int i = 0; i < l->node->n_in; i++)
        if (e->tensor == l->node->params[i]) return lower_load(l, l->node->in[i], e->arg);
    return e;
}

bool lower_op_compute(Lower *l) {
    Node *n = l->node;
    Tensor *out = lower_out(l, 0);
    Var *vars[MAX_RANK];
    Expr *at[MAX_RANK];
    lower_kernel(l, "compute");
    lower_vars(l, out->dims, out->rank, vars);
    lower_indices(vars, out->rank, at);
    Subst fresh = {n->vars, at, out->rank};
    Expr *body = expr_subst(l->ctx, lower_resolved(l, n->body), &fresh);
    lower_map(l, out, vars, out->rank, expr_rewrite(l->ctx, body, real_load, l));
    return true;
}

/* ---- scatter ---- */

static Reduce collision(const Node *n) {
    const char *kind = node_str(n, "reduction", "none");
    if (!strcmp(kind, "add")) return RED_SUM;
    if (!strcmp(kind, "mul")) return RED_PROD;
    if (!strcmp(kind, "max")) return RED_MAX;
    return !strcmp(kind, "min") ? RED_MIN : RED_SET;
}

static Expr *subscript(Lower *l, Value *indices, Expr *const *at, Expr *extent) {
    Expr *i = expr_cast(l->ctx, DT_INDEX, lower_load(l, indices, at));
    return build_gather_index(l->graph, i, extent);
}

/* data[at, but indices[at] along axis] */
static void elements_index(Lower *l, Expr *const *at, Expr **index) {
    const Type *data = &l->node->in[0]->type;
    int64_t axis = node_int(l->node, "axis", 0);
    for (int i = 0; i < data->rank; i++) index[i] = at[i];
    index[axis] = subscript(l, l->node->in[1], at, data->dims[axis]);
}

/* data[indices[at..., 0], indices[at..., 1], ..., rest of at] */
static void nd_index(Lower *l, Expr *const *at, Expr **index) {
    const Type *data = &l->node->in[0]->type, *indices = &l->node->in[1]->type;
    int64_t depth = 0;
    Expr *from[MAX_RANK];
    int lead = indices->rank - 1;
    expr_is_int(indices->dims[lead], &depth);
    for (int i = 0; i < lead; i++) from[i] = at[i];
    for (int i = 0; i < data->rank; i++) {
        from[lead] = expr_int(l->ctx, i);
        index[i] =
            i < depth ? subscript(l, l->node->in[1], from, data->dims[i]) : at[lead + i - depth];
    }
}

bool lower_op_scatter(Lower *l) {
    Node *n = l->node;
    Tensor *out = lower_out(l, 0);
    const Type *updates = &n->in[2]->type;
    Var *vars[MAX_RANK];
    Expr *at[MAX_RANK], *index[MAX_RANK];
    bool nd = !strcmp(node_str(n, "mode", ""), "nd");
    if (nd && !expr_is_int(n->in[1]->type.dims[n->in[1]->type.rank - 1], NULL))
        return lower_fail(l, "the last axis of the indices has no known size");
    lower_kernel(l, "scatter");
    lower_vars(l, out->dims, out->rank, vars);
    lower_indices(vars, out->rank, at);
    lower_map(l, out, vars, out->rank, lower_load(l, n->in[0], at));
    lower_vars(l, updates->dims, updates->rank, vars);
    lower_indices(vars, updates->rank, at);
    Stmt *s = stmt_new(l->ctx, ST_SCATTER, out, vars, updates->rank, lower_load(l, n->in[2], at));
    s->op = collision(n);
    if (nd) nd_index(l, at, index);
    else elements_index(l, at, index);
    stmt_set_index(l->ctx, s, index);
    vec_push(l->ctx->perm, &l->kernel->stmts, s);
    return true;
}
