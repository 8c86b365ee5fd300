/* Parses a program of kernels: declarations and symbols. Items are in kernel_parse_item.c,
 * statements in kernel_parse_stmt.c, hows in kernel_parse_how.c. */
#include "ir/kernel_internal.h"

#include <stdlib.h>

/* ---- names ---- */

static Var *find_var(void *user, const char *name) {
    KParse *p = user;
    Var *v = p->how_vars ? map_get(p->how_vars, name) : NULL;
    if (!v && p->vars) v = map_get(p->vars, name);
    return v;
}

/* Types of parameters stand in front of the where clause: until it was read, symbols of which
 * nothing is known stand for those that it declares. */
static Sym *find_sym(void *user, const char *name) {
    KParse *p = user;
    Sym *y = map_get(p->in_params ? p->early : p->syms, name);
    if (y || !p->in_params) return y;
    y = sym_new(p->ctx, SYM_INPUT, name, INT64_MIN, INT64_MAX);
    map_set(p->early, name, y);
    return y;
}

static Tensor *find_tensor(void *user, const char *name) {
    KParse *p = user;
    Tensor *t = p->lets ? map_get(p->lets, name) : NULL;
    return t ? t : map_get(p->tensors, name);
}

Expr *kparse_expr(KParse *p, DType want) {
    return expr_parse(p->ctx, p->lex, &p->scope, want);
}

Expr *kparse_index(KParse *p) {
    return kparse_expr(p, DT_INDEX);
}

Var *kparse_var(KParse *p, const Tok *at) {
    Var *v = at->kind == TOK_IDENT ? find_var(p, at->s) : NULL;
    if (!v) lex_error_at(p->lex, at, "expected a variable of this kernel");
    return v;
}

Tensor *kparse_tensor_ref(KParse *p) {
    Tok at = *lex_peek(p->lex);
    const char *name;
    if (!lex_value(p->lex, &name)) return NULL;
    Tensor *t = map_get(p->tensors, name);
    if (!t) lex_error_at(p->lex, &at, "no tensor has this name");
    return t;
}

int kparse_word(Lexer *x, const char *const *words, int n) {
    for (int i = 0; i < n; i++)
        if (lex_accept_word(x, words[i])) return i;
    return -1;
}

/* ---- tensors ---- */

/* `%32`, which the lexer takes for a name. */
static bool parse_mod(KParse *p, int64_t *mod) {
    const char *digits;
    if (!lex_at(p->lex, TOK_VALUE)) return true;
    lex_value(p->lex, &digits);
    char *end;
    *mod = strtoll(digits, &end, 10);
    return !*end || lex_error(p->lex, "expected a number behind %%");
}

bool kparse_layout(KParse *p, int rank, Layout **out) {
    Layout *l = NEW(p->ctx->perm, Layout);
    if (!lex_expect(p->lex, '[')) return false;
    while (!lex_at(p->lex, ']') && lex_ok(p->lex)) {
        int64_t dim, div = 1, mod = 0;
        if (!lex_int(p->lex, &dim)) return false;
        if (lex_accept(p->lex, '/') && !lex_int(p->lex, &div)) return false;
        if (!parse_mod(p, &mod)) return false;
        if (dim < 0 || dim >= rank)
            return lex_error(p->lex, "the tensor has no dimension %lld", (long long)dim);
        if (div < 1 || mod < 0 || l->n == MAX_RANK) return lex_error(p->lex, "not a layout");
        l->at[l->n++] = (LayoutDim){(int)dim, div, mod};
        if (!lex_accept(p->lex, ',')) break;
    }
    *out = l;
    return lex_expect(p->lex, ']');
}

static bool parse_dims(KParse *p, Expr **dims, int *rank) {
    *rank = 0;
    if (!lex_expect(p->lex, '[')) return false;
    while (!lex_at(p->lex, ']') && lex_ok(p->lex)) {
        if (*rank == MAX_RANK) return lex_error(p->lex, "more than %d dimensions", MAX_RANK);
        if (!(dims[(*rank)++] = kparse_index(p))) return false;
        if (!lex_accept(p->lex, ',')) break;
    }
    return lex_expect(p->lex, ']');
}

