"""Operators of ai.onnx.ml."""

import numpy as np
from onnx import TensorProto, helper

from random_graph import F32, FLOATS, I32, I64, STRING, is_float
from steps.registry import makes

TRANSFORMS = ["NONE", "LOGISTIC", "SOFTMAX"]


def features(g, op, types=None, count=None, rank=2):
    """[N, features]."""
    types = types or [t for t in g.types(op, 0, "ml") if is_float(t) or t in (I32, I64)]
    fit = [n for n in g.values if g.fits(n, (rank,), types, 1, -100, 100) and n not in g.constants]
    if fit and count is None and g.chance(0.4):
        return g.choose(fit)
    shape = [g.choose([1, 3, 5]), count or g.choose([1, 2, 4])]
    return g.input(g.random(shape[-rank:], g.choose(types), -9, 9))


def ml(g, op, inputs, outputs=1, **attributes):
    return g.node(op, inputs, outputs, "ml", **attributes)


def numbers(g, n):
    return [round(float(v), 3) for v in g.np.standard_normal(n)]


@makes("ArrayFeatureExtractor", "ml")
def array_features(g, op):
    x = features(g, op)
    at = g.np.integers(0, g.shape(x)[1], g.choose([1, 2, 3]))
    return ml(g, op, [x, g.param(at.reshape(1, -1))])


@makes("Binarizer", "ml")
def binarizer(g, op):
    return ml(g, op, [features(g, op)], threshold=g.maybe(0.3))


@makes("FeatureVectorizer", "ml")
def feature_vectorizer(g, op):
    sizes = [g.choose([1, 2, 4]), 2]
    dtype, n = g.choose([F32, I64, I32]), g.choose([1, 3, 5])
    x = [g.input(g.random([n, k], dtype, -9, 9), fixed=True) for k in sizes]
    return ml(g, op, x, inputdimensions=sizes)


@makes("Imputer", "ml")
def imputer(g, op):
    x = features(g, op)
    n = g.choose([1, g.shape(x)[1]])
    if is_float(g.dtype(x)):
        return ml(g, op, [x], imputed_value_floats=numbers(g, n), replaced_value_float=2.0)
    return ml(g, op, [x], imputed_value_int64s=list(range(n)), replaced_value_int64=2)


@makes("Scaler", "ml")
def scaler(g, op):
    x = features(g, op)
    n = g.choose([1, g.shape(x)[1]])
    return ml(g, op, [x], scale=numbers(g, n), offset=numbers(g, n))


@makes("Normalizer", "ml")
def normalizer(g, op):
    return ml(g, op, [features(g, op)], norm=g.choose(["MAX", "L1", "L2"]))


@makes("OneHotEncoder", "ml")
def one_hot_encoder(g, op):
    x = g.input(g.random(g.choose([[3], [2, 3]]), g.choose([I64, I32, F32]), 0, 4))
    if is_float(g.dtype(x)):
        g.values[x] = np.round(g.values[x])
    return ml(g, op, [x], cats_int64s=[3, 1, 0], zeros=1)


@makes("LinearRegressor", "ml")
def linear_regressor(g, op):
    x = features(g, op, [F32])
    targets = g.choose([1, 2, 3])
    return ml(g, op, [x], coefficients=numbers(g, targets * g.shape(x)[1]), targets=targets,
              intercepts=g.maybe(numbers(g, targets)), post_transform=g.maybe("NONE"))


@makes("LinearClassifier", "ml")
def linear_classifier(g, op):
    x = features(g, op, [F32])
    classes = g.choose([2, 3])
    return ml(g, op, [x], 2, coefficients=numbers(g, classes * g.shape(x)[1]),
              intercepts=numbers(g, classes), classlabels_ints=[4, 9, -1][:classes],
              post_transform=g.choose(TRANSFORMS), multi_class=0)


@makes("SVMRegressor", "ml")
def svm_regressor(g, op):
    x = features(g, op, [F32])
    n = g.choose([1, 3])
    kind = g.choose(["LINEAR", "POLY", "RBF", "SIGMOID"])
    return ml(g, op, [x], coefficients=numbers(g, n), kernel_type=kind, n_supports=n,
              kernel_params=[0.02, 0.5, 2.0], rho=[0.75],
              support_vectors=numbers(g, n * g.shape(x)[1]))


def grow(g, depth, columns, rows):
    """A random tree in lists; the number of its root."""
    at = len(rows)
    rows.append(None)
    if depth == 0 or g.chance(0.2):
        rows[at] = ("LEAF", 0, 0.0, 0, 0)
        return at
    test = g.choose(["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ",
                     "BRANCH_NEQ"]) if g.chance(0.3) else "BRANCH_LEQ"
    yes, no = grow(g, depth - 1, columns, rows), grow(g, depth - 1, columns, rows)
    rows[at] = (test, g.rng.randrange(columns), float(g.rng.randint(-5, 5)) + 0.5, yes, no)
    return at


