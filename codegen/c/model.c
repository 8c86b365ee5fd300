/* The description of a model (struct onnxcc_model) and the functions that its header declares. */
#include "codegen/c/host.h"

#include <inttypes.h>

static void c_text(Str *out, const char *s) {
    if (s) c_string(out, s);
    else str_add(out, "0");
}

/* ---- inputs, outputs, dimensions ---- */
static void axes(Model *m, Str *out, const char *side, const LinkTensor *link, Tensor *const *t,
                 int n) {
    for (int i = 0; i < n; i++) {
        Type type = tensor_outer(t[i]);
        if (!type.rank) continue;
        str_fmt(out, "static const struct onnxcc_axis %s_%s%d[] = {", m->name, side, i);
        for (int d = 0; d < type.rank; d++) {
            const LinkAxis *a = &link[i].axes[d];
            str_fmt(out, "%s{%" PRId64 ", %d, ", d ? ", " : "", a->size,
                    model_axis_slot(m, type.dims[d]));
            c_string(out, a->text);
            str_char(out, '}');
        }
        str_add(out, "};\n");
    }
}

static void tensors(Model *m, Str *out, const char *side, const LinkTensor *link, Tensor *const *t,
                    int n) {
    axes(m, out, side, link, t, n);
    if (!n) return;
    str_fmt(out, "static const struct onnxcc_tensor %s_%ss[] = {\n", m->name, side);
    for (int i = 0; i < n; i++) {
        str_add(out, "    {");
        c_string(out, link[i].name);
        str_fmt(out, ", %d, %d, 0, %s, ", link[i].dtype, link[i].rank,
                link[i].unknown ? "ONNXCC_T_UNKNOWN" : "0");
        if (link[i].rank) str_fmt(out, "%s_%s%d", m->name, side, i);
        else str_char(out, '0');
        str_add(out, ", 0, 0, -1},\n");
    }
    str_add(out, "};\n");
}

static void dims(Model *m, Str *out) {
    if (!m->link.n_dims) return;
    str_fmt(out, "static const struct onnxcc_dim %s_dims[] = {\n", m->name);
    for (int i = 0; i < m->link.n_dims; i++) {
        const LinkDim *d = &m->link.dims[i];
        str_add(out, "    {");
        c_string(out, d->name);
        str_fmt(out, ", %s, ", c_int(out->arena, DT_INDEX, d->lo));
        str_fmt(out, "%s},\n",
                d->hi == INT64_MAX ? "INT64_MAX" : c_int(out->arena, DT_INDEX, d->hi));
    }
    str_add(out, "};\n");
}

static void constraints(const Model *m, Str *out) {
    const Program *p = m->plan->program;
    if (!p->requires.n) return;
    str_fmt(out, "static const char *const %s_constraints[] = {\n", m->name);
    for (int i = 0; i < p->requires.n; i++) {
        str_add(out, "    ");
        c_string(out, p->requires.at[i].text);
        str_add(out, ",\n");
    }
    str_add(out, "};\n");
}

/* ---- steps of the plan: kernels and sites have one row per id ---- */
typedef struct Step {
    const char *name, *problem;
    const Origin *origin;
    int n_origin;
} Step;
typedef struct Steps {
    Arena *arena;
    VEC(Step) at;
    int items; /* of the program, in the order of ids */
    bool apply;
} Steps;

static void note_step(void *user, LStmt *l) {
    Steps *s = user;
    if (l->kind != L_LAUNCH && l->kind != L_CALL && l->kind != L_BIND && l->kind != L_REQUIRE)
        return;
    while (s->at.n <= l->id) vec_push(s->arena, &s->at, (Step){0});
    Step *st = &s->at.at[l->id];
    if (st->name) return;
    st->name = l->kind == L_LAUNCH ? l->func->name
               : l->kind == L_BIND ? l->sym->name
               : l->kind == L_CALL ? l->name
                                   : "check";
    st->problem = l->kind == L_LAUNCH ? "an index is out of range"
                  : l->kind == L_CALL ? "its inputs ask for something impossible"
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
    Step *st = s->apply && s->items < s->at.n ? &s->at.at[s->items] : NULL;
    s->items++;
    if (!st) return;
    if (it->kind == ITEM_KERNEL) {
        st->name = it->kernel->name, st->origin = it->kernel->origin,
        st->n_origin = it->kernel->n_origin;
    } else {
        st->origin = &it->origin, st->n_origin = it->origin.node || it->origin.op ? 1 : 0;
    }
}

