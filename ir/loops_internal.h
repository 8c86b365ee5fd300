/* What the files of the loops level share: its printer with notes. */
#ifndef ONNXCC_IR_LOOPS_INTERNAL_H
#define ONNXCC_IR_LOOPS_INTERNAL_H

#include "ir/kernel_internal.h"
#include "ir/loops.h"

typedef struct LPrint {
    Ctx *ctx;
    Str *s;
    int depth;
    Map *lines;     /* to be filled; NULL: no */
    size_t counted; /* bytes of s in which line breaks were counted */
    int breaks;
    /* text to stand as a comment below a statement or function; NULL: none. For the verifier. */
    const char *(*note)(void *user, const void *thing);
    void *user;
} LPrint;
typedef struct LParse {
    KParse k;  /* symbols, and the tensors in scope */
    Map *host; /* tensors of the host functions */
    Map *vars, *funcs;
    Loops *loops;
    LFunc *func;
} LParse;
bool lparse_expr(LParse *, DType want, Expr **out);

/* ---- loops_leaf.c: what becomes an instruction of its own ---- */
void lprint_leaf(Str *, const LStmt *);
bool lparse_leaf(LParse *, LStmt *);

/* ---- loops_group.c: products of matrices by groups of warps ---- */
void lprint_group(Str *, const LStmt *);
bool lparse_group(LParse *, LStmt *);

/* ---- loops_bulk.c: copies by a block of threads together ---- */
void lprint_bulk(Str *, const LStmt *);
bool lparse_bulk(LParse *, LStmt *);

/* ---- loops_box.c: what such a copy reads, where it is a box of a tensor ---- */
void lprint_box(Str *, const LStmt *);
bool lparse_box(LParse *, LStmt *);

void lprint_stmt(LPrint *, const LStmt *);
void lprint_func(LPrint *, const LFunc *);
void loops_print_noted(LPrint *, const Loops *);

#endif
