/* Runs the statements of a kernel, each over its whole iteration space in row-major order: domain,
 * then reduction variables. Results of a reduction are combined in that order, as its recipe
 * says. */
#include "ir/kernel_interp.h"

#include <math.h>

typedef struct Points {
    int n; /* variables */
    int64_t extent[3 * MAX_RANK], at[3 * MAX_RANK];
    int mirrored; /* this variable runs backwards; -1: none */
    int64_t total;
} Points;

typedef struct Run {
    Interp *in;
    const Stmt *stmt;
    Columns code;
    Column *regs;
    Points points;
    int value, x, y; /* registers; x, y: factors of a product that a sum takes as fma; value -1 */
    int decay;       /* -1: none */
    int offset;
    Buffer *out, *out2;
    int64_t n_red; /* points of the reduction */
} Run;

/* ---- the iteration space ---- */

static bool open_points(Run *r) {
    const Stmt *s = r->stmt;
    Points *p = &r->points;
    p->n = s->n_dom + s->n_red;
    p->total = 1;
    p->mirrored = s->kind == ST_SCAN && s->reverse ? s->axis : -1;
    r->n_red = 1;
    for (int i = 0; i < p->n; i++) {
        const Var *v = i < s->n_dom ? s->dom[i] : s->red[i - s->n_dom];
        if (!interp_index(r->in, v->extent, &p->extent[i])) return false;
        if (p->extent[i] < 0) p->extent[i] = 0;
        p->total *= p->extent[i];
        if (i >= s->n_dom) r->n_red *= p->extent[i];
    }
    return true;
}

static void advance(Points *p, int64_t by) {
    int i = p->n - 1;
    if (i < 0) return;
    p->at[i] += by;
    for (; i > 0 && p->at[i] == p->extent[i]; i--) {
        p->at[i] = 0;
        p->at[i - 1]++;
    }
}

/* The values of the variables at the next n points. */
static void fill_vars(Run *r, int n) {
    Points *p = &r->points;
    for (int i = 0; i < n;) {
        int last = p->n - 1, run = n - i;
        if (last >= 0 && run > p->extent[last] - p->at[last])
            run = (int)(p->extent[last] - p->at[last]);
        for (int v = 0; v < p->n; v++) {
            bool back = v == p->mirrored;
            int64_t first = back ? p->extent[v] - 1 - p->at[v] : p->at[v];
            int64_t step = v == last ? (back ? -1 : 1) : 0;
            for (int k = 0; k < run; k++) r->regs[v][i + k].i = first + k * step;
        }
        advance(p, run);
        i += run;
    }
}

/* ---- the forms of statements ---- */

static void store(Buffer *b, int64_t offset, DType from, ScalarValue v) {
    DType t = b->tensor->dtype;
    char *at = (char *)b->data + (size_t)offset * dtype_bytes(t);
    if (t == DT_F32 && from == DT_F32) memcpy(at, &v.f, 4);
    else scalar_store(t, at, scalar_cast(from, t, v));
}

static void finish(Run *r, Fold *f, int64_t offset) {
    bool position = r->stmt->op == RED_ARGMAX || r->stmt->op == RED_ARGMIN;
    if (r->stmt->recipe.blocks) fold_block(f);
    ScalarValue v = position || r->stmt->recipe.blocks ? f->total : fold_tree(f);
    if (r->out) store(r->out, offset, f->type, v);
    if (r->out2) store(r->out2, offset, DT_I64, (ScalarValue){.i = f->best});
}

static ScalarValue lane_value(const Run *r, const Fold *f, int i) {
    return scalar_cast(r->stmt->value->type, f->type, r->regs[r->value][i]);
}

/* Takes point i, which is element k of the innermost reduction variable. */
static void fold_point(Run *r, Fold *f, int i, int64_t k, int64_t position) {
    const Stmt *s = r->stmt;
    if (s->op == RED_ARGMAX || s->op == RED_ARGMIN) {
        fold_best(f, lane_value(r, f, i), position);
        return;
    }
    ScalarValue *part = &f->part[f->lanes == 1 ? 0 : k / MAX(s->recipe.runs, 1) % f->lanes];
    if (r->value < 0) *part = fold_product(f, r->regs[r->x][i], r->regs[r->y][i], *part);
    else *part = fold_join(f, *part, lane_value(r, f, i));
    if (s->recipe.blocks && (k + 1) % s->recipe.blocks == 0) fold_block(f);
}

/* What has been added up fades, in front of the elements of the next red[0]. */
static void fold_decay(Run *r, Fold *f, int i) {
    const Column *c = &r->regs[r->decay];
    ScalarValue by = scalar_cast(r->stmt->decay->type, f->type, (*c)[i]);
    for (int l = 0; l < f->lanes; l++) {
        ScalarValue args[2] = {f->part[l], by};
        f->part[l] = scalar_eval(SOP_mul, f->type, f->type, args);
    }
}

