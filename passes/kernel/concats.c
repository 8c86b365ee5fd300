/* Concatenations of the same things share storage.
 *
 * A kernel that only copies a tensor to an offset along one axis of another is a part of a
 * concatenation. Where all parts of %a are, in the same order, neighbouring parts of a larger %b,
 * every reader of %a reads that range of %b instead, and the parts are copied to %b where %a's
 * were. Networks that concatenate all earlier features again and again (DenseNet, U-Net) then store
 * each feature once, next to its neighbours. Requires: one kernel per graph node. Runs before fuse,
 * which lets producers write their part themselves. */
#include "passes/passes.h"

typedef struct Part {
    Item *item;
    Tensor *of;
    Expr *offset;
} Part;
typedef struct Concat {
    Tensor *whole;
    int axis;
    bool broken; /* written in another way, too */
    VEC(Part) parts;
    Tensor *into; /* now part of this one */
    Expr *shift;
} Concat;
typedef struct Concats {
    Program *p;
    Ctx *ctx;
    Block *block;
    VEC(Concat *) all;
} Concats;

/* ---- finding them ---- */
static bool copy_of(Ctx *ctx, const Item *it, Part *part, int *axis) {
    const Stmt *s =
        it->kind == ITEM_KERNEL && it->kernel->stmts.n == 1 ? it->kernel->stmts.at[0] : NULL;
    if (!s || s->kind != ST_MAP || s->value->kind != E_LOAD || !s->out ||
        s->out->space != SP_ARENA || !s->index)
        return false;
    if (s->out->rank != s->n_dom || s->value->n != s->n_dom || s->value->tensor->space == SP_CONST)
        return false;
    *axis = -1;
    *part = (Part){NULL, s->value->tensor, expr_int(ctx, 0)};
    for (int i = 0; i < s->n_dom; i++) {
        if (s->value->arg[i] != s->dom[i]->self) return false;
        if (s->index[i] == s->dom[i]->self) continue;
        Expr *offset = expr_sub(ctx, s->index[i], s->dom[i]->self);
        if (*axis >= 0 || expr_uses_var(offset, s->dom[i]) || expr_has_load(offset)) return false;
        *axis = i;
        part->offset = offset;
    }
    return true;
}

static Concat *concat_of(Concats *c, Tensor *whole) {
    for (int i = 0; i < c->all.n; i++)
        if (c->all.at[i]->whole == whole) return c->all.at[i];
    return NULL;
}

static Concat *new_concat(Concats *c, Tensor *whole) {
    Concat *x = NEW(c->ctx->perm, Concat);
    x->whole = whole;
    x->axis = -1;
    x->shift = expr_int(c->ctx, 0);
    vec_push(c->ctx->perm, &c->all, x);
    return x;
}

/* A first part at offset 0 has the identity as subscripts: it belongs to a concatenation if another
 * part follows. */
static bool first_part(const Item *it, Part *part, Ctx *ctx) {
    const Stmt *s =
        it->kind == ITEM_KERNEL && it->kernel->stmts.n == 1 ? it->kernel->stmts.at[0] : NULL;
    if (!s || s->kind != ST_MAP || s->value->kind != E_LOAD || !s->out ||
        s->out->space != SP_ARENA || s->index)
        return false;
    if (s->value->n != s->n_dom || s->out->rank != s->n_dom || s->value->tensor->space == SP_CONST)
        return false;
    for (int i = 0; i < s->n_dom; i++)
        if (s->value->arg[i] != s->dom[i]->self) return false;
    *part = (Part){NULL, s->value->tensor, expr_int(ctx, 0)};
    return true;
}

static void collect(Concats *c) {
    for (int i = 0; i < c->block->items.n; i++) {
        Item *it = c->block->items.at[i];
        Part part;
        int axis = -1;
        bool first = first_part(it, &part, c->ctx);
        bool copy = first || (copy_of(c->ctx, it, &part, &axis) && axis >= 0);
        Tensor **in, **out;
        int n_in, n_out;
        if (it->kind != ITEM_KERNEL) continue;
        kernel_tensors(c->ctx, it->kernel, &in, &n_in, &out, &n_out);
        if (!copy) {
            for (int k = 0; k < n_out; k++) {
                Concat *x = concat_of(c, out[k]);
                if (x) x->broken = true;
            }
            continue;
        }
        Concat *x = concat_of(c, out[0]);
        if (!x) x = new_concat(c, out[0]);
        if (axis >= 0) x->broken |= x->axis >= 0 && x->axis != axis;
        if (axis >= 0) x->axis = axis;
        part.item = it;
        vec_push(c->ctx->perm, &x->parts, part);
    }
}

/* ---- which holds which ---- */
static bool same_size_but(Ctx *ctx, const Tensor *a, const Tensor *b, int axis) {
    if (a->rank != b->rank || a->dtype != b->dtype) return false;
    for (int i = 0; i < a->rank; i++)
        if (i != axis && !expr_prove_eq(ctx, a->dims[i], b->dims[i])) return false;
    return true;
}

