/* Does a reduction have so few blocks that a GPU is mostly idle, and is it so long that parts of
 * it, a launch more and memory for partial results cost less? All in clocks of a processor:
 *
 *   rounds of blocks * steps of a block * bytes of a step / bytes that a processor gets in a clock
 *   + launches + partial results, written, read, and added up one behind the other
 *
 * What is multiplied counts with the bytes that it reads: where a tile is computed at full speed,
 * its copies take about as long. */
#include "passes/kernel/gpu_split.h"

#include "passes/kernel/gpu_cost.h"

enum {
    MOST_PARTS = 256,
    LEAST_STEPS = 128, /* of a part */
    PIECE = 16,        /* elements that a thread may move at once */
    TILE_ROWS = 32,
    TILE_COLUMNS = 64,
    BLOCK = 128
};

/* What parts cost of which the last one is shorter, since its end must be looked at. */
static const double RAGGED = 1.25;
/* What an estimate must promise to be believed. */
static const double GAIN = 1.5;

typedef struct Cost {
    const GpuSplit *split;
    const Stmt *sum; /* the first one */
    int64_t blocks, results, steps;
    double step; /* clocks */
} Cost;

static int64_t elements(Var *const *vars, int n) {
    int64_t all = 1;
    for (int i = 0; i < n; i++) all *= gpu_typical(vars[i]->extent);
    return all;
}

/* ---- blocks ---- */
static int64_t tiles(const Cost *k) {
    int64_t side[2] = {1, 1}, batch = 1;
    for (int i = 0; i < k->sum->n_dom; i++) {
        const Var *v = k->sum->dom[i];
        bool in0 = expr_uses_var(k->sum->value->arg[0], v),
             in1 = expr_uses_var(k->sum->value->arg[1], v);
        *(in0 == in1 ? &batch : &side[in1]) *= gpu_typical(v->extent);
    }
    int64_t few = MIN(side[0], side[1]), many = MAX(side[0], side[1]);
    return batch * gpu_ceil_div(few, TILE_ROWS) * gpu_ceil_div(many, TILE_COLUMNS);
}

/* Bytes of an element of each operand that the reductions run through. */
static double bytes_read(const Cost *k) {
    double bytes = 0;
    for (int i = 0; i < k->split->n_front; i++) {
        const Stmt *s = k->split->kernel->stmts.at[i];
        Loads loads;
        stmt_loads(s, &loads);
        for (int l = 0; l < loads.n; l++) {
            const Tensor *t = loads.at[l]->tensor;
            bool runs = false;
            for (int r = 0; r < s->n_red; r++) runs |= expr_uses_var(loads.at[l], s->red[r]);
            if (runs) bytes += t->packed ? t->packed / 8.0 : (double)dtype_bytes(t->dtype);
        }
    }
    return bytes;
}

/* Elements of a row are neighbours; constants of products can be stored so. */
static bool is_rows(Ctx *c, const Stmt *s) {
    Var *last = s->red[s->n_red - 1];
    Loads loads;
    if (!gpu_is_product(s)) return gpu_is_near(c, s, last);
    stmt_loads(s, &loads);
    for (int l = 0; l < loads.n; l++)
        if (loads.at[l]->tensor->space != SP_CONST && load_stride(c, loads.at[l], last) > 1)
            return false;
    return true;
}

static Cost look_at(const GpuSplit *p) {
    Cost k = {.split = p, .sum = p->kernel->stmts.at[0]};
    k.results = elements(k.sum->dom, k.sum->n_dom);
    k.steps = elements(k.sum->red, k.sum->n_red);
    double bytes = bytes_read(&k);
    if (gpu_is_tile(p->ctx, k.sum)) {
        k.blocks = tiles(&k);
        k.step = bytes * (TILE_ROWS + TILE_COLUMNS) / 2 / GPU_BYTES;
    } else if (is_rows(p->ctx, k.sum)) {
        k.blocks = k.results;
        k.step = bytes / GPU_BYTES;
    } else {
        k.blocks = gpu_ceil_div(k.results, BLOCK);
        k.step = bytes * BLOCK / GPU_BYTES;
    }
    return k;
}

