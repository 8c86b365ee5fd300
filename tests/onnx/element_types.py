#!/usr/bin/env python3
"""Element types through compiled programs.

    element_types.py ONNXCC

1. Operators on f16 and bf16, against onnx's reference evaluator on the same numbers in f32.
2. Integers of every width and conversions between all types at their edges: overflow, division by zero and of the least number,
   shifts beyond the width, NaN and infinities. What ONNX leaves open is what docs/numerics.md says.
3. QuantizeLinear and DequantizeLinear with every type.

Needs numpy, ml_dtypes and onnx. Prints what differs; exits with 0 where nothing does."""

import pathlib
import subprocess
import sys
import tempfile

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

ONNXCC = sys.argv[1]
OPSET, IR = 25, 12
BF16 = ml_dtypes.bfloat16
INTS = {"i8": np.int8, "i16": np.int16, "i32": np.int32, "i64": np.int64,
        "u8": np.uint8, "u16": np.uint16, "u32": np.uint32, "u64": np.uint64}
FLOATS = {"f16": np.float16, "bf16": BF16, "f32": np.float32, "f64": np.float64}
random = np.random.default_rng(3)
failures = 0


def code(dtype):
    return helper.np_dtype_to_tensor_dtype(np.dtype(dtype))


def info(name, value):
    return helper.make_tensor_value_info(name, code(value.dtype), value.shape)


