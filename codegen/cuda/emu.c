/* --device=cuda-emu: the kernels' CUDA text compiled for this machine, through
 * runtime/emu/cuda_emu.h. */
#include "codegen/cuda/cuda.h"

#include <stdlib.h>

#include "codegen/embedded.h"
#include "codegen/link/link.h"
#include "codegen/link/spawn.h"

static const char *compiler(Arena *arena) {
    static const char *const names[] = {"g++", "clang++", "clang++-19", "c++"};
    const char *given = getenv("CXX");
    if (given && *given) return find_program(arena, given);
    for (int i = 0; i < LEN(names); i++) {
        const char *path = find_program(arena, names[i]);
        if (path) return path;
    }
    return NULL;
}

/* What a failed tool said, cut to its first lines. */
static void show_log(Ctx *ctx, const char *path) {
    char text[4000];
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    if (f) fclose(f);
    text[n] = 0;
    if (n) diag_lines(ctx, text);
}

static bool write_sources(Ctx *ctx, const CudaText *t, const char *dir) {
    const EmbeddedFile *header = embedded_find("runtime/emu/cuda_emu.h");
    CHECK(header);
    Str all = str_new(ctx->perm);
    str_addn(&all, t->device.at, t->device.n);
    str_addn(&all, t->launchers.at, t->launchers.n);
    const char *to = arena_printf(ctx->perm, "%s/cuda_emu.h", dir);
    if (!link_write_file(ctx, to, header->data, header->size)) return false;
    return link_write_file(ctx, arena_printf(ctx->perm, "%s/cuda_emu.cpp", dir), all.at, all.n);
}

bool cuda_emu_compile(Ctx *ctx, const CudaText *t, bool verbose, const char *dir,
                      const char **object) {
    static const char *const flags[] = {
        "-std=gnu++17",        "-O2", "-fPIC", "-ffp-contract=off", "-fno-exceptions",
        "-fvisibility=hidden", "-c"};
    const char *cxx = compiler(ctx->perm), *log = arena_printf(ctx->perm, "%s/cuda_emu.log", dir);
    if (!cxx)
        return diag_error(ctx, NULL,
                          "--device=cuda-emu needs a C++ compiler: install g++ or clang");
    if (!write_sources(ctx, t, dir)) return false;
    *object = arena_printf(ctx->perm, "%s/cuda_emu.o", dir);
    Command c = {.arena = ctx->perm};
    command_add(&c, cxx);
    for (int i = 0; i < LEN(flags); i++) command_add(&c, flags[i]);
    command_add(&c, "-include");
    command_fmt(&c, "%s/cuda_emu.h", dir);
    command_fmt(&c, "%s/cuda_emu.cpp", dir);
    command_add(&c, "-o");
    command_add(&c, *object);
    if (verbose) fprintf(stderr, "onnxcc: %s\n", command_text(&c));
    int code = command_run(&c, log);
    if (!code) return true;
    diag_error(ctx, NULL, "the C++ compiler failed on the kernels (exit code %d)", code);
    show_log(ctx, log);
    return false;
}

bool cuda_emu_object(Ctx *ctx, const Entry *entries, int n, bool verbose, const char *dir,
                     const char **object) {
    CudaText t;
    cuda_text(ctx, entries, n, &t);
    return cuda_emu_compile(ctx, &t, verbose, dir, object);
}
