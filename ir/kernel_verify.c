/* Checks a program of kernels. Every violation stands below its line in the printed program.
 *
 * What holds: names are unique; every tensor that is read or written is declared, temps are
 * written before they are read and belong to one kernel; statements use their own variables
 * only, with as many subscripts as ranks, of type index; values have the type of their target
 * (reductions: or of their accumulator); items have the tensors and types they need. Hows are
 * checked by kernel_verify_how.c. */
#include "ir/kernel_verify.h"

#include "ir/streams.h"

/* ---- reporting ---- */

void verify_fail(Verify *v, const void *where, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    char text[400];
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    Finding f = {where, arena_str(v->ctx->perm, text)};
    vec_push(v->ctx->perm, &v->found, f);
}

static const char *finding(void *user, const void *thing) {
    Verify *v = user;
    for (int i = 0; i < v->found.n; i++)
        if (v->found.at[i].where == thing) return v->found.at[i].text;
    return NULL;
}

static bool report(Verify *v, const Program *p, const char *when) {
    if (!v->found.n) return true;
    Str text = str_new(v->ctx->perm);
    KPrint print = {.s = &text, .note = finding, .user = v};
    program_print_noted(&print, p);
    Loc loc = {.file = v->ctx->file};
    diag_error(v->ctx, &loc, "the program of kernels is not valid %s: %s", when,
               v->found.at[0].text);
    diag_lines(v->ctx, str_c(&text));
    return false;
}

/* ---- tensors ---- */

static void check_tensor(Verify *v, const void *where, Tensor *t) {
    if (map_get(v->names, t->name)) verify_fail(v, where, "two tensors are called %%%s", t->name);
    map_set(v->names, t->name, t);
    for (int i = 0; i < t->rank; i++) {
        if (!t->dims[i]) verify_fail(v, where, "tensor %%%s lacks dimension %d", t->name, i);
        else if (t->dims[i]->type != DT_INDEX)
            verify_fail(v, where, "dimension %d of %%%s is no index", i, t->name);
    }
    for (int i = 0; t->layout && i < t->layout->n; i++) {
        LayoutDim d = t->layout->at[i];
        if (d.dim < 0 || d.dim >= t->rank || d.div < 1)
            verify_fail(v, where, "layout of %%%s is broken", t->name);
    }
    bool bits = t->packed == 2 || t->packed == 4;
    if (t->packed && (!bits || t->space != SP_CONST || t->dtype != DT_U8))
        verify_fail(v, where, "%%%s cannot be packed: that is for constants of u8, 2 or 4 bits",
                    t->name);
}

static void check_space(Verify *v, const Program *p, Tensor *t, Space space) {
    check_tensor(v, p, t);
    if (t->space != space)
        verify_fail(v, p, "tensor %%%s is listed as %s", t->name, space_names[space]);
}

static void check_declarations(Verify *v, const Program *p) {
    for (int i = 0; i < p->inputs.n; i++) check_space(v, p, p->inputs.at[i], SP_INPUT);
    for (int i = 0; i < p->outputs.n; i++) check_space(v, p, p->outputs.at[i], SP_OUTPUT);
    for (int i = 0; i < p->tensors.n; i++) check_space(v, p, p->tensors.at[i], SP_ARENA);
    for (int i = 0; i < p->consts.n; i++) {
        Tensor *t = p->consts.at[i];
        check_space(v, p, t, SP_CONST);
        if (!t->data) verify_fail(v, p, "constant %%%s has no data", t->name);
        else if (t->data->dtype != t->dtype)
            verify_fail(v, p, "data of constant %%%s has another type", t->name);
    }
}

bool verify_declared(const Verify *v, const Tensor *t) {
    return map_get(v->names, t->name) == t;
}

