/* Loops bound `mma`: a warp computes them as products of matrices. They stand one in another, and
 * iterate what is each thread's own:
 *
 *   for i mma { for h mma { for j mma { for e mma { for k mma { do %s } } } } }
 *
 * i and h run over rows, j and e over columns, k over the steps of a fragment. Rows are
 * 16*i + 8*h + g, columns 8*j + 2*t + e, where the innermost block loops are g and t: that is how
 * the threads of a warp hold a matrix. Both factors have copies in shared memory; parts of these
 * are loaded as fragments, and each serves a whole row or column of products. */
#include "passes/kernel/apply.h"

enum { LEFT_REGISTERS = 4, RIGHT_REGISTERS = 2 };

typedef struct Side {  /* of the products: rows (left) or columns (right) */
    Nest *tiles, *own; /* the loops over fragments, and over what a thread has of each */
    Var *lane;         /* which thread of the warp */
    const StageBox *copy;
    Tensor *fragments;
    int registers, width; /* of a fragment */
} Side;
typedef struct Chain {
    Side side[2];
    Nest *steps;
    Stmt *stmt;
} Chain;

static Var *partner(Apply *a, const Var *own) {
    for (int i = 0; i < a->how->splits.n; i++) {
        const Split *s = &a->how->splits.at[i];
        if (s->outer == own) return s->inner;
        if (s->inner == own) return s->outer;
    }
    BUG("kernel %s: %s is no part of a fragment", a->kernel->name, own->name);
}

static Chain chain_of(Apply *a, Nest *nest) {
    Chain c = {0};
    for (int i = 0; i < 2; i++) {
        c.side[i].tiles = nest;
        c.side[i].own = nest->child[0];
        c.side[i].lane = partner(a, c.side[i].own->var);
        c.side[i].registers = i ? RIGHT_REGISTERS : LEFT_REGISTERS;
        c.side[i].width = 4 * c.side[i].registers;
        nest = nest->child[0]->child[0];
    }
    c.steps = nest;
    c.stmt = nest->child[0]->stmt;
    return c;
}

static void bind(Apply *a, Var *v, Expr *value) {
    vec_push(a->ctx->perm, &a->bound, ((Binding){v, value}));
}

/* Everything that the chain iterates as itself. */
static void bind_chain(Apply *a, const Chain *c) {
    const Var *all[] = {c->side[0].tiles->var, c->side[0].own->var, c->side[1].tiles->var,
                        c->side[1].own->var, c->steps->var};
    for (int i = 0; i < LEN(all); i++) bind(a, (Var *)(uintptr_t)all[i], all[i]->self);
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
static const StageBox *copy_of(Apply *a, const Chain *c, const Side *side) {
    for (int f = 0; f < 2; f++) {
        const StageBox *copy = apply_staged(a, c->stmt, f);
        if (copy && expr_uses_var(apply_stage_offset(a, copy), side->own->var)) return copy;
    }
    BUG("kernel %s: a factor of a matrix product has no copy", a->kernel->name);
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
    l->dtype = left->copy->stage->copy->dtype, l->right = right->copy->stage->copy->dtype;
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
        c.side[i].copy = copy_of(a, &c, &c.side[i]);
        load_fragments(a, &c, &c.side[i], body);
    }
    add_products(a, &c, body);
    a->bound.n = n;
}
