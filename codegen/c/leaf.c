/* CUDA: statements that are an instruction of a GPU each, as calls of runtime/tiles.h and
 * runtime/groups.h. */
#include "codegen/c/gen.h"
#include "ir/mma.h"

static const char *address(Printer *p, const Tensor *t, const Expr *index) {
    return arena_printf(p->arena, "&%s", c_element(p, t, index));
}

static const Expr *moved(Printer *p, Expr *index, Expr *by) {
    return expr_add(p->ctx, index, by);
}

static void print_async(Printer *p, const LStmt *l) {
    int64_t bytes = l->hi->i * (int64_t)dtype_bytes(l->tensor->dtype);
    const char *to = address(p, l->tensor, l->index), *from = address(p, l->args[0], l->iargs[0]);
    const char *there = l->cond ? c_expr(p, l->cond, PREC_ANY) : "true";
    const char *other = l->value ? c_stored(p, l->value) : NULL;
    if (other)
        c_line(p, "copy_or_fill_%lld(%s, %s, %s, %s);", (long long)bytes, to, from, there, other);
    else c_line(p, "copy_later_%lld(%s, %s, %s);", (long long)bytes, to, from, there);
}

/* A row of 8 elements that are neighbours is what each thread gives the address of. */
static void print_fragment(Printer *p, const LStmt *l) {
    bool along = expr_is(l->iargs[2], 1);
    const char *to = address(p, l->tensor, l->index), *from = address(p, l->args[0], l->iargs[0]);
    const char *stride = c_expr(p, l->iargs[along ? 1 : 2], PREC_ANY);
    c_line(p, "load_%s_%s(%s, %s, %s);", l->width == 16 ? "left" : "right",
           along ? "rows" : "steps", to, from, stride);
}

static const char *factor_types(Printer *p, const LStmt *l) {
    const char *left = dtype_name(l->dtype);
    return l->right == l->dtype ? left
                                : arena_printf(p->arena, "%s_%s", left, dtype_name(l->right));
}

static void print_mma(Printer *p, const LStmt *l) {
    const char *sum[4];
    for (int i = 0; i < 4; i++) {
        const Expr *at = l->index;
        if (i / 2) at = moved(p, (Expr *)(uintptr_t)at, l->iargs[2]);
        if (i % 2) at = moved(p, (Expr *)(uintptr_t)at, l->iargs[3]);
        sum[i] = address(p, l->tensor, at);
    }
    c_line(p, "add_products_%s(%s, %s, %s, %s, %s, %s);", factor_types(p, l), sum[0], sum[1],
           sum[2], sum[3], address(p, l->args[0], l->iargs[0]),
           address(p, l->args[1], l->iargs[1]));
}

/* ---- runtime/groups.h ---- */
static int64_t elements_of(const LStmt *l, int i) {
    int64_t n = 0;
    CHECK(expr_is_int(l->iargs[i], &n));
    return n;
}

static int64_t piece_of(DType t) {
    return MMA_PIECE / (int64_t)dtype_bytes(t);
}

/* Of factor f: address, and distances of matrices of 8 pieces of 16 bytes along its side and along
 * the steps, in pieces. */
static const char *group_factor(Printer *p, const LStmt *l, int f) {
    int at = f * PRODUCTS_FACTOR;
    int64_t piece = piece_of(l->args[f]->dtype);
    return arena_printf(p->arena, "GroupFactor{%s, %lld, %lld}",
                        address(p, l->args[f], l->iargs[at]),
                        (long long)(elements_of(l, at + 3) / piece),
                        (long long)(elements_of(l, at + 4) / piece));
}

void c_group(Printer *p, const LStmt *l) {
    if (l->kind == L_PRODUCTS_WAIT) {
        int64_t values = 0;
        CHECK(expr_is_int(l->tensor->dims[0], &values));
        c_line(p, "group_wait(%lld);", (long long)l->lo->i);
        if (expr_is(l->lo, 0))
            c_line(p, "group_sums<%lld>(%s);", (long long)values, name_find(p, l->tensor));
        return;
    }
    Str form = str_new(p->arena);
    for (int i = 0; i < 2; i++)
        str_fmt(&form, "%lld, ", (long long)elements_of(l, PRODUCTS_SIZES + i));
    str_fmt(&form, "%lld, ", (long long)(elements_of(l, PRODUCTS_SIZES + 2) / piece_of(l->dtype)));
    for (int f = 0; f < 2; f++) /* are neighbours in memory steps? */
        str_add(&form, elements_of(l, f * PRODUCTS_FACTOR + 2) == 1 ? "true, " : "false, ");
    for (int f = 0; f < 2; f++)
        str_fmt(&form, "%lld, ", (long long)elements_of(l, f * PRODUCTS_FACTOR + 5));
    str_fmt(&form, "%lld, %lld", (long long)elements_of(l, PRODUCTS_SUMS),
            (long long)elements_of(l, PRODUCTS_SUMS + 1));
    c_line(p, "group_products_%s<%s>(%s, %s, %s);", factor_types(p, l), str_c(&form),
           address(p, l->tensor, l->index), group_factor(p, l, 0), group_factor(p, l, 1));
}

void c_bulk(Printer *p, const LStmt *l) {
    if (l->kind == L_BULK_WAIT) {
        c_line(p, "bulk_wait(bulk_barrier, %s, &bulk_phases);", c_expr(p, l->lo, PREC_ANY));
        return;
    }
    if (l->kind == L_BOX) {
        c_box(p, l);
        return;
    }
    int64_t bytes = l->hi->i * (int64_t)dtype_bytes(l->tensor->dtype);
    const char *to = address(p, l->tensor, l->index), *from = address(p, l->args[0], l->iargs[0]);
    c_line(p, "bulk_copy<%d>(%s, %s, %lld, &bulk_barrier[%s]);", c_kernel_threads(p->func), to,
           from, (long long)bytes, c_expr(p, l->iargs[1], PREC_ANY));
}

void c_leaf(Printer *p, const LStmt *l) {
    CHECK(p->dialect == DIALECT_CUDA);
    if (l->kind == L_ASYNC) print_async(p, l);
    if (l->kind == L_COMMIT) c_line(p, "copies_commit();");
    if (l->kind == L_WAIT) c_line(p, "copies_wait(%lld);", (long long)l->lo->i);
    if (l->kind == L_FRAGMENT) print_fragment(p, l);
    if (l->kind == L_MMA) print_mma(p, l);
}
