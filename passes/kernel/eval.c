/* Evaluates one node on constants, for folding: lowers it alone and interprets the kernels. */
#include "passes/kernel/lower.h"

static bool fold_inputs(const Node *n) {
    for (int i = 0; i < n->n_in; i++)
        if (n->in[i] && (!n->in[i]->data || n->in[i]->data->missing)) return false;
    return true;
}

/* Results with fixed sizes only; regions would need what is around them. */
static bool can_eval(const Node *n) {
    bool special = n->op == OP_bind || n->op == OP_call || n->op == OP_state || n->op == OP_compact;
    if (special || n->n_regions || !fold_inputs(n)) return false;
    for (int i = 0; i < n->n_out; i++) {
        if (!type_static(&n->out[i]->type, NULL)) return false;
        if (dtype_class(n->out[i]->type.dtype) == DC_X) return false;
    }
    return true;
}

bool eval_node(Graph *g, Node *n, Const **out) {
    if (!can_eval(n)) return false;
    Ctx *ctx = g->ctx;
    Program *p = lower_node(g, n);
    if (!p) return false;
    Buffer *results = NEW_ARRAY(ctx->perm, Buffer, n->n_out + 1);
    if (!program_interp(p, NULL, results, NULL, 0, ctx->perm)) return false;
    for (int i = 0; i < n->n_out; i++) {
        int64_t elements;
        const Type *t = &n->out[i]->type;
        type_static(t, &elements);
        out[i] = const_new(ctx, t->dtype, elements, results[i].data);
    }
    return true;
}
