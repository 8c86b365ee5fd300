/* Building: nodes in order, each by its operator's declaration or by inlining its function. */
#include "frontend/import.h"

/* The values of a node's inputs; false where one is poison or (reported) unknown. */
static bool find_inputs(Import *im, const NodeProto *p, const Loc *loc, Value **in) {
    bool ok = true;
    for (size_t i = 0; i < p->n_input; i++) {
        const char *name = p->input[i];
        if (!*name) continue;
        Value *v = scope_find(im->scope, name);
        if (!v)
            ok = diag_error(im->ctx, loc,
                            "input %zu, %s, is computed by no node and is no input or initializer",
                            i, shown(im->ctx, name));
        else if (v == im->poison) ok = false;
        else if (v != im->absent) in[i] = v;
    }
    return ok;
}

void reserve_names(Import *im, const GraphProto *g) {
    for (size_t i = 0; i < g->n_node; i++)
        for (size_t k = 0; k < g->node[i]->n_output; k++) graph_name(im->g, g->node[i]->output[k]);
}

/* In the model's own graph the name is reserved, and its; elsewhere it may occur again. */
static void rename_value(Import *im, Value *v, const char *name) {
    if (im->scope->outer) graph_rename(im->g, v, name);
    else v->name = arena_str(im->ctx->perm, name);
}

/* Gives the outputs their names; values that this node made are renamed after them. */
static void define_outputs(Import *im, const NodeProto *p, const Loc *loc, Value *const *out) {
    for (size_t i = 0; i < p->n_output; i++) {
        const char *name = p->output[i];
        if (!*name) continue;
        Value *v = out ? out[i] : im->poison;
        if (!v) {
            diag_error(im->ctx, loc, "output %zu, %s, is not supported", i, shown(im->ctx, name));
            v = im->poison;
        }
        if (v->def && v->def->origin.node == loc->node && !map_get(im->scope->values, name))
            rename_value(im, v, name);
        scope_define(im, loc, name, v);
    }
}

static bool call_function(Import *im, const FunctionProto *fn, const NodeProto *p, const Loc *loc,
                          Value *const *in, Value **out) {
    Ctx *ctx = im->ctx;
    Frame frame;
    Scope scope;
    if (p->n_input > fn->n_input || p->n_output > fn->n_output)
        return diag_error(ctx, loc,
                          "function %s has %zu inputs and %zu outputs, the call %zu and %zu",
                          shown(ctx, fn->name), fn->n_input, fn->n_output, p->n_input, p->n_output);
    if (!frame_call(im, &frame, im->scope->frame, fn, p, loc)) return false;
    int before = diag_errors(ctx);
    scope_open(im, &scope, &frame, NULL);
    for (size_t i = 0; i < fn->n_input; i++) {
        Value *v = i < p->n_input ? in[i] : NULL;
        scope_define(im, loc, fn->input[i], v ? v : im->absent);
    }
    build_nodes(im, fn->node, fn->n_node);
    for (size_t i = 0; i < p->n_output; i++) {
        out[i] = scope_find(&scope, fn->output[i]);
        if (!out[i] || out[i] == im->absent)
            diag_error(ctx, loc, "function %s does not compute its output %s", shown(ctx, fn->name),
                       shown(ctx, fn->output[i]));
    }
    scope_close(im);
    return diag_errors(ctx) == before;
}

static bool call_operator(Import *im, OnnxNode *n) {
    int oldest, before = diag_errors(im->ctx);
    const OnnxOp *op =
        operator_find(im, domain_of(n->proto->domain), n->proto->op_type, n->opset, &oldest);
    CHECK(op); /* the survey found it */
    if (!op->build(n) && diag_errors(im->ctx) == before) bad(n, "operator could not be imported");
    return diag_errors(im->ctx) == before;
}

static void build_node(Import *im, const NodeProto *p, size_t index) {
    Arena *perm = im->ctx->perm;
    const Frame *f = im->scope->frame;
    Loc loc = node_place(im, f, p, index);
    Value **in = NEW_ARRAY(perm, Value *, p->n_input + 1);
    Value **out = NEW_ARRAY(perm, Value *, p->n_output + 1);
    bool ok = find_inputs(im, p, &loc, in);
    if (ok) {
        const FunctionProto *fn = function_find(im, p);
        im->g->origin = (Origin){loc.node, loc.op, loc.opset};
        OnnxNode n = {.g = im->g,
                      .ctx = im->ctx,
                      .import = im,
                      .proto = p,
                      .frame = f,
                      .loc = loc,
                      .opset = loc.opset,
                      .in = in,
                      .out = out,
                      .n_in = (int)p->n_input,
                      .n_out = (int)p->n_output};
        ok = fn ? call_function(im, fn, p, &loc, in, out) : call_operator(im, &n);
    }
    define_outputs(im, p, &loc, ok ? out : NULL);
}

void build_nodes(Import *im, NodeProto *const *nodes, size_t n) {
    const int *order = node_order(im, im->scope->frame, nodes, n);
    for (size_t i = 0; order && i < n; i++) build_node(im, nodes[order[i]], (size_t)order[i]);
}
