#!/usr/bin/env python3
"""Differential fuzzing: random valid ONNX graphs, compiled programs against ONNX Runtime.

    tests/fuzz/graphs.py ONNXCC [--graphs 200] [--seed N] [--keep DIR] [--only N]

Every graph is a random chain of operators over a few tensors; half of the graphs have symbolic
input dimensions.  Each is compiled at -O2 and at -O0 (many graphs per program) and its results are
compared with those of ONNX Runtime, or where that is not installed, of ONNX's reference evaluator.  Mismatches and refusals are listed, and kept as test folders (model.onnx,
test_data_set_0) with --keep.  The same seed gives the same graphs.  Ends with 1 if anything differs.
"""

import argparse
import pathlib
import random
import subprocess
import sys
import tempfile
import zlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

try:
    import onnxruntime
except ImportError:
    onnxruntime = None

PER_PROGRAM = 16
FLOAT = TensorProto.FLOAT


class Graph:
    """A graph in the making: tensors with their values, so that every step is valid."""

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.np = np.random.default_rng(seed)
        self.nodes, self.inits, self.inputs = [], [], []
        self.values = {}  # name: numpy array
        self.count = 0
        self.symbolic = self.rng.random() < 0.5

    def name(self, base="t"):
        self.count += 1
        return f"{base}{self.count}"

    def pick(self, rank=None, dtype=np.float32):
        """A tensor that exists already; None: there is none."""
        fit = [n for n, v in self.values.items()
               if v.dtype == dtype and (rank is None or v.ndim in rank)]
        return self.rng.choice(fit) if fit else None

    def const(self, value):
        name = self.name("c")
        self.inits.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def ints(self, values):
        return self.const(np.array(values, dtype=np.int64))

    def node(self, op, inputs, outputs=1, **attributes):
        """Appends a node and computes it; its first result, or None where it is not valid."""
        names = [self.name() for _ in range(outputs)]
        node = helper.make_node(op, inputs, names, **attributes)
        results = evaluate(self, node)
        if results is None or any(r.size > 20000 or r.ndim > 5 for r in results):
            return None
        if any(r.dtype == np.float32 and not np.all(np.isfinite(r)) for r in results):
            return None
        if any(r.dtype == np.float32 and r.size and np.abs(r).max() > 1e4 for r in results):
            return None
        self.nodes.append(node)
        for name, result in zip(names, results):
            self.values[name] = result
        return names[0]


