/* What stands in front of a scatter becomes a kernel of its own: the two have no loops in common,
 * and each is spread over threads in its own way.
 *
 *   kernel k1_scatter {                             kernel k2_copy { %y[i<N, j<64] = %x[i, j] }
 *     %y[i<N, j<64] = %x[i, j]                      kernel k1_scatter {
 *     [k<K, l<64] %y[bound(...), l] =                 [k<K, l<64] %y[bound(...), l] =
 *         scatter sum %u[k, l]                            scatter sum %u[k, l]
 *   }                                               }
 *
 * Requires: fusion is done. Keeps: what is computed. */
#include "passes/passes.h"

typedef struct Reads { /* of a temp of the first part */
    const Tensor *temp;
    bool found;
} Reads;

static void find_load(void *user, const Expr *e) {
    Reads *r = user;
    r->found |= e->kind == E_LOAD && e->tensor == r->temp;
}

static bool reads(const Stmt *s, const Tensor *temp) {
    Reads r = {temp, false};
    expr_visit(s->value, find_load, &r);
    for (int i = 0; s->index && i < stmt_target(s)->rank; i++)
        expr_visit(s->index[i], find_load, &r);
    return r.found || s->out == temp || s->out2 == temp;
}

/* Does something behind `at` need a temp from before? */
static bool needs_temps(const Kernel *k, int at) {
    for (int i = 0; i < at; i++) {
        const Tensor *made[] = {k->stmts.at[i]->out, k->stmts.at[i]->out2};
        for (int m = 0; m < 2; m++)
            for (int j = at; made[m] && made[m]->space == SP_TEMP && j < k->stmts.n; j++)
                if (reads(k->stmts.at[j], made[m])) return true;
    }
    return false;
}

/* The first place where the kernel falls into two; 0: none. */
static int place_of(const Kernel *k) {
    for (int i = 1; i < k->stmts.n; i++) {
        bool scatter = k->stmts.at[i]->kind == ST_SCATTER;
        bool behind = k->stmts.at[i - 1]->kind == ST_SCATTER;
        if ((scatter || behind) && !needs_temps(k, i)) return i;
    }
    return 0;
}

/* The statements in front of `at` leave for a kernel in front. */
static void cut(Program *p, Block *b, int item, int at) {
    Kernel *k = b->items.at[item]->kernel, *first;
    const char *hint = k->stmts.at[0]->kind == ST_SCATTER ? "scatter" : "copy";
    first = kernel_new(p, hint);
    first->origin = k->origin, first->n_origin = k->n_origin;
    for (int i = 0; i < at; i++) vec_push(p->ctx->perm, &first->stmts, k->stmts.at[i]);
    for (int i = at; i < k->stmts.n; i++) k->stmts.at[i - at] = k->stmts.at[i];
    k->stmts.n -= at;
    bool device = b->items.at[item]->device;
    item_insert(p, b, item, first)->device = device;
}

static bool cut_block(Program *p, Block *b) {
    bool changed = false;
    for (int i = 0; b && i < b->items.n; i++) {
        Item *it = b->items.at[i];
        changed |= cut_block(p, it->block[0]);
        changed |= cut_block(p, it->block[1]);
        int at = it->kind == ITEM_KERNEL ? place_of(it->kernel) : 0;
        if (!at) continue;
        cut(p, b, i, at);
        changed = true;
    }
    return changed;
}

PASS(scatters, KERNELS, "what stands in front of a scatter becomes a kernel of its own")
bool pass_scatters(Program *p) {
    return cut_block(p, p->body);
}
