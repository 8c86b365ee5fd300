/* Checks one statement of a kernel: what it declares and reads, its form, types and variables. */
#include "ir/kernel_verify.h"

typedef struct Reading { /* one expression of a statement */
    Verify *v;
    const Kernel *kernel;
    const Stmt *stmt;
    int at; /* number of the statement */
} Reading;

static bool is_var_of(const Stmt *s, const Var *v) {
    for (int i = 0; i < s->n_dom; i++)
        if (s->dom[i] == v) return true;
    for (int i = 0; i < s->n_red; i++)
        if (s->red[i] == v) return true;
    return false;
}

static bool written_before(const Kernel *k, int at, const Tensor *t) {
    for (int i = 0; i < at; i++)
        if (k->stmts.at[i]->out == t || k->stmts.at[i]->out2 == t) return true;
    return false;
}

static void check_load(Reading *r, const Expr *e) {
    Verify *v = r->v;
    Tensor *t = e->tensor;
    if (!verify_declared(v, t)) verify_fail(v, r->stmt, "%%%s is not declared", t->name);
    if (e->n != t->rank)
        verify_fail(v, r->stmt, "%%%s has rank %d, not %d", t->name, t->rank, e->n);
    for (int i = 0; i < e->n; i++)
        if (e->arg[i]->type != DT_INDEX)
            verify_fail(v, r->stmt, "subscript %d of %%%s is no index", i, t->name);
    if (t->space == SP_TEMP && !written_before(r->kernel, r->at, t))
        verify_fail(v, r->stmt, "temp %%%s is read before it is written", t->name);
    bool own = t == r->stmt->out && r->stmt->kind != ST_MAP;
    if (own)
        verify_fail(v, r->stmt, "the statement reads %%%s, which it accumulates into", t->name);
}

static void check_node(void *user, const Expr *e) {
    Reading *r = user;
    if (e->kind == E_LOAD) check_load(r, e);
    else if (e->kind == E_VAR && !is_var_of(r->stmt, e->var))
        verify_fail(r->v, r->stmt, "%s is not a variable of this statement", e->var->name);
    else if (e->kind == E_SYM && e->sym->merged)
        verify_fail(r->v, r->stmt, "symbol %s was replaced by another", e->sym->name);
}

static void check_target(Verify *v, const Stmt *s, Tensor *t) {
    if (!verify_declared(v, t)) verify_fail(v, s, "%%%s is not declared", t->name);
    if (t->space == SP_INPUT || t->space == SP_CONST) verify_fail(v, s, "%%%s is written", t->name);
    if (t->rank != stmt_target(s)->rank) verify_fail(v, s, "targets of different rank");
}

static bool takes_position(const Stmt *s) {
    return s->kind == ST_REDUCE && (s->op == RED_ARGMAX || s->op == RED_ARGMIN);
}

static void check_types(Verify *v, const Stmt *s) {
    DType value = s->value->type, out = s->out ? s->out->dtype : value;
    bool acc = s->kind != ST_MAP && s->recipe.acc != DT_NONE && value == s->recipe.acc;
    if (value == DT_INDEX) verify_fail(v, s, "the value is an index: it needs a cast");
    else if (value != out && !acc)
        verify_fail(v, s, "the value is %s, the target %s", dtype_name(value), dtype_name(out));
    if (s->out2 && takes_position(s) && s->out2->dtype != DT_I64)
        verify_fail(v, s, "positions are i64");
    if (s->out2 && s->kind == ST_SCAN && s->out2->dtype != out)
        verify_fail(v, s, "%%%s is %s, not %s", s->out2->name, dtype_name(s->out2->dtype),
                    dtype_name(out));
    if (dtype_class(value) == DC_X && s->kind != ST_MAP && s->op != RED_SET)
        verify_fail(v, s, "%s is not defined on %s", reduce_names[s->op], dtype_name(value));
    if (s->recipe.acc != DT_NONE && s->kind == ST_MAP)
        verify_fail(v, s, "a map accumulates nothing");
    bool along = s->kind == ST_SCAN && s->axis + 1 == s->n_dom && !s->recipe.blocks;
    if (s->recipe.lanes && s->kind != ST_REDUCE && !along)
        verify_fail(v, s, "lanes are for reductions, and scans along the last variable");
}