static Steps steps_of(Model *m, Arena *arena) {
    Steps s = {.arena = arena};
    lbody_each(&m->entry->versions[m->entry->n_versions - 1]->run->body, note_step, &s);
    program_each_item(m->plan->program, note_item, &s);
    s.apply = s.items == s.at.n;
    s.items = 0;
    program_each_item(m->plan->program, note_item, &s);
    return s;
}

/* "Conv_0 Relu_1" */
static const char *names_of(Arena *arena, const Step *st) {
    Str s = str_new(arena);
    for (int i = 0; i < st->n_origin; i++) {
        const Origin *o = &st->origin[i];
        const char *name = o->node && *o->node ? o->node : o->op ? o->op : "";
        if (s.n && *name) str_char(&s, ' ');
        str_escape(&s, name, strlen(name), 100);
    }
    return str_c(&s);
}

/* "Gather_3" (Gather) */
static const char *site_of(Ctx *ctx, Arena *arena, const Step *st) {
    Str s = str_new(arena);
    if (!st->n_origin) return st->name ? st->name : "";
    const Origin *o = &st->origin[0];
    if (o->node) str_quote(&s, diag_name(ctx, o->node));
    if (o->op) str_fmt(&s, o->node ? " (%s)" : "%s", diag_name(ctx, o->op));
    return str_c(&s);
}

static int steps(Model *m, Str *out) {
    Arena *arena = arena_new();
    Steps s = steps_of(m, arena);
    for (int sites = 0; s.at.n && sites < 2; sites++) {
        str_fmt(out, "static const struct onnxcc_%s %s_%s[] = {\n", sites ? "site" : "kernel",
                m->name, sites ? "sites" : "kernels");
        for (int i = 0; i < s.at.n; i++) {
            const Step *st = &s.at.at[i];
            str_add(out, "    {");
            c_string(out, sites ? site_of(m->ctx, arena, st) : st->name ? st->name : "");
            str_add(out, ", ");
            c_string(out, sites ? (st->problem ? st->problem : "") : names_of(arena, st));
            str_add(out, "},\n");
        }
        str_add(out, "};\n");
    }
    arena_free(arena);
    return s.at.n;
}

/* ---- the public functions; @ is the entry's name ---- */
static const char functions[] =
    "\nint @_open(void *ctx, const struct onnxcc_config *config) {\n"
    "    return onnxcc_core_open(&@_model, ctx, config, @_model.signature);\n}\n"
    "int @_open_signed(void *ctx, const struct onnxcc_config *config, uint64_t signature) {\n"
    "    return onnxcc_core_open(&@_model, ctx, config, signature);\n}\n"
    "size_t @_arena_bytes(const int64_t *dims, int threads) {\n"
    "    int64_t syms[# + 1];\n"
    "    return onnxcc_core_arena_bytes(&@_model, dims, threads, syms);\n}\n"
    "int @_run(void *ctx, const void *in, void *out, const int64_t *dims, void *arena, size_t "
    "bytes) {\n"
    "    return onnxcc_core_run(&@_model, ctx, in, out, dims, arena, bytes);\n}\n"
    "void @_close(void *ctx) {\n    onnxcc_core_close(&@_model, ctx);\n}\n"
    "int @_explain(int code, char *buf, size_t n) {\n"
    "    return onnxcc_core_explain(&@_model, code, buf, n);\n}\n";
