/* What an operator's declaration sees (frontend/ops/, one file per family).
 *
 *   ONNX_OP(Elu, 6) {
 *       ATTRS("alpha:f");
 *       Value *x = need(n, 0, T_FLOAT);
 *       ...
 *       return give(n, 0, y);
 *   }
 *
 * The line begins with ONNX_OP(name, opset that introduced this meaning); the build collects these
 * lines into the dispatch table, and the newest version that a model's opset has is called. ATTRS
 * comes first: it lists all attributes, checks the node's against them, and ends the call in the
 * survey, where no inputs exist yet. Every function here that fails has reported exactly once; NULL
 * and false are passed on in silence, so that a declaration may chain builders and test once. */
#ifndef ONNXCC_FRONTEND_OPS_H
#define ONNXCC_FRONTEND_OPS_H

#include "ir/graph.h"

typedef struct Import Import;
typedef struct Frame Frame;

typedef struct OnnxNode {
    Graph *g;
    Ctx *ctx;
    Import *import;
    const struct Onnx__NodeProto *proto;
    const Frame *frame;
    Loc loc;
    int opset;
    bool survey, checked; /* surveying; ATTRS was reached */
    Value **in, **out;
    int n_in, n_out;
} OnnxNode;

typedef bool OnnxBuild(OnnxNode *);
#define ONNX_OP(name, since) ONNX_OP_OF(ai, name, since)
/* Of another domain: its short name in the table of registry.c, and its own version. */
#define ONNX_OP_OF(domain, name, since)                                                            \
    bool onnx_##domain##_##name##_##since(OnnxNode *);                                             \
    bool onnx_##domain##_##name##_##since(OnnxNode *n)

/* ---- attributes (attrs.c) ----
 * The list: `name:kind`, separated by blanks. Kinds: i f s t g (int, float, string, tensor, graph),
 * I F S (lists), x (sparse tensor), p (type). Then, optionally, `(a|b|c)`: the values a string may
 * have; `!`: required; `@N`: from opset N on; `<N`: before opset N. */
#define ATTRS(list)                                                                                \
    if (!node_attributes(n, list)) return false
bool node_attributes(OnnxNode *, const char *list);
bool attr_has(OnnxNode *, const char *name);
int64_t attr_int(OnnxNode *, const char *name, int64_t otherwise);
double attr_float(OnnxNode *, const char *name, double otherwise);
const char *attr_string(OnnxNode *, const char *name, const char *otherwise);
bool attr_is(OnnxNode *, const char *name, const char *value);   /* given, and equal */
int attr_ints(OnnxNode *, const char *name, const int64_t **);   /* count, -1: absent */
int attr_floats(OnnxNode *, const char *name, const float **);   /* count, -1: absent */
int attr_strings(OnnxNode *, const char *name);                  /* count, -1: absent */
const char *attr_string_at(OnnxNode *, const char *name, int i); /* element i of those */
const struct Onnx__TensorProto *attr_tensor(OnnxNode *, const char *name);
const struct Onnx__GraphProto *attr_graph(OnnxNode *, const char *name);
const struct Onnx__SparseTensorProto *attr_sparse(OnnxNode *, const char *name);
const struct Onnx__TypeProto *attr_type(OnnxNode *, const char *name);

