/* Calls of runtime functions (runtime/core/calls_*.c) in the graph: what they get, and what they
 * give.
 */
#ifndef ONNXCC_FRONTEND_CALLS_H
#define ONNXCC_FRONTEND_CALLS_H

#include "frontend/ops.h"

/* Inputs, then numbers. An input that is NULL (reported) makes the result NULL. */
typedef struct RunCall {
    OnnxNode *n;
    const char *name;
    VEC(Value *) in;
    VEC(Expr *) args;
} RunCall;
void call_in(RunCall *, Value *);
void call_arg(RunCall *, Expr *);
void call_int(RunCall *, int64_t);
void call_type(RunCall *, const Type *); /* dtype, rank, dims; -1 for dims that are not known */
Value *call_result(RunCall *, const Type *);
Node *call_results(RunCall *, const Type *, int n);

/* i64: where each string of x stands among the words, sorted and each once; their number where it
 * is none of them. places[i]: where word i stands. */
Value *string_places(OnnxNode *, Value *x, const Const *words, int64_t *places);

#endif
