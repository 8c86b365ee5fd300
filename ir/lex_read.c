/* What parsers call: lookahead, "expected X, found Y", and the message with its source line and
 * caret. */
#include "ir/lex_internal.h"

enum { MAX_DEPTH = 256, SNIPPET = 96 };

Lexer *lex_open(Ctx *ctx, const char *file, const char *text, size_t n) {
    Lexer *x = NEW(ctx->perm, Lexer);
    *x = (Lexer){.ctx = ctx, .file = file, .text = text, .n = n, .line = 1};
    x->names = map_new(ctx->perm);
    return x;
}

Ctx *lex_ctx(const Lexer *x) {
    return x->ctx;
}

bool lex_ok(const Lexer *x) {
    return !x->failed;
}

static const Tok *fill(Lexer *x, int n) {
    while (x->n_ahead < n) {
        Tok t = lex_scan(x);
        if (x->failed) t.kind = TOK_END;
        x->ahead[x->n_ahead++] = t;
    }
    return &x->ahead[n - 1];
}

const Tok *lex_peek(Lexer *x) {
    return fill(x, 1);
}

const Tok *lex_peek2(Lexer *x) {
    return fill(x, 2);
}

Tok lex_next(Lexer *x) {
    Tok t = *lex_peek(x);
    x->ahead[0] = x->ahead[1];
    x->n_ahead--;
    return t;
}

bool lex_at(Lexer *x, int kind) {
    return lex_peek(x)->kind == kind && !x->failed;
}

bool lex_at_word(Lexer *x, const char *word) {
    return lex_at(x, TOK_IDENT) && !strcmp(lex_peek(x)->s, word);
}

bool lex_accept(Lexer *x, int kind) {
    if (!lex_at(x, kind)) return false;
    lex_next(x);
    return true;
}

bool lex_accept_word(Lexer *x, const char *word) {
    if (!lex_at_word(x, word)) return false;
    lex_next(x);
    return true;
}

/* ---- messages ---- */

/* The line that holds the token, at most SNIPPET bytes around it, and a caret. What is not ASCII
 * shows as ?. */
static void show_line(Lexer *x, const Tok *t) {
    const char *from = t->raw - (t->column - 1), *limit = x->text + x->n, *to = t->raw;
    while (to < limit && *to != '\n') to++;
    if (t->raw - from > SNIPPET / 2) from = t->raw - SNIPPET / 2;
    if (to - from > SNIPPET) to = from + SNIPPET;
    Str out = str_new(x->ctx->perm);
    str_add(&out, "    ");
    for (const char *p = from; p < to; p++)
        str_char(&out, *p == '\t' || *p == '\r' ? ' ' : *p >= 0x20 && *p < 0x7f ? *p : '?');
    str_fmt(&out, "\n    %*s^\n", (int)(t->raw - from), "");
    diag_lines(x->ctx, str_c(&out));
}

static bool verror(Lexer *x, const Tok *t, const char *fmt, va_list ap) {
    if (x->failed) return false;
    Loc loc = {.file = x->file, .line = t->line, .column = t->column};
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    CHECK(n >= 0);
    char *text = arena_alloc(x->ctx->perm, (size_t)n + 1);
    vsnprintf(text, (size_t)n + 1, fmt, ap);
    diag_error(x->ctx, &loc, "%s", text);
    show_line(x, t);
    x->failed = true;
    x->n_ahead = 0;
    return false;
}

bool lex_error_at(Lexer *x, const Tok *t, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    verror(x, t, fmt, ap);
    va_end(ap);
    return false;
}

bool lex_error(Lexer *x, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    verror(x, lex_peek(x), fmt, ap);
    va_end(ap);
    return false;
}

Loc lex_loc(Lexer *x) {
    const Tok *t = lex_peek(x);
    return (Loc){.file = x->file, .line = t->line, .column = t->column};
}

