/* Arenas for sanitizers: every request is a block of malloc's, so that an overflow is seen. Same
 * contract as ir/arena.c. */
#include "ir/base.h"

#include <stdlib.h>

typedef struct Block {
    struct Block *next, *pad;
} Block;

struct Arena {
    Block *blocks;
    size_t total;
};

static void *must(void *p, size_t bytes) {
    if (!p) die("out of memory (%zu bytes asked for)", bytes);
    return p;
}

Arena *arena_new(void) {
    return must(calloc(1, sizeof(Arena)), sizeof(Arena));
}

void arena_free(Arena *a) {
    if (!a) return;
    for (Block *b = a->blocks, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    free(a);
}

void *arena_alloc(Arena *a, size_t bytes) {
    Block *b = must(calloc(1, sizeof(Block) + bytes), bytes);
    b->next = a->blocks;
    a->blocks = b;
    a->total += bytes;
    return b + 1;
}

void *arena_copy(Arena *a, const void *data, size_t bytes) {
    void *p = arena_alloc(a, bytes);
    if (bytes) memcpy(p, data, bytes);
    return p;
}

char *arena_strn(Arena *a, const char *s, size_t n) {
    char *p = arena_alloc(a, n + 1);
    if (n) memcpy(p, s, n);
    return p;
}

char *arena_str(Arena *a, const char *s) {
    return arena_strn(a, s, strlen(s));
}

char *arena_printf(Arena *a, const char *fmt, ...) {
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    CHECK(n >= 0);
    char *p = arena_alloc(a, (size_t)n + 1);
    vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    return p;
}

size_t arena_used(const Arena *a) {
    return a->total;
}
