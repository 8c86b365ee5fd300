/* Vector loops. The variable becomes base + lane, where `lane` runs over the lanes of one
 * vector: a main loop over whole vectors, then the rest, masked, in shorter vectors, or one by
 * one. */
#include "codegen/llvm/gen.h"

typedef struct Info { /* what the body needs */
    Fn *F;
    const Var *var;
    int widest;              /* bytes of the widest element in lanes */
    bool possible;           /* each lane can run by itself */
    bool registers;          /* touches REG buffers: their subscripts must become constant */
    int size;                /* nodes of all expressions */
    VEC(const Tensor *) own; /* buffers declared inside */
} Info;

static bool is_own(const Info *in, const Tensor *t) {
    for (int i = 0; i < in->own.n; i++)
        if (in->own.at[i] == t) return true;
    return false;
}

static void widen(Info *in, DType t) {
    int bytes = t == DT_F16 || t == DT_BF16 ? 4 : (int)dtype_bytes(t);
    if (dtype_class(t) == DC_X) in->possible = false;
    if (t != DT_INDEX) in->widest = MAX(in->widest, bytes);
}

static void look_at_node(void *user, const Expr *e) {
    Info *in = user;
    in->size++;
    if (e->kind == E_LOAD && e->tensor->space == SP_REG) in->registers = true;
    bool varies = expr_uses_var(e, in->var) || (e->kind == E_LOAD && is_own(in, e->tensor));
    if (varies && (e->kind == E_LOAD || e->type != DT_BOOL)) widen(in, e->type);
}

static void look_at_expr(void *user, Expr *e) {
    expr_visit(fn_subst(((Info *)user)->F, e), look_at_node, user);
}

static void look_at_stmt(void *user, LStmt *l) {
    Info *in = user;
    if (l->kind == L_BUFFER) {
        vec_push(in->F->arena, &in->own, l->tensor);
        if (l->tensor->space == SP_SCRATCH) in->possible = false;
        return;
    }
    if (l->kind == L_FOR && (expr_uses_var(l->lo, in->var) || expr_uses_var(l->hi, in->var)))
        in->possible = false;
    if (l->kind == L_STORE) {
        widen(in, l->tensor->dtype);
        if (l->tensor->space == SP_REG) in->registers = true;
        if (!expr_uses_var(l->index, in->var) && !is_own(in, l->tensor)) in->possible = false;
    }
    lstmt_each_expr(l, look_at_expr, in);
}

static int round_up_pow2(int64_t n) {
    int p = 1;
    while (p < n) p *= 2;
    return p;
}

/* Lanes per step; 1: no vectors here. */
static int lanes_for(const Info *in, const LStmt *l, const int64_t *trip) {
    const Machine *m = in->F->g->machine;
    if (!in->possible || in->F->lane || m->vector_bytes == 0) return 1;
    int lanes = l->width ? l->width : m->vector_bytes / MAX(in->widest, 1);
    lanes = MIN(lanes, 128);
    if ((lanes & (lanes - 1)) != 0) lanes = round_up_pow2(lanes) / 2;
    if (trip && *trip < lanes)
        lanes = m->masks ? round_up_pow2(*trip) : MAX(round_up_pow2(*trip + 1) / 2, 1);
    return MAX(lanes, 1);
}

static Var *lane_var(Fn *F, int lanes) {
    Var *v = map_get_int(F->lane_vars, (uint64_t)lanes);
    if (v) return v;
    v = var_new(F->ctx, arena_printf(F->ctx->perm, "lane%d", lanes), expr_int(F->ctx, lanes));
    map_set_int(F->lane_vars, (uint64_t)lanes, v);
    return v;
}

/* One vector of iterations from `base`; those with lane < *count (NULL: all) count. */
static void emit_step(Fn *F, const LStmt *l, Expr *base, int lanes, Expr *count) {
    Val mask = F->mask;
    F->lane = lane_var(F, lanes);
    F->lanes = lanes;
    Expr *lane = expr_var(F->ctx, F->lane);
    vec_push(F->arena, &F->sub_var, l->var);
    vec_push(F->arena, &F->sub_by, expr_add(F->ctx, base, lane));
    if (count) {
        F->mask = emit_lanes(F, expr_op2(F->ctx, SOP_lt, lane, count));
        F->mask_some = true;
    }
    emit_body(F, &l->body);
    F->mask = mask;
    F->mask_some = false;
    F->sub_var.n--, F->sub_by.n--;
    F->lane = NULL;
    F->lanes = 0;
}

