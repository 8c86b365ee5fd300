/* The command line of onnxcc: options as a struct, filled from options.def. */
#ifndef ONNXCC_FRONTEND_CLI_H
#define ONNXCC_FRONTEND_CLI_H

#include "codegen/codegen.h"
#include "frontend/frontend.h"
#include "passes/passes.h"

/* What is asked for: EmitKind's values are those of the code generators, the rest are the levels of
 * the IR. */
enum { EMIT_GRAPH = 100, EMIT_KERNELS, EMIT_PLAN, EMIT_LOOPS };

typedef struct Words {
    VEC(const char *) list;
} Words;
typedef struct Dims {
    VEC(DimOption) list;
} Dims;

typedef struct Cli {
    Ctx *ctx;
    Words models;
    const char *output, *triple, *features, *header, *weights, *decisions, *dump_decisions,
        *dump_after;
    const char *linker, *sysroot;
    Words cpus, gpu_arch, entries, keep;
    Dims dims;
    int emit, level, device, fp, precision, jobs;
    bool verify_each, time_passes, torture, debug, link_static, no_cache, verbose, quiet, version,
        help, help_all, print_passes;
} Cli;

/* Fills cli (which the caller zeroed, ctx set); false after diagnostics. */
bool cli_parse(Cli *, int argc, char **argv);
void cli_help(FILE *, bool all);
const char *cli_version(void);

/* ---- driver.c ---- */
int compile(Cli *); /* the exit code */

/* ---- text.c ---- */
/* NULL or -: stdout; the exit code */
int write_text(Ctx *, const char *path, const char *text, size_t n);
char *read_text(Ctx *, const char *path, size_t *n); /* -: stdin; NULL after a diagnostic */

/* ---- processors.c ---- */
typedef struct Processors { /* what -mcpu and --target mean */
    const char *triple;
    const Machine **machine;      /* best first */
    const char **cpu, **features; /* LLVM's names */
    int n;
    const Machine *host; /* of a device's host; NULL: there is no device */
    bool bare_metal;
} Processors;
bool processors_pick(const Cli *, Processors *);

#endif
