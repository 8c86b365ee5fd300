/* The runtime's texts, as onnxcc carries them, for generated C and CUDA C. */
#ifndef ONNXCC_CODEGEN_C_PASTE_H
#define ONNXCC_CODEGEN_C_PASTE_H

#include "ir/base.h"

/* runtime/abi.h and the core, all functions static; of the runtime operators those in `calls`
 * (the names behind onnxcc_call_). */
void paste_core(Str *out, const char *const *calls, int n_calls);
/* A carried text without its #include "..." lines. */
void paste_text(Str *out, const char *name);

#endif
