/* Loops to C text: one printer for portable C99 and for CUDA C. What the files of this folder
 * share.
 *
 *   names.c     identifiers and scopes         literal.c   types and constants
 *   ops.c       scalar operations              expr.c      expressions, temporaries
 *   body.c      statements                     kernel.c    kernel functions
 *   vector.c    CUDA: neighbours at once       leaf.c      CUDA: instructions of their own
 *   shared.c    CUDA: shared memory
 *   box.c       CUDA: copies by tensor maps
 *   host.c      bind and run                   model.c     the description of a model
 *   weights.c   constants in their layouts     paste.c     the runtime's texts
 *   emit.c      --emit=c
 *
 * Values. An element of type f16 or bf16 is held as a float that its type can represent;
 * operations are those of runtime/ops.h. What an expression mentions twice, or what would make a
 * line too long, becomes a temporary in front of the statement. One without loads stands in the
 * outermost block where its variables are known, and serves all of it. A guarded value that needs
 * temporaries becomes an if statement: nothing in it is touched where its condition does not hold.
 *
 * Subscripts are 32 bits wide in kernels where every one of them provably fits, else 64. */
#ifndef ONNXCC_CODEGEN_C_GEN_H
#define ONNXCC_CODEGEN_C_GEN_H

#include "codegen/codegen.h"

typedef enum Dialect { DIALECT_C, DIALECT_CUDA } Dialect;
/* How tightly a text binds. */
enum { PREC_ANY, PREC_BITS, PREC_COMPARE, PREC_SUM, PREC_PRODUCT, PREC_UNARY, PREC_ATOM };

typedef struct CName {
    const void *what; /* Var, Sym, Tensor; NULL: only taken */
    const char *name;
    int level; /* the block that it belongs to */
} CName;
typedef struct CValue { /* a temporary in scope */
    const Expr *e;
    const char *name;
    bool pure;
} CValue;
/* Elements of a tensor that a vector loop works on as one piece (vector.c). */
typedef struct CPiece {
    const Tensor *tensor;
    const Expr *index; /* of the loop's element */
    Expr *first;       /* of the first element */
    const Var *var;
    int64_t elements;  /* of the piece, each for so many iterations: the bits of one byte */
    int share;
    bool loaded, stored;
    Expr *cond; /* of the load; NULL: always */
    const char *name;
} CPiece;
typedef VEC(CPiece) CPieces;
/* A block that is being written: what a value inside needs goes to its end so far. */
typedef struct CLevel {
    Str text;
    int depth; /* of indentation */
    int names;
    VEC(CValue) values;
} CLevel;

typedef struct Printer {
    Ctx *ctx;
    Arena *arena; /* of one function */
    Dialect dialect;
    const LFunc *func;  /* NULL in host functions */
    const char *prefix; /* the entry's name */
    bool small;         /* subscripts fit 32 bits */
    bool blocks;        /* CUDA: blocks of threads work together on an item */
    bool checked;       /* host: index arithmetic notes an overflow in `bad` */
    bool host;          /* symbols are slots: syms[3] */
    /* host: an element of one of the program's tensors */
    const char *(*element)(void *user, const Tensor *, const char *index);
    void *user;
    bool faults;  /* a BOUND was printed */
    bool scratch; /* a SCRATCH buffer was declared */
    int n_temps;
    VEC(CName) tops;    /* of the whole function: symbols, temporaries */
    VEC(CName) names;   /* in scope, innermost last */
    VEC(CLevel) levels; /* innermost last; the first is the file, the second the function */
    const Expr *root;   /* the value of a store: splitting it would not make the line shorter */
    int target; /* the block in which the text that is being made will stand; 0: the innermost */
    VEC(Sym *) syms; /* read by this function */
    CPieces pieces;  /* of the vector loops around, innermost last */
    Map *uses;       /* of the nodes of this statement: Expr to count */
} Printer;

/* ---- names.c ---- */
void level_open(Printer *);
/* Ends the innermost block; the text goes to *text. */
void level_close(Printer *, Str *text);
void level_add(Printer *, const Str *text); /* behind what the innermost block holds so far */
const char *name_add(Printer *, const void *what,
                     const char *base); /* fresh in all scopes around */
