/* Kernels on an NVIDIA GPU. Memory is managed memory, which the GPU and the host both see: runtime
 * operators and values that the host reads need no copies of their own; the host only waits before
 * it looks. All kernels run in one stream, in order. */
#include "../cuda.h"
#include "cuda_driver.h"

#include <stdlib.h>
#include <string.h>

static struct {
    struct cuda_driver d;
    char name[128];
    int chip; /* 90: compute capability 9.0 */
    bool careful; /* the host must not touch managed memory while a kernel runs */
    CuStream stream;
    const struct onnxcc_cuda_image *image;
    CuModule module;
    CuFunction *function; /* by index; NULL: not asked for yet */
    int32_t *fault;       /* managed: a flag per step of the model */
    int n_faults;
} gpu;

static void check(int code, const char *doing) {
    if (code) host_refuse("%s: %s: %s", gpu.name, doing, cuda_driver_error(&gpu.d, code));
}

/* ---- memory ---- */
static void *cuda_alloc(size_t bytes) {
    CuPointer at = 0;
    size_t unused = 0, total = 0;
    int code = gpu.d.alloc_managed(&at, bytes ? bytes : 1, 1 /* attached to all streams */);
    if (code == CU_OUT_OF_MEMORY) {
        gpu.d.memory_info(&unused, &total);
        host_refuse("%s: out of memory: %zu bytes needed, %zu of %zu free", gpu.name, bytes, unused,
                    total);
    }
    check(code, "memory");
    return (void *)(uintptr_t)at;
}

static void cuda_free(void *at) {
    if (at) check(gpu.d.free((CuPointer)(uintptr_t)at), "freeing memory");
}

static size_t cuda_memory(void) {
    size_t unused = 0, total = 0;
    check(gpu.d.memory_info(&unused, &total), "memory");
    return total;
}

/* ---- opening ---- */
static void open_device(void) {
    int count = 0, device = 0, major = 0, minor = 0, concurrent = 0;
    CuContext context;
    cuda_driver_open(&gpu.d);
    snprintf(gpu.name, sizeof gpu.name, "the GPU");
    if (gpu.d.device_count(&count) || !count) host_refuse("no NVIDIA GPU was found");
    check(gpu.d.device_get(&device, 0), "opening it");
    gpu.d.device_name(gpu.name, sizeof gpu.name, device);
    check(gpu.d.device_attribute(&major, CU_MAJOR, device), "asking its version");
    check(gpu.d.device_attribute(&minor, CU_MINOR, device), "asking its version");
    gpu.d.device_attribute(&concurrent, CU_CONCURRENT_MANAGED, device);
    gpu.chip = major * 10 + minor;
    gpu.careful = !concurrent;
    check(gpu.d.context_retain(&context, device), "opening it");
    check(gpu.d.context_set(context), "opening it");
    check(gpu.d.stream_create(&gpu.stream, 1 /* without the default stream */), "opening it");
}

static const void *in_image(int64_t at) {
    return (const char *)gpu.image + at;
}

/* How well a binary suits the chip; 0: not at all. Its own code before code for a lower minor
 * version, that before PTX. */
static int fitness(const struct onnxcc_cuda_binary *b) {
    if (b->kind == ONNXCC_CUDA_EXACT) return b->arch == gpu.chip ? 3000 : 0;
    if (b->arch > gpu.chip) return 0;
    if (b->kind == ONNXCC_CUDA_PTX) return 1000 + b->arch;
    return b->arch / 10 == gpu.chip / 10 ? 2000 + b->arch : 0;
}

static void no_code(void) {
    const struct onnxcc_cuda_binary *b = in_image(gpu.image->binaries);
    char list[256] = "";
    for (int i = 0; i < gpu.image->n_binaries; i++) {
        size_t n = strlen(list);
        snprintf(list + n, sizeof list - n, "%s%s", i ? ", " : "", b[i].name);
    }
    host_refuse("%s (sm_%d) cannot run this program, which was compiled for %s; compile it with "
                "--gpu-arch=sm_%d",
                gpu.name, gpu.chip, list, gpu.chip);
}

