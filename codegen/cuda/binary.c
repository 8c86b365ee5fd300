/* --emit=cubin and --emit=ptx: the kernels compiled for GPUs, and what they need there. */
#include "codegen/cuda/cuda.h"

#include "codegen/link/link.h"

static const char *const default_archs[] = {"sm_80", "sm_90a"};

/* ---- which architectures ---- */
static int arch_number(const char *arch) {
    int n = 0;
    sscanf(arch, "%*[a-z]_%d", &n);
    return n;
}

/* PTX for the newest of the list, without the letters that tie it to one chip. */
static const char *ptx_arch(Ctx *ctx, const char *const *archs, int n) {
    int newest = 0;
    for (int i = 0; i < n; i++) newest = MAX(newest, arch_number(archs[i]));
    return arena_printf(ctx->perm, "compute_%d", newest);
}

/* x.cubin with several architectures: x.sm_80.cubin, x.sm_90a.cubin. */
static const char *path_for(Ctx *ctx, const char *output, const char *arch, int n) {
    const char *slash = strrchr(output, '/'), *dot = strrchr(output, '.');
    if (n == 1) return output;
    if (!dot || (slash && dot < slash)) dot = output + strlen(output);
    return arena_printf(ctx->perm, "%.*s.%s%s", (int)(dot - output), output, arch, dot);
}

/* ---- what ptxas found ---- */
static void report(Ctx *ctx, const CudaBinary *b, bool verbose) {
    for (int i = 0; i < b->uses.n; i++) {
        const CudaUse *u = &b->uses.at[i];
        if (verbose)
            fprintf(stderr,
                    "onnxcc: %s %s: %d registers, %d bytes of stack, %d of shared memory, spills "
                    "%d/%d bytes\n",
                    b->arch, u->kernel, u->registers, u->stack, u->shared, u->spill_stores,
                    u->spill_loads);
        if (u->spill_stores || u->spill_loads)
            diag_warn(ctx, NULL, "kernel %s spills registers on %s (%d bytes stored, %d loaded)",
                      u->kernel, b->arch, u->spill_stores, u->spill_loads);
    }
}

static int one(Ctx *ctx, const char *source, const char *arch, const char *path, bool verbose) {
    CudaBinary b;
    if (!nvrtc_compile(ctx, source, arch, &b)) return 1;
    report(ctx, &b, verbose);
    return link_write_file(ctx, path, b.data, b.bytes) ? 0 : 1;
}

int cuda_emit_binary(Ctx *ctx, const Entry *entries, int n, const EmitOptions *o) {
    const char *const *archs = o->n_gpu_arch ? o->gpu_arch : default_archs, *why;
    int n_archs = o->n_gpu_arch ? o->n_gpu_arch : LEN(default_archs), code = 0;
    CudaText t;
    if (!nvrtc_present(ctx, &why)) {
        diag_error(ctx, NULL, "%s", why);
        return 1;
    }
    cuda_text(ctx, entries, n, &t);
    const char *source = str_c(&t.device);
    if (o->kind == EMIT_PTX)
        return one(ctx, source, ptx_arch(ctx, archs, n_archs), o->output, o->verbose);
    for (int i = 0; i < n_archs && !code; i++)
        code = one(ctx, source, archs[i], path_for(ctx, o->output, archs[i], n_archs), o->verbose);
    for (int i = 0; code && i < n_archs; i++) remove(path_for(ctx, o->output, archs[i], n_archs));
    return code;
}
