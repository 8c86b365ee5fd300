/* Debug information (-g): the functions and statements of kernels by their lines in the text of the
 * loops, which lies beside the output. The host functions have none. */
#include "codegen/llvm/gen.h"

#include <llvm-c/DebugInfo.h>
#include <stdlib.h>

struct Debug {
    LLVMDIBuilderRef b;
    LLVMMetadataRef file, scope; /* scope: the function at work */
    Map *lines;                  /* of LFunc and LStmt */
};

static LLVMMetadataRef file_of(Gen *g, LLVMDIBuilderRef b, const char *path) {
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    char *folder = slash ? arena_strn(g->ctx->perm, path, (size_t)(slash - path) + 1) : ".";
    char *whole = realpath(folder, NULL);
    if (whole) folder = arena_str(g->ctx->perm, whole);
    free(whole);
    return LLVMDIBuilderCreateFile(b, name, strlen(name), folder, strlen(folder));
}

static void add_flag(Gen *g, const char *name, unsigned value) {
    LLVMAddModuleFlag(g->m, LLVMModuleFlagBehaviorWarning, name, strlen(name),
                      LLVMValueAsMetadata(LLVMConstInt(g->i32, value, false)));
}

void debug_open(Gen *g, const char *path, Map *lines) {
    static const char producer[] = "onnxcc";
    Debug *d = g->debug = NEW(g->ctx->perm, Debug);
    d->b = LLVMCreateDIBuilder(g->m);
    d->file = file_of(g, d->b, path);
    d->lines = lines;
    LLVMDIBuilderCreateCompileUnit(d->b, LLVMDWARFSourceLanguageC99, d->file, producer,
                                   sizeof producer - 1, true, "", 0, 0, "", 0,
                                   LLVMDWARFEmissionFull, 0, false, false, "", 0, "", 0);
    add_flag(g, "Debug Info Version", LLVMDebugMetadataVersion());
    add_flag(g, "Dwarf Version", 4);
}

static unsigned line_of(const Debug *d, const void *thing) {
    return (unsigned)(uintptr_t)map_get_int(d->lines, (uint64_t)(uintptr_t)thing);
}

void debug_function(Gen *g, const LFunc *f, LLVMValueRef fn) {
    Debug *d = g->debug;
    if (!d) return;
    unsigned line = line_of(d, f);
    LLVMMetadataRef type =
        LLVMDIBuilderCreateSubroutineType(d->b, d->file, NULL, 0, LLVMDIFlagZero);
    d->scope = LLVMDIBuilderCreateFunction(d->b, d->file, f->name, strlen(f->name), "", 0, d->file,
                                           line, type, true, true, line, LLVMDIFlagZero, true);
    LLVMSetSubprogram(fn, d->scope);
    debug_line(g, f);
}

void debug_line(Gen *g, const void *thing) {
    const Debug *d = g->debug;
    if (!d) return;
    g->where = LLVMDIBuilderCreateDebugLocation(g->c, line_of(d, thing), 1, d->scope, NULL);
    LLVMSetCurrentDebugLocation2(g->b, g->where);
}

void debug_leave(Gen *g) {
    if (g->debug) LLVMSetCurrentDebugLocation2(g->b, g->where = NULL);
}

void debug_close(Gen *g) {
    if (!g->debug) return;
    LLVMDIBuilderFinalize(g->debug->b);
    LLVMDisposeDIBuilder(g->debug->b);
    g->debug = NULL;
}
