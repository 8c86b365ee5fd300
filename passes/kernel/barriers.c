/* Barriers between the threads of a block: one stands wherever a thread may touch memory that
 * another has written, or write what another has read, since the last one.
 *
 *   for b block in 0..128 {            for b block in 0..128 {
 *     %s[b] = %x[t*128 + b]              %s[b] = %x[t*128 + b]
 *     %y[t*128 + b] = %s[127 - b]        barrier
 *   }                                    %y[t*128 + b] = %s[127 - b]
 *                                        barrier         # before the next item writes %s
 *                                      }
 *
 * No barrier is needed where each thread meets its own elements only (the same subscript, which no
 * two threads have in common), or where the two sides are different parts of a buffer of several:
 * subscripts S*(x % B) + r and S*((x + c) % B) + r with 0 <= r < S, in a buffer of S*B elements.
 * What one statement writes, it writes once before somebody reads it. Copies that arrive later
 * count as writes where they are sent on their way and again at the wait in which they may arrive,
 * which is that of one thread: a barrier must follow. So do the factors that products read. */
#include "passes/kernel/apply.h"

typedef struct Access {
    Tensor *tensor;
    Expr *index;
    const LStmt *at;
    bool write;
    bool old; /* variables of loops around it have gone on since */
} Access;
typedef VEC(Access) Accesses;
typedef struct Barriers {
    Ctx *ctx;
    LFunc *func;
    Map *fixed;       /* variables that are the same for all threads at this place */
    Accesses pending; /* since the last barrier */
    /* of copies, and of products, that were sent on their way: may happen at the next wait for
     * such, too */
    Accesses later[2];
    bool changed;
} Barriers;

/* ---- what a statement touches ---- */
static bool is_common(const Barriers *b, const Tensor *t) {
    bool param = false;
    for (int i = 0; i < b->func->params.n; i++) param |= b->func->params.at[i] == t;
    return param || t->space == SP_SHARED || t->space == SP_SCRATCH;
}

typedef struct Gather {
    Barriers *b;
    Accesses *to;
    const LStmt *at;
} Gather;

static void add(Gather *g, Tensor *t, Expr *index, bool write) {
    if (!is_common(g->b, t)) return;
    vec_push(g->b->ctx->perm, g->to, ((Access){t, index, g->at, write, false}));
}

static void gather_load(void *user, const Expr *e) {
    if (e->kind == E_LOAD) add(user, e->tensor, e->arg[0], false);
}

static void gather_expr(void *user, Expr *e) {
    expr_visit(e, gather_load, user);
}

static bool is_copy(const LStmt *l) { /* that arrives later */
    return l->kind == L_ASYNC || l->kind == L_BULK || l->kind == L_BOX;
}

static void gather_stmt(void *user, LStmt *l) {
    Gather *g = user;
    g->at = l;
    lstmt_each_expr(l, gather_expr, g);
    if (l->kind == L_STORE || is_copy(l)) add(g, l->tensor, l->index, true);
    if (is_copy(l) || l->kind == L_FRAGMENT) add(g, l->args[0], l->iargs[0], false);
    for (int f = 0; f < 2 && l->kind == L_PRODUCTS; f++)
        add(g, l->args[f], l->iargs[f * PRODUCTS_FACTOR], false);
}

static Accesses accesses_of(Barriers *b, LStmt *l) {
    Accesses a = {0};
    Gather g = {b, &a, l};
    gather_stmt(&g, l);
    lbody_each(&l->body, gather_stmt, &g);
    lbody_each(&l->other, gather_stmt, &g);
    return a;
}

/* ---- do two accesses meet? ---- */
typedef struct Digits { /* of a subscript: variables, the distance of each */
    Barriers *b;
    Var *var[MAX_RANK];
    int64_t step[MAX_RANK];
    int n;
} Digits;

static void find_var(void *user, const Expr *e) {
    Digits *d = user;
    if (e->kind != E_VAR || map_get_int(d->b->fixed, (uint64_t)(uintptr_t)e->var)) return;
    for (int i = 0; i < d->n; i++)
        if (d->var[i] == e->var) return;
    if (d->n < MAX_RANK) d->var[d->n] = e->var;
    d->n++;
}