/* Takes points i, i + 1, ... of one reduction, the first being its point number `position`. */
static void fold_run(Run *r, Fold *f, int i, int run, int64_t position, int64_t inner) {
    bool plain = f->lanes == 1 && !r->stmt->recipe.blocks && f->type == DT_F32 && r->decay < 0;
    if (plain && r->value < 0) {
        const ScalarValue *x = r->regs[r->x] + i, *y = r->regs[r->y] + i;
        float sum = f->part[0].f;
        for (int k = 0; k < run; k++) sum = fmaf(x[k].f, y[k].f, sum);
        f->part[0].f = sum;
        return;
    }
    int64_t k = position % inner, each = r->n_red / MAX(r->points.extent[r->stmt->n_dom], 1);
    for (int at = 0; at < run; at++) {
        if (r->decay >= 0 && (position + at) % each == 0) fold_decay(r, f, i + at);
        fold_point(r, f, i + at, k, position + at);
        if (++k == inner) k = 0;
    }
}

static bool run_reduce(Run *r) {
    const Stmt *s = r->stmt;
    Fold f = {0};
    fold_open(r->in, r->stmt, &f);
    fold_reset(&f);
    int64_t inner = s->n_red ? r->points.extent[r->points.n - 1] : 1, position = 0;
    for (int64_t p = 0; p < r->points.total; p += LANES) {
        int n = (int)MIN(LANES, r->points.total - p);
        fill_vars(r, n);
        if (!code_run(&r->code, r->regs, n)) return false;
        for (int i = 0, run; i < n; i += run) {
            run = (int)MIN(n - i, r->n_red - position);
            fold_run(r, &f, i, run, position, inner);
            position += run;
            if (position < r->n_red) continue;
            finish(r, &f, r->regs[r->offset][i + run - 1].i);
            fold_reset(&f);
            position = 0;
        }
    }
    return true;
}

/* A reduction over nothing writes the identity. */
static bool run_empty(Run *r) {
    Fold f = {0};
    int64_t n = 1;
    fold_open(r->in, r->stmt, &f);
    fold_reset(&f);
    const Buffer *b = r->out ? r->out : r->out2;
    for (int i = 0; i < b->tensor->rank; i++) n *= b->dims[i];
    for (int64_t i = 0; i < n; i++) finish(r, &f, i);
    return true;
}

static bool run_map(Run *r) {
    const Stmt *s = r->stmt;
    for (int64_t p = 0; p < r->points.total; p += LANES) {
        int n = (int)MIN(LANES, r->points.total - p);
        fill_vars(r, n);
        if (!code_run(&r->code, r->regs, n)) return false;
        for (int i = 0; i < n; i++)
            store(r->out, r->regs[r->offset][i].i, s->value->type, r->regs[r->value][i]);
    }
    return true;
}

static void scatter_one(Run *r, const Fold *f, int i) {
    int64_t offset = r->regs[r->offset][i].i;
    DType t = r->out->tensor->dtype;
    ScalarValue v = scalar_cast(r->stmt->value->type, f->type, r->regs[r->value][i]);
    const char *at = (const char *)r->out->data + (size_t)offset * dtype_bytes(t);
    if (r->stmt->op != RED_SET) v = fold_join(f, scalar_cast(t, f->type, scalar_load(t, at)), v);
    store(r->out, offset, f->type, v);
}

/* A point is one lane at a time: subscripts may collide. */
static bool run_scatter(Run *r) {
    Fold f = {0};
    fold_open(r->in, r->stmt, &f);
    for (int64_t p = 0; p < r->points.total; p += LANES) {
        int n = (int)MIN(LANES, r->points.total - p);
        fill_vars(r, n);
        if (!code_run(&r->code, r->regs, n)) return false;
        for (int i = 0; i < n; i++) scatter_one(r, &f, i);
    }
    return true;
}

/* The elements of a line in lanes (kernel.h: Recipe). */
static void scan_line(Fold *f, const Stmt *s, ScalarValue *line, int64_t n) {
    int64_t runs = MAX(s->recipe.runs, 1), tile = runs * f->lanes;
    ScalarValue carry = f->identity;
    for (int64_t first = 0; first < n; first += tile) {
        fold_reset(f);
        for (int64_t k = 0; k < tile && first + k < n; k++)
            f->part[k / runs] = fold_join(f, f->part[k / runs], line[first + k]);
        for (int64_t by = 1; by < f->lanes; by *= 2)
            for (int64_t l = f->lanes - 1; l >= by; l--)
                f->part[l] = fold_join(f, f->part[l - by], f->part[l]);
        ScalarValue sum = carry;
        for (int64_t k = 0; k < tile && first + k < n; k++) {
            if (k % runs == 0)
                sum = fold_join(f, carry, k ? f->part[k / runs - 1] : f->identity);
            ScalarValue next = fold_join(f, sum, line[first + k]);
            line[first + k] = s->exclusive ? sum : next;
            sum = next;
        }
        carry = fold_join(f, carry, f->part[f->lanes - 1]);
    }
}

