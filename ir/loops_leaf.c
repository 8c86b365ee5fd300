/* Statements of kernels that become an instruction of a GPU each: copies that arrive later, and
 * products of matrices by a warp. Their text, and what they demand:
 *
 *   async %s[o] = %x[p] by 4 if (c) else VALUE
 *   commit
 *   wait 1
 *   fragment %f[o] = %s[p; ROW, STEP] rows 16
 *   mma f16 %acc[o; ROW, COLUMN] += %f[p] * %g[q]
 *   mma u8 i8 %acc[o; ROW, COLUMN] += %f[p] * %g[q] */
#include "ir/loops_verify.h"
#include "ir/mma.h"

/* ---- text ---- */
static void element(Str *s, const Tensor *t, const Expr *index, Expr *const *more, int n) {
    print_value(s, t->name);
    str_char(s, '[');
    expr_print(s, index);
    for (int i = 0; i < n; i++) {
        str_add(s, i ? ", " : "; ");
        expr_print(s, more[i]);
    }
    str_char(s, ']');
}

static void print_async(Str *s, const LStmt *l) {
    str_add(s, "async ");
    element(s, l->tensor, l->index, NULL, 0);
    str_add(s, " = ");
    element(s, l->args[0], l->iargs[0], NULL, 0);
    str_add(s, " by ");
    expr_print(s, l->hi);
    if (!l->cond) return;
    str_add(s, " if (");
    expr_print(s, l->cond);
    str_char(s, ')');
    if (!l->value) return;
    str_add(s, " else ");
    expr_print(s, l->value);
}

void lprint_leaf(Str *s, const LStmt *l) {
    if (l->kind == L_ASYNC) print_async(s, l);
    if (l->kind == L_COMMIT) str_add(s, "commit");
    if (l->kind == L_WAIT) {
        str_add(s, "wait ");
        expr_print(s, l->lo);
    }
    if (l->kind == L_FRAGMENT) {
        str_add(s, "fragment ");
        element(s, l->tensor, l->index, NULL, 0);
        str_add(s, " = ");
        element(s, l->args[0], l->iargs[0], l->iargs + 1, 2);
        str_fmt(s, " rows %d", l->width);
    }
    if (l->kind == L_MMA) {
        str_fmt(s, "mma %s ", dtype_name(l->dtype));
        if (l->right != l->dtype) str_fmt(s, "%s ", dtype_name(l->right));
        element(s, l->tensor, l->index, l->iargs + 2, 2);
        str_add(s, " += ");
        element(s, l->args[0], l->iargs[0], NULL, 0);
        str_add(s, " * ");
        element(s, l->args[1], l->iargs[1], NULL, 0);
    }
}

static bool parse_element(LParse *p, Tensor **t, Expr **index, Expr **more, int n) {
    Lexer *x = p->k.lex;
    if (!(*t = kparse_tensor_ref(&p->k)) || !lex_expect(x, '[')) return false;
    if (!lparse_expr(p, DT_INDEX, index)) return false;
    for (int i = 0; i < n; i++)
        if (!lex_expect(x, i ? ',' : ';') || !lparse_expr(p, DT_INDEX, &more[i])) return false;
    return lex_expect(x, ']');
}

static bool parse_async(LParse *p, LStmt *l) {
    Lexer *x = p->k.lex;
    if (!parse_element(p, &l->tensor, &l->index, NULL, 0) || !lex_expect(x, '=')) return false;
    if (!parse_element(p, &l->args[0], &l->iargs[0], NULL, 0)) return false;
    if (!lex_expect_word(x, "by") || !lparse_expr(p, DT_INDEX, &l->hi)) return false;
    if (!lex_accept_word(x, "if")) return true;
    if (!lex_expect(x, '(') || !lparse_expr(p, DT_BOOL, &l->cond) || !lex_expect(x, ')'))
        return false;
    return !lex_accept_word(x, "else") || lparse_expr(p, l->tensor->dtype, &l->value);
}

static bool parse_fragment(LParse *p, LStmt *l) {
    Lexer *x = p->k.lex;
    int64_t rows;
    if (!parse_element(p, &l->tensor, &l->index, NULL, 0) || !lex_expect(x, '=')) return false;
    if (!parse_element(p, &l->args[0], &l->iargs[0], l->iargs + 1, 2)) return false;
    if (!lex_expect_word(x, "rows") || !lex_int(x, &rows)) return false;
    l->width = (int)rows;
    return true;
}

static bool parse_mma(LParse *p, LStmt *l) {
    Lexer *x = p->k.lex;
    const char *type;
    if (!lex_ident(x, &type)) return false;
    l->dtype = l->right = dtype_by_name(type);
    if (lex_at(x, TOK_IDENT)) {
        if (!lex_ident(x, &type)) return false;
        l->right = dtype_by_name(type);
    }
    if (!parse_element(p, &l->tensor, &l->index, l->iargs + 2, 2)) return false;
    if (!lex_expect(x, '+') || !lex_expect(x, '=')) return false;
    return parse_element(p, &l->args[0], &l->iargs[0], NULL, 0) && lex_expect(x, '*') &&
           parse_element(p, &l->args[1], &l->iargs[1], NULL, 0);
}

