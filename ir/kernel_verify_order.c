/* Checks that the loops of a how compute what its statements say, in their order:
 *
 *   - a statement stands behind those whose results it reads or overwrites;
 *   - a loop that it shares with one of them lets it see only elements that are complete: it is no
 *     reduction loop of the earlier statement, and both mean the same element by it;
 *   - threads share nothing: no reduction or scan runs along a thread loop, and such loops stand
 *     outside, one in another; block loops stand likewise inside of them, and their threads share
 *     what is not at home in registers or on the stack;
 *   - lanes run innermost, and along a reduction only where its recipe under this how has lanes or
 *     order is all the same;
 *   - a sum that decays has one serial loop over its outermost variable, around its others;
 *   - what is unrolled has a known and bounded number of copies.
 *
 * What cannot be seen to be right counts as wrong. */
#include "ir/kernel_verify_order.h"

enum { MOST_COPIES = 4096 };

static void collect(Order *o, Nest *n) {
    if (n->kind == NEST_STMT) {
        Place p = {.stmt = n->stmt, .depth = o->depth};
        memcpy(p.path, o->path, sizeof *o->path * (size_t)o->depth);
        vec_push(o->v->ctx->perm, &o->places, p);
    }
    if (n->kind != NEST_LOOP) return;
    o->path[o->depth++] = n;
    for (int i = 0; i < n->n_child; i++) collect(o, n->child[i]);
    o->depth--;
}

/* ---- two statements ---- */

typedef struct Meet { /* the elements of `tensor` that a later statement touches */
    const Tensor *tensor;
    const Stmt *first;
    const Var *var; /* of the earlier statement, which a shared loop comes from */
    int dim;        /* the subscript that is var there; -1: none */
    bool touches, same;
} Meet;

static void meet_at(Meet *m, Expr *const *index) {
    m->touches = true;
    m->same &= m->dim >= 0 && index[m->dim] == m->var->self;
}

static void meet_load(void *user, const Expr *e) {
    Meet *m = user;
    if (e->kind == E_LOAD && e->tensor == m->tensor) meet_at(m, e->arg);
}

static bool writes(const Stmt *s, const Tensor *t) {
    return s->out == t || s->out2 == t;
}

static void meet_stmt(Meet *m, const Stmt *s) {
    int rank = s->index ? stmt_target(s)->rank : 0;
    expr_visit(s->value, meet_load, m);
    if (s->decay) expr_visit(s->decay, meet_load, m);
    for (int i = 0; i < rank; i++) expr_visit(s->index[i], meet_load, m);
    if (!writes(s, m->tensor)) return;
    Expr *index[MAX_RANK];
    for (int i = 0; i < m->tensor->rank; i++) index[i] = stmt_index(s, i);
    meet_at(m, index);
}

static Meet meet(const Stmt *first, const Stmt *second, const Tensor *t, const Var *v) {
    Meet m = {.tensor = t, .first = first, .var = v, .dim = -1, .same = true};
    for (int i = 0; v && i < t->rank; i++)
        if (stmt_index(first, i) == v->self) m.dim = i;
    meet_stmt(&m, second);
    return m;
}

bool order_is_sum_var(const Order *o, const Stmt *s, const Var *loop) {
    for (int i = 0; i < s->n_red; i++)
        if (how_comes_from(o->how, loop, s->red[i])) return true;
    return s->kind == ST_SCAN && how_comes_from(o->how, loop, s->dom[s->axis]);
}

/* Threads of a block wait for each other before they read what others have written. */
static bool is_common(const Order *o, const Nest *loop, const Tensor *t) {
    Space home = t->space == SP_TEMP ? SP_STACK : t->space;
    for (int i = 0; i < o->how->homes.n; i++)
        if (o->how->homes.at[i].temp == t) home = o->how->homes.at[i].space;
    return loop->bind == BIND_BLOCK && home != SP_REG && home != SP_STACK;
}

/* A scan that is under way has the element that the loop is at, and so the result so far. */
static bool is_running(const Stmt *scan, const Stmt *s, const Tensor *t, const Var *loop) {
    return scan->kind == ST_SCAN && !scan->exclusive && !scan->reverse &&
           scan->dom[scan->axis] == loop && meet(scan, s, t, loop).same;
}

