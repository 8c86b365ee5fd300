/* Building blocks of schedules. */
#include "passes/kernel/schedule.h"

static Nest *add_child(Sched *s, Nest *parent, NestKind kind) {
    Nest *n = NEW(s->ctx->perm, Nest);
    n->kind = kind;
    Nest ***list = parent ? &parent->child : &s->how->top;
    int *count = parent ? &parent->n_child : &s->how->n_top;
    Nest **grown = NEW_ARRAY(s->ctx->perm, Nest *, *count + 1);
    if (*count) memcpy(grown, *list, sizeof(Nest *) * (size_t)*count);
    grown[(*count)++] = n;
    *list = grown;
    return n;
}

Nest *nest_loop(Sched *s, Nest *parent, Var *v, Bind bind) {
    Nest *n = add_child(s, parent, NEST_LOOP);
    n->var = v;
    n->bind = bind;
    return n;
}

void nest_stmt(Sched *s, Nest *parent, Stmt *stmt) {
    add_child(s, parent, NEST_STMT)->stmt = stmt;
}

void nest_stage(Sched *s, Nest *parent, Stage *stage) {
    add_child(s, parent, NEST_STAGE)->stage = stage;
}

void how_split(Sched *s, Var *v, int64_t factor, Tail tail, Var **outer, Var **inner) {
    Ctx *c = s->ctx;
    Expr *f = expr_int(c, factor);
    *outer = var_new(c, arena_printf(c->perm, "%s.0", v->name), expr_ceildiv(c, v->extent, f));
    *inner = var_new(c, arena_printf(c->perm, "%s.1", v->name), f);
    if (expr_is(expr_mod(c, v->extent, f), 0)) tail = TAIL_EXACT;
    vec_push(c->perm, &s->how->splits, ((Split){v, *outer, *inner, factor, tail}));
}

Var *how_collapse(Sched *s, Var *const *from, int n) {
    if (n == 1) return from[0];
    Ctx *c = s->ctx;
    Collapse col = {.n = n};
    Str name = str_new(c->perm);
    Expr *extent = expr_int(c, 1);
    for (int i = 0; i < n; i++) {
        col.from[i] = from[i];
        str_fmt(&name, "%s%s", i ? "_" : "", from[i]->name);
        extent = expr_mul(c, extent, from[i]->extent);
    }
    col.into = var_new(c, str_c(&name), extent);
    vec_push(c->perm, &s->how->collapses, col);
    return col.into;
}

void how_home(Sched *s, Tensor *temp, Space space) {
    vec_push(s->ctx->perm, &s->how->homes, ((Home){temp, space}));
}

void how_by(Sched *s, Stmt *stmt, Recipe recipe) {
    vec_push(s->ctx->perm, &s->how->own, ((Own){stmt, recipe}));
}

int64_t extent_or(const Expr *e, int64_t otherwise) {
    int64_t v;
    return expr_is_int(e, &v) ? v : otherwise;
}