static bool parse_type(KParse *p, DType *dtype, Expr **dims, int *rank) {
    Tok at = *lex_peek(p->lex);
    const char *type;
    if (!lex_ident(p->lex, &type)) return false;
    *dtype = dtype_by_name(type);
    if (*dtype == DT_NONE || *dtype == DT_INDEX)
        return lex_error_at(p->lex, &at, "%s is no element type", type);
    return parse_dims(p, dims, rank);
}

static bool parse_outer(KParse *p, Tensor *t) {
    DType dtype;
    Expr *dims[MAX_RANK];
    int rank;
    if (!parse_type(p, &dtype, dims, &rank)) return false;
    Type type = type_make(dtype, dims, rank);
    t->outer = arena_copy(p->ctx->perm, &type, sizeof type);
    return true;
}

/* On a line of its own, `device` begins a kernel or call. */
static bool accept_device(KParse *p, int line) {
    return lex_peek(p->lex)->line == line && lex_accept_word(p->lex, "device");
}

static bool parse_suffixes(KParse *p, Tensor *t, int line) {
    if (lex_accept_word(p->lex, "layout") && !kparse_layout(p, t->rank, &t->layout)) return false;
    int64_t bits = 0;
    if (lex_accept_word(p->lex, "packed") && !lex_int(p->lex, &bits)) return false;
    t->packed = (int)MIN(bits, 8);
    if (lex_accept_word(p->lex, "alias") && !(t->alias = kparse_tensor_ref(p))) return false;
    t->state = lex_accept_word(p->lex, "state");
    t->device = accept_device(p, line);
    return !lex_accept_word(p->lex, "as") || parse_outer(p, t);
}

Tensor *kparse_tensor(KParse *p, Space space) {
    Tok at = *lex_peek(p->lex);
    const char *name;
    DType dtype;
    Expr *dims[MAX_RANK];
    int rank;
    if (!lex_value(p->lex, &name) || !lex_expect(p->lex, ':')) return NULL;
    if (map_get(p->tensors, name)) return lex_error_at(p->lex, &at, "this name is taken"), NULL;
    if (!parse_type(p, &dtype, dims, &rank)) return NULL;
    Tensor *t = tensor_new(p->ctx, name, dtype, dims, rank, space);
    map_set(p->tensors, name, t);
    program_name(p->program, name);
    return parse_suffixes(p, t, at.line) ? t : NULL;
}

static bool parse_params(KParse *p, Space space) {
    if (!lex_expect(p->lex, '(')) return false;
    while (!lex_at(p->lex, ')') && lex_ok(p->lex)) {
        Tensor *t = kparse_tensor(p, space);
        if (!t) return false;
        if (space == SP_INPUT) {
            t->slot = p->program->inputs.n;
            vec_push(p->ctx->perm, &p->program->inputs, t);
        } else {
            t->slot = p->program->outputs.n;
            vec_push(p->ctx->perm, &p->program->outputs, t);
        }
        if (!lex_accept(p->lex, ',')) break;
    }
    return lex_expect(p->lex, ')');
}

static Const *parse_payload(KParse *p, const Tensor *t) {
    Type type = type_make(t->dtype, t->dims, t->rank);
    int64_t elements;
    if (!type_static(&type, &elements))
        return lex_error(p->lex, "a constant has a fixed size"), NULL;
    return const_parse(p->ctx, p->lex, t->dtype, elements, p->find_blob, p->blob_user);
}

static bool parse_declarations(KParse *p) {
    for (;;) {
        Tensor *t;
        if (lex_accept_word(p->lex, "const")) {
            if (!(t = kparse_tensor(p, SP_CONST)) || !lex_expect(p->lex, '=')) return false;
            if (!(t->data = parse_payload(p, t))) return false;
            vec_push(p->ctx->perm, &p->program->consts, t);
        } else if (lex_accept_word(p->lex, "tensor")) {
            if (!(t = kparse_tensor(p, SP_ARENA))) return false;
            vec_push(p->ctx->perm, &p->program->tensors, t);
        } else if (lex_accept_word(p->lex, "require")) {
            Require r;
            if (!require_parse(p->ctx, p->lex, &p->scope, &r)) return false;
            vec_push(p->ctx->perm, &p->program->requires, r);
        } else {
            return true;
        }
    }
}

