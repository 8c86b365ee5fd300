/* Making expressions: the pool with its hash table, constants, symbols, variables, and the
 * operations on elements. Index arithmetic is in expr_index.c and its neighbours. */
#include "ir/expr_internal.h"
#include "ir/scalar_eval.h"

#include <math.h>

/* ---- the pool ---- */

ExprPool *expr_pool_new(Ctx *ctx) {
    ExprPool *pool = NEW(ctx->perm, ExprPool);
    pool->ctx = ctx;
    pool->cap = 1 << 10;
    pool->table = NEW_ARRAY(ctx->perm, Bucket, pool->cap);
    pool->ops = NEW_ARRAY(ctx->perm, OpSlot, OP_SLOTS);
    pool->epoch = 1;
    return pool;
}

static uint64_t absorb(uint64_t h, uint64_t v) {
    h = (h ^ v) * 0x9e3779b97f4a7c15u;
    return h ^ h >> 32;
}

static uint64_t hash_of(const Expr *e) {
    uint64_t bits, h = (uint64_t)e->kind << 40 | (uint64_t)e->type << 32 | (uint64_t)e->op << 24;
    h = absorb(h ^ (uint64_t)e->n, (uint64_t)e->i);
    memcpy(&bits, &e->f, sizeof bits);
    if (e->kind == E_FLT) h = absorb(h, bits);
    if (e->kind == E_LOAD) h = absorb(h, (uint64_t)(uintptr_t)e->tensor);
    for (int i = 0; i < e->n; i++) h = absorb(h, (uint64_t)e->arg[i]->id);
    return h;
}

static bool same(const Expr *a, const Expr *b) {
    if (a->kind != b->kind || a->type != b->type || a->op != b->op || a->n != b->n ||
        a->i != b->i || a->sym != b->sym || a->var != b->var || a->tensor != b->tensor ||
        memcmp(&a->f, &b->f, sizeof a->f))
        return false;
    for (int i = 0; i < a->n; i++)
        if (a->arg[i] != b->arg[i]) return false;
    return true;
}

/* The bucket of what equals the draft, or the free one where that belongs. */
static Bucket *bucket_of(ExprPool *pool, const Expr *draft, uint64_t hash) {
    for (uint64_t at = hash;; at++) {
        Bucket *b = &pool->table[at & (uint64_t)(pool->cap - 1)];
        if (!b->node || (b->hash == hash && same(&b->node->e, draft))) return b;
    }
}

static void table_grow(ExprPool *pool) {
    Bucket *old = pool->table;
    int cap = pool->cap;
    pool->cap *= 2;
    pool->table = NEW_ARRAY(pool->ctx->perm, Bucket, pool->cap);
    for (int i = 0; i < cap; i++) {
        uint64_t at = old[i].hash;
        if (!old[i].node) continue;
        while (pool->table[at & (uint64_t)(pool->cap - 1)].node) at++;
        pool->table[at & (uint64_t)(pool->cap - 1)] = old[i];
    }
}

/* What a node knows about all that is below it. */
static void summarise(Node *x) {
    const Expr *e = &x->e;
    x->degree = e->kind == E_PROD ? e->n : e->kind != E_INT && e->kind != E_FLT;
    for (int i = 0; i < e->n; i++) {
        const Node *arg = node_of(e->arg[i]);
        x->flags |= arg->flags;
        x->vars |= arg->vars;
        x->depth = MAX(x->depth, arg->depth + 1);
    }
    if (e->kind == E_LOAD) x->flags |= EF_LOAD;
    if (e->kind == E_SYM) x->flags |= EF_SYM;
    if (e->kind == E_SYM && e->sym->kind == SYM_VALUE) x->flags |= EF_VALUE_SYM;
    if (e->kind == E_VAR) x->flags |= EF_VAR;
    if (e->kind == E_VAR) x->vars = (uint64_t)1 << (e->var->id & 63);
    if (is_op(e, SOP_mod) || is_op(e, SOP_floordiv)) x->flags |= EF_DIVMOD;
    if (e->kind == E_SYM) x->key = e->sym->name;
    if (e->kind == E_VAR) x->key = e->var->name;
}

