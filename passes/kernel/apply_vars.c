/* Variables under a schedule: an original variable is collapsed with neighbours, split into loops,
 * bound by loops. */
#include "passes/kernel/apply.h"

Split *apply_split_of(Apply *a, const Var *v) {
    for (int i = 0; i < a->how->splits.n; i++)
        if (a->how->splits.at[i].var == v) return &a->how->splits.at[i];
    return NULL;
}

Split *apply_split_by_outer(Apply *a, const Var *v) {
    for (int i = 0; i < a->how->splits.n; i++)
        if (a->how->splits.at[i].outer == v) return &a->how->splits.at[i];
    return NULL;
}

static Collapse *collapse_of(Apply *a, const Var *v, int *position) {
    for (int i = 0; i < a->how->collapses.n; i++) {
        Collapse *c = &a->how->collapses.at[i];
        for (int k = 0; k < c->n; k++)
            if (c->from[k] == v) {
                *position = k;
                return c;
            }
    }
    return NULL;
}

Var *apply_root(Apply *a, Var *v) {
    int at;
    Collapse *c = collapse_of(a, v, &at);
    return c ? apply_root(a, c->into) : v;
}

static Expr *bound_value(Apply *a, const Var *v) {
    for (int i = a->bound.n - 1; i >= 0; i--)
        if (a->bound.at[i].var == v) return a->bound.at[i].value;
    return NULL;
}

Expr *apply_extent(Apply *a, Var *v) {
    for (int i = a->extent.n - 1; i >= 0; i--)
        if (a->extent.at[i].var == v) return a->extent.at[i].value;
    return v->extent;
}

/* into = (f0 * e1 + f1) * e2 + f2 ...: the part that stands at `at`. */
static Expr *collapsed_part(Apply *a, const Collapse *c, int at, Expr *into) {
    Expr *inner = expr_int(a->ctx, 1);
    for (int k = at + 1; k < c->n; k++) inner = expr_mul(a->ctx, inner, c->from[k]->extent);
    Expr *e = expr_floordiv(a->ctx, into, inner);
    return at == 0 ? e : expr_mod(a->ctx, e, c->from[at]->extent);
}

Expr *apply_value(Apply *a, Var *v) {
    Expr *e = bound_value(a, v);
    if (e) return e;
    Split *s = apply_split_of(a, v);
    if (s) {
        Expr *outer = expr_muli(a->ctx, apply_value(a, s->outer), s->factor);
        return expr_add(a->ctx, outer, apply_value(a, s->inner));
    }
    int at;
    Collapse *c = collapse_of(a, v, &at);
    if (c) return collapsed_part(a, c, at, apply_value(a, c->into));
    BUG("kernel %s: variable %s has no loop in the schedule", a->kernel->name, v->name);
}

bool apply_is_part(Apply *a, Var *whole, Var *loop) {
    if (whole == loop) return true;
    Split *s = apply_split_of(a, whole);
    if (s) return apply_is_part(a, s->outer, loop) || apply_is_part(a, s->inner, loop);
    int at;
    Collapse *c = collapse_of(a, whole, &at);
    return c && apply_is_part(a, c->into, loop);
}

static bool is_guarded(const Apply *a, const Var *root) {
    for (int i = 0; i < a->guarded.n; i++)
        if (a->guarded.at[i] == root) return true;
    return false;
}

static bool is_vector(Apply *a, Var *root) {
    for (int i = 0; i < a->how->n_top; i++)
        if (apply_has_vector(a, a->how->top[i], root)) return true;
    return false;
}

/* Value of a root, kept inside its extent where the tile overhangs. Lanes are not clamped: their
 * loads are guarded. */
static Expr *clamped_value(Apply *a, Var *root) {
    Expr *e = apply_value(a, root);
    if (!is_guarded(a, root) || is_vector(a, root)) return e;
    return expr_min(a->ctx, e, expr_addi(a->ctx, root->extent, -1));
}

