/* What the rest of code generation asks of LLVM: modules of a program as objects or text. No
 * LLVM type appears here. */
#ifndef ONNXCC_CODEGEN_LLVM_H
#define ONNXCC_CODEGEN_LLVM_H

#include "codegen/codegen.h"
#include "codegen/link/link.h"
#include "codegen/weights.h"

/* The program as code generation sees it; made by llvm_begin. */
typedef struct LlvmJob {
    Ctx *ctx;
    const Entry *entries;
    int n_entries;
    const EmitOptions *options;
    const Weights *weights;
    const char *weights_symbol, *weights_file, *image_symbol; /* as in model.h */
    bool hosted, with_main;
    const char *text_path; /* -g: the file of the loops' text, and the lines in it */
    Map *lines;            /* by LFunc and LStmt; NULL: no debug information */
    bool own_members;     /* a library: what needs a C library stands in units of its own */
    bool decodes;         /* images: the runtime has a part for that */
    bool runtime_outside; /* linked as objects of its own: modules only refer to it */
    const char *triple;   /* options->triple, normalised */
    struct Model *models; /* one per entry */
    const char **prefixes;
    int n_kernels; /* of all entries and versions */
    int n_units;   /* pieces that are compiled one by one: the host side, kernels, pool, files */
} LlvmJob;
const char *target_host(Ctx *); /* the triple of this machine */
bool llvm_begin(LlvmJob *);     /* fills the rest; false: reported */
const LinkEntry *llvm_link_entry(const LlvmJob *, int entry);
const char *llvm_unit_name(const LlvmJob *, int unit);
/* Compiles one unit to an object file. `doing` (256 bytes) always says which kernel is at work.
 * Returns an exit code. */
int llvm_unit(const LlvmJob *, int unit, const char *path, char *doing);
/* Beside each object lies OBJECT.stack; the bytes of stack that NAME_run needs, from those of
 * all objects. 0: not known. */
int64_t llvm_stack_bytes(const LlvmJob *, int entry, const char *const *files, int n);
/* everything in one object */
int llvm_whole_object(const LlvmJob *, const char *path, char *doing);
int llvm_whole_text(const LlvmJob *, bool assembly, const char **text);
const LFunc *llvm_kernel_named(const LlvmJob *, const char *symbol, const Loops **loops);

#endif
