/* What compiled models and the runtime say to each other.
 *
 * The compiler writes, per entry, one constant `struct onnxcc_model` and the functions it points
 * to; the runtime does the rest from this description. Both sides lay the structs out by C's
 * natural rules for the target (the members are int32_t in pairs, int64_t and pointers: no hidden
 * padding on 64-bit targets). C99; no include beyond the two below, so that the text can be pasted
 * in front of generated C.
 *
 * Wrappers the compiler emits for an entry NAME (M is &model; everything else of the runtime is
 * internal to the output):
 *   int    NAME_open(ctx, config)               onnxcc_core_open(M, ctx, config, model.signature)
 *   int    NAME_open_signed(ctx, config, sig)   onnxcc_core_open(M, ctx, config, sig)
 *   size_t NAME_arena_bytes(dims, threads)      int64_t syms[n_syms];
 *                                               onnxcc_core_arena_bytes(M, dims, threads, syms)
 *   int    NAME_run(ctx, in, out, dims, arena, n)
 *                                               onnxcc_core_run(M, ctx, in, out, dims, arena, n)
 *   void   NAME_close(ctx)                      onnxcc_core_close(M, ctx)
 *   int    NAME_explain(code, buf, n)           onnxcc_core_explain(M, code, buf, n)
 * of models for a device:
 *   size_t NAME_device_arena_bytes(dims)        onnxcc_core_device_bytes(M, dims, syms)
 *   int    NAME_run_device(ctx, in, out, dims, arena, n, stream)
 *                                               onnxcc_core_run_device(M, ctx, ..., stream)
 *   int    NAME_status(ctx)                     onnxcc_core_status(M, ctx)
 * on hosted targets:
 *   struct onnxcc_pool *NAME_pool_new(threads)  onnxcc_host_pool_new(threads)
 *   void   NAME_pool_free(pool)                 onnxcc_host_pool_free(pool)
 * in executables:
 *   int    main(argc, argv)                     onnxcc_host_main(argc, argv, models, n_models) */
#ifndef ONNXCC_RUNTIME_ABI_H
#define ONNXCC_RUNTIME_ABI_H

#include <stddef.h>
#include <stdint.h>

enum { ONNXCC_ABI = 1, ONNXCC_ALIGN = 64, ONNXCC_CTX_WORDS = 16 };
/* Of inputs and outputs on a device: kernels move so many bytes at once. */
enum { ONNXCC_DEVICE_ALIGN = 16 };

/* ---- shared with the public headers (the same guard there) ---- */
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
    ONNXCC_E_ALIGN,      /* index: 0 arena not aligned to 64 bytes; 1 and on: an input, behind them
                           an output of run_device not aligned to 16 */
    ONNXCC_E_DIM,        /* named dimension `index` is out of bounds */
    ONNXCC_E_CONSTRAINT, /* constraint `index` does not hold */
    ONNXCC_E_OVERFLOW,   /* the sizes overflow 64 bits (or the address space) */
    ONNXCC_E_INPUT,      /* input `index` is NULL */
    ONNXCC_E_OUTPUT,     /* output `index` is NULL */
    ONNXCC_E_CAPACITY,   /* output `index` needs more room than its capacity; its shape is filled */
    ONNXCC_E_FAULT,      /* site `index`: data of this run asked for something impossible */
    ONNXCC_E_STOPPED,    /* the hook returned non-zero before kernel `index` */
    ONNXCC_E_CONTEXT,    /* NULL or not opened */
    ONNXCC_E_ITEM,       /* sequence input `index` has a malformed item */
    ONNXCC_E_DEVICE,     /* the GPU, index: 0 no driver, 1 too old a driver, 2 no device, 3 no code
                           for it, 4 out of its memory, 5 a kernel failed, 6 anything else; explain
                           says more on the thread that got the code */
    ONNXCC_E_KINDS
};
#define ONNXCC_CODE(kind, index, axis) ((int)((kind) | (axis) << 6 | (int)(index) << 11))
/* With ONNXCC_E_FAULT, in the place of an axis: what the run lacked. 0: it is the data's fault, and
 * the site says how. */
