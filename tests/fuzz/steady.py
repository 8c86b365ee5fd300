"""Does a result hang on rounding errors of its operands?  Then it says nothing about a program."""

import numpy as np

import references
from references import BF16, F16, F32, F64, FLOATS, is_float

# (relative movement of inexact elements, tolerances of the results)
MOVES = {F32: (1e-5, 1e-3, 1e-4), F64: (1e-6, 1e-3, 1e-4),
         F16: (1e-3, 1e-2, 1e-2), BF16: (8e-3, 6e-2, 6e-2)}
# Results jump, or swing, where the operands of the node move by rounding of its own arithmetic.
JUMPING = set("""QuantizeLinear DynamicQuantizeLinear QLinearConv QLinearMatMul GridSample RoiAlign
    NonMaxSuppression Mod Resize Upsample MaxRoiPool TreeEnsemble Range LinearClassifier
    AffineGrid Det RNN GRU LSTM""".split())
# Results jump where the operands move; so do those that are no floats.
CLIFFS = JUMPING | set("""Floor Ceil Round Sign Hardmax TopK Unique ThresholdedRelu Shrink
    OneHotEncoder TreeEnsembleRegressor Binarizer""".split())


def is_coarse(g, feeds, results, who):
    """Do these values come of f64 that was computed in f32?"""
    return not g.coarse.isdisjoint(feeds) or \
        references.is_coarse(who, [*feeds.values(), *results])


def is_steady(g, nodes, ops, feeds, outputs, results, who):
    """Do results stay where inexact operands move a little, one way and the other?"""
    cliff = bool(ops & CLIFFS) or any(
        isinstance(r, np.ndarray) and not is_float(r.dtype) for r in results)
    if cliff and is_coarse(g, feeds, results, who):
        return False
    steps = {}
    for name, value in feeds.items():
        jumps = bool(ops & JUMPING) and value.size > 1 and name not in g.constants
        if is_float(value.dtype) and value.size and (jumps or not g.exact[name]):
            steps[name] = random_step(g, value, cliff)
    return not steps or all(stays(g, nodes, feeds, outputs, results, steps, way)
                            for way in ([1, -1] if cliff else [1]))


def random_step(g, value, cliff):
    """How far elements move: their type's rounding error; at a cliff some times that, and as if
    none were smaller than 1: what is small may be all rounding error."""
    wide = value.astype(np.float64)
    step = g.np.choice([-1.0, 1.0], value.shape) * (
        0.5 + 0.5 * g.np.random(value.shape)) * MOVES[value.dtype][0]
    with np.errstate(all="ignore"):
        scale = np.abs(wide) + np.abs(np.where(np.isfinite(wide), wide, 0)).mean() * 0.1
        return step * (4 * (scale + 1) if cliff else scale)


def stays(g, nodes, feeds, outputs, results, steps, way):
    with np.errstate(all="ignore"):
        moved = {name: (feeds[name].astype(np.float64) + way * step).astype(feeds[name].dtype)
                 for name, step in steps.items()}
    again, _ = references.evaluate(g, nodes, {**feeds, **moved}, outputs)
    return again is not None and all(close(a, b, tolerances(g)) for a, b in
                                     zip(results, again))


def tolerances(g):
    """(relative, absolute) of the coarsest type in the graph."""
    types = {v.dtype for v in g.values.values() if isinstance(v, np.ndarray)}
    return max(MOVES[t][1:] for t in FLOATS if t in types or t == F32)


def close(a, b, tolerances):
    """Are two values (or lists of them) the same within these tolerances?"""
    if isinstance(a, list) or isinstance(b, list):
        return len(a) == len(b) and all(close(x, y, tolerances) for x, y in zip(a, b))
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if not is_float(a.dtype):
        return bool(np.array_equal(a, b))
    rtol, atol = tolerances
    return bool(np.allclose(a.astype(np.float64), b.astype(np.float64), rtol, atol, equal_nan=True))
