/* Copies of factors in shared memory (stage): the threads of a block share the pieces of a copy, up
 * to 16 bytes that are neighbours in memory and in the region.
 *
 *   stage factor 0 of %s over i.1 k.1 -> %s.a : f32[64,20] shared
 *
 *   for u unroll in 0..2 {                                   # 128 threads, 256 pieces
 *     async %s.a[...] = %x[...] by 4 if (t.0*64 + a/4 + u*32 < N)
 *   }
 *
 * What is outside of a tile that overhangs, or guarded away, is zero: the sum stays as it is. */
#include "passes/kernel/apply.h"

enum { PIECE_BYTES = 16 };

typedef struct Pieces { /* `lanes` elements each; piece q belongs to thread q % threads */
    int64_t lanes, rounds, threads, total;
    Expr *number; /* q */
    Var *round, *lane;
    Expr *cond;  /* NULL: always; does not depend on the lane */
    Expr *other; /* what is there where it does not hold; NULL: zeros */
    Expr *value, *to;
    Var *fresh[MAX_RANK + 1]; /* variables that stand for others, and what they are */
    Expr *by[MAX_RANK + 1];
    int n_fresh;
} Pieces;

int apply_stage_copies(const Stage *g) {
    return 1 + g->ahead + g->behind;
}

static void find_stages(Apply *a, Nest *nest, Nest *place, Nest *loop) {
    if (nest->kind == NEST_LOOP && nest->bind == BIND_THREAD) place = nest;
    if (nest->kind == NEST_STAGE) {
        Tensor *copy = nest->stage->copy;
        Expr *all =
            expr_muli(a->ctx, tensor_elements(a->ctx, copy), apply_stage_copies(nest->stage));
        Tensor *buffer = tensor_new(a->ctx, copy->name, copy->dtype, &all, 1, SP_SHARED);
        vec_push(a->ctx->perm, &a->stages, ((StageBox){nest->stage, place, loop, buffer, false}));
    }
    for (int i = 0; i < nest->n_child; i++) find_stages(a, nest->child[i], place, nest);
}

void apply_find_stages(Apply *a) {
    for (int i = 0; i < a->how->n_top; i++) find_stages(a, a->how->top[i], NULL, NULL);
}

/* ---- the threads of the block ---- */
static Expr *thread_number(Apply *a, int64_t *threads) {
    Expr *number = expr_int(a->ctx, 0);
    *threads = 1;
    Nest *n = a->how->top[0];
    while (n->kind == NEST_LOOP && n->bind == BIND_THREAD) n = n->child[0];
    for (; n->kind == NEST_LOOP && n->bind == BIND_BLOCK; n = n->child[0]) {
        int64_t extent;
        CHECK(expr_is_int(n->var->extent, &extent));
        number = expr_add(a->ctx, expr_muli(a->ctx, number, extent), apply_value(a, n->var));
        *threads *= extent;
    }
    return number;
}

/* ---- what is copied ---- */

/* The factor in the copy's type: without the conversion that what reads it does. */
static Expr *in_type(Ctx *c, Expr *e, DType t) {
    if (e->type == t) return e;
    if (e->kind == E_OP && e->op == SOP_cast) return in_type(c, e->arg[0], t);
    if (e->kind == E_FLT) return expr_const_flt(c, t, e->f);
    if (e->kind == E_INT) return expr_const_int(c, t, e->i);
    if (e->kind != E_GUARD) BUG("a factor that cannot be copied as %s", dtype_name(t));
    return expr_guard(c, e->arg[0], in_type(c, e->arg[1], t), in_type(c, e->arg[2], t));
}

static Expr *zero_of(Ctx *c, DType t) {
    return dtype_is_float(t) ? expr_const_flt(c, t, 0) : expr_const_int(c, t, 0);
}

static void require(Ctx *c, Expr **cond, Expr *more) {
    if (!expr_is(more, 1)) *cond = *cond ? expr_and(c, *cond, more) : more;
}

static int64_t extent_of(const Var *v) {
    int64_t n;
    CHECK(expr_is_int(v->extent, &n));
    return n;
}

/* The region's variables, and the loop's, as fresh ones; what these stand for is put in later,
 * since the loops that they are made of may have the same variables. */
static void stand_in(Apply *a, Pieces *p, Var *v, Expr *by) {
    Var *fresh = var_new(a->ctx, v->name, v->extent);
    apply_bind(a, v, fresh->self);
    p->fresh[p->n_fresh] = fresh;
    p->by[p->n_fresh++] = by;
}

