/* Which architectures kernels are compiled for. */
#include "codegen/cuda/cuda.h"

#include <stdlib.h>

static const char *const default_archs[] = {"sm_80", "sm_90a"};

int cuda_arch_number(const char *arch) {
    const char *digits = strchr(arch, '_');
    return digits ? atoi(digits + 1) : 0;
}

bool cuda_is_virtual(const char *arch) {
    return !strncmp(arch, "compute_", 8);
}

bool cuda_is_for_one_chip(const char *arch) {
    return !cuda_is_virtual(arch) && arch[strlen(arch) - 1] == 'a';
}

bool cuda_is_by_the_way(const CudaArchs *a, const char *arch) {
    bool made = false;
    for (int i = 0; i < a->n; i++)
        made |= !strncmp(a->at[i], "sm_", 3) && !strcmp(a->at[i] + 3, arch + strlen("compute_"));
    return made && cuda_is_virtual(arch);
}

int cuda_most_shared(const char *arch) {
    static const struct {
        int arch, kilobytes; /* of a chip from this one on */
    } most[] = {{75, 64}, {80, 163}, {86, 99}, {87, 163}, {89, 99}, {90, 227}, {120, 99}};
    int n = cuda_arch_number(arch), found = 48;
    for (int i = 0; i < LEN(most); i++)
        if (n >= most[i].arch) found = most[i].kilobytes;
    return found << 10;
}

/* PTX for the newest of the list, without the letters that tie it to one chip. */
static const char *ptx_arch(Ctx *ctx, const CudaArchs *a) {
    int newest = 0;
    for (int i = 0; i < a->n; i++) newest = MAX(newest, cuda_arch_number(a->at[i]));
    return arena_printf(ctx->perm, "compute_%d", newest);
}

CudaArchs cuda_image_archs(Ctx *ctx, const EmitOptions *o) {
    CudaArchs a = cuda_archs(ctx, o);
    bool given = false;
    for (int i = 0; i < a.n; i++) given |= cuda_is_virtual(a.at[i]);
    if (!given) a.at[a.n++] = a.ptx;
    return a;
}

CudaArchs cuda_archs(Ctx *ctx, const EmitOptions *o) {
    const char *const *given = o->n_gpu_arch ? o->gpu_arch : default_archs;
    int n = o->n_gpu_arch ? o->n_gpu_arch : LEN(default_archs);
    CudaArchs a = {NEW_ARRAY(ctx->perm, const char *, n + 1), 0, NULL};
    for (int i = 0; i < n; i++) {
        bool again = false;
        for (int k = 0; k < a.n; k++) again |= !strcmp(a.at[k], given[i]);
        if (!again) a.at[a.n++] = given[i];
    }
    a.ptx = ptx_arch(ctx, &a);
    return a;
}
