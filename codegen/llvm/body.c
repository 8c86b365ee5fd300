/* Statements: loops, branches, buffers, stores. */
#include "codegen/llvm/gen.h"

typedef LLVMValueRef V;

/* ---- serial loops, tested at the end ---- */
void emit_serial(Fn *F, Var *v, Expr *lo, Expr *hi, LoopBody inside, void *user) {
    Gen *g = F->g;
    V first = emit(F, lo).v, end = emit(F, hi).v;
    LLVMBasicBlockRef before = F->block, body = fn_block(F, v->name), after = fn_block(F, "after");
    fn_at(F, fn_top(F));
    if (expr_prove_lt(F->ctx, lo, hi)) LLVMBuildBr(g->b, body);
    else LLVMBuildCondBr(g->b, LLVMBuildICmp(g->b, LLVMIntSLT, first, end, ""), body, after);
    F->block = body;
    fn_open(F, before);
    LLVMPositionBuilderAtEnd(g->b, body);
    V phi = LLVMBuildPhi(g->b, g->i64, v->name);
    bind_var(F, v, (Val){phi, fn_top(F), 1, true});
    inside(F, user);
    fn_at(F, fn_top(F));
    V next = LLVMBuildAdd(g->b, phi, const_i64(g, 1), "");
    LLVMSetNSW(next, true);
    LLVMAddIncoming(phi, (V[]){first, next}, (LLVMBasicBlockRef[]){before, F->block}, 2);
    LLVMBuildCondBr(g->b, LLVMBuildICmp(g->b, LLVMIntSLT, next, end, ""), body, after);
    fn_close(F);
    F->block = after;
}

static void inside_for(Fn *F, void *user) {
    emit_body(F, &((const LStmt *)user)->body);
}

void emit_unrolled(Fn *F, const LStmt *l, int64_t lo, int64_t hi) {
    vec_push(F->arena, &F->sub_var, l->var);
    vec_push(F->arena, &F->sub_by, NULL);
    int at = F->sub_by.n - 1;
    for (int64_t i = lo; i < hi; i++) {
        F->sub_by.at[at] = expr_int(F->ctx, i);
        emit_body(F, &l->body);
    }
    F->sub_var.n--, F->sub_by.n--;
}

static void emit_for(Fn *F, const LStmt *l) {
    Expr *lo = fn_subst(F, l->lo), *hi = fn_subst(F, l->hi);
    int64_t a, b;
    bool fixed = expr_is_int(lo, &a) && expr_is_int(hi, &b);
    if (fixed && a >= b) return;
    if (l->bind == BIND_UNROLL && fixed) emit_unrolled(F, l, a, b);
    else if (l->bind == BIND_VECTOR) emit_vector_loop(F, l);
    else emit_serial(F, l->var, lo, hi, inside_for, (void *)(uintptr_t)l);
}

/* ---- branches ---- */
void emit_branch(Fn *F, V cond, LoopBody then, LoopBody other, void *user) {
    Gen *g = F->g;
    LLVMBasicBlockRef before = F->block, yes = fn_block(F, "then"),
                      no = other ? fn_block(F, "else") : NULL, after = fn_block(F, "after");
    fn_at(F, fn_top(F));
    LLVMBuildCondBr(g->b, cond, yes, no ? no : after);
    for (int i = 0; i < (no ? 2 : 1); i++) {
        F->block = i ? no : yes;
        fn_open(F, before);
        (i ? other : then)(F, user);
        fn_at(F, fn_top(F));
        LLVMBuildBr(g->b, after);
        fn_close(F);
    }
    F->block = after;
}

static void inside_then(Fn *F, void *user) {
    emit_body(F, &((const LStmt *)user)->body);
}

static void inside_else(Fn *F, void *user) {
    emit_body(F, &((const LStmt *)user)->other);
}

