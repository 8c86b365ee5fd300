/* JPEG, by libjpeg-turbo's own interface (libturbojpeg), whose handles are opaque and whose errors
 * return. Chroma is interpolated, as the operator demands. */
#include "image.h"

#include <stdlib.h>

enum { PIXEL_RGB = 0, PIXEL_CMYK = 11, COLORS_CMYK = 3, COLORS_YCCK = 4 };

struct turbo {
    void *(*init)(void);
    int (*header)(void *, const unsigned char *, unsigned long, int *width, int *height,
                  int *sampling, int *colors);
    int (*decompress)(void *, const unsigned char *, unsigned long, unsigned char *to, int width,
                      int pitch, int height, int format, int flags);
    int (*destroy)(void *);
};

static bool open_library(struct turbo *t) {
    const struct image_function functions[] = {{"tjInitDecompress", &t->init},
                                               {"tjDecompressHeader3", &t->header},
                                               {"tjDecompress2", &t->decompress},
                                               {"tjDestroy", &t->destroy}};
    return IMAGE_LIBRARY("libturbojpeg.so.0", functions);
}

static bool is(const struct image_bytes *in) {
    return image_begins(in, 0, "\xff\xd8\xff", 3);
}

static int size(const struct image_bytes *in, int64_t *height, int64_t *width) {
    struct turbo t;
    int w = 0, h = 0, sampling, colors;
    if (!open_library(&t)) return IMAGE_LACKS(ONNXCC_LACKS_TURBOJPEG);
    void *handle = t.init();
    if (!handle) return IMAGE_LACKS(ONNXCC_LACKS_MEMORY);
    int failed = t.header(handle, in->at, in->n, &w, &h, &sampling, &colors);
    t.destroy(handle);
    *height = h;
    *width = w;
    return failed ? ONNXCC_FAULT_HERE : ONNXCC_OK;
}

/* Four inks, stored inverted as Adobe does. */
static void mix_inks(const uint8_t *cmyk, int64_t pixels, uint8_t *rgb) {
    for (int64_t i = 0; i < pixels; i++, cmyk += 4, rgb += 3)
        for (int k = 0; k < 3; k++) rgb[k] = (uint8_t)((cmyk[k] * cmyk[3] + 127) / 255);
}

static int pixels(const struct image_bytes *in, int64_t height, int64_t width, uint8_t *rgb) {
    struct turbo t;
    int w, h, sampling, colors;
    uint8_t *to = rgb, *inks = NULL;
    if (!open_library(&t)) return IMAGE_LACKS(ONNXCC_LACKS_TURBOJPEG);
    void *handle = t.init();
    if (!handle) return IMAGE_LACKS(ONNXCC_LACKS_MEMORY);
    int failed =
        t.header(handle, in->at, in->n, &w, &h, &sampling, &colors) || w != width || h != height;
    bool four = !failed && (colors == COLORS_CMYK || colors == COLORS_YCCK);
    if (four) to = inks = malloc(4 * (size_t)(height * width));
    if (!failed && to)
        failed = t.decompress(handle, in->at, in->n, to, w, 0, h, four ? PIXEL_CMYK : PIXEL_RGB, 0);
    if (four && inks && !failed) mix_inks(inks, height * width, rgb);
    t.destroy(handle);
    free(inks);
    return !to ? IMAGE_LACKS(ONNXCC_LACKS_MEMORY) : failed ? ONNXCC_FAULT_HERE : ONNXCC_OK;
}

const struct image_format image_jpeg = {is, size, pixels};