typedef struct Threads { /* block loops of more than one iteration that do not occur in `in` */
    const Digits *in;
    bool missing;
} Threads;

static void find_missing(void *user, LStmt *l) {
    Threads *t = user;
    bool found = false;
    if (l->kind != L_FOR || l->bind != BIND_BLOCK || expr_is(l->hi, 1)) return;
    for (int i = 0; i < t->in->n; i++) found |= t->in->var[i] == l->var;
    t->missing |= !found;
}

/* Does every thread have elements of its own: are the steps those of a mixed radix? */
static bool is_own(Barriers *b, Expr *index) {
    Digits d = {.b = b};
    Expr *coef, *rest;
    int64_t extent[MAX_RANK];
    expr_visit(index, find_var, &d);
    if (d.n > MAX_RANK) return false;
    Threads t = {&d, false};
    lbody_each(&b->func->body, find_missing, &t);
    if (t.missing) return false;
    for (int i = 0; i < d.n; i++) {
        if (!expr_linear_in(b->ctx, index, d.var[i], &coef, &rest) ||
            !expr_is_int(coef, &d.step[i]) || d.step[i] < 1 ||
            !expr_is_int(d.var[i]->extent, &extent[i]))
            return false;
    }
    int64_t reach = 0;
    for (int done = 0; done < d.n; done++) {
        int next = -1;
        for (int i = 0; i < d.n; i++)
            if (d.step[i] && (next < 0 || d.step[i] < d.step[next])) next = i;
        if (d.step[next] <= reach && extent[next] > 1) return false;
        reach += d.step[next] * (extent[next] - 1);
        d.step[next] = 0;
    }
    return true;
}

typedef struct Slot {
    Expr *x;
    int64_t size, count;
} Slot;

/* index = size * (x % count) + r with 0 <= r < size */
static bool slot_of(Ctx *c, const Tensor *t, Expr *index, Slot *s) {
    int64_t elements, lo, hi;
    Expr *const *terms = index->kind == E_SUM ? index->arg : &index;
    int n = index->kind == E_SUM ? index->n : 1;
    if (!expr_is_int(t->dims[0], &elements)) return false;
    for (int i = 0; i < n; i++) {
        const Expr *e = terms[i]->kind == E_PROD && terms[i]->n == 1 ? terms[i]->arg[0] : terms[i];
        if (e->kind != E_OP || e->op != SOP_mod || !expr_is_int(e->arg[1], &s->count)) continue;
        s->x = e->arg[0];
        s->size = terms[i] == e ? 1 : terms[i]->i;
        expr_range(c, expr_sub(c, index, terms[i]), &lo, &hi);
        if (s->size * s->count == elements && lo >= 0 && hi < s->size) return true;
    }
    return false;
}

/* Does the number of the part depend on nothing that threads see differently? */
static bool is_fixed(Barriers *b, const Expr *x) {
    Digits d = {.b = b};
    expr_visit(x, find_var, &d);
    return d.n == 0 && !expr_has_load(x);
}

static bool are_apart(Barriers *b, const Access *p, const Access *q) {
    Slot x, y;
    int64_t distance;
    if (p->old || q->old || !slot_of(b->ctx, p->tensor, p->index, &x) ||
        !slot_of(b->ctx, q->tensor, q->index, &y) || !is_fixed(b, x.x) || !is_fixed(b, y.x))
        return false;
    return x.count == y.count && expr_is_int(expr_sub(b->ctx, x.x, y.x), &distance) &&
           distance % x.count != 0;
}

/* The elements that an access touches, whatever its variables are; false: not known. */
static bool span_of(Ctx *c, const Access *a, int64_t *lo, int64_t *hi) {
    int64_t more;
    if (a->at->kind == L_FRAGMENT || a->at->kind == L_PRODUCTS) return false;
    if (!expr_range(c, a->index, lo, hi)) return false;
    if (is_copy(a->at) && expr_is_int(a->at->hi, &more)) *hi += more - 1;
    return true;
}

