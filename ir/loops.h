/* Loops: kernels with everything explicit - loops, vectors, buffers with address spaces, calls -
 * and the host program. One target-independent pass makes them (passes/kernel/apply_schedule.c,
 * passes/plan/lower_plan.c); the LLVM, C and CUDA printers are thin over them.
 *
 *   func k0 kernel(%x : f32 input, %w : f32 const, %y : f32 output) parallel 16*H {
 *     for t thread in lo..hi {                        # the linear index of the parallel space
 *       buffer %acc : f32[448] reg
 *       for j vector 16 in 0..32 { %acc[j] = 0.0 }
 *       for c in 0..64 { ... %acc[i*32 + j] = fma(%x[...], %w[...], %acc[i*32 + j]) }
 *       if (t*32 + 32 <= O) { ... } else { ... }
 *     }
 *   }
 *
 * Subscripts are physical element offsets: exactly one, whatever the rank. Every variable has
 * its loop's bounds; the Var's extent is only a bound used by simplification. A `vector` loop's
 * iterations may run in lanes: its body has no dependence between them but for stores to the
 * same REG element by the same lane. `unroll` loops have constant bounds and are expanded by
 * printers. Loads inside a GUARD are only touched where its condition holds.
 *
 * On a GPU several threads may work on an item together. `block` loops stand in a chain, one
 * directly in the other, directly inside the thread loop (or a branch of it); one thread runs each
 * iteration, numbered row-major over the chain. What stands inside is code of one thread: `reg` and
 * `stack` buffers are its own; `shared` ones, declared outside of the chain, belong to all, as
 * memory does. `barrier` waits for all of them; every thread of the block comes to it as often. */
#ifndef ONNXCC_IR_LOOPS_H
#define ONNXCC_IR_LOOPS_H

#include "ir/kernel.h"

/* iargs of PRODUCTS: what it has of each factor, its sizes, the distances of its sums */
enum { PRODUCTS_FACTOR = 6, PRODUCTS_SIZES = 12, PRODUCTS_SUMS = 15, PRODUCTS_ARGS = 17 };
/* iargs of BOX: where the tensor begins, the copy's number; of each dimension, innermost first,
 * coordinate, extent, distance in memory and elements of the box */
enum { BOX_DIMS = 2, BOX_AT = 0, BOX_EXTENT, BOX_STRIDE, BOX_SIZE, BOX_DIM, BOX_MOST_DIMS = 5 };

