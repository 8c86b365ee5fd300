/* The schedule that fits every kernel: loops that all statements share outside (they are the
 * parallel space), then each statement with its own loops, the most contiguous one as a vector.
 * Maps over neighbouring axes run as one long loop. */
#include "passes/kernel/schedule.h"

enum { CHUNK = 4096, ENOUGH_ITEMS = 32 };

/* ---- one loop for axes that are contiguous in every access ---- */
static Expr *without_subscripts(void *user, Expr *e) {
    Expr *zeros[MAX_RANK];
    if (e->kind != E_LOAD) return e;
    for (int i = 0; i < e->n; i++) zeros[i] = expr_int(user, 0);
    return expr_load(user, e->tensor, zeros, e->n);
}

static bool used_outside_loads(Ctx *c, Expr *e, const Var *v) {
    return expr_uses_var(expr_rewrite(c, e, without_subscripts, c), v);
}

bool schedule_merges(Ctx *c, Expr *offset, Var *a, Var *b) {
    Expr *ca, *cb, *rest;
    if (!expr_linear_in(c, offset, a, &ca, &rest) || !expr_linear_in(c, offset, b, &cb, &rest))
        return false;
    return ca == expr_mul(c, cb, b->extent);
}

Expr *schedule_store_offset(Ctx *c, const Stmt *s) {
    Expr *index[MAX_RANK];
    for (int i = 0; i < s->out->rank; i++) index[i] = s->index ? s->index[i] : s->dom[i]->self;
    return tensor_offset(c, s->out, index);
}

bool schedule_can_collapse(Ctx *c, const Stmt *s, Var *a, Var *b) {
    Loads loads;
    stmt_loads(s, &loads);
    if (loads.n == LEN(loads.at) || used_outside_loads(c, s->value, a) ||
        used_outside_loads(c, s->value, b))
        return false;
    if (!schedule_merges(c, schedule_store_offset(c, s), a, b)) return false;
    for (int i = 0; i < loads.n; i++)
        if (!schedule_merges(c, tensor_offset(c, loads.at[i]->tensor, loads.at[i]->arg), a, b))
            return false;
    return true;
}

int schedule_order_by_store(Ctx *c, const Stmt *s, Var **order) {
    int n = 0;
    Expr *coef[MAX_RANK], *rest, *offset = schedule_store_offset(c, s);
    for (int i = 0; i < s->n_dom; i++) {
        Expr *own = NULL;
        if (!expr_linear_in(c, offset, s->dom[i], &own, &rest)) own = NULL;
        int at = n;
        while (at > 0 && own && coef[at - 1] && !expr_is(own, 0) &&
               expr_prove_lt(c, coef[at - 1], own))
            at--;
        for (int k = n; k > at; k--) order[k] = order[k - 1], coef[k] = coef[k - 1];
        order[at] = s->dom[i], coef[at] = own;
        n++;
    }
    return n;
}

static int collapse_all(Sched *s, const Stmt *st, Var **vars, int n) {
    int out = 0;
    for (int i = 0; i < n;) {
        int end = i + 1;
        while (end < n && schedule_can_collapse(s->ctx, st, vars[end - 1], vars[end])) end++;
        vars[out++] = how_collapse(s, &vars[i], end - i);
        i = end;
    }
    return out;
}

/* ---- single maps ---- */
static bool is_contiguous_last(Sched *s, const Stmt *st, Var *original) {
    bool red;
    return vector_var(s->ctx, st, &red) == original;
}

static void nest_last(Sched *s, Nest *parent, Stmt *st, Var *v, bool vector, bool thread) {
    int64_t n = extent_or(v->extent, INT64_MAX);
    if (thread && n > CHUNK) {
        Var *outer, *inner;
        how_split(s, v, CHUNK, TAIL_PEEL, &outer, &inner);
        parent = nest_loop(s, parent, outer, BIND_THREAD);
        v = inner;
    }
    nest_stmt(s, nest_loop(s, parent, v, vector ? BIND_VECTOR : BIND_SERIAL), st);
}

static void schedule_map(Sched *s, Stmt *st) {
    Var *vars[MAX_RANK];
    int n = schedule_order_by_store(s->ctx, st, vars);
    bool red = false;
    Var *v = vector_var(s->ctx, st, &red), *last = n ? vars[n - 1] : NULL;
    bool vector = v && is_contiguous_last(s, st, v);
    if (vector && v != last) { /* the vector loop goes innermost */
        int at = 0;
        while (vars[at] != v) at++;
        for (int i = at; i + 1 < n; i++) vars[i] = vars[i + 1];
        vars[n - 1] = v;
    }
    n = collapse_all(s, st, vars, n);
    Nest *parent = NULL;
    int64_t items = 1;
    for (int i = 0; i + 1 < n; i++) {
        bool thread = items < ENOUGH_ITEMS && (!parent || parent->bind == BIND_THREAD);
        parent = nest_loop(s, parent, vars[i], thread ? BIND_THREAD : BIND_SERIAL);
        items *= extent_or(vars[i]->extent, 8);
    }
    if (n == 0) nest_stmt(s, NULL, st);
    else
        nest_last(s, parent, st, vars[n - 1], vector,
                  items < ENOUGH_ITEMS && (!parent || parent->bind == BIND_THREAD));
}