static Expr *put_in(Apply *a, Pieces *p, Expr *e) {
    return expr_subst(a->ctx, e, &(Subst){p->fresh, p->by, p->n_fresh});
}

/* The first of the region's last variables that together have whole pieces; -1: they have none. */
static int tail_of(const Stage *g, int64_t lanes, int64_t *elements) {
    int i = g->n_region;
    *elements = 1;
    do *elements *= extent_of(g->region[--i]);
    while (i && *elements % lanes);
    return *elements % lanes ? -1 : i;
}

/* What variable i of the region is, where those from it on have number `rest`. */
static Expr *bind_digit(Apply *a, const Stage *g, Pieces *p, int i, int first, Expr *rest) {
    Expr *extent = g->region[i]->extent;
    stand_in(a, p, g->region[i], i > first ? expr_mod(a->ctx, rest, extent) : rest);
    return expr_floordiv(a->ctx, rest, extent);
}

/* At element `lane` of piece `number`, the last variable of the region running fastest. */
static void bind_region(Apply *a, const Stage *g, Pieces *p) {
    Ctx *c = a->ctx;
    int64_t elements;
    int tail = tail_of(g, p->lanes, &elements);
    Expr *pieces = expr_int(c, elements / p->lanes), *rest = expr_floordiv(c, p->number, pieces);
    Expr *at = tail ? expr_mod(c, p->number, pieces) : p->number;
    if (p->lane) at = expr_add(c, expr_muli(c, at, p->lanes), p->lane->self);
    for (int i = g->n_region - 1; i >= tail; i--) at = bind_digit(a, g, p, i, tail, at);
    for (int i = tail - 1; i >= 0; i--) rest = bind_digit(a, g, p, i, 0, rest);
}

Stmt apply_stage_part(Apply *a, const Stage *g, DType type) {
    Stmt s = *g->stmt;
    s.value = in_type(a->ctx, g->stmt->value->arg[g->factor], type);
    s.dom = NEW_ARRAY(a->ctx->perm, Var *, s.n_dom + 1);
    s.red = NEW_ARRAY(a->ctx->perm, Var *, s.n_red + 1);
    s.n_dom = s.n_red = 0;
    for (int i = 0; i < g->stmt->n_dom; i++)
        if (expr_uses_var(s.value, g->stmt->dom[i])) s.dom[s.n_dom++] = g->stmt->dom[i];
    for (int i = 0; i < g->stmt->n_red; i++)
        if (expr_uses_var(s.value, g->stmt->red[i])) s.red[s.n_red++] = g->stmt->red[i];
    return s;
}

static bool uses_root(Apply *a, const Stmt *s, const Var *root) {
    bool used = false;
    for (int i = 0; i < s->n_dom; i++) used |= apply_root(a, s->dom[i]) == root;
    for (int i = 0; i < s->n_red; i++) used |= apply_root(a, s->red[i]) == root;
    return used;
}

/* Is the element inside of the tiles that overhang? One answer for a whole piece where the extent
 * is a whole number of pieces. Where it is not, zeros are there. */
static void require_inside(Apply *a, const Stmt *s, Pieces *p) {
    Ctx *c = a->ctx;
    Expr *lanes = expr_int(c, p->lanes), *zero = expr_int(c, 0);
    for (int i = 0; i < a->guarded.n; i++) {
        Var *root = a->guarded.at[i];
        if (!uses_root(a, s, root)) continue;
        Expr *at = put_in(a, p, apply_value(a, root));
        Expr *first = p->lane ? expr_subst1(c, at, p->lane, zero) : at;
        bool whole =
            expr_is(expr_mod(c, root->extent, lanes), 0) && expr_is(expr_mod(c, first, lanes), 0);
        Expr *inside = expr_op2(c, SOP_lt, whole ? first : at, root->extent);
        require(c, &p->cond, inside);
        if (p->other && !expr_is(inside, 1))
            p->other = expr_op3(c, SOP_select, inside, p->other, zero_of(c, p->other->type));
    }
}

static bool runs_along(Ctx *c, Expr *index, Var *lane, int64_t lanes) {
    Expr *coef, *rest;
    return expr_linear_in(c, index, lane, &coef, &rest) && expr_is(coef, 1) &&
           expr_is(expr_mod(c, rest, expr_int(c, lanes)), 0);
}

/* It arrives later; the others are converted on their way, or too small. */
static bool is_async(const Pieces *p) {
    int64_t bytes = p->lanes * (int64_t)dtype_bytes(p->value->type);
    return p->value->kind == E_LOAD && bytes >= 4;
}

