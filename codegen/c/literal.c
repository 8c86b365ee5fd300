/* C types and constants. */
#include "codegen/c/gen.h"

#include <inttypes.h>
#include <math.h>

const char *c_memory_type(DType t) {
    return dtype_c(t);
}

const char *c_piece_type(DType t) {
    if (t == DT_F16 || t == DT_BF16) return "u16";
    return t == DT_BOOL ? "u8" : dtype_name(t);
}

const char *c_value_type(const Printer *p, DType t) {
    if (t == DT_F16 || t == DT_BF16) return "float";
    if (t == DT_BOOL) return "bool";
    if (t == DT_INDEX) return p->small ? "int32_t" : "int64_t";
    return dtype_c(t);
}

const char *c_int(Arena *arena, DType t, int64_t v) {
    if (t == DT_BOOL) return v ? "true" : "false";
    if (dtype_is_unsigned(t))
        return arena_printf(arena, "%" PRIu64 "%s", (uint64_t)v, dtype_bits(t) == 64 ? "ull" : "u");
    if (v == INT64_MIN) return "(-9223372036854775807ll - 1)";
    if (v == INT32_MIN) return "(-2147483647 - 1)";
    bool wide = v > INT32_MAX || v < INT32_MIN;
    return arena_printf(arena, "%" PRId64 "%s", v, wide ? "ll" : "");
}

static const char *float_literal(Printer *p, DType t, double v) {
    bool f64 = t == DT_F64;
    if (isnan(v)) return f64 ? "f64_of_bits(0x7ff8000000000000)" : "f32_of_bits(0x7fc00000)";
    if (isinf(v) && f64)
        return v > 0 ? "f64_of_bits(0x7ff0000000000000)" : "f64_of_bits(0xfff0000000000000)";
    if (isinf(v)) return v > 0 ? "f32_of_bits(0x7f800000)" : "f32_of_bits(0xff800000)";
    Str s = str_new(p->arena);
    str_float(&s, v, !f64);
    if (!f64) str_char(&s, 'f');
    return str_c(&s);
}

const char *c_literal(Printer *p, const Expr *e, int *prec) {
    *prec = PREC_ATOM;
    if (dtype_is_float(e->type)) {
        double v = e->kind == E_FLT ? e->f : (double)e->i;
        if (signbit(v) && isfinite(v)) *prec = PREC_UNARY;
        return float_literal(p, e->type, v);
    }
    if (dtype_is_signed(e->type) && e->i < 0 && e->i != INT64_MIN && e->i != INT32_MIN)
        *prec = PREC_UNARY;
    return c_int(p->arena, e->type, e->i);
}
