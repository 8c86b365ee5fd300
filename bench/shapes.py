#!/usr/bin/env python3
"""One dynamic program against static compiles of the same model, at random shapes.

    bench/shapes.py ONNXCC MODEL.onnx... [--shapes 50] [--most 64] [--seed 1] [--rtol 1e-5] [--atol 1e-5]

A model's dynamic program is compiled once. Then, for each random shape, the model is compiled for just
that shape, both programs run on the same made-up inputs, and the outputs are compared. Prints a line per
model: its dimensions, how many shapes agree, seconds of the dynamic compile and of a static one, and the
median ratio of the two programs' times (dynamic / static; above 1 the static program is faster). Exit
code 1 where any shape differs. Needs nothing but Python.
"""

import argparse
import array
import json
import math
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time


def run(*command):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False)


def compile_model(onnxcc, model, output, dims=()):
    start = time.monotonic()
    options = [word for d in dims for word in ("--dim", d)]
    done = run(onnxcc, "-q", model, *options, "-o", output)
    if done.returncode:
        sys.exit(f"{model} {' '.join(dims)}: {done.stderr.strip()}")
    return time.monotonic() - start


def bench(program, dims=()):
    """Median milliseconds of one run."""
    options = [word for d in dims for word in ("--dim", d)]
    return json.loads(run(program, *options, "--bench", "--json").stdout)["ms_median"]


def shape(dims, most):
    """One value per dimension: within its bounds, small ones more often than large ones."""
    def value(d):
        hi = min(d["hi"] if d["hi"] is not None else most, max(most, d["lo"]))
        return random.randint(d["lo"], random.randint(d["lo"], hi))
    return [f"{d['name']}={max(value(d), min(1, d['hi'] or 1))}" for d in dims]


def varint(n):
    """A number as protobuf writes it."""
    return bytes([n]) if n < 128 else bytes([n & 127 | 128]) + varint(n >> 7)


def tensor(kind, shape, data):
    """A TensorProto: dims, data_type, raw_data."""
    dims = b"".join(b"\x08" + varint(n) for n in shape)
    return dims + b"\x10" + varint(kind) + b"\x4a" + varint(len(data)) + data


def integer_inputs(folder, inputs, dims):
    """Files and options for integer inputs: zeros and ones, which are indices of any table with two rows and
    make a mask. Floats are made up by the programs."""
    sizes = {name: int(n) for name, n in (d.split("=") for d in dims)}
    options = []
    for i, v in enumerate(inputs):
        code, kind = {"i64": ("q", 7), "i32": ("i", 6), "bool": ("b", 9)}.get(v["dtype"], (None, 0))
        if not code:
            continue
        shape = [n if isinstance(n, int) else sizes[n] for n in v["shape"]]
        data = array.array(code, (random.randint(0, 1) for _ in range(math.prod(shape))))
        file = folder / f"input_{i}.pb"
        file.write_bytes(tensor(kind, shape, data.tobytes()))
        options += ["--input", f"{v['name']}={file}"]
    return options


def same(folder, dynamic, static, dims, info, o):
    """Whether the static program computes what the dynamic one did; the reason where it does not."""
    options = [word for d in dims for word in ("--dim", d)]
    expected = folder / "set"
    expected.mkdir(exist_ok=True)
    options += integer_inputs(expected, info["inputs"], dims)
    for i, v in enumerate(info["outputs"]):
        options += ["--output", f"{v['name']}={expected}/output_{i}.pb"]
    done = run(dynamic, "--seed", o.seed, *options)
    if done.returncode:
        return done.stderr.strip()
    done = run(static, "--seed", o.seed, "--check", expected, "--rtol", o.rtol, "--atol", o.atol)
    return "" if done.returncode == 0 else (done.stdout + done.stderr).strip()


def check(model, o):
    """All shapes of one model: True where all agree."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        dynamic, static = folder / "dynamic", folder / "static"
        seconds = compile_model(o.onnxcc, model, dynamic)
        info = json.loads(run(dynamic, "--info", "--json").stdout)
        good, times, ratios = 0, [], []
        for _ in range(o.shapes):
            dims = shape(info["dims"], o.most)
            times.append(compile_model(o.onnxcc, model, static, dims))
            wrong = same(folder, dynamic, static, dims, info, o)
            good += not wrong
            if wrong:
                print(f"{model} {' '.join(dims)}: {wrong}", file=sys.stderr)
            elif o.bench:
                ratios.append(bench(dynamic, dims) / bench(static))
        names = " ".join(f"{d['name']} {d['lo']}..{'' if d['hi'] is None else d['hi']}" for d in info["dims"])
        ratio = f"  time {statistics.median(ratios):.2f}" if ratios else ""
        print(f"{model}: {names}: {good} of {o.shapes} shapes agree; compiled in {seconds:.2f} s, "
              f"static {statistics.median(times):.2f} s each{ratio}", flush=True)
        return good == o.shapes


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("onnxcc")
    parser.add_argument("models", nargs="+")
    parser.add_argument("--shapes", type=int, default=50)
    parser.add_argument("--most", type=int, default=64, help="of dimensions without bounds")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rtol", type=float, default=1e-5)
    parser.add_argument("--atol", type=float, default=1e-5)
    parser.add_argument("--bench", action="store_true", help="compares times, too")
    o = parser.parse_args()
    random.seed(o.seed)
    results = [check(model, o) for model in o.models]
    sys.exit(0 if all(results) else 1)


main()
