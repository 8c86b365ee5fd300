/* Nodes may stand in any order in the file: here they are sorted by what they need. Where the order
 * of the file is already right it stays; else the first node (in file order) that is ready comes
 * next. A node that holds sub-graphs needs what they capture. */
#include "frontend/import.h"

typedef struct Sorter {
    Import *im;
    Map *producer; /* name -> index + 1 */
    NodeProto *const *nodes;
    size_t n;
    int *blocked; /* per node: how many of its needs are not placed yet */
    struct Edge {
        int to, next;
    } * edges; /* users of a node, as lists */
    int n_edges, cap_edges;
    int *first_edge; /* per node, -1: none */
    int current;
} Sorter;

static void need_name(Sorter *s, const char *name) {
    int from = (int)(uintptr_t)map_get(s->producer, name) - 1;
    if (from < 0) return;
    vec_grow(s->im->ctx->perm, (void **)&s->edges, s->n_edges, &s->cap_edges, sizeof *s->edges);
    s->edges[s->n_edges] = (struct Edge){s->current, s->first_edge[from]};
    s->first_edge[from] = s->n_edges++;
    s->blocked[s->current]++;
}

/* Names that the sub-graphs around define themselves. */
typedef struct Hidden {
    const Map *names;
    const struct Hidden *outer;
} Hidden;

static bool is_hidden(const Hidden *h, const char *name) {
    for (; h; h = h->outer)
        if (map_get(h->names, name)) return true;
    return false;
}

static void need_captures(Sorter *s, const GraphProto *body, const Hidden *outer);

static void need_node(Sorter *s, const NodeProto *node, const Hidden *hidden) {
    for (size_t i = 0; i < node->n_input; i++)
        if (*node->input[i] && !is_hidden(hidden, node->input[i])) need_name(s, node->input[i]);
    for (size_t i = 0; i < node->n_attribute; i++) {
        const AttributeProto *a = node->attribute[i];
        if (a->g) need_captures(s, a->g, hidden);
        for (size_t k = 0; k < a->n_graphs; k++) need_captures(s, a->graphs[k], hidden);
    }
}

static void hide(Map *map, const char *name) {
    if (name) map_set(map, name, map);
}

/* What the body uses and does not define itself. */
static void need_captures(Sorter *s, const GraphProto *body, const Hidden *outer) {
    Map *own = map_new(s->im->ctx->perm);
    Hidden hidden = {own, outer};
    for (size_t i = 0; i < body->n_input; i++) hide(own, body->input[i]->name);
    for (size_t i = 0; i < body->n_initializer; i++) hide(own, body->initializer[i]->name);
    for (size_t i = 0; i < body->n_node; i++)
        for (size_t k = 0; k < body->node[i]->n_output; k++) hide(own, body->node[i]->output[k]);
    for (size_t i = 0; i < body->n_node; i++) need_node(s, body->node[i], &hidden);
    for (size_t i = 0; i < body->n_output; i++) {
        const char *name = body->output[i]->name;
        if (name && !is_hidden(&hidden, name)) need_name(s, name);
    }
}

/* Follows unplaced needs until a node comes twice, and shows the circle. */
static void report_cycle(Sorter *s, const Frame *f) {
    Ctx *ctx = s->im->ctx;
    int *from = NEW_ARRAY(ctx->perm, int, s->n), *seen = NEW_ARRAY(ctx->perm, int, s->n), at = -1;
    for (int i = 0; i < (int)s->n; i++) { /* for every blocked node one that it waits for */
        if (!s->blocked[i]) continue;
        at = i;
        for (int e = s->first_edge[i]; e >= 0; e = s->edges[e].next) from[s->edges[e].to] = i;
    }
    for (int step = 1; !seen[at]; step++) {
        seen[at] = step;
        at = from[at];
    }
    Str path = str_new(ctx->perm);
    int start = at, shown_nodes = 0;
    do {
        if (shown_nodes) str_add(&path, ", ");
        str_add(&path, shown(ctx, node_place(s->im, f, s->nodes[at], (size_t)at).node));
        at = from[at];
    } while (at != start && ++shown_nodes < 8);
    Loc loc = node_place(s->im, f, s->nodes[start], (size_t)start);
    diag_error(ctx, &loc, "nodes depend on each other in a cycle: %s%s", str_c(&path),
               at != start ? ", ..." : "");
}

/* A heap of ready nodes, the smallest index on top. */
static void heap_push(int *heap, int *n, int v) {
    int i = (*n)++;
    for (; i > 0 && heap[(i - 1) / 2] > v; i = (i - 1) / 2) heap[i] = heap[(i - 1) / 2];
    heap[i] = v;
}

static int heap_pop(int *heap, int *n) {
    int top = heap[0], v = heap[--*n], i = 0;
    for (;;) {
        int c = 2 * i + 1;
        if (c >= *n) break;
        if (c + 1 < *n && heap[c + 1] < heap[c]) c++;
        if (heap[c] >= v) break;
        heap[i] = heap[c];
        i = c;
    }
    heap[i] = v;
    return top;
}

static int place_all(Sorter *s, int *order) {
    int *heap = NEW_ARRAY(s->im->ctx->perm, int, s->n + 1), n_heap = 0, placed = 0;
    for (size_t i = 0; i < s->n; i++)
        if (!s->blocked[i]) heap_push(heap, &n_heap, (int)i);
    while (n_heap) {
        int i = heap_pop(heap, &n_heap);
        order[placed++] = i;
        for (int e = s->first_edge[i]; e >= 0; e = s->edges[e].next)
            if (!--s->blocked[s->edges[e].to]) heap_push(heap, &n_heap, s->edges[e].to);
    }
    return placed;
}

const int *node_order(Import *im, const Frame *f, NodeProto *const *nodes, size_t n) {
    Arena *perm = im->ctx->perm;
    Sorter s = {.im = im, .producer = map_new(perm), .nodes = nodes, .n = n};
    s.blocked = NEW_ARRAY(perm, int, n + 1);
    s.first_edge = NEW_ARRAY(perm, int, n + 1);
    int *order = NEW_ARRAY(perm, int, n + 1);
    for (size_t i = 0; i < n; i++) {
        s.first_edge[i] = -1;
        for (size_t k = 0; k < nodes[i]->n_output; k++)
            if (*nodes[i]->output[k] && !map_get(s.producer, nodes[i]->output[k]))
                map_set(s.producer, nodes[i]->output[k], (void *)(uintptr_t)(i + 1));
    }
    for (size_t i = 0; i < n; i++) {
        s.current = (int)i;
        need_node(&s, nodes[i], NULL);
    }
    if (place_all(&s, order) == (int)n) return order;
    report_cycle(&s, f);
    return NULL;
}
