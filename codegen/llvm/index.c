/* Index arithmetic that differs between the lanes of a vector loop, in 32 bits where ranges
 * allow it; clamped subscripts. */
#include "codegen/llvm/gen.h"

typedef LLVMValueRef V;

bool fits32(Fn *F, Expr *e) {
    int64_t lo, hi;
    expr_range(F->ctx, e, &lo, &hi);
    return lo >= INT32_MIN && hi <= INT32_MAX;
}

V index_width(Fn *F, V v, int bits) {
    Gen *g = F->g;
    int lanes = lanes_of(v);
    LLVMTypeRef t = LLVMTypeOf(v), want = type_lanes(bits == 32 ? g->i32 : g->i64, lanes);
    int have = (int)LLVMGetIntTypeWidth(lanes > 1 ? LLVMGetElementType(t) : t);
    if (have == bits) return v;
    return have < bits ? LLVMBuildSExt(g->b, v, want, "") : LLVMBuildTrunc(g->b, v, want, "");
}

/* As a vector of this width, in the scope where the value lies. */
static V lanes_at(Fn *F, Val v, int bits) {
    fn_at(F, v.depth);
    return vec_splat(F->g, index_width(F, v.v, bits), lanes_of(v.v) > 1 ? 1 : F->lanes);
}

static Val empty(void) {
    return (Val){NULL, 0, 1, true};
}

static void join(Val *into, Val v) {
    into->depth = MAX(into->depth, v.depth);
    into->lanes = MAX(into->lanes, v.lanes);
    into->pure &= v.pure;
}

/* acc + v or acc * v, each in the outermost scope possible */
static void combine(Fn *F, Val *acc, Val v, bool product) {
    if (!acc->v) {
        *acc = v;
        return;
    }
    V old = acc->v;
    join(acc, v);
    fn_at(F, acc->depth);
    acc->v = product ? LLVMBuildMul(F->g->b, old, v.v, "") : LLVMBuildAdd(F->g->b, old, v.v, "");
}

/* Sums and products: the uniform part as a scalar, then the rest. They wrap, so that only the
 * result must fit. */
static Val emit_ring(Fn *F, Expr *e, bool product) {
    Gen *g = F->g;
    int bits = fits32(F, e) ? 32 : 64;
    Val uniform = empty(), out = empty();
    if (e->i != (product ? 1 : 0)) uniform = (Val){const_i64(g, e->i), 0, 1, true};
    for (int i = 0; i < e->n; i++) {
        Val v = emit(F, e->arg[i]);
        if (v.lanes == 1) combine(F, &uniform, v, product);
    }
    if (uniform.v) out = (Val){lanes_at(F, uniform, bits), uniform.depth, F->lanes, uniform.pure};
    for (int i = 0; i < e->n; i++) {
        Val v = emit(F, e->arg[i]);
        if (v.lanes == 1) continue;
        v.v = lanes_at(F, v, bits);
        combine(F, &out, v, product);
    }
    return out;
}

static Val emit_from_other(Fn *F, Expr *e) {
    DType from = e->arg[0]->type;
    Val v = emit(F, e->arg[0]);
    fn_at(F, v.depth);
    bool short_int =
        from != DT_BOOL && dtype_is_int(from) && (dtype_bits(from) < 32 || from == DT_I32);
    V x = convert(F->g, from, short_int ? DT_I32 : DT_INDEX, v.v);
    return (Val){x, v.depth, v.lanes, v.pure};
}

static Val emit_index_op(Fn *F, Expr *e) {
    Gen *g = F->g;
    int first = e->op == SOP_select ? 1 : 0, bits = 32;
    int64_t lo;
    bool plain = true;
    Val out = empty();
    V arg[3];
    for (int i = first; i < e->n; i++) {
        int64_t hi;
        if (!fits32(F, e->arg[i])) bits = 64;
        expr_range(F->ctx, e->arg[i], &lo, &hi);
        plain &= lo >= 0;
    }
    for (int i = 0; i < e->n; i++) {
        Val v = i < first ? emit_lanes(F, e->arg[i]) : emit(F, e->arg[i]);
        join(&out, v);
        arg[i] = i < first ? v.v : lanes_at(F, v, bits);
    }
    fn_at(F, out.depth);
    bool division =
        e->op == SOP_floordiv || e->op == SOP_mod || e->op == SOP_div || e->op == SOP_rem;
    out.v = division ? int_divide(g, e->op, !plain, arg[0], arg[1])
                     : scalar_op(g, e->op, bits == 32 ? DT_I32 : DT_INDEX,
                                 e->type == DT_INDEX ? DT_INDEX : e->type, arg);
    return out;
}

Val emit_index_lanes(Fn *F, Expr *e) {
    if (e->kind != E_OP) return emit_ring(F, e, e->kind == E_PROD);
    if (e->op != SOP_cast) return emit_index_op(F, e);
    if (e->type == DT_INDEX) return emit_from_other(F, e);
    Val v = emit(F, e->arg[0]);
    fn_at(F, v.depth);
    v.v = convert(F->g, DT_INDEX, e->type, v.v);
    return v;
}

/* ---- clamped subscripts ---- */
Val emit_bound(Fn *F, Expr *e) {
    Gen *g = F->g;
    Val a = emit(F, e->arg[0]), n = emit(F, e->arg[1]), out = empty(),
        bad = {NULL, fn_top(F), 1, false};
    join(&out, a);
    join(&out, n);
    int bits = out.lanes > 1 && fits32(F, e->arg[0]) && fits32(F, e->arg[1]) ? 32 : 64;
    V v = out.lanes > 1 ? lanes_at(F, a, bits) : a.v,
      size = out.lanes > 1 ? lanes_at(F, n, bits) : n.v;
    fn_at(F, out.depth);
    LLVMTypeRef t = LLVMTypeOf(v);
    V one = const_int(g, bits == 32 ? g->i32 : g->i64, 1, out.lanes);
    V last = LLVMBuildSub(g->b, size, one, "");
    V low = intrinsic(g, "llvm.smin", &t, 1, (V[]){v, last}, 2);
    out.v = intrinsic(g, "llvm.smax", &t, 1, (V[]){low, LLVMConstNull(t)}, 2);
    if (out.lanes > 1 && fits32(F, e)) out.v = index_width(F, out.v, 32);
    bad.lanes = out.lanes;
    bad.v = LLVMBuildICmp(g->b, LLVMIntUGE, v, size, "");
    out.depth = fn_top(F); /* whether it counts depends on the place */
    out.pure = false;
    fault_where(F, bad);
    return out;
}
