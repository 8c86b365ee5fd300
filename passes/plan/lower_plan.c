/* The plan as host functions: bind (derived symbols, places of buffers) and run (launches, calls,
 * control flow). */
#include "ir/streams.h"
#include "passes/plan/device_calls.h"

typedef struct Lower {
    Ctx *ctx;
    Plan *plan;
    Program *program;
    Loops *loops;
    const Machine *machine;
    Map *known; /* kernel hash -> Known chain */
    const Machine *host; /* of kernels that run on the host; NULL: all are of `machine` */
    Expr *scratch, *device_scratch;
    DeviceCalls calls;
    int id;
    int stream; /* where launches go */
} Lower;

typedef struct Known { /* a compiled kernel function that others may share */
    LFunc *func;
    Kernel *kernel;
    How *how;
    struct Known *next;
} Known;

/* ---- one function per different kernel ---- */
typedef struct SymList {
    VEC(Sym *) at;
    Ctx *ctx;
} SymList;

static void add_sym(void *user, const Expr *e) {
    SymList *l = user;
    if (e->kind == E_SYM) vec_push(l->ctx->perm, &l->at, e->sym);
}

static SymList kernel_syms(Ctx *ctx, const Kernel *k) {
    SymList l = {.ctx = ctx};
    for (int i = 0; i < k->stmts.n; i++) {
        const Stmt *s = k->stmts.at[i];
        for (int d = 0; d < s->n_dom; d++) expr_visit(s->dom[d]->extent, add_sym, &l);
        for (int d = 0; d < s->n_red; d++) expr_visit(s->red[d]->extent, add_sym, &l);
        if (s->value) expr_visit(s->value, add_sym, &l);
        for (int d = 0; s->index && s->out && d < s->out->rank; d++)
            expr_visit(s->index[d], add_sym, &l);
    }
    return l;
}

/* Equal hashes number symbols by first use; a shared function reads symbol slots, so they must be
 * the very same. */
static bool same_syms(Ctx *ctx, const Kernel *a, const Kernel *b) {
    SymList x = kernel_syms(ctx, a), y = kernel_syms(ctx, b);
    return x.at.n == y.at.n &&
           (x.at.n == 0 || !memcmp(x.at.at, y.at.at, sizeof(Sym *) * (size_t)x.at.n));
}

/* Of the same kernel as the general one: NAME_few, NAME_few_2, ... */
static char *name_of_version(Lower *lo, const Kernel *k, const How *how) {
    int number = 1;
    for (int i = 0; k->hows.at[i] != how; i++)
        number += !strcmp(k->hows.at[i]->machine, how->machine);
    return number == 1 ? arena_printf(lo->ctx->perm, "%s_few", k->name)
                       : arena_printf(lo->ctx->perm, "%s_few_%d", k->name, number);
}

static LFunc *function_of(Lower *lo, Kernel *k, How *how, bool device) {
    uint64_t hash =
        hash_mix(kernel_hash(lo->ctx, k), (uint64_t)(how->when ? how->when->id + 1 : 0));
    Known *first = map_get_int(lo->known, hash);
    for (Known *n = first; n; n = n->next)
        if (n->func->device == device && same_syms(lo->ctx, n->kernel, k)) return n->func;
    Known *n = NEW(lo->ctx->perm, Known);
    *n = (Known){apply_schedule(lo->program, k, how), k, how, first};
    n->func->device = device;
    n->func->kernel = k;
    if (how->when) n->func->name = name_of_version(lo, k, how);
    map_set_int(lo->known, hash, n);
    vec_push(lo->ctx->perm, &lo->loops->kernels, n->func);
    Expr **most = device ? &lo->device_scratch : &lo->scratch;
    *most = expr_max(lo->ctx, *most, n->func->scratch);
    return n->func;
}

