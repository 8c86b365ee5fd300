/* Index expressions to isl and back; nothing else calls isl. Each question has an isl_ctx of its
 * own, with a cap on its operations; whatever fails inside isl is 'unknown'. */
#include "ir/affine.h"
#include "ir/expr_internal.h"

#include <isl/aff.h>
#include <isl/ctx.h>
#include <isl/id.h>
#include <isl/map.h>
#include <isl/options.h>
#include <isl/set.h>
#include <isl/space.h>
#include <isl/val.h>

enum { MAX_OPERATIONS = 500000, MAX_ATOMS = 48, MAX_PIECES = 4 };

/* The space of a question: dimensions are the domain's variables and then the unknowns that depend
 * on them; parameters are all the other unknowns. */
typedef struct Space {
    Ctx *ctx;
    isl_ctx *isl;
    const Domain *domain;
    uint64_t vars;
    Expr *dim[MAX_ATOMS], *param[MAX_ATOMS];
    int n_dim, n_param;
    bool overflow; /* too many unknowns */
    isl_space *space;
} Space;

/* ---- what is affine ---- */

typedef enum Form { CONSTANT, LINEAR, SCALED, DIVIDED, CHOICE, ATOM } Form;

static Form form_of(const Expr *e) {
    if (e->kind == E_INT) return CONSTANT;
    if (e->kind == E_SUM) return LINEAR;
    if (e->kind == E_PROD && e->n == 1) return SCALED;
    bool division = is_op(e, SOP_floordiv) || is_op(e, SOP_mod);
    if (division) return e->arg[1]->kind == E_INT && e->arg[1]->i > 0 ? DIVIDED : ATOM;
    bool choice = is_op(e, SOP_min) || is_op(e, SOP_max);
    return choice ? CHOICE : ATOM;
}

static int find(Expr *const *list, int n, const Expr *e) {
    for (int i = 0; i < n; i++)
        if (list[i] == e) return i;
    return -1;
}

static void note(Space *s, Expr *e) {
    bool inside = (node_of(e)->vars & s->vars) != 0;
    Expr **list = inside ? s->dim : s->param;
    int *n = inside ? &s->n_dim : &s->n_param;
    if (find(list, *n, e) >= 0) return;
    if (*n == MAX_ATOMS) s->overflow = true;
    else list[(*n)++] = e;
}

/* Notes the unknowns of e, a condition or an index expression. */
static void collect(Space *s, Expr *e) {
    bool logic = e->type == DT_BOOL && e->kind == E_OP &&
                 (e->op == SOP_and || e->op == SOP_or || e->arg[0]->type == DT_INDEX);
    if (e->type == DT_BOOL && !logic) return;
    Form form = logic ? LINEAR : form_of(e);
    if (form == ATOM) note(s, e);
    for (int i = 0; i < (form == ATOM ? 0 : e->n); i++) collect(s, e->arg[i]);
}

/* ---- to isl ---- */

static isl_pw_aff *constant(Space *s, int64_t v) {
    isl_local_space *ls = isl_local_space_from_space(isl_space_copy(s->space));
    return isl_pw_aff_from_aff(isl_aff_val_on_domain(ls, isl_val_int_from_si(s->isl, v)));
}

static isl_pw_aff *unknown(Space *s, const Expr *e) {
    isl_local_space *ls = isl_local_space_from_space(isl_space_copy(s->space));
    int at = find(s->dim, s->n_dim, e);
    enum isl_dim_type type = at >= 0 ? isl_dim_set : isl_dim_param;
    if (at < 0) at = find(s->param, s->n_param, e);
    CHECK(at >= 0);
    return isl_pw_aff_from_aff(isl_aff_var_on_domain(ls, type, (unsigned)at));
}

