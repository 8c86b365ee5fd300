/* Statements of host functions: launches, calls of the runtime, symbols, control flow. */
#include "codegen/llvm/host.h"

#include "codegen/c/gen.h"

#include "ir/streams.h"

typedef LLVMValueRef V;

static void at_top(Host *h) {
    fn_at(&h->F, fn_top(&h->F));
}

static V code_const(Host *h, int code) {
    return LLVMConstInt(h->g->i32, (unsigned)code, true);
}

V host_call(Host *h, const char *name, LLVMTypeRef result, V *args, int n) {
    Gen *g = h->g;
    LLVMTypeRef t[8];
    for (int i = 0; i < n; i++) t[i] = LLVMTypeOf(args[i]);
    V f = LLVMGetNamedFunction(g->m, name);
    if (!f) f = LLVMAddFunction(g->m, name, LLVMFunctionType(result, t, (unsigned)n, false));
    at_top(h);
    return LLVMBuildCall2(g->b, LLVMGlobalGetValueType(f), f, args, (unsigned)n, "");
}

void host_wait(Host *h) {
    if (host_separate(h)) host_call(h, "onnxcc_wait", h->g->none, &h->F.frame, 1);
}

/* These values in an array on the stack: statements share two, one of pointers and one of
 * numbers. */
static V array_of(Host *h, LLVMTypeRef element, V *at, int n) {
    Gen *g = h->g;
    V a = element == g->ptr ? h->pointers : h->numbers;
    int64_t size = element == g->ptr ? h->word : 8;
    for (int i = 0; i < n; i++) {
        V p = host_offset(h, a, const_i64(g, size * i));
        LLVMBuildStore(g->b, at[i], p);
    }
    return a;
}

static V address_array(Host *h, const LStmt *l) {
    V *at = NEW_ARRAY(h->F.arena, V, l->n_args + 1);
    for (int i = 0; i < l->n_args; i++) at[i] = host_address(h, l->args[i], l->device);
    return array_of(h, h->g->ptr, at, l->n_args);
}

/* ---- launches ---- */
static void store_site(Fn *F, void *user) {
    Gen *g = F->g;
    V *p = user; /* address, code */
    fn_at(F, fn_top(F));
    LLVMBuildStore(g->b, p[1], p[0]);
}

/* A kernel does not know its place in the program: its fault gets the site here. */
static void name_fault(Host *h, int id) {
    Gen *g = h->g;
    at_top(h);
    V at = host_offset(h, h->F.frame, const_i64(g, abi_offset(g, ABI_FRAME, FRAME_FAULT)));
    V now = LLVMBuildLoad2(g->b, g->i32, at, "");
    V here = LLVMBuildICmp(g->b, LLVMIntEQ, now, code_const(h, ONNXCC_FAULT_HERE), "");
    emit_branch(&h->F, here, store_site, NULL,
                (V[]){at, code_const(h, ONNXCC_CODE(ONNXCC_E_FAULT, id, 0))});
}

static V kernel_function(Host *h, const KernelFn *k) {
    Gen *g = h->g;
    LLVMTypeRef t[4] = {g->ptr, g->i64, g->i64, g->ptr};
    V f = LLVMGetNamedFunction(g->m, k->symbol);
    if (f) return f;
    f = LLVMAddFunction(g->m, k->symbol, LLVMFunctionType(g->none, t, 4, false));
    LLVMSetVisibility(f, LLVMHiddenVisibility);
    return f;
}

/* What tensor maps are made of, in the order of runtime/cuda.h. */
static V map_numbers(Host *h, const LFunc *f) {
    V at[HOST_MAP_NUMBERS];
    int n = 0;
    const LStmt *box;
    for (int i = 0; (box = c_kernel_map(f, i)); i++) {
        at[n++] = host_index(h, box->iargs[0]);
        for (int d = 0; d < lbox_dims(box); d++)
            for (int k = BOX_EXTENT; k <= BOX_STRIDE; k++)
                at[n++] = host_index(h, box->iargs[BOX_DIMS + d * BOX_DIM + k]);
    }
    return n ? array_of(h, h->g->i64, at, n) : LLVMConstNull(h->g->ptr);
}

