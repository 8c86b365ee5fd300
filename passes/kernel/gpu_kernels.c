/* What passes of GPUs alone share: the walk over the kernels that run on one. */
#include "passes/kernel/schedule.h"

typedef struct Each {
    Program *program;
    const Options *opt;
    bool (*change)(Program *, Kernel *);
    bool changed;
} Each;

static void visit(void *user, Block *b, Item *it) {
    Each *e = user;
    (void)b;
    if (it->kind != ITEM_KERNEL || (e->opt->host && !it->device)) return;
    e->changed |= e->change(e->program, it->kernel);
}

bool change_gpu_kernels(Program *p, const Options *opt, bool (*change)(Program *, Kernel *)) {
    Each e = {p, opt, change, false};
    if (compiles_for_gpu(opt) && opt->n_machines == 1) program_each_item(p, visit, &e);
    return e.changed;
}
