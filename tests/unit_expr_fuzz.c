/* Random expressions, from fixed seeds: their normal forms have the values of what they were made
 * from and lie within their ranges, their text reads back as the very same expression, and is the
 * same in another Ctx.
 *
 * Prints each failure; exits with 0 where there is none. `unit_expr_fuzz ROUNDS` goes on longer. */
#include "tests/expr_scope.h"

/* ---- random expressions ---- */

static uint64_t seed;

static uint64_t next_random(void) {
    seed += 0x9e3779b97f4a7c15u;
    uint64_t z = (seed ^ (seed >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static int below(int n) {
    return (int)(next_random() % (uint64_t)n);
}

/* A tree as it was written, to be evaluated without any simplification. */
typedef struct Tree {
    ScalarOp op; /* SOP_COUNT: a leaf */
    int leaf;    /* 0 constant, 1 symbol, 2 variable */
    int64_t value;
    struct Tree *arg[3];
} Tree;

static Tree *random_tree(Scope *s, int depth, bool condition) {
    static const ScalarOp index_ops[] = {SOP_add, SOP_add,      SOP_add,      SOP_sub, SOP_mul,
                                         SOP_mul, SOP_floordiv, SOP_floordiv, SOP_mod, SOP_mod,
                                         SOP_min, SOP_max,      SOP_select};
    static const ScalarOp comparisons[] = {SOP_lt, SOP_le, SOP_gt, SOP_ge, SOP_eq, SOP_ne};
    static const ScalarOp logic[] = {SOP_and, SOP_or, SOP_not};
    Tree *t = NEW(s->ctx->perm, Tree);
    bool deep = depth > 1 && below(3);
    t->op = !condition ? index_ops[below(LEN(index_ops))]
            : deep     ? logic[below(LEN(logic))]
                       : comparisons[below(LEN(comparisons))];
    if (!condition && (depth <= 0 || below(8) == 0)) {
        static const int64_t constants[] = {0, 1, 2, 3, 4, 6, 8, 12, 32, -1, -2, 5};
        t->op = SOP_COUNT;
        t->leaf = below(5) / 2;
        t->value = t->leaf == 0   ? constants[below(LEN(constants))]
                   : t->leaf == 1 ? below(N_SYMS)
                                  : below(N_VARS);
        return t;
    }
    for (int i = 0; i < scalar_info[t->op].arity; i++) {
        bool bools = t->op == SOP_and || t->op == SOP_or || t->op == SOP_not;
        t->arg[i] = random_tree(s, depth - 1, bools || (t->op == SOP_select && i == 0));
    }
    return t;
}

static Expr *build(Scope *s, const Tree *t) {
    Expr *x[3];
    if (t->op == SOP_COUNT)
        return t->leaf == 0   ? expr_int(s->ctx, t->value)
               : t->leaf == 1 ? s->sym[t->value]->self
                              : s->var[t->value]->self;
    for (int i = 0; i < scalar_info[t->op].arity; i++) x[i] = build(s, t->arg[i]);
    return expr_op(s->ctx, t->op, x);
}

static bool value_of(const Scope *s, const Tree *t, int64_t *out) {
    ScalarValue v[3];
    if (t->op == SOP_COUNT) {
        *out = t->leaf == 0   ? t->value
               : t->leaf == 1 ? s->sym_value[t->value]
                              : s->var_value[t->value];
        return t->leaf != 2 || *out >= 0;
    }
    for (int i = 0; i < scalar_info[t->op].arity; i++)
        if (!value_of(s, t->arg[i], &v[i].i)) return false;
    if ((t->op == SOP_floordiv || t->op == SOP_mod) && v[1].i == 0) return false;
    DType type = t->op == SOP_and || t->op == SOP_or || t->op == SOP_not ? DT_BOOL : DT_INDEX;
    *out = scalar_eval(t->op, type, type, v).i;
    return *out > -((int64_t)1 << 50) && *out < (int64_t)1 << 50;
}

static int64_t sym_value(void *user, const Sym *x) {
    const Scope *s = user;
    for (int i = 0; i < N_SYMS; i++)
        if (s->sym[i] == x) return s->sym_value[i];
    return 0;
}

static int64_t var_value(void *user, const Var *x) {
    const Scope *s = user;
    for (int i = 0; i < N_VARS; i++)
        if (s->var[i] == x) return s->var_value[i];
    return 0;
}

/* Random values within their bounds; -1 for variables that have none. */
static void random_values(Scope *s) {
    ExprEnv env = {var_value, sym_value, s};
    for (int i = 0; i < N_SYMS; i++) s->sym_value[i] = s->sym[i]->lo + below(below(2) ? 3 : 40);
    for (int i = 0; i < N_VARS; i++) {
        int64_t n = 1;
        expr_eval_index(s->var[i]->extent, &env, &n);
        int pick = below(4);
        int64_t inside = n < 1 ? -1 : (int64_t)(next_random() % (uint64_t)n);
        s->var_value[i] = n < 1 ? -1 : pick == 0 ? 0 : pick == 1 ? n - 1 : inside;
    }
}

static void complain(const char *what, int round, const char *a, const char *b) {
    failures++;
    printf("round %d: %s\n    %s\n    %s\n", round, what, a, b ? b : "");
}

static void print_tree(Scope *s, Str *out, const Tree *t) {
    if (t->op == SOP_COUNT) {
        expr_print(out, build(s, t));
        return;
    }
    str_fmt(out, "%s(", scalar_info[t->op].name);
    for (int i = 0; i < scalar_info[t->op].arity; i++) {
        if (i) str_add(out, ", ");
        print_tree(s, out, t->arg[i]);
    }
    str_char(out, ')');
}

static void check_values(Scope *s, const Tree *t, const Expr *e, int round) {
    ExprEnv env = {var_value, sym_value, s};
    for (int i = 0; i < 12; i++) {
        int64_t want, got, lo, hi;
        random_values(s);
        if (!value_of(s, t, &want)) continue;
        checks++;
        bool ok = expr_eval_index(e, &env, &got) && got == want;
        expr_range(s->ctx, (Expr *)(uintptr_t)e, &lo, &hi);
        bool bounded = want >= lo && want <= hi;
        if (ok && bounded) continue;
        Str tree = str_new(s->ctx->perm), values = str_new(s->ctx->perm);
        print_tree(s, &tree, t);
        for (int j = 0; j < N_SYMS; j++)
            str_fmt(&values, "%s=%lld ", s->sym[j]->name, (long long)s->sym_value[j]);
        for (int j = 0; j < N_VARS; j++)
            str_fmt(&values, "%s=%lld ", s->var[j]->name, (long long)s->var_value[j]);
        complain(ok ? "out of its range" : "another value", round, str_c(&tree), text_of(s, e));
        printf("    %s: want %lld got %lld\n", str_c(&values), (long long)want, (long long)got);
        return;
    }
}

static void fuzz_index(int rounds) {
    Scope *s = NULL, *other = NULL;
    for (int round = 0; round < rounds; round++) {
        if (round % 500 == 0) {
            if (s) ctx_free(s->ctx);
            if (other) ctx_free(other->ctx);
            s = scope_new(false);
            other = scope_new(true);
        }
        seed = (uint64_t)round;
        Tree *t = random_tree(s, 1 + below(5), below(4) == 0);
        Expr *e = build(s, t);
        const char *text = text_of(s, e);
        Expr *again = parse(s, text), *elsewhere = parse(other, text);
        checks++;
        if (again != e) complain("reads back as", round, text, again ? text_of(s, again) : "");
        const char *there = elsewhere ? text_of(other, elsewhere) : "(an error)";
        if (strcmp(there, text)) complain("elsewhere", round, text, there);
        check_values(s, t, e, round);
    }
    ctx_free(s->ctx);
    ctx_free(other->ctx);
}

static Expr *random_element(Scope *s, DType t, int depth) {
    Expr *x[3];
    ScalarOp op = (ScalarOp)below(SOP_COUNT);
    if (depth == 0 || below(6) == 0) {
        if (t == DT_INDEX) return build(s, random_tree(s, 2, false));
        if (t == DT_BOOL) return build(s, random_tree(s, 1, true));
        if (t == DT_F32 && below(2)) return expr_load(s->ctx, s->tensor[0],
                                                     (Expr *[]){random_element(s, DT_INDEX, 0),
                                                                random_element(s, DT_INDEX, 0)}, 2);
        static const double values[] = {0, -0.0, 1, -1, 0.1, 1e30, -1e-30, 3.5, 1e300, 65504};
        if (dtype_is_float(t)) return expr_const_flt(s->ctx, t, values[below(LEN(values))]);
        return expr_const_int(s->ctx, t, (int64_t)next_random() >> below(64));
    }
    static const DType types[] = {DT_F32, DT_F64, DT_F16, DT_BF16, DT_I64, DT_I32,
                                  DT_U8,  DT_U64, DT_I8,  DT_BOOL, DT_INDEX};
    DType other = types[below(LEN(types))];
    if (below(8) == 0) return expr_cast(s->ctx, t, random_element(s, other, depth - 1));
    if (below(8) == 0)
        return expr_guard(s->ctx, random_element(s, DT_BOOL, depth - 1),
                          random_element(s, t, depth - 1), random_element(s, t, depth - 1));
    const ScalarInfo *info = &scalar_info[op];
    DType operand = info->rule == SR_CMP ? other : t;
    bool fits = info->rule != SR_CAST && (info->rule != SR_CMP || t == DT_BOOL) &&
                !(info->flags & SF_FLT && !dtype_is_float(operand)) &&
                !(info->flags & SF_INT && dtype_is_float(operand)) &&
                !(operand == DT_BOOL && info->rule == SR_SAME && op != SOP_and && op != SOP_or &&
                  op != SOP_xor && op != SOP_not);
    if (!fits) return random_element(s, t, depth);
    for (int i = 0; i < info->arity; i++)
        x[i] = random_element(s, info->rule == SR_SEL && i == 0 ? DT_BOOL : operand, depth - 1);
    return expr_op(s->ctx, op, x);
}

static void fuzz_elements(int rounds) {
    static const DType types[] = {DT_F32, DT_F64, DT_F16, DT_I64, DT_U8, DT_BOOL, DT_U64};
    Scope *s = NULL;
    for (int round = 0; round < rounds; round++) {
        if (round % 500 == 0) {
            if (s) ctx_free(s->ctx);
            s = scope_new(false);
        }
        seed = (uint64_t)round + 1000000007;
        Expr *e = random_element(s, types[below(LEN(types))], 1 + below(5));
        const char *text = text_of(s, e);
        Expr *again = parse(s, text);
        checks++;
        if (again != e) complain("reads back as", round, text, again ? text_of(s, again) : "");
    }
    ctx_free(s->ctx);
}

int main(int argc, char **argv) {
    int rounds = argc > 1 ? atoi(argv[1]) : 20000;
    fuzz_index(rounds);
    fuzz_elements(rounds);
    printf("%d checks, %d failures\n", checks, failures);
    return failures != 0;
}
