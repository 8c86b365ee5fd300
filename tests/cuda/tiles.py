"""Contractions and convolutions in tiles of GPUs, and long reductions in parts: models are made, compiled for the CPU and for the
emulation, and compared; the emulation looks for races (all models) and wrong addresses.

    tiles.py ONNXCC FOLDER
"""

import glob
import os
import subprocess
import sys

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper

RNG = np.random.default_rng(1)
TYPES = {"f32": (T.FLOAT, 1e-5), "f16": (T.FLOAT16, 4e-3), "bf16": (T.BFLOAT16, 3e-2),
         "u8": (T.UINT8, 0), "i8": (T.INT8, 0), "bool": (T.BOOL, 0)}
STORED = {T.FLOAT: np.float32, T.FLOAT16: np.float16, T.BFLOAT16: "<u2", T.UINT8: np.uint8,
          T.INT8: np.int8, T.INT4: np.int8, T.INT32: np.int32, T.INT64: np.int64}


class Model:
    """Nodes, and what they need; values are random, of about 1."""

    def __init__(self, name, dtype):
        self.name, self.dtype = name, dtype
        self.type, self.tolerance = TYPES[dtype]
        self.nodes, self.inputs, self.outputs, self.consts = [], [], [], []
        self.dims, self.options, self.opset = {}, [], 22
        self.runs = None  # more than one: values of `dims`

    def input(self, name, *dims, dtype=None):
        of = TYPES[dtype or self.dtype][0]
        self.inputs.append(helper.make_tensor_value_info(name, of, dims))
        return name

    def const(self, name, *dims):
        values = RNG.standard_normal(dims, dtype=np.float32)
        self.consts.append(helper.make_tensor(name, self.type, dims, values.flatten()))
        return name

    def whole(self, name, dtype, *dims, values=None):
        """A constant of whole numbers, of the whole range where none are given."""
        of = STORED[dtype]
        if values is None:
            values = RNG.integers(np.iinfo(of).min, np.iinfo(of).max, dims, endpoint=True)
        self.consts.append(helper.make_tensor(name, dtype, dims, np.asarray(values).flatten()))
        return name

    def real(self, value):
        name = f"real{len(self.consts)}"
        self.consts.append(helper.make_tensor(name, T.FLOAT, [], [value]))
        return name

    def axes(self, *values):
        return self.whole(f"axes{len(self.consts)}", T.INT64, len(values), values=values)

    def node(self, op, *inputs, **attributes):
        out = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [out], **attributes))
        return out

    def output(self, value, of=None):
        name = f"y{len(self.outputs)}"
        self.nodes.append(helper.make_node("Identity", [value], [name]))
        self.outputs.append(helper.make_tensor_value_info(name, of or self.type, None))

    def save(self, folder):
        graph = helper.make_graph(self.nodes, self.name, self.inputs, self.outputs, self.consts)
        opsets = [helper.make_opsetid("", self.opset)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=11)
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


FEW = [{"M": rows} for rows in (1, 3, 4, 5, 33, 200)]


def few(dtype):
    """As many rows as only the run knows: right factors in panels, in pieces, turned, given."""
    m = Model(f"few_{dtype}", dtype)
    x = m.input("x", "M", 192)
    m.output(m.node("MatMul", x, m.const("w", 192, 72)))
    m.output(m.node("MatMul", x, m.const("odd", 192, 50)))
    m.output(m.node("MatMul", x, m.input("z", 192, 48)))
    m.output(m.node("Gemm", x, m.input("turned", 40, 192), m.const("c", 40), transB=1))
    m.output(m.node("Gemm", m.input("q", "M", 75), m.const("v", 24, 75), transB=1))
    m.output(m.node("Conv", m.input("image", "M", 64, 1, 1), m.const("k", 24, 64, 1, 1)))
    m.dims, m.runs = FEW[0], FEW
    return m


