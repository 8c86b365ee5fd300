/* Text to expressions: precedence climbing over the one lexer.
 *
 *   or: xor { | xor }   xor: and { ^ and }   and: comparison { & comparison }
 *   comparison: sum [ (==|!=|<|<=|>|>=) sum ]
 *   sum: product { (+|-) product }   product: unary { (*|/|%) unary }
 *   unary: - unary | ! unary | primary
 *   primary: number [: type] | true | false | name | "name" | %tensor[...] | function(...) | (or)
 *
 * A number without a type takes that of the other operand. */
#include "ir/expr_internal.h"
#include "ir/lex.h"
#include "ir/scalar_eval.h"

typedef struct Parser {
    Ctx *ctx;
    Lexer *lex;
    const ExprScope *scope;
} Parser;

typedef struct Operand {
    Expr *e;      /* NULL: after an error */
    bool literal; /* a number without a type */
    Num num;
} Operand;

static const Operand none;

static Operand parse_level(Parser *p, int level);

static Operand plain(Expr *e) {
    return (Operand){.e = e};
}

/* ---- types ---- */

static Expr *typed(Parser *p, const Num *n, DType t, const Tok *at) {
    if (dtype_is_float(t)) return expr_const_flt(p->ctx, t, n->f);
    if (n->is_float || t == DT_BOOL || dtype_class(t) == DC_X) {
        lex_error_at(p->lex, at, "this number cannot be of type %s", dtype_name(t));
        return NULL;
    }
    int64_t v = n->negative ? (int64_t)(0 - n->u) : (int64_t)n->u;
    bool sign_ok = n->negative ? v <= 0 : v >= 0 || t == DT_U64;
    if (sign_ok && scalar_wrap(t, v) == v) return expr_const_int(p->ctx, t, v);
    lex_error_at(p->lex, at, "this number does not fit into %s", dtype_name(t));
    return NULL;
}

/* Gives all literals among the operands the type of the others. */
static bool agree(Parser *p, Operand *v, int n, const Tok *at) {
    DType t = v[0].e->type;
    for (int i = n - 1; i >= 0; i--)
        if (!v[i].literal) t = v[i].e->type;
    bool all_literal = true, is_float = false;
    for (int i = 0; i < n; i++) {
        all_literal &= v[i].literal;
        is_float |= v[i].literal && v[i].num.is_float;
    }
    if (all_literal) t = is_float ? DT_F32 : DT_INDEX;
    for (int i = 0; i < n; i++) {
        if (v[i].literal && v[i].e->type != t) v[i].e = typed(p, &v[i].num, t, at);
        if (!v[i].e) return false;
        if (v[i].e->type != t)
            return lex_error_at(p->lex, at, "operands of types %s and %s", dtype_name(t),
                                dtype_name(v[i].e->type));
    }
    return true;
}

static Operand apply(Parser *p, ScalarOp op, Operand *v, const Tok *at) {
    const ScalarInfo *info = &scalar_info[op];
    Expr *arg[3];
    int from = info->rule == SR_SEL;
    if (!agree(p, v + from, info->arity - from, at)) return none;
    DType t = v[from].e->type;
    bool wrong = (info->flags & SF_FLT && !dtype_is_float(t)) ||
                 (info->flags & SF_INT && dtype_is_float(t)) ||
                 (from && v[0].e->type != DT_BOOL) || (!from && dtype_class(t) == DC_X);
    if (wrong) {
        lex_error_at(p->lex, at, "%s is not defined on %s", info->name, dtype_name(v[0].e->type));
        return none;
    }
    for (int i = 0; i < info->arity; i++) arg[i] = v[i].e;
    return plain(expr_op(p->ctx, op, arg));
}

/* ---- primaries ---- */

static bool take_type(Parser *p, DType *t) {
    const char *name;
    Tok at = *lex_peek(p->lex);
    if (!lex_ident(p->lex, &name)) return false;
    *t = dtype_by_name(name);
    return *t != DT_NONE || lex_error_at(p->lex, &at, "unknown type %s", name);
}

static Operand parse_number(Parser *p) {
    Operand v = {.literal = true};
    Tok at = *lex_peek(p->lex);
    DType t = DT_NONE;
    if (!lex_number(p->lex, &v.num)) return none;
    const Tok *after = lex_at(p->lex, ':') ? lex_peek2(p->lex) : NULL;
    if (after && after->kind == TOK_IDENT && dtype_by_name(after->s) != DT_NONE) {
        lex_next(p->lex);
        if (!take_type(p, &t)) return none;
        v.literal = false;
    }
    if (v.literal) t = v.num.is_float ? DT_F32 : DT_INDEX;
    v.e = typed(p, &v.num, t, &at);
    return v;
}

