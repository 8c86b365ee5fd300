/* Sets of characters in regular expressions (regex.h). */
#include "frontend/regex.h"

#include <stdlib.h>

enum { LAST_CHAR = 0x10ffff };

void set_add(Arena *arena, CharSet *s, uint32_t lo, uint32_t hi) {
    vec_push(arena, &s->at, ((CharRange){lo, hi}));
}

void set_add_all(Arena *arena, CharSet *s, const CharSet *more) {
    for (int i = 0; i < more->at.n; i++) set_add(arena, s, more->at.at[i].lo, more->at.at[i].hi);
}

static int by_lo(const void *a, const void *b) {
    uint32_t x = ((const CharRange *)a)->lo, y = ((const CharRange *)b)->lo;
    return x < y ? -1 : x > y;
}

void set_normal(Arena *arena, CharSet *s) {
    CharSet out = {0};
    if (s->at.n) qsort(s->at.at, (size_t)s->at.n, sizeof *s->at.at, by_lo);
    for (int i = 0; i < s->at.n; i++) {
        CharRange r = s->at.at[i], *last = out.at.n ? &out.at.at[out.at.n - 1] : NULL;
        if (last && r.lo <= last->hi + 1) last->hi = MAX(last->hi, r.hi);
        else set_add(arena, &out, r.lo, r.hi);
    }
    *s = out;
}

void set_negate(Arena *arena, CharSet *s) {
    CharSet out = {0};
    uint32_t next = 0;
    set_normal(arena, s);
    for (int i = 0; i < s->at.n; i++) {
        if (s->at.at[i].lo > next) set_add(arena, &out, next, s->at.at[i].lo - 1);
        next = s->at.at[i].hi + 1;
    }
    if (next <= LAST_CHAR) set_add(arena, &out, next, LAST_CHAR);
    *s = out;
}

/* The part of lo..hi inside first..last, moved by `by`. */
static void add_moved(Arena *arena, CharSet *s, CharRange r, uint32_t first, uint32_t last,
                      int by) {
    uint32_t lo = MAX(r.lo, first), hi = MIN(r.hi, last);
    if (lo <= hi) set_add(arena, s, lo + (uint32_t)by, hi + (uint32_t)by);
}

void set_fold(Arena *arena, CharSet *s) {
    for (int i = 0, n = s->at.n; i < n; i++) {
        CharRange r = s->at.at[i];
        add_moved(arena, s, r, 'A', 'Z', 32);
        add_moved(arena, s, r, 'a', 'z', -32);
    }
}

bool set_named(Arena *arena, CharSet *s, char escape) {
    CharSet one = {0};
    switch (escape | 32) {
    case 'w':
        set_add(arena, &one, 'a', 'z');
        set_add(arena, &one, 'A', 'Z');
        set_add(arena, &one, '_', '_');
        set_add(arena, &one, '0', '9');
        break;
    case 'd':
        set_add(arena, &one, '0', '9');
        break;
    case 's':
        set_add(arena, &one, '\t', '\n');
        set_add(arena, &one, '\f', '\r');
        set_add(arena, &one, ' ', ' ');
        break;
    default:
        return false;
    }
    if (escape < 'a') set_negate(arena, &one);
    set_add_all(arena, s, &one);
    return true;
}

bool set_posix(Arena *arena, CharSet *s, const char *name, int n) {
    static const struct {
        const char *name, *ranges; /* pairs of characters */
    } classes[] = {{"alnum", "09AZaz"},
                   {"alpha", "AZaz"},
                   {"ascii", "\x01\x7f"},
                   {"blank", "\t\t  "},
                   {"cntrl", "\x01\x1f\x7f\x7f"},
                   {"digit", "09"},
                   {"graph", "!~"},
                   {"lower", "az"},
                   {"print", " ~"},
                   {"punct", "!/:@[`{~"},
                   {"space", "\t\r  "},
                   {"upper", "AZ"},
                   {"word", "09AZaz__"},
                   {"xdigit", "09AFaf"}};
    bool negated = n && *name == '^';
    CharSet one = {0};
    for (int i = 0; i < LEN(classes); i++) {
        int length = (int)strlen(classes[i].name);
        if (length != n - negated || memcmp(name + negated, classes[i].name, (size_t)length))
            continue;
        for (const char *r = classes[i].ranges; *r; r += 2)
            set_add(arena, &one, (unsigned char)r[0], (unsigned char)r[1]);
        if (length == 5 && (classes[i].name[0] == 'c' || !strcmp(classes[i].name, "ascii")))
            set_add(arena, &one, 0, 0);
        if (negated) set_negate(arena, &one);
        set_add_all(arena, s, &one);
        return true;
    }
    return false;
}
