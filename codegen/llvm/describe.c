/* The description of a model (struct onnxcc_model) as constants, and the functions that the
 * header declares. */
#include "codegen/llvm/model.h"

typedef LLVMValueRef V;

/* ---- constants ---- */
static V null_ptr(Gen *g) {
    return LLVMConstNull(g->ptr);
}

static V i32(Gen *g, int64_t v) {
    return LLVMConstInt(g->i32, (unsigned long long)v, true);
}

static V private_data(Gen *g, V init, unsigned align) {
    V v = LLVMAddGlobal(g->m, LLVMTypeOf(init), "");
    LLVMSetInitializer(v, init);
    LLVMSetLinkage(v, LLVMPrivateLinkage);
    LLVMSetGlobalConstant(v, true);
    LLVMSetAlignment(v, align);
    return v;
}

static V text(Gen *g, const char *s) {
    if (!s) return null_ptr(g);
    V v = private_data(g, LLVMConstStringInContext2(g->c, s, strlen(s), false), 1);
    LLVMSetUnnamedAddress(v, LLVMGlobalUnnamedAddr);
    return v;
}

static V record(Gen *g, AbiStruct s, V *at) {
    LLVMTypeRef t = abi_type(g, s);
    return LLVMConstStructInContext(g->c, at, LLVMCountStructElementTypes(t), false);
}

static V table(Gen *g, AbiStruct s, V *rows, int n) {
    if (!n) return null_ptr(g);
    return private_data(g, LLVMConstArray2(abi_type(g, s), rows, (uint64_t)n), 8);
}

static V *rows_for(Model *m, int n) {
    return NEW_ARRAY(m->ctx->perm, V, n + 1);
}

/* ---- inputs, outputs, dimensions ---- */
static V axis_table(Gen *g, Model *m, const LinkTensor *link, const Tensor *t) {
    Type type = tensor_outer(t);
    V *rows = rows_for(m, type.rank);
    for (int d = 0; d < type.rank; d++) {
        int slot = model_axis_slot(m, type.dims[d]);
        V at[3] = {const_i64(g, link->axes[d].size), const_i64(g, slot),
                   text(g, link->axes[d].text)};
        rows[d] = record(g, ABI_AXIS, at);
    }
    return table(g, ABI_AXIS, rows, type.rank);
}

static V tensor_table(Gen *g, Model *m, const LinkTensor *link, Tensor *const *t, int n) {
    V *rows = rows_for(m, n);
    for (int i = 0; i < n; i++) {
        V at[9] = {
            text(g, link[i].name),
            i32(g, link[i].dtype),
            i32(g, link[i].rank),
            i32(g, 0),
            i32(g, (link[i].unknown ? ONNXCC_T_UNKNOWN : 0) |
                       (link[i].on_device ? ONNXCC_T_DEVICE : 0)),
            axis_table(g, m, &link[i], t[i]),
            const_i64(g, 0),
            const_i64(g, 0),
            const_i64(g, -1)};
        rows[i] = record(g, ABI_TENSOR, at);
    }
    return table(g, ABI_TENSOR, rows, n);
}

static V dim_table(Gen *g, Model *m) {
    V *rows = rows_for(m, m->link.n_dims);
    for (int i = 0; i < m->link.n_dims; i++) {
        const LinkDim *d = &m->link.dims[i];
        rows[i] =
            record(g, ABI_DIM, (V[]){text(g, d->name), const_i64(g, d->lo), const_i64(g, d->hi)});
    }
    return table(g, ABI_DIM, rows, m->link.n_dims);
}

/* ---- steps of the plan: kernels and sites have one row per id ---- */
typedef struct Step {
    const char *name, *site, *problem;
    const Origin *origin;
    int n_origin;
} Step;
typedef struct Steps {
    Model *m;
    VEC(Step) at;
    int items; /* of the program, in the order of ids */
} Steps;

static Step *step_at(Steps *s, int id) {
    while (s->at.n <= id) vec_push(s->m->ctx->perm, &s->at, (Step){0});
    return &s->at.at[id];
}

