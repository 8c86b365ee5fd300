/* Files that onnxcc carries, so that it needs nothing of the source tree at run time.
 *
 *   TRIPLE/core.bc, TRIPLE/host.bc   the runtime as LLVM bitcode, one module per target and part
 *   TRIPLE/core.o, TRIPLE/host.o     the same as objects, for hosted targets
 *   runtime/...                      texts for portable C and CUDA, under their path in the tree
 *
 * The build makes the table (cmake/runtime.cmake). A NUL byte follows each file's bytes. */
#ifndef ONNXCC_CODEGEN_EMBEDDED_H
#define ONNXCC_CODEGEN_EMBEDDED_H

#include <stddef.h>

typedef struct EmbeddedFile {
    const char *name;
    const unsigned char *data;
    size_t size;
} EmbeddedFile;
extern const struct EmbeddedFile embedded_files[]; /* the last has no name */

const EmbeddedFile *embedded_find(const char *name); /* NULL: no such file */
/* "TRIPLE/file" (core.bc, host.o, ...) of the target that fits best: the triple itself, else one of
 * its architecture and kind (hosted or bare metal). NULL: none. */
const EmbeddedFile *embedded_runtime(const char *triple, const char *file);

#endif