enum onnxcc_lack {
    ONNXCC_LACKS_MEMORY = 1,
    ONNXCC_LACKS_TURBOJPEG,
    ONNXCC_LACKS_PNG,
    ONNXCC_LACKS_TIFF,
    ONNXCC_LACKS_OPENJPEG,
    ONNXCC_LACKS_WEBP,
    ONNXCC_LACKS
};
/* The fault of a kernel or runtime function, which does not know its site: `run` puts that in. */
#define ONNXCC_FAULT_HERE ONNXCC_CODE(ONNXCC_E_FAULT, 0xfffff, 0)
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
/* A tensor of a sequence: dense, row-major; dtype as TensorProto.DataType. */
struct onnxcc_item {
    const void *data;
    const int64_t *shape; /* rank of them */
    int32_t dtype, rank;
};
/* A sequence; an optional: items NULL is nothing, an optional tensor has one item. */
struct onnxcc_sequence {
    const struct onnxcc_item *items;
    size_t count, capacity;
};
#endif

/* NAME_config of every model */
struct onnxcc_config {
    size_t size; /* sizeof the caller's struct; members beyond it count as zero */
    const void *weights;
    size_t weights_bytes;
    const char *weights_path;
    void *state;
    struct onnxcc_pool *pool;
    int (*hook)(void *user, int kernel, int end);
    void *user;
    uint64_t seed;
    /* Models for GPUs: a CUcontext; NULL: the one that is current on the thread that opens, unless
     * it is of another device than a `device` above 0; else the primary one of `device`. */
    void *context;
    int device; /* ordinal */
};

/* ---- one run ---- */
struct onnxcc_model;
struct onnxcc_frame {
    const struct onnxcc_model *model;
    int64_t *syms;         /* n_syms slots; the named dims first */
    char *arena;           /* the plan's buffers: arena + offset; aligned to ONNXCC_ALIGN */
    int64_t arena_bytes;   /* usable from `arena` on */
    const char *weights;   /* payload, aligned to ONNXCC_ALIGN */
    const void *const *in; /* one pointer per input */
    void *const *out;      /* one per output; of unknown size: what the caller gave, or NULL */
    void *state;
    struct onnxcc_pool *pool; /* NULL: the caller alone */
    char *scratch;            /* thread i has scratch + i * scratch_stride */
    int64_t scratch_stride;
    /* Called before (end 0) and after (end 1) each kernel; non-zero stops the run. */
    int (*hook)(void *user, int kernel, int end);
    void *user;
    uint64_t seed;
    int64_t arena_needed; /* set with ONNXCC_E_ARENA: bytes needed from `arena` on */
    void *outputs;        /* the caller's NAME_outputs */
    int32_t threads;      /* jobs a launch may make: limited by pool and scratch */
    int32_t fault;        /* sticky: the first error code; generated code writes it only if 0 */
    int64_t taken;        /* bytes at the arena's end, for strings and sequences (core/arena.c) */
    /* Of a device with memory of its own; `in` and `out` then hold addresses there, but for tensors
     * without ONNXCC_T_DEVICE. */
    char *device_arena;   /* the plan's buffers there */
    int64_t device_bytes; /* usable from device_arena on */
    const char *device_weights;
    void *device;         /* the model's state on it */
    void *stream;         /* of this run */
    const void *const *given; /* the caller's inputs in the host's memory; NULL: they lie there */
};

struct onnxcc_kargs {
    void *const *bufs; /* the kernel's buffers, in its own order (inputs cast away from const) */
    const int64_t *syms;
    struct onnxcc_frame *frame;
};
/* Computes items [lo, hi) of the kernel's parallel iteration space, linearised row-major. `scratch`
 * is this thread's. */
typedef void (*onnxcc_kernel_fn)(const struct onnxcc_kargs *, int64_t lo, int64_t hi,
                                 char *scratch);

/* ---- the description of an entry ---- */
/* onnxcc_tensor.flags
 * UNKNOWN: an output whose size is known only after the run; in NAME_outputs it is
 *          {T *data; size_t capacity; int64_t shape[R];}
 * DEVICE:  lies in memory of the device, where there is one
 * RANGE:   an integer input whose values lie in lo..hi (hi_slot >= 0: hi is syms[hi_slot] - 1) */