def few_of_bytes():
    """The same of weights of 8 and of 4 bits that are dequantized in blocks."""
    m = Model("few_bytes", "f32")
    x = m.input("x", "M", 192)
    for name, of, least in (("b", T.INT8, -127), ("h", T.INT4, -8)):
        w = m.whole(name, of, 192, 72, values=RNG.integers(least, -least, (192, 72)))
        m.output(m.node("MatMul", x, m.node("DequantizeLinear", w, m.const(name + "s", 6, 72),
                                            axis=0, block_size=32)))
    m.dims, m.runs = FEW[0], FEW
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


def integers(dtype):
    """Products of bytes: zero points that are constant, absent, given, of rows and of columns;
    constants in both types, with ranges that fit and that do not; either factor turned."""
    m = Model(f"integers_{dtype}", dtype)
    x = m.input("x", 2, 70, 52)
    z117, z128 = m.whole("z117", m.type, values=117), m.whole("z128", T.UINT8, values=128)
    m.output(m.node("MatMulInteger", x, m.whole("w", T.INT8, 52, 96), z117), T.INT32)
    m.output(m.node("MatMulInteger", x, m.whole("v", T.UINT8, 52, 33), z117, z128), T.INT32)
    m.output(m.node("MatMulInteger", x, m.whole("u", T.UINT8, 52, 40), "",
                    m.whole("columns", T.UINT8, 40)), T.INT32)
    q, zq = m.input("q", 2, 40, 52, dtype="u8"), m.input("zq", dtype="u8")
    m.output(m.node("MatMulInteger", x, m.node("Transpose", q, perm=[0, 2, 1]),
                    m.input("zx", dtype=dtype), zq), T.INT32)
    rows = m.node("MatMulInteger", m.input("a", 37, 64), m.input("b", 64, 24, dtype="i8"),
                  m.input("rows", 37), m.input("zb", 24, dtype="i8"))
    m.output(rows, T.INT32)
    y = m.node("QLinearMatMul", x, m.real(0.02), z117, m.whole("t", T.INT8, 52, 48), m.real(0.03),
               m.whole("z3", T.INT8, values=3), m.real(0.5), z117)
    m.output(y)
    return m


def quantized():
    """Floats that were quantized: products and convolutions of integers, scales of all and of each
    column, biases."""
    m = Model("quantized", "f32")
    zx, s = m.whole("zx", T.UINT8, values=90), m.real(0.02)
    x = m.node("DequantizeLinear", m.input("x", 2, 33, 40, dtype="u8"), s, zx)
    w = m.node("DequantizeLinear", m.whole("w", T.INT8, 40, 48), m.const("sw", 48), axis=1)
    m.output(m.node("Add", m.node("MatMul", x, w), m.const("b", 48)))
    q = m.node("DequantizeLinear", m.input("q", 2, 40, 36, dtype="i8"), s)
    m.output(m.node("MatMul", x, q))
    image = m.node("DequantizeLinear", m.input("image", 1, 16, 9, 8, dtype="u8"), s, zx)
    v = m.node("DequantizeLinear", m.whole("v", T.INT8, 24, 8, 3, 3), m.const("sv", 24), axis=0)
    m.output(m.node("Conv", image, v, m.const("c", 24), pads=[1, 1, 1, 1], group=2))
    return m


def integer_sizes(dtype, rows, steps):
    m = Model(f"integer_sizes_{dtype}_{rows}_{steps}", dtype)
    x, zx = m.input("x", "M", "K"), m.input("zx")
    m.output(m.node("MatMulInteger", x, m.input("z", "K", 24, dtype="i8"), zx), T.INT32)
    m.output(m.node("MatMulInteger", m.input("u", "M", 32), m.whole("w", T.INT8, 32, 40), zx),
             T.INT32)
    m.dims = {"M": rows, "K": steps}
    return m


