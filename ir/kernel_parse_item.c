/* Parses the items of a block: kernels, calls, binds, ifs and loops. */
#include <stdlib.h>
#include "ir/kernel_internal.h"

typedef VEC(Tensor *) Tensors;

static bool parse_refs(KParse *p, Tensor ***list, int *n) {
    Tensors refs = {0};
    if (!lex_expect(p->lex, '(')) return false;
    while (!lex_at(p->lex, ')') && lex_ok(p->lex)) {
        Tensor *t = kparse_tensor_ref(p);
        if (!t) return false;
        vec_push(p->ctx->perm, &refs, t);
        if (!lex_accept(p->lex, ',')) break;
    }
    *list = refs.at;
    *n = refs.n;
    return lex_expect(p->lex, ')');
}

static bool parse_one(KParse *p, Tensor ***list, int *n) {
    *list = NEW_ARRAY(p->ctx->perm, Tensor *, 1);
    *n = 1;
    return ((*list)[0] = kparse_tensor_ref(p)) != NULL;
}

/* "Conv_0" Conv.13, as in a graph: the lexer takes Conv.13 for one identifier. */
static bool parse_origin(KParse *p, Origin *o) {
    const char *op;
    if (!lex_string(p->lex, &o->node)) return false;
    if (!lex_at(p->lex, TOK_IDENT) || !strchr(lex_peek(p->lex)->s, '.')) return true;
    if (!lex_ident(p->lex, &op)) return false;
    const char *dot = strchr(op, '.');
    o->op = arena_strn(p->ctx->perm, op, (size_t)(dot - op));
    o->opset = (int)strtol(dot + 1, NULL, 10);
    return true;
}

static bool parse_loc(KParse *p, Item *it) {
    return !lex_accept_word(p->lex, "loc") || parse_origin(p, &it->origin);
}

static Sym *parse_sym_ref(KParse *p) {
    Tok at = *lex_peek(p->lex);
    const char *name;
    if (!lex_ident(p->lex, &name)) return NULL;
    Sym *s = map_get(p->syms, name);
    if (!s) lex_error_at(p->lex, &at, "no symbol has this name");
    return s;
}

static bool parse_args(KParse *p, Item *it) {
    VEC(Expr *) args = {0};
    if (!lex_expect(p->lex, '(')) return false;
    while (!lex_at(p->lex, ')') && lex_ok(p->lex)) {
        Expr *e = kparse_index(p);
        if (!e) return false;
        vec_push(p->ctx->perm, &args, e);
        if (!lex_accept(p->lex, ',')) break;
    }
    it->args = args.at;
    it->n_args = args.n;
    return lex_expect(p->lex, ')');
}

static bool parse_call(KParse *p, Item *it) {
    const char *name;
    if (!lex_ident(p->lex, &name)) return false;
    it->call = arena_str(p->ctx->perm, name);
    if (!parse_refs(p, &it->in, &it->n_in) || !lex_expect(p->lex, TOK_ARROW)) return false;
    if (!parse_refs(p, &it->out, &it->n_out)) return false;
    if (lex_accept_word(p->lex, "scratch") && !(it->scratch = kparse_tensor_ref(p))) return false;
    if (lex_accept_word(p->lex, "args") && !parse_args(p, it)) return false;
    return parse_loc(p, it);
}

static bool parse_bind(KParse *p, Item *it) {
    if (!(it->sym = parse_sym_ref(p)) || !lex_expect(p->lex, '=')) return false;
    if (!lex_at(p->lex, TOK_VALUE)) return (it->value = kparse_index(p)) && parse_loc(p, it);
    if (!parse_one(p, &it->in, &it->n_in)) return false;
    if (!lex_expect(p->lex, '[') || !lex_int(p->lex, &it->index)) return false;
    return lex_expect(p->lex, ']') && parse_loc(p, it);
}

static bool parse_check(KParse *p, Item *it) {
    Require r;
    if (!require_parse(p->ctx, p->lex, &p->scope, &r)) return false;
    it->value = r.cond;
    it->text = r.text;
    return parse_loc(p, it);
}

static Block *parse_block(KParse *p);

static bool parse_if(KParse *p, Item *it) {
    if (!parse_one(p, &it->in, &it->n_in) || !lex_expect(p->lex, TOK_ARROW)) return false;
    if (!parse_refs(p, &it->out, &it->n_out) || !parse_loc(p, it)) return false;
    if (!(it->block[0] = parse_block(p)) || !lex_expect_word(p->lex, "else")) return false;
    return (it->block[1] = parse_block(p)) != NULL;
}

static bool parse_carried(KParse *p, Item *it) {
    Tensors out = {0}, next = {0};
    VEC(Sym *) size = {0};
    VEC(Expr *) next_size = {0};
    if (!lex_expect_word(p->lex, "carry") || !lex_expect(p->lex, '(')) return false;
    while (!lex_at(p->lex, ')') && lex_ok(p->lex)) {
        if (lex_at(p->lex, TOK_IDENT)) {
            Sym *y = parse_sym_ref(p);
            Expr *e = y && lex_expect(p->lex, '=') ? kparse_index(p) : NULL;
            if (!e) return false;
            vec_push(p->ctx->perm, &size, y);
            vec_push(p->ctx->perm, &next_size, e);
            if (!lex_accept(p->lex, ',')) break;
            continue;
        }
        Tensor *a = kparse_tensor_ref(p);
        if (!a || !lex_expect(p->lex, '=')) return false;
        Tensor *b = kparse_tensor_ref(p);
        if (!b) return false;
        vec_push(p->ctx->perm, &out, a);
        vec_push(p->ctx->perm, &next, b);
        if (!lex_accept(p->lex, ',')) break;
    }
    it->out = out.at;
    it->next = next.at;
    it->n_out = out.n;
    it->size = size.at;
    it->next_size = next_size.at;
    it->n_size = size.n;
    return lex_expect(p->lex, ')');
}