typedef enum LKind {
    L_FOR,     /* var in lo..hi, bind; body */
    L_IF,      /* cond; body, other */
    L_STORE,   /* tensor[index] = value */
    L_BUFFER,  /* declares tensor (space, elements in `hi`) for the rest of this body */
    L_BARRIER, /* CUDA: all threads of the block */
    /* CUDA: the threads that differ in block loop `var` alone combine their tensor[index] by
     * `red`, as a balanced tree: the upper half into the lower one until one is left; all get the
     * result. Of argmax and argmin args[0][iargs[0]] is the position; of equals the first wins, or
     * the last where `last` is set. With `prefix` each gets the result of those in front of it, the
     * first the identity, and args[0][iargs[0]] becomes that of all: at distances 1, 2, 4, ... each
     * adds what lies so far in front of it */
    L_COMBINE,
    /* CUDA: hi elements of args[0] from iargs[0] on are on their way to tensor[index], in shared
     * memory; zeros, or `value` at once, where cond is there and does not hold. 4, 8 or 16 bytes,
     * at such a multiple */
    L_ASYNC,
    L_COMMIT, /* CUDA: what this thread has sent on its way since the last one is a group */
    L_WAIT,   /* CUDA: until all groups of this thread but the last `lo` have arrived */
    /* CUDA, by a whole warp: the elements of a matrix of `width` rows (16, or 8 of the right
     * factor, whose rows are its columns) and 32 bytes of steps that this thread holds for L_MMA:
     * in the u32 tensor[index..]. Element (r, k) is args[0][iargs[0] + r*iargs[1] + k*iargs[2]];
     * f32 is rounded to tf32 (ir/mma.h) */
    L_FRAGMENT,
    /* CUDA, by a whole warp: a product of a fragment of 16 rows, args[0][iargs[0]..], and one of 8,
     * args[1][iargs[1]..], of `dtype` and `right`, is added to a matrix of 16 x 8 in f32, of
     * integers in i32. Of that thread 4*g + t holds rows g and g + 8 of columns 2*t and 2*t + 1:
     * tensor[index + iargs[2] * (which row) + iargs[3] * (which column)] */
    L_MMA,
    /* CUDA, by groups of four warps: a product of two matrices of `dtype` and `right` in shared
     * memory is on its way to be added to one in f32, of integers in i32. iargs[PRODUCTS_SIZES..]:
     * its rows, columns and steps. Element (i, k) of factor f, i along its side (rows, or columns
     * of the right one), is args[f][at + i%8*S + k%P*K + i/8*S8 + k/P*K8] with at, S, K, S8, K8, W
     * = iargs[PRODUCTS_FACTOR*f..], where P elements have 16 bytes, S is P and K 1; of 16 bits also
     * the other way round; and W 0. With W > 0 it lies as BOX has left it in rows of W bytes
     * (loops_box_element). Of f32 the last 13 bits are left out (ir/mma.h). Warp w of the group has
     * rows 16*w..16*w + 15 of every 64; of each 16 x 8 thread 4*g + t holds what it holds of an
     * MMA's: row g + 8*h, column 2*t + e of the j-th eight columns of the m-th 64 rows are
     * tensor[index + (m*2 + h)*R + (j*2 + e)*C] with R, C = iargs[PRODUCTS_SUMS..] */
    L_PRODUCTS,
    /* CUDA: until all PRODUCTS of this thread but the last `lo` are added up, to tensor; what it
     * has copied can be read by PRODUCTS behind the next barrier */
    L_PRODUCTS_WAIT,
    /* CUDA: `hi` elements of args[0] from iargs[0] on are on their way to tensor[index], in shared
     * memory, sent by all threads of the block together; they arrive for one of them at its next
     * WAIT and BULK_WAIT with the same number, iargs[1] of `width` such */
    L_BULK,
    /* CUDA: the same of a box of a tensor in memory, which begins at args[0][iargs[0]]. Elements
     * follow each other in the order of the box, but pieces of 16 bytes change places within 8 rows
     * (swizzle, loops_box_element): the innermost dimension, whose elements are neighbours, has
     * `row` bytes, 32, 64 or 128. What lies outside of the tensor is zero */
    L_BOX,
    /* CUDA: until the `each` copies (BULK, BOX) with number `lo` of `width` have arrived */
    L_BULK_WAIT,
    L_LAUNCH, /* host: run kernel `func` with tensors args[] over its parallel space `hi`;
                 `lo`: scratch bytes per thread;
                  iargs[0]: about how many scalar operations an item costs */
    /* host: runtime function `name` with tensors args[], int64 iargs[]. Kernels for CUDA: all
     * threads of a block call function `name` of runtime/device; iargs[0]: their item */
    L_CALL,
    /* host: symbol sym = element `lo` of tensor, or = value where tensor is NULL; checked
     * against sym->lo..hi */
    L_BIND,
    /* host: body repeats with sym = 0, 1, ... while sym < hi (NULL: no limit) and cond (NULL: true)
     * hold. The limit is a field of its own, since inside the body sym < hi is known. After each
     * round args[2i+1], of iargs[i] bytes, is moved to where the arena ended when the loop began,
     * one behind the other, and is args[2i] from then on; syms[i] becomes values[i] */
    L_LOOP,
    /* bind: ends with constraint `id` and the sentence `name` where cond does not hold; run: with a
     * fault at site `id` */
    L_REQUIRE,
    /* host: args[0] to args[1], of the other side. The same tensor: an input from the caller's
     * memory (device) or an output to it. hi: bytes */
    L_COPY,
    L_STREAM, /* host: `stream` says what, of stream or event `id` */
    L_SWAP,  /* host: args[0] and args[1] change places (loop-carried tensors) */
    L_PLACE /* host: onnxcc_place for the buffers args[] from `lo` bytes up; iargs: bytes, first
               step, last step of each in turn; the offsets go into the symbol slots args[i]->slot,
               the end into the plan's slot_arena.
                  `id` > 0 (in run, after a BIND): then onnxcc_arena_fit checks the new end */
} LKind;

/* What several streams of a device do (ir/streams.h), in the order of enum onnxcc_stream: all begin
 * behind the fork; launches go to stream `id`; that waits for event `id`; event `id` is recorded
 * there; stream 0 waits for all. */
