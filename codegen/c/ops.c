/* Scalar operations as C: infix where C means the same, else functions of runtime/ops.h. The
 * meaning of each is that of ir/scalar_ops.def; the reference is ir/scalar_eval.c. */
#include "codegen/c/gen.h"

typedef struct Infix {
    ScalarOp op;
    const char *text;
    int prec, left, right; /* of the whole, and what the operands must have */
} Infix;

static const Infix float_infix[] = {
    {SOP_add, " + ", PREC_SUM, PREC_SUM, PREC_PRODUCT},
    {SOP_sub, " - ", PREC_SUM, PREC_SUM, PREC_PRODUCT},
    {SOP_mul, " * ", PREC_PRODUCT, PREC_PRODUCT, PREC_UNARY},
    {SOP_div, " / ", PREC_PRODUCT, PREC_PRODUCT, PREC_UNARY},
};
static const Infix bits_infix[] = {
    {SOP_and, " & ", PREC_BITS, PREC_UNARY, PREC_UNARY},
    {SOP_or, " | ", PREC_BITS, PREC_UNARY, PREC_UNARY},
    {SOP_xor, " ^ ", PREC_BITS, PREC_UNARY, PREC_UNARY},
};
static const Infix compare_infix[] = {
    {SOP_eq, " == ", PREC_COMPARE, PREC_SUM, PREC_SUM},
    {SOP_ne, " != ", PREC_COMPARE, PREC_SUM, PREC_SUM},
    {SOP_lt, " < ", PREC_COMPARE, PREC_SUM, PREC_SUM},
    {SOP_le, " <= ", PREC_COMPARE, PREC_SUM, PREC_SUM},
    {SOP_gt, " > ", PREC_COMPARE, PREC_SUM, PREC_SUM},
    {SOP_ge, " >= ", PREC_COMPARE, PREC_SUM, PREC_SUM},
};
/* bool arithmetic is that of 0 and 1, and any result but 0 is true */
static const Infix bool_infix[] = {
    {SOP_add, " | ", PREC_BITS, PREC_UNARY, PREC_UNARY},
    {SOP_max, " | ", PREC_BITS, PREC_UNARY, PREC_UNARY},
    {SOP_sub, " ^ ", PREC_BITS, PREC_UNARY, PREC_UNARY},
    {SOP_mul, " & ", PREC_BITS, PREC_UNARY, PREC_UNARY},
    {SOP_min, " & ", PREC_BITS, PREC_UNARY, PREC_UNARY},
    {SOP_div, " & ", PREC_BITS, PREC_UNARY, PREC_UNARY},
    {SOP_floordiv, " & ", PREC_BITS, PREC_UNARY, PREC_UNARY},
};
static const Infix index_infix[] = {
    /* where c_index_plain holds */
    {SOP_floordiv, " / ", PREC_PRODUCT, PREC_PRODUCT, PREC_UNARY},
    {SOP_div, " / ", PREC_PRODUCT, PREC_PRODUCT, PREC_UNARY},
    {SOP_mod, " % ", PREC_PRODUCT, PREC_PRODUCT, PREC_UNARY},
    {SOP_rem, " % ", PREC_PRODUCT, PREC_PRODUCT, PREC_UNARY},
};

static const Infix *find(const Infix *list, int n, ScalarOp op) {
    for (int i = 0; i < n; i++)
        if (list[i].op == op) return &list[i];
    return NULL;
}

static DType operand_type(const Expr *e) {
    return e->arg[e->op == SOP_select ? 1 : 0]->type;
}

static const Infix *infix_of(Printer *p, const Expr *e) {
    DType t = operand_type(e);
    const Infix *in = NULL;
    if (scalar_info[e->op].rule == SR_CMP) return find(compare_infix, LEN(compare_infix), e->op);
    if (dtype_is_float(t)) return find(float_infix, LEN(float_infix), e->op);
    if (t == DT_BOOL) in = find(bool_infix, LEN(bool_infix), e->op);
    if (t == DT_INDEX && c_index_plain(p, e)) in = find(index_infix, LEN(index_infix), e->op);
    return in ? in : find(bits_infix, LEN(bits_infix), e->op);
}

/* ---- casts ---- */
static const char *call(Printer *p, const char *name, const char *suffix, const char *arg) {
    return arena_printf(p->arena, "%s%s(%s)", name, suffix, arg);
}

/* To f16 or bf16, as the float that it is held in. */
static const char *to_half(Printer *p, DType from, DType to, const char *a) {
    const char *name = dtype_name(to);
    if (dtype_is_float(from) && from != DT_F64) return call(p, "round_", name, a);
    const char *wide = from == DT_F64 ? a : arena_printf(p->arena, "(double)%s", a);
    return arena_printf(p->arena, "f32_of_%s(half_of_f64(%s, %d))", name, wide,
                        to == DT_F16 ? 10 : 7);
}

static const char *cast(Printer *p, DType from, DType to, const char *a, int *prec) {
    bool half = from == DT_F16 || from == DT_BF16;
    *prec = PREC_ATOM;
    if (to == DT_F16 || to == DT_BF16) return to_half(p, from, to, a);
    if (to == DT_F32 && half) return arena_printf(p->arena, "(%s)", a);
    if (to == DT_BOOL) return arena_printf(p->arena, "(%s != 0)", a);
    if (dtype_is_float(from) && !dtype_is_float(to)) {
        const char *source = from == DT_F64 ? "f64" : "f32";
        const char *name = to == DT_INDEX ? "i64" : dtype_name(to);
        return arena_printf(p->arena, "%s_of_%s(%s)", name, source, a);
    }
    *prec = PREC_UNARY;
    return arena_printf(p->arena, "(%s)%s", c_value_type(p, to), a);
}

