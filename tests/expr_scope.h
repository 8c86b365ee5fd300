/* What the tests of expressions share: symbols, variables and tensors with names, and the way from
 * text to expressions and back. */
#ifndef ONNXCC_TESTS_EXPR_SCOPE_H
#define ONNXCC_TESTS_EXPR_SCOPE_H

#include "ir/kernel.h"
#include "ir/lex.h"
#include "ir/scalar_eval.h"

#include <stdlib.h>

static int failures, checks;

/* ---- a scope: a few symbols and variables ---- */

enum { N_SYMS = 5, N_VARS = 7, N_TENSORS = 3 };
typedef struct Scope {
    Ctx *ctx;
    Sym *sym[N_SYMS];
    Var *var[N_VARS];
    Tensor *tensor[N_TENSORS];
    int64_t sym_value[N_SYMS], var_value[N_VARS];
} Scope;

static Var *find_var(void *user, const char *name) {
    Scope *s = user;
    for (int i = 0; i < N_VARS; i++)
        if (!strcmp(s->var[i]->name, name)) return s->var[i];
    return NULL;
}

static Sym *find_sym(void *user, const char *name) {
    Scope *s = user;
    for (int i = 0; i < N_SYMS; i++)
        if (!strcmp(s->sym[i]->name, name)) return s->sym[i];
    return NULL;
}

static Tensor *find_tensor(void *user, const char *name) {
    Scope *s = user;
    for (int i = 0; i < N_TENSORS; i++)
        if (!strcmp(tensor_name(s->tensor[i]), name)) return s->tensor[i];
    return NULL;
}

static Expr *parse_as(Scope *s, const char *text, DType want) {
    ExprScope scope = {find_var, find_sym, find_tensor, s};
    Lexer *x = lex_open(s->ctx, "test", text, strlen(text));
    Expr *e = expr_parse(s->ctx, x, &scope, want);
    return e && lex_at(x, TOK_END) ? e : NULL;
}

static inline Expr *parse(Scope *s, const char *text) {
    return parse_as(s, text, DT_NONE);
}

static inline const char *text_of(Scope *s, const Expr *e) {
    Str text = str_new(s->ctx->perm);
    expr_print(&text, e);
    return str_c(&text);
}

/* `backwards` makes the symbols in the other order: nothing but ids may change. */
static Scope *scope_new(bool backwards) {
    static const struct {
        const char *name;
        int64_t lo, hi;
    } syms[N_SYMS] = {{"N", 1, INT64_MAX}, {"M", 0, INT64_MAX}, {"K", 0, INT64_MAX},
                      {"B", 1, 64},        {"past length", 0, 1024}};
    static const char *const vars[N_VARS][2] = {
        {"i", "N"}, {"j", "M"}, {"k", "4"}, {"l", "32"}, {"p", "N*M"}, {"q", "N*M*8"}, {"r", "K"}};
    Ctx *ctx = ctx_new();
    Scope *s = NEW(ctx->perm, Scope);
    s->ctx = ctx;
    for (int n = 0; n < N_SYMS; n++) {
        int i = backwards ? N_SYMS - 1 - n : n;
        s->sym[i] = sym_new(ctx, SYM_INPUT, syms[i].name, syms[i].lo, syms[i].hi);
    }
    for (int n = 0; n < N_VARS; n++) {
        int i = backwards ? N_VARS - 1 - n : n;
        s->var[i] = var_new(ctx, vars[i][0], NULL);
    }
    for (int i = 0; i < N_VARS; i++) s->var[i]->extent = parse(s, vars[i][1]);
    Expr *dims[] = {s->sym[0]->self, expr_int(ctx, 8)};
    s->tensor[0] = tensor_new(ctx, "x", DT_F32, dims, 2, SP_INPUT);
    s->tensor[1] = tensor_new(ctx, "idx", DT_I64, dims, 1, SP_INPUT);
    s->tensor[2] = tensor_new(ctx, "a/b c", DT_U8, dims, 1, SP_INPUT);
    return s;
}

#endif