static const char *call_problem(const char *name) {
    if (!strncmp(name, "seq_", 4))
        return "a sequence has no such item, or one of another type or shape";
    if (!strncmp(name, "opt_", 4)) return "an optional holds nothing";
    if (!strncmp(name, "image_", 6)) return "the data is no image that can be decoded";
    return "its inputs ask for something impossible";
}

static const char *copy_name(Model *m, const LStmt *l) {
    Str s = str_new(m->ctx->perm);
    str_fmt(&s, "copy to the %s: ", l->device ? "device" : "host");
    str_escape(&s, l->args[0]->name, strlen(l->args[0]->name), 100);
    return str_c(&s);
}

static void note_step(void *user, LStmt *l) {
    Steps *s = user;
    if (l->kind != L_LAUNCH && l->kind != L_CALL && l->kind != L_BIND && l->kind != L_REQUIRE &&
        l->kind != L_COPY)
        return;
    Step *st = step_at(s, l->id);
    if (st->name) return;
    st->name = l->kind == L_LAUNCH ? l->func->name
               : l->kind == L_BIND ? l->sym->name
               : l->kind == L_CALL ? l->name
               : l->kind == L_COPY ? copy_name(s->m, l)
                                   : "check";
    st->problem = l->kind == L_LAUNCH ? "an index is out of range"
                  : l->kind == L_CALL ? call_problem(l->name)
                  : l->kind == L_BIND ? "a size is out of its range"
                                      : l->name;
    st->origin = l->origin ? l->origin : l->func ? l->func->origin : NULL;
    st->n_origin = l->origin ? l->n_origin : l->func ? l->func->n_origin : 0;
}

/* The program's items know their own nodes, which kernels with a shared function do not. */
static void note_item(void *user, Block *b, Item *it) {
    Steps *s = user;
    (void)b;
    if (it->kind == ITEM_IF || it->kind == ITEM_LOOP) return;
    Step *st = s->items < s->at.n ? &s->at.at[s->items] : NULL;
    s->items++;
    if (!st) return;
    if (it->kind == ITEM_KERNEL) {
        st->name = it->kernel->name, st->origin = it->kernel->origin,
        st->n_origin = it->kernel->n_origin;
    } else {
        st->origin = &it->origin, st->n_origin = it->origin.node || it->origin.op ? 1 : 0;
    }
}

static Steps steps_of(Model *m) {
    Steps s = {.m = m}, by_item;
    lbody_each(&m->entry->versions[0]->run->body, note_step, &s);
    by_item = s;
    by_item.at.at = arena_copy(m->ctx->perm, s.at.at, sizeof(Step) * (size_t)s.at.n);
    program_each_item(m->plan->program, note_item, &by_item);
    return by_item.items == s.at.n ? by_item : s;
}

static const char *origin_text(Model *m, const Step *st) {
    Str s = str_new(m->ctx->perm);
    for (int i = 0; i < st->n_origin; i++) {
        const Origin *o = &st->origin[i];
        const char *name = o->node && *o->node ? o->node : o->op ? o->op : "";
        if (i && *name) str_char(&s, ' ');
        str_escape(&s, name, strlen(name), 100);
    }
    return s.n ? str_c(&s) : "";
}

static const char *site_text(Model *m, const Step *st) {
    Str s = str_new(m->ctx->perm);
    if (!st->n_origin) return st->name ? st->name : "";
    const Origin *o = &st->origin[0];
    if (o->node) str_quote(&s, diag_name(m->ctx, o->node));
    if (o->op) str_fmt(&s, o->node ? " (%s)" : "%s", diag_name(m->ctx, o->op));
    return str_c(&s);
}

