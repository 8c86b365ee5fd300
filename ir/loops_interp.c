/* Runs a kernel function: the reference for every printer, and the check of every schedule.
 *
 * The parallel space is cut into jobs, as threads would take it; thread, vector and grid loops go
 * through their iterations in an order shuffled by the seed. The threads of a block run in lock
 * step: what stands between two barriers by one thread after the other, in any order, each with
 * registers of its own. Every access is checked. Fresh buffers are filled with a pattern that
 * shows. */
#include "ir/loops_interp.h"

static ScalarValue eval(Interp *, const Expr *);

void linterp_fail(Interp *it, const char *fmt, ...) {
    if (it->failed) return;
    char text[300];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    it->failed = true;
    it->why = arena_str(it->ctx->perm, text);
}

int64_t linterp_index(Interp *it, const Expr *e) {
    return eval(it, e).i;
}

/* ---- expressions ---- */
static ScalarValue of_int(int64_t v) {
    return (ScalarValue){.i = v};
}

static ScalarValue eval_sym(Interp *it, const Sym *s) {
    for (int i = 0; i < it->n_syms; i++)
        if (it->syms[i].sym == s) return of_int(it->syms[i].value);
    if (s->def) return eval(it, s->def);
    linterp_fail(it, "symbol %s has no value", s->name);
    return of_int(1);
}

char *linterp_address(Interp *it, const Tensor *t, int64_t i) {
    Buf *b = map_get_int(it->bufs, (uint64_t)(uintptr_t)t);
    if (!b) {
        linterp_fail(it, "%%%s is not declared", t->name);
        return NULL;
    }
    if (i < 0 || i >= b->elements) {
        linterp_fail(it, "%%%s[%lld] is outside of its %lld elements", t->name, (long long)i,
                     (long long)b->elements);
        return NULL;
    }
    size_t copy = it->team ? (size_t)it->team->current * b->each : 0;
    return b->data + copy + (size_t)i * dtype_bytes(b->dtype);
}

static ScalarValue eval_load(Interp *it, const Expr *e) {
    const char *p = linterp_address(it, e->tensor, linterp_index(it, e->arg[0]));
    return p ? scalar_load(e->type, p) : of_int(0);
}

static ScalarValue eval_op(Interp *it, const Expr *e) {
    ScalarValue arg[3];
    for (int i = 0; i < e->n; i++) arg[i] = eval(it, e->arg[i]);
    DType operand = e->arg[e->op == SOP_select ? 1 : 0]->type;
    return scalar_eval(e->op, operand, e->type, arg);
}

static ScalarValue eval_bound(Interp *it, const Expr *e) {
    int64_t v = linterp_index(it, e->arg[0]), n = linterp_index(it, e->arg[1]);
    return of_int(v < 0 || n <= 0 ? 0 : v < n ? v : n - 1);
}

static ScalarValue compute(Interp *it, const Expr *e) {
    int64_t sum = e->i;
    switch (e->kind) {
    case E_INT:
    case E_FLT:
        return scalar_of_expr(e);
    case E_SYM:
        return eval_sym(it, e->sym);
    case E_VAR:
        return of_int(it->vars[e->var->id]);
    case E_SUM:
        for (int i = 0; i < e->n; i++) sum += linterp_index(it, e->arg[i]);
        return of_int(sum);
    case E_PROD:
        for (int i = 0; i < e->n; i++) sum *= linterp_index(it, e->arg[i]);
        return of_int(sum);
    case E_OP:
        return eval_op(it, e);
    case E_LOAD:
        return eval_load(it, e);
    case E_GUARD:
        return eval(it, eval(it, e->arg[0]).i ? e->arg[1] : e->arg[2]);
    case E_BOUND:
        return eval_bound(it, e);
    }
    return of_int(0);
}

static ScalarValue eval(Interp *it, const Expr *e) {
    if (e->n == 0) return compute(it, e);
    int slot = e->id & (MEMO - 1);
    if (it->memo[slot].e == e && it->memo[slot].generation == it->generation)
        return it->memo[slot].v;
    ScalarValue v = compute(it, e);
    it->memo[slot].e = e, it->memo[slot].generation = it->generation, it->memo[slot].v = v;
    return v;
}

/* ---- statements ---- */
static void run_stmt(Interp *, const LStmt *);
static void run_body(Interp *, const LBody *);

static uint64_t next_random(Interp *it) {
    return it->seed = hash_mix(it->seed, 0x9e3779b97f4a7c15u);
}

static bool is_parallel(Bind b) {
    return b == BIND_THREAD || b == BIND_VECTOR || b == BIND_GRID;
}

/* A permutation of 0..n-1: i goes to (i * step + first) mod n, with step and n coprime. */
typedef struct Order {
    uint64_t n, step, first;
} Order;

