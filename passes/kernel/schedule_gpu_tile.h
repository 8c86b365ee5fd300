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
    Var *thread, *outer, *inner; /* of own: outer, thread, inner; outer and inner may be NULL */
    /* of matrix products: own is warp, matrix, and what lanes and each of them have of that */
    Var *warp, *matrix, *lane, *each;
    Var *quarter; /* of products by groups, of which warp is the number: which warp of one */
} Side;
/* What a block computes, and what a thread of it does, or a warp by matrix products. */
typedef struct TileShape {
    int64_t rows, columns, depth;  /* of the block's tile; depth: along the reduction */
    int64_t row_each, column_each; /* of a thread's tile, or a warp's */
    double speed; /* of a multiply-add in large problems; 1: of the best without groups */
    bool group;   /* a thread's tile is that of a group of four warps */
} TileShape;
typedef struct GpuTile {
    Sched *s;
    Stmt *sum;
    Side side[2]; /* rows, columns: the latter are the fast ones of the result */
    Var *batch[MAX_RANK], *red[MAX_RANK]; /* red: outermost first */
    int n_batch, n_red;
    TileShape shape;
    bool matrices;  /* factors of types that warps multiply as matrices (ir/mma.h) */
    int steps_each; /* of these: steps of a matrix */
    int slices;     /* groups of threads that share the steps of a round; their sums are combined */
    /* of the reduction: rounds, steps of one, of these which slice (NULL: one) and steps of it */
    Var *round, *depth, *slice, *steps;
} GpuTile;

bool gpu_tile_find(GpuTile *, Sched *);    /* sides and reduction; false: no such kernel */
int64_t gpu_tile_threads(const GpuTile *); /* of a slice */

/* ---- schedule_gpu_tile_nest.c ---- */
enum {
    GPU_TILE_SHARED = 48 << 10,
    GPU_TILE_ROOM = 4096 /* bytes of it in which sums of slices are combined */
};
/* Bytes of the copies for a round with so many slices */
int64_t gpu_tile_bytes(const GpuTile *, int slices);
/* May the innermost reduction variable have rounds of its own? */
bool gpu_tile_is_long(const GpuTile *, const Var *, int slices);
void gpu_tile_nest(GpuTile *);
/* ---- schedule_gpu_tile_classes.c ---- */
/* An extent; where it is symbolic, what is assumed of it. */
int64_t gpu_tile_extent(const GpuTile *, const Side *);
/* So many elements of the factors' type are 16 bytes. */
int64_t gpu_tile_piece(const GpuTile *);
/* The type in which a factor lies in memory, if it is only converted; else its own. */
DType gpu_tile_type(const Expr *factor);
/* A stage of which the copy is made here: with these dimensions, in this physical order (NULL: as
 * they are), in the type that its factor has in memory. The region is copied. Gives the copy. */
Tensor *gpu_tile_stage(Sched *, Nest *at, Stage, Expr *const *dims, const int *order);

/* ---- schedule_gpu_few.c ---- */
/* A version for at most most_rows rows, in which each element of the other factor is read once;
 * false: it does not lie in memory as it should. */
bool schedule_gpu_few(Sched *);

/* ---- schedule_gpu_mma.c: loops of matrix products ---- */
void gpu_mma_split(GpuTile *, Side *, int64_t tile, int64_t each);
Nest *gpu_mma_block(GpuTile *, Nest *); /* the threads of a block */
void gpu_mma_sum(GpuTile *, Nest *);
Nest *gpu_mma_own(GpuTile *, Nest *); /* a thread's elements */

/* ---- schedule_gpu_group.c: the same for groups of four warps ---- */
enum { GPU_GROUP = 128 }; /* threads */
void gpu_group_split(GpuTile *, Side *, int64_t each);
int64_t gpu_group_bytes(const GpuTile *); /* of the copies for a round */
void gpu_group_stages(GpuTile *, Nest *);
Tensor *gpu_group_constant(const GpuTile *, const Side *); /* what the factor is; NULL: others */
/* Products read the first 19 bits of an f32: the constant, which nobody else reads, is rounded to
 * these. */
void gpu_group_round(GpuTile *, Tensor *constant);

#endif