def forest(g, columns):
    """(the nodes_* attributes, [(tree, node)] of all leaves). Leaves get weights for all targets:
    ONNX Runtime takes no base value, and no class, where no leaf names them."""
    lists = {k: [] for k in ("treeids", "nodeids", "modes", "featureids", "values", "truenodeids",
                             "falsenodeids")}
    leaves = []
    for tree in range(g.choose([1, 2, 3])):
        rows = []
        grow(g, g.choose([1, 2, 3]), columns, rows)
        for i, (mode, feature, value, yes, no) in enumerate(rows):
            for key, v in zip(lists, (tree, i, mode, feature, value, yes, no)):
                lists[key].append(v)
            if mode == "LEAF":
                leaves.append((tree, i))
    return {f"nodes_{k}": v for k, v in lists.items()}, leaves


@makes("TreeEnsembleRegressor", "ml")
def tree_regressor(g, op):
    x = features(g, op, [F32])
    nodes, leaves = forest(g, g.shape(x)[1])
    targets = g.choose([1, 2])
    each = [(t, i, k) for t, i in leaves for k in range(targets)]
    more = {"aggregate_function": g.maybe(g.choose(["SUM", "AVERAGE", "MIN", "MAX"]))}
    return ml(g, op, [x], n_targets=targets, target_treeids=[t for t, _, _ in each],
              target_nodeids=[i for _, i, _ in each], target_weights=numbers(g, len(each)),
              target_ids=[k for _, _, k in each],
              base_values=g.maybe(numbers(g, targets)), **nodes, **more)


@makes("TreeEnsembleClassifier", "ml")
def tree_classifier(g, op):
    x = features(g, op, [F32])
    nodes, leaves = forest(g, g.shape(x)[1])
    classes = g.choose([2, 3])
    each = [(t, i, c) for t, i in leaves for c in (range(classes) if classes > 2 else [0])]
    return ml(g, op, [x], 2, class_treeids=[t for t, _, _ in each],
              class_nodeids=[i for _, i, _ in each], class_weights=numbers(g, len(each)),
              class_ids=[c for _, _, c in each], classlabels_int64s=[4, 9, -1][:classes],
              post_transform=g.choose(TRANSFORMS) if classes > 2 else "NONE", **nodes)


@makes("TreeEnsemble", "ml")
def tree_ensemble(g, op):
    dtype = g.choose(FLOATS[:2])
    x = features(g, op, [dtype])
    inner, n = g.choose([1, 3]), g.shape(x)[1]
    code = TensorProto.FLOAT if dtype == F32 else TensorProto.DOUBLE
    values = lambda k: helper.make_tensor("v", code, [k], numbers(g, k))
    # node i goes to node i + 1 or to leaf i; the last one to two leaves
    last = inner - 1
    modes = helper.make_tensor("m", TensorProto.UINT8, [inner],
                               [g.rng.randrange(6) for _ in range(inner)])
    return ml(g, op, [x], n_targets=2, tree_roots=[0], nodes_modes=modes,
              nodes_featureids=[g.rng.randrange(n) for _ in range(inner)],
              nodes_splits=values(inner), leaf_weights=values(inner + 1),
              nodes_truenodeids=[i + 1 if i < last else last for i in range(inner)],
              nodes_trueleafs=[int(i == last) for i in range(inner)],
              nodes_falsenodeids=[i if i < last else last + 1 for i in range(inner)],
              nodes_falseleafs=[1] * inner,
              leaf_targetids=[g.rng.randrange(2) for _ in range(inner + 1)],
              aggregate_function=g.choose([0, 1, 2, 3]), post_transform=0)


@makes("LabelEncoder", "ml")
def label_encoder(g, op):
    kinds = {"int64s": (I64, [4, 9, -1]), "floats": (F32, [0.5, 2.0, 3.0]),
             "strings": (STRING, ["a", "tree", "b"])}
    key, value = g.rng.sample(list(kinds), 2)
    if g.chance(0.2) and key != "floats":
        value = key
    dtype, keys = kinds[key]
    x = g.random(g.choose([[3], [2, 2], [4]]), dtype)
    where = g.np.random(x.shape) < 0.7
    x[where] = g.np.choice(np.array(keys, dtype), x.shape)[where]
    default = {"int64s": {"default_int64": -7}, "floats": {"default_float": 0.25},
               "strings": {"default_string": "none"}}[value]
    return ml(g, op, [g.input(x)], **{f"keys_{key}": keys, f"values_{value}": kinds[value][1]},
              **(g.maybe(default) or {}))