/* A condition that says the same for all lanes, at the first: lane + rest < 0 where the rest is a
 * whole number of pieces. */
static Expr *for_piece(Ctx *c, const Pieces *p, Expr *cond) {
    Expr *coef, *rest;
    if (!p->lane || cond->kind != E_OP || !expr_uses_var(cond, p->lane)) return cond;
    if (cond->op == SOP_and)
        return expr_and(c, for_piece(c, p, cond->arg[0]), for_piece(c, p, cond->arg[1]));
    if (cond->op != SOP_lt || cond->arg[0]->type != DT_INDEX) return cond;
    Expr *below = expr_sub(c, cond->arg[0], cond->arg[1]), *zero = expr_int(c, 0);
    bool whole = expr_linear_in(c, below, p->lane, &coef, &rest) && expr_is(coef, 1) &&
                 expr_is(expr_mod(c, rest, expr_int(c, p->lanes)), 0);
    return whole ? expr_subst1(c, cond, p->lane, zero) : cond;
}

/* A border is the copy's own; false: it stays with the value. */
static bool take_guard(Ctx *c, Pieces *p) {
    if (p->value->kind != E_GUARD) return false;
    Expr *other = p->value->arg[2];
    bool zeros = other == zero_of(c, p->value->type);
    if (!zeros && (!p->lane || p->other || expr_uses_var(other, p->lane))) return false;
    require(c, &p->cond, for_piece(c, p, p->value->arg[0]));
    if (!zeros) p->other = other;
    p->value = p->value->arg[1];
    return true;
}

/* False: the elements of such a piece are no neighbours, or not all of one kind. */
static bool make_pieces(Apply *a, const StageBox *box, Expr *at, int64_t lanes, Pieces *p) {
    Ctx *c = a->ctx;
    const Stage *g = box->stage;
    int64_t elements = 1;
    if (tail_of(g, lanes, &elements) < 0) return false;
    elements = 1;
    *p = (Pieces){.lanes = lanes};
    for (int i = 0; i < g->n_region; i++) elements *= extent_of(g->region[i]);
    Expr *thread = thread_number(a, &p->threads);
    p->total = elements / lanes;
    p->rounds = (p->total + p->threads - 1) / p->threads;
    p->round = var_new(c, "u", expr_int(c, p->rounds));
    p->lane = lanes > 1 ? var_new(c, "v", expr_int(c, lanes)) : NULL;
    p->number =
        p->rounds == 1 ? thread : expr_add(c, thread, expr_muli(c, p->round->self, p->threads));
    int n = a->bound.n;
    stand_in(a, p, box->loop->var, at);
    bind_region(a, g, p);
    Stmt part = apply_stage_part(a, g, g->copy->dtype);
    p->value = put_in(a, p, apply_loads(a, &part, part.value, false));
    while (take_guard(c, p)) continue;
    require_inside(a, &part, p);
    p->to = put_in(a, p, apply_stage_offset(a, box));
    a->bound.n = n;
    return lanes == 1 ||
           (is_async(p) && runs_along(c, p->value->arg[0], p->lane, lanes) &&
            runs_along(c, p->to, p->lane, lanes) && !(p->cond && expr_uses_var(p->cond, p->lane)));
}

/* ---- the loops ---- */
static LBody *open_for(Apply *a, LBody *body, Var *v, Bind bind) {
    LStmt *l = lstmt_new(a->ctx, L_FOR);
    l->var = v, l->bind = bind, l->lo = expr_int(a->ctx, 0), l->hi = v->extent;
    lbody_add(a->ctx, body, l);
    return &l->body;
}

static LBody *open_if(Apply *a, LBody *body, Expr *cond) {
    LStmt *l = lstmt_new(a->ctx, L_IF);
    l->cond = cond;
    lbody_add(a->ctx, body, l);
    return &l->body;
}

static void copy_piece(Apply *a, const Pieces *p, Tensor *buffer, LBody *body) {
    Ctx *c = a->ctx;
    LStmt *l = lstmt_new(c, is_async(p) ? L_ASYNC : L_STORE);
    l->tensor = buffer, l->index = p->to;
    lbody_add(c, body, l);
    if (l->kind == L_STORE) {
        CHECK(!p->lane);
        Expr *zero = zero_of(c, buffer->dtype);
        l->value = p->cond ? expr_guard(c, p->cond, p->value, zero) : p->value;
        return;
    }
    Expr *from = p->value->arg[0];
    if (p->lane) {
        l->index = expr_subst1(c, l->index, p->lane, expr_int(c, 0));
        from = expr_subst1(c, from, p->lane, expr_int(c, 0));
    }
    lleaf_operands(c, l);
    l->args[0] = p->value->tensor, l->iargs[0] = from;
    l->hi = expr_int(c, p->lanes);
    l->cond = p->cond, l->value = p->other;
}

