/* What a loop hands from round to round, and what it collects: see lower_carry.h. */
#include "passes/kernel/lower_carry.h"

void loop_counter(Lower *l, Loop *k, Expr *trip) {
    int64_t lo, hi = INT64_MAX;
    if (trip && expr_range(l->ctx, trip, &lo, &hi) && hi != INT64_MAX) hi = MAX(hi - 1, 0);
    k->counter = graph_sym(l->graph, SYM_VALUE, "step", 0, hi);
    k->trip = trip;
}

Expr *loop_step(Lower *l, const Loop *k, bool reverse) {
    Expr *at = expr_sym(l->ctx, k->counter);
    return reverse ? expr_sub(l->ctx, expr_addi(l->ctx, k->trip, -1), at) : at;
}

/* ---- sizes ---- */

/* A symbol that is `first` before the loop and `next` after each round. */
static Expr *running(Lower *l, Loop *k, const char *name, Expr *first, Expr *next) {
    Sym *y = graph_sym(l->graph, SYM_VALUE, name, 0, INT64_MAX);
    lower_bind_dim(l, y, first);
    vec_push(l->ctx->perm, &k->size, y);
    vec_push(l->ctx->perm, &k->next_size, next);
    return expr_sym(l->ctx, y);
}

static const char *axis_name(Lower *l, const char *what, int axis) {
    return arena_printf(l->ctx->perm, "%s_%d", what, axis);
}

static const char *says(Lower *l, const char *what, const char *name, int axis) {
    return arena_printf(l->ctx->perm, "axis %d of %s %s", axis, diag_name(l->ctx, name), what);
}

/* ---- carried values ---- */

static Carried *new_carried(Lower *l, Loop *k) {
    Carried *c = NEW(l->ctx->perm, Carried);
    vec_push(l->ctx->perm, &k->carried, c);
    return c;
}

Carried *loop_carry(Lower *l, Loop *k, Value *first, Value *arg, Value *result) {
    Ctx *ctx = l->ctx;
    Carried *c = new_carried(l, k);
    Expr *dims[MAX_RANK], *next[MAX_RANK];
    int rank = arg->type.rank;
    type_resolve(ctx, &first->type);
    type_resolve(ctx, &arg->type);
    type_resolve(ctx, &result->type);
    for (int i = 0; i < rank; i++) {
        dims[i] = next[i] = first->type.dims[i];
        if (expr_prove_eq(ctx, dims[i], arg->type.dims[i])) continue;
        next[i] = result->type.dims[i];
        c->running[i] = dims[i] = running(l, k, axis_name(l, arg->name, i), dims[i], next[i]);
    }
    c->out = program_tensor(l->program, arg->name, arg->type.dtype, dims, rank);
    c->next = program_tensor(l->program, arg->name, arg->type.dtype, next, rank);
    c->arg = arg;
    c->result = result;
    lower_place(l, arg, c->out);
    return c;
}

/* The argument's own symbols, where the body begins. */
static void bind_args(Lower *l, const Loop *k) {
    for (int i = 0; i < k->carried.n; i++) {
        const Carried *c = k->carried.at[i];
        for (int d = 0; c->arg && d < c->out->rank; d++)
            if (c->running[d])
                lower_settle(l, c->arg->type.dims[d], c->running[d],
                             says(l, "is not what the loop's body takes", c->arg->name, d));
    }
}

/* Dimensions that must not change, and could. */
static void check_result(Lower *l, const Carried *c) {
    for (int d = 0; d < c->out->rank; d++)
        if (!c->running[d])
            lower_settle(l, c->out->dims[d], c->result->type.dims[d],
                         says(l, "changes from round to round", c->arg->name, d));
}

/* ---- the loop ---- */

Block *loop_start(Lower *l, Loop *k, Value *const *first, Tensor *condition) {
    Arena *perm = l->ctx->perm;
    int n = k->carried.n;
    for (int i = 0; i < n; i++)
        if (first[i]) lower_copy(l, first[i], k->carried.at[i]->out);
    Item *it = k->item = item_new(l->program, l->block, ITEM_LOOP);
    it->origin = l->node->origin;
    it->sym = k->counter;
    it->trip = k->trip;
    it->n_out = n;
    it->out = NEW_ARRAY(perm, Tensor *, n + 1);
    it->next = NEW_ARRAY(perm, Tensor *, n + 1);
    for (int i = 0; i < n; i++) {
        it->out[i] = k->carried.at[i]->out;
        it->next[i] = k->carried.at[i]->next;
    }
    it->size = k->size.at;
    it->next_size = k->next_size.at;
    it->n_size = k->size.n;
    it->block[0] = NEW(perm, Block);
    if (condition) {
        it->in = NEW_ARRAY(perm, Tensor *, 1);
        it->in[0] = condition;
        it->n_in = 1;
    }
    Block *outside = lower_enter(l, it->block[0]);
    bind_args(l, k);
    return outside;
}

