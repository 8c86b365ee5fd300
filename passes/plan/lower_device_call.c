/* Launches of the kernels that stand for a runtime function on the device. */
#include "passes/plan/device_calls.h"

/* ---- kernels ---- */
static Var *var_loop(Ctx *c, LBody **body, const char *name, Bind kind, Expr *lo, Expr *hi,
                     Expr *extent) {
    LStmt *l = lstmt_new(c, L_FOR);
    l->var = var_new(c, name, extent);
    l->bind = kind;
    l->lo = lo, l->hi = hi;
    lbody_add(c, *body, l);
    *body = &l->body;
    return l->var;
}

static Tensor *shared_words(Ctx *c, LBody *body, int words) {
    LStmt *l = lstmt_new(c, L_BUFFER);
    Expr *n = expr_int(c, words);
    l->tensor = tensor_new(c, "shared", DT_U64, &n, 1, SP_SHARED);
    l->hi = n;
    lbody_add(c, body, l);
    return l->tensor;
}

/* The statement inside: the item's number, then what the step is told. */
static LStmt *call_of(Ctx *c, const LFunc *f, const DeviceStep *d, Tensor *shared, Var *item,
                      Sym *round) {
    LStmt *l = lstmt_new(c, L_CALL);
    l->name = arena_str(c->perm, d->function);
    l->args = NEW_ARRAY(c->perm, Tensor *, f->params.n + 1);
    for (int i = 0; i < f->params.n; i++) l->args[l->n_args++] = f->params.at[i];
    if (shared) l->args[l->n_args++] = shared;
    l->iargs = NEW_ARRAY(c->perm, Expr *, d->args.n + 2);
    l->iargs[l->n_iargs++] = item->self;
    for (int i = 0; i < d->args.n; i++) l->iargs[l->n_iargs++] = d->args.at[i];
    if (round) l->iargs[l->n_iargs++] = expr_sym(c, round);
    return l;
}

static LFunc *make_kernel(DeviceCalls *w, const DeviceStep *d, Tensor *const *params, int n,
                          Sym *round) {
    Ctx *c = w->plan->ctx;
    char *name = arena_printf(c->perm, "k%d_%s", w->plan->program->n_kernels++, d->function);
    LFunc *f = lfunc_new(c, LF_KERNEL, name);
    f->device = true;
    f->parallel = d->items;
    for (int i = 0; i < n; i++) vec_push(c->perm, &f->params, params[i]);
    LBody *body = &f->body;
    Var *t = var_loop(c, &body, "t", BIND_THREAD, f->lo->self, f->hi->self, f->parallel);
    Tensor *shared = d->shared ? shared_words(c, body, d->shared) : NULL;
    Expr *threads = expr_int(c, d->threads);
    var_loop(c, &body, "b", BIND_BLOCK, expr_int(c, 0), threads, threads);
    lbody_add(c, body, call_of(c, f, d, shared, t, round));
    vec_push(c->perm, &w->loops->kernels, f);
    return f;
}

static LStmt *inner_call(const LFunc *f) {
    const LBody *b = &f->body;
    for (;; b = &b->at.at[b->at.n - 1]->body)
        if (b->at.at[b->at.n - 1]->kind == L_CALL) return b->at.at[b->at.n - 1];
}

static bool is_same(const LFunc *f, const DeviceStep *d, Tensor *const *params, int n, Sym *round) {
    const LStmt *l = inner_call(f);
    if (strcmp(l->name, d->function) || f->params.n != n || lfunc_threads(f) != d->threads ||
        f->parallel != d->items || l->n_iargs != d->args.n + 1 + (round != NULL))
        return false;
    for (int i = 0; i < n; i++)
        if (f->params.at[i]->dtype != params[i]->dtype) return false;
    for (int i = 0; i < d->args.n; i++)
        if (l->iargs[i + 1] != d->args.at[i]) return false;
    return true;
}

static LFunc *kernel_for(DeviceCalls *w, const DeviceStep *d, Tensor *const *params, int n,
                         Sym *round) {
    for (int i = 0; i < w->at.n; i++)
        if (is_same(w->at.at[i], d, params, n, round)) return w->at.at[i];
    LFunc *f = make_kernel(w, d, params, n, round);
    vec_push(w->plan->ctx->perm, &w->at, f);
    return f;
}

/* ---- launches ---- */
static bool is_taken(const Program *p, const char *name) {
    for (int i = 0; i < p->syms.n; i++)
        if (!strcmp(p->syms.at[i]->name, name)) return true;
    return false;
}

static Sym *round_of(DeviceCalls *w) {
    Program *p = w->plan->program;
    const char *name = "round";
    for (int i = 1; is_taken(p, name); i++) name = arena_printf(p->ctx->perm, "round_%d", i);
    if (w->round) return w->round;
    w->round = sym_new(p->ctx, SYM_VALUE, name, 0, 62);
    w->round->slot = w->plan->n_slots++;
    vec_push(p->ctx->perm, &p->syms, w->round);
    return w->round;
}

/* Neighbours with the same condition stand behind it together. */
static LBody *inside(DeviceCalls *w, const DeviceStep *d, LBody *body) {
    Ctx *c = w->plan->ctx;
    if (d->when) {
        LStmt *l = body->at.n ? body->at.at[body->at.n - 1] : NULL;
        if (!l || l->kind != L_IF || l->cond != d->when) {
            l = lstmt_new(c, L_IF);
            l->cond = d->when;
            lbody_add(c, body, l);
        }
        body = &l->body;
    }
    if (d->rounds) {
        LStmt *l = lstmt_new(c, L_LOOP);
        l->sym = round_of(w);
        l->hi = d->rounds;
        lbody_add(c, body, l);
        body = &l->body;
    }
    return body;
}

static void launch(DeviceCalls *w, const DeviceStep *d, const Item *it, LBody *body, int id) {
    Ctx *c = w->plan->ctx;
    LStmt *l = lstmt_new(c, L_LAUNCH);
    body = inside(w, d, body);
    l->device = true;
    l->args = NEW_ARRAY(c->perm, Tensor *, it->n_in + it->n_out + 1);
    for (int i = 0; i < it->n_in; i++) l->args[l->n_args++] = it->in[i];
    for (int i = 0; i < it->n_out; i++) l->args[l->n_args++] = it->out[i];
    if (d->scratch) l->args[l->n_args++] = it->scratch;
    l->func = kernel_for(w, d, l->args, l->n_args, d->rounds ? w->round : NULL);
    l->hi = d->items;
    l->lo = expr_int(c, 0);
    l->iargs = NEW_ARRAY(c->perm, Expr *, 1);
    l->iargs[l->n_iargs++] = expr_int(c, d->threads);
    l->id = id;
    l->origin = &it->origin, l->n_origin = 1;
    lbody_add(c, body, l);
}

void lower_device_call(DeviceCalls *w, Item *it, LBody *body, int id) {
    Ctx *c = w->plan->ctx;
    DeviceSteps steps = device_steps(c, it);
    if (steps.require) {
        LStmt *l = lstmt_new(c, L_REQUIRE);
        l->cond = steps.require;
        l->name = arena_str(c->perm, steps.why);
        l->id = id;
        lbody_add(c, body, l);
    }
    for (int i = 0; i < steps.at.n; i++) launch(w, steps.at.at[i], it, body, id);
}
