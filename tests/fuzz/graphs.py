#!/usr/bin/env python3
"""Differential fuzzing: random valid ONNX graphs, compiled programs against other implementations.

    tests/fuzz/graphs.py ONNXCC [--graphs N] [--seed N] [--only N] [--keep DIR] [--coverage]
                                [--levels=-O2,-O0,interp]
    tests/fuzz/graphs.py --generate [--graphs N] [--seed N] [--coverage]

Every graph begins with an operator that follows from its number, and goes on with others over the
tensors at hand (steps/); half of the graphs have symbolic input dimensions, operator sets and
element types are mixed. Each is compiled at -O2 and at -O0 (many graphs per program), run by the
reference interpreter (interp_check beside ONNXCC), and compared with what ONNX Runtime says of
each node, or where that refuses, ONNX's reference evaluator. Mismatches and refusals are listed,
and kept as test folders (model.onnx, test_data_set_0) with --keep. The same number gives the same
graph.

With --levels=--device=cuda-emu kernels of GPUs are compiled, and run by the emulation.
--coverage says how many graphs have each operator, and which operators none has. --generate makes
the graphs only. --wrong-sizes also gives programs inputs whose sizes do not fit, which must not end
them by a signal. Ends with 1 if anything differs, or if with --coverage an operator is missing.
"""

import argparse
import collections
import pathlib
import re
import subprocess
import sys
import tempfile
import zlib

import numpy as np
import onnx
from onnx import numpy_helper

import steady
from references import is_float
from steps.generate import OPERATORS, generate, never_made, operators_of
from steps.registry import LEFT_OUT

PER_PROGRAM = 16
LEVELS = "-O2,-O0,interp"
# What the compiler says that it does not do (docs/operators.md).
REFUSED = re.compile("|".join([
    "rank would exceed",
]))


class Case:
    """A graph in its folder, with one set of data; where sizes may vary, another set is in the
    folder "other", or where no reference takes it, in "wrong"."""

    def __init__(self, seed, graph, model, scratch):
        self.seed, self.folder = seed, scratch / f"g{seed}"
        self.rtol, self.atol = steady.tolerances(graph)
        self.largest = 0
        self.folder.mkdir(parents=True)
        onnx.save(model, self.folder / "model.onnx")
        self.write(self.folder / "test_data_set_0", model, graph)
        other, valid = graph.resized(model)
        self.sizes = self.folder / ("other" if valid else "wrong") if other else None
        if other:
            self.write(self.sizes, model, other, graph)

    def write(self, folder, model, graph, instead=None):
        """instead: has the values that the graph does not have."""
        folder.mkdir()
        for kind, values in (("input", model.graph.input), ("output", model.graph.output)):
            for k, v in enumerate(values):
                value = graph.values[v.name] if v.name in graph.values else instead.values[v.name]
                (folder / f"{kind}_{k}.pb").write_bytes(encode(v.name, value))
                if kind == "output" and isinstance(value, np.ndarray) and is_float(value.dtype):
                    finite = np.nan_to_num(value.astype(np.float64), posinf=0, neginf=0)
                    self.largest = max(self.largest, np.abs(finite).max(initial=0))


def encode(name, value):
    if isinstance(value, list):
        return numpy_helper.from_list(value, name).SerializeToString()
    return numpy_helper.from_array(value, name).SerializeToString()


def run(command, timeout=300):
    try:
        p = subprocess.run([str(c) for c in command], capture_output=True, text=True,
                           timeout=timeout, errors="replace", check=False)
        return p.returncode, p.stdout + p.stderr
    except subprocess.TimeoutExpired:
        return -1, f"no end after {timeout} s"


def short(text, size=300):
    return " | ".join(line for line in text.strip().splitlines() if ": ok" not in line)[:size]


def check(onnxcc, level, cases, scratch, wrong_sizes=False):
    """Faults of these graphs as {seed: text}; a program that does not compile is taken apart."""
    program = scratch / "program"
    code, text = run([onnxcc, "-q", level, "-o", program,
                      "--entry=" + ",".join(f"g{c.seed}" for c in cases),
                      *[c.folder / "model.onnx" for c in cases]])
    if code and len(cases) > 1:
        half = len(cases) // 2
        return {**check(onnxcc, level, cases[:half], scratch, wrong_sizes),
                **check(onnxcc, level, cases[half:], scratch, wrong_sizes)}
    if code:
        return {cases[0].seed: f"{level}: compile: exit code {code}: {short(text)}"}
    faults = {}
    for c in cases:
        entry = [f"g{c.seed}"] if len(cases) > 1 else []
        tolerances = ["--rtol", c.rtol, "--atol", c.atol]
        code, text = run([program, *entry, *tolerances, "--check", c.folder / "test_data_set_0"])
        if not code and c.sizes and (wrong_sizes or c.sizes.name == "other"):
            code, text = run([program, *entry, *tolerances, "--check", c.sizes])
            if code in ((0, 1, 3) if c.sizes.name == "wrong" else (0, 1)):
                code = 0  # a program may refuse sizes that ONNX Runtime does not look at
        if code:
            faults[c.seed] = f"{level}: exit code {code}: {short(text)}"
    return faults


