/* Passes: one per file, each `bool pass_NAME(...)` returning whether it changed anything;
 * pipeline.c is the order. A line `PASS(name, LEVEL, "what it does")` stands above each definition
 * and is collected by the build. */
#ifndef ONNXCC_PASSES_H
#define ONNXCC_PASSES_H

#include "ir/graph.h"
#include "ir/kernel.h"
#include "ir/loops.h"
#include "ir/machine.h"
#include "ir/plan.h"
#include "runtime/core/place.h"

#define PASS(name, level, text) /* collected by the build */

typedef enum FpMode { FP_STRICT, FP_DEFAULT, FP_FAST } FpMode;
typedef struct Options { /* what the pipeline obeys */
    int level;                    /* -O0 .. -O3 */
    FpMode fp;
    DType precision;              /* f32, f16, bf16; DT_NONE: as the model says */
    const Machine *const *machine; /* versions of the code, best first; n_machines of them */
    int n_machines;
    const Machine *host;          /* beside a device, for which `machine` is; NULL: there is none */
    bool one_memory;              /* what runs on the device works in the host's memory */
    bool static_only;             /* bare metal: unbounded sizes are errors */
    bool verify_each, time_passes, torture; /* torture: print, parse, compare after every pass */
    const char *dump_after;       /* pass name or "all" */
    FILE *dump;                   /* where dumps go */
    const char *stop_after;       /* "graph", "kernels", "plan", "loops": the level wanted */
} Options;
bool compiles_for_gpu(const Options *);

/* ---- the pipeline, level by level; each reports and returns false/NULL on errors ---- */
bool run_graph_passes(Graph *, const Options *);
Program *lower_graph(Graph *, const Options *);               /* graph to kernels, one per node */
/* Fusion, numerics, layout, math, schedule */
bool run_kernel_passes(Program *, const Options *);
Plan *make_plan(Program *, const Options *);
/* Kernels for one machine, bind and run */
Loops *lower_to_loops(Plan *, const Options *, const Machine *);
/* By name, for onnxcc-opt. The object is a Graph, Program, Plan or Loops as the pass's level
 * says. */
typedef enum Level { LEVEL_GRAPH, LEVEL_KERNELS, LEVEL_PLAN, LEVEL_LOOPS } Level;
typedef struct PassInfo {
    const char *name;
    Level level;
    const char *text;
    bool (*run)(void *object, const Options *);
} PassInfo;
int pass_count(void);
const PassInfo *pass_at(int);
bool pass_by_name(const char *name, Level *level, bool (**fn)(void *, const Options *));

/* ---- torture.c: prints, parses and prints again; a difference is a bug in the compiler. `after`:
 * of which pass, for the message ---- */
void torture_graph(Graph *, const char *after);
void torture_program(Program *, const char *after);
void torture_plan(Plan *, const char *after);
void torture_loops(Loops *, const char *after);

/* ---- graph/ ---- */
bool pass_fold(Graph *, const Options *);
bool pass_quantized(Graph *, const Options *);
bool pass_cse(Graph *);
bool pass_dce(Graph *);
bool pass_algebra(Graph *);
bool pass_patterns(Graph *);
bool pass_merge_contracts(Graph *);
bool pass_rdp(Graph *);
bool pass_demands(Graph *);
/* Dimensions of inputs and node results, by how well they are known. */
typedef struct RdpCount {
    int nodes, known, symbolic, derived, value;
} RdpCount;
RdpCount rdp_count(Graph *);
void rdp_report(Str *, Graph *); /* one line */
/* Evaluates a node with constant inputs by lowering it to kernels and interpreting them. out: n_out
 * constants. */
bool eval_node(Graph *, Node *, Const **out);

/* ---- kernel/ ---- */
bool pass_carriers(Program *);
bool pass_fast_math(Program *, const Options *);
bool pass_lower_math(Program *, const Options *);
Expr *lower_math_expr(Ctx *, Expr *);                 /* exp, tanh, erf ... to polynomials */
bool pass_concats(Program *);
bool pass_fuse(Program *, const Options *);
bool pass_scatters(Program *);
bool pass_layout(Program *);
bool pass_turn(Program *);
bool pass_precision(Program *, const Options *);
bool pass_gpu_keys(Program *, const Options *);
bool pass_gpu_attention(Program *, const Options *);
bool pass_gpu_split(Program *, const Options *);
bool pass_gpu_rows(Program *, const Options *);
bool pass_gpu_turns(Program *, const Options *);
bool pass_gpu_integers(Program *, const Options *);
bool pass_numerics(Program *, const Options *);
bool pass_schedule(Program *, const Options *);
LFunc *apply_schedule(Program *, Kernel *, How *);    /* kernel and how to explicit loops */

/* ---- kernel/revise.c: other schedules, where code asks too much of a GPU ---- */
typedef struct Revisions Revisions;
Revisions *revisions_new(Program *, const Options *); /* behind pass `schedule` */
/* The code of this kernel, as it is scheduled now, asks for so many bytes too much. */
void revisions_excess(Revisions *, const Kernel *, int64_t bytes, const char *why);
/* Schedules the kernels again of which this was said since the last call. Where nothing smaller is
 * left, a kernel gets the best schedule that it had, and keeps it. False: nothing has changed. */
bool revisions_next(Revisions *);

/* ---- plan/ ---- */
bool pass_order(Program *, const Options *);
bool pass_placement(Program *, const Options *);
bool pass_copies(Program *, const Options *);
bool pass_inplace(Program *);
bool pass_streams(Program *, const Options *);
/* Offsets of n buffers of known sizes, and the end of the highest; stops where that is `least`, the
 * largest live set. */
int64_t place_search(Ctx *, const struct onnxcc_live *, int n, int64_t least, int64_t *offset);

#endif
