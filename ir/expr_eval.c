/* Values of index expressions under given values of their variables and symbols. */
#include "ir/expr_internal.h"
#include "ir/scalar_eval.h"

static bool eval(const Expr *e, const ExprEnv *env, int64_t *out);

static bool eval_division(ScalarOp op, int64_t a, int64_t b, int64_t *out) {
    if (b == 0 || (b == -1 && a == INT64_MIN)) return false;
    ScalarValue v[] = {{.i = a}, {.i = b}};
    *out = scalar_eval(op, DT_INDEX, DT_INDEX, v).i;
    return true;
}

/* Arithmetic on indices is exact: what overflows has no value. Other types wrap. */
static bool eval_op(const Expr *e, const ExprEnv *env, int64_t *out) {
    ScalarValue v[3];
    DType t = e->arg[e->op == SOP_select]->type;
    if (e->op == SOP_select) {
        int64_t c;
        return eval(e->arg[0], env, &c) && eval(e->arg[c ? 1 : 2], env, out);
    }
    for (int i = 0; i < e->n; i++)
        if (dtype_is_float(e->arg[i]->type) || !eval(e->arg[i], env, &v[i].i)) return false;
    if (dtype_is_float(e->type)) return false;
    if (t == DT_INDEX && e->type == DT_INDEX) switch (e->op) {
        case SOP_add: return !__builtin_add_overflow(v[0].i, v[1].i, out);
        case SOP_sub: return !__builtin_sub_overflow(v[0].i, v[1].i, out);
        case SOP_mul: return !__builtin_mul_overflow(v[0].i, v[1].i, out);
        case SOP_floordiv: case SOP_mod: case SOP_div: case SOP_rem:
            return eval_division(e->op, v[0].i, v[1].i, out);
        default: break;
        }
    *out = scalar_eval(e->op, t, e->type, v).i;
    return true;
}

static bool eval_terms(const Expr *e, const ExprEnv *env, int64_t *out) {
    int64_t v, r = e->i;
    for (int i = 0; i < e->n; i++) {
        if (!eval(e->arg[i], env, &v)) return false;
        if (e->kind == E_SUM ? __builtin_add_overflow(r, v, &r) : __builtin_mul_overflow(r, v, &r))
            return false;
    }
    *out = r;
    return true;
}

static bool eval_bound(const Expr *e, const ExprEnv *env, int64_t *out) {
    int64_t v, n;
    if (!eval(e->arg[0], env, &v) || !eval(e->arg[1], env, &n)) return false;
    *out = MAX(MIN(v, n - 1), 0);
    return true;
}

static bool eval(const Expr *e, const ExprEnv *env, int64_t *out) {
    int64_t c;
    switch (e->kind) {
    case E_INT: *out = e->i; return true;
    case E_SYM: *out = env->sym(env->user, e->sym); return true;
    case E_VAR: *out = env->var(env->user, e->var); return true;
    case E_SUM: case E_PROD: return eval_terms(e, env, out);
    case E_OP: return eval_op(e, env, out);
    case E_GUARD: return eval(e->arg[0], env, &c) && eval(e->arg[c ? 1 : 2], env, out);
    case E_BOUND: return eval_bound(e, env, out);
    case E_LOAD: case E_FLT: return false;
    }
    return false;
}

bool expr_eval_index(const Expr *e, const ExprEnv *env, int64_t *out) {
    return eval(e, env, out);
}
