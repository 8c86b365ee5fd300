/* Finds carried files by name, and the runtime by target. */
#include "codegen/embedded.h"

#include "ir/base.h"

const EmbeddedFile *embedded_find(const char *name) {
    for (const EmbeddedFile *f = embedded_files; f->name; f++)
        if (!strcmp(f->name, name)) return f;
    return NULL;
}

/* Do two triples name one architecture, and both Linux or both not? Parts are cut at '-'. */
static bool alike(const char *a, const char *b) {
    size_t na = strcspn(a, "-"), nb = strcspn(b, "-");
    if (na != nb || strncmp(a, b, na) != 0) return false;
    return !strstr(a, "linux") == !strstr(b, "linux");
}

const EmbeddedFile *embedded_runtime(const char *triple, const char *file) {
    for (int exact = 1; exact >= 0; exact--)
        for (const EmbeddedFile *f = embedded_files; f->name; f++) {
            const char *slash = strchr(f->name, '/');
            if (!slash || strcmp(slash + 1, file)) continue;
            size_t len = (size_t)(slash - f->name);
            bool same = strlen(triple) == len && !strncmp(f->name, triple, len);
            if (exact ? same : alike(f->name, triple)) return f;
        }
    return NULL;
}
