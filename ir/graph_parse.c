/* Parses the text of a graph. Types of nodes are computed as they are for a builder, and compared
 * with what the text says. A symbol of the arguments' types that no where clause declares is an
 * input dimension without bounds. */
#include "ir/graph_parse.h"
#include "ir/kernel.h"

static bool parse_nodes(Parse *p, Region *r);

/* ---- names ---- */

static Sym *find_sym(void *user, const char *name) {
    Parse *p = user;
    Sym *s = graph_find_sym(p->g, name);
    if (s || !p->header) return s;
    s = sym_new(p->ctx, SYM_INPUT, name, INT64_MIN, INT64_MAX); /* until its clause is read */
    vec_push(p->ctx->perm, &p->g->syms, s);
    map_set(p->g->sym_names, name, s);
    return s;
}

static Var *find_var(void *user, const char *name) {
    const Parse *p = user;
    for (int i = 0; p->compute && i < p->compute->out[0]->type.rank; i++)
        if (!strcmp(p->compute->vars[i]->name, name)) return p->compute->vars[i];
    return NULL;
}

static Tensor *find_tensor(void *user, const char *name) {
    const Parse *p = user;
    for (int i = 0; p->compute && i < p->compute->n_in; i++)
        if (!strcmp(p->compute->params[i]->name, name)) return p->compute->params[i];
    return NULL;
}

static bool name_is_free(Parse *p, const Tok *t) {
    return !map_get(p->g->names, t->s) || lex_error_at(p->x, t, "%%%s is defined twice", t->s);
}

static Value *operand(Parse *p) {
    Tok t = *lex_peek(p->x);
    const char *name;
    if (!lex_value(p->x, &name)) return NULL;
    Value *v = map_get(p->values, name);
    if (!v) lex_error_at(p->x, &t, "%%%s is not defined here", name);
    return v;
}

/* ---- types and symbols ---- */

static bool parse_type(Parse *p, Type *t) {
    Tok at = *lex_peek(p->x);
    const char *name;
    if (!lex_ident(p->x, &name)) return false;
    *t = (Type){.dtype = dtype_by_name(name)};
    if (t->dtype == DT_NONE || t->dtype == DT_INDEX)
        return lex_error_at(p->x, &at, "there is no element type %s", name);
    if (!lex_expect(p->x, '[')) return false;
    if (lex_accept(p->x, ']')) return true;
    do {
        if (t->rank == MAX_RANK) return lex_error(p->x, "more than %d dimensions", MAX_RANK);
        Expr *e = expr_parse(p->ctx, p->x, &p->scope, DT_INDEX);
        if (!e) return false;
        if (e->kind == E_INT && e->i < 0) return lex_error(p->x, "a dimension is negative");
        t->dims[t->rank++] = e;
    } while (lex_accept(p->x, ','));
    return lex_expect(p->x, ']');
}

/* `%x : f32[N,3]` with a name that is not taken */
static bool parse_typed(Parse *p, const char **name, Type *t) {
    Tok at = *lex_peek(p->x);
    if (!lex_value(p->x, name) || !name_is_free(p, &at)) return false;
    return lex_expect(p->x, ':') && parse_type(p, t);
}

static bool parse_args(Parse *p, Region *r) {
    if (lex_accept(p->x, ')')) return true;
    do {
        const char *name;
        Type t;
        if (!parse_typed(p, &name, &t)) return false;
        map_set(p->values, name, region_arg(p->g, r, name, &t));
    } while (lex_accept(p->x, ','));
    return lex_expect(p->x, ')');
}

