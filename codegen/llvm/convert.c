/* Casts. Integers wrap, floats to integers saturate (NaN gives 0), floats round to nearest, ties
 * to even, once. */
#include "codegen/llvm/gen.h"

typedef LLVMValueRef V;

static V icst(Gen *g, LLVMTypeRef t, int64_t v, V like) {
    return const_int(g, t, v, lanes_of(like));
}

static LLVMTypeRef like(LLVMTypeRef scalar, V v) {
    return type_lanes(scalar, lanes_of(v));
}

static V bits_of_float(Gen *g, V v) {
    return LLVMBuildBitCast(g->b, v, like(g->i32, v), "");
}

static V float_of_bits(Gen *g, V v) {
    return LLVMBuildBitCast(g->b, v, like(g->f32, v), "");
}

/* ---- bf16: the upper half of a float ---- */
static V bf16_round_bits(Gen *g, V f) {
    V u = bits_of_float(g, f), sixteen = icst(g, g->i32, 16, f);
    V odd = LLVMBuildAnd(g->b, LLVMBuildLShr(g->b, u, sixteen, ""), icst(g, g->i32, 1, f), "");
    V r = LLVMBuildAdd(g->b, LLVMBuildAdd(g->b, u, icst(g, g->i32, 0x7fff, f), ""), odd, "");
    V quiet = LLVMBuildOr(g->b, u, icst(g, g->i32, 0x400000, f), "");
    V nan = LLVMBuildFCmp(g->b, LLVMRealUNO, f, f, "");
    return LLVMBuildSelect(g->b, nan, quiet, r, "");
}

/* ---- f16 where the target has no instruction for it ---- */
static V half_to_float_soft(Gen *g, V h) {
    V u = LLVMBuildZExt(g->b, h, like(g->i32, h), "");
    V sign = LLVMBuildShl(g->b, LLVMBuildAnd(g->b, u, icst(g, g->i32, 0x8000, h), ""),
                          icst(g, g->i32, 16, h), "");
    V body = LLVMBuildShl(g->b, LLVMBuildAnd(g->b, u, icst(g, g->i32, 0x7fff, h), ""),
                          icst(g, g->i32, 13, h), "");
    /* multiplying by 2^112 re-biases the exponent, denormals included */
    V scaled =
        LLVMBuildFMul(g->b, float_of_bits(g, body), const_flt(g, g->f32, 0x1p112, lanes_of(h)), "");
    V special = LLVMBuildICmp(g->b, LLVMIntUGE, body, icst(g, g->i32, 0x7c00 << 13, h), "");
    V inf = LLVMBuildOr(g->b, body, icst(g, g->i32, 0x7f800000, h), "");
    V r = LLVMBuildSelect(g->b, special, inf, bits_of_float(g, scaled), "");
    return float_of_bits(g, LLVMBuildOr(g->b, r, sign, ""));
}

static V float_to_half_soft(Gen *g, V f) {
    V u = bits_of_float(g, f);
    V sign = LLVMBuildAnd(g->b, u, icst(g, g->i32, (int64_t)0x80000000u, f), "");
    V a = LLVMBuildXor(g->b, u, sign, "");
    /* normal numbers: re-bias and round the mantissa to 10 bits */
    V odd = LLVMBuildAnd(g->b, LLVMBuildLShr(g->b, a, icst(g, g->i32, 13, f), ""),
                         icst(g, g->i32, 1, f), "");
    V n = LLVMBuildAdd(g->b, LLVMBuildAdd(g->b, a, icst(g, g->i32, (int64_t)0xc8000fffu, f), ""),
                       odd, "");
    n = LLVMBuildLShr(g->b, n, icst(g, g->i32, 13, f), "");
    /* denormals: adding 0.5 aligns the mantissa, the adder rounds */
    V d = LLVMBuildFAdd(g->b, float_of_bits(g, a), const_flt(g, g->f32, 0.5, lanes_of(f)), "");
    d = LLVMBuildSub(g->b, bits_of_float(g, d), icst(g, g->i32, 0x3f000000, f), "");
    V is_small = LLVMBuildICmp(g->b, LLVMIntULT, a, icst(g, g->i32, 0x38800000, f), "");
    V h = LLVMBuildSelect(g->b, is_small, d, n, "");
    V is_big = LLVMBuildICmp(g->b, LLVMIntUGE, a, icst(g, g->i32, 0x47800000, f), "");
    V is_nan = LLVMBuildICmp(g->b, LLVMIntUGT, a, icst(g, g->i32, 0x7f800000, f), "");
    V nan = LLVMBuildOr(g->b, icst(g, g->i32, 0x7e00, f),
                        LLVMBuildAnd(g->b, LLVMBuildLShr(g->b, a, icst(g, g->i32, 13, f), ""),
                                     icst(g, g->i32, 0x1ff, f), ""),
                        "");
    V top = LLVMBuildSelect(g->b, is_nan, nan, icst(g, g->i32, 0x7c00, f), "");
    h = LLVMBuildSelect(g->b, is_big, top, h, "");
    h = LLVMBuildOr(g->b, h, LLVMBuildLShr(g->b, sign, icst(g, g->i32, 16, f), ""), "");
    return LLVMBuildTrunc(g->b, h, like(g->i16, f), "");
}

static V half_to_float(Gen *g, V h) {
    if (!g->native_f16) return half_to_float_soft(g, h);
    V x = LLVMBuildBitCast(g->b, h, like(LLVMHalfTypeInContext(g->c), h), "");
    return LLVMBuildFPExt(g->b, x, like(g->f32, h), "");
}

