/* Linear models and support vector regression of ai.onnx.ml. */
#include "frontend/ops/ml.h"

/* A list attribute as the matrix [rows, columns of x], in f32. */
static Value *matrix(OnnxNode *n, const char *name, const Value *x, int64_t rows) {
    const float *v;
    int count = attr_floats(n, name, &v);
    if (rows < 1 || count < 1 || count % rows)
        return bad(n, "attribute \"%s\" has %d elements for %lld rows", name, count,
                   (long long)rows),
               NULL;
    Expr *dims[] = {ix(n, rows), ix(n, count / rows)};
    if (expr_is_int(x->type.dims[1], NULL) && x->type.dims[1] != dims[1])
        return bad(n, "the input has not %lld features", (long long)(count / rows)), NULL;
    return reshape_to(n, list_floats(n, v, count, DT_F32), dims, 2);
}

/* The input as rows of f32. */
static Value *samples(OnnxNode *n) {
    Value *x = as_rows(n, cast_to(n, need(n, 0, T_NUM), DT_F32));
    return x && want_rank(n, 0, 1, 2) ? x : NULL;
}

/* x times coefficients' + intercepts: [N, targets] */
static Value *linear_scores(OnnxNode *n, Value *x, int64_t targets) {
    const float *b;
    int n_b = attr_floats(n, "intercepts", &b);
    Value *weights = matrix(n, "coefficients", x, targets), *bias = NULL;
    if (n_b > 0 && n_b != targets) return bad(n, "%d intercepts are given", n_b), NULL;
    if (n_b > 0) bias = list_floats(n, b, n_b, DT_F32);
    return weights ? build_contract(n->g, x, weights, bias, "nf,tf->nt") : NULL;
}

ONNX_OP_OF(ml, LinearRegressor, 1) {
    ATTRS("coefficients:F! intercepts:F " POST_TRANSFORM " targets:i");
    Value *x = samples(n), *y = x ? linear_scores(n, x, attr_int(n, "targets", 1)) : NULL;
    return give(n, 0, post_transform(n, y, attr_string(n, "post_transform", "NONE")));
}

ONNX_OP_OF(ml, LinearClassifier, 1) {
    ATTRS("classlabels_ints:I classlabels_strings:S coefficients:F! intercepts:F "
          "multi_class:i " POST_TRANSFORM);
    Value *x = samples(n), *at;
    const int64_t *labels;
    const float *list;
    const char *post = attr_string(n, "post_transform", "NONE");
    int64_t features;
    int count = attr_ints(n, "classlabels_ints", &labels),
        given = attr_floats(n, "coefficients", &list);
    if (!x) return false;
    if (count < 1)
        return bad(n, "labels that are integers are missing (strings are not supported)");
    if (!expr_is_int(x->type.dims[1], &features)) features = given % count ? given : given / count;
    bool fits = demand_equal(n, x->type.dims[1], features) || !expr_is_int(x->type.dims[1], NULL);
    if (features < 1 || given % features || !fits)
        return bad(n, "the number of features does not fit the coefficients");
    int64_t targets = given / features;
    if (targets != count && (targets != 1 || count != 2))
        return bad(n, "%d labels are given for %lld classes", count, (long long)targets);
    Value *s = linear_scores(n, x, targets);
    if (!s) return false;
    if (targets == 1 && count == 2) {
        at = cast_to(n, bin(n, SOP_gt, s, num(n, s, 0)), DT_I64);
        at = at ? reshape_to(n, at, at->type.dims, 1) : NULL;
        s = two_scores(n, s, true, post);
    } else {
        at = build_reduce(n->g, s, "argmax", (int64_t[]){1}, 1, false);
        s = post_transform(n, s, post);
    }
    return give_labels(n, at, labels, count) && give(n, 1, s);
}

/* ---- support vectors ---- */

/* Of the samples with the support vectors: [N, vectors]. kernel_params: gamma, coef0, degree. */
static Value *kernel(OnnxNode *n, Value *x, Value *vectors) {
    const float *p;
    const char *kind = attr_string(n, "kernel_type", "LINEAR");
    if (attr_floats(n, "kernel_params", &p) < 3 && strcmp(kind, "LINEAR"))
        return bad(n, "attribute \"kernel_params\" must have three elements"), NULL;
    if (!strcmp(kind, "RBF")) { /* exp(-gamma |x - v|^2) */
        Value *apart = bin(n, SOP_sub, unsqueeze(n, x, 1), unsqueeze(n, vectors, 0));
        Value *square = bin(n, SOP_mul, apart, apart);
        Value *sum = square ? build_reduce(n->g, square, "sum", (int64_t[]){2}, 1, false) : NULL;
        return un(n, SOP_exp, bin(n, SOP_mul, flt(n, sum, -(double)p[0]), sum));
    }
    Value *dot = build_contract(n->g, x, vectors, NULL, "nf,vf->nv");
    if (!strcmp(kind, "LINEAR")) return dot;
    dot =
        bin(n, SOP_add, bin(n, SOP_mul, dot, flt(n, dot, (double)p[0])), flt(n, dot, (double)p[1]));
    return strcmp(kind, "POLY") ? un(n, SOP_tanh, dot)
                                : bin(n, SOP_pow, dot, flt(n, dot, (double)p[2]));
}

/* The sum of coefficients times kernels, plus rho; without vectors the model is linear. */
ONNX_OP_OF(ml, SVMRegressor, 1) {
    ATTRS("coefficients:F! kernel_params:F kernel_type:s(LINEAR|POLY|RBF|SIGMOID) n_supports:i "
          "one_class:i " POST_TRANSFORM " rho:F! support_vectors:F");
    Value *x = samples(n), *y = x;
    const float *rho, *w;
    int64_t supports = attr_int(n, "n_supports", 0);
    int given = attr_floats(n, "coefficients", &w);
    if (!x) return false;
    if (attr_floats(n, "rho", &rho) < 1) return bad(n, "attribute \"rho\" is empty");
    if (supports > 0) {
        Value *vectors = matrix(n, "support_vectors", x, supports);
        if (!vectors || !(y = kernel(n, x, vectors))) return false;
    }
    if (expr_is_int(y->type.dims[1], NULL) && !expr_is(y->type.dims[1], given))
        return bad(n, "%d coefficients are given", given);
    Expr *dims[] = {ix(n, 1), ix(n, given)};
    Value *weights = reshape_to(n, list_floats(n, w, given, DT_F32), dims, 2);
    y = weights ? build_contract(n->g, y, weights, NULL, "nv,tv->nt") : NULL;
    y = bin(n, SOP_add, y, flt(n, y, (double)rho[0]));
    if (attr_int(n, "one_class", 0))
        y = sel(n, bin(n, SOP_gt, y, num(n, y, 0)), num(n, y, 1), num(n, y, -1));
    return give(n, 0, post_transform(n, y, attr_string(n, "post_transform", "NONE")));
}
