/* Shared by gpu_attention*.c: a kernel of attention, its parts found and what they become. */
#ifndef ONNXCC_PASSES_GPU_ATTENTION_H
#define ONNXCC_PASSES_GPU_ATTENTION_H

#include "passes/kernel/schedule.h"

enum { MOST_KEYED = 8 };

typedef struct Keyed { /* a temp with an element per key, and what it becomes */
    Tensor *old, *now;
} Keyed;

typedef struct Online {
    Program *program;
    Ctx *ctx;
    Kernel *kernel;
    Stmt *scores, *max, *p, *sum, *o;
    int n_final; /* statements behind o */
    Var *row[MAX_RANK];
    int n_rows;
    Var *e; /* of o */
    int lanes, block; /* threads that share a row; keys of a block */
    DType matrices;   /* q, k and v lie in memory as this, and warps multiply them; else none */
    Var *j, *u, *lane, *k, *w;
    Var *pair, *side; /* of matrices: keys, and columns, come in pairs */
    Var *key[4], *width[3]; /* the variables of a key, and of a column */
    int n_key, n_width;
    bool finite;     /* exponents are differences from a finite maximum, the sum may be 0 */
    bool leaves_max; /* something behind o reads the maximum */
    Expr *there;     /* does the key exist? NULL: it always does */
    Keyed keyed[MOST_KEYED];
    int n_keyed;
    Tensor *top, *best, *old, *last, *fade, *wide;
    Tensor *narrow; /* the exponentials as matrices take them; NULL: as they are */
} Online;

/* ---- schedule_gpu_attention_mma.c ---- */
/* Keys of a block whose factors warps multiply as matrices of such a depth and width; 0: none fit
 * into shared memory. */
int gpu_attention_block(int64_t depth, int64_t width);

/* ---- gpu_attention_find.c ---- */
/* Is the kernel attention, scores first? Finds its parts and how many lanes share a row. Exact:
 * factors keep all their bits. */
bool attention_find(Online *, bool exact);
Var *attention_own_var(const Online *, const Stmt *); /* rows, then this one; NULL: others */
/* The variable of a statement behind o that runs along its width; NULL: it has another form */
Var *attention_width(const Online *, const Stmt *);

#endif
