/* Operations that the runtime does, and values that become symbols: sort, compact, bind, call,
 * state. */
#include "passes/kernel/lower.h"

typedef struct Call {
    Item *item;
    VEC(Tensor *) in, out;
    VEC(Expr *) args;
} Call;

static void call_arg(Lower *l, Call *c, Expr *e) {
    vec_push(l->ctx->perm, &c->args, e);
}

static void call_int(Lower *l, Call *c, int64_t v) {
    call_arg(l, c, expr_int(l->ctx, v));
}

static Item *call_done(Lower *l, Call *c, const char *name, Tensor *scratch) {
    Item *it = item_new(l->program, l->block, ITEM_CALL);
    it->call = arena_str(l->ctx->perm, name);
    it->in = c->in.at;
    it->n_in = c->in.n;
    it->out = c->out.at;
    it->n_out = c->out.n;
    it->args = c->args.at;
    it->n_args = c->args.n;
    it->scratch = scratch;
    if (l->node) it->origin = l->node->origin; /* a constant of strings may be a result */
    return it;
}

static Item *new_bind(Lower *l, Sym *y) {
    Item *it = item_new(l->program, l->block, ITEM_BIND);
    it->sym = y;
    it->origin = l->node->origin;
    map_set_int(l->bound, (uint64_t)(uintptr_t)y, y);
    return it;
}

void lower_bind(Lower *l, Sym *y, Tensor *t, int64_t index) {
    Item *it = new_bind(l, y);
    it->in = NEW_ARRAY(l->ctx->perm, Tensor *, 1);
    it->in[0] = t;
    it->n_in = 1;
    it->index = index;
}

/* The first k of n, or all. */
bool lower_op_sort(Lower *l) {
    Ctx *c = l->ctx;
    const Type *x = &l->node->in[0]->type;
    int64_t axis = node_int(l->node, "axis", 0);
    Expr *k, *list[MAX_RANK];
    lower_exprs(l, "k", list);
    k = list[0];
    bool all = expr_prove_eq(c, k, x->dims[axis]);
    Call call = {0};
    vec_push(c->perm, &call.in, lower_tensor(l, l->node->in[0]));
    vec_push(c->perm, &call.out, lower_out(l, 0));
    vec_push(c->perm, &call.out, lower_out(l, 1));
    call_int(l, &call, dtype_onnx(x->dtype));
    call_arg(l, &call, expr_product(c, x->dims, (int)axis));
    call_arg(l, &call, x->dims[axis]);
    call_arg(l, &call, expr_product(c, x->dims + axis + 1, x->rank - 1 - (int)axis));
    if (!all) call_arg(l, &call, k);
    call_int(l, &call, node_int(l->node, "largest", 0));
    Expr *bytes = expr_muli(c, k, 16);
    const char *name = arena_printf(c->perm, "%s.scratch", l->node->out[0]->name);
    call_done(l, &call, all ? "sort" : "topk", program_tensor(l->program, name, DT_U8, &bytes, 1));
    return true;
}

bool lower_op_compact(Lower *l) {
    Ctx *c = l->ctx;
    const Type *x = &l->node->in[0]->type;
    Tensor *in = lower_tensor(l, l->node->in[0]), *count = lower_out(l, 1);
    Call call = {0};
    vec_push(c->perm, &call.in, in);
    vec_push(c->perm, &call.out, count);
    call_int(l, &call, dtype_onnx(x->dtype));
    call_arg(l, &call, type_elements(c, x));
    call_done(l, &call, "nonzero_count", NULL);
    Sym *y = graph_find_sym(l->graph, node_str(l->node, "sym", ""));
    if (!y) return lower_fail(l, "the number of elements has no symbol");
    lower_bind(l, y, count, 0);
    Call fill = {0};
    vec_push(c->perm, &fill.in, in);
    vec_push(c->perm, &fill.out, lower_out(l, 0));
    call_int(l, &fill, dtype_onnx(x->dtype));
    call_arg(l, &fill, expr_sym(c, y));
    call_int(l, &fill, x->rank);
    for (int i = 0; i < x->rank; i++) call_arg(l, &fill, x->dims[i]);
    call_done(l, &fill, "nonzero_fill", NULL);
    return true;
}

