"""Sequences and optionals: chains of nodes that begin and end with tensors (or end with the
sequence itself)."""

import numpy as np
from onnx import helper

from random_graph import FLOATS, F32, I32, I64, all_finite
from references import dtype_code
from steps.registry import makes


class Chain:
    """Nodes in the making, and the shapes of the items that they give."""

    def __init__(self, g):
        self.g, self.nodes, self.shapes, self.at = g, [], [], None

    def node(self, op, inputs, outputs=1, **attributes):
        self.nodes.append(self.g.make(op, inputs, outputs, **attributes))
        return self.nodes[-1].output[0]

    def item(self, dtype, rank):
        """A tensor of the type; of the items' rank, mostly."""
        g = self.g
        fit = [n for n in g.values if g.fits(n, (rank,), [dtype], 0, None, None)]
        return g.choose(fit) if fit and g.chance(0.5) else g.input(g.random(g.sizes(rank), dtype))

    def position(self, n):
        """None, or one of n places."""
        g = self.g
        if g.chance(0.3):
            return ""
        value = np.array(g.rng.randint(-n, n - 1), g.choose([I32, I64]))
        return g.const(value) if g.chance(0.6) else g.input(value)


def begin(chain, op, dtype, rank):
    g = chain.g
    kind = op if op in ("SplitToSequence", "SequenceEmpty") else g.choose(
        ["SequenceConstruct", "SequenceConstruct", "SplitToSequence", "SequenceEmpty"])
    if kind == "SplitToSequence" and rank:
        x = g.input(g.random(g.sizes(rank, 1), dtype))
        axis = g.axis(rank)
        n = g.shape(x)[axis]
        size = g.choose(["", g.const(g.choose([1, 2, 3]), I64)])
        step = 1 if size == "" else int(g.values[size])
        keep = g.maybe(g.rng.randrange(2)) if size == "" else None
        chain.at = chain.node("SplitToSequence", [x, size] if size else [x], axis=axis,
                              keepdims=keep)
        for start in range(0, n, step):
            shape = list(g.shape(x))
            shape[axis] = min(step, n - start)
            if keep == 0:
                del shape[axis]
            chain.shapes.append(shape)
        return
    if kind == "SequenceEmpty":
        code = dtype_code(np.zeros(0, dtype))
        chain.at = chain.node("SequenceEmpty", [], dtype=code if code != 1 else g.maybe(1))
        insert(chain, dtype, rank)
        return
    items = [chain.item(dtype, rank) for _ in range(g.choose([1, 2, 3]))]
    chain.at = chain.node("SequenceConstruct", items)
    chain.shapes = [list(g.shape(i)) for i in items]


def insert(chain, dtype, rank):
    g = chain.g
    rank = len(chain.shapes[0]) if chain.shapes else rank
    x, n = chain.item(dtype, rank), len(chain.shapes)
    where = chain.position(n) if n else ""
    at = n if where == "" else int(g.values[where])
    chain.at = chain.node("SequenceInsert", [chain.at, x, where] if where else [chain.at, x])
    chain.shapes.insert(at, list(g.shape(x)))


def erase(chain):
    n = len(chain.shapes)
    if n < 2:
        return
    where = chain.position(n)
    chain.at = chain.node("SequenceErase", [chain.at, where] if where else [chain.at])
    del chain.shapes[-1 if where == "" else int(chain.g.values[where])]


def end(chain, op, rank):
    """The last node; its result, or None."""
    g = chain.g
    n = len(chain.shapes)
    if op == "SequenceLength":
        return chain.node(op, [chain.at])
    if op == "SequenceAt":
        where = chain.position(n) or g.const(0, I64)
        return chain.node(op, [chain.at, where])
    if op == "ConcatFromSequence":
        rank = len(chain.shapes[0])
        same = all(s == chain.shapes[0] for s in chain.shapes)
        if same and g.chance(0.3):
            return chain.node(op, [chain.at], axis=g.rng.randint(-rank - 1, rank), new_axis=1)
        axes = [a for a in range(rank) if all(
            len(s) == rank and s[:a] + s[a + 1:] == chain.shapes[0][:a] + chain.shapes[0][a + 1:]
            for s in chain.shapes)]
        return chain.node(op, [chain.at], axis=g.choose(axes)) if axes else None
    return chain.at


@makes("""SequenceConstruct SequenceEmpty SplitToSequence SequenceInsert SequenceErase SequenceAt
    SequenceLength ConcatFromSequence""")
def sequence(g, op):
    chain, rank = Chain(g), g.choose([0, 1, 2, 3])
    if op == "SplitToSequence":
        rank = max(1, rank)
    dtype = g.choose([g.main if g.main in FLOATS[:2] else F32, I64, F32])
    begin(chain, op, dtype, rank)
    for _ in range(g.rng.randrange(3) + 1):
        kind = g.choose(["insert", "erase", "identity"])
        if kind == "insert" or op == "SequenceInsert":
            insert(chain, dtype, rank)
        elif kind == "erase" or op == "SequenceErase":
            if op == "SequenceErase" and len(chain.shapes) < 2:
                insert(chain, dtype, rank)
            erase(chain)
        elif g.opset >= 14:
            chain.at = chain.node("Identity", [chain.at])
    last = op if op in ("SequenceAt", "SequenceLength", "ConcatFromSequence") else g.choose(
        ["SequenceAt", "SequenceLength", "ConcatFromSequence", "itself"])
    result = end(chain, last, rank)
    return result and g.add(chain.nodes, [result])


@makes("SequenceMap")
def sequence_map(g, op):
    chain, rank = Chain(g), g.choose([1, 2])
    items = [chain.item(F32, rank) for _ in range(g.choose([1, 2, 3]))]
    if not all(all_finite(g.values[i]) for i in items):
        return None
    other = g.input(g.random([], F32))
    chain.at = chain.node("SequenceConstruct", items)
    typed = lambda name, r: helper.make_tensor_value_info(name, 1, [None] * r)
    names = [g.name("s") for _ in range(4)]
    extra = g.chance(0.5)
    body = helper.make_graph(
        [helper.make_node(g.choose(["Mul", "Add"]), [names[0], names[1] if extra else other],
                          [names[2]]),
         helper.make_node(g.choose(["Neg", "Tanh", "Abs"]), [names[2]], [names[3]])],
        "body", [typed(names[0], rank)] + ([typed(names[1], 0)] if extra else []),
        [typed(names[3], rank)])
    chain.at = chain.node(op, [chain.at] + ([other] if extra else []), body=body)
    chain.shapes = [list(g.shape(i)) for i in items]
    result = end(chain, g.choose(["SequenceAt", "itself", "SequenceLength"]), rank)
    return g.add(chain.nodes, [result])


@makes("Optional OptionalHasElement OptionalGetElement")
def optional(g, op):
    chain = Chain(g)
    x = g.tensor([F32, I64], rank=(0, 1, 2))
    if op == "OptionalHasElement" and g.chance(0.3):
        kind = helper.make_optional_type_proto(helper.make_tensor_type_proto(1, [2]))
        held = chain.node("Optional", [], type=kind)
        return g.add(chain.nodes + [g.make(op, [held])], None)
    held = chain.node("Optional", [x])
    last = op if op != "Optional" else g.choose(["OptionalHasElement", "OptionalGetElement"])
    result = chain.node(last, [held])
    return g.add(chain.nodes, [result])
