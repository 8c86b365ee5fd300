"""The kernels that are measured on GPUs, each an ONNX model of one operator.

`peer` says the same to peers.py: the name of a function there and its arguments.
"""

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

TYPES = {"f32": TensorProto.FLOAT, "f16": TensorProto.FLOAT16, "bf16": TensorProto.BFLOAT16}
BYTES = {"f32": 4, "f16": 2, "bf16": 2}
# What rounding of results and another order of sums may change: the CPU's program is the reference.
TOLERANCE = {"f32": (1e-3, 1e-3), "f16": (2e-3, 1e-2), "bf16": (1e-2, 5e-2)}
OPSET = 23


@dataclass
class Kernel:
    name: str
    model: onnx.ModelProto
    flops: float  # 0: bound by memory
    bytes: float  # read and written
    tolerance: tuple
    peer: str


def elements(shape):
    return float(np.prod(shape))


def kernel(op, dtype, inputs, output, flops=0, peer="", constants=(), **attributes):
    """`inputs` are shapes; `constants` come behind them."""
    names = [f"x{i}" for i in range(len(inputs))]
    inits = [numpy_helper.from_array(c, f"w{i}") for i, c in enumerate(constants)]
    node = helper.make_node(op, names + [c.name for c in inits], ["y"], name=op, **attributes)
    if inits and dtype != "f32":
        for c in inits:
            wide = numpy_helper.to_array(c)
            narrow = helper.make_tensor(c.name, TYPES[dtype], wide.shape, wide.flatten().tolist())
            c.CopyFrom(narrow)
    values = [helper.make_tensor_value_info(n, TYPES[dtype], s) for n, s in zip(names, inputs)]
    result = helper.make_tensor_value_info("y", TYPES[dtype], output)
    graph = helper.make_graph([node], op, values, [result], inits)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    moved = sum(elements(s) for s in [*inputs, output]) + sum(c.size for c in constants)
    name = "_".join(peer.split())
    return Kernel(name, model, flops, moved * BYTES[dtype], TOLERANCE[dtype], peer)


def contractions(sizes):
    for dtype in ("bf16", "f16", "f32"):
        for n in sizes:
            yield kernel("MatMul", dtype, [(n, n), (n, n)], (n, n), 2.0 * n**3, f"matmul {dtype} {n}")


def convolution(dtype, batch, channels, size):
    w = np.random.default_rng(0).standard_normal((channels, channels, 3, 3)).astype(np.float32)
    w *= (9 * channels) ** -0.5
    shape = (batch, channels, size, size)
    return kernel("Conv", dtype, [shape], shape, 18.0 * channels * elements(shape),
                  f"conv {dtype} {batch} {channels} {size}", [w], pads=[1, 1, 1, 1])


def attention(dtype, batch, heads, length, width):
    shape = (batch, heads, length, width)
    return kernel("Attention", dtype, [shape] * 3, shape, 4.0 * elements(shape) * length,
                  f"attention {dtype} {batch} {heads} {length} {width}")


def memory_bound(rows, columns):
    shape, turned = (rows, columns), (columns, rows)
    size = f"{rows} {columns}"
    ones, zeros = np.ones(columns, np.float32), np.zeros(columns, np.float32)
    yield kernel("Neg", "f32", [shape], shape, peer=f"copy f32 {size}")
    yield kernel("Transpose", "f32", [shape], turned, peer=f"transpose f32 {size}", perm=[1, 0])
    yield kernel("Add", "f16", [shape, shape], shape, peer=f"add f16 {size}")
    yield kernel("Gelu", "f16", [shape], shape, peer=f"gelu f16 {size}")
    yield kernel("Softmax", "f16", [shape], shape, peer=f"softmax f16 {size}", axis=-1)
    for dtype in ("f32", "f16"):
        yield kernel("LayerNormalization", dtype, [shape], shape, peer=f"layernorm {dtype} {size}",
                     constants=[ones, zeros], axis=-1)
    yield kernel("RMSNormalization", "bf16", [shape], shape, peer=f"rmsnorm bf16 {size}",
                 constants=[ones], axis=-1)


def all_kernels(tiny):
    """`tiny`: the same in a size that an emulation runs in a blink."""
    if tiny:
        return [*contractions([32]), convolution("f16", 1, 8, 6), attention("f16", 1, 2, 16, 8),
                *memory_bound(8, 64)]
    return [*contractions([2048, 4096, 8192]), convolution("f16", 32, 256, 56),
            attention("f16", 4, 16, 2048, 64), attention("bf16", 1, 32, 4096, 128),
            *memory_bound(8192, 4096)]
