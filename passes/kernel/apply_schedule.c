/* A kernel and its schedule become explicit loops.
 *
 * The chain of thread loops at the top is the parallel space; its linear index is decoded into
 * their variables. Below, the nest is walked: a loop over the outer part of a split that does not
 * divide runs whole tiles first and then the rest (peel: fewer iterations inside; mask: guards); a
 * reduction writes its identity before its first reduction loop and adds up its lanes after it.
 * Block loops stay as they are, and barriers.c adds what their threads must wait for. */
#include "passes/kernel/apply.h"

typedef void (*LeafFn)(Apply *, Stmt *, LBody *);
typedef void (*InsideFn)(Apply *, Nest *, LBody *);
static void emit_nest(Apply *, Nest *, LBody *);

void apply_bind(Apply *a, Var *v, Expr *value) {
    vec_push(a->ctx->perm, &a->bound, ((Binding){v, value}));
}

/* Binds v to the loop's variable: v itself, or, where the loop runs less far than v may in general,
 * one that is known to end there. */
LBody *apply_open_loop(Apply *a, LBody *body, Var *v, Bind kind, Expr *hi) {
    LStmt *l = lstmt_new(a->ctx, L_FOR);
    l->var = hi == v->extent ? v : var_new(a->ctx, v->name, hi);
    apply_bind(a, v, l->var->self);
    l->bind = kind;
    l->lo = expr_int(a->ctx, 0);
    l->hi = hi;
    lbody_add(a->ctx, body, l);
    return &l->body;
}

static bool is_red_part(Apply *a, const Stmt *s, Var *loop) {
    Box *scan = s->kind == ST_SCAN ? apply_box(a, s->out) : NULL;
    if (scan && scan->running == loop) return true;
    for (int i = 0; s->kind == ST_REDUCE && i < s->n_red; i++)
        if (apply_is_part(a, s->red[i], loop)) return true;
    return false;
}

static bool has_stmt(const Nest *nest, const Stmt *s) {
    if (nest->kind == NEST_STMT) return nest->stmt == s;
    for (int i = 0; i < nest->n_child; i++)
        if (has_stmt(nest->child[i], s)) return true;
    return false;
}

/* The loops of `nest` that lead to s and belong to its domain, then leaf. */
static void domain_loops(Apply *a, Nest *nest, Stmt *s, LBody *body, LeafFn leaf) {
    if (nest->kind == NEST_STMT) {
        leaf(a, s, body);
        return;
    }
    Nest *child = NULL;
    for (int i = 0; i < nest->n_child; i++)
        if (has_stmt(nest->child[i], s)) child = nest->child[i];
    if (is_red_part(a, s, nest->var)) {
        int n = a->bound.n;
        apply_bind(a, nest->var, expr_int(a->ctx, 0));
        domain_loops(a, child, s, body, leaf);
        a->bound.n = n;
        return;
    }
    int n = a->bound.n;
    Expr *extent = apply_extent(a, nest->var);
    Bind own = nest->bind >= BIND_MMA ? BIND_UNROLL : nest->bind;
    domain_loops(a, child, s, apply_open_loop(a, body, nest->var, own, extent), leaf);
    a->bound.n = n;
}

static bool is_started(const Apply *a, const Stmt *s) {
    for (int i = 0; i < a->started.n; i++)
        if (a->started.at[i] == s) return true;
    return false;
}

/* Reductions below `nest` whose first reduction loop it is: identities before, lanes after. Returns
 * how many started. */
static int start_reductions(Apply *a, Nest *nest, LBody *body) {
    int n = 0;
    if (nest->bind == BIND_BLOCK) return 0; /* each thread begins a sum of its own inside */
    for (int i = 0; i < a->kernel->stmts.n; i++) {
        Stmt *s = a->kernel->stmts.at[i];
        if (!is_red_part(a, s, nest->var) || !has_stmt(nest, s) || is_started(a, s)) continue;
        domain_loops(a, nest, s, body, apply_init);
        vec_push(a->ctx->perm, &a->started, s);
        n++;
    }
    return n;
}

static void finish_reductions(Apply *a, Nest *nest, LBody *body, int n) {
    for (int i = a->started.n - n; i < a->started.n; i++) {
        Stmt *s = a->started.at[i];
        if (how_recipe(a->how, s)->lanes > 1 || apply_shares_sum(a, s))
            domain_loops(a, nest, s, body, apply_finish);
    }
    a->started.n -= n;
}

