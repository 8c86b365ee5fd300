#!/usr/bin/env python3
"""Make the small transformer that the tests compile for every target, and its data.

    python3 tests/models/make.py

One encoder layer with random weights and dynamic batch and length, written as an exporter would write
it (shapes computed by Shape, Gather and Concat):

    ids i64[batch,length], mask i64[batch,length] -> logits f32[batch,length,16]

Written, all of it committed:

    tiny_transformer.onnx
    tiny_transformer/test_data_set_*/   inputs and ONNX Runtime's outputs, as in the ONNX backend tests
    tiny_transformer_data.h             one of those sets as C arrays, for programs without files
    digits_data.h                       the same for demo/digits.onnx

Needs numpy, onnx and onnxruntime (tests/requirements.txt). Seeded: the same files every time.
"""

import pathlib
import shutil

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).parent
DEMO = HERE.parent.parent / "demo"
VOCABULARY, POSITIONS, WIDTH, HEADS, HIDDEN, LABELS = 40, 16, 32, 4, 64, 16
SHAPES = [(1, 5), (2, 8), (3, 16)]
IN_HEADER = 1  # which of them


class Graph:
    """Nodes and initializers under construction."""

    def __init__(self, seed):
        self.random = np.random.default_rng(seed)
        self.nodes, self.constants, self.count = [], [], 0

    def weight(self, name, *shape, scale=None):
        scale = scale or 1 / np.sqrt(shape[0])
        values = (self.random.standard_normal(shape) * scale).astype(np.float32)
        return self.constant(name, values)

    def constant(self, name, values):
        self.constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def ints(self, *values):
        self.count += 1
        return self.constant(f"ints_{self.count}", np.array(values, np.int64))

    def op(self, kind, *inputs, out=None, **attributes):
        self.count += 1
        out = out or f"{kind.lower()}_{self.count}"
        name = f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [out], name=name, **attributes))
        return out

    def linear(self, x, name, rows, columns):
        product = self.op("MatMul", x, self.weight(f"{name}.weight", rows, columns))
        return self.op("Add", product, self.weight(f"{name}.bias", columns, scale=0.1))

    def norm(self, x, name):
        scale = self.constant(f"{name}.scale", 1 + 0.1 * self.random.standard_normal(WIDTH).astype(np.float32))
        bias = self.weight(f"{name}.bias", WIDTH, scale=0.1)
        return self.op("LayerNormalization", x, scale, bias, axis=-1, epsilon=1e-5)


def embed(g):
    """Words and positions."""
    words = g.op("Gather", g.weight("words", VOCABULARY, WIDTH, scale=1), "ids")
    length = g.op("Gather", g.op("Shape", "ids"), g.constant("one", np.array(1, np.int64)))
    zero, step = g.constant("zero", np.array(0, np.int64)), "one"
    places = g.op("Gather", g.weight("places", POSITIONS, WIDTH, scale=1), g.op("Range", zero, length, step))
    return g.norm(g.op("Add", words, places), "embed")


