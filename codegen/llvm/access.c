/* Loads and stores: scalar, contiguous, strided, gathered, under guards and masks. */
#include "codegen/llvm/gen.h"

typedef LLVMValueRef V;

/* How a subscript runs over the lanes: rest + stride * lane, or (stride 0) rest + something
 * else. */
typedef struct Walk {
    bool uniform, linear;
    int64_t stride;
    Expr *rest;    /* uniform part */
    Expr *varying; /* not linear: what is added in each lane */
} Walk;

static Expr *lane_index(Fn *F, const Place *p, Expr *index) {
    if (p->lanes <= 1 || !F->lane) return index;
    return expr_add(F->ctx, expr_muli(F->ctx, index, p->lanes), expr_var(F->ctx, F->lane));
}

/* The terms of a sum that differ between lanes, and the others. */
static void split_lanes(Fn *F, Expr *e, Walk *w) {
    w->rest = expr_int(F->ctx, e->kind == E_SUM ? e->i : 0);
    w->varying = e->kind == E_SUM ? expr_int(F->ctx, 0) : e;
    for (int i = 0; e->kind == E_SUM && i < e->n; i++) {
        Expr **to = emit(F, e->arg[i]).lanes > 1 ? &w->varying : &w->rest;
        *to = expr_add(F->ctx, *to, e->arg[i]);
    }
}

static Walk walk_of(Fn *F, Expr *e) {
    Walk w = {true, false, 0, e, NULL};
    Expr *coef, *rest;
    if (!F->lane || (!expr_uses_var(e, F->lane) && emit(F, e).lanes == 1)) return w;
    w.uniform = false;
    if (expr_linear_in(F->ctx, e, F->lane, &coef, &rest) && expr_is_int(coef, &w.stride) &&
        emit(F, rest).lanes == 1) {
        w.linear = true;
        w.rest = rest;
    } else {
        split_lanes(F, e, &w);
    }
    return w;
}

/* ---- conditions ---- */

/* A subscript clamped into an empty axis names no element at all. */
typedef struct Empty {
    Fn *F;
    Val some;
} Empty;

static void find_empty(void *user, const Expr *e) {
    Empty *x = user;
    int64_t lo, hi;
    if (e->kind != E_BOUND) return;
    expr_range(x->F->ctx, e->arg[1], &lo, &hi);
    if (lo > 0) return;
    Val n = emit(x->F, e->arg[1]);
    if (n.lanes > 1) return;
    int depth = MAX(n.depth, x->some.v ? x->some.depth : 0);
    fn_at(x->F, depth);
    V c = LLVMBuildICmp(x->F->g->b, LLVMIntSGT, n.v, const_i64(x->F->g, 0), "");
    x->some = (Val){x->some.v ? LLVMBuildAnd(x->F->g->b, x->some.v, c, "") : c, depth, 1, n.pure};
}

/* What must hold for a load of this subscript to touch memory; v NULL: nothing. */
static Val gate_of(Fn *F, Place *p, Expr *index, bool uniform) {
    Gen *g = F->g;
    if (!gate_applies(F, p, index)) return (Val){NULL, 0, 1, true};
    Empty x = {F, F->gate};
    if (expr_has_load(index)) expr_visit(index, find_empty, &x);
    if (!uniform || !F->mask.v || F->mask_some) return x.some;
    int depth = MAX(F->mask.depth, x.some.v ? x.some.depth : 0);
    fn_at(F, depth);
    V any = intrinsic1(g, "llvm.vector.reduce.or", F->mask.v);
    return (Val){x.some.v ? LLVMBuildAnd(g->b, x.some.v, any, "") : any, depth, 1, false};
}

int64_t zero_bytes(const Gen *g) {
    return g->machine && g->machine->vector_bytes ? 16384 : 1024;
}

