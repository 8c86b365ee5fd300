/* What code generation knows of an entry before it makes any code: slots, kernel symbols, what
 * may overlap, sizes. */
#include "codegen/llvm/model.h"

#include "runtime/core/place.h"

/* ---- symbols ---- */
static void find_late(void *user, const Expr *e) {
    bool *late = user;
    if (e->kind != E_SYM) return;
    if (e->sym->kind == SYM_VALUE) *late = true;
    else if (e->sym->kind == SYM_DERIVED && e->sym->def) expr_visit(e->sym->def, find_late, late);
}

bool model_is_late(const Expr *e) {
    bool late = false;
    expr_visit(e, find_late, &late);
    return late;
}

bool model_is_unknown(const Tensor *t) {
    for (int i = 0; t->space == SP_OUTPUT && i < t->rank; i++)
        if (model_is_late(t->dims[i])) return true;
    return false;
}

int model_axis_slot(Model *m, Expr *e) {
    if (expr_is_int(e, NULL)) return -1;
    bool late = model_is_late(e);
    if (e->kind == E_SYM && (!late || e->sym->kind == SYM_VALUE)) return e->sym->slot;
    for (int i = 0; i < m->extra.n; i++)
        if (m->extra.at[i].e == e) return m->extra.at[i].slot;
    vec_push(m->ctx->perm, &m->extra, ((ExtraSlot){e, m->n_slots, late}));
    return m->n_slots++;
}

Sym *model_dim(const Model *m, int i, int *n) {
    const Program *p = m->plan->program;
    Sym *found = NULL;
    int count = 0;
    for (int k = 0; k < p->syms.n; k++) {
        Sym *s = p->syms.at[k];
        if (s->kind != SYM_INPUT || s->merged) continue;
        if (s->slot == i) found = s;
        count = MAX(count, s->slot + 1);
    }
    if (n) *n = count;
    return found;
}

/* ---- sizes ---- */
static int64_t highest_sym(void *user, const Sym *s) {
    bool *bounded = user;
    if (s->hi == INT64_MAX) *bounded = false;
    return s->hi;
}

static int64_t no_var(void *user, const Var *v) {
    (void)user, (void)v;
    return 0;
}

/* The value where every symbol is at its upper bound: sizes grow with each of them. Derived
 * symbols by their definition. */
static bool at_most(Ctx *ctx, Expr *e, int64_t *out) {
    bool bounded = true;
    ExprEnv env = {no_var, highest_sym, &bounded};
    (void)ctx;
    return expr_eval_index(e, &env, out) && bounded;
}

static int64_t buffer_bytes(const Model *m) {
    const Plan *p = m->plan;
    int n = p->buffers.n;
    if (p->arena >= 0) return p->arena;
    struct onnxcc_live *live = NEW_ARRAY(m->ctx->perm, struct onnxcc_live, n + 1);
    int64_t *offset = NEW_ARRAY(m->ctx->perm, int64_t, n + 1),
            *work = NEW_ARRAY(m->ctx->perm, int64_t, 2 * n + 1);
    for (int i = 0; i < n; i++) {
        const PlanBuffer *b = &p->buffers.at[i];
        live[i].first = b->first, live[i].last = b->last;
        if (model_is_late(b->bytes) || !at_most(m->ctx, b->bytes, &live[i].bytes)) return -1;
    }
    return onnxcc_place(live, n, 0, offset, work);
}

int64_t model_arena_bytes(const Model *m) {
    int64_t scratch, buffers = buffer_bytes(m);
    if (buffers < 0 || !at_most(m->ctx, m->plan->scratch, &scratch)) return 0;
    for (int i = 0; i < m->plan->program->outputs.n; i++)
        if (model_is_unknown(m->plan->program->outputs.at[i])) return 0;
    return ONNXCC_HEAD_BYTES(m->n_slots, m->plan->program->outputs.n) + ONNXCC_ROUND(scratch) +
           ONNXCC_ROUND(buffers);
}

/* ---- kernels ---- */
static const Tensor *storage_of(const Tensor *t) {
    while (t->alias) t = t->alias;
    return t;
}

static void note_bound(void *user, const Expr *e) {
    if (e->kind == E_BOUND) *(bool *)user = true;
}

static void note_expr(void *user, Expr *e) {
    expr_visit(e, note_bound, user);
}