/* Expressions up to `close`, at most `max` of them; -1 after an error. */
static int parse_list(Parser *p, int close, Operand *v, int max) {
    int n = 0;
    if (lex_accept(p->lex, close)) return 0;
    do {
        if (n == max) {
            lex_error(p->lex, "more than %d operands", max);
            return -1;
        }
        v[n] = parse_level(p, 0);
        if (!v[n++].e) return -1;
    } while (lex_accept(p->lex, ','));
    return lex_expect(p->lex, close) ? n : -1;
}

static Operand parse_load(Parser *p) {
    const char *name;
    Operand v[MAX_RANK];
    Expr *index[MAX_RANK];
    Tok at = *lex_peek(p->lex);
    if (!lex_value(p->lex, &name)) return none;
    Tensor *t = p->scope->tensor ? p->scope->tensor(p->scope->user, name) : NULL;
    if (!t) {
        lex_error_at(p->lex, &at, "unknown tensor %%%s", diag_name(p->ctx, name));
        return none;
    }
    if (!lex_expect(p->lex, '[')) return none;
    int n = parse_list(p, ']', v, MAX_RANK);
    for (int i = 0; i < n; i++) {
        index[i] = v[i].e;
        if (index[i]->type == DT_INDEX) continue;
        lex_error_at(p->lex, &at, "a subscript is of type %s", dtype_name(index[i]->type));
        return none;
    }
    return n < 0 ? none : plain(expr_load(p->ctx, t, index, n));
}

static Operand parse_cast(Parser *p, bool bits, const Tok *at) {
    DType t;
    if (!take_type(p, &t) || !lex_expect(p->lex, ',')) return none;
    Operand v = parse_level(p, 0);
    if (!v.e || !lex_expect(p->lex, ')')) return none;
    bool fits = dtype_class(t) != DC_X && dtype_class(v.e->type) != DC_X;
    if (!fits || (bits && dtype_bytes(t) != dtype_bytes(v.e->type))) {
        lex_error_at(p->lex, at, "no cast from %s to %s", dtype_name(v.e->type), dtype_name(t));
        return none;
    }
    return plain(bits ? expr_bits(p->ctx, t, v.e) : expr_cast(p->ctx, t, v.e));
}

static Operand parse_guard(Parser *p, Operand *v, int n, const Tok *at) {
    if (n != 3 || v[0].e->type != DT_BOOL) {
        lex_error_at(p->lex, at, "guard takes a condition and two values");
        return none;
    }
    if (!agree(p, v + 1, 2, at)) return none;
    return plain(expr_guard(p->ctx, v[0].e, v[1].e, v[2].e));
}

static Operand parse_bound(Parser *p, Operand *v, int n, const Tok *at) {
    if (n != 2 || v[0].e->type != DT_INDEX || v[1].e->type != DT_INDEX) {
        lex_error_at(p->lex, at, "bound takes two index expressions");
        return none;
    }
    return plain(expr_bound(p->ctx, v[0].e, v[1].e));
}

static Operand parse_call(Parser *p, const Tok *at) {
    Operand v[3];
    int op = scalar_by_name(at->s);
    lex_next(p->lex); /* ( */
    if (op == SOP_cast || op == SOP_bits) return parse_cast(p, op == SOP_bits, at);
    int n = parse_list(p, ')', v, LEN(v));
    if (n < 0) return none;
    if (!strcmp(at->s, "guard")) return parse_guard(p, v, n, at);
    if (!strcmp(at->s, "bound")) return parse_bound(p, v, n, at);
    if (op < 0) lex_error_at(p->lex, at, "unknown function %s", at->s);
    else if (n != scalar_info[op].arity)
        lex_error_at(p->lex, at, "%s takes %d operands", at->s, scalar_info[op].arity);
    else return apply(p, (ScalarOp)op, v, at);
    return none;
}