static const char pool_functions[] =
    "struct onnxcc_pool *@_pool_new(int threads) {\n    return onnxcc_host_pool_new(threads);\n}\n"
    "void @_pool_free(struct onnxcc_pool *pool) {\n    onnxcc_host_pool_free(pool);\n}\n";

static void add_functions(Model *m, Str *out, const char *text) {
    for (; *text; text++) {
        if (*text == '@') str_add(out, m->name);
        else if (*text == '#') str_fmt(out, "%d", m->n_slots);
        else str_char(out, *text);
    }
}

/* ---- the whole ---- */
static void pointer(Model *m, Str *out, const char *member, const char *table, int n) {
    if (n) str_fmt(out, "    .%s = %s_%s,\n", member, m->name, table);
    else str_fmt(out, "    .%s = 0,\n", member);
}

static void members(Model *m, Str *out, int n_steps) {
    const Program *p = m->plan->program;
    bool grows = program_has_pointers(p);
    for (int i = 0; i < p->syms.n; i++) grows |= p->syms.at[i]->kind == SYM_VALUE;
    str_fmt(out, "    .abi = ONNXCC_ABI,\n    .flags = %s,\n", grows ? "ONNXCC_M_GROWS" : "0");
    str_fmt(out, "    .n_inputs = %d,\n    .n_outputs = %d,\n", p->inputs.n, p->outputs.n);
    str_fmt(out, "    .n_dims = %d,\n    .n_syms = %d,\n", m->link.n_dims, m->n_slots);
    str_fmt(out, "    .n_kernels = %d,\n    .n_sites = %d,\n", n_steps, n_steps);
    str_fmt(out, "    .n_versions = 1,\n    .n_constraints = %d,\n", p->requires.n);
    str_fmt(out, "    .slot_arena = %d,\n    .slot_scratch = %d,\n", m->plan->slot_arena,
            m->plan->slot_scratch);
    str_fmt(out, "    .signature = UINT64_C(0x%016" PRIx64 "),\n", link_signature(&m->link));
}

void c_model(Model *m, Str *out, const char *weights, bool hosted, uint64_t weights_hash) {
    const Program *p = m->plan->program;
    str_char(out, '\n');
    tensors(m, out, "input", m->link.inputs, p->inputs.at, p->inputs.n);
    tensors(m, out, "output", m->link.outputs, p->outputs.at, p->outputs.n);
    dims(m, out);
    constraints(m, out);
    int n_steps = steps(m, out);
    str_fmt(out, "static const struct onnxcc_version %s_versions[] = {{\"\", \"\", %s_steps}};\n",
            m->name, m->name);
    str_fmt(out, "static const struct onnxcc_model %s_model = {\n", m->name);
    members(m, out, n_steps);
    str_fmt(out, "    .weights_bytes = %" PRIu64 ",\n", m->weights->bytes);
    str_fmt(out, "    .weights_hash = UINT64_C(0x%016" PRIx64 "),\n    .name = ", weights_hash);
    c_text(out, m->name);
    str_add(out, ",\n    .target = ");
    c_text(out, m->triple);
    str_add(out, ",\n");
    pointer(m, out, "inputs", "inputs", p->inputs.n);
    pointer(m, out, "outputs", "outputs", p->outputs.n);
    pointer(m, out, "dims", "dims", m->link.n_dims);
    pointer(m, out, "kernels", "kernels", n_steps);
    pointer(m, out, "sites", "sites", n_steps);
    pointer(m, out, "constraints", "constraints", p->requires.n);
    pointer(m, out, "versions", "versions", 1);
    pointer(m, out, "bind", "bind", 1);
    str_fmt(out, "    .weights = %s%s,\n", weights ? "&" : "", weights ? weights : "0");
    str_add(out, "    .weights_file = 0,\n");
    str_fmt(out, "    .host = %s,\n};\n", hosted ? "&onnxcc_host" : "0");
    add_functions(m, out, functions);
    if (hosted) add_functions(m, out, pool_functions);
}