static void step_tables(Gen *g, Model *m, V *kernels, V *sites, int *n) {
    Steps s = steps_of(m);
    V *k = rows_for(m, s.at.n), *f = rows_for(m, s.at.n);
    for (int i = 0; i < s.at.n; i++) {
        Step *st = &s.at.at[i];
        k[i] = record(g, ABI_KERNEL,
                      (V[]){text(g, st->name ? st->name : ""), text(g, origin_text(m, st))});
        f[i] = record(g, ABI_SITE,
                      (V[]){text(g, site_text(m, st)), text(g, st->problem ? st->problem : "")});
    }
    *n = s.at.n;
    *kernels = table(g, ABI_KERNEL, k, s.at.n);
    *sites = table(g, ABI_SITE, f, s.at.n);
}

/* ---- versions ---- */

/* Levels of x86-64 by their name; elsewhere what was asked for beyond the base. */
static const char *needs_of(Model *m, int version) {
    const char *cpu = m->cpu ? m->cpu[version] : "",
               *features = m->features ? m->features[version] : "";
    Str s = str_new(m->ctx->perm);
    if (!strncmp(m->triple, "x86_64", 6)) str_add(&s, cpu); /* runtime/core/cpu.c knows the names */
    if (features && *features) {
        if (s.n) str_char(&s, ',');
        str_add(&s, features);
    }
    return s.n ? str_c(&s) : "";
}

static V version_table(Gen *g, Model *m) {
    int n = m->entry->n_versions;
    V *rows = rows_for(m, n);
    for (int i = 0; i < n; i++) {
        V at[3] = {text(g, m->cpu ? m->cpu[i] : ""), text(g, needs_of(m, i)), host_run(g, m, i)};
        rows[i] = record(g, ABI_VERSION, at);
    }
    return table(g, ABI_VERSION, rows, n);
}

/* ---- the public functions ---- */
static V public_function(Gen *g, Model *m, const char *suffix, LLVMTypeRef result, LLVMTypeRef *t,
                         int n) {
    V f = LLVMAddFunction(g->m, arena_printf(m->ctx->perm, "%s_%s", m->name, suffix),
                          LLVMFunctionType(result, t, (unsigned)n, false));
    LLVMPositionBuilderAtEnd(g->b, LLVMAppendBasicBlockInContext(g->c, f, ""));
    return f;
}

static V call_core(Gen *g, const char *name, LLVMTypeRef result, V *args, int n) {
    LLVMTypeRef t[8];
    for (int i = 0; i < n; i++) t[i] = LLVMTypeOf(args[i]);
    V f = LLVMGetNamedFunction(g->m, name);
    if (!f) f = LLVMAddFunction(g->m, name, LLVMFunctionType(result, t, (unsigned)n, false));
    return LLVMBuildCall2(g->b, LLVMGlobalGetValueType(f), f, args, (unsigned)n, "");
}

/* NAME_suffix(params...) { return core(model, params..., more); } The model comes first; `first`
 * NULL: it does not. */
static void forward(Gen *g, Model *m, const char *suffix, const char *core, V first,
                    LLVMTypeRef result, LLVMTypeRef *t, int n, V more) {
    V args[10], f = public_function(g, m, suffix, result, t, n);
    int k = 0;
    if (first) args[k++] = first;
    for (int i = 0; i < n; i++) args[k++] = LLVMGetParam(f, (unsigned)i);
    if (more) args[k++] = more;
    V r = call_core(g, core, result, args, k);
    if (result == g->none) LLVMBuildRetVoid(g->b);
    else LLVMBuildRet(g->b, r);
}

static void arena_bytes(Gen *g, Model *m, V model, LLVMTypeRef size) {
    LLVMTypeRef t[2] = {g->ptr, g->i32};
    V f = public_function(g, m, "arena_bytes", size, t, 2);
    V syms = LLVMBuildAlloca(g->b, LLVMArrayType2(g->i64, (uint64_t)m->n_slots + 1), "");
    V args[4] = {model, LLVMGetParam(f, 0), LLVMGetParam(f, 1), syms};
    LLVMBuildRet(g->b, call_core(g, "onnxcc_core_arena_bytes", size, args, 4));
}

