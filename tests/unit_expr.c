/* Expressions: what they simplify to, what rewriting and unification make of them, and that their
 * text reads back as the very same expression.
 *
 * Prints each failure; exits with 0 where there is none. */
#include "tests/expr_scope.h"

static void expect_text(Scope *s, const char *from, const char *want, int line) {
    Expr *e = parse(s, from);
    const char *got = e ? text_of(s, e) : "(an error)";
    checks++;
    if (e && parse(s, got) != e) {
        failures++;
        printf("unit_expr.c:%d: %s reads back as something else\n", line, got);
    }
    if (!strcmp(got, want)) return;
    failures++;
    printf("unit_expr.c:%d: %s\n    got  %s\n    want %s\n", line, from, got, want);
}

static void expect(bool ok, const char *what, int line) {
    checks++;
    if (ok) return;
    failures++;
    printf("unit_expr.c:%d: failed: %s\n", line, what);
}

#define IS(from, want) expect_text(s, from, want, __LINE__)
#define EXPECT(cond) expect(cond, #cond, __LINE__)

/* ---- what simplifies to what ---- */

static void test_sums(Scope *s) {
    IS("i + 1 + i", "i*2 + 1");
    IS("(i + 1)*(i - 1)", "i*i - 1");
    IS("N*(M + 1) - N*M", "N");
    IS("-i - 3", "-i - 3");
    IS("3 - i*2", "-i*2 + 3");
    IS("9223372036854775807 + N + 1", "N + 9223372036854775807 + 1");
    IS("(i - i)*N", "0");
}

static void test_division(Scope *s) {
    IS("(i*M + j) / M", "i");
    IS("(i*M + j) % M", "j");
    IS("(i*32 + l) / 32", "i");
    IS("(i*32 + l) % 32", "l");
    IS("(i*4) / 8", "i / 2");
    IS("(i*4 + k) / 8", "i / 2");
    IS("(i*4 + k) % 8", "k + (i % 2)*4");
    IS("(i*M*4 + j*4 + k) / (M*4)", "i");
    IS("(i*M*4 + j*4 + k) % (M*4)", "j*4 + k");
    IS("((i*M*4 + j*4 + k) / 4) % M", "j");
    IS("p / 3 / 5", "p / 15");
    IS("(p / 3 + 2) / 5", "(p + 6) / 15");
    IS("(p % 12) % 4", "p % 4");
    IS("(p % 12) / 4", "(p / 4) % 3");
    IS("(p % (4*N)) / N", "(p / N) % 4");
    IS("p / M", "p / M");
    IS("(p / M) % N", "p / M");
    IS("p / (N*M)", "0");
    IS("p % (N*M)", "p");
    IS("q / (N*M)", "q / (M*N)");
    IS("q / (N*M) % 8", "q / (M*N)");
    IS("(5*p) / 4", "p + p / 4");
    IS("(i*(M + 2) + j + 1) / (M + 2)", "i");
    IS("(i*(M + 2) + j + 1) % (M + 2)", "j + 1");
    IS("(N*M) / N", "M");
    IS("(p % 8 + 3) % 8", "(p + 3) % 8");
    IS("(0 - k - 1) / 4", "-1");
    IS("(0 - k - 1) % 4", "-k + 3");
    IS("p / -3", "(-p) / 3");
}

static void test_inverse(Scope *s) {
    IS("(p / M)*M + p % M", "p");
    IS("(p / M)*M*4 + (p % M)*4 + k", "k + p*4");
    IS("(q / (N*M))*N*M + (q / M % N)*M + q % M", "q");
    IS("(q / 4 % 6)*4 + q % 4", "q % 24");
    IS("((q / 4 % 6)*4 + q % 4) / 4", "(q / 4) % 6");
    IS("i*(p / 4)*4 + i*(p % 4)", "i*p");
}

static void test_choice(Scope *s) {
    IS("min(i, N)", "i");
    IS("max(N, 1)", "N");
    IS("max(0, i - 1)", "max(i - 1, 0)");
    IS("min(max(i - 1, 0), N - 1)", "max(i - 1, 0)");
    IS("min(min(K, 7), min(9, M))", "min(min(K, M), 7)");
    IS("min(B, 100)", "B");
    IS("min(max(p, 0), N*M - 1)", "p");
    IS("select(i < 0, i + N, i)", "i");
    IS("select(j < 2, i + 1, i + 4)", "i + select(j < 2, -3, 0) + 4");
    IS("bound(i, N)", "i");
    IS("bound(i - 1, N)", "bound(i - 1, N)");
    IS("abs(i)", "i");
    IS("div(i, 2)", "i / 2");
    IS("bound(min(max(cast(index, %idx[i]), 0), N - 1), N)",
       "min(max(cast(index, %idx[i]), 0), N - 1)");
    IS("max(M, 1)", "max(M, 1)");
    IS("max(M, 1)*0 + max(j, M)", "M");
}

