"""Reductions, running sums, and positions of extremes."""

import numpy as np

from random_graph import F32, is_float
from steps.registry import makes

POSITIVE = ("ReduceLogSum",)


def axes_as_input(op, opset):
    return opset >= (13 if op == "ReduceSum" else 18)


@makes("""ReduceSum ReduceMean ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceSumSquare
    ReduceLogSum ReduceLogSumExp""")
def reduce(g, op):
    low, high = (0.1, 9) if op in POSITIVE else (-1, 1) if op == "ReduceProd" else (-9, 9)
    x = g.operand(op, least=1 if op not in ("ReduceSum", "ReduceL1", "ReduceSumSquare") else 0,
                  low=low, high=high)
    whole = not is_float(g.dtype(x))
    if op == "ReduceProd" and whole and np.abs(g.values[x].astype(float)).max(initial=0) > 1:
        return None  # ONNX Runtime multiplies through floats
    if op == "ReduceLogSumExp" and whole:
        return None  # ONNX Runtime cuts off every exponential
    rank = g.rank(x)
    axes = g.rng.sample(range(rank), g.rng.randint(0, rank))
    axes = [a - rank if g.chance(0.4) and g.opset >= 11 else a for a in axes]
    keep = g.maybe(g.rng.randrange(2))
    if not axes_as_input(op, g.opset):
        return g.node(op, [x], axes=axes or None, keepdims=keep)
    given = g.ints(axes) if axes or g.chance(0.3) else ""
    return g.node(op, [x, given], keepdims=keep,
                  noop_with_empty_axes=g.maybe(g.rng.randrange(2), 0.3))


@makes("ArgMax ArgMin")
def arg(g, op):
    x = g.operand(op, rank=(1, 2, 3, 4), least=1)
    last = g.maybe(g.rng.randrange(2)) if g.opset >= 12 else None
    axis = g.axis(g.rank(x)) if g.opset >= 11 else g.rng.randrange(g.rank(x))
    return g.node(op, [x], axis=g.maybe(axis, 0.8), keepdims=g.maybe(g.rng.randrange(2)),
                  select_last_index=last)


@makes("CumSum CumProd")
def cumulative(g, op):
    low, high = (0.5, 1.5) if op == "CumProd" else (-9, 9)
    x = g.operand(op, rank=(1, 2, 3), low=low, high=high)
    axis = g.axis(g.rank(x))
    at = g.const(axis, g.choose([np.int32, np.int64]))
    return g.node(op, [x, at], exclusive=g.maybe(g.rng.randrange(2)),
                  reverse=g.maybe(g.rng.randrange(2)))


@makes("TopK")
def top_k(g, op):
    x = g.operand(op, rank=(1, 2, 3), least=1)
    axis = g.axis(g.rank(x)) if g.opset >= 11 else g.rng.randrange(g.rank(x))
    k = g.rng.randint(1, g.shape(x)[axis])
    if g.opset < 10:
        return g.node(op, [x], 2, axis=axis, k=k)
    largest = g.maybe(g.rng.randrange(2)) if g.opset >= 11 else None
    return g.node(op, [x, g.ints([k], run=True)], 2, axis=axis, largest=largest)


@makes("Softmax LogSoftmax Hardmax")
def softmax(g, op):
    x = g.operand(op, rank=(1, 2, 3, 4), least=0 if op == "Softmax" else 1)
    axis = g.axis(g.rank(x)) if g.opset >= 11 else g.rng.randrange(g.rank(x))
    return g.node(op, [x], axis=g.maybe(axis, 0.8))


@makes("Einsum")
def einsum(g, op):
    """One of the known forms, with sizes drawn per letter."""
    forms = ["ij,jk->ik", "bij,bjk->bik", "ij->ji", "ij->i", "ii->i", "i,j->ij", "bij,bkj->bik",
             "ij,ij->", "...ij,...jk->...ik", "abc,cd,de->abe", "ij,jk", "ij", "b...,b...->...b",
             "bhqd,bhkd->bhqk", "ijj->i"]
    form = g.choose(forms)
    sizes = {c: g.choose([1, 2, 3, 4, 5, 8]) for c in "abcdehijkq"}
    more = [g.choose([1, 2, 3])] * g.rng.randrange(2)
    dtype = g.draw_type([t for t in g.types(op) if is_float(t) or t.itemsize >= 4])
    names = []
    for term in form.split("->")[0].split(","):
        head, dots, tail = term.partition("...")
        shape = [sizes[c] for c in head] + (more if dots else []) + [sizes[c] for c in tail]
        fit = [n for n, v in g.values.items() if isinstance(v, np.ndarray)
               and v.dtype == dtype and list(v.shape) == shape]
        names.append(g.choose(fit) if fit and not dots
                     else g.input(g.random(shape, dtype), fixed=bool(dots)))
    return g.node(op, names, equation=form)


@makes("NonZero")
def non_zero(g, op):
    return g.node(op, [g.operand(op, rank=(0, 1, 2, 3) if g.opset >= 13 else (1, 2, 3))])


@makes("Unique")
def unique(g, op):
    x = g.operand(op, rank=(1, 2, 3), least=1)
    outputs = [True] + [g.chance(0.6) for _ in range(3)]
    return g.node(op, [x], outputs, axis=g.maybe(g.axis(g.rank(x))),
                  sorted=g.maybe(g.rng.randrange(2)))


@makes("Det")
def det(g, op):
    n = g.choose([1, 2, 3, 4])
    dtype = g.draw_type(g.types(op))
    dtype = dtype if dtype.itemsize >= 4 else F32
    value = g.random([*g.sizes(g.choose([0, 1, 2]), 1), n, n], dtype)
    return g.node(op, [g.input(value)])
