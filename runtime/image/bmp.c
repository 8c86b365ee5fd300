/* BMP: 1, 4, 8, 16, 24 and 32 bits, run-length encoded, from the bottom or from the top. */
#include "image.h"

enum { FILE_HEADER = 14, CORE = 12, PLAIN = 0, RUNS_8 = 1, RUNS_4 = 2, MASKS = 3, MASKS_ALPHA = 6 };

struct bmp {
    const struct image_bytes *in;
    uint32_t header, bits, packing, colors;
    int64_t width, height;
    bool from_top;
    size_t palette, data;
    uint32_t mask[3]; /* red, green, blue, of 16 and 32 bits */
};

static bool read_sizes(struct bmp *b) {
    const struct image_bytes *in = b->in;
    int64_t high;
    b->header = image_u32(in, FILE_HEADER, false);
    if (b->header == CORE) {
        b->width = image_u16(in, 18, false);
        high = image_u16(in, 20, false);
        b->bits = image_u16(in, 24, false);
    } else {
        b->width = (int32_t)image_u32(in, 18, false);
        high = (int32_t)image_u32(in, 22, false);
        b->bits = image_u16(in, 28, false);
        b->packing = image_u32(in, 30, false);
        b->colors = image_u32(in, 46, false);
    }
    b->from_top = high < 0;
    b->height = high < 0 ? -high : high;
    return (b->header == CORE || b->header >= 40) && b->header < 4096 && b->width > 0 &&
           b->height > 0;
}

static bool read_masks(struct bmp *b) {
    bool given = b->packing == MASKS || b->packing == MASKS_ALPHA;
    static const uint32_t usual[2][3] = {{0x7c00, 0x3e0, 0x1f}, {0xff0000, 0xff00, 0xff}};
    for (int k = 0; k < 3; k++) {
        b->mask[k] = given ? image_u32(b->in, 54 + 4 * (size_t)k, false) : usual[b->bits == 32][k];
        if (!b->mask[k]) return false;
    }
    return true;
}

static bool read_head(const struct image_bytes *in, struct bmp *b) {
    *b = (struct bmp){.in = in};
    if (!read_sizes(b)) return false;
    uint32_t bits = b->bits, packing = b->packing;
    bool indexed = bits == 1 || bits == 4 || bits == 8, masked = bits == 16 || bits == 32;
    bool runs = (packing == RUNS_8 && bits == 8) || (packing == RUNS_4 && bits == 4);
    bool masks = masked && (packing == MASKS || packing == MASKS_ALPHA);
    if (!(indexed || masked || bits == 24) || !(packing == PLAIN || runs || masks)) return false;
    if (indexed && (!b->colors || b->colors > 1u << bits)) b->colors = 1u << bits;
    b->palette = FILE_HEADER + b->header;
    b->data = image_u32(in, 10, false);
    return b->data <= in->n && (!masked || read_masks(b));
}

static bool is(const struct image_bytes *in) {
    return in->n > 54 && image_begins(in, 0, "BM", 2);
}

static int size(const struct image_bytes *in, int64_t *height, int64_t *width) {
    struct bmp b;
    if (!read_head(in, &b)) return ONNXCC_FAULT_HERE;
    *height = b.height;
    *width = b.width;
    return ONNXCC_OK;
}

/* Color `index` of the palette; black beyond it. */
static void put_color(const struct bmp *b, uint32_t index, uint8_t *rgb) {
    size_t bytes = b->header == CORE ? 3 : 4, at = b->palette + bytes * index;
    bool there = index < b->colors && at + 3 <= b->in->n;
    for (int k = 0; k < 3; k++) rgb[k] = there ? b->in->at[at + 2 - (size_t)k] : 0;
}

static uint8_t *pixel(const struct bmp *b, uint8_t *rgb, int64_t x, int64_t y) {
    return rgb + 3 * ((b->from_top ? y : b->height - 1 - y) * b->width + x);
}

/* The bits under a mask, stretched to 0..255. */
static uint8_t under(uint32_t mask, uint32_t v) {
    int low = 0;
    while (!(mask >> low & 1)) low++;
    return (uint8_t)((uint64_t)((v & mask) >> low) * 255 / (mask >> low));
}

