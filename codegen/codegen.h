/* Code generation: Loops to artefacts. Each generator is one folder. */
#ifndef ONNXCC_CODEGEN_H
#define ONNXCC_CODEGEN_H

#include "ir/loops.h"
#include "ir/machine.h"
#include "ir/plan.h"

typedef enum EmitKind {
    EMIT_EXE,
    EMIT_OBJ,
    EMIT_STATICLIB,
    EMIT_SHAREDLIB,
    EMIT_LLVM,
    EMIT_ASM,
    EMIT_C,
    EMIT_CUDA,
    EMIT_PTX,
    EMIT_CUBIN
} EmitKind;
typedef enum Device { ON_CPU, ON_CUDA, ON_CUDA_EMU } Device; /* where kernels run */
typedef struct Entry {            /* one model of the program */
    const char *name;             /* C prefix */
    const Loops *const *versions; /* one per machine, best first */
    int n_versions;
    const Plan *plan;
} Entry;
typedef struct EmitOptions {
    EmitKind kind;
    const char *output, *header;
    const char *triple;     /* LLVM target triple */
    const char *const *cpu; /* per version: LLVM's name */
    const char *const *features;
    /* per version: what its schedules are made for; NULL: by the processor's name */
    const Machine *const *machine;
    const char *weights; /* embed, file, extern */
    const char *linker, *sysroot;
    const char *const *gpu_arch;
    int n_gpu_arch;
    int jobs;
    Device device;
    bool debug, link_static, bare_metal, verbose, no_cache;
    Map *results; /* what NVRTC has made in this compile; NULL: nothing is compiled twice in it */
} EmitOptions;
/* A kernel whose code asks too much of a GPU that is compiled for. */
typedef struct Excess {
    int entry;
    const struct Kernel *kernel; /* NULL: it was made of none */
    int64_t bytes;
    const char *why;
} Excess;
typedef struct Excesses {
    VEC(Excess) list;
} Excesses;
/* Compiles the kernels for GPUs, and says which ask too much. False: reported. */
bool codegen_excess(Ctx *, const Entry *, int n_entries, const EmitOptions *, Excesses *);
/* Writes the artefact; 0, or the exit code after diagnostics (1 user, 2 compiler); leaves
 * nothing half-written. */
int codegen_emit(Ctx *, const Entry *, int n_entries, const EmitOptions *);
/* Text kinds. */
/* Removes temporary files where the process ends in the middle of it; allocates nothing. */
void codegen_abandon(void);
int codegen_emit_llvm_text(Ctx *, const Entry *, int n, const EmitOptions *, FILE *);
int codegen_emit_c(Ctx *, const Entry *, int n, const EmitOptions *, FILE *);
int codegen_emit_cuda(Ctx *, const Entry *, int n, const EmitOptions *, FILE *);

#endif
