#!/usr/bin/env python3
"""What kernels for GPUs ask of memory, counted without a GPU.

    bench/gpu_traffic.py ONNXCC --models DIR [--only NAME,NAME] [--least 0.02] [--md FILE] [-- OPTION...]

Each model folder (bench/export_models.py writes it) is compiled for the emulation, which counts what
warps touch (ONNXCC_EMU_CHECK=traffic, runtime/emu/traffic.h), and run once on recorded inputs.
The table has bytes that threads ask for, those of the sectors of 32 bytes that hold them, and the same
for steps of shared memory without and with bank conflicts; then the kernels that waste more than
--least of a model's bytes or steps. A run takes minutes where a CPU takes a second.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

from folders import model_folders

LINE = re.compile(r"traffic: (\S+) reads (\d+) of (\d+) writes (\d+) of (\d+) shared (\d+) of (\d+)")


def run(command, **settings):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, errors="replace",
                          env={**os.environ, **settings}, check=False)
    if done.returncode:
        sys.exit(f"error: {' '.join(map(str, command))}\n{done.stderr[-2000:]}")
    return done.stderr


def traffic(args, folder, work):
    """By kernel: name, bytes asked for and moved, steps without conflicts and in all."""
    program = pathlib.Path(work) / folder.name
    run([args.onnxcc, "-q", folder / "model.onnx", "--device=cuda-emu", "-o", program, *args.options],
        ONNXCC_EMU_CHECK="traffic")
    rows = []
    about = json.loads((folder / "model.json").read_text())
    check = ["--check", folder / f"test_data_set_{about['bench_set']}", "--rtol", about["rtol"],
             "--atol", about["atol"]]
    for found in map(LINE.match, run([program, "--threads", "1", *check]).splitlines()):
        if found:
            n = [int(v) for v in found.groups()[1:]]
            name = found[1].removesuffix("_kernel").removeprefix(folder.name.replace("-", "_") + "_")
            rows.append((name, n[0] + n[2], n[1] + n[3], n[4], n[5]))
    return rows


def share(part, whole):
    return part / whole if whole else 1.0


def report(name, rows, least):
    asked, moved, free, steps = (sum(r[i] for r in rows) for i in (1, 2, 3, 4))
    lines = [f"| {name} | {len(rows)} | {asked / 1e6:.1f} | {moved / 1e6:.1f} | {share(asked, moved):.2f} "
             f"| {share(free, steps):.2f} |"]
    for kind, have, need in (("sectors", 2, 1), ("banks", 4, 3)):
        total = sum(r[have] for r in rows)
        for r in sorted(rows, key=lambda r: r[need] - r[have]):
            if r[have] - r[need] > least * total:
                lines.append(f"| &nbsp; {r[0]}, {kind} | | | | {share(r[need], r[have]):.2f} "
                             f"| {share(r[have] - r[need], total):.0%} of the model's |")
    return lines


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("onnxcc", type=pathlib.Path)
    p.add_argument("--models", type=pathlib.Path, required=True)
    p.add_argument("--only", help="comma-separated names")
    p.add_argument("--least", type=float, default=0.02, help="of a model's bytes or steps")
    p.add_argument("--md", type=pathlib.Path)
    p.add_argument("options", nargs="*", help="of the compiler, behind --")
    args = p.parse_args()
    table = ["| | kernels | asked for (MB) | in sectors (MB) | used | without conflicts |",
             "| --- | ---: | ---: | ---: | ---: | ---: |"]
    print("\n".join(table))
    try:
        folders = model_folders(args.models, args.only)
    except LookupError as error:
        sys.exit(f"error: {error}")
    with tempfile.TemporaryDirectory() as work:
        for folder in folders:
            lines = report(folder.name, traffic(args, folder, work), args.least)
            print("\n".join(lines), flush=True)
            table += lines
    if args.md:
        args.md.write_text("\n".join(table) + "\n")


if __name__ == "__main__":
    main()