static isl_pw_aff *to_isl(Space *s, Expr *e) {
    isl_val *k = isl_val_int_from_si(s->isl, form_of(e) == DIVIDED ? e->arg[1]->i : e->i);
    isl_pw_aff *a = NULL;
    switch (form_of(e)) {
    case CONSTANT: a = constant(s, e->i); break;
    case ATOM: a = unknown(s, e); break;
    case LINEAR:
        a = constant(s, e->i);
        for (int i = 0; i < e->n; i++) a = isl_pw_aff_add(a, to_isl(s, e->arg[i]));
        break;
    case SCALED: a = isl_pw_aff_scale_val(to_isl(s, e->arg[0]), isl_val_copy(k)); break;
    case DIVIDED:
        a = to_isl(s, e->arg[0]);
        if (e->op == SOP_mod) a = isl_pw_aff_mod_val(a, isl_val_copy(k));
        else a = isl_pw_aff_floor(isl_pw_aff_scale_down_val(a, isl_val_copy(k)));
        break;
    case CHOICE:
        a = to_isl(s, e->arg[0]);
        if (e->op == SOP_min) a = isl_pw_aff_min(a, to_isl(s, e->arg[1]));
        else a = isl_pw_aff_max(a, to_isl(s, e->arg[1]));
        break;
    }
    isl_val_free(k);
    return a;
}

/* The points where cond may hold (`at_least`: where it surely holds). What is no comparison of
 * indices may hold everywhere, and surely nowhere. */
static isl_set *condition(Space *s, Expr *c, bool at_least) {
    isl_set *all = isl_set_universe(isl_space_copy(s->space));
    isl_set *none = isl_set_empty(isl_space_copy(s->space));
    isl_set *r = NULL;
    bool logic = is_op(c, SOP_and) || is_op(c, SOP_or);
    bool index = c->kind == E_OP && c->n == 2 && c->arg[0]->type == DT_INDEX;
    if (logic) {
        isl_set *a = condition(s, c->arg[0], at_least), *b = condition(s, c->arg[1], at_least);
        r = c->op == SOP_and ? isl_set_intersect(a, b) : isl_set_union(a, b);
    } else if (index) {
        isl_pw_aff *a = to_isl(s, c->arg[0]), *b = to_isl(s, c->arg[1]);
        r = c->op == SOP_lt   ? isl_pw_aff_lt_set(a, b)
            : c->op == SOP_ge ? isl_pw_aff_ge_set(a, b)
            : c->op == SOP_eq ? isl_pw_aff_eq_set(a, b)
                              : isl_pw_aff_ne_set(a, b);
    } else {
        bool holds = c->kind == E_INT ? c->i : !at_least;
        r = isl_set_copy(holds ? all : none);
    }
    isl_set_free(all);
    isl_set_free(none);
    return r;
}

static isl_set *within_range(Space *s, isl_set *set, Expr *unknown_expr) {
    Range r = expr_range_of(s->ctx, unknown_expr);
    if (r.lo != INT64_MIN)
        set = isl_set_intersect(
            set, isl_pw_aff_ge_set(unknown(s, unknown_expr), constant(s, r.lo)));
    if (r.hi != INT64_MAX)
        set = isl_set_intersect(
            set, isl_pw_aff_le_set(unknown(s, unknown_expr), constant(s, r.hi)));
    return set;
}

/* The points of the domain. */
static isl_set *points(Space *s) {
    isl_set *set = isl_set_universe(isl_space_copy(s->space));
    for (int i = 0; i < s->n_param; i++) set = within_range(s, set, s->param[i]);
    for (int i = 0; i < s->n_dim; i++) set = within_range(s, set, s->dim[i]);
    for (int i = 0; i < s->domain->n; i++) {
        Var *v = s->domain->var[i];
        set = isl_set_intersect(
            set, isl_pw_aff_lt_set(to_isl(s, v->self), to_isl(s, v->extent)));
    }
    if (s->domain->where)
        set = isl_set_intersect(set, condition(s, s->domain->where, false));
    return set;
}

static isl_map *access(Space *s, Expr *const *index, int rank) {
    isl_space *range = isl_space_set_from_params(isl_space_params(isl_space_copy(s->space)));
    isl_map *map = isl_map_from_domain_and_range(isl_set_universe(isl_space_copy(s->space)),
                                                 isl_set_universe(range));
    for (int i = 0; i < rank; i++)
        map = isl_map_flat_range_product(map, isl_map_from_pw_aff(to_isl(s, index[i])));
    return isl_map_intersect_domain(map, points(s));
}

