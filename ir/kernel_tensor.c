/* Tensors of kernels: layouts, offsets, and which tensors a kernel reads and writes. */
#include "ir/kernel.h"

Tensor *tensor_new(Ctx *ctx, const char *name, DType t, Expr *const *dims, int rank, Space space) {
    CHECK(rank <= MAX_RANK);
    Tensor *x = NEW(ctx->perm, Tensor);
    x->name = arena_str(ctx->perm, name);
    x->dtype = t;
    x->rank = rank;
    for (int i = 0; i < rank; i++) x->dims[i] = dims[i];
    x->space = space;
    return x;
}

Type tensor_outer(const Tensor *t) {
    return t->outer ? *t->outer : type_make(t->dtype, t->dims, t->rank);
}

DType tensor_dtype(const Tensor *t) {
    return t->dtype;
}

const char *tensor_name(const Tensor *t) {
    return t->name;
}

int tensor_physical_rank(const Tensor *t) {
    return t->layout ? t->layout->n : t->rank;
}

/* Entry p of the layout; row-major where the tensor has none. */
static LayoutDim entry(const Tensor *t, int p) {
    return t->layout ? t->layout->at[p] : (LayoutDim){p, 1, 0};
}

Expr *tensor_extent(Ctx *ctx, const Tensor *t, int physical_dim) {
    LayoutDim d = entry(t, physical_dim);
    if (d.mod) return expr_int(ctx, d.mod);
    if (d.div == 1) return t->dims[d.dim];
    return expr_ceildiv(ctx, t->dims[d.dim], expr_int(ctx, d.div));
}

Expr *tensor_elements(Ctx *ctx, const Tensor *t) {
    Expr *extents[MAX_RANK];
    int n = tensor_physical_rank(t);
    for (int i = 0; i < n; i++) extents[i] = tensor_extent(ctx, t, i);
    return expr_product(ctx, extents, n);
}

static Expr *coordinate(Ctx *ctx, LayoutDim d, Expr *const *index) {
    Expr *e = index[d.dim];
    if (d.div != 1) e = expr_floordiv(ctx, e, expr_int(ctx, d.div));
    if (d.mod) e = expr_mod(ctx, e, expr_int(ctx, d.mod));
    return e;
}

Expr *tensor_offset(Ctx *ctx, const Tensor *t, Expr *const *index) {
    Expr *offset = expr_int(ctx, 0);
    for (int i = 0; i < tensor_physical_rank(t); i++) {
        Expr *at = coordinate(ctx, entry(t, i), index);
        offset = expr_add(ctx, expr_mul(ctx, offset, tensor_extent(ctx, t, i)), at);
    }
    return offset;
}

Layout *layout_perm(Ctx *ctx, const int *perm, int rank) {
    bool identity = true;
    for (int i = 0; i < rank; i++) identity &= perm[i] == i;
    if (identity) return NULL;
    Layout *l = NEW(ctx->perm, Layout);
    l->n = rank;
    for (int i = 0; i < rank; i++) l->at[i] = (LayoutDim){perm[i], 1, 0};
    return l;
}

static LayoutDim dim_of(const Layout *l, int i) {
    return l ? l->at[i] : (LayoutDim){i, 1, 0};
}

bool layout_equal(const Layout *a, const Layout *b, int rank) {
    int n = a ? a->n : rank;
    if (n != (b ? b->n : rank)) return false;
    for (int i = 0; i < n; i++) {
        LayoutDim x = dim_of(a, i), y = dim_of(b, i);
        if (x.dim != y.dim || x.div != y.div || x.mod != y.mod) return false;
    }
    return true;
}

/* ---- what a kernel reads and writes ---- */

typedef VEC(Tensor *) Tensors;
typedef struct Uses {
    Arena *arena;
    Tensors in, out;
} Uses;

static void add_once(Arena *a, Tensors *list, Tensor *t) {
    if (!t || t->space == SP_TEMP) return;
    for (int i = 0; i < list->n; i++)
        if (list->at[i] == t) return;
    vec_push(a, list, t);
}

static bool has(const Tensors *list, const Tensor *t) {
    for (int i = 0; i < list->n; i++)
        if (list->at[i] == t) return true;
    return false;
}

static void note_load(void *user, const Expr *e) {
    Uses *u = user;
    if (e->kind == E_LOAD && !has(&u->out, e->tensor)) add_once(u->arena, &u->in, e->tensor);
}

/* A tensor that the kernel wrote before it reads it is not an input. A scatter into something
 * that the kernel did not write keeps what is there: that is read. */
void kernel_tensors(Ctx *ctx, const Kernel *k, Tensor ***in, int *n_in, Tensor ***out, int *n_out) {
    Uses u = {.arena = ctx->perm};
    for (int i = 0; i < k->stmts.n; i++) {
        const Stmt *s = k->stmts.at[i];
        expr_visit(s->value, note_load, &u);
        for (int d = 0; d < stmt_target(s)->rank; d++) expr_visit(stmt_index(s, d), note_load, &u);
        if (s->kind == ST_SCATTER && !has(&u.out, s->out)) add_once(u.arena, &u.in, s->out);
        add_once(u.arena, &u.out, s->out);
        add_once(u.arena, &u.out, s->out2);
    }
    *in = u.in.at;
    *n_in = u.in.n;
    *out = u.out.at;
    *n_out = u.out.n;
}

static void add_temp(Arena *a, Tensors *list, Tensor *t) {
    if (t && t->space == SP_TEMP && !has(list, t)) vec_push(a, list, t);
}

Tensor **kernel_temps(Arena *arena, const Kernel *k, int *n) {
    Tensors list = {0};
    for (int i = 0; i < k->stmts.n; i++) {
        add_temp(arena, &list, k->stmts.at[i]->out);
        add_temp(arena, &list, k->stmts.at[i]->out2);
    }
    *n = list.n;
    return list.at;
}
