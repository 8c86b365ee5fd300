/* Loops bound `mma`: a warp computes them as products of matrices. They stand one in another, and
 * iterate what is each thread's own:
 *
 *   for i mma { for h mma { for j mma { for e mma { for k mma { do %s } } } } }
 *
 * i and h run over rows, j and e over columns, k over the steps of a fragment. Rows are
 * 16*i + 8*h + g, columns 8*j + 2*t + e, where the innermost block loops are g and t: that is how
 * the threads of a warp hold a matrix. Factors have copies in shared memory; parts of these are
 * loaded as fragments, and each serves a whole row or column of products. The left one may be a
 * temp that threads hold in registers as they do the sum of another product, with columns as steps:
 * each has its part of the fragments then. */
#include "ir/mma.h"
#include "passes/kernel/apply.h"

enum { LEFT_REGISTERS = 4, RIGHT_REGISTERS = 2 };

typedef struct Side {     /* of the products: rows (left) or columns (right) */
    Nest *tiles, *own;    /* the loops over fragments, and over what a thread has of each */
    Var *lane;            /* which thread of the warp */
    const StageBox *copy; /* NULL: registers */
    DType type;
    Tensor *fragments;
    int registers, width; /* of a fragment */
} Side;
typedef struct Chain {
    Side side[2];
    Nest *steps;
    Stmt *stmt;
} Chain;

/* The innermost block loops tell the threads of a warp apart. */
static void find_lanes(Apply *a, Chain *c) {
    for (Nest *n = a->how->top[0]; n->kind == NEST_LOOP; n = n->child[0]) {
        if (n->bind == BIND_THREAD) continue;
        if (n->bind != BIND_BLOCK) return;
        c->side[0].lane = c->side[1].lane, c->side[1].lane = n->var;
    }
}

static Chain chain_of(Apply *a, Nest *nest) {
    Chain c = {0};
    find_lanes(a, &c);
    for (int i = 0; i < 2; i++) {
        c.side[i].tiles = nest;
        c.side[i].own = nest->child[0];
        c.side[i].registers = i ? RIGHT_REGISTERS : LEFT_REGISTERS;
        c.side[i].width = 4 * c.side[i].registers;
        nest = nest->child[0]->child[0];
    }
    c.steps = nest;
    c.stmt = nest->child[0]->stmt;
    return c;
}

/* Everything that the chain iterates as itself. */
static void bind_chain(Apply *a, const Chain *c) {
    Var *all[] = {c->side[0].tiles->var, c->side[0].own->var, c->side[1].tiles->var,
                  c->side[1].own->var, c->steps->var};
    for (int i = 0; i < LEN(all); i++) apply_bind(a, all[i], all[i]->self);
}

static Expr *without(Apply *a, Expr *e, Var *v) {
    return expr_subst1(a->ctx, e, v, expr_int(a->ctx, 0));
}

static Expr *step_of(Apply *a, Expr *e, Var *v) {
    Expr *coef, *rest;
    if (!expr_linear_in(a->ctx, e, v, &coef, &rest) || !expr_is_int(coef, NULL))
        BUG("kernel %s: a copy is no matrix", a->kernel->name);
    return coef;
}

/* Which factor runs along this side? */
static void find_copy(Apply *a, const Chain *c, Side *side) {
    for (int f = 0; f < 2; f++) {
        const StageBox *copy = apply_staged(a, c->stmt, f);
        if (!copy || !expr_uses_var(apply_stage_offset(a, copy), side->own->var)) continue;
        side->copy = copy;
        side->type = copy->stage->copy->dtype;
    }
}

/* ---- the statements ---- */
static LBody *open_unrolled(Apply *a, LBody *body, Var *v) {
    LStmt *l = lstmt_new(a->ctx, L_FOR);
    l->var = v, l->bind = BIND_UNROLL, l->lo = expr_int(a->ctx, 0), l->hi = v->extent;
    lbody_add(a->ctx, body, l);
    return &l->body;
}

static Tensor *declare_fragments(Apply *a, const Chain *c, const Side *side, LBody *body) {
    Expr *n = expr_muli(a->ctx, side->tiles->var->extent, side->registers);
    const char *name = side == &c->side[0] ? "left" : "right";
    char *full = arena_printf(a->ctx->perm, "%s.%s", c->stmt->out->name, name);
    LStmt *l = lstmt_new(a->ctx, L_BUFFER);
    l->tensor = tensor_new(a->ctx, full, DT_U32, &n, 1, SP_REG);
    l->lo = expr_int(a->ctx, 0), l->hi = n;
    lbody_add(a->ctx, body, l);
    return l->tensor;
}

