"""Operators that read or write where other tensors say."""

import numpy as np

from random_graph import BOOL, F32, I32, I64, STRING
from steps.registry import makes


def places(g, shape, n, dtype=None, negative=True):
    """Subscripts of an axis of size n."""
    dtype = dtype or g.choose([I32, I64])
    low = -n if negative and g.chance(0.4) else 0
    value = g.np.integers(low, n, shape).astype(dtype)
    return g.const(value) if g.chance(0.5) else g.input(value)


@makes("Gather")
def gather(g, op):
    if g.chance(0.05):
        x = g.input(g.random(g.sizes(2, 1), STRING))
    else:
        x = g.operand(op, rank=(1, 2, 3, 4), least=1)
    axis = g.axis(g.rank(x))
    shape = g.choose([[], [1], [3], [2, 2], [0], [1, 2, 3]])
    return g.node(op, [x, places(g, shape, g.shape(x)[axis], negative=g.opset >= 11)],
                  axis=g.maybe(axis) if axis else None)


@makes("GatherElements")
def gather_elements(g, op):
    x = g.operand(op, rank=(1, 2, 3), least=1)
    axis = g.axis(g.rank(x))
    shape = [g.rng.randint(1, n) for n in g.shape(x)]
    shape[axis] = g.choose([1, 2, 5])
    return g.node(op, [x, places(g, shape, g.shape(x)[axis])], axis=axis)


def tuples(g, x, depth, lead, first=0):
    """Subscripts [*lead, depth] of the axes first.. of x."""
    columns = [g.np.integers(-n if g.chance(0.2) else 0, n, lead)
               for n in g.shape(x)[first:first + depth]]
    return np.stack(columns, -1).astype(np.int64)


@makes("GatherND")
def gather_nd(g, op):
    x = g.operand(op, rank=(1, 2, 3, 4), least=1)
    batch = g.rng.randint(0, min(2, g.rank(x) - 1)) if g.opset >= 12 else 0
    depth = g.rng.randint(1, g.rank(x) - batch)
    lead = [*g.shape(x)[:batch], *g.choose([[], [1], [3], [2, 2]])]
    return g.node(op, [x, g.const(tuples(g, x, depth, lead, batch))],
                  batch_dims=batch if batch else None)


def reduction(g, least=16):
    if g.opset < least:
        return None
    more = ["max", "min"] if g.opset >= 18 else []
    return g.maybe(g.choose(["none", "add", "mul", *more]), 0.6)


@makes("Scatter ScatterElements")
def scatter_elements(g, op):
    x = g.operand(op, rank=(1, 2, 3), least=1, low=-9, high=9)
    axis = g.axis(g.rank(x)) if g.opset >= 11 else g.rng.randrange(g.rank(x))
    shape = [g.rng.randint(1, n) for n in g.shape(x)]
    how = None if op == "Scatter" else reduction(g)
    if g.dtype(x) == BOOL:
        how = None
    if how in (None, "none"):  # which of two writes wins is left open
        n = g.shape(x)[axis]
        order = np.argsort(g.np.random(shape[:axis % g.rank(x)] + [n] +
                                       shape[axis % g.rank(x) + 1:]), axis=axis)
        at = g.const(np.take(order, range(shape[axis]), axis=axis).astype(np.int64))
    else:
        at = places(g, shape, g.shape(x)[axis])
    updates = g.input(g.random(shape, g.dtype(x), 0, 3))
    return g.node(op, [x, at, updates], axis=axis, reduction=how)


@makes("ScatterND")
def scatter_nd(g, op):
    x = g.operand(op, rank=(1, 2, 3), least=1, low=-9, high=9)
    how = reduction(g) if g.dtype(x) != BOOL else None
    depth = g.rng.randint(1, g.rank(x))
    total = int(np.prod(g.shape(x)[:depth]))
    n = g.rng.randint(1, min(total, 6))
    flat = g.np.permutation(total)[:n] if how in (None, "none") else g.np.integers(0, total, n)
    at = np.stack(np.unravel_index(flat, g.shape(x)[:depth]), -1).astype(np.int64)
    updates = g.input(g.random([n, *g.shape(x)[depth:]], g.dtype(x), 0, 3))
    return g.node(op, [x, g.const(at), updates], reduction=how)


@makes("OneHot")
def one_hot(g, op):
    depth = g.choose([1, 3, 6])
    where = g.input(g.np.integers(-depth, depth + 1, g.sizes(g.choose([0, 1, 2]), 1)))
    values = g.const(g.random([2], g.choose([F32, I64, I32])))
    return g.node(op, [where, g.const(depth, I64), values],
                  axis=g.maybe(g.rng.randint(-g.rank(where) - 1, g.rank(where))))


@makes("Compress")
def compress(g, op):
    x = g.operand(op, rank=(1, 2, 3), least=1)
    axis = g.maybe(g.axis(g.rank(x)) if g.opset >= 11 else g.rng.randrange(g.rank(x)), 0.7)
    n = int(np.prod(g.shape(x))) if axis is None else g.shape(x)[axis]
    condition = g.random([g.rng.randint(1, n)], BOOL)
    return g.node(op, [x, g.param(condition)], axis=axis)


@makes("ReverseSequence")
def reverse_sequence(g, op):
    x = g.operand(op, rank=(2, 3, 4), least=1)
    time, batch = g.choose([(0, 1), (1, 0)])
    lengths = g.np.integers(1, g.shape(x)[time] + 1, g.shape(x)[batch])
    return g.node(op, [x, g.param(lengths)], time_axis=time, batch_axis=batch)


@makes("TensorScatter")
def tensor_scatter(g, op):
    dtype = g.draw_type(g.types(op))
    n, h, s, d = g.choose([1, 2]), g.choose([1, 3]), g.choose([4, 6]), g.choose([2, 5])
    update = g.rng.randint(1, s)
    mode = g.maybe(g.choose(["linear", "circular"]))
    last = s - 1 if mode == "circular" else s - update
    at = g.maybe(g.input(g.np.integers(0, last + 1, n))) or ""
    if at == "" and mode == "circular":
        mode = None
    return g.node(op, [g.input(g.random([n, h, s, d], dtype)),
                       g.input(g.random([n, h, update, d], dtype)), at], mode=mode,
                  axis=g.maybe(-2))


