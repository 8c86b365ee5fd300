/* loop and scan: regions that are run again and again.
 *
 * What a loop hands from round to round has two tensors that change places. An element of a
 * scanned sequence is not copied: it is read from the sequence at the counter. Results that are
 * collected are written at the counter; where a condition may end the loop early they are as long
 * as the trip count first, and what was filled is copied once the number of rounds is known. */
#include "passes/kernel/lower.h"

typedef struct Loop {
    Item *item;
    Sym *counter;
    VEC(Tensor *) out, next;
    VEC(Value *) result; /* what becomes next[i] */
} Loop;

static void loop_counter(Lower *l, Loop *k, Expr *trip) {
    int64_t lo, hi = INT64_MAX;
    if (trip && expr_range(l->ctx, trip, &lo, &hi) && hi != INT64_MAX) hi = MAX(hi - 1, 0);
    k->counter = graph_sym(l->graph, SYM_VALUE, "step", 0, hi);
}

/* A value that starts as `first` and is `arg` in the region and `result` at its end. Returns
 * where it lies in the end. */
static Tensor *carry(Lower *l, Loop *k, Value *first, Value *arg, Value *result) {
    Ctx *c = l->ctx;
    const Type *t = &first->type;
    Tensor *out = program_tensor(l->program, arg->name, t->dtype, t->dims, t->rank);
    Tensor *next = program_tensor(l->program, arg->name, t->dtype, t->dims, t->rank);
    lower_copy(l, first, out);
    lower_place(l, arg, out);
    vec_push(c->perm, &k->out, out);
    vec_push(c->perm, &k->next, next);
    vec_push(c->perm, &k->result, result);
    return out;
}

static bool keeps_dims(Lower *l, const Value *first, const Value *result) {
    for (int i = 0; i < first->type.rank; i++)
        if (!expr_prove_eq(l->ctx, first->type.dims[i], result->type.dims[i])) return false;
    return true;
}

/* Element `counter` of a collected result, along the axis. */
static void collect(Lower *l, Value *v, Tensor *to, int64_t axis, Expr *at) {
    Var *vars[MAX_RANK];
    Expr *index[MAX_RANK];
    int rank = v->type.rank;
    lower_kernel(l, "collect");
    lower_vars(l, v->type.dims, rank, vars);
    lower_indices(vars, rank, index);
    Stmt *s = lower_map(l, to, vars, rank, lower_load(l, v, index));
    for (int i = rank; i > axis; i--) index[i] = index[i - 1];
    index[axis] = at;
    stmt_set_index(l->ctx, s, index);
}

static bool loop_body(Lower *l, Loop *k, Region *r) {
    for (int i = 0; i < k->result.n; i++) lower_place_result(l, r, k->result.at[i], k->next.at[i]);
    if (!lower_region(l, r)) return false;
    for (int i = 0; i < k->result.n; i++) lower_finish_result(l, k->result.at[i], k->next.at[i]);
    return true;
}

static void loop_item(Lower *l, Loop *k, Expr *trip, Tensor *condition) {
    Item *it = k->item = item_new(l->program, l->block, ITEM_LOOP);
    it->origin = l->node->origin;
    it->sym = k->counter;
    it->trip = trip;
    it->out = k->out.at;
    it->next = k->next.at;
    it->n_out = k->out.n;
    it->block[0] = NEW(l->ctx->perm, Block);
    if (!condition) return;
    it->in = NEW_ARRAY(l->ctx->perm, Tensor *, 1);
    it->in[0] = condition;
    it->n_in = 1;
}

/* Results of the node that lie in a loop-carried tensor: there, or copied where they have a
 * place already. */
static void loop_result(Lower *l, Value *v, Tensor *t) {
    Tensor *place = lower_find(l, v);
    if (!place) {
        lower_place(l, v, t);
        return;
    }
    Value stand_in = {.name = v->name, .type = v->type};
    lower_place(l, &stand_in, t);
    lower_copy(l, &stand_in, place);
    lower_place(l, &stand_in, NULL);
}

/* ---- ONNX Loop ---- */

