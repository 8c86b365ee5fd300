/* Rank and Dimension Propagation: shared by rdp.c, rdp_backward.c and rdp_count.c. */
#ifndef ONNXCC_PASSES_GRAPH_RDP_H
#define ONNXCC_PASSES_GRAPH_RDP_H

#include "passes/graph/rewrite.h"

typedef struct Rdp {
    Graph *g;
    bool changed;
} Rdp;
void rdp_equal(Rdp *, const Node *, Expr *a, Expr *b); /* demands it; reports where it cannot be */
void rdp_backward(Rdp *, const Node *);                /* what the node demands of its operands */

/* Dimensions of inputs and node results, by how well they are known. */
typedef struct RdpCount {
    int nodes, known, symbolic, derived, value;
} RdpCount;
RdpCount rdp_count(Graph *);
void rdp_report(Str *, Graph *); /* one line */

#endif
