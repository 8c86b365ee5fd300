/* Which kernels and calls run on the device. Pass copies then says where tensors lie, and puts in
 * the copies:
 *
 *   tensor %n : i64[] device
 *   device kernel k0 { %n[] = sum[i<64] ... }     # from elements that lie there
 *   copy %n -> %n.host                            # a bind: only the host can
 *   bind k = %n.host[0]
 *
 * Some things only the host can do: strings and sequences, runtime functions without a counterpart
 * on the device (device_calls.def), symbols and conditions. Everything else runs on the device,
 * unless the host does it sooner than a copy takes: what a kernel costs on one processor and what a
 * copy and its wait cost make a network whose cheapest cut is the placement. So kernels of a few
 * operations between host items stay on the host. The program's inputs are on both sides at no
 * cost, and so are its outputs. Requires: final kernels. */
#include "passes/plan/placement.h"

#include "passes/plan/device_calls.h"

/* In nanoseconds, for the order of magnitude: chips and buses differ. */
enum { TO_HOST = 15000, TO_DEVICE = 6000, HOST_CALL = 100, LOOP_ROUNDS = 8 };
enum { MOST_HOST_OPS = 32768 }; /* a kernel that may do more never runs on the host by choice */
static const double NS_PER_BYTE = 0.05, NS_PER_OP = 0.5;

/* ---- groups ---- */
static Group *top_of(Group *g) {
    while (g->up) g = g->up;
    return g;
}

Group *placement_group(Placement *w, Tensor *t) {
    if (!t->aux) {
        Group *g = t->aux = NEW(w->ctx->perm, Group);
        if (t->alias) g->up = placement_group(w, t->alias);
    }
    return top_of(t->aux);
}

static void join(Placement *w, Tensor *a, Tensor *b) {
    Group *x = placement_group(w, a), *y = placement_group(w, b);
    if (x != y) y->up = x;
}

static void join_carried(void *user, Block *b, Item *it) {
    (void)b;
    if (it->kind != ITEM_LOOP) return;
    for (int i = 0; i < it->n_out; i++) join(user, it->out[i], it->next[i]);
}

/* What a loop moves, since its size changes, the host's part of the runtime moves. Nobody reads a
 * copy on the device, whose place was found when the size was what it is in front of the loop. */
static void keep_moved(void *user, Block *b, Item *it) {
    Placement *w = user;
    (void)b;
    for (int i = 0; it->kind == ITEM_LOOP && i < it->n_out; i++) {
        const Group *g = placement_group(w, it->out[i]);
        if (!item_moves(it, i)) continue;
        cut_edge(&w->cut, CUT_SOURCE, g->node, CUT_NEVER);
        if (g->away) cut_edge(&w->cut, CUT_SOURCE, g->away, CUT_NEVER);
    }
}

static void note_condition(void *user, Block *b, Item *it) {
    (void)b;
    if (it->kind == ITEM_LOOP && it->n_in && it->in[0]->space != SP_INPUT &&
        it->in[0]->space != SP_CONST)
        placement_group(user, it->in[0])->condition = true;
}

/* ---- costs ---- */
typedef struct Size {
    bool most; /* the most it can be, else a typical size */
    bool bounded;
} Size;

static int64_t sym_size(void *user, const Sym *s) {
    Size *size = user;
    if (!size->most) return MAX(s->lo, MIN(s->hi, 64));
    if (s->hi == INT64_MAX) size->bounded = false;
    return s->hi;
}

static int64_t no_var(void *user, const Var *v) {
    (void)user, (void)v;
    return 0;
}

/* -1: unbounded */
static double value_of(Expr *e, bool most) {
    Size size = {most, true};
    ExprEnv env = {no_var, sym_size, &size};
    int64_t v = 0;
    return expr_eval_index(e, &env, &v) && size.bounded ? (double)v : -1;
}

