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

/* The same in a given order: order[k] is placed k-th. `placed`: n elements of work space. */
int64_t onnxcc_place_ordered(const struct onnxcc_live *, int64_t n, int64_t base,
                             const int64_t *order, int64_t *offset, int64_t *placed);

#endif
