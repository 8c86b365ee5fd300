/* Scalar operations by name, on scalars and vectors alike; scalar_ops.def says what each means,
 * ir/scalar_eval.c is the reference. f16 and bf16 compute as float and round once. */
#include "codegen/llvm/gen.h"

typedef LLVMValueRef V;

static V zero_like(V a) {
    return LLVMConstNull(LLVMTypeOf(a));
}

static V int_like(Gen *g, V a, int64_t v) {
    LLVMTypeRef t = LLVMTypeOf(a);
    int lanes = lanes_of(a);
    return const_int(g, lanes > 1 ? LLVMGetElementType(t) : t, v, lanes);
}

static V flt_like(Gen *g, V a, double v) {
    LLVMTypeRef t = LLVMTypeOf(a);
    int lanes = lanes_of(a);
    return const_flt(g, lanes > 1 ? LLVMGetElementType(t) : t, v, lanes);
}

static bool is_const_number(V v) {
    return LLVMIsConstant(v) && !LLVMIsPoison(v) && !LLVMIsUndef(v);
}

/* ---- floats ---- */

/* The element of a splat or scalar constant; false: not one. */
static bool const_double(V v, double *out) {
    LLVMBool loses;
    if (!is_const_number(v)) return false;
    if (lanes_of(v) > 1)
        v = LLVMIsNull(v) ? LLVMConstNull(LLVMGetElementType(LLVMTypeOf(v)))
                          : LLVMGetAggregateElement(v, 0);
    if (!v || !LLVMIsAConstantFP(v)) return false;
    *out = LLVMConstRealGetDouble(v, &loses);
    return *out == *out;
}

/* A NaN in a gives a, one in b gives b, else a < b ? a : b (max: >), equal ones b. With a
 * constant, one comparison does. What arrives in a, an accumulator mostly, passes one comparison
 * and one selection. */
static V float_min_max(Gen *g, ScalarOp op, V a, V b) {
    LLVMRealPredicate better = op == SOP_min ? LLVMRealOLE : LLVMRealOGE;
    double c;
    if (const_double(b, &c)) {
        /* at c != 0 equal ones are the same, and the strict comparison is an instruction */
        LLVMRealPredicate p = c == 0 ? better : op == SOP_min ? LLVMRealOLT : LLVMRealOGT;
        return LLVMBuildSelect(g->b, LLVMBuildFCmp(g->b, p, b, a, ""), b, a, "");
    }
    V take = LLVMBuildFCmp(g->b, better, b, a, ""),
      nan = LLVMBuildFCmp(g->b, LLVMRealUNO, b, b, "");
    return LLVMBuildSelect(g->b, LLVMBuildOr(g->b, take, nan, ""), b, a, "");
}

static V float_sign(Gen *g, V a) {
    V zero = zero_like(a);
    V neg = LLVMBuildSelect(g->b, LLVMBuildFCmp(g->b, LLVMRealOLT, a, zero, ""), flt_like(g, a, -1),
                            zero, "");
    V s = LLVMBuildSelect(g->b, LLVMBuildFCmp(g->b, LLVMRealOGT, a, zero, ""), flt_like(g, a, 1),
                          neg, "");
    return LLVMBuildSelect(g->b, LLVMBuildFCmp(g->b, LLVMRealUNO, a, a, ""), a, s, "");
}

/* Where floor and its like would be library calls: adding 2^23 (2^52) rounds to an integer, ties
 * to even; larger values and NaN stay. */
static V soft_round(Gen *g, ScalarOp op, V a) {
    LLVMTypeRef t = LLVMTypeOf(a);
    LLVMTypeRef scalar = lanes_of(a) > 1 ? LLVMGetElementType(t) : t;
    V big = flt_like(g, a, scalar == g->f64 ? 0x1p52 : 0x1p23);
    V size = intrinsic1(g, "llvm.fabs", a);
    V r = LLVMBuildFSub(g->b, LLVMBuildFAdd(g->b, size, big, ""), big, "");
    V one = flt_like(g, a, 1), zero = zero_like(a);
    LLVMTypeRef types[1] = {t};
    if (op == SOP_trunc) {
        V over = LLVMBuildFCmp(g->b, LLVMRealOGT, r, size, "");
        r = LLVMBuildFSub(g->b, r, LLVMBuildSelect(g->b, over, one, zero, ""), "");
    }
    V with_sign = intrinsic(g, "llvm.copysign", types, 1, (V[]){r, a}, 2);
    if (op == SOP_floor || op == SOP_ceil) {
        LLVMRealPredicate wrong = op == SOP_floor ? LLVMRealOGT : LLVMRealOLT;
        V step = LLVMBuildSelect(g->b, LLVMBuildFCmp(g->b, wrong, with_sign, a, ""), one, zero, "");
        V moved = op == SOP_floor ? LLVMBuildFSub(g->b, with_sign, step, "")
                                  : LLVMBuildFAdd(g->b, with_sign, step, "");
        with_sign = intrinsic(g, "llvm.copysign", types, 1, (V[]){moved, a}, 2);
    }
    V small = LLVMBuildFCmp(g->b, LLVMRealOLT, size, big, "");
    return LLVMBuildSelect(g->b, small, with_sign, a, "");
}

