/* Modules and launches: kernels of the emulation under the names of the GPU's. */
#define _GNU_SOURCE
#include "driver.h"

#include <dlfcn.h>
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int (*Count)(int buffers);
typedef struct Module {
    const void *context;
    const char *image;
    size_t bytes;
    void *at[64];
    int n;
} Module;
typedef struct Function {
    const void *context;
    Packed run;
    int n_args, n_buffers, n_maps;
    bool exact; /* code for one chip alone */
    int shared, most_shared; /* bytes that a launch must ask for, and those that it may */
    char name[300];
} Function;

/* Of a cubin: the tables of its sections and segments are the last things in it. */
static size_t image_bytes(const char *image) {
    Elf64_Ehdr h;
    if (memcmp(image, "\177ELF", 4)) return strlen(image);
    memcpy(&h, image, sizeof h);
    size_t sections = h.e_shoff + (size_t)h.e_shnum * h.e_shentsize;
    size_t segments = h.e_phoff + (size_t)h.e_phnum * h.e_phentsize;
    return sections > segments ? sections : segments;
}

static int load(Module *m) {
    char *list = strdup(getenv("FAKE_CUDA_KERNELS"));
    for (char *file = strtok(list, ":"); file && m->n < 64; file = strtok(NULL, ":")) {
        m->at[m->n] = dlopen(file, RTLD_NOW | RTLD_LOCAL);
        if (m->at[m->n++]) continue;
        fprintf(stderr, "fake driver: %s\n", dlerror());
        return NOT_FOUND;
    }
    free(list);
    return OK;
}

int cuModuleLoadData(void **module, const void *image) {
    ALONE;
    const char *refused = getenv("FAKE_CUDA_REFUSE"), *kind = "?";
    if (!current_context()) return NO_CONTEXT;
    if (!memcmp(image, "\177ELF", 4)) kind = "cubin";
    else if (strstr(image, ".target sm_")) kind = "ptx";
    if (*kind == '?') return INVALID;
    if (refused && (!strcmp(refused, kind) || !strcmp(refused, "all"))) return NO_BINARY;
    fprintf(stderr, "fake driver: loads %s\n", kind);
    Module *m = calloc(1, sizeof *m);
    m->context = current_context();
    m->image = image;
    m->bytes = image_bytes(image);
    *module = m;
    return load(m);
}
int cuModuleUnload(void *module) {
    free(module);
    return current_context() ? OK : NO_CONTEXT;
}
int cuModuleGetFunction(void **f, void *module, const char *name) {
    ALONE;
    char packed[512], args[512], shared[512];
    const Module *m = module;
    if (!memmem(m->image, m->bytes, name, strlen(name))) return NOT_FOUND;
    Function *made = calloc(1, sizeof *made);
    snprintf(packed, sizeof packed, "%s_packed", name);
    snprintf(args, sizeof args, "%s_args", name);
    snprintf(shared, sizeof shared, "%s_shared", name);
    snprintf(made->name, sizeof made->name, "%s", name);
    made->context = m->context;
    made->exact = !memcmp(m->image, "\177ELF", 4) && setting("FAKE_CUDA_CHIP", 80) == 90;
    for (int i = 0; i < m->n && !made->run; i++) {
        void *run = dlsym(m->at[i], packed), *count = dlsym(m->at[i], args),
             *bytes = dlsym(m->at[i], shared);
        Count c;
        int (*size)(void);
        if (!run || !count || !bytes) continue;
        memcpy(&made->run, &run, sizeof run);
        memcpy(&c, &count, sizeof count);
        made->n_args = c(0);
        made->n_buffers = c(1);
        made->n_maps = c(2);
        memcpy(&size, &bytes, sizeof bytes);
        made->shared = size();
        made->most_shared = 48 << 10;
    }
    *f = made; /* lives as long as the process */
    return made->run ? OK : NOT_FOUND;
}
int cuFuncSetAttribute(void *f, int attribute, int value) {
    if (!f || attribute != 8 || value > 227 << 10) return INVALID;
    ((Function *)f)->most_shared = value;
    return OK;
}