typedef struct Rounds {
    Expr *trip;    /* at most so many rounds; NULL: no limit */
    bool counted;  /* nothing but the trip count ends the loop */
    Sym *done;     /* the number of rounds, where it is known only behind the loop; else NULL */
    Tensor *count; /* that number, while the loop runs */
    Tensor **all;  /* collected results of full length; NULL: they go to their place at once */
} Rounds;

static bool always_true(const Value *v) {
    return !v || (v->n_cells == 1 && v->cells[0] && expr_is(v->cells[0], 1));
}

/* The symbol that says how many rounds there were, if the graph has one that is still free. */
static Sym *rounds_sym(Lower *l) {
    const char *name = node_str(l->node, "sym", NULL);
    Sym *y = name ? graph_find_sym(l->graph, name) : NULL;
    return y && !y->merged ? y : NULL;
}

/* The trip count is an expression, or a symbol that is bound before the loop. */
static void find_rounds(Lower *l, Rounds *r) {
    Ctx *c = l->ctx;
    const Region *body = l->node->region[0];
    Value *limit = l->node->in[0];
    Sym *rounds = rounds_sym(l);
    bool stays = always_true(body->results[0]) || body->results[0] == body->args[1];
    r->counted = always_true(l->node->in[1]) && stays;
    r->done = r->counted && limit ? NULL : rounds;
    if (!limit) return;
    if (value_known(limit, 0, &r->trip)) {
        r->trip = expr_max(c, lower_resolved(l, r->trip), expr_int(c, 0));
        return;
    }
    Sym *y = r->counted ? rounds : NULL;
    if (!y) y = graph_sym(l->graph, SYM_VALUE, "trip", 0, INT64_MAX);
    Expr *zero = expr_int(c, 0), *count = expr_cast(c, DT_I64, lower_load(l, limit, &zero));
    lower_bind_dim(l, y, expr_op2(c, SOP_max, count, expr_const_int(c, DT_I64, 0)));
    r->trip = expr_sym(c, y);
}

static Tensor *number(Lower *l, const char *name, Tensor *to, Expr *value) {
    if (!to) to = program_tensor(l->program, name, DT_I64, NULL, 0);
    lower_kernel(l, name);
    lower_map(l, to, NULL, 0, expr_cast(l->ctx, DT_I64, value));
    return to;
}

/* Before the loop: room for what is collected. */
static void open_collected(Lower *l, Rounds *r, int n_carried) {
    const Node *n = l->node;
    if (!r->done || n->n_out == n_carried) return;
    r->count = number(l, "rounds", NULL, expr_int(l->ctx, 0));
    r->all = NEW_ARRAY(l->ctx->perm, Tensor *, n->n_out);
    for (int i = n_carried; i < n->n_out; i++) {
        Type t = n->out[i]->type;
        t.dims[0] = r->trip;
        r->all[i] = program_tensor(l->program, n->out[i]->name, t.dtype, t.dims, t.rank);
    }
}

static void collect_round(Lower *l, const Rounds *r, const Loop *k, int n_carried) {
    Expr *at = expr_sym(l->ctx, k->counter);
    for (int i = n_carried; i < l->node->n_out; i++) {
        Tensor *to = r->all ? r->all[i] : lower_out(l, i);
        collect(l, l->node->region[0]->results[1 + i], to, 0, at);
    }
    if (r->all) number(l, "rounds", r->count, expr_addi(l->ctx, at, 1));
}

/* Behind the loop: its number of rounds is known. */
static void close_collected(Lower *l, const Rounds *r, int n_carried) {
    if (!r->all) return;
    lower_bind(l, r->done, r->count, 0);
    for (int i = n_carried; i < l->node->n_out; i++) {
        Value part = {.name = l->node->out[i]->name, .type = l->node->out[i]->type};
        lower_place(l, &part, r->all[i]);
        lower_copy(l, &part, lower_out(l, i));
        lower_place(l, &part, NULL);
    }
}

