/* The structs of runtime/abi.h as LLVM types. Their members stand here in the same order; tests
 * compare the offsets with those of the C compiler. */
#include "codegen/llvm/gen.h"

/* p pointer, w 64 bits, i 32 bits */
static const char *const members[N_ABI] = {
    [ABI_FRAME] = "pppwpppppp"
                  "wppww"
                  "piiw"
                  "pwpppp",
    [ABI_KARGS] = "ppp",
    [ABI_AXIS] = "wwp",
    [ABI_TENSOR] = "piiiipwww",
    [ABI_DIM] = "pww",
    [ABI_KERNEL] = "pp",
    [ABI_SITE] = "pp",
    [ABI_VERSION] = "ppp",
    [ABI_MODEL] = "iiiiiiiiiiiiwwwpppppppppppp"
                  "pppiiii",
};

LLVMTypeRef abi_type(Gen *g, AbiStruct s) {
    LLVMTypeRef at[40];
    unsigned n = 0;
    for (const char *m = members[s]; *m; m++)
        at[n++] = *m == 'p' ? g->ptr : *m == 'w' ? g->i64 : g->i32;
    return LLVMStructTypeInContext(g->c, at, n, false);
}

int64_t abi_offset(Gen *g, AbiStruct s, int member) {
    return (int64_t)LLVMOffsetOfElement(LLVMGetModuleDataLayout(g->m), abi_type(g, s),
                                        (unsigned)member);
}

int64_t abi_bytes(Gen *g, AbiStruct s) {
    return (int64_t)LLVMABISizeOfType(LLVMGetModuleDataLayout(g->m), abi_type(g, s));
}
