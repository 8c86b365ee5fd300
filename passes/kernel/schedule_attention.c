/* Several contractions over blocks of rows, with row operations between them: attention and its
 * kin.
 *
 *   batch loops (parallel) { copies of panels that lie the wrong way; for blocks of rows {
 *       contraction in register tiles, maps over the same elements in the tile; row reductions,
 *       maps, ... on the block in cache } }
 *
 * The intermediate rows never leave the cache: scores of a block are (rows of the tile) x
 * (keys). */
#include "passes/kernel/schedule.h"

typedef struct Rows {
    Sched *s;
    /* the schedule for another machine: statements have loops of their own already */
    bool again;
    int first; /* the statements before it are copies of panels that it made */
    Var *shared[MAX_RANK];
    int n_shared, n_names;
    Var *row, *row_out, *row_in;
    Nest *batch, *block; /* loops over the batch; over blocks of rows inside */
} Rows;

static bool is_contraction(const Stmt *s) {
    return s->kind == ST_REDUCE && s->op == RED_SUM && s->recipe.lanes <= 1 &&
           s->value->kind == E_OP && s->value->op == SOP_mul;
}

static void find_shared(Rows *r) {
    Kernel *k = r->s->kernel;
    const Stmt *first = k->stmts.at[r->first];
    for (int i = 0; i < first->n_dom; i++) {
        bool all = true;
        for (int j = r->first + 1; j < k->stmts.n; j++)
            all &= stmt_has_dom(k->stmts.at[j], first->dom[i]);
        if (all) r->shared[r->n_shared++] = first->dom[i];
    }
}

static bool is_shared(const Rows *r, const Var *v) {
    for (int i = 0; i < r->n_shared; i++)
        if (r->shared[i] == v) return true;
    return false;
}

static Var *own_var(const Rows *r, const Stmt *s) {
    Var *own = NULL;
    for (int i = 0; i < s->n_dom; i++)
        if (!is_shared(r, s->dom[i])) own = s->dom[i];
    return own;
}

static bool load_uses(const Expr *load, const Var *v) {
    for (int i = 0; i < load->n; i++)
        if (expr_uses_var(load->arg[i], v)) return true;
    return false;
}

/* A shared variable that some operand of every contraction lacks, the innermost such. */
static Var *find_row(const Rows *r) {
    Kernel *k = r->s->kernel;
    for (int i = r->n_shared - 1; i >= 0; i--) {
        bool ok = true;
        for (int j = r->first; j < k->stmts.n && ok; j++) {
            Loads loads;
            if (!is_contraction(k->stmts.at[j])) continue;
            stmt_loads(k->stmts.at[j], &loads);
            bool lacks = false;
            for (int l = 0; l < loads.n; l++) lacks |= !load_uses(loads.at[l], r->shared[i]);
            ok = lacks;
        }
        if (ok) return r->shared[i];
    }
    return NULL;
}

static bool is_copy(const Stmt *s) {
    return s->kind == ST_MAP && s->out->space == SP_TEMP && s->value->kind == E_LOAD;
}

static bool matches(Rows *r) {
    Kernel *k = r->s->kernel;
    int contractions = 0;
    r->again = k->hows.n > 0;
    while (r->again && r->first + 1 < k->stmts.n && is_copy(k->stmts.at[r->first])) r->first++;
    for (int i = r->first; i < k->stmts.n; i++) {
        const Stmt *s = k->stmts.at[i];
        if (s->kind == ST_SCAN || s->kind == ST_SCATTER || s->out2) return false;
        contractions += is_contraction(s);
    }
    if (contractions < 2) return false;
    find_shared(r);
    r->row = find_row(r);
    for (int i = r->first; i < k->stmts.n && r->row; i++) {
        const Stmt *s = k->stmts.at[i];
        if (s->n_dom > r->n_shared + 1 || (is_contraction(s) && !own_var(r, s))) return false;
    }
    return r->row != NULL;
}

/* ---- every statement outside a tile gets loops of its own ---- */
static void rename_var(Rows *r, Stmt *s, Var *old, Var *by) {
    Subst sub = {&old, &by->self, 1};
    s->value = expr_subst(r->s->ctx, s->value, &sub);
    if (!s->index && s->out->space != SP_TEMP) {
        s->index = NEW_ARRAY(r->s->ctx->perm, Expr *, s->n_dom + 1);
        for (int i = 0; i < s->n_dom; i++) s->index[i] = s->dom[i]->self;
    }
    for (int i = 0; s->index && i < s->out->rank; i++)
        s->index[i] = expr_subst(r->s->ctx, s->index[i], &sub);
    Var **lists[2] = {s->dom, s->red};
    int counts[2] = {s->n_dom, s->n_red};
    for (int l = 0; l < 2; l++) {
        Var **copy = NEW_ARRAY(r->s->ctx->perm, Var *, counts[l] + 1);
        for (int i = 0; i < counts[l]; i++) copy[i] = lists[l][i] == old ? by : lists[l][i];
        if (l) s->red = copy;
        else s->dom = copy;
    }
}

