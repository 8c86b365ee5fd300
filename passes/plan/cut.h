/* The cheapest cut of a small network in two: what stays with the source, what with the sink. */
#ifndef ONNXCC_PASSES_PLAN_CUT_H
#define ONNXCC_PASSES_PLAN_CUT_H

#include "ir/base.h"

enum { CUT_SOURCE, CUT_SINK, CUT_FIRST }; /* nodes; others from CUT_FIRST on, by cut_node */
#define CUT_NEVER ((int64_t)1 << 50)      /* the cost of an edge that must not be cut */
typedef struct CutEdge {
    int to, next, back; /* back: the edge the other way */
    int64_t room;
} CutEdge;
typedef struct Cut {
    Arena *arena;
    VEC(CutEdge) edges;
    VEC(int) first; /* edge of each node; -1: none */
    int *level, *at, *queue;
} Cut;
void cut_open(Cut *, Arena *);
int cut_node(Cut *);
/* Costs so much where `from` stays with the source and `to` with the sink. */
void cut_edge(Cut *, int from, int to, int64_t cost);
/* side[node]: does it stay with the source? Of equally cheap cuts the one with the fewest there. */
bool *cut_solve(Cut *);

#endif
