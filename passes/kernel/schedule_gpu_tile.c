/* Sums of products on GPUs: contractions, and convolutions as products of matrices that are never
 * made (implicit GEMM).
 *
 *   rows, columns   variables of the result that only one of the factors has, collapsed; columns
 *                   are those in which the result is contiguous
 *   batch           the other variables of the result, blocks of threads of their own
 *   reduction       all its variables as one, or loops around the innermost one where that is long
 *
 * A block computes a tile of rows x columns. The parts of both factors that it needs for some steps
 * of the reduction are copied to shared memory by all its threads; each thread adds them up for a
 * tile of its own in registers. What follows the sum is done on that.
 *
 * Few rows and columns make small tiles, so that there are blocks for all of a GPU; where these are
 * still few, groups of threads of a block share the reduction: the recipe says how. */
#include "passes/kernel/schedule_gpu_tile.h"

#include "passes/kernel/gpu_cost.h"
#include "ir/mma.h"
#include "passes/kernel/schedule_tile.h"

enum {
    LEAST_DEPTH = 8,
    WARP = 32,
    MOST_SLICES = 8,
    FEW_ROUNDS = 4,
    BUSY = 512 /* threads that keep a processor busy */
};

/* From the largest to the smallest. */
static const TileShape shapes[] = {
    {128, 128, 8, 8, 8, 1.0, false},  {128, 64, 16, 8, 4, 0.9, false},
    {64, 128, 16, 4, 8, 0.9, false},  {64, 64, 16, 4, 4, 0.75, false},
    {32, 64, 16, 4, 4, 0.6, false},   {32, 32, 16, 4, 4, 0.45, false},
};

/* For warps that multiply matrices, and groups of four of them; depth: of elements of 2 bytes. */
static const TileShape matrix_shapes[] = {
    {256, 128, 32, 128, 128, 1.7, true}, {128, 256, 32, 128, 128, 1.7, true},
    {128, 128, 32, 128, 128, 1.4, true}, {128, 64, 32, 128, 64, 1.05, true},
    {64, 128, 32, 64, 128, 1.05, true},  {128, 128, 32, 64, 64, 1.0, false},
    {128, 64, 32, 32, 32, 0.85, false},  {64, 128, 32, 32, 32, 0.85, false},
    {64, 64, 32, 32, 32, 0.7, false},    {32, 64, 32, 16, 32, 0.5, false},
    {32, 32, 32, 16, 16, 0.35, false},
};

/* ---- does the kernel have the form? ---- */
static bool is_epilogue(const Stmt *m, const Stmt *sum) {
    if (m->kind != ST_MAP || m->n_dom != sum->n_dom) return false;
    for (int i = 0; i < m->n_dom; i++)
        if (!stmt_has_dom(sum, m->dom[i])) return false;
    return true;
}

static void find_bound(void *user, const Expr *e) {
    *(bool *)user |= e->kind == E_BOUND || (e->kind == E_LOAD && e->tensor->space == SP_TEMP);
}

static bool is_product_sum(const Stmt *s) {
    bool bad = false;
    if (s->kind != ST_REDUCE || s->op != RED_SUM || s->index || s->out->space != SP_TEMP)
        return false;
    if (s->value->kind != E_OP || s->value->op != SOP_mul || s->recipe.lanes > 1) return false;
    if (dtype_bytes(s->value->type) < 4 || s->out->dtype != s->value->type) return false;
    expr_visit(s->value, find_bound, &bad);
    return !bad;
}

static bool has_form(GpuTile *t) {
    Kernel *k = t->s->kernel;
    t->sum = k->stmts.at[0];
    if (k->stmts.n < 2 || !is_product_sum(t->sum)) return false;
    for (int i = 1; i < k->stmts.n; i++)
        if (!is_epilogue(k->stmts.at[i], t->sum)) return false;
    return true;
}

/* ---- rows, columns and the rest ---- */
static Expr *factor_of(const GpuTile *t, int i) {
    return t->sum->value->arg[i];
}

static const Stmt *last_stmt(const GpuTile *t) {
    return t->s->kernel->stmts.at[t->s->kernel->stmts.n - 1];
}

