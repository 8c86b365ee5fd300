/* Fusion: views disappear into subscripts, pointwise kernels into their consumers, consumers into
 * the kernel that makes their operand. After it the only tensors in memory are those that some
 * kernel really needs whole.
 *
 *   inline    a map is substituted into the loads of its consumers: always where it only moves data
 *             (SmartMem's elimination by index comprehension), else where the table of mapping
 *             types allows it and no work is repeated; not a view that would take the last vector
 *             lane from a reduction (a shuffle before a depthwise convolution)
 *   epilogue  a map that reads each element of a result once joins the kernel that makes it, also
 *             through a bijective view (the store then goes to where the element belongs)
 * Requires: one kernel per graph node. Keeps: the order of items; tensors written by several
 * kernels. */
#include "passes/kernel/fuse.h"

typedef struct Use {
    Item *writer; /* the only one, or NULL */
    int n_writers, n_readers;
} Use;
typedef struct Fuse {
    Program *p;
    Ctx *ctx;
    Block *block;
    bool narrow; /* constants and bytes are widened where they are read, however often */
    bool changed;
} Fuse;

/* ---- who reads and writes what ---- */
static Use *use_of(Fuse *f, Tensor *t) {
    if (!t->aux) t->aux = NEW(f->ctx->perm, Use);
    return t->aux;
}

static void count(Fuse *f, Item *it, int by) {
    for (int i = 0; i < it->n_in; i++)
        if (it->in[i]) use_of(f, it->in[i])->n_readers += by;
    for (int i = 0; i < it->n_out; i++) {
        Use *u = use_of(f, it->out[i]);
        u->n_writers += by;
        u->writer = by > 0 && u->n_writers == 1 ? it : NULL;
    }
}

static void refresh(Fuse *f, Item *it) {
    if (it->kind == ITEM_KERNEL)
        kernel_tensors(f->ctx, it->kernel, &it->in, &it->n_in, &it->out, &it->n_out);
}

static void count_new(void *user, Block *b, Item *it) {
    Fuse *f = user;
    (void)b;
    refresh(f, it);
    count(f, it, 1);
    /* loop-carried: stays */
    for (int i = 0; it->next && i < it->n_out; i++) use_of(f, it->next[i])->n_readers += 2;
    if (it->scratch) use_of(f, it->scratch)->n_readers++;
}

static void remove_item(Fuse *f, Item *it) {
    count(f, it, -1);
    Block *b = f->block;
    int n = 0;
    for (int i = 0; i < b->items.n; i++)
        if (b->items.at[i] != it) b->items.at[n++] = b->items.at[i];
    b->items.n = n;
}

/* ---- inlining ---- */
static bool is_identity(const Stmt *s) {
    if (s->out->rank != s->n_dom) return false;
    for (int i = 0; s->index && i < s->n_dom; i++) {
        bool only = expr_is(s->index[i], 0) && expr_is(s->dom[i]->extent, 1);
        if (s->index[i] != s->dom[i]->self && !only) return false;
    }
    return true;
}

/* The statement, if the item is a kernel of one map that alone defines a tensor of the arena. */
static Stmt *lone_map(Fuse *f, Item *it) {
    if (!it || it->kind != ITEM_KERNEL || it->kernel->stmts.n != 1) return NULL;
    Stmt *s = it->kernel->stmts.at[0];
    if (s->kind != ST_MAP || s->out->space != SP_ARENA || !is_identity(s)) return NULL;
    return use_of(f, s->out)->n_writers == 1 && !s->out->state ? s : NULL;
}

/* Or what is better read in few bytes, and widened where it is read. */
static bool is_view(const Fuse *f, const Stmt *s) {
    if (f->narrow && widens_bytes(s)) return true;
    return expr_cost(s->value) == 0 && s->value->kind != E_OP;
}

typedef struct LoadCheck {
    const Tensor *of;
    const Stmt *in;
    int loads;
    bool repeats;
} LoadCheck;

