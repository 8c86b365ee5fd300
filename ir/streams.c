/* What runs before what on several streams, and whether that is enough. */
#include "ir/streams.h"

/* ---- what items touch ---- */
bool stream_unit(const Item *it) {
    if (it->kind == ITEM_COPY) return it->in[0] == it->out[0];
    return it->kind == ITEM_KERNEL && it->device;
}

static Tensor *storage_of(Tensor *t) {
    while (t->alias) t = t->alias;
    return t;
}

Use stream_use(Ctx *ctx, const Item *it) {
    Use u = {0};
    if (it->kind == ITEM_KERNEL)
        kernel_tensors(ctx, it->kernel, &u.in, &u.n_in, &u.out, &u.n_out);
    else if (it->device) u.out = it->out, u.n_out = it->n_out;
    else u.in = it->in, u.n_in = it->n_in;
    return u;
}

static bool writes_apart(const Item *it, const Use *u, const Tensor *t) {
    if (it->kind != ITEM_KERNEL) return false;
    for (int i = 0; i < u->n_in; i++)
        if (u->in[i] == t) return false;
    for (int i = 0; i < it->kernel->stmts.n; i++) {
        const Stmt *s = it->kernel->stmts.at[i];
        if (s->kind == ST_SCATTER && s->out == t) return false;
    }
    return true;
}

static bool meet(Tensor *const *a, int n_a, Tensor *const *b, int n_b) {
    for (int i = 0; i < n_a; i++)
        for (int k = 0; k < n_b; k++)
            if (storage_of(a[i]) == storage_of(b[k])) return true;
    return false;
}

bool stream_conflict(const Item *a, const Use *x, const Item *b, const Use *y) {
    if (meet(x->out, x->n_out, y->in, y->n_in) || meet(x->in, x->n_in, y->out, y->n_out))
        return true;
    for (int i = 0; i < x->n_out; i++)
        for (int k = 0; k < y->n_out; k++) {
            Tensor *t = x->out[i];
            if (storage_of(t) != storage_of(y->out[k])) continue;
            if (t != y->out[k] || !writes_apart(a, x, t) || !writes_apart(b, y, t)) return true;
        }
    return false;
}

/* ---- clocks ---- */
Clock stream_clock(int base) {
    Clock c = {.base = base};
    for (int s = 0; s < MAX_STREAMS; s++) c.upto[s] = -1;
    return c;
}

void clock_join(Clock *c, const Clock *other) {
    c->base = MAX(c->base, other->base);
    for (int s = 0; s < MAX_STREAMS; s++) c->upto[s] = MAX(c->upto[s], other->upto[s]);
}

void clock_end(Clock *c, int stream, int item) {
    c->upto[stream] = MAX(c->upto[stream], item);
}

bool clock_has(const Clock *c, int stream, int item) {
    return item < c->base || item <= c->upto[stream];
}

/* Behind which item of this stretch an event is recorded; -1: none in front of `at`. */
static int recorded(const Block *b, int fork, int at, int event) {
    for (int i = at - 1; i >= fork; i--)
        if (b->items.at[i]->event == event) return i;
    return -1;
}

Clock *stream_clocks(Ctx *ctx, const Block *b) {
    Clock *clock = NEW_ARRAY(ctx->perm, Clock, b->items.n + 1), tail[MAX_STREAMS];
    int fork = -1; /* where this stretch began */
    for (int i = 0; i < b->items.n; i++) {
        const Item *it = b->items.at[i];
        if (it->fork) {
            fork = i;
            for (int s = 0; s < MAX_STREAMS; s++) tail[s] = stream_clock(s ? -1 : i);
        }
        clock[i] = fork < 0 ? stream_clock(i) : tail[it->stream];
        for (int w = 0; fork >= 0 && w < it->n_waits; w++) {
            int from = it->waits[w] == FORK_EVENT ? fork : recorded(b, fork, i, it->waits[w]);
            Clock c = it->waits[w] == FORK_EVENT || from < 0 ? stream_clock(fork) : clock[from];
            if (it->waits[w] != FORK_EVENT && from >= 0)
                clock_end(&c, b->items.at[from]->stream, from);
            clock_join(&clock[i], &c);
        }
        if (fork < 0) continue;
        tail[it->stream] = clock[i];
        clock_end(&tail[it->stream], it->stream, i);
        if (it->join) fork = -1;
    }
    return clock;
}

int stream_beside(const Block *b, const Clock *clock, int i) {
    int last = i, stream = b->items.at[i]->stream;
    for (int k = i + 1; k < b->items.n && clock[k].base <= i; k++)
        if (!clock_has(&clock[k], stream, i)) last = k;
    return last;
}

/* ---- checks ---- */
static bool is_marked(const Item *it) {
    return it->stream || it->n_waits || it->event || it->fork || it->join;
}

static const char *form_problem(const Block *b, int fork, int i) {
    const Item *it = b->items.at[i];
    if (fork < 0 && is_marked(it)) return "there is no fork before it";
    if (fork < 0) return NULL;
    if (it->fork && fork != i) return "there is a fork before it already";
    if (!stream_unit(it)) return "only kernels of the device and copies of inputs and outputs may "
                                 "stand between fork and join";
    if (it->stream < 0 || it->stream >= MAX_STREAMS) return "there is no such stream";
    if (it->stream && it->kind == ITEM_COPY) return "copies run on stream 0";
    for (int w = 0; w < it->n_waits; w++)
        if (it->waits[w] != FORK_EVENT && recorded(b, fork, i, it->waits[w]) < 0)
            return "it waits for an event that nobody has recorded";
    return NULL;
}

static const char *order_problem(Ctx *ctx, const Block *b, int from, int to, const Item **at) {
    Clock *clock = stream_clocks(ctx, b);
    Use *use = NEW_ARRAY(ctx->perm, Use, to - from + 1);
    for (int i = from; i <= to; i++) {
        use[i - from] = stream_use(ctx, b->items.at[i]);
        *at = b->items.at[i];
        if (clock[i].base < from) return "it does not wait for the fork";
        for (int k = from; k < i; k++) {
            const Item *a = b->items.at[k];
            if (clock_has(&clock[i], a->stream, k)) continue;
            if (!stream_conflict(a, &use[k - from], *at, &use[i - from])) continue;
            return arena_printf(ctx->perm, "it does not wait for %s, which touches the same memory",
                                a->kind == ITEM_KERNEL ? a->kernel->name : "a copy");
        }
    }
    return NULL;
}

const char *stream_problem(Ctx *ctx, const Block *b, const Item **at) {
    int fork = -1;
    for (int i = 0; i < b->items.n; i++) {
        if (b->items.at[i]->fork && fork < 0) fork = i;
        *at = b->items.at[i];
        const char *what = form_problem(b, fork, i);
        if (what) return what;
        if (fork < 0 || !b->items.at[i]->join) continue;
        if ((what = order_problem(ctx, b, fork, i, at))) return what;
        fork = -1;
    }
    return fork < 0 ? NULL : "there is no join behind its fork";
}
