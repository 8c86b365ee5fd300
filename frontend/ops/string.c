/* Strings: calls of runtime functions (runtime/core/calls_string.c). Operators that only move
 * elements take strings like any other type. */
#include "frontend/calls.h"
#include "frontend/regex.h"

static const Type one_int = {.dtype = DT_I64};

static Type like(const Value *v, DType t) {
    Type type = v->type;
    type.dtype = t;
    return type;
}

/* A list of strings as a constant; count 0: an empty list. */
static Value *string_list(OnnxNode *n, const char *const *at, int count) {
    Expr *dim = ix(n, count);
    Type type = type_make(DT_STR, &dim, 1);
    return graph_const(n->g, NULL, const_strings(n->ctx, at, count), &type);
}

/* A call for each element of x; args begin with their number. */
static RunCall per_element(OnnxNode *n, const char *name, Value *x) {
    RunCall c = {.n = n, .name = name};
    call_in(&c, x);
    if (x) call_arg(&c, type_elements(n->ctx, &x->type));
    return c;
}

/* Both operands at the shape that they broadcast to. */
static bool broadcast(OnnxNode *n, Value **a, Value **b) {
    const Type *s = &(*a)->type, *t = &(*b)->type;
    Expr *dims[MAX_RANK], *one = ix(n, 1);
    int rank = MAX(s->rank, t->rank);
    for (int i = 0; i < rank; i++) {
        int k = i - (rank - s->rank), m = i - (rank - t->rank);
        if (!broadcast_dims(n->ctx, k < 0 ? one : s->dims[k], m < 0 ? one : t->dims[m], &dims[i]))
            return bad(n, "the shapes of inputs 0 and 1 do not broadcast");
    }
    *a = build_expand(n->g, *a, dims, rank);
    *b = build_expand(n->g, *b, dims, rank);
    return *a && *b;
}

static Value *binary(OnnxNode *n, const char *name, Value *a, Value *b, DType result) {
    if (!a || !b || !broadcast(n, &a, &b)) return NULL;
    RunCall c = per_element(n, name, a);
    Type type = like(a, result);
    call_in(&c, b);
    return call_result(&c, &type);
}

Value *equal_strings(OnnxNode *n, Value *a, Value *b) {
    return binary(n, "str_equal", a, b, DT_BOOL);
}

ONNX_OP(StringConcat, 20) {
    ATTRS("");
    Value *a = need(n, 0, T_STR), *b = need(n, 1, T_STR);
    return give(n, 0, binary(n, "str_concat", a, b, DT_STR));
}

ONNX_OP(StringSplit, 20) {
    ATTRS("delimiter:s maxsplit:i");
    Value *x = need(n, 0, T_STR);
    if (!x) return false;
    if (x->type.rank == MAX_RANK) return bad(n, "the result's rank is above %d", MAX_RANK);
    const char *by = attr_string(n, "delimiter", "");
    int64_t cuts = attr_has(n, "maxsplit") ? attr_int(n, "maxsplit", 0) : -1;
    Value *delimiter = string_list(n, &by, 1);
    RunCall count = per_element(n, "str_split_count", x), split = per_element(n, "str_split", x);
    Type counts = like(x, DT_I64), y = x->type;
    call_in(&count, delimiter);
    call_int(&count, MAX(cuts, -1));
    Node *node = call_results(&count, (const Type[]){counts, one_int}, 2);
    if (!node) return false;
    y.dims[y.rank] = value_cell(n->g, node->out[1], 0, 0, INT64_MAX);
    if (!y.dims[y.rank++]) return false;
    call_in(&split, delimiter);
    call_int(&split, MAX(cuts, -1));
    call_arg(&split, y.dims[y.rank - 1]);
    return give(n, 1, node->out[0]) && give(n, 0, call_result(&split, &y));
}

