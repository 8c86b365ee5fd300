/* A libcuda.so.1 without a GPU: what programs of --device=cuda ask of the driver, done on this
 * machine. Kernels come from a library made of the program's CUDA text and the emulation header.
 *
 * It is stricter than a GPU: memory of the device can only be touched by kernels and copies; what
 * is queued on a stream happens when somebody waits for the stream, and not before; kernels get
 * addresses of the device alone; every call needs a current context.
 *
 *   FAKE_CUDA_KERNELS=FILE.so   that library; several, separated by ':'
 *   FAKE_CUDA_CHIP=80           compute capability
 *   FAKE_CUDA_MEMORY=BYTES      more than that is out of memory
 *   FAKE_CUDA_DEVICES=1         how many there are
 *   FAKE_CUDA_VERSION=12080     of the driver
 *   FAKE_CUDA_FAULT=N           the N-th kernel ends with an illegal address
 *   FAKE_CUDA_LIMIT=1           every launch asks for more than the chip has
 *   FAKE_CUDA_REFUSE=cubin      module data that this driver does not take: cubin, ptx, all
 *   FAKE_CUDA_SAY=1             a line for every graph that is launched, and for what is left at
 *                               the end */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

typedef void (*Packed)(unsigned blocks, unsigned threads, void **args);
typedef int (*Count)(int buffers);
enum {
    OK,
    INVALID = 1,
    NO_MEMORY = 2,
    NO_DEVICE = 100,
    NO_CONTEXT = 201,
    NO_BINARY = 209,
    NOT_FOUND = 500,
    NOT_READY = 600,
    ILLEGAL_ADDRESS = 700,
    TOO_LARGE = 701,
    NO_CAPTURE = 900
};

static long setting(const char *name, long otherwise) {
    const char *text = getenv(name);
    return text ? atol(text) : otherwise;
}

/* ---- memory ---- */
typedef struct Block {
    char *at;
    size_t bytes;
    bool host; /* pinned, and mapped */
} Block;
static Block blocks[4096];
static int n_blocks;
static size_t used;

static const Block *block_of(const void *p, bool host) {
    for (int i = 0; i < n_blocks; i++)
        if (blocks[i].host == host && (const char *)p >= blocks[i].at &&
            (const char *)p <= blocks[i].at + blocks[i].bytes)
            return &blocks[i];
    return NULL;
}

static void open_memory(bool open) {
    for (int i = 0; i < n_blocks; i++)
        if (!blocks[i].host)
            mprotect(blocks[i].at, blocks[i].bytes, open ? PROT_READ | PROT_WRITE : PROT_NONE);
}

/* ---- what is queued ---- */
typedef enum Kind { KERNEL, COPY, STAMP } Kind;
typedef struct Op {
    Kind kind;
    Packed run;
    unsigned blocks, threads;
    int n;
    uint64_t *args;
    void *to, *from;
    size_t bytes;
    bool owned; /* from: a copy of pageable memory */
    double *stamp;
} Op;
typedef struct Queue {
    Op *at;
    int n, cap;
} Queue;
typedef struct Stream {
    Queue queue, *capture;
} Stream;
static Stream streams[64];
static int n_streams, error, launched;
static _Thread_local int depth; /* of current contexts */
static const int the_context;

