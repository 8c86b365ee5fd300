/* Parses one statement of a kernel:
 *
 *   %y[n<N, o<16] = VALUE                                   map
 *   [n<N, i<4] %y[n, 2*i + 1] = VALUE                       map with subscripts of its own
 *   %a[n<N] = sum[c<3, r<3] VALUE  by f32 lanes 16          reduce
 *   %m, %p[n<N] = argmax last[c<10] VALUE                   and its position; `_, %p` where
 *   only that is wanted
 *   %y[n<N, i<I] = scan exclusive reverse sum[i] VALUE      scan over i
 *   %y, %b[n<N, i<I] = scan max[i] VALUE                    and what it was before
 *   %s[n<N] = sum[j<J, c<3] VALUE  decay EXPR               a sum that fades with each j
 *   [i<I] %y[bound(cast(index, %j[i]), N)] = scatter set VALUE
 *
 * A variable that an earlier statement of the kernel declared is the same variable, and has
 * the same extent. */
#include "ir/kernel_internal.h"

typedef VEC(Var *) Vars;

static bool parse_extent(KParse *p, const char *name, const Tok *at, Vars *list) {
    Expr *extent = kparse_index(p);
    if (!extent) return false;
    Var *v = map_get(p->vars, name);
    if (v && v->extent != extent)
        return lex_error_at(p->lex, at, "%s has another extent above", name);
    if (!v) {
        v = var_new(p->ctx, name, extent);
        map_set(p->vars, name, v);
    }
    vec_push(p->ctx->perm, list, v);
    return true;
}

/* [n<N, o<16] */
static bool parse_vars(KParse *p, Vars *list) {
    if (!lex_expect(p->lex, '[')) return false;
    while (!lex_at(p->lex, ']') && lex_ok(p->lex)) {
        Tok at = *lex_peek(p->lex);
        const char *name;
        if (!lex_ident(p->lex, &name) || !lex_expect(p->lex, '<')) return false;
        if (!parse_extent(p, name, &at, list)) return false;
        if (!lex_accept(p->lex, ',')) break;
    }
    return lex_expect(p->lex, ']');
}

static bool parse_subscripts(KParse *p, Stmt *s) {
    VEC(Expr *) list = {0};
    if (!lex_expect(p->lex, '[')) return false;
    while (!lex_at(p->lex, ']') && lex_ok(p->lex)) {
        Expr *e = kparse_index(p);
        if (!e) return false;
        vec_push(p->ctx->perm, &list, e);
        if (!lex_accept(p->lex, ',')) break;
    }
    int rank = stmt_target(s)->rank;
    if (list.n != rank) return lex_error(p->lex, "%d subscripts for rank %d", list.n, rank);
    stmt_set_index(p->ctx, s, list.at);
    return lex_expect(p->lex, ']');
}

static bool parse_targets(KParse *p, Stmt *s) {
    bool only_position = lex_accept_word(p->lex, "_");
    if (!only_position && !(s->out = kparse_tensor_ref(p))) return false;
    if (only_position && !lex_at(p->lex, ',')) return lex_expect(p->lex, ',');
    return !lex_accept(p->lex, ',') || (s->out2 = kparse_tensor_ref(p)) != NULL;
}

static bool parse_left(KParse *p, Stmt *s) {
    Vars dom = {0};
    bool domain_first = lex_at(p->lex, '[');
    if (domain_first && !parse_vars(p, &dom)) return false;
    if (!parse_targets(p, s)) return false;
    if (!domain_first && !parse_vars(p, &dom)) return false;
    s->dom = dom.at;
    s->n_dom = dom.n;
    if (domain_first && !parse_subscripts(p, s)) return false;
    int rank = stmt_target(s)->rank;
    if (!domain_first && dom.n != rank)
        return lex_error(p->lex, "%d variables for rank %d", dom.n, rank);
    return lex_expect(p->lex, '=');
}

static bool parse_op(KParse *p, Stmt *s) {
    int op = kparse_word(p->lex, reduce_names, RED_SET + 1);
    if (op < 0)
        return lex_error(p->lex, "expected sum, prod, max, min, argmax, argmin, any, all or set");
    s->op = (Reduce)op;
    return true;
}

static bool parse_scan(KParse *p, Stmt *s) {
    s->exclusive = lex_accept_word(p->lex, "exclusive");
    s->reverse = lex_accept_word(p->lex, "reverse");
    if (!parse_op(p, s) || !lex_expect(p->lex, '[')) return false;
    Tok at = lex_next(p->lex);
    Var *v = kparse_var(p, &at);
    if (!v) return false;
    for (s->axis = 0; s->axis < s->n_dom && s->dom[s->axis] != v;) s->axis++;
    if (s->axis == s->n_dom)
        return lex_error_at(p->lex, &at, "%s is not of this statement's domain", v->name);
    return lex_expect(p->lex, ']');
}

/* Is the next word a reduction, as in `sum[`, and not an operation, as in `max(`? */
static bool at_reduction(KParse *p) {
    if (!lex_at(p->lex, TOK_IDENT)) return false;
    const Tok *then = lex_peek2(p->lex);
    bool last = then->kind == TOK_IDENT && !strcmp(then->s, "last");
    if (then->kind != '[' && !last) return false;
    for (int i = 0; i < RED_SET; i++)
        if (lex_at_word(p->lex, reduce_names[i])) return true;
    return false;
}

static bool parse_form(KParse *p, Stmt *s) {
    if (lex_accept_word(p->lex, "scan")) {
        s->kind = ST_SCAN;
        return parse_scan(p, s);
    }
    if (lex_accept_word(p->lex, "scatter")) {
        s->kind = ST_SCATTER;
        return parse_op(p, s);
    }
    if (!at_reduction(p)) return true;
    Vars red = {0};
    s->kind = ST_REDUCE;
    if (!parse_op(p, s)) return false;
    s->last = lex_accept_word(p->lex, "last");
    if (!parse_vars(p, &red)) return false;
    s->red = red.at;
    s->n_red = red.n;
    return true;
}

static bool parse_count(KParse *p, const char *word, int *out) {
    int64_t n;
    if (!lex_accept_word(p->lex, word)) return true;
    if (!lex_int(p->lex, &n)) return false;
    if (n < 1 || n > 1 << 20) return lex_error(p->lex, "%s out of range", word);
    *out = (int)n;
    return true;
}

bool kparse_recipe(KParse *p, Recipe *r) {
    bool type = lex_at(p->lex, TOK_IDENT) && dtype_by_name(lex_peek(p->lex)->s) != DT_NONE;
    if (type) r->acc = dtype_by_name(lex_next(p->lex).s);
    return parse_count(p, "lanes", &r->lanes) && parse_count(p, "runs", &r->runs) &&
           parse_count(p, "blocks", &r->blocks);
}

bool kparse_stmt(KParse *p, Kernel *k) {
    Stmt *s = NEW(p->ctx->perm, Stmt);
    if (!parse_left(p, s) || !parse_form(p, s)) return false;
    bool same_type = s->out && s->kind != ST_REDUCE;
    if (!(s->value = kparse_value(p, same_type ? s->out->dtype : DT_NONE))) return false;
    if (lex_accept_word(p->lex, "decay") && !(s->decay = kparse_value(p, s->value->type)))
        return false;
    vec_push(p->ctx->perm, &k->stmts, s);
    return !lex_accept_word(p->lex, "by") || kparse_recipe(p, &s->recipe);
}
