/* Shared by gpu_integers*.c: products of integers of 8 bits. */
#ifndef ONNXCC_PASSES_GPU_INTEGERS_H
#define ONNXCC_PASSES_GPU_INTEGERS_H

#include "passes/passes.h"

/* A factor of a sum of products: cast(i32, load) - zero, where `here` holds, else 0. */
typedef struct Bytes {
    Expr *here; /* NULL: everywhere */
    Expr *load; /* of 8 bits */
    Expr *zero; /* i32; the same for all that is added up */
} Bytes;

/* ---- gpu_integers_const.c ---- */
/* A factor read from a constant, in 8 bits with no zero point, or with another one, where all its
 * elements allow that; false: they do not. */
bool bytes_of_const(Program *, Expr *load, Expr *zero, Bytes *);
/* The sums of a constant's elements over `red`, one for each value of the variables in `dom`, as a
 * constant; NULL where its places are not known. */
Tensor *bytes_const_sums(Program *, const Expr *load, Var *const *dom, int n_dom, Var *const *red,
                         int n_red);

#endif