static Var *another(Rows *r, const Var *v) {
    return var_new(r->s->ctx, arena_printf(r->s->ctx->perm, "%s_%d", v->name, ++r->n_names),
                   v->extent);
}

static void own_loops(Rows *r, Stmt *s) {
    for (int i = 0; i < s->n_dom; i++)
        if (!is_shared(r, s->dom[i])) rename_var(r, s, s->dom[i], another(r, s->dom[i]));
    for (int i = 0; i < s->n_red; i++) rename_var(r, s, s->red[i], another(r, s->red[i]));
}

/* ---- panels whose lanes are not neighbours are turned once per batch element ---- */
static Stmt *turn_panel(Rows *r, Stmt *s, const Expr *load, Var *lanes) {
    Ctx *c = r->s->ctx;
    Var **dom = NEW_ARRAY(c->perm, Var *, MAX_RANK);
    Expr *dims[MAX_RANK], *index[MAX_RANK];
    int n = 0;
    for (int i = 0; i < r->n_shared; i++)
        if (r->shared[i] != r->row) dom[n++] = r->shared[i];
    for (int i = 0; i < s->n_red; i++)
        if (load_uses(load, s->red[i])) dom[n++] = s->red[i];
    dom[n++] = lanes;
    for (int i = 0; i < n; i++) dims[i] = dom[i]->extent, index[i] = dom[i]->self;
    char *name = arena_printf(c->perm, "%s.turned", load->tensor->name);
    Tensor *t = program_temp(r->s->program, name, load->type, dims, n);
    Stmt *copy = stmt_new(c, ST_MAP, t, dom, n, (Expr *)load);
    s->value = expr_replace(c, s->value, load, expr_load(c, t, index, n));
    return copy;
}

/* ---- parts: a contraction with the maps on its elements, or one statement ---- */
typedef struct Part {
    Stmt *at[16];
    int n;
    bool contraction;
    Var *lanes, *lanes_out, *lanes_in;
    Stmt *turned;
} Part;

static bool same_element(const Stmt *a, const Stmt *b) {
    for (int i = 0; i < a->n_dom; i++)
        if (!stmt_has_dom(b, a->dom[i])) return false;
    return a->n_dom == b->n_dom;
}

static void own_tile(Rows *r, Part *p) {
    Stmt *s = p->at[0];
    Var *old = own_var(r, s);
    p->lanes = another(r, old);
    for (int i = 0; i < p->n; i++) rename_var(r, p->at[i], old, p->lanes);
    for (int i = 0; i < s->n_red; i++) rename_var(r, s, s->red[i], another(r, s->red[i]));
}

static void find_turned(Rows *r, Part *p) {
    Stmt *s = p->at[0];
    Loads loads;
    for (int i = 0; i < r->first; i++)
        if (expr_uses_tensor(s->value, r->s->kernel->stmts.at[i]->out))
            p->turned = r->s->kernel->stmts.at[i];
    stmt_loads(s, &loads);
    for (int i = 0; i < loads.n && !p->turned && !r->again; i++) {
        const Expr *l = loads.at[i];
        bool panel = load_uses(l, p->lanes) && !load_uses(l, r->row);
        if (panel && load_stride(r->s->ctx, l, p->lanes) != 1)
            p->turned = turn_panel(r, s, l, p->lanes);
    }
}

/* Does only the tile see the result? */
static bool stays_in_tile(const Rows *r, const Part *p) {
    Kernel *k = r->s->kernel;
    for (int i = 0; i < k->stmts.n; i++) {
        bool inside = false;
        for (int j = 0; j < p->n; j++) inside |= k->stmts.at[i] == p->at[j];
        if (!inside && expr_uses_tensor(k->stmts.at[i]->value, p->at[0]->out)) return false;
    }
    return true;
}

static void prepare_contraction(Rows *r, Part *p) {
    Stmt *s = p->at[0];
    if (r->again) p->lanes = own_var(r, s);
    else own_tile(r, p);
    find_turned(r, p);
    int lanes = MAX(1, r->s->machine->vector_bytes / (int)dtype_bytes(s->out->dtype)),
        vectors = lanes > 1 ? 2 : 3;
    int64_t extent = extent_or(p->lanes->extent, 1024);
    how_split(r->s, p->lanes, extent <= lanes ? lanes : lanes * vectors, TAIL_MASK, &p->lanes_out,
              &p->lanes_in);
    if (stays_in_tile(r, p)) how_home(r->s, s->out, SP_REG);
}