/* ---- inputs and outputs (node.c) ---- */
enum {
    T_F = 1,
    T_S = 2,
    T_U = 4,
    T_B = 8,
    T_STR = 16,
    T_N = 32, /* floats, signed, unsigned, bool, string; narrow: float8, float4, 4 and 2 bits */
    T_SEQ = 64, /* sequences and optionals (frontend/sequence.h); no tensor */
    T_C = 128,  /* complex */
    T_FLOAT = T_F,
    T_INT = T_S | T_U,
    T_SIGNED = T_F | T_S,
    T_NUM = T_F | T_S | T_U,
    T_PLAIN = T_NUM | T_B,
    T_MOVED = T_PLAIN | T_N, /* whatever is no more than copied */
    T_ANY = T_MOVED | T_STR | T_C
};
/* Input k. need: reports where it is absent; both: where its type is not among `types`. */
Value *need(OnnxNode *, int k, int types);
Value *maybe(OnnxNode *, int k, int types);
bool has(const OnnxNode *, int k);
bool give(OnnxNode *, int k, Value *);                   /* output k; passes NULL on as false */
bool wants(const OnnxNode *, int k);                     /* does the model use output k? */
bool bad(OnnxNode *, const char *fmt, ...) PRINTF(2, 3); /* one error at this node; false */
bool same_dtype(OnnxNode *, int a, int b);
bool want_rank(OnnxNode *, int k, int lo, int hi);
bool want_inputs(OnnxNode *, int lo, int hi);
bool declared_rank(OnnxNode *, int k, int *rank); /* does the model say of what rank output k is? */

/* ---- axes and shapes (axes.c) ---- */
bool axis_in(OnnxNode *, int64_t axis, int rank, int *out); /* -rank..rank-1 to 0..rank-1 */
/* Sorted, each once; out holds MAX_RANK. */
bool axes_in(OnnxNode *, const int64_t *axes, int count, int rank, int64_t *out);
/* An input of integers (at most `max`) that must be known now. */
bool known_ints(OnnxNode *, int k, int64_t *out, int max, int *count);
bool known_int(OnnxNode *, int k, int64_t *out);
bool known_float(OnnxNode *, int k, double *out);
/* From the attribute, or else from input k (-1: no such input); *count -1: neither is given. */
bool ints_arg(OnnxNode *, const char *name, int k, int64_t *out, int max, int *count);
/* The same, as index expressions >= lo; what is not known yet becomes a symbol bound at run time.
 */
bool cells_arg(OnnxNode *, const char *name, int k, Expr **out, int max, int *count, int64_t lo);
bool input_cells(OnnxNode *, int k, Expr **out, int max, int *count, int64_t lo);
bool small_cells(OnnxNode *, Expr *const *cells, int count); /* reports constants beyond any size */
bool input_cell(OnnxNode *, int k, Expr **out,
                int64_t lo); /* a scalar, or a tensor of one element */

/* Is the dimension at least so large? Where the node is executed in every run this may bound a
 * dimension of the inputs. */
bool demand_size(OnnxNode *, Expr *dim, int64_t least);
bool demand_equal(OnnxNode *, Expr *dim, int64_t size); /* the same for exactly so large */
/* A condition over dimensions that programs check when they get them; `text` says what must be.
 * False: it never holds, or only some runs or only a run can tell. */
bool demand_that(OnnxNode *, Expr *cond, const char *text);
/* The same. False: it never holds, which is reported; what cannot be told before a run, as in a
 * body, is let pass. */
bool demand_true(OnnxNode *, Expr *cond, const char *text);

/* ---- axes that only the run knows (axes_late.c) ---- */
typedef struct LateAxes {
    Expr *at[MAX_RANK]; /* each in 0..rank-1; no two are equal */
    int n;
} LateAxes;
/* has input k a known length, but elements that are not known now? */
bool is_late(OnnxNode *, int k);
bool late_axes(OnnxNode *, int k, int rank, LateAxes *); /* reads input k */
/* of[i] where `axis` is the i-th of them, else `otherwise`; `yes` where it is any of them, else
 * `no` */
Expr *late_pick(OnnxNode *, const LateAxes *, int axis, Expr *const *of, Expr *otherwise);
Expr *late_choose(OnnxNode *, const LateAxes *, int axis, Expr *yes, Expr *no);
/* The sizes of the other axes (rank - n), and the sizes with a 1 at each of the axes (rank + n). */
void late_rest(OnnxNode *, const LateAxes *, const Type *, Expr **dims);
void late_insert(OnnxNode *, const LateAxes *, const Type *, Expr **dims);
/* Where the axes stand there is 1, and all their elements are in one more axis at the end. */
Value *late_gather(OnnxNode *, const LateAxes *, Value *);