def model_of(nodes, inputs, outputs, constants=None):
    graph = helper.make_graph(nodes, "types", [info(*i) for i in inputs.items()], outputs,
                              [numpy_helper.from_array(v, k) for k, v in (constants or {}).items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)


def check(name, model, inputs, want, *options):
    """Compiles, runs, and compares."""
    global failures
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        onnx.save(model, folder / "model.onnx")
        for kind, values in (("input", inputs), ("output", want)):
            for i, (key, v) in enumerate(values.items()):
                (folder / f"{kind}_{i}.pb").write_bytes(numpy_helper.from_array(v, key).SerializeToString())
        level, tolerances = options[0], options[1:]
        for command in ([ONNXCC, "-q", level, folder / "model.onnx", "-o", folder / "m"],
                        [folder / "m", "--check", folder, *tolerances]):
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                failures += 1
                text = [line for line in (done.stdout + done.stderr).splitlines() if ": ok" not in line]
                print(f"{name} {level}:", *text[:20], sep="\n  ")
                return


# ---- operators on 16-bit floats ----

def floats(*shape):
    return random.standard_normal(shape)


def some(*shape):
    return random.random(shape) * 0.8 + 0.1


UNARY = """Abs Acos Asin Asinh Atan Atanh Ceil Cos Cosh Erf Exp Floor Log Neg Reciprocal Relu Round Sigmoid Sign Sin Sinh
    Softplus Softsign Sqrt Tan Tanh Gelu HardSigmoid HardSwish Elu Selu LeakyRelu ThresholdedRelu Mish IsNaN""".split()
BINARY = "Add Sub Mul Div Pow Min Max Equal Less Greater LessOrEqual GreaterOrEqual PRelu".split()
REDUCTIONS = "ReduceSum ReduceMean ReduceMax ReduceMin ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceSumSquare".split()
# operator, operands (floats become the type under test, integers stay), attributes
OTHERS = [
    ("Softmax", [floats(3, 70)], {}), ("LogSoftmax", [floats(3, 70)], {}), ("CumSum", [some(3, 9), np.array(1)], {}),
    ("MatMul", [floats(5, 33), floats(33, 17)], {}), ("Gemm", [floats(5, 33), floats(17, 33), floats(17)], {"transB": 1}),
    ("Conv", [floats(1, 3, 8, 9), floats(4, 3, 3, 3), floats(4)], {"pads": [1, 1, 1, 1]}),
    ("ConvTranspose", [floats(1, 3, 5, 6), floats(3, 4, 3, 3), floats(4)], {}),
    ("MaxPool", [floats(1, 3, 6, 6)], {"kernel_shape": [2, 2]}), ("AveragePool", [floats(1, 3, 6, 6)], {"kernel_shape": [2, 2]}),
    ("GlobalAveragePool", [floats(1, 3, 6, 6)], {}),
    ("BatchNormalization", [floats(2, 3, 5), some(3), floats(3), floats(3), some(3)], {}),
    ("LayerNormalization", [floats(2, 3, 50), some(50), floats(50)], {}), ("RMSNormalization", [floats(2, 3, 50), some(50)], {}),
    ("InstanceNormalization", [floats(2, 3, 50), some(3), floats(3)], {}),
    ("GroupNormalization", [floats(2, 4, 50), some(4), floats(4)], {"num_groups": 2}),
    ("LRN", [floats(1, 5, 4, 4)], {"size": 3}), ("LpNormalization", [floats(3, 9)], {"axis": 1}),
    ("Attention", [floats(1, 2, 5, 8), floats(1, 2, 7, 8), floats(1, 2, 7, 8)], {}),
    ("LSTM", [floats(3, 2, 5), floats(1, 16, 5), floats(1, 16, 4)], {"hidden_size": 4}),
    ("GRU", [floats(3, 2, 5), floats(1, 12, 5), floats(1, 12, 4)], {"hidden_size": 4}),
    ("RotaryEmbedding", [floats(1, 2, 3, 8), floats(1, 3, 4), floats(1, 3, 4)], {}),
    ("SoftmaxCrossEntropyLoss", [floats(5, 7), np.array([1, 2, 3, 0, 6])], {}),
    ("Gather", [floats(3, 9), np.array([1, -1, 3])], {"axis": 1}), ("Trilu", [floats(4, 4)], {}),
    ("ScatterElements", [floats(3, 9), np.array([[1, 3], [0, 0], [8, -1]]), floats(3, 2)], {"axis": 1, "reduction": "add"}),
    ("Concat", [floats(3, 4), floats(2, 4)], {"axis": 0}), ("Tile", [floats(2, 3), np.array([2, 2])], {}),
    ("DepthToSpace", [floats(1, 8, 2, 3)], {"blocksize": 2}), ("ArgMax", [floats(3, 70)], {"axis": 1}),
]


def rows():
    for op in UNARY:
        yield op, [some(3, 7)], {}
    for op in BINARY:
        yield op, [some(3, 7), some(7)], {}
    for op in REDUCTIONS:
        yield op, [some(3, 70), np.array([1])], {}
    yield from OTHERS


def check_halves(name, dtype, *tolerances):
    """One model of all operators; the reference sees the same numbers in f32."""
    nodes, inputs, constants = [], {}, {}
    for k, (op, operands, attributes) in enumerate(rows()):
        names = []
        for i, v in enumerate(operands):
            names.append(f"x{k}_{i}")
            (inputs if v.dtype.kind == "f" else constants)[names[-1]] = v.astype(dtype) if v.dtype.kind == "f" else v
        nodes.append(helper.make_node(op, names, [f"{op}_{k}"], name=op, **attributes))
    wide = {k: v.astype(np.float32) for k, v in inputs.items()}
    outputs = [helper.make_empty_tensor_value_info(n.output[0]) for n in nodes]
    plain = onnx.shape_inference.infer_shapes(model_of(nodes, wide, outputs, constants), check_type=True, strict_mode=True)
    want = dict(zip([o.name for o in outputs], ReferenceEvaluator(plain).run(None, wide)))
    want = {k: v.astype(dtype) if v.dtype == np.float32 else v for k, v in want.items()}
    model = model_of(nodes, inputs, [info(*o) for o in want.items()], constants)
    onnx.checker.check_model(onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True))
    check(name, model, inputs, want, "-O2", *tolerances)


# ---- edges ----

