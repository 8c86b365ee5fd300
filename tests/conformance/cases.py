"""The official ONNX suite as a list of cases: what to compile, what to compare with, how exactly.

The cases, their data and their tolerances come from the package onnx.backend.test, through its own
loader. Its "real" models are the light ones of the package, fed and checked as its runner does.
"""

import os
import re
import shutil
from dataclasses import dataclass, field, replace

import onnx
from onnx import TensorProto, numpy_helper
from onnx.backend.test.loader import load_model_tests
from onnx.backend.test.runner import Runner

KINDS = ("node", "simple", "real", "pytorch-converted", "pytorch-operator")


@dataclass
class Case:
    name: str
    kind: str
    model: str  # path of the model
    data: str  # folder of test_data_set_*
    rtol: float
    atol: float
    group: str = field(default="")  # the row of the table


def light(test, work):
    """Folder with the data of a light model: inputs as the runner makes them, given outputs."""
    root = os.path.dirname(onnx.__file__)
    model = os.path.join(os.path.dirname(root), test.url)
    folder = os.path.join(work, "light", test.name)
    data = os.path.join(folder, "test_data_set_0")
    os.makedirs(data, exist_ok=True)
    graph = onnx.load(model).graph
    inits = {i.name for i in graph.initializer}
    inputs = [x for x in graph.input if x.name not in inits]
    for k, x in enumerate(inputs):
        value = Runner.generate_dummy_data(x, seed=0, name=test.model_name, random=False)
        with open(os.path.join(data, f"input_{k}.pb"), "wb") as f:
            f.write(numpy_helper.from_array(value).SerializeToString())
    for k in range(len(graph.output)):
        output = f"{os.path.splitext(model)[0]}_output_{k}.pb"
        shutil.copy(output, os.path.join(data, f"output_{k}.pb"))
    shutil.copy(model, os.path.join(folder, "model.onnx"))
    return folder


def operator_of(case, by_name):
    """The operator that a node test is about; that of the original for an expanded function."""
    if case.kind != "node":
        return f"({case.kind})"
    base = by_name.get(re.sub(r"_expanded(_ver\d+)?$", "", case.name), case)
    nodes = onnx.load(base.model, load_external_data=False).graph.node
    counted = [n.op_type for n in nodes if n.op_type != "Constant"]
    return counted[-1] if counted else "Constant"


def load(work):
    """All cases, sorted by name; what has to be made is made in the folder `work`."""
    cases = []
    for kind in KINDS:
        for test in load_model_tests(kind=kind):
            folder = test.model_dir or light(test, work)
            model = os.path.join(folder, "model.onnx")
            cases.append(Case(test.name, kind, model, folder, test.rtol, test.atol))
    cases.sort(key=lambda c: (c.name, c.kind))
    by_name = {c.name: c for c in cases if c.kind == "node"}
    for c in cases:
        c.group = operator_of(c, by_name)
    return cases


def is_list_of_integers(tensor):
    integers = (TensorProto.INT64, TensorProto.INT32)
    return len(tensor.shape.dim) == 1 and tensor.elem_type in integers


def forget_sizes(tensor):
    for dim in tensor.shape.dim:
        dim.Clear()


def symbolic(case, work):
    """The case with a model whose input sizes are all unknown, each a symbol of its own.

    The length of a list of integers stays: axes, sizes and pads by their number say of what rank
    the results are, and a rank is never symbolic.
    """
    model = onnx.load(case.model)
    graph = model.graph
    inits = {i.name for i in graph.initializer}
    for k, value in enumerate(graph.input):
        tensor = value.type.tensor_type
        if value.name in inits or not value.type.HasField("tensor_type"):
            continue
        if is_list_of_integers(tensor):
            continue
        for axis, dim in enumerate(tensor.shape.dim):
            dim.dim_param = f"in{k}_{axis}"
    for value in graph.output:
        if value.type.HasField("tensor_type"):
            forget_sizes(value.type.tensor_type)
    del graph.value_info[:]
    folder = os.path.join(work, "symbolic", f"{case.kind}_{case.name}")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "model.onnx")
    onnx.save(model, path)
    return replace(case, model=path)
