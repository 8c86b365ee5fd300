#!/usr/bin/env python3
"""Make the small models of tests/operators: operators, and corners of them, that ONNX's own test
data leaves out. Each has its recorded inputs and outputs.

    python3 tests/operators/make_models.py [NAME...]

Written beside this file, all of it committed:

    models/NAME/model.onnx, models/NAME/test_data_set_0/

Expected outputs are stated here, or come from NumPy or onnx's reference evaluator. Needs numpy and
onnx (tests/requirements.txt). Seeded: the same files every time.
"""

import pathlib
import shutil
import sys
import zlib

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

HERE = pathlib.Path(__file__).parent / "models"
CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


def node(kind, inputs, outputs, **attributes):
    return helper.make_node(kind, inputs.split(" "), outputs.split(" "), **attributes)


def write(path, value):
    path.write_bytes(numpy_helper.from_array(np.asarray(value)).SerializeToString())


def save(name, nodes, inputs, outputs, want=None, opset=20, domain=None, dims=None, constants=None,
         ranks=None):
    """One model. inputs: {name: array}; dims: {name: declared shape} where it is not the array's;
    outputs: names; want: arrays, or None: the reference evaluator is asked; domain: (name, version)
    of a second one; ranks: {output: the rank that it is declared with}."""
    value = lambda k, v: helper.make_tensor_value_info(
        k, helper.np_dtype_to_tensor_dtype(v.dtype), (dims or {}).get(k, v.shape))
    output = lambda k: helper.make_tensor_value_info(
        k, onnx.TensorProto.FLOAT, [None] * ranks[k]) if k in (ranks or {}) \
        else helper.make_empty_tensor_value_info(k)
    inputs = {k: np.asarray(v) for k, v in inputs.items()}
    graph = helper.make_graph(nodes, name, [value(k, v) for k, v in inputs.items()],
                              [output(k) for k in outputs.split()],
                              [numpy_helper.from_array(np.asarray(v), k)
                               for k, v in (constants or {}).items()])
    opsets = [helper.make_opsetid("", opset)] + ([helper.make_opsetid(*domain)] if domain else [])
    proto = helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="onnxcc")
    if want is None:
        want = ReferenceEvaluator(proto).run(None, inputs)
    folder = HERE / name / "test_data_set_0"
    shutil.rmtree(HERE / name, ignore_errors=True)
    folder.mkdir(parents=True)
    onnx.save(proto, HERE / name / "model.onnx")
    for i, v in enumerate(inputs.values()):
        write(folder / f"input_{i}.pb", v)
    for i, v in enumerate(want):
        write(folder / f"output_{i}.pb", v)


def floats(random, *shape):
    return random.standard_normal(shape).astype(np.float32)


def f32(*v):
    return np.array(v, np.float32)


# ---- Fourier transforms ----


def spectrum(x, length, axis, **more):
    y = np.fft.fft(x[..., 0] + (1j * x[..., 1] if x.shape[-1] == 2 else 0), length, axis)
    return [np.stack([y.real, y.imag], -1).astype(x.dtype)]


@case
def dft_prime(random):  # a convolution with a chirp
    x = floats(random, 2, 67, 2)
    save("dft_prime", [node("DFT", "x", "y")], {"x": x}, "y", spectrum(x, 67, 1))


@case
def dft_mixed(random):
    x = floats(random, 60, 3, 1)
    save("dft_mixed", [node("DFT", "x  axis", "y")], {"x": x}, "y", spectrum(x, 60, 0),
         constants={"axis": np.int64(0)})


@case
def dft_symbolic(random):  # padded to a length that the run knows
    x = floats(random, 2, 9, 1)
    save("dft_symbolic", [node("DFT", "x length", "y")], {"x": x, "length": np.int64(11)}, "y",
         spectrum(x, 11, 1), dims={"x": ["N", "L", 1]})


@case
def stft_symbolic(random):
    x, w = floats(random, 1, 31, 1), np.hanning(8).astype(np.float32)
    cut = np.stack([x[0, i:i + 8, 0] * w for i in range(0, 24, 5)])
    y = np.fft.rfft(cut)
    save("stft_symbolic", [node("STFT", "x step w", "y")], {"x": x, "step": np.int64(5), "w": w},
         "y", [np.stack([y.real, y.imag], -1)[None].astype(np.float32)],
         dims={"x": [1, "L", 1], "w": ["W"]})


# ---- random numbers: their moments, and what must hold exactly ----


