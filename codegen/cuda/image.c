/* The block that a program for GPUs carries: kernels compiled for every architecture asked for,
 * PTX for later ones, and how each kernel is launched. Layout: runtime/cuda.h. */
#include "codegen/cuda/cuda.h"

#include "codegen/c/gen.h"
#include "codegen/llvm/model.h"
#include "runtime/cuda.h"

enum { ALIGN = 64 };

typedef struct Image {
    Ctx *ctx;
    CudaText text;
    CudaBuild build;
} Image;

/* ---- the block ---- */
static void pad(Str *s) {
    while (s->n % ALIGN) str_char(s, 0);
}

static int64_t append(Str *s, const void *data, size_t bytes) {
    int64_t at = (int64_t)s->n;
    str_addn(s, data, bytes);
    return at;
}

static void put(Str *s, int64_t at, const void *data, size_t bytes) {
    memcpy(s->at + at, data, bytes);
}

static int64_t reserve(Str *s, size_t bytes) {
    pad(s);
    int64_t at = (int64_t)s->n;
    for (size_t i = 0; i < bytes; i++) str_char(s, 0);
    return at;
}

/* CUtensorMapDataType */
static int map_type(DType t) {
    switch (t) {
    case DT_F16: return 6;
    case DT_F32: return 7;
    case DT_BF16: return 9;
    default: CHECK(dtype_bytes(t) == 1); return 0;
    }
}

static void add_map(CudaImage *out, const CudaLaunch *l, const LStmt *box) {
    struct onnxcc_cuda_map m = {.type = map_type(box->tensor->dtype),
                                .bytes = (int32_t)dtype_bytes(box->tensor->dtype),
                                .n_dims = lbox_dims(box)};
    while (l->func->params.at[m.buf] != box->args[0]) m.buf++;
    for (int d = 0; d < m.n_dims; d++) {
        int64_t n = 0;
        CHECK(expr_is_int(box->iargs[BOX_DIMS + d * BOX_DIM + BOX_SIZE], &n));
        m.size[d] = (int32_t)n;
    }
    append(&out->bytes, &m, sizeof m);
}

static void add_kernel(Image *m, CudaImage *out, int64_t table, int i, int module) {
    const CudaLaunch *l = &m->text.launches.at[i];
    struct onnxcc_cuda_kernel k = {.at = (int32_t)(table + i * (int64_t)sizeof k),
                                   .index = i,
                                   .module = module,
                                   .flags = l->flags,
                                   .n_bufs = l->n_bufs,
                                   .n_syms = l->n_syms,
                                   .per_block = l->per_block,
                                   .max_blocks = l->max_blocks,
                                   .threads = l->threads,
                                   .shared = l->shared};
    k.name = (int32_t)append(&out->bytes, l->kernel, strlen(l->kernel) + 1);
    while (out->bytes.n % sizeof(int32_t)) str_char(&out->bytes, 0);
    k.args = (int32_t)out->bytes.n;
    for (int a = 0; a < l->n_bufs + l->n_syms; a++) {
        int32_t v = l->args[a];
        append(&out->bytes, &v, sizeof v);
    }
    k.n_maps = l->n_maps, k.maps = (int32_t)out->bytes.n;
    for (int a = 0; a < l->n_maps; a++) add_map(out, l, c_kernel_map(l->func, a));
    put(&out->bytes, k.at, &k, sizeof k);
    map_set(out->at, l->symbol, (void *)(intptr_t)(k.at + 1));
}

/* What ptxas says of kernel i. */
static struct onnxcc_cuda_use use_of(const Image *m, const CudaTarget *t, int i) {
    const char *name = m->text.launches.at[i].kernel;
    for (int k = 0; k < t->uses.list.n; k++) {
        const CudaUse *u = &t->uses.list.at[k];
        if (strcmp(u->kernel, name)) continue;
        return (struct onnxcc_cuda_use){.registers = u->registers,
                                        .stack = u->stack,
                                        .shared = u->shared,
                                        .spill_stores = u->spill_stores,
                                        .spill_loads = u->spill_loads};
    }
    return (struct onnxcc_cuda_use){0};
}

