/* One scalar operation on typed values: the reference that every executor is compared with.
 *
 * Where a value lies: f64 in d; every other float in f (rounded to its type); signed integers,
 * index and bool (0 or 1) in i, sign-extended; unsigned integers in u, zero-extended. Floats below
 * f32 compute in float and round once. MATH operations call libm. */
#ifndef ONNXCC_IR_SCALAR_EVAL_H
#define ONNXCC_IR_SCALAR_EVAL_H

#include "ir/expr.h"

typedef union ScalarValue {
    int64_t i;
    uint64_t u;
    double d;
    float f;
} ScalarValue;

/* op on operands of type `operand` (of b and c for select, whose a is a bool). `result` is the type
 * of the result: it matters for cast and bits alone. */
ScalarValue scalar_eval(ScalarOp, DType operand, DType result, const ScalarValue *args);
ScalarValue scalar_cast(DType from, DType to, ScalarValue);
/* An element in memory, as Const holds it; of str and seq (two words) i is its address. */
ScalarValue scalar_load(DType, const void *);
void scalar_store(DType, void *, ScalarValue);
/* Constants of expressions (INT and FLT nodes) as values, and back. */
ScalarValue scalar_of_expr(const Expr *);
Expr *scalar_to_expr(Ctx *, DType, ScalarValue);
double scalar_double(DType, ScalarValue); /* integers beyond 2^53 lose bits */
/* v wrapped to the width of an integer type or bool (any non-zero value is true), in an int64. */
int64_t scalar_wrap(DType, int64_t v);

#endif
