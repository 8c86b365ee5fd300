/* Passes by name, from the table that the build collects. */
#include "passes/passes.h"

enum {
    LEVEL_OF_GRAPH = LEVEL_GRAPH,
    LEVEL_OF_KERNELS = LEVEL_KERNELS,
    LEVEL_OF_PLAN = LEVEL_PLAN,
    LEVEL_OF_LOOPS = LEVEL_LOOPS
};

typedef bool GraphPass(Graph *);
typedef bool GraphPassWith(Graph *, const Options *);
typedef bool KernelPass(Program *);
typedef bool KernelPassWith(Program *, const Options *);

static bool on_graph(GraphPass *pass, void *object, const Options *opt) {
    (void)opt;
    return pass(object);
}

static bool on_graph_with(GraphPassWith *pass, void *object, const Options *opt) {
    return pass(object, opt);
}

static bool on_program(KernelPass *pass, void *object, const Options *opt) {
    (void)opt;
    return pass(object);
}

static bool on_program_with(KernelPassWith *pass, void *object, const Options *opt) {
    return pass(object, opt);
}

#define X(name, level, text)                                                                       \
    static bool run_##name(void *object, const Options *opt) {                                     \
        return _Generic(pass_##name, GraphPass *: on_graph, GraphPassWith *: on_graph_with,        \
                        KernelPass *: on_program,                                                  \
                        KernelPassWith *: on_program_with)(pass_##name, object, opt);              \
    }
#include "passes_table.inc"
#undef X

static const PassInfo passes[] = {
#define X(name, level, text) {#name, (Level)LEVEL_OF_##level, text, run_##name},
#include "passes_table.inc"
#undef X
};

int pass_count(void) {
    return LEN(passes);
}

const PassInfo *pass_at(int i) {
    return &passes[i];
}

bool pass_by_name(const char *name, Level *level, bool (**fn)(void *, const Options *)) {
    for (int i = 0; i < LEN(passes); i++) {
        if (strcmp(passes[i].name, name)) continue;
        *level = passes[i].level;
        *fn = passes[i].run;
        return true;
    }
    return false;
}
