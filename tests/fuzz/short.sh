#!/bin/sh
# A short, reproducible run of the fuzzer: short.sh ERRORS LOAD_FUZZ FOLDER
set -e
errors=$1 load_fuzz=$2 folder=$3
mkdir -p "$folder/seeds" "$folder/corpus"
"$errors" --write "$folder/seeds"
cd "$folder"
"$load_fuzz" corpus seeds -seed=1 -runs=4000 -max_len=4096 -timeout=60 -rss_limit_mb=4000 > log 2>&1 || { tail -60 log; exit 1; }