static V float_to_half(Gen *g, V f) {
    if (!g->native_f16) return float_to_half_soft(g, f);
    V x = LLVMBuildFPTrunc(g->b, f, like(LLVMHalfTypeInContext(g->c), f), "");
    return LLVMBuildBitCast(g->b, x, like(g->i16, f), "");
}

V round_float(Gen *g, DType t, V f) {
    if (t == DT_F16) return half_to_float(g, float_to_half(g, f));
    if (t != DT_BF16) return f;
    return float_of_bits(
        g, LLVMBuildAnd(g->b, bf16_round_bits(g, f), icst(g, g->i32, (int64_t)0xffff0000u, f), ""));
}

/* ---- memory ---- */
V memory_to_value(Gen *g, DType t, V v) {
    if (t == DT_F16) return half_to_float(g, v);
    if (t == DT_BOOL) return LLVMBuildICmp(g->b, LLVMIntNE, v, LLVMConstNull(LLVMTypeOf(v)), "");
    if (t != DT_BF16) return v;
    V wide = LLVMBuildZExt(g->b, v, like(g->i32, v), "");
    return float_of_bits(g, LLVMBuildShl(g->b, wide, icst(g, g->i32, 16, v), ""));
}

V value_to_memory(Gen *g, DType t, V v) {
    if (t == DT_F16) return float_to_half(g, v);
    if (t == DT_BOOL) return LLVMBuildZExt(g->b, v, like(g->i8, v), "");
    if (t != DT_BF16) return v;
    V top = LLVMBuildLShr(g->b, bf16_round_bits(g, v), icst(g, g->i32, 16, v), "");
    return LLVMBuildTrunc(g->b, top, like(g->i16, v), "");
}

/* ---- casts ---- */

/* A double to float, "rounded to odd": the last bit says that something was lost, so that a
 * second rounding to a shorter type is right. */
static V double_to_odd_float(Gen *g, V d) {
    V f = LLVMBuildFPTrunc(g->b, d, like(g->f32, d), "");
    V back = LLVMBuildFPExt(g->b, f, LLVMTypeOf(d), "");
    V over = LLVMBuildFCmp(g->b, LLVMRealOGT, intrinsic1(g, "llvm.fabs", back),
                           intrinsic1(g, "llvm.fabs", d), "");
    V lost = LLVMBuildFCmp(g->b, LLVMRealONE, back, d, "");
    V u = bits_of_float(g, f);
    u = LLVMBuildSub(g->b, u, LLVMBuildZExt(g->b, over, LLVMTypeOf(u), ""), "");
    u = LLVMBuildOr(g->b, u, LLVMBuildZExt(g->b, lost, LLVMTypeOf(u), ""), "");
    return float_of_bits(g, u);
}

static V float_to_float(Gen *g, DType from, DType to, V v) {
    if (to == DT_F64) return from == DT_F64 ? v : LLVMBuildFPExt(g->b, v, like(g->f64, v), "");
    if (from != DT_F64) return to == DT_F32 ? v : round_float(g, to, v);
    if (to == DT_F32) return LLVMBuildFPTrunc(g->b, v, like(g->f32, v), "");
    return round_float(g, to, double_to_odd_float(g, v));
}

static V float_to_int(Gen *g, DType to, V v) {
    if (to == DT_BOOL) return LLVMBuildFCmp(g->b, LLVMRealUNE, v, LLVMConstNull(LLVMTypeOf(v)), "");
    LLVMTypeRef t[2] = {like(type_value(g, to, 1), v), LLVMTypeOf(v)};
    return intrinsic(g, dtype_is_unsigned(to) ? "llvm.fptoui.sat" : "llvm.fptosi.sat", t, 2, &v, 1);
}

static V int_to_float(Gen *g, DType from, DType to, V v) {
    bool wide = to == DT_F64 || (to == DT_BF16 && dtype_bits(from) > 16);
    LLVMTypeRef t = like(wide ? g->f64 : g->f32, v);
    bool s = dtype_is_signed(from);
    V f = s ? LLVMBuildSIToFP(g->b, v, t, "") : LLVMBuildUIToFP(g->b, v, t, "");
    return float_to_float(g, wide ? DT_F64 : DT_F32, to, f);
}

static V int_to_int(Gen *g, DType from, DType to, V v) {
    if (to == DT_BOOL) return LLVMBuildICmp(g->b, LLVMIntNE, v, LLVMConstNull(LLVMTypeOf(v)), "");
    LLVMTypeRef t = like(type_value(g, to, 1), v), now = LLVMTypeOf(v);
    unsigned have = LLVMGetIntTypeWidth(lanes_of(v) > 1 ? LLVMGetElementType(now) : now),
             want = (unsigned)dtype_bits(to);
    if (have == want) return v;
    if (have > want) return LLVMBuildTrunc(g->b, v, t, "");
    return dtype_is_signed(from) ? LLVMBuildSExt(g->b, v, t, "") : LLVMBuildZExt(g->b, v, t, "");
}

V convert(Gen *g, DType from, DType to, V v) {
    if (from == to) return v;
    bool f = dtype_is_float(from), t = dtype_is_float(to);
    if (f && t) return float_to_float(g, from, to, v);
    if (f) return float_to_int(g, to, v);
    return t ? int_to_float(g, from, to, v) : int_to_int(g, from, to, v);
}

V convert_bits(Gen *g, DType from, DType to, V v) {
    CHECK(dtype_bits(from) == dtype_bits(to));
    V raw = value_to_memory(g, from, v);
    raw = LLVMBuildBitCast(g->b, raw, like(type_memory(g, to), v), "");
    return memory_to_value(g, to, raw);
}
