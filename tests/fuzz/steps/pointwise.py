"""Operators that work element by element."""

import numpy as np
from onnx import TensorProto, helper

from random_graph import BF16, BOOL, F16, F32, FLOATS, INTEGERS, is_float
from steps.registry import NARROW, makes

# What the elements must lie in; None: anything.
RANGES = {"Acos": (-0.95, 0.95), "Asin": (-0.95, 0.95), "Atanh": (-0.9, 0.9), "Acosh": (1.1, 50),
          "Log": (0.01, 1e4), "Sqrt": (0.0, 1e4), "Exp": (-60, 8), "Sinh": (-8, 8),
          "Cosh": (-8, 8), "Tan": (-1.4, 1.4), "Reciprocal": (0.05, 1e3),
          "Erf": (-3, 3)}  # of integers: from 4 on 1 or just below, as the precision has it


@makes("""Abs Acos Acosh Asin Asinh Atan Atanh Ceil Cos Cosh Erf Exp Floor Log Neg Reciprocal Relu
    Round Sigmoid Sign Sin Sinh Softplus Softsign Sqrt Tan Tanh Identity HardSwish Mish Not
    BitwiseNot IsNaN""")
def unary(g, op):
    low, high = RANGES.get(op, (None, None))
    if op in ("Abs", "Neg", "IsNaN", "Floor", "Ceil", "Exp", "Identity", "Sqrt") and g.chance(0.1):
        return g.node(op, [special(g, op)])
    return g.node(op, [g.operand(op, low=low, high=high)])


def special(g, op):
    """A tensor with NaN, infinities and zeros of both signs."""
    dtype = g.choose([t for t in g.types(op) if is_float(t)])
    value = g.random(g.sizes(2, 1), dtype)
    edges = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0]).astype(dtype)
    return g.input(np.where(g.np.random(value.shape) < 0.4, g.np.choice(edges, value.shape), value))


@makes("Elu LeakyRelu Celu ThresholdedRelu Selu HardSigmoid Gelu Swish Shrink")
def activation(g, op):
    number = lambda: g.maybe(round(g.rng.uniform(0.1, 1.5), 3))
    attributes = {"Selu": lambda: {"alpha": number(), "gamma": number()},
                  "HardSigmoid": lambda: {"alpha": number(), "beta": number()},
                  "Gelu": lambda: {"approximate": g.maybe(g.choose(["none", "tanh"]))},
                  "Shrink": lambda: {"lambd": number(), "bias": number()}}
    few = attributes.get(op, lambda: {"alpha": number()})()
    return g.node(op, [g.operand(op, low=-100, high=100)], **few)


@makes("Add Sub Mul Equal Greater Less GreaterOrEqual LessOrEqual And Or Xor BitwiseAnd BitwiseOr "
       "BitwiseXor")
def binary(g, op):
    if op in ("Add", "Sub", "Mul", "Equal", "Less", "Greater") and g.chance(0.05) \
            and F32 in g.types(op):
        x = special(g, op)
        return g.node(op, [x, g.like(x)])
    x = g.operand(op)
    pair = [x, g.like(x)]
    g.rng.shuffle(pair)
    return g.node(op, pair)


@makes("Div")
def divide(g, op):
    x = g.operand(op)
    low, high = (0.3, 3.0) if is_float(g.dtype(x)) else (1, 7)
    return g.node(op, [x, g.like(x, low, high)])


@makes("Mod")
def remainder(g, op):
    x = g.operand(op, low=-100, high=100)
    if is_float(g.dtype(x)):
        return g.node(op, [x, g.like(x, 0.3, 3.0)], fmod=1)
    low = -7 if g.dtype(x).kind == "i" and g.chance(0.5) else 1
    y = g.like(x, low, -1 if low < 0 else 7)
    return g.node(op, [x, y], fmod=g.maybe(g.rng.randrange(2)))


@makes("Pow")
def power(g, op):
    x = g.operand(op, low=0.2, high=4.0)
    y = g.choose([g.dtype(x), F32, np.dtype(np.int32), np.dtype(np.int64)]) \
        if g.opset >= 13 else g.dtype(x)
    if y not in g.types(op, 1):
        return None
    if is_float(y) and is_float(g.dtype(x)) and g.chance(0.5):
        exponent = g.const(g.choose([0.5, 2, 3, -1, 1, 0, 1.5]), y)
    else:
        exponent = g.param(g.random(g.choose([(), g.shape(x), g.shape(x)[-1:]]), y, 0, 3))
    return g.node(op, [x, exponent])


@makes("BitShift")
def shift(g, op):
    x = g.operand(op)
    bits = 8 * g.dtype(x).itemsize
    return g.node(op, [x, g.like(x, 0, bits - 1)], direction=g.choose(["LEFT", "RIGHT"]))


@makes("Max Min Mean Sum")
def several(g, op):
    x = g.operand(op)
    return g.node(op, [x] + [g.like(x) for _ in range(g.choose([0, 1, 1, 2, 3]))])


