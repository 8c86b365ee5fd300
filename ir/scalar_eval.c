/* Evaluates scalar operations as scalar_ops.def defines them: floats by one template for float and
 * double, integers in 64 bits, wrapped to the width of their type afterwards. */
#include "ir/scalar_eval.h"

#include <math.h>

/* ---- conversions ---- */

int64_t scalar_wrap(DType t, int64_t v) {
    int unused = 64 - dtype_bits(t);
    if (dtype_class(t) == DC_B) return v != 0;
    if (unused <= 0) return v;
    uint64_t up = (uint64_t)v << unused;
    return dtype_is_unsigned(t) ? (int64_t)(up >> unused) : (int64_t)up >> unused;
}

double scalar_double(DType t, ScalarValue v) {
    if (t == DT_F64) return v.d;
    if (dtype_is_float(t)) return v.f;
    return dtype_is_unsigned(t) ? (double)v.u : (double)v.i;
}

static ScalarValue from_float(DType t, double v, float f) {
    ScalarValue r = {0};
    if (t == DT_F64) r.d = v;
    else if (t == DT_F16) r.f = f16_to_f32(f16_from_f64(v));
    else if (t == DT_BF16) r.f = bf16_to_f32(bf16_from_f64(v));
    else if (dtype_is_narrow(t)) r.f = narrow_to_f32(t, narrow_from_f64(t, v));
    else r.f = f;
    return r;
}

static ScalarValue float_to_int(DType t, double v) {
    ScalarValue r = {0};
    if (dtype_class(t) == DC_B) {
        r.i = v != 0;
    } else if (dtype_is_unsigned(t)) {
        uint64_t max = UINT64_MAX >> (64 - dtype_bits(t));
        r.u = !(v > 0) ? 0 : v >= (double)max ? max : (uint64_t)v;
    } else {
        int64_t max = INT64_MAX >> (64 - dtype_bits(t)), min = -max - 1;
        r.i = v != v ? 0 : v >= (double)max ? max : v <= (double)min ? min : (int64_t)v;
    }
    return r;
}

ScalarValue scalar_cast(DType from, DType to, ScalarValue v) {
    if (from == to) return v;
    if (dtype_is_float(from)) {
        double d = scalar_double(from, v);
        return dtype_is_float(to) ? from_float(to, d, (float)d) : float_to_int(to, d);
    }
    if (dtype_is_float(to)) {
        bool u = dtype_is_unsigned(from);
        return from_float(to, scalar_double(from, v), u ? (float)v.u : (float)v.i);
    }
    return (ScalarValue){.i = scalar_wrap(to, v.i)};
}

ScalarValue scalar_load(DType t, const void *p) {
    ScalarValue r = {0};
    uint64_t bits = 0;
    if (dtype_class(t) == DC_X) return (ScalarValue){.i = (int64_t)(uintptr_t)p};
    memcpy(&bits, p, dtype_bytes(t));
    if (t == DT_F64) memcpy(&r.d, p, 8);
    else if (t == DT_F32) memcpy(&r.f, p, 4);
    else if (t == DT_F16) r.f = f16_to_f32((uint16_t)bits);
    else if (t == DT_BF16) r.f = bf16_to_f32((uint16_t)bits);
    else if (dtype_is_float(t)) r.f = narrow_to_f32(t, (uint8_t)bits);
    else r.i = scalar_wrap(t, (int64_t)bits);
    return r;
}

void scalar_store(DType t, void *p, ScalarValue v) {
    static const char zeros[16];
    if (dtype_class(t) == DC_X) {
        memcpy(p, v.i ? (const void *)(uintptr_t)v.i : zeros, dtype_bytes(t));
        return;
    }
    if (t == DT_F16) v.u = f16_from_f32(v.f);
    else if (t == DT_BF16) v.u = bf16_from_f32(v.f);
    else if (dtype_is_float(t) && dtype_is_narrow(t)) v.u = narrow_from_f64(t, v.f);
    memcpy(p, &v, dtype_bytes(t));
}

ScalarValue scalar_of_expr(const Expr *e) {
    ScalarValue r = {0};
    if (e->kind != E_FLT) r.i = e->i;
    else if (e->type == DT_F64) r.d = e->f;
    else r.f = (float)e->f;
    return r;
}

