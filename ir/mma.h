/* Products of matrices by a warp of a GPU: 16 rows times 8 columns, over 32 bytes of steps. Thread
 * 4*g + t of the warp holds, in each register of a fragment, 4 bytes of steps: those at 4*t or at
 * 16 + 4*t, of row (right factors: column) g or g + 8. */
#ifndef ONNXCC_IR_MMA_H
#define ONNXCC_IR_MMA_H

#include "ir/dtype.h"

enum {
    MMA_ROWS = 16,
    MMA_COLUMNS = 8,
    MMA_STEP_BYTES = 32,
    MMA_LANE_ROWS = 8,
    MMA_LANE_COLUMNS = 4, /* pairs of columns of a sum, or registers of a row */
    MMA_REGISTER = 4,
    MMA_PIECE = 16 /* bytes of steps that ldmatrix and wgmma read at once */
};

/* An f32 as fragments hold it: tf32, with 11 of 24 bits, to nearest, ties away from zero. */
uint32_t mma_tf32(uint32_t bits);
/* What products by groups read of an f32: those bits, the others are left out. */
uint32_t mma_tf32_cut(uint32_t bits);
/* The type in which products of these are added up; DT_NONE: there is no such instruction. */
DType mma_sum(DType left, DType right);
int mma_steps(DType); /* of a fragment with these elements */

#endif
