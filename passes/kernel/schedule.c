/* Chooses a schedule for every kernel: recognises shapes of statements, never names of
 * operators. */
#include "passes/kernel/schedule.h"

#include "passes/kernel/accumulate.h"

/* A reduction into memory gets an accumulator of its own, of the recipe's type. */
static void give_accumulator(Program *p, Kernel *k, int at) {
    Stmt *s = k->stmts.at[at];
    if (s->kind != ST_REDUCE || !s->out || s->out->space == SP_TEMP) return;
    reduce_into_temp(p, k, at, s->recipe.acc != DT_NONE ? s->recipe.acc : s->out->dtype);
}

/* argmax keeps its best value in a temp even where only the position is wanted. */
static void give_best(Program *p, Stmt *s) {
    if (s->kind != ST_REDUCE || (s->op != RED_ARGMAX && s->op != RED_ARGMIN) || s->out) return;
    Expr *dims[MAX_RANK];
    for (int i = 0; i < s->n_dom; i++) dims[i] = s->dom[i]->extent;
    s->out = program_temp(p, "best", s->value->type, dims, s->n_dom);
}

static void prepare(Program *p, Kernel *k) {
    for (int i = 0; i < k->stmts.n; i++) give_best(p, k->stmts.at[i]);
    for (int i = k->stmts.n - 1; i >= 0; i--) give_accumulator(p, k, i);
}

enum { FEW_ROWS = 4 };

How *schedule_new_how(Ctx *c, const Machine *m) {
    How *how = NEW(c->perm, How);
    how->machine = arena_str(c->perm, m->name);
    return how;
}

/* As if the machine had fewer registers. */
static const Machine *revised(Program *p, const Machine *m, int revision) {
    enum { FEWEST = 8 };
    if (!revision) return m;
    Machine *fewer = NEW(p->ctx->perm, Machine);
    *fewer = *m;
    fewer->vector_regs = MAX(m->vector_regs >> revision, FEWEST);
    return fewer;
}

void schedule_kernel(Program *p, Kernel *k, const Machine *m, const Options *opt, int revision) {
    Sched s = {.program = p,
               .ctx = p->ctx,
               .kernel = k,
               .machine = revised(p, m, revision),
               .level = opt->level,
               .revision = revision,
               .strict = opt->fp == FP_STRICT,
               .fast = opt->fp == FP_FAST,
               .how = schedule_new_how(p->ctx, m)};
    int64_t lo, hi;
    bool done = schedule_gpu_attention(&s) || schedule_gpu_rows(&s) || schedule_gpu_scan(&s) ||
                schedule_gpu_turns(&s) || schedule_scatter(&s);
    if (!done && opt->level > 0) done = schedule_gpu_tile(&s);
    if (!done && opt->level > 0) done = schedule_attention(&s) || schedule_tile(&s);
    if (!done) schedule_rows(&s);
    How *general = s.how;
    if (opt->level > 1 && s.tile && s.rows) schedule_gpu_tile_classes(&s);
    if (opt->level > 1 && s.few_lanes && expr_range(p->ctx, s.rows, &lo, &hi) && lo <= FEW_ROWS) {
        s.how = schedule_new_how(p->ctx, m);
        CHECK(schedule_tile(&s));
        s.how->when = expr_op2(p->ctx, SOP_le, s.rows, expr_int(p->ctx, FEW_ROWS));
        vec_push(p->ctx->perm, &k->hows, s.how);
    }
    vec_push(p->ctx->perm, &k->hows, general);
}

/* Statements are changed in place; what they are made of is not. */
Kernel *schedule_plain_copy(Program *p, const Kernel *k) {
    Kernel *copy = NEW(p->ctx->perm, Kernel);
    *copy = *k;
    copy->stmts.at = arena_copy(p->ctx->perm, k->stmts.at, sizeof(Stmt *) * (size_t)k->stmts.n);
    copy->stmts.cap = k->stmts.n;
    for (int i = 0; i < k->stmts.n; i++)
        copy->stmts.at[i] = arena_copy(p->ctx->perm, k->stmts.at[i], sizeof(Stmt));
    return copy;
}

typedef struct Each {
    Program *p;
    const Options *opt;
    bool changed;
} Each;

static void each_item(void *user, Block *b, Item *it) {
    Each *e = user;
    (void)b;
    if (it->kind != ITEM_KERNEL || it->kernel->hows.n) return;
    prepare(e->p, it->kernel);
    bool host = e->opt->host && !it->device;
    bool gpu = !host && e->opt->n_machines == 1 && compiles_for_gpu(e->opt);
    if (gpu) it->kernel->plain = schedule_plain_copy(e->p, it->kernel);
    if (host) schedule_kernel(e->p, it->kernel, e->opt->host, e->opt, 0);
    for (int i = 0; i < e->opt->n_machines && !host; i++)
        schedule_kernel(e->p, it->kernel, e->opt->machine[i], e->opt, 0);
    e->changed = true;
}

PASS(schedule, KERNELS, "chooses loops, tiles, vectors and homes of temps for every kernel")
bool pass_schedule(Program *p, const Options *opt) {
    Each e = {p, opt, false};
    program_each_item(p, each_item, &e);
    return e.changed;
}