enum { ONNXCC_T_UNKNOWN = 1, ONNXCC_T_RANGE = 2, ONNXCC_T_DEVICE = 4 };
/* A sequence in memory of a run: how struct onnxcc_sequence begins. */
struct onnxcc_list {
    struct onnxcc_item *items;
    intptr_t count;
};
/* In place of a TensorProto.DataType: a sequence or an optional, of rank 0. As an input a pointer
 * to struct onnxcc_sequence (NULL: empty, nothing); in NAME_outputs the struct itself, whose items
 * lie in the arena until its next run. */
enum { ONNXCC_SEQUENCE = 64 };
struct onnxcc_axis {
    int64_t size;     /* >= 0: fixed; -1: look into the slot */
    int64_t slot;     /* valid after bind (unknown sizes: after run); < n_dims: exactly that dim */
    const char *text; /* for people: "64", "N", "2*N+1", "?" */
};
struct onnxcc_tensor {
    const char *name; /* as in the model, UTF-8 */
    int32_t dtype;    /* ONNX's TensorProto.DataType, or ONNXCC_SEQUENCE */
    int32_t rank;
    int32_t kind; /* 0 */
    int32_t flags;
    const struct onnxcc_axis *axes;
    int64_t lo, hi;  /* value range, with ONNXCC_T_RANGE */
    int64_t hi_slot; /* -1: none */
};
/* Bounds are inclusive; hi INT64_MAX: unbounded. */
struct onnxcc_dim {
    const char *name;
    int64_t lo, hi;
};
/* "k7_conv_add_max", "Conv_12 Add_13 Relu_14" */
struct onnxcc_kernel {
    const char *name, *origin;
};
/* What can go wrong with data: "\"Gather_3\" (Gather)", "an index is outside of axis 0" */
struct onnxcc_site {
    const char *node, *text;
};

/* One version of the code. `needs`: what the CPU must have, as LLVM feature names separated by
 * commas ("avx2,fma,bmi2", LLVM's "+avx2,-xop" too), levels ("x86-64-v3") and names of CPUs that
 * core/cpu.c lists ("znver4", "sapphirerapids"); empty or NULL: nothing. The first version that
 * fits is taken: best first. */
struct onnxcc_version {
    const char *cpu, *needs;
    int (*run)(struct onnxcc_frame *); /* 0 or an error code; may also leave one in frame->fault */
};
struct onnxcc_host;
struct onnxcc_device;
struct onnxcc_model {
    int32_t abi, flags;
    int32_t n_inputs, n_outputs;
    int32_t n_dims, n_syms; /* n_syms >= n_dims; >= 1 + the two slots below */
    int32_t n_kernels, n_sites;
    int32_t n_versions, n_constraints;
    int32_t slot_arena;   /* after bind: bytes of the plan's buffers, one slot */
    int32_t slot_scratch; /* after bind: scratch bytes of one thread */
    uint64_t signature;
    int64_t weights_bytes; /* payload; 0: no weights */
    uint64_t weights_hash;
    const char *name;   /* NAME */
    const char *target; /* triple, for --info */
    const struct onnxcc_tensor *inputs, *outputs;
    const struct onnxcc_dim *dims;
    const struct onnxcc_kernel *kernels;
    const struct onnxcc_site *sites;
    /* Sentences: "input \"mask\" axis 1 must equal input \"ids\" axis 1". */
    const char *const *constraints;
    const struct onnxcc_version *versions;
    /* From syms[0..n_dims) (within their bounds) computes all other slots. Returns 0,
     * ONNXCC_CODE(ONNXCC_E_CONSTRAINT, k, 0), or ONNXCC_E_OVERFLOW. */
    int (*bind)(int64_t *syms);
    const void *weights;            /* embedded payload, or NULL: file or extern */
    const char *weights_file;       /* base name of the weights file, or NULL */
    const struct onnxcc_host *host; /* &onnxcc_host on hosted targets, else NULL */
    /* Where kernels run on a device: its driver, and the kernels for it; else NULL. In a launch the
     * kernel's function then is the address of its description inside the image. */
    const struct onnxcc_device *device;
    const void *image;
    /* After bind: bytes of the plan's buffers on the device, of its scratch; -1: there is none. */
    int32_t slot_device_arena, slot_device_scratch;
    int32_t scratch_areas; /* that the scratch is divided into: of stream 0, 1, ... */
    int32_t reserved;
};
/* flags. GROWS: a run may need more arena than bind says (value symbols). REPLAY: all that a run
 * does follows from its dimensions, and happens on the device. */
