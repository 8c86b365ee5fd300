/* PBM, PGM and PPM, as text and in binary: P1 to P6. */
#include "image.h"

/* What stands in front of the samples. */
struct head {
    int kind; /* 1 to 6 */
    uint32_t width, height, most;
    size_t at; /* of the first sample */
};

static bool is_blank(uint8_t c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_digit(uint8_t c) {
    return c >= '0' && c <= '9';
}

/* Behind blanks and comments. */
static size_t skip_blanks(const struct image_bytes *in, size_t i) {
    while (i < in->n && (is_blank(in->at[i]) || in->at[i] == '#'))
        if (in->at[i++] == '#')
            while (i < in->n && in->at[i] != '\n' && in->at[i] != '\r') i++;
    return i;
}

/* The next number, behind blanks and comments. */
static bool next_number(const struct image_bytes *in, size_t *at, uint32_t *out) {
    size_t i = skip_blanks(in, *at), first = i;
    uint32_t v = 0;
    for (; i < in->n && is_digit(in->at[i]); i++) {
        if (v > 100000000) return false;
        v = v * 10 + (in->at[i] - '0');
    }
    *at = i;
    *out = v;
    return i > first;
}

static bool read_head(const struct image_bytes *in, struct head *h) {
    *h = (struct head){.kind = in->at[1] - '0', .most = 1, .at = 2};
    if (!next_number(in, &h->at, &h->width) || !next_number(in, &h->at, &h->height)) return false;
    bool bits = h->kind == 1 || h->kind == 4;
    if (!bits && !next_number(in, &h->at, &h->most)) return false;
    if (h->most < 1 || h->most > 65535) return false;
    if (h->kind < 4) return true;
    return h->at < in->n && is_blank(in->at[h->at++]); /* exactly one */
}

static bool is(const struct image_bytes *in) {
    return in->n > 2 && in->at[0] == 'P' && in->at[1] >= '1' && in->at[1] <= '6' &&
           (is_blank(in->at[2]) || in->at[2] == '#');
}

static int size(const struct image_bytes *in, int64_t *height, int64_t *width) {
    struct head h;
    if (!read_head(in, &h)) return ONNXCC_FAULT_HERE;
    *height = h.height;
    *width = h.width;
    return ONNXCC_OK;
}

/* A bit of P1: no blanks need to stand between them. */
static bool next_bit(const struct image_bytes *in, size_t *at, uint32_t *out) {
    *at = skip_blanks(in, *at);
    if (*at >= in->n) return false;
    *out = in->at[(*at)++] - (uint32_t)'0';
    return *out <= 1;
}

static uint8_t scaled(const struct head *h, uint32_t v) {
    return (uint8_t)(h->most == 255     ? v
                     : h->most == 65535 ? v >> 8
                                        : (v * 255u + h->most / 2) / h->most);
}

/* The next sample, 0 to most. */
static bool next_sample(const struct image_bytes *in, struct head *h, uint32_t *out) {
    if (h->kind < 4) return next_number(in, &h->at, out);
    size_t bytes = h->most > 255 ? 2 : 1;
    if (in->n - h->at < bytes) return false;
    *out = bytes == 2 ? image_u16(in, h->at, true) : in->at[h->at];
    h->at += bytes;
    return true;
}

/* 1 is black. */
static bool read_bits(const struct image_bytes *in, struct head *h, uint8_t *rgb) {
    size_t row = ((size_t)h->width + 7) / 8;
    if (h->kind == 4 && (in->n - h->at) / row < h->height) return false;
    for (uint32_t y = 0; y < h->height; y++)
        for (uint32_t x = 0; x < h->width; x++, rgb += 3) {
            uint32_t bit;
            if (h->kind == 4) bit = in->at[h->at + row * y + x / 8] >> (7 - x % 8) & 1;
            else if (!next_bit(in, &h->at, &bit)) return false;
            rgb[0] = rgb[1] = rgb[2] = bit ? 0 : 255;
        }
    return true;
}

static int pixels(const struct image_bytes *in, int64_t height, int64_t width, uint8_t *rgb) {
    struct head h;
    uint32_t v;
    if (!read_head(in, &h) || h.height != height || h.width != width) return ONNXCC_FAULT_HERE;
    bool color = h.kind == 3 || h.kind == 6;
    if (h.kind == 1 || h.kind == 4) return read_bits(in, &h, rgb) ? ONNXCC_OK : ONNXCC_FAULT_HERE;
    for (int64_t i = 0; i < height * width; i++, rgb += 3)
        for (int k = 0; k < 3; k++) {
            if (k && !color) {
                rgb[k] = rgb[0];
                continue;
            }
            if (!next_sample(in, &h, &v) || v > h.most) return ONNXCC_FAULT_HERE;
            rgb[k] = scaled(&h, v);
        }
    return ONNXCC_OK;
}

const struct image_format image_pnm = {is, size, pixels};
