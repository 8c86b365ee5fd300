/* The graph: tensors and about forty primitive operations in SSA form, shapes as index expressions.
 *
 * The text of the level, one line per node, attributes sorted, defaults omitted:
 *
 *   graph main(%x : f32[N,3,8,8]) -> (%logits : f32[N,10]) where N in 1..1024 {
 *     const %w : f32[16,3,3,3] = blob 9f1c33aa5c0d1e2f 1728
 *     const %eps : f32[] = 1e-05
 *     %a : f32[N,16,8,8] = conv %x, %w {pads=[1,1,1,1]}   loc "Conv_0"
 *     %b : f32[N,16,8,8] = max %a, %zero                  loc "Relu_1"
 *     return %logits
 *   }
 *
 * Constants: inline elements (up to 16), `splat V`, `rand(seed)` (uniform -1..1, for tests), or
 * `blob HASH BYTES`, resolved from the model or a .blobs file (a concatenation of payloads found by
 * their hash).
 *
 * Shapes are known when a node is made: graph_infer computes result types from operand types,
 * attributes and the *cells* of operands. A cell is the symbolic value of one element of a small
 * integer tensor (RDP's V-map, SoD2 section 3): Shape copies dims into cells, Concat, Gather,
 * arithmetic and casts on cells give cells, so that Reshape's target, Slice's bounds and Range's
 * limit become index expressions. Where an element is not known before the run, value_cell() adds a
 * `bind` node and gives a VALUE symbol. Regions see the values around them (captures need no
 * arguments). */
#ifndef ONNXCC_IR_GRAPH_H
#define ONNXCC_IR_GRAPH_H

#include "ir/expr.h"

typedef enum Op {
#define G(name, lo, hi, outs, mapping, meaning) OP_##name,
#include "ir/graph_ops.def"
#undef G
    OP_SCALAR /* OP_SCALAR + ScalarOp */
} Op;
typedef enum Mapping {
    MAP_O2O,
    MAP_O2M,
    MAP_M2M,
    MAP_REORG,
    MAP_SHUFFLE,
    MAP_OPAQUE,
    MAP_CONTROL
} Mapping;
typedef struct OpInfo {
    const char *name;
    int min_in, max_in, n_out;
    Mapping mapping;
    const char *meaning;
} OpInfo;
const OpInfo *op_info(Op);        /* scalar rows included */
int op_by_name(const char *name); /* -1: none */
static inline bool op_is_scalar(Op op) {
    return op >= OP_SCALAR;
}
static inline ScalarOp op_scalar(Op op) {
    return (ScalarOp)(op - OP_SCALAR);
}

typedef struct Type {
    DType dtype;
    int rank;
    Expr *dims[MAX_RANK]; /* never NULL: what only execution decides is a VALUE symbol */
} Type;
Expr *type_elements(Ctx *, const Type *);          /* product of dims */
bool type_static(const Type *, int64_t *elements); /* all dims constant? elements may be NULL */
bool type_equal(Ctx *, const Type *, const Type *);

/* Constant payload. Not copied: `data` lies in the mapped model file, an arena, or is NULL for
 * SPLAT (one element, in `splat`). Elements are packed as in ONNX raw_data (little endian; bool one
 * byte). */
