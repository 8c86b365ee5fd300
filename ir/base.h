/* The ground everything stands on: arenas, strings, vectors, maps, diagnostics and the context.
 *
 * One Ctx per compilation owns all memory; there is no other state. IR nodes are unlinked, never
 * freed. Out of memory ends the process with a message (only arena.c calls malloc). Three kinds of
 * trouble have three functions: the user's fault is diag_error() (collected, exit code 1), the
 * compiler's fault is BUG() (exit code 2), the machine's fault is die() (exit code 1). Nothing
 * below the command line calls exit(): BUG and die go through the handler that it installs. */
#ifndef ONNXCC_IR_BASE_H
#define ONNXCC_IR_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#if defined(__GNUC__)
#define PRINTF(a, b) __attribute__((format(printf, a, b)))
#define NORETURN __attribute__((noreturn))
#else
#define PRINTF(a, b)
#define NORETURN
#endif
#define LEN(array) ((int)(sizeof(array) / sizeof((array)[0])))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
enum { MAX_RANK = 16 };

/* ---- arena.c: bump allocation; memory is zeroed; never fails (die) ---- */
typedef struct Arena Arena;
Arena *arena_new(void);
void arena_free(Arena *); /* frees everything allocated from it */
void *arena_alloc(Arena *, size_t bytes);
void *arena_copy(Arena *, const void *data, size_t bytes);
char *arena_str(Arena *, const char *s);
char *arena_strn(Arena *, const char *s, size_t n);
char *arena_printf(Arena *, const char *fmt, ...) PRINTF(2, 3);
size_t arena_used(const Arena *);
#define NEW(arena, T) ((T *)arena_alloc(arena, sizeof(T)))
#define NEW_ARRAY(arena, T, n) ((T *)arena_alloc(arena, sizeof(T) * (size_t)(n)))

/* ---- vec.c: growing arrays inside an arena:  VEC(int) v = {0}; vec_push(arena, &v, 7); ---- */
#define VEC(T) struct { T *at; int n, cap; }
#define vec_push(arena, v, x) \
    (vec_grow(arena, (void **)&(v)->at, (v)->n, &(v)->cap, sizeof(*(v)->at)), \
     (void)((v)->at[(v)->n++] = (x)))
void vec_grow(Arena *, void **at, int n, int *cap, size_t elem);

/* ---- str.c: a string builder ---- */
typedef struct Str {
    Arena *arena;
    char *at; /* NUL-terminated once anything was added */
    size_t n, cap;
} Str;
Str str_new(Arena *);
void str_add(Str *, const char *s);
void str_addn(Str *, const char *s, size_t n);
void str_char(Str *, char c);
void str_fmt(Str *, const char *fmt, ...) PRINTF(2, 3);
void str_quote(Str *, const char *s); /* "..." with escapes as the lexer reads them */
/* What stands between the quotes: control characters, quotes, invalid UTF-8 and invisible format
 * characters are escaped; at most `limit` bytes of s, then "...". The one escaper of all names. */
void str_escape(Str *, const char *s, size_t n, size_t limit);
/* The shortest text that reads back exactly; inf, -inf, nan; else it always has . or e. */
void str_float(Str *, double v, bool is_f32);
const char *str_c(const Str *);

/* ---- map.c: hash map from strings or from integers/pointers; values are pointers ---- */
typedef struct Map Map;
Map *map_new(Arena *);
void *map_get(const Map *, const char *key); /* NULL: absent */
void map_set(Map *, const char *key, void *value);
void *map_get_int(const Map *, uint64_t key);
void map_set_int(Map *, uint64_t key, void *value);
uint64_t hash_bytes(const void *, size_t n, uint64_t seed); /* stable over runs and machines */
uint64_t hash_mix(uint64_t a, uint64_t b);

/* ---- diag.c ---- */
typedef struct Loc { /* where something came from; any field may be NULL/0 */
    const char *file;
    const char *node;  /* ONNX node name (escaped when printed) */
    const char *op;    /* ONNX operator */
    int opset;
    int line, column;  /* in a textual IR file */
} Loc;
typedef struct Ctx Ctx;
/* Reports one error or note: `FILE: node "N" (Op, opset K): error: TEXT`. Text: lower case, cause
 * first, no full stop. diag_error returns false, so that a failing function can return it. */
bool diag_error(Ctx *, const Loc *, const char *fmt, ...) PRINTF(3, 4);
void diag_note(Ctx *, const Loc *, const char *fmt, ...) PRINTF(3, 4);
void diag_warn(Ctx *, const Loc *, const char *fmt, ...) PRINTF(3, 4);
int diag_errors(const Ctx *);
const char *diag_name(Ctx *, const char *s); /* escaped and capped, for "%s" in a TEXT; NULL: "" */
void diag_lines(Ctx *, const char *lines);   /* verbatim, below a message: a source line, a caret */
/* Receives every BUG (exit code 2) and die (exit code 1); it must not return. Without one: stderr
 * and abort(). */
void base_set_fatal(void (*handler)(int exit_code, const char *message));
NORETURN void bug_at(const char *file, int line, const char *fmt, ...) PRINTF(3, 4);
NORETURN void die(const char *fmt, ...) PRINTF(1, 2);
#define BUG(...) bug_at(__FILE__, __LINE__, __VA_ARGS__)
#define CHECK(cond) ((cond) ? (void)0 : bug_at(__FILE__, __LINE__, "check failed: %s", #cond))

/* ---- ctx.c ---- */
typedef struct ExprPool ExprPool;
struct Ctx {
    Arena *perm;           /* IR, types, names: lives as long as the compilation */
    ExprPool *exprs;
    const char *file;      /* the model, for messages */
    int errors, warnings;
    bool quiet;            /* no warnings */
    bool muted;            /* the last message was not shown, so its notes are not either */
    FILE *log;             /* diagnostics go here (stderr) */
    Str *capture;          /* if set, diagnostics are appended here instead (tests) */
};
Ctx *ctx_new(void);
void ctx_free(Ctx *);
/* What is written where the path is a link to a file: that file; the link stays. */
const char *output_target(Ctx *, const char *path);

#endif
