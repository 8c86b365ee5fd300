/* Decisions: schedules of kernels as text, printed and read back (decisions.h). */
#include "ir/decisions.h"
#include "ir/kernel_verify.h"
#include "ir/lex.h"

typedef struct Entry { /* one kernel of the file */
    uint64_t hash;
    Loc loc;
    bool used;
} Entry;
struct Decisions {
    Ctx *ctx;
    const char *path, *text;
    size_t n;
    VEC(Entry) entries;
    bool listed; /* the entries are known */
};

Decisions *decisions_open(Ctx *ctx, const char *path, const char *text, size_t n) {
    Decisions *d = NEW(ctx->perm, Decisions);
    *d = (Decisions){.ctx = ctx, .path = path, .text = text, .n = n};
    return d;
}

/* ---- printing ---- */

typedef struct Print {
    Ctx *ctx;
    Str *s;
    Map *seen;
    const Kernel *kernel;
} Print;

static void print_hows(void *user, const Canon *c) {
    Print *p = user;
    KPrint print = {.ctx = p->ctx, .s = p->s, .depth = 1};
    (void)c;
    for (int i = 0; i < p->kernel->hows.n; i++)
        kprint_how(&print, p->kernel, p->kernel->hows.at[i]);
}

static void print_entry(void *user, const Canon *c) {
    Print *p = user;
    kprint_canonical(p->ctx, p->s, c, p->kernel, "  # ");
    print_hows(user, c);
}

static void print_item(void *user, Block *b, Item *it) {
    Print *p = user;
    (void)b;
    if (it->kind != ITEM_KERNEL) return;
    uint64_t hash = kernel_hash(p->ctx, it->kernel);
    if (map_get_int(p->seen, hash)) return;
    map_set_int(p->seen, hash, it->kernel);
    p->kernel = it->kernel;
    str_fmt(p->s, "kernel %016llx {  # %s\n", (unsigned long long)hash, it->kernel->name);
    if (it->kernel->note) str_fmt(p->s, "  # %s\n", it->kernel->note);
    kernel_renamed(p->ctx, it->kernel, print_entry, p);
    str_add(p->s, "}\n");
}

void decisions_print(Str *s, Program *p, Map *seen) {
    Print print = {.ctx = p->ctx, .s = s, .seen = seen};
    program_each_item(p, print_item, &print);
}

/* ---- one entry for one kernel ---- */

typedef struct Hows {
    VEC(How *) at;
} Hows;
typedef struct Read {
    Ctx *ctx;
    Lexer *lex;
    Program *program;
    Kernel *kernel;
    Map *tensors, *syms, *vars;
    bool ok;
} Read;

static Var *find_var(void *user, const char *name) {
    return map_get(((Read *)user)->vars, name);
}

static Sym *find_sym(void *user, const char *name) {
    return map_get(((Read *)user)->syms, name);
}

static Tensor *find_tensor(void *user, const char *name) {
    return map_get(((Read *)user)->tensors, name);
}

static bool verified(Read *r, const How *h, Loc at) {
    Verify v = {.ctx = r->ctx};
    verify_how(&v, r->kernel, h);
    if (!v.found.n) return true;
    return diag_error(r->ctx, &at, "this schedule does not compute its kernel: %s",
                      v.found.at[0].text);
}

/* Reads hows up to the closing brace; they are the kernel's, behind those it has. */
static void read_hows(void *user, const Canon *c) {
    Read *r = user;
    Arena *a = r->ctx->perm;
    r->tensors = map_new(a), r->syms = map_new(a), r->vars = map_new(a);
    for (int i = 0; i < c->tensors.n; i++)
        map_set(r->tensors, c->tensors.at[i]->name, c->tensors.at[i]);
    for (int i = 0; i < c->syms.n; i++) map_set(r->syms, c->syms.at[i]->name, c->syms.at[i]);
    for (int i = 0; i < c->vars.n; i++) map_set(r->vars, c->vars.at[i]->name, c->vars.at[i]);
    KParse p = {.ctx = r->ctx,
                .lex = r->lex,
                .program = r->program,
                .syms = r->syms,
                .tensors = r->tensors,
                .vars = r->vars,
                .scope = {find_var, find_sym, find_tensor, r}};
    r->ok = true;
    for (;;) {
        Loc at = lex_loc(r->lex);
        if (!lex_accept_word(r->lex, "how")) break;
        How *h = kparse_how(&p, r->kernel);
        r->ok = h && verified(r, h, at) && r->ok;
        if (!h) return;
    }
}

static bool of_machine(const How *h, const char *machine) {
    return h->machine && machine && !strcmp(h->machine, machine);
}

/* The hows of one machine: all but the last have a condition. */
static bool ends_without_condition(const Hows *hows, const char *machine) {
    bool always = false;
    for (int i = 0; i < hows->at.n; i++) {
        if (!of_machine(hows->at.at[i], machine)) continue;
        if (always) return false;
        always = !hows->at.at[i]->when;
    }
    return always;
}

