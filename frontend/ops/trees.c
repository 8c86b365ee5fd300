/* Ensembles of decision trees: all trees of all samples go one decision further per round of a loop
 * (trees.h). */
#include "frontend/ops/trees.h"

#include "frontend/ops/ml.h"

#include <math.h>

/* ---- tables ---- */

typedef enum Column { FEATURE, YES, NO, MODE, MISSING, LEAF, N_COLUMNS } Column;

static int64_t cell(const TreeNode *t, Column c) {
    const int64_t all[] = {t->feature, t->yes, t->no, t->mode, t->missing_is_true, t->leaf};
    return all[c];
}

static Value *node_table(Forest *f, Column column) {
    int64_t *v = NEW_ARRAY(f->n->ctx->perm, int64_t, f->nodes.n + 1);
    for (int i = 0; i < f->nodes.n; i++) v[i] = cell(&f->nodes.at[i], column);
    return list_ints(f->n, v, f->nodes.n);
}

static Value *number_table(Forest *f, const double *v, Expr *const *dims, int rank, int64_t count) {
    OnnxNode *n = f->n;
    char *data = arena_alloc(n->ctx->perm, (size_t)count * dtype_bytes(f->t) + 1);
    for (int64_t i = 0; i < count; i++) {
        if (f->t == DT_F64) ((double *)data)[i] = v[i];
        else ((float *)data)[i] = (float)v[i];
    }
    Type t = type_make(f->t, dims, rank);
    return graph_const(n->g, NULL, const_new(n->ctx, f->t, count, data), &t);
}

static Value *split_table(Forest *f) {
    double *v = NEW_ARRAY(f->n->ctx->perm, double, f->nodes.n + 1);
    for (int i = 0; i < f->nodes.n; i++) v[i] = f->nodes.at[i].split;
    Expr *dim = ix(f->n, f->nodes.n);
    return number_table(f, v, &dim, 1, f->nodes.n);
}

/* [leaves, targets]; what a leaf says nothing about is the identity of the aggregation. */
static Value *weight_table(Forest *f) {
    OnnxNode *n = f->n;
    bool sum = !strcmp(f->aggregate, "sum"), min = !strcmp(f->aggregate, "min");
    int64_t count = f->leaves * f->targets;
    if (f->targets < 1 || f->leaves > ((int64_t)1 << 28) / f->targets)
        return bad(n, "%lld leaves for %lld targets are too many", (long long)f->leaves,
                   (long long)f->targets),
               NULL;
    double *v = NEW_ARRAY(n->ctx->perm, double, count + 1);
    for (int64_t i = 0; i < count; i++) v[i] = sum ? 0 : min ? INFINITY : -INFINITY;
    for (int i = 0; i < f->weights.n; i++) {
        const TreeWeight *w = &f->weights.at[i];
        double *at = &v[w->leaf * f->targets + w->target];
        *at = sum ? *at + w->weight : min ? fmin(*at, w->weight) : fmax(*at, w->weight);
    }
    Expr *dims[] = {ix(n, f->leaves), ix(n, f->targets)};
    return number_table(f, v, dims, 2, count);
}

/* ---- descent ---- */

typedef struct Descent { /* inside a round: one element of [samples, trees] */
    Forest *f;
    Value *x, *split, *column[N_COLUMNS];
    Expr *dims[2];
} Descent;

static Expr *look_up(Descent *d, const Node *c, int param, Expr *node) {
    return expr_load(d->f->n->ctx, c->params[param], &node, 1);
}

/* Does x go to the true side of the node? */
static Expr *decide(Descent *d, Expr *x, Expr *split, Expr *mode, Expr *missing) {
    OnnxNode *n = d->f->n;
    static const ScalarOp ops[] = {SOP_le, SOP_lt, SOP_ge, SOP_gt, SOP_eq, SOP_ne};
    Expr *y = NULL;
    for (int i = 0; i < LEN(ops); i++) {
        Expr *test = expr_op2(n->ctx, ops[i], x, split);
        Expr *here = E2(eq, mode, expr_const_int(n->ctx, DT_I64, i));
        y = y ? E3(select, here, test, y) : test;
    }
    Expr *nan = E2(and, E2(ne, x, x), E2(ne, missing, expr_const_int(n->ctx, DT_I64, 0)));
    return E2(or, y, nan);
}

static Value *next_nodes(Descent *d, Value *at) {
    OnnxNode *n = d->f->n;
    Ctx *ctx = n->ctx;
    Value *in[] = {at,
                   d->x,
                   d->split,
                   d->column[FEATURE],
                   d->column[YES],
                   d->column[NO],
                   d->column[MODE],
                   d->column[MISSING]};
    Node *c = build_compute_begin(n->g, in, 8, DT_I64, d->dims, 2);
    Expr *v[] = {c->vars[0]->self, c->vars[1]->self};
    Expr *node = expr_cast(ctx, DT_INDEX, expr_load(ctx, c->params[0], v, 2));
    node = expr_bound(ctx, node, ix(n, d->f->nodes.n));
    Expr *feature = expr_cast(ctx, DT_INDEX, look_up(d, c, 3, node));
    Expr *of[] = {v[0], expr_bound(ctx, feature, d->x->type.dims[1])};
    Expr *yes = decide(d, expr_load(ctx, c->params[1], of, 2), look_up(d, c, 2, node),
                       look_up(d, c, 6, node), look_up(d, c, 7, node));
    return build_compute_end(n->g, c,
                             E3(select, yes, look_up(d, c, 4, node), look_up(d, c, 5, node)));
}