/* ---- cost of one item of a kernel's parallel space ---- */
static double body_cost(const LBody *b) {
    double cost = 0;
    for (int i = 0; i < b->at.n; i++) {
        const LStmt *l = b->at.at[i];
        int64_t lo = 0, hi = 64;
        if (l->kind == L_FOR && expr_is_int(l->lo, &lo)) expr_is_int(l->hi, &hi);
        double times = l->kind == L_FOR && l->bind != BIND_THREAD ? (double)MAX(hi - lo, 0) : 1;
        double inside = MAX(body_cost(&l->body), body_cost(&l->other));
        cost += l->kind == L_STORE ? 1 + expr_size(l->value) / 8.0 : times * inside;
    }
    return cost;
}

static void launch(Lower *lo, Kernel *k, How *how, bool device, LBody *body, int id) {
    LStmt *l = lstmt_new(lo->ctx, L_LAUNCH);
    Tensor **in, **out;
    int n_in, n_out;
    kernel_tensors(lo->ctx, k, &in, &n_in, &out, &n_out);
    l->device = device;
    l->func = function_of(lo, k, how, device);
    if (device && !expr_is(l->func->scratch, 0))
        lo->plan->scratch_streams = MAX(lo->plan->scratch_streams, lo->stream + 1);
    l->args = NEW_ARRAY(lo->ctx->perm, Tensor *, n_in + n_out);
    for (int i = 0; i < n_in; i++) l->args[l->n_args++] = in[i];
    for (int i = 0; i < n_out; i++) {
        bool read = false;
        for (int j = 0; j < n_in; j++) read |= in[j] == out[i];
        if (!read) l->args[l->n_args++] = out[i];
    }
    l->hi = l->func->parallel;
    l->lo = l->func->scratch;
    l->iargs = NEW_ARRAY(lo->ctx->perm, Expr *, 1);
    l->iargs[l->n_iargs++] = expr_int(lo->ctx, (int64_t)MIN(body_cost(&l->func->body), 1e12));
    l->id = id;
    lbody_add(lo->ctx, body, l);
}

static LBody *open_if(Lower *lo, LBody *body, Expr *cond, LBody **other) {
    LStmt *l = lstmt_new(lo->ctx, L_IF);
    l->cond = cond;
    lbody_add(lo->ctx, body, l);
    *other = &l->other;
    return &l->body;
}

static void lower_kernel(Lower *lo, Kernel *k, bool device, LBody *body) {
    int id = lo->id++;
    const char *machine = device || !lo->host ? lo->machine->name : lo->host->name;
    for (int i = 0; i < k->hows.n; i++) {
        How *how = k->hows.at[i];
        if (strcmp(how->machine, machine)) continue;
        if (!how->when) {
            launch(lo, k, how, device, body, id);
            return;
        }
        LBody *other;
        launch(lo, k, how, device, open_if(lo, body, how->when, &other), id);
        body = other;
    }
    BUG("kernel %s has no schedule for %s", k->name, machine);
}

/* ---- places ---- */
static void place_side(Lower *lo, int segment, bool device, LBody *body) {
    VEC(Tensor *) t = {0};
    VEC(Expr *) e = {0};
    Arena *a = lo->ctx->perm;
    for (int i = 0; i < lo->plan->buffers.n; i++) {
        PlanBuffer *b = &lo->plan->buffers.at[i];
        if (b->segment != segment || b->tensor->device != device) continue;
        vec_push(a, &t, b->tensor);
        vec_push(a, &e, b->bytes);
        vec_push(a, &e, expr_int(lo->ctx, b->first));
        vec_push(a, &e, expr_int(lo->ctx, b->last));
    }
    if (t.n == 0 && segment > 0) return;
    LStmt *l = lstmt_new(lo->ctx, L_PLACE);
    l->device = device;
    l->args = t.at, l->n_args = t.n;
    l->iargs = e.at, l->n_iargs = e.n;
    l->id = segment;
    l->lo = expr_int(lo->ctx, 0);
    lbody_add(lo->ctx, body, l);
}

static void place_segment(Lower *lo, int segment, LBody *body) {
    place_side(lo, segment, false, body);
    if (lo->plan->slot_device_arena >= 0) place_side(lo, segment, true, body);
}

static void bind_sym(Lower *lo, Sym *s, Expr *value, LBody *body) {
    LStmt *l = lstmt_new(lo->ctx, L_BIND);
    l->sym = s;
    l->value = value;
    lbody_add(lo->ctx, body, l);
}

