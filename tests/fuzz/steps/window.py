"""Convolutions, pooling, resizing, and what samples images."""

import numpy as np

from random_graph import F16, F32, I8, I64, is_float
from steps.registry import makes


def windows(g, x, dilate=True, least=1):
    """Attributes of a window that has at least one place in every spatial axis."""
    spatial = g.shape(x)[2:]
    kernel, pads, strides, dilations = [], [], [], []
    for n in spatial:
        k = g.choose([k for k in (1, 1, 2, 3, 3, 5) if k <= n + 1] or [1])
        d = g.choose([1, 1, 2]) if dilate and (k - 1) * 2 + 1 <= n else 1
        reach = (k - 1) * d + 1
        before, after = g.rng.randrange(k), g.rng.randrange(k)
        if n + before + after < reach:
            before, after = k - 1, k - 1
        if n + before + after < reach:
            return None
        kernel.append(k)
        dilations.append(d)
        strides.append(g.choose([1, 1, 1, 2, 3]))
        pads.append((before, after))
    out = {"kernel_shape": kernel, "strides": strides}
    if any(d > 1 for d in dilations):
        out["dilations"] = dilations
    kind = g.rng.random()
    if kind < 0.6:
        out["pads"] = [p[0] for p in pads] + [p[1] for p in pads]
    elif kind < 0.85 and "dilations" not in out and all(s <= k for s, k in zip(strides, kernel)):
        out["auto_pad"] = g.choose(["SAME_UPPER", "SAME_LOWER"])
    elif all(n >= (k - 1) * d + 1 for n, k, d in zip(spatial, kernel, dilations)):
        if g.chance(0.5):
            out["auto_pad"] = "VALID"
    else:
        out["pads"] = [p[0] for p in pads] + [p[1] for p in pads]
    return out


