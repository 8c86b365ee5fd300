/* Random numbers for operators: each element is a function of a key and of its own index (Philox
 * 4x32-10, Salmon et al., SC 2011), so that no order of execution, tiling or slicing changes it. */
#ifndef ONNXCC_FRONTEND_OPS_RANDOM_H
#define ONNXCC_FRONTEND_OPS_RANDOM_H

#include "frontend/ops.h"

/* The key, u64[]: from attribute "seed", or else the caller's seed (NAME_config.seed), made
 * different for every node. NULL after a diagnostic. */
Value *random_key(OnnxNode *);
/* Uniform in [0, 1), of the given shape; type f32 or f64. */
Value *random_uniform(OnnxNode *, Value *key, DType, Expr *const *dims, int rank);
/* Normal with mean 0 and deviation 1. */
Value *random_normal(OnnxNode *, Value *key, DType, Expr *const *dims, int rank);

#endif
