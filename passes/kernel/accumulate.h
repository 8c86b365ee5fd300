/* Accumulators of reductions that write to memory. */
#ifndef ONNXCC_PASSES_ACCUMULATE_H
#define ONNXCC_PASSES_ACCUMULATE_H

#include "passes/passes.h"

/* Statement `at`, a reduction, writes to a temp of type acc; a map behind it converts and stores to
 * where it wrote. */
void reduce_into_temp(Program *, Kernel *, int at, DType acc);

#endif
