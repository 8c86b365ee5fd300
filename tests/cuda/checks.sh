#!/bin/sh
# checks.sh FOLDER: the emulation's checks find every fault of tests/cuda/faults.cu, and nothing in
# the kernels without one. Exit code 77: no clang.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=$1
cxx=clang++-19
command -v $cxx > /dev/null || { echo "skipped: $cxx is not installed (Debian: clang-19)"; exit 77; }
mkdir -p "$out"

# make NAME FAULT FLAG...
make() {
    name=$1 fault=$2
    shift 2
    $cxx -std=gnu++17 -O1 -g "$@" -DFAULT="$fault" -x c++ -include "$here/../../runtime/emu/cuda_emu.h" \
        -c "$here/faults.cu" -o "$out/$name.o"
}

# found NAME TEXT: the program ends in failure and says so
found() {
    if "$out/$1" > "$out/log" 2>&1; then
        echo "FAIL: $1 ends well"
        exit 1
    fi
    grep -q "$2" "$out/log" || { echo "FAIL: $1 does not say: $2"; cat "$out/log"; exit 1; }
    echo "$1: found: $2"
}

export ASAN_OPTIONS=detect_leaks=0
for fault in NONE BOUNDS SHARED_BOUNDS; do
    make address_$fault $fault -fsanitize=address -DONNXCC_EMU_PLAIN_SHARED
    $cxx -fsanitize=address "$out/address_$fault.o" -o "$out/address_$fault"
done
for fault in NONE NO_BARRIER NO_WARP_BARRIER TWO_BLOCKS NOT_WRITTEN; do
    make races_$fault $fault -fsanitize=thread -DONNXCC_EMU_RACES
    $cxx "$out/races_$fault.o" -o "$out/races_$fault" -lpthread
done
make plain_DIVERGED DIVERGED
$cxx "$out/plain_DIVERGED.o" -o "$out/plain_DIVERGED" -lpthread
make plain_NONE NONE
$cxx "$out/plain_NONE.o" -o "$out/plain_NONE" -lpthread

for seed in 0 1 2 3; do
    export ONNXCC_EMU_SEED=$seed
    "$out/plain_NONE"
    ONNXCC_EMU_THREADS=3 "$out/plain_NONE"
    "$out/address_NONE"
    "$out/races_NONE"
    found address_BOUNDS 'heap-buffer-overflow'
    found address_SHARED_BOUNDS 'global-buffer-overflow'
    found races_NO_BARRIER 'race: thread .* of block 0'
    found races_NO_WARP_BARRIER 'race: thread .* of block 0'
    found races_TWO_BLOCKS 'of block . \(wrote\|read\)'
    found races_NOT_WRITTEN 'shared memory that no thread of the block has written'
    found plain_DIVERGED 'threads of block 0 wait for each other'
done
