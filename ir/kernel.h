/* Kernels: what each one computes, and how. A Program is the model as a sequence of kernels,
 * runtime calls and control flow.
 *
 *   program main(%x : f32[N,3,8,8]) -> (%y : f32[N,16,8,8]) where N in 1..1024 {
 *     const %w : f32[16,3,3,3] = blob 9f1c33aa5c0d1e2f 1728
 *     tensor %t : f32[N,16,8,8] layout [0,2,3,1]
 *     kernel k0_conv_max "Conv_0" Conv.13, "Relu_1" Relu.13 {
 *       temp %a : f32[N,16,8,8]
 *       %a[n<N, o<16, h<8, w<8] = sum[c<3, r<3, s<3] guard(..., %x[...], 0.0) * %w[...]  by f32
 *       %t[n<N, o<16, h<8, w<8] = max(%a[n, o, h, w], 0.0)
 *       how { ... }
 *     }
 *     ...
 *   }
 *
 * A statement defines elements of `out` over the box of its domain variables. Four forms:
 *   map      out[index(dom)] = value                   index: the identity where it is not written
 *   reduce   out[dom] = OP over red of value           argmax/argmin: also the position, out2;
 *                                                      first of equals
 *   scan     out[dom] = OP of value over 0..dom[axis]  (cumulative; exclusive, reverse)
 *   scatter  out[index(dom)] OP= value                 in row-major order of dom (set: the last
 *                                                      wins); the rest of out keeps what an
 *                                                      earlier statement put there
 * A statement may read tensors that earlier statements of its kernel define (temp: they live
 * inside the kernel only). Statements of one kernel that share a Var iterate it in step: the
 * schedule may put them inside one loop of it. Several kernels may write disjoint parts of one
 * tensor (concat); it is alive from the first of them.
 * Types are semantic: every operation rounds to its type. A reduction's numeric recipe says how it
 * accumulates. A large value names what it uses more than once: let %$1 = ...; %$1[] * %$1[]. */
#ifndef ONNXCC_IR_KERNEL_H
#define ONNXCC_IR_KERNEL_H

#include "ir/graph.h"

/* Where an element lies: physical dimensions, outermost first; entry {dim, div, mod} has
 * coordinate (index[dim] / div) % mod (mod 0: no modulus) and extent mod, or ceil(dims[dim] /
 * div). Row-major is {0,1,0} {1,1,0} ...; channels last of NCHW is dims 0 2 3 1; packed
 * weights [o/32, c, o%32] are {0,32,0} {1,1,0} {0,1,32}, padded with zeros up to whole blocks.
 * Text: layout [0,2,3,1] or [0/32,1,0%32]. NULL: row-major. */
typedef struct LayoutDim { int dim; int64_t div, mod; } LayoutDim;
typedef struct Layout { int n; LayoutDim at[MAX_RANK]; } Layout;

typedef enum Space {
    SP_INPUT, SP_OUTPUT, SP_CONST, SP_ARENA, /* of the program */
    SP_TEMP,   /* inside a kernel; the schedule makes it one of the following */
    SP_REG,    /* registers: every subscript constant once loops are unrolled */
    SP_STACK,  /* small, per thread */
    SP_SCRATCH, /* per thread, in the arena's scratch area */
    SP_SHARED  /* CUDA shared memory */
} Space;

struct Tensor {
    char *name;
    DType dtype;
    int rank;
    Expr *dims[MAX_RANK];
    Space space;
    Layout *layout;
    Const *data;        /* SP_CONST: row-major payload; `layout` says how it is to be stored */
    int packed;         /* SP_CONST of u8: elements have so many bits, and lie packed in memory in
                           the order of the layout, low bits first; 0: they do not */
    bool state;         /* outlives a run */
    bool device;        /* lies in the device's memory; else in the host's. Constants: in both */
    Type *outer;        /* SP_INPUT/SP_OUTPUT: the type that callers see where it is another one: a
                           narrow type, packed low bits first where it has less than 8 bits */
    Tensor *alias;      /* shares the storage of this tensor (same bytes, same layout meaning) */
    int slot;           /* SP_INPUT/SP_OUTPUT: position in the list; for others the plan sets it */
    int mark;
    void *aux;
};
Tensor *tensor_new(Ctx *, const char *name, DType, Expr *const *dims, int rank, Space);
Type tensor_outer(const Tensor *);  /* what callers see: `outer`, or its own type */
Expr *tensor_extent(Ctx *, const Tensor *, int physical_dim);
int tensor_physical_rank(const Tensor *);
Expr *tensor_elements(Ctx *, const Tensor *);                 /* physical, padding included */
Expr *tensor_offset(Ctx *, const Tensor *, Expr *const *index); /* of a logical index */
Layout *layout_perm(Ctx *, const int *perm, int rank);        /* NULL where it is the identity */
bool layout_equal(const Layout *, const Layout *, int rank);

