/* Temps of a kernel: where in the nest each is declared, and how large it is there. */
#include "passes/kernel/apply.h"

typedef struct Path {
    Nest *at[64];
    int n;
} Path;

static bool touches(const Stmt *s, const Tensor *t) {
    if (s->out == t || s->out2 == t || expr_uses_tensor(s->value, t)) return true;
    if (s->decay && s->decay->tensor == t) return true;
    for (int i = 0; s->index && s->out && i < s->out->rank; i++)
        if (expr_uses_tensor(s->index[i], t)) return true;
    return false;
}

/* Shortens *common to what it shares with the paths of all statements below `nest` that touch t. */
static void common_path(Nest *nest, const Tensor *t, Path *here, Path *common, bool *any) {
    if (nest->kind == NEST_STMT) {
        if (!touches(nest->stmt, t)) return;
        int n = 0;
        while (*any && n < here->n && n < common->n && here->at[n] == common->at[n]) n++;
        if (*any) common->n = n;
        else *common = *here;
        *any = true;
        return;
    }
    CHECK(here->n < LEN(here->at));
    here->at[here->n++] = nest;
    for (int i = 0; i < nest->n_child; i++) common_path(nest->child[i], t, here, common, any);
    here->n--;
}

static bool on_path(const Path *p, const Var *v) {
    for (int i = 0; i < p->n; i++)
        if (p->at[i]->var == v) return true;
    return false;
}

/* Base (over variables fixed at the place) and size of the range that loops below the place give to
 * v. */
static void range_below(Apply *a, Var *v, const Path *place, Expr **base, Expr **size) {
    Split *s = apply_split_of(a, v);
    if (!s) {
        bool fixed = on_path(place, v);
        *base = fixed ? v->self : expr_int(a->ctx, 0);
        *size = fixed ? expr_int(a->ctx, 1) : v->extent;
        return;
    }
    Expr *bo, *so, *bi, *si;
    range_below(a, s->outer, place, &bo, &so);
    range_below(a, s->inner, place, &bi, &si);
    *base = expr_add(a->ctx, expr_muli(a->ctx, bo, s->factor), bi);
    *size = expr_add(a->ctx, expr_muli(a->ctx, expr_addi(a->ctx, so, -1), s->factor), si);
}

/* The number of values that loops below the place give to v. */
static Expr *count_below(Apply *a, Var *v, const Path *place) {
    Split *s = apply_split_of(a, v);
    if (!s) return on_path(place, v) ? expr_int(a->ctx, 1) : v->extent;
    return expr_mul(a->ctx, count_below(a, s->outer, place), count_below(a, s->inner, place));
}

/* The position among those values of the one that is `local` above the least. */
static Expr *rank_below(Apply *a, Var *v, const Path *place, Expr *local) {
    Split *s = apply_split_of(a, v);
    if (!s) return on_path(place, v) ? expr_int(a->ctx, 0) : local;
    Expr *factor = expr_int(a->ctx, s->factor);
    Expr *outer = rank_below(a, s->outer, place, expr_floordiv(a->ctx, local, factor));
    Expr *inner = rank_below(a, s->inner, place, expr_mod(a->ctx, local, factor));
    return expr_add(a->ctx, expr_mul(a->ctx, outer, count_below(a, s->inner, place)), inner);
}

/* Where threads between the loops below leave gaps, the values are counted. */
static void close_gaps(Apply *a, Box *box, int i, const Path *place) {
    Expr *count = count_below(a, box->root[i], place);
    if (count == box->size[i] || !expr_is_int(box->size[i], NULL)) return;
    box->local[i] = var_new(a->ctx, box->root[i]->name, box->size[i]);
    box->rank[i] = rank_below(a, box->root[i], place, box->local[i]->self);
    box->size[i] = count;
}

bool apply_has_vector(Apply *a, Nest *nest, Var *root) {
    if (nest->kind != NEST_LOOP) return false;
    if (nest->bind == BIND_VECTOR && apply_is_part(a, root, nest->var)) return true;
    for (int i = 0; i < nest->n_child; i++)
        if (apply_has_vector(a, nest->child[i], root)) return true;
    return false;
}

