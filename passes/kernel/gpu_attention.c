/* GPUs: attention reads its keys once, block by block, and never stores a row of scores.
 *
 *   %x[b,h,m] = max[n<N] %s[b,h,m,n];  %p[b,h,m,n] = exp(%s - %x)
 *   %z[b,h,m] = sum[n<N] %p;           %o[b,h,m,e] = sum[n<N] %p * %v
 *
 * becomes, with key n = (j * U + u) * L + lane, what is called online softmax (Milakov and
 * Gimelshein, 2018) and, with the products around it, FlashAttention (Dao et al., 2022, section 3):
 *
 *   %top[b,h,m,j] = max[u<U, lane<L] %s[b,h,m,j,u,lane]
 *   %x, %x.old[b,h,m,j] = scan max[j] %top
 *   %fade[b,h,m,j] = exp(%x.old - %x)
 *   %p[b,h,m,j,u,lane] = exp(%s - %x[b,h,m,j])
 *   %z[b,h,m] = sum[j<J, u<U, lane<L] %p             decay %fade[b,h,m,j]  by f32 lanes L
 *   %o[b,h,m,w,lane] = sum[j<J, k<U*L] %p * %v       decay %fade[b,h,m,j]
 *
 * Where warps multiply matrices (schedule_gpu_mma.c), 4 threads share a row: key n is
 * j * B + u * 8 + lane * 2 + pair, column w * 8 + lane * 2 + side. So a thread's exponentials are,
 * rounded to the type of the values, its part of the left factor of the second product.
 *
 * All exponents are finite differences: the maximum is at least the least finite number. So a row
 * whose keys are all masked by -inf has a sum of 0, which is read as the NaN that it was.
 *
 * Requires: names of variables are those of one kernel. Keeps: what is computed, but for the order
 * of sums, which it sets. */
#include "passes/kernel/gpu_attention.h"

#include "ir/mma.h"

/* ---- the new variables and temps ---- */
static Expr *f32(Online *a, double v) {
    return expr_const_flt(a->ctx, DT_F32, v);
}

static int with_rows(const Online *a, Expr **list) {
    for (int i = 0; i < a->n_rows; i++) list[i] = a->row[i]->self;
    return a->n_rows;
}

/* A temp over the rows and n more variables. */
static Tensor *new_temp(Online *a, const char *name, Var *const *more, int n) {
    Expr *dims[MAX_RANK];
    for (int i = 0; i < a->n_rows; i++) dims[i] = a->row[i]->extent;
    for (int i = 0; i < n; i++) dims[a->n_rows + i] = more[i]->extent;
    return program_temp(a->program, name, DT_F32, dims, a->n_rows + n);
}

static Expr *load_at(Online *a, Tensor *t, Expr *const *more, int n) {
    Expr *index[MAX_RANK];
    int count = with_rows(a, index);
    for (int i = 0; i < n; i++) index[count++] = more[i];
    return expr_load(a->ctx, t, index, count);
}

static Var *new_var(Online *a, const char *name, Expr *extent) {
    return var_new(a->ctx, name, extent);
}

/* Keys, or columns, of the threads that share a row */
static int64_t together(const Online *a) {
    return a->matrices ? 2 * a->lanes : a->lanes;
}

static void make_variables(Online *a) {
    Ctx *c = a->ctx;
    Expr *keys = a->max->red[0]->extent, *block = expr_int(c, a->block);
    a->key[a->n_key++] = a->j = new_var(a, "j", expr_ceildiv(c, keys, block));
    a->key[a->n_key++] = a->u = new_var(a, "u", expr_int(c, a->block / together(a)));
    a->key[a->n_key++] = a->lane = new_var(a, "lane", expr_int(c, a->lanes));
    a->k = new_var(a, "k", block);
    Expr *columns = expr_floordiv(c, a->e->extent, expr_int(c, together(a)));
    a->width[a->n_width++] = a->w = new_var(a, "w", columns);
    a->width[a->n_width++] = a->lane;
    if (!a->matrices) return;
    a->key[a->n_key++] = a->pair = new_var(a, "pair", expr_int(c, 2));
    a->width[a->n_width++] = a->side = new_var(a, "side", expr_int(c, 2));
}

