/* Constants, casts, and operators that hand their input on. */
#include "frontend/ops.h"

#include "onnx.pb-c.h"

static Value *list_constant(OnnxNode *n, DType t, const void *data, int64_t count, int rank) {
    Expr *dim = ix(n, count);
    Type type = type_make(t, &dim, rank);
    const void *copy = arena_copy(n->ctx->perm, data, (size_t)count * dtype_bytes(t));
    return graph_const(n->g, NULL, const_new(n->ctx, t, count, copy), &type);
}

/* A list of strings, or one string of rank 0. */
static Value *string_constant(OnnxNode *n, const char *const *at, int count, int rank) {
    Expr *dim = ix(n, count);
    Type type = type_make(DT_STR, &dim, rank);
    return graph_const(n->g, NULL, const_strings(n->ctx, at, count), &type);
}

static Value *strings_constant(OnnxNode *n, const char *name) {
    int count = attr_strings(n, name);
    const char **at = NEW_ARRAY(n->ctx->perm, const char *, count + 1);
    for (int i = 0; i < count; i++) at[i] = attr_string_at(n, name, i);
    return string_constant(n, at, count, 1);
}

ONNX_OP(Constant, 1) {
    ATTRS("value:t sparse_value:x@11 value_float:f@12 value_floats:F@12 value_int:i@12 "
          "value_ints:I@12"
          " value_string:s@12 value_strings:S@12");
    const int64_t *ints;
    const float *floats;
    int count;
    if (attr_tensor(n, "value")) return give(n, 0, constant_of(n, attr_tensor(n, "value")));
    if (attr_has(n, "value_int"))
        return give(n, 0, list_constant(n, DT_I64, &(int64_t){attr_int(n, "value_int", 0)}, 1, 0));
    if (attr_has(n, "value_float"))
        return give(
            n, 0, list_constant(n, DT_F32, &(float){(float)attr_float(n, "value_float", 0)}, 1, 0));
    if ((count = attr_ints(n, "value_ints", &ints)) >= 0)
        return give(n, 0, list_constant(n, DT_I64, ints, count, 1));
    if ((count = attr_floats(n, "value_floats", &floats)) >= 0)
        return give(n, 0, list_constant(n, DT_F32, floats, count, 1));
    if (attr_has(n, "value_string"))
        return give(n, 0,
                    string_constant(n, (const char *[]){attr_string(n, "value_string", "")}, 1, 0));
    if (attr_has(n, "sparse_value")) return give(n, 0, sparse_constant(n, "sparse_value"));
    if (attr_has(n, "value_strings")) return give(n, 0, strings_constant(n, "value_strings"));
    return bad(n, "the constant has no value");
}

ONNX_OP(ConstantOfShape, 9) {
    ATTRS("value:t");
    Expr *dims[MAX_RANK];
    int rank;
    if (!input_cells(n, 0, dims, MAX_RANK, &rank, 0)) return false;
    Value *one = attr_tensor(n, "value") ? constant_of(n, attr_tensor(n, "value"))
                                         : graph_const_f(n->g, DT_F32, 0);
    if (!one) return false;
    if (one->data->elements != 1) return bad(n, "attribute \"value\" must have one element");
    Type type = type_make(one->type.dtype, dims, rank);
    int64_t elements;
    if (!type_static(&type, &elements))
        return give(n, 0, build_expand(n->g, reshape_to(n, one, NULL, 0), dims, rank));
    Const *splat = const_splat(n->ctx, type.dtype, elements,
                               one->data->data ? one->data->data : one->data->splat);
    return give(n, 0, graph_const(n->g, NULL, splat, &type));
}

enum { STRING_TYPE = 8 }; /* TensorProto.STRING */

/* The element type that attribute `name` asks for; DT_NONE after an error. */
static DType asked_type(OnnxNode *n, const char *name, DType otherwise) {
    if (!attr_has(n, name)) return otherwise;
    int64_t code = attr_int(n, name, 0);
    DType t = dtype_from_onnx(code);
    if (t != DT_NONE && dtype_class(t) != DC_X && t != DT_INDEX) return t;
    bad(n, "attribute \"%s\" asks for element type %lld, which is not supported", name,
        (long long)code);
    return DT_NONE;
}

