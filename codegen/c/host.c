/* The host functions as C: bind (sizes from dimensions) and run (the plan). Symbols live in
 * syms[]. */
#include "codegen/c/host.h"

typedef struct Swap { /* two tensors that change places: a flag says whether they have */
    const Tensor *a, *b;
    const char *flag;
} Swap;
typedef struct Output { /* of unknown size: the variable with its address */
    const Tensor *tensor;
    const char *name;
} Output;
typedef struct Host {
    Printer p;
    Model *m;
    VEC(Swap) swaps;
    VEC(Output) outputs;
} Host;

static const char *text(Host *h, const char *fmt, ...) PRINTF(2, 3);
static const char *text(Host *h, const char *fmt, ...) {
    char buf[600];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(buf, sizeof buf, fmt, ap);
    va_end(ap);
    return arena_str(h->p.arena, buf);
}

/* ---- where tensors lie ---- */
static const Tensor *storage_of(const Tensor *t) {
    while (t->alias) t = t->alias;
    return t;
}

static const PlanBuffer *buffer_of(const Host *h, const Tensor *t) {
    const Plan *p = h->m->plan;
    for (int i = 0; i < p->buffers.n; i++)
        if (p->buffers.at[i].tensor == t) return &p->buffers.at[i];
    return NULL;
}

static const char *place_text(Host *h, const Tensor *t, const PlanBuffer *b) {
    if (b->offset >= 0) return text(h, "f->arena + %lld", (long long)b->offset);
    return text(h, "f->arena + syms[%d]", t->slot);
}

static const char *plain_address(Host *h, const Tensor *t) {
    const PlanBuffer *b;
    for (int i = 0; i < h->outputs.n; i++)
        if (h->outputs.at[i].tensor == t) return h->outputs.at[i].name;
    switch (t->space) {
    case SP_INPUT:
        if (t->dtype == DT_SEQ) return text(h, "(void *)onnxcc_in_sequence(f, %d)", t->slot);
        return text(h, "(void *)f->in[%d]", t->slot);
    case SP_OUTPUT:
        return text(h, "f->out[%d]", t->slot);
    case SP_CONST:
        return text(h, "(void *)(f->weights + %lld)", (long long)weights_offset(h->m->weights, t));
    case SP_ARENA:
        b = buffer_of(h, t);
        if (b) return place_text(h, t, b);
        break;
    default:
        break;
    }
    BUG("%s: tensor %%%s has no place", h->m->name, t->name);
}

static const Swap *swap_of(const Host *h, const Tensor *t) {
    for (int i = 0; i < h->swaps.n; i++)
        if (h->swaps.at[i].a == t || h->swaps.at[i].b == t) return &h->swaps.at[i];
    return NULL;
}

static const char *address_of(Host *h, const Tensor *t) {
    t = storage_of(t);
    const Swap *s = swap_of(h, t);
    const char *here = plain_address(h, t);
    if (!s) return here;
    return text(h, "(%s ? %s : %s)", s->flag, plain_address(h, s->a == t ? s->b : s->a), here);
}

static const char *element(void *user, const Tensor *t, const char *index) {
    Host *h = user;
    return text(h, "((const %s *)(%s))[%s]", c_memory_type(t->dtype), address_of(h, t), index);
}

static void close_block(Printer *p) {
    Str text;
    level_close(p, &text);
    level_add(p, &text);
    c_line(p, "}");
}

/* ---- expressions ---- */
static const char *value(Host *h, const Expr *e) {
    h->p.checked = true;
    const char *s = c_expr(&h->p, e, PREC_ANY);
    h->p.checked = false;
    return s;
}

static const char *plain(Host *h, const Expr *e) {
    return c_expr(&h->p, e, PREC_ANY);
}

