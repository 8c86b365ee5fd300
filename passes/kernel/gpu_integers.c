/* GPUs: sums of products of integers of 8 bits, minus their zero points, become sums of products of
 * the bytes as they lie in memory, which warps multiply as matrices:
 *
 *   sum (x - zx) * (w - zw)  =  sum x*w - zx * sum w - zw * sum x + n * zx * zw
 *
 * exactly, as integers wrap. Where a border counts as 0, x is zx there. Sums of constants are
 * constants; others are a kernel in front. Requires: placement is done; layouts of the arena's
 * tensors are final, constants have none. */
#include "passes/kernel/gpu_integers.h"

#include "passes/kernel/schedule.h"

typedef struct Integers {
    Program *p;
    Ctx *ctx;
    Block *block;
    int at; /* the item */
    Kernel *kernel;
    Stmt *sum;
    Bytes factor[2];
} Integers;

/* ---- is it one? ---- */
static bool is_cast_load(const Expr *e) {
    return e->kind == E_OP && e->op == SOP_cast && e->arg[0]->kind == E_LOAD;
}

static bool uses_any(const Expr *e, Var *const *vars, int n) {
    for (int i = 0; i < n; i++)
        if (expr_uses_var(e, vars[i])) return true;
    return false;
}

static bool look_at(Integers *t, Expr *e, Bytes *b) {
    Expr *here = NULL, *zero = expr_const_int(t->ctx, DT_I32, 0);
    if (e->kind == E_GUARD && expr_is(e->arg[2], 0)) here = e->arg[0], e = e->arg[1];
    if (e->kind == E_OP && e->op == SOP_sub) zero = e->arg[1], e = e->arg[0];
    if (is_cast_load(e)) e = e->arg[0];
    if (e->kind != E_LOAD || e->tensor->space == SP_TEMP || e->tensor->packed) return false;
    if (uses_any(zero, t->sum->red, t->sum->n_red)) return false;
    if (e->tensor->space == SP_CONST && !here) return bytes_of_const(t->p, e, zero, b);
    *b = (Bytes){here, e, zero};
    return e->type == DT_I8 || e->type == DT_U8;
}

/* Its zero point in the type of the elements, which a border takes; NULL: not known to be one. */
static Expr *border_of(Ctx *c, const Bytes *b) {
    DType t = b->load->type;
    const Expr *z = b->zero;
    int64_t least = t == DT_I8 ? -128 : 0;
    if (z->kind == E_INT && z->i >= least && z->i <= least + 255) return expr_const_int(c, t, z->i);
    return is_cast_load(z) && z->arg[0]->type == t ? z->arg[0] : NULL;
}

/* The variables that the factor has, of dom; all that are added up must be among its own. */
static int variables_of(const Integers *t, const Bytes *b, Var **vars) {
    const Stmt *s = t->sum;
    int n = 0;
    for (int i = 0; i < s->n_red; i++)
        if (!expr_uses_var(b->load, s->red[i]) && !expr_is(s->red[i]->extent, 1)) return -1;
    for (int i = 0; i < s->n_dom; i++) {
        bool border = b->here && expr_uses_var(b->here, s->dom[i]);
        if (border || expr_uses_var(b->load, s->dom[i])) vars[n++] = s->dom[i];
    }
    return n;
}

/* Enough rows and columns for matrices: variables that one of the factors lacks. */
static bool has_sides(const Integers *t) {
    for (int f = 0; f < 2; f++) {
        int64_t side = 1;
        for (int i = 0; i < t->sum->n_dom; i++) {
            Var *v = t->sum->dom[i];
            if (expr_uses_var(t->factor[f].load, v) && !expr_uses_var(t->factor[!f].load, v))
                side *= extent_or(v->extent, GPU_TILE_SIDE);
        }
        if (side < GPU_TILE_SIDE) return false;
    }
    return true;
}

static bool has_form(Integers *t) {
    Stmt *s = t->sum = t->kernel->stmts.at[0];
    bool sum = s->kind == ST_REDUCE && s->op == RED_SUM && !s->index && s->value->type == DT_I32 &&
               s->value->kind == E_OP && s->value->op == SOP_mul && s->n_red;
    for (int i = 1; i < t->kernel->stmts.n; i++) sum &= t->kernel->stmts.at[i]->kind == ST_MAP;
    for (int f = 0; f < 2 && sum; f++) {
        Var *vars[MAX_RANK];
        Bytes *b = &t->factor[f];
        sum = look_at(t, s->value->arg[f], b) && variables_of(t, b, vars) >= 0 &&
              (!b->here || border_of(t->ctx, b));
    }
    return sum && has_sides(t);
}

/* ---- what it becomes ---- */
static Expr *plain_factor(Ctx *c, const Bytes *b) {
    Expr *e = expr_cast(c, DT_I32, b->load);
    if (!b->here) return e;
    return expr_guard(c, b->here, e, expr_cast(c, DT_I32, border_of(c, b)));
}