static int32_t add_uses(Image *m, CudaImage *out, const CudaTarget *t) {
    if (cuda_is_virtual(t->arch)) return 0;
    pad(&out->bytes);
    int32_t at = (int32_t)out->bytes.n;
    for (int i = 0; i < m->text.launches.n; i++) {
        struct onnxcc_cuda_use u = use_of(m, t, i);
        append(&out->bytes, &u, sizeof u);
    }
    return at;
}

static int32_t add_modules(Image *m, CudaImage *out, const CudaTarget *t) {
    int32_t table = (int32_t)reserve(
        &out->bytes, sizeof(struct onnxcc_cuda_module) * (size_t)m->build.n_pieces);
    for (int i = 0; i < m->build.n_pieces; i++) {
        struct onnxcc_cuda_module module = {.bytes = (int64_t)t->code[i].bytes};
        pad(&out->bytes);
        module.at = append(&out->bytes, t->code[i].at, t->code[i].bytes);
        str_char(&out->bytes, 0);
        put(&out->bytes, table + i * (int64_t)sizeof module, &module, sizeof module);
    }
    return table;
}

static void add_binary(Image *m, CudaImage *out, int64_t table, int i) {
    const CudaTarget *t = &m->build.target[i];
    struct onnxcc_cuda_binary b = {.arch = cuda_arch_number(t->arch),
                                   .kind = cuda_is_virtual(t->arch)        ? ONNXCC_CUDA_PTX
                                           : cuda_is_for_one_chip(t->arch) ? ONNXCC_CUDA_EXACT
                                                                           : ONNXCC_CUDA_CUBIN};
    snprintf(b.name, sizeof b.name, "%s", t->arch);
    b.uses = add_uses(m, out, t);
    b.modules = add_modules(m, out, t);
    put(&out->bytes, table + i * (int64_t)sizeof b, &b, sizeof b);
}

static void assemble(Image *m, CudaImage *out) {
    struct onnxcc_cuda_image head = {.magic = ONNXCC_CUDA_MAGIC,
                                     .n_kernels = m->text.launches.n,
                                     .n_binaries = m->build.n_targets,
                                     .n_modules = m->build.n_pieces};
    *out = (CudaImage){str_new(m->ctx->perm), map_new(m->ctx->perm)};
    reserve(&out->bytes, sizeof head);
    head.kernels =
        (int32_t)reserve(&out->bytes, sizeof(struct onnxcc_cuda_kernel) * (size_t)head.n_kernels);
    head.binaries =
        (int32_t)reserve(&out->bytes, sizeof(struct onnxcc_cuda_binary) * (size_t)head.n_binaries);
    put(&out->bytes, 0, &head, sizeof head);
    for (int piece = 0; piece < head.n_modules; piece++)
        for (int i = m->build.first[piece]; i < m->build.first[piece + 1]; i++)
            add_kernel(m, out, head.kernels, i, piece);
    for (int i = 0; i < head.n_binaries; i++) add_binary(m, out, head.binaries, i);
}

bool cuda_image(Ctx *ctx, const Entry *entries, int n, const EmitOptions *o, const char *dir,
                CudaImage *out) {
    Image m = {.ctx = ctx};
    CudaArchs archs = cuda_image_archs(ctx, o);
    if (!nvrtc_ready(ctx, &archs)) return false;
    cuda_text(ctx, entries, n, &m.text);
    if (!cuda_build(ctx, &m.text, &archs, false, o, dir, &m.build)) return false;
    cuda_report_use(ctx, &m.build, o->verbose);
    assemble(&m, out);
    return true;
}

void cuda_image_find(const CudaImage *image, Model *models, int n) {
    for (int i = 0; i < n; i++)
        for (int k = 0; k < models[i].kernels.n; k++) {
            KernelFn *f = &models[i].kernels.at[k];
            if (!f->f->device) continue;
            const char *symbol = c_symbol(models[i].ctx->perm, f->symbol);
            f->image_at = (intptr_t)map_get(image->at, symbol) - 1;
            CHECK(f->image_at >= 0);
        }
}
