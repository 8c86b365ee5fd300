"""A random graph in the making: tensors with their values, so that every step is valid.

A node is taken where a reference computes it, where its results are numbers, and where they do not
hang on rounding errors of the inputs: those that are not exact are moved a little, and the results
must stay.  So what is compared in the end is well defined.
"""

import copy
import itertools
import random

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import references
import steady
from references import BF16, DOMAINS, F16, F32, F64, FLOATS, is_float

SIZES = [1, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9, 16, 17]
INTEGERS = [np.dtype(t) for t in ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")]
BOOL, STRING = np.dtype(bool), np.dtype(object)
I64, I32 = np.dtype(np.int64), np.dtype(np.int32)
U8, I8 = np.dtype(np.uint8), np.dtype(np.int8)
WORDS = ["", "a", "b", "tree", "Tree", "two words", "1,2", "Grüße", "ΑΒγ", "x-y", "end."]
LARGEST = 1e4  # of floats in a graph
ELEMENTS = 20000

MOVING = set("""Identity Reshape Transpose Slice Concat Split Gather GatherND GatherElements Squeeze
    Unsqueeze Flatten Tile Expand Where Pad DepthToSpace SpaceToDepth Trilu Compress Shape Size
    ReverseSequence SequenceAt Optional OptionalGetElement Scatter ScatterElements ScatterND
    NonZero CenterCropPad TensorScatter EyeLike ConstantOfShape SplitToSequence
    ConcatFromSequence""".split())
# Results of exact operands are exact: all of these, and whatever is no float.
EXACT = MOVING | set("Abs Neg Relu Max Min Clip Sign Floor Ceil Round Unique TopK".split())
# ONNX Runtime does not look whether the sizes of their operands fit.
LENIENT = set("""SoftmaxCrossEntropyLoss NegativeLogLikelihoodLoss ReverseSequence Imputer Scaler
    FeatureVectorizer Scatter ScatterND ScatterElements""".split())
# What NaN and infinities give is defined.
NON_FINITE = MOVING | set("""IsNaN IsInf Abs Neg Add Sub Mul Equal Less LessOrEqual Greater
    GreaterOrEqual Exp Floor Ceil Round Sqrt Reciprocal Not""".split())
# Nothing at all as an operand is defined, and ONNX Runtime does what is defined.
EMPTY = MOVING | set("""Abs Neg Add Sub Mul Relu Sigmoid Tanh Exp Equal Less Greater And Or Not Cast
    CastLike ReduceSum ReduceSumSquare ReduceL1 Sum Clip Where CumSum Softmax IsNaN
    Unique SequenceConstruct StringConcat""".split())


def all_finite(value):
    return not is_float(value.dtype) or bool(np.isfinite(value.astype(np.float64)).all())


def takes_empty(ops, feeds):
    """May these operators get tensors without elements? (ONNX Runtime ends where some do.)"""
    return ops <= EMPTY or all(v.size for v in feeds.values())


class Graph:
    """A model in the making."""

    def __init__(self, seed, opset, domain_versions):
        self.rng = random.Random(seed)
        self.np = np.random.default_rng(seed)
        self.seed, self.opset, self.domain_versions = seed, opset, domain_versions
        ir = helper.find_min_ir_version_for([helper.make_opsetid("", min(opset, 26))])
        self.ir_version = min(references.IR_NEWEST, max(8, ir))
        self.nodes, self.inputs, self.judges = [], [], set()
        self.groups = []      # (nodes, outputs) that were added together
        self.constants = {}   # name: TensorProto
        self.values = {}      # name: array
        self.exact = {}       # name: are its bits those of every correct implementation?
        self.coarse = set()   # f64 that was computed in f32: never what a jump depends on
        self.counter = itertools.count(1)
        self.depth = 0
        self.symbolic = self.rng.random() < 0.5
        self.main = self.rng.choices(FLOATS, [8, 1, 1, 1])[0]

    def opset_imports(self, opset=None):
        return [helper.make_opsetid("", opset or self.opset)] + [
            helper.make_opsetid(DOMAINS[d], v) for d, v in self.domain_versions.items()]

    # ---- chance ----

    def chance(self, p):
        return self.rng.random() < p

    def choose(self, items):
        return self.rng.choice(list(items))

    def maybe(self, value, p=0.5):
        """The value, or None: an attribute or an operand that is left out."""
        return value if self.chance(p) else None

    def axis(self, rank):
        axis = self.rng.randrange(rank)
        return axis - rank if self.chance(0.4) else axis

    def sizes(self, rank, least=0):
        """A shape; now and then with an empty dimension."""
        shape = [self.choose(SIZES) for _ in range(rank)]
        while np.prod(shape) > 4000:
            shape[int(np.argmax(shape))] = self.choose([1, 2, 3])
        if rank and least == 0 and self.chance(0.03):
            shape[self.rng.randrange(rank)] = 0
        return shape

    # ---- tensors ----

    def name(self, base="t"):
        return f"{base}{next(self.counter)}"

    def shape(self, name):
        return self.values[name].shape

    def rank(self, name):
        return self.values[name].ndim

    def dtype(self, name):
        return self.values[name].dtype

    def random(self, shape, dtype, low=None, high=None):
        """Numbers of a type; low, high: within these."""
        shape, dtype = tuple(shape), np.dtype(dtype)
        if dtype == STRING:
            picked = [self.choose(WORDS) for _ in range(int(np.prod(shape)))]
            return np.array(picked, object).reshape(shape)
        if dtype == BOOL:
            return self.np.random(shape) < 0.5
        if not is_float(dtype):
            if low is None and high is None and self.chance(0.1):
                limits = np.iinfo(dtype)
                return self.np.choice(np.array([limits.min, limits.max, 0, 1], dtype), shape)
            low = -9 if low is None else low
            low = max(low, 0) if dtype.kind == "u" else low
            return self.np.integers(low, (9 if high is None else high) + 1, shape).astype(dtype)
        if low is None:
            return self.np.standard_normal(shape).astype(dtype)
        return (low + (high - low) * self.np.random(shape)).astype(dtype)

    def const(self, value, dtype=None):
        name = self.name("c")
        value = np.asarray(value, dtype)
        self.constants[name] = numpy_helper.from_array(value, name)
        self.values[name], self.exact[name] = value, True
        return name

    def ints(self, values, run=False):
        """A list of i64 (or an i64); run: it may be known at the run only."""
        value = np.asarray(values, np.int64)
        return self.input(value, fixed=True) if run and self.chance(0.15) else self.const(value)

    def input(self, value, fixed=False):
        """A graph input with this value; in a symbolic graph some of its dimensions are open."""
        name, value = self.name("x"), np.asarray(value)
        fixed |= self.depth > 0  # bodies demand nothing of sizes: they may never run
        dims = list(value.shape)
        for d, n in enumerate(dims):
            if self.symbolic and not fixed and self.chance(0.5):
                dims[d] = f"n{n}" if self.chance(0.3) else f"{name}_{d}"
        self.inputs.append(helper.make_value_info(name, references.type_of(value, dims)))
        self.values[name], self.exact[name] = value, True
        return name

    def param(self, value, dtype=None):
        """A weight: mostly a constant."""
        value = np.asarray(value, dtype)
        return self.input(value, fixed=True) if self.chance(0.15) else self.const(value)

    def weights(self, shape, dtype, fan=1, low=None, high=None):
        value = self.random(shape, dtype, low, high)
        return self.param((value / max(1, fan) ** 0.5).astype(dtype))

    def types(self, op, k=0, domain=""):
        """Types that operand k may have, without strings and those below 8 bits."""
        version = self.domain_versions[domain] if domain else self.opset
        schema = onnx.defs.get_schema(op, version, DOMAINS.get(domain, ""))
        names = schema.inputs[min(k, len(schema.inputs) - 1)].types
        every = FLOATS + INTEGERS + [BOOL]
        code = {"tensor(float)": F32, "tensor(double)": F64}
        found = [code.get(n) or next((t for t in every if n == f"tensor({t.name})"), None)
                 for n in names]
        return [t for t in every if t in found]

    def draw_type(self, types):
        if self.main in types and self.chance(0.7):
            return self.main
        if F32 in types and self.main not in types and self.chance(0.5):
            return F32
        return self.choose(types)

    def fits(self, name, rank, types, least, low, high):
        value = self.values[name]
        if not isinstance(value, np.ndarray) or value.dtype not in types:
            return False
        if rank is not None and value.ndim not in rank:
            return False
        if min(value.shape, default=1) < least:
            return False
        if low is None:
            return True
        return all_finite(value) and (not value.size or bool(
            low <= value.astype(np.float64).min() and value.astype(np.float64).max() <= high))

    def tensor(self, types, rank=None, least=0, low=None, high=None, new=0.25):
        """One that exists, or a new input (a constant at times)."""
        types = list(types)
        fit = [n for n in self.values if n not in self.constants
               and self.fits(n, rank, types, least, low, high)]
        if fit and not self.chance(new):
            return self.choose(fit[-6:])
        many = self.choose(rank) if rank is not None else \
            self.rng.choices(range(7), [2, 3, 6, 6, 6, 1, 1])[0]
        value = self.random(self.sizes(many, least), self.draw_type(types), low, high)
        return self.const(value) if self.chance(0.07) else self.input(value)

    def operand(self, op, k=0, domain="", **wish):
        """tensor() with the types that the operator takes."""
        return self.tensor(self.types(op, k, domain), **wish)

    def like(self, name, low=None, high=None, shape=None):
        """Another tensor of the same type, and of the same shape or one that broadcasts to it."""
        dtype = self.dtype(name)
        if shape is None:
            drop = self.rng.randrange(self.rank(name) + 1) if self.chance(0.4) else 0
            shape = [n if self.chance(0.7) else 1 for n in self.shape(name)[drop:]]
            fit = [n for n, v in self.values.items() if isinstance(v, np.ndarray) and low is None
                   and v.dtype == dtype and v.shape == self.shape(name)]
            if fit and self.chance(0.5):
                return self.choose(fit)
        value = self.random(shape, dtype, low, high)
        return self.const(value) if self.chance(0.4) else self.input(value)

    # ---- bodies ----

    def child(self):
        """A graph inside this one, which sees its values."""
        sub = copy.copy(self)
        sub.nodes, sub.groups, sub.depth = [], [], self.depth + 1
        sub.values, sub.exact = dict(self.values), dict(self.exact)
        return sub

    def give(self, name, value, exact=False):
        """A value that a body gets."""
        self.values[name], self.exact[name] = np.asarray(value), exact

    def absorb(self, child):
        """What the child took as inputs and constants belongs to this graph."""
        own = self.constants.keys() | {i.name for i in self.inputs}
        for name in own & child.values.keys():
            self.values[name], self.exact[name] = child.values[name], child.exact[name]

    # ---- nodes ----

    def make(self, op, inputs, outputs=1, domain="", **attributes):
        """The node alone; outputs: how many, or which of them."""
        wanted = [True] * outputs if isinstance(outputs, int) else outputs
        names = [self.name() if w else "" for w in wanted]
        while inputs and not inputs[-1]:
            inputs = inputs[:-1]
        attributes = {k: v for k, v in attributes.items() if v is not None}
        return helper.make_node(op, inputs, names, domain=DOMAINS.get(domain, ""), **attributes)

    def node(self, op, inputs, outputs=1, domain="", **attributes):
        """Appends a node and computes it; its first result, or None where it is not valid."""
        return self.add([self.make(op, list(inputs), outputs, domain, **attributes)])

    def add(self, nodes, outputs=None, results=None):
        """Several nodes at once, which are valid together; results: where no reference has them."""
        outputs = outputs or [o for n in nodes for o in n.output if o]
        feeds = {name: self.values[name] for name in references.free_names(nodes)}
        ops = {n.op_type for n in references.all_nodes(nodes)}
        if not takes_empty(ops, feeds):
            return None
        who = "NumPy"
        if results is None:
            results, who = references.evaluate(self, nodes, feeds, outputs)
        if results is None or not self.is_defined(ops, feeds, results):
            return None
        exact = all(self.exact[k] for k in feeds) and ops <= EXACT
        if who != "NumPy" and not steady.is_steady(self, nodes, ops, feeds, outputs, results, who):
            return None
        if steady.is_coarse(self, feeds, results, who):
            self.coarse.update(outputs)
        self.nodes.extend(nodes)
        self.groups.append((nodes, outputs))
        self.judges.add(who)
        for name, value in zip(outputs, results):
            self.values[name] = value
            self.exact[name] = exact or isinstance(value, list) or not is_float(value.dtype)
        return outputs[0]

    def resized(self, model):
        """(The same graph with other sizes of one or two symbols, and other inputs; does a
        reference take that?), or (None, False)."""
        symbols = sorted({d.dim_param for i in model.graph.input
                          for d in i.type.tensor_type.shape.dim if d.dim_param})
        if not symbols:
            return None, False
        chosen = self.rng.sample(symbols, min(len(symbols), self.choose([1, 1, 2])))
        grow = any(n.op_type.endswith("Pool")
                   for n in references.all_nodes(self.nodes))
        sizes = {s: self.choose([n + max(SIZES) * grow for n in SIZES]) for s in chosen}
        other = copy.copy(self)
        other.values = {k: self.values[k] for k in self.constants if k in self.values}
        for i in model.graph.input:
            old = self.values[i.name]
            dims = [sizes.get(d.dim_param, n) if d.dim_param else n
                    for d, n in zip(i.type.tensor_type.shape.dim, old.shape)]
            if 0 in old.shape or np.prod(dims) > ELEMENTS:
                return None, False
            mixed = old if list(old.shape) == dims and not is_float(old.dtype) else \
                self.np.permutation(np.resize(old.ravel(), int(np.prod(dims))))
            other.values[i.name] = mixed.reshape(dims)
        lenient = any(n.op_type in LENIENT for n in references.all_nodes(self.nodes))
        return other, not lenient and all(other.again(*group) for group in self.groups)

    def again(self, nodes, outputs):
        """Computes nodes that are there; false where they are not valid for these values."""
        feeds = {name: self.values[name] for name in references.free_names(nodes)}
        ops = {n.op_type for n in references.all_nodes(nodes)}
        if not takes_empty(ops, feeds):
            return False
        results, who = references.evaluate(self, nodes, feeds, outputs)
        if results is None or not self.is_defined(ops, feeds, results) or \
                not steady.is_steady(self, nodes, ops, feeds, outputs, results, who):
            return False
        self.values.update(zip(outputs, results))
        return True

    def is_defined(self, ops, feeds, results):
        arrays = [r for v in results for r in (v if isinstance(v, list) else [v])]
        if any(r.size > ELEMENTS or r.ndim > 7 for r in arrays):
            return False
        if all(all_finite(r) for r in arrays):
            if any(is_float(r.dtype) and r.size and np.abs(r.astype(np.float64)).max() > LARGEST
                   for r in arrays):
                return False
            return ops <= NON_FINITE or all(all_finite(v) for v in feeds.values())
        return ops <= NON_FINITE and any(not all_finite(v) for v in feeds.values())

    # ---- the end ----

    def close(self):
        """The model: what nothing uses are its outputs."""
        used = set(references.free_names(self.nodes)) | {
            i for n in self.nodes for i in references.free_names([n])}
        ends = [o for n in self.nodes for o in n.output if o in self.values and o not in used]
        if not ends:
            return None
        outs = [helper.make_value_info(o, self.output_type(self.values[o])) for o in ends]
        reachable = [c for n, c in self.constants.items() if n in used]
        graph = helper.make_graph(self.nodes, f"g{self.seed}",
                                  [i for i in self.inputs if i.name in used], outs, reachable)
        return helper.make_model(graph, opset_imports=self.opset_imports(),
                                 ir_version=self.ir_version)

    def output_type(self, value):
        if isinstance(value, list):
            code = references.dtype_code(value[0]) if value else TensorProto.FLOAT
            return helper.make_sequence_type_proto(helper.make_tensor_type_proto(code, None))
        return references.type_of(value, [None] * value.ndim)