static int find_parts(Rows *r, Part *parts, int max) {
    Kernel *k = r->s->kernel;
    int n = 0;
    for (int i = r->first; i < k->stmts.n;) {
        if (n == max) return -1;
        Part *p = &parts[n++];
        *p = (Part){.contraction = is_contraction(k->stmts.at[i])};
        p->at[p->n++] = k->stmts.at[i++];
        while (p->contraction && i < k->stmts.n && p->n < LEN(p->at) &&
               k->stmts.at[i]->kind == ST_MAP && same_element(k->stmts.at[i], p->at[0]))
            p->at[p->n++] = k->stmts.at[i++];
    }
    for (int i = 0; i < n; i++) {
        if (parts[i].contraction) prepare_contraction(r, &parts[i]);
        else if (!r->again) own_loops(r, parts[i].at[0]);
    }
    return n;
}

/* ---- the nest ---- */
static void nest_turned(Rows *r, Part *p) {
    Nest *at = r->batch;
    for (int i = 0; i < p->turned->n_dom; i++) {
        Var *v = p->turned->dom[i];
        if (v != p->lanes && !is_shared(r, v)) at = nest_loop(r->s, at, v, BIND_SERIAL);
    }
    at = nest_loop(r->s, at, p->lanes_out, BIND_SERIAL);
    nest_stmt(r->s, nest_loop(r->s, at, p->lanes_in, BIND_VECTOR), p->turned);
    if (!r->again) kernel_insert(r->s->ctx, r->s->kernel, 0, p->turned);
}

static Nest *tile(Rows *r, Nest *at, Part *p) {
    return nest_loop(r->s, nest_loop(r->s, at, r->row_in, BIND_UNROLL), p->lanes_in, BIND_VECTOR);
}

static void nest_contraction(Rows *r, Part *p) {
    Nest *panel = nest_loop(r->s, r->block, p->lanes_out, BIND_SERIAL), *at = panel;
    for (int i = 0; i < p->at[0]->n_red; i++)
        at = nest_loop(r->s, at, p->at[0]->red[i], BIND_SERIAL);
    nest_stmt(r->s, tile(r, at, p), p->at[0]);
    if (p->n == 1) return;
    at = tile(r, panel, p);
    for (int i = 1; i < p->n; i++) nest_stmt(r->s, at, p->at[i]);
}

static void nest_row_statement(Rows *r, Stmt *st) {
    Nest *at = nest_loop(r->s, r->block, r->row_in, BIND_SERIAL);
    Var *own = own_var(r, st), *outer, *inner;
    if (st->kind == ST_REDUCE) {
        for (int i = 0; i + 1 < st->n_red; i++) at = nest_loop(r->s, at, st->red[i], BIND_SERIAL);
        Var *last = st->red[st->n_red - 1];
        if (schedule_lanes(r->s, st)) {
            how_split(r->s, last, st->recipe.lanes, TAIL_MASK, &outer, &inner);
            at = nest_loop(r->s, nest_loop(r->s, at, outer, BIND_SERIAL), inner, BIND_VECTOR);
        } else {
            at = nest_loop(r->s, at, last, BIND_SERIAL);
        }
    }
    if (own) at = nest_loop(r->s, at, own, BIND_VECTOR);
    nest_stmt(r->s, at, st);
}

static int64_t row_tile(const Rows *r, const Machine *m) {
    int64_t rows = extent_or(r->row->extent, 0), most = m->vector_regs >= 32 ? 12 : 4;
    if (rows == 0) return most;
    int64_t tiles = (rows + most - 1) / most;
    return (rows + tiles - 1) / tiles;
}

bool schedule_attention(Sched *s) {
    Rows r = {.s = s};
    Part parts[24];
    if (!matches(&r)) return false;
    int n = find_parts(&r, parts, LEN(parts));
    if (n < 0) return false;
    int64_t known;
    how_split(s, r.row, row_tile(&r, s->machine),
              expr_is_int(r.row->extent, &known) ? TAIL_PEEL : TAIL_MASK, &r.row_out, &r.row_in);
    for (int i = 0; i < r.n_shared; i++)
        if (r.shared[i] != r.row) r.batch = nest_loop(s, r.batch, r.shared[i], BIND_THREAD);
    for (int i = 0; i < n; i++)
        if (parts[i].turned) nest_turned(&r, &parts[i]);
    r.block = nest_loop(s, r.batch, r.row_out, BIND_SERIAL);
    for (int i = 0; i < n; i++) {
        if (parts[i].contraction) nest_contraction(&r, &parts[i]);
        else nest_row_statement(&r, parts[i].at[0]);
    }
    return true;
}
