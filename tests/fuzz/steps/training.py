"""Operators of training: gradients, and steps of optimizers."""

import numpy as np

from random_graph import F32, I64, is_float
from steps.registry import makes


@makes("Gradient", "training")
def gradient(g, op):
    """sum(x * y + x), differentiated by x and y."""
    x = g.tensor([F32], rank=(1, 2), least=1, low=-9, high=9)
    if x not in [i.name for i in g.inputs]:
        return None
    y = g.input(g.random(g.shape(x), F32))
    g.inputs[-1].type.CopyFrom(next(i.type for i in g.inputs if i.name == x))
    product = g.node("Mul", [x, y])
    total = product and g.node("Add", [product, x])
    if not total:
        return None
    node = g.make(op, [x, y], 2, "training", xs=[x, y], y=total)
    return g.add([node], results=[g.values[y] + np.float32(1), g.values[x]])


@makes("Adagrad Adam Momentum", "training")
def training(g, op):
    dtype = g.choose([t for t in g.types(op, 2, "training") if is_float(t)])
    shape = g.sizes(g.choose([1, 2]), 1)
    draw = lambda low, high: g.input(g.random(shape, dtype, low, high))
    rate, step = g.const(0.1, F32), g.const(g.choose([0, 1, 5]), I64)
    inputs = [rate, step, draw(-1, 1), draw(-1, 1), draw(0.1, 1)]
    if op == "Adam":
        return g.node(op, [*inputs, draw(0.1, 1)], 3, "training", alpha=0.9, beta=0.99,
                      epsilon=1e-3, norm_coefficient=g.maybe(0.01))
    if op == "Adagrad":
        return g.node(op, inputs, 2, "training", decay_factor=g.maybe(0.1), epsilon=1e-3,
                      norm_coefficient=g.maybe(0.01))
    return g.node(op, inputs, 2, "training", alpha=0.9, beta=1.0, norm_coefficient=0.01,
                  mode=g.choose(["standard", "nesterov"]))