/* The symbol takes the place of the one that stood for it in the types of the header. */
static bool parse_sym(Parse *p) {
    Lexer *x = p->x;
    const char *name;
    SymKind kind = SYM_INPUT;
    bool marked = lex_peek2(x)->kind == TOK_IDENT && strcmp(lex_peek2(x)->s, "in");
    if (marked && lex_accept_word(x, "value")) kind = SYM_VALUE;
    else if (marked && lex_accept_word(x, "derived")) kind = SYM_DERIVED;
    Tok at = *lex_peek(x);
    int64_t lo, hi = INT64_MAX;
    if (!lex_ident(x, &name)) return false;
    if (map_get(p->declared, name))
        return lex_error_at(x, &at, "symbol %s is declared twice", name);
    if (!lex_expect_word(x, "in") || !lex_int(x, &lo) || !lex_expect(x, TOK_RANGE)) return false;
    if ((lex_at(x, TOK_INT) || lex_at(x, '-')) && !lex_int(x, &hi)) return false;
    if (hi < lo) return lex_error_at(x, &at, "the range of %s is empty", name);
    Sym *s = sym_new(p->ctx, kind, name, lo, hi);
    map_set(p->g->sym_names, name, s);
    map_set(p->declared, name, s);
    vec_push(p->ctx->perm, &p->in_order, s);
    if (kind != SYM_DERIVED) return true;
    return lex_expect(x, '=') && (s->def = expr_parse(p->ctx, x, &p->scope, DT_INDEX));
}

/* ---- nodes ---- */

static bool parse_origin(Parse *p, Node *n) {
    const char *node, *op;
    n->origin = (Origin){0};
    if (!lex_accept_word(p->x, "loc")) return true;
    if (!lex_string(p->x, &node)) return false;
    n->origin.node = *node ? arena_str(p->ctx->perm, node) : NULL;
    bool keyword =
        lex_at_word(p->x, "then") || lex_at_word(p->x, "do") || lex_at_word(p->x, "return");
    if (!lex_at(p->x, TOK_IDENT) || keyword || !strchr(lex_peek(p->x)->s, '.')) return true;
    lex_ident(p->x, &op);
    const char *dot = strrchr(op, '.');
    n->origin.op = arena_strn(p->ctx->perm, op, (size_t)(dot - op));
    for (const char *d = dot + 1; *d >= '0' && *d <= '9' && d < dot + 6; d++)
        n->origin.opset = n->origin.opset * 10 + (*d - '0');
    return true;
}

typedef struct Results {
    const char *name[64];
    Type type[64];
    Tok at[64];
    int n;
} Results;

static bool parse_results(Parse *p, Results *r) {
    r->n = 0;
    if (!lex_at(p->x, TOK_VALUE)) return true;
    do {
        if (r->n == LEN(r->name)) return lex_error(p->x, "more than %d results", LEN(r->name));
        r->at[r->n] = *lex_peek(p->x);
        if (!parse_typed(p, &r->name[r->n], &r->type[r->n])) return false;
        r->n++;
    } while (lex_accept(p->x, ','));
    return lex_expect(p->x, '=');
}

static Node *parse_operands(Parse *p, Op op, int n_out) {
    VEC(Value *) in = {0};
    bool any = lex_at(p->x, TOK_VALUE) || lex_at_word(p->x, "none");
    while (any) {
        Value *v = NULL;
        if (!lex_accept_word(p->x, "none") && !(v = operand(p))) return NULL;
        vec_push(p->ctx->perm, &in, v);
        any = lex_accept(p->x, ',');
    }
    Node *n = node_draft(p->g, op, in.at, in.n, n_out);
    return n;
}

/* A comprehension's variables and placeholders, made before its body is read. */
static bool prepare_compute(Parse *p, Node *n) {
    Value **in = n->in;
    const Type t = n->out[0]->type;
    for (int i = 0; i < n->n_in; i++)
        if (!in[i]) return lex_error(p->x, "compute has an absent operand");
    Node *c = build_compute_begin(p->g, in, n->n_in, t.dtype, t.dims, t.rank);
    n->vars = c->vars;
    n->params = c->params;
    return true;
}

