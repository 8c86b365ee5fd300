#!/bin/sh
# alloc.sh ONNXCC MODEL FOLDER: allocations of a compile fail, one in each run: the first 20, then
# every fourth. Each time there is a message, the exit code is 1, and no file is left behind.
set -eu
onnxcc=$1
model=$2
rm -rf "$3/tmp"
mkdir -p "$3/tmp"
cd "$3"
${CC:-cc} -shared -fPIC -O1 "$(dirname "$0")/preload/fail_alloc.c" -o fail_alloc.so
export TMPDIR="$PWD/tmp"
n=0 code=1
while [ $code != 0 ]; do
    n=$((n + (n < 20 ? 1 : 4))) code=0
    rm -rf out.exe
    FAIL_ALLOC=$n LD_PRELOAD=./fail_alloc.so "$onnxcc" -j 1 "$model" -o out.exe > said 2>&1 || code=$?
    [ $code = 0 ] && break
    if [ $code != 1 ] || ! grep -q 'out of memory' said || [ -e out.exe ] || [ -n "$(ls tmp)" ]; then
        echo "FAIL: allocation $n: exit code $code, left behind: $(ls out.exe tmp 2> /dev/null || true)"
        cat said
        exit 1
    fi
done
[ $n -gt 10 ] || { echo "FAIL: only $n allocations" && exit 1; }
echo "a compile needs fewer than $n allocations"
