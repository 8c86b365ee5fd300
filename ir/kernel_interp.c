/* The reference interpreter: what a program of kernels means. Tensors are row-major, whatever their
 * layout; the hows are not looked at. Statements are run by kernel_interp_stmt.c. */
#include "ir/kernel_interp.h"

#include <inttypes.h>

bool interp_fail(Interp *in, const char *fmt, ...) {
    if (in->failed) return false;
    in->failed = true;
    va_list args;
    va_start(args, fmt);
    char text[300];
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return diag_error(in->ctx, NULL, "interpreter: %s", text);
}

/* ---- symbols ---- */

static int64_t no_var(void *user, const Var *v) {
    (void)user;
    BUG("%s has no value here", v->name);
}

static int64_t sym_value(void *user, const Sym *y) {
    Interp *in = user;
    const int64_t *known = map_get_int(in->syms, (uint64_t)(uintptr_t)y);
    int64_t v = 0;
    if (known) return *known;
    if (y->merged || y->def) interp_index(in, y->merged ? y->merged : y->def, &v);
    else interp_fail(in, "symbol %s has no value", y->name);
    return v;
}

bool interp_index(Interp *in, Expr *e, int64_t *out) {
    ExprEnv env = {no_var, sym_value, in};
    *out = 0;
    if (in->failed) return false;
    if (!expr_eval_index(e, &env, out)) return interp_fail(in, "a dimension overflows");
    return !in->failed;
}

void interp_set_sym(Interp *in, const Sym *y, int64_t v) {
    int64_t *at = NEW(in->arena, int64_t);
    *at = v;
    map_set_int(in->syms, (uint64_t)(uintptr_t)y, at);
}

/* ---- tensors ---- */

enum { MAX_BYTES = 1 << 30 };

static bool find_dims(Interp *in, const Tensor *t, int64_t *dims, int64_t *elements) {
    *elements = 1;
    for (int i = 0; i < t->rank; i++) {
        if (!interp_index(in, t->dims[i], &dims[i])) return false;
        if (dims[i] < 0) return interp_fail(in, "%s has a negative dimension", t->name);
        if (__builtin_mul_overflow(*elements, dims[i], elements) || *elements > MAX_BYTES)
            return interp_fail(in, "%s is too large", t->name);
    }
    return true;
}

/* A tensor keeps its memory until its dimensions change. */
Buffer *interp_buffer(Interp *in, Tensor *t) {
    int64_t dims[MAX_RANK] = {0}, elements;
    Buffer *b = map_get_int(in->buffers, (uint64_t)(uintptr_t)t);
    if (b && (t->space == SP_INPUT || t->space == SP_CONST)) return b;
    if (!find_dims(in, t, dims, &elements)) return NULL;
    if (b && !memcmp(b->dims, dims, sizeof dims)) return b;
    b = NEW(in->arena, Buffer);
    b->tensor = t;
    memcpy(b->dims, dims, sizeof dims);
    if (t->data) {
        b->data = (void *)(uintptr_t)const_bytes(in->ctx, t->data);
        if (!b->data) return interp_fail(in, "the data of %s is missing", t->name), NULL;
    } else if (t->alias) {
        Buffer *of = interp_buffer(in, t->alias);
        if (!of) return NULL;
        b->data = of->data;
    } else {
        b->data = arena_alloc(in->arena, dtype_bytes(t->dtype) * (size_t)elements + 8);
    }
    map_set_int(in->buffers, (uint64_t)(uintptr_t)t, b);
    return b;
}

/* ---- items ---- */

static bool run_block(Interp *in, Block *b);

static bool first_element(Interp *in, Tensor *t, int64_t index, int64_t *out) {
    Buffer *b = interp_buffer(in, t);
    if (!b) return false;
    const char *at = (const char *)b->data + (size_t)index * dtype_bytes(t->dtype);
    *out = scalar_load(t->dtype, at).i;
    return true;
}

static bool run_bind(Interp *in, const Item *it) {
    int64_t v;
    if (it->n_in ? !first_element(in, it->in[0], it->index, &v) : !interp_index(in, it->value, &v))
        return false;
    if (v < it->sym->lo || v > it->sym->hi)
        return interp_fail(in, "%s is %" PRId64 ", outside of its bounds", it->sym->name, v);
    interp_set_sym(in, it->sym, v);
    return true;
}

static bool run_if(Interp *in, const Item *it) {
    int64_t condition;
    if (!first_element(in, it->in[0], 0, &condition)) return false;
    return run_block(in, it->block[condition ? 0 : 1]);
}

static void swap_data(Interp *in, Tensor *a, Tensor *b) {
    Buffer *x = interp_buffer(in, a), *y = interp_buffer(in, b);
    if (!x || !y) return;
    void *data = x->data;
    x->data = y->data;
    y->data = data;
}

/* Carried values that change size: what the body made is copied to where the next round, or what
 * stands behind the loop, finds it. */
static bool next_sizes(Interp *in, const Item *it) {
    Buffer **from = NEW_ARRAY(in->arena, Buffer *, it->n_out + 1);
    int64_t *size = NEW_ARRAY(in->arena, int64_t, it->n_size + 1);
    for (int k = 0; k < it->n_out; k++)
        if (item_moves(it, k) && !(from[k] = interp_buffer(in, it->next[k]))) return false;
    for (int k = 0; k < it->n_size; k++)
        if (!interp_index(in, it->next_size[k], &size[k])) return false;
    for (int k = 0; k < it->n_size; k++) interp_set_sym(in, it->size[k], size[k]);
    for (int k = 0; k < it->n_out; k++) {
        Buffer *to = from[k] ? interp_buffer(in, it->out[k]) : NULL;
        if (from[k] && !to) return false;
        size_t bytes = dtype_bytes(it->out[k]->dtype);
        for (int d = 0; d < it->out[k]->rank && to; d++) bytes *= (size_t)to->dims[d];
        if (to) memcpy(to->data, from[k]->data, bytes);
    }
    return true;
}

