/* Parses loops; loops_print.c shows the text. */
#include "ir/loops_internal.h"

#include "ir/graph_text.h"

static Var *find_var(void *user, const char *name) {
    LParse *p = user;
    return p->vars ? map_get(p->vars, name) : NULL;
}

static Sym *find_sym(void *user, const char *name) {
    return map_get(((LParse *)user)->k.syms, name);
}

static Tensor *find_tensor(void *user, const char *name) {
    LParse *p = user;
    Tensor *t = p->k.lets ? map_get(p->k.lets, name) : NULL;
    return t ? t : map_get(p->k.tensors, name);
}

static bool parse_body(LParse *p, LBody *body);

bool lparse_expr(LParse *p, DType want, Expr **out) {
    return (*out = expr_parse(p->k.ctx, p->k.lex, &p->k.scope, want)) != NULL;
}

static bool parse_space(LParse *p, Space *space) {
    int i = kparse_word(p->k.lex, space_names, SP_SHARED + 1);
    if (i < 0)
        return lex_error(p->k.lex, "expected a space: input, output, const, arena, reg, stack ...");
    *space = (Space)i;
    return true;
}

/* ---- statements ---- */
static bool parse_for(LParse *p, LStmt *l) {
    Lexer *x = p->k.lex;
    const char *name;
    int64_t width = 0;
    if (!lex_ident(x, &name)) return false;
    int bind = kparse_word(x, bind_names, BIND_BLOCK + 1);
    l->bind = bind < 0 ? BIND_SERIAL : (Bind)bind;
    if (lex_at(x, TOK_INT) && !lex_int(x, &width)) return false;
    l->width = (int)width;
    if (!lex_expect_word(x, "in") || !lparse_expr(p, DT_INDEX, &l->lo)) return false;
    if (!lex_expect(x, TOK_RANGE) || !lparse_expr(p, DT_INDEX, &l->hi)) return false;
    bool whole = l->hi->kind == E_VAR && l->hi->var == p->func->hi;
    l->var = var_new(p->k.ctx, name, whole ? p->func->parallel : l->hi);
    void *outer = map_get(p->vars, name);
    if (outer) return lex_error(x, "a loop around this one has the variable %s, too", name);
    map_set(p->vars, name, l->var);
    bool ok = parse_body(p, &l->body);
    map_set(p->vars, name, NULL);
    return ok;
}

static bool parse_if(LParse *p, LStmt *l) {
    Lexer *x = p->k.lex;
    if (!lex_expect(x, '(') || !lparse_expr(p, DT_BOOL, &l->cond) || !lex_expect(x, ')'))
        return false;
    if (!parse_body(p, &l->body)) return false;
    return !lex_accept_word(x, "else") || parse_body(p, &l->other);
}

static Sym *parse_sym(LParse *p) {
    const char *name;
    if (!lex_ident(p->k.lex, &name)) return NULL;
    Sym *y = find_sym(p, name);
    if (!y) lex_error(p->k.lex, "no symbol has the name %s", name);
    return y;
}

/* %a = %b : BYTES, or n = VALUE */
static bool parse_carried(LParse *p, LStmt *l) {
    Lexer *x = p->k.lex;
    VEC(Tensor *) args = {0};
    VEC(Expr *) bytes = {0}, values = {0};
    VEC(Sym *) syms = {0};
    if (!lex_expect(x, '(')) return false;
    do {
        Expr *e = NULL;
        Tensor *a = NULL, *b = NULL;
        Sym *y = NULL;
        bool moved = lex_at(x, TOK_VALUE);
        if (moved ? !(a = kparse_tensor_ref(&p->k)) : !(y = parse_sym(p))) return false;
        if (!lex_expect(x, '=')) return false;
        if (moved && (!(b = kparse_tensor_ref(&p->k)) || !lex_expect(x, ':'))) return false;
        if (!lparse_expr(p, DT_INDEX, &e)) return false;
        if (moved) {
            vec_push(p->k.ctx->perm, &args, a);
            vec_push(p->k.ctx->perm, &args, b);
            vec_push(p->k.ctx->perm, &bytes, e);
        } else {
            vec_push(p->k.ctx->perm, &syms, y);
            vec_push(p->k.ctx->perm, &values, e);
        }
    } while (lex_accept(x, ','));
    l->args = args.at, l->n_args = args.n;
    l->iargs = bytes.at, l->n_iargs = bytes.n;
    l->syms = syms.at, l->values = values.at, l->n_syms = syms.n;
    return lex_expect(x, ')');
}

