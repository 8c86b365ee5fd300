/* CUDA: a vector loop moves neighbours in memory at once. Where an access of the loop
 *
 *     for (int j = 0; j < 4; j++) y[4 * p + j] = max_f32(x[4 * p + j], 0.0f);
 *
 * runs over elements that lie next to each other, at an offset that is a whole number of pieces,
 * the loop works on pieces (runtime/pieces.h):
 *
 *     f32x4 x_v = load_f32x4(&x[4 * p]), y_v;
 *     for (int j = 0; j < 4; j++) y_v.at[j] = max_f32(x_v.at[j], 0.0f);
 *     store_f32x4(&y[4 * p], y_v);
 *
 * Elements of less than a byte share one: w[2 * p + j / 2] is a piece of half as many.
 *
 * All loads of pieces stand in front of the loop, all stores behind it: its iterations do not
 * depend on each other. A load that is guarded by the same condition in all of them is guarded
 * there; other guarded accesses stay as they are. */
#include "codegen/c/gen.h"

enum { MAX_LANES = 16 };

typedef struct Look {
    Printer *p;
    const LStmt *loop;
    int lanes;
    CPieces *found;
    Expr *cond;    /* of the guards around, which the loop does not change; NULL: none */
    bool disagree; /* the same piece under two conditions */
} Look;

static bool is_memory(const Tensor *t) {
    return t->space <= SP_ARENA || t->space == SP_SHARED;
}

static bool has_pieces(DType t) {
    return t != DT_STR && t != DT_SEQ && t != DT_INDEX;
}

/* Bytes of a piece, at most 16 of which are moved at once. */
static int64_t alignment(const Tensor *t, int64_t elements) {
    return MIN(elements * (int64_t)dtype_bytes(t->dtype), 16);
}

/* first + j, or, with so many neighbours in each, first + j / share; false: neither */
static bool split_index(Look *k, Expr *e, Expr **first, int *share) {
    enum { MOST_SHARE = 4 };
    Expr *coef, *j = k->loop->var->self;
    Ctx *c = k->p->ctx;
    *share = 1;
    if (!expr_uses_var(e, k->loop->var)) return false;
    if (expr_linear_in(c, e, k->loop->var, &coef, first)) return expr_is(coef, 1);
    *first = expr_subst1(c, e, k->loop->var, expr_int(c, 0));
    for (*share = 2; *share <= MOST_SHARE; *share *= 2)
        if (expr_sub(c, e, *first) == expr_floordiv(c, j, expr_int(c, *share))) return true;
    return false;
}

static CPiece *find(const CPieces *pieces, const Tensor *t, const Expr *index) {
    for (int i = 0; i < pieces->n; i++)
        if (pieces->at[i].tensor == t && pieces->at[i].index == index) return &pieces->at[i];
    return NULL;
}

static CPiece *piece_of(Look *k, const Tensor *t, const Expr *index) {
    Expr *first;
    int share;
    Ctx *c = k->p->ctx;
    CPiece *known = find(k->found, t, index);
    if (known && known->cond != k->cond) k->disagree |= known->cond && k->cond;
    if (known && !k->cond) known->cond = NULL;
    if (known || !is_memory(t) || !has_pieces(t->dtype)) return known;
    if (!split_index(k, (Expr *)(uintptr_t)index, &first, &share)) return NULL;
    int64_t n = k->lanes / share, each = alignment(t, n) / (int64_t)dtype_bytes(t->dtype);
    if (n < 2 || !expr_is(expr_mod(c, first, expr_int(c, each)), 0) || c_some(k->p, index))
        return NULL;
    CPiece piece = {.tensor = t, .index = index, .first = first, .var = k->loop->var};
    piece.elements = n, piece.share = share, piece.cond = k->cond;
    vec_push(k->p->arena, k->found, piece);
    return &k->found->at[k->found->n - 1];
}

/* Loads that run whenever the loop does. */
static void look_at_loads(Look *k, const Expr *e) {
    if (e->kind == E_LOAD) {
        CPiece *piece = piece_of(k, e->tensor, e->arg[0]);
        if (piece) piece->loaded |= !piece->stored;
    }
    int n = e->kind == E_GUARD ? 1 : e->n;
    for (int i = 0; i < n; i++) look_at_loads(k, e->arg[i]);
    if (e->kind != E_GUARD || expr_uses_var(e->arg[0], k->loop->var) || expr_has_load(e->arg[0]))
        return;
    Expr *outside = k->cond;
    k->cond = outside ? expr_and(k->p->ctx, outside, e->arg[0]) : e->arg[0];
    look_at_loads(k, e->arg[1]);
    k->cond = outside;
}