enum { ONNXCC_M_GROWS = 1, ONNXCC_M_REPLAY = 2 };

/* What the caller's arena holds, in this order, each part rounded up to ONNXCC_ALIGN:
 * head (symbol slots, one output pointer each), threads * scratch, the plan's buffers. */
#define ONNXCC_ROUND(n) (((int64_t)(n) + ONNXCC_ALIGN - 1) / ONNXCC_ALIGN * ONNXCC_ALIGN)
#define ONNXCC_HEAD_BYTES(n_syms, n_outputs) ONNXCC_ROUND(8 * ((int64_t)(n_syms) + (n_outputs)))

/* A weights file, and weights that the caller passes: this header (64 bytes, little endian), then
 * the payload. */
struct onnxcc_weights_header {
    char magic[8]; /* "ONNXCCW1" */
    uint64_t bytes, hash;
    uint64_t reserved[5];
};

/* ---- what generated run functions may call (runtime/core) ---- */
/* Runs a kernel over [0, total), split over the pool. `item_ops`: about how many scalar operations
 * an item costs (0: not known), so that small work stays on one thread. total <= 0: nothing but the
 * hook. Does nothing once a hook has stopped the run. */
void onnxcc_launch(struct onnxcc_frame *, int kernel, onnxcc_kernel_fn, void *const *bufs,
                   int64_t total, int64_t item_ops, int64_t scratch_bytes_per_thread);
/* Runs a kernel on the device; `kernel` is its description in the image, `maps` the numbers of its
 * tensor maps (runtime/cuda.h). */
void onnxcc_device_launch(struct onnxcc_frame *, int step, const void *kernel, void *const *bufs,
                          const int64_t *maps, int64_t total);
/* To the device's memory or to the host's. `input` >= 0: what is copied is that input. */
void onnxcc_device_copy(struct onnxcc_frame *, int step, int input, void *to, const void *from,
                        int64_t bytes, int to_device);
/* Input k from the caller's memory, output k to it; nothing where the caller's is the device's. */
void onnxcc_device_input(struct onnxcc_frame *, int step, int k, int64_t bytes);
void onnxcc_device_output(struct onnxcc_frame *, int step, int k, int64_t bytes);
/* What was copied from the device has arrived; faults of its kernels are in the frame. */
void onnxcc_wait(struct onnxcc_frame *);
/* Several streams of the device; n: a stream or an event. FORK: all begin behind what was queued
 * on stream 0. USE: launches go to stream n, and copies to 0. WAIT: that stream waits for event n
 * (0: the fork). EVENT: n is recorded there. JOIN: stream 0 waits for all others. */
enum { ONNXCC_STREAMS = 4 };
enum onnxcc_stream {
    ONNXCC_STREAM_FORK,
    ONNXCC_STREAM_USE,
    ONNXCC_STREAM_WAIT,
    ONNXCC_STREAM_EVENT,
    ONNXCC_STREAM_JOIN
};
void onnxcc_device_stream(struct onnxcc_frame *, int act, int n);
/* As onnxcc_arena_fit, of the device's arena. */
int onnxcc_device_fit(struct onnxcc_frame *, int64_t bytes);
/* The plan needs `bytes` from frame->arena on. 0, or an error code to return. */
int onnxcc_arena_fit(struct onnxcc_frame *, int64_t bytes);
/* Moves n pieces of the arena, which lie at offset[], to `from` and behind, one after the other;
 * offset[] then says where. `bytes` are multiples of ONNXCC_ALIGN; pieces lie below `from`, or
 * above it and in nobody's way. *end: of the last. 0, or an error code to return. */
int onnxcc_arena_keep(struct onnxcc_frame *, int64_t n, const int64_t *bytes, int64_t from,
                      int64_t *offset, int64_t *end);
/* Where output k of unknown size (its slots are set) shall be written: the caller's memory where it
 * gave any (too small: E_CAPACITY becomes the fault and `place` is returned), else `place`, in the
 * arena; the caller receives the address. */