/* A kernel in front that sums up a factor. */
static Tensor *add_sums(Integers *t, const Bytes *b, Var *const *vars, int n_vars) {
    Ctx *c = t->ctx;
    const Stmt *s = t->sum;
    Var *old[2 * MAX_RANK], *dom[MAX_RANK], **red = NEW_ARRAY(c->perm, Var *, s->n_red);
    Expr *fresh[2 * MAX_RANK], *dims[MAX_RANK];
    for (int i = 0; i < n_vars + s->n_red; i++) {
        old[i] = i < n_vars ? vars[i] : s->red[i - n_vars];
        Var *v = var_new(c, old[i]->name, old[i]->extent);
        fresh[i] = v->self;
        if (i < n_vars) dom[i] = v, dims[i] = v->extent;
        else red[i - n_vars] = v;
    }
    Expr *value = expr_subst(c, plain_factor(c, b), &(Subst){old, fresh, n_vars + s->n_red});
    char *name = arena_printf(c->perm, "%s.sums", b->load->tensor->name);
    Tensor *sums = program_tensor(t->p, name, DT_I32, dims, n_vars);
    Stmt *sum = stmt_new(c, ST_REDUCE, sums, dom, n_vars, value);
    sum->op = RED_SUM, sum->red = red, sum->n_red = s->n_red;
    Kernel *k = gpu_kernel_beside(t->p, t->block, t->at, t->block->items.at[t->at], "sums");
    vec_push(c->perm, &k->stmts, sum);
    t->at++;
    return sums;
}

/* The factor's sum at the statement's element. */
static Expr *sum_of(Integers *t, const Bytes *b) {
    Var *vars[MAX_RANK];
    Expr *index[MAX_RANK];
    int n = variables_of(t, b, vars);
    for (int i = 0; i < n; i++) index[i] = vars[i]->self;
    Tensor *sums =
        b->here ? NULL : bytes_const_sums(t->p, b->load, vars, n, t->sum->red, t->sum->n_red);
    if (!sums) sums = add_sums(t, b, vars, n);
    return expr_load(t->ctx, sums, index, n);
}

static Expr *times(Ctx *c, Expr *a, Expr *b) {
    return expr_op2(c, SOP_mul, a, b);
}

/* What the plain sum has too much, or NULL. */
static Expr *surplus(Integers *t) {
    Ctx *c = t->ctx;
    Expr *all = NULL, *n = expr_int(c, 1);
    for (int f = 0; f < 2; f++) {
        Expr *zero = t->factor[f].zero;
        if (expr_is(zero, 0)) continue;
        Expr *part = times(c, zero, sum_of(t, &t->factor[!f]));
        all = all ? expr_op2(c, SOP_add, all, part) : part;
    }
    if (expr_is(t->factor[0].zero, 0) || expr_is(t->factor[1].zero, 0)) return all;
    for (int i = 0; i < t->sum->n_red; i++) n = expr_mul(c, n, t->sum->red[i]->extent);
    Expr *both = times(c, expr_cast(c, DT_I32, n), times(c, t->factor[0].zero, t->factor[1].zero));
    return expr_op2(c, SOP_sub, all, both);
}

static void take_bytes(Integers *t) {
    Ctx *c = t->ctx;
    Stmt *s = t->sum;
    Expr *less = surplus(t);
    s->value = times(c, plain_factor(c, &t->factor[0]), plain_factor(c, &t->factor[1]));
    if (!less) return;
    Tensor *out = s->out;
    Expr *dims[MAX_RANK], *index[MAX_RANK];
    for (int i = 0; i < s->n_dom; i++) dims[i] = s->dom[i]->extent, index[i] = s->dom[i]->self;
    char *name = arena_printf(c->perm, "%s.plain", out->name);
    s->out = program_temp(t->p, name, DT_I32, dims, s->n_dom);
    Expr *plain = expr_load(c, s->out, index, s->n_dom);
    Expr *value = expr_cast(c, out->dtype, expr_op2(c, SOP_sub, plain, less));
    kernel_insert(c, t->kernel, 1, stmt_new(c, ST_MAP, out, s->dom, s->n_dom, value));
}

static int take_kernel(Program *p, const Options *opt, Block *b, int at) {
    Integers t = {p, p->ctx, b, at, b->items.at[at]->kernel, NULL, {{0}}};
    (void)opt;
    if (!has_form(&t)) return -1;
    take_bytes(&t);
    return t.at;
}

PASS(gpu_integers, KERNELS, "GPUs: products of integers of 8 bits are those of their bytes")
bool pass_gpu_integers(Program *p, const Options *opt) {
    return cut_gpu_kernels(p, opt, take_kernel);
}
