/* What the operators of ai.onnx.ml share. */
#ifndef ONNXCC_FRONTEND_OPS_ML_H
#define ONNXCC_FRONTEND_OPS_ML_H

#include "frontend/ops.h"

#define POST_TRANSFORM "post_transform:s(NONE|SOFTMAX|LOGISTIC|SOFTMAX_ZERO|PROBIT)"

/* Scores [N, classes] after attribute "post_transform" (`kind`: its value). */
Value *post_transform(OnnxNode *, Value *scores, const char *kind);
/* A list of numbers as a constant [count] of type t. */
Value *list_floats(OnnxNode *, const float *, int64_t count, DType t);
Value *list_ints(OnnxNode *, const int64_t *, int64_t count);
/* A matrix [rows, columns] of x: a vector is one row. */
Value *as_rows(OnnxNode *, Value *x);

#endif