static void check_form(Verify *v, const Stmt *s) {
    bool both = s->kind == ST_SCAN && s->out && !s->exclusive && !s->reverse;
    if (s->out2 && !takes_position(s) && !both)
        verify_fail(v, s, "only argmax, argmin and plain scans have two targets");
    if (!s->out && !s->out2) verify_fail(v, s, "no target");
    if (s->kind != ST_REDUCE && s->n_red)
        verify_fail(v, s, "reduction variables outside of a reduction");
    if (s->kind == ST_REDUCE && s->op == RED_SET) verify_fail(v, s, "set is for scatters");
    if (takes_position(s) && !s->n_red) verify_fail(v, s, "%s over nothing", reduce_names[s->op]);
    if (s->kind == ST_SCAN && (s->axis < 0 || s->axis >= s->n_dom))
        verify_fail(v, s, "no such scan axis");
    if (s->kind == ST_SCAN && s->op > RED_MIN)
        verify_fail(v, s, "%s cannot be scanned", reduce_names[s->op]);
}

/* A factor per element of the domain and the outermost reduction variable, in a temp. */
static void check_decay(Verify *v, const Stmt *s) {
    const Expr *e = s->decay;
    if (!e) return;
    bool sum = s->kind == ST_REDUCE && s->op == RED_SUM && s->n_red > 1 && !s->recipe.blocks;
    if (!sum) verify_fail(v, s, "decay is for sums over two variables or more, without blocks");
    bool temp = e->kind == E_LOAD && e->tensor->space == SP_TEMP && e->type == s->value->type;
    if (!temp) verify_fail(v, s, "what a sum decays by is an element of a temp of its type");
    for (int i = 0; sum && temp && i < e->n; i++) {
        bool known = e->arg[i] == s->red[0]->self;
        for (int k = 0; k < s->n_dom; k++) known |= e->arg[i] == s->dom[k]->self;
        if (!known)
            verify_fail(v, s, "subscript %d of the decay is neither of the domain nor %s", i,
                        s->red[0]->name);
    }
}

static void check_vars(Verify *v, const Stmt *s, Map *vars) {
    for (int i = 0; i < s->n_dom + s->n_red; i++) {
        Var *var = i < s->n_dom ? s->dom[i] : s->red[i - s->n_dom];
        Var *same = map_get(vars, var->name);
        if (same && same != var) verify_fail(v, s, "two variables are called %s", var->name);
        map_set(vars, var->name, var);
        if (!var->extent || var->extent->type != DT_INDEX)
            verify_fail(v, s, "variable %s has no extent", var->name);
        for (int j = 0; j < i; j++)
            if (var == (j < s->n_dom ? s->dom[j] : s->red[j - s->n_dom]))
                verify_fail(v, s, "variable %s stands twice", var->name);
    }
}

void verify_stmt(Verify *v, const Kernel *k, int at, Map *vars) {
    const Stmt *s = k->stmts.at[at];
    Reading r = {v, k, s, at};
    check_form(v, s);
    if (!stmt_target(s)) return;
    check_vars(v, s, vars);
    if (!s->index && s->n_dom != stmt_target(s)->rank) {
        verify_fail(v, s, "%d variables for rank %d", s->n_dom, stmt_target(s)->rank);
        return;
    }
    if (s->out) check_target(v, s, s->out);
    if (s->out2) check_target(v, s, s->out2);
    check_types(v, s);
    for (int i = 0; i < stmt_target(s)->rank; i++) {
        if (stmt_index(s, i)->type != DT_INDEX) verify_fail(v, s, "subscript %d is no index", i);
        expr_visit(stmt_index(s, i), check_node, &r);
    }
    expr_visit(s->value, check_node, &r);
    if (s->decay) expr_visit(s->decay, check_node, &r);
    check_decay(v, s);
}