/* ---- items ---- */
static void lower_block(Lower *, Block *, LBody *);

static void lower_call(Lower *lo, Item *it, LBody *body) {
    LStmt *l = lstmt_new(lo->ctx, L_CALL);
    l->name = it->call;
    l->args = NEW_ARRAY(lo->ctx->perm, Tensor *, it->n_in + it->n_out + 1);
    for (int i = 0; i < it->n_in; i++) l->args[l->n_args++] = it->in[i];
    for (int i = 0; i < it->n_out; i++) l->args[l->n_args++] = it->out[i];
    if (it->scratch) l->args[l->n_args++] = it->scratch;
    l->iargs = it->args;
    l->n_iargs = it->n_args;
    l->id = lo->id++;
    lbody_add(lo->ctx, body, l);
}

static void lower_copy(Lower *lo, Item *it, LBody *body) {
    const Tensor *t = it->out[0];
    LStmt *l = lstmt_new(lo->ctx, L_COPY);
    l->args = NEW_ARRAY(lo->ctx->perm, Tensor *, 2);
    l->args[l->n_args++] = it->in[0];
    l->args[l->n_args++] = it->out[0];
    l->device = it->device;
    l->hi = expr_muli(lo->ctx, tensor_elements(lo->ctx, t), (int64_t)dtype_bytes(t->dtype));
    l->id = lo->id++;
    lbody_add(lo->ctx, body, l);
}

static void lower_bind(Lower *lo, Item *it, LBody *body) {
    LStmt *l = lstmt_new(lo->ctx, L_BIND);
    l->sym = it->sym;
    l->value = it->value;
    if (it->n_in) {
        l->tensor = it->in[0];
        l->lo = expr_int(lo->ctx, it->index);
    }
    l->id = lo->id++;
    lbody_add(lo->ctx, body, l);
    place_segment(lo, it->sym->slot + 1, body);
}

static void lower_check(Lower *lo, Item *it, LBody *body) {
    LStmt *l = lstmt_new(lo->ctx, L_REQUIRE);
    l->cond = it->value;
    l->name = it->text;
    l->id = lo->id++;
    lbody_add(lo->ctx, body, l);
}

static Expr *truth(Lower *lo, Tensor *t) {
    Expr *zero = expr_int(lo->ctx, 0);
    return expr_op2(lo->ctx, SOP_ne, expr_load(lo->ctx, t, &zero, 1),
                    expr_const_int(lo->ctx, t->dtype, 0));
}

static void lower_swap(Lower *lo, Item *it, int i, LBody *body) {
    LStmt *swap = lstmt_new(lo->ctx, L_SWAP);
    swap->args = NEW_ARRAY(lo->ctx->perm, Tensor *, 2);
    swap->args[0] = it->out[i], swap->args[1] = it->next[i];
    swap->n_args = 2;
    lbody_add(lo->ctx, body, swap);
}

static void carry(Lower *lo, Item *it, LStmt *l) {
    l->args = NEW_ARRAY(lo->ctx->perm, Tensor *, 2 * it->n_out + 1);
    l->iargs = NEW_ARRAY(lo->ctx->perm, Expr *, it->n_out + 1);
    for (int i = 0; i < it->n_out; i++) {
        if (!item_moves(it, i)) continue;
        l->args[l->n_args++] = it->out[i];
        l->args[l->n_args++] = it->next[i];
        l->iargs[l->n_iargs++] = plan_buffer_bytes(lo->ctx, it->next[i]);
    }
    l->syms = it->size;
    l->values = it->next_size;
    l->n_syms = it->n_size;
}

static void lower_loop(Lower *lo, Item *it, LBody *body) {
    LStmt *l = lstmt_new(lo->ctx, L_LOOP);
    l->sym = it->sym;
    l->hi = it->trip;
    if (it->n_in && it->in[0]) l->cond = truth(lo, it->in[0]);
    carry(lo, it, l);
    lbody_add(lo->ctx, body, l);
    place_segment(lo, it->sym->slot + 1, &l->body);
    lower_block(lo, it->block[0], &l->body);
    for (int i = 0; i < it->n_out; i++)
        if (!item_moves(it, i)) lower_swap(lo, it, i, &l->body);
}

