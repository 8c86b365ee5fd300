#!/usr/bin/env python3
"""Time one model in ONNX Runtime: the other side of bench.py, one process per round.

    ort_worker.py MODEL.onnx DATA_SET --cpus 0,1 [--runs 20] [--seconds 0.5]

One thread per CPU, every thread pinned to its own; all graph optimisations.  Inputs
are bound once, so that a sample is the run alone.  Prints one JSON object with the
same keys as `--bench --json` of a compiled program.
"""

import argparse
import json
import os
import pathlib
import resource
import statistics
import time

import onnx
import onnxruntime
from onnx import numpy_helper


def load_inputs(folder):
    """The inputs of a test data set, by name."""
    feed = {}
    for path in sorted(folder.glob("input_*.pb"), key=lambda p: int(p.stem.split("_")[1])):
        tensor = onnx.load_tensor(path)
        feed[tensor.name] = numpy_helper.to_array(tensor)
    return feed


def open_session(model, cpus):
    """A session with len(cpus) threads; this one is the first of them."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.intra_op_num_threads = len(cpus)
    options.inter_op_num_threads = 1
    if len(cpus) > 1:   # one entry per thread that ONNX Runtime starts; it counts CPUs from 1
        options.add_session_config_entry("session.intra_op_thread_affinities",
                                         ";".join(str(c + 1) for c in cpus[1:]))
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    os.sched_setaffinity(0, cpus[:1])
    return session


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("--cpus", required=True, help="comma-separated CPU numbers, one per thread")
    parser.add_argument("--runs", type=int, default=20, help="at least so many")
    parser.add_argument("--seconds", type=float, default=0.5, help="and at least so long")
    args = parser.parse_args()
    cpus = [int(c) for c in args.cpus.split(",")]
    os.sched_setaffinity(0, cpus)

    start = time.perf_counter()
    session = open_session(args.model, cpus)
    binding = session.io_binding()
    for name, value in load_inputs(args.data).items():
        binding.bind_cpu_input(name, value)
    for output in session.get_outputs():
        binding.bind_output(output.name, "cpu")
    load = time.perf_counter() - start

    samples = []
    begin = time.perf_counter()
    while len(samples) <= args.runs or time.perf_counter() - begin < args.seconds:
        start = time.perf_counter()
        session.run_with_iobinding(binding)
        samples.append((time.perf_counter() - start) * 1e3)
    rest = samples[1:]
    print(json.dumps({
        "threads": len(cpus), "runs": len(rest), "ms_load": load * 1e3, "ms_first": samples[0],
        "ms_median": statistics.median(rest), "ms_min": min(rest),
        "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))


if __name__ == "__main__":
    main()
