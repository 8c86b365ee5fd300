/* Memory of the executable: arenas between guard pages, plain allocation, and what /proc says about
 * it. */
#include "host.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

struct host_memory host_memory_new(size_t bytes) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), inner = (bytes + page - 1) / page * page;
    struct host_memory m = {.bytes = bytes, .span = inner + 2 * page};
    m.base = mmap(NULL, m.span, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (m.base == MAP_FAILED || (inner && mprotect(m.base + page, inner, PROT_READ | PROT_WRITE)))
        host_refuse("out of memory: %zu bytes needed", bytes);
    m.at = m.base + page + inner - bytes;
    return m;
}

struct host_memory host_memory_reserve(void) {
    struct host_memory m = {.span = (size_t)1 << (sizeof(size_t) == 8 ? 40 : 30)};
    for (; m.span > (1 << 20); m.span /= 2) {
        m.base = mmap(NULL, m.span, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (m.base != MAP_FAILED) {
            m.at = m.base;
            m.bytes = m.span;
            return m;
        }
    }
    host_refuse("out of memory: no address space for the arena");
}

void host_memory_free(struct host_memory *m) {
    if (m->base) munmap(m->base, m->span);
    memset(m, 0, sizeof *m);
}

void *host_alloc(size_t bytes) {
    void *p = calloc(1, bytes ? bytes : 1);
    if (!p) host_refuse("out of memory: %zu bytes needed", bytes);
    return p;
}

char *host_join(const char *dir, const char *file) {
    size_t n = strlen(dir) + strlen(file) + 2;
    char *path = host_alloc(n);
    snprintf(path, n, "%s/%s", dir, file);
    return path;
}

/* VmHWM belongs to this program; getrusage also counts what the process was before exec. */
int64_t host_peak_rss(void) {
    char line[128];
    long kb = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "VmHWM: %ld", &kb) == 1) break;
    if (f) fclose(f);
    if (!kb) {
        struct rusage r;
        getrusage(RUSAGE_SELF, &r);
        kb = r.ru_maxrss;
    }
    return (int64_t)kb * 1024;
}

double host_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}