@makes("Conv")
def conv(g, op):
    x = g.operand(op, rank=(3, 4, 4, 4, 5), least=1)
    more = windows(g, x)
    if not more:
        return None
    c = g.shape(x)[1]
    group = g.choose([1, 1, c, *[d for d in (2, 3) if c % d == 0]])
    o = group * g.choose([1, 2, 4, 8])
    kernel = more["kernel_shape"]
    w = g.weights([o, c // group, *kernel], g.dtype(x), c // group * int(np.prod(kernel)))
    bias = g.maybe(g.weights([o], g.dtype(x))) or ""
    if g.chance(0.4):
        del more["kernel_shape"]
    return g.node(op, [x, w, bias], group=group, **more)


@makes("ConvTranspose")
def conv_transpose(g, op):
    x = g.operand(op, rank=(3, 4, 4, 5), least=1)
    spatial = g.shape(x)[2:]
    kernel = [g.choose([1, 2, 3]) for _ in spatial]
    strides = [g.choose([1, 1, 2, 3]) for _ in spatial]
    c = g.shape(x)[1]
    group = g.choose([1, 1, c])
    o = g.choose([1, 2, 4])
    w = g.weights([c, o, *kernel], g.dtype(x), c)
    bias = g.maybe(g.weights([o * group], g.dtype(x))) or ""
    more = {"kernel_shape": kernel, "strides": strides, "group": group}
    kind = g.rng.random()
    if kind < 0.5:
        more["pads"] = [g.rng.randrange((k + 1) // 2) for k in kernel * 2]
        more["output_padding"] = g.maybe([g.rng.randrange(s) for s in strides])
    elif kind < 0.7 and all(k >= s for k, s in zip(kernel, strides)):  # else its size is disputed
        more["auto_pad"] = g.choose(["SAME_UPPER", "SAME_LOWER", "VALID"])
    else:
        more["dilations"] = [g.choose([1, 2]) for _ in spatial]
    return g.node(op, [x, w, bias], **more)


@makes("MaxPool AveragePool LpPool")
def pool(g, op):
    x = g.operand(op, rank=(3, 4, 4, 4, 5), least=1)
    dilate = g.opset >= {"MaxPool": 10, "AveragePool": 19, "LpPool": 18}[op]
    more = windows(g, x, dilate)
    if not more:
        return None
    if g.opset >= {"MaxPool": 10, "AveragePool": 10, "LpPool": 18}[op]:
        more["ceil_mode"] = g.maybe(g.rng.randrange(2))
    if op == "AveragePool":
        return g.node(op, [x], count_include_pad=g.maybe(g.rng.randrange(2)), **more)
    if op == "LpPool":
        return g.node(op, [x], p=g.maybe(g.choose([1, 2, 3])), **more)
    if g.opset >= 8 and g.chance(0.3):
        return g.node(op, [x], 2, storage_order=g.maybe(g.rng.randrange(2), 0.3), **more)
    return g.node(op, [x], **more)


@makes("MaxUnpool")
def max_unpool(g, op):
    value = g.random([1, g.choose([1, 2]), 4, 6], g.draw_type(g.types(op)))
    x = g.input(value)
    pooled = g.node("MaxPool", [x], 2, kernel_shape=[2, 2], strides=[2, 2])
    if not pooled:
        return None
    size = g.maybe(g.ints(value.shape), 0.4) or ""
    return g.node(op, [*g.nodes[-1].output, size], kernel_shape=[2, 2], strides=[2, 2])


@makes("DeformConv")
def deform_conv(g, op):
    dtype = g.draw_type(g.types(op))
    n, c, h, w = g.choose([1, 2]), g.choose([1, 2, 4]), g.choose([4, 5]), g.choose([5, 6])
    k, o = g.choose([1, 2, 3]), g.choose([1, 2])
    pad = g.rng.randrange(2)
    oh, ow = h + 2 * pad - k + 1, w + 2 * pad - k + 1
    groups = g.choose([1, c])
    x = g.input(g.random([n, c, h, w], dtype))
    offset = g.input(g.random([n, groups * 2 * k * k, oh, ow], dtype))
    bias = g.maybe(g.weights([o], dtype)) or ""
    mask = g.maybe(g.input(g.random([n, groups * k * k, oh, ow], dtype))) or ""
    return g.node(op, [x, g.weights([o, c, k, k], dtype, c * k * k), offset, bias, mask],
                  kernel_shape=[k, k], pads=[pad] * 4, offset_group=groups)


def resize_scales(g, x, scales, n):
    """Integers are cut off: only places between two of their elements that are exact."""
    exact = [s for s in scales if is_float(g.dtype(x)) or s in (0.5, 1.0, 2.0)]
    return [g.choose(exact) for _ in range(n)]


@makes("Resize")
def resize(g, op):
    x = g.operand(op, rank=(2, 3, 4), least=1)
    rank = g.rank(x)
    outer = max(0, rank - g.choose([1, 2, 2]))
    scales = [1.0] * outer + resize_scales(g, x, [0.5, 1.0, 1.5, 2.0, 3.0], rank - outer)
    if any(int(n * s) < 1 for n, s in zip(g.shape(x), scales)):
        return None
    mode = g.choose(["nearest", "linear"] + (["cubic"] if rank - outer == 2 and rank == 4 else []))
    if g.opset < 11:
        return g.node(op, [x, g.const(scales, F32)],
                      mode=g.choose(["nearest", "linear"]) if rank == 4 else "nearest")
    modes = ["half_pixel", "asymmetric", "pytorch_half_pixel"]
    whole = all(n * s == int(n * s) for n, s in zip(g.shape(x), scales))
    if whole and is_float(g.dtype(x)):  # else ONNX Runtime differs
        modes.append("align_corners")
    more = {"mode": mode, "coordinate_transformation_mode": g.maybe(g.choose(modes))}
    if mode == "nearest":
        more["nearest_mode"] = g.maybe(g.choose(["floor", "ceil", "round_prefer_floor",
                                                 "round_prefer_ceil"]))
    if mode == "cubic":
        more["cubic_coeff_a"] = g.maybe(-0.5)
        more["exclude_outside"] = g.maybe(g.rng.randrange(2))
    if g.opset >= 18 and mode != "nearest":
        once = is_float(g.dtype(x)) or sum(s != 1 for s in scales) == 1 and g.dtype(x) != I8
        more["antialias"] = g.maybe(g.rng.randrange(2), 0.3) if once else None
    roi = "" if g.opset >= 13 else g.const([0.0] * rank + [1.0] * rank, F32)
    if g.chance(0.4):
        sizes = [max(1, int(n * s)) for n, s in zip(g.shape(x), scales)]
        empty = "" if g.opset >= 13 else g.const([], F32)
        return g.node(op, [x, roi, empty, g.ints(sizes, run=True)], **more)
    return g.node(op, [x, roi, g.const(scales, F32)], **more)


@makes("Upsample")
def upsample(g, op):
    x = g.operand(op, rank=(4,), least=1)
    scales = [1.0, 1.0, *resize_scales(g, x, [1.0, 2.0, 3.0], 2)]
    mode = g.choose(["nearest", "linear"])
    if g.opset < 9:
        return g.node(op, [x], mode=mode, scales=scales)
    return g.node(op, [x, g.const(scales, F32)], mode=mode)


@makes("GridSample")
def grid_sample(g, op):
    rank = 4 if g.opset < 20 else g.choose([4, 4, 5])
    x = g.tensor([t for t in g.types(op) if is_float(t)], rank=(rank,), least=1)
    out = [g.choose([1, 2, 5]) for _ in range(rank - 2)]
    grid = g.input(g.random([g.shape(x)[0], *out, rank - 2], g.dtype(x), -1.2, 1.2))
    modes = ["bilinear", "nearest", "bicubic"] if g.opset < 20 else ["linear", "nearest", "cubic"]
    mode = g.choose(modes[:2] if rank == 5 else modes)
    return g.node(op, [x, grid], mode=mode, align_corners=g.maybe(g.rng.randrange(2)),
                  padding_mode=g.maybe(g.choose(["zeros", "border", "reflection"])))


@makes("AffineGrid")
def affine_grid(g, op):
    dtype = g.choose([t for t in g.types(op) if t.itemsize >= 4])
    n, d = g.choose([1, 2]), g.choose([2, 3])
    size = [n, 3] + [g.choose([2, 3, 4]) for _ in range(d)]
    return g.node(op, [g.input(g.random([n, d, d + 1], dtype)), g.ints(size)],
                  align_corners=g.maybe(g.rng.randrange(2)))


def boxes(g, n, dtype, size=6.0):
    corner = g.np.random((n, 2)) * size / 2
    extent = 0.5 + g.np.random((n, 2)) * size / 2
    return np.concatenate([corner, corner + extent], 1).astype(dtype)


@makes("RoiAlign MaxRoiPool")
def roi(g, op):
    x = g.operand(op, rank=(4,), least=2)
    if g.dtype(x) == F16:
        return None
    n, batch = g.choose([1, 2, 3]), g.shape(x)[0]
    rois = boxes(g, n, g.dtype(x))
    which = g.np.integers(0, batch, n)
    if op == "MaxRoiPool":
        rois = np.concatenate([which[:, None].astype(g.dtype(x)), rois], 1)
        return g.node(op, [x, g.input(rois)], pooled_shape=[2, g.choose([1, 2, 3])],
                      spatial_scale=g.maybe(0.5))
    more = {}
    if g.opset >= 16:
        more["coordinate_transformation_mode"] = g.maybe(
            g.choose(["half_pixel", "output_half_pixel"]))
    mode = g.maybe(g.choose(["avg", "max"]))
    ratio = 1 if mode == "max" else g.choose([0, 1, 2])  # ONNX Runtime says that others are wrong
    return g.node(op, [x, g.input(rois), g.input(which)], output_height=2,
                  output_width=g.choose([1, 3]), sampling_ratio=ratio, mode=mode,
                  spatial_scale=g.maybe(0.5), **more)


@makes("NonMaxSuppression")
def suppress(g, op):
    n, b, c = g.choose([1, 4, 7]), g.choose([1, 2]), g.choose([1, 2])
    places = g.input(np.stack([boxes(g, n, F32) for _ in range(b)]))
    scores = g.input(g.random([b, c, n], F32, 0, 1))
    few = g.const([g.choose([1, 2, 5])], I64)
    threshold = g.maybe(g.const([0.3], F32)) or ""
    least = g.maybe(g.const([0.4], F32)) or ""
    return g.node(op, [places, scores, few, threshold, least],
                  center_point_box=g.maybe(g.rng.randrange(2)))


@makes("Col2Im")
def col2im(g, op):
    types = [t for t in g.types(op) if is_float(t)]
    h, w, kh, kw = g.choose([4, 5]), g.choose([4, 6]), g.choose([1, 2]), g.choose([1, 2, 3])
    pad = g.rng.randrange(2)
    blocks = (h + 2 * pad - kh + 1) * (w + 2 * pad - kw + 1)
    value = g.random([g.choose([1, 2]), g.choose([1, 2]) * kh * kw, blocks], g.draw_type(types))
    return g.node(op, [g.input(value), g.ints([h, w]), g.ints([kh, kw])],
                  pads=[pad] * 4 if pad else None)
