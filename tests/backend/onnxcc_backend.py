"""onnx.backend.base over onnxcc's command line: ONNX's own test runner can drive the compiler.

    from onnx.backend.test import BackendTest
    from onnxcc_backend import OnnxccBackend
    globals().update(BackendTest(OnnxccBackend, __name__).test_cases)

A model becomes an executable in a temporary folder; a run passes inputs and outputs as .pb files.
The compiler is $ONNXCC, else `onnxcc` on the path; $ONNXCC_FLAGS are further options.
"""

import os
import shlex
import shutil
import subprocess
import tempfile

import numpy as np
import onnx
from onnx import OptionalProto, SequenceProto, TensorProto, helper, numpy_helper
from onnx.backend.base import Backend, BackendRep

SECONDS = 300


class OnnxccError(RuntimeError):
    """The compiler or a program refused, with its message."""


def call(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=SECONDS, check=False)
    if done.returncode != 0:
        text = done.stdout.decode(errors="replace")
        raise OnnxccError(f"{command[0]}: exit code {done.returncode}: {text}")


def encode(value, kind):
    """A value of the model as the proto that its type asks for."""
    if kind == "sequence_type":
        return numpy_helper.from_list(value)
    if kind == "optional_type":
        return numpy_helper.from_optional(value)
    return value if isinstance(value, TensorProto) else numpy_helper.from_array(np.asarray(value))


def decode(data, kind):
    if kind == "sequence_type":
        return numpy_helper.to_list(SequenceProto.FromString(data))
    if kind == "optional_type":
        return numpy_helper.to_optional(OptionalProto.FromString(data))
    return numpy_helper.to_array(TensorProto.FromString(data))


class OnnxccRep(BackendRep):
    """A compiled model; its folder goes with it."""

    def __init__(self, model):
        self.folder = tempfile.TemporaryDirectory(prefix="onnxcc-backend-")
        graph = model.graph
        inits = {i.name for i in graph.initializer}
        self.inputs = [x for x in graph.input if x.name not in inits]
        self.outputs = list(graph.output)
        path = self.path("model.onnx")
        onnx.save(model, path)
        compiler = os.environ.get("ONNXCC") or shutil.which("onnxcc")
        if not compiler:
            raise OnnxccError("onnxcc is not on the path; name it by $ONNXCC")
        flags = shlex.split(os.environ.get("ONNXCC_FLAGS", ""))
        call([compiler, "-q", *flags, path, "-o", self.path("model")])

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def run(self, inputs, **kwargs):
        """Outputs as a list, in the order of the model; inputs: a list, or a dict by name."""
        names = [x.name for x in self.inputs]
        given = inputs if isinstance(inputs, dict) else dict(zip(names, inputs))
        command = [self.path("model")]
        for k, x in enumerate(self.inputs):
            if x.name not in given:
                continue
            with open(self.path(f"input_{k}.pb"), "wb") as f:
                f.write(encode(given[x.name], x.type.WhichOneof("value")).SerializeToString())
            command += ["--input", f"{x.name}={f.name}"]
        files = [self.path(f"output_{k}.pb") for k in range(len(self.outputs))]
        for x, file in zip(self.outputs, files):
            command += ["--output", f"{x.name}={file}"]
        call(command)
        results = []
        for x, file in zip(self.outputs, files):
            with open(file, "rb") as f:
                results.append(decode(f.read(), x.type.WhichOneof("value")))
        return results


class OnnxccBackend(Backend):
    """What onnx.backend.base asks of a backend."""

    @classmethod
    def supports_device(cls, device):
        return device == "CPU"

    @classmethod
    def prepare(cls, model, device="CPU", **kwargs):
        super().prepare(model, device, **kwargs)
        return OnnxccRep(model)

    @classmethod
    def run_model(cls, model, inputs, device="CPU", **kwargs):
        return cls.prepare(model, device).run(inputs)

    @classmethod
    def run_node(cls, node, inputs, device="CPU", outputs_info=None, **kwargs):
        """One node as a model; the types of its outputs are what the compiler finds."""
        super().run_node(node, inputs, device, outputs_info, **kwargs)
        arrays = [np.asarray(x) for x in inputs]
        names = [name for name in node.input if name]
        types = [helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(x.dtype), x.shape)
            for name, x in zip(names, arrays)]
        outputs = [onnx.ValueInfoProto(name=name) for name in node.output if name]
        graph = helper.make_graph([node], "node", types, outputs)
        version = kwargs.get("opset_version", onnx.defs.onnx_opset_version())
        opsets = [helper.make_opsetid(node.domain, version)]
        return OnnxccRep(helper.make_model(graph, opset_imports=opsets)).run(arrays)


prepare = OnnxccBackend.prepare
run_model = OnnxccBackend.run_model
run_node = OnnxccBackend.run_node
supports_device = OnnxccBackend.supports_device
