/* Shared by schedule_gpu_attention*.c: attention whose keys come block by block. */
#ifndef ONNXCC_PASSES_SCHEDULE_GPU_ATTENTION_H
#define ONNXCC_PASSES_SCHEDULE_GPU_ATTENTION_H

#include "passes/kernel/schedule_gpu_tile.h"

typedef struct Flash {
    Sched *s;
    const Stmt *best, *sum, *o;
    Var *j, *lane;
    Var *row[MAX_RANK]; /* of the best, without j */
    int n_rows;
    Var *each;      /* rows of a thread; NULL: one */
    Var *own;       /* the rows of a block */
    bool few;       /* these are of several heads */
    int64_t copies; /* bytes of shared memory */
    Nest *inside;
} Flash;

/* Is it iterated outside of what a thread has of a statement? */
bool gpu_attention_is_outside(const Flash *, const Var *);
bool gpu_attention_in_blocks(const Flash *, const Stmt *); /* Does it run along the keys? */

/* ---- schedule_gpu_attention_mma.c ---- */
/* False: its factors are no matrices. */
bool schedule_gpu_attention_mma(Flash *);

#endif
