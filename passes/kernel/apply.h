/* Shared by apply_schedule*.c: the state while one kernel and one how become explicit loops. */
#ifndef ONNXCC_PASSES_APPLY_H
#define ONNXCC_PASSES_APPLY_H

#include "ir/loops.h"
#include "passes/passes.h"

/* Where a temp lives: a box of its roots (variables after collapsing), as large as the loops below
 * its place need. Element (r0, r1, ..) has offset sum(rank(r - base) * stride). */
typedef struct Box {
    Tensor *temp, *buffer; /* buffer: the flat tensor of the loops level */
    Nest *place;           /* NULL: the kernel's body */
    Stmt *def;
    int n;
    Var *root[MAX_RANK];
    Var *running; /* a scan under way: the loop that it runs along, of which one element is kept */
    Expr *base[MAX_RANK], *size[MAX_RANK], *stride[MAX_RANK];
    /* where values of a root have gaps: the rank of the one that is `local` above the base */
    Var *local[MAX_RANK];
    Expr *rank[MAX_RANK];
    Expr *elements;
    int lanes; /* > 1: partial results of a reduction, innermost */
    Tensor *lane_buffer;
} Box;

/* Where a copy of a factor lies. */
typedef struct StageBox {
    const Stage *stage;
    Nest *place, *loop; /* where it is declared (NULL: the kernel's body), where it is made */
    Tensor *buffer;
    bool made; /* what stands behind it reads it */
} StageBox;

typedef struct Binding {
    Var *var;
    Expr *value;
} Binding;
typedef struct Apply {
    Ctx *ctx;
    Kernel *kernel;
    How *how;
    LFunc *func;
    VEC(Binding) bound; /* loop variables in scope and what they stand for */
    /* loop bounds that differ from the variable's extent (peeled remainders) */
    VEC(Binding) extent;
    VEC(Var *) guarded; /* roots in the masked tile: value < extent must be checked */
    VEC(Box *) boxes;
    VEC(StageBox) stages;
    VEC(Stmt *) started; /* reductions whose identity has been written */
    Expr *scratch;       /* bytes handed out so far */
    Expr *linear;        /* index into the parallel space */
} Apply;

/* ---- apply_vars.c ---- */
/* The split that replaces the variable, or NULL */
Split *apply_split_of(Apply *, const Var *);
Split *apply_split_by_outer(Apply *, const Var *);
/* Of an original variable: itself, or what it was collapsed into */
Var *apply_root(Apply *, Var *);
/* In terms of the loop variables in scope; BUG where one is not bound */
Expr *apply_value(Apply *, Var *);
Expr *apply_extent(Apply *, Var *);
/* Is loop one of the loop variables that make up `whole`? */
bool apply_is_part(Apply *, Var *whole, Var *loop);
/* Two steps, so that what is contiguous over a collapsed variable is seen as such before that is
 * split: the statement's variables in terms of roots, and roots in terms of loops (clamped to their
 * extents where loads need it). */
Subst apply_to_roots(Apply *, const Stmt *);
Subst apply_to_loops(Apply *, const Stmt *, bool clamp);
/* The tile may overhang: true, and *cond, where the statement's stores need a guard. */
bool apply_store_guard(Apply *, const Stmt *, bool with_red, Expr **cond);

/* What must hold for a load with these (original) subscripts to be inside the tensor in an
 * overhanging vector tile; NULL: always. A collapsed variable is no vector, so subscripts name
 * roots directly. */
Expr *apply_load_guard(Apply *, const Tensor *, Expr *const *index);

/* ---- apply_box.c ---- */
void apply_boxes(Apply *); /* finds place and size of every temp */
Box *apply_box(Apply *, const Tensor *);
/* Does a vector loop below iterate a part of root? */
bool apply_has_vector(Apply *, Nest *, Var *root);
Expr *box_offset(Apply *, Box *, Expr *const *index);
void apply_declare(Apply *, Nest *place, LBody *);

