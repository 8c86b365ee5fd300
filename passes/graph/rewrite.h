/* What the graph passes share: users of values, one-node rewriting, and looking at constants.
 *
 * A rule looks at one node and returns the value that replaces its first result, or NULL. The nodes
 * it builds stand in front of the node; the last of them inherits its name and origin. */
#ifndef ONNXCC_PASSES_GRAPH_REWRITE_H
#define ONNXCC_PASSES_GRAPH_REWRITE_H

#include "passes/passes.h"

typedef Value *(*Rule)(Graph *, Node *);
/* Tries the rules on every node, regions included, until none fires any more on it; then removes
 * what is dead. True: something changed. */
bool rewrite_graph(Graph *, const Rule *rules, int n_rules);
/* Everything that used the node's first result uses `by` from now on; the node goes. */
void rewrite_node(Graph *, Node *, Value *by);

/* ---- users ---- */
typedef struct Users {
    Node **at;
    int n, cap;
    bool is_result;
} Users;                              /* a node stands there once per operand */
void users_build(Graph *);            /* into Value.aux of every value; holds until nodes change */
const Users *users_of(const Value *); /* never NULL */
bool used_once(const Value *);        /* by one node, and not as a result of a region */

/* ---- what is it? ---- */
Node *def_of(const Value *, Op); /* its definition, if it is such a node; else NULL */
static inline Op scalar(ScalarOp op) {
    return (Op)(OP_SCALAR + op);
}
bool const_scalar(const Value *, double *v); /* a constant whose elements are all v (any shape) */
bool const_is(const Value *, double v);
bool is_const(const Value *); /* a constant with a payload that is here */
/* The operand of a two-operand node that is not `one`; NULL where neither is. */
Value *other_operand(const Node *, const Value *one);
/* A pointwise node with one constant operand: the other one, and the constant. Commutative, or the
 * constant second. */
bool with_const(const Node *, Value **x, Value **c);
bool same_shape(Graph *, const Value *, const Value *);
Value *scalar_like(Graph *, const Value *, double v); /* rank-0 constant of the same element type */

#endif