static void check_kernel(Verify *v, const Kernel *k) {
    if (map_get(v->kernels, k->name)) verify_fail(v, k, "two kernels are called %s", k->name);
    map_set(v->kernels, k->name, (void *)(uintptr_t)k);
    Map *vars = map_new(v->ctx->perm);
    int n;
    Tensor **temps = kernel_temps(v->ctx->perm, k, &n);
    for (int i = 0; i < n; i++) check_tensor(v, k, temps[i]);
    for (int i = 0; i < k->stmts.n; i++) verify_stmt(v, k, i, vars);
    if (!k->stmts.n) verify_fail(v, k, "the kernel has no statement");
    if (v->found.n) return;
    for (int i = 0; i < k->hows.n; i++) verify_how(v, k, k->hows.at[i]);
}

/* ---- items ---- */

static void check_list(Verify *v, const Item *it, Tensor *const *list, int n, bool write) {
    for (int i = 0; i < n; i++) {
        if (!verify_declared(v, list[i])) verify_fail(v, it, "%%%s is not declared", list[i]->name);
        if (write && (list[i]->space == SP_INPUT || list[i]->space == SP_CONST))
            verify_fail(v, it, "%%%s is written", list[i]->name);
    }
}

static void find_foreign(void *user, const Expr *e) {
    *(bool *)user |= e->kind == E_LOAD || e->kind == E_VAR;
}

/* Over symbols alone? */
static bool is_number(const Expr *e) {
    bool foreign = !e;
    if (e) expr_visit(e, find_foreign, &foreign);
    return !foreign;
}

static bool is_condition(const Item *it) {
    return it->n_in == 1 && it->in[0]->dtype == DT_BOOL;
}

static Expr *next_round(void *user, Expr *e) {
    const Item *it = user;
    for (int i = 0; e->kind == E_SYM && i < it->n_size; i++)
        if (it->size[i] == e->sym) return it->next_size[i];
    return e;
}

/* What is moved is as large as the place it goes to. */
static void check_moved(Verify *v, Item *it, const Tensor *a, const Tensor *b) {
    for (int d = 0; d < a->rank; d++)
        if (!expr_prove_eq(v->ctx, expr_rewrite(v->ctx, a->dims[d], next_round, it), b->dims[d]))
            verify_fail(v, it, "axis %d of %%%s is not what that of %%%s becomes", d, b->name,
                        a->name);
    if (a->space != SP_ARENA || b->space != SP_ARENA || a->alias || b->alias)
        verify_fail(v, it, "%%%s and %%%s do not lie in the arena on their own", a->name, b->name);
}

static void check_sizes(Verify *v, const Item *it) {
    for (int i = 0; i < it->n_size; i++) {
        if (it->size[i]->kind != SYM_VALUE)
            verify_fail(v, it, "%s is no value symbol", it->size[i]->name);
        if (it->next_size[i]->type != DT_INDEX)
            verify_fail(v, it, "what %s becomes is no index", it->size[i]->name);
    }
}

static void check_carried(Verify *v, Item *it) {
    check_sizes(v, it);
    for (int i = 0; i < it->n_out; i++) {
        Tensor *a = it->out[i], *b = it->next[i];
        if (!verify_declared(v, b)) verify_fail(v, it, "%%%s is not declared", b->name);
        if (a->dtype != b->dtype || a->rank != b->rank || a->device != b->device ||
            !layout_equal(a->layout, b->layout, a->rank))
            verify_fail(v, it, "%%%s and %%%s cannot change places", a->name, b->name);
        else if (item_moves(it, i)) check_moved(v, it, a, b);
    }
}

/* What runs on one side touches memory of that side; constants lie in both. */
static void check_side(Verify *v, const Item *it, bool device, Tensor *const *list, int n) {
    for (int i = 0; i < n; i++)
        if (list[i] && list[i]->space != SP_CONST && list[i]->device != device)
            verify_fail(v, it, "%%%s lies in memory of the %s", list[i]->name,
                        device ? "host" : "device");
}

