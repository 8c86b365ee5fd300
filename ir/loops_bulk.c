/* Copies that the threads of a block send together: their text, and what they demand.
 *
 *   bulk %s[o] = %w[p] by 4096 at k % 4 of 4 each 2
 *   box %t[o] = %x[...] at k % 4 of 4 each 2              # loops_box.c
 *   bulk_wait k % 4 of 4 each 2 */
#include "ir/loops_verify.h"

enum { PIECE = 16, MOST = 8, MOST_EACH = 16 };

static void print_element(Str *s, const Tensor *t, const Expr *index) {
    print_value(s, t->name);
    str_char(s, '[');
    expr_print(s, index);
    str_char(s, ']');
}

static Expr *number_of(const LStmt *l) {
    return l->kind == L_BULK_WAIT ? l->lo : l->iargs[1];
}

void lprint_bulk(Str *s, const LStmt *l) {
    str_add(s, l->kind == L_BULK ? "bulk " : l->kind == L_BOX ? "box " : "bulk_wait ");
    if (l->kind != L_BULK_WAIT) {
        print_element(s, l->tensor, l->index);
        str_add(s, " = ");
        if (l->kind == L_BOX) {
            lprint_box(s, l);
        } else {
            print_element(s, l->args[0], l->iargs[0]);
            str_add(s, " by ");
            expr_print(s, l->hi);
        }
        str_add(s, " at ");
    }
    expr_print(s, number_of(l));
    str_fmt(s, " of %d", l->width);
    if (l->each > 1) str_fmt(s, " each %d", l->each);
}

static bool parse_element(LParse *p, Tensor **t, Expr **index) {
    return (*t = kparse_tensor_ref(&p->k)) && lex_expect(p->k.lex, '[') &&
           lparse_expr(p, DT_INDEX, index) && lex_expect(p->k.lex, ']');
}

static bool parse_source(LParse *p, LStmt *l) {
    if (l->kind == L_BOX) return lparse_box(p, l);
    return parse_element(p, &l->args[0], &l->iargs[0]) && lex_expect_word(p->k.lex, "by") &&
           lparse_expr(p, DT_INDEX, &l->hi);
}

bool lparse_bulk(LParse *p, LStmt *l) {
    Lexer *x = p->k.lex;
    int64_t n, each = 1;
    lleaf_operands(p->k.ctx, l);
    if (l->kind != L_BULK_WAIT) {
        if (!parse_element(p, &l->tensor, &l->index) || !lex_expect(x, '=')) return false;
        if (!parse_source(p, l) || !lex_expect_word(x, "at")) return false;
    }
    if (!lparse_expr(p, DT_INDEX, l->kind == L_BULK_WAIT ? &l->lo : &l->iargs[1])) return false;
    if (!lex_expect_word(x, "of") || !lex_int(x, &n)) return false;
    if (lex_accept_word(x, "each") && !lex_int(x, &each)) return false;
    l->width = (int)n, l->each = (int)each;
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
    if (lfunc_differs(v->func, l->index)) complain(v, "threads send different copies");
    for (int i = 0; i < l->n_iargs; i++)
        if (lfunc_differs(v->func, l->iargs[i])) complain(v, "threads send different copies");
    if (l->kind == L_BOX) verify_box(v, l);
}

void verify_bulk(Verify *v, const LStmt *l) {
    Expr *number = number_of(l);
    int64_t lo = -1, hi = -1;
    verify_block_stmt(v, l);
    if (l->kind == L_BULK_WAIT) verify_expr(v, l->lo, DT_INDEX, "the number of the copy");
    else check_copy(v, l);
    if (l->each < 1 || l->each > MOST_EACH)
        complain(v, "%d copies have the same number", l->each);
    if (l->width < 1 || l->width > MOST || !expr_range(v->ctx, number, &lo, &hi) || lo < 0 ||
        hi >= l->width || lfunc_differs(v->func, number))
        complain(v, "the copy is none of %d", l->width);
    if (v->blocks.apart) complain(v, "not all threads come to this");
}