/* What the loop cannot do yet; a diagnostic. */
static bool can_loop(Lower *l, const Rounds *r, int n_carried) {
    const Node *n = l->node;
    for (int i = 0; i < n_carried; i++)
        if (!keeps_dims(l, n->in[2 + i], n->region[0]->results[1 + i]))
            return lower_fail(l, "a loop whose values change size is not supported yet");
    if (n->n_out > n_carried && !r->trip)
        return lower_fail(l, "a loop without a trip count cannot collect values yet");
    return true;
}

bool lower_op_loop(Lower *l) {
    Node *n = l->node;
    Region *body = n->region[0];
    int n_carried = n->n_in - 2;
    Loop k = {0};
    Rounds r = {0};
    find_rounds(l, &r);
    if (!can_loop(l, &r, n_carried)) return false;
    loop_counter(l, &k, r.trip);
    open_collected(l, &r, n_carried);
    lower_inline(l, body->args[0], expr_cast(l->ctx, DT_I64, expr_sym(l->ctx, k.counter)));
    Tensor *condition = NULL;
    Value *yes = graph_const_i(l->graph, DT_BOOL, 1);
    if (r.counted) lower_place(l, body->args[1], lower_tensor(l, yes));
    else condition = carry(l, &k, n->in[1] ? n->in[1] : yes, body->args[1], body->results[0]);
    for (int i = 0; i < n_carried; i++)
        carry(l, &k, n->in[2 + i], body->args[2 + i], body->results[1 + i]);
    loop_item(l, &k, r.trip, condition);
    Block *outer = lower_enter(l, k.item->block[0]);
    bool ok = loop_body(l, &k, body);
    if (ok) collect_round(l, &r, &k, n_carried);
    lower_enter(l, outer);
    if (ok) close_collected(l, &r, n_carried);
    for (int i = 0; ok && i < n_carried; i++)
        loop_result(l, n->out[i], k.out.at[k.out.n - n_carried + i]);
    return ok;
}

/* ---- ONNX Scan ---- */

static Expr *step(Lower *l, const Loop *k, Expr *trip, bool reverse) {
    Expr *at = expr_sym(l->ctx, k->counter);
    return reverse ? expr_sub(l->ctx, expr_addi(l->ctx, trip, -1), at) : at;
}

static void scan_elements(Lower *l, const Loop *k, Expr *trip, int n_carried) {
    const Node *n = l->node;
    for (int i = n_carried; i < n->n_in; i++) {
        int s = i - n_carried, axis = (int)lower_item(n, "axes", s, 0);
        bool reverse = lower_item(n, "reverse", s, 0) != 0;
        lower_slice_of(l, n->region[0]->args[i], n->in[i], axis, step(l, k, trip, reverse));
    }
}

static void scan_results(Lower *l, const Loop *k, Expr *trip, int n_carried) {
    const Node *n = l->node;
    for (int i = n_carried; i < n->n_out; i++) {
        int s = i - n_carried;
        bool reverse = lower_item(n, "out_reverse", s, 0) != 0;
        int64_t axis = lower_item(n, "out_axes", s, 0);
        collect(l, n->region[0]->results[i], lower_out(l, i), axis, step(l, k, trip, reverse));
    }
}

bool lower_op_scan(Lower *l) {
    Node *n = l->node;
    Region *r = n->region[0];
    int n_carried = (int)node_int(n, "n_carried", 0);
    Loop k = {0};
    Expr *trip = n->in[n_carried]->type.dims[lower_item(n, "axes", 0, 0)];
    for (int i = 0; i < n_carried; i++)
        if (!keeps_dims(l, n->in[i], r->results[i]))
            return lower_fail(l, "a scan whose values change size is not supported yet");
    loop_counter(l, &k, trip);
    for (int i = 0; i < n_carried; i++) carry(l, &k, n->in[i], r->args[i], r->results[i]);
    scan_elements(l, &k, trip, n_carried);
    loop_item(l, &k, trip, NULL);
    Block *outer = lower_enter(l, k.item->block[0]);
    bool ok = loop_body(l, &k, r);
    if (ok) scan_results(l, &k, trip, n_carried);
    lower_enter(l, outer);
    for (int i = 0; ok && i < n_carried; i++) loop_result(l, n->out[i], k.out.at[i]);
    return ok;
}