def moments(name, nodes, want, **more):
    """mean and mean of squares of y, each compared in steps of 1/20"""
    steps = [node("Mul", "y y", "y2"), node("ReduceMean", "y", "m0", keepdims=0),
             node("ReduceMean", "y2", "m1", keepdims=0)]
    for i in range(2):
        steps += [node("Mul", f"m{i} twenty", f"s{i}"), node("Round", f"s{i}", f"r{i}")]
    save(name, nodes + steps, {}, "r0 r1", [np.float32(round(20 * v)) for v in want],
         constants={"twenty": np.float32(20), **more})


def filled(name, value):
    fill = numpy_helper.from_array(np.array([value]))
    return node("ConstantOfShape", "shape", name, value=fill)


@case
def random_normal(_):
    moments("random_normal", [node("RandomNormal", "", "y", shape=[300, 700], mean=1.0, scale=2.0)],
            (1, 5))


@case
def random_uniform_seeded(_):  # 1/3 (a^2 + ab + b^2) for a..b
    moments("random_uniform_seeded",
            [node("RandomUniform", "", "y", shape=[300, 700], low=-1.0, high=3.0, seed=7.0)],
            (1, 7 / 3))


@case
def random_multinomial(_):  # 0, 1, 2 with odds 1 : 2 : 1
    moments("random_multinomial",
            [node("Multinomial", "odds", "k", sample_size=100000, dtype=7, seed=3.0),
             node("Cast", "k", "y", to=1)], (1, 1.5), odds=np.log(f32(1, 2, 1))[None])


@case
def random_bernoulli(_):
    moments("random_bernoulli",
            [filled("p", np.float32(0.3)), node("Bernoulli", "p", "y", seed=1.0)], (0.3, 0.3),
            shape=np.array([400, 400]))


@case
def random_dropout(_):  # half of all, doubled
    moments("random_dropout",
            [filled("ones", np.float32(1)), node("Dropout", "ones  on", "y", seed=5)], (1, 2),
            shape=np.array([400, 400]), on=np.bool_(True))


@case
def random_independent(_):  # two nodes without seeds differ; with the same seed they are equal
    names = "abcd"
    nodes = [node("RandomUniform", "", v, shape=[64], **({} if v < "c" else {"seed": 2.0}))
             for v in names]
    nodes += [node("Equal", "a b", "same"), node("Cast", "same", "count", to=7),
              node("ReduceSum", "count", "n", keepdims=0), node("Sub", "c d", "zero")]
    save("random_independent", nodes, {}, "n zero", [np.int64(0), np.zeros(64, np.float32)])


# ---- detection ----


def boxes(random, batches, n):
    corner, size = random.random((2, batches, n, 2), np.float32)
    return np.concatenate([corner, corner + 0.4 * size], -1)


@case
def nms_symbolic(random):
    save("nms_symbolic", [node("NonMaxSuppression", "b s most iou least", "y")],
         {"b": boxes(random, 2, 12), "s": random.random((2, 3, 12), np.float32),
          "most": np.array([4]), "iou": f32(0.2), "least": f32(0.1)}, "y",
         dims={"b": ["B", "N", 4], "s": ["B", "C", "N"]}, opset=11)


@case
def nms_ties(_):  # equal scores: the first box; no limits but the number
    b = np.tile(f32(0, 0, 1, 1), (1, 3, 1)) + f32(0, 0.5, 5)[None, :, None]
    save("nms_ties", [node("NonMaxSuppression", "b s most", "y")],
         {"b": b, "s": f32(0.5, 0.5, 0.5)[None, None], "most": np.array([9])}, "y",
         [np.array([[0, 0, 0], [0, 0, 2]])], opset=11)


@case
def roi_align_adaptive(random):  # as many samples as a bin has elements
    rois = f32([0.3, 1.2, 7.9, 5.6], [2, 2, 3, 9.5], [-3, -2, 12, 11])
    save("roi_align_adaptive", [node("RoiAlign", "x r i", "y", output_height=2, output_width=3,
                                     spatial_scale=0.9)],
         {"x": floats(random, 2, 2, 10, 9), "r": rois, "i": np.array([0, 1, 0])}, "y", opset=16,
         dims={"x": [2, "C", "H", "W"], "r": ["R", 4], "i": ["R"]})


@case
def max_roi_pool(_):
    x = np.arange(36, dtype=np.float32).reshape(1, 1, 6, 6)
    save("max_roi_pool", [node("MaxRoiPool", "x r", "y", pooled_shape=[2, 2], spatial_scale=0.5)],
         {"x": x, "r": f32([0, 2, 2, 9, 8], [0, 6, 4, 4, 4])}, "y",
         [f32([[[15, 17], [27, 29]]], [[[15, 15], [15, 15]]])], opset=11)


# ---- sets, grams, columns ----


