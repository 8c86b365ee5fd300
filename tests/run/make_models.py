#!/usr/bin/env python3
"""Make the small models of tests/run, and what ONNX Runtime answers to them.

    python3 tests/run/make_models.py

Written beside this file, all of it committed:

    models/NAME.onnx
    models/NAME/test_data_set_*/    inputs and outputs, as in the ONNX backend tests

Needs numpy, ml_dtypes, onnx and onnxruntime (tests/requirements.txt). Seeded: the same files every time.
"""

import pathlib
import shutil

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

HERE = pathlib.Path(__file__).parent / "models"
F32, F64, F16, I64, I32, U8, BOOL = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.INT64,
                                     TensorProto.INT32, TensorProto.UINT8, TensorProto.BOOL)
random = np.random.default_rng(7)


def node(kind, inputs, outputs, **attributes):
    return helper.make_node(kind, inputs.split(), outputs.split(), name=f"{kind}_of_{outputs.split()[0]}", **attributes)


def floats(*shape):
    return random.standard_normal(shape).astype(np.float32)


def model(name, inputs, outputs, nodes, constants, *data, opset=17, reference=False):
    """One model, checked, and one data set per dict of inputs; `reference`: answered by onnx's own evaluator."""
    value = lambda v: helper.make_tensor_value_info(*v)
    graph = helper.make_graph(nodes, name, [value(v) for v in inputs], [value(v) for v in outputs],
                              [numpy_helper.from_array(np.asarray(c), k) for k, c in constants.items()])
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)],
                              ir_version=9 if opset < 19 else 13, producer_name="onnxcc")
    onnx.checker.check_model(proto, full_check=True)
    onnx.save(proto, HERE / f"{name}.onnx")
    session = ReferenceEvaluator(proto) if reference else onnxruntime.InferenceSession(
        proto.SerializeToString(), providers=["CPUExecutionProvider"])
    for k, feed in enumerate(data):
        folder = HERE / name / f"test_data_set_{k}"
        folder.mkdir(parents=True)
        for kind, names, values in (("input", inputs, list(feed.values())), ("output", outputs, session.run(None, feed))):
            for i, v in enumerate(values):
                text = numpy_helper.from_array(np.asarray(v), names[i][0]).SerializeToString()
                (folder / f"{kind}_{i}.pb").write_bytes(text)


def save(name, graph, *data, opset=18):
    """A model with values of any kind; data sets of dicts of inputs and dicts of outputs."""
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9, producer_name="onnxcc")
    onnx.checker.check_model(proto, full_check=True)
    onnx.save(proto, HERE / f"{name}.onnx")
    for k, (inputs, outputs) in enumerate(data):
        folder = HERE / name / f"test_data_set_{k}"
        folder.mkdir(parents=True)
        for kind, values, infos in (("input", inputs, graph.input), ("output", outputs, graph.output)):
            for i, info in enumerate(infos):
                v, write = values[info.name], numpy_helper.from_array
                if info.type.HasField("sequence_type"):
                    write = numpy_helper.from_list
                elif info.type.HasField("optional_type"):
                    write = numpy_helper.from_optional
                (folder / f"{kind}_{i}.pb").write_bytes(write(v, info.name).SerializeToString())


