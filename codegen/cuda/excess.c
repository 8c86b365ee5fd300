/* Which kernels ask too much of the GPUs that are compiled for: registers that do not fit and are
 * spilled to memory, and shared memory. */
#include "codegen/cuda/cuda.h"

#include "codegen/link/link.h"

static const CudaLaunch *launch_named(const CudaText *t, const char *kernel) {
    for (int i = 0; i < t->launches.n; i++)
        if (!strcmp(t->launches.at[i].kernel, kernel)) return &t->launches.at[i];
    BUG("NVRTC compiled %s, which is none of the kernels", kernel);
}

static void add_excess(Ctx *ctx, const CudaText *text, const char *arch, const CudaUse *u,
                       Excesses *out) {
    const CudaLaunch *l = launch_named(text, u->kernel);
    Excess e = {l->entry, l->func->kernel, u->spill_stores + u->spill_loads, NULL};
    if (!e.bytes) return;
    e.why = arena_printf(ctx->perm, "%d bytes of registers are spilled on %s", u->spill_stores,
                         arch);
    vec_push(ctx->perm, &out->list, e);
}

/* What a launch asks for, and what the kernel declares. */
static int shared_of(const CudaLaunch *l, const CudaTarget *t) {
    for (int i = 0; i < t->uses.list.n; i++)
        if (!strcmp(t->uses.list.at[i].kernel, l->kernel))
            return l->shared + t->uses.list.at[i].shared;
    return l->shared;
}

static void add_shared(Ctx *ctx, const CudaText *text, const CudaTarget *t, Excesses *out) {
    for (int i = 0; i < text->launches.n; i++) {
        const CudaLaunch *l = &text->launches.at[i];
        int bytes = shared_of(l, t);
        Excess e = {l->entry, l->func->kernel, bytes - cuda_most_shared(t->arch), NULL};
        if (e.bytes <= 0) continue;
        e.why = arena_printf(ctx->perm, "%d bytes of shared memory are too many for %s", bytes,
                             t->arch);
        vec_push(ctx->perm, &out->list, e);
    }
}

/* PTX tells nothing; where it takes a run of its own it can wait. */
static CudaArchs telling_archs(Ctx *ctx, const EmitOptions *o) {
    CudaArchs all = o->kind == EMIT_CUBIN ? cuda_archs(ctx, o) : cuda_image_archs(ctx, o);
    CudaArchs some = all;
    some.n = 0;
    some.at = NEW_ARRAY(ctx->perm, const char *, all.n);
    for (int i = 0; i < all.n; i++)
        if (!cuda_is_virtual(all.at[i]) || cuda_is_by_the_way(&all, all.at[i]))
            some.at[some.n++] = all.at[i];
    return some;
}

static bool find(Ctx *ctx, const Entry *entries, int n, const EmitOptions *o, const char *dir,
                 Excesses *out) {
    CudaArchs archs = telling_archs(ctx, o);
    CudaText text;
    CudaBuild build;
    cuda_text(ctx, entries, n, &text);
    if (!cuda_build(ctx, &text, &archs, o->kind == EMIT_CUBIN, o, dir, &build)) return false;
    for (int i = 0; i < build.n_targets; i++) {
        const CudaTarget *t = &build.target[i];
        add_shared(ctx, &text, t, out);
        for (int k = 0; k < t->uses.list.n; k++)
            add_excess(ctx, &text, t->arch, &t->uses.list.at[k], out);
    }
    return true;
}

bool codegen_excess(Ctx *ctx, const Entry *entries, int n, const EmitOptions *o, Excesses *out) {
    CudaArchs archs = cuda_image_archs(ctx, o);
    *out = (Excesses){0};
    if (!nvrtc_ready(ctx, &archs)) return false;
    const char *dir = link_temp_dir(ctx);
    bool ok = dir && find(ctx, entries, n, o, dir, out);
    link_temp_remove(dir);
    return ok;
}
