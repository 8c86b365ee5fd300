/* The identity of a kernel: a hash of the canonical text of its what, in which names do not
 * count. */
#include "ir/kernel_internal.h"

/* Adds x to a list of the Canon, once; evaluates to whether it was new. */
#define add_new(c, list, x)                                                                        \
    (!holds((void **)(c)->list.at, (c)->list.n, (x)) &&                                            \
     (vec_push((c)->arena, &(c)->list, (x)), true))

static bool holds(void **list, int n, const void *x) {
    for (int i = 0; i < n; i++)
        if (list[i] == x) return true;
    return false;
}

static void rename_to(Canon *c, char **at, char letter, int number) {
    Renamed r = {at, *at};
    vec_push(c->arena, &c->renamed, r);
    *at = arena_printf(c->arena, "%c%d", letter, number);
}

static void number_expr(void *user, const Expr *e);

static void number_tensor(Canon *c, Tensor *t) {
    if (!t || !add_new(c, tensors, t)) return;
    rename_to(c, &t->name, 't', c->tensors.n);
    for (int i = 0; i < t->rank; i++) expr_visit(t->dims[i], number_expr, c);
}

static void number_expr(void *user, const Expr *e) {
    Canon *c = user;
    if (e->kind == E_LOAD) number_tensor(c, e->tensor);
    else if (e->kind == E_SYM && add_new(c, syms, e->sym))
        rename_to(c, &e->sym->name, 's', c->syms.n);
    else if (e->kind == E_VAR && add_new(c, vars, e->var))
        rename_to(c, &e->var->name, 'v', c->vars.n);
}

static void number_vars(Canon *c, Var *const *vars, int n) {
    for (int i = 0; i < n; i++) {
        if (add_new(c, vars, vars[i])) rename_to(c, &vars[i]->name, 'v', c->vars.n);
        expr_visit(vars[i]->extent, number_expr, c);
    }
}

static void number_stmt(Canon *c, const Stmt *s) {
    number_vars(c, s->dom, s->n_dom);
    number_vars(c, s->red, s->n_red);
    number_tensor(c, s->out);
    number_tensor(c, s->out2);
    for (int i = 0; i < stmt_target(s)->rank; i++) expr_visit(stmt_index(s, i), number_expr, c);
    expr_visit(s->value, number_expr, c);
}

void kprint_canonical(Ctx *ctx, Str *text, const Canon *c, const Kernel *k, const char *start) {
    for (int i = 0; i < c->syms.n; i++) {
        const Sym *y = c->syms.at[i];
        str_fmt(text, "%s%s in %lld..%lld\n", start, y->name, (long long)y->lo, (long long)y->hi);
    }
    for (int i = 0; i < c->tensors.n; i++) {
        const Tensor *t = c->tensors.at[i];
        Type type = type_make(t->dtype, t->dims, t->rank);
        str_fmt(text, "%s%s ", start, t->name);
        type_print(text, &type);
        if (t->layout) kprint_layout(text, t->layout);
        if (t->packed) str_fmt(text, " packed %d", t->packed);
        bool global = t->space == SP_INPUT || t->space == SP_OUTPUT || t->space == SP_ARENA;
        str_fmt(text, " %s\n", global ? "global" : space_names[t->space]);
    }
    for (int i = 0; i < k->stmts.n; i++) {
        str_add(text, start);
        kprint_stmt(ctx, text, k->stmts.at[i]);
        str_char(text, '\n');
    }
}

void kernel_renamed(Ctx *ctx, const Kernel *k, void (*fn)(void *user, const Canon *), void *user) {
    Canon c = {.arena = ctx->perm};
    for (int i = 0; i < k->stmts.n; i++) number_stmt(&c, k->stmts.at[i]);
    fn(user, &c);
    for (int i = 0; i < c.renamed.n; i++) *c.renamed.at[i].at = c.renamed.at[i].name;
}

typedef struct Text {
    Ctx *ctx;
    const Kernel *kernel;
    Str text;
} Text;

static void print_canonical(void *user, const Canon *c) {
    Text *t = user;
    kprint_canonical(t->ctx, &t->text, c, t->kernel, "");
}

char *kernel_canonical(Ctx *ctx, const Kernel *k) {
    Text t = {ctx, k, str_new(ctx->perm)};
    kernel_renamed(ctx, k, print_canonical, &t);
    return (char *)(uintptr_t)str_c(&t.text);
}

uint64_t kernel_hash(Ctx *ctx, const Kernel *k) {
    const char *text = kernel_canonical(ctx, k);
    return hash_bytes(text, strlen(text), 0);
}
