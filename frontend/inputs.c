/* The graph's inputs, outputs and dimensions, with what --dim says about them. */
#include "frontend/import.h"
#include "frontend/sequence.h"

/* ---- --dim ---- */

static DimOption *dim_option(Import *im, const char *name) {
    for (int i = 0; i < im->options->n_dims; i++)
        if (!strcmp(im->options->dims[i].name, name)) return &im->options->dims[i];
    return NULL;
}

static DimOption *axis_option(Import *im, const char *value, int axis) {
    if (!im->options->n_dims) return NULL;
    return dim_option(im, arena_printf(im->ctx->perm, "%s.%d", value, axis));
}

static void narrow(int64_t *lo, int64_t *hi, DimOption *o) {
    if (!o) return;
    o->used = true;
    *lo = MAX(*lo, o->lo);
    *hi = MIN(*hi, o->hi);
}

/* The dimension `name` within lo..hi and what the last round learned. */
static Expr *dimension(Import *im, const char *name, int64_t lo, int64_t hi) {
    const Sym *known = map_get(im->learned, name);
    if (known && known->lo <= hi && known->hi >= lo) {
        lo = MAX(lo, known->lo);
        hi = MIN(hi, known->hi);
    }
    if (lo == hi) return expr_int(im->ctx, lo);
    Sym *s = graph_sym(im->g, SYM_INPUT, name, lo, hi);
    map_set(im->learned, name, s);
    return expr_sym(im->ctx, s);
}

/* The dimension that dim_param names: bounded by its own option and by those of every axis that it
 * stands on. */
static Expr *named_dim(Import *im, const char *param) {
    const GraphProto *g = im->model->proto->graph;
    int64_t lo = 0, hi = INT64_MAX;
    narrow(&lo, &hi, dim_option(im, param));
    for (size_t i = 0; i < g->n_input && im->options->n_dims; i++) {
        const Onnx__TypeProto *t = g->input[i]->type;
        if (!g->input[i]->name || !t || t->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE)
            continue;
        const Onnx__TensorShapeProto *shape = t->tensor_type->shape;
        for (size_t d = 0; shape && d < shape->n_dim; d++) {
            const Onnx__TensorShapeProto__Dimension *dim = shape->dim[d];
            if (dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM &&
                !strcmp(dim->dim_param, param))
                narrow(&lo, &hi, axis_option(im, g->input[i]->name, (int)d));
        }
    }
    if (lo > hi)
        diag_error(im->ctx, NULL, "--dim leaves no value for dimension %s", shown(im->ctx, param));
    return dimension(im, param, lo, MAX(lo, hi));
}

static Expr *unnamed_dim(Import *im, const char *input, int axis) {
    int64_t lo = 0, hi = INT64_MAX;
    narrow(&lo, &hi, axis_option(im, input, axis));
    return dimension(im, arena_printf(im->ctx->perm, "%s.%d", input, axis), lo, hi);
}

static void bound_axis(Import *im, const char *name, const Value *v, int axis, DimOption *o) {
    Expr *e = v->type.dims[axis];
    int64_t size;
    o->used = true;
    if (expr_is_int(e, &size)) {
        if (size < o->lo || size > o->hi)
            diag_error(im->ctx, NULL, "--dim %s.%d does not fit: the model says %lld",
                       diag_name(im->ctx, name), axis, (long long)size);
    } else if (e->kind == E_SYM) {
        if (!sym_narrow(im->ctx, e->sym, o->lo, o->hi))
            diag_error(im->ctx, NULL, "--dim %s.%d leaves no value for that dimension",
                       diag_name(im->ctx, name), axis);
    } else {
        diag_warn(im->ctx, NULL, "--dim %s.%d has no effect: that dimension follows from others",
                  diag_name(im->ctx, name), axis);
    }
}

void bound_value(Import *im, const char *name, Value *v) {
    if (!im->options->n_dims) return;
    for (int i = 0; i < v->type.rank; i++) {
        DimOption *o = axis_option(im, name, i);
        if (o) bound_axis(im, name, v, i, o);
    }
}

void report_unused_dims(Import *im) {
    for (int i = 0; i < im->options->n_dims; i++) {
        if (im->options->dims[i].used) continue;
        Str names = str_new(im->ctx->perm);
        for (int k = 0; k < im->g->syms.n; k++)
            if (im->g->syms.at[k]->kind == SYM_INPUT)
                str_fmt(&names, "%s%s", names.n ? ", " : "", im->g->syms.at[k]->name);
        diag_error(im->ctx, NULL, "--dim names %s, which the model does not have (it has: %s)",
                   shown(im->ctx, im->options->dims[i].name), names.n ? str_c(&names) : "none");
    }
}

/* ---- inputs ---- */

/* The declared element type; reports what is not a tensor. */
static const Onnx__TypeProto__Tensor *tensor_type(Import *im, const char *what, const char *name,
                                                  const Onnx__TypeProto *t) {
    const char *why = NULL;
    if (!t || t->value_case == ONNX__TYPE_PROTO__VALUE__NOT_SET) why = "has no type";
    else if (t->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE)
        why = "is not a tensor, a sequence or an optional";
    if (!why) return t->tensor_type;
    diag_error(im->ctx, NULL, "%s %s %s", what, shown(im->ctx, name), why);
    return NULL;
}