static bool parse_loop(LParse *p, LStmt *l) {
    Lexer *x = p->k.lex;
    if (!(l->sym = parse_sym(p))) return false;
    if (lex_accept(x, '<') && !lparse_expr(p, DT_INDEX, &l->hi)) return false;
    if (lex_accept_word(x, "while") &&
        (!lex_expect(x, '(') || !lparse_expr(p, DT_BOOL, &l->cond) || !lex_expect(x, ')')))
        return false;
    if (lex_accept_word(x, "carry") && !parse_carried(p, l)) return false;
    return parse_body(p, &l->body);
}

static bool parse_buffer(LParse *p, LStmt *l) {
    Lexer *x = p->k.lex;
    const char *name, *type;
    Space space = SP_TEMP;
    if (!lex_value(x, &name) || !lex_expect(x, ':') || !lex_ident(x, &type)) return false;
    DType dtype = dtype_by_name(type);
    if (dtype == DT_NONE || dtype == DT_INDEX) return lex_error(x, "%s is no element type", type);
    if (!lex_expect(x, '[') || !lparse_expr(p, DT_INDEX, &l->hi)) return false;
    if (!lex_expect(x, ']') || !parse_space(p, &space)) return false;
    l->lo = expr_int(p->k.ctx, 0);
    if (lex_accept_word(x, "at") && !lparse_expr(p, DT_INDEX, &l->lo)) return false;
    if (map_get(p->k.tensors, name)) return lex_error(x, "%%%s is declared twice", name);
    l->tensor = tensor_new(p->k.ctx, name, dtype, &l->hi, 1, space);
    map_set(p->k.tensors, name, l->tensor);
    return true;
}

static bool parse_store(LParse *p, LStmt *l) {
    Lexer *x = p->k.lex;
    if (!(l->tensor = kparse_tensor_ref(&p->k))) return false;
    if (!lex_expect(x, '[') || !lparse_expr(p, DT_INDEX, &l->index)) return false;
    if (!lex_expect(x, ']') || !lex_expect(x, '=')) return false;
    return (l->value = kparse_value(&p->k, l->tensor->dtype)) != NULL;
}

static bool parse_args(LParse *p, LStmt *l) {
    Lexer *x = p->k.lex;
    VEC(Tensor *) args = {0};
    VEC(Expr *) iargs = {0};
    if (!lex_expect(x, '(')) return false;
    while (lex_at(x, TOK_VALUE)) {
        Tensor *t = kparse_tensor_ref(&p->k);
        if (!t) return false;
        vec_push(p->k.ctx->perm, &args, t);
        if (!lex_accept(x, ',')) break;
    }
    if (lex_accept(x, ';')) {
        do {
            Expr *e;
            if (!lparse_expr(p, DT_INDEX, &e)) return false;
            vec_push(p->k.ctx->perm, &iargs, e);
        } while (lex_accept(x, ','));
    }
    l->args = args.at, l->n_args = args.n;
    l->iargs = iargs.at, l->n_iargs = iargs.n;
    return lex_expect(x, ')');
}

static bool parse_id(LParse *p, LStmt *l) {
    int64_t id;
    if (!lex_expect_word(p->k.lex, "id") || !lex_int(p->k.lex, &id)) return false;
    l->id = (int)id;
    return true;
}

static bool parse_launch(LParse *p, LStmt *l) {
    Lexer *x = p->k.lex;
    const char *name;
    if (!lex_ident(x, &name)) return false;
    if (!(l->func = map_get(p->funcs, name)))
        return lex_error(x, "no kernel has the name %s", name);
    if (!parse_args(p, l) || !lex_expect_word(x, "over") || !lparse_expr(p, DT_INDEX, &l->hi))
        return false;
    if (!lex_expect_word(x, "scratch") || !lparse_expr(p, DT_INDEX, &l->lo)) return false;
    return parse_id(p, l);
}

static bool parse_call(LParse *p, LStmt *l) {
    const char *name;
    if (!lex_ident(p->k.lex, &name) || !parse_args(p, l)) return false;
    l->name = arena_str(p->k.ctx->perm, name);
    return parse_id(p, l);
}

