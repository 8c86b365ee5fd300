/* The plan: symbol slots, sizes, text and checks.
 *
 *   program main(...) -> (...) { ... }
 *   plan steps 12 arena 8192 live 8192 {
 *     buffer %t live 0..3 at 4096        # 4096 bytes
 *     buffer %u live 2..5                # N*64 bytes: found at run time
 *   } */
#include "ir/plan.h"
#include "ir/lex.h"
#include "ir/streams.h"

enum { ALIGN = 64 };

static void item_slot(void *user, Block *b, Item *it) {
    Plan *plan = user;
    (void)b;
    if (it->sym && it->sym->kind == SYM_VALUE && it->sym->slot < 0)
        it->sym->slot = plan->n_slots++;
}

bool plan_has_device(const Plan *plan) {
    const Program *p = plan->program;
    bool device = false;
    for (int i = 0; i < p->inputs.n; i++) device |= p->inputs.at[i]->device;
    for (int i = 0; i < p->outputs.n; i++) device |= p->outputs.at[i]->device;
    for (int i = 0; i < p->tensors.n; i++) device |= p->tensors.at[i]->device;
    return device;
}

void plan_slots(Plan *plan) {
    Program *p = plan->program;
    plan->n_slots = 0;
    for (int i = 0; i < p->syms.n; i++) p->syms.at[i]->slot = -1;
    for (int kind = SYM_INPUT; kind < SYM_VALUE; kind++)
        for (int i = 0; i < p->syms.n; i++)
            if ((int)p->syms.at[i]->kind == kind) p->syms.at[i]->slot = plan->n_slots++;
    /* values in the order of their binds: see plan_segment */
    program_each_item(p, item_slot, plan);
    for (int i = 0; i < p->syms.n; i++)
        if (p->syms.at[i]->slot < 0) p->syms.at[i]->slot = plan->n_slots++;
    plan->slot_arena = plan->n_slots++;
    plan->slot_scratch = plan->n_slots++;
    plan->slot_device_arena = plan->slot_device_scratch = -1;
    if (plan_has_device(plan)) {
        plan->slot_device_arena = plan->n_slots++;
        plan->slot_device_scratch = plan->n_slots++;
    }
    for (int i = 0; plan->arena < 0 && i < plan->buffers.n; i++)
        plan->buffers.at[i].tensor->slot = plan->n_slots++;
}

Expr *plan_buffer_bytes(Ctx *c, const Tensor *t) {
    Expr *bytes = expr_muli(c, tensor_elements(c, t), (int64_t)dtype_bytes(t->dtype));
    return expr_muli(c, expr_ceildiv(c, bytes, expr_int(c, ALIGN)), ALIGN);
}

static void latest_value(void *user, const Expr *e) {
    int *segment = user;
    if (e->kind == E_SYM && e->sym->kind == SYM_VALUE) *segment = MAX(*segment, e->sym->slot + 1);
}

/* The last bound of the VALUE symbols: then the size is known. */
int plan_segment(const Expr *bytes) {
    int segment = 0;
    expr_visit(bytes, latest_value, &segment);
    return segment;
}

/* ---- text ---- */
static void print_buffer(Str *s, const PlanBuffer *b) {
    str_add(s, "  buffer ");
    print_value(s, b->tensor->name);
    str_fmt(s, " live %d..%d", b->first, b->last);
    if (b->offset >= 0) str_fmt(s, " at %lld", (long long)b->offset);
    str_add(s, "  # ");
    expr_print(s, b->bytes);
    str_add(s, " bytes\n");
}

void plan_print(Str *s, const Plan *plan) {
    program_print(s, plan->program);
    str_fmt(s, "plan steps %d", plan->n_steps);
    if (plan->arena >= 0)
        str_fmt(s, " arena %lld live %lld", (long long)plan->arena, (long long)plan->live_max);
    if (plan->arena >= 0 && plan_has_device(plan))
        str_fmt(s, " device %lld live %lld", (long long)plan->device_arena,
                (long long)plan->device_live_max);
    str_add(s, " {\n");
    for (int i = 0; i < plan->buffers.n; i++) print_buffer(s, &plan->buffers.at[i]);
    str_add(s, "}\n");
}

