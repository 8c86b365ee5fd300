/* Decoding images (operator ImageDecoder): what the formats share.
 *
 * This part of the runtime goes only into programs that have the operator. BMP and PNM are read
 * here; for the other formats the usual library is loaded when an image of that format arrives, so
 * that no program depends on a library that its images do not need. Formats are told apart by their
 * first bytes. Nothing here has state. */
#ifndef ONNXCC_RUNTIME_IMAGE_H
#define ONNXCC_RUNTIME_IMAGE_H

#include "../abi.h"

#include <stdbool.h>

struct image_bytes {
    const uint8_t *at;
    size_t n;
};
/* Both functions return 0 or an error code; damaged data is ONNXCC_FAULT_HERE. `pixels` writes
 * height * width * 3 bytes: rows from the top, red, green and blue of each pixel; transparency is
 * left out, and samples of more than 8 bits keep their upper 8. */
struct image_format {
    bool (*is)(const struct image_bytes *);
    int (*size)(const struct image_bytes *, int64_t *height, int64_t *width);
    int (*pixels)(const struct image_bytes *, int64_t height, int64_t width, uint8_t *rgb);
};
extern const struct image_format image_bmp, image_jpeg, image_jpeg2000, image_png, image_pnm,
    image_tiff, image_webp;

bool image_begins(const struct image_bytes *, size_t at, const char *text, size_t n);
/* The code of an image that cannot be decoded because `lack` is missing. */
#define IMAGE_LACKS(lack) ONNXCC_CODE(ONNXCC_E_FAULT, ONNXCC_INDEX(ONNXCC_FAULT_HERE), lack)

/* ---- library.c ---- */
struct image_function {
    const char *name;
    void *at; /* address of a pointer to a function */
};
/* Loads a library, which then stays loaded, and finds functions in it; false: it is not there, or
 * lacks one of them. */
bool image_library(const char *file, const struct image_function *, int n);
#define IMAGE_LIBRARY(file, table)                                                                 \
    image_library(file, table, (int)(sizeof(table) / sizeof((table)[0])))

/* ---- little and big endian numbers; 0 beyond the end ---- */
uint32_t image_u16(const struct image_bytes *, size_t at, bool big);
uint32_t image_u32(const struct image_bytes *, size_t at, bool big);

#endif
