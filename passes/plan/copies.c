/* Where tensors lie, and a copy in front of every item that reads what lies on the other side,
 * unless an earlier one still holds. A tensor lies where the items that write it run; what the
 * host reads by itself (conditions of loops, strings, what a loop moves) lies there. A tensor has
 * at most one copy. A loop's copies of what its body does not write stand in front of the loop.
 * Requires: pass placement, final layouts and order. Keeps: what every tensor holds. */
#include "passes/plan/placement.h"

typedef struct Twin { /* a tensor of the other side that holds the same */
    Tensor *of, *copy;
    bool valid;
} Twin;
typedef struct Copies {
    Placement *w;
    Program *p;
    Ctx *ctx;
    VEC(Twin) twins;
} Copies;
typedef struct Items { /* the block that is being made */
    VEC(Item *) at;
} Items;

static Tensor *fresh_twin(Copies *c, Tensor *t) {
    char *name = arena_printf(c->ctx->perm, "%s.%s", t->name, t->device ? "host" : "device");
    Tensor *copy = program_tensor(c->p, name, t->dtype, t->dims, t->rank);
    copy->layout = t->layout;
    copy->device = !t->device;
    return copy;
}

static Twin *twin_of(Copies *c, Tensor *t) {
    for (int i = 0; i < c->twins.n; i++)
        if (c->twins.at[i].of == t) return &c->twins.at[i];
    vec_push(c->ctx->perm, &c->twins, ((Twin){t, fresh_twin(c, t), false}));
    return &c->twins.at[c->twins.n - 1];
}

static Item *copy_item(Copies *c, Tensor *from, Tensor *to, bool device) {
    Item *it = NEW(c->ctx->perm, Item);
    *it = (Item){.kind = ITEM_COPY, .device = device, .n_in = 1, .n_out = 1};
    it->in = arena_copy(c->ctx->perm, &from, sizeof(Tensor *));
    it->out = arena_copy(c->ctx->perm, &to, sizeof(Tensor *));
    return it;
}

/* ---- what is valid ---- */
static bool *save(const Copies *c) {
    bool *valid = NEW_ARRAY(c->ctx->perm, bool, c->twins.n + 1);
    for (int i = 0; i < c->twins.n; i++) valid[i] = c->twins.at[i].valid;
    return valid;
}

static void restore(Copies *c, const bool *valid, int n) {
    for (int i = 0; i < c->twins.n; i++) c->twins.at[i].valid = i < n && valid[i];
}

static void written(Copies *c, Tensor *t) {
    const Group *g = t->space == SP_CONST ? NULL : placement_group(c->w, t);
    for (int i = 0; g && i < c->twins.n; i++)
        if (placement_group(c->w, c->twins.at[i].of) == g) c->twins.at[i].valid = false;
}

typedef struct Body { /* of a loop: which groups it writes */
    Copies *c;
    bool *group;
} Body;

static void note_writes(void *user, Block *b, Item *it) {
    Body *body = user;
    Tensor **in, **out;
    int n_in, n_out;
    (void)b;
    placement_uses(body->c->ctx, it, &in, &n_in, &out, &n_out);
    for (int i = 0; i < n_out; i++)
        if (out[i]) body->group[placement_group(body->c->w, out[i])->index] = true;
    for (int i = 0; it->kind == ITEM_LOOP && i < it->n_out; i++)
        body->group[placement_group(body->c->w, it->out[i])->index] = true;
}

static void each_in(Block *b, void (*fn)(void *, Block *, Item *), void *user) {
    for (int i = 0; b && i < b->items.n; i++) {
        fn(user, b, b->items.at[i]);
        each_in(b->items.at[i]->block[0], fn, user);
        each_in(b->items.at[i]->block[1], fn, user);
    }
}

/* ---- reading the copy in place of the tensor ---- */
typedef struct Redirect {
    Ctx *ctx;
    Tensor *from, *to;
} Redirect;

static Expr *redirect_load(void *user, Expr *e) {
    Redirect *r = user;
    return e->kind == E_LOAD && e->tensor == r->from ? expr_load(r->ctx, r->to, e->arg, e->n) : e;
}

static void redirect(Ctx *ctx, Item *it, Tensor *from, Tensor *to) {
    Redirect r = {ctx, from, to};
    for (int i = 0; it->kind == ITEM_KERNEL && i < it->kernel->stmts.n; i++) {
        Stmt *s = it->kernel->stmts.at[i];
        s->value = expr_rewrite(ctx, s->value, redirect_load, &r);
        for (int d = 0; s->index && d < stmt_target(s)->rank; d++)
            s->index[d] = expr_rewrite(ctx, s->index[d], redirect_load, &r);
    }
    if (it->kind == ITEM_KERNEL || !it->n_in) return;
    it->in = arena_copy(ctx->perm, it->in, sizeof *it->in * (size_t)it->n_in);
    for (int i = 0; i < it->n_in; i++)
        if (it->in[i] == from) it->in[i] = to;
}

