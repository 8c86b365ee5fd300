/* Sequences and optionals: lists of values while their items are known, else values of the graph
 * (sequence.h). */
#include "frontend/sequence.h"
#include "frontend/import.h"

const Sequence *sequence_of(const OnnxNode *n, const Value *v) {
    if (v->type.dtype != DT_SEQ) return NULL;
    return map_get_int(n->import->sequences, (uint64_t)(uintptr_t)v);
}

Value *sequence_value(Import *im, Value *v, const Sequence *s) {
    if (!v) return NULL;
    void *kept = arena_copy(im->ctx->perm, s, sizeof *s);
    map_set_int(im->sequences, (uint64_t)(uintptr_t)v, kept);
    return v;
}

/* A value that stands for the sequence; it is no part of the graph. */
static Value *stand_in(OnnxNode *n, const Sequence *s) {
    Value *v = NEW(n->ctx->perm, Value);
    v->name = "sequence";
    v->type.dtype = DT_SEQ;
    return sequence_value(n->import, v, s);
}

Type no_items(DType t) {
    return (Type){.dtype = t, .rank = RANK_NO_ITEMS};
}

Value *sequence_known(OnnxNode *n, const Type *item, Value *const *at, int count) {
    Sequence s = {.item = *item, .known = true, .n = count};
    s.at = NEW_ARRAY(n->ctx->perm, Value *, count + 1);
    for (int i = 0; i < count; i++) {
        if (!at[i]) return NULL;
        s.at[i] = at[i];
        if (!sequence_join(n, &s.item, &at[i]->type)) return NULL;
    }
    return stand_in(n, &s);
}

Value *optional_nothing(OnnxNode *n, const Sequence *what) {
    Sequence s = *what;
    s.known = true;
    s.n = -1;
    return stand_in(n, &s);
}

bool sequence_join(OnnxNode *n, Type *into, const Type *item) {
    if (into->dtype != item->dtype)
        return bad(n, "items of a sequence have the element types %s and %s",
                   dtype_name(into->dtype), dtype_name(item->dtype));
    if (item->rank == RANK_NO_ITEMS) return true;
    if (into->rank == RANK_NO_ITEMS) *into = *item;
    else if (into->rank != item->rank) into->rank = RANK_UNKNOWN;
    for (int i = 0; i < into->rank; i++) {
        Expr *a = into->dims[i], *b = item->dims[i];
        if (!a || !b || !expr_prove_eq(n->ctx, a, b)) into->dims[i] = NULL;
    }
    return true;
}

bool sequence_same_items(OnnxNode *n, const Type *a, const Type *b) {
    if (a->dtype != b->dtype || a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++) {
        Expr *x = a->dims[i], *y = b->dims[i];
        if (!x != !y || (x && !expr_prove_eq(n->ctx, x, y))) return false;
    }
    return true;
}

/* ---- types of models ---- */

bool is_sequence_type(const Onnx__TypeProto *t) {
    return t && (t->value_case == ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE ||
                 t->value_case == ONNX__TYPE_PROTO__VALUE_OPTIONAL_TYPE);
}

/* Items may differ in a dimension that has a name. */
static bool item_type(Import *im, const char *what, const Onnx__TypeProto__Tensor *t, Type *item) {
    *item = (Type){.rank = RANK_UNKNOWN};
    if (!tensor_dtype_of(im->ctx, NULL, t->elem_type, what, &item->dtype)) return false;
    if (dtype_is_narrow(item->dtype) || dtype_part(item->dtype))
        return diag_error(im->ctx, NULL, "%s has items of %s, which are not supported", what,
                          dtype_name(item->dtype));
    if (!t->shape) return true;
    if (t->shape->n_dim > MAX_RANK)
        return diag_error(im->ctx, NULL, "%s has items of rank %zu, more than %d", what,
                          t->shape->n_dim, MAX_RANK);
    item->rank = (int)t->shape->n_dim;
    for (int i = 0; i < item->rank; i++) {
        const Onnx__TensorShapeProto__Dimension *d = t->shape->dim[i];
        if (d->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE &&
            d->dim_value >= 0 && d->dim_value <= MAX_DIM)
            item->dims[i] = expr_int(im->ctx, d->dim_value);
    }
    return true;
}

bool sequence_type(Import *im, const char *what, const Onnx__TypeProto *t, Sequence *out) {
    *out = (Sequence){0};
    if (t->value_case == ONNX__TYPE_PROTO__VALUE_OPTIONAL_TYPE) {
        out->optional = true;
        t = t->optional_type->elem_type;
    }
    bool sequence = t && t->value_case == ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE;
    if (sequence) t = t->sequence_type->elem_type;
    out->of_sequence = sequence && out->optional;
    if (!t || t->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE)
        return diag_error(
            im->ctx, NULL,
            "%s is not a tensor, a sequence of tensors, or an optional of one of them", what);
    return item_type(im, what, t->tensor_type, &out->item);
}
