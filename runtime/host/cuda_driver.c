/* Finding NVIDIA's driver, and sentences about what it refuses. */
#include "cuda_driver.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <string.h>

enum { OLDEST = 11000 }; /* CUDA 11.0: chips of 2020 and later */

/* The one thing that outlives a call: like errno, per thread, and only to be read. */
static _Thread_local struct {
    int code;
    char text[600];
} last;

int cuda_fail(int reason, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    vsnprintf(last.text, sizeof last.text, fmt, args);
    va_end(args);
    return last.code = ONNXCC_CODE(ONNXCC_E_DEVICE, reason, 0);
}

const char *cuda_said(int code) {
    return last.code == code ? last.text : NULL;
}

const char *cuda_error_text(const struct cuda_driver *d, int code, char *text, size_t n) {
    const char *name = NULL, *what = NULL;
    if (d->error_name(code, &name) || !name) name = "an unknown error";
    if (d->error_text(code, &what) || !what) what = "?";
    snprintf(text, n, "%s (%s, %d)", what, name, code);
    return text;
}

/* ---- finding it ---- */
static void *open_library(void) {
    static const char *const names[] = {"libcuda.so.1", "libcuda.so"};
    void *library = NULL;
    for (int i = 0; i < 2 && !library; i++) library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    return library;
}

/* The first function that is missing; NULL: none. The program can do without all of those behind
 * REST, and without the one behind them. */
static const char *find_functions(void *library, struct cuda_driver *d) {
    static const char *const names[] = {
        "cuInit", "cuDriverGetVersion", "cuDeviceGetCount", "cuDeviceGet", "cuDeviceGetName",
        "cuDeviceGetAttribute", "cuDevicePrimaryCtxRetain", "cuDevicePrimaryCtxRelease_v2",
        "cuCtxPushCurrent_v2", "cuCtxPopCurrent_v2", "cuCtxGetCurrent", "cuCtxGetDevice",
        "cuModuleLoadData", "cuModuleUnload", "cuModuleGetFunction", "cuFuncSetAttribute",
        "cuMemAlloc_v2", "cuMemFree_v2", "cuMemHostAlloc", "cuMemFreeHost",
        "cuMemHostGetDevicePointer_v2", "cuPointerGetAttribute", "cuMemGetInfo_v2",
        "cuMemcpyHtoD_v2", "cuMemcpyHtoDAsync_v2", "cuMemcpyDtoHAsync_v2", "cuStreamCreate",
        "cuStreamDestroy_v2", "cuStreamSynchronize", "cuStreamQuery", "cuStreamWaitEvent",
        "cuLaunchKernel", "cuEventCreate", "cuEventDestroy_v2", "cuEventRecord",
        "cuEventElapsedTime", "cuGetErrorName", "cuGetErrorString",
        /* REST */
        "cuStreamBeginCapture_v2", "cuStreamEndCapture", "cuStreamIsCapturing",
        "cuGraphInstantiateWithFlags", "cuGraphLaunch", "cuGraphDestroy", "cuGraphExecDestroy",
        /* MAPS */
        "cuTensorMapEncodeTiled"};
    enum { N = sizeof names / sizeof names[0], MAPS = N - 1, REST = MAPS - 7 };
    void *found[N];
    _Static_assert(sizeof *d == sizeof found, "the names stand in the order of the members");
    for (int i = 0; i < N; i++) {
        found[i] = dlsym(library, names[i]);
        if (!found[i] && i < REST) return names[i];
    }
    for (int i = REST; i < MAPS; i++)
        if (!found[i]) memset(&found[REST], 0, sizeof found[0] * (MAPS - REST));
    memcpy(d, found, sizeof found);
    return NULL;
}

int cuda_driver_open(struct cuda_driver *d) {
    void *library = open_library();
    int version = 0, code;
    char text[300];
    if (!library)
        return cuda_fail(CUDA_NO_DRIVER, "this program runs on an NVIDIA GPU, and libcuda.so.1 was "
                                         "not found: install NVIDIA's driver");
    const char *missing = find_functions(library, d);
    if (missing)
        return cuda_fail(
            CUDA_OLD_DRIVER,
            "NVIDIA's driver is too old: libcuda lacks %s; install driver 450 or later", missing);
    if (d->version(&version) || version < OLDEST)
        return cuda_fail(CUDA_OLD_DRIVER,
                         "NVIDIA's driver is too old: it knows CUDA %d.%d, %d.0 is needed",
                         version / 1000, version % 1000 / 10, OLDEST / 1000);
    code = d->init(0);
    if (code == CU_NO_DEVICE) return cuda_fail(CUDA_NO_DEVICE, "no NVIDIA GPU was found");
    if (code)
        return cuda_fail(CUDA_UNUSABLE, "the GPU cannot be used: %s",
                         cuda_error_text(d, code, text, sizeof text));
    return 0;
}
