/* Loops bound `group`: groups of four warps compute them as products of matrices, which are on
 * their way until they are waited for:
 *
 *   for i group { for h group { for j group { for e group { for k group { do %s } } } } }
 *
 * i and h run over rows, j and e over columns, k over all steps of a round. Rows are 64*i + 16*w +
 * 8*h + g, columns 8*j + 2*t + e, where the innermost block loops are w, g and t: the warps of a
 * group, and the threads of a warp as for loops bound `mma`. Both factors have copies in shared
 * memory, made of matrices of 8 rows of 16 neighbouring bytes. */
#include "ir/mma.h"
#include "passes/kernel/apply.h"

enum { EIGHT = 8 };

typedef struct Side { /* of the products: rows (left) or columns (right) */
    Var *tiles, *own; /* loops over blocks of rows or columns, and over what a thread has of each */
    Var *lane, *warp; /* which thread of the warp; warp: of rows only */
} Side;
typedef struct Chain {
    Side side[2];
    Var *steps;
    Stmt *stmt;
} Chain;

static const Split *split_around(Apply *a, const Var *part) {
    for (int i = 0; i < a->how->splits.n; i++) {
        const Split *s = &a->how->splits.at[i];
        if (s->outer == part || s->inner == part) return s;
    }
    BUG("kernel %s: %s is no part of a group's matrix", a->kernel->name, part->name);
}

static Chain chain_of(Apply *a, const Nest *nest) {
    Chain c = {0};
    for (int i = 0; i < 2; i++) {
        Side *s = &c.side[i];
        s->tiles = nest->var, s->own = nest->child[0]->var;
        const Split *lanes = split_around(a, s->own);
        s->lane = lanes->outer == s->own ? lanes->inner : lanes->outer;
        if (i == 0) s->warp = split_around(a, lanes->var)->outer;
        nest = nest->child[0]->child[0];
    }
    c.steps = nest->var;
    c.stmt = nest->child[0]->stmt;
    return c;
}

static void bind_chain(Apply *a, const Chain *c) {
    Var *all[] = {c->side[0].tiles, c->side[0].own, c->side[1].tiles, c->side[1].own, c->steps};
    for (int i = 0; i < LEN(all); i++) apply_bind(a, all[i], all[i]->self);
}

/* e where one of the variables has this value and the others of the side and the steps are 0 */
static Expr *at_value(Apply *a, const Chain *c, const Side *s, Expr *e, const Var *one, int value) {
    Var *all[] = {s->tiles, s->own, s->lane, s->warp, c->steps};
    for (int i = 0; i < LEN(all); i++)
        if (all[i]) e = expr_subst1(a->ctx, e, all[i], expr_int(a->ctx, all[i] == one ? value : 0));
    return e;
}

static int64_t distance(Apply *a, const Chain *c, const Side *s, Expr *e, const Var *v, int by) {
    Expr *from = at_value(a, c, s, e, NULL, 0), *to = at_value(a, c, s, e, v, by);
    int64_t n;
    if (!expr_is_int(expr_sub(a->ctx, to, from), &n))
        BUG("kernel %s: a group's matrix has no fixed distances", a->kernel->name);
    return n;
}