/* Does the statement read elements of `of` more than once each? */
static void check_load(void *user, const Expr *e) {
    LoadCheck *c = user;
    if (e->kind != E_LOAD || e->tensor != c->of) return;
    c->loads++;
    for (int i = 0; i < c->in->n_dom; i++) {
        bool used = expr_is(c->in->dom[i]->extent, 1);
        for (int k = 0; k < e->n; k++) {
            bool here = expr_uses_var(e->arg[k], c->in->dom[i]);
            used |= here;
            for (int r = 0; here && r < c->in->n_red; r++) /* a window */
                c->repeats |=
                    expr_uses_var(e->arg[k], c->in->red[r]) && !expr_is(c->in->red[r]->extent, 1);
        }
        c->repeats |= !used;
    }
}

/* Is it worth computing the map's element wherever the consumer reads it? */
static bool worth_inlining(Fuse *f, const Stmt *s, const Kernel *k) {
    Mapping fused;
    int loads = 0, cost = expr_cost(s->value);
    for (int i = 0; i < k->stmts.n; i++) {
        const Stmt *c = k->stmts.at[i];
        LoadCheck check = {s->out, c, 0, false};
        expr_visit(c->value, check_load, &check);
        if (check.loads == 0) continue;
        Verdict v =
            fuse_verdict(stmt_mapping(f->ctx, s), c->kind == ST_MAP ? MAP_O2O : MAP_M2M, &fused);
        bool repeats = check.repeats && !(f->narrow && widens_constants(s));
        if (v == FUSE_NO || (repeats && cost > (c->kind == ST_MAP))) return false;
        loads += check.loads;
    }
    return loads == 1 || cost * (loads - 1) <= 8;
}

/* Would a reduction of the kernel lose its last variable for lanes to the view? */
static bool takes_lanes(Fuse *f, const Stmt *view, const Kernel *k) {
    for (int i = 0; i < k->stmts.n; i++) {
        Stmt after = *k->stmts.at[i];
        if (after.kind != ST_REDUCE || !expr_uses_tensor(after.value, view->out)) continue;
        if (!stmt_has_lanes(f->ctx, &after)) continue;
        after.value = expr_replace_loads(f->ctx, after.value, view->out, view);
        if (!stmt_has_lanes(f->ctx, &after)) return true;
    }
    return false;
}

static bool inline_into(Fuse *f, Stmt *s, Item *it) {
    bool any = false;
    Kernel *k = it->kernel;
    count(f, it, -1);
    for (int i = 0; i < k->stmts.n; i++) {
        Stmt *c = k->stmts.at[i];
        Expr *value = expr_replace_loads(f->ctx, c->value, s->out, s);
        any |= value != c->value;
        c->value = value;
        for (int d = 0; c->index && c->out && d < c->out->rank; d++)
            c->index[d] = expr_replace_loads(f->ctx, c->index[d], s->out, s);
    }
    refresh(f, it);
    count(f, it, 1);
    return any;
}

static void join_origins(Fuse *f, Kernel *k, const Kernel *from) {
    Origin *o = NEW_ARRAY(f->ctx->perm, Origin, k->n_origin + from->n_origin);
    int n = 0;
    for (int i = 0; i < from->n_origin + k->n_origin; i++) {
        const Origin *x = i < from->n_origin ? &from->origin[i] : &k->origin[i - from->n_origin];
        bool twice = false;
        for (int j = 0; j < n; j++) twice |= o[j].node == x->node && o[j].op == x->op;
        if (!twice) o[n++] = *x;
    }
    k->origin = o;
    k->n_origin = n;
}

static bool reads(const Item *it, const Tensor *t) {
    for (int i = 0; i < it->n_in; i++)
        if (it->in[i] == t) return true;
    return false;
}

/* The block's readers of s->out take its definition; true if that made any change. */
static bool inline_map(Fuse *f, Item *def, bool view) {
    Stmt *s = lone_map(f, def);
    if (!s || is_view(f, s) != view) return false;
    bool changed = false;
    if (!view && use_of(f, s->out)->n_readers != 1) return false;
    for (int i = 0; i < f->block->items.n; i++) {
        Item *it = f->block->items.at[i];
        if (it->kind != ITEM_KERNEL || it == def || !reads(it, s->out)) continue;
        if (view ? takes_lanes(f, s, it->kernel) : !worth_inlining(f, s, it->kernel)) continue;
        if (!inline_into(f, s, it)) continue;
        join_origins(f, it->kernel, def->kernel);
        changed = true;
    }
    if (use_of(f, s->out)->n_readers == 0) {
        remove_item(f, def);
        changed = true;
    }
    return changed;
}