@case
def unique_rows(random):
    x = random.integers(0, 2, (40, 2, 2)).astype(np.int32)
    save("unique_rows", [node("Unique", "x", "y i v c", axis=0)], {"x": x}, "y i v c",
         dims={"x": ["N", 2, "M"]})


@case
def unique_unsorted(_):  # NaN is equal to NaN
    x = f32(2, np.nan, 1, 2, np.nan, -0.0, 0)
    save("unique_unsorted", [node("Unique", "x", "y i v c", sorted=0)], {"x": x}, "y i v c",
         [f32(2, np.nan, 1, -0.0), np.array([0, 1, 2, 5]), np.array([0, 1, 2, 0, 1, 3, 3]),
          np.array([2, 2, 1, 2])])


@case
def unique_empty(_):
    none = np.zeros(0, np.int64)
    save("unique_empty", [node("Unique", "x", "y i v c")], {"x": none}, "y i v c", [none] * 4,
         dims={"x": ["N"]})


@case
def tfidf_weights(_):  # pairs with a gap of up to 1, in rows
    x = np.array([[1, 2, 1, 2, 3], [3, 3, 3, 1, 2]])
    save("tfidf_weights",
         [node("TfIdfVectorizer", "x", "y", mode="TFIDF", min_gram_length=2, max_gram_length=2,
               max_skip_count=1, ngram_counts=[0, 2], ngram_indexes=[3, 0, 1, 2],
               pool_int64s=[1, 3, 1, 2, 3, 3], weights=[1.0, 2.0, 3.0, 4.0])],
         {"x": x}, "y", [f32([0, 6, 0, 0], [0, 3, 12, 0])], dims={"x": ["N", "L"]})


@case
def col2im_3d(random):
    save("col2im_3d", [node("Col2Im", "x image block", "y", pads=[1, 0, 0, 1, 0, 1],
                            strides=[2, 1, 1], dilations=[1, 2, 1])],
         {"x": floats(random, 2, 24, 18)}, "y",
         constants={"image": np.array([5, 4, 3]), "block": np.array([2, 2, 2])})


@case
def deform_conv_groups(random):
    save("deform_conv_groups",
         [node("DeformConv", "x w o b m", "y", group=2, offset_group=2, pads=[1, 1, 1, 1],
               strides=[2, 1])],
         {"x": floats(random, 1, 4, 5, 6), "w": floats(random, 4, 2, 3, 3),
          "o": floats(random, 1, 36, 3, 6), "b": floats(random, 4),
          "m": random.random((1, 18, 3, 6), np.float32)}, "y", dims={"x": ["N", 4, "H", "W"],
                                                                     "o": ["N", 36, "OH", "OW"],
                                                                     "m": ["N", 18, "OH", "OW"]})


@case
def det_batches(random):  # with pivots of 0, and a singular matrix
    x = random.standard_normal((2, 3, 5, 5))
    x[0, 0, 0, 0] = 0
    x[1, 1] = 1
    save("det_batches", [node("Det", "x", "y")], {"x": x}, "y", dims={"x": [2, "B", "N", "N"]})


@case
def resize_antialias_symbolic(random):
    save("resize_antialias_symbolic",
         [node("Resize", "x   s", "y", mode="cubic", antialias=1, axes=[0, 1])],
         {"x": floats(random, 9, 11), "s": np.array([4, 7])}, "y",
         dims={"x": ["H", "W"]})


# ---- training ----


@case
def batch_norm_training(random):
    x, v = floats(random, 3, 2, 4), [floats(random, 2) for _ in range(4)]
    v[3] = np.abs(v[3])
    save("batch_norm_training",
         [node("BatchNormalization", "x s b m v", "y rm rv", training_mode=1, momentum=0.75)],
         dict(zip("xsbmv", [x] + v)), "y rm rv", dims={"x": ["N", 2, "L"]})


# ---- ai.onnx.ml ----


def ml(kind, inputs, outputs, **attributes):
    return node(kind, inputs, outputs, domain="ai.onnx.ml", **attributes)


