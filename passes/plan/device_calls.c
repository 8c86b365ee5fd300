/* What runtime functions become on the device (device_calls.def): the launches, what each of them
 * is told, how much memory they need. A function steps_NAME for each runtime function. */
#include "passes/plan/device_calls.h"

enum { THREADS = 256, TILE = 1024, ITEM_BYTES = 16, NONZERO_EACH = 8, MOST_MERGES = 24 };

static DeviceStep *step(DeviceSteps *s, const char *function, Expr *items, int threads) {
    DeviceStep *d = NEW(s->arena, DeviceStep);
    *d = (DeviceStep){.function = function, .items = items, .threads = threads};
    vec_push(s->arena, &s->at, d);
    return d;
}

static void give(DeviceSteps *s, DeviceStep *d, Expr *e) {
    vec_push(s->arena, &d->args, e);
}

static void give_int(DeviceSteps *s, DeviceStep *d, int64_t v) {
    give(s, d, expr_int(s->ctx, v));
}

/* ---- sort and topk: dtype, outer, n, inner, [k,] largest ---- */
typedef struct Sort {
    DeviceSteps *s;
    Expr *n, *inner, *k, *lines;
    bool largest;
    int64_t tile;
} Sort;

static DeviceStep *sort_step(Sort *o, const char *function, Expr *elements, int threads,
                             int64_t each) {
    DeviceSteps *s = o->s;
    Expr *items = expr_ceildiv(s->ctx, elements, expr_int(s->ctx, each));
    DeviceStep *d = step(s, function, items, threads);
    give(s, d, s->item->args[0]);
    give_int(s, d, (int64_t)dtype_bytes(s->item->in[0]->dtype));
    give(s, d, o->n);
    give(s, d, o->inner);
    give(s, d, o->k);
    give_int(s, d, o->largest ? -1 : 0);
    give(s, d, o->lines);
    give_int(s, d, o->tile);
    return d;
}

/* A tile as large as the longest line, where lines are short. */
static int64_t tile_for(DeviceSteps *s, Expr *n) {
    int64_t lo, hi, tile = 2;
    if (!expr_range(s->ctx, n, &lo, &hi) || hi > TILE) return TILE;
    while (tile < hi) tile *= 2;
    return tile;
}

static DeviceStep *sort_tiles(Sort *o, const char *function, Expr *tiles, Expr *when) {
    int64_t block = MAX(o->tile, THREADS);
    Expr *elements = expr_muli(o->s->ctx, expr_mul(o->s->ctx, o->lines, tiles), o->tile);
    DeviceStep *d = sort_step(o, function, elements, (int)block / 2, block);
    d->shared = (int)(block + block / 2); /* keys, and places of half a word */
    d->when = when;
    return d;
}

/* Runs of 1, 2, 4, ... tiles are merged while a line has more of them. */
static Expr *merges(Sort *o) {
    Ctx *c = o->s->ctx;
    Expr *sum = expr_int(c, 0), *one = expr_int(c, 1), *zero = expr_int(c, 0);
    for (int i = 0; i < MOST_MERGES; i++) {
        Expr *more = expr_op2(c, SOP_lt, expr_int(c, o->tile << i), o->n);
        if (expr_is(more, 0)) break;
        sum = expr_add(c, sum, expr_op3(c, SOP_select, more, one, zero));
    }
    return sum;
}

static void sort_long(Sort *o, Expr *when) {
    DeviceSteps *s = o->s;
    Ctx *c = s->ctx;
    Expr *tile = expr_int(c, o->tile), *tiles = expr_ceildiv(c, o->n, tile), *rounds = merges(o);
    Expr *slots = expr_mul(c, o->lines, expr_mul(c, tiles, expr_min(c, o->k, tile)));
    s->scratch = expr_muli(c, slots, 2 * ITEM_BYTES);
    sort_tiles(o, "sort_tiles", tiles, when)->scratch = true;
    DeviceStep *d = sort_step(o, "sort_merge", slots, THREADS, THREADS);
    d->rounds = rounds;
    d->when = when, d->scratch = true;
    d = sort_step(o, "sort_write", expr_mul(c, o->lines, o->k), THREADS, THREADS);
    d->when = when, d->scratch = true;
}