@makes("Clip")
def clip(g, op):
    x = g.operand(op)
    if g.opset < 11:
        return g.node(op, [x], min=g.maybe(-0.5), max=g.maybe(0.75))
    low, high = (-1, 1) if g.dtype(x).kind != "u" else (1, 5)
    ends = [g.maybe(g.param(np.array(v).astype(g.dtype(x))), 0.7) or "" for v in (low, high)]
    return g.node(op, [x, *ends])


@makes("PRelu")
def prelu(g, op):
    x = g.operand(op)
    shape = [n if g.chance(0.6) else 1 for n in g.shape(x)[g.rng.randrange(g.rank(x) + 1):]]
    return g.node(op, [x, g.weights(shape, g.dtype(x), low=0, high=2)])


@makes("IsInf")
def is_inf(g, op):
    return g.node(op, [special(g, op)], detect_positive=g.maybe(g.rng.randrange(2)),
                  detect_negative=g.maybe(g.rng.randrange(2)))


@makes("Where")
def where(g, op):
    x = g.tensor(g.types(op, 1))
    shape = [n if g.chance(0.8) else 1 for n in g.shape(x)]
    fit = [n for n, v in g.values.items() if isinstance(v, np.ndarray) and v.dtype == BOOL
           and v.shape == g.shape(x)]
    c = g.choose(fit) if fit else g.input(g.random(shape, BOOL))
    pair = [x, g.like(x)]
    g.rng.shuffle(pair)
    return g.node(op, [c, *pair])


def cast_types(g):
    types = [t for t in FLOATS + INTEGERS + [BOOL] if t != BF16 or g.opset >= 13]
    return g.choose(types) if g.chance(0.6) else g.main if g.main in types else F32


@makes("Cast")
def cast(g, op):
    if g.opset >= 19 and g.chance(0.12):
        return narrow_cast(g, op)
    to = cast_types(g)
    x = castable(g, op, to)
    return g.node(op, [x], to=helper.np_dtype_to_tensor_dtype(to))


def narrow_cast(g, op):
    """To few bits and back."""
    to = g.choose([code for code, first in NARROW if first <= g.opset])
    float8 = to in (TensorProto.FLOAT8E4M3FN, TensorProto.FLOAT8E4M3FNUZ, TensorProto.FLOAT8E5M2,
                    TensorProto.FLOAT8E5M2FNUZ)
    low, high = (0, 3) if to in (TensorProto.UINT4, TensorProto.UINT2) else (-2, 1)
    if float8 or to == TensorProto.FLOAT4E2M1:
        x = g.tensor([F32, F16], low=-400 if float8 else -5, high=400 if float8 else 5)
    else:  # whole numbers: how fractions go is disputed
        shape = g.sizes(g.choose([0, 1, 2, 3]), 1)
        x = g.input(g.random(shape, np.dtype(np.int8), low, high).astype(g.choose([F32, F16])))
    down = g.make(op, [x], to=to, saturate=g.maybe(g.rng.randrange(2)) if float8 else None)
    up = g.make(op, [down.output[0]], to=helper.np_dtype_to_tensor_dtype(g.dtype(x)))
    return g.add([down, up], [up.output[0]])


def castable(g, op, to):
    """Numbers that the type holds: what others give is left open."""
    if is_float(to) or to == BOOL:
        return g.operand(op, low=-6e4, high=6e4)
    return g.operand(op, low=0 if to.kind == "u" else -100, high=100)


@makes("CastLike")
def cast_like(g, op):
    to = g.choose(g.types(op, 1))
    if to in (F16, BF16) and g.chance(0.5):
        to = F32
    return g.node(op, [castable(g, op, to), g.tensor([to], new=0.7)])


@makes("BitCast")
def bit_cast(g, op):
    x = g.operand(op)
    size = g.dtype(x).itemsize
    same = [t for t in INTEGERS if t.itemsize == size]
    if g.dtype(x) == BOOL or not g.exact[x]:
        return None
    return g.node(op, [x], to=helper.np_dtype_to_tensor_dtype(g.choose(same)))


@makes("Dropout")
def dropout(g, op):
    x = g.operand(op)
    outputs = [True, g.chance(0.5)] if g.opset >= 12 else 1  # before, the mask is left open
    if g.opset < 12:
        return g.node(op, [x], outputs, ratio=0.3)
    ratio = g.const(0.4, F32)
    training = g.maybe(g.const(False), 0.5) or ""
    return g.node(op, [x, ratio, training], outputs)


@makes("Constant")
def constant(g, op):
    kinds = [{"value": helper.make_tensor("v", TensorProto.FLOAT, [2, 3], [1, 2, 3, 4, 5, 6.5])}]
    if g.opset >= 12:
        kinds += [{"value_float": 0.5}, {"value_floats": [1.0, -2.5, 3.0]}, {"value_int": -3},
                  {"value_ints": [4, 5, 6]}, {"value_strings": ["a", "b"]}]
    if g.opset >= 11:
        values = helper.make_tensor("s", TensorProto.FLOAT, [2], [1.5, -2])
        places = helper.make_tensor("i", TensorProto.INT64, [2], [1, 5])
        kinds.append({"sparse_value": helper.make_sparse_tensor(values, places, [2, 4])})
    return g.node(op, [], **g.choose(kinds))
