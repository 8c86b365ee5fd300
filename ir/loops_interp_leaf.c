/* Runs what threads of a block do by instructions of their own: they combine their values; copies
 * arrive when they are waited for, and not before; products of matrices add up in f32, one step of
 * the reduction after the other, or in i32. */
#include "ir/loops_interp.h"
#include "ir/mma.h"

enum { WARP = 32, LEFT = MMA_ROWS, RIGHT = MMA_COLUMNS };

/* ---- combining the values of threads ---- */
typedef struct Part { /* of one thread */
    char *value, *position;
} Part;

static ScalarValue join(const LStmt *l, ScalarValue a, ScalarValue b) {
    static const ScalarOp ops[] = {SOP_add, SOP_mul, SOP_max, SOP_min,
                                   SOP_max, SOP_min, SOP_or,  SOP_and};
    ScalarValue args[2] = {a, b};
    return scalar_eval(ops[l->red], l->tensor->dtype, l->tensor->dtype, args);
}

/* Is b better than a, or as good at a place that counts? */
static bool is_better(const LStmt *l, ScalarValue a, int64_t i, ScalarValue b, int64_t k) {
    ScalarValue args[2] = {b, a};
    DType t = l->tensor->dtype;
    bool b_nan = dtype_is_float(t) && scalar_eval(SOP_isnan, t, DT_BOOL, &args[0]).i;
    bool a_nan = dtype_is_float(t) && scalar_eval(SOP_isnan, t, DT_BOOL, &args[1]).i;
    bool equal = (a_nan && b_nan) || scalar_eval(SOP_eq, t, DT_BOOL, args).i;
    if (equal) return l->last ? k > i : k < i;
    if (a_nan || b_nan) return b_nan;
    return scalar_eval(l->red == RED_ARGMAX ? SOP_gt : SOP_lt, t, DT_BOOL, args).i;
}

static void join_parts(const LStmt *l, Part *a, const Part *b) {
    DType t = l->tensor->dtype;
    ScalarValue x = scalar_load(t, a->value), y = scalar_load(t, b->value);
    if (l->red != RED_ARGMAX && l->red != RED_ARGMIN) {
        scalar_store(t, a->value, join(l, x, y));
        return;
    }
    DType p = l->n_args ? l->args[0]->dtype : DT_I64;
    int64_t i = l->n_args ? scalar_load(p, a->position).i : 0,
            k = l->n_args ? scalar_load(p, b->position).i : 0;
    if (!is_better(l, x, i, y, k)) return;
    scalar_store(t, a->value, y);
    if (l->n_args) scalar_store(p, a->position, (ScalarValue){.i = k});
}

/* The threads of one group, as a balanced tree; then all get the result of the first. */
static void join_group(const LStmt *l, Part *const *group, int64_t n) {
    for (int64_t half = n / 2; half >= 1; half /= 2)
        for (int64_t k = 0; k < half; k++) join_parts(l, group[k], group[k + half]);
    for (int64_t k = 1; k < n; k++) {
        memcpy(group[k]->value, group[0]->value, dtype_bytes(l->tensor->dtype));
        if (l->n_args)
            memcpy(group[k]->position, group[0]->position, dtype_bytes(l->args[0]->dtype));
    }
}

/* Each gets the sum of those in front of it, and the sum of all. */
static void join_prefix(Interp *it, const LStmt *l, Part *const *group, int64_t n) {
    DType t = l->tensor->dtype;
    ScalarValue *sum = NEW_ARRAY(it->arena, ScalarValue, n);
    ScalarValue identity = scalar_of_expr(reduce_identity(it->ctx, l->red, t));
    for (int64_t k = 0; k < n; k++) sum[k] = scalar_load(t, group[k]->value);
    for (int64_t by = 1; by < n; by *= 2)
        for (int64_t k = n - 1; k >= by; k--) sum[k] = join(l, sum[k - by], sum[k]);
    for (int64_t k = 0; k < n; k++) {
        scalar_store(t, group[k]->value, k ? sum[k - 1] : identity);
        scalar_store(t, group[k]->position, sum[n - 1]);
    }
}

void linterp_combine(Interp *it, const LStmt *l) {
    Team *t = it->team;
    int64_t step = 1, n = 1;
    for (int i = t->n - 1; i >= 0; i--) {
        n = t->extent[i];
        if (t->loop[i]->var == l->var) break;
        step *= n;
    }
    Part *parts = NEW_ARRAY(it->arena, Part, t->threads);
    Part **group = NEW_ARRAY(it->arena, Part *, n);
    for (int64_t k = 0; k < t->threads && !it->failed; k++) {
        linterp_choose(it, k);
        parts[k].value = linterp_address(it, l->tensor, linterp_index(it, l->index));
        if (l->n_args)
            parts[k].position = linterp_address(it, l->args[0], linterp_index(it, l->iargs[0]));
    }
    for (int64_t k = 0; k < t->threads && !it->failed; k++) {
        if (k / step % n) continue;
        for (int64_t i = 0; i < n; i++) group[i] = &parts[k + i * step];
        if (l->prefix) join_prefix(it, l, group, n);
        else join_group(l, group, n);
    }
    it->generation++;
}

/* ---- copies that arrive later ---- */
void linterp_async(Interp *it, const LStmt *l, bool there) {
    size_t bytes = (size_t)l->hi->i * dtype_bytes(l->tensor->dtype);
    int64_t to = linterp_index(it, l->index), from = linterp_index(it, l->iargs[0]);
    Copy c = {.thread = it->team->current, .group = it->team->groups[it->team->current]};
    c.to = linterp_address(it, l->tensor, to);
    linterp_address(it, l->tensor, to + l->hi->i - 1);
    if (there) {
        c.from = linterp_address(it, l->args[0], from);
        linterp_address(it, l->args[0], from + l->hi->i - 1);
        if (from % l->hi->i) linterp_fail(it, "%%%s is not read in pieces", l->args[0]->name);
    }
    if (to % l->hi->i) linterp_fail(it, "%%%s is not written in pieces", l->tensor->name);
    c.bytes = bytes;
    if (!it->failed) vec_push(it->arena, &it->copies, c);
}

