/* What passes of GPUs alone share: the walk over the kernels that run on one, and questions about
 * their reductions. */
#include "passes/kernel/schedule.h"

/* ---- the walk ---- */
bool runs_on_gpu(const Options *opt, const Item *it) {
    bool gpu = compiles_for_gpu(opt) && opt->n_machines == 1;
    return gpu && it->kind == ITEM_KERNEL && (it->device || !opt->host);
}

typedef struct Each {
    Program *program;
    const Options *opt;
    bool (*change)(Program *, Kernel *);
    bool changed;
} Each;

static void visit(void *user, Block *b, Item *it) {
    Each *e = user;
    (void)b;
    if (runs_on_gpu(e->opt, it)) e->changed |= e->change(e->program, it->kernel);
}

bool change_gpu_kernels(Program *p, const Options *opt, bool (*change)(Program *, Kernel *)) {
    Each e = {p, opt, change, false};
    program_each_item(p, visit, &e);
    return e.changed;
}

static bool cut_block(Program *p, const Options *opt, Block *b, CutKernel *cut) {
    bool changed = false;
    for (int i = 0; b && i < b->items.n; i++) {
        const Item *it = b->items.at[i];
        changed |= cut_block(p, opt, it->block[0], cut);
        changed |= cut_block(p, opt, it->block[1], cut);
        int last = runs_on_gpu(opt, it) ? cut(p, opt, b, i) : -1;
        if (last < 0) continue;
        changed = true;
        i = last;
    }
    return changed;
}

bool cut_gpu_kernels(Program *p, const Options *opt, CutKernel *cut) {
    return cut_block(p, opt, p->body, cut);
}

Kernel *gpu_kernel_beside(Program *p, Block *b, int at, const Item *of, const char *name) {
    Kernel *k = kernel_new(p, name);
    k->origin = of->kernel->origin, k->n_origin = of->kernel->n_origin;
    item_insert(p, b, at, k)->device = of->device;
    return k;
}

/* ---- is a row a run of neighbours? ---- */
typedef struct Near {
    Ctx *ctx;
    Var *v;
    int near, far;
} Near;

/* Scales of blocks and their kind: constants of which several neighbours of a row use one. */
static bool is_in_blocks(Ctx *c, const Expr *load, Var *v) {
    Expr *coef, *rest;
    if (load->tensor->space != SP_CONST) return false;
    return !expr_linear_in(c, tensor_offset(c, load->tensor, load->arg), v, &coef, &rest);
}

static void look_at_load(void *user, const Expr *e) {
    Near *a = user;
    if (e->kind != E_LOAD || e->tensor->space == SP_TEMP) return;
    int64_t stride = load_stride(a->ctx, e, a->v);
    if (stride == 1) a->near++;
    else if (stride && !is_in_blocks(a->ctx, e, a->v)) a->far++;
}

bool gpu_is_near(Ctx *c, const Stmt *s, Var *v) {
    Near a = {.ctx = c, .v = v};
    expr_visit(s->value, look_at_load, &a);
    return a.near > 0 && a.far == 0;
}

/* ---- is it a product of matrices? ---- */
bool gpu_is_product(const Stmt *s) {
    return s->kind == ST_REDUCE && s->op == RED_SUM && s->value->kind == E_OP &&
           s->value->op == SOP_mul && s->value->arg[0] != s->value->arg[1];
}

bool gpu_is_tile(Ctx *c, const Stmt *s) {
    enum { FEW = 4 };
    Loads loads;
    if (!gpu_is_product(s)) return false;
    stmt_loads(s, &loads);
    for (int l = 0; l < loads.n; l++) {
        int64_t again = 1;
        bool row = false;
        for (int i = 0; i < s->n_red; i++) row |= load_stride(c, loads.at[l], s->red[i]) != 0;
        for (int i = 0; i < s->n_dom; i++)
            if (load_stride(c, loads.at[l], s->dom[i]) == 0)
                again *= extent_or(s->dom[i]->extent, FEW + 1);
        if (row && again <= FEW) return false; /* this operand is read about once */
    }
    return true;
}

/* ---- names ---- */
static bool is_taken(const Kernel *k, const char *name) {
    for (int i = 0; i < k->stmts.n; i++) {
        const Stmt *s = k->stmts.at[i];
        for (int v = 0; v < s->n_dom + s->n_red; v++) {
            const Var *own = v < s->n_dom ? s->dom[v] : s->red[v - s->n_dom];
            if (!strcmp(own->name, name)) return true;
        }
    }
    return false;
}

Var *gpu_fresh_var(Ctx *c, const Kernel *k, const char *base, Expr *extent) {
    const char *name = base;
    for (int i = 1; is_taken(k, name); i++) name = arena_printf(c->perm, "%s_%d", base, i);
    return var_new(c, name, extent);
}
