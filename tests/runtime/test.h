/* What the runtime's tests share: counting, running a command, writing small files. */
#ifndef TESTS_RUNTIME_TEST_H
#define TESTS_RUNTIME_TEST_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int failures;
#define EXPECT(cond)                                                                               \
    ((cond) ? (void)0                                                                              \
            : (void)(failures++, fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond)))

static char test_dir[64];

static inline void enter_test_dir(void) {
    strcpy(test_dir, "/tmp/onnxcc-test-XXXXXX");
    if (!mkdtemp(test_dir) || chdir(test_dir)) {
        perror(test_dir);
        exit(1);
    }
}

/* Removes the folder and says how it went: main's result. */
static inline int leave_test_dir(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", test_dir);
    if (chdir("/") || system(command)) failures++;
    if (failures) fprintf(stderr, "%d failed\n", failures);
    return failures != 0;
}

/* Runs a shell command; its output, both streams, is in `output` afterwards. */
static char output[1 << 16];
static inline int run_command(const char *command) {
    FILE *p = popen(command, "r");
    size_t n = p ? fread(output, 1, sizeof output - 1, p) : 0;
    output[n] = 0;
    int status = p ? pclose(p) : -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static inline void write_bytes(const char *path, const void *data, size_t n) {
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(data, 1, n, f) != n || fclose(f)) {
        perror(path);
        exit(1);
    }
}

/* A .npy file; `version` 1..3, `header` the dictionary's text. */
static inline void write_npy(const char *path, int version, const char *header, const void *data,
                             size_t bytes) {
    char file[4096] = "\x93NUMPY";
    size_t start = version == 1 ? 10 : 12, n = strlen(header);
    file[6] = (char)version;
    file[8] = (char)(n & 255);
    file[9] = (char)(n >> 8);
    memcpy(file + start, header, n);
    memcpy(file + start + n, data, bytes);
    write_bytes(path, file, start + n + bytes);
}

/* A TensorProto file with raw data (field 9). */
static inline void write_pb(const char *path, int dtype, int rank, const int64_t *dims,
                            const void *data, size_t bytes) {
    unsigned char file[4096];
    size_t n = 0;
    for (int i = 0; i < rank; i++) {
        file[n++] = 1 << 3;
        file[n++] = (unsigned char)dims[i]; /* below 128 */
    }
    file[n++] = 2 << 3;
    file[n++] = (unsigned char)dtype;
    file[n++] = 9 << 3 | 2;
    file[n++] = (unsigned char)(bytes & 127) | 128;
    file[n++] = (unsigned char)(bytes >> 7);
    memcpy(file + n, data, bytes);
    write_bytes(path, file, n + bytes);
}

#endif
