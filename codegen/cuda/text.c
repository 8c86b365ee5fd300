/* A program's kernels as CUDA C, and --emit=cuda. */
#include "codegen/cuda/cuda.h"

#include "codegen/c/gen.h"
#include "codegen/c/paste.h"
#include "codegen/llvm/model.h"
#include "runtime/cuda.h"

static const char device_head[] =
    "/* Written by onnxcc: CUDA C. With NVRTC or nvcc use --fmad=false: only fma() may contract.\n"
    " * Every kernel works on the items lo..hi of its parallel space. */\n\n";
static const char host_head[] =
    "\n#if !defined(__CUDACC_RTC__) /* ---- the host's side ---- */\n"
    "/* These launchers make no tensor maps: compile them for any architecture but sm_90a. */\n"
    "#if !defined(ONNXCC_LAUNCH)\n"
    "#define ONNXCC_LAUNCH(kernel, blocks, threads, ...) kernel<<<(blocks), "
    "(threads)>>>(__VA_ARGS__)\n"
    "#endif\n";

void cuda_text_begin(Ctx *ctx, CudaText *t) {
    *t = (CudaText){.device_head = str_new(ctx->perm), .host_head = str_new(ctx->perm)};
    str_add(&t->device_head, device_head);
    paste_text(&t->device_head, "runtime/ops.h");
    paste_text(&t->device_head, "runtime/pieces.h");
    paste_text(&t->device_head, "runtime/combine.h");
    paste_text(&t->device_head, "runtime/tiles.h");
    paste_text(&t->device_head, "runtime/groups.h");
    paste_text(&t->device_head, "runtime/bulk.h");
    str_add(&t->host_head, host_head);
    paste_text(&t->host_head, "runtime/abi.h");
    paste_text(&t->host_head, "runtime/bind.h");
}

void cuda_text_device(Str *s, const CudaText *t, int from, int to) {
    str_addn(s, t->device_head.at, t->device_head.n);
    for (int i = from; i < to; i++)
        str_addn(s, t->launches.at[i].device.at, t->launches.at[i].device.n);
}

void cuda_text_host(Str *s, const CudaText *t, int from, int to) {
    str_addn(s, t->host_head.at, t->host_head.n);
    for (int i = from; i < to; i++)
        str_addn(s, t->launches.at[i].host.at, t->launches.at[i].host.n);
    str_add(s, "#endif\n");
}

/* ---- functions that all threads of a block call ---- */
typedef struct Paste {
    Ctx *ctx;
    CudaText *text;
} Paste;

static void paste_once(Paste *p, const char *name) {
    for (int i = 0; i < p->text->pasted.n; i++)
        if (!strcmp(p->text->pasted.at[i], name)) return;
    vec_push(p->ctx->perm, &p->text->pasted, name);
    paste_text(&p->text->device_head, name);
}

/* sort_tiles is in runtime/device/sort.h. */
static void paste_called(void *user, LStmt *l) {
    Paste *p = user;
    if (l->kind != L_CALL) return;
    const char *topic = arena_strn(p->ctx->perm, l->name, strcspn(l->name, "_"));
    paste_once(p, "runtime/core/sort_key.h");
    paste_once(p, "runtime/device/block.h");
    paste_once(p, arena_printf(p->ctx->perm, "runtime/device/%s.h", topic));
}

/* ---- launches ---- */
static CudaLaunch launch_of(Ctx *ctx, const LFunc *f, const CudaNames *names,
                            const KernelNeeds *needs) {
    CudaLaunch l = {.symbol = names->launcher, .kernel = names->kernel, .func = f,
                    .threads = c_kernel_threads(f), .shared = (int)c_kernel_shared(f)};
    l.args = NEW_ARRAY(ctx->perm, int, f->params.n + needs->n_syms + 1);
    for (int i = 0; i < f->params.n; i++) {
        bool stores;
        if (c_kernel_touches(f, f->params.at[i], &stores)) l.args[l.n_bufs++] = i;
    }
    for (int i = 0; i < needs->n_syms; i++)
        l.args[l.n_bufs + l.n_syms++] = needs->syms[i]->slot;
    while (c_kernel_map(f, l.n_maps)) l.n_maps++;
    l.flags = (needs->faults ? ONNXCC_CUDA_FAULTS : 0) |
              (needs->scratch ? ONNXCC_CUDA_SCRATCH : 0) | (needs->small ? ONNXCC_CUDA_SMALL : 0);
    l.per_block = needs->blocks ? 1 : CUDA_BLOCK;
    l.max_blocks = needs->scratch ? CUDA_SCRATCH_SLOTS / l.per_block : CUDA_GRID;
    return l;
}

