/* Modules of a program. The kernels are cut into units of fixed size, so that the objects do not
 * depend on how many workers compile them. */
#include "codegen/llvm/llvm.h"
#include "codegen/llvm/model.h"

enum { UNIT_KERNELS = 12 };

/* Strings and sequences are two words of memory, of 64 bits in all that is planned. */
static bool fits_words(const LlvmJob *j, LLVMTargetMachineRef tm) {
    LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(tm);
    bool wide = LLVMPointerSize(layout) == 8;
    LLVMDisposeTargetData(layout);
    for (int i = 0; i < j->n_entries && !wide; i++)
        if (program_has_pointers(j->entries[i].plan->program))
            return diag_error(j->ctx, NULL,
                              "strings and sequences are not supported for target %s, whose "
                              "pointers have 32 bits; --emit=c makes portable C of the model",
                              j->triple);
    return true;
}

/* ---- the job ---- */
enum { MEMBER_POOL, MEMBER_FILES, MEMBER_DRIVER };
static const char *const own_members[] = {"pool.o", "files.o", "driver.o"};

static int kernel_units(const LlvmJob *j) {
    return (j->n_kernels + UNIT_KERNELS - 1) / UNIT_KERNELS;
}

static bool has_outside_weights(const LlvmJob *j) {
    return j->weights->bytes > 0 && !j->weights_symbol;
}

/* The pool, then what maps files where there are some, then what drives a device. */
static int own_member(const LlvmJob *j, int unit) {
    int own = unit - 1 - kernel_units(j);
    return own == MEMBER_FILES && !has_outside_weights(j) ? MEMBER_DRIVER : own;
}

bool llvm_begin(LlvmJob *j) {
    const EmitOptions *o = j->options;
    j->triple = target_normal(j->ctx, o->triple);
    j->models = NEW_ARRAY(j->ctx->perm, Model, j->n_entries);
    j->prefixes = NEW_ARRAY(j->ctx->perm, const char *, j->n_entries);
    for (int i = 0; i < j->n_entries; i++) {
        Model *m = &j->models[i];
        *m = (Model){
            .triple = o->triple,
            .cpu = o->cpu,
            .features = o->features,
            .weights_symbol = j->weights_symbol,
            .weights_file = j->weights_file,
            .image_symbol = j->image_symbol,
            .driver = j->own_members ? arena_printf(j->ctx->perm, "%s_cuda", j->entries[0].name)
                                     : "onnxcc_cuda",
            .hosted = j->hosted,
            .own_members = j->own_members,
            .files = j->own_members ? arena_printf(j->ctx->perm, "%s_files", j->entries[0].name)
                                    : "onnxcc_host"};
        model_begin(m, j->ctx, &j->entries[i], j->weights);
        m->link.hosted = j->hosted;
        m->link.device = j->image_symbol != NULL;
        m->link.weights_outside = j->weights->bytes > 0 && !j->weights_symbol;
        j->prefixes[i] = m->name;
        for (int k = 0; k < m->kernels.n; k++) j->n_kernels += !m->kernels.at[k].f->device;
    }
    j->n_units = 1 + kernel_units(j);
    if (j->own_members) j->n_units += 1 + has_outside_weights(j) + (j->image_symbol != NULL);
    TargetSpec spec = {.triple = j->triple};
    /* known before any work is done, and by all workers */
    LLVMTargetMachineRef tm = target_machine(j->ctx, &spec);
    if (!tm) return false;
    bool fits = fits_words(j, tm);
    LLVMDisposeTargetMachine(tm);
    return fits;
}

const LinkEntry *llvm_link_entry(const LlvmJob *j, int entry) {
    return &j->models[entry].link;
}

/* Of those that run on the host. */
static KernelFn *kernel_at(const LlvmJob *j, int i, Model **model) {
    for (int e = 0; e < j->n_entries; e++) {
        *model = &j->models[e];
        for (int k = 0; k < j->models[e].kernels.n; k++)
            if (!j->models[e].kernels.at[k].f->device && i-- == 0)
                return &j->models[e].kernels.at[k];
    }
    BUG("there are not so many kernels");
}