typedef struct Const {
    DType dtype;
    int64_t elements;
    const void *data;
    uint64_t hash;     /* of dtype, size and payload; 0: not yet computed (const_hash) */
    uint8_t splat[16]; /* the element, where data is NULL */
    bool missing;      /* a blob that nobody has: only dtype, elements and hash are known */
    bool random;       /* made by rand(seed) */
    uint64_t seed;
} Const;
typedef struct StrElement { /* of a constant of strings; as the runtime's struct onnxcc_string */
    const char *data;
    size_t size;
} StrElement;
Const *const_strings(Ctx *, const char *const *, int n); /* borrows them */
StrElement const_string(const Const *, int64_t i);
/* As u8: per string the offset and the size of its characters (i64 each), then these. */
Const *const_packed_strings(Ctx *, const Const *);
Const *const_new(Ctx *, DType, int64_t elements, const void *data); /* borrows data */
Const *const_splat(Ctx *, DType, int64_t elements, const void *element);
uint64_t const_hash(Const *);
double const_get(const Const *, int64_t i); /* element as double (integers beyond 2^53 lose bits) */
int64_t const_get_int(const Const *, int64_t i);
Const *const_new_flt(Ctx *, DType, double v);  /* one element, rounded to the type */
Const *const_new_int(Ctx *, DType, int64_t v); /* one element, wrapped to the type */
Const *const_random(Ctx *, DType, int64_t elements, uint64_t seed);
bool const_same(const Const *, const Const *); /* equal type, size and bytes */
const void *const_bytes(Ctx *, const Const *); /* the packed elements; a splat is written out */

typedef struct Node Node;
typedef struct Region Region;
typedef struct Value {
    char *name; /* unique in its graph */
    Type type;
    Node *def;    /* NULL: input, region argument or constant */
    Const *data;  /* constants */
    Expr **cells; /* symbolic elements of small integer/bool tensors (index type), NULL: not
                     tracked; an element may be NULL */
    int n_cells;
    int mark;     /* scratch for passes */
    void *aux;    /* scratch for passes */
    Region *home; /* region arguments: whose (graph inputs: the body) */
} Value;

typedef enum AttrKind { AT_INT, AT_FLT, AT_STR, AT_INTS, AT_FLTS, AT_EXPRS } AttrKind;
typedef struct Attr {
    const char *name;
    AttrKind kind;
    int n;
    int64_t i, *ints;
    double f, *flts;
    char *s;
    Expr **exprs;
} Attr;

typedef struct Origin { /* which ONNX nodes something comes from */
    const char *node, *op;
    int opset;
} Origin;

struct Node {
    Op op;
    int n_in, n_out;
    Value **in, **out; /* in[k] may be NULL (absent optional) */
    Attr *attr;
    int n_attr;
    Expr *body;      /* compute: over vars[], loads from params[] */
    Var **vars;      /* compute: d0.. with extents = shape; rank = out type rank */
    Tensor **params; /* compute: placeholders x0.., one per input */
    Region *region[2];
    int n_regions;
    Origin origin;
    Node *prev, *next;
    Region *parent;
    int mark;
    bool linked; /* stands in `parent`'s list */
};

struct Region { /* a list of nodes; the body of the graph or of a control-flow node */
    Value **args;
    int n_args;
    Value **results;
    int n_results;
    Node *first, *last;
    Node *owner; /* NULL: the graph's body */
};

/* A condition over dimensions that is checked when they are given; else the run fails with text. */
typedef struct Require {
    Expr *cond; /* bool */
    char *text; /* a sentence without a full stop */
} Require;

typedef struct Graph {
    Ctx *ctx;
    char *name;
    Region *body; /* args: inputs, results: outputs */
    char **output_names;
    VEC(Value *) consts;
    VEC(Require) requires;
    VEC(Sym *) syms; /* every symbol that may appear; INPUT ones are the program's dimensions */
    Map *names;      /* names taken */
    Region *at;      /* where the builder appends */
    Node *before;    /* not NULL: where it links instead, in front of this node (for passes) */
    bool strict;     /* --fp=strict: no rewrite may change a rounding */
    Origin origin;   /* given to nodes the builder makes */
    Map *sym_names;  /* symbols by the name they were asked for */
    Loc text;        /* while parsing: where messages point to (line 0: nowhere) */
} Graph;

/* ---- graph.c: building and editing ---- */
Graph *graph_new(Ctx *, const char *name);
Sym *graph_sym(Graph *, SymKind, const char *name, int64_t lo,
               int64_t hi); /* an INPUT name that exists is returned again */
