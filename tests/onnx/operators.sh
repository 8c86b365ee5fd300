#!/bin/sh
# The page of operators, docs/operators.md, from the declarations in frontend/ops/ and the standard's own list.
#
#   sh tests/onnx/operators.sh             fails where the page is not what the declarations say
#   sh tests/onnx/operators.sh --update    writes it
root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root" || exit 1
page=$(mktemp "${TMPDIR:-/tmp}/operators-XXXXXX") || exit 1
trap 'rm -f "$page"' EXIT

LC_ALL=C awk '
# ---- the standard: name, versions ----
FILENAME ~ /operators\.txt$/ {
    if (!/^#/) {
        names[++n_names] = $1
        versions[$1] = $2
        for (i = 3; i <= NF; i++) versions[$1] = versions[$1] " " $i
    }
    next
}
# ---- the newest operator set that is known ----
FILENAME ~ /import\.h$/ {
    if (match($0, /MAX_OPSET = [0-9]+/)) newest = substr($0, RSTART + 12, RLENGTH - 12)
    next
}
# ---- declarations, and the functions that they share ----
function note(text,    call, k, mask, name, rest) {
    while (match(text, /(need|maybe)\(n, *[^,()]+, *T_[A-Z_ |]+\)/)) {
        call = substr(text, RSTART, RLENGTH)
        text = substr(text, RSTART + RLENGTH)
        split(call, part, /[(,)] */)
        k = part[3]
        mask = part[4]
        if (k !~ /^[0-9]+$/) k = "each"
        add(block, k, mask)
    }
    rest = text
    while (match(rest, /[ (]T_[A-Z]+[,) :]/)) {
        mask = substr(rest, RSTART + 1, RLENGTH - 2)
        rest = substr(rest, RSTART + RLENGTH - 1)
        if (!((block, "first") in types)) types[block, "first"] = mask
        else if (types[block, "first"] !~ mask) types[block, "first"] = types[block, "first"] " | " mask
    }
    while (match(text, /[a-z_]+\(&?[a-z]+[,)]/)) {
        name = substr(text, RSTART, RLENGTH)
        sub(/\(.*/, "", name)
        calls[block] = calls[block] " " name
        text = substr(text, RSTART + RLENGTH)
    }
}
function add(b, k, mask) {
    if (!((b, k) in types)) order[b] = order[b] " " k
    types[b, k] = mask
}
function begin(name) {
    block = name
    order[block] = calls[block] = ""
    for (i = 0; i <= 20; i++) delete types[block, i]
    delete types[block, "each"]
    delete types[block, "first"]
}
/^ONNX_OP\(/ {
    split($0, part, /[(,)] */)
    since[part[2]] = (part[2] in since) ? since[part[2]] " " part[3] : part[3]
    begin("op " part[2])
    note($0)
    if ($0 !~ /\{$/) block = ""
    next
}
/^ONNX_OP_OF\(/ {
    block = ""
    next
}
/^[A-Za-z].*[a-z_0-9]+\([A-Za-z ]+\*/ {
    match($0, /[a-z_0-9]+\(/)
    begin(substr($0, RSTART, RLENGTH - 1))
    note($0)
    next
}
/^}/ { block = "" }
block { note($0) }

function shown(mask,    t, i, n, out, word) {
    n = split(mask, t, / *\| */)
    for (i = 1; i <= n; i++) out = out (i > 1 ? ", " : "") (t[i] in words ? words[t[i]] : t[i])
    return out
}
# What is known of a block: its own inputs, else those of the functions that it calls.
function describe(b, depth,    list, n, i, out, text) {
    n = split(order[b], list, " ")
    for (i = 1; i <= n; i++) out = out (out ? "; " : "") list[i] ": " shown(types[b, list[i]])
    if (!out && ((b, "first") in types)) out = "each: " shown(types[b, "first"])
    n = split(calls[b], list, " ")
    for (i = 1; i <= n && !out && depth; i++) if (list[i] in order) out = describe(list[i], depth - 1)
    return out
}
function least(list,    t, n, i, v) {
    n = split(list, t, " ")
    v = t[1]
    for (i = 2; i <= n; i++) if (t[i] + 0 < v + 0) v = t[i]
    return v
}
END {
    n = split("T_F float T_FLOAT float T_S signed T_U unsigned T_INT integer T_NUM number T_B bool T_STR string T_N narrow T_C complex", w, " ")
    for (i = 1; i < n; i += 2) words[w[i]] = w[i + 1]
    words["T_SIGNED"] = "float, signed"
    words["T_PLAIN"] = "number, bool"
    words["T_MOVED"] = "number, bool, narrow"
    words["T_ANY"] = "any"
    words["T_SEQ"] = "sequence, optional"
    for (i = 1; i <= n_names; i++) if (names[i] in since) there++
    print "# Operators"
    print ""
    print "Made by `sh tests/onnx/operators.sh --update` from the declarations in `frontend/ops/`; do not edit."
    print there " of the " n_names " operators of ai.onnx can be compiled."
    print ""
    print "*Operator sets*: from which set on a model may use the operator, up to " newest "; in brackets the sets in"
    print "which the standard introduced or changed it. *Inputs*: the element types that each may have:"
    print ""
    print "| word | types |"
    print "| --- | --- |"
    print "| float | f16 bf16 f32 f64 |"
    print "| signed, unsigned, integer | i8 i16 i32 i64; u8 u16 u32 u64; both |"
    print "| number | float, integer |"
    print "| narrow | f8e4m3fn f8e4m3fnuz f8e5m2 f8e5m2fnuz f8e8m0 f4e2m1 i4 u4 i2 u2 |"
    print "| any | number, bool, narrow, string, complex (c64 c128) |"
    print ""
    print "The standard may allow fewer types; where it demands that inputs agree, they must. Inputs that are not"
    print "listed are integers that say how (shapes, axes, sizes), or have the type of another input."
    print ""
    print "| operator | operator sets | inputs |"
    print "| --- | --- | --- |"
    for (i = 1; i <= n_names; i++) {
        name = names[i]
        if (!(name in since)) missing = missing (missing ? ", " : "") name
        else print "| " name " | " least(since[name]) ".. (" versions[name] ") | " describe("op " name, 3) " |"
    }
    if (missing) print "\nNot there: " missing "."
}' tests/onnx/operators.txt frontend/import.h frontend/ops/*.c >"$page" || exit 1

if [ "${1:-}" = --update ]; then
    cp "$page" docs/operators.md
elif ! diff docs/operators.md "$page"; then
    echo "docs/operators.md is not what frontend/ops/ declares: run  sh tests/onnx/operators.sh --update"
    exit 1
fi
