/* What runtime/core asks of a hosted target: mapping weights files. */
#include "host.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const void *map(const char *path, const char *file, size_t *bytes) {
    char beside[4096];
    if (!path) {
        ssize_t n = readlink("/proc/self/exe", beside, sizeof beside - 1);
        while (n > 0 && beside[n - 1] != '/') n--;
        if (n <= 0 || (size_t)n + strlen(file) >= sizeof beside) return NULL;
        strcpy(beside + n, file);
        path = beside;
    }
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return NULL;
    void *at = fstat(fd, &st) || st.st_size <= 0
                   ? MAP_FAILED
                   : mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    *bytes = (size_t)st.st_size;
    return at == MAP_FAILED ? NULL : at;
}

static void unmap(const void *at, size_t bytes) {
    munmap((void *)(uintptr_t)at, bytes);
}

const struct onnxcc_host onnxcc_host = {map, unmap};
