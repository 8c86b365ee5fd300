/* Text to tokens; see lex.h for what a token is. The part that parsers call is lex_read.c. */
#include "ir/lex_internal.h"

#include <stdlib.h>

static bool is_digit(int c) {
    return c >= '0' && c <= '9';
}

static int hex_value(int c) {
    if (is_digit(c)) return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool is_word_start(int c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_word(int c) {
    return is_word_start(c) || is_digit(c) || c == '$';
}

static bool is_name(int c) {
    return is_word(c) || c == '.' || c == '/' || c == ':' || c == '-';
}

/* The character i places on; 0 beyond the end. */
static int look(const Lexer *x, size_t i) {
    return i < x->n - x->pos ? (unsigned char)x->text[x->pos + i] : 0;
}

static const char *intern(Lexer *x, const char *s, size_t n) {
    char *copy = arena_strn(x->ctx->perm, s, n);
    if (memchr(copy, 0, n)) return copy;
    const char *old = map_get(x->names, copy);
    if (!old) map_set(x->names, copy, copy);
    return old ? old : copy;
}

static void skip_blanks(Lexer *x) {
    for (; x->pos < x->n; x->pos++) {
        char c = x->text[x->pos];
        if (c == '#') {
            const char *end = memchr(x->text + x->pos, '\n', x->n - x->pos);
            x->pos = end ? (size_t)(end - x->text) : x->n;
            if (!end) return;
            c = '\n';
        }
        if (c == '\n') {
            x->line++;
            x->line_start = x->pos + 1;
        } else if (c != ' ' && c != '\t' && c != '\r') {
            return;
        }
    }
}

/* Bytes of the bare name i places on: maximal, without "..", not ending in . : or -. */
static size_t name_length(const Lexer *x, size_t i) {
    size_t n = 0;
    while (is_name(look(x, i + n)) && !(look(x, i + n) == '.' && look(x, i + n + 1) == '.')) n++;
    while (n && strchr(".:-", look(x, i + n - 1))) n--;
    return n;
}

static bool scan_word(Lexer *x, Tok *t) {
    size_t n = 1;
    while (is_word(look(x, n)) || (look(x, n) == '.' && is_word(look(x, n + 1)))) n++;
    t->kind = TOK_IDENT;
    t->s = intern(x, x->text + x->pos, n);
    t->n = n;
    x->pos += n;
    if (strcmp(t->s, "inf") && strcmp(t->s, "nan")) return true;
    t->kind = TOK_FLOAT;
    t->f = strtod(t->s, NULL);
    return true;
}

/* One character of a string, escapes resolved, into out; x->pos is on it. */
static bool scan_char(Lexer *x, Tok *t, Str *out) {
    int c = look(x, 0);
    if (c != '\\') {
        str_char(out, (char)c);
        x->pos++;
        return true;
    }
    int e = look(x, 1);
    if (e == 'x' && hex_value(look(x, 2)) >= 0 && hex_value(look(x, 3)) >= 0) {
        str_char(out, (char)(hex_value(look(x, 2)) * 16 + hex_value(look(x, 3))));
        x->pos += 4;
        return true;
    }
    if (!e || !strchr("ntr\"\\", e)) {
        t->column = (int)(x->pos - x->line_start) + 1;
        t->raw = x->text + x->pos;
        return lex_error_at(x, t,
                            "a backslash is followed by n, t, r, a quote, a backslash or xHH");
    }
    str_char(out, (char)(e == 'n' ? '\n' : e == 't' ? '\t' : e == 'r' ? '\r' : e));
    x->pos += 2;
    return true;
}

static bool scan_string(Lexer *x, Tok *t) {
    Str out = str_new(x->ctx->perm);
    for (x->pos++; look(x, 0) != '"';) {
        if (x->pos >= x->n || look(x, 0) == '\n')
            return lex_error_at(x, t, "the string is not closed on its line");
        if (!scan_char(x, t, &out)) return false;
    }
    x->pos++;
    t->s = intern(x, str_c(&out), out.n);
    t->n = out.n;
    if (t->kind == TOK_STRING) return true;
    if (memchr(t->s, 0, t->n)) return lex_error_at(x, t, "a name holds a NUL character");
    return true;
}

static bool scan_name(Lexer *x, Tok *t) {
    t->kind = look(x, 0) == '%' ? TOK_VALUE : TOK_AT;
    x->pos++;
    if (look(x, 0) == '"') return scan_string(x, t);
    t->n = name_length(x, 0);
    t->s = intern(x, x->text + x->pos, t->n);
    x->pos += t->n;
    return true;
}

/* Bytes of the number at the position: digits, then maybe a fraction and an exponent. */
static size_t number_length(const Lexer *x, bool hex, bool *is_float) {
    size_t n = hex ? 2 : 0;
    while (hex ? hex_value(look(x, n)) >= 0 : is_digit(look(x, n))) n++;
    if (look(x, n) == '.' && (hex ? hex_value(look(x, n + 1)) >= 0 : is_digit(look(x, n + 1)))) {
        *is_float = true;
        for (n++; hex ? hex_value(look(x, n)) >= 0 : is_digit(look(x, n));) n++;
    }
    int e = look(x, n) | 0x20, sign = look(x, n + 1) == '+' || look(x, n + 1) == '-';
    if (e == (hex ? 'p' : 'e') && is_digit(look(x, n + 1 + (size_t)sign))) {
        *is_float = true;
        for (n += 1 + (size_t)sign; is_digit(look(x, n));) n++;
    } else if (hex && *is_float) {
        return 0; /* a hexadecimal fraction needs its exponent */
    }
    return n;
}

static bool is_hash(const char *s, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (hex_value((unsigned char)s[i]) < 0 || (s[i] >= 'A' && s[i] <= 'F')) return false;
    return n == 16;
}

static bool scan_number(Lexer *x, Tok *t) {
    bool hex = look(x, 0) == '0' && (look(x, 1) | 0x20) == 'x', is_float = false;
    size_t word = 0, n = number_length(x, hex, &is_float);
    while (is_word(look(x, word))) word++;
    if (word > n || n == (hex ? 2 : 0)) {
        if (!is_hash(x->text + x->pos, word)) return lex_error_at(x, t, "this is not a number");
        t->kind = TOK_HASH;
        x->pos += word;
        return true;
    }
    const char *text = arena_strn(x->ctx->perm, x->text + x->pos, n);
    x->pos += n;
    t->kind = is_float ? TOK_FLOAT : TOK_INT;
    t->f = strtod(text, NULL);
    if (is_float) return true;
    for (const char *p = text + (hex ? 2 : 0); *p; p++) {
        unsigned digit = (unsigned)hex_value((unsigned char)*p), base = hex ? 16 : 10;
        if (t->u > (UINT64_MAX - digit) / base)
            return lex_error_at(x, t, "the integer does not fit into 64 bits");
        t->u = t->u * base + digit;
    }
    return true;
}

static bool scan_punctuation(Lexer *x, Tok *t) {
    static const struct {
        char text[3];
        int kind;
    } pairs[] = {
        {"==", TOK_EQ}, {"!=", TOK_NE},    {"<=", TOK_LE},
        {">=", TOK_GE}, {"->", TOK_ARROW}, {"..", TOK_RANGE},
    };
    int c = look(x, 0), d = look(x, 1);
    for (int i = 0; i < LEN(pairs); i++) {
        if (c != pairs[i].text[0] || d != pairs[i].text[1]) continue;
        t->kind = pairs[i].kind;
        x->pos += 2;
        return true;
    }
    if (!c || !strchr("()[]{}<>,:;=+-*/%!&|^", c)) {
        bool printable = c > 0x20 && c < 0x7f;
        return lex_error_at(x, t,
                            printable ? "unexpected character '%c'" : "unexpected byte 0x%02x", c);
    }
    t->kind = c;
    x->pos++;
    return true;
}

static bool scan(Lexer *x, Tok *t) {
    int c = look(x, 0), d = look(x, 1);
    if (is_word_start(c)) return scan_word(x, t);
    if (is_digit(c)) return scan_number(x, t);
    if (c == '"') {
        t->kind = TOK_STRING;
        return scan_string(x, t);
    }
    if ((c == '%' || c == '@') && (d == '"' || name_length(x, 1))) return scan_name(x, t);
    return scan_punctuation(x, t);
}

Tok lex_scan(Lexer *x) {
    skip_blanks(x);
    Tok t = {.line = x->line, .column = (int)(x->pos - x->line_start) + 1, .s = ""};
    t.raw = x->text + x->pos;
    size_t start = x->pos;
    if (x->failed || x->pos >= x->n) return t;
    if (!scan(x, &t)) return (Tok){.line = t.line, .column = t.column, .s = "", .raw = t.raw};
    t.n_raw = x->pos - start;
    return t;
}

/* ---- printing names ---- */

static void print_name(Str *out, char sigil, const char *name) {
    size_t n = strlen(name);
    Lexer x = {.text = name, .n = n};
    str_char(out, sigil);
    if (n && name_length(&x, 0) == n) str_add(out, name);
    else str_quote(out, name);
}

void print_value(Str *out, const char *name) {
    print_name(out, '%', name);
}

void print_at(Str *out, const char *name) {
    print_name(out, '@', name);
}
