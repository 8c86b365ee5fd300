/* Tensors in files, by the name's ending. */
#include "host.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

char *host_read_file(const char *path, size_t *bytes) {
    struct stat st;
    FILE *f = fopen(path, "rb");
    if (!f || fstat(fileno(f), &st)) host_refuse("%s: %s", host_quote(path), strerror(errno));
    if (S_ISDIR(st.st_mode)) host_refuse("%s: is a folder", host_quote(path));
    size_t cap = S_ISREG(st.st_mode) ? (size_t)st.st_size + 1 : 1 << 16, n = 0;
    char *data = host_alloc(cap);
    for (size_t got; (got = fread(data + n, 1, cap - n, f)) > 0;) {
        n += got;
        if (n == cap && !(data = realloc(data, cap *= 2)))
            host_refuse("out of memory: %zu bytes needed", cap);
    }
    if (ferror(f)) host_refuse("%s: %s", host_quote(path), strerror(errno));
    fclose(f);
    *bytes = n;
    return data;
}

static bool ends_in(const char *path, const char *end) {
    size_t n = strlen(path), k = strlen(end);
    return n >= k && !strcmp(path + n - k, end);
}

struct host_tensor host_read_tensor(const char *path, int dtype) {
    size_t size;
    bool npy = ends_in(path, ".npy"), pb = ends_in(path, ".pb");
    if (!pb && dtype == ONNXCC_SEQUENCE)
        host_refuse("%s: sequences and optionals are read from .pb files only", host_quote(path));
    if (!npy && !pb && !ends_in(path, ".bin"))
        host_refuse("%s: the name must end in .npy, .pb or .bin", host_quote(path));
    char *file = host_read_file(path, &size);
    if (!npy && !pb)
        return (struct host_tensor){
            .dtype = dtype, .rank = -1, .bytes = (int64_t)size, .data = file};
    struct host_tensor t =
        npy ? npy_parse(path, file, size, dtype) : pb_parse(path, file, size, dtype);
    free(file);
    return t;
}

static void free_items(struct onnxcc_sequence *s) {
    for (size_t i = 0; i < s->count; i++) {
        struct host_tensor t = host_item(&s->items[i]);
        host_tensor_free(&t);
        free((void *)(uintptr_t)s->items[i].shape);
    }
    free((void *)(uintptr_t)s->items);
}

void host_tensor_free(struct host_tensor *t) {
    struct onnxcc_string *s = t->data;
    if (t->dtype == ONNXCC_SEQUENCE) free_items(t->data);
    for (int64_t i = 0; t->dtype == 8 && t->rank >= 0 && i < host_elements(t); i++)
        free((void *)(uintptr_t)s[i].data);
    free(t->data);
    free((void *)(uintptr_t)t->name);
    memset(t, 0, sizeof *t);
}

void host_write_tensor(const char *path, const struct host_tensor *t) {
    bool npy = ends_in(path, ".npy"), pb = ends_in(path, ".pb");
    if (!npy && !pb && !ends_in(path, ".bin"))
        host_refuse("%s: the name must end in .npy, .pb or .bin", host_quote(path));
    if ((t->dtype == 8 || t->dtype == ONNXCC_SEQUENCE) && !pb)
        host_refuse("%s: strings and sequences can be written to .pb files only", host_quote(path));
    FILE *f = fopen(path, "wb");
    if (!f) host_refuse("%s: %s", host_quote(path), strerror(errno));
    if (npy) npy_write(f, t);
    else if (pb) pb_write(f, t);
    else fwrite(t->data, 1, (size_t)t->bytes, f);
    bool bad = ferror(f);
    if (fclose(f) || bad)
        host_refuse("%s: cannot be written: %s", host_quote(path), strerror(errno));
}
