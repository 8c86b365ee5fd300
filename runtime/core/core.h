/* What the files of runtime/core share. Freestanding: of the C library only memcpy, memmove,
 * memset. */
#ifndef ONNXCC_RUNTIME_CORE_H
#define ONNXCC_RUNTIME_CORE_H

#include "../abi.h"

#include <stdbool.h>

void *memcpy(void *restrict, const void *restrict, size_t);
void *memmove(void *, const void *, size_t);
void *memset(void *, int, size_t);

/* ---- open.c ---- */
/* What lies in the caller's NAME_ctx (ONNXCC_CTX_WORDS 64-bit words). */
struct core_ctx {
    uint64_t magic;
    const struct onnxcc_model *model;
    int (*run)(struct onnxcc_frame *);
    const char *weights;
    const void *mapped; /* to be unmapped by close */
    size_t mapped_bytes;
    struct onnxcc_pool *pool;
    int (*hook)(void *user, int kernel, int end);
    void *user;
    void *state;
    uint64_t seed;
    void *device; /* the model's state on it */
};
const struct core_ctx *core_ctx_of(const struct onnxcc_model *,
                                   const void *ctx); /* NULL: not open */

/* ---- text.c: a bounded writer; counts what did not fit ---- */
struct text {
    char *at;
    size_t cap, n; /* n: characters wanted so far, the NUL excluded */
};
void text_char(struct text *, char);
void text_str(struct text *, const char *); /* control characters become '?' */
void text_int(struct text *, int64_t);
bool core_same(const char *a, const char *b, size_t n); /* b[0..n) is exactly a */

/* ---- cpu.c ---- */
/* Whether this CPU has everything in the list. Else, where `missing` is given, writes the names it
 * lacks. */
bool core_cpu_fits(const char *needs, struct text *missing);
/* cpu_x86.c, cpu_arm64.c: one feature; unknown names are false. */
bool core_cpu_has(const char *name, size_t n);

/* ---- arena.c ---- */
/* The most bytes of a part of the arena: sums of parts cannot overflow. */
#define CORE_MAX_BYTES ((int64_t)1 << 47)
/* Room until the end of the run, aligned to ONNXCC_ALIGN. 0, or an error code. */
int core_bump(struct onnxcc_frame *, int64_t bytes, void **out);

/* ---- sequence.c ---- */
bool core_sequence_sound(const struct onnxcc_sequence *); /* an input: can it be read? */

/* ---- run.c ---- */
/* The caller's output k inside NAME_outputs. */
struct core_out {
    void **data;
    size_t *capacity; /* NULL: of known size */
    int64_t *shape;
    struct onnxcc_sequence *sequence; /* where the output is one; else NULL */
};
struct core_out core_output(const struct onnxcc_model *, void *outputs, int k);
size_t core_outputs_bytes(const struct onnxcc_model *); /* sizeof(NAME_outputs) */
int64_t core_elements(const struct onnxcc_tensor *, const int64_t *syms);

/* ---- launch.c: what the hook says to a step; false: it does not run ---- */
bool core_step_begins(struct onnxcc_frame *, int step);
void core_step_ends(struct onnxcc_frame *, int step);

/* ---- calls_*.c ---- */
int core_dtype_bytes(int dtype); /* 0: not a type of whole bytes */

#endif
