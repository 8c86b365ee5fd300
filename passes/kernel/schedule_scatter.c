/* Scatters: threads share what cannot collide. A variable that is a subscript of the target by
 * itself belongs to one element each: threads run along it. The others run in order inside.
 *
 *   [k<K, j<64] %y[bound(cast(index, %i[k]), N), j] = scatter sum %u[k, j]
 *   for j thread { for k { do %y } }
 *
 * On CPUs only those in front become threads, so that a thread writes neighbours. */
#include "passes/kernel/schedule.h"

bool schedule_scatter(Sched *s) {
    Kernel *k = s->kernel;
    const Stmt *st = k->stmts.at[0];
    if (k->stmts.n != 1 || st->kind != ST_SCATTER) return false;
    Nest *at = NULL;
    bool own[MAX_RANK];
    for (int i = 0; i < st->n_dom; i++) {
        bool front = schedule_is_gpu(s) || i == 0 || own[i - 1];
        own[i] = front && stmt_owns(st, st->dom[i]);
        if (own[i]) at = nest_loop(s, at, st->dom[i], BIND_THREAD);
    }
    for (int i = 0; i < st->n_dom; i++)
        if (!own[i]) at = nest_loop(s, at, st->dom[i], BIND_SERIAL);
    nest_stmt(s, at, k->stmts.at[0]);
    return true;
}
