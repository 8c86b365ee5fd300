/* What a model's own operations say about its input dimensions.
 *
 * No tensor has a negative size, so a convolution of stride 2 over `frames` elements says how many
 * frames there must be at least; and where a table of 512 positions is cut to `length` rows and
 * added to `length` others, length is at most 512. Only operations that are executed in every run
 * count, and only dimensions that grow with one symbol. The bounds are checked when a program
 * starts; with them, much that looked undecided is known: the importer builds once more. */
#include "frontend/import.h"

/* Does the expression never fall while `s` grows? Finds the one symbol on the way. */
static bool grows(Ctx *ctx, const Expr *e, Sym **s) {
    int64_t lo, hi, v;
    if (e->kind == E_INT) return true;
    if (e->kind == E_SYM) {
        if (*s && *s != e->sym) return false;
        *s = e->sym;
        return e->sym->kind == SYM_INPUT;
    }
    if (e->kind == E_PROD && e->i < 0) return false;
    bool divides = e->kind == E_OP && e->op == SOP_floordiv && expr_is_int(e->arg[1], &v) && v > 0;
    bool picks = e->kind == E_OP && (e->op == SOP_min || e->op == SOP_max);
    if (e->kind != E_SUM && e->kind != E_PROD && !divides && !picks) return false;
    for (int i = 0; i < e->n; i++) {
        if (!grows(ctx, e->arg[i], s)) return false;
        bool factor = e->kind == E_PROD && e->n > 1;
        if (factor && !(expr_range(ctx, e->arg[i], &lo, &hi) && lo >= 0)) return false;
    }
    return true;
}

typedef struct Point { /* where an expression is evaluated */
    const Sym *sym;
    int64_t value;
} Point;

static int64_t value_at(void *user, const Sym *s) {
    const Point *p = user;
    return s == p->sym ? p->value : 0;
}

static bool eval_at(const Expr *e, const Sym *s, int64_t value, int64_t *out) {
    Point p = {s, value};
    ExprEnv env = {.sym = value_at, .user = &p};
    return expr_eval_index(e, &env, out);
}

enum { FAR = 1 << 24 }; /* bounds beyond are not looked for */

/* The smallest value of s in lo..hi at which e >= least; hi + 1: none. */
static int64_t first_at_least(const Expr *e, const Sym *s, int64_t lo, int64_t hi, int64_t least) {
    int64_t v;
    while (lo <= hi) {
        int64_t mid = lo + (hi - lo) / 2;
        if (!eval_at(e, s, mid, &v) || v >= least) hi = mid - 1;
        else lo = mid + 1;
    }
    return lo;
}

bool at_least_bound(Ctx *ctx, const Expr *e, int64_t least) {
    Sym *s = NULL;
    if (!grows(ctx, e, &s) || !s) return false;
    int64_t hi = MIN(s->hi, FAR), first = first_at_least(e, s, s->lo, hi, least);
    if (first <= s->lo || first > hi) return false;
    return sym_narrow(ctx, s, first, s->hi);
}

static bool at_most_bound(Ctx *ctx, const Expr *e, int64_t most) {
    Sym *s = NULL;
    if (!grows(ctx, e, &s) || !s) return false;
    int64_t hi = MIN(s->hi, FAR), beyond = first_at_least(e, s, s->lo, hi, most + 1);
    if (beyond <= s->lo || beyond > hi) return false;
    return sym_narrow(ctx, s, s->lo, beyond - 1);
}

bool exact_bound(Ctx *ctx, const Expr *e, int64_t size) {
    bool least = at_least_bound(ctx, e, size), most = at_most_bound(ctx, e, size);
    return least || most;
}

/* Sizes a and min(a, c) that meet element by element: a is at most c. */
static bool meet(Ctx *ctx, const Expr *a, const Expr *b) {
    int64_t most;
    if (b->kind != E_OP || b->op != SOP_min) return false;
    for (int i = 0; i < 2; i++)
        if (b->arg[i] == a && expr_is_int(b->arg[1 - i], &most) && most > 1)
            return at_most_bound(ctx, a, most);
    return false;
}

static bool learn_pointwise(Ctx *ctx, const Node *n) {
    bool more = false;
    for (int k = 1; k < n->n_in; k++) {
        const Type *a = &n->in[0]->type, *b = &n->in[k]->type;
        for (int i = 1; i <= MIN(a->rank, b->rank); i++) {
            const Expr *x = a->dims[a->rank - i], *y = b->dims[b->rank - i];
            more |= meet(ctx, x, y) || meet(ctx, y, x);
        }
    }
    return more;
}

/* An undecided broadcast of b and a reads select(a == 1, b, a). */
static bool learn_broadcast(Ctx *ctx, const Expr *e) {
    bool undecided = e->kind == E_OP && e->op == SOP_select && e->arg[0]->kind == E_OP &&
                     e->arg[0]->op == SOP_eq;
    return undecided && (meet(ctx, e->arg[1], e->arg[2]) || meet(ctx, e->arg[2], e->arg[1]));
}

bool learn_bounds(Graph *g) {
    bool more = false;
    for (const Node *n = g->body->first; n; n = n->next) {
        if (op_is_scalar(n->op)) more |= learn_pointwise(g->ctx, n);
        for (int k = 0; k < n->n_out; k++)
            for (int i = 0; i < n->out[k]->type.rank; i++) {
                const Expr *dim = n->out[k]->type.dims[i];
                more |= learn_broadcast(g->ctx, dim) | at_least_bound(g->ctx, dim, 0);
            }
    }
    return more;
}