static bool run_check(Interp *in, const Item *it) {
    int64_t holds;
    if (!interp_index(in, it->value, &holds)) return false;
    if (holds) return true;
    const char *node = it->origin.node ? it->origin.node : it->origin.op ? it->origin.op : "";
    return interp_fail(in, "node \"%s\": %s", node, it->text);
}

static bool run_loop(Interp *in, const Item *it) {
    int64_t trip = INT64_MAX, go = 1;
    if (it->trip && !interp_index(in, it->trip, &trip)) return false;
    for (int64_t i = 0; i < trip; i++) {
        if (it->n_in && !first_element(in, it->in[0], 0, &go)) return false;
        if (!go) break;
        interp_set_sym(in, it->sym, i);
        if (!run_block(in, it->block[0])) return false;
        for (int k = 0; k < it->n_out; k++)
            if (!item_moves(it, k)) swap_data(in, it->out[k], it->next[k]);
        if (it->n_size && !next_sizes(in, it)) return false;
    }
    return !in->failed;
}

static bool run_copy(Interp *in, const Item *it) {
    int64_t dims[MAX_RANK], elements;
    if (it->in[0] == it->out[0]) return true;
    Buffer *from = interp_buffer(in, it->in[0]), *to = interp_buffer(in, it->out[0]);
    if (!from || !to || !find_dims(in, it->out[0], dims, &elements)) return false;
    memcpy(to->data, from->data, dtype_bytes(it->out[0]->dtype) * (size_t)elements);
    return true;
}

static bool run_item(Interp *in, const Item *it) {
    switch (it->kind) {
    case ITEM_KERNEL:
        return interp_kernel(in, it->kernel);
    case ITEM_CALL:
        return interp_call(in, it);
    case ITEM_BIND:
        return run_bind(in, it);
    case ITEM_IF:
        return run_if(in, it);
    case ITEM_LOOP:
        return run_loop(in, it);
    case ITEM_CHECK:
        return run_check(in, it);
    case ITEM_COPY:
        return run_copy(in, it);
    }
    return false;
}

static bool run_block(Interp *in, Block *b) {
    for (int i = 0; i < b->items.n; i++)
        if (!run_item(in, b->items.at[i])) return false;
    return true;
}

/* ---- programs and kernels ---- */

static Interp open_interp(Ctx *ctx, Arena *arena, const SymValue *syms, int n_syms) {
    Interp in = {.ctx = ctx, .arena = arena, .buffers = map_new(arena), .syms = map_new(arena)};
    for (int i = 0; i < n_syms; i++) interp_set_sym(&in, syms[i].sym, syms[i].value);
    return in;
}

static void add_buffer(Interp *in, Tensor *t, const Buffer *from) {
    Buffer *b = arena_copy(in->arena, from, sizeof(Buffer));
    b->tensor = t;
    for (int i = t->rank; i < MAX_RANK; i++) b->dims[i] = 0;
    map_set_int(in->buffers, (uint64_t)(uintptr_t)t, b);
}

/* A symbol that nobody gave a value has that of the first input dimension it is. */
static void bind_input(Interp *in, const Tensor *t, const Buffer *b) {
    for (int i = 0; i < t->rank; i++) {
        const Expr *e = t->dims[i];
        bool known = e->kind != E_SYM || map_get_int(in->syms, (uint64_t)(uintptr_t)e->sym);
        if (!known) interp_set_sym(in, e->sym, b->dims[i]);
    }
}

static bool check_input(Interp *in, const Tensor *t, const Buffer *b) {
    for (int i = 0; i < t->rank; i++) {
        int64_t want;
        if (!interp_index(in, t->dims[i], &want)) return false;
        if (want != b->dims[i])
            return interp_fail(in, "axis %d of input %s is %" PRId64 ", not %" PRId64, i, t->name,
                               b->dims[i], want);
    }
    return true;
}

bool program_interp(Program *p, const Buffer *in, Buffer *out, SymValue *syms, int n_syms,
                    Arena *arena) {
    Interp run = open_interp(p->ctx, arena, syms, n_syms);
    for (int i = 0; i < p->inputs.n; i++) {
        add_buffer(&run, p->inputs.at[i], &in[i]);
        bind_input(&run, p->inputs.at[i], &in[i]);
    }
    for (int i = 0; i < p->inputs.n; i++)
        if (!check_input(&run, p->inputs.at[i], &in[i])) return false;
    if (!run_block(&run, p->body)) return false;
    if (run.fault) return interp_fail(&run, "an index is out of bounds");
    for (int i = 0; i < p->outputs.n; i++) {
        Buffer *b = interp_buffer(&run, p->outputs.at[i]);
        if (!b) return false;
        out[i] = *b;
    }
    return true;
}

bool kernel_interp(Ctx *ctx, Kernel *k, Buffer *bufs, int n_bufs, const SymValue *syms,
                   int n_syms) {
    Arena *arena = arena_new();
    Interp run = open_interp(ctx, arena, syms, n_syms);
    for (int i = 0; i < n_bufs; i++) add_buffer(&run, bufs[i].tensor, &bufs[i]);
    bool ok = interp_kernel(&run, k);
    if (ok && run.fault) ok = interp_fail(&run, "an index is out of bounds");
    arena_free(arena);
    return ok;
}