/* n iterations from `base`, fewer than `lanes` of them. */
static void emit_rest(Fn *F, const LStmt *l, int64_t base, int64_t n, int lanes) {
    bool power = (n & (n - 1)) == 0;
    if (n && F->g->machine->masks && !power) {
        emit_step(F, l, expr_int(F->ctx, base), round_up_pow2(n), expr_int(F->ctx, n));
        return;
    }
    for (; n > 0; lanes /= 2) {
        if (lanes > n) continue;
        if (lanes == 1) emit_unrolled(F, l, base, base + 1);
        else emit_step(F, l, expr_int(F->ctx, base), lanes, NULL);
        base += lanes, n -= lanes;
    }
}

static void emit_expanded(Fn *F, const LStmt *l, int64_t lo, int64_t hi, int lanes) {
    int64_t i = lo;
    for (; i + lanes <= hi; i += lanes) emit_step(F, l, expr_int(F->ctx, i), lanes, NULL);
    emit_rest(F, l, i, hi - i, lanes);
}

typedef struct Main {
    const LStmt *l;
    Expr *lo, *n, *whole; /* first, iterations, whole vectors */
    Var *step;
    int lanes;
} Main;

static void inside_main(Fn *F, void *user) {
    Main *m = user;
    Expr *base = expr_add(F->ctx, m->lo, expr_muli(F->ctx, expr_var(F->ctx, m->step), m->lanes));
    emit_step(F, m->l, base, m->lanes, NULL);
}

static void inside_scalar(Fn *F, void *user) {
    emit_body(F, &((Main *)user)->l->body);
}

static void inside_tail(Fn *F, void *user) {
    Main *m = user;
    Expr *base = expr_add(F->ctx, m->lo, expr_muli(F->ctx, m->whole, m->lanes));
    emit_step(F, m->l, base, m->lanes, expr_mod(F->ctx, m->n, expr_int(F->ctx, m->lanes)));
}

static void emit_counted(Fn *F, const LStmt *l, Expr *lo, Expr *hi, int lanes) {
    Ctx *ctx = F->ctx;
    Expr *width = expr_int(ctx, lanes);
    Main m = {.l = l,
              .lo = lo,
              .n = expr_max(ctx, expr_sub(ctx, hi, lo), expr_int(ctx, 0)),
              .lanes = lanes};
    m.whole = expr_floordiv(ctx, m.n, width);
    m.step = var_new(ctx, "v", m.whole);
    emit_serial(F, m.step, expr_int(ctx, 0), m.whole, inside_main, &m);
    Expr *rest = expr_mod(ctx, m.n, width);
    if (expr_is(rest, 0)) return;
    Expr *first = expr_add(ctx, lo, expr_muli(ctx, m.whole, lanes));
    if (!F->g->machine->masks) {
        emit_serial(F, l->var, first, hi, inside_scalar, &m);
        return;
    }
    Expr *any = expr_op2(ctx, SOP_lt, first, hi);
    if (expr_is(any, 1)) inside_tail(F, &m);
    else emit_branch(F, emit(F, any).v, inside_tail, NULL, &m);
}

static void inside_plain(Fn *F, void *user) {
    emit_body(F, &((const LStmt *)user)->body);
}

void emit_vector_loop(Fn *F, const LStmt *l) {
    Info in = {.F = F, .var = l->var, .possible = true};
    Expr *lo = fn_subst(F, l->lo), *hi = fn_subst(F, l->hi);
    int64_t a, b, trip = 0;
    bool fixed = expr_is_int(lo, &a) && expr_is_int(hi, &b);
    if (fixed) trip = MAX(b - a, 0);
    lbody_each(&l->body, look_at_stmt, &in);
    int lanes = lanes_for(&in, l, fixed ? &trip : NULL);
    bool expand = fixed && (in.registers || (trip <= 4 * lanes && in.size < 200));
    if (lanes == 1 && expand && in.registers) emit_unrolled(F, l, a, b);
    else if (lanes == 1) emit_serial(F, l->var, lo, hi, inside_plain, (void *)(uintptr_t)l);
    else if (expand) emit_expanded(F, l, a, b, lanes);
    else emit_counted(F, l, lo, hi, lanes);
}
