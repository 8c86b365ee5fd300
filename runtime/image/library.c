/* Libraries that are loaded when an image needs them, and numbers in files. */
#include "image.h"

#include <dlfcn.h>
#include <string.h>

bool image_library(const char *file, const struct image_function *f, int n) {
    void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (!library) return false;
    for (int i = 0; i < n; i++) {
        void *found = dlsym(library, f[i].name);
        if (!found) return false;
        memcpy(f[i].at, &found, sizeof found);
    }
    return true;
}

bool image_begins(const struct image_bytes *in, size_t at, const char *text, size_t n) {
    return in->n >= at + n && !memcmp(in->at + at, text, n);
}

static uint32_t number(const struct image_bytes *in, size_t at, int bytes, bool big) {
    uint32_t v = 0;
    if (at > in->n || in->n - at < (size_t)bytes) return 0;
    for (int i = 0; i < bytes; i++) v = v << 8 | in->at[at + (size_t)(big ? i : bytes - 1 - i)];
    return v;
}

uint32_t image_u16(const struct image_bytes *in, size_t at, bool big) {
    return number(in, at, 2, big);
}

uint32_t image_u32(const struct image_bytes *in, size_t at, bool big) {
    return number(in, at, 4, big);
}
