/* GPUs: what several statements of a kernel of rows read or compute is kept in registers, where
 * each thread has few elements of its row. A row is then read from memory once, and its
 * exponentials are computed once.
 *
 *   %m[n<N] = max[r<768] %x[n, r]                     %x.row[n<N, r<768] = %x[n, r]
 *   %s[n<N] = sum[r<768] exp(%x[n, r] - %m[n])        %m[n<N] = max[r<768] %x.row[n, r]
 *   %y[n<N, r<768] = exp(%x[n, r] - %m[n]) / %s[n]    %e[n<N, r<768] = exp(%x.row[n, r] - %m[n])
 *                                                     %s[n<N] = sum[r<768] %e[n, r]
 *                                                     %y[n<N, r<768] = %e[n, r] / %s[n]
 *
 * Nothing is rounded differently: what is kept has the type that it is computed in. */
#include "passes/kernel/schedule.h"

enum { MOST_ELEMENTS = 32, MOST_KEPT = 3 };

typedef struct Keep {
    Program *program;
    Ctx *ctx;
    Kernel *kernel;
    Var *const *shared;
    int n_shared;
    Var *q;
} Keep;

/* ---- what is worth a register ---- */
typedef struct Look {
    const Keep *keep;
    bool memory, costly, other; /* other: variables beside those of rows */
} Look;

static bool is_of_rows(const Keep *k, const Var *v) {
    bool found = v == k->q;
    for (int i = 0; i < k->n_shared; i++) found |= k->shared[i] == v;
    return found;
}

static void look_at(void *user, const Expr *e) {
    Look *l = user;
    if (e->kind == E_VAR && !is_of_rows(l->keep, e->var)) l->other = true;
    if (e->kind == E_LOAD && e->tensor->space != SP_TEMP) l->memory = true;
    if (e->kind == E_OP && (scalar_info[e->op].flags & SF_MATH)) l->costly = true;
}

static bool is_worth(const Keep *k, Expr *e) {
    Look l = {.keep = k};
    if (e->type == DT_INDEX || (e->kind != E_LOAD && e->kind != E_OP && e->kind != E_GUARD))
        return false;
    if (!expr_uses_var(e, k->q)) return false;
    expr_visit(e, look_at, &l);
    return !l.other && (l.memory || l.costly);
}

/* ---- who else has it ---- */
typedef struct Find {
    const Expr *what;
    bool found;
} Find;

static void find_expr(void *user, const Expr *e) {
    Find *f = user;
    f->found |= e == f->what;
}

static int users(const Keep *k, int from, const Expr *e) {
    int n = 0;
    for (int i = from; i < k->kernel->stmts.n; i++) {
        Find f = {e, false};
        expr_visit(k->kernel->stmts.at[i]->value, find_expr, &f);
        n += f.found;
    }
    return n;
}

/* The largest part of e that a later statement has, too. What is guarded is computed only where its
 * condition holds, so nothing leaves a guard by itself. */
static Expr *common_part(const Keep *k, int at, Expr *e, bool whole) {
    if (whole && is_worth(k, e) && users(k, at, e) > 1) return e;
    if (e->kind != E_OP) return NULL;
    for (int i = 0; i < e->n; i++) {
        Expr *found = common_part(k, at, e->arg[i], true);
        if (found) return found;
    }
    return NULL;
}

/* A product that is added up has one rounding together with its sum. */
static bool may_be_whole(const Stmt *s) {
    return s->kind != ST_REDUCE || s->value->kind != E_OP || s->value->op != SOP_mul;
}

/* What this statement stores, and a later one reads again at the same place. */
static Expr *stored_part(const Keep *k, int at, const Stmt *s) {
    if (s->kind != ST_MAP || s->out->space == SP_TEMP || !stmt_has_dom(s, k->q)) return NULL;
    Expr *index[MAX_RANK];
    for (int i = 0; i < s->out->rank; i++) index[i] = stmt_index(s, i);
    Expr *load = expr_load(k->ctx, s->out, index, s->out->rank);
    return users(k, at + 1, load) > 0 ? load : NULL;
}

/* ---- keeping ---- */
static Expr *own_element(const Keep *k, Tensor *t) {
    Expr *index[MAX_RANK];
    for (int i = 0; i < k->n_shared; i++) index[i] = k->shared[i]->self;
    index[k->n_shared] = k->q->self;
    return expr_load(k->ctx, t, index, k->n_shared + 1);
}

static Tensor *row_temp(const Keep *k, const Expr *e) {
    Expr *dims[MAX_RANK];
    const char *name = "row";
    if (e->kind == E_LOAD) name = arena_printf(k->ctx->perm, "%s.row", e->tensor->name);
    for (int i = 0; i < k->n_shared; i++) dims[i] = k->shared[i]->extent;
    dims[k->n_shared] = k->q->extent;
    return program_temp(k->program, name, e->type, dims, k->n_shared + 1);
}

/* `value` is computed in front of statement `at`; what is e from there on is read from it. */
static void keep(Keep *k, int at, const Expr *e, Expr *value) {
    Kernel *kernel = k->kernel;
    Tensor *t = row_temp(k, e);
    Var *dom[MAX_RANK];
    for (int i = 0; i < k->n_shared; i++) dom[i] = k->shared[i];
    dom[k->n_shared] = k->q;
    Expr *own = own_element(k, t);
    for (int i = at; i < kernel->stmts.n; i++) {
        Stmt *s = kernel->stmts.at[i];
        s->value = s->value == value ? own : expr_replace(k->ctx, s->value, e, own);
    }
    Stmt *map = stmt_new(k->ctx, ST_MAP, t, dom, k->n_shared + 1, value);
    kernel_insert(k->ctx, kernel, at, map);
}

static bool keep_one(Keep *k) {
    for (int at = 0; at < k->kernel->stmts.n; at++) {
        const Stmt *s = k->kernel->stmts.at[at];
        if (s->kind == ST_MAP && s->out->space == SP_TEMP) continue;
        Expr *again = stored_part(k, at, s);
        if (again) {
            keep(k, at, again, s->value);
            return true;
        }
        Expr *e = common_part(k, at, s->value, may_be_whole(s));
        if (!e) continue;
        keep(k, at, e, e);
        return true;
    }
    return false;
}

void gpu_rows_keep(Program *p, Kernel *kernel, Var *const *shared, int n_shared, Var *q,
                   Recipe recipe) {
    Keep k = {p, p->ctx, kernel, shared, n_shared, q};
    int64_t n, step = (int64_t)recipe.lanes * MAX(recipe.runs, 1);
    if (!expr_is_int(q->extent, &n) || n_shared + 1 > MAX_RANK) return;
    if ((n + step - 1) / step * MAX(recipe.runs, 1) > MOST_ELEMENTS) return;
    for (int i = 0; i < MOST_KEPT && keep_one(&k); i++) continue;
}
