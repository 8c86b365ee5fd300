"""The generated part of docs/conformance.md: one row per operator, one column per level."""

BEGIN, END = "<!-- generated: begin -->", "<!-- generated: end -->"


def rows(cases, key, of_level):
    groups = {}
    for case in cases:
        groups.setdefault(case.group, []).append(key(case))
    for group in sorted(groups, key=lambda g: (g.startswith("("), g.lower())):
        names = groups[group]
        good = [sum(results[n][0] == "passed" for n in names) for results in of_level.values()]
        yield [group, len(names), *good]


def line(cells):
    return "| " + " | ".join(str(c) for c in cells) + " |"


def write(path, cases, key, of_level, known):
    head = ["operator", "tests", *of_level]
    body = list(rows(cases, key, of_level))
    total = ["all", *(sum(row[i] for row in body) for i in range(1, len(head)))]
    out = [BEGIN, "", line(head), line(["---"] * len(head))]
    out += [line(row) for row in [total, *body]] + ["", "What does not pass:", ""]
    out += [line(["test", "level", "why"]), line(["---"] * 3)]
    for level, results in of_level.items():
        for name, (what, why) in sorted(results.items()):
            if what != "passed":
                out.append(line([f"`{name}`", level, known[level].get(name, f"{what}: {why}")]))
    with open(path, encoding="utf-8") as f:
        text = f.read()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    with open(path, "w", encoding="utf-8") as f:
        f.write(before + "\n".join([*out, "", END]) + after)
