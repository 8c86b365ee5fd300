/* From loops to files: weights, objects, headers, and what is linked from them. */
#include "codegen/codegen.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "codegen/embedded.h"
#include "codegen/cuda/cuda.h"
#include "codegen/link/link.h"
#include "codegen/llvm/llvm.h"
#include "codegen/weights.h"
#include "codegen/workers.h"

typedef struct Emit {
    Ctx *ctx;
    const Entry *entries;
    int n;
    const EmitOptions *o;
    const char *dir; /* of intermediate files */
    Weights weights;
    LlvmJob llvm;
    Str loops; /* -g: the text that debug information points to */
    CudaImage image; /* --device=cuda */
    CudaEmu emu;     /* --device=cuda-emu */
    VEC(const char *) objects;
    int n_compiled; /* of them: those that the workers made */
} Emit;

static const char *in_dir(Emit *e, const char *name) {
    return arena_printf(e->ctx->perm, "%s/%s", e->dir, name);
}

static bool is(const char *a, const char *b) {
    return a && !strcmp(a, b);
}

static bool embeds(const Emit *e) {
    return !e->o->weights || is(e->o->weights, "embed");
}

/* ---- weights ---- */
static LinkParts payload(const Emit *e) {
    return (LinkParts){e->weights.parts.at, e->weights.parts.n};
}

static const char *weights_path(Emit *e) {
    return arena_printf(e->ctx->perm, "%s.weights", e->o->output);
}

static const char *weights_section(const Emit *e) {
    return weights_are_large(&e->weights, e->o->triple) ? ".lrodata" : NULL;
}

/* ---- executables take the runtime as objects: there is nothing to hide and to compile ---- */
/* the last one: where images are decoded */
static const char *const runtime_objects[] = {"core.o", "host.o", "image.o"};

static bool has_runtime_objects(const Emit *e) {
    for (int i = 0; i < LEN(runtime_objects); i++)
        if (!embedded_runtime(e->o->triple, runtime_objects[i])) return false;
    return true;
}

static bool add_runtime_objects(Emit *e) {
    int n = LEN(runtime_objects) - !e->llvm.decodes;
    for (int i = 0; e->llvm.runtime_outside && i < n; i++) {
        const EmbeddedFile *f = embedded_runtime(e->o->triple, runtime_objects[i]);
        const char *path = in_dir(e, runtime_objects[i]);
        if (!link_write_file(e->ctx, path, f->data, f->size)) return false;
        vec_push(e->ctx->perm, &e->objects, path);
    }
    return true;
}

/* ---- kernels for a device ---- */
static LinkParts image_payload(Emit *e) {
    LinkPart *part = NEW(e->ctx->perm, LinkPart);
    *part = (LinkPart){.mem = e->image.bytes.at, .bytes = e->image.bytes.n};
    return (LinkParts){part, e->image.bytes.n ? 1 : 0};
}

static bool add_image_object(Emit *e) {
    const char *path = in_dir(e, "cuda_image.o");
    LinkParts image = image_payload(e);
    if (!image.n) return true;
    vec_push(e->ctx->perm, &e->objects, path);
    return elf_write_data(e->ctx, path, e->o->triple, e->llvm.image_symbol, NULL, image);
}

/* ---- the text for debuggers ---- */
static void number_lines(Emit *e) {
    if (!e->o->debug) return;
    e->loops = str_new(e->ctx->perm);
    e->llvm.lines = map_new(e->ctx->perm);
    e->llvm.text_path = arena_printf(e->ctx->perm, "%s.loops", e->o->output);
    for (int i = 0; i < e->n; i++)
        for (int v = 0; v < e->entries[i].n_versions; v++)
            loops_print_lines(&e->loops, e->entries[i].versions[v], e->llvm.lines);
}

static bool write_loops(Emit *e) {
    return !e->llvm.lines ||
           link_write_file(e->ctx, e->llvm.text_path, e->loops.at, e->loops.n);
}

/* Decoding images takes a C library that loads others. */
static bool images_decode(Emit *e, bool *decodes) {
    for (int i = 0; i < e->n; i++) *decodes |= program_calls(e->entries[i].plan->program, "image_");
    return !*decodes || !e->o->bare_metal ||
           diag_error(e->ctx, NULL, "ImageDecoder cannot be compiled for %s: images are decoded by "
                                    "libraries of a hosted system", e->o->triple);
}