static void sort_steps(DeviceSteps *s, Expr *k, Expr *largest) {
    Ctx *c = s->ctx;
    Expr *const *a = s->item->args;
    Sort o = {.s = s, .n = a[2], .inner = a[3], .k = k, .lines = expr_mul(c, a[1], a[3])};
    o.largest = !expr_is(largest, 0);
    o.tile = tile_for(s, o.n);
    Expr *fits = expr_op2(c, SOP_le, o.n, expr_int(c, o.tile));
    bool always = expr_is(fits, 1), never = expr_is(fits, 0);
    if (!never) sort_tiles(&o, "sort_lines", expr_int(c, 1), always ? NULL : fits);
    if (!always) sort_long(&o, never ? NULL : expr_op2(c, SOP_lt, expr_int(c, o.tile), o.n));
}

static void steps_sort(DeviceSteps *s) {
    sort_steps(s, s->item->args[2], s->item->args[4]);
}

static void steps_topk(DeviceSteps *s) {
    Ctx *c = s->ctx;
    Expr *n = s->item->args[2], *k = s->item->args[4], *zero = expr_int(c, 0);
    Expr *low = expr_op2(c, SOP_ge, k, zero), *high = expr_op2(c, SOP_le, k, n);
    Expr *all = expr_and(c, low, high);
    if (!expr_is(all, 1)) s->require = all;
    s->why = "its inputs ask for something impossible";
    sort_steps(s, k, s->item->args[5]);
}

/* ---- nonzero ---- */
static DeviceStep *nonzero_step(DeviceSteps *s, const char *function, Expr *elements, Expr *items) {
    DeviceStep *d = step(s, function, items, THREADS);
    d->shared = THREADS;
    d->scratch = true;
    give(s, d, s->item->args[0]);
    give_int(s, d, (int64_t)dtype_bytes(s->item->in[0]->dtype));
    give(s, d, elements);
    return d;
}

static Expr *nonzero_sums(DeviceSteps *s, Expr *elements, bool wanted) {
    Ctx *c = s->ctx;
    Expr *tiles = expr_ceildiv(c, elements, expr_int(c, THREADS * NONZERO_EACH));
    s->scratch = expr_muli(c, tiles, (int64_t)sizeof(int64_t));
    nonzero_step(s, "nonzero_tiles", elements, tiles);
    DeviceStep *d = nonzero_step(s, "nonzero_total", elements, expr_int(c, 1));
    give(s, d, tiles);
    give_int(s, d, wanted);
    return tiles;
}

/* dtype, elements */
static void steps_nonzero_count(DeviceSteps *s) {
    nonzero_sums(s, s->item->args[1], true);
}

/* dtype, count, rank, dimensions */
static void steps_nonzero_fill(DeviceSteps *s) {
    Expr *elements = expr_product(s->ctx, s->item->args + 3, s->item->n_args - 3);
    Expr *tiles = nonzero_sums(s, elements, false);
    DeviceStep *d = nonzero_step(s, "nonzero_fill", elements, tiles);
    for (int i = 1; i < s->item->n_args; i++) give(s, d, s->item->args[i]);
}

/* ---- the table ---- */
typedef struct DeviceCall {
    const char *name;
    void (*steps)(DeviceSteps *);
} DeviceCall;
static const DeviceCall calls[] = {
#define D(name) {#name, steps_##name},
#include "passes/plan/device_calls.def"
#undef D
};

static const DeviceCall *find(const char *name) {
    for (int i = 0; i < LEN(calls); i++)
        if (!strcmp(calls[i].name, name)) return &calls[i];
    return NULL;
}

bool device_can_call(const char *name) {
    return find(name) != NULL;
}

DeviceSteps device_steps(Ctx *ctx, const Item *it) {
    DeviceSteps s = {.ctx = ctx, .arena = ctx->perm, .item = it};
    find(it->call)->steps(&s);
    return s;
}