static void add_side(GpuTile *t, Side *side, Var *v) {
    side->extent = side->n ? expr_mul(t->s->ctx, side->extent, v->extent) : v->extent;
    side->vars[side->n++] = v;
}

static bool is_large(const Expr *extent, int64_t least) {
    return extent && extent_or(extent, least) >= least;
}

/* The result's variables in the order in which it lies in memory. */
static bool choose_sides(GpuTile *t) {
    Var *order[MAX_RANK];
    int n = schedule_order_by_store(t->s->ctx, last_stmt(t), order), columns = 1;
    t->side[0].factor = 0, t->side[1].factor = 1;
    for (int i = 0; i < n; i++) {
        bool in0 = expr_uses_var(factor_of(t, 0), order[i]),
             in1 = expr_uses_var(factor_of(t, 1), order[i]);
        if (in0 == in1 || expr_is(order[i]->extent, 1)) t->batch[t->n_batch++] = order[i];
        else add_side(t, &t->side[in1], order[i]), columns = in1;
    }
    if (columns == 0) {
        Side rows = t->side[1];
        t->side[1] = t->side[0], t->side[0] = rows;
    }
    return is_large(t->side[0].extent, GPU_TILE_SIDE) && is_large(t->side[1].extent, GPU_TILE_SIDE);
}

/* Steps shall be neighbours in a copy, which nothing turns but elements of 16 bits; constants are
 * stored so. */
static bool steps_are_neighbours(const GpuTile *t) {
    return t->matrices && t->steps_each != mma_steps(DT_F16);
}

typedef struct Stride {
    Ctx *ctx;
    Var *v;
    int64_t most;
    bool near, constants; /* constants count, too: they are where they shall be */
    Tile *pack;           /* as they will be stored; NULL: as they are */
} Stride;

/* Of constants in the order of a group's copies, too. */
static bool is_fastest(const Expr *load, const Var *v) {
    const Layout *l = load->tensor->layout;
    return l && l->at[l->n - 1].div == 1 && load->arg[l->at[l->n - 1].dim] == v->self;
}

static void find_stride(void *user, const Expr *e) {
    Stride *s = user;
    if (e->kind != E_LOAD || (e->tensor->space == SP_CONST && !s->constants)) return;
    int64_t stride = is_fastest(e, s->v) ? 1 : load_stride(s->ctx, e, s->v);
    if (s->pack && tile_packs(s->pack, e))
        stride = s->v == s->pack->red[s->pack->sum->n_red - 1] && stride ? 1 : ACCESS_FAR;
    s->near |= stride == 1;
    s->most = MAX(s->most, stride);
}

static Stride stride_of(const GpuTile *t, const Expr *factor, Var *v, Tile *pack) {
    Stride s = {t->s->ctx, v, 0, false, steps_are_neighbours(t), pack};
    expr_visit(factor, find_stride, &s);
    return s;
}

/* The largest stride outermost. */
static bool order_reduction(GpuTile *t) {
    int64_t stride[MAX_RANK];
    if (t->sum->n_red == 0 || t->sum->n_red > MAX_RANK) return false;
    for (int i = 0; i < t->sum->n_red; i++) {
        Var *v = t->sum->red[i];
        int64_t own = stride_of(t, t->sum->value, v, NULL).most;
        int at = i;
        for (; at > 0 && stride[at - 1] < own; at--)
            t->red[at] = t->red[at - 1], stride[at] = stride[at - 1];
        t->red[at] = v, stride[at] = own;
    }
    t->n_red = t->sum->n_red;
    Expr *all = expr_int(t->s->ctx, 1);
    for (int i = 0; i < t->n_red; i++) all = expr_mul(t->s->ctx, all, t->red[i]->extent);
    return is_large(all, LEAST_DEPTH);
}

typedef struct Sectors {
    Ctx *ctx;
    Var *v;
    int n; /* that neighbours along v touch */
} Sectors;

static void add_sectors(void *user, const Expr *e) {
    Sectors *s = user;
    if (e->kind == E_LOAD && e->tensor->space != SP_CONST) s->n += load_sectors(s->ctx, e, s->v);
}