typedef enum StmtKind { ST_MAP, ST_REDUCE, ST_SCAN, ST_SCATTER } StmtKind;
typedef enum Reduce {
    RED_SUM, RED_PROD, RED_MAX, RED_MIN, RED_ARGMAX, RED_ARGMIN, RED_ANY, RED_ALL, RED_SET
} Reduce;
extern const char *const reduce_names[]; /* sum prod max min argmax argmin any all set */
Expr *reduce_identity(Ctx *, Reduce, DType);
Expr *reduce_combine(Ctx *, Reduce, Expr *a, Expr *b);        /* not for ARGMAX/ARGMIN */

/* How a reduction accumulates: in type acc; `lanes` L > 1: element k of the innermost
 * reduction variable goes to partial result (k / R) % L, where `runs` R is 1 unless it is written,
 * and the partial results are combined as a balanced tree at the end; `blocks` B > 0: partial
 * results of every B innermost elements are added to a running total. Products of a sum use fma.
 * A scan in lanes takes tiles of L * R elements: lane l sums up elements l * R .. l * R + R - 1 of
 * a tile in a chain; the lanes' sums are added up at distances 1, 2, 4, ...; element k is the total
 * of the tiles before, plus the sum of the lanes in front, plus its own lane's up to k.
 * Text: by f32 lanes 16 runs 4 blocks 256. */
typedef struct Recipe { DType acc; int lanes, runs, blocks; } Recipe;

typedef struct Stmt {
    StmtKind kind;
    Tensor *out, *out2;  /* out2: position of argmax/argmin (i64), may be NULL; out NULL: only the
                            position is wanted. Scan: the result before this element joined it */
    Var **dom;
    int n_dom;
    Var **red;
    int n_red;
    Reduce op;           /* reduce, scan, scatter */
    Expr **index;        /* out's subscripts, out->rank of them; NULL: the dom variables */
    Expr *value;
    Expr *decay;         /* reduce, sum: in front of the elements of every red[0] what has been
                            added up so far is multiplied by this; NULL: it is not */
    Recipe recipe;
    int axis;            /* scan: which dom variable */
    bool exclusive, reverse, last; /* scan; last: argmax takes the last of equals */
} Stmt;

/* ---- the how: a schedule ----
 * On a GPU, thread loops are spread over blocks of threads as soon as block loops stand inside
 * them: one chain of these, directly in the innermost thread loop, with extents that are known.
 * Each iteration of the chain is one thread of the block; temps at home in `shared` belong to all
 * of them, and are as large as all of them need. */
typedef enum Bind {
    BIND_SERIAL, BIND_THREAD, BIND_VECTOR, BIND_UNROLL, BIND_GRID, BIND_BLOCK,
    /* of schedules: products of matrices, of a warp, or of a group of four */
    BIND_MMA, BIND_GROUP
} Bind;
extern const char *const bind_names[]; /* serial thread vector unroll grid block mma group */
typedef enum Tail { TAIL_EXACT, TAIL_MASK, TAIL_PEEL, TAIL_GUARD } Tail;
/* var = outer * factor + inner. exact: factor divides; mask: loads stay in bounds (clamped or
 * guarded), stores are guarded, whole tiles run without guards; peel: the remainder (a
 * constant) is its own copy of the loops inside; guard: as mask, but all tiles are guarded, and
 * there is one copy of the code. */