@case
def ml_features(random):  # missing values, scaling, a length of 1 (and none of 0)
    x = f32([np.nan, 2, 0], [3, np.nan, 4], [0, 0, 0])
    full = np.where(np.isnan(x), f32(7, 8, 9), x)
    scaled = (full - f32(1, 2, 3)) * np.float32(0.5)
    size = np.sqrt((full * full).sum(1, keepdims=True))
    save("ml_features",
         [ml("Imputer", "x", "full", imputed_value_floats=[7.0, 8.0, 9.0],
             replaced_value_float=float("nan")),
          ml("Scaler", "full", "s", offset=[1.0, 2.0, 3.0], scale=[0.5]),
          ml("Normalizer", "full", "n", norm="L2"),
          ml("FeatureVectorizer", "s n", "v", inputdimensions=[3, 3]),
          ml("ArrayFeatureExtractor", "v at", "y")],
         {"x": x}, "v y", [np.hstack([scaled, full / np.where(size, size, 1)]),
                           np.hstack([scaled, full / np.where(size, size, 1)])[:, [5, 0]]],
         domain=("ai.onnx.ml", 3), constants={"at": np.array([5, 0])}, dims={"x": ["N", 3]})


@case
def ml_labels(_):  # a key that is NaN, and one that is not there
    x = f32([3, np.nan], [5, 1])
    save("ml_labels",
         [ml("LabelEncoder", "x", "k", keys_floats=[3.0, float("nan"), 1.0],
             values_int64s=[5, 6, 7], default_int64=-2),
          ml("OneHotEncoder", "k", "y", cats_int64s=[7, 6])], {"x": x}, "k y",
         [np.array([[5, 6], [-2, 7]]), f32([[0, 0], [0, 1]], [[0, 0], [1, 0]])],
         domain=("ai.onnx.ml", 4), dims={"x": ["N", "M"]})


@case
def ml_linear(random):
    x, w = floats(random, 3, 4), floats(random, 2, 4)
    y = np.exp(x @ w.T + f32(0.5, -0.5))
    save("ml_linear", [ml("LinearRegressor", "x", "y", targets=2, coefficients=w.ravel().tolist(),
                          intercepts=[0.5, -0.5], post_transform="SOFTMAX")],
         {"x": x}, "y", [y / y.sum(1, keepdims=True)], domain=("ai.onnx.ml", 1),
         dims={"x": ["N", 4]})


@case
def ml_linear_binary(random):  # scores of one class, logistic
    x, w = floats(random, 5, 3), floats(random, 3)
    s = (x @ w + np.float32(0.25))[:, None]
    save("ml_linear_binary",
         [ml("LinearClassifier", "x", "l y", classlabels_ints=[4, 9], coefficients=w.tolist(),
             intercepts=[0.25], post_transform="LOGISTIC")], {"x": x}, "l y",
         [np.where(s[:, 0] > 0, 9, 4), 1 / (1 + np.exp(np.hstack([s, -s])))],
         domain=("ai.onnx.ml", 1), dims={"x": ["N", 3]})


@case
def ml_support_vectors(random):
    x, v, w = floats(random, 4, 3), floats(random, 5, 3), floats(random, 5)
    k = np.exp(-0.5 * ((x[:, None] - v) ** 2).sum(2))
    save("ml_support_vectors",
         [ml("SVMRegressor", "x", "y", coefficients=w.tolist(), kernel_params=[0.5, 0.0, 0.0],
             kernel_type="RBF", n_supports=5, rho=[0.75], support_vectors=v.ravel().tolist())],
         {"x": x}, "y", [(k @ w + 0.75)[:, None].astype(np.float32)], domain=("ai.onnx.ml", 1),
         dims={"x": ["N", 3]})


# x0 <= 1 ? (x1 > 0 ? leaf 3 : leaf 4) : leaf 2; NaN of x1 goes to leaf 3
TREE = {"nodes_treeids": [0, 0, 0, 0, 0], "nodes_nodeids": [0, 1, 2, 3, 4],
        "nodes_featureids": [0, 1, 0, 0, 0], "nodes_values": [1.0, 0.0, 0.0, 0.0, 0.0],
        "nodes_modes": ["BRANCH_LEQ", "BRANCH_GT", "LEAF", "LEAF", "LEAF"],
        "nodes_truenodeids": [1, 3, 0, 0, 0], "nodes_falsenodeids": [2, 4, 0, 0, 0],
        "nodes_missing_value_tracks_true": [0, 1, 0, 0, 0]}
SAMPLES = f32([0, 1], [0, -1], [2, 5], [1, np.nan])


@case
def ml_tree_regressor(_):
    leaves = {"target_treeids": [0] * 3, "target_nodeids": [2, 3, 4], "target_ids": [0, 1, 0],
              "target_weights": [10.0, 20.0, 30.0]}
    save("ml_tree_regressor",
         [ml("TreeEnsembleRegressor", "x", "y", n_targets=2, base_values=[1.0, 2.0], **TREE,
             **leaves)],
         {"x": SAMPLES}, "y", [f32([1, 22], [31, 2], [11, 2], [1, 22])],
         domain=("ai.onnx.ml", 3), dims={"x": ["N", 2]})


