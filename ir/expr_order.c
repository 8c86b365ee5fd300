/* The order of terms and factors: by kind, then names, then structure, so that it does not depend
 * on when or in which Ctx something was made. Hash-consing keeps comparisons short: equal parts are
 * equal pointers. */
#include "ir/expr_internal.h"

static int rank_of(const Expr *e) {
    static const int ranks[] = {
        [E_VAR] = 0, [E_SYM] = 1,  [E_OP] = 2,   [E_LOAD] = 3, [E_GUARD] = 4, [E_BOUND] = 5,
        [E_SUM] = 6, [E_PROD] = 7, [E_FLT] = 8, [E_INT] = 9,
    };
    return ranks[e->kind];
}

static int compare(int64_t a, int64_t b) {
    return a < b ? -1 : a > b;
}

static uint64_t float_bits(double f) {
    uint64_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

static int compare_args(const Expr *a, const Expr *b) {
    if (a->n != b->n) return compare(a->n, b->n);
    for (int i = 0; i < a->n; i++) {
        int c = expr_cmp(a->arg[i], b->arg[i]);
        if (c) return c;
    }
    return 0;
}

static int compare_names(const char *a, const char *b) {
    int c = a == b ? 0 : strcmp(a, b);
    return c < 0 ? -1 : c > 0;
}

int expr_cmp(const Expr *a, const Expr *b) {
    if (a == b) return 0;
    const Node *x = node_of(a), *y = node_of(b);
    if (x->degree != y->degree) return x->degree > y->degree ? -1 : 1;
    int c = compare(rank_of(a), rank_of(b));
    if (!c) c = compare(x->depth, y->depth);
    if (!c && x->key) c = compare_names(x->key, y->key);
    if (!c) c = compare(a->op, b->op);
    if (!c) c = compare(a->type, b->type);
    if (!c && a->tensor) c = compare_names(tensor_name(a->tensor), tensor_name(b->tensor));
    if (!c) c = compare_args(a, b);
    if (!c) c = compare(a->i, b->i);
    if (!c && a->kind == E_FLT) c = compare((int64_t)float_bits(a->f), (int64_t)float_bits(b->f));
    return c ? c : compare(a->id, b->id);
}