def split_heads(g, x, perm):
    shape = g.op("Shape", x)
    batch = g.op("Slice", shape, g.ints(0), g.ints(1))
    length = g.op("Slice", shape, g.ints(1), g.ints(2))
    target = g.op("Concat", batch, length, g.ints(HEADS, WIDTH // HEADS), axis=0)
    return g.op("Transpose", g.op("Reshape", x, target), perm=perm)


def attention(g, x):
    q = split_heads(g, g.linear(x, "query", WIDTH, WIDTH), [0, 2, 1, 3])
    k = split_heads(g, g.linear(x, "key", WIDTH, WIDTH), [0, 2, 3, 1])
    v = split_heads(g, g.linear(x, "value", WIDTH, WIDTH), [0, 2, 1, 3])
    scale = g.constant("scale", np.array(np.sqrt(WIDTH // HEADS), np.float32))
    scores = g.op("Div", g.op("MatMul", q, k), scale)
    mask = g.op("Cast", g.op("Unsqueeze", "mask", g.ints(1, 2)), to=TensorProto.FLOAT)
    hidden = g.op("Sub", g.constant("f_one", np.array(1, np.float32)), mask)
    scores = g.op("Add", scores, g.op("Mul", hidden, g.constant("low", np.array(-1e9, np.float32))))
    merged = g.op("Transpose", g.op("MatMul", g.op("Softmax", scores, axis=-1), v), perm=[0, 2, 1, 3])
    return g.linear(g.op("Reshape", merged, g.ints(0, 0, WIDTH)), "out", WIDTH, WIDTH)


def gelu(g, x):
    half, root = g.constant("half", np.array(0.5, np.float32)), g.constant("root", np.array(np.sqrt(2), np.float32))
    one = g.op("Add", g.op("Erf", g.op("Div", x, root)), "f_one")
    return g.op("Mul", g.op("Mul", x, one), half)


def model():
    g = Graph(seed=11)
    x = embed(g)
    x = g.norm(g.op("Add", x, attention(g, x)), "attention")
    hidden = g.linear(gelu(g, g.linear(x, "up", WIDTH, HIDDEN)), "down", HIDDEN, WIDTH)
    x = g.norm(g.op("Add", x, hidden), "feed")
    g.op("Add", g.op("MatMul", x, g.weight("head", WIDTH, LABELS)), g.weight("head.bias", LABELS, scale=0.1),
         out="logits")
    ids, mask = (helper.make_tensor_value_info(n, TensorProto.INT64, ["batch", "length"]) for n in ("ids", "mask"))
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", "length", LABELS])
    graph = helper.make_graph(g.nodes, "tiny_transformer", [ids, mask], [logits], g.constants)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="tests")
    onnx.checker.check_model(made, full_check=True)
    return made


def make_inputs(batch, length, seed):
    random = np.random.default_rng(seed)
    ids = random.integers(0, VOCABULARY, (batch, length), np.int64)
    mask = (np.arange(length) < random.integers(2, length + 1, (batch, 1))).astype(np.int64)
    return {"ids": ids, "mask": mask}


def write_set(folder, inputs, outputs):
    folder.mkdir(parents=True)
    for kind, values in (("input", inputs), ("output", outputs)):
        for i, (name, v) in enumerate(values.items()):
            (folder / f"{kind}_{i}.pb").write_bytes(numpy_helper.from_array(v, name).SerializeToString())


def c_array(name, v):
    """A constant array; floats as hexadecimal, so that no bit is lost."""
    kinds = {np.dtype(np.float32): ("float", lambda x: float(x).hex() + "f"), np.dtype(np.int64): ("int64_t", str)}
    kind, text = kinds[v.dtype]
    lines, line = [], "   "
    for x in v.flatten():
        if len(line) + len(text(x)) > 98:
            lines.append(line)
            line = "   "
        line += " " + text(x) + ","
    body = "\n".join(lines + [line])
    return f"static const {kind} {name}[{v.size}] = {{ /* {list(v.shape)} */\n{body}\n}};\n"


def write_header(path, what, values):
    text = f"/* Written by tests/models/make.py: {what}. */\n#include <stdint.h>\n\n"
    path.write_text(text + "\n".join(c_array(f"data_{name}", v) for name, v in values.items()))


def read_pb(path):
    return numpy_helper.to_array(TensorProto.FromString(path.read_bytes()))


def main():
    made = model()
    path = HERE / "tiny_transformer.onnx"
    onnx.save(made, path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    shutil.rmtree(HERE / "tiny_transformer", ignore_errors=True)
    for i, (batch, length) in enumerate(SHAPES):
        inputs = make_inputs(batch, length, seed=i)
        outputs = {"logits": session.run(None, inputs)[0]}
        write_set(HERE / "tiny_transformer" / f"test_data_set_{i}", inputs, outputs)
        if i == IN_HEADER:
            write_header(HERE / "tiny_transformer_data.h", f"batch {batch}, length {length}", inputs | outputs)
    folder = DEMO / "digits" / "test_data_set_0"
    digits = {"images": read_pb(folder / "input_0.pb"), "logits": read_pb(folder / "output_0.pb")}
    write_header(HERE / "digits_data.h", "demo/digits/test_data_set_0", digits)
    print(f"{path.name}: {path.stat().st_size} bytes, {len(made.graph.node)} nodes")


if __name__ == "__main__":
    main()