static Expr *fragment_at(Apply *a, const Side *side) {
    return expr_muli(a->ctx, side->tiles->var->self, side->registers);
}

/* The load of what has no copy */
static Expr *held_factor(Apply *a, const Chain *c) {
    for (int f = 0; f < 2; f++) {
        if (apply_staged(a, c->stmt, f)) continue;
        const Expr *e = c->stmt->value->arg[f];
        return e->kind == E_OP ? e->arg[0] : (Expr *)(uintptr_t)e;
    }
    BUG("kernel %s: a factor of a matrix product has no copy", a->kernel->name);
}

/* The bits of register i: steps that are neighbours, the first one lowest. */
static Expr *held_register(Apply *a, const Chain *c, const Side *side, Expr *load, int i) {
    Ctx *x = a->ctx;
    int bits = dtype_bits(load->type), each = 32 / bits, n = a->bound.n;
    Expr *lane = apply_value(a, c->side[1].lane), *all = NULL;
    apply_bind(a, side->own->var, expr_int(x, i % 2));
    for (int k = 0; k < each; k++) {
        Expr *step = expr_addi(x, expr_muli(x, lane, each), k + i / 2 * MMA_LANE_COLUMNS * each);
        apply_bind(a, c->steps->var, step);
        Expr *e = expr_bits(x, DT_U16, apply_loads(a, c->stmt, load, false));
        e = expr_cast(x, DT_U32, e);
        if (k) e = expr_op2(x, SOP_shl, e, expr_const_int(x, DT_U32, bits * k));
        all = all ? expr_op2(x, SOP_or, all, e) : e;
    }
    a->bound.n = n;
    return all;
}

/* A thread's part of the left factor is its own. */
static void take_fragments(Apply *a, const Chain *c, Side *side, LBody *body) {
    Expr *load = held_factor(a, c);
    side->type = load->type;
    side->fragments = declare_fragments(a, c, side, body);
    body = open_unrolled(a, body, side->tiles->var);
    for (int i = 0; i < side->registers; i++) {
        Expr *at = expr_addi(a->ctx, fragment_at(a, side), i);
        apply_store(a, body, side->fragments, at, held_register(a, c, side, load, i));
    }
}

static void load_fragments(Apply *a, const Chain *c, Side *side, LBody *body) {
    Ctx *x = a->ctx;
    LStmt *l = lstmt_new(x, L_FRAGMENT);
    Var *steps = c->steps->var;
    Expr *at = apply_stage_offset(a, side->copy);
    side->fragments = declare_fragments(a, c, side, body);
    l->tensor = side->fragments, l->index = fragment_at(a, side);
    l->width = side->width;
    lleaf_operands(x, l);
    l->args[0] = side->copy->buffer;
    /* threads hold rows, but pairs of columns */
    bool left = side == &c->side[0];
    l->iargs[1] = step_of(a, at, left ? side->lane : side->own->var);
    l->iargs[2] = step_of(a, at, steps);
    l->iargs[0] = without(a, without(a, without(a, at, side->lane), side->own->var), steps);
    lbody_add(x, open_unrolled(a, body, side->tiles->var), l);
}

static void add_products(Apply *a, const Chain *c, LBody *body) {
    Ctx *x = a->ctx;
    const Side *left = &c->side[0], *right = &c->side[1];
    LStmt *l = lstmt_new(x, L_MMA);
    Expr *at = apply_offset(a, c->stmt, c->stmt->out);
    l->tensor = apply_box(a, c->stmt->out)->buffer;
    l->dtype = left->type, l->right = right->type;
    lleaf_operands(x, l);
    l->index = without(a, without(a, at, left->own->var), right->own->var);
    l->iargs[2] = step_of(a, at, left->own->var);
    l->iargs[3] = step_of(a, at, right->own->var);
    for (int i = 0; i < 2; i++) {
        l->args[i] = c->side[i].fragments;
        l->iargs[i] = fragment_at(a, &c->side[i]);
    }
    body = open_unrolled(a, body, left->tiles->var);
    lbody_add(x, open_unrolled(a, body, right->tiles->var), l);
}

void apply_mma(Apply *a, Nest *nest, LBody *body) {
    Chain c = chain_of(a, nest);
    int n = a->bound.n;
    bind_chain(a, &c);
    for (int i = 0; i < 2; i++) {
        find_copy(a, &c, &c.side[i]);
        if (c.side[i].copy) load_fragments(a, &c, &c.side[i], body);
        else take_fragments(a, &c, &c.side[i], body);
    }
    add_products(a, &c, body);
    a->bound.n = n;
}
