/* Proofs of e >= 0, by elimination: an atom whose coefficient has a known sign is replaced by the
 * bound that makes e smallest, until constant bounds decide. Operations (floordiv, mod, min, ...)
 * go first, then variables, whose bounds are 0 and extent - 1, then symbols. A few sample points
 * refute most of what is not provable before the search begins. The answer depends on e and the
 * bounds of symbols alone, not on what was asked before.
 *
 * Where a variable occurs its extent is at least 1, which says something about the symbols in it.
 * (That a divisor is not 0 says nothing: a select may stand between.) */
#include "ir/expr_internal.h"

enum { BUDGET = 48, DEPTH = 14, SAMPLES = 4, SAMPLE_STEPS = 400, MAX_ALIVE = 16 };

typedef struct Prover {
    Ctx *ctx;
    int budget;
    Expr *goal;
    struct Alive { /* what the extents of variables that occur in the goal say */
        const Sym *sym;
        int64_t least;
    } alive[MAX_ALIVE];
    int n_alive;
    bool has_alive; /* alive[] is filled */
} Prover;

static bool prove(Prover *p, Expr *e, int depth);

/* ---- sample points ---- */

typedef struct Sample {
    Ctx *ctx;
    int number, steps;
} Sample;

static bool sample(Sample *s, Expr *e, int64_t *v);

static int64_t pick(Sample *s, const Expr *e, int64_t lo, int64_t hi) {
    static const int64_t spread = 97;
    if (lo == INT64_MIN) lo = hi < INT64_MIN + 2 * spread ? hi : MIN(hi - spread, -spread);
    if (hi == INT64_MAX) hi = lo > INT64_MAX - spread ? lo : lo + spread;
    if (s->number < 2) return s->number == 0 ? lo : hi;
    uint64_t width = (uint64_t)hi - (uint64_t)lo;
    uint64_t h = hash_mix((uint64_t)e->id + 1, (uint64_t)s->number);
    return width == UINT64_MAX ? (int64_t)h : (int64_t)((uint64_t)lo + h % (width + 1));
}

static bool sample_name(Sample *s, Expr *e, int64_t *v) {
    if (e->kind == E_SYM) { /* 0 is a poor sample: variables below it have no value */
        int64_t lo = e->sym->lo == 0 && e->sym->hi > 0 ? 1 : e->sym->lo;
        *v = pick(s, e, lo, MIN(e->sym->hi, lo > INT64_MAX / 2 ? e->sym->hi : lo + 60));
        return true;
    }
    int64_t n = INT64_MAX;
    if (e->var->extent && !sample(s, e->var->extent, &n)) return false;
    if (n < 1) return false;
    *v = pick(s, e, 0, n == INT64_MAX ? n : n - 1);
    return true;
}

static bool sample_choice(Sample *s, Expr *e, int64_t *v) {
    int64_t first = pick(s, e->arg[0], 0, 1);
    return sample(s, e->arg[first ? 1 : 2], v);
}

static bool sample_bound(Sample *s, Expr *e, int64_t *v) {
    int64_t n;
    if (!sample(s, e->arg[0], v) || !sample(s, e->arg[1], &n)) return false;
    *v = MAX(MIN(*v, n - 1), 0);
    return true;
}

static bool sample_op(Sample *s, Expr *e, int64_t *v) {
    int64_t x[2];
    if (e->op == SOP_select) return sample_choice(s, e, v);
    bool known = e->op == SOP_floordiv || e->op == SOP_mod || e->op == SOP_min || e->op == SOP_max;
    if (!known) {
        Range r = expr_range_of(s->ctx, e);
        *v = pick(s, e, r.lo, r.hi);
        return true;
    }
    if (!sample(s, e->arg[0], &x[0]) || !sample(s, e->arg[1], &x[1])) return false;
    bool division = e->op == SOP_floordiv || e->op == SOP_mod;
    if (division && (x[1] == 0 || (x[1] == -1 && x[0] == INT64_MIN))) return false;
    if (!division) *v = (x[0] < x[1]) == (e->op == SOP_min) ? x[0] : x[1];
    else if (e->op == SOP_floordiv) *v = int_floordiv(x[0], x[1]);
    else *v = x[0] - int_floordiv(x[0], x[1]) * x[1];
    return true;
}

