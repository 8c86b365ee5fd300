/* All masks of a match as one value that broadcasts to [b, h, m, n], to be added to the scaled
 * scores. */
#include "passes/graph/attention.h"

/* The mask with S's axes, each full or 1. */
static Value *on_s(Graph *g, Value *v, const Mask *m, const Type *s) {
    Expr *shape[MAX_RANK];
    int skip = m->rank - v->type.rank;
    for (int i = 0; i < s->rank; i++) {
        int at = m->axis_of[i] - skip;
        shape[i] = m->axis_of[i] >= 0 && at >= 0 ? v->type.dims[at] : expr_int(g->ctx, 1);
    }
    return build_reshape(g, v, shape, s->rank);
}

/* One axis of the result from some axes of S that become one: all of size 1, or all full (expanded
 * where they are not). */
static Expr *merged(Graph *g, Value **v, const Type *s, const int *axes, int n) {
    Expr *dims[MAX_RANK], *one = expr_int(g->ctx, 1), *full = one;
    bool any = false;
    memcpy(dims, (*v)->type.dims, sizeof dims);
    for (int i = 0; i < n; i++) any |= !expr_is(dims[axes[i]], 1);
    if (!any) return one;
    for (int i = 0; i < n; i++) {
        dims[axes[i]] = s->dims[axes[i]];
        full = expr_mul(g->ctx, full, dims[axes[i]]);
    }
    *v = build_expand(g, *v, dims, s->rank);
    return full;
}

/* S's axes to [b, h, m, n]. */
static Value *on_bhmn(Graph *g, Value *v, const Roles *r, const Type *s) {
    int64_t perm[MAX_RANK];
    int batch[MAX_RANK], n_batch = 0, at = 0, last[] = {r->head, r->row, r->column};
    bool placed[MAX_RANK] = {false};
    for (int i = 0; i < r->n_batch; i++)
        if (r->batch[i] != r->head) batch[n_batch++] = r->batch[i];
    Expr *shape[4] = {merged(g, &v, s, batch, n_batch)};
    for (int i = 0; i < 3; i++)
        shape[1 + i] = last[i] >= 0 ? v->type.dims[last[i]] : expr_int(g->ctx, 1);
    for (int i = 0; i < n_batch; i++) placed[perm[at++] = batch[i]] = true;
    for (int i = 0; i < 3; i++)
        if (last[i] >= 0) placed[perm[at++] = last[i]] = true;
    for (int i = 0; i < s->rank; i++)
        if (!placed[i]) perm[at++] = i; /* of size 1 */
    return build_reshape(g, build_transpose(g, v, perm), shape, 4);
}

static Value *added_form(Graph *g, const Mask *m) {
    if (!m->keep) return m->value;
    Value *zero = scalar_like(g, m->value, 0);
    return m->inverted ? build_select(g, m->keep, m->value, zero)
                       : build_select(g, m->keep, zero, m->value);
}

Value *attention_mask(Graph *g, const Scores *found, const Roles *r, const Type *s) {
    Value *sum = NULL;
    for (int i = 0; i < found->n_masks; i++) {
        const Mask *m = &found->mask[i];
        Value *v = added_form(g, m);
        if (m->scale != 1) v = build_binary(g, SOP_mul, v, scalar_like(g, v, m->scale));
        v = on_bhmn(g, on_s(g, v, m, s), r, s);
        sum = sum ? build_binary(g, SOP_add, v, sum) : v;
    }
    return sum;
}
