/* Shared by kernel_interp*.c.
 *
 * An expression becomes a list of instructions over columns: a register holds the value of one
 * expression at LANES neighbouring points of the iteration space. So the cost of decoding an
 * instruction is paid once for many elements. */
#ifndef ONNXCC_IR_KERNEL_INTERP_H
#define ONNXCC_IR_KERNEL_INTERP_H

#include "ir/kernel.h"
#include "ir/scalar_eval.h"

enum { LANES = 128 };

/* Where tensors lie and what symbols are while a program runs. */
typedef struct Interp {
    Ctx *ctx;
    Arena *arena;   /* tensors */
    Arena *scratch; /* code and columns of the statement being run */
    Map *buffers;   /* Buffer * by tensor */
    Map *syms;      /* int64_t * by symbol */
    bool failed;    /* reported once */
    bool fault;     /* a BOUND was out of range */
} Interp;
bool interp_fail(Interp *, const char *fmt, ...) PRINTF(2, 3);
bool interp_index(Interp *, Expr *, int64_t *out); /* no variables; reports */
Buffer *interp_buffer(Interp *, Tensor *); /* made, zeroed, where it is new; NULL: reported */
void interp_set_sym(Interp *, const Sym *, int64_t);
bool interp_kernel(Interp *, Kernel *);
bool interp_call(Interp *, const Item *);

/* ---- kernel_interp_code.c ---- */
typedef enum CodeKind {
    CODE_CONST,
    CODE_VAR,
    CODE_OP,
    CODE_LINEAR,
    CODE_LOAD,
    CODE_BOUND
} CodeKind;
typedef struct Code {
    CodeKind kind;
    ScalarOp op;
    DType type, result; /* of operands, of the result */
    int to;             /* register */
    int n, *arg;        /* operand registers */
    int64_t *factor;    /* LINEAR: value.i + sum of factor[k] * arg[k] */
    int mask;           /* LOAD, BOUND: only lanes where this register holds; -1: all */
    ScalarValue value;  /* CONST, LINEAR */
    Buffer *buffer;     /* LOAD */
} Code;
typedef struct CodeMemo { /* what is computed already */
    Expr *expr;
    int mask, to;
} CodeMemo;
typedef struct Columns {
    Interp *in;
    VEC(Code) code;
    VEC(CodeMemo) memo;
    int n_regs;
    Var **vars; /* register i holds variable i */
    int n_vars;
} Columns;
int code_expr(Columns *, Expr *, int mask);                         /* the register of its value */
int code_offset(Columns *, Buffer *, Expr *const *index, int rank); /* row-major, checked */

/* ---- kernel_interp_exec.c ---- */
typedef ScalarValue Column[LANES];
bool code_run(Columns *, Column *regs, int n); /* on n lanes; false after a report */

/* ---- kernel_interp_fold.c ---- */
typedef struct Fold { /* a reduction under way, or one line of a scan */
    const Stmt *stmt;
    DType type; /* of the accumulator */
    ScalarOp op;
    ScalarValue identity;
    int lanes;
    ScalarValue *part, total;
    int64_t best; /* argmax: position */
    bool any;
} Fold;
void fold_open(Interp *, const Stmt *, Fold *);
void fold_reset(Fold *);
ScalarValue fold_join(const Fold *, ScalarValue a, ScalarValue b); /* by the operation */
ScalarValue fold_tree(Fold *); /* of the partial results */
void fold_block(Fold *);       /* adds their tree to the running total, and begins new ones */
void fold_best(Fold *, ScalarValue, int64_t position); /* argmax, argmin */
ScalarValue fold_product(const Fold *, ScalarValue x, ScalarValue y, ScalarValue sum);

#endif