static void device_bytes(Gen *g, Model *m, V model, LLVMTypeRef size) {
    V f = public_function(g, m, "device_arena_bytes", size, &g->ptr, 1);
    V syms = LLVMBuildAlloca(g->b, LLVMArrayType2(g->i64, (uint64_t)m->n_slots + 1), "");
    V args[3] = {model, LLVMGetParam(f, 0), syms};
    LLVMBuildRet(g->b, call_core(g, "onnxcc_core_device_bytes", size, args, 3));
}

static void public_functions(Gen *g, Model *m, V model) {
    LLVMTypeRef size = LLVMIntPtrTypeInContext(g->c, LLVMGetModuleDataLayout(g->m));
    LLVMTypeRef p[6] = {g->ptr, g->ptr, g->i64},
                run[6] = {g->ptr, g->ptr, g->ptr, g->ptr, g->ptr, size};
    LLVMTypeRef explain[3] = {g->i32, g->ptr, size};
    forward(g, m, "open", "onnxcc_core_open", model, g->i32, p, 2,
            const_i64(g, (int64_t)link_signature(&m->link)));
    forward(g, m, "open_signed", "onnxcc_core_open", model, g->i32, p, 3, NULL);
    forward(g, m, "run", "onnxcc_core_run", model, g->i32, run, 6, NULL);
    forward(g, m, "close", "onnxcc_core_close", model, g->none, p, 1, NULL);
    forward(g, m, "explain", "onnxcc_core_explain", model, g->i32, explain, 3, NULL);
    arena_bytes(g, m, model, size);
    if (m->hosted && !m->own_members) describe_pool(g, m);
    if (!m->image_symbol) return;
    LLVMTypeRef on[7] = {g->ptr, g->ptr, g->ptr, g->ptr, g->ptr, size, g->ptr};
    forward(g, m, "run_device", "onnxcc_core_run_device", model, g->i32, on, 7, NULL);
    forward(g, m, "status", "onnxcc_core_status", model, g->i32, p, 1, NULL);
    device_bytes(g, m, model, size);
}

void describe_pool(Gen *g, Model *m) {
    forward(g, m, "pool_new", "onnxcc_host_pool_new", NULL, g->ptr, &g->i32, 1, NULL);
    forward(g, m, "pool_free", "onnxcc_host_pool_free", NULL, g->none, &g->ptr, 1, NULL);
}

/* ---- the whole ---- */
static V weights_address(Gen *g, Model *m) {
    if (!m->weights_symbol || !m->weights->bytes) return null_ptr(g);
    V v = LLVMGetNamedGlobal(g->m, m->weights_symbol);
    if (v) return v;
    v = LLVMAddGlobal(g->m, LLVMArrayType2(g->i8, m->weights->bytes), m->weights_symbol);
    LLVMSetVisibility(v, LLVMHiddenVisibility);
    LLVMSetGlobalConstant(v, true);
    LLVMSetAlignment(v, 64);
    return v;
}

V model_outside(Gen *g, const char *name) {
    V v = LLVMGetNamedGlobal(g->m, name);
    if (v) return v;
    v = LLVMAddGlobal(g->m, g->i8, name);
    LLVMSetVisibility(v, LLVMHiddenVisibility);
    return v;
}

/* What maps files; a library refers to it only where there is a file to map. */
static V host_object(Gen *g, const Model *m) {
    bool wants = m->hosted && (!m->own_members || m->link.weights_outside);
    return wants ? model_outside(g, m->files) : null_ptr(g);
}

static V constraint_table(Gen *g, const Program *p) {
    V *at = NEW_ARRAY(g->ctx->perm, V, p->requires.n + 1);
    for (int i = 0; i < p->requires.n; i++) at[i] = text(g, p->requires.at[i].text);
    if (!p->requires.n) return null_ptr(g);
    return private_data(g, LLVMConstArray2(g->ptr, at, (uint64_t)p->requires.n), 8);
}

