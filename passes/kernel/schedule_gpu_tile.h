/* Shared by schedule_gpu_tile*.c: a sum of products in tiles of a block of threads. */
#ifndef ONNXCC_PASSES_SCHEDULE_GPU_TILE_H
#define ONNXCC_PASSES_SCHEDULE_GPU_TILE_H

#include "passes/kernel/schedule.h"

/* One of the two directions of a tile: variables of the result that only one factor has. */
typedef struct Side {
    int factor;
    Var *vars[MAX_RANK]; /* outermost first */
    int n;
    Expr *extent;
    bool along; /* the factor's elements are neighbours along the reduction, not along the side */
    Var *all, *block, *own;      /* collapsed; which tile; inside of it */
    Var *thread, *outer, *inner; /* of own: outer, thread, inner; the last may be NULL */
} Side;
/* What a block computes, and what a thread of it does. */
typedef struct TileShape {
    int64_t rows, columns, depth;  /* of the block's tile; depth: along the reduction */
    int64_t row_each, column_each; /* of a thread's tile */
    double speed;                  /* of a multiply-add in large problems; the best has 1 */
} TileShape;
typedef struct GpuTile {
    Sched *s;
    Stmt *sum;
    Side side[2]; /* rows, columns: the latter are the fast ones of the result */
    Var *batch[MAX_RANK], *red[MAX_RANK]; /* red: outermost first */
    int n_batch, n_red;
    TileShape shape;
} GpuTile;

/* ---- schedule_gpu_tile_nest.c ---- */
void gpu_tile_nest(GpuTile *);

#endif
