/* Ensembles of decision trees: what trees_read.c reads from a node's attributes, and trees.c turns
 * into a loop over levels. */
#ifndef ONNXCC_FRONTEND_OPS_TREES_H
#define ONNXCC_FRONTEND_OPS_TREES_H

#include "frontend/ops.h"

enum { TREE_LEQ, TREE_LT, TREE_GTE, TREE_GT, TREE_EQ, TREE_NEQ, TREE_MEMBER, TREE_LEAF };

typedef struct TreeNode {
    int64_t feature, yes, no; /* yes and no: nodes; of a leaf: itself */
    double split;
    int mode;
    bool missing_is_true; /* where NaN goes */
    int64_t leaf;         /* row of the weights; -1: no leaf */
} TreeNode;

typedef struct TreeWeight {
    int64_t leaf, target;
    double weight;
} TreeWeight;

typedef struct Forest {
    OnnxNode *n;
    VEC(TreeNode) nodes;
    VEC(TreeWeight) weights;
    VEC(int64_t) roots;
    int64_t leaves, targets, depth; /* depth: decisions on the longest way */
    const char *aggregate;          /* "sum", "min", "max"; average: sum, divided */
    bool average;
    DType t; /* of splits and weights */
} Forest;

/* Of TreeEnsemble; of TreeEnsembleRegressor ("target") and TreeEnsembleClassifier ("class"). */
bool forest_read(Forest *);
bool forest_read_lists(Forest *, const char *prefix);
/* Checks that the nodes are trees whose children exist, and finds their depth. */
bool forest_check(Forest *);

#endif
