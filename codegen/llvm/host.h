/* Shared by host.c and hostcall.c: the state while a host function is made. */
#ifndef ONNXCC_CODEGEN_LLVM_HOST_H
#define ONNXCC_CODEGEN_LLVM_HOST_H

#include "codegen/llvm/model.h"
#include "runtime/cuda.h"

/* flag: they have changed places */
typedef struct Swap {
    const Tensor *a, *b;
    LLVMValueRef flag;
} Swap;
/* of all tensor maps of a launch */
enum { HOST_MAP_NUMBERS = ONNXCC_CUDA_MAPS * (1 + 2 * ONNXCC_CUDA_MAP_DIMS) };
typedef struct Host {
    Fn F;
    Gen *g;
    Model *model;
    Map *outs; /* output of unknown size to the variable that holds its address */
    VEC(Swap) swaps;
    int64_t word;                   /* bytes of a pointer */
    LLVMValueRef pointers, numbers; /* arrays for the arguments of calls */
} Host;

LLVMValueRef host_field(Host *, int member, LLVMTypeRef); /* frame->member */
LLVMValueRef host_offset(Host *, LLVMValueRef base, LLVMValueRef bytes);
LLVMValueRef host_slot(Host *, int slot); /* address of syms[slot] */
void host_store_slot(Host *, int slot, LLVMValueRef);
/* leaves the builder behind it, in the entry block */
LLVMValueRef host_alloca(Host *, LLVMTypeRef, const char *name);
LLVMValueRef host_index(Host *, Expr *);
/* may load from the program's tensors */
Val host_value(Host *, Expr *);
/* for kernels on the device: of a constant's copy there */
LLVMValueRef host_address(Host *, const Tensor *, bool device);
LLVMValueRef host_place(Host *, const Tensor *); /* its offset in its arena */
bool host_separate(const Host *); /* the device has memory of its own */
void host_return_if(Host *, LLVMValueRef cond, LLVMValueRef code);
void host_check_overflow(Host *);
/* dimensions that are known now: of this output; NULL: of all */
void host_late_slots(Host *, const Tensor *);
/* of a runtime function */
LLVMValueRef host_call(Host *, const char *name, LLVMTypeRef result, LLVMValueRef *args, int n);
void host_wait(Host *); /* before the host looks at what kernels on a device have written */
void host_body(Host *, const LBody *);

#endif
