/* Trees from attributes: of TreeEnsemble, and of the older operators (trees.h). */
#include "frontend/ops/trees.h"

#include <math.h>

static const char *attr_name(Forest *f, const char *prefix, const char *rest) {
    return arena_printf(f->n->ctx->perm, "%s_%s", prefix, rest);
}

/* A list of ints with `count` elements (-1: any number). NULL: absent, or reported (*ok false). */
static const int64_t *int_list(Forest *f, const char *name, int *count, bool *ok) {
    const int64_t *v;
    int given = attr_ints(f->n, name, &v);
    if (given < 0) return NULL;
    if (*count < 0) *count = given;
    if (given == *count) return v;
    *ok = bad(f->n, "attribute \"%s\" has %d elements, %d expected", name, given, *count);
    return NULL;
}

/* A list of numbers: attribute NAME (floats), or NAME_as_tensor, or a tensor NAME. */
static double *number_list(Forest *f, const char *name, bool tensor, int count, bool *ok) {
    OnnxNode *n = f->n;
    const char *as_tensor = tensor ? name : attr_name(f, name, "as_tensor");
    const float *list;
    int given = tensor ? -1 : attr_floats(n, name, &list);
    double *out = NEW_ARRAY(n->ctx->perm, double, count + 1);
    if (given < 0 && !attr_has(n, as_tensor)) return NULL;
    if (given < 0) {
        Value *v = constant_of(n, attr_tensor(n, as_tensor));
        if (!v || v->data->elements != count) {
            *ok = bad(n, "attribute \"%s\" must have %d elements", as_tensor, count);
            return NULL;
        }
        if (v->type.dtype == DT_F64) f->t = DT_F64;
        for (int i = 0; i < count; i++) out[i] = const_get(v->data, i);
        return out;
    }
    if (given != count)
        *ok = bad(n, "attribute \"%s\" has %d elements, %d expected", name, given, count);
    for (int i = 0; i < MIN(given, count); i++) out[i] = (double)list[i];
    return out;
}

static int64_t add_leaf(Forest *f) {
    int64_t id = f->nodes.n;
    TreeNode leaf = {.yes = id, .no = id, .mode = TREE_LEAF, .leaf = f->leaves++};
    vec_push(f->n->ctx->perm, &f->nodes, leaf);
    return id;
}

static void add_weight(Forest *f, int64_t leaf, int64_t target, double weight) {
    TreeWeight w = {leaf, target, weight};
    vec_push(f->n->ctx->perm, &f->weights, w);
    f->targets = MAX(f->targets, target + 1);
}

/* ---- the check ---- */

bool forest_check(Forest *f) {
    Arena *perm = f->n->ctx->perm;
    int64_t count = f->nodes.n, n_queue = 0;
    int64_t *level = NEW_ARRAY(perm, int64_t, count + 1),
            *queue = NEW_ARRAY(perm, int64_t, count + 1);
    if (!f->roots.n) return bad(f->n, "there are no trees");
    for (int64_t i = 0; i < count; i++) level[i] = -1;
    for (int i = 0; i < f->roots.n; i++) {
        int64_t root = f->roots.at[i];
        if (root < 0 || root >= count)
            return bad(f->n, "root %lld does not exist", (long long)root);
        if (level[root] >= 0)
            return bad(f->n, "node %lld is the root of two trees", (long long)root);
        level[root] = 0;
        queue[n_queue++] = root;
    }
    for (int64_t i = 0; i < n_queue; i++) {
        const TreeNode *t = &f->nodes.at[queue[i]];
        f->depth = MAX(f->depth, level[queue[i]]);
        for (int side = 0; side < 2 && t->mode != TREE_LEAF; side++) {
            int64_t child = side ? t->no : t->yes;
            if (child < 0 || child >= count)
                return bad(f->n, "node %lld does not exist", (long long)child);
            bool leaf = f->nodes.at[child].mode == TREE_LEAF, seen = level[child] >= 0;
            if (seen && !leaf) return bad(f->n, "node %lld has two parents", (long long)child);
            level[child] = MAX(level[child], level[queue[i]] + 1);
            f->depth = MAX(f->depth, level[child]);
            if (!seen) queue[n_queue++] = child;
        }
    }
    return true;
}

/* ---- TreeEnsemble ---- */

