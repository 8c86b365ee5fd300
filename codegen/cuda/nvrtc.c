/* NVIDIA's run-time compiler, used at compile time: found by dlopen, so that onnxcc itself needs
 * no CUDA. */
#include "codegen/cuda/cuda.h"

#include <dlfcn.h>
#include <stdlib.h>

typedef struct NvrtcUnit *NvrtcProgram; /* theirs */
typedef struct Nvrtc {
    void *library;
    int (*version)(int *major, int *minor);
    int (*count_archs)(int *n);
    int (*archs)(int *list);
    int (*create)(NvrtcProgram *, const char *source, const char *name, int n, const char *const *,
                  const char *const *);
    int (*compile)(NvrtcProgram, int n, const char *const *options);
    int (*log_size)(NvrtcProgram, size_t *);
    int (*log)(NvrtcProgram, char *);
    int (*cubin_size)(NvrtcProgram, size_t *);
    int (*cubin)(NvrtcProgram, char *);
    int (*ptx_size)(NvrtcProgram, size_t *);
    int (*ptx)(NvrtcProgram, char *);
    int (*destroy)(NvrtcProgram *);
} Nvrtc;

/* ---- finding it ---- */
static void *open_in(const char *folder) {
    static const char *const names[] = {"libnvrtc.so", "libnvrtc.so.13", "libnvrtc.so.12",
                                        "libnvrtc.so.11.2"};
    char path[600];
    for (int i = 0; i < LEN(names); i++) {
        int n = snprintf(path, sizeof path, "%s%s%s", folder, *folder ? "/" : "", names[i]);
        void *library = n < (int)sizeof path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
        if (library) return library;
    }
    return NULL;
}

/* LD_LIBRARY_PATH and the system's folders, then the usual places of a toolkit. */
static void *open_library(void) {
    static const char *const variables[] = {"CUDA_PATH", "CUDA_HOME"};
    static const char *const folders[] = {"/usr/local/cuda/lib64",
                                          "/usr/local/cuda/targets/x86_64-linux/lib",
                                          "/opt/cuda/lib64", "/usr/lib/cuda/lib64"};
    char path[600];
    void *library = open_in("");
    for (int i = 0; i < LEN(variables) && !library; i++) {
        const char *root = getenv(variables[i]);
        if (!root || snprintf(path, sizeof path, "%s/lib64", root) >= (int)sizeof path) continue;
        library = open_in(path);
    }
    for (int i = 0; i < LEN(folders) && !library; i++) library = open_in(folders[i]);
    return library;
}

static bool open_nvrtc(Nvrtc *n) {
    const struct {
        const char *name;
        void *at;
    } functions[] = {
        {"nvrtcVersion", &n->version},
        {"nvrtcGetNumSupportedArchs", &n->count_archs},
        {"nvrtcGetSupportedArchs", &n->archs},
        {"nvrtcCreateProgram", &n->create},
        {"nvrtcCompileProgram", &n->compile},
        {"nvrtcGetProgramLogSize", &n->log_size},
        {"nvrtcGetProgramLog", &n->log},
        {"nvrtcGetCUBINSize", &n->cubin_size},
        {"nvrtcGetCUBIN", &n->cubin},
        {"nvrtcGetPTXSize", &n->ptx_size},
        {"nvrtcGetPTX", &n->ptx},
        {"nvrtcDestroyProgram", &n->destroy},
    };
    if (!(n->library = open_library())) return false;
    for (int i = 0; i < LEN(functions); i++) {
        void *f = dlsym(n->library, functions[i].name);
        if (!f) return false;
        memcpy(functions[i].at, &f, sizeof f);
    }
    return true;
}

bool nvrtc_present(Ctx *ctx, const char **why) {
    Nvrtc n;
    if (open_nvrtc(&n)) return true;
    *why = arena_str(
        ctx->perm,
        "NVRTC (libnvrtc.so) of a CUDA toolkit 11.2 or later was not found: install the package "
        "cuda-nvrtc-12-8 (or newer) of NVIDIA's repository, or set CUDA_PATH to the toolkit's "
        "folder");
    return false;
}

