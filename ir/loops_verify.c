/* Checks loops: one subscript per access, variables and buffers in scope, types, constant unroll
 * bounds, subscripts of registers that are constant once unrolled, statements where they belong,
 * block loops and barriers (loops_verify_block.c).
 * Violations stand as comments in the text. */
#include "ir/loops_verify.h"

void complain(Verify *v, const char *fmt, ...) {
    char text[300];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    const void *where = v->stmt ? (const void *)v->stmt : (const void *)v->func;
    const char *old = map_get_int(v->notes, (uint64_t)(uintptr_t)where);
    if (old && strstr(old, text)) return;
    char *all =
        old ? arena_printf(v->ctx->perm, "%s; %s", old, text) : arena_str(v->ctx->perm, text);
    map_set_int(v->notes, (uint64_t)(uintptr_t)where, all);
    v->found++;
}

static const Scope *in_scope(const Verify *v, const Var *var) {
    for (int i = v->scope.n - 1; i >= 0; i--)
        if (v->scope.at[i].var == var) return &v->scope.at[i];
    return NULL;
}

static bool tensor_in_scope(const Verify *v, const Tensor *t) {
    if (v->func->kind == LF_HOST) return t->space <= SP_ARENA;
    for (int i = 0; i < v->func->params.n; i++)
        if (v->func->params.at[i] == t) return true;
    for (int i = 0; i < v->scope.n; i++)
        if (v->scope.at[i].tensor == t) return true;
    return false;
}

/* ---- expressions ---- */
static void check_reg_var(void *user, const Expr *e) {
    Verify *v = user;
    if (e->kind == E_SYM) complain(v, "a register's subscript depends on %s", e->sym->name);
    if (e->kind == E_LOAD) complain(v, "a register's subscript is loaded");
    if (e->kind != E_VAR) return;
    const Scope *s = in_scope(v, e->var);
    if (s && !s->expanded)
        complain(v, "a register's subscript depends on %s, which is not unrolled", e->var->name);
}

void verify_access(Verify *v, const Tensor *t, const Expr *index) {
    if (!tensor_in_scope(v, t)) complain(v, "%%%s is not declared here", t->name);
    if (index->type != DT_INDEX)
        complain(v, "%%%s has a subscript of type %s", t->name, dtype_name(index->type));
    if (t->space == SP_TEMP) complain(v, "%%%s has no place", t->name);
    if (t->space == SP_REG) expr_visit(index, check_reg_var, v);
}

static void check_node(void *user, const Expr *e) {
    Verify *v = user;
    if (e->kind == E_VAR && !in_scope(v, e->var))
        complain(v, "%s is used outside of its loop", e->var->name);
    if (e->kind == E_OP && scalar_info[e->op].flags & SF_MATH)
        complain(v, "%s is not expanded", scalar_info[e->op].name);
    if (e->kind != E_LOAD) return;
    if (e->n != 1) complain(v, "%%%s has %d subscripts instead of one", e->tensor->name, e->n);
    else verify_access(v, e->tensor, e->arg[0]);
}

void verify_expr(Verify *v, const Expr *e, DType want, const char *what) {
    if (!e) {
        complain(v, "%s is missing", what);
        return;
    }
    if (e->type != want)
        complain(v, "%s is %s instead of %s", what, dtype_name(e->type), dtype_name(want));
    expr_visit(e, check_node, v);
}

/* ---- statements ---- */
static void check_body(Verify *v, const LBody *body);

static bool is_expanded(const LStmt *l) {
    int64_t lo, hi;
    if (l->bind != BIND_UNROLL && l->bind != BIND_VECTOR) return false;
    return expr_is_int(l->lo, &lo) && expr_is_int(l->hi, &hi);
}

static void check_for(Verify *v, const LStmt *l) {
    verify_expr(v, l->lo, DT_INDEX, "the lower bound");
    verify_expr(v, l->hi, DT_INDEX, "the upper bound");
    if (!l->lo || !l->hi) return;
    bool expanded = is_expanded(l);
    if (l->bind == BIND_UNROLL && !expanded)
        complain(v, "the bounds of an unrolled loop are not constant");
    if (in_scope(v, l->var))
        complain(v, "%s is the variable of a loop around this one", l->var->name);
    for (int i = 0; i < v->scope.n && l->bind == BIND_VECTOR; i++)
        if (v->scope.at[i].expanded &&
            lfunc_find_loop(v->func, v->scope.at[i].var)->bind == BIND_VECTOR)
            complain(v, "a vector loop inside a vector loop");
    vec_push(v->ctx->perm, &v->scope, ((Scope){l->var, expanded, NULL}));
    Blocks outside = verify_block_for(v, l);
    check_body(v, &l->body);
    v->blocks = outside;
    v->scope.n--;
}

