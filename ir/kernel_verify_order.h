/* Shared by kernel_verify_order.c and kernel_verify_mma.c. */
#ifndef ONNXCC_IR_KERNEL_VERIFY_ORDER_H
#define ONNXCC_IR_KERNEL_VERIFY_ORDER_H

#include "ir/kernel_verify.h"

enum { DEEP = 64 };

typedef struct Place { /* of one statement: the loops around it, outermost first */
    const Stmt *stmt;
    Nest *path[DEEP];
    int depth;
} Place;
typedef struct Order {
    Verify *v;
    const Kernel *kernel;
    const How *how;
    Nest *path[DEEP];
    int depth;
    VEC(Place) places;
} Order;

/* Does the statement add up, or scan, along the loop? */
bool order_is_sum_var(const Order *, const Stmt *, const Var *loop);

/* ---- kernel_verify_mma.c ---- */
void order_check_mma(Order *, const Place *, int d); /* the chain that begins with loop d */
/* Does the statement multiply matrices of which t, at home in registers, holds the left fragments,
 * so that a thread finds its own elements whatever it seems to read along `loop`? */
bool order_is_held(const Order *, const Place *, const Tensor *t, const Var *loop);

#endif