def integer_windows(dtype):
    """Convolutions of bytes: borders that are the zero point, groups, biases, a chain."""
    m = Model(f"integer_windows_{dtype}", dtype)
    x, sx, zx = m.input("x", 1, 3, 15, 14), m.real(0.02), m.whole("zx", m.type, values=99)
    sw, zw = m.real(0.01), m.whole("zw", T.INT8, values=0)
    zy = m.whole("zy", m.type, values=7)
    a = m.node("QLinearConv", x, sx, zx, m.whole("w1", T.INT8, 32, 3, 5, 5), sw, zw, sx, zy,
               m.whole("b1", T.INT32, 32, values=RNG.integers(-999, 999, 32)), pads=[2, 2, 2, 2])
    b = m.node("QLinearConv", a, sx, zy, m.whole("w2", T.INT8, 64, 32, 3, 3), sw, zw, sx, zy,
               pads=[1, 1, 1, 1], strides=[2, 1])
    m.output(m.node("QLinearConv", b, sx, zy, m.whole("w3", T.INT8, 40, 64, 1, 1), sw, zw, sx, zy))
    m.output(m.node("ConvInteger", b, m.whole("w4", T.INT8, 48, 16, 3, 3), m.input("zi"),
                    pads=[1, 1, 1, 1], group=4), T.INT32)
    return m


def attention(dtype, queries, keys):
    """Masks of both kinds, causal, shared heads, a growing cache, depths that are no whole matrices."""
    m = Model(f"attention_{dtype}_{queries}_{keys}", dtype)
    m.opset, m.dims = 23, {"M": queries, "N": keys}
    q, k, v = m.input("q", 1, 4, "M", 64), m.input("k", 1, 2, "N", 64), m.input("v", 1, 2, "N", 64)
    m.output(m.node("Attention", q, k, v))
    m.output(m.node("Attention", m.input("q1", 1, 1, "M", 40), m.input("k1", 1, 1, "N", 40),
                    m.input("v1", 1, 1, "N", 128), m.input("mask", 1, 1, "M", "N")))
    m.output(m.node("Attention", m.input("q2", 2, 1, 33, 96), m.input("k2", 2, 1, 70, 96),
                    m.input("v2", 2, 1, 70, 32), m.input("keep", 1, 1, 33, 70, dtype="bool"),
                    is_causal=1, softcap=2.0))
    m.output(m.node("Attention", m.input("q3", 1, 2, "M", 32), m.input("k3", 1, 2, "M", 32),
                    m.input("v3", 1, 2, "M", 8), "", m.input("past_k", 1, 2, "N", 32),
                    m.input("past_v", 1, 2, "N", 8), is_causal=1))
    return m


def fast(model):
    """Factors in f32 lose bits."""
    model.name += "_fast"
    model.options, model.tolerance = ["--fp=fast"], 1e-3
    return model


def parts(dtype):
    """Long reductions with few results: parts of them are kernels of their own."""
    m = Model(f"parts_{dtype}", dtype)
    x = m.input("x", 1, 160, 5, 6)
    conv = m.node("Conv", x, m.const("w1", 33, 160, 3, 3), m.const("b1", 33), pads=[1, 1, 1, 1])
    m.output(m.node("Relu", conv))
    long = m.input("long", 7, 2050)
    m.output(m.node("Gemm", long, m.const("w2", 2050, 12), m.const("b2", 12)))
    row = m.input("row", 2, 40000)
    m.output(m.node("MatMul", row, m.const("w3", 40000, 3)))
    m.output(m.node("Softmax", m.input("line", 1, 150000), axis=1))
    m.output(m.node("ReduceMax", row, keepdims=0))
    m.output(m.node("ArgMax", row, axis=1), T.INT64)
    m.output(m.node("ReduceMean", m.node("Mul", row, row), keepdims=0))
    return m


def keys(dtype, count):
    """Queries of few blocks to many keys, some parts of which may be empty."""
    m = Model(f"keys_{dtype}_{count}", dtype)
    v, k = m.input("v", 2, 3, "N", 32), m.node("Transpose", m.input("k", 2, 3, "N", 16),
                                               perm=[0, 1, 3, 2])
    scores = m.node("Mul", m.node("MatMul", m.input("q", 2, 3, 2, 16), k), m.const("scale", 1))
    m.output(m.node("MatMul", m.node("Softmax", scores, axis=-1), v))
    scores = m.node("Add", m.node("MatMul", m.input("one", 2, 3, 1, 16), k), m.input("mask", "N"))
    m.output(m.node("MatMul", m.node("Softmax", scores, axis=-1), v))
    scores = m.node("MatMul", m.input("block", 1, 1, 40, 16), m.input("many", 1, 1, 16, 6000))
    m.output(m.node("MatMul", m.node("Softmax", scores, axis=-1), m.input("values", 1, 1, 6000, 32)))
    m.dims = {"N": count}
    return m


