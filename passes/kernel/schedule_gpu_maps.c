/* Maps on GPUs: the whole of the domain is the parallel space, and neighbouring threads work on
 * neighbouring elements. An item of it is what one thread moves at once: 16 bytes of the widest
 * element that it moves, as a vector loop.
 *
 *   collapse n c -> n_c;  split n_c by 4 -> n_c.0 n_c.1 peel
 *   for n_c.0 thread { for n_c.1 vector { do %y } }
 *
 * Where rows are no whole number of such pieces, all axes become one long axis, if the store runs
 * through it without a gap and some load does, too. */
#include "passes/kernel/schedule.h"

enum { PIECE_BYTES = 16, HEAVY_LANES = 8 };

typedef struct Maps {
    Sched *s;
    Var *vars[MAX_RANK]; /* outermost first; the last one is that of neighbours */
    int n;
} Maps;

static int n_maps(const Maps *m) {
    return m->s->kernel->stmts.n;
}

static Stmt *map_at(const Maps *m, int i) {
    return m->s->kernel->stmts.at[i];
}

/* ---- the width of a piece ---- */
static void widen(int64_t *bytes, DType t) {
    *bytes = MAX(*bytes, (int64_t)dtype_bytes(t));
}

static int64_t lanes_for(const Maps *m, Var *v) {
    int64_t bytes = 0, most = PIECE_BYTES;
    for (int i = 0; i < n_maps(m); i++) {
        const Stmt *st = map_at(m, i);
        Loads loads;
        stmt_loads(st, &loads);
        if (st->value->kind != E_LOAD) most = HEAVY_LANES;
        for (int l = 0; l < loads.n; l++)
            if (loads.at[l]->tensor->space != SP_TEMP &&
                load_stride(m->s->ctx, loads.at[l], v) == 1)
                widen(&bytes, loads.at[l]->type);
        if (st->out->space != SP_TEMP && store_stride(m->s->ctx, st, v) == 1)
            widen(&bytes, st->out->dtype);
    }
    int64_t lanes = bytes && bytes < PIECE_BYTES ? MIN(PIECE_BYTES / bytes, most) : 1;
    return MAX(lanes >> m->s->revision, 1);
}

/* ---- axes that become one ---- */
static bool all_collapse(const Maps *m, Var *a, Var *b) {
    for (int i = 0; i < n_maps(m); i++)
        if (!schedule_can_collapse(m->s->ctx, map_at(m, i), a, b)) return false;
    return true;
}

static void collapse_neighbours(Maps *m) {
    int out = 0;
    for (int i = 0; i < m->n;) {
        int end = i + 1;
        while (end < m->n && all_collapse(m, m->vars[end - 1], m->vars[end])) end++;
        m->vars[out++] = how_collapse(m->s, &m->vars[i], end - i);
        i = end;
    }
    m->n = out;
}

static bool runs_through(const Maps *m, Expr *offset) {
    for (int i = 0; i + 1 < m->n; i++)
        if (!schedule_merges(m->s->ctx, offset, m->vars[i], m->vars[i + 1])) return false;
    return true;
}

/* Every store runs through all axes as if they were one, and so do most of the loads that are not
 * small. */
static bool is_dense(const Maps *m) {
    int through = 0, others = 0;
    Ctx *c = m->s->ctx;
    for (int i = 0; i < n_maps(m); i++) {
        Loads loads;
        if (!runs_through(m, schedule_store_offset(c, map_at(m, i)))) return false;
        stmt_loads(map_at(m, i), &loads);
        for (int l = 0; l < loads.n; l++) {
            const Expr *load = loads.at[l];
            int used = 0;
            for (int d = 0; d < m->n; d++) used += load_stride(c, load, m->vars[d]) != 0;
            if (used < m->n) continue; /* broadcast along some axis */
            if (runs_through(m, tensor_offset(c, load->tensor, load->arg))) through++;
            else others++;
        }
    }
    return through >= others;
}

static bool divides(Ctx *c, const Var *v, int64_t n) {
    return expr_is(expr_mod(c, v->extent, expr_int(c, n)), 0);
}

/* ---- the nest ---- */
static void order_vars(Maps *m) {
    Stmt *last = map_at(m, n_maps(m) - 1);
    bool red = false;
    m->n = schedule_order_by_store(m->s->ctx, last, m->vars);
    Var *v = vector_var(m->s->ctx, last, &red);
    int at = 0;
    while (at < m->n && m->vars[at] != v) at++;
    if (at == m->n) return;
    for (; at + 1 < m->n; at++) m->vars[at] = m->vars[at + 1];
    m->vars[at] = v;
}

void schedule_gpu_maps(Sched *s) {
    Maps m = {.s = s};
    Var *outer = NULL, *inner = NULL;
    order_vars(&m);
    int64_t lanes = m.n ? lanes_for(&m, m.vars[m.n - 1]) : 1;
    bool whole = m.n > 1 && lanes > 1 && is_dense(&m);
    Var *last = m.n ? m.vars[m.n - 1] : NULL;
    collapse_neighbours(&m);
    if (m.n > 1 && whole && !divides(s->ctx, m.vars[m.n - 1], lanes)) {
        m.vars[0] = how_collapse(s, m.vars, m.n);
        m.n = 1;
    }
    bool pieces = last && lanes > 1 && extent_or(m.vars[m.n - 1]->extent, INT64_MAX) >= lanes &&
                  (m.n == 1 || divides(s->ctx, m.vars[m.n - 1], lanes));
    if (pieces) {
        how_split(s, m.vars[m.n - 1], lanes, TAIL_PEEL, &outer, &inner);
        m.vars[m.n - 1] = outer;
    }
    Nest *at = NULL;
    for (int i = 0; i < m.n; i++) at = nest_loop(s, at, m.vars[i], BIND_THREAD);
    if (pieces) at = nest_loop(s, at, inner, BIND_VECTOR);
    for (int i = 0; i < n_maps(&m); i++) {
        if (map_at(&m, i)->out->space == SP_TEMP) how_home(s, map_at(&m, i)->out, SP_REG);
        nest_stmt(s, at, map_at(&m, i));
    }
}