static bool begin(Emit *e) {
    if (!weights_place(e->ctx, e->entries, e->n, &e->weights)) return false;
    if (!weights_pack(&e->weights, in_dir(e, "packed"))) return false;
    const char *path = weights_path(e), *slash = strrchr(path, '/');
    e->llvm = (LlvmJob){.ctx = e->ctx,
                        .entries = e->entries,
                        .n_entries = e->n,
                        .options = e->o,
                        .weights = &e->weights,
                        .hosted = !e->o->bare_metal,
                        .with_main = e->o->kind == EMIT_EXE};
    e->llvm.own_members = e->llvm.hosted && (e->o->kind == EMIT_STATICLIB ||
                                             e->o->kind == EMIT_SHAREDLIB);
    e->llvm.runtime_outside =
        e->o->kind == EMIT_EXE && e->llvm.hosted && has_runtime_objects(e);
    if (!images_decode(e, &e->llvm.decodes)) return false;
    number_lines(e);
    if (embeds(e))
        e->llvm.weights_symbol = arena_printf(e->ctx->perm, "%s_weights", e->entries[0].name);
    if (is(e->o->weights, "file")) e->llvm.weights_file = slash ? slash + 1 : path;
    if (e->o->device != ON_CUDA) return llvm_begin(&e->llvm);
    e->llvm.image_symbol = arena_printf(e->ctx->perm, "%s_image", e->entries[0].name);
    if (!cuda_image(e->ctx, e->entries, e->n, e->o, e->dir, &e->image) || !llvm_begin(&e->llvm))
        return false;
    cuda_image_find(&e->image, e->llvm.models, e->n);
    return true;
}

static bool write_weights_file(Emit *e) {
    if (embeds(e) || !e->weights.bytes) return true;
    return weights_file_write(e->ctx, weights_path(e), e->weights.hash, payload(e));
}

/* ---- objects ---- */

/* What a dead worker was compiling is kept as a text that reproduces it. */
static void report_death(Emit *e, const char *doing) {
    const Loops *of = NULL;
    const LFunc *f = llvm_kernel_named(&e->llvm, doing, &of);
    diag_error(e->ctx, NULL,
               "the code generator died while compiling %s; this is a fault of the compiler",
               doing);
    if (!f) return;
    Loops one = {.ctx = e->ctx, .name = (char *)(uintptr_t)doing};
    vec_push(e->ctx->perm, &one.kernels, (LFunc *)(uintptr_t)f);
    Str s = str_new(e->ctx->perm);
    loops_print(&s, &one);
    const char *tmp = getenv("TMPDIR"),
               *path = arena_printf(e->ctx->perm, "%s/onnxcc-%s.ir", tmp ? tmp : "/tmp", doing);
    if (link_write_file(e->ctx, path, s.at, s.n))
        diag_note(e->ctx, NULL, "please report it with %s", path);
}

static int unit_task(void *user, int unit, char *doing) {
    Emit *e = user;
    return llvm_unit(&e->llvm, unit, e->objects.at[unit], doing);
}

static int whole_task(void *user, int unit, char *doing) {
    Emit *e = user;
    (void)unit;
    return llvm_whole_object(&e->llvm, e->objects.at[0], doing);
}

static int compile(Emit *e, WorkerTask task, int n) {
    char died[WORKERS_DOING];
    for (int i = 0; i < n; i++)
        vec_push(e->ctx->perm, &e->objects, in_dir(e, llvm_unit_name(&e->llvm, i)));
    e->n_compiled = n;
    int code = workers_run(e->ctx, e->o->jobs, n, task, e, died);
    if (died[0]) report_death(e, died);
    return code;
}

static bool add_weights_object(Emit *e) {
    const char *path = in_dir(e, "weights.o");
    if (!embeds(e) || !e->weights.bytes) return true;
    vec_push(e->ctx->perm, &e->objects, path);
    return elf_write_data(e->ctx, path, e->o->triple, e->llvm.weights_symbol, weights_section(e),
                          payload(e));
}

static bool read_file(Emit *e, const char *path, const void **data, size_t *bytes) {
    struct stat st;
    FILE *f = fopen(path, "rb");
    if (!f || fstat(fileno(f), &st))
        return diag_error(e->ctx, NULL, "%s: %s", path, strerror(errno));
    char *at = arena_alloc(e->ctx->perm, (size_t)st.st_size + 1);
    *bytes = fread(at, 1, (size_t)st.st_size, f);
    *data = at;
    fclose(f);
    return *bytes == (size_t)st.st_size || diag_error(e->ctx, NULL, "%s: cannot be read", path);
}

