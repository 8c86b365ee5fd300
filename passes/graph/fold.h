/* Shared by fold.c and fold_views.c. */
#ifndef ONNXCC_PASSES_GRAPH_FOLD_H
#define ONNXCC_PASSES_GRAPH_FOLD_H

#include "passes/graph/rewrite.h"

#include <math.h>

/* The result of a view of constants. May share the operand's bytes. NULL: not a view, it would copy
 * though `may_copy` is false, or it is an expand to more than `max_expand` elements. */
Const *fold_view(Graph *, Node *, bool may_copy, int64_t max_expand);
Const *
fold_uniform(Ctx *,
             Const *); /* the constant, as a splat where it has many elements that are all equal */

#endif