const LFunc *llvm_kernel_named(const LlvmJob *j, const char *symbol, const Loops **loops) {
    Model *m;
    for (int i = 0; i < j->n_kernels; i++) {
        KernelFn *k = kernel_at(j, i, &m);
        if (strcmp(k->symbol, symbol)) continue;
        for (int v = 0; v < m->entry->n_versions; v++)
            for (int f = 0; f < m->entry->versions[v]->kernels.n; f++)
                if (m->entry->versions[v]->kernels.at[f] == k->f) *loops = m->entry->versions[v];
        return k->f;
    }
    return NULL;
}

static int version_of(const Model *m, const LFunc *f) {
    for (int v = 0; v < m->entry->n_versions; v++)
        for (int i = 0; i < m->entry->versions[v]->kernels.n; i++)
            if (m->entry->versions[v]->kernels.at[i] == f) return v;
    return 0;
}

/* ---- modules ---- */
static Gen *open_module(const LlvmJob *j, const char *name) {
    const EmitOptions *o = j->options;
    TargetSpec spec = {.triple = j->triple,
                       .pic = !o->bare_metal,
                       .debug = o->debug || o->kind == EMIT_LLVM || o->kind == EMIT_ASM,
                       .machine = target_default_machine(o->triple, NULL),
                       .medium = j->weights_symbol && weights_are_large(j->weights, o->triple)};
    return gen_open(j->ctx, &spec, name);
}

static const Machine *machine_of(const LlvmJob *j, int version) {
    const EmitOptions *o = j->options;
    if (o->machine && o->machine[version]) return o->machine[version];
    return target_default_machine(o->triple, o->cpu ? o->cpu[version] : NULL);
}

static void add_kernel(const LlvmJob *j, Gen *g, int i, char *doing) {
    const EmitOptions *o = j->options;
    Model *m;
    const KernelFn *k = kernel_at(j, i, &m);
    int v = version_of(m, k->f);
    snprintf(doing, 256, "%s", k->symbol);
    gen_version(g, machine_of(j, v), o->cpu ? o->cpu[v] : NULL,
                o->features ? o->features[v] : NULL);
    emit_kernel(g, k->f, k->symbol, k->may_alias);
}

static void add_host(const LlvmJob *j, Gen *g) {
    LLVMValueRef *models = NEW_ARRAY(j->ctx->perm, LLVMValueRef, j->n_entries + 1);
    gen_version(g, target_default_machine(j->options->triple, NULL), NULL, NULL);
    for (int i = 0; i < j->n_entries; i++) models[i] = describe_model(g, &j->models[i]);
    if (j->with_main) describe_main(g, models, j->n_entries);
}

static const char *const host_passes =
    "function(sroa,early-cse,instcombine<max-iterations=1;no-verify-fixpoint>,simplifycfg)";

static bool finish_host(const LlvmJob *j, Gen *g) {
    if (!gen_verify(g)) return false;
    gen_optimize(g, host_passes); /* the runtime has been optimised already */
    int parts =
        PART_CORE | (j->hosted && !j->own_members ? PART_HOST : 0) | (j->decodes ? PART_IMAGE : 0);
    if (!j->runtime_outside && !link_runtime(g, j->prefixes, j->n_entries, parts)) return false;
    gen_optimize(g, "globaldce");
    return true;
}

static int exit_code(const LlvmJob *j, bool ok, bool made) {
    (void)j;
    return ok ? 0 : made ? 2 : 1;
}

const char *llvm_unit_name(const LlvmJob *j, int unit) {
    int own = own_member(j, unit);
    if (own >= 0) return own_members[own];
    return unit ? arena_printf(j->ctx->perm, "kernels%d.o", unit - 1) : "model.o";
}