typedef struct Split { Var *var, *outer, *inner; int64_t factor; Tail tail; } Split;
/* from[0] * extent(from[1]) * ... + ... + from[n-1] = into: neighbours in one loop */
typedef struct Collapse { Var *from[MAX_RANK]; int n; Var *into; } Collapse;
/* A copy of a factor of the products that a reduction adds up, made at a place in a loop along it
 * by all threads of a block together; what stands behind it in the loop reads the copy. `region`
 * variables are iterated by the copy, in this order, the others are fixed there. What lies outside
 * of the factor's tensor, or of a tile that overhangs, is zero in the copy. */
typedef struct Stage {
    Stmt *stmt;
    int factor;   /* 0 or 1 */
    Tensor *copy; /* a subscript for each region variable; its dimensions may be larger */
    Var **region;
    int n_region;
    int ahead; /* it is made so many rounds of the loop before it is read ... */
    int behind; /* ... and kept so many longer, for products that are on their way: the copy exists
                   1 + ahead + behind times */
    bool bulk;  /* a constant, stored so that the copy's elements are neighbours, in its order: sent
                   by all threads together */
    bool box;   /* a box of a tensor in memory: the same, by a tensor map; the copy lies as products
                   of groups of warps read it (LStmt BOX) */
} Stage;

typedef enum NestKind { NEST_LOOP, NEST_STMT, NEST_STAGE } NestKind;
typedef struct Nest Nest;
struct Nest {
    NestKind kind;
    Var *var;            /* LOOP: an original, outer, inner or collapsed variable */
    Bind bind;
    Stmt *stmt;          /* STMT: the innermost place of a statement. A reduce starts (writes its
                            identity) just before the outermost of its reduction loops on the path,
                            over the domain loops below that point */
    Stage *stage;
    Nest **child;
    int n_child;
};
/* Where a temp lives; it is as large as the loops below its place need. */
typedef struct Home { Tensor *temp; Space space; } Home;
/* How a reduction accumulates under this how alone: in place of the statement's own recipe. */
typedef struct Own { Stmt *stmt; Recipe recipe; } Own;
typedef struct How {
    char *machine;       /* name of the machine it is made for */
    Expr *when;          /* version condition over symbols; NULL: always */
    VEC(Split) splits;
    VEC(Collapse) collapses;
    VEC(Home) homes;
    VEC(Own) own;
    Nest **top;
    int n_top;
} How;
const Recipe *how_recipe(const How *, const Stmt *); /* its own, or the statement's */

typedef struct Kernel {
    char *name;          /* k<N>_<ops>: unique in its program */
    Origin *origin;      /* the ONNX nodes it computes */
    int n_origin;
    VEC(Stmt *) stmts;
    VEC(How *) hows;     /* empty before `schedule`; the first whose `when` holds runs; the last
                            has none */
    struct Kernel *plain; /* as it was before `schedule`, where another schedule may be tried */
    const char *note;     /* why it is not the first schedule that was chosen; NULL: it is */
} Kernel;
/* Not temps; in: read, out: written; order of first use. */
void kernel_tensors(Ctx *, const Kernel *, Tensor ***in, int *n_in, Tensor ***out, int *n_out);
Tensor **kernel_temps(Arena *, const Kernel *, int *n); /* those its statements write, in order */
/* The text of the what with tensors, variables and symbols numbered by first use. */
char *kernel_canonical(Ctx *, const Kernel *);
uint64_t kernel_hash(Ctx *, const Kernel *);   /* of it */

