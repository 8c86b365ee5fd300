/* Chains of transposes, reshapes and expands, seen as one rearrangement of atoms.
 *
 * An atom is a factor of an axis that no node of the chain splits any further. The source's axes
 * are sequences of atoms in their order; the result's axes are sequences of the same atoms in
 * another order, and of atoms that an expand added. Axes of size 1 have no atoms, so squeezing and
 * unsqueezing disappear. */
#ifndef ONNXCC_PASSES_GRAPH_VIEW_H
#define ONNXCC_PASSES_GRAPH_VIEW_H

#include "passes/graph/rewrite.h"

enum { MAX_ATOMS = 48 };
typedef struct View {
    Value *source;
    int nodes;    /* how many lie between source and result; 0: the result is the source */
    double scale; /* product of the constant factors on the way (view_of_scaled only) */
    Expr *extent[MAX_ATOMS]; /* by atom */
    bool added[MAX_ATOMS];   /* by an expand: the value does not depend on it */
    int n_atoms;
    int from[MAX_ATOMS], n_from; /* atoms of the source, in its order */
    int to[MAX_ATOMS], n_to;     /* atoms of the result, in its order */
    int count[MAX_RANK];         /* how many of them each axis of the result has */
    Type type;                   /* of the result */
} View;

View view_of(Graph *, Value *);
View view_of_scaled(Graph *,
                    Value *); /* looks through multiplications and divisions by one constant, too */
/* The axis `i` without its added atoms: its size; *first and *n: its atoms in to[]. */
Expr *view_real_extent(Graph *, const View *, int i);
bool view_axis_added(const View *, int i,
                     bool innermost); /* any added atom; innermost: only as the last of the axis */
/* Drops added atoms: the result has its real extents, or 1. */
void view_drop_added(Graph *, View *);
/* Makes the result from the source by as few nodes as possible. The view must have no added atoms.
 */
Value *view_emit(Graph *, const View *);
Value *rule_view_chain(Graph *, Node *); /* shorter chains */

#endif