Value *graph_input(Graph *, const char *name, const Type *);
Value *graph_const(Graph *, const char *name, Const *, const Type *); /* name NULL: made up */
Value *graph_const_f(Graph *, DType, double v);                       /* rank 0 */
Value *graph_const_i(Graph *, DType, int64_t v);                      /* rank 0 */
Value *graph_const_ints(Graph *, const int64_t *v, int n);            /* i64[n], cells filled */
void graph_output(Graph *, Value *, const char *name);
char *graph_name(Graph *, const char *base);           /* a fresh unique name */
void graph_rename(Graph *, Value *, const char *base); /* to graph_name(base) */
Sym *graph_find_sym(const Graph *, const char *name);  /* by its (clean) name; NULL: none */
/* A small integer tensor whose elements are index expressions (Shape, ConstantOfShape's input ...):
 * a constant where all are integers, else a `compute` that selects among them. rank 0 (n = 1) or 1.
 */
Value *graph_cells(Graph *, DType, Expr *const *cells, int n, int rank);
Region *region_new(Graph *, Node *owner); /* the next region of a control-flow draft */
Value *region_arg(Graph *, Region *, const char *name, const Type *);
void region_result(Graph *, Region *, Value *);
Loc node_loc(const Graph *, const Node *);
/* Makes a node at the end of g->at, infers its result types, returns it; NULL after one diagnostic.
 * Attributes are given with node_set_* on the draft returned by node_draft before node_finish. */
Node *node_draft(Graph *, Op, Value *const *in, int n_in,
                 int n_out); /* call, state: the caller sets out[k]->type */
void node_set_int(Graph *, Node *, const char *, int64_t);
void node_set_flt(Graph *, Node *, const char *, double);
void node_set_str(Graph *, Node *, const char *, const char *);
void node_set_ints(Graph *, Node *, const char *, const int64_t *, int n);
void node_set_exprs(Graph *, Node *, const char *, Expr *const *, int n);
bool node_finish(Graph *, Node *);                     /* infer, link; false after one diagnostic */
void node_finish_before(Graph *, Node *, Node *where); /* for passes: must not fail (BUG) */
bool node_finish_at(Graph *, Node *,
                    Node *where); /* like node_finish, in front of `where` (NULL: end of g->at) */
void node_drop_attr(Node *, const char *);
void node_set_flts(Graph *, Node *, const char *, const double *, int n);
const Attr *node_attr(const Node *, const char *);
int64_t node_int(const Node *, const char *, int64_t otherwise);
double node_flt(const Node *, const char *, double otherwise);
const char *node_str(const Node *, const char *, const char *otherwise);
int node_ints(const Node *, const char *, const int64_t **); /* count; 0 where absent */
int node_exprs(const Node *, const char *, Expr *const **);
void node_remove(Node *); /* unlinks */
void node_move_before(Node *, Node *where);
void graph_replace(Graph *, Value *old, Value *by); /* everywhere, results of regions included */
int value_uses(Graph *, Value *); /* counts by walking; passes that need many call graph_count_uses,
                                     which fills Value.mark */
void graph_count_uses(Graph *);
void graph_each(Graph *, void (*fn)(void *user, Node *),
                void *user); /* all nodes, regions included, in order */

/* ---- graph_build.c: shorthands for importers and passes; each returns the (first) result or NULL
 * after a diagnostic ---- */
Value *build_unary(Graph *, ScalarOp, Value *);
Value *build_binary(Graph *, ScalarOp, Value *, Value *);
Value *build_select(Graph *, Value *c, Value *a, Value *b);
Value *build_cast(Graph *, Value *, DType);
Value *build_transpose(Graph *, Value *, const int64_t *perm);
Value *build_reshape(Graph *, Value *, Expr *const *shape, int rank);
Value *build_expand(Graph *, Value *, Expr *const *shape, int rank);
Value *build_slice(Graph *, Value *, Expr *const *starts, const int64_t *steps, Expr *const *shape);
Value *build_slice_axis(Graph *, Value *, int axis, Expr *start, Expr *len);
Value *build_concat(Graph *, Value *const *, int n, int axis);
Value *build_pad(Graph *, Value *, Expr *const *lo, Expr *const *hi, const char *mode,
                 double value);
