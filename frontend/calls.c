/* Calls of runtime functions in the graph (calls.h). */
#include "frontend/calls.h"

void call_in(RunCall *c, Value *v) {
    vec_push(c->n->ctx->perm, &c->in, v);
}

void call_arg(RunCall *c, Expr *e) {
    vec_push(c->n->ctx->perm, &c->args, e);
}

void call_int(RunCall *c, int64_t v) {
    call_arg(c, ix(c->n, v));
}

void call_type(RunCall *c, const Type *t) {
    call_int(c, dtype_onnx(t->dtype));
    call_int(c, t->rank);
    for (int i = 0; i < t->rank; i++) call_arg(c, t->dims[i] ? t->dims[i] : ix(c->n, -1));
}

Node *call_results(RunCall *c, const Type *t, int n) {
    for (int i = 0; i < c->in.n; i++) {
        if (!c->in.at[i]) return NULL;
        DType narrow = c->in.at[i]->type.dtype;
        if (dtype_is_narrow(narrow) || dtype_part(narrow))
            return bad(c->n, "%s is not supported here", dtype_name(narrow)), NULL;
    }
    Node *node = node_draft(c->n->g, OP_call, c->in.at, c->in.n, n);
    for (int i = 0; i < n; i++) node->out[i]->type = t[i];
    node_set_str(c->n->g, node, "name", c->name);
    if (c->args.n) node_set_exprs(c->n->g, node, "args", c->args.at, c->args.n);
    return node_finish(c->n->g, node) ? node : NULL;
}

Value *call_result(RunCall *c, const Type *t) {
    Node *node = call_results(c, t, 1);
    return node ? node->out[0] : NULL;
}