static bool parse_loop(KParse *p, Item *it) {
    if (!(it->sym = parse_sym_ref(p))) return false;
    if (lex_accept(p->lex, '<') && !(it->trip = kparse_index(p))) return false;
    if (lex_accept_word(p->lex, "while") && !parse_one(p, &it->in, &it->n_in)) return false;
    if (!parse_carried(p, it) || !parse_loc(p, it)) return false;
    return (it->block[0] = parse_block(p)) != NULL;
}

/* copy %a -> %b, or of an input or output: copy %x device, copy %y host */
static bool parse_copy(KParse *p, Item *it) {
    if (!parse_one(p, &it->in, &it->n_in)) return false;
    it->out = it->in;
    it->n_out = 1;
    if (lex_accept(p->lex, TOK_ARROW)) {
        if (!parse_one(p, &it->out, &it->n_out)) return false;
        it->device = it->out[0]->device;
    } else if (!(it->device = lex_accept_word(p->lex, "device")) &&
               !lex_expect_word(p->lex, "host")) {
        return false;
    }
    return parse_loc(p, it);
}

static Kernel *parse_kernel(KParse *p) {
    Kernel *k = NEW(p->ctx->perm, Kernel);
    VEC(Origin) origins = {0};
    const char *name;
    if (!lex_ident(p->lex, &name)) return NULL;
    k->name = arena_str(p->ctx->perm, name);
    while (lex_at(p->lex, TOK_STRING)) {
        Origin o = {0};
        if (!parse_origin(p, &o)) return NULL;
        vec_push(p->ctx->perm, &origins, o);
        if (!lex_accept(p->lex, ',')) break;
    }
    k->origin = origins.at;
    k->n_origin = origins.n;
    p->vars = map_new(p->ctx->perm);
    if (!lex_expect(p->lex, '{')) return NULL;
    while (lex_accept_word(p->lex, "temp"))
        if (!kparse_tensor(p, SP_TEMP)) return NULL;
    while (lex_ok(p->lex) && !lex_at(p->lex, '}') && !lex_at_word(p->lex, "how"))
        if (!kparse_stmt(p, k)) return NULL;
    while (lex_accept_word(p->lex, "how"))
        if (!kparse_how(p, k)) return NULL;
    return lex_expect(p->lex, '}') ? k : NULL;
}

/* Later kernels get numbers behind those that were read. */
static void count_kernel(Program *g, const char *name) {
    int n = 0;
    if (name[0] == 'k' && sscanf(name + 1, "%d", &n) == 1 && n >= g->n_kernels)
        g->n_kernels = n + 1;
}

static bool parse_number(KParse *p, int *out) {
    int64_t v;
    if (!lex_int(p->lex, &v)) return false;
    if (v < 0 || v > 1 << 20) return lex_error(p->lex, "this number is too large");
    *out = (int)v;
    return true;
}

/* fork join stream 1 wait 0, 2 event 3; all of it may be missing */
static bool parse_streams(KParse *p, Item *it) {
    VEC(int) waits = {0};
    it->fork = lex_accept_word(p->lex, "fork");
    it->join = lex_accept_word(p->lex, "join");
    if (lex_accept_word(p->lex, "stream") && !parse_number(p, &it->stream)) return false;
    if (lex_accept_word(p->lex, "wait")) {
        do {
            int event = 0;
            if (!parse_number(p, &event)) return false;
            vec_push(p->ctx->perm, &waits, event);
        } while (lex_accept(p->lex, ','));
    }
    it->waits = waits.at, it->n_waits = waits.n;
    return !lex_accept_word(p->lex, "event") || parse_number(p, &it->event);
}

static bool parse_item(KParse *p, Block *b) {
    static const char *const words[] = {"kernel", "call", "bind", "if",
                                        "loop",   "check", "copy"}; /* in the order of ItemKind */
    Item marks = {0};
    if (!parse_streams(p, &marks)) return false;
    bool device = lex_accept_word(p->lex, "device");
    int kind = kparse_word(p->lex, words, device ? ITEM_CALL + 1 : LEN(words));
    if (kind < 0)
        return lex_error(p->lex, device ? "expected a kernel or call"
                                        : "expected a kernel, call, bind, if, loop, check or copy");
    Item *it = item_new(p->program, b, (ItemKind)kind);
    *it = marks;
    it->kind = (ItemKind)kind;
    it->device = device;
    switch (it->kind) {
    case ITEM_KERNEL:
        if (!(it->kernel = parse_kernel(p))) return false;
        count_kernel(p->program, it->kernel->name);
        return true;
    case ITEM_CALL:
        return parse_call(p, it);
    case ITEM_BIND:
        return parse_bind(p, it);
    case ITEM_IF:
        return parse_if(p, it);
    case ITEM_LOOP:
        return parse_loop(p, it);
    case ITEM_CHECK:
        return parse_check(p, it);
    case ITEM_COPY:
        return parse_copy(p, it);
    }
    return false;
}

bool kparse_items(KParse *p, Block *b) {
    while (lex_ok(p->lex) && !lex_at(p->lex, '}'))
        if (!parse_item(p, b)) return false;
    return lex_expect(p->lex, '}');
}

static Block *parse_block(KParse *p) {
    Block *b = NEW(p->ctx->perm, Block);
    if (!lex_expect(p->lex, '{') || !lex_enter(p->lex)) return NULL;
    bool ok = kparse_items(p, b);
    lex_leave(p->lex);
    return ok ? b : NULL;
}
