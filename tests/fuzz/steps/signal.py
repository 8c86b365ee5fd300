"""Fourier transforms, windows, and what comes with them."""

from onnx import TensorProto

from random_graph import F32, FLOATS, I32, I64
from steps.registry import makes


@makes("DFT")
def dft(g, op):
    dtype = g.choose(FLOATS[:2])
    shape = [g.choose([1, 2]), g.choose([1, 3, 4, 5, 8]), g.choose([2, 3, 4]), g.choose([1, 2])]
    x = g.input(g.random(shape, dtype))
    inverse = int(g.chance(0.4))
    onesided = int(not inverse and shape[-1] == 1 and g.chance(0.4))
    axis = g.choose([1, 2, -2])
    length = g.maybe(g.const(g.choose([2, 4, 6]), I64), 0.4) or ""
    more = {"inverse": g.maybe(inverse) if not inverse else 1,
            "onesided": g.maybe(onesided) if not onesided else 1}
    if g.opset < 20:
        return g.node(op, [x, length], axis=axis, **more)
    return g.node(op, [x, length, g.const(axis, I64)], **more)


@makes("STFT")
def stft(g, op):
    dtype = g.choose(FLOATS[:2])
    n = g.choose([8, 12, 16])
    x = g.input(g.random([g.choose([1, 2]), n, 1], dtype))
    frame, step = g.choose([4, 5, 8]), g.choose([2, 3, 4])
    window = g.param(g.random([frame], dtype, 0.1, 1)) if g.chance(0.6) else ""
    return g.node(op, [x, g.const(step, I64), window, g.const(frame, I64)],
                  onesided=g.maybe(g.rng.randrange(2)))


@makes("HannWindow HammingWindow BlackmanWindow")
def window(g, op):
    size = g.const(g.choose([2, 5, 8]), g.choose([I32, I64]))
    to = g.maybe(g.choose([TensorProto.FLOAT, TensorProto.DOUBLE]))
    return g.node(op, [size], periodic=g.maybe(g.rng.randrange(2)), output_datatype=to)


@makes("MelWeightMatrix")
def mel(g, op):
    ends = g.const(g.choose([0.0, 10.0]), F32), g.const(g.choose([1000.0, 4000.0]), F32)
    return g.node(op, [g.const(g.choose([4, 8]), I64), g.const(g.choose([16, 32]), I64),
                       g.const(8192, I64), *ends])
