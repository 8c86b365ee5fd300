/* PNG, by libpng. Its errors do not return: they jump back into `read_rows`. Gamma is not looked
 * at. */
#include "image.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

typedef void Png;
typedef void Info;
struct png {
    const char *(*version)(const Png *);
    Png *(*create)(const char *version, void *user, void (*error)(Png *, const char *),
                   void (*warning)(Png *, const char *));
    void (*destroy)(Png **, Info **, Info **);
    Info *(*create_info)(Png *);
    void *(*user)(const Png *);
    void (*source)(Png *, FILE *);
    void (*read_info)(Png *, Info *);
    void (*expand)(Png *);
    void (*strip_16)(Png *);
    void (*gray_to_rgb)(Png *);
    void (*strip_alpha)(Png *);
    int (*interlace)(Png *);
    void (*update)(Png *, Info *);
    size_t (*row_bytes)(const Png *, const Info *);
    void (*read_image)(Png *, uint8_t **rows);
};

static const char library[] = "libpng16.so.16";

static bool open_library(struct png *p) {
    const struct image_function functions[] = {{"png_get_libpng_ver", &p->version},
                                               {"png_create_read_struct", &p->create},
                                               {"png_destroy_read_struct", &p->destroy},
                                               {"png_create_info_struct", &p->create_info},
                                               {"png_init_io", &p->source},
                                               {"png_read_info", &p->read_info},
                                               {"png_set_expand", &p->expand},
                                               {"png_set_strip_16", &p->strip_16},
                                               {"png_set_gray_to_rgb", &p->gray_to_rgb},
                                               {"png_set_strip_alpha", &p->strip_alpha},
                                               {"png_set_interlace_handling", &p->interlace},
                                               {"png_read_update_info", &p->update},
                                               {"png_get_rowbytes", &p->row_bytes},
                                               {"png_read_image", &p->read_image}};
    return IMAGE_LIBRARY(library, functions);
}

static bool is(const struct image_bytes *in) {
    return image_begins(in, 0, "\x89PNG\r\n\x1a\n", 8) && image_begins(in, 12, "IHDR", 4);
}

static int size(const struct image_bytes *in, int64_t *height, int64_t *width) {
    *width = image_u32(in, 16, true);
    *height = image_u32(in, 20, true);
    return ONNXCC_OK;
}

/* One image being read. */
struct reader {
    struct png p;
    Png *png;
    Info *info;
    FILE *file;
    uint8_t **rows;
    jmp_buf failed;
};

/* libpng hands over no more than its own handle: the function that knows ours is looked up. */
static void on_error(Png *png, const char *text) {
    void *(*user)(const Png *) = NULL;
    (void)text;
    if (!image_library(library, &(struct image_function){"png_get_error_ptr", &user}, 1)) abort();
    struct reader *r = user(png);
    longjmp(r->failed, 1);
}

static void on_warning(Png *png, const char *text) {
    (void)png, (void)text;
}

/* false: damaged. */
static bool read_rows(struct reader *r, int64_t height, int64_t width, uint8_t *rgb) {
    struct png *p = &r->p;
    if (setjmp(r->failed)) return false;
    p->source(r->png, r->file);
    p->read_info(r->png, r->info);
    p->expand(r->png);
    p->strip_16(r->png);
    p->gray_to_rgb(r->png);
    p->strip_alpha(r->png);
    p->interlace(r->png);
    p->update(r->png, r->info);
    if (p->row_bytes(r->png, r->info) != 3 * (size_t)width) return false;
    for (int64_t i = 0; i < height; i++) r->rows[i] = rgb + 3 * width * i;
    p->read_image(r->png, r->rows);
    return true;
}

static int pixels(const struct image_bytes *in, int64_t height, int64_t width, uint8_t *rgb) {
    struct reader r = {.png = NULL};
    int code = IMAGE_LACKS(ONNXCC_LACKS_MEMORY);
    if (!open_library(&r.p)) return IMAGE_LACKS(ONNXCC_LACKS_PNG);
    r.png = r.p.create(r.p.version(NULL), &r, on_error, on_warning);
    r.info = r.png ? r.p.create_info(r.png) : NULL;
    r.file = fmemopen((void *)(uintptr_t)in->at, in->n, "rb");
    r.rows = malloc(sizeof *r.rows * (size_t)height);
    if (r.info && r.file && r.rows)
        code = read_rows(&r, height, width, rgb) ? ONNXCC_OK : ONNXCC_FAULT_HERE;
    free(r.rows);
    if (r.file) fclose(r.file);
    if (r.png) r.p.destroy(&r.png, &r.info, NULL);
    return code;
}

const struct image_format image_png = {is, size, pixels};
