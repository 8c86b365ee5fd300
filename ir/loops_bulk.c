/* Copies that the threads of a block send together: their text, and what they demand.
 *
 *   bulk %s[o] = %w[p] by 4096 at k % 4 of 4
 *   bulk_wait k % 4 of 4 */
#include "ir/loops_verify.h"

enum { PIECE = 16, MOST = 8 };

static void print_element(Str *s, const Tensor *t, const Expr *index) {
    print_value(s, t->name);
    str_char(s, '[');
    expr_print(s, index);
    str_char(s, ']');
}

void lprint_bulk(Str *s, const LStmt *l) {
    str_add(s, l->kind == L_BULK ? "bulk " : "bulk_wait ");
    if (l->kind == L_BULK) {
        print_element(s, l->tensor, l->index);
        str_add(s, " = ");
        print_element(s, l->args[0], l->iargs[0]);
        str_add(s, " by ");
        expr_print(s, l->hi);
        str_add(s, " at ");
    }
    expr_print(s, l->kind == L_BULK ? l->iargs[1] : l->lo);
    str_fmt(s, " of %d", l->width);
}

static bool parse_element(LParse *p, Tensor **t, Expr **index) {
    return (*t = kparse_tensor_ref(&p->k)) && lex_expect(p->k.lex, '[') &&
           lparse_expr(p, DT_INDEX, index) && lex_expect(p->k.lex, ']');
}

bool lparse_bulk(LParse *p, LStmt *l) {
    Lexer *x = p->k.lex;
    int64_t n;
    lleaf_operands(p->k.ctx, l);
    if (l->kind == L_BULK) {
        if (!parse_element(p, &l->tensor, &l->index) || !lex_expect(x, '=')) return false;
        if (!parse_element(p, &l->args[0], &l->iargs[0])) return false;
        if (!lex_expect_word(x, "by") || !lparse_expr(p, DT_INDEX, &l->hi)) return false;
        if (!lex_expect_word(x, "at")) return false;
    }
    if (!lparse_expr(p, DT_INDEX, l->kind == L_BULK ? &l->iargs[1] : &l->lo)) return false;
    if (!lex_expect_word(x, "of") || !lex_int(x, &n)) return false;
    l->width = (int)n;
    return true;
}

static void check_copy(Verify *v, const LStmt *l) {
    int64_t n = 0;
    verify_expr(v, l->index, DT_INDEX, "the subscript");
    verify_access(v, l->tensor, l->index);
    verify_access(v, l->args[0], l->iargs[0]);
    for (int i = 0; i < l->n_iargs; i++) verify_expr(v, l->iargs[i], DT_INDEX, "a number");
    expr_is_int(l->hi, &n);
    n *= (int64_t)dtype_bytes(l->tensor->dtype);
    if (n < PIECE || n % PIECE) complain(v, "%lld bytes are no whole pieces", (long long)n);
    if (l->tensor->space != SP_SHARED) complain(v, "%%%s is not shared", l->tensor->name);
    if (l->args[0]->space >= SP_TEMP) complain(v, "%%%s is not in memory", l->args[0]->name);
    if (l->args[0]->dtype != l->tensor->dtype) complain(v, "a copy does not convert");
    if (lfunc_differs(v->func, l->index) || lfunc_differs(v->func, l->iargs[0]))
        complain(v, "threads send different copies");
}

void verify_bulk(Verify *v, const LStmt *l) {
    Expr *number = l->kind == L_BULK ? l->iargs[1] : l->lo;
    int64_t lo = -1, hi = -1;
    verify_block_stmt(v, l);
    if (l->kind == L_BULK) check_copy(v, l);
    else verify_expr(v, l->lo, DT_INDEX, "the number of the copy");
    if (l->width < 1 || l->width > MOST || !expr_range(v->ctx, number, &lo, &hi) || lo < 0 ||
        hi >= l->width || lfunc_differs(v->func, number))
        complain(v, "the copy is none of %d", l->width);
    if (v->blocks.apart) complain(v, "not all threads come to this");
}
