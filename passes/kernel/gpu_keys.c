/* GPUs: attention of few queries to many keys is done in parts of the keys, so that all processors
 * have work (Flash-Decoding: Dao et al., 2023). A part is attention itself, to its own keys, and
 * leaves its maximum, the sum of its exponentials and the sum of values that these weight; a kernel
 * behind it puts the parts on the scale of the common maximum.
 *
 *   %s[m<M, n<N] = sum[d<64] %q[m, d] * %k[n, d];    %x[m<M] = max[n<N] %s[m, n]
 *   %p[m<M, n<N] = exp(%s[m, n] - %x[m]);            %z[m<M] = sum[n<N] %p[m, n]
 *   %o[m<M, e<64] = sum[n<N] %p[m, n] * %v[n, e];    %y[m<M, e<64] = %o[m, e] / %z[m]
 *
 * becomes the same with a row for each part, key n = part*C + n.in, and %x, %z, %o in memory; then
 *
 *   %x.all[m, e] = max[part] %x.part[part, m]
 *   %z.all[m, e] = sum[part] %z.part[part, m] * exp(%x.part[part, m] - %x.all[m, e])
 *   %o.all[m, e] = sum[part] %o.part[part, m, e] * exp(%x.part[part, m] - %x.all[m, e])
 *   %y[m, e] = %o.all[m, e] / %z.all[m, e]
 *
 * Keys that do not exist have the score -inf; a part may have no others, and then sums of 0. Maxima
 * are at least the least finite number. Where all of a row are -inf, its sum is 0, and is read as
 * the NaN that it was. With --fp=strict nothing changes. Requires: as pass gpu_attention, which
 * comes behind. */
#include "passes/kernel/gpu_attention.h"
#include "passes/kernel/gpu_cost.h"
#include "passes/kernel/schedule_gpu_tile.h"

enum { PIECE = 128, MOST_PARTS = 32 };
enum { FEW_ROWS = 4, MANY_ROWS = 64 }; /* that a block has */
enum { MANY = 8 }; /* times as many keys as are assumed: what a run should be good for */

typedef struct Keys {
    Online a; /* the kernel as it is */
    Ctx *ctx;
    Var *part, *inside, *e; /* e: along the values, of the second kernel */
    Expr *keys, *chunk;     /* how many there are, and a part has */
    Var *at;                /* along the keys, of the statement at hand */
    Tensor *temp[MOST_KEYED + 3], *by[MOST_KEYED + 3]; /* of the kernel, and what they become */
    int n_temps;
    Tensor *max, *sum, *o; /* of all parts, in memory */
    Kernel *join;
} Keys;

/* ---- does it pay? ---- */
static int64_t blocks(const Online *a) {
    int64_t outer = 1, last = gpu_typical(a->row[a->n_rows - 1]->extent);
    for (int i = 0; i + 1 < a->n_rows; i++) outer *= gpu_typical(a->row[i]->extent);
    return last <= FEW_ROWS ? gpu_ceil_div(outer * last, FEW_ROWS)
                            : outer * gpu_ceil_div(last, MANY_ROWS);
}

/* Clocks of a processor for a key and its value: each of few rows has keys of its own, which come
 * at 16 bytes a clock; many rows multiply them, f16 and bf16 as matrices. */
static double clocks(const Online *a) {
    Expr *const *factor = a->o->value->arg;
    DType type = gpu_tile_type(factor[expr_uses_tensor(factor[0], a->p->out)]);
    int64_t n = gpu_typical(a->scores->red[0]->extent) + gpu_typical(a->e->extent);
    double bytes = (double)dtype_bytes(type);
    if (gpu_typical(a->row[a->n_rows - 1]->extent) <= FEW_ROWS)
        return (double)n * bytes * FEW_ROWS / GPU_BYTES;
    return bytes < 4 ? (double)n / 8 : (double)n;
}