static void check_store(Verify *v, const LStmt *l) {
    verify_expr(v, l->index, DT_INDEX, "the subscript");
    verify_expr(v, l->value, l->tensor->dtype, "the value");
    if (l->index) verify_access(v, l->tensor, l->index);
    if (l->tensor->space == SP_CONST) complain(v, "%%%s is a constant", l->tensor->name);
    verify_block_stmt(v, l);
}

static void check_buffer(Verify *v, const LStmt *l) {
    const Tensor *t = l->tensor;
    verify_expr(v, l->hi, DT_INDEX, "the size");
    if (t->space < SP_REG) complain(v, "%%%s cannot live in %s", t->name, space_names[t->space]);
    bool fixed = t->space == SP_REG || t->space == SP_STACK || t->space == SP_SHARED;
    if (fixed && l->hi && !expr_is_int(l->hi, NULL))
        complain(v, "the size of %%%s is not constant", t->name);
    if (t->space == SP_SCRATCH) verify_expr(v, l->lo, DT_INDEX, "the place in the scratch area");
    verify_block_stmt(v, l);
    vec_push(v->ctx->perm, &v->scope, ((Scope){NULL, false, t}));
}

static void check_args(Verify *v, const LStmt *l) {
    for (int i = 0; i < l->n_iargs; i++) verify_expr(v, l->iargs[i], DT_INDEX, "an argument");
    for (int i = 0; i < l->n_args; i++)
        if (!tensor_in_scope(v, l->args[i]))
            complain(v, "%%%s is not a tensor of the program", l->args[i]->name);
}

static void check_launch(Verify *v, const LStmt *l) {
    verify_expr(v, l->hi, DT_INDEX, "the parallel extent");
    verify_expr(v, l->lo, DT_INDEX, "the scratch size");
    check_args(v, l);
    const LFunc *f = l->func;
    if (f->device != l->device) complain(v, "%s runs on the other side", f->name);
    if (f->params.n != l->n_args) {
        complain(v, "%s has %d parameters, not %d", f->name, f->params.n, l->n_args);
        return;
    }
    for (int i = 0; i < l->n_args; i++)
        if (f->params.at[i]->dtype != l->args[i]->dtype)
            complain(v, "%%%s has another type than the parameter", l->args[i]->name);
}

static void check_bind(Verify *v, const LStmt *l) {
    if (!l->tensor) {
        verify_expr(v, l->value, DT_INDEX, "the value");
        return;
    }
    verify_expr(v, l->lo, DT_INDEX, "the subscript");
    if (!dtype_is_int(l->tensor->dtype) && l->tensor->dtype != DT_BOOL)
        complain(v, "%%%s has no integers", l->tensor->name);
}

static void check_place(Verify *v, const LStmt *l) {
    check_args(v, l);
    if (l->n_iargs != 3 * l->n_args) complain(v, "place takes three numbers for each buffer");
}

static void check_copy(Verify *v, const LStmt *l) {
    check_args(v, l);
    verify_expr(v, l->hi, DT_INDEX, "the size");
    if (l->n_args != 2) complain(v, "copy takes two tensors");
    else if (l->args[0] != l->args[1] && l->args[0]->device == l->args[1]->device)
        complain(v, "both tensors lie on the same side");
}

static void check_swap(Verify *v, const LStmt *l) {
    check_args(v, l);
    if (l->n_args != 2) complain(v, "swap takes two tensors");
}

static void check_body(Verify *, const LBody *);

static void check_loop(Verify *v, const LStmt *l) {
    if (l->hi) verify_expr(v, l->hi, DT_INDEX, "the limit");
    if (l->cond) verify_expr(v, l->cond, DT_BOOL, "the condition");
    check_args(v, l);
    if (l->n_args != 2 * l->n_iargs) complain(v, "a carried pair has no size");
    for (int i = 0; i < l->n_args; i++)
        if (l->args[i]->space != SP_ARENA)
            complain(v, "%%%s does not lie in the arena", l->args[i]->name);
    for (int i = 0; i < l->n_syms; i++) verify_expr(v, l->values[i], DT_INDEX, "a carried size");
    check_body(v, &l->body);
}

static void check_if(Verify *v, const LStmt *l) {
    verify_expr(v, l->cond, DT_BOOL, "the condition");
    Blocks outside = verify_block_if(v, l);
    check_body(v, &l->body);
    check_body(v, &l->other);
    v->blocks = outside;
}

