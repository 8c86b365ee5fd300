#!/usr/bin/env python3
"""Compiled programs side by side with ONNX Runtime, in one run on one machine.

    bench/bench.py [--models build/models] [--only NAME,NAME] [--threads 1,2] [--md FILE] [--json FILE]

Each model of the folder (bench/export_models.py writes it) is compiled (again only where
compiler, model or flags changed), checked against the recorded outputs, and then timed:
rounds alternate between the two sides (A B B A), every thread is pinned to a CPU of its own, a
round's figure is the median of its runs, and the median of the rounds counts.  `speed`
is ONNX Runtime's time divided by ours: above 1 we are faster.

Ends with 0 where every model compiled, agreed and ran; with 1 otherwise.
"""

import argparse
import hashlib
import json
import math
import os
import pathlib
import re
import statistics
import subprocess
import sys
import time

import onnx
import onnxruntime

from folders import model_folders
from report import markdown

WORKER = pathlib.Path(__file__).with_name("ort_worker.py")


class Failure(Exception):
    """A model that cannot be measured; the text says in which step and why."""


def run(command, what, timeout, cpus=None):
    """Run a program to its end: (stdout, seconds)."""
    pin = (lambda: os.sched_setaffinity(0, cpus)) if cpus else None
    start = time.monotonic()
    process = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True, errors="replace", preexec_fn=pin)
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise Failure(f"{what}: no end after {timeout} s") from None
    seconds = time.monotonic() - start
    if process.returncode:
        lines = [line for line in (err + "\n" + out).splitlines() if line.strip()]
        raise Failure(f"{what}: exit code {process.returncode}: {lines[0] if lines else 'no message'}")
    return out, seconds


def measured(command, what, timeout, scratch):
    """(seconds, peak memory in bytes) of a run; a child of this big process would inherit its peak, hence `time`."""
    timer = pathlib.Path("/usr/bin/time")
    if not timer.exists():
        return run(command, what, timeout)[1], None
    note = scratch.with_suffix(".time")
    _, seconds = run([timer, "-q", "-f", "%M", "-o", note, *command], what, timeout)
    peak = int(note.read_text().split()[-1]) * 1024
    note.unlink()
    return seconds, peak