def divide(a, b, limits):
    """Toward zero; x / 0 is 0, the least number / -1 itself."""
    q = [0 if y == 0 else abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1) for x, y in zip(a.tolist(), b.tolist())]
    return np.array([limits.min if v > limits.max else v for v in q], dtype=object)


def remainder(a, b, sign_of_a):
    r = []
    for x, y in zip(a.tolist(), b.tolist()):
        v = 0 if y == 0 else abs(x) % abs(y) * (-1 if x < 0 else 1)
        r.append(v if sign_of_a or not v or (v < 0) == (y < 0) else v + y)
    return np.array(r, dtype=object)


def limited(x, limits):
    """Floats to integers: toward zero, the nearest there is, NaN 0."""
    return np.array([0 if v != v else limits.max if v >= limits.max else limits.min if v <= limits.min else int(v)
                     for v in x.astype(np.float64).tolist()], dtype=object)


def integer_rows(dtype):
    limits = np.iinfo(dtype)
    values = [0, 1, 2, 3, 7, 8, 15, 16, 31, 32, 63, 64, 100, limits.max, limits.max - 1, limits.min, limits.min + 1]
    values += [-1, -2, -7, -8, -100] if limits.min else []
    values = np.array(values, dtype=object).astype(dtype)
    a, b = np.repeat(values, len(values)), np.tile(values, len(values))
    yield from (("Add", a + b, {}), ("Sub", a - b, {}), ("Mul", a * b, {}), ("Div", divide(a, b, limits), {}),
                ("Mod", remainder(a, b, False), {}), ("Mod", remainder(a, b, True), {"fmod": 1}),
                ("Min", np.minimum(a, b), {}), ("Max", np.maximum(a, b), {}), ("Equal", a == b, {}), ("Less", a < b, {}),
                ("GreaterOrEqual", a >= b, {}), ("BitwiseAnd", a & b, {}), ("BitwiseXor", a ^ b, {}), ("BitwiseNot", ~a, {}),
                ("Abs", np.abs(a), {}), ("Sign", np.sign(a), {}), ("Cast", a != 0, {"to": TensorProto.BOOL}))
    if limits.min:
        yield "Neg", -a, {}
    else:
        fits, by = b < limits.bits, np.where(b < limits.bits, b, 0).astype(dtype)
        yield "BitShift", np.where(fits, a << by, 0), {"direction": "LEFT"}
        yield "BitShift", np.where(fits, a >> by, 0), {"direction": "RIGHT"}
    for to in (*INTS.values(), *FLOATS.values()):
        if to != dtype:
            yield "Cast", a.astype(to), {"to": code(to)}
    yield None, a, b


def check_integers(name, dtype, level):
    *operations, (_, a, b) = integer_rows(dtype)
    nodes, want = [], {}
    for k, (op, result, attributes) in enumerate(operations):
        names = ["a"] if op in ("Abs", "Sign", "Neg", "BitwiseNot", "Cast") else ["a", "b"]
        nodes.append(helper.make_node(op, names, [f"{op}_{k}"], **attributes))
        want[f"{op}_{k}"] = result.astype(dtype) if result.dtype == object or op in ("BitShift", "Sign") else result
    inputs = {"a": a, "b": b}
    check(name, model_of(nodes, inputs, [info(*o) for o in want.items()]), inputs, want, level, "--rtol", "0", "--atol", "0")


def check_conversions(name, dtype, level):
    x = np.array([0, -0.0, 0.5, -0.5, 1.5, -1.5, 127, 128, -128, -129, 255, 256, 32767.5, 65504, 65535, 65536, 2**31 - 1, 2**31,
                  -2**31, 2.0**32, 2.0**63, -2.0**63, 2.0**64, 1e30, -1e30, np.inf, -np.inf, np.nan, 1e-40, 1e-8]).astype(dtype)
    nodes, want = [], {}
    for to in (*INTS.values(), *FLOATS.values(), np.bool_):
        if to == dtype:
            continue
        key = f"to_{np.dtype(to).name}"
        nodes.append(helper.make_node("Cast", ["x"], [key], to=code(to)))
        want[key] = limited(x, np.iinfo(to)).astype(to) if to in INTS.values() else x.astype(to)
    check(name, model_of(nodes, {"x": x}, [info(*o) for o in want.items()]), {"x": x}, want, level, "--rtol", "0", "--atol", "0")