/* The factor that runs along this side, as operand f. */
static void add_factor(Apply *a, const Chain *c, int f, LStmt *l) {
    const Side *s = &c->side[f];
    const StageBox *copy = NULL;
    for (int i = 0; i < 2; i++) {
        const StageBox *box = apply_staged(a, c->stmt, i);
        if (box && expr_uses_var(apply_stage_offset(a, box), s->own)) copy = box;
    }
    if (!copy) BUG("kernel %s: a factor of a group's product has no copy", a->kernel->name);
    Expr *at = apply_stage_offset(a, copy);
    DType type = copy->stage->copy->dtype;
    bool rows = f == 0;
    int64_t d[PRODUCTS_FACTOR] = {0, distance(a, c, s, at, rows ? s->lane : s->own, 1),
                         distance(a, c, s, at, c->steps, 1), 0,
                         distance(a, c, s, at, c->steps, MMA_PIECE / (int)dtype_bytes(type))};
    d[3] = distance(a, c, s, at, rows ? s->own : s->tiles, 1);
    if (copy->stage->box) d[5] = MAX(d[1], d[2]) * (int64_t)dtype_bytes(copy->buffer->dtype);
    int64_t tiles = rows ? EIGHT * d[3] : d[3], lane = rows ? d[1] : 2 * d[1];
    if (rows && d[5] && d[1] == 1) tiles = d[2] * c->steps->extent->i; /* columns of such rows */
    bool one = expr_is(s->tiles->extent, 1);
    if ((!one && distance(a, c, s, at, s->tiles, 1) != tiles) ||
        distance(a, c, s, at, s->lane, 1) != lane ||
        (rows && distance(a, c, s, at, s->warp, 1) != 2 * d[3]))
        BUG("kernel %s: a copy is no group's matrix", a->kernel->name);
    *(f ? &l->right : &l->dtype) = type;
    l->args[f] = copy->buffer;
    l->iargs[f * PRODUCTS_FACTOR] = at_value(a, c, s, at, NULL, 0);
    for (int i = 1; i < PRODUCTS_FACTOR; i++)
        l->iargs[f * PRODUCTS_FACTOR + i] = expr_int(a->ctx, d[i]);
}

/* Of a thread's rows, or columns: how far apart the sums are. */
static Expr *add_sums(Apply *a, const Chain *c, Expr *at, int side, const char *what) {
    const Side *s = &c->side[side], *other = &c->side[!side];
    at = at_value(a, c, other, at, NULL, 0);
    int64_t own = distance(a, c, s, at, s->own, 1);
    if (!expr_is(s->tiles->extent, 1) && distance(a, c, s, at, s->tiles, 1) != 2 * own)
        BUG("kernel %s: a group's %s do not lie in order", a->kernel->name, what);
    return expr_int(a->ctx, own);
}

void apply_group(Apply *a, Nest *nest, LBody *body) {
    Ctx *x = a->ctx;
    Chain c = chain_of(a, nest);
    LStmt *l = lstmt_new(x, L_PRODUCTS);
    int n = a->bound.n;
    lleaf_operands(x, l);
    bind_chain(a, &c);
    for (int f = 0; f < 2; f++) add_factor(a, &c, f, l);
    Expr *at = apply_offset(a, c.stmt, c.stmt->out);
    l->tensor = apply_box(a, c.stmt->out)->buffer;
    l->index = at_value(a, &c, &c.side[1], at_value(a, &c, &c.side[0], at, NULL, 0), NULL, 0);
    l->iargs[PRODUCTS_SUMS] = add_sums(a, &c, at, 0, "rows");
    l->iargs[PRODUCTS_SUMS + 1] = add_sums(a, &c, at, 1, "columns");
    l->iargs[PRODUCTS_SIZES] = expr_muli(x, c.side[0].tiles->extent, EIGHT * EIGHT);
    l->iargs[PRODUCTS_SIZES + 1] = expr_muli(x, c.side[1].tiles->extent, EIGHT);
    l->iargs[PRODUCTS_SIZES + 2] = c.steps->extent;
    lbody_add(x, body, l);
    a->bound.n = n;
}

static const Stmt *find_group(const Nest *nest) {
    const Nest *inside = nest;
    if (nest->kind != NEST_LOOP) return NULL;
    if (nest->bind == BIND_GROUP) {
        while (inside->kind == NEST_LOOP) inside = inside->child[0];
        return inside->stmt;
    }
    const Stmt *found = NULL;
    for (int i = 0; i < nest->n_child && !found; i++) found = find_group(nest->child[i]);
    return found;
}

void apply_group_wait(Apply *a, const Nest *loop, int open, LBody *body) {
    const Stmt *sum = find_group(loop);
    bool staged = false;
    for (int i = 0; i < a->stages.n; i++) staged |= a->stages.at[i].loop == loop;
    if (!sum || !staged) return;
    LStmt *l = lstmt_new(a->ctx, L_PRODUCTS_WAIT);
    l->lo = expr_int(a->ctx, open);
    l->tensor = apply_box(a, sum->out)->buffer;
    lbody_add(a->ctx, body, l);
}