/* Dimensions that are known now: of this output; NULL: of all. */
static void late_slots(Host *h, const Tensor *t) {
    for (int i = 0; i < h->m->extra.n; i++) {
        const ExtraSlot *x = &h->m->extra.at[i];
        bool used = !t;
        for (int d = 0; t && d < t->rank; d++) used |= t->dims[d] == x->e;
        if (x->late && used) c_line(&h->p, "syms[%d] = %s;", x->slot, value(h, x->e));
    }
}

/* ---- outputs of unknown size get their place where they are first mentioned ---- */
static void need_output(Host *h, const Tensor *t) {
    Printer *p = &h->p;
    t = storage_of(t);
    for (int i = 0; i < h->outputs.n; i++) {
        const Output *o = &h->outputs.at[i];
        if (o->tensor != t) continue;
        const PlanBuffer *b = buffer_of(h, t);
        c_line(p, "if (!%s) {", o->name);
        level_open(p);
        late_slots(h, t);
        if (b) {
            c_line(p, "%s = onnxcc_out_place(f, %d, %s);", o->name, t->slot, place_text(h, t, b));
        } else {
            Ctx *c = h->m->ctx;
            Expr *bytes = expr_muli(c, tensor_elements(c, t), (int64_t)dtype_bytes(t->dtype));
            c_line(p, "code = onnxcc_place_output(f, %d, %d, %s, &%s);", h->m->plan->slot_arena,
                   t->slot, value(h, bytes), o->name);
            c_line(p, "if (code || bad) return code ? code : ONNXCC_E_OVERFLOW;");
        }
        close_block(p);
    }
}

static void need_loaded(void *user, const Expr *e) {
    if (e->kind == E_LOAD) need_output(user, e->tensor);
}

static void need_outputs(void *user, LStmt *l) {
    bool reads = l->kind == L_LAUNCH || l->kind == L_CALL;
    for (int k = 0; reads && k < l->n_args; k++) need_output(user, l->args[k]);
    if (l->tensor) need_output(user, l->tensor);
    if (l->cond) expr_visit(l->cond, need_loaded, user);
}

/* ---- statements ---- */
static void steps_text(Host *h, const LBody *body);

static void buffers(Host *h, const LStmt *l) {
    Str s = str_new(h->p.arena);
    for (int i = 0; i < l->n_args; i++) str_fmt(&s, i ? ", %s" : "%s", address_of(h, l->args[i]));
    c_line(&h->p, "void *bufs[] = {%s};", l->n_args ? str_c(&s) : "0");
}

static void launch(Host *h, const LStmt *l) {
    Printer *p = &h->p;
    const KernelFn *k = model_kernel(h->m, l->func);
    c_line(p, "{");
    level_open(p);
    buffers(h, l);
    c_line(p, "onnxcc_launch(f, %d, %s, bufs, %s, %s, %s);", l->id, c_symbol(p->arena, k->symbol),
           plain(h, l->hi), l->n_iargs ? plain(h, l->iargs[0]) : "0", plain(h, l->lo));
    if (k->faults) c_line(p, "onnxcc_name_fault(f, %d);", l->id);
    close_block(p);
}

static void call(Host *h, const LStmt *l) {
    Printer *p = &h->p;
    Str s = str_new(p->arena);
    for (int i = 0; i < l->n_iargs; i++) str_fmt(&s, i ? ", %s" : "%s", plain(h, l->iargs[i]));
    c_line(p, "{");
    level_open(p);
    buffers(h, l);
    c_line(p, "const int64_t args[] = {%s};", l->n_iargs ? str_c(&s) : "0");
    c_line(p, "if ((code = onnxcc_call_%s(f, bufs, args))) return onnxcc_at_site(code, %d);",
           l->name, l->id);
    close_block(p);
}