/* Is part k of `small` at the same distance from its first as the parts of `big` from `at` on? */
static bool same_part(Ctx *ctx, const Concat *small, const Concat *big, int at, int k) {
    const Part *s = &small->parts.at[k], *b = &big->parts.at[at + k];
    Expr *shift = expr_sub(ctx, big->parts.at[at].offset, small->parts.at[0].offset);
    return s->of == b->of && expr_prove_eq(ctx, expr_add(ctx, s->offset, shift), b->offset);
}

/* The first part of `big` at which the parts of `small` stand in order; -1: nowhere. */
static int find_run(Ctx *ctx, const Concat *small, const Concat *big) {
    if (small == big || small->broken || big->broken || small->axis < 0 || small->axis != big->axis)
        return -1;
    if (small->parts.n < 2 || small->parts.n >= big->parts.n) return -1;
    if (!same_size_but(ctx, small->whole, big->whole, small->axis)) return -1;
    for (int at = 0; at + small->parts.n <= big->parts.n; at++) {
        int k = 0;
        while (k < small->parts.n && same_part(ctx, small, big, at, k)) k++;
        if (k == small->parts.n) return at;
    }
    return -1;
}

/* ---- rewriting ---- */
static int item_position(const Block *b, const Item *it) {
    for (int i = 0; i < b->items.n; i++)
        if (b->items.at[i] == it) return i;
    return -1;
}

static void remove_item(Block *b, const Item *it) {
    int n = 0;
    for (int i = 0; i < b->items.n; i++)
        if (b->items.at[i] != it) b->items.at[n++] = b->items.at[i];
    b->items.n = n;
}

typedef struct Redirect {
    Ctx *ctx;
    const Concat *c;
} Redirect;

static Expr *redirect_load(void *user, Expr *e) {
    Redirect *r = user;
    if (e->kind != E_LOAD || e->tensor != r->c->whole) return e;
    Expr *index[MAX_RANK];
    for (int i = 0; i < e->n; i++)
        index[i] = i == r->c->axis ? expr_add(r->ctx, e->arg[i], r->c->shift) : e->arg[i];
    return expr_load(r->ctx, r->c->into, index, e->n);
}

static void redirect_item(void *user, Block *b, Item *it) {
    Redirect *r = user;
    (void)b;
    for (int i = 0; it->kind == ITEM_KERNEL && i < it->kernel->stmts.n; i++) {
        Stmt *s = it->kernel->stmts.at[i];
        if (s->value) s->value = expr_rewrite(r->ctx, s->value, redirect_load, r);
        for (int d = 0; s->index && s->out && d < s->out->rank; d++)
            s->index[d] = expr_rewrite(r->ctx, s->index[d], redirect_load, r);
    }
}

typedef struct Passed {
    const Tensor *t;
    bool any;
} Passed;

static void find_passed(void *user, Block *b, Item *it) {
    Passed *p = user;
    (void)b;
    if (it->kind == ITEM_KERNEL) return;
    for (int i = 0; i < it->n_in; i++) p->any |= it->in[i] == p->t;
    for (int i = 0; i < it->n_out; i++)
        p->any |= it->out[i] == p->t || (it->next && it->next[i] == p->t);
}

/* small's copies go to where big's stood in the text of the program, and fill big instead. */
static void absorb(Concats *c, Concat *small, Concat *big, int at) {
    for (int k = 0; k < small->parts.n; k++) {
        Part *s = &small->parts.at[k], *b = &big->parts.at[at + k];
        int p = item_position(c->block, s->item), q = item_position(c->block, b->item);
        if (q > p) { /* earlier is right: the source is there already */
            remove_item(c->block, b->item);
            c->block->items.at[item_position(c->block, s->item)] = b->item;
        } else {
            remove_item(c->block, s->item);
        }
    }
    small->into = big->whole;
    small->shift = expr_sub(c->ctx, big->parts.at[at].offset, small->parts.at[0].offset);
    Redirect r = {c->ctx, small};
    program_each_item(c->p, redirect_item, &r);
    /* parts that were copies of small are now copies of a range: no longer parts */
    for (int i = 0; i < c->all.n; i++)
        for (int k = 0; k < c->all.at[i]->parts.n; k++)
            if (c->all.at[i]->parts.at[k].of == small->whole) c->all.at[i]->broken = true;
    small->broken = true;
}

static bool absorb_one(Concats *c, Concat *small) {
    Passed passed = {small->whole, false};
    program_each_item(c->p, find_passed, &passed);
    if (passed.any) return false;
    Concat *best = NULL;
    int best_at = -1;
    for (int i = 0; i < c->all.n; i++) {
        int at = find_run(c->ctx, small, c->all.at[i]);
        if (at < 0 || (best && best->parts.n >= c->all.at[i]->parts.n)) continue;
        best = c->all.at[i], best_at = at;
    }
    if (best) absorb(c, small, best, best_at);
    return best != NULL;
}

PASS(concats, KERNELS, "concatenations that are part of larger ones share their storage")
bool pass_concats(Program *p) {
    Concats c = {.p = p, .ctx = p->ctx, .block = p->body};
    bool changed = false;
    collect(&c);
    for (int i = 0; i < c.all.n; i++) changed |= absorb_one(&c, c.all.at[i]);
    return changed;
}