def digest(files, words):
    """One hash over the contents of files and a list of words."""
    total = hashlib.sha256(" ".join(words).encode())
    for path in files:
        with open(path, "rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()


def compile_model(args, folder):
    """The program of a model and what compiling it cost; kept where nothing changed."""
    program = args.out / folder.name
    note = args.out / f"{folder.name}.json"
    flags = args.flags.split()
    key = digest([args.onnxcc, *sorted(folder.glob("model.onnx*"))], flags)
    if note.exists() and program.exists():
        cost = json.loads(note.read_text())
        if cost["key"] == key:
            return program, cost
    note.unlink(missing_ok=True)
    command = [args.onnxcc, folder / "model.onnx", "-o", program, "--no-cache", *flags]
    seconds, peak = measured(command, "compile", args.timeout, note)
    cost = {"key": key, "compile_s": round(seconds, 3), "compiler_bytes": peak,
            "program_bytes": program.stat().st_size}
    note.write_text(json.dumps(cost) + "\n")
    return program, cost


def parse(out, what):
    """The one JSON object that a side prints."""
    try:
        result = json.loads(out)
        if result["ms_median"] > 0 and result["ms_min"] > 0:
            return result
        raise ValueError
    except (ValueError, KeyError, TypeError):
        raise Failure(f"{what}: not the JSON that was expected: {out[:80]!r}") from None


def ours(args, program, data, cpus):
    """One round of the compiled program."""
    inputs = []
    for path in sorted(data.glob("input_*.pb")):
        inputs += ["--input", f"{onnx.load_tensor(path).name}={path}"]
    command = [program, "--bench", "--json", "--threads", len(cpus), "--pin", "--runs", args.runs, *inputs]
    return parse(run(command, "bench", args.timeout, cpus)[0], "bench")


def theirs(args, model, data, cpus):
    """One round of ONNX Runtime."""
    command = [sys.executable, WORKER, model, data, "--cpus", ",".join(map(str, cpus)), "--runs", args.runs]
    return parse(run(command, "onnxruntime", args.timeout)[0], "onnxruntime")


def combine(rounds):
    """Rounds of one side: medians of the times, the largest memory."""
    result = dict(rounds[-1])
    for key in ("ms_median", "ms_first", "ms_load"):
        if key in result:
            result[key] = statistics.median(r[key] for r in rounds)
    result["ms_min"] = min(r["ms_min"] for r in rounds)
    result["peak_rss_bytes"] = max(r["peak_rss_bytes"] for r in rounds)
    result["rounds"] = [r["ms_median"] for r in rounds]
    return result


def measure(args, folder):
    """Everything about one model, as one row."""
    about = json.loads((folder / "model.json").read_text())
    row = {key: about[key] for key in ("name", "family", "bytes", "dynamic", "real_weights")}
    program, cost = compile_model(args, folder)
    row |= {k: v for k, v in cost.items() if k != "key"}
    if not args.no_check:
        run([program, "--check", folder, "--rtol", about["rtol"], "--atol", about["atol"]], "check", args.timeout)
        row["agrees"] = True
    if args.check_only:
        return row
    data = folder / f"test_data_set_{about['bench_set']}"
    row["speed"], row["onnxcc"], row["onnxruntime"] = {}, {}, {}
    for threads in args.threads:
        cpus = args.cpus[:threads]
        a, b = [], []
        sides = [lambda: a.append(ours(args, program, data, cpus)),
                 lambda: b.append(theirs(args, folder / "model.onnx", data, cpus))]
        for k in range(args.rounds):    # A B B A A B: neither side always follows the other
            for side in sides if k % 2 == 0 else reversed(sides):
                side()
        mine, other = combine(a), combine(b)
        row["onnxcc"][threads], row["onnxruntime"][threads] = mine, other
        row["speed"][threads] = other["ms_median"] / mine["ms_median"]
    return row


def cores():
    """The CPUs this process may use, one per physical core first."""
    allowed, first, rest, seen = sorted(os.sched_getaffinity(0)), [], [], set()
    for cpu in allowed:
        path = pathlib.Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        core = path.read_text().strip() if path.exists() else str(cpu)
        (rest if core in seen else first).append(cpu)
        seen.add(core)
    return first + rest


def machine():
    """Name of the processor, kernel, and how much the machine was doing already."""
    text = pathlib.Path("/proc/cpuinfo").read_text()
    name = re.search(r"model name\s*:\s*(.*)", text)
    memory = re.search(r"MemTotal:\s*(\d+)", pathlib.Path("/proc/meminfo").read_text())
    return {"cpu": name.group(1).strip() if name else os.uname().machine, "cpus": os.cpu_count(),
            "memory_gb": round(int(memory.group(1)) / 1e6, 1), "kernel": os.uname().release,
            "load": round(os.getloadavg()[0], 2)}


def summary(rows, threads):
    """Per thread count: geometric mean and minimum of the speeds."""
    result = {}
    for n in threads:
        speeds = [(r["speed"][n], r["name"]) for r in rows if n in r.get("speed", {})]
        if speeds:
            result[n] = {"models": len(speeds), "min": min(speeds)[0], "min_model": min(speeds)[1],
                         "geomean": math.exp(sum(math.log(s) for s, _ in speeds) / len(speeds))}
    return result


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--models", type=pathlib.Path, default=pathlib.Path("build/models"))
    parser.add_argument("--only", help="comma-separated names of models")
    parser.add_argument("--onnxcc", type=pathlib.Path, default=pathlib.Path("build/onnxcc"))
    parser.add_argument("--flags", default="", help="more options for the compiler, in one word")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("build/bench"), help="where programs are kept")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--cpus", help="CPU numbers to pin to; default: one per core")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runs", type=int, default=20, help="runs per round (at least; and 0.5 s)")
    parser.add_argument("--timeout", type=int, default=600, help="seconds for any one step")
    parser.add_argument("--no-check", action="store_true", help="time programs whose results nobody looked at")
    parser.add_argument("--check-only", action="store_true", help="compile and compare, no timing")
    parser.add_argument("--md", type=pathlib.Path, help="write a Markdown table")
    parser.add_argument("--json", type=pathlib.Path, help="write everything")
    args = parser.parse_args()
    args.cpus = [int(c) for c in args.cpus.split(",")] if args.cpus else cores()
    args.threads = [int(t) for t in args.threads.split(",")]
    usable = [t for t in args.threads if t <= len(args.cpus)]
    if usable != args.threads:
        print(f"only {len(args.cpus)} CPUs here: {', '.join(map(str, usable))} threads", file=sys.stderr)
        args.threads = usable
    args.onnxcc = args.onnxcc.resolve()
    if not args.onnxcc.exists():
        parser.error(f"{args.onnxcc} is not there: build it first")
    args.out.mkdir(parents=True, exist_ok=True)
    args.out = args.out.resolve()
    return parser, args


def main():
    parser, args = arguments()
    try:
        folders = model_folders(args.models, args.only)
    except LookupError as error:
        parser.error(str(error))
    if not folders:
        parser.error(f"{args.models} has no models: run bench/export_models.py")

    version, _ = run([args.onnxcc, "--version"], "version", 60)
    head = {"date": time.strftime("%Y-%m-%d"), "machine": machine(), "onnxcc": version.splitlines()[0],
            "onnxruntime": onnxruntime.__version__, "flags": args.flags, "cpus": args.cpus,
            "rounds": args.rounds, "runs": args.runs}
    rows = []
    for folder in folders:
        try:
            row = measure(args, folder)
        except Failure as failure:
            row = {"name": folder.name, "error": str(failure)}
        rows.append(row)
        print(f"{row['name']:20} " + (row.get("error") or ", ".join(
            [f"compiled in {row['compile_s']:.1f} s"] + ["agrees"] * ("agrees" in row) +
            [f"{n} threads: {row['onnxcc'][n]['ms_median']:.2f} ms, onnxruntime "
             f"{row['onnxruntime'][n]['ms_median']:.2f} ms, {s:.2f} x" for n, s in row.get("speed", {}).items()])),
            flush=True)
        result = {"head": head, "summary": summary(rows, args.threads), "models": rows}
        if args.json:
            args.json.write_text(json.dumps(result, indent=1) + "\n")
        if args.md:
            args.md.write_text(markdown(result))
    for n, s in result["summary"].items():
        print(f"{n} threads: geometric mean {s['geomean']:.3f} x, lowest {s['min']:.3f} x ({s['min_model']}), "
              f"{s['models']} models")
    failed = [r["name"] for r in rows if "error" in r]
    if failed:
        print(f"{len(failed)} of {len(rows)} failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