static Operand parse_name(Parser *p) {
    const ExprScope *scope = p->scope;
    Tok at = lex_next(p->lex);
    if (at.kind == TOK_IDENT) {
        bool yes = !strcmp(at.s, "true");
        if (yes || !strcmp(at.s, "false")) return plain(expr_const_int(p->ctx, DT_BOOL, yes));
        if (lex_at(p->lex, '(')) return parse_call(p, &at);
    }
    Var *var = scope->var ? scope->var(scope->user, at.s) : NULL;
    if (var) return plain(var->self);
    Sym *sym = scope->sym ? scope->sym(scope->user, at.s) : NULL;
    if (sym) return plain(sym->self);
    lex_error_at(p->lex, &at, "unknown name %s", diag_name(p->ctx, at.s));
    return none;
}

static Operand parse_primary(Parser *p) {
    if (lex_at(p->lex, TOK_INT) || lex_at(p->lex, TOK_FLOAT)) return parse_number(p);
    if (lex_at(p->lex, TOK_VALUE)) return parse_load(p);
    if (lex_at(p->lex, TOK_IDENT) || lex_at(p->lex, TOK_STRING)) return parse_name(p);
    if (!lex_accept(p->lex, '(')) {
        lex_error(p->lex, "expected an expression");
        return none;
    }
    Operand v = parse_level(p, 0);
    return v.e && lex_expect(p->lex, ')') ? plain(v.e) : none;
}

static Operand parse_unary(Parser *p) {
    Tok at = *lex_peek(p->lex);
    int after = lex_peek2(p->lex)->kind;
    if (at.kind == '-' && (after == TOK_INT || after == TOK_FLOAT)) return parse_number(p);
    if (at.kind != '-' && at.kind != '!') return parse_primary(p);
    if (!lex_enter(p->lex)) return none;
    lex_next(p->lex);
    Operand v = parse_unary(p);
    lex_leave(p->lex);
    if (!v.e) return none;
    return apply(p, at.kind == '-' ? SOP_neg : SOP_not, &v, &at);
}

/* ---- infix ---- */

enum { LEVELS = 6, LEVEL_COMPARE = 3 };

static int infix_op(int kind, int level, DType t) {
    static const struct {
        int kind, level, op;
    } table[] = {
        {'|', 0, SOP_or},     {'^', 1, SOP_xor},    {'&', 2, SOP_and},    {TOK_EQ, 3, SOP_eq},
        {TOK_NE, 3, SOP_ne},  {'<', 3, SOP_lt},     {TOK_LE, 3, SOP_le},  {'>', 3, SOP_gt},
        {TOK_GE, 3, SOP_ge},  {'+', 4, SOP_add},    {'-', 4, SOP_sub},    {'*', 5, SOP_mul},
        {'/', 5, SOP_div},    {'%', 5, SOP_mod},
    };
    if (kind == '/' && level == 5 && t == DT_INDEX) return SOP_floordiv;
    for (int i = 0; i < LEN(table); i++)
        if (table[i].kind == kind && table[i].level == level) return table[i].op;
    return -1;
}

static Operand parse_infix(Parser *p, int level) {
    Operand v[2] = {parse_level(p, level + 1)};
    while (v[0].e) {
        Tok at = *lex_peek(p->lex);
        if (infix_op(at.kind, level, DT_NONE) < 0) break;
        lex_next(p->lex);
        v[1] = parse_level(p, level + 1);
        if (!v[1].e || !agree(p, v, 2, &at)) return none;
        v[0] = apply(p, (ScalarOp)infix_op(at.kind, level, v[0].e->type), v, &at);
        if (level == LEVEL_COMPARE) break;
    }
    return v[0];
}

static Operand parse_level(Parser *p, int level) {
    if (level == LEVELS) return parse_unary(p);
    if (level > 0) return parse_infix(p, level);
    if (!lex_enter(p->lex)) return none;
    Operand v = parse_infix(p, 0);
    lex_leave(p->lex);
    return v;
}

Expr *expr_parse(Ctx *ctx, Lexer *lex, const ExprScope *scope, DType want) {
    Parser p = {ctx, lex, scope};
    Tok at = *lex_peek(lex);
    Operand v = parse_level(&p, 0);
    if (v.e && v.literal && want != DT_NONE && v.e->type != want)
        v.e = typed(&p, &v.num, want, &at);
    if (!v.e || !lex_ok(lex)) return NULL;
    if (want == DT_NONE || v.e->type == want) return v.e;
    lex_error_at(lex, &at, "expected an expression of type %s, found %s", dtype_name(want),
                 dtype_name(v.e->type));
    return NULL;
}