/* Sums that decay with the loop `nest`, in front of the part of its body that adds to them. */
static void decay_sums(Apply *a, const Nest *nest, Nest *child, LBody *body) {
    for (int i = 0; i < a->kernel->stmts.n; i++) {
        Stmt *s = a->kernel->stmts.at[i];
        if (s->decay && s->red[0] == nest->var && has_stmt(child, s))
            domain_loops(a, child, s, body, apply_decay);
    }
}

static void emit_children(Apply *a, Nest *nest, LBody *body) {
    apply_declare(a, nest, body);
    apply_stages(a, nest, body);
    for (int i = 0; i < nest->n_child; i++) {
        decay_sums(a, nest, nest->child[i], body);
        if (nest->child[i]->kind != NEST_STAGE) emit_nest(a, nest->child[i], body);
    }
}

/* ---- tiles that do not divide ---- */
static bool has_tail(Apply *a, Split *s, Expr **whole) {
    if (!s || s->tail == TAIL_EXACT) return false;
    Expr *extent = apply_extent(a, s->var), *f = expr_int(a->ctx, s->factor);
    if (s->tail == TAIL_GUARD) return false;
    *whole = expr_floordiv(a->ctx, extent, f);
    return !expr_is(expr_mod(a->ctx, extent, f), 0);
}

static Var *split_root(Apply *a, Var *v) {
    for (int i = 0; i < a->how->splits.n; i++)
        if (a->how->splits.at[i].inner == v || a->how->splits.at[i].outer == v)
            return split_root(a, a->how->splits.at[i].var);
    return v;
}

/* The last, partial tile: the outer variable is fixed to `whole`. */
static void emit_rest(Apply *a, Nest *nest, Split *s, Expr *whole, LBody *body, InsideFn inside) {
    int n_bound = a->bound.n, n_extent = a->extent.n, n_guarded = a->guarded.n;
    apply_bind(a, nest->var, whole);
    if (s->tail == TAIL_PEEL) {
        Expr *rest = expr_mod(a->ctx, apply_extent(a, s->var), expr_int(a->ctx, s->factor));
        vec_push(a->ctx->perm, &a->extent, ((Binding){s->inner, rest}));
    } else {
        vec_push(a->ctx->perm, &a->guarded, split_root(a, s->var));
    }
    inside(a, nest, body);
    a->bound.n = n_bound, a->extent.n = n_extent, a->guarded.n = n_guarded;
}

/* Every tile may overhang: nothing stands in whole tiles only. */
static void guard_tiles(Apply *a, Var *loop) {
    for (int i = 0; i < a->how->splits.n; i++) {
        const Split *s = &a->how->splits.at[i];
        if (s->tail == TAIL_GUARD && apply_is_part(a, s->outer, loop))
            vec_push(a->ctx->perm, &a->guarded, split_root(a, s->var));
    }
}

static LStmt *open_if(Apply *a, LBody *body, Expr *cond) {
    LStmt *l = lstmt_new(a->ctx, L_IF);
    l->cond = cond;
    lbody_add(a->ctx, body, l);
    return l;
}

/* for v { if (c) { ... } } where c does not depend on v becomes if (c) { for v { ... } }: the loop
 * may then move neighbours at once. */
static void lift_guard(Apply *a, LBody *body) {
    LStmt *loop = body->at.at[body->at.n - 1];
    LStmt *guard = loop->body.at.n == 1 ? loop->body.at.at[0] : NULL;
    bool own = loop->bind == BIND_SERIAL || loop->bind == BIND_UNROLL;
    if (!own || !guard || guard->kind != L_IF || guard->other.at.n) return;
    if (expr_uses_var(guard->cond, loop->var) || expr_has_load(guard->cond)) return;
    loop->body = guard->body;
    guard->body = (LBody){0};
    lbody_add(a->ctx, &guard->body, loop);
    body->at.at[body->at.n - 1] = guard;
    lift_guard(a, &guard->body); /* the next one */
}

/* A serial loop over tiles: the whole ones, then the rest. */
static void emit_tiles(Apply *a, Nest *nest, Split *s, Expr *whole, LBody *body) {
    if (!expr_is(whole, 0)) {
        int n = a->bound.n;
        emit_children(a, nest, apply_open_loop(a, body, nest->var, nest->bind, whole));
        if (apply_has_threads(a)) lift_guard(a, body);
        a->bound.n = n;
    }
    Expr *covered = expr_muli(a->ctx, whole, s->factor);
    Expr *more = expr_op2(a->ctx, SOP_lt, covered, apply_extent(a, s->var));
    emit_rest(a, nest, s, whole, expr_is(more, 1) ? body : &open_if(a, body, more)->body,
              emit_children);
}

