/* LLVM types, constants, and vectors of lanes. */
#include "codegen/llvm/gen.h"

LLVMTypeRef type_memory(Gen *g, DType t) {
    switch (t) {
    case DT_F32:
        return g->f32;
    case DT_F64:
        return g->f64;
    default:
        return LLVMIntTypeInContext(g->c, (unsigned)dtype_bits(t));
    }
}

LLVMTypeRef type_lanes(LLVMTypeRef scalar, int lanes) {
    return lanes > 1 ? LLVMVectorType(scalar, (unsigned)lanes) : scalar;
}

LLVMTypeRef type_value(Gen *g, DType t, int lanes) {
    LLVMTypeRef scalar = t == DT_F16 || t == DT_BF16 ? g->f32
                         : t == DT_BOOL              ? g->i1
                                                     : type_memory(g, t);
    return type_lanes(scalar, lanes);
}

/* ---- constants ---- */
static LLVMValueRef repeat(LLVMValueRef c, int lanes) {
    LLVMValueRef at[256];
    if (lanes <= 1) return c;
    CHECK(lanes <= LEN(at));
    for (int i = 0; i < lanes; i++) at[i] = c;
    return LLVMConstVector(at, (unsigned)lanes);
}

LLVMValueRef const_int(Gen *g, LLVMTypeRef t, int64_t v, int lanes) {
    (void)g;
    return repeat(LLVMConstInt(t, (unsigned long long)v, true), lanes);
}

LLVMValueRef const_flt(Gen *g, LLVMTypeRef t, double v, int lanes) {
    (void)g;
    return repeat(LLVMConstReal(t, v), lanes);
}

LLVMValueRef const_i64(Gen *g, int64_t v) {
    return LLVMConstInt(g->i64, (unsigned long long)v, true);
}

LLVMValueRef const_iota(Gen *g, LLVMTypeRef element, int lanes, int64_t step) {
    LLVMValueRef at[256];
    (void)g;
    CHECK(lanes <= LEN(at));
    for (int i = 0; i < lanes; i++)
        at[i] = LLVMConstInt(element, (unsigned long long)(i * step), true);
    return LLVMConstVector(at, (unsigned)lanes);
}

/* The bits matter: LLVMConstReal would quieten nothing, but reads a double. */
LLVMValueRef const_of_expr(Gen *g, const Expr *e, int lanes) {
    LLVMTypeRef t = type_value(g, e->type, 1);
    if (e->kind == E_FLT) return const_flt(g, t, e->f, lanes);
    if (dtype_is_float(e->type)) return const_flt(g, t, (double)e->i, lanes);
    return const_int(g, t, e->i, lanes);
}

/* ---- vectors ---- */
int lanes_of(LLVMValueRef v) {
    LLVMTypeRef t = LLVMTypeOf(v);
    return LLVMGetTypeKind(t) == LLVMVectorTypeKind ? (int)LLVMGetVectorSize(t) : 1;
}

LLVMValueRef vec_splat(Gen *g, LLVMValueRef scalar, int lanes) {
    if (lanes <= 1) return scalar;
    if (LLVMIsConstant(scalar)) return repeat(scalar, lanes);
    LLVMTypeRef t = type_lanes(LLVMTypeOf(scalar), lanes);
    LLVMValueRef one = LLVMBuildInsertElement(g->b, LLVMGetPoison(t), scalar, const_i64(g, 0), "");
    LLVMValueRef zeros = LLVMConstNull(type_lanes(g->i32, lanes));
    return LLVMBuildShuffleVector(g->b, one, LLVMGetPoison(t), zeros, "");
}

LLVMValueRef vec_shuffle(Gen *g, LLVMValueRef a, LLVMValueRef b, const int *from, int lanes) {
    LLVMValueRef at[256];
    CHECK(lanes <= LEN(at));
    for (int i = 0; i < lanes; i++)
        at[i] =
            from[i] < 0 ? LLVMGetPoison(g->i32) : LLVMConstInt(g->i32, (unsigned)from[i], false);
    return LLVMBuildShuffleVector(g->b, a, b, LLVMConstVector(at, (unsigned)lanes), "");
}

/* ---- intrinsics ---- */
LLVMValueRef intrinsic(Gen *g, const char *name, LLVMTypeRef *overload, int n, LLVMValueRef *args,
                       int n_args) {
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    CHECK(id);
    LLVMValueRef f = LLVMGetIntrinsicDeclaration(g->m, id, overload, (size_t)n);
    LLVMTypeRef t = LLVMIntrinsicGetType(g->c, id, overload, (size_t)n);
    return LLVMBuildCall2(g->b, t, f, args, (unsigned)n_args, "");
}

LLVMValueRef intrinsic1(Gen *g, const char *name, LLVMValueRef a) {
    LLVMTypeRef t = LLVMTypeOf(a);
    return intrinsic(g, name, &t, 1, &a, 1);
}

/* A scalar condition on vectors would become a branch: it is spread over the lanes. */
LLVMValueRef select_value(Gen *g, LLVMValueRef cond, LLVMValueRef a, LLVMValueRef b) {
    int lanes = lanes_of(a);
    if (lanes > 1 && lanes_of(cond) == 1) cond = vec_splat(g, cond, lanes);
    return LLVMBuildSelect(g->b, cond, a, b, "");
}
