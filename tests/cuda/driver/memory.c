/* Memory of the device, pinned memory, copies. */
#define _GNU_SOURCE
#include "driver.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

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

bool is_host_block(const void *p) {
    return block_of(p, true);
}

bool is_device_range(uint64_t at, size_t bytes) {
    const char *p = (const char *)(uintptr_t)at;
    for (int i = 0; i < n_blocks; i++) /* the end of one may be the beginning of another */
        if (!blocks[i].host && p >= blocks[i].at && p + bytes <= blocks[i].at + blocks[i].bytes)
            return true;
    return false;
}

void open_memory(bool open) {
    for (int i = 0; i < n_blocks; i++)
        if (!blocks[i].host)
            mprotect(blocks[i].at, blocks[i].bytes, open ? PROT_READ | PROT_WRITE : PROT_NONE);
}

int count_blocks(void) {
    return n_blocks;
}

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
    ALONE;
    size_t whole = (bytes + 4095) / 4096 * 4096;
    if (!current_context()) return NO_CONTEXT;
    if (!bytes) return INVALID;
    if (used + bytes > (size_t)setting("FAKE_CUDA_MEMORY", 1 << 30)) return NO_MEMORY;
    void *p = mmap(NULL, whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *at = (uint64_t)(uintptr_t)p;
    used += whole;
    return add_block(p, whole, false);
}
int cuMemFree_v2(uint64_t at) {
    ALONE;
    return current_context() ? drop_block((void *)(uintptr_t)at, false) : NO_CONTEXT;
}
int cuMemHostAlloc(void **at, size_t bytes, unsigned flags) {
    ALONE;
    size_t whole = (bytes + 4095) / 4096 * 4096;
    if (!current_context() || flags > 3) return current_context() ? INVALID : NO_CONTEXT;
    *at = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return add_block(*at, whole, true);
}
int cuMemFreeHost(void *at) {
    ALONE;
    return current_context() ? drop_block(at, true) : NO_CONTEXT;
}
int cuMemHostGetDevicePointer_v2(uint64_t *device, void *at, unsigned flags) {
    ALONE;
    *device = (uint64_t)(uintptr_t)at;
    return flags || !block_of(at, true) ? INVALID : OK;
}
int cuPointerGetAttribute(void *v, int attribute, uint64_t at) {
    ALONE;
    void *p = (void *)(uintptr_t)at;
    enum { TYPE = 2, MANAGED = 8, HOST = 1, DEVICE = 2 };
    if (attribute == MANAGED) return *(unsigned *)v = 0, OK;
    if (attribute != TYPE || !(block_of(p, true) || block_of(p, false))) return INVALID;
    *(unsigned *)v = block_of(p, false) ? DEVICE : HOST;
    return OK;
}
int cuMemGetInfo_v2(size_t *unused, size_t *total) {
    ALONE;
    *total = (size_t)setting("FAKE_CUDA_MEMORY", 1 << 30);
    *unused = *total - used;
    return OK;
}

/* ---- copies ---- */
int cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t bytes, void *stream) {
    ALONE;
    Op op = {
        .kind = COPY, .to = (void *)(uintptr_t)to, .from = (void *)(uintptr_t)from, .bytes = bytes};
    if (!is_device_range(to, bytes) || block_of(from, false)) return INVALID;
    if (!block_of(from, true)) { /* pageable memory is read at once */
        if (stream_of(stream)->capture) return NO_CAPTURE;
        op.from = memcpy(malloc(bytes + 1), from, bytes);
    }
    return queue_op(stream, op);
}
int cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t bytes, void *stream) {
    ALONE;
    Op op = {.kind = COPY, .to = to, .from = (void *)(uintptr_t)from, .bytes = bytes};
    if (!is_device_range(from, bytes) || block_of(to, false)) return INVALID;
    if (stream_of(stream)->capture && !block_of(to, true)) return NO_CAPTURE;
    return queue_op(stream, op);
}
int cuMemcpyHtoD_v2(uint64_t to, const void *from, size_t bytes) {
    ALONE;
    int code = cuMemcpyHtoDAsync_v2(to, from, bytes, NULL);
    return code ? code : drain(&streams[0]);
}
int cuMemcpyDtoH_v2(void *to, uint64_t from, size_t bytes) {
    ALONE;
    int code = cuMemcpyDtoHAsync_v2(to, from, bytes, NULL);
    return code ? code : drain(&streams[0]);
}