@case
def ml_tree_binary(_):  # scores of one class, logistic
    leaves = {"class_treeids": [0] * 3, "class_nodeids": [2, 3, 4], "class_ids": [0] * 3,
              "class_weights": [-1.0, 0.5, 2.0]}
    s = f32(0.5, 2, -1, 0.5)[:, None]
    save("ml_tree_binary",
         [ml("TreeEnsembleClassifier", "x", "l y", classlabels_int64s=[-5, 5],
             post_transform="LOGISTIC", **TREE, **leaves)],
         {"x": SAMPLES}, "l y",
         [np.array([5, 5, -5, 5]), 1 / (1 + np.exp(np.hstack([s, -s])))],
         domain=("ai.onnx.ml", 3), dims={"x": ["N", 2]})


# ---- derivatives ----


@case
def gradient_network(random):  # sum of log(softmax(x w)) t, by x and w
    x, w, t = floats(random, 3, 4), floats(random, 4, 5), floats(random, 3, 5)
    p = np.exp(x @ w)
    p /= p.sum(1, keepdims=True)
    g = t - p * t.sum(1, keepdims=True)
    save("gradient_network",
         [node("MatMul", "x w", "z"), node("Softmax", "z", "p", axis=-1), node("Log", "p", "l"),
          node("Mul", "l t", "lt"), node("ReduceSum", "lt", "y", keepdims=0),
          node("Gradient", "x w", "dx dw", xs=["x", "w"], y="y",
               domain="ai.onnx.preview.training")],
         {"x": x, "w": w, "t": t}, "dx dw", [g @ w.T, x.T @ g], opset=13,
         domain=("ai.onnx.preview.training", 1), dims={"x": ["N", 4], "t": ["N", 5]})


@case
def gradient_views(_):  # d/dx of sum((pad(slice(x) * c))^2), c broadcast
    x, c = f32([1, 2, 3], [4, 5, 6]), f32([2], [3])
    y = x[:, 1:] * c
    save("gradient_views",
         [node("Slice", "x one nine one", "s"), node("Mul", "s c", "m"), node("Pad", "m p", "q"),
          node("Mul", "q q", "y"),
          node("Gradient", "x c", "dx dc", xs=["x", "c"], y="y",
               domain="ai.onnx.preview.training")],
         {"x": x, "c": c}, "dx dc",
         [np.hstack([np.zeros((2, 1), np.float32), 2 * y * c]),
          (2 * y * x[:, 1:]).sum(1, keepdims=True)],
         opset=13, domain=("ai.onnx.preview.training", 1),
         constants={"one": np.array([1]), "nine": np.array([9]), "p": np.array([0, 1, 0, 2])})


# ---- sizes that only the run knows, where an operator's meaning depends on them ----


@case
def average_same(random):  # the padding depends on the size: nothing or one element, behind alone
    x = floats(random, 2, 3, 5, 6)
    y = np.stack([np.stack([x[..., i:i + 2, j:j + 2].mean((2, 3)) for j in range(0, 6, 2)], -1)
                  for i in range(0, 5, 2)], -2)
    save("average_same",
         [node("AveragePool", "x", "y", auto_pad="SAME_UPPER", kernel_shape=[2, 2],
               strides=[2, 2])], {"x": x}, "y", [y], dims={"x": ["N", 3, "H", "W"]})


@case
def gather_nd_rank(random):  # the output's rank says how long an index is
    x, i = floats(random, 3, 4, 5), np.array([[0, 1], [2, 3], [-1, 0]])
    save("gather_nd_rank", [node("GatherND", "x i", "y")], {"x": x, "i": i}, "y",
         [x[i[:, 0], i[:, 1]]], dims={"x": ["A", "B", "C"], "i": ["N", "D"]}, ranks={"y": 2})


@case
def linear_rule_sizes(random):  # one decay per key element, one rate for all heads
    q, k, v, d, r = (floats(random, 2, 3, s) for s in (12, 6, 8, 6, 1))
    save("linear_rule_sizes",
         [node("LinearAttention", "q k v  d r", "y", q_num_heads=4, kv_num_heads=2)],
         {"q": q, "k": k, "v": v, "d": -abs(d), "r": 1 / (1 + np.exp(-r))}, "y", opset=27,
         dims={"q": ["B", "T", "Q"], "k": ["B", "T", "K"], "v": ["B", "T", "V"],
               "d": ["B", "T", "D"], "r": ["B", "T", "R"]})


def main():
    for name in sys.argv[1:] or CASES:
        CASES[name](np.random.default_rng(zlib.crc32(name.encode())))


if __name__ == "__main__":
    main()