static void push(Queue *q, Op op) {
    if (q->n == q->cap) q->at = realloc(q->at, sizeof(Op) * (size_t)(q->cap = 2 * q->cap + 16));
    q->at[q->n++] = op;
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static void run_kernel(const Op *op) {
    void *args[1024];
    for (int i = 0; i < op->n; i++) args[i] = &op->args[i];
    if (++launched == setting("FAKE_CUDA_FAULT", 0)) error = ILLEGAL_ADDRESS;
    if (!error) op->run(op->blocks, op->threads, args);
}

static int drain(Queue *q) {
    open_memory(true);
    for (int i = 0; i < q->n && !error; i++) {
        const Op *op = &q->at[i];
        if (op->kind == KERNEL) run_kernel(op);
        else if (op->kind == COPY) memcpy(op->to, op->from, op->bytes);
        else *op->stamp = now();
    }
    open_memory(false);
    q->n = 0;
    return error;
}

/* NULL: the legacy default stream */
static Stream *stream_of(void *stream) {
    return stream ? stream : &streams[0];
}

static int queue(void *stream, Op op) {
    Stream *s = stream_of(stream);
    if (!depth) return NO_CONTEXT;
    if (error) return error;
    push(s->capture ? s->capture : &s->queue, op);
    return OK;
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
static int retained;
int cuDevicePrimaryCtxRetain(void **context, int device) {
    (void)device;
    *context = (void *)(uintptr_t)&the_context;
    retained++;
    return OK;
}
int cuDevicePrimaryCtxRelease_v2(int device) {
    (void)device;
    if (--retained == 0 && setting("FAKE_CUDA_SAY", 0))
        fprintf(stderr, "fake driver: %d blocks are left\n", n_blocks);
    return OK;
}
int cuCtxPushCurrent_v2(void *context) {
    if (context != &the_context) return INVALID;
    depth++;
    return OK;
}
int cuCtxPopCurrent_v2(void **context) {
    *context = (void *)(uintptr_t)&the_context;
    return depth-- > 0 ? OK : NO_CONTEXT;
}
int cuCtxGetDevice(int *device) {
    *device = 0;
    return depth ? OK : NO_CONTEXT;
}
/* for callers that bring their own */
int cuCtxCreate_v2(void **context, unsigned flags, int device) {
    *context = (void *)(uintptr_t)&the_context;
    return flags || device ? INVALID : OK;
}

/* ---- modules ---- */
typedef struct Module {
    void *at[16];
    int n;
} Module;
int cuModuleLoadData(void **module, const void *image) {
    const char *refused = getenv("FAKE_CUDA_REFUSE"), *kind = "?";
    if (!depth) return NO_CONTEXT;
    if (!memcmp(image, "\177ELF", 4)) kind = "cubin";
    else if (strstr(image, ".target sm_")) kind = "ptx";
    if (*kind == '?') return INVALID;
    if (refused && (!strcmp(refused, kind) || !strcmp(refused, "all"))) return NO_BINARY;
    fprintf(stderr, "fake driver: loads %s\n", kind);
    Module *m = calloc(1, sizeof *m);
    char *list = strdup(getenv("FAKE_CUDA_KERNELS"));
    for (char *file = strtok(list, ":"); file && m->n < 16; file = strtok(NULL, ":")) {
        m->at[m->n] = dlopen(file, RTLD_NOW | RTLD_LOCAL);
        if (!m->at[m->n++]) {
            fprintf(stderr, "fake driver: %s\n", dlerror());
            return NOT_FOUND;
        }
    }
    free(list);
    *module = m;
    return OK;
}
int cuModuleUnload(void *module) {
    free(module);
    return depth ? OK : NO_CONTEXT;
}
typedef struct Function {
    Packed run;
    int n_args, n_buffers;
    char name[300];
} Function;
int cuModuleGetFunction(void **f, void *module, const char *name) {
    char packed[512], args[512];
    const Module *m = module;
    Function *made = calloc(1, sizeof *made);
    snprintf(packed, sizeof packed, "%s_packed", name);
    snprintf(args, sizeof args, "%s_args", name);
    snprintf(made->name, sizeof made->name, "%s", name);
    for (int i = 0; i < m->n && !made->run; i++) {
        void *run = dlsym(m->at[i], packed), *count = dlsym(m->at[i], args);
        Count c;
        if (!run || !count) continue;
        memcpy(&made->run, &run, sizeof run);
        memcpy(&c, &count, sizeof count);
        made->n_args = c(0);
        made->n_buffers = c(1);
    }
    *f = made; /* lives as long as the process */
    return made->run ? OK : NOT_FOUND;
}
int cuFuncSetAttribute(void *f, int attribute, int value) {
    return f && attribute == 8 && value <= 227 << 10 ? OK : INVALID;
}

/* ---- memory ---- */
static int add_block(void *at, size_t bytes, bool host) {
    if (at == MAP_FAILED || !at || n_blocks == sizeof blocks / sizeof blocks[0]) return NO_MEMORY;
    blocks[n_blocks++] = (Block){at, bytes, host};
    return OK;
}
static int drop_block(void *at, bool host) {
    for (int i = 0; i < n_blocks; i++) {
        if (blocks[i].at != at || blocks[i].host != host) continue;
        munmap(at, blocks[i].bytes);
        if (!host) used -= blocks[i].bytes;
        blocks[i] = blocks[--n_blocks];
        return OK;
    }
    return INVALID;
}
int cuMemAlloc_v2(uint64_t *at, size_t bytes) {
    size_t whole = (bytes + 4095) / 4096 * 4096;
    if (!depth) return NO_CONTEXT;
    if (!bytes) return INVALID;
    if (used + bytes > (size_t)setting("FAKE_CUDA_MEMORY", 1 << 30)) return NO_MEMORY;
    void *p = mmap(NULL, whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *at = (uint64_t)(uintptr_t)p;
    used += whole;
    return add_block(p, whole, false);
}
int cuMemFree_v2(uint64_t at) {
    return depth ? drop_block((void *)(uintptr_t)at, false) : NO_CONTEXT;
}
int cuMemHostAlloc(void **at, size_t bytes, unsigned flags) {
    size_t whole = (bytes + 4095) / 4096 * 4096;
    if (!depth || flags > 3) return depth ? INVALID : NO_CONTEXT;
    *at = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return add_block(*at, whole, true);
}
int cuMemFreeHost(void *at) {
    return depth ? drop_block(at, true) : NO_CONTEXT;
}
int cuMemHostGetDevicePointer_v2(uint64_t *device, void *at, unsigned flags) {
    *device = (uint64_t)(uintptr_t)at;
    return flags || !block_of(at, true) ? INVALID : OK;
}
int cuMemGetInfo_v2(size_t *unused, size_t *total) {
    *total = (size_t)setting("FAKE_CUDA_MEMORY", 1 << 30);
    *unused = *total - used;
    return OK;
}

/* ---- copies ---- */
static bool is_device(uint64_t at, size_t bytes) {
    const Block *b = block_of((void *)(uintptr_t)at, false);
    return b && (char *)(uintptr_t)at + bytes <= b->at + b->bytes;
}
int cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t bytes, void *stream) {
    Op op = {
        .kind = COPY, .to = (void *)(uintptr_t)to, .from = (void *)(uintptr_t)from, .bytes = bytes};
    if (!is_device(to, bytes) || block_of(from, false)) return INVALID;
    if (!block_of(from, true)) { /* pageable memory is read at once */
        if (stream_of(stream)->capture) return NO_CAPTURE;
        op.from = memcpy(malloc(bytes + 1), from, bytes);
    }
    return queue(stream, op);
}
int cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t bytes, void *stream) {
    Op op = {.kind = COPY, .to = to, .from = (void *)(uintptr_t)from, .bytes = bytes};
    if (!is_device(from, bytes) || block_of(to, false)) return INVALID;
    if (stream_of(stream)->capture && !block_of(to, true)) return NO_CAPTURE;
    return queue(stream, op);
}
int cuMemcpyHtoD_v2(uint64_t to, const void *from, size_t bytes) {
    int code = cuMemcpyHtoDAsync_v2(to, from, bytes, NULL);
    return code ? code : drain(&streams[0].queue);
}
int cuMemcpyDtoH_v2(void *to, uint64_t from, size_t bytes) {
    int code = cuMemcpyDtoHAsync_v2(to, from, bytes, NULL);
    return code ? code : drain(&streams[0].queue);
}

/* ---- streams and events ---- */
int cuStreamCreate(void **stream, unsigned flags) {
    if (!depth || n_streams + 1 == sizeof streams / sizeof streams[0]) return NO_CONTEXT;
    *stream = &streams[++n_streams];
    return flags <= 1 ? OK : INVALID;
}
int cuStreamDestroy_v2(void *stream) {
    return drain(&stream_of(stream)->queue);
}
int cuStreamSynchronize(void *stream) {
    if (!depth || stream_of(stream)->capture) return depth ? NO_CAPTURE : NO_CONTEXT;
    return drain(&stream_of(stream)->queue);
}
int cuStreamQuery(void *stream) {
    return error ? error : stream_of(stream)->queue.n ? NOT_READY : OK;
}
int cuLaunchKernel(void *f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
                   unsigned bz, unsigned shared, void *stream, void **args, void **extra) {
    const Function *fn = f;
    if (!gx || gy != 1 || gz != 1 || by != 1 || bz != 1 || bx > 1024 || extra) return INVALID;
    if (shared > 227 << 10 || setting("FAKE_CUDA_LIMIT", 0)) return TOO_LARGE;
    Op op = {.kind = KERNEL, .run = fn->run, .blocks = gx, .threads = bx, .n = fn->n_args};
    op.args = malloc(sizeof *op.args * (size_t)op.n);
    for (int i = 0; i < op.n; i++) {
        bool wide = (uintptr_t)args[i] % 8 == 0;
        op.args[i] = 0;
        memcpy(&op.args[i], args[i], wide ? 8 : 4);
        if (i < fn->n_buffers && !block_of((void *)(uintptr_t)op.args[i], false)) {
            fprintf(stderr, "fake driver: buffer %d of %s is not on the device\n", i, fn->name);
            return INVALID;
        }
    }
    return queue(stream, op);
}
int cuEventCreate(void **event, unsigned flags) {
    *event = calloc(1, sizeof(double));
    return flags ? INVALID : OK;
}
int cuEventDestroy_v2(void *event) {
    free(event);
    return OK;
}
int cuEventRecord(void *event, void *stream) {
    return queue(stream, (Op){.kind = STAMP, .stamp = event});
}
int cuEventElapsedTime(float *ms, void *a, void *b) {
    *ms = (float)(*(double *)b - *(double *)a);
    return *(double *)a && *(double *)b ? OK : NOT_READY;
}

/* ---- graphs: lists of what was queued meanwhile ---- */
#if !defined(FAKE_CUDA_OLD)
int cuStreamBeginCapture_v2(void *stream, int mode) {
    if (!depth || mode > 2 || !stream || stream_of(stream)->capture) return INVALID;
    stream_of(stream)->capture = calloc(1, sizeof(Queue));
    return OK;
}
int cuStreamEndCapture(void *stream, void **graph) {
    *graph = stream_of(stream)->capture;
    stream_of(stream)->capture = NULL;
    return *graph ? OK : INVALID;
}
int cuStreamIsCapturing(void *stream, int *status) {
    *status = stream_of(stream)->capture != NULL;
    return OK;
}
int cuGraphInstantiateWithFlags(void **exec, void *graph, unsigned long long flags) {
    const Queue *from = graph;
    Queue *to = calloc(1, sizeof *to);
    for (int i = 0; i < from->n; i++) push(to, from->at[i]);
    *exec = to;
    return flags ? INVALID : OK;
}
int cuGraphLaunch(void *exec, void *stream) {
    const Queue *q = exec;
    if (setting("FAKE_CUDA_SAY", 0)) fprintf(stderr, "fake driver: a graph of %d\n", q->n);
    for (int i = 0; i < q->n; i++) {
        int code = queue(stream, q->at[i]);
        if (code) return code;
    }
    return OK;
}
int cuGraphDestroy(void *graph) {
    free(graph);
    return OK;
}
int cuGraphExecDestroy(void *exec) {
    free(exec);
    return OK;
}
#endif

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
