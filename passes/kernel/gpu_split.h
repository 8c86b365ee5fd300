/* Shared by gpu_split*.c: a long reduction that is cut into parts. */
#ifndef ONNXCC_PASSES_GPU_SPLIT_H
#define ONNXCC_PASSES_GPU_SPLIT_H

#include "passes/kernel/schedule.h"

typedef struct GpuSplit {
    Program *program;
    Ctx *ctx;
    Kernel *kernel;
    int n_front; /* reductions over one box, with which the kernel begins */
    int n_own;   /* statements, these included, that only need their results at one element */
    bool rows;   /* threads of a block share a row: the partial results of one lie together */
    int axis;    /* which reduction variable is cut */
    Expr *parts, *chunk; /* into how many, of how many of its values each */
    Var *part, *inside;
} GpuSplit;

/* ---- gpu_split_cost.c ---- */
/* Sets rows, axis, parts and chunk. False: two kernels do not pay. */
bool gpu_split_pays(GpuSplit *);

#endif
