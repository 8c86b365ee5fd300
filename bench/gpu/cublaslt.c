/* cublaslt TYPE N: milliseconds of an N x N contraction by cuBLASLt's first choice, median of rows
 * of calls that are queued and then waited for. Library and driver are found by dlopen; exit code 1
 * and a message where one of them is missing. */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- what is asked of the driver and of cuBLASLt, as their headers have it ---- */
enum { TYPE_F32 = 0, TYPE_F16 = 2, TYPE_BF16 = 14, COMPUTE_F32 = 68, PREFERENCE_WORKSPACE = 1 };
typedef struct {
    uint64_t algorithm[8];
    size_t workspace;
    int state;
    float waves;
    int reserved[4];
} Heuristic;
static struct {
    int (*init)(unsigned);
    int (*retain)(void **context, int device);
    int (*current)(void *context);
    int (*alloc)(uint64_t *, size_t);
    int (*fill)(uint64_t, unsigned short, size_t);
    int (*wait)(void);
} cu;
static struct {
    int (*create)(void **);
    int (*matmul)(void *, void *, const void *alpha, const void *a, void *, const void *b, void *,
                  const void *beta, const void *c, void *, void *d, void *, const void *algorithm,
                  void *workspace, size_t, void *stream);
    int (*descriptor)(void **, int compute, int scale);
    int (*layout)(void **, int type, uint64_t rows, uint64_t columns, int64_t lead);
    int (*preference)(void **);
    int (*preference_set)(void *, int attribute, const void *, size_t);
    int (*heuristic)(void *, void *, void *, void *, void *, void *, void *, int wanted,
                     Heuristic *, int *found);
} lt;

static void check(int code, const char *what) {
    if (!code) return;
    fprintf(stderr, "cublaslt: %s: error %d\n", what, code);
    exit(1);
}

static void open_library(const char *const *files, const char *const *names, int n, void *to) {
    void *library = NULL, *found[8];
    for (int i = 0; files[i] && !library; i++) library = dlopen(files[i], RTLD_NOW);
    for (int i = 0; i < n; i++) {
        if (library && (found[i] = dlsym(library, names[i]))) continue;
        fprintf(stderr, "cublaslt: %s is not there\n", library ? names[i] : files[0]);
        exit(1);
    }
    memcpy(to, found, sizeof found[0] * (size_t)n);
}

static void open_all(void) {
    static const char *const driver[] = {"libcuda.so.1", NULL}, *const blas[] = {
                                                                    "libcublasLt.so.13",
                                                                    "libcublasLt.so.12",
                                                                    "libcublasLt.so.11",
                                                                    "libcublasLt.so", NULL};
    static const char *const of_driver[] = {"cuInit",          "cuDevicePrimaryCtxRetain",
                                            "cuCtxSetCurrent", "cuMemAlloc_v2",
                                            "cuMemsetD16_v2",  "cuCtxSynchronize"};
    static const char *const of_blas[] = {"cublasLtCreate",
                                          "cublasLtMatmul",
                                          "cublasLtMatmulDescCreate",
                                          "cublasLtMatrixLayoutCreate",
                                          "cublasLtMatmulPreferenceCreate",
                                          "cublasLtMatmulPreferenceSetAttribute",
                                          "cublasLtMatmulAlgoGetHeuristic"};
    open_library(driver, of_driver, 6, &cu);
    open_library(blas, of_blas, 7, &lt);
}

/* ---- one contraction ---- */
static struct {
    void *handle, *descriptor, *layout;
    uint64_t a, b, c, workspace;
    size_t workspace_bytes;
    Heuristic choice;
} job;

static uint64_t memory(size_t bytes) {
    uint64_t at;
    check(cu.alloc(&at, bytes), "memory");
    check(cu.fill(at, 0x3800, bytes / 2), "memory"); /* some number that is no zero */
    return at;
}

static void prepare(int type, int64_t n) {
    void *context, *preference;
    size_t bytes = (size_t)(n * n) * (type == TYPE_F32 ? 4 : 2);
    int found = 0;
    check(cu.init(0), "cuInit");
    check(cu.retain(&context, 0), "context");
    check(cu.current(context), "context");
    job.a = memory(bytes), job.b = memory(bytes), job.c = memory(bytes);
    job.workspace = memory(job.workspace_bytes = 64u << 20);
    check(lt.create(&job.handle), "cublasLtCreate");
    check(lt.descriptor(&job.descriptor, COMPUTE_F32, TYPE_F32), "descriptor");
    check(lt.layout(&job.layout, type, (uint64_t)n, (uint64_t)n, n), "layout");
    check(lt.preference(&preference), "preference");
    check(lt.preference_set(preference, PREFERENCE_WORKSPACE, &job.workspace_bytes, sizeof(size_t)),
          "preference");
    check(lt.heuristic(job.handle, job.descriptor, job.layout, job.layout, job.layout, job.layout,
                       preference, 1, &job.choice, &found),
          "heuristic");
    check(!found, "no algorithm");
}

static double milliseconds(int calls) {
    const float one = 1, zero = 0;
    struct timespec from, to;
    check(cu.wait(), "waiting");
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (int i = 0; i < calls; i++)
        check(lt.matmul(job.handle, job.descriptor, &one, (void *)(uintptr_t)job.a, job.layout,
                        (void *)(uintptr_t)job.b, job.layout, &zero, (void *)(uintptr_t)job.c,
                        job.layout, (void *)(uintptr_t)job.c, job.layout, job.choice.algorithm,
                        (void *)(uintptr_t)job.workspace, job.workspace_bytes, NULL),
              "cublasLtMatmul");
    check(cu.wait(), "waiting");
    clock_gettime(CLOCK_MONOTONIC, &to);
    return ((double)(to.tv_sec - from.tv_sec) * 1e3 + (double)(to.tv_nsec - from.tv_nsec) * 1e-6) /
           calls;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    enum { ROWS = 7 };
    double ms[ROWS];
    if (argc != 3) {
        fprintf(stderr, "usage: cublaslt f32|f16|bf16 N\n");
        return 1;
    }
    open_all();
    int type = !strcmp(argv[1], "f32") ? TYPE_F32 : !strcmp(argv[1], "f16") ? TYPE_F16 : TYPE_BF16;
    prepare(type, atol(argv[2]));
    milliseconds(3);
    double about = milliseconds(3);
    int calls = about > 50 ? 1 : about < 0.05 ? 1000 : (int)(50 / about);
    for (int i = 0; i < ROWS; i++) ms[i] = milliseconds(calls);
    qsort(ms, ROWS, sizeof ms[0], ascending);
    printf("%.6f\n", ms[ROWS / 2]);
    return 0;
}
