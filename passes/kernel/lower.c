/* Graph to kernels: the walk over nodes, and where values lie. */
#include "passes/kernel/lower.h"

/* ---- tensors of values ---- */

void lower_place(Lower *l, Value *v, Tensor *t) {
    map_set_int(l->tensors, (uint64_t)(uintptr_t)v, t);
}

Tensor *lower_find(Lower *l, const Value *v) {
    return map_get_int(l->tensors, (uint64_t)(uintptr_t)v);
}

/* ---- values without a tensor ---- */

typedef struct Inlined {
    Expr *number;
    Value *whole;
    int axis;
    Expr *at;
} Inlined;

static Inlined *inlined(const Lower *l, const Value *v) {
    return map_get_int(l->inlined, (uint64_t)(uintptr_t)v);
}

static void set_inlined(Lower *l, const Value *v, Inlined x) {
    map_set_int(l->inlined, (uint64_t)(uintptr_t)v, arena_copy(l->ctx->perm, &x, sizeof x));
}

bool lower_has(Lower *l, const Value *v) {
    return lower_find(l, v) || inlined(l, v);
}

void lower_inline(Lower *l, Value *v, Expr *number) {
    set_inlined(l, v, (Inlined){.number = number});
}

void lower_slice_of(Lower *l, Value *v, Value *whole, int axis, Expr *at) {
    set_inlined(l, v, (Inlined){.whole = whole, .axis = axis, .at = at});
}

Expr *lower_inlined(Lower *l, Value *v, Expr *const *index) {
    Inlined *x = inlined(l, v);
    Expr *of_whole[MAX_RANK];
    if (!x) return NULL;
    if (x->number) return x->number;
    for (int i = 0; i < x->whole->type.rank; i++)
        of_whole[i] = i == x->axis ? x->at : index[i - (i > x->axis)];
    return lower_load(l, x->whole, of_whole);
}

/* Makes the tensor of such a value, by a kernel in front of what is built next. */
static Tensor *materialise(Lower *l, Value *v) {
    Tensor *t = program_tensor(l->program, v->name, v->type.dtype, v->type.dims, v->type.rank);
    lower_copy(l, v, t);
    return t;
}

/* ---- tensors ---- */

/* Strings are stored by offsets and become pointers when the run begins. */
static Tensor *new_strings(Lower *l, Value *v) {
    Const *bytes = const_packed_strings(l->ctx, v->data);
    Expr *dim = expr_int(l->ctx, bytes->elements);
    const char *name = arena_printf(l->ctx->perm, "%s.bytes", v->name);
    Tensor *from =
        tensor_new(l->ctx, program_name(l->program, name), DT_U8, &dim, 1, SP_CONST);
    Tensor *t = program_tensor(l->program, v->name, DT_STR, v->type.dims, v->type.rank);
    from->data = bytes;
    vec_push(l->ctx->perm, &l->program->consts, from);
    lower_unpack(l, from, t, v->data->elements);
    return t;
}

static Tensor *new_const(Lower *l, Value *v) {
    if (v->type.dtype == DT_STR && !v->data->missing) return new_strings(l, v);
    Tensor *t = tensor_new(l->ctx, program_name(l->program, v->name), v->type.dtype, v->type.dims,
                           v->type.rank, SP_CONST);
    t->data = v->data;
    vec_push(l->ctx->perm, &l->program->consts, t);
    return t;
}

Tensor *lower_tensor(Lower *l, Value *v) {
    Tensor *t = lower_find(l, v);
    if (t) return t;
    if (inlined(l, v)) return materialise(l, v);
    type_resolve(l->ctx, &v->type);
    t = v->data ? new_const(l, v)
                : program_tensor(l->program, v->name, v->type.dtype, v->type.dims, v->type.rank);
    lower_place(l, v, t);
    return t;
}

Tensor *lower_out(Lower *l, int k) {
    return lower_tensor(l, l->node->out[k]);
}

void lower_copy(Lower *l, Value *v, Tensor *to) {
    lower_kernel(l, "copy");
    Var *vars[MAX_RANK];
    Expr *index[MAX_RANK];
    lower_vars(l, to->dims, to->rank, vars);
    lower_indices(vars, to->rank, index);
    lower_map(l, to, vars, to->rank, lower_load(l, v, index));
}

Origin *lower_origin(Lower *l, int *n) {
    *n = 0;
    if (!l->node || (!l->node->origin.node && !l->node->origin.op)) return NULL;
    *n = 1;
    return arena_copy(l->ctx->perm, &l->node->origin, sizeof(Origin));
}