/* The loop's variable is bound already (a thread variable): choose by its value. */
static void emit_tile_of(Apply *a, Nest *nest, Split *s, Expr *whole, LBody *body,
                         InsideFn inside) {
    if (expr_is(whole, 0)) {
        emit_rest(a, nest, s, whole, body, inside);
        return;
    }
    LStmt *l = open_if(a, body, expr_op2(a->ctx, SOP_lt, apply_value(a, nest->var), whole));
    inside(a, nest, &l->body);
    emit_rest(a, nest, s, whole, &l->other, inside);
}

/* Do all threads of a block have to come to something below? */
static bool shares_sums(Apply *a, const Nest *nest) {
    for (int i = 0; i < a->kernel->stmts.n; i++) {
        const Stmt *s = a->kernel->stmts.at[i];
        if (has_stmt(nest, s) && apply_shares_sum(a, s)) return true;
    }
    return false;
}

/* The loop over the innermost part of a variable whose extent is a whole number of such parts: in
 * an overhanging tile one condition in front of it says for all of them whether they are there. */
static LBody *guard_part(Apply *a, Nest *nest, LBody *body) {
    Split *s = NULL;
    for (int i = 0; i < a->how->splits.n; i++)
        if (a->how->splits.at[i].inner == nest->var) s = &a->how->splits.at[i];
    if (!s || s->tail != TAIL_EXACT || nest->bind == BIND_BLOCK) return body;
    Var *root = split_root(a, s->var);
    Expr *rest = expr_mod(a->ctx, root->extent, expr_int(a->ctx, s->factor));
    bool guarded = false;
    for (int i = 0; i < a->guarded.n; i++) guarded |= a->guarded.at[i] == root;
    if (!guarded || root == s->var || !expr_is(rest, 0) || shares_sums(a, nest)) return body;
    int n = a->bound.n, kept = 0;
    apply_bind(a, nest->var, expr_int(a->ctx, 0));
    Expr *in = expr_op2(a->ctx, SOP_lt, apply_value(a, root), root->extent);
    a->bound.n = n;
    for (int i = 0; i < a->guarded.n; i++)
        if (a->guarded.at[i] != root) a->guarded.at[kept++] = a->guarded.at[i];
    a->guarded.n = kept;
    return &open_if(a, body, in)->body;
}

/* A loop without tiles that overhang. */
static void emit_plain(Apply *a, Nest *nest, LBody *body) {
    int n = a->bound.n, n_guarded = a->guarded.n;
    Var **guarded = NEW_ARRAY(a->ctx->perm, Var *, n_guarded + 1);
    for (int i = 0; i < n_guarded; i++) guarded[i] = a->guarded.at[i];
    body = guard_part(a, nest, body);
    guard_tiles(a, nest->var);
    apply_stages_before(a, nest, body);
    Expr *extent = apply_extent(a, nest->var);
    emit_children(a, nest, apply_open_loop(a, body, nest->var, nest->bind, extent));
    if (apply_has_threads(a)) lift_guard(a, body);
    a->bound.n = n;
    apply_group_wait(a, nest, 0, body);
    for (int i = 0; i < n_guarded; i++) a->guarded.at[i] = guarded[i];
    a->guarded.n = n_guarded;
}

static void emit_loop(Apply *a, Nest *nest, LBody *body) {
    Expr *whole;
    if (nest->bind == BIND_MMA) {
        apply_mma(a, nest, body);
        return;
    }
    if (nest->bind == BIND_GROUP) {
        apply_group(a, nest, body);
        return;
    }
    Split *s = apply_split_by_outer(a, nest->var);
    if (apply_scan(a, nest, body)) return;
    int started = start_reductions(a, nest, body);
    if (has_tail(a, s, &whole)) emit_tiles(a, nest, s, whole, body);
    else emit_plain(a, nest, body);
    finish_reductions(a, nest, body, started);
}

/* No loop but those over threads runs along its sum. */
static void emit_whole_sum(Apply *a, Stmt *s, LBody *body) {
    apply_init(a, s, body);
    apply_stmt(a, s, body);
    apply_finish(a, s, body);
}

static void emit_nest(Apply *a, Nest *nest, LBody *body) {
    if (nest->kind == NEST_LOOP) emit_loop(a, nest, body);
    else if (apply_shares_sum(a, nest->stmt) && !is_started(a, nest->stmt))
        emit_whole_sum(a, nest->stmt, body);
    else apply_stmt(a, nest->stmt, body);
}

