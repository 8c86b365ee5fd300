/* What the operators of ai.onnx.ml share. */
#ifndef ONNXCC_FRONTEND_OPS_ML_H
#define ONNXCC_FRONTEND_OPS_ML_H

#include "frontend/ops.h"

#define POST_TRANSFORM "post_transform:s(NONE|SOFTMAX|LOGISTIC|SOFTMAX_ZERO|PROBIT)"

/* Scores [N, classes] after attribute "post_transform" (`kind`: its value). */
Value *post_transform(OnnxNode *, Value *scores, const char *kind);
/* Two classes from the score s [N, 1] of the first alone: [1 - s, s] where `positive` (no score is
 * negative), else [-s, s]; then the post transform, whose logistic function is that of the
 * latter. */
Value *two_scores(OnnxNode *, Value *s, bool positive, const char *kind);
/* Output 0: the labels (attribute "classlabels_ints" or the like) at these positions [N]. */
bool give_labels(OnnxNode *, Value *at, const int64_t *labels, int count);
/* A list of numbers as a constant [count] of type t. */
Value *list_floats(OnnxNode *, const float *, int64_t count, DType t);
Value *list_ints(OnnxNode *, const int64_t *, int64_t count);
/* A matrix [rows, columns] of x: a vector is one row. */
Value *as_rows(OnnxNode *, Value *x);

#endif