static void check_sides(Verify *v, const Item *it) {
    Tensor **in, **out;
    int n_in, n_out;
    bool device = it->device;
    if (it->kind == ITEM_KERNEL) {
        kernel_tensors(v->ctx, it->kernel, &in, &n_in, &out, &n_out);
        /* kernels for a device in one memory with the host */
        if (device && !v->separate) return;
        check_side(v, it, device, in, n_in);
        check_side(v, it, device, out, n_out);
        return;
    }
    if (device && !v->separate) return;
    check_side(v, it, device, it->in, it->n_in);
    if (it->kind == ITEM_CALL) {
        check_side(v, it, device, it->out, it->n_out);
        check_side(v, it, device, &it->scratch, 1);
    }
}

static void check_copy(Verify *v, const Item *it) {
    const Tensor *from = it->in[0], *to = it->out[0];
    if (from == to) {
        if (from->space != (it->device ? SP_INPUT : SP_OUTPUT) || !from->device)
            verify_fail(v, it, "%%%s is no %s on the device", from->name,
                        it->device ? "input" : "output");
        return;
    }
    if (from->device == to->device) verify_fail(v, it, "both lie on the same side");
    if (from->dtype != to->dtype || from->rank != to->rank ||
        !layout_equal(from->layout, to->layout, from->rank))
        verify_fail(v, it, "%%%s is no copy of %%%s", to->name, from->name);
}

static void check_item(void *user, Block *b, Item *it) {
    Verify *v = user;
    (void)b;
    check_list(v, it, it->in, it->n_in, false);
    check_list(v, it, it->out, it->n_out, it->kind != ITEM_COPY);
    if (it->kind != ITEM_COPY) check_sides(v, it);
    for (int i = 0; i < it->n_in; i++)
        if (it->in[i]->packed && it->kind != ITEM_KERNEL)
            verify_fail(v, it, "%%%s is packed: only kernels unpack it", it->in[i]->name);
    for (int i = 0; i < it->n_args; i++)
        if (it->args[i]->type != DT_INDEX) verify_fail(v, it, "argument %d is no index", i);
    switch (it->kind) {
    case ITEM_KERNEL:
        check_kernel(v, it->kernel);
        break;
    case ITEM_CALL:
        if (it->scratch && !verify_declared(v, it->scratch))
            verify_fail(v, it, "%%%s is not declared", it->scratch->name);
        break;
    case ITEM_BIND:
        if (it->n_in ? it->n_in != 1 || !dtype_is_int(it->in[0]->dtype) : !is_number(it->value))
            verify_fail(v, it, "a symbol is bound to an integer");
        break;
    case ITEM_CHECK:
        if (!it->value || it->value->type != DT_BOOL || !is_number(it->value))
            verify_fail(v, it, "what is checked is a bool over symbols");
        break;
    case ITEM_IF:
        if (!is_condition(it)) verify_fail(v, it, "the condition is one bool");
        break;
    case ITEM_LOOP:
        if (it->n_in && !is_condition(it)) verify_fail(v, it, "the condition is one bool");
        check_carried(v, it);
        break;
    case ITEM_COPY:
        check_copy(v, it);
        break;
    }
}

/* Has the program memory on a device at all? */
static bool is_separate(const Program *p) {
    bool device = false;
    for (int i = 0; i < p->inputs.n; i++) device |= p->inputs.at[i]->device;
    for (int i = 0; i < p->outputs.n; i++) device |= p->outputs.at[i]->device;
    for (int i = 0; i < p->tensors.n; i++) device |= p->tensors.at[i]->device;
    return device;
}

static void check_streams(Verify *v, const Block *b) {
    const Item *at;
    const char *what = b ? stream_problem(v->ctx, b, &at) : NULL;
    if (what) verify_fail(v, at, "%s", what);
    for (int i = 0; b && i < b->items.n; i++)
        for (int k = 0; k < 2; k++) check_streams(v, b->items.at[i]->block[k]);
}

bool program_verify(Program *p, const char *when) {
    Verify v = {.ctx = p->ctx, .names = map_new(p->ctx->perm), .kernels = map_new(p->ctx->perm)};
    v.separate = is_separate(p);
    check_declarations(&v, p);
    program_each_item(p, check_item, &v);
    if (!v.found.n) check_streams(&v, p->body);
    return report(&v, p, when);
}
