/* Loops to LLVM IR: what the files of this folder share.
 *
 *   types.c     types, constants, vectors      scalar.c intmath.c convert.c fmod.c  operations
 *   value.c     where each value is computed   index.c             subscripts in lanes
 *   memory.c    addresses, guards              access.c            loads and stores
 *   body.c      statements                     vector.c            vector loops
 *   func.c      kernel functions               host.c hostcall.c   bind and run
 *   entry.c     what an entry needs            describe.c          struct onnxcc_model
 *   module.c    modules, passes, objects       target.c abi.c runtime.c   the target
 *   compile.c   units of work                  stack.c             frame sizes
 *
 * Values. An element of type f16 or bf16 is held as a float that its type can represent, bool as
 * i1, index as i64. Inside a vector loop every expression is either uniform (one scalar) or has
 * one value per lane (a vector); vectors of index are <i32> where the range of the expression
 * allows it, else <i64>.
 *
 * Scopes. Each loop and branch opens a scope. A value without loads is computed in the outermost
 * scope in which all of its variables are known (just before the loop that follows there), and
 * kept for everything inside. */
#ifndef ONNXCC_CODEGEN_LLVM_GEN_H
#define ONNXCC_CODEGEN_LLVM_GEN_H

#include <llvm-c/Core.h>
#include <llvm-c/TargetMachine.h>

#include "ir/loops.h"
#include "ir/machine.h"
#include "runtime/abi.h"

typedef struct Debug Debug;
/* One LLVM module under construction. */
typedef struct Gen {
    Ctx *ctx;
    const Machine *machine;
    const char *triple, *cpu, *features;
    LLVMContextRef c;
    LLVMModuleRef m;
    LLVMBuilderRef b;
    LLVMTargetMachineRef tm;
    LLVMTypeRef i1, i8, i16, i32, i64, f32, f64, ptr, none;
    bool native_f16;    /* half <-> float are instructions */
    bool native_round;  /* floor, ceil, trunc, roundeven are instructions */
    Debug *debug;          /* -g; else NULL */
    LLVMMetadataRef where; /* the location of what is emitted; NULL: none */
    Str frames;         /* stack.c: frame sizes and calls */
    LLVMValueRef zeros; /* zero_bytes() of zeros that guarded loads may touch */
} Gen;
int64_t zero_bytes(const Gen *); /* a row of channels; less where memory is scarce */

/* ---- types.c ---- */
LLVMTypeRef type_memory(Gen *, DType);           /* of an element in memory */
LLVMTypeRef type_value(Gen *, DType, int lanes); /* of a value */
LLVMTypeRef type_lanes(LLVMTypeRef scalar, int lanes);
LLVMValueRef const_int(Gen *, LLVMTypeRef, int64_t v, int lanes);
LLVMValueRef const_flt(Gen *, LLVMTypeRef, double v, int lanes);
LLVMValueRef const_i64(Gen *, int64_t);
/* 0, step, 2*step ... */
LLVMValueRef const_iota(Gen *, LLVMTypeRef element, int lanes, int64_t step);
LLVMValueRef const_of_expr(Gen *, const Expr *, int lanes);
LLVMValueRef vec_splat(Gen *, LLVMValueRef scalar, int lanes);
LLVMValueRef vec_shuffle(Gen *, LLVMValueRef a, LLVMValueRef b, const int *from, int lanes);
int lanes_of(LLVMValueRef);
LLVMValueRef intrinsic(Gen *, const char *name, LLVMTypeRef *overload, int n, LLVMValueRef *args,
                       int n_args);
LLVMValueRef intrinsic1(Gen *, const char *name, LLVMValueRef a);
LLVMValueRef select_value(Gen *, LLVMValueRef cond, LLVMValueRef a, LLVMValueRef b);

