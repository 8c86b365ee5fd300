/* Shared by precision*.c: which tensors of a program take which type, and expressions over them. */
#ifndef ONNXCC_PASSES_PRECISION_H
#define ONNXCC_PASSES_PRECISION_H

#include "passes/passes.h"

typedef struct Precision {
    Ctx *ctx;
    Program *program;
    DType to; /* between kernels: f32, f16 or bf16 */
    Map *was; /* by tensor whose type has changed: what it was (DType *) */
} Precision;

/* ---- precision_find.c: what each tensor stands in for, as marks ---- */
enum {
    P_EXACT = 1, /* comparisons, subscripts or runtime functions depend on it: as the model says */
    P_WIDE = 2,  /* sums, what loops carry: not below f32 */
    P_LARGE = 4, /* it may lie beyond the range, or is made of positions: not below f32 */
    P_OTHER = 8, /* a constant that is something else than a factor of a sum of products */
};
void precision_find(Precision *);
bool precision_is_product(const Stmt *); /* a sum of products */
/* Is the operation's meaning decided by small differences of its float operands? */
bool precision_decides(const Expr *);
double precision_limit(DType);  /* the largest finite value */
bool precision_is_float(DType); /* one of the types that this is about */

/* ---- precision_code.c ---- */
/* With floats computed in f32, but for what must stay exact. Its type is f32 where it was a
 * float. */
Expr *precision_value(Precision *, Expr *);
/* With the types it had: only the loads follow their tensors. */
Expr *precision_exact(Precision *, Expr *);

#endif