/* The loops that both share, for a tensor that the first writes and the second touches. */
static void check_shared(Order *o, const Place *a, const Place *b, const Tensor *t) {
    for (int d = 0; d < MIN(a->depth, b->depth) && a->path[d] == b->path[d]; d++) {
        const Var *loop = a->path[d]->var;
        bool threads = a->path[d]->bind == BIND_BLOCK; /* they combine their parts */
        if (!threads && order_is_sum_var(o, a->stmt, loop) &&
            !is_running(a->stmt, b->stmt, t, loop))
            verify_fail(o->v, a->path[d], "inside the loop over %s, %%%s is not complete yet",
                        loop->name, t->name);
        for (int i = 0; i < a->stmt->n_dom; i++) {
            const Var *v = a->stmt->dom[i];
            if (!how_comes_from(o->how, loop, v) || expr_is(v->extent, 1)) continue;
            if (is_common(o, a->path[d], t) || order_is_held(o, b, t, loop)) continue;
            if (!meet(a->stmt, b->stmt, t, v).same)
                verify_fail(o->v, a->path[d],
                            "the loop over %s is shared, but other elements of %%%s are read in it",
                            loop->name, t->name);
        }
    }
}

static bool reads(const Stmt *s, const Tensor *t) {
    Meet m = {.tensor = t, .dim = -1, .same = true};
    expr_visit(s->value, meet_load, &m);
    if (s->decay) expr_visit(s->decay, meet_load, &m);
    for (int i = 0; s->index && i < stmt_target(s)->rank; i++)
        expr_visit(s->index[i], meet_load, &m);
    return m.touches;
}

static int place_of(const Order *o, const Stmt *s) {
    for (int i = 0; i < o->places.n; i++)
        if (o->places.at[i].stmt == s) return i;
    return -1;
}

static void check_pair(Order *o, const Stmt *first, const Stmt *second) {
    const Tensor *made[] = {first->out, first->out2, second->out, second->out2};
    int a = place_of(o, first), b = place_of(o, second);
    for (int i = 0; i < 4; i++) {
        const Tensor *t = made[i];
        bool later = t && i < 2 && (reads(second, t) || writes(second, t));
        bool earlier = t && i >= 2 && reads(first, t) && !writes(first, t);
        if (!later && !earlier) continue;
        if (a > b) {
            verify_fail(o->v, o->how, "the statement of %%%s stands before that of %%%s",
                        stmt_target(second)->name, stmt_target(first)->name);
            return;
        }
        if (later) check_shared(o, &o->places.at[a], &o->places.at[b], t);
    }
}

/* ---- loops ---- */

/* A variable that several iterations of which may meet in one element. */
static const Var *collides(const Order *o, const Stmt *s, const Var *loop) {
    for (int i = 0; s->kind == ST_SCATTER && i < s->n_dom; i++)
        if (how_comes_from(o->how, loop, s->dom[i]) && !stmt_owns(s, s->dom[i])) return s->dom[i];
    return NULL;
}

static void check_thread(Order *o, const Place *p, int d) {
    const Nest *loop = p->path[d];
    if (collides(o, p->stmt, loop->var))
        verify_fail(o->v, loop, "threads along %s may scatter to the same element",
                    loop->var->name);
    if (order_is_sum_var(o, p->stmt, loop->var))
        verify_fail(o->v, loop, "threads cannot share the sum along %s", loop->var->name);
    bool outside = o->how->n_top == 1;
    for (int k = 0; k < d; k++)
        outside &= p->path[k]->bind == loop->bind && p->path[k]->n_child == 1;
    if (!outside)
        verify_fail(o->v, loop, "the thread loop over %s does not stand outside", loop->var->name);
}

static const Split *split_by_inner(const How *h, const Var *v) {
    for (int i = 0; i < h->splits.n; i++)
        if (h->splits.at[i].inner == v) return &h->splits.at[i];
    return NULL;
}

/* Do the threads along `loop` add up what the recipe's lanes do: element k / runs % lanes of the
 * innermost variable? */
static bool are_lanes(const Order *o, const Stmt *s, const Var *loop) {
    bool scan = s->kind == ST_SCAN, free = !scan && s->op != RED_SUM && s->op != RED_PROD;
    const Var *last = scan ? s->dom[s->axis] : s->n_red ? s->red[s->n_red - 1] : NULL, *part = loop;
    int64_t n, runs = 1;
    if (!expr_is_int(loop->extent, &n) || (n & (n - 1))) return false;
    if (free) return true;
    for (int i = 0; i < o->how->splits.n; i++)
        if (o->how->splits.at[i].outer == part) {
            runs = o->how->splits.at[i].factor;
            part = o->how->splits.at[i].var;
        }
    const Recipe *r = how_recipe(o->how, s);
    if (n != r->lanes || runs != MAX(r->runs, 1) || r->blocks) return false;
    for (const Split *whole; (whole = split_by_inner(o->how, part)); part = whole->var)
        if (whole->factor % (n * runs)) return false;
    return part == last;
}

