/* Kernel functions. NAME(kargs, lo, hi, scratch) unpacks its arguments and calls the body, whose
 * buffers are parameters of their own: that is where LLVM learns that they do not overlap. */
#include "codegen/llvm/gen.h"

typedef LLVMValueRef V;

static void add_attribute(Gen *g, V f, unsigned at, const char *name) {
    unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
    LLVMAddAttributeAtIndex(f, at, LLVMCreateEnumAttribute(g->c, kind, 0));
}

static void add_string(Gen *g, V f, const char *name, const char *value) {
    LLVMAttributeRef a = LLVMCreateStringAttribute(g->c, name, (unsigned)strlen(name), value,
                                                   (unsigned)strlen(value));
    LLVMAddAttributeAtIndex(f, (unsigned)LLVMAttributeFunctionIndex, a);
}

void func_attributes(Gen *g, V f) {
    add_attribute(g, f, (unsigned)LLVMAttributeFunctionIndex, "nounwind");
    if (g->cpu && *g->cpu) add_string(g, f, "target-cpu", g->cpu);
    if (g->features && *g->features) add_string(g, f, "target-features", g->features);
    const char *width = arena_printf(g->ctx->perm, "%d", g->machine->vector_bytes * 8);
    if (g->machine->vector_bytes < 64) return;
    add_string(g, f, "prefer-vector-width", width);
    add_string(g, f, "min-legal-vector-width", width);
}

/* (buffers..., syms, frame, lo, hi, scratch) */
static V add_inner(Gen *g, const LFunc *f, const char *symbol, const bool *may_alias) {
    LLVMTypeRef t[128];
    int n = f->params.n;
    CHECK(n + 5 <= LEN(t));
    for (int i = 0; i < n + 5; i++) t[i] = g->ptr;
    t[n + 2] = t[n + 3] = g->i64;
    V inner = LLVMAddFunction(g->m, arena_printf(g->ctx->perm, "%s.body", symbol),
                              LLVMFunctionType(g->none, t, (unsigned)n + 5, false));
    LLVMSetLinkage(inner, LLVMInternalLinkage);
    func_attributes(g, inner);
    add_attribute(g, inner, (unsigned)LLVMAttributeFunctionIndex, "noinline");
    for (int i = 0; i < n + 5; i++) {
        if (t[i] != g->ptr || i == n + 1) continue;
        if (i >= n || !may_alias || !may_alias[i])
            add_attribute(g, inner, (unsigned)i + 1, "noalias");
        add_attribute(g, inner, (unsigned)i + 1, "nocapture");
    }
    return inner;
}

static V load_field(Gen *g, LLVMTypeRef t, V p, int64_t offset) {
    V at = const_i64(g, offset);
    return LLVMBuildLoad2(g->b, t, LLVMBuildGEP2(g->b, g->i8, p, &at, 1, ""), "");
}

static V add_outer(Gen *g, const LFunc *f, const char *symbol, V inner) {
    LLVMTypeRef t[4] = {g->ptr, g->i64, g->i64, g->ptr};
    V outer = LLVMAddFunction(g->m, symbol, LLVMFunctionType(g->none, t, 4, false)), args[128];
    LLVMSetVisibility(outer, LLVMHiddenVisibility);
    func_attributes(g, outer);
    LLVMPositionBuilderAtEnd(g->b, LLVMAppendBasicBlockInContext(g->c, outer, ""));
    int n = f->params.n;
    int64_t word = LLVMPointerSize(LLVMGetModuleDataLayout(g->m));
    V kargs = LLVMGetParam(outer, 0), bufs = load_field(g, g->ptr, kargs, 0);
    for (int i = 0; i < n; i++) args[i] = load_field(g, g->ptr, bufs, word * i);
    args[n] = load_field(g, g->ptr, kargs, word);
    args[n + 1] = load_field(g, g->ptr, kargs, 2 * word);
    args[n + 2] = LLVMGetParam(outer, 1);
    args[n + 3] = LLVMGetParam(outer, 2);
    args[n + 4] = LLVMGetParam(outer, 3);
    V call = LLVMBuildCall2(g->b, LLVMGlobalGetValueType(inner), inner, args, (unsigned)n + 5, "");
    LLVMSetTailCall(call, true);
    LLVMBuildRetVoid(g->b);
    return outer;
}

static void inside_fault(Fn *F, void *user) {
    Gen *g = F->g;
    V p = user;
    fn_at(F, fn_top(F));
    V s = LLVMBuildStore(g->b, LLVMConstInt(g->i32, (unsigned)ONNXCC_FAULT_HERE, true), p);
    LLVMSetAlignment(s, 4);
}

/* A bad subscript was clamped: say so in frame->fault, unless something is there already. */
static void emit_fault_exit(Fn *F) {
    Gen *g = F->g;
    if (!F->fault) return;
    fn_at(F, 0);
    V bad = LLVMBuildICmp(g->b, LLVMIntNE, LLVMBuildLoad2(g->b, g->i8, F->fault, ""),
                          LLVMConstNull(g->i8), "");
    V at = const_i64(g, abi_offset(g, ABI_FRAME, FRAME_FAULT));
    V p = LLVMBuildGEP2(g->b, g->i8, F->frame, &at, 1, "");
    V old = LLVMBuildLoad2(g->b, g->i32, p, "");
    V none = LLVMBuildICmp(g->b, LLVMIntEQ, old, LLVMConstNull(g->i32), "");
    emit_branch(F, LLVMBuildAnd(g->b, bad, none, ""), inside_fault, NULL, p);
    fn_at(F, 0);
}

static void place_params(Fn *F, const bool *may_alias) {
    const LFunc *f = F->f;
    for (int i = 0; i < f->params.n; i++) {
        Place *p = NEW(F->arena, Place);
        *p = (Place){.tensor = f->params.at[i], .number = ++F->n_places, .lanes = 1};
        p->base = (Val){LLVMGetParam(F->fn, (unsigned)i), 0, 1, true};
        LLVMSetValueName2(p->base.v, f->params.at[i]->name, strlen(f->params.at[i]->name));
        map_set_int(F->places, (uint64_t)(uintptr_t)f->params.at[i], p);
        F->has_alias |= may_alias && may_alias[i];
    }
}

V emit_kernel(Gen *g, const LFunc *f, const char *symbol, const bool *may_alias) {
    V inner = add_inner(g, f, symbol, may_alias);
    int n = f->params.n;
    Fn F;
    Arena *arena = arena_new();
    fn_begin(&F, g, f, inner, arena);
    debug_function(g, f, inner);
    place_params(&F, may_alias);
    F.syms = LLVMGetParam(inner, (unsigned)n);
    F.frame = LLVMGetParam(inner, (unsigned)n + 1);
    F.scratch = LLVMGetParam(inner, (unsigned)n + 4);
    bind_var(&F, f->lo, (Val){LLVMGetParam(inner, (unsigned)n + 2), 0, 1, true});
    bind_var(&F, f->hi, (Val){LLVMGetParam(inner, (unsigned)n + 3), 0, 1, true});
    LLVMBasicBlockRef start = F.block;
    emit_body(&F, &f->body);
    emit_fault_exit(&F);
    fn_at(&F, 0);
    LLVMBuildRetVoid(g->b);
    LLVMPositionBuilderAtEnd(g->b, F.entry);
    LLVMBuildBr(g->b, start);
    debug_leave(g);
    V outer = add_outer(g, f, symbol, inner);
    arena_free(arena);
    return outer;
}