/* Puts the new hows of each machine in the place of the old ones. */
static bool replace(Read *r, Hows old, Hows new, Loc at) {
    Kernel *k = r->kernel;
    k->hows.n = 0;
    k->plain = NULL; /* what is given stays */
    for (int i = 0; i < old.at.n; i++) {
        const char *machine = old.at.at[i]->machine;
        bool first = true, any = false;
        for (int j = 0; j < i; j++) first &= !of_machine(old.at.at[j], machine);
        for (int j = 0; j < new.at.n; j++) any |= of_machine(new.at.at[j], machine);
        if (!any) vec_push(r->ctx->perm, &k->hows, old.at.at[i]);
        if (!any || !first) continue;
        if (!ends_without_condition(&new, machine))
            return diag_error(r->ctx, &at,
                              "the last schedule for \"%s\", and only that one, has no "
                              "condition",
                              machine);
        for (int j = 0; j < new.at.n; j++)
            if (of_machine(new.at.at[j], machine)) vec_push(r->ctx->perm, &k->hows, new.at.at[j]);
    }
    return true;
}

static bool give(Read *r, Loc at) {
    Hows old = {0}, new = {0};
    Kernel *k = r->kernel;
    for (int i = 0; i < k->hows.n; i++) vec_push(r->ctx->perm, &old.at, k->hows.at[i]);
    k->hows.n = 0;
    kernel_renamed(r->ctx, k, read_hows, r);
    for (int i = 0; i < k->hows.n; i++) vec_push(r->ctx->perm, &new.at, k->hows.at[i]);
    return r->ok && replace(r, old, new, at);
}

/* ---- the file ---- */

typedef struct Kernels { /* those with one hash */
    VEC(Kernel *) at;
} Kernels;
typedef struct Index {
    Ctx *ctx;
    Map *by_hash;
} Index;

static void index_item(void *user, Block *b, Item *it) {
    Index *x = user;
    (void)b;
    if (it->kind != ITEM_KERNEL) return;
    uint64_t hash = kernel_hash(x->ctx, it->kernel);
    Kernels *list = map_get_int(x->by_hash, hash);
    if (!list) map_set_int(x->by_hash, hash, list = NEW(x->ctx->perm, Kernels));
    vec_push(x->ctx->perm, &list->at, it->kernel);
}

static void skip_entry(Lexer *lex) {
    for (int depth = 1; depth > 0 && !lex_at(lex, TOK_END);) {
        if (lex_at(lex, '}') && depth == 1) return;
        depth += lex_at(lex, '{') - lex_at(lex, '}');
        lex_next(lex);
    }
}

/* The first kernel reads the entry, the others what it has then become. */
static bool give_all(Decisions *d, Program *p, Lexer *lex, const Kernels *list, Loc at) {
    Read r = {.ctx = d->ctx, .lex = lex, .program = p, .kernel = list->at.at[0]};
    if (!give(&r, at)) return false;
    Str text = str_new(d->ctx->perm);
    Print print = {.ctx = d->ctx, .s = &text, .kernel = r.kernel};
    kernel_renamed(d->ctx, r.kernel, print_hows, &print);
    for (int i = 1; i < list->at.n; i++) {
        r.kernel = list->at.at[i];
        r.lex = lex_open(d->ctx, d->path, str_c(&text), text.n);
        if (!give(&r, at)) return false;
    }
    return true;
}

static bool read_entry(Decisions *d, Program *p, Lexer *lex, Index *x, int number) {
    Entry e = {.loc = lex_loc(lex)};
    if (!lex_expect_word(lex, "kernel") || !lex_hash(lex, &e.hash) || !lex_expect(lex, '{'))
        return false;
    if (!d->listed) vec_push(d->ctx->perm, &d->entries, e);
    const Kernels *list = map_get_int(x->by_hash, e.hash);
    if (!list) skip_entry(lex);
    else if (!give_all(d, p, lex, list, e.loc)) return false;
    d->entries.at[number].used |= list != NULL;
    return lex_expect(lex, '}');
}

bool decisions_apply(Decisions *d, Program *p) {
    Index x = {d->ctx, map_new(d->ctx->perm)};
    program_each_item(p, index_item, &x);
    Lexer *lex = lex_open(d->ctx, d->path, d->text, d->n);
    for (int i = 0; !lex_at(lex, TOK_END); i++)
        if (!read_entry(d, p, lex, &x, i)) return false;
    d->listed = true;
    return lex_ok(lex);
}

void decisions_warn_unused(Decisions *d) {
    for (int i = 0; i < d->entries.n; i++)
        if (!d->entries.at[i].used)
            diag_warn(d->ctx, &d->entries.at[i].loc, "no kernel is %016llx: the entry is not used",
                      (unsigned long long)d->entries.at[i].hash);
}
