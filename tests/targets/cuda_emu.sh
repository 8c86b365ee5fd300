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

# runtime functions that the device does, also with checks of their accesses
checks=none
command -v clang++-19 > /dev/null && checks="none races address"
for check in $checks; do
    ONNXCC_EMU_CHECK=${check#none} "$onnxcc" "$root/tests/run/models/ordered.onnx" --device=cuda-emu -q \
        -o ordered.$check
    for seed in 0 1; do
        ASAN_OPTIONS=detect_leaks=0 ONNXCC_EMU_SEED=$seed ./ordered.$check --threads 1 \
            --check "$root/tests/run/models/ordered"
    done
done
printf '\12\0\0\0\0\0\0\0' > k.bin # 10 of 9 elements
if ./ordered.none --dim N=9 --input k=k.bin 2> refused.log; then
    echo "FAIL: TopK gives more than there is"
    exit 1
fi
grep -q 'TopK_of_y.*its inputs ask for something impossible' refused.log