static void test_conditions(Scope *s) {
    IS("i < N", "true");
    IS("i + j >= N + M - 1", "false");
    IS("i*M + j < N*M", "true");
    IS("i - 1 >= 0 & i - 1 < N", "i >= 1");
    IS("0 < i", "i >= 1");
    IS("i <= 5", "i < 6");
    IS("i + k - 1 >= 0 & i + k - 1 < N", "i + k < N + 1 & i + k >= 1");
    IS("2*i < 7", "i < 4");
    IS("2*i == 7", "false");
    IS("N - i == 0", "false");
    IS("i == j", "i == j");
    IS("!(i < 3)", "i >= 3");
    IS("i < 3 & i < 5 & j != 2", "j != 2 & i < 3");
    IS("i < 3 & i >= 3", "false");
    IS("i < 3 | i >= 2", "true");
    IS("j < 2 & i < 2", "i < 2 & j < 2");
    IS("cast(i64, i) >= cast(i64, j)", "j < i + 1");
    IS("cast(i64, i) + 1:i64 > 0:i64", "true");
    IS("guard(i < N, %x[i, k], 0.0)", "%x[i, k]");
    IS("guard(i < 3, guard(j < 2, %x[i, k], 0.0), 0.0)", "guard(i < 3 & j < 2, %x[i, k], 0.0)");
}

static void test_elements(Scope *s) {
    IS("%x[i, k] * 2.0 + 1e-5", "%x[i, k] * 2.0 + 1e-05");
    IS("%x[i, k] - (%x[i, 0] - 1)", "%x[i, k] - (%x[i, 0] - 1.0)");
    IS("-(1.0) - -1.0", "-(1.0) - -1.0");
    IS("max(%x[i, k], 0)", "max(%x[i, k], 0.0)");
    IS("cast(f16, %x[i, k]) * 0.1", "cast(f16, %x[i, k]) * 0.099975586:f16");
    IS("%\"a/b c\"[i] + 255", "%\"a/b c\"[i] + 255:u8");
    IS("2:i64 * 3:i64 + %idx[i]", "6:i64 + %idx[i]");
    IS("\"past length\" + 1", "\"past length\" + 1");
    IS("%idx[i] / 2", "%idx[i] / 2:i64");
    IS("floordiv(%idx[i], 2)", "floordiv(%idx[i], 2:i64)");
    IS("cast(index, %idx[i] + cast(i64, j))", "j + cast(index, %idx[i])");
    IS("18446744073709551615:u64", "18446744073709551615:u64");
    IS("-9223372036854775808:i64", "-9223372036854775808:i64");
    IS("cast(i8, 300:i64)", "44:i8");
    IS("nan + inf - -inf", "nan + inf - -inf");
    IS("!(%x[i, k] < 0.0) & isnan(%x[i, k])", "isnan(%x[i, k]) & !(%x[i, k] < 0.0)");
    EXPECT(parse(s, "%x[i] + true") == NULL);
    EXPECT(parse(s, "%x[i, k] + %idx[i]") == NULL);
    EXPECT(parse(s, "i + ") == NULL);
    EXPECT(parse(s, "1.5:i64") == NULL);
    EXPECT(parse(s, "300:i8") == NULL);
    EXPECT(parse_as(s, "3", DT_F16) == expr_const_flt(s->ctx, DT_F16, 3));
    EXPECT(parse_as(s, "i", DT_F16) == NULL);
}

/* ---- chains of views ---- */

/* Row-major: the flat index of (index[0], ..) within extents. */
static Expr *flatten(Ctx *ctx, Expr *const *index, Expr *const *extent, int n) {
    Expr *flat = expr_int(ctx, 0);
    for (int i = 0; i < n; i++)
        flat = expr_add(ctx, expr_mul(ctx, flat, extent[i]), index[i]);
    return flat;
}

static void unflatten(Ctx *ctx, Expr *flat, Expr *const *extent, int n, Expr **index) {
    for (int i = n - 1; i >= 0; i--) {
        index[i] = i ? expr_mod(ctx, flat, extent[i]) : flat;
        flat = expr_floordiv(ctx, flat, extent[i]);
    }
}