/* The same bits as another type of that width. */
static const char *bits(Printer *p, DType from, DType to, const char *a, int *prec) {
    bool from_float = dtype_is_float(from), to_float = dtype_is_float(to);
    int width = dtype_bits(from);
    const char *u = a;
    *prec = PREC_ATOM;
    if (from == to) return arena_printf(p->arena, "(%s)", a);
    if (to == DT_BOOL) return arena_printf(p->arena, "(%s != 0)", a);
    if (from_float && width == 16) u = arena_printf(p->arena, "%s_of_f32(%s)", dtype_name(from), a);
    else if (from_float) u = arena_printf(p->arena, "bits_of_%s(%s)", dtype_name(from), a);
    if (to_float && width == 16)
        return arena_printf(p->arena, "f32_of_%s((uint16_t)(%s))", dtype_name(to), u);
    if (to_float)
        return arena_printf(p->arena, "%s_of_bits((uint%d_t)(%s))", dtype_name(to), width, u);
    *prec = PREC_UNARY;
    return arena_printf(p->arena, "(%s)(%s)", c_memory_type(to), u);
}

/* ---- operations ---- */

/* The result of this on f16 or bf16 may need rounding. */
static bool inexact(ScalarOp op) {
    switch (op) {
    case SOP_neg:
    case SOP_abs:
    case SOP_min:
    case SOP_max:
    case SOP_sign:
    case SOP_floor:
    case SOP_ceil:
    case SOP_trunc:
    case SOP_round:
    case SOP_rem:
    case SOP_select:
        return false;
    default:
        return true;
    }
}

static const char *function(Printer *p, const Expr *e, const char *const *arg) {
    DType t = operand_type(e);
    const char *type = t == DT_F16 || t == DT_BF16 ? "f32" : dtype_name(t);
    if (t == DT_INDEX) type = p->small ? "i32" : "i64";
    Str s = str_new(p->arena);
    str_fmt(&s, "%s_%s(", scalar_info[e->op].name, type);
    for (int i = 0; i < e->n; i++) str_fmt(&s, i ? ", %s" : "%s", arg[i]);
    str_char(&s, ')');
    return str_c(&s);
}

static const char *bool_rest(Printer *p, const Expr *e, const char *const *arg, int *prec) {
    *prec = PREC_UNARY;
    switch (e->op) {
    case SOP_not:
        *prec = PREC_BITS; /* compilers warn of !a == b */
        return arena_printf(p->arena, "!%s", arg[0]);
    case SOP_neg:
    case SOP_abs:
    case SOP_sign:
    case SOP_shl:
        return arg[0];
    case SOP_mod:
    case SOP_rem:
        return "false";
    case SOP_shr:
        *prec = PREC_BITS;
        return arena_printf(p->arena, "%s & !%s", arg[0], arg[1]);
    default:
        BUG("%s on bool reached the C printer", scalar_info[e->op].name);
    }
}

int c_operand(Printer *p, const Expr *e, int i) {
    if (e->op == SOP_cast || e->op == SOP_bits) return PREC_UNARY;
    if (e->op == SOP_select) return i == 0 ? PREC_BITS : PREC_ANY + 1;
    const Infix *in = infix_of(p, e);
    if (in) return i == 0 ? in->left : in->right;
    return e->op == SOP_neg || e->op == SOP_rcp || operand_type(e) == DT_BOOL ? PREC_UNARY
                                                                              : PREC_ANY;
}

static const char *plain(Printer *p, const Expr *e, const char *const *arg, int *prec) {
    DType t = operand_type(e);
    const Infix *in = infix_of(p, e);
    if (in) {
        *prec = in->prec;
        return arena_printf(p->arena, "%s%s%s", arg[0], in->text, arg[1]);
    }
    if (t == DT_BOOL) return bool_rest(p, e, arg, prec);
    *prec = PREC_UNARY;
    if (e->op == SOP_neg && dtype_is_float(t))
        return arena_printf(p->arena, arg[0][0] == '-' ? "-(%s)" : "-%s", arg[0]);
    *prec = PREC_PRODUCT;
    if (e->op == SOP_rcp)
        return arena_printf(p->arena, t == DT_F64 ? "1.0 / %s" : "1.0f / %s", arg[0]);
    *prec = PREC_ATOM;
    return function(p, e, arg);
}

const char *c_op(Printer *p, const Expr *e, const char *const *arg, int *prec) {
    DType t = operand_type(e);
    if (e->op == SOP_cast) return cast(p, t, e->type, arg[0], prec);
    if (e->op == SOP_bits) return bits(p, t, e->type, arg[0], prec);
    if (e->op == SOP_select) {
        *prec = PREC_ANY;
        return arena_printf(p->arena, "%s ? %s : %s", arg[0], arg[1], arg[2]);
    }
    const char *text = plain(p, e, arg, prec);
    bool half = e->type == DT_F16 || e->type == DT_BF16;
    if (!half || !inexact(e->op)) return text;
    *prec = PREC_ATOM;
    return call(p, "round_", dtype_name(e->type), text);
}
