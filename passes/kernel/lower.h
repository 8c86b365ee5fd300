/* Shared by lower*.c: graph nodes to kernels, one function per operation, each called
 * lower_op_<operation>.
 *
 * Every value becomes a tensor of the program. A node becomes one kernel (or a call, bind, if
 * or loop item) that writes the tensors of its results. Reductions of f16 and bf16 accumulate
 * in a temp of f32; every reduction writes a tensor of its accumulator's type, and a map
 * behind it converts. */
#ifndef ONNXCC_PASSES_LOWER_H
#define ONNXCC_PASSES_LOWER_H

#include "passes/passes.h"

typedef struct Lower {
    Ctx *ctx;
    Graph *graph;
    Program *program;
    Block *block;   /* where items go */
    Node *node;     /* being lowered */
    Kernel *kernel; /* being built */
    Map *tensors;   /* by value */
    Map *inlined;   /* values that have no tensor of their own, by value */
    Map *var_names; /* taken in the kernel */
    Map *bound;     /* VALUE symbols that have a value where items go now */
    bool failed;
} Lower;

#define G(name, lo, hi, outs, mapping, meaning) bool lower_op_##name(Lower *);
#include "ir/graph_ops.def"
#undef G
bool lower_scalar(Lower *);

/* ---- lower.c ---- */
Program *lower_node(Graph *, Node *); /* it alone: constants in, its results as outputs */
bool lower_region(Lower *, Region *); /* the nodes of a region, into `block` */
/* Where the value lies; constants are added to the program when first asked for. */
Tensor *lower_tensor(Lower *, Value *);
void lower_place(Lower *, Value *, Tensor *); /* the value lies there */
Tensor *lower_find(Lower *, const Value *);   /* NULL: not placed yet */
bool lower_has(Lower *, const Value *);       /* is it placed or inlined? */
/* A value that is read without a tensor: a number, or the slice of another value at position
 * `at` of an axis. A tensor is made where one is asked for. */
void lower_inline(Lower *, Value *, Expr *number);
void lower_slice_of(Lower *, Value *, Value *whole, int axis, Expr *at);
/* An element of such a value; NULL: it is none. */
Expr *lower_inlined(Lower *, Value *, Expr *const *index);
Tensor *lower_out(Lower *, int k);             /* of result k */
void lower_copy(Lower *, Value *, Tensor *to); /* a kernel that copies */
bool lower_fail(Lower *, const char *what);    /* a diagnostic at the node; false */
Origin *lower_origin(Lower *, int *n);

/* ---- lower_calls.c ---- */
void lower_bind(Lower *, Sym *, Tensor *, int64_t index); /* an item: symbol = element */
/* An item in front of all others: strings of a constant from their bytes. */
void lower_unpack(Lower *, Tensor *bytes, Tensor *strings, int64_t elements);
/* Gives a VALUE symbol the value of an expression. */
void lower_bind_dim(Lower *, Sym *, Expr *value);
void lower_check(Lower *, Expr *cond, const char *text); /* unless it is known to hold */
/* The dimension is `size` from here on: where it is a symbol without a value it gets this one, else
 * the run checks it. */
void lower_settle(Lower *, Expr *dim, Expr *size, const char *text);

/* ---- lower_control.c ---- */
Block *lower_enter(Lower *, Block *into); /* where items go from now on; returns where they went */
/* Lets the node that makes a result of the region write to t, where that is possible. */
void lower_place_result(Lower *, const Region *, Value *, Tensor *t);
void lower_finish_result(Lower *, Value *, Tensor *t); /* copies it to t unless it lies there */

/* ---- lower_build.c ---- */
/* A new kernel for the node, at the end of the block. */
Kernel *lower_kernel(Lower *, const char *hint);
/* Its name is fresh in the kernel and no symbol's. */
Var *lower_var(Lower *, const char *name, Expr *extent);
void lower_vars(Lower *, Expr *const *dims, int rank, Var **vars); /* i j k l ... */
void lower_indices(Var *const *vars, int n, Expr **index); /* the variables as expressions */
/* An element; constants of one element are numbers. */
Expr *lower_load(Lower *, Value *, Expr *const *index);
/* The same with subscripts of a larger shape, aligned to the right. */
Expr *lower_bcast(Lower *, Value *, Expr *const *index, int rank);
Expr *lower_at(Lower *, Tensor *, Var *const *vars, int n);
/* Adds a map to the kernel; the value is converted to out's type. */
Stmt *lower_map(Lower *, Tensor *out, Var *const *dom, int n, Expr *value);
Stmt *lower_reduce(Lower *, Reduce, Tensor *out, Var *const *dom, int n, Var *const *red,
                   int n_red, Expr *value);
/* A temp named after the first result. */
Tensor *lower_temp(Lower *, const char *role, DType, Var *const *vars, int n);
DType lower_acc_type(DType);      /* f32 for f16 and bf16 */
Expr *lower_acc(Lower *, Expr *); /* converted to that */
Expr *lower_number(Lower *, DType, double);
Expr *lower_resolved(Lower *, Expr *);
int lower_exprs(Lower *, const char *attr, Expr **out); /* attribute, resolved; how many */
int64_t lower_item(const Node *, const char *attr, int i, int64_t otherwise); /* of a list */

#endif