static uint64_t gcd(uint64_t a, uint64_t b) {
    return b ? gcd(b, a % b) : a;
}

static Order order_of(Interp *it, int64_t n, bool shuffle) {
    Order o = {(uint64_t)n, 1, 0};
    if (!shuffle || n < 2) return o;
    o.first = next_random(it) % o.n;
    o.step = 1 + next_random(it) % (o.n - 1);
    while (gcd(o.step, o.n) != 1) o.step = o.step % o.n + 1;
    return o;
}

static int64_t order_at(const Order *o, int64_t i) {
    return (int64_t)(((unsigned __int128)(uint64_t)i * o->step + o->first) % o->n);
}

/* ---- the threads of a block ---- */
void linterp_choose(Interp *it, int64_t thread) {
    Team *t = it->team;
    t->current = thread;
    for (int i = t->n - 1; i >= 0; i--) {
        it->vars[t->loop[i]->var->id] = thread % t->extent[i];
        thread /= t->extent[i];
    }
    it->generation++;
}

/* The value of e, which must be the same for all threads. */
static int64_t common_value(Interp *it, const Expr *e) {
    int64_t first = 0;
    for (int64_t k = 0; k < it->team->threads && !it->failed; k++) {
        linterp_choose(it, k);
        int64_t v = linterp_index(it, e);
        if (k && v != first)
            linterp_fail(it, "threads of a block disagree on the way to a barrier");
        first = k ? first : v;
    }
    return first;
}

static void run_team(Interp *, const LBody *);

/* It holds a barrier: all threads go through it together. */
static void run_together(Interp *it, const LStmt *l) {
    if (l->kind == L_COMBINE) linterp_combine(it, l);
    if (l->kind == L_MMA) linterp_mma(it, l);
    if (l->kind == L_PRODUCTS) linterp_products(it, l);
    if (l->kind == L_PRODUCTS_WAIT) linterp_products_wait(it, l);
    if (l->kind == L_BULK || l->kind == L_BOX) linterp_bulk(it, l);
    if (l->kind == L_BULK_WAIT) linterp_bulk_wait(it, l);
    if (l->kind == L_CALL) linterp_fail(it, "a function that only GPUs have");
    if (l->kind == L_IF) run_team(it, common_value(it, l->cond) ? &l->body : &l->other);
    if (l->kind != L_FOR) return;
    int64_t lo = common_value(it, l->lo), hi = common_value(it, l->hi);
    for (int64_t i = lo; i < hi && !it->failed; i++) {
        it->vars[l->var->id] = i;
        run_team(it, &l->body);
    }
}

static void run_team(Interp *it, const LBody *body) {
    for (int from = 0, to; from < body->at.n && !it->failed; from = to) {
        to = from + 1;
        if (lstmt_has_barrier(body->at.at[from])) {
            run_together(it, body->at.at[from]);
            continue;
        }
        while (to < body->at.n && !lstmt_has_barrier(body->at.at[to])) to++;
        Order order = order_of(it, it->team->threads, it->seed != 0);
        for (int64_t k = 0; k < it->team->threads && !it->failed; k++) {
            linterp_choose(it, order_at(&order, k));
            for (int i = from; i < to && !it->failed; i++) run_stmt(it, body->at.at[i]);
        }
    }
}

static void run_block(Interp *it, const LStmt *l) {
    Team team = {.threads = 1};
    for (;; l = l->body.at.at[0]) {
        team.loop[team.n] = l;
        team.threads *= team.extent[team.n++] = linterp_index(it, l->hi);
        if (!lstmt_is_chain(l) || team.n == MAX_RANK) break;
    }
    team.groups = NEW_ARRAY(it->arena, int, team.threads);
    it->team = &team;
    run_team(it, &l->body);
    it->team = NULL;
}

static void run_for(Interp *it, const LStmt *l) {
    if (l->bind == BIND_BLOCK && !it->team) {
        run_block(it, l);
        return;
    }
    int64_t lo = linterp_index(it, l->lo), hi = linterp_index(it, l->hi);
    if (hi <= lo) return;
    Order order = order_of(it, hi - lo, it->seed && is_parallel(l->bind));
    for (int64_t i = 0; i < hi - lo && !it->failed; i++) {
        it->vars[l->var->id] = lo + order_at(&order, i);
        it->generation++;
        run_body(it, &l->body);
    }
}

