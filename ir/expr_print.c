/* Expressions as text. expr_parse of the text is the very same expression, whatever the names. */
#include "ir/expr_internal.h"
#include "ir/lex.h"

enum { P_OR, P_XOR, P_AND, P_COMPARE, P_SUM, P_PRODUCT, P_UNARY, P_PRIMARY };

static void print(Str *s, const Expr *e, int least);

/* ---- names and constants ---- */

static bool is_word(const char *name) {
    static const char *const reserved[] = {"true", "false", "inf", "nan", ""};
    for (int i = 0; i < LEN(reserved); i++)
        if (!strcmp(name, reserved[i])) return false;
    for (const char *p = name; *p; p++) {
        bool letter = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || *p == '_';
        bool inner = p > name && ((*p >= '0' && *p <= '9') || *p == '$');
        bool dot = p > name && *p == '.' && p[-1] != '.' && p[1] && p[1] != '.';
        if (!letter && !inner && !dot) return false;
    }
    return true;
}

static void print_name(Str *s, const char *name) {
    if (is_word(name)) str_add(s, name);
    else str_quote(s, name);
}

static void print_int(Str *s, const Expr *e) {
    if (e->type == DT_BOOL) str_add(s, e->i ? "true" : "false");
    else if (e->type == DT_U64) str_fmt(s, "%llu", (unsigned long long)e->i);
    else str_fmt(s, "%lld", (long long)e->i);
    if (e->type != DT_BOOL && e->type != DT_INDEX) str_fmt(s, ":%s", dtype_name(e->type));
}

static void print_float(Str *s, const Expr *e) {
    str_float(s, e->f, e->type != DT_F64);
    if (e->type != DT_F32) str_fmt(s, ":%s", dtype_name(e->type));
}

/* ---- sums and products ---- */

static bool negative(const Expr *term) {
    return term->kind == E_PROD && term->i < 0 && term->i != INT64_MIN;
}

/* A product without its sign, if that is to be printed by itself. */
static void print_product(Str *s, const Expr *e, bool sign) {
    for (int i = 0; i < e->n; i++) {
        if (i) str_char(s, '*');
        print(s, e->arg[i], P_PRIMARY);
    }
    int64_t k = sign && negative(e) ? -e->i : e->i;
    if (k != 1) str_fmt(s, "*%lld", (long long)k);
}

static void print_term(Str *s, const Expr *e, bool first) {
    bool minus = negative(e);
    if (!first) str_add(s, minus ? " - " : " + ");
    else if (minus) str_char(s, '-');
    if (e->kind == E_PROD) print_product(s, e, true);
    else print(s, e, P_PRODUCT);
}

static void print_sum(Str *s, const Expr *e) {
    bool first = true;
    for (int minus = 0; minus < 2; minus++) {
        for (int i = 0; i < e->n; i++) {
            if (negative(e->arg[i]) != minus) continue;
            print_term(s, e->arg[i], first);
            first = false;
        }
    }
    bool minus = e->i < 0 && e->i != INT64_MIN;
    if (e->i) str_fmt(s, minus ? " - %lld" : " + %lld", (long long)(minus ? -e->i : e->i));
}

/* ---- operations ---- */

/* The infix form of an operation; NULL: it is written by name. */
static const char *infix(const Expr *e, int *level) {
    static const struct {
        ScalarOp op;
        int level;
        const char *text;
    } table[] = {
        {SOP_add, P_SUM, " + "},     {SOP_sub, P_SUM, " - "},     {SOP_mul, P_PRODUCT, " * "},
        {SOP_eq, P_COMPARE, " == "}, {SOP_ne, P_COMPARE, " != "}, {SOP_lt, P_COMPARE, " < "},
        {SOP_le, P_COMPARE, " <= "}, {SOP_gt, P_COMPARE, " > "},  {SOP_ge, P_COMPARE, " >= "},
        {SOP_and, P_AND, " & "},     {SOP_or, P_OR, " | "},       {SOP_xor, P_XOR, " ^ "},
        {SOP_mod, P_PRODUCT, " % "},
    };
    bool index = e->type == DT_INDEX;
    *level = P_PRODUCT;
    if (e->op == (index ? SOP_floordiv : SOP_div)) return " / ";
    for (int i = 0; i < LEN(table); i++) {
        if (table[i].op != e->op) continue;
        *level = table[i].level;
        return table[i].text;
    }
    return NULL;
}

static void print_list(Str *s, Expr *const *arg, int n) {
    for (int i = 0; i < n; i++) {
        if (i) str_add(s, ", ");
        print(s, arg[i], 0);
    }
}

static void print_op(Str *s, const Expr *e) {
    int level;
    const char *text = infix(e, &level);
    if (e->op == SOP_neg || e->op == SOP_not) {
        bool constant = e->arg[0]->kind == E_FLT || e->arg[0]->kind == E_INT;
        str_char(s, e->op == SOP_neg ? '-' : '!');
        if (constant) str_char(s, '(');
        print(s, e->arg[0], constant ? 0 : P_UNARY);
        if (constant) str_char(s, ')');
    } else if (text) {
        bool division = e->type == DT_INDEX && level == P_PRODUCT;
        int left = division ? P_PRIMARY : level + (level == P_COMPARE);
        print(s, e->arg[0], left);
        str_add(s, text);
        print(s, e->arg[1], division ? P_PRIMARY : level + 1);
    } else {
        str_fmt(s, "%s(", scalar_info[e->op].name);
        bool typed = e->op == SOP_cast || e->op == SOP_bits;
        if (typed) str_fmt(s, "%s, ", dtype_name(e->type));
        print_list(s, e->arg, e->n);
        str_char(s, ')');
    }
}

static int level_of(const Expr *e) {
    int level;
    switch (e->kind) {
    case E_SUM: return P_SUM;
    case E_PROD: return P_PRODUCT;
    case E_INT: return e->i < 0 && e->type != DT_U64 ? P_UNARY : P_PRIMARY;
    case E_FLT: return e->f < 0 || (e->f == 0 && 1 / e->f < 0) ? P_UNARY : P_PRIMARY;
    case E_OP:
        if (e->op == SOP_neg || e->op == SOP_not) return P_UNARY;
        return infix(e, &level) ? level : P_PRIMARY;
    default: return P_PRIMARY;
    }
}

/* In parentheses where e binds less than `least`. */
static void print(Str *s, const Expr *e, int least) {
    bool wrap = level_of(e) < least;
    if (wrap) str_char(s, '(');
    switch (e->kind) {
    case E_INT: print_int(s, e); break;
    case E_FLT: print_float(s, e); break;
    case E_SYM: print_name(s, e->sym->name); break;
    case E_VAR: print_name(s, e->var->name); break;
    case E_SUM: print_sum(s, e); break;
    case E_PROD: print_term(s, e, true); break;
    case E_OP: print_op(s, e); break;
    case E_LOAD:
        print_value(s, tensor_name(e->tensor));
        str_char(s, '[');
        print_list(s, e->arg, e->n);
        str_char(s, ']');
        break;
    case E_GUARD: case E_BOUND:
        str_add(s, e->kind == E_GUARD ? "guard(" : "bound(");
        print_list(s, e->arg, e->n);
        str_char(s, ')');
        break;
    }
    if (wrap) str_char(s, ')');
}

void expr_print(Str *s, const Expr *e) {
    print(s, e, 0);
}
