/* Parses the how of a kernel; kernel_print_how.c shows the text. */
#include "ir/kernel_internal.h"

typedef VEC(Nest *) Nests;

/* A variable made here: named like no other of the kernel or this how. */
static Var *new_var(KParse *p, Expr *extent) {
    Tok at = *lex_peek(p->lex);
    const char *name;
    if (!lex_ident(p->lex, &name)) return NULL;
    if (map_get(p->how_vars, name) || map_get(p->vars, name))
        return lex_error_at(p->lex, &at, "this name is taken"), NULL;
    Var *v = var_new(p->ctx, name, extent);
    map_set(p->how_vars, name, v);
    return v;
}

static Var *known_var(KParse *p) {
    Tok at = lex_next(p->lex);
    return kparse_var(p, &at);
}

static bool parse_split(KParse *p, How *h) {
    Split s = {0};
    if (!(s.var = known_var(p)) || !lex_expect_word(p->lex, "by") || !lex_int(p->lex, &s.factor))
        return false;
    if (s.factor < 1) return lex_error(p->lex, "a factor is at least 1");
    Expr *factor = expr_int(p->ctx, s.factor);
    if (!lex_expect(p->lex, TOK_ARROW)) return false;
    if (!(s.outer = new_var(p, expr_ceildiv(p->ctx, s.var->extent, factor)))) return false;
    if (!(s.inner = new_var(p, factor))) return false;
    int tail = kparse_word(p->lex, tail_names, TAIL_GUARD + 1);
    if (tail < 0) return lex_error(p->lex, "expected exact, mask, peel or guard");
    s.tail = (Tail)tail;
    vec_push(p->ctx->perm, &h->splits, s);
    return true;
}

static bool parse_collapse(KParse *p, How *h) {
    Collapse c = {0};
    Expr *extents[MAX_RANK];
    while (lex_ok(p->lex) && !lex_accept(p->lex, TOK_ARROW)) {
        if (c.n == MAX_RANK) return lex_error(p->lex, "more than %d variables", MAX_RANK);
        if (!(c.from[c.n] = known_var(p))) return false;
        extents[c.n] = c.from[c.n]->extent;
        c.n++;
    }
    c.into = new_var(p, expr_product(p->ctx, extents, c.n));
    if (!c.into) return false;
    vec_push(p->ctx->perm, &h->collapses, c);
    return true;
}

static bool parse_space(KParse *p, Space *space) {
    int s = kparse_word(p->lex, space_names, SP_SHARED + 1);
    if (s < SP_REG) return lex_error(p->lex, "expected reg, stack, scratch or shared");
    *space = (Space)s;
    return true;
}

static bool parse_home(KParse *p, How *h) {
    Home home;
    if (!(home.temp = kparse_tensor_ref(p)) || !parse_space(p, &home.space)) return false;
    vec_push(p->ctx->perm, &h->homes, home);
    return true;
}

static Stmt *parse_do(KParse *p, Kernel *k) {
    Tensor *t = kparse_tensor_ref(p);
    int64_t nth = 0;
    if (!t || (lex_at(p->lex, TOK_INT) && !lex_int(p->lex, &nth))) return NULL;
    for (int i = 0; i < k->stmts.n; i++)
        if (stmt_target(k->stmts.at[i]) == t && nth-- == 0) return k->stmts.at[i];
    lex_error(p->lex, "the kernel has no such statement");
    return NULL;
}

static bool parse_own(KParse *p, Kernel *k, How *h) {
    Own own = {0};
    if (!(own.stmt = parse_do(p, k)) || !kparse_recipe(p, &own.recipe)) return false;
    vec_push(p->ctx->perm, &h->own, own);
    return true;
}

