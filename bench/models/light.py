"""The classic networks that the onnx package carries without their weights.

In `light_*.onnx` every weight is a ConstantOfShape node.  Each becomes an
initializer with He-normal values; the graph is otherwise kept as it is: IR
version 3, opset 9, initializers listed among the graph's inputs.
"""

import os

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

from .build import Built, model, picture

FOLDER = os.path.join(os.path.dirname(onnx.__file__), "backend", "test", "data", "light")


class Roles:
    """What each weight is for, found by following its consumers."""

    def __init__(self, graph):
        self.consumers = {}
        for node in graph.node:
            for position, name in enumerate(node.input):
                self.consumers.setdefault(name, []).append((node, position))

    def of(self, name):
        """The operator that finally takes the value, and the input position there."""
        node, position = self.consumers[name][0]
        while node.op_type in ("Unsqueeze", "Reshape", "Identity"):
            node, position = self.consumers[node.output[0]][0]
        return node, position


def initial(shape, node, position, rng):
    """Random values for a weight that `node` takes at `position`."""
    op = node.op_type
    if op in ("Conv", "Gemm") and position == 1:
        transposed = any(a.name == "transB" and a.i for a in node.attribute)
        fan_in = shape[0] if op == "Gemm" and not transposed else int(np.prod(shape[1:]))
        return rng.standard_normal(shape) * np.sqrt(2 / fan_in)
    if op == "Mul" or (op == "BatchNormalization" and position in (1, 4)):
        return rng.uniform(0.6, 1.4, shape)
    return rng.standard_normal(shape) * 0.1


def fill(proto, rng):
    """Replace every ConstantOfShape by an initializer."""
    graph = proto.graph
    roles = Roles(graph)
    shapes = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    dropped, kept = set(), []
    for node in graph.node:
        if node.op_type != "ConstantOfShape":
            kept.append(node)
            continue
        name, shape = node.output[0], [int(n) for n in shapes[node.input[0]]]
        value = initial(shape, *roles.of(name), rng).astype(np.float32)
        dropped.add(node.input[0])
        graph.initializer.append(numpy_helper.from_array(value, name))
        graph.input.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape))
    for field in (graph.initializer, graph.input):
        rest = [item for item in field if item.name not in dropped]
        del field[:]
        field.extend(rest)
    del graph.node[:]
    graph.node.extend(kept)


def observe(proto, names):
    """Make the named values the outputs of the graph."""
    del proto.graph.output[:]
    proto.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)


def run(proto, feed):
    """The outputs of a graph that is only in memory."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, feed)


def calibrate(proto, feed):
    """Give the batch norms the statistics of their inputs.

    A copy normalises with the image's own statistics (InstanceNormalization); one
    run of it yields the input of every batch norm as it will be.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    norms = []
    for node in copy.graph.node:
        if node.op_type == "BatchNormalization":
            norms.append(list(node.input))
            node.op_type = "InstanceNormalization"
            del node.input[3:], node.attribute[:]
    if not norms:
        return
    observe(copy, [names[0] for names in norms])
    weights = {t.name: t for t in proto.graph.initializer}
    for names, value in zip(norms, run(copy, feed)):
        mean, spread = value.mean((0, 2, 3)), value.var((0, 2, 3)) + 0.05
        weights[names[3]].CopyFrom(numpy_helper.from_array(mean, names[3]))
        weights[names[4]].CopyFrom(numpy_helper.from_array(spread, names[4]))


def sharpen(proto, feed, spread=1.5):
    """Scale the last layer so that the final Softmax is neither flat nor a single one."""
    maker = {name: node for node in proto.graph.node for name in node.output}
    node = maker[proto.graph.output[0].name]
    if node.op_type != "Softmax":
        return
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    observe(copy, [node.input[0]])
    factor = spread / run(copy, feed)[0].std()
    while node.op_type not in ("Conv", "Gemm"):
        node = maker[node.input[0]]
    for tensor in proto.graph.initializer:
        if tensor.name in node.input[1:]:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * np.float32(factor), tensor.name))


def light(name):
    """The model function of `light_NAME.onnx`."""
    def build(small):
        proto = onnx.load(os.path.join(FOLDER, f"light_{name}.onnx"))
        rng = np.random.default_rng(sum(name.encode()))
        fill(proto, rng)
        weights = {t.name for t in proto.graph.initializer}
        image, = [i for i in proto.graph.input if i.name not in weights]
        shape = [d.dim_value for d in image.type.tensor_type.shape.dim]
        calibrate(proto, {image.name: picture(*shape, seed=9)})
        sharpen(proto, {image.name: picture(*shape, seed=0)})
        return Built(proto=proto, sets=[{image.name: picture(*shape, seed=k)} for k in range(2)])
    build.__module__ = __name__
    return build


for _name in ("bvlc_alexnet", "densenet121", "inception_v1", "inception_v2", "resnet50",
              "shufflenet", "squeezenet", "vgg19", "zfnet512"):
    model(f"light_{_name}", small=_name in ("shufflenet", "squeezenet"))(light(_name))
