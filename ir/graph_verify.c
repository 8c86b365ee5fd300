/* Checks a graph: structure, names, definitions before uses, and that every type is what
 * graph_infer computes. Every violation is collected and printed as a comment behind its node in
 * the text of the whole graph. */
#include "ir/graph.h"

typedef struct Verify {
    Graph *g;
    Ctx *ctx;
    Map *notes;        /* node -> text */
    Map *names;        /* name -> value */
    Map *visible;      /* value -> region where it is defined, while that region is open */
    const char *loose; /* a violation that belongs to no node */
    int found;
} Verify;

static void complain(Verify *v, const Node *n, const char *fmt, ...) PRINTF(3, 4);
static void complain(Verify *v, const Node *n, const char *fmt, ...) {
    char text[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    v->found++;
    const char *old = n ? map_get_int(v->notes, (uint64_t)(uintptr_t)n) : v->loose;
    char *all =
        old ? arena_printf(v->ctx->perm, "%s; %s", old, text) : arena_str(v->ctx->perm, text);
    if (n) map_set_int(v->notes, (uint64_t)(uintptr_t)n, all);
    else v->loose = all;
}

static bool is_visible(Verify *v, const Value *x) {
    return map_get_int(v->visible, (uint64_t)(uintptr_t)x) != NULL;
}

static void define(Verify *v, const Node *n, Value *x, Region *where) {
    if (!x->name) {
        complain(v, n, "a value has no name");
        return;
    }
    Value *other = map_get(v->names, x->name);
    if (other && other != x) complain(v, n, "%%%s is defined twice", x->name);
    map_set(v->names, x->name, x);
    map_set_int(v->visible, (uint64_t)(uintptr_t)x, where);
    for (int i = 0; i < x->type.rank; i++)
        if (!x->type.dims[i] || x->type.dims[i]->type != DT_INDEX)
            complain(v, n, "%%%s has a dimension that is not an index", x->name);
}

/* Does the type on record agree with a fresh computation? Its message becomes ours. */
static void check_types(Verify *v, Node *n) {
    Ctx *ctx = v->ctx;
    Str said = str_new(ctx->perm), *old_capture = ctx->capture;
    int old_errors = ctx->errors;
    Type *before = NEW_ARRAY(ctx->perm, Type, n->n_out + 1);
    for (int i = 0; i < n->n_out; i++) before[i] = n->out[i]->type;
    ctx->capture = &said;
    bool ok = graph_infer(v->g, n);
    ctx->capture = old_capture;
    ctx->errors = old_errors;
    if (!ok) {
        const char *text = strstr(str_c(&said), "error: ");
        text = text ? text + 7 : str_c(&said);
        complain(v, n, "%.*s", (int)strcspn(text, "\n"), text);
    }
    for (int i = 0; i < n->n_out; i++) {
        Type now = n->out[i]->type;
        n->out[i]->type = before[i];
        if (!ok || type_equal(ctx, &now, &before[i])) continue;
        Str s = str_new(ctx->perm);
        type_print(&s, &now);
        complain(v, n, "%%%s should be %s", n->out[i]->name, str_c(&s));
    }
}

static void check_region(Verify *v, Region *r);

static void close_region(Verify *v, Region *r) {
    for (int i = 0; i < r->n_args; i++)
        map_set_int(v->visible, (uint64_t)(uintptr_t)r->args[i], NULL);
    for (Node *n = r->first; n; n = n->next)
        for (int i = 0; i < n->n_out; i++)
            map_set_int(v->visible, (uint64_t)(uintptr_t)n->out[i], NULL);
}

static void check_node(Verify *v, Region *r, Node *n) {
    if (n->parent != r || !n->linked) complain(v, n, "the node is linked into another region");
    if (n->next && n->next->prev != n) complain(v, n, "the list of nodes is broken");
    bool all = true;
    for (int i = 0; i < n->n_in; i++) {
        if (!n->in[i] || n->in[i]->data || is_visible(v, n->in[i])) continue;
        complain(v, n, "%%%s is used where it is not defined",
                 n->in[i]->name ? n->in[i]->name : "?");
        all = false;
    }
    for (int i = 0; i < n->n_regions; i++) {
        if (n->region[i]->owner != n) complain(v, n, "region %d belongs to another node", i);
        check_region(v, n->region[i]);
    }
    if (all) check_types(v, n);
    for (int i = 0; i < n->n_out; i++) {
        if (n->out[i]->def != n) complain(v, n, "result %d says that another node defines it", i);
        define(v, n, n->out[i], r);
    }
}

static void check_region(Verify *v, Region *r) {
    for (int i = 0; i < r->n_args; i++) {
        if (r->args[i]->def)
            complain(v, r->owner, "argument %%%s has a definition", r->args[i]->name);
        define(v, r->owner, r->args[i], r);
    }
    for (Node *n = r->first; n; n = n->next) check_node(v, r, n);
    for (int i = 0; i < r->n_results; i++)
        if (!r->results[i]->data && !is_visible(v, r->results[i]))
            complain(v, r->owner, "result %%%s of the region is not defined in it",
                     r->results[i]->name);
    if (r->owner) close_region(v, r);
}

static void check_const(Verify *v, Value *c) {
    int64_t elements;
    if (!c->data) complain(v, NULL, "constant %%%s has no payload", c->name);
    else if (!type_static(&c->type, &elements) || elements != c->data->elements ||
             c->data->dtype != c->type.dtype)
        complain(v, NULL, "constant %%%s has a payload of another type or size", c->name);
    define(v, NULL, c, v->g->body);
}

static const char *note_of(void *user, const Node *n) {
    return map_get_int(((Verify *)user)->notes, (uint64_t)(uintptr_t)n);
}

bool graph_verify(Graph *g, const char *when) {
    Ctx *ctx = g->ctx;
    Verify v = {.g = g, .ctx = ctx};
    v.notes = map_new(ctx->perm);
    v.names = map_new(ctx->perm);
    v.visible = map_new(ctx->perm);
    for (int i = 0; i < g->consts.n; i++) check_const(&v, g->consts.at[i]);
    check_region(&v, g->body);
    if (!v.found) return true;
    Str text = str_new(ctx->perm);
    graph_print_noted(&text, g, note_of, &v);
    diag_error(ctx, NULL, "graph %s is wrong %s: %d violations%s%s", g->name, when, v.found,
               v.loose ? ": " : "", v.loose ? v.loose : "");
    diag_lines(ctx, str_c(&text));
    return false;
}