/* The leaf of every sample in every tree, as a node: i64[samples, trees]. */
static Value *descend(Descent *d) {
    OnnxNode *n = d->f->n;
    Graph *g = n->g;
    Value *roots = list_ints(n, d->f->roots.at, d->f->roots.n);
    roots = unsqueeze(n, roots, 0);
    roots = roots ? build_expand(g, roots, d->dims, 2) : NULL;
    if (!roots || !d->f->depth) return roots;
    Value *in[] = {graph_const_i(g, DT_I64, d->f->depth), NULL, roots};
    Node *loop = node_draft(g, OP_loop, in, 3, 1);
    Region *region = region_new(g, loop), *outside = g->at;
    Type counter = {.dtype = DT_I64}, flag = {.dtype = DT_BOOL};
    region_arg(g, region, "level", &counter);
    region_arg(g, region, "cond", &flag);
    Value *at = region_arg(g, region, "nodes", &roots->type);
    g->at = region;
    Value *next = next_nodes(d, at);
    if (next) {
        region_result(g, region, graph_const_i(g, DT_BOOL, 1));
        region_result(g, region, next);
    }
    g->at = outside;
    return next && node_finish(g, loop) ? loop->out[0] : NULL;
}

/* ---- scores ---- */

/* [samples, targets]: the weights of the leaves, aggregated over the trees. */
static Value *forest_scores(Forest *f, Value *x) {
    OnnxNode *n = f->n;
    Ctx *ctx = n->ctx;
    int64_t features;
    Descent d = {.f = f, .x = cast_to(n, as_rows(n, x), f->t), .split = split_table(f)};
    if (!d.x) return NULL;
    for (int i = 0; i < f->nodes.n && expr_is_int(d.x->type.dims[1], &features); i++)
        if (f->nodes.at[i].feature < 0 || f->nodes.at[i].feature >= features)
            return bad(n, "feature %lld does not exist", (long long)f->nodes.at[i].feature), NULL;
    d.dims[0] = d.x->type.dims[0];
    d.dims[1] = ix(n, f->roots.n);
    for (int i = 0; i < N_COLUMNS; i++) d.column[i] = node_table(f, (Column)i);
    Value *in[] = {descend(&d), d.column[LEAF], weight_table(f)};
    if (!in[0] || !in[2]) return NULL;
    Expr *dims[] = {d.dims[0], ix(n, f->targets), d.dims[1]};
    Node *c = build_compute_begin(n->g, in, 3, f->t, dims, 3);
    Expr *of[] = {c->vars[0]->self, c->vars[2]->self};
    Expr *node = expr_cast(ctx, DT_INDEX, expr_load(ctx, c->params[0], of, 2));
    Expr *leaf = look_up(&d, c, 1, expr_bound(ctx, node, ix(n, f->nodes.n)));
    Expr *at[] = {expr_bound(ctx, expr_cast(ctx, DT_INDEX, leaf), ix(n, f->leaves)),
                  c->vars[1]->self};
    Value *each = build_compute_end(n->g, c, expr_load(ctx, c->params[2], at, 2));
    Value *y = each ? build_reduce(n->g, each, f->aggregate, (int64_t[]){2}, 1, false) : NULL;
    if (f->average) y = bin(n, SOP_div, y, flt(n, y, f->roots.n));
    if (!strcmp(f->aggregate, "sum")) return y;
    return sel(n, un(n, SOP_isinf, y), num(n, y, 0), y);
}

static void set_aggregate(Forest *f, const char *name) {
    f->average = !strcmp(name, "AVERAGE");
    f->aggregate = !strcmp(name, "MIN") ? "min" : !strcmp(name, "MAX") ? "max" : "sum";
}

static DType forest_type(const Value *x) {
    return x->type.dtype == DT_F64 ? DT_F64 : DT_F32;
}

ONNX_OP_OF(ml, TreeEnsemble, 5) {
    ATTRS("aggregate_function:i leaf_targetids:I! leaf_weights:t! membership_values:t n_targets:i "
          "nodes_falseleafs:I! nodes_falsenodeids:I! nodes_featureids:I! nodes_hitrates:t "
          "nodes_missing_value_tracks_true:I nodes_modes:t! nodes_splits:t! nodes_trueleafs:I! "
          "nodes_truenodeids:I! post_transform:i tree_roots:I!");
    static const char *const aggregates[] = {"AVERAGE", "SUM", "MIN", "MAX"};
    static const char *const posts[] = {"NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"};
    Value *x = need(n, 0, T_FLOAT);
    int64_t how = attr_int(n, "aggregate_function", 1), post = attr_int(n, "post_transform", 0);
    if (!x || !want_rank(n, 0, 1, 2)) return false;
    if (how < 0 || how > 3 || post < 0 || post > 4)
        return bad(n, "aggregate_function or post_transform is unknown");
    Forest f = {.n = n, .t = forest_type(x)};
    set_aggregate(&f, aggregates[how]);
    if (!forest_read(&f)) return false;
    f.targets = MAX(f.targets, attr_int(n, "n_targets", 1));
    Value *y = post_transform(n, forest_scores(&f, x), posts[post]);
    return give(n, 0, cast_to(n, y, x->type.dtype));
}