static bool input_type(Import *im, const ValueInfoProto *info, Type *type) {
    Ctx *ctx = im->ctx;
    const char *name = shown(ctx, info->name);
    const Onnx__TypeProto__Tensor *t = tensor_type(im, "input", info->name, info->type);
    const char *what = arena_printf(ctx->perm, "input %s", name);
    if (!t || !tensor_dtype_of(ctx, NULL, t->elem_type, what, &type->dtype)) return false;
    if (!t->shape) return diag_error(ctx, NULL, "%s has no shape, not even a rank", what);
    if (t->shape->n_dim > MAX_RANK)
        return diag_error(ctx, NULL, "%s has rank %zu, more than %d", what, t->shape->n_dim,
                          MAX_RANK);
    type->rank = (int)t->shape->n_dim;
    for (int i = 0; i < type->rank; i++) {
        const Onnx__TensorShapeProto__Dimension *d = t->shape->dim[i];
        bool named = d->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
        bool fixed = d->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
        if (fixed && d->dim_value > MAX_DIM)
            return diag_error(ctx, NULL, "%s has a dimension of %lld", what,
                              (long long)d->dim_value);
        if (fixed && d->dim_value >= 0) type->dims[i] = expr_int(ctx, d->dim_value);
        else if (named && *d->dim_param) type->dims[i] = named_dim(im, d->dim_param);
        else type->dims[i] = unnamed_dim(im, info->name, i);
    }
    return true;
}

/* A sequence or an optional: the run is given a descriptor. */
static void sequence_input(Import *im, const ValueInfoProto *info) {
    static const Type descriptor = {.dtype = DT_SEQ};
    Sequence s;
    const char *what = arena_printf(im->ctx->perm, "input %s", shown(im->ctx, info->name));
    Value *v = sequence_type(im, what, info->type, &s)
                   ? sequence_value(im, graph_input(im->g, info->name, &descriptor), &s)
                   : im->poison;
    scope_define(im, NULL, info->name, v);
}

void import_inputs(Import *im, const GraphProto *g) {
    for (size_t i = 0; i < g->n_input; i++) {
        const char *name = g->input[i]->name;
        Type type = {0};
        if (!name || !*name) diag_error(im->ctx, NULL, "input %zu has no name", i);
        else if (scope_find(im->scope, name)) continue; /* an initializer is its default */
        else if (is_sequence_type(g->input[i]->type)) sequence_input(im, g->input[i]);
        else if (input_type(im, g->input[i], &type))
            scope_define(im, NULL, name, graph_input(im->g, name, &type));
        else scope_define(im, NULL, name, im->poison);
    }
}

/* ---- outputs ---- */

static bool find_rank(ValueInfoProto *const *list, size_t n, const char *name, int *rank) {
    for (size_t i = 0; i < n; i++) {
        const Onnx__TypeProto *t = list[i]->type;
        if (!list[i]->name || strcmp(list[i]->name, name)) continue;
        if (!t || t->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE || !t->tensor_type->shape ||
            t->tensor_type->shape->n_dim > MAX_RANK)
            return false;
        return *rank = (int)t->tensor_type->shape->n_dim, true;
    }
    return false;
}

bool declared_rank(OnnxNode *n, int k, int *rank) {
    const GraphProto *g = n->import->scope->graph;
    if (!g || !wants(n, k)) return false;
    const char *name = n->proto->output[k];
    return find_rank(g->output, g->n_output, name, rank) ||
           find_rank(g->value_info, g->n_value_info, name, rank);
}

static bool check_output(Import *im, const ValueInfoProto *info, const Value *v) {
    Ctx *ctx = im->ctx;
    if (!info->type || info->type->value_case == ONNX__TYPE_PROTO__VALUE__NOT_SET) return true;
    bool sequence = v->type.dtype == DT_SEQ;
    if (sequence && is_sequence_type(info->type)) return true;
    if (sequence)
        return diag_error(ctx, NULL,
                          "output %s is a sequence or an optional, but declared as a tensor",
                          shown(ctx, info->name));
    const Onnx__TypeProto__Tensor *t = tensor_type(im, "output", info->name, info->type);
    if (!t) return false;
    if (t->elem_type && dtype_from_onnx(t->elem_type) != v->type.dtype)
        return diag_error(ctx, NULL,
                          "output %s is computed as %s, but declared with another element type",
                          shown(ctx, info->name), dtype_name(v->type.dtype));
    if (t->shape && t->shape->n_dim != (size_t)v->type.rank)
        return diag_error(ctx, NULL,
                          "output %s is computed with rank %d, but declared with rank %zu",
                          shown(ctx, info->name), v->type.rank, t->shape->n_dim);
    return true;
}

static void import_output(Import *im, const ValueInfoProto *info, Value *v) {
    OnnxNode none = {.g = im->g, .ctx = im->ctx, .import = im};
    v = sequence_leaving(&none, v, info->type);
    if (v && check_output(im, info, v)) graph_output(im->g, v, info->name);
}

void import_outputs(Import *im, const GraphProto *g) {
    Ctx *ctx = im->ctx;
    if (!g->n_output) diag_error(ctx, NULL, "the graph has no outputs");
    for (size_t i = 0; i < g->n_output; i++) {
        const char *name = g->output[i]->name;
        Value *v = name ? scope_find(im->scope, name) : NULL;
        if (!v) diag_error(ctx, NULL, "output %s is not computed by any node", shown(ctx, name));
        else if (v != im->poison) import_output(im, g->output[i], v);
    }
    for (int i = 0; i < im->options->n_keep; i++) {
        const char *name = im->options->keep[i];
        Value *v = scope_find(im->scope, name);
        if (!v) diag_error(ctx, NULL, "--keep names %s, which no node computes", shown(ctx, name));
        else if (v != im->poison) {
            ValueInfoProto info = {.name = (char *)(uintptr_t)name};
            import_output(im, &info, v);
        }
    }
}