/* ---- apply_stmt.c ---- */
/* Writes the identity of one element (of all its lanes) */
void apply_init(Apply *, Stmt *, LBody *);
/* What has been added up so far fades */
void apply_decay(Apply *, Stmt *, LBody *);
void apply_finish(Apply *, Stmt *, LBody *); /* partial results of lanes into the result */
void apply_stmt(Apply *, Stmt *, LBody *);
/* Subscripts to offsets, guards of overhanging tiles; clamp: loads may be outside of their tile */
Expr *apply_loads(Apply *, Stmt *, Expr *value, bool clamp);
Expr *apply_offset(Apply *, Stmt *, Tensor *); /* of the element that the statement writes */
Expr *apply_element(Apply *, Tensor *, Expr *offset);
void apply_store(Apply *, LBody *, Tensor *, Expr *offset, Expr *value);

/* ---- apply_scan.c ---- */
/* A scan that threads of a block share: the loop over its tiles; false: the loop is another one. */
bool apply_scan(Apply *, Nest *, LBody *);

/* ---- apply_schedule.c ---- */
void apply_bind(Apply *, Var *, Expr *value); /* until `bound` is cut off again */
LBody *apply_open_loop(Apply *, LBody *, Var *, Bind, Expr *hi);

/* ---- apply_stage.c ---- */
void apply_find_stages(Apply *);
/* The copies that a loop makes in front of it, and at the beginning of each of its rounds */
void apply_stages_before(Apply *, Nest *, LBody *);
void apply_stages(Apply *, Nest *, LBody *);
/* The copy that stands for a factor of the statement's products; NULL: none does */
const StageBox *apply_staged(Apply *, const Stmt *, int factor);
Expr *apply_stage_offset(Apply *, const StageBox *);
int apply_stage_copies(const Stage *); /* how often the copy exists */
/* The statement with the factor as its value, in the type of the copy, and no other variables than
 * that has. */
Stmt apply_stage_part(Apply *, const Stage *, DType);

/* ---- apply_bulk.c ---- */
void apply_bulk(Apply *, const StageBox *, Expr *round, LBody *); /* sends the copy for a round */
/* In the round that reads what the loop's copies have sent so; nothing where there are none */
void apply_bulk_wait(Apply *, const Nest *loop, LBody *);
void apply_bulk_number(Apply *, const StageBox *, Expr *round, LStmt *); /* of such a copy */

/* ---- apply_map.c ---- */
typedef struct ApplyMapDim {
    Var *root;
    Expr *stride;
    int64_t size; /* of the box */
} ApplyMapDim;
typedef struct ApplyMap { /* dimensions innermost first */
    Tensor *tensor;
    Expr *begin; /* elements in front of it */
    ApplyMapDim dim[BOX_MOST_DIMS];
    int n;
    int boxes;   /* that a copy is made of */
    int64_t row; /* elements */
} ApplyMap;
/* Is the factor a box of a tensor in memory? Asks for nothing of the Apply but kernel and how. */
bool apply_find_map(Apply *, const Stage *, DType of_copy, ApplyMap *);
void apply_map(Apply *, const StageBox *, Expr *round, LBody *); /* sends the copy for a round */

/* ---- apply_mma.c ---- */
void apply_mma(Apply *, Nest *, LBody *); /* a chain of loops bound mma */

/* ---- apply_group.c ---- */
void apply_group(Apply *, Nest *, LBody *); /* a chain of loops bound group */
/* Waits for all products of such a chain inside the loop but the last `open`; nothing where there
 * is none. */
void apply_group_wait(Apply *, const Nest *loop, int open, LBody *);

/* ---- apply_threads.c ---- */
bool apply_has_threads(const Apply *); /* Does the schedule have block loops? */
/* Do threads of a block each add up a part? */
bool apply_shares_sum(Apply *, const Stmt *);
/* The threads' parts, at this offset, become the result of all of them; false: there are none. */
bool apply_combine(Apply *, Stmt *, Expr *offset, Expr *position, LBody *);
/* Where s is to be executed: what is no thread's own is written by one of those that compute it. */
LBody *apply_once(Apply *, const Stmt *, LBody *);

/* ---- barriers.c ---- */
void apply_barriers(Ctx *, LFunc *);

#endif
