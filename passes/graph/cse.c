/* Common subexpressions: of two nodes with the same operation, operands and attributes, and of two
 * constants with the same bytes, the first one stays. Inside a region, values of the regions around
 * it count. Keeps everything. */
#include "passes/graph/rewrite.h"

typedef struct Cse {
    Graph *g;
    Map *seen; /* text of a node -> the node */
    bool changed;
} Cse;

/* State, randomness and what stands for a symbol are never equal to another one. */
static bool may_merge(const Node *n) {
    if (n->n_regions || n->n_out < 1) return false;
    return n->op != OP_call && n->op != OP_state && n->op != OP_compact;
}

static char *key_of(Graph *g, const Node *n) {
    Str s = str_new(g->ctx->perm);
    str_add(&s, op_info(n->op)->name);
    for (int i = 0; i < n->n_in; i++) {
        str_char(&s, ' ');
        str_add(&s, n->in[i] ? n->in[i]->name : "-");
    }
    for (int i = 0; i < n->n_attr; i++) {
        const Attr *a = &n->attr[i];
        str_fmt(&s, " %s=%lld/%a/%s", a->name, (long long)a->i, a->f, a->s ? a->s : "");
        for (int k = 0; a->kind == AT_INTS && k < a->n; k++)
            str_fmt(&s, ",%lld", (long long)a->ints[k]);
        for (int k = 0; a->kind == AT_FLTS && k < a->n; k++) str_fmt(&s, ",%a", a->flts[k]);
        for (int k = 0; a->kind == AT_EXPRS && k < a->n; k++) str_fmt(&s, ",%d", a->exprs[k]->id);
    }
    str_char(&s, ' ');
    type_print(&s, &n->out[0]->type);
    if (n->body) expr_print(&s, n->body);
    return (char *)str_c(&s);
}

/* Is the node's region open where `here` stands? */
static bool encloses(const Region *r, const Region *here) {
    for (; here; here = here->owner ? here->owner->parent : NULL)
        if (here == r) return true;
    return false;
}

static void merge(void *user, Node *n) {
    Cse *c = user;
    if (!may_merge(n)) return;
    char *key = key_of(c->g, n);
    Node *old = map_get(c->seen, key);
    if (!old || !encloses(old->parent, n->parent)) {
        map_set(c->seen, key, n);
        return;
    }
    for (int i = 0; i < n->n_out; i++) graph_replace(c->g, n->out[i], old->out[i]);
    node_remove(n);
    c->changed = true;
}

/* Type, and what a few bytes here and there hash to: most payloads are never read as a whole. */
static char *sample_key(Graph *g, const Value *v) {
    Str s = str_new(g->ctx->perm);
    const Const *c = v->data;
    size_t bytes = dtype_bytes(c->dtype) * (size_t)(c->data ? c->elements : 1), piece = 64;
    const char *p = c->data ? c->data : (const char *)c->splat;
    uint64_t h = hash_bytes(p, MIN(bytes, piece), c->data != NULL);
    for (int i = 1; i <= 4 && bytes > 8 * piece; i++)
        h = hash_bytes(p + (bytes - piece) / 4 * (size_t)i, piece, h);
    type_print(&s, &v->type);
    str_fmt(&s, " %016llx", (unsigned long long)h);
    return (char *)str_c(&s);
}

static bool same_bytes(const Const *a, const Const *b) {
    size_t bytes = dtype_bytes(a->dtype);
    if (!a->data != !b->data) return false;
    return a->data ? a->data == b->data || !memcmp(a->data, b->data, bytes * (size_t)a->elements)
                   : !memcmp(a->splat, b->splat, bytes);
}

static bool merge_consts(Graph *g) {
    Map *first = map_new(g->ctx->perm);
    bool changed = false;
    for (int i = 0; i < g->consts.n; i++) {
        Value *v = g->consts.at[i];
        if (v->data->missing || v->type.dtype == DT_STR) continue;
        char *key = sample_key(g, v);
        Value *old = map_get(first, key);
        if (!old) map_set(first, key, v);
        if (!old || !same_bytes(old->data, v->data)) continue;
        graph_replace(g, v, old);
        changed = true;
    }
    return changed;
}

PASS(cse, GRAPH, "merges equal nodes and equal constants")
bool pass_cse(Graph *g) {
    Cse c = {.g = g, .seen = map_new(g->ctx->perm)};
    c.changed = merge_consts(g);
    graph_each(g, merge, &c);
    return c.changed;
}
