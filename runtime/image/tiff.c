/* TIFF, by libtiff, which turns every kind into red, green, blue and alpha. Colors of pixels that
 * are transparent come multiplied with their opacity. Of several pages the first. */
#include "image.h"

#include <stdlib.h>
#include <string.h>

enum { IMAGE_WIDTH = 256, IMAGE_LENGTH = 257, TOP_LEFT = 1 };

typedef void Tiff;
typedef void Options;
typedef int Handler(Tiff *, void *user, const char *module, const char *format, void *list);
struct tiff {
    Options *(*options)(void);
    void (*free_options)(Options *);
    void (*on_error)(Options *, Handler *, void *user);
    void (*on_warning)(Options *, Handler *, void *user);
    Tiff *(*open)(const char *name, const char *mode, void *user,
                  intptr_t (*read)(void *, void *, intptr_t),
                  intptr_t (*write)(void *, void *, intptr_t),
                  uint64_t (*seek)(void *, uint64_t, int), int (*close)(void *),
                  uint64_t (*size)(void *), int (*map)(void *, void **, uint64_t *),
                  void (*unmap)(void *, void *, uint64_t), Options *);
    int (*field)(Tiff *, uint32_t tag, ...);
    int (*read)(Tiff *, uint32_t width, uint32_t height, uint32_t *raster, int orientation,
                int stop);
    void (*close)(Tiff *);
};

static bool open_library(struct tiff *t) {
    const struct image_function functions[] = {
        {"TIFFOpenOptionsAlloc", &t->options},
        {"TIFFOpenOptionsFree", &t->free_options},
        {"TIFFOpenOptionsSetErrorHandlerExtR", &t->on_error},
        {"TIFFOpenOptionsSetWarningHandlerExtR", &t->on_warning},
        {"TIFFClientOpenExt", &t->open},
        {"TIFFGetField", &t->field},
        {"TIFFReadRGBAImageOriented", &t->read},
        {"TIFFClose", &t->close}};
    return IMAGE_LIBRARY("libtiff.so.6", functions);
}

/* ---- a file in memory ---- */
struct cursor {
    struct image_bytes in;
    uint64_t at;
};

static intptr_t read_file(void *user, void *to, intptr_t n) {
    struct cursor *c = user;
    uint64_t left = c->at < c->in.n ? c->in.n - c->at : 0;
    if (n < 0) return 0;
    if ((uint64_t)n > left) n = (intptr_t)left;
    if (n) memcpy(to, c->in.at + c->at, (size_t)n);
    c->at += (uint64_t)n;
    return n;
}

static intptr_t write_file(void *user, void *from, intptr_t n) {
    (void)user, (void)from, (void)n;
    return 0;
}

static uint64_t seek_file(void *user, uint64_t to, int from) {
    struct cursor *c = user;
    c->at = to + (from == 1 ? c->at : from == 2 ? c->in.n : 0);
    return c->at;
}

static int close_file(void *user) {
    (void)user;
    return 0;
}

static uint64_t file_size(void *user) {
    return ((struct cursor *)user)->in.n;
}

static int silent(Tiff *file, void *user, const char *module, const char *format, void *list) {
    (void)file, (void)user, (void)module, (void)format, (void)list;
    return 1;
}

static Tiff *open_file(const struct tiff *t, struct cursor *c) {
    Options *o = t->options();
    if (!o) return NULL;
    t->on_error(o, silent, NULL);
    t->on_warning(o, silent, NULL);
    Tiff *file = t->open("image", "rm", c, read_file, write_file, seek_file, close_file, file_size,
                         NULL, NULL, o);
    t->free_options(o);
    return file;
}

static bool is(const struct image_bytes *in) {
    static const char kinds[][5] = {"II*\0", "MM\0*", "II+\0", "MM\0+"};
    for (int i = 0; i < 4; i++)
        if (image_begins(in, 0, kinds[i], 4)) return true;
    return false;
}

static bool size_of(const struct tiff *t, Tiff *file, uint32_t *width, uint32_t *height) {
    return t->field(file, IMAGE_WIDTH, width) && t->field(file, IMAGE_LENGTH, height);
}

static int size(const struct image_bytes *in, int64_t *height, int64_t *width) {
    struct tiff t;
    struct cursor c = {*in, 0};
    uint32_t w = 0, h = 0;
    if (!open_library(&t)) return IMAGE_LACKS(ONNXCC_LACKS_TIFF);
    Tiff *file = open_file(&t, &c);
    bool good = file && size_of(&t, file, &w, &h);
    if (file) t.close(file);
    *width = w;
    *height = h;
    return good ? ONNXCC_OK : ONNXCC_FAULT_HERE;
}

static int pixels(const struct image_bytes *in, int64_t height, int64_t width, uint8_t *rgb) {
    struct tiff t;
    struct cursor c = {*in, 0};
    uint32_t w, h;
    if (!open_library(&t)) return IMAGE_LACKS(ONNXCC_LACKS_TIFF);
    uint32_t *raster = malloc(4 * (size_t)(height * width));
    if (!raster) return IMAGE_LACKS(ONNXCC_LACKS_MEMORY);
    Tiff *file = open_file(&t, &c);
    bool good = file && size_of(&t, file, &w, &h) && w == width && h == height &&
                t.read(file, w, h, raster, TOP_LEFT, 1);
    if (file) t.close(file);
    for (int64_t i = 0; good && i < height * width; i++)
        for (int k = 0; k < 3; k++) rgb[3 * i + k] = (uint8_t)(raster[i] >> 8 * k);
    free(raster);
    return good ? ONNXCC_OK : ONNXCC_FAULT_HERE;
}

const struct image_format image_tiff = {is, size, pixels};
