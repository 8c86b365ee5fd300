/* What estimates of costs on a GPU share: its size, and what is assumed of symbols. */
#ifndef ONNXCC_PASSES_GPU_COST_H
#define ONNXCC_PASSES_GPU_COST_H

#include "ir/expr.h"

enum {
    GPU_PROCESSORS = 128,
    GPU_BYTES = 16,    /* that a processor gets in a clock */
    GPU_LAUNCH = 4000, /* clocks of a kernel behind another one */
    GPU_JOIN = 150     /* clocks of a thread that adds up partial results, for each */
};
/* A size in which a symbol counts as 512, within its bounds. */
int64_t gpu_typical(const Expr *extent);
int64_t gpu_ceil_div(int64_t n, int64_t by);

#endif