/* A value of e; variables, symbols and all that has no meaning here take any value in range. */
static bool sample(Sample *s, Expr *e, int64_t *v) {
    int64_t x;
    if (--s->steps < 0) return false;
    *v = e->i;
    switch (e->kind) {
    case E_INT: return true;
    case E_SYM: case E_VAR: return sample_name(s, e, v);
    case E_OP: return sample_op(s, e, v);
    case E_SUM: case E_PROD:
        for (int i = 0; i < e->n; i++) {
            if (!sample(s, e->arg[i], &x)) return false;
            bool over = e->kind == E_SUM ? __builtin_add_overflow(*v, x, v)
                                         : __builtin_mul_overflow(*v, x, v);
            if (over) return false;
        }
        return true;
    case E_GUARD: return sample_choice(s, e, v);
    case E_BOUND: return sample_bound(s, e, v);
    default: {
        Range r = expr_range_of(s->ctx, e);
        *v = pick(s, e, r.lo, r.hi);
        return true;
    }
    }
}

static bool refuted(Ctx *ctx, Expr *e) {
    for (int i = 0; i < SAMPLES; i++) {
        Sample s = {ctx, i, SAMPLE_STEPS};
        int64_t v;
        if (sample(&s, e, &v) && v < 0) return true;
    }
    return false;
}

/* ---- elimination ---- */

/* e = quotient * atom + rest, as far as single factors go: quotient may hold the atom again. */
static void separate(Ctx *ctx, Expr *e, Expr *atom, Expr **quotient, Expr **rest) {
    Poly q, r;
    poly_init(&q, ctx);
    poly_init(&r, ctx);
    int n = e->kind == E_SUM ? e->n : 1;
    if (e->kind == E_SUM) poly_const(&r, e->i);
    for (int i = 0; i < n; i++) {
        Term t = term_of(ctx, e->kind == E_SUM ? e->arg[i] : e);
        Expr *m = mono_div(ctx, t.m, atom);
        poly_term(m ? &q : &r, m ? m : t.m, t.k);
    }
    *quotient = poly_done(&q);
    *rest = poly_done(&r);
}

/* Divides by what is common to all terms: an integer (rounding the constant down), and, where there
 * is no constant, atoms that are not negative. */
static Expr *tighten(Ctx *ctx, Expr *e) {
    if (e->kind != E_SUM && e->kind != E_PROD) return e;
    bool sum = e->kind == E_SUM;
    Term first = term_of(ctx, sum ? e->arg[0] : e);
    int64_t g = int_gcd(first.k, 0), c = sum ? e->i : 0;
    Expr *common = c ? expr_int(ctx, 1) : first.m;
    for (int i = 1; sum && i < e->n; i++) {
        Term t = term_of(ctx, e->arg[i]);
        g = int_gcd(g, t.k);
        common = mono_gcd(ctx, common, t.m);
    }
    if (common->kind != E_INT && expr_range_of(ctx, common).lo < 0) common = expr_int(ctx, 1);
    if (g <= 1 && common->kind == E_INT) return e;
    Poly p;
    poly_init(&p, ctx);
    poly_const(&p, int_floordiv(c, MAX(g, 1)));
    for (int i = 0; i < (sum ? e->n : 1); i++) {
        Term t = term_of(ctx, sum ? e->arg[i] : e);
        poly_term(&p, mono_div(ctx, t.m, common), t.k / MAX(g, 1));
    }
    return poly_done(&p);
}

/* q * x + r. */
static Expr *combine(Ctx *ctx, Expr *q, Expr *x, Expr *r) {
    return expr_add(ctx, expr_mul(ctx, q, x), r);
}

