/* LLVM's targets: triple, processor and features to a target machine. */
#include "codegen/llvm/gen.h"

#include <llvm-c/Target.h>

/* Registering twice does no harm, but takes time. */
static void initialize(void) {
    static bool done;
    if (done) return;
    done = true;
#define TARGET(name)                                                                               \
    LLVMInitialize##name##TargetInfo();                                                            \
    LLVMInitialize##name##Target();                                                                \
    LLVMInitialize##name##TargetMC();                                                              \
    LLVMInitialize##name##AsmPrinter();                                                            \
    LLVMInitialize##name##AsmParser();
    TARGET(X86)
    TARGET(AArch64)
    TARGET(ARM)
    TARGET(RISCV)
    TARGET(WebAssembly)
#undef TARGET
}

const char *target_normal(Ctx *ctx, const char *triple) {
    char *text = LLVMNormalizeTargetTriple(triple), *copy = arena_str(ctx->perm, text);
    LLVMDisposeMessage(text);
    return copy;
}

const char *target_host(Ctx *ctx) {
    char *text = LLVMGetDefaultTargetTriple(), *copy = arena_str(ctx->perm, text);
    LLVMDisposeMessage(text);
    return copy;
}

LLVMTargetMachineRef target_machine(Ctx *ctx, const TargetSpec *spec) {
    LLVMTargetRef target;
    char *message = NULL;
    initialize();
    if (LLVMGetTargetFromTriple(spec->triple, &target, &message)) {
        diag_error(ctx, NULL, "no code generator for target %s: %s", spec->triple, message);
        LLVMDisposeMessage(message);
        return NULL;
    }
    LLVMTargetMachineOptionsRef o = LLVMCreateTargetMachineOptions();
    LLVMTargetMachineOptionsSetCPU(o, spec->cpu ? spec->cpu : "");
    LLVMTargetMachineOptionsSetFeatures(o, spec->features ? spec->features : "");
    LLVMTargetMachineOptionsSetCodeGenOptLevel(o, LLVMCodeGenLevelDefault);
    LLVMTargetMachineOptionsSetRelocMode(o, spec->pic ? LLVMRelocPIC : LLVMRelocStatic);
    LLVMTargetMachineOptionsSetCodeModel(o,
                                         spec->medium ? LLVMCodeModelMedium : LLVMCodeModelDefault);
    LLVMTargetMachineRef tm = LLVMCreateTargetMachineWithOptions(target, spec->triple, o);
    LLVMDisposeTargetMachineOptions(o);
    if (!tm) diag_error(ctx, NULL, "no code generator for target %s", spec->triple);
    return tm;
}

/* Processors of x86-64 that are not levels: the level that all of one name have. */
const char *target_level(const char *cpu) {
    static const struct {
        const char *prefix, *level;
    } known[] = {
        {"x86-64-v4", "x86-64-v4"},      {"x86-64-v3", "x86-64-v3"},
        {"x86-64-v2", "x86-64-v2"},      {"sapphirerapids", "x86-64-v4"},
        {"emeraldrapids", "x86-64-v4"},  {"graniterapids", "x86-64-v4"},
        {"skylake-avx512", "x86-64-v4"}, {"skx", "x86-64-v4"},
        {"cascadelake", "x86-64-v4"},    {"cooperlake", "x86-64-v4"},
        {"icelake", "x86-64-v4"},        {"rocketlake", "x86-64-v4"},
        {"tigerlake", "x86-64-v4"},      {"znver4", "x86-64-v4"},
        {"znver5", "x86-64-v4"},         {"znver", "x86-64-v3"},
        {"haswell", "x86-64-v3"},        {"broadwell", "x86-64-v3"},
        {"skylake", "x86-64-v3"},        {"alderlake", "x86-64-v3"},
        {"raptorlake", "x86-64-v3"},     {"nehalem", "x86-64-v2"},
        {"sandybridge", "x86-64-v2"},    {"ivybridge", "x86-64-v2"},
    };
    for (int i = 0; cpu && i < LEN(known); i++)
        if (!strncmp(cpu, known[i].prefix, strlen(known[i].prefix))) return known[i].level;
    return "";
}

const Machine *target_default_machine(const char *triple, const char *cpu) {
    const Machine *m = cpu ? machine_by_name(cpu) : NULL;
    const char *level = target_level(cpu);
    if (!m && !strncmp(triple, "x86_64", 6)) m = machine_by_name(*level ? level : "x86-64");
    if (!m && (!strncmp(triple, "aarch64", 7) || !strncmp(triple, "arm64", 5)))
        m = machine_by_name("aarch64");
    if (!m && (!strncmp(triple, "arm", 3) || !strncmp(triple, "thumb", 5)))
        m = machine_by_name("cortex-m4");
    return m ? m : machine_by_name("generic");
}