/* ---- streams ---- */
static void stream(Lower *lo, StreamAct act, int n, LBody *body) {
    LStmt *l = lstmt_new(lo->ctx, L_STREAM);
    l->stream = act;
    l->id = n;
    lbody_add(lo->ctx, body, l);
}

static void before_item(Lower *lo, const Item *it, LBody *body) {
    if (it->fork) stream(lo, ACT_FORK, FORK_EVENT, body);
    if (it->stream != lo->stream) stream(lo, ACT_USE, it->stream, body);
    lo->stream = it->stream;
    for (int i = 0; i < it->n_waits; i++) stream(lo, ACT_WAIT, it->waits[i], body);
}

static void behind_item(Lower *lo, const Item *it, LBody *body) {
    if (it->event) stream(lo, ACT_EVENT, it->event, body);
    if (!it->join) return;
    stream(lo, ACT_JOIN, 0, body);
    lo->stream = 0;
}

static void lower_item(Lower *lo, Item *it, LBody *body) {
    LBody *other;
    switch (it->kind) {
    case ITEM_KERNEL:
        lower_kernel(lo, it->kernel, it->device, body);
        return;
    case ITEM_CALL:
        if (it->device) lower_device_call(&lo->calls, it, body, lo->id++);
        else lower_call(lo, it, body);
        return;
    case ITEM_BIND:
        lower_bind(lo, it, body);
        return;
    case ITEM_COPY:
        lower_copy(lo, it, body);
        return;
    case ITEM_LOOP:
        lower_loop(lo, it, body);
        return;
    case ITEM_CHECK:
        lower_check(lo, it, body);
        return;
    case ITEM_IF:
        lower_block(lo, it->block[0], open_if(lo, body, truth(lo, it->in[0]), &other));
        if (it->block[1]) lower_block(lo, it->block[1], other);
        return;
    }
}

static void lower_block(Lower *lo, Block *b, LBody *body) {
    for (int i = 0; i < b->items.n; i++) {
        before_item(lo, b->items.at[i], body);
        lower_item(lo, b->items.at[i], body);
        behind_item(lo, b->items.at[i], body);
    }
}

static void lower_to_bind(Lower *lo) {
    LFunc *f = lo->loops->bind = lfunc_new(lo->ctx, LF_HOST, "bind");
    for (int i = 0; i < lo->program->syms.n; i++) {
        Sym *s = lo->program->syms.at[i];
        if (s->kind == SYM_DERIVED) bind_sym(lo, s, s->def, &f->body);
    }
    for (int i = 0; i < lo->program->requires.n; i++) {
        LStmt *l = lstmt_new(lo->ctx, L_REQUIRE);
        l->cond = lo->program->requires.at[i].cond;
        l->name = lo->program->requires.at[i].text;
        l->id = i;
        lbody_add(lo->ctx, &f->body, l);
    }
    if (lo->plan->arena < 0) place_segment(lo, 0, &f->body);
}

Loops *lower_to_loops(Plan *plan, const Options *opt, const Machine *machine) {
    Ctx *ctx = plan->ctx;
    Lower lo = {.ctx = ctx,
                .plan = plan,
                .program = plan->program,
                .loops = NEW(ctx->perm, Loops),
                .machine = machine,
                .known = map_new(ctx->perm),
                .host = opt->host,
                .scratch = expr_int(ctx, 0),
                .device_scratch = expr_int(ctx, 0)};
    lo.loops->ctx = ctx;
    lo.loops->name = plan->program->name;
    lo.loops->plan = plan;
    lo.loops->run = lfunc_new(ctx, LF_HOST, "run");
    lo.calls = (DeviceCalls){.plan = plan, .loops = lo.loops};
    lower_block(&lo, plan->program->body, &lo.loops->run->body);
    lower_to_bind(&lo);
    plan->scratch = expr_max(ctx, plan->scratch, lo.scratch);
    plan->device_scratch = expr_max(ctx, plan->device_scratch, lo.device_scratch);
    return lo.loops;
}
