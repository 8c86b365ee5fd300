/* Accumulators of reductions that write to memory. */
#include "passes/kernel/accumulate.h"

void reduce_into_temp(Program *p, Kernel *k, int at, DType acc) {
    Stmt *s = k->stmts.at[at];
    Ctx *c = p->ctx;
    Expr *dims[MAX_RANK], *index[MAX_RANK];
    for (int i = 0; i < s->n_dom; i++) dims[i] = s->dom[i]->extent, index[i] = s->dom[i]->self;
    char *name = arena_printf(c->perm, "%s.acc", s->out->name);
    Tensor *t = program_temp(p, name, acc, dims, s->n_dom);
    Expr *value = expr_cast(c, s->out->dtype, expr_load(c, t, index, s->n_dom));
    Stmt *map = stmt_new(c, ST_MAP, s->out, s->dom, s->n_dom, value);
    map->index = s->index;
    s->out = t;
    s->index = NULL;
    kernel_insert(c, k, at + 1, map);
}
