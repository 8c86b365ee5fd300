/* Minimum cuts as maximum flows (Dinic, 1970): shortest augmenting paths, all of one length at a
 * time. */
#include "passes/plan/cut.h"

void cut_open(Cut *c, Arena *arena) {
    *c = (Cut){.arena = arena};
    while (cut_node(c) < CUT_FIRST - 1) {
    }
}

int cut_node(Cut *c) {
    vec_push(c->arena, &c->first, -1);
    return c->first.n - 1;
}

static void half_edge(Cut *c, int from, int to, int64_t room, int back) {
    vec_push(c->arena, &c->edges, ((CutEdge){to, c->first.at[from], back, room}));
    c->first.at[from] = c->edges.n - 1;
}

void cut_edge(Cut *c, int from, int to, int64_t cost) {
    int n = c->edges.n;
    if (from == to || cost <= 0) return;
    half_edge(c, from, to, MIN(cost, CUT_NEVER), n + 1);
    half_edge(c, to, from, 0, n);
}

/* Distances from the source along edges with room; is the sink reached? */
static bool find_levels(Cut *c) {
    int n = 0;
    for (int i = 0; i < c->first.n; i++) c->level[i] = -1;
    c->level[CUT_SOURCE] = 0;
    c->queue[n++] = CUT_SOURCE;
    for (int i = 0; i < n; i++)
        for (int e = c->first.at[c->queue[i]]; e >= 0; e = c->edges.at[e].next) {
            const CutEdge *edge = &c->edges.at[e];
            if (!edge->room || c->level[edge->to] >= 0) continue;
            c->level[edge->to] = c->level[c->queue[i]] + 1;
            c->queue[n++] = edge->to;
        }
    return c->level[CUT_SINK] >= 0;
}

/* One path to the sink, as a list of edges in `queue`; gives its flow, 0: there is none. */
static int64_t push_path(Cut *c) {
    int depth = 0, node = CUT_SOURCE;
    while (node != CUT_SINK) {
        int e = c->at[node];
        while (e >= 0 &&
               !(c->edges.at[e].room && c->level[c->edges.at[e].to] == c->level[node] + 1))
            e = c->edges.at[e].next;
        c->at[node] = e;
        if (e >= 0) {
            c->queue[depth++] = e;
            node = c->edges.at[e].to;
        } else if (depth > 0) { /* a dead end */
            CutEdge *last = &c->edges.at[c->queue[--depth]];
            node = c->edges.at[last->back].to;
            c->at[node] = c->edges.at[c->at[node]].next;
        } else {
            return 0;
        }
    }
    int64_t flow = CUT_NEVER;
    for (int i = 0; i < depth; i++) flow = MIN(flow, c->edges.at[c->queue[i]].room);
    for (int i = 0; i < depth; i++) {
        CutEdge *e = &c->edges.at[c->queue[i]];
        e->room -= flow;
        c->edges.at[e->back].room += flow;
    }
    return flow;
}

bool *cut_solve(Cut *c) {
    int n = c->first.n;
    bool *side = NEW_ARRAY(c->arena, bool, n);
    c->level = NEW_ARRAY(c->arena, int, n);
    c->at = NEW_ARRAY(c->arena, int, n);
    c->queue = NEW_ARRAY(c->arena, int, n + 1);
    while (find_levels(c)) {
        for (int i = 0; i < n; i++) c->at[i] = c->first.at[i];
        while (push_path(c) > 0) {
        }
    }
    for (int i = 0; i < n; i++) side[i] = c->level[i] >= 0;
    return side;
}