Expr *expr_intern(Ctx *ctx, const Expr *draft) {
    ExprPool *pool = ctx->exprs;
    uint64_t h = hash_of(draft);
    bool is_name = draft->kind == E_SYM || draft->kind == E_VAR; /* never made twice */
    if (is_name) h = absorb(h, (uint64_t)pool->n);
    Bucket *b = bucket_of(pool, draft, h);
    if (b->node) return &b->node->e;
    size_t args = sizeof(Expr *) * (size_t)draft->n;
    Node *x = arena_alloc(ctx->perm, sizeof(Node) + args);
    x->e = *draft;
    x->e.id = pool->n++;
    x->e.arg = draft->n ? memcpy(x + 1, draft->arg, args) : NULL;
    x->pool = pool;
    summarise(x);
    *b = (Bucket){x, h};
    if (2 * pool->n >= pool->cap) table_grow(pool);
    return &x->e;
}

Expr *expr_raw(Ctx *ctx, ScalarOp op, DType type, Expr *const *arg, int n) {
    Expr draft = {.kind = E_OP, .type = type, .op = op, .n = n, .arg = (Expr **)(uintptr_t)arg};
    return expr_intern(ctx, &draft);
}

static OpSlot *op_slot(ExprPool *pool, int op, Expr *a, Expr *b) {
    uint64_t h = hash_mix((uint64_t)a->id << 32 | (uint64_t)b->id, (uint64_t)op);
    return &pool->ops[h & (OP_SLOTS - 1)];
}

bool expr_op_cached(Ctx *ctx, int op, Expr *a, Expr *b, Expr **result) {
    OpSlot *s = op_slot(ctx->exprs, op, a, b);
    if (s->op != op || s->a != a || s->b != b || s->epoch != expr_epoch(ctx)) return false;
    *result = s->result;
    return true;
}

Expr *expr_op_remember(Ctx *ctx, int op, Expr *a, Expr *b, Expr *result) {
    *op_slot(ctx->exprs, op, a, b) = (OpSlot){a, b, result, op, expr_epoch(ctx)};
    return result;
}

/* ---- atoms ---- */

Sym *sym_new(Ctx *ctx, SymKind kind, const char *name, int64_t lo, int64_t hi) {
    Sym *s = NEW(ctx->perm, Sym);
    *s = (Sym){.kind = kind, .name = arena_str(ctx->perm, name), .lo = lo, .hi = hi};
    Expr draft = {.kind = E_SYM, .type = DT_INDEX, .sym = s};
    s->self = expr_intern(ctx, &draft);
    return s;
}

Var *var_new(Ctx *ctx, const char *name, Expr *extent) {
    ExprPool *pool = ctx->exprs;
    Var *v = NEW(ctx->perm, Var);
    *v = (Var){.name = arena_str(ctx->perm, name), .extent = extent, .id = pool->n_vars++};
    Expr draft = {.kind = E_VAR, .type = DT_INDEX, .var = v};
    v->self = expr_intern(ctx, &draft);
    if (!extent) {
        bool full = pool->n_open == MAX_OPEN; /* then the oldest is given up */
        if (full) memmove(pool->open, pool->open + 1, sizeof(Var *) * (MAX_OPEN - 1));
        pool->n_open -= full;
        pool->open[pool->n_open++] = v;
    }
    return v;
}

Expr *expr_sym(Ctx *ctx, Sym *s) {
    (void)ctx;
    return s->self;
}

Expr *expr_var(Ctx *ctx, Var *v) {
    (void)ctx;
    return v->self;
}

Expr *expr_int(Ctx *ctx, int64_t v) {
    Expr draft = {.kind = E_INT, .type = DT_INDEX, .i = v}, **slot = NULL;
    if (v >= LEAST_INT && v < LEAST_INT + N_INTS) slot = &ctx->exprs->ints[v - LEAST_INT];
    if (!slot) return expr_intern(ctx, &draft);
    if (!*slot) *slot = expr_intern(ctx, &draft);
    return *slot;
}

Expr *expr_const_int(Ctx *ctx, DType t, int64_t v) {
    CHECK(!dtype_is_float(t) && t != DT_NONE && dtype_class(t) != DC_X);
    Expr draft = {.kind = E_INT, .type = t, .i = scalar_wrap(t, v)};
    return expr_intern(ctx, &draft);
}

Expr *expr_const_flt(Ctx *ctx, DType t, double v) {
    CHECK(dtype_is_float(t));
    ScalarValue r = scalar_cast(DT_F64, t, (ScalarValue){.d = v});
    double rounded = scalar_double(t, r);
    Expr draft = {.kind = E_FLT, .type = t, .f = rounded != rounded ? (double)NAN : rounded};
    return expr_intern(ctx, &draft);
}