static bool parse_place(LParse *p, LStmt *l) {
    if (!parse_args(p, l) || !lex_expect_word(p->k.lex, "from")) return false;
    return lparse_expr(p, DT_INDEX, &l->lo) && parse_id(p, l);
}

static bool parse_bind(LParse *p, LStmt *l) {
    Lexer *x = p->k.lex;
    if (!(l->sym = parse_sym(p)) || !lex_expect(x, '=')) return false;
    if (!lex_at(x, TOK_VALUE)) return lparse_expr(p, DT_INDEX, &l->value) && parse_id(p, l);
    if (!(l->tensor = kparse_tensor_ref(&p->k)) || !lex_expect(x, '[')) return false;
    return lparse_expr(p, DT_INDEX, &l->lo) && lex_expect(x, ']') && parse_id(p, l);
}

static bool parse_require(LParse *p, LStmt *l) {
    Require r;
    if (!require_parse(p->k.ctx, p->k.lex, &p->k.scope, &r)) return false;
    l->cond = r.cond;
    l->name = r.text;
    return parse_id(p, l);
}

static bool parse_swap(LParse *p, LStmt *l) {
    l->args = NEW_ARRAY(p->k.ctx->perm, Tensor *, 2);
    l->n_args = 2;
    if (!(l->args[0] = kparse_tensor_ref(&p->k)) || !lex_expect(p->k.lex, ',')) return false;
    return (l->args[1] = kparse_tensor_ref(&p->k)) != NULL;
}

static bool parse_element(LParse *p, Tensor **t, Expr **index) {
    if (!(*t = kparse_tensor_ref(&p->k)) || !lex_expect(p->k.lex, '[')) return false;
    return lparse_expr(p, DT_INDEX, index) && lex_expect(p->k.lex, ']');
}

static bool parse_combine(LParse *p, LStmt *l) {
    Lexer *x = p->k.lex;
    const char *name;
    l->prefix = lex_accept_word(x, "prefix");
    int op = kparse_word(x, reduce_names, RED_SET);
    if (op < 0) return lex_error(x, "expected sum, prod, max, min, argmax, argmin, any or all");
    l->red = (Reduce)op;
    l->last = lex_accept_word(x, "last");
    if (!parse_element(p, &l->tensor, &l->index)) return false;
    if (lex_accept(x, ',')) {
        l->args = NEW_ARRAY(p->k.ctx->perm, Tensor *, 1);
        l->iargs = NEW_ARRAY(p->k.ctx->perm, Expr *, 1);
        l->n_args = l->n_iargs = 1;
        if (!parse_element(p, &l->args[0], &l->iargs[0])) return false;
    }
    if (!lex_expect_word(x, "over") || !lex_ident(x, &name)) return false;
    l->var = map_get(p->vars, name);
    return l->var || lex_error(x, "no loop has the variable %s", name);
}

/* copy %a -> %b bytes E; of an input or output: copy %x device bytes E, copy %y host bytes E */
static bool parse_copy(LParse *p, LStmt *l) {
    Lexer *x = p->k.lex;
    l->args = NEW_ARRAY(p->k.ctx->perm, Tensor *, 2);
    l->n_args = 2;
    if (!(l->args[0] = l->args[1] = kparse_tensor_ref(&p->k))) return false;
    if (lex_accept(x, TOK_ARROW)) {
        if (!(l->args[1] = kparse_tensor_ref(&p->k))) return false;
        l->device = l->args[1]->device;
    } else if (!(l->device = lex_accept_word(x, "device")) && !lex_expect_word(x, "host")) {
        return false;
    }
    return lex_expect_word(x, "bytes") && lparse_expr(p, DT_INDEX, &l->hi) && parse_id(p, l);
}

static bool parse_stream(LParse *p, LStmt *l) {
    int64_t n;
    for (int i = 0; i <= ACT_JOIN; i++) {
        if (!lex_accept_word(p->k.lex, stream_acts[i])) continue;
        l->stream = (StreamAct)i;
        if (!lex_int(p->k.lex, &n)) return false;
        l->id = (int)n;
        return true;
    }
    return lex_error(p->k.lex, "expected fork, use, wait, event or join");
}

