"""Who makes which operator: every function in this folder that is marked with @makes."""

import onnx
from onnx import TensorProto

from references import DOMAINS

MAKERS = {}  # (operator, domain): function(graph, operator)

# Left out, because results are random or need what no reference here has.
LEFT_OUT = {
    "Bernoulli": "results are random", "Multinomial": "results are random",
    "RandomNormal": "results are random", "RandomNormalLike": "results are random",
    "RandomUniform": "results are random", "RandomUniformLike": "results are random",
    "ImageDecoder": "needs encoded images; tests/onnx/images.py has them",
}
# Element types of less than a byte's precision: (code, first operator set). They are made and used
# within pairs of nodes, as not all references take them as inputs.
NARROW = [(TensorProto.FLOAT8E4M3FN, 19), (TensorProto.FLOAT8E4M3FNUZ, 19),
          (TensorProto.FLOAT8E5M2, 19), (TensorProto.FLOAT8E5M2FNUZ, 19), (TensorProto.UINT4, 21),
          (TensorProto.INT4, 21), (TensorProto.FLOAT4E2M1, 23), (TensorProto.INT2, 25),
          (TensorProto.UINT2, 25)]
# What networks are made of is there more often, so that it meets the rest.
OFTEN = """Add Mul Sub Div Relu Sigmoid Tanh Exp MatMul Gemm Conv Transpose Transpose Reshape
    Reshape Slice Slice Concat Split Softmax LayerNormalization ReduceSum ReduceMean ReduceMax
    Gather Where Unsqueeze Squeeze Cast Expand Pad MaxPool AveragePool Flatten Shape""".split()


def makes(ops, domain=""):
    """Marks a function(graph, operator) that adds one of these operators to a graph."""
    def mark(function):
        for op in ops.split():
            MAKERS[op, domain] = function
        return function
    return mark


def versions(op, domain=""):
    """Operator sets of ai.onnx in which a graph may use the operator."""
    if domain:
        return range(13, 27)
    fit = []
    for opset in range(7, 28):
        try:
            if not onnx.defs.get_schema(op, opset).deprecated:
                fit.append(opset)
        except onnx.defs.SchemaError:
            pass
    return fit


def opset_operators():
    """All operators of ai.onnx that some operator set from 7 on has, in order."""
    every = {s.name for s in onnx.defs.get_all_schemas_with_history() if s.domain == ""}
    return sorted(op for op in every if versions(op))


def known(op, domain, opset):
    """Has the operator set this operator?"""
    if domain:
        return domain in DOMAINS
    return opset in versions(op)


def random_step(g):
    """Adds some operator that the graph's operator sets have, or does nothing."""
    if g.chance(0.4):
        op, domain = g.choose(OFTEN), ""
    else:
        op, domain = g.choose(sorted(MAKERS))
    return step(g, op, domain)


def step(g, op, domain=""):
    if not known(op, domain, g.opset):
        return None
    return MAKERS[op, domain](g, op)