static void check_bounds(Host *h, const LStmt *l) {
    const Sym *s = l->sym;
    Arena *a = h->p.arena;
    const char *least = c_int(a, DT_INDEX, s->lo), *most = c_int(a, DT_INDEX, s->hi);
    const char *low = s->lo == INT64_MIN ? "" : text(h, "syms[%d] < %s", s->slot, least);
    const char *high = s->hi == INT64_MAX ? "" : text(h, "syms[%d] > %s", s->slot, most);
    if (!*low && !*high) return;
    if (!l->tensor) c_line(&h->p, "if (bad) return ONNXCC_E_OVERFLOW;");
    c_line(&h->p, "if (%s%s%s) return ONNXCC_CODE(ONNXCC_E_FAULT, %d, 0);", low,
           *low && *high ? " || " : "", high, l->id);
}

static void bind(Host *h, const LStmt *l) {
    Printer *p = &h->p;
    const Sym *s = l->sym;
    if (!l->tensor) {
        if (s->kind == SYM_DERIVED && model_is_late(l->value))
            return; /* computed where it is used */
        c_line(p, "syms[%d] = %s; /* %s */", s->slot, value(h, l->value),
               c_comment_of(p->arena, s->name));
        if (s->kind == SYM_VALUE) check_bounds(h, l);
        return;
    }
    Expr *zero = l->lo;
    Expr *load =
        expr_cast(p->ctx, DT_INDEX, expr_load(p->ctx, (Tensor *)(uintptr_t)l->tensor, &zero, 1));
    c_line(p, "syms[%d] = %s; /* %s */", s->slot, plain(h, load), c_comment_of(p->arena, s->name));
    check_bounds(h, l);
}

/* Later segments lie above everything that was placed before. */
static void place(Host *h, const LStmt *l) {
    Printer *p = &h->p;
    int n = l->n_args, arena = h->m->plan->slot_arena;
    if (!n) {
        if (l->id <= 0) c_line(p, "syms[%d] = %s;", arena, value(h, l->lo));
        return;
    }
    c_line(p, "{");
    level_open(p);
    c_line(p, "const struct onnxcc_live live[] = {");
    for (int i = 0; i < n; i++)
        c_line(p, "    {%s, %s, %s}, /* %s */", value(h, l->iargs[3 * i]),
               plain(h, l->iargs[3 * i + 1]), plain(h, l->iargs[3 * i + 2]),
               c_comment_of(p->arena, l->args[i]->name));
    c_line(p, "};");
    c_line(p, "int64_t offset[%d], work[%d], from = %s;", n, 2 * n, value(h, l->lo));
    c_line(p, "if (bad) return ONNXCC_E_OVERFLOW;");
    if (l->id > 0) c_line(p, "if (from < syms[%d]) from = syms[%d];", arena, arena);
    c_line(p, "syms[%d] = onnxcc_place(live, %d, from, offset, work);", arena, n);
    for (int i = 0; i < n; i++) c_line(p, "syms[%d] = offset[%d];", l->args[i]->slot, i);
    if (l->id > 0) c_line(p, "if ((code = onnxcc_arena_fit(f, syms[%d]))) return code;", arena);
    close_block(p);
}

static void inside(Host *h, const LBody *body) {
    Str text;
    level_open(&h->p);
    steps_text(h, body);
    level_close(&h->p, &text);
    level_add(&h->p, &text);
}

static void branch(Host *h, const LStmt *l) {
    Printer *p = &h->p;
    c_line(p, "if (%s) {", plain(h, l->cond));
    inside(h, &l->body);
    if (l->other.at.n) {
        c_line(p, "} else {");
        inside(h, &l->other);
    }
    c_line(p, "}");
}