/* Where neither has neighbours: along which do fewer sectors of memory hold what is copied? */
static bool is_nearer(const GpuTile *t, const Expr *factor, Var *red, Var *side) {
    Sectors a = {t->s->ctx, red, 0}, b = {t->s->ctx, side, 0};
    expr_visit(factor, add_sectors, &a);
    expr_visit(factor, add_sectors, &b);
    return a.n < b.n;
}

static bool lies_along(const GpuTile *t, const Side *side, Tile *pack) {
    const Expr *f = factor_of(t, side->factor);
    Var *red = t->red[t->n_red - 1], *own = side->vars[side->n - 1];
    if (stride_of(t, f, own, pack).near) return false;
    return stride_of(t, f, red, pack).near || (!pack && is_nearer(t, f, red, own));
}

/* ---- constants are stored in blocks of the tile's width ---- */
/* Is it more than an element that is converted? Then threads copy it element by element. */
static bool is_computed(const Expr *factor) {
    const Expr *e = factor;
    while (e->kind == E_GUARD || (e->kind == E_OP && e->op == SOP_cast))
        e = e->arg[e->kind == E_GUARD];
    return e->kind != E_LOAD || e->tensor->packed;
}

/* Those that threads copy element by element in such of a warp's: where there are few rows more
 * blocks of threads share them. False: they stay as they are. */
static bool pack_of(const GpuTile *t, const Side *side, Tile *pack) {
    *pack = (Tile){.s = t->s, .sum = t->sum, .lanes = side->vars[0]};
    pack->nr = side == &t->side[0] ? t->shape.rows : t->shape.columns;
    pack->along = steps_are_neighbours(t);
    if (t->s->rows && !t->shape.group && is_computed(factor_of(t, side->factor)))
        pack->nr = MIN(pack->nr, WARP);
    if (t->shape.group && gpu_tile_is_long(t, t->red[t->n_red - 1], 1))
        pack->deep = t->shape.depth, pack->piece = gpu_tile_piece(t);
    memcpy(pack->red, t->red, sizeof pack->red);
    return side->n == 1 && !t->s->most_rows;
}

static void pack_side(GpuTile *t, const Side *side) {
    Tile pack;
    const Tensor *old = gpu_group_constant(t, side);
    if (!pack_of(t, side, &pack)) return;
    stmt_loads(t->sum, &pack.loads);
    tile_pack_panels(&pack);
    Tensor *packed = gpu_group_constant(t, side);
    if (t->shape.group && packed != old) gpu_group_round(t, packed);
}

/* Groups read pieces of 16 bytes; those of steps must be neighbours in memory. */
static bool has_groups(const GpuTile *t) {
    bool along = true;
    for (int i = 0; i < 2 && steps_are_neighbours(t); i++) {
        Tile pack;
        bool packs = pack_of(t, &t->side[i], &pack);
        along &= lies_along(t, &t->side[i], packs ? &pack : NULL);
    }
    return along;
}

/* ---- the tile's size ---- */
static int64_t tiles_of(const GpuTile *t, int side, int64_t each) {
    return gpu_ceil_div(gpu_tile_extent(t, &t->side[side]), each);
}

static int64_t blocks_of(const GpuTile *t, const TileShape *s) {
    int64_t blocks = tiles_of(t, 0, s->rows) * tiles_of(t, 1, s->columns);
    for (int i = 0; i < t->n_batch; i++) blocks *= extent_or(t->batch[i]->extent, 1);
    return blocks;
}

static double cost_of(const GpuTile *t, const TileShape *s) {
    int64_t blocks = blocks_of(t, s);
    int64_t rounds = gpu_ceil_div(blocks, GPU_PROCESSORS);
    return (double)(rounds * s->rows * s->columns) / s->speed;
}

/* As many bytes of steps as those of 16 bits have; of bytes only where the reduction's innermost
 * variable has whole rounds of them. */
static void adapt_depth(GpuTile *t) {
    int64_t depth = t->shape.depth, wanted = depth * t->steps_each / mma_steps(DT_F16);
    t->shape.depth = wanted;
    if (wanted > depth && !gpu_tile_is_long(t, t->red[t->n_red - 1], 1)) t->shape.depth = depth;
}