static V float_round(Gen *g, ScalarOp op, V a) {
    if (!g->native_round) return soft_round(g, op, a);
    const char *name = op == SOP_floor   ? "llvm.floor"
                       : op == SOP_ceil  ? "llvm.ceil"
                       : op == SOP_trunc ? "llvm.trunc"
                                         : "llvm.roundeven";
    return intrinsic1(g, name, a);
}

static V float_fma(Gen *g, const V *a) {
    LLVMTypeRef t = LLVMTypeOf(a[0]);
    return intrinsic(g, g->machine->fma ? "llvm.fma" : "llvm.fmuladd", &t, 1, (V *)(uintptr_t)a, 3);
}

static V float_op(Gen *g, ScalarOp op, const V *a) {
    switch (op) {
    case SOP_add:
        return LLVMBuildFAdd(g->b, a[0], a[1], "");
    case SOP_sub:
        return LLVMBuildFSub(g->b, a[0], a[1], "");
    case SOP_mul:
        return LLVMBuildFMul(g->b, a[0], a[1], "");
    case SOP_div:
        return LLVMBuildFDiv(g->b, a[0], a[1], "");
    case SOP_rem:
        return float_rem(g, a[0], a[1]);
    case SOP_fma:
        return float_fma(g, a);
    case SOP_min:
    case SOP_max:
        return float_min_max(g, op, a[0], a[1]);
    case SOP_neg:
        return LLVMBuildFNeg(g->b, a[0], "");
    case SOP_abs:
        return intrinsic1(g, "llvm.fabs", a[0]);
    case SOP_sign:
        return float_sign(g, a[0]);
    case SOP_floor:
    case SOP_ceil:
    case SOP_trunc:
    case SOP_round:
        return float_round(g, op, a[0]);
    case SOP_sqrt:
        return intrinsic1(g, "llvm.sqrt", a[0]);
    case SOP_rcp:
        return LLVMBuildFDiv(g->b, flt_like(g, a[0], 1), a[0], "");
    default:
        BUG("%s on floats reached the LLVM generator", scalar_info[op].name);
    }
}

static V float_test(Gen *g, ScalarOp op, const V *a) {
    static const LLVMRealPredicate by_op[] = {
        [SOP_eq] = LLVMRealOEQ, [SOP_ne] = LLVMRealUNE, [SOP_lt] = LLVMRealOLT,
        [SOP_le] = LLVMRealOLE, [SOP_gt] = LLVMRealOGT, [SOP_ge] = LLVMRealOGE,
    };
    if (op == SOP_isnan) return LLVMBuildFCmp(g->b, LLVMRealUNO, a[0], a[0], "");
    if (op == SOP_isinf) {
        V inf = flt_like(g, a[0], __builtin_inf());
        return LLVMBuildFCmp(g->b, LLVMRealOEQ, intrinsic1(g, "llvm.fabs", a[0]), inf, "");
    }
    return LLVMBuildFCmp(g->b, by_op[op], a[0], a[1], "");
}

/* ---- integers ---- */
static V int_min_max(Gen *g, ScalarOp op, bool is_signed, V a, V b) {
    LLVMTypeRef t = LLVMTypeOf(a);
    const char *name = op == SOP_min ? (is_signed ? "llvm.smin" : "llvm.umin")
                                     : (is_signed ? "llvm.smax" : "llvm.umax");
    return intrinsic(g, name, &t, 1, (V[]){a, b}, 2);
}

static V int_abs(Gen *g, V a) {
    LLVMTypeRef t = LLVMTypeOf(a);
    return intrinsic(g, "llvm.abs", &t, 1, (V[]){a, LLVMConstInt(g->i1, 0, false)}, 2);
}

static V int_sign(Gen *g, bool is_signed, V a) {
    V zero = zero_like(a), one = int_like(g, a, 1);
    V s = LLVMBuildSelect(g->b, LLVMBuildICmp(g->b, LLVMIntNE, a, zero, ""), one, zero, "");
    if (!is_signed) return s;
    return LLVMBuildSelect(g->b, LLVMBuildICmp(g->b, LLVMIntSLT, a, zero, ""), int_like(g, a, -1),
                           s, "");
}

