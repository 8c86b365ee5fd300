/* The driver as the callers of libraries use it: tests/cuda/library.c, library_sizes.c. */
#ifndef ONNXCC_TESTS_CUDA_CALLER_H
#define ONNXCC_TESTS_CUDA_CALLER_H

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;
#define EXPECT(cond)                                                                               \
    ((cond) ? (void)0                                                                              \
            : (void)(failures++, fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond)))

static struct {
    int (*init)(unsigned);
    int (*retain)(void **context, int device);
    int (*create)(void **context, unsigned flags, int device);
    int (*push)(void *context);
    int (*pop)(void **context);
    int (*alloc)(uint64_t *, size_t);
    int (*to_device)(uint64_t, const void *, size_t);
    int (*to_host)(void *, uint64_t, size_t);
    int (*stream)(void **, unsigned flags);
    int (*wait)(void *stream);
    int (*query)(void *stream);
    int (*begin)(void *stream, int mode);
    int (*end)(void *stream, void **graph);
    int (*instantiate)(void **exec, void *graph, unsigned long long flags);
    int (*launch)(void *exec, void *stream);
} cu;

static inline void open_driver(void) {
    static const char *const names[] = {"cuInit",
                                        "cuDevicePrimaryCtxRetain",
                                        "cuCtxCreate_v2",
                                        "cuCtxPushCurrent_v2",
                                        "cuCtxPopCurrent_v2",
                                        "cuMemAlloc_v2",
                                        "cuMemcpyHtoD_v2",
                                        "cuMemcpyDtoH_v2",
                                        "cuStreamCreate",
                                        "cuStreamSynchronize",
                                        "cuStreamQuery",
                                        "cuStreamBeginCapture_v2",
                                        "cuStreamEndCapture",
                                        "cuGraphInstantiateWithFlags",
                                        "cuGraphLaunch"};
    void *library = dlopen("libcuda.so.1", RTLD_NOW), *found[sizeof names / sizeof names[0]];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (!library || !(found[i] = dlsym(library, names[i]))) exit(2);
    memcpy(&cu, found, sizeof cu);
    EXPECT(!cu.init(0));
}

static inline uint64_t device_memory(size_t bytes) {
    uint64_t at = 0;
    EXPECT(!cu.alloc(&at, bytes));
    return at;
}

static inline void *address(uint64_t at) {
    return (void *)(uintptr_t)at;
}

#endif