bool loop_body(Lower *l, Loop *k, Region *r) {
    for (int i = 0; i < k->carried.n; i++) {
        const Carried *c = k->carried.at[i];
        if (c->result) lower_place_result(l, r, c->result, c->next);
    }
    if (!lower_region(l, r)) return false;
    for (int i = 0; i < k->carried.n; i++)
        if (k->carried.at[i]->result) check_result(l, k->carried.at[i]);
    for (int i = 0; i < k->carried.n; i++) {
        const Carried *c = k->carried.at[i];
        if (c->result) lower_finish_result(l, c->result, c->next);
    }
    return true;
}

/* Results of the node that lie in a loop-carried tensor: there, or copied where they have a
 * place already. */
void loop_result(Lower *l, const Carried *c, Value *v) {
    type_resolve(l->ctx, &v->type);
    for (int d = 0; d < v->type.rank; d++) {
        Expr *size = c->running[d] ? c->running[d] : c->out->dims[d];
        lower_settle(l, v->type.dims[d], size, says(l, "is not what is needed", v->name, d));
    }
    Tensor *place = lower_find(l, v);
    if (!place) {
        lower_place(l, v, c->out);
        return;
    }
    Value stand_in = {.name = v->name, .type = v->type};
    lower_place(l, &stand_in, c->out);
    lower_copy(l, &stand_in, place);
    lower_place(l, &stand_in, NULL);
}

/* ---- what is collected ---- */

bool loop_decides(Lower *l, const Value *out, const Value *element, int axis) {
    for (int d = 0; d < element->type.rank; d++)
        if (!expr_prove_eq(l->ctx, out->type.dims[d + (d >= axis)], element->type.dims[d]))
            return true;
    return false;
}

/* Nothing at first; after a round an element more. */
static Carried *grow(Lower *l, Loop *k, const Collected *x) {
    Expr *dims[MAX_RANK], *next[MAX_RANK], *zero = expr_int(l->ctx, 0);
    const Type *out = &x->out->type, *element = &x->element->type;
    Carried *c = new_carried(l, k);
    for (int d = 0; d < out->rank; d++) {
        int from = d - (d > x->axis);
        next[d] = d == x->axis ? expr_addi(l->ctx, expr_sym(l->ctx, k->counter), 1)
                               : element->dims[from];
        dims[d] = out->dims[d];
        if (d != x->axis && expr_prove_eq(l->ctx, dims[d], next[d])) continue;
        c->running[d] = dims[d] = running(l, k, axis_name(l, x->out->name, d), zero, next[d]);
    }
    c->out = program_tensor(l->program, x->out->name, out->dtype, dims, out->rank);
    c->next = program_tensor(l->program, x->out->name, out->dtype, next, out->rank);
    return c;
}

Collected loop_collect(Lower *l, Loop *k, Value *out, Value *element, int axis, bool reverse,
                       bool grows) {
    Collected x = {NULL, out, element, axis, reverse};
    type_resolve(l->ctx, &out->type);
    type_resolve(l->ctx, &element->type);
    if (grows) x.carried = grow(l, k, &x);
    return x;
}

/* Element `at` of a collected result, along the axis. */
static void collect(Lower *l, const Collected *x, Tensor *to, Expr *at) {
    Var *vars[MAX_RANK];
    Expr *index[MAX_RANK];
    int rank = x->element->type.rank;
    lower_kernel(l, "collect");
    lower_vars(l, x->element->type.dims, rank, vars);
    lower_indices(vars, rank, index);
    Stmt *s = lower_map(l, to, vars, rank, lower_load(l, x->element, index));
    for (int i = rank; i > x->axis; i--) index[i] = index[i - 1];
    index[x->axis] = at;
    stmt_set_index(l->ctx, s, index);
}

/* What was collected before, and this round's element behind it, or in front. */
static void append(Lower *l, const Loop *k, const Collected *x) {
    Ctx *ctx = l->ctx;
    const Carried *c = x->carried;
    Var *vars[MAX_RANK];
    Expr *index[MAX_RANK], *element[MAX_RANK], *n = expr_sym(ctx, k->counter);
    int rank = c->next->rank;
    for (int d = 0; d < rank; d++) {
        if (d == x->axis || !c->running[d]) continue;
        Expr *first = expr_op2(ctx, SOP_eq, n, expr_int(ctx, 0));
        Expr *same = expr_op2(ctx, SOP_eq, c->running[d], c->next->dims[d]);
        lower_check(l, expr_op2(ctx, SOP_or, first, same),
                    says(l, "changes from round to round", x->out->name, d));
    }
    lower_kernel(l, "append");
    lower_vars(l, c->next->dims, rank, vars);
    lower_indices(vars, rank, index);
    for (int d = 0; d < rank; d++)
        if (d != x->axis) element[d - (d > x->axis)] = index[d];
    Expr *at = index[x->axis], *last = x->reverse ? expr_int(ctx, 0) : n;
    if (x->reverse) index[x->axis] = expr_addi(ctx, at, -1);
    Expr *before = expr_load(ctx, c->out, index, rank);
    lower_map(l, c->next, vars, rank,
              expr_guard(ctx, expr_op2(ctx, SOP_ne, at, last), before,
                         lower_load(l, x->element, element)));
}

void loop_collect_round(Lower *l, Loop *k, const Collected *x) {
    if (x->carried) append(l, k, x);
    else collect(l, x, lower_tensor(l, x->out), loop_step(l, k, x->reverse));
}