static bool parse_regions(Parse *p, Node *n) {
    Region *outside = p->g->at;
    while (lex_at_word(p->x, "then") || lex_at_word(p->x, "else") || lex_at_word(p->x, "do")) {
        lex_next(p->x);
        if (n->n_regions == 2) return lex_error(p->x, "more than two regions");
        if (!lex_enter(p->x)) return false;
        Region *r = region_new(p->g, n);
        if (lex_accept(p->x, '(') && !parse_args(p, r)) return false;
        if (!lex_expect(p->x, '{')) return false;
        p->g->at = r;
        if (!parse_nodes(p, r) || !lex_expect(p->x, '}')) return false;
        p->g->at = outside;
        lex_leave(p->x);
    }
    return true;
}

static bool type_agrees(Parse *p, const Value *v, const Type *text, const Tok *at) {
    if (type_equal(p->ctx, &v->type, text)) return true;
    Str s = str_new(p->ctx->perm);
    str_fmt(&s, "%%%s is declared as ", v->name);
    type_print(&s, text);
    str_add(&s, ", but it is ");
    type_print(&s, &v->type);
    return lex_error_at(p->x, at, "%s", str_c(&s));
}

static bool finish_node(Parse *p, Node *n, Results *r, const Loc *loc) {
    for (int i = 0; i < r->n; i++) n->out[i]->name = graph_name(p->g, r->name[i]);
    p->g->text = *loc;
    bool ok = node_finish(p->g, n);
    p->g->text = (Loc){0};
    for (int i = 0; ok && i < r->n; i++) {
        map_set(p->values, r->name[i], n->out[i]);
        ok = type_agrees(p, n->out[i], &r->type[i], &r->at[i]);
    }
    return ok;
}

static bool parse_node(Parse *p) {
    Results *r = NEW(p->ctx->perm, Results);
    const char *name;
    if (!parse_results(p, r)) return false;
    Loc loc = lex_loc(p->x);
    Tok at = *lex_peek(p->x);
    if (!lex_ident(p->x, &name)) return false;
    int op = op_by_name(name);
    if (op < 0) return lex_error_at(p->x, &at, "there is no operation %s", name);
    Node *n = parse_operands(p, (Op)op, r->n);
    if (!n) return false;
    for (int i = 0; i < r->n; i++) n->out[i]->type = r->type[i];
    if (op == OP_compute && (r->n != 1 || !prepare_compute(p, n)))
        return lex_error_at(p->x, &at, "compute has one result");
    if (!graph_parse_attrs(p, n) || !parse_origin(p, n) || !parse_regions(p, n)) return false;
    return finish_node(p, n, r, &loc);
}

static bool parse_nodes(Parse *p, Region *r) {
    while (!lex_at_word(p->x, "return"))
        if (!parse_node(p)) return false;
    lex_next(p->x);
    if (!lex_at(p->x, TOK_VALUE)) return true;
    do {
        Value *v = operand(p);
        if (!v) return false;
        region_result(p->g, r, v);
    } while (lex_accept(p->x, ','));
    return true;
}

/* ---- the graph ---- */

static bool parse_const(Parse *p) {
    const char *name;
    Type t;
    int64_t elements;
    if (!parse_typed(p, &name, &t)) return false;
    if (!type_static(&t, &elements) || elements > (int64_t)1 << 33)
        return lex_error(p->x, "a constant needs a known size");
    if (!lex_expect(p->x, '=')) return false;
    Const *c = const_parse(p->ctx, p->x, t.dtype, elements, p->blob, p->user);
    if (!c) return false;
    map_set(p->values, name, graph_const(p->g, name, c, &t));
    return true;
}

typedef struct Outputs {
    VEC(const char *) name;
    VEC(Type) type;
    VEC(Tok) at;
} Outputs;

static bool parse_outputs(Parse *p, Outputs *o) {
    if (!lex_expect(p->x, TOK_ARROW) || !lex_expect(p->x, '(')) return false;
    if (lex_accept(p->x, ')')) return true;
    do {
        const char *name;
        Type t;
        Tok at = *lex_peek(p->x);
        if (!lex_value(p->x, &name) || !lex_expect(p->x, ':') || !parse_type(p, &t)) return false;
        vec_push(p->ctx->perm, &o->name, name);
        vec_push(p->ctx->perm, &o->type, t);
        vec_push(p->ctx->perm, &o->at, at);
    } while (lex_accept(p->x, ','));
    return lex_expect(p->x, ')');
}

