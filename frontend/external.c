/* Tensor data outside the model file. The location must be a relative path without "..", and what
 * it leads to, symbolic links resolved, must be a regular file in the model's folder or in the
 * folder of the model file's own target (hubs store models as links into one folder of blobs). Each
 * file is mapped once; nothing is copied. */
#define _DEFAULT_SOURCE 1
#include "frontend/model.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static bool map_open(Ctx *ctx, const Loc *loc, int fd, const char *path, MappedFile *out) {
    struct stat st;
    if (fstat(fd, &st))
        return diag_error(ctx, loc, "cannot read %s: %s", shown(ctx, path), strerror(errno));
    if (!S_ISREG(st.st_mode))
        return diag_error(ctx, loc, "cannot read %s: not a regular file", shown(ctx, path));
    out->size = (size_t)st.st_size;
    if (!out->size) return true;
    void *data = mmap(NULL, out->size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED)
        return diag_error(ctx, loc, "cannot map %s: %s", shown(ctx, path), strerror(errno));
    out->data = data;
    return true;
}

bool map_file(Ctx *ctx, const Loc *loc, Arena *arena, const char *path, MappedFile *out) {
    *out = (MappedFile){.path = arena_str(arena, path)};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return diag_error(ctx, loc, "cannot open %s: %s", shown(ctx, path), strerror(errno));
    bool ok = map_open(ctx, loc, fd, path, out);
    close(fd);
    return ok;
}

static bool has_dot_dot(const char *path) {
    for (const char *s = path; *s;) {
        size_t n = strcspn(s, "/\\");
        if (n == 2 && s[0] == '.' && s[1] == '.') return true;
        s += n + (s[n] != 0);
    }
    return false;
}

/* The folder part of a path, "." where it has none. */
static char *folder_of(Arena *arena, const char *path) {
    const char *slash = strrchr(path, '/');
    if (!slash) return arena_str(arena, ".");
    return slash == path ? arena_str(arena, "/") : arena_strn(arena, path, (size_t)(slash - path));
}

static char *resolve(Arena *arena, const char *path) {
    char *real = realpath(path, NULL);
    char *kept = real ? arena_str(arena, real) : NULL;
    free(real);
    return kept;
}

static bool lies_in(const char *path, const char *folder) {
    size_t n = strlen(folder);
    if (n == 1) return true; /* "/" */
    return !strncmp(path, folder, n) && path[n] == '/';
}

/* The resolved path of a location, NULL after a diagnostic. */
static char *locate(Model *m, const Loc *loc, const char *name, const char *location) {
    Ctx *ctx = m->ctx;
    const char *where = shown(ctx, location), *why = NULL;
    if (!m->path) why = "the model has no folder";
    else if (!*location) why = "the location is empty";
    else if (*location == '/') why = "the path is absolute";
    else if (has_dot_dot(location)) why = "the path contains \"..\"";
    char *path = NULL;
    if (!why) {
        const char *folder = folder_of(m->arena, m->path);
        path = resolve(m->arena, arena_printf(m->arena, "%s/%s", folder, location));
        if (!path) {
            why = strerror(errno);
        } else {
            char *own = resolve(m->arena, folder), *target = resolve(m->arena, m->path);
            bool inside = (own && lies_in(path, own)) ||
                          (target && lies_in(path, folder_of(m->arena, target)));
            if (!inside) why = "it lies outside the model's folder";
        }
    }
    if (!why) return path;
    diag_error(ctx, loc, "external data %s of tensor %s refused: %s", where, shown(ctx, name), why);
    return NULL;
}

static MappedFile *map_once(Model *m, const Loc *loc, const char *path) {
    for (MappedFile *f = m->external; f; f = f->next)
        if (!strcmp(f->path, path)) return f;
    MappedFile *f = NEW(m->arena, MappedFile);
    if (!map_file(m->ctx, loc, m->arena, path, f)) return NULL;
    f->next = m->external;
    return m->external = f;
}

static bool parse_size(const char *s, uint64_t *out) {
    char *end;
    errno = 0;
    if (*s < '0' || *s > '9') return false;
    *out = strtoull(s, &end, 10);
    return !errno && !*end && *out <= INT64_MAX;
}

bool external_bytes(Model *m, const Loc *loc, const Onnx__TensorProto *t, const uint8_t **data,
                    size_t *size) {
    Ctx *ctx = m->ctx;
    const char *location = NULL, *name = shown(ctx, t->name);
    uint64_t offset = 0, length = UINT64_MAX;
    for (size_t i = 0; i < t->n_external_data; i++) {
        const char *key = t->external_data[i]->key, *value = t->external_data[i]->value;
        if (!key || !value) continue;
        bool ok = true;
        if (!strcmp(key, "location")) location = value;
        else if (!strcmp(key, "offset")) ok = parse_size(value, &offset);
        else if (!strcmp(key, "length")) ok = parse_size(value, &length);
        if (!ok)
            return diag_error(ctx, loc, "external data of tensor %s has %s %s, which is no size",
                              name, key, shown(ctx, value));
    }
    if (!location) return diag_error(ctx, loc, "external data of tensor %s has no location", name);
    char *path = locate(m, loc, t->name, location);
    MappedFile *f = path ? map_once(m, loc, path) : NULL;
    if (!f) return false;
    if (offset > f->size || (length != UINT64_MAX && length > f->size - offset))
        return diag_error(ctx, loc,
                          "external data of tensor %s lies beyond the end of %s"
                          " (offset %llu, %zu bytes in the file)",
                          name, shown(ctx, location), (unsigned long long)offset, f->size);
    *data = f->data + offset;
    *size = (size_t)MIN(length, f->size - offset);
    return true;
}
