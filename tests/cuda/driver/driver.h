/* A libcuda.so.1 without a GPU: what programs of --device=cuda ask of the driver, done on this
 * machine. Kernels come from a library made of the program's CUDA text and the emulation header.
 *
 * It is stricter than a GPU: memory of the device can only be touched by kernels and copies; what
 * is queued on a stream happens when somebody waits for a stream, and not before; streams that
 * nothing orders run in a random order; kernels get addresses of the device alone; every call needs
 * a current context, and the one that its kernel or stream was made in.
 *
 *   FAKE_CUDA_KERNELS=FILE.so   that library; several, separated by ':'
 *   FAKE_CUDA_CHIP=80           compute capability
 *   FAKE_CUDA_MEMORY=BYTES      more than that is out of memory
 *   FAKE_CUDA_DEVICES=1         how many there are
 *   FAKE_CUDA_VERSION=12080     of the driver
 *   FAKE_CUDA_FAULT=N           the N-th kernel ends with an illegal address
 *   FAKE_CUDA_LIMIT=1           every launch asks for more than the chip has
 *   FAKE_CUDA_MAPS=0            no tensor map is made
 *   FAKE_CUDA_REFUSE=cubin      module data that this driver does not take: cubin, ptx, all
 *   FAKE_CUDA_SEED=1            of the order of streams
 *   FAKE_CUDA_FORGET=N          the N-th time that a stream shall wait for an event it does not
 *   FAKE_CUDA_SAY=1             a line for every graph that is launched, and for what is left at
 *                               the end
 *
 *
 * Code for one chip must come with its tensor maps, which are checked where the kernel uses them.
 * Compiled with FAKE_CUDA_OLD it has no graphs, and no tensor maps. */
#ifndef FAKE_CUDA_DRIVER_H
#define FAKE_CUDA_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../../runtime/emu/map.h"

enum {
    OK,
    INVALID = 1,
    NO_MEMORY = 2,
    NO_DEVICE = 100,
    NO_CONTEXT = 201,
    NO_BINARY = 209,
    BAD_HANDLE = 400,
    NOT_FOUND = 500,
    NOT_READY = 600,
    ILLEGAL_ADDRESS = 700,
    TOO_LARGE = 701,
    NO_CAPTURE = 900,
    UNJOINED = 904
};
enum { MAX_STREAMS = 64, MAX_DEPENDENCIES = 32, MAP_BYTES = 128 };

/* ---- contexts.c ---- */
long setting(const char *name, long otherwise);
void *lock_driver(void);
void unlock_driver(void *);
/* The rest of the function runs alone; several threads may use the driver. */
#define ALONE __attribute__((cleanup(unlock_driver), unused)) void *alone = lock_driver()
const void *current_context(void); /* NULL: this thread has none */

/* ---- memory.c ---- */
bool is_host_block(const void *); /* pinned memory */
bool is_device_range(uint64_t at, size_t bytes);
void open_memory(bool); /* may this process touch the device's memory? */
int count_blocks(void);

/* ---- streams.c ---- */
typedef void (*Packed)(unsigned blocks, unsigned threads, void **args);
typedef enum Kind { KERNEL, COPY, RECORD, WAIT, GRAPH } Kind;
typedef struct Capture Capture;
typedef struct Set { /* of nodes of a capture */
    int at[MAX_DEPENDENCIES], n;
} Set;
typedef struct Event {
    double ms;
    bool *newest; /* has its newest record happened? */
    bool untimed;
    Capture *capture; /* recorded in a stream that is captured: what that stream had done */
    Set set;
} Event;
typedef struct Op {
    Kind kind;
    Packed run;
    unsigned blocks, threads;
    int n;
    uint64_t *args;
    EmuMap *maps; /* n_maps of them */
    int n_maps;
    void *to, *from;
    size_t bytes;
    Event *event;
    const Capture *graph;
    bool *done; /* RECORD, WAIT: that one; GRAPH: by node */
} Op;
typedef struct Queue {
    Op *at;
    int from, n, cap;
} Queue;
typedef struct Stream {
    const void *context;
    Queue queue;
    Capture *capture;
    Set last; /* its newest nodes */
} Stream;
extern Stream streams[MAX_STREAMS]; /* 0: the default one */
extern int n_streams;
Stream *stream_of(void *);
int queue_op(void *stream, Op); /* into its queue, or into the graph that is captured */
int drain(Stream *);            /* until it is empty; others run as chance has it */
unsigned pick(unsigned n);      /* a random number below n */
void perform(const Op *);       /* a kernel or a copy */

/* ---- graphs.c ---- */
int capture_op(Stream *, Op);
void capture_record(Stream *, Event *);
int capture_wait(Stream *, const Event *);
bool perform_node(Op *); /* one node of the graph that is ready; true: that was the last */

#endif