/* [N, M, 4] -> [N*M, 4] -> [N, 4*M] -> [N, M, 4]; then transposed, to [4, M, N] and back. */
static void test_reshapes(Scope *s) {
    Ctx *ctx = s->ctx;
    Expr *n = s->sym[0]->self, *m = s->sym[1]->self, *four = expr_int(ctx, 4), *x[3], *y[3];
    Expr *whole[] = {n, m, four}, *front[] = {expr_mul(ctx, n, m), four};
    Expr *back[] = {n, expr_mul(ctx, four, m)}, *turned[] = {four, m, n};
    Expr *at[] = {s->var[0]->self, s->var[1]->self, s->var[2]->self};
    unflatten(ctx, flatten(ctx, at, whole, 3), front, 2, x);
    unflatten(ctx, flatten(ctx, x, front, 2), back, 2, y);
    unflatten(ctx, flatten(ctx, y, back, 2), whole, 3, x);
    for (int i = 0; i < 3; i++) EXPECT(x[i] == at[i]);
    Expr *t[] = {at[2], at[1], at[0]}, *flat = flatten(ctx, t, turned, 3);
    unflatten(ctx, flat, whole, 3, x); /* a reshape that mixes */
    EXPECT(flatten(ctx, x, whole, 3) == flat);
    unflatten(ctx, flatten(ctx, x, whole, 3), turned, 3, y);
    for (int i = 0; i < 3; i++) EXPECT(y[i] == t[i]);
}

/* The same with a loop over the flat index alone. */
static void test_flat(Scope *s) {
    Ctx *ctx = s->ctx;
    Expr *n = s->sym[0]->self, *m = s->sym[1]->self, *x[3], *y[4];
    Expr *q = s->var[5]->self; /* below N*M*8 */
    Expr *a[] = {expr_int(ctx, 8), n, m};
    Expr *b[] = {expr_int(ctx, 2), expr_int(ctx, 4), n, m};
    unflatten(ctx, q, a, 3, x);
    EXPECT(flatten(ctx, x, a, 3) == q);
    unflatten(ctx, flatten(ctx, x, a, 3), b, 4, y);
    EXPECT(flatten(ctx, y, b, 4) == q);
    EXPECT(expr_add(ctx, expr_muli(ctx, y[0], 4), y[1]) == x[0]);
    EXPECT(expr_in_range(ctx, x[0], a[0]) == expr_const_int(ctx, DT_BOOL, 1));
    EXPECT(expr_in_range(ctx, x[1], n) == expr_const_int(ctx, DT_BOOL, 1));
}

/* Padded by one on all sides, then flattened. */
static void test_padded(Scope *s) {
    Ctx *ctx = s->ctx;
    Expr *h = expr_addi(ctx, s->sym[1]->self, 2), *w = expr_addi(ctx, s->sym[2]->self, 2), *x[3];
    Expr *extent[] = {s->sym[0]->self, h, w}, *at[3];
    for (int i = 0; i < 3; i++) at[i] = var_new(ctx, "v", extent[i])->self;
    unflatten(ctx, flatten(ctx, at, extent, 3), extent, 3, x);
    for (int i = 0; i < 3; i++) EXPECT(x[i] == at[i]);
    Expr *joined[] = {s->sym[0]->self, expr_mul(ctx, h, w)}, *y[2];
    unflatten(ctx, flatten(ctx, at, extent, 3), joined, 2, y);
    EXPECT(y[0] == at[0]);
    unflatten(ctx, flatten(ctx, y, joined, 2), extent, 3, x);
    for (int i = 0; i < 3; i++) EXPECT(x[i] == at[i]);
}

/* Tiles of 32 with a rest: what is known about the outer variable. */
static void test_tiles(Scope *s) {
    Ctx *ctx = s->ctx;
    Expr *m = s->sym[1]->self, *size = expr_int(ctx, 32);
    Expr *o = var_new(ctx, "o", expr_ceildiv(ctx, m, size))->self, *l = s->var[3]->self;
    Expr *at = expr_add(ctx, expr_mul(ctx, o, size), l);
    EXPECT(expr_prove_lt(ctx, expr_mul(ctx, o, size), m));
    EXPECT(!expr_prove_lt(ctx, at, m) && expr_prove_lt(ctx, at, expr_addi(ctx, m, 31)));
    EXPECT(expr_floordiv(ctx, at, size) == o && expr_mod(ctx, at, size) == l);
    Expr *v = var_new(ctx, "v", expr_addi(ctx, m, -2))->self; /* so M >= 3 */
    EXPECT(expr_prove_ge0(ctx, expr_addi(ctx, expr_add(ctx, v, m), -3)));
    EXPECT(!expr_prove_ge0(ctx, expr_addi(ctx, m, -3)));
}

