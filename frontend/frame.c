/* Frames: opset imports, attributes of function calls, and how nodes are called in messages. */
#include "frontend/import.h"

const char *domain_of(const char *domain) {
    return !domain || !strcmp(domain, "ai.onnx") ? "" : domain;
}

bool frame_open(Import *im, Frame *f, Onnx__OperatorSetIdProto *const *imports, size_t n) {
    Ctx *ctx = im->ctx;
    f->opsets = map_new(ctx->perm);
    bool ok = true;
    for (size_t i = 0; i < n; i++) {
        const char *domain = domain_of(imports[i]->domain);
        int64_t version = imports[i]->version;
        if (!*domain && (version < MIN_OPSET || version > MAX_OPSET))
            ok = diag_error(ctx, NULL, "opset %lld of ONNX is not supported (%d to %d are)",
                            (long long)version, MIN_OPSET, MAX_OPSET);
        map_set(f->opsets, domain, arena_copy(ctx->perm, &version, sizeof version));
    }
    return ok;
}

int64_t frame_opset(const Frame *f, const char *domain) {
    const int64_t *version = map_get(f->opsets, domain);
    return version ? *version : 0;
}

const AttributeProto *frame_attribute(const Frame *f, const AttributeProto *a) {
    if (!a->ref_attr_name || !*a->ref_attr_name) return a;
    return f->attributes ? map_get(f->attributes, a->ref_attr_name) : NULL;
}

static char *function_key(Import *im, const char *domain, const char *name, const char *overload) {
    return arena_printf(im->ctx->perm, "%s::%s::%s", domain_of(domain), name ? name : "",
                        overload ? overload : "");
}

const FunctionProto *function_find(Import *im, const NodeProto *node) {
    if (!im->functions) {
        im->functions = map_new(im->ctx->perm);
        for (size_t i = 0; i < im->model->proto->n_functions; i++) {
            const FunctionProto *f = im->model->proto->functions[i];
            map_set(im->functions, function_key(im, f->domain, f->name, f->overload),
                    (void *)(uintptr_t)f);
        }
    }
    if (!im->model->proto->n_functions) return NULL;
    return map_get(im->functions, function_key(im, node->domain, node->op_type, node->overload));
}

/* The attributes that the body sees: defaults, then what the call gives (itself resolved in the
 * caller). */
static bool bind_attributes(Import *im, Frame *f, const NodeProto *call, const Loc *loc) {
    const FunctionProto *fn = f->function;
    f->attributes = map_new(im->ctx->perm);
    for (size_t i = 0; i < fn->n_attribute_proto; i++)
        if (fn->attribute_proto[i]->name)
            map_set(f->attributes, fn->attribute_proto[i]->name, fn->attribute_proto[i]);
    for (size_t i = 0; i < call->n_attribute; i++) {
        const char *name = call->attribute[i]->name;
        if (!name) return diag_error(im->ctx, loc, "an attribute has no name");
        const AttributeProto *value = frame_attribute(f->caller, call->attribute[i]);
        if (value) map_set(f->attributes, name, (void *)(uintptr_t)value);
    }
    return true;
}

bool frame_call(Import *im, Frame *f, const Frame *caller, const FunctionProto *fn,
                const NodeProto *call, const Loc *loc) {
    *f = (Frame){.function = fn, .caller = caller};
    for (const Frame *up = caller; up; up = up->caller)
        if (up->function == fn)
            return diag_error(im->ctx, loc, "function %s calls itself", shown(im->ctx, fn->name));
    f->prefix = arena_printf(im->ctx->perm, "%s/", loc->node);
    if (!frame_open(im, f, fn->opset_import, fn->n_opset_import)) return false;
    return bind_attributes(im, f, call, loc);
}

Loc node_place(Import *im, const Frame *f, const NodeProto *node, size_t index) {
    Arena *perm = im->ctx->perm;
    const char *op = node->op_type ? node->op_type : "", *prefix = f->prefix ? f->prefix : "";
    bool named = node->name && *node->name;
    char *name = named ? arena_printf(perm, "%s%s", prefix, node->name)
                       : arena_printf(perm, "%s%s_%zu", prefix, op, index);
    const char *domain = domain_of(node->domain);
    return (Loc){.node = name,
                 .op = arena_str(perm, op),
                 .opset = (int)MIN(frame_opset(f, domain), INT32_MAX)};
}
