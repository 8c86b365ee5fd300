/* Expressions to column instructions. Equal subexpressions under the same guard are computed
 * once. */
#include "ir/kernel_interp.h"

static int new_code(Columns *p, Code c) {
    c.to = p->n_regs++;
    vec_push(p->in->scratch, &p->code, c);
    return c.to;
}

static int code_const(Columns *p, ScalarValue v) {
    return new_code(p, (Code){.kind = CODE_CONST, .value = v, .mask = -1});
}

static int *regs_of(Columns *p, Expr *const *args, int n, int mask) {
    int *regs = NEW_ARRAY(p->in->scratch, int, n + 1);
    for (int i = 0; i < n; i++) regs[i] = code_expr(p, args[i], mask);
    return regs;
}

static int code_op(Columns *p, ScalarOp op, DType type, DType result, int *regs, int n) {
    Code c = {.kind = CODE_OP, .op = op, .type = type, .result = result, .arg = regs, .n = n};
    c.mask = -1;
    return new_code(p, c);
}

static int code_both(Columns *p, int a, int b) {
    int *regs = NEW_ARRAY(p->in->scratch, int, 2);
    if (a < 0) return b;
    regs[0] = a;
    regs[1] = b;
    return code_op(p, SOP_and, DT_BOOL, DT_BOOL, regs, 2);
}

/* value.i + sum of factor * argument; a product of several atoms is computed first. */
static int code_sum(Columns *p, Expr *e, int mask) {
    Code c = {.kind = CODE_LINEAR, .value.i = e->i, .n = e->n, .mask = -1};
    c.arg = NEW_ARRAY(p->in->scratch, int, e->n + 1);
    c.factor = NEW_ARRAY(p->in->scratch, int64_t, e->n + 1);
    for (int k = 0; k < e->n; k++) {
        Expr *term = e->arg[k];
        bool scaled = term->kind == E_PROD && term->n == 1;
        c.factor[k] = scaled ? term->i : 1;
        c.arg[k] = code_expr(p, scaled ? term->arg[0] : term, mask);
    }
    return new_code(p, c);
}

static int code_product(Columns *p, Expr *e, int mask) {
    int at = code_const(p, (ScalarValue){.i = e->i});
    for (int k = 0; k < e->n; k++) {
        int *regs = NEW_ARRAY(p->in->scratch, int, 2);
        regs[0] = at;
        regs[1] = code_expr(p, e->arg[k], mask);
        at = code_op(p, SOP_mul, DT_INDEX, DT_INDEX, regs, 2);
    }
    return at;
}

static int code_load(Columns *p, Expr *e, int mask) {
    Buffer *b = interp_buffer(p->in, e->tensor);
    Code c = {.kind = CODE_LOAD, .type = e->type, .buffer = b, .n = e->n, .mask = mask};
    if (!b) return code_const(p, (ScalarValue){0});
    c.arg = regs_of(p, e->arg, e->n, mask);
    return new_code(p, c);
}

/* The value is only computed where the condition holds; elsewhere its lanes hold anything. */
static int code_guard(Columns *p, Expr *e, int mask) {
    int *regs = NEW_ARRAY(p->in->scratch, int, 3);
    regs[0] = code_expr(p, e->arg[0], mask);
    regs[1] = code_expr(p, e->arg[1], code_both(p, mask, regs[0]));
    regs[2] = code_expr(p, e->arg[2], mask);
    return code_op(p, SOP_select, e->type, e->type, regs, 3);
}

static int code_bound(Columns *p, Expr *e, int mask) {
    Code c = {.kind = CODE_BOUND, .n = 2, .mask = mask};
    c.arg = regs_of(p, e->arg, 2, mask);
    return new_code(p, c);
}

static int code_var(Columns *p, const Var *v) {
    for (int i = 0; i < p->n_vars; i++)
        if (p->vars[i] == v) return i;
    BUG("%s is not a variable of the statement", v->name);
}

static int code_sym(Columns *p, Expr *e) {
    ScalarValue v = {0};
    interp_index(p->in, e, &v.i);
    return code_const(p, v);
}

static int code_new(Columns *p, Expr *e, int mask) {
    DType operand = e->n ? e->arg[e->kind == E_OP && e->op == SOP_select]->type : e->type;
    switch (e->kind) {
    case E_INT:
    case E_FLT:
        return code_const(p, scalar_of_expr(e));
    case E_SYM:
        return code_sym(p, e);
    case E_VAR:
        return code_var(p, e->var);
    case E_SUM:
        return code_sum(p, e, mask);
    case E_PROD:
        return code_product(p, e, mask);
    case E_OP:
        return code_op(p, e->op, operand, e->type, regs_of(p, e->arg, e->n, mask), e->n);
    case E_LOAD:
        return code_load(p, e, mask);
    case E_GUARD:
        return code_guard(p, e, mask);
    case E_BOUND:
        return code_bound(p, e, mask);
    }
    BUG("expression of kind %d", e->kind);
}

int code_expr(Columns *p, Expr *e, int mask) {
    for (int i = p->memo.n; i-- > 0;)
        if (p->memo.at[i].expr == e && p->memo.at[i].mask == mask) return p->memo.at[i].to;
    int to = code_new(p, e, mask);
    CodeMemo m = {e, mask, to};
    vec_push(p->in->scratch, &p->memo, m);
    return to;
}

int code_offset(Columns *p, Buffer *b, Expr *const *index, int rank) {
    Code c = {.kind = CODE_LOAD, .type = DT_NONE, .buffer = b, .n = rank, .mask = -1};
    c.arg = regs_of(p, index, rank, -1);
    return new_code(p, c);
}
