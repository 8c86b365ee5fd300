/* WebP, by libwebp. Animations are refused. */
#include "image.h"

struct webp {
    int (*info)(const uint8_t *, size_t, int *width, int *height);
    uint8_t *(*decode)(const uint8_t *, size_t, uint8_t *to, size_t room, int stride);
};

static bool open_library(struct webp *w) {
    const struct image_function functions[] = {{"WebPGetInfo", &w->info},
                                               {"WebPDecodeRGBInto", &w->decode}};
    return IMAGE_LIBRARY("libwebp.so.7", functions);
}

static bool is(const struct image_bytes *in) {
    return image_begins(in, 0, "RIFF", 4) && image_begins(in, 8, "WEBP", 4);
}

static int size(const struct image_bytes *in, int64_t *height, int64_t *width) {
    struct webp w;
    int wide = 0, high = 0;
    if (!open_library(&w)) return IMAGE_LACKS(ONNXCC_LACKS_WEBP);
    bool good = w.info(in->at, in->n, &wide, &high);
    *height = high;
    *width = wide;
    return good ? ONNXCC_OK : ONNXCC_FAULT_HERE;
}

static int pixels(const struct image_bytes *in, int64_t height, int64_t width, uint8_t *rgb) {
    struct webp w;
    int64_t found[2];
    if (!open_library(&w)) return IMAGE_LACKS(ONNXCC_LACKS_WEBP);
    int code = size(in, &found[0], &found[1]);
    if (code) return code;
    bool same = found[0] == height && found[1] == width;
    bool good =
        same && w.decode(in->at, in->n, rgb, (size_t)(3 * height * width), (int)(3 * width));
    return good ? ONNXCC_OK : ONNXCC_FAULT_HERE;
}

const struct image_format image_webp = {is, size, pixels};
