/* Questions about index expressions over boxes, answered by isl where they are affine.
 *
 * A domain is the points of some variables, 0 <= v < extent, where a condition holds. What is not
 * affine (products of symbols, divisions by symbols, loads) is taken as an unknown within its
 * constant range, one and the same wherever it occurs; so answers stay true, but may be 'unknown',
 * which is what `false` means throughout. The work per question is capped. */
#ifndef ONNXCC_IR_AFFINE_H
#define ONNXCC_IR_AFFINE_H

#include "ir/expr.h"

typedef struct Domain {
    Var *const *var;
    int n;
    Expr *where; /* bool; NULL: everywhere */
} Domain;

/* Does cond hold at every point, for all values of the symbols? */
bool affine_implies(Ctx *, const Domain *, Expr *cond);
/* Is there no point? */
bool affine_empty(Ctx *, const Domain *);
/* Do different points have different subscripts? */
bool affine_injective(Ctx *, const Domain *, Expr *const *index, int rank);
/* Do the points of a and those of b never have the same subscripts? Variables of the same name in a
 * and b are different ones, even if they are the same Var. */
bool affine_disjoint(Ctx *, const Domain *a, Expr *const *index_a, const Domain *b,
                     Expr *const *index_b, int rank);
/* The box of elements that the subscripts touch: lo[k] <= index[k] < lo[k] + len[k], over symbols
 * and outer variables. What a part of the domain needs of an input is the box of its accesses;
 * which points touch a part of a tensor is the box of the variables themselves where the subscripts
 * lie in that part. */
bool affine_box(Ctx *, const Domain *, Expr *const *index, int rank, Expr **lo, Expr **len);

#endif
