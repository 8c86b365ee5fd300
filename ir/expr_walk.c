/* Walks over expressions: visits, questions answered by visits, and the memo they use. */
#include "ir/expr_internal.h"

/* ---- the memo ---- */

Memo *memo_open(ExprPool *pool) {
    Arena *arena = pool->ctx->perm;
    if (pool->memo_depth == pool->memos.n) {
        Memo *m = NEW(arena, Memo);
        m->cap = 64;
        m->at = NEW_ARRAY(arena, struct MemoSlot, m->cap);
        vec_push(arena, &pool->memos, m);
    }
    Memo *m = pool->memos.at[pool->memo_depth++];
    m->generation++;
    m->n = 0;
    return m;
}

void memo_close(ExprPool *pool) {
    pool->memo_depth--;
}

/* The slot that holds `key`, or the free one where it belongs. */
static struct MemoSlot *slot_of(const Memo *m, int key) {
    uint32_t i = (uint32_t)key * 2654435769u, mask = (uint32_t)m->cap - 1;
    for (i ^= i >> 16;; i++) {
        struct MemoSlot *s = &m->at[i & mask];
        if (s->generation != m->generation || s->key == key) return s;
    }
}

static void memo_grow(ExprPool *pool, Memo *m) {
    Memo old = *m;
    m->cap *= 2;
    m->at = NEW_ARRAY(pool->ctx->perm, struct MemoSlot, m->cap);
    for (int i = 0; i < old.cap; i++)
        if (old.at[i].generation == m->generation) *slot_of(m, old.at[i].key) = old.at[i];
}

Expr *memo_get(const Memo *m, const Expr *e) {
    struct MemoSlot *s = slot_of(m, e->id);
    return s->generation == m->generation ? s->value : NULL;
}

bool memo_set(ExprPool *pool, Memo *m, const Expr *e, Expr *value) {
    if (2 * m->n >= m->cap) memo_grow(pool, m);
    struct MemoSlot *s = slot_of(m, e->id);
    bool is_new = s->generation != m->generation;
    m->n += is_new;
    *s = (struct MemoSlot){value, e->id, m->generation};
    return is_new;
}

/* ---- visits ---- */

typedef struct Visit {
    ExprPool *pool;
    Memo *seen;
    void (*fn)(void *user, const Expr *);
    void *user;
    bool guards; /* what stands in them, too */
} Visit;

static void visit(Visit *v, const Expr *e) {
    if (!v->guards && e->kind == E_GUARD) return;
    if (!memo_set(v->pool, v->seen, e, NULL)) return;
    v->fn(v->user, e);
    for (int i = 0; i < e->n; i++) visit(v, e->arg[i]);
}

static void visit_all(Visit v, const Expr *e) {
    if (e->n == 0) {
        v.fn(v.user, e);
        return;
    }
    v.pool = node_of(e)->pool;
    v.seen = memo_open(v.pool);
    visit(&v, e);
    memo_close(v.pool);
}

void expr_visit(const Expr *e, void (*fn)(void *user, const Expr *), void *user) {
    visit_all((Visit){.fn = fn, .user = user, .guards = true}, e);
}

void expr_visit_unguarded(const Expr *e, void (*fn)(void *user, const Expr *), void *user) {
    visit_all((Visit){.fn = fn, .user = user}, e);
}

/* ---- questions ---- */

typedef struct Search {
    const void *what;
    bool found;
    int count;
} Search;

static void match(void *user, const Expr *e) {
    Search *s = user;
    s->found |= e->var == s->what || e->tensor == s->what;
    s->count++;
}

bool expr_uses_var(const Expr *e, const Var *v) {
    if (!(node_of(e)->vars & node_of(v->self)->vars)) return false;
    Search s = {.what = v};
    expr_visit(e, match, &s);
    return s.found;
}

bool expr_uses_tensor(const Expr *e, const Tensor *t) {
    if (!expr_has_load(e)) return false;
    Search s = {.what = t};
    expr_visit(e, match, &s);
    return s.found;
}

int expr_size(const Expr *e) {
    Search s = {.what = &s};
    expr_visit(e, match, &s);
    return s.count;
}

Expr *expr_unconverted(const Expr *e) {
    while (e->kind == E_OP && e->op == SOP_cast) e = e->arg[0];
    return (Expr *)(uintptr_t)e;
}

bool expr_has_load(const Expr *e) {
    return node_of(e)->flags & EF_LOAD;
}

bool expr_has_value_sym(const Expr *e) {
    return node_of(e)->flags & EF_VALUE_SYM;
}
