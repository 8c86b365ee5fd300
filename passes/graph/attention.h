/* Shared by the files that find attention: what was matched, in letters of the two contracts. */
#ifndef ONNXCC_PASSES_GRAPH_ATTENTION_H
#define ONNXCC_PASSES_GRAPH_ATTENTION_H

#include "passes/graph/patterns.h"

enum { MAX_MASKS = 4 };
/* Axes are those of the softmax's operand S. A mask is added to S, or to a value that differs from
 * S only by axes of size 1: axis_of[i] is then where S's axis i lies in it, or -1. */
typedef struct Mask {
    Value *value;  /* broadcasts to a value of `rank` axes */
    Value *keep;   /* NULL, or bool: where it is false, `value` (a constant) replaces the score */
    bool inverted; /* keep is true where the score is replaced */
    double scale;  /* what the mask is multiplied by */
    int rank, axis_of[MAX_RANK];
} Mask;

typedef struct Scores {    /* what stands in front of the softmax */
    Node *contract;        /* of q and k */
    int axis_of[MAX_RANK]; /* where S's axes lie in the contract's result */
    double scale;
    Mask mask[MAX_MASKS];
    int n_masks;
} Scores;
bool find_scores(Graph *, Value *s, Scores *); /* attention_scores.c */

/* Which axes of S mean what; axes of size 1 mean nothing. */
typedef struct Roles {
    int batch[MAX_RANK],
        n_batch;     /* both contracts run over them side by side; the last is the head */
    int head;        /* -1: none; may be an axis that k and v do not have (one group) */
    int row, column; /* row -1: there is one row */
    bool shared;     /* k and v have no head axis */
} Roles;
Value *attention_mask(Graph *, const Scores *, const Roles *,
                      const Type *s); /* attention_mask.c; NULL: there is none */

#endif