bool lower_op_bind(Lower *l) {
    Expr *const *is;
    bool required = node_exprs(l->node, "is", &is) > 0;
    Sym *y = required ? graph_sym(l->graph, SYM_VALUE, "value", INT64_MIN, INT64_MAX)
                      : graph_find_sym(l->graph, node_str(l->node, "sym", ""));
    lower_bind(l, y, lower_tensor(l, l->node->in[0]), node_int(l->node, "index", 0));
    if (!required) return true;
    const char *name = l->node->in[0]->name;
    lower_settle(l, lower_resolved(l, is[0]), expr_sym(l->ctx, y),
                 arena_printf(l->ctx->perm, "a value of %s is not what is needed", name));
    return true;
}

bool lower_op_check(Lower *l) {
    Expr *const *e;
    Fit fit;
    node_exprs(l->node, "sizes", &e);
    node_fit(l->node, &fit);
    Expr *a = lower_resolved(l, e[0]), *b = lower_resolved(l, e[1]);
    Str text = str_new(l->ctx->perm);
    str_add(&text, "sizes ");
    expr_print(&text, a);
    str_add(&text, " and ");
    expr_print(&text, b);
    str_add(&text, fit == FIT_AT_MOST ? ": the first is larger" : " must be equal");
    lower_check(l, sizes_fit(l->ctx, a, b, fit), str_c(&text));
    return true;
}

void lower_bind_dim(Lower *l, Sym *y, Expr *value) {
    if (value->type == DT_INDEX && !expr_has_load(value)) {
        new_bind(l, y)->value = value;
        return;
    }
    Tensor *t = program_tensor(l->program, y->name, DT_I64, NULL, 0);
    lower_kernel(l, "dim");
    lower_map(l, t, NULL, 0, expr_cast(l->ctx, DT_I64, value));
    lower_bind(l, y, t, 0);
}

void lower_check(Lower *l, Expr *cond, const char *text) {
    if (expr_is(cond, 1)) return;
    Item *it = item_new(l->program, l->block, ITEM_CHECK);
    it->value = cond;
    it->text = arena_str(l->ctx->perm, text);
    it->origin = l->node->origin;
}

void lower_settle(Lower *l, Expr *dim, Expr *size, const char *text) {
    if (expr_prove_eq(l->ctx, dim, size)) return;
    bool open = dim->kind == E_SYM && dim->sym->kind == SYM_VALUE &&
                !map_get_int(l->bound, (uint64_t)(uintptr_t)dim->sym);
    if (open) lower_bind_dim(l, dim->sym, size);
    else lower_check(l, expr_op2(l->ctx, SOP_eq, dim, size), text);
}

void lower_unpack(Lower *l, Tensor *bytes, Tensor *strings, int64_t elements) {
    Call call = {0};
    Block *outer = lower_enter(l, l->program->body);
    vec_push(l->ctx->perm, &call.in, bytes);
    vec_push(l->ctx->perm, &call.out, strings);
    call_int(l, &call, elements);
    Item *it = call_done(l, &call, "str_unpack", NULL);
    Item **at = l->program->body->items.at;
    memmove(at + 1, at, sizeof *at * (size_t)(l->program->body->items.n - 1));
    at[0] = it;
    lower_enter(l, outer);
}

bool lower_op_call(Lower *l) {
    Call call = {0};
    for (int i = 0; i < l->node->n_in; i++)
        if (l->node->in[i]) vec_push(l->ctx->perm, &call.in, lower_tensor(l, l->node->in[i]));
    for (int i = 0; i < l->node->n_out; i++) vec_push(l->ctx->perm, &call.out, lower_out(l, i));
    Expr *const *args = NULL;
    int n_args = node_exprs(l->node, "args", &args);
    for (int i = 0; i < n_args; i++) call_arg(l, &call, expr_resolve(l->ctx, args[i]));
    call_done(l, &call, node_str(l->node, "name", ""), NULL);
    return true;
}

bool lower_op_state(Lower *l) {
    Value *v = l->node->out[0];
    lower_tensor(l, v)->state = true;
    return true;
}
