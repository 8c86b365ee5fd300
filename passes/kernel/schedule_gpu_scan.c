/* Scans on GPUs: the threads of a block share a line, in tiles of lanes * runs elements.
 *
 *   %y[i<N, j<5000] = scan sum[j] %x[i, j]  by f32 lanes 256 runs 4
 *   split j by 1024 -> j.0 j.1 guard;  split j.1 by 4 -> j.1.0 j.1.1 exact
 *   for i thread { for j.1.0 block { for j.0 { for j.1.1 unroll { do %y } } } }
 *
 * Lines that are short, or whose elements are far from each other, stay with one thread each. */
#include "passes/kernel/schedule.h"

enum { SHORT_LINE = 64, LEAST_LANES = 32, MOST_LANES = 256, RUN_BYTES = 16 };

/* Pass gpu_rows: how the scan adds up. It depends on the line's length and type alone. */
bool gpu_scan_recipe(Ctx *ctx, Kernel *k) {
    Stmt *s = k->stmts.at[0];
    if (k->stmts.n != 1 || s->kind != ST_SCAN || s->recipe.lanes || s->out->dtype == DT_BOOL)
        return false;
    Var *v = s->dom[s->axis];
    int64_t n = extent_or(v->extent, INT32_MAX);
    if (s->axis + 1 < s->n_dom || n < SHORT_LINE || store_stride(ctx, s, v) != 1) return false;
    int runs = MIN(RUN_BYTES / (int)dtype_bytes(s->out->dtype), 4), lanes = LEAST_LANES;
    while (lanes < MOST_LANES && (int64_t)lanes * runs < n) lanes *= 2;
    s->recipe = (Recipe){s->out->dtype, lanes, runs, 0};
    return true;
}

bool schedule_gpu_scan(Sched *s) {
    Stmt *st = s->kernel->stmts.at[0];
    if (!schedule_is_gpu(s) || s->kernel->stmts.n != 1) return false;
    if (st->kind != ST_SCAN || st->recipe.lanes < 2) return false;
    int64_t runs = MAX(st->recipe.runs, 1);
    Var *tile, *lane, *run = NULL;
    how_split(s, st->dom[st->axis], st->recipe.lanes * runs, TAIL_GUARD, &tile, &lane);
    if (runs > 1) how_split(s, lane, runs, TAIL_EXACT, &lane, &run);
    Nest *at = NULL;
    for (int i = 0; i < st->n_dom; i++)
        if (i != st->axis) at = nest_loop(s, at, st->dom[i], BIND_THREAD);
    at = nest_loop(s, at, lane, BIND_BLOCK);
    at = nest_loop(s, at, tile, BIND_SERIAL);
    if (run) at = nest_loop(s, at, run, BIND_UNROLL);
    nest_stmt(s, at, st);
    return true;
}
