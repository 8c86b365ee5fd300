/* Lifetimes, symbol slots and places of everything in the arena. */
#include "ir/streams.h"
#include "passes/passes.h"

typedef struct Live {
    int first, last;
} Live;
typedef struct Planner {
    Plan *plan;
    Ctx *ctx;
    int step;
    VEC(Live) loops;
    VEC(Item *) carried; /* loops that carry tensors */
} Planner;

/* ---- lifetimes ---- */
static Tensor *storage_of(Tensor *t) {
    while (t->alias) t = t->alias;
    return t;
}

static void touch(Planner *pl, Tensor *t, int first, int last) {
    t = storage_of(t);
    if (t->space != SP_ARENA) return;
    Live *l = t->aux;
    if (!l) {
        l = t->aux = NEW(pl->ctx->perm, Live);
        *l = (Live){first, last};
    }
    l->first = MIN(l->first, first);
    l->last = MAX(l->last, last);
}

static void touch_all(Planner *pl, Tensor *const *t, int n, int first, int last) {
    for (int i = 0; i < n; i++)
        if (t[i]) touch(pl, t[i], first, last);
}

/* Items of several streams take a step each. What one touches is taken until nothing that may run
 * beside it is left. */
static int last_step(const Planner *pl, const Block *b, const Clock *clock, int i) {
    return pl->step + stream_beside(b, clock, i) - i;
}

static void touch_kernel(Planner *pl, Kernel *k, int last) {
    Tensor **in, **out;
    int n_in, n_out;
    kernel_tensors(pl->ctx, k, &in, &n_in, &out, &n_out);
    touch_all(pl, in, n_in, pl->step, last);
    touch_all(pl, out, n_out, pl->step, last);
}

static bool join(Live *a, const Live *b) {
    Live old = *a;
    a->first = MIN(a->first, b->first);
    a->last = MAX(a->last, b->last);
    return a->first != old.first || a->last != old.last;
}

/* The two places of a carried tensor change roles after every iteration: the result lies in either,
 * so both live as long as one of them does. Where the tensor is moved it lies in one of them. */
static bool join_carried(Planner *pl) {
    bool changed = false;
    for (int i = 0; i < pl->carried.n; i++) {
        const Item *it = pl->carried.at[i];
        for (int k = 0; k < it->n_out; k++) {
            if (item_moves(it, k)) continue;
            Live *a = storage_of(it->out[k])->aux, *b = storage_of(it->next[k])->aux;
            if (!a || !b) continue;
            changed |= join(a, b);
            changed |= join(b, a);
        }
    }
    return changed;
}

/* What a loop's body reads from outside, and what it fills for those who come after it, lives
 * through all iterations. */
static void widen(Planner *pl) {
    Program *p = pl->plan->program;
    for (int k = 0; k < pl->loops.n; k++) {
        Live loop = pl->loops.at[k];
        for (int i = 0; i < p->tensors.n; i++) {
            Live *l = p->tensors.at[i]->aux;
            if (!l || l->last < loop.first || l->first > loop.last) continue;
            if (l->first < loop.first) l->last = MAX(l->last, loop.last);
            if (l->last > loop.last) l->first = MIN(l->first, loop.first);
        }
    }
}

static void walk(Planner *pl, Block *b) {
    const Clock *clock = stream_clocks(pl->ctx, b);
    for (int i = 0; i < b->items.n; i++) {
        Item *it = b->items.at[i];
        int first = pl->step;
        if (it->kind == ITEM_KERNEL) touch_kernel(pl, it->kernel, last_step(pl, b, clock, i));
        touch_all(pl, it->in, it->n_in, first, first);
        touch_all(pl, it->out, it->n_out, first, first);
        if (it->scratch) touch(pl, it->scratch, first, first);
        pl->step++;
        for (int k = 0; k < 2; k++)
            if (it->block[k]) walk(pl, it->block[k]);
        if (it->kind != ITEM_IF && it->kind != ITEM_LOOP) continue;
        int last = pl->step++;
        touch_all(pl, it->out, it->n_out, first, last);
        if (it->kind == ITEM_LOOP) {
            touch_all(pl, it->in, it->n_in, first, last);
            touch_all(pl, it->next, it->n_out, first, last);
            vec_push(pl->ctx->perm, &pl->loops, ((Live){first, last})); /* inner ones first */
            vec_push(pl->ctx->perm, &pl->carried, it);
        }
    }
}

/* ---- buffers ---- */
static void add_buffer(Plan *plan, Tensor *t) {
    Live *l = t->aux;
    if (!l || t->alias || t->state) return;
    Expr *bytes = plan_buffer_bytes(plan->ctx, t);
    PlanBuffer b = {t, bytes, l->first, l->last, plan_segment(bytes), -1};
    vec_push(plan->ctx->perm, &plan->buffers, b);
}

static bool known_sizes(const Plan *plan) {
    for (int i = 0; i < plan->buffers.n; i++)
        if (!expr_is_int(plan->buffers.at[i].bytes, NULL)) return false;
    return true;
}

/* The buffers of one side; gives the bytes of its arena. */
static int64_t place_side(Plan *plan, bool device, int64_t *live_max) {
    int n = 0, k = 0;
    struct onnxcc_live *live =
        NEW_ARRAY(plan->ctx->perm, struct onnxcc_live, plan->buffers.n + 1);
    int64_t *offset = NEW_ARRAY(plan->ctx->perm, int64_t, plan->buffers.n + 1);
    for (int i = 0; i < plan->buffers.n; i++) {
        const PlanBuffer *b = &plan->buffers.at[i];
        if (b->tensor->device != device) continue;
        live[n] = (struct onnxcc_live){.first = b->first, .last = b->last};
        expr_is_int(b->bytes, &live[n++].bytes);
    }
    for (int step = 0; step < plan->n_steps; step++) {
        int64_t sum = 0;
        for (int i = 0; i < n; i++)
            if (live[i].first <= step && step <= live[i].last) sum += live[i].bytes;
        *live_max = MAX(*live_max, sum);
    }
    int64_t arena = place_search(plan->ctx, live, n, *live_max, offset);
    for (int i = 0; i < plan->buffers.n; i++)
        if (plan->buffers.at[i].tensor->device == device) plan->buffers.at[i].offset = offset[k++];
    return arena;
}

static bool place_static(Plan *plan) {
    if (!known_sizes(plan)) return false;
    plan->arena = place_side(plan, false, &plan->live_max);
    plan->device_arena = place_side(plan, true, &plan->device_live_max);
    return true;
}

Plan *make_plan(Program *p, const Options *opt) {
    (void)opt;
    Plan *plan = NEW(p->ctx->perm, Plan);
    plan->ctx = p->ctx;
    plan->program = p;
    plan->arena = plan->device_arena = -1;
    plan->scratch = plan->device_scratch = expr_int(p->ctx, 0);
    for (int i = 0; i < p->tensors.n; i++) p->tensors.at[i]->aux = NULL;
    for (int i = 0; i < p->inputs.n; i++) p->inputs.at[i]->slot = i;
    for (int i = 0; i < p->outputs.n; i++) p->outputs.at[i]->slot = i;
    plan_slots(plan); /* of symbols; segments depend on them */
    Planner pl = {.plan = plan, .ctx = p->ctx};
    walk(&pl, p->body);
    do widen(&pl);
    while (join_carried(&pl));
    plan->n_steps = pl.step;
    for (int i = 0; i < p->tensors.n; i++) add_buffer(plan, p->tensors.at[i]);
    if (!place_static(plan)) plan_slots(plan);
    return plan;
}
