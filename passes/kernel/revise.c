/* Other schedules for kernels whose code asks too much of a GPU: registers that are spilled. Only
 * the GPU's compiler knows; so the kernel is scheduled once more, with smaller tiles or pieces, and
 * compiled again, until it fits or nothing smaller is left. */
#include "ir/kernel_internal.h"
#include "passes/kernel/schedule.h"

enum { MOST_REVISIONS = 4 };

typedef struct Trial { /* a schedule that was compiled */
    Kernel as;
    int64_t excess;
    const char *text;
} Trial;
typedef struct Revised {
    Kernel *kernel;
    uint64_t hash; /* as it was before `schedule`; equal kernels become one function */
    int revision;
    bool settled;
    int64_t excess; /* of what it is now, as far as was said */
    const char *why;
    VEC(Trial) trials;
} Revised;
struct Revisions {
    Program *p;
    const Options *opt;
    VEC(Revised) kernels;
};

static void add_item(void *user, Block *b, Item *it) {
    Revisions *r = user;
    (void)b;
    if (it->kind != ITEM_KERNEL || !it->kernel->plain) return;
    Revised one = {.kernel = it->kernel, .hash = kernel_hash(r->p->ctx, it->kernel->plain)};
    vec_push(r->p->ctx->perm, &r->kernels, one);
}

Revisions *revisions_new(Program *p, const Options *opt) {
    Revisions *r = NEW(p->ctx->perm, Revisions);
    *r = (Revisions){.p = p, .opt = opt};
    program_each_item(p, add_item, r);
    return r;
}

void revisions_excess(Revisions *r, const Kernel *k, int64_t bytes, const char *why) {
    uint64_t hash = k && k->plain ? kernel_hash(r->p->ctx, k->plain) : 0;
    for (int i = 0; i < r->kernels.n && hash; i++) {
        Revised *one = &r->kernels.at[i];
        if (one->hash != hash) continue;
        one->excess += bytes;
        one->why = why;
    }
}

/* ---- one kernel ---- */
/* Names are made unique by _1, _2 ..., which says nothing. */
static const char *without_numbers(Ctx *ctx, const char *text) {
    static const char digits[] = "0123456789";
    Str s = str_new(ctx->perm);
    for (; *text; text++) {
        size_t n = *text == '_' ? strspn(text + 1, digits) : 0;
        if (n) text += n;
        else str_char(&s, *text);
    }
    return str_c(&s);
}

static const char *text_of(Ctx *ctx, const Kernel *k) {
    Str s = str_new(ctx->perm);
    KPrint print = {.ctx = ctx, .s = &s};
    for (int i = 0; i < k->hows.n; i++) kprint_how(&print, k, k->hows.at[i]);
    return without_numbers(ctx, str_c(&s));
}

/* What changes of a kernel when it is scheduled. */
static void become(Kernel *k, const Kernel *as) {
    k->stmts.at = as->stmts.at, k->stmts.n = as->stmts.n, k->stmts.cap = as->stmts.cap;
    k->hows.at = as->hows.at, k->hows.n = as->hows.n, k->hows.cap = as->hows.cap;
    k->note = as->note;
}

static bool settle(Revised *one) {
    int best = 0;
    for (int i = 1; i < one->trials.n; i++)
        if (one->trials.at[i].excess < one->trials.at[best].excess) best = i;
    become(one->kernel, &one->trials.at[best].as);
    one->settled = true;
    return best + 1 < one->trials.n;
}

static bool revise(Revisions *r, Revised *one) {
    Kernel *k = one->kernel;
    Ctx *ctx = r->p->ctx;
    Trial tried = {*k, one->excess, text_of(ctx, k)};
    vec_push(ctx->perm, &one->trials, tried);
    while (one->revision < MOST_REVISIONS) {
        become(k, schedule_plain_copy(r->p, k->plain));
        schedule_kernel(r->p, k, r->opt->machine[0], r->opt, ++one->revision);
        if (!strcmp(text_of(ctx, k), tried.text)) continue;
        k->note = arena_printf(ctx->perm, "revision %d: %s", one->revision, one->why);
        return true;
    }
    return settle(one);
}

bool revisions_next(Revisions *r) {
    bool changed = false;
    for (int i = 0; i < r->kernels.n; i++) {
        Revised *one = &r->kernels.at[i];
        if (one->excess && !one->settled) changed |= revise(r, one);
        one->excess = 0;
    }
    return changed;
}
