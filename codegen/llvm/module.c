/* Modules: made empty, verified, optimised by a short fixed list of passes, emitted. */
#include "codegen/llvm/gen.h"

#include <llvm-c/Analysis.h>
#include <llvm-c/Error.h>
#include <llvm-c/Transforms/PassBuilder.h>

static void on_diagnostic(LLVMDiagnosticInfoRef info, void *user) {
    Gen *g = user;
    LLVMDiagnosticSeverity severity = LLVMGetDiagInfoSeverity(info);
    char *text = LLVMGetDiagInfoDescription(info);
    if (severity == LLVMDSError) diag_error(g->ctx, NULL, "LLVM: %s", text);
    else if (severity == LLVMDSWarning && g->frames.arena) stack_note(g, text);
    LLVMDisposeMessage(text);
}

static void set_types(Gen *g) {
    g->none = LLVMVoidTypeInContext(g->c);
    g->i1 = LLVMInt1TypeInContext(g->c);
    g->i8 = LLVMInt8TypeInContext(g->c);
    g->i16 = LLVMInt16TypeInContext(g->c);
    g->i32 = LLVMInt32TypeInContext(g->c);
    g->i64 = LLVMInt64TypeInContext(g->c);
    g->f32 = LLVMFloatTypeInContext(g->c);
    g->f64 = LLVMDoubleTypeInContext(g->c);
    g->ptr = LLVMPointerTypeInContext(g->c, 0);
}

/* What else would be calls of a library. */
static void set_abilities(Gen *g) {
    const Machine *m = g->machine;
    bool arm64 = !strcmp(m->family, "aarch64"), x86 = !strcmp(m->family, "x86_64");
    g->native_f16 = arm64 || (x86 && m->vector_bytes >= 32);
    g->native_round =
        arm64 || (x86 && strcmp(m->name, "x86-64") != 0) || !strcmp(m->family, "wasm32");
}

Gen *gen_open(Ctx *ctx, const TargetSpec *spec, const char *name) {
    LLVMTargetMachineRef tm = target_machine(ctx, spec);
    if (!tm) return NULL;
    Gen *g = NEW(ctx->perm, Gen);
    *g = (Gen){.ctx = ctx,
               .machine = spec->machine,
               .triple = spec->triple,
               .cpu = spec->cpu,
               .features = spec->features,
               .tm = tm};
    g->c = LLVMContextCreate();
    LLVMContextSetDiagnosticHandler(g->c, on_diagnostic, g);
    LLVMContextSetDiscardValueNames(g->c, !spec->debug);
    g->m = LLVMModuleCreateWithNameInContext(name, g->c);
    g->b = LLVMCreateBuilderInContext(g->c);
    LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(tm);
    LLVMSetModuleDataLayout(g->m, layout);
    LLVMDisposeTargetData(layout);
    LLVMSetTarget(g->m, spec->triple);
    set_types(g);
    set_abilities(g);
    return g;
}

void gen_version(Gen *g, const Machine *machine, const char *cpu, const char *features) {
    g->machine = machine;
    g->cpu = cpu;
    g->features = features;
    set_abilities(g);
}

void gen_close(Gen *g) {
    LLVMDisposeBuilder(g->b);
    LLVMDisposeModule(g->m);
    LLVMContextDispose(g->c);
    LLVMDisposeTargetMachine(g->tm);
}

/* Nothing here throws: no tables for unwinding. */
static void never_unwinds(Gen *g) {
    unsigned kind = LLVMGetEnumAttributeKindForName("nounwind", 8);
    LLVMAttributeRef a = LLVMCreateEnumAttribute(g->c, kind, 0);
    for (LLVMValueRef f = LLVMGetFirstFunction(g->m); f; f = LLVMGetNextFunction(f))
        LLVMAddAttributeAtIndex(f, (unsigned)LLVMAttributeFunctionIndex, a);
}

bool gen_verify(Gen *g) {
    char *message = NULL;
    never_unwinds(g);
    bool bad = LLVMVerifyModule(g->m, LLVMReturnStatusAction, &message);
    if (bad) diag_error(g->ctx, NULL, "the generated code is not valid: %s", message);
    LLVMDisposeMessage(message);
    return !bad;
}

static const char *const kernel_passes =
    "function(sroa,early-cse<memssa>,instcombine<max-iterations=1;no-verify-fixpoint>,loop-mssa("
    "licm),early-cse)";

void gen_optimize(Gen *g, const char *passes) {
    LLVMPassBuilderOptionsRef o = LLVMCreatePassBuilderOptions();
    LLVMErrorRef error = LLVMRunPasses(g->m, passes ? passes : kernel_passes, g->tm, o);
    LLVMDisposePassBuilderOptions(o);
    if (error) BUG("LLVM's passes: %s", LLVMGetErrorMessage(error));
}

bool gen_object(Gen *g, const char *path) {
    char *message = NULL;
    char *copy = arena_str(g->ctx->perm, path);
    stack_watch(g);
    if (!LLVMTargetMachineEmitToFile(g->tm, g->m, copy, LLVMObjectFile, &message)) return true;
    diag_error(g->ctx, NULL, "%s: %s", path, message);
    LLVMDisposeMessage(message);
    return false;
}

static const void *emit_memory(Gen *g, LLVMCodeGenFileType kind, size_t *bytes) {
    char *message = NULL;
    LLVMMemoryBufferRef out;
    if (LLVMTargetMachineEmitToMemoryBuffer(g->tm, g->m, kind, &message, &out)) {
        diag_error(g->ctx, NULL, "LLVM: %s", message);
        LLVMDisposeMessage(message);
        return NULL;
    }
    *bytes = LLVMGetBufferSize(out);
    const void *copy = arena_strn(g->ctx->perm, LLVMGetBufferStart(out), *bytes);
    LLVMDisposeMemoryBuffer(out);
    return copy;
}

bool gen_object_memory(Gen *g, const void **data, size_t *bytes) {
    *data = emit_memory(g, LLVMObjectFile, bytes);
    return *data != NULL;
}

char *gen_assembly(Gen *g) {
    size_t n;
    return (char *)(uintptr_t)emit_memory(g, LLVMAssemblyFile, &n);
}

char *gen_text(Gen *g) {
    char *text = LLVMPrintModuleToString(g->m), *copy = arena_str(g->ctx->perm, text);
    LLVMDisposeMessage(text);
    return copy;
}
