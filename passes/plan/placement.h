/* Shared by passes placement and copies. */
#ifndef ONNXCC_PASSES_PLAN_PLACEMENT_H
#define ONNXCC_PASSES_PLAN_PLACEMENT_H

#include "passes/passes.h"
#include "passes/plan/cut.h"

/* Tensors that must lie on one side: what shares storage, and what a loop carries. In Tensor.aux of
 * each, joined by union-find. */
typedef struct Group {
    struct Group *up; /* NULL: it stands for all */
    int node;         /* of the cut: with the source lies in the host's memory */
    int home, away;   /* nodes for a copy to the host, to the device; 0: nobody asks for one */
    double bytes;
    int index;
    bool condition; /* of a loop: the host reads it before every round */
    bool device;    /* pass copies: it lies there */
} Group;
typedef struct Placement {
    Program *p;
    Ctx *ctx;
    Cut cut;
    Map *items; /* Item to its node */
    VEC(Group *) groups;
} Placement;
Group *placement_group(Placement *, Tensor *);
/* What an item reads and writes: kernels and calls (with their scratch), the condition of control
 * flow, the operand of a bind. */
void placement_uses(Ctx *, const Item *, Tensor ***in, int *n_in, Tensor ***out, int *n_out);

/* Groups of all tensors, inputs and outputs, with nodes and indices. */
void placement_groups(Placement *, Program *);

#endif
