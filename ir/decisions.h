/* Schedules as text: what --dump-decisions writes and --decisions reads.
 *
 *   kernel 9f1c33aa5c0d1e2f {  # k0_conv_max
 *     # v1 in ...                        what the kernel computes, for the reader
 *     how "x86-64-v4" {
 *       split v2 by 8 -> o.0 o.1 exact
 *       ...
 *     }
 *   }
 *
 * A kernel is named by the hash of its canonical text (ir/kernel_hash.c), in which tensors,
 * variables and symbols are numbered by first use; its hows use those names. So an entry fits every
 * equal kernel, of any model. */
#ifndef ONNXCC_IR_DECISIONS_H
#define ONNXCC_IR_DECISIONS_H

#include "ir/kernel.h"

typedef struct Decisions Decisions;
/* text: n bytes of the file `path`; both must outlive the result. */
Decisions *decisions_open(Ctx *, const char *path, const char *text, size_t n);
/* The hows of the file take the place of those for the same machines. False after a diagnostic: the
 * text cannot be read, or a schedule does not compute its kernel. */
bool decisions_apply(Decisions *, Program *);
void decisions_warn_unused(Decisions *); /* entries that no program had a kernel for */

/* Appends the hows of all kernels that `seen` (by hash) does not hold yet. */
void decisions_print(Str *, Program *, Map *seen);

#endif
