/* What the tensors of a program are for, as far as --precision must know: marks on tensors, found
 * until nothing changes.
 *
 * P_EXACT runs backwards: a tensor that a decision reads, and all that maps make it of. It ends at
 * sums of products, whose results are approximate anyway. P_LARGE runs forwards: what is made of
 * numbers beyond the range (the -1e9 of masks) or of integers (positions), by operations that keep
 * a large value large. It ends at sums of products, too, and at exp, sin and their kind. */
#include "passes/kernel/precision.h"

#include <math.h>

typedef struct Find {
    Precision *y;
    Ctx *ctx;
    Map *seen; /* expressions of one walk: 1 seen, 2 seen as exact */
    bool changed;
} Find;

bool precision_is_float(DType t) {
    return t == DT_F16 || t == DT_BF16 || t == DT_F32 || t == DT_F64;
}

double precision_limit(DType t) {
    return t == DT_F16 ? 65504.0 : t == DT_BF16 ? 0x1.fep127 : 0x1.fffffep127;
}

bool precision_is_product(const Stmt *s) {
    return s->kind == ST_REDUCE && s->op == RED_SUM && s->value->kind == E_OP &&
           s->value->op == SOP_mul && s->value->arg[0] != s->value->arg[1];
}

static bool is_zero(const Expr *e) {
    return e->kind == E_FLT && e->f == 0;
}

/* A rounding keeps the sign: comparisons with zero are safe. */
bool precision_decides(const Expr *e) {
    if (e->kind != E_OP || !precision_is_float(e->arg[0]->type)) return false;
    switch (e->op) {
    case SOP_lt:
    case SOP_le:
    case SOP_gt:
    case SOP_ge:
        return !is_zero(e->arg[0]) && !is_zero(e->arg[1]);
    case SOP_eq:
    case SOP_ne:
    case SOP_floor:
    case SOP_ceil:
    case SOP_trunc:
    case SOP_round:
    case SOP_rem:
    case SOP_bits:
        return true;
    case SOP_cast:
        return !precision_is_float(e->type);
    default:
        return false;
    }
}

static void mark(Find *f, Tensor *t, int bits) {
    if (!t || (t->mark & bits) == bits) return;
    t->mark |= bits;
    f->changed = true;
}

/* ---- exact ---- */

static void walk(Find *f, const Expr *e, bool exact) {
    uint64_t key = (uint64_t)(uintptr_t)e;
    intptr_t seen = (intptr_t)map_get_int(f->seen, key);
    if (seen >= 1 + exact) return;
    map_set_int(f->seen, key, (void *)(intptr_t)(1 + exact));
    if (e->kind == E_LOAD && exact) mark(f, e->tensor, P_EXACT);
    bool inside = exact || precision_decides(e) || e->kind == E_LOAD || e->type == DT_INDEX;
    for (int i = 0; i < e->n; i++) walk(f, e->arg[i], inside || (e->kind == E_GUARD && i == 0));
}

static bool selects(const Stmt *s) {
    return s->kind == ST_REDUCE && s->op != RED_SUM && s->op != RED_PROD;
}

static bool finds_position(const Stmt *s) {
    return s->kind == ST_REDUCE && (s->op == RED_ARGMAX || s->op == RED_ARGMIN);
}

static void find_exact(Find *f, Stmt *s) {
    bool made_of = s->kind == ST_MAP || s->kind == ST_SCAN || s->kind == ST_SCATTER || selects(s);
    bool exact = finds_position(s) || (s->out && (s->out->mark & P_EXACT) && made_of);
    f->seen = map_new(f->ctx->perm);
    walk(f, s->value, exact);
    for (int i = 0; s->index && i < stmt_target(s)->rank; i++) walk(f, s->index[i], true);
}

/* ---- wide ---- */

/* A number of an integer type that the target holds exactly. */
static bool is_small(Find *f, Expr *e) {
    int64_t lo, hi, most = f->y->to == DT_BF16 ? 256 : 2048;
    if (e->type == DT_BOOL) return true;
    return expr_range(f->ctx, e, &lo, &hi) ? lo >= -most && hi <= most : dtype_bits(e->type) <= 8;
}

static bool is_large(Find *f, Expr *e);

static bool any_large(Find *f, Expr *e, int from, int to) {
    for (int i = from; i < to && i < e->n; i++)
        if (is_large(f, e->arg[i])) return true;
    return false;
}

static bool result_is_large(Find *f, Expr *e) {
    switch (e->op) {
    case SOP_add:
    case SOP_sub:
    case SOP_mul:
    case SOP_fma:
    case SOP_neg:
    case SOP_abs:
    case SOP_min:
    case SOP_max:
    case SOP_floor:
    case SOP_ceil:
    case SOP_trunc:
    case SOP_round:
    case SOP_pow:
        return any_large(f, e, 0, 3);
    case SOP_div:
    case SOP_rem:
        return any_large(f, e, 0, 1);
    case SOP_select:
        return any_large(f, e, 1, 3);
    case SOP_cast:
        return precision_is_float(e->arg[0]->type) ? any_large(f, e, 0, 1)
                                                   : !is_small(f, e->arg[0]);
    default:
        return false;
    }
}

static bool is_large(Find *f, Expr *e) {
    if (!precision_is_float(e->type)) return false;
    if (e->kind == E_LOAD) return e->tensor->mark & P_LARGE;
    if (e->kind == E_FLT) return isfinite(e->f) && fabs(e->f) > precision_limit(f->y->to);
    uint64_t key = (uint64_t)(uintptr_t)e;
    intptr_t known = (intptr_t)map_get_int(f->seen, key);
    if (known) return known == 2;
    bool large = e->kind == E_GUARD ? any_large(f, e, 1, 3)
                 : e->kind == E_OP  ? result_is_large(f, e)
                                    : false;
    map_set_int(f->seen, key, (void *)(intptr_t)(1 + large));
    return large;
}