/* ---- questions ---- */

static void ask(Space *s, Ctx *ctx, isl_ctx *isl, const Domain *d) {
    expr_epoch(ctx);
    *s = (Space){.ctx = ctx, .isl = isl, .domain = d};
    for (int i = 0; i < d->n; i++) s->vars |= node_of(d->var[i]->self)->vars;
    for (int i = 0; i < d->n; i++) note(s, d->var[i]->self);
    for (int i = 0; i < d->n; i++) collect(s, d->var[i]->extent);
    if (d->where) collect(s, d->where);
}

/* After all that is asked about has been collected. */
static bool ready(Space *s) {
    if (s->overflow) return false;
    s->space = isl_space_set_alloc(s->isl, (unsigned)s->n_param, (unsigned)s->n_dim);
    for (int i = 0; i < s->n_param; i++) {
        char name[32];
        snprintf(name, sizeof name, "p%d", s->param[i]->id);
        isl_id *id = isl_id_alloc(s->isl, name, s->param[i]);
        s->space = isl_space_set_dim_id(s->space, isl_dim_param, (unsigned)i, id);
    }
    return true;
}

static isl_ctx *open_isl(void) {
    isl_ctx *isl = isl_ctx_alloc();
    isl_options_set_on_error(isl, ISL_ON_ERROR_CONTINUE);
    isl_ctx_set_max_operations(isl, MAX_OPERATIONS);
    return isl;
}

bool affine_implies(Ctx *ctx, const Domain *d, Expr *cond) {
    Space s;
    isl_bool yes = isl_bool_false;
    if (expr_is(cond, 1)) return true;
    ask(&s, ctx, open_isl(), d);
    collect(&s, cond);
    if (ready(&s)) {
        isl_set *where = points(&s), *holds = condition(&s, cond, true);
        yes = isl_set_is_subset(where, holds);
        isl_set_free(where);
        isl_set_free(holds);
    }
    isl_space_free(s.space);
    isl_ctx_free(s.isl);
    return yes == isl_bool_true;
}

bool affine_empty(Ctx *ctx, const Domain *d) {
    return affine_implies(ctx, d, expr_const_int(ctx, DT_BOOL, 0));
}

bool affine_injective(Ctx *ctx, const Domain *d, Expr *const *index, int rank) {
    Space s;
    isl_bool yes = isl_bool_false;
    ask(&s, ctx, open_isl(), d);
    for (int i = 0; i < rank; i++) collect(&s, index[i]);
    if (ready(&s)) {
        isl_map *map = access(&s, index, rank);
        yes = isl_map_is_injective(map);
        isl_map_free(map);
    }
    isl_space_free(s.space);
    isl_ctx_free(s.isl);
    return yes == isl_bool_true;
}

bool affine_disjoint(Ctx *ctx, const Domain *a, Expr *const *index_a, const Domain *b,
                     Expr *const *index_b, int rank) {
    Space s, t;
    isl_bool yes = isl_bool_false;
    ask(&s, ctx, open_isl(), a);
    ask(&t, ctx, s.isl, b);
    for (int i = 0; i < rank; i++) {
        collect(&s, index_a[i]);
        collect(&t, index_b[i]);
    }
    bool ok = ready(&s), both = ready(&t) && ok;
    if (both) {
        isl_set *x = isl_map_range(access(&s, index_a, rank));
        isl_set *common = isl_set_intersect(x, isl_map_range(access(&t, index_b, rank)));
        yes = isl_set_is_empty(common);
        isl_set_free(common);
    }
    isl_space_free(s.space);
    isl_space_free(t.space);
    isl_ctx_free(s.isl);
    return yes == isl_bool_true;
}

/* ---- from isl: bounds over parameters ---- */