/* Opset 1 named the type by a word. */
static DType cast_type_by_word(OnnxNode *n) {
    static const char *const words[] = {"FLOAT",  "UINT8",  "INT8",   "UINT16", "INT16",
                                        "INT32",  "INT64",  "STRING", "BOOL",   "FLOAT16",
                                        "DOUBLE", "UINT32", "UINT64"};
    const char *word = attr_string(n, "to", "");
    for (int i = 0; i < LEN(words); i++)
        if (!strcmp(words[i], word)) return dtype_from_onnx(i + 1);
    bad(n, "cast to \"%s\" is not supported", diag_name(n->ctx, word));
    return DT_NONE;
}

static Value *convert_as_asked(OnnxNode *n, Value *x, DType to) {
    if (x && to != x->type.dtype && (to == DT_STR || x->type.dtype == DT_STR))
        x = to == DT_STR ? number_to_string(n, x) : string_to_number(n, x, to);
    return cast_as_onnx(n, x, to, attr_int(n, "saturate", 1), attr_string(n, "round_mode", "up"));
}

ONNX_OP(Cast, 1) {
    ATTRS("to:s!<6 to:i!@6 saturate:i@19 round_mode:s(up|down|nearest)@24");
    Value *x = need(n, 0, T_MOVED | T_STR);
    DType to = !x                                   ? DT_NONE
               : n->opset < 6                       ? cast_type_by_word(n)
               : attr_int(n, "to", 0) == STRING_TYPE ? DT_STR
                                                    : asked_type(n, "to", DT_NONE);
    return to != DT_NONE && give(n, 0, convert_as_asked(n, x, to));
}

ONNX_OP(CastLike, 15) {
    ATTRS("saturate:i@19 round_mode:s(up|down|nearest)@24");
    Value *x = need(n, 0, T_MOVED | T_STR), *like = need(n, 1, T_MOVED | T_STR);
    return x && like && give(n, 0, convert_as_asked(n, x, like->type.dtype));
}

ONNX_OP(BitCast, 26) {
    ATTRS("to:i!");
    Value *x = need(n, 0, T_MOVED);
    DType to = x ? asked_type(n, "to", DT_NONE) : DT_NONE;
    if (to == DT_NONE) return false;
    if (dtype_bits(to) != dtype_bits(x->type.dtype)) return bad(n, "element types differ in width");
    if (to == x->type.dtype) return give(n, 0, x);
    Node *bits = node_draft(n->g, (Op)(OP_SCALAR + SOP_bits), &x, 1, 1);
    node_set_str(n->g, bits, "to", dtype_name(to));
    return node_finish(n->g, bits) && give(n, 0, bits->out[0]);
}

ONNX_OP(Identity, 1) {
    ATTRS("");
    return give(n, 0, need(n, 0, T_ANY | T_SEQ));
}

/* Inference: the input, and a mask that keeps everything (before opset 10 of the input's type). */
ONNX_OP(EyeLike, 9) {
    ATTRS("dtype:i k:i");
    Value *x = need(n, 0, T_PLAIN);
    if (!x || !want_rank(n, 0, 2, 2)) return false;
    DType t = asked_type(n, "dtype", x->type.dtype);
    if (t == DT_NONE) return false;
    Expr *k = ix(n, attr_int(n, "k", 0));
    if (!small_cells(n, &k, 1)) return false;
    Node *c = build_compute_begin(n->g, NULL, 0, t, x->type.dims, 2);
    Expr *diagonal = expr_add(n->ctx, c->vars[0]->self, k);
    Expr *on = expr_op2(n->ctx, SOP_eq, c->vars[1]->self, diagonal);
    return give(n, 0, build_compute_end(n->g, c, expr_cast(n->ctx, t, on)));
}
