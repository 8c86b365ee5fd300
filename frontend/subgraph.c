/* Sub-graphs of If, Loop and Scan: a scope that sees outward, built into a region or right where we
 * are. */
#include "frontend/import.h"
#include "frontend/sequence.h"

int subgraph_inputs(const GraphProto *g) {
    return (int)MIN(g->n_input, INT32_MAX);
}

int subgraph_outputs(const GraphProto *g) {
    return (int)MIN(g->n_output, INT32_MAX);
}

static bool collect_results(OnnxNode *n, const GraphProto *body, const Scope *scope, Region *region,
                            Value **out, int n_results) {
    for (int i = 0; i < n_results; i++) {
        const char *name = body->output[i]->name;
        out[i] = name ? scope_find(scope, name) : NULL;
        if (!out[i])
            return bad(n, "sub-graph output %s is not computed by any node", shown(n->ctx, name));
        if (out[i] == n->import->poison) return false;
        if (!region) continue;
        out[i] = sequence_leaving(n, out[i], body->output[i]->type);
        if (!out[i]) return false;
        region_result(n->g, region, out[i]);
    }
    return true;
}

bool build_subgraph(OnnxNode *n, const GraphProto *body, Region *region, Value *const *args,
                    int n_args, Value **out, int n_results) {
    Import *im = n->import;
    Region *outside = n->g->at;
    Scope scope;
    int before = diag_errors(n->ctx);
    if (subgraph_inputs(body) != n_args || subgraph_outputs(body) != n_results)
        return bad(n, "sub-graph has %d inputs and %d outputs, not %d and %d",
                   subgraph_inputs(body), subgraph_outputs(body), n_args, n_results);
    if (region) n->g->at = region;
    scope_open(im, &scope, n->frame, body);
    for (int i = 0; i < n_args; i++)
        if (body->input[i]->name) scope_define(im, &n->loc, body->input[i]->name, args[i]);
    scope_initializers(im, body);
    build_nodes(im, body->node, body->n_node);
    bool ok =
        diag_errors(n->ctx) == before && collect_results(n, body, &scope, region, out, n_results);
    scope_close(im);
    n->g->at = outside;
    n->g->origin = (Origin){n->loc.node, n->loc.op, n->loc.opset};
    return ok;
}

bool subgraph_input_fixed(const GraphProto *g, int k, int axis) {
    const Onnx__TypeProto *t = k < subgraph_inputs(g) ? g->input[k]->type : NULL;
    if (!t || t->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE || !t->tensor_type->shape)
        return false;
    const Onnx__TensorShapeProto *shape = t->tensor_type->shape;
    return (size_t)axis < shape->n_dim &&
           shape->dim[axis]->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
}