static Space home_of(Apply *a, const Tensor *t, const Expr *elements) {
    for (int i = 0; i < a->how->homes.n; i++)
        if (a->how->homes.at[i].temp == t) return a->how->homes.at[i].space;
    int64_t n;
    return expr_is_int(elements, &n) && n * (int64_t)dtype_bytes(t->dtype) <= 8192 ? SP_STACK
                                                                                   : SP_SCRATCH;
}

static Tensor *flat_buffer(Apply *a, const Tensor *t, const char *suffix, Expr *elements,
                           Space space) {
    Tensor *b = tensor_new(a->ctx, arena_printf(a->ctx->perm, "%s%s", t->name, suffix), t->dtype,
                           &elements, 1, space);
    if (space != SP_SCRATCH) return b;
    Expr *bytes = expr_muli(a->ctx, elements, (int64_t)dtype_bytes(t->dtype));
    b->aux = a->scratch;
    a->scratch = expr_add(a->ctx, a->scratch,
                          expr_muli(a->ctx, expr_ceildiv(a->ctx, bytes, expr_int(a->ctx, 64)), 64));
    return b;
}

/* The root with a vector loop goes last, so that lanes are neighbours. */
static void order_roots(Apply *a, Box *box) {
    for (int i = 0; i + 1 < box->n; i++) {
        bool vector = false;
        for (int k = 0; k < a->how->n_top; k++)
            vector |= apply_has_vector(a, a->how->top[k], box->root[i]);
        if (!vector) continue;
        Var *r = box->root[i];
        for (int k = i; k + 1 < box->n; k++) box->root[k] = box->root[k + 1];
        box->root[box->n - 1] = r;
        return;
    }
}

static bool is_shared(const Apply *a, const Tensor *t) {
    for (int i = 0; i < a->how->homes.n; i++)
        if (a->how->homes.at[i].temp == t) return a->how->homes.at[i].space == SP_SHARED;
    return false;
}

/* What all threads of a block have is declared outside of their loops, and covers the values that
 * all of them give to a variable. Returns the loop that it is declared in. */
static Nest *leave_blocks(Path *place) {
    Nest *outside = NULL;
    int n = 0;
    for (int i = 0; i < place->n; i++) {
        if (place->at[i]->bind == BIND_THREAD) outside = place->at[i];
        if (place->at[i]->bind != BIND_BLOCK) place->at[n++] = place->at[i];
    }
    place->n = n;
    return outside;
}

/* A scan whose result is used only in the loop that it runs along: one element per line is kept,
 * outside of that loop. Returns the loop's place on the path; -1: it is not such a scan. */
static int running_at(const Stmt *def, const Tensor *t, const Path *place) {
    bool plain = def->kind == ST_SCAN && def->out == t && !def->exclusive && !def->reverse;
    for (int i = 0; plain && i < place->n; i++)
        if (place->at[i]->var == def->dom[def->axis]) return i;
    return -1;
}

static Box *make_box(Apply *a, Stmt *def, Tensor *t) {
    Box *box = NEW(a->ctx->perm, Box);
    Path here = {.n = 0}, place = {.n = 0};
    bool any = false;
    for (int i = 0; i < a->how->n_top; i++) common_path(a->how->top[i], t, &here, &place, &any);
    /* a result outlives the loops that add it up */
    for (int i = 0; def->kind == ST_REDUCE && i < place.n; i++)
        for (int r = 0; r < def->n_red && place.at[i]->bind != BIND_BLOCK; r++)
            if (apply_is_part(a, def->red[r], place.at[i]->var)) place.n = i;
    int running = running_at(def, t, &place);
    if (running >= 0) box->running = place.at[running]->var, place.n = running;
    box->temp = t;
    box->def = def;
    box->place = place.n ? place.at[place.n - 1] : NULL;
    if (is_shared(a, t)) box->place = leave_blocks(&place);
    for (int i = 0; i < def->n_dom; i++) {
        Var *root = apply_root(a, def->dom[i]);
        bool known = false;
        for (int k = 0; k < box->n; k++) known |= box->root[k] == root;
        if (!known) box->root[box->n++] = root;
    }
    order_roots(a, box);
    Expr *stride = expr_int(a->ctx, 1);
    for (int i = box->n - 1; i >= 0; i--) {
        range_below(a, box->root[i], &place, &box->base[i], &box->size[i]);
        if (apply_has_threads(a)) close_gaps(a, box, i, &place);
        if (box->root[i] == box->running) box->size[i] = expr_int(a->ctx, 1);
        box->stride[i] = stride;
        stride = expr_mul(a->ctx, stride, box->size[i]);
    }
    box->elements = stride;
    box->buffer = flat_buffer(a, t, "", stride, home_of(a, t, stride));
    return box;
}

