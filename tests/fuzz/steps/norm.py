"""Normalizations."""

import numpy as np

from random_graph import F32
from steps.registry import makes


def mixed(g, op, rank, axes):
    """An operand whose rows along the axes are not nearly constant."""
    x = g.operand(op, rank=rank, least=1)
    wide = g.values[x].astype(np.float64)
    rows = tuple(a % wide.ndim for a in axes(wide.ndim))
    if not np.isfinite(wide).all() or wide.var(axis=rows).min() < 1e-2:
        value = g.random([max(2, n) for n in g.sizes(g.choose(rank), 1)], g.draw_type(g.types(op)))
        return g.input(value)
    return x


def scale_type(g, x, op):
    """The type of scale and bias."""
    return g.dtype(x) if g.dtype(x) in g.types(op, 1) else F32


@makes("LayerNormalization RMSNormalization")
def layer_norm(g, op):
    x = mixed(g, op, (2, 3, 4), lambda rank: [-1])
    axis = g.choose([-1, -1, -1, g.axis(g.rank(x))])
    shape = g.shape(x)[axis % g.rank(x):]
    dtype = scale_type(g, x, op)
    scale = g.weights(shape, dtype)
    epsilon = g.maybe(1e-3)
    if op == "RMSNormalization":
        return g.node(op, [x, scale], axis=axis, epsilon=epsilon)
    bias = g.maybe(g.weights(shape, dtype)) or ""
    more = [g.chance(0.2)] * 2 if g.dtype(x) == F32 else [False, False]
    return g.node(op, [x, scale, bias], [True, *more], axis=axis, epsilon=epsilon)


@makes("BatchNormalization")
def batch_norm(g, op):
    x = g.operand(op, rank=(2, 3, 4, 5), least=1)
    c, dtype = g.shape(x)[1], scale_type(g, x, op)
    scale, bias, mean = (g.weights([c], dtype) for _ in range(3))
    variance = g.weights([c], dtype, low=0.5, high=2)
    few = {"epsilon": g.maybe(1e-3), "momentum": g.maybe(0.8)}
    if g.opset >= 14 and g.chance(0.2) and np.prod(g.shape(x)) > 8 * c and g.dtype(x) == F32:
        return g.node(op, [x, scale, bias, mean, variance], 3, training_mode=1, **few)
    return g.node(op, [x, scale, bias, mean, variance], **few)


@makes("InstanceNormalization")
def instance_norm(g, op):
    x = mixed(g, op, (3, 4, 5), lambda rank: range(2, rank))
    c = g.shape(x)[1]
    dtype = g.dtype(x)
    return g.node(op, [x, g.weights([c], dtype), g.weights([c], dtype)], epsilon=g.maybe(1e-3))


@makes("GroupNormalization")
def group_norm(g, op):
    if g.opset < 21:  # ONNX withdrew the first form
        return None
    x = mixed(g, op, (3, 4), lambda rank: range(2, rank))
    c = g.shape(x)[1]
    groups = g.choose([n for n in range(1, c + 1) if c % n == 0])
    dtype = g.dtype(x)
    return g.node(op, [x, g.weights([c], dtype), g.weights([c], dtype)], num_groups=groups,
                  epsilon=g.maybe(1e-3))


@makes("LpNormalization")
def lp_norm(g, op):
    x = mixed(g, op, (1, 2, 3, 4), lambda rank: [-1])
    return g.node(op, [x], axis=g.choose([-1, g.axis(g.rank(x))]), p=g.maybe(g.choose([1, 2])))


@makes("MeanVarianceNormalization")
def mean_variance(g, op):
    x = mixed(g, op, (4,), lambda rank: [0, 2, 3])
    return g.node(op, [x], axes=g.maybe(g.choose([[0, 2, 3], [2, 3], [0, 1, 2, 3], [1]])))


@makes("LRN")
def lrn(g, op):
    x = g.operand(op, rank=(3, 4, 5), least=1)
    return g.node(op, [x], size=g.choose([1, 3, 5]), alpha=g.maybe(0.01), beta=g.maybe(0.6),
                  bias=g.maybe(2.0))


@makes("GlobalAveragePool GlobalMaxPool GlobalLpPool")
def global_pool(g, op):
    x = g.operand(op, rank=(3, 4, 5), least=1)
    return g.node(op, [x], p=g.maybe(g.choose([1, 2, 3])) if op == "GlobalLpPool" else None)


