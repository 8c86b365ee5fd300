/* Shared by kernel_verify*.c. */
#ifndef ONNXCC_IR_KERNEL_VERIFY_H
#define ONNXCC_IR_KERNEL_VERIFY_H

#include "ir/kernel_internal.h"

typedef struct Finding {
    const void *where; /* program, kernel, statement, how, nest or item */
    const char *text;
} Finding;
typedef struct Verify {
    Ctx *ctx;
    Map *names;   /* tensors by name */
    Map *kernels; /* by name */
    bool separate; /* the device has memory of its own */
    VEC(Finding) found;
} Verify;
void verify_fail(Verify *, const void *where, const char *fmt, ...) PRINTF(3, 4);
bool verify_declared(const Verify *, const Tensor *);
/* Statement `at` of the kernel; vars: those of the kernel so far, by name. */
void verify_stmt(Verify *, const Kernel *, int at, Map *vars);
void verify_how(Verify *, const Kernel *, const How *);
/* Where statements and loops stand, which must compute what the statements say in their order. */
void verify_order(Verify *, const Kernel *, const How *);
bool how_comes_from(const How *, const Var *loop, const Var *v); /* is it v, or made of it? */

#endif