static bool parse_stmt(LParse *p, LBody *body) {
    static const struct {
        const char *word;
        LKind kind;
        bool (*parse)(LParse *, LStmt *);
    } forms[] = {
        {"for", L_FOR, parse_for},          {"if", L_IF, parse_if},
        {"buffer", L_BUFFER, parse_buffer}, {"launch", L_LAUNCH, parse_launch},
        {"call", L_CALL, parse_call},       {"bind", L_BIND, parse_bind},
        {"loop", L_LOOP, parse_loop},       {"swap", L_SWAP, parse_swap},
        {"barrier", L_BARRIER, NULL},       {"place", L_PLACE, parse_place},
        {"require", L_REQUIRE, parse_require}, {"combine", L_COMBINE, parse_combine},
        {"copy", L_COPY, parse_copy},       {"stream", L_STREAM, parse_stream},
        {"async", L_ASYNC, lparse_leaf},    {"commit", L_COMMIT, lparse_leaf},
        {"wait", L_WAIT, lparse_leaf},      {"fragment", L_FRAGMENT, lparse_leaf},
        {"mma", L_MMA, lparse_leaf},        {"products", L_PRODUCTS, lparse_group},
        {"products_wait", L_PRODUCTS_WAIT, lparse_group},
        {"bulk", L_BULK, lparse_bulk},      {"bulk_wait", L_BULK_WAIT, lparse_bulk},
        {"box", L_BOX, lparse_bulk},
    };
    bool device = lex_accept_word(p->k.lex, "device");
    for (int i = 0; i < LEN(forms); i++) {
        if (!lex_accept_word(p->k.lex, forms[i].word)) continue;
        LStmt *l = lstmt_new(p->k.ctx, forms[i].kind);
        lbody_add(p->k.ctx, body, l);
        l->device = device;
        if (device && l->kind != L_LAUNCH && l->kind != L_CALL && l->kind != L_PLACE)
            return lex_error(p->k.lex, "only launches, calls and places are of the device");
        return !forms[i].parse || forms[i].parse(p, l);
    }
    if (!lex_at(p->k.lex, TOK_VALUE)) return lex_error(p->k.lex, "expected a statement");
    LStmt *l = lstmt_new(p->k.ctx, L_STORE);
    lbody_add(p->k.ctx, body, l);
    return parse_store(p, l);
}

static bool parse_body(LParse *p, LBody *body) {
    int first = body->at.n;
    bool ok = lex_expect(p->k.lex, '{') && lex_enter(p->k.lex);
    if (!ok) return false;
    while (ok && lex_ok(p->k.lex) && !lex_at(p->k.lex, '}')) ok = parse_stmt(p, body);
    lex_leave(p->k.lex);
    for (int i = first; i < body->at.n; i++)
        if (body->at.at[i]->kind == L_BUFFER && body->at.at[i]->tensor)
            map_set(p->k.tensors, body->at.at[i]->tensor->name, NULL);
    return ok && lex_expect(p->k.lex, '}');
}

/* ---- functions ---- */
static bool parse_params(LParse *p, LFunc *f) {
    Lexer *x = p->k.lex;
    const char *name, *type;
    Space space = SP_TEMP;
    if (!lex_expect(x, '(')) return false;
    while (lex_at(x, TOK_VALUE)) {
        if (!lex_value(x, &name) || !lex_expect(x, ':') || !lex_ident(x, &type)) return false;
        DType dtype = dtype_by_name(type);
        if (dtype == DT_NONE || dtype == DT_INDEX)
            return lex_error(x, "%s is no element type", type);
        if (!parse_space(p, &space)) return false;
        if (map_get(p->k.tensors, name)) return lex_error(x, "%%%s is declared twice", name);
        Tensor *t = tensor_new(p->k.ctx, name, dtype, NULL, 0, space);
        map_set(p->k.tensors, name, t);
        vec_push(p->k.ctx->perm, &f->params, t);
        if (!lex_accept(x, ',')) break;
    }
    return lex_expect(x, ')');
}