static Tensor *find_tensor(Lexer *lex, Program *p) {
    const char *name;
    Tok at = *lex_peek(lex);
    if (!lex_value(lex, &name)) return NULL;
    for (int i = 0; i < p->tensors.n; i++)
        if (!strcmp(p->tensors.at[i]->name, name)) return p->tensors.at[i];
    lex_error_at(lex, &at, "the program has no tensor %%%s in the arena", name);
    return NULL;
}

static bool parse_int(Lexer *lex, const char *word, int *out) {
    int64_t v;
    if (word && !lex_expect_word(lex, word)) return false;
    if (!lex_int(lex, &v)) return false;
    *out = (int)v;
    return true;
}

static bool parse_buffer(Lexer *lex, Plan *plan) {
    PlanBuffer b = {.offset = -1};
    b.tensor = find_tensor(lex, plan->program);
    if (!b.tensor || !parse_int(lex, "live", &b.first) || !lex_expect(lex, TOK_RANGE)) return false;
    if (!parse_int(lex, NULL, &b.last)) return false;
    if (lex_accept_word(lex, "at") && !lex_int(lex, &b.offset)) return false;
    b.bytes = plan_buffer_bytes(plan->ctx, b.tensor);
    vec_push(plan->ctx->perm, &plan->buffers, b);
    return true;
}

Plan *plan_parse_rest(Ctx *ctx, Lexer *lex, Program *program) {
    Plan *plan = NEW(ctx->perm, Plan);
    plan->ctx = ctx;
    plan->arena = plan->device_arena = -1;
    plan->scratch = plan->device_scratch = expr_int(ctx, 0);
    plan->program = program;
    if (!program || !lex_expect_word(lex, "plan") || !parse_int(lex, "steps", &plan->n_steps))
        return NULL;
    if (lex_accept_word(lex, "arena")) {
        if (!lex_int(lex, &plan->arena) || !lex_expect_word(lex, "live")) return NULL;
        if (!lex_int(lex, &plan->live_max)) return NULL;
        plan->device_arena = 0;
    }
    if (lex_accept_word(lex, "device")) {
        if (!lex_int(lex, &plan->device_arena) || !lex_expect_word(lex, "live")) return NULL;
        if (!lex_int(lex, &plan->device_live_max)) return NULL;
    }
    if (!lex_expect(lex, '{')) return NULL;
    while (lex_accept_word(lex, "buffer"))
        if (!parse_buffer(lex, plan)) return NULL;
    if (!lex_expect(lex, '}')) return NULL;
    plan_slots(plan);
    for (int i = 0; i < plan->buffers.n; i++)
        plan->buffers.at[i].segment = plan_segment(plan->buffers.at[i].bytes);
    return plan;
}

Plan *plan_parse(Ctx *ctx, Lexer *lex) {
    return plan_parse_rest(ctx, lex, program_parse(ctx, lex));
}

/* ---- checks ---- */
static bool overlap(const PlanBuffer *a, const PlanBuffer *b) {
    int64_t na, nb;
    if (a->tensor->device != b->tensor->device) return false;
    if (a->offset < 0 || b->offset < 0 || a->first > b->last || b->first > a->last) return false;
    if (!expr_is_int(a->bytes, &na) || !expr_is_int(b->bytes, &nb)) return false;
    return a->offset < b->offset + nb && b->offset < a->offset + na;
}

static bool report(Plan *plan, const char *when, const char *what, const PlanBuffer *b) {
    return diag_error(plan->ctx, NULL, "the plan is not valid %s: buffer %s %s", when,
                      b->tensor->name, what);
}

typedef struct UsesSym {
    const Sym *sym;
    bool found;
} UsesSym;

static void find_sym(void *user, const Expr *e) {
    UsesSym *u = user;
    u->found |= e->kind == E_SYM && e->sym == u->sym;
}

static bool uses_sym(const Expr *e, const Sym *y) {
    UsesSym u = {y, false};
    expr_visit(e, find_sym, &u);
    return u.found;
}

