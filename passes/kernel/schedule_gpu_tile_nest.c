/* The loops of a tile of a block of threads.
 *
 *   for i.0 thread { for j.0 thread { for i.t block { for j.t block {
 *     for k.0 {
 *       stage factor 0 of %s over i.1 k.1 -> %s.a : f32[68,16] layout [1,0] shared ahead 1
 *       stage factor 1 of %s over k.1 j.1 -> %s.b : f32[16,64] shared ahead 1
 *       for k.1 unroll { for i... unroll { for j... unroll { do %s } } }
 *     }
 *     for i... unroll { for j... unroll { do %y } }
 *   } } } }
 *
 * Copies lie along the sides. A thread's elements are four neighbours here and four there, as far
 * apart as there are threads: those that read at the same time meet different banks. Where a factor
 * lies along the reduction its copy is turned, and 16 bytes longer, so that those that write do,
 * too. */
#include "ir/mma.h"
#include "passes/kernel/schedule_gpu_tile.h"

enum { NEIGHBOURS = 4, PAD_BYTES = 16 };

/* ---- variables ---- */
static void split_side(GpuTile *t, Side *side, int64_t tile, int64_t each) {
    Sched *s = t->s;
    int64_t near = MIN(each, NEIGHBOURS);
    side->all = how_collapse(s, side->vars, side->n);
    how_split(s, side->all, tile, TAIL_GUARD, &side->block, &side->own);
    if (t->matrices) {
        gpu_mma_split(t, side, tile, each);
        return;
    }
    side->thread = side->own;
    side->outer = side->inner = NULL;
    if (each > near)
        how_split(s, side->thread, tile / each * near, TAIL_EXACT, &side->outer, &side->thread);
    if (near > 1) how_split(s, side->thread, near, TAIL_EXACT, &side->thread, &side->inner);
}

bool gpu_tile_is_long(const GpuTile *t, const Var *v, int slices) {
    int64_t n, depth = t->shape.depth * slices;
    return !expr_is_int(v->extent, &n) || n % depth == 0 || n >= 4 * depth;
}

/* One loop over all rounds: all variables as one, or the outer ones and tiles of the innermost. */
static void split_reduction(GpuTile *t) {
    Sched *s = t->s;
    Var *rounds[MAX_RANK], **last = &rounds[t->n_red - 1];
    int64_t depth = t->shape.depth * t->slices;
    memcpy(rounds, t->red, sizeof rounds);
    if (gpu_tile_is_long(t, *last, t->slices)) {
        how_split(s, *last, depth, TAIL_GUARD, last, &t->depth);
        t->round = how_collapse(s, rounds, t->n_red);
    } else {
        how_split(s, how_collapse(s, rounds, t->n_red), depth, TAIL_GUARD, &t->round, &t->depth);
    }
    t->slice = NULL, t->steps = t->depth;
    if (t->slices > 1) how_split(s, t->depth, t->shape.depth, TAIL_EXACT, &t->slice, &t->steps);
}

/* ---- copies ---- */
DType gpu_tile_type(const Expr *factor) {
    const Expr *e = factor;
    while (e->kind == E_GUARD || (e->kind == E_OP && e->op == SOP_cast))
        e = e->arg[e->kind == E_GUARD];
    return e->kind == E_LOAD && e->type != DT_BOOL && !e->tensor->packed ? e->type : factor->type;
}

int64_t gpu_tile_piece(const GpuTile *t) {
    return MMA_PIECE / (int64_t)dtype_bytes(gpu_tile_type(t->sum->value->arg[0]));
}

int64_t gpu_tile_bytes(const GpuTile *t, int slices) {
    const TileShape *s = &t->shape;
    int64_t size = 1, depth = s->depth * slices;
    for (int i = 0; i < 2; i++)
        size = MAX(size, (int64_t)dtype_bytes(gpu_tile_type(t->sum->value->arg[i])));
    int64_t pad = PAD_BYTES / size, longest = MAX(s->rows, s->columns);
    return ((s->rows + s->columns) * depth + 2 * pad * MAX(depth, longest)) * size;
}

