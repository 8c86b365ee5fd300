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

CudaArchs cuda_archs(Ctx *ctx, const EmitOptions *o) {
    CudaArchs a = {o->gpu_arch, o->n_gpu_arch, NULL};
    if (!a.n) a = (CudaArchs){default_archs, LEN(default_archs), NULL};
    a.ptx = ptx_arch(ctx, a.at, a.n);
    return a;
}

/* x.cubin with several architectures: x.sm_80.cubin, x.sm_90a.cubin. */
static const char *path_for(Ctx *ctx, const char *output, const char *arch, int n) {
    const char *slash = strrchr(output, '/'), *dot = strrchr(output, '.');
    if (n == 1) return output;
    if (!dot || (slash && dot < slash)) dot = output + strlen(output);
    return arena_printf(ctx->perm, "%.*s.%s%s", (int)(dot - output), output, arch, dot);
}

/* ---- what ptxas found ---- */
void cuda_report_use(Ctx *ctx, const CudaBinary *b, bool verbose) {
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
    cuda_report_use(ctx, &b, verbose);
    return link_write_file(ctx, path, b.data, b.bytes) ? 0 : 1;
}

int cuda_emit_binary(Ctx *ctx, const Entry *entries, int n, const EmitOptions *o) {
    CudaArchs archs = cuda_archs(ctx, o);
    const char *why;
    int code = 0;
    CudaText t;
    if (!nvrtc_present(ctx, &why)) {
        diag_error(ctx, NULL, "%s", why);
        return 1;
    }
    cuda_text(ctx, entries, n, &t);
    Str text = str_new(ctx->perm);
    cuda_text_device(&text, &t, 0, t.launches.n);
    const char *source = str_c(&text);
    if (o->kind == EMIT_PTX) return one(ctx, source, archs.ptx, o->output, o->verbose);
    for (int i = 0; i < archs.n && !code; i++)
        code = one(ctx, source, archs.at[i], path_for(ctx, o->output, archs.at[i], archs.n),
                   o->verbose);
    for (int i = 0; code && i < archs.n; i++)
        remove(path_for(ctx, o->output, archs.at[i], archs.n));
    return code;
}
