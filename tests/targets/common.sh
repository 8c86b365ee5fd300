# Sourced by the scripts of this folder: SCRIPT ONNXCC FOLDER compiles demo/digits.onnx and
# tests/models/tiny_transformer.onnx into FOLDER and checks what comes out against ONNX Runtime's results.
# Exit 77: something that the test needs is not installed.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
onnxcc=$1
out=$2
mkdir -p "$out"
cd "$out"

# need PROGRAM PACKAGE
need() {
    command -v "$1" > /dev/null && return
    echo "skipped: $1 is not installed (Debian: $2)"
    exit 77
}

model_of() {
    case $1 in
    digits) echo "$root/demo/digits.onnx" ;;
    *) echo "$root/tests/models/$1.onnx" ;;
    esac
}

data_of() {
    case $1 in
    digits) echo "$root/demo/digits" ;;
    *) echo "$root/tests/models/$1" ;;
    esac
}

# A C program that runs the model once on the data of tests/models/*_data.h; exit code 0: as expected.
program_of() {
    echo "$root/tests/targets/${1}_main.c"
}

# The only symbols that FILE defines for others begin with NAME_.
only_defines() {
    if "${3:-nm}" --defined-only --extern-only "$1" | awk 'NF == 3 { print $3 }' | grep -v "^$2_"; then
        echo "FAIL: $1 defines symbols of its own (above)"
        exit 1
    fi
}
