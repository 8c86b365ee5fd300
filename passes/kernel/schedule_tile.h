/* Shared by schedule_tile*.c and schedule_panels.c: one reduction in a register tile. */
#ifndef ONNXCC_PASSES_SCHEDULE_TILE_H
#define ONNXCC_PASSES_SCHEDULE_TILE_H

#include "passes/kernel/schedule.h"

typedef struct Tile {
    Sched *s;
    Stmt *sum;
    /* where the reduction runs in blocks: adds up the blocks' sums; else NULL */
    Stmt *total;
    int first_map;         /* statements after the reduction */
    Loads loads;
    Var *lanes;
    Var *rows[MAX_RANK], *batch[MAX_RANK];
    int n_rows, n_batch;
    Var *red[MAX_RANK];    /* outermost first */
    int64_t deep, piece;   /* > 0: constants are stored in the order of a group's copies of so many
                              steps of the innermost one, in pieces (schedule_gpu_group.c) */
    bool along;            /* constants are stored along the reduction, not the lanes */
    int64_t mr, nr;        /* tile: rows, lanes (elements) */
    Var *p, *p_out, *p_in, *n_out, *n_in;
} Tile;

bool tile_load_uses(const Expr *load, const Var *);
/* A constant that may be stored so that v's elements are neighbours: v goes up by one in one
 * subscript alone. */
bool tile_packable(Ctx *, const Expr *load, Var *v);
bool tile_has_guard(const Tile *); /* the reduction loads under a condition: a window's border */

/* ---- schedule_panels.c ---- */
void tile_pack_panels(Tile *);
bool tile_packs(Tile *, const Expr *load); /* may it be stored so? */
/* A width that tiles must divide, because a constant is stored in blocks that cannot be changed any
 * more; 0: none. */
int64_t tile_fixed_block(const Tile *);

/* ---- schedule_tile_nest.c ---- */
/* cuts a long reduction where its operands do not fit the cache */
void tile_block_reduction(Tile *);
void tile_build_nest(Tile *);

#endif