#if !defined(FAKE_CUDA_OLD)
int cuTensorMapEncodeTiled(void *map, int type, uint32_t dims, void *address,
                           const uint64_t *extents, const uint64_t *strides, const uint32_t *box,
                           const uint32_t *steps, int interleave, int swizzle, int promotion,
                           int fill) {
    EmuMap m = {EMU_MAP_MAGIC, (uintptr_t)address, dims, 0, 0, {0}, {0}, {0}};
    if (!setting("FAKE_CUDA_MAPS", 1)) return INVALID;
    if ((uintptr_t)map % 64 || (uintptr_t)address % 16 || dims < 1 || dims > 5 || interleave ||
        fill || promotion < 0 || promotion > 3 || swizzle < 1 || swizzle > 3)
        return INVALID;
    if (type != 0 && type != 6 && type != 7 && type != 9) return INVALID;
    m.bytes = type == 0 ? 1 : type == 7 ? 4 : 2;
    m.row = 16u << swizzle;
    for (uint32_t d = 0; d < dims; d++) {
        if (!extents[d] || extents[d] > 1ull << 32 || !box[d] || box[d] > 256 || steps[d] != 1)
            return INVALID;
        if (d && (strides[d - 1] % 16 || strides[d - 1] >= 1ull << 40)) return INVALID;
        m.extent[d] = extents[d], m.size[d] = (uint16_t)box[d];
        if (d) m.stride[d - 1] = strides[d - 1];
    }
    if (box[0] * m.bytes > m.row) return INVALID;
    memset(map, 0, MAP_BYTES);
    memcpy(map, &m, sizeof m);
    return OK;
}
#endif

/* Kernels for one chip copy by their maps. */
static bool take_maps(const Function *fn, void **args, Op *op) {
    op->n_maps = fn->n_maps;
    op->maps = aligned_alloc(64, MAP_BYTES * (size_t)(fn->n_maps + 1));
    for (int i = 0; i < fn->n_maps; i++) {
        memcpy((char *)op->maps + i * MAP_BYTES, args[fn->n_args + i], MAP_BYTES);
        if (!fn->exact || *(const uint64_t *)args[fn->n_args + i] == EMU_MAP_MAGIC) continue;
        fprintf(stderr, "fake driver: %s is launched without its tensor maps\n", fn->name);
        return false;
    }
    return true;
}

int cuLaunchKernel(void *f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
                   unsigned bz, unsigned shared, void *stream, void **args, void **extra) {
    ALONE;
    const Function *fn = f;
    if (!gx || gy != 1 || gz != 1 || by != 1 || bz != 1 || bx > 1024 || extra) return INVALID;
    if ((int)shared != fn->shared || (int)shared > fn->most_shared) {
        fprintf(stderr, "fake driver: %s is launched with %u bytes\n", fn->name, shared);
        return INVALID;
    }
    if (setting("FAKE_CUDA_LIMIT", 0)) return TOO_LARGE;
    if (fn->context != current_context()) return BAD_HANDLE;
    Op op = {.kind = KERNEL, .run = fn->run, .blocks = gx, .threads = bx, .n = fn->n_args};
    op.args = malloc(sizeof *op.args * (size_t)op.n);
    for (int i = 0; i < op.n; i++) {
        bool wide = (uintptr_t)args[i] % 8 == 0;
        op.args[i] = 0;
        memcpy(&op.args[i], args[i], wide ? 8 : 4);
        /* nothing has no address */
        if (i < fn->n_buffers && op.args[i] && !is_device_range(op.args[i], 0)) {
            fprintf(stderr, "fake driver: buffer %d of %s is not on the device\n", i, fn->name);
            return INVALID;
        }
    }
    return take_maps(fn, args, &op) ? queue_op(stream, op) : INVALID;
}