def sequence_models():
    """Sequences of tensors of several lengths; an optional that the run is given or not."""
    rows = lambda name: helper.make_tensor_sequence_value_info(name, F32, ["rows", 4])
    value = helper.make_tensor_value_info
    one = lambda name, v: helper.make_node("Constant", [], [name], value=numpy_helper.from_array(np.asarray(v)))
    graph = helper.make_graph(
        [node("SequenceInsert", "items extra", "more"), node("SequenceAt", "more at", "picked"),
         node("ConcatFromSequence", "more", "joined", axis=0),
         node("SplitToSequence", "joined", "lines", axis=0, keepdims=0), node("SequenceLength", "lines", "count"),
         node("SequenceErase", "more at", "fewer")],
        "ragged", [rows("items"), value("extra", F32, ["N", 4]), value("at", I64, [])],
        [rows("more"), value("picked", F32, ["rows", 4]), value("joined", F32, ["all", 4]),
         helper.make_tensor_sequence_value_info("lines", F32, [4]), value("count", I64, []), rows("fewer")])
    data = []
    for lengths, at in (((2, 0, 3), 1), ((1,), -1), ((), 0)):
        items, extra = [floats(n, 4) for n in lengths], floats(2, 4)
        more = items + [extra]
        joined = np.concatenate(more)
        data.append(({"items": items, "extra": extra, "at": np.int64(at)},
                     {"more": more, "picked": more[at], "joined": joined, "lines": list(joined),
                      "count": np.int64(len(joined)), "fewer": [v for i, v in enumerate(more) if i != at % len(more)]}))
    save("ragged", graph, *data)

    # What is there is doubled; else zeros. What the branches give is an optional once more.
    tensor = helper.make_tensor_type_proto(F32, [3])
    maybe = lambda name: onnx.helper.make_value_info(name, helper.make_optional_type_proto(tensor))
    then = helper.make_graph([node("OptionalGetElement", "x", "t"), node("Add", "t t", "d")], "then",
                             [], [value("d", F32, [3])])
    other = helper.make_graph([one("z", np.zeros(3, np.float32))], "other", [], [value("z", F32, [3])])
    some = helper.make_graph([node("Optional", "y", "o")], "some", [], [maybe("o")])
    none = helper.make_graph([helper.make_node("Optional", [], ["n"], type=tensor)], "none", [], [maybe("n")])
    graph = helper.make_graph(
        [node("OptionalHasElement", "x", "has"), node("If", "has", "y", then_branch=then, else_branch=other),
         node("If", "has", "again", then_branch=some, else_branch=none)],
        "maybe", [maybe("x")], [value("has", BOOL, []), value("y", F32, [3]), maybe("again")])
    x = floats(3)
    save("maybe", graph, ({"x": x}, {"has": np.True_, "y": x + x, "again": x + x}),
         ({"x": None}, {"has": np.False_, "y": np.zeros(3, np.float32), "again": None}))


def string_models():
    """Words joined, cut, compared, chosen, moved, matched; numbers to strings and back."""
    value, strings = helper.make_tensor_value_info, TensorProto.STRING
    text = lambda *at: np.array(at, object)
    constants = {"end": text("-x"), "none": text("(ohne)", "(keins)"), "order": np.array([1, 0]),
                 "first": np.array([0]), "zero": np.array([0])}
    graph = helper.make_graph(
        [node("StringConcat", "words end", "joined"), node("RegexFullMatch", "joined", "plain", pattern=r"[a-zé]{2,4}-\w"),
         node("Gather", "none zero", "other"), node("Where", "plain words other", "chosen"),
         node("Equal", "words chosen", "same"), node("StringSplit", "joined", "parts counts", delimiter="-"),
         node("Cast", "numbers", "texts", to=strings), node("Cast", "texts", "back", to=F32),
         node("Concat", "texts words", "all", axis=0), node("Gather", "all order", "picked"),
         node("StringNormalizer", "words", "normal", case_change_action="LOWER", is_case_sensitive=0,
              stopwords=["UND"])],
        "words", [value("words", strings, ["N"]), value("numbers", F32, ["N"])],
        [value("joined", strings, ["N"]), value("plain", BOOL, ["N"]), value("chosen", strings, ["N"]),
         value("same", BOOL, ["N"]), value("parts", strings, ["N", "P"]), value("counts", I64, ["N"]),
         value("texts", strings, ["N"]), value("back", F32, ["N"]), value("picked", strings, [2]),
         value("normal", strings, ["L"])],
        [numpy_helper.from_array(v, k) for k, v in constants.items()])
    words = text("und", "Über", "a-b-c", "", "né", "ÉCOLE и")
    numbers = np.array([0.1, -1e-7, 3, 1e20, np.float32(1) / 3, -np.inf], np.float32)
    plain = np.array([True, False, False, False, True, False])
    parts = [(w + "-x").split("-") for w in words]
    texts = text("0.1", "-1e-07", "3.0", "1e+20", "0.33333334", "-INF")
    most = max(map(len, parts))
    save("words", graph, ({"words": words, "numbers": numbers}, {
        "joined": np.array([w + "-x" for w in words], object), "plain": plain,
        "chosen": np.where(plain, words, "(ohne)").astype(object), "same": plain,
        "parts": np.array([p + [""] * (most - len(p)) for p in parts], object),
        "counts": np.array([len(p) for p in parts]), "texts": texts, "back": numbers,
        "picked": np.array([texts[1], texts[0]], object),
        "normal": text("über", "a-b-c", "", "né", "école и")}), opset=20)


