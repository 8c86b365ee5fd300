/* Copies of boxes of tensors in memory, which the threads of a block send together (tensor maps):
 * their text, and what they demand.
 *
 *   box %s.a[o] = %x[p; k*32 of K by 1 box 32, i*128 of M by K box 128] at k % 4 of 4 each 2 */
#include "ir/loops_verify.h"

enum { LEAST_ROW = 32, MOST_ROW = 128, MOST_SIDE = 256, ROWS = 8, PIECE = 16 };

int lbox_dims(const LStmt *l) {
    return (l->n_iargs - BOX_DIMS) / BOX_DIM;
}

static Expr **dim(const LStmt *l, int d) {
    return l->iargs + BOX_DIMS + d * BOX_DIM;
}

int64_t lbox_row(const LStmt *l) {
    int64_t n = 0;
    expr_is_int(dim(l, 0)[BOX_SIZE], &n);
    return n * (int64_t)dtype_bytes(l->tensor->dtype);
}

int64_t loops_box_element(int64_t at, int64_t row, size_t bytes) {
    int64_t place = at * (int64_t)bytes;
    return (place ^ (place >> 3 & (row - PIECE))) / (int64_t)bytes;
}

/* ---- text ---- */
static const char *const words[] = {"of", "by", "box"};

void lprint_box(Str *s, const LStmt *l) {
    print_value(s, l->args[0]->name);
    str_char(s, '[');
    expr_print(s, l->iargs[0]);
    for (int d = 0; d < lbox_dims(l); d++) {
        str_add(s, d ? ", " : "; ");
        expr_print(s, dim(l, d)[BOX_AT]);
        for (int i = 0; i < LEN(words); i++) {
            str_fmt(s, " %s ", words[i]);
            expr_print(s, dim(l, d)[BOX_EXTENT + i]);
        }
    }
    str_char(s, ']');
}

bool lparse_box(LParse *p, LStmt *l) {
    Lexer *x = p->k.lex;
    Expr *all[BOX_DIMS + BOX_MOST_DIMS * BOX_DIM];
    int n = BOX_DIMS;
    if (!(l->args[0] = kparse_tensor_ref(&p->k)) || !lex_expect(x, '[')) return false;
    if (!lparse_expr(p, DT_INDEX, &all[0]) || !lex_expect(x, ';')) return false;
    do {
        if (n == LEN(all)) return lex_error(x, "a box has at most %d dimensions", BOX_MOST_DIMS);
        if (!lparse_expr(p, DT_INDEX, &all[n++])) return false;
        for (int i = 0; i < LEN(words); i++)
            if (!lex_expect_word(x, words[i]) || !lparse_expr(p, DT_INDEX, &all[n++])) return false;
    } while (lex_accept(x, ','));
    all[1] = NULL;
    l->hi = expr_int(p->k.ctx, 1);
    for (int i = BOX_DIMS + BOX_SIZE; i < n; i += BOX_DIM)
        l->hi = expr_mul(p->k.ctx, l->hi, all[i]);
    l->n_iargs = n;
    l->iargs = arena_copy(p->k.ctx->perm, all, sizeof *all * (size_t)n);
    return lex_expect(x, ']');
}

/* ---- checks ---- */
static void find_var(void *user, const Expr *e) {
    *(bool *)user |= e->kind == E_VAR || e->kind == E_LOAD;
}

/* A tensor map is made where the kernel is launched. */
static void check_fixed(Verify *v, const Expr *e, const char *what) {
    bool changes = false;
    expr_visit(e, find_var, &changes);
    if (changes) complain(v, "%s of the tensor changes within the kernel", what);
}

static void check_pieces(Verify *v, Expr *elements, const char *what, size_t bytes, int64_t of) {
    Expr *each = expr_int(v->ctx, of / (int64_t)bytes);
    if (!expr_is(expr_mod(v->ctx, elements, each), 0))
        complain(v, "%s is no multiple of %lld bytes", what, (long long)of);
}

static void check_dim(Verify *v, const LStmt *l, int d) {
    static const char *const what[] = {"the extent", "the distance"};
    size_t bytes = dtype_bytes(l->tensor->dtype);
    int64_t n = 0;
    for (int i = 0; i < LEN(what); i++) check_fixed(v, dim(l, d)[BOX_EXTENT + i], what[i]);
    if (d) check_pieces(v, dim(l, d)[BOX_STRIDE], "a distance", bytes, PIECE);
    else check_pieces(v, dim(l, d)[BOX_AT], "a row's first coordinate", bytes, PIECE);
    if (!d && !expr_is(dim(l, d)[BOX_STRIDE], 1))
        complain(v, "elements of a row are no neighbours");
    if (!expr_is_int(dim(l, d)[BOX_SIZE], &n) || n < 1 || n > MOST_SIDE)
        complain(v, "a side of the box is none of 1 to %d", MOST_SIDE);
}

void verify_box(Verify *v, const LStmt *l) {
    int64_t row = lbox_row(l), elements = 1, n = 0, all = 0;
    size_t bytes = dtype_bytes(l->tensor->dtype);
    check_fixed(v, l->iargs[0], "the beginning");
    check_pieces(v, l->iargs[0], "the tensor's beginning", bytes, PIECE);
    check_pieces(v, l->index, "the copy's place", bytes, ROWS * row);
    for (int d = 0; d < lbox_dims(l); d++) {
        check_dim(v, l, d);
        elements *= expr_is_int(dim(l, d)[BOX_SIZE], &n) ? n : 0;
    }
    if (row < LEAST_ROW || row > MOST_ROW || (row & (row - 1)))
        complain(v, "rows have 32, 64 or 128 bytes, not %lld", (long long)row);
    if (!expr_is_int(l->hi, &all) || all != elements || elements * (int64_t)bytes % (ROWS * row))
        complain(v, "a box of %lld elements is not made of %d rows", (long long)elements, ROWS);
}