static const char *describe(Lexer *x, int kind) {
    static const char *const names[] = {
        "a name", "a %name", "a @name", "an integer", "a number", "a string", "a hash",
        "'=='",   "'!='",    "'<='",    "'>='",       "'->'",     "'..'",
    };
    if (kind == TOK_END) return "the end of the text";
    if (kind >= TOK_IDENT) return names[kind - TOK_IDENT];
    return arena_printf(x->ctx->perm, "'%c'", kind);
}

static bool unexpected(Lexer *x, const char *wanted) {
    const Tok *t = lex_peek(x);
    if (t->kind == TOK_END) return lex_error(x, "expected %s, found the end of the text", wanted);
    const char *found = diag_name(x->ctx, arena_strn(x->ctx->perm, t->raw, t->n_raw));
    return lex_error(x, "expected %s, found '%s'", wanted, found);
}

/* ---- what parsers take ---- */

bool lex_expect(Lexer *x, int kind) {
    return (lex_accept(x, kind) || unexpected(x, describe(x, kind))) && !x->failed;
}

bool lex_expect_word(Lexer *x, const char *word) {
    return lex_accept_word(x, word) || unexpected(x, arena_printf(x->ctx->perm, "'%s'", word));
}

static bool take_text(Lexer *x, int kind, const char **out) {
    if (!lex_at(x, kind)) return unexpected(x, describe(x, kind));
    *out = lex_next(x).s;
    return true;
}

bool lex_ident(Lexer *x, const char **out) {
    return take_text(x, TOK_IDENT, out);
}

bool lex_value(Lexer *x, const char **out) {
    return take_text(x, TOK_VALUE, out);
}

bool lex_string(Lexer *x, const char **out) {
    return take_text(x, TOK_STRING, out);
}

bool lex_name(Lexer *x, const char **out) {
    return take_text(x, lex_at(x, TOK_STRING) ? TOK_STRING : TOK_IDENT, out);
}

bool lex_number(Lexer *x, Num *out) {
    bool negative = lex_accept(x, '-');
    if (!lex_at(x, TOK_INT) && !lex_at(x, TOK_FLOAT)) return unexpected(x, "a number");
    Tok t = lex_next(x);
    *out = (Num){.is_float = t.kind == TOK_FLOAT, .negative = negative, .u = t.u, .f = t.f};
    if (negative) out->f = -t.f;
    return true;
}

bool lex_int(Lexer *x, int64_t *out) {
    bool negative = lex_accept(x, '-');
    if (!lex_at(x, TOK_INT)) return unexpected(x, "an integer");
    uint64_t u = lex_peek(x)->u;
    if (u > (uint64_t)INT64_MAX + negative)
        return lex_error(x, "the integer does not fit into 64 bits with a sign");
    lex_next(x);
    *out = negative ? (int64_t)(0 - u) : (int64_t)u;
    return true;
}

bool lex_hash(Lexer *x, uint64_t *out) {
    const Tok *t = lex_peek(x);
    bool prefixed = t->kind == TOK_INT && t->n_raw > 2 && t->raw[1] == 'x';
    uint64_t u = 0;
    for (size_t i = 0; i < t->n_raw && !prefixed; i++) {
        const char *digits = "0123456789abcdef", *at = strchr(digits, t->raw[i]);
        if (!at || t->n_raw != 16) return unexpected(x, "a hash of 16 hexadecimal digits");
        u = u << 4 | (uint64_t)(at - digits);
    }
    if (x->failed || t->kind == TOK_END) return unexpected(x, "a hash of 16 hexadecimal digits");
    *out = prefixed ? t->u : u;
    lex_next(x);
    return true;
}

bool lex_enter(Lexer *x) {
    if (x->failed) return false;
    if (x->depth >= MAX_DEPTH) return lex_error(x, "nested more than %d levels deep", MAX_DEPTH);
    x->depth++;
    return true;
}

void lex_leave(Lexer *x) {
    x->depth--;
}
