/* Where elements lie: buffers in scope, addresses, what may be touched. */
#include "codegen/llvm/gen.h"

typedef LLVMValueRef V;

Place *place_of(Fn *F, const Tensor *t) {
    Place *p = map_get_int(F->places, (uint64_t)(uintptr_t)t);
    if (!p) BUG("%s: tensor %%%s is not in scope", F->f->name, t->name);
    return p;
}

/* ---- addresses ---- */
static uint64_t address_key(const Place *p, const Expr *e) {
    return (uint64_t)1 << 63 | (uint64_t)(unsigned)p->number << 32 | (uint64_t)(unsigned)e->id;
}

static Val step(Fn *F, const Place *p, Val from, Val by) {
    Val out = {NULL, MAX(from.depth, by.depth), 1, from.pure && by.pure};
    fn_at(F, out.depth);
    out.v = LLVMBuildGEP2(F->g->b, type_memory(F->g, p->tensor->dtype), from.v, &by.v, 1, "");
    return out;
}

/* The terms of a sum, without its constant, by the depth of their scopes: those less deep than
 * the deepest, and the deepest. */
static void split_terms(Fn *F, Expr *e, Expr **outer, Expr **inner) {
    int deepest = 0;
    *outer = *inner = expr_int(F->ctx, 0);
    for (int i = 0; i < e->n; i++) deepest = MAX(deepest, emit(F, e->arg[i]).depth);
    for (int i = 0; i < e->n; i++) {
        Expr **to = emit(F, e->arg[i]).depth == deepest ? inner : outer;
        *to = expr_add(F->ctx, *to, e->arg[i]);
    }
}

/* Row by row: what is known further out is added there, so that loops only step. `e` has no
 * constant term. */
static Val address_of(Fn *F, Place *p, Expr *e) {
    if (expr_is(e, 0)) return p->base;
    Val *old = fn_find(F, address_key(p, e));
    if (old) return *old;
    Val from = p->base;
    Expr *outer, *inner = e;
    if (e->kind == E_SUM) {
        split_terms(F, e, &outer, &inner);
        from = address_of(F, p, outer);
    }
    Val out = step(F, p, from, emit(F, inner));
    if (out.pure) fn_keep(F, address_key(p, e), out);
    return out;
}

Val address(Fn *F, Place *p, Expr *index) {
    int64_t c = index->kind == E_SUM || index->kind == E_INT ? index->i : 0;
    Val base = address_of(F, p, c ? expr_addi(F->ctx, index, -c) : index);
    if (!c) return base;
    return step(F, p, base, (Val){const_i64(F->g, c), 0, 1, true});
}

/* ---- guards ---- */

/* Elements of registers at constant subscripts can always be read. */
bool gate_applies(Fn *F, Place *p, Expr *index) {
    int64_t i, n;
    (void)F;
    if (!p->local) return true;
    return !(expr_is_int(index, &i) && expr_is_int(p->tensor->dims[0], &n) && i >= 0 && i < n);
}

static Val val_and(Fn *F, Val a, Val b) {
    if (!a.v) return b;
    int depth = MAX(a.depth, b.depth);
    if (a.lanes > 1) b = val_lanes(F, b);
    if (b.lanes > 1) a = val_lanes(F, a);
    fn_at(F, depth);
    return (Val){LLVMBuildAnd(F->g->b, a.v, b.v, ""), depth, MAX(a.lanes, b.lanes),
                 a.pure && b.pure};
}

static bool is_zero(const Expr *e) {
    return (e->kind == E_INT && e->i == 0) ||
           (e->kind == E_FLT && e->f == 0 && !__builtin_signbit(e->f));
}

/* Does a load that is not made, and gives 0, make the value 0? */
static bool zero_by_itself(Fn *F, const Expr *value, const Expr *otherwise) {
    if (!is_zero(otherwise)) return false;
    while (value->kind == E_OP && value->op == SOP_cast) value = value->arg[0];
    return value->kind == E_LOAD && gate_applies(F, place_of(F, value->tensor), value->arg[0]);
}