/* Lanes are used where the innermost reduction variable is split by the recipe's lanes and its
 * inner part is a vector. */
static void add_lanes(Apply *a, Box *box) {
    Stmt *s = box->def;
    int lanes = how_recipe(a->how, s)->lanes;
    if (s->kind != ST_REDUCE || lanes <= 1 || s->out != box->temp) return;
    if (apply_shares_sum(a, s)) return; /* its lanes are threads */
    box->lanes = lanes;
    Expr *n = expr_muli(a->ctx, box->elements, box->lanes);
    box->lane_buffer = flat_buffer(a, box->temp, ".lanes", n,
                                   expr_is(box->elements, 1) ? SP_REG : home_of(a, box->temp, n));
}

void apply_boxes(Apply *a) {
    for (int i = 0; i < a->kernel->stmts.n; i++) {
        Stmt *s = a->kernel->stmts.at[i];
        Tensor *outs[2] = {s->out, s->out2};
        for (int k = 0; k < 2; k++) {
            if (!outs[k] || outs[k]->space != SP_TEMP || apply_box(a, outs[k])) continue;
            Box *box = make_box(a, s, outs[k]);
            add_lanes(a, box);
            vec_push(a->ctx->perm, &a->boxes, box);
        }
    }
}

Box *apply_box(Apply *a, const Tensor *t) {
    for (int i = 0; i < a->boxes.n; i++)
        if (a->boxes.at[i]->temp == t) return a->boxes.at[i];
    return NULL;
}

/* Value of `root` for an element with these logical subscripts: collapsed dimensions are put
 * together again. */
static Expr *root_of_index(Apply *a, Box *box, Var *root, Expr *const *index) {
    Expr *e = expr_int(a->ctx, 0);
    bool own = true; /* the element that the statement itself is at */
    for (int i = 0; i < box->def->n_dom; i++)
        own &= apply_root(a, box->def->dom[i]) != root || index[i] == box->def->dom[i]->self;
    if (own) return root->self;
    for (int i = 0; i < box->def->n_dom; i++) {
        if (apply_root(a, box->def->dom[i]) != root) continue;
        e = expr_add(a->ctx, expr_mul(a->ctx, e, box->def->dom[i]->extent), index[i]);
    }
    return e;
}

Expr *box_offset(Apply *a, Box *box, Expr *const *index) {
    Expr *offset = expr_int(a->ctx, 0);
    for (int i = 0; i < box->n; i++) {
        if (expr_is(box->size[i], 1)) continue;
        Expr *base = box->base[i];
        for (int k = a->bound.n - 1; k >= 0; k--)
            base = expr_subst1(a->ctx, base, a->bound.at[k].var, a->bound.at[k].value);
        Expr *local = expr_sub(a->ctx, root_of_index(a, box, box->root[i], index), base);
        if (box->rank[i]) local = expr_subst1(a->ctx, box->rank[i], box->local[i], local);
        offset = expr_add(a->ctx, offset, expr_mul(a->ctx, local, box->stride[i]));
    }
    return offset;
}

static void declare(Apply *a, Tensor *t, LBody *body) {
    LStmt *l = lstmt_new(a->ctx, L_BUFFER);
    l->tensor = t;
    l->hi = t->dims[0];
    l->lo = expr_int(a->ctx, 0);
    if (t->space == SP_SCRATCH) l->lo = t->aux;
    lbody_add(a->ctx, body, l);
}

void apply_declare(Apply *a, Nest *place, LBody *body) {
    for (int i = 0; i < a->boxes.n; i++) {
        Box *box = a->boxes.at[i];
        if (box->place != place) continue;
        declare(a, box->buffer, body);
        if (box->lane_buffer) declare(a, box->lane_buffer, body);
    }
    for (int i = 0; i < a->stages.n; i++)
        if (a->stages.at[i].place == place) declare(a, a->stages.at[i].buffer, body);
}