const char *name_top(Printer *, const void *what, const char *base); /* for the whole function */
const char *name_find(Printer *, const void *what);                  /* NULL: none */
void c_comment(Str *, const char *text); /* nothing in it ends the comment or the line */
const char *c_comment_of(Arena *, const char *text);
const char *c_symbol(Arena *, const char *name); /* of a function: a C identifier */
/* Conv_0 (Conv) Relu_1 (Relu) */
void c_origin(Str *, const Origin *, int n);
void c_string(Str *, const char *text);                    /* a C literal with its quotes */
void c_line(Printer *, const char *fmt, ...) PRINTF(2, 3); /* indented, with its newline */
void c_line_at(Printer *, int level, const char *text);

/* ---- literal.c ---- */
const char *c_memory_type(DType);                 /* of an element: "uint16_t" */
const char *c_piece_type(DType);                  /* the same in the names of pieces: "u16" */
const char *c_value_type(const Printer *, DType); /* of a value: "float" */
const char *c_literal(Printer *, const Expr *, int *prec);
const char *c_int(Arena *, DType, int64_t);

/* ---- ops.c ---- */
/* op on texts that bind as tightly as ops_operand says; sets *prec. */
const char *c_op(Printer *, const Expr *, const char *const *arg, int *prec);
int c_operand(Printer *, const Expr *, int i); /* how tightly operand i must bind */

/* ---- expr.c ---- */
void c_stmt_begin(Printer *, const LStmt *); /* counts what the statement mentions */
void c_stmt_end(Printer *);                  /* forgets temporaries that depend on memory */
const char *c_expr(Printer *, const Expr *, int least);
const char *c_element(Printer *, const Tensor *, const Expr *index); /* as an lvalue */
const char *c_some(Printer *,
                   const Expr *index);        /* what must hold for the element to exist; NULL */
bool c_index_plain(Printer *, const Expr *e); /* a division of it needs no helper */

/* ---- body.c ---- */
const char *c_stored(Printer *, const Expr *); /* a value as it lies in memory */
void c_body(Printer *, const LBody *);

/* ---- combine.c; CUDA: a call of runtime/combine.h ---- */
void c_combine(Printer *, const LStmt *);
/* Of all values of a thread, which the loop runs through; false: that is not what it does. */
bool c_combine_all(Printer *, const LStmt *loop);

/* ---- leaf.c; CUDA: a call of runtime/tiles.h, of runtime/groups.h ---- */
void c_leaf(Printer *, const LStmt *);
void c_group(Printer *, const LStmt *);
void c_bulk(Printer *, const LStmt *); /* of runtime/bulk.h */

/* ---- shared.c ---- */
/* Bytes of shared memory that a launch asks for; 0: the kernel declares what it needs. */
int64_t c_kernel_shared(const LFunc *);
/* Copies by all threads: numbers that may be on their way (0: there are none), copies of each. */
typedef struct CBulk {
    int n, each;
} CBulk;
CBulk c_kernel_bulk(const LFunc *);
void c_shared_head(Printer *); /* CUDA: what stands in front of a kernel's body */
void c_shared_buffer(Printer *, const LStmt *); /* CUDA: declares one */

/* ---- box.c ---- */
/* The boxes that have tensor maps of their own, in the order of the text; NULL: none. */
const LStmt *c_kernel_map(const LFunc *, int i);
void c_box(Printer *, const LStmt *); /* a call of runtime/bulk.h */

/* ---- vector.c ---- */
bool c_pieces(Printer *, const LStmt *loop, CPieces *); /* false: there are none */
void c_pieces_load(Printer *, CPieces *); /* in front of the loop */
void c_pieces_store(Printer *, const CPieces *);
/* Where a piece holds the element; NULL: none does. */
const char *c_piece_element(Printer *, const Tensor *, const Expr *index);

/* ---- kernel.c ---- */
/* threads of a block where the kernel has no block loops, blocks at most */
enum { CUDA_BLOCK = 128, CUDA_GRID = 4096 };
typedef struct KernelText {
    const char *symbol;
    const bool *may_alias; /* per parameter; NULL: none overlaps another */
} KernelText;
typedef struct KernelNeeds { /* what its text turned out to use: the parameters of a CUDA kernel */
    bool faults, scratch, blocks, small;
    Sym **syms;
    int n_syms;
} KernelNeeds;
void c_kernel(Ctx *, Str *out, const LFunc *, Dialect, const KernelText *, KernelNeeds *needs);
bool c_kernel_small(Ctx *, const LFunc *);
int c_kernel_threads(const LFunc *); /* CUDA: of a block */
bool c_kernel_faults(const LFunc *);
bool c_kernel_touches(const LFunc *, const Tensor *, bool *stores); /* loads or stores it */

#endif