/* Inside a vector loop: both branches, each in its lanes. */
static void emit_masked(Fn *F, const LStmt *l, Val cond) {
    Gen *g = F->g;
    Val mask = F->mask;
    bool some = F->mask_some;
    for (int i = 0; i < 2; i++) {
        const LBody *body = i ? &l->other : &l->body;
        if (!body->at.n) continue;
        V c = cond.v;
        fn_at(F, cond.depth);
        if (i) c = LLVMBuildNot(g->b, c, "");
        fn_at(F, MAX(cond.depth, mask.depth));
        if (mask.v) c = LLVMBuildAnd(g->b, mask.v, c, "");
        F->mask = (Val){c, MAX(cond.depth, mask.depth), F->lanes, false};
        F->mask_some = false;
        emit_body(F, body);
    }
    F->mask = mask;
    F->mask_some = some;
}

static void emit_if(Fn *F, const LStmt *l) {
    Expr *e = fn_subst(F, l->cond);
    int64_t c;
    if (expr_is_int(e, &c)) {
        emit_body(F, c ? &l->body : &l->other);
        return;
    }
    Val cond = emit(F, e);
    if (cond.lanes > 1) emit_masked(F, l, cond);
    else
        emit_branch(F, cond.v, inside_then, l->other.at.n ? inside_else : NULL,
                    (void *)(uintptr_t)l);
}

/* ---- buffers ---- */
/* Padded, so that a whole vector can be read and written at any element. */
static V alloca_of(Fn *F, const Tensor *t, int64_t elements) {
    Gen *g = F->g;
    V term = LLVMGetBasicBlockTerminator(F->entry);
    if (term) LLVMPositionBuilderBefore(g->b, term);
    else LLVMPositionBuilderAtEnd(g->b, F->entry);
    uint64_t pad = (uint64_t)g->machine->vector_bytes;
    V a = LLVMBuildAlloca(
        g->b, LLVMArrayType2(type_memory(g, t->dtype), (uint64_t)elements + pad + 1), t->name);
    LLVMSetAlignment(a, 64);
    return a;
}

static void emit_buffer(Fn *F, const LStmt *l) {
    Gen *g = F->g;
    Place *p = NEW(F->arena, Place);
    int64_t n = 0;
    *p = (Place){.tensor = l->tensor, .number = ++F->n_places, .lanes = F->lane ? F->lanes : 1};
    p->local = l->tensor->space != SP_SCRATCH;
    p->base = (Val){NULL, 0, 1, true};
    if (p->local) {
        CHECK(expr_is_int(fn_subst(F, l->hi), &n));
        p->base.v = alloca_of(F, l->tensor, n * p->lanes);
    } else {
        p->base = emit(F, fn_subst(F, l->lo));
        fn_at(F, p->base.depth);
        p->base.v = LLVMBuildGEP2(g->b, g->i8, F->scratch, &p->base.v, 1, l->tensor->name);
    }
    map_set_int(F->places, (uint64_t)(uintptr_t)l->tensor, p);
    kept_store(F, l->tensor);
}

void emit_body(Fn *F, const LBody *body) {
    for (int i = 0; i < body->at.n; i++) {
        const LStmt *l = body->at.at[i];
        debug_line(F->g, l);
        switch (l->kind) {
        case L_FOR:
            emit_for(F, l);
            break;
        case L_IF:
            emit_if(F, l);
            break;
        case L_STORE: {
            Val v = emit(F, fn_subst(F, l->value));
            emit_store(F, l->tensor, fn_subst(F, l->index), v);
            break;
        }
        case L_BUFFER:
            emit_buffer(F, l);
            break;
        case L_BARRIER:
        case L_COMBINE:
        case L_ASYNC:
        case L_COMMIT:
        case L_WAIT:
        case L_FRAGMENT:
        case L_MMA:
        case L_PRODUCTS:
        case L_PRODUCTS_WAIT:
        case L_BULK:
        case L_BOX:
        case L_BULK_WAIT:
            BUG("%s: threads of a block in a kernel for a CPU", F->f->name);
        default:
            BUG("%s: a host statement in a kernel", F->f->name);
        }
    }
}