static void find_wide(Find *f, Stmt *s) {
    bool keeps = s->kind == ST_SCAN || s->kind == ST_SCATTER;
    bool total = s->kind == ST_REDUCE && !selects(s) && !precision_is_product(s);
    if (!s->out || precision_is_product(s)) return;
    f->seen = map_new(f->ctx->perm);
    if (keeps || total) mark(f, s->out, P_WIDE);
    if (is_large(f, s->value)) mark(f, s->out, P_LARGE);
}

/* ---- items ---- */

/* Both hold the same value in turn. */
static void join(Find *f, Tensor *a, Tensor *b) {
    int both = (a->mark | b->mark) & (P_EXACT | P_WIDE | P_LARGE);
    mark(f, a, both);
    mark(f, b, both);
}

static void visit(void *user, Block *b, Item *it) {
    Find *f = user;
    (void)b;
    for (int i = 0; it->kind == ITEM_CALL && i < it->n_in; i++) mark(f, it->in[i], P_EXACT);
    for (int i = 0; it->kind == ITEM_CALL && i < it->n_out; i++) mark(f, it->out[i], P_EXACT);
    for (int i = 0; it->kind == ITEM_LOOP && i < it->n_out; i++) {
        mark(f, it->out[i], P_WIDE);
        join(f, it->out[i], it->next[i]);
    }
    for (int i = 0; it->kind == ITEM_KERNEL && i < it->kernel->stmts.n; i++) {
        find_exact(f, it->kernel->stmts.at[i]);
        find_wide(f, it->kernel->stmts.at[i]);
    }
}

static void join_aliases(Find *f) {
    Program *p = f->y->program;
    for (int i = 0; i < p->tensors.n; i++)
        if (p->tensors.at[i]->alias) join(f, p->tensors.at[i], p->tensors.at[i]->alias);
}

/* ---- constants ---- */

static void note_other(void *user, const Expr *e) {
    (void)user;
    if (e->kind == E_LOAD && e->tensor->space == SP_CONST) e->tensor->mark |= P_OTHER;
}

static void note_operand(const Expr *e) {
    while (e->kind == E_GUARD || (e->kind == E_OP && e->op == SOP_cast))
        e = e->arg[e->kind == E_GUARD];
    if (e->kind != E_LOAD) expr_visit(e, note_other, NULL);
}

static void note_uses(void *user, Block *b, Item *it) {
    (void)user, (void)b;
    for (int i = 0; it->kind == ITEM_KERNEL && i < it->kernel->stmts.n; i++) {
        Stmt *s = it->kernel->stmts.at[i];
        if (!precision_is_product(s)) expr_visit(s->value, note_other, NULL);
        for (int k = 0; precision_is_product(s) && k < 2; k++) note_operand(s->value->arg[k]);
    }
}

/* Too large for the target, or, where it is no factor of a sum, too small. */
static bool is_out_of_range(const Precision *y, const Const *c, bool factor, bool *beyond) {
    double limit = precision_limit(y->to), least = y->to == DT_F16 ? 0x1p-25 : 0;
    bool small = false;
    for (int64_t i = 0; i < (c->data ? c->elements : 1); i++) {
        double v = fabs(const_get(c, i));
        if (isfinite(v) && v > limit) return *beyond = true;
        small |= v > 0 && v <= least;
    }
    return small && !factor;
}

static void find_constants(Precision *y) {
    for (int i = 0; i < y->program->consts.n; i++) {
        Tensor *t = y->program->consts.at[i];
        bool beyond = false;
        if (!precision_is_float(t->dtype)) continue;
        if (t->data->missing) t->mark |= P_EXACT;
        if (t->data->missing || y->to == DT_F32 || t->dtype == y->to) continue;
        if (is_out_of_range(y, t->data, !(t->mark & P_OTHER), &beyond)) t->mark |= P_WIDE;
        if (!beyond) continue;
        t->mark |= P_LARGE;
        diag_warn(y->ctx, NULL,
                  "constant \"%s\" has elements beyond the range of %s and stays as it is",
                  diag_name(y->ctx, t->name), dtype_name(y->to));
    }
}

static void clear(void *user, Block *b, Item *it) {
    (void)user, (void)b;
    for (int i = 0; it->kind == ITEM_KERNEL && i < it->kernel->stmts.n; i++)
        if (it->kernel->stmts.at[i]->out) it->kernel->stmts.at[i]->out->mark = 0;
}

void precision_find(Precision *y) {
    Find f = {.y = y, .ctx = y->ctx};
    Program *p = y->program;
    for (int i = 0; i < p->inputs.n; i++) p->inputs.at[i]->mark = 0;
    for (int i = 0; i < p->consts.n; i++) p->consts.at[i]->mark = 0;
    for (int i = 0; i < p->tensors.n; i++) p->tensors.at[i]->mark = 0;
    program_each_item(p, clear, NULL);
    program_each_item(p, note_uses, NULL);
    find_constants(y);
    for (int i = 0; i < p->tensors.n; i++)
        if (p->tensors.at[i]->state) p->tensors.at[i]->mark |= P_EXACT;
    do {
        f.changed = false;
        program_each_item(p, visit, &f);
        join_aliases(&f);
    } while (f.changed);
}
