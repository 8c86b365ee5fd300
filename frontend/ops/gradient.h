/* Reverse-mode differentiation of a graph that is being built: what gradient.c walks through, and
 * gradient_rules.c knows of each operation. */
#ifndef ONNXCC_FRONTEND_OPS_GRADIENT_H
#define ONNXCC_FRONTEND_OPS_GRADIENT_H

#include "frontend/ops.h"

/* Gives out[k] the share of operand k in the gradient, where g is that of the node's result: of the
 * operand's type and shape; NULL: none. want[k]: is it asked for? False after a diagnostic, also
 * where the operation has no rule. */
bool gradient_rule(OnnxNode *, const Node *of, Value *g, const bool *want, Value **out);
/* g, summed over what was broadcast from `like`'s shape. */
Value *gradient_unbroadcast(OnnxNode *, Value *g, const Value *like);

#endif
