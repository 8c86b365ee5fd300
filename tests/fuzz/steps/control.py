"""If, Loop and Scan, whose bodies are made like graphs, with values from outside."""

import numpy as np
from onnx import helper

from random_graph import BOOL, F32, I64, is_float
from references import type_of
from steps.registry import makes, random_step

DEEPEST = 2


def body_of(g, child, name, inputs, outputs):
    """The child's nodes as a graph."""
    info = lambda n: helper.make_value_info(
        n, type_of(child.values[n], [None] * child.values[n].ndim))
    return helper.make_graph(child.nodes, name, [info(n) for n in inputs],
                             [info(n) for n in outputs])


def result_like(g, child, dtype, rank, shape=None):
    """A value that the child made, of this type; one is made where there is none."""
    made = [o for n in child.nodes for o in n.output if o and
            isinstance(child.values.get(o), np.ndarray)]
    fit = [o for o in made if child.dtype(o) == dtype and child.rank(o) == rank
           and (shape is None or child.shape(o) == tuple(shape))]
    if fit:
        return g.choose(fit)
    outside = [n for n in child.values if child.fits(n, (rank,), [dtype], 0, None, None)
               and (shape is None or child.shape(n) == tuple(shape))]
    x = g.choose(outside) if outside else child.input(g.random(
        g.sizes(rank, 1) if shape is None else shape, dtype))
    op = "Abs" if is_float(dtype) and dtype in child.types("Abs") else "Identity"
    return child.node(op, [x])


def some_steps(g, child):
    for _ in range(g.rng.randint(1, 3)):
        random_step(child)


@makes("If")
def branch(g, op):
    if g.depth >= DEEPEST:
        return None
    left, right = g.child(), g.child()
    some_steps(g, left)
    made = [o for n in left.nodes for o in n.output if o and
            isinstance(left.values.get(o), np.ndarray)]
    if not made:
        return None
    first = g.choose(made)
    if g.chance(0.5):
        some_steps(g, right)
    same = left.shape(first) if g.chance(0.7) else None
    second = result_like(g, right, left.dtype(first), left.rank(first), same)
    if not second:
        return None
    g.absorb(left)
    g.absorb(right)
    fit = [n for n in g.values if g.fits(n, (0,), [BOOL], 1, None, None)]
    condition = g.choose(fit) if fit and g.chance(0.5) else g.input(np.array(g.chance(0.5)))
    return g.node(op, [condition], then_branch=body_of(g, left, "then", [], [first]),
                  else_branch=body_of(g, right, "else", [], [second]))


def carried(g):
    """A float tensor that a loop may carry."""
    return g.tensor([F32, g.main] if g.opset >= 13 else [F32], rank=(0, 1, 2, 3), least=1,
                    low=-5, high=5)


@makes("Loop")
def loop(g, op):
    if g.depth >= DEEPEST:
        return None
    start, trips = carried(g), g.choose([0, 1, 2, 3, 4])
    child = g.child()
    number, going, state = (child.name("b") for _ in range(3))
    child.give(number, np.array(0, np.int64), exact=True)
    child.give(going, np.array(True), exact=True)
    child.give(state, g.values[start])
    some_steps(g, child)
    after = result_like(g, child, g.dtype(start), g.rank(start), g.shape(start))
    mixed = after and child.node("Mul", [after, child.const(0.5, g.dtype(start))])
    kept = mixed and child.node("Add", [mixed, state])
    if not kept or child.shape(kept) != g.shape(start):
        return None
    if g.chance(0.4):
        goes = child.node("Less", [number, child.const(g.choose([0, 1, 2, 9]), I64)])
    else:
        goes = child.node("Identity", [going])
    if not goes:
        return None
    made = [o for n in child.nodes for o in n.output if o and
            isinstance(child.values.get(o), np.ndarray)]
    seen = [g.choose(made)] if trips and g.chance(0.6) else []  # none: their shape is open
    if seen and seen[0] in (kept, goes):
        seen = []
    g.absorb(child)
    limit = g.maybe(g.param(np.array(trips)), 0.8) or g.const(trips, I64)
    condition = g.maybe(g.input(np.array(True)), 0.5) or ""
    body = body_of(g, child, "body", [number, going, state], [goes, kept, *seen])
    return g.node(op, [limit, condition, start], 1 + len(seen), body=body)


@makes("Scan")
def scan(g, op):
    if g.depth >= DEEPEST:
        return None
    if g.opset < 9:
        return None
    x = g.tensor([F32], rank=(1, 2, 3), least=1, low=-5, high=5)
    axis = g.rng.randrange(g.rank(x))
    child = g.child()
    row, state = child.name("b"), child.name("b")
    first = np.take(g.values[x], 0, axis)
    child.give(row, first)
    start = g.input(g.random(first.shape, F32, -1, 1))
    child.give(state, g.values[start])
    total = child.node(g.choose(["Add", "Max", "Sub"]), [row, state])
    some_steps(g, child)
    seen = result_like(g, child, F32, first.ndim)
    if not total or not seen or not child.values[seen].size:  # ONNX Runtime divides by its size
        return None
    if seen == total:
        seen = child.node("Neg", [total])
    g.absorb(child)
    more = {"scan_input_axes": g.maybe([axis]) if not axis else [axis],
            "scan_input_directions": g.maybe([g.rng.randrange(2)], 0.4),
            "scan_output_directions": g.maybe([g.rng.randrange(2)], 0.3),
            "scan_output_axes": g.maybe([g.rng.randint(0, child.rank(seen))], 0.3)}
    body = body_of(g, child, "body", [state, row], [total, seen])
    return g.node(op, [start, x], 2, body=body, num_scan_inputs=1, **more)
