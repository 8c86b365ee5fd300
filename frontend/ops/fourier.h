/* Fourier transforms, shared by fourier.c and fourier_stages.c. */
#ifndef ONNXCC_FRONTEND_OPS_FOURIER_H
#define ONNXCC_FRONTEND_OPS_FOURIER_H

#include "frontend/ops.h"

#include <math.h>

#define FOURIER_PI 3.141592653589793
typedef struct Fourier {
    OnnxNode *n;
    DType t;     /* f32 or f64 */
    Expr *a, *b; /* the extents around the transformed axis */
    bool inverse;
} Fourier;

/* exp(-2 pi i k / n), or its inverse, into out[0], out[1]; k is reduced first, so that the angle is
 * exact. */
void fourier_root(bool inverse, int64_t k, int64_t n, double *out);
/* Constants of type f->t. */
Value *fourier_constant(Fourier *, const double *, int64_t count, Expr *const *dims, int rank);
/* x [a, n, b, 1 or 2] to [a, n, b, 2]. */
Value *fourier_stages(Fourier *, Value *x, Expr *a, int64_t n, Expr *b);

#endif
