/* A model into a graph: versions, the survey, then inputs, nodes and outputs. */
#include "frontend/import.h"

enum { MAX_ROUNDS = 4 };

static bool check_versions(Import *im, Frame *f) {
    const Onnx__ModelProto *m = im->model->proto;
    Ctx *ctx = im->ctx;
    if (!m->has_ir_version) return diag_error(ctx, NULL, "not an ONNX model: it has no ir_version");
    if (m->ir_version < MIN_IR || m->ir_version > MAX_IR)
        return diag_error(ctx, NULL, "IR version %lld is not supported (%d to %d are)",
                          (long long)m->ir_version, MIN_IR, MAX_IR);
    return frame_open(im, f, m->opset_import, m->n_opset_import);
}

static void build_graph(Import *im, const Frame *f, const GraphProto *proto) {
    Scope scope;
    scope_open(im, &scope, f, proto);
    scope_initializers(im, proto);
    import_inputs(im, proto);
    reserve_names(im, proto);
    build_nodes(im, proto->node, proto->n_node);
    import_outputs(im, proto);
    report_unused_dims(im);
    scope_close(im);
    im->g->origin = (Origin){0};
}

/* Builds once. What is wrong only until a dimension has the size that an operator has demanded is
 * said in the next round, if at all. */
static bool build_round(Import *im, const Frame *f, bool last) {
    Ctx *ctx = im->ctx;
    int before = diag_errors(ctx);
    Str said = str_new(ctx->perm), *outer = ctx->capture;
    im->g = graph_new(ctx, "main");
    im->narrowed = false;
    ctx->capture = &said;
    build_graph(im, f, im->model->proto->graph);
    ctx->capture = outer;
    if (diag_errors(ctx) != before && im->narrowed && !last) {
        ctx->errors = before;
        im->reported = map_new(ctx->perm);
        return true;
    }
    if (said.n) diag_lines(ctx, str_c(&said));
    ctx->quiet = true; /* warnings have been given */
    return diag_errors(ctx) == before && (learn_bounds(im->g) || im->narrowed);
}

/* Builds until the bounds of the dimensions settle (bounds.c). */
static bool build_rounds(Import *im, const Frame *f) {
    int before = diag_errors(im->ctx), round = 0;
    bool quiet = im->ctx->quiet;
    while (build_round(im, f, round == MAX_ROUNDS - 1) && ++round < MAX_ROUNDS) {
    }
    im->ctx->quiet = quiet;
    return diag_errors(im->ctx) == before;
}

Graph *model_import(Model *m, const ImportOptions *options) {
    static const ImportOptions none;
    Ctx *ctx = m->ctx;
    Import im = {.ctx = ctx, .model = m, .options = options ? options : &none};
    Frame frame = {0};
    int before = diag_errors(ctx);
    im.operators = operators_new(ctx);
    im.reported = map_new(ctx->perm);
    im.learned = map_new(ctx->perm);
    im.sequences = map_new(ctx->perm);
    im.poison = NEW(ctx->perm, Value);
    im.absent = NEW(ctx->perm, Value);
    if (!check_versions(&im, &frame)) return NULL;
    survey(&im, &frame, m->proto->graph->node, m->proto->graph->n_node);
    if (diag_errors(ctx) != before || !build_rounds(&im, &frame)) return NULL;
    return im.g;
}