static void run_buffer(Interp *it, const LStmt *l) {
    const Tensor *t = l->tensor;
    Buf *b = map_get_int(it->bufs, (uint64_t)(uintptr_t)t);
    int64_t elements = linterp_index(it, l->hi),
            at = t->space == SP_SCRATCH ? linterp_index(it, l->lo) : 0;
    size_t bytes = (size_t)MAX(elements, 0) * dtype_bytes(t->dtype);
    bool own = it->team && t->space != SP_SCRATCH;
    if (!b) map_set_int(it->bufs, (uint64_t)(uintptr_t)t, b = NEW(it->arena, Buf));
    if (t->space == SP_SCRATCH) {
        if (at < 0 || at + (int64_t)bytes > it->scratch_bytes)
            linterp_fail(it, "%%%s lies outside of the %lld bytes of scratch", t->name,
                         (long long)it->scratch_bytes);
        b->data = it->scratch + (it->failed ? 0 : at);
    } else if (!b->data || elements > b->elements) {
        b->data = arena_alloc(it->arena, bytes * (own ? (size_t)it->team->threads : 1) + 1);
    }
    b->elements = elements;
    b->dtype = t->dtype;
    b->each = own ? bytes : 0;
    char *data = b->data + (own ? (size_t)it->team->current * bytes : 0);
    if (!it->failed) memset(data, dtype_is_float(t->dtype) ? 0x7f : 0x55, bytes);
}

static void run_stmt(Interp *it, const LStmt *l) {
    char *p;
    bool there;
    ScalarValue v;
    switch (l->kind) {
    case L_FOR:
        run_for(it, l);
        break;
    case L_IF:
        run_body(it, eval(it, l->cond).i ? &l->body : &l->other);
        break;
    case L_STORE:
        v = eval(it, l->value);
        p = linterp_address(it, l->tensor, linterp_index(it, l->index));
        if (p && !it->failed) scalar_store(l->tensor->dtype, p, v);
        break;
    case L_BUFFER:
        run_buffer(it, l);
        break;
    case L_BARRIER:
        break;
    case L_ASYNC:
        there = !l->cond || eval(it, l->cond).i;
        if (there || !l->value) linterp_async(it, l, there);
        else linterp_fill(it, l, eval(it, l->value));
        break;
    case L_COMMIT:
    case L_WAIT:
        linterp_arrive(it, l);
        break;
    case L_FRAGMENT:
        linterp_fragment(it, l);
        break;
    default:
        linterp_fail(it, "a host statement in a kernel");
    }
    it->generation++;
}

static void run_body(Interp *it, const LBody *body) {
    for (int i = 0; i < body->at.n && !it->failed; i++) run_stmt(it, body->at.at[i]);
}

/* ---- a kernel ---- */
static void count_var(void *user, LStmt *l) {
    int *n = user;
    if (l->kind == L_FOR) *n = MAX(*n, l->var->id + 1);
}

static void run_job(Interp *it, int64_t lo, int64_t hi) {
    it->vars[it->func->lo->id] = lo;
    it->vars[it->func->hi->id] = hi;
    it->generation++;
    memset(it->scratch, 0x7f, (size_t)it->scratch_bytes);
    run_body(it, &it->func->body);
}

/* As threads would: pieces of the parallel space, in any order. */
static void run_jobs(Interp *it, int64_t total) {
    int64_t jobs = it->seed ? MIN(total, 1 + (int64_t)(next_random(it) % 4)) : 1;
    Order order = order_of(it, jobs, it->seed != 0);
    for (int64_t i = 0; i < jobs && !it->failed; i++) {
        int64_t k = order_at(&order, i);
        run_job(it, total * k / jobs, total * (k + 1) / jobs);
    }
}

bool lfunc_interp(Ctx *ctx, LFunc *f, void **data, const int64_t *sizes, const SymValue *syms,
                  int n_syms, uint64_t seed) {
    Interp *it = NEW(ctx->perm, Interp);
    *it = (Interp){
        .ctx = ctx, .arena = arena_new(), .func = f, .syms = syms, .n_syms = n_syms, .seed = seed};
    int n_vars = MAX(f->lo->id, f->hi->id) + 1;
    lbody_each(&f->body, count_var, &n_vars);
    it->vars = NEW_ARRAY(it->arena, int64_t, n_vars);
    it->bufs = map_new(it->arena);
    for (int i = 0; i < f->params.n; i++) {
        Buf *b = NEW(it->arena, Buf);
        *b = (Buf){.data = data[i], .elements = sizes[i], .dtype = f->params.at[i]->dtype};
        map_set_int(it->bufs, (uint64_t)(uintptr_t)f->params.at[i], b);
    }
    it->scratch_bytes = f->scratch ? linterp_index(it, f->scratch) : 0;
    it->scratch = arena_alloc(it->arena, (size_t)it->scratch_bytes + 64);
    int64_t total = linterp_index(it, f->parallel);
    if (total > 0) run_jobs(it, total);
    bool ok = !it->failed;
    if (!ok) diag_error(ctx, NULL, "kernel %s: %s", f->name, it->why);
    arena_free(it->arena);
    return ok;
}
