/* Names of values: one map per graph, function body or sub-graph; sub-graphs see outward
 * (import.h). */
#include "frontend/import.h"

void scope_open(Import *im, Scope *s, const Frame *f, const GraphProto *g) {
    bool inside = im->scope && im->scope->frame == f;
    *s = (Scope){.values = map_new(im->ctx->perm),
                 .outer = im->scope,
                 .frame = f,
                 .graph = g,
                 .sees_out = inside};
    im->scope = s;
}

void scope_close(Import *im) {
    im->scope = im->scope->outer;
}

Value *scope_find(const Scope *s, const char *name) {
    for (; s; s = s->sees_out ? s->outer : NULL) {
        Value *v = map_get(s->values, name);
        if (v) return v;
    }
    return NULL;
}

bool scope_define(Import *im, const Loc *loc, const char *name, Value *v) {
    if (map_get(im->scope->values, name))
        return diag_error(im->ctx, loc, "value %s is defined twice", shown(im->ctx, name));
    map_set(im->scope->values, name, v);
    if (v != im->poison && !im->scope->frame->function) bound_value(im, name, v);
    return true;
}

static bool define_constant(Import *im, const char *name, Const *data, const Type *type) {
    Value *v = graph_const(im->g, name, data, type);
    return scope_define(im, NULL, name, v);
}

/* Initializers become constants, also where an input of that name stands (its default, then). What
 * is broken is reported and poisoned. */
bool scope_initializers(Import *im, const GraphProto *g) {
    int before = diag_errors(im->ctx);
    Const *data;
    Type type;
    for (size_t i = 0; i < g->n_initializer; i++) {
        const TensorProto *t = g->initializer[i];
        if (!t->name || !*t->name) diag_error(im->ctx, NULL, "initializer %zu has no name", i);
        else if (tensor_read(im->model, NULL, t, &data, &type))
            define_constant(im, t->name, data, &type);
        else scope_define(im, NULL, t->name, im->poison);
    }
    for (size_t i = 0; i < g->n_sparse_initializer; i++) {
        const Onnx__SparseTensorProto *s = g->sparse_initializer[i];
        const char *name = s->values ? s->values->name : NULL;
        if (!name || !*name) diag_error(im->ctx, NULL, "sparse initializer %zu has no name", i);
        else if (sparse_read(im->model, NULL, s, &data, &type))
            define_constant(im, name, data, &type);
        else scope_define(im, NULL, name, im->poison);
    }
    return diag_errors(im->ctx) == before;
}