static bool to_int(isl_val *v, int64_t *out) {
    const int64_t limit = (int64_t)1 << 62;
    bool ok = v && isl_val_is_int(v);
    ok = ok && isl_val_cmp_si(v, limit) < 0 && isl_val_cmp_si(v, -limit) > 0;
    if (ok) *out = isl_val_get_num_si(v);
    isl_val_free(v);
    return ok;
}

static Expr *from_aff(Space *s, isl_aff *aff);

/* Parameter or division i of aff. */
static Expr *part_of(Space *s, isl_aff *aff, enum isl_dim_type type, int i) {
    if (type == isl_dim_div) return from_aff(s, isl_aff_get_div(aff, i));
    isl_space *space = isl_aff_get_domain_space(aff);
    isl_id *id = isl_space_get_dim_id(space, isl_dim_param, (unsigned)i);
    Expr *e = isl_id_get_user(id);
    isl_space_free(space);
    isl_id_free(id);
    return e;
}

/* NULL: something does not fit. Consumes aff. */
static Expr *from_aff(Space *s, isl_aff *aff) {
    static const enum isl_dim_type types[] = {isl_dim_param, isl_dim_div};
    int64_t denominator, k = 0;
    isl_val *den = isl_aff_get_denominator_val(aff);
    bool ok = to_int(isl_val_copy(den), &denominator);
    aff = isl_aff_scale_val(aff, den);
    ok = ok && to_int(isl_aff_get_constant_val(aff), &k);
    Expr *sum = expr_int(s->ctx, k);
    for (int t = 0; t < LEN(types); t++) {
        for (int i = 0; ok && i < isl_aff_dim(aff, types[t]); i++) {
            ok = to_int(isl_aff_get_coefficient_val(aff, types[t], i), &k);
            Expr *x = ok && k ? part_of(s, aff, types[t], i) : sum;
            ok = ok && x;
            if (ok && k) sum = expr_add(s->ctx, sum, expr_muli(s->ctx, x, k));
        }
    }
    isl_aff_free(aff);
    return ok ? expr_floordiv(s->ctx, sum, expr_int(s->ctx, denominator)) : NULL;
}

typedef struct Bound {
    Space *space;
    bool upper;
    Expr *e;
    int pieces;
} Bound;

static isl_stat add_piece(isl_set *set, isl_aff *aff, void *user) {
    Bound *b = user;
    Ctx *ctx = b->space->ctx;
    Expr *e = from_aff(b->space, aff);
    isl_set_free(set);
    if (!e || ++b->pieces > MAX_PIECES) return isl_stat_error;
    b->e = !b->e ? e : b->upper ? expr_max(ctx, b->e, e) : expr_min(ctx, b->e, e);
    return isl_stat_ok;
}

/* The least or greatest value of dimension k; NULL: none known. */
static Expr *bound_of(Space *s, isl_set *image, int k, bool upper) {
    Bound b = {.space = s, .upper = upper};
    isl_set *copy = isl_set_copy(image);
    isl_pw_aff *pa = upper ? isl_set_dim_max(copy, k) : isl_set_dim_min(copy, k);
    isl_stat ok = isl_pw_aff_foreach_piece(pa, add_piece, &b);
    isl_pw_aff_free(pa);
    return ok == isl_stat_ok ? b.e : NULL;
}

bool affine_box(Ctx *ctx, const Domain *d, Expr *const *index, int rank, Expr **lo, Expr **len) {
    Space s;
    ask(&s, ctx, open_isl(), d);
    for (int i = 0; i < rank; i++) collect(&s, index[i]);
    bool ok = ready(&s);
    if (ok) {
        isl_set *image = isl_set_coalesce(isl_map_range(access(&s, index, rank)));
        for (int i = 0; i < rank && ok; i++) {
            Expr *hi = bound_of(&s, image, i, true);
            lo[i] = bound_of(&s, image, i, false);
            ok = hi && lo[i];
            if (ok) len[i] = expr_addi(ctx, expr_sub(ctx, hi, lo[i]), 1);
        }
        isl_set_free(image);
    }
    isl_space_free(s.space);
    isl_ctx_free(s.isl);
    return ok;
}