static void make_names(Online *a) {
    Ctx *c = a->ctx;
    make_variables(a);
    for (int i = 0; i < a->n_keyed; i++)
        a->keyed[i].now = new_temp(a, a->keyed[i].old->name, a->key, a->n_key);
    a->top = new_temp(a, "top", a->key, 1);
    a->best = new_temp(a, a->max->out->name, a->key, 1);
    a->old = new_temp(a, arena_printf(c->perm, "%s.old", a->max->out->name), a->key, 1);
    if (a->leaves_max)
        a->last = new_temp(a, arena_printf(c->perm, "%s.last", a->max->out->name), NULL, 0);
    a->fade = new_temp(a, "fade", a->key, 1);
    a->wide = new_temp(a, a->o->out->name, a->width, a->n_width);
}

/* The subscripts of an element of a thread's own */
static void own_key(const Online *a, Expr **index) {
    for (int i = 0; i < a->n_key; i++) index[i] = a->key[i]->self;
}

/* What `far`, lane and `near` (NULL: there is none) count together */
static Expr *counted(Online *a, const Var *far, const Var *near) {
    Ctx *c = a->ctx;
    Expr *lane = a->lane->self;
    if (near) lane = expr_add(c, expr_muli(c, lane, 2), near->self);
    return expr_add(c, expr_muli(c, far->self, together(a)), lane);
}

/* The key that block j has at k. */
static Expr *key_at(Online *a, Expr *k) {
    return expr_add(a->ctx, expr_mul(a->ctx, a->j->self, a->k->extent), k);
}

static Expr *exists(Online *a, Expr *key) {
    Expr *keys = a->max->red[0]->extent;
    if (expr_is(expr_mod(a->ctx, keys, a->k->extent), 0)) return NULL;
    return expr_op2(a->ctx, SOP_lt, key, keys);
}

/* ---- the new statements ---- */
typedef struct Place { /* where elements of the keyed temps and of o are read */
    Online *a;
    Expr *const *index;
} Place;

static Expr *swap_load(void *user, Expr *e) {
    Place *p = user;
    Online *a = p->a;
    if (e->kind != E_LOAD) return e;
    for (int i = 0; i < a->n_keyed; i++)
        if (a->keyed[i].old == e->tensor) return load_at(a, a->keyed[i].now, p->index, a->n_key);
    if (e->tensor == a->o->out) {
        Expr *index[3];
        for (int i = 0; i < a->n_width; i++) index[i] = a->width[i]->self;
        return load_at(a, a->wide, index, a->n_width);
    }
    if (e->tensor == a->max->out) return load_at(a, a->last, NULL, 0);
    if (e->tensor != a->sum->out || a->finite) return e;
    Expr *none = expr_op2(a->ctx, SOP_eq, e, f32(a, 0));
    return expr_op3(a->ctx, SOP_select, none, f32(a, 0.0 / 0.0), e);
}

/* Value of a statement with v written as `by`. */
static Expr *moved(Online *a, Expr *value, Expr *const *index, Var *v, Expr *by) {
    Place p = {a, index};
    value = expr_rewrite(a->ctx, value, swap_load, &p);
    return v ? expr_subst1(a->ctx, value, v, by) : value;
}

/* A sum over d that is made longer, to whole matrices: there the factors are 0. */
static void lengthen(Online *a, Stmt *s) {
    Ctx *c = a->ctx;
    int64_t n, whole = mma_steps(a->matrices);
    Var *d = s->red[0];
    if (!expr_is_int(d->extent, &n) || n % whole == 0) return;
    s->red[0] = new_var(a, d->name, expr_int(c, (n / whole + 1) * whole));
    Expr *there = expr_op2(c, SOP_lt, s->red[0]->self, d->extent), *factor[2];
    for (int i = 0; i < 2; i++) {
        Expr *moved = expr_subst1(c, s->value->arg[i], d, s->red[0]->self);
        factor[i] = expr_guard(c, there, moved, f32(a, 0));
    }
    s->value = expr_op2(c, SOP_mul, factor[0], factor[1]);
}

static Stmt *add(Online *a, StmtKind kind, Tensor *out, Var *const *more, int n, Expr *value) {
    Var *dom[MAX_RANK];
    for (int i = 0; i < a->n_rows; i++) dom[i] = a->row[i];
    for (int i = 0; i < n; i++) dom[a->n_rows + i] = more[i];
    Stmt *s = stmt_new(a->ctx, kind, out, dom, a->n_rows + n, value);
    vec_push(a->ctx->perm, &a->kernel->stmts, s);
    return s;
}

