"""What other implementations say about a few nodes: ONNX Runtime, or where it refuses, ONNX's
reference evaluator.

evaluate() also compares types and shapes with ONNX's own inference, so that a reference that gives
something else is not believed.
"""

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

try:
    import onnxruntime
    onnxruntime.set_default_logger_severity(4)
except ImportError:
    onnxruntime = None

BF16 = np.dtype(ml_dtypes.bfloat16)
F16, F32, F64 = np.dtype(np.float16), np.dtype(np.float32), np.dtype(np.float64)
FLOATS = [F32, F64, F16, BF16]
RUNTIME_NEWEST = 26  # the newest operator set that ONNX Runtime loads
IR_NEWEST = 13
ON_F32 = "ONNX Runtime on f32"

# Where ONNX's reference evaluator does not do what the standard says, or differs with NumPy.
REFERENCE_WRONG = set("""Softmax LogSoftmax Hardmax BatchNormalization MaxPool LSTM GRU RNN
    AveragePool LpPool MaxUnpool ConvTranspose QLinearConv QLinearMatMul ConvInteger RoiAlign
    Resize Upsample NonMaxSuppression LRN BitShift Mod Div Gemm OneHot Scan Loop If SequenceMap
    TreeEnsembleClassifier TreeEnsembleRegressor LinearClassifier DynamicQuantizeLinear
    StringNormalizer TfIdfVectorizer DeformConv MaxRoiPool STFT Unique Pow Sign PRelu
    LabelEncoder Range""".split())
# Operators on f16 that ONNX Runtime computes in f16 throughout, and so with errors that grow.
SUMS_IN_HALF = set("GroupNormalization Attention Einsum SoftmaxCrossEntropyLoss".split())
DOMAINS = {"ml": "ai.onnx.ml", "training": "ai.onnx.preview.training",
           "preview": "ai.onnx.preview"}


def dtype_code(value):
    if value.dtype == object or value.dtype.kind in "UO":
        return TensorProto.STRING
    return helper.np_dtype_to_tensor_dtype(value.dtype)


def type_of(value, shape=None):
    """The type of an array, with its shape or the one given."""
    return helper.make_tensor_type_proto(dtype_code(value), value.shape if shape is None else shape)


def subgraphs(node):
    for a in node.attribute:
        if a.type == onnx.AttributeProto.GRAPH:
            yield a.g
        yield from a.graphs


def free_names(nodes):
    """Names that these nodes take from outside, in order."""
    made, free = set(), {}
    for node in nodes:
        for name in node.input:
            if name and name not in made:
                free[name] = None
        for sub in subgraphs(node):
            own = {i.name for i in sub.input} | {i.name for i in sub.initializer} | made
            for name in [*free_names(sub.node), *(o.name for o in sub.output)]:
                if name not in own and name not in {o for n in sub.node for o in n.output}:
                    free[name] = None
        made.update(node.output)
    return list(free)


def all_nodes(nodes):
    for node in nodes:
        yield node
        for sub in subgraphs(node):
            yield from all_nodes(sub.node)


def runtime_wrong(nodes, feeds):
    """What ONNX Runtime does otherwise than the standard."""
    strings = any(dtype_code(v) == TensorProto.STRING for v in feeds.values())
    for node in all_nodes(nodes):
        few = {a.name: a.s for a in node.attribute}
        if node.op_type == "Gather" and strings:  # loses strings
            return True
        if node.op_type == "GridSample" and few.get("padding_mode") == b"border" \
                and few.get("mode") in (b"cubic", b"bicubic"):  # does not clamp positions
            return True
    return False


def runtime_opset(g, nodes):
    """One that ONNX Runtime loads and in which these nodes mean the same; None: there is none."""
    if g.opset <= RUNTIME_NEWEST:
        return g.opset
    for node in all_nodes(nodes):
        if not node.domain and onnx.defs.get_schema(node.op_type, g.opset).since_version \
                > RUNTIME_NEWEST:
            return None
    return RUNTIME_NEWEST


def model_of(g, nodes, feeds, outputs, opset):
    """These nodes alone: what they take from outside are inputs, or the graph's constants."""
    inputs = [helper.make_value_info(k, type_of(v)) for k, v in feeds.items()]
    constants = [c for name, c in g.constants.items() if name in feeds]
    graph = helper.make_graph(nodes, "one", inputs,
                              [helper.make_empty_tensor_value_info(o) for o in outputs], constants)
    return helper.make_model(graph, opset_imports=g.opset_imports(opset), ir_version=g.ir_version)


def run_runtime(model, feeds):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    return session.run(None, feeds)


def attempt(function, *arguments):
    try:
        with np.errstate(all="ignore"):
            return function(*arguments)
    except Exception:  # whatever it dislikes: another node will do
        return None