static bool run_scan_lanes(Run *r, Fold *f) {
    int64_t n = r->points.extent[r->stmt->axis], at = 0;
    ScalarValue *line = NEW_ARRAY(r->in->scratch, ScalarValue, n + 1);
    int64_t *to = NEW_ARRAY(r->in->scratch, int64_t, n + 1);
    for (int64_t p = 0; p < r->points.total; p += LANES) {
        int count = (int)MIN(LANES, r->points.total - p);
        fill_vars(r, count);
        if (!code_run(&r->code, r->regs, count)) return false;
        for (int i = 0; i < count; i++) {
            line[at] = lane_value(r, f, i);
            to[at++] = r->regs[r->offset][i].i;
            if (at < n) continue;
            scan_line(f, r->stmt, line, n);
            for (int64_t k = 0; k < n; k++) store(r->out, to[k], f->type, line[k]);
            at = 0;
        }
    }
    return true;
}

/* Every line along the axis has a running result; lines are met in step. */
static bool run_scan(Run *r) {
    const Stmt *s = r->stmt;
    Fold f = {0};
    fold_open(r->in, r->stmt, &f);
    if (f.lanes > 1) return run_scan_lanes(r, &f);
    int64_t inner = 1, length = r->points.extent[s->axis];
    for (int i = s->axis + 1; i < r->points.n; i++) inner *= r->points.extent[i];
    int64_t lines = length ? r->points.total / length : 0;
    ScalarValue *line = NEW_ARRAY(r->in->scratch, ScalarValue, lines + 1);
    for (int64_t i = 0; i < lines; i++) line[i] = f.identity;
    for (int64_t p = 0; p < r->points.total; p += LANES) {
        int n = (int)MIN(LANES, r->points.total - p);
        fill_vars(r, n);
        if (!code_run(&r->code, r->regs, n)) return false;
        for (int i = 0; i < n; i++) {
            ScalarValue *at = &line[(p + i) / (inner * length) * inner + (p + i) % inner];
            ScalarValue before = *at;
            *at = fold_join(&f, before, lane_value(r, &f, i));
            store(r->out, r->regs[r->offset][i].i, f.type, s->exclusive ? before : *at);
            if (r->out2) store(r->out2, r->regs[r->offset][i].i, f.type, before);
        }
    }
    return true;
}

/* ---- statements and kernels ---- */

/* Is the value a product that the sum takes with one rounding? */
static bool is_product(const Run *r) {
    const Stmt *s = r->stmt;
    bool sum = s->kind == ST_REDUCE && s->op == RED_SUM && dtype_is_float(s->value->type);
    bool same = s->recipe.acc == DT_NONE || s->recipe.acc == s->value->type;
    return sum && same && s->value->kind == E_OP && s->value->op == SOP_mul;
}

static void compile(Run *r) {
    const Stmt *s = r->stmt;
    Columns *c = &r->code;
    const Tensor *target = stmt_target(s);
    Expr *index[MAX_RANK];
    c->in = r->in;
    c->n_vars = c->n_regs = r->points.n;
    c->vars = NEW_ARRAY(r->in->scratch, Var *, c->n_vars + 1);
    for (int i = 0; i < c->n_vars; i++)
        c->vars[i] = i < s->n_dom ? s->dom[i] : s->red[i - s->n_dom];
    for (int i = 0; i < target->rank; i++) index[i] = stmt_index(s, i);
    r->offset = code_offset(c, r->out ? r->out : r->out2, index, target->rank);
    r->value = -1;
    if (is_product(r)) {
        r->x = code_expr(c, s->value->arg[0], -1);
        r->y = code_expr(c, s->value->arg[1], -1);
    } else {
        r->value = code_expr(c, s->value, -1);
    }
    r->decay = s->decay ? code_expr(c, s->decay, -1) : -1;
    r->regs = NEW_ARRAY(r->in->scratch, Column, c->n_regs + 1);
    for (int k = 0; k < c->code.n; k++)
        for (int i = 0; c->code.at[k].kind == CODE_CONST && i < LANES; i++)
            r->regs[c->code.at[k].to][i] = c->code.at[k].value;
}

static bool run_stmt(Interp *in, const Stmt *s) {
    Run r = {.in = in, .stmt = s};
    if (!open_points(&r)) return false;
    if (s->out && !(r.out = interp_buffer(in, s->out))) return false;
    if (s->out2 && !(r.out2 = interp_buffer(in, s->out2))) return false;
    if (s->kind == ST_REDUCE && !r.n_red) return run_empty(&r);
    compile(&r);
    if (in->failed) return false;
    switch (s->kind) {
    case ST_MAP:
        return run_map(&r);
    case ST_REDUCE:
        return run_reduce(&r);
    case ST_SCAN:
        return run_scan(&r);
    case ST_SCATTER:
        return run_scatter(&r);
    }
    return false;
}

bool interp_kernel(Interp *in, Kernel *k) {
    bool ok = true;
    for (int i = 0; ok && i < k->stmts.n; i++) {
        in->scratch = arena_new();
        ok = run_stmt(in, k->stmts.at[i]);
        arena_free(in->scratch);
    }
    in->scratch = NULL;
    return ok;
}