/* ---- the program ---- */
typedef enum ItemKind {
    ITEM_KERNEL, ITEM_CALL, ITEM_BIND, ITEM_IF, ITEM_LOOP, ITEM_CHECK,
    ITEM_COPY /* in[0] to out[0], of the other side. The same tensor: an input from the caller's
                 memory, or an output to it */
} ItemKind;
typedef struct Block Block;
typedef struct Item {
    ItemKind kind;
    bool device;         /* KERNEL, CALL: runs on the device. COPY: to it */
    Kernel *kernel;
    char *call;          /* CALL: runtime function onnxcc_call_<call>(frame, bufs, args) */
    Expr **args;         /* CALL: int64 arguments */
    int n_args;
    Tensor **in, **out;  /* CALL: bufs are in then out then scratch; IF: in[0] condition, out
                            results; LOOP: see below */
    int n_in, n_out;
    Tensor *scratch;     /* CALL: may be NULL */
    Sym *sym;            /* BIND: sym = in[0][index], checked against lo..hi, or sym = value where
                            there is no in[0]; LOOP: the counter */
    int64_t index;
    Expr *value;         /* BIND; CHECK: a condition over symbols */
    char *text;          /* CHECK: the fault of a run in which it does not hold */
    Expr *trip;          /* LOOP: at most so many iterations (NULL: no limit); in[0]: condition,
                            if n_in */
    Block *block[2];     /* IF: then, else; each ends by writing `out`. LOOP: body */
    /* LOOP: carried tensors are pairs: out[i] holds the value between iterations (initialised
     * before the loop by kernels); the body reads out[i] and its last kernels write next[i];
     * after each iteration out[i] and next[i] change places.
     * size[i] are symbols in the dimensions of out[]: bound before the loop, and next_size[i] (over
     * the symbols of the body) after each iteration. Where the dimensions of out[i] mention one,
     * those of next[i] are what it becomes, and next[i] is moved to out[i] (item_moves). */
    Tensor **next;
    Sym **size;
    Expr **next_size;
    int n_size;
    Origin origin;
    /* KERNEL on the device, COPY of an input or output: see ir/streams.h */
    int stream;
    int event;  /* recorded behind it; 0: none */
    int *waits; /* events */
    int n_waits;
    bool fork, join;
} Item;
struct Block { VEC(Item *) items; };
typedef struct Program {
    Ctx *ctx;
    char *name;
    VEC(Tensor *) inputs, outputs, consts, tensors; /* tensors: SP_ARENA ones */
    VEC(Sym *) syms;
    VEC(Require) requires;
    Block *body;
    Map *names;
    int n_kernels;       /* made so far: numbers their names */
} Program;
Program *program_new(Ctx *, const char *name);
/* Of the arena, or inside a kernel; their names are made fresh. */
Tensor *program_tensor(Program *, const char *name, DType, Expr *const *dims, int rank);
Tensor *program_temp(Program *, const char *name, DType, Expr *const *dims, int rank);
char *program_name(Program *, const char *base);              /* a fresh unique name */
Kernel *kernel_new(Program *, const char *hint);
/* Its subscripts are the domain variables. */
Stmt *stmt_new(Ctx *, StmtKind, Tensor *out, Var *const *dom, int n_dom, Expr *value);
void kernel_insert(Ctx *, Kernel *, int at, Stmt *); /* as statement number `at` */
Tensor *stmt_target(const Stmt *);                            /* out, or out2 where that is NULL */
Expr *stmt_index(const Stmt *, int i);                        /* a subscript of the target */
/* A scatter: do different values of the variable mean different elements? */
bool stmt_owns(const Stmt *, const Var *);
void stmt_set_index(Ctx *, Stmt *, Expr *const *index);       /* copied; the identity is NULL */
Item *item_new(Program *, Block *, ItemKind);                 /* at the end of the block */
Item *item_kernel(Program *, Block *, Kernel *);
Item *item_insert(Program *, Block *, int at, Kernel *); /* as item number `at` */
bool item_moves(const Item *loop, int i);                     /* carried pair i differs in size */
bool program_has_pointers(const Program *);                   /* strings or sequences */
bool program_calls(const Program *, const char *prefix); /* a function whose name begins so */
void program_each_item(Program *, void (*fn)(void *user, Block *, Item *), void *user);

/* ---- kernel_verify.c kernel_print.c kernel_parse.c ---- */
bool program_verify(Program *, const char *when);
void program_print(Str *, const Program *);
Program *program_parse(Ctx *, Lexer *);
Program *program_parse_blobs(Ctx *, Lexer *, BlobFn, void *user);

/* ---- kernel_interp.c: the reference interpreter of the what ---- */
typedef struct Buffer { /* row-major, packed like Const */
    Tensor *tensor;
    int64_t dims[MAX_RANK];
    void *data;
} Buffer;
typedef struct SymValue { Sym *sym; int64_t value; } SymValue;
/* Runs the program on row-major inputs; fills outputs (data from the arena). False after a
 * diagnostic. */
bool program_interp(Program *, const Buffer *in, Buffer *out, SymValue *syms, int n_syms, Arena *);
/* bufs: in and out tensors, by tensor. */
bool kernel_interp(Ctx *, Kernel *, Buffer *bufs, int n_bufs, const SymValue *, int n_syms);

#endif