/* The parts of a condition that are joined by `and`: those that are the same in all lanes, and
 * the others. */
static void split_condition(Fn *F, Expr *e, Val *uniform, Val *varying) {
    if (e->kind == E_OP && e->op == SOP_and && e->type == DT_BOOL) {
        split_condition(F, e->arg[0], uniform, varying);
        split_condition(F, e->arg[1], uniform, varying);
        return;
    }
    Val c = emit(F, e), *to = c.lanes > 1 ? varying : uniform;
    *to = val_and(F, *to, c);
}

static Val select_val(Fn *F, Val c, Val v, Val o, const Expr *e) {
    Val out = {NULL, MAX(c.depth, MAX(v.depth, o.depth)), MAX(c.lanes, MAX(v.lanes, o.lanes)),
               c.pure && v.pure && o.pure};
    if (out.lanes > 1) v = val_lanes(F, v), o = val_lanes(F, o);
    if (out.lanes > 1 && e->type == DT_INDEX) {
        fn_at(F, out.depth);
        int bits = fits32(F, e->arg[1]) && fits32(F, e->arg[2]) ? 32 : 64;
        v.v = index_width(F, v.v, bits), o.v = index_width(F, o.v, bits);
    }
    fn_at(F, out.depth);
    out.v = select_value(F->g, c.v, v.v, o.v);
    return out;
}

/* Loads inside are made from zeros, or masked away, where the condition does not hold; then the
 * value is selected. No branches. */
Val emit_guard(Fn *F, Expr *e) {
    Val gate = F->gate, mask = F->mask, uniform = {NULL, 0, 1, true}, varying = {NULL, 0, 1, true};
    bool some = F->mask_some;
    split_condition(F, e->arg[0], &uniform, &varying);
    Val c = varying.v ? val_and(F, varying, uniform.v ? uniform : varying) : uniform;
    if (LLVMIsAConstantInt(c.v))
        return emit(F, LLVMConstIntGetZExtValue(c.v) ? e->arg[1] : e->arg[2]);
    if (uniform.v) F->gate = val_and(F, gate, uniform);
    if (varying.v) {
        F->mask = val_and(F, mask, varying);
        F->mask_some = false;
    }
    Val v = emit(F, e->arg[1]);
    F->gate = gate, F->mask = mask, F->mask_some = some;
    bool one_for_all = varying.v && v.lanes == 1; /* no mask has touched it */
    if (!v.pure && !one_for_all && zero_by_itself(F, e->arg[1], e->arg[2])) return v;
    return select_val(F, c, v, emit(F, e->arg[2]), e);
}

/* ---- faults ---- */
void alloca_zero_fault(Fn *F) {
    Gen *g = F->g;
    LLVMPositionBuilderAtEnd(g->b, F->entry);
    V term = LLVMGetBasicBlockTerminator(F->entry);
    if (term) LLVMPositionBuilderBefore(g->b, term);
    F->fault = LLVMBuildAlloca(g->b, g->i8, "fault");
    LLVMBuildStore(g->b, LLVMConstNull(g->i8), F->fault);
}

void fault_where(Fn *F, Val bad) {
    Gen *g = F->g;
    if (!F->fault) alloca_zero_fault(F);
    if (F->gate.v) bad = val_and(F, bad, F->gate);
    if (F->mask.v) bad = val_and(F, bad, F->mask);
    fn_at(F, fn_top(F));
    if (bad.lanes > 1) bad.v = intrinsic1(g, "llvm.vector.reduce.or", bad.v);
    V old = LLVMBuildLoad2(g->b, g->i8, F->fault, "");
    LLVMBuildStore(g->b, LLVMBuildOr(g->b, old, LLVMBuildZExt(g->b, bad.v, g->i8, ""), ""),
                   F->fault);
}