/* ---- the program ---- */

static bool parse_bounds(KParse *p, int64_t *lo, int64_t *hi) {
    *hi = INT64_MAX;
    if (!lex_expect_word(p->lex, "in") || !lex_int(p->lex, lo)) return false;
    if (!lex_expect(p->lex, TOK_RANGE)) return false;
    bool bounded = lex_at(p->lex, TOK_INT) || lex_at(p->lex, '-');
    return !bounded || lex_int(p->lex, hi);
}

static Sym *declare_sym(KParse *p, SymKind kind, const char *name, int64_t lo, int64_t hi) {
    Sym *y = sym_new(p->ctx, kind, name, lo, hi);
    map_set(p->syms, name, y);
    vec_push(p->ctx->perm, &p->program->syms, y);
    return y;
}

static bool parse_sym(KParse *p) {
    SymKind kind = SYM_INPUT;
    const Tok *then = lex_peek2(p->lex);
    bool marked = then->kind == TOK_IDENT && strcmp(then->s, "in");
    if (marked && lex_accept_word(p->lex, "value")) kind = SYM_VALUE;
    else if (marked && lex_accept_word(p->lex, "derived")) kind = SYM_DERIVED;
    const char *name;
    int64_t lo, hi;
    if (!lex_ident(p->lex, &name)) return false;
    if (map_get(p->syms, name)) return lex_error(p->lex, "symbol %s is declared twice", name);
    if (!parse_bounds(p, &lo, &hi)) return false;
    Sym *y = declare_sym(p, kind, name, lo, hi);
    return !lex_accept(p->lex, '=') || (y->def = kparse_index(p)) != NULL;
}

static bool parse_where(KParse *p) {
    do {
        if (!parse_sym(p)) return false;
    } while (lex_accept(p->lex, ','));
    return true;
}

/* The declared symbol in place of its stand-in; what no clause declares is an input dimension
 * without bounds. */
static Expr *settle(void *user, Expr *e) {
    KParse *p = user;
    if (e->kind != E_SYM) return e;
    Sym *y = map_get(p->syms, e->sym->name);
    if (!y) y = declare_sym(p, SYM_INPUT, e->sym->name, 0, INT64_MAX);
    return expr_sym(p->ctx, y);
}

static void settle_params(KParse *p, Tensor *const *list, int n) {
    for (int i = 0; i < n; i++) {
        Type *outer = list[i]->outer;
        for (int d = 0; d < list[i]->rank; d++)
            list[i]->dims[d] = expr_rewrite(p->ctx, list[i]->dims[d], settle, p);
        for (int d = 0; outer && d < outer->rank; d++)
            outer->dims[d] = expr_rewrite(p->ctx, outer->dims[d], settle, p);
    }
}

static bool parse_header(KParse *p) {
    p->in_params = true;
    if (!parse_params(p, SP_INPUT) || !lex_expect(p->lex, TOK_ARROW) || !parse_params(p, SP_OUTPUT))
        return false;
    p->in_params = false;
    if (lex_accept_word(p->lex, "where") && !parse_where(p)) return false;
    settle_params(p, p->program->inputs.at, p->program->inputs.n);
    settle_params(p, p->program->outputs.at, p->program->outputs.n);
    return true;
}

Program *program_parse(Ctx *ctx, Lexer *lex) {
    return program_parse_blobs(ctx, lex, NULL, NULL);
}

Program *program_parse_blobs(Ctx *ctx, Lexer *lex, BlobFn find, void *user) {
    const char *name;
    if (!lex_expect_word(lex, "program") || !lex_name(lex, &name)) return NULL;
    KParse p = {.ctx = ctx,
                .lex = lex,
                .program = program_new(ctx, name),
                .find_blob = find,
                .blob_user = user};
    p.syms = map_new(ctx->perm);
    p.early = map_new(ctx->perm);
    p.tensors = map_new(ctx->perm);
    p.scope = (ExprScope){find_var, find_sym, find_tensor, &p};
    bool ok = parse_header(&p) && lex_expect(lex, '{') && parse_declarations(&p) &&
              kparse_items(&p, p.program->body);
    return ok && lex_ok(lex) ? p.program : NULL;
}