static bool are_elsewhere(Ctx *c, const Access *p, const Access *q) {
    int64_t lo[2], hi[2];
    return span_of(c, p, &lo[0], &hi[0]) && span_of(c, q, &lo[1], &hi[1]) &&
           (hi[0] < lo[1] || hi[1] < lo[0]);
}

/* A statement that reads what it writes meets its own element: each belongs to one thread. */
static bool meet(Barriers *b, const Access *p, const Access *q, bool same_round) {
    if (p->tensor != q->tensor || (!p->write && !q->write)) return false;
    if (p->at == q->at && (p->index == q->index || (p->write && q->write))) return false;
    if (p->index == q->index && is_own(b, p->index)) return false;
    if (are_elsewhere(b->ctx, p, q)) return false;
    return !same_round || !are_apart(b, p, q);
}

static bool any_meet(Barriers *b, const Accesses *p, const Accesses *q, bool same_round) {
    for (int i = 0; i < p->n; i++)
        for (int k = 0; k < q->n; k++)
            if (meet(b, &p->at[i], &q->at[k], same_round)) return true;
    return false;
}

/* ---- placing ---- */
static void place_body(Barriers *, LBody *);

static void insert(Barriers *b, LBody *body, int at) {
    lbody_add(b->ctx, body, NULL);
    for (int i = body->at.n - 1; i > at; i--) body->at.at[i] = body->at.at[i - 1];
    body->at.at[at] = lstmt_new(b->ctx, L_BARRIER);
    b->pending.n = 0;
    b->changed = true;
}

static void add_all(Barriers *b, Accesses *to, const Accesses *more) {
    for (int i = 0; i < more->n; i++) {
        bool known = false;
        for (int k = 0; k < to->n; k++) {
            const Access *p = &to->at[k], *q = &more->at[i];
            known |= p->tensor == q->tensor && p->index == q->index && p->at == q->at &&
                     p->write == q->write && p->old == q->old;
        }
        if (!known) vec_push(b->ctx->perm, to, more->at[i]);
    }
}

static Accesses copy_of(Barriers *b, const Accesses *of) {
    Accesses a = {0};
    for (int i = 0; i < of->n; i++) vec_push(b->ctx->perm, &a, of->at[i]);
    return a;
}

static Accesses of_last_round(Barriers *b, const Accesses *of, Var *v) {
    Expr *last = expr_addi(b->ctx, v->self, -1);
    Accesses left = copy_of(b, of);
    for (int i = 0; i < left.n; i++)
        left.at[i].index = expr_subst1(b->ctx, left.at[i].index, v, last);
    return left;
}

static void next_round(Barriers *b, Var *v) {
    b->pending = of_last_round(b, &b->pending, v);
    for (int i = 0; i < 2; i++) b->later[i] = of_last_round(b, &b->later[i], v);
}

static void leave_loop(Accesses *a, const Var *v) {
    for (int i = 0; i < a->n; i++) a->at[i].old |= expr_uses_var(a->at[i].index, v);
}

/* Goes round until no round adds a barrier: what a round leaves pending, the next one meets; what
 * products read, the one behind that. */
enum { LATER_ROUNDS = 2 };

static void place_loop(Barriers *b, LStmt *l) {
    Accesses before = copy_of(b, &b->pending), later[2];
    for (int i = 0; i < 2; i++) later[i] = copy_of(b, &b->later[i]);
    bool any = b->changed;
    map_set_int(b->fixed, (uint64_t)(uintptr_t)l->var, l);
    do {
        b->changed = false;
        b->pending = copy_of(b, &before);
        for (int i = 0; i < 2; i++) b->later[i] = copy_of(b, &later[i]);
        place_body(b, &l->body);
        for (int round = 0; round < LATER_ROUNDS; round++) {
            next_round(b, l->var);
            place_body(b, &l->body);
        }
        any |= b->changed;
    } while (b->changed);
    map_set_int(b->fixed, (uint64_t)(uintptr_t)l->var, NULL);
    leave_loop(&b->pending, l->var);
    add_all(b, &b->pending, &before); /* it may have no rounds */
    for (int i = 0; i < 2; i++) {
        leave_loop(&b->later[i], l->var);
        add_all(b, &b->later[i], &later[i]);
    }
    b->changed = any;
}

