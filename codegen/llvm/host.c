/* The host functions: bind (sizes from dimensions) and run (the plan). Symbols live in
 * frame->syms; each statement reads them anew. */
#include "codegen/llvm/host.h"

typedef LLVMValueRef V;

/* ---- small things ---- */
V host_field(Host *h, int member, LLVMTypeRef t) {
    Gen *g = h->g;
    fn_at(&h->F, fn_top(&h->F));
    V at = const_i64(g, abi_offset(g, ABI_FRAME, member));
    return LLVMBuildLoad2(g->b, t, LLVMBuildGEP2(g->b, g->i8, h->F.frame, &at, 1, ""), "");
}

V host_offset(Host *h, V base, V bytes) {
    fn_at(&h->F, fn_top(&h->F));
    return LLVMBuildGEP2(h->g->b, h->g->i8, base, &bytes, 1, "");
}

V host_slot(Host *h, int slot) {
    return host_offset(h, h->F.syms, const_i64(h->g, 8 * (int64_t)slot));
}

V host_alloca(Host *h, LLVMTypeRef t, const char *name) {
    Gen *g = h->g;
    V term = LLVMGetBasicBlockTerminator(h->F.entry);
    if (term) LLVMPositionBuilderBefore(g->b, term);
    else LLVMPositionBuilderAtEnd(g->b, h->F.entry);
    V a = LLVMBuildAlloca(g->b, t, name);
    LLVMSetAlignment(a, 16);
    return a;
}

V host_index(Host *h, Expr *e) {
    return emit(&h->F, e).v;
}

void host_store_slot(Host *h, int slot, V v) {
    V p = host_slot(h, slot);
    LLVMBuildStore(h->g->b, v, p);
}

/* if (cond) return code; */
void host_return_if(Host *h, V cond, V code) {
    Gen *g = h->g;
    LLVMBasicBlockRef yes = fn_block(&h->F, "error"), go_on = fn_block(&h->F, "on");
    fn_at(&h->F, fn_top(&h->F));
    LLVMBuildCondBr(g->b, cond, yes, go_on);
    LLVMPositionBuilderAtEnd(g->b, yes);
    LLVMBuildRet(g->b, code);
    h->F.block = go_on;
    fn_at(&h->F, fn_top(&h->F));
}

static V code_const(Host *h, int code) {
    return LLVMConstInt(h->g->i32, (unsigned)code, true);
}

/* Sizes that do not fit 63 bits have set the flag on their way. */
void host_check_overflow(Host *h) {
    Gen *g = h->g;
    if (!h->F.overflow) return;
    fn_at(&h->F, fn_top(&h->F));
    V flag = LLVMBuildLoad2(g->b, g->i1, h->F.overflow, "");
    host_return_if(h, flag, code_const(h, ONNXCC_E_OVERFLOW));
}

/* ---- where tensors lie ---- */
static const PlanBuffer *buffer_of(const Host *h, const Tensor *t) {
    const Plan *p = h->model->plan;
    for (int i = 0; i < p->buffers.n; i++)
        if (p->buffers.at[i].tensor == t) return &p->buffers.at[i];
    return NULL;
}

bool host_separate(const Host *h) {
    return h->model->plan->slot_device_arena >= 0;
}

static V in_arena(Host *h, bool device, V offset) {
    int arena = device ? FRAME_DEVICE_ARENA : FRAME_ARENA;
    return host_offset(h, host_field(h, arena, h->g->ptr), offset);
}

static V slot_value(Host *h, int slot) {
    V p = host_slot(h, slot);
    return LLVMBuildLoad2(h->g->b, h->g->i64, p, "");
}

/* ---- outputs of unknown size: placed above everything else at first use, unless the caller
 * gave memory ---- */
typedef struct Late {
    Host *h;
    const Tensor *t;
    V var;
} Late;

void host_late_slots(Host *h, const Tensor *t) {
    for (int i = 0; i < h->model->extra.n; i++) {
        const ExtraSlot *x = &h->model->extra.at[i];
        bool used = !t;
        for (int d = 0; t && d < t->rank; d++) used |= t->dims[d] == x->e;
        if (x->late && used) host_store_slot(h, x->slot, host_index(h, x->e));
    }
    kept_store(&h->F, NULL);
}