static bool read_plain(const struct bmp *b, uint8_t *rgb) {
    size_t row = ((size_t)b->width * b->bits + 31) / 32 * 4;
    if ((b->in->n - b->data) / row < (size_t)b->height) return false;
    for (int64_t y = 0; y < b->height; y++)
        for (int64_t x = 0; x < b->width; x++) {
            size_t line = b->data + row * (size_t)y, bit = (size_t)x * b->bits;
            const uint8_t *at = b->in->at + line + bit / 8;
            uint8_t *to = pixel(b, rgb, x, y);
            if (b->bits <= 8) {
                put_color(b, *at >> (8 - b->bits - bit % 8) & ((1u << b->bits) - 1), to);
            } else if (b->bits == 24) {
                for (int k = 0; k < 3; k++) to[k] = at[2 - k];
            } else {
                uint32_t v = at[0] | (uint32_t)at[1] << 8;
                if (b->bits == 32) v |= (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
                for (int k = 0; k < 3; k++) to[k] = under(b->mask[k], v);
            }
        }
    return true;
}

/* ---- runs ---- */
struct runs {
    const struct bmp *b;
    uint8_t *rgb;
    size_t at;
    int64_t x, y;
};

/* What lies beyond the right edge or above the image is dropped. */
static void put_next(struct runs *r, uint32_t index) {
    if (r->x < r->b->width && r->y < r->b->height)
        put_color(r->b, index, pixel(r->b, r->rgb, r->x, r->y));
    r->x++;
}

/* Sample i of the bytes at `at`: bytes, or halves of them. */
static uint32_t sample(const struct runs *r, size_t at, uint32_t i) {
    if (r->b->packing == RUNS_8) return r->b->in->at[at + i];
    return r->b->in->at[at + i / 2] >> (i % 2 ? 0 : 4) & 15;
}

/* `n` samples as they stand; they fill whole pairs of bytes. */
static bool read_literal(struct runs *r, uint32_t n) {
    size_t bytes = r->b->packing == RUNS_8 ? n : (n + 1) / 2, whole = bytes + bytes % 2;
    if (r->b->in->n - r->at < bytes) return false;
    for (uint32_t i = 0; i < n; i++) put_next(r, sample(r, r->at, i));
    r->at += r->b->in->n - r->at < whole ? bytes : whole;
    return true;
}

static bool read_runs(const struct bmp *b, uint8_t *rgb) {
    struct runs r = {.b = b, .rgb = rgb, .at = b->data};
    for (int64_t i = 0; i < b->height * b->width; i++) put_color(b, 0, rgb + 3 * i);
    while (r.y < b->height) {
        if (b->in->n - r.at < 2) return false;
        uint32_t n = b->in->at[r.at], what = b->in->at[r.at + 1];
        r.at += 2;
        if (n) { /* one byte, or its two halves in turn */
            uint32_t pair[] = {sample(&r, r.at - 1, 0), sample(&r, r.at - 1, b->packing == RUNS_4)};
            for (uint32_t i = 0; i < n; i++) put_next(&r, pair[i % 2]);
        } else if (what == 0) {
            r.x = 0;
            r.y++;
        } else if (what == 1) {
            return true;
        } else if (what == 2) {
            if (b->in->n - r.at < 2) return false;
            r.x += b->in->at[r.at];
            r.y += b->in->at[r.at + 1];
            r.at += 2;
        } else if (!read_literal(&r, what)) {
            return false;
        }
    }
    return true;
}

static int pixels(const struct image_bytes *in, int64_t height, int64_t width, uint8_t *rgb) {
    struct bmp b;
    if (!read_head(in, &b) || b.height != height || b.width != width) return ONNXCC_FAULT_HERE;
    bool runs = b.packing == RUNS_8 || b.packing == RUNS_4;
    bool good = runs ? read_runs(&b, rgb) : read_plain(&b, rgb);
    return good ? ONNXCC_OK : ONNXCC_FAULT_HERE;
}

const struct image_format image_bmp = {is, size, pixels};
