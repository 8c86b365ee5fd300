/* Finding NVIDIA's driver. */
#include "cuda_driver.h"

#include <dlfcn.h>
#include <string.h>

enum { OLDEST = 11000 }; /* CUDA 11.0: chips of 2020 and later */

static void *open_library(void) {
    static const char *const names[] = {"libcuda.so.1", "libcuda.so"};
    void *library = NULL;
    for (int i = 0; i < 2 && !library; i++) library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    return library;
}

static void find_functions(void *library, struct cuda_driver *d) {
    const struct {
        const char *name;
        void *at;
    } functions[] = {
        {"cuInit", &d->init},
        {"cuDriverGetVersion", &d->version},
        {"cuDeviceGetCount", &d->device_count},
        {"cuDeviceGet", &d->device_get},
        {"cuDeviceGetName", &d->device_name},
        {"cuDeviceGetAttribute", &d->device_attribute},
        {"cuDeviceTotalMem_v2", &d->device_memory},
        {"cuDevicePrimaryCtxRetain", &d->context_retain},
        {"cuCtxSetCurrent", &d->context_set},
        {"cuModuleLoadData", &d->module_load},
        {"cuModuleGetFunction", &d->module_function},
        {"cuMemAllocManaged", &d->alloc_managed},
        {"cuMemFree_v2", &d->free},
        {"cuMemGetInfo_v2", &d->memory_info},
        {"cuStreamCreate", &d->stream_create},
        {"cuStreamSynchronize", &d->stream_wait},
        {"cuLaunchKernel", &d->launch},
        {"cuGetErrorName", &d->error_name},
        {"cuGetErrorString", &d->error_text},
    };
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        void *f = dlsym(library, functions[i].name);
        if (!f)
            host_refuse("NVIDIA's driver is too old: libcuda lacks %s; install driver 450 or later",
                        functions[i].name);
        memcpy(functions[i].at, &f, sizeof f);
    }
}

const char *cuda_driver_error(const struct cuda_driver *d, int code) {
    static char text[256];
    const char *name = NULL, *what = NULL;
    if (d->error_name(code, &name) || !name) name = "an unknown error";
    if (d->error_text(code, &what) || !what) what = "?";
    snprintf(text, sizeof text, "%s (%s, %d)", what, name, code);
    return text;
}

void cuda_driver_open(struct cuda_driver *d) {
    void *library = open_library();
    int version = 0, code;
    if (!library)
        host_refuse("this program runs on an NVIDIA GPU, and libcuda.so.1 was not found: install "
                    "NVIDIA's driver");
    find_functions(library, d);
    if (d->version(&version) || version < OLDEST)
        host_refuse("NVIDIA's driver is too old: it knows CUDA %d.%d, %d.0 is needed",
                    version / 1000, version % 1000 / 10, OLDEST / 1000);
    if ((code = d->init(0)))
        host_refuse(code == CU_NO_DEVICE ? "no NVIDIA GPU was found"
                                         : "the GPU cannot be used: %s",
                    cuda_driver_error(d, code));
}
