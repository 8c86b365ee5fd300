#!/bin/sh
# The kernels' CUDA text, run on this machine: in order, and in two random orders of threads.
. "$(dirname "$0")/common.sh"
need "${CXX:-g++}" g++
for model in digits tiny_transformer; do
    "$onnxcc" "$(model_of $model)" --device=cuda-emu -o $model.emu
    for seed in 0 1 2; do
        ONNXCC_EMU_SEED=$seed ./$model.emu --check "$(data_of $model)"
    done
done