static Stage *parse_stage(KParse *p, Kernel *k) {
    Stage *g = NEW(p->ctx->perm, Stage);
    VEC(Var *) region = {0};
    int64_t factor;
    Space space = SP_SHARED;
    if (!lex_expect_word(p->lex, "factor") || !lex_int(p->lex, &factor)) return NULL;
    if (!lex_expect_word(p->lex, "of") || !(g->stmt = parse_do(p, k))) return NULL;
    if (!lex_expect_word(p->lex, "over")) return NULL;
    while (lex_at(p->lex, TOK_IDENT)) {
        Var *v = known_var(p);
        if (!v) return NULL;
        vec_push(p->ctx->perm, &region, v);
    }
    g->factor = (int)factor;
    g->region = region.at;
    g->n_region = region.n;
    if (!lex_expect(p->lex, TOK_ARROW) || !(g->copy = kparse_tensor(p, SP_TEMP))) return NULL;
    if (!parse_space(p, &space)) return NULL;
    g->copy->space = space;
    int64_t ahead = 0, behind = 0;
    if (lex_accept_word(p->lex, "ahead") && !lex_int(p->lex, &ahead)) return NULL;
    if (lex_accept_word(p->lex, "behind") && !lex_int(p->lex, &behind)) return NULL;
    g->ahead = (int)ahead, g->behind = (int)behind;
    g->bulk = lex_accept_word(p->lex, "bulk");
    g->box = lex_accept_word(p->lex, "box");
    return g;
}

static bool parse_nests(KParse *p, Kernel *k, Nests *list);

static bool parse_for(KParse *p, Kernel *k, Nest *n) {
    Nests body = {0};
    if (!(n->var = known_var(p))) return false;
    int bind = kparse_word(p->lex, bind_names, BIND_GROUP + 1);
    n->bind = bind < 0 ? BIND_SERIAL : (Bind)bind;
    if (!lex_expect(p->lex, '{') || !lex_enter(p->lex)) return false;
    bool ok = parse_nests(p, k, &body);
    lex_leave(p->lex);
    n->child = body.at;
    n->n_child = body.n;
    return ok && lex_expect(p->lex, '}');
}

static bool parse_nests(KParse *p, Kernel *k, Nests *list) {
    static const char *const words[] = {"for", "do", "stage"}; /* in the order of NestKind */
    for (;;) {
        int kind = kparse_word(p->lex, words, LEN(words));
        if (kind < 0) return lex_ok(p->lex);
        Nest *n = NEW(p->ctx->perm, Nest);
        n->kind = (NestKind)kind;
        vec_push(p->ctx->perm, list, n);
        if (n->kind == NEST_LOOP && !parse_for(p, k, n)) return false;
        if (n->kind == NEST_STMT && !(n->stmt = parse_do(p, k))) return false;
        if (n->kind == NEST_STAGE && !(n->stage = parse_stage(p, k))) return false;
    }
}

static bool parse_decisions(KParse *p, Kernel *k, How *h) {
    for (;;) {
        bool ok;
        if (lex_accept_word(p->lex, "split")) ok = parse_split(p, h);
        else if (lex_accept_word(p->lex, "collapse")) ok = parse_collapse(p, h);
        else if (lex_accept_word(p->lex, "home")) ok = parse_home(p, h);
        else if (lex_accept_word(p->lex, "by")) ok = parse_own(p, k, h);
        else return lex_ok(p->lex);
        if (!ok) return false;
    }
}

static bool parse_head(KParse *p, How *h) {
    const char *machine;
    if (lex_at(p->lex, TOK_STRING)) {
        if (!lex_string(p->lex, &machine)) return false;
        h->machine = arena_str(p->ctx->perm, machine);
    }
    if (lex_accept_word(p->lex, "when") && !(h->when = kparse_expr(p, DT_BOOL))) return false;
    return lex_expect(p->lex, '{');
}

How *kparse_how(KParse *p, Kernel *k) {
    How *h = NEW(p->ctx->perm, How);
    Nests top = {0};
    p->how_vars = map_new(p->ctx->perm);
    bool ok = parse_head(p, h) && parse_decisions(p, k, h) && parse_nests(p, k, &top) &&
              lex_expect(p->lex, '}');
    p->how_vars = NULL;
    h->top = top.at;
    h->n_top = top.n;
    if (ok) vec_push(p->ctx->perm, &k->hows, h);
    return ok ? h : NULL;
}