/* Moves what the next round needs to `from`: the end of the arena before the loop. */
static void keep(Host *h, const LStmt *l, int slot, int arena) {
    Printer *p = &h->p;
    int n = l->n_iargs;
    if (!n) {
        c_line(p, "    syms[%d] = top_%d;", arena, slot);
        return;
    }
    Str bytes = str_new(p->arena), at = str_new(p->arena);
    for (int i = 0; i < n; i++) {
        const Tensor *b = l->args[2 * i + 1];
        const PlanBuffer *buffer = buffer_of(h, b);
        if (!buffer) BUG("%s: tensor %%%s has no place", h->m->name, b->name);
        str_fmt(&bytes, i ? ", %s" : "%s", value(h, l->iargs[i]));
        if (buffer->offset >= 0) str_fmt(&at, "%s%lld", i ? ", " : "", (long long)buffer->offset);
        else str_fmt(&at, "%ssyms[%d]", i ? ", " : "", b->slot);
    }
    level_open(p);
    c_line(p, "const int64_t bytes[] = {%s};", str_c(&bytes));
    c_line(p, "int64_t offset[] = {%s};", str_c(&at));
    c_line(p, "if (bad) return ONNXCC_E_OVERFLOW;");
    c_line(p, "code = onnxcc_arena_keep(f, %d, bytes, top_%d, offset, &syms[%d]);", n, slot, arena);
    c_line(p, "if (code) return code;");
    for (int i = 0; i < n; i++) c_line(p, "syms[%d] = offset[%d];", l->args[2 * i]->slot, i);
    Str text;
    level_close(p, &text);
    level_add(p, &text);
}

/* All of them at once: a value may mention what another symbol was. */
static void resize(Host *h, const LStmt *l) {
    Printer *p = &h->p;
    for (int i = 0; i < l->n_syms; i++)
        c_line(p, "    const int64_t next_%d = %s;", l->syms[i]->slot, value(h, l->values[i]));
    for (int i = 0; i < l->n_syms; i++)
        c_line(p, "    syms[%d] = next_%d; /* %s */", l->syms[i]->slot, l->syms[i]->slot,
               c_comment_of(p->arena, l->syms[i]->name));
}

/* A run that was stopped or failed leaves its loops. What a round has placed is dead behind it, but
 * for what is carried to the next. */
static void repeat(Host *h, const LStmt *l) {
    int slot = l->sym->slot, arena = h->m->plan->slot_arena;
    bool places = l->n_iargs || lbody_places(&l->body);
    if (places) lbody_each(&l->body, need_outputs, h); /* what must outlive a round */
    if (places) c_line(&h->p, "const int64_t top_%d = syms[%d];", slot, arena);
    const char *limit = l->hi ? text(h, "syms[%d] < %s", slot, value(h, l->hi)) : "",
               *cond = l->cond ? text(h, "(%s) && ", plain(h, l->cond)) : "";
    c_line(&h->p, "for (syms[%d] = 0; %s%s%s!f->fault; syms[%d]++) { /* %s */", slot, cond, limit,
           l->hi ? " && " : "", slot, c_comment_of(h->p.arena, l->sym->name));
    inside(h, &l->body);
    if (places) keep(h, l, slot, arena);
    resize(h, l);
    c_line(&h->p, "}");
}

static void swap(Host *h, const LStmt *l) {
    const Swap *s = swap_of(h, storage_of(l->args[0]));
    if (s) c_line(&h->p, "%s = !%s;", s->flag, s->flag);
}

static void steps_text(Host *h, const LBody *body) {
    for (int i = 0; i < body->at.n; i++) {
        LStmt *l = body->at.at[i];
        need_outputs(h, l);
        switch (l->kind) {
        case L_LAUNCH:
            launch(h, l);
            break;
        case L_CALL:
            call(h, l);
            break;
        case L_BIND:
            bind(h, l);
            break;
        case L_PLACE:
            place(h, l);
            break;
        case L_IF:
            branch(h, l);
            break;
        case L_LOOP:
            repeat(h, l);
            break;
        case L_REQUIRE:
            c_line(&h->p, "if (!(%s)) return ONNXCC_CODE(ONNXCC_E_CONSTRAINT, %d, 0);",
                   plain(h, l->cond), l->id);
            break;
        case L_SWAP:
            swap(h, l);
            break;
        default:
            BUG("%s: a kernel statement in a host function", h->m->name);
        }
    }
}