/* Scalar operations of a kernel; -1: unbounded. */
static double ops_of(const Kernel *k, bool most) {
    double sum = 0;
    for (int i = 0; i < k->stmts.n; i++) {
        const Stmt *s = k->stmts.at[i];
        double n = 1 + expr_size(s->value) / 4.0;
        for (int d = 0; d < s->n_dom + s->n_red; d++) {
            double extent =
                value_of((d < s->n_dom ? s->dom[d] : s->red[d - s->n_dom])->extent, most);
            if (extent < 0) return -1;
            n *= extent;
        }
        sum += n;
    }
    return sum;
}

/* A sort takes some operations for every element and doubling of their number. */
static double item_ops(Ctx *ctx, const Item *it, bool most) {
    enum { EACH = 40 };
    if (it->kind == ITEM_KERNEL) return ops_of(it->kernel, most);
    double n = value_of(expr_product(ctx, it->in[0]->dims, it->in[0]->rank), most);
    return n < 0 ? n : n * EACH;
}

static double bytes_of(Placement *w, Tensor *t) {
    double n = value_of(plan_buffer_bytes(w->ctx, t), false);
    return MAX(n, 64);
}

/* ---- what an item touches ---- */
void placement_uses(Ctx *ctx, const Item *it, Tensor ***in, int *n_in, Tensor ***out, int *n_out) {
    *in = it->in, *n_in = it->n_in;
    *out = it->out, *n_out = it->kind == ITEM_CALL ? it->n_out : 0;
    if (it->kind == ITEM_KERNEL) kernel_tensors(ctx, it->kernel, in, n_in, out, n_out);
    if (it->kind != ITEM_CALL || !it->scratch) return;
    *out = NEW_ARRAY(ctx->perm, Tensor *, it->n_out + 1);
    memcpy(*out, it->out, sizeof *it->out * (size_t)it->n_out);
    (*out)[(*n_out)++] = it->scratch;
}

static bool touches_pointers(Tensor *const *t, int n) {
    bool found = false;
    for (int i = 0; i < n; i++) found |= t[i] && dtype_has_pointers(t[i]->dtype);
    return found;
}

static bool host_only(const Item *it, Tensor **in, int n_in, Tensor **out, int n_out) {
    if (it->kind != ITEM_KERNEL && it->kind != ITEM_CALL) return true;
    if (touches_pointers(in, n_in) || touches_pointers(out, n_out)) return true;
    return it->kind == ITEM_CALL && !device_can_call(it->call);
}

/* ---- the network ---- */
static void group_node(Placement *w, Tensor *t) {
    Group *g = placement_group(w, t);
    if (!g->node) {
        g->node = cut_node(&w->cut);
        g->index = w->groups.n;
        vec_push(w->ctx->perm, &w->groups, g);
    }
    g->bytes = MAX(g->bytes, bytes_of(w, t));
    if (dtype_has_pointers(t->dtype)) cut_edge(&w->cut, CUT_SOURCE, g->node, CUT_NEVER);
}

static int64_t copy_cost(const Group *g, int64_t start, int rounds) {
    return (int64_t)((double)start + g->bytes * NS_PER_BYTE) * rounds;
}

/* The node that every reader on the other side of the group is tied to: one copy serves them. */
static void add_reader(Placement *w, Group *g, int reader, int rounds) {
    if (!g->home) {
        g->home = cut_node(&w->cut);
        g->away = cut_node(&w->cut);
        cut_edge(&w->cut, g->home, g->node, copy_cost(g, TO_HOST, rounds));
        cut_edge(&w->cut, g->node, g->away, copy_cost(g, TO_DEVICE, rounds));
    }
    cut_edge(&w->cut, reader, g->home, CUT_NEVER);
    cut_edge(&w->cut, g->away, reader, CUT_NEVER);
}

static void add_writer(Placement *w, Group *g, int writer, int rounds) {
    if (g->condition) { /* it lies on the host; a device's result is copied there */
        cut_edge(&w->cut, CUT_SOURCE, g->node, CUT_NEVER);
        cut_edge(&w->cut, CUT_SOURCE, writer, copy_cost(g, TO_HOST, rounds));
        return;
    }
    cut_edge(&w->cut, g->node, writer, CUT_NEVER);
    cut_edge(&w->cut, writer, g->node, CUT_NEVER);
}