bool lower_fail(Lower *l, const char *what) {
    Loc loc = node_loc(l->graph, l->node);
    l->failed = true;
    return diag_error(l->ctx, &loc, "%s", what);
}

/* ---- nodes ---- */

typedef bool LowerFn(Lower *);
static LowerFn *const lower_fns[] = {
#define G(name, lo, hi, outs, mapping, meaning) lower_op_##name,
#include "ir/graph_ops.def"
#undef G
};

static void resolve_types(Lower *l, Node *n) {
    for (int i = 0; i < n->n_in; i++)
        if (n->in[i]) type_resolve(l->ctx, &n->in[i]->type);
    for (int i = 0; i < n->n_out; i++) type_resolve(l->ctx, &n->out[i]->type);
}

static bool lower_one(Lower *l, Node *n) {
    l->node = n;
    resolve_types(l, n);
    return op_is_scalar(n->op) ? lower_scalar(l) : lower_fns[n->op](l);
}

bool lower_region(Lower *l, Region *r) {
    Node *outer = l->node;
    bool ok = true;
    for (Node *n = r->first; n; n = n->next) ok &= lower_one(l, n);
    l->node = outer;
    return ok;
}

/* ---- the program ---- */

static void add_inputs(Lower *l) {
    Region *body = l->graph->body;
    for (int i = 0; i < body->n_args; i++) {
        Value *v = body->args[i];
        type_resolve(l->ctx, &v->type);
        char *name = program_name(l->program, v->name);
        Tensor *t = tensor_new(l->ctx, name, v->type.dtype, v->type.dims, v->type.rank, SP_INPUT);
        t->slot = i;
        vec_push(l->ctx->perm, &l->program->inputs, t);
        lower_place(l, v, t);
    }
}

/* A result that a node defines is written to its output at once; what is an input, a constant or
 * stands twice among the results is copied in the end. */
static void add_output(Lower *l, Value *v, const char *name) {
    type_resolve(l->ctx, &v->type);
    name = program_name(l->program, name);
    Tensor *t = tensor_new(l->ctx, name, v->type.dtype, v->type.dims, v->type.rank, SP_OUTPUT);
    t->slot = l->program->outputs.n;
    vec_push(l->ctx->perm, &l->program->outputs, t);
    bool own = v->def && v->def->op != OP_state && !lower_find(l, v);
    if (own) lower_place(l, v, t);
}

static void copy_outputs(Lower *l) {
    Region *body = l->graph->body;
    for (int i = 0; i < body->n_results; i++)
        if (lower_find(l, body->results[i]) != l->program->outputs.at[i])
            lower_copy(l, body->results[i], l->program->outputs.at[i]);
}

static void add_syms(Lower *l) {
    for (int i = 0; i < l->graph->syms.n; i++) {
        Sym *y = l->graph->syms.at[i];
        bool listed = y->merged != NULL;
        for (int j = 0; j < l->program->syms.n; j++) listed |= l->program->syms.at[j] == y;
        if (!listed) vec_push(l->ctx->perm, &l->program->syms, y);
    }
}

static Lower open_lower(Graph *g) {
    Lower l = {.ctx = g->ctx, .graph = g, .program = program_new(g->ctx, g->name)};
    l.tensors = map_new(g->ctx->perm);
    l.inlined = map_new(g->ctx->perm);
    l.bound = map_new(g->ctx->perm);
    l.block = l.program->body;
    return l;
}

Program *lower_node(Graph *g, Node *n) {
    Lower l = open_lower(g);
    for (int i = 0; i < n->n_out; i++) add_output(&l, n->out[i], n->out[i]->name);
    if (!lower_one(&l, n)) return NULL;
    add_syms(&l);
    return l.program;
}

/* Those that are not settled by now. */
static void add_requires(Lower *l) {
    for (int i = 0; i < l->graph->requires.n; i++) {
        Require r = l->graph->requires.at[i];
        r.cond = expr_resolve(l->ctx, r.cond);
        if (!expr_is(r.cond, 1)) vec_push(l->ctx->perm, &l->program->requires, r);
    }
}

Program *lower_graph(Graph *g, const Options *options) {
    (void)options;
    Lower l = open_lower(g);
    add_inputs(&l);
    for (int i = 0; i < g->body->n_results; i++)
        add_output(&l, g->body->results[i], g->output_names[i]);
    bool ok = lower_region(&l, g->body);
    if (!ok) return NULL;
    copy_outputs(&l);
    add_syms(&l);
    add_requires(&l);
    return l.program;
}