/* ---- headers ---- */
static bool write_header(Emit *e) {
    const char *path = e->o->header, *base = link_base_name(e->ctx->perm, e->o->output);
    if (!path && e->o->kind == EMIT_EXE) return true;
    const char *slash = strrchr(e->o->output, '/');
    int dir = slash ? (int)(slash + 1 - e->o->output) : 0;
    if (!path) path = arena_printf(e->ctx->perm, "%.*s%s.h", dir, e->o->output, base);
    LinkEntry *entries = NEW_ARRAY(e->ctx->perm, LinkEntry, e->n);
    int n = e->n_compiled;
    const char **stacks = NEW_ARRAY(e->ctx->perm, const char *, n + 1);
    for (int i = 0; i < n; i++)
        stacks[i] = arena_printf(e->ctx->perm, "%s.stack", e->objects.at[i]);
    for (int i = 0; i < e->n; i++) {
        entries[i] = *llvm_link_entry(&e->llvm, i);
        /* how deep a device's driver goes nobody knows */
        if (!entries[i].device)
            entries[i].stack_bytes = llvm_stack_bytes(&e->llvm, i, stacks, n);
    }
    return link_header(e->ctx, path, base, entries, e->n);
}

/* ---- kinds ---- */
static bool attach_image(Emit *e) {
    const void *data;
    size_t bytes;
    LinkParts image = image_payload(e);
    return !image.n || (read_file(e, e->objects.at[0], &data, &bytes) &&
                        elf_attach_data(e->ctx, e->objects.at[0], data, bytes,
                                        e->llvm.image_symbol, ".rodata.kernels", image));
}

static int emit_object(Emit *e) {
    const void *data;
    size_t bytes;
    int code = compile(e, whole_task, 1);
    if (code) return code;
    if (!attach_image(e) || !read_file(e, e->objects.at[0], &data, &bytes)) return 1;
    bool with = embeds(e) && e->weights.bytes;
    bool ok = with ? elf_attach_data(e->ctx, e->o->output, data, bytes, e->llvm.weights_symbol,
                                     weights_section(e), payload(e))
                   : link_write_file(e->ctx, e->o->output, data, bytes);
    return ok ? 0 : 1;
}

static bool data_member(Emit *e, const char *what, const char *const *symbol,
                        const char *section, LinkParts payload, LinkMember *m) {
    m->name = arena_printf(e->ctx->perm, "%s_%s.o", e->entries[0].name, what);
    m->symbols = symbol;
    m->n_symbols = 1;
    return elf_data_parts(e->ctx, e->o->triple, *symbol, section, payload, &m->parts);
}

static bool make_archive(Emit *e) {
    Ctx *ctx = e->ctx;
    const char *base = e->entries[0].name;
    LinkMember *m = NEW_ARRAY(ctx->perm, LinkMember, e->objects.n + 2);
    LinkParts image = image_payload(e);
    int n = e->objects.n;
    for (int i = 0; i < n; i++) {
        LinkPart *part = NEW(ctx->perm, LinkPart);
        size_t bytes;
        if (!read_file(e, e->objects.at[i], &part->mem, &bytes)) return false;
        part->bytes = bytes;
        m[i] = (LinkMember){.name =
                                arena_printf(ctx->perm, "%s_%s", base, llvm_unit_name(&e->llvm, i)),
                            .parts = {part, 1}};
    }
    if (image.n && !data_member(e, "image", &e->llvm.image_symbol, NULL, image, &m[n++]))
        return false;
    if (embeds(e) && e->weights.bytes &&
        !data_member(e, "weights", &e->llvm.weights_symbol, weights_section(e), payload(e),
                     &m[n++]))
        return false;
    return archive_write(ctx, e->o->output, m, n);
}