static bool try_view(Fuse *f, Item *def) {
    return inline_map(f, def, true);
}

static bool try_map(Fuse *f, Item *def) {
    return inline_map(f, def, false);
}

/* ---- epilogues ---- */
/* All loads of t in the map have the same subscripts; NULL otherwise. */
typedef struct SameLoad {
    const Tensor *of;
    const Expr *load;
    bool differ;
} SameLoad;

static void same_load(void *user, const Expr *e) {
    SameLoad *s = user;
    if (e->kind != E_LOAD || e->tensor != s->of) return;
    s->differ |= s->load && s->load != e;
    s->load = e;
}

/* The only statement that writes t; NULL where a scatter goes on after it. */
static Stmt *definition(Kernel *k, const Tensor *t) {
    Stmt *only = NULL;
    for (int i = 0; i < k->stmts.n; i++) {
        if (k->stmts.at[i]->out != t) continue;
        if (only) return NULL;
        only = k->stmts.at[i];
    }
    return only;
}

/* The only kernel of a map that nothing but `maker` stands in the way of joining. */
static bool can_join(Fuse *f, Item *maker, Item *it, Tensor *t, Stmt **d) {
    if (!maker || maker->kind != ITEM_KERNEL || maker == it || maker->n_out != 1) return false;
    if (t->space != SP_ARENA || use_of(f, t)->n_readers != 1 || use_of(f, t)->n_writers != 1)
        return false;
    *d = definition(maker->kernel, t);
    if (!*d || (*d)->out2 ||
        !((*d)->kind == ST_MAP || ((*d)->kind == ST_REDUCE && is_identity(*d))))
        return false;
    bool here = false;
    for (int i = 0; i < f->block->items.n; i++) here |= f->block->items.at[i] == maker;
    return here;
}

/* c's variables in terms of d's, where c reads t at `index` and d stores it; false: not one to
 * one. */
static bool solve_access(Fuse *f, const Stmt *c, Expr *const *index, const Stmt *d, const Tensor *t,
                         Expr **solved) {
    if (is_identity(d)) return invert_access(f->ctx, c, index, d, solved);
    Stmt place = {.n_dom = t->rank, .dom = NEW_ARRAY(f->ctx->perm, Var *, t->rank + 1)};
    for (int i = 0; i < t->rank; i++) place.dom[i] = var_new(f->ctx, "p", t->dims[i]);
    if (!invert_access(f->ctx, c, index, &place, solved)) return false;
    Subst stored = {place.dom, d->index, t->rank};
    for (int i = 0; i < c->n_dom; i++) solved[i] = expr_subst(f->ctx, solved[i], &stored);
    return true;
}

/* The map's statement in terms of d's variables. */
static Stmt *rebase(Fuse *f, const Stmt *c, const Stmt *d, Expr **solved) {
    Subst sub = {c->dom, solved, c->n_dom};
    Stmt *s = NEW(f->ctx->perm, Stmt);
    *s = *c;
    s->dom = d->dom;
    s->n_dom = d->n_dom;
    s->value = expr_subst(f->ctx, c->value, &sub);
    s->index = NEW_ARRAY(f->ctx->perm, Expr *, c->out->rank + 1);
    for (int i = 0; i < c->out->rank; i++)
        s->index[i] = expr_subst(f->ctx, c->index ? c->index[i] : c->dom[i]->self, &sub);
    return s;
}

typedef struct Element {
    const Tensor *of;
    Expr *value;
} Element;

static Expr *element(void *user, Expr *e) {
    const Element *r = user;
    return e->kind == E_LOAD && e->tensor == r->of ? r->value : e;
}

/* Every load of t, all of one element, by its value. */
static Expr *replace_element(Ctx *ctx, Expr *e, const Tensor *t, Expr *value) {
    Element r = {t, value};
    return expr_rewrite(ctx, e, element, &r);
}

