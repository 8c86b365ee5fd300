#!/bin/sh
# Checks what the house rules say about files; usage: style.sh [ROOT]
#
# - includes point downwards: ir -> ir; passes -> ir; codegen -> ir; frontend -> ir, passes/passes.h
#   and codegen/codegen.h; runtime -> runtime
#   (shared by compiler and programs: runtime/core/place.h, the rule for places, and for code that
#   is generated and for the interpreter, which calls the operators on strings and sequences,
#   runtime/abi.h and runtime/cuda.h, what the two exchange)
# - protobuf-c only in frontend, LLVM only in codegen/llvm, NVRTC only in codegen/cuda, isl only in
#   ir/affine.c
# - every C file begins with a comment that says why it exists
# - no tabs, no trailing blanks
# - nothing mentions a home folder or the place of this checkout
# - no line has more than 100 columns
# Other sizes are reported, not enforced: files over 400 lines, functions over 40.
set -eu
root=${1:-$(dirname "$0")/..}
cd "$root"
root=$(pwd)

find ir frontend passes codegen runtime tests bench demo -name '*.[ch]' -type f |
    LC_ALL=C sort | LC_ALL=C xargs awk '
function complain(text) {
    print FILENAME ":" FNR ": " text
    bad++
}
function allowed(folder, path) {
    if (folder == "ir")
        return path ~ /^ir\// || path == "runtime/abi.h" || path == "runtime/shared.def"
    if (folder == "runtime") return path ~ /^(runtime|core|host)\//
    if (path == "runtime/core/place.h" && folder != "frontend") return 1
    if (path ~ /^runtime\/(abi|cuda)\.h$/ && folder == "codegen") return 1
    if (folder == "passes" || folder == "codegen") return path ~ "^(ir|" folder ")/"
    if (folder == "frontend")
        return path ~ "^(ir|frontend)/" || path == "passes/passes.h" || path == "codegen/codegen.h"
    return 1
}
function check_include(line,    quoted, path, folder) {
    quoted = line ~ /"/
    path = line
    sub(/^[^"<]*["<]/, "", path)
    sub(/[">].*/, "", path)
    folder = FILENAME
    sub(/\/.*/, "", folder)
    if (path ~ /^protobuf-c\/|\.pb-c\.h$/ && folder != "frontend" && folder != "tests")
        complain("protobuf-c belongs to frontend/")
    if (path ~ /^llvm/ && FILENAME !~ /^codegen\/llvm\//) complain("LLVM belongs to codegen/llvm/")
    if (path ~ /^nvrtc/ && FILENAME !~ /^codegen\/cuda\//) complain("NVRTC belongs to codegen/cuda/")
    if (path ~ /^isl\// && FILENAME !~ /^ir\/affine/) complain("isl belongs to ir/affine.c")
    while (sub(/^\.\.\//, "", path)) quoted = 2
    if (quoted && path ~ /\// && !allowed(folder, path)) complain(folder "/ may not include " path)
}
FNR == 1 {
    if ($0 !~ /^\/\*/) complain("no comment at the top says why this file exists")
    if (lines > 400) big[++n_big] = name " " lines
    name = FILENAME
    body = 0
}
{ lines = FNR }
/^ *# *include/ { check_include($0) }
length($0) > 100 { complain("more than 100 columns") }
/\t/ { complain("a tab") }
/[ \t]$/ { complain("blanks at the end") }
/^[A-Za-z_].*\) *\{$/ { body = FNR }
/^}/ {
    if (body && FNR - body > 40) long[++n_long] = FILENAME ":" body " " FNR - body
    body = 0
}
END {
    if (lines > 400) big[++n_big] = name " " lines
    for (i = 1; i <= n_big; i++) print "note: file of " big[i] " lines"
    for (i = 1; i <= n_long; i++) print "note: function of lines: " long[i]
    exit bad > 0
}' || failed=1

# The checkout and the folder around it, unless that is a common one.
places="-e /home/[a-z] -e /Users/[A-Za-z] -e /root/ -e $root"
outer=$(dirname "$root")
case $outer in
/ | /home | /tmp | /root | /usr | /opt | /mnt | /srv | /var/tmp) ;;
*) places="$places -e $outer/" ;;
esac
set -f
if find . \( -name .git -o -path './build*' \) -prune -o -type f -size -1024k ! -name style.sh -print |
    LC_ALL=C sort | xargs grep -nIE $places; then
    echo "absolute paths of one machine (above)"
    failed=1
fi
[ -z "${failed:-}" ]
