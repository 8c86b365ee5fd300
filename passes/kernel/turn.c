/* A contraction whose operands both run along the reduction (sum[k] a[m, k] * b[n, k]) has no
 * variable for vector lanes: b is turned beforehand, by a kernel of its own, into b'[k, n]. The
 * copy moves N * K elements and lets M * N * K products run in lanes; constants need none, they are
 * stored as their tile wants them.
 *
 * Requires: layouts are chosen. Keeps: what is computed, and the order of items. */
#include "passes/kernel/schedule.h"

enum { FEW_ROWS = 8, FEW_LANES = 8 };

typedef struct Turn {
    Program *p;
    Ctx *ctx;
    bool changed;
} Turn;

typedef struct Choice {
    const Expr *load;
    Var *lanes;
    int score;
} Choice;

static bool load_uses(const Expr *load, const Var *v) {
    for (int i = 0; i < load->n; i++)
        if (expr_uses_var(load->arg[i], v)) return true;
    return false;
}

/* A constant is packed at compile time: it has any order we like. */
static bool runs_in_lanes(Ctx *c, const Expr *load, Var *v) {
    return !load_uses(load, v) || load->tensor->space == SP_CONST || load_stride(c, load, v) == 1;
}

static bool has_lanes(Ctx *c, const Stmt *s, const Loads *loads) {
    for (int i = 0; i < s->n_dom; i++) {
        bool all = extent_or(s->dom[i]->extent, FEW_LANES) >= FEW_LANES;
        for (int l = 0; l < loads->n; l++) all &= runs_in_lanes(c, loads->at[l], s->dom[i]);
        if (all) return true;
    }
    return false;
}

/* Rows that share the panel: elements along domain variables that the load lacks. */
static int64_t rows_of(const Stmt *s, const Expr *load) {
    int64_t rows = 1;
    for (int i = 0; i < s->n_dom; i++)
        if (!load_uses(load, s->dom[i])) rows *= extent_or(s->dom[i]->extent, FEW_ROWS);
    return rows;
}

/* Variables of the statement that occur in the load, v last. */
static int turned_vars(const Stmt *s, const Expr *load, Var *v, Var **vars) {
    int n = 0;
    for (int i = 0; i < s->n_dom; i++)
        if (s->dom[i] != v && load_uses(load, s->dom[i])) vars[n++] = s->dom[i];
    for (int i = 0; i < s->n_red; i++)
        if (load_uses(load, s->red[i])) vars[n++] = s->red[i];
    vars[n++] = v;
    return n;
}

/* No element is copied twice: a window would be. */
static bool is_no_larger(Ctx *c, const Expr *load, Var *const *vars, int n) {
    Expr *copy = expr_int(c, 1);
    for (int i = 0; i < n; i++) copy = expr_mul(c, copy, vars[i]->extent);
    return expr_prove_ge0(c, expr_sub(c, tensor_elements(c, load->tensor), copy));
}

static int store_score(Ctx *c, const Kernel *k, const Stmt *s, Var *v) {
    const Stmt *last = k->stmts.at[k->stmts.n - 1];
    return stmt_has_dom(last, v) && store_stride(c, stmt_has_dom(last, v) ? last : s, v) == 1;
}

static Choice choose(Turn *t, const Kernel *k, const Stmt *s, const Loads *loads) {
    Choice best = {.load = NULL};
    Var *vars[2 * MAX_RANK];
    for (int l = 0; l < loads->n; l++) {
        const Expr *load = loads->at[l], *other = loads->at[1 - l];
        if (load->tensor->space == SP_CONST || rows_of(s, load) < FEW_ROWS) continue;
        for (int i = 0; i < s->n_dom; i++) {
            Var *v = s->dom[i];
            if (!load_uses(load, v) || load_uses(other, v)) continue;
            if (extent_or(v->extent, FEW_LANES) < FEW_LANES) continue;
            int n = turned_vars(s, load, v, vars), score = 1 + store_score(t->ctx, k, s, v);
            if (n > MAX_RANK || !is_no_larger(t->ctx, load, vars, n)) continue;
            if (score > best.score) best = (Choice){load, v, score};
        }
    }
    return best;
}

/* A kernel in front of `at` that copies the load's elements, lanes last. */
static Tensor *copy_kernel(Turn *t, Block *b, int at, const Stmt *s, const Choice *ch) {
    Var *vars[2 * MAX_RANK], *dom[MAX_RANK];
    Expr *fresh[MAX_RANK], *dims[MAX_RANK];
    int n = turned_vars(s, ch->load, ch->lanes, vars);
    for (int i = 0; i < n; i++) {
        dom[i] = var_new(t->ctx, vars[i]->name, vars[i]->extent);
        fresh[i] = dom[i]->self, dims[i] = dom[i]->extent;
    }
    Subst sub = {vars, fresh, n};
    char *name = arena_printf(t->ctx->perm, "%s.turned", ch->load->tensor->name);
    Tensor *copy = program_tensor(t->p, name, ch->load->type, dims, n);
    Kernel *k = kernel_new(t->p, "turn");
    k->origin = b->items.at[at]->kernel->origin;
    k->n_origin = b->items.at[at]->kernel->n_origin;
    Expr *value = expr_subst(t->ctx, (Expr *)ch->load, &sub);
    vec_push(t->ctx->perm, &k->stmts, stmt_new(t->ctx, ST_MAP, copy, dom, n, value));
    item_insert(t->p, b, at, k);
    return copy;
}

/* A load, or one that is converted. */
static bool is_operand(const Expr *e) {
    if (e->kind == E_OP && e->op == SOP_cast) e = e->arg[0];
    return e->kind == E_LOAD;
}

static bool is_contraction(const Stmt *s) {
    return s->kind == ST_REDUCE && s->op == RED_SUM && s->value->kind == E_OP &&
           s->value->op == SOP_mul && is_operand(s->value->arg[0]) && is_operand(s->value->arg[1]);
}

static bool turn_item(Turn *t, Block *b, int at) {
    Item *it = b->items.at[at];
    if (it->kind != ITEM_KERNEL || it->kernel->stmts.n == 0) return false;
    Stmt *s = it->kernel->stmts.at[0];
    for (int i = 1; i < it->kernel->stmts.n; i++)
        if (it->kernel->stmts.at[i]->kind != ST_MAP) return false; /* such kernels turn inside */
    if (!is_contraction(s)) return false;
    Loads loads;
    stmt_loads(s, &loads);
    if (loads.n != 2 || has_lanes(t->ctx, s, &loads)) return false;
    Choice ch = choose(t, it->kernel, s, &loads);
    if (!ch.load) return false;
    Var *vars[2 * MAX_RANK];
    Expr *index[MAX_RANK];
    int n = turned_vars(s, ch.load, ch.lanes, vars);
    for (int i = 0; i < n; i++) index[i] = vars[i]->self;
    Tensor *copy = copy_kernel(t, b, at, s, &ch);
    s->value = expr_replace(t->ctx, s->value, ch.load, expr_load(t->ctx, copy, index, n));
    return true;
}

static void turn_block(Turn *t, Block *b) {
    for (int i = 0; i < b->items.n; i++) {
        for (int k = 0; k < 2; k++)
            if (b->items.at[i]->block[k]) turn_block(t, b->items.at[i]->block[k]);
        if (!turn_item(t, b, i)) continue;
        t->changed = true;
        i++; /* the copy stands in front */
    }
}

PASS(turn, KERNELS, "copies operands of contractions that lie the wrong way for vector lanes")
bool pass_turn(Program *p) {
    Turn t = {p, p->ctx, false};
    turn_block(&t, p->body);
    return t.changed;
}