static void place_output(Fn *F, void *user) {
    Late *l = user;
    Host *h = l->h;
    Gen *g = h->g;
    host_late_slots(h, l->t);
    const PlanBuffer *b = buffer_of(h, l->t);
    bool device = l->t->device;
    int arena = device ? h->model->plan->slot_device_arena : h->model->plan->slot_arena;
    V offset =
        b && b->offset >= 0 ? const_i64(g, b->offset) : slot_value(h, b ? l->t->slot : arena);
    if (!b) {
        Expr *bytes = expr_muli(h->model->ctx, tensor_elements(h->model->ctx, l->t),
                                (int64_t)dtype_bytes(l->t->dtype));
        bytes = expr_muli(h->model->ctx,
                          expr_ceildiv(h->model->ctx, bytes, expr_int(h->model->ctx, ONNXCC_ALIGN)),
                          ONNXCC_ALIGN);
        V size = host_index(h, bytes);
        fn_at(F, fn_top(F));
        V top = LLVMBuildAdd(g->b, offset, size, "");
        host_store_slot(h, arena, top);
        kept_store(F, NULL);
        host_check_overflow(h);
        V code = host_call(h, device ? "onnxcc_device_fit" : "onnxcc_arena_fit", g->i32,
                           (V[]){F->frame, top}, 2);
        host_return_if(h, LLVMBuildICmp(g->b, LLVMIntNE, code, LLVMConstNull(g->i32), ""), code);
    }
    V at = host_call(h, "onnxcc_out_place", g->ptr,
                     (V[]){F->frame, LLVMConstInt(g->i32, (unsigned)l->t->slot, false),
                           in_arena(h, device, offset)},
                     3);
    LLVMBuildStore(g->b, at, l->var);
}

static V unknown_output(Host *h, const Tensor *t) {
    Gen *g = h->g;
    V var = map_get_int(h->outs, (uint64_t)(uintptr_t)t);
    if (!var) {
        var = host_alloca(h, g->ptr, t->name);
        LLVMBuildStore(g->b, LLVMConstNull(g->ptr), var);
        map_set_int(h->outs, (uint64_t)(uintptr_t)t, var);
    }
    fn_at(&h->F, fn_top(&h->F));
    V none = LLVMBuildIsNull(g->b, LLVMBuildLoad2(g->b, g->ptr, var, ""), "");
    Late late = {h, t, var};
    emit_branch(&h->F, none, place_output, NULL, &late);
    fn_at(&h->F, fn_top(&h->F));
    return LLVMBuildLoad2(g->b, g->ptr, var, "");
}

V host_place(Host *h, const Tensor *t) {
    const PlanBuffer *b = buffer_of(h, t);
    if (!b) BUG("%s: tensor %%%s has no place", h->model->name, t->name);
    return b->offset >= 0 ? const_i64(h->g, b->offset) : slot_value(h, t->slot);
}

static V plain_address(Host *h, const Tensor *t, bool device) {
    Gen *g = h->g;
    V from;
    switch (t->space) {
    case SP_INPUT:
    case SP_OUTPUT:
        if (model_is_unknown(t)) return unknown_output(h, t);
        if (t->space == SP_INPUT && t->dtype == DT_SEQ)
            return host_call(h, "onnxcc_in_sequence", g->ptr,
                             (V[]){h->F.frame, LLVMConstInt(g->i32, (unsigned)t->slot, false)}, 2);
        from = host_offset(h, host_field(h, t->space == SP_INPUT ? FRAME_IN : FRAME_OUT, g->ptr),
                           const_i64(g, h->word * t->slot));
        return LLVMBuildLoad2(g->b, g->ptr, from, "");
    case SP_CONST:
        device = device && host_separate(h);
        return host_offset(h, host_field(h, device ? FRAME_DEVICE_WEIGHTS : FRAME_WEIGHTS, g->ptr),
                           const_i64(g, weights_offset(h->model->weights, t)));
    case SP_ARENA:
        return in_arena(h, t->device, host_place(h, t));
    default:
        BUG("%s: tensor %%%s is in space %d", h->model->name, t->name, (int)t->space);
    }
}

static const Swap *swap_of(const Host *h, const Tensor *t) {
    for (int i = 0; i < h->swaps.n; i++)
        if (h->swaps.at[i].a == t || h->swaps.at[i].b == t) return &h->swaps.at[i];
    return NULL;
}

static const Tensor *storage_of(const Tensor *t) {
    while (t->alias) t = t->alias;
    return t;
}

V host_address(Host *h, const Tensor *t, bool device) {
    Gen *g = h->g;
    t = storage_of(t);
    const Swap *s = swap_of(h, t);
    if (!s) return plain_address(h, t, device);
    V here = plain_address(h, t, device), there = plain_address(h, s->a == t ? s->b : s->a, device);
    fn_at(&h->F, fn_top(&h->F));
    return LLVMBuildSelect(g->b, LLVMBuildLoad2(g->b, g->i1, s->flag, ""), there, here, "");
}

/* Tensors that the expression loads get a place for this statement. */
static void place_load(void *user, const Expr *e) {
    Host *h = user;
    if (e->kind != E_LOAD) return;
    Place *p = NEW(h->F.arena, Place);
    *p = (Place){.tensor = e->tensor, .number = ++h->F.n_places, .lanes = 1};
    p->base = (Val){host_address(h, e->tensor, false), fn_top(&h->F), 1, false};
    map_set_int(h->F.places, (uint64_t)(uintptr_t)e->tensor, p);
}