static V zeros(Gen *g) {
    if (g->zeros) return g->zeros;
    LLVMTypeRef t = LLVMArrayType2(g->i8, (uint64_t)zero_bytes(g));
    g->zeros = LLVMAddGlobal(g->m, t, "onnxcc_zeros");
    LLVMSetInitializer(g->zeros, LLVMConstNull(t));
    LLVMSetLinkage(g->zeros, LLVMPrivateLinkage);
    LLVMSetGlobalConstant(g->zeros, true);
    LLVMSetAlignment(g->zeros, 64);
    return g->zeros;
}

static Val gated_address(Fn *F, Val at, Val gate) {
    if (!gate.v) return at;
    Val out = {NULL, MAX(at.depth, gate.depth), 1, at.pure && gate.pure};
    fn_at(F, out.depth);
    out.v = LLVMBuildSelect(F->g->b, gate.v, at.v, zeros(F->g), "");
    return out;
}

/* Cuts a subscript in two: what the condition's own loops fix, and what inner loops add to it
 * (with the low bits of the constant, which unrolled loops vary). The address of the first is
 * chosen once, outside; true if the second, and `reach` elements more, stay within the zeros. */
static bool cut_at_gate(Fn *F, const Place *p, Expr *index, Val gate, int64_t reach, Expr **outer,
                        Expr **inner) {
    enum { STEP = 16 };
    int64_t lo, hi, low = (index->kind == E_SUM ? index->i : 0) & (STEP - 1);
    *inner = expr_int(F->ctx, low);
    for (int i = 0; i < (index->kind == E_SUM ? index->n : 1); i++) {
        Expr *term = index->kind == E_SUM ? index->arg[i] : index;
        if (emit(F, term).depth > gate.depth) *inner = expr_add(F->ctx, *inner, term);
    }
    *outer = expr_sub(F->ctx, index, *inner);
    if (expr_is(*inner, low) || !expr_range(F->ctx, *inner, &lo, &hi) || lo < 0) return false;
    return hi <= zero_bytes(F->g) / (int64_t)dtype_bytes(p->tensor->dtype) - reach;
}

static Val guarded_address(Fn *F, Place *p, Expr *index, Val gate, int64_t reach) {
    Expr *outer, *inner;
    if (!gate.v || gate.lanes > 1 || !cut_at_gate(F, p, index, gate, reach, &outer, &inner))
        return gated_address(F, address(F, p, index), gate);
    Val at = gated_address(F, address(F, p, outer), gate), by = emit(F, inner);
    Val out = {NULL, MAX(at.depth, by.depth), 1, false};
    fn_at(F, out.depth);
    out.v = LLVMBuildGEP2(F->g->b, type_memory(F->g, p->tensor->dtype), at.v, &by.v, 1, "");
    return out;
}

static V all_lanes(Fn *F) {
    return const_int(F->g, F->g->i1, 1, F->lanes);
}

/* ---- loads ---- */
static unsigned align_of(DType t) {
    return dtype_class(t) == DC_X ? 8 : (unsigned)dtype_bytes(t);
}

static V load_at(Fn *F, LLVMTypeRef t, V p, DType dtype) {
    V v = LLVMBuildLoad2(F->g->b, t, p, "");
    LLVMSetAlignment(v, align_of(dtype));
    return v;
}

static V masked_load(Fn *F, LLVMTypeRef t, V p, DType dtype, V mask) {
    LLVMTypeRef over[2] = {t, F->g->ptr};
    V args[4] = {p, const_int(F->g, F->g->i32, align_of(dtype), 1), mask, LLVMConstNull(t)};
    return intrinsic(F->g, "llvm.masked.load", over, 2, args, 4);
}

static V reversed(Fn *F, V v) {
    int from[256];
    for (int i = 0; i < F->lanes; i++) from[i] = F->lanes - 1 - i;
    return vec_shuffle(F->g, v, v, from, F->lanes);
}

static V reversed_mask(Fn *F, V mask) {
    return reversed(F, mask);
}