/* ---- functions ---- */
static void find_swap(void *user, LStmt *l) {
    Host *h = user;
    if (l->kind != L_SWAP) return;
    const Tensor *a = storage_of(l->args[0]), *b = storage_of(l->args[1]);
    if (swap_of(h, a) || a == b) return;
    vec_push(h->p.arena, &h->swaps, ((Swap){a, b, text(h, "swapped_%d", h->swaps.n)}));
}

static void find_outputs(Host *h) {
    const Program *p = h->m->plan->program;
    for (int i = 0; i < p->outputs.n; i++)
        if (model_is_unknown(p->outputs.at[i]))
            vec_push(h->p.arena, &h->outputs, ((Output){p->outputs.at[i], text(h, "out_%d", i)}));
}

static void begin(Host *h, Model *m, Arena *arena) {
    *h = (Host){.m = m};
    h->p = (Printer){.ctx = m->ctx, .arena = arena, .host = true};
    h->p.element = element;
    h->p.user = h;
    level_open(&h->p);
    level_open(&h->p);
}

static void declare(Str *out, const Str *body, const char *used, const char *text) {
    if (body->n && strstr(body->at, used)) str_add(out, text);
}

static void finish(Host *h, Str *out, const Str *body) {
    declare(out, body, "code", "    int code = 0;\n");
    declare(out, body, "bad", "    int bad = 0;\n");
    for (int i = 0; i < h->outputs.n; i++)
        str_fmt(out, "    void *%s = 0;\n", h->outputs.at[i].name);
    for (int i = 0; i < h->swaps.n; i++)
        str_fmt(out, "    bool %s = false;\n", h->swaps.at[i].flag);
    if (body->n) str_addn(out, body->at, body->n);
    declare(out, body, "bad", "    if (bad) return ONNXCC_E_OVERFLOW;\n");
    str_add(out, "    return ONNXCC_OK;\n}\n");
}

void c_host_bind(Model *m, Str *out, int scratch_slots) {
    Host h;
    Str body;
    Arena *arena = arena_new();
    const LFunc *f = m->entry->versions[m->entry->n_versions - 1]->bind;
    begin(&h, m, arena);
    if (m->plan->arena >= 0)
        c_line(&h.p, "syms[%d] = %lld; /* bytes of the arena */", m->plan->slot_arena,
               (long long)m->plan->arena);
    if (f) steps_text(&h, &f->body);
    Expr *scratch = expr_muli(m->ctx, m->plan->scratch, scratch_slots);
    c_line(&h.p, "syms[%d] = %s; /* scratch bytes of a thread */", m->plan->slot_scratch,
           value(&h, scratch));
    for (int i = 0; i < m->extra.n; i++) {
        const ExtraSlot *x = &m->extra.at[i];
        if (!x->late) c_line(&h.p, "syms[%d] = %s;", x->slot, value(&h, x->e));
    }
    level_close(&h.p, &body);
    str_fmt(out, "\n/* Sizes from dimensions. */\nstatic int %s_bind(int64_t *syms) {\n", m->name);
    finish(&h, out, &body);
    arena_free(arena);
}

void c_host_run(Model *m, Str *out) {
    Host h;
    Str body;
    Arena *arena = arena_new();
    const LFunc *f = m->entry->versions[m->entry->n_versions - 1]->run;
    begin(&h, m, arena);
    lbody_each(&f->body, find_swap, &h);
    find_outputs(&h);
    steps_text(&h, &f->body);
    late_slots(&h, NULL);
    level_close(&h.p, &body);
    str_fmt(out,
            "\n/* The plan: kernels in order. */\nstatic int %s_steps(struct onnxcc_frame *f) {\n",
            m->name);
    declare(out, &body, "syms[", "    int64_t *syms = f->syms;\n");
    finish(&h, out, &body);
    arena_free(arena);
}
