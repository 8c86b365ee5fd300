/* What the files of runtime/host share: threads, files and the executable's command line. Linux and
 * libc alone. */
#ifndef ONNXCC_RUNTIME_HOST_H
#define ONNXCC_RUNTIME_HOST_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "../abi.h"

#include <stdbool.h>
#include <stdio.h>

enum { HOST_MAX_RANK = 32 };

/* ---- pool.c, cpus.c ---- */
struct onnxcc_pool *host_pool_new(int threads, void (*pin)(int)); /* pin: host_pin, or NULL */
int host_cpus(void);      /* this process's affinity and cgroup limit; at least 1 */
void host_pin(int index); /* this thread to the index-th CPU of the process's affinity mask */

/* ---- memory.c ---- */
/* Memory between two guard pages; the second begins right behind it. */
struct host_memory {
    char *at, *base;
    size_t bytes, span;
};
struct host_memory host_memory_new(size_t bytes);
struct host_memory
host_memory_reserve(void); /* as much address space as there is; committed when touched */
void host_memory_free(struct host_memory *);
void *host_alloc(size_t bytes); /* zeroed; refuses when out of memory */
char *host_join(const char *dir, const char *file);
int64_t host_peak_rss(void);
double host_ms(void); /* a monotonic clock */

/* ---- say.c ---- */
extern const char *host_program; /* argv[0]'s base name, for messages */
void host_refuse(const char *fmt, ...)
    __attribute__((format(printf, 1, 2), noreturn)); /* exit code 1 */
void host_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
const char *host_quote(const char *); /* control characters made visible; valid for a few calls */
void host_json(FILE *, const char *); /* a JSON string, quotes included */

/* ---- values.c: elements by ONNX's type numbers ---- */
const char *host_dtype_name(int dtype); /* "f32"; "?" where unknown */
int host_dtype_bits(int dtype);         /* 0: not a type of plain elements */
bool host_is_float(int dtype);
bool host_is_small_float(int dtype);    /* float8 and float4 */
bool host_is_signed(int dtype);
int64_t host_bytes(int dtype, int64_t elements); /* -1: too many */
double host_float_at(const void *, int dtype, int64_t i);
int64_t host_int_at(const void *, int dtype, int64_t i); /* u64 as its bits */
void host_set_float(void *, int dtype, int64_t i, double);
void host_set_int(void *, int dtype, int64_t i, int64_t);
void host_print_at(FILE *, const void *, int dtype, int64_t i);

/* A tensor from or for a file; of ONNXCC_SEQUENCE: rank 0, data is a struct onnxcc_sequence. */
struct host_tensor {
    int dtype, rank; /* rank -1: raw bytes, shape not known */
    int64_t dims[HOST_MAX_RANK];
    int64_t bytes;
    void *data;
    const char *name; /* inside the file, or NULL */
};
int64_t host_elements(const struct host_tensor *);
struct host_tensor host_item(const struct onnxcc_item *); /* the data stay where they are */
const char *host_type_text(int dtype, int rank,
                           const int64_t *dims); /* "f32[1,3]"; valid for a few calls */

/* ---- files.c, npy.c, pb.c ---- */
char *host_read_file(const char *path, size_t *bytes); /* refuses */
/* Reads .npy, .pb or .bin. `dtype` tells two types of equal layout apart (bf16 from u16 in .npy);
 * it is not checked. */
struct host_tensor host_read_tensor(const char *path, int dtype);
void host_tensor_free(struct host_tensor *); /* data, strings and name */
void host_write_tensor(const char *path, const struct host_tensor *);
struct host_tensor npy_parse(const char *path, const char *, size_t, int dtype);
void npy_write(FILE *, const struct host_tensor *);
struct host_tensor pb_parse(const char *path, const char *, size_t, int dtype);
void pb_write(FILE *, const struct host_tensor *);

/* ---- args.c ---- */
struct host_pair {
    const char *name, *value;
};
struct host_args {
    struct host_pair *inputs, *outputs, *dims;
    int n_inputs, n_outputs, n_dims;
    const char *check, *trace;
    bool bench, info, json, pin;
    int runs, threads; /* 0: default */
    uint64_t seed;
    double rtol, atol;
    const char *weights; /* a path, or NULL */
};
/* Several models: argv[1] names the entry, which is returned. Refuses what it does not know. */
const struct onnxcc_model *host_args_read(struct host_args *, int argc, char **argv,
                                          const struct onnxcc_model *const *models, int n);

/* ---- session.c: a model with its inputs, ready to run ---- */
enum {
    FROM_NONE = -3,
    FROM_DEFAULT = -2,
    FROM_ARGS = -1
}; /* where a dimension came from; else an input */
struct host_session {
    const struct onnxcc_model *model;
    const struct host_args *args;
    uint64_t ctx[ONNXCC_CTX_WORDS];
    struct onnxcc_config config;
    int threads;
    struct host_tensor *in; /* n_inputs; data NULL: not given */
    char **source;          /* n_inputs: the file, or NULL: made up */
    int64_t *dims, *syms;   /* n_dims, n_syms */
    int *from, *from_axis;  /* n_dims */
    const void **in_ptr;    /* NAME_inputs */
    char *outputs;          /* NAME_outputs */
    struct host_memory arena, *in_mem, *out_mem;
    int64_t arena_bytes; /* for these dims and threads */
};
void session_new(struct host_session *, const struct onnxcc_model *, const struct host_args *);
void session_open(struct host_session *);
void session_clear(struct host_session *); /* forgets inputs and dims, frees their memory */
void session_input(struct host_session *, int k, const char *path); /* reads and checks an input */
void session_ready(struct host_session *); /* dims, made-up inputs, arena, outputs */
void *session_device(const struct host_session *); /* the model's state on a device */
void session_run(struct host_session *);   /* refuses with NAME_explain's sentence */
struct host_tensor session_output(struct host_session *,
                                  int k); /* after a run; data belong to the session */
void session_explain(const struct host_session *, int code) __attribute__((noreturn));
int host_find(const struct onnxcc_tensor *, int n, const char *what,
              const char *name); /* refuses */

/* ---- shapes.c: dimensions from files and options ---- */
void shapes_from_args(struct host_session *);
void shapes_of_input(struct host_session *, int k); /* dtype, rank, fixed axes; learns named dims */
void shapes_finish(struct host_session *);          /* defaults, bind, derived axes; arena_bytes */
int64_t shapes_axis(const struct host_session *, const struct onnxcc_axis *);

/* ---- fill.c ---- */
void fill_input(const struct host_session *, int k); /* in[k] has its type, shape and memory */

/* ---- what a program does ---- */
void host_print_outputs(struct host_session *);
int host_check(struct host_session *);
void host_bench(struct host_session *);
void host_trace(struct host_session *);
extern int (*const host_trace_hook)(void *, int, int); /* goes into the config for it */
void host_info(struct host_session *);

/* ---- info_cuda.c: of the kernels in an image (runtime/cuda.h) ---- */
void info_cuda(const void *image);
void info_cuda_json(const void *image); /* a further member of the object */
/* compare.c: equal within the tolerances of args? Prints one line about it. */
bool host_compare(const struct host_args *, const char *what, const struct host_tensor *got,
                  const struct host_tensor *want);

#endif