/* ---- the older operators ---- */

#define TREE_LISTS                                                                                 \
    "base_values:F base_values_as_tensor:t nodes_falsenodeids:I nodes_featureids:I "               \
    "nodes_hitrates:F nodes_hitrates_as_tensor:t nodes_missing_value_tracks_true:I nodes_modes:S " \
    "nodes_nodeids:I nodes_treeids:I nodes_truenodeids:I nodes_values:F nodes_values_as_tensor:t "

/* Adds the base values, one per target or one for all. */
static Value *with_base(Forest *f, Value *y) {
    OnnxNode *n = f->n;
    const float *base;
    int count = attr_floats(n, "base_values", &base);
    if (attr_has(n, "base_values_as_tensor"))
        return bin(n, SOP_add, y,
                   cast_to(n, constant_of(n, attr_tensor(n, "base_values_as_tensor")), f->t));
    if (count <= 0 || !y) return y;
    if (count != f->targets && count != 1)
        return bad(n, "%d base values are given for %lld targets", count, (long long)f->targets),
               NULL;
    return bin(n, SOP_add, y, list_floats(n, base, count, f->t));
}

ONNX_OP_OF(ml, TreeEnsembleRegressor, 1) {
    ATTRS("aggregate_function:s(AVERAGE|SUM|MIN|MAX) n_targets:i " POST_TRANSFORM " " TREE_LISTS
          "target_ids:I target_nodeids:I target_treeids:I target_weights:F "
          "target_weights_as_tensor:t");
    Value *x = need(n, 0, T_NUM);
    if (!x || !want_rank(n, 0, 1, 2)) return false;
    Forest f = {.n = n, .t = forest_type(x)};
    set_aggregate(&f, attr_string(n, "aggregate_function", "SUM"));
    if (!forest_read_lists(&f, "target")) return false;
    f.targets = MAX(f.targets, attr_int(n, "n_targets", 1));
    Value *y = with_base(&f, forest_scores(&f, x));
    y = post_transform(n, y, attr_string(n, "post_transform", "NONE"));
    return give(n, 0, cast_to(n, y, DT_F32));
}

/* Do all weights speak of one class? Then *only is it. */
static bool one_class(const Forest *f, int64_t *only, bool *positive) {
    *positive = true;
    *only = f->weights.n ? f->weights.at[0].target : 0;
    for (int i = 0; i < f->weights.n; i++) {
        if (f->weights.at[i].target != *only) return false;
        *positive = *positive && f->weights.at[i].weight >= 0;
    }
    return f->weights.n > 0;
}

ONNX_OP_OF(ml, TreeEnsembleClassifier, 1) {
    ATTRS("class_ids:I class_nodeids:I class_treeids:I class_weights:F class_weights_as_tensor:t "
          "classlabels_int64s:I classlabels_strings:S " POST_TRANSFORM " " TREE_LISTS);
    Value *x = need(n, 0, T_NUM);
    const int64_t *labels;
    const char *post = attr_string(n, "post_transform", "NONE");
    int count = attr_ints(n, "classlabels_int64s", &labels);
    int64_t only;
    bool positive;
    if (!x || !want_rank(n, 0, 1, 2)) return false;
    if (count < 1)
        return bad(n, "labels that are integers are missing (strings are not supported)");
    Forest f = {.n = n, .t = forest_type(x)};
    set_aggregate(&f, "SUM");
    if (!forest_read_lists(&f, "class")) return false;
    if (f.targets > count)
        return bad(n, "%d labels are given for %lld classes", count, (long long)f.targets);
    bool binary = count == 2 && one_class(&f, &only, &positive), alone = binary && !only;
    f.targets = alone ? 1 : count;
    Value *s = with_base(&f, forest_scores(&f, x)), *at;
    if (!s) return false;
    if (binary) {
        Value *score = alone ? s : build_slice_axis(n->g, s, 1, ix(n, 1), ix(n, 1));
        at = cast_to(n, bin(n, SOP_gt, score, flt(n, s, positive ? 0.5 : 0)), DT_I64);
        at = at ? reshape_to(n, at, at->type.dims, 1) : NULL;
    } else {
        at = build_reduce(n->g, s, "argmax", (int64_t[]){1}, 1, false);
    }
    s = alone ? two_scores(n, s, positive, post) : post_transform(n, s, post);
    return give_labels(n, at, labels, count) && give(n, 1, cast_to(n, s, DT_F32));
}
