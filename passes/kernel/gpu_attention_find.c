/* Is a kernel attention? Scores, maps of them, their maximum, exponentials, the sum of these, the
 * product with the values, and maps of that, in this order. */
#include "passes/kernel/gpu_attention.h"

#include "ir/mma.h"
#include "passes/kernel/schedule_gpu_tile.h"

enum { LANES = 8, WARP = 32, FEW = 4, MOST_WIDTH = 256, PER_LANE = 4 };

static bool is_row(const Online *a, const Var *v) {
    for (int i = 0; i < a->n_rows; i++)
        if (a->row[i] == v) return true;
    return false;
}

/* Is it the load of a row's own element, at `last` along the keys (NULL: it has none)? */
static bool is_own_load(const Online *a, const Expr *e, const Tensor *t, const Var *last) {
    if (e->kind != E_LOAD || (t && e->tensor != t) || e->tensor->space != SP_TEMP) return false;
    if (e->n != a->n_rows + (last != NULL)) return false;
    for (int i = 0; i < a->n_rows; i++)
        if (e->arg[i] != a->row[i]->self) return false;
    return !last || e->arg[a->n_rows] == last->self;
}

/* Rows in their order, then a variable of its own, and no subscripts: that variable. */
Var *attention_own_var(const Online *a, const Stmt *s) {
    if (s->n_dom != a->n_rows + 1 || s->index || s->out2) return NULL;
    for (int i = 0; i < a->n_rows; i++)
        if (s->dom[i] != a->row[i]) return NULL;
    return s->dom[a->n_rows];
}

static bool is_sum(const Stmt *s) {
    return s->kind == ST_REDUCE && s->op == RED_SUM && s->out && s->out->space == SP_TEMP &&
           s->recipe.acc == DT_NONE && !s->decay;
}

static bool find_max(Online *a, int *at) {
    Kernel *k = a->kernel;
    for (*at = 0; *at < k->stmts.n; ++*at) {
        Stmt *s = k->stmts.at[*at];
        if (s->kind != ST_REDUCE || s->op != RED_MAX) continue;
        if (s->n_red != 1 || s->index || !s->out || s->out->dtype != DT_F32) return false;
        a->max = s;
        for (int i = 0; i < s->n_dom; i++) a->row[a->n_rows++] = s->dom[i];
        return a->n_rows > 0 && a->n_rows + 3 <= MAX_RANK && s->out->space == SP_TEMP &&
               is_own_load(a, s->value, NULL, s->red[0]);
    }
    return false;
}

static bool is_keyed(const Online *a, const Tensor *t) {
    for (int i = 0; i < a->n_keyed; i++)
        if (a->keyed[i].old == t) return true;
    return false;
}

static bool add_keyed(Online *a, const Stmt *s, const Expr *extent) {
    Var *n = attention_own_var(a, s);
    if (!n || n->extent != extent || a->n_keyed == MOST_KEYED) return false;
    if (s->out->space != SP_TEMP || s->out->dtype != DT_F32) return false;
    a->keyed[a->n_keyed++].old = s->out;
    return true;
}

/* Statement 0 is the scores; maps up to that of the maximum change them. */
static bool find_scores(Online *a, int at) {
    Kernel *k = a->kernel;
    const Expr *extent = a->max->red[0]->extent;
    a->scores = k->stmts.at[0];
    if (at < 1 || !is_sum(a->scores) || a->scores->value->kind != E_OP ||
        a->scores->value->op != SOP_mul)
        return false;
    for (int i = 0; i < at; i++) {
        const Stmt *s = k->stmts.at[i];
        if (i && s->kind != ST_MAP) return false;
        if (!add_keyed(a, s, extent)) return false;
    }
    return is_keyed(a, a->max->value->tensor);
}

/* The maximum of the row, or at least the least finite number. */
static bool is_best(Online *a, const Expr *e) {
    a->finite = e->kind == E_OP && e->op == SOP_max && e->arg[1]->kind == E_FLT;
    return is_own_load(a, a->finite ? e->arg[0] : e, a->max->out, NULL);
}

/* exp of what the maximum is taken of, less that maximum */
static bool find_p(Online *a, Stmt *s) {
    const Expr *e = s->value;
    a->p = s;
    if (s->kind != ST_MAP || !add_keyed(a, s, a->max->red[0]->extent)) return false;
    if (e->kind != E_OP || e->op != SOP_exp) return false;
    e = e->arg[0];
    return e->kind == E_OP && e->op == SOP_sub &&
           is_own_load(a, e->arg[0], a->max->value->tensor, attention_own_var(a, s)) &&
           is_best(a, e->arg[1]);
}