static void device_launch(Host *h, const LStmt *l, const KernelFn *k) {
    Gen *g = h->g;
    V total = host_index(h, l->hi), maps = map_numbers(h, l->func), bufs = address_array(h, l);
    V kernel = host_offset(h, model_outside(g, h->model->image_symbol), const_i64(g, k->image_at));
    V step = LLVMConstInt(g->i32, (unsigned)l->id, false);
    host_call(h, "onnxcc_device_launch", g->none,
              (V[]){h->F.frame, step, kernel, bufs, maps, total}, 6);
}

/* An operand that the host has anyway is not fetched from the device. */
static void copy(Host *h, const LStmt *l) {
    Gen *g = h->g;
    const Tensor *from = l->args[0], *to = l->args[1];
    V step = LLVMConstInt(g->i32, (unsigned)l->id, false), bytes = host_index(h, l->hi);
    int input = from->space == SP_INPUT ? from->slot : -1;
    if (from == to) {
        V k = LLVMConstInt(g->i32, (unsigned)from->slot, false);
        if (model_is_unknown(from)) host_address(h, from, true);
        host_call(h, l->device ? "onnxcc_device_input" : "onnxcc_device_output", g->none,
                  (V[]){h->F.frame, step, k, bytes}, 4);
        return;
    }
    V args[7] = {h->F.frame,
                 step,
                 LLVMConstInt(g->i32, (unsigned long long)input, true),
                 host_address(h, to, l->device),
                 host_address(h, from, l->device),
                 bytes,
                 LLVMConstInt(g->i32, l->device, false)};
    host_call(h, "onnxcc_device_copy", g->none, args, 7);
}

static void launch(Host *h, const LStmt *l) {
    Gen *g = h->g;
    const KernelFn *k = model_kernel(h->model, l->func);
    if (l->device && h->model->image_symbol) {
        device_launch(h, l, k);
        return;
    }
    host_wait(h);
    V total = host_index(h, l->hi), scratch = host_index(h, l->lo);
    V ops = l->n_iargs ? host_index(h, l->iargs[0]) : const_i64(g, 0);
    V bufs = address_array(h, l);
    V args[7] = {h->F.frame,
                 LLVMConstInt(g->i32, (unsigned)l->id, false),
                 kernel_function(h, k),
                 bufs,
                 total,
                 ops,
                 scratch};
    host_call(h, "onnxcc_launch", g->none, args, 7);
    if (k->faults) name_fault(h, l->id);
}

static void call(Host *h, const LStmt *l) {
    Gen *g = h->g;
    V *iargs = NEW_ARRAY(h->F.arena, V, l->n_iargs + 1);
    host_wait(h);
    for (int i = 0; i < l->n_iargs; i++) iargs[i] = host_index(h, l->iargs[i]);
    V bufs = address_array(h, l), numbers = array_of(h, g->i64, iargs, l->n_iargs);
    const char *name = arena_printf(h->model->ctx->perm, "onnxcc_call_%s", l->name);
    V code = host_call(h, name, g->i32, (V[]){h->F.frame, bufs, numbers}, 3);
    /* in place of an axis it may say what it lacked */
    V lack = LLVMBuildAnd(g->b, code, code_const(h, 31 << 6), "");
    V rest = LLVMBuildXor(g->b, code, lack, "");
    V here = LLVMBuildICmp(g->b, LLVMIntEQ, rest, code_const(h, ONNXCC_FAULT_HERE), "");
    V named = LLVMBuildOr(g->b, lack, code_const(h, ONNXCC_CODE(ONNXCC_E_FAULT, l->id, 0)), "");
    code = LLVMBuildSelect(g->b, here, named, code, "");
    host_return_if(h, LLVMBuildICmp(g->b, LLVMIntNE, code, LLVMConstNull(g->i32), ""), code);
}

