/* Changes of layout on GPUs (gpu_turns.c gave them their form): 256 threads to a tile, a row of it
 * for 16 or 32 of them.
 *
 *   split row by 8 -> row.0 row.1 exact
 *   home %x.tile shared
 *   for n thread { for j.t thread { for k.t thread { for row.1 block { for column block {
 *     for row.0 unroll { do %x.tile }
 *     for row.0 unroll { do %y } } } } } } */
#include "passes/kernel/schedule.h"

enum { BLOCK = 256 };

/* Maps over the same variables, all but the last into temps whose elements they exchange. */
static bool is_turn(const Kernel *k) {
    const Stmt *last = k->stmts.at[k->stmts.n - 1];
    int64_t rows, columns;
    if (k->stmts.n < 2 || last->kind != ST_MAP || last->n_dom < 2) return false;
    for (int i = 0; i + 1 < k->stmts.n; i++) {
        const Stmt *s = k->stmts.at[i];
        if (s->kind != ST_MAP || s->out->space != SP_TEMP || !s->index) return false;
        if (s->n_dom != last->n_dom) return false;
        for (int d = 0; d < s->n_dom; d++)
            if (s->dom[d] != last->dom[d]) return false;
    }
    return expr_is_int(last->dom[last->n_dom - 2]->extent, &rows) &&
           expr_is_int(last->dom[last->n_dom - 1]->extent, &columns) && rows == columns &&
           BLOCK % columns == 0 && rows % (BLOCK / columns) == 0;
}

bool schedule_gpu_turns(Sched *s) {
    Kernel *k = s->kernel;
    if (!schedule_is_gpu(s) || !is_turn(k)) return false;
    const Stmt *last = k->stmts.at[k->stmts.n - 1];
    Var *row = last->dom[last->n_dom - 2], *column = last->dom[last->n_dom - 1];
    Var *rounds = NULL, *inside = row;
    int64_t at_once = BLOCK / column->extent->i;
    if (row->extent->i > at_once) how_split(s, row, at_once, TAIL_EXACT, &rounds, &inside);
    Nest *at = NULL;
    for (int i = 0; i + 2 < last->n_dom; i++) at = nest_loop(s, at, last->dom[i], BIND_THREAD);
    at = nest_loop(s, nest_loop(s, at, inside, BIND_BLOCK), column, BIND_BLOCK);
    for (int i = 0; i < k->stmts.n; i++) {
        Stmt *st = k->stmts.at[i];
        if (st->out->space == SP_TEMP) how_home(s, st->out, SP_SHARED);
        nest_stmt(s, rounds ? nest_loop(s, at, rounds, BIND_UNROLL) : at, st);
    }
    return true;
}
