/* Prints the kernels of loops texts as CUDA C, compiles them through the emulation header, runs
 * them with threads in random orders, and compares every bit with the interpreter. Where a CUDA
 * toolkit is installed NVRTC compiles the same text.
 *
 *     kernels_test DIR FILE.ir...     lines "# run ..." as in tests/c/runs.h */
#include "codegen/cuda/cuda.h"
#include "ir/lex.h"
#include "ir/scalar_eval.h"
#include "runtime/abi.h"

#include <dlfcn.h>
#include <math.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/c/runs.h"

static void print(Ctx *ctx, const Loops *l, CudaText *t) {
    cuda_text_begin(ctx, t);
    for (int i = 0; i < l->kernels.n; i++) {
        const LFunc *f = l->kernels.at[i];
        CudaNames names = {arena_printf(ctx->perm, "k_%s", f->name),
                           arena_printf(ctx->perm, "launch_%s", f->name), NULL};
        cuda_text_kernel(ctx, t, f, names);
        str_fmt(&t->launches.at[i].host,
                "extern \"C\" __attribute__((visibility(\"default\"))) onnxcc_kernel_fn const p_%s "
                "= %s;\n",
                f->name, names.launcher);
    }
}

static void *compile(Ctx *ctx, const CudaText *t, const char *dir, int number) {
    char so[300], command[900];
    CudaEmu emu;
    if (!cuda_emu_compile(ctx, t, 2, false, dir, &emu)) exit(1);
    snprintf(so, sizeof so, "%s/cuda%d.so", dir, number);
    int n = snprintf(command, sizeof command, "cc -shared -Wl,-z,defs -o %s -pthread", so);
    for (int i = 0; i < emu.n_objects; i++)
        n += snprintf(command + n, sizeof command - (size_t)n, " %s", emu.objects[i]);
    snprintf(command + n, sizeof command - (size_t)n, " -lm");
    if (system(command)) exit(1);
    void *lib = dlopen(so, RTLD_NOW);
    if (!lib) printf("%s\n", dlerror()), exit(1);
    return lib;
}

/* Others may be tiles of CPUs. */
static bool works_together(const Loops *l, const char *kernel) {
    for (int i = 0; i < l->kernels.n; i++)
        if (lfunc_threads(l->kernels.at[i]) && strstr(kernel, l->kernels.at[i]->name)) return true;
    return false;
}

static void compile_for_gpu(Ctx *ctx, const Loops *l, const CudaText *t, const char *arch) {
    CudaArchs archs = {&arch, 1, NULL};
    NvrtcResult r;
    CudaUses uses = {0};
    Str text = str_new(ctx->perm), said = str_new(ctx->perm);
    ctx->capture = &said;
    bool ready = nvrtc_ready(ctx, &archs);
    ctx->capture = NULL;
    if (!ready) {
        printf("not compiled for a GPU: %s", str_c(&said));
        return;
    }
    cuda_text_device(&text, t, 0, t->launches.n);
    if (!nvrtc_compile(ctx, str_c(&text), arch, false, &r)) exit(1);
    cuda_parse_log(ctx, r.log, &uses);
    if (uses.list.n != l->kernels.n)
        printf("FAIL: ptxas told of %d kernels\n", uses.list.n), failures++;
    for (int i = 0; i < uses.serial.n; i++)
        printf("FAIL: %s waits for each of its products\n", uses.serial.at[i]), failures++;
    for (int i = 0; i < uses.list.n; i++)
        if (!uses.list.at[i].registers)
            printf("FAIL: %s has no registers\n", uses.list.at[i].kernel), failures++;
        else if (uses.list.at[i].spill_stores && works_together(l, uses.list.at[i].kernel))
            printf("FAIL: %s spills registers on %s\n", uses.list.at[i].kernel, arch), failures++;
}

static void run_file(Ctx *ctx, const char *path, const char *dir, int number) {
    char *text = read_file(path);
    CudaText t;
    Loops *l = loops_parse(ctx, lex_open(ctx, path, text, strlen(text)));
    if (!l || !loops_verify(l, "as parsed")) exit(1);
    print(ctx, l, &t);
    compile_for_gpu(ctx, l, &t, "sm_80");
    compile_for_gpu(ctx, l, &t, "sm_90a");
    compile_for_gpu(ctx, l, &t, "sm_120");
    void *lib = compile(ctx, &t, dir, number);
    char *at = text, *line;
    while ((line = strsep(&at, "\n"))) {
        Run r;
        if (strncmp(line, "# run ", 6) || strstr(line, "_in_place")) continue; /* no aliases */
        parse_run(ctx, l, line + 6, &r);
        onnxcc_kernel_fn *code = dlsym(lib, arena_printf(ctx->perm, "p_%s", r.f->name));
        for (int seed = 0; seed < 3; seed++) run_one(ctx, &r, *code);
    }
    free(text);
}

int main(int argc, char **argv) {
    Ctx *ctx = ctx_new();
    setenv("ONNXCC_EMU_SEED", "17", 0);
    for (int i = 2; i < argc; i++) run_file(ctx, argv[i], argv[1], i);
    ctx_free(ctx);
    printf("%d runs, %d failures\n", runs, failures);
    return failures || !runs;
}