def main():
    shutil.rmtree(HERE, ignore_errors=True)
    HERE.mkdir()

    # Two inputs that share a dimension, products, a row operation.
    model("pair", [("a", F32, ["N", "K"]), ("b", F32, ["K", "M"])], [("y", F32, ["N", "M"]), ("s", F32, ["N", 1])],
          [node("MatMul", "a b", "p"), node("Relu", "p", "r"), node("Softmax", "r", "y", axis=-1),
           node("ReduceSum", "r axis", "s", keepdims=1)],
          {"axis": np.array([1])}, {"a": floats(1, 1), "b": floats(1, 1)}, {"a": floats(5, 7), "b": floats(7, 17)})

    # Convolution, pooling, reduction over images of any size.
    model("conv", [("image", F32, ["N", 3, "H", "W"])], [("y", F32, ["N", 5])],
          [node("Conv", "image w c", "h", kernel_shape=[3, 3], pads=[1, 1, 1, 1]), node("Relu", "h", "r"),
           node("MaxPool", "r", "q", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
           node("Conv", "q v", "g", kernel_shape=[1, 1]), node("GlobalAveragePool", "g", "m"), node("Flatten", "m", "y")],
          {"w": floats(4, 3, 3, 3), "c": floats(4), "v": floats(5, 4, 1, 1)},
          {"image": floats(1, 3, 2, 2)}, {"image": floats(2, 3, 9, 6)})

    # The same constant in two models, with other work around it.
    shared = floats(96, 96)
    model("left", [("x", F32, ["N", 96])], [("y", F32, ["N", 96])],
          [node("MatMul", "x shared", "p"), node("Tanh", "p", "y")], {"shared": shared}, {"x": floats(3, 96)})
    model("right", [("x", F32, ["N", 96])], [("y", F32, ["N", 96])],
          [node("MatMul", "x shared", "p"), node("Add", "p own", "y")], {"shared": shared, "own": floats(96)},
          {"x": floats(2, 96)})

    # Outputs whose size only the data decides.
    some = floats(4, 6)
    some[some < 0.3] = 0
    model("nonzero", [("x", F32, ["N", "M"])], [("where", I64, [2, "K"]), ("what", F32, ["K"])],
          [node("NonZero", "x", "where"), node("Transpose", "where", "t", perm=[1, 0]), node("GatherND", "x t", "what")],
          {}, {"x": some}, {"x": np.zeros((2, 3), np.float32)}, {"x": floats(3, 1)})

    # Indices that may be wrong.
    model("pick", [("ids", I64, ["N"]), ("shift", F32, [4])], [("y", F32, ["N", 4])],
          [node("Gather", "table ids", "rows", axis=0), node("Add", "rows shift", "y")],
          {"table": floats(10, 4)}, {"ids": np.array([0, 9, -10, 3]), "shift": floats(4)})

    # One of each type that files know.
    model("types", [("f64", F64, ["N"]), ("f16", F16, ["N"]), ("i64", I64, ["N"]), ("i32", I32, ["N"]), ("u8", U8, ["N"]),
                    ("flag", BOOL, ["N"])],
          [("f64_2", F64, ["N"]), ("f16_2", F16, ["N"]), ("i64_2", I64, ["N"]), ("i32_2", I32, ["N"]), ("u8_2", U8, ["N"]),
           ("flag_2", BOOL, ["N"])],
          [node("Add", "f64 f64", "f64_2"), node("Neg", "f16", "f16_2"), node("Mul", "i64 i64", "i64_2"),
           node("Where", "flag i32 zero", "i32_2"), node("Max", "u8 limit", "u8_2"), node("Not", "flag", "flag_2")],
          {"zero": np.int32(-1), "limit": np.uint8(100)},
          {"f64": np.array([1e-300, -2.5, np.nan]), "f16": np.array([1, -0.5, np.inf], np.float16),
           "i64": np.array([3, -(2**31), 7]), "i32": np.array([5, -6, 2**31 - 1], np.int32),
           "u8": np.array([0, 255, 101], np.uint8), "flag": np.array([True, False, True])})
    # What a loop's rounds place is dead behind them: 300 rounds need no more room than one. The result has a size that only
    # the run knows, too.
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [node("Cast", "i", "f", to=F32), node("Add", "x f", "moved"), node("NonZero", "moved", "at"), node("Shape", "at", "size"),
         node("Gather", "size one", "count"), node("Add", "sum count", "sum_2"), node("Identity", "go", "go_2")],
        "body", [value("i", I64, []), value("go", BOOL, []), value("sum", I64, [])],
        [value("go_2", BOOL, []), value("sum_2", I64, []), value("count", I64, [])])
    model("rounds", [("x", F32, ["N"]), ("n", I64, [])], [("total", I64, []), ("counts", I64, ["K"])],
          [node("Loop", "n yes zero", "total counts", body=body)],
          {"yes": np.array(True), "zero": np.array(0), "one": np.array(1)},
          {"x": -np.arange(200, dtype=np.float32), "n": np.array(300)}, {"x": floats(2), "n": np.array(0)})

    # How many are wanted is data, and may be wrong.
    model("top", [("x", F32, ["N"]), ("k", I64, [1])], [("y", F32, ["K"]), ("at", I64, ["K"])],
          [node("TopK", "x k", "y at")], {}, {"x": floats(9), "k": np.array([4])})

    # Sorting along outer and inner axes, with ties; k known only at run time; positions and values that the data decide.
    own = np.random.default_rng(3)
    model("ordered", [("x", F32, ["N", 3]), ("k", I64, [1])],
          [("y", F32, ["K", 3]), ("at", I64, ["K", 3]), ("low", F16, ["N", 2]), ("where", I64, [2, "M"]), ("each", I64, ["U"]),
           ("times", I64, ["U"])],
          [node("Mul", "x eight", "scaled"), node("Round", "scaled", "whole"), node("TopK", "whole k", "y at", axis=0),
           node("Cast", "whole", "halves", to=F16), node("TopK", "halves two", "low low_at", largest=0),
           node("NonZero", "whole", "where"), node("Cast", "whole", "numbers", to=I64),
           node("Unique", "numbers", "each first back times")],
          {"eight": np.float32(8), "two": np.array([2])},
          *[{"x": own.standard_normal((n, 3)).astype(np.float32), "k": np.array([k])}
            for n, k in ((9, 4), (1, 1), (2100, 700), (1024, 1024))])

    # Dimensions with different names that meet: equal, or one of them 1.
    rows = lambda n: np.arange(3 * n, dtype=np.float32).reshape(n, 3) / 4
    model("meet", [("x", F32, ["N", 3]), ("y", F32, ["M", 3])], [("z", F32, ["P", 3])],
          [node("Add", "x y", "s"), node("Mul", "s y", "z")], {},
          {"x": rows(4), "y": -rows(4)}, {"x": rows(1), "y": rows(2)}, {"x": rows(3), "y": rows(1)})

    # float8, float4 and integers below 8 bits: moved, converted, quantized to and from; odd numbers of elements.
    I4, U4, U2, F4, E5M2, E4M3, E8M0 = (TensorProto.INT4, TensorProto.UINT4, TensorProto.UINT2, TensorProto.FLOAT4E2M1,
                                        TensorProto.FLOAT8E5M2, TensorProto.FLOAT8E4M3FN, TensorProto.FLOAT8E8M0)
    some = [{"q": (np.arange(3 * n) % 16 - 8).reshape(n, 3).astype(ml_dtypes.int4),
             "e": (floats(n, 3) * 300).astype(ml_dtypes.float8_e5m2), "x": floats(n, 3) * 4,
             "t": np.array([3, 0, 2, 1, 3]).astype(ml_dtypes.uint2)} for n in (3, 1)]
    model("narrow", [("q", I4, ["N", 3]), ("e", E5M2, ["N", 3]), ("x", F32, ["N", 3]), ("t", U2, [5])],
          [("turned", I4, [3, "N"]), ("f8", E4M3, ["N", 3]), ("y", F32, ["N", 5]), ("u4", U4, ["N", 3]), ("f4", F4, ["N", 3]),
           ("wider", U2, [8]), ("up", E8M0, ["N", 3])],
          [node("Transpose", "q", "turned", perm=[1, 0]), node("Cast", "e", "f8", to=E4M3),
           node("DequantizeLinear", "w scale", "real", axis=1), node("MatMul", "x real", "y"),
           node("QuantizeLinear", "x half", "u4", output_dtype=U4), node("QuantizeLinear", "x half", "f4", output_dtype=F4),
           node("Pad", "t pads", "wider"), node("Abs", "x", "size"), node("Cast", "size", "up", to=E8M0)],
          {"w": (np.arange(15) - 8).reshape(3, 5).astype(ml_dtypes.int4), "scale": floats(5), "half": np.float32(0.5),
           "pads": np.array([1, 2])}, *some, opset=25, reference=True)

    # The same types through control flow, and what is an output at once.
    body = helper.make_graph([node("Reshape", "v long", "l"), node("Transpose", "l", "t", perm=[1, 0]), node("Reshape", "t flat", "v_2"),
                              node("Identity", "go", "go_2"), node("Identity", "v_2", "seen")], "body",
                             [value("i", I64, []), value("go", BOOL, []), value("v", I4, [9])],
                             [value("go_2", BOOL, []), value("v_2", I4, [9]), value("seen", I4, [9])])
    then = helper.make_graph([node("Identity", "v0", "then_y")], "then", [], [value("then_y", I4, [9])])
    other = helper.make_graph([node("Identity", "k", "else_y")], "else", [], [value("else_y", I4, [9])])
    nine = (np.arange(9) - 4).astype(ml_dtypes.int4)
    model("narrow_flow", [("v0", I4, [9]), ("flag", BOOL, [])],
          [("last", I4, [9]), ("all", I4, [3, 9]), ("y", I4, [9]), ("same", I4, [9]), ("constant", I4, [9])],
          [node("Loop", "n yes v0", "last all", body=body), node("If", "flag", "y", then_branch=then, else_branch=other),
           node("Identity", "v0", "same"), node("Identity", "k", "constant")],
          {"n": np.array(3), "yes": np.array(True), "long": np.array([3, 3]), "flat": np.array([9]), "k": nine[::-1].copy()},
          {"v0": nine, "flag": np.array(True)}, {"v0": nine, "flag": np.array(False)}, opset=25, reference=True)

    # Axes, steps, fill values and scales that only the run knows.
    some = [{"x": floats(n, m, 3), "axes": np.array(axes), "from": np.array(a), "to": np.array(b), "step": np.array(step),
             "fill": np.array(n, np.float32), "scales": np.array(scales, np.float32)}
            for n, m, axes, a, b, step, scales in
            ((4, 5, [0, -1], [1, -1], [100, -100], [2, -1], [1, 2, 0.5]), (3, 1, [2, 1], [-1, 0], [0, 9], [-2, 1], [2, 1, 1.4]),
             (2, 7, [1, 0], [6, 0], [-9, 0], [-3, 5], [0.5, 0.3, 3]))]
    model("late", [("x", F32, ["N", "M", 3]), ("axes", I64, [2]), ("from", I64, [2]), ("to", I64, [2]), ("step", I64, [2]),
                   ("fill", F32, []), ("scales", F32, [3])],
          [("sum", F32, ["A"]), ("soft", F32, ["B", "C", "D"]), ("running", F32, ["N", "M", 3]), ("cut", F32, ["E", "F", "G"]),
           ("wide", F32, ["H", "I", "J", "K", "L"]), ("same", F32, ["N", "M", 3]), ("padded", F32, ["O", "P", "Q"]),
           ("resized", F32, ["R", "S", "T"])],
          [node("ReduceSum", "x axes", "sum", keepdims=0), node("ReduceLogSumExp", "x axes", "soft"),
           node("Gather", "axes zero", "axis"), node("CumSum", "x axis", "running", reverse=1),
           node("Slice", "x from to axes step", "cut"), node("Unsqueeze", "x axes", "wide"),
           node("Squeeze", "wide axes", "same"), node("Pad", "x pads fill axes", "padded"),
           helper.make_node("Resize", ["x", "", "scales"], ["resized"], name="Resize_of_resized", mode="linear", coordinate_transformation_mode="asymmetric")],
          {"pads": np.array([1, 0, 2, 3]), "zero": np.array(0)}, *some, opset=18)

    # Complex numbers are moved.
    z = lambda *shape: (floats(*shape) + 1j * floats(*shape)).astype(np.complex64)
    model("complex", [("x", TensorProto.COMPLEX64, ["N", 3]), ("w", TensorProto.COMPLEX128, [2])],
          [("turned", TensorProto.COMPLEX64, [3, "N"]), ("some", TensorProto.COMPLEX64, ["N", 2]),
           ("more", TensorProto.COMPLEX64, ["M", 3]), ("same", TensorProto.COMPLEX128, [2, 2])],
          [node("Transpose", "x", "turned", perm=[1, 0]), node("Slice", "x from to axis step", "some"),
           node("Concat", "x c", "more", axis=0), node("Expand", "w shape", "same")],
          {"from": np.array([2]), "to": np.array([-4]), "axis": np.array([1]), "step": np.array([-2]), "c": z(2, 3),
           "shape": np.array([2, 2])},
          *[{"x": z(n, 3), "w": z(2).astype(np.complex128)} for n in (4, 1)], opset=25, reference=True)

    sequence_models()
    string_models()

    # An axis that goes must be 1: of a size, and of a number, that only the run knows.
    model("squeezed", [("x", F32, ["N", "M", 3]), ("axis", I64, [1]), ("v", F32, ["K"])],
          [("y", F32, ["A", "B"]), ("only", I64, ["C"])],
          [node("Squeeze", "x axis", "y"), node("NonZero", "v", "where"), node("Transpose", "where", "rows", perm=[1, 0]),
           node("Squeeze", "rows first", "only")], {"first": np.array([0])},
          {"x": floats(4, 1, 3), "axis": np.array([1]), "v": np.array([0, 0, 2], np.float32)},
          {"x": floats(1, 2, 3), "axis": np.array([-3]), "v": np.array([5], np.float32)}, opset=21)


    precision_models()


