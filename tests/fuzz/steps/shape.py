"""Operators that move elements, or say how many there are."""

import numpy as np
from onnx import TensorProto, helper

from random_graph import BOOL, F32, FLOATS, I64, INTEGERS, STRING
from steps.registry import makes

FAR = [1 << 40, (1 << 63) - 1, -(1 << 63), 1000, -1000]


def anything(g, op, k=0, **wish):
    """A tensor of numbers, or at times of strings."""
    types = g.types(op, k)
    if g.chance(0.03) and op not in ("Pad", "Trilu"):
        return g.input(g.random(g.sizes(g.choose(wish.get("rank", (1, 2, 3))), 1), STRING))
    return g.tensor(types, **wish)


@makes("Transpose")
def transpose(g, op):
    x = anything(g, op)
    perm = list(range(g.rank(x)))
    g.rng.shuffle(perm)
    return g.node(op, [x], perm=g.maybe(perm, 0.8) or None)


@makes("Reshape")
def reshape(g, op):
    """Merges, splits, -1 and 0; or what Shape, Gather and Concat say."""
    x = anything(g, op)
    shape = list(g.shape(x))
    kind = g.rng.randrange(5)
    if kind == 0 and shape and 0 not in shape:
        at = g.rng.randrange(len(shape))
        return g.node(op, [x, g.ints([0] * at + [-1] + shape[at + 2:])])
    if kind == 1 and shape and shape[-1]:
        part = g.choose([d for d in range(1, shape[-1] + 1) if shape[-1] % d == 0])
        return g.node(op, [x, g.ints([0] * (len(shape) - 1) + [part, shape[-1] // part])])
    if kind == 2 and len(shape) >= 2 and 0 not in shape:
        s = g.node("Shape", [x])
        first = s and g.node("Gather", [s, g.ints([g.rng.randrange(len(shape))])])
        target = first and g.node("Concat", [first, g.ints([-1])], axis=0)
        return target and g.node(op, [x, target])
    if kind == 3 and g.opset >= 14:
        return g.node(op, [x, g.ints(regroup(g, shape), run=True)], allowzero=1)
    return g.node(op, [x, g.ints(regroup(g, shape), run=0 not in shape)])


def regroup(g, shape):
    """Another shape with as many elements."""
    n = int(np.prod(shape))
    out = []
    for _ in range(g.rng.randrange(4)):
        d = g.choose([d for d in range(1, min(n, 12) + 1) if n % d == 0] or [1])
        out.append(d)
        n //= d
    out.append(n)
    g.rng.shuffle(out)
    return out


@makes("Flatten")
def flatten(g, op):
    x = anything(g, op)
    axis = g.rng.randint(-g.rank(x) if g.opset >= 11 else 0, g.rank(x))
    return g.node(op, [x], axis=g.maybe(axis, 0.8))


@makes("Slice")
def slices(g, op):
    x = anything(g, op, rank=(1, 2, 3, 4, 5))
    rank = g.rank(x)
    axes = g.rng.sample(range(rank), g.rng.randint(1, rank))
    starts, ends, steps = [], [], []
    for a in axes:
        n = g.shape(x)[a]
        step = g.choose([1, 1, 1, 2, 3, -1, -2, -n - 1]) if g.opset >= 10 else 1
        starts.append(g.choose([0, 1, -1, -2, g.rng.randint(-n - 2, n + 2), *FAR[:2]]))
        # ONNX Runtime takes the greatest number as the far end of steps backwards, too
        far = [v for v in FAR if step > 0 or v < 1 << 31]
        ends.append(g.choose([n, -1, g.rng.randint(-n - 2, n + 2), *far]))
        steps.append(step)
    if g.opset < 10:
        return g.node(op, [x], starts=starts, ends=ends, axes=axes)
    axes = [a - rank if g.chance(0.3) else a for a in axes]
    run = rank == len(axes) or g.chance(0.5)
    return g.node(op, [x, g.ints(starts, run), g.ints(ends, run), g.ints(axes),
                       g.ints(steps) if any(s != 1 for s in steps) or g.chance(0.3) else ""])


@makes("Concat")
def concat(g, op):
    x = anything(g, op, rank=(1, 2, 3, 4, 5))
    axis = g.axis(g.rank(x)) if g.opset >= 11 else g.rng.randrange(g.rank(x))
    parts = [x]
    for _ in range(g.choose([0, 1, 1, 2, 3])):
        shape = list(g.shape(x))
        shape[axis] = g.choose([0, 1, 2, 5]) if g.chance(0.5) else shape[axis]
        parts.append(x if g.chance(0.2) else g.like(x, shape=shape))
    g.rng.shuffle(parts)
    return g.node(op, parts, axis=axis)


@makes("Split")
def split(g, op):
    x = anything(g, op, rank=(1, 2, 3, 4), least=1)
    axis = g.axis(g.rank(x)) if g.opset >= 11 else g.rng.randrange(g.rank(x))
    n = g.shape(x)[axis]
    parts = g.choose([p for p in (1, 2, 3, 4) if p <= n])
    if g.chance(0.5):  # sizes that are given
        cuts = sorted(g.rng.randint(0, n) for _ in range(parts - 1))
        sizes = [b - a for a, b in zip([0, *cuts], [*cuts, n])]
        if g.opset < 13:
            return g.node(op, [x], parts, axis=axis, split=sizes)
        return g.node(op, [x, g.ints(sizes)], parts, axis=axis)
    if g.opset >= 18:
        return g.node(op, [x], parts, axis=axis, num_outputs=parts)
    return g.node(op, [x], parts, axis=axis) if n % parts == 0 else None


@makes("Pad")
def pad(g, op):
    x = anything(g, op, rank=(1, 2, 3, 4), least=1)
    mode = g.choose(["constant", "constant", "edge", "reflect"] +
                    (["wrap"] if g.opset >= 19 else []))
    axes = range(g.rank(x))
    with_axes = g.opset >= 18 and g.chance(0.3)
    if with_axes:
        axes = g.rng.sample(axes, g.rng.randint(1, g.rank(x)))
    low = -1 if g.opset < 13 or g.chance(0.3) else 0
    pads = [g.rng.randint(low if g.shape(x)[a] > 2 else 0, min(2, max(0, g.shape(x)[a] - 1))
                          if mode == "reflect" else 2) for _ in range(2) for a in axes]
    if g.opset < 11:
        return g.node(op, [x], pads=pads, mode=mode, value=g.maybe(1.5))
    value = g.const(g.random([], g.dtype(x))) if mode == "constant" and g.chance(0.4) else ""
    places = g.ints([a - g.rank(x) if g.chance(0.3) else a for a in axes]) if with_axes else ""
    return g.node(op, [x, g.ints(pads), value, places], mode=mode)


@makes("Unsqueeze")
def unsqueeze(g, op):
    x = anything(g, op, rank=(0, 1, 2, 3, 4))
    more = g.choose([1, 1, 2])
    rank = g.rank(x) + more
    axes = g.rng.sample(range(rank), more)
    axes = [a - rank if g.chance(0.4) and g.opset >= 11 else a for a in axes]
    if g.opset < 13:
        return g.node(op, [x], axes=axes)
    return g.node(op, [x, g.ints(axes)])


@makes("Squeeze")
def squeeze(g, op):
    shape = [1 if g.chance(0.5) else n for n in g.sizes(g.choose([1, 2, 3, 4]))]
    fit = [n for n, v in g.values.items() if isinstance(v, np.ndarray) and 1 in v.shape
           and v.dtype in g.types(op) and n not in g.constants]
    x = g.choose(fit) if fit and g.chance(0.7) else g.input(g.random(shape, g.draw_type(
        g.types(op))))
    ones = [a for a, n in enumerate(g.shape(x)) if n == 1]
    if not ones:
        return None
    axes = g.rng.sample(ones, g.rng.randint(1, len(ones)))
    axes = [a - g.rank(x) if g.chance(0.4) and g.opset >= 11 else a for a in axes]
    if not g.symbolic and g.chance(0.2):
        return g.node(op, [x])
    return g.node(op, [x], axes=axes) if g.opset < 13 else g.node(op, [x, g.ints(axes)])


@makes("Expand")
def expand(g, op):
    x = anything(g, op, rank=(0, 1, 2, 3))
    shape = [n if n != 1 and g.chance(0.6) else n if n != 1 else g.choose([1, 2, 5])
             for n in g.shape(x)]
    shape = [1 if g.chance(0.2) else n for n in shape]
    shape = g.sizes(g.choose([0, 0, 1, 2]), 1) + shape[g.rng.randrange(2):]
    if g.chance(0.3) and 0 not in g.shape(x):  # to the shape of another tensor
        y = g.tensor(FLOATS + INTEGERS + [BOOL], least=1)
        s = g.node("Shape", [y])
        return s and g.node(op, [x, s])
    return g.node(op, [x, g.ints(shape, run=True)])


@makes("Tile")
def tile(g, op):
    x = anything(g, op, rank=(1, 2, 3))
    repeats = [g.choose([1, 1, 2, 3, 0] if g.chance(0.1) else [1, 1, 2, 3])
               for _ in range(g.rank(x))]
    return g.node(op, [x, g.ints(repeats, run=True)])


@makes("Shape Size")
def shape_of(g, op):
    x = anything(g, op)
    if op == "Shape" and g.opset >= 15:
        return g.node(op, [x], start=g.maybe(g.rng.randint(-g.rank(x) - 1, g.rank(x))),
                      end=g.maybe(g.rng.randint(-g.rank(x), g.rank(x) + 1)))
    return g.node(op, [x])


@makes("ConstantOfShape")
def constant_of_shape(g, op):
    value = g.random([1], g.choose([F32, I64, BOOL, np.dtype(np.int8)]), -3 if g.chance(0.9) else 0,
                     3)
    shape = g.ints(g.sizes(g.choose([0, 1, 2, 3])), run=True)
    x = g.tensor(FLOATS, least=1)
    if g.chance(0.4):
        shape = g.node("Shape", [x])
    if not shape:
        return None
    code = helper.np_dtype_to_tensor_dtype(value.dtype)
    return g.node(op, [shape], value=g.maybe(helper.make_tensor("v", code, [1], value.tolist())))


@makes("DepthToSpace SpaceToDepth")
def depth(g, op):
    b = g.choose([2, 2, 3])
    n, c, h, w = g.choose([1, 2]), g.choose([1, 2, 3]), g.choose([1, 2, 3]), g.choose([1, 2, 4])
    shape = [n, c * b * b, h, w] if op == "DepthToSpace" else [n, c, h * b, w * b]
    x = g.input(g.random(shape, g.draw_type(g.types(op))))
    mode = g.maybe(g.choose(["DCR", "CRD"])) if op == "DepthToSpace" and g.opset >= 11 else None
    return g.node(op, [x], blocksize=b, mode=mode)


@makes("Trilu")
def trilu(g, op):
    x = g.operand(op, rank=(2, 3, 4))
    k = g.const(g.rng.randint(-4, 4), I64) if g.chance(0.6) else ""
    return g.node(op, [x, k], upper=g.maybe(g.rng.randrange(2)))


@makes("EyeLike")
def eye_like(g, op):
    x = g.operand(op, rank=(2,))
    to = g.maybe(g.choose([TensorProto.FLOAT, TensorProto.INT64, TensorProto.DOUBLE]))
    return g.node(op, [x], k=g.maybe(g.rng.randint(-3, 3)), dtype=to)


@makes("CenterCropPad")
def center_crop_pad(g, op):
    x = g.operand(op, rank=(1, 2, 3), least=1)
    axes = g.rng.sample(range(g.rank(x)), g.rng.randint(1, g.rank(x)))
    if g.chance(0.3):
        axes = list(range(g.rank(x)))
    size = [max(1, g.shape(x)[a] + g.rng.randint(-3, 3)) for a in axes]
    negative = [a - g.rank(x) if g.chance(0.3) else a for a in axes]
    return g.node(op, [x, g.ints(size)],
                  axes=negative if axes != list(range(g.rank(x))) else g.maybe(negative))


@makes("Range")
def range_of(g, op):
    dtype = g.choose([t for t in g.types(op) if t not in FLOATS[2:]])
    start, step = g.rng.randint(-4, 4), g.choose([1, 2, 3, -1, -2])
    limit = start + step * g.rng.randint(0, 9) - g.choose([0, 0, 1])
    ends = [g.input(np.array(v, dtype)) if g.chance(0.2) else g.const(v, dtype)
            for v in (start, limit, step)]
    return g.node(op, ends)
