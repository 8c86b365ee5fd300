/* Rank and Dimension Propagation: shared by rdp.c and rdp_backward.c. */
#ifndef ONNXCC_PASSES_GRAPH_RDP_H
#define ONNXCC_PASSES_GRAPH_RDP_H

#include "passes/graph/rewrite.h"

typedef struct Rdp {
    Graph *g;
    bool changed;
} Rdp;
void rdp_equal(Rdp *, const Node *, Expr *a, Expr *b); /* demands it; reports where it cannot be */
void rdp_backward(Rdp *, const Node *);                /* what the node demands of its operands */

#endif