def precision_models():
    """A residual network and a transformer of picture patches, small: what --precision is tried on. Both also answer which
    class is best."""
    scaled = lambda *shape: floats(*shape) / np.float32(np.sqrt(np.prod(shape[1:])))
    constants, nodes = {}, []

    def conv(x, y, inner, outer, stride=1, relu=True):
        constants.update({f"{y}_w": scaled(outer, inner, 3, 3), f"{y}_scale": 1 + floats(outer) / 8, f"{y}_bias": floats(outer) / 8,
                          f"{y}_mean": floats(outer) / 8, f"{y}_var": 1 + floats(outer) ** 2 / 8})
        nodes.extend([node("Conv", f"{x} {y}_w", f"{y}_c", pads=[1, 1, 1, 1], strides=[stride, stride]),
                      node("BatchNormalization", f"{y}_c {y}_scale {y}_bias {y}_mean {y}_var", f"{y}_n" if relu else y)])
        if relu:
            nodes.append(node("Relu", f"{y}_n", y))

    conv("x", "a", 3, 16)
    for i, block in enumerate("bcd"):
        before = "abc"[i]
        conv(before, f"{block}1", 16, 16)
        conv(f"{block}1", f"{block}2", 16, 16, relu=False)
        nodes.extend([node("Add", f"{block}2 {before}", f"{block}_s"), node("Relu", f"{block}_s", block)])
    nodes.extend([node("MaxPool", "d", "pooled", kernel_shape=[2, 2], strides=[2, 2]), node("GlobalAveragePool", "pooled", "mean"),
                  node("Flatten", "mean", "flat"), node("Gemm", "flat head bias", "logits", transB=1),
                  node("ArgMax", "logits", "best", axis=1, keepdims=0)])
    constants.update({"head": scaled(10, 16), "bias": floats(10)})
    model("residual", [("x", F32, ["N", 3, 12, 12])], [("logits", F32, ["N", 10]), ("best", I64, ["N"])], nodes, constants,
          {"x": floats(2, 3, 12, 12)}, {"x": floats(1, 3, 12, 12)})

    constants, nodes = {}, []
    width, heads, size = 32, 4, 8
    constants.update({"embed": scaled(width, 3, 4, 4), "places": floats(9, width) / 4, "rows": np.array([0, width, 9]),
                      "split": np.array([0, 9, heads, size]), "join": np.array([0, 9, width]), "scale": np.float32(size ** -0.5),
                      "half": np.float32(0.5), "root": np.float32(2 ** -0.5), "one": np.float32(1)})
    nodes.extend([node("Conv", "x embed", "patches", strides=[4, 4]), node("Reshape", "patches rows", "columns"),
                  node("Transpose", "columns", "tokens", perm=[0, 2, 1]), node("Add", "tokens places", "l0")])

    def linear(x, y, inner, outer):
        constants.update({f"{y}_w": scaled(inner, outer), f"{y}_b": floats(outer) / 8})
        nodes.extend([node("MatMul", f"{x} {y}_w", f"{y}_p"), node("Add", f"{y}_p {y}_b", y)])

    def norm(x, y):
        constants.update({f"{y}_w": 1 + floats(width) / 8, f"{y}_b": floats(width) / 8})
        nodes.append(node("LayerNormalization", f"{x} {y}_w {y}_b", y))

    for i in range(2):
        n = f"k{i}_"
        norm(f"l{i}", n + "n")
        for part, perm in (("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3])):
            linear(n + "n", n + part, width, width)
            nodes.extend([node("Reshape", f"{n}{part} split", f"{n}{part}_s"),
                          node("Transpose", f"{n}{part}_s", f"{n}{part}_t", perm=perm)])
        nodes.extend([node("MatMul", f"{n}q_t {n}k_t", n + "dots"), node("Mul", f"{n}dots scale", n + "scores"),
                      node("Softmax", n + "scores", n + "p", axis=-1), node("MatMul", f"{n}p {n}v_t", n + "heads"),
                      node("Transpose", n + "heads", n + "turned", perm=[0, 2, 1, 3]), node("Reshape", f"{n}turned join", n + "joined")])
        linear(n + "joined", n + "out", width, width)
        nodes.append(node("Add", f"l{i} {n}out", n + "r"))
        norm(n + "r", n + "m")
        linear(n + "m", n + "up", width, 2 * width)
        nodes.extend([node("Mul", f"{n}up root", n + "e"), node("Erf", n + "e", n + "erf"), node("Add", f"{n}erf one", n + "e1"),
                      node("Mul", f"{n}up {n}e1", n + "g"), node("Mul", f"{n}g half", n + "gelu")])
        linear(n + "gelu", n + "down", 2 * width, width)
        nodes.append(node("Add", f"{n}r {n}down", f"l{i + 1}"))
    nodes.append(node("ReduceMean", "l2", "mean", axes=[1], keepdims=0))
    linear("mean", "logits", width, 10)
    nodes.append(node("ArgMax", "logits", "best", axis=1, keepdims=0))
    model("patches", [("x", F32, ["N", 3, 12, 12])], [("logits", F32, ["N", 10]), ("best", I64, ["N"])], nodes, constants,
          {"x": floats(2, 3, 12, 12)}, {"x": floats(1, 3, 12, 12)})


def functions():
    """Every mathematical function of one argument, and Pow: functions.c looks at all their values."""
    kinds = ("Exp Log Tanh Erf Sigmoid Sin Cos Tan Asin Acos Atan Sinh Cosh Asinh Acosh Atanh").split()
    nodes = [node(kind, "x", kind.lower() + "_x") for kind in kinds] + [node("Pow", "x y", "pow_x")]
    model("functions", [("x", F32, ["N"]), ("y", F32, ["N"])],
          [(n.output[0], F32, ["N"]) for n in nodes], nodes, {})


main()
functions()
