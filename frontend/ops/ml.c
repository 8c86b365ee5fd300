/* Operators of ai.onnx.ml on numbers: features and their scaling. */
#include "frontend/ops/ml.h"

/* ---- shared ---- */

Value *list_floats(OnnxNode *n, const float *v, int64_t count, DType t) {
    float *copy = NEW_ARRAY(n->ctx->perm, float, count + 1);
    for (int64_t i = 0; i < count; i++) copy[i] = v[i];
    Expr *dim = ix(n, count);
    Type type = type_make(DT_F32, &dim, 1);
    return cast_to(n, graph_const(n->g, NULL, const_new(n->ctx, DT_F32, count, copy), &type), t);
}

Value *list_ints(OnnxNode *n, const int64_t *v, int64_t count) {
    int64_t *copy = NEW_ARRAY(n->ctx->perm, int64_t, count + 1);
    for (int64_t i = 0; i < count; i++) copy[i] = v[i];
    Expr *dim = ix(n, count);
    Type type = type_make(DT_I64, &dim, 1);
    return graph_const(n->g, NULL, const_new(n->ctx, DT_I64, count, copy), &type);
}

Value *as_rows(OnnxNode *n, Value *x) {
    return x && x->type.rank == 1 ? unsqueeze(n, x, 0) : x;
}

/* exp(x - max) over its sum; what is 0 does not count, and becomes 0. */
static Value *softmax_zero(OnnxNode *n, Value *x) {
    int64_t last = x->type.rank - 1;
    Value *zero = num(n, x, 0), *tiny = flt(n, x, (double)1e-7f);
    Value *counts = bin(n, SOP_gt, un(n, SOP_abs, x), tiny);
    Value *top = build_reduce(n->g, x, "max", &last, 1, true);
    Value *raised = un(n, SOP_exp, bin(n, SOP_sub, x, top));
    Value *rest = bin(n, SOP_mul, x, un(n, SOP_exp, un(n, SOP_neg, top)));
    Value *e = sel(n, counts, raised, zero);
    Value *sum = e ? build_reduce(n->g, e, "sum", &last, 1, true) : NULL;
    return bin(n, SOP_div, sel(n, counts, raised, rest), sum);
}

/* sqrt(2) erfinv(2 x - 1), by Winitzki's formula (as ONNX Runtime has it). */
static Value *probit(OnnxNode *n, Value *x) {
    Value *one = num(n, x, 1), *y = bin(n, SOP_sub, bin(n, SOP_add, x, x), one);
    Value *square = bin(n, SOP_mul, bin(n, SOP_sub, one, y), bin(n, SOP_add, one, y));
    Value *log = un(n, SOP_log, square);
    Value *v = bin(n, SOP_add, flt(n, x, 2 / (3.141592653589793 * 0.147)),
                   bin(n, SOP_mul, flt(n, x, 0.5), log));
    Value *under =
        bin(n, SOP_sub, bin(n, SOP_mul, v, v), bin(n, SOP_mul, flt(n, x, 1 / 0.147), log));
    Value *size = un(n, SOP_sqrt, bin(n, SOP_sub, un(n, SOP_sqrt, under), v));
    return bin(n, SOP_mul, bin(n, SOP_mul, flt(n, x, 1.4142135623730951), un(n, SOP_sign, y)),
               size);
}

Value *post_transform(OnnxNode *n, Value *scores, const char *kind) {
    if (!scores || !strcmp(kind, "NONE")) return scores;
    if (!strcmp(kind, "SOFTMAX")) return build_softmax(n->g, scores, scores->type.rank - 1, false);
    if (!strcmp(kind, "LOGISTIC")) return un(n, SOP_sigmoid, scores);
    return strcmp(kind, "PROBIT") ? softmax_zero(n, scores) : probit(n, scores);
}

Value *two_scores(OnnxNode *n, Value *s, bool positive, const char *kind) {
    bool logistic = !strcmp(kind, "LOGISTIC"), from_one = positive && !logistic;
    Value *other = from_one ? bin(n, SOP_sub, num(n, s, 1), s) : un(n, SOP_neg, s);
    Value *parts[] = {other, s};
    if (logistic)
        for (int i = 0; i < 2; i++) parts[i] = un(n, SOP_sigmoid, parts[i]);
    if (!strcmp(kind, "PROBIT")) return post_transform(n, s, kind);
    return parts[0] && parts[1] ? build_concat(n->g, parts, 2, 1) : NULL;
}

bool give_labels(OnnxNode *n, Value *at, const int64_t *labels, int count) {
    return at && give(n, 0, gather(n, list_ints(n, labels, count), at, 0));
}

/* ---- features ---- */

ONNX_OP_OF(ml, ArrayFeatureExtractor, 1) {
    ATTRS("");
    Value *x = need(n, 0, T_PLAIN), *at = need(n, 1, T_S);
    if (!x || !at || !want_rank(n, 0, 1, MAX_RANK)) return false;
    Expr *count = type_elements(n->ctx, &at->type);
    at = reshape_to(n, at, &count, 1);
    x = as_rows(n, x);
    return x && at && give(n, 0, gather(n, x, at, x->type.rank - 1));
}

ONNX_OP_OF(ml, Binarizer, 1) {
    ATTRS("threshold:f");
    Value *x = need(n, 0, T_NUM),
          *limit = cast_to(n, flt(n, cast_to(n, x, DT_F64), attr_float(n, "threshold", 0)), DT_F64);
    if (!x || !limit) return false;
    bool exact = dtype_is_float(x->type.dtype);
    Value *above = exact ? bin(n, SOP_gt, x, cast_to(n, limit, x->type.dtype))
                         : bin(n, SOP_gt, cast_to(n, x, DT_F64), limit);
    return give(n, 0, cast_to(n, above, x->type.dtype));
}

