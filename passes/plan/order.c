/* The order of kernels that needs the least memory: among those that are ready, the one that lets
 * the live set grow least (and shrink most) runs next. The given order stays where that is no
 * better. Sizes with symbols count with a typical value. Runtime calls, binds and control flow keep
 * their places: kernels move only between them. (SoD2, section 4.3.) */
#include "passes/passes.h"

typedef struct Unit {
    Item *item;
    Tensor **in, **out;
    int n_in, n_out;
    int waits; /* units that must run before */
    bool done;
} Unit;
typedef struct Size { /* of a tensor, in Tensor.aux */
    double bytes;
    int readers, writers; /* left to run in this stretch */
    bool outside;         /* used before or after the stretch, too */
    bool live;
} Size;
typedef struct Order {
    Ctx *ctx;
    Unit *unit;
    int n;
    bool *before;   /* [a * n + b]: a must run before b */
    uint32_t noise; /* 0: the best unit runs next; else a seed, by which good ones do, too */
} Order;

/* ---- sizes ---- */
static int64_t typical(void *user, const Sym *s) {
    (void)user;
    return MAX(s->lo, MIN(s->hi, 64));
}

static int64_t no_var(void *user, const Var *v) {
    (void)user, (void)v;
    return 0;
}

static Size *size_of(Order *o, Tensor *t) {
    if (t->aux) return t->aux;
    Size *s = t->aux = NEW(o->ctx->perm, Size);
    ExprEnv env = {no_var, typical, NULL};
    int64_t n = 0;
    if (expr_eval_index(plan_buffer_bytes(o->ctx, t), &env, &n)) s->bytes = (double)n;
    return s;
}

/* ---- dependences ---- */
static bool touches(Tensor *const *t, int n, const Tensor *x) {
    for (int i = 0; i < n; i++)
        if (t[i] == x) return true;
    return false;
}

static bool depends(const Unit *later, const Unit *earlier) {
    for (int i = 0; i < earlier->n_out; i++)
        if (touches(later->in, later->n_in, earlier->out[i]) ||
            touches(later->out, later->n_out, earlier->out[i]))
            return true;
    for (int i = 0; i < later->n_out; i++)
        if (touches(earlier->in, earlier->n_in, later->out[i])) return true;
    return false;
}

/* ---- one simulated step ---- */
static double grows(Order *o, const Unit *u) {
    double by = 0;
    for (int i = 0; i < u->n_out; i++) {
        Size *s = size_of(o, u->out[i]);
        if (u->out[i]->space == SP_ARENA && !s->live) by += s->bytes;
    }
    return by;
}

static double frees(Order *o, const Unit *u) {
    double by = 0;
    for (int i = 0; i < u->n_in; i++) {
        Size *s = size_of(o, u->in[i]);
        if (u->in[i]->space == SP_ARENA && !s->outside && s->readers == 1) by += s->bytes;
    }
    for (int i = 0; i < u->n_out; i++) { /* nobody wants it */
        Size *s = size_of(o, u->out[i]);
        if (u->out[i]->space == SP_ARENA && !s->outside && s->readers == 0) by += s->bytes;
    }
    return by;
}

static void run(Order *o, Unit *u, double *live, double *peak) {
    *live += grows(o, u);
    *peak = MAX(*peak, *live);
    *live -= frees(o, u);
    for (int i = 0; i < u->n_out; i++) size_of(o, u->out[i])->live = true;
    for (int i = 0; i < u->n_in; i++) size_of(o, u->in[i])->readers--;
    u->done = true;
}

static void reset(Order *o) {
    for (int i = 0; i < o->n; i++) {
        Unit *u = &o->unit[i];
        u->done = false;
        for (int k = 0; k < u->n_in; k++) size_of(o, u->in[k])->readers = 0;
        for (int k = 0; k < u->n_out; k++) size_of(o, u->out[k])->live = false;
    }
    for (int i = 0; i < o->n; i++)
        for (int k = 0; k < o->unit[i].n_in; k++) size_of(o, o->unit[i].in[k])->readers++;
}

static double given_peak(Order *o) {
    double live = 0, peak = 0;
    reset(o);
    for (int i = 0; i < o->n; i++) run(o, &o->unit[i], &live, &peak);
    return peak;
}

/* ---- the search ---- */
/* Moves a score by up to a quarter of itself; the same numbers in every run. */
static double shaken(Order *o, double score) {
    if (!o->noise) return score;
    o->noise = o->noise * 1664525u + 1013904223u;
    return score + ((double)(o->noise >> 8) / (1 << 24) - 0.5) / 2 * (score < 0 ? -score : score);
}