static void note_decision(void *user, LStmt *l) {
    bool load = l->cond && expr_has_load(l->cond), host = l->kind == L_LAUNCH && !l->device;
    bool copy = l->kind == L_COPY && l->args[0] != l->args[1];
    if (load || host || copy || l->kind == L_CALL || (l->kind == L_BIND && l->tensor))
        *(bool *)user = true;
}

/* Does everything happen on the device, and follow from the dimensions? */
static bool can_replay(const Model *m) {
    bool decides = false;
    for (int i = 0; i < m->entry->n_versions; i++)
        lbody_each(&m->entry->versions[i]->run->body, note_decision, &decides);
    return m->image_symbol && !decides;
}

V describe_model(Gen *g, Model *m) {
    const Program *p = m->plan->program;
    V kernels, sites, bind = host_bind(g, m), versions = version_table(g, m);
    int n_steps;
    step_tables(g, m, &kernels, &sites, &n_steps);
    V inputs = tensor_table(g, m, m->link.inputs, p->inputs.at, p->inputs.n);
    V outputs = tensor_table(g, m, m->link.outputs, p->outputs.at, p->outputs.n);
    bool grows = program_has_pointers(p);
    for (int i = 0; i < p->syms.n; i++) grows |= p->syms.at[i]->kind == SYM_VALUE;
    V at[] = {i32(g, ONNXCC_ABI),
              i32(g, (grows ? ONNXCC_M_GROWS : 0) | (can_replay(m) ? ONNXCC_M_REPLAY : 0)),
              i32(g, p->inputs.n),
              i32(g, p->outputs.n),
              i32(g, m->link.n_dims),
              i32(g, m->n_slots),
              i32(g, n_steps),
              i32(g, n_steps),
              i32(g, m->entry->n_versions),
              i32(g, p->requires.n),
              i32(g, m->plan->slot_arena),
              i32(g, m->plan->slot_scratch),
              const_i64(g, (int64_t)link_signature(&m->link)),
              const_i64(g, (int64_t)m->weights->bytes),
              const_i64(g, (int64_t)m->weights->hash),
              text(g, m->name),
              text(g, m->triple),
              inputs,
              outputs,
              dim_table(g, m),
              kernels,
              sites,
              constraint_table(g, p),
              versions,
              bind,
              weights_address(g, m),
              m->weights_file ? text(g, m->weights_file) : null_ptr(g),
              host_object(g, m),
              m->image_symbol ? model_outside(g, m->driver) : null_ptr(g),
              m->image_symbol ? model_outside(g, m->image_symbol) : null_ptr(g),
              i32(g, m->plan->slot_device_arena),
              i32(g, m->plan->slot_device_scratch),
              i32(g, MAX(m->plan->scratch_streams, 1)),
              i32(g, 0)};
    CHECK(LEN(at) == LLVMCountStructElementTypes(abi_type(g, ABI_MODEL)));
    V model = LLVMAddGlobal(g->m, abi_type(g, ABI_MODEL),
                            arena_printf(m->ctx->perm, "%s_model", m->name));
    LLVMSetInitializer(model, record(g, ABI_MODEL, at));
    LLVMSetLinkage(model, LLVMInternalLinkage);
    LLVMSetGlobalConstant(model, true);
    public_functions(g, m, model);
    return model;
}

void describe_main(Gen *g, V *models, int n) {
    V list = private_data(g, LLVMConstArray2(g->ptr, models, (uint64_t)n), 8);
    LLVMTypeRef t[2] = {g->i32, g->ptr};
    V f = LLVMAddFunction(g->m, "main", LLVMFunctionType(g->i32, t, 2, false));
    LLVMPositionBuilderAtEnd(g->b, LLVMAppendBasicBlockInContext(g->c, f, ""));
    V args[4] = {LLVMGetParam(f, 0), LLVMGetParam(f, 1), list, i32(g, n)};
    LLVMBuildRet(g->b, call_core(g, "onnxcc_host_main", g->i32, args, 4));
}
