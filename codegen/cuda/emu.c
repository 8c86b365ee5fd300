/* --device=cuda-emu: the kernels' CUDA text compiled for this machine, through
 * runtime/emu/cuda_emu.h. The text is cut into pieces of a fixed number of kernels, which compile
 * side by side. */
#include "codegen/cuda/cuda.h"

#include <stdlib.h>

#include "codegen/embedded.h"
#include "codegen/link/link.h"
#include "codegen/link/spawn.h"
#include "codegen/workers.h"

enum { PIECE_KERNELS = 100 };

typedef struct Emu {
    Ctx *ctx;
    const CudaText *text;
    const char *cxx, *dir;
    bool verbose;
    const char *sanitizer; /* what the program is linked with; NULL: nothing */
    VEC(const char *) extra; /* flags from the environment */
} Emu;

static const char *compiler(Arena *arena) {
    static const char *const names[] = {"clang++-19", "g++", "clang++", "c++"};
    const char *given = getenv("CXX");
    if (given && *given) return find_program(arena, given);
    for (int i = 0; i < LEN(names); i++) {
        const char *path = find_program(arena, names[i]);
        if (path) return path;
    }
    return NULL;
}

/* ONNXCC_EMU_CHECK=address, races, traffic; then what ONNXCC_EMU_CXXFLAGS names. */
static bool extra_flags(Emu *e) {
    const char *s = getenv("ONNXCC_EMU_CXXFLAGS"), *check = getenv("ONNXCC_EMU_CHECK");
    static const struct {
        const char *name, *sanitizer, *define;
    } checks[] = {{"address", "-fsanitize=address", "-DONNXCC_EMU_PLAIN_SHARED"},
                  {"races", "-fsanitize=thread", "-DONNXCC_EMU_RACES"},
                  {"traffic", "-fsanitize=thread", "-DONNXCC_EMU_TRAFFIC"}};
    int i = 0;
    while (check && i < LEN(checks) && strcmp(check, checks[i].name)) i++;
    bool asked = check && *check;
    if (asked && i == LEN(checks))
        return diag_error(e->ctx, NULL, "ONNXCC_EMU_CHECK is \"%s\", not address, races or traffic",
                          check);
    if (asked) {
        vec_push(e->ctx->perm, &e->extra, "-g");
        vec_push(e->ctx->perm, &e->extra, checks[i].sanitizer);
        vec_push(e->ctx->perm, &e->extra, checks[i].define);
    }
    e->sanitizer = asked && i == 0 ? "-fsanitize=address" : NULL;
    while (s && *(s += strspn(s, " \t\n"))) {
        size_t n = strcspn(s, " \t\n");
        vec_push(e->ctx->perm, &e->extra, arena_strn(e->ctx->perm, s, n));
        s += n;
    }
    return true;
}

static bool write_headers(const Emu *e) {
    static const char *const names[] = {"bulk.h",   "cuda_emu.h", "fibers.h", "groups.h",
                                        "leaves.h", "looks.h",    "map.h",    "races.h",
                                        "traffic.h"};
    for (int i = 0; i < LEN(names); i++) {
        const char *name = arena_printf(e->ctx->perm, "runtime/emu/%s", names[i]);
        const char *to = arena_printf(e->ctx->perm, "%s/%s", e->dir, names[i]);
        const EmbeddedFile *header = embedded_find(name);
        CHECK(header);
        if (!link_write_file(e->ctx, to, header->data, header->size)) return false;
    }
    return true;
}

/* ---- one piece ---- */
static const char *in_dir(const Emu *e, int piece, const char *extension) {
    return arena_printf(e->ctx->perm, "%s/cuda_emu%d.%s", e->dir, piece, extension);
}

static bool write_source(const Emu *e, int piece) {
    int from = piece * PIECE_KERNELS, to = MIN(from + PIECE_KERNELS, e->text->launches.n);
    Str all = str_new(e->ctx->perm);
    cuda_text_device(&all, e->text, from, to);
    cuda_text_host(&all, e->text, from, to);
    return link_write_file(e->ctx, in_dir(e, piece, "cpp"), all.at, all.n);
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

static int compile_piece(void *user, int piece, char *doing) {
    static const char *const flags[] = {
        "-std=gnu++17",        "-O1", "-fPIC", "-ffp-contract=off", "-fno-exceptions",
        "-fvisibility=hidden", "-fno-threadsafe-statics", "-w", "-c"};
    const Emu *e = user;
    const char *log = in_dir(e, piece, "log");
    Command c = {.arena = e->ctx->perm};
    snprintf(doing, WORKERS_DOING, "the kernels for the emulation");
    if (!write_source(e, piece)) return 1;
    command_add(&c, e->cxx);
    for (int i = 0; i < LEN(flags); i++) command_add(&c, flags[i]);
    for (int i = 0; i < e->extra.n; i++) command_add(&c, e->extra.at[i]);
    command_add(&c, "-include");
    command_fmt(&c, "%s/cuda_emu.h", e->dir);
    command_add(&c, in_dir(e, piece, "cpp"));
    command_add(&c, "-o");
    command_add(&c, in_dir(e, piece, "o"));
    if (e->verbose) fprintf(stderr, "onnxcc: %s\n", command_text(&c));
    int code = command_run(&c, log);
    if (!code) return 0;
    diag_error(e->ctx, NULL, "the C++ compiler failed on the kernels (exit code %d)", code);
    show_log(e->ctx, log);
    return 1;
}

/* ---- all ---- */
bool cuda_emu_compile(Ctx *ctx, const CudaText *t, int jobs, bool verbose, const char *dir,
                      CudaEmu *out) {
    Emu e = {.ctx = ctx, .text = t, .cxx = compiler(ctx->perm), .dir = dir, .verbose = verbose};
    if (!e.cxx)
        return diag_error(ctx, NULL,
                          "--device=cuda-emu needs a C++ compiler: install g++ or clang");
    if (!write_headers(&e) || !extra_flags(&e)) return false;
    int n = MAX(1, (t->launches.n + PIECE_KERNELS - 1) / PIECE_KERNELS);
    char died[WORKERS_DOING];
    if (workers_run(ctx, jobs, n, compile_piece, &e, died)) {
        if (died[0]) diag_error(ctx, NULL, "a worker died while compiling %s", died);
        return false;
    }
    const char **objects = NEW_ARRAY(ctx->perm, const char *, n);
    for (int i = 0; i < n; i++) objects[i] = in_dir(&e, i, "o");
    *out = (CudaEmu){.objects = objects, .n_objects = n};
    if (e.sanitizer) out->linker = e.cxx, out->sanitizer = e.sanitizer;
    return true;
}

bool cuda_emu_objects(Ctx *ctx, const Entry *entries, int n, const EmitOptions *o, const char *dir,
                      CudaEmu *out) {
    CudaText t;
    cuda_text(ctx, entries, n, &t);
    return cuda_emu_compile(ctx, &t, o->jobs, o->verbose, dir, out);
}