def evaluate(g, node):
    """A single node by another implementation; None where it refuses."""
    feeds = {i: g.values[i] for i in node.input if i in g.values}
    model = helper.make_model(
        helper.make_graph([node], "one",
                          [helper.make_tensor_value_info(k, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape)
                           for k, v in feeds.items()],
                          [helper.make_empty_tensor_value_info(o) for o in node.output],
                          [i for i in g.inits if i.name in node.input]),
        opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    results = expect(model, feeds)
    return results and [np.asarray(r) for r in results]


# ---- steps: each adds a node to the graph, or does nothing ----

def unary(g):
    op = g.rng.choice(["Relu", "Sigmoid", "Tanh", "Abs", "Neg", "Exp", "Erf", "Floor", "Ceil", "Sin", "Cos",
                       "Softplus", "HardSwish", "Elu", "LeakyRelu", "Gelu", "Identity", "Softsign", "Sign"])
    x = g.pick()
    return x and g.node(op, [x])


def binary(g):
    a, b = g.pick(), g.pick()
    op = g.rng.choice(["Add", "Sub", "Mul", "Div", "Max", "Min"])
    return a and g.node(op, [a, b])


def scale(g):
    x = g.pick()
    shape = [n if g.rng.random() < 0.5 else 1 for n in g.values[x].shape[g.rng.randrange(2):]]
    return g.node(g.rng.choice(["Add", "Mul"]), [x, g.const(g.np.standard_normal(shape, dtype=np.float32))])


def matmul(g):
    x = g.pick((2, 3, 4))
    if not x or not g.values[x].size:  # over nothing ONNX Runtime gives whatever lies in memory
        return None
    k, n = g.values[x].shape[-1], g.rng.choice([1, 3, 8, 17, 33])
    w = g.const(g.np.standard_normal((k, n), dtype=np.float32) / max(1, k) ** 0.5)
    return g.node("MatMul", [x, w])


def matmul_pair(g):
    x = g.pick((2, 3, 4))
    if not x or not g.values[x].size:
        return None
    rank = g.values[x].ndim
    t = g.node("Transpose", [x], perm=[*range(rank - 2), rank - 1, rank - 2])
    return t and g.node("MatMul", [x, t])


def window(g, x):
    """(kernel size, padding before, padding after) that leave at least one place in a spatial axis."""
    least = min(g.values[x].shape[2:])
    k = g.rng.choice([1, 2, 3])
    if least < 1 or k > least:
        return None
    return k, g.rng.randrange(k), g.rng.randrange(k)


def conv(g):
    x = g.pick((4,))
    if not x:
        return None
    c, o, group = g.values[x].shape[1], g.rng.choice([1, 4, 8, 16]), 1
    size = window(g, x)
    if not size:
        return None
    k, p, q = size
    if g.rng.random() < 0.3:
        group, o = c, c * g.rng.choice([1, 2])
    w = g.np.standard_normal((o, c // group, k, k), dtype=np.float32) / max(1, c * k * k) ** 0.5
    inputs = [x, g.const(w)]
    if g.rng.random() < 0.5:
        inputs.append(g.const(g.np.standard_normal(o, dtype=np.float32)))
    wide = g.rng.choice([1, 2]) if 2 * k - 1 <= g.values[x].shape[3] else 1
    return g.node("Conv", inputs, group=group, pads=[p, p, q, p], strides=[g.rng.choice([1, 1, 2])] * 2,
                  dilations=[1, wide])


def pool(g):
    x = g.pick((4,))
    if not x:
        return None
    size = window(g, x)
    if not size:
        return None
    k, p, q = size
    extra = {"count_include_pad": g.rng.randrange(2)} if g.rng.random() < 0.5 else None
    op = "MaxPool" if extra is None else "AveragePool"
    return g.node(op, [x], kernel_shape=[k, k], strides=[g.rng.choice([1, 2])] * 2, pads=[p, 0, q, 0],
                  **(extra or {}))


def reduce(g):
    x = g.pick()
    rank = g.values[x].ndim
    if not rank or not g.values[x].size:  # over nothing they do not agree what comes out
        return None
    axes = g.rng.sample(range(-rank, 0), g.rng.randint(1, rank))
    op = g.rng.choice(["ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceL2", "ReduceSumSquare"])
    return g.node(op, [x, g.ints(axes)], keepdims=g.rng.randrange(2))


def softmax(g):
    x = g.pick((1, 2, 3, 4))
    op = g.rng.choice(["Softmax", "LogSoftmax"])
    return x and g.node(op, [x], axis=g.rng.randrange(g.values[x].ndim))


def layer_norm(g):
    x = g.pick((2, 3, 4))
    # rows that are nearly constant would only show how rounding errors grow
    if not x or not g.values[x].size or g.values[x].var(axis=-1).min() < 1e-2:
        return None
    n = g.values[x].shape[-1]
    return g.node("LayerNormalization", [x, g.const(g.np.standard_normal(n, dtype=np.float32)),
                                         g.const(g.np.standard_normal(n, dtype=np.float32))], axis=-1)


def transpose(g):
    x = g.pick((2, 3, 4))
    if not x:
        return None
    perm = list(range(g.values[x].ndim))
    g.rng.shuffle(perm)
    return g.node("Transpose", [x], perm=perm)


def reshape(g):
    """Merges, splits by 0 and -1: valid for any size of what stays whole."""
    x = g.pick((2, 3, 4))
    if not x:
        return None
    shape = g.values[x].shape
    kind = g.rng.randrange(3)
    if kind == 0:
        return g.node("Flatten", [x], axis=g.rng.randrange(len(shape)))
    if kind == 1:
        at = g.rng.randrange(len(shape) - 1)
        return g.node("Reshape", [x, g.ints([0] * at + [-1] + list(shape[at + 2:]))])
    last = shape[-1]
    part = g.rng.choice([d for d in range(1, last + 1) if last % d == 0] or [1])
    return g.node("Reshape", [x, g.ints([0] * (len(shape) - 1) + [part, last // part])])


def slices(g):
    x = g.pick((1, 2, 3, 4))
    if not x:
        return None
    axis = g.rng.randrange(g.values[x].ndim)
    start, end = g.rng.choice([(0, -1), (1, 1 << 40), (-2, 1 << 40), (0, 2), (-1, -(1 << 40))])
    step = -1 if end < -1000 else g.rng.choice([1, 2])
    return g.node("Slice", [x, g.ints([start]), g.ints([end]), g.ints([axis]), g.ints([step])])


def concat(g):
    x = g.pick((1, 2, 3, 4))
    if not x:
        return None
    return g.node("Concat", [x, x, g.node("Neg", [x])], axis=g.rng.randrange(-1, g.values[x].ndim))


def split(g):
    x = g.pick((2, 3, 4))
    axis = g.rng.randrange(g.values[x].ndim) if x else 0
    if not x or g.values[x].shape[axis] % 2:
        return None
    return g.node("Split", [x], 2, axis=axis, num_outputs=2)


def pad(g):
    x = g.pick((1, 2, 3, 4))
    if not x:
        return None
    rank = g.values[x].ndim
    mode = g.rng.choice(["constant", "edge", "reflect"])
    pads = [g.rng.randrange(2) for _ in range(2 * rank)]
    return g.node("Pad", [x, g.ints(pads)], mode=mode)


def gather(g):
    x = g.pick((1, 2, 3))
    if not x:
        return None
    axis = g.rng.randrange(g.values[x].ndim)
    if g.values[x].shape[axis] < 2:
        return None
    return g.node("Gather", [x, g.ints([[0, -1], [1, 0]])], axis=axis)


def where(g):
    x = g.pick()
    c = g.node(g.rng.choice(["Greater", "Less", "GreaterOrEqual"]), [x, g.const(np.float32(0.1))])
    return c and g.node("Where", [c, x, g.const(np.float32(g.rng.random()))])


def unsqueeze(g):
    x = g.pick((0, 1, 2, 3))
    return x and g.node("Unsqueeze", [x, g.ints([g.rng.randint(0, g.values[x].ndim)])])


def cast(g):
    x = g.pick()
    i = g.node("Cast", [x], to=g.rng.choice([TensorProto.INT32, TensorProto.INT64, TensorProto.DOUBLE]))
    return i and g.node("Cast", [i], to=FLOAT)


def cumsum(g):
    x = g.pick((1, 2, 3))
    if not x:
        return None
    return g.node("CumSum", [x, g.const(np.int64(g.rng.randrange(g.values[x].ndim)))],
                  exclusive=g.rng.randrange(2), reverse=g.rng.randrange(2))


def arg(g):
    x = g.pick((1, 2, 3))
    if not x:
        return None
    i = g.node(g.rng.choice(["ArgMax", "ArgMin"]), [x], axis=g.rng.randrange(g.values[x].ndim))
    return i and g.node("Cast", [i], to=FLOAT)


def shape_arithmetic(g):
    """A reshape to what Shape, Gather and Concat say."""
    x = g.pick((2, 3))
    s = x and g.node("Shape", [x])
    first = s and g.node("Gather", [s, g.ints([0])])
    target = first and g.node("Concat", [first, g.ints([-1])], axis=0)
    return target and g.node("Reshape", [x, target])


def expand(g):
    x = g.pick((2, 3))
    s = x and g.node("Shape", [x])
    r = x and g.node("ReduceMax", [x, g.ints([-1])], keepdims=1)
    return s and r and g.node("Expand", [r, s])


def resize(g):
    x = g.pick((4,))
    return x and g.node("Resize", [x, "", g.const(np.array([1, 1, 2, 2], np.float32))],
                        mode=g.rng.choice(["nearest", "linear"]))


def batch_norm(g):
    x = g.pick((3, 4))
    if not x:
        return None
    c = g.values[x].shape[1]
    one = [g.const(g.np.standard_normal(c, dtype=np.float32)) for _ in range(3)]
    return g.node("BatchNormalization", [x, *one, g.const(g.np.random(c, dtype=np.float32) + 0.5)])


STEPS = [unary, unary, binary, binary, scale, matmul, matmul_pair, conv, conv, pool, reduce, softmax, layer_norm,
         transpose, transpose, reshape, reshape, slices, concat, split, pad, gather, where, unsqueeze, cast,
         cumsum, arg, shape_arithmetic, expand, resize, batch_norm]


def make(seed):
    """(model, inputs by name, symbolic?) of one random graph."""
    g = Graph(seed)
    for i in range(g.rng.choice([1, 1, 2])):
        rank = g.rng.choice([2, 3, 4, 4])
        shape = [g.rng.choice([1, 2, 3])] + [g.rng.choice([1, 4, 6, 8, 9, 16]) for _ in range(rank - 1)]
        g.values[f"x{i}"] = g.np.standard_normal(shape, dtype=np.float32)
        free = [g.symbolic and (d == 0 or (d > 1 and g.rng.random() < 0.4)) for d in range(rank)]
        dims = [f"d{i}_{d}" if free[d] else n for d, n in enumerate(shape)]
        g.inputs.append(helper.make_tensor_value_info(f"x{i}", FLOAT, dims))
    for _ in range(g.rng.randint(3, 14)):
        g.rng.choice(STEPS)(g)
    used = {i for n in g.nodes for i in n.input}
    ends = [o for n in g.nodes for o in n.output if o not in used] or ["x0"]
    if ends == ["x0"]:
        g.node("Identity", ["x0"])
        ends = [g.nodes[-1].output[0]]
    outs = [helper.make_tensor_value_info(o, helper.np_dtype_to_tensor_dtype(g.values[o].dtype),
                                          [None] * g.values[o].ndim) for o in ends]
    graph = helper.make_graph(g.nodes, f"g{seed}", g.inputs, outs, g.inits)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    return model, {i.name: g.values[i.name] for i in g.inputs}, g.symbolic


def expect(model, feeds):
    """What another implementation says; None where it refuses."""
    try:
        if onnxruntime:
            options = onnxruntime.SessionOptions()
            options.log_severity_level = 4
            options.intra_op_num_threads = 1
            return onnxruntime.InferenceSession(model.SerializeToString(), options).run(None, feeds)
        return ReferenceEvaluator(model).run(None, feeds)
    except Exception:  # whatever it dislikes: another node, another graph will do
        return None


def write(folder, model, feeds, results):
    data = folder / "test_data_set_0"
    data.mkdir(parents=True)
    onnx.save(model, folder / "model.onnx")
    for k, (i, value) in enumerate(feeds.items()):
        (data / f"input_{k}.pb").write_bytes(numpy_helper.from_array(value, i).SerializeToString())
    for k, (o, value) in enumerate(zip(model.graph.output, results)):
        (data / f"output_{k}.pb").write_bytes(numpy_helper.from_array(np.asarray(value), o.name).SerializeToString())


def run(command, timeout=300):
    try:
        p = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=timeout,
                           errors="replace", check=False)
        return p.returncode, p.stdout + p.stderr
    except subprocess.TimeoutExpired:
        return -1, f"no end after {timeout} s"


def check(onnxcc, level, folders, scratch):
    """Faults of these graphs as {seed: text}; a program that does not compile is taken apart."""
    program = scratch / "program"
    entries = ",".join(f"g{s}" for s in folders)
    code, text = run([onnxcc, "-q", level, "-o", program, f"--entry={entries}",
                      *[f / "model.onnx" for f in folders.values()]])
    if code and len(folders) > 1:
        faults = {}
        for seed, folder in folders.items():
            faults.update(check(onnxcc, level, {seed: folder}, scratch))
        return faults
    if code:
        return {next(iter(folders)): f"{level}: compile: exit code {code}: {text.strip()[:300]}"}
    faults = {}
    for seed, folder in folders.items():
        entry = [f"g{seed}"] if len(folders) > 1 else []
        code, text = run([program, *entry, "--check", folder, "--rtol", "1e-3", "--atol", "1e-4"])
        if code:
            faults[seed] = f"{level}: exit code {code}: {text.strip()[:400]}"
    return faults


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("onnxcc", type=pathlib.Path)
    parser.add_argument("--graphs", type=int, default=200)
    parser.add_argument("--seed", type=int, help="default: follows from the compiler's bytes")
    parser.add_argument("--only", type=int, help="this one graph")
    parser.add_argument("--keep", type=pathlib.Path, help="where failing graphs are left")
    args = parser.parse_args()
    if args.seed is None:
        args.seed = zlib.crc32(args.onnxcc.read_bytes()) % 1000000
        print(f"--seed {args.seed}")
    seeds = [args.only] if args.only is not None else range(args.seed, args.seed + args.graphs)
    faults, made, nobody = {}, 0, 0
    with tempfile.TemporaryDirectory(prefix="onnxcc-graphs-") as scratch:
        scratch = pathlib.Path(scratch)
        folders = {}
        for seed in seeds:
            model, feeds, _ = make(seed)
            results = expect(model, feeds)
            if results is None:
                nobody += 1
                continue
            made += 1
            folders[seed] = scratch / f"g{seed}"
            write(folders[seed], model, feeds, results)
        groups = list(folders.items())
        for at in range(0, len(groups), PER_PROGRAM):
            group = dict(groups[at:at + PER_PROGRAM])
            for level in ("-O2", "-O0"):
                for seed, text in check(args.onnxcc, level, group, scratch).items():
                    faults.setdefault(seed, []).append(text)
        for seed, texts in faults.items():
            for text in texts:
                print(f"graph {seed}: {text}")
            if args.keep:
                args.keep.mkdir(parents=True, exist_ok=True)
                folders[seed].rename(args.keep / f"g{seed}")
    print(f"{made} graphs, {len(faults)} differ" + (f", {nobody} that nobody else takes" if nobody else ""))
    return 1 if faults or not made else 0


if __name__ == "__main__":
    sys.exit(main())
