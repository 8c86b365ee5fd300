/* Written by onnxcc. The functions are in the object or library of the same name. */
#ifndef ONNXCC_MODEL_a_H
#define ONNXCC_MODEL_a_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef ONNXCC_ABI_1
#define ONNXCC_ABI_1
/* Error codes: 0, or kind | axis << 6 | index << 11 (the index of an input, a dimension, ...). */
enum onnxcc_error {
    ONNXCC_OK,
    ONNXCC_E_ABI,        /* descriptor, header or config of another version */
    ONNXCC_E_SIGNATURE,  /* the caller was compiled with another model's header */
    ONNXCC_E_CPU,        /* no version of the code fits this CPU */
    ONNXCC_E_WEIGHTS,    /* index: 0 none given, 1 too short, 2 not a weights file, 3 of another
                           model, 4 cannot be opened, 5 misaligned */
    ONNXCC_E_ARENA,      /* arena too small; outputs->arena_needed holds the bytes */
    ONNXCC_E_ALIGN,      /* arena not aligned to ONNXCC_ALIGN */
    ONNXCC_E_DIM,        /* named dimension `index` is out of bounds */
    ONNXCC_E_CONSTRAINT, /* constraint `index` does not hold */
    ONNXCC_E_OVERFLOW,   /* the sizes overflow 64 bits (or the address space) */
    ONNXCC_E_INPUT,      /* input `index` is NULL */
    ONNXCC_E_OUTPUT,     /* output `index` is NULL */
    ONNXCC_E_CAPACITY,   /* output `index` needs more room than its capacity; its shape is filled */
    ONNXCC_E_FAULT,      /* site `index`: data of this run asked for something impossible */
    ONNXCC_E_STOPPED,    /* the hook returned non-zero before kernel `index` */
    ONNXCC_E_CONTEXT,    /* NULL or not opened */
    ONNXCC_E_KINDS
};
#define ONNXCC_CODE(kind, index, axis) ((int)((kind) | (axis) << 6 | (int)(index) << 11))
#define ONNXCC_KIND(code) ((code)&63)
#define ONNXCC_AXIS(code) ((code) >> 6 & 31)
#define ONNXCC_INDEX(code) ((code) >> 11)
/* run(pool, job, arg, n): returns after job(arg, i) has returned for every i in 0..n-1. Jobs may
 * run on any thread, in any order, also all on the caller (a busy pool does that). */
struct onnxcc_pool {
    int threads;
    void (*run)(struct onnxcc_pool *, void (*job)(void *, int), void *arg, int n);
};
struct onnxcc_string {
    const char *data;
    size_t size;
};
#endif

/* ---- model, from /opt/venv/lib/python3.11/site-packages/onnx/backend/test/data/node/test_gru_defaults/model.onnx ---- */

/* What open takes; zero it, then set what is needed.
 *   size            sizeof(model_config)
 *   weights         weights that are outside of the object: the bytes of the weights file, aligned to 64
 *   weights_path    or the file's path, mapped by open; else NULL
 *   pool            threads to work on; NULL: the caller alone. The bits of the results are the same
 *   hook            called before (end 0) and after (end 1) each kernel; non-zero stops the run
 *   seed            of random operators */
typedef struct {
    size_t size;
    const void *weights;
    size_t weights_bytes;
    const char *weights_path;
    void *state;
    struct onnxcc_pool *pool;
    int (*hook)(void *user, int kernel, int end);
    void *user;
    uint64_t seed;
} model_config;

/* An open model. The caller's memory; read-only after open, so threads may share it, each run with an arena
 * of its own. */
typedef struct {
    uint64_t opaque[16];
} model_ctx;

/* Dense, row-major, aligned to the element. The caller's; only read. */
typedef struct {
    const float *X; /* "X": f32[1,3,2] */
    const float *W; /* "W": f32[1,15,2] */
    const float *R; /* "R": f32[1,15,5] */
} model_inputs;

/* The caller's memory, as large as the shape says; outputs overlap nothing. */
typedef struct {
    float *Y_h; /* "Y_h": f32[1,3,5] */
    size_t arena_needed; /* filled where run returns ONNXCC_E_ARENA: bytes */
} model_outputs;

/* The symbolic dimensions of this run. */
typedef struct {
    int64_t none; /* all are fixed: dims may be NULL */
} model_dims;

#define model_ARENA_ALIGN 64 /* bytes */
#define model_ARENA_BYTES 896 /* one thread */
#define model_WEIGHTS_BYTES 0 /* in the object */
#define model_SIGNATURE UINT64_C(0xf2538408c339d925)

/* All return 0 or an error code (ONNXCC_KIND(code) is an onnxcc_error), except as noted. Nothing is allocated
 * during a run; nothing is written outside of arena and outputs. */
/* Checks CPU, versions, weights and that this header is the model's. config NULL: all zero. */
int model_open(model_ctx *ctx, const model_config *config);
/* Bytes that a run with these dimensions needs on a pool of so many threads; 0: out of bounds. */
size_t model_arena_bytes(const model_dims *dims, int threads);
/* One run. The arena is aligned to model_ARENA_ALIGN and may hold anything. */
int model_run(model_ctx *ctx, const model_inputs *in, model_outputs *out, const model_dims *dims, void *arena,
    size_t arena_bytes);
void model_close(model_ctx *ctx);
/* The sentence for a code: which input, which axis, which node. Writes at most n bytes, the NUL included;
 * returns the sentence's length. */
int model_explain(int code, char *buf, size_t n);
/* open with the signature of this header. */
int model_open_signed(model_ctx *ctx, const model_config *config, uint64_t signature);
#define model_open(ctx, config) model_open_signed((ctx), (config), model_SIGNATURE)

#ifdef __cplusplus
}
#endif

#endif
