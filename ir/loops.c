/* Loops: making statements and functions, and walking over what they mention. */
#include "ir/loops.h"

const char *const stream_acts[] = {"fork", "use", "wait", "event", "join"};

LStmt *lstmt_new(Ctx *ctx, LKind kind) {
    LStmt *s = NEW(ctx->perm, LStmt);
    s->kind = kind;
    return s;
}

LFunc *lfunc_new(Ctx *ctx, LFuncKind kind, const char *name) {
    LFunc *f = NEW(ctx->perm, LFunc);
    f->kind = kind;
    f->name = arena_str(ctx->perm, name);
    if (kind != LF_KERNEL) return f;
    f->lo = var_new(ctx, "lo", NULL);
    f->hi = var_new(ctx, "hi", NULL);
    f->parallel = expr_int(ctx, 1);
    f->scratch = expr_int(ctx, 0);
    return f;
}

void lbody_add(Ctx *ctx, LBody *body, LStmt *s) {
    vec_push(ctx->perm, &body->at, s);
}

void lbody_each(const LBody *body, void (*fn)(void *user, LStmt *), void *user) {
    for (int i = 0; i < body->at.n; i++) {
        LStmt *s = body->at.at[i];
        fn(user, s);
        lbody_each(&s->body, fn, user);
        lbody_each(&s->other, fn, user);
    }
}

void lstmt_each_expr(const LStmt *s, void (*fn)(void *user, Expr *), void *user) {
    Expr *own[] = {s->cond, s->index, s->lo, s->hi, s->value};
    for (int i = 0; i < LEN(own); i++)
        if (own[i]) fn(user, own[i]);
    for (int i = 0; i < s->n_iargs; i++) fn(user, s->iargs[i]);
    for (int i = 0; i < s->n_syms; i++) fn(user, s->values[i]);
}

typedef struct FindLoop {
    const Var *var;
    LStmt *found;
} FindLoop;

static void find_loop(void *user, LStmt *s) {
    FindLoop *f = user;
    if (s->kind == L_FOR && s->var == f->var && !f->found) f->found = s;
}

LStmt *lfunc_find_loop(const LFunc *f, const Var *v) {
    FindLoop find = {v, NULL};
    lbody_each(&f->body, find_loop, &find);
    return find.found;
}

/* ---- threads of a block ---- */
bool lstmt_has_barrier(const LStmt *l) {
    const LBody *bodies[] = {&l->body, &l->other};
    bool together = l->kind == L_BARRIER || l->kind == L_COMBINE || l->kind == L_MMA ||
                    (l->kind >= L_PRODUCTS && l->kind <= L_BULK_WAIT);
    if (together || l->kind == L_CALL) return true;
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < bodies[k]->at.n; i++)
            if (lstmt_has_barrier(bodies[k]->at.at[i])) return true;
    return false;
}

static bool is_block(const LStmt *l) {
    return l->kind == L_FOR && l->bind == BIND_BLOCK;
}

bool lstmt_is_chain(const LStmt *l) {
    return is_block(l) && l->body.at.n == 1 && is_block(l->body.at.at[0]);
}

typedef struct Chain {
    const LStmt *outermost;
} Chain;

static void find_chain(void *user, LStmt *l) {
    Chain *c = user;
    if (!c->outermost && is_block(l)) c->outermost = l;
}

int64_t lfunc_threads(const LFunc *f) {
    Chain c = {NULL};
    int64_t threads = 1, n;
    lbody_each(&f->body, find_chain, &c);
    for (const LStmt *l = c.outermost; l; l = lstmt_is_chain(l) ? l->body.at.at[0] : NULL)
        if (expr_is_int(l->hi, &n)) threads *= n;
    return c.outermost ? threads : 0;
}

typedef struct Differ {
    const LFunc *func;
    bool found;
} Differ;

static void find_difference(void *user, const Expr *e) {
    Differ *d = user;
    if (e->kind == E_LOAD) d->found = true;
    if (e->kind != E_VAR) return;
    const LStmt *loop = lfunc_find_loop(d->func, e->var);
    d->found |= loop && loop->bind == BIND_BLOCK;
}

bool lfunc_differs(const LFunc *f, const Expr *e) {
    Differ d = {f, false};
    expr_visit(e, find_difference, &d);
    return d.found;
}

/* ---- what a function mentions ---- */
static void find_place(void *user, LStmt *s) {
    *(bool *)user |= s->kind == L_PLACE && s->n_args;
}

bool lbody_places(const LBody *b) {
    bool found = false;
    lbody_each(b, find_place, &found);
    return found;
}

typedef struct Collect {
    Ctx *ctx;
    LUses *uses;
} Collect;

static void add_expr(void *user, const Expr *e);

static void add_sym(Collect *c, Sym *s) {
    for (int i = 0; i < c->uses->syms.n; i++)
        if (c->uses->syms.at[i] == s) return;
    if (s->kind == SYM_DERIVED && s->def) expr_visit(s->def, add_expr, c);
    vec_push(c->ctx->perm, &c->uses->syms, s);
}

static void add_tensor(Collect *c, Tensor *t) {
    if (!t) return;
    for (int i = 0; i < c->uses->tensors.n; i++)
        if (c->uses->tensors.at[i] == t) return;
    add_tensor(c, t->alias);
    for (int i = 0; i < t->rank; i++) expr_visit(t->dims[i], add_expr, c);
    vec_push(c->ctx->perm, &c->uses->tensors, t);
}

static void add_expr(void *user, const Expr *e) {
    if (e->kind == E_SYM) add_sym(user, e->sym);
    if (e->kind == E_LOAD) add_tensor(user, e->tensor);
}

static void add_root(void *user, Expr *e) {
    expr_visit(e, add_expr, user);
}

static void add_stmt(void *user, LStmt *s) {
    Collect *c = user;
    lstmt_each_expr(s, add_root, c);
    if (s->sym) add_sym(c, s->sym);
    for (int i = 0; i < s->n_syms; i++) add_sym(c, s->syms[i]);
    add_tensor(c, s->tensor);
    for (int i = 0; i < s->n_args; i++) add_tensor(c, s->args[i]);
}

void lfunc_uses(Ctx *ctx, const LFunc *f, LUses *uses) {
    Collect c = {ctx, uses};
    if (f->parallel) add_root(&c, f->parallel);
    if (f->scratch) add_root(&c, f->scratch);
    for (int i = 0; i < f->params.n; i++) add_tensor(&c, f->params.at[i]);
    lbody_each(&f->body, add_stmt, &c);
}
