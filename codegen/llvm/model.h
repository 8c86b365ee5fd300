/* One entry on its way to machine code: names, slots, weights; shared by the files that make
 * host functions, the model's description and the objects. */
#ifndef ONNXCC_CODEGEN_LLVM_MODEL_H
#define ONNXCC_CODEGEN_LLVM_MODEL_H

#include "codegen/link/link.h"
#include "codegen/llvm/gen.h"
#include "codegen/weights.h"

/* A dimension that the description names and no symbol holds: it gets a slot of its own. */
typedef struct ExtraSlot {
    Expr *e;
    int slot;
    bool late; /* known only during the run */
} ExtraSlot;
typedef struct KernelFn { /* one function to compile */
    const LFunc *f;
    const char *symbol;
    bool *may_alias; /* by parameter; NULL: none overlaps another */
    bool faults;
    int64_t image_at; /* its description in the image, where it runs on a device */
} KernelFn;
typedef struct Model {
    Ctx *ctx;
    const Entry *entry;
    const Plan *plan;
    const Weights *weights;
    const char *name; /* C prefix */
    const char *triple;
    const char *const *cpu, *const *features; /* per version */
    const char *weights_symbol;               /* embedded payload; NULL: elsewhere */
    const char *weights_file;                 /* base name, for --weights=file */
    const char *driver;       /* symbol of a struct onnxcc_device, with image_symbol */
    const char *image_symbol; /* kernels for a device (runtime/cuda.h); NULL: they run here */
    bool hosted;
    bool own_members;  /* of a library: the pool, and what maps files */
    const char *files; /* symbol of a struct onnxcc_host */
    VEC(ExtraSlot) extra;
    int n_slots;
    VEC(KernelFn) kernels; /* of all versions */
    Map *by_func;          /* LFunc to index + 1 */
    LinkEntry link;
} Model;

/* ---- entry.c: what follows from the program ---- */
void model_begin(Model *, Ctx *, const Entry *, const Weights *);
int model_axis_slot(Model *, Expr *);  /* -1: a constant */
bool model_is_late(const Expr *);      /* depends on values that only the run knows */
bool model_is_unknown(const Tensor *); /* an output of unknown size */
/* named dimensions, by slot; n: how many; NULL: beyond */
Sym *model_dim(const Model *, int i, int *n);
int64_t model_arena_bytes(const Model *); /* most for bounded dims, one thread; 0: unbounded */
KernelFn *model_kernel(const Model *, const LFunc *);

/* ---- host.c hostcall.c: bind and run ---- */
LLVMValueRef host_bind(Gen *, Model *);
LLVMValueRef host_run(Gen *, Model *, int version);

/* ---- describe.c: struct onnxcc_model and the wrappers ---- */
/* an object of the runtime or of the linked data */
LLVMValueRef model_outside(Gen *, const char *name);
/* with bind, run and the public functions */
LLVMValueRef describe_model(Gen *, Model *);
void describe_pool(Gen *, Model *); /* NAME_pool_new, NAME_pool_free */
void describe_main(Gen *, LLVMValueRef *models, int n); /* main() */
/* everything else becomes internal */
enum { PART_CORE = 1, PART_HOST = 2, PART_IMAGE = 4 };
bool link_runtime(Gen *, const char *const *prefixes, int n, int parts);

#endif