static int choose(Order *o) {
    int best = -1;
    double best_score = 0;
    for (int i = 0; i < o->n; i++) {
        Unit *u = &o->unit[i];
        if (u->done || u->waits > 0) continue;
        double score = shaken(o, grows(o, u) - frees(o, u));
        if (best < 0 || score < best_score) best = i, best_score = score;
    }
    return best;
}

static void find_dependences(Order *o) {
    o->before = NEW_ARRAY(o->ctx->perm, bool, o->n * o->n);
    for (int i = 0; i < o->n; i++)
        for (int k = 0; k < i; k++)
            o->before[k * o->n + i] = depends(&o->unit[i], &o->unit[k]);
}

static double search(Order *o, int *order) {
    double live = 0, peak = 0;
    for (int i = 0; i < o->n; i++) {
        o->unit[i].waits = 0;
        for (int k = 0; k < i; k++) o->unit[i].waits += o->before[k * o->n + i];
    }
    reset(o);
    for (int step = 0; step < o->n; step++) {
        int i = choose(o);
        order[step] = i;
        run(o, &o->unit[i], &live, &peak);
        for (int k = i + 1; k < o->n; k++) o->unit[k].waits -= o->before[i * o->n + k];
    }
    return peak;
}

/* The best of several orders; 0 tries: just the greedy one. */
static double search_longer(Order *o, int *order, int tries) {
    double best = search(o, order);
    int *other = NEW_ARRAY(o->ctx->perm, int, o->n);
    for (int i = 1; i <= tries; i++) {
        o->noise = (uint32_t)i;
        double peak = search(o, other);
        if (peak >= best) continue;
        best = peak;
        memcpy(order, other, sizeof *order * (size_t)o->n);
    }
    return best;
}

static bool is_unit(const Order *o, const Item *it) {
    for (int i = 0; i < o->n; i++)
        if (o->unit[i].item == it) return true;
    return false;
}

/* What items outside of the stretch read stays alive. */
static void mark_outside(void *user, Block *b, Item *it) {
    Order *o = user;
    Tensor **in = it->in, **out;
    int n_in = it->n_in, n_out;
    (void)b;
    if (is_unit(o, it)) return;
    if (it->kind == ITEM_KERNEL) kernel_tensors(o->ctx, it->kernel, &in, &n_in, &out, &n_out);
    for (int i = 0; i < n_in; i++)
        if (in[i]) size_of(o, in[i])->outside = true;
    for (int i = 0; it->next && i < it->n_out; i++)
        size_of(o, it->out[i])->outside = size_of(o, it->next[i])->outside = true;
}

static bool order_stretch(Program *p, Block *b, int from, int to, int tries) {
    Order o = {.ctx = p->ctx, .unit = NEW_ARRAY(p->ctx->perm, Unit, to - from), .n = to - from};
    if (o.n < 3 || o.n > 1000) return false;
    for (int i = 0; i < p->tensors.n; i++) p->tensors.at[i]->aux = NULL;
    for (int i = 0; i < o.n; i++) {
        Unit *u = &o.unit[i];
        u->item = b->items.at[from + i];
        kernel_tensors(p->ctx, u->item->kernel, &u->in, &u->n_in, &u->out, &u->n_out);
    }
    program_each_item(p, mark_outside, &o);
    double was = given_peak(&o);
    int *order = NEW_ARRAY(p->ctx->perm, int, o.n);
    find_dependences(&o);
    if (search_longer(&o, order, tries) >= was) return false;
    for (int i = 0; i < o.n; i++) b->items.at[from + i] = o.unit[order[i]].item;
    return true;
}

PASS(order, KERNELS, "the order of kernels that needs the least memory")
bool pass_order(Program *p, const Options *opt) {
    bool changed = false;
    int tries = opt->level > 2 ? 100 : 0;
    Block *b = p->body;
    for (int i = 0; i < p->inputs.n; i++) p->inputs.at[i]->aux = NULL;
    for (int i = 0; i < p->outputs.n; i++) p->outputs.at[i]->aux = NULL;
    for (int i = 0; i < p->consts.n; i++) p->consts.at[i]->aux = NULL;
    for (int from = 0; from < b->items.n;) {
        int to = from;
        while (to < b->items.n && b->items.at[to]->kind == ITEM_KERNEL) to++;
        changed |= order_stretch(p, b, from, to, tries);
        from = to + 1;
    }
    return changed;
}