static bool parse_origins(LParse *p, LFunc *f) {
    VEC(Origin) list = {0};
    if (!lex_accept_word(p->k.lex, "loc")) return true;
    do {
        Origin o = {0};
        int64_t opset = 0;
        if (!lex_string(p->k.lex, &o.node)) return false;
        if (lex_at(p->k.lex, TOK_STRING) && !lex_string(p->k.lex, &o.op)) return false;
        if (lex_at(p->k.lex, TOK_INT) && !lex_int(p->k.lex, &opset)) return false;
        o.opset = (int)opset;
        vec_push(p->k.ctx->perm, &list, o);
    } while (lex_accept(p->k.lex, ','));
    f->origin = list.at;
    f->n_origin = list.n;
    return true;
}

static bool parse_kernel_head(LParse *p, LFunc *f) {
    Lexer *x = p->k.lex;
    if (!parse_params(p, f)) return false;
    if (lex_accept_word(x, "parallel") && !lparse_expr(p, DT_INDEX, &f->parallel)) return false;
    if (lex_accept_word(x, "scratch") && !lparse_expr(p, DT_INDEX, &f->scratch)) return false;
    f->may_fault = lex_accept_word(x, "fault");
    f->lo->extent = f->parallel;
    f->hi->extent = expr_addi(p->k.ctx, f->parallel, 1);
    map_set(p->vars, f->lo->name, f->lo);
    map_set(p->vars, f->hi->name, f->hi);
    return true;
}

static bool parse_func(LParse *p) {
    Lexer *x = p->k.lex;
    const char *name;
    if (!lex_ident(x, &name)) return false;
    bool host = lex_accept_word(x, "host");
    bool device = !host && lex_accept_word(x, "device");
    if (!host && !lex_expect_word(x, "kernel")) return false;
    LFunc *f = p->func = lfunc_new(p->k.ctx, host ? LF_HOST : LF_KERNEL, name);
    f->device = device;
    p->vars = map_new(p->k.ctx->perm);
    p->k.tensors = host ? p->host : map_new(p->k.ctx->perm);
    if (!host) {
        if (map_get(p->funcs, name)) return lex_error(x, "function %s is declared twice", name);
        map_set(p->funcs, name, f);
        vec_push(p->k.ctx->perm, &p->loops->kernels, f);
        if (!parse_kernel_head(p, f)) return false;
    } else if (!strcmp(name, "bind")) {
        p->loops->bind = f;
    } else if (!strcmp(name, "run")) {
        p->loops->run = f;
    } else {
        return lex_error(x, "the host functions are bind and run");
    }
    return parse_origins(p, f) && parse_body(p, &f->body);
}

/* ---- the whole ---- */
static bool parse_where(LParse *p) {
    int64_t n = 0;
    do {
        Sym *y = sym_parse(p->k.ctx, p->k.lex, &p->k.scope);
        int64_t slot = n++;
        if (!y || (lex_accept_word(p->k.lex, "slot") && !lex_int(p->k.lex, &slot))) return false;
        y->slot = (int)slot;
        map_set(p->k.syms, y->name, y);
    } while (lex_accept(p->k.lex, ','));
    return true;
}

static bool parse_host_tensor(LParse *p) {
    Space space = SP_TEMP;
    int64_t slot;
    if (!parse_space(p, &space) || !lex_int(p->k.lex, &slot)) return false;
    p->k.tensors = p->host;
    Tensor *t = kparse_tensor(&p->k, space);
    if (t) t->slot = (int)slot;
    return t != NULL;
}

Loops *loops_parse(Ctx *ctx, Lexer *x) {
    const char *name;
    if (!lex_expect_word(x, "loops") || !lex_name(x, &name)) return NULL;
    Loops *l = NEW(ctx->perm, Loops);
    l->ctx = ctx;
    l->name = arena_str(ctx->perm, name);
    LParse p = {.k = {.ctx = ctx, .lex = x, .program = program_new(ctx, name)}, .loops = l};
    p.k.syms = map_new(ctx->perm);
    p.host = p.k.tensors = map_new(ctx->perm);
    p.funcs = map_new(ctx->perm);
    p.k.scope = (ExprScope){find_var, find_sym, find_tensor, &p};
    if (lex_accept_word(x, "where") && !parse_where(&p)) return NULL;
    if (!lex_expect(x, '{')) return NULL;
    while (lex_ok(x) && !lex_at(x, '}'))
        if (!(lex_accept_word(x, "func") ? parse_func(&p) : parse_host_tensor(&p))) return NULL;
    return lex_expect(x, '}') && lex_ok(x) ? l : NULL;
}
