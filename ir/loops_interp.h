/* Shared by loops_interp*.c: the state of a run. */
#ifndef ONNXCC_IR_LOOPS_INTERP_H
#define ONNXCC_IR_LOOPS_INTERP_H

#include "ir/loops_internal.h"
#include "ir/scalar_eval.h"

typedef struct Buf {
    char *data;
    int64_t elements;
    DType dtype;
    size_t each; /* bytes from one thread's copy to the next; 0: all have the same */
} Buf;
typedef struct Team {            /* the threads of a block */
    const LStmt *loop[MAX_RANK]; /* the chain of block loops, outermost first */
    int n;
    int64_t extent[MAX_RANK], threads, current;
    int *groups; /* of each thread: copies that were committed */
} Team;
typedef struct Copy { /* that arrives when it is waited for */
    int64_t thread;
    int group;
    char *to;
    const char *from; /* NULL: zeros */
    size_t bytes;
    const LStmt *box; /* BOX; NULL: neighbours */
    int64_t *numbers; /* of its iargs */
} Copy;
typedef struct Products { /* of all groups, that are added up when they are waited for */
    const LStmt *stmt;
    struct ProductOperands *thread;
} Products;
enum { MEMO = 256 };
typedef struct Interp {
    Ctx *ctx;
    Arena *arena; /* of this run */
    const LFunc *func;
    Map *bufs;     /* Tensor to Buf */
    int64_t *vars; /* by Var.id */
    const SymValue *syms;
    int n_syms;
    Team *team;       /* NULL: outside of block loops */
    VEC(Copy) copies; /* on their way */
    VEC(Products) products;
    char *scratch;
    int64_t scratch_bytes;
    uint64_t seed;
    bool failed;
    const char *why;
    int generation;
    struct {
        const Expr *e;
        int generation;
        ScalarValue v;
    } memo[MEMO];
} Interp;

void linterp_fail(Interp *, const char *fmt, ...) PRINTF(2, 3);
int64_t linterp_index(Interp *, const Expr *);
/* NULL: outside of the buffer, and the run has failed */
char *linterp_address(Interp *, const Tensor *, int64_t i);
void linterp_choose(Interp *, int64_t thread); /* goes on as this thread of the block */

/* ---- loops_interp_leaf.c ---- */
void linterp_combine(Interp *, const LStmt *);
void linterp_async(Interp *, const LStmt *, bool there);
void linterp_fill(Interp *, const LStmt *, ScalarValue); /* what ASYNC leaves where nothing is */
void linterp_arrive(Interp *, const LStmt *);            /* COMMIT, WAIT */
void linterp_fragment(Interp *, const LStmt *);
void linterp_mma(Interp *, const LStmt *); /* of all warps of the block */
void linterp_add_product(DType sum_type, ScalarValue *sum, ScalarValue a, ScalarValue b);

/* ---- loops_interp_group.c; of all groups of the block ---- */
void linterp_products(Interp *, const LStmt *);
void linterp_products_wait(Interp *, const LStmt *);

/* ---- loops_interp_bulk.c; by all threads of the block ---- */
void linterp_bulk(Interp *, const LStmt *);
void linterp_bulk_wait(Interp *, const LStmt *);

#endif
