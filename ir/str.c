/* A string builder in an arena, quoting, and floats as the shortest text that reads back. */
#include "ir/base.h"

#include <math.h>
#include <stdlib.h>

Str str_new(Arena *arena) {
    return (Str){.arena = arena};
}

/* Room for n more bytes and the NUL. */
static char *reserve(Str *s, size_t n) {
    if (n > PTRDIFF_MAX / 2 - s->n) die("onnxcc: a text of more than %zu bytes", s->n);
    if (s->n + n + 1 > s->cap) {
        size_t cap = MAX(s->n + n + 1, MAX(2 * s->cap, (size_t)64));
        char *bigger = arena_alloc(s->arena, cap);
        if (s->n) memcpy(bigger, s->at, s->n);
        s->at = bigger;
        s->cap = cap;
    }
    return s->at + s->n;
}

void str_addn(Str *s, const char *text, size_t n) {
    char *to = reserve(s, n);
    if (n) memcpy(to, text, n);
    to[n] = 0;
    s->n += n;
}

void str_add(Str *s, const char *text) {
    str_addn(s, text, strlen(text));
}

void str_char(Str *s, char c) {
    str_addn(s, &c, 1);
}

void str_fmt(Str *s, const char *fmt, ...) {
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    CHECK(n >= 0);
    vsnprintf(reserve(s, (size_t)n), (size_t)n + 1, fmt, again);
    va_end(again);
    s->n += (size_t)n;
}

const char *str_c(const Str *s) {
    return s->n ? s->at : "";
}

/* ---- escaping ---- */

/* Length of the valid UTF-8 sequence at p (n bytes left), its code point in *cp; 0 where there is
 * none. */
static int utf8(const unsigned char *p, size_t n, uint32_t *cp) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    int len = p[0] < 0x80 ? 1 : p[0] >> 5 == 6 ? 2 : p[0] >> 4 == 14 ? 3 : p[0] >> 3 == 30 ? 4 : 0;
    if (!len || (size_t)len > n) return 0;
    *cp = len == 1 ? p[0] : p[0] & (0x7fu >> len);
    for (int i = 1; i < len; i++) {
        if (p[i] >> 6 != 2) return 0;
        *cp = *cp << 6 | (p[i] & 0x3f);
    }
    bool surrogate = *cp >= 0xd800 && *cp < 0xe000;
    return *cp < least[len] || *cp > 0x10ffff || surrogate ? 0 : len;
}

/* Control characters, and those that make text look like something else: line separators,
 * bidirectional marks. */
static bool invisible(uint32_t c) {
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x200b && c <= 0x200f) || c == 0xfeff ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f);
}

static void escape_one(Str *s, const unsigned char *p, int len, uint32_t cp) {
    if (len && !invisible(cp) && cp != '"' && cp != '\\') {
        str_addn(s, (const char *)p, (size_t)len);
    } else if (len == 1 && strchr("\n\t\r\"\\", (int)cp) && cp) {
        str_char(s, '\\');
        str_char(s, cp == '\n' ? 'n' : cp == '\t' ? 't' : cp == '\r' ? 'r' : (char)cp);
    } else {
        for (int i = 0; i < MAX(len, 1); i++) str_fmt(s, "\\x%02x", p[i]);
    }
}

void str_escape(Str *s, const char *text, size_t n, size_t limit) {
    const unsigned char *p = (const unsigned char *)text;
    for (size_t i = 0; i < n;) {
        if (i >= limit) {
            str_add(s, "...");
            return;
        }
        uint32_t cp = 0;
        int len = utf8(p + i, n - i, &cp);
        escape_one(s, p + i, len, cp);
        i += (size_t)MAX(len, 1);
    }
}

void str_quote(Str *s, const char *text) {
    size_t n = strlen(text);
    str_char(s, '"');
    str_escape(s, text, n, n);
    str_char(s, '"');
}

/* ---- floats ---- */

void str_float(Str *s, double v, bool is_f32) {
    if (isnan(v) || isinf(v)) {
        str_add(s, isnan(v) ? "nan" : v < 0 ? "-inf" : "inf");
        return;
    }
    char buf[40];
    if (fabs(v) < 1e7 && v == floor(v)) {
        str_fmt(s, "%.1f", v);
        return;
    }
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(buf, sizeof buf, "%.*g", digits, v);
        double back = strtod(buf, NULL);
        if (is_f32 ? (float)back == (float)v : back == v) break;
    }
    str_add(s, buf);
    if (!strpbrk(buf, ".e")) str_add(s, ".0");
}