def parts_of_integers():
    m = Model("parts_u8", "u8")
    x = m.input("x", 9, 2050)
    m.output(m.node("MatMulInteger", x, m.whole("w", T.INT8, 2050, 24),
                    m.whole("zx", T.UINT8, values=117)), T.INT32)
    m.output(m.node("ConvInteger", m.input("image", 1, 256, 5, 6),
                    m.whole("v", T.INT8, 20, 256, 3, 3), m.input("zi"), pads=[1, 1, 1, 1]), T.INT32)
    return m


def parts_of_the_run(dtype, rows):
    """As many rows as only the run knows, some of which parts lack."""
    m = Model(f"parts_{dtype}_{rows}", dtype)
    x = m.input("x", "N", 768)
    m.output(m.node("ReduceMin", x, keepdims=0))
    m.output(m.node("ReduceL1", x, m.axes(0), keepdims=0))
    m.dims = {"N": rows}
    return m



def large(dtype, name, rows, columns, depth, turns):
    """So large that groups of warps multiply: either factor turned, a batch, parts of tiles."""
    m = Model(f"large_{name}_{dtype}", dtype)
    if turns == "batch":
        x = m.input("x", 2, rows // 2, depth)
        m.output(m.node("MatMul", x, m.input("z", 2, depth, columns)))
        return m
    a = m.input("x", *([depth, rows] if "a" in turns else [rows, depth]))
    b = m.const("w", *([columns, depth] if "b" in turns else [depth, columns]))
    if "v" in turns:
        b = m.input("z", depth, columns)
    c = m.node("Gemm", a, b, m.const("c", columns), transA=int("a" in turns),
               transB=int("b" in turns))
    m.output(m.node("Relu", c))
    return m


def large_integers(dtype, name, rows, columns, depth, turns):
    """The same of bytes, whose factors lie along the steps, but the one that is turned."""
    m = Model(f"large_integers_{name}_{dtype}", dtype)
    x, zx = m.input("x", rows, depth), m.whole("zx", m.type, values=117)
    if "v" in turns:
        z = m.node("Transpose", m.input("z", columns, depth, dtype="u8"), perm=[1, 0])
        m.output(m.node("MatMulInteger", x, z), T.INT32)
    elif "q" in turns:
        m.output(m.node("QLinearMatMul", x, m.real(0.02), zx, m.whole("w", T.INT8, depth, columns),
                        m.real(0.003), m.whole("z3", T.INT8, values=3), m.real(0.5), zx))
    else:
        m.output(m.node("MatMulInteger", x, m.whole("w", T.INT8, depth, columns), zx), T.INT32)
    return m


def large_rows(dtype, rows):
    """Rows that only the run knows: each class of them reads the constant as the largest has it."""
    m = Model(f"large_rows_{dtype}_{rows}", dtype)
    m.dims, x = {"M": rows}, m.input("x", "M", 256)
    if dtype == "f32":
        m.output(m.node("Gemm", x, m.const("w", 256, 1024), m.const("c", 1024)))
    else:
        m.output(m.node("MatMulInteger", x, m.whole("w", T.INT8, 256, 1024)), T.INT32)
    return m


def large_window(dtype):
    """A convolution of many pixels and channels."""
    m = Model(f"large_window_{dtype}", dtype)
    x = m.node("Relu", m.node("Conv", m.input("x", 1, 4, 66, 64), m.const("w1", 32, 4, 1, 1)))
    y = m.node("Conv", x, m.const("w2", 264, 32, 3, 3), m.const("b", 264), pads=[1, 1, 1, 1])
    m.output(m.node("Relu", y))
    return m


def larges():
    """Tiles of 128 x 64, 128 x 128, 256 x 128, 128 x 256."""
    yield large("f16", "even", 1024, 1024, 200, "")
    yield large("bf16", "odd", 1001, 1027, 50, "a")
    yield large("f16", "turned", 2048, 1016, 136, "b")
    yield large("f16", "tall", 4096, 1000, 48, "v")
    yield large("bf16", "wide", 1024, 4096, 32, "ab")
    yield large("f16", "batch", 2000, 1000, 40, "batch")
    yield large_window("f16")
    yield large_integers("u8", "even", 1024, 1024, 192, "q")
    yield large_integers("i8", "odd", 1001, 1027, 100, "")
    yield large_integers("i8", "wide", 1024, 4096, 80, "v")
    yield fast(large("f32", "even", 1024, 1024, 160, ""))
    yield fast(large("f32", "odd", 1001, 1027, 50, "b"))
    yield large_rows("u8", 20)
    yield large_rows("i8", 300)
    yield fast(large_rows("f32", 20))
    yield fast(large_rows("f32", 300))


def models():
    yield fast(products("f32"))
    yield fast(windows("f32"))
    yield fast(sizes("f32", 65, 48))
    for dtype in ("f32", "f16", "bf16"):
        yield parts(dtype)
        yield parts_of_the_run(dtype, 1)
        yield parts_of_the_run(dtype, 77)
        yield keys(dtype, 1)
        yield keys(dtype, 4500)
        yield products(dtype)
        yield windows(dtype)
        yield sizes(dtype, 1, 5)
        yield sizes(dtype, 65, 48)
    yield few("f32")
    yield fast(few("f32"))
    yield few("f16")
    yield few_of_bytes()
    yield attention("f16", 70, 65)
    yield attention("bf16", 17, 200)
    yield quantized()
    yield parts_of_integers()
    for dtype in ("u8", "i8"):
        yield integers(dtype)
        yield integer_windows(dtype)
        yield integer_sizes(dtype, 6, 5)
        yield integer_sizes(dtype, 65, 96)


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
    for info, file in zip(model.outputs, files):
        of = info.type.tensor_type.elem_type
        raw = np.fromfile(file, dtype=STORED[of])
        if of == T.BFLOAT16:
            raw = (raw.astype(np.uint32) << 16).view(np.float32)
        out.append(raw.astype(np.float64))
    return out


def kernels(model, onnxcc, path):
    """The text of a model's kernels, without the functions in front of them."""
    text = run([onnxcc, "-q", path, *model.options, "--device=cuda", "--emit=cuda", "-o", "/dev/stdout"])
    return text[text.index("__global__"):]


def check(model, onnxcc, folder, kind, flags=""):
    path = os.path.join(folder, f"{model.name}.onnx")
    program = os.path.join(folder, f"{model.name}.{kind or 'plain'}")
    settings = {"ONNXCC_EMU_CHECK": kind, "ONNXCC_EMU_SEED": "3", "ONNXCC_EMU_CXXFLAGS": flags}
    run([onnxcc, "-q", path, "--device=cuda-emu", *model.options, "-o", program], settings)
    for model.dims in model.runs or [model.dims]:
        compare(model, program, folder, kind, settings)
    print(f"{model.name} {kind}{flags}: {len(model.outputs)} outputs agree")


def compare(model, program, folder, kind, settings):
    expected = values(model, os.path.join(folder, f"{model.name}.cpu"), folder)
    for i, (want, got) in enumerate(zip(expected, values(model, program, folder, settings))):
        if want.size == 0 or want.shape != got.shape:
            sys.exit(f"FAIL: {model.name} ({kind}): output {i} has {got.size} elements")
        worst = np.max(np.abs(want - got)) / np.max(np.abs(want))
        if not worst <= model.tolerance:
            sys.exit(f"FAIL: {model.name} ({kind}): output {i} differs by {worst:g}, {model.dims}")


def driver(folder, *flags):
    """The driver of tests/cuda/driver, in a folder of its own."""
    here = os.path.dirname(os.path.abspath(__file__))
    os.makedirs(folder, exist_ok=True)
    run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-O1", "-pthread", *flags, "-o",
         os.path.join(folder, "libcuda.so.1"), *glob.glob(os.path.join(here, "driver", "*.c"))])
    return {"LD_LIBRARY_PATH": folder, "FAKE_CUDA_CHIP": "90"}