/* (x - offset) * scale, per feature or for all. */
ONNX_OP_OF(ml, Scaler, 1) {
    ATTRS("offset:F scale:F");
    Value *x = cast_to(n, need(n, 0, T_NUM), DT_F32);
    const float *offset, *scale;
    int offsets = attr_floats(n, "offset", &offset), scales = attr_floats(n, "scale", &scale);
    if (offsets > 0) x = bin(n, SOP_sub, x, list_floats(n, offset, offsets, DT_F32));
    if (scales > 0) x = bin(n, SOP_mul, x, list_floats(n, scale, scales, DT_F32));
    return give(n, 0, x);
}

ONNX_OP_OF(ml, Normalizer, 1) {
    ATTRS("norm:s(MAX|L1|L2)");
    Value *x = cast_to(n, need(n, 0, T_NUM), DT_F32), *size;
    const char *norm = attr_string(n, "norm", "MAX");
    if (!x || !want_rank(n, 0, 1, 2)) return false;
    int64_t last = x->type.rank - 1;
    if (!strcmp(norm, "MAX")) {
        size = build_reduce(n->g, x, "max", &last, 1, true);
    } else {
        bool squares = !strcmp(norm, "L2");
        Value *each = squares ? bin(n, SOP_mul, x, x) : un(n, SOP_abs, x);
        size = each ? build_reduce(n->g, each, "sum", &last, 1, true) : NULL;
        if (squares) size = un(n, SOP_sqrt, size);
    }
    Value *none = bin(n, SOP_eq, size, num(n, size, 0));
    return give(n, 0, bin(n, SOP_div, x, sel(n, none, num(n, size, 1), size)));
}

ONNX_OP_OF(ml, Imputer, 1) {
    ATTRS("imputed_value_floats:F imputed_value_int64s:I replaced_value_float:f "
          "replaced_value_int64:i");
    Value *x = need(n, 0, T_NUM), *by, *missing;
    const float *floats;
    const int64_t *ints;
    if (!x) return false;
    bool real_type = dtype_is_float(x->type.dtype);
    int count = real_type ? attr_floats(n, "imputed_value_floats", &floats)
                          : attr_ints(n, "imputed_value_int64s", &ints);
    if (count < 1) return bad(n, "the imputed values of the input's type are missing");
    by = real_type ? list_floats(n, floats, count, x->type.dtype)
                   : cast_to(n, list_ints(n, ints, count), x->type.dtype);
    double sought = attr_float(n, "replaced_value_float", 0);
    if (!real_type) missing = bin(n, SOP_eq, x, num(n, x, attr_int(n, "replaced_value_int64", 0)));
    else if (sought != sought) missing = un(n, SOP_isnan, x);
    else missing = bin(n, SOP_eq, x, flt(n, x, sought));
    return give(n, 0, sel(n, missing, by, x));
}

ONNX_OP_OF(ml, FeatureVectorizer, 1) {
    ATTRS("inputdimensions:I");
    const int64_t *sizes;
    int count = attr_ints(n, "inputdimensions", &sizes);
    Value **parts = NEW_ARRAY(n->ctx->perm, Value *, n->n_in + 1);
    if (n->n_in < 1) return bad(n, "at least one input is expected");
    for (int i = 0; i < n->n_in; i++) {
        parts[i] = as_rows(n, cast_to(n, need(n, i, T_NUM), DT_F32));
        if (!parts[i] || !want_rank(n, i, 1, 2)) return false;
        Expr *columns = parts[i]->type.dims[1];
        if (i < count && !demand_equal(n, columns, sizes[i]) && expr_is_int(columns, NULL))
            return bad(n, "input %d has not %lld features", i, (long long)sizes[i]);
    }
    return give(n, 0, build_concat(n->g, parts, n->n_in, 1));
}

ONNX_OP_OF(ml, OneHotEncoder, 1) {
    ATTRS("cats_int64s:I cats_strings:S zeros:i");
    Value *x = need(n, 0, T_NUM), *in[2];
    const int64_t *cats;
    int count = attr_ints(n, "cats_int64s", &cats);
    Ctx *ctx = n->ctx;
    Expr *dims[MAX_RANK], *at[MAX_RANK];
    if (!x) return false;
    if (count < 1)
        return bad(n, "attribute \"cats_int64s\" is missing (strings are not supported)");
    if (!attr_int(n, "zeros", 1))
        return bad(n, "zeros=0 (a fault for other values) is not supported");
    int rank = x->type.rank;
    if (rank == MAX_RANK) return bad(n, "rank would exceed %d", MAX_RANK);
    for (int i = 0; i <= rank; i++) dims[i] = i < rank ? x->type.dims[i] : ix(n, count);
    in[0] = cast_to(n, x, DT_I64);
    in[1] = list_ints(n, cats, count);
    if (!in[0]) return false;
    Node *c = build_compute_begin(n->g, in, 2, DT_F32, dims, rank + 1);
    for (int i = 0; i <= rank; i++) at[i] = c->vars[i]->self;
    Expr *same =
        E2(eq, expr_load(ctx, c->params[0], at, rank), expr_load(ctx, c->params[1], &at[rank], 1));
    return give(n, 0, build_compute_end(n->g, c, expr_cast(ctx, DT_F32, same)));
}
