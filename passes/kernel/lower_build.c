/* What the lowering of every operation uses: kernels, variables, loads, statements. */
#include "passes/kernel/lower.h"

/* ---- kernels and variables ---- */

Kernel *lower_kernel(Lower *l, const char *hint) {
    l->kernel = kernel_new(l->program, hint);
    l->kernel->origin = lower_origin(l, &l->kernel->n_origin);
    item_kernel(l->program, l->block, l->kernel);
    l->var_names = map_new(l->ctx->perm);
    return l->kernel;
}

Var *lower_var(Lower *l, const char *name, Expr *extent) {
    const char *fresh = name;
    for (int i = 2; map_get(l->var_names, fresh) || graph_find_sym(l->graph, fresh); i++)
        fresh = arena_printf(l->ctx->perm, "%s%d", name, i);
    map_set(l->var_names, fresh, l);
    return var_new(l->ctx, fresh, extent);
}

void lower_vars(Lower *l, Expr *const *dims, int rank, Var **vars) {
    static const char *const names[] = {"i", "j", "k", "l", "m", "p", "q", "u",
                                        "v", "x", "y", "z", "a", "b", "c", "d"};
    for (int i = 0; i < rank; i++) vars[i] = lower_var(l, names[i], dims[i]);
}

void lower_indices(Var *const *vars, int n, Expr **index) {
    for (int i = 0; i < n; i++) index[i] = vars[i]->self;
}

/* ---- loads ---- */

static Expr *const_element(Lower *l, const Value *v) {
    const Const *c = v->data;
    bool one = c && !c->missing && (c->elements == 1 || !c->data) && c->elements > 0;
    if (!one || dtype_class(c->dtype) == DC_X) return NULL;
    if (dtype_is_float(c->dtype)) return expr_const_flt(l->ctx, c->dtype, const_get(c, 0));
    return expr_const_int(l->ctx, c->dtype, const_get_int(c, 0));
}

Expr *lower_load(Lower *l, Value *v, Expr *const *index) {
    Expr *number = const_element(l, v);
    if (!number) number = lower_inlined(l, v, index);
    return number ? number : expr_load(l->ctx, lower_tensor(l, v), index, v->type.rank);
}

/* The subscript along an axis of extent `have` for position i of an axis that it may be
 * broadcast to. */
static Expr *bcast_index(Lower *l, Expr *i, Expr *have) {
    if (expr_is(have, 1)) return expr_int(l->ctx, 0);
    return expr_min(l->ctx, i, expr_addi(l->ctx, have, -1));
}

Expr *lower_bcast(Lower *l, Value *v, Expr *const *index, int rank) {
    Expr *own[MAX_RANK];
    int shift = rank - v->type.rank;
    for (int i = 0; i < v->type.rank; i++)
        own[i] = bcast_index(l, index[i + shift], v->type.dims[i]);
    return lower_load(l, v, own);
}

Expr *lower_at(Lower *l, Tensor *t, Var *const *vars, int n) {
    Expr *index[MAX_RANK];
    lower_indices(vars, n, index);
    return expr_load(l->ctx, t, index, n);
}

/* ---- statements ---- */

Stmt *lower_map(Lower *l, Tensor *out, Var *const *dom, int n, Expr *value) {
    Stmt *s = stmt_new(l->ctx, ST_MAP, out, dom, n, expr_cast(l->ctx, out->dtype, value));
    vec_push(l->ctx->perm, &l->kernel->stmts, s);
    return s;
}

Stmt *lower_reduce(Lower *l, Reduce op, Tensor *out, Var *const *dom, int n, Var *const *red,
                   int n_red, Expr *value) {
    bool single =
        n_red == 0 && op != RED_ARGMAX && op != RED_ARGMIN; /* of one element: the element */
    Stmt *s = stmt_new(l->ctx, single ? ST_MAP : ST_REDUCE, out, dom, n, value);
    if (!single) s->op = op;
    s->n_red = n_red;
    s->red = NEW_ARRAY(l->ctx->perm, Var *, n_red + 1);
    for (int i = 0; i < n_red; i++) s->red[i] = red[i];
    vec_push(l->ctx->perm, &l->kernel->stmts, s);
    return s;
}

Tensor *lower_temp(Lower *l, const char *role, DType t, Var *const *vars, int n) {
    Expr *dims[MAX_RANK];
    for (int i = 0; i < n; i++) dims[i] = vars[i]->extent;
    const char *name = arena_printf(l->ctx->perm, "%s.%s", l->node->out[0]->name, role);
    return program_temp(l->program, name, t, dims, n);
}

/* ---- small things ---- */

DType lower_acc_type(DType t) {
    return t == DT_F16 || t == DT_BF16 ? DT_F32 : t;
}

Expr *lower_acc(Lower *l, Expr *e) {
    return expr_cast(l->ctx, lower_acc_type(e->type), e);
}

Expr *lower_number(Lower *l, DType t, double v) {
    return dtype_is_float(t) ? expr_const_flt(l->ctx, t, v) : expr_const_int(l->ctx, t, (int64_t)v);
}

Expr *lower_resolved(Lower *l, Expr *e) {
    return expr_resolve(l->ctx, e);
}

int lower_exprs(Lower *l, const char *attr, Expr **out) {
    Expr *const *list = NULL;
    int n = node_exprs(l->node, attr, &list);
    for (int i = 0; i < n && i < MAX_RANK; i++) out[i] = expr_resolve(l->ctx, list[i]);
    return n;
}

int64_t lower_item(const Node *n, const char *attr, int i, int64_t otherwise) {
    const int64_t *list = NULL;
    int count = node_ints(n, attr, &list);
    return i < count ? list[i] : otherwise;
}
