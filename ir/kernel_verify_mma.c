/* Checks products of matrices: five loops around a sum, of what a thread of a warp has of them.
 *
 *   for i mma { for h mma { for j mma { for e mma { for k mma { do %s } } } } }
 *
 * The innermost block loops are g and t: rows count h*8 + g, columns t*2 + e, as parts of one split
 * or wherever factors have these variables. Five loops bound `group` are those of four warps.
 * Factors have copies in shared memory; the left one of a warp may be a temp in registers of which
 * step k is the element [k / 8, k / 2 % 4, k % 2], the middle one being t: what the thread has of a
 * sum of another product. */
#include "ir/kernel_verify_order.h"
#include "ir/mma.h"

enum { MMA_LOOPS = 5, PAIR = 2, GROUP_WARPS = 4 };

/* ---- factors ---- */
/* The type of the copy of a factor; DT_NONE: it has none. */
static DType staged_type(const Nest *n, const Stmt *s, int factor) {
    if (n->kind == NEST_STAGE && n->stage->stmt == s && n->stage->factor == factor)
        return n->stage->copy->dtype;
    DType found = DT_NONE;
    for (int i = 0; i < n->n_child && found == DT_NONE; i++)
        found = staged_type(n->child[i], s, factor);
    return found;
}

static bool is_in_registers(const Order *o, const Tensor *t) {
    for (int i = 0; i < o->how->homes.n; i++)
        if (o->how->homes.at[i].temp == t) return o->how->homes.at[i].space == SP_REG;
    return false;
}

/* The last two block loops around */
static bool find_lanes(const Place *p, const Var **g, const Var **t) {
    *g = *t = NULL;
    for (int d = 0; d < p->depth; d++)
        if (p->path[d]->bind == BIND_BLOCK) *g = *t, *t = p->path[d]->var;
    return *g && expr_is((*g)->extent, MMA_LANE_ROWS) && expr_is((*t)->extent, MMA_LANE_COLUMNS);
}

/* Is the element the one that a thread has of step k? */
static bool is_own_step(const Order *o, const Expr *load, const Var *k, const Var *t) {
    Ctx *c = o->v->ctx;
    int n = load->n;
    Expr *step = k->self, *two = expr_int(c, PAIR);
    const Stmt *def = NULL;
    for (int i = 0; i < o->kernel->stmts.n; i++)
        if (o->kernel->stmts.at[i]->out == load->tensor) def = o->kernel->stmts.at[i];
    if (n < 3 || !def || def->index || def->dom[n - 2] != t) return false;
    Expr *lane = expr_mod(c, expr_floordiv(c, step, two), expr_int(c, MMA_LANE_COLUMNS));
    return load->arg[n - 3] == expr_floordiv(c, step, expr_int(c, PAIR * MMA_LANE_COLUMNS)) &&
           load->arg[n - 2] == lane && load->arg[n - 1] == expr_mod(c, step, two);
}

/* The load of a factor that lies in registers; NULL: it does not. */
static const Expr *held_load(const Order *o, const Place *p, int factor) {
    const Var *g, *t;
    const Stmt *s = p->stmt;
    const Expr *e = s->value->arg[factor];
    if (e->kind == E_OP && e->op == SOP_cast) e = e->arg[0];
    if (e->kind != E_LOAD || dtype_bytes(e->type) != MMA_REGISTER / PAIR) return NULL;
    if (!is_in_registers(o, e->tensor) || !find_lanes(p, &g, &t)) return NULL;
    return s->n_red && is_own_step(o, e, s->red[s->n_red - 1], t) ? e : NULL;
}

bool order_is_held(const Order *o, const Place *p, const Tensor *t, const Var *loop) {
    const Var *g, *lane;
    const Stmt *s = p->stmt;
    if (!p->depth || p->path[p->depth - 1]->bind != BIND_MMA || !find_lanes(p, &g, &lane))
        return false;
    if (lane != loop || s->value->kind != E_OP || s->value->n != 2) return false;
    for (int f = 0; f < 2; f++) {
        const Expr *held = held_load(o, p, f);
        if (held && held->tensor == t) return true;
    }
    return false;
}