static void join(Fuse *f, Item *maker, Item *it, Tensor *t, Stmt *d, Stmt *map) {
    Kernel *k = maker->kernel;
    count(f, maker, -1);
    count(f, it, -1);
    if (d->kind == ST_MAP) {
        map->value = replace_element(f->ctx, map->value, t, d->value);
        for (int i = 0; i < k->stmts.n; i++)
            if (k->stmts.at[i] == d) k->stmts.at[i] = map;
    } else {
        t->space = SP_TEMP;
        vec_push(f->ctx->perm, &k->stmts, map);
    }
    join_origins(f, it->kernel, k);
    it->kernel->stmts.at = k->stmts.at;
    it->kernel->stmts.n = k->stmts.n;
    it->kernel->stmts.cap = k->stmts.cap;
    it->kernel->name = k->name;
    refresh(f, it);
    count(f, it, 1);
    count(f, maker, 1);
    remove_item(f, maker);
}

static bool try_epilogue(Fuse *f, Item *it) {
    if (it->kind != ITEM_KERNEL || it->kernel->stmts.n != 1 ||
        it->kernel->stmts.at[0]->kind != ST_MAP)
        return false;
    Stmt *c = it->kernel->stmts.at[0], *d;
    for (int i = it->n_in - 1; i >= 0; i--) {
        Tensor *t = it->in[i];
        Expr *solved[MAX_RANK];
        SameLoad same = {t, NULL, false};
        if (!t || !can_join(f, use_of(f, t)->writer, it, t, &d)) continue;
        expr_visit(c->value, same_load, &same);
        if (!same.load || same.differ || !solve_access(f, c, same.load->arg, d, t, solved))
            continue;
        join(f, use_of(f, t)->writer, it, t, d, rebase(f, c, d, solved));
        return true;
    }
    return false;
}

/* ---- the pass ---- */
static bool is_dead(Fuse *f, const Item *it) {
    if (it->kind != ITEM_KERNEL) return false;
    for (int i = 0; i < it->n_out; i++)
        if (it->out[i]->space != SP_ARENA || use_of(f, it->out[i])->n_readers > 0 ||
            it->out[i]->state)
            return false;
    return true;
}

static bool sweep(Fuse *f, bool (*step)(Fuse *, Item *)) {
    bool changed = false;
    for (int i = 0; i < f->block->items.n; i++) {
        int n = f->block->items.n;
        if (!step(f, f->block->items.at[i])) continue;
        changed = true;
        i = MAX(-1, i - 1 - (n - f->block->items.n));
    }
    return changed;
}

static bool try_dead(Fuse *f, Item *it) {
    if (!is_dead(f, it)) return false;
    remove_item(f, it);
    return true;
}

static void fuse_block(Fuse *f, Block *b) {
    f->block = b;
    bool again = true;
    while (again) {
        again = sweep(f, try_view);
        /* before maps: a result is best finished where it is made */
        again |= sweep(f, try_epilogue);
        again |= sweep(f, try_map);
        again |= sweep(f, try_dead);
        f->changed |= again;
    }
    for (int i = 0; i < b->items.n; i++)
        for (int k = 0; k < 2; k++) {
            Block *inner = b->items.at[i]->block[k];
            if (inner) fuse_block(f, inner);
            f->block = b;
        }
}

/* Tensors that nothing touches any more. */
static void drop_unused(Fuse *f) {
    int n = 0;
    for (int i = 0; i < f->p->tensors.n; i++) {
        Tensor *t = f->p->tensors.at[i];
        const Use *u = t->aux;
        if (t->space == SP_ARENA && u && (u->n_readers > 0 || u->n_writers > 0))
            f->p->tensors.at[n++] = t;
    }
    f->p->tensors.n = n;
}

PASS(fuse, KERNELS, "views into subscripts, pointwise kernels into their neighbours")
bool pass_fuse(Program *p, const Options *opt) {
    Fuse f = {.p = p, .ctx = p->ctx, .narrow = compiles_for_gpu(opt)};
    for (int i = 0; i < p->tensors.n; i++) p->tensors.at[i]->aux = NULL;
    for (int i = 0; i < p->inputs.n; i++) p->inputs.at[i]->aux = NULL;
    for (int i = 0; i < p->outputs.n; i++) p->outputs.at[i]->aux = NULL;
    for (int i = 0; i < p->consts.n; i++) p->consts.at[i]->aux = NULL;
    program_each_item(p, count_new, &f);
    fuse_block(&f, p->body);
    drop_unused(&f);
    return f.changed;
}
