/* One statement at its place in the nest: subscripts become offsets, reductions update their
 * accumulator. */
#include "passes/kernel/apply.h"

typedef struct LoadRewrite {
    Apply *a;
    const Subst *roots, *clamped, *plain;
} LoadRewrite;

Expr *apply_element(Apply *a, Tensor *t, Expr *offset) {
    return expr_load(a->ctx, t, &offset, 1);
}

/* An element of a constant; of packed ones several lie in a byte. */
static Expr *element(Apply *a, Tensor *t, Expr *offset) {
    Ctx *c = a->ctx;
    if (!t->packed) return apply_element(a, t, offset);
    Expr *each = expr_int(c, 8 / t->packed),
         *byte = apply_element(a, t, expr_floordiv(c, offset, each));
    Expr *shift = expr_muli(c, expr_mod(c, offset, each), t->packed);
    byte = expr_op2(c, SOP_shr, byte, expr_cast(c, DT_U8, shift));
    return expr_op2(c, SOP_and, byte, expr_const_int(c, DT_U8, (1 << t->packed) - 1));
}

static Expr *guarded_load(Apply *a, Expr *cond, Expr *load) {
    if (!cond) return load;
    bool flt = dtype_is_float(load->type);
    Expr *zero =
        flt ? expr_const_flt(a->ctx, load->type, 0) : expr_const_int(a->ctx, load->type, 0);
    return expr_guard(a->ctx, cond, load, zero);
}

static Expr *rewrite_load(void *user, Expr *e) {
    LoadRewrite *r = user;
    Apply *a = r->a;
    if (e->kind != E_LOAD) return e;
    Box *box = apply_box(a, e->tensor);
    Expr *index[MAX_RANK], *cond = apply_load_guard(a, e->tensor, e->arg);
    if (box) { /* not clamped: tiles of temps are whole */
        Expr *at = expr_subst(a->ctx, box_offset(a, box, e->arg), r->roots);
        at = expr_subst(a->ctx, at, r->plain);
        return guarded_load(a, cond, apply_element(a, box->buffer, at));
    }
    for (int i = 0; i < e->n; i++) index[i] = expr_subst(a->ctx, e->arg[i], r->roots);
    Expr *offset = expr_subst(a->ctx, tensor_offset(a->ctx, e->tensor, index), r->clamped);
    return guarded_load(a, cond, element(a, e->tensor, offset));
}

static Expr *to_loops(Apply *a, Stmt *s, Expr *e) {
    Subst roots = apply_to_roots(a, s), loops = apply_to_loops(a, s, false);
    return expr_subst(a->ctx, expr_subst(a->ctx, e, &roots), &loops);
}

Expr *apply_loads(Apply *a, Stmt *s, Expr *value, bool clamp) {
    Subst roots = apply_to_roots(a, s), clamped = apply_to_loops(a, s, clamp),
          plain = apply_to_loops(a, s, false);
    LoadRewrite r = {a, &roots, &clamped, &plain};
    Expr *e = expr_rewrite(a->ctx, value, rewrite_load, &r);
    /* guards agree with the loads they guard */
    return expr_subst(a->ctx, expr_subst(a->ctx, e, &roots), &clamped);
}

Expr *apply_offset(Apply *a, Stmt *s, Tensor *t) {
    Expr *index[MAX_RANK];
    Box *box = apply_box(a, t);
    Subst roots = apply_to_roots(a, s);
    for (int i = 0; i < t->rank; i++) {
        Expr *e = s->index ? s->index[i] : s->dom[i]->self;
        if (expr_has_load(e)) e = apply_loads(a, s, e, true);
        index[i] = box ? e : expr_subst(a->ctx, e, &roots);
    }
    return to_loops(a, s, box ? box_offset(a, box, index) : tensor_offset(a->ctx, t, index));
}

static Tensor *storage(Apply *a, Tensor *t) {
    Box *box = apply_box(a, t);
    return box ? box->buffer : t;
}

void apply_store(Apply *a, LBody *body, Tensor *t, Expr *offset, Expr *value) {
    LStmt *l = lstmt_new(a->ctx, L_STORE);
    l->tensor = t;
    l->index = offset;
    l->value = expr_cast(a->ctx, t->dtype, value);
    lbody_add(a->ctx, body, l);
}

