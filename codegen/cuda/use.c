/* What kernels need of the chip, as ptxas tells it. */
#include "codegen/cuda/cuda.h"

#include <stdlib.h>

/* ---- its log, with -v ---- */
static int number_before(const char *line, const char *what) {
    const char *at = strstr(line, what);
    while (at && at > line && at[-1] == ' ') at--;
    while (at && at > line && at[-1] >= '0' && at[-1] <= '9') at--;
    return at ? atoi(at) : 0;
}

/* What stands in quotes behind `start`; NULL: the line does not hold that. */
static const char *name_behind(Ctx *ctx, const char *line, const char *start) {
    const char *name = strstr(line, start);
    if (!name) return NULL;
    name += strlen(start);
    return arena_strn(ctx->perm, name, strcspn(name, "'"));
}

/* "... Compiling entry function 'NAME' for 'sm_80'", then lines about it; in front of these "...
 * wgmma.mma_async instructions are serialized due to ... in the function 'NAME'". */
void cuda_parse_log(Ctx *ctx, const char *log, CudaUses *uses) {
    CudaUse *use = NULL;
    for (const char *s = log, *end; *s; s = *end ? end + 1 : end) {
        end = s + strcspn(s, "\n");
        const char *line = arena_strn(ctx->perm, s, (size_t)(end - s));
        const char *name = name_behind(ctx, line, "Compiling entry function '");
        const char *serial = name_behind(ctx, line, "in the function '");
        if (serial && strstr(line, "are serialized")) vec_push(ctx->perm, &uses->serial, serial);
        if (name) {
            CudaUse fresh = {.kernel = name};
            vec_push(ctx->perm, &uses->list, fresh);
            use = &uses->list.at[uses->list.n - 1];
        }
        if (!use) continue;
        if (strstr(line, " bytes stack frame")) {
            use->stack = number_before(line, " bytes stack frame");
            use->spill_stores = number_before(line, " bytes spill stores");
            use->spill_loads = number_before(line, " bytes spill loads");
        }
        if (strstr(line, " registers")) use->registers = number_before(line, " registers");
        if (strstr(line, " bytes smem")) use->shared = number_before(line, " bytes smem");
    }
}

/* ---- what is said of it ---- */
static void report_one(Ctx *ctx, const char *arch, const CudaUse *u, bool verbose) {
    if (verbose)
        fprintf(stderr,
                "onnxcc: %s %s: %d registers, %d bytes of stack, %d of shared memory, spills "
                "%d/%d bytes\n",
                arch, u->kernel, u->registers, u->stack, u->shared, u->spill_stores,
                u->spill_loads);
    if (u->spill_stores || u->spill_loads)
        diag_warn(ctx, NULL, "kernel %s spills registers on %s (%d bytes stored, %d loaded)",
                  u->kernel, arch, u->spill_stores, u->spill_loads);
}

void cuda_report_use(Ctx *ctx, const CudaBuild *b, bool verbose) {
    for (int i = 0; i < b->n_targets; i++) {
        const CudaTarget *t = &b->target[i];
        for (int k = 0; k < t->uses.list.n; k++)
            report_one(ctx, t->arch, &t->uses.list.at[k], verbose);
        for (int k = 0; k < t->uses.serial.n; k++)
            diag_warn(ctx, NULL, "kernel %s waits for each of its products on %s",
                      t->uses.serial.at[k], t->arch);
    }
}
