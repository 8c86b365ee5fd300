/* The text of large expressions: what occurs several times is written once, in front.
 *
 *   let %$1 = %x[i] - %m[]; let %$2 = fma(%$1[], 1.5, 2.0); %$2[] * %$1[]
 *
 * Expressions are graphs in memory; as trees the expansion of a few mathematical functions would
 * fill pages, that of an integer power would never end. Small expressions are written as they are.
 * A `let` only names text: reading it back gives the same expression. */
#include "ir/kernel_internal.h"

enum { INLINE = 64, WORTH = 4 }; /* nodes as a tree: of what has no lets, of what gets one */

/* ---- printing ---- */

typedef struct Info {
    int64_t tree;
    int uses;
} Info;
typedef struct Shared {
    Ctx *ctx;
    Arena *arena;
    Map *info;         /* Info by expression */
    VEC(Expr *) order; /* every inner expression, operands first */
    Map *names;        /* what stands for an expression: a load of a tensor of rank 0 */
} Shared;

static Info *info_of(const Shared *s, const Expr *e) {
    return map_get_int(s->info, (uint64_t)(uintptr_t)e);
}

static int64_t count(Shared *s, Expr *e) {
    Info *known = info_of(s, e);
    if (known) {
        known->uses++;
        return known->tree;
    }
    Info *i = NEW(s->arena, Info);
    i->tree = i->uses = 1;
    for (int k = 0; k < e->n; k++) i->tree += count(s, e->arg[k]);
    i->tree = MIN(i->tree, INT32_MAX);
    map_set_int(s->info, (uint64_t)(uintptr_t)e, i);
    if (e->n) vec_push(s->arena, &s->order, e);
    return i->tree;
}

static Expr *named(void *user, Expr *e) {
    Shared *s = user;
    Expr *name = e->n ? map_get_int(s->names, (uint64_t)(uintptr_t)e) : NULL;
    return name ? name : e;
}

/* Names e, which is `shown` once what is inside it has names. */
static void give_name(Shared *s, Expr *e, Expr *shown, int number) {
    char *text = arena_printf(s->ctx->perm, "$%d", number);
    Expr *load = expr_load(s->ctx, tensor_new(s->ctx, text, e->type, NULL, 0, SP_TEMP), NULL, 0);
    map_set_int(s->names, (uint64_t)(uintptr_t)e, load);
    map_set_int(s->names, (uint64_t)(uintptr_t)shown, load);
}

static void print_lets(Shared *s, Str *out, const Expr *whole) {
    int n = 0;
    for (int i = 0; i < s->order.n; i++) {
        Expr *e = s->order.at[i];
        const Info *f = info_of(s, e);
        bool worth = f->uses > 1 && f->tree >= WORTH && e->type != DT_INDEX && e != whole;
        if (!worth) continue;
        Expr *shown = expr_rewrite(s->ctx, e, named, s);
        give_name(s, e, shown, ++n);
        str_fmt(out, "let %%$%d = ", n);
        expr_print(out, shown);
        str_add(out, "; ");
    }
}

void kprint_value(Ctx *ctx, Str *out, Expr *e) {
    Shared s = {.ctx = ctx, .arena = arena_new()};
    s.info = map_new(s.arena);
    s.names = map_new(s.arena);
    if (count(&s, e) > INLINE) {
        print_lets(&s, out, e);
        e = expr_rewrite(ctx, e, named, &s);
    }
    expr_print(out, e);
    arena_free(s.arena);
}

/* ---- parsing ---- */

typedef struct Lets { /* what the names stand for, by their tensor */
    Map *by_tensor;
} Lets;

static Expr *meant(void *user, Expr *e) {
    const Lets *l = user;
    Expr *is = e->kind == E_LOAD ? map_get_int(l->by_tensor, (uint64_t)(uintptr_t)e->tensor) : NULL;
    return is ? is : e;
}

static Expr *parse_meant(KParse *p, Lets *l, DType want) {
    Expr *e = kparse_expr(p, want);
    return e ? expr_rewrite(p->ctx, e, meant, l) : NULL;
}

static bool parse_let(KParse *p, Lets *l) {
    const char *name;
    if (!lex_value(p->lex, &name) || !lex_expect(p->lex, '=')) return false;
    Expr *e = parse_meant(p, l, DT_NONE);
    if (!e || !lex_expect(p->lex, ';')) return false;
    Tensor *t = tensor_new(p->ctx, name, e->type, NULL, 0, SP_TEMP);
    map_set_int(l->by_tensor, (uint64_t)(uintptr_t)t, e);
    map_set(p->lets, name, t);
    return true;
}

Expr *kparse_value(KParse *p, DType want) {
    if (!lex_at_word(p->lex, "let")) return kparse_expr(p, want);
    Lets l = {map_new(p->ctx->perm)};
    p->lets = map_new(p->ctx->perm);
    bool ok = true;
    while (ok && lex_accept_word(p->lex, "let")) ok = parse_let(p, &l);
    Expr *e = ok ? parse_meant(p, &l, want) : NULL;
    p->lets = NULL;
    return e;
}