static void place_branch(Barriers *b, LStmt *l) {
    Accesses before = copy_of(b, &b->pending), after;
    place_body(b, &l->body);
    after = b->pending;
    b->pending = before;
    place_body(b, &l->other);
    add_all(b, &b->pending, &after);
}

static void check_together(const Barriers *b, const LStmt *l) {
    const Expr *way[] = {l->cond, l->lo, l->hi};
    for (int i = 0; i < 3; i++)
        if (way[i] && lfunc_differs(b->func, way[i]))
            BUG("kernel %s: not all threads of a block come to a barrier", b->func->name);
}

static void find_wait(void *user, LStmt *l) {
    *(bool *)user |= l->kind == L_WAIT || l->kind == L_PRODUCTS_WAIT;
}

/* What has been sent on its way may arrive now. */
static void arrive(Barriers *b, const LStmt *wait) {
    Accesses *later = &b->later[wait->kind == L_PRODUCTS_WAIT];
    add_all(b, &b->pending, later);
    if (expr_is(wait->lo, 0)) later->n = 0;
}

static void send(Barriers *b, const Accesses *own) {
    Accesses sent[2] = {0};
    for (int i = 0; i < own->n; i++) {
        LKind kind = own->at[i].at->kind;
        if (kind == L_PRODUCTS || (is_copy(own->at[i].at) && own->at[i].write))
            vec_push(b->ctx->perm, &sent[kind == L_PRODUCTS], own->at[i]);
    }
    for (int i = 0; i < 2; i++) add_all(b, &b->later[i], &sent[i]);
}

/* Barriers that it needs inside stand inside, others in front. */
static void place_stmt(Barriers *b, LBody *body, int *at) {
    LStmt *l = body->at.at[*at];
    Accesses own = accesses_of(b, l);
    if (l->kind == L_BARRIER) {
        b->pending.n = 0;
        return;
    }
    bool inside = l->kind == L_FOR || l->kind == L_IF, waits = false;
    if (l->kind == L_WAIT || l->kind == L_PRODUCTS_WAIT) arrive(b, l);
    lbody_each(&l->body, find_wait, &waits);
    lbody_each(&l->other, find_wait, &waits);
    if (inside && (waits || any_meet(b, &own, &own, false))) {
        check_together(b, l);
        if (l->kind == L_FOR) place_loop(b, l);
        else place_branch(b, l);
        return;
    }
    if (any_meet(b, &b->pending, &own, true)) insert(b, body, (*at)++);
    add_all(b, &b->pending, &own);
    send(b, &own);
}

static void place_body(Barriers *b, LBody *body) {
    for (int i = 0; i < body->at.n; i++) place_stmt(b, body, &i);
}

/* Of one item; the next one of the block meets what it leaves in buffers. */
static void place_item(Barriers *b, LBody *body) {
    b->pending.n = b->later[0].n = b->later[1].n = 0;
    for (int round = 0; round < 2; round++) {
        place_body(b, body);
        int n = 0;
        for (int i = 0; i < b->pending.n; i++) {
            Access *a = &b->pending.at[i];
            a->old = true;
            if (a->tensor->space >= SP_SCRATCH) b->pending.at[n++] = *a;
        }
        b->pending.n = n;
    }
}

/* The bodies of chains, and the variables outside of them. */
static void find_items(Barriers *b, LBody *body) {
    for (int i = 0; i < body->at.n; i++) {
        LStmt *l = body->at.at[i];
        if (l->kind == L_FOR && l->bind == BIND_BLOCK) {
            while (lstmt_is_chain(l)) l = l->body.at.at[0];
            place_item(b, &l->body);
            continue;
        }
        if (l->kind == L_FOR) map_set_int(b->fixed, (uint64_t)(uintptr_t)l->var, l);
        find_items(b, &l->body);
        find_items(b, &l->other);
    }
}

void apply_barriers(Ctx *ctx, LFunc *f) {
    Barriers b = {.ctx = ctx, .func = f, .fixed = map_new(ctx->perm)};
    if (lfunc_threads(f)) find_items(&b, &f->body);
}
