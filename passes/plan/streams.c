/* Independent kernels of the device on streams of their own.
 *
 *   device kernel k0_conv { ... }             fork event 1 device kernel k0_conv { ... }
 *   device kernel k1_conv { ... }   # of k0   device kernel k1_conv { ... }
 *   device kernel k2_conv { ... }   # of k0   stream 1 wait 1 event 2 device kernel k2_conv { ... }
 *   device kernel k3_add  { ... }   # of both join wait 2 device kernel k3_add { ... }
 *
 * An item goes on where one that it needs was the last of its stream; else to a stream whose last
 * item has ended by then; where there is none, to the one that has been left alone for the longest.
 * It waits only for what its stream, and what it waits for anyway, do not imply. A chain stays on
 * stream 0, without marks. Requires: what shares storage (inplace); the final order, which is that
 * of launches. Keeps: everything else. */
#include "ir/streams.h"
#include "passes/passes.h"

enum { MOST_ITEMS = 2000 };

typedef struct Streams { /* one stretch: items from..to-1 */
    Ctx *ctx;
    Item **item;
    int from, n;
    Use *use;
    Clock *clock;          /* by item, as ir/streams.h has it */
    int tail[MAX_STREAMS]; /* the last item of each; -1: none */
    int *needs, n_needs;   /* of the item at hand, in order */
    int events;
} Streams;

static void find_needs(Streams *s, int i) {
    s->n_needs = 0;
    for (int k = 0; k < i; k++)
        if (stream_conflict(s->item[k], &s->use[k], s->item[i], &s->use[i]))
            s->needs[s->n_needs++] = k;
}

static bool needs(const Streams *s, int k) {
    for (int i = 0; i < s->n_needs; i++)
        if (s->needs[i] == k) return true;
    return false;
}

/* Item k of the stretch, and all before it, have ended. */
static Clock behind(const Streams *s, int k) {
    Clock c = s->clock[k];
    clock_end(&c, s->item[k]->stream, s->from + k);
    return c;
}

static int choose(const Streams *s, int i) {
    Clock ended = stream_clock(s->from);
    if (s->item[i]->kind == ITEM_COPY) return 0;
    for (int k = 0; k < MAX_STREAMS; k++)
        if (s->tail[k] >= 0 && needs(s, s->tail[k])) return k;
    for (int k = 0; k < s->n_needs; k++) {
        Clock c = behind(s, s->needs[k]);
        clock_join(&ended, &c);
    }
    for (int k = 0; k < MAX_STREAMS; k++)
        if (s->tail[k] < 0 || clock_has(&ended, k, s->from + s->tail[k])) return k;
    int oldest = 0;
    for (int k = 1; k < MAX_STREAMS; k++)
        if (s->tail[k] < s->tail[oldest]) oldest = k;
    return oldest;
}

static void wait_for(Streams *s, Item *it, int event) {
    if (!it->waits) it->waits = NEW_ARRAY(s->ctx->perm, int, MAX_STREAMS + 1);
    it->waits[it->n_waits++] = event;
}

/* The newest of what it needs first: that often implies the others. */
static void order_behind(Streams *s, int i) {
    Item *it = s->item[i];
    Clock c = s->tail[it->stream] >= 0 ? behind(s, s->tail[it->stream])
                                       : stream_clock(it->stream ? -1 : s->from);
    for (int k = s->n_needs - 1; k >= 0; k--) {
        Item *a = s->item[s->needs[k]];
        if (clock_has(&c, a->stream, s->from + s->needs[k])) continue;
        if (!a->event) a->event = ++s->events;
        wait_for(s, it, a->event);
        Clock ended = behind(s, s->needs[k]);
        clock_join(&c, &ended);
    }
    if (c.base < s->from) {
        wait_for(s, it, FORK_EVENT);
        c.base = s->from;
    }
    s->clock[i] = c;
}

static bool do_stretch(Ctx *ctx, Item **item, int from, int n) {
    Streams s = {.ctx = ctx, .item = item, .from = from, .n = n};
    bool several = false;
    if (n < 3 || n > MOST_ITEMS) return false;
    s.use = NEW_ARRAY(ctx->perm, Use, n);
    s.clock = NEW_ARRAY(ctx->perm, Clock, n);
    s.needs = NEW_ARRAY(ctx->perm, int, n);
    for (int k = 0; k < MAX_STREAMS; k++) s.tail[k] = -1;
    for (int i = 0; i < n; i++) {
        s.use[i] = stream_use(ctx, item[i]);
        find_needs(&s, i);
        item[i]->stream = choose(&s, i);
        order_behind(&s, i);
        s.tail[item[i]->stream] = i;
        several |= item[i]->stream > 0;
    }
    item[0]->fork = item[n - 1]->join = several;
    return several;
}

/* Bodies of loops and branches have stretches of their own: a round begins when all streams of the
 * one before have ended. */
static bool do_block(Ctx *ctx, const Block *b) {
    bool changed = false;
    for (int from = 0, to; b && from < b->items.n; from = to + 1) {
        for (to = from; to < b->items.n && stream_unit(b->items.at[to]);) to++;
        changed |= do_stretch(ctx, b->items.at + from, from, to - from);
        for (int i = 0; to < b->items.n && i < 2; i++)
            changed |= do_block(ctx, b->items.at[to]->block[i]);
    }
    return changed;
}

PASS(streams, KERNELS, "independent kernels of the device on streams of their own")
bool pass_streams(Program *p, const Options *opt) {
    return opt->host && !opt->one_memory && do_block(p->ctx, p->body);
}
