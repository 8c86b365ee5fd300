/* LabelEncoder: a map from keys to values. The keys are sorted when compiling; the run finds each
 * input's position among them and gathers the value, or the default behind all of them. */
#include "frontend/calls.h"

#include <stdlib.h>

/* A list of attribute `name` with a type's suffix, or a tensor; NULL: there is none. */
static Const *list_of(OnnxNode *n, const char *name) {
    const char *tensor = arena_printf(n->ctx->perm, "%s_tensor", name),
               *ints = arena_printf(n->ctx->perm, "%s_int64s", name),
               *floats = arena_printf(n->ctx->perm, "%s_floats", name),
               *strings = arena_printf(n->ctx->perm, "%s_strings", name);
    const int64_t *i;
    const float *f;
    int count;
    if (attr_tensor(n, tensor)) {
        Value *v = constant_of(n, attr_tensor(n, tensor));
        return v ? v->data : NULL;
    }
    if ((count = attr_ints(n, ints, &i)) > 0) return const_new(n->ctx, DT_I64, count, i);
    if ((count = attr_floats(n, floats, &f)) > 0) return const_new(n->ctx, DT_F32, count, f);
    if ((count = attr_strings(n, strings)) <= 0) return NULL;
    const char **at = NEW_ARRAY(n->ctx->perm, const char *, count);
    for (int k = 0; k < count; k++) at[k] = attr_string_at(n, strings, k);
    return const_strings(n->ctx, at, count);
}

/* What an input that is no key gives. */
static Const *otherwise(OnnxNode *n, DType t) {
    if (attr_has(n, "default_tensor")) {
        Value *v = constant_of(n, attr_tensor(n, "default_tensor"));
        if (!v) return NULL;
        if (v->data->elements == 1 && v->type.dtype == t) return v->data;
        return bad(n, "attribute \"default_tensor\" must be one %s", dtype_name(t)), NULL;
    }
    if (t == DT_STR) {
        const char *s = attr_string(n, "default_string", "_Unused");
        return const_strings(n->ctx, &s, 1);
    }
    if (dtype_is_float(t)) return const_new_flt(n->ctx, t, attr_float(n, "default_float", -0.0));
    return const_new_int(n->ctx, t, attr_int(n, "default_int64", -1));
}

/* ---- keys ---- */

typedef struct Key {
    StrElement text;
    int64_t number; /* floats: their bits */
    int at;         /* of its value */
} Key;

/* As runtime/core/calls_find.c compares. */
static int compare_text(const void *a, const void *b) {
    const Key *x = a, *y = b;
    size_t n = MIN(x->text.size, y->text.size);
    int order = n ? memcmp(x->text.data, y->text.data, n) : 0;
    return order ? order : (x->text.size > y->text.size) - (x->text.size < y->text.size);
}

/* Of equal keys the last one first. */
static int by_text(const void *a, const void *b) {
    int order = compare_text(a, b);
    return order ? order : ((const Key *)b)->at - ((const Key *)a)->at;
}

static int by_number(const void *a, const void *b) {
    const Key *x = a, *y = b;
    if (x->number != y->number) return x->number < y->number ? -1 : 1;
    return y->at - x->at;
}

