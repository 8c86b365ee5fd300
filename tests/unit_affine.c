/* Questions that isl answers: implied guards, injective maps, disjoint writes, boxes of accesses.
 *
 * Prints each failure; exits with 0 where there is none. */
#include "ir/affine.h"
#include "tests/expr_scope.h"

static void expect(bool ok, const char *what, int line) {
    checks++;
    if (ok) return;
    failures++;
    printf("unit_affine.c:%d: failed: %s\n", line, what);
}
#define EXPECT(cond) expect(cond, #cond, __LINE__)

static void test_implies(Scope *s) {
    Ctx *ctx = s->ctx;
    Var *ij[] = {s->var[0], s->var[1]}, *kl[] = {s->var[2], s->var[3]};
    Domain box = {ij, 2, NULL}, inner = {ij, 2, parse(s, "i >= 1 & j + i < M")};
    EXPECT(affine_implies(ctx, &box, parse(s, "i + 3 >= j - M")));
    EXPECT(!affine_implies(ctx, &box, parse(s, "i >= 1")));
    EXPECT(affine_implies(ctx, &inner, parse(s, "i >= 1")));
    EXPECT(affine_implies(ctx, &inner, parse(s, "j < M - 1")));
    EXPECT(affine_implies(ctx, &inner, parse(s, "i < M")));
    EXPECT(!affine_implies(ctx, &inner, parse(s, "i < M - 1")));
    Domain tile = {kl, 2, parse(s, "k*32 + l < 100")};
    EXPECT(affine_implies(ctx, &tile, parse(s, "k < 3 | l < 4")));
    EXPECT(!affine_implies(ctx, &tile, parse(s, "k < 3")));
    EXPECT(affine_implies(ctx, &tile, parse(s, "(k*32 + l) / 10 < 10")));
    Domain guarded = {ij, 2, parse(s, "i < 3 & %x[i, j] < 0.0")};
    EXPECT(affine_implies(ctx, &guarded, parse(s, "i < 4")));
    EXPECT(!affine_implies(ctx, &guarded, parse(s, "%x[i, j] < 0.0")));
    Domain nothing = {kl, 2, parse(s, "k*32 + l >= 60 & l < 28 & k < 2")};
    EXPECT(affine_empty(ctx, &nothing));
    EXPECT(!affine_empty(ctx, &tile));
    EXPECT(!affine_empty(ctx, &box));
}

static void test_injective(Scope *s) {
    Ctx *ctx = s->ctx;
    Var *ijk[] = {s->var[0], s->var[1], s->var[2]}, *kl[] = {s->var[2], s->var[3]};
    Domain three = {ijk, 3, NULL}, two = {kl, 2, NULL};
    Expr *turned[] = {parse(s, "j"), parse(s, "i*4 + k")};
    EXPECT(affine_injective(ctx, &three, turned, 2));
    EXPECT(!affine_injective(ctx, &three, turned, 1));
    Expr *overlap[] = {parse(s, "k*31 + l")}, *apart[] = {parse(s, "k*32 + l + N")};
    EXPECT(!affine_injective(ctx, &two, overlap, 1));
    EXPECT(affine_injective(ctx, &two, apart, 1));
    Expr *strange[] = {parse(s, "k + 4*l*l")};
    EXPECT(!affine_injective(ctx, &two, strange, 1)); /* it is, but that is not affine */
}

static void test_disjoint(Scope *s) {
    Ctx *ctx = s->ctx;
    Domain i = {&s->var[0], 1, NULL}, j = {&s->var[1], 1, NULL};
    Expr *first[] = {parse(s, "i")}, *second[] = {parse(s, "N + j")}, *near[] = {parse(s, "j + 1")};
    Expr *even[] = {parse(s, "2*i")}, *odd[] = {parse(s, "2*j + 1")};
    EXPECT(affine_disjoint(ctx, &i, first, &j, second, 1)); /* concat */
    EXPECT(!affine_disjoint(ctx, &i, first, &j, near, 1));
    EXPECT(affine_disjoint(ctx, &i, even, &j, odd, 1));
    EXPECT(!affine_disjoint(ctx, &i, first, &i, first, 1));
}

static void test_box(Scope *s) {
    Ctx *ctx = s->ctx;
    Var *kl[] = {s->var[2], s->var[3]};
    Domain d = {kl, 2, NULL};
    Expr *lo[2], *len[2], *window[] = {parse(s, "i*14 + 2*l + k - 1"), parse(s, "k")};
    EXPECT(affine_box(ctx, &d, window, 2, lo, len));
    EXPECT(lo[0] == parse(s, "i*14 - 1") && len[0] == parse(s, "66"));
    EXPECT(expr_is(lo[1], 0) && expr_is(len[1], 4));
    Domain padded = {kl, 2, parse(s, "k + l >= 2 & k + l < 10")};
    Expr *diagonal[] = {parse(s, "k + l - 2"), parse(s, "l / 4")};
    EXPECT(affine_box(ctx, &padded, diagonal, 2, lo, len));
    EXPECT(expr_is(lo[0], 0) && expr_is(len[0], 8));
    EXPECT(expr_is(lo[1], 0) && expr_is(len[1], 3));
    Domain all = {s->var, 2, NULL};
    Expr *both[] = {parse(s, "i + j")};
    EXPECT(affine_box(ctx, &all, both, 1, lo, len));
    EXPECT(expr_is(lo[0], 0) && len[0] == parse(s, "N + M - 1"));
    Expr *far[] = {parse(s, "cast(index, %idx[i])")};
    EXPECT(!affine_box(ctx, &all, far, 1, lo, len));
}

int main(void) {
    Scope *s = scope_new(false);
    test_implies(s);
    test_injective(s);
    test_disjoint(s);
    test_box(s);
    ctx_free(s->ctx);
    printf("%d checks, %d failures\n", checks, failures);
    return failures != 0;
}