static int64_t parts_of(const Online *a, int64_t keys) {
    int64_t n = blocks(a), best_parts = 1;
    double each = clocks(a), best = (double)keys * each * 2 / 3;
    for (int64_t parts = 2; n && n < GPU_PROCESSORS && parts <= MOST_PARTS; parts++) {
        int64_t chunk = gpu_ceil_div(gpu_ceil_div(keys, parts), PIECE) * PIECE;
        int64_t steps = gpu_ceil_div(n * parts, GPU_PROCESSORS) * chunk;
        double cost = (double)steps * each + (double)(GPU_LAUNCH + parts * GPU_JOIN);
        if (cost < best) best = cost, best_parts = parts;
    }
    return best_parts;
}

static bool choose(Keys *k) {
    Ctx *c = k->ctx;
    k->keys = k->a.max->red[0]->extent;
    int64_t keys = gpu_typical(k->keys), parts = parts_of(&k->a, keys);
    if (parts < 2) return false;
    if (!expr_is_int(k->keys, NULL)) parts = parts_of(&k->a, MANY * keys);
    Expr *pieces = expr_ceildiv(c, k->keys, expr_int(c, parts * PIECE));
    k->chunk = expr_muli(c, pieces, PIECE);
    k->part = gpu_fresh_var(c, k->a.kernel, "part", expr_int(c, parts));
    k->inside = gpu_fresh_var(c, k->a.kernel, "n.in", k->chunk);
    k->e = gpu_fresh_var(c, k->a.kernel, "e.all", k->a.e->extent);
    return true;
}

/* ---- the parts ---- */
static Expr *f32(const Keys *k, double v) {
    return expr_const_flt(k->ctx, DT_F32, v);
}

static Expr *finite(const Keys *k, Expr *x) {
    return expr_op2(k->ctx, SOP_max, x, f32(k, -3.4028234663852886e38));
}

static Expr *swap_load(void *user, Expr *e) {
    const Keys *k = user;
    for (int i = 0; e->kind == E_LOAD && i < k->n_temps; i++) {
        Expr *index[MAX_RANK] = {k->part->self};
        if (k->temp[i] != e->tensor) continue;
        for (int d = 0; d < e->n; d++)
            index[d + 1] = k->at && e->arg[d] == k->at->self ? k->inside->self : e->arg[d];
        return expr_load(k->ctx, k->by[i], index, e->n + 1);
    }
    return e;
}

static Expr *key(const Keys *k) {
    return expr_add(k->ctx, expr_mul(k->ctx, k->part->self, k->chunk), k->inside->self);
}

static Expr *there(const Keys *k) {
    return expr_in_range(k->ctx, key(k), k->keys);
}

static void replace_temp(Keys *k, Stmt *s, bool keyed) {
    Expr *dims[MAX_RANK] = {k->part->extent};
    memcpy(dims + 1, s->out->dims, sizeof(Expr *) * (size_t)s->out->rank);
    if (keyed) dims[s->out->rank] = k->chunk;
    k->temp[k->n_temps] = s->out;
    k->by[k->n_temps++] = s->out =
        program_temp(k->a.program, s->out->name, s->out->dtype, dims, s->out->rank + 1);
}

/* The statement with a row for each part; v: its variable along the keys. */
static void make_rows(Keys *k, Stmt *s, Var *v) {
    Ctx *c = k->ctx;
    bool keyed = stmt_has_dom(s, v);
    Var **dom = NEW_ARRAY(c->perm, Var *, s->n_dom + 2);
    dom[0] = k->part;
    for (int i = 0; i < s->n_dom; i++) dom[i + 1] = s->dom[i] == v ? k->inside : s->dom[i];
    k->at = v;
    s->value = expr_subst1(c, expr_rewrite(c, s->value, swap_load, k), v, key(k));
    s->dom = dom, s->n_dom++;
    if (stmt_has_red(s, v)) s->red = arena_copy(c->perm, &k->inside, sizeof(Var *));
    replace_temp(k, s, keyed);
}

/* Factors that are read at keys that do not exist are 0. */
static void guard_factors(const Keys *k, Stmt *s) {
    Expr *f[2] = {s->value->arg[0], s->value->arg[1]};
    for (int i = 0; i < 2; i++) {
        bool own = f[i]->kind == E_LOAD && f[i]->tensor->space == SP_TEMP;
        if (expr_uses_var(f[i], k->inside) && !own)
            f[i] = expr_guard(k->ctx, there(k), f[i], f32(k, 0));
    }
    s->value = expr_op2(k->ctx, SOP_mul, f[0], f[1]);
}