/* ---- symbols ---- */
static void check_bounds(Host *h, const LStmt *l, V v) {
    Gen *g = h->g;
    const Sym *s = l->sym;
    if (s->lo == INT64_MIN && s->hi == INT64_MAX) return;
    host_check_overflow(h);
    at_top(h);
    V low = LLVMBuildICmp(g->b, LLVMIntSLT, v, const_i64(g, s->lo), "");
    V high = LLVMBuildICmp(g->b, LLVMIntSGT, v, const_i64(g, s->hi), "");
    host_return_if(h, LLVMBuildOr(g->b, low, high, ""),
                   code_const(h, ONNXCC_CODE(ONNXCC_E_FAULT, l->id, 0)));
}

static void bind(Host *h, const LStmt *l) {
    Ctx *ctx = h->model->ctx;
    const Sym *s = l->sym;
    if (!l->tensor) {
        /* computed where it is used */
        if (s->kind == SYM_DERIVED && model_is_late(l->value)) return;
        V value = host_index(h, l->value);
        if (s->kind == SYM_VALUE) check_bounds(h, l, value);
        host_store_slot(h, s->slot, value);
        return;
    }
    V v = host_value(h, expr_cast(ctx, DT_INDEX, expr_load(ctx, l->tensor, &l->lo, 1))).v;
    check_bounds(h, l, v);
    host_store_slot(h, s->slot, v);
}

static void require(Host *h, const LStmt *l) {
    V holds = host_value(h, l->cond).v;
    at_top(h);
    int kind = h->F.frame ? ONNXCC_E_FAULT : ONNXCC_E_CONSTRAINT;
    host_return_if(h, LLVMBuildNot(h->g->b, holds, ""), code_const(h, ONNXCC_CODE(kind, l->id, 0)));
}

/* struct onnxcc_live {bytes, first, last} for each buffer, then the runtime's placing. Later
 * segments lie above everything that was placed before. */
static void place(Host *h, const LStmt *l) {
    Gen *g = h->g;
    const Plan *plan = h->model->plan;
    int n = l->n_args, arena = l->device ? plan->slot_device_arena : plan->slot_arena;
    V *live = NEW_ARRAY(h->F.arena, V, 3 * n + 1), base = host_index(h, l->lo);
    for (int i = 0; i < 3 * n; i++) live[i] = host_index(h, l->iargs[i]);
    host_check_overflow(h);
    V items = array_of(h, g->i64, live, 3 * n);
    V offsets = host_alloca(h, LLVMArrayType2(g->i64, (uint64_t)n + 1), ""),
      work = host_alloca(h, LLVMArrayType2(g->i64, 2 * (uint64_t)n + 1), "");
    if (l->id > 0) {
        V slot = host_slot(h, arena), top = LLVMBuildLoad2(g->b, g->i64, slot, "");
        base = intrinsic(g, "llvm.smax", &g->i64, 1, (V[]){base, top}, 2);
    }
    V end =
        host_call(h, "onnxcc_place", g->i64, (V[]){items, const_i64(g, n), base, offsets, work}, 5);
    for (int i = 0; i < n; i++) {
        V p = host_offset(h, offsets, const_i64(g, 8 * (int64_t)i));
        V v = LLVMBuildLoad2(g->b, g->i64, p, "");
        host_store_slot(h, l->args[i]->slot, v);
    }
    host_store_slot(h, arena, end);
    if (l->id <= 0) return;
    V code = host_call(h, l->device ? "onnxcc_device_fit" : "onnxcc_arena_fit", g->i32,
                       (V[]){h->F.frame, end}, 2);
    host_return_if(h, LLVMBuildICmp(g->b, LLVMIntNE, code, LLVMConstNull(g->i32), ""), code);
}

