/* Shared by schedule*.c: how kernels are classified and how nests are built. */
#ifndef ONNXCC_PASSES_SCHEDULE_H
#define ONNXCC_PASSES_SCHEDULE_H

#include "passes/passes.h"

typedef struct Sched {
    Program *program;
    Ctx *ctx;
    Kernel *kernel;
    const Machine *machine;
    int level;   /* -O */
    int revision; /* so often the code of the schedule before this one asked too much of a GPU */
    bool strict; /* --fp=strict: a sum stays the one chain that its recipe says */
    bool fast;   /* --fp=fast: factors in f32 may lose bits */
    How *how;
    /* Versions by shape class: where the number of rows of a tile is symbolic, a version for few
     * rows stands in front. */
    Expr *rows;        /* set with a tile: the symbolic number of rows (or columns), or NULL */
    int64_t few_lanes; /* > 0: make the version for few rows, with tiles of this width */
    /* On GPUs: versions for up to so many rows, 0: the one for any number; the tile chosen, and how
     * many groups of threads share the reduction */
    int64_t most_rows;
    const struct TileShape *tile;
    int slices;
    bool matrices; /* warps multiply them */
} Sched;

/* ---- schedule_nest.c: building a how ---- */
/* Parent NULL: at the top; returns the new loop */
Nest *nest_loop(Sched *, Nest *parent, Var *, Bind);
void nest_stmt(Sched *, Nest *parent, Stmt *);
void nest_stage(Sched *, Nest *parent, Stage *);
void how_split(Sched *, Var *, int64_t factor, Tail, Var **outer, Var **inner);
Var *how_collapse(Sched *, Var *const *from, int n); /* n == 1: the variable itself */
void how_home(Sched *, Tensor *temp, Space);
void how_by(Sched *, Stmt *, Recipe); /* under this how alone */
int64_t extent_or(const Expr *, int64_t otherwise); /* the constant, or otherwise */

/* ---- schedule_access.c: questions about strides ---- */
/* Stride of the access in elements when v goes up by one: a constant, 0 where v does not occur, or
 * ACCESS_FAR. */
enum { ACCESS_FAR = 1 << 30 };
int64_t load_stride(Ctx *, const Expr *load, Var *);
/* In how many sectors of 32 bytes 16 neighbours along v lie; where that is not known, 16 */
int load_sectors(Ctx *, const Expr *load, Var *v);
int64_t store_stride(Ctx *, const Stmt *, Var *);
typedef struct Loads {
    const Expr *at[64];
    int n;
} Loads;
void stmt_loads(const Stmt *, Loads *); /* loads of the value, outermost first */
/* The variable of dom or red along which the statement's accesses are most contiguous; NULL where
 * nothing is to be gained. */
Var *vector_var(Ctx *, const Stmt *, bool *is_red);
bool stmt_has_dom(const Stmt *, const Var *);
bool stmt_has_red(const Stmt *, const Var *);

/* Does the reduction run in lanes over its innermost variable? Sets recipe.lanes where their number
 * changes nothing. */
bool schedule_lanes(Sched *, Stmt *);

/* ---- schedule_rows.c: neighbouring axes ---- */
Expr *schedule_store_offset(Ctx *, const Stmt *);
/* Is a * extent(b) + b what the offset depends on? */
bool schedule_merges(Ctx *, Expr *offset, Var *a, Var *b);
bool schedule_can_collapse(Ctx *, const Stmt *, Var *a, Var *b); /* in every access */
/* Domain variables, largest stride of the store first; returns how many. */
int schedule_order_by_store(Ctx *, const Stmt *, Var **order);

/* ---- one kind of kernel each; false: not of this kind ---- */
bool schedule_attention(Sched *); /* contraction, row operations, contraction */
bool schedule_tile(Sched *);      /* one reduction in a register tile with what follows it */
/* Anything: shared outer loops, then every statement on its own */
void schedule_rows(Sched *);

/* ---- schedule.c ---- */
How *schedule_new_how(Ctx *, const Machine *);
Kernel *schedule_plain_copy(Program *, const Kernel *); /* which scheduling does not change */
/* Gives the kernel its schedules for a machine. A later revision needs no more registers of a
 * thread than one before it; 0 is the first choice. */
void schedule_kernel(Program *, Kernel *, const Machine *, const Options *, int revision);

/* ---- for GPUs ---- */
/* gpu_rows_turn.c: weights of a product with few rows are stored along the reduction. */
void gpu_rows_turn(Program *, Stmt *);
bool schedule_is_gpu(const Sched *);
/* Passes of GPUs alone: `change` for each kernel that runs on one. Did any of them change? */
bool change_gpu_kernels(Program *, const Options *, bool (*change)(Program *, Kernel *));
bool runs_on_gpu(const Options *, const Item *); /* a kernel that does */
/* The same where more kernels come of one: `cut` gets a block and an item's place in it, and gives
 * the place behind which the walk goes on; -1: nothing changed. */
typedef int CutKernel(Program *, const Options *, Block *, int at);
bool cut_gpu_kernels(Program *, const Options *, CutKernel *cut);
/* A new kernel at this place, on the same side and of the same nodes as another one. */
Kernel *gpu_kernel_beside(Program *, Block *, int at, const Item *of, const char *name);
/* Are all elements along v neighbours in memory, but for scales of blocks? */
bool gpu_is_near(Ctx *, const Stmt *, Var *v);
bool gpu_is_product(const Stmt *); /* a sum of products, as in contractions; a square is none */
/* A product in which every element is used many times is a matter of tiles. */
bool gpu_is_tile(Ctx *, const Stmt *);
/* Of a name of its own */
Var *gpu_fresh_var(Ctx *, const Kernel *, const char *base, Expr *extent);
void schedule_gpu_maps(Sched *); /* maps over the same domain */
/* False: not of this kind */
bool schedule_gpu_rows(Sched *); /* reductions along rows */
enum { GPU_TILE_SIDE = 5 };      /* least rows and columns that make tiles of products */
bool schedule_gpu_tile(Sched *); /* a sum of products and what follows it */
/* Versions with other tiles for fewer rows, where their number is symbolic. */
void schedule_gpu_tile_classes(Sched *);
bool schedule_gpu_attention(Sched *); /* a running maximum */

/* ---- gpu_rows_keep.c ---- */
/* Rows along q: what several statements need is kept in registers. */
void gpu_rows_keep(Program *, Kernel *, Var *const *shared, int n_shared, Var *q, Recipe);

/* ---- schedule_gpu_scan.c ---- */
bool gpu_scan_recipe(Ctx *, Kernel *);
bool schedule_gpu_scan(Sched *); /* a scan in lanes; false: none */

/* ---- schedule_gpu_turns.c ---- */
bool schedule_gpu_turns(Sched *); /* maps through tiles in shared memory; false: none */

/* ---- schedule_scatter.c ---- */
bool schedule_scatter(Sched *); /* false: more than a scatter */

#endif