/* One copy, for a round of its loop. */
static bool make_copy(Apply *a, StageBox *box, Expr *at, LBody *body) {
    Ctx *c = a->ctx;
    Pieces p;
    int64_t lanes = PIECE_BYTES / (int64_t)dtype_bytes(box->stage->copy->dtype);
    if (box->stage->bulk) {
        apply_bulk(a, box, at, body);
        return true;
    }
    if (box->stage->box) {
        apply_map(a, box, at, body);
        return true;
    }
    while (!make_pieces(a, box, at, lanes, &p)) lanes /= 2;
    if (p.rounds > 1) body = open_for(a, body, p.round, BIND_UNROLL);
    if (p.total % p.threads)
        body = open_if(a, body, expr_op2(c, SOP_lt, p.number, expr_int(c, p.total)));
    copy_piece(a, &p, box->buffer, body);
    return is_async(&p);
}

/* All copies of a loop, for round `at` of it. */
static bool make_copies(Apply *a, const Nest *loop, Expr *at, LBody *body) {
    bool async = false;
    for (int i = 0; i < a->stages.n; i++)
        if (a->stages.at[i].loop == loop) async |= make_copy(a, &a->stages.at[i], at, body);
    return async;
}

static StageBox *first_of(Apply *a, const Nest *loop) {
    for (int i = 0; i < a->stages.n; i++)
        if (a->stages.at[i].loop == loop) return &a->stages.at[i];
    return NULL;
}

static void commit(Apply *a, LBody *body) {
    lbody_add(a->ctx, body, lstmt_new(a->ctx, L_COMMIT));
}

/* Until what this round reads has arrived, where so many later rounds' copies are on their way. */
static void await(Apply *a, int later, LBody *body) {
    LStmt *l = lstmt_new(a->ctx, L_WAIT);
    l->lo = expr_int(a->ctx, later);
    lbody_add(a->ctx, body, l);
}

/* What the rounds that are not there would read is not copied. */
static void make_round(Apply *a, const Nest *loop, Expr *at, LBody *body) {
    Expr *there = expr_op2(a->ctx, SOP_lt, at, apply_extent(a, loop->var));
    if (!expr_is(there, 1) && !expr_is(there, 0)) body = open_if(a, body, there);
    if (!expr_is(there, 0)) make_copies(a, loop, at, body);
}

void apply_stages_before(Apply *a, Nest *loop, LBody *body) {
    const StageBox *first = first_of(a, loop);
    for (int i = 0; first && i < first->stage->ahead; i++) {
        make_round(a, loop, expr_int(a->ctx, i), body);
        commit(a, body);
    }
    if (first) apply_group_wait(a, loop, 0, body);
}

void apply_stages(Apply *a, Nest *loop, LBody *body) {
    const StageBox *first = first_of(a, loop);
    if (!first) return;
    int ahead = first->stage->ahead;
    Expr *at = apply_value(a, loop->var);
    if (ahead) {
        await(a, ahead - 1, body);
        apply_bulk_wait(a, loop, body);
        apply_group_wait(a, loop, first->stage->behind, body);
        make_round(a, loop, expr_addi(a->ctx, at, ahead), body);
        commit(a, body);
    } else if (make_copies(a, loop, at, body)) {
        commit(a, body);
        await(a, 0, body);
    }
    for (int i = 0; i < a->stages.n; i++) a->stages.at[i].made |= a->stages.at[i].loop == loop;
}

/* ---- what reads it ---- */
Expr *apply_stage_offset(Apply *a, const StageBox *box) {
    const Stage *g = box->stage;
    Ctx *c = a->ctx;
    Expr *index[MAX_RANK];
    for (int i = 0; i < g->n_region; i++) index[i] = apply_value(a, g->region[i]);
    Expr *offset = tensor_offset(c, g->copy, index);
    if (!g->ahead) return offset;
    Expr *part = expr_mod(c, apply_value(a, box->loop->var), expr_int(c, apply_stage_copies(g)));
    return expr_add(c, expr_mul(c, part, tensor_elements(c, g->copy)), offset);
}

const StageBox *apply_staged(Apply *a, const Stmt *s, int factor) {
    for (int i = 0; i < a->stages.n; i++) {
        const StageBox *b = &a->stages.at[i];
        if (b->made && b->stage->stmt == s && b->stage->factor == factor) return b;
    }
    return NULL;
}
