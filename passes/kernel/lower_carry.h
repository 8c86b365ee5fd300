/* Shared by lower_carry.c and lower_loop.c: what a loop hands from round to round.
 *
 * A carried value has two tensors: one holds it between rounds, the body writes the other. A
 * dimension that may change from round to round has three symbols: a *running* one in the type of
 * the first tensor, which the loop item rebinds after each round; one in the type of the region's
 * argument, bound to it where the body begins; and one in the type of the node's result, bound to
 * it behind the loop. So nothing but the first tensor has a size that changes while it is alive. */
#ifndef ONNXCC_PASSES_LOWER_CARRY_H
#define ONNXCC_PASSES_LOWER_CARRY_H

#include "passes/kernel/lower.h"

typedef struct Carried {
    Tensor *out, *next;
    Value *arg, *result;     /* result becomes next; NULL: the body's end writes it */
    Expr *running[MAX_RANK]; /* NULL: the dimension is the same in all rounds */
} Carried;
typedef struct Collected { /* a result that grows by an element per round */
    Carried *carried;      /* NULL: it has its full size from the beginning */
    Value *out, *element;
    int axis;
    bool reverse;
} Collected;
typedef struct Loop {
    Item *item;
    Sym *counter;
    Expr *trip;
    VEC(Carried *) carried;
    VEC(Sym *) size;
    VEC(Expr *) next_size;
} Loop;

void loop_counter(Lower *, Loop *, Expr *trip);
Expr *loop_step(Lower *, const Loop *, bool reverse); /* which element is this round's? */
/* A value that starts as `first`, is `arg` in the region and `result` at its end. The copies that
 * start values are made by loop_start. */
Carried *loop_carry(Lower *, Loop *, Value *first, Value *arg, Value *result);
/* Collects `element` along an axis of `out`; grows: its size is known behind the loop only. */
Collected loop_collect(Lower *, Loop *, Value *out, Value *element, int axis, bool reverse,
                       bool grows);
/* Before the loop; first[i] is the start of carried value i, NULL: nothing. Enters the body and
 * returns the block outside. */
Block *loop_start(Lower *, Loop *, Value *const *first, Tensor *condition);
bool loop_body(Lower *, Loop *, Region *); /* the region's nodes, then what is carried */
void loop_collect_round(Lower *, Loop *, const Collected *);
/* Behind the loop: v is what is carried. */
void loop_result(Lower *, const Carried *, Value *v);
/* Does a result of the node have dimensions that the region decides? */
bool loop_decides(Lower *, const Value *out, const Value *element, int axis);

#endif
