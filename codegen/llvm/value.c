/* Expressions: each value is computed once, in the outermost scope where that is legal. */
#include "codegen/llvm/gen.h"

/* ---- scopes ---- */
void fn_begin(Fn *F, Gen *g, const LFunc *f, LLVMValueRef fn, Arena *arena) {
    *F = (Fn){.g = g, .ctx = g->ctx, .f = f, .fn = fn, .arena = arena};
    F->vars = map_new(arena);
    F->places = map_new(arena);
    F->lane_vars = map_new(arena);
    F->entry = LLVMAppendBasicBlockInContext(g->c, fn, "entry");
    F->block = fn_block(F, "start");
    fn_open(F, F->entry);
}

LLVMBasicBlockRef fn_block(Fn *F, const char *name) {
    return LLVMAppendBasicBlockInContext(F->g->c, F->fn, name);
}

int fn_top(const Fn *F) {
    return F->scopes.n - 1;
}

void fn_open(Fn *F, LLVMBasicBlockRef from) {
    vec_push(F->arena, &F->scopes, ((Scope){map_new(F->arena), from}));
    kept_store(F, NULL);
}

void fn_close(Fn *F) {
    F->scopes.n--;
    kept_store(F, NULL);
}

void fn_at(Fn *F, int depth) {
    if (depth >= fn_top(F)) {
        LLVMPositionBuilderAtEnd(F->g->b, F->block);
        return;
    }
    LLVMPositionBuilderBefore(F->g->b, LLVMGetBasicBlockTerminator(F->scopes.at[depth + 1].from));
    if (F->g->where) LLVMSetCurrentDebugLocation2(F->g->b, F->g->where); /* not the terminator's */
}

Val *fn_find(Fn *F, uint64_t key) {
    for (int i = fn_top(F); i >= 0; i--) {
        Val *v = map_get_int(F->scopes.at[i].vals, key);
        if (v) return v;
    }
    return NULL;
}

void fn_keep(Fn *F, uint64_t key, Val v) {
    map_set_int(F->scopes.at[v.depth].vals, key, arena_copy(F->arena, &v, sizeof v));
}

/* ---- values that depend on memory ---- */
Val *kept_find(Fn *F, const Expr *e, bool splat) {
    int lanes = splat ? F->lanes : 0;
    for (int i = F->kept.n - 1; i >= 0; i--) {
        Kept *k = &F->kept.at[i];
        if (k->e == e && k->splat == lanes && k->gate == F->gate.v && k->mask == F->mask.v)
            return &k->val;
    }
    return NULL;
}

void kept_add(Fn *F, const Expr *e, bool splat, Val v) {
    vec_push(F->arena, &F->kept, ((Kept){e, F->gate.v, F->mask.v, splat ? F->lanes : 0, v}));
}

static bool is_param(const Fn *F, const Tensor *t) {
    for (int i = 0; i < F->f->params.n; i++)
        if (F->f->params.at[i] == t) return true;
    return false;
}

void kept_store(Fn *F, const Tensor *t) {
    bool all = !t || (F->has_alias && is_param(F, t));
    int n = 0;
    for (int i = 0; i < F->kept.n && !all; i++)
        if (F->kept.at[i].e->kind == E_LOAD && !expr_uses_tensor(F->kept.at[i].e, t))
            F->kept.at[n++] = F->kept.at[i];
    F->kept.n = n;
}

/* ---- variables ---- */
void bind_var(Fn *F, const Var *v, Val val) {
    map_set_int(F->vars, (uint64_t)v->id, arena_copy(F->arena, &val, sizeof val));
}

Expr *fn_subst(Fn *F, Expr *e) {
    if (F->sub_var.n == 0 || !e) return e;
    Subst s = {F->sub_var.at, F->sub_by.at, F->sub_var.n};
    return expr_subst(F->ctx, e, &s);
}