void *onnxcc_out_place(struct onnxcc_frame *, int k, void *place);
void onnxcc_fault(struct onnxcc_frame *, int code); /* keeps the first */

/* Runtime operators: 0 or an error code. bufs and args are listed at each definition
 * (core/calls_*.c). */
int onnxcc_call_seed(struct onnxcc_frame *, void *const *bufs, const int64_t *args);
int onnxcc_call_nms(struct onnxcc_frame *, void *const *bufs, const int64_t *args);
int onnxcc_call_fourier(struct onnxcc_frame *, void *const *bufs, const int64_t *args);
int onnxcc_call_twister(struct onnxcc_frame *, void *const *bufs, const int64_t *args);
int onnxcc_call_nonzero_count(struct onnxcc_frame *, void *const *bufs, const int64_t *args);
int onnxcc_call_nonzero_fill(struct onnxcc_frame *, void *const *bufs, const int64_t *args);
int onnxcc_call_image_size(struct onnxcc_frame *, void *const *bufs, const int64_t *args);
int onnxcc_call_image_pixels(struct onnxcc_frame *, void *const *bufs, const int64_t *args);
int onnxcc_call_topk(struct onnxcc_frame *, void *const *bufs, const int64_t *args);
int onnxcc_call_sort(struct onnxcc_frame *, void *const *bufs, const int64_t *args);

int onnxcc_call_seq_none(struct onnxcc_frame *, void *const *bufs, const int64_t *args);
int onnxcc_call_seq_construct(struct onnxcc_frame *, void *const *bufs, const int64_t *args);
int onnxcc_call_seq_insert(struct onnxcc_frame *, void *const *bufs, const int64_t *args);
int onnxcc_call_seq_erase(struct onnxcc_frame *, void *const *bufs, const int64_t *args);
int onnxcc_call_seq_split(struct onnxcc_frame *, void *const *bufs, const int64_t *args);
int onnxcc_call_seq_length(struct onnxcc_frame *, void *const *bufs, const int64_t *args);
int onnxcc_call_seq_shape(struct onnxcc_frame *, void *const *bufs, const int64_t *args);
int onnxcc_call_seq_at(struct onnxcc_frame *, void *const *bufs, const int64_t *args);
int onnxcc_call_seq_concat_shape(struct onnxcc_frame *, void *const *bufs, const int64_t *args);
int onnxcc_call_seq_concat(struct onnxcc_frame *, void *const *bufs, const int64_t *args);
int onnxcc_call_opt_has(struct onnxcc_frame *, void *const *bufs, const int64_t *args);
int onnxcc_call_opt_get(struct onnxcc_frame *, void *const *bufs, const int64_t *args);
int onnxcc_call_str_unpack(struct onnxcc_frame *, void *const *bufs, const int64_t *args);
int onnxcc_call_str_equal(struct onnxcc_frame *, void *const *bufs, const int64_t *args);
int onnxcc_call_str_concat(struct onnxcc_frame *, void *const *bufs, const int64_t *args);
int onnxcc_call_str_find(struct onnxcc_frame *, void *const *bufs, const int64_t *args);
int onnxcc_call_int_find(struct onnxcc_frame *, void *const *bufs, const int64_t *args);
int onnxcc_call_str_split_count(struct onnxcc_frame *, void *const *bufs, const int64_t *args);
int onnxcc_call_str_split(struct onnxcc_frame *, void *const *bufs, const int64_t *args);
int onnxcc_call_str_match(struct onnxcc_frame *, void *const *bufs, const int64_t *args);
int onnxcc_call_str_normalize_count(struct onnxcc_frame *, void *const *bufs, const int64_t *args);
int onnxcc_call_str_normalize(struct onnxcc_frame *, void *const *bufs, const int64_t *args);
int onnxcc_call_str_of_float(struct onnxcc_frame *, void *const *bufs, const int64_t *args);
int onnxcc_call_str_of_int(struct onnxcc_frame *, void *const *bufs, const int64_t *args);
int onnxcc_call_str_to_float(struct onnxcc_frame *, void *const *bufs, const int64_t *args);
int onnxcc_call_str_to_int(struct onnxcc_frame *, void *const *bufs, const int64_t *args);
/* Where input k, a sequence, lies: what stands for NULL is nothing. */
const void *onnxcc_in_sequence(struct onnxcc_frame *, int k);

