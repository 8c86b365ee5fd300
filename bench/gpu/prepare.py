"""Fills a folder with everything that bench/gpu.sh run needs on a machine with a GPU.

    bench/gpu.sh prepare [--out build/gpu] [--parts check,forms,kernels,models] [--gpu-arch sm_90a] ...

Parts: check, a sample of the official ONNX suite in programs of 64 models; forms, models of
tests/cuda/tiles.py, which has one for every form of product, and the CPU's program of each; kernels,
one operator each in the sizes of today's networks; models, those of bench/export_models.py whose
programs fit. The folder must stay under --limit MiB: where it does not, prepare and run one part after
the other.
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE), str(ROOT / "bench"), str(ROOT / "tests" / "conformance"),
                str(ROOT / "tests" / "cuda")]

import cases  # noqa: E402
import onnx  # noqa: E402
import run as conformance  # noqa: E402
import tiles  # noqa: E402
from folders import model_folders as exported_folders  # noqa: E402
from kernels import all_kernels  # noqa: E402

PER_PROGRAM = 64
LARGEST_CASE = 100_000  # bytes of data
LARGEST_FORM = 1_000_000  # bytes of a model
REFERENCE_FLOPS = 4e10  # what a CPU computes in a few seconds


def compile_models(args, output, entries, models, device=True, options=()):
    """None, or the first line of the message."""
    command = [args.onnxcc, "-q", "-o", output, "--entry=" + ",".join(entries), *models, *options]
    command += ["--device=cuda", *args.archs] if device else ["-mcpu=x86-64-v3"]
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else (done.stderr.strip().splitlines() or ["no message"])[0]


def folder_bytes(folder):
    return sum(f.stat().st_size for f in pathlib.Path(folder).rglob("*") if f.is_file())


def copy_sets(source, target, sets="test_data_set_*"):
    for folder in sorted(pathlib.Path(source).glob(sets)):
        shutil.copytree(folder, target / folder.name)


# ---- check ----
def compile_group(args, out, group, lines):
    """One program, or halves of it where something in it cannot be compiled."""
    entries = [f"c{number}" for number, _ in group]
    program = out / f"{entries[0]}.gpu"
    why = compile_models(args, program, entries, [case.model for _, case in group])
    if why and len(group) > 1:
        half = len(group) // 2
        compile_group(args, out, group[:half], lines)
        compile_group(args, out, group[half:], lines)
    elif why:
        print(f"{group[0][1].name} is left out: {why}", file=sys.stderr)
    else:
        for (_, case), entry in zip(group, entries):
            copy_sets(case.data, out / case.name)
            word = entry if len(group) > 1 else "-"
            lines.append(f"{program.name} {word} {case.name} {case.rtol} {case.atol}")


def sample(args, work):
    known = conformance.read_known(ROOT / "tests" / "conformance" / "known.txt")["cuda"]
    todo = [c for c in cases.load(work) if c.kind == "node" and conformance.key(c) not in known]
    todo = [c for c in todo if folder_bytes(c.data) <= LARGEST_CASE]
    step = max(1, len(todo) // args.cases)
    return todo[::step][:args.cases]


def prepare_check(args, out):
    out.mkdir()
    lines = []
    with tempfile.TemporaryDirectory() as work:
        numbered = list(enumerate(sample(args, work)))
        for i in range(0, len(numbered), PER_PROGRAM):
            compile_group(args, out, numbered[i:i + PER_PROGRAM], lines)
    return lines


# ---- forms ----
def largest_elements(args, model, path, work):
    program = pathlib.Path(work) / "one"
    why = compile_models(args, program, [model.name], [path], device=False)
    if why:
        sys.exit(f"{model.name}: {why}")
    return [abs(v).max() for v in tiles.values(model, str(program), work)]


def prepare_forms(args, out):
    """A program for the GPU and one for the CPU of all models with the same options. A line for each
    output: both programs, model, number and name of the output, atol, the PTX's name, sizes.
    Differences are measured by the largest element, as in tests/cuda/tiles.py."""
    out.mkdir()
    lines = []
    ptx = "compute_" + args.archs[-1].rsplit("_", 1)[-1].rstrip("a")
    models = list(tiles.models())[::8] if args.tiny else [*tiles.models(), *tiles.larges()]
    with tempfile.TemporaryDirectory() as work:
        paths = {m.name: pathlib.Path(m.save(work)) for m in models}
        models = [m for m in models if paths[m.name].stat().st_size <= LARGEST_FORM]
        for n, options in enumerate(sorted({tuple(m.options) for m in models})):
            group = [m for m in models if tuple(m.options) == options]
            names = [m.name for m in group]
            for kind in ("gpu", "cpu"):
                why = compile_models(args, out / f"forms{n}.{kind}", names,
                                     [paths[name] for name in names], device=kind == "gpu",
                                     options=options if kind == "gpu" else ())
                if why:
                    sys.exit(f"{', '.join(names)}: {why}")
            for m in group:
                largest = largest_elements(args, m, paths[m.name], work)
                dims = " ".join(f"--dim {name}={size}" for name, size in m.dims.items())
                entry = m.name if len(group) > 1 else "-"
                for i, (value, most) in enumerate(zip(m.outputs, largest)):
                    lines.append(f"forms{n} {entry} {i} {value.name} {m.tolerance * most:.3g} "
                                 f"{ptx} {dims}".rstrip())
    return lines


# ---- kernels ----
def prepare_kernels(args, out):
    out.mkdir()
    lines = []
    with tempfile.TemporaryDirectory() as work:
        for k in all_kernels(args.tiny):
            model = pathlib.Path(work) / f"{k.name}.onnx"
            onnx.save(k.model, model)
            why = compile_models(args, out / f"{k.name}.gpu", [k.name], [model])
            if why:
                sys.exit(f"{k.name}: {why}")
            reference = "-"
            if k.flops <= REFERENCE_FLOPS:
                reference = f"{k.name}.cpu"
                why = compile_models(args, out / reference, [k.name], [model], device=False)
                if why:
                    sys.exit(f"{k.name}: {why}")
            rtol, atol = k.tolerance
            lines.append(f"{k.name} {k.flops:.4g} {k.bytes:.4g} {rtol} {atol} {reference} {k.peer}")
    return lines


# ---- models ----
def model_folders(args):
    try:
        folders = exported_folders(args.models, args.only)
    except LookupError as error:
        sys.exit(str(error))
    if args.only:
        return folders
    small = sorted(folders, key=lambda f: json.loads((f / "model.json").read_text())["bytes"])
    return small[:args.most]


def prepare_models(args, out):
    out.mkdir()
    lines = []
    for folder in model_folders(args):
        about = json.loads((folder / "model.json").read_text())
        name = folder.name
        why = compile_models(args, out / f"{name}.gpu", [name], [folder / "model.onnx"])
        if why:
            print(f"{name} is left out: {why}", file=sys.stderr)
            continue
        copy_sets(folder, out / name, f"test_data_set_{about['bench_set']}")
        lines.append(f"{name} {about['rtol']} {about['atol']}")
    return lines


PARTS = {"check": prepare_check, "forms": prepare_forms, "kernels": prepare_kernels, "models": prepare_models}


# ---- the folder ----
def add_tools(args):
    """What runs there, and the C program that measures cuBLASLt."""
    for path in (HERE.parent / "gpu.sh", HERE / "run.sh", HERE / "peers.py"):
        shutil.copy(path, args.out)
    if "models" in args.parts:
        shutil.copytree(HERE.parent / "models", args.out / "networks",
                        ignore=shutil.ignore_patterns("__pycache__"))
    cc = os.environ.get("CC", "cc")
    source = HERE / "cublaslt.c"
    subprocess.run([cc, "-O2", source, "-o", args.out / "cublaslt", "-ldl"], check=True)


def arguments():
    p = argparse.ArgumentParser(prog="bench/gpu.sh prepare", description=__doc__.split("\n")[0])
    p.add_argument("--out", type=pathlib.Path, default=ROOT / "build" / "gpu")
    p.add_argument("--onnxcc", type=pathlib.Path, default=ROOT / "build" / "onnxcc")
    p.add_argument("--parts", default="check,forms,kernels,models", help="of " + ", ".join(PARTS))
    p.add_argument("--gpu-arch", default="sm_90a", help="comma list; PTX comes with it")
    p.add_argument("--cases", type=int, default=256, help="of the official suite")
    p.add_argument("--models", type=pathlib.Path, default=ROOT / "build" / "models")
    p.add_argument("--only", help="comma-separated names of models; default: the smallest")
    p.add_argument("--most", type=int, default=3, help="how many of the smallest models")
    p.add_argument("--limit", type=float, default=64, help="MiB of the whole folder")
    p.add_argument("--tiny", action="store_true", help="kernels in a size for an emulation")
    args = p.parse_args()
    args.parts = args.parts.split(",")
    if set(args.parts) - set(PARTS):
        p.error("--parts is a comma list of " + ", ".join(PARTS))
    args.archs = [f"--gpu-arch={a}" for a in args.gpu_arch.split(",")]
    return args


def main():
    args = arguments()
    if args.out.exists() and not (args.out / "about").exists():
        sys.exit(f"{args.out} is there already, and not a folder of this script")
    shutil.rmtree(args.out, ignore_errors=True)
    args.out.mkdir(parents=True)
    version = subprocess.run([args.onnxcc, "--version"], capture_output=True, text=True, check=True)
    about = f"{version.stdout.splitlines()[0]}, {args.gpu_arch}, compiled {time.strftime('%Y-%m-%d')}"
    (args.out / "about").write_text(about + "\n")
    add_tools(args)
    for part in args.parts:
        start = time.monotonic()
        lines = PARTS[part](args, args.out / part)
        (args.out / f"{part}.txt").write_text("".join(line + "\n" for line in lines))
        size = folder_bytes(args.out / part) / 2**20
        print(f"{part}: {len(lines)} programs or tests, {size:.1f} MiB, "
              f"{time.monotonic() - start:.0f} s", flush=True)
    total = folder_bytes(args.out) / 2**20
    print(f"{args.out}: {total:.1f} MiB")
    if total > args.limit:
        sys.exit(f"{total:.1f} MiB are more than {args.limit:g}: choose --parts, --only or --cases")


if __name__ == "__main__":
    main()