static Expr *settle(void *user, Expr *e) {
    const Parse *p = user;
    return e->kind == E_SYM ? expr_sym(p->ctx, graph_find_sym(p->g, e->sym->name)) : e;
}

/* Types of the header were read before their symbols were known. */
static void renew_type(Parse *p, Type *t) {
    for (int i = 0; i < t->rank; i++) t->dims[i] = expr_rewrite(p->ctx, t->dims[i], settle, p);
}

/* Symbols in the order of their clauses; those without one are sizes, without bounds. */
static void settle_syms(Parse *p) {
    for (int i = 0; i < p->g->syms.n; i++) {
        Sym *s = p->g->syms.at[i];
        if (map_get(p->declared, s->name)) continue;
        sym_narrow(p->ctx, s, 0, INT64_MAX);
        vec_push(p->ctx->perm, &p->in_order, s);
    }
    p->g->syms.n = 0;
    for (int i = 0; i < p->in_order.n; i++) {
        Sym *s = p->in_order.at[i];
        if (s->def) s->def = expr_rewrite(p->ctx, s->def, settle, p);
        vec_push(p->ctx->perm, &p->g->syms, s);
    }
}

static bool parse_header(Parse *p, Outputs *o) {
    const char *name;
    if (!lex_expect_word(p->x, "graph") || !lex_name(p->x, &name)) return false;
    p->g->name = arena_str(p->ctx->perm, name);
    if (!lex_expect(p->x, '(') || !parse_args(p, p->g->body) || !parse_outputs(p, o)) return false;
    if (lex_accept_word(p->x, "where")) {
        do {
            if (!parse_sym(p)) return false;
        } while (lex_accept(p->x, ','));
    }
    p->header = false;
    settle_syms(p);
    for (int i = 0; i < p->g->body->n_args; i++) renew_type(p, &p->g->body->args[i]->type);
    for (int i = 0; i < o->type.n; i++) renew_type(p, &o->type.at[i]);
    return lex_expect(p->x, '{');
}

static bool parse_graph(Parse *p) {
    Outputs o = {0};
    Region *body = p->g->body;
    if (!parse_header(p, &o)) return false;
    while (lex_accept_word(p->x, "const"))
        if (!parse_const(p)) return false;
    while (lex_accept_word(p->x, "require")) {
        Require r;
        if (!require_parse(p->ctx, p->x, &p->scope, &r)) return false;
        vec_push(p->ctx->perm, &p->g->requires, r);
    }
    Tok at = *lex_peek(p->x);
    if (!parse_nodes(p, body) || !lex_expect(p->x, '}')) return false;
    if (body->n_results != o.name.n)
        return lex_error_at(p->x, &at, "the graph returns %d values, but declares %d",
                            body->n_results, o.name.n);
    p->g->output_names = NEW_ARRAY(p->ctx->perm, char *, o.name.n + 1);
    for (int i = 0; i < o.name.n; i++) {
        p->g->output_names[i] = arena_str(p->ctx->perm, o.name.at[i]);
        if (!type_agrees(p, body->results[i], &o.type.at[i], &o.at.at[i])) return false;
    }
    return true;
}

Graph *graph_parse_blobs(Ctx *ctx, Lexer *x, BlobFn blob, void *user) {
    Parse p = {.ctx = ctx, .x = x, .blob = blob, .user = user, .header = true};
    p.g = graph_new(ctx, "");
    p.values = map_new(ctx->perm);
    p.declared = map_new(ctx->perm);
    p.scope = (ExprScope){.var = find_var, .sym = find_sym, .tensor = find_tensor, .user = &p};
    bool ok = parse_graph(&p);
    return ok && lex_ok(x) ? p.g : NULL;
}

Graph *graph_parse(Ctx *ctx, Lexer *x) {
    return graph_parse_blobs(ctx, x, NULL, NULL);
}