static LBody *guarded_body(Apply *a, LBody *body, Expr *cond) {
    LStmt *l = lstmt_new(a->ctx, L_IF);
    l->cond = cond;
    lbody_add(a->ctx, body, l);
    return &l->body;
}

/* ---- reductions ---- */
static Expr *lane_of(Apply *a, Stmt *s) {
    Split *split = apply_split_of(a, s->red[s->n_red - 1]);
    CHECK(split && split->factor == how_recipe(a->how, s)->lanes);
    return apply_value(a, split->inner);
}

static Tensor *accumulator(Apply *a, Stmt *s, Expr **offset) {
    Box *box = apply_box(a, s->out);
    *offset = apply_offset(a, s, s->out);
    if (!box || box->lanes <= 1) return storage(a, s->out);
    *offset = expr_add(a->ctx, expr_muli(a->ctx, *offset, box->lanes), lane_of(a, s));
    return box->lane_buffer;
}

static Expr *combine(Apply *a, Stmt *s, Expr *sum, Expr *value) {
    if (s->op == RED_SUM && value->kind == E_OP && value->op == SOP_mul &&
        dtype_is_float(value->type))
        return expr_op3(a->ctx, SOP_fma, value->arg[0], value->arg[1], sum);
    return reduce_combine(a->ctx, s->op, sum, value);
}

/* A product whose factors may have been copied. */
static Expr *factor(Apply *a, Stmt *s, int i) {
    const StageBox *copy = apply_staged(a, s, i);
    if (!copy) return apply_loads(a, s, s->value->arg[i], true);
    Expr *e = apply_element(a, copy->buffer, apply_stage_offset(a, copy));
    return expr_cast(a->ctx, s->value->type, e);
}

/* Are both factors zero outside of the tile? */
static bool is_staged(Apply *a, const Stmt *s) {
    return apply_staged(a, s, 0) && apply_staged(a, s, 1);
}

static Expr *summand(Apply *a, Stmt *s) {
    if (!apply_staged(a, s, 0) && !apply_staged(a, s, 1)) return apply_loads(a, s, s->value, true);
    return expr_op2(a->ctx, SOP_mul, factor(a, s, 0), factor(a, s, 1));
}

static void reduce_stmt(Apply *a, Stmt *s, LBody *body) {
    Expr *offset, *cond;
    Tensor *acc = accumulator(a, s, &offset);
    Expr *old = apply_element(a, acc, offset);
    Expr *value = expr_cast(a->ctx, acc->dtype, summand(a, s));
    Expr *sum = combine(a, s, old, value);
    for (int i = 0; i < s->n_red && !is_staged(a, s); i++) {
        Stmt only = *s;
        only.n_dom = 0, only.red = &s->red[i], only.n_red = 1;
        if (apply_store_guard(a, &only, true, &cond))
            sum = expr_op3(a->ctx, SOP_select, cond, sum, old);
    }
    apply_store(a, body, acc, offset, sum);
}

/* NaN is better than anything else, in both directions. */
static Expr *is_better(Apply *a, const Stmt *s, Expr *value, Expr *old) {
    ScalarOp op = s->op == RED_ARGMAX ? (s->last ? SOP_ge : SOP_gt) : (s->last ? SOP_le : SOP_lt);
    Expr *better = expr_op2(a->ctx, op, value, old);
    if (!dtype_is_float(value->type)) return better;
    Expr *nan = expr_op1(a->ctx, SOP_isnan, value), *known = expr_op1(a->ctx, SOP_isnan, old);
    if (!s->last) nan = expr_op2(a->ctx, SOP_and, nan, expr_op1(a->ctx, SOP_not, known));
    return expr_op2(a->ctx, SOP_or, better, nan);
}

