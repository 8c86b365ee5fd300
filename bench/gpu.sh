#!/bin/sh
# Checks and measures on an NVIDIA GPU what was compiled on another machine.
#
#   bench/gpu.sh prepare [--out build/gpu] ...    on the compiler's machine, with NVRTC: fills one folder
#   bench/gpu.sh run [build/gpu] ...              where GPU and driver are; or: sh FOLDER/gpu.sh run
#
# `--help` behind either word lists the options. `run` needs no compiler and no Python; with PyTorch it
# measures that, too, in the same run. docs/performance.md shows what comes out.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
what=${1:-}
[ $# = 0 ] || shift
case $what in
prepare)
    root=$(cd "$here/.." && pwd)
    python=${PYTHON:-$root/build/venv/bin/python}
    [ -x "$python" ] || python=python3
    exec "$python" -B "$here/gpu/prepare.py" "$@"
    ;;
run)
    [ -f "$here/gpu/run.sh" ] || { exec sh "$here/run.sh" "$here" "$@"; }
    case ${1:-} in
    '' | --*) set -- "$here/../build/gpu" "$@" ;;
    esac
    exec sh "$here/gpu/run.sh" "$@"
    ;;
*)
    sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
    exit 1
    ;;
esac
