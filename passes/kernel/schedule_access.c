/* Strides of a statement's accesses along its variables. */
#include "passes/kernel/schedule.h"

bool schedule_is_gpu(const Sched *s) {
    return !strcmp(s->machine->family, "cuda");
}

static int64_t stride_of(Ctx *c, Expr *offset, Var *v) {
    Expr *coef, *rest;
    int64_t n;
    if (!expr_uses_var(offset, v)) return 0;
    if (!expr_linear_in(c, offset, v, &coef, &rest)) return ACCESS_FAR;
    return expr_is_int(coef, &n) ? n : ACCESS_FAR;
}

/* Temps are laid out by the schedule; their last dimension counts as contiguous. */
static int64_t temp_stride(Ctx *c, Expr *const *index, int rank, Var *v) {
    for (int i = 0; i < rank; i++)
        if (expr_uses_var(index[i], v))
            return i == rank - 1 ? stride_of(c, index[i], v) : ACCESS_FAR;
    return 0;
}

int64_t load_stride(Ctx *c, const Expr *load, Var *v) {
    if (load->tensor->space == SP_TEMP) return temp_stride(c, load->arg, load->n, v);
    bool any = false;
    for (int i = 0; i < load->n; i++) any |= expr_uses_var(load->arg[i], v);
    return any ? stride_of(c, tensor_offset(c, load->tensor, load->arg), v) : 0;
}

int load_sectors(Ctx *c, const Expr *load, Var *v) {
    enum { SECTOR = 32, NEIGHBOURS = 16 };
    int64_t seen[NEIGHBOURS], bytes = (int64_t)dtype_bytes(load->type);
    Expr *offset = tensor_offset(c, load->tensor, load->arg);
    Expr *first = expr_subst1(c, offset, v, expr_int(c, 0));
    int n = 0;
    for (int i = 0; i < NEIGHBOURS; i++) {
        int64_t at;
        int k = 0;
        Expr *far = expr_sub(c, expr_subst1(c, offset, v, expr_int(c, i)), first);
        if (!expr_is_int(far, &at)) return NEIGHBOURS;
        at = at * bytes / SECTOR - (at < 0);
        while (k < n && seen[k] != at) k++;
        if (k == n) seen[n++] = at;
    }
    return n;
}

int64_t store_stride(Ctx *c, const Stmt *s, Var *v) {
    Expr *index[MAX_RANK];
    const Tensor *t = s->out ? s->out : s->out2;
    for (int i = 0; i < t->rank; i++) index[i] = s->index ? s->index[i] : s->dom[i]->self;
    if (t->space == SP_TEMP) return temp_stride(c, index, t->rank, v);
    return stride_of(c, tensor_offset(c, t, index), v);
}

static void collect(void *user, const Expr *e) {
    Loads *l = user;
    if (e->kind == E_LOAD && l->n < LEN(l->at)) l->at[l->n++] = e;
}

void stmt_loads(const Stmt *s, Loads *loads) {
    loads->n = 0;
    expr_visit(s->value, collect, loads);
}

bool stmt_has_dom(const Stmt *s, const Var *v) {
    for (int i = 0; i < s->n_dom; i++)
        if (s->dom[i] == v) return true;
    return false;
}

bool stmt_has_red(const Stmt *s, const Var *v) {
    for (int i = 0; i < s->n_red; i++)
        if (s->red[i] == v) return true;
    return false;
}

/* Larger is better: contiguous accesses gain, far ones lose, uniform ones cost nothing. */
static int vector_score(Ctx *c, const Stmt *s, const Loads *loads, Var *v, bool is_red) {
    int score = 0;
    for (int i = 0; i < loads->n; i++) {
        int64_t stride = load_stride(c, loads->at[i], v);
        score += stride == 1 ? 4 : stride == 0 ? 0 : -4;
    }
    int64_t out = is_red ? 0 : store_stride(c, s, v);
    score += out == 1 ? 6 : out == 0 ? (is_red ? 0 : 1) : -6;
    return score;
}

Var *vector_var(Ctx *c, const Stmt *s, bool *is_red) {
    Loads loads;
    stmt_loads(s, &loads);
    Var *best = NULL;
    int best_score = 0;
    for (int i = 0; i < s->n_dom + s->n_red; i++) {
        bool red = i >= s->n_dom;
        Var *v = red ? s->red[i - s->n_dom] : s->dom[i];
        int64_t extent = extent_or(v->extent, 64);
        if (extent < 2) continue;
        int score = vector_score(c, s, &loads, v, red);
        if (extent < 8) score -= 3; /* most lanes would be idle */
        if (score > best_score || (score == best_score && best && score > 0 && !red)) {
            best = v, best_score = score;
            *is_red = red;
        }
    }
    return best;
}