static void check_block(Order *o, const Place *p, int d) {
    const Nest *loop = p->path[d];
    if (collides(o, p->stmt, loop->var))
        verify_fail(o->v, loop, "threads along %s may scatter to the same element",
                    loop->var->name);
    if (order_is_sum_var(o, p->stmt, loop->var) && !are_lanes(o, p->stmt, loop->var))
        verify_fail(o->v, loop, "threads cannot share the sum along %s", loop->var->name);
    if (!expr_is_int(loop->var->extent, NULL))
        verify_fail(o->v, loop, "the number of threads along %s is not known", loop->var->name);
    bool outside = o->how->n_top == 1;
    for (int k = 0; k < d; k++) {
        const Nest *around = p->path[k];
        outside &= around->bind == BIND_THREAD || around->bind == BIND_BLOCK;
        outside &= around->n_child == 1;
    }
    if (!outside)
        verify_fail(o->v, loop, "the block loop over %s is not directly inside of thread loops",
                    loop->var->name);
}

static void check_vector(Order *o, const Place *p, int d) {
    const Nest *loop = p->path[d];
    const Stmt *s = p->stmt;
    bool any_order = s->op == RED_MAX || s->op == RED_MIN || s->op == RED_ANY || s->op == RED_ALL;
    if (d + 1 != p->depth)
        verify_fail(o->v, loop, "lanes along %s are not innermost", loop->var->name);
    if (order_is_sum_var(o, s, loop->var) && how_recipe(o->how, s)->lanes < 2 &&
        !(s->kind == ST_REDUCE && any_order))
        verify_fail(o->v, loop, "%%%s is not added up in lanes", stmt_target(s)->name);
}

static void check_unroll(Order *o, const Place *p, int d, int64_t *copies) {
    int64_t n;
    const Nest *loop = p->path[d];
    if (!expr_is_int(loop->var->extent, &n))
        verify_fail(o->v, loop, "%s is unrolled, but its extent is not known", loop->var->name);
    else if ((*copies *= MAX(n, 1)) > MOST_COPIES)
        verify_fail(o->v, loop, "unrolling %s makes more than %d copies", loop->var->name,
                    MOST_COPIES);
}

/* What fades does so once for each element of red[0]: that is one serial loop around the others. */
static void check_decay(Order *o, const Place *p) {
    const Stmt *s = p->stmt;
    int at = -1;
    for (int d = 0; d < p->depth; d++)
        if (p->path[d]->var == s->red[0] && p->path[d]->bind == BIND_SERIAL) at = d;
    for (int d = 0; d < at; d++)
        if (p->path[d]->bind != BIND_BLOCK && order_is_sum_var(o, s, p->path[d]->var)) at = -1;
    if (at < 0)
        verify_fail(o->v, o->how, "%%%s decays: its other sums run inside a serial loop over %s",
                    stmt_target(s)->name, s->red[0]->name);
}

static void check_loops(Order *o, const Place *p) {
    int64_t copies = 1;
    if (p->stmt->decay) check_decay(o, p);
    for (int d = 0; d < p->depth && !o->v->found.n; d++) {
        Bind bind = p->path[d]->bind;
        if (bind == BIND_THREAD) check_thread(o, p, d);
        if (bind == BIND_BLOCK) check_block(o, p, d);
        if (bind == BIND_VECTOR) check_vector(o, p, d);
        if (bind == BIND_UNROLL) check_unroll(o, p, d, &copies);
        if (bind == BIND_MMA || bind == BIND_GROUP) order_check_mma(o, p, d);
    }
}

void verify_order(Verify *v, const Kernel *k, const How *h) {
    Order o = {.v = v, .kernel = k, .how = h};
    for (int i = 0; i < h->n_top; i++) collect(&o, h->top[i]);
    for (int i = 0; i < o.places.n; i++) check_loops(&o, &o.places.at[i]);
    for (int j = 0; j < k->stmts.n; j++)
        for (int i = 0; i < j; i++) check_pair(&o, k->stmts.at[i], k->stmts.at[j]);
}
