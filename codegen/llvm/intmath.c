/* Integer division as the language defines it (x/0 = 0, MIN/-1 wraps), and the remainder of
 * floats. */
#include "codegen/llvm/gen.h"

typedef LLVMValueRef V;

static V int_like(Gen *g, V a, int64_t v) {
    LLVMTypeRef t = LLVMTypeOf(a);
    int lanes = lanes_of(a);
    return const_int(g, lanes > 1 ? LLVMGetElementType(t) : t, v, lanes);
}

static unsigned bits_of(V a) {
    LLVMTypeRef t = LLVMTypeOf(a);
    return LLVMGetIntTypeWidth(lanes_of(a) > 1 ? LLVMGetElementType(t) : t);
}

/* A scalar or splat constant. */
static bool const_value(V v, int64_t *out) {
    if (!LLVMIsConstant(v)) return false;
    if (lanes_of(v) > 1) {
        V first = LLVMGetAggregateElement(v, 0);
        if (!first || !LLVMIsAConstantInt(first)) return false;
        for (int i = 1; i < lanes_of(v); i++)
            if (LLVMGetAggregateElement(v, (unsigned)i) != first) return false;
        v = first;
    }
    if (!LLVMIsAConstantInt(v)) return false;
    *out = LLVMConstIntGetSExtValue(v);
    return true;
}

/* Vectors have no integer division: up to 32 bits it is exact in doubles (the quotient's
 * distance to the next integer is more than an ulp). Divisors are not zero. */
static V divide_by_double(Gen *g, bool is_signed, V a, V b) {
    LLVMTypeRef t = LLVMTypeOf(a), f = type_lanes(g->f64, lanes_of(a));
    V x = is_signed ? LLVMBuildSIToFP(g->b, a, f, "") : LLVMBuildUIToFP(g->b, a, f, "");
    V y = is_signed ? LLVMBuildSIToFP(g->b, b, f, "") : LLVMBuildUIToFP(g->b, b, f, "");
    V q = LLVMBuildFDiv(g->b, x, y, "");
    return is_signed ? LLVMBuildFPToSI(g->b, q, t, "") : LLVMBuildFPToUI(g->b, q, t, "");
}

static V divide(Gen *g, bool is_signed, V a, V b) {
    int64_t c;
    if (lanes_of(a) > 1 && !const_value(b, &c) && bits_of(a) <= 32)
        return divide_by_double(g, is_signed, a, b);
    return is_signed ? LLVMBuildSDiv(g->b, a, b, "") : LLVMBuildUDiv(g->b, a, b, "");
}

static V select_op(Gen *g, V c, V a, V b) {
    return LLVMBuildSelect(g->b, c, a, b, "");
}

static V divide_unsigned(Gen *g, bool remainder, V a, V b) {
    V zero = int_like(g, a, 0);
    int64_t c;
    if (const_value(b, &c)) {
        if (c == 0) return zero;
        return remainder ? LLVMBuildURem(g->b, a, b, "") : LLVMBuildUDiv(g->b, a, b, "");
    }
    V none = LLVMBuildICmp(g->b, LLVMIntEQ, b, zero, "");
    V q = divide(g, false, a, select_op(g, none, int_like(g, a, 1), b));
    if (remainder) q = LLVMBuildSub(g->b, a, LLVMBuildMul(g->b, q, b, ""), "");
    return select_op(g, none, zero, q);
}

/* b = 0 becomes 1 and gives 0 at the end; b = -1 becomes 1 and the quotient is negated
 * (wrapping). */
static V signed_quotient(Gen *g, V a, V b, V *none) {
    V zero = int_like(g, a, 0), one = int_like(g, a, 1);
    int64_t c;
    *none = NULL;
    if (const_value(b, &c) && c != 0)
        return c == -1 ? LLVMBuildNeg(g->b, a, "") : LLVMBuildSDiv(g->b, a, b, "");
    *none = LLVMBuildICmp(g->b, LLVMIntEQ, b, zero, "");
    V minus = LLVMBuildICmp(g->b, LLVMIntEQ, b, int_like(g, a, -1), "");
    V q = divide(g, true, a, select_op(g, LLVMBuildOr(g->b, *none, minus, ""), one, b));
    return select_op(g, minus, LLVMBuildNeg(g->b, a, ""), q);
}

V int_divide(Gen *g, ScalarOp op, bool is_signed, V a, V b) {
    bool remainder = op == SOP_mod || op == SOP_rem;
    if (!is_signed) return divide_unsigned(g, remainder, a, b);
    V none, zero = int_like(g, a, 0);
    V q = signed_quotient(g, a, b, &none);
    V r = LLVMBuildSub(g->b, a, LLVMBuildMul(g->b, q, b, ""), "");
    if (op == SOP_floordiv || op == SOP_mod) {
        V differs = LLVMBuildICmp(g->b, LLVMIntSLT, LLVMBuildXor(g->b, r, b, ""), zero, "");
        V down = LLVMBuildAnd(g->b, differs, LLVMBuildICmp(g->b, LLVMIntNE, r, zero, ""), "");
        r = LLVMBuildAdd(g->b, r, select_op(g, down, b, zero), "");
        q = LLVMBuildSub(g->b, q, LLVMBuildZExt(g->b, down, LLVMTypeOf(q), ""), "");
    }
    V out = remainder ? r : q;
    return none ? select_op(g, none, zero, out) : out;
}
