/* Bump arenas: the only caller of malloc.
 *
 * Memory comes in zeroed chunks that grow with the arena; what does not fit into half a chunk gets
 * one of its own, so that a large tensor does not waste the rest of the current chunk. Out of
 * memory is die(). */
#include "ir/base.h"

#include <stdlib.h>

enum { ALIGN = 16, FIRST_CHUNK = 16 << 10, LAST_CHUNK = 4 << 20 };

typedef struct Chunk {
    struct Chunk *next;
    size_t size, used;
} Chunk;
enum { HEAD = (sizeof(Chunk) + ALIGN - 1) / ALIGN * ALIGN };

struct Arena {
    Chunk *chunk; /* the one that small requests come from; full and large ones follow it */
    size_t next_size, total;
};

static void *must(void *p, size_t bytes) {
    if (!p) die("onnxcc: out of memory (%zu bytes asked for)", bytes);
    return p;
}

Arena *arena_new(void) {
    Arena *a = must(calloc(1, sizeof(Arena)), sizeof(Arena));
    a->next_size = FIRST_CHUNK;
    return a;
}

void arena_free(Arena *a) {
    if (!a) return;
    for (Chunk *c = a->chunk, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    free(a);
}

static Chunk *chunk_new(size_t size) {
    Chunk *c = must(calloc(1, HEAD + size), size);
    c->size = size;
    return c;
}

static void *large(Arena *a, size_t bytes) {
    Chunk *c = chunk_new(bytes);
    c->used = bytes;
    if (a->chunk) {
        c->next = a->chunk->next;
        a->chunk->next = c;
    } else {
        a->chunk = c;
    }
    return (char *)c + HEAD;
}

void *arena_alloc(Arena *a, size_t bytes) {
    if (bytes > PTRDIFF_MAX - HEAD - ALIGN) must(NULL, bytes);
    bytes = bytes ? (bytes + ALIGN - 1) / ALIGN * ALIGN : ALIGN;
    a->total += bytes;
    Chunk *c = a->chunk;
    if (!c || c->size - c->used < bytes) {
        if (bytes > a->next_size / 2) return large(a, bytes);
        c = chunk_new(a->next_size);
        c->next = a->chunk;
        a->chunk = c;
        a->next_size = MIN(a->next_size * 2, (size_t)LAST_CHUNK);
    }
    void *p = (char *)c + HEAD + c->used;
    c->used += bytes;
    return p;
}

void *arena_copy(Arena *a, const void *data, size_t bytes) {
    void *p = arena_alloc(a, bytes);
    if (bytes) memcpy(p, data, bytes);
    return p;
}

char *arena_strn(Arena *a, const char *s, size_t n) {
    if (n > PTRDIFF_MAX - 1) must(NULL, n);
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