static void test_rewriting(Scope *s) {
    Ctx *ctx = s->ctx;
    Expr *e = parse(s, "(i*M + j) / 4 + max(i, 3)"), *coef, *rest;
    EXPECT(expr_subst1(ctx, e, s->var[0], expr_int(ctx, 0)) == parse(s, "j / 4 + 3"));
    Var *i = s->var[0], *j = s->var[1];
    Subst swap = {(Var *[]){i, j}, (Expr *[]){j->self, i->self}, 2};
    EXPECT(expr_subst(ctx, parse(s, "i*3 + j"), &swap) == parse(s, "j*3 + i"));
    EXPECT(expr_linear_in(ctx, parse(s, "i*M*2 + j + N"), s->var[0], &coef, &rest));
    EXPECT(coef == parse(s, "M*2") && rest == parse(s, "j + N"));
    EXPECT(!expr_linear_in(ctx, parse(s, "i*i"), s->var[0], &coef, &rest));
    EXPECT(!expr_linear_in(ctx, parse(s, "i / 2"), s->var[0], &coef, &rest));
    EXPECT(expr_linear_in(ctx, parse(s, "j / 2"), s->var[0], &coef, &rest) && expr_is(coef, 0));
    EXPECT(expr_uses_var(e, s->var[0]) && !expr_uses_var(e, s->var[2]));
    EXPECT(expr_uses_tensor(parse(s, "%x[i, 0] + 1.0"), s->tensor[0]));
    EXPECT(!expr_uses_tensor(parse(s, "%x[i, 0] + 1.0"), s->tensor[1]));
    EXPECT(expr_size(parse(s, "i*2 + j")) == 4);
}

static void test_unify(void) {
    Scope *s = scope_new(false);
    Ctx *ctx = s->ctx;
    Sym *n = s->sym[0], *m = s->sym[1], *k = s->sym[2], *b = s->sym[3];
    Sym *v = sym_new(ctx, SYM_VALUE, "v", 0, INT64_MAX);
    Sym *d = sym_new(ctx, SYM_DERIVED, "d", 0, INT64_MAX);
    d->def = expr_floordiv(ctx, n->self, expr_int(ctx, 2));
    EXPECT(!expr_unify(ctx, b->self, expr_int(ctx, 65)));
    EXPECT(!expr_unify(ctx, expr_addi(ctx, n->self, 1), n->self));
    EXPECT(!expr_unify(ctx, expr_muli(ctx, m->self, 2), expr_int(ctx, 7)));
    EXPECT(!expr_unify(ctx, parse(s, "2*M"), parse(s, "4*K + 1")));
    Expr *least = parse(s, "min(B, 32)");
    EXPECT(sym_narrow(ctx, b, 0, 32) && b->lo == 1 && b->hi == 32 && !sym_narrow(ctx, b, 33, 99));
    EXPECT(expr_resolve(ctx, least) == b->self);
    EXPECT(expr_unify(ctx, d->self, n->self)); /* n = n/2: not wrong, but no definition */
    EXPECT(!n->merged);
    EXPECT(expr_unify(ctx, n->self, expr_addi(ctx, v->self, 2)));
    EXPECT(v->merged && expr_resolve(ctx, v->self) == expr_addi(ctx, n->self, -2));
    EXPECT(n->lo == 2); /* v >= 0 */
    EXPECT(expr_unify(ctx, parse(s, "M*6"), parse(s, "N*6")) && m->merged == n->self);
    Expr *e = expr_add(ctx, parse(s, "max(M, 2)*3"), v->self);
    EXPECT(expr_resolve(ctx, e) == parse(s, "N*4 - 2"));
    EXPECT(expr_unify(ctx, k->self, expr_mul(ctx, b->self, n->self)));
    EXPECT(expr_prove_eq(ctx, k->self, expr_mul(ctx, m->self, b->self)));
    EXPECT(expr_unify(ctx, parse(s, "N*2 + 1"), expr_int(ctx, 9)));
    EXPECT(expr_resolve(ctx, k->self) == expr_muli(ctx, b->self, 4));
    EXPECT(!expr_unify(ctx, m->self, expr_int(ctx, 5)));
    ctx_free(ctx);
}

int main(void) {
    Scope *s = scope_new(false);
    s->ctx->log = fopen("/dev/null", "w"); /* the messages of what must not parse */
    test_sums(s);
    test_division(s);
    test_inverse(s);
    test_choice(s);
    test_conditions(s);
    test_elements(s);
    test_reshapes(s);
    test_flat(s);
    test_padded(s);
    test_tiles(s);
    test_rewriting(s);
    fclose(s->ctx->log);
    ctx_free(s->ctx);
    test_unify();
    printf("%d checks, %d failures\n", checks, failures);
    return failures != 0;
}