/* ---- several statements, or reductions ---- */
static bool is_shared(const Kernel *k, const Var *v) {
    for (int i = 0; i < k->stmts.n; i++) {
        const Stmt *s = k->stmts.at[i];
        if (!stmt_has_dom(s, v)) return false;
        if (s->kind == ST_SCATTER || (s->kind == ST_SCAN && s->dom[s->axis] == v)) return false;
        if (s->index && k->stmts.n > 1 && s->kind != ST_MAP) return false;
    }
    return true;
}

static bool is_exact(Reduce op) {
    return op == RED_MAX || op == RED_MIN || op == RED_ANY || op == RED_ALL;
}

/* Lanes over the innermost reduction variable, where the recipe has them or their number changes
 * nothing. */
bool schedule_lanes(Sched *s, Stmt *st) {
    bool red;
    if (st->kind != ST_REDUCE || st->n_red == 0 || st->op == RED_ARGMAX || st->op == RED_ARGMIN)
        return false;
    if (st->out->space != SP_TEMP) return false;
    if (st->recipe.lanes > 1) return true;
    if (s->kernel->hows.n > 0) return false; /* schedules for other machines have no lanes */
    if (!is_exact(st->op) || vector_var(s->ctx, st, &red) != st->red[st->n_red - 1]) return false;
    int lanes = 2 * MAX(s->machine->vector_bytes, 16) / (int)dtype_bytes(st->out->dtype);
    if (extent_or(st->red[st->n_red - 1]->extent, 1024) < lanes) return false;
    st->recipe.lanes = lanes;
    return true;
}

static void schedule_own(Sched *s, Nest *parent, Stmt *st, bool lanes) {
    bool red = false;
    Var *v = lanes || st->kind == ST_SCATTER ? NULL : vector_var(s->ctx, st, &red);
    if (red || (v && (st->kind == ST_SCAN && st->dom[st->axis] == v)) ||
        (v && is_shared(s->kernel, v)))
        v = NULL;
    for (int i = 0; i < st->n_dom; i++)
        if (st->dom[i] != v && !is_shared(s->kernel, st->dom[i]))
            parent = nest_loop(s, parent, st->dom[i], BIND_SERIAL);
    for (int i = 0; i < st->n_red; i++) {
        Var *r = st->red[i], *outer, *inner;
        if (!lanes || i + 1 < st->n_red) {
            parent = nest_loop(s, parent, r, BIND_SERIAL);
            continue;
        }
        how_split(s, r, st->recipe.lanes, TAIL_MASK, &outer, &inner);
        parent = nest_loop(s, nest_loop(s, parent, outer, BIND_SERIAL), inner, BIND_VECTOR);
    }
    if (v) parent = nest_loop(s, parent, v, BIND_VECTOR);
    nest_stmt(s, parent, st);
}

static bool all_equal_maps(const Kernel *k) {
    for (int i = 0; i < k->stmts.n; i++) {
        const Stmt *s = k->stmts.at[i];
        if (s->kind != ST_MAP || s->n_dom != k->stmts.at[0]->n_dom) return false;
        for (int d = 0; d < s->n_dom; d++)
            if (!is_shared(k, s->dom[d])) return false;
    }
    return true;
}

static void schedule_equal_maps(Sched *s) {
    Kernel *k = s->kernel;
    bool red;
    Stmt *last = k->stmts.at[k->stmts.n - 1];
    Var *v = vector_var(s->ctx, last, &red), *vars[MAX_RANK];
    int n = schedule_order_by_store(s->ctx, last, vars);
    Nest *parent = NULL;
    int64_t items = 1;
    for (int i = 0; i < n; i++) {
        if (vars[i] == v) continue;
        bool thread = items < ENOUGH_ITEMS && (!parent || parent->bind == BIND_THREAD);
        parent = nest_loop(s, parent, vars[i], thread ? BIND_THREAD : BIND_SERIAL);
        items *= extent_or(vars[i]->extent, 8);
    }
    if (v) parent = nest_loop(s, parent, v, BIND_VECTOR);
    for (int i = 0; i < k->stmts.n; i++) {
        if (k->stmts.at[i]->out->space == SP_TEMP) how_home(s, k->stmts.at[i]->out, SP_REG);
        nest_stmt(s, parent, k->stmts.at[i]);
    }
}

void schedule_rows(Sched *s) {
    Kernel *k = s->kernel;
    Stmt *last = k->stmts.at[k->stmts.n - 1];
    if (schedule_is_gpu(s) && all_equal_maps(k)) {
        schedule_gpu_maps(s);
        return;
    }
    if (k->stmts.n == 1 && last->kind == ST_MAP) {
        schedule_map(s, last);
        return;
    }
    if (all_equal_maps(k)) {
        schedule_equal_maps(s);
        return;
    }
    Nest *shared = NULL;
    for (int i = 0; i < last->n_dom; i++)
        if (is_shared(k, last->dom[i])) shared = nest_loop(s, shared, last->dom[i], BIND_THREAD);
    for (int i = 0; i < k->stmts.n; i++) {
        Stmt *st = k->stmts.at[i];
        schedule_own(s, shared, st, schedule_lanes(s, st));
    }
}