/* Tests for the members of a set become a chain of comparisons. *at: the next member. */
static void expand_members(Forest *f, int64_t id, const double *members, int count, int *at) {
    TreeNode first = f->nodes.at[id];
    int64_t last = id;
    bool any = false;
    for (; *at < count && !isnan(members[*at]); ++*at) {
        TreeNode next = first;
        next.mode = TREE_EQ;
        next.split = members[*at];
        if (any) {
            int64_t more = f->nodes.n;
            vec_push(f->n->ctx->perm, &f->nodes, next);
            f->nodes.at[last].no = more;
            last = more;
        } else {
            f->nodes.at[id] = next;
        }
        any = true;
    }
    ++*at;
    if (any) return;
    f->nodes.at[id].mode = TREE_LT; /* of no set anything is a member */
    f->nodes.at[id].split = -INFINITY;
}

static bool read_decisions(Forest *f, int *count) {
    OnnxNode *n = f->n;
    bool ok = true;
    *count = -1;
    const int64_t *feature = int_list(f, "nodes_featureids", count, &ok);
    const int64_t *yes = int_list(f, "nodes_truenodeids", count, &ok);
    const int64_t *no = int_list(f, "nodes_falsenodeids", count, &ok);
    const int64_t *yes_leaf = int_list(f, "nodes_trueleafs", count, &ok);
    const int64_t *no_leaf = int_list(f, "nodes_falseleafs", count, &ok);
    const int64_t *missing = int_list(f, "nodes_missing_value_tracks_true", count, &ok);
    double *split = ok ? number_list(f, "nodes_splits", true, *count, &ok) : NULL;
    double *mode = ok ? number_list(f, "nodes_modes", true, *count, &ok) : NULL;
    if (!ok) return false;
    if (!split || !mode) return bad(n, "nodes_splits or nodes_modes is empty");
    for (int i = 0; i < *count; i++) {
        if (!(mode[i] >= 0 && mode[i] <= TREE_MEMBER)) return bad(n, "mode %g is unknown", mode[i]);
        TreeNode t = {.feature = feature[i],
                      .yes = yes[i] + (yes_leaf[i] ? *count : 0),
                      .no = no[i] + (no_leaf[i] ? *count : 0),
                      .split = split[i],
                      .mode = (int)mode[i],
                      .missing_is_true = missing && missing[i],
                      .leaf = -1};
        vec_push(n->ctx->perm, &f->nodes, t);
    }
    return true;
}

bool forest_read(Forest *f) {
    OnnxNode *n = f->n;
    int count, n_leaves = -1, n_roots = -1, n_members = 0, at = 0;
    bool ok = true;
    const int64_t *roots = int_list(f, "tree_roots", &n_roots, &ok);
    const int64_t *target = int_list(f, "leaf_targetids", &n_leaves, &ok);
    double *weight = ok ? number_list(f, "leaf_weights", true, n_leaves, &ok) : NULL,
           *members = NULL;
    if (!ok || !read_decisions(f, &count)) return false;
    for (int i = 0; i < n_leaves; i++) {
        if (target[i] < 0 || target[i] > INT32_MAX)
            return bad(n, "a target is negative, or too large");
        add_weight(f, i, target[i], weight ? weight[i] : 0);
        add_leaf(f);
    }
    if (attr_has(n, "membership_values")) {
        Value *v = constant_of(n, attr_tensor(n, "membership_values"));
        if (!v || v->data->elements > INT32_MAX) return false;
        n_members = (int)v->data->elements;
        members = number_list(f, "membership_values", true, n_members, &ok);
    }
    for (int i = 0; i < count; i++)
        if (f->nodes.at[i].mode == TREE_MEMBER) expand_members(f, i, members, n_members, &at);
    for (int i = 0; i < n_roots; i++) vec_push(n->ctx->perm, &f->roots, roots[i]);
    return ok && forest_check(f);
}

/* ---- the older operators ---- */

static const char *node_key(Forest *f, int64_t tree, int64_t id) {
    return arena_printf(f->n->ctx->perm, "%lld:%lld", (long long)tree, (long long)id);
}

/* The node's position plus 1, as the map stores it; 0: there is none. */
static intptr_t node_at(Forest *f, Map *map, int64_t tree, int64_t id) {
    return (intptr_t)map_get(map, node_key(f, tree, id));
}

