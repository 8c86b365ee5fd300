/* loop and scan: regions that are run again and again.
 *
 * What a loop hands from round to round is in lower_carry.c. An element of a scanned sequence is
 * not copied: it is read from the sequence at the counter. Results that are collected are written
 * at the counter; where a condition may end the loop early they are as long as the trip count
 * first, and what was filled is copied once the number of rounds is known. Where there is no such
 * limit, or the region decides how large an element is, they grow. */
#include "passes/kernel/lower_carry.h"

/* ---- ONNX Loop ---- */

typedef struct Rounds {
    Expr *trip;    /* at most so many rounds; NULL: no limit */
    bool counted;  /* nothing but the trip count ends the loop */
    Sym *done;     /* the number of rounds, where it is known only behind the loop; else NULL */
    Tensor *count; /* that number, while the loop runs, where something asks for it */
    Collected *collected;
    Tensor **all;  /* per result of the node, of full length; NULL: it goes to its place at once */
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

enum { MOST_ROUNDS = 1 << 24 }; /* room is made for all of them at once */

/* Is there a limit that is worth making room for? */
static bool has_limit(Lower *l, const Rounds *r) {
    int64_t lo, hi;
    if (!r->trip || expr_has_value_sym(r->trip)) return false;
    if (!expr_is_int(r->trip, NULL)) return true;
    return expr_range(l->ctx, r->trip, &lo, &hi) && hi <= MOST_ROUNDS;
}

/* Before the loop: room for what is collected. */
static void open_collected(Lower *l, Loop *k, Rounds *r, int n_carried) {
    const Node *n = l->node;
    int collected = n->n_out - n_carried;
    bool early = !r->counted || !n->in[0], room = r->done && has_limit(l, r);
    r->collected = NEW_ARRAY(l->ctx->perm, Collected, collected + 1);
    r->all = NEW_ARRAY(l->ctx->perm, Tensor *, collected + 1);
    for (int i = 0; i < collected; i++) {
        Value *out = n->out[n_carried + i], *element = n->region[0]->results[1 + n_carried + i];
        bool grows = (early && !room) || loop_decides(l, out, element, 0);
        if (!early)
            lower_settle(l, lower_resolved(l, out->type.dims[0]), r->trip,
                         "the number of rounds is not what is needed");
        r->collected[i] = loop_collect(l, k, out, element, 0, false, grows);
        if (grows || !early) continue;
        if (!r->count) r->count = number(l, "rounds", NULL, expr_int(l->ctx, 0));
        Type t = out->type;
        t.dims[0] = r->trip;
        r->all[i] = program_tensor(l->program, out->name, t.dtype, t.dims, t.rank);
    }
}

static void collect_round(Lower *l, const Rounds *r, Loop *k, int n_carried) {
    for (int i = 0; i < l->node->n_out - n_carried; i++) {
        Value all = {.name = l->node->out[n_carried + i]->name};
        Collected x = r->collected[i];
        if (r->all[i]) {
            x.out = &all;
            lower_place(l, x.out, r->all[i]);
        }
        loop_collect_round(l, k, &x);
        if (r->all[i]) lower_place(l, x.out, NULL);
    }
    if (r->count) number(l, "rounds", r->count, expr_addi(l->ctx, expr_sym(l->ctx, k->counter), 1));
}

/* Behind the loop: its number of rounds is known. */
static void close_collected(Lower *l, const Rounds *r, int n_carried) {
    if (r->count) lower_bind(l, r->done, r->count, 0);
    for (int i = 0; i < l->node->n_out - n_carried; i++) {
        Value *out = l->node->out[n_carried + i];
        if (r->collected[i].carried) loop_result(l, r->collected[i].carried, out);
        if (!r->all[i]) continue;
        Value part = {.name = out->name, .type = out->type};
        lower_place(l, &part, r->all[i]);
        lower_copy(l, &part, lower_tensor(l, out));
        lower_place(l, &part, NULL);
    }
}

bool lower_op_loop(Lower *l) {
    Node *n = l->node;
    Region *body = n->region[0];
    int n_carried = n->n_in - 2, flag = 0;
    Loop k = {0};
    Rounds r = {0};
    find_rounds(l, &r);
    loop_counter(l, &k, r.trip);
    lower_inline(l, body->args[0], expr_cast(l->ctx, DT_I64, expr_sym(l->ctx, k.counter)));
    Value *yes = graph_const_i(l->graph, DT_BOOL, 1);
    Value **first = NEW_ARRAY(l->ctx->perm, Value *, 2 * n->n_out + 2);
    if (r.counted) {
        lower_place(l, body->args[1], lower_tensor(l, yes));
    } else {
        first[flag++] = n->in[1] ? n->in[1] : yes;
        loop_carry(l, &k, first[0], body->args[1], body->results[0]);
    }
    for (int i = 0; i < n_carried; i++) {
        first[flag + i] = n->in[2 + i];
        loop_carry(l, &k, first[flag + i], body->args[2 + i], body->results[1 + i]);
    }
    open_collected(l, &k, &r, n_carried);
    Block *outside = loop_start(l, &k, first, flag ? k.carried.at[0]->out : NULL);
    bool ok = loop_body(l, &k, body);
    if (ok) collect_round(l, &r, &k, n_carried);
    lower_enter(l, outside);
    if (ok) close_collected(l, &r, n_carried);
    for (int i = 0; ok && i < n_carried; i++) loop_result(l, k.carried.at[flag + i], n->out[i]);
    return ok;
}

/* ---- ONNX Scan ---- */

static void scan_elements(Lower *l, const Loop *k, int n_carried) {
    const Node *n = l->node;
    for (int i = n_carried; i < n->n_in; i++) {
        int s = i - n_carried, axis = (int)lower_item(n, "axes", s, 0);
        bool reverse = lower_item(n, "reverse", s, 0) != 0;
        lower_slice_of(l, n->region[0]->args[i], n->in[i], axis, loop_step(l, k, reverse));
    }
}

static Collected scan_result(Lower *l, Loop *k, int i, int n_carried) {
    const Node *n = l->node;
    Value *element = n->region[0]->results[i];
    int axis = (int)lower_item(n, "out_axes", i - n_carried, 0);
    bool reverse = lower_item(n, "out_reverse", i - n_carried, 0) != 0;
    type_resolve(l->ctx, &element->type);
    return loop_collect(l, k, n->out[i], element, axis, reverse,
                        loop_decides(l, n->out[i], element, axis));
}

bool lower_op_scan(Lower *l) {
    Node *n = l->node;
    Region *r = n->region[0];
    int n_carried = (int)node_int(n, "n_carried", 0);
    Loop k = {0};
    Value **first = NEW_ARRAY(l->ctx->perm, Value *, n->n_out + 1);
    Collected *x = NEW_ARRAY(l->ctx->perm, Collected, n->n_out + 1);
    loop_counter(l, &k, n->in[n_carried]->type.dims[lower_item(n, "axes", 0, 0)]);
    for (int i = n_carried + 1; i < n->n_in; i++)
        lower_settle(l, n->in[i]->type.dims[lower_item(n, "axes", i - n_carried, 0)], k.trip,
                     "sequences of different lengths");
    for (int i = 0; i < n_carried; i++)
        loop_carry(l, &k, first[i] = n->in[i], r->args[i], r->results[i]);
    for (int i = n_carried; i < n->n_out; i++) x[i] = scan_result(l, &k, i, n_carried);
    scan_elements(l, &k, n_carried);
    Block *outside = loop_start(l, &k, first, NULL);
    bool ok = loop_body(l, &k, r);
    for (int i = n_carried; ok && i < n->n_out; i++) loop_collect_round(l, &k, &x[i]);
    lower_enter(l, outside);
    for (int i = 0; ok && i < n->n_out; i++)
        if (i < n_carried || x[i].carried) loop_result(l, k.carried.at[i], n->out[i]);
    return ok;
}
