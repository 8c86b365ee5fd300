/* Convolutions whose kernel or padding has a size that only the run knows (ops/conv_late.c). */
#ifndef ONNXCC_FRONTEND_OPS_CONV_H
#define ONNXCC_FRONTEND_OPS_CONV_H

#include "frontend/ops/window.h"

/* x [N,C,...] by weights [M,C/group,...]: products, one for each place of the kernel, then a
 * sum. */
Value *conv_late(OnnxNode *, const Window *, Value *x, Value *weights, Value *bias, int64_t group);
/* x [N,C,...] by weights [C,M/group,...], transposed; `out`: the sizes of the result's space. */
Value *conv_transpose_late(OnnxNode *, const Window *, Value *x, Value *weights, Value *bias,
                           int64_t group, Expr *const *out);
/* Each channel with its own weights [C,1,K], over so many positions. */
Value *conv_causal_late(OnnxNode *, Value *x, Value *weights, Value *bias, Expr *length);

#endif
