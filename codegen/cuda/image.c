/* The block that a program for GPUs carries: kernels compiled for every architecture asked for,
 * PTX for later ones, and how each kernel is launched. Layout: runtime/cuda.h. */
#include "codegen/cuda/cuda.h"

#include <stdlib.h>

#include "codegen/c/gen.h"
#include "codegen/link/link.h"
#include "codegen/llvm/model.h"
#include "codegen/workers.h"
#include "runtime/cuda.h"

enum { ALIGN = 64 };

typedef struct Image {
    Ctx *ctx;
    const EmitOptions *o;
    CudaText text;
    const char **arch;
    int n;
    const char *dir;
} Image;

/* ---- compiling ---- */
static const char *binary_path(const Image *m, int i) {
    return arena_printf(m->ctx->perm, "%s/%s", m->dir, m->arch[i]);
}

static int compile_one(void *user, int i, char *doing) {
    Image *m = user;
    CudaBinary b;
    snprintf(doing, WORKERS_DOING, "kernels for %s", m->arch[i]);
    Str text = str_new(m->ctx->perm);
    cuda_text_device(&text, &m->text, 0, m->text.launches.n);
    if (!nvrtc_compile(m->ctx, str_c(&text), m->arch[i], &b)) return 1;
    cuda_report_use(m->ctx, &b, m->o->verbose);
    return link_write_file(m->ctx, binary_path(m, i), b.data, b.bytes) ? 0 : 1;
}

static bool compile_all(Image *m) {
    char died[WORKERS_DOING];
    int code = workers_run(m->ctx, m->o->jobs, m->n, compile_one, m, died);
    if (died[0])
        diag_error(m->ctx, NULL, "NVRTC died while compiling %s; please report the model", died);
    return code == 0;
}

static void choose_archs(Image *m) {
    CudaArchs a = cuda_archs(m->ctx, m->o);
    m->arch = NEW_ARRAY(m->ctx->perm, const char *, a.n + 1);
    for (int i = 0; i < a.n; i++) {
        bool again = false;
        for (int k = 0; k < m->n; k++) again |= !strcmp(m->arch[k], a.at[i]);
        if (!again) m->arch[m->n++] = a.at[i];
    }
    bool given = false;
    for (int k = 0; k < m->n; k++) given |= !strncmp(m->arch[k], "compute_", 8);
    if (!given) m->arch[m->n++] = a.ptx;
}

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

static void add_kernel(Image *m, CudaImage *out, int64_t table, int i) {
    const CudaLaunch *l = &m->text.launches.at[i];
    struct onnxcc_cuda_kernel k = {.at = (int32_t)(table + i * (int64_t)sizeof k),
                                   .index = i,
                                   .flags = l->flags,
                                   .n_bufs = l->n_bufs,
                                   .n_syms = l->n_syms,
                                   .per_block = l->per_block,
                                   .max_blocks = l->max_blocks,
                                   .threads = l->threads};
    k.name = (int32_t)append(&out->bytes, l->kernel, strlen(l->kernel) + 1);
    while (out->bytes.n % sizeof(int32_t)) str_char(&out->bytes, 0);
    k.args = (int32_t)out->bytes.n;
    for (int a = 0; a < l->n_bufs + l->n_syms; a++) {
        int32_t v = l->args[a];
        append(&out->bytes, &v, sizeof v);
    }
    put(&out->bytes, k.at, &k, sizeof k);
    map_set(out->at, l->symbol, (void *)(intptr_t)(k.at + 1));
}

static bool add_binary(Image *m, CudaImage *out, int64_t table, int i) {
    const char *arch = m->arch[i], *path = binary_path(m, i);
    bool ptx = !strncmp(arch, "compute_", 8);
    size_t last = strlen(arch) - 1;
    struct onnxcc_cuda_binary b = {
        .arch = atoi(strchr(arch, '_') + 1),
        .kind = ptx ? ONNXCC_CUDA_PTX : arch[last] == 'a' ? ONNXCC_CUDA_EXACT : ONNXCC_CUDA_CUBIN};
    snprintf(b.name, sizeof b.name, "%s", arch);
    pad(&out->bytes);
    b.at = (int64_t)out->bytes.n;
    char buf[65536];
    size_t n;
    FILE *f = fopen(path, "rb");
    if (!f) return diag_error(m->ctx, NULL, "%s: cannot be read", path);
    while ((n = fread(buf, 1, sizeof buf, f)) > 0) str_addn(&out->bytes, buf, n);
    fclose(f);
    b.bytes = (int64_t)out->bytes.n - b.at;
    if (ptx) str_char(&out->bytes, 0);
    put(&out->bytes, table + i * (int64_t)sizeof b, &b, sizeof b);
    return true;
}

static bool assemble(Image *m, CudaImage *out) {
    struct onnxcc_cuda_image head = {.magic = ONNXCC_CUDA_MAGIC,
                                     .n_kernels = m->text.launches.n,
                                     .n_binaries = m->n};
    *out = (CudaImage){str_new(m->ctx->perm), map_new(m->ctx->perm)};
    reserve(&out->bytes, sizeof head);
    head.kernels =
        (int32_t)reserve(&out->bytes, sizeof(struct onnxcc_cuda_kernel) * (size_t)head.n_kernels);
    head.binaries =
        (int32_t)reserve(&out->bytes, sizeof(struct onnxcc_cuda_binary) * (size_t)head.n_binaries);
    put(&out->bytes, 0, &head, sizeof head);
    for (int i = 0; i < head.n_kernels; i++) add_kernel(m, out, head.kernels, i);
    for (int i = 0; i < m->n; i++)
        if (!add_binary(m, out, head.binaries, i)) return false;
    return true;
}

bool cuda_image(Ctx *ctx, const Entry *entries, int n, const EmitOptions *o, CudaImage *out) {
    Image m = {.ctx = ctx, .o = o};
    const char *why;
    if (!nvrtc_present(ctx, &why)) return diag_error(ctx, NULL, "%s", why);
    if (!(m.dir = link_temp_dir(ctx))) return false;
    choose_archs(&m);
    cuda_text(ctx, entries, n, &m.text);
    bool ok = compile_all(&m) && assemble(&m, out);
    link_temp_remove(m.dir);
    return ok;
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