static bool find_sum(Online *a, Stmt *s) {
    a->sum = s;
    if (!is_sum(s) || s->n_red != 1 || s->index || s->n_dom != a->n_rows) return false;
    for (int i = 0; i < a->n_rows; i++)
        if (s->dom[i] != a->row[i]) return false;
    return is_own_load(a, s->value, a->p->out, s->red[0]);
}

static bool find_o(Online *a, Stmt *s) {
    const Expr *e = s->value;
    a->o = s;
    if (!is_sum(s) || s->n_red != 1 || e->kind != E_OP || e->op != SOP_mul) return false;
    a->e = attention_own_var(a, s);
    if (!a->e || s->out->dtype != DT_F32) return false;
    bool left = is_own_load(a, e->arg[0], a->p->out, s->red[0]);
    return left != is_own_load(a, e->arg[1], a->p->out, s->red[0]);
}

typedef struct Uses {
    Online *a;
    const Var *e; /* along the width; NULL: there is one result of a row */
    bool ok;
} Uses;

static void check_use(void *user, const Expr *x) {
    Uses *u = user;
    if (x->kind != E_LOAD) return;
    Online *a = u->a;
    bool best = x->tensor == a->max->out;
    if (x->tensor == a->o->out) u->ok &= u->e && is_own_load(a, x, a->o->out, u->e);
    else if (x->tensor == a->sum->out) u->ok &= is_own_load(a, x, a->sum->out, NULL);
    else if (best) u->ok &= !u->e && is_own_load(a, x, a->max->out, NULL);
    else u->ok &= !is_keyed(a, x->tensor);
    a->leaves_max |= best;
}

Var *attention_width(const Online *a, const Stmt *s) {
    Var *e = NULL;
    if (s->kind != ST_MAP || s->n_dom != a->n_rows + 1) return NULL;
    for (int i = 0; i < s->n_dom; i++)
        if (!is_row(a, s->dom[i])) e = s->dom[i];
    return e && e->extent == a->e->extent ? e : NULL;
}

/* The map of a row's maximum or sum, which a part of the keys leaves to others (gpu_keys.c) */
static bool is_of_row(const Online *a, const Stmt *s) {
    if (s->kind != ST_MAP || s->n_dom != a->n_rows) return false;
    for (int i = 0; i < s->n_dom; i++)
        if (!is_row(a, s->dom[i])) return false;
    return true;
}

static bool find_finals(Online *a, int at) {
    Kernel *k = a->kernel;
    a->n_final = k->stmts.n - at;
    for (int i = at; i < k->stmts.n; i++) {
        const Stmt *s = k->stmts.at[i];
        Uses u = {a, attention_width(a, s), true};
        if (!u.e && !is_of_row(a, s)) return false;
        expr_visit(s->value, check_use, &u);
        for (int d = 0; s->index && d < s->out->rank; d++) expr_visit(s->index[d], check_use, &u);
        if (!u.ok || s->out->space == SP_TEMP) return false;
    }
    return a->n_final > 0;
}

/* Do warps multiply both pairs of factors as matrices, and have enough rows for them? */
static void look_for_matrices(Online *a) {
    const Expr *s = a->scores->value, *o = a->o->value;
    const Expr *v = o->arg[o->arg[0]->kind == E_LOAD && o->arg[0]->tensor == a->p->out];
    DType t = gpu_tile_type(v);
    int64_t rows = extent_or(a->row[a->n_rows - 1]->extent, MMA_ROWS), d;
    bool fit = gpu_tile_type(s->arg[0]) == t && gpu_tile_type(s->arg[1]) == t &&
               dtype_bytes(t) == 2 && mma_sum(t, t) == DT_F32;
    if (!fit || rows < MMA_ROWS || a->scores->n_red != 1) return;
    if (!expr_is_int(a->scores->red[0]->extent, &d)) return;
    int block = gpu_attention_block(d, extent_or(a->e->extent, 0));
    if (!block) return;
    a->block = block;
    a->matrices = t;
    a->lanes = MMA_LANE_COLUMNS;
}

bool attention_find(Online *a, bool exact) {
    int at;
    Kernel *k = a->kernel;
    if (!find_max(a, &at) || !find_scores(a, at) || at + 4 >= k->stmts.n) return false;
    if (!find_p(a, k->stmts.at[at + 1])) return false;
    if (!find_sum(a, k->stmts.at[at + 2]) || !find_o(a, k->stmts.at[at + 3])) return false;
    if (!find_finals(a, at + 4)) return false;
    int64_t width = extent_or(a->e->extent, 0);
    int64_t rows = extent_or(a->row[a->n_rows - 1]->extent, WARP);
    a->lanes = rows <= FEW && width % WARP == 0 ? WARP : LANES;
    a->block = a->lanes * PER_LANE;
    if (width <= 0 || width > MOST_WIDTH || width % a->lanes) return false;
    if (!exact) look_for_matrices(a);
    return true;
}
