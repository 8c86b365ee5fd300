/* A libcuda.so.1 without a GPU: what programs of --device=cuda ask of the driver, done on this
 * machine. Kernels come from a library made of the program's CUDA text and the emulation header.
 *
 *   FAKE_CUDA_KERNELS=FILE.so   that library
 *   FAKE_CUDA_CHIP=80           compute capability
 *   FAKE_CUDA_MEMORY=BYTES      more than that is out of memory
 *   FAKE_CUDA_DEVICES=1         how many there are
 *   FAKE_CUDA_VERSION=12080     of the driver
 *   FAKE_CUDA_FAULT=1           kernels end with an illegal address
 *   FAKE_CUDA_REFUSE=cubin      module data that this driver does not take: cubin, ptx */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef void (*Packed)(unsigned blocks, unsigned threads, void **args);
enum { OK, INVALID = 1, NO_MEMORY = 2, NO_DEVICE = 100, NO_BINARY = 209, NOT_FOUND = 500,
       ILLEGAL_ADDRESS = 700 };

static long setting(const char *name, long otherwise) {
    const char *text = getenv(name);
    return text ? atol(text) : otherwise;
}

static size_t used;

int cuInit(unsigned flags) {
    return flags ? INVALID : setting("FAKE_CUDA_DEVICES", 1) ? OK : NO_DEVICE;
}
int cuDriverGetVersion(int *v) {
    *v = (int)setting("FAKE_CUDA_VERSION", 12080);
    return OK;
}
int cuDeviceGetCount(int *n) {
    *n = (int)setting("FAKE_CUDA_DEVICES", 1);
    return OK;
}
int cuDeviceGet(int *device, int ordinal) {
    *device = ordinal;
    return ordinal ? INVALID : OK;
}
int cuDeviceGetName(char *at, int n, int device) {
    snprintf(at, (size_t)n, "Fake %d", device);
    return OK;
}
int cuDeviceGetAttribute(int *v, int attribute, int device) {
    int chip = (int)setting("FAKE_CUDA_CHIP", 80);
    *v = attribute == 75 ? chip / 10 : attribute == 76 ? chip % 10 : 1;
    return device ? INVALID : OK;
}
int cuDeviceTotalMem_v2(size_t *bytes, int device) {
    *bytes = (size_t)setting("FAKE_CUDA_MEMORY", 1 << 30);
    return device ? INVALID : OK;
}
int cuDevicePrimaryCtxRetain(void **context, int device) {
    *context = &used;
    return device ? INVALID : OK;
}
int cuCtxSetCurrent(void *context) {
    return context == &used ? OK : INVALID;
}
int cuModuleLoadData(void **module, const void *image) {
    const char *refused = getenv("FAKE_CUDA_REFUSE"), *kind = "?";
    if (!memcmp(image, "\177ELF", 4)) kind = "cubin";
    else if (strstr(image, ".target sm_")) kind = "ptx";
    if (*kind == '?') return INVALID;
    if (refused && !strcmp(refused, kind)) return NO_BINARY;
    fprintf(stderr, "fake driver: loads %s\n", kind);
    *module = dlopen(getenv("FAKE_CUDA_KERNELS"), RTLD_NOW | RTLD_LOCAL);
    if (!*module) fprintf(stderr, "fake driver: %s\n", dlerror());
    return *module ? OK : NOT_FOUND;
}
int cuModuleGetFunction(void **f, void *module, const char *name) {
    char packed[512];
    snprintf(packed, sizeof packed, "%s_packed", name);
    *f = dlsym(module, packed);
    return *f ? OK : NOT_FOUND;
}
int cuMemAllocManaged(uint64_t *at, size_t bytes, unsigned flags) {
    if (!bytes || flags != 1) return INVALID;
    if (used + bytes > (size_t)setting("FAKE_CUDA_MEMORY", 1 << 30)) return NO_MEMORY;
    void *p = aligned_alloc(512, (bytes + 511) / 512 * 512);
    if (!p) return NO_MEMORY;
    *at = (uint64_t)(uintptr_t)p;
    return OK;
}
int cuMemFree_v2(uint64_t at) {
    free((void *)(uintptr_t)at);
    return OK;
}
int cuMemGetInfo_v2(size_t *unused, size_t *total) {
    *total = (size_t)setting("FAKE_CUDA_MEMORY", 1 << 30);
    *unused = *total - used;
    return OK;
}
int cuStreamCreate(void **stream, unsigned flags) {
    *stream = &used;
    return flags == 1 ? OK : INVALID;
}
int cuStreamSynchronize(void *stream) {
    if (setting("FAKE_CUDA_FAULT", 0)) return ILLEGAL_ADDRESS;
    return stream == &used ? OK : INVALID;
}
int cuLaunchKernel(void *f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
                   unsigned bz, unsigned shared, void *stream, void **args, void **extra) {
    Packed run;
    if (!gx || gy != 1 || gz != 1 || by != 1 || bz != 1 || bx > 1024 || shared || extra)
        return INVALID;
    if (stream != &used) return INVALID;
    memcpy(&run, &f, sizeof run);
    run(gx, bx, args);
    return OK;
}
int cuGetErrorName(int code, const char **name) {
    *name = code == ILLEGAL_ADDRESS ? "CUDA_ERROR_ILLEGAL_ADDRESS" : "CUDA_ERROR";
    return OK;
}
int cuGetErrorString(int code, const char **text) {
    *text = code == ILLEGAL_ADDRESS ? "an illegal memory access was encountered" : "an error";
    return OK;
}
