/* The device and contexts. */
#define _GNU_SOURCE
#include "driver.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct Context {
    int retained;
} Context;
enum { MAX_CONTEXTS = 16 };
static Context contexts[MAX_CONTEXTS]; /* 0: the primary one */
static int n_contexts = 1;
static _Thread_local Context *stack[64];
static _Thread_local int depth;

long setting(const char *name, long otherwise) {
    const char *text = getenv(name);
    return text ? atol(text) : otherwise;
}

/* ---- one call at a time ---- */
static pthread_mutex_t mutex = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

void *lock_driver(void) {
    pthread_mutex_lock(&mutex);
    return &mutex;
}

void unlock_driver(void *alone) {
    (void)alone;
    pthread_mutex_unlock(&mutex);
}

/* ---- the device ---- */
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
    return ordinal < setting("FAKE_CUDA_DEVICES", 1) ? OK : INVALID;
}
int cuDeviceGetName(char *at, int n, int device) {
    snprintf(at, (size_t)n, "Fake %d", device);
    return OK;
}
int cuDeviceGetAttribute(int *v, int attribute, int device) {
    int chip = (int)setting("FAKE_CUDA_CHIP", 80);
    (void)device;
    *v = attribute == 75 ? chip / 10 : attribute == 76 ? chip % 10 : 1;
    return OK;
}

/* ---- contexts ---- */
const void *current_context(void) {
    return depth ? stack[depth - 1] : NULL;
}

int cuDevicePrimaryCtxRetain(void **context, int device) {
    ALONE;
    (void)device;
    *context = &contexts[0];
    contexts[0].retained++;
    return OK;
}
int cuDevicePrimaryCtxRelease_v2(int device) {
    ALONE;
    (void)device;
    if (--contexts[0].retained == 0 && setting("FAKE_CUDA_SAY", 0))
        fprintf(stderr, "fake driver: %d blocks are left\n", count_blocks());
    return OK;
}
int cuCtxPushCurrent_v2(void *context) {
    Context *c = context;
    if (c < contexts || c >= contexts + n_contexts || depth == 64) return INVALID;
    stack[depth++] = c;
    return OK;
}
int cuCtxPopCurrent_v2(void **context) {
    if (!depth) return NO_CONTEXT;
    *context = stack[--depth];
    return OK;
}
int cuCtxGetCurrent(void **context) {
    *context = depth ? stack[depth - 1] : NULL;
    return OK;
}
int cuCtxGetDevice(int *device) {
    *device = 0;
    return depth ? OK : NO_CONTEXT;
}
/* For callers that bring their own; it becomes current. */
int cuCtxCreate_v2(void **context, unsigned flags, int device) {
    ALONE;
    if (flags || device || n_contexts == MAX_CONTEXTS) return INVALID;
    *context = &contexts[n_contexts++];
    return cuCtxPushCurrent_v2(*context);
}

int cuGetErrorName(int code, const char **name) {
    *name = code == ILLEGAL_ADDRESS ? "CUDA_ERROR_ILLEGAL_ADDRESS"
            : code == TOO_LARGE     ? "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES"
                                    : "CUDA_ERROR";
    return OK;
}
int cuGetErrorString(int code, const char **text) {
    *text = code == ILLEGAL_ADDRESS ? "an illegal memory access was encountered"
            : code == TOO_LARGE     ? "too many resources requested for launch"
                                    : "an error";
    return OK;
}
