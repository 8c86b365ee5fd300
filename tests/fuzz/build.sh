#!/bin/sh
# Builds the fuzzer of the loader: tests/fuzz/build.sh SOURCE GENERATED OUTPUT (GENERATED: the build's generated files).
set -e
source=$1 generated=$2 output=$3
cd "$source"
files=$(ls ir/*.c frontend/*.c frontend/ops/*.c | grep -vE '^ir/arena.c$|/(main|opt_main|driver|cli|processors).c$')
shared="runtime/core/arena.c runtime/core/sequence.c runtime/core/bignum.c $(ls runtime/core/calls*.c runtime/image/*.c)"
clang-19 -std=c11 -D_GNU_SOURCE -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
    -I. -I"$generated" $files $shared tests/fuzz/load_fuzz.c tests/fuzz/mutate.c tests/fuzz/heap_arena.c "$generated/onnx.pb-c.c" \
    -lisl -lprotobuf-c -lm -o "$output"
