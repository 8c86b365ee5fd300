/* JPEG 2000, by OpenJPEG: files (JP2) and bare code streams. */
#include "image.h"

#include <stdlib.h>
#include <string.h>

/* As openjpeg.h of version 2 lays them out. */
struct component {
    uint32_t dx, dy, width, height, x0, y0, precision, bits, is_signed, resolutions, factor;
    int32_t *data;
    uint16_t alpha;
};
struct picture {
    uint32_t x0, y0, x1, y1, n_components;
    int color_space;
    struct component *components;
};
enum { STREAM = 0, JP2 = 2, LUMA_CHROMA = 3, PARAMETERS = 1 << 15, ALL = -1 };

typedef void Codec;
typedef void Stream;
struct openjpeg {
    Codec *(*create)(int format);
    void (*destroy)(Codec *);
    void (*defaults)(void *parameters); /* 8 KB; room of PARAMETERS is there */
    int (*setup)(Codec *, void *parameters);
    Stream *(*stream)(int is_input);
    void (*stream_destroy)(Stream *);
    void (*on_read)(Stream *, size_t (*)(void *to, size_t, void *user));
    void (*on_skip)(Stream *, int64_t (*)(int64_t, void *user));
    void (*on_seek)(Stream *, int (*)(int64_t, void *user));
    void (*user)(Stream *, void *, void (*destroy)(void *));
    void (*length)(Stream *, uint64_t);
    int (*header)(Stream *, Codec *, struct picture **);
    int (*decode)(Codec *, Stream *, struct picture *);
    void (*picture_destroy)(struct picture *);
};

static bool open_library(struct openjpeg *o) {
    const struct image_function functions[] = {{"opj_create_decompress", &o->create},
                                               {"opj_destroy_codec", &o->destroy},
                                               {"opj_set_default_decoder_parameters", &o->defaults},
                                               {"opj_setup_decoder", &o->setup},
                                               {"opj_stream_default_create", &o->stream},
                                               {"opj_stream_destroy", &o->stream_destroy},
                                               {"opj_stream_set_read_function", &o->on_read},
                                               {"opj_stream_set_skip_function", &o->on_skip},
                                               {"opj_stream_set_seek_function", &o->on_seek},
                                               {"opj_stream_set_user_data", &o->user},
                                               {"opj_stream_set_user_data_length", &o->length},
                                               {"opj_read_header", &o->header},
                                               {"opj_decode", &o->decode},
                                               {"opj_image_destroy", &o->picture_destroy}};
    return IMAGE_LIBRARY("libopenjp2.so.7", functions);
}

/* ---- a file in memory ---- */
struct cursor {
    struct image_bytes in;
    size_t at;
};

static size_t read_file(void *to, size_t n, void *user) {
    struct cursor *c = user;
    size_t left = c->in.n - c->at;
    if (!left) return (size_t)ALL; /* the end */
    if (n > left) n = left;
    memcpy(to, c->in.at + c->at, n);
    c->at += n;
    return n;
}

static int64_t skip_file(int64_t n, void *user) {
    struct cursor *c = user;
    int64_t to = (int64_t)c->at + n;
    if (to < 0 || to > (int64_t)c->in.n) return ALL;
    c->at = (size_t)to;
    return n;
}

static int seek_file(int64_t to, void *user) {
    struct cursor *c = user;
    if (to < 0 || to > (int64_t)c->in.n) return 0;
    c->at = (size_t)to;
    return 1;
}

/* ---- one image ---- */
struct reader {
    struct openjpeg o;
    struct cursor cursor;
    Codec *codec;
    Stream *stream;
    struct picture *picture;
};

static void close_reader(struct reader *r) {
    if (r->picture) r->o.picture_destroy(r->picture);
    if (r->stream) r->o.stream_destroy(r->stream);
    if (r->codec) r->o.destroy(r->codec);
}