Value *build_reduce(Graph *, Value *, const char *kind, const int64_t *axes, int n, bool keepdims);
Value *build_contract(Graph *, Value *, Value *, Value *bias, const char *spec);
Value *build_softmax(Graph *, Value *, int axis, bool log);
Value *build_norm(Graph *, Value *x, Value *scale, Value *bias, const int64_t *axes, int n,
                  double eps, bool center);
/* A comprehension: make variables with extents `shape` and placeholders for the inputs, write the
 * body, finish. */
Node *build_compute_begin(Graph *, Value *const *in, int n_in, DType, Expr *const *shape, int rank);
Value *build_compute_end(Graph *, Node *, Expr *body);
/* Element `index` of the integer tensor as an index expression: its cell, or a VALUE symbol in
 * lo..hi made by a `bind` node. */
Expr *value_cell(Graph *, Value *, int64_t index, int64_t lo, int64_t hi);
/* The number of rounds of a loop that nothing but a trip count known before the run can end; NULL:
 * only the run tells. */
Expr *loop_rounds(Ctx *, const Node *);
/* Does this node give the symbol its value? */
bool node_makes_sym(const Node *, const Sym *);
bool value_known(Value *, int64_t index, Expr **out);     /* the cell, without making anything */
Expr *build_gather_index(Graph *, Expr *i, Expr *extent); /* negative wraps once, then bound() */

/* ---- graph_infer*.c ---- */
bool graph_infer(Graph *, Node *); /* result types and cells from operands; reports, false */
bool graph_infer_again(
    Graph *); /* all nodes in order, dims and attributes resolved first; reports, false */
void type_resolve(Ctx *, Type *);
Type type_make(DType, Expr *const *dims, int rank);
void type_print(Str *, const Type *);
/* The parsed spec of a contract: letters of the operands and of the result. */
typedef struct Spec {
    char a[MAX_RANK + 1], b[MAX_RANK + 1], y[MAX_RANK + 1];
    int na, nb, ny;
} Spec;
bool contract_spec(const char *text, Spec *); /* false: not well formed */
bool at_least_two(Ctx *, Expr *size); /* provably */
bool broadcast_dims(Ctx *, Expr *a, Expr *b,
                    Expr **out); /* one axis; undecided: select by stride, see docs/design.md */
/* What two sizes that meet must be: equal, or the first 1, or either 1; or the first at most the
 * second. */
typedef enum Fit { FIT_EQUAL, FIT_FIRST_ONE, FIT_ONE, FIT_AT_MOST, FIT_COUNT } Fit;
extern const char *const fit_names[FIT_COUNT]; /* as attribute `fit` of check has them */
bool node_fit(const Node *, Fit *);            /* of a check; false: no such name */
Expr *sizes_fit(Ctx *, Expr *a, Expr *b, Fit); /* the condition */

/* ---- graph_verify.c graph_print.c graph_parse.c ---- */
bool graph_verify(Graph *, const char *when); /* reports every violation inside the printed text */
void graph_print(Str *, const Graph *);
/* As graph_print, with note(user, node) after the line of each node as a comment (NULL: none). */
void graph_print_noted(Str *, const Graph *, const char *(*note)(void *user, const Node *),
                       void *user);
Graph *graph_parse(Ctx *, Lexer *); /* NULL after diagnostics */
typedef const void *(*BlobFn)(void *user, uint64_t hash,
                              uint64_t bytes); /* payload of a blob; NULL: not here */
Graph *graph_parse_blobs(Ctx *, Lexer *, BlobFn, void *user);
/* One row of graph_attrs.def. */
typedef struct AttrInfo {
    const char *op, *name;
    AttrKind kind;
    bool required;
    int otherwise;
} AttrInfo;
const AttrInfo *attr_info(Op, const char *name); /* NULL: the operation has no such attribute */
const AttrInfo *attr_rows(int *n);

#endif
