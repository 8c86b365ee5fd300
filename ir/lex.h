/* The one lexer of all textual IRs: graphs, kernels, loops, plans and decisions.
 *
 *   identifiers   [A-Za-z_][A-Za-z0-9_$]*, and single dots between such characters: o.0, in.x
 *   %names        % and [A-Za-z0-9_./$:-]+, or %"any text". A bare name holds no ".." and does not
 *                 end in . : or -, so that %x: and %n..4 and %x->y read as expected; print_value()
 *                 quotes where it must
 *   @names        like %names
 *   integers      decimal or 0x hexadecimal, below 2^64; a sign is its own token (lex_int joins it)
 *   hashes        16 lower-case hexadecimal digits (or 0x...), where lex_hash asks for one
 *   floats        1.0  1e-5  2.5e+10  0x1.8p3  inf  nan; a digit stands on each side of the dot, so
 *                 that 0..4 is a range
 *   strings       "..." with \n \t \r \" \\ \xHH, on one line
 *   punctuation   ( ) [ ] { } < > , : ; = + - * / % ! & | ^   and   == != <= >= -> ..
 *   comments      # to the end of the line
 *
 * % is an operator only where neither a name nor a quote follows: write `a % b`, never `a %b`.
 *
 * The first error is printed with the source line and a caret, and sticks: from then on every token
 * is TOK_END, every lex_ function that can fail returns false, and no other error is printed. So a
 * parser may test once, at the end. */
#ifndef ONNXCC_IR_LEX_H
#define ONNXCC_IR_LEX_H

#include "ir/base.h"

/* Single-character punctuation is its own character code: lex_accept(x, '('). */
enum {
    TOK_END = 0,
    TOK_IDENT = 256,
    TOK_VALUE, /* %name */
    TOK_AT,    /* @name */
    TOK_INT,
    TOK_FLOAT,
    TOK_STRING,
    TOK_HASH,  /* 16 hexadecimal digits that are no number; ask by lex_hash */
    TOK_EQ,    /* == */
    TOK_NE,    /* != */
    TOK_LE,    /* <= */
    TOK_GE,    /* >= */
    TOK_ARROW, /* -> */
    TOK_RANGE, /* .. */
};

typedef struct Tok {
    int kind;
    int line, column; /* from 1; columns count bytes */
    const char *s;    /* identifier, name without sigil, string without quotes; interned */
    size_t n;         /* bytes in s, for strings that hold NUL */
    uint64_t u;       /* TOK_INT */
    double f;         /* TOK_FLOAT, and TOK_INT converted */
    const char *raw;  /* as written, n_raw bytes, not NUL-terminated */
    size_t n_raw;
} Tok;

typedef struct Num { /* a number with its sign */
    bool is_float, negative;
    uint64_t u; /* magnitude, if not is_float */
    double f;   /* signed value in either case */
} Num;

typedef struct Lexer Lexer;
/* The text must outlive the lexer and its tokens. */
Lexer *lex_open(Ctx *, const char *file, const char *text, size_t n);
Ctx *lex_ctx(const Lexer *);
bool lex_ok(const Lexer *); /* no error so far */

const Tok *lex_peek(Lexer *);                /* the next token */
const Tok *lex_peek2(Lexer *);               /* the one after it */
Tok lex_next(Lexer *);                       /* takes the next token */
bool lex_at(Lexer *, int kind);              /* is the next token of this kind? */
bool lex_at_word(Lexer *, const char *word); /* is it this identifier? */
bool lex_accept(Lexer *, int kind);          /* takes it if it is of this kind */
bool lex_accept_word(Lexer *, const char *word);
bool lex_expect(Lexer *, int kind); /* or reports "expected ..., found ..." */
bool lex_expect_word(Lexer *, const char *word);

/* Take one item or report; *out is untouched on failure. */
bool lex_ident(Lexer *, const char **out);
bool lex_value(Lexer *, const char **out); /* %name */
bool lex_name(Lexer *, const char **out);  /* identifier or string */
bool lex_string(Lexer *, const char **out);
bool lex_int(Lexer *, int64_t *out); /* with optional minus, in the range of int64_t */
bool lex_number(Lexer *, Num *out);  /* with optional minus */
bool lex_hash(Lexer *, uint64_t *out);

/* Brackets a recursive rule: lex_enter reports and returns false beyond 256 levels. */
bool lex_enter(Lexer *);
void lex_leave(Lexer *);

/* At the next token, or at one taken before; return false. */
bool lex_error(Lexer *, const char *fmt, ...) PRINTF(2, 3);
bool lex_error_at(Lexer *, const Tok *, const char *fmt, ...) PRINTF(3, 4);
Loc lex_loc(Lexer *); /* of the next token, for messages that come later */

/* Print a name so that the lexer reads it back: %x or %"x y". */
void print_value(Str *, const char *name);
void print_at(Str *, const char *name);

#endif
