#!/bin/sh
# Executables for 64-bit ARM Linux, run by qemu.
. "$(dirname "$0")/common.sh"
need qemu-aarch64-static qemu-user-static
need aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu
for model in digits tiny_transformer; do
    "$onnxcc" "$(model_of $model)" --target=aarch64-linux-gnu -o $model.aarch64
    qemu-aarch64-static -L /usr/aarch64-linux-gnu ./$model.aarch64 --check "$(data_of $model)"
done