/* As many as there is room for; matrix products are done with a round before the next arrives. */
static int rounds_ahead(const GpuTile *t) {
    int64_t all = GPU_TILE_SHARED - (t->slices > 1 ? GPU_TILE_ROOM : 0);
    int64_t room = all / gpu_tile_bytes(t, t->slices) - 1;
    return t->matrices ? (int)MIN(MAX(room, 1), 3) : 1;
}

Tensor *gpu_tile_stage(Sched *s, Nest *at, Stage what, Expr *const *dims, const int *order) {
    Ctx *c = s->ctx;
    Stage *g = arena_copy(c->perm, &what, sizeof what);
    DType type = gpu_tile_type(g->stmt->value->arg[g->factor]);
    char *name = arena_printf(c->perm, "%s.%c", g->stmt->out->name, 'a' + g->factor);
    g->region = arena_copy(c->perm, what.region, sizeof(Var *) * (size_t)what.n_region);
    g->copy = program_temp(s->program, name, type, dims, g->n_region);
    g->copy->space = SP_SHARED;
    if (order) g->copy->layout = layout_perm(c, order, g->n_region);
    nest_stage(s, at, g);
    return g->copy;
}

static void add_stage(GpuTile *t, Nest *at, const Side *side) {
    DType type = gpu_tile_type(t->sum->value->arg[side->factor]);
    Var *own[] = {side->own, t->depth}, *turn[] = {t->depth, side->own};
    Stage g = {.stmt = t->sum,
               .factor = side->factor,
               .region = side->along ? own : turn,
               .n_region = 2,
               .ahead = rounds_ahead(t)};
    Expr *dims[2] = {g.region[0]->extent, g.region[1]->extent};
    bool turned = side->along && !t->matrices;
    if (turned || t->matrices)
        dims[!turned] =
            expr_addi(t->s->ctx, dims[!turned], PAD_BYTES / (int64_t)dtype_bytes(type));
    gpu_tile_stage(t->s, at, g, dims, turned ? (const int[]){1, 0} : NULL);
}

/* ---- a thread's own elements ---- */
static Nest *own_loops(GpuTile *t, Nest *at) {
    if (t->matrices) return gpu_mma_own(t, at);
    for (int i = 0; i < 2; i++) {
        Side *side = &t->side[i];
        if (side->outer) at = nest_loop(t->s, at, side->outer, BIND_UNROLL);
        if (side->inner) at = nest_loop(t->s, at, side->inner, BIND_UNROLL);
    }
    return at;
}

static void nest_maps(GpuTile *t, Nest *at) {
    Kernel *k = t->s->kernel;
    at = own_loops(t, at);
    for (int i = 1; i < k->stmts.n; i++) {
        Stmt *m = k->stmts.at[i];
        if (m->out->space == SP_TEMP) how_home(t->s, m->out, SP_REG);
        nest_stmt(t->s, at, m);
    }
}

void gpu_tile_nest(GpuTile *t) {
    Sched *s = t->s;
    Nest *at = NULL;
    split_side(t, &t->side[0], t->shape.rows, t->shape.row_each);
    split_side(t, &t->side[1], t->shape.columns, t->shape.column_each);
    for (int i = 0; i < t->n_batch; i++) at = nest_loop(s, at, t->batch[i], BIND_THREAD);
    for (int i = 0; i < 2; i++) at = nest_loop(s, at, t->side[i].block, BIND_THREAD);
    split_reduction(t);
    if (t->slice) at = nest_loop(s, at, t->slice, BIND_BLOCK);
    if (t->matrices) at = gpu_mma_block(t, at);
    for (int i = 0; i < 2 && !t->matrices; i++)
        at = nest_loop(s, at, t->side[i].thread, BIND_BLOCK);
    how_home(s, t->sum->out, SP_REG);
    Nest *round = nest_loop(s, at, t->round, BIND_SERIAL);
    if (t->shape.group) gpu_group_stages(t, round);
    for (int i = 0; i < 2 && !t->shape.group; i++) add_stage(t, round, &t->side[i]);
    if (t->matrices) gpu_mma_sum(t, round);
    else nest_stmt(s, own_loops(t, nest_loop(s, round, t->steps, BIND_UNROLL)), t->sum);
    nest_maps(t, at);
}
