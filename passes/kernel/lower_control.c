/* Control flow: regions become blocks. Loops are in lower_loop.c.
 *
 * A result that a node of the region makes is written where it is wanted at once; any other
 * (an argument, something from outside, one that is wanted twice) is copied at the region's
 * end. */
#include "passes/kernel/lower.h"

/* ---- results of regions ---- */

static bool same_dims(Lower *l, const Value *v, const Tensor *t) {
    for (int i = 0; i < t->rank; i++)
        if (!expr_prove_eq(l->ctx, v->type.dims[i], t->dims[i])) return false;
    return v->type.rank == t->rank;
}

/* Lets the node that makes v write to t, where that is possible. */
void lower_place_result(Lower *l, const Region *r, Value *v, Tensor *t) {
    bool own = v->def && v->def->parent == r && v->def->op != OP_state && !v->data;
    if (!own || lower_has(l, v)) return;
    type_resolve(l->ctx, &v->type);
    if (same_dims(l, v, t)) lower_place(l, v, t);
}

void lower_finish_result(Lower *l, Value *v, Tensor *t) {
    if (lower_find(l, v) != t) lower_copy(l, v, t);
}

Block *lower_enter(Lower *l, Block *into) {
    Block *outer = l->block;
    l->block = into;
    return outer;
}

/* ---- if ---- */

/* Dimensions in which the branches differ are symbols that each branch binds. One that was found
 * equal to something else is checked. */
static void settle_joined(Lower *l, const Value *v, const Tensor *t) {
    for (int i = 0; i < t->rank; i++)
        lower_settle(l, t->dims[i], v->type.dims[i],
                     arena_printf(l->ctx->perm, "axis %d of %s is not what is needed", i,
                                  diag_name(l->ctx, t->name)));
}

/* Symbols without a value in front of the branches. */
typedef struct Open {
    VEC(Sym *) at;
} Open;

static Open open_syms(Lower *l, const Item *it) {
    Open open = {0};
    for (int k = 0; k < it->n_out; k++)
        for (int i = 0; i < it->out[k]->rank; i++) {
            Expr *dim = it->out[k]->dims[i];
            if (dim->kind != E_SYM || dim->sym->kind != SYM_VALUE) continue;
            if (!map_get_int(l->bound, (uint64_t)(uintptr_t)dim->sym))
                vec_push(l->ctx->perm, &open.at, dim->sym);
        }
    return open;
}

static bool lower_branch(Lower *l, Region *r, Block *block, Tensor *const *out) {
    Block *outer = lower_enter(l, block);
    for (int i = 0; i < r->n_results; i++) lower_place_result(l, r, r->results[i], out[i]);
    bool ok = lower_region(l, r);
    for (int i = 0; ok && i < r->n_results; i++) {
        type_resolve(l->ctx, &r->results[i]->type);
        settle_joined(l, r->results[i], out[i]);
    }
    for (int i = 0; ok && i < r->n_results; i++) lower_finish_result(l, r->results[i], out[i]);
    lower_enter(l, outer);
    return ok;
}

bool lower_op_if(Lower *l) {
    Node *n = l->node;
    Tensor *condition = lower_tensor(l, n->in[0]);
    Item *it = item_new(l->program, l->block, ITEM_IF);
    it->origin = n->origin;
    it->in = NEW_ARRAY(l->ctx->perm, Tensor *, 1);
    it->in[0] = condition;
    it->n_in = 1;
    it->n_out = n->n_out;
    it->out = NEW_ARRAY(l->ctx->perm, Tensor *, n->n_out + 1);
    for (int i = 0; i < n->n_out; i++) it->out[i] = lower_out(l, i);
    bool ok = true;
    Open open = open_syms(l, it);
    for (int i = 0; i < 2; i++) {
        for (int k = 0; k < open.at.n; k++)
            map_set_int(l->bound, (uint64_t)(uintptr_t)open.at.at[k], NULL);
        it->block[i] = NEW(l->ctx->perm, Block);
        ok &= lower_branch(l, n->region[i], it->block[i], it->out);
    }
    return ok;
}
