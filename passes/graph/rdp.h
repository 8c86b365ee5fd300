/* Rank and Dimension Propagation: shared by rdp*.c and demands*.c. */
#ifndef ONNXCC_PASSES_GRAPH_RDP_H
#define ONNXCC_PASSES_GRAPH_RDP_H

#include "passes/graph/rewrite.h"

typedef struct Rdp {
    Graph *g;
    void (*demand)(struct Rdp *, Node *, Expr *a, Expr *b, Fit); /* what becomes of a demand */
    bool changed;
    Map *proven; /* binds whose element has become known */
} Rdp;
void rdp_backward(Rdp *, Node *); /* what the node demands of its operands */
/* ---- demands_compute.c: sizes that must not exceed others ---- */
void demands_of_compute(Rdp *, Node *);

#endif