/* 0 where the distance is outside of 0..bits-1 */
static V int_shift(Gen *g, ScalarOp op, DType t, V a, V b) {
    V bits = int_like(g, a, dtype_bits(t));
    V in = LLVMBuildICmp(g->b, LLVMIntULT, b, bits, "");
    V by = LLVMBuildSelect(g->b, in, b, zero_like(b), "");
    V r = op == SOP_shl        ? LLVMBuildShl(g->b, a, by, "")
          : dtype_is_signed(t) ? LLVMBuildAShr(g->b, a, by, "")
                               : LLVMBuildLShr(g->b, a, by, "");
    return LLVMBuildSelect(g->b, in, r, zero_like(r), "");
}

static V int_op(Gen *g, ScalarOp op, DType t, const V *a) {
    bool s = dtype_is_signed(t);
    switch (op) {
    case SOP_add:
        return LLVMBuildAdd(g->b, a[0], a[1], "");
    case SOP_sub:
        return LLVMBuildSub(g->b, a[0], a[1], "");
    case SOP_mul:
        return LLVMBuildMul(g->b, a[0], a[1], "");
    case SOP_div:
    case SOP_floordiv:
    case SOP_mod:
    case SOP_rem:
        return int_divide(g, op, s, a[0], a[1]);
    case SOP_min:
    case SOP_max:
        return int_min_max(g, op, s, a[0], a[1]);
    case SOP_neg:
        return LLVMBuildNeg(g->b, a[0], "");
    case SOP_abs:
        return s ? int_abs(g, a[0]) : a[0];
    case SOP_sign:
        return int_sign(g, s, a[0]);
    case SOP_and:
        return LLVMBuildAnd(g->b, a[0], a[1], "");
    case SOP_or:
        return LLVMBuildOr(g->b, a[0], a[1], "");
    case SOP_xor:
        return LLVMBuildXor(g->b, a[0], a[1], "");
    case SOP_not:
        return LLVMBuildNot(g->b, a[0], "");
    case SOP_shl:
    case SOP_shr:
        return int_shift(g, op, t, a[0], a[1]);
    default:
        BUG("%s on integers reached the LLVM generator", scalar_info[op].name);
    }
}

/* bool arithmetic is that of 0 and 1, and any result but 0 is true. */
static V bool_op(Gen *g, ScalarOp op, const V *a) {
    switch (op) {
    case SOP_add:
    case SOP_or:
    case SOP_max:
        return LLVMBuildOr(g->b, a[0], a[1], "");
    case SOP_sub:
    case SOP_xor:
        return LLVMBuildXor(g->b, a[0], a[1], "");
    case SOP_mul:
    case SOP_and:
    case SOP_min:
    case SOP_div:
    case SOP_floordiv:
        return LLVMBuildAnd(g->b, a[0], a[1], "");
    case SOP_mod:
    case SOP_rem:
        return zero_like(a[0]);
    case SOP_neg:
    case SOP_abs:
    case SOP_sign:
    case SOP_shl:
        return a[0];
    case SOP_not:
        return LLVMBuildNot(g->b, a[0], "");
    case SOP_shr:
        return LLVMBuildAnd(g->b, a[0], LLVMBuildNot(g->b, a[1], ""), "");
    default:
        BUG("%s on bool reached the LLVM generator", scalar_info[op].name);
    }
}

static V int_test(Gen *g, ScalarOp op, bool is_signed, V a, V b) {
    static const LLVMIntPredicate with_sign[] = {
        [SOP_eq] = LLVMIntEQ,  [SOP_ne] = LLVMIntNE,  [SOP_lt] = LLVMIntSLT,
        [SOP_le] = LLVMIntSLE, [SOP_gt] = LLVMIntSGT, [SOP_ge] = LLVMIntSGE,
    };
    static const LLVMIntPredicate without[] = {
        [SOP_eq] = LLVMIntEQ,  [SOP_ne] = LLVMIntNE,  [SOP_lt] = LLVMIntULT,
        [SOP_le] = LLVMIntULE, [SOP_gt] = LLVMIntUGT, [SOP_ge] = LLVMIntUGE,
    };
    return LLVMBuildICmp(g->b, is_signed ? with_sign[op] : without[op], a, b, "");
}

/* ---- by the row ---- */
V scalar_op(Gen *g, ScalarOp op, DType t, DType result, const V *a) {
    bool f = dtype_is_float(t);
    if (op == SOP_cast) return convert(g, t, result, a[0]);
    if (op == SOP_bits) return convert_bits(g, t, result, a[0]);
    if (op == SOP_select) return select_value(g, a[0], a[1], a[2]);
    if (scalar_info[op].rule == SR_CMP)
        return f ? float_test(g, op, a) : int_test(g, op, dtype_is_signed(t), a[0], a[1]);
    if (f) return round_float(g, t, float_op(g, op, a));
    return t == DT_BOOL ? bool_op(g, op, a) : int_op(g, op, t, a);
}
