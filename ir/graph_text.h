/* The text of constants and symbols, shared by the printers and parsers of graphs and programs. */
#ifndef ONNXCC_IR_GRAPH_TEXT_H
#define ONNXCC_IR_GRAPH_TEXT_H

#include "ir/graph.h"
#include "ir/lex.h"

enum { CONST_INLINE = 16 }; /* constants of more elements are splats or blobs */
void const_print(Str *, Const *);
/* The payload of a constant of this type and size; `find` may be NULL. NULL after an error. */
/* `  require N == M | N == 1 "TEXT"` on a line of its own; parsing: behind the word. */
void require_print(Str *, const Require *);
bool require_parse(Ctx *, Lexer *, const ExprScope *, Require *);
Const *const_parse(Ctx *, Lexer *, DType, int64_t elements, BlobFn find, void *user);
void sym_print(Str *, const Sym *); /* as in a where clause */
Sym *sym_parse(Ctx *, Lexer *,
               const ExprScope *); /* one declaration of a new symbol; NULL after an error */

#endif
