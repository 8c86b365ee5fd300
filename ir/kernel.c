/* Kernels as a whole: statements, the program and its items, tables of names. Layouts are in
 * kernel_tensor.c. */
#include "ir/kernel.h"

const char *const reduce_names[] = {"sum",    "prod", "max", "min", "argmax",
                                    "argmin", "any",  "all", "set"};
const char *const bind_names[] = {"serial", "thread", "vector", "unroll", "grid", "block", "mma",
                                  "group"};

/* ---- reductions ---- */

/* The least (sign < 0) or greatest value of a type. */
static Expr *extreme(Ctx *ctx, DType t, int sign) {
    if (dtype_is_float(t)) return expr_const_flt(ctx, t, sign < 0 ? -1.0 / 0.0 : 1.0 / 0.0);
    if (t == DT_BOOL) return expr_const_int(ctx, t, sign > 0);
    int bits = dtype_bits(t);
    if (!dtype_is_signed(t)) return expr_const_int(ctx, t, sign < 0 ? 0 : -1);
    int64_t least = (int64_t)((uint64_t)1 << (bits - 1));
    if (bits < 64) least = -((int64_t)1 << (bits - 1));
    return expr_const_int(ctx, t, sign < 0 ? least : -(least + 1));
}

static Expr *number(Ctx *ctx, DType t, int v) {
    return dtype_is_float(t) ? expr_const_flt(ctx, t, v) : expr_const_int(ctx, t, v);
}

Expr *reduce_identity(Ctx *ctx, Reduce op, DType t) {
    switch (op) {
    case RED_SUM:
    case RED_ANY:
    case RED_SET:
        return number(ctx, t, 0);
    case RED_PROD:
    case RED_ALL:
        return number(ctx, t, 1);
    case RED_MAX:
    case RED_ARGMAX:
        return extreme(ctx, t, -1);
    case RED_MIN:
    case RED_ARGMIN:
        return extreme(ctx, t, 1);
    }
    BUG("reduction %d", op);
}

Expr *reduce_combine(Ctx *ctx, Reduce op, Expr *a, Expr *b) {
    switch (op) {
    case RED_SUM:
        return expr_op2(ctx, SOP_add, a, b);
    case RED_PROD:
        return expr_op2(ctx, SOP_mul, a, b);
    case RED_MAX:
        return expr_op2(ctx, SOP_max, a, b);
    case RED_MIN:
        return expr_op2(ctx, SOP_min, a, b);
    case RED_ANY:
        return expr_op2(ctx, SOP_or, a, b);
    case RED_ALL:
        return expr_op2(ctx, SOP_and, a, b);
    case RED_SET:
        return b;
    default:
        BUG("%s has no combining expression", reduce_names[op]);
    }
}

/* ---- statements ---- */

Stmt *stmt_new(Ctx *ctx, StmtKind kind, Tensor *out, Var *const *dom, int n_dom, Expr *value) {
    Stmt *s = NEW(ctx->perm, Stmt);
    s->kind = kind;
    s->out = out;
    s->n_dom = n_dom;
    s->dom = NEW_ARRAY(ctx->perm, Var *, n_dom + 1);
    for (int i = 0; i < n_dom; i++) s->dom[i] = dom[i];
    s->value = value;
    s->op = kind == ST_SCATTER ? RED_SET : RED_SUM;
    return s;
}

void kernel_insert(Ctx *ctx, Kernel *k, int at, Stmt *s) {
    vec_push(ctx->perm, &k->stmts, NULL);
    for (int i = k->stmts.n - 1; i > at; i--) k->stmts.at[i] = k->stmts.at[i - 1];
    k->stmts.at[at] = s;
}

Tensor *stmt_target(const Stmt *s) {
    return s->out ? s->out : s->out2;
}

Expr *stmt_index(const Stmt *s, int i) {
    return s->index ? s->index[i] : s->dom[i]->self;
}

bool stmt_owns(const Stmt *s, const Var *v) {
    for (int i = 0; i < stmt_target(s)->rank; i++)
        if (stmt_index(s, i) == v->self) return true;
    return false;
}

void stmt_set_index(Ctx *ctx, Stmt *s, Expr *const *index) {
    int rank = stmt_target(s)->rank;
    bool identity = rank == s->n_dom;
    for (int i = 0; identity && i < rank; i++) identity = index[i] == s->dom[i]->self;
    s->index = NULL;
    if (identity) return;
    s->index = NEW_ARRAY(ctx->perm, Expr *, rank + 1);
    for (int i = 0; i < rank; i++) s->index[i] = index[i];
}

