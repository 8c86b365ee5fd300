/* How well the dimensions of a graph are known: the figures that `onnxcc -v` and docs/design.md
 * show per model. */
#include "passes/passes.h"

static void count_type(const Type *t, RdpCount *c) {
    for (int i = 0; i < t->rank; i++) {
        if (expr_is_int(t->dims[i], NULL)) c->known++;
        else if (expr_has_value_sym(t->dims[i])) c->value++;
        else if (t->dims[i]->kind == E_SYM) c->symbolic++;
        else c->derived++;
    }
}

static void count_node(void *user, Node *n) {
    RdpCount *c = user;
    c->nodes++;
    for (int i = 0; i < n->n_out; i++) count_type(&n->out[i]->type, c);
}

RdpCount rdp_count(Graph *g) {
    RdpCount c = {0};
    for (int i = 0; i < g->body->n_args; i++) count_type(&g->body->args[i]->type, &c);
    graph_each(g, count_node, &c);
    return c;
}

void rdp_report(Str *s, Graph *g) {
    RdpCount c = rdp_count(g);
    str_fmt(s,
            "%d nodes; dimensions: %d known, %d symbols, %d derived from symbols, %d decided by "
            "execution\n",
            c.nodes, c.known, c.symbolic, c.derived, c.value);
}