/* ---- control flow ---- */
typedef struct Inside {
    Host *h;
    const LStmt *l;
} Inside;

static void inside_then(Fn *F, void *user) {
    (void)F;
    host_body(((Inside *)user)->h, &((Inside *)user)->l->body);
}

static void inside_else(Fn *F, void *user) {
    (void)F;
    host_body(((Inside *)user)->h, &((Inside *)user)->l->other);
}

static void branch(Host *h, const LStmt *l) {
    V cond = host_value(h, l->cond).v;
    Inside in = {h, l};
    emit_branch(&h->F, cond, inside_then, l->other.at.n ? inside_else : NULL, &in);
}

/* May another round begin? A run that was stopped or failed leaves its loops: their conditions come
 * from kernels that no longer run. */
static V goes_on(Host *h, const LStmt *l) {
    Gen *g = h->g;
    V none = LLVMConstNull(g->i32), cond = l->cond ? host_value(h, l->cond).v : NULL,
      limit = l->hi ? host_index(h, l->hi) : NULL,
      fine = LLVMBuildICmp(g->b, LLVMIntEQ, host_field(h, FRAME_FAULT, g->i32), none, "");
    if (cond) fine = LLVMBuildAnd(g->b, fine, cond, "");
    if (!limit) return fine;
    V round = LLVMBuildLoad2(g->b, g->i64, host_slot(h, l->sym->slot), "");
    return LLVMBuildAnd(g->b, fine, LLVMBuildICmp(g->b, LLVMIntSLT, round, limit, ""), "");
}

static void need_output(Host *h, const Tensor *t) {
    while (t->alias) t = t->alias;
    if (model_is_unknown(t)) host_address(h, t, false);
}

static void need_loaded(void *user, const Expr *e) {
    if (e->kind == E_LOAD) need_output(user, e->tensor);
}

static void need_outputs(void *user, LStmt *l) {
    bool reads = l->kind == L_LAUNCH || l->kind == L_CALL || l->kind == L_COPY;
    for (int k = 0; reads && k < l->n_args; k++) need_output(user, l->args[k]);
    if (l->tensor) need_output(user, l->tensor);
    if (l->cond) expr_visit(l->cond, need_loaded, user);
}

/* Moves what the next round needs to `from`, and returns where that ends. */
static V keep(Host *h, const LStmt *l, V from) {
    Gen *g = h->g;
    int n = l->n_iargs;
    V *at = NEW_ARRAY(h->F.arena, V, 2 * n + 1);
    if (!n) return from;
    host_wait(h);
    for (int i = 0; i < n; i++) at[i] = host_index(h, l->iargs[i]);
    host_check_overflow(h);
    for (int i = 0; i < n; i++) at[n + i] = host_place(h, l->args[2 * i + 1]);
    V bytes = array_of(h, g->i64, at, 2 * n), end = host_alloca(h, g->i64, "");
    at_top(h);
    V offset = host_offset(h, bytes, const_i64(g, 8 * (int64_t)n));
    V args[] = {h->F.frame, const_i64(g, n), bytes, from, offset, end};
    V code = host_call(h, "onnxcc_arena_keep", g->i32, args, 6);
    host_return_if(h, LLVMBuildICmp(g->b, LLVMIntNE, code, LLVMConstNull(g->i32), ""), code);
    for (int i = 0; i < n; i++) {
        V p = host_offset(h, offset, const_i64(g, 8 * (int64_t)i));
        host_store_slot(h, l->args[2 * i]->slot, LLVMBuildLoad2(g->b, g->i64, p, ""));
    }
    at_top(h);
    return LLVMBuildLoad2(g->b, g->i64, end, "");
}

/* All of them at once: a value may mention what another symbol was. */
static void resize(Host *h, const LStmt *l) {
    V *v = NEW_ARRAY(h->F.arena, V, l->n_syms + 1);
    for (int i = 0; i < l->n_syms; i++) v[i] = host_index(h, l->values[i]);
    for (int i = 0; i < l->n_syms; i++) host_store_slot(h, l->syms[i]->slot, v[i]);
}