/* ---- compiling ---- */
static bool knows_arch(Ctx *ctx, const Nvrtc *n, const char *arch) {
    int count = 0, list[128], number = 0, major = 0, minor = 0;
    const char *digits = strchr(arch, '_');
    bool form = digits && (!strncmp(arch, "sm_", 3) || !strncmp(arch, "compute_", 8));
    if (form) number = atoi(digits + 1);
    if (!form || number < 10)
        return diag_error(ctx, NULL, "GPU architecture \"%s\" is not of the form sm_80",
                          diag_name(ctx, arch));
    if (n->count_archs(&count) || count > LEN(list) || n->archs(list))
        return true; /* let it decide */
    Str known = str_new(ctx->perm);
    for (int i = 0; i < count; i++) {
        if (list[i] == number) return true;
        str_fmt(&known, i ? ", sm_%d" : "sm_%d", list[i]);
    }
    n->version(&major, &minor);
    return diag_error(ctx, NULL, "this NVRTC (%d.%d) does not know %s, but %s", major, minor, arch,
                      str_c(&known));
}

static const char *log_of(Ctx *ctx, const Nvrtc *n, NvrtcProgram p) {
    size_t bytes = 0;
    if (n->log_size(p, &bytes) || !bytes) return "";
    char *log = arena_alloc(ctx->perm, bytes + 1);
    return n->log(p, log) ? "" : log;
}

static bool take_result(Ctx *ctx, const Nvrtc *n, NvrtcProgram p, bool ptx, CudaBinary *b) {
    size_t bytes = 0;
    if ((ptx ? n->ptx_size : n->cubin_size)(p, &bytes) || !bytes) return false;
    char *data = arena_alloc(ctx->perm, bytes + 1);
    b->data = data;
    b->bytes = ptx && bytes ? bytes - 1 : bytes; /* PTX counts its NUL */
    return !(ptx ? n->ptx : n->cubin)(p, data);
}

bool nvrtc_compile(Ctx *ctx, const char *source, const char *arch, CudaBinary *b) {
    Nvrtc n;
    NvrtcProgram p;
    const char *why;
    if (!nvrtc_present(ctx, &why)) return diag_error(ctx, NULL, "%s", why);
    open_nvrtc(&n);
    *b = (CudaBinary){.arch = arch};
    if (!knows_arch(ctx, &n, arch)) return false;
    const char *options[] = {arena_printf(ctx->perm, "--gpu-architecture=%s", arch), "--fmad=false",
                             "--std=c++17", "--ptxas-options=-v"};
    bool ptx = !strncmp(arch, "compute_", 8);
    if (n.create(&p, source, "kernels.cu", 0, NULL, NULL))
        return diag_error(ctx, NULL, "NVRTC cannot start");
    bool ok = !n.compile(p, ptx ? LEN(options) - 1 : LEN(options), options);
    const char *log = log_of(ctx, &n, p);
    if (!ok) {
        diag_error(ctx, NULL, "NVRTC refuses the kernels for %s; this is a fault of the compiler",
                   arch);
        diag_lines(ctx, arena_strn(ctx->perm, log, MIN(strlen(log), 4000)));
    } else if (!(ok = take_result(ctx, &n, p, ptx, b))) {
        diag_error(ctx, NULL, "NVRTC gives no code for %s", arch);
    }
    if (ok && !ptx) cuda_parse_log(ctx, log, b);
    n.destroy(&p);
    return ok;
}

/* ---- what ptxas says with -v ---- */
static int number_before(const char *line, const char *what) {
    const char *at = strstr(line, what);
    while (at && at > line && at[-1] == ' ') at--;
    while (at && at > line && at[-1] >= '0' && at[-1] <= '9') at--;
    return at ? atoi(at) : 0;
}

/* "... Compiling entry function 'NAME' for 'sm_80'", then lines about it. */
void cuda_parse_log(Ctx *ctx, const char *log, CudaBinary *b) {
    static const char start[] = "Compiling entry function '";
    CudaUse *use = NULL;
    for (const char *s = log, *end; *s; s = *end ? end + 1 : end) {
        end = s + strcspn(s, "\n");
        const char *line = arena_strn(ctx->perm, s, (size_t)(end - s)), *name = strstr(line, start);
        if (name) {
            name += strlen(start);
            CudaUse fresh = {.kernel = arena_strn(ctx->perm, name, strcspn(name, "'"))};
            vec_push(ctx->perm, &b->uses, fresh);
            use = &b->uses.at[b->uses.n - 1];
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