static void note_stmt(void *user, LStmt *l) {
    lstmt_each_expr(l, note_expr, user);
}

KernelFn *model_kernel(const Model *m, const LFunc *f) {
    uintptr_t i = (uintptr_t)map_get_int(m->by_func, (uint64_t)(uintptr_t)f);
    return i ? &m->kernels.at[i - 1] : NULL;
}

static void note_launch(void *user, LStmt *l) {
    Model *m = user;
    if (l->kind != L_LAUNCH) return;
    KernelFn *k = model_kernel(m, l->func);
    if (!k) BUG("%s launches %s, which is not in its list", m->name, l->func->name);
    for (int i = 0; i < l->n_args; i++)
        for (int j = 0; j < i; j++) {
            if (storage_of(l->args[i]) != storage_of(l->args[j])) continue;
            if (!k->may_alias) k->may_alias = NEW_ARRAY(m->ctx->perm, bool, l->n_args);
            k->may_alias[i] = k->may_alias[j] = true;
        }
}

static void add_kernels(Model *m, int version) {
    const Loops *l = m->entry->versions[version];
    for (int i = 0; i < l->kernels.n; i++) {
        KernelFn k = {.f = l->kernels.at[i]};
        k.symbol = m->entry->n_versions == 1
                       ? arena_printf(m->ctx->perm, "%s_%s", m->name, k.f->name)
                       : arena_printf(m->ctx->perm, "%s_%s_v%d", m->name, k.f->name, version);
        lbody_each(&k.f->body, note_stmt, &k.faults);
        vec_push(m->ctx->perm, &m->kernels, k);
        map_set_int(m->by_func, (uint64_t)(uintptr_t)k.f, (void *)(uintptr_t)m->kernels.n);
    }
    lbody_each(&l->run->body, note_launch, m);
}

/* ---- for the header ---- */
static const char *axis_text(Ctx *ctx, const Expr *e) {
    if (model_is_late(e)) return "?";
    Str s = str_new(ctx->perm);
    expr_print(&s, e);
    return str_c(&s);
}

static LinkTensor *link_tensors(Model *m, Tensor *const *t, int n) {
    LinkTensor *out = NEW_ARRAY(m->ctx->perm, LinkTensor, n + 1);
    for (int i = 0; i < n; i++) {
        Type type = tensor_outer(t[i]);
        LinkAxis *axes = NEW_ARRAY(m->ctx->perm, LinkAxis, type.rank + 1);
        for (int d = 0; d < type.rank; d++) {
            axes[d] = (LinkAxis){-1, axis_text(m->ctx, type.dims[d])};
            expr_is_int(type.dims[d], &axes[d].size);
            model_axis_slot(m, type.dims[d]);
        }
        out[i] = (LinkTensor){.name = t[i]->name,
                              .dtype = dtype_onnx(type.dtype),
                              .rank = type.rank,
                              .axes = axes,
                              .unknown = model_is_unknown(t[i]),
                              .on_device = t[i]->device};
    }
    return out;
}

void model_begin(Model *m, Ctx *ctx, const Entry *entry, const Weights *weights) {
    Program *p = entry->plan->program;
    m->ctx = ctx;
    m->entry = entry;
    m->plan = entry->plan;
    m->weights = weights;
    m->name = entry->name;
    m->n_slots = entry->plan->n_slots;
    m->by_func = map_new(ctx->perm);
    for (int i = 0; i < entry->n_versions; i++) add_kernels(m, i);
    int n_dims;
    model_dim(m, -1, &n_dims);
    LinkDim *dims = NEW_ARRAY(ctx->perm, LinkDim, n_dims + 1);
    for (int i = 0; i < n_dims; i++) {
        Sym *s = model_dim(m, i, NULL);
        CHECK(s);
        dims[i] = (LinkDim){s->name, s->lo, s->hi};
    }
    m->link = (LinkEntry){.name = entry->name,
                          .model = ctx->file ? ctx->file : entry->name,
                          .n_inputs = p->inputs.n,
                          .n_outputs = p->outputs.n,
                          .dims = dims,
                          .n_dims = n_dims};
    m->link.inputs = link_tensors(m, p->inputs.at, p->inputs.n);
    m->link.outputs = link_tensors(m, p->outputs.at, p->outputs.n);
    m->link.arena_bytes = model_arena_bytes(m);
    m->link.weights_bytes = (int64_t)weights->bytes;
}