def is_float(dtype):
    return dtype in FLOATS


def is_half(value):
    return value.dtype in (BF16, F16)


def is_other_float(value):
    return is_half(value) or value.dtype == F64


def in_f32(g, nodes, feeds, outputs, opset):
    """ONNX Runtime on the same numbers in f32."""
    wide = {k: v.astype(np.float32) if is_other_float(v) else v for k, v in feeds.items()}
    model = model_of(g, nodes, wide, outputs, opset)
    kept = [c for c in model.graph.initializer if not is_other_float(numpy_helper.to_array(c))]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    return run_runtime(model, wide)


def is_coarse(who, values):
    """Did this judge compute f64 in f32?"""
    return who == ON_F32 and any(isinstance(v, np.ndarray) and v.dtype == F64
                                 for v in values)


def tidy(result):
    if isinstance(result, list):
        return [tidy(r) for r in result]
    value = np.asarray(result)
    return value.astype(object) if value.dtype.kind in "US" else value


def inferred_types(g, nodes, feeds, outputs):
    model = model_of(g, nodes, feeds, outputs, g.opset)
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    by_name = {o.name: o.type for o in inferred.graph.output}
    for node in nodes:
        for k, name in enumerate(node.output):
            if name in by_name and by_name[name].WhichOneof("value") is None:
                by_name[name] = schema_type(g, node, k, feeds)
    return [by_name[o] for o in outputs]


def schema_type(g, node, k, feeds):
    """The type of output k by the operator's signature, where nothing infers it."""
    version = {o.domain: o.version for o in g.opset_imports()}[node.domain]
    schema = onnx.defs.get_schema(node.op_type, version, node.domain)
    wanted = schema.outputs[k].type_str
    names = {"tensor(float)": np.dtype("f4"), "tensor(double)": np.dtype("f8"),
             "tensor(int64)": np.dtype("i8")}
    for formal, name in zip(schema.inputs, node.input):
        if formal.type_str == wanted and name in feeds:
            return helper.make_tensor_type_proto(dtype_code(feeds[name]), None)
    return helper.make_tensor_type_proto(dtype_code(np.zeros(0, names[wanted])), None)


def agrees(value, declared):
    """Is the value of the inferred type?"""
    if declared.HasField("sequence_type"):
        return isinstance(value, list)
    if not declared.HasField("tensor_type") or not isinstance(value, np.ndarray):
        return False
    tensor = declared.tensor_type
    if tensor.elem_type and tensor.elem_type != dtype_code(value):
        return False
    if not tensor.HasField("shape"):
        return True
    dims = tensor.shape.dim
    return len(dims) == value.ndim and all(
        not d.HasField("dim_value") or d.dim_value == n for d, n in zip(dims, value.shape))


def to_declared(value, declared):
    """f32 results of converted operands in the type that they have."""
    code = declared.tensor_type.elem_type
    if isinstance(value, np.ndarray) and value.dtype == np.float32 and code in (
            TensorProto.BFLOAT16, TensorProto.FLOAT16, TensorProto.DOUBLE):
        with np.errstate(all="ignore"):
            return value.astype(helper.tensor_dtype_to_np_dtype(code))
    return value


def references(g, nodes, feeds, outputs):
    """One after the other: (name, results or None)."""
    ops = {n.op_type for n in all_nodes(nodes)}
    opset = runtime_opset(g, nodes)
    halves = any(is_half(v) for v in feeds.values())
    bf16 = any(v.dtype == BF16 for v in feeds.values())
    if onnxruntime and opset and not runtime_wrong(nodes, feeds):
        if not bf16 and not (halves and ops & SUMS_IN_HALF):
            model = model_of(g, nodes, feeds, outputs, opset)
            yield "ONNX Runtime", attempt(run_runtime, model, feeds)
        if any(is_other_float(v) for v in feeds.values()):
            yield ON_F32, attempt(in_f32, g, nodes, feeds, outputs, opset)
    same = any(a.name == "auto_pad" for n in nodes for a in n.attribute)
    if not ops & REFERENCE_WRONG and not same:
        model = model_of(g, nodes, feeds, outputs, g.opset)
        yield "reference evaluator", attempt(lambda: ReferenceEvaluator(model).run(None, feeds))


def evaluate(g, nodes, feeds, outputs):
    """(results, who said so), or (None, None) where no reference takes it."""
    types = attempt(inferred_types, g, nodes, feeds, outputs)
    if types is None:
        return None, None
    for who, results in references(g, nodes, feeds, outputs):
        if results is None or any(r is None for r in results):
            continue
        results = [to_declared(tidy(r), t) for r, t in zip(results, types)]
        if all(agrees(r, t) for r, t in zip(results, types)):
            return results, who
    return None, None