static Subst new_subst(Apply *a, const Stmt *s) {
    int n = s->n_dom + s->n_red;
    return (Subst){NEW_ARRAY(a->ctx->perm, Var *, n + 1), NEW_ARRAY(a->ctx->perm, Expr *, n + 1),
                   0};
}

static Var *stmt_var(const Stmt *s, int i) {
    return i < s->n_dom ? s->dom[i] : s->red[i - s->n_dom];
}

static Expr *in_roots(Apply *a, Var *v) {
    int at;
    Collapse *c = collapse_of(a, v, &at);
    return c ? collapsed_part(a, c, at, in_roots(a, c->into)) : v->self;
}

Subst apply_to_roots(Apply *a, const Stmt *s) {
    Subst sub = new_subst(a, s);
    for (int i = 0; i < s->n_dom + s->n_red; i++) {
        Var *v = stmt_var(s, i);
        if (apply_root(a, v) == v) continue;
        sub.var[sub.n] = v;
        sub.by[sub.n++] = in_roots(a, v);
    }
    return sub;
}

Subst apply_to_loops(Apply *a, const Stmt *s, bool clamp) {
    Subst sub = new_subst(a, s);
    for (int i = 0; i < s->n_dom + s->n_red; i++) {
        Var *root = apply_root(a, stmt_var(s, i));
        bool known = false;
        for (int k = 0; k < sub.n; k++) known |= sub.var[k] == root;
        if (known) continue;
        sub.var[sub.n] = root;
        sub.by[sub.n++] = clamp ? clamped_value(a, root) : apply_value(a, root);
    }
    return sub;
}

bool apply_store_guard(Apply *a, const Stmt *s, bool with_red, Expr **cond) {
    *cond = NULL;
    for (int g = 0; g < a->guarded.n; g++) {
        Var *root = a->guarded.at[g];
        bool used = false;
        for (int i = 0; i < s->n_dom; i++) used |= apply_root(a, s->dom[i]) == root;
        for (int i = 0; with_red && i < s->n_red; i++) used |= apply_root(a, s->red[i]) == root;
        if (!used) continue;
        Expr *in = expr_op2(a->ctx, SOP_lt, apply_value(a, root), root->extent);
        *cond = *cond ? expr_and(a->ctx, *cond, in) : in;
    }
    return *cond && !expr_is(*cond, 1);
}

/* Is every element that the overhanging tile of `root` reaches through this subscript inside the
 * tensor's padding? */
static bool is_padded(const Tensor *t, Expr *const *index, const Var *root, int64_t factor) {
    if (!t->layout) return false;
    for (int i = 0; i < t->rank; i++) {
        if (!expr_uses_var(index[i], root)) continue;
        bool padded = false;
        for (int k = 0; k < t->layout->n; k++) {
            const LayoutDim *d = &t->layout->at[k];
            padded |= d->dim == i && !d->mod && d->div % factor == 0 && index[i] == root->self;
        }
        if (!padded) return false;
    }
    return true;
}

/* The temp is stored in whole tiles of this very variable. */
static bool is_whole(const Box *box, const Var *root) {
    for (int i = 0; box && i < box->n; i++)
        if (box->root[i] == root) return true;
    return false;
}

Expr *apply_load_guard(Apply *a, const Tensor *t, Expr *const *index) {
    Expr *cond = NULL;
    const Box *box = apply_box(a, t);
    for (int g = 0; g < a->guarded.n; g++) {
        Var *root = a->guarded.at[g];
        Split *s = apply_split_of(a, root);
        bool used = false;
        for (int i = 0; i < t->rank; i++) used |= expr_uses_var(index[i], root);
        if (!used || !is_vector(a, root) || is_whole(box, root) ||
            (s && is_padded(t, index, root, s->factor)))
            continue;
        Expr *in = expr_op2(a->ctx, SOP_lt, apply_value(a, root), root->extent);
        cond = cond ? expr_and(a->ctx, cond, in) : in;
    }
    return cond;
}