static Val emit_var(Fn *F, const Expr *e) {
    if (F->lane && e->var == F->lane)
        return (Val){const_iota(F->g, F->g->i32, F->lanes, 1), 0, F->lanes, true};
    Val *v = map_get_int(F->vars, (uint64_t)e->var->id);
    if (!v) BUG("kernel %s: variable %s has no value", F->f->name, e->var->name);
    return *v;
}

/* A symbol's slot; in host functions the slots change, so each statement reads them anew. A
 * symbol derived from values that are known only during the run is computed where it is used. */
static Val emit_sym(Fn *F, const Expr *e) {
    Gen *g = F->g;
    const Sym *s = e->sym;
    if (s->kind == SYM_DERIVED && s->def && expr_has_value_sym(s->def)) return emit(F, s->def);
    Val v = {NULL, F->fresh_syms ? fn_top(F) : 0, 1, !F->fresh_syms};
    fn_at(F, v.depth);
    LLVMValueRef at = const_i64(g, s->slot), p = LLVMBuildGEP2(g->b, g->i64, F->syms, &at, 1, "");
    v.v = LLVMBuildLoad2(g->b, g->i64, p, s->name);
    return v;
}

/* ---- lanes ---- */
Val val_lanes(Fn *F, Val v) {
    if (!F->lane || v.lanes > 1) return v;
    fn_at(F, v.depth);
    return (Val){vec_splat(F->g, v.v, F->lanes), v.depth, F->lanes, v.pure};
}

static uint64_t splat_key(const Fn *F, const Expr *e) {
    return (uint64_t)1 << 62 | (uint64_t)F->lanes << 48 | (uint64_t)(unsigned)e->id;
}

Val emit_lanes(Fn *F, Expr *e) {
    Val v = emit(F, e);
    if (!F->lane || v.lanes > 1) return v;
    if (LLVMIsConstant(v.v)) return val_lanes(F, v);
    Val *old = v.pure ? fn_find(F, splat_key(F, e)) : kept_find(F, e, true);
    if (old) return *old;
    v = val_lanes(F, v);
    if (v.pure) fn_keep(F, splat_key(F, e), v);
    else kept_add(F, e, true, v);
    return v;
}

/* ---- operations ---- */
static void join(Val *into, Val part) {
    into->depth = MAX(into->depth, part.depth);
    into->lanes = MAX(into->lanes, part.lanes);
    into->pure &= part.pure;
}

static bool differs_in_lanes(Fn *F, const Expr *e) {
    for (int i = 0; F->lane && i < e->n; i++)
        if (emit(F, e->arg[i]).lanes > 1) return true;
    return false;
}

static bool is_index_op(const Expr *e) {
    return e->type == DT_INDEX || (e->n > 0 && e->arg[e->n - 1]->type == DT_INDEX);
}

/* Divisions are done in 32 bits where the range allows it, and unsigned where nothing is
 * negative. */
static LLVMValueRef divide_index(Fn *F, const Expr *e, LLVMValueRef a, LLVMValueRef b) {
    Gen *g = F->g;
    int64_t lo, hi, blo, bhi;
    expr_range(F->ctx, e->arg[0], &lo, &hi);
    expr_range(F->ctx, e->arg[1], &blo, &bhi);
    bool plain = lo >= 0 && blo >= 0,
         small = plain && hi <= INT32_MAX && bhi <= INT32_MAX && lanes_of(a) == 1;
    if (small) a = LLVMBuildTrunc(g->b, a, g->i32, ""), b = LLVMBuildTrunc(g->b, b, g->i32, "");
    LLVMValueRef q = int_divide(g, e->op, !plain, a, b);
    return small ? LLVMBuildZExt(g->b, q, g->i64, "") : q;
}

