/* --torture: what is in memory after a pass must print, parse, and print the same again. Nothing of
 * it may live beside the text. */
#include "ir/lex.h"
#include "passes/passes.h"

typedef struct Torture {
    Ctx *again; /* where the text is read; it ends with the check */
    Map *blobs; /* payloads by hash */
    const char *after;
    Str text;   /* as printed first */
} Torture;

static const void *find_blob(void *user, uint64_t hash, uint64_t bytes) {
    (void)bytes;
    return map_get_int(((Torture *)user)->blobs, hash);
}

static void add_blob(Torture *t, Const *c) {
    if (c->data) map_set_int(t->blobs, const_hash(c), (void *)(uintptr_t)c->data);
}

static Torture begin(const char *after) {
    Ctx *c = ctx_new();
    c->file = "the text";
    return (Torture){c, map_new(c->perm), after, str_new(c->perm)};
}

static Lexer *reader(const Torture *t) {
    return lex_open(t->again, t->again->file, str_c(&t->text), t->text.n);
}

/* Fails with the first line that differs. `second`: NULL where the text could not be read. */
static void finish(Torture *t, const Str *second) {
    if (!second) BUG("after %s, the text does not read back", t->after);
    const char *a = str_c(&t->text), *b = str_c(second);
    size_t line = 0;
    for (size_t i = 0; a[i] && a[i] == b[i]; i++)
        if (a[i] == '\n') line = i + 1;
    if (strcmp(a, b))
        BUG("after %s, the text reads back as another one:\n%.*s\nbecomes\n%.*s", t->after,
            (int)MIN(strcspn(a + line, "\n"), 2000), a + line,
            (int)MIN(strcspn(b + line, "\n"), 2000), b + line);
    ctx_free(t->again);
}

void torture_graph(Graph *g, const char *after) {
    Torture t = begin(after);
    for (int i = 0; i < g->consts.n; i++) add_blob(&t, g->consts.at[i]->data);
    graph_print(&t.text, g);
    Graph *h = graph_parse_blobs(t.again, reader(&t), find_blob, &t);
    Str s = str_new(t.again->perm);
    if (h) graph_print(&s, h);
    finish(&t, h ? &s : NULL);
}

static Program *read_program(Torture *t, Lexer *x, const Program *p) {
    for (int i = 0; i < p->consts.n; i++)
        if (p->consts.at[i]->data) add_blob(t, p->consts.at[i]->data);
    return program_parse_blobs(t->again, x, find_blob, t);
}

void torture_program(Program *p, const char *after) {
    Torture t = begin(after);
    program_print(&t.text, p);
    Program *q = read_program(&t, reader(&t), p);
    Str s = str_new(t.again->perm);
    if (q) program_print(&s, q);
    finish(&t, q ? &s : NULL);
}

void torture_plan(Plan *p, const char *after) {
    Torture t = begin(after);
    plan_print(&t.text, p);
    Lexer *x = reader(&t);
    Program *program = read_program(&t, x, p->program);
    Plan *q = program ? plan_parse_rest(t.again, x, program) : NULL;
    Str s = str_new(t.again->perm);
    if (q) plan_print(&s, q);
    finish(&t, q ? &s : NULL);
}

void torture_loops(Loops *l, const char *after) {
    Torture t = begin(after);
    loops_print(&t.text, l);
    Loops *m = loops_parse(t.again, reader(&t));
    Str s = str_new(t.again->perm);
    if (m) loops_print(&s, m);
    finish(&t, m ? &s : NULL);
}