void linterp_fill(Interp *it, const LStmt *l, ScalarValue v) {
    int64_t to = linterp_index(it, l->index);
    for (int64_t i = 0; i < l->hi->i && !it->failed; i++) {
        char *at = linterp_address(it, l->tensor, to + i);
        if (at) scalar_store(l->tensor->dtype, at, v);
    }
}

void linterp_arrive(Interp *it, const LStmt *l) {
    int64_t own = it->team->current;
    int n = 0, *group = &it->team->groups[own];
    if (l->kind == L_COMMIT) {
        ++*group;
        return;
    }
    int64_t open = linterp_index(it, l->lo);
    for (int i = 0; i < it->copies.n; i++) {
        Copy *c = &it->copies.at[i];
        if (c->thread != own || c->group >= *group - open) {
            it->copies.at[n++] = *c;
            continue;
        }
        if (c->from) memcpy(c->to, c->from, c->bytes);
        else memset(c->to, 0, c->bytes);
    }
    it->copies.n = n;
}

/* ---- fragments: where the elements of register `at` of a thread lie (ir/mma.h) ---- */
static int row_of(int lane, int width, int at) {
    return lane / MMA_LANE_COLUMNS + (width == LEFT ? at % 2 * 8 : 0);
}

/* Of the first one; the others follow. */
static int step_of(int lane, int width, int at, int each) {
    int half = width == LEFT ? at / 2 : at;
    return (lane % MMA_LANE_COLUMNS + half * MMA_LANE_COLUMNS) * each;
}

static void round_register(char *reg) {
    uint32_t bits;
    memcpy(&bits, reg, sizeof bits);
    bits = mma_tf32(bits);
    memcpy(reg, &bits, sizeof bits);
}

void linterp_fragment(Interp *it, const LStmt *l) {
    int lane = (int)(it->team->current % WARP);
    size_t size = dtype_bytes(l->args[0]->dtype);
    int each = MMA_REGISTER / (int)size;
    int64_t to = linterp_index(it, l->index), from = linterp_index(it, l->iargs[0]);
    int64_t row = linterp_index(it, l->iargs[1]), step = linterp_index(it, l->iargs[2]);
    for (int i = 0; i < l->width / 4 && !it->failed; i++) {
        char *reg = linterp_address(it, l->tensor, to + i);
        int64_t first = from + row_of(lane, l->width, i) * row;
        for (int k = 0; k < each && reg; k++) {
            int64_t at = first + (step_of(lane, l->width, i, each) + k) * step;
            const char *value = linterp_address(it, l->args[0], at);
            if (value) memcpy(reg + size * (size_t)k, value, size);
        }
        if (l->args[0]->dtype == DT_F32 && reg) round_register(reg);
    }
}

typedef struct Matrix {
    ScalarValue at[LEFT][MMA_STEP_BYTES];
} Matrix;

/* The matrix that the warp holds in its fragments. */
static void gather(Interp *it, const LStmt *l, int factor, int64_t first, Matrix *m) {
    int width = factor ? RIGHT : LEFT;
    DType t = factor ? l->right : l->dtype;
    size_t size = dtype_bytes(t);
    int each = MMA_REGISTER / (int)size;
    for (int lane = 0; lane < WARP && !it->failed; lane++) {
        linterp_choose(it, first + lane);
        int64_t from = linterp_index(it, l->iargs[factor]);
        for (int i = 0; i < width / 4; i++) {
            const char *reg = linterp_address(it, l->args[factor], from + i);
            for (int k = 0; k < each && reg; k++)
                m->at[row_of(lane, width, i)][step_of(lane, width, i, each) + k] =
                    scalar_load(t, reg + size * (size_t)k);
        }
    }
}

void linterp_add_product(DType t, ScalarValue *sum, ScalarValue a, ScalarValue b) {
    if (t == DT_F32) sum->f = (float)(sum->f + (float)(a.f * b.f));
    else sum->i = (int32_t)((uint32_t)sum->i + (uint32_t)(a.i * b.i));
}

static void add_products(Interp *it, const LStmt *l, int64_t first, const Matrix *a,
                         const Matrix *b) {
    DType t = mma_sum(l->dtype, l->right);
    for (int lane = 0; lane < WARP && !it->failed; lane++) {
        linterp_choose(it, first + lane);
        int64_t at = linterp_index(it, l->index);
        for (int i = 0; i < 4 && !it->failed; i++) {
            int row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
            char *sum = linterp_address(it, l->tensor,
                                        at + i / 2 * linterp_index(it, l->iargs[2]) +
                                            i % 2 * linterp_index(it, l->iargs[3]));
            if (!sum) return;
            ScalarValue v = scalar_load(t, sum);
            for (int k = 0; k < mma_steps(l->dtype); k++)
                linterp_add_product(t, &v, a->at[row][k], b->at[column][k]);
            scalar_store(t, sum, v);
        }
    }
}

void linterp_mma(Interp *it, const LStmt *l) {
    for (int64_t first = 0; first < it->team->threads && !it->failed; first += WARP) {
        Matrix a, b;
        gather(it, l, 0, first, &a);
        gather(it, l, 1, first, &b);
        add_products(it, l, first, &a, &b);
    }
    it->generation++;
}