/* A later revision takes a smaller one than the one before it, as long as there is one. */
static void choose_shape(GpuTile *t) {
    const TileShape *all = t->matrices ? matrix_shapes : shapes, *best = all;
    int n = t->matrices ? LEN(matrix_shapes) : LEN(shapes);
    if (!has_groups(t))
        while (best->group) best++, all++, n--;
    for (int i = 1; i < n; i++)
        if (cost_of(t, &all[i]) < cost_of(t, best)) best = &all[i];
    for (int i = 0; i < t->s->revision && best + 1 < all + n; i++) best++;
    t->shape = *best;
    t->s->tile = best;
    if (t->matrices) adapt_depth(t);
}

int64_t gpu_tile_threads(const GpuTile *t) {
    const TileShape *s = &t->shape;
    int64_t each = s->rows / s->row_each * (s->columns / s->column_each);
    return s->group ? each * GPU_GROUP : t->matrices ? each * WARP : each;
}

/* Few blocks with a long reduction: several groups of threads of a block share it. */
static void choose_slices(GpuTile *t) {
    const Var *last = t->red[t->n_red - 1];
    int64_t rounds = 1, n, threads = gpu_tile_threads(t);
    if (t->shape.group || (t->s->most_rows && t->sum->red[t->n_red - 1] != last)) return;
    for (int i = 0; i < t->n_red; i++) {
        if (!expr_is_int(t->red[i]->extent, &n)) return;
        rounds *= n;
    }
    rounds /= t->shape.depth;
    for (int s = 2; s <= MOST_SLICES && !t->s->strict; s *= 2) {
        int64_t bytes = 2 * gpu_tile_bytes(t, s) + GPU_TILE_ROOM;
        bool room = threads * s <= BUSY && bytes <= GPU_TILE_SHARED;
        bool idle = blocks_of(t, &t->shape) * threads * s <= (int64_t)GPU_PROCESSORS * BUSY;
        if (room && idle && rounds >= FEW_ROUNDS * s && gpu_tile_is_long(t, last, s)) t->slices = s;
    }
    t->s->slices = t->slices;
}

/* Where the number of rows is a symbol, each version has a recipe of its own, along the variable
 * that the version for any number has chosen. */
static void set_recipe(GpuTile *t) {
    Recipe r = t->sum->recipe;
    r.lanes = t->slices, r.runs = (int)t->shape.depth;
    if (!t->s->most_rows && (t->slices > 1 || t->s->rows))
        t->sum->red = arena_copy(t->s->ctx->perm, t->red, sizeof(Var *) * (size_t)t->n_red);
    if (t->slices > 1 && t->s->rows) how_by(t->s, t->sum, r);
    if (t->slices > 1 && !t->s->rows) t->sum->recipe = r;
}

/* The order in which a warp adds up products of floats is the processor's own; those of f32 lose
 * bits. */
static void look_for_matrices(GpuTile *t) {
    DType a = gpu_tile_type(factor_of(t, 0)), b = gpu_tile_type(factor_of(t, 1)),
          sum = mma_sum(a, b);
    bool allowed = !dtype_is_float(sum) || (!t->s->strict && (t->s->fast || a != DT_F32));
    t->matrices = sum != DT_NONE && sum == t->sum->value->type && allowed;
    if (t->matrices) t->steps_each = mma_steps(a);
    t->s->matrices = t->matrices;
}

bool gpu_tile_find(GpuTile *t, Sched *s) {
    *t = (GpuTile){.s = s, .slices = 1};
    return has_form(t) && choose_sides(t) && order_reduction(t);
}

bool schedule_gpu_tile(Sched *s) {
    GpuTile t;
    if (!schedule_is_gpu(s) || !gpu_tile_find(&t, s)) return false;
    look_for_matrices(&t);
    for (int i = 1; i >= 0; i--)
        if (!expr_is_int(t.side[i].extent, NULL)) s->rows = t.side[i].extent;
    choose_shape(&t);
    choose_slices(&t);
    set_recipe(&t);
    for (int i = 0; i < 2; i++) pack_side(&t, &t.side[i]);
    for (int i = 0; i < 2; i++) t.side[i].along = lies_along(&t, &t.side[i], NULL);
    gpu_tile_nest(&t);
    return true;
}
