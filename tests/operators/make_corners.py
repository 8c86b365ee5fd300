#!/usr/bin/env python3
"""Make more small models of tests/operators: corners that random graphs (tests/fuzz) led to.

    python3 tests/operators/make_corners.py [NAME...]

Written and read as make_models.py says.
"""

import numpy as np
import onnx

import make_models
from make_models import case, f32, floats, ml, node, save

make_models.CASES.clear()
WORDS = np.array([["a", "b", "tree"], ["", "two words", "b"]], object)


# ---- strings ----


@case
def strings_constant_output(_):
    words = np.array(["a", "b"], object)
    save("strings_constant_output",
         [node("Constant", "", "w", value_strings=["a", "b"]), node("Identity", "x", "y")],
         {"x": f32(1, 2)}, "w y", [words, f32(1, 2)])


@case
def strings_views(_):  # more than one axis
    save("strings_views",
         [node("Reshape", "x s", "r"), node("Transpose", "x", "t", perm=[1, 0]),
          node("Gather", "x i", "g", axis=1)], {"x": WORDS}, "r t g",
         [WORDS.reshape(3, 2), WORDS.T, WORDS[:, [2, 0]]],
         constants={"s": np.array([3, 2]), "i": np.array([2, 0])}, dims={"x": ["N", "M"]})


@case
def tfidf_strings(_):  # a word twice in the pool, one that is not there, pairs with a gap
    save("tfidf_strings",
         [node("TfIdfVectorizer", "x", "y", mode="TF", min_gram_length=1, max_gram_length=2,
               max_skip_count=1, ngram_counts=[0, 2], ngram_indexes=[0, 1, 3, 2],
               pool_strings=["b", "tree", "a", "b", "b", "tree"])],
         {"x": np.array([["a", "b", "b", "tree"], ["tree", "a", "x", "b"]], object)}, "y",
         [f32([2, 1, 2, 2], [1, 1, 0, 1])], dims={"x": ["N", "L"]})


# ---- parts of tensors ----


@case
def slice_bounds_of_run(_):  # the greatest and the least number, and starts in front of the axis
    x = np.arange(12, dtype=np.float32).reshape(2, 6)
    far = np.iinfo(np.int64)
    save("slice_bounds_of_run",
         [node("Slice", "x a b one", "y"), node("Slice", "x b a one minus", "z"),
          node("Slice", "x front least one minus", "w")],
         {"x": x, "a": np.array([far.min]), "b": np.array([far.max])}, "y z w",
         [x, x[:, ::-1], x[:, :1]], dims={"x": ["N", "M"]},
         constants={"one": np.array([1]), "minus": np.array([-1]), "front": np.array([-8]),
                    "least": np.array([far.min])})


@case
def pad_wrap_cut(_):  # cut first: what is cut off does not come back on the other side
    x = np.arange(8, dtype=np.float32).reshape(2, 4)
    save("pad_wrap_cut",
         [node("Pad", "x p", "y", mode="wrap"), node("Pad", "x q", "z", mode="wrap")],
         {"x": x, "q": np.array([0, -1, 0, 4])}, "y z",
         [x[:, [2, 0, 1, 2]], x[:, [1, 2, 3, 1, 2, 3, 1]]],
         constants={"p": np.array([0, 1, 0, -1])}, dims={"x": ["N", "M"]}, opset=21)


@case
def pad_longest(_):  # numbers that no double holds
    x, most = np.array([3, -4]), 2**63 - 1
    save("pad_longest", [node("Pad", "x p c", "y")], {"x": x}, "y", [np.array([most, 3, -4])],
         constants={"p": np.array([1, 0]), "c": np.array(most)}, dims={"x": ["N"]}, opset=21)


@case
def reshape_run(_):  # the shape only the run knows, and with it the sizes of an input
    x = np.arange(6, dtype=np.int32)
    save("reshape_run", [node("Reshape", "x s", "y"), node("Neg", "x", "z")],
         {"x": x, "s": np.array([3, 2])}, "y z", [x.reshape(3, 2), -x], dims={"x": ["N"]})


@case
def sizes_of_data(_):  # numbers of what is found, of a shape, of rounds, where 3 are needed
    item = lambda name, t, shape: onnx.helper.make_tensor_value_info(name, t, shape)
    kinds = onnx.TensorProto
    body = onnx.helper.make_graph(
        [node("Less", "i n", "more"), node("Identity", "a", "b"), node("Neg", "a", "each")], "body",
        [item("i", kinds.INT64, []), item("go", kinds.BOOL, []), item("a", kinds.FLOAT, [1])],
        [item("more", kinds.BOOL, []), item("b", kinds.FLOAT, [1]), item("each", kinds.FLOAT, [1])])
    save("sizes_of_data",
         [node("NonZero", "m", "at"), node("Cast", "at", "f", to=1), node("MatMul", "f w", "found"),
          node("Expand", "x s", "e"), node("MatMul", "e w", "spread"),
          node("Loop", " go x", "last all", body=body), node("Gemm", "all w", "looped", transA=1)],
         {"m": np.array([1, 0, 1, 0, 0, 1, 0, 0], bool), "s": np.array([2, 3]), "n": np.array(2),
          "go": np.array(True), "x": f32(2)}, "found spread last looped",
         [f32([7, 14]), f32([6, 12], [6, 12]), f32(2), f32([-6, -12])],
         constants={"w": f32([1, 2], [1, 2], [1, 2])})