Expr *scalar_to_expr(Ctx *ctx, DType t, ScalarValue v) {
    if (dtype_is_float(t)) return expr_const_flt(ctx, t, scalar_double(t, v));
    return expr_const_int(ctx, t, v.i);
}

/* ---- integers: a and b are already sign- or zero-extended ---- */

static uint64_t int_pow(uint64_t a, ScalarValue b, bool is_signed) {
    if (is_signed && b.i < 0) {
        bool odd = b.i & 1;
        return a == 1 ? 1 : a == UINT64_MAX ? (odd ? a : 1) : 0;
    }
    uint64_t r = 1;
    for (uint64_t n = b.u; n; n >>= 1, a *= a)
        if (n & 1) r *= a;
    return r;
}

static int64_t divide_signed(ScalarOp op, int64_t a, int64_t b) {
    bool remainder = op == SOP_mod || op == SOP_rem;
    if (b == 0) return 0;
    if (b == -1) return remainder ? 0 : (int64_t)(0 - (uint64_t)a);
    int64_t q = a / b, r = a % b;
    bool down = r && (r < 0) != (b < 0);
    if (op == SOP_div) return q;
    if (op == SOP_rem) return r;
    return op == SOP_mod ? (down ? r + b : r) : q - down;
}

static uint64_t divide_unsigned(ScalarOp op, uint64_t a, uint64_t b) {
    if (b == 0) return 0;
    return op == SOP_mod || op == SOP_rem ? a % b : a / b;
}

static int64_t shift(ScalarOp op, DType t, ScalarValue a, ScalarValue b) {
    if (b.u >= (uint64_t)dtype_bits(t)) return 0;
    if (op == SOP_shl) return (int64_t)(a.u << b.u);
    return dtype_is_signed(t) ? a.i >> b.i : (int64_t)(a.u >> b.u);
}

static bool compare_int(ScalarOp op, bool is_signed, ScalarValue a, ScalarValue b) {
    bool less = is_signed ? a.i < b.i : a.u < b.u, equal = a.i == b.i;
    switch (op) {
    case SOP_eq: return equal;
    case SOP_ne: return !equal;
    case SOP_lt: return less;
    case SOP_le: return less || equal;
    case SOP_gt: return !less && !equal;
    default: return !less;
    }
}

static int64_t eval_int(ScalarOp op, DType t, ScalarValue a, ScalarValue b) {
    bool s = dtype_is_signed(t);
    switch (op) {
    case SOP_add: return (int64_t)(a.u + b.u);
    case SOP_sub: return (int64_t)(a.u - b.u);
    case SOP_mul: return (int64_t)(a.u * b.u);
    case SOP_div: case SOP_floordiv: case SOP_mod: case SOP_rem:
        return s ? divide_signed(op, a.i, b.i) : (int64_t)divide_unsigned(op, a.u, b.u);
    case SOP_min: return compare_int(SOP_lt, s, a, b) ? a.i : b.i;
    case SOP_max: return compare_int(SOP_lt, s, a, b) ? b.i : a.i;
    case SOP_neg: return (int64_t)(0 - a.u);
    case SOP_abs: return s && a.i < 0 ? (int64_t)(0 - a.u) : a.i;
    case SOP_sign: return s && a.i < 0 ? -1 : a.i != 0;
    case SOP_and: return a.i & b.i;
    case SOP_or: return a.i | b.i;
    case SOP_xor: return a.i ^ b.i;
    case SOP_not: return dtype_class(t) == DC_B ? !a.i : ~a.i;
    case SOP_shl: case SOP_shr: return shift(op, t, a, b);
    case SOP_pow: return (int64_t)int_pow(a.u, b, s);
    default: BUG("%s is not defined on %s", scalar_info[op].name, dtype_name(t));
    }
}

/* ---- floats ---- */

/* Comparisons and the tests for special values: the same in float and double. */
static bool test_float(ScalarOp op, double a, double b) {
    switch (op) {
    case SOP_eq: return a == b;
    case SOP_ne: return a != b;
    case SOP_lt: return a < b;
    case SOP_le: return a <= b;
    case SOP_gt: return a > b;
    case SOP_ge: return a >= b;
    case SOP_isnan: return a != a;
    default: return isinf(a);
    }
}