/* What a round has placed is dead behind it, but for what is carried to the next. */
static void repeat(Host *h, const LStmt *l) {
    Gen *g = h->g;
    Fn *F = &h->F;
    const Plan *plan = h->model->plan;
    int arena = plan->slot_arena, there = plan->slot_device_arena;
    bool places = l->n_iargs || lbody_places(&l->body);
    host_store_slot(h, l->sym->slot, const_i64(g, 0));
    if (places) lbody_each(&l->body, need_outputs, h); /* what must outlive a round */
    at_top(h);
    V top = places ? LLVMBuildLoad2(g->b, g->i64, host_slot(h, arena), "") : NULL;
    V top_there =
        places && there >= 0 ? LLVMBuildLoad2(g->b, g->i64, host_slot(h, there), "") : NULL;
    LLVMBasicBlockRef before = F->block, head = fn_block(F, "loop"), body = fn_block(F, "body"),
                      after = fn_block(F, "after");
    at_top(h);
    LLVMBuildBr(g->b, head);
    F->block = head;
    fn_open(F, before);
    LLVMBuildCondBr(g->b, goes_on(h, l), body, after);
    F->block = body;
    at_top(h);
    if (top_there) host_store_slot(h, there, top_there);
    host_body(h, &l->body);
    if (places) host_store_slot(h, arena, keep(h, l, top));
    resize(h, l);
    at_top(h);
    V slot = host_slot(h, l->sym->slot), round = LLVMBuildLoad2(g->b, g->i64, slot, "");
    host_store_slot(h, l->sym->slot, LLVMBuildAdd(g->b, round, const_i64(g, 1), ""));
    LLVMBuildBr(g->b, head);
    fn_close(F);
    F->block = after;
}

_Static_assert((int)ACT_FORK == ONNXCC_STREAM_FORK && (int)ACT_JOIN == ONNXCC_STREAM_JOIN &&
                   (int)MAX_STREAMS == ONNXCC_STREAMS,
               "ir and runtime agree");

static void stream(Host *h, const LStmt *l) {
    Gen *g = h->g;
    V act = LLVMConstInt(g->i32, (unsigned)l->stream, false),
      n = LLVMConstInt(g->i32, (unsigned)l->id, false);
    host_call(h, "onnxcc_device_stream", g->none, (V[]){h->F.frame, act, n}, 3);
}

static void swap(Host *h, const LStmt *l) {
    Gen *g = h->g;
    for (int i = 0; i < h->swaps.n; i++) {
        const Swap *s = &h->swaps.at[i];
        const Tensor *t = l->args[0];
        while (t->alias) t = t->alias;
        if (s->a != t && s->b != t) continue;
        at_top(h);
        V now = LLVMBuildLoad2(g->b, g->i1, s->flag, "");
        LLVMBuildStore(g->b, LLVMBuildNot(g->b, now, ""), s->flag);
    }
}

void host_body(Host *h, const LBody *body) {
    for (int i = 0; i < body->at.n; i++) {
        const LStmt *l = body->at.at[i];
        kept_store(&h->F, NULL);
        switch (l->kind) {
        case L_LAUNCH:
            launch(h, l);
            break;
        case L_CALL:
            call(h, l);
            break;
        case L_BIND:
            bind(h, l);
            break;
        case L_PLACE:
            place(h, l);
            break;
        case L_IF:
            branch(h, l);
            break;
        case L_LOOP:
            repeat(h, l);
            break;
        case L_REQUIRE:
            require(h, l);
            break;
        case L_COPY:
            copy(h, l);
            break;
        case L_STREAM:
            stream(h, l);
            break;
        case L_SWAP:
            swap(h, l);
            break;
        default:
            BUG("%s: a kernel statement in a host function", h->model->name);
        }
        kept_store(&h->F, NULL);
    }
}