typedef enum StreamAct { ACT_FORK, ACT_USE, ACT_WAIT, ACT_EVENT, ACT_JOIN } StreamAct;
extern const char *const stream_acts[]; /* fork use wait event join */
typedef struct LFunc LFunc;
typedef struct LStmt LStmt;
typedef struct LBody {
    VEC(LStmt *) at;
} LBody;
struct LStmt {
    LKind kind;
    Var *var;
    Bind bind;
    int width; /* vector: lanes per step wanted; 0: the printer chooses */
    int each;  /* BULK, BOX, BULK_WAIT: how many copies have the same number */
    Expr *lo, *hi, *cond, *value, *index;
    bool device; /* LAUNCH, CALL: runs there; PLACE: in its arena; COPY: to it */
    Tensor *tensor;
    Sym *sym;
    LFunc *func;
    StreamAct stream;
    Reduce red;
    bool last, prefix;
    DType dtype, right; /* MMA, PRODUCTS: of the factors' elements */
    char *name;
    Tensor **args;
    int n_args;
    Expr **iargs;
    int n_iargs;
    Sym **syms; /* LOOP */
    Expr **values;
    int n_syms;
    int id; /* LAUNCH/CALL/BIND/REQUIRE: number in the kernel table (origins, traces, faults) */
    /* LAUNCH/CALL/BIND: the nodes it stands for; NULL: those of func. Not printed */
    const Origin *origin;
    int n_origin;
    LBody body, other;
};
typedef enum LFuncKind { LF_KERNEL, LF_HOST } LFuncKind;
struct LFunc {
    LFuncKind kind;
    char *name;
    VEC(Tensor *) params; /* kernel: flat buffers in the order of `bufs` */
    /* kernel: extent of the parallel space; the body sees lo..hi as `range` */
    Expr *parallel;
    Var *lo, *hi;   /* kernel: pseudo variables for the range given by the caller */
    Expr *scratch;  /* kernel: bytes per thread */
    bool device;    /* kernel: runs on the device */
    bool may_fault; /* has BOUND */
    const struct Kernel *kernel; /* kernel: what it was made of; NULL: that is not known */
    Origin *origin;
    int n_origin;
    LBody body;
};
typedef struct Buffers Buffers;
typedef struct Loops { /* a compiled program: kernels, then `bind` and `run` */
    Ctx *ctx;
    char *name;
    VEC(LFunc *) kernels; /* equal ones once */
    LFunc *bind, *run;
    struct Plan *plan;
} Loops;
LStmt *lstmt_new(Ctx *, LKind);
LFunc *lfunc_new(Ctx *, LFuncKind, const char *name);
void lbody_add(Ctx *, LBody *, LStmt *);
void lleaf_operands(Ctx *, LStmt *); /* room for those of ASYNC .. PRODUCTS */
/* pre-order */
void lbody_each(const LBody *, void (*fn)(void *user, LStmt *), void *user);
/* Does it hold an L_PLACE for some buffer? What a round of a loop over such a body has placed is
 * dead behind it: but for what it carries, the arena ends where it ended before. */
bool lbody_places(const LBody *);
/* Is it a barrier, or something that threads do together, or does it hold one? */
bool lstmt_has_barrier(const LStmt *);
/* A block loop with nothing but another block loop in it */
bool lstmt_is_chain(const LStmt *);
/* Threads of a block: the product over its chains of block loops, which all have the same. 0: the
 * function has none, every item is one thread's. */
int64_t lfunc_threads(const LFunc *);
/* May threads of a block see different values of an expression of the function? */
bool lfunc_differs(const LFunc *, const Expr *);
/* its own, not its bodies' */
void lstmt_each_expr(const LStmt *, void (*fn)(void *user, Expr *), void *user);
/* Of element `at` of a shared copy in rows of so many bytes: where it lies. Bits 4.. of its place
 * are added to bits 7.., without carry, as tensor maps do it (CU_TENSOR_MAP_SWIZZLE_*). */
int64_t loops_box_element(int64_t at, int64_t row, size_t bytes);
/* BOX: its dimensions, and bytes of a row */
int lbox_dims(const LStmt *);
int64_t lbox_row(const LStmt *);
/* the first loop over it; NULL: none */
LStmt *lfunc_find_loop(const LFunc *, const Var *);
/* What a function mentions, in the order of the text (a derived symbol after those of its
 * definition). */
typedef struct LUses {
    VEC(Sym *) syms;
    VEC(Tensor *) tensors;
} LUses;
void lfunc_uses(Ctx *, const LFunc *, LUses *);

/* ---- loops_verify.c loops_print.c loops_parse.c loops_interp.c ---- */
bool loops_verify(Loops *, const char *when);
void loops_print(Str *, const Loops *);
/* The same; `lines` gets the line of each LFunc and LStmt in the whole Str, from 1, by address. */
void loops_print_lines(Str *, const Loops *, Map *lines);
Loops *loops_parse(Ctx *, Lexer *);
/* Interprets one kernel function over its whole parallel space, iterations in an order shuffled
 * by `seed` (0: in order). `data[i]` is the physical buffer of params[i]. Reports out-of-bounds
 * subscripts (sizes[i] elements) as BUG text; false. */
bool lfunc_interp(Ctx *, LFunc *, void **data, const int64_t *sizes, const SymValue *, int n_syms,
                  uint64_t seed);

#endif
