/* Products of matrices by groups of four warps: their text, and what they demand.
 *
 *   products f16 128 128 32 %acc[o; R, C] += %a[p; S, K, S8, K8] * %b[q; S, K, S8, K8] rows 64
 *   products_wait 1 %acc
 *
 * The numbers are rows, columns and steps. R and C are the distances of a thread's
 * sums along rows and columns, S and K of elements of a matrix of 8 rows of 16 bytes along the side
 * and along the steps, S8 and K8 of such matrices. `products u8 i8`: of factors of two types. `rows
 * 64`: the factor lies as a box has left it, in rows of 64 bytes, of steps; or in rows of the side,
 * then those of the next columns behind all steps. */
#include "ir/loops_verify.h"
#include "ir/mma.h"

enum { DISTANCES = 4, ROW_BYTES = 5, GROUP = 128, ROWS = 64 };

/* ---- text ---- */
static void print_factor(Str *s, const LStmt *l, int f) {
    print_value(s, l->args[f]->name);
    for (int i = 0; i <= DISTANCES; i++) {
        str_add(s, i == 0 ? "[" : i == 1 ? "; " : ", ");
        expr_print(s, l->iargs[f * PRODUCTS_FACTOR + i]);
    }
    str_char(s, ']');
    const Expr *row = l->iargs[f * PRODUCTS_FACTOR + ROW_BYTES];
    if (expr_is(row, 0)) return;
    str_add(s, " rows ");
    expr_print(s, row);
}

void lprint_group(Str *s, const LStmt *l) {
    if (l->kind == L_PRODUCTS_WAIT) {
        str_add(s, "products_wait ");
        expr_print(s, l->lo);
        str_char(s, ' ');
        print_value(s, l->tensor->name);
        return;
    }
    str_fmt(s, "products %s ", dtype_name(l->dtype));
    if (l->right != l->dtype) str_fmt(s, "%s ", dtype_name(l->right));
    for (int i = 0; i < 3; i++) {
        expr_print(s, l->iargs[PRODUCTS_SIZES + i]);
        str_char(s, ' ');
    }
    print_value(s, l->tensor->name);
    str_char(s, '[');
    expr_print(s, l->index);
    for (int i = 0; i < 2; i++) {
        str_add(s, i ? ", " : "; ");
        expr_print(s, l->iargs[PRODUCTS_SUMS + i]);
    }
    str_add(s, "] += ");
    print_factor(s, l, 0);
    str_add(s, " * ");
    print_factor(s, l, 1);
}

static bool parse_factor(LParse *p, LStmt *l, int f) {
    Lexer *x = p->k.lex;
    if (!(l->args[f] = kparse_tensor_ref(&p->k))) return false;
    for (int i = 0; i <= DISTANCES; i++) {
        if (!lex_expect(x, i == 0 ? '[' : i == 1 ? ';' : ',')) return false;
        if (!lparse_expr(p, DT_INDEX, &l->iargs[f * PRODUCTS_FACTOR + i])) return false;
    }
    int64_t row = 0;
    if (!lex_expect(x, ']') || (lex_accept_word(x, "rows") && !lex_int(x, &row))) return false;
    l->iargs[f * PRODUCTS_FACTOR + ROW_BYTES] = expr_int(p->k.ctx, row);
    return true;
}

static bool parse_products(LParse *p, LStmt *l) {
    Lexer *x = p->k.lex;
    const char *type;
    if (!lex_ident(x, &type)) return false;
    l->dtype = l->right = dtype_by_name(type);
    if (lex_at(x, TOK_IDENT)) {
        if (!lex_ident(x, &type)) return false;
        l->right = dtype_by_name(type);
    }
    for (int i = 0; i < 3; i++) {
        int64_t n;
        if (!lex_int(x, &n)) return false;
        l->iargs[PRODUCTS_SIZES + i] = expr_int(p->k.ctx, n);
    }
    if (!(l->tensor = kparse_tensor_ref(&p->k)) || !lex_expect(x, '[')) return false;
    if (!lparse_expr(p, DT_INDEX, &l->index)) return false;
    for (int i = 0; i < 2; i++)
        if (!lex_expect(x, i ? ',' : ';') ||
            !lparse_expr(p, DT_INDEX, &l->iargs[PRODUCTS_SUMS + i]))
            return false;
    if (!lex_expect(x, ']') || !lex_expect(x, '+') || !lex_expect(x, '=')) return false;
    return parse_factor(p, l, 0) && lex_expect(x, '*') && parse_factor(p, l, 1);
}