def check_launch(model, onnxcc, folder):
    """The program itself, against that driver: memory that launches ask for, and tensor maps."""
    header = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../runtime/emu/cuda_emu.h")
    path, name = os.path.join(folder, f"{model.name}.onnx"), os.path.join(folder, model.name)
    compiled = subprocess.run([onnxcc, "-q", path, "--device=cuda", "-o", f"{name}.gpu"],
                              stderr=subprocess.PIPE, check=False)
    if compiled.returncode and b"was not found" in compiled.stderr:
        print(f"{model.name}: not launched, no CUDA toolkit")
        return
    run([onnxcc, "-q", path, "--device=cuda", "--gpu-arch=sm_90a", "--emit=cuda",
         "-o", f"{name}.gpu.cu"])
    run([os.environ.get("CXX", "c++"), "-std=gnu++17", "-O1", "-shared", "-fPIC", "-w", "-x", "c++",
         "-ffp-contract=off", "-include", header, f"{name}.gpu.cu", "-o", f"{name}.so"])
    settings = {"FAKE_CUDA_KERNELS": f"{name}.so", **driver(folder)}
    expected = values(model, f"{name}.cpu", folder)
    for i, (want, got) in enumerate(zip(expected, values(model, f"{name}.gpu", folder, settings))):
        if not np.max(np.abs(want - got)) <= model.tolerance * np.max(np.abs(want)):
            sys.exit(f"FAIL: {model.name}, launched: output {i} differs")
    print(f"{model.name} launched: {len(expected)} outputs agree")


