/* ONNX graphs into our graph: what the parts of the importer share. Operators see frontend/ops.h
 * instead.
 *
 * A Frame is one level of ONNX's naming world: the model, or one call of a model-local function. A
 * Scope is one NodeProto list inside a frame: the graph, a function's body, or a sub-graph, which
 * also sees the scopes around it. Work is in two rounds: the survey looks at every node that will
 * be built and reports everything that can be known without types (unknown operators, domains,
 * opsets, attributes); the build makes our nodes. In the build a node that failed gives poison, and
 * nodes that use poison are left out in silence, so each fault is reported once. */
#ifndef ONNXCC_FRONTEND_IMPORT_H
#define ONNXCC_FRONTEND_IMPORT_H

#include "frontend/frontend.h"
#include "frontend/model.h"
#include "frontend/ops.h"

typedef Onnx__NodeProto NodeProto;
typedef Onnx__GraphProto GraphProto;
typedef Onnx__AttributeProto AttributeProto;
typedef Onnx__FunctionProto FunctionProto;
typedef Onnx__ValueInfoProto ValueInfoProto;
typedef Onnx__TensorProto TensorProto;

enum { MIN_IR = 3, MAX_IR = 14, MIN_OPSET = 1, MAX_OPSET = 27 };
enum {
    MAX_DEPTH = 200,
    MAX_NODES = 500000
}; /* nested functions and sub-graphs; nodes after inlining */

typedef struct Frame {
    const FunctionProto *function; /* NULL: the model itself */
    const struct Frame *caller;
    Map *opsets;        /* domain -> const int64_t * */
    Map *attributes;    /* function calls: name -> const AttributeProto *, defaults included */
    const char *prefix; /* of node names in messages: "outer/" */
} Frame;

typedef struct Scope {
    Map *values; /* name -> Value *, or poison */
    struct Scope *outer;
    bool sees_out; /* a sub-graph: names of the scopes around are visible */
    const GraphProto *graph; /* NULL: a function's body */
    const Frame *frame;
} Scope;

struct Import {
    Ctx *ctx;
    Graph *g;
    Model *model;
    const ImportOptions *options;
    Map *operators; /* domain::name -> const OnnxOp * (the list of its versions) */
    Map *functions; /* domain::name::overload -> const FunctionProto * */
    Map *reported;  /* unknown operators, domains, opsets: said once each */
    int64_t nodes;
    int depth; /* of the survey */
    Map *
        learned; /* dimension as the model calls it -> Sym * of the last round, whose bounds hold */
    bool narrowed; /* by an operator that was built (demand_size) */
    Map *sequences; /* value -> Sequence *: what is known of it (sequence.h) */
    Value *poison; /* stands for what could not be made */
    Value *absent; /* an input that a function's caller left out */
    Scope *scope;
};

/* One version of an operator; `next` is the next older one. */
typedef struct OnnxOp {
    const char *name;
    int since;
    OnnxBuild *build;
    const struct OnnxOp *next;
} OnnxOp;

/* ---- registry.c ---- */
Map *operators_new(Ctx *);
/* The newest version of the domain's operator that the opset has; NULL: none (then *oldest is the
 * first opset that has one, 0 if unknown). */
const OnnxOp *operator_find(Import *, const char *domain, const char *name, int64_t opset,
                            int *oldest);
int domain_newest(const char *domain); /* its newest version that is known; 0: unknown domain */

/* ---- frame.c ---- */
bool frame_open(Import *, Frame *, Onnx__OperatorSetIdProto *const *imports, size_t n);
bool frame_call(Import *, Frame *out, const Frame *caller, const FunctionProto *, const NodeProto *,
                const Loc *);
int64_t frame_opset(const Frame *, const char *domain); /* 0: not imported */
/* The attribute itself, or what it refers to in the function's call; NULL: absent. */
const AttributeProto *frame_attribute(const Frame *, const AttributeProto *);
const FunctionProto *function_find(Import *, const NodeProto *);
const char *domain_of(const char *domain); /* "" for ai.onnx and NULL */
/* Where a node is, for messages: its name (made up of operator and position where it has none). */
Loc node_place(Import *, const Frame *, const NodeProto *, size_t index);

/* ---- survey.c ---- */
void survey(Import *, const Frame *, NodeProto *const *nodes, size_t n);

/* ---- order.c ---- */
/* An order in which every node follows what it needs; NULL after a diagnostic that shows the cycle.
 */
const int *node_order(Import *, const Frame *, NodeProto *const *nodes, size_t n);

/* ---- scope.c ---- */
/* Inside the current one; it becomes the current one. */
void scope_open(Import *, Scope *, const Frame *, const GraphProto *);
void scope_close(Import *);
Value *scope_find(const Scope *, const char *name); /* NULL: unknown */
bool scope_define(Import *, const Loc *, const char *name, Value *);
bool scope_initializers(Import *, const GraphProto *);

/* ---- inputs.c ---- */
void import_inputs(Import *, const GraphProto *);
void import_outputs(Import *, const GraphProto *);
/* Narrows symbols of a value that --dim names. */
void bound_value(Import *, const char *name, Value *);
void report_unused_dims(Import *);

/* ---- bounds.c ---- */
bool learn_bounds(Graph *); /* narrows input symbols; true where it could */
bool at_least_bound(Ctx *, const Expr *, int64_t least);
bool exact_bound(Ctx *, const Expr *, int64_t size); /* both: did a bound change? */

/* ---- build.c ---- */
/* Keeps the names of the graph's values from being made up for others. */
void reserve_names(Import *, const GraphProto *);
/* Reports what fails and leaves poison in its place. */
void build_nodes(Import *, NodeProto *const *nodes, size_t n);

#endif