Val host_value(Host *h, Expr *e) {
    if (expr_has_load(e)) host_wait(h);
    expr_visit(e, place_load, h);
    return emit(&h->F, e);
}

/* ---- swaps ---- */
static void find_swap(void *user, LStmt *l) {
    Host *h = user;
    if (l->kind != L_SWAP) return;
    const Tensor *a = storage_of(l->args[0]), *b = storage_of(l->args[1]);
    if (swap_of(h, a) || a == b) return;
    V flag = host_alloca(h, h->g->i1, "swapped");
    LLVMBuildStore(h->g->b, LLVMConstNull(h->g->i1), flag);
    vec_push(h->F.arena, &h->swaps, ((Swap){a, b, flag}));
}

/* ---- functions ---- */
typedef struct Most {
    int pointers, numbers;
} Most;

static void count_args(void *user, LStmt *l) {
    Most *m = user;
    if (l->kind == L_LAUNCH || l->kind == L_CALL) m->pointers = MAX(m->pointers, l->n_args);
    if (l->kind == L_CALL || l->kind == L_PLACE) m->numbers = MAX(m->numbers, l->n_iargs);
    if (l->kind == L_LOOP) m->numbers = MAX(m->numbers, 2 * l->n_iargs);
    if (l->kind == L_LAUNCH && l->device) m->numbers = MAX(m->numbers, HOST_MAP_NUMBERS);
}

static void begin(Host *h, Gen *g, Model *m, const LFunc *f, V fn, Arena *arena) {
    *h = (Host){.g = g, .model = m};
    fn_begin(&h->F, g, f, fn, arena);
    h->F.fresh_syms = true;
    h->outs = map_new(arena);
    h->word = LLVMPointerSize(LLVMGetModuleDataLayout(g->m));
    h->F.overflow = host_alloca(h, g->i1, "overflow");
    LLVMBuildStore(g->b, LLVMConstNull(g->i1), h->F.overflow);
    Most most = {1, 1};
    if (f) lbody_each(&f->body, count_args, &most);
    h->pointers = host_alloca(h, LLVMArrayType2(g->ptr, (uint64_t)most.pointers), "bufs");
    h->numbers = host_alloca(h, LLVMArrayType2(g->i64, (uint64_t)most.numbers), "args");
}

/* The start block follows once all allocas are there. */
static void end(Host *h, LLVMBasicBlockRef start) {
    Gen *g = h->g;
    host_check_overflow(h);
    fn_at(&h->F, 0);
    LLVMBuildRet(g->b, LLVMConstNull(g->i32));
    LLVMPositionBuilderAtEnd(g->b, h->F.entry);
    LLVMBuildBr(g->b, start);
}

static V add_function(Gen *g, const char *name) {
    V fn = LLVMAddFunction(g->m, name, LLVMFunctionType(g->i32, &g->ptr, 1, false));
    LLVMSetLinkage(fn, LLVMInternalLinkage);
    return fn;
}

static void bind_device(Host *h) {
    const Plan *p = h->model->plan;
    if (p->device_arena >= 0)
        host_store_slot(h, p->slot_device_arena, const_i64(h->g, p->device_arena));
    host_store_slot(h, p->slot_device_scratch, host_index(h, p->device_scratch));
}

V host_bind(Gen *g, Model *m) {
    Host h;
    Arena *arena = arena_new();
    const LFunc *f = m->entry->versions[0]->bind;
    V fn = add_function(g, arena_printf(m->ctx->perm, "%s_bind", m->name));
    begin(&h, g, m, f, fn, arena);
    LLVMBasicBlockRef start = h.F.block;
    h.F.syms = LLVMGetParam(fn, 0);
    if (m->plan->arena >= 0) host_store_slot(&h, m->plan->slot_arena, const_i64(g, m->plan->arena));
    if (f) host_body(&h, &f->body);
    host_store_slot(&h, m->plan->slot_scratch, host_index(&h, m->plan->scratch));
    if (host_separate(&h)) bind_device(&h);
    for (int i = 0; i < m->extra.n; i++)
        if (!m->extra.at[i].late)
            host_store_slot(&h, m->extra.at[i].slot, host_index(&h, m->extra.at[i].e));
    end(&h, start);
    arena_free(arena);
    return fn;
}

V host_run(Gen *g, Model *m, int version) {
    Host h;
    Arena *arena = arena_new();
    const LFunc *f = m->entry->versions[version]->run;
    V fn = add_function(g, arena_printf(m->ctx->perm, "%s_run_v%d", m->name, version));
    begin(&h, g, m, f, fn, arena);
    LLVMBasicBlockRef start = h.F.block;
    h.F.frame = LLVMGetParam(fn, 0);
    h.F.syms = host_field(&h, FRAME_SYMS, g->ptr);
    lbody_each(&f->body, find_swap, &h);
    host_body(&h, &f->body);
    host_late_slots(&h, NULL);
    end(&h, start);
    arena_free(arena);
    return fn;
}