/* ---- scalar.c intmath.c convert.c: on scalars or on vectors of equal length ---- */
LLVMValueRef scalar_op(Gen *, ScalarOp, DType operand, DType result, LLVMValueRef const *args);
LLVMValueRef float_rem(Gen *, LLVMValueRef a, LLVMValueRef b); /* fmod.c */
LLVMValueRef int_divide(Gen *, ScalarOp, bool is_signed, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef convert(Gen *, DType from, DType to, LLVMValueRef);
LLVMValueRef convert_bits(Gen *, DType from, DType to, LLVMValueRef);
/* a float to the nearest value of f16 or bf16; others as they are */
LLVMValueRef round_float(Gen *, DType, LLVMValueRef);
LLVMValueRef memory_to_value(Gen *, DType, LLVMValueRef);
LLVMValueRef value_to_memory(Gen *, DType, LLVMValueRef);

/* ---- abi.c: runtime/abi.h for LLVM ---- */
typedef enum AbiStruct {
    ABI_FRAME,
    ABI_KARGS,
    ABI_AXIS,
    ABI_TENSOR,
    ABI_DIM,
    ABI_KERNEL,
    ABI_SITE,
    ABI_VERSION,
    ABI_MODEL,
    N_ABI
} AbiStruct;
/* Members of struct onnxcc_frame. */
enum {
    FRAME_MODEL,
    FRAME_SYMS,
    FRAME_ARENA,
    FRAME_ARENA_BYTES,
    FRAME_WEIGHTS,
    FRAME_IN,
    FRAME_OUT,
    FRAME_STATE,
    FRAME_POOL,
    FRAME_SCRATCH,
    FRAME_SCRATCH_STRIDE,
    FRAME_HOOK,
    FRAME_USER,
    FRAME_SEED,
    FRAME_ARENA_NEEDED,
    FRAME_OUTPUTS,
    FRAME_THREADS,
    FRAME_FAULT,
    FRAME_TAKEN,
    FRAME_DEVICE_ARENA,
    FRAME_DEVICE_BYTES,
    FRAME_DEVICE_WEIGHTS
};
LLVMTypeRef abi_type(Gen *, AbiStruct);
int64_t abi_offset(Gen *, AbiStruct, int member);
int64_t abi_bytes(Gen *, AbiStruct);
/* ---- module.c target.c ---- */
typedef struct TargetSpec {
    const char *triple, *cpu, *features;
    const Machine *machine;
    bool pic, debug;
    bool medium; /* x86-64: data beyond 2 GB */
} TargetSpec;
Gen *gen_open(Ctx *, const TargetSpec *, const char *name); /* NULL: reported */
void gen_close(Gen *);
/* of the functions that follow */
void gen_version(Gen *, const Machine *, const char *cpu, const char *features);
void gen_optimize(Gen *, const char *passes); /* NULL: the usual ones for kernels */
bool gen_verify(Gen *);                       /* false: BUG text reported */
/* writes an object file; false: reported */
bool gen_object(Gen *, const char *path);
bool gen_object_memory(Gen *, const void **data, size_t *bytes);
char *gen_assembly(Gen *);
char *gen_text(Gen *);
void stack_note(Gen *, const char *warning);
void stack_watch(Gen *);
bool stack_write(Gen *, const char *path);
LLVMTargetMachineRef target_machine(Ctx *, const TargetSpec *);
/* with all four parts, as LLVM reads it */
const char *target_normal(Ctx *, const char *triple);
/* "x86-64-v3" for haswell; "": not known */
const char *target_level(const char *cpu);
const Machine *target_default_machine(const char *triple, const char *cpu);

/* ---- debug.c; without debug_open the others do nothing ---- */
void debug_open(Gen *, const char *path, Map *lines); /* the text, and its lines by LFunc, LStmt */
void debug_function(Gen *, const LFunc *, LLVMValueRef fn);
void debug_line(Gen *, const void *thing); /* what follows comes from this LStmt or LFunc */
void debug_leave(Gen *);                   /* ... from nowhere */
void debug_close(Gen *);                   /* before the module is verified */

/* ---- functions ---- */
typedef struct Val {
    LLVMValueRef v;
    int depth; /* the scope it lies in */
    int lanes; /* 1: uniform */
    bool pure; /* no load in it: may move outwards and stays valid */
} Val;
typedef struct Place { /* a tensor in scope */
    const Tensor *tensor;
    Val base;
    int number;
    /* > 1: declared inside a vector loop; element i of lane l is at i * lanes + l */
    int lanes;
    bool local; /* an alloca: masked accesses become selects */
} Place;
typedef struct Scope {
    Map *vals;
    LLVMBasicBlockRef from; /* the block of the scope outside whose terminator leads here */
} Scope;
typedef struct Kept { /* a value that holds until memory changes */
    const Expr *e;
    LLVMValueRef gate, mask;
    int splat; /* lanes it was spread over; 0: as it is */
    Val val;
} Kept;
typedef struct Fn {
    Gen *g;
    Ctx *ctx;
    const LFunc *f;
    LLVMValueRef fn;
    LLVMBasicBlockRef entry, block; /* where allocas go; where code goes */
    Arena *arena;                   /* of this function's maps */
    VEC(Scope) scopes;
    Map *vars;   /* Var id to Val */
    Map *places; /* Tensor to Place */
    VEC(Kept) kept;
    VEC(Var *) sub_var; /* expanded loops: variables and what they are now */
    VEC(Expr *) sub_by;
    int lanes; /* of the vector loop around; 0: none */
    Var *lane;
    Val gate;       /* v NULL: none. Loads count only where it holds (a scalar) */
    Val mask;       /* v NULL: none. Loads and stores count only in these lanes */
    bool mask_some; /* the mask is known to hold for one lane at least */
    /* fault: alloca i8, set where a BOUND failed; NULL: none yet */
    LLVMValueRef syms, frame, scratch, fault;
    /* alloca i1: index arithmetic is checked, and sets it; NULL: it is not */
    LLVMValueRef overflow;
    bool fresh_syms; /* host functions: symbols change, read them at every use */
    bool has_alias;  /* some parameters may overlap: a store ends every kept load */
    int n_places;
    Map *lane_vars; /* by number of lanes */
} Fn;

/* ---- value.c ---- */
void fn_begin(Fn *, Gen *, const LFunc *, LLVMValueRef fn, Arena *);
int fn_top(const Fn *);
void fn_open(Fn *, LLVMBasicBlockRef from); /* a scope; code now goes to fn->block */
void fn_close(Fn *);
void fn_at(Fn *, int depth); /* the builder to the end of that scope */
LLVMBasicBlockRef fn_block(Fn *, const char *name);
Expr *fn_subst(Fn *, Expr *); /* with expanded variables replaced */
Val emit(Fn *, Expr *);
Val emit_lanes(Fn *, Expr *); /* as a vector of fn->lanes, if in a vector loop */
Val val_lanes(Fn *, Val);
void bind_var(Fn *, const Var *, Val);
Val *kept_find(Fn *, const Expr *, bool splat);
void kept_add(Fn *, const Expr *, bool splat, Val);
/* forgets what depends on the tensor; NULL: everything */
void kept_store(Fn *, const Tensor *);
Val *fn_find(Fn *, uint64_t key);
void fn_keep(Fn *, uint64_t key, Val);
void alloca_zero_fault(Fn *);

/* ---- index.c ---- */
/* a SUM, PROD, VAR or index operation that differs between lanes */
Val emit_index_lanes(Fn *, Expr *);
LLVMValueRef index_width(Fn *, LLVMValueRef, int bits);
bool fits32(Fn *, Expr *);
Val emit_bound(Fn *, Expr *);

/* ---- memory.c access.c ---- */
Place *place_of(Fn *, const Tensor *);
Val address(Fn *, Place *, Expr *index); /* of the element; `index` is uniform */
Val emit_load(Fn *, Expr *);
Val emit_guard(Fn *, Expr *);
void emit_store(Fn *, const Tensor *, Expr *index, Val value);
bool gate_applies(Fn *, Place *, Expr *index);
void fault_where(Fn *, Val bad);

/* ---- body.c vector.c ---- */
void emit_body(Fn *, const LBody *);
void emit_vector_loop(Fn *, const LStmt *);
typedef void (*LoopBody)(Fn *, void *user);
void emit_serial(Fn *, Var *, Expr *lo, Expr *hi, LoopBody, void *user);
/* other: NULL or a body */
void emit_branch(Fn *, LLVMValueRef cond, LoopBody then, LoopBody other, void *user);
void emit_unrolled(Fn *, const LStmt *, int64_t lo, int64_t hi);

/* ---- func.c ---- */
void func_attributes(Gen *, LLVMValueRef f);
LLVMValueRef emit_kernel(Gen *, const LFunc *, const char *symbol, const bool *may_alias);

#endif