static void arguments(Str *s, const LFunc *f, const CudaLaunch *l) {
    const char *index = l->flags & ONNXCC_CUDA_SMALL ? "int32_t" : "int64_t";
    for (int i = 0; i < l->n_bufs; i++) {
        const Tensor *t = f->params.at[l->args[i]];
        bool stores;
        c_kernel_touches(f, t, &stores);
        str_fmt(s, ", (%s%s *)call->bufs[%d]", stores ? "" : "const ", c_memory_type(t->dtype),
                l->args[i]);
    }
    for (int i = 0; i < l->n_syms; i++)
        str_fmt(s, ", (%s)call->syms[%d]", index, l->args[l->n_bufs + i]);
    if (l->flags & ONNXCC_CUDA_FAULTS) str_add(s, ", &fault");
    if (l->flags & ONNXCC_CUDA_SCRATCH) str_add(s, ", scratch, stride");
    str_fmt(s, ", (%s)lo, (%s)hi", index, index);
    for (int i = 0; i < l->n_maps; i++) str_add(s, ", TensorMap()");
}

static void launcher(Ctx *ctx, Str *s, const LFunc *f, const CudaLaunch *l) {
    bool faults = l->flags & ONNXCC_CUDA_FAULTS;
    str_fmt(s,
            "\nextern \"C\" void %s(const struct onnxcc_kargs *call, int64_t lo, int64_t hi, char "
            "*scratch) {\n",
            l->symbol);
    str_fmt(s, "    int64_t blocks = (hi - lo + %d) / %d;\n    if (blocks > %d) blocks = %d;\n",
            l->per_block - 1, l->per_block, l->max_blocks, l->max_blocks);
    if (faults) str_add(s, "    int32_t fault = 0;\n");
    if (l->flags & ONNXCC_CUDA_SCRATCH)
        str_fmt(s, "    int64_t stride = call->frame->scratch_stride / %d;\n", CUDA_SCRATCH_SLOTS);
    else str_add(s, "    (void)scratch;\n");
    str_fmt(s, "    ONNXCC_LAUNCH(%s, (unsigned)blocks, %d", l->kernel, l->threads);
    Str args = str_new(ctx->perm);
    arguments(&args, f, l);
    str_fmt(s, "%s);\n", str_c(&args));
    if (faults)
        str_add(s,
                "    if (fault && !call->frame->fault) call->frame->fault = ONNXCC_FAULT_HERE;\n");
    str_add(s, "}\n");
}

/* With the arguments as a driver gets them: an address each. _args: how many numbers and addresses,
 * how many of these are buffers (1), how many tensor maps stand behind them (2). */
static void packed_launcher(Ctx *ctx, Str *s, const LFunc *f, const CudaLaunch *l) {
    const char *index = l->flags & ONNXCC_CUDA_SMALL ? "int32_t" : "int64_t";
    int n = 0;
    Str args = str_new(ctx->perm);
    for (; n < l->n_bufs; n++) {
        const Tensor *t = f->params.at[l->args[n]];
        bool stores;
        c_kernel_touches(f, t, &stores);
        str_fmt(&args, ", *(%s%s **)a[%d]", stores ? "" : "const ", c_memory_type(t->dtype), n);
    }
    for (int i = 0; i < l->n_syms; i++) str_fmt(&args, ", *(%s *)a[%d]", index, n++);
    if (l->flags & ONNXCC_CUDA_FAULTS) str_fmt(&args, ", *(int32_t **)a[%d]", n++);
    if (l->flags & ONNXCC_CUDA_SCRATCH) {
        str_fmt(&args, ", *(char **)a[%d], *(int64_t *)a[%d]", n, n + 1);
        n += 2;
    }
    str_fmt(&args, ", *(%s *)a[%d], *(%s *)a[%d]", index, n, index, n + 1);
    for (int i = 0; i < l->n_maps; i++) str_fmt(&args, ", *(TensorMap *)a[%d]", n + 2 + i);
    str_fmt(s,
            "extern \"C\" void %s_packed(unsigned blocks, unsigned threads, void **a) {\n"
            "    ONNXCC_LAUNCH(%s, blocks, threads%s);\n}\n"
            "extern \"C\" int %s_args(int what) { return what == 0 ? %d : what == 1 ? %d : %d; }\n"
            "extern \"C\" int %s_shared(void) { return %d; }\n",
            l->kernel, l->kernel, str_c(&args), l->kernel, n + 2, l->n_bufs, l->n_maps, l->kernel,
            l->shared);
}