static void add_item(Placement *w, Item *it, int rounds) {
    Tensor **in, **out;
    int n_in, n_out, node = cut_node(&w->cut);
    placement_uses(w->ctx, it, &in, &n_in, &out, &n_out);
    map_set_int(w->items, (uint64_t)(uintptr_t)it, (void *)(intptr_t)node);
    if (host_only(it, in, n_in, out, n_out)) {
        cut_edge(&w->cut, CUT_SOURCE, node, CUT_NEVER);
    } else {
        double most = item_ops(w->ctx, it, true), ops = item_ops(w->ctx, it, false);
        bool large = most < 0 || most > MOST_HOST_OPS;
        cut_edge(&w->cut, node, CUT_SINK,
                 large ? CUT_NEVER / 2 : (int64_t)(HOST_CALL + ops * NS_PER_OP) * rounds);
    }
    for (int i = 0; i < n_out; i++)
        if (out[i]) add_writer(w, placement_group(w, out[i]), node, rounds);
    for (int i = 0; i < n_in; i++)
        if (in[i] && in[i]->space != SP_CONST && in[i]->space != SP_INPUT)
            add_reader(w, placement_group(w, in[i]), node, rounds);
}

static void add_block(Placement *w, Block *b, int rounds) {
    for (int i = 0; i < b->items.n; i++) {
        Item *it = b->items.at[i];
        bool loop = it->kind == ITEM_LOOP;
        add_item(w, it, rounds);
        for (int k = 0; k < 2; k++)
            if (it->block[k])
                add_block(w, it->block[k], MIN(loop ? rounds * LOOP_ROUNDS : rounds, 512));
    }
}

void placement_groups(Placement *w, Program *p) {
    *w = (Placement){.p = p, .ctx = p->ctx, .items = map_new(p->ctx->perm)};
    for (int i = 0; i < p->inputs.n; i++) p->inputs.at[i]->aux = NULL;
    for (int i = 0; i < p->outputs.n; i++) p->outputs.at[i]->aux = NULL;
    for (int i = 0; i < p->tensors.n; i++) p->tensors.at[i]->aux = NULL;
    for (int i = 0; i < p->consts.n; i++) p->consts.at[i]->aux = NULL;
    cut_open(&w->cut, p->ctx->perm);
    program_each_item(p, join_carried, w);
    program_each_item(p, note_condition, w);
    for (int i = 0; i < p->tensors.n; i++) group_node(w, p->tensors.at[i]);
    for (int i = 0; i < p->inputs.n; i++) group_node(w, p->inputs.at[i]);
    for (int i = 0; i < p->outputs.n; i++) group_node(w, p->outputs.at[i]);
}

static void build(Placement *w) {
    add_block(w, w->p->body, 1);
    program_each_item(w->p, keep_moved, w);
}

/* ---- the result ---- */
typedef struct Result {
    Placement *w;
    const bool *host; /* by node */
} Result;

/* The device's way needs other scratch than the host's. */
static void set_scratch(Placement *w, Item *it) {
    Expr *bytes = device_steps(w->ctx, it).scratch;
    if (!bytes) it->scratch = NULL;
    else if (it->scratch) it->scratch->dims[0] = bytes;
    else it->scratch = program_tensor(w->p, "scratch", DT_U8, &bytes, 1);
}

static void set_item(void *user, Block *b, Item *it) {
    Result *r = user;
    (void)b;
    if (it->kind != ITEM_KERNEL && it->kind != ITEM_CALL) return;
    it->device = !r->host[(intptr_t)map_get_int(r->w->items, (uint64_t)(uintptr_t)it)];
    if (it->kind == ITEM_CALL && it->device) set_scratch(r->w, it);
}

PASS(placement, KERNELS, "which kernels run on the device")
bool pass_placement(Program *p, const Options *opt) {
    Placement w;
    (void)opt;
    placement_groups(&w, p);
    build(&w);
    Result r = {&w, cut_solve(&w.cut)};
    program_each_item(p, set_item, &r);
    return true;
}
