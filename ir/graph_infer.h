/* Shared by graph_infer*.c and graph_cells.c: one function per operation that computes its result
 * types. Operand counts, absent operands and attribute kinds are checked before any of them is
 * called. */
#ifndef ONNXCC_IR_GRAPH_INFER_H
#define ONNXCC_IR_GRAPH_INFER_H

#include "ir/graph.h"

enum { MAX_CELLS = 64 };

#define G(name, lo, hi, outs, mapping, meaning) bool infer_##name(Graph *, Node *);
#include "ir/graph_ops.def"
#undef G

bool infer_fail(Graph *, const Node *, const char *fmt, ...)
    PRINTF(3, 4); /* one error, a note per operand; false */
void infer_set(Node *, int k, DType, Expr *const *dims, int rank);
bool infer_one_of(Graph *, const Node *, const char *attr,
                  const char *words); /* attribute is one of "a|b|c" */
/* Every entry in 0..rank-1 and none twice; `what` names the attribute. */
bool infer_axes(Graph *, const Node *, const char *what, const int64_t *axes, int n, int rank);
bool infer_axis(Graph *, const Node *, int rank); /* attribute `axis` in 0..rank-1 */
bool infer_bias(Graph *, const Node *, const Value *,
                const Type *to); /* broadcasts to exactly `to`, same element type */
bool infer_count(Graph *, const Node *, const char *attr, int n,
                 int want); /* list length: absent or as wanted */
/* A dimension that only execution decides: what the type on record says, else a fresh VALUE symbol.
 */
Expr *infer_value_dim(Graph *, const Type *on_record, int axis, const char *name);
/* Are two dimensions different for all values of their symbols? */
bool dims_differ(Ctx *, Expr *a, Expr *b);
void infer_cells(Graph *, Node *); /* graph_cells.c: after the types */
int64_t attr_item(const Node *, const char *attr, int i,
                  int64_t otherwise); /* entry i of an integer list */

#endif
