/* How many threads are right here: the process's affinity mask and its cgroup's limit; pinning. */
#include "host.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The whole of a small file as text; false where it cannot be read. */
static bool read_small(const char *path, char *buf, size_t cap) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, buf, cap - 1);
    if (fd >= 0) close(fd);
    buf[n > 0 ? n : 0] = 0;
    return n > 0;
}

/* CPUs that one cgroup folder grants, or 0: no limit. Version 2: "cpu.max" is "QUOTA PERIOD". */
static int quota_of(const char *dir) {
    char path[512], text[64], *end;
    if (snprintf(path, sizeof path, "%s/cpu.max", dir) >= (int)sizeof path ||
        !read_small(path, text, sizeof text))
        return 0;
    long quota = strtol(text, &end, 10), period = strtol(end, NULL, 10);
    return quota > 0 && period > 0 ? (int)((quota + period - 1) / period) : 0;
}

/* The tightest limit of this process's cgroup and those above it, or 0. */
static int cgroup_limit(void) {
    char text[512], dir[512];
    int best = 0;
    if (!read_small("/proc/self/cgroup", text, sizeof text)) return 0;
    char *at = strncmp(text, "0::", 3) ? strstr(text, "\n0::") : text;
    if (!at) return 0;
    at = strchr(at, '/');
    if (!at) return 0;
    at[strcspn(at, "\n")] = 0;
    for (;;) {
        if (snprintf(dir, sizeof dir, "/sys/fs/cgroup%s", at) < (int)sizeof dir) {
            int q = quota_of(dir);
            if (q && (!best || q < best)) best = q;
        }
        char *slash = strrchr(at, '/');
        if (!slash || !*at) return best;
        *slash = 0;
    }
}

int host_cpus(void) {
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) ? (int)sysconf(_SC_NPROCESSORS_ONLN)
                                                   : CPU_COUNT(&set);
    int limit = cgroup_limit();
    if (limit && limit < n) n = limit;
    return n < 1 ? 1 : n;
}

/* The mask at the first call is the process's: threads inherit the pin of the thread that made
 * them. */
void host_pin(int index) {
    static cpu_set_t all;
    static int n; /* first called by the main thread, before it makes others */
    cpu_set_t one;
    if (!n) {
        if (sched_getaffinity(0, sizeof all, &all)) return;
        n = CPU_COUNT(&all);
    }
    for (int cpu = 0, k = index % n; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &all) || k--) continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        sched_setaffinity(0, sizeof one, &one);
        return;
    }
}