/* q * floordiv(a, b) + r >= 0, where the sign of q is known and b >= 1. */
static bool prove_floordiv(Prover *p, Expr *x, Expr *q, bool up, Expr *r, int depth) {
    Ctx *ctx = p->ctx;
    Expr *a = x->arg[0], *b = x->arg[1], *one = expr_int(ctx, 1);
    if (expr_range_of(ctx, b).lo < 0) return false;
    if (expr_is(q, 1)) /* floor(a/b) >= -r, exactly */
        return prove(p, combine(ctx, b, r, a), depth);
    if (expr_is(q, -1)) /* floor(a/b) < r + 1, exactly */
        return prove(p, expr_sub(ctx, combine(ctx, b, expr_add(ctx, r, one), expr_negate(ctx, a)),
                                 one), depth);
    Expr *bound = up ? expr_add(ctx, expr_sub(ctx, a, b), one) : a;
    return prove(p, combine(ctx, q, bound, expr_mul(ctx, b, r)), depth);
}

static bool prove_mod(Prover *p, Expr *x, Expr *q, bool up, Expr *r, int depth) {
    Ctx *ctx = p->ctx;
    if (expr_range_of(ctx, x->arg[1]).lo < 0) return false;
    if (up) return prove(p, r, depth);
    if (prove(p, combine(ctx, q, expr_addi(ctx, x->arg[1], -1), r), depth)) return true;
    bool positive = expr_range_of(ctx, x->arg[0]).lo >= 0; /* then mod(a, b) <= a */
    return positive && prove(p, combine(ctx, q, x->arg[0], r), depth);
}

/* Replaces the operation x; `up`: q >= 0, so that the smallest x counts. */
static bool prove_op(Prover *p, Expr *x, Expr *q, bool up, Expr *r, int depth) {
    Ctx *ctx = p->ctx;
    Range range = expr_range_of(ctx, x);
    int64_t extreme = up ? range.lo : range.hi;
    bool bounded = extreme != INT64_MIN && extreme != INT64_MAX;
    if (bounded && prove(p, combine(ctx, q, expr_int(ctx, extreme), r), depth)) return true;
    bool choice = is_op(x, SOP_min) || is_op(x, SOP_max);
    if (is_op(x, SOP_floordiv)) return prove_floordiv(p, x, q, up, r, depth);
    if (is_op(x, SOP_mod)) return prove_mod(p, x, q, up, r, depth);
    if (choice) { /* max(a, b) >= a: one will do; max(a, b) is a or b: both are needed */
        bool any = is_op(x, SOP_max) == up;
        bool first = prove(p, combine(ctx, q, x->arg[0], r), depth);
        if (first == any) return first;
        return prove(p, combine(ctx, q, x->arg[1], r), depth);
    }
    if (is_op(x, SOP_select) || x->kind == E_GUARD)
        return prove(p, combine(ctx, q, x->arg[1], r), depth) &&
               prove(p, combine(ctx, q, x->arg[2], r), depth);
    if (x->kind == E_BOUND && !up)
        return prove(p, combine(ctx, q, expr_addi(ctx, x->arg[1], -1), r), depth);
    return false;
}

/* ---- what is known because variables occur ---- */

static void note_least(Prover *p, const Expr *x, int64_t least) {
    if (x->kind == E_SYM && p->n_alive < MAX_ALIVE)
        p->alive[p->n_alive++] = (struct Alive){x->sym, least};
}

/* e >= 1. */
static void note_positive(Prover *p, const Expr *e) {
    int64_t k = e->i;
    if (e->kind == E_SUM && e->n == 1 && k > INT64_MIN + 1) note_least(p, e->arg[0], 1 - k);
    if (e->kind == E_SYM) note_least(p, e, 1);
    for (int i = 0; i < e->n && e->kind == E_PROD; i++) note_least(p, e->arg[i], 1);
}

static void note_life(void *user, const Expr *e) {
    if (e->kind == E_VAR && e->var->extent) note_positive(user, e->var->extent);
}

static int64_t least_of(Prover *p, const Sym *s) {
    int64_t least = s->lo;
    if (!p->has_alive) expr_visit(p->goal, note_life, p);
    p->has_alive = true;
    for (int i = 0; i < p->n_alive; i++)
        if (p->alive[i].sym == s && least >= 0) least = MAX(least, p->alive[i].least);
    return least;
}

/* The bound of a variable or symbol that makes q * x smallest; NULL: there is none. */
static Expr *extreme_of(Prover *p, Expr *x, bool up) {
    Ctx *ctx = p->ctx;
    if (x->kind == E_VAR) {
        if (up) return expr_int(ctx, 0);
        return x->var->extent ? expr_addi(ctx, x->var->extent, -1) : NULL;
    }
    if (up) return expr_int(ctx, least_of(p, x->sym));
    return x->sym->hi == INT64_MAX ? NULL : expr_int(ctx, x->sym->hi);
}