/* NAME: the function; T: its type; M(f): f of libm for that type. */
#define FLOAT_OPS(NAME, T, M)                                                                      \
    static T NAME##_math(ScalarOp op, T a, T b) {                                                  \
        switch (op) {                                                                              \
        case SOP_exp: return M(exp)(a);                                                            \
        case SOP_log: return M(log)(a);                                                            \
        case SOP_log1p: return M(log1p)(a);                                                        \
        case SOP_expm1: return M(expm1)(a);                                                        \
        case SOP_tanh: return M(tanh)(a);                                                          \
        case SOP_erf: return M(erf)(a);                                                            \
        case SOP_sigmoid: return 1 / (1 + M(exp)(-a));                                             \
        case SOP_sin: return M(sin)(a);                                                            \
        case SOP_cos: return M(cos)(a);                                                            \
        case SOP_tan: return M(tan)(a);                                                            \
        case SOP_asin: return M(asin)(a);                                                          \
        case SOP_acos: return M(acos)(a);                                                          \
        case SOP_atan: return M(atan)(a);                                                          \
        case SOP_sinh: return M(sinh)(a);                                                          \
        case SOP_cosh: return M(cosh)(a);                                                          \
        case SOP_asinh: return M(asinh)(a);                                                        \
        case SOP_acosh: return M(acosh)(a);                                                        \
        case SOP_atanh: return M(atanh)(a);                                                        \
        case SOP_pow: return M(pow)(a, b);                                                         \
        default: BUG("%s is not defined on floats", scalar_info[op].name);                         \
        }                                                                                          \
    }                                                                                              \
    static T NAME(ScalarOp op, T a, T b, T c) {                                                    \
        switch (op) {                                                                              \
        case SOP_add: return a + b;                                                                \
        case SOP_sub: return a - b;                                                                \
        case SOP_mul: return a * b;                                                                \
        case SOP_div: return a / b;                                                                \
        case SOP_rem: return M(fmod)(a, b);                                                        \
        case SOP_fma: return M(fma)(a, b, c);                                                      \
        case SOP_min: return a != a ? a : b != b ? b : a < b ? a : b;                              \
        case SOP_max: return a != a ? a : b != b ? b : a > b ? a : b;                              \
        case SOP_neg: return -a;                                                                   \
        case SOP_abs: return M(fabs)(a);                                                           \
        case SOP_sign: return a != a ? a : (T)((a > 0) - (a < 0));                                 \
        case SOP_floor: return M(floor)(a);                                                        \
        case SOP_ceil: return M(ceil)(a);                                                          \
        case SOP_trunc: return M(trunc)(a);                                                        \
        case SOP_round: return M(rint)(a);                                                         \
        case SOP_sqrt: return M(sqrt)(a);                                                          \
        case SOP_rcp: return 1 / a;                                                                \
        default: return NAME##_math(op, a, b);                                                     \
        }                                                                                          \
    }
#define IN_FLOAT(name) name##f
#define IN_DOUBLE(name) name
FLOAT_OPS(eval_float, float, IN_FLOAT)
FLOAT_OPS(eval_double, double, IN_DOUBLE)

static ScalarValue reinterpret(DType from, DType to, ScalarValue v) {
    unsigned char bytes[16] = {0};
    CHECK(dtype_bytes(from) == dtype_bytes(to));
    scalar_store(from, bytes, v);
    return scalar_load(to, bytes);
}

ScalarValue scalar_eval(ScalarOp op, DType t, DType result, const ScalarValue *v) {
    const ScalarInfo *info = &scalar_info[op];
    ScalarValue r = {0}, zero = {0}, a = v[0], b = info->arity > 1 ? v[1] : zero;
    if (op == SOP_select) return a.i ? v[1] : v[2];
    if (op == SOP_cast) return scalar_cast(t, result, a);
    if (op == SOP_bits) return reinterpret(t, result, a);
    if (info->rule == SR_CMP) {
        bool f = dtype_is_float(t), s = dtype_is_signed(t);
        r.i = f ? test_float(op, scalar_double(t, a), scalar_double(t, b))
                : compare_int(op, s, a, b);
    } else if (t == DT_F64) {
        r.d = eval_double(op, a.d, b.d, info->arity > 2 ? v[2].d : 0);
    } else if (dtype_is_float(t)) {
        float f = eval_float(op, a.f, b.f, info->arity > 2 ? v[2].f : 0);
        r = from_float(t, f, f);
    } else {
        r.i = scalar_wrap(t, eval_int(op, t, a, b));
    }
    return r;
}
