/* Shared by loops_verify*.c. */
#ifndef ONNXCC_IR_LOOPS_VERIFY_H
#define ONNXCC_IR_LOOPS_VERIFY_H

#include "ir/loops_internal.h"

typedef struct Scope {
    const Var *var;
    bool expanded; /* unroll or vector: constant subscripts for REG */
    const Tensor *tensor;
} Scope;
typedef struct Blocks { /* where a statement stands among the threads of a block */
    int64_t threads;    /* of a block of the function; 0: no block loops */
    int64_t inside;     /* threads told apart by the block loops around; 0: none around */
    bool loop;          /* in a loop that is no thread or block loop */
    bool apart;         /* not all threads need come here */
} Blocks;
typedef struct Verify {
    Ctx *ctx;
    const Loops *loops;
    const LFunc *func;
    const LStmt *stmt;
    Map *notes;
    VEC(Scope) scope;
    Blocks blocks;
    int found;
} Verify;
void complain(Verify *, const char *fmt, ...) PRINTF(2, 3); /* about v->stmt, or the function */
void verify_expr(Verify *, const Expr *, DType want, const char *what);
void verify_access(Verify *, const Tensor *, const Expr *index);

/* ---- loops_leaf.c ---- */
void verify_leaf(Verify *, const LStmt *);

/* ---- loops_group.c ---- */
void verify_group(Verify *, const LStmt *);

/* ---- loops_bulk.c ---- */
void verify_bulk(Verify *, const LStmt *);

/* ---- loops_box.c ---- */
void verify_box(Verify *, const LStmt *);

/* ---- loops_verify_block.c; what enters a body returns the state outside ---- */
Blocks verify_block_for(Verify *, const LStmt *);
Blocks verify_block_if(Verify *, const LStmt *);
void verify_block_body(Verify *, const LBody *);
void verify_block_call(Verify *, const LStmt *);
void verify_block_combine(Verify *, const LStmt *);
void verify_block_stmt(Verify *, const LStmt *); /* a store, a buffer, a barrier */

#endif
