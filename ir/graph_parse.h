/* What the two files of the graph's parser share. */
#ifndef ONNXCC_IR_GRAPH_PARSE_H
#define ONNXCC_IR_GRAPH_PARSE_H

#include "ir/graph_text.h"

typedef struct Parse {
    Graph *g;
    Ctx *ctx;
    Lexer *x;
    Map *values;         /* by name */
    bool header;         /* symbols may be used before they are declared */
    Map *declared;       /* symbols that the where clause has */
    VEC(Sym *) in_order; /* they */
    const Node *compute; /* whose body is read: its variables and placeholders are in scope */
    ExprScope scope;
    BlobFn blob;
    void *user;
} Parse;

bool graph_parse_attrs(Parse *, Node *); /* {name=value, ...}, if there are any */

#endif