static bool read_header(struct reader *r) {
    void *parameters = calloc(1, PARAMETERS);
    bool bare = image_begins(&r->cursor.in, 0, "\xff\x4f", 2);
    if (parameters) r->o.defaults(parameters);
    r->codec = r->o.create(bare ? STREAM : JP2);
    r->stream = r->o.stream(1);
    bool good = parameters && r->codec && r->stream && r->o.setup(r->codec, parameters);
    free(parameters);
    if (!good) return false;
    r->o.on_read(r->stream, read_file);
    r->o.on_skip(r->stream, skip_file);
    r->o.on_seek(r->stream, seek_file);
    r->o.user(r->stream, &r->cursor, NULL);
    r->o.length(r->stream, r->cursor.in.n);
    if (!r->o.header(r->stream, r->codec, &r->picture) || !r->picture) return false;
    const struct picture *p = r->picture;
    return p->n_components && p->x1 > p->x0 && p->y1 > p->y0;
}

static bool is(const struct image_bytes *in) {
    return image_begins(in, 0, "\0\0\0\x0cjP  ", 8) || image_begins(in, 0, "\xff\x4f\xff\x51", 4);
}

static int size(const struct image_bytes *in, int64_t *height, int64_t *width) {
    struct reader r = {.cursor = {*in, 0}};
    if (!open_library(&r.o)) return IMAGE_LACKS(ONNXCC_LACKS_OPENJPEG);
    bool good = read_header(&r);
    if (good) {
        *height = (int64_t)r.picture->y1 - r.picture->y0;
        *width = (int64_t)r.picture->x1 - r.picture->x0;
    }
    close_reader(&r);
    return good ? ONNXCC_OK : ONNXCC_FAULT_HERE;
}

/* A sample of a component that may be coarser than the image, as 8 bits. */
static int sample(const struct picture *p, int k, int64_t y, int64_t x) {
    const struct component *c = &p->components[k];
    int64_t row = y / c->dy, column = x / c->dx;
    if (row >= c->height) row = c->height - 1;
    if (column >= c->width) column = c->width - 1;
    int64_t v = c->data[row * c->width + column];
    if (c->is_signed) v += (int64_t)1 << (c->precision - 1);
    if (c->precision > 8) v >>= c->precision - 8;
    else if (c->precision < 8) v = v * 255 / (((int64_t)1 << c->precision) - 1);
    return (int)(v < 0 ? 0 : v > 255 ? 255 : v);
}

static uint8_t clamp(double v) {
    return (uint8_t)(v <= 0 ? 0 : v >= 255 ? 255 : v + 0.5);
}

static void put_pixel(const struct picture *p, int64_t y, int64_t x, uint8_t *rgb) {
    int v[3];
    for (int k = 0; k < 3; k++) v[k] = sample(p, p->n_components < 3 ? 0 : k, y, x);
    bool luma = p->n_components >= 3 && p->color_space == LUMA_CHROMA;
    double blue = v[1] - 128, red = v[2] - 128;
    rgb[0] = luma ? clamp(v[0] + 1.402 * red) : (uint8_t)v[0];
    rgb[1] = luma ? clamp(v[0] - 0.344136 * blue - 0.714136 * red) : (uint8_t)v[1];
    rgb[2] = luma ? clamp(v[0] + 1.772 * blue) : (uint8_t)v[2];
}

static bool is_sound(const struct picture *p, int64_t height, int64_t width) {
    if ((int64_t)p->y1 - p->y0 != height || (int64_t)p->x1 - p->x0 != width) return false;
    for (uint32_t k = 0; k < p->n_components && k < 3; k++) {
        const struct component *c = &p->components[k];
        if (!c->data || !c->dx || !c->dy || !c->width || !c->height) return false;
        if (c->precision < 1 || c->precision > 32) return false;
    }
    return true;
}

static int pixels(const struct image_bytes *in, int64_t height, int64_t width, uint8_t *rgb) {
    struct reader r = {.cursor = {*in, 0}};
    if (!open_library(&r.o)) return IMAGE_LACKS(ONNXCC_LACKS_OPENJPEG);
    bool good = read_header(&r) && r.o.decode(r.codec, r.stream, r.picture) &&
                is_sound(r.picture, height, width);
    for (int64_t y = 0; good && y < height; y++)
        for (int64_t x = 0; x < width; x++) put_pixel(r.picture, y, x, rgb + 3 * (y * width + x));
    close_reader(&r);
    return good ? ONNXCC_OK : ONNXCC_FAULT_HERE;
}

const struct image_format image_jpeg2000 = {is, size, pixels};
