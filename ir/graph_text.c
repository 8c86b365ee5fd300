/* The text of constants and symbols, the same in graphs and programs.
 *
 *   payloads   0.5   [1,2,3]   splat 0.5   rand(7)   blob 9f1c33aa5c0d1e2f 1728
 *   symbols    N in 1..1024   M in 1..   value n in 0..64   derived H in 0.. = N * 2 */
#include "ir/graph_text.h"

/* ---- constants ---- */

static void print_element(Str *s, const Const *c, int64_t i) {
    if (dtype_is_float(c->dtype)) str_float(s, const_get(c, i), c->dtype != DT_F64);
    else if (c->dtype == DT_STR) {
        StrElement e = const_string(c, i);
        str_char(s, '"');
        str_escape(s, e.data, e.size, e.size);
        str_char(s, '"');
    } else if (c->dtype == DT_BOOL) str_add(s, const_get_int(c, i) ? "true" : "false");
    else if (c->dtype == DT_U64) str_fmt(s, "%llu", (unsigned long long)const_get_int(c, i));
    else str_fmt(s, "%lld", (long long)const_get_int(c, i));
}

/* Texts of the lexer end at a NUL. */
static bool has_nul(const Const *c) {
    for (int64_t i = 0; c->dtype == DT_STR && i < (c->data ? c->elements : 1); i++) {
        StrElement e = const_string(c, i);
        if (e.size && memchr(e.data, 0, e.size)) return true;
    }
    return false;
}

void const_print(Str *s, Const *c) {
    if (c->random) {
        str_fmt(s, "rand(%llu)", (unsigned long long)c->seed);
    } else if (c->missing || (dtype_class(c->dtype) == DC_X && c->dtype != DT_STR) ||
               (c->data && c->elements > CONST_INLINE) || has_nul(c)) {
        uint64_t bytes = (uint64_t)c->elements * dtype_bytes(c->dtype);
        str_fmt(s, "blob %016llx %llu", (unsigned long long)const_hash(c),
                (unsigned long long)bytes);
    } else if (c->elements > CONST_INLINE) {
        str_add(s, "splat ");
        print_element(s, c, 0);
    } else if (c->elements == 1) {
        print_element(s, c, 0);
    } else {
        str_char(s, '[');
        for (int64_t i = 0; i < c->elements; i++) {
            if (i) str_char(s, ',');
            print_element(s, c, i);
        }
        str_char(s, ']');
    }
}

static Const *number(Ctx *ctx, Lexer *x, DType t) {
    Num v;
    const char *text;
    if (t == DT_STR) return lex_string(x, &text) ? const_strings(ctx, &text, 1) : NULL;
    if (t == DT_BOOL && lex_accept_word(x, "true")) return const_new_int(ctx, t, 1);
    if (t == DT_BOOL && lex_accept_word(x, "false")) return const_new_int(ctx, t, 0);
    if (!lex_number(x, &v)) return NULL;
    if (dtype_is_float(t)) return const_new_flt(ctx, t, t == DT_F64 ? v.f : (double)(float)v.f);
    if (v.is_float) {
        lex_error(x, "%s has no element %g", dtype_name(t), v.f);
        return NULL;
    }
    return const_new_int(ctx, t, v.negative ? (int64_t)-v.u : (int64_t)v.u);
}

static Const *listed(Ctx *ctx, Lexer *x, DType t, int64_t elements) {
    Tok at = *lex_peek(x);
    size_t bytes = dtype_bytes(t);
    char *data = arena_alloc(ctx->perm, bytes * CONST_INLINE + 1);
    int64_t n = 0;
    if (!lex_accept(x, ']')) {
        do {
            if (n == CONST_INLINE || n == elements) break;
            Const *c = number(ctx, x, t);
            if (!c) return NULL;
            memcpy(data + bytes * (size_t)n++, c->data, bytes);
        } while (lex_accept(x, ','));
        if (!lex_expect(x, ']')) return NULL;
    }
    if (n == elements) return const_new(ctx, t, n, data);
    lex_error_at(x, &at, "%lld elements, but the type has %lld", (long long)n, (long long)elements);
    return NULL;
}