static void sums_over(Online *a, Stmt *s, Reduce op, Var *const *red, int n, int lanes) {
    s->op = op;
    s->red = NEW_ARRAY(a->ctx->perm, Var *, n);
    memcpy(s->red, red, sizeof *red * (size_t)n);
    s->n_red = n;
    s->recipe = (Recipe){DT_F32, lanes, 0, 0};
}

/* A product whose factors are 0 where there is no key; exponentials are so anyway. */
static Expr *product(Online *a, Expr *value, Expr *there) {
    Expr *factor[2] = {value->arg[0], value->arg[1]};
    for (int i = 0; i < 2 && there; i++) {
        bool own = factor[i]->kind == E_LOAD && factor[i]->tensor->space == SP_TEMP;
        if (expr_uses_var(factor[i], a->j) && !own)
            factor[i] = expr_guard(a->ctx, there, factor[i], f32(a, 0));
    }
    return expr_op2(a->ctx, SOP_mul, factor[0], factor[1]);
}

static void add_scores(Online *a, Stmt *const *old, int n) {
    Ctx *c = a->ctx;
    Expr *index[4], *at = key_at(a, counted(a, a->u, a->pair));
    own_key(a, index);
    a->there = exists(a, at);
    for (int i = 0; i < n; i++) {
        Expr *value = moved(a, old[i]->value, index, attention_own_var(a, old[i]), at);
        Stmt *s = add(a, old[i]->kind, a->keyed[i].now, a->key, a->n_key, value);
        if (i == 0) {
            s->value = product(a, value, a->there);
            sums_over(a, s, RED_SUM, old[i]->red, old[i]->n_red, 0);
            if (a->matrices) lengthen(a, s);
        } else if (a->there) {
            s->value = expr_guard(c, a->there, value, f32(a, -1.0 / 0.0));
        }
    }
}

/* What a row's maximum is taken of. */
static Expr *score(Online *a, int n) {
    Expr *index[4];
    own_key(a, index);
    for (int i = 0; i < n; i++)
        if (a->keyed[i].old == a->max->value->tensor) {
            Expr *e = load_at(a, a->keyed[i].now, index, a->n_key);
            return i || !a->there ? e : expr_guard(a->ctx, a->there, e, f32(a, -1.0 / 0.0));
        }
    BUG("no scores");
}

static Expr *finite(Online *a, Expr *x) {
    return expr_op2(a->ctx, SOP_max, x, f32(a, -3.4028234663852886e38));
}

/* exp(x - the maximum so far), of which lower_math sees that it is not above 1. */
static Expr *share(Online *a, Expr *x) {
    Expr *best = finite(a, load_at(a, a->best, &a->j->self, 1));
    Expr *less = expr_op2(a->ctx, SOP_sub, x, best);
    return expr_op1(a->ctx, SOP_exp, expr_op2(a->ctx, SOP_min, less, f32(a, 0)));
}

/* The keys of a block, or all of them, lanes last */
static void sums_over_keys(Online *a, Stmt *s, Reduce op, bool all) {
    Var *red[4];
    int n = 0;
    if (all) red[n++] = a->j;
    red[n++] = a->u;
    if (a->pair) red[n++] = a->pair;
    red[n++] = a->lane;
    sums_over(a, s, op, red, n, a->lanes);
}

static void add_softmax(Online *a, int n) {
    Var **key = a->key;
    Stmt *top = add(a, ST_REDUCE, a->top, key, 1, score(a, n));
    sums_over_keys(a, top, RED_MAX, false);
    Stmt *best = add(a, ST_SCAN, a->best, key, 1, load_at(a, a->top, &a->j->self, 1));
    best->op = RED_MAX, best->out2 = a->old, best->axis = a->n_rows;
    if (a->last)
        sums_over(a, add(a, ST_REDUCE, a->last, NULL, 0, best->value), RED_MAX, key, 1, 0);
    Expr *old = finite(a, load_at(a, a->old, &a->j->self, 1));
    add(a, ST_MAP, a->fade, key, 1, share(a, old));
    add(a, ST_MAP, a->keyed[n].now, key, a->n_key, share(a, score(a, n)));
    Expr *index[4];
    own_key(a, index);
    Expr *p = load_at(a, a->keyed[n].now, index, a->n_key);
    Stmt *sum = add(a, ST_REDUCE, a->sum->out, NULL, 0, p);
    sums_over_keys(a, sum, RED_SUM, true);
    sum->decay = load_at(a, a->fade, &a->j->self, 1);
    if (!a->matrices) return;
    a->narrow = new_temp(a, "narrow", key, a->n_key);
    a->narrow->dtype = a->matrices;
    add(a, ST_MAP, a->narrow, key, a->n_key, expr_cast(a->ctx, a->matrices, p));
}