/* The steps of a fragment; 0: its factors are no such matrices. */
static int matrix_steps(const Order *o, const Place *p) {
    DType type[2];
    const Stmt *s = p->stmt;
    bool product = s->kind == ST_REDUCE && s->value->kind == E_OP && s->value->op == SOP_mul;
    for (int f = 0; f < 2 && product; f++) {
        type[f] = staged_type(o->how->top[0], s, f);
        bool warp = p->path[p->depth - 1]->bind == BIND_MMA;
        const Expr *held = warp && type[f] == DT_NONE ? held_load(o, p, f) : NULL;
        if (held) type[f] = held->type;
    }
    DType sum = product ? mma_sum(type[0], type[1]) : DT_NONE;
    return sum != DT_NONE && s->value->type == sum ? mma_steps(type[0]) : 0;
}

/* ---- rows and columns ---- */
/* Do far and near count far * n + near, in a split or in all that the statement reads? */
static bool count_together(const Order *o, const Stmt *s, const Var *far, const Var *near, int n) {
    Ctx *c = o->v->ctx;
    for (int i = 0; i < o->how->splits.n; i++) {
        const Split *p = &o->how->splits.at[i];
        if (p->outer == far && p->inner == near) return p->factor == n;
    }
    Var *vars[2] = {(Var *)(uintptr_t)far, (Var *)(uintptr_t)near};
    Expr *by[2] = {expr_int(c, 0), expr_add(c, expr_muli(c, far->self, n), near->self)};
    return expr_subst(c, s->value, &(Subst){vars, by, 2}) == s->value;
}

static bool are_lanes_of(const Order *o, const Place *p, int first) {
    const Var *g, *t, *h = p->path[first + 1]->var, *e = p->path[first + 3]->var;
    return find_lanes(p, &g, &t) && count_together(o, p->stmt, h, g, MMA_LANE_ROWS) &&
           count_together(o, p->stmt, t, e, PAIR) && expr_is(h->extent, 2) &&
           expr_is(e->extent, PAIR);
}

/* The block loop in front of the lanes is over the warps of a group. */
static bool has_group(const Place *p, int first) {
    const Nest *warp = NULL;
    for (int d = 0; d + 2 < first; d++)
        if (p->path[d + 2]->bind == BIND_BLOCK) warp = p->path[d];
    return warp && warp->bind == BIND_BLOCK && expr_is(warp->var->extent, GROUP_WARPS);
}

/* A warp takes a fragment's steps at once, a group some such. */
static bool are_steps(const Nest *loop, int each) {
    int64_t steps;
    if (!expr_is_int(loop->var->extent, &steps)) return false;
    return loop->bind == BIND_GROUP ? steps % each == 0 : steps == each;
}

static bool is_chain(const Order *o, const Place *p, int first) {
    Bind bind = p->path[first]->bind;
    if (p->depth != first + MMA_LOOPS) return false;
    for (int i = first; i < p->depth; i++)
        if (p->path[i]->bind != bind || p->path[i]->n_child != 1) return false;
    return are_lanes_of(o, p, first) && order_is_sum_var(o, p->stmt, p->path[first + 4]->var) &&
           (bind != BIND_GROUP || has_group(p, first));
}

void order_check_mma(Order *o, const Place *p, int d) {
    const Nest *loop = p->path[d];
    if (d && p->path[d - 1]->bind == loop->bind) return; /* the first one tells */
    int steps = matrix_steps(o, p);
    if (!is_chain(o, p, d))
        verify_fail(o->v, loop, "the loops from %s on are no products of matrices",
                    loop->var->name);
    else if (!is_in_registers(o, p->stmt->out))
        verify_fail(o->v, loop, "%%%s is not at home in registers", p->stmt->out->name);
    else if (!steps)
        verify_fail(o->v, loop, "the factors of %%%s have no copies of types that have products",
                    stmt_target(p->stmt)->name);
    else if (!are_steps(p->path[d + 4], steps))
        verify_fail(o->v, loop, "a product has %d steps", steps);
}