static int mode_named(const char *s) {
    static const char *const names[] = {"BRANCH_LEQ", "BRANCH_LT",  "BRANCH_GTE", "BRANCH_GT",
                                        "BRANCH_EQ",  "BRANCH_NEQ", "",           "LEAF"};
    for (int i = 0; i < LEN(names); i++)
        if (*names[i] && !strcmp(s, names[i])) return i;
    return -1;
}

typedef struct Lists { /* the attributes nodes_* */
    int count;
    const int64_t *tree, *id, *feature, *yes, *no, *missing;
    double *value;
} Lists;

static bool read_lists(Forest *f, Lists *l) {
    bool ok = true;
    l->count = -1;
    l->tree = int_list(f, "nodes_treeids", &l->count, &ok);
    l->id = int_list(f, "nodes_nodeids", &l->count, &ok);
    l->feature = int_list(f, "nodes_featureids", &l->count, &ok);
    l->yes = int_list(f, "nodes_truenodeids", &l->count, &ok);
    l->no = int_list(f, "nodes_falsenodeids", &l->count, &ok);
    l->missing = int_list(f, "nodes_missing_value_tracks_true", &l->count, &ok);
    if (!ok) return false;
    l->value = number_list(f, "nodes_values", false, MAX(l->count, 0), &ok);
    bool all = l->tree && l->id && l->feature && l->yes && l->no && l->value;
    if (!all || attr_strings(f->n, "nodes_modes") != l->count)
        return ok && bad(f->n, "the lists nodes_* are incomplete");
    return ok;
}

/* Nodes with children as positions; what is nobody's child is a root. */
static bool link_nodes(Forest *f, const Lists *l, Map *map) {
    OnnxNode *n = f->n;
    bool *child = NEW_ARRAY(n->ctx->perm, bool, l->count + 1);
    for (int i = 0; i < l->count; i++)
        map_set(map, node_key(f, l->tree[i], l->id[i]), (void *)(intptr_t)(i + 1));
    for (int i = 0; i < l->count; i++) {
        int mode = mode_named(attr_string_at(n, "nodes_modes", i));
        if (mode < 0) return bad(n, "a mode of node %d is unknown", i);
        TreeNode t = {.feature = l->feature[i],
                      .split = l->value[i],
                      .mode = mode,
                      .yes = i,
                      .no = i,
                      .missing_is_true = l->missing && l->missing[i],
                      .leaf = -1};
        if (mode == TREE_LEAF) t.leaf = f->leaves++;
        intptr_t yes = node_at(f, map, l->tree[i], l->yes[i]),
                 no = node_at(f, map, l->tree[i], l->no[i]);
        if (mode != TREE_LEAF) {
            if (!yes || !no) return bad(n, "node %d has a child that does not exist", i);
            t.yes = yes - 1;
            t.no = no - 1;
            child[yes - 1] = child[no - 1] = true;
        }
        vec_push(n->ctx->perm, &f->nodes, t);
    }
    for (int i = 0; i < l->count; i++)
        if (!child[i]) vec_push(n->ctx->perm, &f->roots, (int64_t)i);
    return true;
}

bool forest_read_lists(Forest *f, const char *prefix) {
    OnnxNode *n = f->n;
    Map *map = map_new(n->ctx->perm);
    Lists l = {0};
    int count = -1;
    bool ok = true;
    if (!read_lists(f, &l) || !link_nodes(f, &l, map)) return false;
    const int64_t *tree = int_list(f, attr_name(f, prefix, "treeids"), &count, &ok);
    const int64_t *id = int_list(f, attr_name(f, prefix, "nodeids"), &count, &ok);
    const int64_t *target = int_list(f, attr_name(f, prefix, "ids"), &count, &ok);
    if (!ok || count < 0) return ok && bad(n, "the lists %s_* are missing", prefix);
    double *weight = number_list(f, attr_name(f, prefix, "weights"), false, count, &ok);
    if (!tree || !id || !target || !weight)
        return ok && bad(n, "the lists %s_* are incomplete", prefix);
    for (int i = 0; i < count; i++) {
        intptr_t at = node_at(f, map, tree[i], id[i]);
        if (!at || f->nodes.at[at - 1].mode != TREE_LEAF)
            return bad(n, "weight %d belongs to no leaf", i);
        if (target[i] < 0 || target[i] > INT32_MAX)
            return bad(n, "a target is negative, or too large");
        add_weight(f, f->nodes.at[at - 1].leaf, target[i], weight[i]);
    }
    return ok && forest_check(f);
}
