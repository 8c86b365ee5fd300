#!/usr/bin/env python3
"""What programs for NVIDIA GPUs cost to compile, and what their kernels need of the chip; no GPU needed.

    bench/cuda_check.py ONNXCC [--models DIR] [--small DIR] [--archs sm_80,sm_90a,sm_120]
                        [--only NAME,NAME] [-j N] [--md FILE]

Each model folder of --models (bench/export_models.py writes it) is compiled for all architectures twice:
with an empty cache, and again. The table has the seconds of both (of the first also those of all processors together), the kernels, the most registers
and bytes of shared memory that one takes, and how many kernels spill registers, by architecture.
Each of --small (export_models.py --small) is compiled for the emulation (--device=cuda-emu), and its
results are compared with the recorded ones. Exit code 1 where something does not compile, does not
agree, or spills. Needs nothing but Python.
"""

import argparse
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time


class Failure(Exception):
    """A step that failed; the text says why."""


def processor_seconds():
    """What the processes that have ended have taken, theirs included."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(*command, cache=None, timeout=3600):
    """Run a program to its end: (stdout, seconds, seconds of all processors)."""
    env = dict(os.environ, XDG_CACHE_HOME=str(cache)) if cache else None
    start, used = time.monotonic(), processor_seconds()
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, errors="replace",
                          env=env, timeout=timeout, check=False)
    if done.returncode:
        lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        raise Failure(lines[-1] if lines else f"exit code {done.returncode}")
    return done.stdout, time.monotonic() - start, processor_seconds() - used


def folders(paths, only):
    """The model folders in each of the paths, those named by `only` alone; all names must be there."""
    found = [sorted(p.parent for p in path.glob("*/model.json")) if path else [] for path in paths]
    names = {f.name for some in found for f in some}
    unknown = [name for name in only or [] if name not in names]
    if unknown:
        sys.exit(f"error: no model {', '.join(unknown)}; there are {', '.join(sorted(names)) or 'none'}")
    return [[f for f in some if not only or f.name in only] for some in found]


def spilling(kernels):
    return [k["name"] for k in kernels if k["spill_stores"] or k["spill_loads"]]


def check_compile(args, folder, scratch):
    """A row of the table, and the names of kernels that spill."""
    program, cache = scratch / folder.name, scratch / f"{folder.name}.cache"
    command = [args.onnxcc, folder / "model.onnx", "--device=cuda", "-q", "-j", args.jobs, "-o", program]
    command += [f"--gpu-arch={arch}" for arch in args.archs]
    _, first, processors = run(*command, cache=cache)
    _, again, _ = run(*command, cache=cache)
    info = json.loads(run(program, "--info", "--json")[0])
    size = program.stat().st_size
    program.unlink()
    of = {g["arch"]: g["kernels"] for g in info["gpu"] if g["kernels"]}
    every = [k for kernels in of.values() for k in kernels]
    spills = [f"{arch} {name}" for arch in args.archs for name in spilling(of.get(arch, []))]
    return [folder.name, len(every) // max(1, len(of)), f"{first:.1f}", f"{processors:.1f}",
            f"{again:.1f}", f"{(size - info['weights_bytes']) / 1e6:.1f}",
            max((k["registers"] for k in every), default=0),
            max((k["shared"] for k in every), default=0),
            *(len(spilling(of.get(arch, []))) for arch in args.archs)], spills


def check_results(args, folder, scratch):
    """A row: seconds to compile for the emulation, and to run there."""
    program = scratch / folder.name
    about = json.loads((folder / "model.json").read_text())
    compiling = run(args.onnxcc, folder / "model.onnx", "--device=cuda-emu", "-q", "-j", args.jobs,
                    "-o", program)[1]
    running = run(program, "--check", folder, "--rtol", about["rtol"], "--atol", about["atol"])[1]
    program.unlink()
    return [folder.name, f"{compiling:.1f}", f"{running:.1f}"], []


def check_all(check, args, found):
    """The rows of all folders, and how much is wrong."""
    rows, bad = [], 0
    with tempfile.TemporaryDirectory() as scratch:
        for folder in found:
            try:
                row, spills = check(args, folder, pathlib.Path(scratch))
            except (Failure, subprocess.TimeoutExpired) as error:
                row, spills, bad = [folder.name, f"FAILED: {error}"], [], bad + 1
            print(*row, sep="  ", flush=True)
            for name in spills:
                print("    spills:", name, flush=True)
            bad += len(spills)
            rows.append(row)
    return rows, bad


def table(head, rows):
    """Markdown: the first column is text, the others are numbers."""
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "".join("| " + " | ".join(str(c) for c in line) + " |\n" for line in lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("onnxcc", type=lambda p: pathlib.Path(p).resolve())
    parser.add_argument("--models", type=pathlib.Path)
    parser.add_argument("--small", type=pathlib.Path)
    parser.add_argument("--archs", default="sm_80,sm_90a,sm_120", type=lambda s: s.split(","))
    parser.add_argument("--only", type=lambda s: s.split(","))
    parser.add_argument("-j", dest="jobs", type=int, default=os.cpu_count())
    parser.add_argument("--md", type=pathlib.Path, help="the tables go here, too")
    args = parser.parse_args()

    bad, text = 0, ""
    compiled = ["model", "kernels", "compile (s)", "of processors (s)", "again (s)", "beside weights (MB)",
                "most registers", "most shared (bytes)", *(f"spill on {arch}" for arch in args.archs)]
    emulated = ["small model", "compile for the emulation (s)", "check (s)"]
    large, small = folders((args.models, args.small), args.only)
    for check, head, models in ((check_compile, compiled, large), (check_results, emulated, small)):
        rows, wrong = check_all(check, args, models)
        text += table(head, rows) + "\n" if rows else ""
        bad += wrong
    if args.md:
        args.md.write_text(text)
    print(text, end="")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