/* Tries to get rid of atom x. *decided: no other atom needs to be tried. */
static bool eliminate(Prover *p, Expr *e, Expr *x, bool has_op, int depth, bool *decided) {
    Expr *q, *r;
    separate(p->ctx, e, x, &q, &r);
    if (!q || !r) return false;
    bool up = prove(p, q, depth);
    if (!up && !prove(p, expr_negate(p->ctx, q), depth)) return false;
    if (x->kind != E_VAR && x->kind != E_SYM) return prove_op(p, x, q, up, r, depth);
    Expr *by = extreme_of(p, x, up);
    if (!by) return false;
    *decided = !has_op;
    return prove(p, combine(p->ctx, q, by, r), depth);
}

/* In which order atoms go: operations, variables below others, variables, symbols. */
static int class_of(const Expr *x) {
    if (x->kind == E_SYM) return 0;
    if (x->kind != E_VAR) return 3;
    return x->var->extent && node_of(x->var->extent)->vars ? 2 : 1;
}

static bool goes_before(const Expr *a, const Expr *b) {
    int x = class_of(a), y = class_of(b);
    if (x != y) return x > y;
    x = node_of(a)->depth;
    y = node_of(b)->depth;
    return x != y ? x > y : expr_cmp(a, b) < 0;
}

static void note_atom(Expr **list, int *n, int cap, Expr *x) {
    for (int i = 0; i < *n; i++)
        if (list[i] == x) return;
    if (*n == cap) return;
    int at = (*n)++;
    for (; at > 0 && goes_before(x, list[at - 1]); at--) list[at] = list[at - 1];
    list[at] = x;
}

static int atoms_of(Expr *e, Expr **list, int cap) {
    int n = 0;
    if (e->kind != E_SUM && e->kind != E_PROD) note_atom(list, &n, cap, e);
    for (int i = 0; i < (e->kind == E_SUM || e->kind == E_PROD ? e->n : 0); i++) {
        Expr *t = e->arg[i];
        if (t->kind != E_PROD) note_atom(list, &n, cap, t);
        for (int j = 0; t->kind == E_PROD && j < t->n; j++) note_atom(list, &n, cap, t->arg[j]);
    }
    return n;
}

static bool prove(Prover *p, Expr *e, int depth) {
    Expr *atom[24] = {NULL};
    Range r = expr_range_of(p->ctx, e);
    if (r.lo >= 0) return true;
    if (r.hi < 0 || e->kind == E_INT || depth == 0 || p->budget-- <= 0) return false;
    Expr *tight = tighten(p->ctx, e);
    if (!tight) return false;
    if (tight != e) return prove(p, tight, depth - 1);
    int n = atoms_of(e, atom, LEN(atom));
    bool has_op = class_of(atom[0]) == 3, decided = false;
    for (int i = 0; i < n && !decided; i++)
        if (eliminate(p, e, atom[i], has_op, depth - 1, &decided)) return true;
    return false;
}

bool expr_prove_ge0(Ctx *ctx, Expr *e) {
    int epoch = expr_epoch(ctx);
    Node *x = node_of(e);
    Range r = expr_range_of(ctx, e);
    if (r.lo >= 0) return true;
    if (r.hi < 0 || e->kind == E_INT) return false;
    if (x->proof_epoch == epoch) return x->proof;
    Prover p = {.ctx = ctx, .budget = BUDGET, .goal = e};
    bool proof = !refuted(ctx, e) && prove(&p, e, DEPTH);
    x->proof = proof;
    x->proof_epoch = epoch;
    return proof;
}

bool expr_prove_lt(Ctx *ctx, Expr *a, Expr *b) {
    return expr_prove_ge0(ctx, expr_addi(ctx, expr_sub(ctx, b, a), -1));
}

bool expr_prove_eq(Ctx *ctx, Expr *a, Expr *b) {
    if (a == b) return true;
    return expr_is(expr_sub(ctx, expr_resolve(ctx, a), expr_resolve(ctx, b)), 0);
}
