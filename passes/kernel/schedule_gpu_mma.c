/* The loops of a tile whose warps multiply matrices (tensor cores).
 *
 *   split i.1 by 64 -> i.w i.2 exact      warps
 *   split i.2 by 16 -> i.m i.3 exact      the rows of a matrix
 *   split i.3 by 8 -> i.h i.g exact       thread 4*g + t of a warp has rows g and g + 8
 *   split j.2 by 8 -> j.m j.3 exact       the columns of a matrix
 *   split j.3 by 2 -> j.t j.e exact       thread 4*g + t has columns 2*t and 2*t + 1
 *   for i.w block { for j.w block { for i.g block { for j.t block {
 *     for k.0 {
 *       stage ...
 *       for k.1 unroll { for i.m mma { for i.h mma { for j.m mma { for j.e mma { for k.2 mma {
 *         do %s } } } } } }
 *     }
 *     for i.m unroll { for i.h unroll { for j.m unroll { for j.e unroll { do %y } } } }
 *   } } } } */
#include "ir/mma.h"
#include "passes/kernel/schedule_gpu_tile.h"

enum { LANE_COLUMNS = 2 };

void gpu_mma_split(GpuTile *t, Side *side, int64_t tile, int64_t each) {
    Sched *s = t->s;
    bool rows = side == &t->side[0];
    Var *of_warp, *of_matrix;
    CHECK(tile % each == 0);
    if (t->shape.group) {
        gpu_group_split(t, side, each);
        return;
    }
    how_split(s, side->own, each, TAIL_EXACT, &side->warp, &of_warp);
    how_split(s, of_warp, rows ? MMA_ROWS : MMA_COLUMNS, TAIL_EXACT, &side->matrix, &of_matrix);
    if (rows) how_split(s, of_matrix, MMA_LANE_ROWS, TAIL_EXACT, &side->each, &side->lane);
    else how_split(s, of_matrix, LANE_COLUMNS, TAIL_EXACT, &side->lane, &side->each);
}

Nest *gpu_mma_block(GpuTile *t, Nest *at) {
    for (int i = 0; i < 2; i++) at = nest_loop(t->s, at, t->side[i].warp, BIND_BLOCK);
    if (t->shape.group) at = nest_loop(t->s, at, t->side[0].quarter, BIND_BLOCK);
    for (int i = 0; i < 2; i++) at = nest_loop(t->s, at, t->side[i].lane, BIND_BLOCK);
    return at;
}

static Nest *own(GpuTile *t, Nest *at, Bind bind) {
    for (int i = 0; i < 2; i++) {
        at = nest_loop(t->s, at, t->side[i].matrix, bind);
        at = nest_loop(t->s, at, t->side[i].each, bind);
    }
    return at;
}

Nest *gpu_mma_own(GpuTile *t, Nest *at) {
    return own(t, at, BIND_UNROLL);
}

void gpu_mma_sum(GpuTile *t, Nest *at) {
    Var *round, *step;
    if (t->shape.group) {
        nest_stmt(t->s, nest_loop(t->s, own(t, at, BIND_GROUP), t->steps, BIND_GROUP), t->sum);
        return;
    }
    how_split(t->s, t->steps, t->steps_each, TAIL_EXACT, &round, &step);
    at = own(t, nest_loop(t->s, at, round, BIND_UNROLL), BIND_MMA);
    nest_stmt(t->s, nest_loop(t->s, at, step, BIND_MMA), t->sum);
}