/* One axis: the sizes' products in front of it, at it and behind it. */
void late_split(OnnxNode *, const LateAxes *, Expr *const *sizes, int rank, Expr **dims);

/* ---- shorthands (short.c); NULL in, NULL out ---- */
Value *flt(OnnxNode *, const Value *like, double v); /* a constant of the type of `like`, rank 0 */
Value *num(OnnxNode *, const Value *like, int64_t v);
Value *un(OnnxNode *, ScalarOp, Value *);
Value *bin(OnnxNode *, ScalarOp, Value *, Value *);
Value *sel(OnnxNode *, Value *c, Value *a, Value *b);
Value *cast_to(OnnxNode *, Value *, DType); /* as it is where the type is right */
Value *reshape_to(OnnxNode *, Value *, Expr *const *dims, int rank);
Value *unsqueeze(OnnxNode *, Value *, int axis); /* a dimension of 1 in front of `axis` */
Value *expand_axis(OnnxNode *, Value *, int axis, Expr *dim); /* as it is where it has that */
Value *per_channel(OnnxNode *, Value *,
                   int rank); /* [C] to [C, 1, ...] that broadcasts to [N, C, ...] */
Value *transpose_to(OnnxNode *, Value *, const int64_t *perm);
Value *constant_of(OnnxNode *, const struct Onnx__TensorProto *);
Value *sparse_constant(OnnxNode *, const char *attribute);
Expr *at_least(OnnxNode *, Expr *, int64_t least); /* max(e, least) */
Expr *ix(OnnxNode *, int64_t);

/* Expressions in the body of a comprehension: E2(add, a, b). */
#define E1(op, a) expr_op1(n->ctx, SOP_##op, a)
#define E2(op, a, b) expr_op2(n->ctx, SOP_##op, a, b)
#define E3(op, a, b, c) expr_op3(n->ctx, SOP_##op, a, b, c)
Expr *real(OnnxNode *, DType, double v); /* a constant, rounded to the type */

/* ---- shared by families ---- */
Value *matmul(OnnxNode *, Value *a, Value *b); /* numpy's rules (linear.c) */
/* Gathers along one axis; views where the indices are constants in arithmetic progression
 * (index.c). */
Value *gather(OnnxNode *, Value *x, Value *indices, int axis);
/* As Cast converts; round_mode (up, down, nearest) is for f8e8m0 alone (cast.c). */
Value *cast_as_onnx(OnnxNode *, Value *, DType, bool saturate, const char *round_mode);
/* Strings (string.c). To a number: of a type that casts to `to` without a second rounding. */
Value *equal_strings(OnnxNode *, Value *a, Value *b);
Value *number_to_string(OnnxNode *, Value *);
Value *string_to_number(OnnxNode *, Value *, DType to);
/* Input 0 and 1 must be x and the weights, as the checks report on inputs (conv.c). */
Value *conv(OnnxNode *, Value *x, Value *weights, Value *bias);

/* size ^ power as a scalar: a constant where the size is known (attention.c). */
Value *size_power(OnnxNode *, Expr *size, double power, DType);

/* ---- sub-graphs (subgraph.c) ---- */
/* Builds `body` into `region` (NULL: right here); its inputs are `args`; results go to out[]
 * (n_results of them) and, where a region is given, become its results. */
bool build_subgraph(OnnxNode *, const struct Onnx__GraphProto *body, Region *region,
                    Value *const *args, int n_args, Value **out, int n_results);
int subgraph_inputs(const struct Onnx__GraphProto *);
int subgraph_outputs(const struct Onnx__GraphProto *);
/* Does the body declare a constant for this dimension of its input? */
bool subgraph_input_fixed(const struct Onnx__GraphProto *, int input, int axis);

#endif