bool expr_is_int(const Expr *e, int64_t *v) {
    if (e->kind == E_INT && v) *v = e->i;
    return e->kind == E_INT;
}

bool expr_is(const Expr *e, int64_t v) {
    return e->kind == E_INT && e->i == v;
}

/* ---- operations on elements ---- */

static Expr *fold(Ctx *ctx, ScalarOp op, DType operand, DType result, Expr *const *arg) {
    ScalarValue v[3];
    for (int i = 0; i < scalar_info[op].arity; i++) {
        if (arg[i]->kind != E_INT) return NULL;
        v[i] = scalar_of_expr(arg[i]);
    }
    return scalar_to_expr(ctx, result, scalar_eval(op, operand, result, v));
}

/* An index expression equal to the integer e, pushing the cast towards the leaves where the type is
 * as wide as an index; NULL: the leaf is of another kind. */
static Expr *index_of(Ctx *ctx, Expr *e, int depth) {
    Expr *x[3];
    bool huge = e->kind == E_INT && dtype_is_unsigned(e->type) && e->i < 0;
    if (e->kind == E_INT) return huge ? NULL : expr_int(ctx, e->i);
    if (is_op(e, SOP_cast) && e->arg[0]->type == DT_INDEX) {
        Range have = expr_range_of(ctx, e->arg[0]), fits = dtype_range(e->type);
        bool whole = e->type == DT_I64 || (have.lo >= fits.lo && have.hi <= fits.hi);
        return whole ? e->arg[0] : NULL;
    }
    if (e->kind != E_OP || e->type != DT_I64 || depth == 0) return NULL;
    bool pushes = e->op == SOP_add || e->op == SOP_sub || e->op == SOP_mul || e->op == SOP_neg ||
                  e->op == SOP_min || e->op == SOP_max || e->op == SOP_select;
    Expr *done;
    if (!pushes) return NULL;
    if (expr_op_cached(ctx, SOP_cast, e, e, &done)) return done;
    for (int i = 0; i < e->n; i++) {
        bool condition = e->op == SOP_select && i == 0;
        x[i] = condition ? e->arg[i] : index_of(ctx, e->arg[i], depth - 1);
        if (!x[i]) x[i] = expr_raw(ctx, SOP_cast, DT_INDEX, &e->arg[i], 1);
    }
    return expr_op_remember(ctx, SOP_cast, e, e, expr_op(ctx, e->op, x));
}

/* Comparing integers made of index expressions alone is comparing index expressions. */
static Expr *compare_as_index(Ctx *ctx, ScalarOp op, Expr *const *arg) {
    if (!dtype_is_int(arg[0]->type) || scalar_info[op].arity != 2) return NULL;
    if (expr_has_load(arg[0]) || expr_has_load(arg[1])) return NULL;
    Expr *a = index_of(ctx, arg[0], 16), *b = index_of(ctx, arg[1], 16);
    return a && b ? cond_compare(ctx, op, a, b) : NULL;
}

static void check_types(ScalarOp op, Expr *const *arg) {
    const ScalarInfo *info = &scalar_info[op];
    DType t = arg[info->rule == SR_SEL]->type;
    if (info->rule == SR_CAST) BUG("expr_op cannot make a %s", info->name);
    if (info->rule == SR_SEL && arg[0]->type != DT_BOOL) BUG("the condition of select is no bool");
    for (int i = info->rule == SR_SEL; i < info->arity; i++)
        if (arg[i]->type != t)
            BUG("operands of %s are %s and %s", info->name, dtype_name(t),
                dtype_name(arg[i]->type));
    if ((info->flags & SF_FLT) && !dtype_is_float(t)) BUG("%s of %s", info->name, dtype_name(t));
    if ((info->flags & SF_INT) && dtype_is_float(t)) BUG("%s of %s", info->name, dtype_name(t));
}

Expr *expr_op(Ctx *ctx, ScalarOp op, Expr *const *arg) {
    const ScalarInfo *info = &scalar_info[op];
    check_types(op, arg);
    DType t = arg[info->rule == SR_SEL]->type, result = info->rule == SR_CMP ? DT_BOOL : t;
    if (op == SOP_select && arg[0]->kind == E_INT) return arg[arg[0]->i ? 1 : 2];
    if (op == SOP_select && arg[1] == arg[2]) return arg[1];
    if (t == DT_INDEX) return index_op(ctx, op, arg);
    if (t == DT_BOOL && (op == SOP_and || op == SOP_or || op == SOP_not))
        return cond_op(ctx, op, arg[0], info->arity > 1 ? arg[1] : NULL);
    Expr *folded = fold(ctx, op, t, result, arg);
    if (!folded && info->rule == SR_CMP) folded = compare_as_index(ctx, op, arg);
    return folded ? folded : expr_raw(ctx, op, result, arg, info->arity);
}

