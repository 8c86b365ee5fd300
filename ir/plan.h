/* The plan: a Program in its final order, with a place in one arena for every tensor. Text: the
 * program's items in short form plus one line per buffer:  buffer %t 4*N*1024 bytes live 3..7 at
 * 4096
 *
 * Static sizes get offsets at compile time. Symbolic sizes get theirs when dimensions are bound:
 * the runtime function onnxcc_place (runtime/core/place.c, and plan_place here: the same rule)
 * takes sizes, lifetimes and the fixed order and gives offsets. Tensors whose size needs a VALUE
 * symbol belong to a later segment, placed above what is then alive. */
#ifndef ONNXCC_IR_PLAN_H
#define ONNXCC_IR_PLAN_H

#include "ir/kernel.h"

typedef struct PlanBuffer {
    Tensor *tensor;      /* SP_ARENA, or scratch of a call */
    Expr *bytes;         /* rounded up to 64 */
    int first, last;     /* steps, inclusive */
    int segment;         /* 0: sizes known at bind; k: known after the k-th BIND step */
    int64_t offset;      /* -1: symbolic, found in the symbol slot tensor->slot at run time */
} PlanBuffer;
typedef struct Plan {
    Ctx *ctx;
    Program *program;
    VEC(PlanBuffer) buffers; /* in placing order */
    int n_steps, n_segments;
    Expr *scratch;           /* bytes per thread: max over kernels */
    int64_t arena;           /* bytes, or -1: symbolic */
    int64_t live_max;        /* largest live set in bytes where static, for reports */
    int n_slots;             /* symbol slots: dims, derived, values, offsets, arena */
    int slot_arena, slot_scratch;
    /* The same of the device's arena, where kernels and tensors of the device are; slots -1: none
     * is. */
    Expr *device_scratch;
    int scratch_streams; /* so many streams have kernels with scratch, each an area of its own */
    int64_t device_arena, device_live_max;
    int slot_device_arena, slot_device_scratch;
} Plan;
bool plan_has_device(const Plan *); /* tensors in memory of a device */
/* Gives every symbol, the arena's end, the scratch size and (where sizes are symbolic) every buffer
 * a slot. */
void plan_slots(Plan *);
Expr *plan_buffer_bytes(Ctx *, const Tensor *);  /* of a buffer, rounded up to 64 */
int plan_segment(const Expr *bytes);      /* from the VALUE symbols in it, whose slots are set */

bool plan_verify(Plan *, const char *when);
void plan_print(Str *, const Plan *);
Plan *plan_parse(Ctx *, Lexer *);
Plan *plan_parse_rest(Ctx *, Lexer *, Program *); /* what follows the program's text */

#endif
