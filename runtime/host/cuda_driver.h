/* The part of NVIDIA's driver API that programs use, found by dlopen: libcuda is part of the
 * driver, and a program without a GPU must be able to say so. */
#ifndef ONNXCC_RUNTIME_CUDA_DRIVER_H
#define ONNXCC_RUNTIME_CUDA_DRIVER_H

#include "host.h"

typedef uint64_t CuPointer;
typedef struct CuOpaque *CuContext, *CuModule, *CuFunction, *CuStream;

/* Types as cuda.h of CUDA 11 and later has them. Results: 0 is success. */
struct cuda_driver {
    int (*init)(unsigned flags);
    int (*version)(int *);
    int (*device_count)(int *);
    int (*device_get)(int *device, int ordinal);
    int (*device_name)(char *, int n, int device);
    int (*device_attribute)(int *, int attribute, int device);
    int (*device_memory)(size_t *, int device);
    int (*context_retain)(CuContext *, int device);
    int (*context_set)(CuContext);
    int (*module_load)(CuModule *, const void *image);
    int (*module_function)(CuFunction *, CuModule, const char *name);
    int (*alloc_managed)(CuPointer *, size_t bytes, unsigned flags);
    int (*free)(CuPointer);
    int (*memory_info)(size_t *free, size_t *total);
    int (*stream_create)(CuStream *, unsigned flags);
    int (*stream_wait)(CuStream);
    int (*launch)(CuFunction, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
                  unsigned bz, unsigned shared, CuStream, void **args, void **extra);
    int (*error_name)(int, const char **);
    int (*error_text)(int, const char **);
};

enum { /* CUdevice_attribute, CUresult */
    CU_MAJOR = 75,
    CU_MINOR = 76,
    CU_CONCURRENT_MANAGED = 89,
    CU_NO_BINARY = 209, /* no kernel image for this device */
    CU_BAD_PTX = 218,
    CU_UNSUPPORTED_PTX = 222,
    CU_OUT_OF_MEMORY = 2,
    CU_NO_DEVICE = 100
};

/* Refuses, with what to do, where there is no driver or it is too old. */
void cuda_driver_open(struct cuda_driver *);
/* "an illegal address (CUDA_ERROR_ILLEGAL_ADDRESS)"; valid until the next call. */
const char *cuda_driver_error(const struct cuda_driver *, int code);

#endif