/* ---- the program ---- */

Program *program_new(Ctx *ctx, const char *name) {
    Program *p = NEW(ctx->perm, Program);
    p->ctx = ctx;
    p->name = arena_str(ctx->perm, name);
    p->names = map_new(ctx->perm);
    p->body = NEW(ctx->perm, Block);
    return p;
}

char *program_name(Program *p, const char *base) {
    Arena *perm = p->ctx->perm;
    if (!base || !*base) base = "t";
    if (*base == '$')
        base = arena_printf(perm, "t%s", base); /* %$1 names text, see kernel_shared.c */
    int *taken = map_get(p->names, base);
    if (!taken) {
        map_set(p->names, base, NEW(perm, int));
        return arena_str(perm, base);
    }
    for (;;) {
        char *name = arena_printf(perm, "%s_%d", base, ++*taken);
        if (map_get(p->names, name)) continue;
        map_set(p->names, name, NEW(perm, int));
        return name;
    }
}

Tensor *program_tensor(Program *p, const char *name, DType t, Expr *const *dims, int rank) {
    Tensor *x = tensor_new(p->ctx, program_name(p, name), t, dims, rank, SP_ARENA);
    vec_push(p->ctx->perm, &p->tensors, x);
    return x;
}

Tensor *program_temp(Program *p, const char *name, DType t, Expr *const *dims, int rank) {
    return tensor_new(p->ctx, program_name(p, name), t, dims, rank, SP_TEMP);
}

Kernel *kernel_new(Program *p, const char *hint) {
    Kernel *k = NEW(p->ctx->perm, Kernel);
    k->name = arena_printf(p->ctx->perm, "k%d_%s", p->n_kernels++, hint && *hint ? hint : "map");
    return k;
}

Item *item_new(Program *p, Block *b, ItemKind kind) {
    Item *it = NEW(p->ctx->perm, Item);
    it->kind = kind;
    vec_push(p->ctx->perm, &b->items, it);
    return it;
}

Item *item_kernel(Program *p, Block *b, Kernel *k) {
    Item *it = item_new(p, b, ITEM_KERNEL);
    it->kernel = k;
    return it;
}

Item *item_insert(Program *p, Block *b, int at, Kernel *k) {
    Item *it = item_kernel(p, b, k);
    for (int i = b->items.n - 1; i > at; i--) b->items.at[i] = b->items.at[i - 1];
    b->items.at[at] = it;
    return it;
}

static void each_item(Block *b, void (*fn)(void *, Block *, Item *), void *user) {
    for (int i = 0; b && i < b->items.n; i++) {
        Item *it = b->items.at[i];
        fn(user, b, it);
        each_item(it->block[0], fn, user);
        each_item(it->block[1], fn, user);
    }
}

void program_each_item(Program *p, void (*fn)(void *user, Block *, Item *), void *user) {
    each_item(p->body, fn, user);
}

static bool block_calls(const Block *b, const char *prefix) {
    for (int i = 0; b && i < b->items.n; i++) {
        const Item *it = b->items.at[i];
        if (it->kind == ITEM_CALL && !strncmp(it->call, prefix, strlen(prefix))) return true;
        if (block_calls(it->block[0], prefix) || block_calls(it->block[1], prefix)) return true;
    }
    return false;
}

bool program_calls(const Program *p, const char *prefix) {
    return block_calls(p->body, prefix);
}

const Recipe *how_recipe(const How *h, const Stmt *s) {
    for (int i = 0; i < h->own.n; i++)
        if (h->own.at[i].stmt == s) return &h->own.at[i].recipe;
    return &s->recipe;
}

bool item_moves(const Item *loop, int i) {
    const Tensor *a = loop->out[i], *b = loop->next[i];
    for (int d = 0; loop->n_size && d < a->rank; d++)
        if (a->dims[d] != b->dims[d]) return true;
    return false;
}

bool program_has_pointers(const Program *p) {
    for (int i = 0; i < p->inputs.n; i++)
        if (dtype_has_pointers(p->inputs.at[i]->dtype)) return true;
    for (int i = 0; i < p->outputs.n; i++)
        if (dtype_has_pointers(p->outputs.at[i]->dtype)) return true;
    for (int i = 0; i < p->tensors.n; i++)
        if (dtype_has_pointers(p->tensors.at[i]->dtype)) return true;
    return false;
}
