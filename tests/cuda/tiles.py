"""Contractions and convolutions in tiles of GPUs: models are made, compiled for the CPU and for the
emulation, and compared; the emulation looks for races (all models) and wrong addresses.

    tiles.py ONNXCC FOLDER
"""

import os
import subprocess
import sys

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper

RNG = np.random.default_rng(1)
TYPES = {"f32": (T.FLOAT, 1e-5), "f16": (T.FLOAT16, 4e-3), "bf16": (T.BFLOAT16, 3e-2)}


class Model:
    """Nodes, and what they need; values are random, of about 1."""

    def __init__(self, name, dtype):
        self.name, self.dtype = name, dtype
        self.type, self.tolerance = TYPES[dtype]
        self.nodes, self.inputs, self.outputs, self.consts = [], [], [], []
        self.dims = {}

    def input(self, name, *dims):
        self.inputs.append(helper.make_tensor_value_info(name, self.type, dims))
        return name

    def const(self, name, *dims):
        values = RNG.standard_normal(dims, dtype=np.float32)
        self.consts.append(helper.make_tensor(name, self.type, dims, values.flatten()))
        return name

    def node(self, op, *inputs, **attributes):
        out = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [out], **attributes))
        return out

    def output(self, value):
        name = f"y{len(self.outputs)}"
        self.nodes.append(helper.make_node("Identity", [value], [name]))
        self.outputs.append(helper.make_tensor_value_info(name, self.type, None))

    def save(self, folder):
        graph = helper.make_graph(self.nodes, self.name, self.inputs, self.outputs, self.consts)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
        path = os.path.join(folder, f"{self.name}.onnx")
        onnx.save(model, path)
        return path


def products(dtype):
    """Products of matrices: whole tiles and parts of them, batches, either factor turned."""
    m = Model(f"products_{dtype}", dtype)
    x = m.input("x", 2, 70, 52)
    dense = m.node("MatMul", x, m.const("w", 52, 96))
    m.output(m.node("Relu", m.node("Add", dense, m.const("b", 96))))
    m.output(m.node("MatMul", x, m.const("v", 52, 33)))
    m.output(m.node("MatMul", x, m.input("z", 2, 52, 45)))
    m.output(m.node("MatMul", x, m.node("Transpose", m.input("q", 2, 40, 52), perm=[0, 2, 1])))
    m.output(m.node("Gemm", m.input("a", 37, 64), m.const("g", 48, 64), m.const("c", 48),
                    transA=0, transB=1))
    m.output(m.node("Gemm", m.input("d", 64, 31), m.const("e", 64, 20), transA=1))
    return m


def sizes(dtype, rows, steps):
    """A length and a depth that only the run knows."""
    m = Model(f"sizes_{dtype}_{rows}_{steps}", dtype)
    x = m.input("x", "M", "K")
    m.output(m.node("MatMul", x, m.input("z", "K", 24)))
    m.output(m.node("MatMul", m.input("u", "M", 32), m.const("w", 32, 40)))
    m.dims = {"M": rows, "K": steps}
    return m


def windows(dtype):
    """Convolutions: borders, strides, dilations, groups, few channels, a chain of them."""
    m = Model(f"windows_{dtype}", dtype)
    x = m.input("x", 2, 3, 15, 14)
    a = m.node("Relu", m.node("Conv", x, m.const("w1", 32, 3, 5, 5), m.const("b1", 32),
                              pads=[2, 2, 2, 2], strides=[2, 1]))
    b = m.node("Relu", m.node("Conv", a, m.const("w2", 40, 32, 3, 3), pads=[1, 1, 1, 1]))
    c = m.node("Conv", b, m.const("w3", 40, 40, 1, 1), m.const("b3", 40))
    m.output(m.node("Relu", m.node("Add", c, b)))
    m.output(m.node("Conv", b, m.const("w4", 48, 10, 3, 3), group=4, dilations=[2, 1]))
    m.output(m.node("ConvTranspose", a, m.const("w5", 32, 12, 2, 2), strides=[2, 2]))
    m.output(m.node("Conv", m.input("line", 2, 16, 50), m.const("w6", 24, 16, 7), pads=[3, 3]))
    return m


def models():
    for dtype in TYPES:
        yield products(dtype)
        yield windows(dtype)
        yield sizes(dtype, 1, 5)
        yield sizes(dtype, 65, 48)


def run(command, settings=None):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                          env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0", **(settings or {})})
    if done.returncode:
        sys.exit(f"FAIL: {' '.join(command)}\n{done.stdout.decode(errors='replace')}")
    return done.stdout.decode()


def values(model, program, folder, settings=None):
    """The outputs of a program on the inputs that it makes up."""
    command = [program, "--threads", "1"]
    for name, size in model.dims.items():
        command += ["--dim", f"{name}={size}"]
    files = [os.path.join(folder, f"{model.name}.{i}.bin") for i in range(len(model.outputs))]
    for info, file in zip(model.outputs, files):
        command += ["--output", f"{info.name}={file}"]
    run(command, settings)
    out = []
    for file in files:
        raw = np.fromfile(file, dtype={"f32": np.float32, "f16": np.float16}.get(model.dtype, "<u2"))
        if model.dtype == "bf16":
            raw = (raw.astype(np.uint32) << 16).view(np.float32)
        out.append(raw.astype(np.float64))
    return out


def check(model, onnxcc, folder, kind):
    path = os.path.join(folder, f"{model.name}.onnx")
    program = os.path.join(folder, f"{model.name}.{kind or 'plain'}")
    settings = {"ONNXCC_EMU_CHECK": kind, "ONNXCC_EMU_SEED": "3"}
    run([onnxcc, "-q", path, "--device=cuda-emu", "-o", program], settings)
    expected = values(model, os.path.join(folder, f"{model.name}.cpu"), folder)
    for i, (want, got) in enumerate(zip(expected, values(model, program, folder, settings))):
        if want.size == 0 or want.shape != got.shape:
            sys.exit(f"FAIL: {model.name} ({kind}): output {i} has {got.size} elements")
        worst = np.max(np.abs(want - got)) / np.max(np.abs(want))
        if not worst <= model.tolerance:
            sys.exit(f"FAIL: {model.name} ({kind}): output {i} differs by {worst:g}")
    print(f"{model.name} {kind}: {len(expected)} outputs agree")


def main():
    onnxcc, folder = sys.argv[1:]
    os.makedirs(folder, exist_ok=True)
    for model in models():
        path = model.save(folder)
        run([onnxcc, "-q", path, "-o", os.path.join(folder, f"{model.name}.cpu")])
        check(model, onnxcc, folder, "races")
        if not model.dims:
            check(model, onnxcc, folder, "address")


main()