/* ---- what the wrappers call ---- */
int onnxcc_core_open(const struct onnxcc_model *, void *ctx, const struct onnxcc_config *,
                     uint64_t signature);
size_t onnxcc_core_arena_bytes(const struct onnxcc_model *, const int64_t *dims, int threads,
                               int64_t *syms);
int onnxcc_core_run(const struct onnxcc_model *, const void *ctx, const void *inputs, void *outputs,
                    const int64_t *dims, void *arena, size_t arena_bytes);
void onnxcc_core_close(const struct onnxcc_model *, void *ctx);
int onnxcc_core_explain(const struct onnxcc_model *, int code, char *buf, size_t n);
/* Of models for a device: bytes of the caller's arena there; a run on device addresses, queued on a
 * stream; the first fault of what has ended. */
size_t onnxcc_core_device_bytes(const struct onnxcc_model *, const int64_t *dims, int64_t *syms);
int onnxcc_core_run_device(const struct onnxcc_model *, const void *ctx, const void *inputs,
                           void *outputs, const int64_t *dims, void *arena, size_t arena_bytes,
                           void *stream);
int onnxcc_core_status(const struct onnxcc_model *, const void *ctx);

/* ---- runtime/host ---- */
/* What core may ask of a hosted target; any member may be NULL. */
struct onnxcc_host {
    /* Maps a weights file: `path`, or where that is NULL `file` beside the program. */
    const void *(*map)(const char *path, const char *file, size_t *bytes);
    void (*unmap)(const void *, size_t bytes);
};
extern const struct onnxcc_host onnxcc_host;

/* A device with memory of its own. Functions that fail return ONNXCC_E_DEVICE, or leave it in the
 * frame. */
struct onnxcc_device_use;
struct onnxcc_device {
    int (*open)(const struct onnxcc_model *, const struct onnxcc_config *, const char *weights,
                void **state);
    void (*close)(void *state);
    /* The whole of a run from the caller's memory and back. */
    int (*run)(struct onnxcc_frame *, int (*run)(struct onnxcc_frame *));
    /* With device_arena, stream and the caller's addresses on the device; nothing is waited for
     * unless the host must look. */
    int (*run_on)(struct onnxcc_frame *, int (*run)(struct onnxcc_frame *));
    /* Room in the host's memory for the head and arena of a run_on, which one caller has at a time
     * until it is given back. NULL: no memory. */
    void *(*room)(void *state, size_t bytes);
    void (*room_done)(void *state);
    int (*status)(void *state);
    void (*launch)(struct onnxcc_frame *, int step, const void *kernel, void *const *bufs,
                   const int64_t *maps, int64_t total);
    void (*copy)(struct onnxcc_frame *, int step, int input, void *to, const void *from,
                 int64_t bytes, int to_device);
    void (*input)(struct onnxcc_frame *, int step, int k, int64_t bytes);
    void (*output)(struct onnxcc_frame *, int step, int k, int64_t bytes);
    void (*stream)(struct onnxcc_frame *, int act, int n);
    void (*wait)(struct onnxcc_frame *);
    const char *(*said)(int code); /* this thread's last failure with this code, or NULL */
    /* For programs: when steps of a run began and ended there, in milliseconds; false: no more. */
    void (*trace)(void *state, int on);
    int (*traced)(void *state, int i, int *step, double *begin, double *end);
    void (*use)(void *state, struct onnxcc_device_use *);
    /* For measurements: from now on inputs and outputs of runs stay where the run before has put
     * them, and runs are only queued. Off: waits for all of them; 0, or what went wrong. */
    int (*stay)(void *state, int on);
};
struct onnxcc_device_use {
    const char *name; /* of the device */
    int64_t weights, arena, staging, most; /* bytes in its memory; all together at most so many */
    int64_t replays;                       /* runs that were replayed as a whole */
};
extern const struct onnxcc_device onnxcc_cuda;
struct onnxcc_pool *onnxcc_host_pool_new(int threads);
void onnxcc_host_pool_free(struct onnxcc_pool *);
int onnxcc_host_main(int argc, char **argv, const struct onnxcc_model *const *models, int n_models);

#endif
