"""Products of matrices, and what quantizes."""

import numpy as np

from random_graph import F32, I8, I32, U8, is_float
from steps.registry import NARROW, makes


@makes("MatMul")
def matmul(g, op):
    x = g.operand(op, rank=(1, 2, 2, 3, 3, 4), least=1)
    k, n = g.shape(x)[-1], g.choose([1, 2, 3, 8, 17, 33])
    if not is_float(g.dtype(x)):
        return g.node(op, [x, g.input(g.random([k, n], g.dtype(x), 0, 9))])
    kind = g.rng.random()
    if kind < 0.2 and g.rank(x) >= 2:
        perm = [*range(g.rank(x) - 2), g.rank(x) - 1, g.rank(x) - 2]
        t = g.node("Transpose", [x], perm=perm)
        return t and g.node(op, [x, t])
    batch = [n if g.chance(0.7) else 1 for n in g.shape(x)[:-2]] if kind < 0.5 else []
    shape = [k] if kind > 0.9 else [*batch, k, n]
    return g.node(op, [x, g.weights(shape, g.dtype(x), k)])


@makes("Gemm")
def gemm(g, op):
    x = g.operand(op, rank=(2,), least=1)
    if not is_float(g.dtype(x)):
        return None
    ta, tb = g.rng.randrange(2), g.rng.randrange(2)
    m, k = reversed(g.shape(x)) if ta else g.shape(x)
    n = g.choose([1, 2, 8, 17])
    w = g.weights([n, k] if tb else [k, n], g.dtype(x), k)
    shape = g.choose([[n], [1, n], [m, 1], [m, n], [1], []])
    with_c = g.opset < 11 or g.chance(0.7)
    c = g.weights(shape, g.dtype(x)) if with_c else ""
    return g.node(op, [x, w, c], transA=g.maybe(ta) if not ta else 1,
                  transB=g.maybe(tb) if not tb else 1, alpha=g.maybe(0.5), beta=g.maybe(-1.5))


def codes(g, shape, dtype=None):
    dtype = dtype or g.choose([U8, I8])
    limits = np.iinfo(dtype)
    return g.random(shape, dtype, max(limits.min, -127), limits.max)


@makes("MatMulInteger")
def matmul_integer(g, op):
    m, k, n = g.choose([1, 3, 5]), g.choose([1, 4, 17]), g.choose([1, 2, 9])
    batch = g.choose([[], [], [2]])
    a, b = codes(g, [*batch, m, k]), codes(g, [k, n])
    zero_a = g.maybe(g.param(codes(g, [], a.dtype))) or ""
    zero_b = g.maybe(g.param(codes(g, g.choose([[], [n]]), b.dtype))) or ""
    return g.node(op, [g.input(a), g.input(b), zero_a, zero_b])


def small_window(g, h, w):
    k = g.choose([1, 2, 3])
    return k, {"pads": g.maybe([g.rng.randrange(2) for _ in range(4)]),
               "strides": g.maybe([g.choose([1, 2])] * 2)} if min(h, w) >= k else {}


@makes("ConvInteger")
def conv_integer(g, op):
    n, c, h, w = g.choose([1, 2]), g.choose([1, 2, 4]), g.choose([4, 5]), g.choose([5, 7])
    k, more = small_window(g, h, w)
    o = g.choose([1, 3])
    x, y = codes(g, [n, c, h, w], U8), codes(g, [o, c, k, k], g.choose([U8, I8]))
    zero = g.maybe(g.const(codes(g, [], U8))) or ""
    zero_w = g.maybe(g.const(codes(g, [], y.dtype))) or ""
    return g.node(op, [g.input(x), g.param(y), zero, zero_w if zero else ""], **more)


def scale(g, dtype=F32, shape=()):
    """Powers of two: quotients are exact."""
    return g.const(2.0 ** g.np.integers(-6, 0, shape), dtype)


@makes("QLinearConv")
def qlinear_conv(g, op):
    n, c, h, w = 1, g.choose([1, 2, 4]), g.choose([4, 5]), g.choose([5, 7])
    k, more = small_window(g, h, w)
    o = g.choose([1, 3])
    x, y = codes(g, [n, c, h, w]), codes(g, [o, c, k, k])
    zero = lambda t: g.const(codes(g, [], t))
    per_channel = g.choose([(), (o,)])
    weight_zero = g.const(np.zeros(per_channel, y.dtype) if y.dtype == I8
                          else codes(g, per_channel, y.dtype))
    bias = g.maybe(g.const(g.random([o], I32, -500, 500))) or ""
    return g.node(op, [g.input(x), scale(g), zero(x.dtype), g.const(y),
                       scale(g, shape=per_channel), weight_zero, g.const(0.5, F32), zero(x.dtype),
                       bias], **more)


@makes("QLinearMatMul")
def qlinear_matmul(g, op):
    m, k, n = g.choose([1, 3, 5]), g.choose([1, 4, 17]), g.choose([1, 2, 9])
    a, b = codes(g, [*g.choose([[], [2]]), m, k]), codes(g, [k, n])
    zero = lambda t: g.const(codes(g, [], t))
    return g.node(op, [g.input(a), scale(g), zero(a.dtype), g.param(b), scale(g), zero(b.dtype),
                       g.const(0.25, F32), zero(a.dtype)])


@makes("QuantizeLinear")
def quantize(g, op):
    x = g.operand(op, rank=(1, 2, 3, 4), low=-100, high=100)
    if not is_float(g.dtype(x)):
        return None
    kind, axis, more = g.rng.random(), g.axis(g.rank(x)), {}
    shape = ()
    if kind < 0.4 and g.opset >= 13:
        shape, more = (g.shape(x)[axis],), {"axis": axis}
    elif kind < 0.6 and g.opset >= 21:
        block = g.choose([1, 2, 3])
        shape = list(g.shape(x))
        shape[axis] = -(-shape[axis] // block)
        more = {"axis": axis, "block_size": block}
    step = scale(g, g.dtype(x), shape)
    few = [code for code, first in NARROW if max(first, 21) <= g.opset]
    if few and g.chance(0.2):
        down = g.make(op, [x, step], output_dtype=g.choose(few), **more)
        up = g.make("DequantizeLinear", [down.output[0], step], **more)
        return g.add([down, up], [up.output[0]])
    types = [U8, I8] + ([np.dtype(np.int16), np.dtype(np.uint16)] if g.opset >= 21 else [])
    zero = g.const(codes(g, shape, g.choose(types)))
    q = g.node(op, [x, step, g.maybe(zero, 0.7) or ""], **more)
    if not q or g.chance(0.5):
        return q
    given = g.nodes[-1].input
    same = [*given[1:]] if len(given) > 2 else [step]
    return g.node("DequantizeLinear", [q, *same], **more)


@makes("DequantizeLinear")
def dequantize(g, op):
    types = [t for t in g.types(op) if t.itemsize <= 4]
    x = g.tensor(types, rank=(1, 2, 3))
    axis = g.axis(g.rank(x))
    per_axis = g.chance(0.4) and g.opset >= 13
    shape = (g.shape(x)[axis],) if per_axis else ()
    step = g.const(g.random(shape, F32, 0.01, 1.0))
    zero = "" if g.dtype(x) == I32 or g.chance(0.3) else g.const(codes(g, shape, g.dtype(x)))
    return g.node(op, [x, step, zero], axis=axis if per_axis else None)


@makes("DynamicQuantizeLinear")
def dynamic_quantize(g, op):
    x = g.operand(op, rank=(1, 2, 3, 4), least=1)
    return g.node(op, [x], 3)