static bool link_objects(Emit *e) {
    static const char *const functions[] = {
        "open",     "open_signed", "arena_bytes",        "run",        "close", "explain",
        "pool_new", "pool_free",   "device_arena_bytes", "run_device", "status"};
    LinkJob job = {.shared = e->o->kind == EMIT_SHAREDLIB,
                   .is_static = e->o->link_static,
                   .verbose = e->o->verbose,
                   .triple = e->o->triple,
                   .host_triple = target_host(e->ctx),
                   .linker = e->o->linker,
                   .sysroot = e->o->sysroot,
                   .out = e->o->output};
    if (!add_runtime_objects(e) || !add_image_object(e) || !add_weights_object(e)) return false;
    job.objects = e->objects.at, job.n_objects = e->objects.n;
    int n = LEN(functions) - (e->llvm.image_symbol ? 0 : 3); /* of a device: the last three */
    const char **exports = NEW_ARRAY(e->ctx->perm, const char *, e->n *n);
    for (int i = 0; i < e->n; i++)
        for (int k = 0; k < n; k++)
            exports[job.n_exports++] =
                arena_printf(e->ctx->perm, "%s_%s", e->entries[i].name, functions[k]);
    job.exports = exports;
    job.libm = e->o->device == ON_CUDA_EMU;
    job.flag = e->emu.sanitizer;
    if (!job.linker) job.linker = e->emu.linker;
    if (!job.shared) job.n_exports = 0, job.exports = NULL;
    return link_program(e->ctx, &job);
}

/* The emulation's kernels come from the C++ compiler; LLVM makes the host side alone. */
static bool add_emu_objects(Emit *e) {
    if (!cuda_emu_objects(e->ctx, e->entries, e->n, e->o, e->dir, &e->emu)) return false;
    for (int i = 0; i < e->emu.n_objects; i++)
        vec_push(e->ctx->perm, &e->objects, e->emu.objects[i]);
    return true;
}

static int emit_linked(Emit *e) {
    int code = compile(e, unit_task, e->llvm.n_units);
    if (code) return code;
    if (e->o->device == ON_CUDA_EMU && !add_emu_objects(e)) return 1;
    return (e->o->kind == EMIT_STATICLIB ? make_archive(e) : link_objects(e)) ? 0 : 1;
}

static int emit_assembly(Emit *e) {
    const char *text;
    int code = llvm_whole_text(&e->llvm, true, &text);
    if (code) return code;
    return link_write_file(e->ctx, e->o->output, text, strlen(text)) ? 0 : 1;
}

static int emit(Emit *e) {
    if (!begin(e)) return 1;
    int code = e->o->kind == EMIT_ASM   ? emit_assembly(e)
               : e->o->kind == EMIT_OBJ ? emit_object(e)
                                        : emit_linked(e);
    if (code || e->o->kind == EMIT_ASM) return code;
    return write_header(e) && write_weights_file(e) && write_loops(e) ? 0 : 1;
}

/* The emulation is for tests: its kernels need the C++ compiler's flags where they are linked. */
static bool fits_device(Ctx *ctx, const EmitOptions *o) {
    if (o->device == ON_CUDA && o->bare_metal)
        return diag_error(ctx, NULL, "--device=cuda needs a hosted target, not %s: NVIDIA's driver "
                                     "is a shared library", o->triple);
    if (o->device == ON_CUDA && o->kind == EMIT_ASM)
        return diag_error(ctx, NULL, "--emit=asm shows host code: of kernels for GPUs --emit=ptx "
                                     "gives the assembly");
    return o->device != ON_CUDA_EMU || o->kind == EMIT_EXE ||
           diag_error(ctx, NULL, "--device=cuda-emu makes executables only (--emit=cuda gives the "
                                 "kernels alone)");
}

int codegen_emit(Ctx *ctx, const Entry *entries, int n, const EmitOptions *o) {
    Emit e = {.ctx = ctx, .entries = entries, .n = n, .o = o};
    if (o->kind == EMIT_PTX || o->kind == EMIT_CUBIN) return cuda_emit_binary(ctx, entries, n, o);
    if (!fits_device(ctx, o)) return 1;
    if (o->device != ON_CPU) e.entries = cuda_entries(ctx, entries, n);
    if (!(e.dir = link_temp_dir(ctx))) return 1;
    int code = emit(&e);
    link_temp_remove(e.dir);
    return code;
}

int codegen_emit_llvm_text(Ctx *ctx, const Entry *entries, int n, const EmitOptions *o, FILE *out) {
    Emit e = {.ctx = ctx, .entries = entries, .n = n, .o = o};
    const char *text;
    if (!(e.dir = link_temp_dir(ctx))) return 1;
    int code = begin(&e) ? llvm_whole_text(&e.llvm, false, &text) : 1;
    link_temp_remove(e.dir);
    if (!code) fputs(text, out);
    return code;
}