/* stride 1 or -1 */
static V load_contiguous(Fn *F, Place *p, V at, int64_t stride) {
    Gen *g = F->g;
    DType d = p->tensor->dtype;
    LLVMTypeRef t = type_lanes(type_memory(g, d), F->lanes);
    if (stride < 0) {
        V back = const_i64(g, 1 - F->lanes);
        at = LLVMBuildGEP2(g->b, type_memory(g, d), at, &back, 1, "");
    }
    bool masked = F->mask.v && !p->local;
    V mask = masked && stride < 0 ? reversed_mask(F, F->mask.v) : F->mask.v;
    V v = masked ? masked_load(F, t, at, d, mask) : load_at(F, t, at, d);
    return stride < 0 ? reversed(F, v) : v;
}

/* Strides 2 to 4 as that many contiguous loads, the last one ending at the last element wanted. */
static V load_strided(Fn *F, Place *p, V at, int64_t stride) {
    Gen *g = F->g;
    DType d = p->tensor->dtype;
    int n = F->lanes, k = (int)stride, from[256], last = k * (n - 1) + 1 - n;
    LLVMTypeRef t = type_lanes(type_memory(g, d), n);
    V out = NULL;
    for (int part = 0; part < k; part++) {
        int start = part == k - 1 ? last : part * n;
        V by = const_i64(g, start), q = LLVMBuildGEP2(g->b, type_memory(g, d), at, &by, 1, "");
        V v = load_at(F, t, q, d);
        for (int i = 0; i < n; i++) {
            int want = i * k;
            bool here =
                want >= start && want < start + n && (part == k - 1 || want < (part + 1) * n);
            from[i] = here ? n + want - start : i;
        }
        if (part == 0)
            for (int i = 0; i < n; i++) from[i] = from[i] >= n ? from[i] - n : -1;
        out = part == 0 ? vec_shuffle(g, v, v, from, n) : vec_shuffle(g, out, v, from, n);
    }
    return out;
}

static V load_gathered(Fn *F, Place *p, V at, V index, V mask) {
    Gen *g = F->g;
    LLVMTypeRef t = type_lanes(type_memory(g, p->tensor->dtype), F->lanes);
    V ptrs = LLVMBuildGEP2(g->b, type_memory(g, p->tensor->dtype), at, &index, 1, "");
    LLVMTypeRef over[2] = {t, type_lanes(g->ptr, F->lanes)};
    V args[4] = {ptrs, const_int(g, g->i32, align_of(p->tensor->dtype), 1), mask, LLVMConstNull(t)};
    return intrinsic(g, "llvm.masked.gather", over, 2, args, 4);
}

static int64_t span(const Fn *F, const Place *p, int64_t stride) {
    return (stride < 0 ? -stride : stride) * F->lanes * (int64_t)dtype_bytes(p->tensor->dtype);
}

/* Offsets of the lanes from the uniform part. */
static Val lane_offsets(Fn *F, const Walk *w) {
    if (!w->linear) return emit(F, w->varying);
    bool small = w->stride * F->lanes <= INT32_MAX && w->stride * F->lanes >= INT32_MIN;
    return (Val){const_iota(F->g, small ? F->g->i32 : F->g->i64, F->lanes, w->stride), 0, F->lanes,
                 true};
}

static V gather(Fn *F, Place *p, const Walk *w, Val gate) {
    Val offsets = lane_offsets(F, w), at = address(F, p, w->rest);
    V mask = F->mask.v ? F->mask.v : all_lanes(F);
    fn_at(F, fn_top(F));
    if (gate.v) mask = LLVMBuildAnd(F->g->b, mask, vec_splat(F->g, gate.v, F->lanes), "");
    return load_gathered(F, p, at.v, offsets.v, mask);
}

