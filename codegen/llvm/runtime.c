/* The runtime's bitcode joins the module; only what the header declares stays visible. */
#include "codegen/llvm/model.h"

#include <llvm-c/BitReader.h>
#include <llvm-c/Linker.h>

#include "codegen/embedded.h"

static bool add_part(Gen *g, const char *file) {
    const EmbeddedFile *f = embedded_runtime(g->triple, file);
    LLVMModuleRef m;
    if (!f)
        return diag_error(g->ctx, NULL, "no runtime (%s) for target %s is built into this onnxcc",
                          file, g->triple);
    LLVMMemoryBufferRef buffer =
        LLVMCreateMemoryBufferWithMemoryRange((const char *)f->data, f->size, f->name, false);
    if (LLVMParseBitcodeInContext2(g->c, buffer, &m))
        BUG("the embedded %s is not bitcode", f->name);
    LLVMDisposeMemoryBuffer(buffer);
    LLVMSetTarget(m, g->triple);
    LLVMSetModuleDataLayout(m, LLVMGetModuleDataLayout(g->m));
    if (LLVMLinkModules2(g->m, m)) BUG("the runtime does not link");
    return true;
}

static bool is_public(const char *name, const char *const *prefixes, int n) {
    if (!strcmp(name, "main")) return true;
    for (int i = 0; i < n; i++) {
        size_t len = strlen(prefixes[i]);
        if (!strncmp(name, prefixes[i], len) && name[len] == '_') return true;
    }
    return false;
}

static void internalize(LLVMValueRef v, const char *const *prefixes, int n) {
    size_t len;
    if (LLVMIsDeclaration(v) || is_public(LLVMGetValueName2(v, &len), prefixes, n)) return;
    LLVMLinkage l = LLVMGetLinkage(v);
    if (l == LLVMPrivateLinkage || l == LLVMAppendingLinkage) return;
    LLVMSetVisibility(v, LLVMDefaultVisibility);
    LLVMSetLinkage(v, LLVMInternalLinkage);
}

bool link_runtime(Gen *g, const char *const *prefixes, int n, int parts) {
    static const char *const files[] = {"core.bc", "host.bc", "image.bc"};
    for (int i = 0; i < LEN(files); i++)
        if (parts >> i & 1 && !add_part(g, files[i])) return false;
    for (LLVMValueRef f = LLVMGetFirstFunction(g->m); f; f = LLVMGetNextFunction(f))
        internalize(f, prefixes, n);
    for (LLVMValueRef v = LLVMGetFirstGlobal(g->m); v; v = LLVMGetNextGlobal(v))
        internalize(v, prefixes, n);
    return true;
}