Expr *expr_op1(Ctx *ctx, ScalarOp op, Expr *a) {
    return expr_op(ctx, op, &a);
}

Expr *expr_op2(Ctx *ctx, ScalarOp op, Expr *a, Expr *b) {
    return expr_op(ctx, op, (Expr *[]){a, b});
}

Expr *expr_op3(Ctx *ctx, ScalarOp op, Expr *a, Expr *b, Expr *c) {
    return expr_op(ctx, op, (Expr *[]){a, b, c});
}

Expr *expr_cast(Ctx *ctx, DType t, Expr *e) {
    if (e->type == t) return e;
    if (e->kind == E_INT || e->kind == E_FLT)
        return scalar_to_expr(ctx, t, scalar_cast(e->type, t, scalar_of_expr(e)));
    Expr *x = t == DT_INDEX ? index_of(ctx, e, 64) : NULL;
    if (x) return x;
    bool back = is_op(e, SOP_cast) && e->type == DT_INDEX && t == DT_I64;
    if (back && e->arg[0]->type == DT_I64) return e->arg[0];
    return expr_raw(ctx, SOP_cast, t, &e, 1);
}

Expr *expr_bits(Ctx *ctx, DType t, Expr *e) {
    CHECK(dtype_bytes(t) == dtype_bytes(e->type));
    ScalarValue v = scalar_of_expr(e);
    if (e->type == t) return e;
    if (e->kind == E_INT || e->kind == E_FLT)
        return scalar_to_expr(ctx, t, scalar_eval(SOP_bits, e->type, t, &v));
    return expr_raw(ctx, SOP_bits, t, &e, 1);
}

Expr *expr_load(Ctx *ctx, Tensor *t, Expr *const *index, int n) {
    for (int i = 0; i < n; i++) CHECK(index[i]->type == DT_INDEX);
    Expr draft = {.kind = E_LOAD, .type = tensor_dtype(t), .tensor = t, .n = n,
                  .arg = (Expr **)(uintptr_t)index};
    return expr_intern(ctx, &draft);
}

Expr *expr_guard(Ctx *ctx, Expr *cond, Expr *value, Expr *otherwise) {
    CHECK(cond->type == DT_BOOL && value->type == otherwise->type);
    if (cond->kind == E_INT) return cond->i ? value : otherwise;
    if (value == otherwise) return value;
    bool nested = value->kind == E_GUARD && value->arg[2] == otherwise;
    if (nested && !expr_has_load(value->arg[0]))
        return expr_guard(ctx, expr_and(ctx, cond, value->arg[0]), value->arg[1], otherwise);
    Expr *arg[] = {cond, value, otherwise};
    Expr draft = {.kind = E_GUARD, .type = value->type, .n = 3, .arg = arg};
    return expr_intern(ctx, &draft);
}

static Expr *rebuild_sum(Ctx *ctx, Expr *like, Expr *const *arg) {
    Poly p;
    poly_init(&p, ctx);
    poly_const(&p, like->i);
    for (int i = 0; i < like->n; i++) poly_add(&p, arg[i], 1);
    Expr *sum = poly_done(&p);
    if (sum) return sum;
    sum = expr_int(ctx, like->i);
    for (int i = 0; i < like->n; i++) sum = expr_add(ctx, sum, arg[i]);
    return sum;
}

Expr *expr_rebuild(Ctx *ctx, Expr *like, Expr *const *arg) {
    switch (like->kind) {
    case E_SUM: return rebuild_sum(ctx, like, arg);
    case E_PROD: return expr_muli(ctx, expr_product(ctx, arg, like->n), like->i);
    case E_OP:
        if (like->op == SOP_cast) return expr_cast(ctx, like->type, arg[0]);
        if (like->op == SOP_bits) return expr_bits(ctx, like->type, arg[0]);
        return expr_op(ctx, like->op, arg);
    case E_LOAD: return expr_load(ctx, like->tensor, arg, like->n);
    case E_GUARD: return expr_guard(ctx, arg[0], arg[1], arg[2]);
    case E_BOUND: return expr_bound(ctx, arg[0], arg[1]);
    default: return like;
    }
}