/* Kernel by kernel: a crash of LLVM's code generator names the last one. */
static bool emit_kernels(const LlvmJob *j, Gen *g, int from, int to, char *doing) {
    if (j->lines) debug_open(g, j->text_path, j->lines);
    for (int i = from; i < to; i++) add_kernel(j, g, i, doing);
    debug_close(g);
    if (!gen_verify(g)) return false;
    gen_optimize(g, NULL);
    if (to - from != 1) snprintf(doing, 256, "kernels %d to %d", from, to - 1);
    return true;
}

static bool write_object(const LlvmJob *j, Gen *g, const char *path) {
    return gen_object(g, path) && stack_write(g, arena_printf(j->ctx->perm, "%s.stack", path));
}

/* A piece of the runtime under the library's own name. */
static void show_as(Gen *g, const char *name, const char *as) {
    LLVMValueRef v = LLVMGetNamedGlobal(g->m, name);
    LLVMSetValueName2(v, as, strlen(as));
    LLVMSetLinkage(v, LLVMExternalLinkage);
    LLVMSetVisibility(v, LLVMHiddenVisibility);
}

/* A member of a library that needs the C library: a piece of the runtime's host part. */
static bool add_own_member(const LlvmJob *j, Gen *g, int which) {
    gen_version(g, target_default_machine(j->options->triple, NULL), NULL, NULL);
    for (int i = 0; i < j->n_entries && which == MEMBER_POOL; i++) describe_pool(g, &j->models[i]);
    int parts = PART_CORE | PART_HOST;
    if (!gen_verify(g) || !link_runtime(g, j->prefixes, j->n_entries, parts)) return false;
    if (which == MEMBER_FILES) show_as(g, "onnxcc_host", j->models[0].files);
    if (which == MEMBER_DRIVER) show_as(g, "onnxcc_cuda", j->models[0].driver);
    gen_optimize(g, "globaldce");
    return true;
}

int llvm_unit(const LlvmJob *j, int unit, const char *path, char *doing) {
    Gen *g = open_module(j, llvm_unit_name(j, unit));
    if (!g) return 1;
    bool ok;
    if (unit > kernel_units(j)) {
        ok = add_own_member(j, g, own_member(j, unit));
    } else if (unit == 0) {
        snprintf(doing, 256, "the host functions");
        add_host(j, g);
        ok = finish_host(j, g);
    } else {
        int from = (unit - 1) * UNIT_KERNELS;
        ok = emit_kernels(j, g, from, MIN(from + UNIT_KERNELS, j->n_kernels), doing);
    }
    ok = ok && write_object(j, g, path);
    gen_close(g);
    return exit_code(j, ok, true);
}

static Gen *whole(const LlvmJob *j, char *doing) {
    Gen *g = open_module(j, "model");
    if (!g || !emit_kernels(j, g, 0, j->n_kernels, doing)) return NULL;
    for (int i = 0; i < j->n_kernels; i++) {
        Model *m;
        const KernelFn *k = kernel_at(j, i, &m);
        LLVMSetLinkage(LLVMGetNamedFunction(g->m, k->symbol), LLVMInternalLinkage);
        LLVMSetVisibility(LLVMGetNamedFunction(g->m, k->symbol), LLVMDefaultVisibility);
    }
    add_host(j, g);
    return g;
}

int llvm_whole_object(const LlvmJob *j, const char *path, char *doing) {
    Gen *g = whole(j, doing);
    bool ok = g && finish_host(j, g) && write_object(j, g, path);
    if (g) gen_close(g);
    return exit_code(j, ok, true);
}

int llvm_whole_text(const LlvmJob *j, bool assembly, const char **text) {
    char doing[256];
    Gen *g = whole(j, doing);
    if (!g || !gen_verify(g)) return 2;
    *text = assembly ? gen_assembly(g) : gen_text(g);
    gen_close(g);
    return *text ? 0 : 2;
}