/* ---- the parallel space ---- */
static bool is_thread(const Nest *nest) {
    return nest->kind == NEST_LOOP && nest->bind == BIND_THREAD;
}

static Nest *thread_child(const Nest *nest) {
    return nest->n_child == 1 && is_thread(nest->child[0]) ? nest->child[0] : NULL;
}

static void emit_threads(Apply *, Nest *, LBody *);

static void emit_inside_thread(Apply *a, Nest *nest, LBody *body) {
    Nest *child = thread_child(nest);
    if (!child) {
        emit_children(a, nest, body);
        return;
    }
    apply_declare(a, nest, body);
    emit_threads(a, child, body);
}

/* Decodes the linear index a->linear into this thread loop's variable, then goes on inside. */
static void emit_threads(Apply *a, Nest *nest, LBody *body) {
    Expr *whole, *below = expr_int(a->ctx, 1);
    for (Nest *n = thread_child(nest); n; n = thread_child(n))
        below = expr_mul(a->ctx, below, n->var->extent);
    apply_bind(a, nest->var,
         expr_mod(a->ctx, expr_floordiv(a->ctx, a->linear, below), nest->var->extent));
    Split *s = apply_split_by_outer(a, nest->var);
    guard_tiles(a, nest->var);
    if (has_tail(a, s, &whole)) emit_tile_of(a, nest, s, whole, body, emit_inside_thread);
    else emit_inside_thread(a, nest, body);
}

static Expr *parallel_extent(Apply *a) {
    Expr *total = expr_int(a->ctx, 1);
    Nest *n = a->how->n_top == 1 && is_thread(a->how->top[0]) ? a->how->top[0] : NULL;
    for (; n; n = thread_child(n)) total = expr_mul(a->ctx, total, n->var->extent);
    return total;
}

static LFunc *new_function(Apply *a, Kernel *k) {
    LFunc *f = lfunc_new(a->ctx, LF_KERNEL, k->name);
    Tensor **in, **out;
    int n_in, n_out;
    kernel_tensors(a->ctx, k, &in, &n_in, &out, &n_out);
    for (int i = 0; i < n_in; i++) vec_push(a->ctx->perm, &f->params, in[i]);
    for (int i = 0; i < n_out; i++) {
        bool read = false;
        for (int j = 0; j < n_in; j++) read |= in[j] == out[i];
        if (!read) vec_push(a->ctx->perm, &f->params, out[i]);
    }
    f->origin = k->origin;
    f->n_origin = k->n_origin;
    return f;
}

static bool is_taken(const Apply *a, const char *name) {
    bool taken = false;
    for (int i = 0; i < a->kernel->stmts.n; i++) {
        const Stmt *s = a->kernel->stmts.at[i];
        for (int k = 0; k < s->n_dom; k++) taken |= !strcmp(s->dom[k]->name, name);
        for (int k = 0; k < s->n_red; k++) taken |= !strcmp(s->red[k]->name, name);
    }
    for (int i = 0; i < a->how->collapses.n; i++)
        taken |= !strcmp(a->how->collapses.at[i].into->name, name);
    return taken;
}

/* A name for the linear index: the order of terms in the text depends on names, and must not change
 * where a printer tells equal ones apart. */
static const char *linear_name(const Apply *a) {
    const char *name = "t";
    for (int i = 1; is_taken(a, name); i++) name = arena_printf(a->ctx->perm, "t_%d", i);
    return name;
}

LFunc *apply_schedule(Program *p, Kernel *k, How *how) {
    Apply a = {.ctx = p->ctx, .kernel = k, .how = how, .scratch = expr_int(p->ctx, 0)};
    a.func = new_function(&a, k);
    apply_boxes(&a);
    apply_find_stages(&a);
    a.func->parallel = parallel_extent(&a);
    Var *t = var_new(a.ctx, linear_name(&a), a.func->parallel);
    LStmt *range = lstmt_new(a.ctx, L_FOR);
    range->var = t;
    range->bind = BIND_THREAD;
    range->lo = a.func->lo->self;
    range->hi = a.func->hi->self;
    lbody_add(a.ctx, &a.func->body, range);
    apply_declare(&a, NULL, &range->body);
    bool threads = how->n_top == 1 && is_thread(how->top[0]);
    a.linear = t->self;
    if (threads) emit_threads(&a, how->top[0], &range->body);
    for (int i = 0; !threads && i < how->n_top; i++) emit_nest(&a, how->top[i], &range->body);
    a.func->scratch = a.scratch;
    apply_barriers(a.ctx, a.func);
    return a.func;
}
