/* Gradient of ai.onnx.preview.training: the derivatives of one value by others, by a walk from it
 * back to them (gradient.h). */
#include "frontend/ops/gradient.h"

#include "frontend/import.h"

typedef struct Walk {
    OnnxNode *n;
    Map *reached;   /* names of values that depend on the xs */
    Map *gradients; /* name -> Value *, what has come together so far */
} Walk;

static bool depends(const Walk *w, const Value *v) {
    return v && dtype_is_float(v->type.dtype) && map_get(w->reached, v->name);
}

/* Marks the results of all nodes of the region, up to and including `last`, that use a marked
 * value. */
static void mark_reached(Walk *w, const Node *last) {
    for (Node *at = last->parent->first; at; at = at->next) {
        bool any = at->n_regions > 0; /* a region may use anything */
        for (int i = 0; i < at->n_in; i++)
            any = any || (at->in[i] && map_get(w->reached, at->in[i]->name));
        for (int i = 0; any && i < at->n_out; i++) map_set(w->reached, at->out[i]->name, at);
        if (at == last) return;
    }
}

static bool accumulate(Walk *w, const Value *v, Value *share) {
    Value *old = map_get(w->gradients, v->name);
    if (!share) return true;
    Value *sum = old ? bin(w->n, SOP_add, old, share) : share;
    if (sum) map_set(w->gradients, v->name, sum);
    return sum != NULL;
}

/* One node: the gradient of its result, shared among its operands. */
static bool step_back(Walk *w, const Node *at) {
    OnnxNode *n = w->n;
    bool *want = NEW_ARRAY(n->ctx->perm, bool, at->n_in + 1), any = false, arrived = false;
    Value **share = NEW_ARRAY(n->ctx->perm, Value *, at->n_in + 1);
    for (int i = 0; i < at->n_in; i++) any = (want[i] = depends(w, at->in[i])) || any;
    for (int i = 0; i < at->n_out; i++)
        arrived = arrived || map_get(w->gradients, at->out[i]->name);
    if (!arrived || (!any && !at->n_regions)) return true;
    Value *g = at->n_out == 1 && !at->n_regions ? map_get(w->gradients, at->out[0]->name) : NULL;
    if (!g)
        return bad(n, "no derivative of %s (node %s) is known", op_info(at->op)->name,
                   shown(n->ctx, at->origin.node));
    if (!gradient_rule(n, at, g, want, share)) return false;
    for (int i = 0; i < at->n_in; i++)
        if (want[i] && !accumulate(w, at->in[i], share[i])) return false;
    return true;
}

/* The values that attribute "xs" (and "zs") names must be the inputs. */
static bool named_inputs(OnnxNode *n) {
    int xs = attr_strings(n, "xs"), zs = MAX(attr_strings(n, "zs"), 0);
    if (xs + zs != n->n_in) return bad(n, "%d inputs are given for %d names", n->n_in, xs + zs);
    if (n->n_out > xs) return bad(n, "%d outputs are asked of %d names", n->n_out, xs);
    for (int i = 0; i < n->n_in; i++) {
        const char *name = i < xs ? attr_string_at(n, "xs", i) : attr_string_at(n, "zs", i - xs);
        if (!need(n, i, i < xs ? T_FLOAT : T_ANY)) return false;
        if (scope_find(n->import->scope, name) != n->in[i])
            return bad(n, "input %d is not %s; other points than the graph's own are not supported",
                       i, shown(n->ctx, name));
    }
    return true;
}

ONNX_OP_OF(training, Gradient, 1) {
    ATTRS("xs:S! y:s! zs:S");
    const char *name = attr_string(n, "y", "");
    if (!named_inputs(n)) return false;
    Value *y = scope_find(n->import->scope, name);
    if (!y || y == n->import->poison || !dtype_is_float(y->type.dtype))
        return bad(n, "attribute \"y\": %s is not computed in front of this node, or no float",
                   shown(n->ctx, name));
    Walk w = {n, map_new(n->ctx->perm), map_new(n->ctx->perm)};
    for (int i = 0; i < n->n_out; i++) map_set(w.reached, n->in[i]->name, n->in[i]);
    if (y->def && y->def->parent != n->g->at)
        return bad(n, "%s is computed in another graph", shown(n->ctx, name));
    if (y->def) mark_reached(&w, y->def);
    Value *ones = build_expand(n->g, num(n, y, 1), y->type.dims, y->type.rank);
    if (!ones || !accumulate(&w, y, ones)) return false;
    for (const Node *at = y->def; at; at = at->prev)
        if (!step_back(&w, at)) return false;
    for (int i = 0; i < n->n_out; i++) {
        const Value *x = n->in[i];
        Value *g = map_get(w.gradients, x->name);
        if (!g) g = build_expand(n->g, num(n, x, 0), x->type.dims, x->type.rank);
        if (!give(n, i, g)) return false;
    }
    return true;
}
