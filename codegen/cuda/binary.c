/* --emit=cubin and --emit=ptx: the kernels compiled for GPUs, a file for each architecture. */
#include "codegen/cuda/cuda.h"

#include "codegen/link/link.h"

/* x.cubin with several architectures: x.sm_80.cubin, x.sm_90a.cubin. */
static const char *path_for(Ctx *ctx, const char *output, const char *arch, int n) {
    const char *slash = strrchr(output, '/'), *dot = strrchr(output, '.');
    if (n == 1) return output;
    if (!dot || (slash && dot < slash)) dot = output + strlen(output);
    return arena_printf(ctx->perm, "%.*s.%s%s", (int)(dot - output), output, arch, dot);
}

static bool write_all(Ctx *ctx, const CudaBuild *b, const char *output) {
    bool ok = true;
    int n = b->n_targets;
    for (int i = 0; i < n && ok; i++) {
        const CudaCode *code = &b->target[i].code[0];
        const char *path = path_for(ctx, output, b->target[i].arch, n);
        ok = link_write_file(ctx, path, code->at, code->bytes);
    }
    for (int i = 0; i < n && !ok; i++) remove(path_for(ctx, output, b->target[i].arch, n));
    return ok;
}

int cuda_emit_binary(Ctx *ctx, const Entry *entries, int n, const EmitOptions *o) {
    CudaArchs archs = cuda_archs(ctx, o);
    CudaBuild build;
    CudaText text;
    if (o->kind == EMIT_PTX) archs.at = &archs.ptx, archs.n = 1;
    if (!nvrtc_ready(ctx, &archs)) return 1;
    const char *dir = link_temp_dir(ctx);
    if (!dir) return 1;
    cuda_text(ctx, entries, n, &text);
    bool ok = cuda_build(ctx, &text, &archs, true, o, dir, &build) &&
              write_all(ctx, &build, o->output);
    if (ok) cuda_report_use(ctx, &build, o->verbose);
    link_temp_remove(dir);
    return ok ? 0 : 1;
}
