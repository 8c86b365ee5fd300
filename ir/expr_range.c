/* Constant bounds of expressions, by interval arithmetic from the bounds of symbols, the extents of
 * variables and the types of elements. They are kept with each node; what depends on something that
 * can still change (sym bounds, missing extents) is recomputed after the pool's epoch has moved. */
#include "ir/expr_internal.h"

#define NEG_INF INT64_MIN
#define POS_INF INT64_MAX
static const Range any = {NEG_INF, POS_INF};

int expr_epoch(Ctx *ctx) {
    ExprPool *pool = ctx->exprs;
    int kept = 0;
    for (int i = 0; i < pool->n_open; i++)
        if (!pool->open[i]->extent) pool->open[kept++] = pool->open[i];
    pool->epoch += kept != pool->n_open;
    pool->n_open = kept;
    return pool->epoch;
}

/* ---- interval arithmetic; NEG_INF and POS_INF stand for unbounded ---- */

static bool is_inf(int64_t v) {
    return v == NEG_INF || v == POS_INF;
}

static int64_t clamp(Wide v) {
    return v <= NEG_INF ? NEG_INF : v >= POS_INF ? POS_INF : (int64_t)v;
}

static int64_t add(int64_t a, int64_t b) {
    return is_inf(a) ? a : is_inf(b) ? b : clamp((Wide)a + b);
}

static int64_t mul(int64_t a, int64_t b) {
    if (a == 0 || b == 0) return 0;
    if (is_inf(a) || is_inf(b)) return (a < 0) == (b < 0) ? POS_INF : NEG_INF;
    return clamp((Wide)a * b);
}

static int64_t neg(int64_t a) {
    return a == NEG_INF ? POS_INF : a == POS_INF ? NEG_INF : -a;
}

/* A lower bound is never POS_INF and an upper bound never NEG_INF. */
static Range range(int64_t lo, int64_t hi) {
    return (Range){MIN(lo, POS_INF - 1), MAX(hi, NEG_INF + 1)};
}

static Range range_add(Range a, Range b) {
    return range(add(a.lo, b.lo), add(a.hi, b.hi));
}

static Range range_mul(Range a, Range b) {
    int64_t p = mul(a.lo, b.lo), q = mul(a.lo, b.hi), r = mul(a.hi, b.lo), s = mul(a.hi, b.hi);
    return range(MIN(MIN(p, q), MIN(r, s)), MAX(MAX(p, q), MAX(r, s)));
}

static Range range_join(Range a, Range b) {
    return (Range){MIN(a.lo, b.lo), MAX(a.hi, b.hi)};
}

static int64_t floor_to(int64_t a, int64_t b) {
    return is_inf(a) ? a : is_inf(b) ? (a < 0 ? -1 : 0) : int_floordiv(a, b);
}

/* The divisor is at least 1 (zero does not occur); others are bounded by nothing. */
static Range range_floordiv(Range a, Range b) {
    if (b.lo < 0 || b.hi < 1) return any;
    int64_t least = MAX(b.lo, 1);
    return (Range){MIN(floor_to(a.lo, least), floor_to(a.lo, b.hi)),
                   MAX(floor_to(a.hi, least), floor_to(a.hi, b.hi))};
}

static Range range_mod(Range a, Range b) {
    if (b.lo < 0 || b.hi < 1) return any;
    int64_t most = is_inf(b.hi) ? POS_INF : b.hi - 1;
    return (Range){0, a.lo >= 0 ? MIN(a.hi, most) : most};
}

Range dtype_range(DType t) {
    int bits = dtype_bits(t);
    if (dtype_class(t) == DC_B) return (Range){0, 1};
    if (dtype_is_unsigned(t) && bits < 64)
        return (Range){0, (int64_t)(((uint64_t)1 << bits) - 1)};
    if (dtype_is_signed(t) && bits < 64)
        return (Range){-((int64_t)1 << (bits - 1)), ((int64_t)1 << (bits - 1)) - 1};
    return any;
}

/* ---- of expressions ---- */

