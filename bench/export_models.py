#!/usr/bin/env python3
"""Write the models that onnxcc is measured on, each with recorded inputs and outputs.

    bench/export_models.py [--out build/models] [--only NAME,NAME] [--small] [--extra] [--list] [--force]

For every model NAME: NAME/model.onnx, NAME/test_data_set_K/{input,output}_I.pb (the
layout of the ONNX backend tests, outputs by ONNX Runtime), NAME/model.json (family,
tolerances, sizes, how far ONNX Runtime agrees with PyTorch and with itself unoptimised).
OUT/OPS.txt counts the operators of every model.  A model that is there is kept unless
--force is given.  Needs the packages of bench/requirements.txt.
"""

import argparse
import collections
import json
import logging
import pathlib
import shutil
import sys
import time
import traceback
import warnings
import zlib

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import numpy_helper

import models

INLINE = 1_800_000_000  # bytes; larger models keep their weights beside the graph


def session(path, optimise=True):
    """ONNX Runtime on the CPU, quiet, two threads."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 2
    if not optimise:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def distance(a, b, rtol, atol):
    """The largest difference in units of the tolerance: above 1 is a mismatch."""
    if a.dtype.kind != "f" or not a.size:
        return 0.0 if np.array_equal(a, b) else float("inf")
    return float((np.abs(a - b) / (atol + rtol * np.abs(b))).max())


def export(built, path):
    """The graph of a Built into `path`."""
    if built.proto is not None:
        onnx.save(built.proto, path)
        return
    size = sum(t.numel() * t.element_size() for t in built.module.state_dict().values())
    # `past` of the decoder is variadic, so inputs go by position and shapes as a tuple
    args = tuple(torch.from_numpy(v) for v in built.sets[0].values())
    shapes = [dict(built.dynamic.get(name, {})) for name in built.sets[0]]
    program = torch.onnx.export(
        built.module, args, dynamo=True, verbose=False, opset_version=built.opset,
        input_names=list(built.sets[0]), output_names=list(built.outputs),
        dynamic_shapes=nest(built.module, shapes) if built.dynamic else None)
    program.save(path, external_data=size > INLINE)


def nest(module, shapes):
    """Dynamic shapes in the form of the arguments: those of `*past` are one tuple."""
    code = module.forward.__code__
    if code.co_flags & 0x04:    # has a variadic parameter
        fixed = code.co_argcount - 1
        return tuple(shapes[:fixed]) + (tuple(shapes[fixed:]),)
    return tuple(shapes)


def record(built, folder, rtol, atol):
    """Run every data set, write it; return the distances to PyTorch and to the unoptimised graph."""
    path = folder / "model.onnx"
    best, plain = session(path), session(path, optimise=False)
    names = [o.name for o in best.get_outputs()]
    torch_gap = self_gap = 0.0
    for k, feed in enumerate(built.sets):
        results = best.run(None, feed)
        for a, b in zip(results, plain.run(None, feed)):
            self_gap = max(self_gap, distance(a, b, rtol, atol))
        if built.module is not None:
            with torch.no_grad():
                expected = built.module(*(torch.from_numpy(v) for v in feed.values()))
            expected = expected if isinstance(expected, tuple) else (expected,)
            for a, b in zip(results, expected, strict=True):
                torch_gap = max(torch_gap, distance(a, b.numpy(), rtol, atol))
        case = folder / f"test_data_set_{k}"
        case.mkdir()
        for kind, items in (("input", feed.items()), ("output", zip(names, results))):
            for i, (name, value) in enumerate(items):
                tensor = numpy_helper.from_array(np.ascontiguousarray(value), name)
                (case / f"{kind}_{i}.pb").write_bytes(tensor.SerializeToString())
    return torch_gap, self_gap


def nodes(graph):
    """All nodes of a graph, sub-graphs included."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from nodes(attribute.g)