def check_refusal(program, settings, text):
    done = subprocess.run([program], stderr=subprocess.PIPE, check=False,
                          env={**os.environ, **settings})
    if done.returncode != 1 or text not in done.stderr:
        sys.exit(f"FAIL: {program}: {done.returncode} {done.stderr}")


def check_other_drivers(model, folder):
    """One without tensor maps gets the PTX, and says why where it does not take that; one may refuse
    to make them."""
    name = os.path.join(folder, model.name)
    if not os.path.exists(f"{name}.gpu"):
        return
    check_refusal(f"{name}.gpu", {"FAKE_CUDA_KERNELS": f"{name}.so", "FAKE_CUDA_MAPS": "0",
                                  **driver(folder)}, b"no tensor map of its operands")
    settings = {"FAKE_CUDA_KERNELS": f"{name}.so",
                **driver(os.path.join(folder, "old"), "-DFAKE_CUDA_OLD")}
    if "loads ptx" not in run([f"{name}.gpu"], settings):
        sys.exit(f"FAIL: {model.name}: an old driver does not get the PTX")
    check_refusal(f"{name}.gpu", {**settings, "FAKE_CUDA_REFUSE": "ptx"},
                  b"too old for the kernels for sm_90a")
    print(f"{model.name}: an old driver gets the PTX, or is told of")


def main():
    onnxcc, folder = sys.argv[1], os.path.abspath(sys.argv[2])
    os.makedirs(folder, exist_ok=True)
    for model in models():
        path = model.save(folder)
        run([onnxcc, "-q", path, "-o", os.path.join(folder, f"{model.name}.cpu")])
        check(model, onnxcc, folder, "races")
        if not model.dims:
            check(model, onnxcc, folder, "address")
    for model in larges():
        path = model.save(folder)
        run([onnxcc, "-q", path, "-o", os.path.join(folder, f"{model.name}.cpu")])
        if "group_products" not in kernels(model, onnxcc, path):
            sys.exit(f"FAIL: {model.name} is not multiplied by groups")
        check(model, onnxcc, folder, "races")
        check(model, onnxcc, folder, "", "-DONNXCC_EMU_WARPS")
        if model.dtype in ("f16", "u8") and not model.dims:
            check_launch(model, onnxcc, folder)
        if model.name == "large_tall_f16":
            check_other_drivers(model, folder)


if __name__ == "__main__":
    main()
