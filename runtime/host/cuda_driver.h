/* The part of NVIDIA's driver API that programs use, found by dlopen: libcuda is part of the
 * driver, and a program without a GPU must be able to say so. */
#ifndef ONNXCC_RUNTIME_CUDA_DRIVER_H
#define ONNXCC_RUNTIME_CUDA_DRIVER_H

#include "host.h"

typedef uint64_t CuPointer;
typedef struct CuOpaque *CuContext, *CuModule, *CuFunction, *CuStream, *CuEvent, *CuGraph, *CuExec;

/* Types as cuda.h of CUDA 11 and later has them. Results: 0 is success. */
struct cuda_driver {
    int (*init)(unsigned flags);
    int (*version)(int *);
    int (*device_count)(int *);
    int (*device_get)(int *device, int ordinal);
    int (*device_name)(char *, int n, int device);
    int (*device_attribute)(int *, int attribute, int device);
    int (*context_retain)(CuContext *, int device);
    int (*context_release)(int device);
    int (*context_push)(CuContext);
    int (*context_pop)(CuContext *);
    int (*context_current)(CuContext *);
    int (*context_device)(int *);
    int (*module_load)(CuModule *, const void *image);
    int (*module_unload)(CuModule);
    int (*module_function)(CuFunction *, CuModule, const char *name);
    int (*function_set)(CuFunction, int attribute, int value);
    int (*alloc)(CuPointer *, size_t bytes);
    int (*free)(CuPointer);
    int (*alloc_host)(void **, size_t bytes, unsigned flags);
    int (*free_host)(void *);
    int (*host_address)(CuPointer *, void *, unsigned flags);
    int (*pointer_get)(void *, int attribute, CuPointer);
    int (*memory_info)(size_t *free, size_t *total);
    int (*to_device_now)(CuPointer, const void *, size_t);
    int (*to_device)(CuPointer, const void *, size_t, CuStream);
    int (*to_host)(void *, CuPointer, size_t, CuStream);
    int (*stream_create)(CuStream *, unsigned flags);
    int (*stream_destroy)(CuStream);
    int (*stream_wait)(CuStream);
    int (*stream_query)(CuStream);
    int (*stream_wait_event)(CuStream, CuEvent, unsigned flags);
    int (*launch)(CuFunction, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
                  unsigned bz, unsigned shared, CuStream, void **args, void **extra);
    int (*event_create)(CuEvent *, unsigned flags);
    int (*event_destroy)(CuEvent);
    int (*event_record)(CuEvent, CuStream);
    int (*event_ms)(float *, CuEvent, CuEvent);
    int (*error_name)(int, const char **);
    int (*error_text)(int, const char **);
    /* NULL: the driver lacks them, and runs are not replayed */
    int (*capture_begin)(CuStream, int mode);
    int (*capture_end)(CuStream, CuGraph *);
    int (*capture_status)(CuStream, int *);
    int (*graph_instantiate)(CuExec *, CuGraph, unsigned long long flags);
    int (*graph_launch)(CuExec, CuStream);
    int (*graph_destroy)(CuGraph);
    int (*exec_destroy)(CuExec);
    /* NULL: the driver lacks it (before CUDA 12), and code that wants tensor maps is not taken */
    int (*tensor_map)(void *map, int type, uint32_t dims, void *address, const uint64_t *extents,
                      const uint64_t *strides, const uint32_t *box, const uint32_t *steps,
                      int interleave, int swizzle, int promotion, int fill);
};

enum { /* CUdevice_attribute, CUfunction_attribute, CUpointer_attribute, CUmemorytype, CUresult */
    CU_MAJOR = 75,
    CU_MINOR = 76,
    CU_DYNAMIC_SHARED = 8,
    CU_MEMORY_TYPE = 2,
    CU_MEMORY_DEVICE = 2,
    CU_IS_MANAGED = 8,
    CU_INVALID = 1,
    CU_OUT_OF_MEMORY = 2,
    CU_NO_DEVICE = 100,
    CU_NO_BINARY = 209, /* no kernel image for this device */
    CU_BAD_PTX = 218,
    CU_UNSUPPORTED_PTX = 222,
    CU_NOT_READY = 600,
    CU_EVENT_UNTIMED = 2,
    CU_KERNEL_FAULTS = 700, /* 700..719: what kernels do wrong, 701: what launches ask for */
    CU_TOO_LARGE = 701,
    CU_LAST_KERNEL_FAULT = 719
};

/* Finds and starts the driver; an error code with cuda_fail's sentence where there is none, or it
 * is too old, or there is no GPU. */
int cuda_driver_open(struct cuda_driver *);

/* ---- what went wrong ---- */
enum cuda_reason { /* index of ONNXCC_E_DEVICE, as in abi.h */
    CUDA_NO_DRIVER,
    CUDA_OLD_DRIVER,
    CUDA_NO_DEVICE,
    CUDA_NO_CODE,
    CUDA_NO_MEMORY,
    CUDA_KERNEL_FAILED,
    CUDA_UNUSABLE
};
/* Keeps the sentence for explain on this thread; gives the error code. */
int cuda_fail(int reason, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *cuda_said(int code);
/* "an illegal address (CUDA_ERROR_ILLEGAL_ADDRESS, 700)", in `text`. */
const char *cuda_error_text(const struct cuda_driver *, int code, char *text, size_t n);

#endif
