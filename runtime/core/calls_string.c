/* Operators on strings. An element is a struct onnxcc_string; the characters lie in inputs, in the
 * weights, or at the end of the arena, and stay there for the run: parts of a string are not
 * copied. */
#include "core.h"

static bool same_string(const struct onnxcc_string *a, const struct onnxcc_string *b) {
    if (a->size != b->size) return false;
    for (size_t i = 0; i < a->size; i++)
        if (a->data[i] != b->data[i]) return false;
    return true;
}

/* A constant: bufs: its bytes (pairs of int64 offset and size, then the characters), y. args:
 * elements. */
int onnxcc_call_str_unpack(struct onnxcc_frame *f, void *const *bufs, const int64_t *args) {
    const char *bytes = bufs[0];
    struct onnxcc_string *y = bufs[1];
    (void)f;
    for (int64_t i = 0; i < args[0]; i++) {
        int64_t at[2];
        memcpy(at, bytes + 16 * i, sizeof at);
        y[i].data = bytes + at[0];
        y[i].size = (size_t)at[1];
    }
    return ONNXCC_OK;
}

/* bufs: a, b, bool y. args: elements. */
int onnxcc_call_str_equal(struct onnxcc_frame *f, void *const *bufs, const int64_t *args) {
    const struct onnxcc_string *a = bufs[0], *b = bufs[1];
    uint8_t *y = bufs[2];
    (void)f;
    for (int64_t i = 0; i < args[0]; i++) y[i] = same_string(&a[i], &b[i]);
    return ONNXCC_OK;
}

/* bufs: a, b, y. args: elements. */
int onnxcc_call_str_concat(struct onnxcc_frame *f, void *const *bufs, const int64_t *args) {
    const struct onnxcc_string *a = bufs[0], *b = bufs[1];
    struct onnxcc_string *y = bufs[2];
    int64_t total = 0;
    void *room;
    for (int64_t i = 0; i < args[0]; i++) total += (int64_t)(a[i].size + b[i].size);
    int code = core_bump(f, total, &room);
    char *to = room;
    for (int64_t i = 0; i < args[0] && !code; i++) {
        size_t first = a[i].size, second = b[i].size; /* y may lie where a or b does */
        if (first) memcpy(to, a[i].data, first);
        if (second) memcpy(to + first, b[i].data, second);
        y[i] = (struct onnxcc_string){to, first + second};
        to += first + second;
    }
    return code;
}

/* ---- StringSplit ---- */

/* What is left of a string, and how it is cut. */
struct splitter {
    const char *at, *end;
    const struct onnxcc_string *delimiter; /* empty: at runs of blanks */
    int64_t left;                          /* cuts that may still be made; -1: any number */
    bool done;
};

static bool is_blank(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool starts_with(const struct splitter *s, const char *at) {
    const struct onnxcc_string *d = s->delimiter;
    if ((size_t)(s->end - at) < d->size) return false;
    for (size_t i = 0; i < d->size; i++)
        if (at[i] != d->data[i]) return false;
    return true;
}

/* The next piece; false: there is none. */
static bool next_piece(struct splitter *s, struct onnxcc_string *piece) {
    size_t d = s->delimiter->size;
    while (!d && s->at < s->end && is_blank(*s->at)) s->at++;
    if (s->done || (!d && s->at == s->end)) return false;
    const char *end = s->at;
    if (s->left == 0) {
        end = s->end;
        while (!d && end > s->at && is_blank(end[-1])) end--;
    } else {
        while (end < s->end && !(d ? starts_with(s, end) : is_blank(*end))) end++;
    }
    *piece = (struct onnxcc_string){s->at, (size_t)(end - s->at)};
    s->done = s->left == 0 || end == s->end;
    s->at = s->done ? s->end : end + d;
    if (s->left > 0) s->left--;
    return true;
}

static struct splitter splitter_of(const struct onnxcc_string *x,
                                   const struct onnxcc_string *delimiter, int64_t cuts) {
    const char *end = x->size ? x->data + x->size : x->data;
    return (struct splitter){x->data, end, delimiter, cuts, false};
}

/* bufs: x, delimiter, int64 counts[elements], int64 most. args: elements, cuts (-1: any number). */
int onnxcc_call_str_split_count(struct onnxcc_frame *f, void *const *bufs, const int64_t *args) {
    const struct onnxcc_string *x = bufs[0];
    int64_t *counts = bufs[2], *most = bufs[3];
    struct onnxcc_string piece;
    (void)f;
    *most = 0;
    for (int64_t i = 0; i < args[0]; i++) {
        struct splitter s = splitter_of(&x[i], bufs[1], args[1]);
        for (counts[i] = 0; next_piece(&s, &piece);) counts[i]++;
        if (counts[i] > *most) *most = counts[i];
    }
    return ONNXCC_OK;
}

/* bufs: x, delimiter, y[elements][most]. args: elements, cuts, most. Empty behind the pieces. */
int onnxcc_call_str_split(struct onnxcc_frame *f, void *const *bufs, const int64_t *args) {
    const struct onnxcc_string *x = bufs[0];
    struct onnxcc_string *y = bufs[2], none = {"", 0};
    (void)f;
    for (int64_t i = 0; i < args[0]; i++) {
        struct splitter s = splitter_of(&x[i], bufs[1], args[1]);
        for (int64_t k = 0; k < args[2]; k++, y++)
            if (!next_piece(&s, y)) *y = none;
    }
    return ONNXCC_OK;
}

/* RegexFullMatch. bufs: x, the table of frontend/regex.h, bool y. args: elements. */
int onnxcc_call_str_match(struct onnxcc_frame *f, void *const *bufs, const int64_t *args) {
    const struct onnxcc_string *x = bufs[0];
    const uint16_t *table = bufs[1], *class_of = table + 2, *rows = table + 258;
    size_t row = 1 + (size_t)table[0];
    uint8_t *y = bufs[2];
    (void)f;
    for (int64_t i = 0; i < args[0]; i++) {
        size_t state = table[1];
        for (size_t k = 0; k < x[i].size && state; k++)
            state = rows[state * row + 1 + class_of[(unsigned char)x[i].data[k]]];
        y[i] = rows[state * row] != 0;
    }
    return ONNXCC_OK;
}