static void guard_scores(const Keys *k, Stmt *s) {
    s->value = expr_guard(k->ctx, there(k), s->value, f32(k, -1.0 / 0.0));
}

/* The scores and their maps, then the softmax; what the maximum is taken of is a map. */
static void make_parts(Keys *k, int first) {
    Kernel *own = k->a.kernel;
    for (int i = 0; i < first + 4; i++) {
        Stmt *s = own->stmts.at[i];
        make_rows(k, s, s->n_red && i ? s->red[0] : attention_own_var(&k->a, s));
        if (i == 0 || s == k->a.o) guard_factors(k, s);
        else if (i < first) guard_scores(k, s);
    }
    Stmt *p = own->stmts.at[first + 1];
    Expr *less = p->value->arg[0];
    less = expr_op2(k->ctx, SOP_sub, less->arg[0], finite(k, less->arg[1]));
    p->value = expr_op1(k->ctx, SOP_exp, less);
}

/* A map of scores as they are, where the maximum is of these: something must say that a key does
 * not exist. */
static int add_map(Keys *k, int first) {
    Ctx *c = k->ctx;
    const Stmt *s = k->a.scores;
    if (first > 1 || expr_is(there(k), 1)) return first;
    Expr *index[MAX_RANK];
    for (int i = 0; i < s->n_dom; i++) index[i] = s->dom[i]->self;
    char *name = arena_printf(c->perm, "%s.of", s->out->name);
    Tensor *t = program_temp(k->a.program, name, DT_F32, s->out->dims, s->out->rank);
    Expr *value = expr_load(c, s->out, index, s->n_dom);
    kernel_insert(c, k->a.kernel, 1, stmt_new(c, ST_MAP, t, s->dom, s->n_dom, value));
    Expr *max = k->a.max->value, *less = k->a.p->value->arg[0];
    k->a.max->value = expr_load(c, t, max->arg, max->n);
    less = expr_op2(c, SOP_sub, expr_load(c, t, less->arg[0]->arg, less->arg[0]->n), less->arg[1]);
    k->a.p->value = expr_op1(c, SOP_exp, less);
    return 2;
}

/* What a statement of the parts computes, in memory. */
static Tensor *store(const Keys *k, Kernel *own, const Stmt *s) {
    Expr *index[MAX_RANK];
    char *name = arena_printf(k->ctx->perm, "%s.part", s->out->name);
    Tensor *t = program_tensor(k->a.program, name, DT_F32, s->out->dims, s->out->rank);
    for (int i = 0; i < s->n_dom; i++) index[i] = s->dom[i]->self;
    Expr *value = expr_load(k->ctx, s->out, index, s->n_dom);
    vec_push(k->ctx->perm, &own->stmts, stmt_new(k->ctx, ST_MAP, t, s->dom, s->n_dom, value));
    return t;
}

/* ---- all of them ---- */
static Expr *of_part(const Keys *k, Tensor *t) {
    Expr *index[MAX_RANK] = {k->part->self};
    for (int i = 0; i < k->a.n_rows; i++) index[i + 1] = k->a.row[i]->self;
    index[k->a.n_rows + 1] = k->e->self;
    return expr_load(k->ctx, t, index, t->rank);
}

static Expr *own_element(const Keys *k, Tensor *t) {
    Expr *index[MAX_RANK];
    for (int i = 0; i < k->a.n_rows; i++) index[i] = k->a.row[i]->self;
    index[k->a.n_rows] = k->e->self;
    return expr_load(k->ctx, t, index, t->rank);
}

static Tensor *join(Keys *k, Reduce op, const Tensor *of, Expr *value) {
    Var *dom[MAX_RANK];
    Expr *dims[MAX_RANK];
    int n = k->a.n_rows;
    memcpy(dom, k->a.row, sizeof(Var *) * (size_t)n);
    dom[n++] = k->e;
    for (int i = 0; i < n; i++) dims[i] = dom[i]->extent;
    char *name = arena_printf(k->ctx->perm, "%s.all", of->name);
    Tensor *t = program_temp(k->a.program, name, DT_F32, dims, n);
    Stmt *s = stmt_new(k->ctx, ST_REDUCE, t, dom, n, value);
    s->op = op;
    s->red = arena_copy(k->ctx->perm, &k->part, sizeof(Var *));
    s->n_red = 1;
    vec_push(k->ctx->perm, &k->join->stmts, s);
    return t;
}

