/* Runtime functions on the device: one or more launches, one behind the other. Each launches a
 * kernel that does nothing but call a function of runtime/device, with all threads of a block:
 *
 *   func k3_sort_lines kernel(%x : f32, ...) parallel 12 {
 *     for t thread in lo..hi {
 *       buffer %shared : u64[1536] shared
 *       for b block in 0..512 {
 *         call sort_lines(%x, %values, %indices, %shared; t, 1, 4, N, 1, 5, -1, 12, 1024) */
#ifndef ONNXCC_PASSES_PLAN_DEVICE_CALLS_H
#define ONNXCC_PASSES_PLAN_DEVICE_CALLS_H

#include "passes/passes.h"

typedef struct DeviceStep {
    const char *function;
    Expr *when;   /* NULL: always; else over symbols */
    Expr *rounds; /* NULL: once; else so often, and the number of the round is its last argument */
    Expr *items;
    int threads;
    bool scratch; /* gets it, behind the call's results */
    int shared; /* words of shared memory */
    VEC(Expr *) args;
} DeviceStep;
typedef struct DeviceSteps {
    Ctx *ctx;
    Arena *arena;
    const Item *item;
    Expr *scratch;   /* bytes; NULL: none */
    Expr *require;   /* what must hold in front of them; NULL: nothing */
    const char *why; /* the fault's sentence where it does not */
    VEC(DeviceStep *) at;
} DeviceSteps;
bool device_can_call(const char *name);
/* Of a call that the device can do. */
DeviceSteps device_steps(Ctx *, const Item *);

/* ---- lower_device_call.c ---- */
typedef struct DeviceCalls { /* of a program */
    Plan *plan;
    Loops *loops;
    VEC(LFunc *) at; /* kernels made so far: equal ones once */
    Sym *round;      /* the counter of repeated steps */
} DeviceCalls;
void lower_device_call(DeviceCalls *, Item *, LBody *, int id);

#endif
