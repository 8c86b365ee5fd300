#!/usr/bin/env python3
"""Make the models of tests/targets/cuda_streams.sh, in which much may run side by side, one of
cuda_library.sh, and what ONNX Runtime answers to them.

    python3 tests/run/make_branches.py

Written beside this file, all of it committed:

    models/branches.onnx, attentions.onnx, gates.onnx, towers.onnx, found.onnx
    models/branches/test_data_set_*/, ...

Needs numpy, onnx and onnxruntime (tests/requirements.txt). Seeded: the same files every time.
"""

import pathlib
import shutil

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).parent / "models"
random = np.random.default_rng(13)


def floats(*shape):
    return random.standard_normal(shape).astype(np.float32)


class Graph:
    """Nodes and constants; every method adds some and gives the name of the result."""

    def __init__(self):
        self.nodes, self.constants = [], {}

    def node(self, kind, inputs, output, **attributes):
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def constant(self, name, value):
        self.constants[name] = value
        return name

    def conv(self, x, name, channels, out, size):
        w = self.constant(name + "_w", floats(out, channels, size, size) / np.float32(size * channels**0.5))
        return self.node("Relu", [self.node("Conv", [x, w], name + "_c", pads=[size // 2] * 4)], name)

    def product(self, x, name, rows, columns):
        w = self.constant(name + "_w", floats(rows, columns) / np.float32(rows**0.5))
        return self.node("Tanh", [self.node("MatMul", [x, w], name + "_p")], name)

    def body(self, name, inputs, outputs):
        """The nodes so far as the graph of a loop or branch; constants stay outside."""
        value = lambda v: helper.make_tensor_value_info(*v)
        graph = helper.make_graph(self.nodes, name, [value(v) for v in inputs], [value(v) for v in outputs])
        self.nodes = []
        return graph

    def save(self, name, inputs, outputs, *data):
        value = lambda v: helper.make_tensor_value_info(v[0], TensorProto.FLOAT, v[1])
        graph = helper.make_graph(self.nodes, name, [value(v) for v in inputs], [value(v) for v in outputs],
                                  [numpy_helper.from_array(c, k) for k, c in self.constants.items()])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        onnx.checker.check_model(model, full_check=True)
        shutil.rmtree(HERE / name, ignore_errors=True)
        onnx.save(model, HERE / f"{name}.onnx")
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        for k, feed in enumerate(data):
            folder = HERE / name / f"test_data_set_{k}"
            folder.mkdir(parents=True)
            answers = zip((v[0] for v in outputs), session.run(None, feed))
            for kind, tensors in (("input", list(feed.items())), ("output", list(answers))):
                for i, (tensor, v) in enumerate(tensors):
                    text = numpy_helper.from_array(v, tensor).SerializeToString()
                    (folder / f"{kind}_{i}.pb").write_bytes(text)


def branches():
    """Two modules with four branches each, of different length, beside a tower of products."""
    g = Graph()
    at = g.conv("x", "m0", 4, 16, 3)
    for i in range(2):
        b = f"b{i}_"
        parts = [g.conv(at, b + "a", 16, 4, 1), g.conv(g.conv(at, b + "b1", 16, 8, 1), b + "b", 8, 4, 3),
                 g.conv(g.conv(g.conv(at, b + "c1", 16, 4, 1), b + "c2", 4, 4, 3), b + "c", 4, 4, 3)]
        pool = g.node("AveragePool", [at], b + "pool", kernel_shape=[3, 3], pads=[1, 1, 1, 1])
        at = g.node("Concat", [*parts, g.conv(pool, b + "d", 16, 4, 1)], f"m{i + 1}", axis=1)
    tower = g.product(g.product(g.product("z", "t1", 24, 32), "t2", 32, 32), "t3", 32, 16)
    mean = g.node("ReduceMean", [at], "mean", axes=[2, 3], keepdims=0)
    g.node("Softmax", [tower], "p", axis=-1)
    g.product(g.node("Add", [mean, tower], "both"), "y", 16, 10)
    feed = lambda n, h: {"x": floats(n, 4, h, 9), "z": floats(n, 24)}
    g.save("branches", [("x", ["N", 4, "H", 9]), ("z", ["N", 24])], [("y", ["N", 10]), ("p", ["N", 16])],
           feed(2, 8), feed(1, 3))


def attentions():
    """Three attentions over a length that is not known: their scores lie in scratch."""
    g = Graph()
    scale = g.constant("scale", np.array(0.25, np.float32))
    for i in range(3):
        q, k, v = (g.node("MatMul", ["x", g.constant(f"{part}{i}_w", floats(16, 16) / 4)], f"{part}{i}") for part in "qkv")
        dots = g.node("MatMul", [q, g.node("Transpose", [k], f"turned{i}", perm=[0, 2, 1])], f"dots{i}")
        p = g.node("Softmax", [g.node("Mul", [dots, scale], f"scores{i}")], f"p{i}", axis=-1)
        g.node("MatMul", [p, v], f"y{i}")
    g.save("attentions", [("x", ["N", "S", 16])], [(f"y{i}", ["N", "S", 16]) for i in range(3)],
           {"x": floats(2, 21, 16)}, {"x": floats(1, 5, 16)})


def gates():
    """A recurrence whose gates need one another only at the end of a round."""
    g = Graph()
    real = lambda name, *dims: (name, TensorProto.FLOAT, dims)
    gate = [g.product("h", f"gate{i}", 16, 16) for i in range(4)]
    mixed = g.node("Add", [g.node("Mul", gate[:2], "m0"), g.node("Mul", gate[2:], "m1")], "mixed")
    g.node("Add", [g.node("Mul", [mixed, g.constant("half", np.array(0.5, np.float32))], "less"), "h"], "next")
    g.node("Identity", ["go"], "on")
    g.product(gate[0], "seen", 16, 4)
    count, flag = ("round", TensorProto.INT64, []), ("go", TensorProto.BOOL, [])
    loop = g.body("rounds", [count, flag, real("h", "N", 16)],
                  [("on", TensorProto.BOOL, []), real("next", "N", 16), real("seen", "N", 4)])
    g.nodes.append(helper.make_node("Loop", ["rounds", "", "x"], ["last", "all"], name="loop", body=loop))
    g.product("last", "y", 16, 8)
    g.constant("rounds", np.array(6, np.int64))
    g.save("gates", [("x", ["N", 16])], [("y", ["N", 8]), ("all", [6, "N", 4])],
           {"x": floats(3, 16)}, {"x": floats(1, 16)})


def towers():
    """Two products of products in each of two branches."""
    g = Graph()
    branches = []
    for side in ("then", "else"):
        left, right = (g.product(g.product("x", f"{side}_{t}1", 16, 12), f"{side}_{t}2", 12, 8) for t in "ab")
        g.node("Sub", [left, right], side)
        branches.append(g.body(f"towers_{side}", [], [(side, TensorProto.FLOAT, ["N", 8])]))
    g.node("ReduceSum", ["x"], "total", keepdims=0)
    g.node("Greater", ["total", g.constant("zero", np.array(0, np.float32))], "large")
    g.node("If", ["large"], "y", then_branch=branches[0], else_branch=branches[1])
    g.save("towers", [("x", ["N", 16])], [("y", ["N", 8])], {"x": abs(floats(3, 16))}, {"x": -abs(floats(1, 16))})


def found():
    """Rows of a table that the data names, what two products make of each, and their sum."""
    g = Graph()
    at = g.node("Squeeze", [g.node("NonZero", ["x"], "where"), g.constant("first", np.array([0], np.int64))], "at")
    rows = g.node("Gather", ["table", at], "rows", axis=0)
    g.product(g.product(rows, "inner", 16, 24), "y", 24, 8)
    g.node("ReduceSum", ["y", "first"], "sum", keepdims=0)
    feed = lambda *x: {"x": np.array(x, np.float32), "table": floats(len(x), 16)}
    g.save("found", [("x", ["N"]), ("table", ["N", 16])], [("y", ["K", 8]), ("sum", [8])],
           feed(0, 2, 0, 1, 1, 0, 3), feed(1, 1, 1, 1, 1))


branches()
attentions()
gates()
towers()
found()