typedef struct Overlap {
    const CPieces *pieces;
    bool found;
} Overlap;

/* An element that the loop loads otherwise than as the piece that it also stores. */
static void look_for_overlap(void *user, const Expr *e) {
    Overlap *o = user;
    if (e->kind != E_LOAD) return;
    for (int i = 0; i < o->pieces->n; i++) {
        const CPiece *piece = &o->pieces->at[i];
        o->found |= piece->stored && piece->tensor == e->tensor && piece->index != e->arg[0];
    }
}

static bool overlaps(const LStmt *l, const CPieces *pieces) {
    Overlap o = {pieces, false};
    for (int i = 0; i < l->body.at.n; i++)
        expr_visit(l->body.at.at[i]->value, look_for_overlap, &o);
    return o.found;
}

static bool is_power_of_two(int64_t n) {
    return n >= 2 && n <= MAX_LANES && (n & (n - 1)) == 0;
}

bool c_pieces(Printer *p, const LStmt *l, CPieces *pieces) {
    int64_t lanes;
    bool expanded = l->bind == BIND_VECTOR || l->bind == BIND_UNROLL;
    if (p->dialect != DIALECT_CUDA || !expanded || !expr_is(l->lo, 0)) return false;
    if (!expr_is_int(l->hi, &lanes) || !is_power_of_two(lanes)) return false;
    Look k = {.p = p, .loop = l, .lanes = (int)lanes, .found = pieces};
    for (int i = 0; i < l->body.at.n; i++) {
        const LStmt *s = l->body.at.at[i];
        if (s->kind != L_STORE) return false;
        look_at_loads(&k, s->value);
        CPiece *piece = piece_of(&k, s->tensor, s->index);
        if (piece && piece->share > 1) return false;
        if (piece) piece->stored = true;
    }
    return pieces->n > 0 && !k.disagree && !overlaps(l, pieces);
}

static const char *piece_type(Printer *p, const CPiece *piece) {
    const char *of = c_piece_type(piece->tensor->dtype);
    return arena_printf(p->arena, "%sx%lld", of, (long long)piece->elements);
}

void c_pieces_load(Printer *p, CPieces *pieces) {
    for (int i = 0; i < pieces->n; i++) {
        CPiece *piece = &pieces->at[i];
        const char *type = piece_type(p, piece), *from = NULL;
        if (piece->loaded) from = c_element(p, piece->tensor, piece->first);
        piece->name =
            name_top(p, NULL, arena_printf(p->arena, "%s_v", name_find(p, piece->tensor)));
        if (from && piece->cond) {
            c_line(p, "%s %s = {};", type, piece->name);
            c_line(p, "if (%s) %s = load_%s(&%s);", c_expr(p, piece->cond, PREC_ANY), piece->name,
                   type, from);
        } else if (from) {
            c_line(p, "%s %s = load_%s(&%s);", type, piece->name, type, from);
        } else {
            c_line(p, "%s %s;", type, piece->name);
        }
    }
    for (int i = 0; i < pieces->n; i++) vec_push(p->arena, &p->pieces, pieces->at[i]);
}

void c_pieces_store(Printer *p, const CPieces *pieces) {
    p->pieces.n -= pieces->n;
    for (int i = 0; i < pieces->n; i++) {
        const CPiece *piece = &pieces->at[i];
        if (!piece->stored) continue;
        const char *to = c_element(p, piece->tensor, piece->first);
        c_line(p, "store_%s(&%s, %s);", piece_type(p, piece), to, piece->name);
    }
}

const char *c_piece_element(Printer *p, const Tensor *t, const Expr *index) {
    for (int i = p->pieces.n - 1; i >= 0; i--) {
        const CPiece *piece = &p->pieces.at[i];
        if (piece->tensor != t || piece->index != index) continue;
        const char *var = name_find(p, piece->var);
        if (piece->share == 1) return arena_printf(p->arena, "%s.at[%s]", piece->name, var);
        return arena_printf(p->arena, "%s.at[%s / %d]", piece->name, var, piece->share);
    }
    return NULL;
}