bool lparse_group(LParse *p, LStmt *l) {
    lleaf_operands(p->k.ctx, l);
    if (l->kind == L_PRODUCTS) return parse_products(p, l);
    return lparse_expr(p, DT_INDEX, &l->lo) && (l->tensor = kparse_tensor_ref(&p->k));
}

/* ---- checks ---- */
static int64_t number(const LStmt *l, int i) {
    int64_t n = 0;
    expr_is_int(l->iargs[i], &n);
    return n;
}

static void check_factor(Verify *v, const LStmt *l, int f) {
    const Tensor *t = l->args[f];
    DType type = f ? l->right : l->dtype;
    int64_t piece = MMA_PIECE / (int64_t)dtype_bytes(type);
    int at = f * PRODUCTS_FACTOR;
    int64_t side = number(l, at + 1), step = number(l, at + 2);
    verify_access(v, t, l->iargs[at]);
    if (t->space != SP_SHARED || t->dtype != type)
        complain(v, "%%%s is no shared matrix of %s", t->name, dtype_name(type));
    int64_t row = number(l, at + ROW_BYTES) / (int64_t)dtype_bytes(type), far = row ? row : piece;
    if (!(side == far && step == 1) && !(side == 1 && step == far && dtype_bytes(type) == 2))
        complain(v, "%%%s is not made of %s", t->name,
                 row ? "such rows" : "matrices of 8 rows of 16 bytes");
    if (row && (number(l, at + 3) != 8 * side || number(l, at + 4) != piece * step))
        complain(v, "rows of %%%s are not neighbours", t->name);
    for (int i = 3; i <= DISTANCES; i++)
        if (number(l, at + i) < 1 || number(l, at + i) % piece)
            complain(v, "matrices of %%%s do not lie at multiples of 16 bytes", t->name);
}

static void check_products(Verify *v, const LStmt *l) {
    int64_t rows = number(l, PRODUCTS_SIZES), columns = number(l, PRODUCTS_SIZES + 1),
            steps = number(l, PRODUCTS_SIZES + 2);
    verify_expr(v, l->index, DT_INDEX, "the subscript");
    verify_access(v, l->tensor, l->index);
    for (int i = 0; i < l->n_iargs; i++) verify_expr(v, l->iargs[i], DT_INDEX, "a number");
    if (mma_sum(l->dtype, l->right) == DT_NONE) {
        complain(v, "there are no such products");
        return;
    }
    if (rows < 1 || rows % ROWS || steps < 1 || steps % mma_steps(l->dtype) ||
        (columns != 64 && columns != 128))
        complain(v, "no group multiplies matrices of this size");
    if (number(l, PRODUCTS_SUMS) < 1 || number(l, PRODUCTS_SUMS + 1) < 1)
        complain(v, "sums without a distance");
    for (int f = 0; f < 2; f++) check_factor(v, l, f);
}

void verify_group(Verify *v, const LStmt *l) {
    int64_t open = 0;
    verify_block_stmt(v, l);
    if (l->kind == L_PRODUCTS) check_products(v, l);
    else verify_expr(v, l->lo, DT_INDEX, "the number of products");
    if (l->kind == L_PRODUCTS_WAIT && (!expr_is_int(l->lo, &open) || open < 0 || open > 1))
        complain(v, "all products but the last 0 or 1 are waited for");
    DType sum = l->tensor->dtype;
    bool typed = l->kind == L_PRODUCTS ? sum == mma_sum(l->dtype, l->right)
                                       : sum == DT_F32 || sum == DT_I32;
    if (l->tensor->space != SP_REG || !typed)
        complain(v, "%%%s is not added up in registers", l->tensor->name);
    if (v->blocks.apart) complain(v, "not all threads come to this");
    if (v->blocks.threads % GROUP)
        complain(v, "%lld threads are no whole groups", (long long)v->blocks.threads);
}