/* The best binary that the driver accepts. */
static void load_module(void) {
    const struct onnxcc_cuda_binary *b = in_image(gpu.image->binaries);
    for (int limit = 1 << 30, code = 0;;) {
        int best = -1;
        for (int i = 0; i < gpu.image->n_binaries; i++)
            if (fitness(&b[i]) > 0 && fitness(&b[i]) < limit &&
                (best < 0 || fitness(&b[i]) > fitness(&b[best])))
                best = i;
        if (best < 0 && !code) no_code();
        if (best < 0) check(code, "loading the kernels");
        code = gpu.d.module_load(&gpu.module, in_image(b[best].at));
        if (!code) return;
        if (code != CU_NO_BINARY && code != CU_BAD_PTX && code != CU_UNSUPPORTED_PTX)
            check(code, "loading the kernels");
        limit = fitness(&b[best]);
    }
}

static void cuda_open(const struct onnxcc_model *m) {
    if (!gpu.stream) open_device();
    if (gpu.image != m->image) {
        gpu.image = m->image;
        load_module();
        free(gpu.function);
        gpu.function = host_alloc(sizeof *gpu.function * (size_t)gpu.image->n_kernels);
    }
    cuda_free(gpu.fault);
    gpu.n_faults = m->n_kernels + 1;
    gpu.fault = cuda_alloc(sizeof *gpu.fault * (size_t)gpu.n_faults);
    memset(gpu.fault, 0, sizeof *gpu.fault * (size_t)gpu.n_faults);
}

/* ---- running ---- */
static void cuda_wait(struct onnxcc_frame *f) {
    check(gpu.d.stream_wait(gpu.stream), "running the kernels");
    for (int i = 0; i < gpu.n_faults; i++) {
        if (!gpu.fault[i]) continue;
        gpu.fault[i] = 0;
        if (!f->fault) f->fault = ONNXCC_CODE(ONNXCC_E_FAULT, i, 0);
    }
}

static CuFunction function_of(const struct onnxcc_cuda_kernel *k) {
    CuFunction *f = &gpu.function[k->index];
    if (!*f) check(gpu.d.module_function(f, gpu.module, in_image(k->name)), "finding a kernel");
    return *f;
}

enum { MAX_ARGS = 128 };
union argument {
    const void *pointer;
    int64_t wide;
    int32_t narrow;
};

static union argument number(const struct onnxcc_cuda_kernel *k, int64_t v) {
    union argument a = {.wide = v};
    if (k->flags & ONNXCC_CUDA_SMALL) a.narrow = (int32_t)v;
    return a;
}

/* See runtime/cuda.h for the order. */
static int arguments(struct onnxcc_frame *f, int kernel, const struct onnxcc_cuda_kernel *k,
                     void *const *bufs, int64_t total, union argument *a) {
    const int32_t *args = in_image(k->args);
    int n = 0;
    for (int i = 0; i < k->n_bufs; i++) a[n++].pointer = bufs[args[i]];
    for (int i = 0; i < k->n_syms; i++) a[n++] = number(k, f->syms[args[k->n_bufs + i]]);
    if (k->flags & ONNXCC_CUDA_FAULTS) a[n++].pointer = &gpu.fault[kernel];
    if (k->flags & ONNXCC_CUDA_SCRATCH) {
        a[n++].pointer = f->scratch;
        a[n++].wide = f->scratch_stride / ((int64_t)k->max_blocks * k->per_block);
    }
    a[n++] = number(k, 0);
    a[n++] = number(k, total);
    return n;
}

static void cuda_launch(struct onnxcc_frame *f, int kernel, const void *description,
                        void *const *bufs, int64_t total) {
    const struct onnxcc_cuda_kernel *k = description;
    union argument a[MAX_ARGS];
    void *at[MAX_ARGS];
    int64_t blocks = (total + k->per_block - 1) / k->per_block;
    if (k->n_bufs + k->n_syms + 5 > MAX_ARGS || kernel < 0 || kernel >= gpu.n_faults)
        host_refuse("a kernel with %d arguments cannot be launched", k->n_bufs + k->n_syms);
    int n = arguments(f, kernel, k, bufs, total, a);
    for (int i = 0; i < n; i++) at[i] = &a[i];
    if (blocks > k->max_blocks) blocks = k->max_blocks;
    check(gpu.d.launch(function_of(k), (unsigned)blocks, 1, 1, (unsigned)k->threads, 1, 1, 0,
                       gpu.stream, at, NULL),
          in_image(k->name));
    if (gpu.careful) cuda_wait(f);
}

const struct onnxcc_device onnxcc_cuda = {.open = cuda_open,
                                          .alloc = cuda_alloc,
                                          .free = cuda_free,
                                          .memory = cuda_memory,
                                          .launch = cuda_launch,
                                          .wait = cuda_wait};
