/* A model on an NVIDIA GPU: what open makes, and runs use. Shared by cuda.c (opening), cuda_run.c
 * (one run) and cuda_graph.c (runs that are replayed). */
#ifndef ONNXCC_RUNTIME_CUDA_STATE_H
#define ONNXCC_RUNTIME_CUDA_STATE_H

#include "../cuda.h"
#include "cuda_driver.h"

#include <pthread.h>

struct cuda_block { /* of the GPU's memory */
    CuPointer at;
    size_t bytes;
};
struct cuda_event {
    CuEvent begin, end;
    int step;
};
/* A run with these dimensions and addresses, recorded. */
struct cuda_replay {
    int64_t *key; /* n_key of them; NULL: this place is free */
    CuExec exec;  /* NULL: not recorded yet */
    bool refused; /* the driver would not record it */
    int64_t used; /* number of the run that used it last */
};
enum { CUDA_REPLAYS = 8, CUDA_STREAMS = ONNXCC_STREAMS };
struct cuda {
    struct cuda_driver d;
    const struct onnxcc_model *model;
    const struct onnxcc_cuda_image *image;
    char name[128];
    int device, chip; /* 90: compute capability 9.0 */
    CuContext context;
    bool primary; /* the context is the device's own one, retained */
    CuStream stream;
    const struct onnxcc_cuda_binary *binary; /* what is loaded of the image */
    const char *wanted; /* ONNXCC_CUDA_CODE: the name of the one that is to be loaded; NULL: any */
    CuModule *module;
    CuFunction *function; /* by index in the image */
    /* A flag per step of the model, in the host's memory, where kernels write it; then as many for
     * runs on the caller's stream, which may be under way while others are waited for. */
    int32_t *fault;
    CuPointer fault_at;
    int n_faults;
    struct cuda_block weights, arena, staging;
    size_t used, most;
    bool careful; /* ONNXCC_CUDA_SYNC=1: waits for every kernel, to name the one that fails */
    /* What follows belongs to the run that holds the lock. */
    pthread_mutex_t lock;
    const void **in; /* the addresses of its inputs */
    char *room;      /* the host's part of a run on device addresses */
    size_t room_bytes;
    bool pending;    /* copies between the memories are under way */
    /* Stream 0 is the run's own one; the others and their events are made when they are needed. */
    CuStream side[CUDA_STREAMS];
    int now;           /* where launches go */
    CuEvent *event_of;                /* by number, then one of each stream for the join */
    int cap_event_of;
    unsigned busy;    /* a bit for each stream since the fork */
    bool one_stream;  /* ONNXCC_CUDA_STREAMS=0, or ONNXCC_CUDA_SYNC=1 */
    bool serial;      /* this run has one */
    bool stay;       /* nothing is copied from and to the caller, and nobody waits */
    bool recording;
    int64_t runs, replays;
    struct cuda_replay replay[CUDA_REPLAYS];
    int64_t *key;
    int n_key;
    bool replays_allowed;
    struct cuda_event *event;
    int n_events, cap_events;
    bool tracing;
};

/* ---- cuda.c ---- */
/* 0, or the error code with its sentence: doing what, and what the driver says. */
int cuda_check(struct cuda *, int driver_code, const char *doing);
/* Memory of at least so many bytes; what it held is lost. */
int cuda_grow(struct cuda *, struct cuda_block *, size_t bytes, const char *what);
int cuda_enter(struct cuda *); /* its context becomes this thread's */
void cuda_leave(struct cuda *);

/* ---- cuda_run.c ---- */
int cuda_run(struct onnxcc_frame *, int (*run)(struct onnxcc_frame *));
int cuda_run_on(struct onnxcc_frame *, int (*run)(struct onnxcc_frame *));
void cuda_launch(struct onnxcc_frame *, int step, const void *kernel, void *const *bufs,
                 const int64_t *maps, int64_t total);
void cuda_copy(struct onnxcc_frame *, int step, int input, void *to, const void *from,
               int64_t bytes, int to_device);
void cuda_input(struct onnxcc_frame *, int step, int k, int64_t bytes);
void cuda_output(struct onnxcc_frame *, int step, int k, int64_t bytes);
void cuda_wait(struct onnxcc_frame *);
/* 0, or the code of the first fault from this flag on, of n_faults; they are taken back. */
int cuda_first_fault(struct cuda *, int from);
int cuda_stay(void *state, int on);
int cuda_sync(struct onnxcc_frame *); /* everything of this run has ended */
int64_t cuda_tensor_bytes(const struct onnxcc_frame *, const struct onnxcc_tensor *);

/* ---- cuda_map.c ---- */
struct cuda_map {
    _Alignas(64) uint64_t opaque[16];
};
/* The tensor maps of a launch, from the numbers that runtime/cuda.h says; the driver's code. */
int cuda_maps(struct cuda *, const struct onnxcc_cuda_kernel *, void *const *bufs,
              const int64_t *numbers, struct cuda_map *);
bool cuda_wants_maps(const struct onnxcc_cuda_image *); /* of a driver, for code of one chip */

/* ---- cuda_streams.c ---- */
void cuda_streams_begin(struct onnxcc_frame *, bool serial); /* of a run */
void cuda_stream(struct onnxcc_frame *, int act, int n);
void cuda_join(struct onnxcc_frame *); /* where the run ends between fork and join */
CuStream cuda_now(const struct onnxcc_frame *);
void cuda_streams_close(struct cuda *);

/* ---- cuda_pointers.c ---- */
/* Are the caller's addresses of a run on the device aligned, and on the right side? 0, or a code.
 */
int cuda_check_pointers(struct onnxcc_frame *);

/* ---- cuda_graph.c ---- */
/* The whole run as one launch, where this one is like an earlier one; NULL: it is not. Inputs and
 * outputs are copied by the caller. */
CuExec cuda_recorded(struct onnxcc_frame *, int (*run)(struct onnxcc_frame *));
void cuda_replay_close(struct cuda *);

/* ---- cuda_trace.c ---- */
void cuda_trace(void *state, int on);
int cuda_traced(void *state, int i, int *step, double *begin, double *end);
int cuda_trace_begin(struct onnxcc_frame *, int step); /* the event's number; -1: none */
void cuda_trace_end(struct onnxcc_frame *, int event);
void cuda_trace_close(struct cuda *);

#endif
