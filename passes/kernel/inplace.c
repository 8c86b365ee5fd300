/* A result takes the storage of an operand that dies where it is made.
 *
 *   tensor %a : f32[N,64] tensor %b : f32[N,64] alias %a kernel k1 { %b[i<N, j<64] = max(%a[i, j],
 *   0.0) }      # nothing reads %a after it
 *
 * Allowed where every load of the operand in the kernel is made by the statement that stores the
 * result, at exactly the place that it stores to: the physical offsets are the same expression.
 * Then each element is read before it is written, whatever the order of iterations, lanes and
 * threads. Requires: the final order of items, the final layouts. Keeps: what every tensor holds
 * while it is needed. */
#include "passes/passes.h"

typedef struct Life {   /* of a tensor, in Tensor.aux */
    const Block *block; /* where it is used */
    int last;           /* the last item there that reads or writes it */
    int writers;
    bool fixed; /* used elsewhere, too, or by control flow; kept; shared already */
} Life;
typedef struct Inplace {
    Program *p;
    Ctx *ctx;
    bool changed;
} Inplace;

/* ---- lives ---- */
static Life *life_of(Inplace *run, Tensor *t) {
    if (!t->aux) t->aux = NEW(run->ctx->perm, Life);
    return t->aux;
}

static void touch(Inplace *run, Tensor *const *t, int n, const Block *b, int at, bool writes) {
    for (int i = 0; i < n; i++) {
        if (!t[i] || t[i]->space != SP_ARENA) continue;
        Life *l = life_of(run, t[i]);
        l->fixed |= l->block && l->block != b;
        l->block = b;
        l->last = at;
        l->writers += writes;
    }
}

static void fix(Inplace *run, Tensor *const *t, int n) {
    for (int i = 0; t && i < n; i++)
        if (t[i] && t[i]->space == SP_ARENA) life_of(run, t[i])->fixed = true;
}

static void note_block(Inplace *run, Block *b) {
    for (int i = 0; i < b->items.n; i++) {
        Item *it = b->items.at[i];
        Tensor **in = it->in, **out = it->out;
        int n_in = it->n_in, n_out = it->n_out;
        if (it->kind == ITEM_KERNEL) kernel_tensors(run->ctx, it->kernel, &in, &n_in, &out, &n_out);
        touch(run, in, n_in, b, i, false);
        touch(run, out, n_out, b, i, true);
        fix(run, &it->scratch, 1);
        if (it->kind != ITEM_IF && it->kind != ITEM_LOOP) continue;
        fix(run, in, n_in);
        fix(run, out, n_out);
        fix(run, it->next, n_out);
        for (int k = 0; k < 2; k++)
            if (it->block[k]) note_block(run, it->block[k]);
    }
}

static void note_program(Inplace *run) {
    for (int i = 0; i < run->p->tensors.n; i++) run->p->tensors.at[i]->aux = NULL;
    for (int i = 0; i < run->p->tensors.n; i++) {
        Tensor *t = run->p->tensors.at[i];
        life_of(run, t)->fixed |= t->state || t->alias;
        if (t->alias) life_of(run, t->alias)->fixed = true;
    }
    note_block(run, run->p->body);
}

/* ---- one kernel ---- */
typedef struct Loads { /* of one tensor: are they all at `offset`? */
    Ctx *ctx;
    const Tensor *of;
    const Expr *offset; /* NULL: there must be none */
    bool elsewhere;
} Loads;

static void check_load(void *user, const Expr *e) {
    Loads *l = user;
    if (e->kind != E_LOAD || e->tensor != l->of) return;
    l->elsewhere |= !l->offset || tensor_offset(l->ctx, e->tensor, e->arg) != l->offset;
}

static bool loads_where_stored(Ctx *ctx, const Kernel *k, const Stmt *s, const Tensor *of) {
    Expr *index[MAX_RANK];
    Loads l = {.ctx = ctx, .of = of};
    for (int i = 0; i < k->stmts.n; i++) {
        const Stmt *other = k->stmts.at[i];
        for (int d = 0; d < stmt_target(other)->rank; d++)
            expr_visit(stmt_index(other, d), check_load, &l);
        if (other != s) expr_visit(other->value, check_load, &l);
    }
    for (int d = 0; d < s->out->rank; d++) index[d] = stmt_index(s, d);
    l.offset = tensor_offset(ctx, s->out, index);
    expr_visit(s->value, check_load, &l);
    return !l.elsewhere;
}

static bool has(Tensor *const *list, int n, const Tensor *t) {
    for (int i = 0; i < n; i++)
        if (list[i] == t) return true;
    return false;
}

static bool same_size(Ctx *ctx, const Tensor *a, const Tensor *b) {
    return dtype_bytes(a->dtype) == dtype_bytes(b->dtype) &&
           expr_prove_eq(ctx, tensor_elements(ctx, a), tensor_elements(ctx, b));
}

/* The text names the storage first. */
static void put_behind(Program *p, Tensor *t, const Tensor *of) {
    int n = 0, at = 0;
    while (p->tensors.at[at] != t && p->tensors.at[at] != of) at++;
    if (p->tensors.at[at] == of) return;
    for (int i = 0; i < p->tensors.n; i++)
        if (p->tensors.at[i] != t) p->tensors.at[n++] = p->tensors.at[i];
    p->tensors.at[n] = t;
}

static void try_kernel(Inplace *run, const Block *b, int at) {
    const Kernel *k = b->items.at[at]->kernel;
    Tensor **in, **out;
    int n_in, n_out;
    kernel_tensors(run->ctx, k, &in, &n_in, &out, &n_out);
    for (int i = 0; i < k->stmts.n; i++) {
        const Stmt *s = k->stmts.at[i];
        if (s->kind != ST_MAP || s->out->space != SP_ARENA || has(in, n_in, s->out)) continue;
        if (life_of(run, s->out)->fixed || life_of(run, s->out)->writers != 1) continue;
        for (int j = 0; j < n_in && !s->out->alias; j++) {
            Life *l = in[j]->space == SP_ARENA ? life_of(run, in[j]) : NULL;
            if (!l || l->fixed || l->last != at || has(out, n_out, in[j])) continue;
            if (in[j]->device != s->out->device) continue;
            if (!same_size(run->ctx, in[j], s->out)) continue;
            if (!loads_where_stored(run->ctx, k, s, in[j])) continue;
            s->out->alias = in[j];
            l->fixed = true; /* taken */
            put_behind(run->p, s->out, in[j]);
            run->changed = true;
        }
    }
}

static void try_block(Inplace *run, Block *b) {
    for (int i = 0; i < b->items.n; i++) {
        Item *it = b->items.at[i];
        if (it->kind == ITEM_KERNEL) try_kernel(run, b, i);
        for (int k = 0; k < 2; k++)
            if (it->block[k]) try_block(run, it->block[k]);
    }
}

PASS(inplace, KERNELS, "results take the storage of operands that die")
bool pass_inplace(Program *p) {
    Inplace run = {p, p->ctx, false};
    note_program(&run);
    try_block(&run, p->body);
    return run.changed;
}