def operators(path):
    """The operator counts of a model as one line."""
    proto = onnx.load(path, load_external_data=False)
    counts = collections.Counter(n.op_type if n.domain in ("", "ai.onnx") else f"{n.domain}.{n.op_type}"
                                 for n in nodes(proto.graph))
    for function in proto.functions:
        counts[f"function {function.domain}.{function.name}"] += 1
    opsets = " ".join(f"{o.domain or 'ai.onnx'}:{o.version}" for o in proto.opset_import)
    return f"ir {proto.ir_version}  {opsets}  " + " ".join(f"{op}:{n}" for op, n in sorted(counts.items()))


def make(entry, folder, small):
    """Export one model into `folder`; the finished folder appears at once."""
    start = time.monotonic()
    work = folder.with_name(folder.name + ".part")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    torch.manual_seed(zlib.crc32(entry.name.encode()))
    built = entry.build(small)
    export(built, work / "model.onnx")
    rtol, atol = (1e-4, 1e-4) if entry.real else (1e-3, 1e-5)
    torch_gap, self_gap = record(built, work, rtol, atol)
    about = {"name": entry.name, "family": entry.family, "real_weights": entry.real,
             "small": small,
             "rtol": rtol, "atol": atol, "bytes": sum(f.stat().st_size for f in work.glob("model.onnx*")),
             "data_sets": len(built.sets), "bench_set": built.bench, "dynamic": bool(built.dynamic),
             "gap_to_torch": round(torch_gap, 4), "gap_to_unoptimised": round(self_gap, 4),
             "operators": operators(work / "model.onnx")}
    (work / "model.json").write_text(json.dumps(about, indent=1) + "\n")
    shutil.rmtree(folder, ignore_errors=True)
    work.rename(folder)
    return about, time.monotonic() - start


def summarise(out):
    """OPS.txt: the operators of every model that is there, and of all together."""
    lines, total = [], set()
    for path in sorted(out.glob("*/model.json")):
        about = json.loads(path.read_text())
        lines.append(f"{about['name']}: {about['operators']}")
        total |= {word.split(":")[0] for word in about["operators"].split("  ")[-1].split()}
    lines.append(f"\nall ({len(total)}): " + " ".join(sorted(total)))
    (out / "OPS.txt").write_text("\n".join(lines) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("build/models"))
    parser.add_argument("--only", help="comma-separated names")
    parser.add_argument("--small", action="store_true", help="small variants, for tests")
    parser.add_argument("--extra", action="store_true", help="the held-out models instead of the main ones")
    parser.add_argument("--list", action="store_true", help="names and families, nothing else")
    parser.add_argument("--force", action="store_true", help="export again what is there")
    parser.add_argument("--verbose", action="store_true", help="the exporter's warnings and tracebacks")
    args = parser.parse_args()

    table = models.TABLE
    names = args.only.split(",") if args.only else [
        n for n, e in table.items() if e.extra == args.extra and (e.small or not args.small)]
    unknown = [n for n in names if n not in table]
    if unknown:
        parser.error(f"unknown model {', '.join(unknown)}; --list shows all")
    if args.list:
        for name in names:
            print(f"{name:20} {table[name].family}")
        return 0
    if not args.verbose:
        warnings.filterwarnings("ignore")
        logging.disable(logging.WARNING)
    torch.set_num_threads(2)

    failed = []
    for name in names:
        folder = args.out / name
        if (folder / "model.json").exists() and not args.force:
            print(f"{name}: there already")
            continue
        try:
            about, seconds = make(table[name], folder, args.small)
        except Exception as error:      # the others are still wanted
            failed.append(name)
            print(f"{name}: FAILED: {type(error).__name__}: {str(error).strip().splitlines()[0]}", flush=True)
            if args.verbose:
                traceback.print_exc()
            continue
        print(f"{name}: {about['bytes'] / 1e6:.1f} MB, {about['data_sets']} data sets, gap to torch "
              f"{about['gap_to_torch']}, to itself {about['gap_to_unoptimised']}, {seconds:.0f} s", flush=True)
        summarise(args.out)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