/* ---- clocks ---- */
static double clocks(const Cost *k, int64_t parts, double steps) {
    return (double)gpu_ceil_div(k->blocks * parts, GPU_PROCESSORS) * steps * k->step;
}

/* A kernel more, and one behind those where something is left over that needs all results. */
static double price(const Cost *k, int64_t parts) {
    bool rest = k->split->n_own < k->split->kernel->stmts.n;
    double bytes = (double)dtype_bytes(k->sum->value->type) * (double)k->results;
    bytes *= 2.0 * (double)(parts * k->split->n_front + (rest ? 1 : 0));
    double join = k->split->rows ? 0 : (double)parts * GPU_JOIN;
    return GPU_LAUNCH * (rest ? 2 : 1) + join + bytes / ((double)GPU_PROCESSORS * GPU_BYTES);
}

/* Has an operand its elements along v next to each other? */
static bool is_fast(Ctx *c, const Stmt *s, Var *v) {
    Loads loads;
    stmt_loads(s, &loads);
    for (int l = 0; l < loads.n; l++)
        if (load_stride(c, loads.at[l], v) == 1) return true;
    return false;
}

static double price_of_parts(const Cost *k, int axis, int64_t parts, int64_t chunk) {
    const Var *v = k->sum->red[axis];
    double steps = (double)(k->steps / MAX(gpu_typical(v->extent), 1) * chunk);
    if (expr_is_int(v->extent, NULL) && steps < LEAST_STEPS) return -1;
    bool whole = expr_is(v->extent, parts * chunk);
    return clocks(k, parts, whole ? steps : steps * RAGGED) + price(k, parts);
}

/* Parts of neighbours in memory begin at whole pieces. Of an extent that only the run knows there
 * are as many parts as processors need. */
static void try_parts(const Cost *k, GpuSplit *p, int axis, int64_t parts, double *best) {
    Ctx *c = p->ctx;
    Var *v = k->sum->red[axis];
    bool fixed = expr_is_int(v->extent, NULL), fast = is_fast(c, k->sum, v);
    int64_t extent = gpu_typical(v->extent), chunk = gpu_ceil_div(extent, parts);
    if (fast) chunk = gpu_ceil_div(chunk, PIECE) * PIECE;
    parts = gpu_ceil_div(extent, chunk);
    if (parts < 2) return;
    double cost = price_of_parts(k, axis, parts, chunk);
    if (cost < 0 || cost >= *best) return;
    *best = cost;
    p->axis = axis;
    p->parts = expr_int(c, parts);
    p->chunk = expr_int(c, chunk);
    if (fixed) return;
    chunk = fast ? PIECE : 1;
    p->chunk = expr_muli(c, expr_ceildiv(c, v->extent, expr_int(c, parts * chunk)), chunk);
}

bool gpu_split_pays(GpuSplit *p) {
    Cost k = look_at(p);
    double best = clocks(&k, 1, (double)k.steps) / GAIN;
    p->rows = !gpu_is_tile(p->ctx, k.sum) && is_rows(p->ctx, k.sum);
    if (k.blocks >= GPU_PROCESSORS || k.blocks == 0 || best < GPU_LAUNCH) return false;
    for (int axis = 0; axis < k.sum->n_red; axis++) {
        int64_t n, most = MOST_PARTS, least = 2;
        if (expr_is_int(k.sum->red[axis]->extent, &n)) most = MIN(n, MOST_PARTS);
        else least = most = gpu_ceil_div(GPU_PROCESSORS, k.blocks);
        for (n = least; n <= most; n++) try_parts(&k, p, axis, n, &best);
    }
    return p->chunk != NULL;
}