# ---- windows and samples ----


@case
def max_pool_positions(_):  # elements that are as small as the type allows, beside padding
    x = np.array([[[0, 0, 1, 0]]], np.uint8)
    save("max_pool_positions", [node("MaxPool", "x", "y i", kernel_shape=[2], pads=[1, 1])],
         {"x": x}, "y i", [np.array([[[0, 0, 1, 1, 0]]], np.uint8), np.array([[[0, 0, 2, 2, 3]]])],
         dims={"x": ["N", 1, "L"]})


@case
def grid_sample_border_cubic(random):  # half an element beyond the outer ones, and farther out
    grid = f32([-0.99, 0.3], [0.2, 0.98], [-1.3, 0.5], [0.1, 1.2])[None, None]
    save("grid_sample_border_cubic",
         [node("GridSample", "x g", "y", mode="cubic", padding_mode="border")],
         {"x": floats(random, 1, 2, 4, 5), "g": grid}, "y")


@case
def resize_scale_symbolic(random):
    x = floats(random, 1, 2, 3, 5)
    save("resize_scale_symbolic",
         [node("Resize", "x  s", "y", mode="nearest", coordinate_transformation_mode="asymmetric",
               nearest_mode="floor")], {"x": x}, "y",
         [x[:, :, [0, 0, 1, 2]][..., [0, 1, 2]]], constants={"s": f32(1, 1, 1.5, 0.75)},
         dims={"x": ["N", 2, "H", "W"]})


@case
def resize_antialias_integers(_):  # rounded, halves away from 0
    x = np.array([0, 1, 5, 2, 9, 100], np.int32)
    y = np.array([0, 1, 1, 4, 4, 3, 4, 8, 42, 92, 100], np.int32)
    save("resize_antialias_integers",
         [node("Resize", f"{v}   s", f"{v}y", mode="linear", antialias=1,
               coordinate_transformation_mode="asymmetric") for v in "ab"],
         {"a": x, "b": -x}, "ay by", [y, -y], constants={"s": np.array([11])}, opset=19)


@case
def max_roi_pool_symbolic(_):
    x = np.arange(36, dtype=np.float32).reshape(1, 1, 6, 6)
    save("max_roi_pool_symbolic", [node("MaxRoiPool", "x r", "y", pooled_shape=[1, 2])],
         {"x": x, "r": f32([0, 1, 1, 4, 3])}, "y", [f32([[[20, 22]]])], opset=11,
         dims={"r": ["R", "K"]})


@case
def mean_variance_f16(_):  # rows of nearly equal elements: no variance below 0
    x = (np.float16(1.5) + np.arange(8, dtype=np.float16).reshape(2, 4) % 2 / 1024)
    wide = x.astype(np.float32)
    mean = wide.mean(1, keepdims=True)
    y = (wide - mean) / (wide.std(1, keepdims=True) + 1e-9)
    save("mean_variance_f16", [node("MeanVarianceNormalization", "x", "y", axes=[1])],
         {"x": x}, "y", [y.astype(np.float16)], opset=13, dims={"x": ["N", "M"]})


# ---- integers ----


@case
def integer_roots(_):  # taken in f64, and cut off
    x = np.array([[3, 4, 1], [8, 6, 2]], np.int32)
    both = [np.trunc(v).astype(np.int32) for v in
            (np.sqrt((x * x).sum(1)), np.log(x.sum(1)), np.log(np.exp(x.astype(float)).sum(1)))]
    save("integer_roots",
         [node(f"Reduce{k}", "x", k, axes=[1], keepdims=0) for k in ("L2", "LogSum", "LogSumExp")]
         + [node("Erf", "e", "f")], {"x": x, "e": np.array([-9, 0, 1, 9])}, "L2 LogSum LogSumExp f",
         [*both, np.array([-1, 0, 0, 1])], opset=13)


@case
def dynamic_quantize_zeros(_):  # nothing to scale by
    save("dynamic_quantize_zeros", [node("DynamicQuantizeLinear", "x", "y s z")],
         {"x": np.zeros((2, 3), np.float32)}, "y s z",
         [np.zeros((2, 3), np.uint8), np.float32(1), np.uint8(0)])


# ---- sizes that must agree ----