typedef struct Final {
    const Keys *k;
    const Tensor *sum, *o;
    Expr *all_sum, *all_o;
} Final;

static Expr *swap_final(void *user, Expr *e) {
    const Final *f = user;
    if (e->kind == E_LOAD && e->tensor == f->o) return f->all_o;
    return e->kind == E_LOAD && e->tensor == f->sum ? f->all_sum : e;
}

static void add_final(const Keys *k, Final *f, Stmt *s) {
    Ctx *c = k->ctx;
    Var *e = attention_width(&k->a, s), **dom = NEW_ARRAY(c->perm, Var *, s->n_dom + 1);
    Expr *index[MAX_RANK];
    for (int i = 0; i < s->out->rank; i++)
        index[i] = expr_subst1(c, stmt_index(s, i), e, k->e->self);
    for (int i = 0; i < s->n_dom; i++) dom[i] = s->dom[i] == e ? k->e : s->dom[i];
    s->value = expr_subst1(c, expr_rewrite(c, s->value, swap_final, f), e, k->e->self);
    s->dom = dom;
    stmt_set_index(c, s, index);
    vec_push(c->perm, &k->join->stmts, s);
}

static void make_join(Keys *k, Stmt *const *finals, int n, const Tensor *sum, const Tensor *o) {
    Ctx *c = k->ctx;
    Tensor *x = join(k, RED_MAX, k->a.max->out, of_part(k, k->max));
    Expr *all = finite(k, own_element(k, x));
    Expr *less = expr_op2(c, SOP_sub, of_part(k, k->max), all);
    Expr *scale = expr_op1(c, SOP_exp, expr_op2(c, SOP_min, less, f32(k, 0)));
    Tensor *z = join(k, RED_SUM, sum, expr_op2(c, SOP_mul, of_part(k, k->sum), scale));
    Tensor *w = join(k, RED_SUM, o, expr_op2(c, SOP_mul, of_part(k, k->o), scale));
    Expr *own = own_element(k, z), *none = expr_op2(c, SOP_eq, own, f32(k, 0));
    Final f = {k, sum, o, expr_op3(c, SOP_select, none, f32(k, 0.0 / 0.0), own), own_element(k, w)};
    for (int i = 0; i < n; i++) add_final(k, &f, finals[i]);
}

static void cut(Keys *k, Block *b, int at) {
    Online *a = &k->a;
    Kernel *own = a->kernel;
    Tensor *sum = a->sum->out, *o = a->o->out;
    int first = add_map(k, own->stmts.n - a->n_final - 4), end = first + 4;
    Stmt **finals =
        arena_copy(k->ctx->perm, own->stmts.at + end, sizeof(Stmt *) * (size_t)a->n_final);
    k->join = gpu_kernel_beside(a->program, b, at + 1, b->items.at[at], "join");
    make_parts(k, first);
    own->stmts.n = end;
    k->max = store(k, own, a->max);
    k->sum = store(k, own, a->sum);
    k->o = store(k, own, a->o);
    make_join(k, finals, a->n_final, sum, o);
}

/* ---- the pass ---- */
static int cut_keys(Program *p, const Options *opt, Block *b, int at) {
    Keys k = {.a = {.program = p, .ctx = p->ctx, .kernel = b->items.at[at]->kernel}, .ctx = p->ctx};
    (void)opt;
    if (!attention_find(&k.a, true) || k.a.n_rows + 4 > MAX_RANK || !choose(&k)) return -1;
    cut(&k, b, at);
    return at;
}

PASS(gpu_keys, KERNELS, "GPUs: attention of few queries is done in parts of the keys")
bool pass_gpu_keys(Program *p, const Options *opt) {
    return opt->fp != FP_STRICT && cut_gpu_kernels(p, opt, cut_keys);
}