static void read_copies(Copies *c, Item *it, Items *out) {
    Tensor **in, **made;
    int n_in, n_out;
    placement_uses(c->ctx, it, &in, &n_in, &made, &n_out);
    for (int i = 0; i < n_in; i++) {
        Tensor *t = in[i];
        if (!t || t->space == SP_CONST || t->device == it->device) continue;
        Twin *twin = twin_of(c, t);
        Tensor *copy = twin->copy;
        if (!twin->valid) vec_push(c->ctx->perm, &out->at, copy_item(c, t, copy, copy->device));
        twin->valid = true;
        redirect(c->ctx, it, t, copy);
    }
}

/* A device kernel that makes a loop's condition, which lies on the host: it writes elsewhere, and a
 * copy follows. */
static void write_copies(Copies *c, Item *it, Items *out) {
    Tensor **in, **made;
    int n_in, n_out;
    placement_uses(c->ctx, it, &in, &n_in, &made, &n_out);
    for (int i = 0; i < n_out; i++) {
        Tensor *t = made[i];
        if (!t) continue;
        written(c, t);
        if (t->device == it->device || it->kind != ITEM_KERNEL) continue;
        Tensor *there = fresh_twin(c, t);
        placement_group(c->w, there)->index = c->w->groups.n;
        vec_push(c->ctx->perm, &c->w->groups, placement_group(c->w, there));
        redirect(c->ctx, it, t, there);
        for (int k = 0; k < it->kernel->stmts.n; k++) {
            Stmt *s = it->kernel->stmts.at[k];
            if (s->out == t) s->out = there;
            if (s->out2 == t) s->out2 = there;
        }
        vec_push(c->ctx->perm, &out->at, copy_item(c, there, t, t->device));
    }
}

/* ---- blocks ---- */
static void do_block(Copies *, Block *);

static void do_if(Copies *c, Item *it) {
    int n = c->twins.n;
    bool *before = save(c);
    do_block(c, it->block[0]);
    int n_then = c->twins.n;
    bool *then = save(c);
    restore(c, before, n);
    if (it->block[1]) do_block(c, it->block[1]);
    for (int i = 0; i < c->twins.n; i++)
        c->twins.at[i].valid = c->twins.at[i].valid && i < n_then && then[i];
}

typedef struct Hoist {
    Copies *c;
    const Body *body;
    Items *out;
} Hoist;

/* What an item of a loop's body reads, and nothing in the body writes. */
static void hoist(void *user, Block *b, Item *it) {
    Hoist *h = user;
    Copies *c = h->c;
    Tensor **in, **made;
    int n_in, n_out;
    (void)b;
    placement_uses(c->ctx, it, &in, &n_in, &made, &n_out);
    for (int i = 0; i < n_in; i++) {
        Tensor *t = in[i];
        if (!t || t->space == SP_CONST || t->device == it->device) continue;
        if (h->body->group[placement_group(c->w, t)->index]) continue;
        Twin *twin = twin_of(c, t);
        if (!twin->valid)
            vec_push(c->ctx->perm, &h->out->at, copy_item(c, t, twin->copy, twin->copy->device));
        twin->valid = true;
    }
}

static void forget(Copies *c, const Body *body) {
    for (int i = 0; i < c->twins.n; i++)
        if (body->group[placement_group(c->w, c->twins.at[i].of)->index])
            c->twins.at[i].valid = false;
}

static void do_loop(Copies *c, Item *it, Items *out) {
    Body body = {c, NEW_ARRAY(c->ctx->perm, bool, c->w->groups.n + 1)};
    each_in(it->block[0], note_writes, &body);
    for (int i = 0; i < it->n_out; i++) body.group[placement_group(c->w, it->out[i])->index] = true;
    Hoist h = {c, &body, out};
    each_in(it->block[0], hoist, &h);
    forget(c, &body);
    int n = c->twins.n;
    bool *before = save(c);
    do_block(c, it->block[0]);
    restore(c, before, n);
}

