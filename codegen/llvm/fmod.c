/* The remainder of floats without a C library: one function on doubles per module, exact (and so
 * right for floats). The divisor is doubled up to the dividend, then subtracted on the way back;
 * every step is exact. */
#include "codegen/llvm/gen.h"

typedef LLVMValueRef V;

static const char *const function_name = "onnxcc_fmod";

static V flt(Gen *g, double v) {
    return LLVMConstReal(g->f64, v);
}

/* while (t + t <= r) t += t; returns t in block *at */
static V build_up(Gen *g, V f, V r, V b, LLVMBasicBlockRef *at) {
    LLVMBasicBlockRef from = *at, loop = LLVMAppendBasicBlockInContext(g->c, f, "up"),
                      next = LLVMAppendBasicBlockInContext(g->c, f, "top");
    LLVMBuildBr(g->b, loop);
    LLVMPositionBuilderAtEnd(g->b, loop);
    V t = LLVMBuildPhi(g->b, g->f64, ""), twice = LLVMBuildFAdd(g->b, t, t, "");
    LLVMBuildCondBr(g->b, LLVMBuildFCmp(g->b, LLVMRealOLE, twice, r, ""), loop, next);
    LLVMAddIncoming(t, (V[]){b, twice}, (LLVMBasicBlockRef[]){from, loop}, 2);
    LLVMPositionBuilderAtEnd(g->b, next);
    *at = next;
    return t;
}

/* do { if (r >= t) r -= t; t /= 2; } while (t >= b); returns r */
static V build_down(Gen *g, V f, V top, V start, V b, LLVMBasicBlockRef *at) {
    LLVMBasicBlockRef from = *at, loop = LLVMAppendBasicBlockInContext(g->c, f, "down"),
                      next = LLVMAppendBasicBlockInContext(g->c, f, "done");
    LLVMBuildBr(g->b, loop);
    LLVMPositionBuilderAtEnd(g->b, loop);
    V t = LLVMBuildPhi(g->b, g->f64, ""), r = LLVMBuildPhi(g->b, g->f64, "");
    V fits = LLVMBuildFCmp(g->b, LLVMRealOGE, r, t, "");
    V less = LLVMBuildSelect(g->b, fits, LLVMBuildFSub(g->b, r, t, ""), r, "");
    V half = LLVMBuildFMul(g->b, t, flt(g, 0.5), "");
    LLVMBuildCondBr(g->b, LLVMBuildFCmp(g->b, LLVMRealOGE, half, b, ""), loop, next);
    LLVMAddIncoming(t, (V[]){top, half}, (LLVMBasicBlockRef[]){from, loop}, 2);
    LLVMAddIncoming(r, (V[]){start, less}, (LLVMBasicBlockRef[]){from, loop}, 2);
    LLVMPositionBuilderAtEnd(g->b, next);
    *at = next;
    return less;
}

static V build_function(Gen *g) {
    LLVMTypeRef params[2] = {g->f64, g->f64};
    V f = LLVMAddFunction(g->m, function_name, LLVMFunctionType(g->f64, params, 2, false));
    LLVMSetLinkage(f, LLVMInternalLinkage);
    V x = LLVMGetParam(f, 0), y = LLVMGetParam(f, 1), inf = flt(g, __builtin_inf());
    LLVMBasicBlockRef at = LLVMAppendBasicBlockInContext(g->c, f, ""),
                      work = LLVMAppendBasicBlockInContext(g->c, f, "work"),
                      odd = LLVMAppendBasicBlockInContext(g->c, f, "odd");
    LLVMPositionBuilderAtEnd(g->b, at);
    V r = intrinsic1(g, "llvm.fabs", x), b = intrinsic1(g, "llvm.fabs", y);
    V finite = LLVMBuildFCmp(g->b, LLVMRealOLT, r, inf, "");
    V usual = LLVMBuildAnd(g->b, LLVMBuildFCmp(g->b, LLVMRealOGT, b, flt(g, 0), ""),
                           LLVMBuildFCmp(g->b, LLVMRealOLT, b, inf, ""), "");
    LLVMBuildCondBr(g->b, LLVMBuildAnd(g->b, usual, finite, ""), work, odd);
    LLVMPositionBuilderAtEnd(g->b, odd);
    V whole = LLVMBuildAnd(g->b, finite, LLVMBuildFCmp(g->b, LLVMRealOEQ, b, inf, ""), "");
    LLVMBuildRet(g->b, LLVMBuildSelect(g->b, whole, x, flt(g, __builtin_nan("")), ""));
    LLVMPositionBuilderAtEnd(g->b, work);
    at = work;
    V top = build_up(g, f, r, b, &at), rest = build_down(g, f, top, r, b, &at);
    LLVMBuildRet(g->b, intrinsic(g, "llvm.copysign", &g->f64, 1, (V[]){rest, x}, 2));
    return f;
}

V float_rem(Gen *g, V a, V b) {
    int lanes = lanes_of(a);
    LLVMBasicBlockRef here = LLVMGetInsertBlock(g->b);
    V next = NULL, f = LLVMGetNamedFunction(g->m, function_name);
    if (!f) {
        /* where the builder stands: its end, or before its terminator */
        next = LLVMGetLastInstruction(here);
        bool before = next && LLVMIsATerminatorInst(next);
        f = build_function(g);
        if (before) LLVMPositionBuilderBefore(g->b, next);
        else LLVMPositionBuilderAtEnd(g->b, here);
    }
    V out = LLVMGetPoison(LLVMTypeOf(a));
    for (int i = 0; i < lanes; i++) {
        V at = const_i64(g, i);
        V x = lanes > 1 ? LLVMBuildExtractElement(g->b, a, at, "") : a,
          y = lanes > 1 ? LLVMBuildExtractElement(g->b, b, at, "") : b;
        LLVMTypeRef t = LLVMTypeOf(x);
        if (t != g->f64)
            x = LLVMBuildFPExt(g->b, x, g->f64, ""), y = LLVMBuildFPExt(g->b, y, g->f64, "");
        V r = LLVMBuildCall2(g->b, LLVMGlobalGetValueType(f), f, (V[]){x, y}, 2, "");
        if (t != g->f64) r = LLVMBuildFPTrunc(g->b, r, t, "");
        out = lanes > 1 ? LLVMBuildInsertElement(g->b, out, r, at, "") : r;
    }
    return out;
}
