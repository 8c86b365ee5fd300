# What the tests of this folder share. Each is a script that is run as
#
#     sh tests/run/NAME.sh ONNXCC ONNXCC-OPT ROOT HELPER
#
# and works in a folder of its own, which is removed at the end. HELPER: the program of helper.c.
set -u
onnxcc=$1 opt=$2 root=$3 helper=$4
models=$root/tests/run/models digits=$root/demo/digits.onnx
tmp=$(mktemp -d "${TMPDIR:-/tmp}/onnxcc-run-XXXXXX") || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
cd "$tmp" || exit 1
export XDG_CACHE_HOME="$tmp/cache"
failures=0
cc=${CC:-cc}

fail() {
    failures=$((failures + 1))
    echo "FAILED: $*" >&2
    head -c 2000 out err differ >&2 2>/dev/null
}

# expect CODE COMMAND...: its exit code; what it prints is in the files out and err.
expect() {
    want=$1
    shift
    "$@" >out 2>err
    got=$?
    [ $got -eq "$want" ] || fail "exit code $got instead of $want: $*"
}

# says TEXT...: the last command printed each of them, to stdout or stderr.
says() {
    for text; do
        cat out err | grep -qF -e "$text" || fail "not said: $text"
    done
}

silent() {
    [ ! -s err ] || fail "printed to stderr"
}

# refuses TEXT... -- COMMAND...: exit code 1, all texts in the message, and not killed by a signal.
refuses() {
    : >texts
    while [ "$1" != -- ]; do
        printf '%s\n' "$1" >>texts
        shift
    done
    shift
    expect 1 "$@"
    while IFS= read -r text; do says "$text"; done <texts
}

same() {
    cmp "$1" "$2" >differ 2>&1 || fail "$1 and $2 differ"
}

absent() {
    for file; do [ ! -e "$file" ] || fail "$file was left behind"; done
}

# The value of a member of the JSON object in a file.
member() {
    "$helper" json "$1" "$2" || fail "$1: no member $2, or no JSON"
}

size() {
    wc -c <"$1" | tr -d ' '
}

compile() {
    expect 0 "$onnxcc" -q "$@"
}

finish() {
    [ $failures -eq 0 ] || echo "$failures failed" >&2
    [ $failures -eq 0 ]
    exit $?
}
