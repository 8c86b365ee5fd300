"""Losses."""

import numpy as np

from random_graph import I32, I64
from steps.registry import makes


@makes("NegativeLogLikelihoodLoss SoftmaxCrossEntropyLoss")
def loss(g, op):
    dtype = g.draw_type(g.types(op))
    n, c = g.choose([1, 2, 4]), g.choose([2, 3, 5])
    more = g.choose([[], [], [3], [2, 3]])
    shape = [n, c, *more]
    fit = [x for x in g.values if g.fits(x, (2, 3, 4), [dtype], 1, -50, 50)
           and x not in g.constants]
    x = g.choose(fit) if fit and g.chance(0.5) else g.input(g.random(shape, dtype))
    n, c, *more = g.shape(x)
    target = g.np.integers(0, c, [n, *more]).astype(g.choose([I32, I64]))
    ignored = g.maybe(g.choose([0, c - 1, -1, 99]), 0.4)
    if ignored is not None and ignored not in range(c):
        target.ravel()[0] = ignored
    if ignored is not None and np.all(target == ignored):
        return None
    weight = g.maybe(g.weights([c], dtype, low=0.2, high=2)) or ""
    outputs = [True, g.chance(0.4)] if op == "SoftmaxCrossEntropyLoss" else 1
    return g.node(op, [x, g.input(target), weight], outputs, ignore_index=ignored,
                  reduction=g.maybe(g.choose(["none", "sum", "mean"])))


