/* NVIDIA's run-time compiler, used at compile time: found by dlopen, so that onnxcc itself needs
 * no CUDA. */
#include "codegen/cache.h"
#include "codegen/cuda/cuda.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>

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

static bool open_or_report(Ctx *ctx, Nvrtc *n) {
    return open_nvrtc(n) ||
           diag_error(ctx, NULL,
                      "NVRTC (libnvrtc.so) of a CUDA toolkit 11.2 or later was not found: install "
                      "the package cuda-nvrtc-12-8 (or newer) of NVIDIA's repository, or set "
                      "CUDA_PATH to the toolkit's folder");
}

/* ---- what it can compile for ---- */
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

bool nvrtc_ready(Ctx *ctx, const CudaArchs *archs) {
    Nvrtc n;
    if (!open_or_report(ctx, &n)) return false;
    for (int i = 0; i < archs->n; i++)
        if (!knows_arch(ctx, &n, archs->at[i])) return false;
    return true;
}

/* ---- compiling ---- */
typedef struct Words {
    const char *at[4];
    int n;
} Words;

static Words options(Ctx *ctx, const char *arch) {
    Words w = {{arena_printf(ctx->perm, "--gpu-architecture=%s", arch), "--fmad=false",
                "--std=c++17", "--ptxas-options=-v"},
               4};
    if (cuda_is_virtual(arch)) w.n--; /* ptxas has no part in PTX */
    return w;
}

/* Updates of a toolkit keep the version, but not the library's name and size. */
void nvrtc_key(Ctx *ctx, Sha256 *key, const char *arch) {
    Nvrtc n;
    Dl_info info;
    char path[PATH_MAX] = "";
    struct stat st = {0};
    int major = 0, minor = 0;
    if (open_nvrtc(&n)) n.version(&major, &minor);
    if (n.library && dladdr(*(void **)(void *)&n.compile, &info) && realpath(info.dli_fname, path))
        stat(path, &st);
    const char *slash = strrchr(path, '/');
    cache_key_text(key, arena_printf(ctx->perm, "NVRTC %d.%d %s %lld", major, minor,
                                     slash ? slash + 1 : path, (long long)st.st_size));
    Words w = options(ctx, arch);
    for (int i = 0; i < w.n; i++) cache_key_text(key, w.at[i]);
}

static const char *log_of(Ctx *ctx, const Nvrtc *n, NvrtcProgram p) {
    size_t bytes = 0;
    if (n->log_size(p, &bytes) || !bytes) return "";
    char *log = arena_alloc(ctx->perm, bytes + 1);
    return n->log(p, log) ? "" : log;
}

static bool take(Ctx *ctx, NvrtcProgram p, int (*size)(NvrtcProgram, size_t *),
                 int (*get)(NvrtcProgram, char *), CudaCode *out) {
    size_t bytes = 0;
    if (size(p, &bytes) || !bytes) return false;
    char *data = arena_alloc(ctx->perm, bytes + 1);
    *out = (CudaCode){data, bytes};
    return !get(p, data);
}

static bool take_results(Ctx *ctx, const Nvrtc *n, NvrtcProgram p, const char *arch, bool ptx,
                         NvrtcResult *r) {
    bool cubin = !cuda_is_virtual(arch);
    bool ok = (!cubin || take(ctx, p, n->cubin_size, n->cubin, &r->cubin)) &&
              (!ptx || take(ctx, p, n->ptx_size, n->ptx, &r->ptx));
    if (ok && ptx) r->ptx.bytes--; /* its NUL is counted */
    return ok || diag_error(ctx, NULL, "NVRTC gives no code for %s", arch);
}

bool nvrtc_compile(Ctx *ctx, const char *source, const char *arch, bool ptx, NvrtcResult *r) {
    Nvrtc n;
    NvrtcProgram p;
    Words w = options(ctx, arch);
    *r = (NvrtcResult){.log = ""};
    if (!open_or_report(ctx, &n)) return false;
    if (n.create(&p, source, "kernels.cu", 0, NULL, NULL))
        return diag_error(ctx, NULL, "NVRTC cannot start");
    bool ok = !n.compile(p, w.n, w.at);
    r->log = log_of(ctx, &n, p);
    if (!ok) {
        diag_error(ctx, NULL, "NVRTC refuses the kernels for %s; this is a fault of the compiler",
                   arch);
        diag_lines(ctx, arena_strn(ctx->perm, r->log, MIN(strlen(r->log), 4000)));
    }
    ok = ok && take_results(ctx, &n, p, arch, ptx, r);
    n.destroy(&p);
    return ok;
}