static Const *blob(Ctx *ctx, Lexer *x, DType t, int64_t elements, BlobFn find, void *user) {
    uint64_t hash = 0;
    int64_t bytes = 0;
    Tok at = *lex_peek(x);
    if (!lex_hash(x, &hash) || !lex_int(x, &bytes)) return NULL;
    if ((uint64_t)bytes != (uint64_t)elements * dtype_bytes(t)) {
        lex_error_at(x, &at, "blob of %lld bytes does not fit the type", (long long)bytes);
        return NULL;
    }
    Const *c = const_new(ctx, t, elements, NULL);
    bool plain = !dtype_has_pointers(t);
    const void *data = find && plain ? find(user, hash, (uint64_t)bytes) : NULL;
    c->data = data;
    c->missing = !data;
    c->hash = hash;
    return c;
}

Const *const_parse(Ctx *ctx, Lexer *x, DType t, int64_t elements, BlobFn find, void *user) {
    if (lex_accept_word(x, "blob")) return blob(ctx, x, t, elements, find, user);
    if (lex_accept(x, '[')) return listed(ctx, x, t, elements);
    if (lex_accept_word(x, "rand")) {
        int64_t seed = 0;
        if (!lex_expect(x, '(') || !lex_int(x, &seed) || !lex_expect(x, ')')) return NULL;
        return const_random(ctx, t, elements, (uint64_t)seed);
    }
    Tok at = *lex_peek(x);
    bool splat = lex_accept_word(x, "splat");
    Const *c = number(ctx, x, t);
    if (!c || (elements == 1 && !splat)) return c;
    if (splat) return const_splat(ctx, t, elements, c->data);
    lex_error_at(x, &at, "one element, but the type has %lld", (long long)elements);
    return NULL;
}

/* ---- symbols ---- */

void sym_print(Str *s, const Sym *y) {
    if (y->kind == SYM_VALUE) str_add(s, "value ");
    if (y->kind == SYM_DERIVED) str_add(s, "derived ");
    str_fmt(s, "%s in %lld..", y->name, (long long)y->lo);
    if (y->hi != INT64_MAX) str_fmt(s, "%lld", (long long)y->hi);
    if (y->kind != SYM_DERIVED || !y->def) return;
    str_add(s, " = ");
    expr_print(s, y->def);
}

Sym *sym_parse(Ctx *ctx, Lexer *x, const ExprScope *scope) {
    SymKind kind = SYM_INPUT;
    const char *name = NULL;
    int64_t lo = 0, hi = INT64_MAX;
    bool marked = lex_peek2(x)->kind == TOK_IDENT && strcmp(lex_peek2(x)->s, "in");
    if (marked && lex_accept_word(x, "value")) kind = SYM_VALUE;
    else if (marked && lex_accept_word(x, "derived")) kind = SYM_DERIVED;
    if (!lex_ident(x, &name) || !lex_expect_word(x, "in") || !lex_int(x, &lo) ||
        !lex_expect(x, TOK_RANGE))
        return NULL;
    if ((lex_at(x, TOK_INT) || lex_at(x, '-')) && !lex_int(x, &hi)) return NULL;
    if (hi < lo) return lex_error(x, "the range of %s is empty", name), NULL;
    if (scope->sym(scope->user, name))
        return lex_error(x, "symbol %s is declared twice", name), NULL;
    Sym *y = sym_new(ctx, kind, name, lo, hi);
    if (kind != SYM_DERIVED) return y;
    if (!lex_expect(x, '=')) return NULL;
    y->def = expr_parse(ctx, x, scope, DT_INDEX);
    return y->def ? y : NULL;
}

void require_print(Str *s, const Require *r) {
    str_add(s, "  require ");
    expr_print(s, r->cond);
    str_char(s, ' ');
    str_quote(s, r->text);
    str_char(s, '\n');
}

bool require_parse(Ctx *ctx, Lexer *x, const ExprScope *scope, Require *r) {
    const char *text;
    if (!(r->cond = expr_parse(ctx, x, scope, DT_BOOL)) || !lex_string(x, &text)) return false;
    r->text = arena_str(ctx->perm, text);
    return true;
}