static void check_combine(Verify *v, const LStmt *l) {
    bool arg = l->red == RED_ARGMAX || l->red == RED_ARGMIN;
    verify_expr(v, l->index, DT_INDEX, "the subscript");
    if (l->index) verify_access(v, l->tensor, l->index);
    for (int i = 0; i < l->n_args; i++) verify_access(v, l->args[i], l->iargs[i]);
    if (l->n_args > (arg || l->prefix)) complain(v, "%s has no position", reduce_names[l->red]);
    if (l->prefix && (arg || !l->n_args || l->args[0]->dtype != l->tensor->dtype))
        complain(v, "a prefix needs a place for the result of all");
    verify_block_combine(v, l);
}

static void check_stmt(Verify *v, const LStmt *l) {
    v->stmt = l;
    bool host = l->kind >= L_LAUNCH && l->kind != L_CALL;
    bool kernel = l->kind == L_FOR || l->kind == L_BUFFER || l->kind == L_STORE ||
                  (l->kind >= L_BARRIER && l->kind <= L_BULK_WAIT);
    if (host && v->func->kind == LF_KERNEL) complain(v, "a statement of host functions");
    if (kernel && v->func->kind == LF_HOST) complain(v, "a statement of kernels");
    switch (l->kind) {
    case L_FOR:
        check_for(v, l);
        break;
    case L_IF:
        check_if(v, l);
        break;
    case L_LOOP:
        check_loop(v, l);
        break;
    case L_STORE:
        check_store(v, l);
        break;
    case L_BUFFER:
        check_buffer(v, l);
        break;
    case L_LAUNCH:
        check_launch(v, l);
        break;
    case L_CALL:
        check_args(v, l);
        if (v->func->kind == LF_KERNEL) verify_block_call(v, l);
        break;
    case L_PLACE:
        check_place(v, l);
        break;
    case L_BIND:
        check_bind(v, l);
        break;
    case L_REQUIRE:
        verify_expr(v, l->cond, DT_BOOL, "the condition");
        break;
    case L_COPY:
        check_copy(v, l);
        break;
    case L_STREAM:
        if (v->func->kind == LF_KERNEL) complain(v, "kernels have no streams");
        break;
    case L_SWAP:
        check_swap(v, l);
        break;
    case L_COMBINE:
        check_combine(v, l);
        break;
    case L_BARRIER:
    case L_COMMIT:
        verify_block_stmt(v, l);
        break;
    case L_ASYNC:
    case L_WAIT:
    case L_FRAGMENT:
    case L_MMA:
        verify_leaf(v, l);
        break;
    case L_PRODUCTS:
    case L_PRODUCTS_WAIT:
        verify_group(v, l);
        break;
    case L_BULK:
    case L_BOX:
    case L_BULK_WAIT:
        verify_bulk(v, l);
        break;
    }
    v->stmt = NULL;
}

static void check_body(Verify *v, const LBody *body) {
    int n = v->scope.n;
    verify_block_body(v, body);
    for (int i = 0; i < body->at.n; i++) check_stmt(v, body->at.at[i]);
    v->scope.n = n;
}

static void check_func(Verify *v, const LFunc *f) {
    v->func = f;
    v->scope.n = 0;
    v->blocks = (Blocks){.threads = lfunc_threads(f)};
    if (f->kind == LF_KERNEL) {
        verify_expr(v, f->parallel, DT_INDEX, "the parallel extent");
        verify_expr(v, f->scratch, DT_INDEX, "the scratch size");
        vec_push(v->ctx->perm, &v->scope, ((Scope){f->lo, false, NULL}));
        vec_push(v->ctx->perm, &v->scope, ((Scope){f->hi, false, NULL}));
    }
    check_body(v, &f->body);
}

static const char *note_of(void *user, const void *thing) {
    return map_get_int(((Verify *)user)->notes, (uint64_t)(uintptr_t)thing);
}

bool loops_verify(Loops *l, const char *when) {
    Verify v = {.ctx = l->ctx, .loops = l, .notes = map_new(l->ctx->perm)};
    for (int i = 0; i < l->kernels.n; i++) {
        check_func(&v, l->kernels.at[i]);
        for (int k = 0; k < i; k++)
            if (!strcmp(l->kernels.at[i]->name, l->kernels.at[k]->name))
                complain(&v, "another function has this name");
    }
    if (l->bind) check_func(&v, l->bind);
    if (l->run) check_func(&v, l->run);
    if (!v.found) return true;
    Str text = str_new(l->ctx->perm);
    LPrint p = {.s = &text, .note = note_of, .user = &v};
    loops_print_noted(&p, l);
    diag_error(l->ctx, NULL, "the loops are not valid %s: %d violation%s", when, v.found,
               v.found == 1 ? "" : "s");
    diag_lines(l->ctx, str_c(&text));
    return false;
}