static V load_lanes(Fn *F, Place *p, const Walk *w, Val gate) {
    int64_t k = w->stride;
    /* local buffers are padded for whole vectors upwards, not downwards */
    bool near = w->linear && (k == 1 || (k == -1 && !(F->mask.v && p->local)));
    bool strided = w->linear && k >= 2 && k <= 4 && F->lanes >= 4 && !F->mask.v;
    if ((!near && !strided) || (gate.v && span(F, p, k) > zero_bytes(F->g)))
        return gather(F, p, w, gate);
    Val at = k < 0 ? address(F, p, w->rest) : guarded_address(F, p, w->rest, gate, k * F->lanes);
    if (k < 0 && gate.v) { /* the zeros lie above their address */
        V back = const_i64(F->g, 1 - F->lanes), forth = const_i64(F->g, F->lanes - 1);
        LLVMTypeRef t = type_memory(F->g, p->tensor->dtype);
        fn_at(F, fn_top(F));
        at = gated_address(
            F, (Val){LLVMBuildGEP2(F->g->b, t, at.v, &back, 1, ""), fn_top(F), 1, false}, gate);
        fn_at(F, fn_top(F));
        at.v = LLVMBuildGEP2(F->g->b, t, at.v, &forth, 1, "");
    }
    fn_at(F, fn_top(F));
    return near ? load_contiguous(F, p, at.v, k) : load_strided(F, p, at.v, k);
}

Val emit_load(Fn *F, Expr *e) {
    Gen *g = F->g;
    Place *p = place_of(F, e->tensor);
    Expr *index = lane_index(F, p, e->arg[0]);
    Walk w = walk_of(F, index);
    Val gate = gate_of(F, p, e->arg[0], w.uniform),
        out = {NULL, fn_top(F), w.uniform ? 1 : F->lanes, false};
    V raw;
    if (w.uniform) {
        Val at = guarded_address(F, p, index, gate, 1);
        fn_at(F, fn_top(F));
        raw = load_at(F, type_memory(g, e->type), at.v, e->type);
    } else {
        raw = load_lanes(F, p, &w, gate);
    }
    fn_at(F, fn_top(F));
    out.v = memory_to_value(g, e->type, raw);
    return out;
}

/* ---- stores ---- */
static void store_at(Fn *F, V v, V p, DType d) {
    LLVMSetAlignment(LLVMBuildStore(F->g->b, v, p), align_of(d));
}

static void store_contiguous(Fn *F, Place *p, V at, V v) {
    Gen *g = F->g;
    DType d = p->tensor->dtype;
    LLVMTypeRef t = LLVMTypeOf(v);
    if (F->mask.v && p->local) v = LLVMBuildSelect(g->b, F->mask.v, v, load_at(F, t, at, d), "");
    if (!F->mask.v || p->local) {
        store_at(F, v, at, d);
        return;
    }
    LLVMTypeRef over[2] = {t, g->ptr};
    V args[4] = {v, at, const_int(g, g->i32, align_of(d), 1), F->mask.v};
    intrinsic(g, "llvm.masked.store", over, 2, args, 4);
}

static void store_scattered(Fn *F, Place *p, V at, V index, V v) {
    Gen *g = F->g;
    V ptrs = LLVMBuildGEP2(g->b, type_memory(g, p->tensor->dtype), at, &index, 1, "");
    LLVMTypeRef over[2] = {LLVMTypeOf(v), type_lanes(g->ptr, F->lanes)};
    V mask = F->mask.v ? F->mask.v : all_lanes(F);
    V args[4] = {v, ptrs, const_int(g, g->i32, align_of(p->tensor->dtype), 1), mask};
    intrinsic(g, "llvm.masked.scatter", over, 2, args, 4);
}

void emit_store(Fn *F, const Tensor *t, Expr *index, Val value) {
    Gen *g = F->g;
    Place *p = place_of(F, t);
    index = lane_index(F, p, index);
    Walk w = walk_of(F, index);
    if (!w.uniform) value = val_lanes(F, value);
    Val at = address(F, p, w.rest), offsets = {0};
    bool scattered = !w.uniform && !(w.linear && w.stride == 1);
    if (scattered) offsets = lane_offsets(F, &w);
    fn_at(F, fn_top(F));
    V v = value_to_memory(g, t->dtype, value.v);
    if (w.uniform) {
        if (value.lanes > 1) BUG("%s: lanes store to one element of %%%s", F->f->name, t->name);
        store_at(F, v, at.v, t->dtype);
    } else if (scattered) {
        store_scattered(F, p, at.v, offsets.v, v);
    } else {
        store_contiguous(F, p, at.v, v);
    }
    kept_store(F, t);
}