def interpret(onnxcc, cases, scratch):
    """The same by the interpreter, which knows one relative tolerance."""
    lines = [f"{c.folder.name} {c.atol + (c.rtol if c.rtol > 1e-3 else 0) * c.largest}\n"
             for c in cases]
    (scratch / "tolerances").write_text("".join(lines))
    _, text = run([onnxcc.parent / "interp_check", "-O2", "--tolerance", scratch / "tolerances",
                   *[c.folder for c in cases]])
    faults, said = {c.seed: "interp: no result" for c in cases}, []
    for line in text.splitlines():
        word, _, path = line.partition(" ")
        name = pathlib.Path(path).name
        if word in ("PASS", "FAIL", "REFUSED") and re.fullmatch(r"g\d+", name):
            del faults[int(name[1:])]
            if word != "PASS":
                faults[int(name[1:])] = f"interp: {word}: {short(chr(10).join(said))}"
            said = []
        else:
            said.append(line)
    return faults


def report_coverage(graphs):
    print("graphs with each operator:")
    for (op, domain), n in sorted(graphs.items()):
        print(f"  {domain + ':' if domain else ''}{op} {n}")
    missing = never_made(graphs)
    print("in no graph:", " ".join(missing) or "none")
    print("left out:", ", ".join(f"{op} ({why})" for op, why in LEFT_OUT.items()))
    return missing


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("onnxcc", type=pathlib.Path, nargs="?")
    parser.add_argument("--graphs", type=int, default=len(OPERATORS))
    parser.add_argument("--seed", type=int, help="default: follows from the compiler's bytes")
    parser.add_argument("--only", type=int, help="this one graph")
    parser.add_argument("--keep", type=pathlib.Path, help="where failing graphs are left")
    parser.add_argument("--levels", default=LEVELS, help="options of the compiler, and interp; "
                        "default: %(default)s")
    parser.add_argument("--coverage", action="store_true")
    parser.add_argument("--wrong-sizes", action="store_true",
                        help="programs also get inputs of sizes that nothing takes")
    parser.add_argument("--generate", action="store_true", help="makes the graphs only")
    args = parser.parse_args()
    if not args.onnxcc and not args.generate:
        parser.error("the compiler is missing")
    if args.seed is None:
        args.seed = zlib.crc32(args.onnxcc.read_bytes()) % 1000000 if args.onnxcc else 0
        print(f"--seed {args.seed}")
    return args


class Tally:
    """What came of the graphs so far."""

    def __init__(self):
        self.made = self.nobody = 0
        self.operators, self.judges = collections.Counter(), collections.Counter()
        self.faults, self.refused = set(), set()

    def note(self, case, text):
        known = REFUSED.search(text)
        (self.refused if known else self.faults).add(case.seed)
        if not known:
            print(f"graph {case.seed}: {text}", flush=True)
        return not known


def make_cases(seeds, tally, scratch):
    """The next graphs, in folders (scratch: None: none are written)."""
    cases = []
    for seed in seeds:
        graph = generate(seed)
        model = graph and graph.close()
        if not model:
            tally.nobody += 1
            print(f"graph {seed}: nothing came of it ({OPERATORS[seed % len(OPERATORS)][0]})")
            continue
        tally.made += 1
        tally.operators.update(set(operators_of(model)))
        tally.judges.update(graph.judges)
        if scratch:
            cases.append(Case(seed, graph, model, scratch))
    return cases


def check_all(args, cases, tally, scratch):
    by_seed = {c.seed: c for c in cases}
    bad = set()
    for level in args.levels.split(","):
        faults = interpret(args.onnxcc, cases, scratch) if level == "interp" else \
            check(args.onnxcc, level, cases, scratch, args.wrong_sizes)
        bad |= {seed for seed, text in faults.items() if tally.note(by_seed[seed], text)}
    for c in cases:
        if c.seed in bad and args.keep:
            args.keep.mkdir(parents=True, exist_ok=True)
            run(["rm", "-rf", args.keep / c.folder.name])
            run(["cp", "-r", c.folder, args.keep])
        run(["rm", "-rf", c.folder])


def main():
    args = parse_args()
    seeds = [args.only] if args.only is not None else range(args.seed, args.seed + args.graphs)
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="onnxcc-graphs-") as scratch:
        scratch = pathlib.Path(scratch)
        for at in range(0, len(seeds), PER_PROGRAM):
            cases = make_cases(seeds[at:at + PER_PROGRAM], tally,
                               None if args.generate else scratch)
            if cases:
                check_all(args, cases, tally, scratch)
    missing = report_coverage(tally.operators) if args.coverage else []
    by = ", ".join(f"{who} {n}" for who, n in tally.judges.most_common())
    print(f"{tally.made} graphs, {len(tally.faults)} differ, {len(tally.refused)} refused as "
          f"documented; judged by {by}")
    return 1 if tally.faults or missing or tally.nobody or not tally.made else 0


if __name__ == "__main__":
    sys.exit(main())
