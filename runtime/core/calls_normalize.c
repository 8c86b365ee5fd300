/* StringNormalizer: words are left out, letters change their case. */
#include "core.h"

/* Letters first..last, `step` apart, whose other case is `delta` away: Unicode's simple mappings of
 * Latin, Greek, Cyrillic, Armenian and fullwidth letters. `first` is a capital. */
static const struct {
    uint16_t first, last, step;
    int16_t delta;
} cases[] = {
    {'A', 'Z', 1, 32},       {0xc0, 0xd6, 1, 32},   {0xd8, 0xde, 1, 32},    {0x100, 0x12e, 2, 1},
    {0x132, 0x136, 2, 1},    {0x139, 0x147, 2, 1},  {0x14a, 0x176, 2, 1},   {0x178, 0x178, 1, -121},
    {0x179, 0x17d, 2, 1},    {0x1cd, 0x1db, 2, 1},  {0x1de, 0x1ee, 2, 1},   {0x1f8, 0x21e, 2, 1},
    {0x222, 0x232, 2, 1},    {0x386, 0x386, 1, 38}, {0x388, 0x38a, 1, 37},  {0x38c, 0x38c, 1, 64},
    {0x38e, 0x38f, 1, 63},   {0x391, 0x3a1, 1, 32}, {0x3a3, 0x3ab, 1, 32},  {0x400, 0x40f, 1, 80},
    {0x410, 0x42f, 1, 32},   {0x460, 0x480, 2, 1},  {0x48a, 0x4be, 2, 1},   {0x4c1, 0x4cd, 2, 1},
    {0x4d0, 0x52e, 2, 1},    {0x531, 0x556, 1, 48}, {0x1e00, 0x1e94, 2, 1}, {0x1ea0, 0x1efe, 2, 1},
    {0xff21, 0xff3a, 1, 32},
};
enum { N_CASES = sizeof cases / sizeof cases[0] };

static uint32_t other_case(uint32_t c, bool upper) {
    for (int i = 0; i < N_CASES; i++) {
        uint32_t first = cases[i].first, last = cases[i].last;
        if (upper) first += (uint32_t)cases[i].delta, last += (uint32_t)cases[i].delta;
        if (c < first || c > last || (c - first) % cases[i].step) continue;
        return upper ? c - (uint32_t)cases[i].delta : c + (uint32_t)cases[i].delta;
    }
    return c;
}

/* The character at `at`, and its bytes; a byte that begins none is a character of its own. */
static uint32_t decode_char(const struct onnxcc_string *s, size_t at, int *bytes) {
    const unsigned char *p = (const unsigned char *)s->data + at;
    size_t left = s->size - at;
    int n = *p >= 0xc2 && *p < 0xe0 ? 2 : *p >= 0xe0 && *p < 0xf0 ? 3 : 1;
    *bytes = 1;
    if ((size_t)n > left) return *p < 0x80 ? *p : 0xffffffff;
    for (int i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80) return 0xffffffff;
    *bytes = n;
    if (n == 2) return (uint32_t)(p[0] & 31) << 6 | (p[1] & 63);
    if (n == 3) return (uint32_t)(p[0] & 15) << 12 | (uint32_t)(p[1] & 63) << 6 | (p[2] & 63);
    return *p < 0x80 ? *p : 0xffffffff;
}

static int encode_char(uint32_t c, char *to) {
    if (c < 0x80) return to[0] = (char)c, 1;
    if (c < 0x800) {
        to[0] = (char)(0xc0 | c >> 6);
        to[1] = (char)(0x80 | (c & 63));
        return 2;
    }
    to[0] = (char)(0xe0 | c >> 12);
    to[1] = (char)(0x80 | (c >> 6 & 63));
    to[2] = (char)(0x80 | (c & 63));
    return 3;
}

/* No letter of the table needs more bytes in its other case than twice its own. */
static size_t convert_case(const struct onnxcc_string *s, char *to, bool upper) {
    size_t n = 0;
    for (size_t at = 0; at < s->size;) {
        int bytes;
        uint32_t c = decode_char(s, at, &bytes), d = c == 0xffffffff ? c : other_case(c, upper);
        if (d != c) n += (size_t)encode_char(d, to + n);
        else
            for (int i = 0; i < bytes; i++) to[n++] = s->data[at + (size_t)i];
        at += (size_t)bytes;
    }
    return n;
}

static bool same_word(const struct onnxcc_string *a, const struct onnxcc_string *b,
                      bool sensitive) {
    if (sensitive && a->size != b->size) return false;
    for (size_t i = 0, k = 0; i < a->size || k < b->size;) {
        int n, m;
        if (i >= a->size || k >= b->size) return false;
        uint32_t x = decode_char(a, i, &n), y = decode_char(b, k, &m);
        if (x == 0xffffffff || y == 0xffffffff) {
            if (a->data[i] != b->data[k]) return false;
        } else if (sensitive ? x != y : other_case(x, false) != other_case(y, false)) return false;
        i += (size_t)n;
        k += (size_t)m;
    }
    return true;
}

/* The words that are left out: bufs[1], args[1] of them; args[2]: does their case matter? */
static bool stays(const struct onnxcc_string *x, void *const *bufs, const int64_t *args) {
    const struct onnxcc_string *stop = bufs[1];
    for (int64_t i = 0; i < args[1]; i++)
        if (same_word(x, &stop[i], args[2] != 0)) return false;
    return true;
}

/* bufs: x, stop words, int64 y. args: elements, stop words, is their case looked at? y is at least
 * 1: where nothing stays, the result is one empty string. */
int onnxcc_call_str_normalize_count(struct onnxcc_frame *f, void *const *bufs,
                                    const int64_t *args) {
    int64_t n = 0;
    (void)f;
    for (int64_t i = 0; i < args[0]; i++)
        n += stays((const struct onnxcc_string *)bufs[0] + i, bufs, args);
    *(int64_t *)bufs[2] = n ? n : 1;
    return ONNXCC_OK;
}

/* bufs: x, stop words, y. args: as above, then 0 no change, 1 lower, 2 upper case; elements of
 * y. */
int onnxcc_call_str_normalize(struct onnxcc_frame *f, void *const *bufs, const int64_t *args) {
    const struct onnxcc_string *x = bufs[0];
    struct onnxcc_string *y = bufs[2];
    int64_t total = 0, n = 0;
    void *room;
    for (int64_t i = 0; i < args[0]; i++) total += 2 * (int64_t)x[i].size;
    int code = core_bump(f, args[3] ? total : 0, &room);
    char *to = room;
    for (int64_t i = 0; i < args[0] && n < args[4] && !code; i++) {
        if (!stays(&x[i], bufs, args)) continue;
        struct onnxcc_string word = x[i];
        if (args[3]) {
            word = (struct onnxcc_string){to, convert_case(&x[i], to, args[3] == 2)};
            to += word.size;
        }
        y[n++] = word;
    }
    if (!code && !n && args[4]) y[0] = (struct onnxcc_string){"", 0};
    return code;
}