static Val emit_op(Fn *F, Expr *e) {
    LLVMValueRef arg[3];
    Val out = {NULL, 0, 1, true}, val[3];
    for (int i = 0; i < e->n; i++) {
        val[i] = emit(F, e->arg[i]);
        join(&out, val[i]);
    }
    if (out.lanes > 1 && is_index_op(e)) return emit_index_lanes(F, e);
    for (int i = 0; i < e->n; i++) arg[i] = (out.lanes > 1 ? emit_lanes(F, e->arg[i]) : val[i]).v;
    fn_at(F, out.depth);
    DType operand = e->arg[e->op == SOP_select ? 1 : 0]->type;
    bool division =
        e->op == SOP_floordiv || e->op == SOP_mod || e->op == SOP_div || e->op == SOP_rem;
    out.v = division && operand == DT_INDEX ? divide_index(F, e, arg[0], arg[1])
                                            : scalar_op(F->g, e->op, operand, e->type, arg);
    return out;
}

/* a + b or a * b; host functions check sizes */
static LLVMValueRef ring(Fn *F, bool product, LLVMValueRef a, LLVMValueRef b) {
    Gen *g = F->g;
    if (!F->overflow) return product ? LLVMBuildMul(g->b, a, b, "") : LLVMBuildAdd(g->b, a, b, "");
    LLVMValueRef args[2] = {a, b};
    LLVMValueRef both = intrinsic(
        g, product ? "llvm.smul.with.overflow" : "llvm.sadd.with.overflow", &g->i64, 1, args, 2);
    LLVMValueRef bad = LLVMBuildExtractValue(g->b, both, 1, ""),
                 old = LLVMBuildLoad2(g->b, g->i1, F->overflow, "");
    LLVMBuildStore(g->b, LLVMBuildOr(g->b, old, bad, ""), F->overflow);
    return LLVMBuildExtractValue(g->b, both, 0, "");
}

/* Uniform sums: what is known further out is added up there. */
static Val emit_sum(Fn *F, Expr *e) {
    Gen *g = F->g;
    Val *at = NEW_ARRAY(F->arena, Val, e->n), acc = {NULL, 0, 1, true};
    int deepest = 0;
    for (int i = 0; i < e->n; i++) {
        at[i] = emit(F, e->arg[i]);
        deepest = MAX(deepest, at[i].depth);
    }
    for (int d = 0; d <= deepest; d++) {
        for (int i = 0; i < e->n; i++) {
            if (at[i].depth != d) continue;
            acc.depth = d;
            acc.pure &= at[i].pure;
            fn_at(F, d);
            acc.v = acc.v ? ring(F, false, acc.v, at[i].v) : at[i].v;
        }
    }
    if (e->i) acc.v = ring(F, false, acc.v, const_i64(g, e->i));
    return acc;
}

static Val emit_prod(Fn *F, Expr *e) {
    Val acc = {const_i64(F->g, e->i), 0, 1, true};
    for (int i = 0; i < e->n; i++) {
        Val v = emit(F, e->arg[i]);
        join(&acc, v);
        fn_at(F, acc.depth);
        acc.v = i == 0 && e->i == 1 ? v.v : ring(F, true, acc.v, v.v);
    }
    return acc;
}

static Val compute(Fn *F, Expr *e) {
    switch (e->kind) {
    case E_SYM:
        return emit_sym(F, e);
    case E_VAR:
        return emit_var(F, e);
    case E_SUM:
        return differs_in_lanes(F, e) ? emit_index_lanes(F, e) : emit_sum(F, e);
    case E_PROD:
        return differs_in_lanes(F, e) ? emit_index_lanes(F, e) : emit_prod(F, e);
    case E_OP:
        return emit_op(F, e);
    case E_LOAD:
        return emit_load(F, e);
    case E_GUARD:
        return emit_guard(F, e);
    case E_BOUND:
        return emit_bound(F, e);
    default:
        BUG("expression of kind %d", (int)e->kind);
    }
}

Val emit(Fn *F, Expr *e) {
    if (e->kind == E_INT || e->kind == E_FLT) return (Val){const_of_expr(F->g, e, 1), 0, 1, true};
    Val *old = kept_find(F, e, false);
    if (!old && e->kind != E_LOAD) old = fn_find(F, (uint64_t)(unsigned)e->id);
    if (old) return *old;
    Val v = compute(F, e);
    if (v.pure) fn_keep(F, (uint64_t)(unsigned)e->id, v);
    else kept_add(F, e, false, v);
    return v;
}
