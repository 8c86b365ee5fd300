/* A bounded text writer for messages: no libc, no allocation. */
#include "core.h"

void text_char(struct text *t, char c) {
    if (t->n + 1 < t->cap) {
        t->at[t->n] = c;
        t->at[t->n + 1] = 0;
    }
    t->n++;
}

void text_str(struct text *t, const char *s) {
    for (; s && *s; s++) text_char(t, (unsigned char)*s < 0x20 || *s == 0x7f ? '?' : *s);
}

void text_int(struct text *t, int64_t v) {
    char digit[20];
    int n = 0;
    uint64_t u = v < 0 ? -(uint64_t)v : (uint64_t)v;
    do digit[n++] = (char)('0' + u % 10);
    while (u /= 10);
    if (v < 0) text_char(t, '-');
    while (n) text_char(t, digit[--n]);
}

bool core_same(const char *a, const char *b, size_t n) {
    size_t i = 0;
    while (i < n && a[i] && a[i] == b[i]) i++;
    return i == n && !a[i];
}
