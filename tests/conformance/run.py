"""The official ONNX suite through compiled programs; the last line is "N passed, M failed".

    run.py ONNXCC [--level O2|O0|interp|symbolic|cuda,...] [--part K/N] [--only REGEX] [-j N]

Levels: O2 and O0 compile at that level; symbolic is O2 with every input size unknown; interp runs
importer, passes and reference interpreter (the program interp_check beside ONNXCC); cuda compiles
with --device=cuda-emu: kernels for GPUs, run on the CPU, threads in a random order. Many models
become one program; but for cuda every 16th is an executable of its own.

known.txt lists what fails, and why. The exit code is 1 where a listed test passes or another one
fails; --update makes the list true for the levels and cases at hand, with messages as reasons.
"""

import argparse
import concurrent.futures
import hashlib
import os
import re
import subprocess
import sys
import tempfile
import time
import zlib

import cases
import table

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
LEVELS = ("O2", "O0", "interp", "symbolic", "cuda")
PER_PROGRAM, ALONE = 64, 16  # models per program; every so many-th case is a program of its own
COMPILE_SECONDS, RUN_SECONDS, INTERP_SECONDS = 300, 300, 7200
PASSED, REFUSED, FAILED, FAULT = "passed", "refused", "failed", "compiler fault"


def run(command, seconds, settings=None):
    """Exit code (None: out of time) and what was printed; with more environment variables."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=seconds, check=False, env={**os.environ, **(settings or {})})
        return done.returncode, done.stdout.decode(errors="replace")
    except subprocess.TimeoutExpired:
        return None, f"no end after {seconds} s"


def first_error(text):
    lines = [line for line in text.splitlines() if "error" in line or "differ" in line]
    return (lines or text.splitlines() or ["no output"])[0]


class Level:
    """Runs cases at one level; each result is (what, the first line that says why)."""

    def __init__(self, name, onnxcc, work):
        self.name, self.onnxcc, self.work = name, onnxcc, work
        self.options = ["-O0" if name == "O0" else "-O2"]
        self.options += ["--device=cuda-emu"] if name == "cuda" else []
        self.programs = 0

    def settings(self, case):
        """What compiles fastest; the larger models run for longer than they compile."""
        if self.name != "cuda":
            return {}
        return {"ONNXCC_EMU_CXXFLAGS": "-O2" if case.kind == "real" else "-O0",
                "ONNXCC_EMU_SEED": str(zlib.crc32(key(case).encode()))}

    def check(self, program, entry, case):
        command = [program, *entry, "--rtol", str(case.rtol), "--atol", str(case.atol),
                   "--check", case.data]
        code, text = run(command, RUN_SECONDS, self.settings(case))
        return (PASSED, "") if code == 0 else (FAILED, first_error(text))

    def compile(self, group):
        self.programs += 1
        fd, program = tempfile.mkstemp(dir=self.work)
        os.close(fd)
        command = [self.onnxcc, "-q", *self.options, "-j1", "-o", program]
        entries = [f"e{i}" for i in range(len(group))]
        if len(group) > 1:
            command.append("--entry=" + ",".join(entries))
        code, text = run(command + [c.model for c in group], COMPILE_SECONDS,
                         self.settings(group[0]))
        return code, text, program, entries

    def run_group(self, group):
        """One program; where it cannot be made, halves of it, so that each refusal is found."""
        code, text, program, entries = self.compile(group)
        if code != 0 and len(group) > 1:
            half = len(group) // 2
            return {**self.run_group(group[:half]), **self.run_group(group[half:])}
        if code != 0:
            what = REFUSED if code == 1 else FAULT
            return {key(group[0]): (what, first_error(text))}
        results = {}
        for case, entry in zip(group, entries):
            results[key(case)] = self.check(program, [entry] if len(group) > 1 else [], case)
        os.unlink(program)
        return results

    def run_interp(self, group):
        program = os.path.join(os.path.dirname(self.onnxcc), "interp_check")
        by_folder = {c.data: key(c) for c in group}
        _, text = run([program, "-O2", "--bake", *by_folder], INTERP_SECONDS)
        results = {k: (FAULT, "no result") for k in by_folder.values()}
        words = {"PASS": PASSED, "FAIL": FAILED, "REFUSED": REFUSED}
        said = ""
        for line in text.splitlines():
            word, _, folder = line.partition(" ")
            if word in words and folder in by_folder:
                results[by_folder[folder]] = (words[word], said)
                said = ""
            elif not said:
                said = line
        return results

    def groups(self, todo, apart):
        """Programs to make: cases that are known to be refused would spoil their neighbours."""
        if self.name == "interp":
            return [todo[i:i + PER_PROGRAM] for i in range(0, len(todo), PER_PROGRAM)]
        alone = [c for i, c in enumerate(todo)
                 if (i % ALONE == 0 and self.name != "cuda") or key(c) in apart or c.kind == "real"]
        keys = {key(c) for c in alone}
        rest = [c for c in todo if key(c) not in keys]
        many = [rest[i:i + PER_PROGRAM] for i in range(0, len(rest), PER_PROGRAM)]
        return many + [[c] for c in alone]

    def run(self, todo, apart, jobs):
        if self.name == "symbolic":
            todo = [cases.symbolic(c, self.work) for c in todo]
        one = self.run_interp if self.name == "interp" else self.run_group
        results = {}
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            for part in pool.map(one, self.groups(todo, apart)):
                results.update(part)
        return results


def key(case):
    return case.name if case.kind == "node" else f"{case.kind}/{case.name}"


def read_known(path):
    """{level: {key: reason}}: lines of test, levels separated by commas (or "all"), reason."""
    known = {level: {} for level in LEVELS}
    with open(path, encoding="utf-8") as f:
        for line in f:
            words = line.split(None, 2)
            if not words or line.startswith("#"):
                continue
            for level in LEVELS if words[1] == "all" else words[1].split(","):
                known[level][words[0]] = words[2].strip()
    return known


def write_known(path, known):
    """The other way round; tests that fail for one reason at several levels take one line."""
    lines = {}
    for level in LEVELS:
        for name, reason in known[level].items():
            lines.setdefault((name, reason), []).append(level)
    with open(path, encoding="utf-8") as f:
        head = [line for line in f if line.startswith("#")]
    with open(path, "w", encoding="utf-8") as f:
        f.writelines(head)
        for (name, reason), levels in sorted(lines.items()):
            where = "all" if len(levels) == len(LEVELS) else ",".join(levels)
            f.write(f"{name} {where} {reason}\n")


def update(known, results):
    """Drops what passes; adds what does not, with the message without names of files and nodes."""
    for name, (what, why) in results.items():
        if what == PASSED:
            known.pop(name, None)
        elif name not in known:
            why = re.sub(r"^.*?model\.onnx: |^.*test_data_set_\d+: |node \S+ ", "", why)
            known[name] = f"{what}: {why}"


def tree_hash():
    """Of the sources: another tree, another quarter."""
    h = hashlib.sha256()
    for top in ("ir", "frontend", "passes", "codegen", "runtime"):
        for folder, folders, files in os.walk(os.path.join(ROOT, top)):
            folders.sort()
            for name in sorted(files):
                with open(os.path.join(folder, name), "rb") as f:
                    h.update(f.read())
    return int.from_bytes(h.digest()[:4], "big")


def select(all_cases, part, only):
    if only:
        return [c for c in all_cases if re.search(only, key(c))]
    if not part:
        return all_cases
    which, of = part.split("/")
    k = tree_hash() % int(of) if which == "hash" else int(which)
    print(f"part {k} of {of}: every {of}th case from number {k} on (again: --part {k}/{of})")
    return all_cases[k::int(of)]


def judge(level, results, known):
    """Prints what is not as known.txt says; returns how many."""
    bad = 0
    for name, (what, why) in sorted(results.items()):
        listed = name in known
        if (what == PASSED) != listed:
            continue
        bad += 1
        if listed:
            print(f"{level}: {name} passes, but known.txt lists it: {known[name]} (--update)")
        else:
            print(f"{level}: {name}: {what}: {why}")
    return bad


def parse_args():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("onnxcc")
    p.add_argument("--level", default="O2", help="comma list of " + ", ".join(LEVELS))
    p.add_argument("--part", help="K/N: every Nth case from K on; hash/N: K from the sources")
    p.add_argument("--only", help="cases whose name matches")
    p.add_argument("--table", help="writes the table into this Markdown file")
    p.add_argument("--update", action="store_true", help="makes known.txt true")
    p.add_argument("-j", type=int, default=2, help="programs at a time")
    p.add_argument("-v", action="store_true", help="prints every case that did not pass")
    return p.parse_args()


def main():
    args = parse_args()
    known = read_known(os.path.join(HERE, "known.txt"))
    passed = total = bad = 0
    of_level = {}
    with tempfile.TemporaryDirectory(prefix="conformance-") as work:
        todo = select(cases.load(work), args.part, args.only)
        for name in args.level.split(","):
            start = time.monotonic()
            level = Level(name, os.path.abspath(args.onnxcc), work)
            results = level.run(todo, known[name], args.j)
            good = sum(what == PASSED for what, _ in results.values())
            print(f"{name}: {good} of {len(results)} passed, {level.programs} compiles, "
                  f"{time.monotonic() - start:.0f} s", flush=True)
            if args.v:
                judge(name, results, {})
            if args.update:
                update(known[name], results)
            bad += judge(name, results, known[name])
            passed, total = passed + good, total + len(results)
            of_level[name] = results
        if args.update:
            write_known(os.path.join(HERE, "known.txt"), known)
        if args.table:
            table.write(args.table, todo, key, of_level, known)
    print(f"{passed} passed, {total - passed} failed")
    return 1 if bad or not total else 0


if __name__ == "__main__":
    sys.exit(main())