typedef struct Resized { /* is the buffer as large as a symbol says that a loop carries? */
    const PlanBuffer *buffer;
    bool found, own;
} Resized;

static void find_resized(void *user, Block *b, Item *it) {
    Resized *r = user;
    (void)b;
    if (it->kind != ITEM_LOOP) return;
    for (int i = 0; i < it->n_size; i++) r->found |= uses_sym(r->buffer->bytes, it->size[i]);
    for (int i = 0; it->n_size && i < it->n_out; i++) r->own |= it->out[i] == r->buffer->tensor;
}

/* Nobody else gets a new place when such a symbol gets a new value. */
static bool is_stale(Plan *plan, const PlanBuffer *b) {
    Resized r = {b, false, false};
    program_each_item(plan->program, find_resized, &r);
    return r.found && !r.own;
}

static int count_steps(const Item *it);

static int block_steps(const Block *b) {
    int n = 0;
    for (int i = 0; b && i < b->items.n; i++) n += count_steps(b->items.at[i]);
    return n;
}

/* Steps of an item and of what stands inside of it. */
static int count_steps(const Item *it) {
    bool brackets = it->kind == ITEM_IF || it->kind == ITEM_LOOP;
    return 1 + block_steps(it->block[0]) + block_steps(it->block[1]) + brackets;
}

static bool touches(const Use *u, const Tensor *storage) {
    bool found = false;
    for (int i = 0; i < u->n_in + u->n_out; i++) {
        const Tensor *t = i < u->n_in ? u->in[i] : u->out[i - u->n_in];
        while (t->alias) t = t->alias;
        found |= t == storage;
    }
    return found;
}

/* A buffer is alive while anything may run beside an item that touches it. */
static const PlanBuffer *dies_early(Plan *plan, const Block *b, int step) {
    const Clock *clock = b ? stream_clocks(plan->ctx, b) : NULL;
    for (int i = 0; b && i < b->items.n; step += count_steps(b->items.at[i++])) {
        const Item *it = b->items.at[i];
        const PlanBuffer *early = dies_early(plan, it->block[0], step + 1);
        if (!early) early = dies_early(plan, it->block[1], step + 1 + block_steps(it->block[0]));
        if (early) return early;
        int beside = stream_beside(b, clock, i) - i;
        if (!beside) continue;
        Use u = stream_use(plan->ctx, b->items.at[i]);
        for (int k = 0; k < plan->buffers.n; k++)
            if (plan->buffers.at[k].last < step + beside &&
                touches(&u, plan->buffers.at[k].tensor))
                return &plan->buffers.at[k];
    }
    return NULL;
}

bool plan_verify(Plan *plan, const char *when) {
    bool ok = true;
    const PlanBuffer *early = dies_early(plan, plan->program->body, 0);
    if (early) ok = report(plan, when, "dies while another stream may still use it", early);
    for (int i = 0; i < plan->buffers.n; i++) {
        const PlanBuffer *b = &plan->buffers.at[i];
        int64_t bytes = 0;
        if (b->first < 0 || b->first > b->last || b->last >= plan->n_steps)
            ok = report(plan, when, "lives outside the plan's steps", b);
        if (b->offset >= 0 && b->offset % ALIGN) ok = report(plan, when, "is not aligned", b);
        if (b->offset < 0 && plan->arena >= 0) ok = report(plan, when, "has no place", b);
        if (is_stale(plan, b)) ok = report(plan, when, "is as large as what a loop carries", b);
        expr_is_int(b->bytes, &bytes);
        int64_t end = b->tensor->device ? plan->device_arena : plan->arena;
        if (plan->arena >= 0 && b->offset + bytes > end)
            ok = report(plan, when, "ends outside the arena", b);
        for (int k = 0; k < i; k++)
            if (overlap(b, &plan->buffers.at[k]))
                ok = report(plan, when,
                            arena_printf(plan->ctx->perm, "overlaps %s, which is alive too",
                                         plan->buffers.at[k].tensor->name),
                            b);
    }
    return ok;
}