static Range range_of_op(Ctx *ctx, Expr *e) {
    Range r[3] = {any, any, any};
    bool numeric = e->op != SOP_bits;
    for (int i = 0; i < e->n; i++) {
        numeric &= !dtype_is_float(e->arg[i]->type);
        r[i] = expr_range_of(ctx, e->arg[i]);
    }
    if (!numeric) return any;
    switch (e->op) {
    case SOP_add: return range_add(r[0], r[1]);
    case SOP_sub: return range_add(r[0], (Range){neg(r[1].hi), neg(r[1].lo)});
    case SOP_mul: return range_mul(r[0], r[1]);
    case SOP_neg: return (Range){neg(r[0].hi), neg(r[0].lo)};
    case SOP_floordiv: return range_floordiv(r[0], r[1]);
    case SOP_mod: return range_mod(r[0], r[1]);
    case SOP_div: return r[0].lo >= 0 ? range_floordiv(r[0], r[1]) : any;
    case SOP_rem: return r[0].lo >= 0 ? range_mod(r[0], r[1]) : any;
    case SOP_min: return (Range){MIN(r[0].lo, r[1].lo), MIN(r[0].hi, r[1].hi)};
    case SOP_max: return (Range){MAX(r[0].lo, r[1].lo), MAX(r[0].hi, r[1].hi)};
    case SOP_abs:
        return r[0].lo >= 0 ? r[0] : (Range){0, MAX(neg(r[0].lo), r[0].hi)};
    case SOP_sign: return (Range){r[0].lo >= 0 ? 0 : -1, r[0].hi <= 0 ? 0 : 1};
    case SOP_select: return range_join(r[1], r[2]);
    case SOP_cast: return e->arg[0]->type == DT_U64 && is_inf(r[0].hi) ? any : r[0];
    default: return any;
    }
}

/* An operation on a narrow type wraps: where its exact result may not fit, nothing is known. */
static Range fit(Range r, DType t) {
    Range most = dtype_range(t);
    if (t == DT_U64) return r.lo >= 0 ? r : any;
    return r.lo >= most.lo && r.hi <= most.hi ? r : most;
}

static Range range_of_bound(Ctx *ctx, Expr *e) {
    Range a = expr_range_of(ctx, e->arg[0]), n = expr_range_of(ctx, e->arg[1]);
    int64_t most = is_inf(n.hi) ? n.hi : MAX(n.hi - 1, 0);
    return (Range){MIN(MAX(a.lo, 0), most), MAX(MIN(a.hi, most), 0)};
}

static Range range_of_name(Ctx *ctx, Expr *e) {
    if (e->kind == E_VAR) {
        Range n = e->var->extent ? expr_range_of(ctx, e->var->extent) : any;
        return (Range){0, is_inf(n.hi) ? POS_INF : MAX(n.hi - 1, 0)};
    }
    Range r = {e->sym->lo, e->sym->hi};
    if (!e->sym->merged) return r;
    Range m = expr_range_of(ctx, e->sym->merged);
    return (Range){MAX(r.lo, m.lo), MIN(r.hi, m.hi)};
}

static Range compute(Ctx *ctx, Expr *e) {
    Range r = {e->i, e->i};
    switch (e->kind) {
    case E_INT: return e->type == DT_U64 && e->i < 0 ? any : r;
    case E_FLT: return any;
    case E_SYM: case E_VAR: return range_of_name(ctx, e);
    case E_SUM:
        for (int i = 0; i < e->n; i++) r = range_add(r, expr_range_of(ctx, e->arg[i]));
        return r;
    case E_PROD:
        for (int i = 0; i < e->n; i++) r = range_mul(r, expr_range_of(ctx, e->arg[i]));
        return r;
    case E_GUARD:
        return range_join(expr_range_of(ctx, e->arg[1]), expr_range_of(ctx, e->arg[2]));
    case E_BOUND: return range_of_bound(ctx, e);
    case E_LOAD: return dtype_range(e->type);
    case E_OP: return dtype_is_float(e->type) ? any : fit(range_of_op(ctx, e), e->type);
    }
    return any;
}

Range expr_range_of(Ctx *ctx, Expr *e) {
    Node *x = node_of(e);
    if (x->range_epoch != ctx->exprs->epoch) {
        x->range = compute(ctx, e);
        x->range_epoch = ctx->exprs->epoch;
    }
    return x->range;
}

bool expr_range(Ctx *ctx, Expr *e, int64_t *lo, int64_t *hi) {
    expr_epoch(ctx);
    Range r = expr_range_of(ctx, e);
    *lo = r.lo;
    *hi = r.hi;
    return !is_inf(r.lo) || !is_inf(r.hi);
}
