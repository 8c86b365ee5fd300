"""The Markdown form of what bench.py measured."""


def megabytes(n):
    """A size in MB, or a dash."""
    return f"{n / 1e6:.1f}" if n is not None else "-"


def table(header, rows):
    """A Markdown table: the first column left-aligned, the rest right-aligned."""
    lines = ["| " + " | ".join(header) + " |", "| --- |" + " ---: |" * (len(header) - 1)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


def speeds(result):
    """Times of both sides and their quotient, per thread count."""
    threads = sorted(result["summary"], key=int)
    header = ["model"]
    for n in threads:
        header += [f"onnxcc, {n} thr. (ms)", "ONNX Runtime (ms)", "speed"]
    rows = []
    for row in result["models"]:
        if "speed" not in row:
            continue
        cells = [row["name"]]
        for n in threads:
            cells += [f"{row['onnxcc'][n]['ms_median']:.3f}", f"{row['onnxruntime'][n]['ms_median']:.3f}",
                      f"{row['speed'][n]:.2f} x"]
        rows.append(cells)
    for title, key in (("**geometric mean**", "geomean"), ("**lowest**", "min")):
        cells = [title]
        for n in threads:
            cells += ["", "", f"**{result['summary'][n][key]:.2f} x**"]
        rows.append(cells)
    return table(header, rows)


def costs(result):
    """Compile time, sizes, first run and memory (with the largest number of threads)."""
    rows = []
    for row in result["models"]:
        if "compile_s" not in row:
            continue
        cells = [row["name"], megabytes(row["bytes"]), f"{row['compile_s']:.1f}", megabytes(row["compiler_bytes"]),
                 megabytes(row["program_bytes"])]
        if row.get("onnxcc"):
            n = max(row["onnxcc"], key=int)
            mine, other = row["onnxcc"][n], row["onnxruntime"][n]
            cells += [megabytes(mine.get("arena_bytes")), f"{mine['ms_first']:.1f}", f"{other['ms_first']:.1f}",
                      f"{other['ms_load']:.0f}", megabytes(mine["peak_rss_bytes"]), megabytes(other["peak_rss_bytes"])]
        else:
            cells += ["-"] * 6
        rows.append(cells)
    return table(["model", "model (MB)", "compile (s)", "compiler memory (MB)", "program (MB)", "arena (MB)",
                  "first run (ms)", "ORT first run (ms)", "ORT load (ms)", "peak (MB)", "ORT peak (MB)"], rows)


def markdown(result):
    """The whole report."""
    head, machine = result["head"], result["head"]["machine"]
    lines = [
        f"{head['onnxcc']} and ONNX Runtime {head['onnxruntime']} in one run, {head['date']}: {machine['cpu']}, "
        f"{machine['cpus']} CPUs, {machine['memory_gb']} GB, Linux {machine['kernel']}"
        f" (load at start {machine['load']}).",
        f"float32; threads pinned to CPUs {', '.join(map(str, head['cpus']))}; {head['rounds']} alternating rounds of "
        f"at least {head['runs']} runs and 0.5 s; medians. Speed is ONNX Runtime's time divided by onnxcc's: "
        "above 1, onnxcc is faster." + (f" Compiled with `{head['flags']}`." if head["flags"] else ""),
        ""]
    if result["summary"]:
        lines += speeds(result) + [""]
    if any("compile_s" in row for row in result["models"]):
        lines += costs(result) + [""]
    failed = [row for row in result["models"] if "error" in row]
    if failed:
        lines += ["Not measured:", ""] + [f"- {row['name']}: {row['error']}" for row in failed] + [""]
    return "\n".join(lines)
