/* The host side of generated C: what host.c, model.c, weights.c and emit.c share. */
#ifndef ONNXCC_CODEGEN_C_HOST_H
#define ONNXCC_CODEGEN_C_HOST_H

#include "codegen/c/gen.h"
#include "codegen/llvm/model.h"

/* Of the last version of the entry: the one that needs least of a processor. */
void c_host_bind(Model *, Str *out, int scratch_slots);
void c_host_run(Model *, Str *out);
/* struct onnxcc_model and what it points to; the functions of the header. `weights`: the
 * payload's C name, NULL: outside. `hosted`: runtime/host is linked. */
void c_model(Model *, Str *out, const char *weights, bool hosted, uint64_t weights_hash);
/* The payload as one constant struct called `name`, aligned to 64, written as it goes. */
void c_weights(const Weights *, FILE *out, const char *name);

#endif
