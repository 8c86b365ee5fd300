/* Where buffers lie in the arena: one rule for the compiler, where sizes are known, and for
 * programs, when dimensions are bound. */
#ifndef ONNXCC_RUNTIME_PLACE_H
#define ONNXCC_RUNTIME_PLACE_H

#include <stdint.h>

/* Steps are inclusive; bytes are a multiple of the alignment. */
struct onnxcc_live { int64_t bytes, first, last; };

/* Fills offset[n] (from `base` up) and returns the end of the highest buffer. `work`: 2 * n
 * elements. */
int64_t onnxcc_place(const struct onnxcc_live *, int64_t n, int64_t base, int64_t *offset,
                     int64_t *work);

#endif