/* Equal floats get equal bits: one NaN, one zero. */
static int64_t float_key(double v) {
    int64_t bits;
    if (v != v) return INT64_MAX;
    if (v == 0) v = 0;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

/* The keys, sorted, each once; how many. */
static int sort_keys(const Const *keys, Key *out) {
    bool text = keys->dtype == DT_STR;
    int n = (int)keys->elements, kept = 0;
    for (int i = 0; i < n; i++) {
        out[i] = (Key){.at = i};
        if (text) out[i].text = const_string(keys, i);
        else if (dtype_is_float(keys->dtype)) out[i].number = float_key(const_get(keys, i));
        else out[i].number = const_get_int(keys, i);
    }
    qsort(out, (size_t)n, sizeof *out, text ? by_text : by_number);
    for (int i = 0; i < n; i++) {
        Key *last = kept ? &out[kept - 1] : NULL;
        bool same =
            last && (text ? !compare_text(last, &out[i]) : last->number == out[i].number);
        if (!same) out[kept++] = out[i];
    }
    return kept;
}

static Value *list_constant(OnnxNode *n, DType t, int64_t count, const void *data) {
    Expr *dim = ix(n, count);
    Type type = type_make(t, &dim, 1);
    return graph_const(n->g, NULL, const_new(n->ctx, t, count, data), &type);
}

static Value *key_constant(OnnxNode *n, const Key *keys, int count, bool text) {
    StrElement *words = NEW_ARRAY(n->ctx->perm, StrElement, count + 1);
    int64_t *numbers = NEW_ARRAY(n->ctx->perm, int64_t, count + 1);
    for (int i = 0; i < count; i++) words[i] = keys[i].text, numbers[i] = keys[i].number;
    return text ? list_constant(n, DT_STR, count, words) : list_constant(n, DT_I64, count, numbers);
}

/* The values in the order of their keys, and the default behind them. */
static Value *value_constant(OnnxNode *n, const Key *keys, int count, const Const *values) {
    const Const *other = otherwise(n, values->dtype);
    if (!other) return NULL;
    size_t unit = dtype_bytes(values->dtype);
    const char *from = const_bytes(n->ctx, values);
    char *data = arena_alloc(n->ctx->perm, unit * ((size_t)count + 1));
    for (int i = 0; i < count; i++)
        memcpy(data + unit * (size_t)i, from + unit * (size_t)keys[i].at, unit);
    memcpy(data + unit * (size_t)count, const_bytes(n->ctx, other), unit);
    return list_constant(n, values->dtype, count + 1, data);
}

/* The input as keys are compared: strings, or int64. */
static Value *comparable(OnnxNode *n, Value *x) {
    if (x->type.dtype == DT_STR) return x;
    if (!dtype_is_float(x->type.dtype)) return cast_to(n, x, DT_I64);
    x = cast_to(n, x, DT_F64);
    Node *bits = node_draft(n->g, (Op)(OP_SCALAR + SOP_bits), &x, 1, 1);
    node_set_str(n->g, bits, "to", "i64");
    if (!x || !node_finish(n->g, bits)) return NULL;
    Value *zero = bin(n, SOP_eq, x, flt(n, x, 0)), *same = bits->out[0];
    same = sel(n, zero, num(n, same, 0), same);
    return sel(n, un(n, SOP_isnan, x), num(n, same, INT64_MAX), same);
}

/* The position of each element among sorted keys; `count` where it is none. */
static Value *find(OnnxNode *n, Value *x, const Key *sorted, int count, bool text) {
    RunCall c = {.n = n, .name = text ? "str_find" : "int_find"};
    Type at = x->type;
    at.dtype = DT_I64;
    call_in(&c, comparable(n, x));
    call_in(&c, key_constant(n, sorted, count, text));
    call_arg(&c, type_elements(n->ctx, &x->type));
    call_int(&c, count);
    return call_result(&c, &at);
}

Value *string_places(OnnxNode *n, Value *x, const Const *words, int64_t *places) {
    Key *sorted = NEW_ARRAY(n->ctx->perm, Key, words->elements + 1);
    int count = sort_keys(words, sorted);
    for (int64_t i = 0; i < words->elements; i++) {
        Key key = {.text = const_string(words, i)};
        const Key *at = bsearch(&key, sorted, (size_t)count, sizeof *sorted, compare_text);
        places[i] = at - sorted;
    }
    return find(n, x, sorted, count, true);
}

static bool encode(OnnxNode *n, const Const *keys, const Const *values) {
    Value *x = need(n, 0, T_ANY);
    if (!x) return false;
    if (!keys || !values) return bad(n, "the encoder has no keys, or no values");
    if (keys->elements != values->elements)
        return bad(n, "there are %lld keys and %lld values", (long long)keys->elements,
                   (long long)values->elements);
    if (keys->dtype != x->type.dtype)
        return bad(n, "input 0 is %s, but the keys are %s", dtype_name(x->type.dtype),
                   dtype_name(keys->dtype));
    bool text = keys->dtype == DT_STR;
    Key *sorted = NEW_ARRAY(n->ctx->perm, Key, keys->elements + 1);
    int count = sort_keys(keys, sorted);
    Value *table = value_constant(n, sorted, count, values),
          *found = find(n, x, sorted, count, text);
    return table && found && give(n, 0, gather(n, table, found, 0));
}

/* Both ways between the words and their positions. */
ONNX_OP_OF(ml, LabelEncoder, 1) {
    ATTRS("classes_strings:S default_int64:i default_string:s");
    int count = MAX(attr_strings(n, "classes_strings"), 0);
    const char **at = NEW_ARRAY(n->ctx->perm, const char *, count + 1);
    int64_t *numbers = NEW_ARRAY(n->ctx->perm, int64_t, count + 1);
    for (int i = 0; i < count; i++) at[i] = attr_string_at(n, "classes_strings", i), numbers[i] = i;
    Const *words = const_strings(n->ctx, at, count),
          *positions = const_new(n->ctx, DT_I64, count, numbers);
    bool text = has(n, 0) && n->in[0]->type.dtype == DT_STR;
    return text ? encode(n, words, positions) : encode(n, positions, words);
}

ONNX_OP_OF(ml, LabelEncoder, 2) {
    ATTRS("keys_floats:F keys_int64s:I keys_strings:S keys_tensor:t@4 values_floats:F "
          "values_int64s:I values_strings:S values_tensor:t@4 default_float:f default_int64:i "
          "default_string:s default_tensor:t@4");
    return encode(n, list_of(n, "keys"), list_of(n, "values"));
}
