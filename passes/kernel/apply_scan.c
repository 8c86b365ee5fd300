/* A scan whose line is shared by threads of a block, in tiles (kernel.h: Recipe). Each thread sums
 * up its own elements, the sums in front of it come from its neighbours, then it goes through its
 * elements again:
 *
 *   for j.0 {                                        # tiles
 *     %part[0] = 0.0
 *     for j.2 unroll { %each[j.2] = VALUE; %part[0] = %part[0] + %each[j.2] }
 *     combine prefix sum %part[0], %all[0] over j.1
 *     %part[0] = %carry[0] + %part[0]
 *     for j.2 unroll { %part[0] = %part[0] + %each[j.2]; %y[...] = %part[0] }
 *     %carry[0] = %carry[0] + %all[0]
 *   } */
#include "passes/kernel/apply.h"

typedef struct Scan {
    Apply *a;
    Ctx *ctx;
    Stmt *stmt;
    Split *tiles, *runs; /* runs: NULL where each thread takes one element */
    Tensor *each, *part, *all, *carry;
    Expr *identity, *zero, *here; /* here: where in the line the statement stands */
} Scan;

/* The only statement of a kernel, with the loop over its tiles right around its own. */
static bool find_scan(Scan *s, Apply *a, Nest *nest) {
    Stmt *st = a->kernel->stmts.at[0];
    if (a->kernel->stmts.n != 1 || st->kind != ST_SCAN) return false;
    if (how_recipe(a->how, st)->lanes < 2) return false;
    Split *tiles = apply_split_by_outer(a, nest->var);
    if (!tiles || tiles->var != apply_root(a, st->dom[st->axis])) return false;
    *s = (Scan){.a = a, .ctx = a->ctx, .stmt = st, .tiles = tiles};
    s->runs = apply_split_of(a, tiles->inner);
    return true;
}

static Tensor *registers(Scan *s, LBody *body, const char *name, int64_t n) {
    LStmt *l = lstmt_new(s->ctx, L_BUFFER);
    Expr *size = expr_int(s->ctx, n);
    l->tensor = tensor_new(s->ctx, name, s->stmt->out->dtype, &size, 1, SP_REG);
    l->hi = size;
    lbody_add(s->ctx, body, l);
    return l->tensor;
}

static Expr *at(Scan *s, Tensor *t) {
    return apply_element(s->a, t, s->zero);
}

static Expr *join(Scan *s, Expr *a, Expr *b) {
    return reduce_combine(s->ctx, s->stmt->op, a, b);
}

static void set(Scan *s, LBody *body, Tensor *t, Expr *value) {
    apply_store(s->a, body, t, s->zero, value);
}

/* The loop over the elements of a thread; *element: the number of each. */
static LBody *open_run(Scan *s, LBody *body, Expr **element) {
    *element = s->zero;
    if (!s->runs) return body;
    body = apply_open_loop(s->a, body, s->runs->inner, BIND_UNROLL, s->runs->inner->extent);
    *element = apply_value(s->a, s->runs->inner);
    return body;
}

static void read_elements(Scan *s, LBody *body) {
    Expr *k, *in;
    int n = s->a->bound.n;
    body = open_run(s, body, &k);
    Var *v = s->stmt->dom[s->stmt->axis];
    Expr *value = expr_subst1(s->ctx, s->stmt->value, v, s->here);
    value = expr_cast(s->ctx, s->stmt->out->dtype, apply_loads(s->a, s->stmt, value, true));
    if (apply_store_guard(s->a, s->stmt, false, &in))
        value = expr_op3(s->ctx, SOP_select, in, value, s->identity);
    apply_store(s->a, body, s->each, k, value);
    set(s, body, s->part, join(s, at(s, s->part), apply_element(s->a, s->each, k)));
    s->a->bound.n = n;
}

static void write_element(Scan *s, LBody *body) {
    Stmt placed = *s->stmt;
    Expr *index[MAX_RANK], *in;
    for (int i = 0; i < placed.n_dom; i++) index[i] = placed.dom[i]->self;
    index[placed.axis] = s->here;
    placed.index = index;
    if (apply_store_guard(s->a, s->stmt, false, &in)) {
        LStmt *l = lstmt_new(s->ctx, L_IF);
        l->cond = in;
        lbody_add(s->ctx, body, l);
        body = &l->body;
    }
    apply_store(s->a, body, placed.out, apply_offset(s->a, &placed, placed.out), at(s, s->part));
}

static void write_elements(Scan *s, LBody *body) {
    Expr *k;
    int n = s->a->bound.n;
    body = open_run(s, body, &k);
    Expr *next = join(s, at(s, s->part), apply_element(s->a, s->each, k));
    if (s->stmt->exclusive) write_element(s, body);
    set(s, body, s->part, next);
    if (!s->stmt->exclusive) write_element(s, body);
    s->a->bound.n = n;
}

static void combine_prefix(Scan *s, LBody *body) {
    LStmt *l = lstmt_new(s->ctx, L_COMBINE);
    l->prefix = true;
    l->red = s->stmt->op;
    l->var = s->runs ? s->runs->outer : s->tiles->inner;
    l->tensor = s->part;
    l->index = s->zero;
    l->args = NEW_ARRAY(s->ctx->perm, Tensor *, 1);
    l->iargs = NEW_ARRAY(s->ctx->perm, Expr *, 1);
    l->args[l->n_args++] = s->all;
    l->iargs[l->n_iargs++] = s->zero;
    lbody_add(s->ctx, body, l);
}

bool apply_scan(Apply *a, Nest *nest, LBody *body) {
    Scan s;
    if (!find_scan(&s, a, nest)) return false;
    Var *v = s.stmt->dom[s.stmt->axis];
    int n = a->bound.n, guarded = a->guarded.n;
    s.zero = expr_int(a->ctx, 0);
    s.identity = reduce_identity(a->ctx, s.stmt->op, s.stmt->out->dtype);
    s.here = v->self;
    if (s.stmt->reverse) s.here = expr_sub(a->ctx, expr_addi(a->ctx, v->extent, -1), v->self);
    s.each = registers(&s, body, "each", s.runs ? s.runs->factor : 1);
    s.part = registers(&s, body, "part", 1);
    s.all = registers(&s, body, "all", 1);
    s.carry = registers(&s, body, "carry", 1);
    set(&s, body, s.carry, s.identity);
    if (s.tiles->tail == TAIL_GUARD) vec_push(a->ctx->perm, &a->guarded, apply_root(a, v));
    body = apply_open_loop(a, body, nest->var, BIND_SERIAL, apply_extent(a, nest->var));
    set(&s, body, s.part, s.identity);
    read_elements(&s, body);
    combine_prefix(&s, body);
    set(&s, body, s.part, join(&s, at(&s, s.carry), at(&s, s.part)));
    write_elements(&s, body);
    set(&s, body, s.carry, join(&s, at(&s, s.carry), at(&s, s.all)));
    a->bound.n = n, a->guarded.n = guarded;
    return true;
}