static void arg_stmt(Apply *a, Stmt *s, LBody *body) {
    Tensor *best = storage(a, s->out), *where = s->out2 ? storage(a, s->out2) : NULL;
    Expr *at = apply_offset(a, s, s->out);
    Expr *old = apply_element(a, best, at);
    Expr *value = expr_cast(a->ctx, best->dtype, apply_loads(a, s, s->value, true));
    LBody *then = guarded_body(a, body, is_better(a, s, value, old));
    if (where) { /* of the element that is loaded: where a tile overhangs, the last one again */
        Expr *element = apply_loads(a, s, s->red[0]->self, true);
        Expr *position = expr_cast(a->ctx, where->dtype, element);
        apply_store(a, then, where, apply_offset(a, s, s->out2), position);
    }
    apply_store(a, then, best, at, value);
}

/* A loop over the partial results of an element. */
static Var *open_lanes(Apply *a, int lanes, LBody **body) {
    LStmt *l = lstmt_new(a->ctx, L_FOR);
    l->var = var_new(a->ctx, "lane", expr_int(a->ctx, lanes));
    l->bind = BIND_VECTOR, l->lo = expr_int(a->ctx, 0), l->hi = l->var->extent;
    lbody_add(a->ctx, *body, l);
    *body = &l->body;
    return l->var;
}

void apply_init(Apply *a, Stmt *s, LBody *body) {
    Expr *offset;
    Tensor *acc = storage(a, s->out);
    Box *box = apply_box(a, s->out);
    offset = apply_offset(a, s, s->out);
    Expr *identity = reduce_identity(a->ctx, s->op, acc->dtype);
    if (s->out2 && s->kind == ST_REDUCE) {
        Tensor *where = storage(a, s->out2);
        Expr *first = expr_const_int(a->ctx, where->dtype, 0);
        apply_store(a, body, where, apply_offset(a, s, s->out2), first);
    }
    if (!box || box->lanes <= 1) {
        apply_store(a, body, acc, offset, identity);
        return;
    }
    Var *lane = open_lanes(a, box->lanes, &body);
    apply_store(a, body, box->lane_buffer,
                expr_add(a->ctx, expr_muli(a->ctx, offset, box->lanes), lane->self), identity);
}

void apply_decay(Apply *a, Stmt *s, LBody *body) {
    Box *box = apply_box(a, s->out);
    Expr *offset = apply_offset(a, s, s->out), *by = apply_loads(a, s, s->decay, true);
    Tensor *acc = box && box->lanes > 1 ? box->lane_buffer : storage(a, s->out);
    if (acc == (box ? box->lane_buffer : NULL)) {
        Var *lane = open_lanes(a, box->lanes, &body);
        offset = expr_add(a->ctx, expr_muli(a->ctx, offset, box->lanes), lane->self);
    }
    by = expr_cast(a->ctx, acc->dtype, by);
    apply_store(a, body, acc, offset, expr_op2(a->ctx, SOP_mul, apply_element(a, acc, offset), by));
}

/* A balanced tree: halves are added until one is left. */
void apply_finish(Apply *a, Stmt *s, LBody *body) {
    Box *box = apply_box(a, s->out);
    if (!box) return;
    Expr *at = apply_offset(a, s, s->out), *position = s->out2 ? apply_offset(a, s, s->out2) : NULL;
    if (apply_combine(a, s, at, position, body) || box->lanes <= 1) return;
    Expr *base = expr_muli(a->ctx, at, box->lanes);
    for (int half = box->lanes / 2; half >= 1; half /= 2) {
        Var *lane = var_new(a->ctx, "lane", expr_int(a->ctx, half));
        LStmt *l = lstmt_new(a->ctx, L_FOR);
        l->var = lane, l->bind = half > 1 ? BIND_VECTOR : BIND_UNROLL, l->lo = expr_int(a->ctx, 0),
        l->hi = lane->extent;
        l->width = half > 1 ? half : 0;
        lbody_add(a->ctx, body, l);
        Expr *lo = expr_add(a->ctx, base, lane->self);
        Expr *x = apply_element(a, box->lane_buffer, lo),
             *y = apply_element(a, box->lane_buffer, expr_addi(a->ctx, lo, half));
        apply_store(a, &l->body, box->lane_buffer, lo, reduce_combine(a->ctx, s->op, x, y));
    }
    apply_store(a, body, storage(a, s->out), at, apply_element(a, box->lane_buffer, base));
}