@case
def loss_sizes(random):
    x, t = floats(random, 4, 3), np.array([2, 0, 1, 1])
    save("loss_sizes", [node("NegativeLogLikelihoodLoss", "x t", "y", reduction="none")],
         {"x": x, "t": t}, "y", [-x[np.arange(4), t]], opset=13, dims={"x": ["N", 3], "t": ["M"]})


@case
def gather_sizes(random):  # beside the axis, no more indices than data
    x, i = floats(random, 3, 4), np.array([[3, 0], [1, 1], [2, 3]])
    save("gather_sizes", [node("GatherElements", "x i", "y", axis=1)], {"x": x, "i": i}, "y",
         [np.take_along_axis(x, i, 1)], opset=13, dims={"x": ["N", 4], "i": ["M", 2]})


@case
def gather_nd_sizes(random):  # as many rows of indices as batches
    x, i = floats(random, 2, 3), np.array([[2], [0]])
    save("gather_nd_sizes", [node("GatherND", "x i", "y", batch_dims=1)], {"x": x, "i": i}, "y",
         [np.array([x[0, 2], x[1, 0]])], opset=13, dims={"x": ["N", 3], "i": ["M", 1]})


@case
def grid_sizes(random):  # a grid for each image
    x, grid = floats(random, 2, 1, 2, 2), np.full((2, 1, 1, 2), -1, np.float32)
    save("grid_sizes", [node("GridSample", "x grid", "y", align_corners=1)],
         {"x": x, "grid": grid}, "y", [x[:, :, :1, :1]], opset=20,
         dims={"x": ["N", 1, 2, 2], "grid": ["M", 1, 1, 2]})


@case
def roi_sizes(_):  # an image for each region
    x, rois = np.ones((1, 1, 4, 4), np.float32), f32([0, 0, 3, 3], [1, 1, 2, 2])
    save("roi_sizes", [node("RoiAlign", "x rois at", "y", output_height=1, output_width=1,
                            sampling_ratio=1)],
         {"x": x, "rois": rois, "at": np.array([0, 0])}, "y", [np.ones((2, 1, 1, 1), np.float32)],
         dims={"rois": ["N", 4], "at": ["M"]})


@case
def head_sizes(random):  # as many query heads for each key head
    q, k, v = (floats(random, 1, h, 3, 4) for h in (4, 2, 2))
    save("head_sizes", [node("Attention", "q k v", "y")], {"q": q, "k": k, "v": v}, "y", opset=23,
         dims={"q": [1, "N", 3, 4], "k": [1, "M", 3, 4], "v": [1, "M", 3, 4]})


@case
def rotary_sizes(random):  # caches of as many elements as are turned
    x, cos, sin = floats(random, 1, 2, 3, 8), floats(random, 1, 3, 4), floats(random, 1, 3, 4)
    save("rotary_sizes", [node("RotaryEmbedding", "x c s", "y")], {"x": x, "c": cos, "s": sin}, "y",
         opset=23, dims={"c": [1, 3, "N"], "s": [1, 3, "M"]})


@case
def einsum_batches(random):  # the run knows which of the dimensions under ... broadcasts
    x, z = floats(random, 1, 2, 3), floats(random, 3, 3, 4)
    save("einsum_batches", [node("Einsum", "x z", "y", equation="...ij,...jk->...ik")],
         {"x": x, "z": z}, "y", [x @ z], dims={"x": ["N", 2, 3], "z": ["M", 3, 4]})


@case
def scatter_sizes(_):  # one update for each index
    x, u = np.zeros((4, 2), np.float32), f32([1, 2], [3, 4], [5, 6])
    save("scatter_sizes", [node("ScatterND", "x i u", "y")], {"x": x, "u": u}, "y",
         [f32([3, 4], [0, 0], [1, 2], [5, 6])], opset=16, dims={"x": ["N", 2], "u": ["M", 2]},
         constants={"i": np.array([[2], [0], [3]])})


# ---- ai.onnx.ml ----


@case
def ml_linear_symbolic(random):  # how many features there are follows from the coefficients
    x, w = floats(random, 4, 3), floats(random, 2, 3)
    s = x @ w.T
    save("ml_linear_symbolic",
         [ml("LinearClassifier", "x", "l y", classlabels_ints=[4, 9],
             coefficients=w.ravel().tolist())], {"x": x}, "l y",
         [np.where(s[:, 1] > s[:, 0], 9, 4), s], domain=("ai.onnx.ml", 1), dims={"x": ["N", "F"]})


@case
def ml_feature_sizes(random):  # the sizes of the inputs are said by the operator
    x, y = floats(random, 2, 1), floats(random, 2, 3)
    save("ml_feature_sizes", [ml("FeatureVectorizer", "x y", "z", inputdimensions=[1, 3])],
         {"x": x, "y": y}, "z", [np.hstack([x, y])], domain=("ai.onnx.ml", 1),
         dims={"x": ["N", "A"], "y": ["N", "B"]})


if __name__ == "__main__":
    make_models.main()
