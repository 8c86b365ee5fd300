/* What a program for NVIDIA GPUs carries: one read-only block, written by the compiler
 * (codegen/cuda/image.c) and read by runtime/host/cuda.c. It holds the kernels compiled for each
 * architecture, and how to launch each. All offsets count from the block's first byte, so that the
 * block needs no relocation. Little endian, naturally aligned. */
#ifndef ONNXCC_RUNTIME_CUDA_H
#define ONNXCC_RUNTIME_CUDA_H

#include <stdint.h>

#define ONNXCC_CUDA_MAGIC "ONNXCUD3"

struct onnxcc_cuda_image {
    char magic[8];
    int32_t n_kernels, n_binaries;
    int32_t n_modules;         /* of each binary: the kernels come in so many pieces */
    int32_t kernels, binaries; /* where the two tables begin */
};

/* CUBIN runs on chips of its major version with the same or a higher minor one; EXACT (sm_90a) on
 * its own version alone; PTX, compiled by the driver, on this version and all later ones. */
enum onnxcc_cuda_kind { ONNXCC_CUDA_CUBIN, ONNXCC_CUDA_EXACT, ONNXCC_CUDA_PTX };
struct onnxcc_cuda_binary {
    char name[16];      /* "sm_90a", "compute_80" */
    int32_t arch, kind; /* 90; enum onnxcc_cuda_kind */
    int32_t modules;    /* where their table begins */
    int32_t uses;       /* where one struct onnxcc_cuda_use per kernel begins; 0: PTX has none */
};
struct onnxcc_cuda_module {
    int64_t at, bytes; /* a NUL follows */
};
/* What ptxas says of a kernel: registers; bytes of stack, of shared memory of a block (beside what
 * a launch asks for), and of registers that it stores and loads again. */
struct onnxcc_cuda_use {
    int32_t registers, stack, shared, spill_stores, spill_loads;
};

/* A tensor map, which a launch of EXACT code makes of a buffer and the program's numbers: how many
 * elements in front of the tensor; of each dimension, innermost first, extent and distance in
 * elements, the first distance being 1. */
enum { ONNXCC_CUDA_MAP_DIMS = 5, ONNXCC_CUDA_MAPS = 4 /* of a launch */ };
struct onnxcc_cuda_map {
    int32_t buf;                        /* position in the launch's list */
    int32_t type;                       /* of its elements: CUtensorMapDataType */
    int32_t bytes;                      /* of an element */
    int32_t n_dims;
    int32_t size[ONNXCC_CUDA_MAP_DIMS]; /* of the box; the first one decides the swizzle */
};

/* A launch takes, in this order: the buffers args[0..n_bufs) (positions in the launch's list), the
 * symbols args[n_bufs..) (slots), with FAULTS the address of a 32-bit flag, with SCRATCH an address
 * and the bytes of each share (64 bits), then lo and hi, then tensor maps (128 bytes, by value).
 * Symbols, lo and hi have 32 bits with SMALL, else 64. */
enum { ONNXCC_CUDA_FAULTS = 1, ONNXCC_CUDA_SCRATCH = 2, ONNXCC_CUDA_SMALL = 4 };
struct onnxcc_cuda_kernel {
    int32_t at;        /* of this struct itself */
    int32_t name;      /* text with a NUL */
    int32_t index;     /* in the table */
    int32_t flags;
    int32_t n_bufs, n_syms;
    int32_t args;      /* n_bufs + n_syms int32_t */
    int32_t per_block; /* items of the parallel space that a block takes in one step */
    int32_t max_blocks, threads;
    int32_t shared; /* bytes of dynamic shared memory that a launch asks for */
    int32_t module; /* which one holds it */
    int32_t n_maps, maps; /* struct onnxcc_cuda_map */
};

#endif