static void do_block(Copies *c, Block *b) {
    Items out = {0};
    for (int i = 0; i < b->items.n; i++) {
        Item *it = b->items.at[i];
        Items after = {0};
        read_copies(c, it, &out);
        if (it->kind == ITEM_KERNEL || it->kind == ITEM_CALL) write_copies(c, it, &after);
        if (it->kind == ITEM_IF) do_if(c, it);
        if (it->kind == ITEM_LOOP) do_loop(c, it, &out);
        vec_push(c->ctx->perm, &out.at, it);
        for (int k = 0; k < after.at.n; k++) vec_push(c->ctx->perm, &out.at, after.at.at[k]);
    }
    b->items.at = out.at.at, b->items.n = out.at.n, b->items.cap = out.at.cap;
}

/* ---- inputs and outputs: the caller's memory is the host's ---- */
typedef struct Mention {
    Copies *c;
    const Tensor *t;
    bool reads, writes;
} Mention;

static void note_mention(void *user, Block *b, Item *it) {
    Mention *m = user;
    Tensor **in, **out;
    int n_in, n_out;
    (void)b;
    if (it->kind == ITEM_COPY) return; /* an input's copy on the host is the caller's */
    placement_uses(m->c->ctx, it, &in, &n_in, &out, &n_out);
    for (int i = 0; i < n_in; i++) m->reads |= in[i] == m->t;
    for (int i = 0; i < n_out; i++)
        m->writes |= out[i] && placement_group(m->c->w, out[i]) ==
                                   placement_group(m->c->w, (Tensor *)(uintptr_t)m->t);
}

static Mention mention(Copies *c, Item *it, const Tensor *t) {
    Mention m = {.c = c, .t = t};
    note_mention(&m, NULL, it);
    each_in(it->block[0], note_mention, &m);
    each_in(it->block[1], note_mention, &m);
    return m;
}

static void insert(Copies *c, int at, Item *it) {
    Block *b = c->p->body;
    vec_push(c->ctx->perm, &b->items, it);
    for (int i = b->items.n - 1; i > at; i--) b->items.at[i] = b->items.at[i - 1];
    b->items.at[at] = it;
}

static void copy_input(Copies *c, Tensor *t) {
    const Block *b = c->p->body;
    int at = 0;
    while (at < b->items.n && !mention(c, b->items.at[at], t).reads) at++;
    if (at < b->items.n) insert(c, at, copy_item(c, t, t, true));
}

static void copy_output(Copies *c, Tensor *t) {
    const Block *b = c->p->body;
    int at = b->items.n - 1;
    while (at >= 0 && !mention(c, b->items.at[at], t).writes) at--;
    insert(c, at + 1, copy_item(c, t, t, false));
}

/* ---- where tensors lie ---- */
static void note_writers(void *user, Block *b, Item *it) {
    Placement *w = user;
    Tensor **in, **out;
    int n_in, n_out;
    (void)b;
    placement_uses(w->ctx, it, &in, &n_in, &out, &n_out);
    for (int i = 0; i < n_out && it->device; i++)
        if (out[i] && !placement_group(w, out[i])->condition)
            placement_group(w, out[i])->device = true;
}

/* An input that the device reads lies there: a run copies it, or the caller has it there. */
static void note_inputs(void *user, Block *b, Item *it) {
    Placement *w = user;
    Tensor **in, **out;
    int n_in, n_out;
    (void)b;
    if (!it->device) return;
    placement_uses(w->ctx, it, &in, &n_in, &out, &n_out);
    for (int i = 0; i < n_in; i++)
        if (in[i] && in[i]->space == SP_INPUT) in[i]->device = true;
}

static void place_tensors(Placement *w) {
    Program *p = w->p;
    program_each_item(p, note_writers, w);
    for (int i = 0; i < p->tensors.n; i++)
        p->tensors.at[i]->device = placement_group(w, p->tensors.at[i])->device;
    for (int i = 0; i < p->outputs.n; i++)
        p->outputs.at[i]->device = placement_group(w, p->outputs.at[i])->device;
    program_each_item(p, note_inputs, w);
}

PASS(copies, KERNELS, "copies between the device's memory and the host's")
bool pass_copies(Program *p, const Options *opt) {
    Placement w;
    Copies c = {.w = &w, .p = p, .ctx = p->ctx};
    if (opt->one_memory) return false;
    placement_groups(&w, p);
    place_tensors(&w);
    do_block(&c, p->body);
    for (int i = 0; i < p->inputs.n; i++)
        if (p->inputs.at[i]->device) copy_input(&c, p->inputs.at[i]);
    for (int i = 0; i < p->outputs.n; i++)
        if (p->outputs.at[i]->device) copy_output(&c, p->outputs.at[i]);
    return true;
}