void lleaf_operands(Ctx *c, LStmt *l) {
    static const struct {
        int args, iargs;
    } room[] = {[L_ASYNC] = {1, 1},
                [L_FRAGMENT] = {1, 3},
                [L_MMA] = {2, 4},
                [L_PRODUCTS] = {2, PRODUCTS_ARGS},
                [L_BULK] = {1, 2},
                [L_BOX] = {1, BOX_DIMS}};
    if (l->kind >= LEN(room) || !room[l->kind].args) return;
    l->n_args = room[l->kind].args, l->n_iargs = room[l->kind].iargs;
    l->args = NEW_ARRAY(c->perm, Tensor *, l->n_args);
    l->iargs = NEW_ARRAY(c->perm, Expr *, l->n_iargs);
}

bool lparse_leaf(LParse *p, LStmt *l) {
    lleaf_operands(p->k.ctx, l);
    if (l->kind == L_ASYNC) return parse_async(p, l);
    if (l->kind == L_WAIT) return lparse_expr(p, DT_INDEX, &l->lo);
    if (l->kind == L_FRAGMENT) return parse_fragment(p, l);
    return l->kind != L_MMA || parse_mma(p, l);
}

/* ---- checks ---- */
static void check_operands(Verify *v, const LStmt *l) {
    verify_expr(v, l->index, DT_INDEX, "the subscript");
    verify_access(v, l->tensor, l->index);
    for (int i = 0; i < l->n_iargs; i++) verify_expr(v, l->iargs[i], DT_INDEX, "a number");
    for (int i = 0; i < l->n_args; i++) verify_access(v, l->args[i], l->iargs[i]);
}

static void check_async(Verify *v, const LStmt *l) {
    int64_t n = 0;
    const Tensor *from = l->args[0];
    if (l->cond) verify_expr(v, l->cond, DT_BOOL, "the condition");
    if (l->value) verify_expr(v, l->value, l->tensor->dtype, "what is there instead");
    expr_is_int(l->hi, &n);
    n *= (int64_t)dtype_bytes(from->dtype);
    if (n != 4 && n != 8 && n != 16) complain(v, "%lld bytes are copied at once", (long long)n);
    if (l->tensor->space != SP_SHARED) complain(v, "%%%s is not shared", l->tensor->name);
    if (from->space >= SP_TEMP) complain(v, "%%%s does not lie in memory", from->name);
    if (from->dtype != l->tensor->dtype) complain(v, "a copy does not convert");
}

static void check_fragment(Verify *v, const LStmt *l) {
    const Tensor *from = l->args[0];
    if (l->width != MMA_ROWS && l->width != MMA_COLUMNS)
        complain(v, "a fragment has %d or %d rows", MMA_ROWS, MMA_COLUMNS);
    if (l->tensor->space != SP_REG || l->tensor->dtype != DT_U32)
        complain(v, "%%%s holds no fragment", l->tensor->name);
    if (from->space != SP_SHARED || mma_sum(from->dtype, from->dtype) == DT_NONE)
        complain(v, "%%%s is no shared matrix that has fragments", from->name);
    bool rows = expr_is(l->iargs[2], 1), steps = expr_is(l->iargs[1], 1);
    if (!rows && !steps) complain(v, "its elements are no neighbours along either side");
}

static void check_mma(Verify *v, const LStmt *l) {
    DType sum = mma_sum(l->dtype, l->right);
    if (sum == DT_NONE) complain(v, "there are no such products");
    if (l->tensor->space != SP_REG || (sum != DT_NONE && l->tensor->dtype != sum))
        complain(v, "%%%s is not added up in registers", l->tensor->name);
    for (int i = 0; i < 2; i++)
        if (l->args[i]->space != SP_REG || l->args[i]->dtype != DT_U32)
            complain(v, "%%%s holds no fragment", l->args[i]->name);
}

void verify_leaf(Verify *v, const LStmt *l) {
    bool warp = l->kind == L_FRAGMENT || l->kind == L_MMA;
    verify_block_stmt(v, l);
    if (l->kind == L_WAIT) {
        verify_expr(v, l->lo, DT_INDEX, "the number of groups");
        if (l->lo && !expr_is_int(l->lo, NULL)) complain(v, "the number of groups is not constant");
        return;
    }
    check_operands(v, l);
    if (l->kind == L_ASYNC) check_async(v, l);
    if (l->kind == L_FRAGMENT) check_fragment(v, l);
    if (l->kind == L_MMA) check_mma(v, l);
    if (warp && v->blocks.apart) complain(v, "not all threads come to this");
    if (warp && v->blocks.threads % 32)
        complain(v, "%lld threads are no whole warps", (long long)v->blocks.threads);
}