/* ---- the other forms ---- */
static void map_stmt(Apply *a, Stmt *s, LBody *body) {
    Expr *cond;
    Expr *offset = apply_offset(a, s, s->out);
    bool whole = apply_box(a, s->out) != NULL; /* temps hold whole tiles */
    bool guarded = !whole && apply_store_guard(a, s, false, &cond);
    /* a thread of a GPU loads under the guard, too, and neighbours at once */
    Expr *value = apply_loads(a, s, s->value, !(guarded && apply_has_threads(a)));
    if (guarded) body = guarded_body(a, body, cond);
    apply_store(a, body, storage(a, s->out), offset, value);
}

static void scatter_stmt(Apply *a, Stmt *s, LBody *body) {
    Tensor *t = storage(a, s->out);
    Expr *offset = apply_offset(a, s, s->out);
    Expr *value = expr_cast(a->ctx, t->dtype, apply_loads(a, s, s->value, true));
    if (s->op != RED_SET) value = reduce_combine(a->ctx, s->op, apply_element(a, t, offset), value);
    apply_store(a, body, t, offset, value);
}

/* The value, but the identity for the first element of the line. */
static Expr *behind_first(Apply *a, const Stmt *s, Expr *value) {
    Expr *behind = expr_op2(a->ctx, SOP_gt, s->dom[s->axis]->self, expr_int(a->ctx, 0));
    return expr_guard(a->ctx, behind, value, reduce_identity(a->ctx, s->op, s->out->dtype));
}

/* What is in front of the element at `here`: in the element `before` it, or, where one is kept for
 * all, in that one. */
static Expr *scanned_so_far(Apply *a, Stmt *s, Expr *here, Expr *before) {
    Box *box = apply_box(a, s->out);
    Expr *index[MAX_RANK];
    for (int i = 0; i < s->n_dom; i++) index[i] = s->dom[i]->self;
    index[s->axis] = box && box->running ? here : before;
    Expr *load = expr_load(a->ctx, s->out, index, s->n_dom);
    return box && box->running ? load : behind_first(a, s, load);
}

/* out[q] = out[q before] OP value, q running up or down the axis; its loop is serial. */
static void scan_stmt(Apply *a, Stmt *s, LBody *body) {
    Var *v = s->dom[s->axis];
    Expr *one = expr_int(a->ctx, 1), *last = expr_sub(a->ctx, v->extent, one);
    Expr *here = s->reverse ? expr_sub(a->ctx, last, v->self) : v->self;
    Expr *before = s->reverse ? expr_add(a->ctx, here, one) : expr_sub(a->ctx, here, one);
    Expr *sum = scanned_so_far(a, s, here, before), *index[MAX_RANK];
    Expr *value = expr_cast(a->ctx, s->out->dtype,
                            expr_subst1(a->ctx, s->value, v, s->exclusive ? before : here));
    if (s->exclusive) value = behind_first(a, s, value);
    for (int i = 0; i < s->n_dom; i++) index[i] = i == s->axis ? here : s->dom[i]->self;
    Stmt placed = *s;
    placed.index = index;
    Expr *next = apply_loads(a, s, reduce_combine(a->ctx, s->op, sum, value), true);
    if (s->out2)
        apply_store(a, body, storage(a, s->out2), apply_offset(a, &placed, s->out2),
                    apply_loads(a, s, sum, true));
    apply_store(a, body, storage(a, s->out), apply_offset(a, &placed, s->out), next);
}

void apply_stmt(Apply *a, Stmt *s, LBody *body) {
    body = apply_once(a, s, body);
    switch (s->kind) {
    case ST_MAP:
        map_stmt(a, s, body);
        return;
    case ST_SCATTER:
        scatter_stmt(a, s, body);
        return;
    case ST_REDUCE:
        if (s->op == RED_ARGMAX || s->op == RED_ARGMIN) arg_stmt(a, s, body);
        else reduce_stmt(a, s, body);
        return;
    case ST_SCAN:
        scan_stmt(a, s, body);
        return;
    }
}
