/* The two calls of ImageDecoder: sizes first, then pixels. */
#include "image.h"

#include <stdlib.h>

static const struct image_format *const formats[] = {
    &image_bmp, &image_jpeg, &image_jpeg2000, &image_png, &image_pnm, &image_tiff, &image_webp,
};

static const struct image_format *format_of(const struct image_bytes *in) {
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
        if (formats[i]->is(in)) return formats[i];
    return NULL;
}

/* bufs: the encoded bytes, int64 size[2]: height and width. args: number of bytes. */
int onnxcc_call_image_size(struct onnxcc_frame *f, void *const *bufs, const int64_t *args) {
    struct image_bytes in = {bufs[0], (size_t)args[0]};
    const struct image_format *format = format_of(&in);
    int64_t *size = bufs[1];
    (void)f;
    int code = format ? format->size(&in, &size[0], &size[1]) : ONNXCC_FAULT_HERE;
    if (!code && (size[0] < 1 || size[1] < 1)) code = ONNXCC_FAULT_HERE;
    return code;
}

static void swap_ends(uint8_t *rgb, int64_t pixels) {
    for (uint8_t *end = rgb + 3 * pixels; rgb < end; rgb += 3) {
        uint8_t red = rgb[0];
        rgb[0] = rgb[2];
        rgb[2] = red;
    }
}

/* Luma of ITU-R 601, in 16-bit fixed point, rounded. */
static void to_gray(const uint8_t *rgb, int64_t pixels, uint8_t *gray) {
    for (int64_t i = 0; i < pixels; i++, rgb += 3)
        gray[i] = (uint8_t)((rgb[0] * 19595u + rgb[1] * 38470u + rgb[2] * 7471u + 0x8000u) >> 16);
}

/* bufs: the encoded bytes, y[height][width][3 or 1]. args: number of bytes, format (0: red, green,
 * blue; 1: blue, green, red; 2: gray), height, width. */
int onnxcc_call_image_pixels(struct onnxcc_frame *f, void *const *bufs, const int64_t *args) {
    struct image_bytes in = {bufs[0], (size_t)args[0]};
    const struct image_format *format = format_of(&in);
    int64_t height = args[2], width = args[3], pixels = height * width;
    uint8_t *y = bufs[1], *rgb = y;
    (void)f;
    if (!format) return ONNXCC_FAULT_HERE;
    if (args[1] == 2 && !(rgb = malloc(3 * (size_t)pixels)))
        return IMAGE_LACKS(ONNXCC_LACKS_MEMORY);
    int code = format->pixels(&in, height, width, rgb);
    if (!code && args[1] == 1) swap_ends(y, pixels);
    if (!code && args[1] == 2) to_gray(rgb, pixels, y);
    if (rgb != y) free(rgb);
    return code;
}