static Expr *across(Online *a) {
    return counted(a, a->w, a->side);
}

/* The subscripts of key k of a block */
static void key_of(Online *a, Expr **index) {
    Ctx *c = a->ctx;
    Expr *lanes = expr_int(c, a->lanes), *k = a->k->self, *two = expr_int(c, 2);
    index[0] = a->j->self;
    index[1] = expr_floordiv(c, k, expr_int(c, together(a)));
    index[2] = expr_mod(c, a->pair ? expr_floordiv(c, k, two) : k, lanes);
    index[3] = expr_mod(c, k, two);
}

static void add_product(Online *a) {
    Ctx *c = a->ctx;
    Expr *at = key_at(a, a->k->self), *there = exists(a, at), *index[4];
    Var *red[] = {a->j, a->k};
    key_of(a, index);
    Expr *value = moved(a, a->o->value, index, a->o->red[0], at);
    value = product(a, expr_subst1(c, value, a->e, across(a)), there);
    if (a->narrow) {
        Expr *p = expr_cast(c, DT_F32, load_at(a, a->narrow, index, a->n_key));
        bool left = value->arg[0]->kind == E_LOAD;
        value = expr_op2(c, SOP_mul, p, value->arg[left]);
    }
    Stmt *s = add(a, ST_REDUCE, a->wide, a->width, a->n_width, value);
    sums_over(a, s, RED_SUM, red, 2, 0);
    s->decay = load_at(a, a->fade, &a->j->self, 1);
}

static void add_final(Online *a, Stmt *s) {
    Ctx *c = a->ctx;
    Var *e = attention_width(a, s), **dom = NEW_ARRAY(c->perm, Var *, s->n_dom + 2);
    Expr **index = NEW_ARRAY(c->perm, Expr *, s->out->rank + 1), *none[4] = {NULL};
    for (int i = 0; i < s->out->rank; i++)
        index[i] = moved(a, stmt_index(s, i), none, e, across(a));
    int n = 0;
    for (int i = 0; i < s->n_dom; i++)
        if (s->dom[i] != e) dom[n++] = s->dom[i];
    for (int i = 0; e && i < a->n_width; i++) dom[n++] = a->width[i];
    Stmt *now = stmt_new(c, ST_MAP, s->out, dom, n, moved(a, s->value, none, e, across(a)));
    now->index = index;
    vec_push(c->perm, &a->kernel->stmts, now);
}

static void rewrite(Online *a) {
    int n = a->kernel->stmts.n, before = n - a->n_final - 4;
    Stmt **old = NEW_ARRAY(a->ctx->perm, Stmt *, n);
    memcpy(old, a->kernel->stmts.at, sizeof *old * (size_t)n);
    a->kernel->stmts.n = 0;
    make_names(a);
    add_scores(a, old, before);
    add_softmax(a, before);
    add_product(a);
    for (int i = n - a->n_final; i < n; i++) add_final(a, old[i]);
}

/* ---- the pass ---- */
static bool make_online(Program *p, Kernel *k, bool exact) {
    Online a = {.program = p, .ctx = p->ctx, .kernel = k};
    if (!attention_find(&a, exact)) return false;
    rewrite(&a);
    return true;
}

static bool make_exact(Program *p, Kernel *k) {
    return make_online(p, k, true);
}

static bool make_any(Program *p, Kernel *k) {
    return make_online(p, k, false);
}

PASS(gpu_attention, KERNELS, "GPUs: attention with a running maximum over blocks of keys")
bool pass_gpu_attention(Program *p, const Options *opt) {
    return change_gpu_kernels(p, opt, opt->fp == FP_STRICT ? make_exact : make_any);
}
