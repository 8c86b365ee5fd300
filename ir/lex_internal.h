/* Shared by the two halves of the lexer: lex.c (text to tokens) and lex_read.c (what parsers call).
 */
#ifndef ONNXCC_IR_LEX_INTERNAL_H
#define ONNXCC_IR_LEX_INTERNAL_H

#include "ir/lex.h"

struct Lexer {
    Ctx *ctx;
    const char *file, *text;
    size_t n, pos, line_start;
    int line, depth;
    bool failed;
    Map *names;   /* interned token texts */
    Tok ahead[2]; /* scanned, not taken */
    int n_ahead;
};

Tok lex_scan(Lexer *); /* the next token of the text; TOK_END after an error */

#endif