void cuda_text_kernel(Ctx *ctx, CudaText *t, const LFunc *f, CudaNames names) {
    KernelText text = {names.kernel, names.may_alias};
    KernelNeeds needs;
    Str device = str_new(ctx->perm);
    lbody_each(&f->body, paste_called, &(Paste){ctx, t});
    str_char(&device, '\n');
    c_kernel(ctx, &device, f, DIALECT_CUDA, &text, &needs);
    CudaLaunch l = launch_of(ctx, f, &names, &needs);
    l.device = device;
    l.host = str_new(ctx->perm);
    launcher(ctx, &l.host, f, &l);
    packed_launcher(ctx, &l.host, f, &l);
    vec_push(ctx->perm, &t->launches, l);
}

/* ---- programs ---- */
void cuda_text(Ctx *ctx, const Entry *entries, int n, CudaText *t) {
    Weights none = {.ctx = ctx}; /* kernels get their constants as parameters */
    cuda_text_begin(ctx, t);
    for (int e = 0; e < n; e++) {
        Model m = {.triple = "cuda"};
        model_begin(&m, ctx, &entries[e], &none);
        for (int i = 0; i < m.kernels.n; i++) {
            const KernelFn *k = &m.kernels.at[i];
            if (!k->f->device) continue;
            const char *launch = c_symbol(ctx->perm, k->symbol);
            CudaNames names = {arena_printf(ctx->perm, "%s_kernel", launch), launch, k->may_alias};
            cuda_text_kernel(ctx, t, k->f, names);
            t->launches.at[t->launches.n - 1].entry = e;
        }
    }
}

static void note_machine(void *user, Block *b, Item *it) {
    (void)b;
    if (it->kind != ITEM_KERNEL || !it->kernel->hows.n) return;
    if (!strcmp(it->kernel->hows.at[0]->machine, "cuda")) *(bool *)user = true;
}

bool cuda_is_made_for(const Entry *e) {
    bool cuda = false;
    program_each_item(e->plan->program, note_machine, &cuda);
    return cuda;
}

const Entry *cuda_entries(Ctx *ctx, const Entry *entries, int n) {
    Entry *out = NEW_ARRAY(ctx->perm, Entry, n);
    for (int i = 0; i < n; i++) {
        Plan *plan = NEW(ctx->perm, Plan);
        *plan = *entries[i].plan;
        Expr *each = expr_muli(ctx, expr_ceildiv(ctx, plan->device_scratch, expr_int(ctx, 64)), 64);
        plan->device_scratch =
            expr_muli(ctx, each, (int64_t)CUDA_SCRATCH_SLOTS * MAX(plan->scratch_streams, 1));
        if (plan->slot_device_arena < 0) /* in one memory */
            plan->scratch = expr_max(ctx, plan->scratch, plan->device_scratch);
        out[i] = entries[i];
        out[i].plan = plan;
    }
    return out;
}

int codegen_emit_cuda(Ctx *ctx, const Entry *entries, int n, const EmitOptions *o, FILE *out) {
    CudaText t;
    Str all = str_new(ctx->perm);
    cuda_text(ctx, entries, n, &t);
    cuda_text_device(&all, &t, 0, t.launches.n);
    cuda_text_host(&all, &t, 0, t.launches.n);
    fwrite(all.at, 1, all.n, out);
    if (!fflush(out) && !ferror(out)) return 0;
    diag_error(ctx, NULL, "%s: cannot be written", o->output ? o->output : "standard output");
    return 1;
}