ONNX_OP(StringNormalizer, 10) {
    ATTRS("case_change_action:s(NONE|LOWER|UPPER) is_case_sensitive:i locale:s stopwords:S");
    Value *x = need(n, 0, T_STR);
    if (!x || !want_rank(n, 0, 1, 2)) return false;
    if (x->type.rank == 2 && !demand_equal(n, x->type.dims[0], 1))
        return bad(n, "the first dimension of a matrix of words must be 1");
    int count = MAX(attr_strings(n, "stopwords"), 0);
    const char **words = NEW_ARRAY(n->ctx->perm, const char *, count + 1);
    for (int i = 0; i < count; i++) words[i] = attr_string_at(n, "stopwords", i);
    int action = attr_is(n, "case_change_action", "LOWER")   ? 1
                 : attr_is(n, "case_change_action", "UPPER") ? 2
                                                             : 0;
    RunCall counted = per_element(n, "str_normalize_count", x),
            c = per_element(n, "str_normalize", x);
    RunCall *const both[] = {&counted, &c};
    Value *list = string_list(n, words, count);
    for (int i = 0; i < 2; i++) {
        call_in(both[i], list);
        call_int(both[i], count);
        call_int(both[i], attr_int(n, "is_case_sensitive", 0));
    }
    Value *left = call_result(&counted, &one_int);
    Expr *size = left ? value_cell(n->g, left, 0, 1, INT64_MAX) : NULL;
    if (!size) return false;
    Type y = x->type;
    y.dims[y.rank - 1] = size;
    call_int(&c, action);
    call_arg(&c, size);
    return give(n, 0, call_result(&c, &y));
}

/* The pattern becomes a table when compiling; the run only follows it. */
ONNX_OP(RegexFullMatch, 20) {
    ATTRS("pattern:s!");
    Value *x = need(n, 0, T_STR);
    const char *pattern = attr_string(n, "pattern", ""), *error;
    int64_t length;
    if (!x) return false;
    const uint16_t *table = regex_table(n->ctx->perm, pattern, strlen(pattern), &length, &error);
    if (!table)
        return bad(n, "attribute \"pattern\", \"%s\": %s", diag_name(n->ctx, pattern), error);
    Expr *dim = ix(n, length);
    Type type = type_make(DT_U16, &dim, 1), y = like(x, DT_BOOL);
    RunCall c = per_element(n, "str_match", x);
    call_in(&c, graph_const(n->g, NULL, const_new(n->ctx, DT_U16, length, table), &type));
    return give(n, 0, call_result(&c, &y));
}

/* ---- numbers ---- */

/* Bits of a significand and exponent of the smallest number. */
static bool float_shape(DType t, int *bits, int *lowest) {
    static const struct {
        DType t;
        int bits, lowest;
    } shapes[] = {{DT_F64, 53, -1074}, {DT_F32, 24, -149}, {DT_F16, 11, -24}, {DT_BF16, 8, -133}};
    for (int i = 0; i < LEN(shapes); i++)
        if (shapes[i].t == t) return *bits = shapes[i].bits, *lowest = shapes[i].lowest, true;
    return false;
}

Value *number_to_string(OnnxNode *n, Value *x) {
    DType t = x->type.dtype;
    Type y = like(x, DT_STR);
    int bits, lowest;
    bool is_unsigned = dtype_is_unsigned(t), is_float = float_shape(t, &bits, &lowest);
    if (!is_float && dtype_is_float(t))
        return bad(n, "strings of %s are not supported", dtype_name(t)), NULL;
    x = cast_to(n, x, is_float ? DT_F64 : is_unsigned ? DT_U64 : DT_I64);
    RunCall c = per_element(n, is_float ? "str_of_float" : "str_of_int", x);
    call_int(&c, is_float ? bits : !is_unsigned);
    if (is_float) call_int(&c, lowest);
    return call_result(&c, &y);
}

Value *string_to_number(OnnxNode *n, Value *x, DType to) {
    bool is_int = dtype_is_int(to);
    Type y = like(x, !is_int ? DT_F64 : dtype_is_unsigned(to) ? DT_U64 : DT_I64);
    RunCall c = per_element(n, is_int ? "str_to_int" : "str_to_float", x);
    if (!is_int) call_int(&c, to != DT_F64);
    return call_result(&c, &y);
}
