/* The survey: a look at every node before anything is built, so that all unknown operators,
 * domains, opsets and attributes of a model are reported at once. Functions are entered at their
 * calls, as the build will. */
#include "frontend/import.h"

/* Has this fact been reported before? Afterwards it has. */
static bool said(Import *im, const char *kind, const char *what) {
    char *key = arena_printf(im->ctx->perm, "%s %s", kind, what);
    if (map_get(im->reported, key)) return true;
    map_set(im->reported, key, im);
    return false;
}

static void report_missing(Import *im, const Loc *loc, const char *domain, const char *name,
                           int64_t opset, int oldest) {
    if (said(im, "operator", arena_printf(im->ctx->perm, "%s::%s", domain, name))) return;
    const char *of = *domain ? arena_printf(im->ctx->perm, " of %s", domain) : "";
    if (oldest)
        diag_error(im->ctx, loc,
                   "operator %s%s exists from opset %d on, but the model imports opset %lld",
                   shown(im->ctx, name), of, oldest, (long long)opset);
    else diag_error(im->ctx, loc, "unknown operator %s%s", shown(im->ctx, name), of);
}

/* Is the domain known, and imported in a version that is? Otherwise reports it, once. */
static bool domain_fits(Import *im, const char *domain, const char *name, int64_t opset,
                        const Loc *loc) {
    int newest = domain_newest(domain);
    bool ok = newest && opset >= 1 && opset <= newest;
    if (ok || said(im, "domain", domain)) return ok;
    if (!newest)
        return diag_error(im->ctx, loc, "unknown domain %s (operator %s)", shown(im->ctx, domain),
                          diag_name(im->ctx, name));
    if (!opset)
        return diag_error(im->ctx, loc, "no opset of %s is imported, but its operators are used",
                          *domain ? domain : "ONNX");
    return diag_error(im->ctx, loc, "opset %lld of %s is not supported (1 to %d are)",
                      (long long)opset, *domain ? domain : "ONNX", newest);
}

static void survey_operator(Import *im, const Frame *f, const NodeProto *node, const Loc *loc) {
    const char *domain = domain_of(node->domain), *name = node->op_type ? node->op_type : "";
    int64_t opset = frame_opset(f, domain);
    int oldest;
    if (!domain_fits(im, domain, name, opset, loc)) return;
    const OnnxOp *op = operator_find(im, domain, name, opset, &oldest);
    if (!op) {
        report_missing(im, loc, domain, name, opset, oldest);
        return;
    }
    OnnxNode n = {.g = im->g,
                  .ctx = im->ctx,
                  .import = im,
                  .proto = node,
                  .frame = f,
                  .loc = *loc,
                  .opset = (int)opset,
                  .survey = true};
    op->build(&n);
    if (!n.checked) BUG("operator %s does not list its attributes", op->name);
}

static void survey_body(Import *im, const Frame *f, const Loc *loc, NodeProto *const *nodes,
                        size_t n) {
    if (++im->depth > MAX_DEPTH) {
        if (!said(im, "depth", ""))
            diag_error(im->ctx, loc, "functions and sub-graphs nest more than %d deep", MAX_DEPTH);
    } else {
        survey(im, f, nodes, n);
    }
    im->depth--;
}

static void survey_subgraphs(Import *im, const Frame *f, const NodeProto *node, const Loc *loc) {
    for (size_t i = 0; i < node->n_attribute; i++) {
        const AttributeProto *a = node->attribute[i];
        if (a->g) survey_body(im, f, loc, a->g->node, a->g->n_node);
    }
}

void survey(Import *im, const Frame *f, NodeProto *const *nodes, size_t n) {
    for (size_t i = 0; i < n; i++) {
        Loc loc = node_place(im, f, nodes[i], i);
        if (++im->nodes == MAX_NODES + 1)
            diag_error(im->ctx, &loc, "model has more than %d nodes after inlining", MAX_NODES);
        if (im->nodes > MAX_NODES) return;
        const FunctionProto *fn = function_find(im, nodes[i]);
        Frame callee;
        if (!fn) survey_operator(im, f, nodes[i], &loc);
        else if (frame_call(im, &callee, f, fn, nodes[i], &loc))
            survey_body(im, &callee, &loc, fn->node, fn->n_node);
        survey_subgraphs(im, f, nodes[i], &loc);
    }
}