# ---- quantization ----

NARROW = [ml_dtypes.int4, ml_dtypes.uint4, ml_dtypes.int2, ml_dtypes.uint2]
SMALL_FLOATS = [ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e4m3fnuz, ml_dtypes.float8_e5m2, ml_dtypes.float8_e5m2fnuz,
                ml_dtypes.float4_e2m1fn]


def quantized(x, scale, zero, dtype):
    """As the standard writes it: rounded, plus the zero point, limited to the type."""
    if dtype in SMALL_FLOATS:
        most = float(ml_dtypes.finfo(dtype).max)
        return np.clip(x / scale, -most, most).astype(dtype)
    limits = ml_dtypes.iinfo(dtype)
    return np.clip(np.rint(x / scale).astype(np.int64) + zero.astype(np.int64), limits.min, limits.max).astype(np.int32).astype(dtype)


def check_quantization(level):
    """Every type; one scale, one for each element of an axis, one for each block of two."""
    x = (random.standard_normal((3, 6, 5)) * 8).astype(np.float32)
    inputs, nodes, want = {"x": x}, [], {}
    for dtype in (np.int8, np.uint8, np.int16, np.uint16, *NARROW, *SMALL_FLOATS):
        name = np.dtype(dtype).name
        for kind, shape in (("tensor", ()), ("axis", (6,)), ("block", (3, 3, 5))):
            key = f"{name}_{kind}"
            scale = (2.0 ** random.integers(-2, 3, shape)).astype(np.float32)
            low = 0 if dtype in SMALL_FLOATS else int(ml_dtypes.iinfo(dtype).min) // 2
            zero = random.integers(low, 1 if dtype in SMALL_FLOATS else int(ml_dtypes.iinfo(dtype).max) // 2 + 1, shape).astype(dtype)
            inputs |= {f"scale_{key}": scale, f"zero_{key}": zero}
            wide_scale, wide_zero = (v if kind == "tensor" else v[None, :, None] if kind == "axis" else np.repeat(v, 2, axis=1)
                                     for v in (scale, zero.astype(np.float32)))
            operands = [f"scale_{key}", f"zero_{key}"]
            attributes = {"axis": 1, "block_size": 2 if kind == "block" else 0}
            nodes.append(helper.make_node("QuantizeLinear", ["x", *operands], [f"q_{key}"], **attributes))
            nodes.append(helper.make_node("DequantizeLinear", [f"q_{key}", *operands], [f"d_{key}"], **attributes))
            q = quantized(x, wide_scale, wide_zero, dtype)
            want |= {f"q_{key}": q, f"d_{key}": (q.astype(np.float32) - wide_zero) * wide_scale}
    model = model_of(nodes, inputs, [info(*o) for o in want.items()])
    model.ir_version = 13
    check("quantization", model, inputs, want, level, "--rtol", "0", "--atol", "0")


def main():
    np.seterr(all="ignore")
    check_halves("f16", np.float16, "--rtol", "4e-3", "--atol", "4e-3")
    check_halves("bf16", BF16, "--rtol", "2e-2", "--atol", "2e-2")
    for level in ("-O0", "-O2"):
        check_quantization(level)
        for name, dtype in INTS.items():
            check_integers(name, dtype, level)
        for name, dtype in FLOATS.items():
            check_conversions(name, dtype, level)
    print(f"{failures} failures")
    sys.exit(failures != 0)


main()
